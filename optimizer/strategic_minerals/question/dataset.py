"""The facts: tables from CSV files or data frames, validated once row by row and then frozen."""

from __future__ import annotations

import hashlib
import html
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Annotated, Any, cast

import pandas as pd
from pydantic import ConfigDict, TypeAdapter, ValidationError

from ..core.errors import MOST_FAULTS, OVERRIDES, Fault, InputError, UnfitRule, expected, first_of, near_miss, shown
from ..core.frames import is_missing
from ..core.verb import verb
from .base import Row, key_of, scalar_types
from .plan import Plan
from .project_tables import HomeRow
from .read_toml import PlanText, set_elsewhere
from .tables import TABLES

# Rows of a table checked one by one: columns, types, limits, keys used once, ranges of estimates in order.
MOST_ROWS = 200_000
"""Rows of one table."""


def validate_rows(
    table: str,
    records: Iterable[Mapping[str, Any]],
    file: str,
    columns: list[str],
    lines: Sequence[int | str] | None = None,
) -> tuple[tuple[Row, ...], list[Fault]]:
    """Rows of a table from records, and what is wrong; where there is much, what comes after the first faults is not looked at.

    lines: the line of each record, for the faults; None: from line 2 on, below the header."""
    model, texts = TABLES[table], {column for column, kind in _kinds(table).items() if kind is str}
    faults = first_of(_header_faults(table, file, columns))
    if faults:
        return (), faults
    rows: list[Row] = []
    places: dict[tuple[Any, ...], int | str] = {}
    for line, record in zip(lines, records, strict=True) if lines is not None else enumerate(records, start=2):
        if len(faults) > MOST_FAULTS:
            break
        cells = {
            k: v if type(v) is str and k in texts else _cell(table, k, v)
            for k, v in record.items()
            if not is_missing(v)
        }
        try:
            row = model.model_validate(cells)
        except ValidationError as error:
            faults += (_row_fault(item, record, file, line) for item in error.errors(include_url=False))
            continue
        key = tuple(getattr(row, name) for name in model.key)
        if key in places:
            found = ", ".join(str(part) for part in key)
            wanted = f"a unique key (line {places[key]} has the same)"
            faults.append(Fault(file, str(line), ", ".join(model.key), f"'{found}'", wanted))
        places.setdefault(key, line)
        faults += _range_faults(row, file, line)
        rows.append(row)
    return tuple(rows), first_of(faults)


def _header_faults(table: str, file: str, columns: Sequence[str]) -> Iterator[Fault]:
    """Unknown columns, and required columns that are missing."""
    fields = TABLES[table].model_fields
    for column in columns:
        if column not in fields:
            near = near_miss(column, fields.keys() - set(columns) or fields)
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
        for suffix, bound, sign, relation in (("_low", low, 1, "at most"), ("_high", high, -1, "at least")):
            if bound is None:
                continue
            wanted = ""
            try:
                adapter.validate_python(bound)
            except ValidationError as error:
                wanted = expected(error.errors(include_url=False)[0])
            if not wanted and value is not None and sign * (bound - value) > 0:
                wanted = f"{relation} {name} ({value:g})"
            if wanted:
                yield Fault(file, str(line), f"{name}{suffix}", str(bound), wanted)


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


@cache
def _kinds(table: str) -> dict[str, type]:
    """The plain Python type behind each column."""
    columns = TABLES[table].model_fields.items()
    return {name: next(iter(scalar_types(column.annotation)), str) for name, column in columns}


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


# Places in a workbook: cells of tables, and of the fields of the sheet `plan`.
def cell_name(row: int, column: int) -> str:
    """`B7` of a row counted from 1 and a column counted from 0."""
    letters, column = "", column + 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return f"{letters}{row}"


def column_number(letters: str) -> int:
    """2 of `B`; 0 of none."""
    number = 0
    for letter in letters.upper():
        number = 26 * number + ord(letter) - 64
    return number


@dataclass(frozen=True)
class Cell:
    """A cell in which a planner answered a question."""

    place: str
    """Book and sheet."""
    at: str
    question: str

    def placed(self, fault: Fault) -> Fault:
        """A fault of what the answer made, at the answer."""
        return replace(fault, file=self.place, row=self.at, column=self.question)


