"""A table's CSV file as a header and rows of cells: what is read before the rows are checked one by one."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from ..core.bounded_files import read_bounded, text_of
from ..core.errors import Fault, Faults, shown
from ..schemas.base import Row
from ..schemas.tables import TABLES
from .row_checks import MOST_ROWS, required, validate_rows

PROVENANCE = ("source", "year", "confidence")
"""Columns that every table file must have; frames made in memory may leave them out."""
LARGEST_TABLE_BYTES = 50_000_000
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def guarded(value: object) -> object:
    """One more apostrophe before text that would run as a formula, with or without apostrophes of its own."""
    return f"'{value}" if isinstance(value, str) and value.lstrip("'").startswith(FORMULA_STARTS) else value


def unguarded_cell(value: object) -> object:
    """Text as it was before `guarded`."""
    is_guarded = isinstance(value, str) and value.startswith("'") and value.lstrip("'").startswith(FORMULA_STARTS)
    return cast(str, value)[1:] if is_guarded else value


@dataclass(frozen=True)
class Sheet:
    """The rows of one table file, not yet read as values."""

    name: str
    """What the file is called in faults."""
    columns: list[str]
    lines: list[int]
    """Line of each record."""
    records: list[dict[str, object]]
    """Filled cells by column."""


def read_csv_table(file: Path) -> tuple[tuple[Row, ...], list[Fault], tuple[int | str, ...]]:
    """Rows of a table file that is named as its table, what is wrong with it, and the lines of the rows where nothing is."""
    sheet = read_sheet(file, file.name)
    if not isinstance(sheet, Sheet):
        return (), sheet, ()
    rows, found = validate_rows(file.stem, sheet.records, sheet.name, sheet.columns, sheet.lines)
    return rows, found, tuple(sheet.lines)


def read_sheet(file: Path, name: str) -> Sheet | list[Fault]:
    """The rows of a file that is named as its table, or what is wrong with its shape. name: of the file, in faults."""
    content = read_bounded(file, LARGEST_TABLE_BYTES, "a CSV table")
    if isinstance(content, Fault):
        return [replace(content, file=name)]
    text = text_of(content, name, "a CSV table in UTF-8")
    if isinstance(text, Fault):
        return [text]
    if "\0" in text:
        return [Fault(name, str(text.count("\n", 0, text.index("\0")) + 1), "", "a zero byte", "only text")]
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    records, count, begins = list[list[str]](), 0, 1
    try:
        header = next(reader, [])
        begins = reader.line_num + 1
        for cells in reader:  # rows beyond the most that a table has are only counted
            count += any(cells)
            if count <= MOST_ROWS:
                records.append(cells)
            begins = reader.line_num + 1
    except csv.Error as error:
        wanted = 'quotation marks around text with a comma or a quotation mark, as in "text, and ""more"" of it"'
        return [Fault(name, str(begins), "", str(error), wanted)]
    if count > MOST_ROWS:
        return [Fault(name, "", "", f"{count:,} rows", f"at most {MOST_ROWS:,}")]
    columns = list(header)
    while columns and not columns[-1].strip():
        columns.pop()
    faults = Faults()
    faults.extend(_header_faults(file.stem, name, columns) or _length_faults(name, columns, records))
    if faults:
        return faults.told()
    lines = [n for n, cells in enumerate(records, start=2) if any(cells)]
    return Sheet(name, columns, lines, [_record(columns, records[n - 2]) for n in lines])


def _record(columns: Sequence[str], cells: Sequence[str]) -> dict[str, object]:
    """Cells by column; what is empty is left out."""
    return {column: unguarded_cell(cell) for column, cell in zip(columns, cells, strict=False) if cell != ""}


def header_faults(table: str, place: str, columns: Sequence[str], at: Callable[[int], str]) -> list[Fault]:
    """What is wrong with the first row of a file or a sheet, other than columns that are none or not there.

    columns: its cells without those behind the last name. at: place of a column, counted from 0.
    """
    if not any(column in TABLES[table].model_fields for column in columns):
        needed = dict.fromkeys([*(name for name in TABLES[table].model_fields if name in required(table)), *PROVENANCE])
        return [Fault(place, at(0), "", shown(", ".join(columns)), f"a header of the columns {', '.join(needed)}")]
    twice = [k for k, column in enumerate(columns) if column and column in columns[:k]]
    return [Fault(place, at(k), columns[k], "the column twice", "each column once") for k in twice]


def _header_faults(table: str, name: str, columns: Sequence[str]) -> list[Fault]:
    """What is wrong with the header of a file, other than columns that are none or not there."""
    found = header_faults(table, name, columns, lambda _: "1")
    if not TABLES[table].model_fields.keys() & {*columns}:
        return [replace(fault, expected=f"{fault.expected}, separated by commas") for fault in found]
    unnamed = [n for n, column in enumerate(columns, start=1) if not column.strip()]
    found += [Fault(name, "1", "", f"no name for column {n}", "a name, or an empty column") for n in unnamed]
    absent = [column for column in PROVENANCE if column not in columns]
    return found + [Fault(name, "1", each, "no such column", "this column, which every table has") for each in absent]


def _length_faults(name: str, columns: Sequence[str], records: Sequence[Sequence[str]]) -> Iterator[Fault]:
    """Rows with more filled cells than the header has columns, or with fewer cells."""
    wanted = f"{len(columns)}, as in the header (text with a comma needs quotation marks)"
    for number, cells in enumerate(records, start=2):
        filled = next((n for n in range(len(cells), 0, -1) if cells[n - 1] != ""), 0)
        if filled > len(columns) or (filled > 0 and len(cells) < len(columns)):
            yield Fault(name, str(number), "", f"{max(filled, len(cells))} cells", wanted)
