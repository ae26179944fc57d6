"""The question and the facts as aligned arrays: everything the mathematics needs, nothing it does not.

Units: tonnes (flows per period, stocks at the end of a period), million USD of the plan's price year, so prices
are million USD per tonne. Periods are counted 0..T-1, fiscal years 0..F-1. Producers `j` are the existing sources
first, then the projects. Demands `q` are (material, segment) pairs. `build.py` makes an instance from plan and tables."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter
from typing import Any, Literal

import numpy as np

from ..core.frames import Bools, Floats, Ints
from ..core.stats import MUSD_PER_T
from ..question.base import gathered
from ..question.dataset import Dataset
from ..question.plan import FloorMenu, Plan


# Periods and fiscal years of a horizon.
@dataclass(frozen=True)
class Calendar:
    """Periods and fiscal years."""

    first_year: int
    step: float
    """Length D of a period in years."""
    periods: int
    """T, planned and tail."""
    planned: int
    """Periods shown as plan; the rest is tail."""
    rate: float

    @property
    def per_year(self) -> int:
        """Periods in a fiscal year."""
        return round(1 / self.step)

    @property
    def years(self) -> list[int]:
        """Fiscal years, tail included."""
        return list(range(self.first_year, self.first_year + math.ceil(self.periods / self.per_year)))

    @property
    def planned_years(self) -> list[int]:
        """Fiscal years that are planned and shown."""
        return self.years[: self.planned // self.per_year]

    @cached_property
    def edges(self) -> Floats:
        """(T+1,) where periods begin, and the last ends [decimal fiscal years]."""
        return np.asarray(self.first_year + self.step * np.arange(self.periods + 1), dtype=float)

    @property
    def year_index(self) -> Ints:
        """(T,) index of each period's fiscal year."""
        return np.arange(self.periods) // self.per_year

    @property
    def beta(self) -> Floats:
        """(T+1,) discount factor of each period's start; the last is the end of the horizon."""
        return np.asarray((1 + self.rate) ** (-self.step * np.arange(self.periods + 1)), dtype=float)

    @property
    def spending_weight(self) -> Floats:
        """(T,) discount factor of each period's fiscal year: spending counts from the year's first period."""
        return np.asarray(self.beta[self.year_index * self.per_year], dtype=float)

    def period_label(self, t: int) -> str:
        """`2028`, or `2028.2` for the second period within a year."""
        year, part = divmod(t, self.per_year)
        return str(self.first_year + year) if self.per_year == 1 else f"{self.first_year + year}.{part + 1}"

    def lasting(self, years: float) -> int:
        """Periods that a length in years takes, at least 1."""
        return max(1, math.ceil(years / self.step - 1e-9))

    def nearest(self, years: float) -> int:
        """The nearest number of periods, the larger one of two: the same whatever year a plan begins."""
        return math.floor(years / self.step + 0.5 + 1e-9)


def start_periods(calendar: Calendar, years: Sequence[int] | None) -> list[int]:
    """First period of each named fiscal year, or of every planned one: programmes are signed once a year."""
    chosen = calendar.planned_years if years is None else sorted(years)
    return [(year - calendar.first_year) * calendar.per_year for year in chosen]


def overlap(calendar: Calendar, start: float | Floats, end: float | Floats) -> Floats:
    """(..., T) share of each period that lies within [start, end), given in decimal fiscal years."""
    edges = calendar.edges
    share: Floats = np.minimum(edges[1:], np.asarray(end)[..., None])
    share -= np.maximum(edges[:-1], np.asarray(start)[..., None])
    share /= calendar.step
    np.minimum(share, 1.0, out=share)
    share[share < 1e-9] = 0.0
    return share


def yearly(rows: Sequence[tuple[int, float]], calendar: Calendar) -> Floats:
    """(T,) value of each period's fiscal year; a series holds its last value, and its first one before it starts."""
    known = sorted(rows)
    values = [next((v for y, v in reversed(known) if y <= year), known[0][1]) for year in calendar.years]
    return np.array(values, dtype=float)[calendar.year_index]


