"""The shipped tables: they validate, say where each figure comes from, agree with each other and with public facts."""

from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from strategic_minerals import load_plan, shipped
from strategic_minerals.question import tables as rows
from strategic_minerals.question.read_csv import shipped_tables
from strategic_minerals.question.recipes import recipes, recipes_of, stale
from strategic_minerals.world.build import build_instance

INPUTS = Path(__file__).resolve().parents[2] / "inputs"
PRICE_SETS = {"mcs2024", "mcs2025e", "quotes2026"}


FILES = sorted(INPUTS.rglob("*.csv"))
HOMES = sorted(each.name for each in (INPUTS / "homes").iterdir() if each.is_dir())


def table(name: str) -> tuple[Any, ...]:
    return shipped_tables().rows(name)


def key(name: str, row: Any) -> str:
    return "/".join(str(getattr(row, part)) for part in rows.TABLES[name].key)


@cache
def by_key(name: str) -> dict[str, Any]:
    return {key(name, row): row for row in table(name)}


# (a) form and provenance
def test_the_folders_hold_the_tables_of_the_schema_and_nothing_else() -> None:
    """Proves: every table is a file of the world or of a home, and no other file is there; what is a home's is in no world file."""
    world, usa = ({path.stem for path in folder.glob("*.csv")} for folder in (INPUTS, INPUTS / "homes" / "USA"))
    assert world | usa == set(rows.TABLES)
    assert {path.stem for path in FILES} == set(rows.TABLES)
    assert set(HOMES) == {row.home for row in table("homes")}


def test_every_row_says_where_it_comes_from() -> None:
    for name in rows.TABLES:
        for row in table(name):
            assert row.source, key(name, row)
            assert row.year is not None or "undated" in row.source, key(name, row)
            assert "confidence" in row.model_fields_set, key(name, row)


# (b) estimates
@pytest.mark.parametrize("home", HOMES)
def test_every_estimate_follows_from_the_figures_that_its_note_names(home: str) -> None:
    """Proves: value, low and high of every figure with a recipe are what the recipe gives on the tables of the home."""
    data = shipped_tables(home)
    assert [(str(one.recipe), one.recipe.table, one.recipe.key, one.why, one.stands) for one in stale(data)] == []
    assert len(list(recipes(data))) > (1000 if home == "USA" else 300)


def test_an_estimate_names_its_function() -> None:
    for name in (name for name in rows.TABLES if name not in rows.FACT_TABLES):
        for row in table(name):
            if row.confidence == "estimate":
                assert list(recipes_of(name, row)), f"{key(name, row)} names no function of estimates.py"


# (c) completeness
def test_every_material_has_a_price_in_every_set_and_a_loss_under_every_function_where_it_is_demanded() -> None:
    priced = {(row.price_set, row.material) for row in table("prices")}
    own = [name for name, row in by_key("materials").items() if row.qualified_of is None]
    assert priced == {(name, material) for name in PRICE_SETS for material in own}
    lost = {(row.loss_function, row.material) for row in table("loss_functions")}
    functions, demanded = {name for name, _ in lost}, {row.material for row in table("demand")}
    assert len(functions) == 7
    assert lost == {(name, material) for name in functions for material in demanded}


# (d) reconciliation
def test_countries_add_up_to_the_world_total_of_2024_within_two_percent() -> None:
    totals: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for row in table("production"):
        if (row.edition, row.year) == ("MCS2026", 2024):
            totals[row.mineral, row.stage][row.country] = row.production_t
    checked = 0
    for (mineral, stage), countries in totals.items():
        if "WLD" in countries:
            listed = sum(tonnes for country, tonnes in countries.items() if country != "WLD")
            assert listed == pytest.approx(countries["WLD"], rel=0.02), (mineral, stage)
            checked += 1
    assert checked >= 30


def capacity(activity: str, year: int) -> float:
    found = [c for c in table("capacities") if c.activity == activity and c.from_year <= year]
    return float(max(found, key=lambda c: c.from_year).capacity_t_per_yr)


def test_inputs_of_running_plants_are_covered_beside_demand() -> None:
    balance: dict[str, float] = defaultdict(float)
    for row in table("yields"):
        if row.producer in by_key("activities") and by_key("materials")[row.material].qualified_of is None:
            if "qualification" in row.producer:
                continue  # passes on what defence takes, which counts below
            balance[row.material] += row.yield_t_per_t * capacity(row.producer, 2028)
    for row in table("demand"):
        if row.from_year == 2028 or (row.from_year == 2026 and not row.material.startswith("ndfeb_magnet")):
            balance[row.material] -= row.demand_t_per_yr
    assert {material for material, tonnes in balance.items() if tonnes < -1e-6} == set()


def test_floors_in_force_are_on_ndpr_and_on_magnets_and_on_nothing_else() -> None:
    """Proves: 110 USD/kg lifts NdPr oxide. On lanthanum and cerium oxide, of which more is made, it would be worth 280 USD/kg."""
    instance = build_instance(load_plan(shipped("models") / "rare-earths.toml"), shipped_tables())
    agreed = {
        name: [(instance.materials[f.material], f.level * 1000) for f in floors]
        for name, floors in zip(instance.producers, instance.in_force, strict=True)
        if floors
    }
    assert set(agreed) == {"mp_separation", "mp_10x"}
    assert {material for material, _ in agreed["mp_10x"]} == {"ndfeb_magnet"}
    rise = (330.857 / 218.056) ** (1 / 16)  # 110 are not indexed: a year later they are worth less
    left = [110 / 1.027 / rise ** (year - 2025) for year in range(2027, 2036)]
    assert agreed["mp_separation"] == [("ndpr_oxide", pytest.approx(level, rel=1e-4)) for level in left]
