"""Routes of the API, version 1: jobs, their answers, questions, what the service is fit for."""

import asyncio
import contextlib
import hashlib
import io
import json
import subprocess
import tempfile
import time
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from email.message import Message
from functools import partial
from typing import IO, Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from ..core.errors import FORMAT, Fault, PlanError, missing_part, near_miss
from ..question.plan import Plan
from ..question.tables import TABLES
from ..verbs import VERBS
from .admission import Sent, checked, delete_question, entry_of, keep_question, own_question, questions_of, submit
from .auth import Admin, Caller, Reader, Submitter, Turn, later
from .dispatcher import end, start
from .job_folder import ENDED_FILE, LOG_FILE, REPORT, RESULT, Folder
from .reading import kind_of_plan, table_file
from .records import ENDED, Job, State, StoreError, no_room
from .requests import (
    CURSOR,
    JOB_ID,
    KEY,
    CheckResult,
    Health,
    JobEnded,
    JobList,
    JobResult,
    JobStatus,
    Kept,
    ProblemError,
    Progress,
    Readiness,
    TableLink,
    Usage,
    place,
    spelt,
)

# Upload of a plan with its tables: the known parts of a form, each as often as allowed.
PARTS = {"plan": "a file: TOML, JSON or xlsx", "tables": "files, <table>.csv each", "options": "text: JSON"}
"""Name of a part -> what it is."""
MOST_FILES = len(TABLES) + 10
"""Most parts of a form; a few more than can be right are still reported one by one."""
MOST_TEXTS = 20
LONGEST_END = 100
"""Blanks behind the last boundary."""
LONGEST_OPTIONS = 1_000_000

FILE = {"type": "string", "contentMediaType": "application/octet-stream"}
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "plan": {**FILE, "description": "The plan: TOML, JSON or xlsx, recognised by its content."},
        "tables": {"type": "array", "items": FILE, "description": "Own tables, <table>.csv each."},
        "options": {
            "type": "string",
            "maxLength": LONGEST_OPTIONS,
            "default": "{}",
            "description": "The other fields of the job, as JSON; `kind` is `solve` where none is stated.",
        },
    },
}
UPLOAD = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": SCHEMA}}}}
"""What the API's description says of it."""


async def uploaded(request: Request, _: Submitter) -> Sent:
    """The form of a request. Raises ProblemError where it cannot be read, PlanError for its parts."""
    if kind_of(request) != "multipart/form-data":
        expected = "Send a form with files, with the header `Content-Type: multipart/form-data; boundary=...`."
        raise ProblemError("unsupported", expected)
    if not ends(await whole_body(request), request.headers.get("content-type", "")):
        # otherwise a part that was cut off would be missing without a message
        raise ProblemError("malformed", "The form does not end with the boundary that `Content-Type` states.")
    limits = {"max_files": MOST_FILES, "max_fields": MOST_TEXTS, "max_part_size": LONGEST_OPTIONS}
    try:
        async with request.form(**limits) as form:
            return await _sorted(form.multi_items())
    except HTTPException as error:
        if not str(error.detail).startswith("Too many "):  # the framework's words for files and for texts
            raise
        text = f"The form has too many parts: at most {MOST_FILES} files and {MOST_TEXTS} texts are read."
        raise ProblemError("malformed", text) from None


Upload = Annotated[Sent, Depends(uploaded)]


def ends(body: bytes, kind: str) -> bool:
    """Whether a form's body ends with the last boundary that its content type states, and nothing comes behind it."""
    stated = Message()
    stated["Content-Type"] = kind
    boundary = str(stated.get_param("boundary", ""))
    return bool(boundary) and body[-len(boundary) - LONGEST_END :].rstrip().endswith(
        f"--{boundary}--".encode("latin-1", "replace")
    )


