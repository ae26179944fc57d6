"""Tables from a data release of the USGS Mineral Commodity Summaries: one long CSV, the form since 2026.

USGS, Mineral Commodity Summaries 2026 data release, doi:10.5066/P1WKQ63T (public domain). `usgs_series.psv` says which series are
rows of `production`, `reserves` and `import_shares`, `usgs_statistics.psv` which are cells of `minerals`; ` ++ ` stands between
series that are added up. What USGS withholds has no row and an empty cell.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from strategic_minerals.core.errors import Fault, InputError
from strategic_minerals.question.base import USA
from strategic_minerals.question.read_csv import HOMES
from table_files import Row, Updated, read_rows, write_rows

HEADER = (
    *("MCS chapter", "Section", "Commodity", "Country", "Statistics", "Statistics_detail", "Unit", "Year", "Value"),
    *("Notes", "Is critical mineral 2025", "Other notes"),
)
EDITIONS: Mapping[str, str] = {"36185ff3742087e1dd90c52fe634fe12": "MCS2026"}
"""MD5 of a published file -> edition."""
TONNES: Mapping[str, float] = {
    "metric tons": 1.0,
    "metric dry tons": 1.0,
    "thousand metric tons": 1e3,
    "thousand metric dry tons": 1e3,
    "million metric tons": 1e6,
    "kilograms": 1e-3,
}
"""Unit -> tonnes."""
PER_KG: Mapping[str, float] = {
    "dollars per kilogram": 1.0,
    "dollars per pound": 2.20462262,
    "cents per pound": 0.0220462262,
    "dollars per troy ounce": 32.1507466,
    "dollars per metric ton": 1e-3,
}
"""How the unit of a price begins -> USD per kg."""
FACTORS: Mapping[tuple[str, str], float] = {
    ("tungsten", "price_usd_per_kg"): 1 / 7.93,
    ("manganese", "price_usd_per_kg"): 0.1,
}
"""(mineral, column) -> kilograms in the unit of a price that names none: a metric ton unit of WO3 holds 7.93 kg of tungsten, one of
manganese is 10 kg."""
UNIT_ERRORS: Mapping[tuple[str, str, str], float] = {("MCS2026", "VANADIUM", "Reserves"): 1e3}
"""(edition, chapter, statistic) -> factor on the printed unit. Reserves of vanadium are labelled tons and are thousand tons."""
CORRECTED: Mapping[tuple[str, str, str, str], float] = {
    ("MCS2026", "RARE EARTHS", "Reserves", "BRA"): 11e6,
    ("MCS2026", "RARE EARTHS", "Reserves", "WLD"): 75e6,
}
"""(edition, chapter, statistic, country) -> tonnes. Version 1.3 of the sheet (27 May 2026) corrected what the file still has."""
SPELLINGS: Mapping[str, str] = {
    "world total": "WLD",
    "other countries": "OTH",
    "bolivia": "BOL",
    "burma": "MMR",
    "congo (kinshasa)": "COD",
    "congo (brazzaville)": "COG",
    "korea, north": "PRK",
    "korea, republic of": "KOR",
    "laos": "LAO",
    "russia": "RUS",
    "tanzania": "TZA",
    "turkey": "TUR",
    "vietnam": "VNM",
    "cote d'ivoire": "CIV",
    "the bahamas": "BHS",
}
"""Names of USGS that are not those of `countries`."""
FROM_TRADE = ("scandium", "germanium", "tungsten", "lithium", "tellurium", "hafnium", "silicon")
"""Minerals of which the release prints no consumption: imports less exports stand for it."""
ELSEWHERE: Mapping[str, Mapping[str, str]] = {
    "heavy_rare_earths": {"consumption_t": "imports: the release prints no consumption and no exports"},
    "scandium": {"price_usd_per_kg": "a range in the file: its middle"},
    "beryllium": {"net_import_reliance_pct": "net exporter: printed E"},
    "molybdenum": {"net_import_reliance_pct": "net exporter: printed E"},
    "barite": {"consumption_t": "withheld: what grinders sold"},
    "boron": {"consumption_t": "withheld five times: imports stand for it, the least that is used"},
    "rhodium": {
        "consumption_t": "imports less exports, which trade statistics give in more digits",
        "primary_t": "World Mining Data: a by-product that the release does not print",
        "net_import_reliance_pct": "from the other figures of the row",
    },
    "metallurgical_coal": dict.fromkeys(
        ("consumption_t", "imports_t", "exports_t", "primary_t", "price_usd_per_kg"),
        "Energy Information Administration; USGS has no such chapter",
    ),
    "uranium": dict.fromkeys(
        ("consumption_t", "imports_t", "primary_t", "net_import_reliance_pct", "price_usd_per_kg"),
        "Energy Information Administration, in pounds; USGS has no such chapter",
    ),
}
"""Mineral -> cells of `minerals` that do not follow from the file -> why, or whence they are."""

YEARS_BACK = 2
"""Years from an edition back to the last one that is reported: the edition of 2026 has 2024, and an estimate of 2025."""
IMPORT_SOURCES, US_STATISTICS = "Import Sources", "Salient"
US = "salient statistics"
"""In the basis of what USGS prints of the United States alone."""
STATISTIC_OF = {"production": "Production", "reserves": "Reserves"}
VALUE_OF = {"production": "production_t", "reserves": "reserves_t", "import_shares": "import_share_pct"}
AMERICAN = ("import_shares",)
"""Tables of a release that are of the United States alone; so is all of `minerals` but prices."""
PRICE = "price_usd_per_kg"
SAME = 1e-3
"""Relative difference up to which two figures are the same: tables and releases round apart."""
TOLERANCE = 0.03
"""Part of a printed total by which the countries listed beside it may miss it."""
EDITION = re.compile(r"USGS MCS \d{4}")
ROUNDED = re.compile(r"[:,]? ?rounded$", re.IGNORECASE)


@dataclass(frozen=True)
class Series:
    """Series of the release that are one mineral of a table."""

    table: str
    """`production`, `reserves` or `import_shares`."""
    mineral: str
    form: str
    """Stage of production, or form of imports; empty for reserves."""
    basis: str
    """What one tonne consists of."""
    chapter: str
    commodity: str
    """In small letters."""
    details: tuple[str, ...]
    """Added up by country and year; a star at the end stands for any rest."""


@dataclass(frozen=True)
class Statistic:
    """Series of the release that are one cell of `minerals`."""

    column: str
    mineral: str
    chapter: str
    commodity: str
    details: tuple[str, ...]


def _mapped(name: str) -> Iterator[tuple[list[str], tuple[str, ...]]]:
    """Lines of a file of this folder: all parts but the last, and the series in it."""
    for line in Path(__file__).with_name(name).read_text("utf-8").splitlines()[1:]:
        *parts, details = (part.strip() for part in line.split(" | "))
        yield parts, tuple(details.split(" ++ "))


SERIES = tuple(
    Series(table, mineral, form, basis, chapter, commodity, details)
    for (table, mineral, form, basis, chapter, commodity), details in _mapped("usgs_series.psv")
)
STATISTICS = tuple(
    Statistic(column, mineral, chapter, commodity, details)
    for (column, mineral, chapter, commodity), details in _mapped("usgs_statistics.psv")
)


@dataclass(frozen=True)
class Record:
    """One cell of the release."""

    line: int
    chapter: str
    section: str
    commodity: str
    country: str
    """Name as printed."""
    statistic: str
    detail: str
    """Series, without `rounded`, which world totals add."""
    unit: str
    year: str
    """A year, or a span of years of import sources."""
    number: float | None
    """None: no number is printed, or it is withheld. A bound (`>50`) is its number."""
    mark: str
    """`<` or `>` before a bound, `E` for a net exporter."""
    estimated: bool


@dataclass(frozen=True)
class Release:
    """A file of one edition."""

    edition: str
    records: tuple[Record, ...]


def is_release(header: Sequence[str]) -> bool:
    """Whether a file begins as a data release."""
    return tuple(cell.strip() for cell in header) == HEADER


def read_release(path: Path, edition: str | None = None) -> Release:
    """All records of a file. edition: such as `MCS2027`, of a file whose checksum is not known yet; None: one that is known.

    Raises InputError for a file of another form, and for one that is not known where no edition is stated, with its checksum.
    """
    raw = path.read_bytes()
    checksum = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    rows = list(csv.reader(io.StringIO(raw.decode("cp1252"))))
    if not rows or not is_release(rows[0]):
        found = ", ".join(rows[0][:3]) if rows else "an empty file"
        raise InputError([Fault(path.name, "1", "", f"columns {found}", f"columns {', '.join(HEADER[:3])} and so on")])
    if checksum not in EDITIONS and edition is None:
        expected = f"the MD5 of a published file ({', '.join(EDITIONS)}), or the edition stated, such as MCS2027"
        raise InputError([Fault(path.name, "", "", f"MD5 {checksum}", expected)])
    if edition is not None and not re.fullmatch(r"MCS20\d\d", edition):
        raise InputError([Fault(path.name, "", "edition", f"'{edition}'", "such as MCS2027")])
    return Release(EDITIONS.get(checksum, edition or ""), tuple(_record(n, row) for n, row in enumerate(rows[1:], 2)))


def _record(line: int, row: Sequence[str]) -> Record:
    cells = [cell.replace("\xa0", " ").strip() for cell in row]
    chapter, section, commodity, country, statistic, detail, unit, year, value, notes = cells[:10]
    series = ROUNDED.sub("", detail).strip()
    place = (line, chapter, section, commodity.casefold(), country, statistic, series, unit, year.replace("–", "-"))
    return Record(*place, *parsed(value), notes.startswith("Estimated"))


def parsed(value: str) -> tuple[float | None, str]:
    """(number, mark) of a cell as USGS prints it; a dash is 0, and nothing is ever filled in for a withheld figure."""
    text = value.replace(",", "").strip()
    if text in ("—", "–", "-"):
        return 0.0, ""
    mark = text[:1] if text[:1] in ("<", ">") else ""
    try:
        return float(text.lstrip("<>")), mark
    except ValueError:
        return None, "E" if text == "E" else ""


def country_code(name: str, known: Mapping[str, str]) -> str | None:
    """ISO3 code of a name as USGS prints it. known: name in small letters -> code. None: nobody knows it."""
    plain = name.replace("’", "'").replace("ô", "o").casefold()
    return SPELLINGS.get(plain) or known.get(plain) or known.get(name.casefold())


# Output, reserves and origins of imports.


def usgs_rows(release: Release, countries: Mapping[str, str]) -> dict[str, list[Row]]:
    """Rows of each table. countries: ISO3 code -> name of `countries`.

    Raises InputError for a series that the release does not have, for a country that nobody knows and for a unit that is not known.
    A world total that leaves out what is withheld stays as printed.
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
    return named and world and record.statistic == STATISTIC_OF[series.table]


