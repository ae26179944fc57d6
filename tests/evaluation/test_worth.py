"""What planning adds: known values of information, the order of bounds, alternatives on the same scenarios."""

from __future__ import annotations

import math
from typing import Any

import pytest

from strategic_minerals import Study, load_dataset, load_plan, shipped, stress_test, value_of_planning
from strategic_minerals.answer.solving import solve_once
from strategic_minerals.core.errors import StoppedError
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.matrix.solution import extract
from strategic_minerals.solver.optimise import optimise
from strategic_minerals.studies.worth import decisions, evaluated
from support.drawn_cases import deciding
from support.instances import quick_first, random_case
from support.newsvendor import newsvendor
from support.tiny import cut, offer, source, tiny


def information(study: Study) -> dict[str, float]:
    """EVPI, VSS and what they are made of, by name."""
    table = study.tables["information"]
    return dict(zip(table.figure, table.musd, strict=True))


def test_information_in_the_newsvendor_by_hand() -> None:
    """Proves: EVPI 94 320 and VSS 65 952 k$ of the one-mineral case. Knowing the months lost, just those are bought: 2160 t on
    average at 61 = 131 760 against 226 080. Planned for the average, 2160 t are held: 292 032. 60 days of 12 kt a year are 1.973 kt
    at 61, held wherever something may come; each tonne of it is worth .3*160 + .7*54 = 85.8 of 61."""
    found = value_of_planning(*newsvendor(), gap=0.0)
    assert information(found)["evpi"] == pytest.approx(94.320, rel=1e-6)
    assert information(found)["vss"] == pytest.approx(65.952, rel=1e-6)
    table = found.tables["alternatives"].set_index("alternative")
    assert table.worth_musd["optimised plan"] - table.worth_musd["plan for average events"] == pytest.approx(
        65.952, rel=1e-6
    )
    assert table.worth_musd["stockpile only"] == pytest.approx(table.worth_musd["optimised plan"])
    assert table.worth_musd["nothing"] == 0.0
    tonnes = 60 / 365 * 12.0
    assert table.spending_musd["60 days of cover"] == pytest.approx(61 * tonnes, rel=1e-6)
    assert table.worth_musd["60 days of cover"] == pytest.approx((0.3 * 160 + 0.7 * 54 - 61) * tonnes, rel=1e-6)


@pytest.mark.parametrize("seed", quick_first([0, 2, 6, 4], 2))
def test_wait_and_see_here_and_now_and_the_average_plan_stand_in_their_order(seed: int) -> None:
    """Proves: WS <= RP <= EEV, so EVPI and VSS are not negative (to the gap); the optimised plan is not beaten by any rule of
    thumb, and no alternative has a smaller cost in a scenario than that scenario planned for by itself."""
    plan, data = random_case(seed, cvar=False, loss_limits=False, service_hard=False, logic=False)
    found = value_of_planning(plan, data, gap=1e-6)
    tolerance = information(found)["largest_gap"] + 1e-6 * abs(information(found)["here_and_now"])
    assert information(found)["evpi"] >= -tolerance
    if not math.isnan(information(found)["average_plan"]):  # it does not fit the budget
        assert information(found)["vss"] >= -tolerance
    known = found.tables["alternatives"].dropna(subset=["worth_musd"]).set_index("alternative")
    assert known.worth_musd.max() <= known.worth_musd["optimised plan"] + tolerance
    assert (known.largest_regret_musd >= -tolerance).all()


def test_information_is_valued_without_promises_on_all_sides() -> None:
    """Proves: a hard promise that costs more than it spares lowers the plan's worth and neither EVPI nor VSS."""
    case = {
        "sources": {"far": source("CHN", "a", 10.0)},
        "offers": {"spot": offer("a", 50.0, premium=0.5)},
        "materials": {"a": {"haircut_share": 0.2, "salvage_share": 0.9}},
        "scenarios": [cut("cut", 0.1, 2028, 1, design_basis=True)],
    }
    promise = {"material": "a", "segment": "civil", "level": 0.9, "scenarios": ["cut"]}
    without, promised = (
        value_of_planning(*tiny({"a": 10.0}, demand={"a": 10.0}, loss=5.0, service_levels=levels, **case), gap=0.0)
        for levels in ([], [promise])
    )
    for figure in ("evpi", "vss"):
        assert information(promised)[figure] == pytest.approx(information(without)[figure], abs=1e-6)
    worth = promised.tables["alternatives"].set_index("alternative").worth_musd
    assert worth["optimised plan"] < worth["nothing"]