# A price floor, as an owner or the treasury sees it.
@dataclass(frozen=True)
class FloorId:
    """Which floor of the plan's menu a floor is, however high it is and whatever it is called."""

    menu: int
    """Place of its menu in the plan's list, from 0."""
    level: int
    """Place among the levels of its menu, from 0."""


@dataclass(frozen=True)
class Floor:
    """A price floor on one material, as an owner or the treasury sees it."""

    material: int
    level: float
    """Strike F [million USD/t]."""
    upside: float
    kind: str
    """contract, border or purchase."""
    term: int
    """Periods in force."""
    market: int = -1
    """Index of the market floor, or -1 for any other."""
    begin: int | None = None
    """First period in force; None: from first output of the project."""
    take: float = math.inf
    """Purchase floors: tonnes per period that are covered."""
    id: FloorId | None = None
    """None: a floor that is not of the plan's menu."""


# Ways for the reserve to buy, and offtake contracts that it may sign.
@dataclass(frozen=True)
class Purchase:
    """One way for the reserve to buy: a row of `offers`, or the tonnes under a project's purchase floor."""

    name: str
    material: int
    source: int
    """Producer, or -1 for `outside`."""
    premium: float
    outside: bool
    """In the market outside the countries that control the material."""
    offer: int
    """Row of `offers`, or -1."""
    classes: tuple[int, ...]
    """Purchase floors: output classes whose floor covers it."""


@dataclass(frozen=True)
class Contract:
    """An offtake contract that may start in a period."""

    source: int
    start: int
    end: int
    """Period after the last one in force."""
    lot: float
    largest: float


# What earlier years left to a plan: payments that were signed for, floors that still pay.
@dataclass(frozen=True)
class PaidFloor:
    """A floor that was guaranteed before this plan, on the output of one producer that exists or is committed."""

    producer: int
    floor: Floor
    payer: Literal["plan", "beside", "others"]
    """`plan`: its budget. `beside`: its home, with money appropriated beside it. `others`: nobody of the plan."""
    begin: float
    end: float
    """Dates between which it pays [decimal fiscal years]; `floor` keeps a plant open in the whole periods nearest to them."""