def kind_of(request: Request) -> str:
    """The media type of a request's body."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def whole_body(request: Request) -> bytes:
    """The body of a request. Raises ProblemError where it ends early."""
    try:
        return await request.body()
    except ClientDisconnect:
        raise ProblemError("malformed", "The body ended early.") from None


async def _sorted(parts: list[tuple[str, Any]]) -> Sent:
    """Parts put where they belong. Raises PlanError with every fault."""
    options, label, files, faults, seen = "{}", "", dict[str, bytes](), list[Fault](), set[str]()
    for name, part in parts:
        if name not in PARTS:
            expected = f"a known part: {', '.join(PARTS)}{near_miss(name[:100], PARTS)}"
            faults.append(Fault("form", "", place([name]), spelt(name), expected))
        elif name in seen and name != "tables":
            faults.append(Fault("form", "", name, "the part twice", "each part once; `tables` once per table"))
        elif isinstance(part, UploadFile) is (name == "options"):
            found_there = "a file" if name == "options" else "text (a part without a file name)"
            faults.append(Fault("form", "", name, found_there, PARTS[name]))
        elif name == "options":
            options = part
        else:
            faults += await _file(files, name, part)
            label = (part.filename or "")[:100] if name == "plan" else label
        seen.add(name)
    if "plan" not in seen:
        faults.append(Fault("form", "", "plan", "nothing", PARTS["plan"]))
    if faults:
        raise PlanError(faults)
    return Sent("upload", options.encode("utf-8", "surrogatepass"), files, label)


async def _file(files: dict[str, bytes], name: str, part: UploadFile) -> list[Fault]:
    """Take a file among those that came before. Returns its faults."""
    content = await part.read()
    if not content and name == "tables" and not part.filename:  # what a browser sends where nothing was chosen
        return []
    if not content:
        return [Fault("form", "", name, f"an empty file {spelt(part.filename or '')}", PARTS[name])]
    try:
        kept = kind_of_plan(content) if name == "plan" else table_file(part.filename or "")
    except PlanError as error:
        return list(error.faults)
    if kept in files:
        return [Fault("form", "", name, f"{spelt(kept.rpartition('/')[2])} twice", "each table once")]
    files[kept] = content
    return []


PAGE_S = 120.0
"""Seconds that making a report may take."""
STREAM_PAUSE_S, LONGEST_STREAM_S = 0.5, 3600.0
RETRY_MS = 2000
"""After which a client asks again for events that broke off."""
POLL_S = 2
"""Seconds after which it is worth asking how a job is."""
PARQUET = "application/vnd.apache.parquet"
TABLE_FORMS = {"csv": "text/csv", "json": "application/json", "parquet": PARQUET}

MEDIA = {
    "stream_job_events": ("text/event-stream",),
    "get_archive": ("application/zip",),
    "get_report": ("text/html",),
    "get_log": ("text/plain",),
    "get_table": tuple(TABLE_FORMS.values()),
}
"""Operation -> media types of its answer, where that is not JSON."""


def wanted(request: Request, *offered: str) -> str:
    """The media type among those offered that `Accept` likes best, the first of equals. Raises ProblemError where it takes none."""
    stated = request.headers.get("accept", "*/*")
    liked: dict[str, float] = {}
    for part in filter(str.strip, stated.split(",")):
        media, *options = (one.strip().lower() for one in part.split(";"))
        share = next((option[2:] for option in options if option.startswith("q=")), "1")
        with contextlib.suppress(ValueError):
            liked["*/*" if media == "*" else media] = float(share)  # so some old clients write it

    def weight(media: str) -> float:
        return next((liked[name] for name in (media, f"{media.partition('/')[0]}/*", "*/*") if name in liked), 0.0)

    best = max(offered, key=weight)
    if liked and not weight(best) > 0:
        raise ProblemError(
            "not-acceptable", f"`Accept` is {stated[:200]!r}; this answer comes as {', '.join(offered)}."
        )
    return best


async def _acceptable(request: Request) -> None:
    """Refuse a request whose answer has no form that it takes. Raises ProblemError."""
    if request.method != "DELETE" and "format" not in request.query_params:
        wanted(request, *MEDIA.get(request.scope["route"].name, ("application/json",)))


class WholeFile(FileResponse):
    """A file that is sent whole, whatever `Range` says: the framework's answers to ranges are no problem details."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        del self.headers["accept-ranges"]
        headers = [one for one in scope["headers"] if one[0] != b"range"]
        await super().__call__({**scope, "headers": headers}, receive, send)


