"""Trap 27: what comes inside imported goods can be neither held nor made, so no plan may depend on how much of it there is.

Its loss is told apart and left out of risk measures, unless the plan asks for it. Kilotonnes, USD/kg, million USD (see `tiny`).
"""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from strategic_minerals import InputError, PlanError
from strategic_minerals.answer.solving import solve_once
from strategic_minerals.answer.tables import losses_by_scenario
from strategic_minerals.audit.accounts import embedded_losses, losses, open_accounts
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.matrix.solution import extract
from strategic_minerals.studies.outlook import scenario_outlook
from strategic_minerals.studies.stress import stress_test
from support.tiny import bought, cut, hazard_row, offer, project, source, supply_rule, tiny, total, unaudited

STOP = cut("stop", 0.2, 2028, 1, design_basis=True)
LONG = cut("long", 0.1, 2028, 2)


def goods(embedded: float = 0.0, **plan: Any) -> tuple:
    """10 kt of magnets a year, and some kt inside goods, both Chinese: in a stop of a year each kt missing costs 5 + 100 M."""
    inside = (
        {"sources": {"goods": source("CHN", "inside", embedded)}, "demand": {"inside": embedded}}
        if embedded
        else {"sources": {}, "demand": {}}
    )
    given: dict[str, Any] = {
        "materials": {"inside": {"embedded": True}, "magnet": {"holding_share_per_yr": 0.1}},
        "sources": {"china": source("CHN", "magnet", 10), **inside["sources"]},
        "demand": {"magnet": 10, **inside["demand"]},
        "offers": {"o": offer("magnet", 4), "dear": offer("magnet", 4, 1.0)},
        "scenarios": [STOP, LONG],
        **plan,
    }
    return tiny({"magnet": 5, "inside": 5}, **given)


def answer(case: tuple) -> Any:
    result = solve_once(*case, gap=0.0)
    assert result.audited.passed
    return result


RISKS = [
    {},
    {"risk": {"cvar_weight": 2.0, "alpha": 0.8}},
    {"risk": {"cvar_limit_musd": 1400.0, "alpha": 0.8}},
    {"risk": {"expected_loss_limit_musd": 250.0}},
    {"objective": {"kind": "risk_within_budget"}, "money": 20.0},
]


@pytest.mark.parametrize("risk", RISKS, ids=lambda risk: "/".join(next(iter(risk.values()), ["cost"])))
def test_the_plan_is_the_same_with_twice_as_much_inside_goods(risk: dict[str, Any]) -> None:
    none, some, twice = (answer(goods(kt, **risk)) for kt in (0.0, 20.0, 40.0))
    for other in (some, twice):
        assert other.outcome.objective_musd == pytest.approx(none.outcome.objective_musd, abs=1e-6)
        assert bought(other, "magnet") == pytest.approx(bought(none, "magnet"), abs=1e-6)
    assert total(twice) - total(some) == pytest.approx(total(some) - total(none), abs=1e-6)


def test_it_is_the_same_where_scenarios_are_sampled_and_reduced() -> None:
    """A sample is reduced by what scenarios cost: the goods must not choose which of them are kept."""
    sample = {"scenarios": 3, "draws": 60, "seed": 1, "quiet_probability": 0.05}

    def kept(kt: float) -> Any:
        plan, data = goods(kt, scenarios=[], years=5, sample=sample)
        return prepare(plan, with_hazards(data)).structure.scenarios

    some, twice = kept(20.0), kept(40.0)
    assert some.names == twice.names
    assert np.array_equal(some.probability, twice.probability)


def with_hazards(data: Any) -> Any:
    """The tables with two hazards: one stops all that China sells, the other its goods alone."""
    hazards = [
        hazard_row(name, materials, 0.3, cut_share=0.8, cut_law="fixed")
        for name, materials in (("both", "*"), ("goods", "inside"))
    ]
    return data.replace(hazards=pd.DataFrame(hazards))


def test_its_loss_has_a_column_of_its_own_and_a_line_in_the_summary() -> None:
    """20 kt at 105 M: 2,100 M in the stop of a year, 4,200 in the longer one, 840 expected."""
    result = answer(goods(20.0))
    table = result.tables["scenario_losses"].set_index("scenario")
    assert table.embedded_loss_musd["stop"] == pytest.approx(2100)
    assert table.embedded_loss_musd["long"] == pytest.approx(4200)
    assert table.loss_without_plan_musd["stop"] == pytest.approx(1050)
    assert table.shortfall_without_plan_t["stop"] == pytest.approx(10_000)
    line = next(line for line in result.summary(full=True).splitlines() if "inside imported goods" in line)
    assert "840 M with the plan or without it, not counted above, nor in risk measures" in line


