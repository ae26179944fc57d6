"""The words of a backtest: what the plan did, beside others, and what must be said whatever it says."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from ..core.frames import rows_of

ALWAYS = (
    "Few notices stand behind all outcomes, so that no rank is significant.",
    "It tests what to hold in stock, not projects and not price floors.",
    "Losses by price outweigh losses of tonnes.",
    "Plan and history share the compilers' hindsight: who put the data together knew the outcomes, and only an episode that "
    "was held back is a blind test.",
)
"""What must be said whatever the result."""


def summary(head: str, parts: Mapping[str, bool], tables: Mapping[str, pd.DataFrame]) -> str:
    """In plain words. head: what was run. parts: whether the folder has a rolling file, and a file of policy."""
    lines = [head]
    for missing, words in (("rolling", "no rows for re-plans"), ("policy", "no rival from history")):
        if not parts[missing]:
            lines.append(f"The folder has {words}.")
    ranks = tables.get("ranks", pd.DataFrame())
    for run, budget, plan in _groups(ranks):
        mine = ranks[(ranks.run == run) & (ranks.budget_musd == budget) & (ranks.plan == plan)]
        best, worst = int(mine["rank"].min()), int(mine["rank"].max())
        place = f"rank {best}" if best == worst else f"ranks {best} to {worst}"
        lines.append(
            f"  {run}, {budget:,.0f} million USD, {plan.removeprefix('plan, ')}: {place} of {int(mine.of.max())} under {len(mine)} "
            f"loss functions; net {mine.net_musd.min():,.1f} to {mine.net_musd.max():,.1f} million USD"
        )
    for row in rows_of(tables.get("brier", pd.DataFrame())):
        if row.forecast == "plan":
            lines.append(
                f"  {row.run}: Brier score of the forecast controls {row.score:.3f} ({row.materials} materials)"
            )
    for row in rows_of(tables.get("calibration_counts", pd.DataFrame())):
        lines.append(
            f"  {row.run}: {row.central_inside} of {row.forecasts} forecasts of {row.quantity} inside their 5-95 % interval "
            f"(expected {row.expected_low} to {row.expected_high})"
        )
    return "\n".join([*lines, "", *ALWAYS])


def _groups(ranks: pd.DataFrame) -> list[tuple[str, float, str]]:
    if not len(ranks):
        return []
    return list(dict.fromkeys(zip(ranks.run, ranks.budget_musd, ranks.plan, strict=True)))
