"""The road back from a Pyomo model that any solver has solved: decisions read, bounded, priced and audited like our own."""

from __future__ import annotations

import math
import numbers
import time
from typing import Any

import numpy as np

from ..checks.consistency import require
from ..core.arrays import Floats
from ..core.errors import Fault, InputError, PlanError, UntrustedError, shown
from ..core.logs import logger_of
from ..core.outcome import Outcome, Reason
from ..core.runner import current
from ..core.timing import TOTAL
from ..data.dataset import Dataset
from ..formulation.structure import STAGES
from ..highs.run import SolvedRun
from ..highs.settings import TOLERANCES
from ..model.objectives import denominator, objective_costs
from ..model.own_checks import WHOLE, raise_first
from ..model.own_parts import OwnParts, own_parts
from ..model.problem import Problem, prepare
from ..model.template import PYOMO_LOCK
from ..optimization.fixed_lp import with_commitments
from ..optimization.optimise import Solved
from ..optimization.protocol import with_reference
from ..optimization.reference_ties import with_tail
from ..optimization.stages import FlatModel
from ..schemas.plan import Plan
from .answers import answer, read
from .own_table import SETTLED

LOG = logger_of(__name__)
SAME = 1e-6
"""Difference of two objectives that is rounding, as a share of their size."""


def parts_of_model(plan: Plan, data: Dataset, model: Any, *, solver: str, bound_musd: float | None) -> dict[str, Any]:
    """Fields of a `Result`; as `Result.from_model`."""
    if bound_musd is not None and (
        not isinstance(bound_musd, numbers.Real) or isinstance(bound_musd, bool) or not math.isfinite(bound_musd)
    ):
        expected = "the lower bound that the solver proved  [million USD], or None"
        raise InputError([Fault("from_model", "", "bound_musd", shown(bound_musd), expected)])
    require(plan, data)
    begin = time.perf_counter()
    stages = STAGES[plan.objective.kind]
    if len(stages) > 1:
        expected = "a plan with one aim: of several, a model holds the first alone"
        raise PlanError([Fault("plan", "", "objective.kind", plan.objective.kind, expected)])
    problem, z0 = with_reference(prepare(plan, data), current().left())
    with PYOMO_LOCK:
        own = own_parts(problem, model, z0)
    x, z0 = _point(own), np.append(z0, np.zeros(len(own.added)))
    x = with_tail(own.problem.structure, own.problem.assembly, x)
    _require_rows(own, x)
    costs = objective_costs(own.problem)
    cost = costs[stages[0]]
    if bound_musd is None:
        bound = _relaxed(own, cost, current().left()) - float(cost @ z0)
    else:
        bound = float(bound_musd) - own.constant - float(own.cost @ z0)
    fixed = with_commitments(own.problem, cost, x, 0.0).run(time_limit_s=current().left(), phase="prices")
    if not isinstance(fixed, SolvedRun):
        raise UntrustedError(
            f"beside the whole decisions, rounded, there are no operations that keep all rules ({fixed.status})"
        )
    # prices are those of the best operations beside these decisions: of worse ones there are none
    stands, settled = float(cost @ x), float(fixed.objective)
    best = stands - settled <= WHOLE * (1 + abs(settled))

    def told(at: Floats, found: str) -> dict[str, Any]:
        outcome = _outcome(problem, stages[0], cost, at, z0, bound)
        priced, duals = (fixed, fixed.duals) if best else (None, None)
        solved = Solved(own.problem, outcome, at, z0, None, None, priced, duals, costs, 0, 0, own.problem.seconds)
        asked = {"gap": outcome.relative_gap, "relax": False, "method": "flat"}
        return answer(read(solved, own, solver, found), {**asked, **TOLERANCES})

    again = with_tail(own.problem.structure, own.problem.assembly, fixed.x)
    if best and stands < settled - SAME * (1 + abs(settled)) and _whole(own, x):  # it gains by missing rows
        found = told(again, SETTLED)
    else:
        try:
            found = told(x, "")
        except UntrustedError as error:
            if not best or not _whole(own, x):
                raise
            LOG.info("the point of %s is settled again: %s", solver, error)
            found = told(again, SETTLED)
    seconds = own.problem.seconds
    seconds.phases[TOTAL] = time.perf_counter() - begin
    return {**found, "seconds": dict(seconds.phases), "profile": seconds.frame()}