def test_risk_measures_count_it_where_the_plan_asks() -> None:
    case = goods(20.0, risk={"cvar_weight": 1.0, "alpha": 0.8, "embedded": True})
    result = answer(case)
    table = result.tables["scenario_losses"].set_index("scenario")
    assert table.loss_without_plan_musd["stop"] == pytest.approx(1050 + 2100)
    assert "counted above, as the plan asks" in result.summary(full=True)
    left_out = answer(goods(20.0, risk={"cvar_weight": 1.0, "alpha": 0.8}))
    tail = (4200 * 0.1 + 2100 * 0.1) / 0.2
    assert total(result) - total(left_out) == pytest.approx(tail, abs=1e-5)


def test_the_audit_counts_as_the_model_does() -> None:
    for risk in ({"cvar_weight": 1.0}, {"cvar_weight": 1.0, "embedded": True}):
        solved = unaudited(*goods(20.0, risk=risk))
        solution = extract(solved.problem.structure, solved.problem.assembly, solved.x)
        told, accounts = losses_by_scenario(solved.problem, solution), open_accounts(solved.problem, solution)
        assert losses(accounts) == pytest.approx(told[0], abs=1e-6)
        assert embedded_losses(accounts) == pytest.approx(told[1], abs=1e-6)


def test_stress_tests_and_outlooks_leave_it_out() -> None:
    plan, data = goods(20.0)
    data = with_hazards(data)
    result = solve_once(plan, data, gap=0.0)
    doubled, more = goods(40.0)
    again = solve_once(doubled, with_hazards(more), gap=0.0)
    tests = [stress_test(answered, scenarios=40, seed=3) for answered in (result, again)]
    assert np.allclose(*(one.tables["scenarios"].loss_musd for one in tests), rtol=0, atol=1e-6)
    years = [
        scenario_outlook(*case, scenarios=40, seed=3).tables["years"]
        for case in ((plan, data), (doubled, with_hazards(more)))
    ]
    assert np.allclose(years[0].cvar_musd, years[1].cvar_musd)


FAULTY: list[tuple[dict[str, Any], str]] = [
    ({"offers": {"o": offer("inside", 4)}}, "offers.csv"),
    ({"stock": {"inside": 1.0}}, "stock.csv"),
    ({"projects": {"p": project("inside", 1.0)}}, "yields.csv"),
    ({"sources": {"china": source("CHN", {"magnet": 1.0, "inside": 1.0}, 10)}}, "yields.csv"),
    ({"sources": {"china": source("CHN", "magnet", 10), "home": source("USA", "inside", 1)}}, "activities.csv"),
    (
        {"sources": {"china": source("CHN", "magnet", 10), "ally": source("AUS", "inside", 1, lot_t_per_yr=1.0)}},
        "activities.csv",
    ),
    ({"days_of_cover": [{"material": "inside", "days": 0, "from_year": 2028}]}, "plan"),
    (
        {"diversification": [supply_rule("country_cap", "inside", 0.5, country="CHN", from_year=2028, hard=True)]},
        "plan",
    ),
    ({"service_levels": [{"material": "inside", "segment": "civil", "level": 0.5, "scenarios": ["stop"]}]}, "plan"),
    ({"instruments": {"price_floors": [{"material": "inside", "levels_usd_per_kg": [6], "term_years": 3}]}}, "plan"),
]


@pytest.mark.parametrize(("change", "file"), FAULTY, ids=[f"{n}-{file}" for n, (_, file) in enumerate(FAULTY)])
def test_nothing_that_a_plan_decides_may_reach_it(change: dict[str, Any], file: str) -> None:
    given = {"demand": {"magnet": 10, "inside": 5}, **change}
    with pytest.raises((InputError, PlanError)) as raised:
        solve_once(*goods(0.0, **given))
    assert any(
        (fault.file == file and "no stock and no plant" in str(fault)) or "not embedded" in str(fault)
        for fault in raised.value.faults
    )
