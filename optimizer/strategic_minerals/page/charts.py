"""Figures of a result as Vega-Lite charts: one function a figure, tidy tables in, a titled chart with a text alternative out."""

from __future__ import annotations

import math
import re
import textwrap
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..answer.act_now import GAP, ActNow
from ..answer.brief import UNITS
from ..answer.notes import scenario_names
from ..answer.result import Result
from ..core.errors import missing_part
from ..core.formats import SMALL_MUSD, capital, chance, digits
from ..core.frames import rows_of
from ..question.names import Names
from .compare import (
    CASES,
    OTHERS,
    RESERVE,
    SHORT,
    SMALL_T,
    UNDER_CONSTRUCTION,
    WITH,
    WITHOUT,
    loss_curve,
    losses,
    money,
    money_unit,
    stock_by_year,
    supply,
    timeline,
    worst_without,
)

# What a reader sees first: the verdict, its figures, and what to do now.


DOES = {"buy": "buy", "sell": "sell", "support": "support", "offtake": "sign", "floor": "guarantee"}


def verdict(result: Result) -> str:
    """What the page says first: the recommendation; of a relaxation what it bounds."""
    if result.brief is not None:
        return result.brief.recommendation
    return " ".join(line.strip() for line in result.details().split("\n\n")[0].splitlines()[1:])


def all_acts(result: Result) -> pd.DataFrame | None:
    """What to do in the first years, one row an act, with its unit in every cell; None where no samples have tested the plan."""
    found = ActNow.of(result.tables)
    if found is None or found.acts.empty:
        return None
    rows = []
    for _, years in found.acts.groupby(["kind", "item"], sort=False):
        last = years.iloc[-1]
        unit = UNITS.get(str(last.unit), "")
        rows.append(
            {
                "do": f"{DOES[str(last.kind)]}: {last.what}",
                **{f"by FY{row.through_year}": _quantity(row.chosen, unit) for row in rows_of(years)},
                "verdict": {"sign": "sign", "free": "optional"}.get(str(last.verdict), ""),
                "in all samples": _quantity(last.least_in_samples, unit),
                "in plans": f"{last.in_plans} of {last.plans}",
            }
        )
    return pd.DataFrame(rows)


def _quantity(value: float, unit: str) -> str:
    """An amount with its unit; what is signed whole as yes or no."""
    if not unit and value in (0.0, 1.0):
        return "yes" if value else "no"
    return f"{digits(value, 3)}{unit}"


# The scenarios that matter, chosen by stated rules, in sentences: what strikes, who goes short, what the plan does.


MOST_STORIES = 5
MOST_NAMED = 3
"""Materials and users of each kind that a story names."""
EVENT = re.compile(r"(.+?) from (\d+)(?:\.\d+)?: ")
"""How the table `scenario_losses` begins what it says of an event: its name, and the year in which it begins."""

Measure = Callable[[pd.DataFrame], pd.Series]
RULES: tuple[tuple[str, Measure], ...] = (
    ("largest loss without the plan", lambda t: t["loss_without_plan_musd"]),
    ("adds most to the expected loss", lambda t: t["probability"] * t["loss_without_plan_musd"]),
    ("the plan helps most", lambda t: t["probability"] * (t["loss_without_plan_musd"] - t["loss_musd"])),
    ("largest loss that remains", lambda t: t["loss_musd"]),
    ("closest to the average disruption", lambda t: -(t["loss_without_plan_musd"] - _mean(t)).abs()),
)
"""Why a scenario matters -> the measure by which it is the largest. Several rules may pick the same scenario."""
NEXT = "next by what it adds to the expected loss"
RULE_IN_WORDS = (
    "Chosen by rule: the largest loss without the plan; the largest probability times loss; the largest probability times loss "
    "avoided; the largest loss that remains; the loss closest to the average of all scenarios with one. Where one scenario is "
    "several of these, those that add most to the expected loss follow."
)


@dataclass(frozen=True)
class Story:
    """One scenario in words."""

    scenario: str
    """Its code."""
    title: str
    """What happens in it."""
    why: str
    """Why it matters."""
    probability: float
    loss_musd: float
    loss_without_musd: float
    sentences: tuple[str, ...]
    """What else strikes, who goes short, what the plan does about it."""

    def losses(self) -> str:
        """What it costs, with the plan and without, in a sentence."""
        with_plan, without = f"{self.loss_musd:,.0f}", f"{self.loss_without_musd:,.0f}"
        if with_plan == without:
            return f"Probability {chance(self.probability)}. Loss {without} million USD with the plan or without it."
        return (
            f"Probability {chance(self.probability)}. Loss {without} million USD without the plan, {with_plan} with it."
        )


