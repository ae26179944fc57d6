"""One solve from plan and tables to a result: prepared, optimised, read, audited."""

from __future__ import annotations

import logging
import math
import time
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

from ..checks.consistency import require
from ..core.errors import InfeasibleError
from ..core.logs import logger_of, one_run
from ..core.outcome import OnProgress
from ..core.timing import TOTAL
from ..core.units import LEAST_TIME_LIMIT_S
from ..data.dataset import Dataset
from ..highs.settings import TOLERANCES
from ..model.problem import prepare
from ..optimization.optimise import optimise
from ..optimization.stages import Method, chosen_method
from ..results.answers import answer, read, sizes_of
from ..results.result import Result
from ..schemas.plan import Plan
from .own_models import Extend, blamed, extended

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
    extend: Extend | None = None,
) -> Result:
    """Decide stockpiles, friend-shored sources and price floors together.

    gap: relative optimality gap to stop at, 0 or more and less than 1 (0.001: 0.1 %; see `Outcome.relative_gap`).
    time_limit_s: wall-clock seconds, finite, at least 1 (each solve has so much).
    relax: solve the linear relaxation instead, a bound on the answer. method:
    `flat`, one model for all scenarios; `decomposed`, master and clusters of scenarios; `auto`, whichever is expected to be
    faster. threads: for clusters of scenarios; 0, one for each core that the process may use. executor: answers the
    clusters in place of threads; a flat solve runs as a whole in one of its workers (then on_progress is called there, and
    has to be picklable for another process); None: none. on_progress: called with `Progress`; returning True cancels; None:
    nobody is told. extend: a function that is given the model of `build_model` and adds variables, linear constraints, and
    terms of the objective by `add_term`; what is solved is that model, taken apart only where no constraint is about what is done
    in a scenario. The table `own_parts` says what they came to, with the prices of the constraints; figures and audit are the
    plan's own. The bound is that of plans that keep the constraints; with terms it is that of worth and terms together, less these
    terms, and bounds no worth alone. It is called under a lock; with an executor, where the model is solved flat, once more in a
    worker, and has to be picklable. None: the plan as it is.

    Raises ValueError for options that are none, PlanError and InputError (faults, all at once; also a method that the
    plan's aim rules out), InfeasibleError, StoppedError, UntrustedError and FormulationError. A pure function of its
    arguments, safe from many threads.
    """
    if not 0 <= gap < 1:
        raise ValueError(f"gap must be in [0, 1), not {gap}")
    if not LEAST_TIME_LIMIT_S <= time_limit_s < math.inf:
        raise ValueError(f"time_limit_s must be finite and at least {LEAST_TIME_LIMIT_S:g} second, not {time_limit_s}")
    with one_run(plan.name):
        return _solved(plan, data, gap, time_limit_s, relax, method, threads, executor, on_progress, extend)


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
    extend: Extend | None,
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
        LOG.info("model: %d rows, %d columns, %d nonzeros, %d integers, %d scenarios", *sizes_of(problem))
    own, z0 = None, None
    if extend is not None:
        own, z0 = extended(problem, extend, time_limit_s)
        problem = own.problem
    if executor is not None and chosen_method(problem, method, integer=not relax) == "flat":
        told: dict[str, Any] = (
            {"extend": extend} if on_progress is None else {"extend": extend, "on_progress": on_progress}
        )
        return executor.submit(
            solve, plan, data, gap=gap, time_limit_s=time_limit_s, relax=relax, method="flat", **told
        ).result()
    try:
        solved = optimise(
            problem,
            gap=gap,
            time_limit_s=time_limit_s,
            relax=relax,
            method=method,
            threads=threads,
            executor=executor,
            on_progress=on_progress,
            z0=z0,
        )
    except InfeasibleError as error:
        if own is None:
            raise
        raise blamed(error, own, relax, time_limit_s) from None
    options = {"gap": gap, "time_limit_s": time_limit_s, "relax": relax, "method": method, **TOLERANCES}
    found = read(solved, own)
    del problem, solved, own
    result = Result(**answer(found, options))
    seconds = found.problem.seconds
    seconds.phases[TOTAL] = time.perf_counter() - begin
    outcome = result.outcome
    LOG.info(
        "%s after %.3f s: objective %s million USD",
        outcome.reason,
        seconds.phases[TOTAL],
        "none" if outcome.objective_musd is None else f"{outcome.objective_musd:,.3f}",
    )
    return replace(result, seconds=dict(seconds.phases), profile=seconds.frame())
