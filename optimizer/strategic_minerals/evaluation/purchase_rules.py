"""Rules of thumb of ministries as purchases by year: days of cover, published ceilings, equal money, shares by value.

Each comes at its own money and at as much as the plan spends. A rule signs nothing, or all that the plan signs: plants,
contracts, floors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ..core.arrays import Floats
from ..core.units import DAYS_PER_YEAR
from ..formulation.parameters import net_imports
from ..model.problem import Problem
from ..model.solution import Solution

COVERS = (60, 90, 120, 180)
"""Days of net imports."""
OTHER_COVERS = tuple(f"{days} days of cover" for days in COVERS[1:])
OF_DEPTH = 0.9
"""Share of what the market offers in a year that a rule reckons with."""
OF_MONEY = 0.85
"""Share of a year's appropriation that it spends on purchases: what is held has to be paid for too."""
MOST_SCALE, HALVINGS = 1e4, 60
"""Of a rule, to spend as much as the plan."""


@dataclass(frozen=True)
class PurchaseRule:
    """What a rule buys as long as nothing happens."""

    name: str
    money: str
    """`its own`, or `the plan's`."""
    bought: Mapping[str, Floats]
    """Purchase -> (T,) tonnes."""
    spent_musd: float
    """On purchases of the planned years, not discounted."""
    plants: bool
    """Whether it signs what the plan signs."""
    note: str = ""


@dataclass(frozen=True)
class Offered:
    """Offers of one material, the cheapest first."""

    purchases: tuple[str, ...]
    depth: Floats
    """(offers, T) tonnes."""
    price: Floats
    """(offers, T) [million USD/t]."""


Schedule = Callable[[float], dict[str, Floats]]
"""Scale of a rule -> purchase -> (T,) tonnes."""


def purchase_rules(problem: Problem, plan_musd: float, ceilings: Mapping[str, float]) -> Iterator[PurchaseRule]:
    """All rules, each at its own money and at the plan's.

    plan_musd: what the plan spends in the planned years. ceilings: material -> tonnes a year that a published plan lets the
    stockpile buy.
    """
    n, market = problem.natural, offered(problem)
    imports = {i: float(net_imports(n, i).max()) for i in market}
    worth = {i: imports[i] * float(n.price[i, 0]) for i in market}
    total = sum(worth.values())
    own = float(n.appropriation[: len(n.calendar.planned_years)].sum())
    listed = {n.materials.index(m): tonnes for m, tonnes in ceilings.items() if m in n.materials}
    schedules: list[tuple[str, Schedule, bool]] = []
    for days in COVERS:
        target = {i: imports[i] * days / DAYS_PER_YEAR for i in market}
        schedules.append((f"{days} days of cover", _stock(problem, market, target), False))
    target = {i: imports[i] * COVERS[0] / DAYS_PER_YEAR for i in market}
    schedules.append((f"{COVERS[0]} days of cover and all that the plan signs", _stock(problem, market, target), True))
    if any(listed.get(i, 0.0) > 0 for i in market):
        schedules.append(("published purchase ceilings", _yearly(problem, market, listed), False))
    equal = {i: own / len(market) for i in market}
    schedules.append(("equal money for each material", _money(problem, market, equal), False))
    if total > 0:
        by_value = {i: own * worth[i] / total for i in market}
        schedules.append(("money by value of net imports", _money(problem, market, by_value), False))
    for name, schedule, plants in schedules:
        bought = schedule(1.0)
        yield PurchaseRule(name, "its own", bought, spent(problem, market, bought), plants)
        if name in OTHER_COVERS:  # scaled to the same money they are the first
            continue
        scale, note = _scale(problem, market, schedule, plan_musd)
        bought = schedule(scale)
        yield PurchaseRule(name, "the plan's", bought, spent(problem, market, bought), plants, note)


