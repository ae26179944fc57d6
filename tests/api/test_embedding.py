"""A foreign service embeds the package: its own `models.py` and `optimizer.py`, solves from eight threads, no HTTP."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import PATIENCE_S, environment

SERVICE = '''
from concurrent.futures import ThreadPoolExecutor

from strategic_minerals import Runner, load_dataset, load_plan, shipped, solve

DATA = load_dataset(shipped("inputs"))


def worth_of_budgets(budgets):
    """What a plan is worth under each yearly budget [million USD], eight at once."""

    def worth(budget):
        plan = load_plan(shipped("models") / "quickstart.toml", {"budget.appropriation_musd": budget})
        return -solve(plan, DATA, gap=0.0, quick=True, run=Runner(threads=1)).outcome.objective_musd

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(worth, budgets))
'''
"""`optimizer.py` of a foreign service."""


@pytest.mark.slow
def test_a_foreign_service_runs(tmp_path: Path) -> None:
    """Proves: the package, called in a folder with modules named as ours might be, gives eight answers, each its own."""
    (tmp_path / "optimizer.py").write_text(SERVICE, encoding="utf-8")
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
