"""Upgrade and backup: what an older version kept is all there afterwards; a copy made while the service runs takes its place."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from conftest import Cli
from service.test_service_stores import needs_postgres, postgres  # noqa: F401  (a server of our own)
from strategic_minerals.core.errors import InputError
from strategic_minerals.service import migrations
from strategic_minerals.service.app import create_app
from strategic_minerals.service.backup import DUMP, back_up
from strategic_minerals.service.databases import VALUE, file_of, open_store
from strategic_minerals.service.entities import AuditLogEntry, Job
from strategic_minerals.service.job_folder import ENDED, REQUEST, RESULT, Folder
from strategic_minerals.service.trouble import StoreError
from support.served import QUICK, Obedient, client, ended, settings, token

TOKEN = "sm_of-an-older-version"
DONE, WAITING, RAN, LOST = ("1" * 32, "2" * 32, "3" * 32, "4" * 32)
STATES = {DONE: "succeeded", WAITING: "queued", RAN: "running", LOST: "running"}
Ask = Callable[..., Any]


def kept_by(version: int, ask: Ask, folder: Path) -> None:
    """What a version of the past left: its tables as it made them, jobs in every state with folders, a token, an audit log."""
    for step in migrations.STEPS[:version]:
        for statement in step:
            ask(statement)
    if version > 1:
        ask("UPDATE schema_version SET version = :version", version=version)
    log = "deeds" if version < 3 else "audit_log"
    for name, state in STATES.items():
        ask(
            "INSERT INTO jobs (id, tenant, kind, label, state, submitted, started, ended, server, idempotency_key, digest, "
            "progress, outcome) VALUES (:id, 'office', 'solve', 'older', :state, 1700000000.5, :started, :ended, :server, :key, "
            "'digest', '{}', :outcome)",
            id=name,
            state=state,
            started=None if state == "queued" else 1700000001.0,
            ended=1700000009.0 if state == "succeeded" else None,
            server=None if state == "queued" else "gone",
            key=f"key-{name[0]}",
            outcome=json.dumps({"headline": "done long ago"} if state == "succeeded" else {}),
        )
        place = Folder.of(folder, name)
        place.path.mkdir(parents=True)
        place.write(REQUEST, {**QUICK, "label": "older", "set": {}})
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    ask(
        "INSERT INTO tokens (id, hash, tenant, scopes, created, revoked, note) "
        "VALUES ('t1', :hash, 'office', 'read submit admin', 1700000000, NULL, 'of old')",
        hash=digest,
    )
    ask(
        f"INSERT INTO {log} (at, tenant, token, address, action, job) "
        "VALUES (1700000000.5, 'office', 't1', '192.0.2.1', 'submit solve', :job)",
        job=DONE,
    )
    done = Folder.of(folder, DONE)
    (done.path / "out").mkdir()
    (done.path / "out" / "t.csv").write_text("a,b\n1,x\n", encoding="utf-8")
    table = {"file": "out/t.csv", "rows": 1, "kinds": {"a": "integer", "b": "text"}}
    answer = {"kind": "solve", "headline": "done long ago", "summary": "done", "facts": {"older": True}}
    done.write(RESULT, {**answer, "tables": {"t": table}})
    for name in (DONE, RAN):
        Folder.of(folder, name).write(ENDED, {"state": "succeeded", "headline": "done long ago"})


def nothing_is_lost(folder: Path, **given: Any) -> None:
    """Whether a server of this version has every job, result, token and line of the log; what had not ended ends."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    app = create_app(settings(folder, **given), runner=Obedient())
    with TestClient(app, base_url="http://localhost", headers=headers) as service:
        jobs = {job["id"]: job for job in service.get("/v1/jobs").json()["jobs"]}
        assert set(jobs) == set(STATES)
        assert all(job["label"] == "older" and job["trace_id"] is None for job in jobs.values())
        assert jobs[DONE]["headline"] == "done long ago"
        result = service.get(f"/v1/jobs/{DONE}/result", params={"include": ["t"]}).json()
        assert (result["facts"], result["included"]["t"]) == ({"older": True}, [{"a": 1, "b": "x"}])
        assert service.get(f"/v1/jobs/{DONE}/tables/t").text == "a,b\n1,x\n"
        assert ended(service, WAITING)["state"] == "succeeded"
        if "database" not in given:  # servers that share a database wait until one has been silent for a minute
            assert jobs[RAN]["state"] == "succeeded"  # its folder says so
            assert jobs[LOST]["state"] == "interrupted"
            assert service.post(f"/v1/jobs/{LOST}/resume").status_code == 200
            assert ended(service, LOST)["state"] == "succeeded"
        assert any(entry["job"] == DONE for entry in service.get("/v1/audit-log").json())
        assert service.post("/v1/jobs", json=QUICK, headers={"Idempotency-Key": "key-1"}).status_code == 409
        assert service.post("/v1/jobs", json=QUICK).status_code == 202
        assert app.state.store._run(("SELECT version FROM schema_version", {})) == [[(migrations.NEWEST,)]]


@pytest.mark.parametrize("version", range(1, migrations.NEWEST))
def test_a_store_of_every_older_version_goes_on(version: int, tmp_path: Path) -> None:
    """Proves: opened by this version, an SQLite store as each older version made it has lost nothing, and works."""
    folder = tmp_path / "s"
    folder.mkdir()
    with closing(sqlite3.connect(file_of(folder))) as old, old:
        kept_by(version, lambda statement, **values: old.execute(statement, values), folder)
    nothing_is_lost(folder)


