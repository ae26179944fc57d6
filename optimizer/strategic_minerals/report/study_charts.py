"""Figures of studies and comparisons, from the tables that their verbs write."""

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
    long["risk"] = long["risk"].map(
        {"expected_loss_musd": "expected loss", "cvar_musd": "CVaR (mean of the worst losses)"}
    )
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
        "Each dot is the best plan for that budget. Hover over a dot to see its portfolio.",
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
    long = table.melt(
        ["address", "low", "high", "at_base"], ["at_low", "at_high"], var_name="end", value_name="aim_musd"
    )
    long["end"] = long["end"].map({"at_low": "at its low end", "at_high": "at its high end"})
    base = float(table["at_base"].iloc[0])
    chart = (
        alt.Chart(long.assign(base=base))
        .mark_bar()
        .encode(
            y=alt.Y("address:N", sort=list(table["address"]), title=None, axis=alt.Axis(labelLimit=320)),
            x=alt.X(
                "base:Q",
                title="aim compared with doing nothing [million USD]; lower is better",
                scale=alt.Scale(zero=False),
            ),
            x2="aim_musd:Q",
            color=alt.Color("end:N", title=None, scale=alt.Scale(range=PALETTE), legend=alt.Legend(orient="top")),
            tooltip=["address", "low", "high", "end", alt.Tooltip("aim_musd:Q", format=",.1f")],
        )
        .properties(width=WIDTH - 240, height=24 * len(table))
    )
    top = table.iloc[0]
    said = f"{top['address']} moves the answer most: from {top['at_low']:,.0f} to {top['at_high']:,.0f} million USD."
    yield Figure(
        "tornado",
        "What moves the answer",
        "Each figure at its low and at its high end, with the others unchanged.",
        said,
        chart,
        table,
    )


def thumb_figure(table: pd.DataFrame, where: str) -> Iterator[Figure]:
    """Expected loss and CVaR of the plan beside rules of thumb; where: in which scenarios, in words."""
    told = table[table["expected_loss_musd"].notna()]
    if len(told) < 2:
        return
    alt = altair()
    ends = {"expected_loss_musd": "expected loss", "cvar_musd": "CVaR (mean of the worst losses)"}
    long = told.melt("alternative", list(ends), var_name="risk", value_name="musd")
    long["risk"] = long["risk"].map(ends)
    bands = [f"{column}_{end}" for column in ends for end in ("low", "high")]
    if set(bands) <= set(told.columns):
        for end in ("low", "high"):
            long[end] = pd.concat([told[f"{column}_{end}"] for column in ends], ignore_index=True)
    base = alt.Chart(long).encode(
        y=alt.Y("alternative:N", sort=list(told["alternative"]), title=None, axis=alt.Axis(labelLimit=280)),
        yOffset=alt.YOffset("risk:N", sort=list(ends.values())),
        tooltip=["alternative", "risk", alt.Tooltip("musd:Q", format=",.0f", title="million USD")],
    )
    bars = base.mark_bar().encode(
        x=alt.X("musd:Q", title="discounted shortage loss [million USD]"),
        color=alt.Color(
            "risk:N",
            title=None,
            sort=list(ends.values()),
            scale=alt.Scale(range=PALETTE),
            legend=alt.Legend(orient="top"),
        ),
    )
    layers = [bars]
    if "low" in long.columns:
        layers.append(base.mark_rule(color="#111827", strokeWidth=2).encode(x="low:Q", x2="high:Q"))
    lost = told["expected_loss_musd"]
    best, worst = told.iloc[int(lost.argmin())], told.iloc[int(lost.argmax())]
    yield Figure(
        "beside-rules-of-thumb",
        "Losses with the plan and with rules of thumb",
        f"The same disruptions with the plan and with simpler rules, {where}. Shorter bars are better"
        + ("; black lines are 95% intervals." if "low" in long.columns else "."),
        f"Expected losses are smallest with {best['alternative']} ({best['expected_loss_musd']:,.0f} million USD) and largest with "
        f"{worst['alternative']} ({worst['expected_loss_musd']:,.0f}).",
        alt.layer(*layers).properties(width=WIDTH - 120, height=36 * len(told)),
        told,
    )


def comparison_figure(outcome: pd.DataFrame) -> Iterator[Figure]:
    """Money of several results side by side, a panel a figure; outcome: figure, unit, then a column a result."""
    names = list(outcome.columns[2:])
    money = outcome[outcome["unit"] == "million USD"]
    long = money.melt(["figure", "unit"], names, var_name="result", value_name="musd")
    long = long[pd.to_numeric(long["musd"], errors="coerce").notna()].assign(musd=lambda t: t["musd"].astype(float))
    if long["result"].nunique() < 2:
        return
    alt = altair()
    panels = [
        alt.Chart(long[long["figure"] == figure])
        .mark_bar()
        .encode(
            y=alt.Y("result:N", sort=names, title=None, axis=alt.Axis(labelLimit=200)),
            x=alt.X("musd:Q", title=f"{figure} [million USD]", axis=alt.Axis(tickCount=4)),
            color=alt.Color("result:N", sort=names, scale=alt.Scale(range=PALETTE), legend=None),
            tooltip=["result", "figure", alt.Tooltip("musd:Q", format=",.1f", title="million USD")],
        )
        .properties(width=WIDTH / 2 - 90, height=alt.Step(22))
        for figure in dict.fromkeys(long["figure"])
    ]
    said = "; ".join(
        f"{figure}: " + ", ".join(f"{row.result} {row.musd:,.0f}" for row in rows.itertuples())
        for figure, rows in long.groupby("figure", sort=False)
    )
    yield Figure(
        "side-by-side",
        "Results side by side",
        "Each panel has its own scale.",
        f"In million USD: {said}.",
        alt.concat(*panels, columns=2),
        money,
    )
