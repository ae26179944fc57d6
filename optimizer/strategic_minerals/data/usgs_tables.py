"""Write the fact tables `production`, `reserves`, `import_shares` and `minerals` anew from a USGS release (`refresh --from`)."""

from __future__ import annotations

import csv
import io
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.atomic_files import write_whole
from ..core.errors import Fault, InputError
from ..schemas.base import USA
from .home_overlay import HOMES
from .renewal import READ
from .usgs_minerals import YEARS_BACK, Cell, us_statistics
from .usgs_older import is_older, older_series, read_older
from .usgs_release import TONNES, Record, Release, country_code, read_release, release_bytes
from .usgs_series import CORRECTED, SERIES, UNIT_ERRORS, Series

Row = dict[str, str]
IMPORT_SOURCES, US_STATISTICS = "Import Sources", "Salient"
US = "salient statistics"
"""In the basis of what USGS prints of the United States alone."""
STATISTICS = {"production": "Production", "reserves": "Reserves"}
SAME = 1e-3
"""Relative difference up to which two figures are the same: tables and releases round apart."""
EDITION = re.compile(r"USGS MCS \d{4}")
VALUE = {"production": "production_t", "reserves": "reserves_t", "import_shares": "import_share_pct"}


def usgs_rows(release: Release, countries: Mapping[str, str], *, whole: bool = True) -> dict[str, list[Row]]:
    """Rows of each table. countries: ISO3 code -> name of `countries`. whole: False takes what there is of a part of a release.

    Raises InputError for a series that the release does not have and for a country that nobody knows. What USGS withholds has no
    row; a world total that leaves it out stays as printed.
    """
    known = {name.casefold(): code for code, name in countries.items()}
    found: dict[str, list[Row]] = defaultdict(list)
    faults: list[Fault] = []
    for series in SERIES if whole else older_series():
        mine = [record for record in release.records if _belongs(record, series)]
        if not mine and whole:
            expected = f"the series {series.chapter} / {series.commodity} / {', '.join(series.details)}"
            faults.append(Fault(release.edition, "", series.table, f"none for {series.mineral}", expected))
        unknown = sorted({record.country for record in mine if country_code(record.country, known) is None})
        faults += [Fault(release.edition, "", "Country", f"'{name}'", "a name of countries.csv") for name in unknown]
        if not unknown:
            found[series.table] += _rows(release.edition, series, mine, known)
    if faults:
        raise InputError(faults)
    return dict(found)


def _belongs(record: Record, series: Series) -> bool:
    if (record.chapter, record.commodity) != (series.chapter, series.commodity) or record.number is None:
        return False
    named = any(
        record.detail.startswith(detail[:-1]) if detail.endswith("*") else record.detail == detail
        for detail in series.details
    )
    if series.table == "import_shares":
        return named and record.section == IMPORT_SOURCES
    world = record.section != IMPORT_SOURCES and not record.section.startswith(US_STATISTICS)
    return named and world and record.statistic == STATISTICS[series.table]


def _rows(edition: str, series: Series, records: Iterable[Record], known: Mapping[str, str]) -> list[Row]:
    """One row a country and year, several series added up."""
    total: dict[tuple[str, str], float] = defaultdict(float)
    estimated: dict[tuple[str, str], bool] = defaultdict(bool)
    bounds: dict[tuple[str, str], str] = defaultdict(str)
    for record in records:
        assert record.number is not None
        key = country_code(record.country, known) or "", record.year
        if series.table != "import_shares" and record.unit not in TONNES:
            expected = f"one of {', '.join(TONNES)}"
            raise InputError([Fault(edition, record.chapter, record.statistic, f"'{record.unit}'", expected)])
        factor = 1.0 if series.table == "import_shares" else TONNES[record.unit]
        factor *= UNIT_ERRORS.get((edition, record.chapter, record.statistic), 1.0)
        total[key] += record.number * factor
        estimated[key] |= record.estimated
        bounds[key] = record.bound or bounds[key]
    rows = []
    for (country, year), value in total.items():
        right = CORRECTED.get((edition, series.chapter, STATISTICS.get(series.table, ""), country))
        notes = [
            *(["USGS marks it as estimated"] if estimated[country, year] else []),
            *([f"printed {bounds[country, year]}{value:,.0f}"] if bounds[country, year] else []),
            *([f"the file has {value:,.0f}; corrected in version 1.3 of the sheet"] if right is not None else []),
        ]
        row = {
            "mineral": series.mineral,
            "country": country,
            "source": f"USGS MCS {edition.removeprefix('MCS')} {series.chapter.lower()}",
            "confidence": "reported",
            "note": "; ".join(notes),
            VALUE[series.table]: f"{value if right is None else right:.10g}",
        }
        if series.table == "production":
            row |= {"stage": series.form, "year": year, "edition": edition, "basis": series.basis}
        elif series.table == "reserves":
            row |= {
                "year": str(int(edition.removeprefix("MCS")) - 1),
                "basis": series.basis,
            }  # counted at the end of it
        else:
            row |= {"form": series.form, "period": year, "year": f"{year[:2]}{year[-2:]}"}
        rows.append(row)
    return rows


