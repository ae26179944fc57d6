"""Basis of all parts of the store: its tables, transactions, and checks of the content."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

from ..core.format import FORMAT
from .entities import SCOPES, STATES, AuditLogEntry, Job, Scope, Token
from .trouble import StoreError

T = TypeVar("T")
Rows = list[tuple[Any, ...]]
Ask = Callable[..., Rows]
"""`ask(statement, **values)`: the rows of a statement with `:name` for values."""

TABLES = {
    "jobs": (
        *("id TEXT PRIMARY KEY", "tenant TEXT NOT NULL", "kind TEXT NOT NULL", "label TEXT NOT NULL"),
        *("state TEXT NOT NULL", "submitted DOUBLE PRECISION NOT NULL", "started DOUBLE PRECISION"),
        *("ended DOUBLE PRECISION", "ended_uptime DOUBLE PRECISION", "server TEXT", "idempotency_key TEXT"),
        *("digest TEXT NOT NULL", "stopping INTEGER NOT NULL DEFAULT 0", "progress TEXT NOT NULL DEFAULT '{}'"),
        *("outcome TEXT NOT NULL DEFAULT '{}'", "bytes BIGINT NOT NULL"),
        *("trace TEXT NOT NULL DEFAULT ''", "trace_state TEXT NOT NULL DEFAULT ''"),
    ),
    "tokens": (
        *("id TEXT PRIMARY KEY", "hash TEXT NOT NULL UNIQUE", "tenant TEXT NOT NULL", "scopes TEXT NOT NULL"),
        *("created DOUBLE PRECISION NOT NULL", "revoked DOUBLE PRECISION", "note TEXT NOT NULL"),
    ),
    "audit_log": (
        *("at DOUBLE PRECISION NOT NULL", "tenant TEXT NOT NULL", "token TEXT NOT NULL", "address TEXT NOT NULL"),
        *("action TEXT NOT NULL", "job TEXT NOT NULL"),
    ),
    "webhooks": (
        *("job TEXT PRIMARY KEY", "url TEXT NOT NULL", "secret TEXT NOT NULL", "ended DOUBLE PRECISION"),
        *("tries INTEGER NOT NULL DEFAULT 0", "due DOUBLE PRECISION NOT NULL DEFAULT 0"),
        *("delivered DOUBLE PRECISION", "said TEXT NOT NULL DEFAULT ''"),
    ),
    "servers": ("id TEXT PRIMARY KEY", "seen DOUBLE PRECISION NOT NULL"),
    "tenants": ("tenant TEXT PRIMARY KEY", "turn BIGINT NOT NULL"),
    "usage": (
        *("tenant TEXT NOT NULL", "hour BIGINT NOT NULL", "jobs BIGINT NOT NULL DEFAULT 0"),
        "seconds DOUBLE PRECISION NOT NULL DEFAULT 0",
    ),
    "clock": ("id INTEGER PRIMARY KEY", "uptime DOUBLE PRECISION NOT NULL", "at DOUBLE PRECISION NOT NULL"),
    "schema_version": ("version INTEGER NOT NULL",),
}
"""Columns of every table, in SQL that both databases read. `clock` counts the service's own uptime, for retention; `usage` and
`tenants` hold quotas and turns."""
BEGINNING = (
    *(f"CREATE TABLE {table} ({', '.join(columns)})" for table, columns in TABLES.items()),
    "CREATE INDEX jobs_by_state ON jobs (state, submitted)",
    "CREATE INDEX jobs_by_tenant ON jobs (tenant, submitted)",
    "CREATE UNIQUE INDEX jobs_by_key ON jobs (tenant, idempotency_key)",
    "CREATE UNIQUE INDEX usage_by_hour ON usage (tenant, hour)",
    "INSERT INTO clock (id, uptime, at) VALUES (1, 0, 0)",
    f"INSERT INTO schema_version (version) VALUES ({FORMAT})",
)
"""What makes a new store."""
JOB = "id, tenant, kind, label, state, submitted, started, ended, server, digest, stopping, progress, outcome, trace, trace_state"
TOKEN = "id, tenant, scopes, created, revoked, note"


class BaseStore(ABC):
    """A database; `_within` is all that differs. Safe from many threads, and from many servers where the database is.

    Everything raises StoreError where the database is away, full or damaged.
    """

    alone = ""
    """A statement that lets no other writer in until the transaction ends; empty where a transaction does so by itself."""
    clock = ""
    """The database's own time [s since 1970]: servers' clocks may differ."""
    names = ""
    """A statement that lists the tables there are."""
    shared = False
    """Whether other programs may keep tables of their own beside ours."""

    @abstractmethod
    def _within(self, work: Callable[[Ask], T]) -> T:
        """Work within one transaction that no other writes into. It may be begun again where the connection broke."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the database."""

    def _run(self, *statements: tuple[str, dict[str, Any]]) -> list[Rows]:
        """Statements in one transaction; the rows of each."""
        return self._within(lambda ask: [ask(statement, **values) for statement, values in statements])

    def _alone(self, work: Callable[[Ask], T]) -> T:
        """Work that must see all that others have written, and whom no other writes beside."""

        def guarded(ask: Ask) -> T:
            if self.alone:
                ask(self.alone)
            return work(ask)

        return self._within(guarded)

    def set_up(self) -> None:
        """Create the tables where there are none, in one transaction: a kill leaves all of them or none.

        Raises StoreError for a store of another format, another program's database, and tables that lack what they should have.
        """
        self._alone(self._made)

    def _made(self, ask: Ask) -> None:
        if not self._exists(ask):
            for statement in BEGINNING:
                ask(statement)
        for table, columns in TABLES.items():
            ask(f"SELECT {', '.join(column.split()[0] for column in columns)} FROM {table} LIMIT 1")

    def _exists(self, ask: Ask) -> bool:
        """Whether the database holds a store. Raises StoreError for what is not to be touched."""
        tables = {str(name) for (name,) in ask(self.names)}
        if "schema_version" not in tables:
            if tables and not self.shared:
                raise StoreError(
                    "version", f"the database belongs to another program (tables {', '.join(sorted(tables)[:5])})"
                )
            return False
        rows = ask("SELECT version FROM schema_version")
        if len(rows) != 1 or not isinstance(rows[0][0], int):
            raise StoreError("damaged", "the store is damaged: its format cannot be read")
        if rows[0][0] != FORMAT:
            raise StoreError("version", f"the store has format {rows[0][0]}; this program reads format {FORMAT} alone")
        return True

    def look_through(self) -> None:
        """Read every job and every token. Raises StoreError where one is not what was written."""
        jobs, tokens = self._run((f"SELECT {JOB} FROM jobs", {}), (f"SELECT {TOKEN} FROM tokens", {}))
        for row in jobs:
            job_of(row)
        for row in tokens:
            token_of(row)

    def writable(self) -> bool:
        """Whether something can be written now."""
        probe = {"id": "probe"}
        self._run(
            (f"INSERT INTO servers (id, seen) VALUES (:id, {self.clock}) ON CONFLICT DO NOTHING", probe),
            ("DELETE FROM servers WHERE id = :id", probe),
        )
        return True


