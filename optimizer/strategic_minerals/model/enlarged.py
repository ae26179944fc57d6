"""A model with more rows or columns, the last, which belong to no template: what a caller asks for beside the plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from ..core.arrays import Bools, Floats, Ints
from .assembly import Assembly


def with_row(
    assembly: Assembly, columns: Ints, factors: Floats, lower: float, upper: float, *, money: bool = False
) -> Assembly:
    """The model with one more row. money: it counts million USD."""
    start, limits = np.array([0, len(columns)]), (np.array([lower]), np.array([upper]))
    return with_rows(assembly, start, columns, factors, *limits, money=np.array([money]))


def with_rows(
    assembly: Assembly,
    start: Ints,
    index: Ints,
    value: Floats,
    lower: Floats,
    upper: Floats,
    *,
    money: Bools | None = None,
) -> Assembly:
    """The model with more rows. start, index, value: their entries row by row, start[0] = 0. money: which of them count million
    USD; None: none."""
    none = np.full(len(lower), -1)
    counted = np.zeros(len(lower), dtype=bool) if money is None else money
    return replace(
        assembly,
        start=np.append(assembly.start, assembly.start[-1] + start[1:]),
        index=np.append(assembly.index, index),
        value=np.append(assembly.value, value),
        row_lower=np.append(assembly.row_lower, lower),
        row_upper=np.append(assembly.row_upper, upper),
        row_block=np.append(assembly.row_block, none),
        row_local=np.append(assembly.row_local, none),
        row_instance=np.append(assembly.row_instance, none),
        money=None if assembly.money is None else assembly.money.with_more(rows=counted),
    )


def with_columns(assembly: Assembly, entries: Sequence[Sequence[tuple[int, float]]], upper: Floats) -> Assembly:
    """The model with more columns, the last, from 0 to `upper` and without cost; entries: (row, factor) of each."""
    count, (rows, columns, _) = len(entries), assembly.shape
    at = [(row, k, factor) for k, column in enumerate(entries) for row, factor in column]
    more = (
        sp.csr_array(([f for _, _, f in at], ([r for r, _, _ in at], [k for _, k, _ in at])), shape=(rows, count))
        if at
        else sp.csr_array((rows, count))
    )
    old = sp.csr_array((assembly.value, assembly.index, assembly.start), shape=(rows, columns), copy=True)
    both = sp.hstack([old, more], format="csr")
    zeros = np.zeros(count)
    counted = assembly.row_unit != 1.0
    in_money = np.array([bool(column) and all(counted[row] for row, _ in column) for column in entries], dtype=bool)
    return replace(
        assembly,
        lower=np.append(assembly.lower, zeros),
        upper=np.append(assembly.upper, upper),
        integer=np.append(assembly.integer, np.zeros(count, dtype=bool)),
        costs={name: np.append(cost, zeros) for name, cost in assembly.costs.items()},
        start=both.indptr.astype(np.int64),
        index=both.indices.astype(np.int64),
        value=both.data,
        money=None if assembly.money is None else assembly.money.with_more(columns=in_money),
    )
