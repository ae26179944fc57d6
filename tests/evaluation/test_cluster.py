"""Independent solves on a cluster: a real local Dask cluster of two worker processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from strategic_minerals import Progress, Runner, stress_test, sweep
from strategic_minerals.answer.solving import solve_once
from support.drawn_cases import exposed
from support.instances import random_case

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as connected,
    ):
        yield connected


@pytest.mark.slow
def test_a_lost_worker_loses_no_result(client: Any) -> None:
    """Proves: a worker killed in the middle of a stress test: its draws, and results that lay with it, run again elsewhere and the
    figures are the same."""
    result = solve_once(*exposed(rate=0.3), gap=0.0)
    here = stress_test(result, scenarios=1_000, seed=4)
    workers = list(client.run(os.getpid).values())
    killed: list[int] = []

    def kill(progress: Progress) -> None:
        """Once the first draw has come back."""
        if progress.done and progress.of and not killed:
            assert progress.done < progress.of
            os.kill(workers[0], signal.SIGKILL)
            killed.append(workers[0])

    there = stress_test(result, scenarios=1_000, seed=4, run=Runner(executor=client.get_executor(), on_progress=kill))
    assert killed
    assert there.tables["figures"].equals(here.tables["figures"])


@pytest.mark.slow
def test_decomposed_solves_and_sweeps_on_a_cluster_give_the_same_answers(client: Any) -> None:
    """Proves: a decomposed solve that runs on a worker finds the plan of one that runs here; stretches of a sweep go to
    the workers and come back in the order asked."""
    there = Runner(executor=client.get_executor())
    plan, data = random_case(3, loss_limits=False, sample=True)
    own, far = (solve_once(plan, data, gap=1e-7, method="decomposed", run=run).outcome for run in (Runner(), there))
    room = 1e-6 * (1 + abs(own.do_nothing_musd or 0.0))
    assert far.objective_musd == pytest.approx(own.objective_musd, abs=room)
    assert far.best_bound_musd <= own.objective_musd + room
    plan, data = random_case(5, loss_limits=False)
    points = {"budget.appropriation_musd *": [0.6, 0.8, 1.0, 1.2]}
    one, two = (sweep(plan, data, points, relax=True, gap=1e-9, run=run) for run in (Runner(), there))
    costs = [found.tables["points"]["objective_musd"].to_numpy() for found in (one, two)]
    assert costs[1] == pytest.approx(costs[0], rel=1e-9)
    assert (one.facts["disagreed"], two.facts["disagreed"]) == (0, 0)
