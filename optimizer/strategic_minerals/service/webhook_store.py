"""The store's part for webhooks: what is to be sent at the end of a job, and how far that is. It survives a restart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .base_store import JOB, Ask, job_of
from .entities import ENDED, Job
from .queue_store import QueueStore

WAITS_S = (10.0, 60.0, 300.0, 1800.0, 7200.0, 21_600.0, 43_200.0)
"""Seconds after each failed try; after the last try there is none."""
MOST_TRIES = len(WAITS_S) + 1

AMONG = ", ".join(f"'{state}'" for state in ENDED)
DUE = (
    f"j.state IN ({AMONG}) AND j.ended IS NOT NULL AND (w.ended IS NULL OR w.ended <> j.ended "
    "OR (w.delivered IS NULL AND w.tries < :most))"
)
"""Of a webhook and its job: the job's end has not been told, and there are tries left. A job that was resumed ends anew."""


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
        (waiting,) = self._run((tenants, {"most": most_tries}))
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

    def webhook_told(self, sent: Delivery, said: str, *, again_s: float | None) -> None:
        """How a try ended. again_s: seconds until the next one; None: it was delivered."""
        values = {"said": said[:300], "id": sent.job.id, "ended": sent.job.ended}
        changed = f"delivered = {self.clock}" if again_s is None else f"due = {self.clock} + :again"
        if again_s is not None:
            values["again"] = again_s
        self._run((f"UPDATE webhooks SET said = :said, {changed} WHERE job = :id AND ended = :ended", values))

    def webhook(self, job: str) -> WebhookState | None:
        """How far a job's webhook is; None: it has none."""
        (rows,) = self._run(("SELECT url, tries, due, delivered, said FROM webhooks WHERE job = :id", {"id": job}))
        if not rows:
            return None
        url, tries, due, delivered, said = rows[0]
        return WebhookState(str(url), int(tries), float(due) or None, delivered, str(said))
