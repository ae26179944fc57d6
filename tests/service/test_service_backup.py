"""Backup: a copy made while the service runs takes its place."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from conftest import Cli
from service.test_service_stores import needs_postgres, postgres  # noqa: F401  (a server of our own)
from strategic_minerals.core.errors import InputError
from strategic_minerals.service.app import create_app
from strategic_minerals.service.dispatcher import DUMP, back_up, file_of, open_store
from strategic_minerals.service.job_folder import AuditLogEntry, Folder, Job, StoreError
from support.served import QUICK, Obedient, client, ended, settings, token

DONE, WAITING = "1" * 32, "2" * 32


@pytest.fixture
def database(postgres: str) -> Iterator[str]:  # noqa: F811
    """An empty PostgreSQL database."""
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("CREATE DATABASE copied")
        yield postgres.rpartition("/")[0] + "/copied"
        connection.execute("DROP DATABASE copied WITH (FORCE)")


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
