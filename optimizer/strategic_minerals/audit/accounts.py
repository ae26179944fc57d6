"""The audit's own money: what was signed, what it amounts to, and social cost added up again (section 4, 5 and 7).

Packages and market floors as they are signed, the books of one solution, outlays, losses and the parts of social cost,
worked out from `audit.scenario_data` and natural data alone. Axes and units are those of `audit.scenario_data`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.arrays import Floats
from ..instance.instance import Instance, MarketFloor
from ..model.problem import Problem
from ..model.solution import Solution
from .packages import SignedMarketFloor, SignedPackage, signed_market_floor, signed_package
from .producers import asked_price, expected_topup, survives, topup, worst_state
from .scenario_data import PathData, Prices, component_of, path_data_of
from .shortage import missing_cost, value_at_risk, value_unserved


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

    @property
    def holders(self) -> tuple[SignedPackage | SignedMarketFloor, ...]:
        """All that pay floors."""
        return (*self.signings, *self.markets)


def open_accounts(problem: Problem, solution: Solution, path_data: PathData | None = None) -> Accounts:
    """Work out what every signed package and every chosen market floor amounts to; `path_data`: along other scenarios."""
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
                signed_package(path_data, option.project, package, chosen, option.signed, float(solution.sign[o]), o)
            )
    chosen_floors = [(m, float(x)) for m, x in zip(floors, solution.floor, strict=True) if abs(x) > 1e-9]
    markets = tuple(signed_market_floor(path_data, m, x) for m, x in chosen_floors)
    return Accounts(problem, solution, path_data, tuple(signings), floors, markets)


def outlays(accounts: Accounts) -> Floats:
    """(T,) trunk outlay: purchases, holding, fees, scored gaps, expected floor cost; less sales if revolving."""
    n, x, path_data = accounts.problem.natural, accounts.solution, accounts.path_data
    total = np.zeros(n.calendar.periods)
    for b, purchase in enumerate(purchase_terms(accounts)):
        total += x.acquisition[0, b] * purchase.paid(n, (path_data.price, path_data.gap))[0]
    for i in range(len(n.materials)):
        if not n.plan.budget.members_pay_holding:
            total += x.stock[0, i] * n.holding[i] * n.calendar.step
        if n.plan.budget.revolving:
            total -= x.disposal[0, i] * path_data.price[0, i] * (1 - n.haircut[i])
    for k, contract in enumerate(accounts.problem.structure.contracts):
        total[contract.start : contract.start + n.contract_term[contract.source]] += (
            n.contract_fee[contract.source] * x.contract[k]
        )
    for signing in accounts.signings:
        total += signing.share * (signing.payments + signing.fees + sum(b.budget for b in signing.bills))
    for market in accounts.markets:
        total += market.share * sum((b.budget for b in market.bills), np.zeros_like(total))
    return total


def already_owed(n: Instance) -> list[float]:
    """What was signed before the plan costs in each fiscal year, and holding the opening stock, if all of it stays and decays
    [million USD]."""
    owed = due_from_before(n)[0]
    if n.plan.budget.members_pay_holding:
        return owed
    for i in range(len(n.materials)):
        left = float(n.opening[i])
        for f in n.calendar.year_index:
            left *= 1 - float(n.decay[i])
            owed[f] += left * float(n.holding[i]) * n.calendar.step
    return owed


def due_from_before(n: Instance) -> tuple[list[float], list[float]]:
    """What was signed before the plan costs in each fiscal year, and what its floors may cost at w*  [million USD]: instalments and
    fees, and top-ups on what a producer makes while it lives, on the undisturbed course. Border floors cost the budget nothing."""
    due, most = [float(v) for v in n.carried.instalments], [0.0] * len(n.calendar.years)
    for paid in n.carried.floors:
        j, floor = paid.producer, paid.floor
        if floor.kind == "border":
            continue
        price = (1 + n.premium[j]) * asked_price(
            n, floor.material, n.outside[j, floor.material], n.price[floor.material][None]
        )[0]
        alive, begins = survives(n, j, n.price[None], (), 0)[0], floor.begin or 0
        for t, f in enumerate(n.calendar.year_index):
            if alive[t] and begins <= t < begins + floor.term:
                made = min(floor.take, float(n.yields[j, floor.material] * n.capacity[j, t])) * float(
                    n.availability[j, t]
                )
                due[f] += made * max(0.0, float(expected_topup(n, price[t : t + 1], floor)[0]))
                most[f] += made * float(topup(worst_state(n) * price[t : t + 1], floor)[0])
    return due, [max(0.0, v) for v in most]


@dataclass(frozen=True)
class Bought:
    """How one purchase is paid."""

    material: int
    premium: float
    outside: bool

    def paid(self, n: Instance, prices: Prices) -> Floats:
        """(W, T) (1+premium) P in the market of the purchase  [million USD/t]."""
        lower, gap = (each[:, self.material] for each in prices)
        return (1 + self.premium) * asked_price(n, self.material, self.outside, lower, gap)


def purchase_terms(accounts: Accounts) -> list[Bought]:
    """Of each purchase on the axis of `solution.acquisition`; under a purchase floor the premium is 0, the market the plant's."""
    n = accounts.problem.natural
    known = {p.name: p for shape in accounts.problem.structure.component_sets for p in shape.purchases}
    return [
        Bought(p.material, float(n.offer_premium[p.offer]), bool(n.offer_outside[p.offer]))
        if p.offer >= 0
        else Bought(p.material, 0.0, bool(n.outside[p.source, p.material]))
        for p in (known[name] for name in accounts.solution.purchases)
    ]


