"""The audit's own money: what was signed, what it amounts to, and social cost added up again (section 4, 5 and 7).

Packages and market floors as they are signed, the books of one solution, outlays, losses and the parts of social cost,
worked out from `audit.scenario_data` and natural data alone. Axes and units are those of `audit.scenario_data`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..core.arrays import Floats
from ..instance.instance import Floor, Instance, MarketFloor, Package
from ..model.problem import Problem
from ..model.solution import Solution
from .scenario_data import (
    TINY,
    Bill,
    Course,
    begins,
    capital,
    component_of,
    course_of,
    expected_topup,
    floor_bill,
    held,
    is_baseline,
    owner_npv,
    survives,
)


@dataclass(frozen=True)
class Deal:
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
    lost_by_world: Floats
    """(S,) the same along each world's course."""
    residual: float
    label: str


def own_floor(n: Instance, package: Package, j: int) -> Floor | None:
    """A package's floor as producer j has it: `take_share` of its output where the plan's menu says so."""
    floor = package.floor
    if floor is None or package.take_share is None:
        return floor
    return replace(floor, take=package.take_share * n.capacity[j, 0] * n.yields[j, floor.material])


def make_deal(
    course: Course,
    p: int,
    package: Package,
    markets: Sequence[tuple[int, MarketFloor]],
    signed: int,
    share: float = 1.0,
    option: int = -1,
) -> Deal:
    """Gap, capital, survival, floor bills, fees and residual of one package for one project at one date (section 4)."""
    n, project = course.instance, course.instance.projects[p]
    j, T, D = project.producer, course.instance.calendar.periods, course.instance.calendar.step
    start = signed + project.lead
    own = own_floor(n, package, j)
    floors = tuple(f for f in (own, *(m.floor for _, m in markets)) if f is not None)
    npv = owner_npv(n, project, floors, signed)
    cost, gap_open = capital(package.instrument, 0.0 if project.committed else max(0.0, -npv), project)
    part = cost / sum((1 + project.hurdle) ** (-u * D) for u in range(project.lead))
    end = max([T, *(begins(f, start) + f.term for f in floors)])
    ramp = np.zeros(max(end, start + project.life))
    ramp[start : start + project.life] = project.ramp
    output = ramp[:T] * survives(n, j, course.price, floors, start)
    later = ramp[T:end] * survives(n, j, held(n.price, end)[None], floors, start)[0, T:]
    payments, fees = np.zeros(T), np.zeros(T)
    payments[signed:start] = part
    for y, base in zip(n.yields[j], n.base_price, strict=True):
        fee = package.fee + package.fee_share * base
        fees += fee * package.offtake * n.capacity[j, 0] * ramp[:T] * max(float(y), 0.0)
    bills, lost, lost_along = [], 0.0, np.zeros(len(course.worlds.names))
    for floor in floors:
        most = min(floor.take, n.capacity[j, 0] * n.yields[j, floor.material])
        tonnes = most * output * course.rho[:, j]
        bill = floor_bill(course, j, floor, start, tonnes, most * later * n.availability[j, -1])
        if floor.kind == "border":
            lost += bill.expected + bill.terminal
            lost_along += bill.by_world + bill.terminal
        else:
            bills.append(bill)
    left = max(0.0, 1 - (T - start) / project.life) if output[0, T - 1] > 0 else 0.0
    label = f"{project.name}: {package.name}" + "".join(f" beside {m.name}" for _, m in markets)
    return Deal(
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
    )


