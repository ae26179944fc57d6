"""The store: jobs, tokens and the audit log, behind one interface; all its SQL, for any database that speaks it.

Every change of a job's state is one statement that names the previous state, so that servers, threads and crashes cannot leave
a job in an inconsistent state.
"""

from __future__ import annotations

import json
import time
from typing import Any

from .base_store import JOB, job_of
from .entities import ENDED, STATES, Job, State
from .webhook_store import WebhookStore


class Store(WebhookStore):
    """Everything that is kept."""

    def job(self, job: str, tenant: str | None = None) -> Job | None:
        """A job, where it is the tenant's; None: any tenant's."""
        (rows,) = self._run((f"SELECT {JOB} FROM jobs WHERE id = :id", {"id": job}))
        found = job_of(rows[0]) if rows else None
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
        (rows,) = self._run(
            (f"SELECT {JOB} FROM jobs WHERE {where} ORDER BY submitted DESC, id DESC LIMIT :limit", used)
        )
        return [job_of(row) for row in rows]

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

    def tell(self, job: str, server: str, progress: dict[str, Any]) -> None:
        """How far a running job of this server is."""
        values = {"progress": json.dumps(progress), "id": job, "server": server}
        self._run(
            ("UPDATE jobs SET progress = :progress WHERE id = :id AND server = :server AND state = 'running'", values)
        )

    def running_of(self, server: str) -> list[str]:
        """Jobs that a server runs, as the store has it."""
        (rows,) = self._run(("SELECT id FROM jobs WHERE state = 'running' AND server = :server", {"server": server}))
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
        among = ", ".join(f"'{state}'" for state in ENDED)
        rows, _ = self._run(
            (f"DELETE FROM jobs WHERE id = :id AND state IN ({among}) RETURNING id", {"id": job}),
            ("DELETE FROM webhooks WHERE job = :id AND NOT EXISTS (SELECT 1 FROM jobs WHERE id = :id)", {"id": job}),
        )
        return bool(rows)

    def outdated(self, before: float, before_uptime: float | None = None) -> list[str]:
        """Jobs that ended before a time; before_uptime: and before so much uptime of the service [s] too, where it is known."""
        also = "" if before_uptime is None else " AND ended_uptime < :uptime"
        values = {"before": before} if before_uptime is None else {"before": before, "uptime": before_uptime}
        (rows,) = self._run((f"SELECT id FROM jobs WHERE ended < :before{also} LIMIT 100", values))
        return [str(row[0]) for row in rows]

    def known(self) -> set[str]:
        """Every job."""
        (rows,) = self._run(("SELECT id FROM jobs", {}))
        return {str(row[0]) for row in rows}
