"""Files of tables as text: what every reader of published figures writes with."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from strategic_minerals.core.errors import Fault, InputError

READ = "utf-8-sig"
"""Spreadsheets begin files with a mark, which is no part of the first column's name."""
Row = dict[str, str]


@dataclass(frozen=True)
class Updated:
    """What a reader did not write, and what is doubtful about what it wrote."""

    left_out: tuple[str, ...] = ()
    """Tables of another home, and statistics of an edition before that of the tables."""
    missing: tuple[str, ...] = ()
    """What the file does not have."""
    sums: tuple[str, ...] = ()
    """Series whose countries do not add up to the total that is printed beside them."""


def read_rows(place: Path) -> tuple[list[str], list[Row]]:
    """Columns and rows of a table's file. Raises InputError where there is none."""
    if not place.is_file():
        raise InputError([Fault(place.name, "", "", "no such file", "a table to bring up to date")])
    with place.open(encoding=READ, newline="") as file:
        reader = csv.DictReader(file)
        return list(reader.fieldnames or ()), list(reader)


def write_rows(place: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write a table's file; a column that a row lacks stays empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    place.write_text(text.getvalue(), encoding="utf-8", newline="")


def number(path: Path, line: int, column: str, text: str) -> float:
    """The number of a cell. Raises InputError with its place."""
    try:
        return float(text.replace(",", ""))
    except ValueError:
        raise InputError([Fault(path.name, str(line), column, f"'{text}'", "a number")]) from None
