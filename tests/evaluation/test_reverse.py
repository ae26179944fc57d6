"""The smallest disruption that breaks a promise, against figures worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from conftest import Cli
from strategic_minerals import Dataset, Plan, reverse_stress
from strategic_minerals.answer.run_folder import write_run
from strategic_minerals.answer.solving import solve_once
from strategic_minerals.question.load import Promise
from support.tiny import KT, cut, offer, source, tiny


def stocked() -> tuple[Plan, Dataset]:
    """10 kt a year of defence from abroad; 2 kt in store, which all the money buys before anything happens."""
    plan, data = tiny(
        {"a": 10.0},
        sources={"far": source("CHN", "a", 10.0)},
        demand={("a", "defence"): 10.0},
        loss=300.0,
        years=5,
        offers={"spot": offer("a", 100.0)},
        scenarios=[cut("cut", 0.5, 2029, 1)],
        money={2027: 20.0, 2028: 0.0},
    )
    row = {
        "hazard": "stop",
        "name": "stop",
        "kind": "embargo",
        "countries": "CHN",
        "materials": "a",
        "rate_per_yr": 0.1,
        "duration_yr": 1.0,
        "cut_share": 1.0,
    }
    told = plan.to_toml_like()
    told["scenarios"][0]["events"] = [{"hazard": "stop", "start_year": 2029.0}]
    return Plan.model_validate(told), data.replace(hazards=pd.DataFrame([row]))


@pytest.mark.slow
def test_the_shortest_and_the_least_severe_disruption_by_hand() -> None:
    """Proves: 2 kt in store stand for a fifth of a year of a full stop, or a year in which a fifth is cut. Half of the year's
    demand of 10 kt is promised from the onset to the end: 10 L - 2 > 5 after .7 of a year; a year long, 7 kt may be cut. Three
    tenths break at 10 L - 2 > 7, after .9 of a year, and hold at a cut of 90 %. What is promised of nothing never breaks."""
    result = solve_once(*stocked(), gap=0.0)
    assert float(result.tables["acquisitions"].acquired_t.sum()) == pytest.approx(2 * KT)
    levels = [Promise("a", "defence", level) for level in (1.0, 0.5, 0.3, 0.0)]
    found = reverse_stress(result, promises=levels, longest_yr=3.0).tables["reverse"].set_index("level")
    assert found.shortest_yr[1.0] == pytest.approx(0.2, abs=3 / 12 / 32 + 1e-9)
    assert found.least_cut_share[1.0] == pytest.approx(0.2, abs=1 / 12 / 32 + 1e-9)
    assert found.shortest_yr[0.5] == pytest.approx(0.7, abs=3 / 12 / 32 + 1e-9)
    assert found.least_cut_share[0.5] == pytest.approx(0.7, abs=1 / 12 / 32 + 1e-9)
    assert found.shortest_yr[0.3] == pytest.approx(0.9, abs=3 / 12 / 32 + 1e-9)
    assert found.least_cut_share[0.3] == pytest.approx(0.9, abs=1 / 12 / 32 + 1e-9)
    assert bool(found.held[0.0])
    assert not found.held[1.0]
    further = reverse_stress(result, promises=levels, longest_yr=7.0).tables["reverse"].set_index("level")
    assert further.shortest_yr[0.3] == pytest.approx(0.9, abs=7 / 12 / 32 + 1e-9)


def test_what_is_short_undisturbed_breaks_a_promise_only_while_the_strike_lasts() -> None:
    """Proves: 10 kt a year wanted and 8 made, always: a promise of .8 is just kept undisturbed and breaks with the first cut;
    one of .9 is broken anyway, by the shortest strike tried; of .4 where half is cut, whatever is short in other years."""
    plan, data = stocked()
    capacity = data.frame("capacities").assign(capacity_t_per_yr=8 * KT)
    short = data.replace(capacities=capacity)
    told = plan.to_toml_like()
    told["budget"]["appropriation_musd"] = {"2027": 0.0}
    result = solve_once(Plan.model_validate(told), short, gap=0.0)
    found = reverse_stress(
        result, promises=[Promise("a", "defence", level) for level in (0.9, 0.8, 0.4)], longest_yr=3.0
    ).tables["reverse"]
    found = found.set_index("level")
    assert found.shortest_yr[0.9] == pytest.approx(0.0, abs=3 / 12 / 32 + 1e-9)
    assert found.shortest_yr[0.8] == pytest.approx(0.0, abs=3 / 12 / 32 + 1e-9)
    assert found.least_cut_share[0.9] == pytest.approx(0.0, abs=1 / 12 / 32 + 1e-9)
    assert found.least_cut_share[0.8] == pytest.approx(0.0, abs=1 / 12 / 32 + 1e-9)
    assert found.least_cut_share[0.4] == pytest.approx(0.5, abs=1 / 12 / 32 + 1e-9)


def test_a_promise_by_fiscal_year_counts_the_worst_year() -> None:
    """Proves: a stop of two years from 2028 on with 2 kt in store, cut by a third: the episode is 6.67 - 2 short of 20, which .7
    of it allows; the second year is 3.33 short of 10, which .7 of the year does not."""
    plan, data = stocked()
    hazards = data.frame("hazards").assign(duration_yr=2.0, cut_share=1 / 3)
    result = solve_once(plan, data.replace(hazards=hazards), gap=0.0)
    promises = [Promise("a", "defence", 0.7, per) for per in ("episode", "fiscal_year")]
    found = reverse_stress(result, promises=promises, longest_yr=2.0).tables["reverse"].set_index("per")
    assert pd.isna(found.shortest_yr["episode"])
    assert found.shortest_yr["fiscal_year"] <= 2.0
    assert found.least_cut_share["episode"] == pytest.approx(0.4, abs=1 / 12 / 32 + 1e-9)
    assert found.least_cut_share["fiscal_year"] < 0.4


def test_the_worst_start_is_refined_not_the_first() -> None:
    """Proves: demand of 10 kt a year until 2029 and 20 from 2030: the stop that breaks the promise
    soonest begins when demand is highest, whatever the grid."""
    plan, data = stocked()
    demand = data.frame("demand")
    more = demand.assign(from_year=2030, demand_t_per_yr=20 * KT)
    capacity = data.frame("capacities").assign(capacity_t_per_yr=20 * KT)
    grown = data.replace(demand=pd.concat([demand, more], ignore_index=True), capacities=capacity)
    result = solve_once(plan, grown, gap=0.0)
    for longest in (3.0, 8.0):
        row = (
            reverse_stress(result, promises=[Promise("a", "defence", 1.0)], longest_yr=longest)
            .tables["reverse"]
            .iloc[0]
        )
        assert row.start_year >= 2030
        assert row.shortest_yr <= 0.6 + longest / 12 / 32


@pytest.mark.slow
def test_alone_on_all_and_together_by_hand() -> None:
    """Proves: a and b, 10 kt a year each from abroad, 2 kt of a in store: the hazard stops both, on a alone it needs as long.
    A second hazard stops the a of the other half: each by itself cuts half, .4 of a year; together they break it in .2."""
    plan, data = tiny(
        {"a": 10.0, "b": 10.0},
        demand={("a", "defence"): 10.0, ("b", "defence"): 10.0},
        loss=300.0,
        years=5,
        sources={"far": source("CHN", "a", 5.0), "other": source("AUS", "a", 5.0), "third": source("CHN", "b", 10.0)},
        offers={"spot": offer("a", 100.0)},
        scenarios=[cut("cut", 0.5, 2029, 1)],
        money={2027: 20.0, 2028: 0.0},
    )
    row = {
        "hazard": "stop",
        "name": "stop",
        "kind": "embargo",
        "countries": "CHN",
        "materials": "a b",
        "rate_per_yr": 0.1,
        "duration_yr": 1.0,
        "cut_share": 1.0,
    }
    told = plan.to_toml_like()
    told["scenarios"][0]["events"] = [{"hazard": "stop", "start_year": 2029.0}]
    both = data.replace(hazards=pd.DataFrame([row, row | {"hazard": "more", "countries": "AUS", "materials": "a"}]))
    result = solve_once(Plan.model_validate(told), both, gap=0.0)
    table = reverse_stress(
        result,
        promises=[Promise("a", "defence", 1.0), Promise("b", "defence", 1.0)],
        hazards=["stop", "more"],
        longest_yr=3.0,
    ).tables["reverse"]
    found = table.set_index(["material", "hazard", "scope"]).shortest_yr
    room = 3 / 12 / 32 + 1e-9
    assert found["a", "stop", "all"] == found["a", "stop", "alone"] == pytest.approx(0.4, abs=room)
    assert found["a", "more", "all"] == pytest.approx(0.4, abs=room)
    assert found["a", "all together", "all"] == pytest.approx(0.2, abs=room)
    assert found["b", "stop", "alone"] == pytest.approx(0.0, abs=room)
    assert ("b", "more", "all") not in found.index  # it does not touch b
    assert ("a", "more", "alone") not in found.index


def test_what_the_horizon_does_not_hold_is_not_claimed() -> None:
    """Proves: with 45 kt in store and 10 a year missed a promise is tried for the four years that the horizon holds from 2028
    on, not for the eight asked; it holds for these, as one with less in store does not."""
    plan, data = stocked()
    held = data.replace(stock=pd.DataFrame([{"material": "a", "opening_t": 45 * KT}]))
    row = (
        reverse_stress(solve_once(plan, held, gap=0.0), promises=[Promise("a", "defence", 1.0)], longest_yr=8.0)
        .tables["reverse"]
        .iloc[0]
    )
    assert (bool(row.held), row.tried_yr) == (True, 4.0)
    less = data.replace(stock=pd.DataFrame([{"material": "a", "opening_t": 30 * KT}]))
    row = (
        reverse_stress(solve_once(plan, less, gap=0.0), promises=[Promise("a", "defence", 1.0)], longest_yr=8.0)
        .tables["reverse"]
        .iloc[0]
    )
    assert row.shortest_yr == pytest.approx(3.0, abs=4 / 12 / 32 + 1e-9)
    assert row.tried_yr == 4.0


def test_a_surge_of_demand_is_part_of_what_is_promised() -> None:
    """Proves: a stop that doubles demand, with nothing in store: of 10 (1 + L) kt wanted in the year 10 (1 - L) come, so a promise
    of a tenth breaks at 20 L > 9 (1 + L), after 9/11 of a year; one of nothing holds."""
    plan, data = stocked()
    told = plan.to_toml_like()
    told["budget"]["appropriation_musd"] = {"2027": 0.0}
    surge = data.replace(hazards=data.frame("hazards").assign(demand_multipliers="defence=2.0"))
    result = solve_once(Plan.model_validate(told), surge, gap=0.0)
    found = reverse_stress(
        result, promises=[Promise("a", "defence", level) for level in (0.0, 0.1)], longest_yr=2.5
    ).tables["reverse"]
    found = found.set_index("level")
    assert bool(found.held[0.0])
    assert found.shortest_yr[0.1] == pytest.approx(9 / 11, abs=2.5 / 12 / 32 + 1e-9)


def test_all_at_once_cut_at_once_and_only_what_touches_a_promise_is_tried() -> None:
    """Proves: a second hazard floods for two years first: all together cut at the same time, half a promise of 10 kt a year with
    2 kt in store breaks after .7 years; a third hazard, on another material, is not tried on it."""
    plan, data = tiny(
        {"a": 10.0, "b": 10.0},
        demand={("a", "defence"): 10.0, ("b", "civil"): 1.0},
        loss=300.0,
        years=6,
        sources={"far": source("CHN", "a", 5.0), "other": source("AUS", "a", 5.0), "third": source("CHN", "b", 1.0)},
        offers={"spot": offer("a", 100.0)},
        scenarios=[cut("cut", 0.5, 2029, 1)],
        money={2027: 20.0, 2028: 0.0},
    )
    row = {
        "hazard": "stop",
        "name": "stop",
        "kind": "embargo",
        "countries": "CHN",
        "materials": "a",
        "rate_per_yr": 0.1,
        "duration_yr": 1.0,
        "cut_share": 1.0,
    }
    flood = row | {
        "hazard": "glut",
        "kind": "flood_squeeze",
        "countries": "AUS",
        "flood_yr": 2.0,
        "flood_multiplier": 0.9,
    }
    told = plan.to_toml_like()
    told["scenarios"][0]["events"] = [{"hazard": "stop", "start_year": 2029.0}]
    table = pd.DataFrame([row, flood, row | {"hazard": "elsewhere", "materials": "b"}])
    result = solve_once(Plan.model_validate(told), data.replace(hazards=table), gap=0.0)
    found = reverse_stress(
        result, promises=[Promise("a", "defence", 0.5)], hazards=["stop", "glut", "elsewhere"], longest_yr=3.0
    ).tables["reverse"]
    assert set(found.hazard) == {"stop", "glut", "all together"}
    together = found.set_index("hazard").loc["all together"]
    assert together.shortest_yr == pytest.approx(0.7, abs=3 / 12 / 32 + 1e-9)


def test_without_promises_of_its_own_defence_in_full_is_tried() -> None:
    """Proves: the plan names no service level, so defence is held to all of its demand, for the hazards of its scenarios."""
    table = reverse_stress(solve_once(*stocked(), gap=0.0), longest_yr=2.0).tables["reverse"]
    assert [tuple(row) for row in table[["material", "segment", "level", "hazard"]].to_numpy()] == [
        ("a", "defence", 1.0, "stop")
    ]
    assert table.start_year[0] == 2028


@pytest.mark.slow
def test_the_verb_reverse_tells_what_breaks_and_what_holds(cli: Any, tmp_path: Any) -> None:
    run = tmp_path / "run"
    assert cli("solve", "quickstart", "--out", run).returncode == 0
    said = cli("reverse", run, "--longest-yr", "2", "--hazards", "ga_ge_sb_ban")
    assert said.returncode == 0, said.stderr
    ban = "Chinese ban on gallium, germanium and antimony"
    assert f"Gallium, defence at 100%: kept in each of 2 disruptions ({ban}) of up to 2 years" in said.stdout
    assert "ga_ge_sb_ban" not in said.stdout
    chosen = cli("reverse", run, "--promises", "germanium:other:1", "--hazards", "ga_ge_sb_ban", "--longest-yr", "2")
    assert f"Germanium, other at 100%, {ban} on this material only: broken after" in chosen.stdout
    for wrong in ("gallium:civil", "gallium:civil:2", "unobtainium:civil:1"):
        refused = cli("reverse", run, "--promises", wrong)
        assert refused.returncode == 2
        assert (
            wrong in refused.stderr or "not 2" in refused.stderr or "no demand for unobtainium:civil" in refused.stderr
        )
    told = json.loads(cli("reverse", run, "--longest-yr", "2", "--hazards", "ga_ge_sb_ban", "--json").stdout)
    assert {row["material"] for row in told["reverse"]} == {"gallium", "germanium", "antimony"}
    assert {row["hazard"] for row in told["reverse"]} == {"ga_ge_sb_ban"}
    assert cli("reverse", run, "--hazards", "typo").returncode == 2


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of the plan above."""
    folder = tmp_path_factory.mktemp("reverse") / "run"
    write_run(solve_once(*stocked(), gap=0.0), folder)
    return folder


