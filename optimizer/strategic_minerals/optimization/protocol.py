"""How every solve of a plan goes, whoever asks: the do-nothing reference first, what is measured against it put in place, then all
stages of the aim, the linear program with integers fixed, and the outcome.

`optimise` (a whole plan), `Session` (variants), `diagnose`, `build_model` and price ranging take their steps from here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..core.arrays import Floats
from ..core.errors import UntrustedError
from ..core.outcome import OnProgress, Outcome
from ..decomposition.lshaped import LShaped
from ..formulation.structure import STAGES
from ..highs.run import Run
from ..model.objectives import objective_costs
from ..model.problem import Problem
from .fixed_lp import LEAST_CHECK_S, solve_fixed_lp
from .reference_plan import cap_trunk_shortfall, solve_reference
from .reference_ties import with_tail
from .stages import SLACKS_TRIED, FlatModel, Staged, outcome_of, stage_by_stage


@dataclass(frozen=True)
class Optimum:
    """The best point of a problem, and how it was found."""

    x: Floats
    """(columns,)"""
    outcome: Outcome
    staged: Staged
    fixed: Run | None
    """The linear program of the last stage with integers fixed; None of a relaxation."""


def with_reference(
    problem: Problem,
    time_limit_s: float,
    on_progress: OnProgress | None = None,
    solver: FlatModel | LShaped | None = None,
) -> Floats:
    """(columns,) the do-nothing reference, after which the problem holds the limits that are measured against it.

    solver: has `reference_model` loaded; None: a flat one is made. Raises as `solve_reference`.
    """
    z0 = solve_reference(problem, objective_costs(problem)["social_cost"], time_limit_s, on_progress, solver)
    cap_trunk_shortfall(problem, z0)
    return z0


def optimum(
    problem: Problem,
    solver: FlatModel | LShaped,
    anew: Callable[[], FlatModel | LShaped],
    z0: Floats,
    start: Floats | None,
    *,
    gap: float,
    relax: bool,
    method: Literal["flat", "decomposed"],
    left: Callable[[], float],
    on_progress: OnProgress | None = None,
) -> tuple[FlatModel | LShaped, Optimum]:
    """(the solver in the end, what it found) of a problem with its reference z0.

    solver: has the problem loaded; anew: loads another one. left: tells the seconds left. Raises InfeasibleError, StoppedError and
    UntrustedError where there is no answer.
    """
    costs = objective_costs(problem)
    solver, staged, fixed = _stages_met(
        problem, solver, anew, costs, z0, start, gap=gap, relax=relax, left=left, on_progress=on_progress
    )
    x = staged.run.x if fixed is None or fixed.x is None else fixed.x
    assert x is not None
    x = with_tail(problem.structure, problem.assembly, x)
    return solver, Optimum(x, outcome_of(problem, staged, costs, z0, x, relax=relax, method=method), staged, fixed)


def _stages_met(
    problem: Problem,
    solver: FlatModel | LShaped,
    anew: Callable[[], FlatModel | LShaped],
    costs: dict[str, Floats],
    z0: Floats,
    start: Floats | None,
    *,
    gap: float,
    relax: bool,
    left: Callable[[], float],
    on_progress: OnProgress | None = None,
) -> tuple[FlatModel | LShaped, Staged, Run | None]:
    """(solver, all stages, the linear program with integers fixed; None of a relaxation).

    anew: loads another solver, for aims that have to be met again with more slack (`SLACKS_TRIED`). Raises as `stage_by_stage` and
    `solve_fixed_lp`.
    """
    stages, seconds = STAGES[problem.plan.objective.kind], problem.seconds
    for slack in SLACKS_TRIED if len(stages) > 1 else SLACKS_TRIED[:1]:
        try:
            with seconds.measure("solve"):
                staged = stage_by_stage(
                    problem,
                    solver,
                    costs,
                    z0,
                    start,
                    gap=gap,
                    relax=relax,
                    left=left,
                    on_progress=on_progress,
                    least_slack=slack,
                )
            if relax:
                return solver, staged, None
            with seconds.measure("prices"):
                fixed = solve_fixed_lp(problem, costs, stages[-1], staged, solver, gap, max(left(), LEAST_CHECK_S))
        except UntrustedError:
            if len(stages) == 1 or slack == SLACKS_TRIED[-1]:
                raise
            solver = anew()
        else:
            return solver, staged, fixed
    raise AssertionError("the last slack either gives an answer or raises")
