"""A price set from the World Bank's commodity price data (the Pink Sheet, CC BY 4.0), saved as CSV by a person.

Columns: the period first (`2025`, or months `2025M01`), then commodities, named in the first row; the second row has the units
(`($/mt)`). A year counts where it is whole: all its months, or one row.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from strategic_minerals.core.errors import Fault, InputError, near_miss
from table_files import READ, Row, Updated, number, read_rows, write_rows

SOURCE = "World Bank Commodity Price Data (Pink Sheet)"
MONTHS = 12
K2O = 0.6
"""Tonnes of K2O in a tonne of potassium chloride as it is sold."""
MATERIALS: Mapping[str, tuple[str, float]] = {
    "aluminum": ("aluminum", 1.0),
    "copper": ("copper", 1.0),
    "lead": ("lead", 1.0),
    "nickel": ("nickel", 1.0),
    "platinum": ("platinum", 1.0),
    "phosphate rock": ("phosphate", 1.0),
    "potassium chloride": ("potash", K2O),
    "silver": ("silver", 1.0),
    "tin": ("tin", 1.0),
    "zinc": ("zinc", 1.0),
}
"""Commodity in small letters -> material of `prices`, and tonnes of it in a tonne of the commodity. Rock is priced as rock."""
UNITS: Mapping[str, float] = {
    "$/mt": 1e-3,
    "$/kg": 1.0,
    "$/troy oz": 32.1507466,
    "$/toz": 32.1507466,
    "$/lb": 2.20462262,
}
"""Unit -> USD per kg."""
PERIOD = re.compile(r"(?P<year>(19|20)\d\d)(M(?P<month>\d\d))?")


@dataclass(frozen=True)
class Prices:
    """Yearly means of the last whole year."""

    year: int
    usd_per_kg: Mapping[str, float]
    """By material."""


def is_prices(header: Sequence[str], second: Sequence[str]) -> bool:
    """Whether a file begins as the Pink Sheet: names of commodities, and units beneath."""
    named = {_plain(name) for name in header}
    return bool(named & MATERIALS.keys()) and any(cell.strip().strip("()").startswith("$/") for cell in second)


def read_prices(path: Path) -> Prices:
    """Prices of the materials that the file has. Raises InputError for a name that is nearly one of `MATERIALS`, a unit that is not
    known, a cell that is no number and a file without a whole year."""
    with path.open(encoding=READ, newline="") as file:
        names, units, *rows = csv.reader(file)
    columns = _columns(path, names, units)
    values: dict[tuple[str, int], dict[int, float]] = defaultdict(dict)
    for line, row in enumerate(rows, 3):
        period = PERIOD.fullmatch(row[0].strip()) if row else None
        if period is None:
            continue
        for place, (material, factor) in columns.items():
            text = row[place].strip() if place < len(row) else ""
            if text not in ("", "..", "…", "NA"):
                price = number(path, line, names[place], text) * factor
                values[material, int(period["year"])][int(period["month"] or 0)] = price
    whole = {key: of for key, of in values.items() if len(of) == MONTHS or 0 in of}
    if not whole:
        expected = "a year with twelve months, or a row of its own"
        raise InputError([Fault(path.name, "", names[0], "no whole year", expected)])
    last = max(year for _, year in whole)
    return Prices(
        last, {material: sum(of.values()) / len(of) for (material, year), of in whole.items() if year == last}
    )


def _plain(name: str) -> str:
    """A name without the stars of footnotes, the standard's abbreviation and case."""
    return re.sub(r"\s*\*+", "", name).partition(",")[0].strip().casefold()


def _columns(path: Path, names: Sequence[str], units: Sequence[str]) -> dict[int, tuple[str, float]]:
    """Place of a column -> material, and USD per kg of it in one of the file's units."""
    found: dict[int, tuple[str, float]] = {}
    faults = []
    for place, name in enumerate(names[1:], 1):
        plain = _plain(name)
        unit = (units[place] if place < len(units) else "").strip().strip("()").strip()
        if plain not in MATERIALS:
            if near := near_miss(plain, MATERIALS):
                faults.append(Fault(path.name, "1", name, f"'{name}'", f"the name of a commodity{near}"))
        elif unit not in UNITS:
            faults.append(Fault(path.name, "2", name, f"'{unit}'", f"one of {', '.join(UNITS)}"))
        else:
            material, content = MATERIALS[plain]
            found[place] = material, UNITS[unit] / content
    if faults:
        raise InputError(faults)
    return found


def update(path: Path, inputs: Path, name: str | None = None) -> Updated:
    """Add a price set: what the file has, the other prices as in the set with most materials of those that are there.

    name: of the set; None: `wb` and the year. A set of that name is replaced.
    """
    found = read_prices(path)
    place = inputs / "prices.csv"
    columns, rows = read_rows(place)
    called = name or f"wb{found.year}"
    sets: dict[str, list[Row]] = {}
    for row in rows:
        sets.setdefault(row["price_set"], []).append(row)
    sets.pop(called, None)
    if not sets:
        expected = "one that has the prices of other materials"
        raise InputError([Fault(place.name, "", "price_set", "no price set", expected)])
    base = max(sets, key=lambda each: len({row["material"] for row in sets[each]}))
    fresh, year = [], str(found.year)
    for row in sets[base]:
        price = found.usd_per_kg.get(row["material"])
        changed = {**row, "price_set": called, "note": f"as in {base}"}
        if price is not None:
            changed |= {"from_year": year, "money_year": year, "year": year, "price_usd_per_kg": f"{price:.6g}"}
            changed |= {"source": SOURCE, "confidence": "reported", "note": f"mean of {year}"}
            changed |= {end: "" for end in ("price_usd_per_kg_low", "price_usd_per_kg_high") if end in row}
        fresh.append(changed)
    write_rows(place, columns, [*fresh, *(row for row in rows if row["price_set"] != called)])
    absent = sorted({row["material"] for row in sets[base]} - found.usd_per_kg.keys())
    return Updated((), (f"prices of {', '.join(absent)}: as in the set {base}",) if absent else ())
