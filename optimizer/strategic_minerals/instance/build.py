"""Plan and tables -> instance: rows become aligned arrays; series are laid out over periods, names become indices."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from ..core.arrays import Bools, Floats, Ints
from ..core.units import MONTHS_PER_YEAR, MUSD_PER_T
from ..data.dataset import Dataset
from ..data.deflation import restated
from ..data.homes import members
from ..data.ore_reserves import ore_ends
from ..data.references import select_materials
from ..schemas.plan import Plan
from .calendar import Calendar, overlap, yearly
from .carried_over import carried, nothing_carried, signed_floors
from .controls import Measures, measures_in_force
from .demands import demands, users_stock
from .floor import Floor
from .instance import Instance, Procurement
from .instruments import build_market_floors, build_packages, build_projects, impossible
from .procurement import build_procurement

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
    rows = {row.material: row for row in data.rows("materials")}
    M = [rows[name] for name in chosen]
    tier = {row.country: row.tier for row in data.rows("countries")}
    inside = _members(plan, data, M, yields)
    declared = {row.producer: tuple(row.origins.split()) for row in data.rows("feed_origins")}
    both: list[Any] = [*sources, *projects]
    country = tuple(row.country for row in both)
    home = np.array([c in own for c, own in zip(country, inside, strict=True)], dtype=bool)
    allied = home | np.array([tier.get(c) in ALLIED_TIERS for c in country], dtype=bool)
    stated, base = _prices(plan, data, materials, calendar)
    feed = tuple(declared.get(name, ()) for name in names)
    usual = _usual(data, sources, projects, calendar)
    measures = measures_in_force(plan, data, calendar, materials, country, inside, home, yields, feed, usual, stated)
    availability = measures.availability
    pool = tuple((m.alike or m.material) if m.pooled != "no" else "" for m in M)
    signed = signed_floors(data, materials, producers, calendar)
    in_force = tuple(
        (*_in_force(row, materials, calendar), *(paid.floor for paid in signed if paid.producer == j))
        for j, row in enumerate(both)
    )
    opening = {row.material: row.opening_t for row in data.rows("stock")}
    sold = [row for row in data.rows("offers") if _wanted(plan, row, materials, producers)]
    component, components = _components(chosen, yields, pool, sold)
    chain = _chains(yields, [m.home for m in M])
    procurement, offer_open = build_procurement(plan, data, materials, both, len(sources), yields, sold, calendar)
    supported = build_projects(plan, data, projects, len(sources), calendar)
    not_given = tuple(impossible(plan, data, materials, supported, yields, home, allied, in_force))
    capacity = _capacities(data, sources, projects, calendar) * _ore_left(plan, data, sources, len(projects), calendar)
    wanted = demands(plan, data, materials, base, calendar)
    step, n = calendar.step, len(sources)
    haircut = np.array([m.haircut_share for m in M])
    instance = Instance(
        plan=plan,
        calendar=calendar,
        materials=tuple(chosen),
        component=component,
        components=components,
        chain=chain,
        price=measures.price,
        outside_quote=measures.outside_quote,
        outside_share=measures.outside_share,
        outside=measures.outside(country, yields > 0),
        embedded=np.array([m.embedded for m in M], dtype=bool),
        pool=pool,
        pooled_in_events=np.array([m.pooled == "struck" for m in M], dtype=bool),
        freight=np.array([m.freight_usd_per_kg for m in M], dtype=float) * MUSD_PER_T,
        base_price=base,
        haircut=haircut,
        holding=np.array([m.holding_share_per_yr for m in M]) * base,
        decay=np.array([1 - (1 - m.decay_share_per_yr) ** step for m in M]),
        salvage=np.array([m.salvage_share if m.salvage_share is not None else 1 - m.haircut_share for m in M]),
        resale=np.array([_resale(plan, m) for m in M]),
        storage=np.array([math.inf if m.storage_t is None else m.storage_t for m in M]),
        drawdown=np.array([math.inf if m.drawdown_t_per_yr is None else m.drawdown_t_per_yr * step for m in M]),
        disposal=np.array([m.disposal_t_per_yr * step for m in M]),
        opening=np.array([opening.get(name, 0.0) for name in chosen], dtype=float),
        producers=tuple(names),
        sources=len(sources),
        country=country,
        members=inside,
        home=home,
        allied=allied,
        overland=_overland(data, country, inside),
        yields=yields,
        capacity=capacity,
        feed=feed,
        usual=usual,
        availability=availability,
        premium=np.array([row.premium_share for row in both], dtype=float),
        cash=np.array([row.cash_usd_per_kg * MUSD_PER_T for row in both], dtype=float),
        kappa=np.where(home, 1.0, np.array([row.kappa for row in both], dtype=float)),
        restart=np.array([round(row.restart_yr / step) for row in both], dtype=int),
        in_force=in_force,
        **_contract_terms(plan, sources, home, calendar, procurement),
        **_offers(sold, offer_open, materials, producers, country, step, measures),
        **_sellers(data, [row for row, open_at in zip(sold, offer_open, strict=True) if open_at.any()], calendar),
        **wanted,
        **users_stock(data, materials, wanted, yields[:n], (capacity * availability)[:n], calendar),
        projects=supported,
        packages=build_packages(plan, data, materials, producers, len(sources), calendar),
        market_floors=build_market_floors(plan, materials, home, allied, yields, in_force, calendar),
        state_factor=np.array([row.factor for row in data.rows("price_states")] or [1.0], dtype=float),
        state_probability=np.array([row.probability for row in data.rows("price_states")] or [1.0], dtype=float),
        material_unit=np.ones(len(chosen)),
        producer_unit=np.ones(len(names)),
        money_unit=1.0,
        procurement=procurement,
        left_out=(*left_out, *procurement.closed, *not_given),
        impossible=not_given,
        carried=nothing_carried(calendar),
    )
    return replace(instance, carried=carried(instance, data, signed))


def _resale(plan: Plan, row: Any) -> float:
    """Share of the price that users pay for a released tonne of a material: by the last rule that states one, or its row."""
    stated = [r.resale_share for r in plan.stock_rules if r.material == row.material and r.resale_share is not None]
    return float(stated[-1] if stated else row.resale_share)


def _calendar(plan: Plan, longest_event_years: float) -> Calendar:
    step = plan.horizon.period_months / MONTHS_PER_YEAR
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


def _grouped(rows: Sequence[Any], key: str, value: str) -> dict[str, list[tuple[int, float]]]:
    groups: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for row in rows:
        groups[getattr(row, key)].append((row.from_year, getattr(row, value)))
    return groups


def _prices(plan: Plan, data: Dataset, materials: Mapping[str, int], calendar: Calendar) -> tuple[Floats, Floats]:
    chosen = [row for row in data.rows("prices") if row.price_set == plan.price_set]
    groups = _grouped(chosen, "material", "price_usd_per_kg")
    price = np.array([yearly(groups[name], calendar) for name in materials]) * MUSD_PER_T
    price = price.reshape(len(materials), calendar.periods)
    return price, price[:, 0].copy()


def _capacities(data: Dataset, sources: Sequence[Any], projects: Sequence[Any], calendar: Calendar) -> Floats:
    groups = _grouped(data.rows("capacities"), "activity", "capacity_t_per_yr")
    existing = [yearly(groups[row.activity], calendar) for row in sources]
    new = [np.full(calendar.periods, row.capacity_t_per_yr) for row in projects]
    return np.array([*existing, *new], dtype=float).reshape(-1, calendar.periods) * calendar.step


def _ore_left(plan: Plan, data: Dataset, sources: Sequence[Any], projects: int, calendar: Calendar) -> Floats:
    """(J, T) share of each period before a source's country has mined its reserves; 1 where the plan does not ask, for what is
    recycled and for projects, whose life is their own.

    Of several minerals that a source makes the one that ends first counts.
    """
    left = np.ones((len(sources) + projects, calendar.periods))
    if not plan.ore_runs_out:
        return left
    ends = ore_ends(data)
    for j, row in enumerate(sources):
        if row.activity in ends:
            left[j] = overlap(calendar, calendar.first_year, ends[row.activity])
    return left


def _usual(data: Dataset, sources: Sequence[Any], projects: Sequence[Any], calendar: Calendar) -> Floats:
    """(J, T) usual flow over capacity, at most 1; 1 where a row states none."""
    series: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for row in data.rows("capacities"):
        known = row.normal_t_per_yr is not None and row.capacity_t_per_yr > 0
        share = min(1.0, row.normal_t_per_yr / row.capacity_t_per_yr) if known else 1.0
        series[row.activity].append((row.from_year, share))
    existing = [yearly(series[row.activity], calendar) for row in sources]
    return np.array([*existing, *np.ones((len(projects), calendar.periods))]).reshape(-1, calendar.periods)


def _members(plan: Plan, data: Dataset, materials: Sequence[Any], yields: Floats) -> tuple[frozenset[str], ...]:
    """(J,) countries of the home whose users a producer serves: of its first material that is of a home of its own, else of the
    plan's."""
    homes = [row.home for row in materials]
    served = [next((homes[i] for i in np.flatnonzero(row) if homes[i]), None) or plan.home for row in yields]
    known = {home: members(data, home) for home in dict.fromkeys(served)}
    return tuple(known[home] for home in served)


