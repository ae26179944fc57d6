"""How work runs: tasks in order from processes that end with their parent; one deadline, one cancellation, one memory
limit; what a process shares between solves is changed by none."""

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import environment, until
from strategic_minerals import DeadlineError, Progress, Runner, StoppedError, solve
from strategic_minerals.core.runner import checkpoint, cores, count_part, current
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.solver.optimise import optimise
from strategic_minerals.solver.stages import with_reference
from support.tiny import imported, offer, source, supply_rule

AT_WORK = """
import sys

sys.path.insert(0, {here!r})
from test_runner import mark_and_wait
from strategic_minerals import Runner

if __name__ == "__main__":
    run = Runner(processes=2)
    with run.started():
        list(run.each("tasks", mark_and_wait, [{place!r}] * 2))
"""


def double(value: int) -> int:
    assert multiprocessing.get_start_method() != "spawn" or sys.platform != "linux", "a lock's name outlives a kill"
    return 2 * value


def seconds_left(_: int) -> float:
    return current().left()


def seconds_since(_: int) -> float:
    return current().seconds


def in_two_parts(value: int) -> int:
    for _ in "ab":
        time.sleep(0.4)
        count_part()
    return value


def wait_for_ever(_: int) -> None:
    while True:
        checkpoint()
        time.sleep(0.01)


def mark_and_wait(place: str) -> None:
    """Say which process this is, and be busy."""
    (Path(place) / str(os.getpid())).touch()
    time.sleep(600.0)


def alive(process: int) -> bool:
    try:
        return "zombie" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


def question() -> tuple[Any, Any]:
    return imported(60.0, 6.0, of="x", demand={"x": 10.0}, offers={"o": offer("x", 3.0)})


@pytest.mark.long
@pytest.mark.parametrize("processes", [1, 2])
def test_tasks_keep_order_deadline_and_cancellation_wherever_they_run(processes: int) -> None:
    """Proves: results keep the order of their tasks, here and elsewhere; progress counts parts from none to all; a deadline
    travels; tasks that ask on their way end when the caller says so, and the error says why."""
    seen: list[Progress] = []
    stop: list[float] = []
    run = Runner(
        processes=processes,
        deadline_s=1000.0,
        on_progress=seen.append,
        cancelled=lambda: bool(stop) and time.monotonic() > stop[0],
    )
    with run.started():
        assert list(run.each("numbers", double, [3, 1, 2])) == [6, 2, 4]
        assert [(one.phase, one.done, one.of) for one in seen] == [("numbers", n, 3) for n in range(4)]
        assert all(0 < left <= 1000.0 for left in run.each("tasks", seconds_left, [1, 2, 3]))
        stop.append(time.monotonic() + 0.5)
        with pytest.raises(StoppedError, match="cancelled") as error:
            list(run.each("tasks", wait_for_ever, [1, 2]))
    assert error.value.outcome.reason == "interrupted"


@pytest.mark.long
def test_a_deadline_does_not_wait_for_processes_that_only_begin() -> None:
    """Proves: work whose time is over before a process is up ends then, and states the time since the call began; so does what a
    process says of it later."""
    run = Runner(processes=2, deadline_s=0.2)
    with pytest.raises(StoppedError, match=r"deadline.* after 0\.[2-9]|deadline.* after [1-9]"), run.started():
        list(run.each("tasks", wait_for_ever, [1, 2]))
    run = Runner(processes=2, deadline_s=30.0)
    with run.started() as call:
        assert list(run.each("tasks", double, [1, 2])) == [2, 4]
        assert all(0 < seconds <= call.seconds for seconds in run.each("tasks", seconds_since, [1, 2]))
        parts: list[int] = []
        assert list(run.each("", in_two_parts, [1, 2, 3], on_parts=parts.append)) == [1, 2, 3]
    assert parts == sorted(set(parts)), "parts of tasks are counted as they are done"
    assert 0 < parts[0] <= parts[-1] <= 6


def test_the_narrower_limit_holds_within() -> None:
    """Proves: work within work has the deadline that comes first, and the threads that are stated nearest."""
    with Runner(deadline_s=100.0, threads=3).started():
        assert cores() == 3
        with Runner(deadline_s=1e6).started() as inner:
            assert inner.left() <= 100.0
            assert cores() == 3
        with Runner(deadline_s=1.0, threads=1).started() as inner:
            assert inner.left() <= 1.0
            assert cores() == 1
    assert current().left() > 1e6


def test_a_memory_limit_stops_work() -> None:
    with Runner(memory_mib=1.0).started(), pytest.raises(StoppedError) as error:
        checkpoint()
    assert error.value.outcome.reason == "out_of_memory"