@dataclass(frozen=True)
class Carried:
    """What was signed before a plan, at its start."""

    due: Floats
    """(F,) what was signed before costs the budget in each fiscal year: instalments and fees that remain, and the expected
    payments of floors on the undisturbed course [million USD]."""
    instalments: Floats
    """(F,) the first part of it: instalments and fees alone [million USD]."""
    beside: Floats
    """(F,) expected payments, on the undisturbed course, of floors that the home pays with money beside the plan's, had the reserve
    bought nothing from their producers [million USD]."""
    liability: Floats
    """(F,) what the floors of both kinds may cost at the liability quantile [million USD]."""
    floors: tuple[PaidFloor, ...]
    """Those of both kinds."""
    residual: float
    """What plants signed before are worth at the end of the horizon, beside the objective [million USD of that date]."""


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
    begun: bool
    """Committed, and signed before the plan's first year."""
    supportable: bool
    """False: the plan may not support it; it exists only if its owner builds it anyway."""
    needs: tuple[int, ...]
    excludes: tuple[int, ...]
    chance: float = 0.0
    """Chance that its owner builds it without support, where the range of its cost holds both; that part of it is a source of its
    own, called after it (`question.names.UNSUPPORTED`), and support adds the rest. 0 elsewhere."""
    spread: tuple[float, float] = (0.0, 0.0)
    """What such an owner's worth gains at the low end of its costs, and loses at the high end [million USD]."""


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
    """(J,) whether a producer makes clean material of clean feed: no rule with reach-back excludes its country or stated feed."""
    clean_purchases: Bools
    """(I, T) materials that the reserve buys clean, back to the mine."""
    clean_support: Bools
    """(I, T) materials that supported projects make of clean feed."""
    clean_users: Bools
    """(I, T) qualified forms that have to be clean, back to the mine."""
    qualified: Bools
    """(J, I, T) whether what a producer makes counts as a qualified form of it."""
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
    form_of: Ints
    """(I,) the material of which each is the qualified form; itself where it is none: prices and shortages are those of it."""
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
    market_trade: Floats
    """(I,) traded a period outside the country that controls a material; 0: the plan does not move its price [t]."""
    price_slope: Floats
    """(I, 2) phi = 1/(supply + demand elasticity), at first and later."""
    slope_later: Ints
    """(I,) periods after an onset, or after the plan begins, from which on the later one holds."""
    gives_for_price: bool
    """Whether what the reserve releases may lower a price: the law of the home may forbid it to sell for that."""
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
    feed_shares: tuple[tuple[tuple[str, float], ...], ...]
    """(J,) (country, share of the feed) as published; empty where nothing is."""
    usual: Floats
    """(J, T) usual flow as a share of capacity, of which profiled disruptions cut their share; 1 where none is stated."""
    availability: Floats
    """(J, T) trunk availability: controls in force at the start."""
    premium: Floats
    cash: Floats
    kappa: Floats
    restart: Ints
    opens: Ints
    """(J,) first period in which a source has any capacity; 0 where it had some before, and for projects."""
    in_force: tuple[tuple[Floor, ...], ...]
    """(J,) floors agreed before the plan: they keep a source alive and cost this plan nothing."""
    contract_lot: Floats
    """(J,) tonnes per period; nan: no contracts offered."""
    contract_fee: Floats
    """(J,) paid by the budget for each tonne reserved and period [million USD/t]."""
    contract_rise: Floats
    """(J,) what users are expected to pay above the usual price for what is delivered at that of the day, for each tonne reserved
    and period [million USD/t]."""
    honoured: Floats
    """(J,) share of what is reserved that is delivered while an output is tight."""
    sold: Floats
    """(J,) share of capacity that others have bought."""
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
    offer_moves: Bools
    """(O,) whether buying from an offer moves the price abroad."""
    offer_crisis: Floats
    """(O,) availability in a crisis of `outside` offers; 1 elsewhere (the source's own counts)."""
    sellers: tuple[str, ...]
    """What several offers share: a seller of theirs, or the published ceiling on what may be bought of a material."""
    seller_offers: Bools
    """(sellers, O) the offers that share each."""
    seller_material: Ints
    """(sellers,) the material that a ceiling is on, under which tonnes of purchase floors count too; -1 for sellers."""
    seller_depth: Floats
    """(sellers, T) what may be bought under all of them together [t per period]."""
    demands: tuple[tuple[str, str], ...]
    """(material, segment) of each."""
    priority: Ints
    """(demands,) 1 defence, 2 other essential uses, 3 the rest (`DemandRow.priority`)."""
    demand_material: Ints
    demand: Floats
    """(Q, T)"""
    surges: Mapping[tuple[str, str], tuple[tuple[int, float, float, float], ...]]
    """(surge, end of its range) -> (demand, from and to year of an event, factor on it)."""
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
    """(what, why) of producers and projects that the materials leave out, of what rules of origin close, and of `impossible`."""
    impossible: tuple[tuple[str, str], ...]
    """(what, why) of packages and floors that plan and tables have and nobody can be given."""

    @cached_property
    def producer_component(self) -> Ints:
        """(J,) component of each producer."""
        first = np.array([int(np.flatnonzero(row)[0]) for row in self.yields], dtype=int).reshape(-1)
        return self.component[first] if len(first) else first

    @cached_property
    def qualifying(self) -> Mapping[int, int]:
        """Producer that makes a qualified form -> the form."""
        forms = np.flatnonzero(self.form_of != np.arange(len(self.materials)))
        return {int(j): int(i) for i in forms for j in np.flatnonzero(self.yields[:, i] > 0)}

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
        holds after it. gap: (..., n) price outside as a multiple of it in an event; none: 1."""
        if not outside:
            return price
        with_gap = price if gap is None else price * gap
        if not self.outside_quote[material]:
            return with_gap
        t = np.arange(price.shape[-1]) if periods is None else periods
        t = np.minimum(t, self.calendar.periods - 1)
        share, fall = self.outside_share[material, t], np.minimum(1.0, price / self.price[material, t])
        blended = (1 - share) * price + share * np.maximum(price, self.outside_quote[material] * fall)
        return np.asarray(np.maximum(blended, with_gap))

    def dearest_price(self, material: int) -> Floats:
        """(T,) what users pay, undisturbed, where it is sold dearest: max over producers of (1+premium) P in each one's market."""
        price, beyond = self.price[material], (self.yields[:, material] > 0) & self.outside[:, material]
        most = (1 + self.largest_premium[material]) * price
        if beyond.any():
            most = np.maximum(most, (1 + float(self.premium[beyond].max())) * self.market_price(material, True, price))
        return np.asarray(most, dtype=float)

    def loss_changes(self, demand: int) -> bool:
        """Whether the loss of a tonne missing changes from period to period: it adapts, or the material is sold in two markets."""
        return bool(self.adaptation[demand]) or self.outside_quote[self.demand_material[demand]] > 0

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
        """(I,) the part of `holding` that the budget pays: none of it where the stock is bought by a loan, whose members pay it."""
        return self.holding if self.plan.budget.loan is None else np.zeros_like(self.holding)

    @property
    def available(self) -> Floats:
        """(F,) money of each fiscal year: its appropriation, and in the first what was kept of the year before."""
        money = self.appropriation
        money[0] += self.plan.budget.carried_in_musd
        return money

    @property
    def owed(self) -> Floats:
        """(F,) what each fiscal year costs before any decision: holding the opening stock, and what was signed before this plan."""
        left = self.opening[:, None] * (1 - self.decay[:, None]) ** np.arange(1, self.calendar.periods + 1)
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

    def by_year(self, series: float | Mapping[int, float]) -> Floats:
        """(F,) a figure, or a series by year that holds its last value and is 0 before its first year."""
        years = self.calendar.years
        if not isinstance(series, Mapping):
            return np.full(len(years), float(series))
        known = sorted(series.items())
        return np.array([next((v for y, v in reversed(known) if y <= year), 0.0) for year in years], dtype=float)


