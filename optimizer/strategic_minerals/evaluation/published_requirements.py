"""Shortfalls that a plan foresees if nothing is held, beside those that a government's own report printed.

The reports' way (50 USC 98h-5): a scenario of conflict and recovery, what users still want, what still arrives, and the difference
in tonnes. A report's shortfall is net of no stock, so the do-nothing reference is what is compared.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ..api.solving import solve_once
from ..core.errors import Fault, PlanError
from ..core.frames import rows_of
from ..core.runner import HERE, Runner
from ..core.verb import Gap, verb
from ..data.column_words import number_in_words
from ..data.dataset import Dataset
from ..model.problem import prepare
from ..results.operation_tables import shortfalls
from ..results.study import Study
from ..schemas.plan import Plan

COLUMNS = [
    "report",
    "item",
    "name",
    "published_t",
    "after_extra_buy_t",
    "computed_t",
    "lowest_t",
    "highest_t",
    "ratio",
    "within_factor_two",
    "reason",
]
FACTOR = 2.0
"""Ratio up to which two ways of computing a requirement count as agreeing."""
TITLES = {"comparison": "Computed and published shortfalls", "computed": "Computed shortfalls by scenario"}


@verb
def published_requirements(plan: Plan, data: Dataset, *, gap: Gap = 1e-3, run: Runner = HERE) -> Study:
    """Show what would be missing if nothing were held, beside the shortfalls that stockpile reports printed.

    The gap does not touch the reference without action, which is what is compared. Tables:
    comparison: report, item, name; published_t, after_extra_buy_t: printed shortfall, and what is left of it if users buy more
    abroad at a higher price; computed_t in the plan's first scenario, lowest_t and highest_t over its scenarios; ratio:
    computed/published; within_factor_two: yes or no, empty where nothing is computed; reason: why they differ, or why nothing is
    computed; computed: scenario, material, segment, shortfall_t, substituted_t over the whole horizon, in tonnes, if nothing is
    held. Facts: compared (rows with both figures), within_factor_two (how many of them agree to a factor of two).

    Raises PlanError for a plan without listed scenarios, and as `solve_once`.
    """
    names = [scenario.name for scenario in plan.scenarios]
    if not names:
        expected = "scenarios to compare: the emergency that the requirements are for"
        raise PlanError([data.placed(Fault("plan", "", "scenarios", "none", expected))])
    result = solve_once(plan, data, gap=gap, run=run)
    problem = prepare(plan, data)
    short = shortfalls(problem, result.reference)
    mine = short[short.scenario.isin(names)]
    computed = mine.groupby(["scenario", "material", "segment"], sort=False, as_index=False)[
        ["shortfall_t", "substituted_t"]
    ].sum()
    planned = set(problem.natural.materials)
    total = mine.groupby(["scenario", "material"])["shortfall_t"].sum()
    rows = []
    for row in data.rows("published_requirements"):
        wanted = row.materials.split()
        known = bool(wanted) and set(wanted) <= planned
        tonnes = [float(sum(total.get((name, m), 0.0) for m in wanted)) for name in names] if known else [np.nan]
        ratio = tonnes[0] / row.shortfall_t if row.shortfall_t > 0 else np.nan
        agrees = "" if np.isnan(ratio) else "yes" if 1 / FACTOR <= ratio <= FACTOR else "no"
        rows.append(
            [
                row.report,
                row.item,
                row.name,
                row.shortfall_t,
                np.nan if row.after_extra_buy_t is None else row.after_extra_buy_t,
                tonnes[0],
                min(tonnes),
                max(tonnes),
                ratio,
                agrees,
                row.reason,
            ]
        )
    comparison = pd.DataFrame(rows, columns=COLUMNS)
    both = comparison[comparison.ratio.notna()]
    facts = {"compared": len(both), "within_factor_two": int((both.within_factor_two == "yes").sum())}
    tables = {"comparison": comparison, "computed": computed}
    return Study("requirements", tables, _words(comparison, facts), facts, TITLES)


def _words(comparison: pd.DataFrame, facts: Mapping[str, int]) -> list[str]:
    lines = [
        "REQUIREMENTS: what would be missing if nothing were held, beside what reports printed [t]",
        f"  {facts['within_factor_two']} of {facts['compared']} materials with both figures agree within a factor of two.",
    ]
    for row in rows_of(comparison):
        printed = number_in_words(row.published_t, 4)
        if np.isnan(row.computed_t):
            lines.append(f"  {row.name}: {printed} printed; not computed: {row.reason}")
            continue
        span = f"{number_in_words(row.lowest_t, 4)} to {number_in_words(row.highest_t, 4)}"
        why = f"; {row.reason}" if row.within_factor_two == "no" and row.reason else ""
        lines.append(f"  {row.name}: {printed} printed, {number_in_words(row.computed_t, 4)} computed ({span}){why}")
    return lines
