"""How an item stands at a value of a figure, from data alone: whether it can be chosen, why not, and what a floor would change.

No solve is needed for this: financing gaps, participation and survival are pure functions of data (formulation section 4).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..checks.consistency import require
from ..core.units import MUSD_PER_T
from ..data.dataset import Dataset
from ..data.names import Names
from ..finance.items import Identity, Item, identity, market_items, refusals, signings
from ..finance.owner_value import OwnerValuation
from ..finance.packages import Option, Support, build_support
from ..instance.build import build_instance
from ..instance.instance import Instance
from ..instance.scaling import scale
from ..model.reuse import same_owners
from ..scenarios.build import build_scenarios
from ..scenarios.events import longest_event
from ..scenarios.pricing import PricingSample, pricing_sample
from ..scenarios.scenario_set import SampledScenarios, ScenarioSet
from ..schemas.plan import Plan

Edit = Callable[[Plan, Dataset, Mapping[str, Any]], tuple[Plan, Dataset]]
ComponentSets = tuple[frozenset[Hashable], bool]


@dataclass(frozen=True)
class Standing:
    """An item in one variant of a question."""

    there: bool
    """The plan may choose it."""
    alone: bool
    """A project that its owner builds without support."""
    why: str
    """Why it is not there."""
    shape: ComponentSets
    """What only a change of participation, gap or survival changes."""
    idle: str
    """Why a floor brings nothing that its cost could be weighed against; empty where it does, and for what is no floor."""


@dataclass(frozen=True)
class _Built:
    """What the last variant was built from: the next one takes over what it has in common with it."""

    natural: Instance
    scenarios: ScenarioSet
    pricing: PricingSample | None
    """These three in tonnes."""
    near: Instance
    owners: OwnerValuation


class Standings:
    """How one item stands in variants of a question."""

    def __init__(self, item: Item, held: SampledScenarios | None) -> None:
        """held: sampled scenarios to keep."""
        self._item, self._held = item, held
        self._last: _Built | None = None

    def of(self, plan: Plan, data: Dataset) -> Standing:
        """How the item stands. Raises PlanError, InputError where plan and tables refuse the variant."""
        require(plan, data)
        item = self._item
        if item.kind in ("contract", "offer"):
            return Standing(True, False, "", (frozenset(), False), "")
        natural = build_instance(plan, data, longest_event(plan, data))
        instance, last = scale(natural), self._last
        alike = last is not None and same_owners(last.natural, natural)
        scenarios = build_scenarios(natural, data, self._held, last.scenarios if last is not None and alike else None)
        pricing = pricing_sample(natural, data, None if last is None else last.pricing, alike=alike)
        counted = scenarios.counted_in(instance.material_unit)
        key = identity(item, plan)
        near = _near(instance, item, key)
        known = last.owners if last is not None and same_owners(last.near, near) else None
        support = build_support(
            near, counted, known, None if pricing is None else pricing.counted_in(instance.material_unit)
        )
        self._last = _Built(natural, scenarios, pricing, near, support.owners)
        project = next(
            (p for p, one in enumerate(near.projects) if item.kind == "project" and one.name == item.project), None
        )
        alone = project is not None and bool(support.baseline[project])
        _, members = signings(near, support).get(key, (item, []))
        options = [support.options[o] for o in members]
        market = market_items(near, support).get(key)
        there = bool(options) or market is not None
        why = "" if there else _why(near, support, key)
        idle = (
            ""
            if item.level is None or not there
            else _idle(near, counted, support, options, None if market is None else market[1], Names.of(data))
        )
        return Standing(there, alone, why, (_shape(support, options, market), alone), idle)


def _near(instance: Instance, item: Item, key: Identity) -> Instance:
    """The instance with the projects alone that could have the item: ways of support of others do not hang on them."""
    material = -1
    if item.kind == "floor" and item.level is not None:
        names = instance.materials
        material = names.index(item.level.menu.material) if item.level.menu.material in names else -1

    def mine(name: str, producer: int) -> bool:
        if item.kind == "project":
            return name == item.project
        return item.kind == "package" or (material >= 0 and bool(instance.yields[producer, material] > 0))

    kept = [p for p, project in enumerate(instance.projects) if mine(project.name, project.producer)]
    packages = [
        package if package.project is None else replace(package, project=kept.index(package.project))
        for package in instance.packages
        if package.project is None or package.project in kept
    ]
    projects = tuple(replace(instance.projects[p], needs=(), excludes=()) for p in kept)
    return replace(instance, projects=projects, packages=tuple(packages))


def _why(instance: Instance, support: Support, key: Identity) -> str:
    refused = refusals(instance, support).get(key)
    return "neither the plan nor its tables offer it" if refused is None else refused[1]


def _shape(support: Support, options: list[Option], market: tuple[Item, int] | None) -> frozenset[Hashable]:
    """Options with what they do at which dates, and what a market floor does to existing sources."""
    found: set[Hashable] = set()
    for option in options if market is None else [o for o in support.options if market[1] in o.market]:
        output, floor = support.classes[option.output_class], option.package.floor
        beside = tuple(support.markets[m].floor.floor.id for m in option.market)
        package = option.package.row, None if floor is None else floor.id
        found.add(
            (
                option.project,
                package,
                beside,
                option.signed,
                option.gap > 0,
                output.trunk.tobytes(),
                output.scenarios.tobytes(),
            )
        )
    if market is not None:
        existing = support.markets[market[1]]
        found.add((existing.trunk.tobytes(), existing.scenarios.tobytes()))
    return frozenset(found)


def _idle(
    instance: Instance,
    scenarios: ScenarioSet,
    support: Support,
    options: list[Option],
    market: int | None,
    names: Names,
) -> str:
    """Why a floor changes nothing that a plan could want; empty where it does."""
    if market is not None:
        return _market_idle(instance, support, market)
    projects = list(dict.fromkeys(option.project for option in options))
    told = {
        p: _option_idle(instance, scenarios, support, [o for o in options if o.project == p], names) for p in projects
    }
    if not all(told.values()):
        return ""
    if len(set(told.values())) == 1:
        return next(iter(told.values()))
    return "; ".join(f"{names.producer(instance.projects[p].name)}: {why}" for p, why in told.items())


def _option_idle(
    instance: Instance, scenarios: ScenarioSet, support: Support, options: list[Option], names: Names
) -> str:
    """As `_idle`, for the options of one project with the floor of its package."""
    p, floor = options[0].project, options[0].package.floor
    project = instance.projects[p]
    name = names.producer(project.name)
    assert floor is not None
    late = _after_the_last(instance, scenarios, floor.material, min(option.start for option in options), names)
    if late:
        return late
    owners = support.owners
    finances, runs, gaps = False, True, False
    for option in options:
        without = owners.floor_set(tuple(support.markets[m].floor.floor for m in option.market))
        output, (trunk, along, _) = support.classes[option.output_class], owners.output(p, without, option.start)
        if not (np.array_equal(output.trunk, trunk) and np.array_equal(output.scenarios, along)):
            return ""  # it keeps the plant open where it would shut
        gap = owners.gap(p, without, option.signed, option.fees)
        finances, gaps = finances or option.gap < gap, gaps or gap > 0
        runs = runs and bool(owners.alive(p, without, option.start).all())
    if not runs:
        cash = instance.cash[project.producer] / instance.producer_unit[project.producer] / MUSD_PER_T
        return "" if finances else f"it does not keep {name} open when prices fall (cash cost {cash:,.4g} USD/kg)"
    if finances:
        return f"{name} keeps running in every disruption without it, so it only replaces capital support"
    pays = "gets no more money from investors with it" if gaps else "is profitable for its owner without it"
    return f"{name} {pays}, and keeps running in every disruption without it"


def _after_the_last(instance: Instance, scenarios: ScenarioSet, material: int, start: int, names: Names) -> str:
    """That output begins once the last disruption of the material's chain is over; empty where some lasts longer."""
    calendar, c = instance.calendar, instance.component[material]
    struck = scenarios.onset[:, c] < calendar.periods
    if not struck.any():
        return f"no disruption of the plan affects {names.material(instance.materials[material])}"
    over = int(scenarios.end[struck, c].max())
    if start < over:
        return ""
    last = calendar.period_label(over - 1)
    return f"output begins in {calendar.period_label(start)}, after the last disruption has ended (in {last})"


def _market_idle(instance: Instance, support: Support, m: int) -> str:
    """As `_idle`, for a market-wide floor."""
    market = support.markets[m]
    if any(m in option.market for option in support.options):
        return ""
    covered = np.flatnonzero(market.floor.eligible[: instance.sources])
    if not (
        np.array_equal(market.trunk, support.trunk_alive) and np.array_equal(market.scenarios, support.scenarios_alive)
    ):
        return ""
    if support.trunk_alive[covered].all() and support.scenarios_alive[:, covered].all():
        return "every producer that it covers keeps running in every disruption without it"
    return "it keeps open none of the producers that it covers"