@pytest.mark.parametrize("seed", quick_first([1, 4, 9], 2))
def test_the_decisions_of_a_plan_evaluated_give_its_objective(seed: int) -> None:
    """Proves: what is read out as decided is all that is decided: fixed in the model again, it costs what the plan costs."""
    off = dict.fromkeys(("service_hard", "service_soft", "country_cap", "least_share", "cover"), False)
    problem = prepare(*random_case(seed, **off))
    solved = optimise(problem, gap=1e-7, time_limit_s=600.0)
    x = evaluated(problem, decisions(problem, extract(problem.structure, problem.assembly, solved.x)))
    cost = solved.costs["social_cost"]
    assert x is not None
    assert float(cost @ x) == pytest.approx(float(cost @ solved.x), rel=1e-7, abs=1e-5)


@pytest.mark.slow
def test_alternatives_meet_fresh_worlds_with_intervals() -> None:
    """Proves: the plan's row is what the stress test of the solved plan says, figure by figure; nothing is worth nothing and a
    stock of 60 days less than the plan; what is behind the plan has a narrower interval than a difference of independent
    draws would have."""
    plan, data = deciding()
    found = value_of_planning(plan, data, fresh=400, seed=4, gap=0.0)
    table = found.tables["fresh_scenarios"].set_index("alternative")
    stressed = stress_test(solve_once(plan, data, gap=0.0), scenarios=400, seed=4).tables["figures"].set_index("figure")
    row = table.loc["optimised plan"]
    for figure in ("worth", "expected_loss", "cvar", "defence_short"):
        own, column = stressed.loc[figure], figure if figure == "defence_short" else f"{figure}_musd"
        told = (row[column], row[f"{column}_low"], row[f"{column}_high"])
        assert told == pytest.approx((own.estimate, own.low, own.high)), figure
    assert table.worth_musd["nothing"] == table.worth_musd_high["nothing"] == 0.0
    held = table.loc["60 days of cover"]
    assert held.behind_plan_musd == pytest.approx(table.worth_musd["optimised plan"] - held.worth_musd)
    width = table.worth_musd_high - table.worth_musd_low
    wide = math.hypot(width["optimised plan"], width[held.name])
    assert held.behind_plan_musd_high - held.behind_plan_musd_low < 0.95 * wide


def test_a_world_that_is_not_solved_leaves_its_figures_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: where a scenario by itself finds no plan in time, EVPI and regrets are unknown, not wrong, and the rest is told."""

    def stopping(one: Any, **options: Any) -> Any:
        if len(one.structure.scenarios.names) == 1 and one.structure.scenarios.names[0] != "average":
            raise StoppedError("stopped", None)
        return optimise(one, **options)

    monkeypatch.setattr("strategic_minerals.studies.worth.optimise", stopping)
    found = value_of_planning(*newsvendor(), gap=0.0)
    assert math.isnan(information(found)["evpi"])
    assert found.tables["alternatives"].largest_regret_musd.isna().all()
    assert information(found)["vss"] == pytest.approx(65.952, rel=1e-6)


def test_the_optimised_plan_of_the_table_is_the_plan_that_solve_gives() -> None:
    plan, data = load_plan(shipped("models") / "quickstart.toml"), load_dataset(shipped("inputs"))
    result = solve_once(plan, data, gap=1e-6)
    stated = result.objective_parts["soft_penalties"] - (result.outcome.objective_musd or 0.0)
    table = value_of_planning(plan, data, gap=1e-6).tables["alternatives"].set_index("alternative")
    assert table.worth_musd["optimised plan"] == pytest.approx(stated, rel=1e-4)
