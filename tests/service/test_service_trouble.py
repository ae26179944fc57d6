"""Trouble that is nobody's fault: a full disk, a damaged store, a clock that jumps, a start that fails. Nothing is lost by it."""

import contextlib
import errno
import os
import random
import shutil
import socket
import sqlite3
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from conftest import Cli, until
from service.test_service_stores import job_of, put, run
from strategic_minerals import shipped
from strategic_minerals.service import dispatcher as retention
from strategic_minerals.service import dispatcher as runners
from strategic_minerals.service.dispatcher import Janitor, JobRunner, lock_folder
from strategic_minerals.service.job_folder import Folder
from strategic_minerals.service.records import StoreError, Token
from strategic_minerals.service.settings import Limits
from strategic_minerals.service.store import Store, open_store, sqlite_engine
from strategic_minerals.service.worker import NO_ROOM
from support.served import QUICK, Obedient, client, ended, records, settings, token

pytestmark = pytest.mark.long


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
def test_a_disk_that_is_full_at_any_write_keeps_nothing_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves R50: 503 with when to come back, nothing of it in store or folders; where there is room, it is accepted."""
    rows = [{**row, "note": "x" * 500} for row in records("demand")]
    large = {**QUICK, "tables": {"demand": rows}, "on_top_of_shipped": True}
    plan = {"plan": ("p", (shipped("models") / "quickstart.toml").read_bytes())}
    ways: list[tuple[str, dict[str, Any], int]] = [
        ("/v1/jobs", {"json": QUICK}, 202),
        ("/v1/jobs", {"json": large}, 202),
        ("/v1/jobs/upload", {"files": plan}, 202),
        ("/upload", {"files": plan, "follow_redirects": False}, 303),
    ]
    runner, folder = Obedient(hold=True), tmp_path / "s"

    def kept() -> list[str]:
        """Folders, and jobs that the store knows."""
        jobs = [job["id"] for job in service.get("/v1/jobs").json()["jobs"]]
        return sorted([*jobs, *(str(path) for places in ("jobs/*", "questions/*/*") for path in folder.glob(places))])

    with client(folder, runner, workers=1) as service:
        service.post("/v1/jobs", json=QUICK)
        until(lambda: runner.seen)
        disk = Disk(monkeypatch)
        for path, given, accepted in ways:
            before = kept()
            for n in range(100):
                disk.left, disk.failed = n, 0
                answer = service.post(path, **given)
                met, disk.left = disk.failed, 10**9
                if not met:
                    break
                assert answer.status_code == 503, (n, answer.text)
                assert int(answer.headers["retry-after"]) > 0
                assert kept() == before
            assert n > 1
            assert answer.status_code == accepted, answer.text
        runner.go.set()


def test_a_store_that_cannot_grow_answers_503_and_goes_on_afterwards(tmp_path: Path) -> None:
    """Proves R50: what SQLite cannot write is refused with a problem, reading goes on, readiness says why; nothing of it stays."""
    runner = Obedient(hold=True)
    with client(tmp_path / "s", runner, workers=1) as service:
        store = service.app.state.store  # type: ignore[attr-defined]
        first = service.post("/v1/jobs", json=QUICK).json()["id"]
        until(lambda: runner.seen)
        most = [10**6]
        sqlalchemy.event.listen(
            store.engine, "begin", lambda ask: ask.exec_driver_sql(f"PRAGMA max_page_count = {most[0]}")
        )
        with store.engine.begin() as ask:
            most[0] = ask.exec_driver_sql("PRAGMA page_count").scalar()
        refused = until(
            lambda: (one := service.post("/v1/jobs", json={**QUICK, "label": "x" * 200})).status_code == 503 and one
        )
        assert refused.json()["type"].endswith(":unavailable")
        assert "full" in refused.json()["detail"]
        kept = service.get("/v1/jobs", params={"limit": 200}).json()["jobs"]
        assert len(kept) == len(list((tmp_path / "s" / "jobs").iterdir()))
        assert service.get(f"/v1/jobs/{first}").json()["state"] == "running"
        most[0] = 10**6
        assert service.post("/v1/jobs", json={**QUICK, "label": "x" * 200}).status_code == 202
        runner.go.set()


@pytest.mark.slow
def test_a_job_whose_answer_finds_no_room_waits_and_leaves_nothing_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves R50: such a child has not failed: what it wrote is taken back, and the job may run again."""
    folder = Folder(tmp_path / "job")
    folder.path.mkdir()
    folder.write("request.json", {**QUICK, "set": {"materials": ["germanium"]}, "deadline_s": 100.0})
    preexec = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))"
    command = f"{preexec}; from strategic_minerals.service.worker import main; import sys; main(sys.argv[1:])"
    whole = runners.subprocess.Popen
    monkeypatch.setattr(
        runners.subprocess, "Popen", lambda given, **named: whole([given[0], "-c", command, *given[4:]], **named)
    )
    with pytest.raises(OSError, match="No space"):
        JobRunner().run(folder, (100, 1), lambda _: None, lambda: False)
    assert NO_ROOM not in (0, 1, 2)
    assert not (folder.path / "run").exists()
    assert not list(folder.path.rglob("*.part"))


