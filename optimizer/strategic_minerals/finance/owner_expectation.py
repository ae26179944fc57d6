"""What a project is worth to its owner in expectation, and the rate that is asked for it. Section 17 of the formulation.

Pure functions of data, computed before the solve. Courses (K) are those of the pricing sample as the project's producer sees them,
states (W) the price states. Money in million USD at signing, rates per year.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..core.arrays import Floats
from ..instance.floor import Floor
from ..instance.instance import Instance, Project
from ..instance.producer_economics import own_prices, revenue_of, survival_of
from ..scenarios.pricing import Courses
from .floor_costs import held

HALVINGS = 60
"""Of the interval in which a rate is looked for: to the last digits of a double."""

ROUNDING = 1e-12
"""Share of what is compared that is rounding."""


@dataclass(frozen=True)
class OwnerFigures:
    """What a package does to one project signed at one date, fees and capital support not counted."""

    rate: float
    """h(l): hurdle rate with the package."""
    expected_rate: float
    """h_e: hurdle rate of expected flows, without a package."""
    npv: float
    """With the package, at h(l)."""
    without: float
    """Without any, at the same rate."""
    transferred: float
    """Downside that the package moves to the government, d_0 - d_l >= 0."""


def trunk_courses(instance: Instance, producer: int) -> Courses:
    """The baseline course alone, as `courses`."""
    price = {i: path[None] for i, path in own_prices(instance, producer, instance.price).items()}
    return Courses(np.ones(1), price, np.ones((1, instance.calendar.periods)))


def owner_output(
    instance: Instance, project: Project, seen: Courses, floors: tuple[Floor, ...], signed: int, closures: bool = True
) -> Floats:
    """Output of each period of a project's life in each course, in units of the activity.

    output[s,t] = K rho[s,t] ramp alive[s,t] under the floors;  after T prices and availability are the trunk's, P[i,T]
    closures false: K ramp, as the baseline course counts it.
    """
    j, start = project.producer, signed + project.lead
    n, T = start + project.life, instance.calendar.periods
    given = instance.capacity[j, 0] * project.ramp
    if not closures:
        return np.broadcast_to(given, (len(seen.weight), project.life))
    trunk = own_prices(instance, j, instance.price)
    price = {i: then_trunk(path, trunk[i], n) for i, path in seen.price.items()}
    alive = survival_of(instance, j, price, floors, start)
    available = then_trunk(seen.available, instance.availability[j, :T], n)
    return np.asarray(given * (available * alive)[:, start:])


def owner_margins(
    instance: Instance, project: Project, seen: Courses, output: Floats, floors: tuple[Floor, ...], signed: int
) -> Floats:
    """(W, K, life) margin of an owner's output sold under floors, or without any, in each price state and course.

    margin[w,s,t] = output[s,t] (sum y+ recv((1+premium) w P) + sum y- w P - cash)
    P = P_s, or min(P_s, P_trunk) where the plan counts no gain on prices: what users pay
    """
    j, start = project.producer, signed + project.lead
    n = start + project.life
    gain = instance.plan.price_gain
    states, trunk = instance.state_factor[:, None, None], own_prices(instance, j, instance.price)
    price = {
        i: states * then_trunk(path if gain else np.minimum(path, trunk[i]), trunk[i], n)
        for i, path in seen.price.items()
    }
    earned = revenue_of(instance, j, price, floors, start)[..., start:]
    return np.asarray(output * (earned - instance.cash[j]))


def present_value(project: Project, flows: Floats, rate: float, step: float) -> Floats:
    """PV at signing of flows (..., life) of a project's life, at a yearly rate: sum_t flows[t] (1+h)**(-D (lead + t))."""
    return np.asarray(flows @ (1 + rate) ** (-step * np.arange(project.lead, project.lead + project.life)))


def capital_value(project: Project, rate: float, step: float) -> float:
    """PV at signing of a project's capital cost, paid in `lead` equal parts from signing."""
    return float(project.capex / project.lead * ((1 + rate) ** (-step * np.arange(project.lead))).sum())


def expected_flow_rate(project: Project, flows: Floats, value: float, step: float) -> float:
    """h_e: the rate of expected flows without support that leaves the owner's value unchanged.

    largest h <= h0 found with  PV_h(E[margin]) - PV_h(capex) = NPV on the trunk path at h0, at the reference hazard rates
    h0 where expected flows are worth as much at h0;  of 0 and h0 the better one where no rate between them reaches the value
    """

    def beyond(rate: float) -> float:
        return float(present_value(project, flows, rate, step)) - capital_value(project, rate, step) - value

    return unchanged_rate(beyond, project.hurdle, project.capex + abs(value))


