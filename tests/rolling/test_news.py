"""News of the year: events that need naming, facts on what was signed already, rates that a plan states itself."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from rolling.test_roll import hazard, reserve, supported
from strategic_minerals import DoneRow, HappenedRow, InputError, Result, read_noted, roll, solve
from strategic_minerals.question.dataset import Dataset
from strategic_minerals.question.plan import Plan
from strategic_minerals.studies.learning import evidence_of
from strategic_minerals.studies.roll import FACTS, with_facts
from support.tiny import FIRST, KT, cut, offer, project, source, tiny, total

QUIET: dict[str, Any] = {"learning": False, "gap": 0.0}


def tables(**rows: dict[str, Any]) -> Dataset:
    """New tables of one row each."""
    return Dataset.from_tables({name: pd.DataFrame([row]) for name, row in rows.items()})


def capacity(result: Result, activity: str, year: int) -> float:
    """Capacity of an activity in a year [t/yr]."""
    rows = [r for r in result.data.rows("capacities") if r.activity == activity and r.from_year <= year]
    return float(max(rows, key=lambda row: row.from_year).capacity_t_per_yr)


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"event": "stp-2029", "status": "ended"}, "did you mean 'stop-2029'"),
        ({"event": "x", "status": "in force", "from_year": FIRST + 4.0, "hazard": "stop"}, "`announced`"),
        ({"event": "x", "status": "announced", "from_year": FIRST + 4.0, "probability": 0.1, "hazard": "stopp"}, "did you"),
    ],
)  # fmt: skip
def test_events_that_mean_nothing_are_refused(event: dict[str, Any], said: str) -> None:
    """Proves: a name that the plan does not have, a date yet to come, a hazard that the tables lack: row and what was meant."""
    plan, data = hazard()
    asked = {**plan.to_toml_like(), "scenarios": [cut("stop-2029", 0.1, FIRST + 2.0, 1.0)]}
    result = solve(Plan.model_validate(asked), data, quick=True)
    with pytest.raises(InputError, match=said) as error:
        roll(result, happened=[HappenedRow(**event)])
    assert [(fault.file, fault.row) for fault in error.value.faults] == [("events.csv", "2")]


def test_an_event_without_a_hazard_says_what_it_lacks(tmp_path: Any) -> None:
    """Proves: the line and the columns that are missing, not a fault of some plan."""
    file = tmp_path / "events.csv"
    file.write_text("event,status,from_year,countries\nx,in force,2027.5,CHN\n")
    with pytest.raises(InputError, match="materials, cut_share, remaining_years") as error:
        read_noted(file, HappenedRow)
    assert error.value.faults[0].row == "2"


def test_what_was_announced_before_is_in_the_plan_once() -> None:
    """Proves: news of an event replaces the scenario of the same name; once it is in force, none is left."""
    told = {"countries": "CHN", "materials": "gallium", "cut_share": 0.9, "from_year": FIRST + 3.5}
    notice = HappenedRow(event="notice", status="announced", probability=0.5, duration_years=1.0, **told)
    first = roll(solve(*reserve(6), gap=0.0, quick=True), happened=[notice], **QUIET).result
    sooner = notice.model_copy(update={"probability": 0.7})
    named = {s.name: s.probability for s in roll(first, happened=[sooner], **QUIET).result.plan.scenarios}
    assert named["notice"] == 0.7
    assert sum(named.values()) < 1
    begun = HappenedRow(event="notice", status="in force", remaining_years=1.0, **{**told, "from_year": FIRST + 1.5})
    now = roll(first, happened=[begun], **QUIET).result.plan
    assert [event.name for event in now.ongoing] == ["notice"]
    assert "notice" not in {s.name for s in now.scenarios}
    assert "notice" not in {
        s.name
        for s in roll(first, happened=[HappenedRow(event="notice", status="ended")], **QUIET).result.plan.scenarios
    }


def test_time_in_which_an_event_lasts_is_no_exposure() -> None:
    """Proves: of three years, one event until the middle of the first and one of nine months leave 0.5 + 1.25 years in which the
    hazard could begin."""
    rows = hazard()[1].rows("hazards")
    events = [
        HappenedRow(event="a", status="in force", hazard="stop", from_year=2028.0),
        HappenedRow(event="a", status="ended", from_year=2028.75),
    ]
    found = evidence_of(rows, events, 2027.0, 2030.0, {"stop": 2027.5})["stop"]
    assert (found.exposure_yr, found.onsets) == (pytest.approx(1.75), 1)


def test_evidence_begins_at_the_rate_that_the_plan_states() -> None:
    """Proves: a plan's own rate of 0.6 is the prior, Gamma(3.5, 3.5 / 0.6), and what it states no more once it has learned."""
    plan, data = hazard()
    asked = {**plan.to_toml_like(), "hazards": [{"hazard": "stop", "rate_per_yr": 0.6, "cut_share": 0.5}]}
    now = roll(solve(Plan.model_validate(asked), data, quick=True)).result
    assert now.data.rows("hazards")[0].rate_per_yr == pytest.approx(3.5 / (3.5 / 0.6 + 1))
    assert now.plan.hazards[0].rate_per_yr is None
    assert now.plan.hazards[0].cut_share == 0.5


