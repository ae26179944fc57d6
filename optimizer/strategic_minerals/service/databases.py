"""The two databases: SQLite in a file, for one server; PostgreSQL, for several that share it."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from ..core.errors import missing_part
from .base_store import Ask
from .store import Store
from .trouble import StoreError

T = TypeVar("T")

CONNECT_S, STATEMENT_S = 5, 15
"""Seconds that PostgreSQL may take to be there, and to answer."""
BUSY_S = 30.0
"""Seconds that a statement waits for another process's."""
VALUE = re.compile(r"(?<![:\w]):([a-z_]+)")
MAGIC, SMALLEST = b"SQLite format 3\0", 512
"""What an SQLite file begins with, and bytes that it has at least."""
FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
"""SQLite cannot write: the disk is full or gone, or the file is another user's."""
AWAY = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_PROTOCOL,
)


class SqliteStore(Store):
    """One file, written ahead (WAL) and synchronised at every commit: what was accepted survives a power cut."""

    clock = "((julianday('now') - 2440587.5) * 86400.0)"
    names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        _look_at(path)
        with _told():
            self._connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            with _told():
                found = self._connection.execute("PRAGMA integrity_check(3)").fetchall()
                if found != [("ok",)]:
                    raise StoreError("damaged", f"the store is damaged: {str(found[0][0])[:200]}")
                self._exists(self._ask)  # what is not ours stays as it is
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = FULL")
            self.set_up()
            self.look_through()
        except BaseException:
            self._connection.close()
            raise

    def _ask(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, values).fetchall()

    def _within(self, work: Callable[[Ask], T]) -> T:
        with self._lock, _told():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                found = work(self._ask)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a full disk has ended it already
                    self._connection.execute("ROLLBACK")
                raise
        return found

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()


def _look_at(path: Path) -> None:
    """Refuse what SQLite would take for an empty database and write over. Raises StoreError."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        head = file.read(SMALLEST)
    if not head and any((path.parent / "jobs").glob("*")):
        raise StoreError("damaged", "the store is damaged: it is empty, but there are jobs")
    if head and (len(head) < SMALLEST or not head.startswith(MAGIC)):
        raise StoreError("damaged", "the store is damaged: it is not an SQLite file")


@contextmanager
def _told() -> Iterator[None]:
    """SQLite's errors as the store's. What a statement of ours has wrong is told as it is."""
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
        raise
    except sqlite3.DatabaseError as error:
        code = (getattr(error, "sqlite_errorcode", None) or sqlite3.SQLITE_CORRUPT) & 0xFF
        if code in FULL:
            raise StoreError("full", f"the store cannot be written: {error}") from error
        if code in AWAY:
            raise StoreError("away", "the store is busy") from error
        raise StoreError("damaged", f"the store is damaged: {str(error)[:200]}") from error


class PostgresStore(Store):
    """A PostgreSQL database; a connection that broke is made anew once."""

    alone = "SELECT pg_advisory_xact_lock(20271)"
    clock = "extract(epoch FROM clock_timestamp())::float8"
    names = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
    shared = True

    def __init__(self, address: str) -> None:
        try:
            import psycopg
        except ImportError:
            raise missing_part("serve", "psycopg", "postgres") from None
        self._psycopg, self._address, self._lock = psycopg, address, threading.Lock()
        with self._told():
            self._connection = self._connected()
        try:
            self.set_up()
        except BaseException:
            self._connection.close()
            raise

    def _connected(self) -> Any:
        """A connection that times out if the server does not answer."""
        found = self._psycopg.connect(
            self._address,
            autocommit=True,
            connect_timeout=CONNECT_S,
            keepalives_idle=10,
            keepalives_interval=5,
            tcp_user_timeout=10_000,
        )
        for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
            found.execute(f"SET {name} = {1000 * STATEMENT_S}")
        return found

    def _within(self, work: Callable[[Ask], T]) -> T:
        def ask(statement: str, **values: Any) -> list[tuple[Any, ...]]:
            cursor = self._connection.execute(VALUE.sub(r"%(\1)s", statement), values)
            return cursor.fetchall() if cursor.description is not None else []

        with self._lock, self._told():
            for attempt in (1, 2):
                try:
                    with self._connection.transaction():
                        return work(ask)
                except self._psycopg.OperationalError:
                    if attempt == 2 or not (self._connection.closed or self._connection.broken):
                        raise
                    self._connection.close()
                    self._connection = self._connected()
        raise AssertionError

    @contextmanager
    def _told(self) -> Iterator[None]:
        """The driver's errors as the store's, without its words: they may hold the password."""
        psycopg = self._psycopg
        try:
            yield
        except (
            psycopg.errors.DiskFull,
            psycopg.errors.ReadOnlySqlTransaction,
            psycopg.errors.InsufficientPrivilege,
        ) as error:
            raise StoreError("full", f"the store cannot be written ({type(error).__name__})") from None
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.DataCorrupted) as error:
            raise StoreError("damaged", f"the store is damaged ({type(error).__name__})") from None
        except (psycopg.OperationalError, psycopg.ProgrammingError) as error:
            found = f"no connection to the database ({type(error).__name__})"
            raise StoreError(
                "away", f"{found}; expected postgresql://user:password@host/name of a running server"
            ) from None

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            self._connection.close()


def file_of(folder: Path) -> Path:
    """The store of a folder, made or not."""
    return folder / "service.sqlite3"


def open_store(folder: Path, database: str | None) -> Store:
    """The store that settings name. Raises StoreError where it cannot be used, InputError where its driver is not installed."""
    if database is None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # plans and tokens must not be readable by others
        return SqliteStore(file_of(folder))
    return PostgresStore(database)
