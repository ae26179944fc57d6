"""Shape of a table's CSV file: if a spreadsheet or program changed the file as a whole, this is reported as one fault."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from ..core.bounded_files import read_bounded, text_of
from ..core.errors import Fault, Faults, near_miss, shown
from ..core.names import plain
from ..schemas.base import Row
from ..schemas.tables import TABLES
from .row_checks import DATA_ALONE, MOST_ROWS, is_total, required, validate_rows

PROVENANCE = ("source", "year", "confidence")
"""Columns that every table file must have; frames made in memory may leave them out."""
LARGEST_TABLE_BYTES = 50_000_000
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
MERGE_MARK = re.compile(r"(<{7}|>{7}|\|{7}) .*|={7}")
CURLY = re.compile("(?:^|,)[\u201c\u201d\u201e][^,\n]*,[^\n]*?[\u201c\u201d](?:,|$)")
"""Curly marks around a cell that has a comma in it, which they do not hold together."""
LINES_SCANNED = 30
"""Lines among which the header is looked for."""
LIKE_A_HEADER = 2
"""Names of columns on a line from which on it is taken for the header."""


def guarded(value: object) -> object:
    """One more apostrophe before text that would run as a formula, with or without apostrophes of its own."""
    return f"'{value}" if isinstance(value, str) and value.lstrip("'").startswith(FORMULA_STARTS) else value


def unguarded_cell(value: object) -> object:
    """Text as it was before `guarded`."""
    is_guarded = isinstance(value, str) and value.startswith("'") and value.lstrip("'").startswith(FORMULA_STARTS)
    return cast(str, value)[1:] if is_guarded else value


@dataclass(frozen=True)
class Sheet:
    """The rows of one table file as they stand, not yet read as values."""

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
    misshapen = [*_otherwise(file.stem, name, text)]
    if misshapen:
        return misshapen
    try:
        header, records, count = _cells(text)
    except csv.Error:
        return [_torn(name, text)]
    if count > MOST_ROWS:
        return [Fault(name, "", "", f"{count:,} rows", f"at most {MOST_ROWS:,}")]
    columns = _columns(header)
    faults = [*_shifted(file.stem, name, columns, records)]
    faults = faults or [*_header_faults(file.stem, name, columns), *_shape_faults(name, columns, records)]
    if faults:
        return faults
    lines = [n for n, cells in enumerate(records, start=2) if any(cells)]
    return Sheet(name, columns, lines, [_record(columns, records[n - 2]) for n in lines])


def _cells(text: str) -> tuple[list[str], list[list[str]], int]:
    """Header, lines below it, and how many of these hold something: lines beyond the most that a table has are only counted."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header, kept, count = next(reader), list[list[str]](), 0
    for cells in reader:
        count += any(cells)
        if count <= MOST_ROWS:
            kept.append(cells)
    return header, kept, count


def _record(columns: Sequence[str], cells: Sequence[str]) -> dict[str, object]:
    """Cells by column; what is empty is left out."""
    return {column: unguarded_cell(cell) for column, cell in zip(columns, cells, strict=False) if cell != ""}


def _otherwise(table: str, name: str, text: str) -> Iterator[Fault]:
    """What is wrong with a file as a whole: nothing in it, another separator, lines above the header, no header."""
    lines = text.splitlines()[:LINES_SCANNED]
    if "\0" in text:
        yield Fault(name, str(text.count("\n", 0, text.index("\0")) + 1), "", "a zero byte", "only text")
    elif not text.strip():
        yield Fault(name, "", "", "an empty file", f"a header and one row per line: {header_words(table)}")
    elif text.startswith("version https://git-lfs"):
        yield Fault(
            name,
            "1",
            "",
            "a Git LFS pointer instead of the table",
            "the table itself: fetch it with `git lfs pull`",
        )
    elif marked := [n for n, line in enumerate(text.splitlines(), start=1) if MERGE_MARK.fullmatch(line)]:
        more = f", {len(marked)} in all" if len(marked) > 1 else ""
        found = f"a merge conflict marker{more}"
        yield Fault(name, str(marked[0]), "", found, "one version of the rows, without conflict markers")
    elif curly := _curly(text):
        found = "a curly quotation mark around a cell"
        yield Fault(name, str(curly), "", found, 'straight quotation marks (") around cells')
    else:
        yield from _headless(table, name, lines)


def _curly(text: str) -> int:
    """The first line that has too many cells since curly marks hold none together; 0 where there is none."""
    wide = len(next(csv.reader(text.splitlines()[:1]), []))
    for n, line in enumerate(text.splitlines(), start=1):
        if CURLY.search(line) and len(next(csv.reader([line]), [])) > wide:
            return n
    return 0


