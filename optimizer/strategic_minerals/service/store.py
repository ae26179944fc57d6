"""The store's part about turns: who may submit, whose job runs next, what each tenant has used."""

from __future__ import annotations

import json
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any

from ..core.errors import MisplacedError
from ..core.logs import about, logger_of
from .job_folder import ENDED, JOB, STATES, Ask, AuditLogEntry, Job, State, StoreError, TokenStore, job_of, put
from .requests import JobStatus, Trace
from .settings import Settings
from .webhooks import LIMIT_S, MOST_BODY_BYTES, RefusedError, checked_address, hosts_of, send, signature, target_of

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
        webhook: (address, secret) to which its end is sent.

        Raises FullError (QuotaError) and KeyTakenError; then nothing is kept.
        """

        def work(ask: Ask) -> Job:
            if ask("SELECT 1 FROM jobs WHERE id = :id", id=job.id):  # kept, whatever became of the connection
                return job
            if key is not None and (known := self._by_key(ask, job.tenant, key, job.digest)) is not None:
                return known
            self._room(ask, job.tenant, most, most_of_tenant, quota or Quota())
            names = ("id", "tenant", "kind", "label", "submitted", "digest", "trace", "trace_state")
            cells = {"state": "queued", "idempotency_key": key, "bytes": size}
            put(ask, "jobs", {**{name: getattr(job, name) for name in names}, **cells})
            if webhook is not None:
                put(ask, "webhooks", {"job": job.id, "url": webhook[0], "secret": webhook[1]})
            put(ask, "audit_log", vars(entry))
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
        queued = "SELECT count(*) FROM jobs WHERE state = 'queued'"
        if int(ask(f"{queued} AND tenant = :tenant", tenant=tenant)[0][0]) >= most_of_tenant:
            raise FullError("of yours", most_of_tenant)
        if int(ask(queued)[0][0]) >= most:
            raise FullError("in all", most)
        used, window = self._used(ask, tenant, quota), f"within {WINDOW_HOURS} hours"
        if used.jobs >= quota.jobs:
            raise QuotaError(f"you submitted {used.jobs:,} jobs {window}; at most {quota.jobs:,.0f} are allowed")
        if used.seconds >= quota.seconds:
            raise QuotaError(
                f"your jobs ran for {used.seconds / 60:,.1f} minutes {window}; at most {quota.seconds / 60:,.1f} are allowed"
            )
        if used.bytes >= quota.bytes:
            limit = f"at most {quota.bytes / 2**20:,.1f}: delete some jobs"
            raise QuotaError(f"your jobs occupy {used.bytes / 2**20:,.1f} MiB; {limit}", storage=True)

    def _used(self, ask: Ask, tenant: str, quota: Quota) -> Used:
        ((jobs, seconds),) = ask(
            "SELECT coalesce(sum(jobs), 0), coalesce(sum(seconds), 0) FROM usage WHERE tenant = :tenant AND hour > :since",
            tenant=tenant,
            since=self._hour(ask) - WINDOW_HOURS,
        )
        ((kept,),) = ask("SELECT coalesce(sum(bytes), 0) FROM jobs WHERE tenant = :tenant", tenant=tenant)
        return Used(int(jobs), float(seconds) + self._running(ask, quota.longest_s).get(tenant, 0.0), int(kept))

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
        rows = self._rows(f"SELECT id, tenant, submitted, running, turn FROM ({TURNS}) q ORDER BY place")
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


# The store's part for webhooks: what is to be sent at the end of a job, and how far that is. It survives a restart.


WAITS_S = (10.0, 60.0, 300.0, 1800.0, 7200.0, 21_600.0, 43_200.0)
"""Seconds after each failed try; after the last try there is none."""
MOST_TRIES = len(WAITS_S) + 1

AMONG = ", ".join(f"'{state}'" for state in ENDED)
DUE = (
    f"j.state IN ({AMONG}) AND j.ended IS NOT NULL AND (w.ended IS NULL OR w.ended <> j.ended "
    "OR (w.delivered IS NULL AND w.tries < :most))"
)
"""Of a webhook and its job: the end was not delivered, and there are tries left. A job that was resumed ends anew."""


@dataclass(frozen=True)
class Delivery:
    """A webhook whose turn it is."""

    job: Job
    url: str
    secret: str
    tries: int
    """With this one."""


@dataclass(frozen=True)
class WebhookState:
    """How far a webhook is."""

    url: str
    tries: int
    due: float | None
    delivered: float | None
    said: str
    """How the last try ended."""


class WebhookStore(QueueStore):
    """Webhooks."""

    def due_webhook(
        self, most_tries: int, lease_s: float, busy: Mapping[str, int] | None = None, most_of_tenant: int | None = None
    ) -> Delivery | None:
        """A webhook to be sent now, this server's for so long; None: there is none.

        busy: tenant -> what is being sent for it; those with the least come first, those with `most_of_tenant` have to wait.
        """
        busy = busy or {}
        when = f"(w.ended IS NULL OR w.ended <> j.ended OR w.due <= {self.clock})"
        among = f"FROM webhooks w JOIN jobs j ON j.id = w.job WHERE {DUE} AND {when}"
        tenants = f"SELECT j.tenant, MIN(w.due) {among} GROUP BY j.tenant"
        first = f"SELECT j.id {among} AND j.tenant = :tenant ORDER BY w.due LIMIT 1"
        waiting = self._rows(tenants, most=most_tries)
        turns = [(busy.get(str(tenant), 0), float(due), str(tenant)) for tenant, due in waiting]
        turns = [turn for turn in turns if most_of_tenant is None or turn[0] < most_of_tenant]
        if not turns:  # nearly always: nobody is kept waiting for that
            return None
        tenant = min(turns)[2]

        def work(ask: Ask) -> Delivery | None:
            rows = ask(first, most=most_tries, tenant=tenant)
            if not rows:
                return None
            (job,) = rows[0]
            found = job_of(ask(f"SELECT {JOB} FROM jobs WHERE id = :id", id=job)[0])
            ((url, secret, ended, tries),) = ask(
                "SELECT url, secret, ended, tries FROM webhooks WHERE job = :id", id=job
            )
            count = 1 + (int(tries) if ended == found.ended else 0)
            ask(
                "UPDATE webhooks SET ended = :ended, tries = :tries, delivered = NULL, "
                f"due = {self.clock} + :lease WHERE job = :id",
                ended=found.ended,
                tries=count,
                lease=lease_s,
                id=job,
            )
            return Delivery(found, str(url), str(secret), count)

        return self._alone(work)

    def webhook_tried(self, sent: Delivery, said: str, *, again_s: float | None) -> None:
        """How a try ended. again_s: seconds until the next one; None: it was delivered."""
        values = {"said": said[:300], "id": sent.job.id, "ended": sent.job.ended}
        values |= {} if again_s is None else {"again": again_s}
        changed = f"delivered = {self.clock}" if again_s is None else f"due = {self.clock} + :again"
        self._rows(f"UPDATE webhooks SET said = :said, {changed} WHERE job = :id AND ended = :ended", **values)

    def webhook(self, job: str) -> WebhookState | None:
        """How far a job's webhook is; None: it has none."""
        rows = self._rows("SELECT url, tries, due, delivered, said FROM webhooks WHERE job = :id", id=job)
        if not rows:
            return None
        url, tries, due, delivered, said = rows[0]
        return WebhookState(str(url), int(tries), float(due) or None, delivered, str(said))


