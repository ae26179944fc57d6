"""Addresses of what a sensitivity study varies: a field of the plan, or cells of a table.

budget.appropriation_musd                      a field of the plan, dotted as in `--set`
scenarios.0.probability                        lists are counted from 0
days_of_cover.*.days                           a star between dots: every entry of a list
prices[mcs2024/ndpr_oxide/2024].price_usd_per_kg      a cell: table[key].column, parts of the key joined by slashes
prices[mcs2024/ndpr_oxide/*].price_usd_per_kg         all rows that match, * standing for any part (where a row's own key
                                                      has the star and is the same, that row alone)
prices[mcs2024/ndpr_oxide/*].price_usd_per_kg *       with a star at the end: the value multiplies what is there
"""

from __future__ import annotations

import math
import re
import types
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from ..core.errors import Fault, PlanError, near_miss
from ..core.names import meant
from ..schemas.base import Row, key_of
from ..schemas.descriptions import expected
from ..schemas.plan import Plan
from ..schemas.tables import TABLES
from .dataset import Dataset
from .plan_file import counted, parse_plan, put

CELL = re.compile(r"^(?P<table>[a-z_]+)\[(?P<key>[^\]]+)\]\.(?P<column>[a-z0-9_]+)$")


@dataclass(frozen=True)
class Axis:
    """One address, read."""

    address: str
    path: str
    """Dotted field of the plan; empty for cells."""
    table: str
    key: str
    column: str
    factor: bool
    """The value multiplies."""


@lru_cache(maxsize=1024)  # callers choose the key
def read_axis(address: str) -> Axis:
    """An address as an axis. Raises PlanError where it is none."""
    text = address.strip()
    if not text:
        raise PlanError([Fault("axis", "", address, "nothing", "a field of the plan, or table[key].column")])
    factor = text.endswith("*")
    text = text.removesuffix("*").rstrip()
    said, _, column = text.partition(".")
    table = next(
        (name for name in (said, *meant(said, TABLES)) if name in TABLES and column in TABLES[name].model_fields), ""
    )
    if "[" not in text and table and said not in Plan.model_fields:
        cells = f"{table}[{'/'.join('*' * len(TABLES[table].key))}].{column}"
        raise PlanError(
            [
                Fault(
                    "axis",
                    "",
                    address,
                    "a table without a key",
                    f"the key of its rows in brackets; for all rows: {cells}",
                )
            ]
        )
    if "[" not in text:
        return Axis(address, text, "", "", "", factor)
    found = CELL.match(text)
    if found is None:
        raise PlanError(
            [Fault("axis", "", address, "not an address", "table[key].column, e.g. stock[gallium].opening_t")]
        )
    table, key, column = found["table"], found["key"], found["column"]
    if table not in TABLES:
        raise PlanError([Fault("axis", "", address, f"'{table}'", "a whole table" + near_miss(table, TABLES))])
    columns = TABLES[table].model_fields
    if column not in columns or column in TABLES[table].key:
        expected = f"a column of {table} that is not part of the key" + near_miss(column, columns)
        raise PlanError([Fault("axis", "", address, f"'{column}'", expected)])
    return Axis(address, "", table, key, column, factor)


def edited(plan: Plan, data: Dataset, changes: Mapping[str, Any]) -> tuple[Plan, Dataset]:
    """Plan and tables with values put at addresses. Raises PlanError with every fault; the two given stay as they are."""
    faults: list[Fault] = []
    content: Any = None
    tables = dict(data.tables)
    for address, value in changes.items():
        axis = read_axis(address)
        try:
            if axis.path:
                content = plan.to_toml_like() if content is None else content
                for path in _paths(content, axis.path):
                    put(content, path, _moved(axis, _at(content, path), value), "axis")
            else:
                tables[axis.table] = _cells(axis, tables.get(axis.table, ()), value)
        except PlanError as error:
            faults += error.faults
    if faults:
        raise PlanError(faults)
    if content is not None:
        plan = parse_plan(content, file="axis")
    return plan, Dataset(types.MappingProxyType(tables), data.name)


