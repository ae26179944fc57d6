"""Templates instantiated into one matrix: the whole model as arrays.

Stamping is one sparse product for all periods and scenarios of a template, taken some instances at a time so that what is in
between needs little memory; columns are counted in 32 bits, as the solver counts them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ..core.arrays import INF, Bools, Floats, Ints
from ..core.errors import FormulationError
from ..formulation.catalogue import COMPONENTS
from .matrix_parts import ColumnArrays, Costs, GrowingArray, Money, RowName
from .template import Template

SMALLEST_ENTRY = 1e-7
"""Smallest matrix entry allowed: HiGHS drops 1e-9 silently."""

ROWS_AT_ONCE = 2_000_000
"""Matrix entries that are worked on at once: what is in between takes room of its own."""


BlockKind = Literal["commitments", "period", "branch", "scenario"]
"""Blocks of the formulation, as the catalogue names them."""


@dataclass(frozen=True)
class PlacedBlock:
    """A template put down n times: where its columns and rows stand in the whole matrix."""

    template: Template
    kind: BlockKind
    component: int
    """Of which component it is; -1 for commitments and scenarios, which are of all."""
    count: int
    xi: Floats
    externals: Ints
    """(n, externals) column of each external, -1 where it does not exist."""
    weights: Mapping[str, Floats]
    """(n,) factor of each named cost."""
    first_column: int = 0

    @property
    def width(self) -> int:
        """Own columns of one instance."""
        return len(self.template.columns)

    @property
    def own(self) -> slice:
        """All its columns in the whole matrix, instance by instance."""
        return slice(self.first_column, self.first_column + self.width * self.count)

    def columns(self, variable: str, key: Any) -> Ints:
        """(n,) columns of a variable over the instances."""
        return self.first_column + self.template.columns.index((variable, key)) + self.width * np.arange(self.count)


COUNTS_MONEY = {(c.kind, c.name) for c in COMPONENTS if c.unit == "million USD"}
"""(kind, name) of variables and constraints in money."""


@dataclass
class Assembly:
    """The whole model as arrays, ready for the solver."""

    lower: Floats
    upper: Floats
    integer: Bools
    costs: Mapping[str, Floats]
    row_lower: Floats
    row_upper: Floats
    start: Ints
    index: Ints
    value: Floats
    blocks: tuple[PlacedBlock, ...]
    row_block: Ints
    """(rows,) which of the blocks a row is of."""
    row_local: Ints
    """(rows,) which row of the template."""
    row_instance: Ints
    """(rows,) which instance of the block."""
    money: Money | None = None
    """What the solver counts money in; None: million USD."""

    @property
    def row_unit(self) -> Floats:
        """(rows,) what a row's own unit is worth in the solver's: tolerances hold there."""
        return np.ones(len(self.row_lower)) if self.money is None else np.where(self.money.rows, self.money.unit, 1.0)

    @property
    def column_unit(self) -> Floats:
        """(columns,) the same of columns."""
        return np.ones(len(self.lower)) if self.money is None else np.where(self.money.columns, self.money.unit, 1.0)

    @property
    def money_unit(self) -> float:
        """Million USD that the solver counts as one."""
        return 1.0 if self.money is None else self.money.unit

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns, nonzeros."""
        return len(self.row_lower), len(self.lower), len(self.index)

    def without_matrix(self) -> Assembly:
        """The blocks alone: where every column stands, and nothing of rows and values."""
        no_values, none = np.zeros(0), np.zeros(0, dtype=np.int64)
        return Assembly(
            no_values,
            no_values,
            np.zeros(0, dtype=bool),
            {},
            no_values,
            no_values,
            none,
            none,
            no_values,
            self.blocks,
            none,
            none,
            none,
        )

    def rows_of(self, family: str) -> Ints:
        """Rows of a constraint family, in order."""
        found = []
        for k, part in enumerate(self.blocks):
            local = [r for r, (name, _) in enumerate(part.template.rows) if name == family]
            if local:
                found.append(np.flatnonzero((self.row_block == k) & np.isin(self.row_local, local)))
        return np.sort(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)

    @property
    def commitments(self) -> PlacedBlock:
        """The block of what is decided once."""
        return self.blocks[0]

    @property
    def operations(self) -> tuple[PlacedBlock, ...]:
        """The block of periods of each component, in order."""
        return tuple(block for block in self.blocks if block.kind == "period")

    @property
    def branches(self) -> Mapping[int, PlacedBlock]:
        """The block of whole branches of each component that has one."""
        return {block.component: block for block in self.blocks if block.kind == "branch"}

    @property
    def scenarios(self) -> PlacedBlock | None:
        """The block of what scenarios add up to, where the model has one."""
        return next((block for block in self.blocks if block.kind == "scenario"), None)

    def row_name(self, row: int) -> RowName:
        """What a row is."""
        block = self.blocks[self.row_block[row]]
        family, key = block.template.rows[self.row_local[row]]
        return RowName(family, key, block.component, int(self.row_instance[row]))

    def column_name(self, column: int) -> tuple[str, Any]:
        """(variable, index) of a column."""
        part = next(p for p in reversed(self.blocks) if p.first_column <= column)
        name, key = part.template.columns[(column - part.first_column) % part.width]
        return str(name), key


