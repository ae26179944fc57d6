"""Processes that work for another one: they give its answers, and end with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from strategic_minerals.core.parallel import workforce

from conftest import environment

AT_WORK = """
import sys

sys.path.insert(0, {here!r})
from test_parallel import mark_and_wait
from strategic_minerals.core.parallel import workforce

if __name__ == "__main__":
    with workforce(None, 2) as map_over:
        list(map_over(mark_and_wait, [{place!r}] * 2))
"""
PATIENCE_S = 60.0


def double(value: int) -> int:
    return 2 * value


def mark_and_wait(place: str) -> None:
    """Say which process this is, and be busy."""
    (Path(place) / str(os.getpid())).touch()
    time.sleep(10 * PATIENCE_S)


def until(holds: Callable[[], bool]) -> bool:
    """Whether something comes to hold within a while."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.1)
    return False


def alive(process: int) -> bool:
    try:
        return "zombie" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


def test_answers_come_in_order_from_here_and_from_elsewhere() -> None:
    for workers in (1, 2):
        with workforce(None, workers) as map_over:
            assert list(map_over(double, [3, 1, 2])) == [6, 2, 4]


def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    """Proves: a process that is killed, and so cannot tell its workers to stop, leaves none behind."""
    script, place = tmp_path / "at_work.py", tmp_path / "workers"
    place.mkdir()
    script.write_text(AT_WORK.format(here=str(Path(__file__).parent), place=str(place)))
    parent = subprocess.Popen([sys.executable, str(script)], env=environment())
    try:
        assert until(lambda: len(list(place.iterdir())) == 2)
        workers = [int(path.name) for path in place.iterdir()]
        assert all(alive(worker) for worker in workers)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert until(lambda: not any(alive(worker) for worker in workers))
