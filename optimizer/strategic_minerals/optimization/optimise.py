"""From a compiled problem to a solved one: do-nothing reference, stages of the aim, fixed linear program.

Sections 7 and 8 of the formulation. Nothing here knows Pyomo or the solver's own names.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from ..core.errors import UntrustedError
from ..core.timing import Seconds
from ..decomposition.evaluator import Decomposition
from ..formulation.structure import STAGES
from ..highs.runtime import canary
from ..highs.solver import Model, OnProgress, Run
from ..instance.instance import Floats, Ints
from ..model.assembly import Assembly
from ..model.problem import Outcome, Problem, at_undisturbed_prices, denominator, objective_costs
from ..model.template import INF
from .infeasibility import NO_POINT, no_answer
from .reference_ties import dearer, settled, settled_apart, with_tail
from .stages import ROOMS, Flat, Method, Staged, chosen_method, solver_of, stage_by_stage, verdict

REFERENCE_GAP = 1e-9
"""Relative gap to which a decomposed do-nothing reference is solved; the flat one is exact."""

LEAST_CHECK_S = 60.0
"""Seconds that the linear program with commitments fixed gets even where the limit is used up: it checks the answer."""

RESIDUAL_GAP = 5e-3
"""Gap to which the plan without residual worth is sought: it stands beside the plan, to show which projects lean on it."""

MORE_RESIDUAL_S, MOST_RESIDUAL_S = 10.0, 300.0
"""It gets so many seconds more than the plan itself took, and no more than so many."""

SMALL_CREDIT = 1.0
"""Residual credit below this [million USD] decides nothing."""

RELAXED_IN_Z0 = (
    "service_level", "cvar_limit", "expected_loss_limit", "supplier_share", "trunk_shortfall", "days_of_cover", "project_logic",
)  # fmt: skip
"""Constraint families that the do-nothing reference leaves out."""


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
    fixed: Run | None
    """The linear program of the last stage with commitments fixed; None where it was not solved."""
    priced: Run | None
    """The same for the first stage, the plan's main aim: its duals are the prices. The same run where there is one stage."""
    costs: dict[str, Floats]
    iterations: int
    nodes: int
    seconds: Seconds = field(default_factory=Seconds)


def do_nothing(
    problem: Problem, cost: Floats, time_limit_s: float, on_progress: OnProgress | None = None,
    solver: Flat | Decomposition | None = None,
) -> Floats:  # fmt: skip
    """The reference Z0: no discretionary commitment, nothing bought, baseline projects built, operations optimised; the one of all
    that cost the same that `canonical` names.

    solver: has `reference_model` loaded; None: the flat model.
    """
    begin = time.perf_counter()
    assembly, layout = reference_model(problem), problem.layout
    solver = solver or Flat(assembly, cost, integer=False)
    run = problem.seconds.ran("do nothing", solver.minimise(
        cost, None, gap=REFERENCE_GAP, absolute_gap=0.0, time_limit_s=time_limit_s, phase="do nothing", on_progress=on_progress
    ))  # fmt: skip
    if run.status != "optimal" or run.x is None:
        if run.status in NO_POINT:
            raise UntrustedError("the solver finds no point for doing nothing, which keeps every rule by construction: not trusted")
        raise no_answer(replace(run, bound=-math.inf), problem, "the do-nothing reference", list, time_limit_s)

    def left() -> float:
        return max(LEAST_CHECK_S, time_limit_s - (time.perf_counter() - begin))

    if isinstance(solver, Decomposition):
        x = settled_apart(solver, cost, run.x, left)
    else:
        x = settled(solver.face(cost, run), layout, assembly, lambda whole: whole, left)
    x = with_tail(layout, assembly, x)
    if dearer(cost, run.x, x):
        raise UntrustedError("the reference without a plan became dearer when its ties were broken")
    return x


def reference_model(problem: Problem) -> Assembly:
    """The model of doing nothing: decisions fixed, demands on the plan left out."""
    assembly, support = problem.assembly, problem.layout.support
    lower, upper = assembly.lower.copy(), assembly.upper.copy()
    row_lower, row_upper = assembly.row_lower.copy(), assembly.row_upper.copy()
    for family in RELAXED_IN_Z0:
        rows = assembly.rows_of(family)
        row_lower[rows], row_upper[rows] = -INF, INF
    zero = _decided(problem)
    root = assembly.stamped[0]
    built = [
        int(root.columns("sign", o)[0])
        for o, option in enumerate(support.options)
        if support.baseline[option.project] and option.package.name == "none" and not option.market
    ]
    one = np.array(built, dtype=np.int64)
    zero = np.setdiff1d(zero, one)
    lower[zero], upper[zero], lower[one], upper[one] = 0.0, 0.0, 1.0, 1.0
    return replace(assembly, lower=lower, upper=upper, row_lower=row_lower, row_upper=row_upper)


