"""Read a data release of the USGS Mineral Commodity Summaries that a person has downloaded: one long CSV (the form since 2026).

USGS, Mineral Commodity Summaries 2026 data release, doi:10.5066/P1WKQ63T (public domain). Nothing is downloaded here.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..core.bounded_files import read_bounded
from ..core.errors import Fault, InputError

HEADER = (
    "MCS chapter",
    "Section",
    "Commodity",
    "Country",
    "Statistics",
    "Statistics_detail",
    "Unit",
    "Year",
    "Value",
    "Notes",
    "Is critical mineral 2025",
    "Other notes",
)
EDITIONS: Mapping[str, str] = {"36185ff3742087e1dd90c52fe634fe12": "MCS2026"}
"""MD5 of a published file -> edition."""
LARGEST_BYTES = 50_000_000
TONNES: Mapping[str, float] = {
    "metric tons": 1.0,
    "metric dry tons": 1.0,
    "thousand metric tons": 1e3,
    "thousand metric dry tons": 1e3,
    "million metric tons": 1e6,
    "kilograms": 1e-3,
}
"""Unit -> tonnes."""
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

Mark = Literal["", "withheld", "not available", "not applicable", "net exporter", "below half a unit", "words"]
MARKS: Mapping[str, Mark] = {
    "W": "withheld",
    "NA": "not available",
    "XX": "not applicable",
    "E": "net exporter",
    "s": "below half a unit",
}
ZERO = ("—", "–", "-")
ROUNDED = re.compile(r"[:,]? ?rounded$", re.IGNORECASE)


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
    """None: no number is printed; see `mark`. A bound (`>50`) is its number."""
    mark: Mark
    bound: Literal["", "<", ">"]
    estimated: bool


@dataclass(frozen=True)
class Release:
    """A file of one edition."""

    edition: str
    records: tuple[Record, ...]


def release_bytes(path: Path) -> bytes:
    """The bytes of a file of a release, of any form. Raises InputError for what is no readable file."""
    raw = read_bounded(path, LARGEST_BYTES, "a data release of USGS")
    if isinstance(raw, Fault):
        raise InputError([raw])
    return raw


def read_release(path: Path, edition: str | None = None, raw: bytes | None = None) -> Release:
    """All records of a file. edition: such as `MCS2027`, of a file whose checksum is not known yet; None: one that is known.

    raw: the bytes of the file; None: they are read. Raises InputError as `release_bytes`, for a file of another form, and for one
    that is not known where no edition is stated, with its checksum.
    """
    raw = release_bytes(path) if raw is None else raw
    checksum = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    rows = list(csv.reader(io.StringIO(raw.decode("cp1252"))))
    if not rows or tuple(cell.strip() for cell in rows[0]) != HEADER:
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
    number, mark, bound = parsed(value)
    return Record(
        line,
        chapter,
        section,
        commodity.casefold(),
        country,
        statistic,
        ROUNDED.sub("", detail).strip(),
        unit,
        year.replace("–", "-"),
        number,
        mark,
        bound,
        notes.startswith("Estimated"),
    )


def parsed(value: str) -> tuple[float | None, Mark, Literal["", "<", ">"]]:
    """(number, mark, bound) of a cell as USGS prints it; nothing is ever filled in for a withheld one."""
    text = value.replace(",", "").strip()
    if text in ZERO:
        return 0.0, "", ""
    if text in MARKS or not text:
        return None, MARKS.get(text, "not available"), ""
    bound: Literal["", "<", ">"] = "<" if text[0] == "<" else ">" if text[0] == ">" else ""
    try:
        return float(text.lstrip("<>")), "", bound
    except ValueError:
        return None, "words", ""


def country_code(name: str, known: Mapping[str, str]) -> str | None:
    """ISO3 code of a name as USGS prints it. known: name in small letters -> code. None: nobody knows it."""
    plain = name.replace("’", "'").replace("ô", "o").casefold()
    return SPELLINGS.get(plain) or known.get(plain) or known.get(name.casefold())