@dataclass(frozen=True)
class Edition:
    """What a release has for the tables, whatever its form."""

    name: str
    """Such as MCS2026."""
    rows: Mapping[str, Sequence[Row]]
    cells: Mapping[tuple[str, str], Cell]
    """(mineral, column of `minerals`) -> cell."""
    missing: tuple[str, ...]
    """What a part of a release does not have."""


def read_edition(path: Path, countries: Mapping[str, str], edition: str | None = None) -> Edition:
    """A release of any form: one file (2026 and later; the world file of 2025), or a folder of files (2022 to 2025).

    countries: ISO3 code -> name. edition: as `read_release`; of an older form it has to be that which the files print.
    Raises InputError as `usgs_rows`, `us_statistics`, `read_release` and `read_older`.
    """
    raw = None if path.is_dir() else release_bytes(path)
    if raw is not None and not is_older(raw):
        release = read_release(path, edition, raw)
        return Edition(release.edition, usgs_rows(release, countries), us_statistics(release), ())
    older = read_older(path, {name.casefold(): code for code, name in countries.items()}, raw)
    if edition not in (None, older.world.edition):
        expected = f"{older.world.edition}, as the files say"
        raise InputError([Fault("--edition", "", "edition", f"'{edition}'", expected)])
    return Edition(older.world.edition, usgs_rows(older.world, countries, whole=False), older.cells, older.missing)


AMERICAN = ("import_shares",)
"""Tables of a release that are of the United States alone; so is all of `minerals` but prices."""
PRICE = "price_usd_per_kg"


@dataclass(frozen=True)
class Updated:
    """What was not written, and what is doubtful about what was."""

    left_out: tuple[str, ...]
    """Tables of another home, and statistics of an edition before that of the tables."""
    missing: tuple[str, ...]
    """What the release, of which only a part may be there, does not have."""
    sums: tuple[str, ...]
    """Series whose countries do not add up to the total that is printed beside them."""


def update(path: Path, inputs: Path, edition: str | None = None) -> Updated:
    """Replace what the tables of a folder have of the release's edition.

    edition: as in `read_edition`. Of `minerals` the cells that the release has are written (`usgs_minerals`); one that it
    withholds is emptied, and one that an edition before it would take back stays. Rows of other sources stay. A folder of one home
    that is not the United States gets world tables and prices. Raises InputError as `read_edition`; nothing is written then.
    """
    _, countries = read_rows(inputs / "countries.csv")
    release = read_edition(path, {row["country"]: row["name"] for row in countries}, edition)
    american = (inputs / HOMES / USA).is_dir() or any(
        row["country"] == USA and row.get("tier") == "home" for row in countries
    )
    texts: dict[Path, str] = {}
    source = f"USGS MCS {release.name.removeprefix('MCS')} "
    for table, fresh in release.rows.items():
        if table in AMERICAN and not american:
            continue
        place = _place(inputs, table)
        columns, rows = read_rows(place)
        one = ("mineral", "form") if table == "import_shares" else ("mineral", "year")
        printed = "USGS MCS " if table == "import_shares" else source  # shares are those of the last edition alone
        series = {tuple(row[name] for name in one) for row in fresh}
        kept = [
            row
            for row in rows
            if not row["source"].startswith(printed)
            or tuple(row[name] for name in one) not in series
            or US in row.get("basis", "")
        ]
        texts[place] = table_text(columns, [*fresh, *kept])
    cells = {place: cell for place, cell in release.cells.items() if american or place[1] == PRICE}
    later: set[str] = set()
    for place in {inputs / "minerals.csv", _place(inputs, "minerals", own=True)}:
        columns, rows = read_rows(place)
        texts[place] = table_text(columns, [_updated(row, cells, release.name, later) for row in rows])
    for place, text in texts.items():
        write_whole(place, [text])
    left_out = [] if american else [*AMERICAN, "minerals (but for prices)"]
    if later:
        left_out.append(f"statistics of a later edition are there: minerals of {', '.join(sorted(later))}")
    return Updated(tuple(left_out), release.missing, tuple(off_the_total(release.rows.get("production", ()))))


