"""What a plan states and nothing comes of it: each is a fault or a note, and what is at work is neither."""

from typing import Any

import pytest

from strategic_minerals import Dataset, Plan, PlanError, check, load_plan, scenario_outlook, shipped
from strategic_minerals.question.base import Row
from strategic_minerals.question.plan import Sample
from strategic_minerals.question.read_toml import parse_plan
from strategic_minerals.question.tables import TABLES
from strategic_minerals.world.unused import unused
from support.tiny import cut, offer, source, tiny

SAMPLE = {"scenarios": 4, "seed": 1}


def quick(**changes: Any) -> Plan:
    """The quickstart plan with fields replaced."""
    told = load_plan(shipped("models") / "quickstart.toml").to_toml_like()
    return parse_plan({**told, **changes}, file="plan")


def small(**more: Any) -> tuple[Plan, Dataset]:
    """A plan of five years from 2027 with two of three materials, of which more is asked."""
    given: dict[str, Any] = {
        "demand": {"a": 10.0, ("b", "defence"): 3.0},
        "sources": {"far": source("CHN", "a", 12.0), "near": source("USA", "b", 4.0)},
        "offers": {"spot": offer("a", 5.0), "more": offer("c", 5.0)},
        "money": 50.0,
        "years": 5,
        **more,
    }
    asked, data = tiny({"a": 10.0, "b": 20.0, "c": 5.0}, **given)
    return asked.model_copy(update={"materials": ("a", "b")}), data


def hazard(name: str = "ban", materials: str = "a", **fields: Any) -> Row:
    """A row of the table of hazards: a Chinese stop of a year, every other year."""
    given = {"hazard": name, "name": name, "kind": "embargo", "countries": "CHN", "materials": materials}
    given |= {"rate_per_yr": 0.5, "duration_yr": 1.0, "cut_share": 1.0, **fields}
    return TABLES["hazards"].model_validate(given)


def with_hazards(data: Dataset, *rows: Row) -> Dataset:
    """Tables with hazards."""
    return Dataset({**data.tables, "hazards": rows})


def notes(asked: Plan, data: Dataset, *words: str) -> list[str]:
    """Notes with all of some words."""
    report = check(asked, data)
    assert not report.faults, report.faults
    return [note for note in report.notes if all(word in note for word in words)]


def test_shares_and_years_that_contradict_each_other_are_faults() -> None:
    """Proves: probabilities beyond one, two values of one hazard."""
    first = {"hazard": "pacific_war", "cut_share": 0.5}
    for changes, told in (
        ({"sample": {**SAMPLE, "quiet_probability": 0.9}}, "quiet_probability 0.9 and the listed 0.22 add up to 1.12"),
        ({"hazards": [first, {**first, "cut_share": 0.7}]}, "expected one value of pacific_war: hazards.0 says 0.5"),
    ):
        with pytest.raises(PlanError, match=told):
            quick(**changes)
    quick(hazards=[first, {"hazard": "pacific_war", "duration_yr": 1.0}])


def test_an_outlook_without_probability_has_finite_figures() -> None:
    """Proves: where listed and quiet scenarios leave the sample nothing."""
    asked, data = small(scenarios=[cut("stop", 0.99, 2028.0, 1.0, "a")])
    data = with_hazards(data, hazard())
    asked = asked.model_copy(update={"sample": Sample(**SAMPLE, quiet_probability=0.02)})
    (note,) = notes(asked, data, "plan sample", "no probability")
    assert "scenarios" in note
    found = scenario_outlook(asked, data, scenarios=4)
    assert found.tables["materials"].notna().all(axis=None)
    assert found.tables["hazards"]["mean_duration_yr"].notna().all()


COVER = {"material": "c", "days": 90.0, "from_year": 2027}
CAP = {"material": "c", "kind": "country_cap", "country": "CHN", "share": 0.5, "from_year": 2027}
MENU = {"material": "a", "levels_usd_per_kg": [12.0], "term_years": 5, "scope": "market"}
CONTROL = {"name": "quota", "countries": "CHN", "materials": "c", "cut_share": 0.3, "until_year": 2029.0}


