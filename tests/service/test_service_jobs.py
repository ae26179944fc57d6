"""Jobs: nothing accepted is lost and nothing finished either, whatever is killed; limits hold; one job at a time belongs to one."""

import asyncio
import contextlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from conftest import PATIENCE_S, until
from service.test_service_stores import job_of, put
from strategic_minerals import InputError, Result, shipped
from strategic_minerals.core.errors import Progress
from strategic_minerals.service import dispatcher
from strategic_minerals.service.client import AsyncClient, Client, ServiceError
from strategic_minerals.service.dispatcher import Dispatcher, JobRunner, start
from strategic_minerals.service.job_folder import ENDED_FILE, PROGRESS, Folder, ProgressReporter, write_whole
from strategic_minerals.service.settings import Limits
from strategic_minerals.service.store import open_store
from support.documents import SERVICE, the_block
from support.served import QUICK, Obedient, Server, children_of, client, ended, settings, token

pytestmark = pytest.mark.long


def submitted(service: TestClient, label: str = "") -> str:
    return str(service.post("/v1/jobs", json={**QUICK, "label": label}).json()["id"])


def test_the_queue_is_bounded_and_says_when_to_come_back(tmp_path: Path) -> None:
    """Proves R37: 429 with Retry-After, nothing of it stays; position is told; first come, first served."""
    runner = Obedient(hold=True)
    with client(tmp_path / "s", runner, workers=1, queued=3) as service:
        answers = [service.post("/v1/jobs", json=QUICK)]
        until(lambda: runner.seen)
        answers += [service.post("/v1/jobs", json={**QUICK, "label": str(n)}) for n in range(1, 8)]
        assert [answer.status_code for answer in answers] == [202] * 4 + [429] * 4
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert service.get(f"/v1/jobs/{answers[3].json()['id']}").json()["position"] == 3
        assert len(list((tmp_path / "s" / "jobs").iterdir())) == 4
        runner.go.set()
        for answer in answers[:4]:
            assert ended(service, answer.json()["id"])["state"] == "succeeded"
        assert runner.seen == [answer.json()["id"] for answer in answers[:4]]


def test_jobs_are_stopped_resumed_and_deleted(tmp_path: Path) -> None:
    """Proves: waiting and running jobs are stopped, ended ones are not; a cancelled one can run again; ended ones are deleted."""
    runner = Obedient(hold=True)
    with client(tmp_path / "s", runner, workers=1) as service:
        running, waiting = submitted(service, "a"), submitted(service, "b")
        until(lambda: running in runner.seen)
        assert service.post(f"/v1/jobs/{waiting}/cancel").json()["state"] == "cancelled"
        assert service.delete(f"/v1/jobs/{running}").status_code == 409
        service.post(f"/v1/jobs/{running}/cancel")
        assert ended(service, running)["state"] == "cancelled"
        runner.go.set()
        assert service.post(f"/v1/jobs/{waiting}/resume").json()["state"] == "queued"
        assert ended(service, waiting)["state"] == "succeeded"
        assert service.post(f"/v1/jobs/{waiting}/cancel").json()["state"] == "succeeded"
        assert service.post(f"/v1/jobs/{waiting}/resume").status_code == 409
        assert service.delete(f"/v1/jobs/{waiting}").status_code == 204
        assert service.get(f"/v1/jobs/{waiting}").status_code == 404
        assert not (tmp_path / "s" / "jobs" / waiting).exists()


def test_a_crash_leaves_what_ended_ended_and_what_ran_runs_again_once(tmp_path: Path) -> None:
    """Proves R38: what waited waits; what ran and wrote nothing waits again, the first time; what wrote something is interrupted;
    a graceful stop lets the running one wait again."""
    store = open_store(tmp_path, None)
    for n, name in enumerate("abcd"):
        put(store, job_of(id=name * 32, submitted=float(n)))
        (tmp_path / "jobs" / (name * 32)).mkdir(parents=True)
        Folder.of(tmp_path, name * 32).write("request.json", QUICK)
    for _ in "abc":
        store.claim("gone", Limits())
    Folder.of(tmp_path, "a" * 32).write(ENDED_FILE, {"state": "succeeded", "headline": "done"})
    (Folder.of(tmp_path, "b" * 32).path / "run").mkdir()
    runner = Obedient(hold=True)
    dispatcher = Dispatcher(settings(tmp_path, workers=1), Limits(), store, runner)

    def states() -> list[str]:
        return [store.job(name * 32).state for name in "abcd"]  # type: ignore[union-attr]

    dispatcher.start()
    with pytest.raises(InputError, match="another server"):
        Dispatcher(settings(tmp_path), Limits(), store, runner).start()
    until(lambda: runner.seen)
    assert states() == ["succeeded", "interrupted", "running", "queued"]
    assert store.job("a" * 32).outcome["headline"] == "done"  # type: ignore[union-attr]
    dispatcher.stop()
    assert states() == ["succeeded", "interrupted", "queued", "queued"]
    assert store.claim("gone", Limits()).retried  # type: ignore[union-attr]
    again = Dispatcher(settings(tmp_path, workers=1), Limits(), store, Obedient(hold=True))
    again.start()
    assert states()[2] == "interrupted"
    again.stop()
    store.close()


