"""Jobs: nothing accepted is lost and nothing finished either, whatever is killed; limits hold; one job at a time belongs to one."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from conftest import PATIENCE_S, until
from strategic_minerals import InputError, load_result
from strategic_minerals.core.errors import Progress
from strategic_minerals.service.client import Client, ServiceError
from strategic_minerals.service.dispatcher import Dispatcher, open_store
from strategic_minerals.service.job_folder import (
    ENDED_FILE,
    MOST_HEADLINE,
    PACE_S,
    PROGRESS,
    Folder,
    Job,
    ProgressReporter,
    headline_of,
    write_whole,
)
from strategic_minerals.service.job_runners import JobLimits, LocalRunner, packed, start, unpack
from support.documents import SERVICE, the_block
from support.served import QUICK, Obedient, Server, children_of, client, ended, settings, token

ENDS = ("succeeded", "failed", "cancelled", "interrupted")


# --- the queue, without the solver ----------------------------------------------------------------------------------------


def test_a_key_sent_twice_is_one_job(tmp_path: Path) -> None:
    """Proves R39: the same idempotency key brings the same job, also from eight threads at once; with another request it is a
    conflict."""
    with client(tmp_path / "s", Obedient(hold=True)) as service:
        send = lambda _: service.post("/v1/jobs", json=QUICK, headers={"Idempotency-Key": "once"}).json()["id"]  # noqa: E731
        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(send, range(8)))) == 1
        other = service.post("/v1/jobs", json={**QUICK, "gap": 0.2}, headers={"Idempotency-Key": "once"})
        assert other.status_code == 409
        assert len(list((tmp_path / "s" / "jobs").iterdir())) == 1


def test_the_queue_is_bounded_and_says_when_to_come_back(tmp_path: Path) -> None:
    """Proves R37: beyond the bound 429 with Retry-After, and nothing of the refused job stays; position is told; first come, first
    served."""
    runner = Obedient(hold=True)
    with client(tmp_path / "s", runner, workers=1, most_queued=3) as service:
        answers = [service.post("/v1/jobs", json={**QUICK, "label": str(n)}) for n in range(1)]
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


def test_one_tenant_cannot_fill_the_queue_or_hold_all_workers(tmp_path: Path) -> None:
    """Proves: quotas of waiting and of running jobs are a tenant's own."""
    folder, runner = tmp_path / "s", Obedient(hold=True)
    greedy, modest = token(folder, "greedy"), token(folder, "modest")
    limits = {"workers": 3, "most_queued_of_tenant": 2, "most_running_of_tenant": 1}
    from fastapi.testclient import TestClient

    from strategic_minerals.service.app import create_app

    with TestClient(create_app(settings(folder, **limits), runner=runner)) as service:
        codes = []
        for n in range(5):
            codes.append(service.post("/v1/jobs", json={**QUICK, "label": str(n)}, headers=greedy).status_code)
            until(lambda: runner.seen)
        assert codes == [202, 202, 202, 429, 429]
        mine = service.post("/v1/jobs", json=QUICK, headers=modest).json()["id"]
        until(lambda: mine in runner.seen)  # although two of the other tenant wait before it
        assert len(runner.seen) == 2
        runner.go.set()


def test_jobs_are_stopped_resumed_and_deleted(tmp_path: Path) -> None:
    """Proves: a waiting job ends at once, a running one is stopped, an ended one stays as it is; a cancelled one can run
    again; only ended ones are deleted, files too."""
    runner = Obedient(hold=True)
    with client(tmp_path / "s", runner, workers=1) as service:
        running, waiting = (service.post("/v1/jobs", json={**QUICK, "label": name}).json()["id"] for name in "ab")
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
        again = service.post("/v1/jobs", json=QUICK, headers={"Idempotency-Key": "k"}).json()["id"]
        turned = dict(reversed(QUICK.items()))
        assert service.post("/v1/jobs", json=turned, headers={"Idempotency-Key": "k"}).json()["id"] == again
        assert service.delete(f"/v1/jobs/{waiting}").status_code == 204
        assert service.get(f"/v1/jobs/{waiting}").status_code == 404
        assert not (tmp_path / "s" / "jobs" / waiting).exists()


