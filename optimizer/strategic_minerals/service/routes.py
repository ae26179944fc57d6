"""The API, version 1: what callers may ask for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import tempfile
import time
import zipfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import IO, Annotated, Any, Literal

from fastapi import APIRouter, Depends, File, Form, Header, Path, Query, Request, Response, UploadFile
from fastapi.responses import FileResponse, PlainTextResponse, StreamingResponse
from pydantic import TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool

from ..errors import Fault, near_miss
from ..library import shipped
from ..plan import Plan
from ..plan_file import load_plan
from ..rows import TABLES
from .files import LOG, REPORT, REQUEST, RESULT, Folder, new_id
from .messages import (
    JOB_ID,
    CheckResult,
    Health,
    JobList,
    JobRequest,
    JobResult,
    JobStatus,
    Progress,
    Question,
    Readiness,
    SolveRequest,
    SweepRequest,
    TableLink,
)
from .problems import MEDIA_TYPE, Problem, ProblemError
from .records import ENDED, Deed, Job, State
from .runners import Patience, end, start
from .security import Caller, busy, needs
from .submission import kind_of_plan, shipped_plans, submit, table_file, written

CHECK_S = 60.0
"""Seconds that looking at a question may take."""
PAGE_S = 120.0
"""Seconds that making a report may take."""
STREAM_PAUSE_S = 0.5
LONGEST_STREAM_S = 3600.0

WRONG = {
    code: {"description": said, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    for code, said in (
        (400, "Cannot be read"), (401, "No token, or none that is known"), (403, "Not allowed"), (404, "Not there"),
        (409, "In another state"), (413, "Too large"), (422, "Wrong: the faults say where"), (429, "Too much at once"),
    )
}  # fmt: skip

health = APIRouter(tags=["health"])
router = APIRouter(prefix="/v1", responses={**WRONG, 400: {**WRONG[400], "model": Problem}})  # type: ignore[dict-item]

Reader = Annotated[Caller, Depends(needs("read"))]
Submitter = Annotated[Caller, Depends(needs("submit"))]
Admin = Annotated[Caller, Depends(needs("admin"))]
Id = Annotated[str, Path(pattern=JOB_ID, description="The job's name.", examples=["0123456789abcdef0123456789abcdef"])]
Key = Annotated[
    str | None, Header(alias="Idempotency-Key", pattern=r"^[!-~]{1,200}$", description="The same key twice is the same job.")
]


@health.get("/healthz")
async def healthz() -> Health:
    """Whether the service stands: for a load balancer, often asked."""
    return Health(status="ok")


@health.get("/readyz", responses={503: {"model": Readiness, "description": "It cannot take jobs"}})
def readyz(request: Request, response: Response) -> Readiness:
    """Whether it can take jobs: the solver answers its test programs rightly, the store is writable, the queue is served."""
    state, checks = request.app.state, {}
    try:
        state.store.writable()
        checks["store"] = "ok"
    except Exception as error:
        checks["store"] = f"not writable: {type(error).__name__}"
    checks["queue"] = "ok" if state.dispatcher.alive else "not served"
    checks["solver"] = state.canary.look()
    ready = all(found == "ok" for found in checks.values())
    response.status_code = 200 if ready else 503
    return Readiness(ready=ready, checks=checks)


@health.get("/metrics", response_class=PlainTextResponse, responses={401: WRONG[401], 403: WRONG[403], 429: WRONG[429]})
def metrics(request: Request, caller: Reader) -> Response:
    """Figures in Prometheus's text format."""
    return Response(request.app.state.metrics.text(request.app.state.store), media_type="text/plain; version=0.0.4")


@router.post("/jobs", status_code=202, response_model=JobStatus, tags=["jobs"])
def post_job(request: Request, response: Response, body: JobRequest, caller: Submitter, key: Key = None) -> JobStatus:
    """Submit a job. It is kept before this answers, and survives whatever happens then."""
    return _submitted(request, response, body, {}, caller, key)


@router.post("/jobs/upload", status_code=202, response_model=JobStatus, tags=["jobs"])
def post_upload(
    request: Request, response: Response, caller: Submitter,
    plan: Annotated[UploadFile, File(description="A plan: TOML, JSON or xlsx, told by what it holds.")],
    tables: Annotated[list[UploadFile] | None, File(description="Own tables, <table>.csv each.")] = None,
    options: Annotated[str, Form(max_length=1_000_000, description="JSON: the other fields of a solve or a sweep.")] = "{}",
    key: Key = None,
) -> JobStatus:  # fmt: skip
    """Submit a plan as a file, with its tables as files. Names of files are labels only; those of tables say which they are."""
    asked = _options(options)
    content = plan.file.read()
    files = {kind_of_plan(content): content}
    for table in tables or ():
        files[table_file(table.filename or "")] = table.file.read()
    return _submitted(request, response, asked, files, caller, key)


