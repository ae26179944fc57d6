"""Records of the service: jobs, tokens, the audit log; and why something could not be written."""

import errno
import uuid
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

State = Literal["queued", "running", "succeeded", "failed", "cancelled", "interrupted"]
STATES: tuple[State, ...] = ("queued", "running", "succeeded", "failed", "cancelled", "interrupted")
ENDED: tuple[State, ...] = ("succeeded", "failed", "cancelled", "interrupted")

Scope = Literal["read", "submit", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "submit", "admin")


@dataclass(frozen=True)
class Job:
    """One job. Times are seconds since 1970, UTC."""

    __pydantic_config__ = ConfigDict(allow_inf_nan=False)

    id: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    tenant: str
    kind: str
    label: str
    state: State
    submitted: float
    started: float | None = None
    ended: float | None = None
    server: str | None = None
    """Who runs it."""
    digest: str = ""
    """Of the request."""
    stopping: bool = False
    """True: it was asked to stop while it ran."""
    progress: dict[str, Any] = field(default_factory=dict)
    outcome: dict[str, Any] = field(default_factory=dict)
    """How it ended: `headline` and figures of an answer, `problem` of a failure."""
    retried: bool = False
    """True: its server was lost once, and it was put back into the queue without being asked."""


JOB_FIELDS = tuple(one.name for one in fields(Job))


@dataclass(frozen=True)
class Token:
    """A token with its permissions. The token itself is not stored, only its SHA-256."""

    id: str
    tenant: str
    scopes: tuple[Scope, ...]
    created: float
    expires: float | None
    revoked: float | None
    note: str

    def holds(self, now: float) -> bool:
        """Whether it is in force."""
        return self.revoked is None and (self.expires is None or now < self.expires)


TOKEN_FIELDS = tuple(one.name for one in fields(Token))


@dataclass(frozen=True)
class AuditLogEntry:
    at: float
    tenant: str
    token: str
    address: str
    action: str
    job: str


def new_id() -> str:
    """A random identifier that cannot be guessed."""
    return uuid.uuid4().hex


def is_id(text: str) -> bool:
    """Whether `new_id` can have made it."""
    return len(text) == 32 and set(text) <= set("0123456789abcdef")


NO_ROOM = frozenset(
    getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EIO") if hasattr(errno, name)
)
"""Errors of the system that say: this place cannot be written now. Waiting may help, and nothing in the request would."""


class StoreError(Exception):
    """The store cannot be used now: `kind` says why, the text tells people, without places or passwords.

    kind: `full`, nothing can be written; `away`, the database does not answer; `damaged`, its content is not what was written;
    `version`, it was of another format or of another program."""

    def __init__(self, kind: Literal["full", "away", "damaged", "version"], text: str) -> None:
        self.kind = kind
        super().__init__(text)


def no_room(error: BaseException | None) -> bool:
    """Whether an error says that the disk takes nothing more."""
    if isinstance(error, StoreError):
        return error.kind == "full"
    return isinstance(error, OSError) and error.errno in NO_ROOM


def in_words(error: BaseException) -> str:
    """Why something could not be written, for `/readyz`: nothing of the machine but the kind of trouble."""
    reason = f"{error.strerror} " if isinstance(error, OSError) else ""
    return str(error) if isinstance(error, StoreError) else f"not writable: {reason}({type(error).__name__})"