T = TypeVar("T")
health = APIRouter(tags=["health"])
router = APIRouter(prefix="/v1", dependencies=[Depends(_acceptable)])

Id = Annotated[
    str, Path(pattern=JOB_ID, description="Identifier of the job.", examples=["0123456789abcdef0123456789abcdef"])
]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=KEY,
        description="Idempotency key: a repeated request with the same key gives the same job.",
    ),
]


# What routes share: which job is meant, how it looks to callers, which form of an answer is wanted.
def own(request: Request, caller: Caller, job_id: str) -> Job:
    """A job of the caller's tenant. Raises ProblemError: another tenant's job is not there."""
    found: Job | None = request.app.state.store.job(job_id, caller.tenant)
    if found is None:
        raise ProblemError("not-found", "There is no such job.")
    return found


def folder_of(request: Request, job_id: str) -> Folder:
    """A job's folder."""
    return Folder.of(request.app.state.settings.folder, job_id)


def root_of(request: Request) -> str:
    """Path under which the service stands: of its public address, else where an application has mounted it."""
    return request.app.state.settings.prefix or str(request.scope.get("root_path", "")).rstrip("/")


def status_of(request: Request, job: Job, places: Mapping[str, int] | None = None) -> JobStatus:
    """A job as callers see it. places: places in the queue by job, where they are known already."""
    place = request.app.state.store.position(job) if places is None else places.get(job.id)
    return job_status(job, root_of(request), place)


def job_status(job: Job, root: str = "", place: int | None = None) -> JobStatus:
    """A job as callers see it, at a place in the queue. root: path under which the service stands."""
    at = f"{root}/v1/jobs/{job.id}"
    links = {"self": at, "events": f"{at}/events", "log": f"{at}/log"}
    if job.state == "succeeded":
        links |= {"result": f"{at}/result", "archive": f"{at}/archive"}
        links |= {"report": f"{at}/report"} if VERBS[job.kind].has_report else {}
    progress = {name: value for name, value in job.progress.items() if name in Progress.model_fields}
    if progress and job.started is not None:  # what its process wrote down is some seconds old
        progress["seconds"] = max(0.0, (job.ended or time.time()) - job.started)
    shown = {name: getattr(job, name) for name in ("id", "kind", "label", "state", "submitted", "started", "ended")}
    shown |= {name: job.outcome.get(name) for name in ("headline", "problem")}
    shown |= {"stopping": job.stopping and job.state == "running", "position": place, "progress": progress or None}
    return JobStatus(**shown, links=links)


def freed(request: Request, work: Callable[[], T]) -> T:
    """Work that frees room on a disk that may be full: the reserve is given up for it."""
    try:
        return work()
    except (StoreError, OSError) as error:
        if not no_room(error):
            raise
        request.app.state.reserve.spend()
        return work()


# Health.
@health.get("/healthz")
def get_liveness(request: Request) -> Health:
    """Liveness, for load balancers and supervisors: how long a request takes that needs a thread and the store."""
    with contextlib.suppress(StoreError):  # readiness says so
        request.app.state.store.job("0" * 32)
    return Health(status="ok", seconds=round(time.perf_counter() - request.state.begin, 4))


@health.get("/readyz", responses={503: {"model": Readiness, "description": "The service cannot accept jobs"}})
async def get_readiness(request: Request, response: Response) -> Readiness:
    """Readiness: the store and the folder can be written, the queue is served."""
    checks = await request.app.state.readiness.look()
    ready = all(found == "ok" for found in checks.values())
    response.status_code = 200 if ready else 503
    return Readiness(ready=ready, checks=checks)


@health.get("/metrics", response_class=PlainTextResponse)
def get_metrics(request: Request, caller: Admin) -> Response:
    """Metrics in Prometheus format, of all tenants."""
    return Response(request.app.state.metrics.text(request.app.state.store), media_type="text/plain; version=0.0.4")


# Jobs.
def takes(schema: str) -> dict[str, Any]:
    """What the API's description says of a body that is read by `reading`: JSON of a schema."""
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"requestBody": {"required": True, "content": content}}


