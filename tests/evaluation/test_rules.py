"""Rules of thumb of ministries beside the plan, in the same new scenarios."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from strategic_minerals import InputError, Plan, Study, compare_rules
from strategic_minerals.answer.solving import solve_once
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.studies.rules import OF_DEPTH, OF_MONEY, offered, purchase_rules, spent
from support.drawn_cases import deciding
from support.tiny import KT


def found(name: str, money: str = "its own", plan: Plan | None = None, ceilings: dict[str, float] | None = None):
    asked, data = deciding()
    problem = prepare(plan or asked, data)
    every = purchase_rules(problem, 20.0, ceilings or {"a": 500.0})
    return next(rule for rule in every if (rule.name, rule.money) == (name, money))


def rules_of(study: Study) -> pd.DataFrame:
    table = study.tables["rules"]
    return table[table.rule != "the plan"]


def test_days_of_cover_by_hand() -> None:
    """Proves: 10 kt a year are imported, all offers are 3 kt a year at 10 USD/kg, of which rules reckon with nine tenths: 60 days
    are 1,644 t, bought in the first year; 180 days are 4,932 t, of which 2,700 t in the first."""
    sixty, half = found("60 days of cover"), found("180 days of cover")
    assert sixty.bought["spot"][:2] == pytest.approx([60 / 365 * 10 * KT, 0.0])
    assert half.bought["spot"][:2] == pytest.approx([OF_DEPTH * 3 * KT, 180 / 365 * 10 * KT - OF_DEPTH * 3 * KT])
    assert sixty.spent_musd == pytest.approx(60 / 365 * 10 * 10)


def test_published_ceilings_are_bought_every_planned_year() -> None:
    assert found("published purchase ceilings").bought["spot"][:6] == pytest.approx(np.full(6, 500.0))


def test_every_rule_spends_as_much_as_the_plan_where_it_is_asked_to() -> None:
    """Proves: at the plan's money purchases come to 20 million, whatever the rule."""
    plan, data = deciding()
    problem = prepare(plan, data)
    rules = [rule for rule in purchase_rules(problem, 20.0, {"a": 500.0}) if rule.money == "the plan's"]
    assert len(rules) == 5
    for rule in rules:
        assert spent(problem, offered(problem), rule.bought) == pytest.approx(20.0, rel=1e-6), rule.name


def test_no_rule_spends_more_than_a_year_has() -> None:
    plan, _ = deciding()
    poor = plan.model_copy(update={"budget": plan.budget.model_copy(update={"appropriation_musd": 4.0})})
    bought = found("180 days of cover", plan=poor).bought["spot"]
    assert (bought * 10 / KT <= OF_MONEY * 4.0 + 1e-9).all()
    assert bought[0] == pytest.approx(OF_MONEY * 4.0 / 10 * KT)


def test_the_plan_is_worth_as_much_as_any_rule_but_for_its_gap() -> None:
    """Proves: the best plan is no worse than a rule beyond the error of its sample; the differences are those of the same samples,
    and a rule that buys what the plan buys is worth as much."""
    plan, data = deciding()
    assert plan.sample is not None
    many = plan.model_copy(update={"sample": plan.sample.model_copy(update={"scenarios": 256})})
    study = compare_rules(solve_once(many, data, gap=1e-6), samples=4, scenarios=64)
    rules = rules_of(study)
    assert (rules.share_of_plan <= 1.005).all()
    by = study.tables["by_sample"].pivot_table(index="seed", columns=["rule", "money"], values="worth_musd")
    for row in rules.itertuples():
        behind = by["the plan", ""] - by[row.rule, row.money]
        assert row.behind_musd == pytest.approx(float(behind.mean()), abs=1e-6)
    assert (study.tables["rules"].worth_musd.diff().dropna() <= 1e-9).all()


def test_the_first_sentence_says_whether_a_rule_comes_close() -> None:
    plan, data = deciding()
    study = compare_rules(solve_once(plan, data, gap=1e-6), samples=2, scenarios=32)
    rules = rules_of(study)
    first = study.summary().splitlines()[0]
    close = bool((rules.share_of_plan >= 0.95).any())
    assert first.startswith("A RULE OF THUMB COMES CLOSE" if close else "NO RULE OF THUMB COMES CLOSE")
    assert pd.notna(rules.worth_musd).all()


def test_plans_without_draws_have_no_such_table() -> None:
    plan, data = deciding()
    with pytest.raises(InputError, match="draws none"):
        compare_rules(solve_once(plan.model_copy(update={"sample": None}), data))
