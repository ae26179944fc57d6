"""The smallest disruption that breaks a promise, against figures worked out by hand."""

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
from support.instances import quick_first
from support.tiny import bought, cut, offer, source, tiny

STOP: dict[str, Any] = {"hazard": "stop", "name": "stop", "kind": "embargo", "countries": "CHN", "materials": "a"}
STOP |= {"rate_per_yr": 0.1, "duration_yr": 1.0, "cut_share": 1.0}
FAR = {"far": source("CHN", "a", 10.0)}
HALVES = {"far": source("CHN", "a", 5.0), "other": source("AUS", "a", 5.0)}
WHOLE, HALF = Promise("a", "defence", 1.0), Promise("a", "defence", 0.5)


def stocked(*hazards: dict[str, Any], money: float = 20.0, years: int = 5, **case: Any) -> tuple[Plan, Dataset]:
    """10 kt a year of defence from abroad; 2 kt in store, which all the money buys before anything happens."""
    case = {"demand": {("a", "defence"): 10.0}, "sources": FAR} | case
    plan, data = tiny(
        {"a": 10.0, "b": 10.0} if "third" in case["sources"] else {"a": 10.0},
        loss=300.0,
        years=years,
        offers={"spot": offer("a", 100.0)},
        scenarios=[cut("cut", 0.5, 2029, 1)],
        money={2027: money, 2028: 0.0},
        **case,
    )
    told = plan.to_toml_like()
    told["scenarios"][0]["events"] = [{"hazard": "stop", "start_year": 2029.0}]
    return Plan.model_validate(told), data.replace(hazards=pd.DataFrame(hazards or [STOP]))


def broken(question: tuple[Plan, Dataset], *promises: Promise, by: Any = "level", **asked: Any) -> pd.DataFrame:
    """What breaks promises of the solved plan."""
    found = reverse_stress(solve_once(*question, gap=0.0), promises=promises, **asked)
    return found.tables["reverse"].set_index(by)


def near(years: float, longest: float) -> Any:
    """Years, or a share of one, as finely as they are searched for up to the longest that is tried."""
    return pytest.approx(years, abs=longest / 12 / 32 + 1e-9)


@pytest.mark.parametrize("longest", quick_first([3.0, 7.0], 1))
def test_the_shortest_and_the_least_severe_disruption_by_hand(longest: float) -> None:
    """Proves: 2 kt in store stand for a fifth of a year of a full stop, or a year in which a fifth is cut. Half of the year's
    demand of 10 kt is promised from the onset to the end: 10 L - 2 > 5 after .7 of a year; a year long, 7 kt may be cut. Three
    tenths break at 10 L - 2 > 7, after .9 of a year, and hold at a cut of 90 %. What is promised of nothing never breaks."""
    levels = {1.0: 0.2, 0.5: 0.7, 0.3: 0.9}
    promises = [Promise("a", "defence", level) for level in (*levels, 0.0)]
    found = broken(stocked(), *promises, longest_yr=longest)
    for level, breaks in levels.items():
        assert found.shortest_yr[level] == near(breaks, longest)
        assert found.least_cut_share[level] == near(breaks, 1.0)
        assert not found.held[level]
    assert bool(found.held[0.0])


@pytest.mark.slow
def test_what_is_short_undisturbed_breaks_a_promise_only_while_the_strike_lasts() -> None:
    """Proves: 10 kt a year wanted and 8 made, always: a promise of .8 is just kept undisturbed and breaks with the first cut;
    one of .9 is broken anyway, by the shortest strike tried; of .4 where half is cut, whatever is short in other years."""
    case = stocked(money=0.0, sources={"far": source("CHN", "a", 8.0)})
    found = broken(case, *(Promise("a", "defence", level) for level in (0.9, 0.8, 0.4)), longest_yr=3.0)
    for level in (0.9, 0.8):
        assert found.shortest_yr[level] == near(0.0, 3.0)
        assert found.least_cut_share[level] == near(0.0, 1.0)
    assert found.least_cut_share[0.4] == near(0.5, 1.0)


def test_a_promise_by_fiscal_year_counts_the_worst_year() -> None:
    """Proves: a stop of two years from 2028 on with 2 kt in store, cut by a third: the episode is 6.67 - 2 short of 20, which .7
    of it allows; the second year is 3.33 short of 10, which .7 of the year does not."""
    promises = [Promise("a", "defence", 0.7, per) for per in ("episode", "fiscal_year")]
    found = broken(stocked(STOP | {"duration_yr": 2.0, "cut_share": 1 / 3}), *promises, by="per", longest_yr=2.0)
    assert pd.isna(found.shortest_yr["episode"])
    assert found.shortest_yr["fiscal_year"] <= 2.0
    assert found.least_cut_share["episode"] == near(0.4, 1.0)
    assert found.least_cut_share["fiscal_year"] < 0.4