@pytest.fixture
def database(postgres: str) -> Iterator[str]:  # noqa: F811
    """An empty PostgreSQL database."""
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("CREATE DATABASE older")
        yield postgres.rpartition("/")[0] + "/older"
        connection.execute("DROP DATABASE older WITH (FORCE)")


@needs_postgres
@pytest.mark.parametrize("version", [1, migrations.NEWEST - 1])
def test_a_postgres_store_of_an_older_version_goes_on(version: int, database: str, tmp_path: Path) -> None:
    """Proves: the same of PostgreSQL."""
    import psycopg

    with psycopg.connect(database) as old:
        kept_by(version, lambda text, **values: old.execute(VALUE.sub(r"%(\1)s", text), values), tmp_path / "s")  # type: ignore[call-overload]
    nothing_is_lost(tmp_path / "s", database=database)


def test_a_copy_made_while_the_service_runs_takes_its_place(tmp_path: Path, cli: Cli) -> None:
    """Proves: while jobs come, end and are deleted, copies are made that open, whose jobs all have their folders, and in which
    what was running can go on."""
    folder, runner = tmp_path / "s", Obedient()
    with client(folder, runner, workers=2) as service:
        first = service.post("/v1/jobs", json=QUICK).json()["id"]
        assert ended(service, first)["state"] == "succeeded"
        over = threading.Event()

        def busy() -> None:
            n = 0
            while not over.is_set():
                n += 1
                job = service.post("/v1/jobs", json={**QUICK, "label": str(n)}).json()["id"]
                if n % 2:
                    ended(service, job)
                    service.delete(f"/v1/jobs/{job}")

        worker = threading.Thread(target=busy)
        worker.start()
        try:
            for n in range(5):
                back_up(folder, None, tmp_path / f"copy-{n}")
        finally:
            over.set()
            worker.join()
        told = json.loads(cli("service", "backup", tmp_path / "last", "--folder", folder, "--json").stdout)
        assert told["jobs"] == len(service.get("/v1/jobs", params={"limit": 200}).json()["jobs"])
    for name in (*(f"copy-{n}" for n in range(5)), "last"):
        place = tmp_path / name
        with closing(sqlite3.connect(file_of(place))) as store:
            jobs = {row[0] for row in store.execute("SELECT id FROM jobs")}
        assert jobs == {path.name for path in (place / "jobs").iterdir()}
        assert not list(place.rglob("*.part"))
        with client(place, Obedient()) as copy:
            assert ended(copy, first)["headline"] == "done"
            assert copy.get(f"/v1/jobs/{first}/tables/t").text.startswith("a,b")
            for job in jobs:
                if copy.get(f"/v1/jobs/{job}").json()["state"] == "interrupted":
                    copy.post(f"/v1/jobs/{job}/resume")
                assert ended(copy, job)["state"] == "succeeded"


def test_a_copy_goes_nowhere_where_something_is(tmp_path: Path) -> None:
    """Proves: a folder with files in it, one inside the service's own, and a service without a store are refused, and nothing is
    written."""
    folder = tmp_path / "s"
    open_store(folder, None).close()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("mine")
    for out in (tmp_path / "full", folder / "copy"):
        with pytest.raises(InputError):
            back_up(folder, None, out)
    assert not (folder / "copy").exists()
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["x"]
    with pytest.raises(StoreError):
        back_up(tmp_path / "none", None, tmp_path / "copy")
    assert not list(tmp_path.glob("copy*"))


def test_a_job_that_was_deleted_meanwhile_is_not_in_the_copy(tmp_path: Path) -> None:
    """Proves: a job whose folder is gone is left out and counted."""
    folder = tmp_path / "s"
    store = open_store(folder, None)
    for name in (DONE, WAITING):
        job = Job(name, "t", "solve", "", "queued", 1.0, None, None, None, "d", False, {}, {})
        store.submit(job, None, 9, 9, AuditLogEntry(0, "t", "k", "", "submit", name))
    store.close()
    Folder.of(folder, DONE).path.mkdir(parents=True)
    found = back_up(folder, None, tmp_path / "copy")
    assert (found.jobs, found.deleted) == (1, 1)
    again = open_store(tmp_path / "copy", None)
    assert again.known() == {DONE}
    again.close()


@needs_postgres
@pytest.mark.skipif(shutil.which("pg_dump") is None, reason="pg_dump is not installed")
def test_a_postgres_store_is_dumped_and_restored(database: str, tmp_path: Path) -> None:
    """Proves: the dump that the backup makes, restored into an empty database as the README says, has every job and token."""
    folder = tmp_path / "s"
    headers = token(folder, "t", database=database)
    names = {"database": database}
    with TestClient(create_app(settings(folder, **names), runner=Obedient()), headers=headers) as service:
        job = service.post("/v1/jobs", json=QUICK).json()["id"]
        assert ended(service, job)["state"] == "succeeded"
        assert back_up(folder, database, tmp_path / "copy").jobs == 1
        assert service.delete(f"/v1/jobs/{job}").status_code == 204
    dump = tmp_path / "copy" / DUMP
    restore = ["pg_restore", "--clean", "--if-exists", "--no-owner", f"--dbname={database}", str(dump)]
    subprocess.run(restore, check=True, capture_output=True)
    app = create_app(settings(tmp_path / "copy", **names), runner=Obedient())
    with TestClient(app, headers=headers) as service:
        assert service.get(f"/v1/jobs/{job}").json()["state"] == "succeeded"
        assert service.get(f"/v1/jobs/{job}/result").status_code == 200
