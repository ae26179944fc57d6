"""Write the fact tables `production`, `reserves` and `import_shares` anew from a USGS release.

python -m strategic_minerals.data.usgs_tables FILE INPUTS
"""

from __future__ import annotations

import csv
import io
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..core.atomic_files import write_whole
from ..core.errors import Fault, InputError
from .usgs_release import TONNES, Record, Release, country_code, read_release
from .usgs_series import CORRECTED, SERIES, UNIT_ERRORS, Series

Row = dict[str, str]
IMPORT_SOURCES, US_STATISTICS = "Import Sources", "Salient"
US = "salient statistics"
"""In the basis of what USGS prints of the United States alone."""
STATISTICS = {"production": "Production", "reserves": "Reserves"}
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


def update(path: Path, inputs: Path) -> dict[str, int]:
    """Replace what the tables of a folder have of the release's edition. Returns how many rows each table then has.

    Rows of other sources stay, and so do US statistics, which are no world tables. Raises InputError as `usgs_rows`.
    """
    release = read_release(path)
    with (inputs / "countries.csv").open(encoding="utf-8", newline="") as file:
        countries = {row["country"]: row["name"] for row in csv.DictReader(file)}
    written = {}
    source = f"USGS MCS {release.edition.removeprefix('MCS')} "
    for table, fresh in usgs_rows(release, countries).items():
        with (inputs / f"{table}.csv").open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            columns = list(reader.fieldnames or ())
            series = {(row["mineral"], row["year"]) for row in fresh}
            kept = [
                row
                for row in reader
                if not row["source"].startswith(source)
                or (row["mineral"], row["year"]) not in series
                or US in row.get("basis", "")
            ]
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows := [*fresh, *kept])
        write_whole(inputs / f"{table}.csv", [text.getvalue()])
        written[table] = len(rows)
    return written


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(
            "python -m strategic_minerals.data.usgs_tables FILE INPUTS: the release, and the folder of tables"
        )
    try:
        update(Path(sys.argv[1]), Path(sys.argv[2]))
    except InputError as error:
        raise SystemExit(str(error)) from None
