"""Pyomo blocks -> sparse templates, symbolic in their mutable Params -> one stamped matrix.

A template holds every cost, bound, right-hand side and coefficient of a block as `a + B*xi`, xi being the values of its
mutable Params. Stamping is one sparse product for all periods and worlds; Python objects are made once per template.
Variables of other blocks that a template refers to are *externals*; stamping maps them to columns.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo
import scipy.sparse as sp
from pyomo.common.numeric_types import native_numeric_types
from pyomo.core.expr import numeric_expr
from pyomo.repn.parameterized import _FIXED, ParameterizedBeforeChildDispatcher, ParameterizedLinearRepnVisitor
from pyomo.repn.util import ExprType, VarRecorder

from .errors import FormulationError
from .instance import Bools, Floats, Ints

PYOMO_LOCK = threading.RLock()
"""Pyomo is not safe in threads: everything that builds or walks Pyomo objects holds this lock."""

SMALLEST_ENTRY = 1e-7
"""Smallest matrix entry allowed: HiGHS drops 1e-9 silently."""

INF = float("inf")


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
            raise FormulationError(f"product of two uncertain parameters: {expression}; form it in stamp_data.py")
        factors = {k: v * c1 for k, v in f0.items()} | {k: v * c0 for k, v in f1.items()}
        return c0 * c1, factors
    if isinstance(expression, numeric_expr.DivisionExpression) and not parts[1][1]:
        divisor = parts[1][0]
        return parts[0][0] / divisor, {k: v / divisor for k, v in parts[0][1].items()}
    if not any(factors for _, factors in parts):
        return float(pyo.value(expression)), {}
    raise FormulationError(f"not affine in uncertain parameters: {expression}")


def _plain(expression: Any) -> dict[int, float] | None:
    """{id(variable): coefficient} of a plain sum of numbers times variables, None for anything else.

    What the walker finds in such a sum too, at a multiple of the time: a budget row has a term for every signature.
    """
    if expression.__class__ is not numeric_expr.LinearExpression:
        return None
    found: dict[int, float] = {}
    for term in expression.args:
        if term.__class__ is numeric_expr.MonomialTermExpression:
            coefficient, variable = term.args
            if coefficient.__class__ not in native_numeric_types:
                return None
        elif term.__class__ not in native_numeric_types and term.is_variable_type():
            coefficient, variable = 1.0, term
        else:
            return None
        found[id(variable)] = found.get(id(variable), 0.0) + coefficient
    return found


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
            out[:, self.rows] += (self.B @ xi.T).T
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
    params: tuple[str, ...]
    """Mutable Params in the order of xi."""
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
        """(n, parameters) from arrays by Param name."""
        if n == 0:
            return np.zeros((0, self.value.B.shape[1]))
        parts = [values[name].reshape(n, -1) for name in self.params]
        return np.concatenate(parts, axis=1) if parts else np.zeros((n, 0))


def compile_block(block: Any, externals: Mapping[int, Any], costs: Mapping[str, Any]) -> Template:
    """Compile a Pyomo block. `externals` maps id(variable) to its key; `costs` are named linear expressions."""
    xi: dict[int, int] = {}
    params = []
    for param in block.component_objects(pyo.Param, descend_into=False):
        if param.mutable:
            params.append(param.local_name)
            for data in param.values():
                xi[id(data)] = len(xi)
    own: dict[int, int] = {}
    columns: list[tuple[str, Any]] = []
    variables: list[Any] = []
    for var in block.component_objects(pyo.Var, descend_into=False):
        for key, data in var.items():
            if id(data) not in externals:
                own[id(data)] = len(columns)
                columns.append((var.local_name, key))
                variables.append(data)
    outside: dict[int, int] = {}
    keys: list[Any] = []
    visitor = _Visitor({}, var_recorder=VarRecorder({}, None), wrt=[])
    visitor.xi = xi

    def column(vid: int) -> int:
        if vid in own:
            return own[vid]
        if vid not in outside:
            outside[vid] = len(columns) + len(keys)
            keys.append(externals[vid])
        return outside[vid]

    def parts(expression: Any) -> tuple[Any, Any]:
        plain = _plain(expression)
        if plain is not None:
            return plain, 0.0
        repn = visitor.walk_expression(expression)
        return repn.linear, repn.constant

    def number(value: Any) -> Any:
        return float(value) if value.__class__ in native_numeric_types else value

    start, index, value = [0], [], []
    row_lower: list[Any] = []
    row_upper: list[Any] = []
    rows: list[tuple[str, Any]] = []
    for constraint in block.component_objects(pyo.Constraint, descend_into=False, active=True):
        for key, data in constraint.items():
            lower, body, upper = data.to_bounded_expression()
            linear, constant = parts(body)
            for vid, coefficient in linear.items():
                index.append(column(vid))
                value.append(number(coefficient))
            start.append(len(index))
            rows.append((constraint.local_name, key))
            row_lower.append(-INF if lower is None else number(lower - constant))
            row_upper.append(INF if upper is None else number(upper - constant))
    compiled: dict[str, tuple[Ints, Affine]] = {}
    for name, expression in costs.items():
        if expression.__class__ in native_numeric_types:
            continue
        linear, _ = parts(expression.expr if hasattr(expression, "expr") else expression)
        where = np.array([column(vid) for vid in linear], dtype=np.int64)
        compiled[name] = (where, Affine([number(c) for c in linear.values()], xi))
    return Template(
        columns=tuple(columns), rows=tuple(rows), externals=tuple(keys), params=tuple(params),
        start=np.array(start, dtype=np.int64), index=np.array(index, dtype=np.int64), value=Affine(value, xi),
        row_lower=Affine(row_lower, xi), row_upper=Affine(row_upper, xi),
        lower=Affine([-INF if v.lower is None else number(v.lower) for v in variables], xi),
        upper=Affine([INF if v.upper is None else number(v.upper) for v in variables], xi),
        integer=np.array([v.is_integer() or v.is_binary() for v in variables], dtype=bool), costs=compiled,
    )  # fmt: skip


@dataclass(frozen=True)
class Stamped:
    """A template put down n times: where its columns and rows stand in the whole matrix."""

    template: Template
    label: str
    count: int
    xi: Floats
    externals: Ints
    """(n, externals) column of each external, -1 where it does not exist."""
    weights: Mapping[str, Floats]
    """(n,) factor of each named cost."""
    first_column: int = 0

    @property
    def width(self) -> int:
        """Own columns of one stamp."""
        return len(self.template.columns)

    def columns(self, variable: str, key: Any) -> Ints:
        """(n,) columns of a variable over the stamps."""
        return self.first_column + self.template.columns.index((variable, key)) + self.width * np.arange(self.count)


@dataclass
class Assembly:
    """The whole model as arrays, ready for the solver."""

    lower: Floats
    upper: Floats
    integer: Bools
    costs: dict[str, Floats]
    row_lower: Floats
    row_upper: Floats
    start: Ints
    index: Ints
    value: Floats
    stamped: tuple[Stamped, ...]
    row_stamped: Ints
    """(rows,) which stamped template a row comes from."""
    row_local: Ints
    """(rows,) which row of the template."""
    row_stamp: Ints
    """(rows,) which stamp."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns, nonzeros."""
        return len(self.row_lower), len(self.lower), len(self.index)

    def rows_of(self, family: str) -> Ints:
        """Rows of a constraint family, in order."""
        found = []
        for k, part in enumerate(self.stamped):
            local = [r for r, (name, _) in enumerate(part.template.rows) if name == family]
            if local:
                found.append(np.flatnonzero((self.row_stamped == k) & np.isin(self.row_local, local)))
        return np.sort(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)

    def row_name(self, row: int) -> tuple[str, Any, str, int]:
        """(constraint, index, template, stamp) of a row."""
        part = self.stamped[self.row_stamped[row]]
        name, key = part.template.rows[self.row_local[row]]
        return name, key, part.label, int(self.row_stamp[row])


