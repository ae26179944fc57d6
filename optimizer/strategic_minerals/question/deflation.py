"""Money of different years brought to the money of the plan: one price index, one function."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any

from ..core.errors import Fault
from .base import key_of
from .dataset import Dataset
from .plan import Plan

DATED = ("prices", "activities", "projects", "packages", "substitution", "loss_functions", "commitments")
"""Tables whose rows say in which year's money they are stated."""

ENDINGS = ("usd_per_kg", "usd_per_t", "musd")
"""How the columns that hold money end, `_low` and `_high` left off."""


def restated(plan: Plan, data: Dataset) -> Dataset:
    """The same facts in real money of the plan's price year: value * index[price_year] / index[money_year].

    Rows without `money_year` are taken as they stand. Expects `unknown_years` to have found nothing.
    """
    index = {row.money_year: row.price_index for row in data.rows("deflators")}
    tables = dict(data.tables)
    for table in DATED:
        rows = data.rows(table)
        if any(_apart(row, plan) for row in rows):
            tables[table] = tuple(
                _times(row, index[plan.price_year] / index[row.money_year]) if _apart(row, plan) else row
                for row in rows
            )
    return Dataset(types.MappingProxyType(tables), data.name)


def restating(plan: Plan, data: Dataset, year: int) -> float:
    """Money of the plan's price year for one of a year's; 1 where the price index lacks either."""
    index = {row.money_year: row.price_index for row in data.rows("deflators")}
    return float(index[plan.price_year] / index[year]) if year in index and plan.price_year in index else 1.0


def unknown_years(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Money of another year than the plan's can be restated: the index has both years."""
    index = {row.money_year for row in data.rows("deflators")}
    years = f" ({min(index)} to {max(index)})" if index else ", which is empty"
    missing = set()
    for table in DATED:
        for row in data.rows(table):
            if _apart(row, plan):
                if plan.price_year not in index:
                    missing.add(("plan", "", "price_year", str(plan.price_year)))
                if row.money_year not in index:
                    missing.add((f"{table}.csv", key_of(row), "money_year", str(row.money_year)))
    for file, key, column, found in sorted(missing):
        yield Fault(file, key, column, found, f"a year of deflators.csv{years}")


def _apart(row: Any, plan: Plan) -> bool:
    return row.money_year is not None and row.money_year != plan.price_year


def _times(row: Any, factor: float) -> Any:
    """The row with every column of money multiplied."""
    columns = [c for c in type(row).model_fields if c.removesuffix("_low").removesuffix("_high").endswith(ENDINGS)]
    values = {c: getattr(row, c) for c in columns}
    return row.model_copy(update={c: v * factor for c, v in values.items() if v is not None})
