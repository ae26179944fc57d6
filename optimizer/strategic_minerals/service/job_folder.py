"""A job's folder: what was asked, how far it is, what came of it. All names in it are made here, none by a caller.

request.json, plan.(toml|json|xlsx), tables/ or tables.json    the question; limits.json what the job may use
of/0, of/1 ...                                                  run folders that it builds on, or the job whose rows it takes
progress.json                                                   how far it is
run/ (a run folder) or out/                                     tables; report.html once somebody asked for it
log.txt, log.jsonl                                              what the job reports to its owner, and to whoever runs the service
result.json, then ended.json                                    written last: the job has ended, and how"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import math
import os
import shutil
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ..core.errors import FORMAT
from ..core.logs import FIELDS, PACKAGE, about, listening, logger_of

if TYPE_CHECKING:
    import pandas as pd

    from ..answer.result import Result
    from ..answer.study import Study
    from ..core.errors import Progress


# Records of the store: jobs, tokens and the audit log.


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


# Why the service cannot write, in words: a full disk, or a store that is unavailable, damaged or of another version.


NO_ROOM = frozenset(
    getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EIO") if hasattr(errno, name)
)
"""Errors of the system that say: this place cannot be written now. Waiting may help, and nothing in the request would."""

Kind = Literal["full", "away", "damaged", "version"]


class StoreError(Exception):
    """The store cannot be used now: `kind` says why, the text tells people, without places or passwords.

    kind: `full`, nothing can be written; `away`, the database does not answer; `damaged`, its content is not what was written;
    `version`, it was of another format or of another program.
    """

    def __init__(self, kind: Kind, text: str) -> None:
        self.kind = kind
        super().__init__(text)


def no_room(error: BaseException | None) -> bool:
    """Whether an error says that the disk takes nothing more."""
    if isinstance(error, StoreError):
        return error.kind == "full"
    return isinstance(error, OSError) and error.errno in NO_ROOM


def in_words(error: BaseException) -> str:
    """Why something could not be written, for `/readyz`: nothing of the machine but the kind of trouble."""
    if isinstance(error, StoreError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"not writable: {error.strerror} ({type(error).__name__})"
    return f"not writable: {type(error).__name__}"


# Basis of all parts of the store: its tables, transactions, and checks of the content.


T = TypeVar("T")
Rows = list[tuple[Any, ...]]
Ask = Callable[..., Rows]
"""`ask(statement, **values)`: the rows of a statement with `:name` for values."""

TABLES = {
    "jobs": (
        *("id TEXT PRIMARY KEY", "tenant TEXT NOT NULL", "kind TEXT NOT NULL", "label TEXT NOT NULL"),
        *("state TEXT NOT NULL", "submitted DOUBLE PRECISION NOT NULL", "started DOUBLE PRECISION"),
        *("ended DOUBLE PRECISION", "ended_uptime DOUBLE PRECISION", "server TEXT", "idempotency_key TEXT"),
        *("digest TEXT NOT NULL", "stopping INTEGER NOT NULL DEFAULT 0", "progress TEXT NOT NULL DEFAULT '{}'"),
        *("outcome TEXT NOT NULL DEFAULT '{}'", "bytes BIGINT NOT NULL"),
        *("trace TEXT NOT NULL DEFAULT ''", "trace_state TEXT NOT NULL DEFAULT ''"),
    ),
    "tokens": (
        *("id TEXT PRIMARY KEY", "hash TEXT NOT NULL UNIQUE", "tenant TEXT NOT NULL", "scopes TEXT NOT NULL"),
        *("created DOUBLE PRECISION NOT NULL", "revoked DOUBLE PRECISION", "note TEXT NOT NULL"),
    ),
    "audit_log": (
        *("at DOUBLE PRECISION NOT NULL", "tenant TEXT NOT NULL", "token TEXT NOT NULL", "address TEXT NOT NULL"),
        *("action TEXT NOT NULL", "job TEXT NOT NULL"),
    ),
    "webhooks": (
        *("job TEXT PRIMARY KEY", "url TEXT NOT NULL", "secret TEXT NOT NULL", "ended DOUBLE PRECISION"),
        *("tries INTEGER NOT NULL DEFAULT 0", "due DOUBLE PRECISION NOT NULL DEFAULT 0"),
        *("delivered DOUBLE PRECISION", "said TEXT NOT NULL DEFAULT ''"),
    ),
    "servers": ("id TEXT PRIMARY KEY", "seen DOUBLE PRECISION NOT NULL"),
    "tenants": ("tenant TEXT PRIMARY KEY", "turn BIGINT NOT NULL"),
    "usage": (
        *("tenant TEXT NOT NULL", "hour BIGINT NOT NULL", "jobs BIGINT NOT NULL DEFAULT 0"),
        "seconds DOUBLE PRECISION NOT NULL DEFAULT 0",
    ),
    "clock": ("id INTEGER PRIMARY KEY", "uptime DOUBLE PRECISION NOT NULL", "at DOUBLE PRECISION NOT NULL"),
    "schema_version": ("version INTEGER NOT NULL",),
}
"""Columns of every table, in SQL that both databases read. `clock` counts the service's own uptime, for retention; `usage` and
`tenants` hold quotas and turns."""
BEGINNING = (
    *(f"CREATE TABLE {table} ({', '.join(columns)})" for table, columns in TABLES.items()),
    "CREATE INDEX jobs_by_state ON jobs (state, submitted)",
    "CREATE INDEX jobs_by_tenant ON jobs (tenant, submitted)",
    "CREATE UNIQUE INDEX jobs_by_key ON jobs (tenant, idempotency_key)",
    "CREATE UNIQUE INDEX usage_by_hour ON usage (tenant, hour)",
    "INSERT INTO clock (id, uptime, at) VALUES (1, 0, 0)",
    f"INSERT INTO schema_version (version) VALUES ({FORMAT})",
)
"""What makes a new store."""
JOB = "id, tenant, kind, label, state, submitted, started, ended, server, digest, stopping, progress, outcome, trace, trace_state"
TOKEN = "id, tenant, scopes, created, revoked, note"


class BaseStore(ABC):
    """A database; `_within` is all that differs. Safe from many threads, and from many servers where the database is.

    Everything raises StoreError where the database is away, full or damaged.
    """

    alone = ""
    """A statement that lets no other writer in until the transaction ends; empty where a transaction does so by itself."""
    clock = ""
    """The database's own time [s since 1970]: servers' clocks may differ."""
    names = ""
    """A statement that lists the tables there are."""
    shared = False
    """Whether other programs may keep tables of their own beside ours."""

    @abstractmethod
    def _within(self, work: Callable[[Ask], T]) -> T:
        """Work within one transaction that no other writes into. It may be begun again where the connection broke."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the database."""

    def _run(self, *statements: tuple[str, dict[str, Any]]) -> list[Rows]:
        """Statements in one transaction; the rows of each."""
        return self._within(lambda ask: [ask(statement, **values) for statement, values in statements])

    def _rows(self, statement: str, **values: Any) -> Rows:
        """The rows of one statement."""
        return self._within(lambda ask: ask(statement, **values))

    def _alone(self, work: Callable[[Ask], T]) -> T:
        """Work that must see all that others have written, and whom no other writes beside."""

        def guarded(ask: Ask) -> T:
            if self.alone:
                ask(self.alone)
            return work(ask)

        return self._within(guarded)

    def set_up(self) -> None:
        """Create the tables where there are none, in one transaction: a kill leaves all of them or none.

        Raises StoreError for a store of another format, another program's database, and tables that lack what they should have.
        """
        self._alone(self._made)

    def _made(self, ask: Ask) -> None:
        if not self._exists(ask):
            for statement in BEGINNING:
                ask(statement)
        for table, columns in TABLES.items():
            ask(f"SELECT {', '.join(column.split()[0] for column in columns)} FROM {table} LIMIT 1")

    def _exists(self, ask: Ask) -> bool:
        """Whether the database holds a store. Raises StoreError for what is not to be touched."""
        tables = {str(name) for (name,) in ask(self.names)}
        if "schema_version" not in tables:
            if tables and not self.shared:
                raise StoreError(
                    "version", f"the database belongs to another program (tables {', '.join(sorted(tables)[:5])})"
                )
            return False
        rows = ask("SELECT version FROM schema_version")
        if len(rows) != 1 or not isinstance(rows[0][0], int):
            raise StoreError("damaged", "the store is damaged: its format cannot be read")
        if rows[0][0] != FORMAT:
            raise StoreError("version", f"the store has format {rows[0][0]}; this program reads format {FORMAT} alone")
        return True

    def look_through(self) -> None:
        """Read every job and every token. Raises StoreError where one is not what was written."""
        jobs, tokens = self._run((f"SELECT {JOB} FROM jobs", {}), (f"SELECT {TOKEN} FROM tokens", {}))
        for row in jobs:
            job_of(row)
        for row in tokens:
            token_of(row)

    def writable(self) -> bool:
        """Whether something can be written now."""
        probe = {"id": "probe"}
        self._run(
            (f"INSERT INTO servers (id, seen) VALUES (:id, {self.clock}) ON CONFLICT DO NOTHING", probe),
            ("DELETE FROM servers WHERE id = :id", probe),
        )
        return True


