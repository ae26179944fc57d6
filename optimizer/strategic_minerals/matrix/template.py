"""Pyomo blocks -> sparse templates, symbolic in their mutable Params.

A template holds every cost, bound, right-hand side and coefficient of a block as `a + B*xi`, xi being the values of its
mutable Params; Python objects are made once per template, and `assembly` instances it for all periods and scenarios. Variables of
other blocks that a template refers to are *externals*; stamping maps them to columns."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo
import scipy.sparse as sp
from pyomo.common.numeric_types import native_numeric_types
from pyomo.core.expr import numeric_expr
from pyomo.repn.parameterized import _FIXED, ParameterizedBeforeChildDispatcher, ParameterizedLinearRepnVisitor
from pyomo.repn.util import ExprType, VarRecorder

from ..core.errors import FormulationError
from ..core.frames import INF, Bools, Floats, Ints
from ..core.runner import checkpoint

PYOMO_LOCK, WAIT_S = threading.RLock(), 0.2
"""Pyomo is not safe in threads: everything that builds or walks Pyomo objects holds this lock."""


@contextmanager
def pyomo_alone() -> Iterator[None]:
    """Hold the lock. While another thread has it, a limit of the current call ends the wait with StoppedError."""
    while not PYOMO_LOCK.acquire(timeout=WAIT_S):
        checkpoint()
    try:
        yield
    finally:
        PYOMO_LOCK.release()


class _KeepParams(ParameterizedBeforeChildDispatcher):  # type: ignore[misc]
    """Leaves mutable Params in the coefficients as symbols instead of their values."""

    @staticmethod
    def _before_param(visitor: Any, child: Any) -> tuple[bool, tuple[Any, Any]]:
        return False, ((_FIXED, child) if id(child) in visitor.xi else (ExprType.CONSTANT, child.value))

    @staticmethod
    def _before_npv(visitor: Any, child: Any) -> tuple[bool, tuple[Any, Any]]:
        return False, (_FIXED, child)


class _Visitor(ParameterizedLinearRepnVisitor):  # type: ignore[misc]
    before_child_dispatcher = _KeepParams()


def _affine(expression: Any, xi: Mapping[int, int]) -> tuple[float, dict[int, float]]:
    """An expression of Params as (constant, {position in xi: factor}). FormulationError for products of Params."""
    if expression.__class__ in native_numeric_types:
        return float(expression), {}
    if not expression.is_expression_type():
        position = xi.get(id(expression))
        return (0.0, {position: 1.0}) if position is not None else (float(pyo.value(expression)), {})
    parts = [_affine(argument, xi) for argument in expression.args]
    if isinstance(expression, numeric_expr.SumExpression | numeric_expr.NPV_SumExpression):
        constant, factors = 0.0, dict[int, float]()
        for value, more in parts:
            constant += value
            for position, factor in more.items():
                factors[position] = factors.get(position, 0.0) + factor
        return constant, factors
    if isinstance(expression, numeric_expr.NegationExpression):
        return -parts[0][0], {k: -v for k, v in parts[0][1].items()}
    if isinstance(expression, numeric_expr.ProductExpression):
        (c0, f0), (c1, f1) = parts
        if f0 and f1:
            raise FormulationError(f"product of two uncertain parameters: {expression}; form it in model/values.py")
        factors = {k: v * c1 for k, v in f0.items()} | {k: v * c0 for k, v in f1.items()}
        return c0 * c1, factors
    if isinstance(expression, numeric_expr.DivisionExpression) and not parts[1][1]:
        divisor = parts[1][0]
        return parts[0][0] / divisor, {k: v / divisor for k, v in parts[0][1].items()}
    if not any(factors for _, factors in parts):
        return float(pyo.value(expression)), {}
    raise FormulationError(f"not affine in uncertain parameters: {expression}")


class Affine:
    """A vector a + B*xi; only the rows of B that depend on xi are stored."""

    def __init__(self, expressions: Sequence[Any], xi: Mapping[int, int]) -> None:
        self.constant = np.empty(len(expressions))
        rows: list[int] = []
        columns: list[int] = []
        values: list[float] = []
        for k, expression in enumerate(expressions):
            constant, factors = _affine(expression, xi)
            self.constant[k] = constant
            for position, factor in factors.items():
                rows.append(k)
                columns.append(position)
                values.append(factor)
        self.rows = np.unique(np.array(rows, dtype=np.int64))
        where = np.searchsorted(self.rows, np.array(rows, dtype=np.int64))
        self.B = sp.csr_array((values, (where, columns)), shape=(len(self.rows), max(1, len(xi))))

    def at(self, xi: Floats) -> Floats:
        """(n, len) values for (n, parameters) xi."""
        out = np.broadcast_to(self.constant, (xi.shape[0], len(self.constant))).copy()
        if len(self.rows):
            out[:, self.rows] += np.asarray(self.B @ xi.T).T
        return out


@dataclass(frozen=True)
class Template:
    """One compiled block."""

    columns: tuple[tuple[str, Any], ...]
    """(variable, index) of each own column."""
    rows: tuple[tuple[str, Any], ...]
    """(constraint, index) of each row."""
    externals: tuple[Any, ...]
    """Key of each external variable."""
    params: tuple[tuple[str, int], ...]
    """Mutable Params in the order of xi, and how many values each has."""
    start: Ints
    index: Ints
    """Column of each entry: own columns first, then externals."""
    value: Affine
    row_lower: Affine
    row_upper: Affine
    lower: Affine
    upper: Affine
    integer: Bools
    costs: Mapping[str, tuple[Ints, Affine]]
    """Named linear expressions: columns and coefficients."""

    def xi(self, values: Mapping[str, Floats], n: int) -> Floats:
        """(n, parameters) from arrays by Param name, whose values stand for the keys that the block was written with.

        FormulationError where a Param has another number of values than it was written with."""
        if n == 0:
            return np.zeros((0, self.value.B.shape[1]))
        parts = [values[name].reshape(n, -1) for name, _ in self.params]
        for (name, count), part in zip(self.params, parts, strict=True):
            if part.shape[1] != count:
                raise FormulationError(f"{name} was written with {count} values and is given {part.shape[1]}")
        return np.concatenate(parts, axis=1) if parts else np.zeros((n, 0))


class _Columns:
    """Columns of a block: its own, then those of other blocks in the order in which they are met."""

    def __init__(self, block: Any, externals: Mapping[int, Any]) -> None:
        """externals: id(variable) -> its key."""
        self._externals = externals
        self._at: dict[int, int] = {}
        self.own: list[tuple[str, Any]] = []
        """(variable, index) of each own column."""
        self.variables: list[Any] = []
        """Of each own column."""
        self.outside: list[Any] = []
        """Keys of those of other blocks."""
        for var in block.component_objects(pyo.Var, descend_into=False):
            for key, data in var.items():
                if id(data) not in externals:
                    self._at[id(data)] = len(self.own)
                    self.own.append((var.local_name, key))
                    self.variables.append(data)

    def of(self, variable: int) -> int:
        """Column of a variable, by its id. KeyError for one that is neither the block's own nor an external."""
        found = self._at.get(variable)
        if found is None:
            found = self._at[variable] = len(self.own) + len(self.outside)
            self.outside.append(self._externals[variable])
        return found


