"""What a caller has added to a named model - variables, constraints, terms of the objective - read into the matrix that is solved.

The plan's own rows stay as they are: whoever wants another rule changes the plan. Bounds of its variables may be narrowed."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.repn import generate_standard_repn

from ..core.errors import Fault, InputError
from ..core.frames import INF, Floats
from ..core.logs import logger_of
from .assembly import SMALLEST_ENTRY
from .named import OWN, OWN_TERMS, PLAN_COST, NamedMatrix, Place, named_model, objective_costs, row_key, variables_of
from .problem import Problem, with_columns, with_rows
from .template import pyomo_alone

# What a caller may not do to a model of `build_model`: change its rows or costs, widen its variables. Checked before a solve.
Extend = Callable[[pyo.ConcreteModel], Any]
"""Adds to the model of `build_model`: variables, linear constraints, terms by `add_term`."""
ROUNDING = 1e-9
"""Relative difference of two figures that is rounding."""
WHOLE = 1e-5
"""Distance from a whole number that is a solver's rounding."""
PLAIN = pyo.Var, pyo.Constraint, pyo.Objective, pyo.Expression, pyo.Param, pyo.Set, pyo.RangeSet, pyo.Block, pyo.Suffix
"""Kinds of Pyomo components that a linear model is made of."""


def refused(name: str, found: str, expected: str) -> InputError:
    """One fault of a part of a model."""
    return InputError([Fault("model", "", name, found, expected)])


def row_in(model: pyo.ConcreteModel, place: Place) -> Any:
    """Pyomo's constraint of a row of the plan; None where the model has none."""
    family, key = model.component(place[0]), row_key(place[1])
    return family[key] if family is not None and key in family else None


def untouched_rows(named: NamedMatrix, model: pyo.ConcreteModel) -> dict[Place, Any]:
    """Expression of every row of a model as it was made, to see later which were changed."""
    return {place: row_in(model, place).expr for _, place, _ in named.rows()}


def refuse_changes(named: NamedMatrix, model: pyo.ConcreteModel, made: Mapping[Place, Any]) -> None:
    """Raise InputError for rows of the plan that are not as they were made (`untouched_rows`), for components that are not linear
    and for another objective."""
    faults, aim = [], model.stages[0]
    for _, place, _ in named.rows():
        data = row_in(model, place)
        if data is None or not data.active or data.expr is not made[place]:
            found = "a row of the plan that is deleted, not active or changed"
            faults.append(
                Fault("model", "", place[0] if data is None else data.name, found, "rows of the plan as they are")
            )
    for kind in model.collect_ctypes(active=True):
        if not issubclass(kind, PLAIN):
            text = ", ".join(item.name for item in model.component_objects(kind, active=True))
            expected = "variables, linear constraints and terms of the objective"
            faults.append(Fault("model", "", text, f"a {kind.__name__}", expected))
    active = list(model.component_data_objects(pyo.Objective, active=True))
    if [item.name for item in active] != [aim] or active[0].sense != pyo.minimize:
        text = ", ".join(item.name for item in active) or "none"
        faults.append(Fault("model", "", "objective", text, f"{aim} alone, to be minimised"))
    if faults:
        raise InputError(faults)


def refuse_wider(named: NamedMatrix, known: Sequence[Any]) -> None:
    """Raise InputError for variables of the plan with wider bounds than the plan's, or of another domain than they had."""
    faults, integer = [], named.problem.assembly.integer.tolist()
    for whole, (variable, low, high) in zip(integer, with_bounds(named, known), strict=True):
        if variable.is_continuous() == whole:
            was = f"a variable that is {'whole' if whole else 'continuous'}, as it was made"
            faults.append(Fault("model", "", variable.name, "another domain", was))
        asked = number(variable.lb, -INF), number(variable.ub, INF)
        if not variable.fixed and (below(asked[0], low) or below(high, asked[1])):
            found = f"bounds from {asked[0]:g} to {asked[1]:g}"
            expected = f"bounds within those of the plan, {low:g} to {high:g}"
            faults.append(Fault("model", "", variable.name, found, expected))
    if faults:
        raise InputError(faults)