# What a plan may sign: projects, packages with the plan's menu of floors, market-wide floors.
Unsure = tuple[float, float, float]
"""(chance, gain, loss) of a project, as `Project.chance` and `Project.spread`."""
SURE: Unsure = (0.0, 0.0, 0.0)
CHOSEN = 1e-6
"""Share signed above which a project is supported."""


def build_projects(
    plan: Plan, data: Dataset, rows: Sequence[Any], first: int, calendar: Calendar, unsure: Mapping[str, Unsure]
) -> tuple[Project, ...]:
    """Projects of the table, ramps laid out over the periods of their life. unsure: those that may be built anyway."""
    ramps = gathered((row.project, (row.age_yr, row.ramp_share)) for row in data.rows("ramps"))
    index = {row.project: n for n, row in enumerate(rows)}
    wanted = plan.instruments.project_list
    projects = []
    for n, row in enumerate(rows):
        life, lead = calendar.lasting(row.life_yr), calendar.lasting(row.lead_yr)
        early = min(0, row.earliest_signing - calendar.first_year) * calendar.per_year
        left = max(1, lead + early) if row.committed else lead  # nothing happens in the first period
        ran = left - lead - early if row.committed else 0  # periods that it has produced by then
        profile = sorted(ramps.get(row.project) or ramps.get("*") or [(0, 1.0)])
        ages = np.arange(life) * calendar.step
        ramp = np.array([next((v for age, v in reversed(profile) if age <= a + 1e-9), 0.0) for a in ages], dtype=float)
        ramp = ramp[ran:] if ran < life else np.zeros(1)
        projects.append(
            Project(
                name=row.project,
                producer=first + n,
                capex=0.0 if row.committed else row.capex_musd,
                financed=row.financed_share,
                lead=left,
                life=len(ramp),
                ramp=ramp,
                hurdle=row.hurdle_rate,
                earliest=max(0, row.earliest_signing - calendar.first_year) * calendar.per_year,
                additional=row.additional,
                committed=row.committed,
                begun=early < 0 and row.committed,
                supportable=plan.instruments.projects and ("*" in wanted or row.project in wanted),
                needs=tuple(index[name] for name in row.needs.split() if name in index),
                excludes=tuple(index[name] for name in row.excludes.split() if name in index),
                chance=unsure.get(row.project, SURE)[0],
                spread=unsure.get(row.project, SURE)[1:],
            )
        )
    return tuple(projects)


