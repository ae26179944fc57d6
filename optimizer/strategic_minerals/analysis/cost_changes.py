"""Who bears the cost of a plan: what an item changes for each, as parts that add up to what it changes in the main aim."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ..audit.accounts import losses, open_accounts, social_cost
from ..core.arrays import Floats
from ..formulation.structure import STAGES
from ..model.problem import Problem
from ..model.solution import extract
from ..schemas.plan import Plan

USERS = (
    "users_activities",
    "users_reserve_inputs",
    "users_surplus",
    "users_release",
    "users_border_surcharge",
    "users_own_stock",
    "users_freight",
)
GOVERNMENT = (
    "authority_purchases",
    "authority_holding",
    "authority_disposal",
    "authority_release",
    "authority_border_revenue",
    "salvage",
    "contract_fees",
    "offtake_fees",
    "capital_support",
    "floor_cost",
    "terminal_liability",
    "residual_credit",
    "risk_transfer",
)
"""Parts of a result's objective (`Result.objective_parts`) by who bears them; shortage losses, the charge for risk and penalties
are those of nobody."""


@dataclass(frozen=True)
class Costs:
    """Social cost of a plan by who bears it [million USD]; NaN where there is no plan. Only differences of them mean something."""

    shortages: float
    """Expected shortage losses; substitutes count among them."""
    users: float
    """What users pay for supply."""
    government: float
    """Spending, less sales and the value of stock and plants that are left."""
    risk: float
    """The plan's weight on CVaR."""
    penalties: float
    """For broken soft rules; nobody pays them."""
    at_risk: float
    """Expected shortage losses as risk measures count them: at undisturbed prices, without those inside imported goods."""


NO_COSTS = Costs(*[math.nan] * 6)


def costs_of_parts(parts: Mapping[str, float], at_risk: float) -> Costs:
    """Costs of a plan from the parts of its social cost. at_risk: its expected losses as risk measures count them."""
    return Costs(
        parts["loss"] + parts["users_substitution"],
        sum(parts[name] for name in USERS),
        sum(parts[name] for name in GOVERNMENT),
        parts["cvar"],
        parts["soft_penalties"],
        at_risk,
    )


def costs_of_point(problem: Problem, x: Floats) -> Costs:
    """Costs of a point of a model."""
    solution = extract(problem.structure, problem.assembly, x)
    accounts = open_accounts(problem, solution)
    at_risk = float(problem.structure.scenarios.probability @ losses(accounts))
    return costs_of_parts(social_cost(problem, solution, accounts), at_risk)


def parts_of_gain(plan: Plan, gain: float, before: Costs, after: Costs, spending: float) -> dict[str, float]:
    """What is gained in the plan's main aim by going from one plan to another, in parts that add up to it [million USD].

    gain: in the main aim. spending: what is spent less, discounted.
    """
    aim = STAGES[plan.objective.kind][0]
    penalties = before.penalties - after.penalties
    if aim == "spending":
        return {"spending": spending, "penalties": penalties}
    shortages = before.shortages - after.shortages
    if aim == "risk":
        counted = (1 - plan.objective.cvar_share) * (before.at_risk - after.at_risk)
        return {"shortages": counted, "risk": gain - counted - penalties, "penalties": penalties}
    return {
        "shortages": shortages,
        "users": before.users - after.users,
        "government": before.government - after.government,
        "risk": before.risk - after.risk,
        "penalties": penalties,
    }