def with_bounds(named: NamedMatrix, known: Sequence[Any]) -> Iterator[tuple[Any, float, float]]:
    """Each variable of the plan with its bounds there, in tonnes and million USD."""
    assembly = named.problem.assembly
    lower, upper = (side * named.tonnes for side in (assembly.lower, assembly.upper))
    yield from zip(known, lower.tolist(), upper.tolist(), strict=True)


def below(value: float, limit: float) -> bool:
    """Whether a value lies below a limit by more than rounding."""
    return value < limit and not math.isclose(value, limit, rel_tol=ROUNDING, abs_tol=ROUNDING)


def limits_of(variable: Any) -> tuple[float, float]:
    if variable.fixed:
        if variable.value is None:
            raise refused(variable.name, "fixed without a value", "fix(value)")
        value = float(variable.value)
        return value, value
    return number(variable.lb, -INF), number(variable.ub, INF)


def number(side: Any, otherwise: float) -> float:
    return otherwise if side is None else float(pyo.value(side))


def require_sound(name: str, least: float, most: float) -> None:
    """Raise InputError for limits that are no numbers, or that leave no room between them."""
    if math.isnan(least) or math.isnan(most):
        raise refused(name, "a limit that is no number (nan)", "a number, or none")
    if below(most, least):
        raise refused(name, f"limits from {least:g} to {most:g}", "a least that is not above the most")


LOG = logger_of(__name__)

OTHER_TERMS = "other terms"
"""What the objective counts beside the plan's costs and the named terms."""
SETTLED = ("value_at_risk", "tail")
"""Variables that every answer has set to what losses make them: a constraint on them would not be kept."""
ROUNDING_OF_SUMS = 1e-12
"""The same of costs that were put together twice from the same numbers."""


@dataclass(frozen=True)
class OwnRow:
    """A constraint that was added, or a variable of the plan that was fixed or whose bounds were narrowed."""

    name: str
    lower: float
    upper: float
    row: int
    """In the matrix."""
    factor: float
    """What its coefficients were multiplied with, to be of the size of the others."""
    body: Any
    """Pyomo's expression of what is held between the limits."""


@dataclass(frozen=True)
class OwnParts:
    """What was added to the model of a plan."""

    problem: Problem
    """With it."""
    named: NamedMatrix
    """Of the plan alone."""
    model: pyo.ConcreteModel
    variables: tuple[Any, ...]
    """(columns,) Pyomo's own, those added last."""
    rows: tuple[OwnRow, ...]
    cost: Floats
    """(columns,) what the terms add to the first aim."""
    constant: float
    """Of the terms [million USD]."""
    terms: Mapping[str, Any]
    """Expressions by name."""

    @property
    def added(self) -> tuple[Any, ...]:
        """Variables that were added."""
        return self.variables[len(self.named.columns) :]

    @property
    def any(self) -> bool:
        """Whether anything was added."""
        return bool(self.rows or self.added or self.terms)

    def value(self, expression: Any) -> float:
        """What an expression of the model comes to at the point that was loaded."""
        return float(pyo.value(expression))

    def load(self, x: Floats) -> None:
        """Give the model's variables the values of a point of the matrix."""
        values = x * np.append(self.named.tonnes, np.ones(len(self.added)))
        for variable, value in zip(self.variables, values.tolist(), strict=True):
            variable.set_value(value, skip_validation=True)


def extended(problem: Problem, z0: Floats, extend: Extend) -> OwnParts:
    """What a function adds to the model of a problem with its reference z0: (columns,). Raises InputError as `own_parts`."""
    with pyomo_alone():
        model = named_model(problem, z0)
        made = untouched_rows(NamedMatrix(problem), model)
        extend(model)
        own = own_parts(problem, model, z0, made)
    if not own.any:
        LOG.warning(
            "the function has added nothing to the model that it was given: it changes that model, and returns nothing"
        )
    return own


def with_rules(problem: Problem, z0: Floats, extend: Extend) -> tuple[Problem, Floats]:
    """(the problem with the constraints that a function adds, doing nothing: (columns,)).

    Raises InputError as `own_parts`, and for terms of the objective: where plans are compared, worth is that of the plan.
    """
    own = extended(problem, z0, extend)
    if own.terms:
        raise refused(
            ", ".join(own.terms), "terms of the objective", "constraints alone where several plans are compared"
        )
    return own.problem, np.append(z0, np.zeros(len(own.added)))