def _paths(content: Any, path: str) -> list[str]:
    """The path, or one for each entry of the list that a star stands for. Raises PlanError where the list has none."""
    before, star, after = path.partition(".*.")
    if not star:
        return [path]
    entries = _at(content, before)
    if not isinstance(entries, list) or not entries:
        raise PlanError([Fault("axis", "", path, f"no entries of '{before}'", "a list of the plan that has some")])
    return [one for n in range(len(entries)) for one in _paths(content, f"{before}.{n}.{after}")]


def _at(content: Any, path: str) -> Any:
    """The value at a dotted path; None if there is none."""
    for part in path.split("."):
        try:
            content = content[counted(part)] if isinstance(content, list) else content[part]
        except (KeyError, IndexError, ValueError, TypeError):
            return None
    return content


def _moved(axis: Axis, old: Any, value: Any) -> Any:
    """The value to put: given, or what is there times it (every entry of a list or of a series by year)."""
    if not axis.factor:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise PlanError([Fault("axis", "", axis.address, repr(value), "a factor")])
    if isinstance(old, Mapping):
        return {key: _moved(axis, entry, value) for key, entry in old.items()}
    if isinstance(old, list | tuple):
        return [_moved(axis, entry, value) for entry in old]
    if isinstance(old, bool) or not isinstance(old, int | float):
        raise PlanError([Fault("axis", "", axis.address, repr(old), "a number to multiply")])
    return old * value


def _cells(axis: Axis, rows: tuple[Row, ...], value: Any) -> tuple[Row, ...]:
    """Rows with the cells of an axis changed. Raises PlanError where no row matches or the value is not allowed."""
    parts = axis.key.split("/")
    exact = any(key_of(row) == axis.key for row in rows)
    changed, hits, filled = [], 0, False
    for row in rows:
        found = key_of(row).split("/")
        alike = len(found) == len(parts) and all(fnmatchcase(f, p) for f, p in zip(found, parts, strict=True))
        hit = key_of(row) == axis.key if exact else alike
        changed.append(_changed(axis, row, value) if hit else row)
        hits += hit
        filled = filled or (hit and getattr(row, axis.column) is not None)
    if axis.factor and hits and not filled:
        raise PlanError([Fault("axis", "", axis.address, "only empty cells", "a number to multiply")])
    if not hits:
        known = [key_of(row) for row in rows]
        expected = f"a key of {axis.table}: {'/'.join(TABLES[axis.table].key)}" + near_miss(axis.key, known)
        raise PlanError([Fault("axis", "", axis.address, f"'{axis.key}'", expected)])
    return tuple(changed)


def _changed(axis: Axis, row: Row, value: Any) -> Row:
    """A row with one cell changed; a published range moves with its value, in proportion, as it does for overridden hazards."""
    old = getattr(row, axis.column)
    if axis.factor and old is None:
        return row
    new = _moved(axis, old, value)
    if (
        isinstance(old, int | float)
        and not isinstance(old, bool)
        and (isinstance(new, bool) or not isinstance(new, int | float))
    ):
        raise PlanError([Fault("axis", key_of(row), axis.address, repr(value), "a number")])
    changed = {axis.column: new}
    for end in ("low", "high"):
        bound = getattr(row, f"{axis.column}_{end}", None)
        if bound is not None and isinstance(new, int | float):
            changed[f"{axis.column}_{end}"] = _end(bound, old, new, end, axis.column)
    try:
        return type(row).model_validate({**row.model_dump(), **changed})
    except ValidationError as error:
        wanted = expected(error.errors(include_url=False)[0])
        raise PlanError([Fault("axis", key_of(row), axis.address, repr(value), wanted)]) from None


def _end(bound: float, old: Any, new: float, end: str, column: str) -> float:
    """One end of a range that moves with its value and still holds it; shares end at 1."""
    moved = bound * new / old if old else bound
    if column.endswith(("share", "probability")):
        moved = min(1.0, moved)
    return min(moved, new) if end == "low" else max(moved, new)