def job_of(row: tuple[Any, ...]) -> Job:
    """A job of its row. Raises StoreError for a row that no version has written."""
    stopping, progress, outcome = row[10:13]
    try:
        job = replace(Job(*row), stopping=bool(stopping), progress=json.loads(progress), outcome=json.loads(outcome))
        cells_of_text = (job.id, job.tenant, job.kind, job.label, job.digest, job.trace, job.trace_state)
        texts = all(isinstance(text, str) for text in cells_of_text)
        stated = [when for when in (job.submitted, job.started, job.ended) if when is not None]
        times = all(isinstance(when, float | int) and math.isfinite(when) for when in stated)
        named = len(job.id) == 32 and set(job.id) <= set("0123456789abcdef")
        objects = isinstance(job.progress, dict) and isinstance(job.outcome, dict)
        sound = texts and times and named and objects and job.state in STATES
        if not sound or job.submitted is None or stopping not in (0, 1):
            raise ValueError
    except (TypeError, ValueError, RecursionError):
        raise StoreError("damaged", "the store is damaged: a job cannot be read") from None
    return job


def token_of(row: tuple[Any, ...]) -> Token:
    """A token of its row. Raises StoreError for a row that no version has written."""
    name, tenant, scopes, created, revoked, note = row
    words = scopes.split() if isinstance(scopes, str) else ["none"]
    held: tuple[Scope, ...] = tuple(known for known in SCOPES if known in words)
    texts = all(isinstance(text, str) for text in (name, tenant, note))
    times = isinstance(created, float | int) and (revoked is None or isinstance(revoked, float | int))
    if not (texts and times and set(words) <= set(SCOPES)):
        raise StoreError("damaged", "the store is damaged: a token cannot be read")
    return Token(name, tenant, held, created, revoked, note)


