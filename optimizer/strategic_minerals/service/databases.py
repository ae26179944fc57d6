"""The two databases: SQLite in a file, for one server; PostgreSQL, for several that share it."""

from __future__ import annotations

import re
import sqlite3
import threading
from pathlib import Path
from typing import Any

from ..errors import Fault, InputError, missing_part
from .store import Store

CONNECT_S, STATEMENT_S = 5, 15
"""Seconds that PostgreSQL may take to be there, and to answer."""
BUSY_S = 30.0
"""Seconds that a statement waits for another process's."""
VALUE = re.compile(r"(?<![:\w]):([a-z_]+)")


class SqliteStore(Store):
    """One file, written ahead (WAL) and synchronised at every commit: what was accepted survives a power cut."""

    clock = "((julianday('now') - 2440587.5) * 86400.0)"

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self.set_up()

    def _run(self, *statements: tuple[str, dict[str, Any]]) -> list[list[tuple[Any, ...]]]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                found = [self._connection.execute(statement, values).fetchall() for statement, values in statements]
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
        return found

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()


class PostgresStore(Store):
    """A PostgreSQL database; a connection that broke is made anew once."""

    lock_clause = " FOR UPDATE SKIP LOCKED"
    alone = (("SELECT pg_advisory_xact_lock(20272)", {}),)
    clock = "extract(epoch FROM clock_timestamp())::float8"

    def __init__(self, address: str) -> None:
        try:
            import psycopg
        except ImportError:
            raise missing_part("serve", "psycopg", "postgres") from None
        self._psycopg, self._address, self._lock = psycopg, address, threading.Lock()
        try:
            self._connection = self._connected()
        except psycopg.Error as error:
            found = f"no connection ({type(error).__name__})"  # its words may hold the password
            expected = "postgresql://user:password@host/name of a server that answers"
            raise InputError([Fault("serve", "", "database", found, expected)]) from None
        self.set_up(("SELECT pg_advisory_xact_lock(20271)", {}))  # servers that start at once must not both create the tables

    def _connected(self) -> Any:
        """A connection that gives up where nobody answers."""
        found = self._psycopg.connect(
            self._address, autocommit=True, connect_timeout=CONNECT_S, keepalives_idle=10, keepalives_interval=5,
            tcp_user_timeout=10_000,
        )  # fmt: skip
        for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
            found.execute(f"SET {name} = {1000 * STATEMENT_S}")
        return found

    def _statements(self, *statements: tuple[str, dict[str, Any]]) -> list[list[tuple[Any, ...]]]:
        found = []
        for statement, values in statements:
            cursor = self._connection.execute(VALUE.sub(r"%(\1)s", statement), values)
            found.append(cursor.fetchall() if cursor.description is not None else [])
        return found

    def _run(self, *statements: tuple[str, dict[str, Any]]) -> list[list[tuple[Any, ...]]]:
        with self._lock:
            for attempt in (1, 2):
                try:
                    with self._connection.transaction():
                        return self._statements(*statements)
                except self._psycopg.OperationalError:
                    if attempt == 2 or not (self._connection.closed or self._connection.broken):
                        raise
                    self._connection.close()
                    self._connection = self._connected()
        raise AssertionError

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            self._connection.close()


def open_store(folder: Path, database: str | None) -> Store:
    """The store that settings name. Raises InputError where its driver is not installed."""
    if database is None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # plans and tokens are nobody else's
        return SqliteStore(folder / "service.sqlite3")
    return PostgresStore(database)