def test_a_crash_leaves_what_ended_ended_and_what_ran_interrupted(tmp_path: Path) -> None:
    """Proves R38: of a server that died, the job whose folder says how it ended has ended so, the one that ran is
    interrupted, those that waited wait; a graceful stop lets the running one wait again."""
    folder = tmp_path / "s"
    store = open_store(folder, None)

    def job(name: str) -> Job:
        return Job(name * 32, "t", "solve", "", "queued", time.time(), None, None, None, "d", False, {}, {})

    from strategic_minerals.service.job_folder import AuditLogEntry

    for name in "abcd":
        store.submit(job(name), None, 10, 10, AuditLogEntry(0, "t", "k", "", "submit", name * 32))
        (folder / "jobs" / (name * 32)).mkdir(parents=True)
        Folder.of(folder, name * 32).write("request.json", QUICK)
    for _ in "ab":
        store.claim("gone", 10)
    Folder.of(folder, "a" * 32).write(ENDED_FILE, {"state": "succeeded", "headline": "done"})
    runner = Obedient(hold=True)
    dispatcher = Dispatcher(settings(folder, workers=1), store, runner)
    dispatcher.start()
    with pytest.raises(InputError, match="another server"):
        Dispatcher(settings(folder), store, runner).start()
    until(lambda: runner.seen)
    states = {name: store.job(name * 32).state for name in "abcd"}  # type: ignore[union-attr]
    assert states == {"a": "succeeded", "b": "interrupted", "c": "running", "d": "queued"}
    assert store.job("a" * 32).outcome["headline"] == "done"  # type: ignore[union-attr]
    dispatcher.stop()
    assert {name: store.job(name * 32).state for name in "cd"} == {"c": "queued", "d": "queued"}  # type: ignore[union-attr]
    store.close()


def test_trouble_where_jobs_run_costs_no_job(tmp_path: Path) -> None:
    """Proves: a full disk or a scheduler that is away lets jobs wait, however long, and says so; when it is over they run, and
    nothing is said any more; a job whose folder is gone fails alone."""

    class Troubled(Obedient):
        over = False

        def run(self, *arguments: Any) -> Any:
            if not self.over:
                raise OSError(28, "No space left on device")
            return super().run(*arguments)

    runner = Troubled()
    with client(tmp_path / "s", runner, workers=1) as service:
        jobs = [service.post("/v1/jobs", json={**QUICK, "label": str(n)}).json()["id"] for n in range(5)]
        until(lambda: "OSError" in service.get("/readyz").json()["checks"]["queue"])
        assert {service.get(f"/v1/jobs/{job}").json()["state"] for job in jobs} <= {"queued", "running"}
        shutil.rmtree(tmp_path / "s" / "jobs" / jobs[2])
        runner.over = True
        states = [ended(service, job)["state"] for job in jobs]
        assert states == ["succeeded", "succeeded", "failed", "succeeded", "succeeded"]
        until(lambda: service.get("/readyz").json()["checks"]["queue"] == "ok")


def test_pages_of_a_list_lose_none(tmp_path: Path) -> None:
    """Proves: jobs of one instant are each on one page."""
    from strategic_minerals.service.job_folder import AuditLogEntry

    store = open_store(tmp_path / "s", None)
    names = {f"{n:032x}" for n in range(7)}
    for name in names:
        one = Job(name, "local", "solve", "", "queued", 1.5, None, None, None, "d", False, {}, {})
        store.submit(one, None, 99, 99, AuditLogEntry(1.5, "local", "k", "", "submit", name))
    store.close()
    with client(tmp_path / "s", Obedient(hold=True), workers=1) as service:
        found, link = [], "/v1/jobs?limit=2"
        while link:
            page = service.get(link).json()
            found += [job["id"] for job in page["jobs"]]
            link = page["next"]
    assert len(found) == 7
    assert set(found) == names


