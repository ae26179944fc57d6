"""From a compiled problem to a solved one: do-nothing reference, stages of the aim, fixed linear program.

Sections 7 and 8 of the formulation. Nothing here knows Pyomo or the solver's own names.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from .clusters import separable
from .compile import INF, Assembly
from .decompose import Decomposition, decomposition_pays
from .errors import Fault, PlanError, UntrustedError
from .infeasibility import DEMANDS, culprits, no_answer
from .instance import Floats, Ints
from .layout import STAGES
from .problem import (
    Outcome,
    Problem,
    Reason,
    at_undisturbed_prices,
    denominator,
    layout_of,
    objective_costs,
    prepare,
)
from .profile import Seconds
from .solver import Model, OnProgress, Progress, Run, canary

Method = Literal["flat", "decomposed", "auto"]
"""One model for all worlds; master and clusters (`decompose`); whichever is expected to be faster."""

REFERENCE_GAP = 1e-9
"""Relative gap to which a decomposed do-nothing reference is solved; the flat one is exact."""

LEAST_CHECK_S = 60.0
"""Seconds that the linear program with commitments fixed gets even where the limit is used up: it checks the answer."""

RESIDUAL_GAP = 5e-3
"""Gap to which the plan without residual worth is sought: it stands beside the plan, to show which projects lean on it."""

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


class Flat:
    """The model as it stands, asked again and again with other costs."""

    def __init__(self, assembly: Assembly, cost: Floats, *, integer: bool) -> None:
        self._model = Model(assembly, cost, integer=integer)

    def minimise(
        self, cost: Floats, start: Floats | None, *, gap: float, absolute_gap: float, offset: float = 0.0,
        time_limit_s: float = 3600.0, phase: str = "solve", on_progress: OnProgress | None = None,
    ) -> Run:  # fmt: skip
        """The best point; as `Decomposition.minimise`."""
        self._model.set_cost(cost, offset)
        if start is not None:
            self._model.set_start(start)
        return self._model.run(
            time_limit_s=time_limit_s, gap=gap, absolute_gap=absolute_gap, phase=phase, on_progress=on_progress
        )

    def limit(self, cost: Floats, most: float) -> None:
        """Hold an aim at or below a value from now on."""
        used = np.flatnonzero(cost)
        self._model.add_row(used, cost[used], -INF, most)


def chosen_method(problem: Problem, method: Method, *, integer: bool) -> Literal["flat", "decomposed"]:
    """How to solve: as asked, or by the calibrated rule of `decomposition_pays`.

    PlanError where decomposition is asked for and impossible: several aims in turn, or a limit on losses that binds worlds
    together.
    """
    able = len(STAGES[problem.plan.objective.kind]) == 1 and separable(problem.assembly)
    if method == "decomposed" and not able:
        found = problem.plan.objective.kind if separable(problem.assembly) else "a limit on losses"
        raise PlanError([Fault("plan", "", "objective", found, "social_cost without such a limit, or method 'flat' or 'auto'")])
    if method == "auto":
        return "decomposed" if able and decomposition_pays(problem.layout, problem.assembly, integer=integer) else "flat"
    return method


def _solver(problem: Problem, assembly: Assembly, cost: Floats, method: Method, *, integer: bool) -> Flat | Decomposition:
    if method == "decomposed":
        return Decomposition(problem.layout, assembly, cost, integer=integer)
    return Flat(assembly, cost, integer=integer)


def do_nothing(
    problem: Problem, cost: Floats, time_limit_s: float, on_progress: OnProgress | None = None, method: Method = "flat"
) -> Floats:
    """The reference Z0: no discretionary commitment, nothing bought, baseline projects built, operations optimised."""
    assembly, support = problem.assembly, problem.layout.support
    lower, upper = assembly.lower.copy(), assembly.upper.copy()
    row_lower, row_upper = assembly.row_lower.copy(), assembly.row_upper.copy()
    for family in RELAXED_IN_Z0:
        rows = assembly.rows_of(family)
        row_lower[rows], row_upper[rows] = -INF, INF
    zero, one = _decided(problem), np.zeros(0, dtype=np.int64)
    root = assembly.stamped[0]
    built = [
        int(root.columns("sign", o)[0])
        for o, option in enumerate(support.options)
        if support.baseline[option.project] and option.package.name == "none" and not option.market
    ]
    one = np.array(built, dtype=np.int64)
    zero = np.setdiff1d(zero, one)
    lower[zero], upper[zero], lower[one], upper[one] = 0.0, 0.0, 1.0, 1.0
    reference = replace(assembly, lower=lower, upper=upper, row_lower=row_lower, row_upper=row_upper)
    run = problem.seconds.ran("do nothing", _solver(problem, reference, cost, method, integer=False).minimise(
        cost, None, gap=REFERENCE_GAP, absolute_gap=0.0, time_limit_s=time_limit_s, phase="do nothing", on_progress=on_progress
    ))  # fmt: skip
    if run.x is None:
        find = lambda: culprits(problem, True, time_limit_s)  # noqa: E731
        raise no_answer(run, problem, "the do-nothing reference", find, time_limit_s)
    return run.x


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
    problem: Problem, *, gap: float, time_limit_s: float, relax: bool = False, method: Method = "auto",
    on_progress: OnProgress | None = None,
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
        z0 = do_nothing(problem, costs["social_cost"], left(), on_progress, method)
        for row, (*_, most) in trunk_shortfall_caps(problem, z0).items():
            problem.assembly.row_upper[row] = most
    with seconds.measure("hand over"):
        solver = _solver(problem, problem.assembly, costs[stages[0]], method, integer=not relax)
    with seconds.measure("solve"):
        reports: list[tuple[str, float, float, float]] = []
        run: Run | None = None
        iterations = nodes = 0
        limited: Reason | None = None
        slacks: list[tuple[str, float]] = []
        for n, stage in enumerate(stages):
            reference = float(costs[stage] @ z0)
            now = solver.minimise(
                costs[stage], z0 if run is None and method == "decomposed" else None if run is None else run.x, gap=gap,
                absolute_gap=gap * denominator(problem, 0.0), offset=-reference, time_limit_s=left(), phase=stage,
                on_progress=on_progress,
            )  # fmt: skip
            seconds.ran("solve", now)
            iterations, nodes = iterations + now.iterations, nodes + now.nodes
            if now.x is None or now.objective is None:
                if run is not None and now.status in ("time_limit", "interrupted"):
                    limited = "time_limit" if now.status == "time_limit" else "interrupted"
                    break
                raise no_answer(now, problem, stage, lambda: culprits(problem, relax, left()), left())
            run = now
            relative = (now.objective - now.bound) / denominator(problem, now.objective)
            reports.append((stage, now.objective, now.bound, relative))
            if now.status != "optimal":
                limited = "time_limit" if now.status in ("time_limit", "limit") else "interrupted"
            slack = problem.plan.objective.stage_slack
            if n < len(stages) - 1:
                allowed = (gap if slack is None else slack) * max(abs(float(costs[stage] @ now.x)), 1.0)
                slacks.append((stage, float(costs[stage] @ now.x) + allowed))
                assert isinstance(solver, Flat)
                solver.limit(costs[stage], slacks[-1][1])
        assert run is not None
    without = None
    if not relax and limited is None and stages[-1] == "social_cost":
        with seconds.measure("residual 0"):
            without = _without_residual(problem, solver, costs["social_cost"], run, z0, gap, left(), on_progress)
    with seconds.measure("prices"):
        fixed = None if relax else _fix(problem, costs, stages[-1], run, slacks, max(left(), LEAST_CHECK_S))
        undisturbed = None if fixed is None else _at_undisturbed_prices(problem, stages[-1], run, left())
        priced = fixed
        if fixed is not None and len(stages) > 1:
            again = _with_commitments(problem, costs[stages[0]], run, 0.0)
            priced = seconds.ran("prices", again.run(time_limit_s=left(), phase="prices"))
    x = run.x if fixed is None or fixed.x is None else fixed.x
    assert x is not None
    last, objective, bound, relative = reports[-1]
    if fixed is not None and fixed.x is not None:
        objective = float(costs[last] @ fixed.x - costs[last] @ z0)
        bound = min(bound, objective)
        relative = (objective - bound) / denominator(problem, objective)
        reports[-1] = (last, objective, bound, relative)
    complete = limited is None and len(reports) == len(stages)
    reason: Reason = ("optimal" if relative <= 1e-9 else "within_gap") if complete else limited or "time_limit"
    outcome = Outcome(reason, objective, bound, max(0.0, relative), float(costs[last] @ z0), relax, tuple(reports), method)
    return Solved(problem, outcome, x, z0, without, undisturbed, fixed, priced, costs, iterations, nodes, seconds)


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
        time_limit_s=min(time_limit_s, 10.0 + run.seconds), phase="residual 0", on_progress=on_progress,
    ))  # fmt: skip
    return again.x if again.status == "optimal" else None


def _at_undisturbed_prices(problem: Problem, last: str, run: Run, time_limit_s: float) -> Floats | None:
    """Operations for the same commitments, least social cost with every branch at the trunk's prices."""
    if not problem.plan.price_gain or problem.plan.objective.kind != "social_cost":
        return None
    other = at_undisturbed_prices(problem)
    other.assembly.row_upper[:] = problem.assembly.row_upper
    model = _with_commitments(other, objective_costs(other)[last], run, 0.0)
    again = problem.seconds.ran("prices", model.run(time_limit_s=time_limit_s, phase="undisturbed prices"))
    return again.x if again.status == "optimal" else None


