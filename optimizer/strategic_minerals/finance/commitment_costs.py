"""What commitments cost: one figure, or one a fiscal year, for every signature and, after those, every market floor."""

from __future__ import annotations

import numpy as np

from ..core.arrays import Floats
from ..instance.instance import Instance
from .packages import Option, Support


def commitment_money(instance: Instance, support: Support) -> dict[str, Floats]:
    """(commitments,) or (commitments, fiscal years) figures [million USD] by the Param of the formulation that holds them; zeros
    where the plan sets no such limit. Social cost: payments that close gaps and fees + expected floor cost with terminal liability
    + charge for the downside moved from owners + border surcharge less revenue.
    """
    plan, calendar = instance.plan, instance.calendar
    beta = calendar.beta[: calendar.periods]
    by_year = np.equal.outer(calendar.year_index, np.arange(len(calendar.years))).astype(float)
    outlay = np.concatenate([support.outlay, support.market_outlay])
    liability = np.concatenate([support.liability, support.market_liability])
    planned = (np.arange(calendar.periods) < calendar.planned).astype(float)

    def cost(option: Option) -> float:
        floor = option.floor.expected + option.floor.terminal if option.floor is not None else 0.0
        return float(beta @ (option.payments + option.fees)) + floor + option.risk_charge + option.border_loss

    signed = [cost(option) for option in support.options]
    market = [k.money.expected + k.money.terminal + k.users - k.treasury for k in support.markets]
    residual = [option.residual for option in support.options]
    return {
        "outlay": outlay @ by_year,
        "planned_outlay": outlay @ planned * (plan.budget.total_musd is not None),
        "discounted_outlay": outlay @ calendar.spending_weight,
        "liability": liability @ by_year * (plan.budget.liability_cap_musd is not None),
        "social_cost": np.array(signed + market, dtype=float),
        "residual_worth": np.array(residual + [0.0] * len(market), dtype=float),
    }
