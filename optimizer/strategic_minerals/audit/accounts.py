"""The audit's own money: what was signed, what it amounts to, and social cost added up again.

Packages and market floors as they are signed, the books of one solution, outlays, losses and the parts of social cost,
worked out from `audit.producers` and natural data alone. Axes and units are those of `audit.producers`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..core.frames import Bools, Floats
from ..matrix.problem import Problem
from ..matrix.solution import Solution
from ..world.instance import DEFENCE, Instance, MarketFloor, PaidFloor
from .channel import Trade, for_sale, saved_abroad, trade_of
from .figures import OUTLAYS, Figures
from .packages import SignedMarketFloor, SignedPackage, signed_market_floor, signed_package
from .producers import (
    TINY,
    PathData,
    Prices,
    asked_price,
    begins,
    component_of,
    expected_topup,
    missing_cost,
    path_data_of,
    survives,
    topup,
    value_unserved,
    worst_state,
)


@dataclass(frozen=True)
class Accounts:
    """Course, signed packages and market floors of one solution."""

    problem: Problem
    solution: Solution
    path_data: PathData
    signings: tuple[SignedPackage, ...]
    floors: tuple[MarketFloor, ...]
    """In the order of `solution.floor`."""
    markets: tuple[SignedMarketFloor, ...]
    nothing: Trade | None = None
    """What is traded abroad where nothing is done; None: of doing nothing itself."""

    @property
    def holders(self) -> tuple[SignedPackage | SignedMarketFloor, ...]:
        """All that pay floors."""
        return (*self.signings, *self.markets)


def open_accounts(
    problem: Problem, solution: Solution, path_data: PathData | None = None, nothing: Solution | None = None
) -> Accounts:
    """Work out what every signed package and every chosen market floor amounts to; `path_data`: along other scenarios. nothing:
    doing nothing, against which the plan moves prices abroad."""
    n, support, path_data = problem.natural, problem.structure.support, path_data or path_data_of(problem)
    by_name = {m.name: m for m in n.market_floors}
    floors = tuple(by_name[m.floor.name] for m in support.markets)
    packages = {(package.name, package.project): package for package in n.packages}
    signings = []
    for o, option in enumerate(support.options):
        if abs(solution.sign[o]) > 1e-9:
            package = packages[option.package.name, option.package.project]
            chosen = [(m, floors[m]) for m in option.market]
            signings.append(
                signed_package(path_data, option.project, package, chosen, option.signed, float(solution.sign[o]))
            )
    chosen_floors = [(m, float(x)) for m, x in zip(floors, solution.floor, strict=True) if abs(x) > 1e-9]
    markets = tuple(signed_market_floor(path_data, m, x) for m, x in chosen_floors)
    idle = None if nothing is None else trade_of(problem, nothing, path_data)
    return Accounts(problem, solution, path_data, tuple(signings), floors, markets, idle)


def outlay_lines(accounts: Accounts) -> dict[str, Floats]:
    """(T,) trunk outlay by line of the budget: purchases, holding, fees, scored gaps, expected floor cost  [million USD]."""
    n, x, path_data = accounts.problem.natural, accounts.solution, accounts.path_data
    lines = {name: np.zeros(n.calendar.periods) for name in OUTLAYS if name != "signed_before"}
    for b, purchase in enumerate(purchase_terms(accounts)):
        lines["purchases"] += x.acquisition[0, b] * purchase.paid(n, (path_data.price, path_data.gap))[0]
    for i in range(len(n.materials)):
        if n.plan.budget.loan is None:
            lines["holding"] += x.stock[0, i] * n.holding[i] * n.calendar.step
    for k, contract in enumerate(accounts.problem.structure.contracts):
        last = contract.start + int(n.contract_term[contract.source])
        lines["contract_fees"][contract.start : last] += n.contract_fee[contract.source] * x.contract[k]
    for signing in accounts.signings:
        lines["offtake_fees"] += signing.share * signing.fees
        lines["capital_support"] += signing.share * signing.payments
    for holder in accounts.holders:
        for bill in holder.bills:
            lines["floor_top_ups"] += holder.share * bill.budget
    return lines


def sales(accounts: Accounts) -> Floats:
    """(T,) what sales bring on the trunk  [million USD]."""
    n, x, price = accounts.problem.natural, accounts.solution, accounts.path_data.price
    each = [x.disposal[0, i] * price[0, i] * (1 - n.haircut[i]) for i in range(len(n.materials))]
    return np.asarray(sum(each, np.zeros(n.calendar.periods)))


def outlays(accounts: Accounts) -> Floats:
    """(T,) trunk outlay, less sales if revolving  [million USD]."""
    total = sum(outlay_lines(accounts).values(), np.zeros(accounts.problem.natural.calendar.periods))
    return np.asarray(total - sales(accounts) * accounts.problem.natural.plan.budget.revolving)


def outlays_by_scenario(accounts: Accounts) -> Floats:
    """(S, F) outlay of each fiscal year along each scenario: that of the trunk, with purchases and holding, and sales if revolving,
    as the scenario has them from its first event on  [million USD]."""
    n, x, path_data = accounts.problem.natural, accounts.solution, accounts.path_data
    scenarios = path_data.scenarios
    found = np.zeros((len(scenarios.names), n.calendar.periods))
    terms = purchase_terms(accounts)
    for i, c in enumerate(n.component):
        prices = path_data.price, path_data.gap
        flows = [x.acquisition[:, b] * of.paid(n, prices) for b, of in enumerate(terms) if of.material == i]
        if n.plan.budget.loan is None:
            flows.append(x.stock[:, i] * n.holding[i] * n.calendar.step)
        if n.plan.budget.revolving:
            flows.append(-x.disposal[:, i] * path_data.price[:, i] * (1 - n.haircut[i]))
        for flow in flows:
            for s, onset in enumerate(scenarios.onset[:, c].tolist()):
                found[s, onset:] += (flow[1 + s] - flow[0])[onset:]
    found += outlays(accounts)
    years = range(len(n.calendar.years))
    return np.stack([found[:, n.calendar.year_index == f].sum(axis=1) for f in years], axis=1)


def already_owed(n: Instance) -> list[float]:
    """What was signed before the plan costs in each fiscal year, and holding the opening stock as it decays [million USD]."""
    owed = due_from_before(n)["plan"]
    if n.plan.budget.loan is not None:
        return owed
    for i in range(len(n.materials)):
        left = float(n.opening[i])
        for f in n.calendar.year_index:
            left *= 1 - float(n.decay[i])
            owed[f] += left * float(n.holding[i]) * n.calendar.step
    return owed


def due_from_before(n: Instance) -> dict[str, list[float]]:
    """What was signed before the plan costs in each fiscal year  [million USD]: `plan`, its budget, instalments and fees included;
    `beside`, money beside it; `worst`, what the floors of both may cost at w*. Top-ups are on what a producer makes while it exists
    and lives, on the undisturbed course. Border floors cost the budget nothing."""
    found = {"plan": [float(v) for v in n.carried.instalments]}
    found |= {name: [0.0] * len(n.calendar.years) for name in ("beside", "worst")}
    for paid in n.carried.floors:
        j, floor = paid.producer, paid.floor
        share = pays(n, paid)
        touched = [t for t, part in enumerate(share) if part > 0]
        if floor.kind == "border" or not touched:
            continue
        price = held_against(n, paid)
        while_it_lasts = replace(floor, begin=touched[0], term=len(touched))
        plant = next((project for project in n.projects if project.producer == j), None)
        stands_from = 0 if plant is None else max(0, plant.earliest + plant.lead)
        alive = survives(n, j, n.price[None], (while_it_lasts,), stands_from)[0]
        for t, f in enumerate(n.calendar.year_index):
            age = 0 if plant is None else t - plant.earliest - plant.lead
            if alive[t] and 0 <= age < (plant.life if plant else 1):
                stands = 1.0 if plant is None else float(plant.ramp[age])
                y = float(n.yields[j, floor.material])
                made = min(floor.take, y * float(n.capacity[j, t]) * stands) / (y if floor.kind == "earnings" else 1.0)
                made *= float(n.availability[j, t]) * share[t]
                found[paid.payer][f] += made * max(0.0, float(expected_topup(n, price[t : t + 1], floor)[0]))
                found["worst"][f] += made * float(topup(worst_state(n) * price[t : t + 1], floor)[0])
    return {**found, "worst": [max(0.0, v) for v in found["worst"]]}


def pays(n: Instance, paid: PaidFloor) -> list[float]:
    """(T,) share of each period that lies between the first and the last day of a floor signed before."""
    D, found = n.calendar.step, list[float]()
    for t in range(n.calendar.periods):
        opens = n.calendar.first_year + D * t
        part = (min(opens + D, paid.end) - max(opens, paid.begin)) / D
        found.append(part if part > TINY else 0.0)
    return found


def held_against(n: Instance, paid: PaidFloor, price: Floats | None = None) -> Floats:
    """(T,) the undisturbed price with its premium that a floor is held against, or another price of the same material; of
    guaranteed earnings what a unit of activity brings at it, inputs paid  [million USD/t]."""
    j, i = paid.producer, paid.floor.material
    own = (1 + n.premium[j]) * asked_price(n, i, bool(n.outside[j, i]), n.price[i][None])[0]
    if paid.floor.kind != "earnings":
        return own if price is None else price
    found = np.zeros_like(own if price is None else price)
    for m, y in enumerate(n.yields[j]):
        calm = asked_price(n, m, bool(y > 0 and n.outside[j, m]), n.price[m][None])[0]
        found = found + y * ((1 + n.premium[j]) * calm if y > 0 else calm)
    return np.asarray(found if price is None else found + float(n.yields[j, i]) * (price - own))


@dataclass(frozen=True)
class Bought:
    """How one purchase is paid."""

    material: int
    source: int
    premium: float
    outside: bool

    def asked(self, n: Instance, prices: Prices) -> Floats:
        """(W, T) (1+premium) P in the market of the purchase  [million USD/t]."""
        lower, gap = (each[:, self.material] for each in prices)
        return (1 + self.premium) * asked_price(n, self.material, self.outside, lower, gap)

    def paid(self, n: Instance, prices: Prices) -> Floats:
        """(W, T) what the budget pays: that, and what the market leaves open of a guarantee on all of the seller's output, which
        other money pays on what is sold there  [million USD/t]."""
        price = self.asked(n, prices)
        found = price.copy()
        for one in self.guarantees(n):
            seen = np.stack([held_against(n, one, row) for row in price])
            found += np.maximum(0.0, expected_topup(n, seen, one.floor)) * pays(n, one) / self.activity(n, one)
        return found

    def not_due(self, n: Instance) -> Floats:
        """(T,) what the guarantee would have paid for a tonne at the producer's own price  [million USD/t]."""
        found = np.zeros(n.calendar.periods)
        for one in self.guarantees(n):
            due = np.maximum(0.0, expected_topup(n, held_against(n, one)[None], one.floor)[0])
            found += due * pays(n, one) / self.activity(n, one)
        return found

    def activity(self, n: Instance, one: PaidFloor) -> float:
        """Tonnes of the material in what a guarantee pays on: a tonne, or a unit of activity where it guarantees earnings."""
        return float(n.yields[self.source, self.material]) if one.floor.kind == "earnings" else 1.0

    def guarantees(self, n: Instance) -> Iterator[PaidFloor]:
        """Guarantees on all of the seller's output of the material that other money pays."""
        for one in n.carried.floors:
            if one.payer == "beside" and one.producer == self.source and one.floor.material == self.material:
                most = float((n.yields[self.source, self.material] * n.capacity[self.source]).max())
                if one.floor.kind != "border" and one.floor.take >= most * (1 - 1e-9):
                    yield one


