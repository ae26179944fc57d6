"""Independent solves on a cluster: a real local Dask cluster of two worker processes."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from strategic_minerals import sampling_gap, solve, stress_test
from test_bounds import deciding
from test_stress import exposed

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as connected,
    ):
        yield connected


def test_a_stress_test_on_a_cluster_gives_the_same_figures(client: Any) -> None:
    """Proves: who computes the draws does not matter, and both workers computed."""
    result = solve(*exposed(rate=0.3), gap=0.0)
    here = stress_test(result, scenarios=100, seed=4)
    there = stress_test(result, scenarios=100, seed=4, executor=client.get_executor())
    assert there.figures.equals(here.figures)
    assert there.worlds.equals(here.worlds)
    assert len(client.scheduler_info()["workers"]) == 2


def test_bounds_on_a_cluster_are_those_of_one_process(client: Any) -> None:
    """Proves: samples and draws go to the workers and come back in their order."""
    here = sampling_gap(*deciding(), samples=3, fresh=50, seed=3)
    there = sampling_gap(*deciding(), samples=3, fresh=50, seed=3, executor=client.get_executor())
    assert there == here


def test_a_lost_worker_loses_no_result(client: Any) -> None:
    """Proves: a worker killed in the middle of a stress test: its draws run again elsewhere and the figures are the same."""
    result = solve(*exposed(rate=0.3), gap=0.0)
    here = stress_test(result, scenarios=2_000, seed=4)
    killed: list[float] = []

    def kill() -> None:
        time.sleep(0.5)
        victim = next(iter(client.run(os.getpid).values()))
        os.kill(victim, signal.SIGKILL)
        killed.append(time.perf_counter())

    killer = threading.Thread(target=kill)
    killer.start()
    there = stress_test(result, scenarios=2_000, seed=4, executor=client.get_executor())
    ended = time.perf_counter()
    killer.join()
    assert killed[0] < ended
    assert there.figures.equals(here.figures)