async def json_body(request: Request) -> bytes:
    """The body of a request that is JSON, not looked into yet. Raises ProblemError."""
    kind = kind_of(request)
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise ProblemError("unsupported", "Send JSON, with the header `Content-Type: application/json`.")
    return await whole_body(request)


Body = Annotated[bytes, Depends(json_body)]


@router.post("/jobs", status_code=202, response_model=JobStatus, tags=["jobs"], openapi_extra=takes("JobRequest"))
def submit_job(
    request: Request, response: Response, caller: Submitter, body: Body, turn: Turn, key: Key = None
) -> JobStatus:
    """Submit a job. If it has faults that can be found quickly, the answer is 422 with the same faults as a check; errors that show
    only during the solve make the job fail. A job is stored before it is accepted, and survives a crash from then on."""
    return _submitted(request, response, Sent("job", body), caller, key)


@router.post("/jobs/upload", status_code=202, response_model=JobStatus, tags=["jobs"], openapi_extra=UPLOAD)
def submit_upload(
    request: Request, response: Response, caller: Submitter, form: Upload, turn: Turn, key: Key = None
) -> JobStatus:
    """Submit a plan as a file, with its tables as files. File names of tables say which table they are; others are only labels."""
    return _submitted(request, response, form, caller, key)


def _submitted(request: Request, response: Response, sent: Sent, caller: Caller, key: str | None) -> JobStatus:
    job = submit(request, sent, caller, key)
    response.headers["Location"] = f"{root_of(request)}/v1/jobs/{job.id}"
    response.headers["Retry-After"] = str(POLL_S)
    return status_of(request, job)


