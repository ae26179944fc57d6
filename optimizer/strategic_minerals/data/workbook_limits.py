"""Check a workbook before it is opened: its unpacked size, how far its cells reach, cells that hold no value.

A small file may unpack to gigabytes, and one cell far out makes a reader fill everything before it. Cells with an error, and
formulas that were never computed, look empty to a reader: they are told instead.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any
from xml.parsers.expat import ParserCreate

from ..core.errors import LONGEST_SHOWN, Fault, Faults, FaultsError, InputError
from .row_checks import MOST_ROWS
from .workbook_places import cell_name

LARGEST_UNPACKED = 200_000_000
"""Bytes of all parts of a book together."""
LARGEST_RATIO = 200
"""Unpacked to packed: spreadsheets reach 20, bombs 1000."""
MOST_CELLS = 5_000_000
"""Rows times columns of one sheet, empty ones too."""
MOST_FAULTS = 100
"""Cells of a sheet that are told."""
Hidden = tuple[str, list[str]]
"""`row` or `column`, and which ones; or `sheet`, all of it."""
NO_BOOK = "no workbook"
PIECE = 1 << 16
PLACE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
BOOK, RELATIONS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"


@contextmanager
def whole_book(name: str) -> Iterator[None]:
    """Whatever readers of archives, of XML and of sheets raise for a damaged book is an InputError that names the book."""
    try:
        yield
    except (FaultsError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic of the reader, which is written in Rust, is no Exception
        found = "a damaged file: it was cut off or changed in transfer"
        if isinstance(error, OSError) and error.strerror:
            found = error.strerror
        raise InputError([Fault(name, "", "", found, "a complete workbook (xlsx): copy or save it again")]) from None


@dataclass(frozen=True)
class SheetScan:
    """What of a sheet cannot be read as it stands, and what is hidden."""

    place: str
    """Book and sheet, for the faults."""
    cells: Sequence[tuple[int, Fault]]
    """Cells without a value, or merged, each with its column counted from 0; a hundred at most."""
    hidden: Sequence[Hidden]

    def faults(self, beside: Collection[int]) -> list[Fault]:
        """Of its cells, apart from columns that are not read: where there are too many, nobody knows which these are."""
        full = len(self.cells) >= MOST_FAULTS
        return [fault for column, fault in self.cells if full or column not in beside]

    def notes(self, beside: Collection[int]) -> Iterator[str]:
        """What is read although it is hidden, in sentences."""
        unread = {cell_name(1, k).rstrip("1") for k in beside}
        for what, all_at in self.hidden:
            at = [name for name in all_at if what != "column" or name not in unread]
            if what == "sheet":
                yield f"{self.place}: it is hidden, but read anyway"
            elif at:
                some = f"{what} {at[0]} is" if len(at) == 1 else f"{len(at)} {what}s, the first {at[0]}, are"
                yield f"{self.place}: {some} hidden or filtered out, but read anyway"


@dataclass(frozen=True)
class BookScan:
    """What is found out about a book before it is opened."""

    sheets: Mapping[str, SheetScan]

    def unread(self, sheet: str) -> set[int]:
        """Columns of a sheet with cells that a reader takes for empty ones."""
        return {column for column, _ in self.sheets[sheet].cells} if sheet in self.sheets else set()

    def faults(self, beside: Mapping[str, Collection[int]]) -> list[Fault]:
        """Of all cells. beside: columns, by sheet, that are not read."""
        faults = Faults()
        for name, sheet in self.sheets.items():
            faults.extend(sheet.faults(beside.get(name, ())))
        return faults.told()

    def notes(self, beside: Mapping[str, Collection[int]]) -> list[str]:
        """What is read although it is hidden, in sentences; whole sheets first."""
        told = [note for name, sheet in self.sheets.items() for note in sheet.notes(beside.get(name, ()))]
        return sorted(told, key=lambda note: ": it is hidden" not in note)


def scan(content: bytes, name: str, columns_read: Callable[[str], float]) -> BookScan:
    """What is read although it is hidden, and cells without a value, or merged, in the columns that are read.

    Raises InputError for too large a book, and what `whole_book` turns into one where it is none.
    """
    faults = Faults()
    sheets: dict[str, SheetScan] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        unpacked, packed = (
            sum(part.file_size for part in book.infolist()),
            sum(part.compress_size for part in book.infolist()),
        )
        if unpacked > LARGEST_UNPACKED or unpacked > LARGEST_RATIO * max(packed, 1):
            found = f"{unpacked:,} bytes unpacked from {packed:,}"
            expected = f"at most {LARGEST_UNPACKED:,}, and {LARGEST_RATIO} times the packed size"
            raise InputError([Fault(name, "", "", found, expected)])
        if not any(part.lower().startswith("xl/workbook.") for part in book.namelist()):
            raise InputError([Fault(name, "", "", f"{NO_BOOK}: an archive of other files", "a workbook (xlsx)")])
        named = {part: (sheet, hidden) for part, sheet, hidden in _sheets(book)}
        for part in book.namelist():
            if part.startswith("xl/worksheets/") and part.endswith(".xml"):
                sheet, is_hidden = named.get(part, (part, False))
                looked, too_large = _scan_sheet(book, part, f"{name}, sheet {sheet}", columns_read(sheet))
                faults.extend(too_large)
                whole: list[Hidden] = [("sheet", [])] if is_hidden and columns_read(sheet) else []
                sheets[sheet] = replace(looked, hidden=[*whole, *looked.hidden])
    if faults:
        raise InputError(faults.told())
    return BookScan(sheets)


def _sheets(book: zipfile.ZipFile) -> Iterator[tuple[str, str, bool]]:
    """(part, name, whether it is hidden) of every sheet."""
    parts = set(book.namelist())
    if not {BOOK, RELATIONS} <= parts:
        return
    relations: dict[str, str] = {}
    found: list[tuple[str, str, bool]] = []

    def relation(tag: str, given: dict[str, str]) -> None:
        if tag.endswith("Relationship"):
            relations[given.get("Id", "")] = given.get("Target", "")

    def sheet(tag: str, given: dict[str, str]) -> None:
        if tag.rpartition(":")[2] == "sheet":
            at = next((value for name, value in given.items() if name.rpartition(":")[2] == "id" and ":" in name), "")
            found.append((at, given.get("name", ""), given.get("state", "visible") != "visible"))

    for part, start in ((RELATIONS, relation), (BOOK, sheet)):
        with book.open(part) as content:
            _parse(content, start)
    for at, name, hidden in found:
        target = relations.get(at, "")
        yield (target.lstrip("/") if target.startswith("/") else posixpath.join("xl", target)), name, hidden


def is_plan_workbook(path: Path) -> bool:
    """Whether a file is a workbook with a sheet called `plan`: what a planner wrote, and no report."""
    try:
        with whole_book(path.name), zipfile.ZipFile(path) as book:
            return any(name == "plan" for _, name, _ in _sheets(book))
    except InputError:
        return False


def _scan_sheet(book: zipfile.ZipFile, part: str, place: str, columns: float) -> tuple[SheetScan, list[Fault]]:
    """One sheet, read as a stream, with its rows and columns that are hidden and hold something; a fault where it is too large.

    columns: how many of its columns count; its size counts in any case.
    """
    stream = _SheetStream(place, columns)
    with book.open(part) as content:
        _parse(content, stream.start, stream.end, stream.text)
    too_large: list[Fault] = []
    rows, reach = stream.rows, stream.columns
    if rows > MOST_ROWS + 1 or rows * reach > MOST_CELLS:
        expected = f"at most {MOST_ROWS:,} rows, and {MOST_CELLS:,} cells"
        too_large = [Fault(place, "", "", f"cells as far as row {rows:,}, column {reach:,}", expected)]
    return SheetScan(place, stream.faults, stream.hidden), too_large


@dataclass
class _Cell:
    """A cell while it is read."""

    at: str
    error: bool
    """It holds an error."""
    formula: bool = False
    value: bool = False
    """It holds something: an empty element is what a program writes that did not compute."""
    inside: bool = False
    """Its value is being read."""
    text: str = ""
    """Of an error, cut."""


class _SheetStream:
    """What the parser tells of a sheet, element by element."""

    def __init__(self, place: str, counted: float) -> None:
        """counted: how many of its columns count."""
        self._place, self._counted = place, counted
        self.rows = self.columns = 0
        """How far its cells reach."""
        self.faults: list[tuple[int, Fault]] = []
        """(column, counted from 0; fault), `MOST_FAULTS` at most."""
        self._cell: _Cell | None = None
        self._hidden_rows: dict[int, bool] = {}
        """Whether each holds something."""
        self._hidden_columns: list[tuple[int, int]] = []
        """(first, last)"""
        self._filled: set[int] = set()
        """Columns that hold something."""

    @property
    def hidden(self) -> list[Hidden]:
        """Rows and columns that are hidden and hold something."""
        rows = [str(row) for row, holds in self._hidden_rows.items() if holds]
        unseen = sorted(k for k in self._filled if any(first <= k <= last for first, last in self._hidden_columns))
        columns = [cell_name(1, k - 1).rstrip("1") for k in unseen]
        return [(what, at) for what, at in (("row", rows), ("column", columns)) if at]

    def start(self, tag: str, given: dict[str, str]) -> None:
        """An element begins."""
        kind, cell = tag.rpartition(":")[2], self._cell
        if kind == "c":
            at = given.get("r", "")
            self._reaches(at)
            self._cell = _Cell(at, given.get("t") == "e")
        elif kind == "f" and cell:
            cell.formula = True
        elif kind in ("v", "is") and cell:
            cell.inside = True
        elif kind == "dimension":
            self._reaches(given.get("ref", "").rpartition(":")[2])
        elif kind in ("row", "col"):
            self._band(kind, given)
        elif kind == "mergeCell":
            self._merged(given.get("ref", ""))

    def text(self, content: str) -> None:
        """What stands within an element, or a piece of it."""
        cell = self._cell
        if cell is None or not cell.inside:
            return
        cell.value = cell.value or bool(content.strip())
        if cell.error:
            cell.text = f"{cell.text}{content}"[:LONGEST_SHOWN]

    def end(self, tag: str) -> None:
        """An element ends."""
        kind, cell = tag.rpartition(":")[2], self._cell
        if cell is None:
            return
        if kind in ("v", "is"):
            cell.inside = False
        if kind == "c" and max(_reach(cell.at)[1], 1) <= self._counted and len(self.faults) < MOST_FAULTS:
            self._read(cell)

    def _reaches(self, at: str) -> None:
        row, column = _reach(at)
        self.rows, self.columns = max(self.rows, row), max(self.columns, column)

    def _band(self, kind: str, given: dict[str, str]) -> None:
        """A row begins, or some columns are told of."""
        hidden = given.get("hidden") in ("1", "true")
        if kind == "row":
            self._reaches(given.get("r", ""))
        if hidden and kind == "row":
            self._hidden_rows[_reach(given.get("r", ""))[0]] = False
        elif hidden:
            self._hidden_columns.append((int(given.get("min", 0)), int(given.get("max", 0))))

    def _merged(self, at: str) -> None:
        """Cells that hold one value together."""
        column = _reach(at.partition(":")[0])[1]
        if column <= self._counted and len(self.faults) < MOST_FAULTS:
            expected = "a value in each cell: unmerge the cells and fill each one"
            merged = Fault(self._place, at, "", "merged cells, of which only the first holds a value", expected)
            self.faults.append((column - 1, merged))

    def _read(self, cell: _Cell) -> None:
        """A cell that has been read, in a column that counts."""
        row, column = _reach(cell.at)
        if cell.value:
            self._filled.add(column)
            self._hidden_rows.update({row: True} if row in self._hidden_rows else {})
        if cell.error:
            expected = "a value, or an empty cell: the spreadsheet could not compute this cell"
            found = f"an error such as {cell.text or '#REF!'}"
        elif cell.formula and not cell.value:
            expected = "a value: open the book in a spreadsheet, let it compute, save it"
            found = "a formula that was never computed"
        else:
            return
        self.faults.append((column - 1, Fault(self._place, cell.at, "", found, expected)))


def _reach(at: str) -> tuple[int, int]:
    """(row, column) of a place such as B7, counted from 1; (row, 1) of a row's number, (0, 0) of anything else."""
    if at.isascii() and at.isdigit():
        return int(at[:8]), 1
    found = PLACE.fullmatch(at)
    if found is None:
        return 0, 0
    column = 0
    for letter in found[1]:
        column = 26 * column + ord(letter) - 64
    return int(found[2]), column


def _parse(content: IO[bytes], start: Any, end: Any = None, text: Any = None) -> None:
    parser = ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.EntityDeclHandler = _refuse  # books declare none; bombs do
    while piece := content.read(PIECE):
        parser.Parse(piece)
    parser.Parse(b"", True)


def _refuse(*_: object) -> None:
    raise RuntimeError("an XML entity declaration")
