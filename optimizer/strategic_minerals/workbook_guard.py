"""A workbook looked at before it is opened: how much it unpacks to, how far its cells reach, cells that hold no value.

A small file may unpack to gigabytes, and one cell far out makes a reader fill everything before it. Cells with an error, and
formulas that were never computed, look empty to a reader: they are told instead.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from xml.parsers.expat import ExpatError, ParserCreate

from .errors import Fault, InputError

LARGEST_UNPACKED = 200_000_000
"""Bytes of all parts of a book together."""
LARGEST_RATIO = 200
"""Unpacked to packed: spreadsheets reach 20, bombs 1000."""
MOST_ROWS = 200_000
MOST_CELLS = 5_000_000
"""Rows times columns of one sheet, empty ones too."""
PIECE = 1 << 16
PLACE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
BOOK, RELATIONS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"


def look(path: Path) -> None:
    """Raises InputError with every fault: no workbook, too large a one, cells without a value."""
    faults: list[Fault] = []
    try:
        with zipfile.ZipFile(path) as book:
            unpacked, packed = sum(part.file_size for part in book.infolist()), sum(part.compress_size for part in book.infolist())
            if unpacked > LARGEST_UNPACKED or unpacked > LARGEST_RATIO * max(packed, 1):
                found = f"{unpacked:,} bytes unpacked from {packed:,}"
                expected = f"at most {LARGEST_UNPACKED:,}, and {LARGEST_RATIO} times the packed size"
                raise InputError([Fault(path.name, "", "", found, expected)])
            names = dict(_sheets(book))
            for part in book.namelist():
                if part.startswith("xl/worksheets/") and part.endswith(".xml"):
                    faults += _sheet_faults(book, part, f"{path.name}, sheet {names.get(part, part)}")
    except (OSError, zipfile.BadZipFile, ExpatError, RuntimeError) as error:  # also a packing that zipfile does not know
        raise InputError([Fault(path.name, "", "", str(error), "a workbook (xlsx)")]) from None
    if faults:
        raise InputError(faults)


def _sheets(book: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """(part, name) of every sheet."""
    parts = set(book.namelist())
    if not {BOOK, RELATIONS} <= parts:
        return
    relations: dict[str, str] = {}
    found: list[tuple[str, str]] = []

    def relation(tag: str, given: dict[str, str]) -> None:
        if tag.endswith("Relationship"):
            relations[given.get("Id", "")] = given.get("Target", "")

    def sheet(tag: str, given: dict[str, str]) -> None:
        if tag.rpartition(":")[2] == "sheet":
            at = next((value for name, value in given.items() if name.rpartition(":")[2] == "id" and ":" in name), "")
            found.append((at, given.get("name", "")))

    for part, start in ((RELATIONS, relation), (BOOK, sheet)):
        with book.open(part) as content:
            _parse(content, start)
    for at, name in found:
        target = relations.get(at, "")
        yield (target.lstrip("/") if target.startswith("/") else posixpath.join("xl", target)), name


def _sheet_faults(book: zipfile.ZipFile, part: str, place: str) -> list[Fault]:
    """Of one sheet, read as a stream."""
    reach, faults = [0, 0], list[Fault]()
    cell: dict[str, Any] = {}

    def start(tag: str, given: dict[str, str]) -> None:
        kind = tag.rpartition(":")[2]
        if kind in ("c", "dimension", "row"):
            at = given.get("r", "") if kind != "dimension" else given.get("ref", "").rpartition(":")[2]
            row, column = _reach(at)
            reach[0], reach[1] = max(reach[0], row), max(reach[1], column)
        if kind == "c":
            cell.clear()
            cell.update(at=given.get("r", ""), error=given.get("t") == "e", formula=False, value=False)
        elif kind == "f":
            cell["formula"] = True
        elif kind in ("v", "is"):
            cell["value"] = True

    def end(tag: str) -> None:
        if tag.rpartition(":")[2] != "c" or not cell or len(faults) >= 100:
            return
        if cell["error"]:
            faults.append(Fault(place, str(cell["at"]), "", "an error such as #REF!", "a value, or an empty cell"))
        elif cell["formula"] and not cell["value"]:
            expected = "a value: open the book in a spreadsheet, let it compute, save it"
            faults.append(Fault(place, str(cell["at"]), "", "a formula that was never computed", expected))

    with book.open(part) as content:
        _parse(content, start, end)
    if reach[0] > MOST_ROWS + 1 or reach[0] * reach[1] > MOST_CELLS:
        expected = f"at most {MOST_ROWS:,} rows, and {MOST_CELLS:,} cells"
        faults.insert(0, Fault(place, "", "", f"cells as far as row {reach[0]:,}, column {reach[1]:,}", expected))
    return faults


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


def _parse(content: IO[bytes], start: Any, end: Any = None) -> None:
    parser = ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.EntityDeclHandler = _refuse  # books declare none; bombs do
    while piece := content.read(PIECE):
        parser.Parse(piece)
    parser.Parse(b"", True)


def _refuse(*_: object) -> None:
    raise RuntimeError("an entity of its own")