def purchase_terms(accounts: Accounts) -> list[Bought]:
    """Of each purchase on the axis of `solution.acquisition`; under a purchase floor premium and market are the plant's."""
    n = accounts.problem.natural
    known = {p.name: p for shape in accounts.problem.structure.component_sets for p in shape.purchases}
    return [
        Bought(p.material, p.source, float(n.offer_premium[p.offer]), bool(n.offer_outside[p.offer]))
        if p.offer >= 0
        else Bought(p.material, p.source, float(n.premium[p.source]), bool(n.outside[p.source, p.material]))
        for p in (known[name] for name in accounts.solution.purchases)
    ]


def losses(accounts: Accounts) -> Floats:
    """(S,) discounted shortfall loss, at undisturbed prices, and substitution cost of each scenario over the whole horizon
    [million USD].

    Of materials inside imported goods only where `[risk] embedded` asks for them."""
    n = accounts.problem.natural
    return _lost(accounts, [q for q, i in enumerate(n.demand_material) if n.plan.risk.embedded or not n.embedded[i]])


def embedded_losses(accounts: Accounts) -> Floats:
    """(S,) the same of materials inside imported goods alone, which no plan can prevent  [million USD]."""
    n = accounts.problem.natural
    return _lost(accounts, [q for q, i in enumerate(n.demand_material) if n.embedded[i]])