def _rows(edition: str, series: Series, records: Iterable[Record], known: Mapping[str, str]) -> Iterator[Row]:
    """One row a country and year, several series added up."""
    total: dict[tuple[str, str], float] = defaultdict(float)
    estimated: dict[tuple[str, str], bool] = defaultdict(bool)
    bounds: dict[tuple[str, str], str] = defaultdict(str)
    for record in records:
        assert record.number is not None
        key = country_code(record.country, known) or "", record.year
        total[key] += record.number * _tonnes(edition, series, record)
        estimated[key] |= record.estimated
        bounds[key] = record.mark or bounds[key]
    year = int(edition.removeprefix("MCS"))
    for (country, period), value in total.items():
        right = CORRECTED.get((edition, series.chapter, STATISTIC_OF.get(series.table, ""), country))
        notes = [
            *(["USGS marks it as estimated"] if estimated[country, period] else []),
            *([f"printed {bounds[country, period]}{value:,.0f}"] if bounds[country, period] else []),
            *([f"the file has {value:,.0f}; corrected in version 1.3 of the sheet"] if right is not None else []),
        ]
        row = {
            "mineral": series.mineral,
            "country": country,
            "source": f"USGS MCS {year} {series.chapter.lower()}",
            "confidence": "reported",
            "note": "; ".join(notes),
            VALUE_OF[series.table]: f"{value if right is None else right:.10g}",
        }
        if series.table == "production":
            yield row | {"stage": series.form, "year": period, "edition": edition, "basis": series.basis}
        elif series.table == "reserves":  # counted at the end of the year before
            yield row | {"year": str(year - 1), "basis": series.basis}
        else:
            yield row | {"form": series.form, "period": period, "year": f"{period[:2]}{period[-2:]}"}


