"""Web pages for planners: ask in plain words, see faults beside the answers, run, read, change, compare, explain, roll, share.

The form asks the questions of a workbook's sheet `start here`. Rendered here, with a little JavaScript for what moves. A token
stands in a cookie that scripts cannot read and other sites cannot send."""

import csv
import io
import json
import math
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path as File
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Path, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

from ..core.errors import Fault, FaultsError, PlanError, shipped
from ..core.files import templates
from ..core.formats import in_tonnes, some
from ..core.stats import TRACE_T
from ..question.read_csv import shipped_tables
from ..question.read_toml import load_plan
from ..question.workbook_start import FEEDS, HEADS, QUESTIONS, STOP, USE
from ..verbs import VERBS
from .admission import SMALL_BYTES, Sent, checked, delete_question, entry_of, keep_question, own_question, submit
from .api import (
    Id,
    Upload,
    cancel_job,
    delete_job,
    folder_of,
    get_report,
    own,
    report_of,
    resume_job,
    root_of,
    status_of,
)
from .auth import COOKIE, Caller, Reader, Submitter, Turn, digest_of, new_token
from .job_folder import REQUEST, RESULT, Folder
from .reading import form_of, question
from .records import ENDED, Job
from .requests import PLANNING, SHIPPED, FaultModel, Problem, ProblemError, problem_of

router = APIRouter(include_in_schema=False)
SESSION_S = 12 * 3600
MOST_JOBS = 100
SHARE, SHARED_DAYS = "share ", 90.0
"""A link that shows one report to whoever has it is good for so long."""
WORKBOOK_BYTES = 16 * SMALL_BYTES
"""Of an uploaded question of which a workbook is made here."""
SEEN_FILE = "seen.json"
"""In the folder of a kept question: what its form shows."""


def page(template: str, request: Request, status: int = 200, /, **facts: Any) -> HTMLResponse:
    """A template, filled; what is put into it is text. Raises InputError where the extra is missing."""
    environment = templates("service/web_files", "serve", "service")
    known = {"signed_in": COOKIE in request.cookies, "root": root_of(request)}
    return HTMLResponse(environment.get_template(template).render(**known, **facts), status)


def _to(request: Request, path: str) -> RedirectResponse:
    """Send a browser on, after a form."""
    return RedirectResponse(f"{root_of(request)}{path}", 303)


@router.get("/static/{name}")
def static(name: str) -> Response:
    """Style and script."""
    kinds = {"page.css": "text/css", "page.js": "text/javascript"}
    if name not in kinds:
        raise ProblemError("not-found", "There is no such file.")
    text = resources.files("strategic_minerals.service").joinpath("web_files", name).read_text(encoding="utf-8")
    return Response(text, media_type=kinds[name], headers={"Cache-Control": "max-age=300"})


@router.get("/docs")
def documents(request: Request) -> Response:
    """The API's description for people."""
    return page("docs.html", request, api=request.app.openapi())


# Who is signed in.
@router.get("/login")
def login_page(request: Request) -> Response:
    """Where a token is typed in."""
    return page("login.html", request, wrong=False)


@router.post("/login")
def login(request: Request, token: Annotated[str, Form(max_length=200)]) -> Response:
    """Keep a token in a cookie, where it is one."""
    request.app.state.guard.same_origin(request)
    known = request.app.state.store.token(digest_of(token.strip()))
    if known is None or not known.scopes:
        request.app.state.guard.failed(request)
        return page("login.html", request, 401, wrong=True)
    answer = _to(request, "/")
    secure = request.url.scheme == "https" or request.app.state.settings.public_url.startswith("https")
    path, text = root_of(request) or "/", token.strip()
    answer.set_cookie(COOKIE, text, max_age=SESSION_S, httponly=True, samesite="strict", secure=secure, path=path)
    return answer


@router.post("/logout")
def logout(request: Request) -> Response:
    """Forget the token."""
    request.app.state.guard.same_origin(request)
    answer = _to(request, "/login")
    answer.delete_cookie(COOKIE, path=root_of(request) or "/")
    return answer


def wrong(request: Request, problem: Problem) -> Response:
    """A problem as a page; who is not known is asked for a token."""
    if problem.status == 401:
        return _to(request, "/login")
    return page("problem.html", request, problem.status, problem=problem)