def assemble(parts: Sequence[Stamped]) -> Assembly:
    """Put all stamps into one matrix: columns part by part, stamp by stamp; empty rows that hold are left out."""
    placed: list[Stamped] = list(parts)
    total = placed[-1].first_column + placed[-1].width * placed[-1].count if placed else 0
    lower, upper = np.zeros(total), np.zeros(total)
    integer = np.zeros(total, dtype=bool)
    names = sorted({name for part in placed for name in part.template.costs})
    costs = {name: np.zeros(total) for name in names}
    blocks = []
    for k, part in enumerate(placed):
        blocks.append(_stamp(k, part, lower, upper, integer, costs))
    length = np.concatenate([block[0] for block in blocks])
    index = np.concatenate([block[1] for block in blocks])
    value = np.concatenate([block[2] for block in blocks])
    row_lower = np.concatenate([block[3] for block in blocks])
    row_upper = np.concatenate([block[4] for block in blocks])
    where = np.concatenate([block[5] for block in blocks])
    tiny = np.abs(value) < SMALLEST_ENTRY
    if tiny.any():
        raise FormulationError(
            f"{int(tiny.sum())} matrix entries are below {SMALLEST_ENTRY:g}, the smallest {np.abs(value).min():g}"
        )
    if not (np.isfinite(value).all() and np.isfinite(np.concatenate(list(costs.values()))).all()):
        raise FormulationError("the matrix or the costs hold a value that is not a finite number")
    for low, high in ((lower, upper), (row_lower, row_upper)):
        if np.isnan(low).any() or np.isnan(high).any() or (low == INF).any() or (high == -INF).any():
            raise FormulationError("a bound or a right-hand side is not a number, or is infinite on its wrong side")
    start = np.concatenate([[0], np.cumsum(length)])
    return Assembly(
        lower,
        upper,
        integer,
        costs,
        row_lower,
        row_upper,
        start,
        index,
        value,
        tuple(placed),
        where[:, 0],
        where[:, 1],
        where[:, 2],
    )


