"""What each package and market floor pays, recomputed from the tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..core.arrays import Floats
from ..instance.floor import Floor
from ..instance.instance import Instance, MarketFloor, Package
from .owner_worth import earned_by_floors, earned_by_market, fees_received, owner_worth
from .producers import TINY, begins, capital, expected_topup, held, is_baseline, survives
from .scenario_data import Bill, PathData, floor_bill


@dataclass(frozen=True)
class SignedPackage:
    """A signed package: what it gives and what it costs, per unit of `sign`."""

    share: float
    option: int
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
    option: int = -1,
) -> SignedPackage:
    """Gap, capital, survival, floor bills, fees and residual of one package for one project at one date (section 4)."""
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
        npv += fees_received(n, fees, worth.rate, signed)
    lost_anyway = min(0.0, worth.without) if is_baseline(n, project) else 0.0
    gap = 0.0 if project.committed else max(0.0, lost_anyway - npv)
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
        option,
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
    allowed = [project.earliest] if is_baseline(n, project) else [t for t in n.signing_periods if t >= project.earliest]
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
    worse = max(0.0, signing.without) - 1e-6 * project.capex - max(0.0, signing.npv)
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
    """Top-ups of eligible existing producers; or a border floor's charge on B and revenue on B - H (section 4)."""
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

    B = demand + input of existing home plants (of all where content in imported goods is charged), K*rho*alive.
    """
    n, floor, T = path_data.instance, market.floor, path_data.instance.calendar.periods
    W, m = path_data.price.shape[0], after.shape[1]
    B, made = np.zeros((W, T + m)), np.zeros((W, T + m))
    for q, i in enumerate(n.demand_material):
        if i == floor.material:
            B += held(path_data.demand[:, q], T + m)
    for j in range(n.sources):
        y = n.yields[j, floor.material]
        now = n.capacity[j] * path_data.rho[:, j] * alive[:, j]
        running = np.concatenate([now, np.repeat(after[j][None], W, axis=0)], axis=1)
        if y < 0 and (n.home[j] or market.embedded):
            B -= y * running
        elif y > 0 and n.home[j]:
            made += y * running
    per_tonne = expected_topup(n, held(path_data.floor_price(floor.material), T + m), floor)
    c, rate, D = int(n.component[floor.material]), n.calendar.rate, n.calendar.step
    totals, along = [], []
    for tonnes in (B, np.maximum(0.0, B - made)):
        money = tonnes * per_tonne * [t < floor.term for t in range(T + m)]
        after_T = sum(float(money[0, t]) * (1 + rate) ** (-D * t) for t in range(T, T + m))
        totals.append(path_data.expect(c, money[:, :T]) + after_T)
        along.append(path_data.along(c, money[:, :T]) + after_T)
    return totals[0], totals[1], along[0] - along[1]
