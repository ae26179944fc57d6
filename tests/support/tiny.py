"""Planning problems small enough to solve by hand: `tiny(...)` gives a plan and its tables, made in memory.

Everything defaults to nothing happening and nothing costing: no discounting, no holding cost, no haircut, full salvage,
no tail, ample money, no events, and once an event has begun its course is known (`policy = "foresight"`). Prices and losses
are USD/kg, tonnes are kilotonnes: a kilotonne at 1 USD/kg is one million USD, so money in million USD is kilotonnes times
USD/kg."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pytest

from strategic_minerals import Result, solve
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.question.dataset import Dataset
from strategic_minerals.question.plan import Plan
from strategic_minerals.question.tables import TABLES
from strategic_minerals.solver.optimise import Solved, optimise

KT = 1000.0
"""Tonnes in a kilotonne."""
FIRST = 2027
TIERS = {"USA": "home", "AUS": "ally", "CHN": "covered"}

Rows = list[dict[str, Any]]
Series = float | Mapping[int, float]


def tiny(
    prices: Mapping[str, Series],
    *,
    materials: Mapping[str, dict[str, Any]] | None = None,
    sources: Mapping[str, dict[str, Any]] | None = None,
    demand: Mapping[str | tuple[str, str], Series] | None = None,
    loss: float | Mapping[str, float] = 100.0,
    tiers: Mapping[str, Sequence[tuple[float, float]]] | None = None,
    steps: Sequence[tuple[str, str, float, float]] = (),
    offers: Mapping[str, dict[str, Any]] | None = None,
    origins: Mapping[str, str | None] | None = None,
    stock: Mapping[str, float] | None = None,
    projects: Mapping[str, dict[str, Any]] | None = None,
    packages: Mapping[str, dict[str, Any]] | None = None,
    capital: Mapping[str, dict[str, Any]] | None = None,
    states: Sequence[tuple[float, float]] = (),
    scenarios: Sequence[dict[str, Any]] = (),
    years: int = 3,
    months: int = 12,
    rate: float = 0.0,
    money: Series = 1e5,
    budget: dict[str, Any] | None = None,
    agreed: Sequence[dict[str, Any]] = (),
    responses: Mapping[str, tuple[float, float, float]] | None = None,
    **plan: Any,
) -> tuple[Plan, Dataset]:
    """A plan and its tables.

    prices: material -> USD/kg. demand: material, or (material, segment) -> kt/yr. loss: USD/kg beyond the price.
    sources, offers, projects: see `source`, `offer`, `project`. steps: (material, segment, limit share, USD/kg).
    tiers: segment -> (share, loss multiplier) pairs. A series is one figure, or a figure by first year.
    origins: offer -> country of origin of what is `outside`.
    capital: instruments beside `none` and `grant`. agreed: floors in force (`guaranteed`). responses: material -> (trade in kt/yr,
    elasticity of supply, of demand). The rest goes into the plan."""
    wanted = {(k, "civil") if isinstance(k, str) else k: v for k, v in (demand or {}).items()}
    segments = sorted({segment for _, segment in wanted})
    losses = loss if isinstance(loss, Mapping) else dict.fromkeys(prices, loss)
    made = {**(sources or {}), **(projects or {})}
    tables: dict[str, Rows] = {
        "materials": [material_row(name, **(materials or {}).get(name, {})) for name in prices],
        "prices": [
            {"price_set": "base", "material": name, "from_year": year, "price_usd_per_kg": value}
            for name, series in prices.items()
            for year, value in _by_year(series)
        ],
        "activities": [_producer("activity", name, row) for name, row in (sources or {}).items()],
        "capacities": [
            {"activity": name, "from_year": year, "capacity_t_per_yr": value * KT}
            for name, row in (sources or {}).items()
            for year, value in _by_year(row["capacity"])
        ],
        "yields": [
            {"producer": name, "material": material, "yield_t_per_t": y}
            for name, row in made.items()
            for material, y in row["makes"].items()
        ],
        "demand": [
            {"material": m, "segment": k, "from_year": year, "demand_t_per_yr": value * KT}
            for (m, k), series in wanted.items()
            for year, value in _by_year(series)
        ],
        "tiers": [
            {"material": "*", "segment": k, "tier": n + 1, "share": share, "loss_multiplier": multiplier}
            for k in segments
            for n, (share, multiplier) in enumerate((tiers or {}).get(k, [(1.0, 1.0)]))
        ],
        "substitution": [
            {"material": m, "segment": k, "step": n + 1, "limit_share": limit, "cost_usd_per_kg": cost}
            for n, (m, k, limit, cost) in enumerate(steps)
        ],
        "loss_functions": [
            {"loss_function": "test", "material": name, "segment": "*", "loss_usd_per_t": value * KT}
            for name, value in losses.items()
        ],
        "offers": [{**_offer(name, row), "origin": (origins or {}).get(name)} for name, row in (offers or {}).items()],
        "stock": [{"material": name, "opening_t": value * KT} for name, value in (stock or {}).items()],
        "projects": [_project(name, row) for name, row in (projects or {}).items()],
        "packages": [{"package": name, "instrument": "none", **row} for name, row in (packages or {}).items()],
        "instruments": [{"instrument": name, **row} for name, row in {**CAPITAL, **(capital or {})}.items()],
        "price_states": [
            {"state": f"s{n}", "factor": factor, "probability": share} for n, (factor, share) in enumerate(states)
        ],
        "feed_origins": [{"producer": name, "origins": row["feed"]} for name, row in made.items() if row.get("feed")],
        "commitments": list(agreed),
        "price_responses": [
            {"material": m, "trade_t_per_yr": q * KT, "supply_elasticity": supply, "demand_elasticity": demand}
            for m, (q, supply, demand) in (responses or {}).items()
        ],
        "countries": [{"country": country, "name": country, "tier": tier} for country, tier in TIERS.items()],
    }
    data = Dataset.from_tables({name: pd.DataFrame(rows) for name, rows in tables.items() if rows})
    return Plan.model_validate(
        {
            "name": "tiny",
            "price_year": 2026,
            "price_set": "base",
            "loss_function": "test",
            "discount_rate": rate,
            "horizon": {"first_year": FIRST, "years": years, "tail_years": 0, "period_months": months},
            "budget": {"appropriation_musd": money, **(budget or {})},
            "scenarios": scenarios,
            "policy": "foresight",
            **plan,
        }
    ), data


CAPITAL: dict[str, dict[str, Any]] = {
    "none": {"kind": "none", "score": 0.0, "max_share_of_capex": 0.0},
    "grant": {"kind": "grant", "score": 1.0, "max_share_of_capex": 1.0},
}


def source(country: str, makes: str | Mapping[str, float], capacity: Series, **row: Any) -> dict[str, Any]:
    """An existing source: capacity in kt of activity a year; `makes` a material, or yields by material."""
    return {"country": country, "makes": {makes: 1.0} if isinstance(makes, str) else makes, "capacity": capacity, **row}


def project(makes: str | Mapping[str, float], capacity: float, **row: Any) -> dict[str, Any]:
    """A project of the home country that starts a year after signing: capacity in kt a year, capex in million USD."""
    return {"makes": {makes: 1.0} if isinstance(makes, str) else makes, "capacity": capacity, **row}


def offer(
    material: str, depth: float, premium: float = 0.0, source: str = "outside", crisis: float = 0.0
) -> dict[str, Any]:
    """Material that the reserve can buy: depth in kt a year; gone in a crisis unless `crisis` says otherwise."""
    return {"material": material, "depth": depth, "premium": premium, "source": source, "crisis": crisis}


def cut(
    name: str,
    probability: float,
    start: float,
    years: float,
    materials: str = "*",
    *,
    countries: str = "CHN",
    share: float = 1.0,
    design_basis: bool = False,
    **event: Any,
) -> dict[str, Any]:
    """A scenario in which some countries' sources stop from `start` on for some years."""
    struck = {"start_year": start, "duration_years": years, "countries": countries, "materials": materials}
    struck |= {"cut_share": share, **event}
    return {"name": name, "probability": probability, "design_basis": design_basis, "events": [struck]}