TOLERANCE = 0.03
"""Part of a printed total by which the countries listed beside it may miss it."""


def off_the_total(rows: Iterable[Row]) -> Iterator[str]:
    """Series of output whose countries, and the rest where it is printed, do not add up to the total of all.

    USGS leaves out withheld figures, and the United States of some totals; in a new file it may be a slip.
    """
    total: dict[tuple[str, str, str], float] = {}
    listed: dict[tuple[str, str, str], float] = defaultdict(float)
    for row in rows:
        key = row["mineral"], row["stage"], row["year"]
        if row["country"] == "WLD":
            total[key] = float(row["production_t"])
        else:
            listed[key] += float(row["production_t"])
    for key, printed in total.items():
        rounding = (
            0.5 * 10 ** (math.floor(math.log10(printed)) - 1) if printed > 0 else 0.0
        )  # totals have two digits at least
        if printed > 0 and abs(listed[key] - printed) > max(TOLERANCE * printed, rounding):
            mineral, stage, year = key
            yield f"{mineral}, {stage}, {year}: {listed[key]:,.0f} t listed, {printed:,.0f} t printed in all"


def _place(inputs: Path, table: str, *, own: bool = False) -> Path:
    """The file of a table: that of the United States where it has one and the other is not there, or its own is asked for."""
    of_home = inputs / HOMES / USA / f"{table}.csv"
    common = inputs / f"{table}.csv"
    return of_home if of_home.is_file() and (own or not common.is_file()) else common


def read_rows(place: Path) -> tuple[list[str], list[Row]]:
    """Columns and rows of a table's file, as text. Raises InputError where there is none."""
    if not place.is_file():
        raise InputError([Fault(place.name, "", "", "no such file", "a table that a release brings up to date")])
    with place.open(encoding=READ, newline="") as file:
        reader = csv.DictReader(file)
        return list(reader.fieldnames or ()), list(reader)


def table_text(columns: Sequence[str], rows: Iterable[Row]) -> str:
    """The file of a table."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _updated(row: Row, cells: Mapping[tuple[str, str], Cell], edition: str, later: set[str]) -> Row:
    """A row of `minerals` with the cells of a release; those that say the same keep their digits. Where the row is of a later
    edition it stays, and its mineral is added to `later`."""
    own = EDITION.search(row["source"])
    if own is not None and own[0][-4:] > edition[-4:]:
        if any((row["mineral"], column) in cells for column in row):
            later.add(row["mineral"])
        return row
    changed = dict(row)
    for column in row:
        cell = cells.get((row["mineral"], column))
        if cell is None:
            continue
        if cell.value is None:
            changed[column] = ""
        elif not row[column] or abs(float(row[column]) - cell.value) > SAME * abs(cell.value):
            changed[column] = f"{cell.value:.6g}"
    if changed != row:
        year = int(edition.removeprefix("MCS"))
        changed["source"] = EDITION.sub(f"USGS MCS {year}", row["source"])
        changed["year"] = str(year - YEARS_BACK)
    return changed
