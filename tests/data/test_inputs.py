"""The shipped tables: they validate, say where each figure comes from, agree with each other and with public facts."""

from __future__ import annotations

import inspect
import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from strategic_minerals import Dataset, load_dataset
from strategic_minerals.question import estimates
from strategic_minerals.question import estimates as profile_estimates
from strategic_minerals.question import tables as rows
from strategic_minerals.question.recipes import Facts, recipes, recipes_of, stale

INPUTS = Path(__file__).resolve().parents[2] / "inputs"
PLANNING = [name for name in rows.TABLES if name not in rows.FACT_TABLES]
LOSS_FUNCTIONS = {
    "usgs_2025",
    "usgs_2024",
    "ecb_2026",
    "ecb_2026_extreme",
    "imf_2026",
    "oxford_2025",
    "goldman_2025",
}
PRICE_SETS = {"mcs2024", "mcs2025e", "quotes2026"}
RARE_EARTH_MINERALS = {"rare_earths", "ndpr", "dysprosium", "terbium", "samarium", "gadolinium", "yttrium", "scandium"}
MODULES = (profile_estimates,)


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


def calls(row: Any) -> dict[str, estimates.Estimate]:
    """Column -> value of the function that the note names for it."""
    name = next(name for name, model in rows.TABLES.items() if isinstance(row, model))
    return {each.column: Facts(data()).value(each) for each in recipes_of(name, row)}


# (a) form and provenance


@pytest.mark.parametrize("name", rows.TABLES)
def test_every_table_validates_and_says_where_it_comes_from(name: str) -> None:
    for row in table(name):
        assert row.source, key(name, row)
        assert row.year is not None or "undated" in row.source, key(name, row)
        assert "confidence" in row.model_fields_set, key(name, row)


def test_the_folders_hold_the_tables_of_the_schema_and_nothing_else() -> None:
    """Proves: every table is a file of the world or of a home, and no other file is there; what is a home's is in no world file."""
    world, usa = ({path.stem for path in folder.glob("*.csv")} for folder in (INPUTS, INPUTS / "homes" / "USA"))
    assert world | usa == set(rows.TABLES)
    assert {path.stem for path in FILES} == set(rows.TABLES)
    assert set(HOMES) == {row.home for row in table("homes")}


@pytest.mark.parametrize("name", rows.TABLES)
def test_keys_are_unique(name: str) -> None:
    assert len(by_key(name)) == len(table(name))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(INPUTS)))
def test_files_are_plain_utf8_and_cite_no_place_on_a_machine(file: Path) -> None:
    raw = file.read_bytes()
    text = raw.decode("utf-8")
    assert b"\r" not in raw
    assert not re.search(r"/work|/tmp|shared/data|\.csv|archived", text)
    assert (
        "World Mining Data" not in text
        or file.stem in ("production", "capacities")
        or file.parent.name in ("JPN", "EUU", "KOR")
    )


@pytest.mark.parametrize("name", rows.TABLES)
def test_low_central_and_high_come_in_that_order(name: str) -> None:
    fields = [f for f in rows.TABLES[name].model_fields if f"{f}_low" in rows.TABLES[name].model_fields]
    for row in table(name):
        for field in fields:
            low, value, high = (getattr(row, f"{field}{end}") for end in ("_low", "", "_high"))
            assert (low is None) == (high is None), (key(name, row), field)
            assert low is None or low <= value <= high, (key(name, row), field)


# (c) estimates


@pytest.mark.parametrize("name", PLANNING)
def test_an_estimate_names_its_function_and_has_a_range(name: str) -> None:
    for row in table(name):
        named = calls(row)
        assert row.confidence != "estimate" or named, f"{key(name, row)} names no function of estimates.py"
        for field in type(row).model_fields:
            if getattr(row, f"{field}_low", None) is not None:
                explained = field in named or re.search(r"low|high|" + field.split("_")[0], row.note, re.IGNORECASE)
                assert explained, f"{key(name, row)}: nothing says where the range of {field} comes from"


@pytest.mark.parametrize("home", HOMES)
def test_every_estimate_follows_from_the_figures_that_its_note_names(home: str) -> None:
    """Proves: value, low and high of every figure with a recipe are what the recipe gives on the tables of the home."""
    assert [(str(one.recipe), one.recipe.table, one.recipe.key, one.why, one.stands) for one in stale(data(home))] == []
    assert len(list(recipes(data(home)))) > (1000 if home == "USA" else 300)


