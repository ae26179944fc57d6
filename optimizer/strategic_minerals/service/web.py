"""Web pages: choose or upload a plan, edit the main fields, see faults next to the fields, run, follow, read, compare.

Rendered here, with a little JavaScript for what moves. A token typed in once stands in a cookie that scripts cannot read and other
sites cannot send.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from ..core.errors import Fault, FaultsError, PlanError, missing_part
from ..core.shipped import shipped
from ..data.plan_file import load_plan
from .api_schemas import CheckResult
from .authentication import COOKIE, Caller, digest_of
from .dependencies import Id, Reader, Submitter, folder_of, own, status_of
from .drafts import files_of, keep_draft, own_draft, seen_of_draft
from .entities import ENDED, Job
from .forms import Upload
from .job_folder import RESULT
from .kind_table import KINDS, PLANNING
from .plan_form import FIELDS, GROUPS, changed, choices_of, lists_of, raw_values, value_of, values_of
from .problem_details import FaultModel, Problem, ProblemError
from .questions import shipped_tables
from .reading import shipped_plans
from .results import records
from .routes import accept, cancel_job, checked, delete_job, resume_job
from .submission import SMALL_BYTES, Sent
from .wording import JOB_ID

router = APIRouter(include_in_schema=False)
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


@router.get("/static/{name}")
def static(name: str) -> Response:
    """Style and script."""
    kinds = {"page.css": "text/css", "page.js": "text/javascript"}
    if name not in kinds:
        raise ProblemError("not-found", "There is no such file.")
    text = resources.files("strategic_minerals.service").joinpath("web_files", name).read_text(encoding="utf-8")
    return Response(text, media_type=kinds[name], headers={"Cache-Control": "max-age=300"})


@router.get("/login")
def login_page(request: Request) -> Response:
    """Where a token is typed in."""
    return page("login.html", request, wrong=False)


@router.post("/login")
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


@router.post("/logout")
def logout(request: Request) -> Response:
    """Forget the token."""
    request.app.state.guard.same_origin(request)
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE)
    return answer


@router.get("/")
def home(request: Request, caller: Reader) -> Response:
    """Jobs, and where a new one begins."""
    store = request.app.state.store
    places = store.positions()
    jobs = [status_of(request, job, places) for job in store.jobs(caller.tenant, None, MOST_JOBS)]
    plans = {name: load_plan(shipped("models") / f"{name}.toml").title or name for name in shipped_plans()}
    return page("home.html", request, jobs=jobs, plans=plans, may_submit=caller.may("submit"))


@router.post("/upload")
def upload(request: Request, caller: Submitter, form: Upload) -> Response:
    """Keep an uploaded plan as a draft."""
    name = keep_draft(request, caller, form)
    try:
        seen_of_draft(request, caller, name, _seen(request, caller, name))
    except BaseException:  # a full disk: nothing half is kept
        own_draft(request, caller, name)[0].delete()
        raise
    return RedirectResponse(f"/edit?draft={name}", 303)


def _seen(request: Request, caller: Caller, draft: str) -> dict[str, Any]:
    """What can be seen of an uploaded plan at once: its fields, names to choose among, faults and notes; empty where that is not
    possible now, for then it is seen when the plan is checked or run."""
    try:
        found, seen = checked(request, Sent("check", b"{}", files_of(request, caller, draft)))
        return {**seen, "faults": [fault.model_dump() for fault in _models(found)], "notes": found.notes}
    except FaultsError as error:
        faults = ProblemError("invalid", "", error.faults).problem.faults
    except ProblemError as error:
        faults = error.problem.faults
    folder, stated = own_draft(request, caller, draft)
    path = folder.path / stated["files"][0]
    readable = path.suffix in (".toml", ".json") and path.stat().st_size <= SMALL_BYTES
    values = raw_values(path) if readable and faults else {}
    return {"values": values, "faults": [fault.model_dump() for fault in faults]}


def _models(found: CheckResult) -> list[FaultModel]:
    return [FaultModel(**fault) for fault in found.faults]


@router.get("/edit")
def edit(request: Request, caller: Submitter, shipped_plan: str = "", draft: str = "") -> Response:
    """A plan's main fields, with the faults that it came with."""
    start = _start(request, caller, shipped_plan, draft)
    return _form(request, start, start.values, start.faults, "", start.notes)


