"""Figures of the tables in words: what a column holds, of what, and how much in which unit."""

from __future__ import annotations

import re

from .names import Names

UNITS = {
    "_usd_per_kg": "USD/kg",
    "_usd_per_t": "USD/t",
    "_t_per_yr": "t/yr",
    "_t_per_t": "t/t",
    "_per_yr": "per year",
    "_musd": "million USD",
    "_pct": "%",
    "_share": "share",
    "_yr": "years",
    "_t": "t",
    "share": "share",
    "probability": "probability",
    "days_of_use": "days of that year's use",
    "fiscal_year": "fiscal year",
    "period": "fiscal year, and the part of it where there are several",
}
"""Ending of a column's name -> unit, the longest first."""

WORDS = {
    "haircut_share": "discount on what the reserve sells",
    "holding_share_per_yr": "yearly cost of holding stock",
    "decay_share_per_yr": "stock that spoils in a year",
    "salvage_share": "worth of the stock left at the end, as a share of its price",
    "resale_share": "share of the market price that users pay for released stock",
    "storage_t": "room in store",
    "drawdown_t_per_yr": "most that the reserve can release in a year",
    "disposal_t_per_yr": "most that the reserve can sell off in a year",
    "net_import_reliance_pct": "net import reliance",
    "premium_share": "premium over the market price",
    "cash_usd_per_kg": "cash cost",
    "kappa": "supply left in a crisis for users without a contract",
    "lot_t_per_yr": "smallest contract",
    "fee_usd_per_kg": "contract fee",
    "term_yr": "term of a contract",
    "restart_yr": "time to restart after a shutdown",
    "floor_usd_per_kg": "guaranteed price",
    "floor_until_year": "last year of the guaranteed price",
    "floor_term_yr": "term of the guaranteed price",
    "money_year": "year of the price level",
    "from_year": "first year",
    "capacity_t_per_yr": "capacity",
    "yield_t_per_t": "yield",
    "demand_t_per_yr": "demand",
    "loss_multiplier": "multiple of the loss per tonne",
    "share": "share of the demand",
    "limit_share": "most that can be substituted",
    "cost_usd_per_kg": "cost of substituting",
    "price_usd_per_kg": "price",
    "factor": "multiple of the price",
    "capex_musd": "capital cost",
    "lead_yr": "time until first output",
    "life_yr": "years of output",
    "hurdle_rate": "return that the owner asks for",
    "age_yr": "years since first output",
    "ramp_share": "capacity reached",
    "offtake_share": "output under contract",
    "offtake_fee_usd_per_kg": "contract fee",
    "offtake_fee_share": "contract fee",
    "upside_share": "share of high prices that is paid back",
    "take_t_per_yr": "quantity under contract",
    "score": "budget cost of the capital given",
    "max_share_of_capex": "most of the capital cost that is covered",
    "rate": "interest rate",
    "tenor_yr": "term of the loan",
    "grace_yr": "time before repayment begins",
    "depth_t_per_yr": "largest quantity on offer",
    "crisis_availability": "share that can still be bought in a crisis",
    "rate_per_yr": "how often it occurs",
    "duration_yr": "duration",
    "cut_share": "supply cut",
    "price_multiplier": "price during the disruption, as a multiple of the usual one",
    "flood_yr": "time of low prices before the disruption",
    "flood_multiplier": "price in that time, as a multiple of the usual one",
    "third_country_cut_share": "supply cut of third countries",
    "after_probability": "probability that another disruption follows",
    "after_lag_yr": "time until another disruption follows",
    "observed_yr": "years of record",
    "opening_t": "stock at the start",
    "loss_usd_per_t": "loss from a missing tonne, beyond its price",
    "price_index": "price index",
    "production_t": "output",
    "reserves_t": "reserves in the ground",
    "consumption_t": "use",
    "imports_t": "imports",
    "exports_t": "exports",
    "world_production_t": "world output",
}
"""Column -> what it holds, as one says it of one thing; others are told by their names."""
SHARES = ("share", "kappa", "crisis_availability", "probability", "hurdle_rate", "rate", "score", "max_share_of_capex")
"""Columns that hold shares and do not say so by their ending."""
ENDS = {"_low": "lowest estimate of the ", "_high": "highest estimate of the "}


def column_in_words(column: str) -> str:
    """What a column holds: `largest quantity on offer`; for an end of a range that as well."""
    for end, words in ENDS.items():
        if column.endswith(end):
            return f"{words}{column_in_words(column.removesuffix(end))}"
    if column in WORDS:
        return WORDS[column]
    ending = next((end for end in UNITS if end.startswith("_") and column.endswith(end)), "")
    return column.removesuffix(ending).replace("_", " ")


def unit_in_words(column: str) -> str:
    """The unit of a column after a number, with a blank before it; empty where it has none that one says."""
    base = column.removesuffix("_low").removesuffix("_high")
    unit = next((unit for end, unit in UNITS.items() if end.startswith("_") and base.endswith(end)), "")
    return f" {unit}" if unit and unit != "share" else ""


def amount_in_words(column: str, value: float) -> str:
    """A value with its unit; shares that a column's name tells as such are percentages: `15%`, `1.87 t/yr`."""
    base = column.removesuffix("_low").removesuffix("_high")
    if base.endswith("_share") or base in SHARES:
        return f"{100 * value:.3g}%"
    return f"{number_in_words(value)}{unit_in_words(column)}"


def number_in_words(value: float, figures: int = 3) -> str:
    """So many figures, or all before the point where there are more; without an exponent from 0.0001 on."""
    return f"{value:,.0f}" if abs(value) >= 10**figures - 0.5 else f"{value:,.{figures}g}"


PARTS = {"*": "all", "direct": "the controlled flow", "effective": "arrivals of all origins"}
"""Parts of keys that are no names."""


def owner_in_words(key: str, names: Names) -> str:
    """Whose figure it is, by the names of the parts of its row's key: `Gallium, defence, 2026`; `*` in it stands for all, a number
    with a point for the month from which on a step of a profile counts."""
    return ", ".join(_part_in_words(part, names) for part in key.split("/"))


def _part_in_words(part: str, names: Names) -> str:
    if re.fullmatch(r"\d+\.\d+", part):
        return f"from month {float(part):g}"
    return PARTS.get(part) or names.any(part)


def range_in_words(key: str, column: str, low: float, value: float, high: float, names: Names) -> str:
    """An uncertain figure: `Gallium, defence, 2026: demand 1.87 t/yr (0.561 to 5.61)`."""
    unit = unit_in_words(column)
    first, last = (amount_in_words(column, end).removesuffix(unit) for end in (low, high))
    return (
        f"{owner_in_words(key, names)}: {column_in_words(column)} {amount_in_words(column, value)} ({first} to {last})"
    )