def put(ask: Ask, table: str, row: Mapping[str, Any]) -> None:
    """Insert a row: column -> value."""
    ask(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(f':{column}' for column in row)})", **row)


# The store's part for tokens, the audit log, servers and their heartbeats, and the service's own uptime.


FORGOTTEN_S = 86_400.0
"""After so long without a sign of life, nothing is kept of a server."""


class TokenStore(BaseStore):
    """Tokens, audit log, servers."""

    def seen(self, server: str) -> None:
        """This server lives."""
        now = self.clock
        self._run(
            (
                f"INSERT INTO servers (id, seen) VALUES (:id, {now}) ON CONFLICT (id) DO UPDATE SET seen = {now}",
                {"id": server},
            ),
            (f"DELETE FROM servers WHERE seen < {now} - :forgotten", {"forgotten": FORGOTTEN_S}),
        )

    def gone(self, server: str) -> None:
        """This server ends."""
        self._rows("DELETE FROM servers WHERE id = :id", id=server)

    def orphans(self, silent_s: float) -> list[Job]:
        """Running jobs of servers that gave no sign of life for so long, or never."""
        living = f"SELECT id FROM servers WHERE seen >= {self.clock} - :silent"
        lost = f"state = 'running' AND server NOT IN ({living})"
        return [job_of(row) for row in self._rows(f"SELECT {JOB} FROM jobs WHERE {lost}", silent=float(silent_s))]

    def passed(self, seconds: float) -> float:
        """Add time that went by to the service's uptime [s]: no more than both the caller's monotonic clock (seconds) and the
        database's wall clock say, so that neither a jump of the clock nor several servers make it run fast. The uptime now."""
        now = self.clock
        gone = f"{now} - at"
        added = f"CASE WHEN {gone} <= 0 THEN 0 WHEN {gone} < :seconds THEN {gone} ELSE :seconds END"
        changed = f"UPDATE clock SET uptime = uptime + {added}, at = {now} WHERE id = 1 RETURNING uptime"
        rows = self._rows(changed, seconds=float(seconds))
        return float(rows[0][0]) if rows else 0.0

    def keep_token(self, token: Token, digest: str) -> None:
        """Keep a new token by its hash."""
        put(self._rows, "tokens", {**vars(token), "scopes": " ".join(token.scopes), "hash": digest})

    def token(self, digest: str) -> Token | None:
        """The token with a hash, unless it was revoked."""
        rows = self._rows(f"SELECT {TOKEN} FROM tokens WHERE hash = :hash AND revoked IS NULL", hash=digest)
        return token_of(rows[0]) if rows else None

    def in_force(self, token: str) -> bool:
        """Whether a token, by its name, still is one."""
        return bool(self._rows("SELECT 1 FROM tokens WHERE id = :id AND revoked IS NULL", id=token))

    def tokens(self) -> list[Token]:
        """All, revoked ones too."""
        return [token_of(row) for row in self._rows(f"SELECT {TOKEN} FROM tokens ORDER BY created")]

    def revoke(self, token: str) -> bool:
        """Make a token worthless; whether there was one of that name in force."""
        changed = "UPDATE tokens SET revoked = :now WHERE id = :id AND revoked IS NULL RETURNING id"
        return bool(self._rows(changed, id=token, now=time.time()))

    def log(self, entry: AuditLogEntry) -> None:
        """A line of the audit log."""
        put(self._rows, "audit_log", vars(entry))

    def log_entries(self, limit: int = 1000) -> list[AuditLogEntry]:
        """The audit log, the newest first."""
        stated = "SELECT at, tenant, token, address, action, job FROM audit_log ORDER BY at DESC LIMIT :limit"
        return [AuditLogEntry(*row) for row in self._rows(stated, limit=limit)]


