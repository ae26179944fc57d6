"""The question and the facts as aligned arrays: everything the mathematics needs, nothing it does not.

Units: tonnes (flows per period, stocks at the end of a period), million USD of the plan's price year, so prices
are million USD per tonne. Periods are counted 0..T-1, fiscal years 0..F-1. Producers `j` are the existing sources
first, then the projects. Demands `q` are (material, segment) pairs.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .dataset import Dataset
from .plan import Plan
from .units import KG_PER_T, USD_PER_MUSD

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MUSD_PER_T = KG_PER_T / USD_PER_MUSD
"""Million USD per tonne that one USD/kg is."""

ALLIED_TIERS = ("home", "ally", "partner")


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

    @property
    def year_index(self) -> Ints:
        """(T,) index of each period's fiscal year."""
        return np.arange(self.periods) // self.per_year

    @property
    def beta(self) -> Floats:
        """(T+1,) discount factor of each period's start; the last is the end of the horizon."""
        return np.asarray((1 + self.rate) ** (-self.step * np.arange(self.periods + 1)), dtype=float)

    def period_label(self, t: int) -> str:
        """`2028`, or `2028.2` for the second period within a year."""
        year, part = divmod(t, self.per_year)
        return str(self.first_year + year) if self.per_year == 1 else f"{self.first_year + year}.{part + 1}"

    def lasting(self, years: float) -> int:
        """Periods that a length in years takes, at least 1."""
        return max(1, math.ceil(years / self.step - 1e-9))


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
    lead: int
    life: int
    ramp: Floats
    """(life,) share of capacity by age in periods."""
    hurdle: float
    earliest: int
    """First period in which it may be signed."""
    additional: bool
    needs: tuple[int, ...]
    excludes: tuple[int, ...]


@dataclass(frozen=True)
class Instance:
    """All arrays of one planning problem, in natural units."""

    plan: Plan
    calendar: Calendar
    materials: tuple[str, ...]
    component: Ints
    """(I,) component of each material."""
    components: tuple[str, ...]
    price: Floats
    """(I, T) trunk price."""
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
    home: Bools
    allied: Bools
    """(J,) home, allies and partners."""
    yields: Floats
    """(J, I)"""
    capacity: Floats
    """(J, T) tonnes of activity per period."""
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
    offer_depth: Floats
    """(O,) tonnes per period."""
    offer_premium: Floats
    offer_crisis: Floats
    """(O,) availability in a crisis of `outside` offers; 1 elsewhere (the source's own counts)."""
    demands: tuple[tuple[str, str], ...]
    demand_material: Ints
    demand: Floats
    """(Q, T)"""
    tiers: tuple[tuple[int, int], ...]
    """(demand, tier) of each tier."""
    tier_share: Floats
    tier_loss: Floats
    """(N,) gross loss per tonne unmet [million USD/t]: base price plus named loss."""
    steps: tuple[tuple[int, int], ...]
    step_limit: Floats
    step_cost: Floats
    projects: tuple[Project, ...]
    packages: tuple[Package, ...]
    market_floors: tuple[MarketFloor, ...]
    state_factor: Floats
    state_probability: Floats
    material_unit: Floats
    """(I,) tonnes that one unit of a material stands for: 1 here, other in a scaled instance."""
    producer_unit: Floats
    """(J,) the same for producers."""
    left_out: tuple[tuple[str, str], ...]
    """(what, why) of producers and projects that the plan's materials leave out."""

    @property
    def producer_component(self) -> Ints:
        """(J,) component of each producer."""
        first = np.array([int(np.flatnonzero(row)[0]) for row in self.yields], dtype=int).reshape(-1)
        return self.component[first] if len(first) else first

    @property
    def appropriation(self) -> Floats:
        """(F,) appropriation of each fiscal year."""
        return self.by_year(self.plan.budget.appropriation_musd)

    @property
    def contract_periods(self) -> list[int]:
        """Periods in which offtake contracts may start."""
        return _start_periods(self.calendar, self.plan.instruments.contract_years)

    @property
    def signing_periods(self) -> list[int]:
        """Periods in which packages may be signed."""
        return _start_periods(self.calendar, self.plan.instruments.signing_years)

    def by_year(self, series: float | Mapping[int, float]) -> Floats:
        """(F,) a figure, or a series by year that holds its last value and is 0 before its first year."""
        years = self.calendar.years
        if not isinstance(series, Mapping):
            return np.full(len(years), float(series))
        known = sorted(series.items())
        return np.array([next((v for y, v in reversed(known) if y <= year), 0.0) for year in years], dtype=float)


