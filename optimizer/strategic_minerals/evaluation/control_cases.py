"""Controls of which nobody knows whether they are in force: the plan for each case, and what all of them have in common.

Something that is in force at the start is part of the baseline and no scenario: it cannot be waited for. So each case is a question
of its own, with a plan of its own; what the plans share can be done before it is known which case holds.
"""

from __future__ import annotations

import itertools
import math
from functools import partial
from typing import Any

import pandas as pd

from ..api.solving import solve_once
from ..core.errors import Fault, PlanError
from ..core.frames import rows_of
from ..core.runner import HERE, Runner
from ..core.units import SMALL_T
from ..core.verb import Gap, verb
from ..data.column_words import number_in_words
from ..data.dataset import Dataset
from ..data.names import Names
from ..results.study import Study
from ..schemas.plan import Plan

MOST_OPEN = 4
"""Open controls of a plan: each doubles the cases."""
CASES = [
    "case",
    "probability",
    "in_force",
    "worth_musd",
    "expected_loss_musd",
    "outlay_musd",
    "bought_musd",
    "supported",
]
DECISIONS = ["kind", "item", "unit", "least", "most", "cases"]
TITLES = {"cases": "Cases", "decisions": "What each case decides"}


@verb
def control_cases(plan: Plan, data: Dataset, *, gap: Gap = 1e-3, run: Runner = HERE) -> Study:
    """Plan for each case of the controls that may or may not be in force, and show what all of them share.

    The plan is solved for every combination of its open controls: those with a probability. Tables:
    cases: a row a case. case: number; probability: product of those of its controls; in_force: names of the controls that are;
    worth_musd, expected_loss_musd, outlay_musd of the planned years, bought_musd on the baseline course, supported projects;
    decisions: what is decided in some case. kind: stock (largest, t), support (share signed), contract (t a year); least and most
    over all cases; cases: in how many it is chosen.
    Facts: gap; expected_worth_musd over the cases, each planned for by itself.

    Raises PlanError where no control is open, or too many are; otherwise as `solve_once`.
    """
    open_ones = [n for n, control in enumerate(plan.controls) if control.probability is not None]
    if not 1 <= len(open_ones) <= MOST_OPEN:
        expected = (
            f"1 to {MOST_OPEN} controls with a probability: whether they are in force is what the cases are about"
        )
        raise PlanError([Fault("plan", "", "controls", f"{len(open_ones)} with a probability", expected)])
    cases = list(itertools.product((True, False), repeat=len(open_ones)))
    found = list(run.each("solves", partial(_case, plan, data, tuple(open_ones), gap), cases))
    table = pd.DataFrame([{"case": n + 1, **row} for n, (row, _) in enumerate(found)], columns=CASES)
    every = sorted({key for _, decided in found for key in decided})
    rows = []
    for kind, item, unit in every:
        amounts = [decided.get((kind, item, unit), 0.0) for _, decided in found]
        rows.append([kind, item, unit, min(amounts), max(amounts), sum(amount > 0 for amount in amounts)])
    decisions = pd.DataFrame(rows, columns=DECISIONS)
    expected_worth = float((table.probability * table.worth_musd).sum())
    words = _words(table, decisions, expected_worth, Names.of(data))
    facts = {"gap": gap, "expected_worth_musd": expected_worth}
    return Study("controls", {"cases": table, "decisions": decisions}, words, facts, TITLES)


def _words(cases: pd.DataFrame, decisions: pd.DataFrame, expected: float, names: Names) -> list[str]:
    """In plain words. expected: worth over the cases [million USD]."""
    lines = ["CONTROLS IN FORCE are not known; each case planned for by itself (M: million USD):"]
    for row in rows_of(cases):
        said = f"in force: {row.in_force}" if row.in_force else "none of them in force"
        lines.append(
            f"  {said} (probability {row.probability:.0%}): worth {row.worth_musd:,.0f} M, expected loss "
            f"{row.expected_loss_musd:,.0f} M, purchases {row.bought_musd:,.0f} M, {row.supported} projects supported"
        )
    lines.append(f"  Expected worth over the cases: {expected:,.0f} M")
    count = len(cases)
    common = [row for row in rows_of(decisions) if row.cases == count]
    lines.append("SAFE TO BEGIN, because every case decides it:" if common else "Nothing is decided in every case.")
    lines += [f"  {_decision(row, names)}" for row in common]
    apart = [row for row in rows_of(decisions) if row.cases < count]
    lines += ["DEPENDS ON THE CASE:"] if apart else []
    lines += [f"  {_decision(row, names)}; in {row.cases} of {count} cases" for row in apart]
    return lines


def _decision(row: Any, names: Names) -> str:
    if row.kind == "support":
        return f"support of {names.producer(row.item)}"
    name = names.material(row.item) if row.kind == "stock" else names.producer(row.item)
    what = "largest stock of" if row.kind == "stock" else "contract with"
    unit = "t" if row.kind == "stock" else "t a year"
    amount = (
        number_in_words(row.least, 4)
        if math.isclose(row.least, row.most, rel_tol=1e-3)
        else f"{number_in_words(row.least, 4)} to {number_in_words(row.most, 4)}"
    )
    return f"{what} {name}: {amount} {unit}"


def _case(
    plan: Plan, data: Dataset, open_ones: tuple[int, ...], gap: float, case: tuple[bool, ...]
) -> tuple[dict[str, Any], dict[tuple[str, str, str], float]]:
    """Figures of a case, and what it decides by kind, item and unit. It travels to other processes."""
    holds = dict(zip(open_ones, case, strict=True))
    controls = tuple(
        control.model_copy(update={"in_force": holds.get(n, control.in_force)})
        for n, control in enumerate(plan.controls)
    )
    chances = [
        (plan.controls[n].probability or 0.0) if on else 1 - (plan.controls[n].probability or 0.0)
        for n, on in holds.items()
    ]
    result = solve_once(plan.model_copy(update={"controls": controls}), data, gap=gap)
    figures, projects, contracts = result.figures, result.tables["projects"], result.tables["contracts"]
    signed = projects[(projects.share > 0) & (projects.package != "none")].groupby("project").share.sum()
    opening = {row.material: row.opening_t for row in data.rows("stock")}
    decided = {
        ("stock", str(item), "t"): float(v)
        for item, v in figures.items("peak_stock_t").items()
        if v > opening.get(str(item), 0.0) + SMALL_T
    }
    decided |= {("support", str(item), "share"): float(v) for item, v in signed.items()}
    reserved = contracts.groupby("activity").contract_t_per_yr.max()
    decided |= {("contract", str(item), "t/yr"): float(v) for item, v in reserved.items()}
    return {
        "probability": math.prod(chances),
        "in_force": ", ".join(plan.controls[n].name for n, on in holds.items() if on),
        "worth_musd": figures.value("worth_musd"),
        "expected_loss_musd": figures.value("expected_loss_musd"),
        "outlay_musd": figures.total("outlay_by_year_musd"),
        "bought_musd": figures.total("bought_musd"),
        "supported": len(signed),
    }, decided