def _lost(accounts: Accounts, demands: list[int]) -> Floats:
    """(S,) discounted shortfall loss and substitution cost of some demands  [million USD]."""
    n, x, beta = accounts.problem.natural, accounts.solution, accounts.problem.natural.calendar.beta[:-1]
    total = np.zeros(len(accounts.path_data.scenarios.names))
    v = value_unserved(accounts.path_data)
    for k, (q, _) in enumerate(n.tiers):
        if q in demands:
            total += (beta * v[1:, k] * x.shortfall[1:, k]).sum(axis=1)
    for h, (q, _) in enumerate(n.steps):
        if q in demands:
            total += (beta * n.step_cost[h] * x.substitute[1:, h]).sum(axis=1)
    return total


def cvar(loss: Floats, probability: Floats, alpha: float) -> float:
    """min over eta of eta + E[max(0, loss - eta)]/(1-alpha); the minimum lies at one of the losses  [million USD]."""
    return min(float(eta + probability @ np.maximum(0.0, loss - eta) / (1 - alpha)) for eta in loss)


def social_cost(problem: Problem, solution: Solution, accounts: Accounts | None = None) -> dict[str, float]:
    """Parts of Z: discounted expectation, million USD; they add up to social cost."""
    accounts = accounts or open_accounts(problem, solution)
    running = operations(accounts)
    return {**{name: float(values.sum()) for name, values in running.items()}, **commitments(accounts)}


def operations(accounts: Accounts, *, by_scenario: bool = False) -> dict[str, Floats]:
    """(C,) costs of periods of each component at undisturbed prices: users, authority, loss.

    Discounted expectations; with `by_scenario` (C, S) discounted sums of each scenario's whole course instead."""
    n, x, path_data = accounts.problem.natural, accounts.solution, accounts.path_data
    D, T = n.calendar.step, n.calendar.periods
    P, gap = prices = path_data.counted
    total: Any = path_data.along if by_scenario else path_data.expect

    def last(c: int, values: Floats) -> Any:
        return values[1:] if by_scenario else float((path_data.weight[:, c, -1] * values).sum())

    names = tuple(
        (
            "users_activities users_reserve_inputs users_surplus users_substitution users_release "
            "users_own_stock users_freight users_prices_abroad authority_purchases authority_holding authority_disposal "
            "authority_release loss salvage"
        ).split()
    )
    shape = (len(n.components), len(path_data.scenarios.names)) if by_scenario else (len(n.components),)
    parts = {name: np.zeros(shape) for name in names}
    for j in range(len(n.producers)):
        c = component_of(n, j)
        forms = [i for i, y in enumerate(n.yields[j]) if y > 0 and n.form_of[i] != i]
        for i, y in enumerate(n.yields[j]):
            if y != 0:
                market = forms[0] if forms else i  # what is made into a qualified form counts as that does
                outside = bool(n.outside[j, market])
                asked = asked_price(n, i, outside, P[:, i], gap[:, i])
                worth_of = y * ((1 + n.premium[j]) * asked if y > 0 else asked if forms else P[:, i])
                parts["users_activities"][c] += total(c, x.output[:, j] * worth_of)
                parts["users_reserve_inputs"][c] += total(c, x.reserve_output[:, j] * worth_of) if y < 0 else 0.0
    for i, c in enumerate(n.component):
        paid = total(c, x.release[:, i] * P[:, i] * n.resale[i])
        parts["users_surplus"][c] -= total(c, x.surplus[:, i] * P[:, i] * (1 - n.haircut[i]))
        parts["users_release"][c] += paid
        parts["authority_release"][c] -= paid
        parts["users_freight"][c] += total(c, x.sent[:, i] * n.freight[i])
        parts["authority_holding"][c] += total(c, x.stock[:, i] * n.holding[i] * D)
        parts["authority_disposal"][c] -= total(c, x.disposal[:, i] * P[:, i] * (1 - n.haircut[i]))
        end = np.minimum(n.price[i, T - 1], path_data.price[:, i, T - 1])
        kept = n.salvage[i] * end * x.stock[:, i, T - 1] * n.calendar.beta[T]
        parts["salvage"][c] -= last(c, kept)
    for b, purchase in enumerate(purchase_terms(accounts)):
        c = n.component[purchase.material]
        parts["authority_purchases"][c] += total(c, x.acquisition[:, b] * purchase.asked(n, prices))
    for h, (q, _) in enumerate(n.steps):
        c = n.component[n.demand_material[q]]
        parts["users_substitution"][c] += total(c, x.substitute[:, h] * n.step_cost[h])
    v = value_unserved(path_data)
    for k, (q, _) in enumerate(n.tiers):
        c = n.component[n.demand_material[q]]
        parts["loss"][c] += total(c, x.shortfall[:, k] * v[:, k])
    for u, (i, _) in enumerate(n.users):
        c = n.component[i]
        parts["users_own_stock"][c] += total(c, x.users_missing[:, u] * missing_cost(path_data, u))
    if accounts.nothing is not None:
        idle, plan = accounts.nothing, trade_of(accounts.problem, x, path_data)
        saved = saved_abroad(plan, idle, for_sale(n, idle.materials))
        for k, i in enumerate(idle.materials):
            parts["users_prices_abroad"][n.component[i]] -= total(n.component[i], saved[:, k])
    return parts


