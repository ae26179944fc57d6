"""The stages of an aim, minimised one after the other by the flat model or by decomposition (formulation section 7)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from ..core.arrays import INF, Floats
from ..core.errors import Fault, PlanError, UntrustedError
from ..core.logs import logger_of
from ..core.outcome import OnProgress, Outcome, Progress, Reason
from ..decomposition.lshaped import LShaped
from ..decomposition.subproblems import limits_losses, separable
from ..formulation.structure import STAGES, Structure
from ..highs.run import Run, SolvedRun, UnsolvedRun
from ..highs.solver import Model
from ..model.assembly import Assembly
from ..model.objectives import denominator
from ..model.problem import Problem
from .infeasibility import NO_POINT, culprits, no_answer
from .reference_ties import Face

LOG = logger_of(__name__)

Method = Literal["flat", "decomposed", "auto"]
"""One model for all scenarios; master and clusters (`decomposition`); whichever is expected to be faster."""


LEAST_SCENARIOS = {True: 4, False: 25}
LEAST_COLUMNS = 20_000
"""Scenarios outside the master, with integers and without, and columns in all, from which `auto` decomposes.

Calibrated on the shipped plans (`tests/benchmarks/solve_time.py`): relaxations are as fast by either method at 25 scenarios.
"""

LEAST_GAP = 1e-6
"""Relative gap that is rounding."""

LEAST_SLACK = 1e-9
"""Of the terms that make up an aim, and no less than of a million USD: sums of a million terms and rows kept to the solver's
tolerance leave a point beside its own value."""

SLACKS_TRIED = (LEAST_SLACK, 1e-7, 1e-6, 1e-5, 1e-4)
"""Least slacks tried in turn where the solver's bound for a later aim lies above a plan: under a limit that leaves next to nothing
HiGHS 1.16 has called a point optimal that is 2,600 million USD from the best (found on a random plan)."""

Carry = Callable[[Any, Any], tuple[Any, Any]]
"""(columns, rows) statuses of one model -> those of another."""


class FlatModel:
    """The model as it stands, asked again and again with other costs."""

    def __init__(self, assembly: Assembly, cost: Floats, *, integer: bool) -> None:
        self._assembly, self._model = assembly, Model(assembly, cost, integer=integer)

    def load(self, assembly: Assembly, cost: Floats, carry: Carry | None = None) -> None:
        """Take another model in the place of this one, without the limits that were held; the last basis is its start.

        carry: turns the last basis into a guess for a model of another size.
        """
        self._assembly = assembly
        guess = None if carry is None or not self._model.linear else carry(*self._model.basis())
        self._model.load(assembly, cost)
        if guess is not None:
            with suppress(UntrustedError):  # a guess that the solver refuses is none
                self._model.set_basis(*guess)

    def minimise(
        self,
        cost: Floats,
        start: Floats | None,
        *,
        gap: float,
        absolute_gap: float,
        offset: float = 0.0,
        time_limit_s: float = 3600.0,
        phase: str = "solve",
        on_progress: OnProgress | None = None,
        presolve: bool = True,
    ) -> Run:
        """The best point; as `LShaped.minimise`, but for the start: HiGHS 1.16 has answered a point that it was given with
        the point, called optimal, and an objective 210 million USD better than it (found on a random plan).
        """
        self._model.set_cost(cost, offset)
        return self._model.run(
            time_limit_s=time_limit_s,
            gap=gap,
            absolute_gap=absolute_gap,
            phase=phase,
            on_progress=on_progress if self._model.linear else told_of_plans(on_progress),
            presolve=presolve,
        )

    def face(self, cost: Floats, run: SolvedRun) -> Face:
        """The points that cost as little as the one that it has just answered with; its bounds narrow until another model comes."""
        return Face(self._model, self._assembly, cost, run)

    def limit(self, cost: Floats, most: float) -> None:
        """Hold an aim at or below a value from now on."""
        used = np.flatnonzero(cost)
        self._model.add_row(used, cost[used], -INF, most, money=True)


def told_of_plans(on_progress: OnProgress | None) -> OnProgress | None:
    """What tells the log each better plan on its way to the caller; the caller's own where nobody reads the log."""
    if not LOG.isEnabledFor(logging.INFO):
        return on_progress
    best = [np.inf]

    def tell(progress: Progress) -> Any:
        if progress.incumbent is not None and progress.incumbent < best[0]:
            best[0] = progress.incumbent
            bound = "none" if progress.bound is None else f"{progress.bound:.3f}"
            LOG.info(
                "%s: plan of %.3f million USD, bound %s, after %.3f s", progress.phase, best[0], bound, progress.seconds
            )
        return None if on_progress is None else on_progress(progress)

    return tell


