"""What the figures of the page draw, as tidy tables: names that a planner knows, with shares and years."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..core.frames import rows_of
from ..core.words import BASELINE_COURSE
from ..data.homes import members
from ..data.names import Names
from ..instance.instruments import CHOSEN
from ..results.evidence import floor_in_words
from ..results.result import Result

MOST_SUPPLIERS = 7
"""Countries shown by name, those with most of today's and tomorrow's supply; the rest is `OTHERS`."""
RESERVE, SHORT, OTHERS = "releases from the reserve", "shortfall", "other countries"
UNNAMED = "OTH"
"""Code of the countries that the statistics do not tell apart."""
ELSEWHERE = "other countries"
"""Group of plants in countries that are neither home nor allies or partners."""
UNDER_CONSTRUCTION = "under construction"
"""Phase of a project before its first output."""
WITH, WITHOUT = "with the plan", "without the plan"
MOST_MATERIALS = 12
SIGNED = 0.005
"""Share of a project from which it is shown."""
SMALL_T = 1e-6
FULL = 0.999
"""Share of capacity from which a step counts as fully used."""

LINES = {
    "purchases_musd": "purchases",
    "holding_musd": "holding",
    "contract_fees_musd": "contract fees",
    "offtake_fees_musd": "offtake fees",
    "capital_support_musd": "capital support",
    "floor_top_ups_musd": "floor top-ups",
    "signed_before_musd": "signed before",
}


def year_of(result: Result, label: str) -> float:
    """Start of a period as a decimal year."""
    year, _, part = str(label).partition(".")
    per_year = 12 // result.plan.horizon.period_months
    return int(year) + (int(part) - 1) / per_year if part else float(year)


def timeline(result: Result) -> pd.DataFrame:
    """what, kind, start, end (decimal years), phase, said: purchases, projects, contracts and floors."""
    end_of_plan = float(result.plan.horizon.first_year + result.plan.horizon.years)
    rows: list[dict[str, Any]] = []

    def add(what: str, kind: str, start: float, end: float, said: str, phase: str = "in force") -> None:
        if start < end_of_plan:
            rows.append(
                {"what": what, "kind": kind, "start": start, "end": min(end, end_of_plan), "phase": phase, "said": said}
            )

    known = Names.of(result.data)
    for material, purchases in result.tables["acquisitions"].groupby("material", sort=False):
        for year, bought in purchases.groupby("fiscal_year"):
            said = f"{bought['acquired_t'].sum():,.4g} t for {bought['cost_musd'].sum():,.1f} million USD in FY{year}"
            add(f"buy {known.material(str(material))}", "purchase", float(str(year)), float(str(year)) + 1, said)
    for row in rows_of(result.tables["projects"]):
        if row.share < SIGNED or (row.baseline and row.package == "none"):
            continue
        signed, begins = year_of(result, row.signed), year_of(result, row.first_output)
        part = "" if row.share > 1 - SIGNED else f"{row.share:.0%} of it, "
        said = f"{part}{package_in_words(row, known)}: {row.support_cost_musd:,.1f} million USD of support"
        said += f", {row.capacity_t_per_yr:,.0f} t a year"
        what = f"support {known.producer(row.project)}"
        add(what, "project", signed, begins, said, UNDER_CONSTRUCTION)
        add(what, "project", begins, end_of_plan, said)
    contracts = result.tables["contracts"]
    several = contracts["activity"].value_counts()
    for row in rows_of(contracts):
        start = year_of(result, row.start)
        said = f"{row.contract_t_per_yr:,.4g} t a year at {row.fee_usd_per_kg:,.3g} USD/kg"
        since = f" from {row.start}" if several[row.activity] > 1 else ""
        add(f"contract: {known.producer(row.activity)}{since}", "offtake contract", start, start + row.term_yr, said)
    for row in rows_of(result.tables["floors"]):
        start = year_of(result, row.start)
        said = f"{row.level_usd_per_kg:,.4g} USD/kg, expected cost {row.expected_cost_musd:,.1f} million USD"
        who, material = floor_in_words(row, known)
        what = f"guarantee {material} at {row.level_usd_per_kg:g} USD/kg, {who}"
        add(what, "price floor", start, start + row.term_yr, said)
    return pd.DataFrame(rows, columns=["what", "kind", "start", "end", "phase", "said"])


def drawdown(result: Result) -> pd.DataFrame:
    """material, scenario, period, year, stock_t, days_of_use: planned periods of the baseline course and of every scenario."""
    flows = result.tables["flows"]
    shown = flows[~flows["tail"]]
    held = shown.groupby("material")["stock_t"].max()
    kept = [material for material in held.sort_values(ascending=False).index if held[material] > SMALL_T]
    trunk = result.tables["stock"]
    bought = trunk.groupby("material")["stock_t"].max().reindex(kept).fillna(0.0)
    kept = sorted(kept, key=lambda material: -bought[material])  # what the plan itself holds first
    periods = [str(label) for label in dict.fromkeys(trunk["period"])] or sorted(set(shown["period"]))
    every = pd.MultiIndex.from_product(
        [kept, dict.fromkeys(shown["scenario"]), periods], names=["material", "scenario", "period"]
    )
    table = (
        shown.groupby(["material", "scenario", "period"])["stock_t"].sum().reindex(every, fill_value=0.0).reset_index()
    )
    per_tonne = (trunk["days_of_use"] / trunk["stock_t"]).where(trunk["stock_t"] > SMALL_T)
    days = per_tonne.groupby([trunk["material"], trunk["period"]]).mean()
    key = pd.MultiIndex.from_frame(table[["material", "period"]])
    table["days_of_use"] = table["stock_t"].to_numpy() * days.reindex(key).to_numpy()
    table["year"] = [year_of(result, label) for label in table["period"]]
    order = {material: n for n, material in enumerate(kept)}
    return table.sort_values(
        ["material", "scenario", "year"], key=lambda c: c.map(order) if c.name == "material" else c, ignore_index=True
    )


def supplied(result: Result) -> pd.DataFrame:
    """scenario, period, material, country, tonnes: what producers make for users."""
    yields = pd.DataFrame(
        [
            (row.producer, row.material, row.yield_t_per_t)
            for row in result.data.rows("yields")
            if row.yield_t_per_t > 0
        ],
        columns=["producer", "material", "yield"],
    )
    made = result.tables["operations"].merge(yields, on="producer")
    made["tonnes"] = made["output_t"] * made["yield"]
    keys = ["scenario", "period", "material", "country"]
    return made.groupby(keys, sort=False)["tonnes"].sum().reset_index()


def worst_without(result: Result) -> str:
    """The scenario with the largest loss without the plan."""
    losses = result.tables["scenario_losses"]
    return str(losses["scenario"].iloc[int(losses["loss_without_plan_musd"].argmax())])


def mix(result: Result) -> pd.DataFrame:
    """material, when, supplier, tonnes, share: who makes what users and plants want, now, at the end of the plan without a
    disruption, and in the worst period of the scenario with the largest loss without the plan."""
    made, short = supplied(result), result.tables["shortfalls"]
    wanted = [
        m for m in dict.fromkeys(row.material for row in result.data.rows("demand")) if m in set(made["material"])
    ]
    worst = worst_without(result)
    planned = list(dict.fromkeys(result.tables["stock"]["period"])) or sorted(set(made["period"]))
    last = planned[-1]
    loss = short[(short["scenario"] == worst) & ~short["tail"]].groupby("period")["loss_musd"].sum()
    hit = str(loss.idxmax()) if len(loss) and loss.max() > 0 else last
    cases = [
        (f"now, FY{planned[0]}", BASELINE_COURSE, planned[0]),
        (f"end of plan, FY{last}", BASELINE_COURSE, last),
        (f"worst year, FY{hit}", worst, hit),
    ]
    released = result.tables["flows"]
    rows: list[tuple[str, str, dict[str, float]]] = []
    for material in wanted[:MOST_MATERIALS]:
        for when, scenario, period in cases:
            here = made[(made["scenario"] == scenario) & (made["period"] == period) & (made["material"] == material)]
            parts = dict(zip(here["country"], here["tonnes"], strict=True))
            at = (
                (released["scenario"] == scenario) & (released["period"] == period) & (released["material"] == material)
            )
            lacking = (short["scenario"] == scenario) & (short["period"] == period) & (short["material"] == material)
            parts[RESERVE] = float(released.loc[at, "released_t"].sum())
            parts[SHORT] = float(short.loc[lacking, "shortfall_t"].sum())
            rows.append((material, when, parts))
    weight: dict[str, float] = {}
    for *_, parts in rows:
        for name, tonnes in parts.items():
            weight[name] = weight.get(name, 0.0) + tonnes / (sum(parts.values()) or 1.0)
    named = sorted((name for name in weight if name not in (RESERVE, SHORT, UNNAMED)), key=lambda name: -weight[name])[
        :MOST_SUPPLIERS
    ]
    table = [row for material, when, parts in rows for row in _shares(material, when, parts, named)]
    return pd.DataFrame(table, columns=["material", "when", "supplier", "tonnes", "share"])


def _shares(
    material: str, when: str, parts: dict[str, float], named: list[str]
) -> list[tuple[str, str, str, float, float]]:
    """Rows of one bar: named countries, the others together, the reserve, what is short."""
    total = sum(parts.values())
    kept = {name: parts.get(name, 0.0) for name in named}
    kept[OTHERS] = sum(tonnes for name, tonnes in parts.items() if name not in (*named, RESERVE, SHORT))
    kept |= {name: parts[name] for name in (RESERVE, SHORT)}
    return [
        (material, when, name, tonnes, tonnes / total)
        for name, tonnes in kept.items()
        if total > 0 and tonnes > SMALL_T
    ]


def chain(result: Result) -> pd.DataFrame:
    """step, group, capacity_t, used, bottleneck, label: stages of each product by place of the plant, last period; plants that make
    several products count in the row of each."""
    data, plan = result.data, result.plan
    inside = members(data, plan.home)
    tiers = {row.country: row.tier for row in data.rows("countries")}
    words = {"home": "home", "ally": "allies and partners", "partner": "allies and partners"}
    stages = {row.activity: row.stage for row in data.rows("activities")} | {
        row.project: row.stage for row in data.rows("projects")
    }
    last = list(dict.fromkeys(result.tables["stock"]["period"]))[-1:] or [
        str(plan.horizon.first_year + plan.horizon.years - 1)
    ]
    year = int(str(last[0]).split(".")[0])
    capacity = _capacities(result, year)
    run = result.tables["operations"]
    run = run[(run["scenario"] == BASELINE_COURSE) & (run["period"] == last[0])]
    used = (run["output_t"] + run["reserve_output_t"]).groupby(run["producer"]).sum()
    makes: dict[str, dict[str, float]] = {}
    for row in data.rows("yields"):
        if row.yield_t_per_t > 0:
            makes.setdefault(row.producer, {})[row.material] = row.yield_t_per_t
    paid = result.tables["prices"]
    wanted = set(
        paid[
            (paid["price"] == "supply")
            & (paid["scenario"] == BASELINE_COURSE)
            & (paid["period"] == last[0])
            & (paid["value"] > 0)
        ]["item"]
    )
    rows: dict[tuple[str, str], list[float]] = {}
    made_of: dict[str, str] = {}
    known = Names.of(data)
    for producer, (country, tonnes) in capacity.items():
        for material, per_tonne in makes.get(producer, {}).items():
            if tonnes <= 0:
                continue
            step = f"{known.material(material)} ({stages.get(producer, '')})"
            made_of[step] = material
            group = "home" if country in inside else words.get(tiers.get(country, ""), ELSEWHERE)
            entry = rows.setdefault((step, group), [0.0, 0.0])
            entry[0] += tonnes * per_tonne
            entry[1] += float(used.get(producer, 0.0)) * per_tonne * (12 / plan.horizon.period_months)
    order = {row.material: n for n, row in enumerate(data.rows("materials"))}
    table = []
    for (step, group), (tonnes, ran) in sorted(rows.items(), key=lambda pair: order.get(made_of[pair[0][0]], 0)):
        share = min(1.0, ran / tonnes)
        tight = "fully used; users would pay for one more tonne" if share >= FULL and made_of[step] in wanted else ""
        label = f"{share:.0%} of {float(f'{tonnes:.3g}'):,.0f} t{' !' if tight else ''}"
        table.append(
            {"step": step, "group": group, "capacity_t": tonnes, "used": share, "bottleneck": tight, "label": label}
        )
    return pd.DataFrame(table, columns=["step", "group", "capacity_t", "used", "bottleneck", "label"])


def _capacities(result: Result, year: int) -> dict[str, tuple[str, float]]:
    """(country, capacity in a year [t]) of existing producers, and of projects that the plan has."""
    countries = {row.activity: row.country for row in result.data.rows("activities")}
    found: dict[str, tuple[str, float]] = {}
    for row in sorted(result.data.rows("capacities"), key=lambda row: row.from_year):
        if row.from_year <= year and row.activity in countries:
            found[row.activity] = (countries[row.activity], float(row.capacity_t_per_yr))
    where = {row.project: row.country for row in result.data.rows("projects")}
    for row in rows_of(result.tables["projects"]):
        if row.share > CHOSEN:
            before = found.get(row.project, ("", 0.0))[
                1
            ]  # a project may be supported in parts, signed at different times
            found[row.project] = (where[row.project], before + float(row.share * row.capacity_t_per_yr))
    made = set(result.tables["operations"]["producer"])
    return {name: entry for name, entry in found.items() if name in made or name in set(where)}


def money(result: Result) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(fiscal_year, line, musd) with the appropriation as a line of its own; (fiscal_year, liability_musd, liability_cap_musd)."""
    budget = result.tables["budget"]
    lines = budget[["fiscal_year", *LINES]].rename(columns=LINES)
    able = budget["appropriation_musd"] + budget["carried_in_musd"]
    lines = lines.assign(appropriation=able).melt("fiscal_year", var_name="line", value_name="musd")
    used = lines.groupby("line")["musd"].transform(lambda values: float(np.abs(values).max())) > SMALL_T
    owed = budget[["fiscal_year", "liability_musd", "liability_cap_musd"]]
    return lines[used].reset_index(drop=True), owed if float(
        owed["liability_musd"].abs().max() or 0
    ) > SMALL_T else owed[:0]


def losses(result: Result, kept: Sequence[str]) -> pd.DataFrame:
    """scenario, probability, case (with the plan, without), loss_musd, events: of some scenarios, in their order."""
    table = result.tables["scenario_losses"].set_index("scenario").loc[list(kept)].reset_index()
    both = [(WITH, "loss_musd"), (WITHOUT, "loss_without_plan_musd")]
    parts = [
        table[["scenario", "probability", "events"]].assign(case=case, loss_musd=table[column]) for case, column in both
    ]
    return pd.concat(parts, ignore_index=True)


def package_in_words(row: Any, names: Names) -> str:
    """How a row of the table `projects` is supported: `loan, 50% of output under contract, floor 40 USD/kg for NdFeB magnets`."""
    said = [str(row.instrument).replace("_", " ")] if row.instrument != "none" else []
    if row.offtake_share > 0:
        said.append(
            "all output under contract"
            if row.offtake_share >= 1
            else f"{row.offtake_share:.0%} of output under contract"
        )
    if row.floor_material and row.floor_usd_per_kg == row.floor_usd_per_kg:
        said.append(f"floor {row.floor_usd_per_kg:g} USD/kg for {names.material(str(row.floor_material))}")
    return ", ".join(said) or "no support"