def losses(accounts: Accounts) -> Floats:
    """(S,) discounted shortfall loss, at undisturbed prices, and substitution cost of each scenario over the whole horizon
    [million USD].

    Of materials inside imported goods only where `[risk] embedded` asks for them.
    """
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
    v = value_at_risk(accounts.path_data)
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
    """Parts of Z: discounted expectation, million USD; they add up to social cost (section 5 to 7)."""
    accounts = accounts or open_accounts(problem, solution)
    running = operations(accounts, accounts.path_data.counted)
    return {**{name: float(values.sum()) for name, values in running.items()}, **commitments(accounts)}


def operations(accounts: Accounts, prices: Prices, *, by_scenario: bool = False) -> dict[str, Floats]:
    """(C,) costs of periods of each component at given prices: users, authority, loss (section 5).

    Discounted expectations; with `by_scenario` (C, S) discounted sums of each scenario's whole course instead.
    """
    n, x, path_data = accounts.problem.natural, accounts.solution, accounts.path_data
    D, T = n.calendar.step, n.calendar.periods
    P, gap = prices
    total: Any = path_data.along if by_scenario else path_data.expect
    last: Any = (lambda _, values: values[1:]) if by_scenario else path_data.expect_last
    names = (
        "users_activities",
        "users_reserve_inputs",
        "users_surplus",
        "users_substitution",
        "users_release",
        "users_own_stock",
        "users_freight",
        "authority_purchases",
        "authority_holding",
        "authority_disposal",
        "authority_release",
        "loss",
        "salvage",
    )
    shape = (len(n.components), len(path_data.scenarios.names)) if by_scenario else (len(n.components),)
    parts = {name: np.zeros(shape) for name in names}
    for j in range(len(n.producers)):
        c = component_of(n, j)
        for i, y in enumerate(n.yields[j]):
            if y != 0:
                sold = (1 + n.premium[j]) * asked_price(n, i, n.outside[j, i], P[:, i], gap[:, i])
                worth_of = y * (sold if y > 0 else P[:, i])
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
        parts["authority_purchases"][c] += total(c, x.acquisition[:, b] * purchase.paid(n, prices))
    for h, (q, _) in enumerate(n.steps):
        c = n.component[n.demand_material[q]]
        parts["users_substitution"][c] += total(c, x.substitute[:, h] * n.step_cost[h])
    v = value_unserved(path_data, P, gap)
    for k, (q, _) in enumerate(n.tiers):
        c = n.component[n.demand_material[q]]
        parts["loss"][c] += total(c, x.shortfall[:, k] * v[:, k])
    for u, (i, _) in enumerate(n.users):
        c = n.component[i]
        parts["users_own_stock"][c] += total(c, x.users_missing[:, u] * missing_cost(path_data, u, P, gap))
    return parts


def costs_by_scenario(accounts: Accounts) -> Floats:
    """(S,) discounted cost of each scenario's course, commitments included  [million USD].

    Its expectation is social cost without soft penalties and lambda*CVaR.
    """
    running = operations(accounts, accounts.path_data.counted, by_scenario=True)
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
    """(C,) what a plan spares in each component's operations against doing nothing, in four parts  [million USD].

    `shortage`: loss and substitution at the trunk's prices. `price`: what branch prices that differ from the trunk's add, all
    else held. Then, at the trunk's prices: `users` (negative: they pay for the tonnes that they now get) and `authority`
    (negative: outlays beyond what is sold and left).
    """
    path_data = accounts.path_data

    def spared(prices: Prices) -> dict[str, Floats]:
        before, after = operations(reference, prices), operations(accounts, prices)
        return {name: before[name] - after[name] for name in before}

    own, calm = spared(path_data.counted), spared(path_data.undisturbed)
    short = ("loss", "users_substitution")
    users = [part for name, part in calm.items() if name.startswith("users_") and name not in short]
    treasury = [part for name, part in calm.items() if not name.startswith("users_") and name not in short]
    return {
        "shortage": calm["loss"] + calm["users_substitution"],
        "price": np.sum(list(own.values()), axis=0) - np.sum(list(calm.values()), axis=0),
        "users": np.sum(users, axis=0),
        "authority": np.sum(treasury, axis=0),
    }


def floors_at_crisis_prices(accounts: Accounts) -> float:
    """What floors cost less because branch prices differ from the trunk's: claw-back, less top-ups  [million USD]."""
    return float(sum(h.share * (b.undisturbed - b.expected) for h in accounts.holders for b in h.bills))


def commitments(accounts: Accounts) -> dict[str, float]:
    """Fees, capital, the charge for downside moved from owners, floors, border charges, terminal terms, lambda*CVaR and soft
    penalties."""
    n, x = accounts.problem.natural, accounts.solution
    beta, plan = n.calendar.beta[:-1], n.plan
    parts = dict.fromkeys(
        (
            "users_border_surcharge",
            "authority_border_revenue",
            "contract_fees",
            "offtake_fees",
            "capital_support",
            "risk_transfer",
            "floor_cost",
            "terminal_liability",
            "residual_credit",
            "cvar",
            "soft_penalties",
        ),
        0.0,
    )
    for k, contract in enumerate(accounts.problem.structure.contracts):
        j, start = contract.source, contract.start
        parts["contract_fees"] += n.contract_fee[j] * x.contract[k] * beta[start : start + n.contract_term[j]].sum()
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
    return {name: float(value) for name, value in parts.items()}
