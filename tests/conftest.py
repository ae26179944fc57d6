"""What all tests share: hypothesis without chance, the command line here and in a process of its own, golden files.

Refresh the pinned model text after a change of the mathematics that is meant, and read the diff:

    python -m pytest tests/formulation/test_golden_lp.py --refresh-golden"""

import contextlib
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import HealthCheck, settings

import strategic_minerals
from strategic_minerals.cli.main import main

settings.register_profile(
    "repeatable", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")

ENTRY = "from strategic_minerals.cli.main import main; main()"
"""What the installed command runs."""

Cli = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --refresh-golden."""
    parser.addoption(
        "--refresh-golden", action="store_true", help="write tests/formulation/golden/*.lp anew, then compare"
    )


def environment() -> dict[str, str]:
    """The environment of a child process that imports the same package as this one."""
    package = str(Path(strategic_minerals.__file__).resolve().parent.parent)
    tests = Path(__file__).resolve().parent
    folders = [str(tests), *(str(folder) for folder in sorted(tests.iterdir()) if any(folder.glob("test_*.py")))]
    known = os.environ.get("PYTHONPATH", "")
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([package, *folders, *([known] if known else [])]),
        "COLUMNS": "200",
    }


PATIENCE_S = 500.0
"""Until what does not end is taken for hanging. No claim: a machine that does much else may need a minute for a second's work."""


def until(found: Callable[[], Any], limit_s: float = PATIENCE_S) -> Any:
    """What a function gives once it gives something, asked again and again."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.02)
    raise AssertionError("it did not come")


@pytest.fixture(scope="session")
def cli() -> Cli:
    """Run `strategic-minerals <arguments>` in this process, in a folder; stdout and stderr are text, neither is a terminal.

    A start of Python and of the solver costs more than most commands do. What is told of processes, signals, pipes or of what
    else is printed takes `command`."""

    def run(*arguments: Any, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        asked = ["strategic-minerals", *map(str, arguments)]
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", asked)
            patch.setenv("COLUMNS", "200")
            patch.setattr(os, "_exit", leave)
            if cwd is not None:
                patch.chdir(cwd)
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
                main()
        code = ended.value.code
        assert isinstance(code, int)
        return subprocess.CompletedProcess(asked, code, out.getvalue(), err.getvalue())

    return run


def leave(code: int) -> NoReturn:
    """End a command as `os._exit` would, and not the tests with it."""
    raise SystemExit(code)


def python(code: str, *arguments: Any, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Run code as a process of its own, which imports what this one does, and wait; stdout and stderr are text."""
    asked = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(
        asked, capture_output=True, text=True, timeout=PATIENCE_S, env=environment(), check=False, cwd=cwd
    )


@pytest.fixture(scope="session")
def command() -> Cli:
    """Run `strategic-minerals <arguments>` as a process of its own and wait; stdout and stderr are text, neither is a terminal."""

    return partial(python, ENTRY)