def test_every_estimate_function_is_documented_and_used() -> None:
    public = {
        name: value
        for module in MODULES
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", "") == module.__name__ and not name.startswith("_")
    }
    inner = ("Estimate", "growth", "civil_direct_share", "clipped", "log_spread")
    others = (
        "duration_posterior",
        "calibrate",
        "OreReserve",
        "ore_reserves",
        "ore_ends",
    )
    for name in (*inner, *others):
        del public[name]
    assert all(value.__doc__ for value in public.values())
    text = "".join(file.read_text("utf-8") for file in FILES)
    assert {name for name in public if f"{name}(" not in text} == set()


def test_functions_of_observed_losses_are_documented_and_recompute_the_rows_that_name_them() -> None:
    """Proves: every estimate of `observed_profiles` with a function is what it gives, with its range."""
    named = {n: value for n, value in vars(profile_estimates).items() if inspect.isfunction(value) and n[0] != "_"}
    assert all(value.__doc__ for value in named.values())
    found = [(row, calls(row)["loss_share"]) for row in table("observed_profiles") if calls(row)]
    assert len(found) >= 10
    for row, value in found:
        assert row.confidence == "estimate"
        told = (row.loss_share_low, row.loss_share, row.loss_share_high)
        assert told == pytest.approx((value.low, value.central, value.high), rel=1e-4, abs=1e-5), key(
            "observed_profiles", row
        )


def test_an_estimate_out_of_order_is_refused() -> None:
    with pytest.raises(ValueError, match="out of order"):
        estimates.Estimate(2.0, 1.0, 3.0)


def test_losses_between_published_ranks_fall_with_the_rank() -> None:
    losses = [estimates.rank_loss(rank, 1.0).central / 1e6 for rank in range(1, 55)]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] == pytest.approx(4498)
    assert losses[4] == pytest.approx(1624)
    assert losses[53] == pytest.approx(2)


# (b) public facts


def produced(mineral: str, country: str, edition: str, year: int = 2024, stage: str = "mine") -> float:
    return float(by_key("production")[f"{mineral}/{country}/{stage}/{year}/{edition}"].production_t)


def test_china_mined_nearly_seventy_percent_of_rare_earths_in_2024_as_first_reported() -> None:
    china, scenario = produced("rare_earths", "CHN", "MCS2025"), produced("rare_earths", "WLD", "MCS2025")
    assert (china, scenario) == (270_000, 390_000)
    assert china / scenario == pytest.approx(0.70, abs=0.02)


def test_china_holds_nearly_half_of_rare_earth_reserves_and_the_united_states_two_percent() -> None:
    reserves = {r.country: r.reserves_t for r in table("reserves") if (r.mineral, r.year) == ("rare_earths", 2024)}
    assert reserves["CHN"] == 44e6
    assert reserves["USA"] == 1.9e6
    listed = sum(tonnes for country, tonnes in reserves.items() if country != "WLD")
    assert reserves["CHN"] / listed == pytest.approx(0.5, abs=0.05)
    assert reserves["USA"] / listed == pytest.approx(0.02, abs=0.005)


def elements(event: str) -> set[str]:
    return set(by_key("policy_events")[event].minerals.split(","))


def test_china_controlled_seven_rare_earths_in_april_2025_and_announced_five_more_in_october() -> None:
    april, october = by_key("policy_events")["E14"], by_key("policy_events")["E15"]
    assert str(april.announced) == "2025-04-04"
    assert april.took_effect
    assert elements("E14") == {
        "samarium",
        "gadolinium",
        "terbium",
        "dysprosium",
        "lutetium",
        "scandium",
        "yttrium",
    }
    assert str(october.announced) == "2025-10-09"
    assert not october.took_effect
    assert elements("E15") == {"holmium", "erbium", "thulium", "europium", "ytterbium"}


def test_neodymium_and_praseodymium_were_never_controlled() -> None:
    for event in table("policy_events"):
        if event.country == "CHN":
            assert not {"neodymium", "praseodymium", "ndpr"} & set(re.split(r"[^a-z]+", event.minerals))


def test_measures_that_never_took_effect_are_told_from_suspended_ones() -> None:
    status = {event.event: (event.status, event.took_effect) for event in table("policy_events")}
    assert {e for e, (_, took_effect) in status.items() if not took_effect} == {"E15", "E16", "E18"}
    assert all(status[e][0] == "announced" for e in ("E15", "E16", "E18"))
    assert status["E10"] == ("suspended", True)


def test_terms_of_the_mp_materials_agreement() -> None:
    terms = {a.term: a.value for a in table("support_agreements") if a.agreement == "mp_dow_2025"}
    assert terms["floor_price"] == 110
    assert terms["duration"] == 10
    assert terms["upside_share"] == pytest.approx(0.30)
    assert terms["equity_stake"] == pytest.approx(0.15)
    assert terms["preferred_equity"] == 400