NO_INSTRUMENT = Instrument("none", "none", 0.0, 0.0, 0.0, 0.0, 0.0, False)


def build_instruments(data: Dataset) -> dict[str, Instrument]:
    """Capital instruments of the table, by name and in its order."""
    fields = "instrument kind score max_share_of_capex rate tenor_yr grace_yr grant_on_top".split()
    return {row.instrument: Instrument(*(getattr(row, name) for name in fields)) for row in data.rows("instruments")}


def build_packages(
    plan: Plan,
    data: Dataset,
    materials: Mapping[str, int],
    producers: Mapping[str, int],
    first: int,
    calendar: Calendar,
) -> tuple[Package, ...]:
    """Rows of the table, each also with every project floor of the plan's menu where it has none of its own."""
    instruments = build_instruments(data)
    packages = [Package("none", "none", None, NO_INSTRUMENT, 0.0, 0.0, 0.0, None)]
    for row in chosen_packages(plan, data):
        absent = row.project is not None and row.project not in producers
        floored = row.floor_material is not None
        if absent or (floored and row.floor_material not in materials):
            continue
        floor = None
        if floored:
            take = math.inf if row.take_t_per_yr is None else row.take_t_per_yr * calendar.step
            floor = Floor(
                materials[row.floor_material],
                row.floor_usd_per_kg * MUSD_PER_T,
                row.upside_share,
                row.floor_kind or "contract",
                calendar.lasting(row.floor_term_yr),
                take=take,
            )
        project = None if row.project is None else producers[row.project] - first
        fee = row.offtake_fee_usd_per_kg * MUSD_PER_T
        terms = instruments[row.instrument], row.offtake_share, fee, row.offtake_fee_share
        packages.append(Package(row.package, row.package, project, *terms, floor))
    taken = {"none", *(row.package for row in data.rows("packages"))}
    bare = [package for package in packages if package.floor is None]
    for at, called in floor_names(plan).items():
        menu = plan.instruments.price_floors[at.menu]
        if menu.scope != "project" or menu.material not in materials:
            continue
        floor = _floor_of_menu(menu, at, materials, calendar)
        for package in bare:
            name = f"{package.row}+{called}"
            if name in taken:  # no name of a table has spaces
                name = f"{package.row} + {called}"
            taken.add(name)
            share = menu.take_share if menu.kind == "purchase" else None
            packages.append(replace(package, name=name, floor=floor, take_share=share))
    return tuple(packages)


def chosen_packages(plan: Plan, data: Dataset) -> Iterator[Any]:
    """Rows of the table that the plan may use, in the order of the table; `none` is there anyway."""
    chosen = plan.instruments.packages
    return (row for row in data.rows("packages") if ("*" in chosen or row.package in chosen) and row.package != "none")


def floor_names(plan: Plan) -> dict[FloorId, str]:
    """What each floor of the plan's menus is called, in their order: names for printing, no two of which are the same.

    `ndpr_oxide-floor-110`, `market-ndpr_oxide-floor-110`; with the place of the menu where another one has such a level too.
    """
    names: dict[FloorId, str] = {}
    for n, menu in enumerate(plan.instruments.price_floors):
        market, kind = "market-" if menu.scope == "market" else "", "" if menu.kind == "contract" else f"{menu.kind}-"
        short = [f"{level:.0f}" if level == round(level) else f"{level:g}" for level in menu.levels_usd_per_kg]
        for m, level in enumerate(menu.levels_usd_per_kg):
            figure = short[m] if short.count(short[m]) == 1 else repr(level)
            names[FloorId(n, m)] = f"{market}{menu.material}-{kind}floor-{figure}"
    alike = Counter(names.values())
    return {at: name if alike[name] == 1 else f"{name}-menu{at.menu + 1}" for at, name in names.items()}


