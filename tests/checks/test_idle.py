"""What a plan states and nothing comes of it: each is a fault or a note, and what is at work is neither."""

from __future__ import annotations

from functools import cache
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest

from strategic_minerals import (
    Dataset,
    Plan,
    PlanError,
    alternatives,
    check,
    load_dataset,
    load_plan,
    scenario_outlook,
    shipped,
    sweep,
)
from strategic_minerals.core.errors import InputError
from strategic_minerals.question.base import Row
from strategic_minerals.question.plan import Sample
from strategic_minerals.question.read_toml import parse_plan
from strategic_minerals.question.tables import TABLES
from strategic_minerals.studies.sweep import varied_in_vain
from strategic_minerals.world.unused import unused
from support.tiny import cut, offer, source, tiny
from support.tiny import project as mill

PLANNED = ("gallium", "germanium", "antimony")
SAMPLE = {"scenarios": 4, "seed": 1}


@cache
def tables() -> Dataset:
    """The shipped tables."""
    return load_dataset(shipped("inputs"))


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
    given = {
        "hazard": name,
        "name": name,
        "kind": "embargo",
        "countries": "CHN",
        "materials": materials,
        "rate_per_yr": 0.5,
        "duration_yr": 1.0,
        "cut_share": 1.0,
        **fields,
    }
    return TABLES["hazards"].model_validate(given)


def with_hazards(data: Dataset, *rows: Row) -> Dataset:
    """Tables with hazards."""
    return Dataset({**data.tables, "hazards": rows})


def notes(asked: Plan, data: Dataset, *words: str) -> list[str]:
    """Notes with all of some words."""
    report = check(asked, data)
    assert not report.faults, report.faults
    return [note for note in report.notes if all(word in note for word in words)]


@pytest.mark.parametrize("quiet", [0.9, 1.0])
def test_quiet_probability_and_listed_ones_beyond_one_are_a_fault(quiet: float) -> None:
    with pytest.raises(PlanError, match=rf"quiet_probability {quiet:g} and the listed 0.22 add up to {quiet + 0.22:g}"):
        quick(sample={**SAMPLE, "quiet_probability": quiet})


@pytest.mark.parametrize(("listed", "quiet"), [(0.78, 0.22), (1.0, 0.02), (0.99, 0.02)])
def test_a_sample_without_probability_is_told_and_its_outlook_has_finite_figures(listed: float, quiet: float) -> None:
    """Proves: where listed and quiet scenarios leave the sample nothing, the plan is looked at as any other."""
    asked, data = small(scenarios=[cut("stop", listed, 2028.0, 1.0, "a")])
    data = with_hazards(data, hazard())
    asked = asked.model_copy(update={"sample": Sample(**SAMPLE, quiet_probability=quiet)})
    (note,) = notes(asked, data, "plan sample", "no probability")
    assert "scenarios" in note
    found = scenario_outlook(asked, data, scenarios=4)
    assert found.tables["materials"].notna().all(axis=None)
    assert found.tables["hazards"]["mean_duration_yr"].notna().all()


def test_a_scenario_without_probability_has_an_outlook() -> None:
    """Proves: an event that is listed with probability 0, to see what it would do, is described."""
    told = quick().to_toml_like()["scenarios"]
    for scenario in told:
        scenario["probability"] = 0.0
    found = scenario_outlook(quick(scenarios=told), tables(), scenarios=4)
    assert found.tables["hazards"]["mean_duration_yr"].notna().all()
    assert found.tables["materials"].notna().all(axis=None)


@pytest.mark.parametrize("slack", [5.0, 1.5, 100.0])
def test_a_slack_in_percent_is_refused(slack: float) -> None:
    with pytest.raises(InputError, match=f"slack  found {slack}; expected at most 1"):
        alternatives(SimpleNamespace(), slack=slack)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["appropriation_musd", "liability_cap_musd", "emergency_musd"])
@pytest.mark.parametrize(
    ("amounts", "told"),
    [
        ({"2027": 60.0, "2027.0": 30.0}, "each year once, not both '2027' and '2027.0'"),
        ({"2027": 60.0, "02027": 70.0}, "each year once, not both '2027' and '02027'"),
        ({}, "not an empty table"),
    ],
)
def test_amounts_by_year_name_each_year_once(name: str, amounts: dict[str, float], told: str) -> None:
    with pytest.raises(PlanError, match=told):
        quick(budget={"appropriation_musd": 60.0, name: amounts})


def test_two_overrides_of_one_hazard_that_differ_are_a_fault() -> None:
    first = {"hazard": "pacific_war", "cut_share": 0.5}
    with pytest.raises(
        PlanError, match=r"hazards.1.cut_share  found 0.7; expected one value of pacific_war: hazards.0 says 0.5"
    ):
        quick(hazards=[first, {**first, "cut_share": 0.7}])
    quick(hazards=[first, {"hazard": "pacific_war", "duration_yr": 1.0}])


