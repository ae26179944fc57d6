"""Sources that several homes buy from: together they are not counted on for more than the plant makes."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from ..core.errors import Fault
from ..data.csv_files import load_dataset
from ..data.dataset import Dataset
from ..data.home_overlay import HOMES, homes_of

ROUNDED = 1.001
"""Tables hold five digits."""


def oversold(folder: Path) -> list[Fault]:
    """Sources of which all homes of a folder together buy more in some year than they make (`activities.output_t_per_yr`).

    What a home buys is the usual flow, or the capacity where none is stated. Sources without a published output, such as all
    exports of a country, are not looked at: trade passes through countries that make nothing. Empty where a folder has no homes.
    """
    bought: dict[str, dict[str, dict[int, float]]] = defaultdict(dict)
    output: dict[str, float] = {}
    for home in homes_of(folder):
        data = load_dataset(folder, home)
        known = {
            row.activity: row.output_t_per_yr for row in data.rows("activities") if row.output_t_per_yr is not None
        }
        output |= known
        for activity, series in _flows(data).items():
            if activity in known:
                bought[activity][home] = series
    found = []
    for activity, homes in sorted(bought.items()):
        for year in sorted({year for series in homes.values() for year in series}):
            flows = {home: _at(series, year) for home, series in homes.items()}
            if sum(flows.values()) > output[activity] * ROUNDED:
                told = " + ".join(f"{tonnes:,.5g} t ({home})" for home, tonnes in sorted(flows.items()))
                expected = f"at most {output[activity]:,.5g} t a year in all, its output"
                found.append(
                    Fault(f"{HOMES}/*/capacities.csv", f"{activity}/{year}", "normal_t_per_yr", told, expected)
                )
    return found


def _flows(data: Dataset) -> dict[str, dict[int, float]]:
    """Source -> first year -> tonnes a year that the home usually buys from then on."""
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for row in data.rows("capacities"):
        usual = (
            row.capacity_t_per_yr if row.normal_t_per_yr is None else min(row.normal_t_per_yr, row.capacity_t_per_yr)
        )
        found[row.activity][row.from_year] = usual
    return found


def _at(series: dict[int, float], year: int) -> float:
    """A series in a year: its last value, and before it begins the first one."""
    begun = [first for first in series if first <= year]
    return series[max(begun)] if begun else series[min(series)]
