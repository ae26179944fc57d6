"""Shadow prices of the fixed linear program, in the planner's sign and unit.

Only the program with commitments fixed at the mixed-integer answer gives prices (formulation section 8). They hold for
those commitments and for small changes. Every family is checked against a finite difference in the tests.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .layout import TRUNK
from .optimize import Solved
from .units import USD_PER_MUSD

COLUMNS = ["price", "item", "world", "period", "value", "unit", "meaning"]
SMALL = 1e-9

MEANING = {
    "appropriation": "social cost avoided by one more USD of this year's appropriation",
    "total_budget": "social cost avoided by one more USD of total budget",
    "contingent_liability": "social cost avoided by one more USD of this year's liability cap",
    "stock": "present value of one more tonne put in store in this period while nothing has happened",
    "supply": "social cost avoided by one more tonne delivered to users in this period and world, in that period's money",
    "service_level": "present value saved by allowing one more tonne short of the promise",
    "supplier_share": "present value saved by one more tonne allowed beyond the diversification rule",
    "days_of_cover": "present value saved by asking for one tonne less in store",
    "cvar_limit": "social cost avoided by one more USD of CVaR allowed",
    "expected_loss_limit": "social cost avoided by one more USD of expected loss allowed",
}
"""Families of prices and what one unit of each means. All are reported so that a binding demand has a price >= 0."""


def price_table(solved: Solved) -> pd.DataFrame:
    """All prices as one tidy table; empty where the fixed linear program has no duals (relaxed or stopped)."""
    fixed = solved.fixed
    if fixed is None or fixed.row_dual is None or solved.problem.plan.objective.kind != "social_cost":
        return pd.DataFrame(columns=COLUMNS)
    rows: list[dict[str, Any]] = []
    problem = solved.problem
    assembly, layout, natural = problem.assembly, problem.layout, problem.natural
    calendar = natural.calendar
    unit = layout.instance.material_unit
    components = {f"period:{name}": c for c, name in enumerate(natural.components)}
    branches = {f"branch:{name}": c for c, name in enumerate(natural.components)}
    beta = calendar.beta

    def add(price: str, item: str, world: str, period: str, value: float, per: str) -> None:
        if abs(value) > SMALL:
            rows.append(dict(zip(COLUMNS, [price, item, world, period, value, per, MEANING[price]], strict=True)))

    money = {"budget": "appropriation", "total_budget": "total_budget", "contingent_liability": "contingent_liability",
             "cvar_limit": "cvar_limit", "expected_loss_limit": "expected_loss_limit"}  # fmt: skip
    wanted = {*money, "stock_balance", "material_balance", "service_level", "supplier_share", "days_of_cover"}
    local = [{r for r, (name, _) in enumerate(part.template.rows) if name in wanted} for part in assembly.stamped]
    chosen = np.array(
        [r in local[k] for k, r in zip(assembly.row_stamped, assembly.row_local, strict=True)], dtype=bool
    )
    for row in np.flatnonzero(chosen & (np.abs(fixed.row_dual) > SMALL)):
        name, key, label, number = assembly.row_name(int(row))
        dual = float(fixed.row_dual[row])
        if name in money:
            year = calendar.years[key] if key is not None else ""
            if year == "" or year in calendar.planned_years:
                add(money[name], "", "", str(year), -dual, "USD/USD")
            continue
        c = components.get(label, branches.get(label, -1))
        stamps, shape = layout.stamps[c], layout.shapes[c]
        if name == "service_level":
            level = natural.plan.service_levels[key[0]]
            per_t = USD_PER_MUSD / float(unit[natural.materials.index(level.material)])
            year = "" if key[1] < 0 else str(calendar.years[key[1]])
            world = layout.worlds.names[stamps.branches[number]]
            add("service_level", f"{level.material}, {level.segment}", world, year, float(-dual * per_t), "USD/t")
            continue
        s, t = int(stamps.world[number]), int(stamps.period[number])
        world, period = ("trunk" if s == TRUNK else layout.worlds.names[s]), calendar.period_label(t)
        if name == "supplier_share":
            rule = natural.plan.diversification[key]
            per_t = USD_PER_MUSD / float(unit[natural.materials.index(rule.material)])
            add(
                "supplier_share",
                f"{rule.material}: {rule.country or rule.group}",
                world,
                period,
                float(-dual * per_t),
                "USD/t",
            )
        elif name == "days_of_cover":
            i = shape.cover[key][0]
            add("days_of_cover", natural.materials[i], world, period, float(dual * USD_PER_MUSD / unit[i]), "USD/t")
        elif name == "stock_balance" and s == TRUNK and t < calendar.planned:
            add("stock", natural.materials[key], world, period, float(-dual * USD_PER_MUSD / unit[key]), "USD/t")
        elif name == "material_balance" and t < calendar.planned:
            share = float(layout.trunk_weight[c, t] if s == TRUNK else layout.worlds.probability[s])
            if share > SMALL:
                value = float(dual * USD_PER_MUSD / unit[key] / (share * beta[t]))
                add("supply", natural.materials[key], world, period, value, "USD/t")
    return pd.DataFrame(rows, columns=COLUMNS)