# What there is, and where a new run begins.
@router.get("/")
def home(request: Request, caller: Reader) -> Response:
    """Runs, and where a new one begins."""
    store = request.app.state.store
    places = store.positions()
    jobs = store.jobs(caller.tenant, None, MOST_JOBS)
    runs = [(status_of(request, job, places), _asked(request, job), _bought(request, job)) for job in jobs]
    return page("home.html", request, runs=runs, plans=_titles(), may_submit=caller.may("submit"))


@cache
def _titles() -> dict[str, str]:
    """Titles of the shipped plans, by name."""
    return {name: load_plan(shipped("models") / f"{name}.toml").title or name for name in SHIPPED}


def _asked(request: Request, job: Job) -> str:
    """What distinguishes a run from others: the plan that it began from, and what was changed."""
    asked = folder_of(request, job.id).read(REQUEST) or {}
    begun = asked.get("shipped") or ("own plan" if VERBS[job.kind].asks else ", ".join(asked.get("labels", ())))
    given = {question: ", ".join(filter(None, answers)) for question, answers in (asked.get("answers") or {}).items()}
    given = {question: answer for question, answer in given.items() if answer and not question.endswith(USE)}
    changed = [f"{name}: {value}" for name, value in {**given, **(asked.get("set") or {})}.items()]
    return "; ".join(filter(None, [begun, *changed]))


def _bought(request: Request, job: Job) -> str:
    """Tonnes that a plan buys, by material: what tells apart two answers that begin with the same words."""
    done = job.state == "succeeded" and VERBS[job.kind].makes_plan
    text = _text(folder_of(request, job.id), "run/results/acquisitions.csv") if done else ""
    tonnes = dict[str, float]()
    for row in csv.DictReader(io.StringIO(text)):
        name = row["material"].replace("_", " ")
        tonnes[name] = tonnes.get(name, 0.0) + float(row["acquired_t"])
    most = sorted((name for name in tonnes if tonnes[name] >= TRACE_T), key=lambda name: -tonnes[name])
    return some([f"{name} {in_tonnes(tonnes[name])}" for name in most], 3)


@router.post("/upload")
def upload(request: Request, caller: Submitter, form: Upload, turn: Turn) -> Response:
    """Keep an uploaded plan, and what its form shows."""
    kept = keep_question(request, caller, form)
    try:
        own_question(request, caller, kept.id)[1].write(SEEN_FILE, _seen_of(request, kept.id))
    except OSError:  # the disk is full: nothing of it is kept
        delete_question(request, caller, kept.id)
        raise
    return _to(request, f"/edit?question={kept.id}")


def _seen_of(request: Request, name: str) -> dict[str, Any]:
    """What the form of a kept question shows."""
    try:
        found, seen = checked(request, Sent("check", json.dumps({"question": name}).encode()))
    except (FaultsError, ProblemError) as error:
        return {"faults": [fault.model_dump() for fault in problem_of(error).faults]}
    return {**seen, "faults": found.faults, "notes": found.notes}


# The form: the questions of the sheet `start here`.
@lru_cache(maxsize=16)
def _form_of_shipped(name: str) -> dict[str, Any]:
    plan = load_plan(shipped("models") / f"{name}.toml")
    return form_of(plan, shipped_tables(plan.home))


def _start(
    request: Request, caller: Caller, base: Mapping[str, str], answers: Mapping[str, Sequence[str]], others: str
) -> dict[str, Any]:
    """What the form of a plan shows: the `base` with which it begins (`shipped` or `question`: its name), title, rows, lists; the
    `answers` and the `others` that were given; faults and notes. Raises ProblemError for a plan that is not there."""
    if base.get("question"):
        kept, folder = own_question(request, caller, base["question"])
        seen, stated = folder.read(SEEN_FILE) or {}, {"question": kept.id}
        title = seen.get("title") or kept.label or "an uploaded plan"
    else:
        name = base.get("shipped") or "quickstart"
        if name not in SHIPPED:
            raise ProblemError("not-found", "There is no such plan.")
        seen, stated = _form_of_shipped(name), {"shipped": name}
        title = seen["title"]
    found = {"rows": [], "lists": {}, "notes": [], **seen, "base": stated, "title": title}
    faults = [FaultModel(**fault) for fault in seen.get("faults", ())]
    return {**found, "answers": answers, "others": others, "faults": faults}


