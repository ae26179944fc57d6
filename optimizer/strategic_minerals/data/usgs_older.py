"""Read USGS data releases of 2022 to 2025: folders of wide CSV files, one for each commodity and kind, or one world file (2025).

A file is known by its header: `DataSource, Commodity, Year` has statistics of the United States (salient), `Source, Country, Type`
or `SOURCE, COMMODITY, COUNTRY` output and reserves by country. Releases: doi:10.5066/P13XCP3R (2025), P144BA54 (2024), P9WCYUI6
(2023), P9KKMCP4 (2022). A folder may hold a part of a release: what is not there is told.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..core.errors import Fault, InputError
from .usgs_minerals import PER_KG, YEARS_BACK, Cell
from .usgs_older_series import BASES, SALIENT, STRAYS, TYPES, Salient
from .usgs_release import TONNES, Mark, Record, Release, country_code, parsed, release_bytes
from .usgs_series import SERIES, Series
from .usgs_statistics import STATISTICS

WORLD, US = "World Production and Reserves", "Salient Statistics"
EDITION = re.compile(r"MCS20\d\d")
OUTPUT = re.compile(r"prod_?(?P<unit>[a-z]+)?_?(?P<est>est)?[_ ]*(?P<year>20\d\d)", re.IGNORECASE)
"""Columns of output: `Prod_kt_est_2023`, `PROD_EST_ 2024`."""
UNITS: Mapping[str, str] = {
    "kt": "thousand metric tons",
    "t": "metric tons",
    "kg": "kilograms",
    "mt": "million metric tons",
}
PRICES: Mapping[str, str] = {
    "dt": "dollars per metric ton",
    "dkg": "dollars per kilogram",
    "dlb": "dollars per pound",
    "ctslb": "cents per pound",
    "dto": "dollars per troy ounce",
}
"""Ends of names of columns with prices -> units as they are printed since 2026."""
HALF_A_UNIT = "less than 1/2 unit"


@dataclass(frozen=True)
class OlderRelease:
    """A release of an older form, or a part of one."""

    world: Release
    """Output and reserves, as the form of 2026 has them."""
    cells: Mapping[tuple[str, str], Cell]
    """(mineral, column of `minerals`) -> cell."""
    missing: tuple[str, ...]
    """Series and statistics that no file of the folder has, and files that were not read."""


def is_older(raw: bytes) -> bool:
    """Whether a file of these bytes has a header of an older form."""
    return _kind(_table(raw)) != ""


def read_older(path: Path, countries: Mapping[str, str], raw: bytes | None = None) -> OlderRelease:
    """A file or a folder of one edition. countries: name in small letters -> ISO3 code.

    raw: the bytes of the one file; None: they are read. Raises InputError as `release_bytes`, for files of several editions, and
    where no file is one of a release.
    """
    files = sorted(path.glob("*.csv")) if path.is_dir() else [path]
    records: list[Record] = []
    salient: dict[str, list[dict[str, str]]] = {}
    editions: dict[str, str] = {}
    unread: list[str] = []
    for file in files:
        rows = _table(release_bytes(file) if raw is None else raw)
        kind = _kind(rows)
        if not kind:
            unread.append(
                f"{file.name}: no form of a release that is read (columns {', '.join([*rows[0]][:3]) if rows else 'none'})"
            )
            continue
        editions |= {edition: file.name for row in rows if (edition := _edition(row))}
        if kind == "salient":
            for row in rows:
                salient.setdefault(row["commodity"].strip().casefold(), []).append(row)
        else:
            records += _world(file, rows, countries)
    if len(editions) != 1:
        found = ", ".join(f"{edition} ({name})" for edition, name in sorted(editions.items())) or "no file of a release"
        raise InputError([Fault(path.name, "", "", found, "files of one edition, MCS2022 to MCS2025")])
    (edition,) = editions
    cells, absent = _statistics(edition, salient)
    known = {mineral for mineral, _ in cells}
    unread += [f"statistics of {m}: no file has them" for m in sorted({one.mineral for one in STATISTICS} - known)]
    unmapped = sorted(set(salient) - {one.commodity for one in SALIENT})
    missing = [
        *(
            f"{s.table} of {s.mineral}: no file has it"
            for s in SERIES
            if s.table != "import_shares" and not _has(s, records)
        ),
        *absent,
        *(f"statistics of {name}: no table says what its columns are" for name in unmapped),
        *unread,
    ]
    return OlderRelease(Release(edition, tuple(records)), cells, tuple(missing))


def _table(raw: bytes) -> list[dict[str, str]]:
    """Rows with a filled cell, by header in small letters; empty columns at the end are left out."""
    text = raw.decode("utf-8-sig") if raw.startswith(b"\xef\xbb\xbf") else raw.decode("cp1252")
    rows = list(csv.reader(io.StringIO(text)))
    if not rows:
        return []
    header = [cell.strip().casefold() for cell in rows[0]]
    return [
        {name: cell.replace("\xa0", " ").strip() for name, cell in zip(header, row, strict=False) if name}
        for row in rows[1:]
        if any(cell.strip() for cell in row)
    ]


def _kind(rows: Sequence[Mapping[str, str]]) -> str:
    """`salient`, `world`, or nothing for a file of another form. Three files of 2024 that are called salient hold the world."""
    names = set(rows[0]) if rows else set()
    if {"datasource", "commodity", "year"} <= names:
        return "salient"
    return "world" if {"source", "country"} <= names and any(OUTPUT.match(name) for name in names) else ""


def _edition(row: Mapping[str, str]) -> str:
    found = EDITION.fullmatch(row.get("datasource", row.get("source", "")))
    return found[0] if found else ""


def _letters(text: str) -> str:
    return re.sub(r"[^a-z]", "", text.casefold())


# World output and reserves.


def _world(file: Path, rows: Sequence[Mapping[str, str]], countries: Mapping[str, str]) -> Iterator[Record]:
    """Records of the mapped series in one file."""
    # `mcs2024-potas_world.csv`, `rare_earths_mcs2022-raree_world.csv`: five letters of the commodity
    code = re.search(r"mcs20\d\d-([a-z]+?)_", file.name.casefold())
    listed = [name for name in rows[0] if name.startswith(("type", "mine production"))]
    seen: dict[str, set[str]] = {}
    for line, row in enumerate(rows, 2):
        commodity = _letters(row["commodity"]) if "commodity" in row else _letters(code[1]) if code else ""
        printed = _letters(row.get(listed[0], "")) if listed else ""
        for series in SERIES:
            if series.table == "import_shares" or not _is_of(series, commodity):
                continue
            country = _country(row["country"], countries)
            if series.table == "reserves":
                known = seen.setdefault(series.mineral, set())
                record = None if country in known else _reserve(series, row, line, country)
                if record is not None:
                    known.add(country)
                    yield record
            elif _is_type(series, printed):
                yield from _outputs(series, row, line, country)


def _is_of(series: Series, commodity: str) -> bool:
    """Whether a file's commodity is that of a series: the chapter's name from its beginning, which need not be all of it.

    Names of files have its first five letters (`potas`), the file of 2025 a shorter name (`Graphite`, `Bauxite`). Not the other way
    round: what is longer than the chapter's name is another commodity.
    """
    called = STRAYS.get(commodity, commodity)
    return bool(called) and _letters(series.chapter).startswith(called)


def _is_type(series: Series, printed: str) -> bool:
    """Whether a row's type is that of a series of output."""
    wanted = TYPES.get(series.mineral) or tuple(_letters(detail.rstrip("*")) for detail in series.details)
    return any(each in printed for each in wanted)


