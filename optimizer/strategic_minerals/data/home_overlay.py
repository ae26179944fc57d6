"""The tables of one home: `inputs/*.csv` hold the world, `inputs/homes/<HOME>/*.csv` are laid over them.

A home's file has the columns and keys of the world's. A row with a new key is added; of a row with a known key the filled cells
win, provenance included. A home has the sources of which it says how much it can buy (`capacities`), and the projects that it
names (`projects`); the others, and what hangs on them, are none of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..core.errors import Fault
from ..schemas.base import Row
from ..schemas.tables import TABLES
from .csv_shape import Sheet, read_sheet
from .recipes import without_recipes
from .row_checks import validate_rows

CODE = re.compile("[A-Z]{3}")
"""What folders of homes are called; others are none."""
HOMES = "homes"
"""Folder of the folders of homes."""
Read = tuple[tuple[Row, ...], list[Fault], tuple[int | str, ...]]
"""Rows of a table, what is wrong with them, and where they stand."""
Place = tuple[str, int]
"""File and line."""
MARK = "\N{SECTION SIGN}"
"""Before the number of a merged row, while it has no line."""
OF_PRODUCERS: Mapping[str, str] = {
    "yields": "producer",
    "feed_origins": "producer",
    "supported_producers": "producer",
    "ramps": "project",
    "packages": "project",
}
"""World tables with rows of single producers, and the column that names them."""


def homes_of(folder: Path) -> list[str]:
    """Homes that a folder of tables has folders for; none where it holds the tables of one home alone."""
    inside = folder / HOMES
    named = [each for each in inside.iterdir() if CODE.fullmatch(each.name)] if inside.is_dir() else []
    return sorted(each.name for each in named if any(each.glob("*.csv")))


def homes_in_words(folder: Path, homes: Sequence[str]) -> str:
    """What is expected of a home: one of those with tables of their own, by name where the table `homes` has it."""
    sheet = read_sheet(folder / f"{HOMES}.csv", "") if (folder / f"{HOMES}.csv").is_file() else []
    named = {row.get("home"): row.get("name") for row in sheet.records} if isinstance(sheet, Sheet) else {}
    told = [f"{home} for {named[home]}" if home in named else home for home in homes]
    return f"a home with tables of its own: {', '.join(told)}"


def read_laid_over(table: str, folder: Path, home: str) -> Read:
    """A table of the world with a home's laid over it; either may be missing."""
    sheets: list[Sheet] = []
    for file, name in (
        (folder / f"{table}.csv", f"{table}.csv"),
        (folder / HOMES / home / f"{table}.csv", f"{HOMES}/{home}/{table}.csv"),
    ):
        if file.is_file():
            sheet = read_sheet(file, name)
            if not isinstance(sheet, Sheet):
                return (), sheet, ()
            sheets.append(sheet)
    return _validated(table, sheets, f"{HOMES}/{home}/{table}.csv")


def _validated(table: str, sheets: Sequence[Sheet], own: str) -> Read:
    """Rows of the last sheet laid over those of the ones before. A fault stands where its cell does; a column that is in neither
    file is missed in the home's own."""
    records: list[dict[str, object]] = []
    places: list[dict[str, Place]] = []
    known: dict[tuple[str, ...], int] = {}
    for sheet in sheets:
        seen: dict[tuple[str, ...], int] = {}
        for line, record in zip(sheet.lines, sheet.records, strict=True):
            key = tuple(str(record.get(name, "")).strip() for name in TABLES[table].key)
            at = known.get(key) if key not in seen else None  # twice in one file: both stay, and that is a fault
            if at is None:
                at = len(records)
                records.append({})
                places.append({})
            seen[key] = at
            # a figure of the home's own is not made by the recipe of another
            if "note" in records[at] and "note" not in record:
                records[at]["note"] = without_recipes(str(records[at]["note"]), record)
            records[at].update(record)
            places[at].update(dict.fromkeys(("", *record), (sheet.name, line)))
        known |= seen
    columns = list(dict.fromkeys(column for sheet in sheets for column in sheet.columns))
    first = sheets[0].name
    rows, found = validate_rows(table, records, first, columns, [f"{MARK}{n}" for n in range(len(records))])
    lines = tuple(line if name == first else f"{line} of {name}" for name, line in (place[""] for place in places))
    return rows, [_placed(fault, places, sheets, own) for fault in found], lines


def _placed(fault: Fault, places: Sequence[Mapping[str, Place]], sheets: Sequence[Sheet], own: str) -> Fault:
    """A fault of a merged row with the file and the line of its cell; one of the header with the file that has the column."""
    if not fault.row.startswith(MARK):
        return replace(fault, file=next((s.name for s in sheets if fault.column in s.columns), own))
    cells = places[int(fault.row.removeprefix(MARK))]
    name, line = cells.get(fault.column, cells[""])
    told = re.sub(f"{MARK}(\\d+)", lambda other: str(places[int(other[1])][""][1]), fault.expected)
    return replace(fault, file=name, row=str(line), expected=told)


def of_the_home(
    tables: Mapping[str, tuple[Any, ...]], lines: Mapping[str, tuple[int | str, ...]], folder: Path, home: str
) -> tuple[dict[str, tuple[Any, ...]], dict[str, tuple[int | str, ...]]]:
    """Tables without sources that the home cannot buy from and without projects that it does not name, nor what hangs on them."""
    own = (
        read_sheet(folder / HOMES / home / "projects.csv", "")
        if (folder / HOMES / home / "projects.csv").is_file()
        else []
    )
    named = {record.get("project") for record in own.records} if isinstance(own, Sheet) else set()
    buys = {row.activity for row in tables.get("capacities", ())}
    gone = {row.activity for row in tables.get("activities", ())} - buys
    gone |= {row.project for row in tables.get("projects", ())} - named
    kept, places = dict(tables), dict(lines)
    for table, column in {"activities": "activity", "projects": "project", **OF_PRODUCERS}.items():
        stays = [getattr(row, column) not in gone for row in tables.get(table, ())]
        if not all(stays):
            kept[table] = tuple(row for row, stay in zip(tables[table], stays, strict=True) if stay)
            places[table] = tuple(line for line, stay in zip(lines[table], stays, strict=True) if stay)
    return kept, places