def _outcome(problem: Problem, aim: str, cost: Floats, x: Floats, z0: Floats, bound: float) -> Outcome:
    """How close a point is to a bound, both against doing nothing. Raises UntrustedError for a bound that lies above it."""
    nothing = float(cost @ z0)
    objective = float(cost @ x) - nothing
    if bound > objective + SAME * denominator(problem, objective):
        raise UntrustedError(f"the bound {bound:g} lies above the plan, {objective:g} million USD")
    bound = min(bound, objective)
    gap = (objective - bound) / denominator(problem, objective)
    reason: Reason = "optimal" if gap <= 1e-9 else "within_gap"
    return Outcome(reason, objective, bound, gap, nothing, False, ((aim, objective, bound, gap),), "flat")


def _require_rows(own: OwnParts, x: Floats) -> None:
    """Raise UntrustedError where a point breaks a row by more than rounding, which names the row."""
    assembly = own.problem.assembly
    row = np.repeat(np.arange(len(assembly.row_lower)), np.diff(assembly.start))
    terms = assembly.value * x[assembly.index]
    value = np.bincount(row, terms, len(assembly.row_lower))
    size = np.zeros(len(assembly.row_lower))
    np.maximum.at(size, row, np.abs(terms))
    beyond = np.maximum(assembly.row_lower - value, value - assembly.row_upper) / (1 + size)
    worst = int(beyond.argmax()) if len(beyond) else 0
    if not len(beyond) or beyond[worst] <= WHOLE:
        return
    missed = float(beyond[worst] * (1 + size[worst]))
    mine = next((one for one in own.rows if one.row == worst), None)
    if mine is not None:
        name, missed = mine.name, missed / mine.factor
    else:
        family, index, unit = next((*place, unit) for row, place, unit in own.named.rows() if row == worst)
        name, missed = f"{family}[{','.join(map(str, index))}] of the plan", missed * unit
    raise UntrustedError(f"the values of the model are no answer: the constraint {name} is broken by {missed:g}")


def _point(own: OwnParts) -> Floats:
    """(columns,) the values of a model's variables in the solver's units. Raises InputError where some have none."""
    tonnes = np.append(own.named.tonnes, np.ones(len(own.added)))
    faults, values = [], np.zeros(len(tonnes))
    whole = own.problem.assembly.integer
    for k, variable in enumerate(own.variables):
        value = variable.value
        if value is None or not math.isfinite(value):
            faults.append(
                Fault("model", "", variable.name, "no value" if value is None else f"{value}", "a solved model")
            )
            continue
        values[k] = value / tonnes[k]
        if whole[k] and abs(values[k] - round(values[k])) <= WHOLE:
            values[k] = round(values[k])
    raise_first(faults)
    return np.clip(values, own.problem.assembly.lower, own.problem.assembly.upper) if _close(own, values) else values


def _whole(own: OwnParts, x: Floats) -> bool:
    """Whether whole decisions are whole but for rounding, and all values within their bounds likewise."""
    decided = x[own.problem.assembly.integer]
    return bool((np.abs(decided - np.round(decided)) <= WHOLE).all()) and _close(own, x)


def _close(own: OwnParts, values: Floats) -> bool:
    """Whether values leave their bounds by no more than rounding."""
    lower, upper = own.problem.assembly.lower, own.problem.assembly.upper
    return bool((np.maximum(lower - values, values - upper) <= WHOLE * (1 + np.abs(values))).all())


def _relaxed(own: OwnParts, cost: Floats, time_limit_s: float) -> float:
    """Least cost of the linear relaxation [million USD]."""
    run = FlatModel(own.problem.assembly, cost, integer=False).minimise(
        cost, None, gap=0.0, absolute_gap=0.0, time_limit_s=time_limit_s, phase="relaxation"
    )
    if not isinstance(run, SolvedRun):
        raise UntrustedError(f"the linear relaxation, which bounds the plan, has no answer ({run.status})")
    return float(run.bound)
