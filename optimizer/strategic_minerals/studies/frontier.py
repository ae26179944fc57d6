"""Budget against risk: what more money buys, and the budgets at which the portfolio switches.

Every budget is a plan solved for its own aim. Between two budgets with different portfolios, budgets are halved until the switch
lies within a tolerance. Portfolios need not grow with the budget: a project that the money of a middle year just allows may make
way for a more expensive one."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any

import pandas as pd
from pydantic import Field

from ..answer.solving import MethodOption, Relax
from ..answer.study import Study, listed
from ..core.frames import rows_of
from ..core.runner import HERE, Runner
from ..core.stats import midpoints
from ..core.verb import GAP, Gap, verb
from ..question.dataset import Dataset
from ..question.names import Names
from ..question.plan import Plan
from .sweep import sweep

BUDGET = "budget.appropriation_musd *"
TOTAL = "budget.total_musd *"
EARLY = "budget.carried_in_musd *"
FACTORS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
TOLERANCE = 0.01
"""Of a switch point: share of the plan's own budget."""
MOST_SOLVES = 200
POINT = (
    "factor appropriation_musd spending_musd objective_musd bound_musd expected_loss_musd cvar_musd "
    "defence_short reason portfolio"
).split()


TITLES = {"points": "Budgets", "switches": "Switch points"}


@verb
def frontier(
    plan: Plan,
    data: Dataset,
    *,
    factors: Annotated[
        Sequence[Annotated[float, Field(ge=0, le=1000)]],
        Field(min_length=1, max_length=200, description="Budgets as multiples of the plan's own."),
    ] = FACTORS,
    tolerance: Annotated[
        float, Field(gt=0, le=1, description="Accuracy of switch points, as a share of the plan's own budget.")
    ] = TOLERANCE,
    gap: Gap = GAP,
    relax: Relax = False,
    method: MethodOption = "auto",
    most_solves: Annotated[int, Field(ge=1, le=2000, description="Most solves in all.")] = MOST_SOLVES,
    run: Runner = HERE,
) -> Study:
    """Trace cost and risk over budgets, and find the budgets at which the portfolio changes.

    Budgets are factors on the plan's appropriations, and on its total where it has one.

    Tables: `points`, in order of the budget: factor on the appropriations, discounted appropriation [million USD], spending,
    objective, bound, expected loss, CVaR, chance that defence goes short, reason, portfolio. `switches`: below, above (factors
    between which it lies), appropriation_below_musd, appropriation_above_musd, gained, lost; resolved where the two are within
    the tolerance.
    Facts: gap, tolerance, tail_counts (spending counts years computed after the planned ones, which the appropriation does
    not). A budget without an answer is a row with its reason.

    Raises PlanError and InputError as `sweep`."""
    asked = sorted(set(map(float, factors)))
    rows: dict[float, dict[str, object]] = {}
    addresses = (BUDGET, *[TOTAL] * (plan.budget.total_musd is not None), *[EARLY] * (plan.budget.carried_in_musd < 0))
    while asked:
        points = [dict.fromkeys(addresses, factor) for factor in asked]
        done = sweep(plan, data, points, gap=gap, relax=relax, method=method, run=run)
        for k, factor in enumerate(asked):
            rows[factor] = _point(plan, factor, done, k)
        asked = midpoints(list(rows), partial(_differ, rows), tolerance)[: max(0, most_solves - len(rows))]
    table = pd.DataFrame([rows[factor] for factor in sorted(rows)], columns=POINT)
    tables = {"points": listed(table, "portfolio"), "switches": _switches(table, tolerance, Names.of(data))}
    facts = {"gap": gap, "tolerance": tolerance, "tail_counts": plan.horizon.tail_years != 0}
    return Study("frontier", tables, _words(tables, facts), facts, TITLES)