@router.get("/edit")
def edit(request: Request, caller: Submitter, shipped: str = "", question: str = "", copy: str = "") -> Response:
    """The questions about a plan: one that ships, one that was uploaded, or that of a run with what was asked of it."""
    if not copy:
        return _form(request, _start(request, caller, {"shipped": shipped, "question": question}, {}, ""), "")
    asked = folder_of(request, own(request, caller, copy).id).read(REQUEST) or {}
    others = "\n".join(f"{name} = {json.dumps(value)}" for name, value in (asked.get("set") or {}).items())
    base = {name: str(asked[name]) for name in ("shipped", "question") if asked.get(name)}
    if not base:
        text = "The plan of this run came with its request: send it again, or upload it as a file."
        raise ProblemError("state", text)
    return _form(request, _start(request, caller, base, asked.get("answers") or {}, others), "")


async def _filled(request: Request, _: Submitter) -> dict[str, str]:
    return {name: str(value) for name, value in (await request.form()).items()}


Filled = Annotated[dict[str, str], Depends(_filled)]
"""The fields of a form."""


@router.post("/edit")
def run(request: Request, caller: Submitter, form: Filled, turn: Turn) -> Response:
    """Check, or run, a plan with what was answered."""
    answers, others = answers_of(form), form.get("others", "")
    base = {name: form.get(name, "") for name in ("shipped", "question")}
    start = _start(request, caller, base, answers, others)
    text, notes, faults = "", list[str](), list[FaultModel]()
    asked = {**start["base"], "answers": answers}
    try:
        asked["set"] = fields_of(others)
        if form.get("action") == "workbook":
            return _workbook(request, caller, asked)
        if form.get("action") == "run":
            label = (form.get("label") or start["title"])[:200]
            job = {"kind": "solve", "quick": bool(form.get("quick")), "label": label, **asked}
            return _to(request, f"/jobs/{submit(request, Sent('job', json.dumps(job).encode()), caller).id}")
        found, _ = checked(request, Sent("check", json.dumps(asked).encode()))
        faults, notes = [FaultModel(**fault) for fault in found.faults], found.notes
        size = f"at most about {found.columns_at_most:,} columns, {found.facts} facts, {found.estimates} estimates"
        text = "" if faults else f"No faults. Model and data: {size}."
    except (FaultsError, ProblemError) as error:
        faults = problem_of(error).faults
        if not faults:
            raise
    if "application/json" in request.headers.get("accept", ""):
        # for the page's script, which puts them beside their answers
        near, elsewhere = placed(faults)
        beside = {name: [_words(fault) for fault in found] for name, found in near.items()}
        return JSONResponse({"near": beside, "others": [_words(f, place=True) for f in elsewhere], "said": text})
    return _form(request, {**start, "faults": faults, "notes": notes}, text, status=422 if faults else 200)


NAMES = tuple(QUESTIONS)


def answers_of(form: Mapping[str, str]) -> dict[str, list[str]]:
    """Answers of a form by question, those that count: what is below a switch that says no is left out, but for disruptions
    where there is a promise, which names one."""
    given = {
        (text, n): form.get(f"q{k}.{n}", "").strip() for k, text in enumerate(NAMES) for n in range(1, 1 + len(HEADS))
    }
    on = {(QUESTIONS[text].block, n) for (text, n), answer in given.items() if text.endswith(USE) and answer == "yes"}
    promised = any(block == "promise" for block, _ in on)
    found: dict[str, list[str]] = {}
    for text in NAMES:
        block = QUESTIONS[text].block
        if text == FEEDS and "materials" not in found:
            continue
        counts = [not block or (block, n) in on or (block == STOP and promised) for n in range(1, 1 + len(HEADS))]
        answers = [given[text, n] if counts[n - 1] else "" for n in range(1, 1 + len(HEADS))]
        if any(answers):
            found[text] = answers if block else answers[:1]
    return found


