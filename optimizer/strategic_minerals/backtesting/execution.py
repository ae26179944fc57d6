"""What orders come to: money becomes tonnes at the price of the quarter, as deep as the market is, from countries that sell.

The same code runs twice: with what is known on the day of a re-plan, for the reserve's own books, and with what happened, for
the scores.

- Orders of a quarter are filled from the cheapest step of the material's offer curve (the plan's own at its first day), a
  quarter of a year's depth each. What countries make whose control on the material is in force is out of reach, by days.
- A missing tonne is released, as far as there is stock at the beginning of the quarter, from the quarter after the control
  took effect.
- Sales: at the price less the haircut, no more than there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from .timeline import PER_YEAR

KG_PER_T = 1000.0
MUSD = 1e6
ROUNDING = 1e-12


@dataclass(frozen=True)
class Terms:
    """On what terms a reserve buys, holds and sells a material: those of the first plan that knows it."""

    depth_t_per_yr: tuple[float, ...]
    premium_share: tuple[float, ...]
    haircut_share: float
    holding_share_per_yr: float
    shares: Mapping[str, float]
    """Country -> share of what can be bought (world output; where that is not published, imports)."""

    @property
    def depth(self) -> float:
        """Tonnes a year of all steps."""
        return sum(self.depth_t_per_yr)


class Market(Protocol):
    """Prices and controls, as known or as they were."""

    def price(self, material: str, quarter: int) -> float | None:
        """USD/kg in a quarter; None: not known."""
        ...

    def closed(self, material: str, quarter: int, terms: Terms) -> float:
        """Share of the offers that cannot be bought in a quarter."""
        ...


@dataclass(frozen=True)
class Order:
    """Money to be spent on a material in a quarter (premium included), or tonnes to be bought whatever they cost."""

    material: str
    quarter: int
    musd: float | None = None
    tonnes: float | None = None


@dataclass(frozen=True)
class Sale:
    """Tonnes to be sold in a quarter."""

    material: str
    quarter: int
    tonnes: float


@dataclass(frozen=True)
class Entry:
    """One material in one quarter of a ledger."""

    material: str
    quarter: int
    before_t: float
    """Stock at the beginning."""
    bought_t: float
    spent_musd: float
    sold_t: float
    proceeds_musd: float
    released_t: float
    after_t: float
    price_usd_per_kg: float | None
    unspent_musd: float
    """Money ordered that could not be spent: depth, controls, the budget, no price."""


def execute(
    orders: Iterable[Order],
    sales: Iterable[Sale],
    market: Market,
    terms: Mapping[str, Terms],
    quarters: Sequence[int],
    *,
    budget_musd: float | None = None,
    losses: Mapping[tuple[str, int], float] | None = None,
) -> list[Entry]:
    """The ledger of all materials and quarters, quarter by quarter. Orders of materials without terms or price stay unspent.

    budget_musd: no more is spent in all; orders of a quarter are cut alike. losses: tonnes that can be released.
    """
    asked: dict[tuple[str, int], list[Order]] = {}
    for order in orders:
        asked.setdefault((order.material, order.quarter), []).append(order)
    leaving: dict[tuple[str, int], float] = {}
    for sale in sales:
        leaving[sale.material, sale.quarter] = leaving.get((sale.material, sale.quarter), 0.0) + sale.tonnes
    materials = list(dict.fromkeys([material for material, _ in asked] + [material for material, _ in leaving]))
    stock = dict.fromkeys(materials, 0.0)
    left = float("inf") if budget_musd is None else budget_musd
    ledger: list[Entry] = []
    for quarter in quarters:
        wanted = {m: _filled(asked.get((m, quarter), []), m, quarter, market, terms) for m in materials}
        total = sum(spent for _, spent, _ in wanted.values())
        scale = 1.0 if total <= left + ROUNDING * max(total, 1.0) else max(0.0, left) / total
        for material in materials:
            tonnes, spent, unspent = wanted[material]
            if scale < 1.0:
                cut = [Order(material, quarter, musd=spent * scale)]
                tonnes, again, _ = _filled(cut, material, quarter, market, terms)
                spent, unspent = again, unspent + spent - again
            left -= spent
            before = stock[material]
            released = min(before, (losses or {}).get((material, quarter), 0.0))
            price = market.price(material, quarter)
            own = terms.get(material)
            sold = (
                0.0 if price is None or own is None else min(leaving.get((material, quarter), 0.0), before - released)
            )
            worth = 0.0 if price is None or own is None else price * (1 - own.haircut_share) * KG_PER_T / MUSD
            stock[material] = before - released - sold + tonnes
            ledger.append(
                Entry(
                    material,
                    quarter,
                    before,
                    tonnes,
                    spent,
                    sold,
                    sold * worth,
                    released,
                    stock[material],
                    price,
                    unspent,
                )
            )
    return ledger


def _filled(
    orders: Sequence[Order], material: str, quarter: int, market: Market, terms: Mapping[str, Terms]
) -> tuple[float, float, float]:
    """(tonnes, million USD spent, million USD ordered and not spent) of the orders of a material in a quarter."""
    money = sum(order.musd for order in orders if order.musd is not None)
    wanted = sum(order.tonnes for order in orders if order.tonnes is not None)
    if money <= 0 and wanted <= 0:
        return 0.0, 0.0, 0.0
    price, own = market.price(material, quarter), terms.get(material)
    if price is None or own is None or price <= 0:
        return 0.0, 0.0, money
    room = max(0.0, 1 - market.closed(material, quarter, own)) / PER_YEAR
    tonnes = spent = 0.0
    for depth, premium in zip(own.depth_t_per_yr, own.premium_share, strict=True):
        cost = price * (1 + premium) * KG_PER_T / MUSD
        free = depth * room
        for_tonnes = min(free, wanted)
        for_money = min(free - for_tonnes, money / cost)
        wanted -= for_tonnes
        money -= for_money * cost
        tonnes += for_tonnes + for_money
        spent += (for_tonnes + for_money) * cost
    return tonnes, spent, max(0.0, money)


def spent_in(ledger: Iterable[Entry]) -> float:
    """Million USD spent in all."""
    return sum(entry.spent_musd for entry in ledger)


def held_at(ledger: Iterable[Entry], quarter: int) -> dict[str, float]:
    """Material -> tonnes after a quarter."""
    return {entry.material: entry.after_t for entry in ledger if entry.quarter == quarter}