def chosen(result: Result) -> dict[str, list[str]]:
    """Scenario -> why it matters, at most `MOST_STORIES`, the largest loss without the plan first; only scenarios with a loss
    without it: what purchases make users do without in calm years is no story."""
    table = result.tables["scenario_losses"]
    table = table[table["loss_without_plan_musd"] > SMALL_MUSD].set_index("scenario")
    if table.empty:
        return {}
    found: dict[str, list[str]] = {}
    for why, measure in RULES:
        values = measure(table)
        if why == "the plan helps most" and values.max() <= SMALL_MUSD * 1e-3:
            continue
        found.setdefault(str(values.idxmax()), []).append(why)
    adds = (table["probability"] * table["loss_without_plan_musd"]).sort_values(ascending=False, kind="stable")
    for scenario in adds.index:
        if len(found) < MOST_STORIES:
            found.setdefault(str(scenario), [NEXT])
    order = table.loc[list(found), "loss_without_plan_musd"].sort_values(ascending=False, kind="stable").index
    return {str(scenario): found[str(scenario)] for scenario in order}


def stories(result: Result) -> list[Story]:
    """The scenarios that matter, in words."""
    losses = {row.scenario: row for row in rows_of(result.tables["scenario_losses"])}
    titles = story_titles(result)
    names = Names.of(result.data)
    found = []
    for scenario, why in chosen(result).items():
        row = losses[scenario]
        lines = [
            _others(str(row.events), titles[scenario], names),
            _short(result, scenario, names),
            _defence(row, result),
            _done(result, scenario, names),
        ]
        figures = float(row.probability), float(row.loss_musd), float(row.loss_without_plan_musd)
        sentences = tuple(text for text in lines if text)
        found.append(Story(scenario, titles[scenario], capital("; ".join(why)), *figures, sentences))
    return found


def remaining(result: Result) -> pd.DataFrame:
    """Every scenario: what happens, probability, losses and shortfall, for readers; the largest loss without the plan first."""
    titles = story_titles(result)
    table = result.tables["scenario_losses"].sort_values("loss_without_plan_musd", ascending=False, kind="stable")
    return pd.DataFrame(
        {
            "what_happens": [titles[scenario] for scenario in table["scenario"]],
            "probability": [chance(share) for share in table["probability"]],
            "loss_without_the_plan_musd": table["loss_without_plan_musd"],
            "loss_with_the_plan_musd": table["loss_musd"],
            "shortfall_with_the_plan_t": table["shortfall_t"],
        }
    )


def story_titles(result: Result) -> dict[str, str]:
    """Scenario -> what happens in it; for one that the plan lists, its name in brackets."""
    losses = result.tables["scenario_losses"]
    listed = {scenario.name for scenario in result.plan.scenarios}
    known = scenario_names(result.plan, losses)
    return {
        row.scenario: f"{capital(row.what_happens)} ({row.scenario})"
        if row.scenario in listed
        else capital(known[row.scenario])
        for row in rows_of(losses)
    }


def _mean(table: pd.DataFrame) -> float:
    """Mean loss without the plan, given that there is one [million USD]."""
    return float((table["probability"] * table["loss_without_plan_musd"]).sum() / table["probability"].sum())


def _others(events: str, title: str, names: Names) -> str:
    """Events of a scenario beside the one that its title tells."""
    found = [(names.hazard(one[1]), int(one[2])) for text in events.split("; ") if (one := EVENT.match(text))]
    struck = [f"{name} from {year}" for name, year in sorted(found, key=lambda one: one[1])]
    rest = [event for event in struck if event not in title]
    if not rest:
        return ""
    kept, more = rest[:MOST_NAMED], len(rest) - MOST_NAMED
    return f"Also strikes: {', '.join(kept)}{f', and {more} more' if more > 0 else ''}."


def _short(result: Result, scenario: str, names: Names) -> str:
    """Who goes short with the plan, of what, when."""
    table = result.tables["shortfalls"]
    table = table[(table["scenario"] == scenario) & (table["shortfall_t"] > SMALL_T)]
    inside = {row.material for row in result.data.rows("materials") if row.embedded}
    goods = float(table.loc[table["material"].isin(inside), "shortfall_t"].sum())
    lack = f" Imported goods lack {digits(goods)} t inside them, which no plan can prevent."
    beside = lack if goods > SMALL_T else ""
    table = table[~table["material"].isin(inside)]
    if table.empty:
        return f"With the plan no user goes short.{beside}"
    total = table.groupby(["material", "segment"], sort=False).agg(
        tonnes=("shortfall_t", "sum"), loss=("loss_musd", "sum"), first=("period", "min"), last=("period", "max")
    )
    total = total.sort_values(["loss", "tonnes"], ascending=False, kind="stable")
    lines = [
        f"{names.material(row.Index[0])} for {users_in_words(row.Index[1])} ({digits(row.tonnes)} t, "
        f"{_years(str(row.first), str(row.last))})"
        for row in rows_of(total.head(MOST_NAMED))
    ]
    more = len(total) - MOST_NAMED
    rest = "; and a smaller shortfall" if more == 1 else f"; and {more} smaller shortfalls" if more > 1 else ""
    return f"Short with the plan: {'; '.join(lines)}{rest}.{beside}"


