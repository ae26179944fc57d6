"""A question as people keep it, a plan with its tables, in files of any kind: found, read, its faults told at once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .dataset import Dataset, load_dataset, validate_rows
from .errors import Fault, FaultsError, InputError, PlanError, near_miss
from .library import shipped
from .plan import Plan
from .plan_file import load_plan
from .rows import TABLES


def find_plan(path: Path) -> Path:
    """A file, the plan of a folder, or the shipped plan of that name. Raises PlanError where there is none."""
    if path.is_file():
        return path
    inside = [path / name for name in ("plan.toml", "plan.json", "plan.xlsx") if (path / name).is_file()]
    if inside:
        return inside[0]
    known = sorted(each.stem for each in shipped("models").glob("*.toml"))
    if len(path.parts) == 1 and path.name.removesuffix(".toml") in known:
        return shipped("models") / f"{path.name.removesuffix('.toml')}.toml"
    if path.is_dir():
        raise PlanError([Fault(str(path), "", "", "a folder without a plan", "plan.toml, plan.json or plan.xlsx in it")])
    close = near_miss(path.name, known)
    raise PlanError([Fault(str(path), "", "", "no such file", f"a plan file, or one of {', '.join(known)}{close}")])


def find_tables(plan: Path, tables: Path | None) -> Path:
    """The folder asked for, else `tables` or `inputs` beside the plan, else the shipped one."""
    if tables is not None:
        return tables
    for name in ("tables", "inputs"):
        if (plan.parent / name).is_dir():
            return plan.parent / name
    return shipped("inputs")


def load_question(path: Path, tables: Path | None = None, values: Mapping[str, Any] | None = None) -> tuple[Plan, Dataset]:
    """A plan (TOML, JSON, or a workbook with its tables) and its tables; values: dotted path -> value, put into the plan.

    Raises PlanError or InputError with the faults of both at once.
    """
    if path.suffix.lower() == ".xlsx":
        from .workbook import load_workbook

        asked, own = load_workbook(path, values)
        return asked, own if tables is None else load_dataset(tables)
    faults: list[Fault] = []
    loaded, data = None, None
    try:
        loaded = load_plan(path, values)
    except FaultsError as error:
        faults += error.faults
    try:
        data = load_dataset(find_tables(path, tables))
    except FaultsError as error:
        faults += error.faults
    if loaded is None or data is None:
        raise PlanError(faults)
    return loaded, data


def dataset_of(records: Mapping[str, Sequence[Mapping[str, Any]]], base: Dataset | None = None) -> Dataset:
    """Tables from plain rows; base: tables that stand where the rows name none. Raises InputError with every fault."""
    faults: list[Fault] = []
    tables = {} if base is None else dict(base.tables)
    for name, rows in records.items():
        if name not in TABLES:
            faults.append(Fault("tables", "", "table", f"'{name}'", f"a table name{near_miss(name, TABLES)}"))
            continue
        columns = list(dict.fromkeys(column for row in rows for column in row))
        tables[name], found = validate_rows(name, [dict(row) for row in rows], name, columns)
        faults += found
    if faults:
        raise InputError(faults)
    return Dataset(tables, "in memory")


def overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """`key=value` texts as dotted path -> value; values are read as TOML, and as plain text where they are not."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign:
            raise PlanError([Fault("--set", "", pair, "no '='", "key=value, e.g. budget.total_musd=500")])
        try:
            found[key.strip()] = tomllib.loads(f"v = {value}")["v"]
        except tomllib.TOMLDecodeError:
            found[key.strip()] = value.strip()
    return found
