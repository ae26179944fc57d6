"""What an answer states of itself, worked out again from its decisions: the audit's own records of `figures.RECOMPUTED`.

Plain loops over the audit's own books (`accounts`, `scenario_data`) in tonnes and million USD; no table of the answer is read, and
no function that makes one. Two things are taken from the answer because no decision holds them: the bounds of the solver, for gaps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ..core.units import MUSD_PER_T
from ..instance.floor import Floor
from ..instance.instance import DEFENCE, Instance
from .accounts import (
    Accounts,
    commitments,
    cvar,
    due_from_before,
    embedded_losses,
    floors_at_crisis_prices,
    losses,
    operations,
    outlays,
    purchase_terms,
    social_cost,
)
from .figures import Figures
from .packages import SignedMarketFloor, SignedPackage
from .producers import begins, is_baseline
from .scenario_data import Prices
from .shortage import value_at_risk

SMALL_T = 1e-6
"""Tonnes below this are no action."""
CHOSEN = 1e-6
DAYS = 365.0

Records = dict[str, dict[str, Any]]


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
    v = value_at_risk(accounts.path_data)
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
    return {
        "remaining_loss_musd": remaining,
        "defence_short_t": defence,
        "undisturbed_probability": {"": sum(calm)},
    }


def _year(n: Instance, t: int) -> int:
    return int(n.calendar.years[int(n.calendar.year_index[t])])


def _purchases(accounts: Accounts) -> Records:
    """What is bought and held while nothing has happened, and bought in expectation."""
    n, x, planned = accounts.problem.natural, accounts.solution, accounts.problem.natural.calendar.planned
    tonnes: dict[str, float] = {}
    paid: dict[str, float] = {}
    years: dict[str, list[int]] = {}
    by_origin: dict[str, list[float]] = {}
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
                years.setdefault(name, []).append(_year(n, t))
                part = by_origin.setdefault(f"{name}: {origins[b]}", [0.0, 0.0])
                part[0] += amount
                part[1] += amount * float(price[t])
        expected[name] += float(accounts.path_data.scenarios.probability @ x.acquisition[1:, b, :planned].sum(axis=1))
    peaks, when, days, drift = {}, {}, {}, {}
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
            peaks[name], when[name] = float(stock[t]), _year(n, t)
            used = _used(accounts, i, t)
            if used > 0:
                days[name] = float(stock[t]) / (used / n.calendar.step / DAYS)
    return {
        "bought_t": tonnes,
        "bought_musd": paid,
        "bought_from_t": {item: tonnes for item, (tonnes, _) in by_origin.items()},
        "bought_from_musd": {item: money for item, (_, money) in by_origin.items()},
        "bought_first": {name: min(v) for name, v in years.items()},
        "bought_last": {name: max(v) for name, v in years.items()},
        "bought_expected_t": {name: value for name, value in expected.items() if value > SMALL_T},
        "peak_stock_t": peaks,
        "peak_stock_in": when,
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
            yield f"{signing.label}, {n.calendar.period_label(signing.signed)}", signing


def _signed(accounts: Accounts) -> Records:
    """Projects and what is signed for them."""
    n, records = accounts.problem.natural, dict[str, dict[str, Any]]()
    for name in ("signed_share", "signed_in", "signed_terms", "signed_output_in", "signed_cost_musd"):
        records[name] = {}
    supported = set()
    for label, signing in _supported(accounts):
        supported.add(signing.project)
        records["signed_share"][label] = signing.share
        records["signed_in"][label] = n.calendar.period_label(signing.signed)
        records["signed_terms"][label] = _terms(n, signing)
        records["signed_output_in"][label] = n.calendar.period_label(signing.signed + n.projects[signing.project].lead)
        records["signed_cost_musd"][label] = signing.share * (signing.scored + float(signing.fees.sum()))
    records["unsupported_count"] = {"": float(len(n.projects) - len(supported))}
    records["projects_count"] = {"": float(len(n.projects))}
    return records


def _terms(n: Instance, signing: SignedPackage) -> str:
    """What a signature holds, in words."""
    package, project = signing.package, n.projects[signing.project]
    if package.name == "none" and is_baseline(n, project):
        return "committed before this plan" if project.committed else "expected to be built without support (baseline)"
    said = "no capital support" if package.instrument.name == "none" else package.instrument.name
    if package.offtake:
        said += f", offtake right on {package.offtake:.0%} in a crisis"
    if package.floor is not None:
        said += f", floor {package.floor.level / MUSD_PER_T:g} USD/kg {n.materials[package.floor.material]}"
    return said


def _floors(accounts: Accounts) -> Records:
    """Price floors, market-wide and in packages."""
    n = accounts.problem.natural
    rows: list[tuple[str, Floor, int, SignedPackage | SignedMarketFloor]] = []
    for market in accounts.markets:
        if market.share > CHOSEN:
            rows.append((market.market.name, market.market.floor, 0, market))
    for _, signing in _supported(accounts):
        if signing.own is not None and signing.bills:
            start = begins(signing.own, signing.signed + n.projects[signing.project].lead)
            rows.append((f"{n.projects[signing.project].name}: {signing.package.name}", signing.own, start, signing))
    records: Records = {
        name: {} for name in ("floor_level", "floor_term_yr", "floor_from", "floor_cost_musd", "floor_later_musd")
    }
    for label, floor, start, holder in rows:
        since = n.calendar.period_label(start)
        within = holder.share * sum(bill.expected for bill in holder.bills)
        later = holder.share * sum(bill.terminal for bill in holder.bills)
        told = (floor.level / MUSD_PER_T, floor.term * n.calendar.step, since, within, later)
        for figure, value in zip(records, told, strict=True):
            records[figure][f"{label}, {since}"] = value
    return records


def _contracts(accounts: Accounts) -> Records:
    n, tonnes, terms, fees = accounts.problem.natural, dict[str, float](), dict[str, float](), dict[str, float]()
    for k, contract in enumerate(accounts.problem.structure.contracts):
        amount = float(accounts.solution.contract[k])
        if amount > SMALL_T:
            j, last = contract.source, min(n.calendar.periods, contract.start + int(n.contract_term[contract.source]))
            name = f"{n.producers[j]} ({n.country[j]}), {n.calendar.period_label(contract.start)}"
            tonnes[name], terms[name] = amount / n.calendar.step, (last - contract.start) * n.calendar.step
            fees[name] = amount * float(n.contract_fee[j]) * (last - contract.start)
    return {"contract_t_per_yr": tonnes, "contract_term_yr": terms, "contract_fees_musd": fees}


def _money(accounts: Accounts) -> Records:
    """Outlays of the planned years by line and by year, and what stands beside them."""
    n, x, T = accounts.problem.natural, accounts.solution, accounts.problem.natural.calendar.periods
    lines = {
        name: np.zeros(T)
        for name in ("purchases", "holding", "contract_fees", "offtake_fees", "capital_support", "floor_top_ups")
    }
    sales, liability, (due, liable) = np.zeros(T), np.zeros(T), due_from_before(n)
    trunk = accounts.path_data.price, accounts.path_data.gap
    for b, purchase in enumerate(purchase_terms(accounts)):
        lines["purchases"] += x.acquisition[0, b] * purchase.paid(n, trunk)[0]
    for i in range(len(n.materials)):
        if not n.plan.budget.members_pay_holding:
            lines["holding"] += x.stock[0, i] * n.holding[i] * n.calendar.step
        sales += x.disposal[0, i] * trunk[0][0, i] * (1 - n.haircut[i])
    for k, contract in enumerate(accounts.problem.structure.contracts):
        last = contract.start + int(n.contract_term[contract.source])
        lines["contract_fees"][contract.start : last] += n.contract_fee[contract.source] * x.contract[k]
    for signing in accounts.signings:
        lines["offtake_fees"] += signing.share * signing.fees
        lines["capital_support"] += signing.share * signing.payments
    for holder in accounts.holders:
        for bill in holder.bills:
            lines["floor_top_ups"] += holder.share * bill.budget
            liability += holder.share * bill.liability
    planned = n.calendar.planned
    by_year, owed, given = dict[str, float](), dict[str, float](), dict[str, float]()
    for f, year in enumerate(n.calendar.planned_years):
        mine = n.calendar.year_index == f
        by_year[str(year)] = float(sum(series[mine].sum() for series in lines.values())) + due[f]
        owed[str(year)], given[str(year)] = float(liability[mine].sum()) + liable[f], float(n.appropriation[f])
    return {
        "outlay_musd": {
            **{name: float(series[:planned].sum()) for name, series in lines.items()},
            "signed_before": sum(due[: len(n.calendar.planned_years)]),
        },
        "outlay_by_year_musd": by_year,
        "appropriation_by_year_musd": given,
        "liability_by_year_musd": owed,
        "sales_musd": {"": float(sales[:planned].sum())},
    }


def _value(accounts: Accounts, without: Accounts) -> Records:
    """Where the worth comes from: what is avoided, and at undisturbed prices who gains."""

    def spared(prices: Prices) -> dict[str, float]:
        after, before = operations(accounts, prices), operations(without, prices)
        return {name: float((before[name] - after[name]).sum()) for name in before}

    own = spared(accounts.path_data.counted)
    undisturbed = spared(accounts.path_data.undisturbed)
    after, before = commitments(accounts), commitments(without)
    signed = {name: before[name] - after[name] for name in before}
    clawed = floors_at_crisis_prices(accounts)
    short = ("loss", "users_substitution")
    users = sum(v for name, v in undisturbed.items() if name.startswith("users_") and name not in short)
    authority = sum(v for name, v in undisturbed.items() if not name.startswith("users_") and name not in short)
    apart = signed["soft_penalties"] + signed["cvar"] + signed["users_border_surcharge"]
    return {
        "shortage_avoided_musd": {"": sum(undisturbed[name] for name in short)},
        "price_gain_musd": {"": sum(own.values()) - sum(undisturbed.values()) + clawed},
        "users_musd": {"": users + signed["users_border_surcharge"]},
        "authority_musd": {"": authority + sum(signed.values()) - apart - clawed},
        "risk_charge_musd": {"": signed["cvar"]},
    }


def differences(stated: Figures, found: Records) -> Iterable[tuple[str, Any, Any]]:
    """(record, by how much what is stated is off, its size) of every record; infinite where texts differ. A number that one side
    leaves out is 0."""
    for name, items in found.items():
        said = stated.items(name)
        for item in {**items, **said}:
            a, b = said.get(item, 0.0), items.get(item, 0.0)
            label = f"{name}, {item}" if item else name
            if isinstance(a, str) or isinstance(b, str):
                yield label, 0.0 if a == b else np.inf, 0.0
            else:
                yield label, abs(float(a) - float(b)), abs(float(b))