def _options(text: str) -> SolveRequest | SweepRequest:
    """The rest of a request that came with a file. Raises ProblemError."""
    kinds: TypeAdapter[SolveRequest | SweepRequest] = TypeAdapter(SolveRequest | SweepRequest)
    try:
        given = json.loads(text)
        found = kinds.validate_python({"kind": "solve", **given} if isinstance(given, dict) else given)
    except ValidationError as error:
        faults = [
            Fault("options", "", ".".join(map(str, item["loc"][1:])), repr(item.get("input"))[:200], item["msg"])
            for item in error.errors()
        ]
        raise ProblemError("invalid", "", faults) from None
    except (ValueError, RecursionError):
        raise ProblemError("malformed", "options is no JSON.") from None
    twice = [name for name in ("plan", "plan_toml", "shipped", "tables") if getattr(found, name) is not None]
    if twice:
        raise ProblemError("invalid", "", [Fault("options", "", name, "a value", "nothing: the file says it") for name in twice])
    return found


def _submitted(
    request: Request, response: Response, body: Any, files: dict[str, bytes], caller: Caller, key: str | None
) -> JobStatus:
    state = request.app.state
    job = submit(body, files, caller, key, state.settings, state.store)
    state.metrics.submitted(job.kind)
    state.dispatcher.wake()
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return status_of(request, job)


@router.get("/jobs", tags=["jobs"])
def get_jobs(
    request: Request, caller: Reader,
    state: Annotated[State | None, Query(description="Only jobs in this state.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[float | None, Query(ge=0, le=1e12, allow_inf_nan=False, description="Earlier [s since 1970].")] = None,
) -> JobList:  # fmt: skip
    """The tenant's jobs, the newest first."""
    found = request.app.state.store.jobs(caller.tenant, state, limit, before)
    more = f"&state={state}" if state is not None else ""
    following = f"/v1/jobs?limit={limit}&before={found[-1].submitted!r}{more}" if len(found) == limit else None
    return JobList(jobs=[status_of(request, job) for job in found], next=following)


@router.get("/jobs/{job_id}", tags=["jobs"])
def get_job(request: Request, caller: Reader, job_id: Id) -> JobStatus:
    """State, place in the queue, and while it runs: phase, best plan, bound, gap, time left."""
    return status_of(request, own(request, caller, job_id))


@router.get(
    "/jobs/{job_id}/events", tags=["jobs"], response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "Server-sent events"}},
)  # fmt: skip
async def get_events(request: Request, caller: Reader, job_id: Id) -> Response:
    """The status as server-sent events, one at each change, until the job has ended."""
    job = await run_in_threadpool(own, request, caller, job_id)
    state = request.app.state
    if not state.streams.enter(caller.tenant, state.settings.most_streams):
        raise busy("Too many event streams are open.", 10.0)

    async def events() -> AsyncIterator[str]:
        begin, told, now = time.monotonic(), "", job
        try:
            while time.monotonic() - begin < LONGEST_STREAM_S:
                text = (await run_in_threadpool(status_of, request, now)).model_dump_json()
                yield f"event: status\ndata: {text}\n\n" if text != told else ": still there\n\n"
                told = text
                if now.state in ENDED or state.dispatcher.stopping:
                    return
                await asyncio.sleep(STREAM_PAUSE_S)
                found = await run_in_threadpool(state.store.job, job_id, caller.tenant)
                if found is None:  # deleted
                    return
                now = found
        finally:
            state.streams.leave(caller.tenant)

    return StreamingResponse(events(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


@router.post("/jobs/{job_id}/cancel", tags=["jobs"])
def cancel_job(request: Request, caller: Submitter, job_id: Id) -> JobStatus:
    """Stop a job; one that has ended stays as it is. A running one is `stopping` for a moment."""
    own(request, caller, job_id)
    job = request.app.state.store.cancel(job_id) or own(request, caller, job_id)
    _deed(request, caller, "cancel", job_id)
    return status_of(request, job)


@router.post("/jobs/{job_id}/resume", tags=["jobs"])
def resume_job(request: Request, caller: Submitter, job_id: Id) -> JobStatus:
    """Let an interrupted or cancelled job wait again; a sweep goes on where it was."""
    job = own(request, caller, job_id)
    if not request.app.state.store.put_back(job_id, ("interrupted", "cancelled")):
        raise ProblemError("conflict", f"The job is {job.state}; only an interrupted or a cancelled one can go on.")
    _deed(request, caller, "resume", job_id)
    request.app.state.dispatcher.wake()
    return status_of(request, own(request, caller, job_id))


@router.delete("/jobs/{job_id}", status_code=204, tags=["jobs"])
def delete_job(request: Request, caller: Submitter, job_id: Id) -> Response:
    """Delete a job that has ended, with everything that it left."""
    job = own(request, caller, job_id)
    if not request.app.state.store.delete(job_id):
        raise ProblemError("conflict", f"The job is {job.state}: cancel it first.")
    _deed(request, caller, "delete", job_id)
    folder_of(request, job_id).delete()
    return Response(status_code=204)


@router.get("/jobs/{job_id}/result", tags=["results"])
def get_result(
    request: Request, caller: Reader, job_id: Id,
    include: Annotated[list[str] | None, Query(max_length=50, description="Tables to put into the answer, whole.")] = None,
) -> JobResult:  # fmt: skip
    """The answer: headline, figures, words, and its tables by name."""
    folder, job = answered(request, caller, job_id)
    found = folder.read(RESULT) or {}
    links = {name: TableLink(rows=table["rows"], csv=f"/v1/jobs/{job_id}/tables/{name}") for name, table in found["tables"].items()}
    return JobResult(
        id=job_id, kind=job.kind, headline=found["headline"], facts=found["facts"], summary=found["summary"], tables=links,
        included={name: _records(folder, name) for name in include or ()},
    )  # fmt: skip


@router.get(
    "/jobs/{job_id}/tables/{name}", tags=["results"], response_class=FileResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}, "application/json": {}}, "description": "The table"}},
)  # fmt: skip
def get_table(
    request: Request, caller: Reader, job_id: Id, name: Annotated[str, Path(max_length=100)],
    form: Annotated[Literal["csv", "json"], Query(alias="format")] = "csv",
) -> Response:  # fmt: skip
    """One table as CSV, or as JSON with a record a row."""
    folder, _ = answered(request, caller, job_id)
    if form == "json":
        return Response(json.dumps(_records(folder, name)), media_type="application/json")
    place = folder.table(name)
    if place is None:
        raise ProblemError("not-found", "The result has no table of that name.")
    return FileResponse(place[0], media_type="text/csv", filename=place[0].name)


