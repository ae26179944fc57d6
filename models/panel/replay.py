"""What a reserve gains that buys over some years and sells by a rule, on prices as they were."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
HOLDING = 0.02  # of the market value of what is carried into the next year; a stated assumption
HAIRCUT = 0.10  # of the price at any sale, and of what is left; a stated assumption


@dataclass(frozen=True)
class Sale:
    """When to sell: above each multiple of the mean cost of all that was bought, that share of what is held."""

    name: str
    steps: tuple[tuple[float, float], ...] = ()
    once: bool = False
    """Whether a step is taken once, not in each year."""


HOLD = Sale("hold")
SALES = (
    *(Sale(f"half above {k:g}", ((k, 0.5),)) for k in (1.5, 2.0, 3.0)),
    Sale("all above 2", ((2.0, 1.0),)),
    Sale("thirds above 1.5, 2, 3", ((1.5, 1 / 3), (2.0, 1 / 2), (3.0, 1.0)), once=True),
)
EVEN, FIRST, COVER = "even money", "first year", "equal tonnes"
"""How 1 is spent: a fifth a year; all in the first; the same tonnes each year, as a rule of days of cover does."""


WAYS = {
    f"{buying}, {sale.name}": (buying, sale)
    for buying, sale in [(EVEN, HOLD), (COVER, HOLD), (FIRST, HOLD), *product((EVEN, FIRST), SALES)]
}


def gain(prices: Floats, buying: str, sale: Sale, late: bool = False) -> float:
    """What one plan gains per unit of money spent, all real and undiscounted: sales and stock left, less haircut, holding and cost.

    A year sells first, then buys. late: it sells on the price of the year before. What is left is sold in the last year.
    """
    spend = {EVEN: np.full(len(prices), 1 / len(prices)), FIRST: np.eye(len(prices))[0], COVER: prices / prices.sum()}[
        buying
    ]
    stock = bought = cash = 0.0
    done: set[float] = set()
    for year, price in enumerate(prices):
        seen = prices[year - 1] if late else price
        mean_cost = spend[:year].sum() / bought if bought else np.inf
        for multiple, share in sale.steps:
            if seen > multiple * mean_cost and multiple not in done:
                cash += stock * share * price * (1 - HAIRCUT)
                stock *= 1 - share
                done |= {multiple} if sale.once else set()
        bought += spend[year] / price
        stock += spend[year] / price
        cash -= HOLDING * stock * price if year < len(prices) - 1 else 0.0
    return float(cash + stock * prices[-1] * (1 - HAIRCUT) - spend.sum())