def test_a_job_whose_own_files_find_no_room_ends_and_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves: where the disk takes what others write, a job that finds no room again and again fails; what it took is counted."""

    class Greedy(Obedient):
        def run(self, folder: Any, *rest: Any) -> Any:
            if (folder.read("request.json") or {})["label"] == "greedy":
                raise OSError(errno.EFBIG, "File too large")
            return super().run(folder, *rest)

    monkeypatch.setattr(retention, "LONGEST_PAUSE_S", 0.05)
    with client(tmp_path / "s", Greedy(), workers=1) as service:
        jobs = [service.post("/v1/jobs", json={**QUICK, "label": name}).json()["id"] for name in ("greedy", "modest")]
        found = [ended(service, job) for job in jobs]
        assert [one["state"] for one in found] == ["failed", "succeeded"]
        assert "found no room" in found[0]["problem"]["detail"]
        until(lambda: service.get("/readyz").json()["checks"]["queue"] == "ok")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with jobs, tokens and an audit log, closed."""
    path = tmp_path_factory.mktemp("sound") / "service.sqlite3"
    store = Store(sqlite_engine(path))
    for n in range(240):
        put(store, job_of(f"t{n % 3}", id=f"{n:032x}", label="ä" * n, submitted=float(n)), f"k{n}")
        store.keep_token(Token(f"t{n}", "t", ("read",), 1.0, None, None, "n"), f"hash{n}")
        if n % 2 and (one := store.claim("s", Limits())):
            store.finish(one.id, "s", "succeeded", {"headline": "done"})
    store.close()
    return path


def test_a_damaged_store_is_refused_or_read_and_nothing_between(sound: Path, tmp_path: Path) -> None:
    """Proves R51: at start a StoreError that says so, or every answer is read; never another error."""
    content, path = sound.read_bytes(), tmp_path / "x.sqlite3"
    refused = Counter[str]()
    for kind in ("random bytes", "cut short", "pages exchanged", "a page turned over"):
        chance = random.Random(kind)
        for _ in range(30):
            path.write_bytes(damaged(content, kind, chance))
            try:
                with contextlib.closing(Store(sqlite_engine(path))) as store:
                    assert all(store.job(job.id) == job for job in store.jobs(None, limit=240))
                    assert sum(store.counts().values()) == len(store.known())
                    store.tokens(), store.log_entries(), store.positions(), store.claim("s", Limits()), store.writable()
            except StoreError as error:
                refused.update([kind, error.kind])
    assert refused.pop("damaged") + refused.pop("version", 0) == refused.total()
    assert refused.pop("a page turned over") >= 15
    assert min(refused.values()) >= 29
    assert len(refused) == 3


def damaged(content: bytes, kind: str, chance: random.Random) -> bytes:
    """A store after something has happened to it."""
    if kind == "random bytes":
        return chance.randbytes(chance.choice((1, 100, 5000, len(content))))
    if kind == "cut short":
        return content[: chance.randrange(1, len(content))]
    if kind == "pages exchanged":
        return content[:4096] + content[8192:12288] + content[4096:8192] + content[12288:]
    found, page = bytearray(content), chance.randrange(len(content) // 4096) * 4096
    for _ in range(chance.choice((1, 20, 400))):
        found[page + chance.randrange(4096)] ^= chance.randrange(1, 256)
    return bytes(found)


def test_rows_that_nobody_wrote_are_told(sound: Path, tmp_path: Path) -> None:
    """Proves R51: content that a sound file holds and no version writes is found at start; another program's file is left alone."""
    path = tmp_path / "x.sqlite3"
    for wrong in (
        "UPDATE jobs SET state = 'exploded'",
        "UPDATE jobs SET id = '../../etc' WHERE submitted = 0.0",
        "UPDATE jobs SET outcome = '{'",
        "UPDATE jobs SET submitted = 'yesterday'",
        "UPDATE tokens SET scopes = 'all'",
        "DROP TABLE clock",
        "ALTER TABLE jobs DROP COLUMN bytes",
        "DELETE FROM schema_version",
        "INSERT INTO schema_version VALUES (2)",
    ):
        shutil.copy(sound, path)
        changed(path, wrong)
        with pytest.raises(StoreError, match="damaged"):
            Store(sqlite_engine(path))
    path.unlink()
    changed(path, "CREATE TABLE recipes (name TEXT)")
    with pytest.raises(StoreError, match="belongs to another program"):
        Store(sqlite_engine(path))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("recipes",)]


