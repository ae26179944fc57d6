"""Figures of studies and comparisons, from the tables that their verbs write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import pandas as pd

from ..answer.result import Result
from ..question.names import Names
from ..studies.discovery import InputWords
from .charts import (
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


# Which figures a study has: those of the page, and of `charts`.


DRAWN: Mapping[str, Callable[[pd.DataFrame, Subject], Iterator[Figure]]] = {
    "frontier/points": frontier_figure,
    "sweep/indices": tornado_figure,
}
"""Table of a study -> what draws it."""


def study_figures(tables: Mapping[str, pd.DataFrame], about: Subject) -> list[Figure]:
    """Every figure that some studies have something to show in, in the order of the page.

    tables: by `kind/table`, as run folders and `tables_of` name them.
    """
    return [figure for key, draw in DRAWN.items() if key in tables for figure in draw(tables[key], about)]