def own_parts(problem: Problem, model: pyo.ConcreteModel, z0: Floats, made: Mapping[Place, Any]) -> OwnParts:
    """Read what a model has beside its plan.

    problem: the plan's, with the limits that are measured against doing nothing. model: made by `named_model`. z0: (columns,) doing
    nothing. made: `untouched_rows` of when it was made.

    Raises InputError for what is not linear or no number, for rows and costs of the plan that are not as they were made, and for a
    second objective."""
    named = NamedMatrix(problem)
    known = variables_of(named, model)
    refuse_wider(named, known)
    fixed, narrowed = [v for v in known if v.fixed], list(_narrowed(named, known))
    for variable in fixed:  # rows say so
        variable.unfix()
    try:
        refuse_changes(named, model, made)
        return _read(problem, named, model, z0, known, narrowed)
    finally:
        for variable in fixed:
            variable.fix()


Held = tuple[str, Any, float, float]
"""(name, expression, least, most)"""


def _read(
    problem: Problem,
    named: NamedMatrix,
    model: pyo.ConcreteModel,
    z0: Floats,
    known: Sequence[Any],
    narrowed: Sequence[Held],
) -> OwnParts:
    """As `own_parts`, of a model that is the plan's; known: its variables, none fixed; narrowed: limits on them."""
    column = {id(variable): k for k, variable in enumerate(known)}
    added = [v for v in model.component_data_objects(pyo.Var, descend_into=True) if id(v) not in column]
    for one in added:
        if not one.is_continuous() and one.domain.get_interval()[2] != 1:
            raise refused(one.name, f"the domain {one.domain}", "a continuous variable, or one of whole numbers")
    column |= {id(variable): len(known) + k for k, variable in enumerate(added)}
    tonnes = np.concatenate([named.tonnes, np.ones(len(added))])
    assembly = with_columns(problem.assembly, [[] for _ in added], np.full(len(added), INF))
    limits = [limits_of(v) for v in added]
    for variable, pair in zip(added, limits, strict=True):
        require_sound(variable.name, *pair)
    lower, upper = (np.array([pair[side] for pair in limits], dtype=float) for side in (0, 1))
    whole = np.array([not v.is_continuous() for v in added], dtype=bool)
    assembly = replace(
        assembly,
        integer=np.append(assembly.integer[: len(known)], whole),
        lower=np.append(assembly.lower[: len(known)], lower),
        upper=np.append(assembly.upper[: len(known)], upper),
    )
    found: list[OwnRow] = []
    starts, index = [0], list[int]()
    values, lows, highs = list[float](), list[float](), list[float]()
    for name, body, low, high in (*_own_rows(named, model), *narrowed):
        require_sound(name, low, high)
        where, factors, constant = _linear(body, name, column, tonnes)
        settled = [named.columns[k][0] for k in where if k < len(known) and named.columns[k][0] in SETTLED]
        if settled:
            expected = f"what it follows from: {settled[0]} is set to what the scenarios' losses make it"
            raise refused(name, f"a constraint on {settled[0]}", expected)
        factor = _factor(name, np.abs(factors[factors != 0]))
        found.append(OwnRow(name, low, high, len(assembly.row_lower) + len(found), factor, body))
        index += where
        values += (factors * factor).tolist()
        lows.append((low - constant) * factor)
        highs.append((high - constant) * factor)
        starts.append(len(index))
    entries = np.array(index, dtype=np.int64), np.array(values, dtype=float)
    assembly = with_rows(assembly, np.array(starts), *entries, np.array(lows), np.array(highs))
    cost, constant, terms = _own_cost(problem, model, column, tonnes, z0)
    if terms:
        assembly = replace(assembly, costs={**assembly.costs, OWN: cost})
    return OwnParts(
        replace(problem, assembly=assembly), named, model, (*known, *added), tuple(found), cost, constant, terms
    )


