"""Figures of a result as Vega-Lite charts: one function a figure, tidy tables in, a titled chart with a text alternative out."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..core.errors import missing_part
from ..core.words import BASELINE_COURSE
from ..data.column_words import number_in_words
from ..data.names import Names
from ..results.readable import ALTERNATIVES, scenario_names
from ..results.result import Result
from .figure_data import (
    ELSEWHERE,
    MOST_SCENARIOS,
    OTHERS,
    RESERVE,
    SHORT,
    SMALL_T,
    UNDER_CONSTRUCTION,
    WITH,
    WITHOUT,
    chain,
    drawdown,
    losses,
    mix,
    money,
    supplied,
    timeline,
    worst_without,
)

WIDTH = 720
WITHOUT_RULES = ("optimised plan", "nothing", "optimised plan without promises")
"""Alternatives of `worth` that are no rules of thumb, or are shown anyway."""
PALETTE = ["#0b5c8a", "#b45309", "#2f7a52", "#8b3a62", "#5f6773", "#8a6100", "#4c51bf", "#0f766e", "#9b2c2c", "#475569"]
"""Colours that keep apart in print and for the colour-blind, each at least 4.5 : 1 on white."""
GREY = "#6b7280"
YEARS = {"format": "d", "tickMinStep": 1}
"""An axis of years: whole ones."""


@dataclass(frozen=True)
class Figure:
    """One chart of the page."""

    name: str
    """File and anchor name."""
    title: str
    note: str
    """What to look for, in a sentence."""
    alt: str
    """What the chart shows, for who cannot see it."""
    chart: Any
    """An altair chart."""
    table: pd.DataFrame
    """What it draws."""


def altair() -> Any:
    """The module, which is an optional extra. Raises InputError where it is missing."""
    try:
        import altair as found
    except ImportError:
        raise missing_part("report", "altair", "report") from None
    return found


_ROWS = threading.Lock()
"""Held while altair's limit of rows, which is the process's, is taken away."""


@contextmanager
def all_rows() -> Iterator[None]:
    """Charts that are written out within have all their rows; altair's limit applies again afterwards."""
    with _ROWS, altair().data_transformers.disable_max_rows():
        yield


def figures(result: Result, rules: pd.DataFrame | None = None) -> list[Figure]:
    """Every figure that the result has something to show in, in the order of the page.

    rules: alternative, scenario, loss_musd of rules of thumb, as `worth` tells them, to be shown beside the plan's losses.
    """
    return [*(figure for draw in DRAWN for figure in draw(result)), *_losses(result, rules)]


def money_unit(result: Result) -> str:
    """What money is counted in, and of which year."""
    return f"million USD of {result.plan.price_year}"


def _timeline(result: Result) -> Iterator[Figure]:
    """What is bought, signed and guaranteed, and when."""
    table = timeline(result)
    if table.empty:
        return
    alt = altair()
    built = bool((table["phase"] == UNDER_CONSTRUCTION).any())
    base = alt.Chart(table).encode(
        y=alt.Y("what:N", sort=list(dict.fromkeys(table["what"])), title=None, axis=alt.Axis(labelLimit=360)),
        color=alt.Color("kind:N", title=None, scale=alt.Scale(range=PALETTE), legend=alt.Legend(orient="top")),
        tooltip=[
            alt.Tooltip("what:N", title="what"),
            alt.Tooltip("said:N", title="how much"),
            alt.Tooltip("start:Q", title="from"),
            alt.Tooltip("end:Q", title="until"),
        ],
    )
    bars = (
        base.transform_filter("datum.end > datum.start")
        .mark_bar(height=12, cornerRadius=2)
        .encode(
            x=alt.X("start:Q", title="fiscal year", scale=alt.Scale(zero=False), axis=YEARS),
            x2="end:Q",
            opacity=alt.Opacity(
                "phase:O",
                title=None,
                scale=alt.Scale(domain=["in force", UNDER_CONSTRUCTION], range=[1.0, 0.55]),
                legend=alt.Legend(orient="top") if built else None,
            ),
        )
    )
    counts = table.drop_duplicates("what")["kind"].value_counts()
    kinds = ", ".join(f"{count} {kind}{'s' * (count > 1)}" for kind, count in counts.items())
    yield Figure(
        "timeline",
        "What to buy, support and guarantee",
        "Each bar shows an action and the fiscal years in which it is in force; purchases are those made while no disruption "
        f"occurs.{' Pale bars are construction years.' if built else ''} Hover over a bar for amounts and costs.",
        f"Timeline of {kinds}, from FY{table['start'].min():.0f} to FY{math.ceil(table['end'].max()) - 1}.",
        bars.properties(width=WIDTH - 130, height=22 * table["what"].nunique()),
        table,
    )


