"""How every solve of a plan goes, whoever asks: the do-nothing reference first, what is measured against it put in place, then all
stages of the aim, the linear program with integers fixed, and the outcome.

`optimise` (a whole plan), `Session` (variants), `diagnose`, `build_model` and price ranging take their steps from here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..core.arrays import Floats
from ..core.errors import UntrustedError
from ..core.logs import logger_of
from ..core.outcome import OnProgress, Outcome
from ..decomposition.lshaped import LShaped
from ..formulation.structure import STAGES
from ..highs.run import SolvedRun
from ..model.objectives import objective_costs
from ..model.problem import Problem
from .fixed_lp import LEAST_CHECK_S, solve_fixed_lp
from .reference_plan import cap_trunk_shortfall, solve_reference
from .reference_ties import with_tail
from .stages import SLACKS_TRIED, FlatModel, Staged, outcome_of, stage_by_stage

LOG = logger_of(__name__)


@dataclass(frozen=True)
class Optimum:
    """The best point of a problem, and how it was found."""

    x: Floats
    """(columns,)"""
    outcome: Outcome
    staged: Staged
    fixed: SolvedRun | None
    """The linear program of the last stage with integers fixed; None of a relaxation, and where a limit ended it."""


def with_reference(
    problem: Problem,
    time_limit_s: float,
    on_progress: OnProgress | None = None,
    solver: FlatModel | LShaped | None = None,
) -> tuple[Problem, Floats]:
    """(the problem with the limits that are measured against the do-nothing reference, that reference: (columns,)).

    solver: has `reference_model` loaded; None: a flat one is made. Raises as `solve_reference`.
    """
    z0 = solve_reference(problem, objective_costs(problem)["social_cost"], time_limit_s, on_progress, solver)
    return cap_trunk_shortfall(problem, z0), z0


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
    prices: bool = True,
    on_progress: OnProgress | None = None,
) -> tuple[FlatModel | LShaped, Optimum]:
    """(the solver in the end, what it found) of a problem with its reference z0.

    solver: has the problem loaded; anew: loads another one. left: tells the seconds left. prices: False, without the linear program
    with integers fixed where the search itself has made them whole and all else at its best beside them. Raises InfeasibleError,
    StoppedError and UntrustedError where there is no answer.
    """
    costs = objective_costs(problem)
    solver, staged, fixed = _stages_met(
        problem, solver, anew, costs, z0, start, gap=gap, relax=relax, left=left, prices=prices, on_progress=on_progress
    )
    x = with_tail(problem.structure, problem.assembly, (fixed or staged.run).x)
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
    prices: bool,
    on_progress: OnProgress | None = None,
) -> tuple[FlatModel | LShaped, Staged, SolvedRun | None]:
    """(solver, all stages, the linear program with integers fixed; None of a relaxation, where it is not asked for, and where a
    limit ended it).

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
            if relax or (not prices and _settled(problem, solver, staged)):
                return solver, staged, None
            with seconds.measure("prices"):
                fixed = solve_fixed_lp(problem, costs, stages[-1], staged, solver, gap, max(left(), LEAST_CHECK_S))
        except UntrustedError as error:
            if len(stages) == 1 or slack == SLACKS_TRIED[-1]:
                raise
            LOG.warning("the aims are met again with more slack than %g: %s", slack, error)
            solver = anew()
        else:
            return solver, staged, fixed
    raise AssertionError("the last slack either gives an answer or raises")


def _settled(problem: Problem, solver: FlatModel | LShaped, staged: Staged) -> bool:
    """Whether a search has made its integers exact and asked what all else costs beside them: a decomposition does, as far as a
    start that it was given and did not better was exact."""
    x = staged.run.x[problem.assembly.integer]
    return isinstance(solver, LShaped) and bool((x == np.round(x)).all())
