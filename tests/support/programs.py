"""Small programs as arrays, as the package passes them to the solver, and other settings of its search."""

import importlib
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from strategic_minerals.matrix.assembly import Assembly, Money


def program(
    matrix: Any, row_lower: Any, row_upper: Any, *, lower: Any = 0.0, upper: Any = math.inf, integer: Any = False
) -> Assembly:
    """The arrays of a program; one figure stands for all rows or columns."""
    A = sp.csr_array(np.asarray(matrix, dtype=float))
    rows, columns = A.shape

    def wide(value: Any, count: int, kind: type = float) -> Any:
        return np.broadcast_to(np.asarray(value, dtype=kind), count).copy()

    none = np.zeros(rows, dtype=np.int64)
    bounds = wide(lower, columns), wide(upper, columns), wide(integer, columns, bool)
    limits = wide(row_lower, rows), wide(row_upper, rows)
    entries = A.indptr.astype(np.int64), A.indices.astype(np.int64), A.data
    money = Money(1.0, none > 0, np.zeros(columns, dtype=bool))
    return Assembly(*bounds, {}, *limits, *entries, (), none, none, none, money)


def market_split(*, slack: bool) -> tuple[Assembly, np.ndarray]:
    """4 rows of 40 binaries, sum a x = half the sum of a: hard to meet, and never met within seconds. With `slack` a
    missed unit costs one, so that a poor answer is found at once."""
    rng = np.random.default_rng(5)
    a = rng.integers(0, 100, (4, 40)).astype(float)
    half = np.floor(a.sum(axis=1) / 2)
    A = np.hstack([a, np.eye(4), -np.eye(4)]) if slack else a
    n = A.shape[1]
    upper = np.r_[np.ones(40), np.full(n - 40, math.inf)]
    cost = np.r_[np.zeros(40), np.ones(n - 40)]
    return program(A, half, half, upper=upper, integer=np.arange(n) < 40), cost


def set_search(monkeypatch: pytest.MonkeyPatch, module: str, **changes: Any) -> None:
    """Let one module of `decomposition` see other `SearchSettings`; changes of one test add up."""
    of = importlib.import_module(f"strategic_minerals.solver.lshaped.{module}")
    monkeypatch.setattr(of, "SETTINGS", replace(of.SETTINGS, **changes))


def crowd(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model counts as too large for solvers to stay in memory."""
    set_search(monkeypatch, "subproblems", loaded_columns=0, most_scenarios_per_cluster=1, least_groups=3)