def _floor_of_menu(menu: FloorMenu, at: FloorId, materials: Mapping[str, int], calendar: Calendar) -> Floor:
    """A level of a menu, in force from first output."""
    level, term = menu.levels_usd_per_kg[at.level] * MUSD_PER_T, calendar.lasting(menu.term_years)
    return Floor(materials[menu.material], level, menu.upside_share, menu.kind, term, id=at)


def level_in(plan: Plan, menu: FloorMenu, at: FloorId) -> FloorId | None:
    """Place of a level of another plan's menu in this one, whose levels or terms may have been changed; None: nowhere.

    A menu is the one in its place, on the same material. A level is known by its place, and by its value where levels were put in
    another order, added or left out."""
    menus, what = plan.instruments.price_floors, attrgetter("material", "kind", "scope")
    if at.menu >= len(menus) or what(menus[at.menu]) != what(menu):
        return None
    levels, before = menus[at.menu].levels_usd_per_kg, menu.levels_usd_per_kg
    if len(levels) == len(before) and set(levels) != set(before):
        return at
    value = before[at.level]
    return FloorId(at.menu, levels.index(value)) if value in levels else None


def build_market_floors(
    plan: Plan,
    materials: Mapping[str, int],
    home: Bools,
    allied: Bools,
    yields: Floats,
    in_force: Sequence[tuple[Floor, ...]],
    calendar: Calendar,
) -> tuple[MarketFloor, ...]:
    """The market-wide floors of the plan's menu, with the producers whose output each tops up. A floor that no producer
    would get is left out.

    A contract floor leaves out producers with a floor of their own on the material: nobody is topped up twice."""
    floors: list[MarketFloor] = []
    for at, name in floor_names(plan).items():
        menu = plan.instruments.price_floors[at.menu]
        if menu.scope != "market" or menu.material not in materials:
            continue
        i = materials[menu.material]
        border = menu.kind == "border"
        free = np.array([border or all(f.material != i for f in floors) for floors in in_force], dtype=bool)
        eligible = (home if border or menu.eligible == "home" else allied) & free & (yields[:, i] > 0)
        if not eligible.any():
            continue
        floor = replace(_floor_of_menu(menu, at, materials, calendar), market=len(floors), begin=0)
        floors.append(MarketFloor(name, floor, eligible, menu.embedded_content))
    return tuple(floors)


def impossible(
    plan: Plan,
    data: Dataset,
    materials: Mapping[str, int],
    projects: Sequence[Project],
    yields: Floats,
    market: Sequence[MarketFloor],
) -> Iterator[tuple[str, str]]:
    """(what, why) of floors of the menu and packages of the table that the plan may use and nobody can be given. market: the
    market-wide floors that somebody gets."""
    able = [project for project in projects if project.supportable]

    def made(material: str, by: Sequence[Project]) -> bool:
        return material in materials and any(yields[project.producer, materials[material]] > 0 for project in by)

    given = {one.floor.id for one in market}
    for at, name in floor_names(plan).items():
        menu = plan.instruments.price_floors[at.menu]
        if menu.scope == "market" and at not in given:
            why = f"no producer that it would cover makes {menu.material}, or each has a floor of its own on it"
            yield f"floor {name}", why
        if menu.scope == "project" and not made(menu.material, able):
            yield f"floor {name}", f"no project that the plan may support makes {menu.material}"
    for row in chosen_packages(plan, data) if plan.instruments.projects else ():
        mine = [project for project in able if row.project in (None, project.name)]
        if not mine:
            yield f"package {row.package}", "the plan may support no project that could take it"
        elif row.floor_material is not None and not made(row.floor_material, mine):
            why = f"no project that could take it makes {row.floor_material}, which its floor is on"
            yield f"package {row.package}", why


# Units of account inside the solver: each material counts in a power of ten tonnes of its own.
USUAL, USUAL_POWER = (1.0, 1e5), 3
"""Sizes of a plan's money [million USD a year] at which the solver is at home, and the power of ten that others are brought to."""


