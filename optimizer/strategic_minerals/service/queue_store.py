"""The store's part about turns: who may submit, whose job runs next, what each tenant has used."""

from __future__ import annotations

import json
import math
import time
from collections import deque
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any

from .base_store import JOB, Ask, job_of
from .entities import AuditLogEntry, Job, State
from .settings import Settings
from .token_store import TokenStore

HOUR_S = 3600.0
WINDOW_HOURS = 24
"""What a tenant has used is counted over the hour that runs and the 23 before it."""

TURNS = (
    "SELECT j.id AS id, j.tenant AS tenant, j.submitted AS submitted, coalesce(r.running, 0) AS running, "
    "coalesce(t.turn, 0) AS turn, row_number() OVER (PARTITION BY j.tenant ORDER BY j.submitted, j.id) AS place FROM jobs j "
    "LEFT JOIN (SELECT tenant, count(*) AS running FROM jobs WHERE state = 'running' GROUP BY tenant) r ON r.tenant = j.tenant "
    "LEFT JOIN tenants t ON t.tenant = j.tenant WHERE j.state = 'queued'"
)
"""Every waiting job with what its turn depends on: `place` among its tenant's own, `running` jobs of the tenant, and when the
tenant last had a `turn`."""
IN_TURN = "running, turn, submitted, id"
"""The order of tenants' first jobs: whose tenant has the fewest running jobs, was served least recently; then first come."""


@dataclass(frozen=True)
class Quota:
    """What one tenant may use: jobs submitted and seconds of computing within `WINDOW_HOURS`, bytes kept. longest_s: what a job
    that runs is counted for at most, whatever the clock says."""

    jobs: float = math.inf
    seconds: float = math.inf
    bytes: float = math.inf
    longest_s: float = math.inf


def quota_of(settings: Settings) -> Quota:
    """What the settings let one tenant use."""
    return Quota(
        settings.most_jobs_of_tenant,
        60.0 * settings.most_minutes_of_tenant,
        settings.most_mib_of_tenant * 2.0**20,
        settings.deadline_s,
    )


@dataclass(frozen=True)
class Used:
    """What a tenant has used of its quota, and what it keeps."""

    jobs: int
    seconds: float
    bytes: int


class FullError(Exception):
    """No room in the queue: of the tenant's own jobs, or of all."""

    def __init__(self, whose: str, most: int) -> None:
        super().__init__(f"{most} jobs {whose} are waiting already")


class QuotaError(FullError):
    """A tenant has used what it may; the text has figure and limit. `storage`: deleting jobs helps, and waiting does not."""

    def __init__(self, text: str, *, storage: bool = False) -> None:
        self.storage = storage
        Exception.__init__(self, text)


class KeyTakenError(Exception):
    """An idempotency key was used before, for another request."""