def test_old_jobs_and_stray_folders_are_deleted(tmp_path: Path) -> None:
    """Proves: results are kept as long as told, and a folder that belongs to no job does not stay for ever."""
    runner = Obedient()
    with client(tmp_path / "s", runner) as service:
        job = service.post("/v1/jobs", json=QUICK).json()["id"]
        ended(service, job)
    stray = tmp_path / "s" / "jobs" / ("f" * 32)
    stray.mkdir()
    os.utime(stray, (0, 0))
    with client(tmp_path / "s", runner, keep_days=1e-9) as service:
        until(lambda: service.get(f"/v1/jobs/{job}").status_code == 404)
        until(lambda: not stray.exists())
        until(lambda: not (tmp_path / "s" / "jobs" / job).exists())
    lost = tmp_path / "s" / "jobs" / ("e" * 32)
    lost.mkdir()
    Folder(lost).write(ENDED_FILE, {"state": "succeeded"})
    os.utime(lost, (0, 0))
    with client(tmp_path / "s", runner):  # an answer that this database does not know is moved, not deleted
        until(lambda: (tmp_path / "s" / "strays" / lost.name / ENDED_FILE).is_file())


def test_a_job_that_another_server_took_over_is_not_ended_twice(tmp_path: Path) -> None:
    """Proves: a server that was silent for long, and whose job was given to another, cannot write its end any more."""
    store = open_store(tmp_path, None)
    from strategic_minerals.service.job_folder import AuditLogEntry

    one = Job("a" * 32, "t", "solve", "", "queued", 1.0, None, None, None, "d", False, {}, {})
    store.submit(one, None, 9, 9, AuditLogEntry(0, "t", "k", "", "submit", one.id))
    assert store.claim("first", 9) is not None
    assert [job.id for job in store.orphans(60)] == [one.id]
    assert store.put_back(one.id)
    assert store.claim("second", 9) is not None
    assert not store.finish(one.id, "first", "succeeded", {})
    assert store.finish(one.id, "second", "failed", {})
    store.close()


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


def test_a_packed_folder_stays_inside(tmp_path: Path) -> None:
    """Proves R35: what comes back from a worker cannot write elsewhere."""
    import io
    import zipfile

    one, two = Folder(tmp_path / "one"), Folder(tmp_path / "two")
    (one.path / "run").mkdir(parents=True)
    two.path.mkdir()
    (one.path / "run" / "x.csv").write_text("a", encoding="utf-8")
    unpack(packed(one), two)
    assert (two.path / "run" / "x.csv").read_text(encoding="utf-8") == "a"
    evil = io.BytesIO()
    with zipfile.ZipFile(evil, "w") as archive:
        archive.writestr("../out.txt", "x")
    with pytest.raises(ValueError, match="outside"):
        unpack(evil.getvalue(), two)
    assert not (tmp_path / "out.txt").exists()


# --- children --------------------------------------------------------------------------------------------------------------


def jobs_children() -> list[int]:
    """Children of this process that run jobs."""
    found = []
    for pid in children_of(os.getpid()):
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
@pytest.mark.parametrize("when", ["it imports", "it builds", "it solves"])
def test_a_running_child_is_stopped_soon(tmp_path: Path, when: str) -> None:
    """Proves R25: stopped while it imports, builds or solves, a child that had an hour left is gone once the answer is there,
    whoever it started too, and it is asked no second time."""
    folder, told, asked = prepared(tmp_path, LONG), list[dict[str, Any]](), list[bool]()

    def stop() -> bool:
        asked.append(
            {
                "it imports": True,
                "it builds": bool(told),
                "it solves": any(one["phase"] == "social cost" for one in told),
            }[when]
        )
        return asked[-1]

    assert LocalRunner().run(folder, JobLimits(3600, 3), told.append, stop) == {"state": "cancelled"}
    assert asked.count(True) == 1
    assert not jobs_children()


def test_a_child_that_runs_too_long_is_ended(tmp_path: Path) -> None:
    """Proves R10: the wall clock ends a job, whatever the solver makes of its own limit of nearly an hour."""
    found = LocalRunner().run(prepared(tmp_path, LONG), JobLimits(2, 1), lambda _: None, lambda: False)
    assert found["problem"]["type"].endswith(":deadline")
    assert not jobs_children()