def test_a_new_rate_has_seen_what_the_years_have_shown() -> None:
    """Proves: evidence on a rate that was published anew begins again; the rate of before, published again, keeps it."""
    once = roll(solve(*hazard(), quick=True)).result
    for rate, years in ((0.5, 1), (0.3, 2)):
        row = hazard()[1].rows("hazards")[0].model_copy(update={"rate_per_yr": rate})
        facts = Dataset.from_tables({"hazards": pd.DataFrame([row.model_dump()])})
        found = roll(once, facts=facts).result.data.rows("hazards")[0].rate_per_yr
        assert found == pytest.approx(3.5 / (3.5 / rate + years))


def test_a_new_capacity_is_that_of_the_whole_source() -> None:
    """Proves: told before or after a contract was carried over, 3 kt a year leave what no contract binds; once it is over, all
    are free; a capacity of before that changes nothing is no news."""
    first = solve(*supported(), gap=0.0, quick=True)
    news = {"activity": "ally", "from_year": FIRST + 2, "capacity_t_per_yr": 3.0 * KT}
    with_contract = roll(first, **QUIET).result
    part = next(row.producer for row in with_contract.data.rows("commitments") if row.kind == "contract")
    held = capacity(with_contract, part, FIRST + 2)
    assert held > 0
    both = [roll(result, facts=tables(capacities=news), **QUIET) for result in (first, with_contract)]
    for found in both:
        assert capacity(found.result, part, FIRST + 3) == pytest.approx(held)
        assert capacity(found.result, "ally", FIRST + 3) == pytest.approx(3.0 * KT - held)
        assert capacity(found.result, "ally", FIRST + 5) == pytest.approx(3.0 * KT)
        assert FACTS in found.facts["causes"]
    same = roll(
        with_contract, facts=tables(capacities={**news, "from_year": FIRST, "capacity_t_per_yr": 2.0 * KT}), **QUIET
    )
    assert total(same.result) == pytest.approx(total(roll(with_contract, **QUIET).result), rel=1e-9)


def test_a_whole_folder_of_old_facts_is_no_news() -> None:
    """Proves: all tables of the first plan, handed in a year later, bring back no choice that was made and change no answer."""
    plan, data = supported()
    first = solve(plan, data, gap=0.0, quick=True)
    once = roll(first, **QUIET).result
    calm, told = roll(once, **QUIET), roll(once, facts=data, **QUIET)
    assert "plant" not in {row.project for row in told.result.data.rows("projects")}
    assert total(told.result) == pytest.approx(total(calm.result), rel=1e-9)


def test_what_is_in_store_is_counted_and_no_published_fact() -> None:
    """Proves: a table of stock among the facts is refused with the way to tell of it."""
    first = solve(*reserve(3), gap=0.0, quick=True)
    with pytest.raises(InputError, match=r"done\.csv"):
        roll(first, facts=tables(stock={"material": "gallium", "opening_t": 5.0}), **QUIET)
    once = roll(first, **QUIET).result
    assert with_facts(once.data, {"stock": once.data.rows("stock")})


def plants(**rows: Any) -> tuple[Plan, Dataset]:
    """Two plants of which only one may be built, and a third that needs the second; each pays with a grant alone."""
    made = {
        name: project("gallium", 2.0, capex_musd=5.0, cash_usd_per_kg=1.9, additional=True, hurdle_rate=0.05, **row)
        for name, row in rows.items()
    }
    return tiny(
        {"gallium": 2.0},
        sources={"china": source("CHN", "gallium", 10.0)},
        demand={"gallium": 10.0},
        loss=100.0,
        projects=made,
        packages={"help": {"instrument": "grant"}},
        instruments={"signing_years": [FIRST]},
        scenarios=[cut("stop", 0.5, FIRST + 3.0, 2.0, share=0.8)],
        years=6,
        rate=0.02,
    )


