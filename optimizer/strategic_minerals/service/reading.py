"""From bytes that somebody sent to a question in a job's folder: bounded first, validated then, with as many faults as are told.

What validates reports every fault that it finds, and a table of a million wrong rows has millions. So rows, fields and cells are
counted before, and only what could be right goes on. Large requests are read in a process of their own (`child`), with a limit on
memory and time, because one call that validates lets nothing else of this process run.
"""

from __future__ import annotations

import hashlib
import json
import sys
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter, ValidationError

from ..core.errors import Fault, FaultsError, MisplacedError, PlanError, near_miss
from ..core.shipped import shipped
from ..data.plan_file import load_plan
from ..schemas.plan import Plan
from ..schemas.tables import TABLES
from .addresses import as_sent, fields_set
from .api_schemas import PLANS, Question, sanitise, walked
from .bundles import BUNDLE, names_in
from .job_folder import READ, Folder
from .kind_table import KINDS, WITH_FILES, FileRequest, JobRequest
from .problem_details import MOST_FAULTS, ProblemError
from .questions import FACTS
from .wording import brief, faults_of, place, spelt

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
        raise (
            PlanError(faults)
            if where == "options"
            else ProblemError("malformed", "The body is not valid JSON.", faults)
        ) from None
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
    places = [
        place([*path, names[id(item)]]) for path, item in walked(raw) if isinstance(item, dict) and id(item) in names
    ]
    return [Fault(where, "", at, "the field twice", "each field once") for at in sorted(places or names.values())]


def bounded(raw: Any, most_rows: int, where: str = "body") -> None:
    """Refuse what would have more faults than anybody reads, before it is validated. Raises PlanError, ProblemError for size."""
    if not isinstance(raw, dict):
        raise PlanError([Fault(where, "", "", brief(raw), "an object")])
    if len(raw) > MOST_FIELDS:
        raise PlanError([Fault(where, "", "", f"{len(raw):,} fields", f"at most {MOST_FIELDS}")])
    for name in ("plan", "study", "set", "done", "happened", "changes"):
        if _entries(raw.get(name), MOST_ENTRIES) > MOST_ENTRIES:
            raise ProblemError("too-large", f"{name} has more than {MOST_ENTRIES:,} values.")
    if faults := list(_first(fields_set(raw.get("set"), where), MOST_FAULTS)):
        raise PlanError(faults)
    of = raw.get("of")
    if isinstance(of, list) and len(of) > MOST_FIELDS:
        raise PlanError([Fault(where, "", "of", f"{len(of):,} jobs", "at most 8")])
    for tables in (raw.get("tables"), raw.get("facts")):
        if isinstance(tables, dict):
            _few_rows(sum(len(rows) for rows in tables.values() if isinstance(rows, list)), most_rows)
            if faults := list(_first(_odd_tables(tables), MOST_FAULTS)):
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


def _first(faults: Iterator[Fault], most: int) -> Iterator[Fault]:
    """The first faults, and that there are more where there are."""
    for n, fault in enumerate(faults):
        if n == most:
            yield Fault(fault.file, "", "", "more faults", "the first ones to be corrected")
            return
        yield fault


def validated(form: Form, raw: Any, where: str) -> Any:
    """A request of plain data. Raises PlanError with its faults."""
    try:
        return ADAPTERS[form].validate_python(raw)
    except ValidationError as error:
        kind = KINDS.get(str(raw.get("kind")))
        model = Question if kind is None or form == "check" else kind.request
        kinds = {"job": tuple(KINDS), "upload": WITH_FILES}.get(form, ())
        errors = error.errors(include_url=False)
        raise PlanError(list(_first(faults_of(errors, where, model.model_fields, kinds), MOST_FAULTS))) from None


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
            raise PlanError(
                [Fault(where, "", name, "a value", "no value: the files of the form contain it") for name in twice]
            )
    request = validated(form, raw, where)
    if faults := _other_files(request, files):
        raise PlanError(faults)
    try:
        asked = _written(request, files, folder, most_rows, most_columns)
    except FaultsError as error:
        raise PlanError([as_sent(fault, getattr(request, "set", None)) for fault in error.faults]) from None
    return {"asked": asked, "digest": _digest(request, files)}


def read_in(folder: Folder) -> None:
    """In a process of its own: read what lies in a folder, and write down what came of it."""
    told = folder.read(READ) or {}
    try:
        body = (folder.path / BODY).read_bytes()
        found = read(told["form"], body, folder, told["most_rows"], told["most_columns"])
    except FaultsError as error:
        found = {"problem": ProblemError("invalid", "", error.faults).problem.model_dump()}
    except ProblemError as error:
        found = {"problem": error.problem.model_dump()}
    except MemoryError:
        found = {
            "problem": ProblemError("too-large", "Reading the request needs too much memory.").problem.model_dump()
        }
    folder.write(READ, {"found": found})


def _files(folder: Folder) -> dict[str, bytes]:
    """Files that came with a request, by the names under which they are kept."""
    found = [path for name in ("plan.*", "tables/*.csv", BUNDLE) for path in folder.path.glob(name)]
    return {path.relative_to(folder.path).as_posix(): path.read_bytes() for path in found}


def _other_files(request: Any, files: Mapping[str, bytes]) -> list[Fault]:
    """Faults of files that a kind of job does not read, or lacks."""
    if KINDS[getattr(request, "kind", "solve")].of != "files":
        return [Fault("form", "", "files", "a file", "no such part: it is for published files")] * (BUNDLE in files)
    odd = sorted(name for name in files if name != BUNDLE)
    if odd:
        return [Fault("form", "", odd[0].partition("/")[0].partition(".")[0], "a file", "the part `files`: one ZIP")]
    if BUNDLE not in files:
        return [Fault("form", "", "files", "nothing", "a ZIP with the files (POST /v1/jobs/upload)")]
    return []


def _written(
    request: BaseModel, files: Mapping[str, bytes], folder: Folder, most_rows: int, most_columns: int
) -> dict[str, Any]:
    """Write a question's plan and tables into a folder; what is left of the request. Raises PlanError and ProblemError."""
    asked = request.model_dump(exclude={"plan", "plan_toml", "tables", "facts"})
    if (facts := getattr(request, "facts", None)) is not None:
        folder.write(FACTS, facts)
    if BUNDLE in files:
        names_in(folder.path / BUNDLE)
    if not isinstance(request, Question):
        return asked
    _few_rows(
        sum(
            max(content.count(b"\n"), content.count(b"\r"))
            for name, content in files.items()
            if name.startswith("tables/")
        ),
        most_rows,
    )
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
