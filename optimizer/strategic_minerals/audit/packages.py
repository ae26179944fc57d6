"""What each package and market floor pays, recomputed from the tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..core.frames import Floats
from ..world.events import ScenarioSet
from ..world.instance import Floor, Instance, MarketFloor, Package, Project, start_periods
from .producers import (
    TINY,
    Bill,
    PathData,
    asked_price,
    begins,
    capital,
    expected_topup,
    floor_bill,
    held,
    is_baseline,
    owner_npv,
    revenue,
    survives,
)

# What owners expect of a project and ask for it, worked out a second time: the formulation in plain loops.
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
            _weights(n, pricing.reference), _margins_along(n, pricing.reference, project, (), (), signed), strict=True
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
    most = held(n.price, max(T, end))[None, :, :end]
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
    paid = np.minimum(paid, asked_price(n, i, n.outside[j, i], n.price[i : i + 1]))
    now = expected_topup(n, (1 + n.premium[j]) * paid, floor) * amounts[:T]
    now = now * scenarios.availability[:, j]
    now = now * survives(n, j, scenarios.price, floors, start, scenarios.market_gap)[:, :T]
    total = float(scenarios.probability @ (now @ np.array(worth[:T])))
    end_price = asked_price(n, i, n.outside[j, i], n.price[i : i + 1])[:, -1]
    last = float(expected_topup(n, (1 + n.premium[j]) * end_price, floor)[0])
    alive = survives(n, j, held(n.price, end)[None], floors, start)[0]
    return total + float(sum(worth[t] * amounts[t] * n.availability[j, -1] * alive[t] * last for t in range(T, end)))


@dataclass(frozen=True)
class SignedPackage:
    """A signed package: what it gives and what it costs, per unit of `sign`."""

    share: float
    project: int
    package: Package
    own: Floor | None
    markets: tuple[int, ...]
    signed: int
    output: Floats
    """(W, T) ramp*alive."""
    npv: float
    gap_open: float
    scored: float
    payments: Floats
    fees: Floats
    bills: tuple[Bill, ...]
    lost_tariff: float
    """Border revenue that the treasury loses on the project's tonnes, discounted expectation [million USD]."""
    lost_by_scenario: Floats
    """(S,) the same along each scenario's course."""
    residual: float
    label: str
    hurdle: float
    """Hurdle rate with the package."""
    expected_hurdle: float
    """The same without one."""
    without: float
    """NPV without any package at the rate with this one."""
    risk_transfer: float
    """What the government bears for the downside moved to it, discounted [million USD]."""


def own_floor(n: Instance, package: Package, j: int) -> Floor | None:
    """A package's floor as producer j has it: `take_share` of its output where the plan's menu says so."""
    floor = package.floor
    if floor is None or package.take_share is None:
        return floor
    return replace(floor, take=package.take_share * n.capacity[j, 0] * n.yields[j, floor.material])


