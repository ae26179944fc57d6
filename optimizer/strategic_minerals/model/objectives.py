"""Cost vectors of every aim, and what gaps are measured against."""

from __future__ import annotations

import numpy as np

from ..core.arrays import Floats
from ..formulation.structure import STAGES
from .problem import Problem

OWN = "own"
"""Costs that a caller has added to the first aim of the plan."""


def denominator(problem: Problem, objective: float) -> float:
    """What a gap is measured against: max(|Z - Z0|, discounted appropriation, 1 million USD)."""
    calendar = problem.natural.calendar
    by_year = calendar.beta[np.arange(len(calendar.years)) * calendar.per_year]
    return max(abs(objective), float(by_year @ problem.natural.appropriation), 1.0)


COST_GROUPS = {
    "users_musd": ("output", "reserve_output", "surplus", "sent"),
    "authority_musd": ("acquisition", "stock", "disposal", "release"),
}
"""Whose cost the coefficients of an operation are; of commitments all are `commitments_musd`, what goes short is the loss."""


def cost_groups(problem: Problem) -> dict[str, Floats]:
    """Social cost by who bears it, as cost vectors [million USD]; with expected loss, penalties and weighted CVaR they add up."""
    assembly = problem.assembly
    social = assembly.costs["social_cost"] - problem.plan.residual * assembly.costs.get("residual_credit", 0.0)
    found = {name: np.zeros_like(social) for name in (*COST_GROUPS, "commitments_musd")}
    for part in assembly.blocks:
        if part.kind == "commitments":
            found["commitments_musd"][part.own] = social[part.own]
        elif part.kind == "period":
            for name, variables in COST_GROUPS.items():
                mine = np.tile(
                    np.array([variable in variables for variable, _ in part.template.columns], dtype=bool), part.count
                )
                found[name][part.own] = np.where(mine, social[part.own], 0.0)
    return found


def objective_costs(problem: Problem) -> dict[str, Floats]:
    """Cost vectors of the social cost and of the plan's aims over all columns [million USD]."""
    costs, m, plan = problem.assembly.costs, problem.plan.objective.cvar_share, problem.plan
    shares: dict[str, dict[str, float]] = {
        "social_cost": {
            "social_cost": 1.0,
            "residual_credit": -plan.residual,
            "tail_risk": plan.risk.cvar_weight,
            "penalty": 1.0,
        },
        "risk": {"expected_loss": 1 - m, "tail_risk": m, "penalty": 1.0},
        "spending": {"spending": 1.0, "penalty": 1.0},
    }
    shares[STAGES[plan.objective.kind][0]][OWN] = 1.0
    found = {}
    for name in dict.fromkeys(("social_cost", *STAGES[plan.objective.kind])):
        found[name] = np.zeros_like(problem.assembly.lower)
        for part, share in shares[name].items():
            if share and part in costs:
                found[name] += costs[part] if share == 1.0 else share * costs[part]
    return found