def _defence(row: Any, result: Result) -> str:
    """What becomes of defence, where it has demand."""
    if not any(one.segment == "defence" for one in result.data.rows("demand")):
        return ""
    short, without = float(row.defence_shortfall_t), float(row.defence_shortfall_without_plan_t)
    if without <= SMALL_T and short <= SMALL_T:
        return ""
    if short <= SMALL_T:
        return f"Defence is fully supplied; without the plan it would lack {digits(without)} t."
    return f"Defence lacks {digits(short)} t; without the plan {digits(without)} t."


def _done(result: Result, scenario: str, names: Names) -> str:
    """What the reserve gives in a scenario."""
    flows = result.tables["flows"]
    mine = flows[flows["scenario"] == scenario].groupby("material", sort=False)[["released_t", "acquired_t"]].sum()
    given = mine["released_t"].sort_values(ascending=False, kind="stable")
    given = given[given > SMALL_T]
    lines = [f"{digits(float(tonnes))} t of {names.material(str(material))}" for material, tonnes in given.items()]
    if not lines:
        return "The reserve releases nothing."
    more = len(lines) - MOST_NAMED
    return f"The reserve releases {', '.join(lines[:MOST_NAMED])}{f', and of {more} more' if more > 0 else ''}."


def users_in_words(segment: str) -> str:
    """A segment of demand, as one speaks of its users."""
    known = {"defence": "defence", "essential": "essential civilian users", "other": "other users"}
    return known.get(segment, f"{segment.replace('_', ' ')} users")


def _years(first: str, last: str) -> str:
    """Fiscal years of two period labels."""
    one, two = first.partition(".")[0], last.partition(".")[0]
    return f"FY{one}" if one == two else f"FY{one}-{two}"


# What a figure of the page is, and what all of them share: width, axes, the library that draws them.


WIDTH = 720
TITLE_LETTERS = 72
"""Letters of a title that stand in a line above the narrowest chart."""
LABELS_ABOVE = {
    "labelAlign": "left",
    "labelPadding": 0,
    "labelOffset": -17,
    "ticks": False,
    "domain": False,
    "zindex": 1,
}
"""Axis of rows whose labels stand above them: for narrow screens, and wherever labels are sentences."""
ROWS_APART = {"type": "band", "paddingInner": 0.6, "paddingOuter": 0.45}
"""Scale of such rows, `ROW_STEP` pixels each, so that there is room for a label above each."""
ROW_STEP = 40
LINE = 56
"""Letters of a label that stand in a line on a narrow screen."""
_HEAD = f"lastindexof(slice(datum.label, 0, {LINE}), ' ')"
IN_TWO_LINES = (
    f"length(datum.label) > {LINE} ? [slice(datum.label, 0, {_HEAD}), slice(datum.label, {_HEAD} + 1)] : datum.label"
)
"""Label of a row, in the terms of Vega-Lite."""
NARROW = {
    "axis": {**LABELS_ABOVE, "orient": "left", "labelExpr": IN_TWO_LINES, "labelBaseline": "top", "labelOffset": -33},
    "scale": ROWS_APART,
    "row": ROW_STEP + 16,
}
"""How `page.js` draws rows where there is little room, in the terms of Vega-Lite; row: pixels of each."""


@dataclass(frozen=True)
class Figure:
    """One chart of the page."""

    name: str
    """File and anchor name."""
    label: str
    """What the menu calls it."""
    title: str
    note: str
    """What to look for, in a sentence."""
    alt: str
    """What the chart shows, for who cannot see it."""
    chart: Any
    """An altair chart."""
    table: pd.DataFrame
    """What it draws."""

    @property
    def titled(self) -> Any:
        """The chart with its title, in as many lines as it takes."""
        lines = textwrap.wrap(self.title, TITLE_LETTERS)
        return self.chart.properties(title=lines if len(lines) > 1 else self.title)


def altair() -> Any:
    """The module, which is an optional extra. Raises InputError where it is missing."""
    try:
        import altair as found
    except ImportError:
        raise missing_part("report", "altair", "report") from None
    return found


_ROWS = threading.Lock()
"""Held while altair's limit of rows, which is the process's, is taken away."""


