"""The linear program with integers fixed: prices, and a check on the answer."""

from __future__ import annotations

import numpy as np

from ..core.arrays import INF, Floats
from ..core.errors import UntrustedError
from ..decomposition.lshaped import LShaped
from ..highs.run import Run
from ..highs.solver import Model
from ..model.objectives import denominator
from ..model.problem import Problem
from .stages import FlatModel, Staged

LEAST_CHECK_S = 60.0
"""Seconds that the linear program with commitments fixed gets even where the limit is used up: it checks the answer."""


def solve_fixed_lp(
    problem: Problem,
    costs: dict[str, Floats],
    last: str,
    staged: Staged,
    solver: FlatModel | LShaped,
    gap: float,
    time_limit_s: float,
) -> Run:
    """Solve the linear program with the integer commitments at their rounded values: prices, and a check on big-M leaks.

    Too large for one solver, it is solved by the decomposition that found them, as closely as `LShaped.fixed` does.
    """
    run, cost = staged.run, costs[last]
    assert run.x is not None
    assert run.objective is not None
    offset = run.objective - float(cost @ run.x)
    if isinstance(solver, LShaped) and too_large(solver):
        fixed = solver.fixed(
            cost, run.x, gap=gap, absolute_gap=gap * denominator(problem, 0.0), offset=offset, time_limit_s=time_limit_s
        )
    else:
        model = _with_commitments(problem, cost, run, offset)
        for stage, most in staged.slacks:
            used = np.flatnonzero(costs[stage])
            model.add_row(used, costs[stage][used], -INF, most, money=True)
        fixed = model.run(time_limit_s=time_limit_s, phase="prices")
    problem.seconds.ran("prices", fixed)
    if fixed.status == "optimal" and fixed.objective is not None:
        worse = fixed.objective - run.objective
        if worse > 1e-6 * denominator(problem, run.objective):
            raise UntrustedError(
                f"rounding the integer decisions worsens the objective by {worse:g} million USD: the answer leans on tolerances"
            )
        if run.bound > fixed.objective + 1e-6 * denominator(problem, run.objective):
            raise UntrustedError(
                f"the solver's bound lies {run.bound - fixed.objective:g} million USD above a plan: it leans on tolerances"
            )
        return fixed
    if fixed.status in ("infeasible", "infeasible_or_unbounded"):
        raise UntrustedError(
            "the integer decisions, rounded, leave no feasible operations: the answer leans on tolerances"
        )
    return fixed


def too_large(solver: FlatModel | LShaped) -> bool:
    """Whether scenarios are too many for one solver."""
    return isinstance(solver, LShaped) and not solver.parts.kept


def _with_commitments(problem: Problem, cost: Floats, run: Run, offset: float) -> Model:
    """The linear program in which the integer decisions of a run stand, rounded."""
    assert run.x is not None
    model = Model(problem.assembly, cost, integer=False, offset=offset)
    binaries = np.flatnonzero(problem.assembly.integer)
    at = np.round(run.x[binaries])
    model.set_bounds(binaries, at, at)
    return model
