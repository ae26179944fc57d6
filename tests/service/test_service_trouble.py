"""Trouble that is nobody's fault: a full disk, a damaged store, a clock that jumps, a start that fails. Nothing is lost by it."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import resource
import shutil
import socket
import sqlite3
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import until
from strategic_minerals import shipped
from strategic_minerals.cli import main as cli
from strategic_minerals.service import dispatcher as retention
from strategic_minerals.service.client import Client, ServiceError
from strategic_minerals.service.dispatcher import Janitor, SqliteStore, open_store
from strategic_minerals.service.job_folder import AuditLogEntry, Folder, Job, StoreError, Token
from strategic_minerals.service.job_runners import JobLimits, LocalRunner
from strategic_minerals.service.worker import NO_ROOM
from support.served import QUICK, Obedient, Server, client, ended, records, settings, token

# --- a full disk --------------------------------------------------------------------------------------------------------------


class Disk:
    """Counts what is written; the n-th write, and those after it, find the disk full."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.left = 10**9
        self.failed = 0
        for owner, name in ((os, "fsync"), (os, "link"), (Path, "mkdir"), (Path, "replace"), (Path, "open")):
            patch.setattr(owner, name, self._counted(getattr(owner, name), name))

    def _counted(self, work: Any, name: str) -> Any:
        def counted(*given: Any, **named: Any) -> Any:
            writes = name != "open" or any(mode in str(given[1:2]) for mode in "wa")
            if writes:
                self.left -= 1
                if self.left < 0:
                    self.failed += 1
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return work(*given, **named)

        return counted


@pytest.mark.slow
@pytest.mark.parametrize("how", ["json", "large", "upload", "draft"])
def test_a_disk_that_is_full_at_any_write_keeps_nothing_half(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves R50: wherever a submission meets a full disk, the answer is 503 with a problem and when to come back, and neither the
    store nor a folder has anything of it; where there is room again, the same is accepted."""
    rows = [{**row, "note": "x" * 500} for row in records("demand")]
    large = {**QUICK, "tables": {"demand": rows}, "on_top_of_shipped": True}
    plan = shipped("models") / "quickstart.toml"
    files = {"plan": ("p", b'name = "x"\n' if how == "draft" else plan.read_bytes())}
    send: dict[str, Callable[[Any], Any]] = {
        "json": lambda service: service.post("/v1/jobs", json=QUICK),
        "large": lambda service: service.post("/v1/jobs", json=large),
        "upload": lambda service: service.post("/v1/jobs/upload", files=files),
        "draft": lambda service: service.post("/upload", files=files, follow_redirects=False),
    }
    runner, folder = Obedient(hold=True), tmp_path / "s"
    with client(folder, runner, workers=1) as service:
        service.post("/v1/jobs", json=QUICK)
        until(lambda: runner.seen)
        disk, kept = Disk(monkeypatch), sorted(p for name in ("jobs", "drafts") for p in (folder / name).glob("*"))
        for n in range(100):
            disk.left, disk.failed = n, 0
            answer = send[how](service)
            if not disk.failed:
                break
            disk.left = 10**9
            assert answer.status_code == 503, (n, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
            assert int(answer.headers["retry-after"]) > 0
            assert sorted(p for name in ("jobs", "drafts") for p in (folder / name).glob("*")) == kept
            assert len(service.get("/v1/jobs").json()["jobs"]) == 1
        assert n > 1
        assert answer.status_code in (202, 303), answer.text
        runner.go.set()


def test_a_store_that_cannot_grow_answers_503_and_goes_on_afterwards(tmp_path: Path) -> None:
    """Proves R50: what SQLite cannot write is refused with a problem, reading goes on, readiness says why; nothing of it stays."""
    runner = Obedient(hold=True)
    with client(tmp_path / "s", runner, workers=1) as service:
        store = service.app.state.store  # type: ignore[attr-defined]
        first = service.post("/v1/jobs", json=QUICK).json()["id"]
        until(lambda: runner.seen)
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages}")
        refused = until(
            lambda: (one := service.post("/v1/jobs", json={**QUICK, "label": "x" * 200})).status_code == 503 and one
        )
        assert refused.json()["type"].endswith(":unavailable")
        assert "full" in refused.json()["detail"]
        kept = service.get("/v1/jobs", params={"limit": 200}).json()["jobs"]
        assert len(kept) == len(list((tmp_path / "s" / "jobs").iterdir()))
        assert service.get(f"/v1/jobs/{first}").json()["state"] == "running"
        store._connection.execute("PRAGMA max_page_count = 1000000")
        assert service.post("/v1/jobs", json={**QUICK, "label": "x" * 200}).status_code == 202
        runner.go.set()


def test_a_job_whose_answer_finds_no_room_waits_and_leaves_nothing_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves R50: a child that cannot write its answer has not failed: it ends with a code of its own, what it wrote is taken back,
    and the job may run again."""
    folder = Folder(tmp_path / "job")
    folder.path.mkdir()
    folder.write("request.json", {**QUICK, "deadline_s": 100.0})
    preexec = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))"
    command = f"{preexec}; from strategic_minerals.service.worker import main; import sys; main(sys.argv[1:])"
    from strategic_minerals.service import job_runners as runners

    whole = runners.subprocess.Popen
    monkeypatch.setattr(
        runners.subprocess, "Popen", lambda given, **named: whole([given[0], "-c", command, *given[3:]], **named)
    )
    with pytest.raises(OSError, match="No space"):
        LocalRunner().run(folder, JobLimits(100, 1), lambda _: None, lambda: False)
    assert NO_ROOM not in (0, 1, 2)
    assert not (folder.path / "run").exists()
    assert not list(folder.path.rglob("*.part"))