@router.get(
    "/jobs/{job_id}/archive", tags=["results"], response_class=Response,
    responses={200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}, "description": "A ZIP"}},
)  # fmt: skip
def get_archive(request: Request, caller: Reader, job_id: Id) -> Response:
    """The run folder, or the tables of a study, as one ZIP; a run folder opens with `load_result` and `verify`."""
    folder, job = answered(request, caller, job_id)
    held: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed when it has been sent)
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        root = folder.path / ("run" if job.kind == "solve" else "out")
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
    "/jobs/{job_id}/report", tags=["results"], response_class=Response,
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}, "description": "The page"}, 503: WRONG[429]},
)  # fmt: skip
def get_report(request: Request, caller: Reader, job_id: Id) -> Response:
    """The report as one page that works offline; of a study or a comparison, the report of the plan that it is about."""
    folder, job = answered(request, caller, job_id)
    if job.kind == "sweep":
        raise ProblemError("not-found", "A sweep has tables, and no report.")
    path = folder.path / REPORT
    if not path.is_file():
        with _one_of_few(request):
            process = start(folder, "page")
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(PAGE_S)
            end(process, 0.0)
    if not path.is_file():
        raise ProblemError("unavailable", "The report could not be made; is `strategic-minerals[report]` installed?")
    from ..report.policy import POLICY

    headers = {"Content-Security-Policy": f"{POLICY}; sandbox allow-scripts allow-downloads; frame-ancestors 'self'"}
    return FileResponse(path, media_type="text/html; charset=utf-8", headers=headers)


@router.get("/jobs/{job_id}/log", tags=["results"], response_class=PlainTextResponse)
def get_log(request: Request, caller: Reader, job_id: Id) -> Response:
    """What the job said of itself."""
    own(request, caller, job_id)
    path = folder_of(request, job_id).path / LOG
    return PlainTextResponse(path.read_text(encoding="utf-8", errors="replace") if path.is_file() else "")


@router.post("/check", tags=["questions"])
def check(request: Request, caller: Submitter, body: Question) -> CheckResult:
    """Look at a plan and its tables without solving: every fault, what looks doubtful, how much rests on estimates."""
    return checked(request, body, {})


def checked(request: Request, body: Question, files: dict[str, bytes]) -> CheckResult:
    """Faults and notes of a question, found in a process of its own."""
    settings = request.app.state.settings
    with _one_of_few(request):
        folder = Folder(settings.folder / "checks" / new_id())
        folder.path.mkdir(parents=True)
        try:
            folder.write(REQUEST, {**written(body, files, folder, settings), "kind": "check"})
            folder.write("limits.json", {"memory_mib": settings.memory_mib})
            request.app.state.checker.attend(folder, Patience(CHECK_S, 0.0), lambda _: None, lambda: False)
            found = folder.read(RESULT)
        finally:
            folder.delete()
    if found is None:
        raise ProblemError("unavailable", "The question could not be looked at in time.")
    return CheckResult(**found["facts"])


