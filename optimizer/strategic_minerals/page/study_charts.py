"""Figures of studies and comparisons, from the tables that their verbs write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from ..answer.manifest import ANALYSES
from ..answer.notes import ALTERNATIVES, heading
from ..answer.result import Result
from ..answer.study import Study
from ..core.errors import Fault, InputError, PlanError
from ..question.names import UNNAMED, Names, read_axis
from .charts import INK, PALETTE, TABLES, WIDTH, Figure, altair, coloured, country_colours, discovery_figures, tip
from .compare import WITH, WITHOUT

# What figures of a study are about: money, risk and names, as its result or the study itself states them.


@dataclass(frozen=True)
class Subject:
    """What a study's figures call things."""

    money: str = "million USD"
    """Unit of money, with its year where that is known."""
    tail: str = ""
    """Share of the worst scenarios over which CVaR is the mean, `10%`; empty where it is not known."""
    names: Names = UNNAMED
    scenarios: tuple[str, ...] = ()
    """Names of the scenarios that the plan lists, in order."""

    @classmethod
    def of(cls, about: Result | Study) -> Subject:
        """As a result states it; of a study, as far as the study does."""
        if isinstance(about, Result):
            listed = tuple(scenario.name for scenario in about.plan.scenarios)
            tail = f"{100 * (1 - about.plan.risk.alpha):.3g}%"
            return cls(f"million USD of {about.plan.price_year}", tail, Names.of(about.data), listed)
        year, alpha, names = (getattr(about, name, None) for name in ("price_year", "alpha", "names"))
        return cls(
            f"million USD of {year}" if isinstance(year, int) else "million USD",
            f"{100 * (1 - alpha):.3g}%" if isinstance(alpha, float) else "",
            names if isinstance(names, Names) else UNNAMED,
        )

    @property
    def cvar(self) -> str:
        """What CVaR is, in words."""
        return (
            f"CVaR (mean loss of the worst {self.tail} of scenarios)" if self.tail else "CVaR (mean loss of the worst)"
        )


# Figures of studies that compare: policies, rules of origin, homes, reasons, and losses in new scenarios.


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
    shown = table[table["worth_musd"].notna()]
    if len(shown) < 2:
        return
    yield Figure(
        "ministries",
        "Ministries",
        "What rules of thumb of ministries are worth beside the plan",
        "Worth compared with doing nothing, in the same new scenarios; each rule spends its own money, or as much as the plan. "
        "Black lines: 95% intervals.",
        _best(shown, "rule", "worth_musd", about.money),
        _bars(
            shown,
            f"worth, discounted [{about.money}]",
            label="rule",
            value="worth_musd",
            ends=("worth_low_musd", "worth_high_musd"),
            by="money",
        ),
        shown,
    )


def policies_figure(table: pd.DataFrame, about: Subject) -> Iterator[Figure]:
    """Worth of policies on the same paths of years."""
    shown = table[table["worth_musd"].notna()]
    if shown.empty:
        return
    yield Figure(
        "policies",
        "Policies",
        "What planning again every year is worth",
        "Worth of each policy compared with doing nothing, on average over the same paths of years. Black lines: intervals.",
        _best(shown, "policy", "worth_musd", about.money),
        _bars(
            shown,
            f"worth, discounted [{about.money}]",
            label="policy",
            value="worth_musd",
            ends=("low_musd", "high_musd"),
        ),
        shown,
    )


