"""Many solves at once, in threads and in other processes; progress that is told and cancels."""

from __future__ import annotations

import itertools
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
from support.instances import random_case

SEEDS = (0, 1, 2, 5)


@cache
def serial() -> dict[int, float]:
    """Objectives one after the other."""
    return {seed: objective(seed) for seed in SEEDS}


def objective(seed: int) -> float:
    found = solve(*random_case(seed), gap=0.0, quick=True, run=Runner(deadline_s=600.0)).outcome.objective_musd
    assert found is not None
    return found


@pytest.mark.slow
def test_eight_threads_get_the_answers_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Proves R20: 8 threads with 4 solves each, through the public function, end with the objectives of serial solves;
    stdout and stderr are the same objects, open, and nothing was printed. Through Pyomo's own interfaces this deadlocks or
    loses stderr."""
    expected = serial()
    capsys.readouterr()
    out, err, fds = sys.stdout, sys.stderr, (os.fstat(1).st_ino, os.fstat(2).st_ino)
    jobs = [SEEDS[(worker + n) % len(SEEDS)] for worker in range(8) for n in range(4)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(objective, jobs))
    assert found == pytest.approx([expected[seed] for seed in jobs], rel=1e-9, abs=1e-9)
    assert (sys.stdout, sys.stderr) == (out, err)
    assert (os.fstat(1).st_ino, os.fstat(2).st_ino) == fds
    assert not sys.stdout.closed
    assert not sys.stderr.closed
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
def test_building_models_beside_solves_disturbs_neither() -> None:
    """Proves R20: Pyomo is no thread's own: build_model, check and solve in six threads at once give what they give
    alone, because everything that touches Pyomo waits for one lock."""
    alone = {seed: build_model(*random_case(seed)).nvariables() for seed in SEEDS}

    def job(n: int) -> Any:
        seed = SEEDS[n % len(SEEDS)]
        plan, data = random_case(seed)
        if n % 3 == 0:
            return build_model(plan, data).nvariables() == alone[seed]
        if n % 3 == 1:
            return check(plan, data).faults == ()
        return objective(seed) == pytest.approx(serial()[seed], rel=1e-9, abs=1e-9)

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(job, range(18)))


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
    assert found[::2] == pytest.approx([serial()[1]] * 4, rel=1e-9, abs=1e-9)


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
    expected = serial()
    with ThreadPoolExecutor(4) as callers:
        futures = {
            callers.submit(solve, *random_case(seed), gap=0.0, quick=True, run=Runner(executor=workers)): seed
            for seed in SEEDS
        }
        results = {futures[future]: future.result() for future in as_completed(futures)}
    for seed, found in results.items():
        assert isinstance(found, Result)
        assert found.outcome.objective_musd == pytest.approx(expected[seed], rel=1e-9, abs=1e-9)
        assert found.audit().passed
    own = solve(*random_case(SEEDS[1]), gap=0.0, quick=True)
    assert results[SEEDS[1]].summary().split("EVIDENCE")[0] == own.summary().split("EVIDENCE")[0]


def test_errors_come_back_from_a_worker_whole(workers: ProcessPoolExecutor) -> None:
    """Proves R21: faults, culprits and outcomes survive the way between processes: a plan error with its faults, an
    infeasible plan with the family to blame, a stop with its reason."""
    from test_solver import squeezed

    plan, data = random_case(1)
    with pytest.raises(PlanError) as wrong:
        solve(
            Plan.model_validate({**plan.to_toml_like(), "loss_function": "tests"}),
            data,
            quick=True,
            run=Runner(executor=workers),
        )
    assert wrong.value.faults[0].column == "loss_function"
    assert "did you mean 'test'" in wrong.value.faults[0].expected
    with pytest.raises(InfeasibleError, match="service levels") as conflict:
        solve(*squeezed(0.34), quick=True, run=Runner(executor=workers))
    assert conflict.value.culprits == ("service_level",)
    assert conflict.value.outcome.reason == "infeasible"
    assert (
        solve(*squeezed(0.33), quick=True, run=Runner(executor=workers)).outcome.objective_musd is not None
    )  # the workers live


def test_progress_is_told_in_order() -> None:
    """Proves: on_progress is called with the phases of the solve, times that do not run backwards within a phase, bounds
    that do not exceed the incumbent, and changes nothing in the answer."""
    told: list[Progress] = []
    result = solve(*random_case(5), gap=0.0, quick=True, run=Runner(on_progress=lambda progress: told.append(progress)))
    assert result.outcome.objective_musd == pytest.approx(serial()[5], rel=1e-9, abs=1e-9)
    assert told
    phases = [progress.phase for progress in told]
    assert {"do nothing", "social_cost"} <= set(phases)
    for before, after in itertools.pairwise(told):
        assert after.phase != before.phase or after.seconds >= before.seconds - 1e-9
    for progress in told:
        assert progress.seconds >= 0
        if progress.incumbent is not None and progress.bound is not None:
            assert progress.bound <= progress.incumbent + 1e-6 * max(1.0, abs(progress.incumbent))


def test_a_cancelled_solve_stops() -> None:
    """Proves R25: cancelled from the start, the solve stops with reason interrupted and no numbers; what a progress function
    answers stops nothing."""
    plan, data = random_case(5)
    with pytest.raises(StoppedError) as stop:
        solve(plan, data, gap=0.0, quick=True, run=Runner(cancelled=lambda: True))
    assert stop.value.outcome.reason == "interrupted"
    assert stop.value.outcome.objective_musd is None
    for answer in (None, False, True):
        found = solve(plan, data, gap=0.0, quick=True, run=Runner(on_progress=lambda progress, answer=answer: answer))
        assert found.outcome.objective_musd == pytest.approx(serial()[5], rel=1e-9, abs=1e-9)


def test_a_long_solve_is_cancelled_soon() -> None:
    """Proves R25: a mixed-integer run that would take hours (a market split) ends at the wish, after its first words and in the
    midst of its search, before it says much more."""
    from test_solver import market_split

    from strategic_minerals.solver.highs import Model

    assembly, cost = market_split(slack=True)
    said: list[bool] = []

    def cancel(progress: Progress) -> bool:
        said.append(any(said) or (progress.incumbent is not None and len(said) >= 5))
        return said[-1]

    run = Model(assembly, cost, integer=True).run(time_limit_s=3600.0, on_progress=cancel)
    assert run.status == "interrupted"
    assert said.count(True) <= 3


def test_a_progress_function_that_fails_does_not_pass_unseen() -> None:
    """Proves: an exception in on_progress reaches the caller; swallowed in the solver's thread it would leave a caller
    without progress and without a reason."""

    def broken(progress: Progress) -> None:
        raise LookupError("no such window")

    with pytest.raises(LookupError, match="no such window"):
        solve(*random_case(5), gap=0.0, quick=True, run=Runner(on_progress=broken))
    assert objective(5) == pytest.approx(serial()[5], rel=1e-9, abs=1e-9)


def test_no_thread_stays_behind() -> None:
    """Proves: after solves and cancelled solves the process has the threads it had."""
    objective(0)
    before = set(threading.enumerate())
    objective(1)
    with pytest.raises(StoppedError):
        solve(*random_case(5), gap=0.0, quick=True, run=Runner(cancelled=lambda: True))
    assert set(threading.enumerate()) == before
