"""What all tests share: hypothesis without chance, the command line in a process of its own, golden files.

Refresh the pinned model text after a change of the mathematics that is meant, and read the diff:

    python -m pytest tests/test_golden_lp.py --refresh-golden
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import strategic_minerals

settings.register_profile(
    "repeatable", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")

ENTRY = "from strategic_minerals.cli import main; main()"
"""What the installed command runs."""

Cli = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --refresh-golden."""
    parser.addoption("--refresh-golden", action="store_true", help="write tests/golden/*.lp anew, then compare")


def environment() -> dict[str, str]:
    """The environment of a child process that imports the same package as this one."""
    package = str(Path(strategic_minerals.__file__).resolve().parent.parent)
    tests = str(Path(__file__).resolve().parent)
    known = os.environ.get("PYTHONPATH", "")
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([package, tests, *([known] if known else [])]),
        "COLUMNS": "200",
    }


@pytest.fixture(scope="session")
def cli() -> Cli:
    """Run `strategic-minerals <arguments>` in a folder and wait; stdout and stderr are text, neither is a terminal."""

    def run(*arguments: str, timeout: float = 120.0, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", ENTRY, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment(), check=False, cwd=cwd)

    return run
