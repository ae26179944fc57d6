"""The facts: tables read from CSV files or data frames, validated row by row once, frozen afterwards."""

from __future__ import annotations

import csv
import hashlib
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Union, cast, get_args, get_origin

import pandas as pd
from pydantic import ConfigDict, TypeAdapter, ValidationError

from .errors import Fault, InputError, near_miss
from .meanings import expected
from .row_types import Row
from .rows import TABLES

PROVENANCE = ("source", "year", "confidence")
"""Columns that every table file must have; frames made in memory may leave them out."""

LARGEST_TABLE_BYTES = 50_000_000

MOST_UNEVEN = 20
"""Such rows told at once."""
CSV_PIECE = 500_000
"""Rows of a table that are turned into text at once."""
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Book:
    """A workbook: where its tables' rows and columns stand."""

    name: str
    columns: Mapping[str, tuple[str, ...]]
    lines: Mapping[str, tuple[int, ...]]

    def placed(self, fault: Fault, table: str, rows: Sequence[Row]) -> Fault:
        """A fault with sheet and cell; its row is told by key, whole or the first part of it."""
        keys = [[str(getattr(row, part)) for part in type(row).key] for row in rows]
        at = [n for n, key in enumerate(keys) if fault.row in ("/".join(key), key[0])]
        line = self.lines[table][at[0]] if at else None
        columns = self.columns[table]
        cell = f" row {line}" if line else ""
        if line and fault.column in columns:
            cell = f" {cell_name(line, columns.index(fault.column))}"
        return replace(fault, file=f"{self.name}, sheet {table}{cell}")


def cell_name(row: int, column: int) -> str:
    """`B7` of a row counted from 1 and a column counted from 0."""
    letters, column = "", column + 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return f"{letters}{row}"


@dataclass(frozen=True)
class Dataset:
    """Validated tables by name, each a tuple of frozen rows; absent tables are empty."""

    tables: Mapping[str, tuple[Row, ...]]
    name: str = "in memory"
    book: Book | None = None
    """The workbook that they come from; None: not from one."""

    @classmethod
    def from_tables(cls, frames: Mapping[str, pd.DataFrame], *, name: str = "in memory") -> Dataset:
        """Validate data frames (columns as in `inputs/README.md`). Raises InputError with every fault."""
        faults: list[Fault] = []
        tables: dict[str, tuple[Row, ...]] = {}
        for table, frame in frames.items():
            if table not in TABLES:
                expected = f"a table name{near_miss(table, TABLES)}"
                faults.append(Fault(name, "", "table", f"'{table}'", expected))
                continue
            columns = [str(column) for column in frame.columns]
            records = [dict(zip(columns, values, strict=True)) for values in frame.itertuples(index=False, name=None)]
            rows, found = validate_rows(table, records, table, columns)
            tables[table] = rows
            faults += found
        if faults:
            raise InputError(faults)
        return cls(types.MappingProxyType(tables), name)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (dict(self.tables), self.name, self.book)

    def placed(self, fault: Fault) -> Fault:
        """A fault of a table (`offers.csv`, row by key) with sheet and cell, where the tables come from a workbook."""
        table = fault.file.removesuffix(".csv")
        return fault if self.book is None or table not in self.book.lines else self.book.placed(fault, table, self.rows(table))

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


def _restored(tables: dict[str, tuple[Row, ...]], name: str, book: Book | None) -> Dataset:
    """A dataset from another process."""
    return Dataset(types.MappingProxyType(tables), name, book)