def imported(prices: Series, kt: float = 10.0, *, of: str = "a", **changes: Any) -> tuple[Plan, Dataset]:
    """`tiny` with one material, so much of it wanted a year, and as much made in China (source `far`)."""
    case = {"sources": {"far": source("CHN", of, kt)}, "demand": {of: kt}, **changes}
    return tiny({of: prices}, **case)


def floored(material: str, level: float, years: float, kind: str = "contract", **row: Any) -> dict[str, Any]:
    """A package with a floor of its own, for so many years [USD/kg]; no capital unless `instrument` says so."""
    floor = {"floor_material": material, "floor_usd_per_kg": level, "floor_kind": kind, "floor_term_yr": years}
    return {**floor, **row}


def guaranteed(
    producer: str, material: str, level: float, until: float, *, payer: str | None = "OTH", **row: Any
) -> dict[str, Any]:
    """A row of `commitments`: a floor that a producer was given before the plan, until a date [USD/kg]; others pay it."""
    floor = {"floor_material": material, "floor_usd_per_kg": level, "floor_until_year": until}
    named = {"commitment": f"{producer}-floor", "kind": "package", "item": producer, "producer": producer}
    return {**named, "payer": payer, "signed_year": FIRST - 1, **floor, **row}


def hazard_row(hazard: str, materials: str, rate: float, /, **row: Any) -> dict[str, Any]:
    """A row of `hazards`: Chinese licences that come at a rate a year and last a year."""
    named = {"hazard": hazard, "name": hazard, "kind": "licence", "countries": "CHN", "materials": materials}
    return {**named, "rate_per_yr": rate, "duration_yr": 1.0, **row}


