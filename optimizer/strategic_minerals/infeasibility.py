"""Why there is no answer: confirmed, and told in the planner's words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .clusters import demanding
from .compile import INF
from .errors import InfeasibleError, StoppedError, UntrustedError
from .problem import Outcome, Problem, Reason
from .solver import Model, Run

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


def no_answer(run: Run, problem: Problem, stage: str, find: Callable[[], list[str]], time_limit_s: float) -> Exception:
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
    assembly = demanding(problem.layout, problem.assembly)
    status = Model(assembly, np.zeros_like(assembly.lower), integer=True).run(time_limit_s=time_limit_s, presolve=False).status
    return "infeasible" if status == "infeasible_or_unbounded" else status


def culprits(problem: Problem, relax: bool, time_limit_s: float) -> list[str]:
    """Families of demands that conflict: irreducible sets, found by deletion, until what is left has a plan.

    Within a set every family takes part: without any one of them the others of the set can be met. Bystanders are not named.
    """
    asked = demanding(problem.layout, problem.assembly)
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
    assembly = demanding(problem.layout, problem.assembly)
    model = Model(assembly, np.zeros_like(assembly.lower), integer=not relax)
    for family in DEMANDS:
        if family not in families:
            rows = assembly.rows_of(family)
            model.set_row_bounds(rows, np.full(len(rows), -INF), np.full(len(rows), INF))
    return model.run(time_limit_s=time_limit_s).status not in ("infeasible", "infeasible_or_unbounded")