# The store: jobs, tokens and the audit log, behind one interface; all its SQL, for any database that speaks it.


class Store(WebhookStore):
    """Everything that is kept."""

    def job(self, job: str, tenant: str | None = None) -> Job | None:
        """A job, where it is the tenant's; None: any tenant's."""
        rows = self._rows(f"SELECT {JOB} FROM jobs WHERE id = :id", id=job)
        found = job_of(rows[0]) if rows else None
        return found if found is not None and tenant in (None, found.tenant) else None

    def jobs(
        self, tenant: str | None, state: State | None = None, limit: int = 50, before: tuple[float, str] | None = None
    ) -> list[Job]:
        """Jobs, the newest first; before: (submitted, id) of the last one seen."""
        at, last = before or (None, None)
        earlier = "(submitted < :at OR (submitted = :at AND id < :last))"
        asked = [("tenant = :tenant", tenant), ("state = :state", state), (earlier, at)]
        where = " AND ".join(["1 = 1", *(condition for condition, value in asked if value is not None)])
        values = {"tenant": tenant, "state": state, "at": at, "last": last, "limit": limit}
        used = {name: value for name, value in values.items() if value is not None}
        rows = self._rows(f"SELECT {JOB} FROM jobs WHERE {where} ORDER BY submitted DESC, id DESC LIMIT :limit", **used)
        return [job_of(row) for row in rows]

    def count(self, state: State, tenant: str | None = None) -> int:
        """Jobs in a state."""
        own, values = ("", {}) if tenant is None else (" AND tenant = :tenant", {"tenant": tenant})
        return int(self._rows(f"SELECT count(*) FROM jobs WHERE state = :state{own}", state=state, **values)[0][0])

    def counts(self) -> dict[str, int]:
        """Jobs in every state."""
        rows = self._rows("SELECT state, count(*) FROM jobs GROUP BY state")
        return dict.fromkeys(STATES, 0) | {str(state): int(count) for state, count in rows}

    def tell(self, job: str, server: str, progress: dict[str, Any]) -> None:
        """How far a running job of this server is."""
        changed = "UPDATE jobs SET progress = :progress WHERE id = :id AND server = :server AND state = 'running'"
        self._rows(changed, progress=json.dumps(progress), id=job, server=server)

    def running_of(self, server: str) -> list[str]:
        """Jobs that a server runs, as the store has it."""
        rows = self._rows("SELECT id FROM jobs WHERE state = 'running' AND server = :server", server=server)
        return [str(row[0]) for row in rows]

    def cancel(self, job: str) -> Job | None:
        """Cancel a waiting job, or ask a running one to stop; the job afterwards."""
        values = {"id": job, "now": time.time()}
        self._run(
            (
                "UPDATE jobs SET state = 'cancelled', ended = :now, ended_uptime = (SELECT uptime FROM clock WHERE id = 1) "
                "WHERE id = :id AND state = 'queued'",
                values,
            ),
            ("UPDATE jobs SET stopping = 1 WHERE id = :id AND state = 'running'", {"id": job}),
        )
        return self.job(job)

    def delete(self, job: str) -> bool:
        """Forget a job that has ended; whether it had."""
        rows, _ = self._run(
            (f"DELETE FROM jobs WHERE id = :id AND state IN ({AMONG}) RETURNING id", {"id": job}),
            ("DELETE FROM webhooks WHERE job = :id AND NOT EXISTS (SELECT 1 FROM jobs WHERE id = :id)", {"id": job}),
        )
        return bool(rows)

    def outdated(self, before: float, before_uptime: float | None = None) -> list[str]:
        """Jobs that ended before a time; before_uptime: and before so much uptime of the service [s] too, where it is known."""
        also, values = ("", {}) if before_uptime is None else (" AND ended_uptime < :uptime", {"uptime": before_uptime})
        rows = self._rows(f"SELECT id FROM jobs WHERE ended < :before{also} LIMIT 100", before=before, **values)
        return [str(row[0]) for row in rows]

    def known(self) -> set[str]:
        """Every job."""
        return {str(row[0]) for row in self._rows("SELECT id FROM jobs")}


