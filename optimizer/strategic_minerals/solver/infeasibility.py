"""Why there is no answer: confirmed by a witness, and explained in the planner's words.

Doing nothing keeps every rule but the demands on a plan, by construction. So a solver that says
"infeasible" is believed only where it finds, with all demands open to be missed, a point, and misses something at the best of them.
"""

from collections.abc import Callable

import numpy as np

from ..core.errors import FormulationError, InfeasibleError, Outcome, Reason, UntrustedError, stopped
from ..core.frames import INF, Ints
from ..core.logs import logger_of
from ..matrix.assembly import Assembly
from ..matrix.named import OWN
from ..matrix.problem import Problem, with_columns
from .highs import Model, Run, SolvedRun
from .lshaped.subproblems import demanding

LOG = logger_of(__name__)

DEMANDS = {
    "service_level": "service levels",
    "diversification": "diversification rules",
    "days_of_cover": "days of cover",
    "cvar_limit": "the limit on CVaR",
    "expected_loss_limit": "the limit on expected loss",
    "budget": "appropriations",
    "total_budget": "the total budget",
    "contingent_liability": "the liability cap",
    "project_logic": "projects that need or exclude one another",
}
"""Families of requirements that a planner can relax, in a planner's words."""

NO_POINT = ("infeasible", "infeasible_or_unbounded")
"""Statuses that say that there is no point."""
MISSED = 1e-9
"""Of a row's own size, the least that a conflict misses: less is the solver's rounding."""
CLEARLY = 1e-6
"""Of a row's own size, what is missed by more than a solver's tolerance."""
CLOSE = 0.5
"""Relative gap at which the least that is missed is known to be something."""


def no_answer(
    run: Run, problem: Problem, stage: str, find: Callable[[], list[str]], time_limit_s: float, *, relax: bool = False
) -> Exception:
    """The error that a run without a usable point stands for. relax: the run was of the linear relaxation."""
    if run.status in (*NO_POINT, "unbounded"):
        LOG.info("%s: %s; asked again without presolve", stage, run.status.replace("_", " "))
        again = _confirm(problem, time_limit_s)
        open_ended = run.status == "unbounded" or (run.status != "infeasible" and OWN in problem.assembly.costs)
        # of a plan alone, which has a bound, such a claim is not trusted
        endless = run.status == "unbounded" or (open_ended and again == "optimal")
        if endless and OWN in problem.assembly.costs:
            added = "the terms that were added to the model; a variable of your own needs a bound where its term earns"
            return FormulationError(f"{stage} is unbounded: somebody could earn without limit by {added}")
        if endless:
            return UntrustedError(f"{stage} is unbounded: with these data somebody could earn without limit")
        if again == "optimal":
            return UntrustedError(
                f"the solver called {stage} {run.status.replace('_', ' ')} with presolve but feasible without: not trusted"
            )
        if again != "infeasible":
            return UntrustedError(
                f"the solver called {stage} infeasible, but came to no verdict without presolve ({again})"
            )
        doubt = contradiction(problem, relax, time_limit_s)
        if doubt:
            return UntrustedError(f"the solver called {stage} infeasible, but contradicts itself: {doubt}")
        named = find()
        if not named and not len(held_in(problem.assembly)):
            return UntrustedError(
                f"the solver called {stage} infeasible, but finds no conflicting requirements: not trusted"
            )
        outcome = Outcome("infeasible", None, None, None, None)
        blamed = ", ".join(DEMANDS[name] for name in named) or "what was asked for beside the plan"
        LOG.info("in conflict: %s", blamed)
        text = f"no plan meets all requirements (double-checked without presolve); in conflict: {blamed}"
        return InfeasibleError(text, outcome, named)
    stops: tuple[Reason, ...] = ("time_limit", "interrupted", "out_of_memory")
    reasons: dict[str, Reason] = {reason: reason for reason in stops}
    reason = reasons.get(run.status, "failed")
    if reason == "failed":
        return UntrustedError(f"the solver failed in {stage} (status {run.status})")
    outcome = Outcome(reason, None, run.bound if np.isfinite(run.bound) else None, None, None)
    return stopped(f"stopped in {stage} before any plan was found ({reason.replace('_', ' ')})", outcome)