def signed_package(
    path_data: PathData,
    p: int,
    package: Package,
    markets: Sequence[tuple[int, MarketFloor]],
    signed: int,
    share: float = 1.0,
) -> SignedPackage:
    """Gap, capital, survival, floor bills, fees and residual of one package for one project at one date."""
    n, project = path_data.instance, path_data.instance.projects[p]
    j, T, D = project.producer, path_data.instance.calendar.periods, path_data.instance.calendar.step
    start = signed + project.lead
    own = own_floor(n, package, j)
    floors = tuple(f for f in (own, *(m.floor for _, m in markets)) if f is not None)
    worth = owner_worth(path_data, p, floors, signed)
    end = max([T, *(begins(f, start) + f.term for f in floors)])
    ramp = np.zeros(max(end, start + project.life))
    ramp[start : start + project.life] = project.ramp
    output = ramp[:T] * survives(n, j, path_data.price, floors, start, path_data.gap)
    later = ramp[T:end] * survives(n, j, held(n.price, end)[None], floors, start)[0, T:]
    payments, fees = np.zeros(T), np.zeros(T)
    for y, base in zip(n.yields[j], n.base_price, strict=True):
        fee = package.fee + package.fee_share * base
        fees += fee * package.offtake * n.capacity[j, 0] * ramp[:T] * max(float(y), 0.0)
    npv = worth.npv
    if path_data.owners.pricing is not None:
        npv += float(sum(fee * (1 + worth.rate) ** (-(t - signed) * n.calendar.step) for t, fee in enumerate(fees)))
    lost_anyway = min(0.0, worth.without) if is_baseline(n, project) else 0.0
    gap = 0.0 if project.committed else max(0.0, lost_anyway - npv)
    if project.chance > 0:  # the mean over what its costs may be, at a thousand points of each half
        points = (np.arange(1000) + 0.5) / 1000 / 0.9
        worths = [npv + project.spread[0] * points, npv - project.spread[1] * points]
        gap = float(np.maximum(0.0, -np.concatenate(worths)).mean())
    cost, gap_open = capital(package.instrument, gap, replace(project, hurdle=worth.rate))
    part = cost / sum((1 + worth.rate) ** (-u * D) for u in range(project.lead))
    payments[signed:start] = part
    bills, lost, lost_along = [], 0.0, np.zeros(len(path_data.scenarios.names))
    for floor in floors:
        most = min(floor.take, n.capacity[j, 0] * n.yields[j, floor.material])
        tonnes = most * output * path_data.rho[:, j]
        bill = floor_bill(path_data, j, floor, start, tonnes, most * later * n.availability[j, -1])
        if floor.kind == "border":
            lost += bill.expected + bill.terminal
            lost_along += bill.by_scenario + bill.terminal
        else:
            bills.append(bill)
    left = max(0.0, 1 - (T - start) / project.life) if output[0, T - 1] > 0 else 0.0
    label = f"{project.name}: {package.name}" + "".join(f" beside {m.name}" for _, m in markets)
    return SignedPackage(
        share,
        p,
        package,
        own,
        tuple(m for m, _ in markets),
        signed,
        output,
        npv,
        gap_open,
        part * project.lead,
        payments,
        fees,
        tuple(bills),
        lost,
        lost_along,
        n.calendar.beta[T] * left * part * project.lead,
        label,
        worth.rate,
        worth.expected_rate,
        worth.without,
        n.plan.owners.risk_charge * worth.transferred * float(n.calendar.beta[signed]),
    )


def objections(path_data: PathData, signing: SignedPackage, markets: Sequence[MarketFloor]) -> list[tuple[float, str]]:
    """(by how much, why) the package may not be signed: date, instrument, participation, floors that earn money."""
    n, project = path_data.instance, path_data.instance.projects[signing.project]
    T, found = n.calendar.periods, []
    allowed = (
        [project.earliest]
        if is_baseline(n, project)
        else [t for t in start_periods(n.calendar, n.plan.instruments.signing_years) if t >= project.earliest]
    )
    if signing.signed not in allowed or signing.signed + project.lead >= T:
        found.append((1.0, "not a date at which it may be signed"))
    if signing.package.project not in (None, signing.project):
        found.append((1.0, "a package of another project"))
    if signing.own is not None and n.yields[project.producer, signing.own.material] <= 0:
        found.append((1.0, "a floor on a material that it does not make"))
    wrong = [markets[m] for m in signing.markets if not markets[m].eligible[project.producer]]
    taken = [f.material for f in (signing.own, *(markets[m].floor for m in signing.markets)) if f is not None]
    if wrong or len(set(taken)) < len(taken):
        found.append((1.0, "a market floor that it does not get, or two floors on one material"))
    if signing.gap_open > 0:
        found.append((signing.gap_open, "the instrument leaves a gap"))
    worse = max(0.0, signing.without) - 1e-6 * project.capex - 1e-9 * abs(signing.without) - max(0.0, signing.npv)
    if worse > 0:
        found.append((worse, "the owner is better off without it"))
    earned = -sum(b.expected + b.terminal for b in signing.bills)
    if path_data.owners.pricing is not None:
        every = tuple(f for f in (signing.own, *(markets[m].floor for m in signing.markets)) if f is not None)
        earned = earned_by_floors(path_data, signing.project, every, signing.signed)
    if earned > TINY:
        found.append((earned, "its floors earn money"))
    return found