@pytest.mark.slow
def test_a_server_whose_disk_is_full_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """Proves R50, with a server and a child that may really write nothing: submitting is 503, readiness says why, health and
    status answer; the job that ran meanwhile is not failed, and ends well once there is room."""
    folder = tmp_path / "s"
    headers = token(folder, "t")
    server = Server(folder, workers="1").ready()
    service = Client(server.address, headers["Authorization"].removeprefix("Bearer "))

    def room(size: int) -> None:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    try:
        one = service.submit("solve", shipped="quickstart", gap=0.05)
        until(lambda: service.status(one)["state"] == "running")
        room(0)
        with pytest.raises(ServiceError) as refused:
            service.submit("solve", shipped="quickstart", gap=0.05)
        assert refused.value.status == 503
        assert refused.value.problem["type"].endswith(":unavailable")
        with pytest.raises(urllib.error.HTTPError) as unready:
            urllib.request.urlopen(f"{server.address}/readyz", timeout=60)
        said = unready.value.read().decode()
        assert "not writable: File too large" in said
        assert "cannot be written" in said
        assert urllib.request.urlopen(f"{server.address}/healthz", timeout=60).status == 200
        time.sleep(3.0)  # the job's child meets the full disk
        assert service.status(one)["state"] in ("queued", "running")
        room(resource.RLIM_INFINITY)
        assert (
            until(lambda: (found := service.status(one))["state"] not in ("queued", "running") and found)["state"]
            == "succeeded"
        )
        assert not list(folder.rglob("*.part"))  # before another job writes
        assert service.submit("solve", shipped="quickstart", gap=0.05)
    finally:
        room(resource.RLIM_INFINITY)
        server.stop()
    assert "Traceback" not in (tmp_path / "s.log").read_text(encoding="utf-8")


# --- a damaged store ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with jobs, tokens and an audit log, closed."""
    path = tmp_path_factory.mktemp("sound") / "service.sqlite3"
    store = SqliteStore(path)
    for n in range(60):
        job = Job(
            f"{n:032x}", f"t{n % 3}", "solve", "ä" * n, "queued", float(n), None, None, None, "d" * 64, False, {}, {}
        )
        store.submit(job, f"k{n}", 999, 999, AuditLogEntry(1.0, "t", "k", "127.0.0.1", "submit solve", job.id))
        store.keep_token(Token(f"t{n}", "t", ("read",), 1.0, None, "n"), f"hash{n}")
        if n % 2:
            store.claim("s", 999)
            store.finish(f"{n // 2:032x}", "s", "succeeded", {"headline": "done"})
    store.close()
    return path


