"""Budget against risk: what more money buys, and the budgets at which the portfolio switches.

Every budget is a plan solved for its own aim. Between two budgets with different portfolios, budgets are halved until the switch
lies within a tolerance. Portfolios need not grow with the budget: a project that the money of a middle year just allows may make
way for a more expensive one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import pandas as pd

from ..core.errors import Fault, PlanError
from ..core.frames import rows_of
from ..data.dataset import Dataset
from ..data.names import Names
from ..optimization.stages import Method
from ..results.study import StudyResult, listed
from ..schemas.plan import Plan
from .common_draws import DIFFERENCES
from .sweep import sweep
from .sweep_result import Sweep

BUDGET = "budget.appropriation_musd *"
TOTAL = "budget.total_musd *"
FACTORS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
TOLERANCE = 0.01
"""Of a switch point: share of the plan's own budget."""
MOST_SOLVES = 200
POINT = [
    "factor",
    "appropriation_musd",
    "spending_musd",
    "objective_musd",
    "bound_musd",
    "expected_loss_musd",
    "cvar_musd",
    "defence_short",
    "reason",
    "portfolio",
]


@dataclass(frozen=True)
class Frontier(StudyResult):
    """Points by budget, switches between them, and items that come and go."""

    points: pd.DataFrame
    """factor on the appropriations, discounted appropriation [million USD], spending, objective, bound, expected loss, CVaR,
    chance that defence goes short, reason, portfolio; in order of the budget."""
    switches: pd.DataFrame
    """below, above (factors between which it lies), appropriation_below_musd, appropriation_above_musd, gained, lost; `resolved`
    where the two are within the tolerance."""
    coming_and_going: pd.DataFrame
    """item, budgets: chosen at some budget, not at a larger one, or the reverse more than once; factors at which it is chosen."""
    gap: float
    tolerance: float
    tail_counts: bool
    """Whether spending counts years computed after the planned ones, which the appropriation does not."""
    fresh_scenarios: int = 0
    """New scenarios in which every plan is set beside that of the plan's own budget; `points` then has
    `common_draws.DIFFERENCES`."""

    kind: ClassVar[str] = "frontier"
    titles: ClassVar[Mapping[str, str]] = {
        "points": "Budgets",
        "switches": "Switch points",
        "coming_and_going": "Items that come and go",
    }

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """points, their portfolios as text; switches; coming_and_going."""
        return {
            "points": listed(self.points, "portfolio"),
            "switches": self.switches,
            "coming_and_going": self.coming_and_going,
        }

    @property
    def facts(self) -> Mapping[str, Any]:
        """gap, tolerance, tail_counts."""
        told = {"fresh_scenarios": self.fresh_scenarios} if self.fresh_scenarios else {}
        return {"gap": self.gap, "tolerance": self.tolerance, "tail_counts": self.tail_counts, **told}

    def summary(self) -> str:
        """In plain words."""
        lines = [
            f"FRONTIER: budget against risk (million USD, discounted; each budget solved to a gap of {self.gap:g})."
        ]
        if self.tail_counts:
            lines.append(
                "  Spending and the columns after it include the years computed after the plan; the budget does not."
            )
        lines.append(f"  {'budget':>10}{'spent':>10}{'worth':>10}{'exp. loss':>11}{'CVaR':>10}{'defence short':>15}")
        for row in rows_of(self.points):
            if row.objective_musd != row.objective_musd:
                lines.append(f"  {row.appropriation_musd:>10,.0f}  no plan: {row.reason}")
                continue
            lines.append(
                f"  {row.appropriation_musd:>10,.0f}{row.spending_musd:>10,.1f}{0.0 - row.objective_musd:>10,.1f}"
                f"{row.expected_loss_musd:>11,.1f}{row.cvar_musd:>10,.0f}{row.defence_short:>15.1%}"
            )
        if self.fresh_scenarios:
            lines += self._in_new_scenarios()
        lines.append(
            "SWITCHES: budgets at which the portfolio changes (projects, market-wide floors, contracts), "
            f"located to {self.tolerance:.1%} of the plan's budget; equally good portfolios may swap by chance:"
        )
        for row in rows_of(self.switches):
            moves = [f"{word} {names}" for word, names in (("adds", row.gained), ("drops", row.lost)) if names]
            rough = "" if row.resolved else " (not located more closely)"
            between = f"between {row.appropriation_below_musd:,.1f} and {row.appropriation_above_musd:,.1f}"
            lines.append(f"  {between}: {'; '.join(moves)}{rough}")
        answered = self.points[self.points["objective_musd"].notna()]
        if not len(answered):
            lines.append("  none: no budget has a plan")
        elif not len(self.switches):
            lines.append("  none: the portfolio is the same at every budget that has a plan")
        failed = self.points[self.points["objective_musd"].isna()]
        if len(failed) and len(answered):
            most, least = failed["appropriation_musd"].max(), answered["appropriation_musd"].min()
            told = f"no plan exists at {len(failed)} budgets, up to {most:,.1f}; the lowest budget with a plan is {least:,.1f}"
            lines.append(f"  {told}")
        if len(self.coming_and_going):
            lines.append("NOT MONOTONE: items chosen at some budgets and dropped at larger ones:")
            lines += [f"  {row.item}: chosen at {row.budgets}" for row in self.coming_and_going.itertuples()]
        return "\n".join(lines)

    def _in_new_scenarios(self) -> list[str]:
        """What each budget's plan saves more than that of the plan's own budget, as far as samples can tell."""
        known = [row for row in rows_of(self.points) if row.difference_musd == row.difference_musd]
        lines = [
            f"  In {self.fresh_scenarios:,} new scenarios, the same for all budgets, a plan saves more than that of the plan's own "
            "budget (standard error):"
        ]
        lines += [
            f"  {row.appropriation_musd:>10,.0f}{row.difference_musd:>+10,.1f} ({row.difference_error_musd:,.1f})"
            f"{'' if row.told else ': no difference that the samples can tell'}"
            for row in known
        ]
        return lines


