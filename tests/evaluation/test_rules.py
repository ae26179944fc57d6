"""Rules of thumb of ministries beside the plan, in the same new scenarios."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from strategic_minerals import InputError, Plan, compare_rules
from strategic_minerals.answer.solving import solve_once
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.studies.rules import OF_DEPTH, OF_MONEY, PLAN, _row, _words, offered, purchase_rules, spent
from support.drawn_cases import deciding
from support.one_mineral import one_mineral
from support.tiny import KT


def bought(name: str, plan: Plan) -> Any:
    """What a rule of thumb buys with money of its own."""
    every = purchase_rules(prepare(plan, deciding()[1]), 20.0, {"a": 500.0})
    return next(rule for rule in every if (rule.name, rule.money) == (name, "its own")).bought["spot"]


def test_days_of_cover_by_hand() -> None:
    """Proves: 10 kt a year are imported, all offers are 3 kt a year at 10 USD/kg, of which rules reckon with nine tenths: 60 days
    are 1,644 t, bought in the first year; 180 days are 4,932 t, of which 2,700 t in the first."""
    sixty, half = (bought(f"{days} days of cover", deciding()[0])[:2] for days in (60, 180))
    assert sixty == pytest.approx([60 / 365 * 10 * KT, 0.0])
    assert half == pytest.approx([OF_DEPTH * 3 * KT, 180 / 365 * 10 * KT - OF_DEPTH * 3 * KT])


def test_rules_spend_what_the_plan_spends_where_asked_to_and_never_more_than_a_year_has() -> None:
    """Proves: at the plan's money purchases come to 20 million, whatever the rule; of 4 million a year no more is spent."""
    plan, data = deciding()
    problem = prepare(plan, data)
    rules = [rule for rule in purchase_rules(problem, 20.0, {"a": 500.0}) if rule.money == "the plan's"]
    assert len(rules) == 5
    for rule in rules:
        assert spent(problem, offered(problem), rule.bought) == pytest.approx(20.0, rel=1e-6), rule.name
    poor = plan.model_copy(update={"budget": plan.budget.model_copy(update={"appropriation_musd": 4.0})})
    spot = bought("180 days of cover", poor)
    assert (spot * 10 / KT <= OF_MONEY * 4.0 + 1e-9).all()
    assert spot[0] == pytest.approx(OF_MONEY * 4.0 / 10 * KT)


@pytest.mark.long
def test_the_plan_is_worth_as_much_as_any_rule_but_for_its_gap() -> None:
    """Proves: the best plan is no worse than a rule beyond the error of its sample; differences are to the plan."""
    plan, data = deciding()
    assert plan.sample is not None
    many = plan.model_copy(update={"sample": plan.sample.model_copy(update={"scenarios": 128})})
    study = compare_rules(solve_once(many, data, gap=1e-6), samples=4, scenarios=64)
    rules = study.tables["rules"]
    own = float(rules[rules.rule == "the plan"].worth_musd.iloc[0])
    for row in rules[rules.rule != "the plan"].itertuples():
        assert row.share_of_plan <= 1.005
        assert row.behind_musd == pytest.approx(own - row.worth_musd, abs=1e-6)


def test_a_plan_that_gains_nothing_is_no_measure_of_rules() -> None:
    """Proves: beside a plan worth -10 a rule worth 5 is told in money, not as a share of it."""
    worth = {PLAN: np.full(3, -10.0), "60 days of cover": np.full(3, 5.0)}
    rows = [_row(name, "its own", 1.0, "", own, worth[PLAN], 0.95) for name, own in worth.items()]
    head, *lines = _words(pd.DataFrame(rows).sort_values("worth_musd", ascending=False), 30, 0.95)
    assert "worth -10, and the best rule, '60 days of cover' at its own money, 5." in head
    assert "nan" not in "".join([head, *lines])
    small = [_row(name, "its own", 0.3, "", own / 30, worth[PLAN] / 30, 0.95) for name, own in worth.items()]
    assert "worth 0.167 (0.167 to 0.167); 0.5 more than the plan" in "".join(_words(pd.DataFrame(small), 30, 0.95))
    with pytest.raises(InputError, match="sample  found none"):
        compare_rules(solve_once(*one_mineral(110.0)))