def unchanged_rate(beyond: Callable[[float], float], quiet: float, size: float) -> float:
    """The rate between 0 and `quiet` at which expected flows are worth what quiet ones are at the latter.

    beyond(h) = what expected flows are worth more at h, 0 at the answer;  size: of the amounts that it compares
    """
    at_quiet, at_zero = beyond(quiet), beyond(0.0)
    if at_quiet >= -ROUNDING * size:
        return quiet
    if at_zero < 0:
        return quiet if at_quiet >= at_zero else 0.0
    return _root(beyond, 0.0, quiet)


def _root(beyond: Callable[[float], float], enough: float, short: float) -> float:
    """Where a function falls below zero, by halving between a point where it has not and one where it has."""
    for _ in range(HALVINGS):
        middle = (enough + short) / 2
        if beyond(middle) >= 0:
            enough = middle
        else:
            short = middle
    return (enough + short) / 2


def downside(chance: Floats, with_package: Floats, without: Floats) -> tuple[float, float]:
    """(d_l, d_0) downside of an owner's margin with a package and without, from PVs (W, K) on the same output.

    d = E[max(0, m0 - margin)] over courses and price states;  m0 = E[margin without]
    """
    mean = float((chance * without).sum())
    return (
        float((chance * np.maximum(0.0, mean - with_package)).sum()),
        float((chance * np.maximum(0.0, mean - without)).sum()),
    )


def package_rate(expected_rate: float, premium: float, left: float, before: float) -> float:
    """h(l): the hurdle rate falls with the share of the downside that a package takes away.

    h(l) = max(0, h_e - premium max(0, 1 - d_l/d_0));  d_0 = 0: h_e
    """
    share = max(0.0, 1 - left / before) if before > 0 else 0.0
    return max(0.0, expected_rate - premium * share)


def expected_flows(
    instance: Instance, project: Project, seen: Courses, floors: tuple[Floor, ...], signed: int, closures: bool = True
) -> Floats:
    """(life,) E[margin] over courses and price states, of the output that the floors keep alive."""
    output = owner_output(instance, project, seen, floors, signed, closures)
    margins = owner_margins(instance, project, seen, output, floors, signed)
    return _mean(instance, seen, margins)


def owner_figures(
    instance: Instance,
    project: Project,
    seen: Courses,
    floors: tuple[Floor, ...],
    signed: int,
    expected_rate: float,
    alone: Floats,
    closures: bool = True,
) -> OwnerFigures:
    """What floors are worth to the owner of a project, beside having none, both at the rate with them.

    d_l and d_0 are compared on the output that the package keeps alive, as PVs at h_e;  transferred = max(0, d_0 - d_l)
    NPV = PV at h(l) of E[margin] less capital cost;  without support: `alone`, as `expected_flows` of the project's own output
    """
    asked, step = instance.plan.owners, instance.calendar.step
    rate, moved, flows = expected_rate, 0.0, alone
    if floors:
        output = owner_output(instance, project, seen, floors, signed, closures)
        sold = owner_margins(instance, project, seen, output, floors, signed)
        flows = _mean(instance, seen, sold)
        if asked.price_risk_premium > 0 or asked.risk_charge > 0:
            bare = owner_margins(instance, project, seen, output, (), signed)
            chance = instance.state_probability[:, None] * seen.weight
            worth = [present_value(project, margins, expected_rate, step) for margins in (sold, bare)]
            left, before = downside(chance, *worth)
            size = float((chance * np.abs(present_value(project, bare, 0.0, step))).sum())
            if before > ROUNDING * (project.capex + size):
                rate = package_rate(expected_rate, asked.price_risk_premium, left, before)
                moved = max(0.0, before - left)
    capital = capital_value(project, rate, step)
    npv, without = (float(present_value(project, of, rate, step)) - capital for of in (flows, alone))
    return OwnerFigures(rate, expected_rate, npv, without, moved)


def _mean(instance: Instance, seen: Courses, margins: Floats) -> Floats:
    """(life,) expectation of (W, K, life) margins."""
    return np.asarray(seen.weight @ np.tensordot(instance.state_probability, margins, axes=1))


def then_trunk(path: Floats, trunk: Floats, periods: int) -> Floats:
    """(K, periods) a course up to the end of the horizon, then the trunk's last value."""
    T = path.shape[-1]
    if periods <= T:
        return path[:, :periods]
    after = np.broadcast_to(held(trunk, periods)[T:], (len(path), periods - T))
    return np.concatenate([path, after], axis=1)
