"""The question and the facts as aligned arrays: everything the mathematics needs, nothing it does not.

Units: tonnes (flows per period, stocks at the end of a period), million USD of the plan's price year, so prices
are million USD per tonne. Periods are counted 0..T-1, fiscal years 0..F-1. Producers `j` are the existing sources
first, then the projects. Demands `q` are (material, segment) pairs. `build.py` makes an instance from plan and tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..core.arrays import Bools, Floats, Ints
from ..schemas.plan import Plan
from .calendar import Calendar, start_periods
from .carried import Carried
from .floor import Floor
from .purchases import Purchase

ROUNDING = 1e-9
"""Relative difference of two amounts of money that counts as none."""


DEFENCE, ESSENTIAL, OTHER = 1, 2, 3
"""Priorities of users, as `DemandRow.priority` counts them."""


@dataclass(frozen=True)
class MarketFloor:
    """A market-wide floor level that the plan may choose."""

    name: str
    floor: Floor
    eligible: Bools
    """(J,) producers whose output is topped up."""
    embedded: bool


@dataclass(frozen=True)
class Instrument:
    """A capital instrument; rates per year, times in years."""

    name: str
    kind: str
    score: float
    max_share: float
    rate: float
    tenor: float
    grace: float
    grant_on_top: bool


@dataclass(frozen=True)
class Package:
    """One way to support any or one project, before market floors are added."""

    name: str
    """For printing; no other package of the plan is called so."""
    row: str
    """The row of the table that it is, with a floor of the plan's menu or without; `none` for no capital support."""
    project: int | None
    instrument: Instrument
    offtake: float
    fee: float
    """[million USD/t under offtake]"""
    fee_share: float
    """Share of the base price of what is under offtake."""
    floor: Floor | None
    take_share: float | None = None


@dataclass(frozen=True)
class Project:
    """What only projects have; capacity, yields and prices are in the producers' arrays."""

    name: str
    producer: int
    capex: float
    financed: float
    """Share of capex that others have paid or promised."""
    lead: int
    life: int
    ramp: Floats
    """(life,) share of capacity by age in periods."""
    hurdle: float
    earliest: int
    """First period in which it may be signed; a baseline project is signed then by its owner."""
    additional: bool
    committed: bool
    """Under construction with its finance agreed: it has no capex left and no gap."""
    supportable: bool
    """False: the plan may not support it; it stands only if its owner builds it anyway."""
    needs: tuple[int, ...]
    excludes: tuple[int, ...]


@dataclass(frozen=True)
class Procurement:
    """What rules of origin leave open to the authority (`procurement`). Without rules everything is."""

    purchase_open: Bools
    """(J, I, T) whether the reserve may buy a producer's output of a material."""
    support_open: Bools
    """(P, T) whether a package for a project may be signed."""
    offtake_open: Bools
    """(J, T) whether an offtake contract with a source may begin."""
    clean: Bools
    """(J,) whether a producer makes clean material of clean feed: no rule with reach-back excludes its country or its declared
    feed."""
    clean_purchases: Bools
    """(I, T) materials that the reserve buys clean, back to the mine."""
    clean_support: Bools
    """(I, T) materials that supported projects make of clean feed."""
    closed: tuple[tuple[str, str], ...]
    """(what, by which rule) of offers, projects and contracts that are closed in every planned period."""


