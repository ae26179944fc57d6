"""The facts: tables read from CSV files or data frames, validated row by row once, frozen afterwards."""

from __future__ import annotations

import csv
import hashlib
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ..core.errors import Fault, Faults, InputError, near_miss
from ..schemas.base import Row, key_of
from ..schemas.tables import TABLES
from .csv_shape import PROVENANCE, guarded, read_csv_table, unguarded_cell
from .plan_lines import PlanText
from .row_checks import required, validate_rows
from .workbook_places import Book, PlanSheet

CSV_PIECE = 500_000
"""Rows of a table that are turned into text at once."""


@dataclass(frozen=True)
class Dataset:
    """Validated tables by name, each a tuple of frozen rows; absent tables are empty."""

    tables: Mapping[str, tuple[Row, ...]]
    name: str = "in memory"
    book: Book | None = None
    """The workbook that they come from; None: not from one."""
    asked: PlanText | PlanSheet | None = None
    """Where the plan that was read with them stands; None: nowhere that is known."""
    lines: Mapping[str, tuple[int, ...]] = field(default_factory=dict, compare=False)
    """Lines of the rows of each table in its file, where they come from files."""

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
        return _restored, (dict(self.tables), self.name, self.book, self.asked, dict(self.lines))

    def placed(self, fault: Fault) -> Fault:
        """A fault of a table (`offers.csv`, row by key) or of the plan with the place in its file or workbook."""
        table = fault.file.removesuffix(".csv")
        if table == "plan" and self.asked is not None:
            return self.asked.placed(fault)
        return fault if self.book is None or table not in self.book.lines else self.book.placed(fault, table, self.rows(table))

    def at(self, table: str, n: int) -> str:
        """Where a table's row of a number stands, for a fault: its line in the table's file, else its key."""
        lines, rows = self.lines.get(table, ()), self.tables[table]
        return str(lines[n]) if len(lines) == len(rows) else key_of(rows[n])

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


def _restored(
    tables: dict[str, tuple[Row, ...]], name: str, book: Book | None, asked: PlanText | PlanSheet | None,
    lines: dict[str, tuple[int, ...]],
) -> Dataset:  # fmt: skip
    """A dataset from another process."""
    return Dataset(types.MappingProxyType(tables), name, book, asked, lines)


def load_dataset(path: str | Path) -> Dataset:
    """Read every table that a folder holds as `<table>.csv`.

    Raises InputError with what is wrong: file, line, column, value found, value expected.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise InputError([Fault(str(folder), "", "", "no folder", "a folder of tables (CSV)")])
    faults = Faults()
    tables: dict[str, tuple[Row, ...]] = {}
    lines: dict[str, tuple[int, ...]] = {}
    inside = sorted(folder.iterdir())
    for file in (file for file in inside if file.suffix == ".csv"):
        if file.stem not in TABLES:
            faults.add(Fault(file.name, "", "", "no such table", "a table name" + near_miss(file.stem, TABLES)))
            continue
        rows, found, lines[file.stem] = read_csv_table(file)
        tables[file.stem] = rows
        faults.extend(found)
    faults.extend(_misnamed(inside, set(tables)))
    if not tables and not faults:
        faults.add(Fault(str(folder), "", "", "no table", "CSV files named as in inputs/README.md"))
    if faults:
        raise InputError(faults.told())
    return Dataset(types.MappingProxyType(tables), folder.name, lines=lines)


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
            safe[column] = safe[column].map(guarded)
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
            plain[column] = plain[column].map(unguarded_cell)
    return plain