def origins_figure(table: pd.DataFrame, about: Subject) -> Iterator[Figure]:
    """Worth of the plan under rules of origin."""
    shown = table[table["worth_musd"].notna()]
    if len(shown) < 2:
        return
    yield Figure(
        "origins",
        "Origin",
        "What rules of origin cost",
        "Worth of the best plan under each set of rules of where the government may buy. Shorter bars: the rules cost more.",
        _best(shown, "rules", "worth_musd", about.money),
        _bars(shown, f"worth, discounted [{about.money}]", label="rules", value="worth_musd"),
        shown,
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
            color=coloured("country", [about.names.country(home) for home in homes], [colours[home] for home in homes]),
            tooltip=["country", "case", tip("musd", ",.4g", about.money)],
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
    shown = table[table["brings_musd"].notna()]
    shown = (
        shown.assign(size=shown["brings_musd"].abs())
        .sort_values("size", ascending=False, kind="stable")
        .head(MOST_BARS)
    )
    if shown.empty:
        return
    kinds = shown["kind"] + " " if "kind" in shown.columns else pd.Series("", index=shown.index)
    shown = shown.assign(
        item=[about.names.chosen(f"{kind}{item}") for kind, item in zip(kinds, shown["item"], strict=True)],
        choice=["chosen" if chosen else "not chosen" for chosen in shown["chosen"]],
    ).sort_values("brings_musd", ascending=False, kind="stable")
    shown = shown[["item", "choice", "brings_musd"]]
    yield Figure(
        "what-items-bring",
        "Items",
        "What each item brings to the plan",
        "How much better the plan is with the item than without it, solved again each way. An item not chosen makes it worse.",
        _best(shown, "item", "brings_musd", about.money),
        _bars(
            shown,
            f"gain with the item [{about.money}]",
            label="item",
            value="brings_musd",
            by="choice",
            colours=(["chosen", "not chosen"], [PALETTE[0], PALETTE[4]]),
        ),
        shown,
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
            color=coloured("case", [WITH, WITHOUT], [PALETTE[0], PALETTE[1]]),
            tooltip=[
                tip("case"),
                tip("loss_musd", ",.0f", about.money),
                tip("at_least", ".1%", "this or more"),
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
                tip("appropriation_musd", ",.0f", "budget"),
                "risk",
                tip("musd", ",.0f"),
                tip("portfolio"),
            ],
        )
        .properties(width=WIDTH, height=260)
    )
    first, last = table.iloc[0], table.iloc[-1]
    text = (
        f"With a budget of {first['appropriation_musd']:,.0f} million USD the expected loss is "
        f"{first['expected_loss_musd']:,.0f} million USD; with a budget of {last['appropriation_musd']:,.0f} it is "
        f"{last['expected_loss_musd']:,.0f}."
    )
    yield Figure(
        "frontier",
        "Budget and risk",
        "Budget against risk",
        "Each dot is the best plan for that budget. Hover over a dot to see its portfolio.",
        text,
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
            tooltip=["figure", "low", "high", "end", tip("at_end_musd", ",.1f", "worth")],
        )
        .properties(width=WIDTH - 240, height=24 * len(table), usermeta={"rows": len(table)})
    )
    top = table.iloc[0]
    ends = [f"{top[f'worth_at_{end}_musd']:,.0f} million USD at {top[end]:.4g}" for end in ("low", "high")]
    text = f"What moves the answer most is {top['figure']}: the plan is worth {' and '.join(ends)}."
    yield Figure(
        "tornado",
        "What moves it",
        "What moves the answer",
        f"The worth of the best plan when one figure is at its low or at its high end and the others are unchanged ({base:,.0f} "
        "million USD when none is changed). Longer bars matter more.",
        text,
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
        tooltip=["alternative", "risk", tip("musd", ",.0f", "million USD")],
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
            tooltip=["result", "figure", tip("musd", ",.1f", "million USD")],
        )
        .properties(width=WIDTH / 2 - 90, height=24 * len(names))
        for figure in dict.fromkeys(long["figure"])
    ]
    text = "; ".join(
        f"{figure}: " + ", ".join(f"{row.result} {row.musd:,.0f}" for row in rows.itertuples())
        for figure, rows in long.groupby("figure", sort=False)
    )
    yield Figure(
        "side-by-side",
        "Side by side",
        "Results side by side",
        "Each panel has its own scale.",
        f"In million USD: {text}.",
        alt.concat(*panels, columns=2).properties(usermeta={"rows": len(names)}),
        money,
    )


# The figure of sensitivity indices: what each figure adds to the spread of the answer, with its interval.


SOBOL = {"total": "with all that it does together with others", "first": "alone"}
"""Column of indices by Sobol -> what it counts."""