def trunk_shortfall_caps(problem: Problem, z0: Floats) -> dict[int, tuple[str, int, int, float]]:
    """Row -> (component, period, material, cap): trunk shortfall of diversified materials in Z0, with a hair's room."""
    assembly, caps = problem.assembly, {}
    for row in assembly.rows_of("trunk_shortfall"):
        entries = slice(assembly.start[row], assembly.start[row + 1])
        short = float(assembly.value[entries] @ z0[assembly.index[entries]])
        _, material, label, stamp_number = assembly.row_name(int(row))
        if stamp_number < problem.natural.calendar.periods:  # trunk stamps come first
            most = min(float(assembly.row_upper[row]), max(0.0, short) + 1e-6)
            caps[int(row)] = (label.removeprefix("period:"), stamp_number, material, most)
    return caps


def _fix(
    problem: Problem,
    costs: dict[str, Floats],
    last: str,
    run: Run,
    slacks: list[tuple[str, float]],
    time_limit_s: float,
) -> Run:
    """Solve the linear program with the integer commitments at their rounded values: prices, and a check on big-M leaks."""
    assert run.x is not None
    assert run.objective is not None
    model = _with_commitments(problem, costs[last], run, run.objective - float(costs[last] @ run.x))
    for stage, most in slacks:
        used = np.flatnonzero(costs[stage])
        model.add_row(used, costs[stage][used], -INF, most)
    fixed = problem.seconds.ran("prices", model.run(time_limit_s=time_limit_s, phase="prices"))
    if fixed.status == "optimal" and fixed.objective is not None:
        worse = fixed.objective - run.objective
        if worse > 1e-6 * denominator(problem, run.objective):
            raise UntrustedError(
                f"rounding the integer decisions worsens the objective by {worse:g} million USD: the answer leans on tolerances"
            )
        return fixed
    if fixed.status in ("infeasible", "infeasible_or_unbounded"):
        raise UntrustedError(
            "the integer decisions, rounded, leave no feasible operations: the answer leans on tolerances"
        )
    return fixed


def _with_commitments(problem: Problem, cost: Floats, run: Run, offset: float) -> Model:
    """The linear program in which the integer decisions of a run stand, rounded."""
    assert run.x is not None
    model = Model(problem.assembly, cost, integer=False, offset=offset)
    binaries = np.flatnonzero(problem.assembly.integer)
    at = np.round(run.x[binaries])
    model.set_bounds(binaries, at, at)
    return model


__all__ = [
    "DEMANDS", "OnProgress", "Outcome", "Problem", "Progress", "Solved", "denominator", "do_nothing", "layout_of",
    "objective_costs", "optimise", "prepare",
]  # fmt: skip
