"""Web pages: choose or upload a plan, edit the main fields, see faults next to the fields, run, follow, read, compare.

Rendered here, with a little JavaScript for what moves. A token typed in once stands in a cookie that scripts cannot read and other
sites cannot send."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from email.message import Message
from importlib import resources
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Header, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from ..core.errors import Fault, FaultsError, PlanError, missing_part, near_miss, shipped
from ..question.plan import Plan
from ..question.read_toml import load_plan
from ..question.tables import TABLES
from .authentication import (
    COOKIE,
    SMALL_BYTES,
    WRONG,
    Admin,
    Caller,
    Id,
    Reader,
    Sent,
    Submitter,
    aside,
    busy,
    digest_of,
    folder_of,
    note,
    own,
    records,
    status_of,
    store_refusals,
    submit,
    take,
    webhook_of,
)
from .gate import PART_BYTES
from .job_folder import ENDED, LIMITS, REQUEST, RESULT, Folder, Job, State, new_id
from .job_runners import JobLimits
from .reading import (
    FIELDS,
    GROUPS,
    SEEN,
    changed,
    choices_of,
    kind_of_plan,
    lists_of,
    raw_values,
    shipped_plans,
    shipped_tables,
    table_file,
    value_of,
    values_of,
)
from .requests import (
    CURSOR,
    JOB_ID,
    KEY,
    KINDS_OF_JOBS,
    MOST_FAULTS,
    PLANNING,
    CheckResult,
    FaultModel,
    Health,
    JobList,
    JobStatus,
    Problem,
    ProblemError,
    Readiness,
    WebhookStatus,
    place,
    problem_of,
    spelt,
)
from .store import quota_of

# Upload of a plan with its tables: the known parts of the form, each as often as allowed.


PARTS = {
    "plan": "a file: TOML, JSON or xlsx",
    "tables": "files, <table>.csv each",
    "options": "text: JSON",
}
"""Name of a part -> what it is."""
MOST_FILES = len(TABLES) + 10
"""Most parts of a form; a few more than can be right are still reported one by one."""
MOST_TEXTS = 20
LONGEST_END = 100
"""Blanks behind the last boundary."""
LONGEST_OPTIONS = 1_000_000
"""Characters."""

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


@dataclass
class Uploaded:
    """What the form held; files under the names by which they are kept."""

    options: str = "{}"
    label: str = ""
    """The file name of the plan, for people."""
    files: dict[str, bytes] = field(default_factory=dict)


async def uploaded(request: Request) -> AsyncIterator[Uploaded]:
    """The form of a request. Raises ProblemError where it cannot be read, PlanError for its parts."""
    if kind_of(request) != "multipart/form-data":
        expected = "Send a form with files, with the header `Content-Type: multipart/form-data; boundary=...`."
        raise ProblemError("unsupported", expected)
    body = await whole_body(request)
    if not ends(body, request.headers.get("content-type", "")):
        # otherwise a part that was cut off would be missing without a message
        raise _unread("")
    limits = {"max_files": MOST_FILES, "max_fields": MOST_TEXTS, "max_part_size": 4 * LONGEST_OPTIONS}
    try:
        form = await MultiPartParser(request.headers, _pieces(body), **limits).parse()
    except MultiPartException as error:
        raise _unread(error.message) from error
    try:
        yield await _sorted(form.multi_items())
    finally:
        await form.close()


Upload = Annotated[Uploaded, Depends(uploaded)]


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


async def _pieces(body: bytes) -> AsyncGenerator[bytes, None]:
    """A body piece by piece: the parser of forms blocks all other requests while it works."""
    for begin in range(0, len(body), PART_BYTES):
        yield body[begin : begin + PART_BYTES]
        await asyncio.sleep(0)


def _unread(message: str) -> ProblemError:
    """Why a form could not be read, in words of ours. message: the framework's."""
    if "Too many" in message:
        text = f"The form has more than {MOST_FILES} files, or more than {MOST_TEXTS} other parts."
        return ProblemError("too-large", text)
    if "maximum size" in message:
        text = f"A part of the form without a file name has more than {4 * LONGEST_OPTIONS:,} bytes."
        return ProblemError("too-large", text)
    expected = "parts according to RFC 7578, each with a name, between the boundaries stated in `Content-Type`"
    faults = [Fault("form", "", "", "parts that cannot be separated", expected)]
    return ProblemError("malformed", "The form cannot be read.", faults)


