"""What rules of origin cost: the plan under none of them, under each switch alone, and under its own."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pandas as pd

from ..api.solving import solve_once
from ..audit.figures import ORIGIN
from ..core.errors import InfeasibleError
from ..core.frames import rows_of
from ..core.runner import HERE, Runner
from ..core.verb import Gap, verb
from ..data.dataset import Dataset
from ..results.study import Study
from ..schemas.plan import Plan
from ..schemas.plan_sections import Procurement

SWITCHES = ("law", "practice", "policy")
FIGURES = (
    "worth_musd",
    "bound_musd",
    "expected_loss_musd",
    "outlay_musd",
    "bought_musd",
    "covered_share",
    "unpublished_share",
)
WORDS = {
    "none": "no rule of origin",
    "law": "law alone: the forms that statutes name",
    "practice": "practice alone: what supplier governments refuse to reserves",
    "policy": "policy alone: nothing from covered nations, nor of unpublished origin",
    "own": "the plan's own rules",
}


@verb
def origin_costs(plan: Plan, data: Dataset, *, gap: Gap = 1e-3, run: Runner = HERE) -> Study:
    """Show what rules of origin cost: no rule, law, practice of suppliers, policy, and the plan's own rules.

    Table `costs`, a row a case. rules: none, law, practice, policy, own; worth_musd: of the plan; cost_musd: worth without rules
    less worth with them; bound_musd: the most that the worth can be; expected_loss_musd; outlay_musd of the planned years;
    bought_musd: purchases of the baseline course; covered_share: of them from covered nations; unpublished_share: of no published
    origin; supported: projects signed with support; closed: offers, supports and contracts that the rules close; no_plan: why
    there is none, empty where there is one. Raises as `solve_once`.
    """
    cases = {"none": Procurement(), **{name: Procurement(**{name: True}) for name in SWITCHES}}
    if plan.procurement not in cases.values():
        cases["own"] = plan.procurement
    table = pd.DataFrame(run.each("solves", partial(_case, plan, data, gap), list(cases.items())))
    table.insert(2, "cost_musd", table.worth_musd[0] - table.worth_musd)
    titles = {"costs": "What rules of origin cost"}
    return Study("origins", {"costs": table}, _words(table, gap), {"gap": gap}, titles)


def _case(plan: Plan, data: Dataset, gap: float, case: tuple[str, Procurement]) -> dict[str, Any]:
    """One row, but for its cost. It travels to other processes."""
    name, procurement = case
    row: dict[str, Any] = {"rules": name}
    try:
        result = solve_once(plan.model_copy(update={"procurement": procurement}), data, gap=gap)
    except InfeasibleError as error:
        return row | dict.fromkeys(FIGURES, math.nan) | {"supported": 0, "closed": 0, "no_plan": str(error)}
    figures, projects = result.figures, result.tables["projects"]
    covered = {row.country for row in data.rows("countries") if row.tier == "covered"}
    paid = figures.items("bought_from_musd")
    total = sum(paid.values())
    from_covered = sum(money for item, money in paid.items() if item.partition(ORIGIN)[2] in covered)
    unpublished = sum(money for item, money in paid.items() if not item.partition(ORIGIN)[2])
    signed = projects[(projects.share > 0) & (projects.package != "none")]
    amounts = (
        figures.value("worth_musd"),
        -figures.value("bound_musd"),
        figures.value("expected_loss_musd"),
        figures.total("outlay_by_year_musd"),
        total,
        from_covered / total if total > 0 else 0.0,
        unpublished / total if total > 0 else 0.0,
    )
    return row | {
        **dict(zip(FIGURES, amounts, strict=True)),
        "supported": int(signed.project.nunique()),
        "closed": int(result.tables["dropped"].reason.str.contains("origin").sum()),
        "no_plan": "",
    }


def _words(table: pd.DataFrame, gap: float) -> list[str]:
    lines = ["RULES OF ORIGIN: what they cost in worth of the plan (M: million USD; each case solved by itself):"]
    for row in rows_of(table):
        if row.no_plan:
            lines.append(f"  {WORDS[row.rules]}: no plan keeps them together with the plan's promises ({row.no_plan})")
            continue
        cost = "" if row.rules == "none" else f", cost {row.cost_musd:,.0f} M"
        bought = f"purchases {row.bought_musd:,.0f} M"
        if row.bought_musd > 0:
            bought += f", {row.covered_share:.0%} of them from covered nations"
            bought += f", {row.unpublished_share:.0%} of unpublished origin"
        lines.append(
            f"  {WORDS[row.rules]}: worth {row.worth_musd:,.0f} M{cost}; {bought}; expected loss "
            f"{row.expected_loss_musd:,.0f} M; {row.supported} projects supported; {row.closed} ways closed"
        )
    return [
        *lines,
        f"  Each worth is within {gap:.2%} of the best possible social cost; a cost smaller than that may be none.",
    ]
