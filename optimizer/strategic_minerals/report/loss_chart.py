"""The figure of losses: what the plan changes in the scenarios that matter."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from ..results.readable import ALTERNATIVES
from ..results.result import Result
from .colours import GREY, INK, PALETTE
from .figure import LABELS_ABOVE, ROW_STEP, ROWS_APART, WIDTH, Figure, altair, money_unit, named
from .figure_data import WITH, WITHOUT, losses
from .stories import chosen

WITHOUT_RULES = ("optimised plan", "nothing", "optimised plan without promises")
"""Alternatives of `worth` that are no rules of thumb, or are shown anyway."""
OF_CASES = [PALETTE[0], PALETTE[1], PALETTE[2], PALETTE[3], PALETTE[6], PALETTE[7], PALETTE[5], PALETTE[8]]
MEAN = "average over the plan's scenarios"


def losses_figure(result: Result, rules: pd.DataFrame | None) -> Iterator[Figure]:
    """Losses with the plan, without, and with rules of thumb where there are any: on average, and in the scenarios that matter."""
    kept, every = list(chosen(result)), result.tables["scenario_losses"]
    if not kept:
        return
    table = losses(result, kept)
    beside = (
        [] if rules is None else [name for name in dict.fromkeys(rules["alternative"]) if name not in WITHOUT_RULES]
    )
    if rules is not None:
        more = rules[rules["alternative"].isin(beside) & rules["scenario"].isin(kept)]
        known = table.drop_duplicates("scenario").set_index("scenario")
        added = {column: more["scenario"].map(known[column]) for column in ("probability", "events")}
        more = more.assign(case=more["alternative"].replace(ALTERNATIVES), **added)
        table = pd.concat([table, more[list(table.columns)]], ignore_index=True)
    table = named(table, result)
    mean = {
        case: float((every["probability"] * every[column]).sum())
        for case, column in ((WITH, "loss_musd"), (WITHOUT, "loss_without_plan_musd"))
    }
    average = pd.DataFrame(
        {"scenario": MEAN, "probability": 1.0, "events": "", "case": list(mean), "loss_musd": list(mean.values())}
    )
    table = pd.concat([average, table], ignore_index=True)[["scenario", "probability", "case", "loss_musd", "events"]]
    cases = [WITH, WITHOUT, *(ALTERNATIVES.get(name, name) for name in beside)]
    alt = altair()
    base = alt.Chart(table).encode(
        y=alt.Y(
            "scenario:N",
            sort=list(dict.fromkeys(table["scenario"])),
            title=None,
            axis=alt.Axis(labelLimit=600, **LABELS_ABOVE),
            scale=alt.Scale(**ROWS_APART),
        ),
        tooltip=[
            "scenario",
            alt.Tooltip("probability:Q", format=".1%"),
            alt.Tooltip("case:N", title="case"),
            alt.Tooltip("loss_musd:Q", format=",.0f", title="loss [million USD]"),
            alt.Tooltip("events:N"),
        ],
    )
    line = base.mark_line(color=GREY, strokeWidth=2).encode(x="loss_musd:Q", detail="scenario:N")
    points = base.mark_circle(size=110, opacity=1).encode(
        x=alt.X(
            "loss_musd:Q",
            title=f"shortage loss, discounted [{money_unit(result)}]",
            axis=alt.Axis(tickCount=4),
        ),
        color=alt.Color(
            "case:N",
            title=None,
            sort=cases,
            scale=alt.Scale(domain=cases, range=[OF_CASES[n % len(OF_CASES)] for n in range(len(cases))]),
            legend=alt.Legend(orient="top", columns=2, labelLimit=260),
        ),
    )
    spoken = (
        base.transform_filter(f"datum.case == '{WITHOUT}'")
        .mark_text(align="left", dx=9, fontSize=11, color=INK)
        .encode(x="loss_musd:Q", text=alt.Text("loss_musd:Q", format=",.0f"))
    )
    worst = table[table["case"] == WITH].iloc[1:].sort_values("loss_musd", ascending=False, kind="stable").iloc[0]
    rows = table["scenario"].nunique()
    unit, after = money_unit(result), result.plan.horizon.tail_years
    tail = f"over the plan and {after} year{'s' * (after > 1)} after it" if after else "over the plan"
    yield Figure(
        "losses",
        "Losses",
        "What shortages cost, with the plan and without it",
        f"Loss to the economy {tail}. The line between the two dots is the loss that the plan avoids; one dot: it avoids none.",
        f"On average over the plan's own scenarios losses are {mean[WITHOUT]:,.0f} {unit} without the plan and "
        f"{mean[WITH]:,.0f} with it. "
        f"The largest shown that remains is {worst['loss_musd']:,.0f} {unit}, in this one: {worst['scenario']}.",
        alt.layer(line, points, spoken).properties(width=WIDTH - 220, height=ROW_STEP * rows, usermeta={"rows": rows}),
        table,
    )