async def _sorted(parts: list[tuple[str, Any]]) -> Uploaded:
    """Parts put where they belong. Raises PlanError with every fault."""
    found, faults, seen = Uploaded(), list[Fault](), set[str]()
    for name, part in parts:
        if name not in PARTS:
            expected = f"a known part: {', '.join(PARTS)}{near_miss(name[:100], PARTS)}"
            faults.append(Fault("form", "", place([name]), spelt(name), expected))
        elif name in seen and name != "tables":
            faults.append(Fault("form", "", name, "the part twice", "each part once; `tables` once per table"))
        elif isinstance(part, UploadFile) is (name == "options"):
            found_there = "a file" if name == "options" else "text (a part without a file name)"
            faults.append(Fault("form", "", name, found_there, PARTS[name]))
        elif name == "options" and len(part) > LONGEST_OPTIONS:
            expected = f"at most {LONGEST_OPTIONS:,} characters"
            faults.append(Fault("form", "", "options", f"{len(part):,} characters", expected))
        elif name == "options":
            found.options = part
        else:
            faults += await _file(found, name, part)
        seen.add(name)
    if "plan" not in seen:
        faults.append(Fault("form", "", "plan", "nothing", PARTS["plan"]))
    if faults:
        raise PlanError(faults[:MOST_FAULTS])
    return found


async def _file(found: Uploaded, name: str, part: UploadFile) -> list[Fault]:
    """Take a file."""
    content = await part.read()
    if not content and name == "tables" and not part.filename:  # what a browser sends where nothing was chosen
        return []
    if not content:
        return [Fault("form", "", name, f"an empty file {spelt(part.filename or '')}", PARTS[name])]
    try:
        kept = kind_of_plan(content) if name == "plan" else table_file(part.filename or "")
    except PlanError as error:
        return list(error.faults)
    if kept in found.files:
        return [Fault("form", "", name, f"{spelt(kept.rpartition('/')[2])} twice", "each table once")]
    found.files[kept] = content
    found.label = (part.filename or "")[:100] if name == "plan" else found.label
    return []


# Routes of the API, version 1.


CHECK_S = 60.0
"""Seconds that looking at a question may take."""
STREAM_PAUSE_S = 0.5
LONGEST_STREAM_S = 3600.0

EVENT = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": {"const": "status"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/JobStatus"},
        },
    },
}


def takes(schema: str) -> dict[str, Any]:
    """What the API's description says of a body that is read by `reading`: JSON of a schema."""
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"requestBody": {"required": True, "content": content}}


health = APIRouter(tags=["health"])
router = APIRouter(prefix="/v1", responses={**WRONG, 400: {**WRONG[400], "model": Problem}})  # type: ignore[dict-item]

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=KEY,
        description="Idempotency key: a repeated request with the same key gives the same job.",
    ),
]


@health.get("/healthz")
async def get_liveness() -> Health:
    """Liveness, for load balancers and supervisors."""
    return Health(status="ok")


@health.get("/readyz", responses={503: {"model": Readiness, "description": "The service cannot accept jobs"}})
async def get_readiness(request: Request, response: Response) -> Readiness:
    """Readiness: the solver self-test passes, the store can be written, the queue is served. The first answer waits until this is
    known."""
    checks = await request.app.state.readiness.look()
    ready = all(found == "ok" for found in checks.values())
    response.status_code = 200 if ready else 503
    return Readiness(ready=ready, checks=checks)


@health.get("/metrics", response_class=PlainTextResponse, responses={401: WRONG[401], 403: WRONG[403], 429: WRONG[429]})
def get_metrics(request: Request, caller: Reader) -> Response:
    """Metrics in Prometheus format."""
    return Response(request.app.state.metrics.text(request.app.state.store), media_type="text/plain; version=0.0.4")


