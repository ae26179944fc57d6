"""What others would have bought, or did: rivals of the plan, with the same execution.

Nothing; what history shows, in three readings (no purchases, the yearly ceilings of the stockpile's plan, funded orders), each
with the sales of the period; days of cover of normal use, bought evenly in the first year, scaled down to the budget and as
they are; equal money on each material; money by value of use.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .acts import budget_quarters
from .execution import KG_PER_T, MUSD, Order, Sale, Terms
from .settings import Settings
from .timeline import PER_YEAR, quarter_of

DAYS_PER_YEAR = 365.0
CEILING, FUNDED, SOLD = "amp", "funded order", "sale"
"""Records of the file of policy."""


@dataclass(frozen=True)
class Rival:
    """A plan that others could have had."""

    name: str
    orders: tuple[Order, ...] = ()
    sales: tuple[Sale, ...] = ()
    scaled: bool = True
    """Whether it keeps to the budget; one that does not is shown and not ranked."""
    history: bool = False
    """Whether it is what was done or planned: it has its own money."""
    older_sales: tuple[Sale, ...] = ()
    """Sales of stock that was held before the freeze: proceeds count, less what the tonnes would be worth at the end."""
    note: str = ""


def rivals(
    settings: Settings,
    budget_musd: float,
    use: Mapping[str, tuple[float, float]],
    terms: Mapping[str, Terms],
    policy: Sequence[Any],
) -> Iterator[Rival]:
    """Every rival at a budget. use: material -> normal use [t/yr] and price at the freeze [USD/kg] of the plan's first day."""
    yield Rival("nothing", note="no purchase")
    yield from history(policy)
    year = list(budget_quarters(settings))[:PER_YEAR]
    for days in settings.cover_days:
        wanted = {m: t * days / DAYS_PER_YEAR for m, (t, _) in use.items()}
        whole = {m: wanted[m] * use[m][1] * _with_premium(wanted[m], terms[m]) * KG_PER_T / MUSD for m in wanted}
        total = sum(whole.values())
        scale = min(1.0, budget_musd / total) if total > 0 else 1.0
        evenly = [(m, q, t / len(year)) for m, t in wanted.items() for q in year]
        yield Rival(f"{days:g} days of cover", tuple(Order(m, q, tonnes=t * scale) for m, q, t in evenly))
        if scale < 1:
            orders = tuple(Order(m, q, tonnes=t) for m, q, t in evenly)
            yield Rival(
                f"{days:g} days of cover, unscaled", orders, scaled=False, note=f"{total:,.0f} million USD asked for"
            )
    quarters = list(budget_quarters(settings))
    value = {m: tonnes * price for m, (tonnes, price) in use.items()}
    for name, weight in (("equal money", dict.fromkeys(use, 1.0)), ("money by value of use", value)):
        total = sum(weight.values())
        shares = {m: w / total for m, w in weight.items()} if total > 0 else {}
        yield Rival(
            name, tuple(Order(m, q, musd=budget_musd * w / len(quarters)) for m, w in shares.items() for q in quarters)
        )


def _with_premium(tonnes: float, terms: Terms) -> float:
    """Mean of one and the premium at which a year's tonnes can be bought; beyond the depth the last one."""
    left, cost = tonnes, 0.0
    for depth, premium in zip(terms.depth_t_per_yr, terms.premium_share, strict=True):
        part = min(left, depth)
        cost += part * (1 + premium)
        left -= part
    last = terms.premium_share[-1] if terms.premium_share else 0.0
    return (cost + left * (1 + last)) / tonnes if tonnes > 0 else 1.0


def history(policy: Sequence[Any]) -> Iterator[Rival]:
    """The readings of what the government did, as far as the file has them."""
    if not policy:
        return
    sales = [
        (row.material, row.date, row.quantity) for row in policy if row.record == SOLD and row.quantity and row.date
    ]
    sold = tuple(Sale(material, quarter_of(day), tonnes) for material, day, tonnes in sales)
    note = f"{_gaps(policy, SOLD)} figures of sales are gaps"
    yield Rival("history: no purchases", (), history=True, older_sales=sold, note=note)
    ceilings = [row for row in policy if row.record == CEILING and row.quantity and row.date]
    bought = tuple(
        Order(row.material, q, tonnes=row.quantity / PER_YEAR) for row in ceilings for q in fiscal_quarters(row.date)
    )
    told = f"{_gaps(policy, CEILING)} ceilings are gaps"
    yield Rival("history: ceilings", bought, history=True, older_sales=sold, note=told)
    funded = [row for row in policy if row.record == FUNDED and row.usd_million and row.date]
    orders = tuple(Order(row.material, quarter_of(row.date), musd=row.usd_million) for row in funded)
    yield Rival("history: funded orders", orders, history=True, older_sales=sold)


def _gaps(policy: Iterable[Any], record: str) -> int:
    return sum(row.record == record and row.quantity is None for row in policy)


def fiscal_quarters(begin: dt.date) -> range:
    """The four quarters of a fiscal year that begins on a day."""
    first = quarter_of(begin)
    return range(first, first + PER_YEAR)
