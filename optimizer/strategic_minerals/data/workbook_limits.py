"""A workbook within limits: its unpacked size and how far its cells reach, and cells that hold no value and look empty to a reader.

A small file may unpack to gigabytes, and one cell far out makes a reader fill everything before it.
"""

from __future__ import annotations

import html
import io
import posixpath
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from ..core.errors import Fault, FaultsError, InputError, missing_part
from .row_checks import MOST_ROWS
from .workbook_places import column_number

LARGEST_UNPACKED = 200_000_000
"""Bytes of all parts of a book together."""
MOST_CELLS = 5_000_000
"""Rows times columns of one sheet, empty ones too."""
MOST_FAULTS = 100
"""Cells of a sheet that are named."""
BOOK, RELATIONS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
TAG = re.compile(rb"<(?:\w+:)?(?:sheet|Relationship)\s[^>]*>")
ATTRIBUTE = re.compile(rb"""(?:\w+:)?(\w+)\s*=\s*["']([^"']*)["']""")
PLACE = re.compile(rb"""\sr\s*=\s*["']([A-Z]{0,3})(\d{1,7})["']""", re.IGNORECASE)
"""Row, or column and row, of an element of a sheet."""
VALUELESS = re.compile(
    rb"<(?:\w+:)?c\s(?:[^>]*\st=\"e\"[^>]*>"
    rb"|[^>]*[^/>]><(?:\w+:)?f(?:\s[^>]*)?(?:/>|>[^<]*</(?:\w+:)?f>)(?:<v\s*/>|<v></v>)?</(?:\w+:)?c>)"
)
"""A cell with an error, or with a formula that was never computed."""


@contextmanager
def whole_book(name: str) -> Iterator[None]:
    """Whatever readers of archives and of sheets raise for a damaged book is an InputError that names the book."""
    try:
        yield
    except (FaultsError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic of the reader, which is written in Rust, is no Exception
        found = getattr(error, "strerror", None) or "a damaged file, or no workbook"
        raise InputError([Fault(name, "", "", found, "a complete workbook (xlsx, without a password)")]) from None


def opened(content: bytes, name: str) -> tuple[Any, dict[str, list[str]]]:
    """A book, opened by calamine, and the cells without a value of each sheet. Raises InputError for too large a one, or none."""
    calamine = optional("python_calamine")
    valueless: dict[str, list[str]] = {}
    with whole_book(name), zipfile.ZipFile(io.BytesIO(content)) as parts:
        unpacked = sum(part.file_size for part in parts.infolist())
        if unpacked > LARGEST_UNPACKED:
            raise InputError([Fault(name, "", "", f"{unpacked:,} bytes unpacked", f"at most {LARGEST_UNPACKED:,}")])
        for sheet, part in _sheets(parts):
            cells = parts.read(part)
            places = PLACE.findall(cells)
            rows = max((int(number) for _, number in places), default=0)
            columns = max((column_number(letters.decode()) for letters in {at for at, _ in places}), default=0)
            if rows > MOST_ROWS + 1 or rows * columns > MOST_CELLS:
                expected = f"at most {MOST_ROWS:,} rows, and {MOST_CELLS:,} cells"
                raise InputError([Fault(f"{name}, sheet {sheet}", "", "", f"cells as far as row {rows:,}", expected)])
            found = [PLACE.search(cell[0]) for cell in islice(VALUELESS.finditer(cells), MOST_FAULTS)]
            valueless[sheet] = [b"".join(place.groups()).decode() for place in found if place]
        return calamine.CalamineWorkbook.from_filelike(io.BytesIO(content)), valueless


def _sheets(parts: zipfile.ZipFile) -> list[tuple[str, str]]:
    """Name and part of every sheet."""
    relations, sheets = (
        [dict(ATTRIBUTE.findall(tag)) for tag in TAG.findall(parts.read(part))] for part in (RELATIONS, BOOK)
    )
    targets = {each.get(b"Id"): each.get(b"Target", b"").decode() for each in relations}
    return [
        (html.unescape(each[b"name"].decode()), posixpath.join("/xl", targets[each[b"id"]]).lstrip("/"))
        for each in sheets
    ]


def is_plan_workbook(path: Path) -> bool:
    """Whether a file is a workbook with a sheet called `plan`: what a planner wrote, and no report."""
    try:
        with whole_book(path.name), zipfile.ZipFile(path) as parts:
            return any(sheet == "plan" for sheet, _ in _sheets(parts))
    except InputError:
        return False


def optional(name: str) -> Any:
    """A library for workbooks. Raises InputError where the extra is not installed."""
    try:
        return import_module(name)
    except ImportError:
        raise missing_part("workbook", name, "excel") from None
