"""Figures of studies and comparisons, from the tables that their verbs write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ..answer.manifest import ANALYSES
from ..answer.result import Result
from ..core.errors import Fault, InputError
from ..question.names import Names
from ..studies.discovery import InputWords
from .charts import (
    INK,
    PALETTE,
    TABLES,
    WIDTH,
    Figure,
    altair,
    coloured,
    dashed,
    discovery_figures,
    exceedance,
    rows_axis,
    tip,
)
from .compare import WITH, WITHOUT, exceeded, money_unit

# What figures of a study are about: money, risk and inputs, as its result or the study itself states them.


@dataclass(frozen=True)
class Subject:
    """What a study's figures call things."""

    money: str = "million USD"
    """Unit of money, with its year where that is known."""
    tail: str = ""
    """Share of the worst scenarios over which CVaR is the mean, `10%`; empty where it is not known."""
    words: InputWords = field(default_factory=InputWords)
    """What addresses of a sweep are called."""

    @classmethod
    def of(cls, result: Result) -> Subject:
        """As a result states it."""
        tail = f"{100 * (1 - result.plan.risk.alpha):.3g}%"
        return cls(money_unit(result), tail, InputWords(Names.of(result.data), plan=result.plan))

    @property
    def risks(self) -> dict[str, str]:
        """Columns of losses -> what they are."""
        worst = f"the worst {self.tail} of scenarios" if self.tail else "the worst"
        return {"expected_loss_musd": "expected loss", "cvar_musd": f"CVaR (mean loss of {worst})"}


# Figures of studies that compare: policies, rules of origin, and losses in new scenarios.


MOST_BARS = 20


def _bars(
    table: pd.DataFrame,
    title: str,
    *,
    label: str,
    value: str,
    ends: tuple[str, str] | None = None,
    by: str = "",
    order: Sequence[str] | None = None,
    colours: Sequence[str] | None = None,
    tips: Sequence[Any] | None = None,
    limit: int = 300,
    legend: int = 320,
    beside: int = 120,
    step: int | None = None,
    line: Mapping[str, Any] | None = None,
) -> object:
    """A chart with a bar a row, the black line its interval.

    label, value, ends, by: columns. order, colours: values of `by`, theirs. tips: what shows when one points at a bar. limit,
    legend: pixels of a label; legend 0: bars of one colour, without a legend. beside: pixels for labels. step: pixels of a row.
    line: how intervals are drawn.
    """
    alt, rows = altair(), list(dict.fromkeys(table[label]))
    tips = [label, *([by] if by else []), tip(value, ",.4g", title)] if tips is None else tips
    base = alt.Chart(table).encode(y=rows_axis(label, rows, limit), tooltip=tips)
    colour = alt.value(PALETTE[0])
    if by:
        order = list(dict.fromkeys(table[by])) if order is None else order
        base = base.encode(yOffset=alt.YOffset(f"{by}:N", sort=order))
        colour = coloured(by, order, colours, labelLimit=legend) if legend else colour
    layers = [base.mark_bar().encode(x=alt.X(f"{value}:Q", title=title), color=colour)]
    if ends is not None and set(ends) <= set(table.columns):
        rule = base.mark_rule(**(line or {"color": INK, "strokeWidth": 2}))
        layers.append(rule.encode(x=f"{ends[0]}:Q", x2=f"{ends[1]}:Q"))
    height = (step or (38 if by else 26)) * len(rows)
    return alt.layer(*layers).properties(width=WIDTH - beside, height=height, usermeta={"rows": len(rows)})


@dataclass(frozen=True)
class Worth:
    """A figure of what several ways to plan are worth, a bar each."""

    name: str
    menu: str
    title: str
    note: str
    label: str
    """Column of the ways."""
    ends: tuple[str, str] | None = None
    by: str = ""
    least: int = 1
    """Rows below which there is nothing to compare."""

    def __call__(self, table: pd.DataFrame, about: Subject) -> Iterator[Figure]:
        """The figure of a table with a column `worth_musd`."""
        shown = table[table["worth_musd"].notna()]
        if len(shown) >= self.least:
            title = f"worth, discounted [{about.money}]"
            chart = _bars(shown, title, label=self.label, value="worth_musd", ends=self.ends, by=self.by)
            worth = shown["worth_musd"]
            most, least = shown.iloc[int(worth.argmax())], shown.iloc[int(worth.argmin())]
            text = f"Largest: {most[self.label]}, {most['worth_musd']:,.4g} {about.money}. "
            text += f"Smallest: {least[self.label]}, {least['worth_musd']:,.4g}."
            yield Figure(self.name, self.menu, self.title, self.note, text, chart, shown)


