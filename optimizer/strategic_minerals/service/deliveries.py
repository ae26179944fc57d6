"""Delivery of webhooks: a thread that looks for jobs whose end is to be told, and tells it, again and again where need be."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from ..core.errors import MisplacedError
from ..core.logs import about, logger_of
from .api_schemas import JobStatus
from .entities import Job
from .settings import Settings
from .store import Store
from .tracing import Trace
from .trouble import StoreError
from .webhook_store import WAITS_S, Delivery
from .webhooks import LIMIT_S, MOST_BODY_BYTES, RefusedError, checked_address, hosts_of, send, signature, target_of

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
        self, settings: Settings, store: Store, told: Callable[[Job], JobStatus], waits_s: tuple[float, ...] = WAITS_S
    ) -> None:
        """told: a job as callers see it."""
        self._store, self._told, self._waits = store, told, waits_s
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
                said, good = f"status {status}", 200 <= status < 300
                if 300 <= status < 400:
                    said += ": redirects are not followed"
            except RefusedError as error:
                said, good = str(error), False
            except MisplacedError as error:  # the settings allowed it once
                said, good = error.places[0][1], False
            except Exception:  # whatever goes wrong is one try of one webhook
                logger.exception("the webhook could not be sent")
                said, good = "an internal error", False
            try:
                again = None if good else self._waits[min(found.tries, len(self._waits)) - 1]
                self._store.webhook_told(found, said, again_s=again)
                left = "delivered" if good else "given up" if found.tries > len(self._waits) else "to be sent again"
                logger.info("webhook %s at try %d: %s, %.1f s", left, found.tries, said, time.monotonic() - begin)
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
        told: dict[str, Any] = self._told(job).model_dump(mode="json")
        if told["problem"] is not None:
            told["problem"]["diagnosis"] = None
        sent = {"type": EVENT, "timestamp": told["ended"], "tenant": job.tenant, "data": told}
        text = json.dumps(sent, allow_nan=False).encode()
        if len(text) > MOST_BODY_BYTES:
            told["problem"] = told["progress"] = None
            text = json.dumps(sent, allow_nan=False).encode()
        return text
