"""What planning again gives: the new plan, the state that it starts from, and what changed it, cause by cause."""

from __future__ import annotations

import pandas as pd

from ..core.frames import rows_of
from ..results.result import Result
from ..results.study import Study
from ..schemas.plan import Plan

AS_PLANNED = "the year passed as planned"
STATE = "what was done and what happened"
FACTS = "new facts"
EVIDENCE = "evidence on hazards"
WHY_COLUMNS = {
    "cause": "text",
    "changed": "text",
    "worth_musd": "number",
    "difference_musd": "number",
    "gap_share": "number",
    "expected_loss_musd": "number",
    "outlay_musd": "number",
    "bought": "text",
    "supported": "text",
}
"""Columns of the table `why` and their kinds."""
STATE_COLUMNS = {"kind": "text", "item": "text", "detail": "text", "amount": "number", "unit": "text"}
"""Columns of the table `state` and their kinds."""


def rolled(result: Result, before: Plan, why: pd.DataFrame, state: pd.DataFrame, horizon: str, learning: bool) -> Study:
    """The study of a plan made again after a year. before: the plan that was made before."""
    now = result.plan.horizon
    causes = list(why[(why.changed == "yes") & (why.cause != AS_PLANNED)].cause)
    facts = {
        "plan": result.plan.name,
        "first_year": now.first_year,
        "years": now.years,
        "horizon": horizon,
        "learning": learning,
        "causes": causes,
    }
    head = (
        f"PLANNED AGAIN: {result.plan.name}, FY{now.first_year} to FY{now.first_year + now.years - 1}, after the plan of "
        f"FY{before.horizon.first_year} (million USD, discounted to FY{now.first_year}):"
    )
    words = [head, *causes_in_words(why), *_binds(state)]
    titles = {"why": "What changed the plan", "state": "What the plan starts with"}
    return Study("roll", {"why": why, "state": state}, words, facts, titles, result)


def _binds(state: pd.DataFrame) -> list[str]:
    """What binds the new plan, in a few lines."""
    counts = state.kind.value_counts()
    due = float(state[state.kind == "payment_due"].amount.sum())
    signed = int(counts.get("contract", 0) + counts.get("market_floor", 0))
    packages = state[(state.kind == "package") & (state.detail != "none")]
    lines = []
    if len(packages) or signed:
        lines.append(
            f"  It is bound by {len(packages)} supported projects and {signed} contracts and floors signed before; "
            f"instalments and fees of {due:,.1f} are still due."
        )
    stock = state[state.kind == "stock"]
    if len(stock):
        told = ", ".join(f"{row.item} {row.amount:,.4g} t" for row in rows_of(stock.head(8)))
        lines.append(f"  In store: {told}{' ...' if len(stock) > 8 else ''}.")
    events = state[state.kind == "event"]
    if len(events):
        lines.append(f"  In force, and nobody knows when it ends: {', '.join(events.item)}.")
    return lines


def causes_in_words(why: pd.DataFrame) -> list[str]:
    """A line a cause: what it does to the worth of the plan."""
    lines = []
    for row in rows_of(why):
        if row.cause == AS_PLANNED:
            lines.append(
                f"  {row.cause}: the plan is worth {row.worth_musd:,.1f}; it spends {row.outlay_musd:,.1f} by its end"
            )
        elif row.changed == "no":
            lines.append(f"  {row.cause}: none")
        else:
            lines.append(
                f"  {row.cause}: {row.difference_musd:+,.1f}, to {row.worth_musd:,.1f}; it spends {row.outlay_musd:,.1f}"
            )
    others = why[why.cause != AS_PLANNED]
    changed = list(others[others.changed == "yes"].cause)
    if len(changed) == 1:
        lines.append(f"  The only cause of what differs from the plan of before: {changed[0]}.")
    elif not changed:
        lines.append("  Nothing but time has passed: what differs from the plan of before is its tail planned again.")
    return lines