def build_instance(plan: Plan, data: Dataset, longest_event_years: float = 0.0) -> Instance:
    """Align plan and tables. Expects both to have passed `checks.check`."""
    calendar = _calendar(plan, longest_event_years)
    chosen = select_materials(plan, data)
    materials = {name: n for n, name in enumerate(chosen)}
    sources, projects, left_out = _select_producers(plan, data, materials)
    names = [row.activity for row in sources] + [row.project for row in projects]
    producers = {name: n for n, name in enumerate(names)}
    yields = np.zeros((len(names), len(materials)))
    for row in data.rows("yields"):
        if row.producer in producers:
            yields[producers[row.producer], materials[row.material]] = row.yield_t_per_t
    tier = {row.country: row.tier for row in data.rows("countries")}
    both: list[Any] = [*sources, *projects]
    country = tuple(row.country for row in both)
    home = np.array([c == plan.home for c in country], dtype=bool)
    price, base = _prices(plan, data, materials, calendar)
    availability = np.ones((len(names), calendar.periods))
    for control in plan.controls:
        _apply_control(plan, control, calendar, materials, country, yields, availability, price)
    component, components = _components(chosen, yields)
    rows = {row.material: row for row in data.rows("materials")}
    M = [rows[name] for name in chosen]
    opening = {row.material: row.opening_t for row in data.rows("stock")}
    step = calendar.step
    haircut = np.array([m.haircut_share for m in M])
    return Instance(
        plan=plan, calendar=calendar, materials=tuple(chosen), component=component, components=components,
        price=price, base_price=base, haircut=haircut,
        holding=np.array([m.holding_share_per_yr for m in M]) * base,
        decay=np.array([1 - (1 - m.decay_share_per_yr) ** step for m in M]),
        salvage=np.array([m.salvage_share if m.salvage_share is not None else 1 - m.haircut_share for m in M]),
        resale=np.array([m.resale_share for m in M]),
        storage=np.array([math.inf if m.storage_t is None else m.storage_t for m in M]),
        drawdown=np.array([math.inf if m.drawdown_t_per_yr is None else m.drawdown_t_per_yr * step for m in M]),
        disposal=np.array([m.disposal_t_per_yr * step for m in M]),
        opening=np.array([opening.get(name, 0.0) for name in chosen], dtype=float),
        producers=tuple(names), sources=len(sources), country=country, home=home,
        allied=np.array([c == plan.home or tier.get(c) in ALLIED_TIERS for c in country], dtype=bool),
        yields=yields, capacity=_capacities(data, sources, projects, calendar), availability=availability,
        premium=np.array([row.premium_share for row in both], dtype=float),
        cash=np.array([row.cash_usd_per_kg * MUSD_PER_T for row in both], dtype=float),
        kappa=np.where(home, 1.0, np.array([row.kappa for row in both], dtype=float)),
        restart=np.array([round(row.restart_yr / step) for row in both], dtype=int),
        in_force=tuple(_in_force(row, yields[j], calendar) for j, row in enumerate(both)),
        **_contract_terms(plan, sources, len(projects), calendar),
        **_offers(plan, data, materials, producers, step),
        **_demands(plan, data, materials, base, calendar),
        projects=_projects(plan, data, projects, len(sources), calendar),
        packages=_packages(plan, data, materials, producers, len(sources), calendar),
        market_floors=_market_floors(plan, data, materials, country, home, tier, yields, calendar),
        state_factor=np.array([row.factor for row in data.rows("price_states")] or [1.0], dtype=float),
        state_probability=np.array([row.probability for row in data.rows("price_states")] or [1.0], dtype=float),
        material_unit=np.ones(len(chosen)), producer_unit=np.ones(len(names)),
        left_out=tuple(left_out),
    )  # fmt: skip