def coloured(column: str, values: Sequence[str], colours: Sequence[str] | None = None, **legend: Any) -> Any:
    """A column of names by colour, its legend above. values: in order, each with its colour; legend: what else it is to be."""
    alt, of = altair(), PALETTE if colours is None else colours
    return alt.Color(
        f"{column}:N",
        title=None,
        sort=list(values),
        scale=alt.Scale(domain=list(values), range=[of[n % len(of)] for n in range(len(values))]),
        legend=alt.Legend(orient="top", **legend),
    )


def dashed(column: str, values: Sequence[str]) -> Any:
    """A column of names by dash, in the legend of their colours."""
    alt = altair()
    scale = alt.Scale(domain=list(values), range=DASHES[: len(values)])
    return alt.StrokeDash(f"{column}:N", title=None, scale=scale, legend=alt.Legend(orient="top", symbolSize=500))


def rows_axis(column: str, names: Sequence[str], limit: int, **axis: Any) -> Any:
    """The y axis of rows of names, in order. limit: pixels of a name; axis: what else it is to be."""
    alt = altair()
    return alt.Y(f"{column}:N", sort=list(names), title=None, axis=alt.Axis(labelLimit=limit, **axis))


def year_axis() -> Any:
    """The x axis of amounts a fiscal year."""
    alt = altair()
    return alt.X("fiscal_year:O", title="fiscal year", axis=alt.Axis(labelAngle=0))


def tip(column: str, form: str = "", title: str = "") -> Any:
    """A line that shows when one points at a mark. form: of a number; none: text."""
    kind = "Q" if form else "N"
    named = {name: value for name, value in (("format", form), ("title", title)) if value}
    return altair().Tooltip(f"{column}:{kind}", **named)


@contextmanager
def all_rows() -> Iterator[None]:
    """Charts that are written out within have all their rows; altair's limit applies again afterwards."""
    with _ROWS, altair().data_transformers.disable_max_rows():
        yield


def years_axis(result: Result, *, until_the_end: bool) -> Any:
    """The x axis of fiscal years: a mark at the beginning of each planned year, nothing after the plan.

    until_the_end: whether the last year is drawn up to its end, as bars are, or as a point at its beginning.
    """
    alt, horizon = altair(), result.plan.horizon
    years = list(range(horizon.first_year, horizon.first_year + horizon.years))
    end = years[-1] + 1 if until_the_end else years[-1] + (1 - horizon.period_months / 12)
    align = "left" if until_the_end else "center"
    return {
        "title": "fiscal year",
        "scale": alt.Scale(domain=[years[0], max(end, years[0] + 0.5)], nice=False, zero=False),
        "axis": alt.Axis(format="d", values=years, gridColor="#eceef1", labelAlign=align, labelOverlap=True),
    }


def named(table: pd.DataFrame, result: Result) -> pd.DataFrame:
    """A table with names for readers in place of codes."""
    known = Names.of(result.data)
    scenarios = scenario_names(result.plan, result.tables["scenario_losses"], told=True)
    words: dict[str, Callable[[str], str]] = {
        "material": known.material,
        "supplier": known.country,
        "scenario": lambda code: scenarios.get(code, code),
    }
    return table.assign(**{column: table[column].map(words[column]) for column in words if column in table.columns})


# Colours of the figures: those of countries are the same in every figure, whatever else is shown beside them.


PALETTE = ["#0a3a5c", "#d97706", "#2f7a52", "#5b1a4a", "#8089a8", "#7a5500", "#4c51bf", "#16998c", "#9b2c2c", "#334155"]
"""Colours that keep apart for the colour-blind, each at least 3 : 1 on white; neighbours by their lightness too, in grey print."""
SHAPES = ["circle", "diamond"]
DASHES = [[1, 0], [6, 4], [2, 3], [8, 3, 2, 3]]
"""Of points and of lines, in the order of their colours."""
GREY = "#6b7280"
INK = "#111827"
FIXED = {OTHERS: "#d3d7dd", RESERVE: INK, SHORT: "#b91c1c"}
"""Suppliers that are no single country -> their colour; they stand last."""

KNOWN = dict(
    pair.split(":")
    for pair in (
        "CHN:#8c2d04 USA:#0b5c8a AUS:#2f7a52 CAN:#7aa6c9 JPN:#8b3a62 KOR:#c78bb0 DEU:#5b7a1f FRA:#4c51bf "
        "GBR:#6a86d8 BEL:#a7a02b EST:#3f9aa0 MYS:#d99a1c RUS:#6d5a8c BRA:#79b26b ZAF:#a8763e CHL:#c26a4a "
        "COD:#e0b27a IND:#e07b39 IDN:#b8860b KAZ:#5aa9a0 TUR:#b06a6a VNM:#9a8f3c "
    ).split()
)
"""Countries that supply much of some mineral -> their colour in every report."""
FURTHER = ["#547f8e", "#93a8ac", "#7d6b91", "#b59a74", "#6b8f71", "#c08497", "#8d8d5a", "#5e7ce2", "#bf8b5e", "#4f6d7a"]
"""Of all others: each has the one that its code picks, or the next that is free."""