def objections(course: Course, deal: Deal, markets: Sequence[MarketFloor]) -> list[tuple[float, str]]:
    """(by how much, why) the package may not be signed: date, instrument, participation, floors that earn money."""
    n, project = course.instance, course.instance.projects[deal.project]
    T, found = n.calendar.periods, []
    allowed = [project.earliest] if is_baseline(n, project) else [t for t in n.signing_periods if t >= project.earliest]
    if deal.signed not in allowed or deal.signed + project.lead >= T:
        found.append((1.0, "not a date at which it may be signed"))
    if deal.package.project not in (None, deal.project):
        found.append((1.0, "a package of another project"))
    if deal.own is not None and n.yields[project.producer, deal.own.material] <= 0:
        found.append((1.0, "a floor on a material that it does not make"))
    wrong = [markets[m] for m in deal.markets if not markets[m].eligible[project.producer]]
    taken = [f.material for f in (deal.own, *(markets[m].floor for m in deal.markets)) if f is not None]
    if wrong or len(set(taken)) < len(taken):
        found.append((1.0, "a market floor that it does not get, or two floors on one material"))
    if deal.gap_open > 0:
        found.append((deal.gap_open, "the instrument leaves a gap"))
    worse = max(0.0, owner_npv(n, project, (), deal.signed)) - 1e-6 * project.capex - max(0.0, deal.npv)
    if worse > 0:
        found.append((worse, "the owner is better off without it"))
    earned = -sum(b.expected + b.terminal for b in deal.bills)
    if earned > TINY:
        found.append((earned, "its floors earn money"))
    return found


@dataclass(frozen=True)
class MarketDeal:
    """A market floor in force: existing producers' survival and top-ups, border charges, per unit of `floor`."""

    share: float
    market: MarketFloor
    alive: Floats
    """(W, J, T) existing sources with the floor."""
    bills: tuple[Bill, ...]
    surcharge: float
    tariff: float
    """Border: discounted expectation of what users pay, and of what the treasury takes [million USD]."""
    border_by_world: Floats
    """(S,) what users pay less what the treasury takes along each world's course [million USD]."""


def make_market(course: Course, market: MarketFloor, share: float = 1.0) -> MarketDeal:
    """Top-ups of eligible existing producers; or a border floor's charge on B and revenue on B - H (section 4)."""
    n, floor, T = course.instance, market.floor, course.instance.calendar.periods
    end = max(T, floor.term)
    alive, after = course.alive.copy(), np.zeros((len(n.producers), end - T))
    bills = []
    for j in range(n.sources):
        floors = (floor,) if market.eligible[j] else ()
        alive[:, j] = survives(n, j, course.price, floors, 0)
        running_on = survives(n, j, held(n.price, end)[None], floors, 0)[0, T:]
        after[j] = n.capacity[j, -1] * n.availability[j, -1] * running_on
        if market.eligible[j] and floor.kind != "border":
            y = n.yields[j, floor.material]
            tonnes = y * n.capacity[j] * course.rho[:, j] * alive[:, j]
            bills.append(floor_bill(course, j, floor, 0, tonnes, y * after[j]))
    charges: tuple[float, float, Floats] = (0.0, 0.0, np.zeros(len(course.worlds.names)))
    if floor.kind == "border":
        charges = border_charge(course, market, alive, after)
    return MarketDeal(share, market, alive, tuple(bills), *charges)


def border_charge(course: Course, market: MarketFloor, alive: Floats, after: Floats) -> tuple[float, float, Floats]:
    """(users pay, treasury takes, the difference by world) = E_w[max(0,F-P)] * (B, B - H), H = min(B, home output)  [million USD].

    B = demand + input of existing home plants (of all where content in imported goods is charged), K*rho*alive.
    """
    n, floor, T = course.instance, market.floor, course.instance.calendar.periods
    W, m = course.price.shape[0], after.shape[1]
    B, made = np.zeros((W, T + m)), np.zeros((W, T + m))
    for q, i in enumerate(n.demand_material):
        if i == floor.material:
            B += held(course.demand[:, q], T + m)
    for j in range(n.sources):
        y = n.yields[j, floor.material]
        now = n.capacity[j] * course.rho[:, j] * alive[:, j]
        running = np.concatenate([now, np.repeat(after[j][None], W, axis=0)], axis=1)
        if y < 0 and (n.home[j] or market.embedded):
            B -= y * running
        elif y > 0 and n.home[j]:
            made += y * running
    per_tonne = expected_topup(n, held(course.floor_price[:, floor.material], T + m), floor)
    c, rate, D = int(n.component[floor.material]), n.calendar.rate, n.calendar.step
    totals, along = [], []
    for tonnes in (B, np.maximum(0.0, B - made)):
        money = tonnes * per_tonne * [t < floor.term for t in range(T + m)]
        after_T = sum(float(money[0, t]) * (1 + rate) ** (-D * t) for t in range(T, T + m))
        totals.append(course.expect(c, money[:, :T]) + after_T)
        along.append(course.along(c, money[:, :T]) + after_T)
    return totals[0], totals[1], along[0] - along[1]


