"""A second opinion on facts and money: section 3, 4 and 7 of the formulation in plain loops over tonnes.

Nothing of the model's own arithmetic is used (`support`, `price_support`, `formulation`, `stamp`): what a package,
a floor or a tonne amounts to is worked out again from the natural data. Arrays have the axes (path, period): path 0 is
the trunk, path 1 + s the course of world s. Tonnes per period, million USD, million USD per tonne; periods from 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from .disruptions import Strike, Worlds, build_worlds
from .instance import Bools, Floats, Floor, Instance, Instrument, MarketFloor, Package, Project
from .optimize import Problem
from .solution import Solution

TINY = 1e-9
"""Relative slack of a comparison of data with data, so that ties are not decided by rounding."""


@dataclass(frozen=True)
class Course:
    """Data of every path; a component follows the trunk until it is touched."""

    instance: Instance
    worlds: Worlds
    price: Floats
    """(W, I, T)"""
    rho: Floats
    """(W, J, T)"""
    demand: Floats
    """(W, Q, T) delta*demand."""
    tight: Bools
    """(W, I, T)"""
    branch: Bools
    """(W, C, T) whether the component has branched off."""
    weight: Floats
    """(W, C, T) w0 on the trunk, pi in a branch, 0 where a world still follows the trunk."""
    alive: Floats
    """(W, J, T) survival of existing sources without any market floor; 1 for projects."""

    @property
    def counted(self) -> Floats:
        """(W, I, T) prices at which operations are valued: the trunk's everywhere where `price_gain` is false."""
        return self.price if self.instance.plan.price_gain else np.broadcast_to(self.price[:1], self.price.shape)

    def expect(self, component: int, values: Floats) -> float:
        """sum_t beta[t] (w0[t] values[trunk,t] + sum_s pi[s] values[s,t] in branches)  [that of values]."""
        beta = self.instance.calendar.beta[: values.shape[1]]
        return float((self.weight[:, component] * beta * values).sum())


def course_of(problem: Problem) -> Course:
    """Every path's data, worlds built afresh from the natural instance."""
    n = problem.natural
    worlds = build_worlds(n, problem.data)
    S, T, C = len(worlds.names), n.calendar.periods, len(n.components)
    branch = np.zeros((1 + S, C, T), dtype=bool)
    weight = np.zeros((1 + S, C, T))
    for c in range(C):
        for t in range(T):
            branch[1:, c, t] = worlds.onset[:, c] <= t
            weight[1:, c, t] = worlds.probability * branch[1:, c, t]
            weight[0, c, t] = 1 - weight[1:, c, t].sum()

    def path(trunk: Floats, world: Floats | Bools, component: Sequence[int]) -> Floats:
        """(W, k, T) the world's values once its component has branched, else the trunk's."""
        out = np.repeat(np.asarray(trunk, dtype=float)[None], 1 + S, axis=0)
        for k, c in enumerate(component):
            out[1:, k] = np.where(branch[1:, c], world[:, k], out[1:, k])
        return out

    own, producers = [int(c) for c in n.component], range(len(n.producers))
    of_demand = [own[int(i)] for i in n.demand_material]
    price = path(n.price, worlds.price, own)
    tight = path(np.zeros((len(n.materials), T)), tightness(n, worlds), own) > 0
    alive = np.ones((1 + S, len(n.producers), T))
    for j in range(n.sources):
        alive[:, j] = survives(n, j, price, (), 0)
    return Course(
        n, worlds, price, path(n.availability, worlds.availability, [_component(n, j) for j in producers]),
        path(n.demand, n.demand * worlds.demand_factor, of_demand), tight, branch, weight, alive,
    )  # fmt: skip


def _component(n: Instance, j: int) -> int:
    return int(n.component[next(i for i in range(len(n.materials)) if n.yields[j, i] != 0)])


