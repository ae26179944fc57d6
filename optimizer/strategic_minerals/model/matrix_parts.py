"""Parts of the whole matrix: cost vectors, what counts money, what a row is, arrays that grow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..core.arrays import Bools, Floats, Ints


class Costs(Mapping[str, Floats]):
    """Cost vectors over all columns by name, written out when asked for: most are zero nearly everywhere."""

    def __init__(self, dense: dict[str, Floats]) -> None:
        """dense: (columns,) by name; taken out as they are read."""
        self._size = max(map(len, dense.values()), default=0)
        self._held: dict[str, tuple[Ints, Floats]] = {}
        for name in list(dense):
            cost = dense.pop(name)
            used = np.flatnonzero(cost).astype(np.int32)
            self._held[name] = used, cost[used]

    def __getitem__(self, name: str) -> Floats:
        """(columns,) a new vector. Raises KeyError."""
        used, values = self._held[name]
        cost = np.zeros(self._size)
        cost[used] = values
        return cost

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)


@dataclass(frozen=True)
class Money:
    """Rows and columns that count money, and the unit in which the solver has them: tolerances of the solver are absolute, and a
    model in million USD may hold thousands or billions of them.
    """

    unit: float
    """[million USD]"""
    rows: Bools
    columns: Bools

    def of(self, rows: Ints, columns: Ints) -> Money:
        """Of some rows and columns."""
        return Money(self.unit, self.rows[rows], self.columns[columns])

    def with_more(self, rows: Bools | None = None, columns: Bools | None = None) -> Money:
        """With more rows and columns, the last; flags say which of them count money."""
        none = np.zeros(0, dtype=bool)
        more_rows, more_columns = none if rows is None else rows, none if columns is None else columns
        return Money(self.unit, np.append(self.rows, more_rows), np.append(self.columns, more_columns))


class RowName(NamedTuple):
    """What a row of the matrix is."""

    family: str
    """The constraint's name."""
    key: Any
    """Its index within the block."""
    component: int
    """-1 where it is of all."""
    instance: int
    """Which instance of the block, as `formulation.structure.BlockIndex` counts them."""


@dataclass(frozen=True)
class ColumnArrays:
    """Data of all columns, filled part by part."""

    lower: Floats
    upper: Floats
    integer: Bools
    costs: dict[str, Floats]


class GrowingArray:
    """An array that is filled from the front. Room that is never filled is never touched, and so takes no memory."""

    def __init__(self, most: int, dtype: Any) -> None:
        self._held, self._size = np.empty(most, dtype=dtype), 0

    def add(self, values: Any) -> None:
        """Append."""
        self._held[self._size : self._size + len(values)] = values
        self._size += len(values)

    @property
    def all(self) -> Any:
        """All values so far."""
        return self._held[: self._size]