def load_dataset(path: str | Path) -> Dataset:
    """Read every table that a folder holds as `<table>.csv`.

    Raises InputError with every fault: file, line, column, value found, value expected.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise InputError([Fault(str(folder), "", "", "no folder", "a folder of tables (CSV)")])
    faults: list[Fault] = []
    tables: dict[str, tuple[Row, ...]] = {}
    for file in sorted(folder.glob("*.csv")):
        if file.stem not in TABLES:
            faults.append(Fault(file.name, "", "", "no such table", "a table name" + near_miss(file.stem, TABLES)))
            continue
        rows, found = _read(file)
        tables[file.stem] = rows
        faults += found
    if not tables and not faults:
        faults.append(Fault(str(folder), "", "", "no table", "CSV files named as in inputs/README.md"))
    if faults:
        raise InputError(faults)
    return Dataset(types.MappingProxyType(tables), folder.name)


def write_dataset(data: Dataset, folder: Path) -> None:
    """Write the tables as CSV; text that a spreadsheet would run as a formula gets an apostrophe in front."""
    folder.mkdir(parents=True, exist_ok=True)
    for table, text in dataset_texts(data):
        (folder / f"{table}.csv").write_text(text, encoding="utf-8", newline="")


def dataset_texts(data: Dataset) -> Iterator[tuple[str, str]]:
    """(table, its CSV text); columns without a value are left out, unless every table has them."""
    for table in data.tables:
        frame = data.frame(table)
        used = [c for c in frame.columns if frame[c].notna().any() or c in (*PROVENANCE, *_required(table))]
        yield table, csv_text(frame[used])


def safe_csv(frame: pd.DataFrame) -> pd.DataFrame:
    """A copy in which no text cell starts like a formula."""
    safe = frame.copy()
    for column in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[column]):
            safe[column] = safe[column].map(_guard)
    return safe


def csv_pieces(frame: pd.DataFrame) -> Iterator[str]:
    """`csv_text` of a table of any length, a piece at a time."""
    yield csv_text(frame[:CSV_PIECE])
    for first in range(CSV_PIECE, len(frame), CSV_PIECE):
        yield csv_text(frame[first : first + CSV_PIECE], header=False)


def csv_text(frame: pd.DataFrame, *, header: bool = True) -> str:
    """A table as CSV text that reads back as it is, formulas made inert."""
    safe = safe_csv(frame)
    bare_return = any(
        "\r" in str(v) for c in safe.columns if not pd.api.types.is_numeric_dtype(safe[c]) for v in safe[c]
    )
    quoting = csv.QUOTE_ALL if bare_return else csv.QUOTE_MINIMAL
    return str(safe.to_csv(index=False, header=header, lineterminator="\n", quoting=quoting))


def unguarded(frame: pd.DataFrame) -> pd.DataFrame:
    """A copy of a table read back, its text as it was before it was written."""
    plain = frame.copy()
    for column in plain.columns:
        if not pd.api.types.is_numeric_dtype(plain[column]):
            plain[column] = plain[column].map(_unguard)
    return plain


def _guard(value: object) -> object:
    """One more apostrophe before text that would run as a formula, with or without apostrophes of its own."""
    return f"'{value}" if isinstance(value, str) and value.lstrip("'").startswith(FORMULA_STARTS) else value


def _unguard(value: object) -> object:
    """Text as it was before `_guard`."""
    guarded = isinstance(value, str) and value.startswith("'") and value.lstrip("'").startswith(FORMULA_STARTS)
    return cast(str, value)[1:] if guarded else value


def _read(file: Path) -> tuple[tuple[Row, ...], list[Fault]]:
    if file.stat().st_size > LARGEST_TABLE_BYTES:
        return (), [Fault(file.name, "", "", f"{file.stat().st_size} bytes", f"at most {LARGEST_TABLE_BYTES} bytes")]
    try:
        uneven = _uneven(file)
        if uneven:
            return (), uneven
        frame = pd.read_csv(file, dtype=str, keep_default_na=False, na_values=[""], encoding="utf-8")
    except UnicodeDecodeError as error:
        odd = f"byte {error.object[error.start]:#04x} at {error.start:,}"
        return (), [Fault(file.name, "", "", odd, "UTF-8: in a spreadsheet, save as `CSV UTF-8`")]
    except (pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error) as error:
        return (), [Fault(file.name, "", "", str(error).strip(), "a CSV table with a header, UTF-8")]
    columns = list(frame.columns)
    lines = [n for n, filled in enumerate(frame.notna().any(axis=1), start=2) if filled]
    frame = frame.dropna(how="all")
    missing = [
        Fault(file.name, "1", column, "no column", "a column that every table has")
        for column in PROVENANCE
        if column not in columns
    ]
    records = [
        {key: _unguard(value) for key, value in zip(columns, values, strict=True)}
        for values in frame.itertuples(index=False, name=None)
    ]
    rows, found = validate_rows(file.stem, records, file.name, columns, lines)
    return rows, missing + found


def _uneven(file: Path) -> list[Fault]:
    """Rows with more cells than the header has, which would shift every column; another separator than a comma."""
    with file.open(encoding="utf-8-sig", newline="") as text:
        rows = csv.reader(text)
        header = next(rows, [])
        if len(header) == 1 and header[0].count(";") > 1:
            return [Fault(file.name, "1", "", "columns separated by ;", "columns separated by commas, and a point in numbers")]
        wanted = f"{len(header)}, as the header has (text with a comma stands in quotation marks)"
        long = [(rows.line_num, len(row)) for row in rows if len(row) > len(header)]
    return [Fault(file.name, str(line), "", f"{count} cells", wanted) for line, count in long[:MOST_UNEVEN]]


def validate_rows(
    table: str, records: list[dict[str, Any]], file: str, columns: list[str], lines: Sequence[int] | None = None
) -> tuple[tuple[Row, ...], list[Fault]]:
    """Rows of a table from records. lines: where each stands, for the faults; None: from line 2 on, below the header."""
    model = TABLES[table]
    faults: list[Fault] = []
    for column in columns:
        if column not in model.model_fields:
            wanted = "no such column" + near_miss(column, model.model_fields)
            faults.append(Fault(file, "1", column, f"'{column}'", wanted))
    for column in sorted(_required(table) - set(columns)):
        faults.append(Fault(file, "1", column, "no column", "a required column"))
    if faults:
        return (), faults
    rows: list[Row] = []
    places: dict[tuple[Any, ...], int] = {}
    for line, record in zip(lines or range(2, len(records) + 2), records, strict=True):
        cells = {k: _cell(table, k, v) for k, v in record.items() if not _missing(v)}
        try:
            row = model.model_validate(cells)
        except ValidationError as error:
            for item in error.errors():
                column = str(item["loc"][0]) if item["loc"] else ""
                found = "an empty cell" if item["type"] == "missing" else repr(item["input"])
                faults.append(Fault(file, str(line), column, found, expected(item)))
            continue
        key = tuple(getattr(row, name) for name in model.key)
        if key in places:
            found = ", ".join(str(part) for part in key)
            wanted = f"a key not used before (line {places[key]} has it)"
            faults.append(Fault(file, str(line), ", ".join(model.key), f"'{found}'", wanted))
        places.setdefault(key, line)
        faults += list(_range_faults(row, file, line))
        rows.append(row)
    return tuple(rows), faults


def _range_faults(row: Row, file: str, line: int) -> Iterator[Fault]:
    """The low and high of an estimate are as admissible as the value, and the three come in order."""
    for name, adapter in _ranged(type(row)).items():
        value = getattr(row, name)
        for suffix, sign, relation in (("_low", 1, "at most"), ("_high", -1, "at least")):
            bound = getattr(row, f"{name}{suffix}")
            if bound is None:
                continue
            try:
                adapter.validate_python(bound)
            except ValidationError as error:
                yield Fault(file, str(line), f"{name}{suffix}", str(bound), str(error.errors()[0]["msg"]))
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
    """A cell in the type of its column where that loses nothing (text booleans, whole numbers read as floats)."""
    kind = _kinds(table).get(column, str)
    if kind is bool and isinstance(value, str):
        return {"true": True, "false": False, "1": True, "0": False}.get(value.strip().lower(), value)
    if kind is str and not isinstance(value, str):
        return str(value)
    if kind in (int, float) and hasattr(value, "item"):
        return value.item()
    return value


@cache
def _required(table: str) -> frozenset[str]:
    return frozenset(name for name, field in TABLES[table].model_fields.items() if field.is_required())