def select_materials(plan: Plan, data: Dataset) -> list[str]:
    """Materials of the plan, in the order of the table."""
    known = [row.material for row in data.rows("materials")]
    return known if "*" in plan.materials else [name for name in known if name in plan.materials]


def _calendar(plan: Plan, longest_event_years: float) -> Calendar:
    step = plan.horizon.period_months / 12
    tail = plan.horizon.tail_years
    tail = max(3, math.ceil(longest_event_years - 1e-9)) if tail is None else tail
    planned = round(plan.horizon.years / step)
    return Calendar(plan.horizon.first_year, step, planned + round(tail / step), planned, plan.discount_rate)


def _start_periods(calendar: Calendar, years: Sequence[int] | None) -> list[int]:
    """First period of each named fiscal year, or of every planned one: programmes are signed once a year."""
    chosen = calendar.planned_years if years is None else sorted(years)
    return [(year - calendar.first_year) * calendar.per_year for year in chosen]


def _select_producers(
    plan: Plan, data: Dataset, materials: Mapping[str, int]
) -> tuple[list[Any], list[Any], list[tuple[str, str]]]:
    """Sources and projects all of whose materials are planned; the rest is reported, not bent to fit."""
    uses: dict[str, list[str]] = defaultdict(list)
    for row in data.rows("yields"):
        uses[row.producer].append(row.material)
    wanted = plan.instruments.project_list
    left_out: list[tuple[str, str]] = []

    def fits(name: str) -> bool:
        touched = uses.get(name, [])
        missing = sorted(set(touched) - set(materials))
        if missing and len(missing) < len(set(touched)):
            left_out.append((name, f"its material {missing[0]} is not planned"))
        return bool(touched) and not missing

    sources = [row for row in data.rows("activities") if fits(row.activity)]
    projects = [
        row
        for row in data.rows("projects")
        if ("*" in wanted or row.project in wanted) and plan.instruments.projects and fits(row.project)
    ]
    return sources, projects, left_out


def _series(rows: Sequence[tuple[int, float]], calendar: Calendar) -> Floats:
    """(T,) value of each period's fiscal year; a series holds its last value, and its first one before it starts."""
    known = sorted(rows)
    values = [next((v for y, v in reversed(known) if y <= year), known[0][1]) for year in calendar.years]
    return np.array(values, dtype=float)[calendar.year_index]


def _grouped(rows: Sequence[Any], key: str, value: str) -> dict[str, list[tuple[int, float]]]:
    groups: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for row in rows:
        groups[getattr(row, key)].append((row.from_year, getattr(row, value)))
    return groups


def _prices(plan: Plan, data: Dataset, materials: Mapping[str, int], calendar: Calendar) -> tuple[Floats, Floats]:
    chosen = [row for row in data.rows("prices") if row.price_set == plan.price_set]
    groups = _grouped(chosen, "material", "price_usd_per_kg")
    price = np.array([_series(groups[name], calendar) for name in materials]) * MUSD_PER_T
    price = price.reshape(len(materials), calendar.periods)
    return price, price[:, 0].copy()


def _capacities(data: Dataset, sources: Sequence[Any], projects: Sequence[Any], calendar: Calendar) -> Floats:
    groups = _grouped(data.rows("capacities"), "activity", "capacity_t_per_yr")
    existing = [_series(groups[row.activity], calendar) for row in sources]
    new = [np.full(calendar.periods, row.capacity_t_per_yr) for row in projects]
    return np.array([*existing, *new], dtype=float).reshape(-1, calendar.periods) * calendar.step


def touched_producers(
    country: Sequence[str], yields: Floats, home: str, countries: str, touched: Bools
) -> tuple[Bools, Bools]:
    """(J,) producers in the named countries, and other foreign ones, that make a touched material."""
    named = set(countries.split())
    makes = (yields[:, touched] > 0).any(axis=1)
    inside = np.array([(c in named) or ("*" in named and c != home) for c in country], dtype=bool)
    foreign = np.array([c != home for c in country], dtype=bool)
    return makes & inside, makes & foreign & ~inside


