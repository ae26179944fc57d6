"""What planning adds: known values of information, the order of bounds, alternatives on the same scenarios."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest

from strategic_minerals import Plan, PlanError, Study, load_dataset, load_plan, shipped, stress_test, value_of_planning
from strategic_minerals.answer.solving import solve_once
from strategic_minerals.core.errors import StoppedError
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.matrix.solution import extract
from strategic_minerals.solver.optimise import optimise
from strategic_minerals.studies.worth import along, average_scenario, decisions, evaluated, only, rules_of_thumb
from support.drawn_cases import deciding
from support.instances import quick_first, random_case
from support.newsvendor import newsvendor
from support.tiny import KT, cut, offer, source, tiny


def information(study: Study) -> dict[str, float]:
    """EVPI, VSS and what they are made of, by name."""
    table = study.tables["information"]
    return dict(zip(table.figure, table.musd, strict=True))


def test_information_in_the_newsvendor_by_hand() -> None:
    """Proves: EVPI 94 320 and VSS 65 952 k$ of the one-mineral case. Knowing the months lost, just those are bought: 2160 t on
    average at 61 = 131 760 against 226 080. Planned for the average, 2160 t are held: 292 032."""
    found = value_of_planning(*newsvendor(), gap=0.0)
    assert information(found)["evpi"] == pytest.approx(94.320, rel=1e-6)
    assert information(found)["vss"] == pytest.approx(65.952, rel=1e-6)
    table = found.tables["alternatives"].set_index("alternative")
    assert table.worth_musd["optimised plan"] - table.worth_musd["plan for average events"] == pytest.approx(
        65.952, rel=1e-6
    )
    assert table.worth_musd["stockpile only"] == pytest.approx(table.worth_musd["optimised plan"])
    assert table.worth_musd["nothing"] == 0.0


def test_sixty_days_of_cover_by_hand() -> None:
    """Proves: 60 days of 12 kt a year are 1.973 kt at 61, held wherever something may come: spent 120.3; each tonne of it is
    worth .3*160 + .7*54 = 85.8 of 61."""
    found = value_of_planning(*newsvendor(), gap=0.0)
    row = found.tables["alternatives"].set_index("alternative").loc["60 days of cover"]
    tonnes = 60 / 365 * 12.0
    assert row.spending_musd == pytest.approx(61 * tonnes, rel=1e-6)
    assert row.worth_musd == pytest.approx((0.3 * 160 + 0.7 * 54 - 61) * tonnes, rel=1e-6)


@pytest.mark.parametrize("seed", quick_first([0, 2, 6, 4], 3))
def test_wait_and_see_here_and_now_and_the_average_plan_stand_in_their_order(seed: int) -> None:
    """Proves: WS <= RP <= EEV, so EVPI and VSS are not negative (to the gap); the optimised plan is not beaten by any rule of
    thumb, and no alternative has a smaller cost in a scenario than that scenario planned for by itself."""
    plan, data = random_case(seed, cvar=False, loss_limits=False, service_hard=False, logic=False)
    found = value_of_planning(plan, data, gap=1e-6)
    tolerance = information(found)["largest_gap"] + 1e-6 * abs(information(found)["here_and_now"])
    assert information(found)["evpi"] >= -tolerance
    if information(found)["average_plan"] == information(found)["average_plan"]:  # NaN: it does not fit the budget
        assert information(found)["vss"] >= -tolerance
    known = found.tables["alternatives"].dropna(subset=["worth_musd"]).set_index("alternative")
    assert known.worth_musd.max() <= known.worth_musd["optimised plan"] + tolerance
    assert (known.largest_regret_musd >= -tolerance).all()


def test_information_is_valued_without_promises_on_all_sides() -> None:
    """Proves: a hard promise that costs more than it spares lowers the plan's worth and neither EVPI nor VSS."""
    case = {
        "sources": {"far": source("CHN", "a", 10.0)},
        "demand": {"a": 10.0},
        "loss": 5.0,
        "offers": {"spot": offer("a", 50.0, premium=0.5)},
        "materials": {"a": {"haircut_share": 0.2, "salvage_share": 0.9}},
        "scenarios": [cut("cut", 0.1, 2028, 1, design_basis=True)],
    }
    promise = {"material": "a", "segment": "civil", "level": 0.9, "scenarios": ["cut"]}
    without = value_of_planning(*tiny({"a": 10.0}, **case), gap=0.0)
    promised = value_of_planning(*tiny({"a": 10.0}, **case, service_levels=[promise]), gap=0.0)
    assert (information(promised)["evpi"], information(promised)["vss"]) == pytest.approx(
        (information(without)["evpi"], information(without)["vss"]), abs=1e-6
    )
    worth = promised.tables["alternatives"].set_index("alternative").worth_musd
    assert worth["optimised plan"] < worth["nothing"]