@pytest.mark.parametrize(
    ("option", "value", "found", "expected"),
    [
        ("--hazards", "stopp", "'stopp'", "one of stop (did you mean 'stop'?)"),
        ("--hazards", "pacific", "'pacific'", "one of stop"),
        ("--promises", "a:defense:0.8", "no demand for a:defense", "(did you mean 'a:defence'?)"),
        ("--promises", "a:defence:80%", "'a:defence:80%'", "a level from 0 to 1 (80 % is 0.8)"),
        ("--promises", "a:defence:80", "'a:defence:80'", "a level from 0 to 1 (80 % is 0.8)"),
        ("--promises", "a:defence:nan", "'a:defence:nan'", "a level from 0 to 1 (80 % is 0.8)"),
        ("--promises", "a:defence", "'a:defence'", "material:segment:level"),
    ],
)
def test_a_wrong_hazard_or_promise_names_its_option(
    option: str, value: str, found: str, expected: str, stored: Path, cli: Cli
) -> None:
    """Proves: the option is blamed, with what it was given and what there is, and no other part of the question."""
    said = cli("reverse", stored, option, value, "--json")
    assert said.returncode == 2
    (fault,) = json.loads(said.stdout)["faults"]
    assert (fault["file"], fault["column"], fault["found"]) == ("command line", option, found)
    assert expected in fault["expected"]
