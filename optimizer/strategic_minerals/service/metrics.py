"""Metrics of the service in Prometheus format; one registry per server, nothing global."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from .job_folder import Job
from .store import Store

KNOWN_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
JOB_SECONDS = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000)


class Metrics:
    """What is counted."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        name = "strategic_minerals_"
        self._requests = Histogram(
            f"{name}request_seconds", "HTTP requests", ["method", "route", "status"], registry=self._registry
        )
        self._submitted = Counter(f"{name}jobs_submitted", "Jobs accepted", ["kind"], registry=self._registry)
        self._ended = Histogram(
            f"{name}job_seconds",
            "Jobs that ended here, from start to end",
            ["kind", "state"],
            buckets=JOB_SECONDS,
            registry=self._registry,
        )
        self._jobs = Gauge(f"{name}jobs", "Jobs in the store", ["state"], registry=self._registry)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """An answer was given."""
        known = method if method in KNOWN_METHODS else "other"
        self._requests.labels(known, route, str(status)).observe(seconds)

    def submitted(self, kind: str) -> None:
        """A job was accepted."""
        self._submitted.labels(kind).inc()

    def ended(self, job: Job, state: str, seconds: float) -> None:
        """A job ended."""
        self._ended.labels(job.kind, state).observe(seconds)

    def text(self, store: Store) -> bytes:
        """Everything, as Prometheus reads it."""
        for state, count in store.counts().items():
            self._jobs.labels(state).set(count)
        return generate_latest(self._registry)
