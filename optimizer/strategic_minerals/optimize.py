"""From a question and its facts to a solved model: build, compile, do-nothing reference, stages, fixed linear program.

Section 7 and 8 of the formulation. Nothing here knows the solver or Pyomo.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from .align import build_instance
from .compile import INF, Assembly
from .dataset import Dataset
from .disruptions import build_worlds, longest_event
from .errors import Fault, InfeasibleError, PlanError, StoppedError, UntrustedError
from .instance import Floats, Instance, Ints
from .layout import Layout, build_layout
from .plan import Plan
from .scaling import scale
from .solver import Model, OnProgress, Progress, Run, canary
from .stamp import compile_templates, spending_weights, stamp
from .support import build_support

MOST_COLUMNS = 20_000_000
"""Larger models are refused before they are built."""

SMALL_CREDIT = 1.0
"""Residual credit below this [million USD] decides nothing."""

MOST_ENTRIES_AT_FIRST_SIGHT = 100 * MOST_COLUMNS
"""World, period and item combinations beyond which a plan is refused before its worlds are even drawn."""

RELAXED_IN_Z0 = (
    "service_level", "cvar_limit", "expected_loss_limit", "supplier_share", "trunk_shortfall", "days_of_cover", "project_logic",
)  # fmt: skip
"""Constraint families that the do-nothing reference leaves out."""

DEMANDS = {
    "service_level": "service levels",
    "supplier_share": "diversification rules",
    "days_of_cover": "days of cover",
    "cvar_limit": "the limit on CVaR",
    "expected_loss_limit": "the limit on expected loss",
    "budget": "appropriations",
    "total_budget": "the total budget",
    "contingent_liability": "the liability cap",
    "project_logic": "projects that need or exclude others",
}
"""Families of demands that a planner can relax, in a planner's words."""

Reason = Literal[
    "optimal", "within_gap", "time_limit", "interrupted", "out_of_memory", "infeasible", "unbounded", "failed"
]


@dataclass(frozen=True)
class Outcome:
    """Why a solve ended and how good its answer is. Differences to the do-nothing reference; negative is better."""

    reason: Reason
    objective_musd: float | None
    """Z - Z0 [million USD]; None without a plan."""
    best_bound_musd: float | None
    """Lower bound on Z - Z0 [million USD]."""
    relative_gap: float | None
    """(objective - bound) / max(|objective|, discounted appropriation, 1 million USD)."""
    do_nothing_musd: float | None
    """Z0 [million USD]."""
    relaxed: bool = False
    """True: the linear relaxation, a bound and not a plan."""
    stages: tuple[tuple[str, float, float, float], ...] = ()
    """(stage, objective, bound, relative gap) of each stage of the objective, each against its value in Z0."""


@dataclass
class Seconds:
    """Wall-clock seconds by phase."""

    build: float = 0.0
    compile: float = 0.0
    solve: float = 0.0
    total: float = 0.0

    @contextmanager
    def measure(self, phase: str) -> Iterator[None]:
        """Add the time inside to a phase."""
        start = time.perf_counter()
        try:
            yield
        finally:
            setattr(self, phase, getattr(self, phase) + time.perf_counter() - start)


@dataclass(frozen=True)
class Problem:
    """A built and compiled planning problem."""

    plan: Plan
    data: Dataset
    natural: Instance
    """In tonnes."""
    layout: Layout
    """In model units."""
    assembly: Assembly
    seconds: Seconds

    @property
    def instance(self) -> Instance:
        """In model units."""
        return self.layout.instance


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
    fixed: Run | None
    """The linear program with commitments fixed; None where it was not solved."""
    costs: dict[str, Floats]
    iterations: int
    nodes: int
    seconds: Seconds = field(default_factory=Seconds)


