"""A copy of everything that a service keeps, made while it runs: the store first, then the folder of every job in it.

What happens meanwhile loses nothing: a job that ended after the store was copied says so in its folder, where a server that starts
with the copy reads it; one that was deleted is left out.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import Fault, InputError, missing_part
from .base_store import TABLES
from .databases import file_of
from .trouble import StoreError

DUMP = "database.dump"
"""What pg_dump writes; pg_restore reads it."""
DUMP_S = 3600.0


@dataclass(frozen=True)
class BackedUp:
    """What was copied."""

    jobs: int
    deleted: int
    """Jobs that were deleted while the copy was made, and are not in it."""
    bytes: int


def back_up(folder: Path, database: str | None, out: Path) -> BackedUp:
    """Copy a service's store and its jobs' folders to a new folder.

    folder: the service's. database: PostgreSQL's address; None: SQLite in the folder. out: must not exist, or be empty.

    Raises InputError for a folder that is not to be written, and where pg_dump is missing; StoreError where the store cannot be
    read; OSError where the disk is full. Then nothing stands at `out`.
    """
    if out.resolve().is_relative_to(folder.resolve()):
        raise InputError([Fault(str(out), "", "OUT", "a folder inside the service's own", "a folder elsewhere")])
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(
            [Fault(str(out), "", "OUT", "something that is there already", "a new name or an empty folder")]
        )
    part = out.with_name(f"{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o700, parents=True)
    try:
        names = _sqlite(folder, part) if database is None else _postgres(database, part)
        copied = [name for name in names if _copied(folder / "jobs" / name, part / "jobs" / name)]
        gone = sorted(set(names) - set(copied))
        if database is None:
            _forget(file_of(part), gone)
        (part / "jobs").mkdir(exist_ok=True)
        if out.exists():
            out.rmdir()
        _close(part)
        part.rename(out)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return BackedUp(len(copied), len(gone), size)


def _close(part: Path) -> None:
    """Let nobody else read a copy, wherever it is moved: it has tokens' hashes and plans."""
    for path in (part, *part.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o700 if path.is_dir() else 0o600)


def _sqlite(folder: Path, part: Path) -> list[str]:
    """Copy the file as of one moment, whoever writes to it; the jobs in it."""
    path = file_of(folder)
    if not path.is_file():
        raise StoreError("away", f"the folder {folder} holds no store")
    try:
        with (
            contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as source,
            contextlib.closing(sqlite3.connect(file_of(part))) as target,
        ):
            source.backup(target)
            if target.execute("PRAGMA integrity_check(1)").fetchall() != [("ok",)]:
                raise StoreError("damaged", "the store is damaged")
            return [str(name) for (name,) in target.execute("SELECT id FROM jobs")]
    except sqlite3.DatabaseError as error:
        raise StoreError("damaged", f"the store cannot be copied: {str(error)[:200]}") from error


def _forget(path: Path, jobs: Iterable[str]) -> None:
    """Take jobs without a folder out of a copy."""
    with contextlib.closing(sqlite3.connect(path)) as store, store:
        store.executemany("DELETE FROM jobs WHERE id = ?", [(job,) for job in jobs])


def _postgres(address: str, part: Path) -> list[str]:
    """Have pg_dump copy our tables as of one moment; the jobs that there are then. The password goes by the environment."""
    try:
        import psycopg
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        raise missing_part("serve", "psycopg", "postgres") from None
    program = shutil.which("pg_dump")
    if program is None:
        expected = "PostgreSQL's client programs on the PATH (apt install postgresql-client)"
        raise InputError([Fault("backup", "", "pg_dump", "no such program", expected)])
    try:
        parts: dict[str, Any] = conninfo_to_dict(address)
        names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
        names |= {"sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT"}
        given = {names[name]: str(value) for name, value in parts.items() if name in names and value is not None}
        tables = [f"--table={name}" for name in TABLES]
        done = subprocess.run(
            [program, "--format=custom", "--no-password", f"--file={part / DUMP}", *tables],
            env={**os.environ, **given},
            capture_output=True,
            timeout=DUMP_S,
            check=False,
        )
        if done.returncode:
            raise StoreError(
                "away", f"pg_dump ended with code {done.returncode}; is it of the server's version or later?"
            )
        with psycopg.connect(address, connect_timeout=5) as connection:
            return [str(name) for (name,) in connection.execute("SELECT id FROM jobs").fetchall()]
    except (psycopg.Error, subprocess.TimeoutExpired) as error:
        raise StoreError("away", f"the database cannot be read ({type(error).__name__})") from None


def _copied(source: Path, target: Path) -> bool:
    """Copy a job's folder, whose files may come and go; whether it was there."""
    if not source.is_dir():
        return False
    for place, _, names in os.walk(source):
        here = target / Path(place).relative_to(source)
        here.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in names:
            if not name.endswith(".part"):
                with contextlib.suppress(FileNotFoundError):  # it was replaced or deleted just now
                    shutil.copy2(Path(place) / name, here / name)
    return source.is_dir()