async def json_body(request: Request) -> bytes:
    """The body of a request that is JSON, not looked into yet. Raises ProblemError."""
    kind = kind_of(request)
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise ProblemError("unsupported", "Send JSON, with the header `Content-Type: application/json`.")
    return await whole_body(request)


Body = Annotated[bytes, Depends(json_body)]


@router.post("/jobs", status_code=202, response_model=JobStatus, tags=["jobs"], openapi_extra=takes("JobRequest"))
def submit_job(request: Request, response: Response, caller: Submitter, body: Body, key: Key = None) -> JobStatus:
    """Submit a job. If it has faults that can be found quickly, the answer is 422 with the same faults as a check; errors that show
    only during the solve make the job fail. A job is stored before it is accepted, and survives a crash from then on."""
    return _submitted(request, response, Sent("job", body), caller, key)


@router.post("/jobs/upload", status_code=202, response_model=JobStatus, tags=["jobs"], openapi_extra=UPLOAD)
def submit_upload(request: Request, response: Response, caller: Submitter, form: Upload, key: Key = None) -> JobStatus:
    """Submit a plan as a file, with its tables as files. File names of tables say which table they are; others are only labels."""
    sent = Sent("upload", form.options.encode("utf-8", "surrogatepass"), form.files)
    return _submitted(request, response, sent, caller, key)


def _submitted(request: Request, response: Response, sent: Sent, caller: Caller, key: str | None) -> JobStatus:
    job = submit(request, sent, caller, key)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
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
        following = f"/v1/jobs?limit={limit}&before={found[-1].submitted!r}-{found[-1].id}{more}"
    places = request.app.state.store.positions() if any(job.state == "queued" for job in found) else {}
    return JobList(jobs=[status_of(request, job, places) for job in found], next=following)


@router.get("/jobs/{job_id}", tags=["jobs"])
def get_job(request: Request, caller: Reader, job_id: Id) -> JobStatus:
    """State, position in the queue and, while the job runs, phase, best plan, bound, gap and time left."""
    return status_of(request, own(request, caller, job_id))


@router.get(
    "/jobs/{job_id}/events",
    tags=["jobs"],
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"itemSchema": EVENT}}, "description": "Server-sent events"}},
)
async def stream_job_events(request: Request, caller: Reader, job_id: Id) -> Response:
    """The status as server-sent events, one for each change, until the job has ended."""
    job = await run_in_threadpool(own, request, caller, job_id)
    state = request.app.state
    if not state.streams.enter(caller.tenant, state.settings.most_streams, state.settings.most_streams_in_all):
        raise busy("Too many event streams are open.", 10.0)

    async def events() -> AsyncIterator[str]:
        begin, last, now = time.monotonic(), "", job
        try:
            while time.monotonic() - begin < LONGEST_STREAM_S:
                status = await run_in_threadpool(status_of, request, now)
                changed = _without_time(status)
                yield f"event: status\ndata: {status.model_dump_json()}\n\n" if changed != last else ": still there\n\n"
                last = changed
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


def _without_time(status: JobStatus) -> str:
    """A status without the seconds that pass anyway."""
    progress = None if status.progress is None else status.progress.model_copy(update={"seconds": None})
    return status.model_copy(update={"progress": progress}).model_dump_json()


@router.get("/jobs/{job_id}/webhook", tags=["jobs"])
def get_webhook(request: Request, caller: Reader, job_id: Id) -> WebhookStatus:
    """How far the webhook of a job is: whether the end of the job was told, after how many tries, and when it is tried again."""
    job = own(request, caller, job_id)
    found = request.app.state.store.webhook(job_id)
    if found is None:
        raise ProblemError("not-found", "The job has no webhook.")
    return webhook_of(job, found)


@router.post("/jobs/{job_id}/cancel", tags=["jobs"])
def cancel_job(request: Request, caller: Submitter, job_id: Id) -> JobStatus:
    """Stop a job; a job that has ended does not change. A running job is `stopping` for a moment."""
    own(request, caller, job_id)
    job = request.app.state.store.cancel(job_id) or own(request, caller, job_id)
    note(request, caller, "cancel", job_id)
    return status_of(request, job)


