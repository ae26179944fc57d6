"""From bytes that somebody sent to a question in a job's folder: bounded first, validated then, with so many faults at most.

What validates reports every fault that it finds, and a table of a million wrong rows has millions. So rows, fields and cells are
counted before, and only what could be right goes on. Large requests are read in a process of their own (`child`), with a limit on
memory and time, because one call that validates lets nothing else of this process run."""

from __future__ import annotations

import hashlib
import json
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, TypeAdapter, ValidationError

from ..core.errors import (
    Fault,
    FaultsError,
    InputError,
    MisplacedError,
    PlanError,
    first_of,
    gathering,
    near_miss,
    shipped,
    shown,
)
from ..question.base import USA
from ..question.plan import Plan
from ..question.read_csv import load_dataset, shipped_tables
from ..question.read_toml import load_plan, parse_as
from ..question.tables import TABLES
from ..question.workbook_start import from_answers, lists, questions
from ..verbs import VERBS
from .job_folder import Folder
from .requests import (
    PLANS,
    REQUESTS,
    SHIPPED,
    WITH_FILES,
    FileRequest,
    JobRequest,
    ProblemError,
    Question,
    as_sent,
    faults_of,
    fields_set,
    place,
    problem,
    problem_of,
    sanitise,
    spelt,
    walked,
)

if TYPE_CHECKING:
    from ..answer.year import ActRow, NewsRow
    from ..question.dataset import Dataset


# Check a study before it becomes a job: it varies something, nothing twice, and only what exists.
MOST_PUT = 300
"""Points of a study that are put into the question before it is accepted; the others are seen when the job begins."""


def look_at_study(study: Mapping[str, Any], plan: Plan, data: Dataset) -> None:
    """Raises PlanError with the faults that a sweep would end with before it solves anything, as far as they are quickly seen."""
    from ..studies.sweep import require_points
    from ..studies.sweep_file import SweepFile

    try:
        points = parse_as(SweepFile, study, file="study").design(plan, data).points
        require_points(plan, data, points[:MOST_PUT])
    except FaultsError as error:
        raise PlanError([replace(fault, file="study", row="") for fault in error.faults]) from None


# The question in a job's folder: read with its tables, and checked without solving, as far as this is quick.
STATED, FACTS = "tables.json", "facts.json"


def question(folder: Folder, request: Mapping[str, Any]) -> tuple[Plan, Dataset]:
    """Plan and tables of a request; of a plan of several homes the joint ones. Raises PlanError with the faults of both."""
    from ..question.together import joint_question

    faults: list[Fault] = []
    plan, data = None, None
    with gathering(faults):
        plan, data = _loaded(folder, request)
    with gathering(faults):
        home = USA if plan is None else plan.home
        data = _tables(folder, request, home) or data
        if plan is not None and plan.together is not None and data is None:
            return joint_question(plan, {one.home: shipped_tables(one.home) for one in plan.together.members})
        data = data or shipped_tables(home)
        if plan is not None and not faults and (answers := request.get("answers")):
            plan, data = from_answers(plan, data, answers, request.get("set") or ())
    if plan is None or data is None or faults:
        raise PlanError(faults)
    return plan, data


def _tables(folder: Folder, request: Mapping[str, Any], home: str) -> Dataset | None:
    """A request's own tables, on top of the shipped ones where that was asked for; None: it has none. Raises InputError."""
    from ..question.dataset import Dataset

    base = shipped_tables(home).tables if request.get("on_top_of_shipped") else {}
    if (stated := folder.read(STATED)) is not None:
        return Dataset({**base, **_rows(stated)}, "in memory")
    if not (own := folder.path / "tables").is_dir():
        return None
    data = load_dataset(own)
    return Dataset({**base, **data.tables}, data.name)