COVER = {"material": "c", "days": 90.0, "from_year": 2027}
CAP = {"material": "c", "kind": "country_cap", "country": "CHN", "share": 0.5, "from_year": 2027}


def again(first: float, second: float) -> dict[str, Any]:
    """A scenario in which one hazard strikes from two dates on."""
    events = [{"hazard": "ban", "start_year": first}, {"hazard": "ban", "start_year": second}]
    return {"name": "s", "probability": 0.1, "events": events}


def struck(**event: Any) -> dict[str, Any]:
    """A scenario in which one hazard strikes as an event states it."""
    return {"name": "s", "probability": 0.1, "events": [{"hazard": "ban", "start_year": 2028.0, **event}]}


MENU = {"material": "a", "levels_usd_per_kg": [12.0], "term_years": 5, "scope": "market"}
CONTROL = {"name": "quota", "countries": "CHN", "materials": "c", "cut_share": 0.3, "until_year": 2029.0}
IDLE: list[tuple[str, dict[str, Any], str]] = [
    ("cover", {"days_of_cover": [COVER]}, "days_of_cover.0.material: c is not planned: the rule has no effect"),
    ("cap", {"diversification": [{**CAP, "hard": True}]}, "diversification.0.material: c is not planned"),
    (
        "a cap where nothing is made",
        {"diversification": [{**CAP, "material": "a", "country": "AUS", "hard": True}]},
        "diversification.0.country: no planned source in AUS makes a: the cap has no effect",
    ),
    (
        "a rule of later years",
        {"days_of_cover": [{**COVER, "material": "a", "from_year": 2050}]},
        "days_of_cover.0.from_year: 2050 is after the last computed year",
    ),
    ("control", {"controls": [CONTROL]}, "controls.0.materials: c is not planned: the measure has no effect"),
    (
        "control elsewhere",
        {"controls": [{**CONTROL, "materials": "a", "countries": "AUS"}]},
        "controls.0.countries: no planned source in AUS makes a: the measure has no effect",
    ),
    ("control of nothing", {"controls": [{**CONTROL, "materials": "a", "cut_share": 0.0}]}, "controls.0: no cut"),
    (
        "event on what is not planned",
        {"scenarios": [cut("s", 0.1, 2028.0, 1.0, "c")]},
        "scenarios.0.events.0: c is not planned: the event has no effect",
    ),
    (
        "event elsewhere",
        {"scenarios": [cut("s", 0.1, 2028.0, 1.0, "a", countries="AUS")]},
        "no planned source in AUS makes a, and prices and demand do not change: the event has no effect",
    ),
    (
        "event elsewhere at a price",
        {"scenarios": [cut("s", 0.1, 2028.0, 1.0, "a", countries="AUS", price_multiplier=2.0)]},
        "scenarios.0.events.0: no planned source in AUS makes a: the event cuts nothing",
    ),
    (
        "event of nothing",
        {"scenarios": [cut("s", 0.1, 2028.0, 1.0, "a", share=0.0, demand_multipliers={"defence": 2.0})]},
        "no cut, and unchanged price and demand: the event has no effect",
    ),
    (
        "severity without a profile",
        {"scenarios": [struck(severity=2.0)]},
        "scenarios.0.events.0.severity: its hazard has no profile: severity has no effect",
    ),
    (
        "stretch beside a cut of its own",
        {"scenarios": [struck(cut_share=0.5, stretch=2.0)]},
        "scenarios.0.events.0.stretch: the event states its own cut: stretch has no effect",
    ),
    (
        "a price that falls",
        {"scenarios": [cut("s", 0.1, 2028.0, 1.0, "a", price_multiplier=0.5)]},
        "price_multiplier 0.5: prices fall while supply is cut; a rise of 50% is written 1.5",
    ),
    (
        "flood over the end",
        {"scenarios": [cut("s", 0.1, 2028.0, 1.0, "a", flood_years=12.0)]},
        "after a flood of 12 years from 2028 its cut would begin in 2040, after the last computed year, 2031",
    ),
    (
        "flood without a price",
        {"scenarios": [cut("s", 0.1, 2028.0, 1.0, "a", flood_years=1.0)]},
        "scenarios.0.events.0: a flood of 1 years at the usual price",
    ),
    (
        "price without a flood",
        {"scenarios": [cut("s", 0.1, 2028.0, 1.0, "a", flood_multiplier=0.5)]},
        "scenarios.0.events.0: a price of a flood, 0.5, without years of a flood",
    ),
    (
        "a hazard again while it lasts",
        {"scenarios": [again(2028.5, 2028.0)]},
        "scenarios.0.events.0: ban begins in 2028.5, while the same of scenarios.0.events.1 lasts (2028 to 2029)",
    ),
    (
        "hazard of what is not planned",
        {"sample": {**SAMPLE, "hazards": ["other"]}},
        "sample.hazards: other affects no planned material: c is not planned",
    ),
    (
        "hazard that never comes",
        {"sample": {**SAMPLE, "hazards": ["never"]}},
        "sample.hazards: never affects no planned material: rate_per_yr is 0",
    ),
    ("half a flood in the table", {"sample": {**SAMPLE, "hazards": ["flood"]}}, "sample.hazards: flood: a flood of 1"),
    (
        "override of what is not used",
        {"hazards": [{"hazard": "ban", "cut_share": 0.5}]},
        "hazards.0: neither the sample nor a scenario uses ban",
    ),
    (
        "money of later years",
        {"money": {2027: 60.0, 2050: 70.0}},
        "budget.appropriation_musd.2050: 70 is not used: the last",
    ),
    (
        "money that was replaced",
        {"money": {2026: 60.0, 2027: 70.0}},
        "budget.appropriation_musd.2026: 60 is not used: the f",
    ),
    ("money that begins late", {"money": {2029: 60.0}}, "the first year named is FY2029: there is no money before it"),
    ("a total of nothing", {"budget": {"total_musd": 0.0}}, "budget.total_musd: 0: nothing may be spent"),
    (
        "a cap on floors without floors",
        {"budget": {"liability_cap_musd": 10.0}},
        "budget.liability_cap_musd: the plan offers no price floor, alone or in a package: the cap has no effect",
    ),
    (
        "a cap of nothing",
        {"budget": {"liability_cap_musd": 0.0}, "instruments": {"price_floors": [MENU]}},
        "budget.liability_cap_musd: 0: floors may never cost anything",
    ),
    (
        "the share of worst outcomes as a level",
        {"risk": {"alpha": 0.05, "cvar_weight": 1.0}},
        "risk.alpha: 0.05: the CVaR is the mean of the worst 95 % of losses; alpha 0.95 is the worst 5 %",
    ),
    (
        "a material that nobody needs",
        {"demand": {"a": 10.0}},
        "materials.1: nobody demands b in the planned years, and no planned producer uses it",
    ),
    (
        "capacities that begin late",
        {"sources": {"far": source("CHN", "a", {2030: 12.0}), "near": source("USA", "b", 4.0)}},
        "capacities.csv from_year: 1 row (far/2030): the series begins after the first year, 2027: all years before it",
    ),
    (
        "a store of nothing",
        {"materials": {"a": {"storage_t": 0.0}}},
        "materials.csv a storage_t: 0: the reserve can store",
    ),
    (
        "contracts of any size",
        {
            "sources": {
                "far": source("AUS", "a", 12.0, lot_t_per_yr=0.0, term_yr=5.0, kappa=0.5),
                "near": source("USA", "b", 4.0),
            }
        },
        "activities.csv far lot_t_per_yr: 0: the source offers offtake contracts of any size",
    ),
]
"""What is stated, and what is said of it."""