def job_of(row: tuple[Any, ...]) -> Job:
    """A job of its row. Raises StoreError for a row that no version has written."""
    name, tenant, kind, label, state, submitted, started, ended, server, digest, stopping, progress, outcome, *trace = (
        row
    )
    try:
        told, came = json.loads(progress), json.loads(outcome)
        texts = all(isinstance(text, str) for text in (name, tenant, kind, label, digest, *trace))
        times = all(
            when is None or (isinstance(when, float | int) and math.isfinite(when))
            for when in (started, ended, submitted)
        )
        named = len(name) == 32 and set(name) <= set("0123456789abcdef")
        sound = texts and times and named and state in STATES and isinstance(told, dict) and isinstance(came, dict)
        if not sound or submitted is None or stopping not in (0, 1):
            raise ValueError
    except (TypeError, ValueError, RecursionError):
        raise StoreError("damaged", "the store is damaged: a job cannot be read") from None
    return Job(
        name, tenant, kind, label, state, submitted, started, ended, server, digest, bool(stopping), told, came, *trace
    )


def token_of(row: tuple[Any, ...]) -> Token:
    """A token of its row. Raises StoreError for a row that no version has written."""
    name, tenant, scopes, created, revoked, note = row
    said = scopes.split() if isinstance(scopes, str) else ["none"]
    held: tuple[Scope, ...] = tuple(known for known in SCOPES if known in said)
    texts = all(isinstance(text, str) for text in (name, tenant, note))
    times = isinstance(created, float | int) and (revoked is None or isinstance(revoked, float | int))
    if not (texts and times and set(said) <= set(SCOPES)):
        raise StoreError("damaged", "the store is damaged: a token cannot be read")
    return Token(name, tenant, held, created, revoked, note)


def log_entry_of(row: tuple[Any, ...]) -> AuditLogEntry:
    """A line of the audit log."""
    return AuditLogEntry(*row)
