"""Observed disruptions beside the hazards: closed forms of what a hazard loses, verdicts, the tables as shipped."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from strategic_minerals import Dataset, Plan, load_dataset, load_plan, replay_observed, scenario_outlook, shipped
from strategic_minerals.answer.solving import solve_once
from strategic_minerals.page.page import report
from strategic_minerals.question.profile_fit import Course, courses
from strategic_minerals.studies.outlook import grid, hazard_of, kind_lines, kinds_held, verdict, year_equivalents
from support.drawn_cases import exposed
from support.one_mineral import one_mineral

EVENT = {"event": "E1", "effective": "2025-01-01", "country": "CHN", "target": "world", "instrument": "ban"}
EVENT |= {"minerals": "a", "status": "in force", "took_effect": "true", "severity": ""}


def observed(*losses: float | None, running: bool = False, **given: Any) -> pd.DataFrame:
    """Losses of years, one after the other."""
    return pd.DataFrame(
        [
            {
                "profile": "p",
                "control_event": "E1",
                "materials": "a",
                "destination": "USA",
                "flow": "direct",
                "onset": "2025-01-01",
                "period": str(2025 + n),
                "month_from": 12 * n,
                "month_to": 12 * (n + 1),
                "unit": "t",
                "loss_share": loss,
                "running": running,
                **given,
            }
            for n, loss in enumerate(losses)
        ]
    )


def case(*losses: float | None, running: bool = False, **hazard: Any) -> tuple[Plan, Dataset]:
    """A hazard of a material and what was observed of it: by default everything stops for just a year."""
    plan, data = exposed(rate=0.3, **hazard)
    return plan, data.replace(observed_profiles=observed(*losses, running=running), policy_events=pd.DataFrame([EVENT]))


def only(plan: Plan, data: Dataset) -> Any:
    (row,) = replay_observed(plan, data).itertuples()
    return row


def course(*losses: float | None, **given: Any) -> Course:
    return courses(Dataset.from_tables({"observed_profiles": observed(*losses, **given)}).rows("observed_profiles"))[0]


# --- what a hazard loses -----------------------------------------------------------------------------------------


def hazard(**changed: Any) -> Any:
    _, data = exposed(rate=0.3, **changed)
    return data.rows("hazards")[0]


def test_half_of_supply_for_two_years_is_one_year_in_every_event() -> None:
    row = hazard(cut_share=0.5, cut_law="fixed", duration_yr=2.0)
    assert year_equivalents(row, "a", grid(8, 8)) == pytest.approx(np.ones(64))


def test_events_of_a_hazard_lose_what_its_laws_say() -> None:
    """Proves: triangular from 0.2 to 0.8 with its peak at 0.5 and 2 years exponential lose 1.0 on average; the median of both at
    once is 0.5*2*ln 2."""
    row = hazard(cut_share=0.5, cut_share_low=0.2, cut_share_high=0.8, duration_yr=2.0, duration_law="exponential")
    assert year_equivalents(row, "a", grid(400, 400)).mean() == pytest.approx(1.0, rel=0.005)
    middle = year_equivalents(row, "a", np.array([[0.5, 0.5]]))
    assert middle == pytest.approx([0.5 * 2 * math.log(2)])


def test_on_off_events_that_are_off_are_no_events() -> None:
    row = hazard(cut_share=0.25, cut_law="on_off", duration_yr=2.0)
    lost = year_equivalents(row, "a", grid(8, 8))
    assert lost == pytest.approx(np.full(16, 2.0))


# --- which hazard ------------------------------------------------------------------------------------------------


def test_a_hazard_calibrated_on_the_event_comes_first_then_the_narrowest_of_the_country() -> None:
    wide, narrow = hazard(hazard="wide", materials="a b c"), hazard(hazard="narrow", materials="a b")
    named = hazard(hazard="named", materials="a b c d", calibrated_on="E1")
    other, war = hazard(hazard="other", materials="b"), hazard(hazard="war", kind="war")
    abroad, all_of_it = hazard(hazard="abroad", countries="COD"), hazard(hazard="all", materials="*")
    one, china = course(1.0), {"CHN"}
    assert hazard_of(one, "a", [wide, narrow, named], china) is named
    assert hazard_of(one, "a", [wide, narrow, abroad], china) is narrow
    assert hazard_of(one, "a", [other, war, abroad, all_of_it], china) is None


def test_a_disruption_that_no_hazard_has_is_told() -> None:
    plan, data = case(1.0, kind="war")
    row = only(plan, data)
    assert (row.hazard, row.verdict) == ("", "the hazards do not have it")
    assert math.isnan(row.hazard_mean_yr)
    assert row.gross_yr == 1.0


def test_a_hazard_that_never_cuts_anything_is_milder() -> None:
    """Proves: neither a cut of nothing nor events that are always off end in a division by zero."""
    for law in ({"cut_law": "fixed"}, {"cut_law": "on_off"}):
        row = only(*case(0.5, cut_share=0.0, **law))
        assert (row.hazard, row.hazard_mean_yr, row.ratio) == ("stop", 0.0, 0.0)
        assert row.verdict == "milder: events of the hazard lose nothing"


# --- verdicts ----------------------------------------------------------------------------------------------------

VERDICTS: list[tuple[tuple[float | None, ...], bool, str]] = [
    ((0.5, 0.5), False, "within the range"),
    ((0.5, 0.5), True, "within the range, still running"),
    ((0.125,), False, "harsher by 8.0"),
    ((0.125, -0.125), False, "harsher by 8.0"),
    ((0.125,), True, "below the range so far, still running"),
    ((1.0, 1.0), False, "milder by 2.0"),
    ((1.0, 1.0), True, "milder by 2.0, still running"),
    ((0.5, None), False, "harsher by 2.0 (12 of 24 months known)"),
    ((-0.5,), False, "no loss observed; events of the hazard lose 1 years of supply on average"),
    ((0.0,), True, "no loss observed; events of the hazard lose 1 years of supply on average"),
]


@pytest.mark.parametrize(("losses", "running", "words"), VERDICTS)
def test_verdicts_beside_a_hazard_that_loses_one_year(
    losses: tuple[float | None, ...], running: bool, words: str
) -> None:
    """Proves: a hazard of half the supply for two years, exactly, beside more, less and as much; gross, not net, is compared."""
    row = only(*case(*losses, running=running, cut_share=0.5, cut_law="fixed", duration_yr=2.0))
    assert (row.hazard_mean_yr, row.hazard_low_yr, row.hazard_high_yr) == pytest.approx((1.0, 1.0, 1.0))
    assert row.verdict == words
    assert row.ratio == pytest.approx(1 / row.gross_yr) if row.gross_yr else math.isnan(row.ratio)


def test_a_range_is_compared_and_not_its_mean() -> None:
    assert verdict(course(0.3), 1.0, 0.2, 3.0) == "within the range"
    assert verdict(course(0.1), 1.0, 0.2, 3.0) == "harsher by 10.0"


def test_the_plan_s_own_hazards_are_compared() -> None:
    plan, data = case(0.5, cut_share=0.5, cut_law="fixed", duration_yr=2.0)
    shorter = Plan.model_validate(plan.to_toml_like() | {"hazards": [{"hazard": "stop", "duration_yr": 1.0}]})
    assert only(plan, data).verdict == "harsher by 2.0"
    assert only(shorter, data).verdict == "within the range"


# --- as a study, on the command line, in the report --------------------------------------------------------------


def test_the_outlook_has_the_replay_where_it_is_asked_for() -> None:
    plan, data = case(0.125, cut_share=0.5, cut_law="fixed", duration_yr=2.0)
    without, asked = scenario_outlook(plan, data, scenarios=16), scenario_outlook(plan, data, scenarios=16, replay=True)
    assert not {"replay", "kinds"} & set(without.tables)
    assert "Observed" not in without.summary()
    assert asked.to_dict()["replay"][0]["verdict"] == "harsher by 8.0"
    assert (
        "0.12 years of supply (0.12 net); stop: 1.00 on average, 90 % from 1.00 to 1.00: harsher by 8.0"
        in asked.summary()
    )


def test_tables_without_a_record_say_so() -> None:
    plan, data = exposed(rate=0.3)
    found = scenario_outlook(plan, data, scenarios=16, replay=True)
    assert len(found.tables["replay"]) == 0
    assert "the tables record none" in found.summary()


def test_the_shipped_hazards_beside_what_happened() -> None:
    """Proves: a row for every profile and material; magnets worldwide lost 0.13 years where the stop of heavy rare earths has
    1.14; gallium to the United States by all routes lost nothing under the ban."""
    data = load_dataset(shipped("inputs"))
    plan = load_plan(shipped("models") / "quickstart.toml")
    found = replay_observed(plan, data)
    named = [name for one in courses(data.rows("observed_profiles")) for name in one.materials]
    assert list(found.material) == named
    table = found.set_index("profile")
    magnets = table.loc["mag25_all"]
    assert (magnets.gross_yr, magnets.net_yr) == pytest.approx((0.131, 0.0), abs=1e-3)
    assert table.loc["ga24_usa_effective"].verdict.startswith("no loss observed")
    assert (found.hazard != "").all()
    assert found.hazard_low_yr.le(found.hazard_mean_yr).all()


def test_the_report_shows_the_replay_and_says_how_to_get_it() -> None:
    result = solve_once(*one_mineral(110.0), gap=0.0)
    asked = scenario_outlook(*case(0.125, cut_share=0.5, cut_law="fixed", duration_yr=2.0), scenarios=16, replay=True)
    page = report(result, analyses=[asked])
    assert "Observed disruptions and what the hazards say of them" in page
    assert "harsher by 8.0" in page
    assert "scenarios PLAN --replay" not in page
    assert "strategic-minerals scenarios PLAN --replay --out RUN/analyses/scenarios" in report(result)


def test_the_outlook_holds_each_control_against_others_of_its_kind() -> None:
    """Proves: one event of a kind is not testable and says so; of the shipped record every event has its verdict in words."""
    alone = scenario_outlook(*case(0.1), scenarios=16, replay=True)
    assert alone.to_dict()["kinds"][0]["verdict"] == "not testable"
    assert alone.to_dict()["kinds"][0]["low_yr"] is None
    assert "ban from 2025-01-01: a: 0.10: not testable" in alone.summary()
    plan = load_plan(shipped("models") / "quickstart.toml")
    table = kinds_held(plan, load_dataset(shipped("inputs"))).set_index("event")
    assert len(table) == 8
    assert (table.loc["E21", "running"], table.loc["E21", "verdict"]) == ("yes", "still running, so far below")
    line = kind_lines(table.loc[["E14"]].reset_index())[0]
    assert line.startswith("  China, licence from 2025-04-04: samarium, gadolinium")
    assert "0.50 so far; 4 others of the same kind (licence) say" in line


def test_the_verb_prints_writes_and_gives_the_replay_as_json(cli: Any, tmp_path: Path) -> None:
    said = cli("scenarios", "quickstart", "--scenarios", "16", "--replay", "--out", tmp_path / "look")
    assert said.returncode == 0, said.stderr
    assert "Gallium to United States, all routes from 2025-01-01: up to 0% lost" in said.stdout
    assert (tmp_path / "look" / "replay.csv").exists()
    told = json.loads(cli("scenarios", "quickstart", "--scenarios", "16", "--replay", "--json").stdout)
    assert {"event", "disruption", "gross_yr", "ratio", "verdict"} <= set(told["replay"][0])
