"""Scores 1 to 5 of one plan: tonnes covered, cost, mark to market, loss avoided, net; by material, at three ends.

`low`: tonnes lost, quotes of quarters and loss functions at their low ends; `high`: at their high ends; stock that is left is
valued at each end of the price beside. Purchases, holding and sales are carried to the end at the discount rate of the freeze;
the loss avoided and the stock that is left are not.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .execution import KG_PER_T, MUSD, Entry, Order, Sale, Terms, execute
from .losses import MARKET_COST, LossFunctions
from .realised import CASES, Ends, Realised, RealisedMarket
from .tables import day_of
from .timeline import first_day, last_day, middle_of, quarter_of, share_within, years_between

AFTER_CONTROL_DAYS = 90
CENTRAL = CASES.index("central")


@dataclass(frozen=True)
class Account:
    """One plan and material at one end."""

    material: str
    lost_t: float | None
    """Tonnes lost to the control; None: a gap."""
    covered_t: float
    bought_t: float
    spent_musd: float
    cost_musd: float
    """Purchases and holding, carried to the end."""
    sales_musd: float
    left_t: float
    market_ends: Ends
    """Mark to market at the end, at the low, central and high price of the end."""
    capped_musd: float
    """The same for no more than a year's depth."""
    avoided_musd: Mapping[str, float | None]
    """Function -> loss avoided; None: a gap."""
    unspent_musd: float

    @property
    def market_musd(self) -> float:
        """Mark to market at the central price of the end."""
        return self.market_ends[CENTRAL]

    def net(self, function: str, end: int = CENTRAL) -> float:
        """Loss avoided + mark to market + sales - cost; a gap counts as nothing avoided, and is told apart. end: of the market."""
        return (self.avoided_musd.get(function) or 0.0) + self.market_ends[end] + self.sales_musd - self.cost_musd


