"""Prices from the World Bank's commodity price data (the Pink Sheet), saved as CSV by a person.

Columns: the period first (`2025`, or months `2025M01`), then one for each commodity, named in the first row; the second row has the
units (`($/mt)`). A year counts where it is whole: all its months, or one row. World Bank Commodity Price Data is under CC BY 4.0.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.bounded_files import read_bounded
from ..core.errors import Fault, InputError
from ..core.names import meant

LARGEST_BYTES = 50_000_000
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
    raw = read_bounded(path, LARGEST_BYTES, "a file of prices")
    if isinstance(raw, Fault):
        raise InputError([raw])
    rows = list(csv.reader(io.StringIO(raw.decode("utf-8-sig"))))
    if len(rows) < 3 or not is_prices(rows[0], rows[1]):
        expected = "names of commodities, such as Copper, and beneath them units, such as ($/mt)"
        raise InputError([Fault(path.name, "1", "", ", ".join(rows[0][:4]) if rows else "an empty file", expected)])
    columns = _columns(path, rows[0], rows[1])
    values: dict[tuple[str, int], dict[int, float]] = defaultdict(dict)
    for line, row in enumerate(rows[2:], 3):
        period = PERIOD.fullmatch(row[0].strip()) if row else None
        if period is None:
            continue
        month = int(period["month"] or 0)
        for place, (material, factor) in columns.items():
            text = row[place].strip() if place < len(row) else ""
            if text not in ("", "..", "…", "NA"):
                values[material, int(period["year"])][month] = _number(path, line, rows[0][place], text) * factor
    whole = {key: of for key, of in values.items() if len(of) == MONTHS or 0 in of}
    if not whole:
        raise InputError(
            [Fault(path.name, "", rows[0][0], "no whole year", "a year with twelve months, or a row of its own")]
        )
    last = max(year for _, year in whole)
    found = {material: sum(of.values()) / len(of) for (material, year), of in whole.items() if year == last}
    return Prices(last, found)


def _plain(name: str) -> str:
    """A name without the stars of footnotes, the standard's abbreviation and case."""
    return re.sub(r"\s*\*+", "", name).partition(",")[0].strip().casefold()


def _columns(path: Path, names: Sequence[str], units: Sequence[str]) -> dict[int, tuple[str, float]]:
    """Place of a column -> material, and USD per kg of it in one of the file's units."""
    found: dict[int, tuple[str, float]] = {}
    faults = []
    for place, name in enumerate(names[1:], 1):
        plain = _plain(name)
        if plain not in MATERIALS:
            if near := meant(plain, MATERIALS):
                faults.append(
                    Fault(path.name, "1", name, f"'{name}'", f"the name of a commodity (did you mean '{near[0]}'?)")
                )
            continue
        unit = (units[place] if place < len(units) else "").strip().strip("()").strip()
        if unit not in UNITS:
            faults.append(Fault(path.name, "2", name, f"'{unit}'", f"one of {', '.join(UNITS)}"))
            continue
        material, content = MATERIALS[plain]
        found[place] = material, UNITS[unit] / content
    if faults:
        raise InputError(faults)
    return found


def _number(path: Path, line: int, column: str, text: str) -> float:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        raise InputError([Fault(path.name, str(line), column, f"'{text}'", "a number")]) from None
