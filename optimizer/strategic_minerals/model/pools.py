"""What homes that plan together share: stock that may be moved from one to another, and sellers of whom several buy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo

from ..core.frames import Bools, Floats, Ints
from ..world.instance import seller_unit
from .sets import ComponentSets, Structure

POOL_PARAMS: dict[str, str] = {
    "move_limit": "most that is moved: no limit in a disruption, or before it where the stock is divided then, else 0 [unit]",
    "seller_depth": "most that a seller sells to all its offers together [unit]",
}
"""Mutable Params of a period block."""


def pool_param_keys(sets: ComponentSets) -> dict[str, list[Any]]:
    """Index of each of them."""
    return {"move_limit": [i for pool in sets.pools for i in pool], "seller_depth": [g for g, _ in sets.sellers]}


def pool_param_values(structure: Structure, sets: ComponentSets, on_trunk: Bools, t: Ints) -> dict[str, Floats]:
    """(n, keys) values of each. on_trunk, t: (n,) of each instance of the block."""
    instance, n = structure.instance, len(t)
    struck = structure.trunk.lasting[0] > 0
    moved = [
        np.where((on_trunk & ~struck[instance.chain[i], t]) != instance.pooled_in_events[i], np.inf, 0.0)
        for pool in sets.pools
        for i in pool
    ]
    sold = [instance.seller_depth[g, t] for g, _ in sets.sellers]
    return {
        "move_limit": np.stack(moved, axis=1) if moved else np.zeros((n, 0)),
        "seller_depth": np.stack(sold, axis=1) if sold else np.zeros((n, 0)),
    }


def add_pool_variables(b: pyo.Block, sets: ComponentSets) -> None:
    """Stock that a home gives up and stock that it gets, >= 0 [unit]."""
    pooled = [i for pool in sets.pools for i in pool]
    b.sent = pyo.Var(pooled, bounds=lambda b, i: (0, b.move_limit[i]), doc="stock moved to another home")
    b.received = pyo.Var(pooled, bounds=lambda b, i: (0, b.move_limit[i]), doc="stock moved from another home")


def add_pool_balance(b: pyo.Block, structure: Structure, sets: ComponentSets) -> None:
    """What one home's stock gives up another's receives.

    sum_{i in pool} unit[i] (sent[i] - received[i]) = 0                               [unit of the first]  for each pool
    """
    unit = structure.instance.material_unit
    b.pool_balance = pyo.Constraint(
        range(len(sets.pools)),
        rule=lambda b, k: (
            sum(float(unit[i] / unit[sets.pools[k][0]]) * (b.sent[i] - b.received[i]) for i in sets.pools[k]) == 0
        ),
    )


def add_seller_depth(b: pyo.Block, structure: Structure, sets: ComponentSets) -> None:
    """Offers of one seller share what it sells, offers of a material what a published ceiling allows.

    sum_{o of g} unit[i(o)] buy[o] <= depth[g]                                   [unit of the first]  for each shared seller g
    """
    material, unit = structure.material_of_purchase, structure.instance.material_unit
    offers = dict(sets.sellers)
    first = seller_unit(structure.instance, unit)
    b.seller_limit = pyo.Constraint(
        list(offers),
        rule=lambda b, g: (
            sum(float(unit[material[o]] / first[g]) * b.acquisition[o] for o in offers[g]) <= b.seller_depth[g]
        ),
    )
