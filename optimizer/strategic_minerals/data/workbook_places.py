"""Places in a workbook: cells of tables, and of the fields of the sheet `plan`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.errors import Fault
from .plan_lines import set_elsewhere


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

    def named(self, field: str) -> str:
        """A field of the plan, its lists counted from 0 without gaps, as the sheet calls it."""
        path: list[str] = []
        for part in field.split("."):
            own = self.numbers.get(".".join(path), ())
            path.append(str(own[int(part)]) if part.isdigit() and int(part) < len(own) else part)
        return ".".join(path)

    def placed(self, fault: Fault) -> Fault:
        """A fault of the plan with the cell of its field, of the closest one around it, or of the row where it could be added."""
        name = self.named(fault.column)
        if set_elsewhere(fault.column, self.overrides):
            return replace(fault, file="--set", row="", column=name)
        unfilled = [row for own, row in self.empty.items() if own == name or own.startswith(f"{name}.")]
        if fault.found == "nothing" and unfilled:
            return replace(fault, file=self.place, row=cell_name(min(unfilled), 1), column=name, found="an empty cell")
        parts = name.split(".")
        for n in range(len(parts), 0, -1):
            path = ".".join(parts[:n])
            inside = [row for own, row in self.rows.items() if own == path or own.startswith(f"{path}.")]
            if inside:
                return replace(fault, file=self.place, row=cell_name(min(inside), 1), column=name)
        return replace(fault, file=self.place, row=cell_name(self.last + 1, 0), column=name)


@dataclass(frozen=True)
class Book:
    """A workbook: where its tables' rows and columns stand, and what other sheets it has."""

    name: str
    columns: Mapping[str, tuple[str, ...]]
    lines: Mapping[str, tuple[int, ...]]
    others: tuple[str, ...] = ()
    """Sheets that are no tables."""

    def placed(self, fault: Fault, table: str, rows: Sequence[Any]) -> Fault:
        """A fault with sheet and cell; its row is told by key, whole or the first part of it."""
        keys = [[str(getattr(row, part)) for part in type(row).key] for row in rows]
        at = [n for n, key in enumerate(keys) if fault.row in ("/".join(key), key[0])]
        line = self.lines[table][at[0]] if at else None
        columns = self.columns[table]
        cell = f" row {line}" if line else ""
        if line and fault.column and fault.column in columns:
            cell = f" {cell_name(line, columns.index(fault.column))}"
        return replace(fault, file=f"{self.name}, sheet {table}{cell}")