@dataclass(frozen=True)
class PlanSheet:
    """The sheet `plan`: a field a row, entries of lists numbered as the planner numbered them."""

    place: str
    """Book and sheet, for the faults."""
    rows: Mapping[str, int]
    """Field as it is written there -> its row."""
    numbers: Mapping[str, tuple[int, ...]]
    """Field of a list as it is written there -> the numbers of its entries, in order."""
    overrides: tuple[str, ...]
    """Fields of the plan whose values were set elsewhere."""
    last: int
    """Last row with a field."""
    empty: Mapping[str, int] = field(default_factory=dict)
    """Field as it is written there without a value -> its row."""
    answers: Mapping[str, Cell] = field(default_factory=dict)
    """Field of the plan -> the answer of another sheet that filled it."""
    notes: tuple[str, ...] = ()
    """What these answers changed besides, in words."""
    narrowed: Cell | None = None
    """Where the planner, who has chosen other materials, may name rules to leave out; None: the materials are the sheet's."""

    def named(self, field: str) -> str:
        """A field of the plan, its lists counted from 0 without gaps, as the sheet calls it."""
        path: list[str] = []
        for part in field.split("."):
            own = self.numbers.get(".".join(path), ())
            path.append(str(own[int(part)]) if part.isdigit() and int(part) < len(own) else part)
        return ".".join(path)

    def placed(self, fault: Fault) -> Fault:
        """A fault of the plan with the cell of its field, of the closest one around it, or of the row where it could be added."""
        name, parts = self.named(fault.column), fault.column.split(".")
        around = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
        if answer := next((self.answers[path] for path in around if path in self.answers), None):
            return answer.placed(fault)
        if set_elsewhere(fault.column, self.overrides):
            return replace(fault, file=OVERRIDES, row="", column=name)
        unfilled = [row for own, row in self.empty.items() if own == name or own.startswith(f"{name}.")]
        if unfilled and (fault.found == "nothing" or name in self.empty):
            found = "an empty cell" if fault.found == "nothing" else fault.found
            return replace(fault, file=self.place, row=cell_name(min(unfilled), 1), column=name, found=found)
        path = name
        while path:
            inside = [row for own, row in self.rows.items() if own == path or own.startswith(f"{path}.")]
            if inside:
                return replace(fault, file=self.place, row=cell_name(min(inside), 1), column=name)
            path = path.rpartition(".")[0]
        return replace(fault, file=self.place, row=cell_name(self.last + 1, 0), column=name)


@dataclass(frozen=True)
class Book:
    """A workbook: places of its tables' rows and columns, and what other sheets it has."""

    name: str
    columns: Mapping[str, tuple[str, ...]]
    lines: Mapping[str, tuple[int, ...]]
    others: tuple[str, ...] = ()
    """Sheets that are no tables."""
    answers: Mapping[tuple[str, str], Mapping[str, Cell]] = field(default_factory=dict)
    """(Table, key) of a row that answers of another sheet added -> column -> the answer; empty column: that for the rest."""

    def placed(self, fault: Fault, table: str, rows: Sequence[Any]) -> Fault:
        """A fault with sheet and cell; its row is found by key, whole or the first part of it."""
        at = [n for n, row in enumerate(rows) if fault.row in (key_of(row), str(getattr(row, row.key[0])))]
        line = self.lines[table][at[0]] if at else None
        columns = self.columns[table]
        if at and (cells := self.answers.get((table, key_of(rows[at[0]])))):
            return cells.get(fault.column, cells[""]).placed(fault)
        cell = f" row {line}" if line else ""
        if line and fault.column and fault.column in columns:
            cell = f" {cell_name(line, columns.index(fault.column))}"
        return replace(fault, file=f"{self.name}, sheet {table}{cell}")


