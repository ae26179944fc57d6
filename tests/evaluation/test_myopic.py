"""Operations without foresight: what is believed, and that not knowing costs and never gains."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from strategic_minerals import Plan, stress_test
from strategic_minerals.answer.solving import solve_once
from strategic_minerals.question.plan import Event
from strategic_minerals.question.project_tables import HazardRow
from strategic_minerals.studies.recourse import FirstStage, believed, evaluate_myopic_recourse, evaluate_recourse
from strategic_minerals.world.events import DisruptionEvent, resolve_event
from strategic_minerals.world.scenarios import mean_remainder
from support.drawn_cases import exposed
from support.instances import random_case
from support.tiny import KT, cut, offer, source, tiny


def event(start: float, duration: float, flood: float = 0.0) -> DisruptionEvent:
    return resolve_event(
        Event.model_validate(
            {
                "start_year": start,
                "duration_years": duration,
                "flood_years": flood,
                "countries": "CHN",
                "materials": "a",
                "cut_share": 1.0,
                "third_country_cut_share": 0.2,
            }
        ),
        None,
    )


def lasting(mean: float, **law: Any) -> dict[str, HazardRow]:
    row = {
        "hazard": "event",
        "name": "event",
        "kind": "embargo",
        "countries": "CHN",
        "materials": "a",
        "rate_per_yr": 0.1,
        "duration_yr": mean,
        "cut_share": 1.0,
        "duration_law": "exponential",
    }
    return {"event": HazardRow.model_validate(row | law)}


def test_what_is_left_of_a_cut_follows_its_law() -> None:
    """Proves: an exponential cut of 2 years has 2 left whenever asked; a fixed one of 2 has .5 left after 1.5; a lognormal
    one with median 1 and sigma 1 has, after 1, E[D - 1 | D > 1] = 2 e^.5 Phi(1) - 1 = 1.7743."""
    assert mean_remainder(lasting(2.0)["event"], 7.0) == 2.0
    assert mean_remainder(lasting(2.0, duration_law="fixed")["event"], 1.5) == pytest.approx(0.5)
    spread = math.exp(2 * 1.6448536269514722)
    wide = lasting(math.exp(0.5), duration_law="lognormal", duration_yr_low=1.0, duration_yr_high=spread)["event"]
    assert mean_remainder(wide, 1.0) == pytest.approx(2 * math.exp(0.5) * 0.8413447 - 1, rel=5e-3)
    assert mean_remainder(lasting(2.0, duration_law="fixed")["event"], 9.0) == pytest.approx(1 / 12)


def test_what_has_ended_is_known_and_what_lasts_goes_on_for_its_mean() -> None:
    """Proves: at 2030.0 a cut of 2028.5 to 2029.75 is known; one from 2029.25 on is believed to last .75 + 2 years, whatever
    it will do; a flood from 2029.0 on is believed to go on for 2 more years, and no squeeze is foreseen."""
    rows = lasting(2.0)
    over = event(2028.5, 1.25)
    assert believed(over, 2030.0, rows) == over
    for truth in (1.0, 5.0):
        assert believed(event(2029.25, truth), 2030.0, rows).duration == pytest.approx(0.75 + 2.0)
    flood = believed(event(2029.0, 1.0, flood=1.5), 2030.0, rows)
    assert (flood.flood, flood.duration, flood.cut, flood.third_cut) == (3.0, 0.0, 0.0, 0.0)
    squeeze = believed(event(2029.0, 4.0, flood=0.5), 2030.0, rows)
    assert (squeeze.flood, squeeze.duration) == (0.5, 2.5)


@pytest.mark.parametrize("seed", [0, 1, 3, 6])
def test_not_knowing_the_end_never_gains_and_costs_nothing_where_nothing_happens(seed: int) -> None:
    """Proves: in every scenario the myopic course costs at least what the best course costs, and as much where no event comes."""
    plan, data = random_case(seed, loss_limits=False, service_soft=False, service_hard=False, cvar=False)
    first = FirstStage.of(plan, data, solve_once(plan, data, gap=1e-6).solution)
    scenarios = first.own_scenarios
    known, blind = evaluate_recourse(first, scenarios), evaluate_myopic_recourse(first, scenarios, {})
    assert (blind.cost >= known.cost - 1e-6 * (1 + abs(known.cost))).all()
    calm = [k for k, events in enumerate(scenarios.events) if not events]
    assert blind.cost[calm] == pytest.approx(known.cost[calm], rel=1e-9)


def test_an_event_that_is_over_within_its_period_leaves_nothing_to_foresee() -> None:
    """Proves: cuts of a whole year that begin with the year are known at its end: the same cost, scenario by scenario."""
    plan, data = tiny(
        {"a": 10.0},
        sources={"far": source("CHN", "a", 10.0)},
        demand={"a": 10.0},
        offers={"spot": offer("a", 4.0)},
        scenarios=[cut("one", 0.3, 2028, 1), cut("two", 0.3, 2029, 1)],
        years=4,
    )
    first = FirstStage.of(plan, data, solve_once(plan, data, gap=0.0).solution)
    known, blind = (
        evaluate_recourse(first, first.own_scenarios),
        evaluate_myopic_recourse(first, first.own_scenarios, lasting(5.0)),
    )
    assert blind.cost == pytest.approx(known.cost, rel=1e-9)


def test_a_reserve_is_stretched_by_who_fears_a_long_stop() -> None:
    """Proves: 10 kt in store, 10 a year missed: half at 50 a kg, half at 200. A stop of 2028 and 2029 takes 20: known, 10 serve the
    dear half of both years and 10 go short at 50 + price 10. Who fears five more years at the end of 2028 keeps what the dear
    half will need: the stock runs out no sooner, and at the end some of it was kept for nothing."""
    plan, data = tiny(
        {"a": 10.0},
        sources={"far": source("CHN", "a", 10.0)},
        demand={"a": 10.0},
        loss=100.0,
        tiers={"civil": [(0.5, 0.5), (0.5, 2.0)]},
        stock={"a": 10.0},
        scenarios=[cut("stop", 0.5, 2028, 1.5)],
        years=6,
        instruments={"reserve": False},
    )
    first = FirstStage.of(plan, data, solve_once(plan, data, gap=0.0).solution)
    scenarios = first.own_scenarios
    known = evaluate_recourse(first, scenarios)
    calm, fearful = (evaluate_myopic_recourse(first, scenarios, lasting(mean)) for mean in (0.1, 5.0))
    at = scenarios.names.index("stop")
    assert known.loss[at] == pytest.approx(5 * 60.0)  # 15 kt are lost, 10 in store, 5 of the cheap half go short
    assert known.loss[at] <= calm.loss[at] + 1e-6
    assert known.loss[at] <= fearful.loss[at] + 1e-6
    assert (fearful.cost >= known.cost - 1e-6).all()


def test_fear_of_a_long_stop_keeps_the_stock_for_the_dear_half() -> None:
    """Proves: 10 kt a year, half missed at 60 a kg and half at 210, a stop of 1.2 years and 10 kt in store: 12 are lost, and who
    knows serves all but 2 kt of the cheap half (120), as does who fears a tenth of a year more. Who fears five years more at
    the end of the first keeps the stock for the dear half and lets all of the cheap half go short (300)."""
    plan, data = tiny(
        {"a": 10.0},
        sources={"far": source("CHN", "a", 10.0)},
        demand={"a": 10.0},
        loss=100.0,
        tiers={"civil": [(0.5, 0.5), (0.5, 2.0)]},
        stock={"a": 10.0},
        scenarios=[cut("stop", 0.5, 2028, 1.2)],
        years=6,
        instruments={"reserve": False},
    )
    first = FirstStage.of(plan, data, solve_once(plan, data, gap=0.0).solution)
    scenarios = first.own_scenarios
    at = scenarios.names.index("stop")
    assert evaluate_recourse(first, scenarios).loss[at] == pytest.approx(2 * 60.0)
    assert evaluate_myopic_recourse(first, scenarios, lasting(0.1)).loss[at] == pytest.approx(2 * 60.0)
    fearful = evaluate_myopic_recourse(first, scenarios, lasting(5.0))
    assert fearful.loss[at] == pytest.approx(5 * 60.0)


def test_who_does_nothing_is_as_blind_as_the_plan() -> None:
    """Proves: a plan that does nothing is worth nothing, myopic or not, with a stock that both release; where the law leaves
    nothing to learn (one event of a fixed length) both variants lose the same."""
    plan, data = exposed(rate=0.3, duration_yr=1.3, duration_law="fixed")
    stocked = data.replace(stock=pd.DataFrame([{"material": "a", "opening_t": 8 * KT}]))
    told = plan.to_toml_like() | {"budget": {"appropriation_musd": {"2027": 0.0}}}
    result = solve_once(Plan.model_validate(told), stocked, gap=0.0)
    known, blind = (
        stress_test(result, scenarios=60, seed=2, myopic=myopic).tables["figures"].set_index("figure")
        for myopic in (False, True)
    )
    assert blind.estimate["worth"] == pytest.approx(0.0, abs=1e-6)
    assert blind.estimate["expected_loss"] == pytest.approx(known.estimate["expected_loss"], rel=1e-6)
    assert blind.do_nothing["expected_loss"] == blind.estimate["expected_loss"]


def test_the_stress_test_has_a_myopic_variant() -> None:
    """Proves: the same draws, no better for the plan, and said in the summary."""
    result = solve_once(*exposed(rate=0.3), gap=0.0)
    known: Any = stress_test(result, scenarios=40, seed=2)
    blind: Any = stress_test(result, scenarios=40, seed=2, myopic=True)
    assert np.all(blind.tables["scenarios"].cost_musd >= known.tables["scenarios"].cost_musd - 1e-6)
    assert "only when it ends" in blind.summary()
    assert "known once it has begun" in known.summary()
