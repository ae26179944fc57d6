"""The store: jobs, tokens, turns, quotas, webhooks and the audit log, in SQLite or PostgreSQL by one code (SQLAlchemy Core).

SQLite is one file for one server, written ahead (WAL) and synchronised at every commit: what was accepted survives a power cut.
Several servers can share a PostgreSQL database. Everything raises StoreError where the database is away, full or damaged.
"""

import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ..core.errors import FORMAT, missing_part
from .records import ENDED, JOB_FIELDS, STATES, TOKEN_FIELDS, AuditLogEntry, Job, State, StoreError, Token
from .settings import Limits

HOUR_S = 3600.0
WINDOW_HOURS = 24
"""What a tenant has used is counted over the hour that runs and the 23 before it."""
BUSY_S, CONNECT_S, STATEMENT_S = 30.0, 5, 15
"""Seconds that a statement waits for another process's (SQLite); that PostgreSQL may take to be there, and to answer."""
FORGOTTEN_S = 86_400.0
"""After so long without a sign of life, nothing is kept of a server."""
PLACES_S = 0.5
"""Seconds for which places in the queue are not counted anew."""
ALONE = 20271
"""Key of PostgreSQL's lock that lets no other writer in."""
SMALLEST = 512
"""Bytes that an SQLite file has at least."""

_metadata = sa.MetaData()


def _table(name: str, *columns: sa.Column[Any], **kinds: Any) -> sa.Table:
    """A table with columns that must have a value, after those that say more than their kind."""
    plain = [sa.Column(column, kind, nullable=False) for column, kind in kinds.items()]
    return sa.Table(name, _metadata, *columns, *plain)


def _key(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, primary_key=True)


def _time(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Double)


_job_texts = dict.fromkeys(("tenant", "kind", "label", "state", "digest", "progress", "outcome"), sa.Text)
_job_numbers = {"submitted": sa.Double, "stopping": sa.Integer, "retried": sa.Integer, "bytes": sa.BigInteger}
jobs = _table(
    "jobs",
    _key("id"),
    *(_time("started"), _time("ended"), _time("ended_uptime")),
    *(sa.Column("server", sa.Text), sa.Column("idempotency_key", sa.Text)),
    **_job_texts,
    **_job_numbers,
)
sa.Index("jobs_by_state", jobs.c.state, jobs.c.submitted)
sa.Index("jobs_by_tenant", jobs.c.tenant, jobs.c.submitted)
sa.Index("jobs_by_key", jobs.c.tenant, jobs.c.idempotency_key, unique=True)
tombstones = _table("tombstones", _key("job"), at=sa.Double)
"""Deleted jobs whose folder may still be there."""
tokens = _table(
    "tokens",
    *(_key("id"), sa.Column("hash", sa.Text, unique=True, nullable=False), _time("expires"), _time("revoked")),
    **dict.fromkeys(("tenant", "scopes", "note"), sa.Text),
    created=sa.Double,
)
audit_log = _table("audit_log", at=sa.Double, **dict.fromkeys(("tenant", "token", "address", "action", "job"), sa.Text))
sa.Index("audit_log_by_time", audit_log.c.at)
webhooks = _table(
    "webhooks",
    *(_key("job"), _time("ended"), _time("delivered")),
    **dict.fromkeys(("url", "secret"), sa.Text),
    tries=sa.Integer,
    due=sa.Double,
)
servers = _table("servers", _key("id"), seen=sa.Double)
tenants = _table("tenants", _key("tenant"), turn=sa.BigInteger)
usage = _table(
    "usage",
    *(_key("tenant"), sa.Column("hour", sa.BigInteger, primary_key=True)),
    jobs=sa.BigInteger,
    seconds=sa.Double,
)
clock = _table("clock", sa.Column("id", sa.Integer, primary_key=True), uptime=sa.Double, at=sa.Double)
"""The service's own uptime, for retention."""
schema_version = _table("schema_version", version=sa.Integer)

JOB = [jobs.c[name] for name in JOB_FIELDS]
TOKEN = [tokens.c[name] for name in TOKEN_FIELDS]
JOBS, TOKENS = TypeAdapter(Job), TypeAdapter(Token)


@dataclass(frozen=True)
class Used:
    """What a tenant has used of its limits within `WINDOW_HOURS`, and what it keeps."""

    jobs: int
    seconds: float
    bytes: int


