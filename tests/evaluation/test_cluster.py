"""Independent solves on a cluster: a real local Dask cluster of two worker processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from strategic_minerals import Progress, Runner, solve, stress_test, sweep
from strategic_minerals.answer.solving import solve_once
from support.drawn_cases import deciding, exposed
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
def test_a_stress_test_on_a_cluster_gives_the_same_figures(client: Any) -> None:
    """Proves: who computes the draws does not matter, and both workers computed."""
    result = solve_once(*exposed(rate=0.3), gap=0.0)
    here = stress_test(result, scenarios=100, seed=4)
    there = stress_test(result, scenarios=100, seed=4, run=Runner(executor=client.get_executor()))
    assert there.tables["figures"].equals(here.tables["figures"])
    assert there.tables["scenarios"].equals(here.tables["scenarios"])
    assert len(client.scheduler_info()["workers"]) == 2


@pytest.mark.slow
def test_samples_on_a_cluster_say_what_one_process_says(client: Any) -> None:
    """Proves: plans and samples go to the workers and come back in their order."""
    here = solve(*deciding(), samples=3, scenarios=20)
    there = solve(*deciding(), samples=3, scenarios=20, run=Runner(executor=client.get_executor()))
    for name in ("act_now", "samples", "sample_acts", "sample_gap"):
        assert there.tables[name].equals(here.tables[name]), name


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


def test_clusters_of_worlds_are_answered_on_a_cluster(client: Any) -> None:
    """Proves: a decomposed solve whose rounds run on two workers finds the plan of one that runs here."""
    plan, data = random_case(3, loss_limits=False, sample=True)
    here = solve_once(plan, data, gap=1e-7, method="decomposed").outcome
    there = solve_once(plan, data, gap=1e-7, method="decomposed", run=Runner(executor=client.get_executor())).outcome
    assert there.objective_musd == pytest.approx(here.objective_musd, abs=1e-6 * (1 + abs(here.do_nothing_musd or 0.0)))
    assert there.best_bound_musd <= here.objective_musd + 1e-6 * (1 + abs(here.do_nothing_musd or 0.0))


def test_a_sweep_on_a_cluster_gives_the_same_rows(client: Any) -> None:
    """Proves: stretches of a sweep go to the workers and come back in the order asked."""
    plan, data = random_case(5, loss_limits=False)
    points = {"budget.appropriation_musd *": [0.6, 0.8, 1.0, 1.2]}
    here = sweep(plan, data, points, relax=True, gap=1e-9)
    there = sweep(plan, data, points, relax=True, gap=1e-9, run=Runner(executor=client.get_executor()))
    assert there.tables["points"]["objective_musd"].to_numpy() == pytest.approx(
        here.tables["points"]["objective_musd"].to_numpy(), rel=1e-9
    )
    assert (here.facts["disagreed"], there.facts["disagreed"]) == (0, 0)
