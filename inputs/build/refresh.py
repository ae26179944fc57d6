"""Bring tables up to date: facts from a file that a person has downloaded, then the estimates that hang on them.

    python inputs/build/refresh.py [TABLES] [--from FILE] [--edition NAME] [--dry-run]

TABLES is this checkout's `inputs` unless another folder is named. Without a file only estimates are worked out anew. The first two
rows of a file say what it is: a USGS data release of 2026 or later (`usgs.py`; `--edition MCS2027` where its checksum is not known
yet), prices of the World Bank (`prices.py`; `--edition` names the price set), trade of BACI or UN Comtrade (`trade.py`; of BACI
also `other_homes.py`). Nothing is written unless all of it can be read; `git diff` shows what was.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import other_homes
import prices
import trade
import usgs
from strategic_minerals import Dataset, load_dataset
from strategic_minerals.core.errors import Fault, InputError, expected
from strategic_minerals.question.base import key_of
from strategic_minerals.question.read_csv import HOMES, homes_of
from strategic_minerals.question.recipes import Recipe, Stale, gone, rounded, stale
from strategic_minerals.question.tables import TABLES
from table_files import READ, Updated, read_rows, write_rows

FACTS = ("production", "reserves", "import_shares", "minerals", "prices")
"""Tables that files write."""
ROUNDED = 1e-3
"""Relative difference that is no revision."""
MOST_ROUNDS = 12
"""Steps of a chain of estimates, each of which hangs on the one before."""
MOST_LINES = 20
"""Changes of each kind that are printed."""


@dataclass(frozen=True)
class Renewed:
    """An estimate with what it was and what it is now: low, value, high."""

    recipe: Recipe
    was: tuple[float | None, float | None, float | None]
    now: tuple[float, float, float]

    @property
    def cells(self) -> dict[str, float]:
        """Column -> value, of the columns that the table has."""
        column, fields = self.recipe.column, TABLES[self.recipe.table].model_fields
        named = zip((f"{column}_low", column, f"{column}_high"), self.now, strict=True)
        return {name: value for name, value in named if name in fields}


@dataclass(frozen=True)
class Revision:
    """A published figure that is another one now."""

    home: str
    """Empty: of all homes."""
    table: str
    key: str
    column: str
    was: float | None
    """None: withheld or not published."""
    now: float | None


@dataclass(frozen=True)
class Refreshed:
    """What has changed in a folder of tables."""

    revisions: tuple[Revision, ...]
    added: tuple[tuple[str, str], ...]
    """(table, key) of rows that are new, such as those of another year."""
    gone: tuple[tuple[str, str], ...]
    estimates: tuple[tuple[str, Renewed], ...]
    """(home, figure) written anew."""
    lost: tuple[tuple[str, Stale], ...]
    """(home, figure) that cannot be worked out any more and stay as they were."""
    facts: Updated
    """What the file did not bring, and what is doubtful about what it brought."""
    files: tuple[str, ...]
    """Files that are not as they were, as paths within the folder."""


def refresh(folder: Path, file: Path | None = None, *, edition: str | None = None, write: bool = True) -> Refreshed:
    """Bring a folder of tables up to date. write: False only says what would change.

    Raises InputError for a file, a series, a unit, a name or tables that are not what they should be; nothing is written then.
    """
    with tempfile.TemporaryDirectory() as place:
        new = Path(shutil.copytree(folder, Path(place) / "tables", ignore=shutil.ignore_patterns("build")))
        facts = Updated() if file is None else update(file, new, edition)
        estimates, lost = renew(new)
        changes = ((), (), ()) if file is None else _changes(folder, new)
        paths = [path.relative_to(new) for path in sorted(new.rglob("*.csv"))]
        changed = [path for path in paths if (new / path).read_bytes() != (folder / path).read_bytes()]
        for path in changed if write else ():
            shutil.copyfile(new / path, folder / path)
    return Refreshed(*changes, estimates, lost, facts, tuple(map(str, changed)))


def update(file: Path, folder: Path, edition: str | None) -> Updated:
    """Write what a file has into a folder, by the file's form."""
    with file.open(encoding=READ, errors="replace", newline="") as opened:
        reader = csv.reader(opened)
        first, second = next(reader, []), next(reader, [])
    if source := trade.source_of([name.strip() for name in first]):
        if source == other_homes.SOURCE:
            other_homes.update(file, folder, source)
        return trade.update(file, folder, source)
    if prices.is_prices(first, second):
        return prices.update(file, folder, edition)
    return usgs.update(file, folder, edition)