def costs_by_scenario(accounts: Accounts) -> Floats:
    """(S,) discounted cost of each scenario's course, commitments included  [million USD].

    Its expectation is social cost without soft penalties and lambda*CVaR."""
    running = operations(accounts, by_scenario=True)
    signed = commitments(accounts)
    along = np.zeros(len(accounts.path_data.scenarios.names))
    for holder in accounts.holders:
        along += holder.share * sum((bill.by_scenario for bill in holder.bills), np.zeros_like(along))
    for signing in accounts.signings:
        along += signing.share * signing.lost_by_scenario
    for market in accounts.markets:
        along += market.share * market.border_by_scenario
    other = ("floor_cost", "users_border_surcharge", "authority_border_revenue", "soft_penalties", "cvar")
    same = sum(value for name, value in signed.items() if name not in other)
    return np.asarray(np.sum([values.sum(axis=0) for values in running.values()], axis=0) + along + same, dtype=float)


def split_of_value(accounts: Accounts, reference: Accounts) -> dict[str, Floats]:
    """(C,) what a plan spares in each component's operations against doing nothing, in parts  [million USD].

    `shortage`: loss and substitution; `bill`: what the plan does to prices abroad; `users` (negative: they pay for the tonnes that
    they now get); `authority` (negative: outlays beyond what is sold and left)."""
    before, after = operations(reference), operations(accounts)
    spared = {name: before[name] - after[name] for name in before}
    own = ("loss", "users_substitution", "users_prices_abroad")
    users = [part for name, part in spared.items() if name.startswith("users_") and name not in own]
    treasury = [part for name, part in spared.items() if not name.startswith("users_") and name not in own]
    return {
        "shortage": spared["loss"] + spared["users_substitution"],
        "bill": spared["users_prices_abroad"],
        "users": np.sum(users, axis=0),
        "authority": np.sum(treasury, axis=0),
    }


def commitments(accounts: Accounts) -> dict[str, float]:
    """Fees, capital, charge for downside moved from owners, floors, border charges, terminal terms, lambda*CVaR, soft penalties."""
    n, x = accounts.problem.natural, accounts.solution
    beta, plan = n.calendar.beta[:-1], n.plan
    parts = dict.fromkeys(
        tuple(
            (
                "users_border_surcharge users_contracts authority_border_revenue contract_fees offtake_fees capital_support "
                "risk_transfer floor_cost terminal_liability residual_credit cvar soft_penalties"
            ).split()
        ),
        0.0,
    )
    for k, contract in enumerate(accounts.problem.structure.contracts):
        j, start = contract.source, contract.start
        reserved = float(x.contract[k] * beta[start : start + n.contract_term[j]].sum())
        parts["contract_fees"] += float(n.contract_fee[j]) * reserved
        parts["users_contracts"] += float(n.contract_rise[j]) * reserved
    for signing in accounts.signings:
        parts["offtake_fees"] += signing.share * float(beta @ signing.fees)
        parts["capital_support"] += signing.share * float(beta @ signing.payments)
        parts["risk_transfer"] += signing.share * signing.risk_transfer
        parts["authority_border_revenue"] += signing.share * signing.lost_tariff
        parts["residual_credit"] -= signing.share * plan.residual * signing.residual
    for holder in accounts.holders:
        parts["floor_cost"] += holder.share * sum(b.expected for b in holder.bills)
        parts["terminal_liability"] += holder.share * sum(b.terminal for b in holder.bills)
    for market in accounts.markets:
        parts["users_border_surcharge"] += market.share * market.surcharge
        parts["authority_border_revenue"] -= market.share * market.tariff
    if plan.risk.cvar_weight > 0:
        parts["cvar"] = plan.risk.cvar_weight * cvar(
            losses(accounts), accounts.path_data.scenarios.probability, plan.risk.alpha
        )
    for k, rule in enumerate(plan.diversification):
        if rule.material in n.materials:
            reached = accounts.path_data.reached[n.component[n.materials.index(rule.material)]]
            parts["soft_penalties"] += (rule.penalty_usd_per_kg or 0.0) * 1e-3 * float(reached @ x.excess[0, k])
    for k, level in enumerate(plan.service_levels):
        parts["soft_penalties"] += (level.penalty_usd_per_kg or 0.0) * 1e-3 * float(x.short_of_promise[:, k].sum())
    parts["soft_penalties"] += unfilled(accounts)
    return {name: float(value) for name, value in parts.items()}