def _words(tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any]) -> list[str]:
    points, switches = tables["points"], tables["switches"]
    lines = [
        f"FRONTIER: budget against risk (million USD, discounted; each budget solved to a gap of {facts['gap']:g})."
    ]
    if facts["tail_counts"]:
        lines.append(
            "  Spending and the columns after it include the years computed after the plan; the budget does not."
        )
    lines.append(f"  {'budget':>10}{'spent':>10}{'worth':>10}{'exp. loss':>11}{'CVaR':>10}{'defence short':>15}")
    for row in rows_of(points):
        if row.objective_musd != row.objective_musd:
            lines.append(f"  {row.appropriation_musd:>10,.0f}  no plan: {row.reason}")
            continue
        lines.append(
            f"  {row.appropriation_musd:>10,.0f}{row.spending_musd:>10,.1f}{0.0 - row.objective_musd:>10,.1f}"
            f"{row.expected_loss_musd:>11,.1f}{row.cvar_musd:>10,.0f}{row.defence_short:>15.1%}"
        )
    lines.append(
        "SWITCHES: budgets at which the portfolio changes (projects, market-wide floors, contracts), "
        f"located to {facts['tolerance']:.1%} of the plan's budget; equally good portfolios may swap by chance:"
    )
    for row in rows_of(switches):
        moves = [f"{word} {names}" for word, names in (("adds", row.gained), ("drops", row.lost)) if names]
        rough = "" if row.resolved else " (not located more closely)"
        between = f"between {row.appropriation_below_musd:,.1f} and {row.appropriation_above_musd:,.1f}"
        lines.append(f"  {between}: {'; '.join(moves)}{rough}")
    answered = points[points["objective_musd"].notna()]
    if not len(answered):
        lines.append("  none: no budget has a plan")
    elif not len(switches):
        lines.append("  none: the portfolio is the same at every budget that has a plan")
    failed = points[points["objective_musd"].isna()]
    if len(failed) and len(answered):
        most, least = failed["appropriation_musd"].max(), answered["appropriation_musd"].min()
        lines.append(
            f"  no plan exists at {len(failed)} budgets, up to {most:,.1f}; the lowest budget with a plan is {least:,.1f}"
        )
    return lines


def _point(plan: Plan, factor: float, done: Study, k: int) -> dict[str, object]:
    """One row of `POINT`."""
    row, decisions = done.tables["points"].iloc[k], done.tables["decisions"]
    mine = decisions[decisions["point"] == k]
    names = {f"{row.kind} {row.item.partition(': ')[0]}" for row in rows_of(mine) if row.kind != "stock"}
    kept = {name: row[name] for name in POINT if name in row.index}
    money = factor * discounted_appropriation(plan)
    return kept | {"factor": factor, "appropriation_musd": money, "portfolio": tuple(sorted(names))}


def discounted_appropriation(plan: Plan) -> float:
    """All planned years' appropriations, discounted to the first, or the total where that is less [million USD]."""
    horizon, given = plan.horizon, plan.budget.appropriation_musd
    total, value = 0.0, 0.0
    for n, year in enumerate(range(horizon.first_year, horizon.first_year + horizon.years)):
        value = float(given) if not isinstance(given, dict) else float(given.get(year, value))
        total += value / (1 + plan.discount_rate) ** n
    return total if plan.budget.total_musd is None else min(total, plan.budget.total_musd)


def _differ(rows: Mapping[float, Mapping[str, object]], low: float, high: float) -> bool:
    """Whether two budgets differ by portfolio, or since one of them is known to have no plan."""
    impossible = [rows[factor]["reason"] == "infeasible" for factor in (low, high)]
    return rows[low]["portfolio"] != rows[high]["portfolio"] or impossible[0] != impossible[1]


def _switches(points: pd.DataFrame, tolerance: float, names: Names) -> pd.DataFrame:
    rows = []
    answered = points[points["objective_musd"].notna()]
    for low, high in zip(rows_of(answered.iloc[:-1]), rows_of(answered.iloc[1:]), strict=True):
        if low.portfolio != high.portfolio:
            gained = [names.chosen(name) for name in high.portfolio if name not in low.portfolio]
            lost = [names.chosen(name) for name in low.portfolio if name not in high.portfolio]
            resolved = high.factor - low.factor <= tolerance * (1 + 1e-9)
            moves = ", ".join(gained), ", ".join(lost)
            between = low.factor, high.factor, low.appropriation_musd, high.appropriation_musd
            rows.append((*between, *moves, resolved))
    columns = "below above appropriation_below_musd appropriation_above_musd gained lost resolved".split()
    return pd.DataFrame(rows, columns=columns)