@dataclass(frozen=True)
class Books:
    """Course, signed packages and market floors of one solution."""

    problem: Problem
    solution: Solution
    course: Course
    deals: tuple[Deal, ...]
    floors: tuple[MarketFloor, ...]
    """In the order of `solution.floor`."""
    markets: tuple[MarketDeal, ...]

    @property
    def holders(self) -> tuple[Deal | MarketDeal, ...]:
        """All that pay floors."""
        return (*self.deals, *self.markets)


def open_books(problem: Problem, solution: Solution, course: Course | None = None) -> Books:
    """Work out what every signed package and every chosen market floor amounts to; `course`: along other worlds."""
    n, support, course = problem.natural, problem.layout.support, course or course_of(problem)
    by_name = {m.name: m for m in n.market_floors}
    floors = tuple(by_name[m.floor.name] for m in support.markets)
    packages = {(package.name, package.project): package for package in n.packages}
    deals = []
    for o, option in enumerate(support.options):
        if abs(solution.sign[o]) > 1e-9:
            package = packages[option.package.name, option.package.project]
            chosen = [(m, floors[m]) for m in option.market]
            deals.append(make_deal(course, option.project, package, chosen, option.signed, float(solution.sign[o]), o))
    chosen_floors = [(m, float(x)) for m, x in zip(floors, solution.floor, strict=True) if abs(x) > 1e-9]
    markets = tuple(make_market(course, m, x) for m, x in chosen_floors)
    return Books(problem, solution, course, tuple(deals), floors, markets)


def outlays(books: Books) -> Floats:
    """(T,) trunk outlay: purchases, holding, fees, scored gaps, expected floor cost; less sales if revolving."""
    n, x, course = books.problem.natural, books.solution, books.course
    total = np.zeros(n.calendar.periods)
    for b, (i, premium) in enumerate(purchase_terms(books)):
        total += x.buy[0, b] * course.price[0, i] * (1 + premium)
    for i in range(len(n.materials)):
        total += x.stock[0, i] * n.holding[i] * n.calendar.step
        if n.plan.budget.revolving:
            total -= x.sell[0, i] * course.price[0, i] * (1 - n.haircut[i])
    for k, contract in enumerate(books.problem.layout.contracts):
        total[contract.start : contract.start + n.contract_term[contract.source]] += (
            n.contract_fee[contract.source] * x.contract[k]
        )
    for deal in books.deals:
        total += deal.share * (deal.payments + deal.fees + sum(b.budget for b in deal.bills))
    for market in books.markets:
        total += market.share * sum((b.budget for b in market.bills), np.zeros_like(total))
    return total


def already_owed(n: Instance) -> list[float]:
    """What holding the opening stock costs in each fiscal year, if all of it stays and decays  [million USD]."""
    owed = [0.0] * len(n.calendar.years)
    for i in range(len(n.materials)):
        left = float(n.opening[i])
        for f in n.calendar.year_index:
            left *= 1 - float(n.decay[i])
            owed[f] += left * float(n.holding[i]) * n.calendar.step
    return owed


def purchase_terms(books: Books) -> list[tuple[int, float]]:
    """(material, premium) of each purchase on the axis of `solution.buy`; under a purchase floor the premium is 0."""
    n = books.problem.natural
    known = {p.name: p for shape in books.problem.layout.shapes for p in shape.purchases}
    chosen = [known[name] for name in books.solution.purchases]
    return [(p.material, float(n.offer_premium[p.offer]) if p.offer >= 0 else 0.0) for p in chosen]


def losses(books: Books) -> Floats:
    """(S,) discounted shortfall loss and substitution cost of each world over the whole horizon  [million USD]."""
    n, x, beta = books.problem.natural, books.solution, books.problem.natural.calendar.beta[:-1]
    total = np.zeros(len(books.course.worlds.names))
    for k in range(len(n.tiers)):
        total += (beta * n.tier_loss[k] * x.shortfall[1:, k]).sum(axis=1)
    for h in range(len(n.steps)):
        total += (beta * n.step_cost[h] * x.substitute[1:, h]).sum(axis=1)
    return total


