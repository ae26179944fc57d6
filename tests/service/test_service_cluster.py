"""Jobs on workers of a Dask cluster: answered there, watched and stopped from here, run again where a worker is lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import environment, until
from strategic_minerals import load_result
from support.served import QUICK, children_of, client, ended, in_phase

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two workers, processes of their own, on loopback."""
    distributed = pytest.importorskip("distributed")
    known = dict(os.environ)
    os.environ.update(environment())
    try:
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as found:
            yield found
    finally:
        os.environ.clear()
        os.environ.update(known)


@pytest.mark.slow
def test_workers_elsewhere_answer_jobs(cluster: Any, tmp_path: Path) -> None:
    """Proves: four jobs on two workers succeed, their run folders come back and pass the audit; a long one is watched and stopped,
    and no process of it stays."""
    with client(tmp_path / "s", scheduler=cluster.scheduler_address, workers=2) as service:
        jobs = [service.post("/v1/jobs", json=QUICK).json()["id"] for _ in range(4)]
        assert [ended(service, job)["state"] for job in jobs] == ["succeeded"] * 4
        for job in jobs:
            assert load_result(tmp_path / "s" / "jobs" / job / "run").audit().passed
        long = service.post("/v1/jobs", json={"kind": "solve", "shipped": "critical-minerals", "gap": 0}).json()["id"]
        assert in_phase(service, long)
        service.post(f"/v1/jobs/{long}/cancel")
        assert ended(service, long)["state"] == "cancelled"
        service.post(f"/v1/jobs/{long}/resume")  # what stopped the first attempt does not stop the second
        assert in_phase(service, long)
    with client(
        tmp_path / "s", scheduler=cluster.scheduler_address, workers=2
    ) as service:  # a stop in good order, and a restart
        assert in_phase(service, long)
        assert service.get(f"/v1/jobs/{long}").json()["state"] == "running"
        service.post(f"/v1/jobs/{long}/cancel")
        assert ended(service, long)["state"] == "cancelled"


@pytest.mark.slow
def test_a_lost_worker_loses_no_job(cluster: Any, tmp_path: Path) -> None:
    """Proves: a worker that is killed while it answers: its job runs again and succeeds."""
    with client(tmp_path / "s", scheduler=cluster.scheduler_address, workers=1) as service:
        job = service.post("/v1/jobs", json=QUICK).json()["id"]
        workers = [worker.pid for worker in cluster.workers.values()]
        busy = until(
            lambda: [pid for pid in workers if any(b"service.worker" in command(child) for child in children_of(pid))]
        )
        os.kill(busy[0], signal.SIGKILL)
        assert ended(service, job)["state"] == "succeeded"


def command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