@router.post("/jobs/{job_id}/resume", tags=["jobs"])
def resume_job(request: Request, caller: Submitter, job_id: Id) -> JobStatus:
    """Put a job that ended without an answer back into the queue; a sweep continues where it stopped."""
    job = own(request, caller, job_id)
    store, settings = request.app.state.store, request.app.state.settings
    if job.state != "queued":
        with store_refusals():
            store.room(caller.tenant, settings.most_queued, settings.most_queued_of_tenant, quota_of(settings))
    if not store.put_back(job_id, ("interrupted", "cancelled", "failed")):
        text = f"The state of the job is {job.state}; only a job that ended without an answer can be resumed."
        raise ProblemError("conflict", text)
    note(request, caller, "resume", job_id)
    request.app.state.dispatcher.wake()
    return status_of(request, own(request, caller, job_id))


@router.delete("/jobs/{job_id}", status_code=204, tags=["jobs"])
def delete_job(request: Request, caller: Submitter, job_id: Id) -> Response:
    """Delete a job that has ended, with all its files."""
    job = own(request, caller, job_id)
    if not request.app.state.store.delete(job_id):
        raise ProblemError("conflict", f"The state of the job is {job.state}: cancel it first.")
    note(request, caller, "delete", job_id)
    folder_of(request, job_id).delete()
    return Response(status_code=204)


@router.post("/check", tags=["questions"], response_model=CheckResult, openapi_extra=takes("Question"))
def check_question(request: Request, caller: Submitter, body: Body) -> CheckResult:
    """Check a plan and its tables without solving: all faults, doubtful figures, and how many rows are estimates."""
    return checked(request, Sent("check", body))[0]


def checked(request: Request, sent: Sent) -> tuple[CheckResult, dict[str, Any]]:
    """(faults and notes of a question, what the page shows of it), found in a process of its own. Raises ProblemError."""
    settings = request.app.state.settings
    with aside(request):
        folder = Folder(settings.folder / "checks" / new_id())
        try:
            folder.path.mkdir(parents=True)
            asked = take(sent, folder, settings, nullcontext)["asked"]
            folder.write(REQUEST, {**asked, "kind": "check"})
            folder.write(LIMITS, {"memory_mib": settings.memory_aside_mib, "niceness": settings.niceness})
            ended = request.app.state.checker.run(folder, JobLimits(CHECK_S, 0.0), lambda _: None, lambda: False)
            found = folder.read(RESULT)
        finally:
            folder.delete()
    if found is None:
        if (wrong := ended.get("problem")) is not None:
            raise ProblemError.of(wrong)
        raise ProblemError("unavailable", "The question could not be checked.")
    seen = found["facts"].pop(SEEN, {})
    return CheckResult(**found["facts"]), seen


@router.get("/plans", tags=["questions"])
def list_plans(caller: Reader) -> dict[str, str]:
    """Shipped plans: name -> title."""
    return {name: load_plan(shipped("models") / f"{name}.toml").title or name for name in shipped_plans()}


@router.get("/plans/{name}", tags=["questions"])
def get_plan(caller: Reader, name: Annotated[str, Path(max_length=100)]) -> dict[str, Any]:
    """A shipped plan as a starting point."""
    known = shipped_plans()
    if name not in known:
        raise ProblemError("not-found", f"There is no such plan{near_miss(name, known)}.")
    return load_plan(shipped("models") / f"{name}.toml").to_toml_like()


@router.get("/schemas", tags=["questions"])
def list_schemas(caller: Reader) -> list[str]:
    """Names of the schemas: plan files and tables."""
    return ["plan", *TABLES]


@router.get("/schemas/{name}", tags=["questions"])
def get_schema(caller: Reader, name: Annotated[str, Path(max_length=100)]) -> dict[str, Any]:
    """The JSON Schema of plan files, or of the rows of a table, with the meaning and unit of every field."""
    if name != "plan" and name not in TABLES:
        raise ProblemError("not-found", f"There is no such schema{near_miss(name, ['plan', *TABLES])}.")
    return (Plan if name == "plan" else TABLES[name]).model_json_schema()