def _overland(data: Dataset, country: Sequence[str], inside: Sequence[frozenset[str]]) -> Bools:
    """(J,) producers in a country that borders the home they serve on land."""
    borders = {row.country: set(row.land_neighbours.split()) for row in data.rows("countries")}
    beside = {own: set().union(*(borders.get(c, set()) for c in own)) - own for own in dict.fromkeys(inside)}
    return np.array([c in beside[own] for c, own in zip(country, inside, strict=True)], dtype=bool)


def _components(
    chosen: Sequence[str], yields: Floats, pool: Sequence[str], offers: Sequence[Any]
) -> tuple[Ints, tuple[str, ...]]:
    """Materials linked by a producer, a pool or a seller form a component, named after its first material."""
    at = {name: i for i, name in enumerate(chosen)}
    shared: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i, name in enumerate(pool):
        shared["pool", name] += [i] if name else []
    for row in offers:
        shared["seller", row.seller or ""] += [at[row.material]] if row.seller else []
    links = np.zeros((len(shared), len(chosen)))
    for k, linked in enumerate(shared.values()):
        links[k, linked] = 1.0
    component, first = _linked(np.concatenate([yields, links]))
    return component, tuple(chosen[i] for i in first)


def _chains(yields: Floats, homes: Sequence[str | None]) -> Ints:
    """(I,) materials linked by a producer of one home; what a plant built by several takes and makes is a chain of its own."""
    of = np.array([home or "" for home in homes], dtype=str)
    within = [np.where(of == home, row, 0.0) for row in yields for home in dict.fromkeys(of[row != 0].tolist())]
    return _linked(np.array(within).reshape(-1, len(homes)))[0]


