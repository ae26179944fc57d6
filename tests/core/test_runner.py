<<<<<<< HEAD
"""How work runs: tasks in order from processes that end with their parent; one deadline, one cancellation, one memory limit."""
=======
"""How work runs: processes, deadline, cancellation, memory and progress hold for whatever a verb calls."""
>>>>>>> verbs-tests

from __future__ import annotations

import os
<<<<<<< HEAD
=======
import pickle
>>>>>>> verbs-tests
import signal
import subprocess
import sys
import time
<<<<<<< HEAD
from collections.abc import Callable
=======
from concurrent.futures import ThreadPoolExecutor
>>>>>>> verbs-tests
from pathlib import Path
from typing import Any

import pytest

<<<<<<< HEAD
from conftest import environment
from strategic_minerals import InputError, Progress, Runner, StoppedError, solve
from strategic_minerals.core.runner import checkpoint, cores, current
from support.tiny import offer, source, tiny
=======
from conftest import environment, until
from strategic_minerals import Progress, Runner, StoppedError, solve, stress_test
from strategic_minerals.core import runner
from strategic_minerals.core.runner import HERE, checkpoint, cores, current
from support.drawn_cases import deciding
from support.instances import random_case
>>>>>>> verbs-tests

AT_WORK = """
import sys

sys.path.insert(0, {here!r})
from test_runner import mark_and_wait
from strategic_minerals import Runner

if __name__ == "__main__":
    run = Runner(processes=2)
    with run.started():
<<<<<<< HEAD
        list(run.each("tasks", mark_and_wait, [{place!r}] * 2))
"""
PATIENCE_S = 60.0
=======
        list(run.each("marks", mark_and_wait, [{place!r}] * 2))
"""
>>>>>>> verbs-tests


def double(value: int) -> int:
    return 2 * value


<<<<<<< HEAD
def seconds_left(_: int) -> float:
    return current().left()


def wait_for_ever(_: int) -> None:
    while True:
        checkpoint()
        time.sleep(0.01)
=======
def inside(_: int) -> tuple[int, int, bool]:
    """(process, threads, whether a deadline is near) as a task sees them."""
    return os.getpid(), cores(), current().left() < 1000.0
>>>>>>> verbs-tests


def mark_and_wait(place: str) -> None:
    """Say which process this is, and be busy."""
    (Path(place) / str(os.getpid())).touch()
<<<<<<< HEAD
    time.sleep(10 * PATIENCE_S)


def until(holds: Callable[[], bool]) -> bool:
    """Whether something comes to hold within a while."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.1)
    return False
=======
    time.sleep(600.0)


def wait_until_stopped(place: str) -> None:
    """Be busy, but ask."""
    (Path(place) / str(os.getpid())).touch()
    while True:
        checkpoint()
        time.sleep(0.02)
>>>>>>> verbs-tests


def alive(process: int) -> bool:
    try:
        return "zombie" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


<<<<<<< HEAD
def question() -> tuple[Any, Any]:
    return tiny(
        {"x": 60.0},
        sources={"far": source("CHN", "x", 6.0)},
        demand={"x": 10.0},
        loss=340.0,
        offers={"o": offer("x", 3.0)},
    )


@pytest.mark.parametrize("processes", [1, 2])
def test_answers_come_in_order_and_parts_are_counted(processes: int) -> None:
    """Proves: results keep the order of their tasks, here and elsewhere; progress counts parts from none to all."""
    seen: list[Progress] = []
    run = Runner(processes=processes, on_progress=seen.append)
    with run.started():
        assert list(run.each("numbers", double, [3, 1, 2])) == [6, 2, 4]
    assert [(one.phase, one.done, one.of) for one in seen] == [("numbers", n, 3) for n in range(4)]


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


def test_a_deadline_travels_to_other_processes() -> None:
    run = Runner(processes=2, deadline_s=1000.0)
    with run.started():
        assert all(0 < left <= 1000.0 for left in run.each("tasks", seconds_left, [1, 2, 3]))