@router.post("/edit")
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
    said, notes, faults = "", list[str](), list[FaultModel]()
    try:
        if isinstance(gap, str | dict) or not 0 <= gap < 1:
            raise PlanError([Fault("form", "", GAP, form[GAP], "a share from 0 to under 1, such as 0.001 for 0.1 %")])
        if form.get("action") == "run":
            asked = {
                "kind": "solve",
                "quick": True,
                "label": (form.get("label") or start.title)[:200],
                "gap": gap,
                **named,
            }
            job = accept(request, Sent("job", json.dumps(asked).encode(), files), caller)
            return RedirectResponse(f"/jobs/{job.id}", 303)
        found, _ = checked(request, Sent("check", json.dumps(named).encode(), files))
        faults, notes = _models(found), found.notes
        size = f"at most about {found.columns_at_most:,} columns, {found.facts} facts, {found.estimates} estimates"
        said = "" if faults else f"No faults. Model and data: {size}."
    except FaultsError as error:
        faults = ProblemError("invalid", "", error.faults).problem.faults
    except ProblemError as error:
        if not error.problem.faults:
            raise
        faults = error.problem.faults
    if "application/json" in request.headers.get(
        "accept", ""
    ):  # the page's script, which puts them beside their fields
        near, others = _placed(faults)
        beside = {name: [_words(fault) for fault in found] for name, found in near.items() if found}
        return JSONResponse({"near": beside, "others": [_words(f, place=True) for f in others], "said": said})
    return _form(request, start, shown, faults, said, notes, status=422 if faults else 200)


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


def _form(
    request: Request,
    start: Start,
    values: Mapping[str, str],
    faults: list[FaultModel],
    said: str,
    notes: list[str],
    status: int = 200,
) -> Response:
    near, others = _placed(faults)
    return page(
        "edit.html",
        request,
        status,
        groups=GROUPS,
        values=values,
        choices={name: choices_of(field, values.get(name, ""), start.lists) for name, field in FIELDS.items()},
        near={name: " ".join(_words(fault) for fault in found) for name, found in near.items()},
        others=others,
        said=said,
        notes=notes,
        title=start.title,
        shipped_plan=start.shipped_plan,
        draft=start.draft,
        unread=not values,
    )


@dataclass(frozen=True)
class Start:
    """What the form begins with: a plan that ships or a draft, its fields as text, what they choose among, its faults."""

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


@router.get("/jobs/{job_id}")
def job_page(request: Request, caller: Reader, job_id: Id) -> Response:
    """One job, live."""
    job = own(request, caller, job_id)
    solved = request.app.state.store.jobs(caller.tenant, "succeeded", MOST_JOBS)
    others = [
        (other.id, f"{_named(other)}: {_short(other)}")
        for other in solved
        if other.kind in PLANNING and other.id != job_id
    ]
    return page(
        "job.html",
        request,
        job=status_of(request, job),
        others=others,
        ended=job.state in ENDED,
        makes_plan=job.kind in PLANNING,
        may_submit=caller.may("submit"),
        name=_named(job),
        shown=_shown(request, job) if job.state == "succeeded" else [],
    )


def _shown(request: Request, job: Job) -> list[tuple[str, list[str], list[list[Cell]]]]:
    """(title, columns, rows) of the tables of a study that are short enough for the page."""
    if KINDS[job.kind].verb.makes_plan:
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
    said = str(job.outcome.get("headline") or "")
    return said if len(said) <= MOST_SHORT else f"{said[:MOST_SHORT].rsplit(' ', 1)[0]} ..."


@router.post("/jobs/{job_id}/{action}")
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
        return RedirectResponse(f"/jobs/{accept(request, Sent('job', json.dumps(asked).encode()), caller).id}", 303)
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
