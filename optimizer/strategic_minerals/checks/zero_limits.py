"""Limits of 0 where an empty cell or a missing field means no limit: the planner may have meant no limit."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ..data.dataset import Dataset
from ..data.homes import members
from ..schemas.plan import Plan

ZERO = "limit of nothing"
"""Kind of the notes on them."""
LIMITS = {
    "storage_t": "the reserve can store none of it",
    "drawdown_t_per_yr": "the reserve can release none of it to users",
}
"""Limits on the reserve in `materials` that an empty cell does without -> what 0 means."""

Note = tuple[str, str, str]
"""Kind, item, text."""


def zero_limits(plan: Plan, data: Dataset, chosen: Collection[str]) -> Iterator[Note]:
    """Notes on limits of 0 that something asked for runs into. chosen: the planned materials."""
    yield from _reserve(plan, data, chosen)
    yield from _contracts(plan, data, chosen)
    yield from _money(plan)


def _reserve(plan: Plan, data: Dataset, chosen: Collection[str]) -> Iterator[Note]:
    """Materials that the reserve is offered or holds, and may not store or release."""
    wanted = _wanted(plan, data)
    for row in data.rows("materials"):
        if row.material not in chosen or row.material not in wanted:
            continue
        for column, meaning in LIMITS.items():
            if getattr(row, column) == 0:
                why = f"0: {meaning}, although {wanted[row.material]}; leave the cell empty for no limit"
                yield ZERO, row.material, f"materials.csv {row.material} {column}: {why}"


def _wanted(plan: Plan, data: Dataset) -> Mapping[str, str]:
    """Material -> why the reserve would have it, in words."""
    found: dict[str, str] = {}
    if plan.instruments.reserve:
        for menu in plan.instruments.price_floors:
            if menu.kind == "purchase":
                found[menu.material] = "a purchase floor of the plan lets the reserve buy it"
        for row in data.rows("packages"):
            offered = "*" in plan.instruments.packages or row.package in plan.instruments.packages
            if row.floor_kind == "purchase" and offered:
                found[row.floor_material or ""] = f"the purchase floor of package {row.package} lets the reserve buy it"
        for rule in plan.days_of_cover:
            if rule.days > 0:
                found[rule.material] = f"a rule requires {rule.days:g} days of cover"
        for row in data.rows("offers"):
            if row.depth_t_per_yr > 0:
                found[row.material] = f"the plan may buy it for the reserve (offers.csv {row.offer})"
    for row in data.rows("stock"):
        if row.opening_t > 0:
            found[row.material] = f"{row.opening_t:,g} t are in store at the start (stock.csv)"
    return found


def _contracts(plan: Plan, data: Dataset, chosen: Collection[str]) -> Iterator[Note]:
    """Smallest contracts of 0, where empty means that the source offers none."""
    made = {row.producer for row in data.rows("yields") if row.yield_t_per_t > 0 and row.material in chosen}
    for row in data.rows("activities") if plan.instruments.offtake_contracts else ():
        offers = row.term_yr is not None and row.kappa < 1 and row.country not in members(data, plan.home)
        if row.activity in made and row.lot_t_per_yr == 0 and offers:
            why = "0: the source offers offtake contracts of any size; leave the cell empty if it offers none"
            yield ZERO, row.activity, f"activities.csv {row.activity} lot_t_per_yr: {why}"


def _money(plan: Plan) -> Iterator[Note]:
    """Limits of money in the plan that leave no money at all."""
    budget = plan.budget
    if budget.total_musd == 0 and _some(budget.appropriation_musd):
        why = "0: nothing may be spent in all years together, whatever is appropriated; leave it out for no limit"
        yield ZERO, "budget.total_musd", f"plan budget.total_musd: {why}"
    cap = budget.liability_cap_musd
    if cap is not None and not _some(cap) and plan.instruments.price_floors:
        why = "0: floors may never cost anything, although the plan offers floors; leave it out for no limit"
        yield ZERO, "budget.liability_cap_musd", f"plan budget.liability_cap_musd: {why}"


def _some(amount: Any) -> bool:
    """Whether an amount, or one of any year, is more than nothing."""
    return any(amount.values()) if isinstance(amount, Mapping) else amount > 0