class QueueStore(TokenStore):
    """Submitting, claiming, ending."""

    def submit(
        self,
        job: Job,
        key: str | None,
        most: int,
        most_of_tenant: int,
        entry: AuditLogEntry,
        quota: Quota | None = None,
        size: int = 0,
        webhook: tuple[str, str] | None = None,
    ) -> Job:
        """Keep a job, or find the one that the same key brought; the audit log's line is written with it. size: bytes of its files.
        webhook: (address, secret) to be told of its end.

        Raises FullError (QuotaError) and KeyTakenError; then nothing is kept.
        """

        def work(ask: Ask) -> Job:
            if ask("SELECT 1 FROM jobs WHERE id = :id", id=job.id):  # kept, whatever became of the connection
                return job
            if key is not None and (known := self._by_key(ask, job.tenant, key, job.digest)) is not None:
                return known
            self._room(ask, job.tenant, most, most_of_tenant, quota or Quota())
            names = ("id", "tenant", "kind", "label", "submitted", "digest", "trace", "trace_state")
            values = {**{name: getattr(job, name) for name in names}, "key": key, "size": size}
            ask(
                "INSERT INTO jobs (id, tenant, kind, label, state, submitted, idempotency_key, digest, bytes, trace, trace_state) "
                "VALUES (:id, :tenant, :kind, :label, 'queued', :submitted, :key, :digest, :size, :trace, :trace_state)",
                **values,
            )
            if webhook is not None:
                told = {"job": job.id, "url": webhook[0], "secret": webhook[1]}
                ask("INSERT INTO webhooks (job, url, secret) VALUES (:job, :url, :secret)", **told)
            ask(
                "INSERT INTO audit_log (at, tenant, token, address, action, job) "
                "VALUES (:at, :tenant, :token, :address, :action, :job)",
                **vars(entry),
            )
            self._use(ask, job.tenant, jobs=1)
            return job

        return self._alone(work)

    def by_key(self, tenant: str, key: str, digest: str) -> Job | None:
        """The job that a key brought before. Raises KeyTakenError where that was another request."""
        return self._within(lambda ask: self._by_key(ask, tenant, key, digest))

    def _by_key(self, ask: Ask, tenant: str, key: str, digest: str) -> Job | None:
        rows = ask(f"SELECT {JOB} FROM jobs WHERE tenant = :tenant AND idempotency_key = :key", tenant=tenant, key=key)
        if rows and job_of(rows[0]).digest != digest:
            raise KeyTakenError
        return job_of(rows[0]) if rows else None

    def room(self, tenant: str, most: int, most_of_tenant: int, quota: Quota) -> None:
        """Whether one more job of a tenant may wait. Raises FullError."""
        self._within(lambda ask: self._room(ask, tenant, most, most_of_tenant, quota))

    def used(self, tenant: str, quota: Quota) -> Used:
        """What a tenant has used."""
        return self._within(lambda ask: self._used(ask, tenant, quota))

    def _room(self, ask: Ask, tenant: str, most: int, most_of_tenant: int, quota: Quota) -> None:
        if (
            _counted(ask("SELECT count(*) FROM jobs WHERE state = 'queued' AND tenant = :tenant", tenant=tenant))
            >= most_of_tenant
        ):
            raise FullError("of yours", most_of_tenant)
        if _counted(ask("SELECT count(*) FROM jobs WHERE state = 'queued'")) >= most:
            raise FullError("in all", most)
        used, window = self._used(ask, tenant, quota), f"within {WINDOW_HOURS} hours"
        if used.jobs >= quota.jobs:
            raise QuotaError(f"you submitted {used.jobs:,} jobs {window}; at most {quota.jobs:,.0f} are allowed")
        if used.seconds >= quota.seconds:
            raise QuotaError(
                f"your jobs ran for {used.seconds / 60:,.1f} minutes {window}; at most {quota.seconds / 60:,.1f} are allowed"
            )
        if used.bytes >= quota.bytes:
            kept = (
                f"your jobs occupy {used.bytes / 2**20:,.1f} MiB; at most {quota.bytes / 2**20:,.1f}: delete some jobs"
            )
            raise QuotaError(kept, storage=True)

    def _used(self, ask: Ask, tenant: str, quota: Quota) -> Used:
        ((jobs, seconds),) = ask(
            "SELECT coalesce(sum(jobs), 0), coalesce(sum(seconds), 0) FROM usage WHERE tenant = :tenant AND hour > :since",
            tenant=tenant,
            since=self._hour(ask) - WINDOW_HOURS,
        )
        kept = _counted(ask("SELECT coalesce(sum(bytes), 0) FROM jobs WHERE tenant = :tenant", tenant=tenant))
        return Used(int(jobs), float(seconds) + self._running(ask, quota.longest_s).get(tenant, 0.0), kept)

    def _running(self, ask: Ask, longest_s: float) -> dict[str, float]:
        """Seconds that running jobs have taken so far, by tenant."""
        now, found = time.time(), dict[str, float]()
        for tenant, started in ask("SELECT tenant, started FROM jobs WHERE state = 'running'"):
            found[tenant] = found.get(tenant, 0.0) + min(max(0.0, now - (started or now)), longest_s)
        return found

    def _hour(self, ask: Ask) -> int:
        """The hour that runs, by the database's clock."""
        return int(ask(f"SELECT {self.clock}")[0][0] // HOUR_S)

    def _use(self, ask: Ask, tenant: str, *, jobs: int = 0, seconds: float = 0.0) -> None:
        """Write down what a tenant used."""
        hour = self._hour(ask)
        ask(
            "INSERT INTO usage (tenant, hour, jobs, seconds) VALUES (:tenant, :hour, :jobs, :seconds) ON CONFLICT (tenant, hour) "
            "DO UPDATE SET jobs = usage.jobs + excluded.jobs, seconds = usage.seconds + excluded.seconds",
            tenant=tenant,
            hour=hour,
            jobs=jobs,
            seconds=float(seconds),
        )
        ask("DELETE FROM usage WHERE hour < :old", old=hour - 2 * WINDOW_HOURS)

    def claim(self, server: str, most_of_tenant: int, quota: Quota | None = None) -> Job | None:
        """The job whose turn it is, now this server's to run; None where none may. Tenants that have used their seconds wait."""
        return self._alone(lambda ask: self._claim(ask, server, most_of_tenant, quota or Quota()))

    def _claim(self, ask: Ask, server: str, most_of_tenant: int, quota: Quota) -> Job | None:
        first = ask(f"SELECT id, tenant, running FROM ({TURNS}) q WHERE place = 1 ORDER BY {IN_TURN}")
        spent = self._spent(ask, quota) if first and quota.seconds < math.inf else {}
        free = (
            job for job, tenant, running in first if running < most_of_tenant and spent.get(tenant, 0.0) < quota.seconds
        )
        if (chosen := next(free, None)) is None:
            return None
        rows = ask(
            "UPDATE jobs SET state = 'running', started = :now, server = :server, stopping = 0, progress = '{}' "
            f"WHERE id = :id AND state = 'queued' RETURNING {JOB}",
            now=time.time(),
            server=server,
            id=chosen,
        )
        if not rows:
            return None
        found = job_of(rows[0])
        ask(
            "INSERT INTO tenants (tenant, turn) VALUES (:tenant, (SELECT coalesce(max(turn), 0) + 1 FROM tenants)) "
            "ON CONFLICT (tenant) DO UPDATE SET turn = excluded.turn",
            tenant=found.tenant,
        )
        return found

    def _spent(self, ask: Ask, quota: Quota) -> dict[str, float]:
        """Seconds used within the window, by tenant."""
        found = self._running(ask, quota.longest_s)
        since = self._hour(ask) - WINDOW_HOURS
        for tenant, seconds in ask(
            "SELECT tenant, sum(seconds) FROM usage WHERE hour > :since GROUP BY tenant", since=since
        ):
            found[tenant] = found.get(tenant, 0.0) + float(seconds)
        return found

    def position(self, job: Job) -> int | None:
        """Place in the queue, 1 for the next; None for a job that does not wait."""
        return self.positions().get(job.id) if job.state == "queued" else None

    def positions(self) -> dict[str, int]:
        """Places of all that wait, as turns stand now: the order in which they would be claimed if no running job ended."""
        (rows,) = self._run((f"SELECT id, tenant, submitted, running, turn FROM ({TURNS}) q ORDER BY place", {}))
        waiting: dict[str, deque[tuple[Any, ...]]] = {}
        for job, tenant, submitted, running, turn in rows:
            waiting.setdefault(tenant, deque()).append((running, turn, submitted, job))
        turns = count(1 + max((row[-1] for row in rows), default=0))
        first = [(*jobs.popleft(), tenant) for tenant, jobs in waiting.items()]
        heapify(first)
        found: dict[str, int] = {}
        while first:
            running, _, _, job, tenant = heappop(first)
            found[str(job)] = len(found) + 1
            turn = next(turns)
            if waiting[tenant]:
                _, _, submitted, following = waiting[tenant].popleft()
                heappush(first, (running + 1, turn, submitted, following, tenant))
        return found

    def finish(
        self,
        job: str,
        server: str,
        state: State,
        outcome: dict[str, Any],
        seconds: float = 0.0,
        size: int | None = None,
    ) -> bool:
        """End a running job of this server; whether it was still that. seconds: that it computed; size: bytes that it left."""
        ended = (
            "UPDATE jobs SET state = :state, ended = :now, ended_uptime = (SELECT uptime FROM clock WHERE id = 1), "
            "outcome = :outcome, bytes = coalesce(:size, bytes) WHERE id = :id AND server = :server AND state = 'running' "
            "RETURNING tenant"
        )

        def work(ask: Ask) -> bool:
            rows = ask(
                ended, state=state, now=time.time(), outcome=json.dumps(outcome), size=size, id=job, server=server
            )
            for (tenant,) in rows:
                self._use(ask, tenant, seconds=seconds)
            return bool(rows)

        return self._within(work)

    def put_back(
        self, job: str, states: tuple[State, ...] = ("running",), server: str | None = None, seconds: float = 0.0
    ) -> bool:
        """Let a job wait again, in its old place; whether it was in one of the states, and of a server run by it and not asked to
        stop. seconds: that it computed in vain."""
        among = ", ".join(f"'{state}'" for state in states)
        held = "" if server is None else " AND server = :server AND stopping = 0"
        values = {"id": job} if server is None else {"id": job, "server": server}

        def work(ask: Ask) -> bool:
            rows = ask(
                "UPDATE jobs SET state = 'queued', started = NULL, ended = NULL, ended_uptime = NULL, server = NULL, stopping = 0, "
                f"outcome = '{{}}', progress = '{{}}' WHERE id = :id AND state IN ({among}){held} RETURNING tenant",
                **values,
            )
            for (tenant,) in rows if seconds else ():
                self._use(ask, tenant, seconds=seconds)
            return bool(rows)

        return self._within(work)


def _counted(rows: list[tuple[Any, ...]]) -> int:
    return int(rows[0][0])
