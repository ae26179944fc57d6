"""The facts: tables from CSV files or data frames, validated once row by row and then frozen."""

from __future__ import annotations

import hashlib
import types
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from ..core.errors import Fault, Faults, InputError, near_miss
from ..schemas.base import Row, key_of
from ..schemas.tables import TABLES
from .plan_lines import PlanText
from .row_checks import validate_rows
from .workbook_places import Book, PlanSheet


@dataclass(frozen=True)
class Dataset:
    """Validated tables by name, each a tuple of frozen rows; absent tables are empty."""

    tables: Mapping[str, tuple[Row, ...]]
    name: str = "in memory"
    book: Book | None = None
    """The workbook that they come from; None: not from one."""
    asked: PlanText | PlanSheet | None = None
    """Where the plan that was read with them stands; None: nowhere that is known."""
    lines: Mapping[str, tuple[int | str, ...]] = field(default_factory=dict, compare=False)
    """Lines of the rows of each table in its file, where they come from files; of a home's own rows with their folder."""

    @classmethod
    def from_tables(cls, frames: Mapping[str, pd.DataFrame], *, name: str = "in memory") -> Dataset:
        """Validate data frames (columns as `strategic-minerals schema TABLE` prints them). Raises InputError with every fault."""
        faults = Faults()
        tables: dict[str, tuple[Row, ...]] = {}
        for table, frame in frames.items():
            if table not in TABLES:
                expected = f"the name of a table{near_miss(table, TABLES)}"
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
        return (
            fault
            if self.book is None or table not in self.book.lines
            else self.book.placed(fault, table, self.rows(table))
        )

    def without_places(self) -> Dataset:
        """The same tables, of which nobody knows in what file, sheet or line they stand: what is said of them is the same
        wherever they are kept."""
        return replace(self, book=None, asked=None, lines={})

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
    tables: dict[str, tuple[Row, ...]],
    name: str,
    book: Book | None,
    asked: PlanText | PlanSheet | None,
    lines: dict[str, tuple[int | str, ...]],
) -> Dataset:
    """A dataset from another process."""
    return Dataset(types.MappingProxyType(tables), name, book, asked, lines)
