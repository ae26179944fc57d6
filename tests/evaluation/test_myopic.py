"""Operations without foresight: what is believed, and that not knowing costs and never gains."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from strategic_minerals import stress_test
from strategic_minerals.answer.solving import solve_once
from strategic_minerals.question.project_tables import HazardRow
from strategic_minerals.studies.recourse import FirstStage, evaluate_myopic_recourse, evaluate_recourse
from strategic_minerals.world.draws import mean_remainder
from support.drawn_cases import exposed
from support.instances import random_case
from support.tiny import cut, source, tiny


def lasting(mean: float, **law: Any) -> dict[str, HazardRow]:
    row = {"hazard": "event", "name": "event", "kind": "embargo", "countries": "CHN", "materials": "a"}
    row |= {"rate_per_yr": 0.1, "duration_yr": mean, "cut_share": 1.0, "duration_law": "exponential"}
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


@pytest.mark.parametrize("seed", [0, 3])
def test_not_knowing_the_end_never_gains_and_costs_nothing_where_nothing_happens(seed: int) -> None:
    """Proves: in every scenario the myopic course costs at least what the best course costs, and as much where no event comes."""
    plan, data = random_case(seed, loss_limits=False, service_soft=False, service_hard=False, cvar=False)
    first = FirstStage.of(plan, data, solve_once(plan, data, gap=1e-6).solution)
    scenarios = first.own_scenarios
    known, blind = evaluate_recourse(first, scenarios), evaluate_myopic_recourse(first, scenarios, {})
    assert (blind.cost >= known.cost - 1e-6 * (1 + abs(known.cost))).all()
    calm = [k for k, events in enumerate(scenarios.events) if not events]
    assert blind.cost[calm] == pytest.approx(known.cost[calm], rel=1e-9)


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
    assert evaluate_myopic_recourse(first, scenarios, lasting(5.0)).loss[at] == pytest.approx(5 * 60.0)


def test_the_myopic_stress_test_meets_the_same_draws_and_gains_nothing() -> None:
    result = solve_once(*exposed(rate=0.3), gap=0.0)
    asked = (stress_test(result, scenarios=40, seed=2, myopic=myopic) for myopic in (False, True))
    known, blind = (study.tables["scenarios"] for study in asked)
    assert blind[["scenario", "probability"]].equals(known[["scenario", "probability"]])
    assert np.all(blind.cost_musd >= known.cost_musd - 1e-6)
