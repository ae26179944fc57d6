"""Doubts in words: how far off, in how many rows, the unit that was probably used, and compared with what."""

from __future__ import annotations

import math

from .compare import Doubt

MOST_ROWS = 3
"""How many rows of a column are named."""
Slips = tuple[tuple[float, float, str], ...]
"""Factor, how near (as a factor), words."""

TONNES: Slips = (
    (1e3, 4, "kg instead of tonnes"),
    (1e-3, 4, "kilotonnes instead of tonnes"),
    (1e6, 3, "grams instead of tonnes"),
    (1e-6, 3, "million tonnes instead of tonnes"),
    (2.20462, 1.03, "thousands of pounds instead of tonnes"),
    (2204.62, 1.03, "pounds instead of tonnes"),
)
YEARLY: Slips = (
    (1 / 12, 1.3, "tonnes a month instead of tonnes a year"),
    (1 / 365, 1.03, "tonnes a day instead of tonnes a year"),
)
MONEY: Slips = (
    (1e3, 4, "thousand USD instead of million USD"),
    (1e-3, 4, "billion USD instead of million USD"),
    (1e6, 3, "USD instead of million USD"),
)
PER_KG: Slips = (
    (1e3, 4, "USD per tonne instead of USD per kg"),
    (1e-3, 4, "USD per gram or thousand USD per kg instead of USD per kg"),
    (100, 1.8, "cents instead of USD"),
    (1 / 2.20462, 1.03, "USD per pound instead of USD per kg"),
)
PER_TONNE: Slips = (
    (1e-3, 4, "USD per kg or thousand USD per tonne instead of USD per tonne"),
    (1e-6, 3, "million USD instead of USD"),
    (1e3, 4, "USD per thousand tonnes instead of USD per tonne"),
    (100, 1.8, "cents instead of USD"),
)
SHARES: Slips = ((100, 1.8, "percent instead of a share"), (0.01, 1.8, "a share divided by 100 once too often"))
PERCENT: Slips = ((0.01, 1.8, "a share instead of percent"),)
MULTIPLES: Slips = ((100, 1.8, "percent instead of a multiple"),)
TIMES: Slips = (
    (12, 1.3, "months instead of years"),
    (365, 1.5, "days instead of years"),
    (52, 1.2, "weeks instead of years"),
)
RATES: Slips = ((100, 1.8, "percent instead of a rate"), (0.01, 1.8, "a rate divided by 100 once too often"))
OFTEN: Slips = ((1 / 12, 1.3, "a rate per month instead of one per year"), *RATES)
ENDS: tuple[tuple[str, Slips], ...] = (
    ("_t_per_yr", (*TONNES, *YEARLY)),
    ("_usd_per_kg", PER_KG),
    ("_usd_per_t", PER_TONNE),
    ("_share_per_yr", SHARES),
    ("rate_per_yr", OFTEN),
    ("_t", TONNES),
    ("_musd", MONEY),
    ("share", SHARES),
    ("probability", SHARES),
    ("kappa", SHARES),
    ("_pct", PERCENT),
    ("_yr", TIMES),
    ("years", TIMES),
    ("rate", RATES),
    ("score", SHARES),
    ("availability", SHARES),
    ("share_of_capex", SHARES),
    ("multiplier", MULTIPLES),
    ("multipliers", MULTIPLES),
)


def suggestion(doubt: Doubt) -> str:
    """What was expected, in words."""
    return f"about {short(doubt.value / doubt.factor)}, compared with {'; '.join(doubt.beside)}"


def size(doubt: Doubt, other: str = "") -> str:
    """What was found, how far off, in which rows, and a guess why, in words. other: the guess if no unit fits."""
    times, where = (doubt.factor, "high") if doubt.factor > 1 else (1 / doubt.factor, "low")
    parts = [f"{stated(doubt.value)}, about {short(times)} times too {where}"]
    if guess := slip(doubt.figure[2], doubt.factor) or other:
        parts.append(f"probably {guess}")
    if doubt.others:
        named = [figure[1] or figure[2] for figure in doubt.others]
        first, more = ", ".join(named[:MOST_ROWS]), len(named) - MOST_ROWS
        all_rows = len(named) + 1 == doubt.rows
        rows = (
            f"all {doubt.rows:,} rows of the column"
            if all_rows
            else f"{len(named) + 1:,} of {doubt.rows:,} rows of the column"
        )
        parts.append(f"the same in {rows} ({first}{f' and {more:,} more' if more > 0 else ''})")
    return ", ".join(parts)


def slip(column: str, factor: float) -> str:
    """The unit in which a column was probably given, in words; empty if the factor suggests none."""
    slips = _slips(column)
    near = [(abs(math.log(factor / unit)) / math.log(within), words) for unit, within, words in slips]
    return min((each for each in near if each[0] <= 1), default=(0.0, ""))[1]


def _slips(column: str) -> Slips:
    """Units in which a column, or a dotted field of a plan, may have been given."""
    names = [part for part in column.split(".") if not part.isdigit()]
    name = names[-1].removesuffix("_low").removesuffix("_high") if names else ""
    if "demand_multipliers" in names:  # by segment
        name = "demand_multipliers"
    return next((slips for end, slips in ENDS if name.endswith(end)), ())


def meant(column: str, value: float, low: float, high: float, usual: float) -> float:
    """Probable value of a figure outside its range: in the first unit that brings it within, else the usual value."""
    if low <= value <= high:
        return usual
    return next((value / unit for unit, _, _ in _slips(column) if low <= value / unit <= high), usual)


def stated(value: float) -> str:
    """A figure as written: exact if it has few digits."""
    return f"{value:.6g}" if 1e-4 <= value < 1000 else short(value)


def short(value: float) -> str:
    """A number with three significant figures, written out if that is readable."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if 1000 <= rounded < 1e12 else f"{rounded:.3g}"