@pytest.mark.parametrize("longest", quick_first([3.0, 8.0], 1))
def test_the_worst_start_is_refined_not_the_first(longest: float) -> None:
    """Proves: demand of 10 kt a year until 2029 and 20 from 2030: the stop that breaks the promise
    soonest begins when demand is highest, whatever the grid."""
    grown = stocked(demand={("a", "defence"): {2027: 10.0, 2030: 20.0}}, sources={"far": source("CHN", "a", 20.0)})
    row = broken(grown, WHOLE, longest_yr=longest).loc[1.0]
    assert row.start_year >= 2030
    assert row.shortest_yr <= 0.6 + longest / 12 / 32


@pytest.mark.slow
def test_each_hazard_and_all_together_by_hand() -> None:
    """Proves: a and b, 10 kt a year each from abroad, 2 kt of a in store. Two hazards stop half of a each, one after a flood of two
    years, and break it by themselves in .4 of a year; together they cut at the same time and break it in .2, the half of it in .7.
    The second does not touch b, and is not tried on it."""
    flood = {"hazard": "glut", "kind": "flood_squeeze", "countries": "AUS", "flood_yr": 2.0, "flood_multiplier": 0.9}
    case = stocked(
        STOP | {"materials": "a b"},
        STOP | flood,
        demand={("a", "defence"): 10.0, ("b", "defence"): 10.0},
        sources=HALVES | {"third": source("CHN", "b", 10.0)},
        years=6,
    )
    by, of_b = ["material", "hazard", "level"], Promise("b", "defence", 1.0)
    found = broken(case, WHOLE, HALF, of_b, by=by, hazards=["stop", "glut"], longest_yr=3.0).shortest_yr
    assert found["a", "stop", 1.0] == found["a", "glut", 1.0] == near(0.4, 3.0)
    assert found["a", "all together", 1.0] == near(0.2, 3.0)
    assert found["a", "all together", 0.5] == near(0.7, 3.0)
    assert found["b", "stop", 1.0] == near(0.0, 3.0)
    assert ("b", "glut", 1.0) not in found.index


def test_what_the_horizon_does_not_hold_is_not_claimed() -> None:
    """Proves: with 45 kt in store and 10 a year missed a promise is tried for the four years that the horizon holds from 2028
    on, not for the eight asked; it holds for these, as one with less in store does not."""
    held = broken(stocked(stock={"a": 45.0}), WHOLE, longest_yr=8.0).loc[1.0]
    assert (bool(held.held), held.tried_yr) == (True, 4.0)
    less = broken(stocked(stock={"a": 30.0}), WHOLE, longest_yr=8.0).loc[1.0]
    assert (less.shortest_yr, less.tried_yr) == (near(3.0, 4.0), 4.0)


def test_a_surge_of_demand_is_part_of_what_is_promised() -> None:
    """Proves: a stop that doubles demand, with nothing in store: of 10 (1 + L) kt wanted in the year 10 (1 - L) come, so a promise
    of a tenth breaks at 20 L > 9 (1 + L), after 9/11 of a year; one of nothing holds."""
    plan, data = stocked(STOP | {"surge": "twice"}, money=0.0)
    row = {"surge": "twice", "material": "*", "segment": "defence", "from_month": 0, "multiplier": 2.0}
    surge = plan, data.replace(surges=pd.DataFrame([row]))
    found = broken(surge, *(Promise("a", "defence", level) for level in (0.0, 0.1)), longest_yr=2.5)
    assert bool(found.held[0.0])
    assert found.shortest_yr[0.1] == near(9 / 11, 2.5)


def test_defence_in_full_is_tried_without_promises_and_a_wrong_option_is_named(cli: Cli, tmp_path: Path) -> None:
    """Proves: the plan names no service level, so defence is held to all of its demand, for the hazards of its scenarios; of a
    wrong question the option is blamed, with what it was given, and nothing else."""
    result = solve_once(*stocked(), gap=0.0)
    assert bought(result, "a") == pytest.approx(2.0)
    (row,) = reverse_stress(result, longest_yr=2.0).tables["reverse"].itertuples()
    assert (row.material, row.segment, row.level, row.hazard, row.start_year) == ("a", "defence", 1.0, "stop", 2028)
    write_run(result, tmp_path / "run")
    for option, value, found in (
        ("hazards", "pacific", "'pacific'"),
        ("promises", "a:defense:0.8", "no demand for a:defense"),
        ("promises", "a:defence:80", "'a:defence:80'"),
        ("promises", "a:defence:nan", "'a:defence:nan'"),
        ("promises", "a:defence", "'a:defence'"),
    ):
        said = cli("reverse", tmp_path / "run", f"--{option}", value, "--json")
        assert said.returncode == 2
        (fault,) = json.loads(said.stdout)["faults"]
        assert (fault["column"].partition("[")[0], fault["found"]) == (option, found)