def tightness(n: Instance, worlds: Worlds) -> Bools:
    """(S, I, T) tight, section 3: an event on i's component lasts and a source is short or shut, or demand surges,
    or an input of i's makers, or an output made from i, is tight. An event's own word overrides."""
    S, T = len(worlds.names), n.calendar.periods
    lasts = np.zeros((S, len(n.materials), T), dtype=bool)
    tight = np.zeros_like(lasts)
    for s, i, strike in _named(n, worlds):
        lasts[s, n.component == n.component[i]] |= _squeeze(n, strike)
    for j in range(len(n.producers)):
        if j >= n.sources and not is_baseline(n, n.projects[j - n.sources]):
            continue
        troubled = (worlds.availability[:, j] < 1 - TINY) | ~survives(n, j, worlds.price, (), 0)
        for made in np.flatnonzero(n.yields[j] > 0):
            tight[:, made] |= troubled & lasts[:, made]
    for q, i in enumerate(int(k) for k in n.demand_material):
        tight[:, i] |= (worlds.demand_factor[:, q] > 1 + TINY) & lasts[:, i]
    before = -1
    while before != int(tight.sum()):
        before = int(tight.sum())
        for y in n.yields:
            for a, b in product(np.flatnonzero(y > 0), np.flatnonzero(y < 0)):
                tight[:, a] |= tight[:, b] & lasts[:, a]
                tight[:, b] |= tight[:, a] & lasts[:, b]
    for s, i, strike in _named(n, worlds):
        if strike.tight is not None:
            tight[s, i, _squeeze(n, strike)] = strike.tight
    return tight


def _named(n: Instance, worlds: Worlds) -> Iterator[tuple[int, int, Strike]]:
    """(world, material, strike) of every material that a strike names."""
    for s, strikes in enumerate(worlds.strikes):
        for strike in strikes:
            names = strike.materials.split()
            yield from ((s, i, strike) for i, name in enumerate(n.materials) if name in names or "*" in names)


def _squeeze(n: Instance, strike: Strike) -> Bools:
    """(T,) periods that a strike's cut overlaps."""
    D, begin = n.calendar.step, strike.start + strike.flood
    opens = [n.calendar.first_year + D * t for t in range(n.calendar.periods)]
    return np.array([(min(a + D, begin + strike.duration) - max(a, begin)) / D >= TINY for a in opens], dtype=bool)


def revenue(n: Instance, j: int, price: Floats, floors: Sequence[Floor], start: int, factor: float = 1.0) -> Floats:
    """(W, n) sum_{y>0} y*recv((1+premium)*w*P) + sum_{y<0} y*w*P over (W, I, n) prices  [million USD/unit].

    recv = max(P,F) - upside*max(0,P-F) within a floor's term, on the share of the output that it covers; of two floors
    on one material, a market's and one agreed before the plan, the owner has the better.
    """
    total = np.zeros((price.shape[0], price.shape[2]))
    for i, y in enumerate(n.yields[j]):
        if y <= 0:
            total += y * factor * price[:, i]
            continue
        plain = (1 + n.premium[j]) * factor * price[:, i]
        received, covered = plain.copy(), set()
        for floor in floors:
            if floor.material == i:
                part = min(1.0, floor.take / (y * n.capacity[j, 0])) if n.capacity[j, 0] > 0 else 0.0
                for t in range(begins(floor, start), min(begins(floor, start) + floor.term, price.shape[2])):
                    p = plain[:, t]
                    recv = np.maximum(p, floor.level) - floor.upside * np.maximum(0.0, p - floor.level)
                    gets = part * recv + (1 - part) * p
                    received[:, t] = np.maximum(received[:, t], gets) if t in covered else gets
                    covered.add(t)
        total += y * received
    return total


def begins(floor: Floor, start: int) -> int:
    """First period of a floor: its own date; of a package's floor, first output."""
    return start if floor.begin is None else floor.begin


def survives(n: Instance, j: int, price: Floats, floors: Sequence[Floor], start: int) -> Bools:
    """(W, n) alive: revenue >= cash in every period from max(start, t-restart) to t; nothing is shut before `start`.

    Floors that the source had before the plan count as well.
    """
    covers = revenue(n, j, price, (*floors, *n.in_force[j]), start) >= n.cash[j] * (1 - TINY)
    alive = np.ones(covers.shape, dtype=bool)
    for t in range(start, covers.shape[1]):
        alive[:, t] = covers[:, max(start, t - int(n.restart[j])) : t + 1].all(axis=1)
    return alive