@router.get("/jobs", tags=["jobs"])
def list_jobs(
    request: Request,
    caller: Reader,
    state: Annotated[State | None, Query(description="Show only jobs in this state.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[
        str | None, Query(pattern=CURSOR, description="Start of the page: `next` of the previous page.")
    ] = None,
) -> JobList:
    """The tenant's jobs, newest first."""
    at, _, last = (before or "").partition("-")
    found = request.app.state.store.jobs(caller.tenant, state, limit, (float(at), last) if before else None)
    more = f"&state={state}" if state is not None else ""
    following = None
    if len(found) == limit:
        cursor = f"{found[-1].submitted!r}-{found[-1].id}"
        following = f"{root_of(request)}/v1/jobs?limit={limit}&before={cursor}{more}"
    places = request.app.state.store.positions() if any(job.state == "queued" for job in found) else {}
    return JobList(jobs=[status_of(request, job, places) for job in found], next=following)


@router.get("/jobs/{job_id}", tags=["jobs"])
def get_job(request: Request, caller: Reader, job_id: Id) -> JobStatus:
    """State, position in the queue and, while the job runs, phase, best plan, bound, gap and time left."""
    return status_of(request, own(request, caller, job_id))


OVER: dict[int | str, dict[str, Any]] = {204: {"description": "The job has ended, and its last event was received."}}


@router.get("/jobs/{job_id}/events", tags=["jobs"], response_class=StreamingResponse, responses=OVER)
async def stream_job_events(
    request: Request,
    caller: Reader,
    job_id: Id,
    last: Annotated[
        str | None,
        Header(alias="Last-Event-ID", max_length=100, description="Identifier of the last event that was received."),
    ] = None,
) -> Response:
    """The status as server-sent events, one for each change, until the job has ended. A stream that broke off goes on after the
    event named by `Last-Event-ID`."""
    job = await run_in_threadpool(own, request, caller, job_id)
    state = request.app.state
    if job.state in ENDED and last == _version(await run_in_threadpool(status_of, request, job)):
        return Response(status_code=204)  # nothing is to come, and by the standard a client asks no more
    if request.state.head:
        return Response(media_type="text/event-stream")
    if not state.streams.enter(caller.tenant):
        raise later("streams", "Too many event streams are open.", 10.0)

    async def events() -> AsyncIterator[str]:
        begin, known, now = time.monotonic(), last, job
        yield f"retry: {RETRY_MS}\n\n"
        try:
            while time.monotonic() - begin < LONGEST_STREAM_S:
                status = await run_in_threadpool(status_of, request, now)
                name = _version(status)
                event = f"id: {name}\nevent: status\ndata: {status.model_dump_json()}\n\n"
                yield event if name != known else ": still there\n\n"
                known = name
                if now.state in ENDED or state.dispatcher.stopping:
                    return
                await asyncio.sleep(STREAM_PAUSE_S)
                found = await run_in_threadpool(state.store.job, job_id, caller.tenant)
                if found is None or not await run_in_threadpool(state.guard.still, caller):
                    return  # deleted, or no caller any more
                now = found
        finally:
            state.streams.leave(caller.tenant)

    return StreamingResponse(events(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


def _version(status: JobStatus) -> str:
    """The same for two statuses that differ in the seconds alone that pass anyway."""
    progress = None if status.progress is None else status.progress.model_copy(update={"seconds": None})
    text = status.model_copy(update={"progress": progress}).model_dump_json()
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def job_ended(
    body: JobEnded,
    name: Annotated[str, Header(alias="webhook-id", description="The same for every try of one end of a job.")],
    at: Annotated[int, Header(alias="webhook-timestamp", description="Seconds since 1970, UTC.")],
    signed: Annotated[
        str,
        Header(
            alias="webhook-signature",
            description="`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body` (Standard Webhooks).",
        ),
    ],
) -> None:
    """A job that named a webhook has ended."""


@router.post("/jobs/{job_id}/cancel", tags=["jobs"])
def cancel_job(request: Request, caller: Submitter, job_id: Id) -> JobStatus:
    """Stop a job; a job that has ended does not change. A running job is `stopping` for a moment."""
    own(request, caller, job_id)
    entry = entry_of(caller, "cancel", job_id)
    job = freed(request, lambda: request.app.state.store.cancel(job_id, entry))
    return status_of(request, job or own(request, caller, job_id))


@router.post("/jobs/{job_id}/resume", tags=["jobs"])
def resume_job(request: Request, caller: Submitter, job_id: Id) -> JobStatus:
    """Put a job that ended without an answer back into the queue; a sweep continues where it stopped."""
    job = own(request, caller, job_id)
    store = request.app.state.store
    if job.state != "queued":
        store.room(caller.tenant, request.app.state.limits)
    if not store.put_back(job_id, ("interrupted", "cancelled", "failed"), entry=entry_of(caller, "resume", job_id)):
        text = f"The state of the job is {job.state}; only a job that ended without an answer can be resumed."
        raise ProblemError("state", text)
    request.app.state.dispatcher.wake()
    return status_of(request, own(request, caller, job_id))


@router.delete("/jobs/{job_id}", status_code=204, tags=["jobs"])
def delete_job(request: Request, caller: Submitter, job_id: Id) -> Response:
    """Delete a job that has ended, with all its files."""
    job, store = own(request, caller, job_id), request.app.state.store
    if not freed(request, lambda: store.delete(job_id, entry_of(caller, "delete", job_id))):
        raise ProblemError("state", f"The state of the job is {job.state}: cancel it first.")
    folder_of(request, job_id).delete()
    with contextlib.suppress(StoreError):  # the janitor finds the tombstone
        store.bury(job_id)
    return Response(status_code=204)


# Answers of jobs: figures, tables, report, run folder and log.
@router.get("/jobs/{job_id}/result", tags=["results"], response_model=JobResult)
def get_result(
    request: Request,
    caller: Reader,
    job_id: Id,
    turn: Turn,
    include: Annotated[list[str] | None, Query(max_length=50, description="Tables to include in the answer.")] = None,
) -> Any:
    """The answer: headline, figures, text, and the names of its tables; `kind` tells which model it has."""
    folder, job = answered(request, caller, job_id)
    found = folder.read(RESULT)
    if found is None:
        raise ProblemError("unavailable", "The files of the answer do not exist.")
    at = f"{root_of(request)}/v1/jobs/{job_id}/tables"
    links = {
        name: TableLink(rows=table["rows"], csv=f"{at}/{name}", columns=table["kinds"]).model_dump()
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


@router.get("/jobs/{job_id}/tables/{name}", tags=["results"], response_class=WholeFile)
def get_table(
    request: Request,
    caller: Reader,
    job_id: Id,
    name: Annotated[str, Path(max_length=100)],
    turn: Turn,
    form: Annotated[
        Literal["csv", "json", "parquet"] | None,
        Query(alias="format", description="Default: as `Accept` says, else CSV."),
    ] = None,
) -> Response:
    """One table, as CSV, as JSON with one record per row, or as Parquet."""
    folder, _ = answered(request, caller, job_id)
    place = folder.table(name)
    if place is None:
        raise ProblemError("not-found", "The result has no table of that name.")
    media = TABLE_FORMS[form] if form is not None else wanted(request, *MEDIA["get_table"])
    if media == "text/csv":
        return WholeFile(place[0], media_type=media, filename=place[0].name)
    if media == "application/json":
        return Response(json.dumps(records(folder, name)), media_type=media)
    headers = {"Content-Disposition": f'attachment; filename="{place[0].stem}.parquet"'}
    return Response(_parquet(*place), media_type=media, headers=headers)


def _parquet(path: Any, kinds: Mapping[str, str]) -> bytes:
    from ..answer.manifest import read_table

    held, table = io.BytesIO(), read_table(path, kinds)
    for name in (name for name, kind in kinds.items() if kind == "mixed"):  # the format has columns of one kind
        table[name] = table[name].map(lambda value: None if value is None else str(value))
    try:
        table.to_parquet(held, index=False)
    except ImportError:
        raise missing_part("serve", "pyarrow", "parquet") from None
    return held.getvalue()


@router.get("/jobs/{job_id}/archive", tags=["results"], response_class=Response)
def get_archive(request: Request, caller: Reader, job_id: Id, turn: Turn) -> Response:
    """The run folder, or the tables of a study, as a ZIP; a run folder can be opened with `Result.load` and `verify`."""
    folder, job = answered(request, caller, job_id)
    held: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed when it has been sent)
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        root = folder.path / ("run" if VERBS[job.kind].makes_plan else "out")
        for path in sorted(root.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(root).as_posix())
    if not (folder.path / ENDED_FILE).is_file():  # the first that goes when a job is deleted
        held.close()
        raise ProblemError("not-found", "There is no such job.")
    size = held.tell()
    held.seek(0)
    headers = {"Content-Disposition": f'attachment; filename="{job_id}.zip"', "Content-Length": str(size)}
    return StreamingResponse(_sent(held), media_type="application/zip", headers=headers)


def _sent(held: IO[bytes]) -> Iterator[bytes]:
    """A file piece by piece, closed at its end or when the caller hangs up."""
    with held:
        while piece := held.read(1 << 16):
            yield piece


@router.get("/jobs/{job_id}/report", tags=["results"], response_class=Response)
def get_report(request: Request, caller: Reader, job_id: Id, turn: Turn) -> Response:
    """The report as a page that works offline; for a study or comparison, the report of its plan."""
    folder, job = answered(request, caller, job_id)
    if not VERBS[job.kind].has_report:
        raise ProblemError(
            "state", f"A job of kind {job.kind} has no single plan to report on: its tables are in `result`."
        )
    path = folder.path / REPORT
    if not path.is_file():
        process = start(folder, "page")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PAGE_S)
        end(process, 0.0)
        if path.is_file():
            request.app.state.store.grown(job_id, folder.size)
    if not path.is_file():
        text = "The report could not be made. It needs the extra: pip install 'strategic-minerals[report]'"
        raise ProblemError("unavailable", text)
    return report_of(request, job_id)


def report_of(request: Request, job_id: str) -> Response:
    """A report that has been made. Raises ProblemError."""
    path = folder_of(request, job_id).path / REPORT
    if not path.is_file():
        raise ProblemError("not-found", "There is no report.")
    from ..page.page import POLICY

    policy = f"{POLICY}; sandbox allow-scripts allow-downloads; frame-ancestors 'self'"
    headers = {"Content-Security-Policy": policy}
    return WholeFile(path, media_type="text/html; charset=utf-8", headers=headers)


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
        raise ProblemError("state", f"The job has no answer: its state is {job.state}.")
    return folder_of(request, job_id), job


def records(folder: Folder, name: str) -> list[dict[str, Any]]:
    """A table as records. Raises ProblemError."""
    from ..answer.manifest import read_table
    from ..core.frames import records as of_frame

    place = folder.table(name)
    if place is None:
        raise ProblemError("not-found", f"The result has no table `{name}`.")
    return of_frame(read_table(*place))


# Questions: what may be asked, what is wrong with one, what is kept to be asked later.
QuestionId = Annotated[str, Path(pattern=JOB_ID, description="Identifier of the question.")]


@router.post("/check", tags=["questions"], response_model=CheckResult, openapi_extra=takes("Question"))
def check_question(request: Request, caller: Submitter, body: Body, turn: Turn) -> CheckResult:
    """Check a plan and its tables without solving: all faults, doubtful figures, and how many rows are estimates."""
    return checked(request, Sent("check", body))[0]


@router.post("/questions", status_code=201, response_model=Kept, tags=["questions"], openapi_extra=takes("Question"))
def keep_a_question(request: Request, response: Response, caller: Submitter, body: Body, turn: Turn) -> Kept:
    """Keep a plan and its tables; jobs refer to them by `question`. Tables need not be sent with each job."""
    return _kept(request, response, keep_question(request, caller, Sent("check", body)))


@router.post("/questions/upload", status_code=201, response_model=Kept, tags=["questions"], openapi_extra=UPLOAD)
def keep_an_upload(request: Request, response: Response, caller: Submitter, form: Upload, turn: Turn) -> Kept:
    """Keep a plan that comes as a file, with its tables as files."""
    return _kept(request, response, keep_question(request, caller, form))


def _kept(request: Request, response: Response, kept: Kept) -> Kept:
    response.headers["Location"] = f"{root_of(request)}/v1/questions/{kept.id}"
    return kept


@router.get("/questions", tags=["questions"])
def list_questions(request: Request, caller: Reader) -> list[Kept]:
    """The tenant's kept questions, newest first."""
    return questions_of(request, caller)


@router.get("/questions/{question_id}", tags=["questions"])
def get_a_question(request: Request, caller: Reader, question_id: QuestionId) -> Kept:
    """A kept question."""
    return own_question(request, caller, question_id)[0]


@router.delete("/questions/{question_id}", status_code=204, tags=["questions"])
def delete_a_question(request: Request, caller: Submitter, question_id: QuestionId) -> Response:
    """Delete a kept question; jobs that referred to it have copies."""
    freed(request, partial(delete_question, request, caller, question_id))
    return Response(status_code=204)


@router.get("/schemas/{name}", tags=["questions"])
def get_schema(caller: Reader, name: Annotated[str, Path(max_length=100)]) -> dict[str, Any]:
    """The JSON Schema of plan files, or of the rows of a table, with the meaning and unit of every field."""
    if name != "plan" and name not in TABLES:
        raise ProblemError("not-found", f"There is no such schema{near_miss(name, ['plan', *TABLES])}.")
    return (Plan if name == "plan" else TABLES[name]).model_json_schema()


# Administration.
@router.get("/usage", tags=["administration"])
def get_usage(request: Request, caller: Reader) -> Usage:
    """What the tenant has used of its quotas within 24 hours, what it keeps, and how many of its jobs wait and run."""
    store, limits = request.app.state.store, request.app.state.limits
    used, states = store.used(caller.tenant, limits), store.counts(caller.tenant)
    return Usage(
        jobs=used.jobs,
        most_jobs=limits.jobs_of_tenant,
        minutes=used.seconds / 60.0,
        most_minutes=limits.minutes_of_tenant,
        mib=used.bytes / 2**20,
        most_mib=limits.mib_of_tenant,
        queued=states["queued"],
        most_queued=limits.queued_of_tenant,
        running=states["running"],
        most_running=limits.running_of_tenant,
    )


@router.get("/audit-log", tags=["administration"])
def list_audit_log(
    request: Request, caller: Admin, limit: Annotated[int, Query(ge=1, le=10_000)] = 1000
) -> list[dict[str, Any]]:
    """The audit log, newest first: who submitted, cancelled, resumed or deleted which job, and from which address."""
    return [vars(entry) for entry in request.app.state.store.log_entries(limit)]
