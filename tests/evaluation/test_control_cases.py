"""Open controls: each case is the plan that states it, probabilities multiply, and what all cases decide is told apart."""

import pytest

from strategic_minerals import PlanError, control_cases
from strategic_minerals.answer.solving import solve_once
from support.tiny import KT, cut, offer, source, tiny


def question(stock=None, **controls):
    """2 kt wanted, 1 kt each from China and an ally; a control may halve what China sends until 2029. A stop comes in FY2029."""
    known = {"countries": "CHN", "materials": "metal", "cut_share": 0.5, "until_year": 2029.0}
    return tiny(
        {"metal": 10.0},
        materials={"metal": {"holding_share_per_yr": 0.01}},
        sources={"china": source("CHN", "metal", 1.0), "ally": source("AUS", "metal", 1.0)},
        demand={"metal": 2.0},
        offers={"from_ally": offer("metal", 0.3, 0.0, source="ally"), "spot": offer("metal", 1.0, 0.0)},
        scenarios=[cut("stop", 0.5, 2029.0, 1.0)],
        stock=stock,
        controls=[{"name": name, **known, "probability": chance} for name, chance in controls.items()],
    )


def test_each_case_is_the_plan_that_states_it_and_probabilities_multiply():
    plan, data = question(quota=0.3)
    found = control_cases(plan, data, gap=0.0).tables["cases"]
    assert found.probability.to_list() == pytest.approx([0.3, 0.7])
    assert found.in_force.to_list() == ["quota", ""]
    for row, on in zip(found.itertuples(), (True, False), strict=True):
        stated = plan.controls[0].model_copy(update={"in_force": on})
        alone = solve_once(plan.model_copy(update={"controls": (stated,)}), data, gap=0.0)
        assert row.worth_musd == pytest.approx(alone.figures.value("worth_musd"), rel=1e-9)
    four = control_cases(*question(a=0.2, b=0.5))
    cases = four.tables["cases"]
    assert cases.probability.to_list() == pytest.approx([0.1, 0.1, 0.4, 0.4])
    assert four.facts["expected_worth_musd"] == pytest.approx(float(cases.probability @ cases.worth_musd))
    with pytest.raises(PlanError, match="probability"):
        control_cases(*question())


def test_what_every_case_decides_is_told_apart():
    """The stop lacks 1 kt whatever was in force before: the stock is the same in both cases."""
    found = control_cases(*question(quota=0.3), gap=0.0)
    stock = found.tables["decisions"].set_index("kind").loc["stock"]
    assert (stock.cases, stock.least, stock.most) == (2, pytest.approx(1.0 * KT), pytest.approx(1.0 * KT))
    assert "SAFE TO BEGIN" in found.summary()


def test_what_is_there_already_is_no_decision():
    """An opening stock that covers the stop stands in every case, and nobody decided it."""
    found = control_cases(*question({"metal": 1.0}, quota=0.3), gap=0.0)
    assert "stock" not in set(found.tables["decisions"].kind)
    more = control_cases(*question({"metal": 0.4}, quota=0.3), gap=0.0)
    assert more.tables["decisions"].set_index("kind").loc["stock"].least == pytest.approx(1.0 * KT)