def test_trouble_where_jobs_run_costs_no_job(tmp_path: Path) -> None:
    """Proves: with a full disk jobs wait, and it is said; afterwards they run; one whose folder is gone fails alone."""

    class Troubled(Obedient):
        over = False

        def run(self, *arguments: Any) -> Any:
            if not self.over:
                raise OSError(28, "No space left on device")
            return super().run(*arguments)

    runner = Troubled()
    with client(tmp_path / "s", runner, workers=1) as service:
        jobs = [submitted(service, str(n)) for n in range(5)]
        until(lambda: "OSError" in service.get("/readyz").json()["checks"]["queue"])
        assert {service.get(f"/v1/jobs/{job}").json()["state"] for job in jobs} <= {"queued", "running"}
        shutil.rmtree(tmp_path / "s" / "jobs" / jobs[2])
        runner.over = True
        states = [ended(service, job)["state"] for job in jobs]
        assert states == ["succeeded", "succeeded", "failed", "succeeded", "succeeded"]
        until(lambda: service.get("/readyz").json()["checks"]["queue"] == "ok")


def test_pages_of_a_list_lose_none(tmp_path: Path) -> None:
    """Proves: jobs of one instant are each on one page."""
    store = open_store(tmp_path / "s", None)
    names = sorted(put(store, job_of("local", submitted=1.5)).id for _ in range(7))
    store.close()
    with client(tmp_path / "s", Obedient(hold=True), workers=1) as service:
        found, link = [], "/v1/jobs?limit=2"
        while link:
            page = service.get(link).json()
            found += [job["id"] for job in page["jobs"]]
            link = page["next"]
    assert sorted(found) == names


def test_old_jobs_and_stray_folders_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: a folder of no job does not stay, where it was there for a while; an answer that the database does not know does."""
    monkeypatch.setattr(dispatcher, "TIDY_S", 0.1)
    runner, jobs = Obedient(), tmp_path / "s" / "jobs"
    with client(tmp_path / "s", runner) as service:
        job = submitted(service)
        ended(service, job)
    stray, lost, others = jobs / ("f" * 32), jobs / ("e" * 32), jobs / "lost+found"
    for path in (stray, lost, others):
        path.mkdir()
    Folder(lost).write(ENDED_FILE, {"state": "succeeded"})
    with client(tmp_path / "s", runner, keep_days=1e-9) as service:
        until(lambda: service.get(f"/v1/jobs/{job}").status_code == 404)
        until(lambda: not (jobs / job).exists())
        assert stray.exists()
        monkeypatch.setattr(dispatcher, "YOUNG_S", 0.0)
        until(lambda: not stray.exists())
        assert (lost / ENDED_FILE).is_file()
        assert others.exists()


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: files are whole or not there, whichever step of writing fails."""
    target = tmp_path / "f.json"
    write_whole(target, b"old")
    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
            with pytest.raises(OSError, match="No space"):
                write_whole(target, b"new")
        assert target.read_bytes() == b"old"
        assert [path.name for path in tmp_path.iterdir()] == ["f.json"]


def jobs_children(of: int | None = None) -> list[int]:
    """Children of a process, this one by default, that run jobs."""
    found = []
    for pid in children_of(of or os.getpid()):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended since
            if b"service.worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def prepared(folder: Path, request: dict[str, Any], **limits: Any) -> Folder:
    found = Folder(folder / "job")
    found.path.mkdir(parents=True)
    found.write("request.json", request)
    found.write("limits.json", {"threads": 1, **limits})
    return found


LONG = {"kind": "solve", "shipped": "critical-minerals", "gap": 0.0, "deadline_s": 3000}


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["it imports", "any", "social cost"])
def test_a_running_child_is_stopped_soon(tmp_path: Path, phase: str) -> None:
    """Proves R25: while it imports, builds or solves, with whoever it started, and it is asked no second time."""
    told: list[dict[str, Any]] = [{"phase": "it imports"}]
    asked = list[bool]()

    def stop() -> bool:
        asked.append(len(told) > 1 if phase == "any" else any(one["phase"] == phase for one in told))
        return asked[-1]

    found = JobRunner().run(prepared(tmp_path, LONG), (3600, 3), told.append, stop)
    assert found == {"state": "cancelled"}
    assert asked.count(True) == 1
    assert not jobs_children()


def test_a_child_that_runs_too_long_is_ended(tmp_path: Path) -> None:
    """Proves R10: the wall clock ends a job, whatever the solver makes of its own limit of nearly an hour, or of one that passed
    while its process began."""
    late = prepared(tmp_path / "late", {**QUICK, "deadline_s": 60}, begin=time.monotonic() - 60)
    for folder, limit_s in ((prepared(tmp_path, LONG), 2), (late, 3600)):
        found = JobRunner().run(folder, (limit_s, 1), lambda _: None, lambda: False)
        assert found["problem"]["type"].endswith(":deadline")
    assert not jobs_children()