def cvar(loss: Floats, probability: Floats, alpha: float) -> float:
    """min over eta of eta + E[max(0, loss - eta)]/(1-alpha); the minimum lies at one of the losses  [million USD]."""
    return min(float(eta + probability @ np.maximum(0.0, loss - eta) / (1 - alpha)) for eta in loss)


def social_cost(problem: Problem, solution: Solution, books: Books | None = None) -> dict[str, float]:
    """Parts of Z: discounted expectation, million USD; they add up to social cost (section 5 to 7)."""
    books = books or open_books(problem, solution)
    running = operations(books, books.course.counted)
    return {**{name: float(values.sum()) for name, values in running.items()}, **commitments(books)}


def operations(books: Books, P: Floats, *, by_world: bool = False) -> dict[str, Floats]:
    """(C,) costs of periods of each component at prices P (W, I, T): users, authority, loss (section 5).

    Discounted expectations; with `by_world` (C, S) discounted sums of each world's whole course instead.
    """
    n, x, course = books.problem.natural, books.solution, books.course
    D, T = n.calendar.step, n.calendar.periods
    total: Any = course.along if by_world else course.expect
    last: Any = (lambda _, values: values[1:]) if by_world else course.expect_last
    names = (
        "users_activities",
        "users_reserve_inputs",
        "users_surplus",
        "users_substitution",
        "users_release",
        "authority_purchases",
        "authority_holding",
        "authority_disposal",
        "authority_release",
        "loss",
        "salvage",
    )
    shape = (len(n.components), len(course.worlds.names)) if by_world else (len(n.components),)
    parts = {name: np.zeros(shape) for name in names}
    for j in range(len(n.producers)):
        c = component_of(n, j)
        for i, y in enumerate(n.yields[j]):
            if y != 0:
                worth_of = y * P[:, i] * (1 + n.premium[j] if y > 0 else 1.0)
                parts["users_activities"][c] += total(c, x.run[:, j] * worth_of)
                parts["users_reserve_inputs"][c] += total(c, x.hold[:, j] * worth_of) if y < 0 else 0.0
    for i, c in enumerate(n.component):
        paid = total(c, x.release[:, i] * P[:, i] * n.resale[i])
        parts["users_surplus"][c] -= total(c, x.surplus[:, i] * P[:, i] * (1 - n.haircut[i]))
        parts["users_release"][c] += paid
        parts["authority_release"][c] -= paid
        parts["authority_holding"][c] += total(c, x.stock[:, i] * n.holding[i] * D)
        parts["authority_disposal"][c] -= total(c, x.sell[:, i] * P[:, i] * (1 - n.haircut[i]))
        end = np.minimum(course.price[0, i, T - 1], course.price[:, i, T - 1])
        kept = n.salvage[i] * end * x.stock[:, i, T - 1] * n.calendar.beta[T]
        parts["salvage"][c] -= last(c, kept)
    for b, (i, premium) in enumerate(purchase_terms(books)):
        parts["authority_purchases"][n.component[i]] += total(n.component[i], x.buy[:, b] * P[:, i] * (1 + premium))
    for h, (q, _) in enumerate(n.steps):
        c = n.component[n.demand_material[q]]
        parts["users_substitution"][c] += total(c, x.substitute[:, h] * n.step_cost[h])
    for k, (q, _) in enumerate(n.tiers):
        c = n.component[n.demand_material[q]]
        parts["loss"][c] += total(c, x.shortfall[:, k] * n.tier_loss[k])
    return parts