@dataclass(frozen=True)
class Dataset:
    """Validated tables by name, each a tuple of frozen rows; absent tables are empty."""

    tables: Mapping[str, tuple[Row, ...]]
    name: str = field(default="in memory", compare=False)
    book: Book | None = field(default=None, compare=False)
    """The workbook that they come from; None: not from one."""
    asked: PlanText | PlanSheet | None = field(default=None, compare=False)
    """Places of the plan that was read with them; None: not known."""

    @classmethod
    @verb
    def from_tables(cls, frames: Mapping[str, pd.DataFrame], *, name: str = "in memory") -> Dataset:
        """Validate data frames (columns as `strategic-minerals schema TABLE` prints them). Raises InputError with every fault."""
        faults = list[Fault]()
        tables: dict[str, tuple[Row, ...]] = {}
        for table, frame in frames.items():
            if table not in TABLES:
                expected = f"the name of a table{near_miss(table, TABLES)}"
                faults.append(Fault(name, "", "table", f"'{table}'", expected))
                continue
            columns = [str(column) for column in frame.columns]
            if twice := [column for n, column in enumerate(columns) if column in columns[:n]]:
                faults.append(Fault(table, "", twice[0], "the column twice", "each column once"))
                continue
            records = [dict(zip(columns, values, strict=True)) for values in frame.itertuples(index=False, name=None)]
            rows, found = validate_rows(table, records, table, columns)
            tables[table] = rows
            faults += found
        if faults:
            raise InputError(faults)
        return cls(types.MappingProxyType(tables), name)

    def __repr__(self) -> str:
        """Name, tables and rows, in one line; two are equal where their rows are."""
        rows = sum(map(len, self.tables.values()))
        return f"<Dataset {self.name!r}: {len(self.tables)} tables, {rows:,} rows>"

    def _repr_html_(self) -> str:
        """Tables and their rows, as notebooks show them."""
        sizes = pd.DataFrame({"rows": {name: len(rows) for name, rows in self.tables.items()}})
        return f"<details><summary>{html.escape(repr(self))}</summary>{sizes.to_html()}</details>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (dict(self.tables), self.name, self.book, self.asked)

    def placed(self, fault: Fault) -> Fault:
        """A fault of a table (`offers.csv`, row by key) or of the plan with the place in its file or workbook."""
        table = fault.file.removesuffix(".csv")
        if table == "plan" and self.asked is not None:
            return self.asked.placed(fault)
        if self.book is None or table not in self.book.lines:
            return fault
        return self.book.placed(fault, table, self.rows(table))

    def placed_all(self, faults: Iterable[Fault]) -> list[Fault]:
        """Faults with their places; rules that do not fit materials chosen on a sheet are one, which says how to leave them out."""
        found = [self.placed(fault) for fault in faults]
        cell = self.asked.narrowed if isinstance(self.asked, PlanSheet) else None
        unfit = [fault for fault in found if cell is not None and isinstance(fault, UnfitRule)]
        if cell is None or not unfit:
            return found
        rules = {".".join(fault.column.split(".")[:2]): fault.found for fault in unfit}
        expected = f"here also '{', '.join(rules)}', which leaves them out, or {unfit[0].expected}"
        words = "; ".join(f"{rule} of the sheet plan ({what})" for rule, what in rules.items())
        return [
            *(one for one in found if one not in unfit),
            cell.placed(replace(unfit[0], found=words, expected=expected)),
        ]

    def rows(self, table: str) -> tuple[Any, ...]:
        """Rows of a table; empty when the dataset has none. KeyError for an unknown table name."""
        if table not in TABLES:
            raise KeyError(table)
        return self.tables.get(table, ())

    def frame(self, table: str) -> pd.DataFrame:
        """A table as a data frame with all columns of its schema."""
        columns = list(TABLES[table].model_fields)
        return pd.DataFrame([row.model_dump() for row in self.rows(table)], columns=columns)

    def hashes(self) -> dict[str, str]:
        """SHA-256 of each table's canonical content, to tell whether two datasets are the same."""
        return {
            table: hashlib.sha256("\n".join(row.model_dump_json() for row in rows).encode()).hexdigest()
            for table, rows in sorted(self.tables.items())
        }

    def replace(self, **frames: pd.DataFrame) -> Dataset:
        """A copy with some tables replaced."""
        kept = {table: self.frame(table) for table in self.tables if table not in frames}
        return Dataset.from_tables({**kept, **frames}, name=self.name)


def _restored(tables: dict[str, tuple[Row, ...]], *others: Any) -> Dataset:
    """A dataset from another process."""
    return Dataset(types.MappingProxyType(tables), *others)