REQUEST, LIMITS, PROGRESS, RESULT, ENDED_FILE, LOG_FILE = tuple(
    "request.json limits.json progress.json result.json ended.json log.txt".split()
)
REPORT, ERRORS, RECORDS = "report.html", "errors.txt", "log.jsonl"
ROWS = "rows"
"""Folder from which a study goes on after an interruption."""
READ = "read.json"
"""What is to be read in a process of its own, then what came of it."""
ADMISSION = "admission.json"
"""What was seen of a job before it was accepted."""
OUTPUT = ("run", "out")
ANSWERS = (PROGRESS, RESULT, ENDED_FILE, LOG_FILE, REPORT)


def new_id() -> str:
    """A random identifier that cannot be guessed."""
    return uuid.uuid4().hex


class Folder:
    """One job's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, root: Path, job: str) -> Folder:
        """The folder of a job. ValueError for what `new_id` cannot have made."""
        if len(job) != 32 or not set(job) <= set("0123456789abcdef"):
            raise ValueError("not a job's name")
        return cls(root / "jobs" / job)

    def write(self, name: str, content: Any) -> None:
        """JSON under a name, whole or not at all, synchronised."""
        write_whole(self.path / name, json.dumps(content, allow_nan=False).encode())

    def read(self, name: str) -> dict[str, Any] | None:
        """What was written under a name; None where nothing was, or not by `write`."""
        try:
            found = json.loads((self.path / name).read_bytes())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def clear_answers(self) -> None:
        """Make room for another attempt; a sweep's finished rows stay."""
        for name in (*ANSWERS, ERRORS, RECORDS):
            (self.path / name).unlink(missing_ok=True)
        for unfinished in self.path.rglob("*.part"):
            unfinished.unlink(missing_ok=True)

    def clear_output(self) -> None:
        """Take back what an attempt wrote that could not be ended: nothing half written stays."""
        self.clear_answers()
        for name in OUTPUT:
            shutil.rmtree(self.path / name, ignore_errors=True)

    @property
    def size(self) -> int:
        """Bytes of its files; what vanishes meanwhile counts nothing."""
        total = 0
        for path in self.path.rglob("*"):
            with contextlib.suppress(OSError):
                total += path.stat().st_size if path.is_file() else 0
        return total

    def keep(self, name: str, content: bytes) -> None:
        """Bytes under a name, as `write` keeps JSON."""
        (self.path / name).parent.mkdir(exist_ok=True)
        write_whole(self.path / name, content)

    def sync(self) -> None:
        """Have the system keep the folder's names too, also through a power cut."""
        for folder in (*{path.parent for path in self.path.rglob("*")}, self.path, self.path.parent):
            try:
                _sync(folder)
            except OSError as error:  # not every system can
                if no_room(error):
                    raise

    def lend(self, other: Folder, place: int) -> None:
        """Take over another job's run folder, so that it may be deleted: its files are linked, not copied."""
        target = self.path / "of" / str(place)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(other.path / "run", target, copy_function=_link)

    def lend_rows(self, other: Folder) -> None:
        """Take over another job, without its reports while it ran. Raises FileNotFoundError where it is not whole."""

        def unneeded(folder: str, names: list[str]) -> set[str]:
            own = {*ANSWERS, ERRORS, RECORDS, LIMITS, ROWS} if Path(folder) == other.path else set()
            return {name for name in names if name in own or name.endswith(".part")}

        target = self.path / "of" / "0"
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copytree(other.path, target, copy_function=_link, ignore=unneeded)
        except shutil.Error:  # a file went meanwhile
            raise FileNotFoundError(other.path.name) from None
        if not (other.path / ENDED_FILE).is_file():  # the first that goes when a job is deleted
            raise FileNotFoundError(other.path.name)

    def table(self, name: str) -> tuple[Path, Mapping[str, str]] | None:
        """(file, kind of each column) of a table of the result; None where there is none of that name."""
        stated = (self.read(RESULT) or {}).get("tables", {}).get(name)
        if stated is None:
            return None
        path = (self.path / stated["file"]).resolve()
        return (path, stated["kinds"]) if path.is_relative_to(self.path.resolve()) and path.is_file() else None

    def delete(self) -> None:
        """Remove everything; what cannot be removed now is found again by the janitor, who keeps what still says how it ended."""
        (self.path / ENDED_FILE).unlink(missing_ok=True)
        shutil.rmtree(self.path, ignore_errors=True)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def write_whole(path: Path, content: bytes) -> None:
    """A file that is there whole or not at all, also after a power cut."""
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