@router.get("/audit-log", tags=["administration"])
def list_audit_log(
    request: Request, caller: Admin, limit: Annotated[int, Query(ge=1, le=10_000)] = 1000
) -> list[dict[str, Any]]:
    """The audit log, newest first: who submitted, cancelled, resumed or deleted which job, and from which address."""
    return [vars(entry) for entry in request.app.state.store.log_entries(limit)]


# Uploads that were not run yet: a folder each, with what was seen of the plan when it came.


DRAFT = "draft.json"


def keep_draft(request: Request, caller: Caller, form: Uploaded) -> str:
    """Keep an upload; its name. The tenant's oldest ones make room."""
    files = dict(sorted(form.files.items(), key=lambda file: file[0].startswith("tables/")))  # the plan first
    settings = request.app.state.settings
    drafts = [(Folder(path).read(DRAFT) or {}, path) for path in (settings.folder / "drafts").glob("*")]
    mine = sorted((stated["at"], path) for stated, path in drafts if stated.get("tenant") == caller.tenant)
    for _, path in mine[: max(0, len(mine) - settings.most_drafts + 1)]:
        Folder(path).delete()
    folder = _place(request, new_id())
    try:
        folder.path.mkdir(parents=True)
        for name, data in files.items():
            folder.keep(name, data)
        folder.write(DRAFT, {"tenant": caller.tenant, "files": list(files), "label": form.label, "at": time.time()})
    except BaseException:
        folder.delete()
        raise
    return folder.path.name


def files_of(request: Request, caller: Caller, name: str) -> dict[str, bytes]:
    """Files of a draft; none where no draft is named. Raises ProblemError."""
    if not name:
        return {}
    folder, stated = own_draft(request, caller, name)
    return {file: (folder.path / file).read_bytes() for file in stated["files"]}


def own_draft(request: Request, caller: Caller, name: str) -> tuple[Folder, dict[str, Any]]:
    """A draft of the caller's tenant. Raises ProblemError."""
    folder = _place(request, name if name.isalnum() and len(name) == 32 else "none")
    stated = folder.read(DRAFT)
    if stated is None or stated["tenant"] != caller.tenant:
        raise ProblemError("not-found", "This upload no longer exists: please upload it again.")
    return folder, stated


def _place(request: Request, name: str) -> Folder:
    return Folder(request.app.state.settings.folder / "drafts" / name)


page_router = APIRouter(include_in_schema=False)
GAP = "gap"
"""The field of the form that is the run's, not the plan's."""
SESSION_S = 12 * 3600
MOST_JOBS = 100
MOST_SHORT = 80
"""Letters of an answer in a list."""
MOST_ROWS, MOST_COLUMNS = 60, 12
"""Of a table that is shown on a job's page; longer and wider ones are files."""
TITLES = {
    "outcome": "Outcome",
    "plan": "What differs in the plan",
    "differences": "Differences in the same new scenarios",
    "why": "What changed the plan",
    "inputs": "What differs in the question",
}
"""Tables of a comparison in the order of the page, as they are called there."""