def prepare(plan: Plan, data: Dataset) -> Problem:
    """Build and compile. Raises PlanError for events outside the horizon and for models beyond `MOST_COLUMNS`."""
    seconds = Seconds()
    with seconds.measure("build"):
        layout, natural = layout_of(plan, data)
        columns = sum(
            stamps.count
            * (len(s.sources) + len(s.projects) + len(s.tiers) + len(s.steps) + len(s.purchases) + 4 * len(s.materials))
            for s, stamps in zip(layout.shapes, layout.stamps, strict=True)
        )
        if columns > MOST_COLUMNS:
            found = f"about {columns:,} columns ({len(layout.worlds.names)} worlds, {natural.calendar.periods} periods)"
            raise PlanError([Fault("plan", "", "sample.worlds", found, f"at most {MOST_COLUMNS:,} columns")])
    with seconds.measure("compile"):
        assembly = stamp(layout, compile_templates(layout))
    return Problem(plan, data, natural, layout, assembly, seconds)


def layout_of(plan: Plan, data: Dataset) -> tuple[Layout, Instance]:
    """The structure of a problem in model units, and its instance in tonnes."""
    natural = build_instance(plan, data, longest_event(plan, data))
    worlds_asked = len(plan.scenarios) + (plan.sample.worlds if plan.sample is not None else 1)
    items = len(natural.producers) + len(natural.tiers) + len(natural.offers) + 4 * len(natural.materials)
    if worlds_asked * natural.calendar.periods * items > MOST_ENTRIES_AT_FIRST_SIGHT:
        found = f"{worlds_asked:,} worlds, {natural.calendar.periods} periods, {items:,} items"
        raise PlanError([Fault("plan", "", "sample.worlds", found, f"at most {MOST_COLUMNS:,} columns after all")])
    scaled = scale(natural)
    worlds = build_worlds(scaled, data)
    return build_layout(scaled, worlds, build_support(scaled, worlds)), natural


def denominator(problem: Problem, objective: float) -> float:
    """What a gap is measured against: max(|Z - Z0|, discounted appropriation, 1 million USD)."""
    calendar = problem.natural.calendar
    by_year = calendar.beta[np.arange(len(calendar.years)) * calendar.per_year]
    return max(abs(objective), float(by_year @ problem.natural.appropriation), 1.0)


def objective_costs(problem: Problem) -> dict[str, Floats]:
    """Cost vectors of the named objectives over all columns [million USD]."""
    costs, risk, objective = problem.assembly.costs, problem.plan.risk, problem.plan.objective
    zero = np.zeros_like(problem.assembly.lower)
    tail, penalty = costs.get("tail_risk", zero), costs.get("penalty", zero)
    credit = problem.plan.residual * costs.get("residual_credit", zero)
    social = costs["social_cost"] - credit + risk.cvar_weight * tail + penalty
    m = objective.cvar_share
    return {
        "social_cost": social,
        "risk": (1 - m) * costs.get("expected_loss", zero) + m * tail + penalty,
        "spending": costs.get("spending", zero) + penalty,
    }


STAGES = {
    "social_cost": ("social_cost",),
    "risk_within_budget": ("risk", "spending", "social_cost"),
    "least_budget": ("spending", "social_cost"),
}