def _tonnes(edition: str, series: Series, record: Record) -> float:
    """Factor from a record's unit to that of its table."""
    if series.table == "import_shares":
        return 1.0
    if record.unit not in TONNES:
        expected = f"one of {', '.join(TONNES)}"
        raise InputError([Fault(edition, record.chapter, record.statistic, f"'{record.unit}'", expected)])
    return TONNES[record.unit] * UNIT_ERRORS.get((edition, record.chapter, record.statistic), 1.0)


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
    for (mineral, stage, year), printed in total.items():
        tonnes = listed[mineral, stage, year]
        # totals have two digits at least
        rounding = 0.5 * 10 ** (math.floor(math.log10(printed)) - 1) if printed > 0 else 0.0
        if printed > 0 and abs(tonnes - printed) > max(TOLERANCE * printed, rounding):
            yield f"{mineral}, {stage}, {year}: {tonnes:,.0f} t listed, {printed:,.0f} t printed in all"


# Statistics of the United States.


def us_statistics(release: Release) -> dict[tuple[str, str], float | None]:
    """(mineral, column of `minerals`) -> figure of the last year that is reported, None where it is withheld or not available.

    Raises InputError with every series that the release does not have, and with units that are not known.
    """
    year = str(int(release.edition.removeprefix("MCS")) - YEARS_BACK)
    known: dict[tuple[str, str, str], Record] = {}
    for record in release.records:
        if record.section.startswith(US_STATISTICS) and record.year == year:
            known[record.chapter, record.commodity, _plain(record.detail)] = record
    found: dict[tuple[str, str], float | None] = {}
    faults: list[Fault] = []
    for one in STATISTICS:
        records = [known.get((one.chapter, one.commodity, _plain(detail))) for detail in one.details]
        there = [record for record in records if record is not None]
        for detail, each in zip(one.details, records, strict=True):
            if each is None:
                expected = f"{one.chapter} / {one.commodity} / {detail}, for {one.column} of {one.mineral}"
                faults.append(Fault(release.edition, "", "Statistics_detail", f"no such series in {year}", expected))
        if len(there) == len(records):
            try:
                found[one.mineral, one.column] = _figure(one, there)
            except LookupError as error:
                expected = f"one of {', '.join([*TONNES, *PER_KG])}"
                faults.append(Fault(release.edition, str(there[0].line), "Unit", str(error), expected))
    if faults:
        raise InputError(faults)
    for mineral in FROM_TRADE:
        bought = found.get((mineral, "imports_t"))
        if bought is not None:
            found[mineral, "consumption_t"] = bought - (found.get((mineral, "exports_t")) or 0.0)
    return found


