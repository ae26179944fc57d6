"""The road back from a Pyomo model that any solver has solved: decisions read, bounded, priced and audited like our own."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from ..checks.consistency import require
from ..core.arrays import Floats
from ..core.errors import Fault, InputError, PlanError, UntrustedError
from ..core.outcome import Outcome, Reason
from ..core.timing import TOTAL
from ..data.dataset import Dataset
from ..formulation.structure import STAGES
from ..highs.run import SolvedRun
from ..highs.settings import TOLERANCES
from ..model.objectives import denominator, objective_costs
from ..model.own_parts import OwnParts, own_parts
from ..model.problem import prepare
from ..model.template import PYOMO_LOCK
from ..optimization.fixed_lp import with_commitments
from ..optimization.optimise import Solved
from ..optimization.protocol import with_reference
from ..optimization.reference_ties import with_tail
from ..optimization.stages import FlatModel
from ..schemas.plan import Plan
from .answers import answer, read

WHOLE = 1e-5
"""Distance from a whole number that is another solver's rounding."""
SAME = 1e-6
"""Difference of two objectives that is rounding, as a share of their size."""


def parts_of_model(
    plan: Plan, data: Dataset, model: Any, *, solver: str, bound_musd: float | None, time_limit_s: float
) -> dict[str, Any]:
    """Fields of a `Result`; as `Result.from_model`."""
    require(plan, data)
    begin = time.perf_counter()
    stages = STAGES[plan.objective.kind]
    if len(stages) > 1:
        expected = "a plan with one aim: of several, a model holds the first alone"
        raise PlanError([Fault("plan", "", "objective.kind", plan.objective.kind, expected)])
    problem, z0 = with_reference(prepare(plan, data), time_limit_s)
    with PYOMO_LOCK:
        own = own_parts(problem, model, z0)
    x, z0 = _point(own), np.append(z0, np.zeros(len(own.added)))
    x = with_tail(own.problem.structure, own.problem.assembly, x)
    costs = objective_costs(own.problem)
    cost = costs[stages[0]]
    without, beside = float(cost @ z0), own.constant + float(own.cost @ z0)
    objective = float(cost @ x) - without
    bound = _relaxed(own, cost, time_limit_s) - without if bound_musd is None else bound_musd - beside
    if bound > objective + SAME * denominator(problem, objective):
        raise UntrustedError(f"the bound {bound:g} lies above the plan, {objective:g} million USD")
    bound = min(bound, objective)
    gap = (objective - bound) / denominator(problem, objective)
    fixed = with_commitments(own.problem, cost, x, 0.0).run(time_limit_s=time_limit_s, phase="prices")
    if not isinstance(fixed, SolvedRun):
        raise UntrustedError(
            f"beside the whole decisions, rounded, there are no operations that keep all rules ({fixed.status})"
        )
    reason: Reason = "optimal" if gap <= 1e-9 else "within_gap"
    outcome = Outcome(reason, objective, bound, gap, without, False, ((stages[0], objective, bound, gap),), "flat")
    # prices are those of the best operations beside these decisions: of others there are none
    best = math.isclose(float(cost @ x), fixed.objective, rel_tol=SAME, abs_tol=SAME)
    priced, duals = (fixed, fixed.duals) if best else (None, None)
    solved = Solved(own.problem, outcome, x, z0, None, None, priced, duals, costs, 0, 0, own.problem.seconds)
    options: dict[str, Any] = {"gap": gap, "time_limit_s": time_limit_s, "relax": False, "method": "flat", **TOLERANCES}
    found = answer(read(solved, own, solver), options)
    seconds = own.problem.seconds
    seconds.phases[TOTAL] = time.perf_counter() - begin
    return {**found, "seconds": dict(seconds.phases), "profile": seconds.frame()}


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
            if len(faults) == 5:
                break
            continue
        values[k] = value / tonnes[k]
        if whole[k] and abs(values[k] - round(values[k])) <= WHOLE:
            values[k] = round(values[k])
    if faults:
        raise InputError(faults)
    return np.clip(values, own.problem.assembly.lower, own.problem.assembly.upper) if _close(own, values) else values


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
