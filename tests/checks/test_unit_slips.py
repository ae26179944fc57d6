"""Columns in another unit: the planner's column is told once, with rows, unit and what it was compared with, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pytest

from strategic_minerals import Dataset, Plan, check, load_dataset, load_plan, shipped
from strategic_minerals.checks.doubtful import KIND, unit_slips, unlikely
from strategic_minerals.checks.unused import unused
from strategic_minerals.checks.words import slip
from strategic_minerals.data.load import load_question
from strategic_minerals.data.references import select_materials
from strategic_minerals.schemas.base import key_of
from strategic_minerals.schemas.tables import FACT_TABLES
from support.tiny import cut, offer, project, source, tiny

Column = tuple[str, str]
PLANS = sorted(path.stem for path in shipped("models").glob("*.toml"))


@cache
def data(notes: bool = True, home: str = "USA") -> Dataset:
    """The shipped tables of a home; notes: with the arithmetic in their notes, which tables of others have not."""
    tables = load_dataset(shipped("inputs"), home)
    if notes:
        return tables
    bare = {name: tuple(row.model_copy(update={"note": ""}) for row in rows) for name, rows in tables.tables.items()}
    return Dataset(bare)


@cache
def plan(name: str) -> Plan:
    return load_plan(shipped("models") / f"{name}.toml")


def slipped(
    tables: Dataset, columns: Mapping[Column, float], keep: Callable[[Any], bool] = lambda row: True
) -> Dataset:
    """Tables with columns in another unit, the ends of their ranges as well."""
    changed: dict[str, Any] = {}
    for (table, column), factor in columns.items():
        rows = changed.get(table, tables.rows(table))
        changed[table] = tuple(row.model_copy(update=scaled(row, column, factor)) if keep(row) else row for row in rows)
    return Dataset({**tables.tables, **changed})


def scaled(row: Any, column: str, factor: float) -> dict[str, float]:
    """A figure and the ends of its range."""
    return {
        name: getattr(row, name) * factor for end in ("", "_low", "_high") if getattr(row, name := column + end, None)
    }


def blamed(texts: list[str]) -> list[Column]:
    """Table and column of notes, an end of a range counted for its value."""
    found = [re.match(r"(\w+)(?:\.csv)? (?:\S+ )?([\w.]+):", text) for text in texts]
    return [(each[1], each[2].removesuffix("_low").removesuffix("_high")) for each in found if each is not None]


def told(name: str, tables: Dataset) -> list[str]:
    """Notes on figures that are probably not meant."""
    return [text for _, _, text in unlikely(plan(name), tables)]


DEMAND, CAPACITY = ("demand", "demand_t_per_yr"), ("capacities", "capacity_t_per_yr")
OFFERS, LOSS, PRICE = ("offers", "depth_t_per_yr"), ("loss_functions", "loss_usd_per_t"), ("prices", "price_usd_per_kg")
PLANTS, CAPEX, CASH = ("projects", "capacity_t_per_yr"), ("projects", "capex_musd"), ("projects", "cash_usd_per_kg")

COLUMNS: list[tuple[str, dict[Column, float], str]] = [
    ("rare-earths", {LOSS: 1e-3}, "USD per kg or thousand USD per tonne instead of USD per tonne"),
    ("defence-base-case", {DEMAND: 1e-3}, "kilotonnes instead of tonnes"),
    ("rare-earths", {DEMAND: 2.2046}, "thousands of pounds instead of tonnes"),
    ("rare-earths", {DEMAND: 1 / 12}, "tonnes a month instead of tonnes a year"),
    ("rare-earths", {CAPACITY: 1e3}, "kg instead of tonnes"),
    ("rare-earths", {DEMAND: 1e3, CAPACITY: 1e3, OFFERS: 1e3}, "kg instead of tonnes"),
    ("critical-minerals", {DEMAND: 1e-3, CAPACITY: 1e-3, OFFERS: 1e-3}, "kilotonnes instead of tonnes"),
    ("quickstart", {OFFERS: 1e3}, "kg instead of tonnes"),
    ("rare-earths", {OFFERS: 1e-3}, "kilotonnes instead of tonnes"),
    ("quickstart", {PRICE: 1e3}, "USD per tonne instead of USD per kg"),
    ("rare-earths", {PRICE: 1e-3}, "USD per gram or thousand USD per kg instead of USD per kg"),
    ("rare-earths", {PLANTS: 1e3}, "kg instead of tonnes"),
    ("rare-earths", {PLANTS: 1e-3}, "kilotonnes instead of tonnes"),
    ("rare-earths", {CAPEX: 1e3}, "thousand USD instead of million USD"),
    ("rare-earths", {CAPEX: 1e-3}, "billion USD instead of million USD"),
    ("critical-minerals", {CASH: 1e3}, "USD per tonne instead of USD per kg"),
    ("rare-earths", {("projects", "lead_yr"): 12}, "months instead of years"),
    ("rare-earths", {("projects", "life_yr"): 12}, "months instead of years"),
    ("rare-earths", {("hazards", "duration_yr"): 12}, "months instead of years"),
    ("quickstart", {("offers", "premium_share"): 100}, "percent instead of a share"),
    ("quickstart", {("materials", "holding_share_per_yr"): 100}, "percent instead of a share"),
    ("rare-earths", {("projects", "hurdle_rate"): 0.01}, "a rate divided by 100 once too often"),
    ("quickstart", {("substitution", "cost_usd_per_kg"): 1e3}, "USD per tonne instead of USD per kg"),
]
"""Plan, columns and factors, in which unit they seem to be."""


@pytest.mark.parametrize(
    ("name", "columns", "guess"), COLUMNS, ids=lambda value: str(value) if isinstance(value, str) else None
)
def test_a_column_in_another_unit_is_told_once_and_nothing_else_is(
    name: str, columns: dict[Column, float], guess: str
) -> None:
    """Proves: one note a column that slipped, with its factor and the unit it seems to be in, how many rows, and what it was
    compared with; no other column, and no published figure, is blamed."""
    notes = told(name, slipped(data(), columns))
    assert sorted(blamed(notes)) == sorted(columns), notes
    for note, (table, column) in zip(notes, sorted(columns), strict=True):
        count = sum(bool(getattr(row, column)) for row in data().rows(table))
        assert f"probably {guess}" in note
        assert f"the same in all {count} rows of the column" in note
        assert "compared with" in note


@pytest.mark.parametrize(
    "columns",
    [
        {DEMAND: 1e3},
        {CAPACITY: 1e-3},
        {DEMAND: 1e3, CAPACITY: 1e3, OFFERS: 1e3},
        {LOSS: 1e-3},
        {PRICE: 1e3},
        {OFFERS: 1e3},
        {CAPEX: 1e-3},
        {PLANTS: 1e-3},
        {("hazards", "duration_yr"): 12},
    ],
    ids=str,
)
def test_tables_without_arithmetic_in_their_notes_are_held_against_what_is_published(
    columns: dict[Column, float],
) -> None:
    """Proves: the same for tables whose notes say nothing, as those of others do."""
    notes = told("rare-earths", slipped(data(notes=False), columns))
    assert sorted(blamed(notes)) == sorted(columns), notes


@pytest.mark.parametrize("factor", [1e3, 1e-3])
@pytest.mark.parametrize("name", ["quickstart", "rare-earths"])
def test_demand_of_the_planned_materials_alone_is_told_as_demand(name: str, factor: float) -> None:
    """Proves: rows of a column that share a unit are told together, with how many of the column they are."""
    planned = set(select_materials(plan(name), data()))
    tables = slipped(data(), {DEMAND: factor}, lambda row: row.material in planned)
    (note,) = told(name, tables)
    count = sum(row.material in planned for row in data().rows("demand"))
    assert blamed([note]) == [DEMAND]
    assert f"the same in {count} of {len(data().rows('demand'))} rows of the column" in note


def test_prices_per_pound_are_told() -> None:
    """Proves: a factor of 2.2 is no opinion where most rows are off by it to the last digit."""
    (note,) = told("quickstart", slipped(data(), {PRICE: 1 / 2.2046}))
    assert blamed([note]) == [PRICE]
    assert "probably USD per pound instead of USD per kg" in note


def test_one_price_set_in_another_unit_is_told_as_its_rows() -> None:
    """Proves: the prices of one set, whose published values stand in another."""
    (note,) = told("quickstart", slipped(data(), {PRICE: 1e3}, lambda row: row.price_set == "mcs2024"))
    assert blamed([note]) == [PRICE]
    prices = data().rows("prices")
    assert f"{sum(row.price_set == 'mcs2024' for row in prices)} of {len(prices)} rows" in note
    assert "mcs2024/" in note


def test_a_file_in_kg_is_a_fault_of_each_of_its_columns_alone() -> None:
    """Proves: where figures stand to others as no opinion explains, a column is one fault, not one a row."""
    faults = list(unit_slips(plan("quickstart"), slipped(data(), {DEMAND: 1e3})))
    assert [(fault.file, fault.column) for fault in faults] == [("demand.csv", "demand_t_per_yr")]
    assert "minerals.csv: USGS" in faults[0].expected or "production.csv: USGS" in faults[0].expected


@pytest.mark.slow
def test_a_published_figure_is_doubted_for_published_ones_alone() -> None:
    """Proves: whatever a planner's tables say together, none of the fact tables is doubted; one that other published figures speak
    against is."""
    notes = told(
        "critical-minerals", slipped(data(notes=False), dict.fromkeys((DEMAND, CAPACITY, OFFERS, PLANTS, LOSS), 1e3))
    )
    assert not {name for name, _ in blamed(notes)} & set(FACT_TABLES)
    key = "gallium/WLD/refined/2024/MCS2026"
    for place, column in (("gallium", ("minerals", "price_usd_per_kg")), (key, ("production", "production_t"))):
        (note,) = told("quickstart", slipped(data(), {column: 1e3}, lambda row, place=place: key_of(row) == place))
        assert note.startswith(f"{column[0]}.csv {place} {column[1]}: ")


@pytest.mark.parametrize(
    ("table", "key", "column", "factor", "guess"),
    [
        ("hazards", "ga_ge_sb_ban", "duration_yr", 12, "months instead of years"),
        ("hazards", "ga_ge_sb_ban", "rate_per_yr", 100, "percent instead of a rate"),
        ("demand", "gallium/other/2026", "demand_t_per_yr", 2.20462, "thousands of pounds instead of tonnes"),
        ("prices", "mcs2024/germanium/2024", "price_usd_per_kg", 1000, "USD per tonne instead of USD per kg"),
        ("projects", "nolans", "capex_musd", 1000, "thousand USD instead of million USD"),
        ("offers", "antimony_2", "premium_share", 12, ""),
        (
            "loss_functions",
            "usgs_2024/gallium/*",
            "loss_usd_per_t",
            1e-3,
            "thousand USD per tonne instead of USD per tonne",
        ),
    ],
)
def test_a_single_figure_is_told_with_the_unit_that_it_seems_to_be_in(
    table: str, key: str, column: str, factor: float, guess: str
) -> None:
    """Proves: one cell in another unit, each named in its own row."""
    (note,) = told("quickstart", slipped(data(), {(table, column): factor}, lambda row: key_of(row) == key))
    assert note.startswith(f"{table}.csv {key} {column}: ")
    assert guess in note


def test_an_event_of_a_plan_in_months_is_told() -> None:
    """Proves: how long an event lasts is held against the record of its hazard."""
    asked = load_plan(shipped("models") / "quickstart.toml", {"scenarios.0.events.0.duration_years": 18})
    assert [(kind, item) for kind, item, _ in unlikely(asked, data())] == [
        (KIND, "scenarios.0.events.0.duration_years")
    ]


@pytest.mark.parametrize(
    ("column", "factor", "words"),
    [
        ("demand_t_per_yr", 1050.0, "kg instead of tonnes"),
        ("price_usd_per_kg", 7.0, ""),
        ("lead_yr", 12.0, "months instead of years"),
        ("budget.appropriation_musd.2029", 1000.0, "thousand USD instead of million USD"),
        ("cut_share", 100.0, "percent instead of a share"),
        ("price_usd_per_kg_high", 1 / 2.2046, "USD per pound instead of USD per kg"),
        ("name", 1000.0, ""),
    ],
)
def test_a_guess_at_the_slip_needs_a_factor_that_is_near(column: str, factor: float, words: str) -> None:
    """Proves: by the unit of a column; nothing where no factor of another unit is near."""
    assert slip(column, factor) == words


@pytest.mark.parametrize("name", PLANS)
def test_shipped_plans_state_nothing_that_is_not_used_and_are_not_doubted(name: str) -> None:
    """Proves: no note on unused years nor on lists for the shipped plans, and none on figures of tables without notes."""
    asked, tables = load_question(shipped("models") / f"{name}.toml")
    horizon = asked.horizon
    assert horizon.tail_years is not None
    years = range(horizon.first_year, horizon.first_year + horizon.years + horizon.tail_years)
    bare = {table: tuple(row.model_copy(update={"note": ""}) for row in rows) for table, rows in tables.tables.items()}
    assert list(unlikely(asked, Dataset(bare))) == []
    assert list(unused(asked, tables, years, select_materials(asked, tables))) == []


def test_small_plans_of_defaults_give_no_alarm() -> None:
    """Proves: tables in kilotonnes and USD/kg with nothing published beside them are not doubted."""
    asked, tables = tiny(
        {"a": 10.0, "b": {2027: 2.0, 2029: 3.0}},
        sources={
            "far": source("CHN", "a", 10.0),
            "near": source("AUS", "b", {2027: 4.0, 2028: 6.0}),
        },
        demand={"a": 10.0, ("b", "civil"): 3.0},
        offers={"spot": offer("a", 5.0), "more": offer("a", 5.0, 0.5)},
        money=50.0,
        projects={"mill": project("a", 4.0, capex_musd=30.0, cash_usd_per_kg=1.0)},
        steps=[("a", "civil", 0.1, 20.0)],
        scenarios=[cut("stop", 0.1, 2028.0, 1.0)],
    )
    assert [
        note for note in check(asked, tables).notes if "times too" in note or "used" in note or "listed" in note
    ] == []


def idle(asked: Plan, tables: Dataset) -> list[str]:
    """Notes on what is not used or stands twice."""
    report = check(asked, tables)
    assert not report.faults
    return [
        note
        for note in report.notes
        if "not used" in note or "use its first value" in note or "counts once" in note or "the same" in note
    ]


def two_years(**more: Any) -> tuple[Plan, Dataset]:
    """A plan of three years from 2027."""
    given: dict[str, Any] = {"demand": {"a": 10.0}, "money": 50.0, "sources": {"far": source("CHN", "a", 12.0)}, **more}
    return tiny({"a": 10.0}, **given)


@pytest.mark.parametrize(
    ("amounts", "years"),
    [
        ({2026: 9.0, 2027: 50.0}, ["2026"]),
        ({2027: 50.0, 2030: 60.0}, ["2030"]),
        ({2027: 50.0, 2029: 60.0}, []),
        ({2025: 50.0, 2028: 60.0}, []),
    ],
)
def test_an_amount_of_a_year_that_no_year_takes_is_told(amounts: dict[int, float], years: list[str]) -> None:
    """Proves: of a budget by year, a figure after the last computed year and one that another has replaced; a figure that holds
    until the first year is used."""
    notes = idle(*two_years(money=amounts))
    assert [note.split(":")[0] for note in notes] == [f"plan budget.appropriation_musd.{year}" for year in years]


def test_rows_of_years_that_no_year_takes_are_told_by_table() -> None:
    """Proves: late rows, rows replaced long ago and a series that only begins later; the last known value of a few years ago and a
    series that goes on in its own steps are as they should be."""
    late = two_years(demand={"a": {2027: 10.0, 2050: 20.0}})
    (note,) = idle(*late)
    assert note.startswith(
        "demand.csv from_year: 1 row (a/civil/2050): not used: it begins after the last computed year, 2029"
    )
    (note,) = idle(*two_years(demand={"a": {1990: 20.0, 2025: 10.0}}))
    assert "a/civil/1990" in note
    assert "2025 replaces it" in note
    (note,) = idle(*two_years(demand={"a": {2040: 10.0}}))
    assert "all computed years use its first value" in note
    assert (
        idle(
            *two_years(
                demand={"a": {2025: 9.0, 2026: 10.0, 2027: 11.0, 2028: 12.0, 2029: 13.0, 2030: 14.0, 2031: 15.0}}
            )
        )
        == []
    )


def test_what_stands_twice_in_a_list_is_told() -> None:
    """Proves: a material, an event of one scenario, and two scenarios of the same events; each still counts as it stands."""
    stop = cut("stop", 0.1, 2028.0, 1.0)
    twice = {**stop, "name": "twice", "events": [stop["events"][0], stop["events"][0]]}
    notes = idle(*two_years(scenarios=[stop, twice, {**stop, "name": "again"}]))
    assert [note.split(":")[0] for note in notes] == ["plan scenarios.1.events.1", "plan scenarios.2"]
    asked = load_plan(shipped("models") / "quickstart.toml", {"materials": ["gallium", "gallium", "germanium"]})
    notes = [note for note in check(asked, data()).notes if "counts once" in note]
    assert notes == ["plan materials: gallium is listed 2 times and counts once"]
