"""The aims of a plan in words."""

from __future__ import annotations

from ..schemas.plan import Plan
from .structure import STAGES


def aim_in_words(plan: Plan, stage: str) -> str:
    """What a stage minimises, with the weights that the plan sets."""
    return {"social_cost": "social cost", "spending": "discounted spending"}.get(stage) or _risk(plan)


def slack_of_later_aims(plan: Plan) -> float:
    """Share of the main aim that later ones may use beyond the gap; 0 where there is one aim alone, or none was asked for."""
    return (plan.objective.stage_slack or 0.0) if len(STAGES[plan.objective.kind]) > 1 else 0.0


def main_aim(plan: Plan) -> str:
    """What prices and reasons are counted in: the first stage of the plan's aim."""
    return aim_in_words(plan, STAGES[plan.objective.kind][0])


def _risk(plan: Plan) -> str:
    m = plan.objective.cvar_share
    tail = f"mean of the worst {100 * (1 - plan.risk.alpha):.3g}% of losses (CVaR)"
    if m in (0.0, 1.0):
        return f"risk ({tail if m else 'expected loss'})"
    return f"risk ({100 * (1 - m):.3g}% of expected loss and {100 * m:.3g}% of the {tail})"