def _named(table: pd.DataFrame, result: Result) -> pd.DataFrame:
    """A table with names for readers in place of codes."""
    known = Names.of(result.data)
    scenarios = scenario_names(result.plan, result.tables["scenario_losses"], told=True)
    words: dict[str, Callable[[str], str]] = {
        "material": known.material,
        "supplier": known.country,
        "scenario": lambda code: scenarios.get(code, code),
    }
    told = {column: name for column, name in words.items() if column in table.columns}
    return table.assign(**{column: [name(value) for value in table[column]] for column, name in told.items()})


def _stocks(result: Result) -> Iterator[Figure]:
    """Stock of every material on the baseline course and in each scenario."""
    table = _named(drawdown(result), result)
    if table.empty:
        return
    alt = altair()
    materials = list(dict.fromkeys(table["material"]))
    pick = alt.selection_point(
        name="material",
        fields=["material"],
        value=materials[0],
        bind=alt.binding_select(options=materials, name="Material: "),
    )
    losses_of = _named(result.tables["scenario_losses"], result).sort_values(
        "loss_without_plan_musd", ascending=False, kind="stable"
    )
    scenarios = [scenario for scenario in losses_of["scenario"] if scenario in set(table["scenario"])]
    labels = [
        f"{scenario} (largest loss without the plan)" if n == 0 else scenario for n, scenario in enumerate(scenarios)
    ]
    highlight = alt.selection_point(
        name="scenario",
        fields=["scenario"],
        value=scenarios[0] if scenarios else BASELINE_COURSE,
        bind=alt.binding_select(options=scenarios or [BASELINE_COURSE], labels=labels or ["none"], name="Scenario: "),
    )
    base = (
        alt.Chart(table)
        .transform_filter(pick)
        .encode(
            x=alt.X("year:Q", title="fiscal year", scale=alt.Scale(zero=False), axis=YEARS),
            y=alt.Y("stock_t:Q", title="stock at the end of the period [t]"),
            detail="scenario:N",
            tooltip=[
                alt.Tooltip("scenario:N", title="scenario"),
                alt.Tooltip("period:N"),
                alt.Tooltip("stock_t:Q", format=",.4g", title="stock [t]"),
                alt.Tooltip("days_of_use:Q", format=",.0f", title="days of use"),
            ],
        )
    )
    faint = base.mark_line(strokeWidth=1, color=GREY, opacity=0.6)
    trunk = base.transform_filter(f"datum.scenario == '{BASELINE_COURSE}'").mark_line(
        strokeWidth=3, color=PALETTE[0], point=True
    )
    chosen = (
        base.transform_filter(highlight)
        .transform_filter(f"datum.scenario != '{BASELINE_COURSE}'")
        .mark_line(strokeWidth=3, color=PALETTE[1], point=True)
    )
    peak = table[table["scenario"] == BASELINE_COURSE].groupby("material")["stock_t"].max()
    said = (
        "; ".join(f"{name} {number_in_words(value, 4)} t" for name, value in peak.items() if value > SMALL_T) or "none"
    )
    yield Figure(
        "stocks",
        "Stocks, and how each scenario draws on them",
        "Tonnes in the reserve at the end of each period. Blue: while no disruption occurs (the baseline course). Grey: each "
        "scenario; the one chosen below the chart is orange. A material without a blue line is bought only in disruptions.",
        f"Largest stock while no disruption occurs: {said}.",
        alt.layer(faint, trunk, chosen).add_params(pick, highlight).properties(width=WIDTH, height=280),
        table,
    )