def offered(problem: Problem) -> dict[int, Offered]:
    """Material -> what the market offers the reserve before any event; materials without an offer are left out."""
    n, unit = problem.natural, problem.instance.material_unit
    T, trunk = n.calendar.periods, problem.structure.trunk
    found = {}
    for c, sets in enumerate(problem.structure.component_sets):
        part = problem.assembly.operations[c]
        for i in sets.materials:
            mine = [p for p in sets.purchases if p.material == i and p.offer >= 0]
            depth = [problem.assembly.upper[part.columns("acquisition", p.name)[:T]] * float(unit[i]) for p in mine]
            price = [
                problem.instance.purchase_price(p, trunk.price[0, i], trunk.market_gap[0, i])[:T] / float(unit[i])
                for p in mine
            ]
            order = sorted(range(len(mine)), key=lambda k: float(price[k][0]))
            if mine and max(float(d.max()) for d in depth) > 0:
                found[i] = Offered(
                    tuple(mine[k].name for k in order),
                    np.array([np.where(np.isfinite(depth[k]), depth[k], 0.0) for k in order]),
                    np.array([price[k] for k in order]),
                )
    return found


def spent(problem: Problem, market: Mapping[int, Offered], bought: Mapping[str, Floats]) -> float:
    """Cost of purchases in the planned periods [million USD, not discounted]."""
    planned = problem.natural.calendar.planned
    return sum(
        float(bought[name][:planned] @ of.price[k][:planned])
        for of in market.values()
        for k, name in enumerate(of.purchases)
        if name in bought
    )


def purchases_musd(problem: Problem, course: Solution) -> float:
    """Cost of a course's purchases before any event in the planned periods [million USD, not discounted]."""
    at = {name: k for k, name in enumerate(course.purchases)}
    bought = {name: course.acquisition[0, k] for name, k in at.items()}
    return spent(problem, offered(problem), bought)


def _filled(
    problem: Problem, market: Mapping[int, Offered], wanted: Callable[[int, int, float], float]
) -> dict[str, Floats]:
    """Purchases period by period: the cheapest offers first, within depth and a year's money, all materials cut alike.

    wanted: (material, period, bought so far) -> tonnes wanted in the period.
    """
    n = problem.natural
    T, planned, per_year = n.calendar.periods, n.calendar.planned, n.calendar.per_year
    bought = {name: np.zeros(T) for of in market.values() for name in of.purchases}
    for t in range(planned):
        asked: dict[str, float] = {}
        cost = 0.0
        for i, of in market.items():
            left = wanted(i, t, sum(float(bought[name].sum()) for name in of.purchases))
            for k, name in enumerate(of.purchases):
                tonnes = max(0.0, min(left, OF_DEPTH * float(of.depth[k, t])))
                asked[name], left = tonnes, left - tonnes
                cost += tonnes * float(of.price[k, t])
        money = OF_MONEY * float(n.appropriation[t // per_year]) / per_year
        share = min(1.0, money / cost) if cost > 0 else 1.0
        for name, tonnes in asked.items():
            bought[name][t] = share * tonnes
    return bought


def _stock(problem: Problem, market: Mapping[int, Offered], target: Mapping[int, float]) -> Schedule:
    """A stock of each material, as soon as market and money allow."""
    return lambda scale: _filled(problem, market, lambda i, t, had: scale * target[i] - had)


def _yearly(problem: Problem, market: Mapping[int, Offered], ceilings: Mapping[int, float]) -> Schedule:
    """The same tonnes every year."""
    step = problem.natural.calendar.step
    return lambda scale: _filled(problem, market, lambda i, t, had: scale * ceilings.get(i, 0.0) * step)


def _money(problem: Problem, market: Mapping[int, Offered], money: Mapping[int, float]) -> Schedule:
    """The same money every year, at the price of the cheapest offer  [million USD in all planned years]."""
    planned = problem.natural.calendar.planned
    return lambda scale: _filled(
        problem, market, lambda i, t, had: scale * OF_MONEY * money[i] / planned / float(market[i].price[0, t])
    )


def _scale(problem: Problem, market: Mapping[int, Offered], schedule: Schedule, musd: float) -> tuple[float, str]:
    """(scale at which a rule spends as much, why it does not)."""
    low, high = 0.0, MOST_SCALE
    if spent(problem, market, schedule(high)) < musd:
        return high, "the market offers no more"
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if spent(problem, market, schedule(middle)) < musd:
            low = middle
        else:
            high = middle
    return high, ""