def _headless(table: str, name: str, lines: Sequence[str]) -> Iterator[Fault]:
    """One fault where the header is not what the file begins with, or is separated otherwise."""
    known = {plain(column) for column in TABLES[table].model_fields}
    found = [
        (len(known & {plain(cell) for cell in line.split(sep)}), -n, sep)
        for n, line in enumerate(lines)
        for sep in (",", *SEPARATORS)
    ]
    hits, at, separator = max(found, key=lambda each: (each[0] >= LIKE_A_HEADER, each[1], each[0], each[2] == ","))
    first = shown(lines[0].strip()) if lines[0].strip(" ,;\t") else "an empty line"
    if hits < LIKE_A_HEADER:
        yield Fault(name, "1", "", first, f"the header: {header_words(table)}")
    elif at < 0:
        what = "a line that only Excel understands" if lines[0].lower().startswith("sep=") else first
        more = f", separated by commas, not by {SEPARATORS[separator]}" if separator != "," else ""
        yield Fault(name, "1", "", what, f"the header, which is in line {1 - at}: delete the lines above it{more}")
    elif separator != ",":
        expected = "columns separated by commas, and a decimal point in numbers"
        yield Fault(name, "1", "", f"columns separated by {SEPARATORS[separator]} ({separator!r})", expected)
    elif lines[0].startswith('"') and len(next(csv.reader(lines[:1]), [])) == 1:
        yield Fault(name, "1", "", "a whole line in quotation marks", "quotation marks only around single cells")


def header_words(table: str) -> str:
    """Columns that a file of a table must have, in words."""
    return ", ".join(dict.fromkeys([*(c for c in TABLES[table].model_fields if c in required(table)), *PROVENANCE]))


def _torn(name: str, text: str) -> Fault:
    """The line where quotation marks do not close."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        while True:
            line = reader.line_num + 1
            next(reader)
    except csv.Error as error:
        too_long = "limit" in str(error)
        found = (
            "a cell of more than 131,072 characters" if too_long else "an opening quotation mark without a closing one"
        )
        expected = 'text with a comma or quotation mark written as "text, and ""more"" of it"'
        return Fault(name, str(line), "", found, expected)


def _columns(header: Sequence[str]) -> list[str]:
    """Names of the columns; cells without a name at the end are left out."""
    columns = list(header)
    while columns and not columns[-1].strip():
        columns.pop()
    return columns


def _header_faults(table: str, name: str, columns: Sequence[str]) -> Iterator[Fault]:
    """Columns twice, without a name, of another spelling, and columns of provenance that are not there."""
    fields = TABLES[table].model_fields
    faults = Faults()
    for column in sorted({column for column in columns if column and columns.count(column) > 1}):
        faults.add(Fault(name, "1", column, "the column twice", "each column once"))
    for n, column in enumerate(columns, start=1):
        if not column.strip():
            faults.add(Fault(name, "1", "", f"no name for column {n}", "a name, or an empty column"))
    given = {plain(column) for column in columns}
    for column in PROVENANCE:
        if plain(column) not in given and not any(near_miss(each, [column]) for each in columns if each not in fields):
            faults.add(Fault(name, "1", column, "no such column", "this column, which every table has"))
    yield from faults.told()


def _shifted(table: str, name: str, columns: Sequence[str], records: Sequence[Sequence[str]]) -> Iterator[Fault]:
    """One fault where all rows agree with each other and not with the header: a name was lost from it, or is too much in it."""
    widths = {len(cells) for cells in records if any(cells)}
    rows = sum(any(cells) for cells in records)
    if rows < FEWEST_ALIKE or len(widths) > 1 or widths <= {len(columns)}:
        return
    (width,) = widths
    if width > len(columns) and not any(cells[-1] for cells in records if len(cells) == width):
        return  # empty cells at the end of each row
    absent = [
        column for column in TABLES[table].model_fields if column in {*required(table), *PROVENANCE} - set(columns)
    ]
    known = [column for column in TABLES[table].model_fields if column not in columns]
    lost = absent or (known if len(known) <= MOST_LOST else [])
    strange = [shown(column) for column in columns if column not in TABLES[table].model_fields]
    which = f"; {' or '.join(lost)} is missing" if lost and width > len(columns) else ""
    which = f"; unknown: {', '.join(strange)}" if strange and width < len(columns) else which
    found = f"{len(columns)} names in the header, but {width} cells in each of the {rows} rows"
    yield Fault(
        name,
        "1",
        ", ".join(absent) if width > len(columns) else "",
        found,
        f"a name for each of the {width} cells{which}",
    )


FEWEST_ALIKE = 3
"""Rows that must agree before the header is doubted."""
MOST_LOST = 3
"""Columns that are named as those which the header may have lost."""


def _shape_faults(name: str, columns: Sequence[str], records: Sequence[Sequence[str]]) -> Iterator[Fault]:
    """Rows with more cells than the header has, which would shift every column, or with fewer: a line that was cut."""
    faults = Faults()
    wanted = f"{len(columns)}, as in the header"
    for number, cells in enumerate(records, start=2):
        filled = next((n for n in range(len(cells), 0, -1) if cells[n - 1] != ""), 0)
        if filled > len(columns):
            faults.add(
                Fault(name, str(number), "", f"{filled} cells", f"{wanted} (text with a comma needs quotation marks)")
            )
        elif len(cells) < len(columns) and filled and is_total(cells[0]):
            faults.add(Fault(name, str(number), columns[0], f"a totals row ({shown(cells[0])})", DATA_ALONE))
        elif len(cells) < len(columns) and filled:
            faults.add(Fault(name, str(number), "", f"{len(cells)} cells", f"{wanted} (was the line cut off?)"))
    yield from faults.told()
