"""From bytes that somebody sent to a question in a job's folder: bounded first, validated then, with as many faults as are told.

What validates reports every fault that it finds, and a table of a million wrong rows has millions. So rows, fields and cells are
counted before, and only what could be right goes on. Large requests are read in a process of their own (`child`), with a limit on
memory and time, because one call that validates lets nothing else of this process run.
"""

from __future__ import annotations

import hashlib
import json
import reprlib
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter, ValidationError

from ..errors import Fault, FaultsError, PlanError, near_miss
from ..library import shipped
from ..plan import Plan
from ..plan_file import load_plan, parse_plan
from ..rows import TABLES
from .files import READ, Folder
from .messages import JobRequest, Question, SolveRequest, SweepRequest, tame
from .problems import MOST_FAULTS, ProblemError

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
    "job": TypeAdapter(JobRequest), "upload": TypeAdapter(SolveRequest | SweepRequest), "check": TypeAdapter(Question),
}  # fmt: skip


class _Brief(reprlib.Repr):
    """What was found, in a few words, however large it is."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxdict, self.maxlist, self.maxtuple, self.maxstring, self.maxother = 2, 3, 3, 3, 120, 120


def brief(value: Any) -> str:
    """A value in a fault's words."""
    return _Brief().repr(value)


def shipped_plans() -> list[str]:
    """Names of the plans that come with the package."""
    return sorted(path.stem for path in shipped("models").glob("*.toml"))