def _decided(problem: Problem) -> Ints:
    """Columns that doing nothing leaves at zero: signatures, contracts, floors, and every purchase."""
    columns = [
        part.first_column + k + part.width * np.arange(part.count)
        for part in problem.assembly.stamped
        for k, (name, _) in enumerate(part.template.columns)
        if name in ("sign", "contract", "contract_signed", "floor", "buy")
    ]
    return np.sort(np.concatenate(columns)) if columns else np.zeros(0, dtype=np.int64)


def optimise(
    problem: Problem, *, gap: float, time_limit_s: float, relax: bool = False, method: Method = "auto", threads: int = 0,
    executor: Executor | None = None, on_progress: OnProgress | None = None,
) -> Solved:  # fmt: skip
    """Solve all stages and the fixed linear program.

    Raises PlanError for a method that cannot solve the problem (`chosen_method`), InfeasibleError (confirmed without presolve),
    StoppedError (a limit before any plan), UntrustedError.
    """
    canary()
    seconds = problem.seconds
    begin = time.perf_counter()

    def left() -> float:
        return max(1.0, time_limit_s - (time.perf_counter() - begin))

    costs = objective_costs(problem)
    stages = STAGES[problem.plan.objective.kind]
    method = chosen_method(problem, method, integer=not relax)
    with seconds.measure("do nothing"):
        make = partial(solver_of, problem, method=method, threads=threads, executor=executor)
        doing_nothing = make(reference_model(problem), costs["social_cost"], integer=False)
        z0 = do_nothing(problem, costs["social_cost"], left(), on_progress, doing_nothing)
        cap_trunk_shortfall(problem, z0)
    with seconds.measure("hand over"):
        if isinstance(doing_nothing, Decomposition):  # its clusters go on from where they stand
            solver: Flat | Decomposition = doing_nothing
            deadline = time.perf_counter() + left()
            doing_nothing.become(problem.layout, problem.assembly, costs[stages[0]], deadline, integer=not relax)
        else:
            del doing_nothing  # half of the memory
            solver = make(problem.assembly, costs[stages[0]], integer=not relax)
    undisturbed = without = None
    anew = partial(make, problem.assembly, costs[stages[0]], integer=not relax)
    solver, staged, fixed = aims_met(
        problem, solver, anew, costs, z0, z0, gap=gap, relax=relax, left=left, on_progress=on_progress
    )
    run = staged.run
    with seconds.measure("prices"):
        if not relax:
            undisturbed = _at_undisturbed_prices(problem, solver, stages[-1], run, left())
        priced = fixed
        if fixed is not None and len(stages) > 1:
            again = _with_commitments(problem, costs[stages[0]], run, 0.0)
            priced = seconds.ran("prices", again.run(time_limit_s=left(), phase="prices"))
    if not relax and staged.limited is None and stages[-1] == "social_cost":
        with seconds.measure("residual 0"):
            without = _without_residual(problem, solver, costs["social_cost"], run, z0, gap, left(), on_progress)
    x = run.x if fixed is None or fixed.x is None else fixed.x
    assert x is not None
    x = with_tail(problem.layout, problem.assembly, x)
    outcome = verdict(problem, staged, costs, z0, x, relax=relax, method=method)
    return Solved(
        problem, outcome, x, z0, without, undisturbed, fixed, priced, costs, staged.iterations, staged.nodes, seconds
    )


def aims_met(
    problem: Problem, solver: Flat | Decomposition, anew: Callable[[], Flat | Decomposition], costs: dict[str, Floats], z0: Floats,
    start: Floats | None, *, gap: float, relax: bool, left: Callable[[], float], on_progress: OnProgress | None = None,
) -> tuple[Flat | Decomposition, Staged, Run | None]:  # fmt: skip
    """(solver, all stages, the linear program with whole numbers fixed; None of a relaxation).

    anew: loads another solver, for aims that have to be met again with more slack (`ROOMS`). Raises as `stage_by_stage` and
    `whole_numbers_fixed`.
    """
    stages, seconds = STAGES[problem.plan.objective.kind], problem.seconds
    for room in ROOMS if len(stages) > 1 else ROOMS[:1]:
        try:
            with seconds.measure("solve"):
                staged = stage_by_stage(
                    problem, solver, costs, z0, start, gap=gap, relax=relax, left=left, on_progress=on_progress, least_slack=room
                )
            if relax:
                return solver, staged, None
            with seconds.measure("prices"):
                fixed = whole_numbers_fixed(problem, costs, stages[-1], staged, solver, gap, max(left(), LEAST_CHECK_S))
        except UntrustedError:
            if len(stages) == 1 or room == ROOMS[-1]:
                raise
            solver = anew()
        else:
            return solver, staged, fixed
    raise AssertionError("the last slack either gives an answer or raises")