def test_a_deadline_holds_before_there_is_a_model() -> None:
    """Proves R65: a solve whose time is over while it is built stops there with an error of its own, which is a StoppedError, and
    the phases until then were reported."""
    seen: list[str] = []
    assert issubclass(DeadlineError, StoppedError)
    with pytest.raises(DeadlineError, match="deadline") as error:
        solve(*question(), run=Runner(deadline_s=0.0, on_progress=lambda now: seen.append(now.phase)))
    assert error.value.outcome.reason == "time_limit"
    assert error.value.outcome.objective_musd is None
    assert seen == ["checking the question"]
    seen.clear()
    assert solve(*question(), run=Runner(on_progress=lambda now: seen.append(now.phase))).audited.passed
    assert list(dict.fromkeys(seen))[:6] == [
        "checking the question",
        "building the model",
        "drawing scenarios",
        "what owners expect",
        "ways of support",
        "compiling the model",
    ]


@pytest.mark.slow
def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    """Proves: a process that is killed, and so cannot tell its workers to stop, leaves none behind."""
    script, place = tmp_path / "at_work.py", tmp_path / "workers"
    place.mkdir()
    script.write_text(AT_WORK.format(here=str(Path(__file__).parent), place=str(place)))
    parent = subprocess.Popen([sys.executable, str(script)], env=environment())
    try:
        until(lambda: len(list(place.iterdir())) == 2)
        workers = [int(path.name) for path in place.iterdir()]
        assert all(alive(worker) for worker in workers)
    finally:
        parent.kill()
        parent.wait()
    until(lambda: not any(alive(worker) for worker in workers))


class Busy(Executor):
    """An executor whose workers never come to a task."""

    def __init__(self) -> None:
        self.tasks: list[Future[Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.tasks.append(Future())
        return self.tasks[-1]


def test_a_solve_that_waits_for_a_worker_can_be_cancelled() -> None:
    """Proves: a flat solve sent to an executor asks for a cancellation while it waits, and takes its task back."""
    busy = Busy()
    with pytest.raises(StoppedError, match="cancelled"):
        solve(*question(), method="flat", quick=True, run=Runner(executor=busy, cancelled=lambda: bool(busy.tasks)))
    assert [task.cancelled() for task in busy.tasks] == [True]


def diversified() -> tuple[Any, Any]:
    """Half of the demand has to come from home, which makes next to nothing: the reference caps shortfall on the trunk."""
    return imported(
        60.0,
        of="x",
        sources={"far": source("CHN", "x", 6.0), "near": source("USA", "x", 2.0)},
        loss=340.0,
        offers={"spot": offer("x", 3.0)},
        diversification=[supply_rule("least_share", "x", 0.2, group="home", penalty_usd_per_kg=5.0)],
    )


def test_a_problem_that_was_solved_is_as_it_was_before() -> None:
    """Proves: limits that are measured against the reference stand in a problem of their own; the frozen one keeps its arrays, so
    that two threads may solve it, and a second solve finds what the first one found."""
    problem = prepare(*diversified())
    arrays = {name: held for name, held in vars(problem.assembly).items() if isinstance(held, np.ndarray)}
    before = {name: held.copy() for name, held in arrays.items()}
    limited, z0 = with_reference(problem, 60.0)
    assert not np.array_equal(limited.assembly.row_upper, before["row_upper"])
    assert limited.assembly.value is problem.assembly.value  # a copy of one array, not of the matrix
    first, second = (optimise(problem, gap=0.0, time_limit_s=60.0) for _ in range(2))
    assert all(getattr(problem.assembly, name) is held for name, held in arrays.items())
    assert all(np.array_equal(before[name], held) for name, held in arrays.items())
    assert np.array_equal(first.z0, z0)
    assert np.array_equal(first.x, second.x)


def test_the_banner_is_kept_and_what_others_write_meanwhile_is_not() -> None:
    """Proves: while the first HiGHS of a process prints its banner, what other threads write and what processes that they start
    write comes through, and C's standard output is there again afterwards."""
    code = (
        "import ctypes, os, subprocess, highspy\nfrom strategic_minerals.solver import highs as runtime\n"
        "c, real = ctypes.CDLL(None), highspy.Highs\n"
        "def first():\n"
        "    os.write(1, b'mine\\n')\n"
        "    subprocess.run(['echo', 'child'], check=True)\n"
        "    return real()\n"
        "runtime.highspy.Highs = first\n"
        "runtime.instance()\nruntime.highspy.Highs = real\nruntime.instance()\n"
        "c.printf(b'after\\n'); c.fflush(None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
    assert done.stdout.splitlines() == ["mine", "child", "after"]