def held(series: Floats, periods: int) -> Floats:
    """A series along its last axis, its last value held until `periods`."""
    missing = max(0, periods - series.shape[-1])
    return np.concatenate([series, np.repeat(series[..., -1:], missing, axis=-1)], axis=-1)[..., :periods]


def owner_npv(n: Instance, project: Project, floors: Sequence[Floor], signed: int) -> float:
    """PV at the hurdle rate from signing of K*ramp*(E_w revenue - cash) less capex in `lead` parts  [million USD]."""
    j, D, start = project.producer, n.calendar.step, signed + project.lead
    price = held(n.price, start + project.life)[None]
    value = 0.0
    for u in range(project.lead):
        value -= project.capex / project.lead * (1 + project.hurdle) ** (-u * D)
    for w, q in zip(n.state_factor, n.state_probability, strict=True):
        earned = revenue(n, j, price, floors, start, float(w))[0]
        for age in range(project.life):
            margin = n.capacity[j, 0] * project.ramp[age] * (earned[start + age] - n.cash[j])
            value += q * margin * (1 + project.hurdle) ** (-(project.lead + age) * D)
    return float(value)


def is_baseline(n: Instance, project: Project) -> bool:
    """Built anyway by its owner: no gap without any support at its own date, and not declared additional."""
    in_time = project.earliest + project.lead < n.calendar.periods
    return not project.additional and in_time and owner_npv(n, project, (), project.earliest) >= 0


def worth(instrument: Instrument, hurdle: float) -> float:
    """Grant equivalent to the owner of one USD of face: 1 less PV at hurdle of what goes back (yearly, in arrears)."""
    if instrument.kind in ("none", "grant"):
        return float(instrument.kind == "grant")
    years, r = max(1, round(instrument.tenor)), instrument.rate
    left = sum(1 for a in range(1, years + 1) if a > instrument.grace)
    value = 1.0
    for a in range(1, years + 1):
        back = r
        if instrument.kind == "loan" and a > instrument.grace:
            back = 1 / left if r == 0 else r / (1 - (1 + r) ** -left)
        value -= back * (1 + hurdle) ** -a
    return value


def capital(instrument: Instrument, gap: float, project: Project) -> tuple[float, float]:
    """(budget cost at signing, gap left open) of closing a gap with an instrument  [million USD].

    face = gap/worth <= max_share*capex; on top, where allowed: score*max_share*capex + (gap - worth*max_share*capex).
    """
    value, most = worth(instrument, project.hurdle), instrument.max_share * project.capex
    if gap <= 0:
        return 0.0, 0.0
    if instrument.kind == "none" or value <= 0:
        return (gap, 0.0) if instrument.grant_on_top and instrument.kind != "none" else (0.0, gap)
    face = min(gap / value, most)
    rest = gap - value * face
    if rest <= TINY * gap:
        return instrument.score * face, 0.0
    return (instrument.score * face + rest, 0.0) if instrument.grant_on_top else (instrument.score * face, rest)


def topup(price: Floats, floor: Floor) -> Floats:
    """max(0, F-P) - upside*max(0, P-F)  [million USD/t]."""
    return np.asarray(np.maximum(0.0, floor.level - price) - floor.upside * np.maximum(0.0, price - floor.level))


def expected_topup(n: Instance, price: Floats, floor: Floor) -> Floats:
    """E_w of the top-up at w*P  [million USD/t]."""
    total = np.zeros_like(price)
    for w, q in zip(n.state_factor, n.state_probability, strict=True):
        total += q * topup(w * price, floor)
    return total


def worst_state(n: Instance) -> float:
    """w*: the largest factor with Prob(w >= w*) >= quantile."""
    pairs = list(zip(n.state_factor, n.state_probability, strict=True))
    level = n.plan.budget.liability_quantile
    return float(max(w for w, _ in pairs if sum(q for v, q in pairs if v >= w) >= level - 1e-12))