def _rows(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Tables from JSON, rows counted from 1. Raises InputError."""
    from ..question.dataset import validate_rows

    faults: list[Fault] = []
    tables: dict[str, Any] = {}
    for name, rows in stated.items():
        columns = list(dict.fromkeys(column for row in rows for column in row))
        tables[name], found = validate_rows(name, rows, name, columns, range(1, len(rows) + 1))
        faults += [replace(fault, row="") if fault.found == "no column" else fault for fault in found]
    if faults:
        raise InputError(faults)
    return tables


def sized(plan: Plan, data: Dataset, most_columns: int) -> None:
    """Refuse what is too large, before anything is built. Raises PlanError."""
    from ..matrix.problem import columns_at_most

    if (found := columns_at_most(plan, data)) > most_columns:
        scenarios = len(plan.scenarios) + (0 if plan.sample is None else plan.sample.scenarios)
        text = f"about {found:,} columns ({scenarios:,} scenarios, {len(plan.materials)} entries of materials)"
        raise PlanError([Fault("plan", "", "sample.scenarios", text, f"at most {most_columns:,} columns")])


def look(folder: Folder, request: Mapping[str, Any], most_columns: int) -> None:
    """What is seen of a question without solving it. Raises PlanError or InputError with the faults that would fail the job."""
    from ..question.consistency import TABLES_THERE, check_data

    kind = request["kind"]
    if not VERBS[kind].asks:
        return
    if kind == "together":
        members_of(folder, request)
    plan, data = question(folder, request)
    absent = [as_sent(fault, request.get("set")) for check in TABLES_THERE for fault in check(plan, data)]
    if VERBS[kind].checked and absent:  # nothing can be counted without them
        raise PlanError(absent)
    sized(plan, data, most_columns)
    if VERBS[kind].checked and (faults := [as_sent(fault, request.get("set")) for fault in check_data(plan, data)]):
        raise PlanError(faults)
    if kind == "sweep":
        look_at_study(request["study"], plan, data)


def members_of(folder: Folder, request: Mapping[str, Any]) -> tuple[Plan, dict[str, Dataset]]:
    """A plan of several homes without the joint tables, and the shipped tables of each by home. Raises PlanError and InputError."""
    from ..studies.coalitions import MOST_MEMBERS

    if (folder.path / STATED).is_file() or (folder.path / "tables").is_dir():
        expected = "none: a plan of several homes takes the shipped tables of each"
        raise InputError([Fault("body", "", "tables", "own tables", expected)])
    plan, _ = _loaded(folder, request)
    if plan.together is None:
        raise PlanError([Fault("plan", "", "together", "nothing", "a section [together] with the homes of the plan")])
    if (count := len(plan.together.members)) > MOST_MEMBERS:
        raise PlanError([Fault("plan", "", "together.members", f"{count} homes", f"at most {MOST_MEMBERS}")])
    return plan, {one.home: shipped_tables(one.home) for one in plan.together.members}


def _loaded(folder: Folder, request: Mapping[str, Any]) -> tuple[Plan, Dataset | None]:
    """The plan of a request, and the tables of its workbook; None: it is none. Raises PlanError."""
    values = request.get("set")
    uploads = [path for name in ("plan.xlsx", "plan.toml", "plan.json") if (path := folder.path / name).is_file()]
    path = uploads[0] if uploads else shipped("models") / f"{request['shipped']}.toml"
    try:
        if path.suffix != ".xlsx":
            return load_plan(path, values), None
        from ..question.workbook import load_workbook

        return load_workbook(path, values)
    except FaultsError as error:
        raise PlanError([as_sent(fault, values) for fault in error.faults]) from None


def noted_rows(request: Mapping[str, Any]) -> tuple[tuple[ActRow, ...], tuple[NewsRow, ...]]:
    """What was done and what happened, as rows from 1. Raises InputError with every fault."""
    from ..answer.year import ActRow, NewsRow, validated

    faults: list[Fault] = []
    found: list[tuple[Any, ...]] = []
    for name, kind in (("acts", ActRow), ("news", NewsRow)):
        rows = [{str(key): _cell(value) for key, value in row.items()} for row in request[name]]
        header = list(dict.fromkeys(column for row in rows for column in row))
        with gathering(faults):
            found.append(validated(list(enumerate(rows, start=1)), header, kind, name) if rows else ())
    if faults:
        raise InputError(faults)
    return found[0], found[1]


def _cell(value: Any) -> str:
    """A value of JSON as a table's cell."""
    if isinstance(value, list):
        return " ".join(map(_cell, value))
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def new_facts(folder: Folder) -> Dataset | None:
    """Tables of a year's news; None: there are none. Raises InputError."""
    from ..question.dataset import Dataset

    stated = folder.read(FACTS)
    return None if stated is None else Dataset(_rows(stated), "in memory")


# What the page's form shows of a question.
def form_of(plan: Plan, data: Dataset) -> dict[str, Any]:
    """What the form shows of a plan and its tables, JSON-ready: title, questions with their numbers, lists to choose from."""
    rows = [
        {**vars(one), "number": n, "block": one.block, "ready": one.ready if one.block or one.kind == "switch" else ""}
        for n, one in enumerate(questions(plan, data))
    ]
    return {"title": plan.title or plan.name, "rows": rows, "lists": lists(data, plan.price_year)}


Form = Literal["job", "upload", "check"]
"""What is read: any job; the options of a question whose plan came as a file; a question to look at."""

SEEN = "seen"
"""Fact of a check that the page alone takes."""
MOST_FIELDS = 100
"""Of a request; there are a quarter as many."""
MOST_ENTRIES = 300_000
"""Names and values of a plan, a study or `set`, at all levels: hundreds of times the largest plan known."""
MOST_COLUMNS_OF_TABLE = 200
"""Different ones in the rows of a table; the widest has a fifth of that."""
MOST_DIGITS = 400
"""Of a whole number that are read; one of 17 is refused."""
BODY = "body.json"

ADAPTERS: Mapping[str, TypeAdapter[Any]] = {
    "job": TypeAdapter(JobRequest),
    "upload": TypeAdapter(FileRequest),
    "check": TypeAdapter(Question),
}


def parsed(body: bytes, where: str) -> Any:
    """JSON, as RFC 8259 has it, each name of an object once. Raises ProblemError where it is none; PlanError for names that stand
    there twice, and of a form's options, for the form itself could be read."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
            raise PlanError([Fault(where, "", place([twice]), "the field twice", "each field once")])
        return found

    try:
        # Python reads no more digits than 4,300; the first ones are enough to see that a number is too large
        return json.loads(str(body, "utf-8"), object_pairs_hook=once, parse_int=lambda text: int(text[:MOST_DIGITS]))
    except (ValueError, RecursionError) as error:
        at = f" at line {error.lineno:,}, column {error.colno:,}" if isinstance(error, json.JSONDecodeError) else ""
        faults = [Fault(where, "", "", f"something else{at}", "JSON in UTF-8")]
        if where == "options":
            raise PlanError(faults) from None
        raise ProblemError("malformed", "The body is not valid JSON.", faults) from None


def bounded(raw: Any, most_rows: int, where: str = "body") -> dict[str, list[Fault]]:
    """Faults of addresses in `set` and of the shape of tables, by field, found before anything is validated: what validates would
    find more of them than anybody reads. Raises PlanError, ProblemError for size."""
    if not isinstance(raw, dict):
        raise PlanError([Fault(where, "", "", shown(raw), "an object")])
    if len(raw) > MOST_FIELDS:
        raise PlanError([Fault(where, "", "", f"{len(raw):,} fields", f"at most {MOST_FIELDS}")])
    for name in ("plan", "study", "set", "acts", "news"):
        if next(islice(walked(raw.get(name)), MOST_ENTRIES, None), None) is not None:
            raise ProblemError("too-large", f"{name} has more than {MOST_ENTRIES:,} names and values.")
    found = {"set": first_of(fields_set(raw.get("set"), where))}
    for name in ("tables", "facts"):
        if isinstance(tables := raw.get(name), dict):
            _few_rows(sum(len(rows) for rows in tables.values() if isinstance(rows, list)), most_rows)
            found[name] = first_of(_odd_tables(tables))
    return {name: faults for name, faults in found.items() if faults}


def _few_rows(rows: int, most: int) -> None:
    if rows > most:
        raise ProblemError("too-large", f"{rows:,} rows of tables; at most {most:,}.")


def _odd_tables(tables: Mapping[str, Any]) -> Iterator[Fault]:
    """Unknown tables, rows that are no objects, cells that are no single values."""
    for name, rows in tables.items():
        if name not in TABLES:
            yield Fault("tables", "", "table", spelt(name), f"the name of a table{near_miss(name[:100], TABLES)}")
        elif not isinstance(rows, list):
            yield Fault(name, "", "", shown(rows), "a list of rows, each an object")
        elif not rows:
            columns = sorted(column for column, field in TABLES[name].model_fields.items() if field.is_required())
            yield Fault(name, "", "", "no rows", f"rows, each with {', '.join(columns)}")
        else:
            yield from _odd_rows(name, rows)


def _odd_rows(name: str, rows: list[Any]) -> Iterator[Fault]:
    """Rows of a table that are no objects, cells that are no single values, columns that no table has so many of."""
    columns: set[str] = set()
    for n, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            yield Fault(name, str(n), "", shown(row), "an object: column -> value")
            continue
        columns.update(row)
        if len(columns) > MOST_COLUMNS_OF_TABLE:
            yield Fault(name, str(n), "", f"{len(columns):,} columns", f"at most {MOST_COLUMNS_OF_TABLE}")
            return
        for column, value in row.items():
            if isinstance(value, dict | list):
                yield Fault(name, str(n), column, "an object or a list", "a single value")


def validated(form: Form, raw: Mapping[str, Any], where: str, known: Mapping[str, list[Fault]]) -> Any:
    """A request of plain data. known: faults that were found before, by field. Raises PlanError with all faults."""
    found = [fault for faults in known.values() for fault in faults]
    sound = {name: value for name, value in raw.items() if name not in known}
    try:
        try:
            sanitise(sound)
        except MisplacedError as error:
            raise PlanError([*found, Fault(where, "", *error.places[0])]) from None
        asked = ADAPTERS[form].validate_python(sound)
    except ValidationError as error:
        kind = REQUESTS.get(str(raw.get("kind")))
        model = Question if kind is None or form == "check" else kind
        kinds = {"job": tuple(REQUESTS), "upload": WITH_FILES}.get(form, ())
        errors = error.errors(include_url=False)
        raise PlanError(chain(found, faults_of(errors, where, model.model_fields, kinds))) from None
    if found:
        raise PlanError(found)
    return asked


def read(form: Form, body: bytes, folder: Folder, most_rows: int) -> dict[str, Any]:
    """Read a request, whose files lie in the folder already, and write its plan and tables there.

    Returns `asked`, what is left of the request, and its `digest`. Raises ProblemError, PlanError and InputError; what was written
    then is for whoever made the folder to delete."""
    where = "options" if form == "upload" else "body"
    raw = parsed(body, where)
    known = bounded(raw, most_rows, where)
    sent = [path for name in ("plan.*", "tables/*.csv") for path in folder.path.glob(name)]
    files = {path.relative_to(folder.path).as_posix(): path.read_bytes() for path in sent}
    if form == "upload":
        raw = {"kind": "solve", **raw}
        twice = [name for name in (*PLANS, "tables") if raw.get(name) is not None]
        if twice:
            expected = "no value: the files of the form contain it"
            raise PlanError([Fault(where, "", name, "a value", expected) for name in twice])
    written = partial(_written, files=files, folder=folder, most_rows=most_rows)
    try:
        request = validated(form, raw, where, known)
    except PlanError as error:
        wrong = {fault.column.partition("[")[0].partition(".")[0] for fault in error.faults} | known.keys()
        raise PlanError([*error.faults, *_beside(wrong, raw, files, written)]) from None
    try:
        asked = written(request)
    except FaultsError as error:
        raise PlanError([as_sent(fault, getattr(request, "set", None)) for fault in error.faults]) from None
    return {"asked": asked, "digest": _digest(request, files)}


def _beside(
    wrong: Collection[str], raw: Mapping[str, Any], files: Mapping[str, bytes], written: Callable[[Question], Any]
) -> list[Fault]:
    """Faults of a plan and of its tables whose request is wrong elsewhere: what is sound is read all the same. wrong: fields."""
    sound = {name: raw[name] for name in Question.model_fields if name in raw and name not in wrong}
    try:
        sanitise(sound)
        question = Question.model_validate(sound)
    except ValueError:  # behind a wrong `kind`, or a text that does not read, nothing was looked at yet
        return []
    there = any(sound.get(name) for name in PLANS) or any(name.startswith("plan.") for name in files)
    of_plan = _faults_of(partial(written, question)) if there and "set" not in wrong else []
    of_tables = _faults_of(lambda: _rows(question.tables or {}))
    return [as_sent(fault, question.set) for fault in dict.fromkeys([*of_plan, *of_tables])]


def _faults_of(work: Callable[[], Any]) -> list[Fault]:
    """Faults that some work ends with."""
    faults: list[Fault] = []
    with gathering(faults):
        work()
    return faults


def read_in(folder: Folder, asked: Mapping[str, Any]) -> dict[str, Any]:
    """In a process of its own: what `read` returns for a folder, or its `problem`. asked: form and most rows."""
    try:
        body = (folder.path / BODY).read_bytes()
        return read(asked["form"], body, folder, asked["most_rows"])
    except (FaultsError, ProblemError) as error:
        return {"problem": problem_of(error).model_dump()}
    except MemoryError:
        return {"problem": problem("too-large", "Reading the request needs too much memory.").model_dump()}


def _written(request: BaseModel, files: Mapping[str, bytes], folder: Folder, most_rows: int) -> dict[str, Any]:
    """Write a question's plan and tables into a folder; what is left of the request. Raises PlanError and ProblemError."""
    asked = request.model_dump(exclude={"plan", "tables", "facts"})
    if (facts := getattr(request, "facts", None)) is not None:
        folder.write(FACTS, facts)
    if not isinstance(request, Question):
        return asked
    tables = [content for name, content in files.items() if name.startswith("tables/")]
    _few_rows(sum(max(content.count(b"\n"), content.count(b"\r")) for content in tables), most_rows)
    if request.plan is not None:
        folder.write("plan.json", request.plan)
    if request.tables is not None:
        folder.write("tables.json", request.tables)
    uploaded = [path for path in folder.path.glob("plan.*") if path.suffix in (".toml", ".json")]
    if request.shipped is not None:
        if request.shipped not in SHIPPED:
            expected = f"one of {', '.join(SHIPPED)}{near_miss(request.shipped, SHIPPED)}"
            raise PlanError([Fault("body", "", "shipped", spelt(request.shipped), expected)])
        uploaded = [shipped("models") / f"{request.shipped}.toml"]
    if uploaded:
        if faults := _faults_of(lambda: load_plan(uploaded[0], request.set)):  # all are reported at once
            raise PlanError([*faults, *_faults_of(lambda: _rows(request.tables or {}))])
    elif request.question is None and not (folder.path / "plan.xlsx").is_file():
        raise PlanError([Fault("body", "", "plan", "nothing", f"a plan in one of {', '.join(PLANS)}")])
    return asked


def kind_of_plan(content: bytes) -> str:
    """The name under which an uploaded plan is kept, by what it holds: a caller's file name says nothing."""
    if content[:2] == b"PK":
        return "plan.xlsx"
    return "plan.json" if content.removeprefix(BOM_UTF8).lstrip()[:1] == b"{" else "plan.toml"


def table_file(label: str) -> str:
    """The name under which an uploaded table is kept. Raises PlanError where it is no table's."""
    stem = label.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".csv")
    if stem not in TABLES:
        raise PlanError([Fault("tables", "", "file name", spelt(label), f"<table>.csv{near_miss(stem[:100], TABLES)}")])
    return f"tables/{stem}.csv"


def _digest(request: BaseModel, files: Mapping[str, bytes]) -> str:
    """Two submissions with the same one are the same."""
    digest = hashlib.sha256(
        json.dumps(request.model_dump(mode="json", exclude={"webhook": {"secret"}}), sort_keys=True).encode()
    )
    for name, content in sorted(files.items()):
        digest.update(f"\0{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