def _confirm(problem: Problem, time_limit_s: float) -> str:
    """Status of the problem as a feasibility question without presolve (no cost, so never unbounded)."""
    assembly = demanding(problem.structure, problem.assembly)
    model = Model(assembly, np.zeros_like(assembly.lower), integer=True)
    status = model.run(time_limit_s=time_limit_s, presolve=False).status
    return "infeasible" if status == "infeasible_or_unbounded" else status


def contradiction(problem: Problem, relax: bool, time_limit_s: float) -> str:
    """What speaks against "infeasible": the elastic program, in which every demand may be missed, has no point either, or misses
    nothing; empty where it misses something, which is what the word means."""
    asked = demanding(problem.structure, problem.assembly)
    rows = np.concatenate([*(asked.rows_of(family) for family in (*DEMANDS, "trunk_shortfall")), held_in(asked)])
    run, _ = _elastic(asked, rows, relax, time_limit_s)
    if run.status in NO_POINT:
        return "it calls the problem infeasible even with every requirement open, although doing nothing is then a solution"
    if isinstance(run, SolvedRun) and run.status == "optimal" and run.objective <= MISSED:
        return "with every requirement open to be missed, none is"
    return ""


def _elastic(asked: Assembly, rows: Ints, relax: bool, time_limit_s: float) -> tuple[Run, Ints]:
    """The least that some rows have to be missed by, as shares of their size, with the rows that the last columns stand for."""
    equal = rows[asked.row_lower[rows] == asked.row_upper[rows]]  # may be missed on either side
    senses = np.where(np.isinf(asked.row_lower[rows]), -1.0, 1.0)  # a slack relaxes a row of one side
    slacks = [*zip(rows.tolist(), senses.tolist(), strict=True), *((int(row), -1.0) for row in equal)]
    rows = np.append(rows, equal)
    elastic = with_columns(asked, [[slack] for slack in slacks], np.full(len(rows), INF))
    cost = np.zeros(len(elastic.lower))
    bound = np.where(np.isfinite(asked.row_lower[rows]), asked.row_lower[rows], asked.row_upper[rows])
    cost[len(asked.lower) :] = 1 / (asked.row_unit[rows] + np.abs(bound))
    return Model(elastic, cost, integer=not relax).run(time_limit_s=time_limit_s, gap=CLOSE, phase="elastic"), rows


def missed_rows(problem: Problem, relax: bool, time_limit_s: float) -> Ints:
    """Rows beside the plan that are missed where the least is missed for the others, and all that the plan demands, to be met: one
    way out of a conflict, which may have others. None where that does not help, or time ran out."""
    asked = problem.assembly
    run, rows = _elastic(asked, held_in(asked), relax, time_limit_s)
    if not isinstance(run, SolvedRun):
        return np.zeros(0, dtype=np.int64)
    slack = run.x[len(asked.lower) :]
    limit = np.where(np.isfinite(asked.row_lower[rows]), asked.row_lower[rows], asked.row_upper[rows])
    return np.unique(rows[slack > CLEARLY * (1 + np.abs(limit))])


def held_in(assembly: Assembly) -> Ints:
    """Rows of no template: what a caller has asked for beside the plan."""
    return np.flatnonzero(assembly.row_block < 0)


def culprits(problem: Problem, relax: bool, time_limit_s: float) -> list[str]:
    """Families of demands that conflict: irreducible sets, found by deletion, until what is left has a plan.

    Within a set every family takes part: without any one of them the others of the set can be met. Bystanders are not named.
    """
    asked = demanding(problem.structure, problem.assembly)
    active = [family for family in DEMANDS if len(asked.rows_of(family))]
    found: list[str] = []
    while active and not _possible(problem, active, relax, time_limit_s):
        core = list(active)
        for family in active:
            rest = [other for other in core if other != family]
            if not _possible(problem, rest, relax, time_limit_s):
                core = rest
        if not core:
            break
        found += core
        active = [family for family in active if family not in core]
    return [family for family in DEMANDS if family in found]


def _possible(problem: Problem, families: list[str], relax: bool, time_limit_s: float) -> bool:
    """Whether some plan meets these families of demands, the other families left out; a limit counts as yes."""
    assembly = demanding(problem.structure, problem.assembly)
    model = Model(assembly, np.zeros_like(assembly.lower), integer=not relax)
    for family in DEMANDS:
        if family not in families:
            rows = assembly.rows_of(family)
            model.set_row_bounds(rows, np.full(len(rows), -INF), np.full(len(rows), INF))
    return model.run(time_limit_s=time_limit_s).status not in NO_POINT