def earned_on_existing_output(path_data: PathData, market: SignedMarketFloor) -> float:
    """What a market floor brings the government on existing producers' output: along the pricing sample where there is one, or in
    the plan's own scenarios  [million USD per unit of `floor`]."""
    if path_data.owners.pricing is not None and market.market.floor.kind != "border":
        return earned_by_market(path_data, market.market)
    return -sum(b.expected + b.terminal for b in market.bills)


@dataclass(frozen=True)
class SignedMarketFloor:
    """A market floor in force: existing producers' survival and top-ups, border charges, per unit of `floor`."""

    share: float
    market: MarketFloor
    alive: Floats
    """(W, J, T) existing sources with the floor."""
    bills: tuple[Bill, ...]
    surcharge: float
    tariff: float
    """Border: discounted expectation of what users pay, and of what the treasury takes [million USD]."""
    border_by_scenario: Floats
    """(S,) what users pay less what the treasury takes along each scenario's course [million USD]."""


def signed_market_floor(path_data: PathData, market: MarketFloor, share: float = 1.0) -> SignedMarketFloor:
    """Top-ups of eligible existing producers; or a border floor's charge on B and revenue on B - H."""
    n, floor, T = path_data.instance, market.floor, path_data.instance.calendar.periods
    end = max(T, floor.term)
    alive, after = path_data.alive.copy(), np.zeros((len(n.producers), end - T))
    bills = []
    for j in range(n.sources):
        floors = (floor,) if market.eligible[j] else ()
        alive[:, j] = survives(n, j, path_data.price, floors, 0, path_data.gap)
        running_on = survives(n, j, held(n.price, end)[None], floors, 0)[0, T:]
        after[j] = n.capacity[j, -1] * n.availability[j, -1] * running_on
        if market.eligible[j] and floor.kind != "border":
            y = n.yields[j, floor.material]
            tonnes = y * n.capacity[j] * path_data.rho[:, j] * alive[:, j]
            bills.append(floor_bill(path_data, j, floor, 0, tonnes, y * after[j]))
    charges: tuple[float, float, Floats] = (0.0, 0.0, np.zeros(len(path_data.scenarios.names)))
    if floor.kind == "border":
        charges = border_charge(path_data, market, alive, after)
    return SignedMarketFloor(share, market, alive, tuple(bills), *charges)


def border_charge(
    path_data: PathData, market: MarketFloor, alive: Floats, after: Floats
) -> tuple[float, float, Floats]:
    """(users pay, treasury takes, the difference by scenario) = E_w[max(0,F-P)] * (B, B - H), H = min(B, home output)  [million
    USD].

    B = demand + input of existing home plants (of all where content in imported goods is charged), K*rho*alive."""
    n, floor, T = path_data.instance, market.floor, path_data.instance.calendar.periods
    W, m = path_data.price.shape[0], after.shape[1]
    B, made = np.zeros((W, T + m)), np.zeros((W, T + m))
    for q, i in enumerate(n.demand_material):
        if i == floor.material:
            # whatever is in force ends with T
            B += np.concatenate([path_data.demand[:, q], np.full((W, m), n.demand[q, -1])], axis=1)
    for j in range(n.sources):
        y = n.yields[j, floor.material]
        now = n.capacity[j] * path_data.rho[:, j] * alive[:, j]
        running = np.concatenate([now, np.repeat(after[j][None], W, axis=0)], axis=1)
        if y < 0 and (n.home[j] or market.embedded):
            B -= y * running
        elif y > 0 and n.home[j]:
            made += y * running
    calm = np.full((W, m), n.price[floor.material, -1])
    seen = np.concatenate([path_data.floor_price(floor.material), calm], axis=1)
    per_tonne = expected_topup(n, seen, floor)
    c, rate, D = int(n.component[floor.material]), n.calendar.rate, n.calendar.step
    totals, along = [], []
    for tonnes in (B, np.maximum(0.0, B - made)):
        money = tonnes * per_tonne * [t < floor.term for t in range(T + m)]
        after_T = sum(float(money[0, t]) * (1 + rate) ** (-D * t) for t in range(T, T + m))
        totals.append(path_data.expect(c, money[:, :T]) + after_T)
        along.append(path_data.along(c, money[:, :T]) + after_T)
    return totals[0], totals[1], along[0] - along[1]
