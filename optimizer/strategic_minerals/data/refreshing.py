"""Tables brought up to date: facts from a downloaded release, then the estimates that hang on them.

All is done in a copy that takes the folder's place when nothing is wrong any more; the folder as it was stays beside it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import Fault, InputError
from ..schemas.base import key_of
from .csv_files import load_dataset
from .dataset import Dataset
from .home_overlay import homes_of
from .market_tables import PRICES, kind_of, update_prices, update_shares
from .recipes import Stale
from .renewal import Renewed, renew
from .usgs_tables import Updated, update

FACTS = ("production", "reserves", "import_shares", "minerals", "prices")
"""Tables that releases and files of prices and trade write."""
ROUNDED = 1e-3
"""Relative difference that is no revision."""


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
    """(home, figure) that cannot be worked out any more and stand as they were."""
    left_out: tuple[str, ...]
    """Tables of the release that are not for these homes, or older than what is there."""
    missing: tuple[str, ...]
    """What the release, of which only a part may be there, does not have."""
    sums: tuple[str, ...]
    """Series of the release whose countries do not add up to the total that is printed beside them."""
    kept: Path | None
    """Where the tables are as they were; None: nothing has changed, or nothing was to be written."""


def refresh(folder: Path, file: Path | None = None, *, edition: str | None = None, write: bool = True) -> Refreshed:
    """Bring a folder of tables up to date: facts from a file that a person has downloaded, then the estimates that hang on them.

    file: a data release of USGS, one file or the folder of an edition of 2022 to 2025; prices of the World Bank
    (`market_prices`); or trade by weight (`trade_flows`): its form tells. edition: as in `read_edition`, of prices the name of the
    set. write: False only says what would change.

    Raises InputError for a file, a series, a unit, a name or tables that are not what they should be, and for a folder beside which
    nothing can be written; the folder is untouched then.
    """
    folder = folder.resolve()
    try:
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as place:
            new = Path(place) / "tables"
            shutil.copytree(folder, new)
            updated = Updated((), (), ()) if file is None else _updated(file, new, edition)
            estimates, lost = renew(new)
            found = ((), (), ()) if file is None else _changes(folder, new)
            kept = _free_name(folder) if write and any(_differs(folder, new)) else None
            if kept is not None:
                folder.rename(kept)
                new.rename(folder)
    except OSError as error:
        said = error.strerror or str(error)
        raise InputError([Fault(str(folder), "", "", said, "a folder beside which a copy can be written")]) from None
    told = tuple((home, one) for home, each in estimates.items() for one in each)
    return Refreshed(
        *found,
        told,
        tuple((home, one) for home, each in lost.items() for one in each),
        updated.left_out,
        updated.missing,
        updated.sums,
        kept,
    )


def _updated(file: Path, folder: Path, edition: str | None) -> Updated:
    """Write what a file has into a folder, by the file's form."""
    kind = kind_of(file)
    if kind == PRICES:
        return update_prices(file, folder, edition)
    return update_shares(file, folder, kind) if kind else update(file, folder, edition)


def _free_name(folder: Path) -> Path:
    """A name beside a folder that nothing has, for the folder as it was."""
    places = (
        folder.with_name(f"{folder.name}-before{number}") for number in ("", *(f"-{n}" for n in range(2, 10_000)))
    )
    return next(each for each in places if not each.exists())


def _differs(old: Path, new: Path) -> Iterator[bool]:
    """Whether a file of the new folder is not as in the old one."""
    for file in new.rglob("*.csv"):
        yield file.read_bytes() != (old / file.relative_to(new)).read_bytes()


def _changes(
    old: Path, new: Path
) -> tuple[tuple[Revision, ...], tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    """Figures revised, rows added and rows gone. What is the same for all homes is told once."""
    revisions: dict[tuple[str, str, str, float | None, float | None], list[str]] = {}
    added, gone = dict[tuple[str, str], None](), dict[tuple[str, str], None]()
    homes = homes_of(old) or [""]
    for home in homes:
        before, after = (load_dataset(each, home) if home else load_dataset(each) for each in (old, new))
        for table in FACTS:
            was, now = _rows(before, table), _rows(after, table)
            added |= dict.fromkeys((table, key) for key in now.keys() - was.keys())
            if table == "production":
                for key, column, one, other in _editions(was, now):
                    revisions.setdefault((table, key, column, one, other), []).append(home)
            gone |= dict.fromkeys((table, key) for key in was.keys() - now.keys())
            for key in sorted(was.keys() & now.keys()):
                for column, one, other in _revised(was[key], now[key]):
                    revisions.setdefault((table, key, column, one, other), []).append(home)
    told = [
        Revision("" if len(of) == len(homes) else of[0], table, key, column, one, other)
        for (table, key, column, one, other), of in revisions.items()
    ]
    return tuple(told), tuple(sorted(added)), tuple(sorted(gone))


def _editions(was: dict[str, Any], now: dict[str, Any]) -> Iterator[tuple[str, str, float | None, float | None]]:
    """(key, column, was, now) of output that a new edition prints otherwise than the one before it did for the same year."""
    before: dict[tuple[Any, ...], Any] = {}
    for row in was.values():
        place = (row.mineral, row.country, row.stage, row.year)
        if place not in before or before[place].edition < row.edition:
            before[place] = row
    for key in sorted(now.keys() - was.keys()):
        row = now[key]
        old = before.get((row.mineral, row.country, row.stage, row.year))
        if old is not None and old.edition < row.edition:
            one, other = old.production_t, row.production_t
            if abs(one - other) > ROUNDED * abs(one):
                yield f"{key}, {old.edition} before", "production_t", one, other


def _rows(data: Dataset, table: str) -> dict[str, Any]:
    return {key_of(row): row for row in data.rows(table)}


def _revised(was: Any, now: Any) -> Iterator[tuple[str, float | None, float | None]]:
    """(column, was, now) of figures that are not the same."""
    for column in type(was).model_fields:
        one, other = getattr(was, column), getattr(now, column)
        if column == "year" or isinstance(one, bool | str) or isinstance(other, bool | str) or one == other:
            continue
        if one is None or other is None or abs(one - other) > ROUNDED * abs(one):
            yield column, one, other
