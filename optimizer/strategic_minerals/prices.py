"""Shadow prices of the fixed linear program, in the planner's sign and unit.

Only the program with commitments fixed at the mixed-integer answer gives prices (formulation section 8). They hold for
those commitments and for small changes. Every family is checked against a finite difference in the tests.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .instance import Floats
from .layout import STAGES, TRUNK
from .optimize import Solved
from .units import USD_PER_MUSD

COLUMNS = ["price", "item", "world", "period", "value", "unit", "meaning"]
SMALL = 1e-9

MEANING = {
    "appropriation": "{aim} avoided by one more USD of this year's appropriation",
    "total_budget": "{aim} avoided by one more USD of total budget",
    "contingent_liability": "{aim} avoided by one more USD of this year's liability cap",
    "stock": "{aim} avoided by one more tonne put in store in this period while nothing has happened (negative where in the way)",
    "supply": "{aim} avoided by one more tonne delivered to users in this period and world, in that period's money",
    "service_level": "{aim} avoided by allowing one more tonne short of the promise",
    "supplier_share": "{aim} avoided by one more tonne allowed beyond the diversification rule",
    "days_of_cover": "{aim} avoided by asking for one tonne less in store",
    "cvar_limit": "{aim} avoided by one more USD of CVaR allowed",
    "expected_loss_limit": "{aim} avoided by one more USD of expected loss allowed",
}
"""Families of prices and what one unit of each means, present values where nothing else is said. All are reported so that
a binding demand has a price >= 0."""

AIMS = {
    "social_cost": "social cost", "spending": "discounted spending",
    "risk": "risk, (1-m) expected loss + m CVaR,",
}  # fmt: skip
"""What a price is counted in: the first stage of the plan's aim."""


def price_table(solved: Solved) -> pd.DataFrame:
    """All prices as one tidy table, counted in the plan's main aim; empty for a relaxed or stopped run."""
    fixed, aim = solved.priced, STAGES[solved.problem.plan.objective.kind][0]
    finished = solved.outcome.reason in ("optimal", "within_gap")
    if not finished or fixed is None or fixed.row_dual is None or fixed.column_dual is None:
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
            meaning = MEANING[price].format(aim=AIMS[aim])
            rows.append(dict(zip(COLUMNS, [price, item, world, period, value, per, meaning], strict=True)))

    for f, value in enumerate(_appropriation(solved)):
        if calendar.years[f] in calendar.planned_years:
            add("appropriation", "", "", str(calendar.years[f]), value, "USD/USD")
    money = {"total_budget": "total_budget", "contingent_liability": "contingent_liability",
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
            levels = natural.plan.service_levels
            level = levels[key[0]]
            alike = [
                k
                for k, other in enumerate(levels)
                if (other.material, other.segment) == (level.material, level.segment)
            ]
            per_t = USD_PER_MUSD / float(unit[natural.materials.index(level.material)])
            year = "" if key[1] < 0 else str(calendar.years[key[1]])
            world = layout.worlds.names[stamps.branches[number]]
            add(
                "service_level",
                _item(f"{level.material}, {level.segment}", alike, key[0]),
                world,
                year,
                float(-dual * per_t),
                "USD/t",
            )
            continue
        s, t = int(stamps.world[number]), int(stamps.period[number])
        world, period = ("trunk" if s == TRUNK else layout.worlds.names[s]), calendar.period_label(t)
        if name == "supplier_share":
            rules = natural.plan.diversification
            rule = rules[key]
            who = rule.country or rule.group
            alike = [k for k, r in enumerate(rules) if (r.material, r.country or r.group) == (rule.material, who)]
            per_t = USD_PER_MUSD / float(unit[natural.materials.index(rule.material)])
            add(
                "supplier_share",
                _item(f"{rule.material}: {who}", alike, key),
                world,
                period,
                float(-dual * per_t),
                "USD/t",
            )
        elif name == "days_of_cover":
            i = shape.cover[key][0]
            alike = [k for k, (other, _) in enumerate(shape.cover) if other == i]
            add(
                "days_of_cover",
                _item(natural.materials[i], alike, key),
                world,
                period,
                float(dual * USD_PER_MUSD / unit[i]),
                "USD/t",
            )
        elif name == "stock_balance" and s == TRUNK and t < calendar.planned:
            add("stock", natural.materials[key], world, period, float(-dual * USD_PER_MUSD / unit[key]), "USD/t")
        elif name == "material_balance" and aim == "social_cost" and t < calendar.planned:
            share = float(layout.trunk_weight[c, t] if s == TRUNK else layout.worlds.probability[s])
            if share > SMALL:
                value = float(dual * USD_PER_MUSD / unit[key] / (share * beta[t]))
                add("supply", natural.materials[key], world, period, value, "USD/t")
    return pd.DataFrame(rows, columns=COLUMNS)


def _appropriation(solved: Solved) -> Floats:
    """(F,) main aim avoided by one more USD of each year's appropriation.

    It widens the year's budget, and by its share what may be carried into the next year.
    """
    problem, fixed = solved.problem, solved.priced
    assert fixed is not None
    assert fixed.row_dual is not None
    assert fixed.column_dual is not None
    assembly = problem.assembly
    share, F = problem.plan.budget.carry_over_share, len(problem.natural.calendar.years)
    value = np.zeros(F)
    for row in assembly.rows_of("budget"):
        value[assembly.row_name(int(row))[1]] -= fixed.row_dual[row]
    for f in range(F - 1):  # nothing is carried out of the last year
        column = int(assembly.stamped[0].columns("carry", f)[0])
        value[f] -= share * min(0.0, float(fixed.column_dual[column]))
    return value


def _item(name: str, alike: list[int], n: int) -> str:
    """A rule's name, with its place in the plan where several rules are alike."""
    return name if len(alike) == 1 else f"{name}, rule {n + 1}"
