"""The shipped tables: they validate, say where each figure comes from, agree with each other and with public facts."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from strategic_minerals import Dataset, load_dataset, load_plan, shipped
from strategic_minerals.question import estimates
from strategic_minerals.question import tables as rows
from strategic_minerals.question.recipes import recipes, recipes_of, stale
from strategic_minerals.world.build import build_instance

INPUTS = Path(__file__).resolve().parents[2] / "inputs"
PRICE_SETS = {"mcs2024", "mcs2025e", "quotes2026"}


FILES = sorted(INPUTS.rglob("*.csv"))
HOMES = sorted(each.name for each in (INPUTS / "homes").iterdir())


@cache
def data(home: str = "USA") -> Dataset:
    return load_dataset(INPUTS, home)


def table(name: str) -> tuple[Any, ...]:
    return data().rows(name)


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


# (b) public facts


def test_rare_earths_of_china_and_the_united_states_are_those_first_reported() -> None:
    mined = {c: by_key("production")[f"rare_earths/{c}/mine/2024/MCS2025"].production_t for c in ("CHN", "WLD")}
    assert mined == {"CHN": 270_000, "WLD": 390_000}
    reserves = {r.country: r.reserves_t for r in table("reserves") if (r.mineral, r.year) == ("rare_earths", 2024)}
    assert (reserves["CHN"], reserves["USA"]) == (44e6, 1.9e6)
    listed = sum(tonnes for country, tonnes in reserves.items() if country != "WLD")
    assert reserves["CHN"] / listed == pytest.approx(0.5, abs=0.05)


def test_china_controlled_seven_rare_earths_in_april_2025_announced_five_more_and_never_neodymium() -> None:
    april, october = by_key("policy_events")["E14"], by_key("policy_events")["E15"]
    assert (str(april.announced), april.took_effect) == ("2025-04-04", True)
    seven = "samarium gadolinium terbium dysprosium lutetium scandium yttrium"
    assert set(april.minerals.split(",")) == set(seven.split())
    assert (str(october.announced), october.took_effect) == ("2025-10-09", False)
    assert set(october.minerals.split(",")) == {"holmium", "erbium", "thulium", "europium", "ytterbium"}
    for event in table("policy_events"):
        if event.country == "CHN":
            assert not {"neodymium", "praseodymium", "ndpr"} & set(re.split(r"[^a-z]+", event.minerals))
    status = {event.event: (event.status, event.took_effect) for event in table("policy_events")}
    assert {e for e, (_, took_effect) in status.items() if not took_effect} == {"E15", "E16", "E18"}
    assert status["E10"] == ("suspended", True)


# (c) estimates


@pytest.mark.parametrize("home", HOMES)
def test_every_estimate_follows_from_the_figures_that_its_note_names(home: str) -> None:
    """Proves: value, low and high of every figure with a recipe are what the recipe gives on the tables of the home."""
    assert [(str(one.recipe), one.recipe.table, one.recipe.key, one.why, one.stands) for one in stale(data(home))] == []
    assert len(list(recipes(data(home)))) > (1000 if home == "USA" else 300)


def test_an_estimate_names_its_function() -> None:
    for name in (name for name in rows.TABLES if name not in rows.FACT_TABLES):
        for row in table(name):
            if row.confidence == "estimate":
                assert list(recipes_of(name, row)), f"{key(name, row)} names no function of estimates.py"


def test_losses_between_published_ranks_fall_with_the_rank() -> None:
    losses = [estimates.rank_loss(rank, 1.0).central / 1e6 for rank in range(1, 55)]
    assert losses == sorted(losses, reverse=True)
    assert (losses[0], losses[4], losses[53]) == pytest.approx((4498, 1624, 2))
    with pytest.raises(ValueError, match="out of order"):
        estimates.Estimate(2.0, 1.0, 3.0)


# (d) completeness


def test_every_material_has_a_price_in_every_set_and_a_loss_under_every_function_where_it_is_demanded() -> None:
    priced = {(row.price_set, row.material) for row in table("prices")}
    assert priced == {(name, material) for name in PRICE_SETS for material in by_key("materials")}
    lost = {(row.loss_function, row.material) for row in table("loss_functions")}
    functions, demanded = {name for name, _ in lost}, {row.material for row in table("demand")}
    assert len(functions) == 7
    assert lost == {(name, material) for name in functions for material in demanded}


# (e) reconciliation


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
        if row.producer in by_key("activities"):
            balance[row.material] += row.yield_t_per_t * capacity(row.producer, 2028)
    for row in table("demand"):
        if row.from_year == 2028 or (row.from_year == 2026 and not row.material.startswith("ndfeb_magnet")):
            balance[row.material] -= row.demand_t_per_yr
    assert {material for material, tonnes in balance.items() if tonnes < -1e-6} == set()


def margin(producer: str, price_set: str) -> float:
    price = {row.material: row.price_usd_per_kg for row in table("prices") if row.price_set == price_set}
    return sum(y.yield_t_per_t * price[y.material] for y in table("yields") if y.producer == producer)


def test_tiers_average_the_loss_of_a_segment_and_price_states_spread_like_ndpr() -> None:
    tiers: dict[str, list[Any]] = defaultdict(list)
    for row in table("tiers"):
        tiers[row.segment].append(row)
    weight = {"defence": 0.02, "essential": 0.294, "other": 0.686}
    average = 0.0
    for segment, found in tiers.items():
        assert sum(row.share for row in found) == pytest.approx(1)
        multipliers = [row.loss_multiplier for row in sorted(found, key=lambda row: row.tier)]
        assert multipliers == sorted(multipliers)
        average += weight[segment] * sum(row.share * row.loss_multiplier for row in found)
    assert average == pytest.approx(1, abs=0.01)
    variance = sum(s.probability * (s.factor - 1) ** 2 for s in table("price_states"))
    assert variance**0.5 == pytest.approx(by_key("minerals")["ndpr"].price_cv, rel=0.15)


def test_import_shares_add_up_to_the_whole() -> None:
    shares = pd.DataFrame([row.model_dump() for row in table("import_shares")])
    assert shares.groupby("mineral")["import_share_pct"].sum().between(98, 102).all()


def test_running_sources_pay_their_cash_cost() -> None:
    """A floor in force lifts the price of the main output: MP Materials lives on its own at 2024 prices."""
    for price_set, year in (("mcs2024", 2024), ("mcs2025e", 2025), ("quotes2026", 2026)):
        for source in table("activities"):
            main = next(y.material for y in table("yields") if y.producer == source.activity and y.yield_t_per_t > 0)
            price = by_key("prices")[f"{price_set}/{main}/{year}"].price_usd_per_kg
            lift = max(0.0, (source.floor_usd_per_kg or 0.0) - price)
            assert margin(source.activity, price_set) + lift >= source.cash_usd_per_kg, (price_set, source.activity)


def test_floors_in_force_are_on_ndpr_and_on_magnets_and_on_nothing_else() -> None:
    """Proves: 110 USD/kg lifts NdPr oxide. On lanthanum and cerium oxide, of which more is made, it would be worth 280 USD/kg."""
    instance = build_instance(load_plan(shipped("models") / "rare-earths.toml"), data())
    agreed = {
        name: [(instance.materials[f.material], f.level * 1000) for f in floors]
        for name, floors in zip(instance.producers, instance.in_force, strict=True)
        if floors
    }
    assert set(agreed) == {"mp_separation", "mp_10x"}
    assert [material for material, _ in agreed["mp_10x"]] == ["ndfeb_magnet"]
    dollars_of_2024 = 110 / 1.027
    assert agreed["mp_separation"] == [("ndpr_oxide", pytest.approx(dollars_of_2024, abs=1e-3))]
