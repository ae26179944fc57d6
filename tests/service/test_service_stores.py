"""The store's promises, for both databases: PostgreSQL of the machine's own packages beside SQLite; copies of it."""

import glob
import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conftest import until
from strategic_minerals.core.errors import FORMAT
from strategic_minerals.service import store as stores
from strategic_minerals.service.client import Client
from strategic_minerals.service.records import AuditLogEntry, Job, StoreError, new_id
from strategic_minerals.service.settings import Limits
from strategic_minerals.service.store import RefusalError, Store, open_store, sqlite_engine
from support.served import Server, token

BINARIES = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
KEPT = ("jobs", "tokens", "audit_log", "servers", "tenants", "usage", "tombstones")
needs_postgres = pytest.mark.skipif(not BINARIES, reason="PostgreSQL is not installed")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of our own, on loopback, gone afterwards."""
    if not BINARIES:
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # its owner is another user, who may not enter pytest's folders
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if user:
        shutil.chown(folder, "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data, binaries = folder / "data", Path(BINARIES[-1])

    def run(*command: str) -> None:
        subprocess.run([*user, *command], check=True, capture_output=True, cwd=folder)

    run(str(binaries / "initdb"), "-D", str(data), "-A", "trust", "-U", "postgres", "--no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    run(str(binaries / "pg_ctl"), "-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start")
    yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    run(str(binaries / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=needs_postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    if request.param == "sqlite":
        found = Store(sqlite_engine(tmp_path / "s.sqlite3"), places_s=0.0)
    else:
        found = open_store(tmp_path, request.getfixturevalue("postgres"))
        found._places_s = 0.0
        run(found, *(f"DELETE FROM {table}" for table in KEPT))
    yield found
    found.close()


def run(store: Store, *statements: str) -> None:
    """Change a store behind its back."""
    with store.engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def job_of(tenant: str = "t", **given: Any) -> Job:
    """A job that waits."""
    plain = Job(new_id(), tenant, "solve", "", "queued", time.time(), None, None, None, "d", False, {}, {})
    return replace(plain, **given)


def put(store: Store, one: Job, key: str | None = None, limits: Limits | None = None, size: int = 0) -> Job:
    """Submit a job."""
    entry = AuditLogEntry(one.submitted, one.tenant, "k", "127.0.0.1", "submit solve", one.id)
    return store.submit(one, key, limits or Limits(), entry, size)


def claimed(store: Store, limits: Limits | None = None, server: str = "s") -> str | None:
    """The job that a server gets."""
    found = store.claim(server, limits or Limits())
    return None if found is None else found.id


def test_what_is_submitted_is_kept_once_with_who_did_it(store: Store) -> None:
    """Proves R39: text is text; a refused job has no line in the log; a key is one job of one tenant, all at once too."""
    one = put(store, job_of(label="x'; DROP TABLE jobs; --"), "k")
    assert store.job(one.id) == one
    assert store.job(one.id, "another") is None
    with pytest.raises(RefusalError):
        put(store, job_of(), limits=Limits(queued=1))
    with pytest.raises(RefusalError, match="of yours"):
        put(store, job_of(), limits=Limits(queued_of_tenant=1))
    assert put(store, job_of(), "k").id == one.id
    assert [entry.job for entry in store.log_entries()] == [one.id]
    assert store.counts()["queued"] == 1
    assert put(store, job_of("u"), "k").id != one.id
    with pytest.raises(RefusalError, match="key"):
        put(store, job_of(digest="other"), "k")
    with ThreadPoolExecutor(8) as pool:
        assert len({found.id for found in pool.map(lambda _: put(store, job_of(), "many"), range(16))}) == 1


def test_a_job_is_claimed_once_the_oldest_first(store: Store) -> None:
    """Proves: eight threads claim forty jobs, each once; in order for one claimer; not beyond a tenant's share."""
    jobs = [put(store, job_of(submitted=float(n))) for n in range(40)]
    assert store.position(jobs[4]) == 5
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: claimed(store, server=f"s{n % 8}"), range(50)))
    taken = [one for one in found if one is not None]
    assert len(taken) == len(set(taken)) == 40
    mine = [put(store, job_of("other", submitted=100.0 + n)) for n in range(3)]
    one_each = Limits(running_of_tenant=1)
    assert claimed(store, one_each) == mine[0].id
    assert claimed(store, one_each) is None
    assert store.finish(mine[0].id, "s", "succeeded", {"headline": "ä"})
    assert claimed(store, one_each) == mine[1].id
    assert store.job(mine[0].id).outcome == {"headline": "ä"}  # type: ignore[union-attr]


def test_tenants_take_turns(store: Store) -> None:
    """Proves R48: fewer running jobs first, then served least recently; within a tenant first come, first served."""
    greedy = [put(store, job_of("greedy", submitted=float(n))) for n in range(30)]
    assert [claimed(store) for _ in range(2)] == [greedy[0].id, greedy[1].id]
    late = [put(store, job_of("modest", submitted=100.0 + n)) for n in range(3)]
    last = put(store, job_of("third", submitted=200.0))
    assert [store.position(one) for one in (late[0], last, late[1], greedy[2], late[2])] == [1, 2, 3, 4, 5]
    assert [claimed(store) for _ in range(5)] == [late[0].id, last.id, late[1].id, greedy[2].id, late[2].id]
    for one in (greedy[0], greedy[1], greedy[2], *late, last):
        store.finish(one.id, "s", "succeeded", {})
    newest = put(store, job_of("third", submitted=300.0))
    assert claimed(store) == newest.id  # served longest ago
    assert claimed(store) == greedy[3].id


