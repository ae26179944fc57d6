"""Stocks of the reserve and of users compared with a year's use."""

from __future__ import annotations

from collections.abc import Iterator

from .compare import Comparison, Evidence
from .figures import Facts

STOCKS = (("stock", "opening_t", 2e-4, 50.0), ("users_stock", "level_t", 0.002, 5.0))
"""Table, column, and the least and most years of use that its figure is believed at."""


def stock_evidence(facts: Facts) -> Iterator[Evidence]:
    """A stock compared with a year's use of its material."""
    for table, column, low, high in STOCKS:
        for row in facts.data.rows(table):
            if facts.counts(row.material) and getattr(row, column) and (need := facts.wanted(row.material)):
                label = f"a year's use of {row.material} ({facts.total(need):,.4g} t)"
                yield Comparison(label, ((1.0, (facts.figure(table, row, column),)),), need, low, high)