def _country(name: str, countries: Mapping[str, str]) -> str:
    """A name without what sticks to it: digits of footnotes, the letter e of estimates, the form that the country reports."""
    plain = re.sub(r"\s*(\(rounded\))?\s*[\d ]*$", "", name.strip())
    if country_code(plain, countries) is not None:
        return plain
    for shorter in (plain.removesuffix("e"), plain.partition(",")[0]):
        if country_code(shorter, countries) is not None:
            return shorter
    return plain


def _outputs(series: Series, row: Mapping[str, str], line: int, country: str) -> Iterator[Record]:
    for name, value in row.items():
        if (column := OUTPUT.match(name)) and value:
            unit = UNITS.get((column["unit"] or "").casefold(), row.get("unit_meas", ""))
            notes = row.get("prod_notes", row.get("prod_note", ""))
            guessed = (
                bool(column["est"]) or value.startswith("e") or (column["est"] is None and "lso estimated" in notes)
            )
            yield _record(series, line, country, "Production", unit, column["year"], value, estimated=guessed)


def _reserve(series: Series, row: Mapping[str, str], line: int, country: str) -> Record | None:
    """The reserves of a row: in K2O where ore stands beside it. None where no number is printed."""
    named = [name for name in row if name.startswith("reserves_")]
    name = next((name for name in named if "k2o" in name), next(iter(named), ""))
    if not row.get(name) or (series.mineral == "potash" and "recoverable ore" in row.get("type", "")):
        return None
    unit = UNITS.get(name.rpartition("_")[2], row.get("unit_meas", ""))
    record = _record(series, line, country, "Reserves", unit, "", row[name], estimated=False)
    return record if record.number is not None else None