def fields_of(text: str) -> dict[str, Any]:
    """Other fields, one a line: `discount_rate = 0.04`. Raises PlanError for a line that sets nothing."""
    found: dict[str, Any] = {}
    for n, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            name, equals, value = line.partition("=")
            if not equals:
                expected = "a field and its value: discount_rate = 0.04"
                raise PlanError([Fault("others", str(n), "", line.strip()[:100], expected)])
            found[name.strip()] = value_of(value.strip())
    return found


def value_of(text: str) -> Any:
    """A typed value: JSON where it is some, else text."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text if isinstance(found, float) and not math.isfinite(found) else found


def placed(faults: Sequence[FaultModel]) -> tuple[dict[str, list[FaultModel]], list[FaultModel]]:
    """(faults by the field of the form beside which they are shown, the others)."""
    near, others = dict[str, list[FaultModel]](), list[FaultModel]()
    for fault in faults:
        column = re.fullmatch(r"([A-Z])[0-9]+", fault.row)
        if fault.column in NAMES and column:
            name = f"q{NAMES.index(fault.column)}.{max(1, ord(column[1]) - ord('A'))}"
        else:
            name = "others" if fault.file == "others" or fault.file.startswith("set") else ""
        near.setdefault(name, []).append(fault) if name else others.append(fault)
    return near, others


def _words(fault: FaultModel, *, place: bool = False) -> str:
    """A fault as a sentence. place: with where it is."""
    row = f":{fault.row}" if fault.row else ""
    where = f"{fault.file}{row} {fault.column}: " if place else ""
    return f"{where}found {fault.found}; expected {fault.expected}."


def _form(request: Request, start: Mapping[str, Any], text: str, status: int = 200) -> Response:
    near, elsewhere = placed(start["faults"])
    beside = {name: " ".join(_words(fault) for fault in found) for name, found in near.items()}
    blocks: dict[str, list[Mapping[str, Any]]] = {}
    for row in start["rows"]:
        blocks.setdefault(row["block"], []).append(row)
    columns = range(1, 1 + len(HEADS))
    answers = start["answers"]
    values = {
        f"q{row['number']}.{n}": value for row in start["rows"] for n in columns if (value := _answer(answers, row, n))
    }
    used = {
        block for block, rows in blocks.items() for n in columns if values.get(f"q{rows[0]['number']}.{n}") == "yes"
    }
    facts = {**start, "blocks": blocks, "columns": columns, "values": values, "used": used}
    facts |= {"near": beside, "elsewhere": elsewhere, "said": text}
    return page("edit.html", request, status, **facts)


def _answer(answers: Mapping[str, Sequence[str]], row: Mapping[str, Any], n: int) -> str:
    """Content of a field of the form: what was answered, else its default."""
    given = answers.get(row["text"])
    if given is not None:
        return str(given[n - 1]) if n <= len(given) else ""
    return str(row["ready"]) if n == 1 or row["kind"] == "switch" else ""


def _workbook(request: Request, caller: Caller, asked: dict[str, Any]) -> Response:
    """The plan with its tables as a workbook, to be changed and sent up again. Raises PlanError and InputError."""
    from ..question.workbook import write_workbook

    folder = request.app.state.settings.folder
    place = own_question(request, caller, asked["question"])[1] if "question" in asked else Folder(folder)
    if "question" in asked and place.size > WORKBOOK_BYTES:
        raise ProblemError("too-large", "This plan has tables that are too large for a workbook made here.")
    if (place.path / "plan.xlsx").is_file():
        raise ProblemError("state", "This plan came as a workbook: change that one and upload it again.")
    plan, data = question(place, {**asked, "shipped": asked.get("shipped")})
    with tempfile.TemporaryDirectory() as place_of_book:
        write_workbook(plan, data, path := File(place_of_book) / "plan.xlsx")
        content = path.read_bytes()
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    headers = {"Content-Disposition": f'attachment; filename="{plan.name}.xlsx"'}
    return Response(content, media_type=kind, headers=headers)


# One run: live, its answer, and what may be asked of it.
@router.get("/jobs/{job_id}")
def job_page(request: Request, caller: Reader, job_id: Id, shared: str = "") -> Response:
    """One run, live."""
    job = own(request, caller, job_id)
    folder, plans = folder_of(request, job_id), job.kind in PLANNING
    solved = request.app.state.store.jobs(caller.tenant, "succeeded", MOST_JOBS)
    others = [other for other in solved if other.kind in PLANNING and other.id != job_id]
    done = job.state == "succeeded"
    noted = {name: _text(folder, f"run/{name}.csv") for name in ("acts", "news")} if done and plans else {}
    found = (folder.read(RESULT) or {}) if done else {}
    summary = str(found.get("summary", ""))
    screen = found.get("screen") or summary
    public = request.app.state.settings.public_url or f"{request.url.scheme}://{request.url.netloc}{root_of(request)}"
    link = f"{public}/shared/{shared}" if shared else ""
    return page(
        "job.html",
        request,
        job=status_of(request, job),
        asked=_asked(request, job),
        others=[(other.id, f"{_named(other)}: {other.outcome.get('headline', '')}") for other in others],
        ended=job.state in ENDED,
        makes_plan=plans,
        again=VERBS[job.kind].asks,
        may_submit=caller.may("submit"),
        name=_named(job),
        screen=re.sub(r"\n+More: .*", "", screen),  # what the command line has beside it
        details=summary.removeprefix(screen).strip(),
        noted=noted,
        link=link,
    )


def _text(folder: Folder, name: str) -> str:
    path = folder.path / name
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _named(job: Job) -> str:
    at = time.strftime("%Y-%m-%d %H:%M", time.gmtime(job.submitted))
    return f"{job.label or job.kind} ({at}, {job.id[:8]})"


@router.post("/jobs/{job_id}/cancel")
@router.post("/jobs/{job_id}/resume")
@router.post("/jobs/{job_id}/delete")
def change(request: Request, caller: Submitter, job_id: Id) -> Response:
    """Stop a run, let it wait again, or delete it: that takes no turn."""
    action = request.url.path.rpartition("/")[2]
    {"cancel": cancel_job, "resume": resume_job, "delete": delete_job}[action](request, caller, job_id)
    return _to(request, "/" if action == "delete" else f"/jobs/{job_id}")


@router.post("/jobs/{job_id}/{action}")
def act(request: Request, caller: Submitter, job_id: Id, action: str, form: Filled, turn: Turn) -> Response:
    """What the other buttons of a run's page do."""
    follow: dict[str, Any] = {
        "compare": {"of": [job_id, form.get("other", "")], "label": "comparison"},
        "explain": {"of": job_id, "label": "why", **({"item": form["item"]} if form.get("item") else {})},
        "roll": {"of": job_id, "label": "next year", **{name: _rows(form.get(name, "")) for name in ("acts", "news")}},
    }
    if action in follow:
        asked = {"kind": action, **follow[action]}
        return _to(request, f"/jobs/{submit(request, Sent('job', json.dumps(asked).encode()), caller).id}")
    if action == "share":
        return _to(request, f"/jobs/{job_id}?shared={_shared(request, caller, own(request, caller, job_id))}")
    raise ProblemError("not-found", "There is no such button.")


