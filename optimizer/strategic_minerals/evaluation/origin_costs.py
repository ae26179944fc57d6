"""What rules of origin cost: the plan under none of them, under each switch alone, and under its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import pandas as pd

from ..api.solving import solve
from ..audit.figures import ORIGIN
from ..core.errors import InfeasibleError
from ..core.frames import rows_of
from ..core.parallel import workforce
from ..data.dataset import Dataset
from ..results.study import StudyResult
from ..schemas.plan import Plan
from ..schemas.plan_sections import Procurement

GAP = 1e-3
SWITCHES = ("law", "practice", "policy")
WORDS = {
    "none": "no rule of origin",
    "law": "law alone: the forms that statutes name",
    "practice": "practice alone: what supplier governments refuse to reserves",
    "policy": "policy alone: nothing from covered nations, nor of unpublished origin",
    "own": "the plan's own rules",
}
COLUMNS = [
    "rules",
    "worth_musd",
    "cost_musd",
    "bound_musd",
    "expected_loss_musd",
    "outlay_musd",
    "bought_musd",
    "covered_share",
    "unpublished_share",
    "supported",
    "closed",
    "no_plan",
]


@dataclass(frozen=True)
class OriginCosts(StudyResult):
    """What each rule of origin costs, in worth of the plan."""

    table: pd.DataFrame
    """A row a case. rules: none, law, practice, policy, own; worth_musd: of the plan; cost_musd: worth without rules less worth
    with them; bound_musd: the most that the worth can be; expected_loss_musd; outlay_musd of the planned years; bought_musd:
    purchases of the baseline course; covered_share: of them from covered nations; unpublished_share: of no published origin;
    supported: projects signed with support; closed: offers, supports and contracts that the rules close; no_plan: why there is
    none, empty where there is one."""
    gap: float
    """Relative gap of the solves: costs below it cannot be told."""

    kind: ClassVar[str] = "origins"
    titles: ClassVar[Mapping[str, str]] = {"costs": "What rules of origin cost"}

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """costs."""
        return {"costs": self.table}

    @property
    def facts(self) -> Mapping[str, Any]:
        """gap."""
        return {"gap": self.gap}

    def summary(self) -> str:
        """In plain words."""
        lines = ["RULES OF ORIGIN: what they cost in worth of the plan (M: million USD; each case solved by itself):"]
        for row in rows_of(self.table):
            if row.no_plan:
                lines.append(
                    f"  {WORDS[row.rules]}: no plan keeps them together with the plan's promises ({row.no_plan})"
                )
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
        lines.append(
            f"  Each worth is within {self.gap:.2%} of the best possible social cost; a cost smaller than that may be none."
        )
        return "\n".join(lines)


def origin_costs(
    plan: Plan,
    data: Dataset,
    *,
    gap: float = GAP,
    time_limit_s: float = 3600.0,
    workers: int = 1,
    executor: Executor | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> OriginCosts:
    """Solve the plan under no rule of origin, under each switch alone, and under its own rules where it has some.

    gap: relative gap of each solve. time_limit_s: wall-clock seconds for each. workers: spawned processes; 1: this one. executor:
    takes their place. on_progress: called with solves done, and in all. Raises as `solve`.
    """
    cases = {"none": Procurement(), **{name: Procurement(**{name: True}) for name in SWITCHES}}
    if plan.procurement not in cases.values():
        cases["own"] = plan.procurement
    rows: list[dict[str, Any]] = []
    with workforce(executor, workers) as map_over:
        for row in map_over(partial(_case, plan, data, gap, time_limit_s), list(cases.items())):
            rows.append(row)
            if on_progress is not None:
                on_progress(len(rows), len(cases))
    free = rows[0]["worth_musd"]
    found = pd.DataFrame([{**row, "cost_musd": free - row["worth_musd"]} for row in rows], columns=COLUMNS)
    return OriginCosts(found, gap)


def _case(plan: Plan, data: Dataset, gap: float, time_limit_s: float, case: tuple[str, Procurement]) -> dict[str, Any]:
    """One row, but for its cost. It travels to other processes."""
    name, procurement = case
    try:
        result = solve(plan.model_copy(update={"procurement": procurement}), data, gap=gap, time_limit_s=time_limit_s)
    except InfeasibleError as error:
        nothing = dict.fromkeys(
            ("worth_musd", "bound_musd", "expected_loss_musd", "outlay_musd", "bought_musd"), math.nan
        )
        return {
            "rules": name,
            **nothing,
            "covered_share": math.nan,
            "unpublished_share": math.nan,
            "supported": 0,
            "closed": 0,
            "no_plan": str(error),
        }
    figures, projects = result.figures, result.tables["projects"]
    covered = {row.country for row in data.rows("countries") if row.tier == "covered"}
    paid = figures.items("bought_from_musd")
    total = sum(paid.values())
    from_covered = sum(money for item, money in paid.items() if item.partition(ORIGIN)[2] in covered)
    unpublished = sum(money for item, money in paid.items() if not item.partition(ORIGIN)[2])
    signed = projects[(projects.share > 0) & (projects.package != "none")]
    return {
        "rules": name,
        "worth_musd": figures.value("worth_musd"),
        "bound_musd": -figures.value("bound_musd"),
        "expected_loss_musd": figures.value("expected_loss_musd"),
        "outlay_musd": figures.total("outlay_by_year_musd"),
        "bought_musd": total,
        "covered_share": from_covered / total if total > 0 else 0.0,
        "unpublished_share": unpublished / total if total > 0 else 0.0,
        "supported": int(signed.project.nunique()),
        "no_plan": "",
        "closed": int(result.tables["dropped"].reason.str.contains("origin").sum()),
    }
