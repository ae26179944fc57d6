"""Prices of a branch that are those of the trunk but for rounding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from strategic_minerals.matrix.problem import prepare
from strategic_minerals.model.values import SAME_PRICE, branch_values
from support.instances import random_case


def test_a_price_that_differs_by_rounding_is_the_same_price() -> None:
    """Proves: a scenario whose prices are the trunk's but for the last digits pays the trunk's prices, so that no entry of the
    matrix is next to nothing; a difference that can be told stands."""
    structure = prepare(*random_case(0)).structure
    trunk = structure.trunk
    for off, told in ((1e-12, False), (1e-3, True)):
        price = np.broadcast_to(trunk.price, structure.scenarios.price.shape) * (1 + off)
        gap = np.broadcast_to(trunk.market_gap, structure.scenarios.market_gap.shape)
        moved = replace(structure, scenarios=replace(structure.scenarios, price=price, market_gap=gap))
        asked = 0
        for sets, blocks in zip(moved.component_sets, moved.block_index, strict=True):
            values = branch_values(moved, sets, blocks)
            apart = np.abs(values["buy_price"] - values["planned_price"])
            assert (apart >= SAME_PRICE).any() == (told and apart.size > 0)
            assert not ((apart > 0) & (apart < SAME_PRICE)).any()
            asked += apart.size
        assert asked > 0