def _mix(result: Result) -> Iterator[Figure]:
    """Who supplies: now, at the end of the plan, in the worst scenario."""
    table = _named(mix(result), result)
    if table.empty:
        return
    alt = altair()
    worst = scenario_names(result.plan, result.tables["scenario_losses"], told=True)[worst_without(result)]
    special = {OTHERS: "#767d89", RESERVE: "#8a6100", SHORT: "#b91c1c"}
    names = [name for name in dict.fromkeys(table["supplier"]) if name not in special]
    order = [*names, *special]
    colours = [*[PALETTE[k % len(PALETTE)] for k in (0, 1, 2, 3, 6, 7, 9)][: len(names)], *special.values()]
    table = table.assign(rank=[order.index(name) for name in table["supplier"]])
    chart = (
        alt.Chart(table)
        .mark_bar()
        .encode(
            x=alt.X("share:Q", stack="normalize", title="share of supply and shortfall", axis=alt.Axis(format="%")),
            y=alt.Y("when:N", sort=list(dict.fromkeys(table["when"])), title=None),
            color=alt.Color(
                "supplier:N",
                title=None,
                sort=order,
                scale=alt.Scale(domain=order, range=colours),
                legend=alt.Legend(orient="top", columns=5),
            ),
            order=alt.Order("rank:Q"),
            tooltip=[
                "material",
                alt.Tooltip("when:N", title="when"),
                "supplier",
                alt.Tooltip("tonnes:Q", format=",.4g", title="t"),
                alt.Tooltip("share:Q", format=".0%"),
            ],
            row=alt.Row(
                "material:N",
                title=None,
                sort=list(dict.fromkeys(table["material"])),
                header=alt.Header(labelAngle=0, labelAlign="left", labelLimit=180),
            ),
        )
        .properties(width=WIDTH - 160, height=54)
    )
    first = table[table["when"] == table["when"].iloc[0]]
    leaders = first.loc[first.groupby("material")["share"].idxmax()]
    said = "; ".join(f"{row.material}: {row.supplier}, {row.share:.0%}" for row in leaders.itertuples())
    yield Figure(
        "supply-mix",
        "Where supply comes from",
        "Three bars for each material: now; at the end of the plan if no disruption occurs; in the worst year of the scenario with "
        f"the largest loss without the plan, which is {worst}. Shares of all supply, including exports, and of the shortfall "
        "(demand that is not met)." + _cut(result, table),
        f"Largest suppliers {first['when'].iloc[0]}: {said}.",
        chart,
        table,
    )


def _chain(result: Result) -> Iterator[Figure]:
    """Value chain: how fully each step is used, and where it runs short."""
    table = chain(result)
    if table.empty:
        return
    alt = altair()
    base = alt.Chart(table).encode(
        x=alt.X(
            "group:N",
            title=None,
            sort=["home", "allies and partners", ELSEWHERE],
            axis=alt.Axis(labelAngle=0, orient="top"),
        ),
        y=alt.Y("step:N", title=None, sort=list(dict.fromkeys(table["step"])), axis=alt.Axis(labelLimit=260)),
        tooltip=[
            "step",
            "group",
            alt.Tooltip("capacity_t:Q", format=",.4g", title="capacity [t a year]"),
            alt.Tooltip("used:Q", format=".0%", title="used"),
            alt.Tooltip("bottleneck:N"),
        ],
    )
    boxes = base.mark_rect(stroke="white").encode(
        color=alt.Color(
            "used:Q",
            title="capacity used",
            scale=alt.Scale(scheme="blues", domain=[0, 1]),
            legend=alt.Legend(format="%"),
        )
    )
    text = base.mark_text(fontSize=11).encode(
        text=alt.Text("label:N"), color=alt.condition("datum.used > 0.75", alt.value("white"), alt.value("#111827"))
    )
    tight = table[table["bottleneck"] != ""]
    said = "; ".join(dict.fromkeys(f"{row.step}, {row.group}" for row in tight.itertuples())) or "none"
    last = result.plan.horizon.first_year + result.plan.horizon.years - 1
    yield Figure(
        "value-chain",
        "Value chain and bottlenecks",
        f"Each box: the share of capacity that is used, and the capacity in tonnes a year, at the end of the plan (FY{last}), "
        "while no disruption occurs. ! marks steps that are fully used and where users would pay for one more tonne.",
        f"Fully used, with users who would pay for more: {said}.",
        alt.layer(boxes, text).properties(width=WIDTH - 220, height=24 * table["step"].nunique()),
        table,
    )


