"""The model for people: a Pyomo model in tonnes and million USD, every index a name, made from the very matrix that is solved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.core.expr.numeric_expr import LinearExpression

from ..core.arrays import Floats, Ints
from ..core.errors import Fault, InputError
from ..formulation.catalogue import COMPONENTS
from ..formulation.structure import STAGES, TRUNK
from .assembly import Assembly
from .index_names import IndexNames, Label
from .objectives import objective_costs
from .problem import Problem

PLAN_COST = "plan_cost"
"""Expressions of what the plan itself costs beyond doing nothing, by aim."""
OWN_TERMS = "own_terms"
"""Expressions of the caller's that the objective counts beside the plan's own, by name."""
VARIABLES = {c.name for c in COMPONENTS if c.kind == "variable"}
DOCS = {(c.kind, c.name): f"{c.text} [{c.unit.replace('unit', 't')}]" for c in COMPONENTS}
BY_COMPONENT = ("shared_money", "loss", "branch_purchases", "calm_purchases", "branch_loss")
"""What each group of linked materials has in each scenario."""

Place = tuple[str, Label]
"""(variable or constraint, its index)."""


@dataclass(frozen=True)
class NamedMatrix:
    """Names and units of all columns and rows of a problem."""

    problem: Problem

    @cached_property
    def columns(self) -> list[Place]:
        """(columns,) (variable, index)."""
        found: list[Place] = [("", ())] * len(self.problem.assembly.lower)
        for k, block in enumerate(self.problem.assembly.blocks):
            for position, (name, key) in enumerate(block.template.columns):
                own = self._names.label("variable", block.kind, name, key, block.component)
                for n, where in enumerate(self._where[k]):
                    at = block.first_column + position + block.width * n
                    found[at] = name, self._index(name, own, block.component, where)
        return found

    @cached_property
    def tonnes(self) -> Floats:
        """(columns,) tonnes, or what else the variable counts, that the solver's unit stands for."""
        found = np.ones(len(self.problem.assembly.lower))
        for block in self.problem.assembly.blocks:
            for position, (name, key) in enumerate(block.template.columns):
                unit = self._names.tonnes("variable", block.kind, name, key, block.component)
                found[block.first_column + position + block.width * np.arange(block.count)] = unit
        return found

    def rows(self) -> Iterator[tuple[int, Place, float]]:
        """(row, (constraint, index), tonnes that its unit stands for) of every row of the plan."""
        assembly = self.problem.assembly
        known: dict[tuple[int, int], tuple[str, Label, float]] = {}
        for row in range(len(assembly.row_lower)):
            k, local, n = int(assembly.row_block[row]), int(assembly.row_local[row]), int(assembly.row_instance[row])
            if k < 0:
                continue
            block = assembly.blocks[k]
            if (k, local) not in known:
                name, key = block.template.rows[local]
                own = self._names.label("constraint", block.kind, name, key, block.component)
                tonnes = self._names.tonnes("constraint", block.kind, name, key, block.component)
                known[k, local] = name, own, tonnes
            name, own, tonnes = known[k, local]
            index = self._index(name, own, block.component, self._where[k][n])
            yield row, (name if name not in VARIABLES else f"{name}_limit", index), tonnes

    @cached_property
    def _names(self) -> IndexNames:
        return IndexNames(self.problem.structure, self.problem.natural)

    @cached_property
    def _where(self) -> list[list[Label]]:
        """By block, what stands behind the own index of each of its instances: course and period, or scenario."""
        structure, names = self.problem.structure, self._names
        found: list[list[Label]] = []
        for block in self.problem.assembly.blocks:
            if block.kind == "commitments":
                found.append([()])
            elif block.kind == "scenario":
                found.append([(name,) for name in names.courses])
            else:
                index = structure.block_index[block.component]
                if block.kind == "branch":
                    found.append([(names.courses[s],) for s in index.branches])
                else:
                    courses = [names.base if s == TRUNK else names.courses[s] for s in index.scenario.tolist()]
                    found.append([(c, names.periods[t]) for c, t in zip(courses, index.period.tolist(), strict=True)])
        return found

    def _index(self, name: str, own: Label, component: int, where: Label) -> Label:
        group = (self.problem.natural.components[component],) if name in BY_COMPONENT and component >= 0 else ()
        return (*group, *own, *where)


def named_model(problem: Problem, z0: Floats) -> pyo.ConcreteModel:
    """The flat model of a problem, its objective the plan's difference to doing nothing. z0: (columns,) doing nothing."""
    named, assembly = NamedMatrix(problem), problem.assembly
    m = pyo.ConcreteModel(name=problem.plan.name)
    variables = _variables(m, named)
    _constraints(m, named, variables)
    m.add_component(OWN_TERMS, pyo.Expression(pyo.Any))
    m.stages = STAGES[problem.plan.objective.kind]
    m.add_component(PLAN_COST, pyo.Expression(pyo.Any))
    for name in m.stages:
        m.component(PLAN_COST)[name] = plan_cost(named, name, variables, z0)
        m.add_component(name, pyo.Objective(expr=m.component(PLAN_COST)[name]))
    for name in m.stages[1:]:
        getattr(m, name).deactivate()
    assert len(variables) == assembly.shape[1]
    return m