# What has changed.


def _changes(
    old: Path, new: Path
) -> tuple[tuple[Revision, ...], tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    """Figures revised, rows added and rows gone. What is the same for all homes is listed once."""
    revisions: dict[tuple[str, str, str, float | None, float | None], list[str]] = {}
    added, lost = set[tuple[str, str]](), set[tuple[str, str]]()
    homes = homes_of(old) or [""]
    for home in homes:
        before, after = (_dataset(each, home) for each in (old, new))
        for table in FACTS:
            was, now = ({key_of(row): row for row in data.rows(table)} for data in (before, after))
            added |= {(table, key) for key in now.keys() - was.keys()}
            lost |= {(table, key) for key in was.keys() - now.keys()}
            found = [
                (key, *figure) for key in sorted(was.keys() & now.keys()) for figure in _revised(was[key], now[key])
            ]
            for figure in [*(_editions(was, now) if table == "production" else ()), *found]:
                revisions.setdefault((table, *figure), []).append(home)
    told = tuple(Revision("" if len(of) == len(homes) else of[0], *figure) for figure, of in revisions.items())
    return told, tuple(sorted(added)), tuple(sorted(lost))


def _dataset(folder: Path, home: str) -> Dataset:
    return load_dataset(folder, home) if home else load_dataset(folder)


def _editions(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, str, float | None, float | None]]:
    """(key, column, was, now) of output that a new edition prints otherwise than the one before it did for the same year."""
    before: dict[tuple[Any, ...], Any] = {}
    for row in was.values():
        place = (row.mineral, row.country, row.stage, row.year)
        if place not in before or before[place].edition < row.edition:
            before[place] = row
    for key in sorted(now.keys() - was.keys()):
        row = now[key]
        old = before.get((row.mineral, row.country, row.stage, row.year))
        if old is not None and old.edition < row.edition and _differ(old.production_t, row.production_t):
            yield f"{key}, {old.edition} before", "production_t", old.production_t, row.production_t


def _revised(was: Any, now: Any) -> Iterator[tuple[str, float | None, float | None]]:
    """(column, was, now) of figures that are not the same."""
    for column in type(was).model_fields:
        one, other = getattr(was, column), getattr(now, column)
        figures = not isinstance(one, bool | str) and not isinstance(other, bool | str)
        if column != "year" and figures and one != other and _differ(one, other):
            yield column, one, other


def _differ(one: float | None, other: float | None) -> bool:
    return one is None or other is None or abs(one - other) > ROUNDED * abs(one)


# Estimates.


