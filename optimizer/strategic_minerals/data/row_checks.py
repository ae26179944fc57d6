"""Rows of a table checked one by one: columns, types, limits, keys used once, ranges of estimates in order."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Union, cast, get_args, get_origin

import pandas as pd
from pydantic import ConfigDict, TypeAdapter, ValidationError

from ..core.errors import MOST_FAULTS, Fault, Faults, near_miss, shown
from ..core.names import meant
from ..schemas.base import Row
from ..schemas.descriptions import expected, years_at
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
        odd = no_row(model, {name: cell for name, cell in record.items() if not _missing(cell)})
        if odd:
            faults.add(Fault(file, str(line), ", ".join(model.key), odd, DATA_ALONE))
            continue
        try:
            row = model.model_validate(cells)
        except ValidationError as error:
            if faults.full:
                faults.add(unseen=error.error_count())
            else:
                faults.add(*(_row_fault(table, item, record, file, line) for item in error.errors(include_url=False)))
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
    """Columns that are none, and columns that are not there; one fault for a column of another spelling."""
    fields = TABLES[table].model_fields
    missing = required(table) - set(columns)
    slips: set[str] = set()
    for n, column in enumerate(column for column in columns if column not in fields):
        near = meant(column, sorted(fields.keys() - set(columns)) or fields) if n < MOST_FAULTS else []
        slips.update(near[:1])
        yield Fault(file, "1", column, shown(column), f"a known column{near_miss(column, near) if near else ''}")
    for column in sorted(missing - slips):
        yield Fault(file, "1", column, "no such column", "a required column")


def no_row(model: type[Row], cells: Mapping[str, Any]) -> str:
    """What a row is that holds no data, in words: totals, units, notes, the header again; empty for a row of data."""
    if cells and all(str(value).strip() == column for column, value in cells.items()):
        return "the header again"
    keys = [cells[name] for name in model.key if name in cells]
    if not keys:
        return "a row without a name or number"
    if len(cells) == 1 < len(model.key) and len(str(keys[0]).split()) > 1:
        return f"a remark ({shown(keys[0])})"
    partly = any(field.is_required() and name not in cells for name, field in model.model_fields.items())
    return f"a totals row ({shown(keys[0])})" if partly and is_total(keys[0]) else ""


DATA_ALONE = "only rows of data: no totals, units, notes or second header"


def is_total(cell: object) -> bool:
    """Whether a cell is how lines begin that spreadsheets add below a table."""
    return str(cell).strip(" :*").lower() in TOTALS


TOTALS = (
    "total",
    "totals",
    "subtotal",
    "sub-total",
    "sum",
    "grand total",
    "average",
    "mean",
    "summe",
    "gesamt",
    "world total",
)


def _row_fault(table: str, item: Any, record: Mapping[str, Any], file: str, line: int | str) -> Fault:
    """One error of pydantic about a row."""
    column = str(item["loc"][0]) if item["loc"] else ""
    if item["type"] == "missing":
        return Fault(file, str(line), column, "an empty cell", expected(item))
    raw = record.get(column, item["input"])
    words = expected({**item, "input": raw} if isinstance(raw, str) else item, column, years_at(TABLES[table], column))
    return Fault(file, str(line), column, shown(raw), words)


def _range_faults(row: Row, file: str, line: int | str) -> Iterator[Fault]:
    """The low and high of an estimate are as admissible as the value, and the three come in order."""
    for name, adapter in _ranged(type(row)).items():
        value = getattr(row, name)
        low, high = getattr(row, f"{name}_low"), getattr(row, f"{name}_high")
        if value is not None and _agree(adapter, low, high) and not low <= value <= high:
            found = f"{value:g}, outside its own range {low:g} to {high:g}"
            yield Fault(file, str(line), name, found, _within(name, value, low, high))
            continue
        for suffix, sign, relation in (("_low", 1, "at most"), ("_high", -1, "at least")):
            bound = getattr(row, f"{name}{suffix}")
            if bound is None:
                continue
            try:
                adapter.validate_python(bound)
            except ValidationError as error:
                yield Fault(
                    file, str(line), f"{name}{suffix}", str(bound), expected(error.errors(include_url=False)[0])
                )
                continue
            if value is not None and sign * (bound - value) > 0:
                yield Fault(file, str(line), f"{name}{suffix}", str(bound), f"{relation} {name} ({value:g})")


def _agree(adapter: TypeAdapter[Any], low: Any, high: Any) -> bool:
    """Whether the ends of a range are both there, admissible and in order."""
    try:
        return low is not None and high is not None and adapter.validate_python(low) <= adapter.validate_python(high)
    except ValidationError:
        return False


def _within(name: str, value: float, low: float, high: float) -> str:
    """What is expected of a value outside its own range: what it would be in the unit that its column has."""
    for factor, words, ending in UNIT_SLIPS:
        off = max(value / high if high else 0.0, low / value if value else 0.0)
        of_it = not ending or (name.endswith(ending) and (ending.endswith("_per_yr") or not name.endswith("_per_yr")))
        if of_it and off >= max(factor, 1 / factor) ** 0.5 and low <= value * factor <= high:
            return f"a value in that range: {value * factor:.4g}, if it was given {words}"
    if name.endswith(OF_ONE) and 1 < value < 2 and low <= value - 1 <= high:
        return f"a value in that range: {value - 1:.4g}, if 1 was added to it"
    return "a value in that range, or a range around it"


OF_ONE = ("_share", "_share_per_yr", "_rate", "rate", "score", "kappa", "probability")
"""Ends of the names of shares and rates."""
UNIT_SLIPS = (
    (1 / 12, "in months", "_yr"),
    (1 / 365.25, "in days", "_yr"),
    (12, "per month", "_per_yr"),
    (1 / 100, "in percent", ""),
    (100, "as a share", "_pct"),
    *((100, "after dividing by 100 once too often", end) for end in OF_ONE),
    (1 / 1000, "in a unit of a thousandth", ""),
    (1000, "in a unit of a thousand", ""),
)
"""Factor that brings a value into its range, how it was given, and how names of such columns end."""


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