FILLING_YR, UNFILLED_SHARE = 3.0, 0.15
"""Years in which a stock is filled again after an event, and what a tonne missing from the target costs a year, as a share of its
highest price; at the end also its price, less what it would be worth then."""


def unfilled(accounts: Accounts) -> float:
    """What targets cost that branches have not filled: by then all of them before a material is first tight, a part that grows with
    the calm periods after it, without what was there before the plan  [million USD]."""
    n, x, path_data = accounts.problem.natural, accounts.solution, accounts.path_data
    bought = {p.material for sets in accounts.problem.structure.component_sets for p in sets.purchases if p.offer >= 0}
    if n.plan.policy != "targets":
        return 0.0
    total, refill = 0.0, n.plan.release.refill_share
    for i in sorted(bought):
        beta, last = n.calendar.beta, n.calendar.periods - 1
        price = UNFILLED_SHARE * float(n.price[i].max()) * n.calendar.step * beta
        price[last] += float(n.price[i, last]) * max(0.0, beta[last] - float(n.salvage[i]) * beta[last + 1])
        for s, pi in enumerate(path_data.scenarios.probability):
            calm: float | None = None
            for t in range(n.calendar.periods):
                calm = 0.0 if path_data.tight[1 + s, i, t] else (None if calm is None else calm + 1)
                share = 1.0 if calm is None else refill * min(1.0, calm * n.calendar.step / FILLING_YR)
                old = 0.0 if calm is None else (1 - float(n.decay[i])) ** (t + 1) * float(n.opening[i])
                target = float(x.stock[0, i, t]) - old
                lacks = max(0.0, share * target - float(x.stock[1 + s, i, t]))
                if path_data.branch[1 + s, n.component[i], t] or share < 1:
                    total += float(pi) * float(price[t]) * lacks
    return total


# What an answer states of itself, worked out again from its decisions: the audit's own records of `figures.RECOMPUTED`.
SMALL_T, CHOSEN, DAYS = 1e-6, 1e-6, 365.0
"""Tonnes below which there is no action, share from which an act is chosen, days of a year: the audit's own, like its formulas."""

Records = dict[str, dict[str, float]]


def recomputed(accounts: Accounts, without: Accounts, bounds: Mapping[str, float]) -> Records:
    """Every record, of a plan's books and of those of doing nothing. bounds: aim -> bound of its difference, the last aim last."""
    parts, before = (
        social_cost(accounts.problem, accounts.solution, accounts),
        social_cost(without.problem, without.solution, without),
    )
    pi = accounts.path_data.scenarios.probability
    lost, lost_without = losses(accounts), losses(without)
    names = accounts.path_data.scenarios.names
    z, z0 = sum(parts.values()), sum(before.values())
    found: Records = {
        "worth_musd": {"": z0 - z},
        "do_nothing_musd": {"": z0},
        "penalties_musd": {"": parts["soft_penalties"]},
        "expected_loss_musd": {"": float(pi @ lost)},
        "expected_loss_without_musd": {"": float(pi @ lost_without)},
        "embedded_loss_musd": {"": float(pi @ embedded_losses(accounts))},
        "probability": dict(zip(names, map(float, pi), strict=True)),
        "loss_musd": dict(zip(names, map(float, lost), strict=True)),
        "loss_without_musd": dict(zip(names, map(float, lost_without), strict=True)),
        "salvage_musd": {"": -parts["salvage"]},
        "residual_musd": {"": -parts["residual_credit"]},
    }
    for family in (
        _stages(accounts, without, (z, z0), bounds),
        _shortage(accounts),
        _purchases(accounts),
        _signed(accounts),
        _floors(accounts),
        _contracts(accounts),
        _money(accounts),
        _value(accounts, without),
    ):
        found |= family
    return found


def _stages(accounts: Accounts, without: Accounts, costs: tuple[float, float], bounds: Mapping[str, float]) -> Records:
    """Aims with the plan and without, and the gap of the last."""
    n, aims = accounts.problem.natural, {"social_cost": costs}
    penalties = commitments(accounts)["soft_penalties"]
    pi, m = accounts.path_data.scenarios.probability, n.plan.objective.cvar_share

    def risk(of: Accounts) -> float:
        lost = losses(of)
        return (1 - m) * float(pi @ lost) + m * cvar(lost, pi, n.plan.risk.alpha)

    def spending(of: Accounts) -> float:
        paid, total = outlays(of), 0.0
        for f in range(len(n.calendar.years)):
            mine = np.flatnonzero(n.calendar.year_index == f)
            total += float(n.calendar.beta[mine[0]] * paid[mine].sum())
        return total

    aims |= {"risk": (risk(accounts), risk(without)), "spending": (spending(accounts), spending(without))}
    with_plan = {name: aims[name][0] - (penalties if name == "social_cost" else 0.0) for name in bounds}
    differences = {
        name: aims[name][0] - aims[name][1] + (0.0 if name == "social_cost" else penalties) for name in bounds
    }
    objective, bound = differences[list(bounds)[-1]], bounds[list(bounds)[-1]]
    yearly = [n.calendar.beta[np.flatnonzero(n.calendar.year_index == f)[0]] for f in range(len(n.calendar.years))]
    against = max(abs(objective), float(np.dot(yearly, n.appropriation)), 1.0)
    return {
        "stage_with_musd": with_plan,
        "stage_without_musd": {name: aims[name][1] for name in bounds},
        "stage_difference_musd": differences,
        "gap_share": {"": max(0.0, (objective - bound) / against)},
    }


