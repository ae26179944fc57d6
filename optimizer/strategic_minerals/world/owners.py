"""What owners of projects get and need under every package, and what it costs: worked out once, kept for the next question."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from ..core.frames import Bools, Floats
from ..core.stats import bracket
from .events import ScenarioSet
from .instance import Floor, Instance, Package, Project
from .producers import (
    built_anyway,
    capital_cost,
    expected_payment,
    financing_gap,
    own_prices,
    owner_npv,
    payment,
    payment_parts,
    quantile_state,
    ramped_share,
    revenue_of,
    survival,
    survival_of,
)
from .scenarios import Courses, PricingSample, courses


# What price floors cost: on the budget, at the liability quantile, in expectation, after the horizon.
@dataclass(frozen=True)
class FloorMoney:
    """What a floor costs on given tonnes: by period on the budget, at the liability quantile, and in expectation."""

    budget: Floats
    """(T,) expected payment on the trunk path, receipts of an upside share not counted as budget [million USD]."""
    liability: Floats
    """(T,) payment on the trunk path in the price state w*, net of upside [million USD]."""
    expected: float
    """Discounted expectation over all scenarios within the horizon [million USD]."""
    terminal: float
    """Discounted payments after the horizon on trunk survival at the last price [million USD]."""


def held(series: Floats, length: int) -> Floats:
    """(..., length) a series over periods that holds its last value."""
    return np.concatenate([series, np.repeat(series[..., -1:], length - series.shape[-1], axis=-1)], axis=-1)


def trunk_prices(instance: Instance, scenarios: ScenarioSet, length: int) -> tuple[Floats, Floats]:
    """(I, length) prices on the trunk, and outside as a multiple of them: of events that have begun before the plan up to
    the end of the horizon, undisturbed after it."""
    base, beyond = scenarios.baseline(instance), (len(instance.materials), length - instance.calendar.periods)
    later = np.broadcast_to(instance.price[:, -1:], beyond)
    return np.concatenate([base.price[0], later], axis=1), np.concatenate([base.market_gap[0], np.ones(beyond)], axis=1)


def counted_price(instance: Instance, scenarios: ScenarioSet, material: int, outside: bool = False) -> Floats:
    """(S, T) price at which floors pay in scenarios, in one of two markets: no dearer than the trunk's, so that no floor pays for
    itself by claw-back in a squeeze."""
    gap = scenarios.market_gap[:, material]
    price = instance.market_price(material, outside, scenarios.price[:, material], gap=gap)
    calm = instance.market_price(material, outside, instance.price[material])
    return np.minimum(price, calm)


def floor_payments(
    instance: Instance,
    scenarios: ScenarioSet,
    j: int,
    floor: Floor,
    begin: int,
    trunk_tonnes: Floats,
    scenario_tonnes: Floats,
    weight: Floats,
) -> FloorMoney:
    """What a floor pays on tonnes that are alive: (n >= T,) on the trunk, (S, T) in the scenarios, availability not yet counted.

    trunk[t] = beta rho x E_w[payment(P_trunk)];  scenarios[s] = sum_t beta rho_s x_s E_w[payment(P_s)]  up to T, within the term
    expected = sum_t w0[t] trunk[t] + sum_s pi[s] scenarios[s];  weight: (C, T) w0, `scenarios.trunk_weight`
    terminal = sum_{t>T} beta rho x E_w[payment(P_T)] on trunk survival;  liability[t] = rho x payment(w* P_trunk)
    The reference price is the producer's own, (1+premium)*P, so that what the payer pays is what the owner receives."""
    calendar = instance.calendar
    T, n = calendar.periods, len(trunk_tonnes)
    own, outside = 1 + instance.premium[j], bool(instance.outside[j, floor.material])
    t = np.arange(n)
    term = (t >= begin) & (t < begin + floor.term)
    path, gaps = trunk_prices(instance, scenarios, n)
    price = instance.market_price(floor.material, outside, path[floor.material], gap=gaps[floor.material])
    price = np.minimum(price, instance.market_price(floor.material, outside, held(instance.price[floor.material], n)))
    available = np.concatenate(
        [scenarios.baseline(instance).availability[0, j], np.full(n - T, instance.availability[j, -1])]
    )
    tonnes = trunk_tonnes * available * term
    per_tonne = expected_payment(instance, own * price, floor)
    star = quantile_state(instance, instance.plan.budget.liability_quantile)
    beta = (1 + calendar.rate) ** (-calendar.step * t)
    c = instance.component[floor.material]
    branch = scenarios.onset[:, c][:, None] <= np.arange(T)
    paid = expected_payment(instance, own * counted_price(instance, scenarios, floor.material, outside), floor)
    in_scenarios = (branch * scenario_tonnes * scenarios.availability[:, j] * term[:T] * paid) @ beta[:T]
    budget = tonnes[:T] * np.maximum(0.0, per_tonne[:T])
    liability = tonnes[:T] * payment(star * own * price[:T], floor)
    on_trunk = beta[:T] * tonnes[:T] * per_tonne[:T]
    expected = float(weight[c] @ on_trunk + scenarios.probability @ in_scenarios)
    return FloorMoney(budget, liability, expected, float((beta[T:] * tonnes[T:]) @ per_tonne[T:]))