def indices_figure(indices: pd.DataFrame, about: Subject) -> Iterator[Figure]:
    """Indices by Sobol (shares of the variance) or by Morris (mean absolute effects), the largest first, with 95 % intervals."""
    if "total" in indices.columns:
        shown, title = SOBOL, "share of the variance of the plan's worth"
    elif "mu_star" in indices.columns:
        shown, title = {"mu_star": "mean absolute effect"}, f"mean absolute effect on the plan's worth [{about.money}]"
    else:
        return
    table = indices[indices[next(iter(shown))].notna()].head(MOST_BARS)
    if table.empty:
        return
    alt = altair()
    table = table.assign(address=[address_in_words(str(address), about) for address in table["address"]])
    table = table.rename(columns={"address": "figure"})
    long = pd.concat(
        [
            pd.DataFrame(
                {
                    "figure": table["figure"],
                    "counts": words,
                    "value": table[name],
                    "low": table[name] - table[f"{name}_conf"],
                    "high": table[name] + table[f"{name}_conf"],
                }
            )
            for name, words in shown.items()
        ],
        ignore_index=True,
    )
    order = list(shown.values())
    rows = alt.Y("figure:N", sort=list(table["figure"]), title=None, axis=alt.Axis(labelLimit=320))
    apart = alt.YOffset("counts:N", sort=order)
    base = alt.Chart(long)
    bars = base.mark_bar().encode(
        y=rows,
        yOffset=apart,
        x=alt.X("value:Q", title=title),
        color=alt.Color(
            "counts:N",
            title=None,
            sort=order,
            scale=alt.Scale(domain=order, range=PALETTE),
            legend=alt.Legend(orient="top", labelLimit=320) if len(order) > 1 else None,
        ),
        tooltip=["figure", "counts", *(alt.Tooltip(f"{name}:Q", format=".3g") for name in ("value", "low", "high"))],
    )
    intervals = base.mark_rule(strokeWidth=1.5).encode(y=rows, yOffset=apart, x="low:Q", x2="high:Q")
    first = table.iloc[0]
    name = next(iter(shown))
    yield Figure(
        "indices",
        "What moves it",
        "What the answer hangs on",
        "Longer bars matter more. Lines are 95 % intervals: bars whose lines reach over each other are not ranked.",
        f"The answer hangs most on {first['figure']}: {first[name]:.3g} (± {first[f'{name}_conf']:.2g}) of the {title}."
        if name == "total"
        else f"The answer hangs most on {first['figure']}: {first[name]:,.3g} (± {first[f'{name}_conf']:,.2g}), {title}.",
        alt.layer(bars, intervals).properties(
            width=WIDTH - 240, height=(18 + 14 * len(order)) * len(table), usermeta={"rows": len(table)}
        ),
        table,
    )


# Which figures a study has: those of the page, and of `plot` of the study itself.


Drawn = Callable[[pd.DataFrame, Subject], Iterator[Figure]]


def _fresh(table: pd.DataFrame, about: Subject) -> Iterator[Figure]:
    """Rules of thumb in new scenarios."""
    return thumb_figure(table, "in new random scenarios", about)


def _own(table: pd.DataFrame, about: Subject) -> Iterator[Figure]:
    """Rules of thumb in the plan's own scenarios."""
    return thumb_figure(table, "in the plan's own scenarios", about)


def _compared(table: pd.DataFrame, about: Subject) -> Iterator[Figure]:
    """Results side by side."""
    return comparison_figure(table)


DRAWN: tuple[tuple[str, Drawn], ...] = (
    ("compare/outcome", _compared),
    ("worth/fresh_scenarios", _fresh),
    ("worth/alternatives", _own),
    ("rules/rules", rules_figure),
    ("simulate/policies", policies_figure),
    ("frontier/points", frontier_figure),
    ("sweep/indices", tornado_figure),
    ("tornado/indices", tornado_figure),
    ("sweep/indices", indices_figure),
    ("explain/reasons", explanation_figure),
    ("stress/scenarios", stress_figure),
    ("origins/costs", origins_figure),
    ("together/homes", homes_figure),
)
"""Table of a study -> what draws it. Of two that draw the same figure the first one does."""


def study_figures(tables: Mapping[str, pd.DataFrame], about: Subject) -> list[Figure]:
    """Every figure that some studies have something to show in, in the order of the page.

    tables: by `kind/table`, as run folders and `tables_of` name them. Raises InputError for a table without its columns.
    """
    found: dict[str, Figure] = {}
    for key, draw in DRAWN:
        if key not in tables:
            continue
        try:
            for figure in draw(tables[key], about):
                found.setdefault(figure.name, figure)
        except (KeyError, TypeError) as error:
            raise InputError(
                [Fault(ANALYSES, "", str(error), "a table without it", "tables as the verbs write them")]
            ) from None
    if "discover/cases" in tables:
        for figure in discovery_figures({name: tables[f"discover/{name}"] for name in TABLES}):
            found.setdefault(figure.name, figure)
    return list(found.values())