def supply_rule(kind: str, material: str, share: float, *, from_year: int = FIRST, **rule: Any) -> dict[str, Any]:
    """An entry of `diversification`."""
    return {"kind": kind, "material": material, "share": share, "from_year": from_year, **rule}


def on_dates(*events: dict[str, Any], name: str = "stop", probability: float = 0.5) -> dict[str, Any]:
    """A scenario of events, of which each may name a hazard."""
    return {"name": name, "probability": probability, "design_basis": False, "events": list(events)}


def with_row(data: Dataset, table: str, name: str, **cells: Any) -> Dataset:
    """The tables, of which the row of a name (the first part of its key) has other cells, and nothing else."""
    key = TABLES[table].key[0]
    rows = (row.model_copy(update=cells) if getattr(row, key) == name else row for row in data.rows(table))
    return Dataset({**data.tables, table: tuple(rows)}, data.name)


def close(expected: float) -> Any:
    """The same million USD or kilotonnes but for rounding."""
    return pytest.approx(expected, abs=1e-6, rel=1e-7)


def best(case: tuple[Plan, Dataset], **options: Any) -> Result:
    """The exact optimum, not tested in other scenarios."""
    return solve(*case, gap=0.0, quick=True, **options)


def answered(prices: Series, kt: float = 10.0, **case: Any) -> Result:
    """The best plan of `imported`."""
    return best(imported(prices, kt, **case))


def worked(prices: Mapping[str, Series], **case: Any) -> Result:
    """The best plan of `tiny`."""
    return best(tiny(prices, **case))


def total(solved: Any) -> float:
    """Social cost Z of a result or of a solved problem [million USD]."""
    return solved.outcome.objective_musd + solved.outcome.do_nothing_musd


def unaudited(plan: Plan, data: Dataset) -> Solved:
    """Solve without the audit, to see what a model with a rule dropped would answer."""
    return optimise(prepare(plan, data), gap=0.0, time_limit_s=600.0)


def bought(result: Any, item: str) -> float:
    """Kilotonnes bought on the trunk, of a material or through an offer."""
    table = result.tables["acquisitions"]
    return float(table[(table.material == item) | (table.offer == item)].acquired_t.sum()) / KT


def short(result: Any, scenario: str, period: str | None = None, material: str | None = None) -> float:
    """Kilotonnes of demand unmet in a scenario."""
    table = result.tables["shortfalls"]
    rows = table[(table.scenario == scenario) & (True if period is None else table.period == period)]
    return float(rows[rows.material == material if material else rows.index == rows.index].shortfall_t.sum()) / KT


def ran(result: Any, producer: str, scenario: str, period: str) -> float:
    """Kilotonnes that a producer ran for users in a period of a scenario."""
    table = result.tables["operations"]
    rows = table[(table.producer == producer) & (table.scenario == scenario) & (table.period == period)]
    return float(rows.output_t.sum()) / KT


def flow(result: Any, column: str, material: str, scenario: str, period: str) -> float:
    """Kilotonnes in a column of the table `flows`."""
    table = result.tables["flows"]
    rows = table[(table.material == material) & (table.scenario == scenario) & (table.period == period)]
    return float(rows[column].sum()) / KT