@pytest.mark.parametrize("processes", [1, 2])
def test_a_cancellation_stops_tasks_that_are_at_work(processes: int) -> None:
    """Proves: tasks that ask on their way end when the caller says so, wherever they run, and the error says why."""
    begin = time.monotonic()
    run = Runner(processes=processes, cancelled=lambda: time.monotonic() - begin > 1.0)
    with run.started(), pytest.raises(StoppedError, match="cancelled") as error:
        list(run.each("tasks", wait_for_ever, [1, 2]))
    assert error.value.outcome.reason == "interrupted"


def test_a_memory_limit_stops_work() -> None:
    if not sys.platform.startswith("linux"):
        return
    with Runner(memory_mib=1.0).started(), pytest.raises(StoppedError) as error:
        checkpoint()
    assert error.value.outcome.reason == "out_of_memory"


def test_a_deadline_holds_before_there_is_a_model() -> None:
    """Proves: a solve whose time is over while it is built stops there, and the phases until then were reported."""
    seen: list[str] = []
    with pytest.raises(StoppedError, match="deadline") as error:
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


def test_options_outside_their_limits_are_refused_with_all_of_them() -> None:
    """Proves: a call from Python meets the limits of the signature, as the command line and the service do."""
    plan, data = question()
    with pytest.raises(InputError) as error:
        solve(plan, data, gap=7.0, samples=1, method="guess")  # type: ignore[arg-type]
    assert [(fault.file, fault.column, fault.found) for fault in error.value.faults] == [
        ("solve", "gap", "7.0"),
        ("solve", "method", "'guess'"),
        ("solve", "samples", "1"),
    ]
    assert error.value.faults[0].expected == "less than 1"
=======
# --- where it runs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("run", [HERE, Runner(processes=2), Runner(executor=ThreadPoolExecutor(2))], ids=str)
def test_answers_come_in_order_from_here_and_from_elsewhere(run: Runner) -> None:
    with run.started():
        assert list(run.each("", double, [3, 1, 2])) == [6, 2, 4]


def test_tasks_run_under_the_limits_of_whoever_sent_them() -> None:
    """Proves: threads and deadline hold in spawned processes, which are started once for all that a call asks for and end with it;
    a process that nobody limited takes a thread a core."""
    run = Runner(processes=2, threads=3, deadline_s=900.0)
    with run.started():
        found = [*run.each("", inside, [0, 1, 2, 3]), *run.each("", inside, [0, 1])]
    processes = {process for process, _, _ in found}
    assert os.getpid() not in processes
    assert len(processes) <= 2
    assert {(threads, limited) for _, threads, limited in found} == {(3, True)}
    assert until(lambda: not any(alive(process) for process in processes))
    assert cores() == len(os.sched_getaffinity(0))
    assert current().left() == runner.LONGEST_S


def test_a_single_task_needs_no_process() -> None:
    run = Runner(processes=2)
    with run.started():
        assert next(run.each("", inside, [0]))[0] == os.getpid()


def test_a_runner_travels_to_other_machines() -> None:
    """Proves: one without functions of the caller is picklable, as the arguments of a task are."""
    run = Runner(threads=2, deadline_s=5.0)
    assert pickle.loads(pickle.dumps(run)) == run
>>>>>>> verbs-tests


def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    """Proves: a process that is killed, and so cannot tell its workers to stop, leaves none behind."""
    script, place = tmp_path / "at_work.py", tmp_path / "workers"
    place.mkdir()
    script.write_text(AT_WORK.format(here=str(Path(__file__).parent), place=str(place)))
    parent = subprocess.Popen([sys.executable, str(script)], env=environment())
    try:
<<<<<<< HEAD
        assert until(lambda: len(list(place.iterdir())) == 2)
=======
        until(lambda: len(list(place.iterdir())) == 2)
>>>>>>> verbs-tests
        workers = [int(path.name) for path in place.iterdir()]
        assert all(alive(worker) for worker in workers)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
