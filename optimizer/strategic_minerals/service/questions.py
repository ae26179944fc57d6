"""The question in a job's folder: read with its tables, and checked without solving, as far as this is quick.

Faults are named as whoever sent the question knows its parts: fields of `set`, rows of a table from 1 where they came as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import Fault, FaultsError, InputError, PlanError
from ..schemas.base import USA
from .addresses import as_sent
from .job_folder import Folder
from .kind_table import KINDS

if TYPE_CHECKING:
    from ..data.dataset import Dataset
    from ..rolling.files import DoneRow, HappenedRow
    from ..schemas.plan import Plan

STATED, FACTS = "tables.json", "facts.json"


@cache
def shipped_tables(home: str = USA) -> Dataset:
    """Those of the package for a home; no request changes them. Raises InputError for a home without tables."""
    from ..core.shipped import shipped
    from ..data.csv_files import load_dataset

    return load_dataset(shipped("inputs"), home)


def question(folder: Folder, request: Mapping[str, Any]) -> tuple[Plan, Dataset]:
    """Plan and tables of a request; of a plan of several homes the joint ones. Raises PlanError or InputError with the faults of
    both."""
    from ..core.shipped import shipped
    from ..data.plan_file import load_plan
    from ..data.together import joint_question

    values = request.get("set")
    if (book := folder.path / "plan.xlsx").is_file():
        from ..data.workbook import load_workbook

        try:
            plan, own = load_workbook(book, values)
        except FaultsError as error:
            raise PlanError([as_sent(fault, values) for fault in error.faults]) from None
        return plan, _tables(folder, request, plan.home) or own
    uploads = [path for path in map(folder.path.joinpath, ("plan.toml", "plan.json")) if path.is_file()]
    path = uploads[0] if uploads else shipped("models") / f"{request['shipped']}.toml"
    faults: list[Fault] = []
    loaded, data = None, None
    try:
        loaded = load_plan(path, values)
    except FaultsError as error:
        faults += [as_sent(fault, values) for fault in error.faults]
    try:
        home = USA if loaded is None else loaded.home
        sent = _tables(folder, request, home)
        if loaded is not None and loaded.together is not None and sent is None:
            return joint_question(loaded, {one.home: shipped_tables(one.home) for one in loaded.together.members})
        data = sent or shipped_tables(home)
    except FaultsError as error:
        faults += error.faults
    if loaded is None or data is None:
        raise PlanError(faults)
    return loaded, data


def _tables(folder: Folder, request: Mapping[str, Any], home: str) -> Dataset | None:
    """A request's own tables, on top of the shipped ones where that was asked for; None: it has none. Raises InputError."""
    from ..data.csv_files import load_dataset
    from ..data.dataset import Dataset

    base = shipped_tables(home).tables if request.get("on_top_of_shipped") else {}
    if (stated := folder.read(STATED)) is not None:
        return Dataset({**base, **_rows(stated)}, "in memory")
    if not (own := folder.path / "tables").is_dir():
        return None
    data = load_dataset(own)
    return Dataset({**base, **data.tables}, data.name)