class TinyEntryError(FormulationError):
    """An entry of the matrix that the solver would take for zero."""

    def __init__(self, constraint: str, key: Any, variable: str, of: Any, value: float, count: int) -> None:
        """constraint[key] has `value` of variable[of]. count: of such entries."""
        self.constraint, self.key, self.variable, self.of = constraint, key, variable, of
        self.value, self.count = value, count
        where = f"{constraint}[{key}] holds {value:g} {variable}[{of}]"
        more = f" and {count - 1} more" if count > 1 else ""
        super().__init__(f"{where}{more}: the solver drops what is below {SMALLEST_ENTRY:g}")


def assemble(parts: Sequence[PlacedBlock], money_unit: float = 1.0) -> Assembly:
    """Put all instances into one matrix: columns part by part, instance by instance; empty rows that hold are left out.

    The parts are kept without the data that they were instantiated from. money_unit: in which the solver counts money [million
    USD]. Raises TinyEntryError for an entry that the solver would drop, FormulationError for what is not a finite number.
    """
    total = parts[-1].first_column + parts[-1].width * parts[-1].count if parts else 0
    names = sorted({name for part in parts for name in part.template.costs})
    columns = ColumnArrays(
        np.zeros(total), np.zeros(total), np.zeros(total, dtype=bool), {name: np.zeros(total) for name in names}
    )
    rows = _Rows.room_for(parts)
    for k, part in enumerate(parts):
        most = max(1, ROWS_AT_ONCE // max(1, len(part.template.index)))
        for first in range(0, part.count, most):
            _instantiate_block(k, part, slice(first, min(part.count, first + most)), columns, rows)
    for name, cost in columns.costs.items():
        if not np.isfinite(cost).all():
            raise FormulationError(f"{name} holds a value that is not a finite number")
    row_lower, row_upper = rows.lower.all, rows.upper.all
    for low, high in ((columns.lower, columns.upper), (row_lower, row_upper)):
        if np.isnan(low).any() or np.isnan(high).any() or (low == INF).any() or (high == -INF).any():
            raise FormulationError("a bound or a right-hand side is not a number, or is infinite on its wrong side")
    value = rows.value.all
    if not np.isfinite(value).all():
        raise FormulationError("the matrix holds a value that is not a finite number")
    start = np.zeros(len(row_lower) + 1, dtype=np.int64)
    np.cumsum(rows.length.all, out=start[1:])
    no_data, nowhere = np.zeros((0, 0)), np.zeros((0, 0), dtype=np.int64)
    bare = tuple(replace(p, xi=no_data, externals=nowhere) for p in parts)
    assembly = Assembly(
        columns.lower,
        columns.upper,
        columns.integer,
        Costs(columns.costs),
        row_lower,
        row_upper,
        start,
        rows.index.all,
        value,
        bare,
        rows.part.all,
        rows.local.all,
        rows.instance.all,
        _money(bare, rows, total, money_unit),
    )
    _refuse_tiny(assembly)
    return assembly


def _money(parts: Sequence[PlacedBlock], rows: _Rows, columns: int, unit: float) -> Money | None:
    """Which rows and columns count money, by the declared table of the model; None in million USD."""
    if unit == 1.0:
        return None
    in_rows, in_columns = np.zeros(len(rows.part.all), dtype=bool), np.zeros(columns, dtype=bool)
    for k, part in enumerate(parts):
        of_rows = np.array([("constraint", name) in COUNTS_MONEY for name, _ in part.template.rows], dtype=bool)
        of_columns = np.array([("variable", name) in COUNTS_MONEY for name, _ in part.template.columns], dtype=bool)
        mine = np.flatnonzero(rows.part.all == k)
        in_rows[mine] = of_rows[rows.local.all[mine]]
        in_columns[part.first_column : part.first_column + part.width * part.count] = np.tile(of_columns, part.count)
    return Money(unit, in_rows, in_columns)


def _refuse_tiny(assembly: Assembly) -> None:
    """Raise TinyEntryError where the solver would drop an entry without a word."""
    value = np.abs(assembly.value)
    if assembly.money is not None:
        value = value * assembly.column_unit[assembly.index] / np.repeat(assembly.row_unit, np.diff(assembly.start))
    if not len(value) or value.min() >= SMALLEST_ENTRY:
        return
    entry = int(value.argmin())
    row = int(np.searchsorted(assembly.start, entry, side="right")) - 1
    constraint, key, _, _ = assembly.row_name(row)
    variable, of = assembly.column_name(int(assembly.index[entry]))
    count = int((value < SMALLEST_ENTRY).sum())
    raise TinyEntryError(constraint, key, variable, of, float(value[entry]), count)


@dataclass(frozen=True)
class _Rows:
    """Data of all rows, filled instance by instance."""

    length: GrowingArray
    index: GrowingArray
    value: GrowingArray
    lower: GrowingArray
    upper: GrowingArray
    part: GrowingArray
    local: GrowingArray
    instance: GrowingArray

    @classmethod
    def room_for(cls, parts: Sequence[PlacedBlock]) -> _Rows:
        """Nothing yet, and room for every row and entry of the parts."""
        rows = sum(len(part.template.rows) * part.count for part in parts)
        entries = sum(len(part.template.index) * part.count for part in parts)
        return cls(
            GrowingArray(rows, np.int32),
            GrowingArray(entries, np.int32),
            GrowingArray(entries, float),
            GrowingArray(rows, float),
            GrowingArray(rows, float),
            GrowingArray(rows, np.int16),
            GrowingArray(rows, np.int32),
            GrowingArray(rows, np.int32),
        )


def _coincide(externals: Ints) -> bool:
    """Whether two externals of one instance stand in the same column."""
    ordered = np.sort(externals, axis=1)
    return bool(((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any())


def _merge(template: Template, index: Ints, value: Floats) -> Floats:
    """Add up entries of one row that stand in the same column, so that terms which cancel leave nothing behind."""
    row = np.repeat(np.arange(len(template.rows)), np.diff(template.start))
    merged = value.copy()
    for n in range(len(index)):
        order = np.lexsort((index[n], row))
        same = (np.diff(row[order]) == 0) & (np.diff(index[n][order]) == 0)
        group = np.concatenate([[0], np.cumsum(~same)])
        total = np.bincount(group, value[n][order])
        size = np.bincount(group, np.abs(value[n][order]))
        total[np.abs(total) <= 1e-12 * size] = 0.0
        first = np.concatenate([[True], ~same])
        merged[n, order] = np.where(first, total[group], 0.0)
    return merged


def place(parts: Sequence[PlacedBlock]) -> list[PlacedBlock]:
    """Give every part its first column, in order."""
    placed, first = [], 0
    for part in parts:
        placed.append(replace(part, first_column=first))
        first += part.width * part.count
    return placed


def _instantiate_block(k: int, part: PlacedBlock, blocks: slice, into: ColumnArrays, rows: _Rows) -> None:
    """Put some instances of one part into the matrix."""
    template, xi, externals = part.template, part.xi[blocks], part.externals[blocks]
    n, m, width = len(xi), len(template.rows), part.width
    begin = part.first_column + width * blocks.start
    columns = slice(begin, begin + width * n)
    into.lower[columns] = template.lower.at(xi).ravel()
    into.upper[columns] = template.upper.at(xi).ravel()
    into.integer[columns] = np.tile(template.integer, n)
    own = begin + width * np.arange(n, dtype=np.int32)[:, None]

    def placed(index: Ints) -> Ints:
        """(n, entries) columns of template columns."""
        inside: Ints = own + np.minimum(index, width - 1 if width else 0).astype(np.int32)[None, :]
        outside = index >= width
        if outside.any():
            inside[:, outside] = externals[:, index[outside] - width]
        return inside

    for name, (where, coefficients) in template.costs.items():
        weight = part.weights.get(name)
        if weight is not None:
            into.costs[name][placed(where).ravel()] += (
                coefficients.at(xi) * weight[blocks, None]
            ).ravel()  # columns differ
    value = template.value.at(xi)
    index = placed(template.index)
    if externals.size and _coincide(externals):
        value = _merge(template, index, value)
    keep = (value != 0) & (index >= 0)
    lengths = np.zeros((n, m), dtype=np.int32)
    if m and len(template.index):
        running = np.concatenate([np.zeros((n, 1), dtype=np.int32), np.cumsum(keep, axis=1, dtype=np.int32)], axis=1)
        lengths = running[:, template.start[1:]] - running[:, template.start[:-1]]
    lower, upper = template.row_lower.at(xi), template.row_upper.at(xi)
    wanted = (lengths > 0) | ~((lower <= 0) & (upper >= 0))
    instance, local = np.nonzero(wanted)
    for kept, values in (
        (rows.length, lengths[wanted]),
        (rows.index, index[keep]),
        (rows.value, value[keep]),
        (rows.lower, lower[wanted]),
        (rows.upper, upper[wanted]),
        (rows.part, np.full(len(instance), k)),
        (rows.local, local),
        (rows.instance, blocks.start + instance),
    ):
        kept.add(values)
