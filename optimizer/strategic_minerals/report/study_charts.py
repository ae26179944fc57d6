"""Figures of studies and comparisons, from the tables that their verbs write."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from ..core.errors import PlanError
from ..data.addresses import read_axis
from ..results.readable import ALTERNATIVES, heading
from ..results.result import Result
from .colours import PALETTE
from .figure import WIDTH, Figure, altair
from .subject import Subject

MOST_BARS = 20


def _risks(about: Subject) -> dict[str, str]:
    """Columns of losses -> what they are."""
    return {"expected_loss_musd": "expected loss", "cvar_musd": about.cvar}


def address_in_words(address: str, about: Result | Subject) -> str:
    """What a sweep varies, with names in place of codes: `Gallium, defence, all: demand, as a factor`.

    Fields of the plan keep their address, with the names of scenarios; so does what is no address.
    """
    of = about if isinstance(about, Subject) else Subject.of(about)
    try:
        axis = read_axis(address)
    except PlanError:
        return address
    if not axis.table:
        parts = axis.path.split(".")
        at = int(parts[1]) if parts[0] == "scenarios" and len(parts) > 2 and parts[1].isdecimal() else -1
        if 0 <= at < len(of.scenarios):
            return f"scenario {of.scenarios[at]}: {heading('_'.join(parts[2:]))}"
        return heading(axis.path)
    key = ", ".join("all" if part == "*" else of.names.any(part) for part in axis.key.split("/"))
    words = heading(axis.column)
    return f"{key}: {words.partition(' [')[0]}, as a factor" if axis.factor else f"{key}: {words}"


def frontier_figure(points: pd.DataFrame, about: Subject) -> Iterator[Figure]:
    """Expected loss and CVaR by budget."""
    table = points[points["objective_musd"].notna()]
    if len(table) < 2:
        return
    alt = altair()
    long = table.melt(
        ["appropriation_musd", "portfolio"], ["expected_loss_musd", "cvar_musd"], var_name="risk", value_name="musd"
    )
    long["risk"] = long["risk"].map(_risks(about))
    chart = (
        alt.Chart(long)
        .mark_line(point=True)
        .encode(
            x=alt.X("appropriation_musd:Q", title=f"budget of all years, discounted [{about.money}]"),
            y=alt.Y("musd:Q", title=["shortage loss, discounted", f"[{about.money}]"]),
            color=alt.Color(
                "risk:N", title=None, scale=alt.Scale(range=PALETTE), legend=alt.Legend(orient="top", labelLimit=360)
            ),
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
        f"With a budget of {first['appropriation_musd']:,.0f} million USD the expected loss is "
        f"{first['expected_loss_musd']:,.0f} million USD; with a budget of {last['appropriation_musd']:,.0f} it is "
        f"{last['expected_loss_musd']:,.0f}."
    )
    yield Figure(
        "frontier",
        "Budget and risk",
        "Budget against risk",
        "Each dot is the best plan for that budget. Hover over a dot to see its portfolio.",
        said,
        chart,
        table,
    )


def tornado_figure(indices: pd.DataFrame, about: Subject) -> Iterator[Figure]:
    """How far each figure moves the worth of the plan between its low and high end."""
    if "swing" not in indices.columns:
        return
    table = indices[indices["swing"].notna()].head(MOST_BARS)
    if table.empty:
        return
    alt = altair()
    worth = {"at_low": "worth_at_low_musd", "at_base": "worth_musd", "at_high": "worth_at_high_musd"}
    table = table.assign(
        address=[address_in_words(str(address), about) for address in table["address"]],
        **{column: 0.0 - table[column] for column in worth},
    ).rename(columns={**worth, "address": "figure"})
    long = table.melt(
        ["figure", "low", "high"],
        ["worth_at_low_musd", "worth_at_high_musd"],
        var_name="end",
        value_name="at_end_musd",
    )
    long["end"] = long["end"].map({"worth_at_low_musd": "at its low end", "worth_at_high_musd": "at its high end"})
    base = float(table["worth_musd"].iloc[0])
    chart = (
        alt.Chart(long.assign(base=base))
        .mark_bar()
        .encode(
            y=alt.Y("figure:N", sort=list(table["figure"]), title=None, axis=alt.Axis(labelLimit=320)),
            x=alt.X(
                "base:Q",
                title=f"worth compared with doing nothing [{about.money}]",
                scale=alt.Scale(zero=False),
            ),
            x2="at_end_musd:Q",
            color=alt.Color("end:N", title=None, scale=alt.Scale(range=PALETTE), legend=alt.Legend(orient="top")),
            tooltip=["figure", "low", "high", "end", alt.Tooltip("at_end_musd:Q", format=",.1f", title="worth")],
        )
        .properties(width=WIDTH - 240, height=24 * len(table), usermeta={"rows": len(table)})
    )
    top = table.iloc[0]
    ends = [f"{top[f'worth_at_{end}_musd']:,.0f} million USD at {top[end]:.4g}" for end in ("low", "high")]
    said = f"What moves the answer most is {top['figure']}: the plan is worth {' and '.join(ends)}."
    yield Figure(
        "tornado",
        "What moves it",
        "What moves the answer",
        f"The worth of the best plan when one figure is at its low or at its high end and the others are unchanged ({base:,.0f} "
        "million USD when none is changed). Longer bars matter more.",
        said,
        chart,
        table,
    )


def thumb_figure(table: pd.DataFrame, where: str, about: Subject) -> Iterator[Figure]:
    """Expected loss and CVaR of the plan beside rules of thumb; where: in which scenarios, in words."""
    told = table[table["expected_loss_musd"].notna()].replace({"alternative": ALTERNATIVES})
    if len(told) < 2:
        return
    alt = altair()
    ends = _risks(about)
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
        x=alt.X("musd:Q", title=f"shortage loss, discounted [{about.money}]"),
        color=alt.Color(
            "risk:N",
            title=None,
            sort=list(ends.values()),
            scale=alt.Scale(range=PALETTE),
            legend=alt.Legend(orient="top", labelLimit=360),
        ),
    )
    layers = [bars]
    if "low" in long.columns:
        layers.append(base.mark_rule(color="#111827", strokeWidth=2).encode(x="low:Q", x2="high:Q"))
    lost = told["expected_loss_musd"]
    best, worst = told.iloc[int(lost.argmin())], told.iloc[int(lost.argmax())]
    yield Figure(
        "beside-rules-of-thumb",
        "Rules of thumb",
        "Losses with the plan and with rules of thumb",
        f"The same disruptions with the plan and with simpler rules, {where}. Shorter bars are better"
        + ("; black lines are 95% intervals." if "low" in long.columns else "."),
        f"The expected loss is smallest with '{best['alternative']}' ({best['expected_loss_musd']:,.0f} million USD) and largest "
        f"with '{worst['alternative']}' ({worst['expected_loss_musd']:,.0f}).",
        alt.layer(*layers).properties(width=WIDTH - 120, height=36 * len(told), usermeta={"rows": len(told)}),
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
        .properties(width=WIDTH / 2 - 90, height=24 * len(names))
        for figure in dict.fromkeys(long["figure"])
    ]
    said = "; ".join(
        f"{figure}: " + ", ".join(f"{row.result} {row.musd:,.0f}" for row in rows.itertuples())
        for figure, rows in long.groupby("figure", sort=False)
    )
    yield Figure(
        "side-by-side",
        "Side by side",
        "Results side by side",
        "Each panel has its own scale.",
        f"In million USD: {said}.",
        alt.concat(*panels, columns=2).properties(usermeta={"rows": len(names)}),
        money,
    )