@dataclass(frozen=True)
class Scorer:
    """What every plan is scored with."""

    history: Realised
    terms: Mapping[str, Terms]
    functions: LossFunctions
    rate: float
    quarters: Sequence[int]

    @property
    def names(self) -> tuple[str, ...]:
        """Functions, the market cost last."""
        return (*self.functions.names, MARKET_COST)

    def ledger(
        self,
        orders: Iterable[Order],
        sales: Iterable[Sale],
        case: str,
        budget_musd: float | None,
        quarters: Sequence[int] | None = None,
    ) -> list[Entry]:
        """What the orders came to. quarters: None: all that are played."""
        market = RealisedMarket(self.history, case)
        losses = {key: ends[CASES.index(case)] for key, ends in self.releasable().items()}
        played = self.quarters if quarters is None else quarters
        return execute(orders, sales, market, self.terms, played, budget_musd=budget_musd, losses=losses)

    def releasable(self, kind: str = "attributed") -> dict[tuple[str, int], tuple[float, float, float]]:
        """(material, quarter) -> tonnes that a reserve may release: lost from the quarter after the control took effect on."""
        found = {}
        for material in self.history.inputs:
            first = self.history.first_release(material)
            fall = self._fall(material, kind)
            for quarter, ends in fall.items():
                if kind == "net" or (first is not None and quarter >= first):
                    found[material, quarter] = ends
        return found

    def _fall(self, material: str, kind: str) -> dict[int, tuple[float, float, float]]:
        if kind == "attributed":
            return self.history.losses(material)
        if kind == "net":
            return self.history.net_fall(material)
        own = self.terms.get(material)
        codes = self.history.suppliers(material)
        share = 0.0 if own is None else sum(own.shares.get(code, 0.0) for code in codes)
        return self.history.gross_fall(material, share)

    def covered(
        self, orders: Iterable[Order], sales: Iterable[Sale], kind: str, budget_musd: float | None
    ) -> dict[str, Any]:
        """Material -> (tonnes of a fall, tonnes of it that the plan covers), central, whatever else was lost."""
        fall = {key: ends[CENTRAL] for key, ends in self.releasable(kind).items()}
        market = RealisedMarket(self.history, "central")
        ledger = execute(orders, sales, market, self.terms, self.quarters, budget_musd=budget_musd, losses=fall)
        found = {}
        for material in self.history.inputs:
            whole = sum(ends[CENTRAL] for ends in self._fall(material, kind).values())
            found[material] = (whole, sum(entry.released_t for entry in ledger if entry.material == material))
        return found

    def accounts(self, ledger: Sequence[Entry], case: str, older: Iterable[Sale] = ()) -> list[Account]:
        """One account a material, of those that were bought or sold."""
        older_by: dict[str, list[Sale]] = {}
        for sale in older:
            if sale.quarter in self.quarters:
                older_by.setdefault(sale.material, []).append(sale)
        names = list(dict.fromkeys([entry.material for entry in ledger] + list(older_by)))
        return [
            self._account(name, [entry for entry in ledger if entry.material == name], case, older_by.get(name, []))
            for name in names
        ]

    def _account(self, material: str, ledger: Sequence[Entry], case: str, older: Sequence[Sale]) -> Account:
        n, own = CASES.index(case), self.terms.get(material)
        keep = 0.0 if own is None else 1 - own.haircut_share
        end = self.history.end_price(material)
        worth = [0.0 if end is None else price * keep * KG_PER_T / MUSD for price in end or (0.0,) * 3]
        cost = sales = 0.0
        for entry in ledger:
            carried = self.carried(middle_of(entry.quarter))
            cost += entry.spent_musd * carried
            sales += entry.proceeds_musd * carried
            cost += self.holding(entry, own) * carried
        market = RealisedMarket(self.history, case)
        sold_older = sum(sale.tonnes for sale in older)
        for sale in older:
            price = market.price(material, sale.quarter)
            sales += (
                0.0
                if price is None
                else sale.tonnes * price * keep * KG_PER_T / MUSD * self.carried(middle_of(sale.quarter))
            )
        left = ledger[-1].after_t if ledger else 0.0
        lost = self.history.attributed(material)
        depth = own.depth if own is not None else 0.0
        return Account(
            material,
            None if lost is None else lost[n],
            sum(entry.released_t for entry in ledger),
            sum(entry.bought_t for entry in ledger),
            sum(entry.spent_musd for entry in ledger),
            cost,
            sales,
            left,
            ((left - sold_older) * worth[0], (left - sold_older) * worth[1], (left - sold_older) * worth[2]),
            min(left, depth) * worth[CENTRAL],
            {name: self._avoided(name, material, ledger, n) for name in self.names},
            sum(entry.unspent_musd for entry in ledger),
        )

    def carried(self, day: dt.date) -> float:
        """What a dollar of a day is at the end."""
        return float((1 + self.rate) ** max(0.0, years_between(day, self.history.settings.end)))

    def holding(self, entry: Entry, own: Terms | None) -> float:
        """Holding cost of a quarter [million USD]: on the mean of the stock before and after, up to the end."""
        if own is None or entry.price_usd_per_kg is None:
            return 0.0
        length = share_within(
            entry.quarter, first_day(entry.quarter), min(last_day(entry.quarter), self.history.settings.end)
        )
        held = (entry.before_t + entry.after_t) / 2
        return held * entry.price_usd_per_kg * KG_PER_T / MUSD * own.holding_share_per_yr / 4 * length

    def value(self, function: str, material: str, quarter: int, n: int) -> float | None:
        """USD per tonne released in a quarter."""
        if function != MARKET_COST:
            ends = self.functions.values.get((function, material))
            return None if ends is None else ends[n]
        price, then = self.history.price_ends(material, quarter), self.history.freeze_price(material)
        return None if price is None or then is None else (price[n] - then) * KG_PER_T

    def _avoided(self, function: str, material: str, ledger: Sequence[Entry], n: int) -> float | None:
        """Million USD; None where the function has no value for the material."""
        if function != MARKET_COST and (function, material) not in self.functions.values:
            return None
        total = 0.0
        for entry in ledger:
            if entry.released_t > 0:
                value = self.value(function, material, entry.quarter, n)
                if value is None:
                    return None
                total += entry.released_t * value / MUSD
        return total

    def other_days(self, ledger: Sequence[Entry], case: str) -> list[dict[str, Any]]:
        """Mark to market 90 days after the control and at the peak, no more sold than a year's depth."""
        n, rows = CASES.index(case), []
        for material in dict.fromkeys(entry.material for entry in ledger):
            own = self.terms.get(material)
            day, inputs = self.history.control_day(material), self.history.inputs.get(material)
            if own is None or inputs is None:
                continue
            peak = day_of(inputs.peak_date)
            days = {"control": None if day is None else day + dt.timedelta(days=AFTER_CONTROL_DAYS), "peak": peak}
            found: dict[str, Any] = {"material": material}
            for name, when in days.items():
                quarter = None if when is None else quarter_of(when)
                held = next(
                    (entry.after_t for entry in ledger if entry.material == material and entry.quarter == quarter), 0.0
                )
                ends = None if quarter is None else self.history.price_ends(material, quarter)
                ends = self.history.peak_price(material) if name == "peak" else ends
                price = None if ends is None else ends[n]
                worth = (
                    None if price is None else min(held, own.depth) * price * (1 - own.haircut_share) * KG_PER_T / MUSD
                )
                found[f"{name}_musd"] = worth
            rows.append(found)
        return rows


def total(accounts: Iterable[Account], what: str) -> float:
    """Sum of a figure over materials; gaps left out."""
    return float(sum(getattr(account, what) or 0.0 for account in accounts))
