"""From bytes that somebody sent to a question in a job's folder: bounded first, validated then, with so many faults at most.

What validates reports every fault that it finds, and a table of a million wrong rows has millions. So rows, fields and cells are
counted before, and only what could be right goes on. Large requests are read in a process of their own (`child`), with a limit on
memory and time, because one call that validates lets nothing else of this process run."""

from __future__ import annotations

import hashlib
import json
import math
import sys
import tomllib
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from ..core.errors import Fault, FaultsError, InputError, MisplacedError, PlanError, near_miss, overlapping, shipped
from ..question.base import USA, column_of
from ..question.plan import Plan, no_room_for_draws
from ..question.read_toml import load_plan, parse_as, parse_plan
from ..question.tables import TABLES
from .job_folder import Folder
from .requests import (
    KINDS_OF_JOBS,
    MOST_FAULTS,
    PLANS,
    WITH_FILES,
    FileRequest,
    JobRequest,
    ProblemError,
    Question,
    as_sent,
    brief,
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
    from ..studies.sweep_file import SweepFile


# Check a study before it becomes a job: it varies something, nothing twice, and only what exists.


MOST_PUT = 300
"""Values of a study that are put into the question before it is accepted, a millisecond each; the others are seen when the job
begins."""


def look_at_study(study: Mapping[str, Any], plan: Plan, data: Dataset) -> None:
    """Raises PlanError with the faults that a sweep would end with before it solves anything, as far as they are quickly seen."""
    from ..studies.sweep_file import SweepFile

    asked = parse_as(SweepFile, study, file="study")
    faults = [*_twice("axes", asked.axes), *_twice("ranges", asked.ranges)]
    for point in asked.points[:MOST_PUT]:
        faults += _twice("points", point)
    faults = faults or _of_size(asked, plan, data) or _put(asked, plan, data)
    if faults:
        raise PlanError(faults)


def _of_size(asked: SweepFile, plan: Plan, data: Dataset) -> list[Fault]:
    """Faults of a study that has no points, or more than are solved."""
    from ..studies.designs import one_at_a_time
    from ..studies.sweep import MOST_POINTS

    if asked.kind == "points" and len(asked.points) > MOST_POINTS:
        return [Fault("study", "", "points", f"{len(asked.points):,} points", f"at most {MOST_POINTS:,}")]
    size = math.prod(len(values) for values in asked.axes.values()) if asked.axes else 0
    if (asked.kind == "grid" and not 0 < size <= MOST_POINTS) or (asked.kind == "points" and not asked.points):
        return _faults(lambda: asked.design(plan, data), "study")
    if asked.kind in ("one_at_a_time", "latin_hypercube", "morris", "sobol") and (asked.ranges or not asked.estimates):
        return _faults(lambda: one_at_a_time({at: (pair[0], pair[1]) for at, pair in asked.ranges.items()}), "study")
    return []


def _tried(asked: SweepFile) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where it is stated, point): points of the study, among which every value stands once; of ranges that are sampled from, their
    middle."""
    if asked.kind == "points":
        yield from ((place(["study", "points", n]), point) for n, point in enumerate(asked.points))
    first = {at: values[0] for at, values in asked.axes.items()}
    for at, values in asked.axes.items():
        yield from (("study.axes", {**first, at: value}) for value in values)
    for at, (low, high) in asked.ranges.items():
        ends = (low, high) if asked.kind == "one_at_a_time" else ((low + high) / 2,)
        yield from (("study.ranges", {at: value}) for value in ends)


def _twice(name: str, addresses: Iterable[str]) -> list[Fault]:
    """Faults of addresses that are none, that vary the same, or of which one lies within another."""
    from ..question.names import read_axis

    known: dict[str, str] = {}
    faults: list[Fault] = []
    for address in addresses:
        try:
            axis = read_axis(address)
        except FaultsError as error:
            faults += [replace(fault, file=f"study.{name}") for fault in error.faults]
            continue
        at = axis.path or f"{axis.table}[{axis.key}]/{axis.column}".replace(".", "/")
        if at in known:
            found = f"the same figure as {brief(known[at])}"
            faults.append(Fault(f"study.{name}", "", address, found, "each figure only once"))
        known.setdefault(at, address)
    for outer, inner in overlapping(known):
        found = f"a figure inside {brief(known[outer])}, which also varies"
        faults.append(Fault(f"study.{name}", "", known[inner], found, "each figure only once"))
    return faults


def _put(asked: SweepFile, plan: Plan, data: Dataset) -> list[Fault]:
    """Faults of the first point whose values cannot be put in their places, among so many as are tried."""
    from ..question.names import edited

    left = MOST_PUT
    for where, point in _tried(asked):
        left -= max(1, len(point))
        if left < 0:
            break
        if faults := _faults(partial(edited, plan, data, point), where):
            return faults
    return []


def _faults(work: Callable[[], Any], where: str) -> list[Fault]:
    """The faults that something ends with, as those of a part of the request."""
    try:
        work()
    except FaultsError as error:
        faults = [replace(fault, file=where, row="") for fault in error.faults]
        return [replace(fault, found="nothing") if fault.found == "none" else fault for fault in faults]
    return []


# The question in a job's folder: read with its tables, and checked without solving, as far as this is quick.


STATED, FACTS = "tables.json", "facts.json"


@lru_cache(maxsize=8)  # homes are many, and each takes megabytes
def shipped_tables(home: str = USA) -> Dataset:
    """Those of the package for a home; no request changes them. Raises InputError for a home without tables."""
    from ..question.read_csv import load_dataset

    return load_dataset(shipped("inputs"), home)


def question(folder: Folder, request: Mapping[str, Any]) -> tuple[Plan, Dataset]:
    """Plan and tables of a request; of a plan of several homes the joint ones. Raises PlanError or InputError with the faults of
    both."""
    from ..question.together import joint_question

    faults: list[Fault] = []
    plan, data = None, None
    try:
        plan, data = _loaded(folder, request)
    except PlanError as error:
        faults += error.faults
    try:
        home = USA if plan is None else plan.home
        data = _tables(folder, request, home) or data
        if plan is not None and plan.together is not None and data is None:
            return joint_question(plan, {one.home: shipped_tables(one.home) for one in plan.together.members})
        data = data or shipped_tables(home)
    except FaultsError as error:
        faults += error.faults
    if plan is None or data is None or faults:
        raise PlanError(faults)
    return plan, data


def _tables(folder: Folder, request: Mapping[str, Any], home: str) -> Dataset | None:
    """A request's own tables, on top of the shipped ones where that was asked for; None: it has none. Raises InputError."""
    from ..question.dataset import Dataset
    from ..question.read_csv import load_dataset

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