# Delivery of webhooks: a thread that looks for jobs with a webhook that have ended, and sends it, again where need be.


LEASE_S = LIMIT_S + 60.0
"""Until a try counts as failed whose server has died on the way."""
POLL_S = 1.0
MOST_AT_ONCE = 4
MOST_OF_TENANT = MOST_AT_ONCE - 1
"""What is sent at once for one tenant: receivers that keep a tenant's connections open hold up nobody else."""
EVENT = "job.ended"

logger = logger_of(__name__)


class Deliveries:
    """Sends webhooks of the store until it is stopped."""

    def __init__(
        self, settings: Settings, store: Store, status: Callable[[Job], JobStatus], waits_s: tuple[float, ...] = WAITS_S
    ) -> None:
        """status: a job as callers see it."""
        self._store, self._status, self._waits = store, status, waits_s
        self._allowed = hosts_of(settings.webhook_hosts)
        self._stopping, self._wake = threading.Event(), threading.Event()
        self._room = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._busy, self._lock = Counter[str](), threading.Lock()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Notify that a job has ended."""
        self._wake.set()

    def stop(self) -> None:
        """Stop looking; what is being sent may end, or is sent again by the next server."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(LIMIT_S)

    def _run(self) -> None:
        trouble = ""
        while not self._stopping.is_set():
            try:
                while not self._stopping.is_set() and self._begin():
                    pass
                trouble = ""
            except StoreError as error:
                if trouble != str(error):
                    logger.warning("webhooks could not be looked for: %s", error)
                trouble = str(error)
            except Exception:  # this thread must not die
                logger.exception("webhooks could not be looked for")
            self._wake.wait(POLL_S)
            self._wake.clear()

    def _begin(self) -> bool:
        """Begin a delivery; whether there was one, and room for it."""
        if not self._room.acquire(timeout=POLL_S):
            return False
        found = None
        try:
            with self._lock:
                busy = dict(self._busy)
            found = self._store.due_webhook(len(self._waits) + 1, LEASE_S, busy, MOST_OF_TENANT)
            if found is not None:
                self._count(found, 1)
                try:
                    threading.Thread(
                        target=self._deliver, args=(found,), name=f"webhook-{found.job.id}", daemon=True
                    ).start()
                except RuntimeError:  # no thread can be had: the lease ends, and it is sent later
                    self._count(found, -1)
                    found = None
                    raise
        finally:
            if found is None:
                self._room.release()
        return found is not None

    def _count(self, found: Delivery, by: int) -> None:
        """One more, or one less, is being sent for a tenant."""
        with self._lock:
            self._busy[found.job.tenant] += by

    def _deliver(self, found: Delivery) -> None:
        """One try, and what came of it."""
        job, begin = found.job, time.monotonic()
        with about(job=job.id, tenant=job.tenant, trace=Trace(parent=job.trace).id):
            try:
                status = self._sent(found)
                text, good = f"status {status}", 200 <= status < 300
                if 300 <= status < 400:
                    text += ": redirects are not followed"
            except RefusedError as error:
                text, good = str(error), False
            except MisplacedError as error:  # the settings allowed it once
                text, good = error.places[0][1], False
            except Exception:  # whatever goes wrong is one try of one webhook
                logger.exception("the webhook could not be sent")
                text, good = "an internal error", False
            try:
                again = None if good else self._waits[min(found.tries, len(self._waits)) - 1]
                self._store.webhook_tried(found, text, again_s=again)
                left = "delivered" if good else "given up" if found.tries > len(self._waits) else "to be sent again"
                logger.info("webhook %s at try %d: %s, %.1f s", left, found.tries, text, time.monotonic() - begin)
            except StoreError as error:  # the lease ends, and it is sent again
                logger.warning("the end of a webhook could not be written: %s", error)
            finally:
                self._count(found, -1)
                self._room.release()
                self._wake.set()

    def _sent(self, found: Delivery) -> int:
        """Send it; the status of the answer. Raises RefusedError and MisplacedError."""
        job = found.job
        target = target_of(found.url, self._allowed)
        place = checked_address(target, self._allowed)
        body = self.body(job)
        name, at = f"{job.id}-{int(1000 * (job.ended or 0.0))}", int(time.time())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "strategic-minerals",
            "Connection": "close",
            "webhook-id": name,
            "webhook-timestamp": str(at),
            "webhook-signature": signature(found.secret, name, at, body),
            **Trace(parent=job.trace, state=job.trace_state).onward(),
        }
        return send(target, place, headers, body)

    def body(self, job: Job) -> bytes:
        """What is sent: the job's status as its owner sees it, without a diagnosis, which the API has."""
        status: dict[str, Any] = self._status(job).model_dump(mode="json")
        if status["problem"] is not None:
            status["problem"]["diagnosis"] = None
        sent = {"type": EVENT, "timestamp": status["ended"], "tenant": job.tenant, "data": status}
        text = json.dumps(sent, allow_nan=False).encode()
        if len(text) > MOST_BODY_BYTES:
            status["problem"] = status["progress"] = None
            text = json.dumps(sent, allow_nan=False).encode()
        return text