def page(template: str, request: Request, status: int = 200, /, **facts: Any) -> HTMLResponse:
    """A template, filled; what is put into it is text. Raises InputError where the extra is missing."""
    try:
        import jinja2
    except ImportError:
        raise missing_part("serve", "jinja2", "service") from None
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("strategic_minerals.service", "web_files"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    signed_in = COOKIE in request.cookies
    return HTMLResponse(environment.get_template(template).render(signed_in=signed_in, **facts), status)


@page_router.get("/static/{name}")
def static(name: str) -> Response:
    """Style and script."""
    kinds = {"page.css": "text/css", "page.js": "text/javascript"}
    if name not in kinds:
        raise ProblemError("not-found", "There is no such file.")
    text = resources.files("strategic_minerals.service").joinpath("web_files", name).read_text(encoding="utf-8")
    return Response(text, media_type=kinds[name], headers={"Cache-Control": "max-age=300"})


@page_router.get("/login")
def login_page(request: Request) -> Response:
    """Where a token is typed in."""
    return page("login.html", request, wrong=False)


@page_router.post("/login")
def login(request: Request, token: Annotated[str, Form(max_length=200)]) -> Response:
    """Keep a token in a cookie, where it is one."""
    request.app.state.guard.same_origin(request)
    if request.app.state.store.token(digest_of(token.strip())) is None:
        request.app.state.guard.failed(request)
        return page("login.html", request, 401, wrong=True)
    answer = RedirectResponse("/", 303)
    settings = request.app.state.settings
    secure = request.url.scheme == "https" or settings.public_url.startswith("https")
    answer.set_cookie(COOKIE, token.strip(), max_age=SESSION_S, httponly=True, samesite="strict", secure=secure)
    return answer


@page_router.post("/logout")
def logout(request: Request) -> Response:
    """Forget the token."""
    request.app.state.guard.same_origin(request)
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE)
    return answer


@page_router.get("/")
def home(request: Request, caller: Reader) -> Response:
    """Jobs, and where a new one begins."""
    store = request.app.state.store
    places = store.positions()
    jobs = [status_of(request, job, places) for job in store.jobs(caller.tenant, None, MOST_JOBS)]
    return page("home.html", request, jobs=jobs, plans=list_plans(caller), may_submit=caller.may("submit"))


@page_router.post("/upload")
def upload(request: Request, caller: Submitter, form: Upload) -> Response:
    """Keep an uploaded plan as a draft."""
    name = keep_draft(request, caller, form)
    folder, stated = own_draft(request, caller, name)
    try:
        folder.write(DRAFT, {**stated, "seen": _seen(request, caller, name)})
    except BaseException:  # a full disk: nothing half is kept
        folder.delete()
        raise
    return RedirectResponse(f"/edit?draft={name}", 303)


def _seen(request: Request, caller: Caller, draft: str) -> dict[str, Any]:
    """What can be seen of an uploaded plan at once: its fields, names to choose among, faults and notes; empty where that is not
    possible now, for then it is seen when the plan is checked or run."""
    try:
        found, seen = checked(request, Sent("check", b"{}", files_of(request, caller, draft)))
        return {**seen, "faults": [fault.model_dump() for fault in _models(found)], "notes": found.notes}
    except (FaultsError, ProblemError) as error:
        faults = problem_of(error).faults
    folder, stated = own_draft(request, caller, draft)
    path = folder.path / stated["files"][0]
    readable = path.suffix in (".toml", ".json") and path.stat().st_size <= SMALL_BYTES
    values = raw_values(path) if readable and faults else {}
    return {"values": values, "faults": [fault.model_dump() for fault in faults]}


def _models(found: CheckResult) -> list[FaultModel]:
    return [FaultModel(**fault) for fault in found.faults]


@page_router.get("/edit")
def edit(request: Request, caller: Submitter, shipped_plan: str = "", draft: str = "") -> Response:
    """A plan's main fields, with the faults that it came with."""
    return _form(request, _start(request, caller, shipped_plan, draft), "")


@page_router.post("/edit")
async def run(request: Request, caller: Submitter) -> Response:
    """Check, or run, a plan with what was typed."""
    form = {name: str(value) for name, value in (await request.form()).items()}
    return await run_in_threadpool(_run, request, caller, form)


