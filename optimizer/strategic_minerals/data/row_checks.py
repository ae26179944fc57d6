"""Rows of a table checked one by one: columns, types, limits, keys used once, ranges of estimates in order."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Union, cast, get_args, get_origin

import pandas as pd
from pydantic import ConfigDict, TypeAdapter, ValidationError

from ..core.errors import Fault, Faults, Hints, shown
from ..schemas.base import Row
from ..schemas.descriptions import expected
from ..schemas.tables import TABLES

MOST_ROWS = 200_000
"""Rows of one table."""


def validate_rows(
    table: str,
    records: Iterable[Mapping[str, Any]],
    file: str,
    columns: list[str],
    lines: Sequence[int | str] | None = None,
) -> tuple[tuple[Row, ...], list[Fault]]:
    """Rows of a table from records, and what is wrong: a thousand faults at most, then one that counts the rest.

    lines: where each record stands, for the faults; None: from line 2 on, below the header.
    """
    model = TABLES[table]
    faults = Faults()
    faults.extend(_header_faults(table, file, columns))
    if faults:
        return (), faults.told()
    rows: list[Row] = []
    places: dict[tuple[Any, ...], int | str] = {}
    for line, record in zip(lines, records, strict=True) if lines is not None else enumerate(records, start=2):
        cells = {k: _cell(table, k, v) for k, v in record.items() if not _missing(v)}
        try:
            row = model.model_validate(cells)
        except ValidationError as error:
            if faults.full:
                faults.add(unseen=error.error_count())
            else:
                faults.add(*(_row_fault(item, record, file, line) for item in error.errors(include_url=False)))
            continue
        key = tuple(getattr(row, name) for name in model.key)
        if key in places:
            found = ", ".join(str(part) for part in key)
            wanted = f"a unique key (line {places[key]} has the same)"
            faults.add(Fault(file, str(line), ", ".join(model.key), f"'{found}'", wanted))
        places.setdefault(key, line)
        faults.extend(_range_faults(row, file, line))
        rows.append(row)
    return tuple(rows), faults.told()


def _header_faults(table: str, file: str, columns: Sequence[str]) -> Iterator[Fault]:
    """Columns that are none, and required columns that are not there."""
    fields, hints = TABLES[table].model_fields, Hints()
    for column in columns:
        if column not in fields:
            near = hints.near(column, fields.keys() - set(columns) or fields)
            yield Fault(file, "1", column, shown(column), f"a known column{near}")
    for column in sorted(required(table) - set(columns)):
        yield Fault(file, "1", column, "no such column", "a required column")


def _row_fault(item: Any, record: Mapping[str, Any], file: str, line: int | str) -> Fault:
    """One error of pydantic about a row."""
    column = str(item["loc"][0]) if item["loc"] else ""
    found = "an empty cell" if item["type"] == "missing" else shown(record.get(column, item["input"]))
    return Fault(file, str(line), column, found, expected(item))


def _range_faults(row: Row, file: str, line: int | str) -> Iterator[Fault]:
    """The low and high of an estimate are as admissible as the value, and the three come in order."""
    for name, adapter in _ranged(type(row)).items():
        value, low, high = getattr(row, name), getattr(row, f"{name}_low"), getattr(row, f"{name}_high")
        if None not in (value, low, high) and low <= high and not low <= value <= high:
            found = f"{value:g}, outside its own range {low:g} to {high:g}"
            yield Fault(file, str(line), name, found, "a value in that range, or a range around it")
            continue
        for suffix, sign, relation in (("_low", 1, "at most"), ("_high", -1, "at least")):
            bound = getattr(row, f"{name}{suffix}")
            if bound is None:
                continue
            try:
                adapter.validate_python(bound)
            except ValidationError as error:
                wanted = expected(error.errors(include_url=False)[0])
                yield Fault(file, str(line), f"{name}{suffix}", str(bound), wanted)
                continue
            if value is not None and sign * (bound - value) > 0:
                yield Fault(file, str(line), f"{name}{suffix}", str(bound), f"{relation} {name} ({value:g})")


@cache
def _ranged(model: type[Row]) -> dict[str, TypeAdapter[Any]]:
    """Columns that have a low and a high, each with a validator of the column's own limits."""
    fields = model.model_fields
    config = ConfigDict(allow_inf_nan=False)
    return {
        name: TypeAdapter(cast(Any, Annotated[field.annotation, *field.metadata, None]), config=config)
        for name, field in fields.items()
        if f"{name}_low" in fields
    }


def _missing(value: object) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value)


@cache
def _kinds(table: str) -> dict[str, type]:
    """The plain Python type behind each column."""
    kinds: dict[str, type] = {}
    for name, field in TABLES[table].model_fields.items():
        annotation: Any = field.annotation
        if get_origin(annotation) in (Union, types.UnionType):
            annotation = next(arg for arg in get_args(annotation) if arg is not type(None))
        while get_origin(annotation) is not None and hasattr(annotation, "__metadata__"):
            annotation = get_args(annotation)[0]
        kinds[name] = annotation if isinstance(annotation, type) else str
    return kinds


def _cell(table: str, column: str, value: Any) -> Any:
    """A cell in the type of its column where that loses nothing (text booleans, integers read as floats)."""
    kind = _kinds(table).get(column, str)
    if kind is bool and isinstance(value, str):
        return {"true": True, "false": False, "1": True, "0": False}.get(value.strip().lower(), value)
    if kind is str and not isinstance(value, str):
        return str(value)
    if kind in (int, float) and hasattr(value, "item"):
        value = value.item()
    if kind in (int, float) and isinstance(value, bool | bytes | bytearray):
        return str(value).lower()  # a truth value is no number, bytes neither
    if kind in (int, float) and isinstance(value, str) and "_" in value:
        return f"not a number: {value}"  # a validator would read 1_87 as 187
    return value


@cache
def required(table: str) -> frozenset[str]:
    """Columns that a table must have."""
    return frozenset(name for name, field in TABLES[table].model_fields.items() if field.is_required())