def choices(result: Result) -> set[str]:
    return {row.project for row in result.data.rows("projects")}


@pytest.mark.parametrize(("bars", "barred"), [({"a": "b"}, "b"), ({"b": "a"}, "b")])
def test_what_a_signed_plant_excludes_can_be_signed_no_more(bars: dict[str, str], barred: str) -> None:
    """Proves: whichever of two rows states the exclusion; and a plant that needs the one that is barred goes with it."""
    rows = {name: {"excludes": bars.get(name, ""), "needs": "b" if name == "c" else ""} for name in "abc"}
    rows["b"]["capex_musd"] = rows["c"]["capex_musd"] = 500.0
    first = solve(*plants_with(rows), gap=0.0, quick=True)
    assert signed(first) == {"a"}
    assert choices(roll(first, **QUIET).result) == set()
    assert barred not in choices(roll(first, **QUIET).result)


def plants_with(rows: dict[str, dict[str, Any]]) -> tuple[Plan, Dataset]:
    plan, data = plants(**{name: {k: v for k, v in row.items() if k != "capex_musd"} for name, row in rows.items()})
    frame = data.frame("projects")
    for name, row in rows.items():
        if "capex_musd" in row:
            frame.loc[frame.project == name, "capex_musd"] = row["capex_musd"]
    return plan, data.replace(projects=frame)


def total_bought(result: Result) -> float:
    table = result.tables["acquisitions"]
    return float(table[table.fiscal_year > FIRST].acquired_t.sum())


def signed(result: Result) -> set[str]:
    table = result.tables["projects"]
    return set(table[(table.share > 0) & (table.package != "none")].project)


def test_what_is_left_of_a_plant_is_what_was_not_signed() -> None:
    """Proves: a fourth signed, then half, each of the whole: what is left is a quarter of its size and cost, whatever the order."""
    first = solve(*plants(a={}), gap=0.0, quick=True)
    table = first.tables["projects"]
    package = str(table[(table.project == "a") & (table.share > 0)].package.iloc[0])
    part = roll(first, done=[DoneRow(kind="package", item="a", detail=package, amount=0.25)], **QUIET).result
    (row,) = part.data.rows("projects")
    assert (row.capacity_t_per_yr, row.capex_musd) == (pytest.approx(1.5 * KT), pytest.approx(3.75))
    plant = next(r.activity for r in part.data.rows("activities") if r.activity.startswith("a-"))
    assert capacity(part, plant, FIRST + 3) == pytest.approx(0.5 * KT)
    facts = tables(projects={**plants(a={})[1].rows("projects")[0].model_dump(), "capex_musd": 8.0})
    (dearer,) = roll(part, facts=facts, done=[], **QUIET).result.data.rows("projects") or (None,)
    if dearer is not None:
        assert dearer.capex_musd == pytest.approx(6.0)


def test_the_right_to_buy_under_a_floor_is_carried_until_it_ends() -> None:
    """Proves: a plant under a purchase floor sells to the reserve at the market price as long as the floor lasts, and no longer."""
    plan, data = tiny(
        {"gallium": 2.0},
        sources={"china": source("CHN", "gallium", 10.0)},
        demand={"gallium": 10.0},
        loss=100.0,
        offers={"spot": offer("gallium", 0.2, premium=1.0)},
        projects={"plant": project("gallium", 2.0, capex_musd=5.0, cash_usd_per_kg=1.9, additional=True, hurdle_rate=0.05)},
        packages={
            "buy": {
                "instrument": "grant",
                "floor_material": "gallium",
                "floor_usd_per_kg": 3.0,
                "floor_term_yr": 5.0,
                "floor_kind": "purchase",
                "take_t_per_yr": 1500.0,
            }
        },
        instruments={"signing_years": [FIRST]},
        scenarios=[cut("stop", 0.5, FIRST + 3.0, 2.0, share=0.8)],
        years=8,
        rate=0.02,
    )  # fmt: skip
    first = solve(plan, data, gap=0.0, quick=True)
    assert signed(first) == {"plant"}
    once = roll(first, **QUIET).result
    (row,) = [r for r in once.data.rows("offers") if r.source_producer == "plant"]
    assert row.depth_t_per_yr == pytest.approx(1.5 * KT)
    assert row.premium_share == 0.0
    assert once.audited.passed
    assert total_bought(once) == pytest.approx(total_bought(first))
    later = roll(once, years=5, **QUIET).result
    assert not [r for r in later.data.rows("offers") if r.source_producer == "plant"]
    assert later.audited.passed
