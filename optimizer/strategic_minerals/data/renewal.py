"""Estimates written anew after their facts have changed: every figure with a recipe gets what the recipe gives."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..core.atomic_files import write_whole
from ..core.errors import Fault, InputError
from ..schemas.base import key_of
from ..schemas.descriptions import expected
from ..schemas.tables import TABLES
from .csv_files import load_dataset
from .csv_shape import unguarded_cell
from .dataset import Dataset
from .home_overlay import HOMES, homes_of
from .recipes import Recipe, Stale, gone, rounded, stale

MOST_ROUNDS = 12
"""Steps of a chain of estimates, each of which hangs on the one before."""
READ = "utf-8-sig"
"""Spreadsheets begin files with a mark, which is no part of the first column's name."""


@dataclass(frozen=True)
class Renewed:
    """A figure with what it was and what it is now: low, value, high."""

    recipe: Recipe
    was: tuple[float | None, float | None, float | None]
    now: tuple[float, float, float]

    @property
    def cells(self) -> dict[str, float]:
        """Column -> value, of the columns that the table has."""
        column, fields = self.recipe.column, TABLES[self.recipe.table].model_fields
        named = zip((f"{column}_low", column, f"{column}_high"), self.now, strict=True)
        return {name: value for name, value in named if name in fields}


def renewed(data: Dataset) -> tuple[Dataset, list[Renewed]]:
    """Tables in which every estimate follows from its facts, and what has changed. What cannot be worked out stays (`gone`).

    Raises InputError where a recipe gives what its column does not allow.
    """
    found: dict[tuple[str, str, str], Renewed] = {}
    for _ in range(MOST_ROUNDS):
        changes = [one for one in stale(data) if one.follows is not None]
        if not changes:
            break
        cells: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
        for one in changes:
            recipe, follows = one.recipe, one.follows
            assert follows is not None
            now = (rounded(follows.low), rounded(follows.central), rounded(follows.high))
            place = (recipe.table, recipe.key, recipe.column)
            found[place] = Renewed(recipe, found[place].was if place in found else one.stands, now)
            cells[recipe.table, recipe.key] |= found[place].cells
        data = replace(data, tables=_with(data, cells))
    return data, list(found.values())


def _with(data: Dataset, cells: Mapping[tuple[str, str], Mapping[str, float]]) -> dict[str, tuple[Any, ...]]:
    """Tables with some cells changed."""
    touched = {table for table, _ in cells}
    return {
        table: tuple(_changed(table, row, cells.get((table, key_of(row)), {})) for row in rows)
        if table in touched
        else rows
        for table, rows in data.tables.items()
    }


def _changed(table: str, row: Any, cells: Mapping[str, float]) -> Any:
    """A row with some cells changed, validated again. A bound that the row leaves empty stays empty."""
    kept = {name: value for name, value in cells.items() if getattr(row, name) is not None}
    if not kept:
        return row
    try:
        return type(row).model_validate(row.model_dump(exclude_unset=True) | kept)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        column = str(first["loc"][0]) if first["loc"] else ""
        said = f"{kept.get(column, first['input'])}, by the recipe in its note"
        raise InputError([Fault(f"{table}.csv", key_of(row), column, said, expected(first))]) from None


def renew(folder: Path) -> tuple[dict[str, list[Renewed]], dict[str, list[Stale]]]:
    """Write the estimates of a folder anew, of each home where it has homes; nothing is written unless all can be read.

    Returns what has changed and what cannot be worked out any more, by home ("" where the folder holds the tables of one). Raises
    InputError where tables are faulty, and where a figure of all homes would be another one for each.
    """
    changed: dict[str, list[Renewed]] = {}
    lost: dict[str, list[Stale]] = {}
    cells: dict[Path, dict[tuple[str, str], dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    filled = cache(_filled)
    faults: list[Fault] = []
    for home in homes_of(folder) or [""]:
        data, changed[home] = renewed(load_dataset(folder, home) if home else load_dataset(folder))
        lost[home] = gone(data)
        for one in changed[home]:
            recipe = one.recipe
            own = folder / HOMES / home / f"{recipe.table}.csv"
            file = own if home and recipe.column in filled(own).get(recipe.key, ()) else folder / f"{recipe.table}.csv"
            known = cells[file][recipe.table, recipe.key]
            if any(known.get(column, value) != value for column, value in one.cells.items()):
                said = f"{known[recipe.column]:g} for one home, {one.now[1]:g} for {home}"
                wanted = f"one value for all homes; a figure that hangs on the home's own stands in {HOMES}/<HOME>/{file.name}"
                faults.append(Fault(file.name, recipe.key, recipe.column, said, wanted))
            known |= one.cells
    if faults:
        raise InputError(faults)
    for file, text in [(file, _rewritten(file, rows)) for file, rows in cells.items()]:
        write_whole(file, [text])
    return changed, lost


def _filled(path: Path) -> dict[str, frozenset[str]]:
    """Key of each row of a file -> its filled columns; empty where there is no such file."""
    if not path.is_file():
        return {}
    with path.open(encoding=READ, newline="") as file:
        return {_key(path.stem, row): frozenset(c for c, v in row.items() if v) for row in csv.DictReader(file)}


def _key(table: str, row: Mapping[str, str]) -> str:
    return "/".join(str(unguarded_cell(row.get(name) or "")).strip() for name in TABLES[table].key)


def _rewritten(path: Path, rows: Mapping[tuple[str, str], Mapping[str, float]]) -> str:
    """A file's text with some cells changed; cells that are empty stay empty."""
    with path.open(encoding=READ, newline="") as file:
        reader = csv.DictReader(file)
        columns, records = list(reader.fieldnames or ()), list(reader)
    for record in records:
        for column, value in rows.get((path.stem, _key(path.stem, record)), {}).items():
            if record.get(column):
                record[column] = f"{value:.10g}"
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()