def _shortage(accounts: Accounts) -> Records:
    """Losses that stay, defence, and the chance that nothing happens."""
    n, x, scenarios = accounts.problem.natural, accounts.solution, accounts.path_data.scenarios
    remaining, defence = dict.fromkeys(n.materials, 0.0), dict.fromkeys(scenarios.names, 0.0)
    v = value_unserved(accounts.path_data)
    for k, (q, _) in enumerate(n.tiers):
        material = n.demands[q][0]
        for s, name in enumerate(scenarios.names):
            short = float(x.shortfall[1 + s, k].sum())
            lost = float((v[1 + s, k] * n.calendar.beta[:-1]) @ x.shortfall[1 + s, k])
            remaining[material] += float(scenarios.probability[s]) * lost
            if n.priority[q] == DEFENCE:
                defence[name] += short
    calm = [
        float(p)
        for s, p in enumerate(scenarios.probability)
        if all(int(scenarios.onset[s, c]) >= n.calendar.planned for c in range(len(n.components)))
    ]
    return {"remaining_loss_musd": remaining, "defence_short_t": defence, "undisturbed_probability": {"": sum(calm)}}


def _purchases(accounts: Accounts) -> Records:
    """What is bought and held while nothing has happened, and bought in expectation."""
    n, x, planned = accounts.problem.natural, accounts.solution, accounts.problem.natural.calendar.planned
    tonnes: dict[str, float] = {}
    paid: dict[str, float] = {}
    by_origin: dict[str, float] = {}
    expected = dict.fromkeys(n.materials, 0.0)
    origins = _origins(accounts)
    for b, purchase in enumerate(purchase_terms(accounts)):
        name, price = (
            n.materials[purchase.material],
            purchase.paid(n, (accounts.path_data.price, accounts.path_data.gap))[0],
        )
        for t in range(planned):
            amount = float(x.acquisition[0, b, t])
            if amount > SMALL_T:
                tonnes[name] = tonnes.get(name, 0.0) + amount
                paid[name] = paid.get(name, 0.0) + amount * float(price[t])
                origin = f"{name}: {origins[b]}"
                by_origin[origin] = by_origin.get(origin, 0.0) + amount * float(price[t])
        expected[name] += float(accounts.path_data.scenarios.probability @ x.acquisition[1:, b, :planned].sum(axis=1))
    peaks, days, drift = {}, {}, {}
    held = {purchase.material for purchase in purchase_terms(accounts)} | {
        i for i in range(len(n.materials)) if n.opening[i] > 0
    }
    for i in sorted(held):
        name, stock = n.materials[i], np.maximum(0.0, x.stock[0, i, :planned])
        t = int(stock.argmax())
        full = [u for u in range(planned) if stock[u] > SMALL_T]
        if full:
            drift[name] = float(n.price[i, full[-1]] / n.price[i, full[0]] - 1)
        if name in tonnes:
            peaks[name] = float(stock[t])
            used = _used(accounts, i, t)
            if used > 0:
                days[name] = float(stock[t]) / (used / n.calendar.step / DAYS)
    return {
        "bought_t": tonnes,
        "bought_musd": paid,
        "bought_from_musd": by_origin,
        "bought_expected_t": {name: value for name, value in expected.items() if value > SMALL_T},
        "peak_stock_t": peaks,
        "peak_stock_days": days,
        "price_drift_share": drift,
    }


def _origins(accounts: Accounts) -> list[str]:
    """Country of each way to buy, read from the rows of the tables; empty where none is declared."""
    data = accounts.problem.data
    at: dict[str, str] = {row.activity: row.country for row in data.rows("activities")}
    at |= {row.project: row.country for row in data.rows("projects")}
    sold = {row.offer: at.get(row.source_producer, row.origin or "") for row in data.rows("offers")}
    n = accounts.problem.natural
    known = {p.name: p for shape in accounts.problem.structure.component_sets for p in shape.purchases}
    ways = [known[name] for name in accounts.solution.purchases]
    return [sold[way.name] if way.offer >= 0 else at[n.producers[way.source]] for way in ways]


def _used(accounts: Accounts, i: int, t: int) -> float:
    """What home users and home plants use of a material in a period while nothing has happened  [t]."""
    n, x = accounts.problem.natural, accounts.solution
    used = sum(float(n.demand[q, t]) for q, of in enumerate(n.demand_material) if of == i)
    for j in range(len(n.producers)):
        if n.home[j] and n.yields[j, i] < 0:
            used -= float(n.yields[j, i]) * float(x.output[0, j, t] + x.reserve_output[0, j, t])
    return used


def _supported(accounts: Accounts) -> Iterator[tuple[str, SignedPackage]]:
    n = accounts.problem.natural
    for signing in accounts.signings:
        if signing.share > CHOSEN:
            begun = n.projects[signing.project].begun
            yield f"{signing.label}, {'' if begun else n.calendar.period_label(signing.signed)}", signing