# (d) references and size


def test_foreign_keys_resolve() -> None:
    materials, countries = set(by_key("materials")), set(by_key("countries"))
    activities, projects = set(by_key("activities")), set(by_key("projects"))
    minerals, producers = set(by_key("minerals")), activities | projects
    assert not activities & projects
    for name, allowed in (
        ("yields", materials),
        ("demand", materials),
        ("substitution", materials),
        ("prices", materials),
        ("offers", materials),
        ("stock", materials),
        ("loss_functions", materials),
        ("tiers", materials | {"*"}),
    ):
        assert {row.material for row in table(name)} <= allowed, name
    for name in ("activities", "projects", "production", "reserves", "import_shares", "policy_events"):
        assert {row.country for row in table(name)} <= countries, name
    assert {row.mineral for row in table("materials")} <= minerals
    assert {row.producer for row in table("yields")} == producers
    assert {row.activity for row in table("capacities")} == activities
    assert {row.project for row in table("ramps")} <= projects | {"*"}
    assert {row.producer for row in table("supported_producers")} <= producers
    assert {row.floor_material for row in table("supported_producers")} - {None} <= materials
    assert {row.price_set for row in table("supported_producers")} <= {row.price_set for row in table("prices")}
    agreements = {row.agreement for row in table("support_agreements")}
    assert {row.agreement for row in table("supported_producers")} <= agreements
    assert {row.instrument for row in table("packages")} <= set(by_key("instruments"))
    assert {row.project for row in table("packages")} - {None} <= projects
    for project in table("projects"):
        assert {*project.needs.split(), *project.excludes.split()} <= projects
    segments = {row.segment for row in table("demand")}
    assert {row.segment for row in (*table("tiers"), *table("substitution"))} <= segments
    for hazard in table("hazards"):
        assert set(hazard.materials.split()) - {"*"} <= materials
        assert set(hazard.countries.split()) - {"*"} <= countries


def test_an_offer_comes_from_a_producer_of_its_material_or_states_its_own_availability() -> None:
    made = {(row.producer, row.material) for row in table("yields") if row.yield_t_per_t > 0}
    for offer in table("offers"):
        outside = offer.source_producer == "outside"
        assert outside or (offer.source_producer, offer.material) in made
        assert outside == (offer.crisis_availability is not None)


def test_the_tables_are_large_enough() -> None:
    others = [row for row in table("materials") if row.mineral not in RARE_EARTH_MINERALS]
    assert len(others) >= 25
    assert len(table("projects")) >= 18
    assert len(table("policy_events")) >= 20
    assert len(table("hazards")) >= 10


def test_every_material_has_a_price_in_every_set() -> None:
    sets = defaultdict(set)
    for row in table("prices"):
        sets[row.price_set].add(row.material)
    assert set(sets) == PRICE_SETS
    assert all(materials == set(by_key("materials")) for materials in sets.values())


def test_every_demanded_material_has_a_loss_under_every_loss_function() -> None:
    demanded = {row.material for row in table("demand")}
    found = {(row.loss_function, row.material) for row in table("loss_functions")}
    assert found == {(name, material) for name in LOSS_FUNCTIONS for material in demanded}


def test_going_without_hurts_more_than_the_price() -> None:
    price = {row.material: row.price_usd_per_kg for row in table("prices") if row.price_set == "mcs2024"}
    small = {r.material for r in table("loss_functions") if r.loss_usd_per_t < 1000 * price[r.material]}
    common = {
        "antimony",
        "tungsten",
        "graphite_flake",
        "graphite_anode",
        "cobalt",
        "lithium_carbonate",
        "titanium_sponge",
        "tantalum",
        "niobium",
        "vanadium",
        "bismuth",
        "magnesium",
        "fluorspar",
        "chromium",
        "arsenic",
        "tin",
        "manganese",
        "nickel",
        "silicon",
        "molybdenum",
        "zirconium",
        "scandium_oxide",
        "zinc",
        "palladium",
        "platinum",
        "beryllium",
        "rhenium",
    }
    assert small <= common  # the loss is net of the price, and adds to it


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


def test_import_shares_do_not_exceed_the_whole() -> None:
    shares = pd.DataFrame([row.model_dump() for row in table("import_shares")])
    total = shares.groupby("mineral")["import_share_pct"].sum()
    assert total.max() <= 102
    assert set(total[total < 98].index) == set()


def capacity(activity: str, year: int) -> float:
    found = [c for c in table("capacities") if c.activity == activity and c.from_year <= year]
    return float(max(found, key=lambda c: c.from_year).capacity_t_per_yr)