@pytest.mark.parametrize("seed", [1, 4, 9])
def test_the_decisions_of_a_plan_evaluated_give_its_objective(seed: int) -> None:
    """Proves: what is read out as decided is all that is decided: fixed in the model again, it costs what the plan costs."""
    plan, data = random_case(
        seed, service_hard=False, service_soft=False, country_cap=False, least_share=False, cover=False
    )
    problem = prepare(plan, data)
    solved = optimise(problem, gap=1e-7, time_limit_s=600.0)
    x = evaluated(problem, decisions(problem, extract(problem.structure, problem.assembly, solved.x)))
    cost = solved.costs["social_cost"]
    assert x is not None
    assert float(cost @ x) == pytest.approx(float(cost @ solved.x), rel=1e-7, abs=1e-5)


def test_one_world_and_the_average_world_are_what_they_say() -> None:
    """Proves: a scenario by itself keeps its data and is certain; the average of a full cut with probability .4 cuts .4."""
    plan, data = tiny(
        {"a": 10.0},
        sources={"far": source("CHN", "a", 10.0)},
        demand={"a": 10.0},
        offers={"spot": offer("a", 5.0)},
        scenarios=[cut("cut", 0.4, 2028, 1)],
    )
    alone, mean = (
        along(plan, data, only(0)).structure.scenarios,
        along(plan, data, average_scenario).structure.scenarios,
    )
    assert alone.probability.tolist() == [1.0]
    assert alone.availability[0, 0].tolist() == [1.0, 0.0, 1.0]
    assert mean.availability[0, 0].tolist() == pytest.approx([1.0, 0.6, 1.0])
    assert mean.onset.tolist() == [[1]]


@pytest.mark.slow
def test_alternatives_meet_fresh_worlds_with_intervals() -> None:
    """Proves: the plan's row is what the stress test of the solved plan says, figure by figure; nothing is worth nothing and a
    stock of 60 days less than the plan; what is behind the plan has a narrower interval than a difference of independent
    draws would have; without a sample there are no fresh scenarios."""
    plan, data = deciding()
    found = value_of_planning(plan, data, fresh=400, seed=4, gap=0.0)
    table = found.tables["fresh_scenarios"].set_index("alternative")
    stressed = stress_test(solve_once(plan, data, gap=0.0), scenarios=400, seed=4).tables["figures"].set_index("figure")
    for figure, column in (
        ("worth", "worth_musd"),
        ("expected_loss", "expected_loss_musd"),
        ("cvar", "cvar_musd"),
        ("defence_short", "defence_short"),
    ):
        row = table.loc["optimised plan"]
        own = stressed.loc[figure]
        assert (row[column], row[f"{column}_low"], row[f"{column}_high"]) == pytest.approx(
            (own.estimate, own.low, own.high)
        )
    assert table.worth_musd["nothing"] == table.worth_musd_high["nothing"] == 0.0
    held = table.loc["60 days of cover"]
    assert held.behind_plan_musd == pytest.approx(table.worth_musd["optimised plan"] - held.worth_musd)
    wide = math.hypot(
        *(table.worth_musd_high[name] - table.worth_musd_low[name] for name in ("optimised plan", held.name))
    )
    assert held.behind_plan_musd_high - held.behind_plan_musd_low < 0.95 * wide
    assert "IN 400 NEW RANDOM SCENARIOS" in found.summary()
    assert "fresh_scenarios" not in value_of_planning(*newsvendor(), gap=0.0).tables


def test_the_base_case_shortfall_is_what_the_event_itself_leaves_short() -> None:
    """Proves: of 12 kt a year 10 come from abroad and 2 are short always. A year's cut takes 6, and an ally withholds .8 of its 4:
    .8 kt are left, 11.2 missing, 2 of them anyway: 9.2 kt are filled, and nothing for quiet years."""
    plan, data = tiny(
        {"a": 10.0},
        sources={"far": source("CHN", "a", 6.0), "ally": source("AUS", "a", 4.0, kappa=0.2)},
        demand={("a", "defence"): 12.0},
        offers={"spot": offer("a", 100.0)},
        years=5,
        scenarios=[cut("war", 0.2, 2029, 1, design_basis=True)],
    )
    rules = {rule.name: rule for rule in rules_of_thumb(plan, prepare(plan, data))}
    filled = rules["base-case shortfall filled"].plan
    assert filled is not None
    (held,) = filled.days_of_cover
    assert held.days * 12 * KT / 365 == pytest.approx((12 - 4 * 0.2 - 2) * KT)


