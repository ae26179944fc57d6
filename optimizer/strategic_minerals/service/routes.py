"""Routes of the API, version 1."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import nullcontext
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from ..core.errors import near_miss
from ..core.shipped import shipped
from ..data.plan_file import load_plan
from ..schemas.plan import Plan
from ..schemas.tables import TABLES
from .api_schemas import CheckResult, Health, JobList, JobStatus, Readiness, WebhookStatus
from .authentication import Caller, busy
from .dependencies import WRONG, Admin, Id, Reader, Submitter, aside, folder_of, note, own, status_of, webhook_of
from .entities import ENDED, Job, State
from .forms import UPLOAD, Upload
from .job_folder import LIMITS, REQUEST, RESULT, Folder, new_id
from .job_runners import JobLimits
from .plan_form import SEEN
from .problem_details import Problem, ProblemError
from .queue_store import quota_of
from .reading import shipped_plans
from .submission import NO_TRACE, Sent, submit, take, told
from .wording import CURSOR, KEY

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
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise ProblemError("unsupported", "Send JSON, with the header `Content-Type: application/json`.")
    try:
        return await request.body()
    except ClientDisconnect:
        raise ProblemError("malformed", "The body ended early.") from None


Body = Annotated[bytes, Depends(json_body)]


@router.post("/jobs", status_code=202, response_model=JobStatus, tags=["jobs"], openapi_extra=takes("JobRequest"))
def submit_job(request: Request, response: Response, caller: Submitter, body: Body, key: Key = None) -> JobStatus:
    """Submit a job. If it has faults that can be found quickly, the answer is 422 with the same faults as a check; errors that show
    only during the solve make the job fail. A job is stored before it is accepted, and survives a crash from then on."""
    return _submitted(request, response, Sent("job", body), caller, key)


@router.post("/jobs/upload", status_code=202, response_model=JobStatus, tags=["jobs"], openapi_extra=UPLOAD)
def submit_upload(request: Request, response: Response, caller: Submitter, form: Upload, key: Key = None) -> JobStatus:
    """Submit a plan as a file, with its tables as files. File names of tables say which table they are; others are only labels."""
    return _submitted(
        request, response, Sent("upload", form.options.encode("utf-8", "surrogatepass"), form.files), caller, key
    )


def _submitted(request: Request, response: Response, sent: Sent, caller: Caller, key: str | None) -> JobStatus:
    job = accept(request, sent, caller, key)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return status_of(request, job)


def accept(request: Request, sent: Sent, caller: Caller, key: str | None = None) -> Job:
    """What was sent as a job, counted where it is new, told to the dispatcher. Raises as `submit`."""
    state = request.app.state
    trace = getattr(request.state, "trace", NO_TRACE)
    job, fresh = submit(sent, caller, key, state.settings, state.store, lambda: aside(request), trace)
    if fresh:
        state.metrics.submitted(job.kind)
    state.dispatcher.wake()
    request.state.job = job.id  # for the log of the request
    return job


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
    following = (
        f"/v1/jobs?limit={limit}&before={found[-1].submitted!r}-{found[-1].id}{more}" if len(found) == limit else None
    )
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
        begin, told, now = time.monotonic(), "", job
        try:
            while time.monotonic() - begin < LONGEST_STREAM_S:
                status = await run_in_threadpool(status_of, request, now)
                changed = _without_time(status)
                yield f"event: status\ndata: {status.model_dump_json()}\n\n" if changed != told else ": still there\n\n"
                told = changed
                if now.state in ENDED or state.dispatcher.stopping:
                    return
                await asyncio.sleep(STREAM_PAUSE_S)
                found = await run_in_threadpool(state.store.job, job_id, caller.tenant)
                if found is None or not await run_in_threadpool(
                    state.guard.still, caller
                ):  # deleted, or no caller any more
                    return
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
        with told():
            store.room(caller.tenant, settings.most_queued, settings.most_queued_of_tenant, quota_of(settings))
    if not store.put_back(job_id, ("interrupted", "cancelled", "failed")):
        raise ProblemError(
            "conflict", f"The state of the job is {job.state}; only a job that ended without an answer can be resumed."
        )
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
        told_of = ended.get("problem")
        raise (
            ProblemError("unavailable", "The question could not be checked.")
            if told_of is None
            else ProblemError.of(Problem(**told_of))
        )
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