def _rows(text: str) -> list[dict[str, str]]:
    """Rows of a table that was typed in as CSV."""
    found = csv.DictReader(io.StringIO(text.replace("\r\n", "\n")))
    try:
        return [{str(name): value or "" for name, value in row.items() if name} for row in found]
    except csv.Error as error:
        raise PlanError([Fault("form", "", "acts, news", str(error), "a table as CSV")]) from None


def _shared(request: Request, caller: Caller, job: Job) -> str:
    """A new token that shows the report of one job and nothing else; the one before is void. The report is made now."""
    get_report(request, caller, job.id, None)
    text, kept, digest = new_token(caller.tenant, (), f"{SHARE}{job.id}", SHARED_DAYS)
    request.app.state.store.keep_token(kept, digest, entry_of(caller, "share", job.id), alone=True)
    return text


@router.get("/shared/{token}")
def shared(request: Request, token: Annotated[str, Path(max_length=100)]) -> Response:
    """The report that somebody has shared."""
    found = request.app.state.store.token(digest_of(token))
    if found is None or not found.note.startswith(SHARE):
        request.app.state.guard.failed(request)
        raise ProblemError("not-found", "This link shows nothing: it has expired, or the run was deleted.")
    request.app.state.guard.take(request, found.id)
    return report_of(request, own(request, Caller(found.tenant, found.id, (), ""), found.note.removeprefix(SHARE)).id)