def flipped(content: bytes, chance: random.Random) -> bytes:
    """Some bytes of one page turned over."""
    found = bytearray(content)
    page = chance.randrange(len(content) // 4096) * 4096
    for _ in range(chance.choice((1, 20, 400))):
        found[page + chance.randrange(4096)] ^= chance.randrange(1, 256)
    return bytes(found)


DAMAGE: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "random bytes": lambda content, chance: chance.randbytes(chance.choice((1, 100, 5000, len(content)))),
    "cut short": lambda content, chance: content[: chance.randrange(1, len(content))],
    "a page turned over": flipped,
    "pages exchanged": lambda content, chance: (
        content[:4096] + content[8192:12288] + content[4096:8192] + content[12288:]
    ),
    "zeros": lambda content, chance: content[: 4096 * chance.randrange(1, 5)].ljust(len(content), b"\0"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_store_is_refused_or_read_and_nothing_between(what: str, sound: Path, tmp_path: Path) -> None:
    """Proves R51: random bytes, a store cut short, pages turned over or exchanged: at start a StoreError that says so, or every
    answer is read; never another error."""
    chance, refused, said = random.Random(what), 0, set[str]()
    for n in range(30):
        path = tmp_path / f"{n}.sqlite3"
        path.write_bytes(DAMAGE[what](sound.read_bytes(), chance))
        try:
            store = SqliteStore(path)
        except StoreError as error:
            said.add(error.kind)
            refused += 1
            continue
        try:
            assert all(store.job(job.id) == job for job in store.jobs(None, limit=200))
            assert sum(store.counts().values()) == len(store.known())
            store.tokens(), store.log_entries(), store.positions(), store.claim("s", 9), store.writable()
        except StoreError:
            refused += 1
        finally:
            store.close()
    assert said <= {"damaged", "version"}
    assert refused >= (15 if what == "a page turned over" else 29)


def test_rows_that_nobody_wrote_are_told(sound: Path, tmp_path: Path) -> None:
    """Proves R51: content that a sound file holds and no version writes is found at start: states, names, JSON, scopes."""
    for n, wrong in enumerate(
        (
            "UPDATE jobs SET state = 'exploded'",
            "UPDATE jobs SET id = '../../etc' WHERE submitted = 0.0",
            "UPDATE jobs SET outcome = '{'",
            "UPDATE jobs SET progress = '[]'",
            "UPDATE jobs SET submitted = 'yesterday'",
            "UPDATE tokens SET scopes = 'all'",
            "UPDATE tokens SET created = 'x'",
            "DROP TABLE tokens",
            "DROP TABLE clock",
            "ALTER TABLE jobs DROP COLUMN bytes",
            "DELETE FROM schema_version",
            "UPDATE schema_version SET version = 'x'",
            "INSERT INTO schema_version VALUES (2)",
        )
    ):
        path = tmp_path / f"{n}.sqlite3"
        shutil.copy(sound, path)
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute(wrong)
            connection.commit()
        with pytest.raises(StoreError, match="damaged"):
            SqliteStore(path)


def test_another_programs_database_is_not_touched(tmp_path: Path) -> None:
    """Proves R51: a file with other tables is left as it is."""
    path = tmp_path / "x.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
        connection.commit()
    with pytest.raises(StoreError, match="belongs to another program"):
        SqliteStore(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("recipes",)]


def test_damage_while_it_runs_is_503(tmp_path: Path) -> None:
    """Proves R51: a store that breaks under a running server gives problems, and readiness says why."""
    with client(tmp_path / "s", Obedient()) as service:
        job = service.post("/v1/jobs", json=QUICK).json()["id"]
        ended(service, job)
        store = service.app.state.store  # type: ignore[attr-defined]
        store._run(("UPDATE jobs SET outcome = '{'", {}))
        answer = service.get(f"/v1/jobs/{job}")
        assert answer.status_code == 503
        assert answer.json()["type"].endswith(":unavailable")
        store._run(("ALTER TABLE jobs RENAME TO lost", {}))
        assert service.get("/v1/jobs").status_code == 503
        store._run(("ALTER TABLE servers RENAME TO gone", {}))
        assert "damaged" in until(
            lambda: "ok" not in (found := service.get("/readyz").json()["checks"]["store"]) and found
        )


# --- a start that fails -------------------------------------------------------------------------------------------------------


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of the command line, in this process."""
    monkeypatch.setattr(sys, "argv", ["strategic-minerals", *arguments])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return int(left.value.code or 0)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a token."""
    token(tmp_path / "s", "t")
    return tmp_path / "s"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody has."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        yield one.getsockname()[1]


def test_a_failed_start_has_a_code_of_its_own(
    place: Path, taken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Proves: a port that is taken, an address of another machine, a folder that cannot be made or is another server's, no token,
    wrong settings: exit 6 with the reason, and no traceback; nothing is left running or locked."""
    (tmp_path / "file").write_text("x", encoding="utf-8")
    serve = ("serve", "--folder", str(place))
    port = str(taken)
    assert run(monkeypatch, *serve, "--port", port) == 6
    assert port in capsys.readouterr().err
    assert run(monkeypatch, *serve, "--host", "192.0.2.1", "--port", "0") == 6
    assert run(monkeypatch, *serve, "--host", "no such name", "--port", "0") == 6
    assert run(monkeypatch, "serve", "--folder", str(tmp_path / "file" / "s"), "--port", "0") == 6
    assert run(monkeypatch, "serve", "--folder", str(tmp_path / "empty"), "--port", "0") == 6
    assert "token create" in capsys.readouterr().err
    from strategic_minerals.service.dispatcher import lock_folder

    with lock_folder(place):
        assert run(monkeypatch, *serve, "--port", "0") == 6
    assert "another server" in capsys.readouterr().err
    monkeypatch.setenv("STRATEGIC_MINERALS_KEEP_DAYS", "-1")
    assert run(monkeypatch, *serve, "--port", "0") == 6
    assert "keep_days" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["random bytes", "cut short", "another format", "another's", "empty"])
def test_a_store_that_cannot_be_used_has_a_code_of_its_own(
    what: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Proves R51: every verb that opens the store ends with 7 and a sentence; what is there stays as it is."""
    path = place / "service.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if what == "another format":
            connection.execute("UPDATE schema_version SET version = 99")
            connection.commit()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    if what == "another's":
        path.unlink()
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE recipes (name TEXT)")
            connection.commit()
    if what in DAMAGE:
        path.write_bytes(DAMAGE[what](path.read_bytes(), random.Random(1)))
    if what == "empty":
        (place / "jobs" / ("0" * 32)).mkdir(parents=True)
        path.write_bytes(b"")
    before = path.read_bytes()
    for arguments in (["serve", "--port", "0"], ["token", "create", "x"], ["token", "list"], ["token", "revoke", "x"]):
        assert run(monkeypatch, *arguments, "--folder", str(place)) == 7, arguments
        said = capsys.readouterr().err
        assert "The store cannot be used" in said
        assert "Traceback" not in said
    assert path.read_bytes() == before


def test_the_first_answer_about_readiness_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: the first `/readyz` waits for the solver's test programs and says ready, or what is wrong; it does not guess."""
    with client(tmp_path / "s", Obedient()) as service:
        first = service.get("/readyz")
        assert (first.status_code, first.json()["ready"]) == (200, True), first.text
    from strategic_minerals.service.app import Canary

    monkeypatch.setattr(Canary, "_look", lambda self: "the solver self-test fails")
    with client(tmp_path / "t", Obedient()) as service:
        first = service.get("/readyz")
        assert (first.status_code, first.json()["checks"]["solver"]) == (503, "the solver self-test fails")


# --- clocks -------------------------------------------------------------------------------------------------------------------


class Clock:
    """A wall clock that jumps."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.ahead = 0.0
        wall = time.time
        patch.setattr(retention.time, "time", lambda: wall() + self.ahead)


@pytest.mark.parametrize("jump_s", [86_400.0 * 400, -86_400.0 * 400])
def test_a_jump_of_the_clock_deletes_nothing(jump_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves R49: a year forward or back while the server runs or between two starts: results, drafts and folders that are being
    written stay; at start nothing is deleted at all, however old it looks."""
    clock, store = Clock(monkeypatch), open_store(tmp_path, None)
    job = Job("a" * 32, "t", "solve", "", "queued", time.time(), None, None, None, "d", False, {}, {})
    store.submit(job, None, 9, 9, AuditLogEntry(0, "t", "k", "", "submit", job.id))
    store.claim("s", 9)
    store.finish(job.id, "s", "succeeded", {})
    kept = [tmp_path / "jobs" / job.id, tmp_path / "jobs" / ("b" * 32), tmp_path / "drafts" / ("c" * 32)]
    for path in kept:
        path.mkdir(parents=True)
    running = Janitor(settings(tmp_path, keep_days=90), store)
    running.beat()
    running.tidy()
    clock.ahead = jump_s
    running.beat()
    running.tidy()
    started = Janitor(settings(tmp_path, keep_days=90), store)
    started.tidy()
    assert not started.ready
    assert store.known() == {job.id}
    assert all(path.is_dir() for path in kept)
    started.beat()
    started._old_jobs(started._uptime or 0.0)
    assert store.known() == {job.id}
    store.close()


def test_what_is_old_by_both_clocks_goes(tmp_path: Path) -> None:
    """Proves: retention still deletes: after so much uptime, and not at start."""
    store = open_store(tmp_path, None)
    job = Job("a" * 32, "t", "solve", "", "queued", 1.0, None, None, None, "d", False, {}, {})
    store.submit(job, None, 9, 9, AuditLogEntry(0, "t", "k", "", "submit", job.id))
    store.claim("s", 9)
    store.finish(job.id, "s", "succeeded", {})
    (tmp_path / "jobs" / job.id).mkdir(parents=True)
    store._run(("UPDATE jobs SET ended = 1.0", {}), ("UPDATE clock SET uptime = 91 * 86400.0", {}))
    janitor = Janitor(settings(tmp_path, keep_days=90), store)
    janitor.tidy()
    assert store.known() == {job.id}
    janitor.beat()
    janitor.tidy()
    assert store.known() == set()
    assert not (tmp_path / "jobs" / job.id).exists()
    store.close()


def test_quotas_are_told_with_figure_and_limit(tmp_path: Path) -> None:
    """Proves R48: 429 with when to come back for jobs and minutes, 507 for bytes kept, each with figure and limit; deleting makes
    room."""
    with client(tmp_path / "s", Obedient(), most_jobs_of_tenant=2, most_mib_of_tenant=1e-4) as service:
        first = service.post("/v1/jobs", json=QUICK).json()["id"]
        ended(service, first)
        full = service.post("/v1/jobs", json=QUICK)
        assert (full.status_code, full.json()["type"]) == (507, "urn:strategic-minerals:problem:storage")
        assert "at most 0.0" in full.json()["detail"]
        assert service.delete(f"/v1/jobs/{first}").status_code == 204
        assert service.post("/v1/jobs", json=QUICK, headers={"Idempotency-Key": "k"}).status_code == 202
        assert service.post("/v1/jobs", json=QUICK, headers={"Idempotency-Key": "k"}).status_code == 202
        many = service.post("/v1/jobs", json=QUICK)
        assert (many.status_code, many.json()["type"]) == (429, "urn:strategic-minerals:problem:quota")
        assert "you submitted 2 jobs" in many.json()["detail"]
        assert int(many.headers["retry-after"]) > 0
    with client(tmp_path / "t", Obedient(), most_minutes_of_tenant=1.0) as service:
        one = service.post("/v1/jobs", json=QUICK).json()["id"]
        ended(service, one)
        service.app.state.store._run(("UPDATE usage SET seconds = 90", {}))  # type: ignore[attr-defined]
        late = service.post("/v1/jobs", json=QUICK)
        assert late.status_code == 429
        assert "1.5 minutes within 24 hours; at most 1.0" in late.json()["detail"]