def _rows(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Tables from JSON, rows counted from 1. Raises InputError."""
    from ..data.row_checks import validate_rows

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
    from ..model.problem import columns_at_most

    if (found := columns_at_most(plan, data)) > most_columns:
        scenarios = len(plan.scenarios) + (0 if plan.sample is None else plan.sample.scenarios)
        said = f"about {found:,} columns ({scenarios:,} scenarios, {len(plan.materials)} entries of materials)"
        raise PlanError([Fault("plan", "", "sample.scenarios", said, f"at most {most_columns:,} columns")])


def look(folder: Folder, request: Mapping[str, Any]) -> None:
    """What can be seen of a job without solving anything. Raises PlanError or InputError with the faults that would fail it."""
    kind = request["kind"]
    if KINDS[kind].asks:
        _look_at_question(folder, request)
    elif kind == "roll":
        noted_rows(request)
        new_facts(folder)
    elif kind == "stress":
        from ..data.plan_file import parse_plan

        if (stated := Folder(first_of(folder)).read("plan.json")) is not None:
            testable(parse_plan(stated))
    elif kind == "explain":
        stated = Folder(first_of(folder)).read("manifest.json") or {}
        if stated.get("outcome", {}).get("relaxed"):
            raise InputError([Fault("body", "", "of", "a linear relaxation", "a job solved with `relax` false")])
        if request["item"] is not None:
            look_at_item(first_of(folder), request["item"])


def _look_at_question(folder: Folder, request: Mapping[str, Any]) -> None:
    """As `look`, of what asks about a plan and its tables."""
    from ..checks.consistency import check_data

    kind = request["kind"]
    if kind == "together":
        members_of(folder, request)
    plan, data = question(folder, request)
    if KINDS[kind].verb.checked and (
        faults := [as_sent(fault, request.get("set")) for fault in check_data(plan, data)]
    ):
        raise PlanError(faults)
    if kind == "sweep":
        from .studies import look_at_study

        look_at_study(request["study"], plan, data)


def members_of(folder: Folder, request: Mapping[str, Any]) -> tuple[Plan, dict[str, Dataset]]:
    """A plan of several homes as it stands, and the shipped tables of each by home. Raises PlanError and InputError."""
    from ..evaluation.coalitions import MOST_MEMBERS

    if (folder.path / STATED).is_file() or (folder.path / "tables").is_dir():
        expected = "none: a plan of several homes takes the shipped tables of each"
        raise InputError([Fault("body", "", "tables", "own tables", expected)])
    plan = _loaded(folder, request)
    if plan.together is None:
        raise PlanError([Fault("plan", "", "together", "nothing", "a section [together] with the homes of the plan")])
    if (count := len(plan.together.members)) > MOST_MEMBERS:
        raise PlanError([Fault("plan", "", "together.members", f"{count} homes", f"at most {MOST_MEMBERS}")])
    return plan, {one.home: shipped_tables(one.home) for one in plan.together.members}


def _loaded(folder: Folder, request: Mapping[str, Any]) -> Plan:
    """The plan of a request as it stands. Raises PlanError."""
    from ..core.shipped import shipped
    from ..data.plan_file import load_plan

    if (book := folder.path / "plan.xlsx").is_file():
        from ..data.workbook import load_workbook

        return load_workbook(book, request.get("set"))[0]
    uploads = [path for path in map(folder.path.joinpath, ("plan.toml", "plan.json")) if path.is_file()]
    path = uploads[0] if uploads else shipped("models") / f"{request['shipped']}.toml"
    try:
        return load_plan(path, request.get("set"))
    except FaultsError as error:
        raise PlanError([as_sent(fault, request.get("set")) for fault in error.faults]) from None


def noted_rows(request: Mapping[str, Any]) -> tuple[tuple[DoneRow, ...], tuple[HappenedRow, ...]]:
    """What was done and what happened, as rows from 1. Raises InputError with every fault."""
    from ..rolling.files import DoneRow, HappenedRow, validated

    faults: list[Fault] = []
    found: list[tuple[Any, ...]] = []
    for name, kind in (("done", DoneRow), ("happened", HappenedRow)):
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
    from ..data.dataset import Dataset

    stated = folder.read(FACTS)
    return None if stated is None else Dataset(_rows(stated), "in memory")


def first_of(folder: Folder) -> Path:
    """The run folder that a job builds on."""
    return folder.path / "of" / "0"


def testable(plan: Plan) -> None:
    """Raises PlanError where a plan leaves nothing to draw."""
    from ..schemas.plan import no_room_for_draws

    if reason := no_room_for_draws(plan):
        raise PlanError([Fault("body", "", "of", plan.name, reason)])


def look_at_item(run: Path, item: str) -> None:
    """Whether an item is one that can be explained: the model is built for that. Raises PlanError and InputError."""
    from ..model.decisions import DecisionIndex
    from ..model.problem import prepare
    from ..results.run_folder import load_result

    result = load_result(run)
    try:
        DecisionIndex(prepare(result.plan, result.data)).find(item)
    except PlanError as error:
        raise PlanError([replace(fault, file="body") for fault in error.faults]) from None
