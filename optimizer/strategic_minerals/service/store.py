"""The store: jobs, tokens and deeds, behind one interface; all its SQL, for any database that speaks it.

Every change of a job's state is one statement that names the state it leaves, so that no two servers, threads or crashes can
make a job of two minds.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from .records import ENDED, STATES, Deed, Job, Scope, State, Token

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS jobs (
        id TEXT PRIMARY KEY, tenant TEXT NOT NULL, kind TEXT NOT NULL, label TEXT NOT NULL, state TEXT NOT NULL,
        submitted DOUBLE PRECISION NOT NULL, started DOUBLE PRECISION, ended DOUBLE PRECISION, server TEXT, idempotency_key TEXT,
        digest TEXT NOT NULL, stopping INTEGER NOT NULL DEFAULT 0, progress TEXT NOT NULL DEFAULT '{}',
        outcome TEXT NOT NULL DEFAULT '{}', UNIQUE (tenant, idempotency_key))""",
    "CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, submitted)",
    "CREATE INDEX IF NOT EXISTS jobs_by_tenant ON jobs (tenant, submitted)",
    """CREATE TABLE IF NOT EXISTS tokens (
        id TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL, scopes TEXT NOT NULL,
        created DOUBLE PRECISION NOT NULL, revoked DOUBLE PRECISION, note TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS deeds (
        at DOUBLE PRECISION NOT NULL, tenant TEXT NOT NULL, token TEXT NOT NULL, address TEXT NOT NULL, action TEXT NOT NULL,
        job TEXT NOT NULL)""",
    "CREATE TABLE IF NOT EXISTS servers (id TEXT PRIMARY KEY, seen DOUBLE PRECISION NOT NULL)",
)  # fmt: skip
FORGOTTEN_S = 86_400.0
"""After so long without a sign of life, nothing is kept of a server."""
JOB = "id, tenant, kind, label, state, submitted, started, ended, server, digest, stopping, progress, outcome"
TOKEN = "id, tenant, scopes, created, revoked, note"


class FullError(Exception):
    """No room in the queue: of the tenant's own jobs, or of all."""

    def __init__(self, whose: str, most: int) -> None:
        super().__init__(f"{most} jobs {whose} wait already")


class KeyTakenError(Exception):
    """An idempotency key was used before, for another request."""