@dataclass(frozen=True)
class Bill:
    """What a floor costs on one producer's tonnes."""

    budget: Floats
    """(T,) expected payment on the trunk, receipts not counted as budget [million USD]."""
    liability: Floats
    """(T,) payment on the trunk at w*, net of receipts [million USD]."""
    expected: float
    """Discounted expectation over all worlds up to T [million USD]."""
    terminal: float
    """Discounted payment after T on trunk survival at the last price [million USD]."""


def floor_bill(course: Course, j: int, floor: Floor, start: int, tonnes: Floats, later: Floats) -> Bill:
    """E_w[top-up at (1+premium)*w*P] on (W, T) tonnes that run, and on (m,) trunk tonnes after T; within the term."""
    n, T = course.instance, course.instance.calendar.periods
    in_term = np.array([0 <= t - begins(floor, start) < floor.term for t in range(T + len(later))], dtype=bool)
    own = (1 + n.premium[j]) * course.price[:, floor.material]
    per_tonne = expected_topup(n, own, floor)
    live = tonnes * in_term[:T]
    last = float(per_tonne[0, -1])
    rate, D = n.calendar.rate, n.calendar.step
    return Bill(
        live[0] * np.maximum(0.0, per_tonne[0]), live[0] * topup(worst_state(n) * own[0], floor),
        course.expect(int(n.component[floor.material]), live * per_tonne),
        sum(float(x) * last * (1 + rate) ** (-D * (T + k)) for k, x in enumerate(later) if in_term[T + k]),
    )  # fmt: skip


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
    residual: float
    label: str


def own_floor(n: Instance, package: Package, j: int) -> Floor | None:
    """A package's floor as producer j has it: `take_share` of its output where the plan's menu says so."""
    floor = package.floor
    if floor is None or package.take_share is None:
        return floor
    return replace(floor, take=package.take_share * n.capacity[j, 0] * n.yields[j, floor.material])


def make_deal(
    course: Course, p: int, package: Package, markets: Sequence[tuple[int, MarketFloor]], signed: int,
    share: float = 1.0, option: int = -1,
) -> Deal:  # fmt: skip
    """Gap, capital, survival, floor bills, fees and residual of one package for one project at one date (section 4)."""
    n, project = course.instance, course.instance.projects[p]
    j, T, D = project.producer, course.instance.calendar.periods, course.instance.calendar.step
    start = signed + project.lead
    own = own_floor(n, package, j)
    floors = tuple(f for f in (own, *(m.floor for _, m in markets)) if f is not None)
    npv = owner_npv(n, project, floors, signed)
    cost, gap_open = capital(package.instrument, max(0.0, -npv), project)
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
    bills, lost = [], 0.0
    for floor in floors:
        most = min(floor.take, n.capacity[j, 0] * n.yields[j, floor.material])
        tonnes = most * output * course.rho[:, j]
        bill = floor_bill(course, j, floor, start, tonnes, most * later * n.availability[j, -1])
        if floor.kind == "border":
            lost += bill.expected + bill.terminal
        else:
            bills.append(bill)
    left = max(0.0, 1 - (T - start) / project.life) if output[0, T - 1] > 0 else 0.0
    label = f"{project.name}: {package.name}" + "".join(f" beside {m.name}" for _, m in markets)
    return Deal(
        share, option, p, package, own, tuple(m for m, _ in markets), signed, output, npv, gap_open,
        part * project.lead,
        payments, fees, tuple(bills), lost, n.calendar.beta[T] * left * part * project.lead, label,
    )  # fmt: skip


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
    charges = border_charge(course, market, alive, after) if floor.kind == "border" else (0.0, 0.0)
    return MarketDeal(share, market, alive, tuple(bills), *charges)