def _signed(accounts: Accounts) -> Records:
    """What is signed for projects, and what it costs the budget."""
    found: Records = {"signed_share": {}, "signed_cost_musd": {}}
    for label, signing in _supported(accounts):
        found["signed_share"][label] = signing.share
        found["signed_cost_musd"][label] = signing.share * (signing.scored + float(signing.fees.sum()))
    return found


def _floors(accounts: Accounts) -> Records:
    """What price floors cost, market-wide and in packages."""
    n, found = accounts.problem.natural, {"floor_cost_musd": dict[str, float](), "floor_later_musd": dict[str, float]()}
    rows: list[tuple[str, int, SignedPackage | SignedMarketFloor]] = [
        (market.market.name, 0, market) for market in accounts.markets if market.share > CHOSEN
    ]
    for _, signing in _supported(accounts):
        if signing.own is not None and signing.bills:
            start = begins(signing.own, signing.signed + n.projects[signing.project].lead)
            rows.append((f"{n.projects[signing.project].name}: {signing.package.name}", start, signing))
    for label, start, holder in rows:
        name = f"{label}, {n.calendar.period_label(start)}"
        found["floor_cost_musd"][name] = holder.share * sum(bill.expected for bill in holder.bills)
        found["floor_later_musd"][name] = holder.share * sum(bill.terminal for bill in holder.bills)
    return found


def _contracts(accounts: Accounts) -> Records:
    n, tonnes, fees = accounts.problem.natural, dict[str, float](), dict[str, float]()
    for k, contract in enumerate(accounts.problem.structure.contracts):
        amount = float(accounts.solution.contract[k])
        if amount > SMALL_T:
            j = contract.source
            name = f"{n.producers[j]} ({n.country[j]}), {n.calendar.period_label(contract.start)}"
            tonnes[name] = amount / n.calendar.step
            fees[name] = amount * float(n.contract_fee[j]) * int(n.contract_term[j])
    return {"contract_t_per_yr": tonnes, "contract_fees_musd": fees}


def _money(accounts: Accounts) -> Records:
    """Outlays of the planned years by line and by year, and what is shown with them."""
    n, x, T = accounts.problem.natural, accounts.solution, accounts.problem.natural.calendar.periods
    lines, sold, before = outlay_lines(accounts), sales(accounts), due_from_before(n)
    liability, spared, as_run = np.zeros(T), np.zeros(T), np.zeros(T)
    for paid in n.carried.floors:
        if paid.payer == "beside" and paid.floor.kind != "border":
            y = float(n.yields[paid.producer, paid.floor.material])
            made = np.minimum(paid.floor.take, y * x.output[0, paid.producer])
            made = made / (y if paid.floor.kind == "earnings" else 1.0)
            due = np.maximum(0.0, expected_topup(n, held_against(n, paid)[None], paid.floor)[0])
            as_run += due * made * pays(n, paid)
    for b, purchase in enumerate(purchase_terms(accounts)):
        spared += x.acquisition[0, b] * purchase.not_due(n)
    members = _members_pay(accounts, lines["purchases"], sold)
    for holder in accounts.holders:
        for bill in holder.bills:
            liability += holder.share * bill.liability
    planned = n.calendar.planned

    def by_year(series: Floats, before: Any = 0.0) -> dict[str, float]:
        """Sum of each planned year. before: (years,) what it comes to already."""
        sums = np.bincount(n.calendar.year_index, series) + np.asarray(before)
        return dict(zip(map(str, n.calendar.planned_years), sums.tolist(), strict=False))

    return {
        "outlay_musd": {
            **{name: float(series[:planned].sum()) for name, series in lines.items()},
            "signed_before": sum(before["plan"][: len(n.calendar.planned_years)]),
        },
        "outlay_by_year_musd": by_year(sum(lines.values(), np.zeros(T)), before["plan"]),
        "appropriation_by_year_musd": by_year(np.zeros(T), n.appropriation),
        "liability_by_year_musd": by_year(liability, before["worst"]),
        "paid_apart_by_year_musd": by_year(-spared, before["beside"]),
        "paid_apart_as_run_by_year_musd": by_year(as_run),
        "members_pay_by_year_musd": by_year(members),
        "sales_musd": {"": float(sold[:planned].sum())},
    }


def _members_pay(accounts: Accounts, bought: Floats, sold: Floats) -> Floats:
    """(T,) storage and, until it is due, interest on what is borrowed and not paid back by sales  [million USD]."""
    n, x = accounts.problem.natural, accounts.solution
    loan, bill = n.plan.budget.loan, np.zeros(n.calendar.periods)
    if loan is None:
        return bill
    owed, due = loan.owed_musd, float(loan.due_year or np.inf)
    for t in range(n.calendar.periods):
        date = float(n.calendar.first_year + t * n.calendar.step)
        if date >= due:  # paid back; what is bought from now on is borrowed anew
            owed, due = 0.0, np.inf
        owed = max(0.0, owed + float(bought[t] - sold[t]))
        due = min(due, int(date) + loan.term_years) if owed > 0 and due == np.inf else due
        stored = sum(float(x.stock[0, i, t] * n.holding[i]) for i in range(len(n.materials)))
        bill[t] = n.calendar.step * (stored + loan.interest * owed)
    return bill


