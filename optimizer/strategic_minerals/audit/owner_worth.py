"""What owners expect of a project and ask for it, worked out a second time: section 17 of the formulation in plain loops.

Courses (S) are those of the pricing sample, or the baseline course alone; states are the price states. Million USD at signing,
rates per year. Of the model's own arithmetic nothing is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.arrays import Floats
from ..instance.floor import Floor
from ..instance.instance import Instance, MarketFloor, Project
from ..scenarios.scenario_set import ScenarioSet
from .producers import TINY, asked_price, begins, expected_topup, held, owner_npv, revenue, survives
from .scenario_data import PathData

STEPS = 100
"""Halvings of the interval in which a rate is looked for."""


@dataclass(frozen=True)
class OwnerWorth:
    """A project under floors, beside the same project without any, both at the rate with them; fees are not counted."""

    rate: float
    expected_rate: float
    npv: float
    without: float
    transferred: float
    """Downside that the government bears instead of the owner."""


def owner_worth(path_data: PathData, p: int, floors: Sequence[Floor], signed: int) -> OwnerWorth:
    """Rates, values with and without the floors, and the downside that they move; each worked out once."""
    key, known = ("worth", p, tuple(floors), signed), path_data.owners.known
    if key not in known:
        known[key] = _owner_worth(path_data, p, floors, signed)
    found: OwnerWorth = known[key]
    return found


def _owner_worth(path_data: PathData, p: int, floors: Sequence[Floor], signed: int) -> OwnerWorth:
    n, project = path_data.instance, path_data.instance.projects[p]
    asked = n.plan.owners
    if path_data.owners.pricing is None and asked.price_risk_premium == 0 and asked.risk_charge == 0:
        value = owner_npv(n, project, floors, signed)
        return OwnerWorth(project.hurdle, project.hurdle, value, owner_npv(n, project, (), signed), 0.0)
    usual = expected_rate(path_data, p, signed)
    sold = _margins(path_data, p, floors, floors, signed)
    bare = _margins(path_data, p, (), floors, signed)
    alone = _margins(path_data, p, (), (), signed)
    chances = _chances(path_data)
    worth_bare = [discounted(n, project, margins, usual) for margins in bare]
    mean = sum(float(q @ values) for q, values in zip(chances, worth_bare, strict=True))
    size = sum(float(q @ abs(discounted(n, project, m, 0.0))) for q, m in zip(chances, bare, strict=True))
    before = after = 0.0
    for q, margins, unsold in zip(chances, sold, worth_bare, strict=True):
        before += float(q @ np.maximum(0.0, mean - unsold))
        after += float(q @ np.maximum(0.0, mean - discounted(n, project, margins, usual)))
    if before <= TINY * 1e-3 * (project.capex + size):
        rate, moved = usual, 0.0
    else:
        rate = max(0.0, usual - asked.price_risk_premium * max(0.0, 1 - after / before))
        moved = max(0.0, before - after)
    npv, without = (
        sum(float(q @ discounted(n, project, m, rate)) for q, m in zip(chances, of, strict=True))
        - capital_paid(n, project, rate)
        for of in (sold, alone)
    )
    return OwnerWorth(rate, usual, npv, without, moved)


def expected_rate(path_data: PathData, p: int, signed: int) -> float:
    """The rate at which expected flows without support are worth what quiet ones are at the project's own; never above that."""
    n, project = path_data.instance, path_data.instance.projects[p]
    pricing = path_data.owners.pricing
    if pricing is None:
        return project.hurdle
    value = owner_npv(n, project, (), signed)
    key, known = ("rate", p, signed), path_data.owners.known
    if key not in known:
        flows = np.zeros(project.life)
        for q, margins in zip(
            _weights(n, pricing.reference),
            _margins_along(n, pricing.reference, project, (), (), signed),
            strict=True,
        ):
            flows += q @ margins
        known[key] = _same_worth(n, project, flows, value)
    found: float = known[key]
    return found


def _same_worth(n: Instance, project: Project, flows: Floats, value: float) -> float:
    """Where flows are worth a value, looked for between 0 and the hurdle rate; the better end where they nowhere are."""

    def missing(rate: float) -> float:
        return value - float(discounted(n, project, flows, rate)) + capital_paid(n, project, rate)

    low, high = 0.0, project.hurdle
    if missing(high) <= TINY * 1e-3 * (project.capex + abs(value)):
        return high
    if missing(low) > 0:
        return high if missing(high) <= missing(low) else low
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if missing(middle) <= 0 else (low, middle)
    return (low + high) / 2


def discounted(n: Instance, project: Project, flows: Floats, rate: float) -> Floats:
    """PV at signing of flows (..., life) of a project's life."""
    value = np.zeros(flows.shape[:-1])
    for age in range(project.life):
        value = value + flows[..., age] * (1 + rate) ** (-(project.lead + age) * n.calendar.step)
    return np.asarray(value)


def capital_paid(n: Instance, project: Project, rate: float) -> float:
    """PV at signing of the capital cost, in `lead` equal parts."""
    paid = [(1 + rate) ** (-u * n.calendar.step) for u in range(project.lead)]
    return float(project.capex / project.lead * sum(paid))


def fees_received(n: Instance, fees: Floats, rate: float, signed: int) -> float:
    """PV at signing of the fees that the government pays."""
    return float(sum(fee * (1 + rate) ** (-(t - signed) * n.calendar.step) for t, fee in enumerate(fees)))