def decomposition_pays(structure: Structure, assembly: Assembly, *, integer: bool) -> bool:
    """Whether taking a model apart is expected to be faster: from as many scenarios, and columns, as measured."""
    apart = int((~structure.scenarios.design_basis).sum())
    return apart >= LEAST_SCENARIOS[integer] and len(assembly.lower) >= LEAST_COLUMNS


def chosen_method(problem: Problem, method: Method, *, integer: bool) -> Literal["flat", "decomposed"]:
    """How to solve: as asked, or by the calibrated rule of `decomposition_pays`.

    PlanError where decomposition is asked for and impossible: several aims in turn, a limit on losses that binds scenarios
    together, or constraints of a caller's own on what is done in scenarios. ValueError for a method that is none.
    """
    if method not in get_args(Method):
        raise ValueError(f"method must be one of {', '.join(get_args(Method))}, not {method!r}")
    hindrance = _hindrance(problem)
    if method == "decomposed" and hindrance:
        raise PlanError([Fault("plan", "", *hindrance)])
    if method == "auto":
        return (
            "decomposed"
            if not hindrance and decomposition_pays(problem.structure, problem.assembly, integer=integer)
            else "flat"
        )
    return "decomposed" if method == "decomposed" else "flat"


def _hindrance(problem: Problem) -> tuple[str, str, str] | None:
    """(field, found, expected) of what keeps a model from being taken apart; None: nothing does."""
    kind, otherwise = problem.plan.objective.kind, "or method 'flat' or 'auto'"
    if len(STAGES[kind]) > 1:
        return "objective", kind, f"social_cost without a limit on losses, {otherwise}"
    if limits_losses(problem.assembly):
        return "objective", "a limit on losses", f"social_cost without such a limit, {otherwise}"
    if not separable(problem.structure, problem.assembly):
        found = "constraints of one's own on what is done in scenarios"
        return "method", found, f"those on commitments and the course 'base' alone, {otherwise}"
    return None


def solver_of(
    problem: Problem,
    assembly: Assembly,
    cost: Floats,
    method: Method,
    *,
    integer: bool,
    threads: int = 0,
    executor: Executor | None = None,
) -> FlatModel | LShaped:
    """What minimises a model of the problem's columns. threads, executor: for clusters of scenarios, as `LShaped`."""
    if method == "decomposed":
        return LShaped(problem.structure, assembly, cost, integer=integer, threads=threads, executor=executor)
    return FlatModel(assembly, cost, integer=integer)


@dataclass(frozen=True)
class Staged:
    """All stages of an aim."""

    run: SolvedRun
    """The last one."""
    reports: tuple[tuple[str, float, float, float], ...]
    """(stage, objective, bound, relative gap), each against Z0."""
    slacks: tuple[tuple[str, float], ...]
    """(stage, most) that later stages may cost the earlier ones."""
    limited: Reason | None
    """Why the search ended early; None where it did not."""
    iterations: int
    nodes: int