def _record(
    series: Series, line: int, country: str, statistic: str, unit: str, year: str, value: str, *, estimated: bool
) -> Record:
    number, mark, bound = _value(value)
    detail = series.details[0].rstrip("*")
    return Record(
        line,
        series.chapter,
        WORLD,
        series.commodity,
        country,
        statistic,
        detail,
        unit,
        year,
        number,
        mark,
        bound,
        estimated,
    )


def _value(value: str) -> tuple[float | None, Mark, Literal["", "<", ">"]]:
    """As `parsed`, with the marks of older files."""
    text = value.strip().rstrip(".")
    if text.casefold() == HALF_A_UNIT:
        return None, "below half a unit", ""
    return parsed(text.removeprefix("e") if re.match(r"e\d", text) else text)


def _has(series: Series, records: Sequence[Record]) -> bool:
    statistic = "Production" if series.table == "production" else "Reserves"
    place = (series.chapter, series.commodity, statistic)
    return any((r.chapter, r.commodity, r.statistic) == place and r.number is not None for r in records)


# Statistics of the United States.


def _statistics(
    edition: str, salient: Mapping[str, Sequence[Mapping[str, str]]]
) -> tuple[dict[tuple[str, str], Cell], list[str]]:
    """Cells of `minerals` of the last year that is reported, and what is not there."""
    year = str(int(edition.removeprefix("MCS")) - YEARS_BACK)
    cells: dict[tuple[str, str], Cell] = {}
    absent = []
    for one in SALIENT:
        if one.editions and edition not in one.editions:
            continue
        row = next((row for row in salient.get(one.commodity, ()) if row["year"] == year), None)
        if row is None or not all(column in row for column in one.columns):
            absent += [f"{one.column} of {one.mineral}: no file has it"] if row is not None else []
        else:
            cells[one.mineral, one.column] = _cell(one, row)
    return cells, list(dict.fromkeys(absent))


def _cell(one: Salient, row: Mapping[str, str]) -> Cell:
    total, bound = 0.0, ""
    for column in one.columns:
        number, mark, within = _value(row[column])
        if mark == "net exporter":
            return Cell(0.0, mark, "")
        if number is None and mark == "below half a unit":
            number = 0.0
        if number is None:
            return Cell(None, mark, "")
        total += number * _factor(one, column)
        bound = within or bound
    return Cell(total, "", bound)


def _factor(one: Salient, column: str) -> float:
    """From the unit at the end of a column's name to that of `minerals`."""
    if one.column == "net_import_reliance_pct":
        return 1.0
    end = column.rpartition("_")[2]
    if one.column == "price_usd_per_kg":
        return PER_KG[PRICES[end]]
    return one.factor or TONNES[UNITS[end]]


def older_series() -> Iterator[Series]:
    """Series that the files have, with what one tonne consisted of then; origins of imports are not among them."""
    for series in SERIES:
        if series.table != "import_shares":
            yield replace(series, basis=BASES.get((series.table, series.mineral), series.basis))
