"""One solve from plan and tables to a result: prepared, optimised, read, audited."""

import logging
import time
from dataclasses import replace
from functools import partial
from typing import Annotated

import numpy as np
import pyomo.environ as pyo
from pydantic import Field

from ..core.errors import InfeasibleError
from ..core.logs import logger_of, one_run
from ..core.runner import HERE, Runner, checkpoint, current, unlimited
from ..core.stats import TOTAL
from ..core.verb import GAP, Gap, verb
from ..matrix.named import named_model
from ..matrix.own import Extend, OwnParts, extended
from ..matrix.problem import Problem, prepare
from ..matrix.template import pyomo_alone
from ..question.consistency import require
from ..question.dataset import Dataset
from ..question.plan import Plan
from ..solver.highs import TOLERANCES
from ..solver.infeasibility import missed_rows
from ..solver.optimise import optimise
from ..solver.stages import Method, with_reference
from .prices import answer, read, sizes_of
from .result import Result

# The model in the hands of its user: written out by name, extended by a function, solved by whichever solver.
REFERENCE_LIMIT_S = 3600.0
"""Seconds for the do-nothing reference of `build_model`."""
MOST_BLAMED = 5
"""Constraints that an error names."""
LOG = logger_of(__name__)

READING, READING_OF_SETUP = 0.4, 4.0
"""Share of the time left that a search leaves for prices, tables and audit: no more than so many times what setting up took."""


def build_model(plan: Plan, data: Dataset) -> pyo.ConcreteModel:
    """The model that `solve` solves, in Pyomo: in tonnes and million USD, every index a name.

    `stock["ndfeb_magnet", "base", 2030]` is the stock [t] at the end of 2030 on the baseline course; where a scenario has left that
    course its name stands in place of `base`. `sign["vulcan_benson", "loan", 2029]` is 0 or 1. A period is the fiscal year, or text
    such as `2030.2` where years have several. The active objective [million USD] is that of the plan's first aim, as a difference
    to doing nothing: at the optimum `Result.outcome.objective_musd`. `stages` names all aims in order, the later ones inactive.
    For own rules there are `outlays["gallium", "base", 2030]` [million USD] and `supported["CAN"]`, projects signed there.

    For reading (`pprint`), for other solvers (`write`, LP and MPS), and for `solve(extend=...)`. The reference is solved first.

    Raises PlanError and InputError with every fault; SolveError and UntrustedError where that reference has no answer.
    """
    require(plan, data)
    problem, z0 = with_reference(prepare(plan, data), REFERENCE_LIMIT_S)
    with pyomo_alone():
        return named_model(problem, z0)


def blamed(error: InfeasibleError, own: OwnParts, relax: bool, time_limit_s: float) -> InfeasibleError:
    """The same error with the names of constraints that were added and that, missed, would leave the rest a plan."""
    missed = set(missed_rows(own.problem, relax, time_limit_s).tolist())
    names = [row.name for row in own.rows if row.row in missed]
    if not names:
        return error
    text = ", ".join(names[:MOST_BLAMED]) + f" and {len(names) - MOST_BLAMED} more" * (len(names) > MOST_BLAMED)
    joined = f"{error}, and what was asked for beside the plan: {text}" if error.culprits else f"{error}: {text}"
    return InfeasibleError(joined, error.outcome, error.culprits)


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
    gap: Gap = GAP,
    relax: Relax = False,
    method: MethodOption = "auto",
    extend: Extend | None = None,
    run: Runner = HERE,
) -> Result:
    """Decide stockpiles, friend-shored sources and price floors together, for the plan's own scenarios alone.

    extend: a function that is given the model of `build_model` and adds variables, linear constraints, and terms of the objective
    by `add_term`; what is solved is that model, decomposed only where no constraint is about what is done in a scenario. The table
    `own_parts` says what they came to, with the prices of the constraints; figures and audit are the plan's own. The bound is
    that of plans that keep the constraints; with terms it is that of worth and terms together, less these terms, and bounds no
    worth alone. It is called under a lock, and has to be picklable where there is an executor. None: the plan as it is. run: where
    and how long; with an executor the solve runs as a whole in one of its workers.

    Raises PlanError and InputError (faults, all at once; also a method that the plan's aim rules out), InfeasibleError,
    StoppedError, UntrustedError and FormulationError. A pure function of its arguments, safe from many threads."""
    with one_run(plan.name):
        return solved(plan, data, gap=gap, relax=relax, method=method, extend=extend, run=run)[0]


def _alone(
    question: tuple[Plan, Dataset], *, gap: float, relax: bool, method: Method, extend: Extend | None
) -> tuple[Result, Problem]:
    """A solve as one task."""
    return solved(*question, gap=gap, relax=relax, method=method, extend=extend)


def solved(
    plan: Plan,
    data: Dataset,
    *,
    gap: float,
    relax: bool = False,
    method: Method = "auto",
    extend: Extend | None = None,
    run: Runner = HERE,
) -> tuple[Result, Problem]:
    """(the result of `solve_once`, its problem without the matrix, for what is asked about it next). Raises as `solve_once`."""
    call = current()
    checkpoint("checking the question")
    require(plan, data)
    if run.executor is not None:
        alone = partial(_alone, gap=gap, relax=relax, method=method, extend=extend)
        (sent,) = run.each("", alone, [(plan, data)])
        return sent
    begin = time.perf_counter()
    LOG.info("plan %s: gap %g, %s, method %s", plan.name, gap, "relaxed" if relax else "mixed-integer", method)
    problem = prepare(plan, data)
    if LOG.isEnabledFor(logging.INFO):
        sizes = (
            "%(rows)d rows, %(columns)d columns, %(nonzeros)d nonzeros, %(binaries)d integers, %(scenarios)d scenarios"
        )
        LOG.info(f"model: {sizes}", sizes_of(problem))
    own, z0 = None, None
    if extend is not None:
        problem, z0 = with_reference(problem, call.left())
        own = extended(problem, z0, extend)
        problem, z0 = own.problem, np.append(z0, np.zeros(len(own.added)))  # doing nothing has none of it
    checkpoint("solving")
    try:
        searched = optimise(
            problem,
            gap=gap,
            time_limit_s=call.left() - min(READING * call.left(), READING_OF_SETUP * call.seconds),
            relax=relax,
            method=method,
            threads=call.threads,
            on_progress=call.watch,
            z0=z0,
        )
    except InfeasibleError as error:
        if own is None:
            raise
        raise blamed(error, own, relax, call.left()) from None
    options = {"gap": gap, "relax": relax, "method": method, **TOLERANCES}
    found = read(searched, own)
    del problem, searched, own
    result = Result(**unlimited(answer, found, options))
    seconds = found.problem.seconds
    seconds.phases[TOTAL] = time.perf_counter() - begin
    outcome = result.outcome
    LOG.info(
        "%s after %.3f s: objective %s million USD",
        outcome.reason,
        seconds.phases[TOTAL],
        "none" if outcome.objective_musd is None else f"{outcome.objective_musd:,.3f}",
    )
    return replace(result, seconds=dict(seconds.phases)), found.problem
