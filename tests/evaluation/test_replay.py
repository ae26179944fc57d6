"""Observed disruptions beside the hazards: closed forms of what a hazard loses, verdicts, the tables as shipped."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from strategic_minerals import Dataset, Plan, load_dataset, load_plan, replay_observed, scenario_outlook, shipped
from strategic_minerals.studies.outlook import Course, courses, grid, hazard_of, verdict, year_equivalents
from support.drawn_cases import exposed

EVENT = {"event": "E1", "effective": "2025-01-01", "country": "CHN", "target": "world", "instrument": "ban"}
EVENT |= {"minerals": "a", "status": "in force", "took_effect": "true", "severity": ""}
HALF: dict[str, Any] = {"cut_share": 0.5, "cut_law": "fixed", "duration_yr": 2.0}
"""A hazard of half the supply for two years, exactly."""


def observed(*losses: float | None, running: bool = False) -> pd.DataFrame:
    """Losses of years, one after the other."""
    row = {"profile": "p", "control_event": "E1", "materials": "a", "destination": "USA", "flow": "direct", "unit": "t"}
    row |= {"onset": "2025-01-01", "running": running}
    years = [
        {"period": str(2025 + n), "month_from": 12 * n, "month_to": 12 * n + 12, "loss_share": loss}
        for n, loss in enumerate(losses)
    ]
    return pd.DataFrame([row | year for year in years])


def case(*losses: float | None, running: bool = False, **hazard: Any) -> tuple[Plan, Dataset]:
    """A hazard of a material and what was observed of it: by default everything stops for just a year."""
    plan, data = exposed(rate=0.3, **hazard)
    return plan, data.replace(observed_profiles=observed(*losses, running=running), policy_events=pd.DataFrame([EVENT]))


def only(plan: Plan, data: Dataset) -> Any:
    (row,) = replay_observed(plan, data).itertuples()
    return row


def course(*losses: float | None) -> Course:
    return courses(Dataset.from_tables({"observed_profiles": observed(*losses)}).rows("observed_profiles"))[0]


def hazard(**changed: Any) -> Any:
    _, data = exposed(rate=0.3, **changed)
    return data.rows("hazards")[0]


def test_events_of_a_hazard_lose_what_its_laws_say() -> None:
    """Proves: half of supply for two years is one year in every event. Triangular from 0.2 to 0.8 with its peak at 0.5 and 2 years
    exponential lose 1.0 on average; the median of both at once is 0.5*2*ln 2. On-off events that are off are no events."""
    row = hazard(**HALF)
    assert year_equivalents(row, "a", grid(8, 8)) == pytest.approx(np.ones(64))
    row = hazard(cut_share=0.5, cut_share_low=0.2, cut_share_high=0.8, duration_yr=2.0, duration_law="exponential")
    assert year_equivalents(row, "a", grid(400, 400)).mean() == pytest.approx(1.0, rel=0.005)
    assert year_equivalents(row, "a", np.array([[0.5, 0.5]])) == pytest.approx([0.5 * 2 * math.log(2)])
    row = hazard(cut_share=0.25, cut_law="on_off", duration_yr=2.0)
    assert year_equivalents(row, "a", grid(8, 8)) == pytest.approx(np.full(16, 2.0))


def test_a_hazard_calibrated_on_the_event_comes_first_then_the_narrowest_of_the_country() -> None:
    wide, narrow = hazard(hazard="wide", materials="a b c"), hazard(hazard="narrow", materials="a b")
    named = hazard(hazard="named", materials="a b c d", calibrated_on="E1")
    other, war = hazard(hazard="other", materials="b"), hazard(hazard="war", kind="war")
    abroad, all_of_it = hazard(hazard="abroad", countries="COD"), hazard(hazard="all", materials="*")
    one, china = course(1.0), {"CHN"}
    assert hazard_of(one, "a", [wide, narrow, named], china) is named
    assert hazard_of(one, "a", [wide, narrow, abroad], china) is narrow
    assert hazard_of(one, "a", [other, war, abroad, all_of_it], china) is None


def test_a_disruption_that_no_hazard_has_or_cuts_is_told() -> None:
    """Proves: neither a cut of nothing nor events that are always off end in a division by zero."""
    row = only(*case(1.0, kind="war"))
    assert (row.hazard, row.verdict, row.gross_yr) == ("", "the hazards do not have it", 1.0)
    assert math.isnan(row.hazard_mean_yr)
    for law in ("fixed", "on_off"):
        row = only(*case(0.5, cut_share=0.0, cut_law=law))
        assert (row.hazard, row.hazard_mean_yr, row.ratio) == ("stop", 0.0, 0.0)
        assert row.verdict == "milder: events of the hazard lose nothing"


VERDICTS: list[tuple[tuple[float | None, ...], bool, str]] = [
    ((0.5, 0.5), False, "within the range"),
    ((0.5, 0.5), True, "within the range, still running"),
    ((0.125, -0.125), False, "harsher by 8.0"),
    ((0.125,), True, "below the range so far, still running"),
    ((1.0, 1.0), False, "milder by 2.0"),
    ((0.5, None), False, "harsher by 2.0 (12 of 24 months known)"),
    ((-0.5,), False, "no loss observed; events of the hazard lose 1 years of supply on average"),
    ((0.0,), True, "no loss observed; events of the hazard lose 1 years of supply on average"),
]


def test_verdicts_beside_a_hazard_that_loses_one_year() -> None:
    """Proves: a hazard of half the supply for two years, exactly, beside more, less and as much; gross, not net, is compared; where
    a plan states the hazard otherwise, its own."""
    for losses, running, words in VERDICTS:
        row = only(*case(*losses, running=running, **HALF))
        assert (row.hazard_mean_yr, row.hazard_low_yr, row.hazard_high_yr) == pytest.approx((1.0, 1.0, 1.0))
        assert row.verdict == words
        assert row.ratio == pytest.approx(1 / row.gross_yr) if row.gross_yr else math.isnan(row.ratio)
    assert verdict(course(0.3), 1.0, 0.2, 3.0) == "within the range"  # and not of its mean
    plan, data = case(0.5, **HALF)
    shorter = Plan.model_validate(plan.to_toml_like() | {"hazards": [{"hazard": "stop", "duration_yr": 1.0}]})
    assert [only(one, data).verdict for one in (plan, shorter)] == ["harsher by 2.0", "within the range"]


def test_the_outlook_has_the_replay_where_it_is_asked_for() -> None:
    """Proves: the verdict stands in the table and in words."""
    plan, data = case(0.125, **HALF)
    without, asked = (scenario_outlook(plan, data, scenarios=16, replay=replay) for replay in (False, True))
    assert "replay" not in without.tables
    assert asked.to_dict()["replay"][0]["verdict"] == "harsher by 8.0"
    assert "1.00 on average, 90 % from 1.00 to 1.00: harsher by 8.0" in asked.summary()


def test_the_shipped_hazards_beside_what_happened() -> None:
    """Proves: a row for every profile and material; magnets worldwide lost 0.13 years where the stop of heavy rare earths has
    1.14; gallium to the United States by all routes lost nothing under the ban."""
    plan, data = load_plan(shipped("models") / "quickstart.toml"), load_dataset(shipped("inputs"))
    found = replay_observed(plan, data)
    named = [name for one in courses(data.rows("observed_profiles")) for name in one.materials]
    assert list(found.material) == named
    table = found.set_index("profile")
    magnets = table.loc["mag25_all"]
    assert (magnets.gross_yr, magnets.net_yr) == pytest.approx((0.131, 0.0), abs=1e-3)
    assert table.loc["ga24_usa_effective"].verdict.startswith("no loss observed")
    assert (found.hazard != "").all()
    assert found.hazard_low_yr.le(found.hazard_mean_yr).all()