def test_a_child_that_crashes_is_told_as_a_crash(tmp_path: Path) -> None:
    """Proves R17: a process that aborts ends its job as failed, with a reason."""
    folder, stop = prepared(tmp_path, LONG), threading.Event()

    def kill() -> None:
        os.kill(until(jobs_children)[0], signal.SIGABRT)

    threading.Thread(target=kill).start()
    found = LocalRunner().run(folder, JobLimits(3600, 1), lambda _: None, stop.is_set)
    assert found["problem"]["type"].endswith(":crashed")
    assert "SIGABRT" in found["problem"]["detail"]


@pytest.mark.slow
def test_a_child_may_not_take_more_memory_than_told(tmp_path: Path) -> None:
    """Proves R26: a job beyond its memory fails and says so, or that it crashed; the machine does not notice."""
    folder = prepared(tmp_path, {**LONG, "set": {"sample.scenarios": 300}}, memory_mib=1000)
    found = LocalRunner().run(folder, JobLimits(3600, 1), lambda _: None, lambda: False)
    assert found["state"] == "failed"
    assert found["problem"]["type"].rpartition(":")[2] in ("out-of-memory", "crashed")
    assert "/" not in found["problem"]["detail"]


def test_a_child_dies_with_its_server(tmp_path: Path) -> None:
    """Proves: a server that is killed leaves no child behind that nobody attends."""
    folder = prepared(tmp_path, LONG)
    process = start(folder)
    until(lambda: folder.read(PROGRESS))
    assert process.stdin is not None
    process.stdin.close()  # what the system does for a server that was killed
    assert process.wait(PATIENCE_S) == 1


@pytest.mark.slow
def test_logs_and_progress_are_each_jobs_own(tmp_path: Path) -> None:
    """Proves R27: two jobs at once write into their own folders; nothing of the machine stands in what callers get."""
    with client(tmp_path / "s", workers=2) as service:
        jobs = [service.post("/v1/jobs", json={**QUICK, "label": name}).json()["id"] for name in "ab"]
        for job in jobs:
            assert ended(service, job)["state"] == "succeeded"
            log = service.get(f"/v1/jobs/{job}/log").text
            assert log.count("ended: succeeded") == 1
            assert str(tmp_path) not in log + service.get(f"/v1/jobs/{job}/result").text


# --- servers that are killed ------------------------------------------------------------------------------------------------


@pytest.fixture
def caller(tmp_path: Path) -> Iterator[Any]:
    """Start servers on one folder, each with a client of it; the last one is stopped."""
    headers = token(tmp_path / "s", "t")
    servers: list[Server] = []

    def begin(**environment_of: str) -> tuple[Server, Client]:
        servers.append(Server(tmp_path / "s", **environment_of).ready())
        return servers[-1], Client(servers[-1].address, headers["Authorization"].removeprefix("Bearer "))

    yield begin
    with contextlib.suppress(Exception):
        servers[-1].stop()


@pytest.mark.slow
def test_kills_at_random_moments_lose_nothing(tmp_path: Path, caller: Any) -> None:
    """Proves R24, R38: a server killed again and again while jobs wait, run and end: after the last start every job that
    was accepted ends in a right state, and each stored result opens and passes the audit. Five kills here; the benchmark
    `service_load.py` does twenty."""
    chance, accepted = random.Random(7), list[str]()
    for _ in range(5):
        server, service = caller(workers="2")
        for _ in range(2):
            with contextlib.suppress(OSError, ServiceError):
                accepted.append(service.submit("solve", shipped="quickstart", gap=0.05))
        time.sleep(chance.uniform(0.0, 4.0))
        server.kill()
    server, service = caller(workers="2")
    assert len(accepted) == 10
    again = [job for job in accepted if service.status(job)["state"] == "interrupted"]
    for job in again:
        service._ask("POST", f"/v1/jobs/{job}/resume")
    found = {job: service.wait(job)["state"] for job in accepted}
    assert set(found.values()) == {"succeeded"}, found
    for job in accepted:
        assert load_result(tmp_path / "s" / "jobs" / job / "run").audit().passed
    assert not list((tmp_path / "s").rglob("*.part"))