class _Rows:
    """Rows of a block as they are read off it: entries, row by row, and bounds; each a number or a Pyomo expression of Params."""

    def __init__(self) -> None:
        self.names: list[tuple[str, Any]] = []
        self.start: list[int] = [0]
        self.index: list[int] = []
        self.value: list[Any] = []
        self.lower: list[Any] = []
        self.upper: list[Any] = []

    def read(self, block: Any, columns: _Columns, parts: Callable[[Any], tuple[Any, Any]]) -> None:
        """Append all of a block. parts: (linear, constant) of an expression."""
        for constraint in block.component_objects(pyo.Constraint, descend_into=False, active=True):
            for key, data in constraint.items():
                lower, body, upper = data.to_bounded_expression()
                linear, constant = parts(body)
                for variable, coefficient in linear.items():
                    self.index.append(columns.of(variable))
                    self.value.append(_number(coefficient))
                self.start.append(len(self.index))
                self.names.append((constraint.local_name, key))
                self.lower.append(-INF if lower is None else _number(lower - constant))
                self.upper.append(INF if upper is None else _number(upper - constant))


def _number(value: Any) -> Any:
    """A float where it is a number, else the expression as it is."""
    return float(value) if value.__class__ in native_numeric_types else value


def _params(block: Any) -> tuple[list[tuple[str, int]], dict[int, int]]:
    """(mutable Params and how many values each has, id of a value -> its place in xi)."""
    params: list[tuple[str, int]] = []
    xi: dict[int, int] = {}
    for param in block.component_objects(pyo.Param, descend_into=False):
        if param.mutable:
            params.append((param.local_name, len(param)))
            for data in param.values():
                xi[id(data)] = len(xi)
    return params, xi


def compile_block(block: Any, externals: Mapping[int, Any], costs: Mapping[str, Any]) -> Template:
    """Compile a Pyomo block. `externals` maps id(variable) to its key; `costs` are named linear expressions."""
    params, xi = _params(block)
    columns, rows = _Columns(block, externals), _Rows()
    visitor = _Visitor({}, var_recorder=VarRecorder({}, None), wrt=[])
    visitor.xi = xi

    def parts(expression: Any) -> tuple[Any, Any]:
        repn = visitor.walk_expression(expression)
        return repn.linear, repn.constant

    rows.read(block, columns, parts)
    compiled: dict[str, tuple[Ints, Affine]] = {}
    for name, expression in costs.items():
        if expression.__class__ in native_numeric_types:
            continue
        linear, _ = parts(expression.expr if hasattr(expression, "expr") else expression)
        where = np.array([columns.of(variable) for variable in linear], dtype=np.int64)
        compiled[name] = (where, Affine([_number(c) for c in linear.values()], xi))
    return Template(
        columns=tuple(columns.own),
        rows=tuple(rows.names),
        externals=tuple(columns.outside),
        params=tuple(params),
        start=np.array(rows.start, dtype=np.int64),
        index=np.array(rows.index, dtype=np.int64),
        value=Affine(rows.value, xi),
        row_lower=Affine(rows.lower, xi),
        row_upper=Affine(rows.upper, xi),
        lower=Affine([-INF if v.lower is None else _number(v.lower) for v in columns.variables], xi),
        upper=Affine([INF if v.upper is None else _number(v.upper) for v in columns.variables], xi),
        integer=np.array([v.is_integer() or v.is_binary() for v in columns.variables], dtype=bool),
        costs=compiled,
    )