def _linked(links: Floats) -> tuple[Ints, list[int]]:
    """(I,) number of the group of each column that rows link, counted in the order of their first columns, and these columns."""
    touches = csr_array(links != 0).astype(np.int8)
    _, found = connected_components(touches.T @ touches, directed=False)
    _, first, group = np.unique(found, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first))
    return order[group].astype(int), sorted(first.tolist())


def _in_force(row: Any, materials: Mapping[str, int], calendar: Calendar) -> tuple[Floor, ...]:
    """The floor that a producer already has, on the output that its row names."""
    level, until = row.floor_usd_per_kg, row.floor_until_year
    if level is None or until is None or until < calendar.first_year:
        return ()
    term = (until + 1 - calendar.first_year) * calendar.per_year
    return (Floor(materials[row.floor_material], level * MUSD_PER_T, 0.0, "contract", term, begin=0),)


def _contract_terms(
    plan: Plan, sources: Sequence[Any], home: Bools, calendar: Calendar, procurement: Procurement
) -> dict[str, Any]:
    allowed, projects = plan.instruments.offtake_contracts, len(home) - len(sources)
    offers = [
        allowed
        and row.lot_t_per_yr is not None
        and row.term_yr is not None
        and row.kappa < 1
        and not home[j]
        and bool(procurement.offtake_open[j].any())
        for j, row in enumerate(sources)
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


def _wanted(plan: Plan, row: Any, materials: Mapping[str, int], producers: Mapping[str, int]) -> bool:
    """Whether a row of `offers` is of the plan's materials and producers, and the plan may buy at all."""
    sold = row.source_producer == "outside" or row.source_producer in producers
    return plan.instruments.reserve and row.material in materials and sold


def _sellers(data: Dataset, offers: Sequence[Any], calendar: Calendar) -> dict[str, Any]:
    """Sellers whose depth several open offers share, or that have less than an offer's own."""
    series = _grouped(data.rows("sellers"), "seller", "depth_t_per_yr")
    named = [name for name in dict.fromkeys(row.seller for row in offers if row.seller) if name in series]
    place = {name: g for g, name in enumerate(named)}
    return {
        "sellers": tuple(named),
        "offer_seller": np.array([place.get(row.seller, -1) for row in offers], dtype=int),
        "seller_depth": np.array([yearly(series[name], calendar) for name in named], dtype=float).reshape(
            -1, calendar.periods
        )
        * calendar.step,
    }


def _offers(
    wanted: Sequence[Any],
    offer_open: Bools,
    materials: Mapping[str, int],
    producers: Mapping[str, int],
    country: Sequence[str],
    step: float,
    measures: Measures,
) -> dict[str, Any]:
    """Offers of which something may be bought at some time."""
    ever = np.flatnonzero(offer_open.any(axis=1)).tolist()
    rows = [wanted[o] for o in ever]
    outside = [row.source_producer == "outside" for row in rows]
    material = np.array([materials[row.material] for row in rows], dtype=int)
    origin = tuple(
        (row.origin or "") if out else country[producers[row.source_producer]]
        for row, out in zip(rows, outside, strict=True)
    )
    sells = material[:, None] == np.arange(len(materials))
    return {
        "offers": tuple(row.offer for row in rows),
        "offer_material": material,
        "offer_source": np.array([producers.get(row.source_producer, -1) for row in rows], dtype=int),
        "offer_country": origin,
        "offer_outside": measures.outside(origin, sells).any(axis=1),
        "offer_depth": np.array([row.depth_t_per_yr * step for row in rows], dtype=float),
        "offer_open": offer_open[ever].astype(float),
        "offer_premium": np.array([row.premium_share for row in rows], dtype=float),
        "offer_crisis": np.array(
            [row.crisis_availability if out else 1.0 for row, out in zip(rows, outside, strict=True)], dtype=float
        ),
    }
