"""One solve from plan and tables to a result: prepared, optimised, read, audited."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from ..checks.consistency import require
from ..core.errors import InfeasibleError
from ..core.logs import logger_of, one_run
from ..core.runner import HERE, Runner, checkpoint, current
from ..core.timing import TOTAL
from ..core.verb import Gap, verb
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
MethodOption = Annotated[
    Method,
    Field(
        description="flat: one model for all scenarios; decomposed: Benders decomposition; auto: whichever should be faster."
    ),
]
Relax = Annotated[bool, Field(description="Solve the linear relaxation, which gives a bound and no plan.")]


@verb
def solve_once(
    plan: Plan,
    data: Dataset,
    *,
    gap: Gap = 1e-3,
    relax: Relax = False,
    method: MethodOption = "auto",
    extend: Extend | None = None,
    run: Runner = HERE,
) -> Result:
    """Decide stockpiles, friend-shored sources and price floors together, for the plan's own scenarios alone.

    extend: a function that is given the model of `build_model` and adds variables, linear constraints, and terms of the objective
    by `add_term`; what is solved is that model, taken apart only where no constraint is about what is done in a scenario. The table
    `own_parts` says what they came to, with the prices of the constraints; figures and audit are the plan's own. The bound is
    that of plans that keep the constraints; with terms it is that of worth and terms together, less these terms, and bounds no
    worth alone. It is called under a lock; with an executor, where the model is solved flat, once more in a worker, and has to be
    picklable. None: the plan as it is. run: where and how long; with an executor, a flat solve runs as a whole in one of its
    workers, and one that is taken apart has its clusters answered there.

    Raises PlanError and InputError (faults, all at once; also a method that the plan's aim rules out), InfeasibleError,
    StoppedError, UntrustedError and FormulationError. A pure function of its arguments, safe from many threads.
    """
    with one_run(plan.name):
        return _solved(plan, data, gap, relax, method, extend, run)


def _solved(
    plan: Plan, data: Dataset, gap: float, relax: bool, method: Method, extend: Extend | None, run: Runner
) -> Result:
    """As `solve_once`, whose records tell which run they are of."""
    call = current()
    checkpoint("checking the question")
    require(plan, data)
    begin = time.perf_counter()
    LOG.info("plan %s: gap %g, %s, method %s", plan.name, gap, "relaxed" if relax else "mixed-integer", method)
    problem = prepare(plan, data)
    if LOG.isEnabledFor(logging.INFO):
        LOG.info("model: %d rows, %d columns, %d nonzeros, %d integers, %d scenarios", *sizes_of(problem))
    own, z0 = None, None
    if extend is not None:
        own, z0 = extended(problem, extend, call.left())
        problem = own.problem
    if run.executor is not None and chosen_method(problem, method, integer=not relax) == "flat":
        inside = Runner(threads=call.threads, deadline_s=call.left())
        asked = {"gap": gap, "relax": relax, "method": "flat", "extend": extend, "run": inside}
        return run.executor.submit(solve_once, plan, data, **asked).result()  # type: ignore[arg-type]
    checkpoint("solving")
    try:
        solved = optimise(
            problem,
            gap=gap,
            time_limit_s=call.left(),
            relax=relax,
            method=method,
            threads=call.threads,
            executor=run.executor,
            on_progress=call.watch,
            z0=z0,
        )
    except InfeasibleError as error:
        if own is None:
            raise
        raise blamed(error, own, relax, call.left()) from None
    options = {"gap": gap, "relax": relax, "method": method, **TOLERANCES}
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