def look(folder: Folder, request: Mapping[str, Any]) -> None:
    """What can be seen of a job without solving anything. Raises PlanError or InputError with the faults that would fail it."""
    kind = request["kind"]
    if KINDS_OF_JOBS[kind].asks:
        _look_at_question(folder, request)
    elif kind == "roll":
        noted_rows(request)
        new_facts(folder)
    elif kind == "stress":
        if (stated := Folder(first_of(folder)).read("plan.json")) is not None:
            plan = parse_plan(stated)
            if reason := no_room_for_draws(plan):
                raise PlanError([Fault("body", "", "of", plan.name, reason)])
    elif kind == "explain":
        stated = Folder(first_of(folder)).read("manifest.json") or {}
        if stated.get("outcome", {}).get("relaxed"):
            raise InputError([Fault("body", "", "of", "a linear relaxation", "a job solved with `relax` false")])
        if request["item"] is not None:
            look_at_item(first_of(folder), request["item"])


def _look_at_question(folder: Folder, request: Mapping[str, Any]) -> None:
    """As `look`, of what asks about a plan and its tables."""
    from ..question.consistency import check_data

    kind = request["kind"]
    if kind == "together":
        members_of(folder, request)
    plan, data = question(folder, request)
    if KINDS_OF_JOBS[kind].verb.checked and (
        faults := [as_sent(fault, request.get("set")) for fault in check_data(plan, data)]
    ):
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
        try:
            found.append(validated(list(enumerate(rows, start=1)), header, kind, name) if rows else ())
        except InputError as error:
            faults += error.faults
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


