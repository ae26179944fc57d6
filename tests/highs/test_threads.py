"""Many solves at once, in threads and in other processes; progress that is told and cancels."""

import multiprocessing
import os
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from functools import cache
from typing import Any

import pytest

from conftest import environment
from strategic_minerals import InfeasibleError, PlanError, Result, Runner, StoppedError, build_model, check, solve
from strategic_minerals.core.errors import Progress
from strategic_minerals.question.plan import Plan
from strategic_minerals.solver.highs import Model
from support.instances import random_case
from support.programs import market_split
from support.promising import squeezed

pytestmark = pytest.mark.long

SEEDS = (0, 1, 2, 5)


def objective(seed: int) -> float:
    found = solve(*random_case(seed), gap=0.0, quick=True, run=Runner(deadline_s=600.0)).outcome.objective_musd
    assert found is not None
    return found


@cache
def alone(seed: int) -> Any:
    """The objective of a solve that nothing ran beside, as far as solves agree."""
    return pytest.approx(objective(seed), rel=1e-9, abs=1e-9)


@pytest.mark.slow
def test_eight_threads_get_the_answers_of_one_and_models_are_built_beside(capsys: pytest.CaptureFixture[str]) -> None:
    """Proves R20: solves, `check` and `build_model` in eight threads at once give what they give alone: Pyomo is no thread's own,
    and everything that touches it waits for one lock. stdout and stderr are the same objects, open, and nothing was printed.
    Through Pyomo's own interfaces this deadlocks or loses stderr."""
    expected = {seed: (alone(seed), (), build_model(*random_case(seed)).nvariables()) for seed in SEEDS}
    capsys.readouterr()
    out, err, fds = sys.stdout, sys.stderr, (os.fstat(1).st_ino, os.fstat(2).st_ino)

    def job(seed: int) -> Any:
        return objective(seed), check(*random_case(seed)).faults, build_model(*random_case(seed)).nvariables()

    jobs = [SEEDS[(worker + n) % len(SEEDS)] for worker in range(8) for n in range(4)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(job, jobs)) == [expected[seed] for seed in jobs]
    assert (sys.stdout, sys.stderr) == (out, err)
    assert (os.fstat(1).st_ino, os.fstat(2).st_ino) == fds
    assert not sys.stdout.closed
    assert not sys.stderr.closed
    assert capsys.readouterr() == ("", "")


def test_an_error_in_one_thread_is_that_threads_own() -> None:
    """Proves: a wrong plan among right ones fails alone, and a lock left behind would stop the others."""
    plan, data = random_case(1)
    wrong = Plan.model_validate({**plan.to_toml_like(), "price_set": "nowhere"})

    def job(n: int) -> float | str:
        try:
            return solve(wrong if n % 2 else plan, data, gap=0.0, quick=True).outcome.objective_musd or 0.0
        except PlanError as error:
            return error.faults[0].column

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(job, range(8)))
    assert found[1::2] == ["price_set"] * 4
    assert found[::2] == [alone(1)] * 4


@pytest.fixture(scope="module")
def workers() -> Any:
    """Two spawned workers that import the same package as this process, and live for all tests of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
            yield pool


@pytest.mark.slow
def test_spawned_workers_solve_after_the_parent_has(workers: ProcessPoolExecutor) -> None:
    """Proves R21: after a solve in the parent, two spawned workers solve four plans: a runner's executor takes the whole solve to
    a worker, the result comes back complete and equal to the parent's own."""
    with ThreadPoolExecutor(4) as callers:
        futures = {
            callers.submit(solve, *random_case(seed), gap=0.0, quick=True, run=Runner(executor=workers)): seed
            for seed in SEEDS
        }
        results = {futures[future]: future.result() for future in as_completed(futures)}
    for seed, found in results.items():
        assert isinstance(found, Result)
        assert found.outcome.objective_musd == alone(seed)
        assert found.audit().passed
    own = solve(*random_case(SEEDS[1]), gap=0.0, quick=True)
    assert results[SEEDS[1]].summary().split("EVIDENCE")[0] == own.summary().split("EVIDENCE")[0]


def test_errors_come_back_from_a_worker_whole(workers: ProcessPoolExecutor) -> None:
    """Proves R21: faults, culprits and outcomes survive the way between processes: a plan error with its faults, an
    infeasible plan with the family to blame, a stop with its reason."""
    run = Runner(executor=workers)
    plan, data = random_case(1)
    with pytest.raises(PlanError) as wrong:
        solve(Plan.model_validate({**plan.to_toml_like(), "loss_function": "tests"}), data, quick=True, run=run)
    assert wrong.value.faults[0].column == "loss_function"
    assert "did you mean 'test'" in wrong.value.faults[0].expected
    with pytest.raises(InfeasibleError, match="service levels") as conflict:
        solve(*squeezed(0.34), quick=True, run=run)
    assert conflict.value.culprits == ("service_level",)
    assert conflict.value.outcome.reason == "infeasible"
    assert solve(*squeezed(0.33), quick=True, run=run).outcome.objective_musd is not None  # the workers live


def test_a_long_solve_is_cancelled_soon() -> None:
    """Proves R25: a mixed-integer run that would take hours (a market split) ends at the wish, after its first words and in the
    midst of its search, before it says much more."""
    assembly, cost = market_split(slack=True)
    said: list[bool] = []

    def cancel(progress: Progress) -> bool:
        said.append(any(said) or (progress.incumbent is not None and len(said) >= 5))
        return said[-1]

    run = Model(assembly, cost, integer=True).run(time_limit_s=3600.0, on_progress=cancel)
    assert run.status == "interrupted"
    assert said.count(True) <= 3


def test_a_cancelled_solve_stops_and_a_failing_progress_function_is_heard_and_no_thread_stays_behind() -> None:
    """Proves R25: cancelled from the start, the solve stops with reason interrupted and no numbers. An exception in on_progress
    reaches the caller; swallowed in the solver's thread it would leave a caller without progress and without a reason. Both leave
    the process the threads it had."""
    case, cause = random_case(5), LookupError("no such window")

    def broken(progress: Progress) -> None:
        raise cause

    expected = alone(5)
    before = set(threading.enumerate())
    with pytest.raises(StoppedError) as stop:
        solve(*case, gap=0.0, quick=True, run=Runner(cancelled=lambda: True))
    assert stop.value.outcome.reason == "interrupted"
    assert stop.value.outcome.objective_musd is None
    with pytest.raises(LookupError) as heard:
        solve(*case, gap=0.0, quick=True, run=Runner(on_progress=broken))
    assert heard.value is cause
    assert objective(5) == expected
    assert set(threading.enumerate()) == before
