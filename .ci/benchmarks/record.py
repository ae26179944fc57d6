"""Tables of the README beside this file, each between two marks, with the day, the commit and the machine that they come from.

    <!-- name: written by a benchmark -->
    ...
    <!-- name: end -->

Whatever stands between the marks of a name is replaced; the text around them is people's."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PAGE = Path(__file__).with_name("README.md")
TOOLS = ("highspy", "pyomo", "numpy", "scipy", "linopy", "mpi-sppy")


class Lines:
    """Lines that are printed as they come, and kept."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, line: str) -> None:
        print(line, flush=True)
        self.lines.append(line)


def between(name: str) -> re.Pattern[str]:
    """What matches the marks of a name and all between them."""
    return re.compile(rf"<!-- {name}: written by a benchmark -->\n.*?<!-- {name}: end -->", re.DOTALL)


def replaced(text: str, name: str, lines: Sequence[str], origin: str) -> str:
    """A page with new lines between the marks of a name. Raises ValueError where it does not have them exactly once."""
    if len(between(name).findall(text)) != 1:
        raise ValueError(f"expected the marks '{name}: written by a benchmark' and '{name}: end' once")
    table = "\n".join(lines).strip()
    new = f"<!-- {name}: written by a benchmark -->\n*{origin}*\n\n{table}\n<!-- {name}: end -->"
    return between(name).sub(lambda _: new, text)


def machine() -> str:
    """Processor, number of cores, Python."""
    names = re.findall(r"^model name\s*:\s*(.+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    processor = names[0] if names else platform.machine()
    return f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}"


def commit() -> str:
    """The checkout's commit in short, with what was changed since; `unknown` outside a checkout."""
    found = _git("rev-parse", "--short", "HEAD")
    if not found:
        return "unknown"
    return f"{found} with changes" if _git("status", "--porcelain", "--", "optimizer", "models", "inputs") else found


def origin() -> str:
    """When, from which commit, on which machine, with which versions, by which command."""
    versions = []
    for name in TOOLS:
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    command = " ".join(["python", f".ci/benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])
    return f"{datetime.now(UTC):%Y-%m-%d}, commit {commit()}; {machine()}; {', '.join(versions)}; `{command}`"


def write(name: str, lines: Sequence[str]) -> None:
    """Write a table into the README."""
    PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8"), name, lines, origin()), encoding="utf-8")


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""


def _git(*arguments: str) -> str:
    """What git prints; empty where it is not there or fails."""
    try:
        return subprocess.run(
            ["git", *arguments], cwd=PAGE.parent, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