def named_materials(names: str, materials: Mapping[str, int]) -> Bools:
    """(I,) materials that a space-separated list names; `*`: all."""
    chosen = set(names.split())
    return np.array(["*" in chosen or name in chosen for name in materials], dtype=bool)


def overlap(calendar: Calendar, start: float, end: float) -> Floats:
    """(T,) share of each period that lies within [start, end), given in decimal fiscal years."""
    edges = calendar.first_year + calendar.step * np.arange(calendar.periods + 1)
    inside = np.minimum(edges[1:], end) - np.maximum(edges[:-1], start)
    share = np.clip(inside / calendar.step, 0.0, 1.0)
    return np.asarray(np.where(share < 1e-9, 0.0, share), dtype=float)


def _apply_control(
    plan: Plan, control: Any, calendar: Calendar, materials: Mapping[str, int],
    country: Sequence[str], yields: Floats, availability: Floats, price: Floats,
) -> None:  # fmt: skip
    touched = named_materials(control.materials, materials)
    cut, _ = touched_producers(country, yields, plan.home, control.countries, touched)
    phi = overlap(calendar, calendar.first_year, control.until_year)
    availability[cut] *= 1 - control.cut_share * phi
    price[touched] *= 1 + (control.price_multiplier - 1) * phi


def _components(chosen: Sequence[str], yields: Floats) -> tuple[Ints, tuple[str, ...]]:
    """Materials linked by a producer form a component, named after its first material."""
    parent = list(range(len(chosen)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for row in yields:
        used = np.flatnonzero(row)
        for i in used[1:]:
            first, other = sorted((root(int(used[0])), root(int(i))))
            parent[other] = first
    roots = sorted({root(i) for i in range(len(chosen))})
    label = {r: n for n, r in enumerate(roots)}
    component = np.array([label[root(i)] for i in range(len(chosen))], dtype=int)
    return component, tuple(chosen[r] for r in roots)


def _in_force(row: Any, yields: Floats, calendar: Calendar) -> tuple[Floor, ...]:
    """The floor that an existing source already has, on its main output."""
    level, until = getattr(row, "floor_usd_per_kg", None), getattr(row, "floor_until_year", None)
    if level is None or until is None or until < calendar.first_year:
        return ()
    term = (until + 1 - calendar.first_year) * calendar.per_year
    return (Floor(int(yields.argmax()), level * MUSD_PER_T, 0.0, "contract", term, begin=0),)


def _contract_terms(plan: Plan, sources: Sequence[Any], projects: int, calendar: Calendar) -> dict[str, Any]:
    allowed = plan.instruments.offtake_contracts
    offers = [
        allowed
        and row.lot_t_per_yr is not None
        and row.term_yr is not None
        and row.kappa < 1
        and row.country != plan.home
        for row in sources
    ]
    lots = [
        row.lot_t_per_yr * calendar.step if offered else math.nan for row, offered in zip(sources, offers, strict=True)
    ]
    fees = [row.fee_usd_per_kg * MUSD_PER_T for row in sources]
    terms = [calendar.lasting(row.term_yr) if offered else 0 for row, offered in zip(sources, offers, strict=True)]
    return {
        "contract_lot": np.array([*lots, *[math.nan] * projects], dtype=float),
        "contract_fee": np.array([*fees, *[0.0] * projects], dtype=float),
        "contract_term": np.array([*terms, *[0] * projects], dtype=int),
    }


def _offers(
    plan: Plan, data: Dataset, materials: Mapping[str, int], producers: Mapping[str, int], step: float
) -> dict[str, Any]:
    rows = [
        row
        for row in data.rows("offers")
        if plan.instruments.reserve and row.material in materials
        and (row.source_producer == "outside" or row.source_producer in producers)
    ]  # fmt: skip
    outside = [row.source_producer == "outside" for row in rows]
    return {
        "offers": tuple(row.offer for row in rows),
        "offer_material": np.array([materials[row.material] for row in rows], dtype=int),
        "offer_source": np.array([producers.get(row.source_producer, -1) for row in rows], dtype=int),
        "offer_depth": np.array([row.depth_t_per_yr * step for row in rows], dtype=float),
        "offer_premium": np.array([row.premium_share for row in rows], dtype=float),
        "offer_crisis": np.array(
            [row.crisis_availability if out else 1.0 for row, out in zip(rows, outside, strict=True)], dtype=float
        ),
    }


def _demands(
    plan: Plan, data: Dataset, materials: Mapping[str, int], base: Floats, calendar: Calendar
) -> dict[str, Any]:
    series: dict[tuple[str, str], list[tuple[int, float]]] = defaultdict(list)
    for row in data.rows("demand"):
        if row.material in materials:
            series[row.material, row.segment].append((row.from_year, row.demand_t_per_yr))
    pairs = tuple(series)
    demand = np.array([_series(series[pair], calendar) for pair in pairs]).reshape(-1, calendar.periods) * calendar.step
    losses = _losses(plan, data)
    tiers: list[tuple[int, int]] = []
    shares: list[float] = []
    loss: list[float] = []
    steps: list[tuple[int, int]] = []
    limits: list[float] = []
    costs: list[float] = []
    tier_rows, step_rows = data.rows("tiers"), data.rows("substitution")
    for q, (material, segment) in enumerate(pairs):
        own = [r for r in tier_rows if r.material == material and r.segment == segment]
        own = own or [r for r in tier_rows if r.material == "*" and r.segment == segment]
        gross = losses.get((material, segment), losses.get((material, "*"), 0.0))
        for row in sorted(own, key=lambda r: r.tier):
            tiers.append((q, row.tier))
            shares.append(row.share)
            loss.append(base[materials[material]] + row.loss_multiplier * gross)
        for row in sorted(
            (r for r in step_rows if (r.material, r.segment) == (material, segment)), key=lambda r: r.step
        ):
            steps.append((q, row.step))
            limits.append(row.limit_share)
            costs.append(row.cost_usd_per_kg * MUSD_PER_T)
    return {
        "demands": pairs, "demand_material": np.array([materials[m] for m, _ in pairs], dtype=int), "demand": demand,
        "tiers": tuple(tiers), "tier_share": np.array(shares, dtype=float), "tier_loss": np.array(loss, dtype=float),
        "steps": tuple(steps), "step_limit": np.array(limits, dtype=float), "step_cost": np.array(costs, dtype=float),
    }  # fmt: skip


def _losses(plan: Plan, data: Dataset) -> dict[tuple[str, str], float]:
    """Loss per tonne [million USD/t] by (material, segment) of the plan's loss function at its level."""
    suffix = {"low": "_low", "central": "", "high": "_high"}[plan.loss_level]
    losses = {}
    for row in data.rows("loss_functions"):
        if row.loss_function == plan.loss_function:
            value = getattr(row, f"loss_usd_per_t{suffix}")
            losses[row.material, row.segment] = (row.loss_usd_per_t if value is None else value) / USD_PER_MUSD
    return losses


def _projects(plan: Plan, data: Dataset, rows: Sequence[Any], first: int, calendar: Calendar) -> tuple[Project, ...]:
    ramps: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for row in data.rows("ramps"):
        ramps[row.project].append((row.age_yr, row.ramp_share))
    index = {row.project: n for n, row in enumerate(rows)}
    signing = _start_periods(calendar, plan.instruments.signing_years)
    projects = []
    for n, row in enumerate(rows):
        life = calendar.lasting(row.life_yr)
        profile = sorted(ramps.get(row.project) or ramps.get("*") or [(0, 1.0)])
        ages = np.arange(life) * calendar.step
        ramp = np.array([next((v for age, v in reversed(profile) if age <= a + 1e-9), 0.0) for a in ages], dtype=float)
        ready = max(0, row.earliest_signing - calendar.first_year) * calendar.per_year
        projects.append(
            Project(
                name=row.project, producer=first + n, capex=row.capex_musd, lead=calendar.lasting(row.lead_yr),
                life=life, ramp=ramp, hurdle=row.hurdle_rate,
                earliest=min((t for t in signing if t >= ready), default=calendar.periods),
                additional=row.additional,
                needs=tuple(index[name] for name in row.needs.split() if name in index),
                excludes=tuple(index[name] for name in row.excludes.split() if name in index),
            )
        )  # fmt: skip
    return tuple(projects)


NO_INSTRUMENT = Instrument("none", "none", 0.0, 0.0, 0.0, 0.0, 0.0, False)


def _packages(
    plan: Plan,
    data: Dataset,
    materials: Mapping[str, int],
    producers: Mapping[str, int],
    first: int,
    calendar: Calendar,
) -> tuple[Package, ...]:
    """Rows of the table, each also with every project floor of the plan's menu where it has none of its own."""
    instruments = {
        row.instrument: Instrument(
            row.instrument,
            row.kind,
            row.score,
            row.max_share_of_capex,
            row.rate,
            row.tenor_yr,
            row.grace_yr,
            row.grant_on_top,
        )
        for row in data.rows("instruments")
    }
    chosen = plan.instruments.packages
    packages = [Package("none", None, NO_INSTRUMENT, 0.0, 0.0, 0.0, None)]
    for row in data.rows("packages"):
        absent = row.project is not None and row.project not in producers
        floored = row.floor_material is not None
        if absent or not ("*" in chosen or row.package in chosen) or row.package == "none":
            continue
        if floored and row.floor_material not in materials:
            continue
        floor = None
        if floored:
            take = math.inf if row.take_t_per_yr is None else row.take_t_per_yr * calendar.step
            floor = Floor(
                materials[row.floor_material], row.floor_usd_per_kg * MUSD_PER_T, row.upside_share,
                row.floor_kind or "contract", calendar.lasting(row.floor_term_yr), take=take,
            )  # fmt: skip
        project = None if row.project is None else producers[row.project] - first
        fee = row.offtake_fee_usd_per_kg * MUSD_PER_T
        packages.append(
            Package(
                row.package, project, instruments[row.instrument], row.offtake_share, fee, row.offtake_fee_share, floor
            )
        )
    for menu in plan.instruments.price_floors:
        if menu.scope != "project" or menu.material not in materials:
            continue
        for level in menu.levels_usd_per_kg:
            floor = Floor(
                materials[menu.material],
                level * MUSD_PER_T,
                menu.upside_share,
                menu.kind,
                calendar.lasting(menu.term_years),
            )
            tag = f"{menu.kind}-floor-{level:g}" if menu.kind != "contract" else f"floor-{level:g}"
            packages += [
                replace(p, name=f"{p.name}+{menu.material}-{tag}", floor=floor,
                        take_share=menu.take_share if menu.kind == "purchase" else None)
                for p in packages if p.floor is None
            ]  # fmt: skip
    return tuple(packages)


def _market_floors(
    plan: Plan, data: Dataset, materials: Mapping[str, int], country: Sequence[str], home: Bools,
    tier: Mapping[str, str], yields: Floats, calendar: Calendar,
) -> tuple[MarketFloor, ...]:  # fmt: skip
    floors: list[MarketFloor] = []
    allied = np.array([c == plan.home or tier.get(c) in ALLIED_TIERS for c in country], dtype=bool)
    for menu in plan.instruments.price_floors:
        if menu.scope != "market" or menu.material not in materials:
            continue
        i = materials[menu.material]
        group = home if menu.kind == "border" or menu.eligible == "home" else allied
        for level in menu.levels_usd_per_kg:
            floor = Floor(
                i, level * MUSD_PER_T, menu.upside_share, menu.kind, calendar.lasting(menu.term_years),
                market=len(floors), begin=0,
            )  # fmt: skip
            name = f"{menu.material}-{menu.kind}-{level:g}"
            floors.append(MarketFloor(name, floor, group & (yields[:, i] > 0), menu.embedded_content))
    return tuple(floors)
