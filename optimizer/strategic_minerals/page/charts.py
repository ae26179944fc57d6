"""Figures of results and studies, Vega-Lite charts or SVG: a function a figure, from tidy tables to a picture with its words."""

from __future__ import annotations

import json
import math
import textwrap
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from itertools import cycle, pairwise
from typing import Any, NamedTuple

import pandas as pd

from ..answer.act_now import ActNow
from ..answer.brief import UNITS
from ..answer.notes import scenario_names
from ..answer.result import Result
from ..core.errors import missing_part
from ..core.formats import capital, chance, digits, rounded
from ..core.frames import rows_of
from ..core.stats import SMALL_T
from ..question.names import Names
from ..studies.discovery import InputWords
from .compare import (
    LAST,
    MOST_CHAINS,
    OTHERS,
    RESERVE,
    SHORT,
    UNDER_CONSTRUCTION,
    WITH,
    WITHOUT,
    Course,
    Flow,
    Moment,
    by_country,
    courses,
    loss_curve,
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


def every_scenario(result: Result) -> pd.DataFrame:
    """Every scenario: what happens, probability, losses and shortfall, for readers; the largest loss without the plan first."""
    table = result.tables["scenario_losses"].sort_values("loss_without_plan_musd", ascending=False, kind="stable")
    names = scenario_names(result.plan, table)
    return pd.DataFrame(
        {
            "what_happens": [names[scenario] for scenario in table["scenario"]],
            "probability": [chance(share) for share in table["probability"]],
            "loss_without_the_plan_musd": table["loss_without_plan_musd"],
            "loss_with_the_plan_musd": table["loss_musd"],
            "shortfall_with_the_plan_t": table["shortfall_t"],
        }
    )


# What a figure of the page is, and what all of them share: width, axes, the library that draws them.
WIDTH = 720
TITLE_LETTERS = 72
"""Letters of a title that fit in a line above the narrowest chart."""
LABELS_ABOVE = {
    "labelAlign": "left",
    "labelPadding": 0,
    "labelOffset": -17,
    "ticks": False,
    "domain": False,
    "zindex": 1,
}
"""Axis of rows whose labels are above them: for narrow screens, and wherever labels are sentences."""
ROWS_APART = {"type": "band", "paddingInner": 0.6, "paddingOuter": 0.45}
"""Scale of such rows, `ROW_STEP` pixels each, so that there is room for a label above each."""
ROW_STEP = 40
LINE = 56
"""Letters of a label that fit in a line on a narrow screen."""
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


class Shape(NamedTuple):
    """A part of a picture in the terms of SVG. look: a class of `style.css`; title: what shows when one points at it."""

    path: str
    look: str
    fill: str
    title: str = ""


class Words(NamedTuple):
    """Words in a picture, where they begin [pixels]. look: classes of `style.css`."""

    x: float
    y: float
    text: str
    look: str


class Drawing(NamedTuple):
    """A picture as `picture.html` writes it out: pixels, what it shows in words, shapes one over the other, words over all."""

    width: int
    height: int
    alt: str
    shapes: Sequence[Shape]
    texts: Sequence[Words]


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
    """An altair chart; None of what is drawn here."""
    table: pd.DataFrame
    """What it draws."""
    drawings: Mapping[str, Sequence[Drawing]] = field(default_factory=dict)
    """Pictures by heading, in place of a chart."""

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

    until_the_end: whether the last year is drawn up to its end, as bars are, or as a point at its beginning."""
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
    scenarios = scenario_names(result.plan, result.tables["scenario_losses"])
    words: dict[str, Callable[[str], str]] = {
        "material": known.material,
        "supplier": known.country,
        "scenario": lambda code: scenarios.get(code, code),
    }
    return table.assign(**{column: table[column].map(words[column]) for column in words if column in table.columns})


# Colours of the figures.
PALETTE = ["#0a3a5c", "#d97706", "#2f7a52", "#5b1a4a", "#8089a8", "#7a5500", "#4c51bf", "#16998c", "#9b2c2c", "#334155"]
"""Colours that the colour-blind can distinguish, each at least 3 : 1 on white; neighbours by their lightness too, in grey print."""
DASHES = [[1, 0], [6, 4], [2, 3], [8, 3, 2, 3]]
"""Of lines, in the order of their colours."""
INK = "#111827"
FIXED = {OTHERS: "#d3d7dd", RESERVE: INK, SHORT: "#b91c1c"}
"""Suppliers that are no single country -> their colour; they come last."""
FURTHER = ["#547f8e", "#93a8ac", "#7d6b91", "#b59a74", "#6b8f71", "#c08497", "#8d8d5a", "#5e7ce2", "#bf8b5e", "#4f6d7a"]
"""Of countries after the first ten."""


# The figures of a result.
def figures(result: Result) -> list[Figure]:
    """Every figure that the result has something to show in, in the order of the page."""
    return [figure for draw in DRAWN for figure in draw(result)]


FAR = 3.0
"""How many times the most that is spent an appropriation may be, to be drawn."""
ACTIONS = {"purchase": PALETTE[0], "project": PALETTE[2], "offtake contract": PALETTE[6], "price floor": PALETTE[1]}
"""Kind of action -> its colour."""
QUICK = "This is a quick answer."
UNTESTED = "It was tested in no other scenarios than the plan's own."


def _curve(result: Result) -> Iterator[Figure]:
    """How probable it is that losses exceed an amount, with the plan and without."""
    table, unit = loss_curve(result), money_unit(result)
    if table["case"].nunique() < 2:
        return
    found = ActNow.of(result.tables)
    lived = found is not None and found.fresh
    alt, least = altair(), max(float(table["chance"].min()), 1e-6)
    ticks = [value for value in (1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.001, 1e-4) if value >= least / 2]
    axis, scale = alt.Axis(values=ticks, format="~%"), alt.Scale(type="log", nice=False, domain=[least / 1.5, 1.0])
    chart = (
        alt.Chart(table)
        .mark_line(interpolate="linear" if lived else "step-before", strokeWidth=2.5)  # scenarios of one's own are few
        .encode(
            x=alt.X("loss_musd:Q", title=f"shortage loss, discounted [{unit}]", axis=alt.Axis(tickCount=5)),
            y=alt.Y("chance:Q", title="chance of a larger loss", axis=axis, scale=scale),
            order=alt.Order("chance:Q", sort="descending"),
            color=coloured("case", [WITH, WITHOUT]),
            strokeDash=dashed("case", [WITH, WITHOUT]),
            tooltip=[tip("case", title="case"), tip("loss_musd", ",.0f", unit), tip("chance", ".2~%", "chance")],
        )
    )
    chances = []
    for likely, words in ((0.1, "1 in 10"), (0.01, "1 in 100")):
        reached = table[table["chance"] >= likely].groupby("case")["loss_musd"].max()
        if reached.get(WITHOUT, 0.0) > 0:
            chances.append(f"with a chance of {words} they are {reached[WITHOUT]:,.0f} or more without it")
            chances[-1] += f" and {reached.get(WITH, 0.0):,.0f} or more with it"
    yield Figure(
        "loss-curve",
        "Chances",
        "The chance that losses exceed an amount",
        f"Losses in {'new scenarios, which the plan was not made with' if lived else 'the scenarios of the plan itself'}. Go up "
        "from an amount to a line: its height is the chance that losses are larger. From 100 to 10 % is as far as from 10 to 1 %.",
        f"Losses with the plan and without it, in {unit}: {'; '.join(chances) or 'all are rarer than 1 in 100'}.",
        chart.properties(width=WIDTH, height=260),
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
        f"Timeline of {kinds}, {_fiscal_years(table['start'].min(), table['end'].max())}.",
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
    alt, found = altair(), ActNow.of(result.tables)
    lived, new = found is not None and found.lived, found is not None and found.fresh
    materials = list(dict.fromkeys(table["material"]))
    wide = WIDTH / min(len(materials), 3)
    band = f"{'5 to 95 %' if lived else 'least to most'} of {'new' if new else 'its own'} scenarios"

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


COLUMN, BAR, HEAD_LETTERS, NAME_LETTERS = 170, 12, 20, 18
"""Pixels from a step of a chain to the next one, of a bar; letters of a line above a column, of a name beside a bar."""
TALLEST, LEAST, LINE_HEIGHT = 150, 16, 15
"""Pixels of the tallest column without its gaps, of a bar with its words at least, of a line of words."""
SUPPLIER_LABELS = {RESERVE: "From the reserve", SHORT: "Missing"}


def _supply(result: Result) -> Iterator[Figure]:
    """Where each material comes from, along its chain, and which countries supply."""
    table, chosen, found, top_shares = supply(result)
    if table.empty:
        return
    titles = scenario_names(result.plan, result.tables["scenario_losses"])
    known, drawn = Names.of(result.data), courses(chosen, found)
    suppliers = dict.fromkeys(who for course in drawn for step in reversed(course.drawn) for who in step)
    countries = [who for who in suppliers if who not in LAST]
    colours = dict(zip(countries, cycle([*PALETTE, *FURTHER]), strict=False)) | FIXED
    yield Figure(
        "supply",
        "Supply",
        "Where each material comes from",
        "What reaches users, from left to right, and the share of each supplier: now; at the end of the plan if no disruption "
        "occurs; in the worst year of the scenario with the largest loss without the plan, "
        f"{titles[worst_without(result)]}. Widths are tonnes of the last material that each step is enough for; dashed is what is "
        "missing. Where nothing comes in from the left, the tables do not follow the feed. Who buys from whom is not modelled: all "
        f"buyers share in all suppliers alike. At most {MOST_CHAINS} chains, along their main feeds; the table has the others.",
        top_shares,
        None,
        table,
        {known.material(course.steps[-1]): _chain(course, found, known, colours) for course in drawn},
    )
    yield from _map(by_country(result, chosen, found), known)


def _chain(course: Course, found: Sequence[Moment], known: Names, colours: Mapping[str, str]) -> list[Drawing]:
    """A chain at each moment, on one scale."""
    users, flows = len(course.steps), [course.flows(moment) for moment in found]
    across = [sum(f.leaves for f in each if f.source[0] <= n < f.target[0]) for each in flows for n in range(users)]
    scale = TALLEST / max(SMALL_T, *across)
    names = [*map(known.material, course.steps), "Users"]
    heads = [textwrap.wrap(name, HEAD_LETTERS) for name in names]
    drawings = []
    for moment, mine in zip(found, flows, strict=True):
        shapes, texts, suppliers = list[Shape](), [Words(0, 13, moment.name, "strong")], list[str]()
        # Between columns: from, to, pixels there, pixels here, which flow; lanes lead past the steps that a flow leaves out.
        hops = list[tuple[Any, Any, float, float, Flow]]()
        size, place = defaultdict[Any, float](float), dict[Any, float]()
        for flow in mine:
            ends = [flow.source, *((n, flow) for n in range(flow.source[0] + 1, flow.target[0])), flow.target]
            for one, other in pairwise(ends):
                arrives = flow.arrives if other == flow.target else flow.leaves
                hops.append((one, other, flow.leaves * scale, arrives * scale, flow))
                size[one] += flow.leaves * scale
                size[other] += arrives * scale if other[0] == users else 0.0
        for n, head in enumerate(heads):
            x, y = n * COLUMN, LINE_HEIGHT * (1.0 + max(map(len, heads))) + 12
            texts += [Words(x, 16 + LINE_HEIGHT * (k + 1), line, "soft") for k, line in enumerate(head)]
            order = course.drawn[n] if n < users else sorted({who for at, who in size if at == n})
            labels = {who: _beside(course, moment, (n, who), mine, known) for who in order if (n, who) in size}
            for who, words in labels.items():
                high, slot = max(1.5, size[n, who]), max(LEAST, size[n, who])
                place[n, who] = y + (slot - high) / 2
                bar = f"M{x} {place[n, who]:.1f}h{BAR}v{high:.1f}h-{BAR}z"
                shapes.append(Shape(bar, "gap" if who == SHORT else "", colours.get(who, INK), words))
                name, _, rest = words.rpartition(" ")
                short = words if n == users or len(name) <= NAME_LETTERS else f"{name[: NAME_LETTERS - 1]}… {rest}"
                texts.append(Words(x + BAR + 4, round(y + slot / 2 + 4), short, "halo"))
                y += slot + 5
            for lane in [node for node in size if node[0] == n and isinstance(node[1], Flow)]:
                place[lane], y = y, y + size[lane] + 1
            suppliers.append(f"{names[n]}: {', '.join(labels.values()) or 'none'}")
            texts += [] if labels else [Words(x, round(y) + 12, "none", "soft")]
        out, into = dict(place), dict(place)
        for one, other, leaves, arrives, flow in sorted(hops, key=lambda hop: (place[hop[0]], place[hop[1]])):
            x0, x1, y0, y1 = one[0] * COLUMN + BAR * (one == flow.source), other[0] * COLUMN, out[one], into[other]
            out[one], into[other] = y0 + leaves, y1 + arrives
            bend, gap = f"{(x0 + x1) / 2:.0f}", flow.source[1] == SHORT  # of what is missing, the two long sides alone
            ribbon = f"M{x0} {y0:.1f}C{bend} {y0:.1f} {bend} {y1:.1f} {x1} {y1:.1f}{f'M{x1} ' if gap else 'V'}{into[other]:.1f}"
            ribbon += f"C{bend} {into[other]:.1f} {bend} {out[one]:.1f} {x0} {out[one]:.1f}"
            shapes.insert(0, Shape(ribbon, "gap" if gap else "ribbon", colours[flow.source[1]]))
        size_of = COLUMN * (users + 1), round(max([*out.values(), *into.values()], default=60.0)) + 14
        drawings.append(Drawing(*size_of, f"{moment.name}. {'; '.join(suppliers)}.", shapes, texts))
    return drawings


def _beside(course: Course, moment: Moment, node: tuple[int, str], flows: Sequence[Flow], known: Names) -> str:
    """Text beside a bar: who supplies which share; which users, and how much of what they want is missing."""
    n, who = node
    if n < len(course.steps):
        share = sum(part for each, part in moment.shares(course.steps[n]).items() if course.at(n, each) == who)
        return f"{SUPPLIER_LABELS.get(who) or capital(known.country(who))} {chance(share)}"
    mine = [flow for flow in flows if flow.target == node]
    short = sum(flow.arrives for flow in mine if flow.source[1] == SHORT) / sum(flow.arrives for flow in mine)
    return f"{capital(who)}{f', {chance(short)} missing' if short > 0 else ''}"


SHADES = {0.0: "#e2e5ea", 0.05: "#bcd6e6", 0.15: "#74abcd", 0.3: "#2f78a8", 1.0: "#0a3a5c"}
"""Share of supply up to which a country has a colour -> the colour, each darker than the one before."""
LABELLED, LETTER = 0.05, 7.6
"""Share of supply from which a country has its name on the map, as each in which the plan acts; pixels of a letter there."""


def _map(table: pd.DataFrame, known: Names) -> Iterator[Figure]:
    """What each country supplies now, and what the plan does there. table: as `by_country` gives it."""
    if table.empty:
        return
    world = json.loads(resources.files("strategic_minerals").joinpath("page", "outlines.json").read_text("utf-8"))
    outlines, wide, high = world["countries"], world["width"], world["height"]
    share = dict(zip(table["country"], table["supply_share"], strict=True))
    named = {
        code: f"{capital(known.country(code))} {chance(part) if part else ''}".strip() for code, part in share.items()
    }
    shapes, texts, taken = list[Shape](), list[Words](), list[tuple[float, float, float, float]]()
    for code, (_, _, outline) in outlines.items():
        colour = next(shade for most, shade in SHADES.items() if share.get(code, 0.0) <= most + 1e-9)
        shapes.append(Shape(outline, "land", colour, named.get(code, "")))
    rows = [row for row in rows_of(table) if row.country in outlines and (row.the_plan or row.supply_share >= LABELLED)]
    points = {row.country: (outlines[row.country][0] - 3, outlines[row.country][1] - 3, 6, 6) for row in rows}
    for row in rows:
        verbs = dict.fromkeys(act.partition(" ")[0] for act in row.the_plan.split("; ") if act)
        lines = [named[row.country], *([f"plan {', '.join(verbs)}"] if verbs else [])]
        x, y, _ = outlines[row.country]
        letters, tall = LETTER * max(map(len, lines)), LINE_HEIGHT * len(lines)
        for step in range(240):  # round the country, ever further away, until nothing else is there
            away = [*taken, *(at for code, at in points.items() if step or code != row.country)]
            far, angle = 9 * (step // 12 + 1) * (step > 0), step % 12 * math.pi / 6
            left = min(max(0.0, x + 1.6 * far * math.cos(angle) - letters / 2), wide - letters)
            up = min(max(0.0, y + far * math.sin(angle) - tall / 2), high - tall)
            if all(left > a + c or a > left + letters or up > b + d or b > up + tall for a, b, c, d in away):
                break
        taken.append((left, up, letters, tall))
        near = f"{min(max(x, left), left + letters):.0f} {min(max(y, up), up + tall):.0f}"
        shapes.append(Shape(f"M{x - 2} {y - 2}h4v4h-4zM{x} {y}L{near}", "leader", INK if step else "none"))
        for k, line in enumerate(lines):
            texts.append(Words(round(left), round(up) + 12 + LINE_HEIGHT * k, line, "strong halo" if k else "halo"))
    edges = ["none", *(f"{f'{low:.0%} to' if low else 'up to'} {most:.0%}" for low, most in pairwise(SHADES))]
    texts.append(Words(8, high - 20 * len(edges) - 8, "Share of supply", "strong"))
    for k, (edge, shade) in enumerate(zip(edges, SHADES.values(), strict=True)):
        y = high - 20 * (len(edges) - k)
        shapes.append(Shape(f"M8 {y}h20v14h-20z", "", shade))
        texts.append(Words(34, y + 12, edge, ""))
    acts = [f"{capital(known.country(row.country))}: {row.the_plan}" for row in rows_of(table) if row.the_plan]
    off = [named[code] for code in share if code not in outlines]
    alt = f"Largest now: {', '.join([*named.values()][:5])}. The plan, by country: {'. '.join(acts) or 'nothing'}."
    alt += f" Not on the map: {', '.join(off)}." if off else ""
    yield Figure(
        "map",
        "Map",
        "Who supplies now, and where the plan acts",
        "Share of today's supply that comes from each country: the mean over the materials at stake and all steps of their chains, "
        f"each of them alike. Outlines: {world['credit']}; they say nothing about whose a territory is.",
        alt,
        None,
        table.assign(country=[*map(known.country, share)], supply_share=[*map("{:.1%}".format, share.values())]),
        {"": [Drawing(wide, high, alt, shapes, texts)]},
    )


def _money(result: Result) -> Iterator[Figure]:
    """Outlays by line against appropriations, with their band over futures."""
    table = money(result)
    if table.empty:
        return
    alt = altair()
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
            x=alt.X("fiscal_year:O", title="fiscal year", axis=alt.Axis(labelAngle=0)),
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
    by_year = "; ".join(f"FY{year} {value:,.3g}" for year, value in spent.items())
    text = f"Spending in {money_unit(result)}: {by_year}."
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
        note += " Dots and lines: on average and in nine of ten futures, as lived."
        low, high = whole.low_musd, whole.high_musd
        text += (
            f" Over all years {whole.expected_musd:,.3g} on average, {low:,.3g} to {high:,.3g} in nine of ten futures."
        )
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


DRAWN: tuple[Callable[[Result], Iterator[Figure]], ...] = (_curve, _timeline, _stocks, _supply, _money)


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


def grid_figure(points: pd.DataFrame, about: Subject) -> Iterator[Figure]:
    """Worth of the best plan at each point of a grid of two figures."""
    axes = list(points.columns[: list(points.columns).index("reason")])
    if len(axes) != 2 or points["objective_musd"].isna().all():
        return
    labels = [[f"{v:.6g}" if isinstance(v, float) else str(v) for v in points[name]] for name in axes]
    levels = [list(dict.fromkeys(label)) for label in labels]
    cells = set(zip(*labels, strict=True))
    if not len(points) == len(cells) == len(levels[0]) * len(levels[1]) or min(map(len, levels)) < 2:
        return
    alt, titles = altair(), [about.words.title(str(name)) for name in axes]
    worth = 0.0 - points["objective_musd"]
    shown = ["none" if value != value else rounded(value) for value in worth]
    table = pd.DataFrame({"across": labels[0], "down": labels[1], "worth_musd": worth, "worth": shown})
    base = alt.Chart(table).encode(
        x=alt.X("across:O", title=titles[0], sort=levels[0], axis=alt.Axis(labelAngle=0, labelLimit=120)),
        y=alt.Y("down:O", title=titles[1], sort=levels[1][::-1]),
    )
    low, high = float(worth.min()), float(worth.max())
    colour = alt.Color("worth_musd:Q", title=f"worth [{about.money}]", scale=alt.Scale(scheme="blues"))
    ink = alt.condition(f"datum.worth_musd > {(low + high) / 2}", alt.value("white"), alt.value("black"))
    chart = alt.layer(base.mark_rect().encode(color=colour), base.mark_text().encode(text="worth:N", color=ink))
    best = int(worth.argmax())
    most = ", ".join(f"{title} {label[best]}" for title, label in zip(titles, labels, strict=True))
    yield Figure(
        "grid",
        "Two figures",
        "Worth by two figures",
        "Each cell is the best plan at its two values, compared with doing nothing.",
        f"Worth from {rounded(low)} to {rounded(high)} {about.money}, the most at {most}.",
        chart.properties(width=WIDTH - 160, height=40 + 30 * len(levels[1])),
        table.drop(columns="worth").set_axis([*titles, "worth_musd"], axis=1),
    )


# Which figures a study has: those of the page, and of `charts`.
OF_STUDIES: Mapping[str, Callable[[pd.DataFrame, Subject], Iterator[Figure]]] = {
    "frontier/points": frontier_figure,
    "sweep/indices": tornado_figure,
    "sweep/points": grid_figure,
}
"""Table of a study -> what draws it."""


def study_figures(tables: Mapping[str, pd.DataFrame], about: Subject) -> list[Figure]:
    """Every figure that some studies have something to show in, in the order of the page.

    tables: by `kind/table`, as run folders and `tables_of` name them."""
    return [figure for key, draw in OF_STUDIES.items() if key in tables for figure in draw(tables[key], about)]