def stopped(name: str, material: str = "a", **event: Any) -> dict[str, Any]:
    """A scenario of one stop of a year."""
    return cut(name, 0.05, 2028.0, 1.0, material, **event)


IDLE: list[tuple[dict[str, Any], list[str]]] = [
    (
        {
            "days_of_cover": [COVER, {**COVER, "material": "a", "from_year": 2050}],
            "diversification": [{**CAP, "material": "a", "country": "AUS", "hard": True}],
        },
        [
            "days_of_cover.0.material: c is not planned: the rule has no effect",
            "days_of_cover.1.from_year: 2050 is after the last computed year",
            "diversification.0.country: no planned source in AUS makes a: the cap has no effect",
        ],
    ),
    (
        {
            "scenarios": [
                stopped("unplanned", "c"),
                stopped("elsewhere", countries="AUS"),
                stopped("nothing", share=0.0),
                stopped("price-that-falls", price_multiplier=0.5),
            ]
        },
        [
            "scenarios.0.events.0: c is not planned: the event has no effect",
            "scenarios.1.events.0: no planned source in AUS makes a, and prices and demand do not change",
            "scenarios.2.events.0: no cut, and unchanged price and demand",
            "scenarios.3.events.0.price_multiplier: 0.5, outside the usual range; expected 1 to 25",
        ],
    ),
    (
        {
            "sample": {**SAMPLE, "hazards": ["other", "flood"]},
            "hazards": [{"hazard": "ban", "cut_share": 0.5}],
            "money": {2026: 60.0, 2027: 70.0, 2050: 80.0},
        },
        [
            "sample.hazards: other affects no planned material: c is not planned",
            "hazards.0: neither the sample nor a scenario uses ban",
            "budget.appropriation_musd.2050: 80 is not used: the last",
        ],
    ),
    (
        {"risk": {"alpha": 0.05, "cvar_weight": 1.0}, "materials": {"a": {"storage_t": 0.0}}},
        [
            "risk.alpha: 0.05, outside the usual range; expected at least 0.5",
            "materials.csv a storage_t: 0: the reserve can store",
        ],
    ),
    ({"money": {2029: 60.0}}, ["the first year named is FY2029: there is no money before it"]),
]
"""What is stated, and what is said of it."""


def test_an_entry_of_which_nothing_comes_is_told_once() -> None:
    for fields, every in IDLE:
        asked, data = small(**fields)
        found = notes(asked, with_hazards(data, hazard(), hazard("other", "c"), hazard("flood", flood_yr=1.0)))
        for told in every:
            assert len([note for note in found if told in note]) == 1, (told, found)


WORKING: list[dict[str, Any]] = [
    {"diversification": [{**CAP, "material": "a", "penalty_usd_per_kg": 5.0}], "risk": {"alpha": 0.9}},
    {"budget": {"liability_cap_musd": 10.0}, "instruments": {"price_floors": [MENU]}},
    {"days_of_cover": [{**COVER, "material": "a"}], "controls": [{**CONTROL, "materials": "a c"}]},
    {"scenarios": [stopped("surge", "a b", countries="AUS", share=0.0, demand_multipliers={"defence": 2.0})]},
    {"money": {2025: 50.0, 2028: 60.0}, "materials": {"a": {"storage_t": 500.0}}},
]
"""The same with the difference that gives it an effect."""


def test_the_same_at_work_is_not_told() -> None:
    """Proves: rules, measures, events, floods, hazards, limits and series at work give no note of this kind."""
    for fields in WORKING:
        asked, data = small(**fields)
        data = with_hazards(data, hazard(), hazard("other", "c"))
        computed = range(2027, 2027 + asked.horizon.years)
        assert list(unused(asked, data, computed, asked.materials)) == [], fields