def _money(result: Result) -> Iterator[Figure]:
    """Outlays by line against appropriations; what floors may cost, separately."""
    table, liability = money(result)
    alt = altair()
    if not table.empty:
        lines = [name for name in dict.fromkeys(table["line"]) if name != "appropriation"]
        bars = (
            alt.Chart(table)
            .transform_filter("datum.line != 'appropriation'")
            .mark_bar()
            .encode(
                x=alt.X("fiscal_year:O", title="fiscal year", axis=alt.Axis(labelAngle=0)),
                y=alt.Y("musd:Q", title=money_unit(result)),
                color=alt.Color(
                    "line:N",
                    title=None,
                    sort=lines,
                    scale=alt.Scale(range=PALETTE),
                    legend=alt.Legend(orient="top", columns=3),
                ),
                tooltip=["fiscal_year", "line", alt.Tooltip("musd:Q", format=",.1f", title="million USD")],
            )
        )
        limit = (
            alt.Chart(table)
            .transform_filter("datum.line == 'appropriation'")
            .mark_tick(thickness=3, color="#111827", width=36)
            .encode(
                x="fiscal_year:O",
                y="musd:Q",
                tooltip=["fiscal_year", alt.Tooltip("musd:Q", format=",.1f", title="appropriation")],
            )
        )
        spent = table[table["line"] != "appropriation"].groupby("fiscal_year")["musd"].sum()
        said = "; ".join(f"FY{year} {value:,.0f}" for year, value in spent.items())
        yield Figure(
            "budget",
            "Spending by budget line, and the appropriation",
            "What the government spends in each fiscal year while no disruption occurs, not discounted. Black marks: the "
            "appropriation of the year, including money carried over.",
            f"Spending in {money_unit(result)}: {said}.",
            alt.layer(bars, limit).properties(width=WIDTH, height=260),
            table,
        )
    if not liability.empty:
        base = alt.Chart(liability).encode(x=alt.X("fiscal_year:O", title="fiscal year", axis=alt.Axis(labelAngle=0)))
        owed = base.mark_bar(color=PALETTE[3]).encode(
            y=alt.Y("liability_musd:Q", title=money_unit(result)),
            tooltip=["fiscal_year", alt.Tooltip("liability_musd:Q", format=",.1f")],
        )
        cap = base.mark_tick(thickness=3, color="#111827", width=36).encode(y="liability_cap_musd:Q")
        worst = float(liability["liability_musd"].max())
        yield Figure(
            "liability",
            "What the price floors may cost, outside the budget",
            "Paid only if prices fall: what the floors would cost in a year of low prices (at the plan's liability quantile, "
            f"{result.plan.budget.liability_quantile:.0%}). Black marks: the limit that the plan sets.",
            f"Largest amount in any fiscal year: {worst:,.0f} {money_unit(result)}.",
            alt.layer(owed, cap).properties(width=WIDTH, height=180),
            liability,
        )


def _cut(result: Result, table: pd.DataFrame) -> str:
    """How many materials are left out, in words."""
    of = len({row.material for row in result.data.rows("demand")} & set(supplied(result)["material"]))
    shown = table["material"].nunique()
    return f" Shown: {shown} of {of} materials with demand." if shown < of else ""


def _losses(result: Result, rules: pd.DataFrame | None) -> Iterator[Figure]:
    """Loss of every scenario with the plan, without, and with rules of thumb where they were looked at."""
    table = _named(losses(result), result)
    if table.empty:
        return
    beside = (
        [] if rules is None else [name for name in dict.fromkeys(rules["alternative"]) if name not in WITHOUT_RULES]
    )
    if rules is not None:
        rules = _named(rules, result)
        more = rules[rules["alternative"].isin(beside) & rules["scenario"].isin(set(table["scenario"]))]
        known = table.drop_duplicates("scenario").set_index("scenario")
        added = {column: more["scenario"].map(known[column]) for column in ("probability", "events")}
        more = more.assign(case=more["alternative"].replace(ALTERNATIVES), **added)
        table = pd.concat([table, more[list(table.columns)]], ignore_index=True)
    cases = [WITH, WITHOUT, *(ALTERNATIVES.get(name, name) for name in beside)]
    alt = altair()
    order = list(dict.fromkeys(table["scenario"]))
    base = alt.Chart(table).encode(
        y=alt.Y("scenario:N", sort=order, title=None, axis=alt.Axis(labelLimit=540)),
        tooltip=[
            "scenario",
            alt.Tooltip("probability:Q", format=".1%"),
            alt.Tooltip("case:N", title="case"),
            alt.Tooltip("loss_musd:Q", format=",.0f", title="loss [million USD]"),
            alt.Tooltip("events:N"),
        ],
    )
    line = base.mark_line(color=GREY).encode(x="loss_musd:Q", detail="scenario:N")
    points = base.mark_circle(size=90, opacity=1).encode(
        x=alt.X("loss_musd:Q", title=f"shortage loss over the horizon, discounted [{money_unit(result)}]"),
        color=alt.Color(
            "case:N",
            title=None,
            sort=cases,
            scale=alt.Scale(domain=cases, range=PALETTE[: len(cases)]),
            legend=alt.Legend(orient="top", columns=4, labelLimit=260),
        ),
    )
    worst = table[table["case"] == WITH].iloc[0]
    of = len(result.tables["scenario_losses"])
    cut = f" Shown: the {MOST_SCENARIOS} of {of} scenarios with the largest losses." if of > MOST_SCENARIOS else ""
    yield Figure(
        "losses",
        "Losses by scenario, with the plan and without",
        "Each row is a scenario. The distance between the dots with the plan and without it is the loss that the plan avoids."
        f"{cut}",
        f"With the plan the largest loss is {worst['loss_musd']:,.0f} {money_unit(result)}, in this scenario: {worst['scenario']}.",
        alt.layer(line, points).properties(width=WIDTH - 220, height=18 * table["scenario"].nunique() + 20),
        table,
    )


DRAWN: tuple[Callable[[Result], Iterator[Figure]], ...] = (_timeline, _stocks, _mix, _chain, _money)