class RefusalError(Exception):
    """What a tenant may not do now; the text has figure and limit. kind: that of the problem."""

    def __init__(self, kind: Literal["queue-full", "quota", "storage", "key-reused"], text: str) -> None:
        self.kind = kind
        super().__init__(text)


@dataclass(frozen=True)
class Delivery:
    """A webhook whose turn it is. tries: with this one."""

    job: Job
    url: str
    secret: str
    tries: int


class Store:
    """A database. Safe from many threads, and from many servers where it is PostgreSQL."""

    def __init__(self, engine: sa.Engine, *, places_s: float = PLACES_S) -> None:
        """Make the tables where there are none. Raises StoreError for another format, another program's database, and damage."""
        self.engine, self._places_s = engine, places_s
        self._lite = engine.dialect.name == "sqlite"
        self._insert: Any = sqlite.insert if self._lite else postgresql.insert
        now = "extract(epoch FROM clock_timestamp())::float8"
        if self._lite:
            now = "(julianday('now') - 2440587.5) * 86400.0"
        self._now: sa.ColumnElement[float] = sa.literal_column(f"({now})", sa.Double)
        """The database's own time: servers' clocks may differ."""
        self._alone = threading.Lock()
        """Writers of this process come in turn: SQLite has them wait by chance, PostgreSQL with a connection each."""
        self._places: tuple[float, dict[str, int]] = (float("-inf"), {})
        try:
            with self._writing() as ask:
                if not self._exists(ask):
                    _metadata.create_all(ask)
                    ask.execute(clock.insert().values(id=1, uptime=0.0, at=0.0))
                    ask.execute(schema_version.insert().values(version=FORMAT))
                for table in _metadata.sorted_tables:
                    ask.execute(sa.select(table).limit(1)).all()
                for row in ask.execute(sa.select(*JOB)):
                    _job(row)
                for row in ask.execute(sa.select(*TOKEN)):
                    _token(row)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with _as_store_errors(), self.engine.connect() as ask:
            yield ask

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """A transaction that sees all that others have written, and beside which nobody else writes."""
        with self._alone, _as_store_errors(), self.engine.connect().execution_options(writes=True) as ask, ask.begin():
            if not self._lite:
                ask.execute(sa.select(sa.func.pg_advisory_xact_lock(ALONE)))
            yield ask

    def _exists(self, ask: sa.Connection) -> bool:
        """Whether the database holds a store. Raises StoreError for what is not to be touched."""
        found = set(sa.inspect(ask).get_table_names())
        if schema_version.name not in found:
            if found and self._lite:
                names = ", ".join(sorted(found)[:5])
                raise StoreError("version", f"the database belongs to another program (tables {names})")
            return False
        rows = ask.execute(sa.select(schema_version.c.version)).all()
        if len(rows) != 1 or not isinstance(rows[0][0], int):
            raise StoreError("damaged", "the store is damaged: its format cannot be read")
        if rows[0][0] != FORMAT:
            raise StoreError("version", f"the store has format {rows[0][0]}; this program reads format {FORMAT} alone")
        return True

    def writable(self) -> bool:
        """Whether something can be written now."""
        with self._writing() as ask:
            ask.execute(self._insert(servers).values(id="probe", seen=self._now).on_conflict_do_nothing())
            ask.execute(servers.delete().where(servers.c.id == "probe"))
        return True

    # Jobs.
    def job(self, job: str, tenant: str | None = None) -> Job | None:
        """A job, where it is the tenant's; None: any tenant's."""
        with self._reading() as ask:
            row = ask.execute(sa.select(*JOB).where(jobs.c.id == job)).first()
        found = None if row is None else _job(row)
        return found if found is not None and tenant in (None, found.tenant) else None

    def jobs(
        self, tenant: str | None, state: State | None = None, limit: int = 50, before: tuple[float, str] | None = None
    ) -> list[Job]:
        """Jobs, the newest first; before: (submitted, id) of the last one seen."""
        asked = sa.select(*JOB).order_by(jobs.c.submitted.desc(), jobs.c.id.desc()).limit(limit)
        asked = asked if tenant is None else asked.where(jobs.c.tenant == tenant)
        asked = asked if state is None else asked.where(jobs.c.state == state)
        if before is not None:
            asked = asked.where(sa.tuple_(jobs.c.submitted, jobs.c.id) < sa.tuple_(*map(sa.literal, before)))
        with self._reading() as ask:
            return [_job(row) for row in ask.execute(asked)]

    def counts(self, tenant: str | None = None) -> dict[str, int]:
        """Jobs in every state; of a tenant, or of all."""
        asked = sa.select(jobs.c.state, sa.func.count()).group_by(jobs.c.state)
        with self._reading() as ask:
            rows = ask.execute(asked if tenant is None else asked.where(jobs.c.tenant == tenant)).all()
        return dict.fromkeys(STATES, 0) | {str(state): int(number) for state, number in rows}

    def known(self) -> set[str]:
        with self._reading() as ask:
            return set(ask.scalars(sa.select(jobs.c.id)))

    def outdated(self, before: float, before_uptime: float | None = None) -> list[str]:
        """Jobs that ended before a time; before_uptime: and before so much uptime of the service [s] too, where it is known."""
        asked = sa.select(jobs.c.id).where(jobs.c.ended < before).limit(100)
        asked = asked if before_uptime is None else asked.where(jobs.c.ended_uptime < before_uptime)
        with self._reading() as ask:
            return list(ask.scalars(asked))

    def submit(
        self,
        job: Job,
        key: str | None,
        limits: Limits,
        entry: AuditLogEntry,
        size: int = 0,
        webhook: tuple[str, str] | None = None,
    ) -> Job:
        """Keep a job, or find the one that the same key brought; the audit log's line is written with it. size: bytes of its files.
        webhook: (address, secret) to which its end is sent.

        Raises RefusalError; then nothing is kept."""
        with self._writing() as ask:
            if key is not None and (known := self._by_key(ask, job.tenant, key, job.digest)) is not None:
                return known
            self._room(ask, job.tenant, limits)
            row = {**vars(job), "state": "queued", "idempotency_key": key, "bytes": size, "stopping": 0, "retried": 0}
            ask.execute(jobs.insert().values({**row, "progress": "{}", "outcome": "{}"}))
            if webhook is not None:
                url, secret = webhook
                ask.execute(webhooks.insert().values(job=job.id, url=url, secret=secret, tries=0, due=0.0))
            ask.execute(audit_log.insert().values(vars(entry)))
            self._use(ask, job.tenant, jobs=1)
        return job

    def by_key(self, tenant: str, key: str, digest: str) -> Job | None:
        """The job that a key brought before. Raises RefusalError where that was another request."""
        with self._reading() as ask:
            return self._by_key(ask, tenant, key, digest)

    def _by_key(self, ask: sa.Connection, tenant: str, key: str, digest: str) -> Job | None:
        mine = (jobs.c.tenant == tenant) & (jobs.c.idempotency_key == key)
        row = ask.execute(sa.select(*JOB).where(mine)).first()
        if row is not None and _job(row).digest != digest:
            raise RefusalError("key-reused", "The idempotency key was used for another request.")
        return None if row is None else _job(row)

    def cancel(self, job: str, entry: AuditLogEntry | None = None) -> Job | None:
        """Cancel a waiting job, or ask a running one to stop; the job afterwards. entry: of the audit log, written with it."""
        ended = {"state": "cancelled", "ended": time.time(), "ended_uptime": _uptime()}
        with self._writing() as ask:
            ask.execute(jobs.update().where(jobs.c.id == job, jobs.c.state == "queued").values(ended))
            ask.execute(jobs.update().where(jobs.c.id == job, jobs.c.state == "running").values(stopping=1))
            _log(ask, entry)
        return self.job(job)

    def delete(self, job: str, entry: AuditLogEntry | None = None) -> bool:
        """Forget a job that has ended; whether it had. Its tombstone stays until its folder is gone: `bury`."""
        with self._writing() as ask:
            gone = ask.execute(jobs.delete().where(jobs.c.id == job, jobs.c.state.in_(ENDED))).rowcount
            if gone:
                ask.execute(webhooks.delete().where(webhooks.c.job == job))
                # what was shared
                ask.execute(tokens.delete().where(tokens.c.scopes == "", tokens.c.note.endswith(job)))
                ask.execute(self._insert(tombstones).values(job=job, at=time.time()).on_conflict_do_nothing())
                _log(ask, entry)
        return bool(gone)

    def deleted(self) -> list[str]:
        """Deleted jobs whose folder may still be there."""
        with self._reading() as ask:
            return list(ask.scalars(sa.select(tombstones.c.job).order_by(tombstones.c.at).limit(1000)))

    def bury(self, job: str) -> None:
        """The folder of a deleted job is gone."""
        with self._writing() as ask:
            ask.execute(tombstones.delete().where(tombstones.c.job == job))

    def grown(self, job: str, size: int) -> None:
        """So many bytes does a job's folder hold now."""
        with self._writing() as ask:
            ask.execute(jobs.update().where(jobs.c.id == job).values(bytes=size))

    # Limits of tenants.
    def room(self, tenant: str, limits: Limits) -> None:
        """Whether one more job of a tenant may wait. Raises RefusalError."""
        with self._reading() as ask:
            self._room(ask, tenant, limits)

    def used(self, tenant: str, limits: Limits) -> Used:
        with self._reading() as ask:
            return self._used(ask, tenant, limits)

    def _room(self, ask: sa.Connection, tenant: str, limits: Limits) -> None:
        queued = sa.select(sa.func.count()).where(jobs.c.state == "queued")
        for asked, whose, allowed in (
            (queued.where(jobs.c.tenant == tenant), "of yours", limits.queued_of_tenant),
            (queued, "in all", limits.queued),
        ):
            if (ask.scalar(asked) or 0) >= allowed:
                raise RefusalError("queue-full", f"The queue is full: {allowed} jobs {whose} are waiting already.")
        used, window = self._used(ask, tenant, limits), f"within {WINDOW_HOURS} hours"
        if used.jobs >= limits.jobs_of_tenant:
            most = f"at most {limits.jobs_of_tenant:,} are allowed"
            raise RefusalError("quota", f"You submitted {used.jobs:,} jobs {window}; {most}.")
        if used.seconds >= 60 * limits.minutes_of_tenant:
            most = f"at most {limits.minutes_of_tenant:,.1f} are allowed"
            raise RefusalError("quota", f"Your jobs ran for {used.seconds / 60:,.1f} minutes {window}; {most}.")
        if used.bytes >= limits.mib_of_tenant * 2**20:
            most = f"at most {limits.mib_of_tenant:,.1f}: delete some jobs"
            raise RefusalError("storage", f"Your jobs occupy {used.bytes / 2**20:,.1f} MiB; {most}.")

    def _used(self, ask: sa.Connection, tenant: str, limits: Limits) -> Used:
        total = [sa.func.coalesce(sa.func.sum(column), 0) for column in (usage.c.jobs, usage.c.seconds)]
        since = self._hour(ask) - WINDOW_HOURS
        row = ask.execute(sa.select(*total).where(usage.c.tenant == tenant, usage.c.hour > since)).one()
        kept = ask.scalar(sa.select(sa.func.coalesce(sa.func.sum(jobs.c.bytes), 0)).where(jobs.c.tenant == tenant))
        return Used(int(row[0]), float(row[1]) + _running(ask, limits).get(tenant, 0.0), int(kept or 0))

    def _spent(self, ask: sa.Connection, limits: Limits) -> dict[str, float]:
        """Seconds used within the window, by tenant."""
        found, since = _running(ask, limits), self._hour(ask) - WINDOW_HOURS
        asked = sa.select(usage.c.tenant, sa.func.sum(usage.c.seconds)).where(usage.c.hour > since)
        for tenant, seconds in ask.execute(asked.group_by(usage.c.tenant)):
            found[tenant] = found.get(tenant, 0.0) + float(seconds)
        return found

    def _hour(self, ask: sa.Connection) -> int:
        """The hour that runs, by the database's clock."""
        return int(ask.scalar(sa.select(self._now)) // HOUR_S)  # type: ignore[operator]

    def _use(self, ask: sa.Connection, tenant: str, *, jobs: int = 0, seconds: float = 0.0) -> None:
        """Write down what a tenant used."""
        hour = self._hour(ask)
        row = self._insert(usage).values(tenant=tenant, hour=hour, jobs=jobs, seconds=float(seconds))
        more = {"jobs": usage.c.jobs + row.excluded.jobs, "seconds": usage.c.seconds + row.excluded.seconds}
        ask.execute(row.on_conflict_do_update(index_elements=["tenant", "hour"], set_=more))
        ask.execute(usage.delete().where(usage.c.hour < hour - 2 * WINDOW_HOURS))

    # Turns: the tenant with the fewest running jobs, then the one served least recently; within a tenant first come.
    def claim(self, server: str, limits: Limits) -> Job | None:
        """The job whose turn it is, now this server's to run; None where none may. Tenants that have used their seconds wait."""
        turns = _turns().subquery()
        order = (turns.c.running, turns.c.turn, turns.c.submitted, turns.c.id)
        first = sa.select(turns.c.id, turns.c.tenant, turns.c.running).where(turns.c.place == 1).order_by(*order)
        with self._reading() as ask:  # nearly always nothing waits: nobody is kept waiting for that
            if ask.execute(sa.select(jobs.c.id).where(jobs.c.state == "queued").limit(1)).first() is None:
                return None
        with self._writing() as ask:
            waiting = ask.execute(first).all()
            spent = self._spent(ask, limits) if waiting else {}
            most, most_s = limits.running_of_tenant, 60 * limits.minutes_of_tenant
            free = (row.id for row in waiting if row.running < most and spent.get(row.tenant, 0.0) < most_s)
            if (chosen := next(free, None)) is None:
                return None
            now = {"state": "running", "started": time.time(), "server": server, "stopping": 0, "progress": "{}"}
            found = _job(ask.execute(jobs.update().where(jobs.c.id == chosen).values(now).returning(*JOB)).one())
            latest = sa.select(sa.func.coalesce(sa.func.max(tenants.c.turn), 0) + 1).scalar_subquery()
            served = self._insert(tenants).values(tenant=found.tenant, turn=latest)
            turn = {"turn": served.excluded.turn}
            ask.execute(served.on_conflict_do_update(index_elements=["tenant"], set_=turn))
        return found

    def position(self, job: Job) -> int | None:
        """Place in the queue, 1 for the next; None for a job that does not wait."""
        if job.state != "queued":
            return None
        return self.positions().get(job.id) or self.positions(anew=True).get(job.id)

    def positions(self, *, anew: bool = False) -> dict[str, int]:
        """Places of all that wait, as turns were a moment ago: the order in which they are claimed if no running job ends."""
        at, known = self._places
        if not anew and time.monotonic() - at < self._places_s:
            return known
        turns = _turns().subquery()
        order = (turns.c.running + turns.c.place, turns.c.place, turns.c.turn, turns.c.first, turns.c.id)
        with self._reading() as ask:
            found = {str(job): n for n, job in enumerate(ask.scalars(sa.select(turns.c.id).order_by(*order)), start=1)}
        self._places = (time.monotonic(), found)
        return found

    def tell(self, job: str, server: str, progress: dict[str, Any]) -> None:
        """How far a running job of this server is."""
        with self._writing() as ask:
            ask.execute(jobs.update().where(*_run_by(job, server)).values(progress=json.dumps(progress)))

    def finish(
        self,
        job: str,
        server: str,
        state: State,
        outcome: Mapping[str, Any],
        seconds: float = 0.0,
        size: int | None = None,
    ) -> bool:
        """End a running job of this server; whether it was still that. seconds: that it computed; size: bytes that it left."""
        ended = {"state": state, "ended": time.time(), "ended_uptime": _uptime(), "outcome": json.dumps(outcome)}
        ended |= {} if size is None else {"bytes": size}
        with self._writing() as ask:
            row = ask.execute(jobs.update().where(*_run_by(job, server)).values(ended).returning(jobs.c.tenant)).first()
            if row is not None:
                self._use(ask, row.tenant, seconds=seconds)
        return row is not None

    def put_back(
        self,
        job: str,
        states: Sequence[State] = ("running",),
        server: str | None = None,
        seconds: float = 0.0,
        *,
        retried: bool = False,
        entry: AuditLogEntry | None = None,
    ) -> bool:
        """Let a job wait again, in its old place; whether it was in one of the states, and of a server run by it and not asked to
        stop. seconds: that it computed in vain. retried: its server was lost, for the first time. entry: of the audit log."""
        which = [jobs.c.id == job, jobs.c.state.in_(states)]
        which += [] if server is None else [jobs.c.server == server, jobs.c.stopping == 0]
        which += [jobs.c.retried == 0] if retried else []
        again = dict.fromkeys(("started", "ended", "ended_uptime", "server"))
        fresh = {"state": "queued", "stopping": 0, "outcome": "{}", "progress": "{}"}
        fresh |= {"retried": int(retried)} if retried or server is None else {}
        with self._writing() as ask:
            row = ask.execute(jobs.update().where(*which).values({**again, **fresh}).returning(jobs.c.tenant)).first()
            if row is not None and seconds:
                self._use(ask, row.tenant, seconds=seconds)
            if row is not None:
                _log(ask, entry)
        return row is not None

    # Servers and their heartbeats, and the service's own uptime.
    def seen(self, server: str) -> None:
        row = self._insert(servers).values(id=server, seen=self._now)
        with self._writing() as ask:
            ask.execute(row.on_conflict_do_update(index_elements=["id"], set_={"seen": self._now}))
            ask.execute(servers.delete().where(servers.c.seen < self._now - FORGOTTEN_S))

    def gone(self, server: str) -> None:
        with self._writing() as ask:
            ask.execute(servers.delete().where(servers.c.id == server))

    def orphans(self, silent_s: float) -> list[Job]:
        """Running jobs of servers that gave no sign of life for so long, or never."""
        living = sa.select(servers.c.id).where(servers.c.seen >= self._now - float(silent_s))
        with self._reading() as ask:
            lost = sa.select(*JOB).where(jobs.c.state == "running", jobs.c.server.not_in(living))
            return [_job(row) for row in ask.execute(lost)]

    def running_of(self, server: str) -> list[str]:
        """Jobs that a server runs, as the store has it."""
        with self._reading() as ask:
            return list(ask.scalars(sa.select(jobs.c.id).where(jobs.c.state == "running", jobs.c.server == server)))

    def passed(self, seconds: float) -> float:
        """Add time that went by to the service's uptime [s]: no more than both the caller's monotonic clock (seconds) and the
        database's wall clock say, so that neither a jump of the clock nor several servers make it run fast. The uptime now."""
        gone, most = self._now - clock.c.at, sa.literal(float(seconds), sa.Double)
        added = sa.case((gone <= 0, 0.0), (gone < most, gone), else_=most)
        changed = clock.update().values(uptime=clock.c.uptime + added, at=self._now).returning(clock.c.uptime)
        with self._writing() as ask:
            return float(ask.scalar(changed) or 0.0)

    # Tokens and the audit log.
    def keep_token(self, token: Token, digest: str, entry: AuditLogEntry | None = None, *, alone: bool = False) -> None:
        """Keep a new token by its hash. entry: of the audit log. alone: others with the same note are gone."""
        with self._writing() as ask:
            if alone:
                ask.execute(tokens.delete().where(tokens.c.note == token.note, tokens.c.tenant == token.tenant))
            _log(ask, entry)
            ask.execute(tokens.insert().values({**vars(token), "scopes": " ".join(token.scopes), "hash": digest}))

    def token(self, digest: str) -> Token | None:
        """The token with a hash, while it is in force."""
        with self._reading() as ask:
            row = ask.execute(sa.select(*TOKEN).where(tokens.c.hash == digest)).first()
        found = None if row is None else _token(row)
        return found if found is not None and found.holds(time.time()) else None

    def in_force(self, token: str) -> bool:
        """Whether a token, by its name, still is one."""
        with self._reading() as ask:
            row = ask.execute(sa.select(*TOKEN).where(tokens.c.id == token)).first()
        return row is not None and _token(row).holds(time.time())

    def tokens(self) -> list[Token]:
        """All, those that are no longer in force too."""
        with self._reading() as ask:
            return [_token(row) for row in ask.execute(sa.select(*TOKEN).order_by(tokens.c.created))]

    def revoke(self, token: str) -> bool:
        """Make a token worthless; whether there was one of that name in force."""
        known = (tokens.c.id == token) & tokens.c.revoked.is_(None)
        with self._writing() as ask:
            return bool(ask.execute(tokens.update().where(known).values(revoked=time.time())).rowcount)

    def log(self, entry: AuditLogEntry) -> None:
        """A line of the audit log."""
        with self._writing() as ask:
            _log(ask, entry)

    def log_entries(self, limit: int = 1000) -> list[AuditLogEntry]:
        """The audit log, the newest first."""
        with self._reading() as ask:
            found = ask.execute(sa.select(audit_log).order_by(audit_log.c.at.desc()).limit(limit))
            return [AuditLogEntry(**row._mapping) for row in found]

    def forget(self, before: float) -> None:
        """Delete lines of the audit log that are older, and tokens that ended before."""
        with self._writing() as ask:
            ask.execute(tokens.delete().where((tokens.c.expires < before) | (tokens.c.revoked < before)))
            ask.execute(audit_log.delete().where(audit_log.c.at < before))

    # Webhooks: what is to be sent at the end of a job, and how far that is.
    def due_webhook(self, most_tries: int, lease_s: float, waiting: Iterable[str] = ()) -> Delivery | None:
        """A webhook to be sent now, this server's for so long; None: there is none. waiting: tenants whose others go first."""
        anew = webhooks.c.ended.is_(None) | (webhooks.c.ended != jobs.c.ended)  # a job that was resumed ends anew
        again = webhooks.c.delivered.is_(None) & (webhooks.c.tries < most_tries) & (webhooks.c.due <= self._now)
        columns = (webhooks.c.url, webhooks.c.secret, webhooks.c.tries, webhooks.c.ended.label("last_ended"))
        among = sa.select(*JOB, *columns).select_from(webhooks.join(jobs, jobs.c.id == webhooks.c.job))
        due = (jobs.c.state.in_(ENDED), jobs.c.ended.is_not(None), anew | again, jobs.c.tenant.not_in([*waiting]))
        first = among.where(*due).order_by(webhooks.c.due).limit(1)
        with self._reading() as ask:  # nearly always nothing is due: nobody is kept waiting for that
            if ask.execute(first).first() is None:
                return None
        with self._writing() as ask:
            row = ask.execute(first).first()
            if row is None:
                return None
            job = _job(row[: len(JOB)])
            tries = 1 + (row.tries if row.last_ended == job.ended else 0)
            leased = {"ended": job.ended, "tries": tries, "delivered": None, "due": self._now + lease_s}
            ask.execute(webhooks.update().where(webhooks.c.job == job.id).values(leased))
        return Delivery(job, row.url, row.secret, tries)

    def webhook_tried(self, sent: Delivery, *, again_s: float | None) -> None:
        """How a try ended. again_s: seconds until the next one; None: it was delivered."""
        state = {"delivered": self._now} if again_s is None else {"due": self._now + again_s}
        same = (webhooks.c.job == sent.job.id) & (webhooks.c.ended == sent.job.ended)
        with self._writing() as ask:
            ask.execute(webhooks.update().where(same).values(state))


def _turns() -> sa.Select[Any]:
    """Every waiting job with what its turn depends on: `place` among its tenant's own and when the `first` of those was submitted,
    `running` jobs of the tenant, and when the tenant last had a `turn`."""
    busy = sa.select(jobs.c.tenant, sa.func.count().label("running")).where(jobs.c.state == "running")
    busy_of = busy.group_by(jobs.c.tenant).subquery()
    place = sa.func.row_number().over(partition_by=jobs.c.tenant, order_by=(jobs.c.submitted, jobs.c.id))
    among = jobs.outerjoin(busy_of, busy_of.c.tenant == jobs.c.tenant).outerjoin(
        tenants, tenants.c.tenant == jobs.c.tenant
    )
    return (
        sa.select(
            *(jobs.c.id, jobs.c.tenant, jobs.c.submitted),
            sa.func.coalesce(busy_of.c.running, 0).label("running"),
            sa.func.coalesce(tenants.c.turn, 0).label("turn"),
            place.label("place"),
            sa.func.min(jobs.c.submitted).over(partition_by=jobs.c.tenant).label("first"),
        )
        .select_from(among)
        .where(jobs.c.state == "queued")
    )


def _running(ask: sa.Connection, limits: Limits) -> dict[str, float]:
    """Seconds that running jobs have taken so far, by tenant; of one job no more than it may take, whatever the clock says."""
    now, found = time.time(), dict[str, float]()
    for tenant, started in ask.execute(sa.select(jobs.c.tenant, jobs.c.started).where(jobs.c.state == "running")):
        found[tenant] = found.get(tenant, 0.0) + min(max(0.0, now - (started or now)), limits.job_s)
    return found


def _run_by(job: str, server: str) -> tuple[sa.ColumnElement[bool], ...]:
    return jobs.c.id == job, jobs.c.server == server, jobs.c.state == "running"


def _uptime() -> sa.ScalarSelect[Any]:
    return sa.select(clock.c.uptime).where(clock.c.id == 1).scalar_subquery()


def _log(ask: sa.Connection, entry: AuditLogEntry | None) -> None:
    if entry is not None:
        ask.execute(audit_log.insert().values(vars(entry)))


def _job(row: Sequence[Any]) -> Job:
    """A job of its row. Raises StoreError for a row that this program has not written."""
    stated = dict(zip(JOB_FIELDS, row, strict=True))
    try:
        return JOBS.validate_python(stated | {name: json.loads(stated[name]) for name in ("progress", "outcome")})
    except (TypeError, ValueError, RecursionError):
        raise StoreError("damaged", "the store is damaged: a job cannot be read") from None


def _token(row: Sequence[Any]) -> Token:
    """A token of its row. Raises StoreError for a row that this program has not written."""
    stated = dict(zip(TOKEN_FIELDS, row, strict=True))
    try:
        return TOKENS.validate_python({**stated, "scopes": str(stated["scopes"]).split()})
    except ValueError:
        raise StoreError("damaged", "the store is damaged: a token cannot be read") from None


# Where the store lies, and what its errors mean.
def file_of(folder: Path) -> Path:
    """The store of a folder, made or not."""
    return folder / "service.sqlite3"


def open_store(folder: Path, database: str | None) -> Store:
    """The store that settings name. Raises StoreError where it cannot be used, InputError where its driver is not installed."""
    if database is not None:
        return Store(_postgres(database))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # plans and tokens must not be readable by others
    return Store(sqlite_engine(file_of(folder)))


def sqlite_engine(path: Path) -> sa.Engine:
    """An SQLite file. Raises StoreError where it is damaged; what is not ours stays as it is."""
    size = path.stat().st_size if path.is_file() else SMALLEST
    if size < SMALLEST and (size or any((path.parent / "jobs").glob("*"))):
        raise StoreError("damaged", "the store is damaged: its file is cut short")  # SQLite would begin a new one
    with _as_store_errors(), contextlib.closing(sqlite3.connect(path, timeout=BUSY_S)) as connection:
        found = connection.execute("PRAGMA integrity_check(3)").fetchall()
        if found != [("ok",)]:
            raise StoreError("damaged", f"the store is damaged: {str(found[0][0])[:200]}")
    given = {"timeout": BUSY_S, "check_same_thread": False}
    engine = sa.create_engine(f"sqlite:///{path}", connect_args=given, max_overflow=40)

    @sa.event.listens_for(engine, "connect")
    def _opened(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions begin where `_begun` says so
        for pragma in ("journal_mode = WAL", "synchronous = FULL"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begun(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgres(address: str) -> sa.Engine:
    """A PostgreSQL database; connections that broke are made anew."""
    try:
        import psycopg
    except ImportError:
        raise missing_part("serve", "psycopg", "postgres") from None
    try:
        url = sa.make_url(address).set(drivername="postgresql+psycopg")
        if not address.startswith(("postgresql://", "postgres://")):
            raise ValueError
    except (ValueError, SQLAlchemyError):
        raise _away("no address of PostgreSQL") from None
    limit = f"-c statement_timeout={1000 * STATEMENT_S} -c idle_in_transaction_session_timeout={1000 * STATEMENT_S}"
    given = {"connect_timeout": CONNECT_S, "keepalives_idle": 10, "keepalives_interval": 5, "tcp_user_timeout": 10_000}
    del psycopg
    return sa.create_engine(
        url, connect_args={**given, "options": limit}, pool_pre_ping=True, max_overflow=40, hide_parameters=True
    )


def _away(text: str) -> StoreError:
    expected = "expected postgresql://user:password@host/name of a running server"
    return StoreError("away", f"no connection to the database ({text}); {expected}")


FULL = {
    *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN),
    *("DiskFull", "ReadOnlySqlTransaction", "InsufficientPrivilege"),
}
"""The database cannot write: the disk is full or gone, or the file is another user's."""
AWAY = tuple(getattr(sqlite3, f"SQLITE_{name}") for name in "BUSY LOCKED NOMEM INTERRUPT PROTOCOL".split())


@contextmanager
def _as_store_errors() -> Iterator[None]:
    """The driver's errors as the store's, without its words: they may hold the password."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        raise _meaning(getattr(error, "orig", None) or error) from None
    except SQLAlchemyError as error:  # no connection in time
        raise StoreError("away", f"the store is busy ({type(error).__name__})") from None


def _meaning(error: BaseException) -> StoreError:
    name = type(error).__name__
    if isinstance(error, sqlite3.Error):
        code = (getattr(error, "sqlite_errorcode", None) or sqlite3.SQLITE_CORRUPT) & 0xFF
        if code in FULL:
            return StoreError("full", f"the store cannot be written: {error}")
        if code in AWAY:
            return StoreError("away", "the store is busy")
        return StoreError("damaged", f"the store is damaged: {str(error)[:200]}")
    if name in FULL:
        return StoreError("full", f"the store cannot be written ({name})")
    if name in ("UndefinedTable", "UndefinedColumn", "DataCorrupted"):
        return StoreError("damaged", f"the store is damaged ({name})")
    return _away(name)