def total_money(parts: Sequence[FloorMoney], periods: int) -> FloorMoney:
    """Of several floors together."""
    if len(parts) == 1:
        return parts[0]
    zero = np.zeros(periods)
    return FloorMoney(
        sum((m.budget for m in parts), zero),
        sum((m.liability for m in parts), zero),
        sum(m.expected for m in parts),
        sum(m.terminal for m in parts),
    )


# What a project is worth to its owner in expectation, and the rate that is asked for it. FORMULATION, owners.
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


def owner_output(
    instance: Instance, project: Project, seen: Courses, floors: tuple[Floor, ...], signed: int, closures: bool = True
) -> Floats:
    """Output of each period of a project's life in each course, in units of the activity.

    output[s,t] = K rho[s,t] ramp alive[s,t] under the floors;  after T prices and availability are the trunk's, P[i,T]
    closures false: K ramp, as the baseline course counts it."""
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
    P = min(P_s, P_trunk): what users pay"""
    j, start = project.producer, signed + project.lead
    n = start + project.life
    states, trunk = instance.state_factor[:, None, None], own_prices(instance, j, instance.price)
    price = {i: states * then_trunk(np.minimum(path, trunk[i]), trunk[i], n) for i, path in seen.price.items()}
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

    beyond(h) = what expected flows are worth more at h, 0 at the answer;  size: of the amounts that it compares"""
    at_quiet, at_zero = beyond(quiet), beyond(0.0)
    if at_quiet >= -ROUNDING * size:
        return quiet
    if at_zero < 0:
        return quiet if at_quiet >= at_zero else 0.0
    return sum(bracket(lambda rate: beyond(rate) < 0, 0.0, quiet, halvings=HALVINGS)) / 2


def downside(chance: Floats, with_package: Floats, without: Floats) -> tuple[float, float]:
    """(d_l, d_0) downside of an owner's margin with a package and without, from PVs (W, K) on the same output.

    d = E[max(0, m0 - margin)] over courses and price states;  m0 = E[margin without]"""
    mean = float((chance * without).sum())
    return (
        float((chance * np.maximum(0.0, mean - with_package)).sum()),
        float((chance * np.maximum(0.0, mean - without)).sum()),
    )


def package_rate(expected_rate: float, premium: float, left: float, before: float) -> float:
    """h(l): the hurdle rate falls with the share of the downside that a package takes away.

    h(l) = max(0, h_e - premium max(0, 1 - d_l/d_0));  d_0 = 0: h_e"""
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


ROUNDING_MUSD = 1e-9
"""Money that is rounding [million USD]."""


@dataclass(frozen=True)
class Signature:
    """What signing a package (beside market floors) at a date brings: all of an option that no chance of a scenario changes."""

    hurdle: float
    """Hurdle rate with the package, at which all of this is worked out."""
    expected_hurdle: float
    """Hurdle rate of what its owner expects, without a package."""
    npv: float
    gap: float
    start: int
    """Period of first output."""
    scored: float
    """Sum of the payments that close the gap [million USD, undiscounted]."""
    payments: Floats
    """(T,)"""
    fees: Floats
    """(T,)"""
    residual: float
    """Discounted credit at the end of the horizon, at residual 1."""
    risk_charge: float
    """What the government bears for the downside moved to it, discounted [million USD]."""


P = ParamSpec("P")
R = TypeVar("R")


def once(method: Callable[Concatenate[OwnerValuation, P], R]) -> Callable[Concatenate[OwnerValuation, P], R]:
    """A method whose value is worked out when it is first asked for, and kept by its arguments."""

    @wraps(method)
    def found(self: OwnerValuation, /, *args: P.args, **named: P.kwargs) -> R:
        key = (method.__name__, args, *named.items())
        if key not in self.kept:
            self.kept[key] = method(self, *args, **named)
        value: R = self.kept[key]
        return value

    return found


EXPECTED = ("baseline", "npv", "figures", "expected_rate", "_flows", "_seen")
"""What an owner reckons with, whatever the plan's own scenarios."""


