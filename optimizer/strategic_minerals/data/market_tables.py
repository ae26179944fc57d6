"""Write prices and origins of imports into tables from files that are not of USGS (`refresh --from`)."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from ..core.atomic_files import write_whole
from ..core.errors import Fault, InputError
from ..schemas.base import USA
from .csv_files import load_dataset
from .home_overlay import HOMES, homes_of
from .homes import members
from .market_prices import is_prices, read_prices
from .trade_flows import HS, Shares, import_shares, read_flows, source_of
from .usgs_tables import Row, Updated, read_rows, table_text

PRICES = "prices"
"""Kind of a file of prices."""
PINK_SHEET = "World Bank Commodity Price Data (Pink Sheet)"
ROUND_TO = 3
"""Decimals of a percent."""


def kind_of(path: Path) -> str:
    """`PRICES`, who publishes a file of trade (`trade_flows.SOURCES`), or nothing for another form: by the first two rows."""
    if not path.is_file():
        return ""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.reader(file)
        first, second = next(reader, []), next(reader, [])
    return source_of([name.strip() for name in first]) or (PRICES if is_prices(first, second) else "")


def update_prices(path: Path, inputs: Path, name: str | None = None) -> Updated:
    """Add a price set: what the file has, the other prices as in the set with most materials of those that are there.

    name: of the set; None: `wb` and the year. A set of that name is replaced. What the file does not have is told.
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
        raise InputError(
            [Fault(place.name, "", "price_set", "no price set", "one that has the prices of other materials")]
        )
    base = max(sets, key=lambda each: len({row["material"] for row in sets[each]}))
    fresh = []
    for row in sets[base]:
        price = found.usd_per_kg.get(row["material"])
        changed = {**row, "price_set": called, "note": f"as in {base}"}
        if price is not None:
            year = str(found.year)
            changed |= {"from_year": year, "money_year": year, "year": year, "price_usd_per_kg": f"{price:.6g}"}
            changed |= {"source": PINK_SHEET, "confidence": "reported", "note": f"mean of {year}"}
            changed |= {end: "" for end in ("price_usd_per_kg_low", "price_usd_per_kg_high") if end in row}
        fresh.append(changed)
    write_whole(place, [table_text(columns, [*fresh, *(row for row in rows if row["price_set"] != called)])])
    absent = sorted({row["material"] for row in sets[base]} - found.usd_per_kg.keys())
    return Updated((), (f"prices of {', '.join(absent)}: as in the set {base}",) if absent else (), ())


def update_shares(path: Path, inputs: Path, source: str) -> Updated:
    """Write the origins of imports of every home of a folder anew, for the forms whose codes of trade are known (`trade_flows.HS`).

    source: who publishes the file. Told is which forms the file does not have, and origins that no source of the home stands for.
    """
    flows = read_flows(path)
    missing: list[str] = []
    homes = homes_of(inputs)
    for home in homes or [""]:
        place = inputs / HOMES / home / "import_shares.csv" if home else inputs / "import_shares.csv"
        if not place.is_file():
            continue
        data = load_dataset(inputs, home) if home else load_dataset(inputs)
        own = home or next((row.home for row in data.rows("homes")), USA)
        columns, rows = read_rows(place)
        for mineral, form in dict.fromkeys((row["mineral"], row["form"]) for row in rows):
            if (mineral, form) not in HS:
                continue
            shares = import_shares(flows, members(data, own), mineral, form)
            if shares is None:
                missing.append(f"{own}: {mineral}, {form}")
                continue
            before = {row["country"] for row in rows if (row["mineral"], row["form"]) == (mineral, form)}
            kept = [row for row in rows if (row["mineral"], row["form"]) != (mineral, form)]
            rows = [*kept, *_rows(shares, f"{source} ({path.name})")]
            if strangers := sorted({*shares.by_origin} - before):
                missing.append(
                    f"{own}: a source for {mineral} from {', '.join(strangers)}, which is new (activities, capacities)"
                )
        write_whole(place, [table_text(columns, rows)])
    return Updated((), tuple(missing), ())


def _rows(shares: Shares, source: str) -> Iterator[Row]:
    period = str(shares.last) if shares.first == shares.last else f"{shares.first}-{shares.last % 100:02d}"
    for origin, share in shares.by_origin.items():
        yield {
            "mineral": shares.mineral,
            "form": shares.form,
            "country": origin,
            "import_share_pct": f"{round(share, ROUND_TO):g}",
            "period": period,
            "source": source,
            "year": str(shares.last),
            "confidence": "derived",
            "note": f"HS {', '.join(HS[shares.mineral, shares.form])}; {shares.tonnes:,.0f} t a year",
        }