def test_a_child_that_crashes_is_told_as_a_crash(tmp_path: Path) -> None:
    """Proves R17: a process that aborts ends its job as failed, with a reason."""

    def kill() -> None:
        os.kill(until(jobs_children)[0], signal.SIGABRT)

    threading.Thread(target=kill).start()
    found = JobRunner().run(prepared(tmp_path, LONG), (3600, 1), lambda _: None, lambda: False)
    assert found["problem"]["type"].endswith(":crashed")
    assert "SIGABRT" in found["problem"]["detail"]


@pytest.mark.slow
def test_a_child_may_not_take_more_memory_than_told(tmp_path: Path) -> None:
    """Proves R26: a job beyond its memory fails and says so, or that it crashed; the machine does not notice."""
    folder = prepared(tmp_path, {**LONG, "set": {"sample.scenarios": 300}}, memory_mib=1000)
    found = JobRunner().run(folder, (3600, 1), lambda _: None, lambda: False)
    assert found["state"] == "failed"
    assert found["problem"]["type"].rpartition(":")[2] in ("out-of-memory", "crashed")
    assert "/" not in found["problem"]["detail"]


@pytest.mark.long
def test_a_child_dies_with_its_server(tmp_path: Path) -> None:
    """Proves: a server that is killed leaves no child behind that nobody attends."""
    folder = prepared(tmp_path, LONG)
    process = start(folder)
    until(lambda: folder.read(PROGRESS))
    process.stdin.close()  # what the system does for a server that was killed
    assert process.wait(PATIENCE_S) == 1


@pytest.mark.slow
def test_kills_at_any_moment_lose_nothing(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Proves R24, R38: whether jobs wait, run, are written or end: all succeed, once. `service_load.py` kills at random."""
    folder, accepted = tmp_path / "s", list[str]()
    text = token(folder, "t")["Authorization"].removeprefix("Bearer ")
    moments: list[Callable[[dict[str, Any]], Any]] = [
        lambda status: True,
        lambda status: status["state"] != "queued",
        lambda status: status["progress"] or status["state"] == "succeeded",
        lambda status: (folder / "jobs" / status["id"] / "run").exists(),
        lambda status: status["state"] == "succeeded",
    ]
    for moment in [*moments, None]:
        server = Server(folder, workers="2").ready()
        service = Client(server.address, text)
        if moment is not None:
            accepted += [service.submit("solve", shipped="quickstart", gap=0.05) for _ in range(2)]
            until(lambda: any(moment(service.status(job)) for job in accepted[-2:]))  # noqa: B023
            server.kill()
    request.addfinalizer(server.stop)
    for job in accepted:
        if service.status(job)["state"] == "interrupted":
            service.resume(job)
    found = {job: service.wait(job)["state"] for job in accepted}
    assert len(found) == 10
    assert set(found.values()) == {"succeeded"}, found
    for job in accepted:
        assert Result.load(folder / "jobs" / job / "run").audit().passed
    assert not list(folder.rglob("*.part"))


@pytest.mark.slow
def test_the_client_of_the_documents_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Proves: the documents' lines submit, wait and download; a refusal is an error with its faults."""
    names: dict[str, Any] = {"token": token(tmp_path / "s", "t")["Authorization"].removeprefix("Bearer ")}
    server = Server(tmp_path / "s", workers="1").ready()
    request.addfinalizer(server.stop)
    monkeypatch.chdir(tmp_path)
    block = the_block(SERVICE, "python", "service.client import Client")
    lines = block.replace("http://127.0.0.1:8000", server.address).replace("rare-earths", "quickstart")
    exec(compile(lines, "README.md", "exec"), names)
    assert "Evidence" in (tmp_path / "report.html").read_text(encoding="utf-8")
    service = Client(server.address, names["token"])
    assert asyncio.run(AsyncClient(server.address, names["token"]).wait(names["job"]))["state"] == "succeeded"
    assert asyncio.run(AsyncClient(server.address, names["token"]).result(names["job"], "budget"))["included"]["budget"]
    with pytest.raises(ServiceError, match="discount_rate") as caught:
        service.submit("solve", shipped="quickstart", set={"discount_rate": 9})
    assert caught.value.status == 422
    tables = [shipped("inputs") / "hazards.csv"]
    kept = service.keep(shipped("models") / "quickstart.toml", tables, on_top_of_shipped=True)
    assert service.check(question=kept)["faults"] == []
    service.delete(names["job"])
    with pytest.raises(ServiceError, match="404"):
        service.status(names["job"])


def test_progress_tells_no_bound_that_says_nothing(tmp_path: Path) -> None:
    """Proves: a gap of thousands of per cent is no gap yet, and its bound none."""
    ProgressReporter(Folder(tmp_path)).report(Progress("social_cost", 1.0, incumbent=0.0, bound=-1e9, gap=1e12))
    told = Folder(tmp_path).read(PROGRESS) or {}
    assert (told["incumbent_musd"], told["bound_musd"], told["gap"]) == (0.0, None, None)
