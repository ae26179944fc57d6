"""Rules of budgets and risk, checked by loops over natural data."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .accounts import already_owed, cvar, due_from_before, losses, outlays, purchase_terms
from .operations import AuditContext, Row, Rule
from .producers import worst_state


def branch_purchases(k: AuditContext) -> Iterable[Row]:
    """Branch purchases at branch prices <= the trunk's planned ones + extra  [million USD], per component and year."""
    paid = np.zeros_like(k.path_data.weight)
    for b, bought in enumerate(purchase_terms(k.accounts)):
        if k.purchases[b].offer >= 0:
            prices = k.path_data.price, k.path_data.gap
            paid[:, k.n.component[bought.material]] += bought.paid(k.n, prices) * k.x.acquisition[:, b]
    later = k.path_data.branch[1:]
    for f in range(len(k.n.calendar.years)):
        spent, planned = ((later * money)[:, :, k.year(f)].sum(axis=2) for money in (paid[1:], paid[:1]))
        over = spent - planned - k.x.shared_money[:, :, f]
        for c, name in enumerate(k.n.components):
            yield f"{name} FY{k.n.calendar.years[f]}", over[:, c].max(initial=0.0), planned[:, c].max(initial=0.0)


def calm_purchases(k: AuditContext) -> Iterable[Row]:
    """Where branches may spend what is unspent: their purchases of what is not tight <= the trunk's planned + emergency."""
    if k.n.plan.budget.branch_money != "appropriated":
        return
    most = k.n.by_year(k.n.plan.budget.emergency_musd)
    for c, name in enumerate(k.n.components):
        calm, planned = np.zeros_like(k.path_data.price[:, 0]), np.zeros_like(k.path_data.price[0, 0])
        for b, bought in enumerate(purchase_terms(k.accounts)):
            i = bought.material
            if k.purchases[b].offer >= 0 and k.n.component[i] == c:
                paid = bought.paid(k.n, (k.path_data.price, k.path_data.gap)) * k.x.acquisition[:, b]
                flooded = k.path_data.price[:, i] < k.n.price[i] * (1 - 1e-9)
                calm, planned = calm + paid * (~k.path_data.tight[:, i] | flooded), planned + paid[0]
        later = k.path_data.branch[1:, c]
        for f, year in enumerate(k.n.calendar.years):
            inside = k.year(f)
            over = (later * calm[1:])[:, inside].sum(axis=1) - (later * planned)[:, inside].sum(axis=1) - most[f]
            yield f"{name} FY{year}", over.max(initial=0.0), planned[inside].sum()


def shared_money(k: AuditContext) -> Iterable[Row]:
    """sum_c extra[c,f,s] <= emergency[f] + unspent[f]; unspent = 0 unless the plan leaves it to branches  [million USD]."""
    most = k.n.by_year(k.n.plan.budget.emergency_musd)
    if k.n.plan.budget.branch_money == "appropriated":
        most = most + k.x.unspent
    for s, name in enumerate(k.path_data.scenarios.names):
        yield name, k.x.shared_money[s].sum(axis=0) - most, most


def budget(k: AuditContext) -> Iterable[Row]:
    """trunk outlay[f] + due[f] + unspent[f] + carry[f] - carry[f-1] <= max(appropriation[f], owed[f])  [million USD].

    due: what was signed before the plan; owed: that, and what holding the opening stock costs if it stays, which no decision can
    save. Money kept from before the first year stands beside its appropriation.
    """
    spent, carried, owed, due = outlays(k.accounts), 0.0, already_owed(k.n), due_from_before(k.n)[0]
    money = k.n.appropriation.copy()
    money[0] += k.n.plan.budget.carried_in_musd
    for f, year in enumerate(k.n.calendar.years):
        outlay = float(spent[k.year(f)].sum()) + due[f]
        over = outlay + k.x.unspent[f] + k.x.carry[f] - carried - max(money[f], owed[f])
        yield f"FY{year}", over, max(abs(outlay), k.n.appropriation[f])
        carried = float(k.x.carry[f])


def total_budget(k: AuditContext) -> Iterable[Row]:
    """Outlays of the planned years, and what they leave to branches, <= total, or what is owed anyway  [million USD]."""
    total = k.n.plan.budget.total_musd
    if total is not None:
        total = max(total, sum(already_owed(k.n)[: len(k.n.calendar.planned_years)]))
        spent = sum(due_from_before(k.n)[0][: len(k.n.calendar.planned_years)])
        spent += (
            outlays(k.accounts)[: k.n.calendar.planned].sum() + k.x.unspent[: len(k.n.calendar.planned_years)].sum()
        )
        yield "planned years", float(spent) - total, total


def carry(k: AuditContext) -> Iterable[Row]:
    """carry[f] <= share * appropriation[f], last year 0  [million USD]."""
    most = k.n.plan.budget.carry_over_share * k.n.appropriation
    most[-1] = 0.0
    yield "carry-over", k.x.carry - most, most


def contingent_liability(k: AuditContext) -> Iterable[Row]:
    """Payments of all floors on trunk survival at w*, net of receipts, <= cap[f] less that of floors from before  [million USD]."""
    cap = k.n.plan.budget.liability_cap_musd
    if cap is None:
        return
    owed, most = np.zeros(k.n.calendar.periods), np.maximum(0.0, k.n.by_year(cap) - due_from_before(k.n)[1])
    for holder in k.accounts.holders:
        owed += holder.share * sum((bill.liability for bill in holder.bills), np.zeros_like(owed))
    label = f"at {worst_state(k.n):g} of the price"
    yield label, np.array([owed[k.year(f)].sum() for f in range(len(most))]) - most, most


def cvar_limit(k: AuditContext) -> Iterable[Row]:
    """min_eta eta + E[max(0, loss - eta)]/(1-alpha) <= limit  [million USD]."""
    risk = k.n.plan.risk
    if risk.cvar_limit_musd is not None:
        tail = cvar(losses(k.accounts), k.path_data.scenarios.probability, risk.alpha)
        yield f"alpha {risk.alpha:g}", tail - risk.cvar_limit_musd, max(tail, risk.cvar_limit_musd)


def expected_loss_limit(k: AuditContext) -> Iterable[Row]:
    """sum_s pi[s] loss[s] <= limit  [million USD]."""
    limit = k.n.plan.risk.expected_loss_limit_musd
    if limit is not None:
        expected = float(k.path_data.scenarios.probability @ losses(k.accounts))
        yield "all scenarios", expected - limit, limit


MONEY: tuple[Rule, ...] = (
    branch_purchases,
    calm_purchases,
    shared_money,
    budget,
    total_budget,
    contingent_liability,
    cvar_limit,
    expected_loss_limit,
    carry,
)
"""In million USD."""
