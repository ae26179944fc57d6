"""How work runs: processes, deadline, cancellation, memory and progress hold for whatever a verb calls."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from conftest import environment, until
from strategic_minerals import Progress, Runner, StoppedError, solve, stress_test
from strategic_minerals.core import runner
from strategic_minerals.core.runner import HERE, checkpoint, cores, current
from support.drawn_cases import deciding
from support.instances import random_case

AT_WORK = """
import sys

sys.path.insert(0, {here!r})
from test_runner import mark_and_wait
from strategic_minerals import Runner

if __name__ == "__main__":
    run = Runner(processes=2)
    with run.started():
        list(run.each("marks", mark_and_wait, [{place!r}] * 2))
"""


def double(value: int) -> int:
    return 2 * value


def inside(_: int) -> tuple[int, int, bool]:
    """(process, threads, whether a deadline is near) as a task sees them."""
    return os.getpid(), cores(), current().left() < 1000.0


def mark_and_wait(place: str) -> None:
    """Say which process this is, and be busy."""
    (Path(place) / str(os.getpid())).touch()
    time.sleep(600.0)


def wait_until_stopped(place: str) -> None:
    """Be busy, but ask."""
    (Path(place) / str(os.getpid())).touch()
    while True:
        checkpoint()
        time.sleep(0.02)


def alive(process: int) -> bool:
    try:
        return "zombie" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


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
        parent.send_signal(signal.SIGKILL)
        parent.wait()
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