@dataclass(frozen=True)
class Instance:
    """All arrays of one planning problem, in natural units."""

    plan: Plan
    calendar: Calendar
    materials: tuple[str, ...]
    component: Ints
    """(I,) component of each material."""
    components: tuple[str, ...]
    """Name of each: that of its first material."""
    chain: Ints
    """(I,) chain of each material: what producers link within one home, which is in short supply together. A component may hold the
    chains of several homes, which a pool or a seller links."""
    price: Floats
    """(I, T) trunk price: the lowest at which a material is sold."""
    outside_quote: Floats
    """(I,) price quoted outside the countries that control a material; 0 where there is one market."""
    outside_share: Floats
    """(I, T) share of each period in which it is sold in two markets."""
    outside: Bools
    """(J, I) whether a producer sells what it makes in the market outside the countries that control it, or may in an event."""
    embedded: Bools
    """(I,) materials that come only inside imported goods: no plan can supply them."""
    pool: tuple[str, ...]
    """(I,) stock of materials with one pool may be moved from one to another; empty: of none."""
    pooled_in_events: Bools
    """(I,) whether it is moved in a disruption; False: before one."""
    freight: Floats
    """(I,) what moving stock of a material costs [million USD/t]."""
    base_price: Floats
    """(I,) price of the price set, controls not counted."""
    haircut: Floats
    holding: Floats
    """(I,) holding cost [million USD/t/year]."""
    decay: Floats
    """(I,) share of stock lost per period."""
    salvage: Floats
    resale: Floats
    storage: Floats
    """(I,) inf: no limit."""
    drawdown: Floats
    """(I,) most released per period; inf: no limit."""
    disposal: Floats
    opening: Floats
    producers: tuple[str, ...]
    sources: int
    """Number of existing sources; producers from here on are projects."""
    country: tuple[str, ...]
    members: tuple[frozenset[str], ...]
    """(J,) countries of the home whose users each producer serves."""
    home: Bools
    """(J,) in one of them."""
    allied: Bools
    """(J,) in one of them, with an ally or a partner."""
    overland: Bools
    """(J,) in a foreign country that borders one of them on land."""
    yields: Floats
    """(J, I)"""
    capacity: Floats
    """(J, T) tonnes of activity per period."""
    feed: tuple[tuple[str, ...], ...]
    """(J,) countries of each producer's feed as declared, `modelled` for materials of the plan; empty where nothing is declared."""
    usual: Floats
    """(J, T) usual flow as a share of capacity, of which profiled disruptions cut their share; 1 where none is stated."""
    availability: Floats
    """(J, T) trunk availability: controls in force at the start."""
    premium: Floats
    cash: Floats
    kappa: Floats
    restart: Ints
    in_force: tuple[tuple[Floor, ...], ...]
    """(J,) floors agreed before the plan: they keep a source alive and cost this plan nothing."""
    contract_lot: Floats
    """(J,) tonnes per period; nan: no contracts offered."""
    contract_fee: Floats
    contract_term: Ints
    offers: tuple[str, ...]
    offer_material: Ints
    offer_source: Ints
    """(O,) producer, or -1 for `outside`."""
    offer_country: tuple[str, ...]
    """(O,) country of origin as declared: that of its source; empty where nothing is published."""
    offer_depth: Floats
    """(O,) tonnes per period."""
    offer_outside: Bools
    """(O,) whether an offer sells in the market outside."""
    offer_open: Floats
    """(O, T) 1 where the rules of origin leave an offer open, else 0."""
    offer_premium: Floats
    offer_crisis: Floats
    """(O,) availability in a crisis of `outside` offers; 1 elsewhere (the source's own counts)."""
    sellers: tuple[str, ...]
    offer_seller: Ints
    """(O,) the seller that an offer shares with others, or -1."""
    seller_depth: Floats
    """(sellers, T) what each sells to all its offers together [t per period]."""
    demands: tuple[tuple[str, str], ...]
    """(material, segment) of each."""
    priority: Ints
    """(demands,) 1 defence, 2 other essential uses, 3 the rest (`DemandRow.priority`)."""
    demand_material: Ints
    demand: Floats
    """(Q, T)"""
    tiers: tuple[tuple[int, int], ...]
    """(demand, tier) of each tier."""
    tier_share: Floats
    tier_loss: Floats
    """(N,) gross loss per tonne unmet [million USD/t]: base price plus named loss."""
    tier_named: Floats
    """(N,) named loss alone, the base price left out [million USD/t]."""
    adaptation: tuple[tuple[tuple[float, float], ...], ...]
    """(Q) (month, multiplier on the named loss from then on) pairs in order; none: the loss does not change with time."""
    steps: tuple[tuple[int, int], ...]
    step_limit: Floats
    step_cost: Floats
    users: tuple[tuple[int, int], ...]
    """(material, demand) of each stock that users hold themselves; demand -1: held by the plants that use the material."""
    users_level: Floats
    """(U,) what they hold when undisturbed [t]."""
    users_missing: Floats
    """(U,) what they lack of it when the plan starts [t]."""
    carried: Carried
    """What was signed before this plan and is paid by it."""
    projects: tuple[Project, ...]
    packages: tuple[Package, ...]
    market_floors: tuple[MarketFloor, ...]
    state_factor: Floats
    state_probability: Floats
    material_unit: Floats
    """(I,) tonnes that one unit of a material stands for: 1 here, other in a scaled instance."""
    producer_unit: Floats
    """(J,) the same for producers."""
    money_unit: float
    """Million USD that the solver counts as one: 1 here, other in a scaled instance."""
    procurement: Procurement
    """What the rules of origin leave open to the authority."""
    left_out: tuple[tuple[str, str], ...]
    """(what, why) of producers and projects that the plan's materials leave out, of what rules of origin close, and of
    `impossible`."""
    impossible: tuple[tuple[str, str], ...]
    """(what, why) of packages and floors that plan and tables have and nobody can be given."""

    @cached_property
    def producer_component(self) -> Ints:
        """(J,) component of each producer."""
        first = np.array([int(np.flatnonzero(row)[0]) for row in self.yields], dtype=int).reshape(-1)
        return self.component[first] if len(first) else first

    @property
    def largest_premium(self) -> Floats:
        """(I,) largest premium that a producer of each material asks of users, 0 where none asks one."""
        asked = np.where(self.yields > 0, self.premium[:, None], 0.0)
        return np.asarray(asked.max(axis=0, initial=0.0), dtype=float)

    def market_price(
        self, material: int, outside: bool, price: Floats, periods: Ints | None = None, gap: Floats | None = None
    ) -> Floats:
        """(..., n) price of a material in one of its two markets, of that in the lower one (..., n).

        (1 - share) P + share max(P, quote min(1, P / P_trunk)) outside: a rise counts where it is dearer than the quote, a fall
        counts in both; at least P gap. periods: (n,) of each price, from the first on where none are given; the end of the horizon
        holds after it. gap: (..., n) price outside as a multiple of it in an event; none: 1.
        """
        if not outside:
            return price
        apart = price if gap is None else price * gap
        if not self.outside_quote[material]:
            return apart
        t = np.arange(price.shape[-1]) if periods is None else periods
        t = np.minimum(t, self.calendar.periods - 1)
        share, fall = self.outside_share[material, t], np.minimum(1.0, price / self.price[material, t])
        standing = (1 - share) * price + share * np.maximum(price, self.outside_quote[material] * fall)
        return np.asarray(np.maximum(standing, apart))

    def purchase_price(self, purchase: Purchase, price: Floats, gap: Floats | None = None) -> Floats:
        """(..., T) what a purchase costs in its market, (1+premium) P, of the lower market price (..., T)."""
        return np.asarray(
            (1 + purchase.premium) * self.market_price(purchase.material, purchase.outside, price, gap=gap)
        )

    def dearest_price(
        self, material: int, price: Floats, periods: Ints | None = None, gap: Floats | None = None
    ) -> Floats:
        """(..., n) what users pay for a material where it is sold dearest, of its lower market price (..., n).

        max over its producers of (1+premium) P, at the price of each one's market
        """
        most = (1 + self.largest_premium[material]) * price
        beyond = (self.yields[:, material] > 0) & self.outside[:, material]
        if beyond.any():
            asked = 1 + float(self.premium[beyond].max())
            most = np.maximum(most, asked * self.market_price(material, True, price, periods, gap))
        return np.asarray(most, dtype=float)

    def loss_changes(self, demand: int) -> bool:
        """Whether the loss of a tonne missing changes from period to period: it adapts, or the material is sold in two markets."""
        return bool(self.adaptation[demand]) or self.outside_quote[self.demand_material[demand]] > 0

    def dearer_outside(self, material: int) -> Floats:
        """(T,) how much dearer, undisturbed, a material is in the dearest of two markets than in one, premiums included."""
        calm = self.price[material]
        return np.asarray(self.dearest_price(material, calm) - (1 + self.largest_premium[material]) * calm)

    @property
    def two_markets(self) -> Bools:
        """(I,) materials that somebody sells in a market outside the countries that control them."""
        sold = np.array(self.outside.any(axis=0), dtype=bool)
        sold[self.offer_material[self.offer_outside]] = True
        return np.asarray(sold)

    @property
    def at_risk(self) -> Bools:
        """(I,) materials whose losses risk measures count: not those inside imported goods, unless the plan asks for them."""
        return np.asarray(~self.embedded | self.plan.risk.embedded, dtype=bool)

    @property
    def appropriation(self) -> Floats:
        """(F,) appropriation of each fiscal year."""
        return self.by_year(self.plan.budget.appropriation_musd)

    @property
    def budget_holding(self) -> Floats:
        """(I,) the part of `holding` that the budget pays: none of it where members pay."""
        return np.zeros_like(self.holding) if self.plan.budget.members_pay_holding else self.holding

    @property
    def available(self) -> Floats:
        """(F,) money of each fiscal year: its appropriation, and in the first what was kept of the year before."""
        money = self.appropriation
        money[0] += self.plan.budget.carried_in_musd
        return money

    @property
    def owed(self) -> Floats:
        """(F,) what each fiscal year costs before any decision: holding the opening stock if nothing is taken out, and what was
        signed before this plan."""
        t = np.arange(1, self.calendar.periods + 1)
        left = self.opening[:, None] * (1 - self.decay[:, None]) ** t
        by_period = (self.budget_holding[:, None] * left).sum(axis=0) * self.calendar.step
        held = np.array([by_period[self.calendar.year_index == f].sum() for f in range(len(self.calendar.years))])
        return held + self.carried.due

    @property
    def spendable(self) -> Floats:
        """(F,) most that this plan's own acts and its stock may cost in each fiscal year: the money of the year, and at least what
        is owed already, less what was signed before."""
        return np.maximum(self.available, self.owed) - self.carried.due

    @property
    def spendable_in_all(self) -> float | None:
        """The limit on all outlays of the planned years, likewise; None where the plan sets none."""
        total, planned = self.plan.budget.total_musd, len(self.calendar.planned_years)
        due = float(self.carried.due[:planned].sum())
        return None if total is None else max(total, float(self.owed[:planned].sum())) - due

    @property
    def owed_beyond(self) -> Floats:
        """(F,) what is owed already beyond the money of the year, where money added to it buys nothing; rounding is none."""
        beyond = np.maximum(self.available, self.owed) - self.available
        return np.where(beyond > ROUNDING * np.maximum(self.available, self.owed), beyond, 0.0)

    @property
    def owed_beyond_in_all(self) -> float:
        """The same of the total budget; 0 where the plan sets none."""
        total, owed = self.plan.budget.total_musd, float(self.owed[: len(self.calendar.planned_years)].sum())
        beyond = 0.0 if total is None else max(total, owed) - total
        return beyond if beyond > ROUNDING * max(owed, total or 0.0) else 0.0

    @property
    def contract_periods(self) -> list[int]:
        """Periods in which offtake contracts may start."""
        return start_periods(self.calendar, self.plan.instruments.contract_years)

    @property
    def signing_periods(self) -> list[int]:
        """Periods in which packages may be signed."""
        return start_periods(self.calendar, self.plan.instruments.signing_years)

    def by_year(self, series: float | Mapping[int, float]) -> Floats:
        """(F,) a figure, or a series by year that holds its last value and is 0 before its first year."""
        years = self.calendar.years
        if not isinstance(series, Mapping):
            return np.full(len(years), float(series))
        known = sorted(series.items())
        return np.array([next((v for y, v in reversed(known) if y <= year), 0.0) for year in years], dtype=float)