def first_of(folder: Folder) -> Path:
    """The run folder that a job builds on."""
    return folder.path / "of" / "0"


def look_at_item(run: Path, item: str) -> None:
    """Whether an item is one that can be explained: the model is built for that. Raises PlanError and InputError."""
    from ..answer.run_folder import load_result
    from ..matrix.problem import DecisionIndex, prepare

    result = load_result(run)
    try:
        DecisionIndex(prepare(result.plan, result.data)).find(item)
    except PlanError as error:
        raise PlanError([replace(fault, file="body") for fault in error.faults]) from None


Form = Literal["job", "upload", "check"]
"""What is read: any job; the options of a question whose plan came as a file; a question to look at."""

MOST_FIELDS = 100
"""Of a request; there are a quarter as many."""
MOST_ENTRIES = 300_000
"""Values of a plan, a study or `set`, at all levels: hundreds of times the largest plan known."""
MOST_COLUMNS_OF_TABLE = 200
"""Different ones in the rows of a table; the widest has a fifth of that."""
BODY = "body.json"

ADAPTERS: Mapping[str, TypeAdapter[Any]] = {
    "job": TypeAdapter(JobRequest),
    "upload": TypeAdapter(FileRequest),
    "check": TypeAdapter(Question),
}


def shipped_plans() -> list[str]:
    """Names of the plans that come with the package."""
    return sorted(path.stem for path in shipped("models").glob("*.toml"))


