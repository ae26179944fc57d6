"""Figures of studies that compare: policies, rules of origin, homes, reasons, and losses in new scenarios."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from .colours import INK, PALETTE, country_colours
from .figure import WIDTH, Figure, altair
from .figure_data import WITH, WITHOUT
from .subject import Subject

MOST_BARS = 20


def _bars(
    table: pd.DataFrame,
    title: str,
    *,
    label: str,
    value: str,
    ends: tuple[str, str] | None = None,
    by: str = "",
    colours: tuple[Sequence[str], Sequence[str]] | None = None,
) -> object:
    """A chart with a bar a row, the black line its interval. label, value, ends, by: columns; colours: values of `by`, theirs."""
    alt = altair()
    rows = list(dict.fromkeys(table[label]))
    base = alt.Chart(table).encode(
        y=alt.Y(f"{label}:N", sort=rows, title=None, axis=alt.Axis(labelLimit=300)),
        tooltip=[label, *([by] if by else []), alt.Tooltip(f"{value}:Q", format=",.4g", title=title)],
    )
    if by:
        base = base.encode(yOffset=alt.YOffset(f"{by}:N", sort=list(dict.fromkeys(table[by]))))
        domain, of = colours or (list(dict.fromkeys(table[by])), PALETTE)
        colour = alt.Color(
            f"{by}:N",
            title=None,
            sort=list(domain),
            scale=alt.Scale(domain=list(domain), range=list(of)[: len(domain)]),
            legend=alt.Legend(orient="top", labelLimit=320),
        )
    else:
        colour = alt.value(PALETTE[0])
    layers = [base.mark_bar().encode(x=alt.X(f"{value}:Q", title=title), color=colour)]
    if ends is not None and set(ends) <= set(table.columns):
        layers.append(base.mark_rule(color=INK, strokeWidth=2).encode(x=f"{ends[0]}:Q", x2=f"{ends[1]}:Q"))
    height = (38 if by else 26) * len(rows)
    return alt.layer(*layers).properties(width=WIDTH - 120, height=height, usermeta={"rows": len(rows)})


def _best(table: pd.DataFrame, label: str, value: str, money: str) -> str:
    """The largest and the smallest of some rows, in a sentence."""
    most, least = table.iloc[int(table[value].argmax())], table.iloc[int(table[value].argmin())]
    return f"Largest: {most[label]}, {most[value]:,.4g} {money}. Smallest: {least[label]}, {least[value]:,.4g}."


def rules_figure(table: pd.DataFrame, about: Subject) -> Iterator[Figure]:
    """Worth of rules of thumb beside the plan, at their own money and at the plan's."""
    told = table[table["worth_musd"].notna()]
    if len(told) < 2:
        return
    yield Figure(
        "ministries",
        "Ministries",
        "What rules of thumb of ministries are worth beside the plan",
        "Worth compared with doing nothing, in the same new scenarios; each rule spends its own money, or as much as the plan. "
        "Black lines: 95% intervals.",
        _best(told, "rule", "worth_musd", about.money),
        _bars(
            told,
            f"worth, discounted [{about.money}]",
            label="rule",
            value="worth_musd",
            ends=("worth_low_musd", "worth_high_musd"),
            by="money",
        ),
        told,
    )


def policies_figure(table: pd.DataFrame, about: Subject) -> Iterator[Figure]:
    """Worth of policies on the same paths of years."""
    told = table[table["worth_musd"].notna()]
    if told.empty:
        return
    yield Figure(
        "policies",
        "Policies",
        "What planning again every year is worth",
        "Worth of each policy compared with doing nothing, on average over the same paths of years. Black lines: intervals.",
        _best(told, "policy", "worth_musd", about.money),
        _bars(
            told,
            f"worth, discounted [{about.money}]",
            label="policy",
            value="worth_musd",
            ends=("low_musd", "high_musd"),
        ),
        told,
    )


def origins_figure(table: pd.DataFrame, about: Subject) -> Iterator[Figure]:
    """Worth of the plan under rules of origin."""
    told = table[table["worth_musd"].notna()]
    if len(told) < 2:
        return
    yield Figure(
        "origins",
        "Origin",
        "What rules of origin cost",
        "Worth of the best plan under each set of rules of where the government may buy. Shorter bars: the rules cost more.",
        _best(told, "rules", "worth_musd", about.money),
        _bars(told, f"worth, discounted [{about.money}]", label="rules", value="worth_musd"),
        told,
    )