@pytest.mark.parametrize(("fields", "told"), [entry[1:] for entry in IDLE], ids=[entry[0] for entry in IDLE])
def test_an_entry_of_which_nothing_comes_is_told(fields: dict[str, Any], told: str) -> None:
    """Proves: once each; what does something is not told."""
    asked, data = small(**fields)
    data = with_hazards(
        data, hazard(), hazard("other", "c"), hazard("never", rate_per_yr=0.0), hazard("flood", flood_yr=1.0)
    )
    assert len(notes(asked, data, told)) == 1, check(asked, data).notes


WORKING: list[dict[str, Any]] = [
    {"scenarios": [again(2028.0, 2029.0)]},
    {"diversification": [{**CAP, "material": "a", "country": "CHN", "penalty_usd_per_kg": 5.0}]},
    {"risk": {"alpha": 0.05}},
    {"sources": {"far": source("CHN", "a", {2027: 12.0, 2029: 13.0}), "near": source("USA", "b", 4.0)}},
    {
        "demand": {"a": 10.0},
        "sources": {"far": source("CHN", {"a": 1.0, "b": -0.2}, 12.0), "near": source("USA", "b", 4.0)},
    },
    {"budget": {"liability_cap_musd": 10.0}, "instruments": {"price_floors": [MENU]}},
    {"days_of_cover": [{**COVER, "material": "a"}], "controls": [{**CONTROL, "materials": "a c"}]},
    {"scenarios": [cut("flood", 0.1, 2028.0, 1.0, "a", flood_years=1.0, flood_multiplier=0.5)]},
    {
        "scenarios": [
            cut("surge", 0.1, 2028.0, 1.0, "a b", countries="AUS", share=0.0, demand_multipliers={"defence": 2.0})
        ]
    },
    {"sample": SAMPLE, "hazards": [{"hazard": "ban", "cut_share": 0.5}]},
    {"money": {2025: 50.0, 2028: 60.0}},
    {"materials": {"a": {"storage_t": 500.0}}},
    {"materials": {"a": {"storage_t": 0.0}}, "offers": {}},
    {"materials": {"a": {"storage_t": 0.0}}, "instruments": {"reserve": False}},
]
"""The same with the difference that gives it an effect."""