def border_charge(course: Course, market: MarketFloor, alive: Floats, after: Floats) -> tuple[float, float]:
    """(users pay, treasury takes) = E_w[max(0,F-P)] * (B, B - H), H = min(B, home output)  [million USD].

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
    per_tonne = expected_topup(n, held(course.price[:, floor.material], T + m), floor)
    c, rate, D = int(n.component[floor.material]), n.calendar.rate, n.calendar.step
    totals = []
    for tonnes in (B, np.maximum(0.0, B - made)):
        money = tonnes * per_tonne * [t < floor.term for t in range(T + m)]
        after_T = sum(float(money[0, t]) * (1 + rate) ** (-D * t) for t in range(T, T + m))
        totals.append(course.expect(c, money[:, :T]) + after_T)
    return totals[0], totals[1]


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


def open_books(problem: Problem, solution: Solution) -> Books:
    """Work out what every signed package and every chosen market floor amounts to."""
    n, support, course = problem.natural, problem.layout.support, course_of(problem)
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
    return {**_operations(books), **_commitments(books)}


def _operations(books: Books) -> dict[str, float]:
    """Costs of periods at each path's prices: users, authority, loss (section 5, market-value accounting)."""
    n, x, course = books.problem.natural, books.solution, books.course
    P, D, T = course.counted, n.calendar.step, n.calendar.periods
    parts = dict.fromkeys(
        ("users_activities", "users_reserve_inputs", "users_surplus", "users_substitution", "users_release",
         "authority_purchases", "authority_holding", "authority_disposal", "authority_release", "loss", "salvage"), 0.0
    )  # fmt: skip
    for j in range(len(n.producers)):
        c = _component(n, j)
        for i, y in enumerate(n.yields[j]):
            if y != 0:
                worth_of = y * P[:, i] * (1 + n.premium[j] if y > 0 else 1.0)
                parts["users_activities"] += course.expect(c, x.run[:, j] * worth_of)
                parts["users_reserve_inputs"] += course.expect(c, x.hold[:, j] * worth_of) if y < 0 else 0.0
    for i, c in enumerate(n.component):
        paid = course.expect(c, x.release[:, i] * P[:, i] * n.resale[i])
        parts["users_surplus"] -= course.expect(c, x.surplus[:, i] * P[:, i] * (1 - n.haircut[i]))
        parts["users_release"] += paid
        parts["authority_release"] -= paid
        parts["authority_holding"] += course.expect(c, x.stock[:, i] * n.holding[i] * D)
        parts["authority_disposal"] -= course.expect(c, x.sell[:, i] * P[:, i] * (1 - n.haircut[i]))
        end = np.minimum(course.price[0, i, T - 1], course.price[:, i, T - 1])
        kept = n.salvage[i] * end * x.stock[:, i, T - 1] * n.calendar.beta[T]
        parts["salvage"] -= float((course.weight[:, c, T - 1] * kept).sum())
    for b, (i, premium) in enumerate(purchase_terms(books)):
        parts["authority_purchases"] += course.expect(n.component[i], x.buy[:, b] * P[:, i] * (1 + premium))
    for h, (q, _) in enumerate(n.steps):
        c = n.component[n.demand_material[q]]
        parts["users_substitution"] += course.expect(c, x.substitute[:, h] * n.step_cost[h])
    for k, (q, _) in enumerate(n.tiers):
        parts["loss"] += course.expect(n.component[n.demand_material[q]], x.shortfall[:, k] * n.tier_loss[k])
    return parts


def _commitments(books: Books) -> dict[str, float]:
    """Fees, capital, floors, border charges, terminal terms, lambda*CVaR and soft penalties."""
    n, x = books.problem.natural, books.solution
    beta, plan = n.calendar.beta[:-1], n.plan
    parts = dict.fromkeys(
        ("users_border_surcharge", "authority_border_revenue", "contract_fees", "offtake_fees", "capital_support",
         "floor_cost", "terminal_liability", "residual_credit", "cvar", "soft_penalties"), 0.0
    )  # fmt: skip
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
        parts["soft_penalties"] += (rule.penalty_usd_per_kg or 0.0) * 1e-3 * float(x.excess[0, k].sum())
    for k, level in enumerate(plan.service_levels):
        parts["soft_penalties"] += (level.penalty_usd_per_kg or 0.0) * 1e-3 * float(x.short_of_promise[:, k].sum())
    return {name: float(value) for name, value in parts.items()}