def _run(request: Request, caller: Caller, form: Mapping[str, str]) -> Response:
    start = _start(request, caller, form.get("shipped_plan", ""), form.get("draft", ""))
    shown = {**start.values, **{name: form[name].strip() for name in FIELDS if name in form}}
    files = files_of(request, caller, start.draft)
    named = {"shipped": start.shipped_plan or None, "set": changed(form, start.values)}
    gap = value_of(form.get(GAP, "0.001"))
    shown |= {GAP: form[GAP]} if GAP in form else {}
    text, notes, faults = "", list[str](), list[FaultModel]()
    try:
        if isinstance(gap, str | dict) or not 0 <= gap < 1:
            raise PlanError([Fault("form", "", GAP, form[GAP], "a share from 0 to under 1, such as 0.001 for 0.1 %")])
        if form.get("action") == "run":
            label = (form.get("label") or start.title)[:200]
            asked = {"kind": "solve", "quick": True, "label": label, "gap": gap, **named}
            job = submit(request, Sent("job", json.dumps(asked).encode(), files), caller)
            return RedirectResponse(f"/jobs/{job.id}", 303)
        found, _ = checked(request, Sent("check", json.dumps(named).encode(), files))
        faults, notes = _models(found), found.notes
        size = f"at most about {found.columns_at_most:,} columns, {found.facts} facts, {found.estimates} estimates"
        text = "" if faults else f"No faults. Model and data: {size}."
    except (FaultsError, ProblemError) as error:
        faults = problem_of(error).faults
        if not faults:
            raise
    if "application/json" in request.headers.get("accept", ""):
        # for the page's script, which puts them beside their fields
        near, others = _placed(faults)
        beside = {name: [_words(fault) for fault in found] for name, found in near.items() if found}
        return JSONResponse({"near": beside, "others": [_words(f, place=True) for f in others], "said": text})
    start = replace(start, values=shown, faults=faults, notes=notes)
    return _form(request, start, text, status=422 if faults else 200)


def _words(fault: FaultModel, *, place: bool = False) -> str:
    """A fault as a sentence. place: with where it is."""
    row = f":{fault.row}" if fault.row else ""
    where = f"{fault.file}{row} {fault.column}: " if place else ""
    return f"{where}found {fault.found}; expected {fault.expected}."


def _placed(faults: list[FaultModel]) -> tuple[dict[str, list[FaultModel]], list[FaultModel]]:
    """(faults by the field beside which they stand, the others)."""
    places = (*FIELDS, GAP)
    near = {name: [f for f in faults if f.column == name or f.column.startswith(f"{name}.")] for name in places}
    beside = [fault for found in near.values() for fault in found]
    return near, [fault for fault in faults if fault not in beside]


def _form(request: Request, start: Start, text: str, status: int = 200) -> Response:
    near, others = _placed(start.faults)
    values = start.values
    choices = {name: choices_of(field, values.get(name, ""), start.lists) for name, field in FIELDS.items()}
    beside = {name: " ".join(_words(fault) for fault in found) for name, found in near.items()}
    facts = {**vars(start), "groups": GROUPS, "choices": choices, "near": beside, "others": others, "said": text}
    return page("edit.html", request, status, **facts, unread=not values)


@dataclass(frozen=True)
class Start:
    """What the form shows: a plan that ships or a draft, its fields as text, what they choose among, faults, doubtful figures."""

    shipped_plan: str
    draft: str
    title: str
    values: dict[str, str]
    lists: dict[str, list[str]]
    faults: list[FaultModel]
    notes: list[str]


def _start(request: Request, caller: Caller, shipped_plan: str, draft: str) -> Start:
    """A plan to begin with. Raises ProblemError."""
    if shipped_plan:
        if shipped_plan not in shipped_plans():
            raise ProblemError("not-found", "There is no such plan.")
        plan = load_plan(shipped("models") / f"{shipped_plan}.toml")
        values, lists = values_of(plan.model_dump(mode="json")), lists_of(shipped_tables(plan.home))
        return Start(shipped_plan, "", plan.title or plan.name, values, lists, [], [])
    _, stated = own_draft(request, caller, draft)
    seen = {"values": {}, "lists": {}, "title": "", "faults": [], "notes": [], **stated.get("seen", {})}
    faults = [FaultModel(**fault) for fault in seen["faults"]]
    title = seen["title"] or stated["label"] or "an uploaded plan"
    return Start("", draft, title, seen["values"], seen["lists"], faults, seen["notes"])