def parsed(body: bytes, where: str) -> Any:
    """JSON, as RFC 8259 has it. Raises ProblemError; of a form's options PlanError, for the form itself could be read."""
    try:
        return json.loads(str(body, "utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        said = "more nesting than is read" if isinstance(error, RecursionError) else str(error)[:200]
        faults = [Fault(where, "", "", said, "JSON in UTF-8")]
        raise (PlanError(faults) if where == "options" else ProblemError("malformed", "The body is no JSON.", faults)) from None


def _no_number(name: str) -> Any:
    raise ValueError(f"{name}: JSON has no such number")


def bounded(raw: Any, most_rows: int, where: str = "body") -> None:
    """Refuse what would have more faults than anybody reads, before it is validated. Raises PlanError, ProblemError for size."""
    if not isinstance(raw, dict):
        raise PlanError([Fault(where, "", "", brief(raw), "an object")])
    if len(raw) > MOST_FIELDS:
        raise PlanError([Fault(where, "", "", f"{len(raw):,} fields", f"at most {MOST_FIELDS}")])
    for name in ("plan", "study", "set"):
        if _entries(raw.get(name), MOST_ENTRIES) > MOST_ENTRIES:
            raise ProblemError("too-large", f"{name} has more than {MOST_ENTRIES:,} values.")
    of = raw.get("of")
    if isinstance(of, list) and len(of) > MOST_FIELDS:
        raise PlanError([Fault(where, "", "of", f"{len(of):,} jobs", "at most 8")])
    tables = raw.get("tables")
    if isinstance(tables, dict):
        _few_rows(sum(len(rows) for rows in tables.values() if isinstance(rows, list)), most_rows)
        faults = list(_first(_odd_tables(tables), MOST_FAULTS))
        if faults:
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
            yield Fault("tables", "", "table", brief(name), f"a table name{near_miss(name[:100], TABLES)}")
        elif not isinstance(rows, list):
            yield Fault(name, "", "", brief(rows), "a list of rows, each an object")
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
            yield Fault(fault.file, "", "", "more faults", "the first ones mended")
            return
        yield fault


def validated(form: Form, raw: Any, where: str) -> Any:
    """A request of plain data. Raises PlanError with its faults."""
    try:
        return ADAPTERS[form].validate_python(raw)
    except ValidationError as error:
        raise PlanError(list(_first(_faults(error, where), MOST_FAULTS))) from None


def _faults(error: ValidationError, where: str) -> Iterator[Fault]:
    for item in error.errors(include_url=False):
        found = "nothing" if item["type"] == "missing" else brief(item.get("input"))
        yield Fault(where, "", ".".join(map(str, item["loc"])), found, str(item["msg"]))


def read(form: Form, body: bytes, folder: Folder, most_rows: int, most_columns: int) -> dict[str, Any]:
    """Read a request, whose files lie in the folder already, and write its plan and tables there.

    Returns `asked`, what is left of the request, and its `digest`. Raises ProblemError, PlanError and InputError; what was written
    then is for whoever made the folder to delete.
    """
    where = "options" if form == "upload" else "body"
    raw = parsed(body, where)
    bounded(raw, most_rows, where)
    try:
        tame(raw)
    except ValueError as error:
        raise PlanError([Fault("request", "", "", str(error), "plain data")]) from None
    files = _files(folder)
    if form == "upload":
        raw = {"kind": "solve", **raw}
        twice = [name for name in ("plan", "plan_toml", "shipped", "tables") if raw.get(name) is not None]
        if twice:
            raise PlanError([Fault("options", "", name, "a value", "nothing: the file says it") for name in twice])
    request = validated(form, raw, where)
    asked = _written(request, files, folder, most_rows, most_columns)
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
        found = {"problem": ProblemError("too-large", "Reading it needs more memory than it may have.").problem.model_dump()}
    folder.write(READ, {"found": found})


def _files(folder: Folder) -> dict[str, bytes]:
    """Files that came with a request, by the names under which they are kept."""
    found = [path for name in ("plan.*", "tables/*.csv") for path in folder.path.glob(name)]
    return {path.relative_to(folder.path).as_posix(): path.read_bytes() for path in found}


def _written(request: BaseModel, files: Mapping[str, bytes], folder: Folder, most_rows: int, most_columns: int) -> dict[str, Any]:
    """Write a question's plan and tables into a folder; what is left of the request. Raises PlanError and ProblemError."""
    asked = request.model_dump(exclude={"plan", "plan_toml", "tables"})
    if not isinstance(request, Question):
        return asked
    _few_rows(sum(max(content.count(b"\n"), content.count(b"\r")) for name, content in files.items() if name.startswith("tables/")),
              most_rows)  # fmt: skip
    if request.plan is not None:
        parse_plan(request.plan)
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
            raise PlanError([Fault("request", "", "shipped", brief(request.shipped), expected)])
        uploaded = [shipped("models") / f"{request.shipped}.toml"]
    if uploaded:
        _quick_look(load_plan(uploaded[0], request.set), most_columns)
    elif not (folder.path / "plan.xlsx").is_file():
        raise PlanError([Fault("request", "", "plan", "none", "one of plan, plan_toml, shipped, or an uploaded file")])
    return asked


def _quick_look(plan: Plan, most_columns: int) -> None:
    """Refuse what is too large whatever its tables say. Raises PlanError."""
    worlds = len(plan.scenarios) + (0 if plan.sample is None else plan.sample.worlds)
    periods = plan.horizon.years * 12 // plan.horizon.period_months
    if worlds * periods > most_columns:
        found = f"{worlds:,} worlds, {periods:,} periods"
        raise PlanError([Fault("plan", "", "sample.worlds", found, f"at most {most_columns:,} columns in all")])


def kind_of_plan(content: bytes) -> str:
    """The name under which an uploaded plan is kept, by what it holds: a caller's file name says nothing."""
    if content[:2] == b"PK":
        return "plan.xlsx"
    return "plan.json" if content.lstrip()[:1] == b"{" else "plan.toml"


def table_file(label: str) -> str:
    """The name under which an uploaded table is kept. Raises PlanError where it is no table's."""
    stem = label.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".csv")
    if stem not in TABLES:
        raise PlanError([Fault("tables", "", "file name", brief(label), f"<table>.csv{near_miss(stem[:100], TABLES)}")])
    return f"tables/{stem}.csv"


def _digest(request: BaseModel, files: Mapping[str, bytes]) -> str:
    """Two submissions with the same one are the same."""
    digest = hashlib.sha256(json.dumps(request.model_dump(mode="json"), sort_keys=True).encode())
    for name, content in sorted(files.items()):
        digest.update(f"\0{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
