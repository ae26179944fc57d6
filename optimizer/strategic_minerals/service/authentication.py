"""Authentication: tokens, scopes and rate limits of callers."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
import subprocess
import tempfile
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import IO, Annotated, Any, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse, StreamingResponse

from ..core.errors import FORMAT, Fault, FaultsError, MisplacedError, PlanError, near_miss
from ..core.logs import logger_of
from .job_folder import (
    ADMISSION,
    ENDED,
    ERRORS,
    LIMITS,
    LOG_FILE,
    READ,
    REPORT,
    REQUEST,
    RESULT,
    SCOPES,
    AuditLogEntry,
    Folder,
    Job,
    Scope,
    Token,
    new_id,
)
from .job_runners import end, start
from .reading import BODY, Form, look, read
from .requests import (
    JOB_ID,
    KINDS_OF_JOBS,
    MEDIA_TYPE,
    PLANNING,
    WITH_ROWS,
    JobResult,
    JobStatus,
    Problem,
    ProblemError,
    Progress,
    TableLink,
    Trace,
    WebhookStatus,
    place,
    spelt,
)
from .settings import Settings
from .store import MOST_TRIES, FullError, KeyTakenError, QuotaError, Store, WebhookState, quota_of
from .webhooks import hosts_of, target_of
from .worker import NO_ROOM

PREFIX = "sm_"
"""Prefix of tokens, so that secret scanners recognise them."""
COOKIE = "strategic_minerals"
FAILURES_PER_MINUTE = 30
"""Wrong tokens from one address before it must wait."""
MOST_BUCKETS = 10_000
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def new_token(tenant: str, scopes: tuple[Scope, ...], note: str = "") -> tuple[str, Token, str]:
    """(the token, to be shown once; what is kept of it; its hash). 256 random bits: no salt is needed."""
    text = f"{PREFIX}{secrets.token_urlsafe(32)}"
    return text, Token(secrets.token_hex(6), tenant, scopes, time.time(), None, note), digest_of(text)


def digest_of(text: str) -> str:
    """The hash under which a token is stored: reading the database does not reveal the token."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True)
class Caller:
    """Who asks."""

    tenant: str
    token: str
    scopes: tuple[Scope, ...]
    address: str

    def may(self, scope: Scope) -> bool:
        """Whether a scope is held."""
        return scope in self.scopes or "admin" in self.scopes


