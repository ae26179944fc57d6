"""Figures of studies and comparisons, from the tables that their verbs write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import pandas as pd

from ..answer.manifest import ANALYSES
from ..answer.result import Result
from ..core.errors import Fault, InputError
from ..question.names import Names
from ..studies.discovery import InputWords
from .charts import (
    INK,
    WIDTH,
    Figure,
    altair,
    coloured,
    dashed,
    rows_axis,
    tip,
)
from .compare import money_unit

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


# Figures of budgets and of sweeps.


MOST_BARS = 20


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
    """Indices by Sobol (shares of the variance), the largest first, with 95 % intervals."""
    if "total" not in indices.columns:
        return
    title = "share of the variance of the plan's worth"
    table = indices[indices["total"].notna()].head(MOST_BARS)
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
        for name, words in SOBOL.items()
    ]
    long, alt = pd.concat(parts, ignore_index=True), altair()
    base = alt.Chart(long).encode(
        y=rows_axis("figure", list(table["figure"]), 320),
        yOffset=alt.YOffset("counts:N", sort=list(SOBOL.values())),
        tooltip=["figure", "counts", *(tip(name, ".3g") for name in ("value", "low", "high"))],
    )
    colour = coloured("counts", list(SOBOL.values()), labelLimit=320)
    bars = base.mark_bar().encode(x=alt.X("value:Q", title=title), color=colour)
    lines = base.mark_rule(color=INK, strokeWidth=1.5).encode(x="low:Q", x2="high:Q")
    height = (18 + 14 * len(SOBOL)) * len(table)
    chart = alt.layer(bars, lines).properties(width=WIDTH - 240, height=height, usermeta={"rows": len(table)})
    first = table.iloc[0]
    yield Figure(
        "indices",
        "What moves it",
        "What the answer hangs on",
        "Longer bars matter more. Lines are 95 % intervals: bars whose lines reach over each other are not ranked.",
        f"The answer hangs most on {first['figure']}: {first['total']:.3g} (± {first['total_conf']:.2g}) of the {title}.",
        chart,
        table,
    )


# Which figures a study has: those of the page, and of `charts`.


Drawn = Callable[[pd.DataFrame, Subject], Iterator[Figure]]


DRAWN: tuple[tuple[str, Drawn], ...] = (
    ("frontier/points", frontier_figure),
    ("sweep/indices", tornado_figure),
    ("tornado/indices", tornado_figure),
    ("sweep/indices", indices_figure),
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
    return list(found.values())