def price(result: Any, name: str, **where: str) -> float:
    """A shadow price: the sum over the rows that match, 0 where none does."""
    table = result.prices[result.prices.price == name]
    for column, value in where.items():
        table = table[table[column] == value]
    return float(table.value.sum())


def _by_year(series: Series) -> list[tuple[int, float]]:
    return list(series.items()) if isinstance(series, Mapping) else [(FIRST, series)]


def material_row(name: str, /, **row: Any) -> dict[str, Any]:
    """A row of `materials`, which costs nothing to hold or to sell unless it says so."""
    named = {"material": name, "name": name, "mineral": name, "stage": "refined", "basis": f"t {name}"}
    return {**named, "haircut_share": 0.0, "holding_share_per_yr": 0.0, **row}


def _producer(kind: str, name: str, row: Mapping[str, Any], **usual: Any) -> dict[str, Any]:
    own = {key: value for key, value in row.items() if key not in ("makes", "capacity", "feed")}
    return {kind: name, "name": name, "stage": "x", **usual, **own}


def _project(name: str, row: Mapping[str, Any]) -> dict[str, Any]:
    free = {"capex_musd": 0.0, "cash_usd_per_kg": 0.0, "hurdle_rate": 0.0, "country": "USA"}
    size = {"capacity_t_per_yr": row["capacity"] * KT, "lead_yr": 1.0, "life_yr": 10.0, "earliest_signing": FIRST}
    return _producer("project", name, row, **free, **size)


def _offer(name: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "offer": name,
        "material": row["material"],
        "source_producer": row["source"],
        "depth_t_per_yr": row["depth"] * KT,
        "premium_share": row["premium"],
        "crisis_availability": row["crisis"] if row["source"] == "outside" else None,
    }


def clawback(rate: float = 0.25, **changes):
    """A floor of 110 with half of the upside handed back, for three years from 2028; price 100, 20 % up or down.

    The plant makes 1 kt at 102.5 cash and 30 of capex: with the floor it earns (110 + 115)/2 = 112.5, which just pays.
    """
    floor = floored("a", 110.0, 3.0, upside_share=0.5)
    plant = project("a", 1.0, capex_musd=29.0, cash_usd_per_kg=102.5, life_yr=3.0)
    case = {
        "sources": {"far": source("CHN", "a", 1.0)},
        "demand": {"a": 2.0},
        "projects": {"plant": plant},
        "packages": {"floored": floor},
        "states": [(0.8, 0.5), (1.2, 0.5)],
        "loss": 1000.0,
        "rate": rate,
        "budget": {"liability_cap_musd": 1e3},
        "instruments": {"signing_years": [2027]},
    }
    return tiny({"a": 100.0}, **{**case, **changes})


def tail(**changes):
    """Losses 0, 10, 20 and 40 with probabilities .5, .3, .15 and .05: a missing kg costs 1 USD (price and loss .5)."""
    scenarios = {"ten": (0.3, 0.25), "twenty": (0.15, 0.5), "forty": (0.05, 1.0)}
    case = {
        "sources": {"far": source("CHN", "a", 40.0)},
        "demand": {"a": 40.0},
        "loss": 0.5,
        "scenarios": [cut(name, p, 2028, 1, share=share) for name, (p, share) in scenarios.items()],
        "years": 2,
    }
    return tiny({"a": 0.5}, **{**case, **changes})


def two_risks(money: float, **objective):
    """`dire`: 10 kt at 100 USD/kg fail with probability .05; `often`: 10 kt at 20 with probability .5. Stock costs 10 USD/kg."""
    names = ("dire", "often")
    return tiny(
        dict.fromkeys(names, 10.0),
        sources={n: source("CHN", n, 10.0) for n in names},
        demand=dict.fromkeys(names, 10.0),
        loss={"dire": 90.0, "often": 10.0},
        offers={f"{n}-spot": offer(n, 100.0) for n in names},
        scenarios=[cut("dire", 0.05, 2028, 1, "dire"), cut("often", 0.5, 2028, 1, "often")],
        money={2027: money, 2028: 0.0},
        years=2,
        risk={"alpha": 0.95},
        objective={"kind": "risk_within_budget", **objective},
    )
