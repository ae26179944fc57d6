"""What a caller may not do to a model of `build_model`, told before it is solved: change its rows or costs, widen its variables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.core.expr.numeric_expr import LinearExpression
from pyomo.repn import generate_standard_repn

from ..core.arrays import INF, Floats
from ..core.errors import Fault, InputError, more_faults
from .named_model import PLAN_COST, NamedMatrix, plan_cost, row_key, row_of
from .problem import Problem

ROUNDING = 1e-9
"""Relative difference of two figures that is rounding."""
WHOLE = 1e-5
"""Distance from a whole number that is a solver's rounding."""
MOST_TOLD = 10
PLAIN = (
    pyo.Var,
    pyo.Constraint,
    pyo.Objective,
    pyo.Expression,
    pyo.Param,
    pyo.Set,
    pyo.RangeSet,
    pyo.Block,
    pyo.Suffix,
)
"""Kinds of Pyomo components that a linear model is made of."""


def raise_first(faults: Sequence[Fault]) -> None:
    """Raise InputError with the first of some faults, and how many more there are; nothing where there are none."""
    if faults:
        rest = len(faults) - MOST_TOLD
        raise InputError([*faults[:MOST_TOLD], *([more_faults(rest)] if rest > 0 else [])])


def rows_of_plan(named: NamedMatrix, model: pyo.ConcreteModel) -> Iterator[Any]:
    """Pyomo's constraints that are the plan's. Raises InputError where a family of them is gone."""
    for name in dict.fromkeys(place[0] for _, place, _ in named.rows()):
        family = model.component(name)
        if family is None:
            raise InputError(
                [Fault("model", "", name, "no such constraints", "the model of this plan, none of its rows gone")]
            )
        yield from family.values()


def untouched_rows(named: NamedMatrix, model: pyo.ConcreteModel) -> dict[int, Any]:
    """id -> expression of every row of a model as it was made, to see later which were changed."""
    return {id(data): data.expr for data in rows_of_plan(named, model)}


def refuse_changes(
    named: NamedMatrix, model: pyo.ConcreteModel, known: Sequence[Any], z0: Floats, made: Mapping[int, Any] | None
) -> None:
    """Raise InputError for rows and costs of the plan that are not as they were made, and for components that are not linear.

    known: (columns,) the model's variables. z0: (columns,) doing nothing. made: `untouched_rows` of when it was made; None: every
    row is compared with the plan's.
    """
    faults = _changed(named, model, known) if made is None else []
    there = list(rows_of_plan(named, model))
    if made is not None and made.keys() - {id(data) for data in there}:
        faults.append(Fault("model", "", "rows of the plan", "some were deleted", "rows of the plan as they are"))
    for data in there:
        if made is not None and id(data) not in made:  # one of the caller's, in a family of the plan's
            continue
        changed = made is not None and made.get(id(data)) is not data.expr
        if not data.active or changed:
            what = "changed" if data.active else "not active"
            faults.append(
                Fault("model", "", data.name, f"a row of the plan that is {what}", "rows of the plan as they are")
            )
    for kind in model.collect_ctypes(active=True):
        if not issubclass(kind, PLAIN):
            told = ", ".join(item.name for item in model.component_objects(kind, active=True))
            expected = "variables, linear constraints and terms of the objective"
            faults.append(Fault("model", "", told, f"a {kind.__name__}", expected))
    raise_first(faults + _objective_faults(named, model, known, z0))


def _changed(named: NamedMatrix, model: pyo.ConcreteModel, known: Sequence[Any]) -> list[Fault]:
    """Rows that are not those of this plan with these tables."""
    assembly, faults = named.problem.assembly, []
    for row, (name, index), unit in named.rows():
        columns, coefficients = row_of(assembly, named.tonnes, row, unit)
        family = model.component(name)
        key = row_key(index)
        data = None if family is None or key not in family else family[key]
        limits = float(assembly.row_lower[row]) * unit, float(assembly.row_upper[row]) * unit
        if data is None or not _same(data, [known[k] for k in columns], coefficients, limits):
            told = name if data is None else data.name
            expected = "the model of this plan and these tables, its rows as they were made"
            faults.append(Fault("model", "", told, "a row of another plan, or one that was changed", expected))
    return faults


def _same(data: Any, variables: Sequence[Any], coefficients: Floats, limits: tuple[float, float]) -> bool:
    """Whether a constraint has these coefficients and limits."""
    stands = number(data.lower, -INF), number(data.upper, INF)
    if not np.allclose(stands, limits, rtol=ROUNDING, atol=ROUNDING):
        return False
    there = _coefficients(data.body)
    wanted: dict[int, float] = {}
    for variable, factor in zip(variables, coefficients.tolist(), strict=True):
        wanted[id(variable)] = wanted.get(id(variable), 0.0) + factor
    if there is None or there[1] != 0 or there[0].keys() != wanted.keys():
        return False
    return all(math.isclose(there[0][key], value, rel_tol=ROUNDING) for key, value in wanted.items())