@pytest.mark.parametrize("year", [2026, 2027, 2028, 2030, 2033, 2036])
def test_peacetime_sources_cover_demand_of_every_material(year: int) -> None:
    demand: dict[str, dict[str, Any]] = defaultdict(dict)
    for row in table("demand"):
        if row.from_year <= year:
            held = demand[row.material].get(row.segment)
            demand[row.material][row.segment] = max(held or row, row, key=lambda r: r.from_year)
    supply: dict[str, float] = defaultdict(float)
    for row in table("yields"):
        if row.yield_t_per_t > 0 and row.producer in by_key("activities"):
            supply[row.material] += row.yield_t_per_t * capacity(row.producer, year)
    for material, segments in demand.items():
        assert supply[material] >= sum(row.demand_t_per_yr for row in segments.values()), material


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


@pytest.mark.parametrize("price_set", sorted(PRICE_SETS))
def test_running_sources_pay_their_cash_cost(price_set: str) -> None:
    """A floor in force lifts the price of the main output: MP Materials lives on its own at 2024 prices."""
    for source in table("activities"):
        main = next(y.material for y in table("yields") if y.producer == source.activity and y.yield_t_per_t > 0)
        year = {"mcs2024": 2024, "mcs2025e": 2025, "quotes2026": 2026}[price_set]
        price = by_key("prices")[f"{price_set}/{main}/{year}"].price_usd_per_kg
        lift = max(0.0, (source.floor_usd_per_kg or 0.0) - price)
        assert margin(source.activity, price_set) + lift >= source.cash_usd_per_kg, source.activity


def test_home_magnet_plants_pay_their_cash_cost_but_not_their_capital() -> None:
    for plant in ("mp_10x", "vulcan_benson"):
        project = by_key("projects")[plant]
        earned = (margin(plant, "mcs2024") - project.cash_usd_per_kg) * project.capacity_t_per_yr / 1000
        assert 0 < earned < project.hurdle_rate * project.capex_musd


def test_only_carina_cannot_pay_its_cash_cost_at_chinese_prices() -> None:
    losing = {p.project for p in table("projects") if margin(p.project, "mcs2024") < p.cash_usd_per_kg}
    assert losing == {"carina"}


def test_no_country_sells_more_of_a_mineral_than_it_makes_at_that_stage() -> None:
    material = by_key("materials")
    made = {(p.mineral, p.country): p for p in table("production") if (p.edition, p.year) == ("MCS2026", 2024)}
    checked = 0
    for y in table("yields"):
        source, about = by_key("activities").get(y.producer), material[y.material]
        if source is None or source.country == "OTH" or about.mineral in RARE_EARTH_MINERALS:
            continue
        output = made.get((about.mineral, source.country))
        same_stage = output and (output.stage == "refined" or about.stage in {"concentrate", "ore"})
        if same_stage and source.stage not in {"recycling", "primary"} and source.country != "USA":
            assert capacity(y.producer, 2026) <= output.production_t * 1.0001, y.producer
            checked += 1
    assert checked >= 20


def test_price_states_are_equally_likely_with_mean_one_and_the_spread_of_ndpr() -> None:
    states = table("price_states")
    assert len(states) == 5
    assert sum(s.probability for s in states) == pytest.approx(1, abs=1e-12)
    assert sum(s.probability * s.factor for s in states) == pytest.approx(1, abs=1e-9)
    variance = sum(s.probability * (s.factor - 1) ** 2 for s in states)
    assert variance**0.5 == pytest.approx(by_key("minerals")["ndpr"].price_cv, rel=0.15)


def test_tiers_cover_a_segment_and_average_its_loss() -> None:
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


def test_floors_in_force_are_on_ndpr_and_on_magnets_and_on_nothing_else():
    """Proves: 110 USD/kg lifts NdPr oxide. On lanthanum and cerium oxide, of which more is made, it would be worth 280 USD/kg."""
    from strategic_minerals import load_dataset, load_plan, shipped
    from strategic_minerals.world.build import build_instance

    instance = build_instance(load_plan(shipped("models") / "rare-earths.toml"), load_dataset(shipped("inputs")))
    floors = instance.in_force[instance.producers.index("mp_separation")]
    dollars_of_2024 = round(110 / 1.027, 3)
    assert [(instance.materials[f.material], round(f.level * 1000, 3)) for f in floors] == [
        ("ndpr_oxide", dollars_of_2024)
    ]
    agreed = {
        name: [instance.materials[f.material] for f in floors]
        for name, floors in zip(instance.producers, instance.in_force, strict=True)
        if floors
    }
    assert agreed == {"mp_separation": ["ndpr_oxide"], "mp_10x": ["ndfeb_magnet"]}
