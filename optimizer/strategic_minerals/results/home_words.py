"""A plan's home in words: its money beside the dollar, and how much of its figures somebody has published."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from ..audit.figures import Figures
from ..data.dataset import Dataset
from ..data.homes import home_row
from ..schemas.plan import Plan
from ..schemas.tables import HOME_TABLES
from .act_now import ActNow

USD = "USD"
DIGITS = 3


@dataclass(frozen=True)
class HomeMoney:
    """The money and the figures of a home."""

    name: str
    currency: str
    per_usd: float
    """Mean of the price year, or of the last year before it that is known; NaN where none is."""
    rate_year: int
    reported: int
    derived: int
    estimated: int
    """Rows of the home's own tables."""


def home_money(plan: Plan, data: Dataset) -> HomeMoney | None:
    """Of a plan's home; None where no table names it."""
    row = home_row(data, plan.home)
    if row is None:
        return None
    rates = {r.money_year: r.local_per_usd for r in data.rows("exchange_rates") if r.currency == row.currency}
    year = max((y for y in rates if y <= plan.price_year), default=0)
    kinds = Counter(each.confidence for table in HOME_TABLES for each in data.rows(table))
    return HomeMoney(
        row.name,
        row.currency,
        rates.get(year, math.nan),
        year,
        kinds["reported"],
        kinds["derived"],
        kinds["estimate"],
    )


def in_own_money(home: HomeMoney | None, figures: Figures, act_now: ActNow | None) -> list[str]:
    """Worth, losses and spending in the home's currency; nothing where that is the dollar or its rate is not known."""
    if home is None or home.currency == USD or math.isnan(home.per_usd):
        return []
    tested = act_now is not None and not act_now.why_not
    worth = act_now.figure("worth_musd") if tested and act_now is not None else figures.value("worth_musd")
    spent, given = figures.total("outlay_by_year_musd"), figures.total("appropriation_by_year_musd")
    return [
        f"In {home.currency} (million, {home.per_usd:,.6g} to the dollar in {home.rate_year}): worth {_local(worth, home)}, "
        f"spends {_local(spent, home)} of {_local(given, home)} appropriated."
    ]


def confidence_said(home: HomeMoney | None) -> list[str]:
    """How many of the home's own rows are reported, derived and estimated."""
    if home is None:
        return []
    return [
        f"  Of the home's own figures ({home.name}) {home.reported:,} rows are reported, {home.derived:,} derived and "
        f"{home.estimated:,} estimated."
    ]


def _local(musd: float, home: HomeMoney) -> str:
    value = musd * home.per_usd
    size = 10 ** max(0, math.floor(math.log10(abs(value))) + 1 - DIGITS) if value else 1
    return f"{round(value / size) * size:,.0f}"