def world_costs(books: Books) -> Floats:
    """(S,) discounted cost of each world's course, commitments included  [million USD].

    Its expectation is social cost without soft penalties and lambda*CVaR.
    """
    running = operations(books, books.course.counted, by_world=True)
    signed = commitments(books)
    along = np.zeros(len(books.course.worlds.names))
    for holder in books.holders:
        along += holder.share * sum((bill.by_world for bill in holder.bills), np.zeros_like(along))
    for deal in books.deals:
        along += deal.share * deal.lost_by_world
    for market in books.markets:
        along += market.share * market.border_by_world
    other = ("floor_cost", "users_border_surcharge", "authority_border_revenue", "soft_penalties", "cvar")
    same = sum(value for name, value in signed.items() if name not in other)
    return np.asarray(np.sum([values.sum(axis=0) for values in running.values()], axis=0) + along + same, dtype=float)


def split_of_value(books: Books, reference: Books) -> dict[str, Floats]:
    """(C,) what a plan spares in each component's operations against doing nothing, in four parts  [million USD].

    `shortage`: loss and substitution. `price`: what branch prices that differ from the trunk's add, all else held. Then, at
    the trunk's prices: `users` (negative: they pay for the tonnes that they now get) and `authority` (negative: outlays
    beyond what is sold and left).
    """
    course = books.course

    def spared(prices: Floats) -> dict[str, Floats]:
        before, after = operations(reference, prices), operations(books, prices)
        return {name: before[name] - after[name] for name in before}

    own, calm = spared(course.counted), spared(np.broadcast_to(course.price[:1], course.price.shape))
    short = ("loss", "users_substitution")
    users = [part for name, part in calm.items() if name.startswith("users_") and name not in short]
    treasury = [part for name, part in calm.items() if not name.startswith("users_") and name not in short]
    return {
        "shortage": own["loss"] + own["users_substitution"],
        "price": np.sum(list(own.values()), axis=0) - np.sum(list(calm.values()), axis=0),
        "users": np.sum(users, axis=0),
        "authority": np.sum(treasury, axis=0),
    }


def floors_at_crisis_prices(books: Books) -> float:
    """What floors cost less because branch prices differ from the trunk's: claw-back, less top-ups  [million USD]."""
    return float(sum(h.share * (b.undisturbed - b.expected) for h in books.holders for b in h.bills))


def commitments(books: Books) -> dict[str, float]:
    """Fees, capital, floors, border charges, terminal terms, lambda*CVaR and soft penalties."""
    n, x = books.problem.natural, books.solution
    beta, plan = n.calendar.beta[:-1], n.plan
    parts = dict.fromkeys(
        (
            "users_border_surcharge",
            "authority_border_revenue",
            "contract_fees",
            "offtake_fees",
            "capital_support",
            "floor_cost",
            "terminal_liability",
            "residual_credit",
            "cvar",
            "soft_penalties",
        ),
        0.0,
    )
    for k, contract in enumerate(books.problem.layout.contracts):
        j, start = contract.source, contract.start
        parts["contract_fees"] += n.contract_fee[j] * x.contract[k] * beta[start : start + n.contract_term[j]].sum()
    for deal in books.deals:
        parts["offtake_fees"] += deal.share * float(beta @ deal.fees)
        parts["capital_support"] += deal.share * float(beta @ deal.payments)
        parts["authority_border_revenue"] += deal.share * deal.lost_tariff
        parts["residual_credit"] -= deal.share * plan.residual * deal.residual
    for holder in books.holders:
        parts["floor_cost"] += holder.share * sum(b.expected for b in holder.bills)
        parts["terminal_liability"] += holder.share * sum(b.terminal for b in holder.bills)
    for market in books.markets:
        parts["users_border_surcharge"] += market.share * market.surcharge
        parts["authority_border_revenue"] -= market.share * market.tariff
    if plan.risk.cvar_weight > 0:
        parts["cvar"] = plan.risk.cvar_weight * cvar(losses(books), books.course.worlds.probability, plan.risk.alpha)
    for k, rule in enumerate(plan.diversification):
        if rule.material in n.materials:
            reached = books.course.reached[n.component[n.materials.index(rule.material)]]
            parts["soft_penalties"] += (rule.penalty_usd_per_kg or 0.0) * 1e-3 * float(reached @ x.excess[0, k])
    for k, level in enumerate(plan.service_levels):
        parts["soft_penalties"] += (level.penalty_usd_per_kg or 0.0) * 1e-3 * float(x.short_of_promise[:, k].sum())
    return {name: float(value) for name, value in parts.items()}