def frontier(
    plan: Plan,
    data: Dataset,
    factors: Sequence[float] = FACTORS,
    *,
    tolerance: float = TOLERANCE,
    gap: float = 1e-3,
    relax: bool = False,
    method: Method = "auto",
    time_limit_s: float = 3600.0,
    fresh_scenarios: int = 0,
    most_solves: int = MOST_SOLVES,
    workers: int = 1,
    executor: Executor | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Frontier:
    """Solve a plan at budgets that are factors of its own (appropriations, and the total where there is one), and find where
    its portfolio switches.

    factors: of the plan's own budget, 0 or more (0.5: half of it). tolerance: width, in factors, to which a switch is
    narrowed. gap: relative optimality gap of every solve (0.001: 0.1 %). relax: solve linear relaxations. method: as in
    `solve`. time_limit_s: wall-clock seconds for each solve. fresh_scenarios: new scenarios in which every
    plan is set beside that of the plan's own budget, as in `sweep`; 0: none. most_solves: in all, after which what is left is told
    as found. workers: spawned processes; 1: this one. executor: takes their place; None: none. on_progress: called with
    budgets done, and in all, of each round.

    Raises PlanError, InputError and ValueError as `sweep`, and PlanError for factors or a tolerance that are none. A budget
    without an answer is a row with its reason.
    """
    asked = sorted(set(map(float, factors)))
    if not asked or asked[0] < 0 or not tolerance > 0:
        found = f"factors {asked}, tolerance {tolerance}"
        raise PlanError([Fault("frontier", "", "factors", found, "factors of at least 0 and a positive tolerance")])
    rows: dict[float, dict[str, object]] = {}
    while asked:
        points = [dict.fromkeys(_addresses(plan), factor) for factor in asked]
        done = sweep(
            plan,
            data,
            points,
            gap=gap,
            relax=relax,
            method=method,
            time_limit_s=time_limit_s,
            fresh_scenarios=fresh_scenarios,
            workers=workers,
            executor=executor,
            on_progress=on_progress,
        )
        for k, factor in enumerate(asked):
            rows[factor] = _point(plan, factor, done, k)
        asked = _between(rows, tolerance)[: max(0, most_solves - len(rows))]
    columns = [*POINT, *(DIFFERENCES if fresh_scenarios else ())]
    table = pd.DataFrame([rows[factor] for factor in sorted(rows)], columns=columns)
    return Frontier(
        table,
        _switches(table, tolerance, Names.of(data)),
        _coming_and_going(table, Names.of(data)),
        gap,
        tolerance,
        plan.horizon.tail_years != 0,
        fresh_scenarios,
    )


def _addresses(plan: Plan) -> tuple[str, ...]:
    """What a factor is put to: appropriations, and the total where the plan has one."""
    return (BUDGET,) if plan.budget.total_musd is None else (BUDGET, TOTAL)


def _point(plan: Plan, factor: float, done: Sweep, k: int) -> dict[str, object]:
    """One row of `POINT`."""
    row = done.points.iloc[k]
    mine = done.decisions[done.decisions["point"] == k]
    names = {
        f"{kind} {item.partition(': ')[0]}"
        for kind, item in zip(mine["kind"], mine["item"], strict=True)
        if kind != "stock"
    }
    kept = {name: row[name] for name in (*POINT, *DIFFERENCES) if name in row.index}
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


def _between(rows: dict[float, dict[str, object]], tolerance: float) -> list[float]:
    """Factors half-way between neighbours that differ, by portfolio or since one of them has no plan, and are too far apart."""
    known = sorted(rows)
    return [
        (low + high) / 2
        for low, high in pairwise(known)
        if high - low > tolerance
        and (rows[low]["portfolio"] != rows[high]["portfolio"] or _impossible(rows[low]) != _impossible(rows[high]))
    ]


def _impossible(row: dict[str, object]) -> bool:
    """Whether a budget is known to have no plan."""
    return row["reason"] == "infeasible"


def _switches(points: pd.DataFrame, tolerance: float, names: Names) -> pd.DataFrame:
    rows = []
    answered = points[points["objective_musd"].notna()]
    for low, high in zip(rows_of(answered.iloc[:-1]), rows_of(answered.iloc[1:]), strict=True):
        if low.portfolio != high.portfolio:
            gained = [names.chosen(name) for name in high.portfolio if name not in low.portfolio]
            lost = [names.chosen(name) for name in low.portfolio if name not in high.portfolio]
            rows.append(
                {
                    "below": low.factor,
                    "above": high.factor,
                    "appropriation_below_musd": low.appropriation_musd,
                    "appropriation_above_musd": high.appropriation_musd,
                    "gained": ", ".join(gained),
                    "lost": ", ".join(lost),
                    "resolved": high.factor - low.factor <= tolerance * (1 + 1e-9),
                }
            )
    columns = ["below", "above", "appropriation_below_musd", "appropriation_above_musd", "gained", "lost", "resolved"]
    return pd.DataFrame(rows, columns=columns)


def _coming_and_going(points: pd.DataFrame, names: Names) -> pd.DataFrame:
    """Items that a larger budget drops."""
    answered = points[points["objective_musd"].notna()]
    rows = []
    for item in dict.fromkeys(name for portfolio in answered["portfolio"] for name in portfolio):
        has = [item in portfolio for portfolio in answered["portfolio"]]
        if any(before and not after for before, after in pairwise(has)):
            at = [f"{value:,.0f}" for value, mine in zip(answered["appropriation_musd"], has, strict=True) if mine]
            rows.append({"item": names.chosen(item), "budgets": ", ".join(at)})
    return pd.DataFrame(rows, columns=["item", "budgets"])