def _factor(name: str, sizes: Floats) -> float:
    """The power of ten that brings a row's coefficients to the size of the others. sizes: their absolute values, none 0."""
    if not len(sizes):
        return 1.0
    factor = float(10.0 ** -round(math.log10(sizes.max())))
    if sizes.min() * factor < SMALLEST_ENTRY:
        spread = f"coefficients from {sizes.min():.1e} to {sizes.max():.1e}, in the solver's units"
        raise refused(name, spread, f"a spread below {1 / SMALLEST_ENTRY:.0e}")
    return factor


def _own_rows(named: NamedMatrix, model: pyo.ConcreteModel) -> Iterator[Held]:
    """Each constraint that is not one of the plan's."""
    plan_rows = {id(row_in(model, place)) for _, place, _ in named.rows()}
    for data in model.component_data_objects(pyo.Constraint, active=True, descend_into=True):
        if id(data) not in plan_rows:
            yield data.name, data.body, number(data.lower, -INF), number(data.upper, INF)


def _narrowed(named: NamedMatrix, known: Sequence[Any]) -> Iterator[Held]:
    """Each variable of the plan that was fixed or whose bounds were narrowed; INF: on that side they were not.

    Rows rather than bounds: tables list and price them, and blame them where no plan keeps them, like any other constraint.
    """
    for variable, low, high in with_bounds(named, known):
        least, most = limits_of(variable)
        if variable.fixed:
            if not variable.is_continuous() and abs(least - round(least)) <= WHOLE:
                least = most = float(round(least))
            yield f"{variable.name} fixed", variable, least, most
        elif below(low, least) or below(most, high):
            asked = least if below(low, least) else -INF, most if below(most, high) else INF
            yield f"bounds of {variable.name}", variable, *asked


def _linear(expression: Any, name: str, column: Mapping[int, int], tonnes: Floats) -> tuple[list[int], Floats, float]:
    """(columns, coefficients in the solver's units, constant) of an expression. Raises InputError where it is not linear."""
    repn = generate_standard_repn(expression, compute_values=True, quadratic=False)
    if repn.nonlinear_vars:
        raise refused(name, "a product or a function of variables", "a linear expression")
    strange = [v.name for v in repn.linear_vars if id(v) not in column]
    if strange:
        raise refused(name, f"{strange[0]}, of another model", "variables of this model")
    where = [column[id(v)] for v in repn.linear_vars]
    return where, np.array(repn.linear_coefs, dtype=float) * tonnes[where], float(repn.constant)


def _own_cost(
    problem: Problem, model: pyo.ConcreteModel, column: Mapping[int, int], tonnes: Floats, z0: Floats
) -> tuple[Floats, float, dict[str, Any]]:
    """(columns,) what the objective counts beside the plan's own costs, its constant, and the terms by name."""
    aim = model.stages[0]
    objective = getattr(model, aim)
    own = objective_costs(problem)[aim]
    where, factors, constant = _linear(objective.expr, aim, column, tonnes)
    cost = np.zeros(len(tonnes))
    np.add.at(cost, where, factors)
    size = np.abs(cost)
    size[: len(own)] = np.maximum(size[: len(own)], np.abs(own))
    cost[: len(own)] -= own
    cost[np.abs(cost) <= ROUNDING_OF_SUMS * size] = 0.0
    base = -float(own @ z0)
    constant = 0.0 if abs(constant - base) <= ROUNDING_OF_SUMS * max(1.0, abs(base)) else constant - base
    terms: dict[str, Any] = {str(name): term.expr for name, term in getattr(model, OWN_TERMS).items()}
    rest, remaining = cost.copy(), constant
    for name, term in terms.items():
        at, named, fixed = _linear(term, name, column, tonnes)
        np.add.at(rest, at, -named)
        remaining -= fixed
    rest[np.abs(rest) <= ROUNDING_OF_SUMS * np.maximum(size, np.abs(cost))] = 0.0
    if rest.any() or abs(remaining) > ROUNDING_OF_SUMS * max(1.0, abs(base)):
        known = sum(terms.values())
        terms[OTHER_TERMS] = objective.expr - known - model.component(PLAN_COST)[aim]
    return cost, constant, terms
