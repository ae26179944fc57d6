"""Between a model's own units and those in which the solver counts: money alone differs (`assembly.Money`).

A row in million USD becomes one in units of money, and so do columns and costs; prices turn back with both. Where the solver counts
million USD nothing is touched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.arrays import Floats, Ints
from ..model.assembly import Assembly


@dataclass
class SolverUnits:
    """Units of one loaded model. `rows` grows and shrinks with the model's own."""

    money: float
    """Million USD that the solver counts as one."""
    rows: Floats | None
    """(rows,) what a unit of the solver's is worth in a row's own; None: the same everywhere."""
    columns: Floats | None
    """(columns,) likewise."""

    @classmethod
    def of(cls, assembly: Assembly) -> SolverUnits:
        """Of a model that is being loaded."""
        if assembly.money is None:
            return cls(1.0, None, None)
        return cls(assembly.money.unit, assembly.row_unit, assembly.column_unit)

    def matrix(self, assembly: Assembly) -> Floats:
        """(entries,) of the matrix, as the solver has them."""
        if self.rows is None or self.columns is None:
            return assembly.value
        return assembly.value * self.columns[assembly.index] / np.repeat(self.rows, np.diff(assembly.start))

    def cost(self, cost: Floats) -> Floats:
        """(columns,) a cost in million USD, as the solver has it."""
        return cost if self.columns is None else cost * (self.columns / self.money)

    def of_columns(self, values: Floats, at: Ints | None = None) -> Floats:
        """Values or bounds of columns, all or some, as the solver has them."""
        if self.columns is None:
            return values
        return values / (self.columns if at is None else self.columns[at])

    def of_rows(self, values: Floats, at: Ints | None = None) -> Floats:
        """Bounds of rows, all or some, as the solver has them."""
        if self.rows is None:
            return values
        return values / (self.rows if at is None else self.rows[at])

    def added(
        self, lower: Floats, upper: Floats, index: Ints, factors: Floats, *, money: bool
    ) -> tuple[Floats, Floats, Floats]:
        """(lower, upper, factors) of rows that are appended now, as the solver has them. money: they count million USD."""
        if self.rows is None or self.columns is None:
            return lower, upper, factors
        unit = self.money if money else 1.0
        self.rows = np.append(self.rows, np.full(len(lower), unit))
        return lower / unit, upper / unit, factors * self.columns[index] / unit

    def removed(self, rows: Ints) -> None:
        """Some rows are gone; later ones moved up."""
        if self.rows is not None:
            self.rows = np.delete(self.rows, rows)

    def row_unit(self, row: int) -> float:
        """What a unit of the solver's is worth in a row's own."""
        return 1.0 if self.rows is None else float(self.rows[row])

    def point(self, x: Floats) -> Floats:
        """(columns,) values of columns, back from the solver."""
        return x if self.columns is None else x * self.columns

    def row_prices(self, prices: Floats) -> Floats:
        """(rows,) million USD by a row's own unit, back from the solver."""
        return prices if self.rows is None else prices * (self.money / self.rows)

    def column_prices(self, prices: Floats) -> Floats:
        """(columns,) likewise."""
        return prices if self.columns is None else prices * (self.money / self.columns)