def plan_cost(named: NamedMatrix, aim: str, variables: Sequence[Any], z0: Floats) -> LinearExpression:
    """What an aim of the plan costs beyond doing nothing  [million USD]."""
    cost = objective_costs(named.problem)[aim]
    used = np.flatnonzero(cost[: len(named.columns)])
    return _linear(cost[used] / named.tonnes[used], [variables[k] for k in used.tolist()], -float(cost @ z0))


def add_term(model: pyo.ConcreteModel, name: str, expression: Any) -> None:
    """Let the objective of a model from `build_model` count a term of your own [million USD, discounted], told by its name.

    model: of `build_model`. name: what tables call it. expression: linear in the model's variables or your own.

    Raises ValueError for a name that is taken or none, and for another model.
    """
    terms = model.component(OWN_TERMS) if isinstance(model, pyo.ConcreteModel) else None
    if terms is None:
        raise ValueError("a term is added to a model of build_model, or to the one that `extend` is given")
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"a term needs a name that tables can call it by, not {name!r}")
    if name in terms:
        raise ValueError(f"a term '{name}' is there already")
    terms[name] = expression
    objective = getattr(model, model.stages[0])
    objective.expr = objective.expr + terms[name]


def variables_of(named: NamedMatrix, model: pyo.ConcreteModel) -> list[Any]:
    """(columns,) the variables of a model that was made by `named_model`, or of a copy of it.

    Raises InputError where some are gone.
    """
    found, faults = [], []
    for name, index in named.columns:
        try:
            found.append(model.component(name)[_key(index)])
        except (KeyError, TypeError, AttributeError):
            faults.append(
                Fault("model", "", name, f"no {name}[{', '.join(map(str, index))}]", "the model of this plan")
            )
    if faults:
        raise InputError(faults[:5])
    return found


def _variables(m: pyo.ConcreteModel, named: NamedMatrix) -> list[Any]:
    assembly, tonnes = named.problem.assembly, named.tonnes
    lower, upper = assembly.lower * tonnes, assembly.upper * tonnes
    families: dict[str, list[int]] = {}
    for column, (name, _) in enumerate(named.columns):
        families.setdefault(name, []).append(column)
    found: list[Any] = [None] * len(lower)
    for name, members in families.items():
        keys = [_key(named.columns[k][1]) for k in members]
        domain = pyo.Binary if assembly.integer[members].all() else pyo.Reals
        if domain is pyo.Reals and (lower[members] >= 0).all():
            domain = pyo.NonNegativeReals
        var = pyo.Var(keys, domain=domain, doc=DOCS["variable", name]) if keys != [None] else pyo.Var(domain=domain)
        m.add_component(name, var)
        for key, k in zip(keys, members, strict=True):
            data = var[key]
            data.setlb(None if not np.isfinite(lower[k]) else float(lower[k]))
            data.setub(None if not np.isfinite(upper[k]) else float(upper[k]))
            found[k] = data
    for kind, name in DOCS:  # what is written for any plan finds every family, empty where this plan has none of it
        if kind == "variable" and name not in families:
            m.add_component(name, pyo.Var([], doc=DOCS[kind, name]))
    return found


def _constraints(m: pyo.ConcreteModel, named: NamedMatrix, variables: list[Any]) -> None:
    assembly, tonnes = named.problem.assembly, named.tonnes
    for row, (name, index), unit in named.rows():
        columns, coefficients = row_of(assembly, tonnes, row, unit)
        body = _linear(coefficients, [variables[k] for k in columns], 0.0)
        if m.component(name) is None:
            m.add_component(
                name,
                pyo.Constraint(
                    pyo.Any,
                    doc=DOCS.get(("constraint", name)) or DOCS.get(("constraint", name.removesuffix("_limit")), ""),
                ),
            )
        lower, upper = float(assembly.row_lower[row]) * unit, float(assembly.row_upper[row]) * unit
        if lower == upper:
            limits: Any = (body, lower)
        else:
            limits = (lower if np.isfinite(lower) else None, body, upper if np.isfinite(upper) else None)
        m.component(name)[row_key(index)] = limits


def row_of(assembly: Assembly, tonnes: Floats, row: int, unit: float) -> tuple[Ints, Floats]:
    """(columns, coefficients in tonnes and million USD) of a row. unit: tonnes that the row's unit stands for."""
    entries = slice(assembly.start[row], assembly.start[row + 1])
    columns = assembly.index[entries]
    return columns, assembly.value[entries] * unit / tonnes[columns]


def row_key(index: Label) -> Any:
    """Pyomo's index of a row of the plan."""
    return _key(index) if index else "all"


def _linear(coefficients: Floats, variables: list[Any], constant: float) -> Any:
    return LinearExpression(constant=constant, linear_coefs=coefficients.tolist(), linear_vars=variables)


def _key(index: Label) -> Any:
    """Pyomo's own way to write an index: one name alone, several as a tuple, none at all."""
    return None if not index else index[0] if len(index) == 1 else index