def test_the_same_at_work_is_not_told() -> None:
    """Proves: rules, measures, events, floods, hazards, limits and series at work give no note of this kind."""
    for fields in WORKING:
        asked, data = small(**fields)
        data = with_hazards(data, hazard(), hazard("other", "c"))
        computed = range(2027, 2027 + asked.horizon.years)
        assert list(unused(asked, data, computed, asked.materials)) == [], fields


def grid(axes: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Every combination of the values of some addresses."""
    return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]


@pytest.mark.parametrize(
    ("axes", "vain"),
    [
        ({"demand[cobalt/*/*].demand_t_per_yr *": [0.5, 2.0]}, True),
        ({"prices[mcs2025e/gallium/*].price_usd_per_kg": [100.0, 900.0]}, True),
        ({"hazards[heavy_licence].cut_share": [0.2, 0.4]}, True),
        ({"production[*/*/*/*/*].production_t *": [0.5, 2.0]}, True),
        ({"demand[gallium/*/*].demand_t_per_yr *": [0.5, 2.0]}, False),
        ({"hazards[pacific_war].cut_share": [0.2, 0.4]}, False),
        ({"price_set": ["mcs2024", "mcs2025e"], "prices[mcs2025e/gallium/*].price_usd_per_kg": [100.0, 900.0]}, False),
        ({"budget.appropriation_musd": [40.0, 80.0]}, False),
        ({"demand[gallium/*/*].demand_t_per_yr *": [0.5], "demand[cobalt/*/*].demand_t_per_yr *": [0.5, 2.0]}, True),
    ],
    ids=str,
)
def test_what_a_sweep_varies_and_the_plan_does_not_read_is_told(axes: dict[str, list[Any]], vain: bool) -> None:
    """Proves: cells of other materials, sets, hazards and of facts; not cells that some point reads."""
    found = varied_in_vain(quick(), tables(), grid(axes))
    assert [note.split(" has no effect")[0] for note in found] == ([list(axes)[-1]] if vain else [])


def test_factors_in_percent_are_told_with_a_sweep() -> None:
    """Proves: 50 and 200 on a factor are told in the result and in its words; 0.5 and 2 are not."""
    asked, data = small()
    address = "demand[a/*/*].demand_t_per_yr *"
    (note,) = varied_in_vain(asked, data, [{address: 50}, {address: 200}])
    assert "multiplied by 50, 200" in note
    assert "50 % is 0.5" in note
    assert varied_in_vain(asked, data, [{address: 0.5}, {address: 2}]) == ()
    found = sweep(asked, data, {"prices[base/c/*].price_usd_per_kg *": [50.0]})
    assert len(found.facts["notes"]) == 2
    assert all(note in found.summary() for note in found.facts["notes"])
    assert "(no regret; but see the notes)" in found.summary()


def test_a_ramp_that_begins_late_is_told() -> None:
    """Proves: of projects that the plan may build, and of the ramp of all others."""

    def of(*ages: int, project: str = "*") -> list[str]:
        rows = [{"project": project, "age_yr": age, "ramp_share": 1.0} for age in ages]
        ramps = tuple(TABLES["ramps"].model_validate(row) for row in rows)
        asked, data = small(projects={"mill": mill("a", 4.0, capex_musd=30.0)})
        return notes(asked, Dataset({**data.tables, "ramps": ramps}), "ramps.csv")

    (late,) = of(12)
    assert "there is no output in the first 12 years after first output" in late
    assert of(0, 1, 2) == []
    assert len(of(1, 2, project="mill")) == 1


def test_rows_without_a_source_among_rows_with_one_are_told() -> None:
    """Proves: one note a table, with the rows; tables that name no source at all are left alone."""
    asked, data = small()
    assert notes(asked, data, "source") == []
    rows = data.rows("prices")
    stated = (rows[0].model_copy(update={"source": "USGS"}), *rows[1:])
    (note,) = notes(asked, Dataset({**data.tables, "prices": stated}), "source")
    assert note == "prices.csv source: 2 rows (base/b/2027, base/c/2027) have no source; 1 of the table have one"
