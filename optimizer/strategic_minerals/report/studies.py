"""Figures of sensitivity studies, from the tables that their verbs write."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from .charts import PALETTE, WIDTH, Figure, altair

MOST_BARS = 20


def frontier_figure(points: pd.DataFrame) -> Iterator[Figure]:
    """Expected loss and CVaR by budget."""
    table = points[points["objective_musd"].notna()]
    if len(table) < 2:
        return
    alt = altair()
    long = table.melt(
        ["appropriation_musd", "portfolio"], ["expected_loss_musd", "cvar_musd"], var_name="risk", value_name="musd"
    )
    long["risk"] = long["risk"].map({"expected_loss_musd": "expected loss", "cvar_musd": "CVaR, mean of the worst"})
    chart = (
        alt.Chart(long)
        .mark_line(point=True)
        .encode(
            x=alt.X("appropriation_musd:Q", title="discounted appropriation [million USD]"),
            y=alt.Y("musd:Q", title="million USD"),
            color=alt.Color("risk:N", title=None, scale=alt.Scale(range=PALETTE), legend=alt.Legend(orient="top")),
            tooltip=[
                alt.Tooltip("appropriation_musd:Q", format=",.0f", title="budget"),
                "risk",
                alt.Tooltip("musd:Q", format=",.0f"),
                alt.Tooltip("portfolio:N"),
            ],
        )
        .properties(width=WIDTH, height=260)
    )
    first, last = table.iloc[0], table.iloc[-1]
    said = (
        f"Expected loss falls from {first['expected_loss_musd']:,.0f} at {first['appropriation_musd']:,.0f} to "
        f"{last['expected_loss_musd']:,.0f} at {last['appropriation_musd']:,.0f} million USD."
    )
    yield Figure(
        "frontier",
        "Budget against risk",
        "Each dot is a plan solved for that budget; hover for its portfolio.",
        said,
        chart,
        table,
    )


def tornado_figure(indices: pd.DataFrame) -> Iterator[Figure]:
    """How far each figure moves the aim between its low and high end."""
    if "swing" not in indices.columns:
        return
    table = indices[indices["swing"].notna()].head(MOST_BARS)
    if table.empty:
        return
    alt = altair()
    long = table.melt(["address", "low", "high", "at_base"], ["at_low", "at_high"], var_name="end", value_name="aim_musd")
    long["end"] = long["end"].map({"at_low": "at its low end", "at_high": "at its high end"})
    base = float(table["at_base"].iloc[0])
    chart = (
        alt.Chart(long.assign(base=base))
        .mark_bar()
        .encode(
            y=alt.Y("address:N", sort=list(table["address"]), title=None, axis=alt.Axis(labelLimit=320)),
            x=alt.X("base:Q", title="aim against doing nothing [million USD], less is better", scale=alt.Scale(zero=False)),
            x2="aim_musd:Q",
            color=alt.Color("end:N", title=None, scale=alt.Scale(range=PALETTE), legend=alt.Legend(orient="top")),
            tooltip=["address", "low", "high", "end", alt.Tooltip("aim_musd:Q", format=",.1f")],
        )
        .properties(width=WIDTH - 240, height=alt.Step(20))
    )
    top = table.iloc[0]
    said = f"{top['address']} moves the answer most: from {top['at_low']:,.0f} to {top['at_high']:,.0f} million USD."
    yield Figure(
        "tornado",
        "What moves the answer",
        "Each figure at its low and its high end, the others as they are.",
        said,
        chart,
        table,
    )
