"""From a compiled problem to a solved one: do-nothing reference, stages of the aim, fixed linear program.

Sections 7 and 8 of the formulation. Nothing here knows Pyomo or the solver's own names.
"""

from __future__ import annotations

import time
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial

from ..core.arrays import Floats
from ..core.logs import logger_of
from ..core.outcome import OnProgress, Outcome
from ..core.timing import Timings
from ..core.units import LEAST_TIME_LIMIT_S
from ..decomposition.lshaped import LShaped
from ..formulation.structure import STAGES
from ..highs.run import Duals, Run, SolvedRun
from ..highs.runtime import canary
from ..model.objectives import denominator, objective_costs
from ..model.problem import Problem, at_undisturbed_prices
from .fixed_lp import too_large, with_commitments
from .protocol import optimum, with_reference
from .reference_plan import reference_model
from .stages import FlatModel, Method, chosen_method, solver_of

LOG = logger_of(__name__)

RESIDUAL_GAP = 5e-3
"""Gap to which the plan without residual worth is sought: it stands beside the plan, to show which projects lean on it."""

MORE_RESIDUAL_S, MOST_RESIDUAL_S = 10.0, 300.0
"""It gets so many seconds more than the plan itself took, and no more than so many."""

SMALL_CREDIT = 1.0
"""Residual credit below this [million USD] decides nothing."""


@dataclass(frozen=True)
class Solved:
    """A solved problem: the point, its bounds, the fixed linear program's duals."""

    problem: Problem
    outcome: Outcome
    x: Floats
    z0: Floats
    """The do-nothing point."""
    without_residual: Floats | None
    """The plan had unexpired life of projects no worth at the end; None where it has none to begin with, or time ran out."""
    undisturbed: Floats | None
    """The best operations for the same commitments were disrupted prices those of the trunk: what is bought then is no bet
    on prices. None where that is the plan's own aim, or was not solved."""
    fixed: SolvedRun | None
    """The linear program of the last stage with commitments fixed; None where it was not solved."""
    prices: Duals | None
    """Duals of the same for the first stage, the plan's main aim; None likewise."""
    costs: dict[str, Floats]
    iterations: int
    nodes: int
    seconds: Timings = field(default_factory=Timings)


def optimise(
    problem: Problem,
    *,
    gap: float,
    time_limit_s: float,
    relax: bool = False,
    method: Method = "auto",
    threads: int = 0,
    executor: Executor | None = None,
    on_progress: OnProgress | None = None,
    z0: Floats | None = None,
) -> Solved:
    """Solve all stages and the fixed linear program.

    z0: (columns,) doing nothing, of a problem that has its limits already (`protocol.with_reference`); None: solved first.

    Raises PlanError for a method that cannot solve the problem (`chosen_method`), InfeasibleError (checked again without presolve),
    StoppedError (a limit before any plan), UntrustedError.
    """
    canary()
    seconds = problem.seconds
    begin = time.perf_counter()

    def left() -> float:
        return max(LEAST_TIME_LIMIT_S, time_limit_s - (time.perf_counter() - begin))

    costs = objective_costs(problem)
    stages = STAGES[problem.plan.objective.kind]
    method = chosen_method(problem, method, integer=not relax)
    LOG.info("method: %s; aims in turn: %s", method, ", ".join(stages))
    reference: FlatModel | LShaped | None = None
    extended = z0 is not None
    if z0 is None:
        with seconds.measure("do nothing"):
            make = partial(solver_of, problem, method=method, threads=threads, executor=executor)
            reference = make(reference_model(problem), costs["social_cost"], integer=False)
            problem, z0 = with_reference(problem, left(), on_progress, reference)
    make = partial(solver_of, problem, method=method, threads=threads, executor=executor)
    with seconds.measure("hand over"):
        if isinstance(reference, LShaped):  # its clusters go on from where they stand
            solver: FlatModel | LShaped = reference
            deadline = time.perf_counter() + left()
            reference.load(problem.structure, problem.assembly, costs[stages[0]], deadline, integer=not relax)
        else:
            del reference  # half of the memory
            solver = make(problem.assembly, costs[stages[0]], integer=not relax)
    undisturbed = without = None
    anew = partial(make, problem.assembly, costs[stages[0]], integer=not relax)
    solver, best = optimum(
        problem, solver, anew, z0, z0, gap=gap, relax=relax, method=method, left=left, on_progress=on_progress
    )
    staged, fixed, run = best.staged, best.fixed, best.staged.run
    with seconds.measure("prices"):
        if not relax and not extended:
            undisturbed = _at_undisturbed_prices(problem, solver, stages[-1], run.x, left())
        priced: Run | None = fixed
        if not relax and len(stages) > 1:
            again = with_commitments(problem, costs[stages[0]], run.x, 0.0)
            priced = seconds.ran("prices", again.run(time_limit_s=left(), phase="prices"))
    if not relax and staged.limited is None and stages[-1] == "social_cost":
        with seconds.measure("residual 0"):
            without = _without_residual(problem, solver, costs["social_cost"], run, z0, gap, left(), on_progress)
    return Solved(
        problem,
        best.outcome,
        best.x,
        z0,
        without,
        undisturbed,
        fixed,
        priced.duals if isinstance(priced, SolvedRun) else None,
        costs,
        staged.iterations,
        staged.nodes,
        seconds,
    )


def _without_residual(
    problem: Problem,
    solver: FlatModel | LShaped,
    cost: Floats,
    run: SolvedRun,
    z0: Floats,
    gap: float,
    time_limit_s: float,
    on_progress: OnProgress | None,
) -> Floats | None:
    """Solve the last stage again with no worth for projects' unexpired life: that credit can decide a project."""
    credit = problem.plan.residual * problem.assembly.costs["residual_credit"]
    if float(credit @ run.x) < SMALL_CREDIT:
        return None
    rough = max(gap, RESIDUAL_GAP)
    again = problem.seconds.ran(
        "residual 0",
        solver.minimise(
            cost + credit,
            run.x,
            gap=rough,
            absolute_gap=rough * denominator(problem, 0.0),
            offset=-float((cost + credit) @ z0),
            time_limit_s=min(time_limit_s, run.seconds + MORE_RESIDUAL_S, MOST_RESIDUAL_S),
            phase="residual 0",
            on_progress=on_progress,
        ),
    )
    return _unless_left_out("the plan without residual worth", again)


def _at_undisturbed_prices(
    problem: Problem, solver: FlatModel | LShaped, last: str, x: Floats, time_limit_s: float
) -> Floats | None:
    """Operations for the commitments of a point, least social cost with every branch at the trunk's prices. x: (columns,)

    None where that is the plan's aim already, and where one solver is too small for all scenarios: a second matrix has no room.
    """
    if not problem.plan.price_gain or problem.plan.objective.kind != "social_cost":
        return None
    if too_large(solver):
        LOG.info("left out: operations at undisturbed prices (too many scenarios for one solver)")
        return None
    other = at_undisturbed_prices(problem)
    other = replace(other, assembly=replace(other.assembly, row_upper=problem.assembly.row_upper))
    model = with_commitments(other, objective_costs(other)[last], x, 0.0)
    again = problem.seconds.ran("prices", model.run(time_limit_s=time_limit_s, phase="undisturbed prices"))
    return _unless_left_out("operations at undisturbed prices", again)


def _unless_left_out(what: str, run: Run) -> Floats | None:
    """(columns,) the best point of a run that stands beside the plan; None where it came to none, which is told."""
    if isinstance(run, SolvedRun) and run.status == "optimal":
        return run.x
    LOG.info("left out: %s (%s)", what, run.status.replace("_", " "))
    return None