def homes_figure(table: pd.DataFrame, about: Subject) -> Iterator[Figure]:
    """What each home gains alone and together."""
    if table.empty:
        return
    words = {
        "alone_musd": "alone",
        "before_payments_musd": "together, before payments",
        "division_musd": "together, after payments",
    }
    long = table.melt("home", list(words), var_name="case", value_name="musd").dropna(subset=["musd"])
    colours = country_colours(table["home"])
    long = long.assign(case=long["case"].map(words), country=[about.names.country(home) for home in long["home"]])
    alt, homes = altair(), list(dict.fromkeys(table["home"]))
    cases = [case for case in words.values() if case in set(long["case"])]
    chart = (
        alt.Chart(long)
        .mark_bar()
        .encode(
            y=alt.Y("case:N", sort=cases, title=None, axis=alt.Axis(labelLimit=300)),
            yOffset=alt.YOffset("country:N", sort=[about.names.country(home) for home in homes]),
            x=alt.X("musd:Q", title=f"worth, discounted [{about.money}]"),
            color=alt.Color(
                "country:N",
                title=None,
                scale=alt.Scale(
                    domain=[about.names.country(home) for home in homes], range=[colours[home] for home in homes]
                ),
                legend=alt.Legend(orient="top"),
            ),
            tooltip=["country", "case", alt.Tooltip("musd:Q", format=",.4g", title=about.money)],
        )
        .properties(width=WIDTH - 120, height=16 * len(homes) * len(cases), usermeta={"rows": len(cases)})
    )
    together = long[long["case"] == words["before_payments_musd"]]
    yield Figure(
        "homes",
        "Homes",
        "What each home gains, alone and together",
        "Worth of planning compared with doing nothing; alone: while the others keep plans of their own.",
        f"Together, before payments: {'; '.join(f'{row.country} {row.musd:,.4g}' for row in together.itertuples())} {about.money}.",
        chart,
        long,
    )


def explanation_figure(table: pd.DataFrame, about: Subject) -> Iterator[Figure]:
    """How much better the plan is with each item."""
    told = table[table["brings_musd"].notna()]
    told = (
        told.assign(size=told["brings_musd"].abs()).sort_values("size", ascending=False, kind="stable").head(MOST_BARS)
    )
    if told.empty:
        return
    kinds = told["kind"] + " " if "kind" in told.columns else pd.Series("", index=told.index)
    told = told.assign(
        item=[about.names.chosen(f"{kind}{item}") for kind, item in zip(kinds, told["item"], strict=True)],
        choice=["chosen" if chosen else "not chosen" for chosen in told["chosen"]],
    ).sort_values("brings_musd", ascending=False, kind="stable")
    told = told[["item", "choice", "brings_musd"]]
    yield Figure(
        "what-items-bring",
        "Items",
        "What each item brings to the plan",
        "How much better the plan is with the item than without it, solved again each way. An item not chosen makes it worse.",
        _best(told, "item", "brings_musd", about.money),
        _bars(
            told,
            f"gain with the item [{about.money}]",
            label="item",
            value="brings_musd",
            by="choice",
            colours=(["chosen", "not chosen"], [PALETTE[0], PALETTE[4]]),
        ),
        told,
    )


def stress_figure(table: pd.DataFrame, about: Subject) -> Iterator[Figure]:
    """How probable a loss above an amount is, in new scenarios."""
    if len(table) < 2:
        return
    parts = []
    for case, column in ((WITH, "loss_musd"), (WITHOUT, "without_plan_musd")):
        ranked = table[[column, "probability"]].sort_values(column, ascending=False, kind="stable")
        share = ranked["probability"].cumsum() / ranked["probability"].sum()
        parts.append(pd.DataFrame({"case": case, "loss_musd": ranked[column].to_numpy(), "at_least": share.to_numpy()}))
    long = pd.concat(parts, ignore_index=True)
    alt = altair()
    chart = (
        alt.Chart(long)
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(
            x=alt.X("loss_musd:Q", title=f"shortage loss, discounted [{about.money}]"),
            y=alt.Y("at_least:Q", title="probability of this loss or more", axis=alt.Axis(format="%")),
            color=alt.Color(
                "case:N",
                title=None,
                scale=alt.Scale(domain=[WITH, WITHOUT], range=[PALETTE[0], PALETTE[1]]),
                legend=alt.Legend(orient="top"),
            ),
            tooltip=[
                alt.Tooltip("case:N"),
                alt.Tooltip("loss_musd:Q", format=",.0f", title=about.money),
                alt.Tooltip("at_least:Q", format=".1%", title="this or more"),
            ],
        )
        .properties(width=WIDTH, height=260)
    )
    worst = long.groupby("case")["loss_musd"].max()
    yield Figure(
        "stress-losses",
        "New scenarios",
        "How probable large losses are, in new random scenarios",
        "For each amount, the probability that shortages cost it or more. The further left a line, the smaller the losses.",
        f"The largest loss of {len(table):,} new scenarios is {worst[WITH]:,.0f} {about.money} with the plan and "
        f"{worst[WITHOUT]:,.0f} without it.",
        chart,
        long,
    )