def country_colours(codes: Iterable[str]) -> dict[str, str]:
    """Code of a country -> its colour. Codes of one result give the same colours in every figure, in whatever order they come; no
    two are alike while there are colours left."""
    wanted = sorted(set(codes))
    found = {code: KNOWN[code] for code in wanted if code in KNOWN}
    free = [True] * len(FURTHER)
    for code in (code for code in wanted if code not in KNOWN):
        first = sum(ord(letter) * (n + 1) for n, letter in enumerate(code)) % len(FURTHER)
        places = [(first + step) % len(FURTHER) for step in range(len(FURTHER))]
        place = next((place for place in places if free[place]), first)
        free[place] = False
        found[code] = FURTHER[place]
    return found


# The figure of losses: what the plan changes in the scenarios that matter.


MEAN, LIVED = "average over the plan's scenarios", "average over new scenarios"


def _losses(result: Result) -> Iterator[Figure]:
    """Losses with the plan and without: on average, and in the scenarios that matter."""
    kept, every = list(chosen(result)), result.tables["scenario_losses"]
    if not kept:
        return
    table = named(losses(result, kept), result)
    tested, where = ActNow.of(result.tables), MEAN
    mean = {case: float((every["probability"] * every[column]).sum()) for case, column in CASES.items()}
    if tested is not None and not tested.why_not:
        where, mean = LIVED, {WITH: tested.figure("loss_musd"), WITHOUT: tested.figure("loss_without_musd")}
    average = pd.DataFrame(
        {"scenario": where, "probability": 1.0, "events": "", "case": list(mean), "loss_musd": list(mean.values())}
    )
    table = pd.concat([average, table], ignore_index=True)[["scenario", "probability", "case", "loss_musd", "events"]]
    cases = [WITH, WITHOUT]
    alt, unit = altair(), money_unit(result)
    loss = tip("loss_musd", ",.0f", "loss [million USD]")
    base = alt.Chart(table).encode(
        y=rows_axis("scenario", list(table["scenario"].unique()), 600, **LABELS_ABOVE).scale(**ROWS_APART),
        tooltip=["scenario", tip("probability", ".1%"), tip("case", title="case"), loss, tip("events")],
    )
    line = base.mark_line(color=GREY, strokeWidth=2).encode(x="loss_musd:Q", detail="scenario:N")
    shape = alt.Scale(domain=cases, range=SHAPES)
    points = base.mark_point(size=110, opacity=1, filled=True).encode(
        x=alt.X("loss_musd:Q", title=f"shortage loss, discounted [{unit}]", axis=alt.Axis(tickCount=4)),
        color=coloured("case", cases, columns=2, labelLimit=260),
        shape=alt.Shape("case:N", title=None, scale=shape, legend=alt.Legend(orient="top", columns=2, labelLimit=260)),
    )
    spoken = (
        base.transform_filter(f"datum.case == '{WITHOUT}'")
        .mark_text(align="left", dx=9, fontSize=11, color=INK)
        .encode(x="loss_musd:Q", text=alt.Text("loss_musd:Q", format=",.0f"))
    )
    worst = table[table["case"] == WITH].iloc[1:].sort_values("loss_musd", ascending=False, kind="stable").iloc[0]
    rows = table["scenario"].nunique()
    after = result.plan.horizon.tail_years
    tail = f"over the plan and {after} year{'s' * (after > 1)} after it" if after else "over the plan"
    yield Figure(
        "losses",
        "Losses",
        "What shortages cost, with the plan and without it",
        f"Loss to the economy {tail}. The line between the two marks is the loss that the plan avoids."
        + ("" if GAP in result.tables else f" {UNTESTED}"),
        f"On average over {where.removeprefix('average over ')} losses are {mean[WITHOUT]:,.0f} {unit} without the plan and "
        f"{mean[WITH]:,.0f} with it. "
        f"The largest shown that remains is {worst['loss_musd']:,.0f} {unit}, in this one: {worst['scenario']}.",
        alt.layer(line, points, spoken).properties(width=WIDTH - 220, height=ROW_STEP * rows, usermeta={"rows": rows}),
        table,
    )


def figures(result: Result) -> list[Figure]:
    """Every figure that the result has something to show in, in the order of the page."""
    return [figure for draw in DRAWN for figure in draw(result)]