@pytest.mark.slow
def test_many_callers_at_once_get_each_their_own_job(tmp_path: Path, caller: Any) -> None:
    """Proves: 60 submissions at once from 12 callers against two workers: none lost or doubled, health answers while they run, a
    stop in the middle puts the running ones back. The benchmark `service_load.py` takes 200 from 20, and measures."""
    server, service = caller(workers="2")

    def submit(n: int) -> list[str]:
        mine = Client(server.address, service._headers["Authorization"].removeprefix("Bearer "))
        return [
            mine.submit("solve", key=f"{n}-{k}", shipped="quickstart", gap=0.05, label=f"{n}-{k}") for k in range(5)
        ]

    with ThreadPoolExecutor(12) as pool:
        jobs = [job for mine in pool.map(submit, range(12)) for job in mine]
    assert len(set(jobs)) == 60
    for _ in range(20):
        assert json.loads(service._ask("GET", "/healthz")) == {"status": "ok"}
        time.sleep(0.1)
    server.stop()
    assert server.process.returncode in (0, -signal.SIGTERM)
    store = open_store(tmp_path / "s", None)
    states = store.counts()
    labels = {job.label for job in store.jobs(None, limit=200)}
    store.close()
    assert states["running"] == states["interrupted"] == states["failed"] == 0
    assert states["queued"] + states["succeeded"] == 60
    assert labels == {f"{n}-{k}" for n in range(12) for k in range(5)}


@pytest.mark.slow
def test_the_client_of_the_documents_works(tmp_path: Path, caller: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: the documents' lines submit, wait and download; a refusal is an error with its faults, a full rate waits."""
    block = the_block(SERVICE, "python", "service.client import Client")
    server, service = caller(workers="1")
    monkeypatch.chdir(tmp_path)
    lines = block.replace("http://127.0.0.1:8000", server.address).replace("rare-earths", "quickstart")
    names: dict[str, Any] = {"token": service._headers["Authorization"].removeprefix("Bearer ")}
    exec(compile(lines, "README.md", "exec"), names)
    assert "What to do now" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert service.result(names["job"], "budget")["included"]["budget"]
    with pytest.raises(ServiceError, match="discount_rate") as caught:
        service.submit("solve", shipped="quickstart", set={"discount_rate": 9})
    assert caught.value.status == 422
    assert service.cancel(names["job"])["state"] == "succeeded"
    service.delete(names["job"])
    with pytest.raises(ServiceError, match="404"):
        service.status(names["job"])


def test_progress_tells_parts_and_no_bound_that_says_nothing(tmp_path: Path) -> None:
    """Proves: parts of a search are counted; a gap of thousands of per cent is no gap yet, and its bound none."""
    folder = Folder(tmp_path)
    reporter = ProgressReporter(folder, None)
    reporter.report(Progress("social_cost", 1.0, incumbent=0.0, bound=-1e9, gap=1e12))
    told = folder.read(PROGRESS)
    assert told is not None
    assert (told["incumbent_musd"], told["bound_musd"], told["gap"]) == (0.0, None, None)
    time.sleep(PACE_S)
    reporter.report(Progress("plans and tests", 1.0, done=2, of=13))
    told = folder.read(PROGRESS)
    assert told is not None
    assert (told["done"], told["of"]) == (2, 13)


def test_a_headline_is_more_than_a_title() -> None:
    """Proves: a title that ends with a colon comes with what stands below it, without marks of code, and not longer than a list has
    room for."""
    assert headline_of("NEARLY AS GOOD:\n  the plan\n  more") == "NEARLY AS GOOD: the plan"
    assert headline_of("`solve` finds a plan.\nMore.") == "solve finds a plan."
    assert len(headline_of("word " * 500)) <= MOST_HEADLINE