def _chances(path_data: PathData) -> list[Floats]:
    """By price state, the probability of each course with it."""
    n, pricing = path_data.instance, path_data.owners.pricing
    if pricing is None:
        return [np.array([float(q)]) for q in n.state_probability]
    return _weights(n, pricing.scenarios)


def _weights(n: Instance, scenarios: ScenarioSet) -> list[Floats]:
    return [float(q) * scenarios.probability for q in n.state_probability]


def _margins(
    path_data: PathData, p: int, floors: Sequence[Floor], running_on: Sequence[Floor], signed: int
) -> list[Floats]:
    """By price state, (S, life) margins under floors of the output that other floors keep running."""
    n, project = path_data.instance, path_data.instance.projects[p]
    pricing = path_data.owners.pricing
    if pricing is not None:
        return _margins_along(n, pricing.scenarios, project, floors, running_on, signed)
    j, start = project.producer, signed + project.lead
    price = held(n.price, start + project.life)[None]
    found = []
    for w in n.state_factor:
        earned = revenue(n, j, price, floors, start, float(w))[:, start:]
        found.append(n.capacity[j, 0] * project.ramp * (earned - n.cash[j]))
    return found


def _margins_along(
    n: Instance,
    scenarios: ScenarioSet,
    project: Project,
    floors: Sequence[Floor],
    running_on: Sequence[Floor],
    signed: int,
) -> list[Floats]:
    """K*rho*ramp*alive*(revenue - cash) by price state, at what users pay; after T all is the trunk's again."""
    j, start, T = project.producer, signed + project.lead, n.calendar.periods
    end = start + project.life
    later = held(n.price, max(T, end))[None, :, T:]
    S = len(scenarios.names)
    price = np.concatenate([scenarios.price, np.repeat(later, S, axis=0)], axis=2)[:, :, :end]
    gap = np.concatenate([scenarios.market_gap, np.ones_like(np.repeat(later, S, axis=0))], axis=2)[:, :, :end]
    most = None if n.plan.price_gain else held(n.price, max(T, end))[None, :, :end]
    rho = np.concatenate(
        [scenarios.availability[:, j], np.full((S, max(0, end - T)), n.availability[j, T - 1])], axis=1
    )
    alive = survives(n, j, price, running_on, start, gap)[:, start:]
    runs = n.capacity[j, 0] * project.ramp * rho[:, start:end] * alive
    return [
        runs * (revenue(n, j, price, floors, start, float(w), gap, most)[:, start:] - n.cash[j]) for w in n.state_factor
    ]


def earned_by_floors(path_data: PathData, p: int, floors: Sequence[Floor], signed: int) -> float:
    """What floors on a project's output bring the government over their terms, along the pricing sample  [million USD]."""
    n, project = path_data.instance, path_data.instance.projects[p]
    start = signed + project.lead
    ramp = np.zeros(start + max([project.life, *(begins(f, start) + f.term for f in floors)], default=0))
    ramp[start : start + project.life] = project.ramp
    most = [
        min(floor.take, n.capacity[project.producer, 0] * n.yields[project.producer, floor.material])
        for floor in floors
    ]
    return -sum(
        _cost_of_floor(path_data, project.producer, floor, floors, start, tonnes * ramp)
        for floor, tonnes in zip(floors, most, strict=True)
        if floor.kind != "border"
    )


def earned_by_market(path_data: PathData, market: MarketFloor) -> float:
    """What a market floor brings the government on existing producers' output, along the pricing sample  [million USD]."""
    n, floor = path_data.instance, market.floor
    end = max(n.calendar.periods, floor.term)
    return -sum(
        _cost_of_floor(
            path_data, j, floor, (floor,), 0, held(n.capacity[j][None], end)[0] * n.yields[j, floor.material]
        )
        for j in range(n.sources)
        if market.eligible[j]
    )


def _cost_of_floor(
    path_data: PathData, j: int, floor: Floor, floors: Sequence[Floor], start: int, tonnes: Floats
) -> float:
    """sum_s pi[s] sum_t beta rho x alive E_w[top-up] in the term up to T, and after it on trunk survival at P[i,T]."""
    n, pricing, T = path_data.instance, path_data.owners.pricing, path_data.instance.calendar.periods
    assert pricing is not None
    scenarios, rate, D, i = pricing.scenarios, n.calendar.rate, n.calendar.step, floor.material
    end = max(T, begins(floor, start) + floor.term)
    in_term = [begins(floor, start) <= t < begins(floor, start) + floor.term for t in range(end)]
    worth = [(1 + rate) ** (-D * t) * float(given) for t, given in enumerate(in_term)]
    amounts = np.concatenate([tonnes, np.zeros(end)])[:end]
    paid = asked_price(n, i, n.outside[j, i], scenarios.price[:, i], scenarios.market_gap[:, i])
    if not n.plan.price_gain:
        paid = np.minimum(paid, asked_price(n, i, n.outside[j, i], n.price[i : i + 1]))
    now = expected_topup(n, (1 + n.premium[j]) * paid, floor) * amounts[:T]
    now = now * scenarios.availability[:, j]
    now = now * survives(n, j, scenarios.price, floors, start, scenarios.market_gap)[:, :T]
    total = float(scenarios.probability @ (now @ np.array(worth[:T])))
    end_price = asked_price(n, i, n.outside[j, i], n.price[i : i + 1])[:, -1]
    last = float(expected_topup(n, (1 + n.premium[j]) * end_price, floor)[0])
    alive = survives(n, j, held(n.price, end)[None], floors, start)[0]
    return total + float(sum(worth[t] * amounts[t] * n.availability[j, -1] * alive[t] * last for t in range(T, end)))
