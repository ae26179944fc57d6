"""Which figure of a table an entry of the matrix comes from: so that a planner is told of a cell, not of a row of the solver's."""

from __future__ import annotations

from typing import Any

from .assembly import SMALLEST_ENTRY, TinyEntryError
from .dataset import Dataset
from .errors import Fault
from .layout import Layout
from .row_types import key_of

PRICED = ("budget", "total_budget", "branch_purchases", "calm_purchases")
LOSSES = ("trunk_loss_sum", "branch_loss")
"""Constraint families by the tables that their entries come from."""


def tiny_entry(layout: Layout, data: Dataset, entry: TinyEntryError) -> Fault:
    """The figure behind an entry of the matrix that is too small for the solver, as a fault with file, row and column."""
    table, row, column = _figure(layout, data, entry)
    found = next((getattr(one, column, None) for one in data.rows(table) if key_of(one) == row), None)
    told = f"{found:g}" if isinstance(found, int | float) else "a figure"
    more = f", and {entry.count - 1} more like it" if entry.count > 1 else ""
    least = SMALLEST_ENTRY / abs(entry.value)
    expected = (
        f"0, or a figure nearer to what it stands beside, by a factor of {least:,.3g} at least: the solver takes {entry.value:.1e} "
        f"({entry.constraint.replace('_', ' ')}) for 0"
    )
    return data.placed(Fault(f"{table}.csv", row, column, f"{told}{more}", expected))


def _figure(layout: Layout, data: Dataset, entry: TinyEntryError) -> tuple[str, str, str]:
    """(table, key of the row, column)."""
    n, family, variable, of = layout.instance, entry.constraint, entry.variable, entry.of
    if variable in ("run", "hold"):
        material = entry.key[1] if isinstance(entry.key, tuple) else entry.key
        if family == "supplier_share":
            material = n.materials.index(n.plan.diversification[material].material)
        if family in ("material_balance", "surplus_limit", "reserve_production", "supplier_share"):
            return "yields", f"{n.producers[of]}/{n.materials[material]}", "yield_t_per_t"
    if variable == "buy":
        purchase = next(p for shape in layout.shapes for p in shape.purchases if p.name == of)
        material = n.materials[purchase.material]
        if family in PRICED:
            return _price(data, n.plan.price_set, material)
        return "yields", f"{n.producers[purchase.source]}/{material}", "yield_t_per_t"
    if variable in ("stock", "sell"):
        price = float(n.price[of].min()) / n.money_unit
        if family != "stock_balance" and price < SMALLEST_ENTRY:
            return _price(data, n.plan.price_set, n.materials[of])
        of_money = "holding_share_per_yr" if variable == "stock" else "haircut_share"
        return "materials", n.materials[of], "decay_share_per_yr" if family == "stock_balance" else of_money
    if variable in ("contract", "contract_signed"):
        producer = n.producers[layout.contracts[of].source]
        column = {"source_capacity": "kappa", "contract_least": "lot_t_per_yr"}.get(family, "fee_usd_per_kg")
        return ("capacities", _key(data, "capacities", producer), "capacity_t_per_yr") if family == "contract_most" else (
            "activities", producer, column)  # fmt: skip
    if variable in ("sign", "operating", "floor"):
        return _commitment(layout, data, entry)
    if variable in ("shortfall", "substitute"):
        q = (n.tiers if variable == "shortfall" else n.steps)[of][0]
        material, segment = n.demands[q]
        if variable == "shortfall":
            keys = (f"{n.plan.loss_function}/{material}/{segment}", f"{n.plan.loss_function}/{material}/*")
            known = {key_of(row) for row in data.rows("loss_functions")}
            return "loss_functions", next((key for key in keys if key in known), keys[0]), "loss_usd_per_t"
        return "substitution", f"{material}/{segment}/{n.steps[of][1]}", "cost_usd_per_kg"
    return "materials", n.materials[0], "material"


def _commitment(layout: Layout, data: Dataset, entry: TinyEntryError) -> tuple[str, str, str]:
    """Of an entry of a signature, an output class or a market floor."""
    n, family, of = layout.instance, entry.constraint, entry.of
    if entry.variable == "floor":
        if family == "source_survival":
            return "capacities", _key(data, "capacities", n.producers[entry.key]), "capacity_t_per_yr"
        return _price(data, n.plan.price_set, n.materials[layout.support.markets[of].floor.floor.material])
    support = layout.support
    project = support.classes[of].project if entry.variable == "operating" else support.options[of].project
    column = "capacity_t_per_yr" if family in ("project_capacity", "floor_purchase") else "capex_musd"
    return "projects", n.projects[project].name, column


def _price(data: Dataset, price_set: str, material: str) -> tuple[str, str, str]:
    return "prices", _key(data, "prices", f"{price_set}/{material}"), "price_usd_per_kg"


def _key(data: Dataset, table: str, begins: str) -> str:
    """The first row of a table whose key begins like this."""
    found: list[Any] = [key_of(row) for row in data.rows(table) if key_of(row) == begins or key_of(row).startswith(f"{begins}/")]
    return found[0] if found else begins