def do_nothing(problem: Problem, cost: Floats, time_limit_s: float, on_progress: OnProgress | None = None) -> Floats:
    """The reference Z0: no discretionary commitment, nothing bought, baseline projects built, operations optimised."""
    assembly, support = problem.assembly, problem.layout.support
    model = Model(assembly, cost, integer=False)
    for family in RELAXED_IN_Z0:
        rows = assembly.rows_of(family)
        model.set_row_bounds(rows, np.full(len(rows), -INF), np.full(len(rows), INF))
    zero, one = _decided(problem), np.zeros(0, dtype=np.int64)
    root = assembly.stamped[0]
    built = [
        int(root.columns("sign", o)[0])
        for o, option in enumerate(support.options)
        if support.baseline[option.project] and option.package.name == "none" and not option.market
    ]
    one = np.array(built, dtype=np.int64)
    zero = np.setdiff1d(zero, one)
    model.set_bounds(zero, np.zeros(len(zero)), np.zeros(len(zero)))
    model.set_bounds(one, np.ones(len(one)), np.ones(len(one)))
    run = model.run(time_limit_s=time_limit_s, phase="do nothing", on_progress=on_progress)
    if run.x is None:
        find = lambda: culprits(problem, True, time_limit_s)  # noqa: E731
        raise _no_answer(run, problem, "the do-nothing reference", find, time_limit_s)
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
    problem: Problem, *, gap: float, time_limit_s: float, relax: bool = False, on_progress: OnProgress | None = None,
    log_file: str | None = None,
) -> Solved:  # fmt: skip
    """Solve all stages and the fixed linear program.

    Raises InfeasibleError (confirmed without presolve), StoppedError (a limit before any plan), UntrustedError.
    """
    canary()
    seconds = problem.seconds
    begin = time.perf_counter()

    def left() -> float:
        return max(1.0, time_limit_s - (time.perf_counter() - begin))

    with seconds.measure("solve"):
        costs = objective_costs(problem)
        stages = STAGES[problem.plan.objective.kind]
        z0 = do_nothing(problem, costs["social_cost"], left(), on_progress)
        _cap_trunk_shortfall(problem, z0)
        model = Model(problem.assembly, costs[stages[0]], integer=not relax, log_file=log_file)
        reports: list[tuple[str, float, float, float]] = []
        run: Run | None = None
        iterations = nodes = 0
        limited: Reason | None = None
        slacks: list[tuple[str, float]] = []
        for n, stage in enumerate(stages):
            reference = float(costs[stage] @ z0)
            model.set_cost(costs[stage], -reference)
            if run is not None and run.x is not None:
                model.set_start(run.x)
            scale_of = denominator(problem, 0.0)
            now = model.run(
                time_limit_s=left(), gap=gap, absolute_gap=gap * scale_of, phase=stage, on_progress=on_progress
            )
            iterations, nodes = iterations + now.iterations, nodes + now.nodes
            if now.x is None or now.objective is None:
                if run is not None and now.status in ("time_limit", "interrupted"):
                    limited = "time_limit" if now.status == "time_limit" else "interrupted"
                    break
                raise _no_answer(now, problem, stage, lambda: culprits(problem, relax, left()), left())
            run = now
            relative = (now.objective - now.bound) / denominator(problem, now.objective)
            reports.append((stage, now.objective, now.bound, relative))
            if now.status != "optimal":
                limited = "time_limit" if now.status in ("time_limit", "limit") else "interrupted"
            slack = problem.plan.objective.stage_slack
            if n < len(stages) - 1:
                allowed = (gap if slack is None else slack) * max(abs(float(costs[stage] @ now.x)), 1.0)
                slacks.append((stage, float(costs[stage] @ now.x) + allowed))
                used = np.flatnonzero(costs[stage])
                model.add_row(used, costs[stage][used], -INF, slacks[-1][1])
        assert run is not None
        without = None
        if not relax and limited is None and stages[-1] == "social_cost":
            without = _without_residual(problem, model, costs["social_cost"], run, z0, gap, left(), on_progress)
        fixed = None if relax else _fix(problem, costs, stages[-1], run, slacks, left())
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
    outcome = Outcome(reason, objective, bound, max(0.0, relative), float(costs[last] @ z0), relax, tuple(reports))
    return Solved(problem, outcome, x, z0, without, fixed, costs, iterations, nodes, seconds)


def _without_residual(
    problem: Problem, model: Model, cost: Floats, run: Run, z0: Floats, gap: float, time_limit_s: float,
    on_progress: OnProgress | None,
) -> Floats | None:  # fmt: skip
    """Solve the last stage again with no worth for projects' unexpired life: that credit can decide a project."""
    credit = problem.plan.residual * problem.assembly.costs["residual_credit"]
    assert run.x is not None
    if float(credit @ run.x) < SMALL_CREDIT:
        return None
    model.set_cost(cost + credit, -float((cost + credit) @ z0))
    model.set_start(run.x)
    return model.run(
        time_limit_s=min(time_limit_s, 10.0 + 2 * run.seconds), gap=gap, absolute_gap=gap * denominator(problem, 0.0),
        phase="residual 0", on_progress=on_progress,
    ).x  # fmt: skip


