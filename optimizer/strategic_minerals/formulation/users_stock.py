"""Stock that users hold themselves: what they pull in a shortage and what they refill after it.

Only branches move it, and the trunk where an event has begun before the plan or something is missing at its start: else it stands
at its level L. The block holds what is missing from the level, missing = L - level,
so that a full stock is 0 everywhere and costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyomo.environ as pyo

from .structure import ComponentSets, Structure

PARAMS: dict[str, str] = {
    "users_opening": "missing from the level before the first period [unit]",
    "users_pull_limit": "L where users may pull: in a branch while the material is tight, else 0 [unit]",
    "users_refill_limit": "L where users may refill: in a branch while the material is not tight, else 0 [unit]",
    "users_missing_limit": "L in a branch, 0 on a trunk where the stock is full [unit]",
    "users_missing_cost": "cost of a unit missing for the period; in the last one with what replaces it [million USD/unit]",
}
"""Mutable Params of a period block, by stock of users."""


def add_variables(b: pyo.Block, sets: ComponentSets) -> None:
    """Flows of the period and what is missing at its end [unit], all >= 0; none where users hold nothing."""
    users = list(sets.users)
    if not users:
        return
    b.users_pull = pyo.Var(users, bounds=lambda b, k: (0, b.users_pull_limit[k]), doc="drawn from users' own stock")
    b.users_refill = pyo.Var(users, bounds=lambda b, k: (0, b.users_refill_limit[k]), doc="put into users' own stock")
    b.users_missing = pyo.Var(
        users, bounds=lambda b, k: (0, b.users_missing_limit[k]), doc="missing from users' own stock at the end"
    )


def add_users_stock_balance(b: pyo.Block, sets: ComponentSets, previous: Mapping[int, Any]) -> None:
    """What is pulled is missing until it is refilled.

    missing[k,t] = missing[k,t-1] + pull[k,t] - refill[k,t]                            [unit]  for each stock of users
    before the first period: what is missing when the plan starts
    """
    if not sets.users:
        return

    def balance(b: Any, k: int) -> Any:
        before = previous[k] if k in previous else 0
        return b.users_missing[k] - before - b.users_pull[k] + b.users_refill[k] == b.users_opening[k]

    b.users_stock_balance = pyo.Constraint(list(sets.users), rule=balance)


def add_plant_pull(b: pyo.Block, structure: Structure, sets: ComponentSets) -> None:
    """Plants pull no more of an input than they use: their stock serves nobody else.

    pull[k] <= sum_j max(-y[j,i],0) use[j]                                             [unit]  for each stock held by plants
    """
    y, users = structure.instance.yields, structure.instance.users
    plants = [k for k in sets.users if users[k][1] < 0]
    if not plants:
        return

    def used(b: Any, k: int) -> Any:
        i = users[k][0]
        run = [-y[j, i] * b.output[j] for j in b.output if y[j, i] < 0]
        held = [-y[j, i] * b.reserve_output[j] for j in b.reserve_output if y[j, i] < 0]
        return b.users_pull[k] - sum(run) - sum(held) <= 0

    b.plant_pull = pyo.Constraint(plants, rule=used)
