"""What planning again gives: the new plan, the state that it starts from, and what changed it, cause by cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from ..core.frames import rows_of
from ..results.result import Result
from ..results.study import StudyResult
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
"""Columns of `Rolled.why` and their kinds."""
STATE_COLUMNS = {"kind": "text", "item": "text", "detail": "text", "amount": "number", "unit": "text"}
"""Columns of `Rolled.state` and their kinds."""


@dataclass(frozen=True)
class Rolled(StudyResult):
    """A plan made again after a year."""

    result: Result
    """The new plan."""
    before: Plan
    """The plan that was made before."""
    why: pd.DataFrame
    """A row a cause, in order; each adds to those above it. changed: whether it changes the question; worth_musd of the plan then,
    difference_musd to the row above, gap_share, expected_loss_musd, outlay_musd of the planned years, bought and supported."""
    state: pd.DataFrame
    """What the new plan starts with. kind: stock, stock_origin, users_missing, package, contract, market_floor, payment_due,
    closed, event, evidence, money_kept; item, detail, amount, unit."""
    horizon: str
    learning: bool

    kind: ClassVar[str] = "roll"
    titles: ClassVar[Mapping[str, str]] = {"why": "What changed the plan", "state": "What the plan starts with"}

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """why; state."""
        return {"why": self.why, "state": self.state}

    @property
    def facts(self) -> Mapping[str, Any]:
        """plan, first_year and years of the new plan, horizon, learning; causes that changed the question."""
        horizon = self.result.plan.horizon
        return {
            "plan": self.result.plan.name,
            "first_year": horizon.first_year,
            "years": horizon.years,
            "horizon": self.horizon,
            "learning": self.learning,
            "causes": list(self.causes),
        }

    @property
    def causes(self) -> tuple[str, ...]:
        """What changed the question, beside the year that passed."""
        return tuple(self.why[(self.why.changed == "yes") & (self.why.cause != AS_PLANNED)].cause)

    def summary(self) -> str:
        """In plain words."""
        horizon, old = self.result.plan.horizon, self.before.horizon
        last = horizon.first_year + horizon.years - 1
        head = (
            f"PLANNED AGAIN: {self.result.plan.name}, FY{horizon.first_year} to FY{last}, after the plan of "
            f"FY{old.first_year} (million USD, discounted to FY{horizon.first_year}):"
        )
        return "\n".join([head, *causes_in_words(self.why), *self._binds()])

    def _binds(self) -> list[str]:
        """What binds the new plan, in a few lines."""
        counts = self.state.kind.value_counts()
        due = float(self.state[self.state.kind == "payment_due"].amount.sum())
        signed = int(counts.get("contract", 0) + counts.get("market_floor", 0))
        packages = self.state[(self.state.kind == "package") & (self.state.detail != "none")]
        lines = []
        if len(packages) or signed:
            lines.append(
                f"  It is bound by {len(packages)} supported projects and {signed} contracts and floors signed before; "
                f"instalments and fees of {due:,.1f} are still due."
            )
        stock = self.state[self.state.kind == "stock"]
        if len(stock):
            told = ", ".join(f"{row.item} {row.amount:,.4g} t" for row in rows_of(stock.head(8)))
            lines.append(f"  In store: {told}{' ...' if len(stock) > 8 else ''}.")
        events = self.state[self.state.kind == "event"]
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