def _without_residual(
    problem: Problem, solver: Flat | Decomposition, cost: Floats, run: Run, z0: Floats, gap: float, time_limit_s: float,
    on_progress: OnProgress | None,
) -> Floats | None:  # fmt: skip
    """Solve the last stage again with no worth for projects' unexpired life: that credit can decide a project."""
    credit = problem.plan.residual * problem.assembly.costs["residual_credit"]
    assert run.x is not None
    if float(credit @ run.x) < SMALL_CREDIT:
        return None
    rough = max(gap, RESIDUAL_GAP)
    again = problem.seconds.ran("residual 0", solver.minimise(
        cost + credit, run.x, gap=rough, absolute_gap=rough * denominator(problem, 0.0), offset=-float((cost + credit) @ z0),
        time_limit_s=min(time_limit_s, run.seconds + MORE_RESIDUAL_S, MOST_RESIDUAL_S), phase="residual 0",
        on_progress=on_progress,
    ))  # fmt: skip
    return again.x if again.status == "optimal" else None


def _at_undisturbed_prices(
    problem: Problem, solver: Flat | Decomposition, last: str, run: Run, time_limit_s: float
) -> Floats | None:
    """Operations for the same commitments, least social cost with every branch at the trunk's prices.

    None where that is the plan's aim already, and where one solver is too small for all worlds: a second matrix has no room.
    """
    if not problem.plan.price_gain or problem.plan.objective.kind != "social_cost" or too_large(solver):
        return None
    other = at_undisturbed_prices(problem)
    other.assembly.row_upper[:] = problem.assembly.row_upper
    model = _with_commitments(other, objective_costs(other)[last], run, 0.0)
    again = problem.seconds.ran("prices", model.run(time_limit_s=time_limit_s, phase="undisturbed prices"))
    return again.x if again.status == "optimal" else None


def cap_trunk_shortfall(problem: Problem, z0: Floats) -> None:
    """Hold trunk shortfall of diversified materials at that of Z0, once it is known."""
    for row, (*_, most) in trunk_shortfall_caps(problem, z0).items():
        problem.assembly.row_upper[row] = most


def trunk_shortfall_caps(problem: Problem, z0: Floats) -> dict[int, tuple[str, int, int, float]]:
    """Row -> (component, period, material, cap): trunk shortfall of diversified materials in Z0, with a hair's room."""
    assembly, caps = problem.assembly, {}
    for row in assembly.rows_of("trunk_shortfall"):
        entries = slice(assembly.start[row], assembly.start[row + 1])
        short = float(assembly.value[entries] @ z0[assembly.index[entries]])
        _, material, label, stamp_number = assembly.row_name(int(row))
        reach = problem.layout.reach[problem.layout.instance.component[material]]
        if stamp_number < len(reach) and reach[stamp_number] > 0:  # trunk stamps come first
            most = min(float(assembly.row_upper[row]), max(0.0, short) + 1e-6)
            caps[int(row)] = (label.removeprefix("period:"), stamp_number, material, most)
    return caps


def whole_numbers_fixed(
    problem: Problem, costs: dict[str, Floats], last: str, staged: Staged, solver: Flat | Decomposition, gap: float,
    time_limit_s: float,
) -> Run:  # fmt: skip
    """Solve the linear program with the integer commitments at their rounded values: prices, and a check on big-M leaks.

    Too large for one solver, it is solved by the decomposition that found them, as closely as `Decomposition.fixed` does.
    """
    run, cost = staged.run, costs[last]
    assert run.x is not None
    assert run.objective is not None
    offset = run.objective - float(cost @ run.x)
    if isinstance(solver, Decomposition) and too_large(solver):
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


def too_large(solver: Flat | Decomposition) -> bool:
    """Whether worlds are too many for one solver."""
    return isinstance(solver, Decomposition) and not solver.parts.kept


def _with_commitments(problem: Problem, cost: Floats, run: Run, offset: float) -> Model:
    """The linear program in which the integer decisions of a run stand, rounded."""
    assert run.x is not None
    model = Model(problem.assembly, cost, integer=False, offset=offset)
    binaries = np.flatnonzero(problem.assembly.integer)
    at = np.round(run.x[binaries])
    model.set_bounds(binaries, at, at)
    return model