RULES = Worth(
    "ministries",
    "Ministries",
    "What rules of thumb of ministries are worth beside the plan",
    "Worth compared with doing nothing, in the same new scenarios; each rule spends its own money, or as much as the plan. "
    "Black lines: 95% intervals.",
    "rule",
    ("worth_low_musd", "worth_high_musd"),
    by="money",
    least=2,
)
POLICIES = Worth(
    "policies",
    "Policies",
    "What planning again every year is worth",
    "Worth of each policy compared with doing nothing, on average over the same paths of years. Black lines: intervals.",
    "policy",
    ("low_musd", "high_musd"),
)
ORIGINS = Worth(
    "origins",
    "Origin",
    "What rules of origin cost",
    "Worth of the best plan under each set of rules of where the government may buy. Shorter bars: the rules cost more.",
    "rules",
    least=2,
)


def stress_figure(table: pd.DataFrame, about: Subject) -> Iterator[Figure]:
    """How probable a loss above an amount is, in new scenarios."""
    if len(table) < 2:
        return
    long = exceeded({WITH: table["loss_musd"], WITHOUT: table["without_plan_musd"]}, table["probability"])
    chart = exceedance(long, about.money, steps=True)
    worst = long.groupby("case")["loss_musd"].max()
    yield Figure(
        "stress-losses",
        "New scenarios",
        "How probable large losses are, in new random scenarios",
        "For each amount, the chance that shortages cost more. The further left a line, the smaller the losses.",
        f"The largest loss of {len(table):,} new scenarios is {worst[WITH]:,.0f} {about.money} with the plan and "
        f"{worst[WITHOUT]:,.0f} without it.",
        chart,
        long,
    )


def frontier_figure(points: pd.DataFrame, about: Subject) -> Iterator[Figure]:
    """Expected loss and CVaR by budget."""
    table = points[points["objective_musd"].notna()]
    if len(table) < 2:
        return
    alt, risks = altair(), about.risks
    long = table.melt(["appropriation_musd", "portfolio"], list(risks), var_name="risk", value_name="musd")
    long["risk"] = long["risk"].map(risks)
    chart = (
        alt.Chart(long)
        .mark_line(point=True)
        .encode(
            x=alt.X("appropriation_musd:Q", title=f"budget of all years, discounted [{about.money}]"),
            y=alt.Y("musd:Q", title=["shortage loss, discounted", f"[{about.money}]"]),
            color=coloured("risk", sorted(risks.values()), labelLimit=360),
            strokeDash=dashed("risk", sorted(risks.values())),
            tooltip=[tip("appropriation_musd", ",.0f", "budget"), "risk", tip("musd", ",.0f"), tip("portfolio")],
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
        address=[about.words.title(str(address)) for address in table["address"]],
        **{column: 0.0 - table[column] for column in worth},
    ).rename(columns={**worth, "address": "figure"})
    sides = {"worth_at_low_musd": "at its low end", "worth_at_high_musd": "at its high end"}
    long = table.melt(["figure", "low", "high"], list(sides), var_name="end", value_name="at_end_musd")
    base = float(table["worth_musd"].iloc[0])
    title = f"worth compared with doing nothing [{about.money}]"
    chart = (
        alt.Chart(long.assign(base=base, end=long["end"].map(sides)))
        .mark_bar()
        .encode(
            y=rows_axis("figure", list(table["figure"]), 320),
            x=alt.X("base:Q", title=title, scale=alt.Scale(zero=False)),
            x2="at_end_musd:Q",
            color=coloured("end", sorted(sides.values())),
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
    table = table.assign(address=[about.words.title(str(address)) for address in table["address"]])
    table = table.rename(columns={"address": "figure"})
    parts = [
        table[["figure"]].assign(
            counts=words,
            value=table[name],
            low=table[name] - table[f"{name}_conf"],
            high=table[name] + table[f"{name}_conf"],
        )
        for name, words in shown.items()
    ]
    chart = _bars(
        pd.concat(parts, ignore_index=True),
        title,
        label="figure",
        value="value",
        ends=("low", "high"),
        by="counts",
        order=list(shown.values()),
        tips=["figure", "counts", *(tip(name, ".3g") for name in ("value", "low", "high"))],
        limit=320,
        legend=320 if len(shown) > 1 else 0,
        beside=240,
        step=18 + 14 * len(shown),
        line={"strokeWidth": 1.5},
    )
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
        chart,
        table,
    )


# Which figures a study has: those of the page, and of `plot` of the study itself.


Drawn = Callable[[pd.DataFrame, Subject], Iterator[Figure]]


DRAWN: tuple[tuple[str, Drawn], ...] = (
    ("rules/rules", RULES),
    ("simulate/policies", POLICIES),
    ("frontier/points", frontier_figure),
    ("sweep/indices", tornado_figure),
    ("tornado/indices", tornado_figure),
    ("sweep/indices", indices_figure),
    ("stress/scenarios", stress_figure),
    ("origins/costs", ORIGINS),
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