def test_a_tenant_has_quotas_of_jobs_minutes_and_bytes(store: Store) -> None:
    """Proves R48: refusals have figure and limit, others are not touched; deleting gives back bytes, not seconds."""
    quota = Limits(jobs_of_tenant=3, minutes_of_tenant=10.0, mib_of_tenant=1000 / 2**20, job_s=300.0)
    first = put(store, job_of("a"), limits=quota, size=400)
    assert claimed(store) == first.id
    store.finish(first.id, "s", "succeeded", {}, 500.0, 1200)
    with pytest.raises(RefusalError, match=r"at most 0\.0") as full:
        put(store, job_of("a"), limits=quota)
    assert full.value.kind == "storage"
    assert store.delete(first.id)
    second = put(store, job_of("a"), limits=quota)
    assert claimed(store, quota) == second.id
    assert store.put_back(second.id, server="s", seconds=200.0)
    with pytest.raises(RefusalError, match=r"11\.7 minutes within 24 hours; at most 10\.0"):
        put(store, job_of("a"), limits=quota)
    assert claimed(store, quota) is None  # what waits, waits
    other = put(store, job_of("b", submitted=1e12), limits=quota)
    assert claimed(store, quota) == other.id
    put(store, job_of("a"), limits=replace(quota, minutes_of_tenant=1e9))
    with pytest.raises(RefusalError, match="You submitted 3 jobs within 24 hours; at most 3"):
        put(store, job_of("a"), limits=replace(quota, minutes_of_tenant=1e9))
    assert store.used("a", quota).jobs == 3
    for jump, seconds in ((-1e9, 300.0), (2e9, 0.0)):  # a jump of the clock makes no running job dear
        run(store, f"UPDATE jobs SET started = started + {jump}")
        assert store.used("b", quota).seconds == seconds


def test_a_store_that_is_cut_short_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves R51: tables are made all together or not at all; made twice, nothing changes."""
    path = tmp_path / "s.sqlite3"
    with monkeypatch.context() as patch:
        patch.setattr(stores, "FORMAT", object())  # no number: the last statement fails
        with pytest.raises(StoreError):
            Store(sqlite_engine(path))
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
    for _ in range(2):
        again = Store(sqlite_engine(path))
        with again.engine.begin() as ask:
            assert ask.exec_driver_sql("SELECT version FROM schema_version").all() == [(FORMAT,)]
        again.close()


def test_states_change_only_from_the_state_they_leave(store: Store) -> None:
    """Proves: another server cannot end a job; a cancelled one cannot be claimed; ended ones alone are deleted."""
    one, two = put(store, job_of(submitted=1.0)), put(store, job_of(submitted=2.0))
    assert claimed(store) == one.id
    assert not store.finish(one.id, "other", "failed", {})
    assert not store.delete(one.id)
    assert store.cancel(two.id).state == "cancelled"  # type: ignore[union-attr]
    assert store.cancel(one.id).stopping  # type: ignore[union-attr]
    assert claimed(store) is None
    store.tell(one.id, "s", {"gap": 0.5})
    store.tell(one.id, "other", {"gap": 0.9})
    assert store.job(one.id).progress == {"gap": 0.5}  # type: ignore[union-attr]
    assert store.finish(one.id, "s", "cancelled", {})
    assert store.delete(one.id)
    assert store.outdated(0.0) == []
    assert store.outdated(1e12) == [two.id]
    assert [found.id for found in store.jobs("t", "cancelled")] == [two.id]


def test_jobs_of_servers_that_fell_silent_are_found(store: Store) -> None:
    """Proves: without a sign of life jobs are orphans; who was silent cannot end what another took over."""
    one, two = put(store, job_of(submitted=1.0)), put(store, job_of(submitted=2.0))
    store.seen("alive")
    assert store.claim("alive", Limits()) == store.job(one.id)
    assert store.claim("dead", Limits()) == store.job(two.id)
    assert {found.server for found in store.orphans(-60)} == {"dead", "alive"}
    assert [found.id for found in store.orphans(60)] == [two.id]
    assert store.put_back(two.id)
    assert claimed(store, server="alive") == two.id
    assert not store.finish(two.id, "dead", "succeeded", {})
    assert store.finish(two.id, "alive", "failed", {})
    assert store.running_of("alive") == [one.id]
    store.gone("alive")
    assert store.writable()


@needs_postgres
@pytest.mark.slow
def test_two_servers_share_a_queue_and_one_may_die(postgres: str, tmp_path: Path) -> None:
    """Proves: two servers on one PostgreSQL database and one folder do six jobs, each once; one is killed on the way: its jobs
    are interrupted once it has been silent long enough, and can go on at the other. The password stands in no log."""
    folder = tmp_path / "s"
    clean = open_store(folder, postgres)
    run(clean, *(f"DELETE FROM {table}" for table in KEPT))
    clean.close()
    headers = token(folder, "t", database=postgres)
    names = {"database": postgres.replace("postgres@", "postgres:secret-word@"), "workers": "1"}
    first, second = Server(folder, **names).ready(), Server(folder, **names).ready()
    one, two = (Client(server.address, headers["Authorization"].removeprefix("Bearer ")) for server in (first, second))
    jobs = [one.submit("solve", shipped="quickstart", gap=0.05) for _ in range(6)]
    until(lambda: sum(two.status(job)["state"] == "running" for job in jobs) == 2)
    first.kill()

    def settled() -> bool:
        """Whether every job has succeeded; those that the dead server left are resumed."""
        states = [two.status(job)["state"] for job in jobs]
        for name, state in zip(jobs, states, strict=True):
            if state == "interrupted":
                two.resume(name)
        assert set(states) <= {"queued", "running", "interrupted", "succeeded"}, states
        return set(states) == {"succeeded"}

    until(settled)
    second.stop()
    assert "secret-word" not in (tmp_path / "s.log").read_text(encoding="utf-8")
