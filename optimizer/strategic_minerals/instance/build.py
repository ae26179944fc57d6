"""Plan and tables -> instance: rows become aligned arrays; series are laid out over periods, names become indices."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from ..core.arrays import Floats, Ints
from ..core.units import MUSD_PER_T, USD_PER_MUSD
from ..data.dataset import Dataset
from ..data.deflation import restated
from ..data.references import select_materials
from ..schemas.plan import Plan
from .calendar import Calendar, overlap
from .instance import DEFENCE, ESSENTIAL, OTHER, Floor, Instance, named_materials, touched_producers
from .instruments import build_market_floors, build_packages, build_projects, impossible

ALLIED_TIERS = ("home", "ally", "partner")


def build_instance(plan: Plan, data: Dataset, longest_event_years: float = 0.0) -> Instance:
    """Align plan and tables. Expects both to have passed `checks.consistency`."""
    data = restated(plan, data)
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
    allied = np.array([c == plan.home or tier.get(c) in ALLIED_TIERS for c in country], dtype=bool)
    price, base = _prices(plan, data, materials, calendar)
    availability = np.ones((len(names), calendar.periods))
    for control in plan.controls:
        _apply_control(plan, control, calendar, materials, country, yields, availability, price)
    component, components = _components(chosen, yields)
    in_force = tuple(_in_force(row, materials, calendar) for row in both)
    rows = {row.material: row for row in data.rows("materials")}
    M = [rows[name] for name in chosen]
    opening = {row.material: row.opening_t for row in data.rows("stock")}
    supported = build_projects(plan, data, projects, len(sources), calendar)
    not_given = tuple(impossible(plan, data, materials, supported, yields, home, allied, in_force))
    step = calendar.step
    haircut = np.array([m.haircut_share for m in M])
    return Instance(
        plan=plan,
        calendar=calendar,
        materials=tuple(chosen),
        component=component,
        components=components,
        price=price,
        embedded=np.array([m.embedded for m in M], dtype=bool),
        base_price=base,
        haircut=haircut,
        holding=np.array([m.holding_share_per_yr for m in M]) * base,
        decay=np.array([1 - (1 - m.decay_share_per_yr) ** step for m in M]),
        salvage=np.array([m.salvage_share if m.salvage_share is not None else 1 - m.haircut_share for m in M]),
        resale=np.array([m.resale_share for m in M]),
        storage=np.array([math.inf if m.storage_t is None else m.storage_t for m in M]),
        drawdown=np.array([math.inf if m.drawdown_t_per_yr is None else m.drawdown_t_per_yr * step for m in M]),
        disposal=np.array([m.disposal_t_per_yr * step for m in M]),
        opening=np.array([opening.get(name, 0.0) for name in chosen], dtype=float),
        producers=tuple(names),
        sources=len(sources),
        country=country,
        home=home,
        allied=allied,
        yields=yields,
        capacity=_capacities(data, sources, projects, calendar),
        availability=availability,
        premium=np.array([row.premium_share for row in both], dtype=float),
        cash=np.array([row.cash_usd_per_kg * MUSD_PER_T for row in both], dtype=float),
        kappa=np.where(home, 1.0, np.array([row.kappa for row in both], dtype=float)),
        restart=np.array([round(row.restart_yr / step) for row in both], dtype=int),
        in_force=in_force,
        **_contract_terms(plan, sources, len(projects), calendar),
        **_offers(plan, data, materials, producers, step),
        **_demands(plan, data, materials, base, calendar),
        projects=supported,
        packages=build_packages(plan, data, materials, producers, len(sources), calendar),
        market_floors=build_market_floors(plan, materials, home, allied, yields, in_force, calendar),
        state_factor=np.array([row.factor for row in data.rows("price_states")] or [1.0], dtype=float),
        state_probability=np.array([row.probability for row in data.rows("price_states")] or [1.0], dtype=float),
        material_unit=np.ones(len(chosen)),
        producer_unit=np.ones(len(names)),
        money_unit=1.0,
        left_out=(*left_out, *not_given),
        impossible=not_given,
    )


def _calendar(plan: Plan, longest_event_years: float) -> Calendar:
    step = plan.horizon.period_months / 12
    tail = plan.horizon.tail_years
    tail = max(3, math.ceil(longest_event_years - 1e-9)) if tail is None else tail
    planned = round(plan.horizon.years / step)
    return Calendar(plan.horizon.first_year, step, planned + round(tail / step), planned, plan.discount_rate)


def _select_producers(
    plan: Plan, data: Dataset, materials: Mapping[str, int]
) -> tuple[list[Any], list[Any], list[tuple[str, str]]]:
    """Sources and projects all of whose materials are planned; the rest is reported, not bent to fit."""
    uses: dict[str, list[str]] = defaultdict(list)
    for row in data.rows("yields"):
        uses[row.producer].append(row.material)
    left_out: list[tuple[str, str]] = []

    def fits(name: str) -> bool:
        touched = uses.get(name, [])
        missing = sorted(set(touched) - set(materials))
        if missing and len(missing) < len(set(touched)):
            left_out.append((name, f"its material {missing[0]} is not planned"))
        return bool(touched) and not missing

    sources = [row for row in data.rows("activities") if fits(row.activity)]
    projects = [row for row in data.rows("projects") if fits(row.project)]
    while True:  # a project whose need is left out is left out itself
        there = {row.project for row in projects}
        lacking = {row.project: next((q for q in row.needs.split() if q not in there), None) for row in projects}
        if not any(lacking.values()):
            return sources, projects, left_out
        left_out += [(name, f"it needs {need}, which is not planned") for name, need in lacking.items() if need]
        projects = [row for row in projects if not lacking[row.project]]


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


def _apply_control(
    plan: Plan,
    control: Any,
    calendar: Calendar,
    materials: Mapping[str, int],
    country: Sequence[str],
    yields: Floats,
    availability: Floats,
    price: Floats,
) -> None:
    touched = named_materials(control.materials, materials)
    cut, _ = touched_producers(country, yields, plan.home, control.countries, touched)
    phi = overlap(calendar, calendar.first_year, control.until_year)
    availability[cut] *= 1 - control.cut_share * phi
    price[touched] *= 1 + (control.price_multiplier - 1) * phi


def _components(chosen: Sequence[str], yields: Floats) -> tuple[Ints, tuple[str, ...]]:
    """Materials linked by a producer form a component, named after its first material."""
    touches = csr_array(yields != 0).astype(np.int8)
    _, found = connected_components(touches.T @ touches, directed=False)
    _, first, component = np.unique(found, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first))  # components are counted in the order of their first materials
    return order[component].astype(int), tuple(chosen[i] for i in sorted(first.tolist()))


def _in_force(row: Any, materials: Mapping[str, int], calendar: Calendar) -> tuple[Floor, ...]:
    """The floor that an existing source already has, on the output that its row names."""
    level, until = getattr(row, "floor_usd_per_kg", None), getattr(row, "floor_until_year", None)
    if level is None or until is None or until < calendar.first_year:
        return ()
    term = (until + 1 - calendar.first_year) * calendar.per_year
    return (Floor(materials[row.floor_material], level * MUSD_PER_T, 0.0, "contract", term, begin=0),)


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
        if plan.instruments.reserve
        and row.material in materials
        and (row.source_producer == "outside" or row.source_producer in producers)
    ]
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


PRIORITIES = {"defence": DEFENCE, "essential": ESSENTIAL}
"""Of segments by name, where no row of `demand` says it."""


def _demands(
    plan: Plan, data: Dataset, materials: Mapping[str, int], base: Floats, calendar: Calendar
) -> dict[str, Any]:
    series: dict[tuple[str, str], list[tuple[int, float]]] = defaultdict(list)
    for row in data.rows("demand"):
        if row.material in materials:
            series[row.material, row.segment].append((row.from_year, row.demand_t_per_yr))
    pairs = tuple(series)
    said = {(row.material, row.segment): row.priority for row in data.rows("demand") if row.priority is not None}
    priority = [said.get(pair, PRIORITIES.get(pair[1], OTHER)) for pair in pairs]
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
        "demands": pairs,
        "priority": np.array(priority, dtype=np.int64),
        "demand_material": np.array([materials[m] for m, _ in pairs], dtype=int),
        "demand": demand,
        "tiers": tuple(tiers),
        "tier_share": np.array(shares, dtype=float),
        "tier_loss": np.array(loss, dtype=float),
        "steps": tuple(steps),
        "step_limit": np.array(limits, dtype=float),
        "step_cost": np.array(costs, dtype=float),
    }


def _losses(plan: Plan, data: Dataset) -> dict[tuple[str, str], float]:
    """Loss per tonne [million USD/t] by (material, segment) of the plan's loss function at its level."""
    suffix = {"low": "_low", "central": "", "high": "_high"}[plan.loss_level]
    losses = {}
    for row in data.rows("loss_functions"):
        if row.loss_function == plan.loss_function:
            value = getattr(row, f"loss_usd_per_t{suffix}")
            losses[row.material, row.segment] = (row.loss_usd_per_t if value is None else value) / USD_PER_MUSD
    return losses