# The home of a plan: a country, or a union of countries, and what its government is known by.
def home_row(data: Dataset, home: str) -> HomeRow | None:
    """The row of a home; None where the tables say nothing of it."""
    return next((row for row in data.rows("homes") if row.home == home), None)


def members(data: Dataset, home: str) -> frozenset[str]:
    """Countries of a home: those of its row, or the one country that it names."""
    row = home_row(data, home)
    return frozenset({home}) if row is None else frozenset(row.members.split())


def fiscal_month(data: Dataset, home: str) -> int:
    """Month in which a home's fiscal year begins; January where none is stated."""
    row = home_row(data, home)
    return 1 if row is None else row.fiscal_year_month


def not_compiled(home: str, data: Dataset) -> list[str]:
    """What planners should know of a home whose tables are estimated from trade; nothing where somebody compiled them."""
    if home_row(data, home) is not None or not data.rows("not_planned"):
        return []
    planned = len({row.material for row in data.rows("demand")})
    missing = "; ".join(f"{row.name} ({row.next_source})" for row in data.rows("not_planned") if row.kind == "mineral")
    return [
        f"nobody compiled the tables of {home}: use and sources of {planned} material{'s' * (planned != 1)} are estimated from "
        "trade, or, where a material's trade is not known, from that of the others",
        f"missing, and where to look next: {missing}",
    ]


# Money of different years brought to the money of the plan: one price index.
DATED = ("prices", "activities", "projects", "packages", "substitution", "loss_functions", "commitments")
"""Tables whose rows say in which year's money they are stated."""

ENDINGS = ("usd_per_kg", "usd_per_t", "musd")
"""How the columns that hold money end, `_low` and `_high` left off."""


def restated(plan: Plan, data: Dataset) -> Dataset:
    """The same facts in real money of the plan's price year: value * index[price_year] / index[money_year].

    Rows without `money_year` are taken unchanged. Expects `unknown_years` to have found nothing."""
    index = {row.money_year: row.price_index for row in data.rows("deflators")}
    tables = dict(data.tables)
    for table in DATED:
        rows = data.rows(table)
        if any(_of_another_year(row, plan) for row in rows):
            tables[table] = tuple(
                _times(row, index[plan.price_year] / index[row.money_year]) if _of_another_year(row, plan) else row
                for row in rows
            )
    return Dataset(types.MappingProxyType(tables), data.name)


def restating(plan: Plan, data: Dataset, year: int) -> float:
    """Money of the plan's price year for one of a year's. KeyError: the price index lacks one of them."""
    index = {row.money_year: row.price_index for row in data.rows("deflators")}
    return 1.0 if year == plan.price_year else float(index[plan.price_year] / index[year])


def unknown_years(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Money of another year than the plan's can be restated: the index has both years."""
    index = {row.money_year for row in data.rows("deflators")}
    years = f" ({min(index)} to {max(index)})" if index else ", which is empty"
    dated = [
        (t, row, "money_year", row.money_year) for t in DATED for row in data.rows(t) if row.money_year is not None
    ]
    asked = {
        c for control in plan.controls if control.in_force and control.outside_prices for c in control.countries.split()
    }
    latest = {
        (row.material, row.country): row for row in sorted(data.rows("price_gaps"), key=lambda row: str(row.date))
    }
    dated += [("price_gaps", row, "date", int(row.date[:4])) for row in latest.values() if row.country in asked]
    missing = set()
    for table, row, column, year in dated:
        if year != plan.price_year:
            if plan.price_year not in index:
                missing.add(("plan", "", "price_year", str(plan.price_year)))
            if year not in index:
                missing.add((f"{table}.csv", key_of(row), column, str(getattr(row, column))))
    for file, key, column, found in sorted(missing):
        yield Fault(file, key, column, found, f"a year of deflators.csv{years}")


def _of_another_year(row: Any, plan: Plan) -> bool:
    return row.money_year is not None and row.money_year != plan.price_year


def _times(row: Any, factor: float) -> Any:
    """The row with every column of money multiplied."""
    columns = [c for c in type(row).model_fields if c.removesuffix("_low").removesuffix("_high").endswith(ENDINGS)]
    values = {c: getattr(row, c) for c in columns}
    return row.model_copy(update={c: v * factor for c, v in values.items() if v is not None})