def stage_by_stage(
    problem: Problem,
    solver: FlatModel | LShaped,
    costs: dict[str, Floats],
    z0: Floats,
    start: Floats | None,
    *,
    gap: float,
    relax: bool,
    left: Callable[[], float],
    on_progress: OnProgress | None = None,
    least_slack: float = LEAST_SLACK,
) -> Staged:
    """Minimise each stage, the earlier ones held within their slack, at least `least_slack` of the terms that make up an aim.
    `left` tells the seconds left.

    Raises InfeasibleError, StoppedError and UntrustedError where the first stage has no answer.
    """
    stages, slack = STAGES[problem.plan.objective.kind], problem.plan.objective.stage_slack
    reports: list[tuple[str, float, float, float]] = []
    slacks: list[tuple[str, float]] = []
    runs: list[SolvedRun] = []
    iterations = nodes = 0
    limited: Reason | None = None
    ended: dict[str, Reason] = {"time_limit": "time_limit", "limit": "stalled"}

    def minimised(stage: str, presolve: bool = True) -> Run:
        now = solver.minimise(
            costs[stage],
            runs[-1].x if runs else start,
            gap=gap,
            absolute_gap=gap * denominator(problem, 0.0),
            offset=-float(costs[stage] @ z0),
            time_limit_s=left(),
            phase=stage,
            on_progress=on_progress,
            **({} if presolve else {"presolve": False}),
        )
        problem.seconds.ran("solve", now)
        return now

    for n, stage in enumerate(stages):
        now = minimised(stage)
        if runs and now.status in NO_POINT:  # the stage before has a point that keeps every row: rounding hides it
            LOG.warning("%s: asked again without presolve, since it was called %s", stage, now.status)
            now = minimised(stage, presolve=False)
        iterations, nodes = iterations + now.iterations, nodes + now.nodes
        if runs and now.status in NO_POINT:
            raise UntrustedError(f"the solver finds no point for the aim '{stage}' where the aim before it has one")
        if isinstance(now, UnsolvedRun):
            if runs and now.status in ("time_limit", "interrupted"):
                limited = "time_limit" if now.status == "time_limit" else "interrupted"
                LOG.info("left out: %s and what comes after it (%s)", stage, now.status.replace("_", " "))
                break
            raise no_answer(now, problem, stage, lambda: culprits(problem, relax, left()), left(), relax=relax)
        runs.append(now)
        relative = (now.objective - now.bound) / denominator(problem, now.objective)
        reports.append((stage, now.objective, now.bound, relative))
        LOG.info(
            "%s: %s, objective %.3f, bound %.3f million USD against the reference, gap %.2g, %d nodes, %d iterations, %.3f s",
            stage,
            now.status.replace("_", " "),
            now.objective,
            now.bound,
            relative,
            now.nodes,
            now.iterations,
            now.seconds,
        )
        if now.status == "optimal" and relative > max(gap, LEAST_GAP) * (1 + gap) + LEAST_GAP:
            limited = "stalled"  # called optimal, and farther from its own bound than was asked
        elif now.status != "optimal":
            limited = ended.get(now.status, "interrupted")
        if n < len(stages) - 1:
            allowed = _allowed(costs[stage], now.x, gap if slack is None else slack, least_slack)
            slacks.append((stage, float(costs[stage] @ now.x) + allowed))
            assert isinstance(solver, FlatModel)
            solver.limit(costs[stage], slacks[-1][1])
    return Staged(runs[-1], tuple(reports), tuple(slacks), limited, iterations, nodes)


def _allowed(cost: Floats, x: Floats, slack: float, least: float) -> float:
    """What later aims may add to an aim that stands at x: the slack, and no less than what rounding can hide  [million USD]."""
    return max(slack * max(abs(float(cost @ x)), 1.0), least * max(1.0, float(np.abs(cost * x).sum())))


def outcome_of(
    problem: Problem,
    staged: Staged,
    costs: dict[str, Floats],
    z0: Floats,
    x: Floats,
    *,
    relax: bool,
    method: Literal["flat", "decomposed"],
) -> Outcome:
    """What a search came to at a point x, the plan: every aim's difference to doing nothing is that of the plan, which may lie
    above what its own stage found by the slack that later aims may use.
    """
    reports = []
    for stage, _, bound, _ in staged.reports:
        objective = float(costs[stage] @ x - costs[stage] @ z0)
        bound = min(bound, objective)
        reports.append((stage, objective, bound, (objective - bound) / denominator(problem, objective)))
    last, objective, bound, relative = reports[-1]
    complete = staged.limited is None and len(reports) == len(STAGES[problem.plan.objective.kind])
    reason: Reason = ("optimal" if relative <= 1e-9 else "within_gap") if complete else staged.limited or "time_limit"
    return Outcome(reason, objective, bound, max(0.0, relative), float(costs[last] @ z0), relax, tuple(reports), method)