def _coefficients(expression: Any) -> tuple[dict[int, float], float] | None:
    """(id of a variable -> its factor, constant) of an expression; None where it is not linear."""
    if isinstance(expression, LinearExpression):
        pairs, constant = zip(expression.linear_vars, expression.linear_coefs, strict=True), expression.constant
    else:
        repn = generate_standard_repn(expression, compute_values=False, quadratic=False)
        if repn.nonlinear_vars:
            return None
        pairs, constant = zip(repn.linear_vars, repn.linear_coefs, strict=True), repn.constant
    found: dict[int, float] = {}
    for variable, factor in pairs:
        found[id(variable)] = found.get(id(variable), 0.0) + float(pyo.value(factor))
    return found, float(pyo.value(constant))


def _objective_faults(named: NamedMatrix, model: pyo.ConcreteModel, known: Sequence[Any], z0: Floats) -> list[Fault]:
    """What is wrong with the objective: it has to be the first aim's, with the plan's own cost as it was made."""
    aim = model.stages[0]
    active = list(model.component_data_objects(pyo.Objective, active=True))
    if [item.name for item in active] != [aim] or active[0].sense != pyo.minimize:
        told = ", ".join(item.name for item in active) or "none"
        return [Fault("model", "", "objective", told, f"{aim} alone, to be minimised")]
    stated = model.component(PLAN_COST)
    if stated is None or aim not in stated:
        expected = "the model of this plan, made by this version"
        return [Fault("model", "", PLAN_COST, "no such expression", expected)]
    asked, wanted = (_coefficients(expr) for expr in (stated[aim].expr, plan_cost(named, aim, known, z0)))
    alike = asked is not None and wanted is not None and asked[0].keys() == wanted[0].keys()
    if alike and asked is not None and wanted is not None:
        pairs = [(asked[0][key], value) for key, value in wanted[0].items()]
        alike = all(math.isclose(*pair, rel_tol=ROUNDING) for pair in [*pairs, (asked[1], wanted[1])])
    if not alike:
        expected = "the model of this plan and these tables, its costs as they were made"
        return [Fault("model", "", f"{PLAN_COST}[{aim}]", "costs of another plan, or that were changed", expected)]
    if not _contains(active[0].expr, stated[aim]):
        expected = f"m.{aim} as it was made, and terms by add_term"
        return [Fault("model", "", aim, "an objective without the plan's own cost", expected)]
    return []


def _contains(expression: Any, part: Any) -> bool:
    """Whether a named expression is a part of another one."""
    left = [expression]
    while left:
        one = left.pop()
        if one is part:
            return True
        if not isinstance(one, LinearExpression) and getattr(one, "is_expression_type", lambda: False)():
            left += one.args
    return False


def refuse_wider(named: NamedMatrix, known: Sequence[Any], *, solved: bool) -> None:
    """Raise InputError for variables of the plan with wider bounds than the plan's, or of another domain than they had.

    solved: the model was solved elsewhere; what was wide or in part there is held against the plan as a point.
    """
    faults = []
    for whole, (variable, low, high) in zip(
        named.problem.assembly.integer.tolist(), with_bounds(named.problem, named, known), strict=True
    ):
        if variable.is_continuous() == whole and not (solved and whole):
            was = "whole" if whole else "continuous"
            faults.append(
                Fault("model", "", variable.name, "another domain", f"a variable that is {was}, as it was made")
            )
        asked = number(variable.lb, -INF), number(variable.ub, INF)
        if not variable.fixed and not solved and (below(asked[0], low) or below(high, asked[1])):
            found = f"bounds from {asked[0]:g} to {asked[1]:g}"
            expected = f"bounds within those of the plan, {low:g} to {high:g}"
            faults.append(Fault("model", "", variable.name, found, expected))
    raise_first(faults)


def with_bounds(problem: Problem, named: NamedMatrix, known: Sequence[Any]) -> Iterator[tuple[Any, float, float]]:
    """Each variable of the plan with its bounds there, in tonnes and million USD."""
    lower, upper = (side[: len(known)] * named.tonnes for side in (problem.assembly.lower, problem.assembly.upper))
    yield from zip(known, lower.tolist(), upper.tolist(), strict=True)


def below(value: float, limit: float) -> bool:
    """Whether a value lies below a limit by more than rounding."""
    return value < limit and not math.isclose(value, limit, rel_tol=ROUNDING, abs_tol=ROUNDING)


def refuse_steps(added: Sequence[Any]) -> None:
    """Raise InputError for variables of other discrete domains than whole numbers."""
    faults = [
        Fault("model", "", v.name, f"the domain {v.domain}", "a continuous variable, or one of whole numbers")
        for v in added
        if not v.is_continuous() and v.domain.get_interval()[2] != 1
    ]
    raise_first(faults)


def limits_of(variable: Any) -> tuple[float, float]:
    if variable.fixed:
        if variable.value is None:
            raise InputError([Fault("model", "", variable.name, "fixed without a value", "fix(value)")])
        value = float(variable.value)
        return value, value
    return number(variable.lb, -INF), number(variable.ub, INF)


def number(side: Any, otherwise: float) -> float:
    return otherwise if side is None else float(pyo.value(side))


def require_sound(name: str, least: float, most: float) -> None:
    """Raise InputError for limits that are no numbers, or that leave no room between them."""
    if math.isnan(least) or math.isnan(most):
        raise InputError([Fault("model", "", name, "a limit that is no number (nan)", "a number, or none")])
    if below(most, least):
        raise InputError(
            [Fault("model", "", name, f"limits from {least:g} to {most:g}", "a least that is not above the most")]
        )
