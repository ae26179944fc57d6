"""The facts: tables read from CSV files or data frames, validated row by row once, frozen afterwards."""

from __future__ import annotations

import csv
import hashlib
import io
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pandas as pd

from .errors import Fault, Faults, InputError, near_miss
from .files import read_bounded
from .places import Book
from .places import cell_name as cell_name
from .row_types import Row
from .rows import TABLES
from .validation import required, validate_rows

PROVENANCE = ("source", "year", "confidence")
"""Columns that every table file must have; frames made in memory may leave them out."""

LARGEST_TABLE_BYTES = 50_000_000

CSV_PIECE = 500_000
"""Rows of a table that are turned into text at once."""
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


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
        faults = Faults()
        tables: dict[str, tuple[Row, ...]] = {}
        for table, frame in frames.items():
            if table not in TABLES:
                expected = f"a table name{near_miss(table, TABLES)}"
                faults.add(Fault(name, "", "table", f"'{table}'", expected))
                continue
            columns = [str(column) for column in frame.columns]
            records = [dict(zip(columns, values, strict=True)) for values in frame.itertuples(index=False, name=None)]
            rows, found = validate_rows(table, records, table, columns)
            tables[table] = rows
            faults.extend(found)
        if faults:
            raise InputError(faults.told())
        return cls(types.MappingProxyType(tables), name)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (dict(self.tables), self.name, self.book)

    def placed(self, fault: Fault) -> Fault:
        """A fault of a table (`offers.csv`, row by key) or of the plan with sheet and cell, where both come from a workbook."""
        table = fault.file.removesuffix(".csv")
        if table == "plan" and self.book is not None and self.book.plan is not None:
            return self.book.plan.placed(fault)
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

    Raises InputError with what is wrong: file, line, column, value found, value expected.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise InputError([Fault(str(folder), "", "", "no folder", "a folder of tables (CSV)")])
    faults = Faults()
    tables: dict[str, tuple[Row, ...]] = {}
    inside = sorted(folder.iterdir())
    for file in (file for file in inside if file.suffix == ".csv"):
        if file.stem not in TABLES:
            faults.add(Fault(file.name, "", "", "no such table", "a table name" + near_miss(file.stem, TABLES)))
            continue
        rows, found = _read(file)
        tables[file.stem] = rows
        faults.extend(found)
    faults.extend(_misnamed(inside, set(tables)))
    if not tables and not faults:
        faults.add(Fault(str(folder), "", "", "no table", "CSV files named as in inputs/README.md"))
    if faults:
        raise InputError(faults.told())
    return Dataset(types.MappingProxyType(tables), folder.name)


def _misnamed(inside: Sequence[Path], tables: set[str]) -> Iterator[Fault]:
    """Files that are called like a table and are not read: `demand.CSV`, `demand.xlsx`; a copy kept beside the table may stay."""
    for file in inside:
        stem = file.name.partition(".")[0].lower()
        if file.suffix == ".csv" or stem not in TABLES:
            continue
        if file.suffix.lower() == ".csv" or stem not in tables:
            yield Fault(file.name, "", "", f"'{file.name}'", f"{stem}.csv, a CSV table in lower case")


def write_dataset(data: Dataset, folder: Path) -> None:
    """Write the tables as CSV; text that a spreadsheet would run as a formula gets an apostrophe in front."""
    folder.mkdir(parents=True, exist_ok=True)
    for table, text in dataset_texts(data):
        (folder / f"{table}.csv").write_text(text, encoding="utf-8", newline="")


def dataset_texts(data: Dataset) -> Iterator[tuple[str, str]]:
    """(table, its CSV text); columns without a value are left out, unless every table has them."""
    for table in data.tables:
        frame = data.frame(table)
        used = [c for c in frame.columns if frame[c].notna().any() or c in (*PROVENANCE, *required(table))]
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
    content = read_bounded(file, LARGEST_TABLE_BYTES, "a CSV table")
    if isinstance(content, Fault):
        return (), [replace(content, file=file.name)]
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        odd = f"byte {error.object[error.start]:#04x} at {error.start:,}"
        return (), [Fault(file.name, "", "", odd, "UTF-8: in a spreadsheet, save as `CSV UTF-8`")]
    try:
        misshapen = _misshapen(file.name, text)
        if misshapen:
            return (), misshapen
        frame = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False, na_values=[""], skip_blank_lines=False)
    except (ValueError, csv.Error) as error:  # pandas' own errors are ValueErrors
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


def _misshapen(name: str, text: str) -> list[Fault]:
    """Rows with more cells than the header has, which would shift every column; columns twice; another separator than a comma."""
    rows = csv.reader(io.StringIO(text, newline=""))
    header = next(rows, [])
    if len(header) == 1 and header[0].count(";") > 1:
        return [Fault(name, "1", "", "columns separated by ;", "columns separated by commas, and a point in numbers")]
    faults = Faults()
    for column in sorted({column for column in header if column and header.count(column) > 1}):
        faults.add(Fault(name, "1", column, "a column twice", "each column once"))
    wanted = f"{len(header)}, as the header has (text with a comma stands in quotation marks)"
    for number, row in enumerate(rows, start=2):
        if len(row) > len(header):
            faults.add(Fault(name, str(number), "", f"{len(row)} cells", wanted))
    return faults.told()
