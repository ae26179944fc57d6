"""Independent solves on a cluster: a real local Dask cluster of two worker processes."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from strategic_minerals import Progress, Runner, stress_test
from strategic_minerals.answer.solving import solve_once
from support.drawn_cases import exposed

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