# The log of a server, and of the process of a job: one JSON object a line.


MOST_LOG_BYTES = 8 * 2**20
"""Of one file of a job: a study of many thousand points tells no more."""
OWNERS = f"{PACKAGE}.service"
"""Of a job's records, those that its owner may read."""


class JsonLines(logging.Formatter):
    """`time` (UTC), `level`, `logger`, `message`; `run`, `job`, `tenant`, `request` and `trace` where they are known, `error`
    with an exception; of a request `method`, `route`, `status` and `seconds`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        entry = {
            "time": _utc(record).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry |= {name: value for name in FIELDS if (value := getattr(record, name, ""))}
        entry |= getattr(record, "http", {})
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry)


class Sentences(logging.Formatter):
    """Time and message, without what an exception says of this machine."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        return f"{_utc(record):%Y-%m-%dT%H:%M:%SZ} {' '.join(record.getMessage().splitlines())}"


class BoundedFile(logging.FileHandler):
    """A file that takes so many bytes and no more. A full disk ends no job: what cannot be written is left out."""

    def __init__(self, path: Path, formatter: logging.Formatter, most_bytes: int = MOST_LOG_BYTES) -> None:
        super().__init__(path, encoding="utf-8", delay=True)
        self.setFormatter(formatter)
        self._left = most_bytes

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, while there is room."""
        try:
            self._left -= len(self.format(record).encode()) + 1
            if self._left >= 0:
                super().emit(record)
        except OSError:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Leave a record out that cannot be written."""


@contextmanager
def server_log(level: int) -> Iterator[None]:
    """Records of a server go to standard error from a level on, and of the library that speaks HTTP what is wrong."""
    own, http = logging.StreamHandler(), logging.StreamHandler()
    for handler in (own, http):
        handler.setFormatter(JsonLines())
    with listening(own, level), listening(http, logging.WARNING, "uvicorn"):
        yield


