"""Answers of jobs: figures, tables, report, run folder and log."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from typing import IO, Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse, StreamingResponse

from ..core.format import FORMAT
from .authentication import Caller
from .dependencies import WRONG, Id, Reader, aside, folder_of, own
from .entities import Job
from .job_folder import LOG, REPORT, RESULT, Folder
from .job_runners import end, start
from .kind_table import KINDS, JobResult, TableLink
from .problem_details import ProblemError

PAGE_S = 120.0
"""Seconds that making a report may take."""
WHOLE = {"Accept-Ranges": "none"}
"""An answer comes whole."""

router = APIRouter(prefix="/v1", responses={**WRONG})  # type: ignore[dict-item]


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
    responses={
        200: {
            "content": {"text/csv": {"schema": {"type": "string"}}, "application/json": {}},
            "description": "The table",
        }
    },
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
    responses={
        200: {
            "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
            "description": "A ZIP",
        }
    },
)
def get_archive(request: Request, caller: Reader, job_id: Id) -> Response:
    """The run folder, or the tables of a study, as a ZIP; a run folder can be opened with `load_result` and `verify`."""
    folder, job = answered(request, caller, job_id)
    held: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed when it has been sent)
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        root = folder.path / ("run" if KINDS[job.kind].verb.makes_plan else "out")
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
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}, "description": "The page"}},
)
def get_report(request: Request, caller: Reader, job_id: Id) -> Response:
    """The report as a page that works offline; for a study or comparison, the report of its plan."""
    folder, job = answered(request, caller, job_id)
    if not KINDS[job.kind].has_report:
        raise ProblemError("conflict", f"A job of kind {job.kind} has tables but no report.")
    path = folder.path / REPORT
    if not path.is_file():
        with aside(request):
            process = start(folder, "page")
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(PAGE_S)
            end(process, 0.0)
    if not path.is_file():
        raise ProblemError(
            "unavailable", "The report could not be made. It needs the extra: pip install 'strategic-minerals[report]'"
        )
    from ..report.content_policy import POLICY

    headers = {
        **WHOLE,
        "Content-Security-Policy": f"{POLICY}; sandbox allow-scripts allow-downloads; frame-ancestors 'self'",
    }
    return FileResponse(path, media_type="text/html; charset=utf-8", headers=headers)


@router.get("/jobs/{job_id}/log", tags=["results"], response_class=PlainTextResponse)
def get_log(request: Request, caller: Reader, job_id: Id) -> Response:
    """The log of the job."""
    own(request, caller, job_id)
    path = folder_of(request, job_id).path / LOG
    return PlainTextResponse(path.read_text(encoding="utf-8", errors="replace") if path.is_file() else "")


def answered(request: Request, caller: Caller, job_id: str) -> tuple[Folder, Job]:
    """The folder of a job that succeeded. Raises ProblemError."""
    job = own(request, caller, job_id)
    if job.state != "succeeded":
        raise ProblemError("conflict", f"The job has no answer: its state is {job.state}.")
    return folder_of(request, job_id), job


def records(folder: Folder, name: str) -> list[dict[str, Any]]:
    """A table as records. Raises ProblemError."""
    from ..core.frames import records as of_frame
    from ..results.run_contents import read_table

    place = folder.table(name)
    if place is None:
        raise ProblemError("not-found", f"The result has no table `{name}`.")
    return of_frame(read_table(*place))