def _plain(detail: str) -> str:
    """A series without what varies between editions: case, spaces, a space that the file of 2026 lacks."""
    return " ".join(detail.casefold().replace("relianceas", "reliance as").split())


def _figure(one: Statistic, records: Iterable[Record]) -> float | None:
    """The sum of series; None where one of them is no number, 0 for a net exporter. LookupError for a unit that is not known."""
    total, whole = 0.0, True
    for record in records:
        factor = _factor(one, record)
        if record.mark == "E":
            return 0.0
        whole &= record.number is not None
        total += (record.number or 0.0) * factor
    return total if whole else None


def _factor(one: Statistic, record: Record) -> float:
    """From the printed unit to that of the column."""
    if one.column == "net_import_reliance_pct":
        return 1.0
    if (own := FACTORS.get((one.mineral, one.column))) is not None:
        return own
    if one.column == PRICE:
        unit = record.unit.casefold()
        factor = next((usd for begin, usd in PER_KG.items() if unit.startswith(begin)), None)
    else:
        factor = TONNES.get(record.unit)
    if factor is None:
        raise LookupError(f"'{record.unit}' of {one.mineral}")
    return factor


# Into the tables.


def update(path: Path, inputs: Path, edition: str | None = None) -> Updated:
    """Replace what the tables of a folder have of the release's edition.

    edition: as in `read_release`. Of `minerals` the cells that the release has are written; one that it withholds is emptied, and
    one that an edition before it would take back stays. Rows of other sources stay. A folder of one home that is not the United
    States gets world tables and prices. Raises InputError as `read_release`, `usgs_rows` and `us_statistics`; nothing is written
    then.
    """
    _, countries = read_rows(inputs / "countries.csv")
    release = read_release(path, edition)
    tables = usgs_rows(release, {row["country"]: row["name"] for row in countries})
    figures = us_statistics(release)
    american = (inputs / HOMES / USA).is_dir() or any(
        row["country"] == USA and row.get("tier") == "home" for row in countries
    )
    for table, fresh in tables.items():
        if american or table not in AMERICAN:
            _replace(_place(inputs, table), table, fresh, release.edition)
    cells = {place: value for place, value in figures.items() if american or place[1] == PRICE}
    later: set[str] = set()
    for place in {inputs / "minerals.csv", _place(inputs, "minerals", own=True)}:
        columns, rows = read_rows(place)
        write_rows(place, columns, [_updated(row, cells, release.edition, later) for row in rows])
    left_out = [] if american else [*AMERICAN, "minerals (but for prices)"]
    if later:
        left_out.append(f"statistics of a later edition are there: minerals of {', '.join(sorted(later))}")
    return Updated(tuple(left_out), (), tuple(off_the_total(tables["production"])))