<<<<<<< HEAD
    assert until(lambda: not any(alive(worker) for worker in workers))
=======
    until(lambda: not any(alive(worker) for worker in workers))


# --- how long -----------------------------------------------------------------------------------------------------------------


def test_the_narrower_limit_holds() -> None:
    """Proves: what a call starts has no more time, memory or threads than it; what it grants itself ends with it."""
    with Runner(deadline_s=100.0, memory_mib=500.0, threads=2).started():
        with Runner(deadline_s=10.0).started() as call:
            assert 9.0 < call.left() <= 10.0
            assert (call.threads, call.memory_mib) == (2, 500.0)
        with Runner(deadline_s=1000.0, memory_mib=9e9).started() as call:
            assert 90.0 < call.left() <= 100.0
            assert call.memory_mib == 500.0


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (Runner(deadline_s=0.0), "time_limit"),
        (Runner(memory_mib=1.0), "out_of_memory"),
        (Runner(cancelled=lambda: True), "interrupted"),
    ],
)
def test_a_limit_that_is_reached_stops_the_work_where_it_asks(run: Runner, reason: str) -> None:
    """Proves: at a checkpoint, between tasks, and before a plan is read; with the reason, and without a plan."""
    with run.started():
        for stopping in (checkpoint, lambda: list(run.each("", double, [1])), lambda: solve(*random_case(1), run=run)):
            with pytest.raises(StoppedError) as error:
                stopping()
            assert error.value.outcome.reason == reason
            assert error.value.outcome.objective_musd is None
    checkpoint()


def test_a_deadline_holds_while_a_model_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: a solve whose time is over once the model is there is not handed to the solver."""
    from strategic_minerals.answer import solving

    def slow(*given: Any) -> Any:
        found = real(*given)
        time.sleep(0.4)
        return found

    real = solving.prepare
    monkeypatch.setattr(solving, "prepare", slow)
    monkeypatch.setattr(solving, "optimise", lambda *_, **__: pytest.fail("it was solved"))
    plan, data = random_case(1)
    with pytest.raises(StoppedError) as error:
        solve(plan, data, quick=True, run=Runner(deadline_s=0.3))
    assert error.value.outcome.reason == "time_limit"


def test_a_cancellation_reaches_other_processes(tmp_path: Path) -> None:
    """Proves: tasks elsewhere that ask are stopped, and their processes end."""

    def begun() -> bool:
        return len(list(tmp_path.iterdir())) == 2

    run = Runner(processes=2, cancelled=begun)
    with pytest.raises(StoppedError) as error, run.started():
        list(run.each("", wait_until_stopped, [str(tmp_path)] * 2))
    assert error.value.outcome.reason == "interrupted"
    until(lambda: not any(alive(int(path.name)) for path in tmp_path.iterdir()))


# --- who follows it -----------------------------------------------------------------------------------------------------------


def test_progress_counts_parts_and_bounds() -> None:
    """Proves: tasks are told one by one, those finished before included; a solve tells its phases from the question on."""
    seen: list[Progress] = []
    run = Runner(on_progress=seen.append)
    with run.started():
        assert list(run.each("parts", double, [1, 2], done=3, of=5)) == [2, 4]
    assert [(one.phase, one.done, one.of) for one in seen] == [("parts", n, 5) for n in (3, 4, 5)]
    seen.clear()
    solve(*random_case(1), quick=True, run=run)
    phases = [one.phase for one in seen]
    assert list(dict.fromkeys(one for one in phases if one in ("building the model", "solving", "social_cost"))) == [
        "building the model",
        "solving",
        "social_cost",
    ]


def test_a_study_in_two_processes_is_the_study_in_one() -> None:
    """Proves: answers do not hang on where they were found."""
    result = solve(*deciding(), quick=True)
    one, two = (stress_test(result, scenarios=20, run=Runner(processes=n)) for n in (1, 2))
    assert one.to_dict() == two.to_dict()
>>>>>>> verbs-tests