@page_router.get("/jobs/{job_id}")
def job_page(request: Request, caller: Reader, job_id: Id) -> Response:
    """One job, live."""
    job = own(request, caller, job_id)
    solved = request.app.state.store.jobs(caller.tenant, "succeeded", MOST_JOBS)
    others = [other for other in solved if other.kind in PLANNING and other.id != job_id]
    return page(
        "job.html",
        request,
        job=status_of(request, job),
        others=[(other.id, f"{_named(other)}: {_short(other)}") for other in others],
        ended=job.state in ENDED,
        makes_plan=job.kind in PLANNING,
        may_submit=caller.may("submit"),
        name=_named(job),
        shown=_shown(request, job) if job.state == "succeeded" else [],
    )


def _shown(request: Request, job: Job) -> list[tuple[str, list[str], list[list[Cell]]]]:
    """(title, columns, rows) of the tables of a study that are short enough for the page."""
    if KINDS_OF_JOBS[job.kind].verb.makes_plan:
        return []
    folder = folder_of(request, job.id)
    stated = (folder.read(RESULT) or {}).get("tables", {})
    found = []
    for name in sorted(stated, key=lambda name: [*TITLES].index(name) if name in TITLES else len(TITLES)):
        place, columns = folder.table(name), list(stated[name]["kinds"])
        if place is not None and 0 < stated[name]["rows"] <= MOST_ROWS and len(columns) <= MOST_COLUMNS:
            rows = [list(row.values()) for row in records(folder, name)]
            title = TITLES.get(name, name.replace("_", " ").capitalize())
            bars = job.kind == "compare" and name == "outcome"
            found.append((title, columns, [_cells(row, bars=bars) for row in rows]))
    return found


Cell = tuple[str, float | None]
"""A cell as text, and the length of the bar below it [%]; None: none."""


def _cells(row: list[Any], *, bars: bool) -> list[Cell]:
    """A row as text, four figures of a number. bars: numbers beside each other are compared."""
    numbers = [_number(value) for value in row]
    most = max((abs(value) for value in numbers if value is not None), default=0.0)
    compared = bars and most > 0 and sum(value is not None for value in numbers) > 1
    return [
        (_text(value, number), 100 * abs(number) / most if compared and number is not None else None)
        for value, number in zip(row, numbers, strict=True)
    ]


def _number(value: Any) -> float | None:
    """A number, also one that stands in a column of text."""
    if isinstance(value, float) or (isinstance(value, str) and re.fullmatch(r"-?[0-9]+\.[0-9]+(e-?[0-9]+)?", value)):
        return float(value)
    return None


def _text(value: Any, number: float | None) -> str:
    if number is not None:
        return f"{number:,.4g}" if abs(number) < 1e4 else f"{number:,.0f}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _named(job: Job) -> str:
    at = time.strftime("%Y-%m-%d %H:%M", time.gmtime(job.submitted))
    return f"{job.label or job.kind} ({at}, {job.id[:8]})"


def _short(job: Job) -> str:
    """The beginning of an answer, to tell jobs apart by."""
    text = str(job.outcome.get("headline") or "")
    return text if len(text) <= MOST_SHORT else f"{text[:MOST_SHORT].rsplit(' ', 1)[0]} ..."


@page_router.post("/jobs/{job_id}/{action}")
def act(
    request: Request,
    caller: Submitter,
    job_id: Id,
    action: str,
    other: Annotated[str, Form(pattern=f"{JOB_ID}|^$")] = "",
) -> Response:
    """What the buttons of a job's page do."""
    if action == "compare" and other:
        asked = {"kind": "compare", "of": [job_id, other], "label": "comparison"}
        return RedirectResponse(f"/jobs/{submit(request, Sent('job', json.dumps(asked).encode()), caller).id}", 303)
    if action == "delete":
        delete_job(request, caller, job_id)
        return RedirectResponse("/", 303)
    work = {"cancel": cancel_job, "resume": resume_job}.get(action)
    if work is None:
        raise ProblemError("not-found", "There is no such button.")
    work(request, caller, job_id)
    return RedirectResponse(f"/jobs/{job_id}", 303)


def wrong(request: Request, problem: Problem) -> Response:
    """A problem as a page; who is not known is asked for a token."""
    if problem.status == 401:
        return RedirectResponse("/login", 303)
    return page("problem.html", request, problem.status, problem=problem)
