"""What routes share: who may ask, which job is meant, how it looks to callers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Literal
from urllib.parse import urlsplit

from fastapi import Depends, Path, Request

from .api_schemas import JobStatus, Progress, WebhookStatus
from .authentication import Caller, busy, needs
from .entities import ENDED, AuditLogEntry, Job
from .job_folder import Folder
from .kind_table import KINDS
from .problem_details import MEDIA_TYPE, Problem, ProblemError
from .tracing import Trace
from .webhook_store import MOST_TRIES, WebhookState
from .wording import JOB_ID

WRONG = {
    code: {"description": said, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    for code, said in (
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
    request.app.state.store.log(AuditLogEntry(time.time(), caller.tenant, caller.token, caller.address, action, job_id))


def status_of(request: Request, job: Job, places: Mapping[str, int] | None = None) -> JobStatus:
    """A job as callers see it. places: places in the queue by job, where they are known already."""
    return told_of(job, request.app.state.store.position(job) if places is None else places.get(job.id))


def told_of(job: Job, place: int | None = None) -> JobStatus:
    """A job as callers see it, at a place in the queue."""
    at = f"/v1/jobs/{job.id}"
    links = {"self": at, "events": f"{at}/events", "log": f"{at}/log"}
    if job.state == "succeeded":
        links |= {"result": f"{at}/result", "archive": f"{at}/archive"}
        links |= {"report": f"{at}/report"} if KINDS[job.kind].has_report else {}
    given = job.outcome.get("problem")
    told = {name: value for name, value in job.progress.items() if name in Progress.model_fields}
    if told and job.state == "running" and job.started is not None:
        told["seconds"] = max(0.0, time.time() - job.started)  # what its process wrote down is some seconds old
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
        progress=Progress(**told) if told else None,
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