class Store(ABC):
    """A database; `_run` is all that differs. Safe from many threads, and from many servers where the database is."""

    @abstractmethod
    def _run(self, *statements: tuple[str, dict[str, Any]]) -> list[list[tuple[Any, ...]]]:
        """Statements with `:name` for values, in one transaction that no other writes into; the rows of each."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the database."""

    lock_clause = ""
    """What a database wants said in the claim, so that servers do not wait for each other."""
    alone: tuple[tuple[str, dict[str, Any]], ...] = ()
    """What goes before a statement that must see all that others have written."""
    clock = ""
    """The database's own time [s since 1970]: servers' clocks may differ."""

    def set_up(self, *before: tuple[str, dict[str, Any]]) -> None:
        """Create what is missing; before: statements that go first, in the same transaction."""
        self._run(*before, *((statement, {}) for statement in SCHEMA))

    def writable(self) -> bool:
        """Whether something can be written now."""
        probe = {"id": "probe"}
        self._run((f"INSERT INTO servers (id, seen) VALUES (:id, {self.clock}) ON CONFLICT DO NOTHING", probe),
                  ("DELETE FROM servers WHERE id = :id", probe))  # fmt: skip
        return True

    # jobs

    def submit(self, job: Job, key: str | None, most: int, most_of_tenant: int, deed: Deed) -> Job:
        """Keep a job, or find the one that the same key brought; the audit log's line is written with it.

        Raises FullError and KeyTakenError; then nothing is kept.
        """
        if key is not None and (known := self.by_key(job.tenant, key, job.digest)) is not None:
            return known
        values = {**_row(job), "key": key, "most": most, "most_own": most_of_tenant}
        room = (
            "SELECT :id, :tenant, :kind, :label, 'queued', :submitted, :key, :digest WHERE "
            "(SELECT count(*) FROM jobs WHERE state = 'queued') < :most AND "
            "(SELECT count(*) FROM jobs WHERE state = 'queued' AND tenant = :tenant) < :most_own"
        )
        *_, kept, _ = self._run(
            *self.alone,
            (f"INSERT INTO jobs (id, tenant, kind, label, state, submitted, idempotency_key, digest) {room} "
             "ON CONFLICT DO NOTHING RETURNING id", values),
            ("INSERT INTO deeds (at, tenant, token, address, action, job) SELECT :at, :tenant, :token, :address, :action, :job "
             "WHERE EXISTS (SELECT 1 FROM jobs WHERE id = :job)", vars(deed)),
        )  # fmt: skip
        if kept or self.job(job.id) is not None:  # kept, whatever became of the connection
            return job
        if key is not None and (known := self.by_key(job.tenant, key, job.digest)) is not None:  # another request was quicker
            return known
        if self.count("queued", job.tenant) >= most_of_tenant:
            raise FullError("of yours", most_of_tenant)
        raise FullError("in all", most)

    def by_key(self, tenant: str, key: str, digest: str) -> Job | None:
        """The job that a key brought before. Raises KeyTakenError where that was another request."""
        where = "tenant = :tenant AND idempotency_key = :key"
        (rows,) = self._run((f"SELECT {JOB} FROM jobs WHERE {where}", {"tenant": tenant, "key": key}))
        if rows and _job(rows[0]).digest != digest:
            raise KeyTakenError
        return _job(rows[0]) if rows else None

    def job(self, job: str, tenant: str | None = None) -> Job | None:
        """A job, where it is the tenant's; None: any tenant's."""
        (rows,) = self._run((f"SELECT {JOB} FROM jobs WHERE id = :id", {"id": job}))
        found = _job(rows[0]) if rows else None
        return found if found is not None and tenant in (None, found.tenant) else None

    def jobs(
        self, tenant: str | None, state: State | None = None, limit: int = 50, before: tuple[float, str] | None = None
    ) -> list[Job]:
        """Jobs, the newest first; before: (submitted, id) of the last one seen."""
        at, last = before or (None, None)
        earlier = "(submitted < :at OR (submitted = :at AND id < :last))"
        asked = [("tenant = :tenant", tenant), ("state = :state", state), (earlier, at)]
        where = " AND ".join(["1 = 1", *(said for said, value in asked if value is not None)])
        values = {"tenant": tenant, "state": state, "at": at, "last": last, "limit": limit}
        used = {name: value for name, value in values.items() if value is not None}
        (rows,) = self._run((f"SELECT {JOB} FROM jobs WHERE {where} ORDER BY submitted DESC, id DESC LIMIT :limit", used))
        return [_job(row) for row in rows]

    def count(self, state: State, tenant: str | None = None) -> int:
        """Jobs in a state."""
        own = "" if tenant is None else " AND tenant = :tenant"
        values = {"state": state} if tenant is None else {"state": state, "tenant": tenant}
        (rows,) = self._run((f"SELECT count(*) FROM jobs WHERE state = :state{own}", values))
        return int(rows[0][0])

    def counts(self) -> dict[str, int]:
        """Jobs in every state."""
        (rows,) = self._run(("SELECT state, count(*) FROM jobs GROUP BY state", {}))
        return dict.fromkeys(STATES, 0) | {str(state): int(count) for state, count in rows}

    def position(self, job: Job) -> int | None:
        """Place in the queue, 1 for the next; None for a job that does not wait."""
        if job.state != "queued":
            return None
        earlier = "submitted < :submitted OR (submitted = :submitted AND id < :id)"
        values = {"submitted": job.submitted, "id": job.id}
        (rows,) = self._run((f"SELECT count(*) FROM jobs WHERE state = 'queued' AND ({earlier})", values))
        return int(rows[0][0]) + 1

    def claim(self, server: str, most_of_tenant: int) -> Job | None:
        """The job that waits longest, now this server's to run; None where none may."""
        busy = "SELECT tenant FROM jobs WHERE state = 'running' GROUP BY tenant HAVING count(*) >= :most"
        waiting = f"SELECT id FROM jobs WHERE state = 'queued' AND tenant NOT IN ({busy})"
        first = f"{waiting} ORDER BY submitted, id LIMIT 1{self.lock_clause}"
        (rows,) = self._run((
            f"UPDATE jobs SET state = 'running', started = :now, server = :server, stopping = 0, progress = '{{}}' "
            f"WHERE id = ({first}) AND state = 'queued' RETURNING {JOB}",
            {"now": time.time(), "server": server, "most": most_of_tenant},
        ))  # fmt: skip
        return _job(rows[0]) if rows else None

    def tell(self, job: str, server: str, progress: dict[str, Any]) -> None:
        """How far a running job of this server is."""
        values = {"progress": json.dumps(progress), "id": job, "server": server}
        self._run(("UPDATE jobs SET progress = :progress WHERE id = :id AND server = :server AND state = 'running'", values))

    def finish(self, job: str, server: str, state: State, outcome: dict[str, Any]) -> bool:
        """End a running job of this server; whether it was still that."""
        values = {"state": state, "now": time.time(), "outcome": json.dumps(outcome), "id": job, "server": server}
        (rows,) = self._run((
            "UPDATE jobs SET state = :state, ended = :now, outcome = :outcome WHERE id = :id AND server = :server "
            "AND state = 'running' RETURNING id", values,
        ))  # fmt: skip
        return bool(rows)

    def put_back(self, job: str, states: Sequence[State] = ("running",), server: str | None = None) -> bool:
        """Let a job wait again, in its old place; whether it was in one of the states, and of a server run by it and not asked to
        stop."""
        among = ", ".join(f"'{state}'" for state in states)
        held = "" if server is None else " AND server = :server AND stopping = 0"
        values = {"id": job} if server is None else {"id": job, "server": server}
        (rows,) = self._run((
            "UPDATE jobs SET state = 'queued', started = NULL, ended = NULL, server = NULL, stopping = 0, outcome = '{}', "
            f"progress = '{{}}' WHERE id = :id AND state IN ({among}){held} RETURNING id", values,
        ))  # fmt: skip
        return bool(rows)

    def running_of(self, server: str) -> list[str]:
        """Jobs that a server runs, as the store has it."""
        (rows,) = self._run(("SELECT id FROM jobs WHERE state = 'running' AND server = :server", {"server": server}))
        return [str(row[0]) for row in rows]

    def cancel(self, job: str) -> Job | None:
        """End a waiting job, ask a running one to stop; the job as it stands then."""
        values = {"id": job, "now": time.time()}
        self._run(
            ("UPDATE jobs SET state = 'cancelled', ended = :now WHERE id = :id AND state = 'queued'", values),
            ("UPDATE jobs SET stopping = 1 WHERE id = :id AND state = 'running'", {"id": job}),
        )
        return self.job(job)

    def delete(self, job: str) -> bool:
        """Forget a job that has ended; whether it had."""
        among = ", ".join(f"'{state}'" for state in ENDED)
        (rows,) = self._run((f"DELETE FROM jobs WHERE id = :id AND state IN ({among}) RETURNING id", {"id": job}))
        return bool(rows)

    def outdated(self, before: float) -> list[str]:
        """Jobs that ended before a time."""
        (rows,) = self._run(("SELECT id FROM jobs WHERE ended < :before LIMIT 100", {"before": before}))
        return [str(row[0]) for row in rows]

    def known(self) -> set[str]:
        """Every job."""
        (rows,) = self._run(("SELECT id FROM jobs", {}))
        return {str(row[0]) for row in rows}

    # servers

    def seen(self, server: str) -> None:
        """This server lives."""
        now = self.clock
        self._run(
            (f"INSERT INTO servers (id, seen) VALUES (:id, {now}) ON CONFLICT (id) DO UPDATE SET seen = {now}", {"id": server}),
            (f"DELETE FROM servers WHERE seen < {now} - :forgotten", {"forgotten": FORGOTTEN_S}),
        )

    def gone(self, server: str) -> None:
        """This server ends."""
        self._run(("DELETE FROM servers WHERE id = :id", {"id": server}))

    def orphans(self, silent_s: float) -> list[Job]:
        """Running jobs of servers that gave no sign of life for so long, or never."""
        living = f"SELECT id FROM servers WHERE seen >= {self.clock} - :silent"
        lost = f"state = 'running' AND server NOT IN ({living})"
        (rows,) = self._run((f"SELECT {JOB} FROM jobs WHERE {lost}", {"silent": float(silent_s)}))
        return [_job(row) for row in rows]

    # tokens and deeds

    def keep_token(self, token: Token, digest: str) -> None:
        """Keep a new token by its hash."""
        values = {**vars(token), "scopes": " ".join(token.scopes), "hash": digest}
        columns = "id, hash, tenant, scopes, created, revoked, note"
        self._run((f"INSERT INTO tokens ({columns}) VALUES (:id, :hash, :tenant, :scopes, :created, :revoked, :note)", values))

    def token(self, digest: str) -> Token | None:
        """The token with a hash, unless it was revoked."""
        (rows,) = self._run((f"SELECT {TOKEN} FROM tokens WHERE hash = :hash AND revoked IS NULL", {"hash": digest}))
        return _token(rows[0]) if rows else None

    def in_force(self, token: str) -> bool:
        """Whether a token, by its name, still is one."""
        (rows,) = self._run(("SELECT 1 FROM tokens WHERE id = :id AND revoked IS NULL", {"id": token}))
        return bool(rows)

    def tokens(self) -> list[Token]:
        """All, revoked ones too."""
        (rows,) = self._run((f"SELECT {TOKEN} FROM tokens ORDER BY created", {}))
        return [_token(row) for row in rows]

    def revoke(self, token: str) -> bool:
        """Make a token worthless; whether there was one of that name in force."""
        values = {"id": token, "now": time.time()}
        (rows,) = self._run(("UPDATE tokens SET revoked = :now WHERE id = :id AND revoked IS NULL RETURNING id", values))
        return bool(rows)

    def log(self, deed: Deed) -> None:
        """A line of the audit log."""
        values = ":at, :tenant, :token, :address, :action, :job"
        self._run((f"INSERT INTO deeds (at, tenant, token, address, action, job) VALUES ({values})", vars(deed)))

    def deeds(self, limit: int = 1000) -> list[Deed]:
        """The audit log, the newest first."""
        (rows,) = self._run((
            "SELECT at, tenant, token, address, action, job FROM deeds ORDER BY at DESC LIMIT :limit", {"limit": limit}
        ))  # fmt: skip
        return [Deed(*row) for row in rows]


def _row(job: Job) -> dict[str, Any]:
    return {name: getattr(job, name) for name in ("id", "tenant", "kind", "label", "submitted", "digest")}


def _job(row: tuple[Any, ...]) -> Job:
    stopping, progress, outcome = row[-3:]
    return Job(*row[:-3], bool(stopping), json.loads(progress), json.loads(outcome))  # type: ignore[call-arg]  # columns in JOB


def _token(row: tuple[Any, ...]) -> Token:
    name, tenant, scopes, created, revoked, note = row
    held: tuple[Scope, ...] = tuple(scopes.split())
    return Token(name, tenant, held, created, revoked, note)