def _value(accounts: Accounts, without: Accounts) -> Records:
    """Where the worth comes from: what is avoided, and who gains."""
    with_plan, nothing = operations(accounts), operations(without)
    spared = {name: float((nothing[name] - with_plan[name]).sum()) for name in nothing}
    after, before = commitments(accounts), commitments(without)
    signed = {name: before[name] - after[name] for name in before}
    short = ("loss", "users_substitution")
    own = (*short, "users_prices_abroad")
    users = sum(v for name, v in spared.items() if name.startswith("users_") and name not in own)
    authority = sum(v for name, v in spared.items() if not name.startswith("users_") and name not in own)
    paid = signed["users_border_surcharge"] + signed["users_contracts"]
    excluded = signed["soft_penalties"] + signed["cvar"] + paid
    return {
        "shortage_avoided_musd": {"": sum(spared[name] for name in short)},
        "bill_saved_musd": {"": spared["users_prices_abroad"]},
        "users_musd": {"": users + paid},
        "authority_musd": {"": authority + sum(signed.values()) - excluded},
        "risk_charge_musd": {"": signed["cvar"]},
    }


def differences(stated: Figures, found: Records) -> Iterable[tuple[str, Any, Any]]:
    """(record, by how much what is stated is off, its size) of every record. A number that one side leaves out is 0."""
    for name, items in found.items():
        values = stated.items(name)
        for item in {**items, **values}:
            a, b = values.get(item, 0.0), items.get(item, 0.0)
            yield f"{name}, {item}" if item else name, abs(a - b), abs(b)


# Whose cost it is: social cost of a plan of several homes, split into what each of them bears (home by home).
COMMON = ""
"""What belongs to no single home."""
BY_PRODUCER = ("output", "reserve_output", "clean_output")
BY_MATERIAL = ("release", "disposal", "stock", "sent", "received", "surplus")
BY_USERS = ("users_pull", "users_refill", "users_missing")


def homes_of_materials(accounts: Accounts) -> tuple[str, ...]:
    """(I,) home whose users want each material; `COMMON` where the tables name none."""
    known = {row.material: row.home or COMMON for row in accounts.problem.data.rows("materials")}
    return tuple(known[name] for name in accounts.problem.natural.materials)


def costs_by_home(accounts: Accounts) -> dict[str, float]:
    """Social cost of each home of a plan, and of what they have in common; together all of it  [million USD, discounted].

    Users of a home pay for what they draw from a plant built together, as they would pay any other source. Who buys or holds stock
    bears its cost, and who receives stock of another pays the freight alone."""
    owners = homes_of_materials(accounts)
    homes = [home for home in dict.fromkeys(owners) if home != COMMON]
    found = {home: _cost(accounts, owners, home) for home in homes}
    whole = sum(social_cost(accounts.problem, accounts.solution, accounts).values())
    return {**found, COMMON: whole - sum(found.values())}


def _cost(accounts: Accounts, owners: Sequence[str], home: str) -> float:
    n, x = accounts.problem.natural, accounts.solution
    of = [
        {owners[i] for i in np.flatnonzero(row).tolist()} - {COMMON} for row in n.yields
    ]  # of each, none of what all built
    producers = np.array([home in each for each in of], dtype=bool)
    alone = replace(accounts, solution=_of_home(accounts, owners, producers, home))
    signed = {p for p, project in enumerate(n.projects) if of[project.producer] == {home}}
    alone = replace(alone, signings=tuple(s for s in accounts.signings if s.project in signed), markets=(), floors=())
    if alone.nothing is not None:
        alone = replace(alone, nothing=alone.nothing.only(np.array([owner == home for owner in owners], dtype=bool)))
    running = sum(float(values.sum()) for values in operations(alone).values())
    # what a plant built together gives its users they pay for, at its price
    drawn = 0.0
    for j in np.flatnonzero(producers).tolist():
        for i in np.flatnonzero(n.yields[j]).tolist():
            if owners[i] == COMMON:
                flow = -n.yields[j, i] * x.output[:, j] * accounts.path_data.counted[0][:, i]
                drawn += accounts.path_data.expect(int(n.component[i]), flow)
    skipped = ("cvar", "soft_penalties", "users_border_surcharge", "authority_border_revenue")
    commitments = sum(value for name, value in committed(alone).items() if name not in skipped)
    freight = _freight(accounts, owners, home)
    return running + drawn + commitments + freight


def _freight(accounts: Accounts, owners: Sequence[str], home: str) -> float:
    """What a home pays for stock that it receives beyond what its own costs of sending say  [million USD]."""
    n, x, total = accounts.problem.natural, accounts.solution, 0.0
    for i, owner in enumerate(owners):
        if owner == home:
            moved = (x.received[:, i] - x.sent[:, i]) * n.freight[i]
            total += accounts.path_data.expect(int(n.component[i]), moved)
    return total


def _of_home(accounts: Accounts, owners: Sequence[str], producers: Bools, home: str) -> Solution:
    """A solution with nothing in it but what is of one home."""
    n, x = accounts.problem.natural, accounts.solution
    own = np.array([owner == home for owner in owners], dtype=bool)
    bought = {p.name: p.material for shape in accounts.problem.structure.component_sets for p in shape.purchases}
    masks = {
        **dict.fromkeys(BY_PRODUCER, producers),
        **dict.fromkeys(BY_MATERIAL, own),
        "acquisition": np.array([own[bought[name]] for name in x.purchases], dtype=bool),
        "substitute": np.array([own[n.demand_material[q]] for q, _ in n.steps], dtype=bool),
        "shortfall": np.array([own[n.demand_material[q]] for q, _ in n.tiers], dtype=bool),
        **dict.fromkeys(BY_USERS, np.array([own[i] for i, _ in n.users], dtype=bool)),
    }
    parts = {name: getattr(x, name) * mask[None, :, None] for name, mask in masks.items()}
    sources = [contract.source for contract in accounts.problem.structure.contracts]
    contract = np.array([amount * producers[j] for amount, j in zip(x.contract, sources, strict=True)])
    return replace(x, **parts, contract=contract)


committed = commitments