def changed(path: Path, statement: str) -> None:
    """Change a closed store behind its back."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def test_damage_while_it_runs_is_503(tmp_path: Path) -> None:
    """Proves R51: problems; readiness says why."""
    with client(tmp_path / "s", Obedient()) as service:
        assert service.get("/readyz").json() == {
            "ready": True,
            "checks": dict.fromkeys(("store", "folder", "queue"), "ok"),
        }
        job = service.post("/v1/jobs", json=QUICK).json()["id"]
        ended(service, job)
        store = service.app.state.store  # type: ignore[attr-defined]
        run(store, "UPDATE jobs SET outcome = '{'")
        answer = service.get(f"/v1/jobs/{job}")
        assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (503, "unavailable")
        run(store, "ALTER TABLE jobs RENAME TO lost")
        assert service.get("/v1/jobs").status_code == 503
        run(store, "ALTER TABLE servers RENAME TO gone")
        until(lambda: "damaged" in service.get("/readyz").json()["checks"]["store"])


def test_a_failed_start_has_a_code_of_its_own(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: 6 with the reason; 7 for a store that cannot be used, which stays as it is; passwords are never told."""
    place, secret = tmp_path / "s", "postgresql://u:secretpw@127.0.0.1:1/x"
    token(place, "t")
    (tmp_path / "file").write_text("x", encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def said(code: int, *words: Any, **variables: str) -> str:
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(f"STRATEGIC_MINERALS_{name}", value)
            found = cli(*words)
        assert found.returncode == code, found.stderr
        assert "Traceback" not in found.stderr
        assert "secretpw" not in found.stdout + found.stderr
        return found.stderr

    serve = ("serve", "--port", 0, "--folder")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert str(port) in said(6, "serve", "--folder", place, "--port", port)
    said(6, *serve, tmp_path / "file" / "s")
    assert "token create" in said(6, *serve, tmp_path / "empty")
    with lock_folder(place):
        assert "another server" in said(6, *serve, place)
    assert "keep_days" in said(6, *serve, place, KEEP_DAYS="-1")
    said(6, "serve", HOST="0.0.0.0", DATABASE=secret)
    for address in (secret, secret.replace("postgresql", "postgresqll")):
        said(7, "token", "list", DATABASE=address)
    changed(place / "service.sqlite3", "UPDATE schema_version SET version = 99")
    before = (place / "service.sqlite3").read_bytes()
    for command in (("serve", "--port", "0"), ("token", "create", "x")):
        assert "The store cannot be used" in said(7, *command, "--folder", place)
    assert (place / "service.sqlite3").read_bytes() == before


@pytest.mark.parametrize("jump_s", [86_400.0 * 400, -86_400.0 * 400])
def test_a_jump_of_the_clock_deletes_nothing(jump_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves R49: a year, while it runs or between two starts; what is old by both clocks goes, and nothing at a start."""
    store, wall, ahead = open_store(tmp_path, None), time.time, [0.0]
    monkeypatch.setattr(retention.time, "time", lambda: wall() + ahead[0])
    job = put(store, job_of())
    store.claim("s", Limits())
    store.finish(job.id, "s", "succeeded", {})
    kept = [tmp_path / "jobs" / job.id, tmp_path / "jobs" / ("b" * 32), tmp_path / "questions" / ("c" * 32)]
    for path in kept:
        path.mkdir(parents=True)
    running = Janitor(settings(tmp_path, keep_days=90), Limits(), store)
    for jump in (0.0, jump_s):
        ahead[0] = jump
        running.beat()
        running.tidy()
    started = Janitor(settings(tmp_path, keep_days=90), Limits(), store)
    started.tidy()
    assert all(path.is_dir() for path in kept)
    started.beat()
    started._old_jobs()
    assert store.known() == {job.id}
    ahead[0] = 0.0
    run(store, "UPDATE jobs SET ended = 1.0", "UPDATE clock SET uptime = 91 * 86400.0")
    late = Janitor(settings(tmp_path, keep_days=90), Limits(), store)
    late.tidy()
    assert store.known() == {job.id}
    late.beat()
    late.tidy()
    assert store.known() == set()
    assert not kept[0].exists()
    store.close()


def test_a_quota_is_told_with_what_helps(tmp_path: Path) -> None:
    """Proves R48: 507 for bytes, where waiting does not help; 429 for jobs with when to come back."""
    with client(tmp_path / "s", Obedient(), jobs_of_tenant=2, mib_of_tenant=1e-4) as service:
        first = service.post("/v1/jobs", json=QUICK).json()["id"]
        ended(service, first)
        full = service.post("/v1/jobs", json=QUICK)
        assert (full.status_code, full.json()["type"].rpartition(":")[2]) == (507, "storage")
        service.delete(f"/v1/jobs/{first}")
        for _ in range(2):  # a key that comes again is not counted
            assert service.post("/v1/jobs", json=QUICK, headers={"Idempotency-Key": "k"}).status_code == 202
        many = service.post("/v1/jobs", json=QUICK)
        assert (many.status_code, many.json()["type"].rpartition(":")[2]) == (429, "quota")
        assert int(many.headers["retry-after"]) > 0