def _cap_trunk_shortfall(problem: Problem, z0: Floats) -> None:
    """Set the limit on trunk shortfall of diversified materials to its value in Z0 (with a hair's room)."""
    assembly = problem.assembly
    rows = assembly.rows_of("trunk_shortfall")
    for row in rows:
        entries = slice(assembly.start[row], assembly.start[row + 1])
        short = float(assembly.value[entries] @ z0[assembly.index[entries]])
        _, _, _, stamp_number = assembly.row_name(int(row))
        if stamp_number < problem.natural.calendar.periods:  # trunk stamps come first
            assembly.row_upper[row] = min(assembly.row_upper[row], max(0.0, short) + 1e-6)


def _fix(
    problem: Problem,
    costs: dict[str, Floats],
    last: str,
    run: Run,
    slacks: list[tuple[str, float]],
    time_limit_s: float,
) -> Run:
    """Solve the linear program with the integer commitments at their rounded values: prices, and a check on big-M leaks."""
    assembly = problem.assembly
    assert run.x is not None
    assert run.objective is not None
    reference = run.objective - float(costs[last] @ run.x)
    model = Model(assembly, costs[last], integer=False, offset=reference)
    for stage, most in slacks:
        used = np.flatnonzero(costs[stage])
        model.add_row(used, costs[stage][used], -INF, most)
    binaries = np.flatnonzero(assembly.integer)
    at = np.round(run.x[binaries])
    model.set_bounds(binaries, at, at)
    fixed = model.run(time_limit_s=time_limit_s, phase="prices")
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


def _no_answer(run: Run, problem: Problem, stage: str, find: Callable[[], list[str]], time_limit_s: float) -> Exception:
    """The error that a run without a usable point stands for."""
    if run.status in ("infeasible", "infeasible_or_unbounded", "unbounded"):
        again = _confirm(problem, time_limit_s)
        if again == "optimal":
            return UntrustedError(
                f"the solver called {stage} {run.status.replace('_', ' ')} with presolve and feasible without: not trusted"
            )
        if run.status == "unbounded":
            return UntrustedError(f"{stage} is unbounded: the data let somebody earn without limit")
        if again != "infeasible":
            return UntrustedError(
                f"the solver called {stage} infeasible, and without presolve came to no verdict ({again})"
            )
        named = find()
        outcome = Outcome("infeasible", None, None, None, None)
        blamed = ", ".join(DEMANDS[name] for name in named) if named else "the demands together"
        text = f"no plan meets the demands (confirmed without presolve); in conflict: {blamed}"
        return InfeasibleError(text, outcome, named)
    reasons: dict[str, Reason] = {
        "time_limit": "time_limit",
        "interrupted": "interrupted",
        "out_of_memory": "out_of_memory",
    }
    reason = reasons.get(run.status, "failed")
    if reason == "failed":
        return UntrustedError(f"the solver failed in {stage} (status {run.status})")
    outcome = Outcome(reason, None, run.bound if np.isfinite(run.bound) else None, None, None)
    return StoppedError(f"stopped in {stage} before any plan was found ({reason.replace('_', ' ')})", outcome)


def _confirm(problem: Problem, time_limit_s: float) -> str:
    """Status of the problem as a feasibility question without presolve (no cost, so never unbounded)."""
    cost = np.zeros_like(problem.assembly.lower)
    status = Model(problem.assembly, cost, integer=True).run(time_limit_s=time_limit_s, presolve=False).status
    return "infeasible" if status == "infeasible_or_unbounded" else status


def culprits(problem: Problem, relax: bool, time_limit_s: float) -> list[str]:
    """Families of demands each of whose removal alone makes a plan possible; all that exist where none does alone."""
    assembly = problem.assembly
    present = [family for family in DEMANDS if len(assembly.rows_of(family))]
    alone = []
    for family in present:
        rows = assembly.rows_of(family)
        model = Model(assembly, np.zeros_like(assembly.lower), integer=not relax)
        model.set_row_bounds(rows, np.full(len(rows), -INF), np.full(len(rows), INF))
        if model.run(time_limit_s=time_limit_s).x is not None:
            alone.append(family)
    return alone or present


__all__ = ["OnProgress", "Outcome", "Problem", "Progress", "Solved", "optimise", "prepare", "spending_weights"]