def _replace(place: Path, table: str, fresh: Sequence[Row], edition: str) -> None:
    """Write fresh rows before those that stay: of other sources, of series that the release does not print, of America alone."""
    columns, rows = read_rows(place)
    # shares are those of the last edition alone
    shares = table == "import_shares"
    one, printed = (
        (("mineral", "form"), "USGS MCS ")
        if shares
        else (("mineral", "year"), f"USGS MCS {edition.removeprefix('MCS')} ")
    )
    series = {tuple(row[name] for name in one) for row in fresh}
    kept = [
        row
        for row in rows
        if not row["source"].startswith(printed)
        or tuple(row[name] for name in one) not in series
        or US in row.get("basis", "")
    ]
    write_rows(place, columns, [*fresh, *kept])


def _place(inputs: Path, table: str, *, own: bool = False) -> Path:
    """The file of a table: that of the United States where it has one and the other is not there, or its own is asked for."""
    of_home, common = inputs / HOMES / USA / f"{table}.csv", inputs / f"{table}.csv"
    return of_home if of_home.is_file() and (own or not common.is_file()) else common


def _updated(row: Row, cells: Mapping[tuple[str, str], float | None], edition: str, later: set[str]) -> Row:
    """A row of `minerals` with the cells of a release; those that say the same keep their digits. Where the row is of a later
    edition it stays, and its mineral is added to `later`."""
    own = EDITION.search(row["source"])
    if own is not None and own[0][-4:] > edition[-4:]:
        if any((row["mineral"], column) in cells for column in row):
            later.add(row["mineral"])
        return row
    changed = dict(row)
    for column in row:
        if (row["mineral"], column) not in cells:
            continue
        value = cells[row["mineral"], column]
        if value is None:
            changed[column] = ""
        elif not row[column] or abs(float(row[column]) - value) > SAME * abs(value):
            changed[column] = f"{value:.6g}"
    if changed != row:
        year = int(edition.removeprefix("MCS"))
        changed["source"] = EDITION.sub(f"USGS MCS {year}", row["source"])
        changed["year"] = str(year - YEARS_BACK)
    return changed