def _coincide(externals: Ints) -> bool:
    """Whether two externals of one stamp stand in the same column."""
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


def place(parts: Sequence[Stamped]) -> list[Stamped]:
    """Give every part its first column, in order."""
    placed, first = [], 0
    for part in parts:
        placed.append(Stamped(part.template, part.label, part.count, part.xi, part.externals, part.weights, first))
        first += part.width * part.count
    return placed


def _stamp(
    k: int, part: Stamped, lower: Floats, upper: Floats, integer: Bools, costs: dict[str, Floats]
) -> tuple[Ints, Ints, Floats, Floats, Floats, Ints]:
    """Row lengths, columns, values, row bounds and (part, row, stamp) of all rows of one part; fills column data."""
    template, n, m = part.template, part.count, len(part.template.rows)
    width = part.width
    columns = slice(part.first_column, part.first_column + width * n)
    lower[columns] = template.lower.at(part.xi).ravel()
    upper[columns] = template.upper.at(part.xi).ravel()
    integer[columns] = np.tile(template.integer, n)
    own = part.first_column + width * np.arange(n)[:, None]

    def placed(index: Ints) -> Ints:
        """(n, entries) columns of template columns."""
        inside = own + np.minimum(index, width - 1 if width else 0)[None, :]
        outside = index >= width
        if outside.any():
            inside = inside.copy()
            inside[:, outside] = part.externals[:, index[outside] - width]
        return inside

    for name, (where, coefficients) in template.costs.items():
        weight = part.weights.get(name)
        if weight is not None:
            costs[name][placed(where).ravel()] += (coefficients.at(part.xi) * weight[:, None]).ravel()  # columns differ
    value = template.value.at(part.xi)
    index = placed(template.index)
    if part.externals.size and _coincide(part.externals):
        value = _merge(template, index, value)
    keep = (value != 0) & (index >= 0)
    lengths = np.zeros((n, m), dtype=np.int64)
    if m and len(template.index):
        running = np.concatenate([np.zeros((n, 1), dtype=np.int64), np.cumsum(keep, axis=1)], axis=1)
        lengths = running[:, template.start[1:]] - running[:, template.start[:-1]]
    row_lower, row_upper = template.row_lower.at(part.xi), template.row_upper.at(part.xi)
    holds = (row_lower <= 0) & (row_upper >= 0)
    wanted = ((lengths > 0) | ~holds).ravel()
    where_rows = np.stack([np.full(n * m, k), np.tile(np.arange(m), n), np.repeat(np.arange(n), m)], axis=1)[wanted]
    return (
        lengths.ravel()[wanted], index[keep], value[keep],
        row_lower.ravel()[wanted], row_upper.ravel()[wanted], where_rows,
    )  # fmt: skip
