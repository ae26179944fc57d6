"""Put faults into a copy of the package, one at a time, and see which test sees each: `nice python .ci/mutate.py [id ...]`.

A row of the list is `id | old text | new text | nearest tests`, `\\n` being a line break. The old text stands exactly once in the
package, in whatever file. The nearest tests are arguments of pytest; `equivalent: why` in their place names a fault that changes
nothing. A fault that they miss meets the tests of `WIDER`. A test counts only if it passes without the fault. The table has a
row a fault: id, who sees it (nearest, wider, nobody, equivalent, error), the test, seconds, message. The checkout is never written.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import queue
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
WIDER = [f"tests/{room}" for room in ("formulation", "finance", "scenarios", "audit", "api", "model", "decomposition")]
LEFT_OUT = shutil.ignore_patterns(".git", "__pycache__", ".*_cache", "runs", "*.egg-info")
FAILED = re.compile(r"^(?:FAILED|ERROR) (tests/.+?)(?: - (.*))?$", re.MULTILINE)


class Fault(NamedTuple):
    """A row of the list."""

    name: str
    old: str
    new: str
    nearest: str


def read(path: Path) -> list[Fault]:
    """All faults of a list. Raises SystemExit for a row without four columns, or an id that stands twice."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    rows = [[cell.strip().replace("\\n", "\n") for cell in line.split(" | ")] for line in lines]
    wrong = [row[0] for n, row in enumerate(rows) if len(row) != 4 or row[0] in [before[0] for before in rows[:n]]]
    if wrong:
        raise SystemExit(f"{path.name}: not four columns, or an id that stands twice: {', '.join(wrong)}")
    return [Fault(*row) for row in rows]


def place(fault: Fault, checkout: Path) -> Path:
    """The one file of the package that holds the old text. Raises ValueError where none does, or it stands twice."""
    texts = {path: path.read_text() for path in (checkout / "optimizer" / "strategic_minerals").rglob("*.py")}
    found = [path for path, text in texts.items() for _ in range(text.count(fault.old))]
    if len(found) != 1:
        where = ", ".join(sorted(path.name for path in found)) or "no file"
        raise ValueError(f"the old text stands in {where}, and has to stand once")
    compile(texts[found[0]].replace(fault.old, fault.new), found[0].name, "exec")
    return found[0]


def first_failure(checkout: Path, arguments: list[str], deadline: float) -> tuple[str, str]:
    """(test, message) of the first test that fails in a copy; empty where all pass. Raises TimeoutError after `deadline` seconds,
    ValueError where pytest cannot run."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", *arguments]
    paths = os.pathsep.join(str(checkout / folder) for folder in ("optimizer", "tests"))
    told = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    pipe = subprocess.PIPE
    run = subprocess.Popen(command, cwd=checkout, env=told, stdout=pipe, text=True, start_new_session=True)
    try:
        output, _ = run.communicate(timeout=deadline)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)  # the tests' own processes too
        run.communicate()
        raise TimeoutError(f"within {deadline:g} s") from None
    failed = FAILED.search(output)
    if run.returncode in (0, 5):  # 5: no test was selected
        return "", ""
    if run.returncode != 1 or failed is None:
        raise ValueError("pytest: " + " ".join(output.split())[-300:])
    return failed[1], failed[2] or ""


def judge(fault: Fault, checkout: Path, deadline: float, wider: list[str]) -> tuple[str, str, str]:
    """(who sees it, the test, its message)."""
    if fault.nearest.startswith("equivalent"):
        return "equivalent", "", fault.nearest
    try:
        file = place(fault, checkout)
        sound = file.read_text()
        try:
            file.write_text(sound.replace(fault.old, fault.new))
            by, (test, message) = "nearest", first_failure(checkout, shlex.split(fault.nearest), deadline)
            if not test and wider:
                by, (test, message) = "wider", first_failure(checkout, wider, deadline)
        finally:
            file.write_text(sound)
            Path(importlib.util.cache_from_source(str(file))).unlink(missing_ok=True)
        if not test:
            return "nobody", "", ""
        if first_failure(checkout, [test], deadline)[0]:
            raise ValueError(f"{test} fails without the fault too")
    except ValueError as wrong:
        return "error", "", str(wrong)
    except TimeoutError as late:
        return "nobody", "", str(late)
    return by, test, message


def main() -> None:
    """Judge the faults that were asked for, or all. Exit code 1 where one goes unseen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, default=Path(tempfile.gettempdir(), "seen.tsv"), help="where the table goes"
    )
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--deadline", type=float, default=900.0, help="seconds for either kind of tests")
    parser.add_argument("--nearest", action="store_true", help="leave the wider tests out")
    parser.add_argument("--check", action="store_true", help="see that each old text stands in the package, and end")
    parser.add_argument("ids", nargs="*")
    asked = parser.parse_args()
    faults = [fault for fault in read(ROOT / ".ci" / "mutations.txt") if not asked.ids or fault.name in asked.ids]
    if asked.check:
        for fault in faults:
            place(fault, ROOT)
        return
    copies: queue.Queue[Path] = queue.Queue()
    with tempfile.TemporaryDirectory() as work, asked.out.open("w") as table, ThreadPoolExecutor(asked.jobs) as pool:
        for k in range(asked.jobs):
            copies.put(Path(shutil.copytree(ROOT, Path(work) / str(k), ignore=LEFT_OUT)))

        def one(fault: Fault) -> bool:
            checkout, begun = copies.get(), time.monotonic()
            by, test, message = judge(fault, checkout, asked.deadline, [] if asked.nearest else WIDER)
            copies.put(checkout)
            row = [fault.name, by, test, f"{time.monotonic() - begun:.0f}", " ".join(message.split())]
            for file in (sys.stdout, table):
                print(*row, sep="\t", file=file, flush=True)
            return by not in ("nobody", "error")

        raise SystemExit(not all(list(pool.map(one, faults))))


if __name__ == "__main__":
    main()