def test_what_a_rule_of_thumb_leaves_out_is_named() -> None:
    """Proves: of 10 kt a year at 0.1 kt a year on offer, 60 days (1.64 kt) take 18 years: named, not dropped in silence; a plan
    without a design-basis scenario has no base case to fill."""
    case = {
        "sources": {"far": source("CHN", "a", 10.0), "too": source("CHN", "b", 10.0)},
        "demand": {"a": 10.0, "b": 10.0},
        "offers": {"spot": offer("a", 5.0), "thin": offer("b", 0.1)},
        "scenarios": [cut("cut", 0.4, 2028, 1)],
    }
    plan, data = tiny({"a": 10.0, "b": 10.0}, **case)
    rules = {rule.name: rule for rule in rules_of_thumb(plan, prepare(plan, data))}
    held = rules["60 days of cover"]
    assert held.plan is not None
    assert [rule.material for rule in held.plan.days_of_cover] == ["a"]
    assert held.note == "without b: not offered, or not in time"
    found = value_of_planning(plan, data, gap=0.0)
    notes = found.tables["alternatives"].set_index("alternative").note
    assert notes["60 days of cover"] == held.note
    assert notes["base-case shortfall filled"] == "the plan has no design-basis scenario"
    assert "stock for the base-case shortfall: not compared (the plan has no design-basis scenario)" in found.summary()


def test_a_world_that_is_not_solved_leaves_its_figures_out_and_the_table_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Proves: where a scenario by itself finds no plan in time, EVPI and regrets are unknown, not wrong, and the rest is told."""
    import strategic_minerals.studies.worth as worth

    def stopping(one: Any, **options: Any) -> Any:
        if len(one.structure.scenarios.names) == 1 and one.structure.scenarios.names[0] != "average":
            raise StoppedError("stopped", None)
        return optimise(one, **options)

    monkeypatch.setattr(worth, "optimise", stopping)
    found = value_of_planning(*newsvendor(), gap=0.0)
    assert information(found)["evpi"] != information(found)["evpi"]
    assert found.tables["alternatives"].largest_regret_musd.isna().all()
    assert information(found)["vss"] == pytest.approx(65.952, rel=1e-6)
    assert "would add an unknown amount (EVPI)" in found.summary()


def test_a_plan_of_another_aim_is_told_why_it_has_no_such_table() -> None:
    plan, data = random_case(3)
    lean = plan.to_toml_like() | {"objective": {"kind": "least_budget"}}
    lean["budget"]["branch_money"] = "planned"
    with pytest.raises(PlanError, match="social cost, in which the value of planning is measured"):
        value_of_planning(Plan.model_validate(lean), data)


@pytest.mark.slow
@pytest.mark.usefixtures("one_core")
def test_the_verb_worth_tells_the_table(cli: Any) -> None:
    """Proves: on the quickstart the optimised plan leads, nothing is worth nothing, and JSON says the same."""
    said = cli("worth", "quickstart")
    assert said.returncode == 0, said.stderr
    lines = said.stdout.splitlines()
    assert re.match(r"  optimised plan: worth [1-9]", lines[1])
    assert "million USD of 2024, discounted" in lines[0]
    assert "CVaR: mean loss of the worst 10% of the scenarios" in lines[0]
    assert "doing nothing" in [line.split(":")[0].strip() for line in lines if "worth 0," in line]
    assert "EVPI" in lines[-1]
    told = json.loads(cli("worth", "quickstart", "--json").stdout)
    assert told["alternatives"][0]["alternative"] == "optimised plan"
    assert cli("worth", "defence-base-case").returncode == 2


def test_the_optimised_plan_of_the_table_is_the_plan_that_solve_gives() -> None:
    plan, data = load_plan(shipped("models") / "quickstart.toml"), load_dataset(shipped("inputs"))
    stated = -(solve_once(plan, data, gap=1e-6).outcome.objective_musd or 0.0)
    table = value_of_planning(plan, data, gap=1e-6).tables["alternatives"].set_index("alternative")
    assert table.worth_musd["optimised plan"] == pytest.approx(stated, rel=1e-4)