@dataclass(frozen=True)
class Known:
    """What was worked out for an earlier instance with the same pricing sample."""

    owners: OwnerValuation
    changed: frozenset[int]
    """Projects that differ from the earlier ones: nothing of theirs is taken over."""
    along: bool
    """Whether the plan's own scenarios are the same."""

    @property
    def kept(self) -> Iterator[tuple[tuple[Any, ...], Any]]:
        """What still holds."""
        for key, value in self.owners.kept.items():
            if key[1][0] not in self.changed and (self.along or key[0] in EXPECTED):
                yield key, value


class OwnerValuation:
    """What projects bring to their owners, when they live and what their floors cost: each worked out once."""

    def __init__(
        self,
        instance: Instance,
        scenarios: ScenarioSet,
        pricing: PricingSample | None = None,
        known: Known | None = None,
    ) -> None:
        """pricing: what owners expect (`world.scenarios`); None: the baseline course. known: what may be taken over."""
        self.instance, self.scenarios, self.pricing = instance, scenarios, pricing
        self.kept: dict[tuple[Any, ...], Any] = {}
        """What was worked out, by what it is and of what."""
        if known is not None:
            self.kept.update(known.kept)
            if pricing is not None:
                along = replace(known, owners=known.owners._priced, along=True)
                self._priced = OwnerValuation(instance, pricing.scenarios, known=along)
        self._trunk_weight = scenarios.trunk_weight(instance.calendar.periods)
        self._end = float(instance.calendar.beta[instance.calendar.periods])

    @cached_property
    def _paths(self) -> Floats:
        """(1 + S, I, T) prices on the trunk and then in scenarios."""
        return np.concatenate([self.scenarios.baseline(self.instance).price, self.scenarios.price])

    @once
    def baseline(self, p: int) -> bool:
        """As `built_anyway`."""
        return built_anyway(self.instance, self.instance.projects[p])

    @once
    def npv(self, p: int, floors: tuple[Floor, ...], signed: int) -> float:
        """As `owner_npv`."""
        return owner_npv(self.instance, self.instance.projects[p], floors, signed)

    @once
    def figures(self, p: int, floors: tuple[Floor, ...], signed: int) -> OwnerFigures:
        """What a project is worth under floors and at which rate."""
        instance, project, asked = self.instance, self.instance.projects[p], self.instance.plan.owners
        if self.pricing is not None:
            rate, alone = self.expected_rate(p, signed), self._flows(p, signed)
            return owner_figures(instance, project, self._seen(p), floors, signed, rate, alone)
        quiet, found = project.hurdle, None
        if asked.price_risk_premium > 0 or asked.risk_charge > 0:
            price = {i: of[None] for i, of in own_prices(instance, project.producer, instance.price).items()}
            path = Courses(np.ones(1), price, np.ones((1, instance.calendar.periods)))  # the baseline course alone
            alone = expected_flows(instance, project, path, (), signed, closures=False)
            found = owner_figures(instance, project, path, floors, signed, quiet, alone, closures=False)
        if found is None or found.rate == quiet:
            npv, without = self.npv(p, floors, signed), self.npv(p, (), signed)
            return OwnerFigures(quiet, quiet, npv, without, 0.0 if found is None else found.transferred)
        return found

    @once
    def expected_rate(self, p: int, signed: int) -> float:
        """h_e of a project signed at a date; its own hurdle rate where owners look at the baseline course."""
        instance, project, pricing = self.instance, self.instance.projects[p], self.pricing
        if pricing is None:
            return project.hurdle
        if pricing.reference is pricing.scenarios:
            flows = self._flows(p, signed)
        else:
            usual = courses(instance, pricing.reference, project.producer)
            flows = expected_flows(instance, project, usual, (), signed)
        return expected_flow_rate(project, flows, self.npv(p, (), signed), instance.calendar.step)

    @once
    def _flows(self, p: int, signed: int) -> Floats:
        """(life,) expected margins without support."""
        return expected_flows(self.instance, self.instance.projects[p], self._seen(p), (), signed)

    @once
    def _seen(self, p: int) -> Courses:
        """The pricing sample as a project's producer sees it."""
        assert self.pricing is not None
        return courses(self.instance, self.pricing.scenarios, self.instance.projects[p].producer)

    def _needs(self, p: int, found: OwnerFigures, signed: int, fees: Floats) -> tuple[float, float]:
        """(NPV, financing gap) of an owner who gets the fees that are paid; on the baseline course fees are not counted.

        A project that its owner builds anyway asks for no more than what it loses by the package."""
        npv = found.npv
        if self.pricing is not None:
            calendar = self.instance.calendar
            npv += float(fees @ (1 + found.rate) ** (-calendar.step * (np.arange(calendar.periods) - signed)))
        excused = min(0.0, found.without) if self.baseline(p) else 0.0
        return npv, financing_gap(self.instance.projects[p], npv - excused)

    def earns(self, p: int, floors: tuple[Floor, ...], start: int, net: float) -> bool:
        """Whether floors that cost `net` in the plan's scenarios would earn money: judged on the pricing sample where there is one,
        so that what may be signed does not depend on the plan's own sample [million USD]."""
        if self.pricing is not None:
            paid = self._priced.floor_money(p, floors, start)
            due = [money for floor, money in zip(floors, paid, strict=True) if floor.kind != "border"]
            net = sum(money.expected + money.terminal for money in due)
        return net < -ROUNDING_MUSD

    @cached_property
    def _priced(self) -> OwnerValuation:
        """What floors pay along the pricing sample."""
        assert self.pricing is not None
        return OwnerValuation(self.instance, self.pricing.scenarios)

    @once
    def alive(self, p: int, floors: tuple[Floor, ...], start: int) -> Bools:
        """(1 + S, T) as `survival`, on the trunk and then in scenarios."""
        j, outside = self.instance.projects[p].producer, self.scenarios.baseline(self.instance).market_gap
        gaps = np.concatenate([outside, self.scenarios.market_gap])
        return survival(self.instance, j, self._paths, floors, start, gaps)

    @once
    def output(self, p: int, floors: tuple[Floor, ...], start: int) -> tuple[Floats, Floats, bool]:
        """(T,) ramp * alive on the trunk, (S, T) in scenarios, and whether it is alive on the trunk at the end."""
        alive = self.alive(p, floors, start)
        given = ramped_share(self.instance.projects[p], start, np.arange(self.instance.calendar.periods)) * alive
        return given[0], given[1:], bool(alive[0, -1])

    @once
    def floor_money(self, p: int, floors: tuple[Floor, ...], start: int) -> tuple[FloorMoney, ...]:
        """Cost of each floor on the project's output, which lives on all of them together."""
        return tuple(self._paid(p, floor, floors, start) for floor in floors)

    def _paid(self, p: int, floor: Floor, floors: tuple[Floor, ...], start: int) -> FloorMoney:
        instance, project = self.instance, self.instance.projects[p]
        j = project.producer
        T = instance.calendar.periods
        begin = start if floor.begin is None else floor.begin
        n = max(T, begin + floor.term, start + 1)
        path, gaps = trunk_prices(instance, self.scenarios, n)
        most = min(floor.take, instance.yields[j, floor.material] * instance.capacity[j, 0])
        tonnes = most * ramped_share(project, start, np.arange(n))
        trunk = tonnes * survival(instance, j, path, floors, start, gaps)
        branch = tonnes[:T] * self.alive(p, floors, start)[1:]
        return floor_payments(instance, self.scenarios, j, floor, begin, trunk, branch, self._trunk_weight)

    @once
    def signature(self, p: int, package: Package, floors: tuple[Floor, ...], signed: int) -> Signature | str:
        """What signing a package brings, or why its instrument cannot close the gap or the owner does not take it.
        floors: those that the project's output gets, its own and the market's."""
        instance, project = self.instance, self.instance.projects[p]
        found, start = self.figures(p, floors, signed), signed + project.lead
        calendar = instance.calendar
        T = calendar.periods
        fees = self._fees(p, package, start)
        npv, gap = self._needs(p, found, signed, fees)
        lender = project if found.rate == project.hurdle else replace(project, hurdle=found.rate)
        cost = capital_cost(package.instrument, gap, lender)
        if cost is None:
            if package.instrument.kind == "none":
                return "leaves a financing gap and brings no capital"
            return f"the gap is more than its {package.instrument.name} may cover"
        if max(0.0, npv) < max(0.0, found.without) - 1e-6 * project.capex - 1e-9 * abs(found.without):
            return "the owner is better off without it"
        part = cost / payment_parts(lender, calendar.step)
        payments = np.zeros(T)
        payments[signed:start] = part
        scored = part * project.lead
        life_left = max(0.0, 1 - (T - start) / project.life)
        residual = self._end * life_left * scored if self.output(p, floors, start)[2] else 0.0
        charge = instance.plan.owners.risk_charge * found.transferred * float(calendar.beta[signed])
        return Signature(found.rate, found.expected_rate, npv, gap, start, scored, payments, fees, residual, charge)

    def _fees(self, p: int, package: Package, start: int) -> Floats:
        """(T,) what is paid for the output that is reserved, whatever is tight."""
        instance, project = self.instance, self.instance.projects[p]
        outputs = np.maximum(instance.yields[project.producer], 0) * instance.capacity[project.producer, 0]
        tonnes, value = float(outputs @ instance.material_unit), float(outputs @ instance.base_price)
        fee = package.fee * tonnes + package.fee_share * value
        return package.offtake * fee * ramped_share(project, start, np.arange(instance.calendar.periods))