class _one_of_few:  # noqa: N801  (used as a context)
    """Room for a process beside the jobs. Raises ProblemError where there is none."""

    def __init__(self, request: Request) -> None:
        self._room = request.app.state.checks

    def __enter__(self) -> None:
        if not self._room.acquire(timeout=10.0):
            raise busy("Too many checks and reports at once.", 5.0)

    def __exit__(self, *_: object) -> None:
        self._room.release()


@router.get("/plans", tags=["questions"])
def get_plans(caller: Reader) -> dict[str, str]:
    """Shipped plans: name -> title."""
    return {name: load_plan(shipped("models") / f"{name}.toml").title or name for name in shipped_plans()}


@router.get("/plans/{name}", tags=["questions"])
def get_plan(caller: Reader, name: Annotated[str, Path(max_length=100)]) -> dict[str, Any]:
    """A shipped plan, to start from."""
    known = shipped_plans()
    if name not in known:
        raise ProblemError("not-found", f"There is no such plan{near_miss(name, known)}.")
    return load_plan(shipped("models") / f"{name}.toml").to_toml_like()


@router.get("/schemas", tags=["questions"])
def get_schemas(caller: Reader) -> list[str]:
    """Names of schemas: the plan's, and each table's."""
    return ["plan", *TABLES]


@router.get("/schemas/{name}", tags=["questions"])
def get_schema(caller: Reader, name: Annotated[str, Path(max_length=100)]) -> dict[str, Any]:
    """The JSON Schema of plans, or of a table's rows, with the meaning and unit of every field."""
    if name != "plan" and name not in TABLES:
        raise ProblemError("not-found", f"There is no such schema{near_miss(name, ['plan', *TABLES])}.")
    return (Plan if name == "plan" else TABLES[name]).model_json_schema()


@router.get("/deeds", tags=["administration"])
def get_deeds(request: Request, caller: Admin, limit: Annotated[int, Query(ge=1, le=10_000)] = 1000) -> list[dict[str, Any]]:
    """The audit log, the newest first: who submitted, cancelled, resumed, deleted what, and from where."""
    return [vars(deed) for deed in request.app.state.store.deeds(limit)]


def own(request: Request, caller: Caller, job_id: str) -> Job:
    """A job of the caller's tenant. Raises ProblemError: another tenant's job is not there."""
    found: Job | None = request.app.state.store.job(job_id, caller.tenant)
    if found is None:
        raise ProblemError("not-found", "There is no such job.")
    return found


def folder_of(request: Request, job_id: str) -> Folder:
    """A job's folder."""
    return Folder.of(request.app.state.settings.folder, job_id)


def answered(request: Request, caller: Caller, job_id: str) -> tuple[Folder, Job]:
    """The folder of a job that succeeded. Raises ProblemError."""
    job = own(request, caller, job_id)
    if job.state != "succeeded":
        raise ProblemError("conflict", f"The job has no answer: it is {job.state}.")
    return folder_of(request, job_id), job


def _records(folder: Folder, name: str) -> list[dict[str, Any]]:
    """A table as records. Raises ProblemError."""
    from ..frames import records
    from ..runfolder import read_table

    place = folder.table(name)
    if place is None:
        raise ProblemError("not-found", f"The result has no table {name}.")
    return records(read_table(*place))


def _deed(request: Request, caller: Caller, action: str, job_id: str) -> None:
    request.app.state.store.log(Deed(time.time(), caller.tenant, caller.token, caller.address, action, job_id))


def status_of(request: Request, job: Job) -> JobStatus:
    """A job as callers see it."""
    at = f"/v1/jobs/{job.id}"
    links = {"self": at, "events": f"{at}/events", "log": f"{at}/log"}
    if job.state == "succeeded":
        links |= {"result": f"{at}/result", "archive": f"{at}/archive"}
        links |= {} if job.kind == "sweep" else {"report": f"{at}/report"}
    given = job.outcome.get("problem")
    told = {name: value for name, value in job.progress.items() if name in Progress.model_fields}
    return JobStatus(
        id=job.id, kind=job.kind, label=job.label, state=job.state, submitted=_time(job.submitted),
        started=None if job.started is None else _time(job.started), ended=None if job.ended is None else _time(job.ended),
        stopping=job.stopping and job.state == "running", position=request.app.state.store.position(job),
        progress=Progress(**told) if told else None, headline=job.outcome.get("headline"),
        problem=None if given is None else Problem(**given), links=links,
    )  # fmt: skip


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