class Rates:
    """Rate limit per name and minute: a token bucket."""

    def __init__(self, per_minute: int) -> None:
        self._most, self._buckets, self._lock = per_minute, dict[str, tuple[float, float]](), threading.Lock()

    def take(self, name: str) -> float:
        """Seconds to wait; 0 where one may."""
        now = time.monotonic()
        with self._lock:
            if len(self._buckets) >= MOST_BUCKETS:
                # full ones say nothing; of the others the older half is forgiven
                fresh = {key: held for key, held in self._buckets.items() if now - held[1] < 60.0}
                self._buckets = dict(list(fresh.items())[-MOST_BUCKETS // 2 :])
            left, since = self._buckets.get(name, (float(self._most), now))
            left = min(float(self._most), left + (now - since) * self._most / 60.0)
            if left < 1.0:
                self._buckets[name] = (left, now)
                return (1.0 - left) * 60.0 / self._most
            self._buckets[name] = (left - 1.0, now)
            return 0.0


class Guard:
    """Knows callers by their tokens."""

    def __init__(self, store: Store, *, open_on_loopback: bool, requests_per_minute: int, public_url: str = "") -> None:
        self._store, self._open, self._public = store, open_on_loopback, urlsplit(public_url).netloc
        self._rates, self._failures = Rates(requests_per_minute), Rates(FAILURES_PER_MINUTE)

    def caller(self, request: Request) -> Caller:
        """Who asks, within their rate. Raises ProblemError."""
        address = request.client.host if request.client is not None else ""
        text = _bearer(request)
        if text is None and request.method not in SAFE_METHODS:
            self.same_origin(request)
        if self._open:
            if _parts(f"//{request.headers.get('host', '')}")[0] not in LOOPBACK_NAMES:
                raise ProblemError(
                    "forbidden",
                    "Without tokens the service accepts only requests addressed to this machine's own name.",
                )
            found = Caller("local", "local", SCOPES, address)
        else:
            found = self._known(request, text or request.cookies.get(COOKIE), address)
        if (wait := self._rates.take(found.token)) > 0:
            raise busy("This token has made too many requests in a minute.", wait)
        return found

    def still(self, caller: Caller) -> bool:
        """Whether a caller, known before, still is one."""
        return self._open or self._store.in_force(caller.token)

    def same_origin(self, request: Request) -> None:
        """A browser that sends a form or a cookie must have been sent by a page of ours. Raises ProblemError."""
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        ours = {request.headers.get("host", ""), self._public} - {""}
        if site not in (None, "same-origin", "none") or (origin is not None and _parts(origin)[1] not in ours):
            raise ProblemError("forbidden", "The request comes from another site, or from a page without an origin.")

    def failed(self, request: Request) -> None:
        """A wrong token was sent. Raises ProblemError where that happened too often."""
        address = request.client.host if request.client is not None else ""
        if (wait := self._failures.take(address)) > 0:
            raise busy("Too many wrong tokens from this address.", wait)

    def _known(self, request: Request, text: str | None, address: str) -> Caller:
        challenge = {"WWW-Authenticate": 'Bearer realm="strategic-minerals"'}
        other = request.headers.get("authorization", "").strip()
        if text is None or (other and _bearer(request) is None):  # what else it says is not passed over for a cookie
            raise ProblemError("unauthenticated", "Send a token: `Authorization: Bearer <token>`.", headers=challenge)
        token = self._store.token(digest_of(text))
        if token is None:
            self.failed(request)
            raise ProblemError("unauthenticated", "The token is unknown or was revoked.", headers=challenge)
        return Caller(token.tenant, token.id, token.scopes, address)


def needs(scope: Scope) -> Callable[[Request], Caller]:
    """A dependency: the caller, who holds a scope."""

    def found(request: Request) -> Caller:
        guard: Guard = request.app.state.guard
        caller: Caller = getattr(request.state, "caller", None) or guard.caller(request)
        request.state.caller = caller  # the log says whose request it was
        if not caller.may(scope):
            scopes = ", ".join(caller.scopes)
            raise ProblemError("forbidden", f"The token has the scopes {scopes}; this request needs {scope}.")
        if request.url.path.startswith("/v1/"):
            known_query(request)
        return caller

    return found


def known_query(request: Request) -> None:
    """Check that each query parameter is known and occurs once. Raises PlanError."""
    route = request.scope.get("route")
    fields = {} if route is None else {one.alias: one.field_info.annotation for one in route.dependant.query_params}
    faults = []
    for name, value in Counter(name for name, _ in request.query_params.multi_items()).items():
        if name not in fields:
            expected = "a known parameter" + (near_miss(name[:100], fields) or f": {', '.join(fields) or 'none'}")
            faults.append(Fault("query", "", place([name]), spelt(name), expected))
        elif value > 1 and "list[" not in str(fields[name]):
            faults.append(Fault("query", "", name, f"{value} values", "one value"))
    if faults:
        raise PlanError(faults)


def busy(detail: str, wait_s: float) -> ProblemError:
    """Too many requests; try again after the given time."""
    return ProblemError("busy", detail, headers={"Retry-After": str(max(1, round(wait_s + 0.5)))})


def _bearer(request: Request) -> str | None:
    kind, _, text = request.headers.get("authorization", "").strip().partition(" ")
    return text.strip() if kind.lower() == "bearer" and text.strip() else None


def _parts(address: str) -> tuple[str | None, str]:
    """(host's name, host as it is written) of an address; (None, "") of what is none."""
    try:
        found = urlsplit(address)
        return found.hostname, found.netloc
    except ValueError:
        return None, ""


# From a request to a job: read within limits, written to a folder, checked, then stored.


NO_TRACE = Trace()
RETRY_S = 10.0
QUOTA_RETRY_S = 1800.0
"""Until a caller who has used up a quota of 24 hours should ask again."""
SMALL_BYTES = 64 * 1024
"""Smaller requests are read in this process: even in the worst case this takes a negligible time."""
READ_S = 30.0
"""Seconds that reading a large request may take."""
POLL_S = 30.0
"""Seconds that looking at a job may take before it is accepted; what is not seen by then is the job's own to find."""

ONE_POLL = threading.Lock()
"""Held while this process looks at a job: that is work for the processor, and one at a time takes the memory of one."""

logger = logger_of(__name__)

Room = Callable[[], AbstractContextManager[None]]
"""Room for one more process next to the jobs; raises ProblemError if there is none."""


class Sent:
    """What somebody sent: a form, its body (JSON), files under names that were made here."""

    def __init__(self, form: Form, body: bytes, files: Mapping[str, bytes] | None = None) -> None:
        self.form, self.body, self.files = form, body, dict(files or {})

    @property
    def heavy(self) -> bool:
        """Whether reading it may take long: a book, and tables that came as files, are only kept, and opened when looked at."""
        plans = sum(len(content) for name, content in self.files.items() if name in ("plan.toml", "plan.json"))
        return len(self.body) + plans > SMALL_BYTES

    @property
    def large(self) -> bool:
        """Whether looking at it may take long: a book, or more of anything than is read beside all else."""
        return "plan.xlsx" in self.files or len(self.body) + sum(map(len, self.files.values())) > SMALL_BYTES


def take(sent: Sent, folder: Folder, settings: Settings, room: Room) -> dict[str, Any]:
    """Read what was sent into a folder: `asked` and `digest`, as `reading.read`. Raises ProblemError, PlanError, InputError."""
    for name, content in sent.files.items():
        folder.keep(name, content)
    if not sent.heavy:
        return read(sent.form, sent.body, folder, settings.most_rows, settings.most_columns)
    with room():
        return _read_aside(sent, folder, settings)


def _read_aside(sent: Sent, folder: Folder, settings: Settings) -> dict[str, Any]:
    """Read it in a process of its own, within a limit on memory and time. Raises ProblemError."""
    folder.keep(BODY, sent.body)
    folder.write(READ, {"form": sent.form, "most_rows": settings.most_rows, "most_columns": settings.most_columns})
    _run_aside(folder, "read", READ_S, settings.memory_aside_mib, settings.niceness)
    found = (folder.read(READ) or {}).get("found")
    for name in (BODY, READ):
        (folder.path / name).unlink(missing_ok=True)
    if found is None:
        most = f"{READ_S:.0f} s or {settings.memory_aside_mib:,} MiB"
        raise ProblemError("too-large", f"Reading the request needs more than {most}.")
    if "problem" in found:
        raise ProblemError.of(found["problem"])
    return dict(found)


def _run_aside(folder: Folder, what: str, seconds: float, memory_mib: int, niceness: int) -> None:
    """Run a process on a folder, so long at most and in so much memory. Raises OSError where the disk is full."""
    folder.write(LIMITS, {"memory_mib": memory_mib, "niceness": niceness})
    process = start(folder, what)
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    finally:
        end(process, 0.0)
        (folder.path / LIMITS).unlink(missing_ok=True)
    if process.returncode == NO_ROOM:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _look(sent: Sent, asked: Mapping[str, Any], folder: Folder, settings: Settings, room: Room) -> None:
    """Look at a job whose folder is written. What would fail it at once is refused now; the job itself finds what takes longer, or
    what there is no room to look for. Raises ProblemError, PlanError and InputError."""
    if sent.heavy or not _worth_a_look(asked, folder):  # what is heavy was looked at when it was read
        return
    if not sent.large and asked.get("item") is None:
        try:
            with ONE_POLL:
                look(folder, asked)
        except (FaultsError, OSError):
            raise
        except Exception:  # looking is a courtesy: the job itself will say what is wrong
            logger.exception("a job could not be checked before it was accepted")
        return
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(room())
        except ProblemError:
            return
        try:
            # what a job wrote is no stranger's
            memory_mib = settings.memory_mib if "of" in asked else settings.memory_aside_mib
            _run_aside(folder, "look", POLL_S, memory_mib, settings.niceness)
            found = folder.read(ADMISSION) or {}
        finally:
            (folder.path / ADMISSION).unlink(missing_ok=True)
            (folder.path / ERRORS).unlink(missing_ok=True)
    if "problem" in found:
        raise ProblemError.of(found["problem"])


def _worth_a_look(asked: Mapping[str, Any], folder: Folder) -> bool:
    """Whether there may be a fault: not in a shipped plan without changes, nor in a comparison of solved plans."""
    if not KINDS_OF_JOBS[asked["kind"]].asks or asked["kind"] in ("sweep", "together"):
        return asked["kind"] not in ("compare", "discover", "verify")
    return bool(asked["set"]) or any(True for name in ("plan.*", "tables*") for _ in folder.path.glob(name))


def submit(request: Request, sent: Sent, caller: Caller, key: str | None = None) -> Job:
    """What was sent as a job that will run, or the job that the same key brought before.

    Raises ProblemError; PlanError and InputError where plan or tables are wrong. Then nothing is kept.
    """
    state, trace = request.app.state, getattr(request.state, "trace", NO_TRACE)
    settings: Settings = state.settings
    store: Store = state.store
    room = partial(aside, request)
    folder = Folder.of(settings.folder, new_id())
    try:
        folder.path.mkdir(parents=True)
        found = take(sent, folder, settings, room)
        asked, digest = found["asked"], found["digest"]
        with store_refusals():
            kept = None if key is None else store.by_key(caller.tenant, key, digest)
            if kept is None:
                webhook = _webhook(asked.pop("webhook", None), settings)  # its secret goes into no file
                folder.write(REQUEST, {**asked, **_lend(asked, folder, caller, settings, store)})
                _look(sent, asked, folder, settings, room)
                named = {"digest": digest, "trace": trace.parent, "trace_state": trace.state}
                now, name = time.time(), folder.path.name
                job = Job(name, caller.tenant, asked["kind"], asked["label"], "queued", now, **named)
                folder.sync()
                entry = entry_of(caller, f"submit {job.kind}", job.id, now)
                most, quota = (settings.most_queued, settings.most_queued_of_tenant), quota_of(settings)
                kept = store.submit(job, key, *most, entry, quota, folder.size, webhook)
    except BaseException:
        folder.delete()
        raise
    if kept.id == folder.path.name:
        state.metrics.submitted(kept.kind)
    else:
        folder.delete()
    state.dispatcher.wake()
    request.state.job = kept.id  # for the log of the request
    return kept


def _webhook(asked: Mapping[str, Any] | None, settings: Settings) -> tuple[str, str] | None:
    """(address, secret) of a webhook; None: none is asked for. Raises PlanError for one that cannot be sent."""
    if asked is None:
        return None
    default = settings.webhook_secret
    secret = asked["secret"] or (None if default is None else default.get_secret_value())
    if secret is None:
        expected = "a secret, for the service has none of its own"
        raise PlanError([Fault("body", "", "webhook.secret", "nothing", expected)])
    try:
        target_of(asked["url"], hosts_of(settings.webhook_hosts))
    except MisplacedError as error:
        raise PlanError([Fault("body", "", *one) for one in error.places]) from None
    return asked["url"], secret


@contextmanager
def store_refusals() -> Iterator[None]:
    """What the store refuses, as a problem."""
    try:
        yield
    except QuotaError as error:
        headers = {} if error.storage else {"Retry-After": f"{QUOTA_RETRY_S:.0f}"}
        raise ProblemError("storage" if error.storage else "quota", f"{error}.", headers=headers) from None
    except FullError as error:
        raise busy(f"The queue is full: {error}.", RETRY_S) from None
    except KeyTakenError:
        raise ProblemError("conflict", "The idempotency key was used for another request.") from None


def _lend(asked: Mapping[str, Any], folder: Folder, caller: Caller, settings: Settings, store: Store) -> dict[str, Any]:
    """Take over the run folders, or the rows, that a request builds on. Raises ProblemError."""
    if "of" not in asked:
        return {}
    of = asked["of"] if isinstance(asked["of"], list) else [asked["of"]]
    rows = KINDS_OF_JOBS[asked["kind"]].verb.of == "rows"
    kinds, called = (WITH_ROWS, f"a {' or '.join(WITH_ROWS)} with an answer") if rows else (PLANNING, "a solved plan")
    names = []
    for position, name in enumerate(of):
        job = store.job(name, caller.tenant)
        if job is None:
            raise ProblemError("not-found", f"of: there is no job {name}.")
        if job.kind not in kinds or job.state != "succeeded":
            raise ProblemError("conflict", f"of: job {name} is not {called} ({job.kind}, {job.state}).")
        names.append(job.label or name[:8])
        try:
            source = Folder.of(settings.folder, name)
            folder.lend_rows(source) if rows else folder.lend(source, position)
        except FileNotFoundError:  # deleted just now
            raise ProblemError("not-found", f"of: there is no job {name}.") from None
    return {"labels": names}


# What routes share: who may ask, which job is meant, how it looks to callers.


WRONG = {
    code: {"description": text, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    for code, text in (
        (400, "Cannot be read"),
        (401, "No token, or an unknown token"),
        (403, "Not allowed"),
        (404, "Not found"),
        (405, "Method not allowed: see the header `Allow`"),
        (408, "The request took too long to arrive"),
        (409, "The job is in another state"),
        (412, "Conditional requests are not supported"),
        (413, "Too large"),
        (415, "Unsupported content type or encoding"),
        (422, "Invalid: the faults say where"),
        (429, "Too many requests, or the quota is used up"),
        (503, "Not available now: the disk is full, or the store cannot be reached"),
        (507, "The storage quota of the tenant is used up"),
    )
}

Reader = Annotated[Caller, Depends(needs("read"))]
Submitter = Annotated[Caller, Depends(needs("submit"))]
Admin = Annotated[Caller, Depends(needs("admin"))]
Id = Annotated[
    str, Path(pattern=JOB_ID, description="Identifier of the job.", examples=["0123456789abcdef0123456789abcdef"])
]


def own(request: Request, caller: Caller, job_id: str) -> Job:
    """A job of the caller's tenant. Raises ProblemError: another tenant's job is not there."""
    found: Job | None = request.app.state.store.job(job_id, caller.tenant)
    if found is None:
        raise ProblemError("not-found", "There is no such job.")
    return found


def folder_of(request: Request, job_id: str) -> Folder:
    """A job's folder."""
    return Folder.of(request.app.state.settings.folder, job_id)


@contextmanager
def aside(request: Request) -> Iterator[None]:
    """Room for a process beside the jobs. Raises ProblemError where there is none: nobody waits in a thread that others need."""
    room = request.app.state.checks
    if not room.acquire(blocking=False):
        raise busy("Too many checks and reports are running; try again later.", 5.0)
    try:
        yield
    finally:
        room.release()


def note(request: Request, caller: Caller, action: str, job_id: str) -> None:
    """A line of the audit log."""
    request.app.state.store.log(entry_of(caller, action, job_id, time.time()))


def entry_of(caller: Caller, action: str, job_id: str, at: float) -> AuditLogEntry:
    """What a caller did."""
    return AuditLogEntry(at, caller.tenant, caller.token, caller.address, action, job_id)


def status_of(request: Request, job: Job, places: Mapping[str, int] | None = None) -> JobStatus:
    """A job as callers see it. places: places in the queue by job, where they are known already."""
    return job_status(job, request.app.state.store.position(job) if places is None else places.get(job.id))


def job_status(job: Job, place: int | None = None) -> JobStatus:
    """A job as callers see it, at a place in the queue."""
    at = f"/v1/jobs/{job.id}"
    links = {"self": at, "events": f"{at}/events", "log": f"{at}/log"}
    if job.state == "succeeded":
        links |= {"result": f"{at}/result", "archive": f"{at}/archive"}
        links |= {"report": f"{at}/report"} if KINDS_OF_JOBS[job.kind].has_report else {}
    given = job.outcome.get("problem")
    progress = {name: value for name, value in job.progress.items() if name in Progress.model_fields}
    if progress and job.state == "running" and job.started is not None:
        progress["seconds"] = max(0.0, time.time() - job.started)  # what its process wrote down is some seconds old
    return JobStatus(
        id=job.id,
        kind=job.kind,
        label=job.label,
        state=job.state,
        submitted=_time(job.submitted),
        started=None if job.started is None else _time(job.started),
        ended=None if job.ended is None else _time(job.ended),
        stopping=job.stopping and job.state == "running",
        position=place,
        progress=Progress(**progress) if progress else None,
        trace_id=Trace(parent=job.trace).id or None,
        headline=job.outcome.get("headline"),
        problem=None if given is None else Problem(**given),
        links=links,
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def webhook_of(job: Job, found: WebhookState) -> WebhookStatus:
    """A webhook as callers see it: never its secret, nor what stands behind the host."""
    done, out = found.delivered is not None, found.tries >= MOST_TRIES
    waits = job.state not in ENDED or not found.tries
    state: Literal["waiting", "sending", "delivered", "given up"] = (
        "waiting" if waits else "delivered" if done else "given up" if out else "sending"
    )
    again = None if state != "sending" or found.due is None else _time(found.due)
    return WebhookStatus(
        host=urlsplit(found.url).hostname or "",
        state=state,
        tries=found.tries,
        next=again,
        delivered=None if found.delivered is None else _time(found.delivered),
        said=found.said,
    )


# Answers of jobs: figures, tables, report, run folder and log.


PAGE_S = 120.0
"""Seconds that making a report may take."""
WHOLE = {"Accept-Ranges": "none"}
"""An answer comes whole."""

router = APIRouter(prefix="/v1", responses={**WRONG})  # type: ignore[dict-item]


def gives(what: str, content: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    """What the API's description says of a good answer. content: by media type."""
    return {200: {"content": content, "description": what}}


@router.get("/jobs/{job_id}/result", tags=["results"], response_model=JobResult)
def get_result(
    request: Request,
    caller: Reader,
    job_id: Id,
    include: Annotated[list[str] | None, Query(max_length=50, description="Tables to include in the answer.")] = None,
) -> Any:
    """The answer: headline, figures, text, and the names of its tables; which model it has is told by `kind`."""
    folder, job = answered(request, caller, job_id)
    found = folder.read(RESULT)
    if found is None:
        raise ProblemError("unavailable", "The files of the answer do not exist.")
    links = {
        name: TableLink(rows=table["rows"], csv=f"/v1/jobs/{job_id}/tables/{name}", columns=table["kinds"]).model_dump()
        for name, table in found["tables"].items()
    }
    return {
        "schema_version": FORMAT,
        "id": job_id,
        "kind": job.kind,
        **{name: found[name] for name in ("headline", "facts", "summary")},
        "tables": links,
        "included": {name: records(folder, name) for name in include or ()},
    }


@router.get(
    "/jobs/{job_id}/tables/{name}",
    tags=["results"],
    response_class=FileResponse,
    responses=gives("The table", {"text/csv": {"schema": {"type": "string"}}, "application/json": {}}),
)
def get_table(
    request: Request,
    caller: Reader,
    job_id: Id,
    name: Annotated[str, Path(max_length=100)],
    form: Annotated[Literal["csv", "json"], Query(alias="format")] = "csv",
) -> Response:
    """One table, as CSV or as JSON with one record per row."""
    folder, _ = answered(request, caller, job_id)
    if form == "json":
        return Response(json.dumps(records(folder, name)), media_type="application/json")
    place = folder.table(name)
    if place is None:
        raise ProblemError("not-found", "The result has no table of that name.")
    return FileResponse(place[0], media_type="text/csv", filename=place[0].name, headers=WHOLE)


@router.get(
    "/jobs/{job_id}/archive",
    tags=["results"],
    response_class=Response,
    responses=gives("A ZIP", {"application/zip": {"schema": {"type": "string", "format": "binary"}}}),
)
def get_archive(request: Request, caller: Reader, job_id: Id) -> Response:
    """The run folder, or the tables of a study, as a ZIP; a run folder can be opened with `load_result` and `verify`."""
    folder, job = answered(request, caller, job_id)
    held: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed when it has been sent)
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        root = folder.path / ("run" if KINDS_OF_JOBS[job.kind].verb.makes_plan else "out")
        for path in sorted(root.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(root).as_posix())
    size = held.tell()
    held.seek(0)
    headers = {"Content-Disposition": f'attachment; filename="{job_id}.zip"', "Content-Length": str(size)}
    return StreamingResponse(_sent(held), media_type="application/zip", headers=headers)


def _sent(held: IO[bytes]) -> Iterator[bytes]:
    """A file piece by piece, closed at its end or when the caller hangs up."""
    with held:
        while piece := held.read(1 << 16):
            yield piece


@router.get(
    "/jobs/{job_id}/report",
    tags=["results"],
    response_class=Response,
    responses=gives("The page", {"text/html": {"schema": {"type": "string"}}}),
)
def get_report(request: Request, caller: Reader, job_id: Id) -> Response:
    """The report as a page that works offline; for a study or comparison, the report of its plan."""
    folder, job = answered(request, caller, job_id)
    if not KINDS_OF_JOBS[job.kind].has_report:
        raise ProblemError("conflict", f"A job of kind {job.kind} has tables but no report.")
    path = folder.path / REPORT
    if not path.is_file():
        with aside(request):
            process = start(folder, "page")
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(PAGE_S)
            end(process, 0.0)
    if not path.is_file():
        text = "The report could not be made. It needs the extra: pip install 'strategic-minerals[report]'"
        raise ProblemError("unavailable", text)
    from ..page.page import POLICY

    policy = f"{POLICY}; sandbox allow-scripts allow-downloads; frame-ancestors 'self'"
    headers = {**WHOLE, "Content-Security-Policy": policy}
    return FileResponse(path, media_type="text/html; charset=utf-8", headers=headers)


@router.get("/jobs/{job_id}/log", tags=["results"], response_class=PlainTextResponse)
def get_log(request: Request, caller: Reader, job_id: Id) -> Response:
    """The log of the job."""
    own(request, caller, job_id)
    path = folder_of(request, job_id).path / LOG_FILE
    return PlainTextResponse(path.read_text(encoding="utf-8", errors="replace") if path.is_file() else "")


def answered(request: Request, caller: Caller, job_id: str) -> tuple[Folder, Job]:
    """The folder of a job that succeeded. Raises ProblemError."""
    job = own(request, caller, job_id)
    if job.state != "succeeded":
        raise ProblemError("conflict", f"The job has no answer: its state is {job.state}.")
    return folder_of(request, job_id), job


def records(folder: Folder, name: str) -> list[dict[str, Any]]:
    """A table as records. Raises ProblemError."""
    from ..answer.manifest import read_table
    from ..core.frames import records as of_frame

    place = folder.table(name)
    if place is None:
        raise ProblemError("not-found", f"The result has no table `{name}`.")
    return of_frame(read_table(*place))