FAR = 3.0
"""How many times the most that is spent an appropriation may be, to be drawn."""
ACTIONS = {"purchase": PALETTE[0], "project": PALETTE[2], "offtake contract": PALETTE[6], "price floor": PALETTE[1]}
"""Kind of action -> its colour."""
UNTESTED = "This is a quick answer: it was not tested in other scenarios than the plan's own."


def exceedance(table: pd.DataFrame, money: str, *, steps: bool) -> Any:
    """A chart of the chance that losses exceed an amount; table: case, loss_musd, chance. steps: whether scenarios are few."""
    alt, least = altair(), max(float(table["chance"].min()), 1e-6)
    ticks = [value for value in (1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.001, 1e-4) if value >= least / 2]
    axis, scale = alt.Axis(values=ticks, format="~%"), alt.Scale(type="log", nice=False, domain=[least / 1.5, 1.0])
    return (
        alt.Chart(table)
        .mark_line(interpolate="step-before" if steps else "linear", strokeWidth=2.5)
        .encode(
            x=alt.X("loss_musd:Q", title=f"shortage loss, discounted [{money}]", axis=alt.Axis(tickCount=5)),
            y=alt.Y("chance:Q", title="chance of a larger loss", axis=axis, scale=scale),
            order=alt.Order("chance:Q", sort="descending"),
            color=coloured("case", [WITH, WITHOUT]),
            strokeDash=dashed("case", [WITH, WITHOUT]),
            tooltip=[tip("case", title="case"), tip("loss_musd", ",.0f", money), tip("chance", ".2~%", "chance")],
        )
        .properties(width=WIDTH, height=260)
    )


def _curve(result: Result) -> Iterator[Figure]:
    """How probable it is that losses exceed an amount, with the plan and without."""
    table, unit = loss_curve(result), money_unit(result)
    if table["case"].nunique() < 2:
        return
    lived = "loss_curve" in result.tables
    told = []
    for likely, words in ((0.1, "1 in 10"), (0.01, "1 in 100")):
        reached = table[table["chance"] >= likely].groupby("case")["loss_musd"].max()
        if reached.get(WITHOUT, 0.0) > 0:
            told.append(f"with a chance of {words} they are {reached[WITHOUT]:,.0f} or more without it")
            told[-1] += f" and {reached.get(WITH, 0.0):,.0f} or more with it"
    yield Figure(
        "loss-curve",
        "Chances",
        "The chance that losses exceed an amount",
        f"Losses in {'new scenarios, which the plan was not made with' if lived else 'the scenarios of the plan itself'}. Go up "
        "from an amount to a line: its height is the chance that losses are larger. From 100 to 10 % is as far as from 10 to 1 %.",
        f"Losses with the plan and without it, in {unit}: {'; '.join(told) or 'all are rarer than 1 in 100'}.",
        exceedance(table, unit, steps=not lived),
        table,
    )


def _timeline(result: Result) -> Iterator[Figure]:
    """What is bought, signed and guaranteed, and when."""
    table = timeline(result)
    if table.empty:
        return
    alt = altair()
    table["years"] = [_fiscal_years(start, end) for start, end in zip(table["start"], table["end"], strict=True)]
    table["row"] = [f"{capital(what)}: {amount}" for what, amount in zip(table["what"], table["amount"], strict=True)]
    built = bool((table["phase"] == UNDER_CONSTRUCTION).any())
    shown = {kind: colour for kind, colour in ACTIONS.items() if kind in set(table["kind"])}
    pale = alt.Scale(domain=["in force", UNDER_CONSTRUCTION], range=[1.0, 0.45])
    bars = (
        alt.Chart(table)
        .transform_filter("datum.end > datum.start")
        .mark_bar(height=12, cornerRadius=2)
        .encode(
            y=rows_axis("row", list(table["row"].unique()), 640, **LABELS_ABOVE).scale(**ROWS_APART),
            color=coloured("kind", list(shown), list(shown.values())),
            tooltip=[tip("what", title="what"), tip("said", title="how much"), tip("years", title="when")],
            x=alt.X("start:Q", **years_axis(result, until_the_end=True)),
            x2="end:Q",
            opacity=alt.Opacity("phase:O", title=None, scale=pale, legend=None),
        )
    )
    rows = table["what"].nunique()
    counts = table.drop_duplicates("what")["kind"].value_counts()
    kinds = ", ".join(f"{count} {kind}{'s' * (count > 1)}" for kind, count in counts.items())
    yield Figure(
        "timeline",
        "Timeline",
        "What the government buys, supports and guarantees, year by year",
        "Each bar is an action and the fiscal years in which it is in force, up to the end of the plan; purchases are those made "
        f"while no disruption occurs.{' Pale bars are construction years.' if built else ''} Amounts are of the whole plan.",
        f"Timeline of {kinds}, from FY{table['start'].min():.0f} to FY{math.ceil(table['end'].max()) - 1}.",
        bars.properties(width=WIDTH, height=ROW_STEP * rows, usermeta={"rows": rows}),
        table.drop(columns=["start", "end", "row"]),
    )


