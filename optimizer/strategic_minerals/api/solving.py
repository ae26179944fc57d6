"""One solve from plan and tables to a result: prepared, optimised, read, audited."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from ..audit.accounts import social_cost
from ..audit.audit import audit
from ..audit.figures import figures_of
from ..checks.consistency import require
from ..core.arrays import Floats
from ..core.errors import UntrustedError
from ..core.frames import whole
from ..core.logs import logger_of, one_run
from ..core.outcome import OnProgress, Outcome
from ..core.timing import TOTAL
from ..core.units import LEAST_TIME_LIMIT_S
from ..data.dataset import Dataset
from ..highs.settings import TOLERANCES
from ..model.problem import Problem, prepare
from ..model.solution import Solution, extract, signatures
from ..optimization.optimise import Solved, optimise
from ..optimization.stages import Method, chosen_method
from ..results.prices import price_table
from ..results.result import Result, _stages, bounds_of, versions
from ..results.tables import build_tables, with_residual_at_zero
from ..schemas.plan import Plan

LOG = logger_of(__name__)


def solve(
    plan: Plan,
    data: Dataset,
    *,
    gap: float = 1e-3,
    time_limit_s: float = 3600.0,
    relax: bool = False,
    method: Method = "auto",
    threads: int = 0,
    executor: Executor | None = None,
    on_progress: OnProgress | None = None,
) -> Result:
    """Decide stockpiles, friend-shored sources and price floors together.

    gap: relative optimality gap to stop at, 0 or more and less than 1 (0.001: 0.1 %; see `Outcome.relative_gap`).
    time_limit_s: wall-clock seconds, finite, at least 1 (each solve has so much).
    relax: solve the linear relaxation instead, a bound on the answer. method:
    `flat`, one model for all scenarios; `decomposed`, master and clusters of scenarios; `auto`, whichever is expected to be
    faster. threads: for clusters of scenarios; 0, one for each core that the process may use. executor: answers the
    clusters in place of threads; a flat solve runs as a whole in one of its workers (then on_progress is called there, and
    has to be picklable for another process); None: none. on_progress: called with `Progress`; returning True cancels; None:
    nobody is told.

    Raises ValueError for options that are none, PlanError and InputError (faults, all at once; also a method that the
    plan's aim rules out), InfeasibleError, StoppedError, UntrustedError and FormulationError. A pure function of its
    arguments, safe from many threads.
    """
    if not 0 <= gap < 1:
        raise ValueError(f"gap must be in [0, 1), not {gap}")
    if not LEAST_TIME_LIMIT_S <= time_limit_s < math.inf:
        raise ValueError(f"time_limit_s must be finite and at least {LEAST_TIME_LIMIT_S:g} second, not {time_limit_s}")
    with one_run(plan.name):
        return _solved(plan, data, gap, time_limit_s, relax, method, threads, executor, on_progress)


def _solved(
    plan: Plan,
    data: Dataset,
    gap: float,
    time_limit_s: float,
    relax: bool,
    method: Method,
    threads: int,
    executor: Executor | None,
    on_progress: OnProgress | None,
) -> Result:
    """As `solve`, whose records tell which run they are of."""
    require(plan, data)
    begin = time.perf_counter()
    LOG.info(
        "plan %s: gap %g, at most %g s, %s, method %s",
        plan.name,
        gap,
        time_limit_s,
        "relaxed" if relax else "mixed-integer",
        method,
    )
    problem = prepare(plan, data)
    if LOG.isEnabledFor(logging.INFO):
        LOG.info("model: %d rows, %d columns, %d nonzeros, %d integers, %d scenarios", *_sizes(problem))
    if executor is not None and chosen_method(problem, method, integer=not relax) == "flat":
        told: dict[str, Any] = {} if on_progress is None else {"on_progress": on_progress}
        return executor.submit(
            solve, plan, data, gap=gap, time_limit_s=time_limit_s, relax=relax, method="flat", **told
        ).result()
    solved = optimise(
        problem,
        gap=gap,
        time_limit_s=time_limit_s,
        relax=relax,
        method=method,
        threads=threads,
        executor=executor,
        on_progress=on_progress,
    )
    options = {"gap": gap, "time_limit_s": time_limit_s, "relax": relax, "method": method, **TOLERANCES}
    read = _read(solved)
    del problem, solved
    result = _result(read, options)
    seconds = read.problem.seconds
    seconds.phases[TOTAL] = time.perf_counter() - begin
    outcome = result.outcome
    LOG.info(
        "%s after %.3f s: objective %s million USD",
        outcome.reason,
        seconds.phases[TOTAL],
        _figure(outcome.objective_musd),
    )
    return replace(result, seconds=dict(seconds.phases), profile=seconds.frame())


def _sizes(problem: Problem) -> tuple[int, int, int, int, int]:
    """Rows, columns, nonzeros, integers, scenarios."""
    return *problem.assembly.shape, int(problem.assembly.integer.sum()), len(problem.structure.scenarios.names)


def _figure(value: float | None) -> str:
    return "none" if value is None else f"{value:,.3f}"


@dataclass(frozen=True)
class _Read:
    """What a solve found, once its matrix is gone: with many scenarios that is most of the memory, and what follows needs some
    too."""

    problem: Problem
    """Without its matrix."""
    outcome: Outcome
    points: list[Floats]
    """(columns,) the plan, the do-nothing reference, and where they were solved the plan's operations at undisturbed prices; taken
    out as they are read."""
    signed_without_residual: Floats | None
    """(options,)"""
    prices: pd.DataFrame
    stated: float
    """Social cost, as the solver has it [million USD]."""
    stages: dict[str, tuple[float, float]]
    """Aim -> its figure with the plan and without, penalties left out, as the solver has them [million USD]."""
    counts: dict[str, int]


def _read(solved: Solved) -> _Read:
    """Read what takes the matrix: duals, sizes, the aim."""
    problem, other = solved.problem, solved.without_residual
    with problem.seconds.measure("extract"):
        prices = price_table(solved)
    rows, columns, nonzeros, integers, scenarios = _sizes(problem)
    counts = {
        "columns": columns,
        "rows": rows,
        "nonzeros": nonzeros,
        "binaries": integers,
        "scenarios": scenarios,
        "periods": problem.natural.calendar.periods,
        "materials": len(problem.natural.materials),
        "iterations": solved.iterations,
        "nodes": solved.nodes,
    }
    bare = replace(problem, assembly=problem.assembly.without_matrix())
    stated = float(solved.costs["social_cost"] @ solved.x)
    signed = None if other is None else signatures(problem.assembly, other)
    points = [solved.x, solved.z0, *([] if solved.undisturbed is None else [solved.undisturbed])]
    return _Read(bare, solved.outcome, points, signed, prices, stated, _stages(solved), counts)


def _result(read: _Read, options: Mapping[str, Any]) -> Result:
    """Audit the solution and make the tables. Raises UntrustedError where the audit objects."""
    problem, stated = read.problem, read.stated

    def taken() -> Solution:
        return extract(problem.structure, problem.assembly, read.points.pop(0))

    with problem.seconds.measure("extract"):
        solution, reference = taken(), taken()
        other = taken() if read.points else None
    with problem.seconds.measure("tables"):
        tables = build_tables(problem, solution, reference, other)
        tables["projects"] = with_residual_at_zero(problem, tables["projects"], read.signed_without_residual)
        tables["prices"] = read.prices
    with problem.seconds.measure("audit"):
        before = social_cost(problem, reference)
        figures = figures_of(
            tables,
            read.outcome,
            read.stages,
            social_cost(problem, solution),
            before,
            problem.plan.horizon.first_year + problem.plan.horizon.years,
        )
        audited = audit(problem, solution, z0=reference, stated=figures, bounds=bounds_of(read.outcome))
    LOG.info("audit: %s, %s", "passed" if audited.passed else "objects", audited.worst())
    if not read.outcome.relaxed and not audited.passed:
        raise UntrustedError(f"the audit objects: {audited.worst()}")
    if abs(audited.objective - stated) > 1e-7 * max(1.0, abs(stated)):
        raise UntrustedError(
            f"the audit finds {audited.objective:.6f} million USD where the solver states {stated:.6f}"
        )
    with problem.seconds.measure("tables"):
        tables["figures"] = figures.frame()
        tables["objective"] = pd.DataFrame({"part": list(audited.parts), "plan_musd": list(audited.parts.values())})
        tables["objective"]["do_nothing_musd"] = [before[name] for name in audited.parts]
        for name in list(tables):  # one at a time: the longest have a row for every producer, period and scenario
            tables[name] = whole(tables.pop(name))
    return Result(
        plan=problem.plan,
        data=problem.data,
        outcome=read.outcome,
        solution=solution,
        reference=reference,
        tables=tables,
        objective_parts=audited.parts,
        reference_parts=before,
        audited=audited,
        seconds={},
        profile=pd.DataFrame(),
        counts=read.counts,
        options=options,
        versions=versions(),
    )