def scale(instance: Instance) -> Instance:
    """The same problem counted in model units (`material_unit`, `producer_unit`); money stays in million USD.

    A unit is the power of ten near a material's yearly demand, or near the largest flow of its producers where users
    want none of it; a qualified form counts as what it is made of, a producer counts in the unit of its main output."""
    flow = np.zeros(len(instance.materials))
    np.add.at(flow, instance.demand_material, instance.demand.max(axis=1, initial=0.0))
    largest = (np.abs(instance.yields) * instance.capacity.max(axis=1, initial=0.0)[:, None]).max(axis=0, initial=0.0)
    u = np.array([10.0 ** round(math.log10(v)) if v > 0 else 1.0 for v in np.where(flow > 0, flow, largest)])
    u = u[instance.form_of]
    v = u[instance.yields.argmax(axis=1)] if len(instance.producers) else np.zeros(0)
    offer, demand = u[instance.offer_material], u[instance.demand_material]
    tier = np.array([demand[q] for q, _ in instance.tiers])
    step = np.array([demand[q] for q, _ in instance.steps])
    held = u[[i for i, _ in instance.users]]
    paid = tuple(replace(one, floor=_floor(one.floor, u)) for one in instance.carried.floors)
    return replace(
        instance,
        price=instance.price * u[:, None],
        outside_quote=instance.outside_quote * u,
        base_price=instance.base_price * u,
        holding=instance.holding * u,
        freight=instance.freight * u,
        market_trade=instance.market_trade / u,
        storage=instance.storage / u,
        drawdown=instance.drawdown / u,
        disposal=instance.disposal / u,
        opening=instance.opening / u,
        yields=instance.yields * v[:, None] / u[None, :],
        capacity=instance.capacity / v[:, None],
        cash=instance.cash * v,
        contract_lot=instance.contract_lot / v,
        contract_fee=instance.contract_fee * v,
        contract_rise=instance.contract_rise * v,
        offer_depth=instance.offer_depth / offer,
        seller_depth=instance.seller_depth / seller_unit(instance, u)[:, None],
        demand=instance.demand / demand[:, None],
        tier_loss=instance.tier_loss * tier,
        tier_named=instance.tier_named * tier,
        users_level=instance.users_level / held,
        users_missing=instance.users_missing / held,
        carried=replace(instance.carried, floors=paid),
        step_cost=instance.step_cost * step,
        packages=tuple(_package(p, u) for p in instance.packages),
        in_force=tuple(tuple(_floor(f, u) for f in floors) for floors in instance.in_force),
        market_floors=tuple(replace(m, floor=_floor(m.floor, u)) for m in instance.market_floors),
        material_unit=u,
        producer_unit=v,
        money_unit=money_unit(instance),
    )


def seller_unit(instance: Instance, unit: Floats) -> Floats:
    """(sellers,) tonnes that one unit of what a seller sells stands for: that of the material of its first offer."""
    first = [instance.offer_material[of][0] for of in instance.seller_offers]
    return np.asarray(unit[np.array(first, dtype=int)])


def money_unit(instance: Instance) -> float:
    """Million USD that the solver counts as one: 1 for the usual sizes, else the power of ten that brings a model to them.

    The size is what users pay in a year for the dearest material at base prices, or else the largest appropriation."""
    wanted = np.zeros(len(instance.materials))
    np.add.at(wanted, instance.demand_material, instance.demand.max(axis=1, initial=0.0) / instance.calendar.step)
    size = float((wanted * instance.base_price).max(initial=0.0)) or float(instance.appropriation.max(initial=0.0))
    if size == 0 or USUAL[0] <= size <= USUAL[1]:
        return 1.0
    return float(10.0 ** (round(math.log10(size)) - USUAL_POWER))


def _floor(floor: Floor, u: Floats) -> Floor:
    unit = u[floor.material]
    return replace(floor, level=floor.level * unit, take=floor.take / unit)


def _package(package: Package, u: Floats) -> Package:
    return package if package.floor is None else replace(package, floor=_floor(package.floor, u))
