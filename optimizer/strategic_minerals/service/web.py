"""Web pages: choose or upload a plan, edit the main fields, see faults next to the fields, run, follow, read, compare.

Rendered here, with a little JavaScript for what moves. A token typed in once stands in a cookie that scripts cannot read and other
sites cannot send.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from importlib import resources
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from ..core.errors import Fault, FaultsError, PlanError, missing_part
from ..core.shipped import shipped
from ..data.plan_file import load_plan
from ..schemas.plan import Plan
from .authentication import COOKIE, Caller, digest_of, needs
from .bundles import BUNDLE
from .dependencies import Id, own, status_of
from .entities import ENDED, Job
from .forms import Upload
from .job_folder import Folder, new_id
from .kind_table import PLANNING
from .problem_details import FaultModel, Problem, ProblemError
from .questions import shipped_tables
from .reading import shipped_plans
from .routes import accept, cancel_job, checked, delete_job, resume_job
from .submission import SMALL_BYTES, Sent
from .wording import JOB_ID

router = APIRouter(include_in_schema=False)
SESSION_S = 12 * 3600
DRAFT = "draft.json"
MOST_JOBS = 100
FIELDS = {
    "budget.appropriation_musd": "Appropriation per year (million USD, in the plan's price year)",
    "loss_function": "Loss function: economic loss per missing tonne",
    "loss_level": "Loss estimate to use: low, central or high",
    "risk.cvar_weight": "Weight of the worst scenarios (0: expected cost only)",
    "risk.alpha": "Share of scenarios that do not count as the worst (0.9: the worst 10 % count)",
    "discount_rate": "Discount rate per year",
}
"""Fields of a plan that the page edits, with what they are called there."""
CHOICES = {"loss_level": ("low", "central", "high")}

Reader = Annotated[Caller, Depends(needs("read"))]
Submitter = Annotated[Caller, Depends(needs("submit"))]


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
    if BUNDLE in form.files:
        raise PlanError(
            [Fault("form", "", "files", "a ZIP of files", "a plan; other files are sent to /v1/jobs/upload")]
        )
    files = dict(sorted(form.files.items(), key=lambda file: file[0].startswith("tables/")))  # the plan first
    _make_room(request, caller)
    folder = _draft(request, new_id())
    stated = {"tenant": caller.tenant, "files": list(files), "label": form.label, "at": time.time()}
    try:
        folder.path.mkdir(parents=True)
        for name, data in files.items():
            folder.keep(name, data)
        folder.write(DRAFT, stated)
    except BaseException:
        folder.delete()
        raise
    return RedirectResponse(f"/edit?draft={folder.path.name}", 303)


@router.get("/edit")
def edit(request: Request, caller: Submitter, shipped_plan: str = "", draft: str = "") -> Response:
    """A plan's main fields."""
    given, title, faults = _start(request, caller, shipped_plan, draft)
    return _form(request, shipped_plan, draft, title, given, faults, "", [])


@router.post("/edit")
async def run(request: Request, caller: Submitter) -> Response:
    """Check, or run, a plan with what was typed."""
    form = {name: str(value) for name, value in (await request.form()).items()}
    return await run_in_threadpool(_run, request, caller, form)


def _run(request: Request, caller: Caller, form: Mapping[str, str]) -> Response:
    shipped_plan, draft = form.get("shipped_plan", ""), form.get("draft", "")
    given, title, faults = _start(request, caller, shipped_plan, draft)
    typed = {name: form[name].strip() for name in FIELDS if name in form}
    changed = {name: _value(text) for name, text in typed.items() if text and text != given.get(name, "")}
    shown = {**given, **typed}
    files = _files(request, caller, draft)
    named = {"shipped": shipped_plan or None, "set": changed}
    said, notes = "", list[str]()
    try:
        if form.get("action") == "run":
            asked = {
                "kind": "solve",
                "label": (form.get("label") or title)[:200],
                "gap": _value(form.get("gap", "0.001")),
                **named,
            }
            job = accept(request, Sent("job", json.dumps(asked).encode(), files), caller)
            return RedirectResponse(f"/jobs/{job.id}", 303)
        found = checked(request, Sent("check", json.dumps(named).encode(), files))
        faults = [FaultModel(**fault) for fault in found.faults]
        size = f"at most about {found.columns_at_most:,} columns, {found.facts} facts, {found.estimates} estimates"
        said = "" if faults else f"No faults. Model and data: {size}."
        notes = found.notes
    except FaultsError as error:
        faults = ProblemError("invalid", "", error.faults).problem.faults
    except ProblemError as error:
        if not error.problem.faults:
            raise
        faults = error.problem.faults
    return _form(request, shipped_plan, draft, title, shown, faults, said, notes, status=422 if faults else 200)