def _fiscal_years(start: float, end: float) -> str:
    """Fiscal years from a moment up to another one, which does not count."""
    first, last = math.floor(round(start, 6)), math.ceil(round(end, 6)) - 1
    return f"FY{first}" if last <= first else f"FY{first}-{last}"


TARGET, EXPECTED = "target", "expected"
MOST_STOCKS = 9


def _stocks(result: Result) -> Iterator[Figure]:
    """Target and stock of every material by year, with the band over futures."""
    table = named(stock_by_year(result), result)
    if table.empty:
        return
    alt, lived = altair(), "stock_by_year" in result.tables
    materials = list(dict.fromkeys(table["material"]))
    wide = WIDTH / min(len(materials), 3)
    band = f"{'5 to 95 %' if lived else 'least to most'} of {'new' if lived else 'its own'} scenarios"

    def panel(material: str) -> Any:
        mine = table[table["material"] == material]
        lines = mine.rename(columns={"target_t": TARGET, "expected_t": EXPECTED})
        lines = lines.melt(["fiscal_year"], [TARGET, EXPECTED], var_name="line", value_name="stock_t")
        x = alt.X("fiscal_year:Q", **years_axis(result, until_the_end=False))
        tips = [tip("fiscal_year"), *(tip(name, ",.4g") for name in ("target_t", "expected_t", "low_t", "high_t"))]
        base = alt.Chart(lines).mark_line(strokeWidth=2.5).encode(x=x, y=alt.Y("stock_t:Q", title="stock [t]"))
        which = {"color": coloured("line", [TARGET, EXPECTED]), "strokeDash": dashed("line", [TARGET, EXPECTED])}
        area = alt.Chart(mine).mark_area(color=PALETTE[4], opacity=0.35, line=False)
        filled = area.encode(x=x, y=alt.Y("low_t:Q", title="stock [t]"), y2="high_t:Q", tooltip=tips)
        return alt.layer(filled, base.encode(**which)).properties(width=wide, height=130, title=material)

    peak = table.groupby("material", sort=False)["target_t"].max()
    text = "; ".join(f"{name} {digits(target, 4)} t" for name, target in peak.items() if target > SMALL_T)
    more = len(materials) - MOST_STOCKS
    yield Figure(
        "stocks",
        "Stocks",
        "What the reserve is to hold, and what it holds",
        "Tonnes at the end of each year. The target is what it holds if no disruption occurs; a stock falls below it once it is "
        f"drawn on, and goes beyond where crises call for more. Band: {band}."
        f"{f' {more} more materials are in the table.' if more > 0 else ''}",
        f"Largest targets: {text or 'none: it buys only once a disruption has begun'}.",
        alt.concat(*map(panel, materials[:MOST_STOCKS]), columns=3).properties(usermeta={"panel": 85}),
        table,
    )


def _supply(result: Result) -> Iterator[Figure]:
    """Where each material comes from, along its chain."""
    table, bars, told = supply(result)
    if bars.empty:
        return
    alt, titles = altair(), scenario_names(result.plan, result.tables["scenario_losses"], told=True)
    moments, last = list(dict.fromkeys(bars["moment"])), [*FIXED]
    pairs = zip(bars["supplier"], bars["code"], strict=True)
    who = dict(sorted(pairs, key=lambda pair: last.index(pair[1]) if pair[1] in FIXED else -1))
    palette = country_colours(set(result.tables["operations"]["country"])) | FIXED
    colour = coloured("supplier", list(who), [palette[code] for code in who.values()], columns=5)

    def panel(material: str) -> Any:
        mine = bars[bars["material"] == material]
        base = alt.Chart(mine, title=material).mark_bar(stroke="white", strokeWidth=0.5)
        x = alt.X("share:Q", title=None, axis=alt.Axis(format="%"))
        tips = ["supplier", "moment", tip("share", ".0%")]
        shown = base.encode(y=rows_axis("moment", moments, 160), x=x, color=colour, tooltip=tips)
        return shown.properties(width=WIDTH - 170, height=26 * len(moments))

    yield Figure(
        "supply",
        "Supply",
        "Where each material comes from",
        "Shares of supply with the plan: now; at the end of the plan if no disruption occurs; in the worst year of the scenario "
        f"with the largest loss without the plan, {titles[worst_without(result)]}. Black: the reserve; red: what is missing. Who "
        "buys from whom is not modelled.",
        told,
        alt.concat(*map(panel, dict.fromkeys(bars["material"])), columns=1).properties(usermeta={"rows": len(moments)}),
        table,
    )