def parsed(body: bytes, where: str) -> Any:
    """JSON, as RFC 8259 has it, each name of an object once. Raises ProblemError where it is none; PlanError for names that stand
    there twice, and of a form's options, for the form itself could be read."""
    twice: list[tuple[dict[str, Any], str]] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            seen: set[str] = set()
            twice.append((found, next(name for name, _ in pairs if name in seen or seen.add(name))))  # type: ignore[func-returns-value]
        return found

    try:
        raw = json.loads(str(body, "utf-8"), parse_constant=_no_number, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        faults = [Fault(where, "", "", _no_json(error, body), "JSON in UTF-8")]
        if where == "options":
            raise PlanError(faults) from None
        raise ProblemError("malformed", "The body is not valid JSON.", faults) from None
    if twice:
        raise PlanError(_told_twice(raw, twice, where))
    return raw


def _no_number(name: str) -> Any:
    raise MisplacedError(("", name, "a number"))


def _no_json(error: Exception, body: bytes) -> str:
    """What was found instead of JSON."""
    if not body.strip():
        return "nothing"
    if isinstance(error, RecursionError):
        return "too many nested levels"
    if isinstance(error, UnicodeDecodeError):
        return f"a byte that is not valid UTF-8, at position {error.start:,}"
    if isinstance(error, MisplacedError):
        return f"{error.places[0][1]}, which is not a number in JSON"
    if isinstance(error, json.JSONDecodeError):
        mark = "a byte order mark" if body.startswith(BOM_UTF8) else brief(error.doc[error.pos : error.pos + 1])
        return f"{mark if error.pos < len(error.doc) else 'the end'} at line {error.lineno:,}, column {error.colno:,}"
    return f"a number of more than {sys.get_int_max_str_digits():,} digits"


def _told_twice(raw: Any, twice: Sequence[tuple[dict[str, Any], str]], where: str) -> list[Fault]:
    """Where names stand twice; a place inside what is itself a value of such a name may be gone."""
    names = {id(within): name for within, name in islice(twice, MOST_FAULTS)}
    objects = [(path, id(item)) for path, item in walked(raw) if isinstance(item, dict)]
    places = [place([*path, names[item]]) for path, item in objects if item in names]
    return [Fault(where, "", at, "the field twice", "each field once") for at in sorted(places or names.values())]


def bounded(raw: Any, most_rows: int, where: str = "body") -> None:
    """Refuse what would have more faults than anybody reads, before it is validated. Raises PlanError, ProblemError for size."""
    if not isinstance(raw, dict):
        raise PlanError([Fault(where, "", "", brief(raw), "an object")])
    if len(raw) > MOST_FIELDS:
        raise PlanError([Fault(where, "", "", f"{len(raw):,} fields", f"at most {MOST_FIELDS}")])
    for name in ("plan", "study", "set", "acts", "news"):
        if _entries(raw.get(name), MOST_ENTRIES) > MOST_ENTRIES:
            raise ProblemError("too-large", f"{name} has more than {MOST_ENTRIES:,} values.")
    if faults := _first(fields_set(raw.get("set"), where)):
        raise PlanError(faults)
    of = raw.get("of")
    if isinstance(of, list) and len(of) > MOST_FIELDS:
        raise PlanError([Fault(where, "", "of", f"{len(of):,} jobs", "at most 8")])
    for tables in (raw.get("tables"), raw.get("facts")):
        if isinstance(tables, dict):
            _few_rows(sum(len(rows) for rows in tables.values() if isinstance(rows, list)), most_rows)
            if faults := _first(_odd_tables(tables)):
                raise PlanError(faults)


def _few_rows(rows: int, most: int) -> None:
    if rows > most:
        raise ProblemError("too-large", f"{rows:,} rows of tables; at most {most:,}.")


def _entries(value: Any, most: int) -> int:
    """Values inside, at all levels, counted until there are more than most."""
    count, level = 0, [value]
    while level and count <= most:
        inner: list[Any] = []
        for item in level:
            within = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
            count += len(within)
            if count > most:
                return count
            inner.extend(within)
        level = inner
    return count


def _odd_tables(tables: Mapping[str, Any]) -> Iterator[Fault]:
    """Tables that are none, rows that are no objects, cells that are no single values."""
    for name, rows in tables.items():
        if name not in TABLES:
            yield Fault("tables", "", "table", spelt(name), f"the name of a table{near_miss(name[:100], TABLES)}")
        elif not isinstance(rows, list):
            yield Fault(name, "", "", brief(rows), "a list of rows, each an object")
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
            yield Fault(name, str(n), "", brief(row), "an object: column -> value")
            continue
        columns.update(row)
        if len(columns) > MOST_COLUMNS_OF_TABLE:
            yield Fault(name, str(n), "", f"{len(columns):,} columns", f"at most {MOST_COLUMNS_OF_TABLE}")
            return
        for column, value in row.items():
            if isinstance(value, dict | list):
                yield Fault(name, str(n), column, "an object or a list", "a single value")


def _first(faults: Iterator[Fault]) -> list[Fault]:
    """The first faults, and that there are more where there are."""
    found = list(islice(faults, MOST_FAULTS + 1))
    if len(found) > MOST_FAULTS:
        found[-1] = Fault(found[-1].file, "", "", "more faults", "the first ones to be corrected")
    return found


def validated(form: Form, raw: Any, where: str) -> Any:
    """A request of plain data. Raises PlanError with its faults."""
    try:
        return ADAPTERS[form].validate_python(raw)
    except ValidationError as error:
        kind = KINDS_OF_JOBS.get(str(raw.get("kind")))
        model = Question if kind is None or form == "check" else kind.request
        kinds = {"job": tuple(KINDS_OF_JOBS), "upload": WITH_FILES}.get(form, ())
        errors = error.errors(include_url=False)
        raise PlanError(_first(faults_of(errors, where, model.model_fields, kinds))) from None


def read(form: Form, body: bytes, folder: Folder, most_rows: int, most_columns: int) -> dict[str, Any]:
    """Read a request, whose files lie in the folder already, and write its plan and tables there.

    Returns `asked`, what is left of the request, and its `digest`. Raises ProblemError, PlanError and InputError; what was written
    then is for whoever made the folder to delete.
    """
    where = "options" if form == "upload" else "body"
    raw = parsed(body, where)
    bounded(raw, most_rows, where)
    try:
        sanitise(raw)
    except MisplacedError as error:
        raise PlanError([Fault(where, "", *error.places[0])]) from None
    files = _files(folder)
    if form == "upload":
        raw = {"kind": "solve", **raw}
        twice = [name for name in (*PLANS, "tables") if raw.get(name) is not None]
        if twice:
            expected = "no value: the files of the form contain it"
            raise PlanError([Fault(where, "", name, "a value", expected) for name in twice])
    request = validated(form, raw, where)
    try:
        asked = _written(request, files, folder, most_rows, most_columns)
    except FaultsError as error:
        raise PlanError([as_sent(fault, getattr(request, "set", None)) for fault in error.faults]) from None
    return {"asked": asked, "digest": _digest(request, files)}


def read_in(folder: Folder, asked: Mapping[str, Any]) -> dict[str, Any]:
    """In a process of its own: what `read` returns for a folder, or its `problem`. asked: form and limits."""
    try:
        body = (folder.path / BODY).read_bytes()
        return read(asked["form"], body, folder, asked["most_rows"], asked["most_columns"])
    except (FaultsError, ProblemError) as error:
        return {"problem": problem_of(error).model_dump()}
    except MemoryError:
        return {"problem": problem("too-large", "Reading the request needs too much memory.").model_dump()}


def _files(folder: Folder) -> dict[str, bytes]:
    """Files that came with a request, by the names under which they are kept."""
    found = [path for name in ("plan.*", "tables/*.csv") for path in folder.path.glob(name)]
    return {path.relative_to(folder.path).as_posix(): path.read_bytes() for path in found}


def _written(
    request: BaseModel, files: Mapping[str, bytes], folder: Folder, most_rows: int, most_columns: int
) -> dict[str, Any]:
    """Write a question's plan and tables into a folder; what is left of the request. Raises PlanError and ProblemError."""
    asked = request.model_dump(exclude={"plan", "plan_toml", "tables", "facts"})
    if (facts := getattr(request, "facts", None)) is not None:
        folder.write(FACTS, facts)
    if not isinstance(request, Question):
        return asked
    tables = [content for name, content in files.items() if name.startswith("tables/")]
    _few_rows(sum(max(content.count(b"\n"), content.count(b"\r")) for content in tables), most_rows)
    if request.plan is not None:
        folder.write("plan.json", request.plan)
    if request.plan_toml is not None:
        folder.keep("plan.toml", request.plan_toml.encode())
    if request.tables is not None:
        folder.write("tables.json", request.tables)
    uploaded = [path for path in folder.path.glob("plan.*") if path.suffix in (".toml", ".json")]
    if request.shipped is not None:
        known = shipped_plans()
        if request.shipped not in known:
            expected = f"one of {', '.join(known)}{near_miss(request.shipped, known)}"
            raise PlanError([Fault("body", "", "shipped", spelt(request.shipped), expected)])
        uploaded = [shipped("models") / f"{request.shipped}.toml"]
    if uploaded:
        _quick_look(load_plan(uploaded[0], request.set), most_columns)
    elif not (folder.path / "plan.xlsx").is_file():
        raise PlanError([Fault("body", "", "plan", "nothing", f"a plan in one of {', '.join(PLANS)}")])
    return asked


def _quick_look(plan: Plan, most_columns: int) -> None:
    """Refuse what is too large whatever its tables say. Raises PlanError."""
    scenarios = len(plan.scenarios) + (0 if plan.sample is None else plan.sample.scenarios)
    periods = plan.horizon.years * 12 // plan.horizon.period_months
    if scenarios * periods > most_columns:
        found = f"{scenarios:,} scenarios, {periods:,} periods"
        raise PlanError([Fault("plan", "", "sample.scenarios", found, f"at most {most_columns:,} columns in all")])


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
    digest = hashlib.sha256(json.dumps(request.model_dump(mode="json", exclude={"webhook"}), sort_keys=True).encode())
    for name, content in sorted(files.items()):
        digest.update(f"\0{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


# The plan form of the page: which fields it has, in which group, with which choices, and what was typed into them.


SEEN = "seen"
"""Fact of a check that the page alone takes: values of the form's fields, title, and names to choose among."""
FLAGS = {"true": "yes", "false": "no"}
LISTED = {"loss_function": "loss_functions", "price_set": "prices"}
"""Field -> table whose names it chooses among."""
WORDS = {
    "planned": "what the plan would have spent",
    "appropriated": "that, and the unspent money of the year",
    "social_cost": "least social cost",
    "risk_within_budget": "least risk within the budget",
    "least_budget": "least budget that meets the requirements",
}
"""Choice -> what it is called, where its name is not clear."""


@dataclass(frozen=True)
class FormField:
    """One field. Choices: value -> words; none: it is typed in."""

    name: str
    """Its place in the plan."""
    label: str
    choices: Mapping[str, str]
    listed: bool = False
    """Its choices are names in the tables."""


def _field(name: str) -> FormField:
    """A field with the label and the choices of the plan's schema."""
    *sections, last = name.split(".")
    model: Any = Plan
    for section in sections:
        model = _inner(model.model_fields[section].annotation)
    field = model.model_fields[last]
    values = [str(value) for value in get_args(field.annotation)] if get_origin(field.annotation) is Literal else []
    choices = {value: WORDS.get(value, value.replace("_", " ")) for value in values}
    return FormField(name, column_of(field).label, FLAGS if field.annotation is bool else choices, name in LISTED)


def _inner(kind: Any) -> Any:
    """The section that an optional field holds."""
    sections = [one for one in get_args(kind) if isinstance(one, type) and issubclass(one, BaseModel)]
    return sections[0] if sections else kind


SHOWN = {
    "Money": "budget.appropriation_musd budget.total_musd budget.carry_over_share budget.branch_money discount_rate",
    "Time": "horizon.first_year horizon.years horizon.period_months",
    "Prices and losses": "price_set loss_function loss_level price_gain",
    "What may be done": "instruments.reserve instruments.offtake_contracts instruments.projects "
    "procurement.law procurement.practice procurement.policy",
    "Aim and risk": "objective.kind risk.cvar_weight risk.alpha risk.cvar_limit_musd",
    "Random scenarios": "sample.scenarios sample.seed",
}
"""Heading -> fields under it."""
GROUPS = {title: [_field(name) for name in names.split()] for title, names in SHOWN.items()}
FIELDS = {field.name: field for fields in GROUPS.values() for field in fields}


def values_of(plan: Mapping[str, Any]) -> dict[str, str]:
    """The form's fields of a plan, as text; empty where the plan says nothing."""
    found: dict[str, str] = {}
    for name in FIELDS:
        value: Any = plan
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        plain = isinstance(value, str | int | float) and not isinstance(value, bool)
        found[name] = "" if value is None else str(value) if plain else json.dumps(value, default=str)
    return found


def lists_of(data: Dataset) -> dict[str, list[str]]:
    """Names in the tables that fields choose among."""
    return {name: sorted({getattr(row, name) for row in data.rows(table)}) for name, table in LISTED.items()}


def raw_values(path: Path) -> dict[str, str]:
    """The form's fields of a plan file that may have faults, as far as it can be read at all."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        raw = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError, RecursionError):
        return {}
    return values_of(raw) if isinstance(raw, dict) else {}


def choices_of(field: FormField, value: str, lists: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """What a field may be set to, in words; empty: it is typed in. What the plan has is among them, whatever it is."""
    known = dict(field.choices) or {name: name for name in lists.get(field.name, ()) if field.listed}
    return {value: value, **known} if known and value and value not in known else known


def changed(form: Mapping[str, str], given: Mapping[str, str]) -> dict[str, Any]:
    """Fields that were typed in otherwise than the plan has them, as values of a request; emptied ones are taken away."""
    found: dict[str, Any] = {}
    for name in FIELDS:
        if name in form and (text := form[name].strip()) != given.get(name, ""):
            flag = FIELDS[name].choices == FLAGS and text in FLAGS
            found[name] = text == "true" if flag else value_of(text) if text else None
    return found


def value_of(text: str) -> Any:
    """A typed value: JSON where it is a number or an object, else text."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(found, float) and not math.isfinite(found):
        return text
    return found if isinstance(found, int | float | dict) and not isinstance(found, bool) else text
