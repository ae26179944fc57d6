"""Figures of a result as Vega-Lite charts: one function a figure, tidy tables in, a titled chart with a text alternative out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pandas as pd

from ..core.words import BASELINE_COURSE
from ..data.column_words import number_in_words
from ..data.names import Names
from ..results.readable import scenario_names
from ..results.result import Result
from .colours import GREY, INK, PALETTE, RESERVE_COLOUR, REST_COLOUR, SHORT_COLOUR, country_colours
from .figure import WIDTH, Figure, altair, money_unit, named, years_axis
from .figure_data import (
    ELSEWHERE,
    OTHERS,
    RESERVE,
    SHORT,
    SMALL_T,
    UNDER_CONSTRUCTION,
    chain,
    drawdown,
    mix,
    money,
    supplied,
    timeline,
    worst_without,
)
from .loss_chart import losses_figure


def figures(result: Result, rules: pd.DataFrame | None = None) -> list[Figure]:
    """Every figure that the result has something to show in, in the order of the page.

    rules: alternative, scenario, loss_musd of rules of thumb, as `worth` tells them, to be shown beside the plan's losses.
    """
    return [*losses_figure(result, rules), *(figure for draw in DRAWN for figure in draw(result))]


ACTIONS = {"purchase": PALETTE[0], "project": PALETTE[2], "offtake contract": PALETTE[6], "price floor": PALETTE[1]}
"""Kind of action -> its colour."""
MIX_LABELS = 130
"""Pixels beside the bars of the supply mix."""


def _timeline(result: Result) -> Iterator[Figure]:
    """What is bought, signed and guaranteed, and when."""
    table = timeline(result)
    if table.empty:
        return
    alt = altair()
    table["years"] = [_fiscal_years(start, end) for start, end in zip(table["start"], table["end"], strict=True)]
    built = bool((table["phase"] == UNDER_CONSTRUCTION).any())
    kinds_shown = [kind for kind in ACTIONS if kind in set(table["kind"])]
    colours = [ACTIONS[kind] for kind in kinds_shown]
    base = alt.Chart(table).encode(
        y=alt.Y("what:N", sort=list(dict.fromkeys(table["what"])), title=None, axis=alt.Axis(labelLimit=440)),
        color=alt.Color(
            "kind:N", title=None, scale=alt.Scale(domain=kinds_shown, range=colours), legend=alt.Legend(orient="top")
        ),
        tooltip=[
            alt.Tooltip("what:N", title="what"),
            alt.Tooltip("said:N", title="how much"),
            alt.Tooltip("years:N", title="when"),
        ],
    )
    bars = (
        base.transform_filter("datum.end > datum.start")
        .mark_bar(height=12, cornerRadius=2)
        .encode(
            x=alt.X("start:Q", **years_axis(result, until_the_end=True)),
            x2="end:Q",
            opacity=alt.Opacity(
                "phase:O",
                title=None,
                scale=alt.Scale(domain=["in force", UNDER_CONSTRUCTION], range=[1.0, 0.55]),
                legend=None,
            ),
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
        f"while no disruption occurs.{' Pale bars are construction years.' if built else ''} Point at a bar for amounts and costs.",
        f"Timeline of {kinds}, from FY{table['start'].min():.0f} to FY{math.ceil(table['end'].max()) - 1}.",
        bars.properties(width=WIDTH - 130, height=22 * rows, usermeta={"rows": rows}),
        table.drop(columns=["start", "end"]),
    )


def _fiscal_years(start: float, end: float) -> str:
    """Fiscal years from a moment up to another one, which does not count."""
    first, last = math.floor(round(start, 6)), math.ceil(round(end, 6)) - 1
    return f"FY{first}" if last <= first else f"FY{first}-{last}"


def _stocks(result: Result) -> Iterator[Figure]:
    """Stock of every material on the baseline course and in each scenario."""
    table = named(drawdown(result), result)
    if table.empty:
        return
    alt, period = altair(), "year" if result.plan.horizon.period_months == 12 else "period"
    materials = list(dict.fromkeys(table["material"]))
    pick = alt.selection_point(
        name="material",
        fields=["material"],
        value=materials[0],
        bind=alt.binding_select(options=materials, name="Material: "),
    )
    losses_of = named(result.tables["scenario_losses"], result).sort_values(
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
            x=alt.X("year:Q", **years_axis(result, until_the_end=False)),
            y=alt.Y("stock_t:Q", title=f"stock at the end of the {period} [t]"),
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
        "Stocks",
        "What the reserve holds, and how each scenario draws on it",
        f"Tonnes of one material in the reserve at the end of each {period}; choose the material and a scenario below the chart. "
        "Blue: while no disruption occurs. Orange: the scenario chosen. Grey: all others. A material without a blue line is bought "
        "only once a disruption has begun.",
        f"Largest stock of the reserve while no disruption occurs: {said}.",
        alt.layer(faint, trunk, chosen).add_params(pick, highlight).properties(width=WIDTH, height=280),
        table,
    )


def _mix(result: Result) -> Iterator[Figure]:
    """Who supplies: now, at the end of the plan, in the worst scenario."""
    found = mix(result)
    if found.empty:
        return
    table = named(found, result)
    alt = altair()
    worst = scenario_names(result.plan, result.tables["scenario_losses"], told=True)[worst_without(result)]
    special = {OTHERS: REST_COLOUR, RESERVE: RESERVE_COLOUR, SHORT: SHORT_COLOUR}
    known, codes = Names.of(result.data), [code for code in dict.fromkeys(found["supplier"]) if code not in special]
    of = country_colours(set(supplied(result)["country"]))
    order = [*(known.country(code) for code in codes), *special]
    colours = [*(of[code] for code in codes), *special.values()]
    table = table.assign(rank=[order.index(name) for name in table["supplier"]])
    chart = (
        alt.Chart(table)
        .mark_bar()
        .encode(
            x=alt.X(
                "share:Q",
                stack="normalize",
                title="share of supply and shortfall",
                axis=alt.Axis(format="%", tickCount=5),
            ),
            y=alt.Y("when:N", sort=list(dict.fromkeys(table["when"])), title=None),
            color=alt.Color(
                "supplier:N",
                title=None,
                sort=order,
                scale=alt.Scale(domain=order, range=colours),
                legend=alt.Legend(orient="top", columns=4, labelLimit=170),
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
                header=alt.Header(labelOrient="top", labelAnchor="start", labelFontWeight="bold", labelPadding=2),
                spacing=8,
            ),
        )
        .properties(width=WIDTH - MIX_LABELS, height=54, usermeta={"beside": MIX_LABELS})
    )
    first = table[table["when"] == table["when"].iloc[0]]
    leaders = first.loc[first.groupby("material")["share"].idxmax()]
    said = "; ".join(f"{row.material}: {row.supplier}, {row.share:.0%}" for row in leaders.itertuples())
    yield Figure(
        "supply-mix",
        "Supply",
        "Which countries supply, now and in the worst year",
        "Three bars for each material, all with the plan: now; at the end of the plan if no disruption occurs; in the worst year "
        f"of the scenario with the largest loss without the plan ({worst}). Shares of all supply, including exports, and of the "
        "shortfall (what users need and do not get)." + _cut(result, table),
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
        color=alt.Color("used:Q", scale=alt.Scale(range=["#eef4f8", "#9cc3da"], domain=[0, 1]), legend=None)
    )
    full = base.transform_filter("datum.bottleneck != ''").mark_rect(
        stroke=PALETTE[1], strokeWidth=2, fillOpacity=0, clip=True
    )
    text = base.mark_text(fontSize=11, color=INK).encode(text=alt.Text("label:N"))
    steps = table["step"].nunique()
    tight = table[table["bottleneck"] != ""]
    said = "; ".join(dict.fromkeys(f"{row.step}, {row.group}" for row in tight.itertuples())) or "none"
    last = result.plan.horizon.first_year + result.plan.horizon.years - 1
    yield Figure(
        "value-chain",
        "Value chain",
        "Where the value chain is tight",
        f"Each box: the share of capacity that is used, and the capacity in tonnes a year, at the end of the plan (FY{last}) if no "
        "disruption occurs; the darker, the fuller. An orange frame and an exclamation mark: plants run at capacity, and users "
        "would pay for one more tonne.",
        f"At capacity, with users who would pay for more: {said}.",
        alt.layer(boxes, full, text).properties(width=WIDTH - 220, height=24 * steps, usermeta={"rows": steps}),
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
                    legend=alt.Legend(orient="top", columns=3, labelLimit=170),
                ),
                tooltip=["fiscal_year", "line", alt.Tooltip("musd:Q", format=",.1f", title="million USD")],
            )
        )
        limit = (
            alt.Chart(table)
            .transform_filter("datum.line == 'appropriation'")
            .mark_tick(thickness=3, color=INK, width=36)
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
            "Spending",
            "What the government spends, by budget line",
            "What the government spends in each fiscal year if no disruption occurs, not discounted. Black marks: what it may "
            "spend in that year, which is the appropriation with money carried over.",
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


def _cut(result: Result, table: pd.DataFrame) -> str:
    """How many materials are left out, in words."""
    of = len({row.material for row in result.data.rows("demand")} & set(supplied(result)["material"]))
    shown = table["material"].nunique()
    return f" Shown: {shown} of {of} materials with demand." if shown < of else ""


DRAWN: tuple[Callable[[Result], Iterator[Figure]], ...] = (_timeline, _stocks, _mix, _chain, _money)