@contextmanager
def job_log(folder: Folder, *, job: str, tenant: str, trace: str = "") -> Iterator[None]:
    """Records of a job's process go into its folder."""
    records = BoundedFile(folder.path / RECORDS, JsonLines())
    sentences = BoundedFile(folder.path / LOG_FILE, Sentences())
    with (
        about(job=job, tenant=tenant, trace=trace),
        listening(records, logging.INFO),
        listening(sentences, logging.INFO, OWNERS),
    ):
        yield


def _utc(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


# How far a job is, as its process writes it down now and then.


LOG = logger_of(__name__)

MOST_GAP = 10.0
"""Relative gap from which on a bound is left out: at the start of a search it says nothing."""
PACE_S = 0.3
"""Seconds between two words on progress."""


class ProgressReporter:
    """Writes down how far a job is, now and then, and tells the log what it turns to."""

    def __init__(self, folder: Folder, limit_s: float | None) -> None:
        self._folder, self._limit = folder, limit_s
        self._begin, self._last, self._said = time.monotonic(), 0.0, ""
        self._first: tuple[int, float] | None = None

    def report(self, now: Progress) -> None:
        """Of a solve, of many parts, or of a phase."""
        if now.done is not None and now.of is not None:
            self._count(now.phase, now.done, now.of)
            return
        seconds = time.monotonic() - self._begin
        left = None if self._limit is None else max(0.0, self._limit - seconds)
        gap = _finite(now.gap)
        known = gap is None or gap <= MOST_GAP  # a bound that says next to nothing is none yet
        self._write(
            {
                "phase": now.phase.replace("_", " "),
                "seconds": seconds,
                "incumbent_musd": _finite(now.incumbent),
                "bound_musd": _finite(now.bound) if known else None,
                "gap": gap if known else None,
                "time_left_s": left,
            }
        )

    def _count(self, what: str, done: int, of: int) -> None:
        """Of many parts."""
        seconds = time.monotonic() - self._begin
        self._first = (done, seconds) if self._first is None else self._first
        pace = (seconds - self._first[1]) / (done - self._first[0]) if done > self._first[0] else None
        left = None if pace is None else pace * (of - done)
        self._write({"phase": what, "seconds": seconds, "done": done, "of": of, "time_left_s": left})

    def phase(self, name: str) -> None:
        """A part without figures of its own."""
        self._write({"phase": name, "seconds": time.monotonic() - self._begin}, at_once=True)

    def _write(self, progress: dict[str, Any], *, at_once: bool = False) -> None:
        if progress["phase"] != self._said:
            self._said = progress["phase"]
            LOG.info("%s", self._said)
        now = time.monotonic()
        if at_once or now - self._last >= PACE_S:
            self._last = now
            with contextlib.suppress(OSError):  # a full disk must not end a solve; the answer will say so
                self._folder.write(PROGRESS, progress)


def _finite(value: float | None) -> float | None:
    return value if value is not None and abs(value) < 1e300 else None


# What all kinds of job share: the answer, the options of a request, a run folder that is written or read.


@dataclass(frozen=True)
class Answer:
    """The answer of a job."""

    headline: str
    summary: str
    facts: dict[str, Any]
    frames: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Written below `out`; empty where a run folder holds the tables."""
    of_run: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Tables of the run folder that was written."""
    study: str = ""
    """What `study.json` says of the tables; empty where they are no study."""


MOST_HEADLINE = 300
"""Letters of a headline."""


def headline_of(words: str) -> str:
    """The first sentence of a study's words; a title that ends with a colon together with what stands below it."""
    first, *rest = [line.strip().replace("`", "") for line in words.splitlines() if line.strip()] or [""]
    found = f"{first} {rest[0]}" if first.endswith(":") and rest else first
    return found if len(found) <= MOST_HEADLINE else f"{found[: MOST_HEADLINE - 4].rsplit(' ', 1)[0]} ..."


def answer_of_study(found: Study) -> Answer:
    """A study as a job's answer."""
    from ..core.frames import plainly

    words = found.summary()
    tables = {name: table.infer_objects() for name, table in found.tables.items()}
    return Answer(headline_of(words), words, dict(plainly(found.facts)), tables, study=found.stated())


def run_of(folder: Folder, place: int = 0) -> Result:
    """A solved plan that a job builds on. Raises InputError for a folder that is none."""
    from ..answer.run_folder import load_result

    return load_result(folder.path / "of" / str(place))
