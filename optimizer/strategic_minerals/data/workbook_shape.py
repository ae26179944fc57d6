"""Find the table in a sheet: its columns, and the planner's own content beyond an empty column."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby
from typing import Any

from ..core.errors import Fault
from ..core.names import plain
from ..schemas.tables import TABLES
from .csv_shape import LIKE_A_HEADER, LINES_SCANNED, header_words
from .workbook_places import cell_name

NEARLY = 0.8
"""Likeness of two names from which on one is taken for a slip of the other."""


@dataclass(frozen=True)
class Extent:
    """Columns of a sheet, counted from 0, and what of it the table is."""

    cells: Sequence[Sequence[Any]]
    """Rows of the sheet, with nothing in them that is none of the table."""
    beside: tuple[int, ...] = ()
    """Columns with something in them that are none of the table."""
    second: int | None = None
    """Where another header begins, of a table beside the table."""

    def note(self, place: str) -> str:
        """What is not read, in a sentence; empty where all is."""
        if not self.beside:
            return ""
        first, last = (cell_name(1, k).rstrip("1") for k in (self.beside[0], self.beside[-1]))
        which = f"column {first} is" if first == last else f"columns {first} to {last} are"
        return f"{place}: {which} not read: an empty column separates this content from the table"


def extent(table: str, cells: Sequence[Sequence[Any]], unread: Collection[int]) -> Extent:
    """What of a sheet is the table whose header is its first row.

    unread: columns with cells that a reader takes for empty ones. Empty columns part a sheet into blocks. A block is
    read where its header has a column of the table; others are remarks.
    """
    width = max(map(len, cells), default=0)
    filled = {k for row in cells for k, value in enumerate(row) if not _empty(value)} | {*unread}
    blocks = [list(run) for is_filled, run in groupby(range(width), filled.__contains__) if is_filled]
    fields, known, read = list(TABLES[table].model_fields), list[str](), set[int]()
    second = None
    for block in blocks:
        names = [name for k in block if k < len(cells[0]) and (name := str(cells[0][k]).strip())]
        if sum(plain(name) in map(plain, known) for name in names) >= LIKE_A_HEADER and second is None:
            second = block[0]
        if _of_table(names, fields, known):
            read.update(block)
            known += names
    beside = tuple(sorted(filled - read))
    if beside:
        cells = [[value if k in read else "" for k, value in enumerate(row)] for row in cells]
    return Extent(cells, beside, second)


def _empty(value: Any) -> bool:
    return value == "" or (isinstance(value, str) and not value.strip())


def _of_table(names: Sequence[str], fields: Collection[str], known: Collection[str]) -> bool:
    """Whether a block has columns of a table. known: those that earlier blocks have.

    One word that is also the name of a column that is there already, such as Note, heads a remark; several are a table.
    """
    said = {plain(name) for name in names}
    columns, there = {plain(field) for field in fields}, {plain(name) for name in known}
    if len(said & columns) >= LIKE_A_HEADER or any(name in fields for name in names):
        return True
    return any(_nearly(name, columns - there) for name in said)


def _nearly(name: str, columns: Collection[str]) -> bool:
    return any(SequenceMatcher(None, name, column).ratio() >= NEARLY for column in columns)


def no_header(table: str, place: str, cells: Sequence[Sequence[Any]]) -> Fault | None:
    """One fault where the first row of a sheet is not the header; None where it is."""
    known = {plain(column) for column in TABLES[table].model_fields}
    hits = [len(known & {plain(str(value)) for value in row}) for row in cells[:LINES_SCANNED]]
    if hits and hits[0] >= LIKE_A_HEADER:
        return None
    filled = next((str(value).strip() for row in cells for value in row if not _empty(value)), "")
    if not filled:
        return Fault(place, "", "", "an empty sheet", f"a header ({header_words(table)}), or no sheet of this name")
    at = next((n for n, count in enumerate(hits, start=1) if count >= LIKE_A_HEADER), 0)
    first = next((str(value).strip() for value in cells[0] if not _empty(value)), "")
    found = f"{first!r}" if first else "an empty row"
    if not at:
        return Fault(place, "row 1", "", found, f"the header: {header_words(table)}")
    begins = next(k for k, value in enumerate(cells[at - 1]) if plain(str(value)) in known)
    where = f"the header, which is in row {at}: delete the rows above it"
    return Fault(place, "row 1", "", found, f"{where} (it begins in cell {cell_name(at, begins)})")


def under_no_header(
    place: str, columns: Sequence[str], cells: Sequence[Sequence[Any]], lines: Sequence[int]
) -> Iterator[Fault]:
    """Values of a table's columns that no header names: a fault for each column that has lost its own, or for each cell.

    columns: names, empty where there is none. lines: rows with anything in them, counted from 1.
    """
    width = max(map(len, cells), default=0)
    headless = [k for k in range(width) if k >= len(columns) or not columns[k]]
    filled = {k: [n for n in lines if len(cells[n - 1]) > k and not _empty(cells[n - 1][k])] for k in headless}
    lost = [k for k in headless if len(filled[k]) >= FEWEST_UNDER_LOST]
    for k in lost[:MOST_FAULTS]:
        expected = "the name of the column, or an empty column"
        yield Fault(place, cell_name(1, k), "", f"no name above {len(filled[k])} values", expected)
    beyond = sorted((n, k) for k in headless if k not in lost for n in filled[k])
    for n, k in beyond[:MOST_FAULTS]:
        expected = "an empty cell, or a header; put your own remarks to the right of an empty column"
        yield Fault(place, cell_name(n, k), "", "a value without a header", expected)


FEWEST_UNDER_LOST = 3
"""Values under no header from which on the header is what was lost."""
MOST_FAULTS = 20
"""Columns, or cells, that are named."""
