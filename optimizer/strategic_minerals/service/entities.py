"""Records of the store: jobs, tokens and the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

State = Literal["queued", "running", "succeeded", "failed", "cancelled", "interrupted"]
STATES: tuple[State, ...] = ("queued", "running", "succeeded", "failed", "cancelled", "interrupted")
ENDED: tuple[State, ...] = ("succeeded", "failed", "cancelled", "interrupted")

Scope = Literal["read", "submit", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "submit", "admin")


@dataclass(frozen=True)
class Job:
    """One job. Times are seconds since 1970, UTC."""

    id: str
    tenant: str
    kind: str
    label: str
    state: State
    submitted: float
    started: float | None
    ended: float | None
    server: str | None
    """Who runs it."""
    digest: str
    """Of the request."""
    stopping: bool
    """True: it was asked to stop while it ran."""
    progress: dict[str, Any]
    outcome: dict[str, Any]
    """How it ended: `headline` and figures of an answer, `problem` of a failure."""
    trace: str = ""
    """`traceparent` of the request that brought it; empty: none."""
    trace_state: str = ""
    """Its `tracestate`."""


@dataclass(frozen=True)
class Token:
    """A token with its permissions. The token itself is not stored, only its SHA-256."""

    id: str
    tenant: str
    scopes: tuple[Scope, ...]
    created: float
    revoked: float | None
    note: str


@dataclass(frozen=True)
class AuditLogEntry:
    """A line of the audit log."""

    at: float
    tenant: str
    token: str
    address: str
    action: str
    job: str