def renew(folder: Path) -> tuple[tuple[tuple[str, Renewed], ...], tuple[tuple[str, Stale], ...]]:
    """Write the estimates of a folder anew, of each home where it has homes; nothing is written unless all can be read.

    Returns what has changed and what cannot be worked out any more, each with its home ("" where the folder holds the tables of
    one). Raises InputError where tables are faulty, and where a figure of all homes would be another one for each.
    """
    changed: list[tuple[str, Renewed]] = []
    lost: list[tuple[str, Stale]] = []
    cells: dict[Path, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    filled = cache(_filled)
    faults: list[Fault] = []
    for home in homes_of(folder) or [""]:
        data, found = renewed(_dataset(folder, home))
        changed += [(home, one) for one in found]
        lost += [(home, one) for one in gone(data, stale(data))]
        for one in found:
            recipe = one.recipe
            own = folder / HOMES / home / f"{recipe.table}.csv"
            file = own if home and recipe.column in filled(own).get(recipe.key, ()) else folder / f"{recipe.table}.csv"
            known = cells[file][recipe.key]
            if any(known.get(column, value) != value for column, value in one.cells.items()):
                said = f"{known[recipe.column]:g} for one home, {one.now[1]:g} for {home}"
                wanted = f"one value for all homes; a figure that hangs on the home's own stands in {HOMES}/<HOME>/{file.name}"
                faults.append(Fault(file.name, recipe.key, recipe.column, said, wanted))
            known |= one.cells
    if faults:
        raise InputError(faults)
    for file, rows in cells.items():
        _rewrite(file, rows)
    return tuple(changed), tuple(lost)


def renewed(data: Dataset) -> tuple[Dataset, list[Renewed]]:
    """Tables in which every estimate follows from its facts, and what has changed. What cannot be worked out stays (`gone`).

    Raises InputError where a recipe gives what its column does not allow.
    """
    found: dict[tuple[str, str, str], Renewed] = {}
    for _ in range(MOST_ROUNDS):
        cells: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
        for one in stale(data):
            if one.follows is None:
                continue
            recipe, follows = one.recipe, one.follows
            now = (rounded(follows.low), rounded(follows.central), rounded(follows.high))
            place = (recipe.table, recipe.key, recipe.column)
            found[place] = Renewed(recipe, found[place].was if place in found else one.stands, now)
            cells[recipe.table, recipe.key] |= found[place].cells
        if not cells:
            break
        tables = {
            table: tuple(_changed(table, row, cells.get((table, key_of(row)), {})) for row in rows)
            for table, rows in data.tables.items()
        }
        data = replace(data, tables=tables)
    return data, list(found.values())


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


def _filled(path: Path) -> dict[str, frozenset[str]]:
    """Key of each row of a file -> its filled columns; empty where there is no such file."""
    rows = read_rows(path)[1] if path.is_file() else []
    return {_key(path.stem, row): frozenset(column for column, value in row.items() if value) for row in rows}


def _key(table: str, row: Mapping[str, str]) -> str:
    return "/".join((row.get(name) or "").strip() for name in TABLES[table].key)


def _rewrite(path: Path, rows: Mapping[str, Mapping[str, float]]) -> None:
    """Change some cells of a file; cells that are empty stay empty."""
    columns, records = read_rows(path)
    for record in records:
        for column, value in rows.get(_key(path.stem, record), {}).items():
            if record.get(column):
                record[column] = f"{value:.10g}"
    write_rows(path, columns, records)


# The command.


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, refresh, print what has changed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tables", nargs="?", type=Path, default=Path(__file__).resolve().parents[1])
    parser.add_argument("--from", dest="file", type=Path, help="a downloaded file")
    parser.add_argument("--edition", help="of a release whose checksum is not known yet, or the name of a price set")
    parser.add_argument("--dry-run", action="store_true", help="only show what would change")
    asked = parser.parse_args(arguments)
    try:
        found = refresh(asked.tables, asked.file, edition=asked.edition, write=not asked.dry_run)
    except InputError as error:
        sys.exit(str(error))
    for title, lines in _said(found):
        if lines:
            print(f"{title}:", *lines[:MOST_LINES], sep="\n  ")
            if len(lines) > MOST_LINES:
                print(f"  ... and {len(lines) - MOST_LINES:,} more")
    if not found.files:
        print("No file changes.")


def _said(found: Refreshed) -> Iterator[tuple[str, Sequence[str]]]:
    """Title and lines of each kind of change."""

    def figure(home: str, table: str, key: str, column: str) -> str:
        return f"{f'{HOMES}/{home}/' if home else ''}{table}.csv {key} {column}"

    def moved(place: str, was: float | None, now: float | None) -> str:
        return f"{place}: {' -> '.join('empty' if value is None else f'{value:,g}' for value in (was, now))}"

    def of(home: str, recipe: Recipe) -> str:
        return figure(home, recipe.table, recipe.key, recipe.column)

    def revised(of_output: bool) -> Iterable[Revision]:
        return (one for one in found.revisions if (one.table == "production") == of_output)

    for title, revisions in (
        ("Published figures revised", revised(False)),
        ("Output of years that the edition before printed otherwise", revised(True)),
    ):
        yield title, [moved(figure(r.home, r.table, r.key, r.column), r.was, r.now) for r in revisions]
    yield "Rows added", [f"{table}.csv {key}" for table, key in found.added]
    yield "Rows gone", [f"{table}.csv {key}" for table, key in found.gone]
    yield "Estimates written anew", [moved(of(home, e.recipe), e.was[1], e.now[1]) for home, e in found.estimates]
    lost = [f"{of(home, one.recipe)}: {one.why}" for home, one in found.lost]
    yield "Cannot be worked out any more and stay as they were", lost
    yield "Countries do not add up to the total that is printed", found.facts.sums
    yield "The file does not have", found.facts.missing
    yield "Left out, of another home or of a later edition already", found.facts.left_out
    yield "Files changed", found.files


if __name__ == "__main__":
    main()
