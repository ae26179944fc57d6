"""A foreign service embeds the package: its own `models.py` and `optimizer.py`, solves from eight threads, no HTTP."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from conftest import PATIENCE_S, environment
from support.documents import PACKAGE, the_block


def test_the_example_of_a_foreign_service_runs(tmp_path: Path) -> None:
    """Proves: the documents' example, in a folder with modules named as ours might be, gives eight answers, each its own."""
    block = the_block(PACKAGE, "python", "# optimizer.py of your service")
    (tmp_path / "optimizer.py").write_text(block, encoding="utf-8")
    (tmp_path / "models.py").write_text("BUDGETS = [5.0 * n for n in range(1, 9)]\n", encoding="utf-8")
    run = "from optimizer import worth_of_budgets; from models import BUDGETS; print(*worth_of_budgets(BUDGETS))"
    found = subprocess.run(
        [sys.executable, "-c", run],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert found.returncode == 0, found.stderr
    worth = [float(word) for word in found.stdout.split()]
    assert len(worth) == 8
    assert worth == sorted(worth)
    assert worth[0] < worth[-1]