def _money(result: Result) -> Iterator[Figure]:
    """Outlays by line against appropriations; what floors may cost, separately."""
    table, liability = money(result)
    alt = altair()
    if not table.empty:
        lines = [name for name in dict.fromkeys(table["line"]) if name != "appropriation"]
        spent = table[table["line"] != "appropriation"].groupby("fiscal_year")["musd"].sum()
        may = table[table["line"] == "appropriation"].set_index("fiscal_year")["musd"]
        lived = result.tables.get("money_by_year")
        years = None if lived is None else lived.iloc[:-1].astype({"fiscal_year": table["fiscal_year"].dtype})
        most = max(0.0, spent.max(), 0.0 if years is None else years["high_musd"].max())
        # `coloured` would stack the lines in another order
        legend = alt.Legend(orient="top", columns=3, labelLimit=170)
        layers = [
            alt.Chart(table)
            .transform_filter("datum.line != 'appropriation'")
            .mark_bar(stroke="white", strokeWidth=0.5)
            .encode(
                x=year_axis(),
                y=alt.Y("musd:Q", title=money_unit(result)),
                color=alt.Color("line:N", title=None, sort=lines, scale=alt.Scale(range=PALETTE), legend=legend),
                tooltip=["fiscal_year", "line", tip("musd", ",.1f", "million USD")],
            )
        ]
        note = "What the government spends in each fiscal year if no disruption occurs, not discounted. "
        if len(may) and may.min() <= FAR * most:
            limit = alt.Chart(table).transform_filter("datum.line == 'appropriation'")
            limit = limit.mark_tick(thickness=3, color=INK, width=36)
            tips = ["fiscal_year", tip("musd", ",.1f", "appropriation")]
            layers.append(limit.encode(x="fiscal_year:O", y="musd:Q", tooltip=tips))
            note += "Black marks: what it may spend in that year, the appropriation with money carried over."
        elif len(may):
            note += f"It may spend {may.min():,.0f} or more in each year, which lies far above this picture."
        told = "; ".join(f"FY{year} {value:,.3g}" for year, value in spent.items())
        text = f"Spending in {money_unit(result)}: {told}."
        if lived is not None and years is not None:
            whole = lived.iloc[-1]
            base = alt.Chart(years).encode(
                x="fiscal_year:O",
                tooltip=["fiscal_year", *(tip(name, ",.1f") for name in ("expected_musd", "low_musd", "high_musd"))],
            )
            band = {"y": "low_musd:Q", "y2": "high_musd:Q"}
            layers += [
                base.mark_rule(color="white", strokeWidth=5).encode(**band),
                base.mark_rule(color=INK, strokeWidth=2).encode(**band),
                base.mark_point(filled=True, fill="white", stroke=INK, size=60, opacity=1).encode(y="expected_musd:Q"),
            ]
            note += " Dots and lines: on average and in nine of ten futures, lived through new scenarios."
            low, high = whole.low_musd, whole.high_musd
            text += f" Over all years {whole.expected_musd:,.3g} on average, {low:,.3g} to {high:,.3g} in nine of ten futures."
            table = table.merge(years.drop(columns="appropriation_musd"), on="fiscal_year")
        yield Figure(
            "budget",
            "Spending",
            "What the government spends, by budget line",
            note,
            text,
            alt.layer(*layers).properties(width=WIDTH, height=260),
            table,
        )
    if not liability.empty:
        base = alt.Chart(liability).encode(x=year_axis())
        owed = base.mark_bar(color=PALETTE[3]).encode(
            y=alt.Y("liability_musd:Q", title=money_unit(result)),
            tooltip=["fiscal_year", tip("liability_musd", ",.1f")],
        )
        cap = base.mark_tick(thickness=3, color=INK, width=36).encode(y="liability_cap_musd:Q")
        worst = float(liability["liability_musd"].max())
        yield Figure(
            "liability",
            "Price floors",
            "What the price floors may cost the government, outside the budget",
            "Paid only if prices fall: what the government would owe in a year of low prices. In "
            f"{result.plan.budget.liability_quantile:.0%} of cases it is less. Black marks: the limit that the plan sets.",
            f"Largest amount in any fiscal year: {worst:,.0f} {money_unit(result)}.",
            alt.layer(owed, cap).properties(width=WIDTH, height=180),
            liability,
        )


DRAWN: tuple[Callable[[Result], Iterator[Figure]], ...] = (_losses, _curve, _timeline, _stocks, _supply, _money)