def _form(
    request: Request,
    shipped_plan: str,
    draft: str,
    title: str,
    values: Mapping[str, str],
    faults: list[FaultModel],
    said: str,
    notes: list[str],
    status: int = 200,
) -> Response:
    near = {name: [f for f in faults if f.column == name or f.column.startswith(f"{name}.")] for name in FIELDS}
    placed = [fault for found in near.values() for fault in found]
    return page(
        "edit.html",
        request,
        status,
        fields=FIELDS,
        values=values,
        near=near,
        others=[f for f in faults if f not in placed],
        said=said,
        notes=notes,
        title=title,
        shipped_plan=shipped_plan,
        draft=draft,
        choices=CHOICES,
        loss_functions=_loss_functions(),
    )


def _loss_functions() -> list[str]:
    """Names in the shipped tables, to choose from; an own table may have others."""
    return list(dict.fromkeys(row.loss_function for row in shipped_tables().rows("loss_functions")))


def _start(
    request: Request, caller: Caller, shipped_plan: str, draft: str
) -> tuple[dict[str, str], str, list[FaultModel]]:
    """(fields as the plan has them, its title, faults) of a shipped plan or a draft; those of a workbook, and of a plan that takes
    long to read, are not known here."""
    if shipped_plan:
        if shipped_plan not in shipped_plans():
            raise ProblemError("not-found", "There is no such plan.")
        path, title = shipped("models") / f"{shipped_plan}.toml", shipped_plan
    else:
        folder, stated = _own_draft(request, caller, draft)
        path, title = folder.path / stated["files"][0], stated["label"] or "an uploaded plan"
    if path.suffix == ".xlsx" or path.stat().st_size > SMALL_BYTES:
        return {}, title, []
    try:
        plan = load_plan(path)
    except FaultsError as error:
        return {}, title, ProblemError("invalid", "", error.faults).problem.faults
    return _fields(plan), plan.title or plan.name, []


def _fields(plan: Plan) -> dict[str, str]:
    """The page's fields of a plan, as text."""
    found: dict[str, str] = {}
    for name in FIELDS:
        value: Any = plan.model_dump(mode="json")
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        found[name] = "" if value is None else json.dumps(value) if isinstance(value, dict | list) else str(value)
    return found


def _value(text: str) -> Any:
    """A typed value: JSON where it is, else text."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(found, float) and not math.isfinite(found):
        return text
    return found if isinstance(found, int | float | dict) and not isinstance(found, bool) else text


def _files(request: Request, caller: Caller, draft: str) -> dict[str, bytes]:
    """Files of a draft."""
    if not draft:
        return {}
    folder, stated = _own_draft(request, caller, draft)
    return {name: (folder.path / name).read_bytes() for name in stated["files"]}


def _draft(request: Request, name: str) -> Folder:
    return Folder(request.app.state.settings.folder / "drafts" / name)


def _make_room(request: Request, caller: Caller) -> None:
    """Delete the oldest drafts of a tenant that has many."""
    settings = request.app.state.settings
    mine = [
        (stated["at"], path)
        for path in (settings.folder / "drafts").glob("*")
        if (stated := Folder(path).read(DRAFT)) is not None and stated["tenant"] == caller.tenant
    ]
    for _, path in sorted(mine)[: max(0, len(mine) - settings.most_drafts + 1)]:
        Folder(path).delete()


def _own_draft(request: Request, caller: Caller, name: str) -> tuple[Folder, dict[str, Any]]:
    """A draft of the caller's tenant. Raises ProblemError."""
    folder = _draft(request, name if name.isalnum() and len(name) == 32 else "none")
    stated = folder.read(DRAFT)
    if stated is None or stated["tenant"] != caller.tenant:
        raise ProblemError("not-found", "This upload no longer exists: please upload it again.")
    return folder, stated


@router.get("/jobs/{job_id}")
def job_page(request: Request, caller: Reader, job_id: Id) -> Response:
    """One job, live."""
    job = own(request, caller, job_id)
    solved = request.app.state.store.jobs(caller.tenant, "succeeded", MOST_JOBS)
    others = [(other.id, _named(other)) for other in solved if other.kind in PLANNING and other.id != job_id]
    return page(
        "job.html",
        request,
        job=status_of(request, job),
        others=others,
        ended=job.state in ENDED,
        makes_plan=job.kind in PLANNING,
        may_submit=caller.may("submit"),
        name=_named(job),
    )


def _named(job: Job) -> str:
    return f"{job.label or job.kind} ({time.strftime('%Y-%m-%d %H:%M', time.gmtime(job.submitted))})"


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
