"""Write the fact tables `production`, `reserves`, `import_shares` and `minerals` anew from a USGS release (`refresh --from`)."""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..core.atomic_files import write_whole
from ..core.errors import Fault, InputError
from ..schemas.base import USA
from .home_overlay import HOMES
from .renewal import READ
from .usgs_minerals import YEARS_BACK, Cell, us_statistics
from .usgs_release import TONNES, Record, Release, country_code, read_release
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


def usgs_rows(release: Release, countries: Mapping[str, str]) -> dict[str, list[Row]]:
    """Rows of each table. countries: ISO3 code -> name of `countries`.

    Raises InputError for a series that the release does not have and for a country that nobody knows. What USGS withholds has no
    row; a world total that leaves it out stays as printed.
    """
    known = {name.casefold(): code for code, name in countries.items()}
    found: dict[str, list[Row]] = defaultdict(list)
    faults: list[Fault] = []
    for series in SERIES:
        mine = [record for record in release.records if _belongs(record, series)]
        if not mine:
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


AMERICAN = ("import_shares",)
"""Tables of a release that are of the United States alone; so is all of `minerals` but prices."""
PRICE = "price_usd_per_kg"


def update(path: Path, inputs: Path, edition: str | None = None) -> tuple[str, ...]:
    """Replace what the tables of a folder have of the release's edition. Returns what was left out, as it is of another home.

    edition: as in `read_release`. Of `minerals` the cells that the release has are written (`usgs_minerals`); one that it
    withholds is emptied. Rows of other sources stay. A folder of one home that is not the United States gets world tables and
    prices. Raises InputError as `usgs_rows` and `us_statistics`; nothing is written then.
    """
    release = read_release(path, edition)
    _, countries = _read(inputs / "countries.csv")
    american = (inputs / HOMES / USA).is_dir() or any(
        row["country"] == USA and row.get("tier") == "home" for row in countries
    )
    texts: dict[Path, str] = {}
    source = f"USGS MCS {release.edition.removeprefix('MCS')} "
    for table, fresh in usgs_rows(release, {row["country"]: row["name"] for row in countries}).items():
        if table in AMERICAN and not american:
            continue
        place = _place(inputs, table)
        columns, rows = _read(place)
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
        texts[place] = _text(columns, [*fresh, *kept])
    cells = {place: cell for place, cell in us_statistics(release).items() if american or place[1] == PRICE}
    for place in {inputs / "minerals.csv", _place(inputs, "minerals", own=True)}:
        columns, rows = _read(place)
        texts[place] = _text(columns, [_updated(row, cells, release.edition) for row in rows])
    for place, text in texts.items():
        write_whole(place, [text])
    return () if american else (*AMERICAN, "minerals (but for prices)")


def _place(inputs: Path, table: str, *, own: bool = False) -> Path:
    """The file of a table: that of the United States where it has one and the other is not there, or its own is asked for."""
    of_home = inputs / HOMES / USA / f"{table}.csv"
    common = inputs / f"{table}.csv"
    return of_home if of_home.is_file() and (own or not common.is_file()) else common


def _read(place: Path) -> tuple[list[str], list[Row]]:
    if not place.is_file():
        raise InputError([Fault(place.name, "", "", "no such file", "a table that a release brings up to date")])
    with place.open(encoding=READ, newline="") as file:
        reader = csv.DictReader(file)
        return list(reader.fieldnames or ()), list(reader)


def _text(columns: Sequence[str], rows: Iterable[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _updated(row: Row, cells: Mapping[tuple[str, str], Cell], edition: str) -> Row:
    """A row of `minerals` with the cells of a release; those that say the same keep their digits."""
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
