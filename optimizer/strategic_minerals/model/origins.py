"""Which figure of a table an entry of the matrix comes from: so that a planner is told of a cell, not of a row of the solver's."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import Fault
from ..data.dataset import Dataset
from ..formulation.structure import Structure
from ..schemas.base import key_of
from .assembly import SMALLEST_ENTRY, TinyEntryError

SMALL_SHARE = 1e-3
"""A share below it is likelier to be the small figure than a capacity beside it."""
PRICED = ("budget", "total_budget", "branch_purchases", "calm_purchases")
"""Constraint families in which what is bought stands at its price."""


def tiny_entry(structure: Structure, data: Dataset, entry: TinyEntryError) -> Fault:
    """The figure behind an entry of the matrix that is too small for the solver, as a fault with file, row and column."""
    table, row, column = _figure(structure, data, entry)
    if table == "plan":
        return Fault(
            "plan",
            row,
            column,
            "a share next to nothing",
            "0, or a share that the solver can tell from 0 (1e-6 or more)",
        )
    found = next((getattr(one, column, None) for one in data.rows(table) if key_of(one) == row), None)
    told = f"{found:g}" if isinstance(found, int | float) else "a figure"
    more = f", and {entry.count - 1} more like it" if entry.count > 1 else ""
    least = SMALLEST_ENTRY / abs(entry.value)
    expected = (
        f"0, or a figure nearer to what it stands beside, by a factor of {least:,.3g} at least: the solver takes {entry.value:.1e} "
        f"({entry.constraint.replace('_', ' ')}) for 0"
    )
    return data.placed(Fault(f"{table}.csv", row, column, f"{told}{more}", expected))


def _figure(structure: Structure, data: Dataset, entry: TinyEntryError) -> tuple[str, str, str]:
    """(table, key of the row, column)."""
    n, family, variable, of = structure.instance, entry.constraint, entry.variable, entry.of
    if variable in ("output", "reserve_output"):
        material = entry.key[1] if isinstance(entry.key, tuple) else entry.key
        if family == "diversification":
            rule = n.plan.diversification[entry.key]
            if rule.share < SMALL_SHARE:
                return "plan", "", f"diversification.{entry.key}.share"
            material = n.materials.index(n.plan.diversification[material].material)
        if family == "plant_pull":
            material = n.users[entry.key][0]
        if family in ("plant_pull", "material_balance", "surplus_limit", "reserve_production", "diversification"):
            return "yields", f"{n.producers[of]}/{n.materials[material]}", "yield_t_per_t"
    if variable == "acquisition":
        purchase = next(p for sets in structure.component_sets for p in sets.purchases if p.name == of)
        material = n.materials[purchase.material]
        if family in PRICED:
            return _price(data, n.plan.price_set, material)
        return "yields", f"{n.producers[purchase.source]}/{material}", "yield_t_per_t"
    if variable in ("stock", "disposal"):
        price = float(n.price[of].min()) / n.money_unit
        if family != "stock_balance" and price < SMALLEST_ENTRY:
            return _price(data, n.plan.price_set, n.materials[of])
        of_money = "holding_share_per_yr" if variable == "stock" else "haircut_share"
        return "materials", n.materials[of], "decay_share_per_yr" if family == "stock_balance" else of_money
    if variable in ("contract", "contract_signed"):
        producer = n.producers[structure.contracts[of].source]
        column = {"source_capacity": "kappa", "contract_least": "lot_t_per_yr"}.get(family, "fee_usd_per_kg")
        return (
            ("capacities", _key(data, "capacities", producer), "capacity_t_per_yr")
            if family == "contract_most"
            else ("activities", producer, column)
        )
    if variable in ("sign", "operating", "floor"):
        return _commitment(structure, data, entry)
    if variable in ("shortfall", "substitute"):
        q = (n.tiers if variable == "shortfall" else n.steps)[of][0]
        material, segment = n.demands[q]
        if variable == "shortfall":
            keys = (f"{n.plan.loss_function}/{material}/{segment}", f"{n.plan.loss_function}/{material}/*")
            known = {key_of(row) for row in data.rows("loss_functions")}
            return "loss_functions", next((key for key in keys if key in known), keys[0]), "loss_usd_per_t"
        return "substitution", f"{material}/{segment}/{n.steps[of][1]}", "cost_usd_per_kg"
    raise entry  # of no figure of a table: a fault of the formulation, not of the planner


def _commitment(structure: Structure, data: Dataset, entry: TinyEntryError) -> tuple[str, str, str]:
    """Of an entry of a signature, an output class or a market floor."""
    n, family, of = structure.instance, entry.constraint, entry.of
    if entry.variable == "floor":
        if family == "source_survival":
            return "capacities", _key(data, "capacities", n.producers[entry.key]), "capacity_t_per_yr"
        return _price(data, n.plan.price_set, n.materials[structure.support.markets[of].floor.floor.material])
    support = structure.support
    if entry.variable == "operating":
        output = support.classes[of]
        j, name = n.projects[output.project].producer, n.projects[output.project].name
        package = next(option.package for option in support.options if option.output_class == of)
        capacity = float(n.capacity[j, 0])
        if 0 < package.offtake < min(capacity, SMALL_SHARE):
            return "packages", package.row or package.name, "offtake_share"
        return "projects", name, "kappa" if 0 < n.kappa[j] < min(capacity, SMALL_SHARE) else "capacity_t_per_yr"
    option = support.options[of]
    name, package = n.projects[option.project].name, option.package
    floor = (
        0.0 if option.floor is None else float(np.abs(option.floor.budget).sum() + np.abs(option.floor.liability).sum())
    )
    paid = {"capex": float(option.payments.sum()), "fee": float(option.fees.sum()), "floor": floor}
    smallest = min((part for part in paid if paid[part] > 0), key=lambda part: paid[part], default="capex")
    if smallest == "fee":
        of_share = package.fee > 0 and package.offtake < SMALL_SHARE
        return "packages", package.row or package.name, "offtake_share" if of_share else "offtake_fee_usd_per_kg"
    if smallest == "floor" and package.floor is not None:
        return "packages", package.row or package.name, "floor_usd_per_kg"
    return "projects", name, "capex_musd"


def _price(data: Dataset, price_set: str, material: str) -> tuple[str, str, str]:
    return "prices", _key(data, "prices", f"{price_set}/{material}"), "price_usd_per_kg"


def _key(data: Dataset, table: str, begins: str) -> str:
    """The first row of a table whose key begins like this."""
    found: list[Any] = [
        key_of(row) for row in data.rows(table) if key_of(row) == begins or key_of(row).startswith(f"{begins}/")
    ]
    return found[0] if found else begins
