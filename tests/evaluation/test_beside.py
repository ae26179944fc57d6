"""What stands beside a plan: rules of thumb of ministries in the same new scenarios, cases of open controls, what rules of origin
cost, shortfalls that a report printed, and signed agreements replayed (the figures of one plant of `tests/finance/test_owners.py`,
owners with several plants, what is left out)."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from strategic_minerals import (
    Dataset,
    InputError,
    Plan,
    PlanError,
    compare_rules,
    control_cases,
    deals,
    load_plan,
    origin_costs,
    published_requirements,
    shipped,
    solve,
    stockpile_report,
)
from strategic_minerals.answer.solving import solve_once
from strategic_minerals.matrix.problem import Problem, prepare
from strategic_minerals.matrix.solution import Solution, trunk_alone
from strategic_minerals.question.read_csv import load_dataset, shipped_tables
from strategic_minerals.studies.rules import OF_DEPTH, OF_MONEY, PLAN, _row, _words, offered, purchase_rules, spent
from support.drawn_cases import deciding
from support.one_mineral import one_mineral
from support.tiny import KT, cut, hazard_row, imported, offer, project, source, tiny


def courses(*question: Any) -> tuple[Problem, Solution, Solution]:
    """A problem, and the courses of doing nothing and of its plan."""
    found = solve_once(*(question or deciding()), gap=1e-6)
    return prepare(found.plan, found.data), trunk_alone(found.reference), trunk_alone(found.solution)


def rule_buys(name: str, plan: Plan, data: Dataset | None = None) -> Any:
    """What a rule of thumb buys with money of its own."""
    every = purchase_rules(*courses(plan, data or deciding()[1]), 20.0, {"a": 500.0})
    return next(rule for rule in every if (rule.name, rule.money) == (name, "its own")).bought


def test_days_of_cover_by_hand() -> None:
    """Proves: 10 kt a year are imported, all offers are 3 kt a year at 10 USD/kg, of which rules reckon with nine tenths: 60 days
    are 1,644 t, bought in the first year; 180 days are 4,932 t, of which 2,700 t in the first."""
    sixty, half = (rule_buys(f"{days} days of cover", deciding()[0])["spot"][:2] for days in (60, 180))
    assert sixty == pytest.approx([60 / 365 * 10 * KT, 0.0])
    assert half == pytest.approx([OF_DEPTH * 3 * KT, 180 / 365 * 10 * KT - OF_DEPTH * 3 * KT])


def test_days_of_cover_count_what_is_held() -> None:
    """Proves: of 60 days, 1,644 t, 900 t are there after a tenth of the opening stock has decayed; later what decays is bought."""
    plan, data = deciding()
    _, stocked = tiny({"a": 10.0}, stock={"a": 1.0})
    materials = data.frame("materials").assign(decay_share_per_yr=0.1)
    bought = rule_buys("60 days of cover", plan, data.replace(stock=stocked.frame("stock"), materials=materials))[
        "spot"
    ]
    days = 60 / 365 * 10 * KT
    assert bought[:3] == pytest.approx([days - 0.9 * KT, 0.1 * days, 0.1 * days])


def test_rules_ask_plants_that_stand() -> None:
    """Proves: a plant that only the plan signs sells to the rule that signs what the plan signs; others buy from abroad."""
    plan, data = imported(
        10.0,
        loss=50.0,
        years=5,
        projects={"plant": project("a", 4.0, capex_musd=20.0, cash_usd_per_kg=9.9)},
        packages={"grant": {"instrument": "grant"}},
        offers={"spot": offer("a", 1.0, 0.5), "home": offer("a", 3.0, source="plant")},
        scenarios=[cut("stop", 0.5, 2029, 2)],
    )
    alone, both = (rule_buys(f"60 days of cover{more}", plan, data) for more in ("", " and all that the plan signs"))
    days, depth = 60 / 365 * 10 * KT, OF_DEPTH * KT
    assert alone["spot"][:2] == pytest.approx([depth, days - depth])
    assert alone["home"].max() == 0.0
    assert both["spot"][:2] == pytest.approx([depth, 0.0])
    assert both["home"][:2] == pytest.approx([0.0, days - depth]), "it runs from its second year on"


def test_rules_spend_what_the_plan_spends_where_asked_to_and_never_more_than_a_year_has() -> None:
    """Proves: at the plan's money purchases come to 20 million, whatever the rule; of 4 million a year no more is spent."""
    (plan, _), (problem, base, own) = deciding(), courses()
    rules = [rule for rule in purchase_rules(problem, base, own, 20.0, {"a": 500.0}) if rule.money == "the plan's"]
    assert len(rules) == 5
    for rule in rules:
        assert spent(problem, offered(problem, base), rule.bought) == pytest.approx(20.0, rel=1e-6), rule.name
    poor = plan.model_copy(update={"budget": plan.budget.model_copy(update={"appropriation_musd": 4.0})})
    spot = rule_buys("180 days of cover", poor)["spot"]
    assert (spot * 10 / KT <= OF_MONEY * 4.0 + 1e-9).all()
    assert spot[0] == pytest.approx(OF_MONEY * 4.0 / 10 * KT)
    rules = purchase_rules(prepare(poor, deciding()[1]), base, own, 40.0, {})
    (note,) = {rule.note for rule in rules if rule.money == "the plan's"}
    assert note == "more would take over 85% of a year's money or 90% of what is on offer"


@pytest.mark.long
def test_the_plan_is_worth_as_much_as_any_rule_but_for_its_gap() -> None:
    """Proves: the best plan is no worse than a rule beyond the error of its sample; differences are to the plan, and a rule at the
    plan's money buys for as much: what is held costs more on top."""
    plan, data = deciding()
    many = plan.model_copy(update={"sample": plan.sample.model_copy(update={"scenarios": 128})})
    rules = compare_rules(solve_once(many, data, gap=1e-6), samples=4, scenarios=64).tables["rules"]
    own, purchased = rules[rules.rule == "the plan"].iloc[0][["worth_musd", "purchases_musd"]]
    for row in rules[rules.rule != "the plan"].itertuples():
        assert row.share_of_plan <= 1.005
        assert row.money != "the plan's" or row.note or row.purchases_musd == pytest.approx(purchased, rel=1e-6)
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


def controlled(stock=None, **controls):
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
    plan, data = controlled(quota=0.3)
    with pytest.raises(ValueError, match="a unique name"):
        Plan.model_validate(plan.to_toml_like() | {"controls": [plan.to_toml_like()["controls"][0]] * 2})
    found = control_cases(plan, data, gap=0.0).tables["cases"]
    assert found.probability.to_list() == pytest.approx([0.3, 0.7])
    assert found.in_force.to_list() == ["quota", ""]
    for row, on in zip(found.itertuples(), (True, False), strict=True):
        stated = plan.controls[0].model_copy(update={"in_force": on})
        alone = solve_once(plan.model_copy(update={"controls": (stated,)}), data, gap=0.0)
        assert row.worth_musd == pytest.approx(alone.figures.value("worth_musd"), rel=1e-9)
    four = control_cases(*controlled(a=0.2, b=0.5))
    cases = four.tables["cases"]
    assert cases.probability.to_list() == pytest.approx([0.1, 0.1, 0.4, 0.4])
    assert four.facts["expected_worth_musd"] == pytest.approx(float(cases.probability @ cases.worth_musd))
    with pytest.raises(PlanError, match="probability"):
        control_cases(*controlled())


def test_what_every_case_decides_is_told_apart():
    """The stop lacks 1 kt whatever was in force before: the stock is the same in both cases."""
    found = control_cases(*controlled(quota=0.3), gap=0.0)
    stock = found.tables["decisions"].set_index("kind").loc["stock"]
    assert (stock.cases, stock.least, stock.most) == (2, pytest.approx(1.0 * KT), pytest.approx(1.0 * KT))
    assert "SAFE TO BEGIN" in found.summary()


def test_what_is_there_already_is_no_decision():
    """An opening stock that covers the stop stands in every case, and nobody decided it."""
    found = control_cases(*controlled({"metal": 1.0}, quota=0.3), gap=0.0)
    assert "stock" not in set(found.tables["decisions"].kind)
    more = control_cases(*controlled({"metal": 0.4}, quota=0.3), gap=0.0)
    assert more.tables["decisions"].set_index("kind").loc["stock"].least == pytest.approx(1.0 * KT)


ORIGIN_RULES = pd.DataFrame(
    [("L1", "a statute", "law", "purchases", "b", "CHN"), ("P1", "a policy", "policy", "purchases", "*", "covered")],
    columns=["rule", "authority", "switch", "applies_to", "materials", "countries"],
)


def two_metals():
    """Two metals, each from China and an ally; the reserve may buy the ally's at a fifth more. Users lose 100 USD/kg in a stop."""
    metals = ("a", "b")
    plan, data = tiny(
        dict.fromkeys(metals, 10.0),
        materials={metal: {"holding_share_per_yr": 0.01} for metal in metals},
        sources={
            **{f"china_{m}": source("CHN", m, 3.0) for m in metals},
            **{f"ally_{m}": source("AUS", m, 1.0) for m in metals},
        },
        demand=dict.fromkeys(metals, 2.0),
        offers={
            **{f"cheap_{m}": offer(m, 1.0, 0.0, source=f"china_{m}") for m in metals},
            **{f"dear_{m}": offer(m, 0.5, 0.2, source=f"ally_{m}") for m in metals},
        },
        scenarios=[cut("stop", 0.5, 2029.0, 1.0)],
    )
    return plan, data.replace(origin_rules=ORIGIN_RULES)


def test_each_switch_and_the_plans_own_rules_cost_what_their_purchases_do_dearer():
    """The reserve buys 1 kt of each for the stop. Salvage pays the base price, so a fifth of 10 USD/kg is lost on each kt of an
    ally, 2 million USD a metal; half of it is bought a year earlier, at 1 % of 5 million for holding it."""
    plan, data = two_metals()
    own = {"law": True, "exclusions": [{"countries": "CHN", "materials": "a"}]}
    asked = plan.model_copy(update={"procurement": type(plan.procurement)(**own)})
    found = origin_costs(asked, data, gap=0.0).tables["costs"].set_index("rules")
    assert list(found.index) == ["none", "law", "practice", "policy", "own"]
    assert found.cost_musd["none"] == 0
    assert found.cost_musd["law"] == pytest.approx(2.05, abs=1e-6)
    assert found.cost_musd["practice"] == pytest.approx(0.0, abs=1e-6)
    assert found.cost_musd["policy"] == pytest.approx(4.1, abs=1e-6)
    assert found.cost_musd["own"] == pytest.approx(4.1, abs=1e-6)
    assert found.covered_share[:4].tolist() == pytest.approx([1.0, 10 / 22, 1.0, 0.0])
    assert found.closed[:4].tolist() == [0, 1, 0, 2]


PRINTED = [
    ("close", "A", "a", 900.0, "one source"),
    ("far", "Twice A and B", "a b", 100.0, "another definition"),
    ("none", "Unknown", "", 50.0, "not in these tables"),
    ("gone", "Elsewhere", "c", 50.0, "one source"),
]


def printed(**stock):
    """1 kt of a and 1 kt of b a year from China, cut for a year; in the second scenario for half a year."""
    plan, data = tiny(
        {"a": 10.0, "b": 10.0, "c": 10.0},
        sources={f"china_{m}": source("CHN", m, 1.0) for m in "ab"},
        demand={"a": 1.0, "b": 1.0},
        scenarios=[cut("year", 0.1, 2028.0, 1.0), cut("half", 0.1, 2028.0, 0.5)],
        **stock,
    )
    rows = [
        {"report": 2013, "item": item, "name": name, "materials": m, "shortfall_t": t, "reason": reason}
        for item, name, m, t, reason in PRINTED
    ]
    return plan.model_copy(update={"materials": ("a", "b")}), data.replace(published_requirements=pd.DataFrame(rows))


@pytest.mark.parametrize("stock", [{}, {"stock": {"a": 0.4}}])
def test_tonnes_of_the_first_scenario_stand_beside_the_printed_ones(stock):
    """A year's kilotonne of a: 1,000 t beside 900, whatever is held. Both metals: 2,000 beside 100. Half a year is the lowest. What
    is not computed shows no tonnes but why."""
    study = published_requirements(*printed(**stock))
    found = study.tables["comparison"].set_index("item")
    assert found.computed_t[["close", "far"]].tolist() == pytest.approx([1000.0, 2000.0])
    assert found.lowest_t[["close", "far"]].tolist() == pytest.approx([500.0, 1000.0])
    assert found.highest_t[["close", "far"]].tolist() == pytest.approx([1000.0, 2000.0])
    assert found.ratio[["close", "far"]].tolist() == pytest.approx([1000 / 900, 20.0])
    assert found.within_factor_two.tolist() == ["yes", "no", "", "", ""]
    assert found.computed_musd[["close", "all_of_the_plan"]].tolist() == pytest.approx([10.0, 20.0])
    assert pd.isna(found.computed_t["none"])
    assert study.facts == {"compared": 2, "within_factor_two": 1}
    assert "not computed: not in these tables" in study.summary()
    assert "Elsewhere: 50 printed; not computed: the plan does not have it" in study.summary()
    assert "another definition" in study.summary()


@pytest.mark.long
def test_the_shipped_question_answers_all_eighteen_rows(cli):
    """The report's 18 materials: each has tonnes of ours, or why not; where the two differ by more than twice, a reason."""
    rows = json.loads(cli("requirements", "stockpile-requirements-2013", "--json").stdout)["comparison"]
    *lines, of_2013, of_2023, whole = rows
    assert len(lines) == 18
    assert (of_2013["published_musd"], of_2023["published_musd"]) == (1221.41, 13500)
    assert whole["computed_musd"] > of_2013["published_musd"], (
        "18 materials against those of the plan, at prices of 2024"
    )
    for row in lines:
        assert row["reason"] or row["within_factor_two"] == "yes", row["name"]
    assert sum(row["within_factor_two"] == "yes" for row in lines) >= 3
    table = load_dataset(shipped("inputs")).rows("published_requirements")
    assert {row.item for row in table} == {row["item"] for row in (*lines, of_2013, of_2023)}


def test_a_stockpile_manager_reports_what_an_emergency_asks_and_what_to_buy():
    """Proves: 2 kt of defence and 3 of essential users a year come from China, which stops for a year; half a kilotonne is held, of
    it 0.2 ordered, and 1.5 more can be bought at 10 USD/kg. 5 kt are wanted, 4.5 missing, 3 with the plan, and none of defence."""
    plan, data = imported(
        10.0,
        demand={("a", "defence"): 2.0, ("a", "essential"): 3.0},
        tiers={"defence": [(1.0, 3.0)]},
        offers={"spot": offer("a", 5.0)},
        stock={"a": 0.5},
        money={2027: 15.0, 2028: 0.0},
        scenarios=[cut("other", 0.1, 2028.0, 1.0, share=0.1), cut("stop", 0.5, 2029.0, 1.0, design_basis=True)],
    )
    told = data.frame("stock").assign(ordered_t=200.0)
    ranked = data.frame("demand").assign(priority=lambda rows: rows.segment.map({"defence": 1, "essential": 2}))
    study = stockpile_report(solve(plan, data.replace(stock=told, demand=ranked), gap=0.0))
    row = study.tables["lines"].iloc[0]
    assert (study.facts["emergency"], study.facts["first_year"], study.facts["last_year"]) == ("stop", 2029, 2029)
    assert row.loc["requirement_t":"essential_t"].tolist() == pytest.approx([5000.0, 2000.0, 3000.0])
    assert row.loc["shortfall_t":"shortfall_musd"].tolist() == pytest.approx([4500.0, 1500.0, 45.0])
    assert row.loc["held_t":"buy_musd"].tolist() == pytest.approx([500.0, 200.0, 1500.0, 2027, 15.0])
    assert row.loc["target_t":"left_defence_t"].tolist() == pytest.approx([2000.0, 3000.0, 0.0], abs=1e-6)
    assert "buy 1,500 t from FY2027 for 15 M; still missing 3,000 t" in study.summary()
    with pytest.raises(InputError, match="did you mean 'stop'"):
        stockpile_report(solve(plan, data, quick=True), scenario="stopp")


CARRIED = 37.5 / 1.075
SAVED = 18 - (50 - CARRIED) - 2.5
"""What the floor of 75 costs less than a grant of 18, at a premium of 9 %."""
BREAK_EVEN = (1.125 - 37.5 / 34.5) * 45 / 25
"""Premium at which 50 - 37.5/(1 + h) + 2.5 = 18, where h = 0.125 - premium x 25/45."""


def close(value: float) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-9)


SAME_MONEY = pd.DataFrame([{"money_year": 2026, "price_index": 100.0}, {"money_year": 2027, "price_index": 100.0}])


def agreed(terms: dict[str, float], producers: dict[str, str | None], **more: Any) -> dict[str, pd.DataFrame]:
    """Tables of one agreement: its terms, and its producers with the material of the floor that each gets."""
    units = {"loan": "million USD", "grant": "million USD"}
    row = {"agreement": "deal", "signed_year": 2027, "price_set": "base", **more}
    signed = [{"agreement": "deal", "term": k, "value": v, "unit": units.get(k, "as signed")} for k, v in terms.items()]
    built = [{**row, "producer": name, "floor_material": material} for name, material in producers.items()]
    return {"support_agreements": pd.DataFrame(signed), "supported_producers": pd.DataFrame(built)}


def case(premium: float = 0.09, charge: float = 0.0, **agreement: Any) -> tuple[Plan, Any]:
    """The plant of `tests/finance/test_owners.py`, committed by now, with an agreement on a floor of 75 for a year."""
    built = agreement.pop("committed", True)
    plant = {"cash_usd_per_kg": 60.0, "capex_musd": 50.0, "life_yr": 1.0, "hurdle_rate": 0.25, "committed": built}
    plan, data = tiny(
        {"x": 100.0},
        sources={"imp": source("CHN", "x", 10.0), "old": source("USA", "x", 2.0, cash_usd_per_kg=60.0)},
        demand={"x": 13.0},
        loss=900.0,
        projects={"p": project("x", 1.0, **plant)},
        packages={"aid": {"instrument": "grant"}},
        scenarios=[cut("dip", 0.1, 2028.0, 1.0, share=0.0, price_multiplier=0.5)],
        years=3,
        owners={"price_risk_premium": premium, "risk_charge": charge},
    )
    terms = agreement.pop("terms", {"floor_price": 75.0, "duration": 1.0, "fair_value_at_signing": 2.0})
    producers = agreement.pop("producers", {"p": "x"})
    return plan, data.replace(**agreed(terms, producers, **agreement), deflators=SAME_MONEY)


def the_floor(plan: Plan, data: Any) -> dict[str, Any]:
    found = deals(plan, data)
    assert len(found.tables["floors"]) == 1, found.facts["left_out"]
    return dict(found.tables["floors"].iloc[0])


def test_the_figures_of_an_agreement_are_those_worked_out_by_hand() -> None:
    row = the_floor(*case())
    rates = (row["hurdle_rate"], row["hurdle_rate_expected"], row["hurdle_rate_with_floor"])
    assert rates == (0.25, close(0.125), close(0.075))
    before = the_floor(*case(committed=False))["capex_musd"]
    assert row["capex_musd"] == before == 50.0, "what is committed by now was not when it was signed"
    assert (row["gap_without_musd"], row["gap_with_musd"]) == (close(18.0), close(50 - CARRIED))
    assert (row["expected_cost_musd"], row["liability_musd"]) == (close(2.5), 0.0)
    assert row["downside_moved_musd"] == close(2.5 / 1.125)
    assert row["advantage_musd"] == close(SAVED)
    assert bool(row["cheapest"])
    switch = SAVED / (2.5 / 1.125)  # USD of charge for each USD of downside moved
    assert bool(the_floor(*case(charge=switch - 0.01))["cheapest"])
    assert not the_floor(*case(charge=switch + 0.01))["cheapest"]
    assert row["signed_fair_value_musd"] == 2.0
    # a plan that looks at the baseline course is replayed in expectation all the same
    plan, data = case()
    told = {**plan.to_toml_like(), "owners": {"price_risk_premium": 0.09, "expectation": "scenarios"}}
    assert the_floor(Plan.model_validate(told), data)["gap_with_musd"] == close(50 - CARRIED)


@pytest.mark.parametrize("premium", [0.05, 0.12])
def test_the_floor_pays_from_the_break_even_premium_on(premium: float) -> None:
    assert bool(the_floor(*case(premium))["cheapest"]) == (premium > BREAK_EVEN)


def test_the_plants_of_one_owner_add_up_and_a_floor_may_be_on_existing_output() -> None:
    """Proves: an existing plant that earns 2 x 40 a year pays for the new one: no gap is left for a floor to close. A floor on 1.5
    of its 2 kt for two years runs from the first day: one of them is the dip, in which 25 are paid on what is covered."""
    row = the_floor(*case(producers={"p": "x", "old": None}))
    assert (row["gap_without_musd"], row["producers"], bool(row["cheapest"])) == (0.0, "p old", False)
    terms = {"floor_price": 75.0, "duration": 2.0, "firm_quantity": 1.5 * KT}
    row = the_floor(*case(terms=terms, producers={"old": "x"}))
    assert (row["expected_cost_musd"], row["firm_t_per_yr"]) == (close(0.1 * 25 * 1.5), 1.5 * KT)
    assert row["hurdle_rate"] == 0.25, "that of who would build such a plant"
    row = the_floor(*case(terms=terms, producers={"p": "x", "old": "x"}))
    assert row["firm_t_per_yr"] == 1.5 * KT, "of both together"


def test_capital_and_money_of_the_day_of_signature_are_restated() -> None:
    found = deals(*case(terms={"grant": 9.0, "chips_grant": 3.0, "equity_stake": 0.1}))
    assert len(found.tables["floors"]) == 0
    row = found.tables["rates"].iloc[0]
    assert (row.capex_musd, row.signed_musd) == (50.0, 9.0), "in million USD alone"
    plan, data = case(terms={"floor_price": 75.0, "duration": 1.0, "fair_value_at_signing": 2.0, "grant": 9.0})
    index = pd.DataFrame([{"money_year": 2026, "price_index": 100.0}, {"money_year": 2027, "price_index": 125.0}])
    found = deals(plan, data.replace(deflators=index))
    floor = found.tables["floors"].iloc[0]
    assert (floor.floor_usd_per_kg, floor.signed_fair_value_musd) == (close(75.0 * 0.8), close(1.6))
    assert found.tables["rates"].iloc[0].signed_musd == close(7.2)


@pytest.mark.parametrize(("grant", "committed", "rate", "fits"), [(20.0, True, 0.25, True), (25.0, False, 0.5, False)])
def test_the_rate_at_which_an_agreement_would_just_have_been_signed(grant, committed, rate, fits) -> None:
    """Proves: a plant for 50 million that is expected to earn 0.9 x 40 + 0.1 x 15 a year later, with its floor of 75, pays 25 %
    on a grant of 20 and 50 % on one of 25. Who builds asks for no more than 25 %, who has not decided for more than 50 %."""
    terms = {"floor_price": 75.0, "duration": 1.0, "grant": grant}
    found = deals(*case(terms=terms, committed=committed))
    row = found.tables["rates"].iloc[0]
    assert row.implied_rate == pytest.approx(rate, abs=1e-3)
    assert (bool(row.decided), row.hurdle_rate, row.fits) == (committed, 0.25, "yes" if fits else "no")
    assert ("cannot both be right" in found.summary()) is not fits


def test_plants_that_lose_money_at_any_rate_are_named() -> None:
    found = deals(*case(terms={"grant": 1.0}))
    assert pd.isna(found.tables["rates"].iloc[0].implied_rate)
    assert "deal (p): none, as they would lose money, with 1 million USD signed" in found.summary()


def test_what_cannot_be_replayed_is_left_out_with_the_reason() -> None:
    for change, why in (
        ({"producers": {"nobody": "x"}}, "not in the plan: nobody"),
        ({"price_set": "other"}, "no price set other"),
        ({"producers": {"p": "y"}}, "makes no y"),
        ({"terms": {"offtake_share": 1.0}}, "it has no price floor, and no capital"),
        ({"signed_year": 2019}, "deflators.csv has no row of 2019"),
    ):
        found = deals(*case(**change))
        assert found.tables["floors"].empty
        assert why in found.facts["left_out"][0]
        assert found.facts["left_out"][0] in found.summary()
    plan, data = case()
    with pytest.raises(InputError, match="supported_producers"):
        deals(plan, data.replace(supported_producers=pd.DataFrame()))


def test_the_shipped_agreements_are_replayed() -> None:
    found = deals(load_plan(shipped("models") / "rare-earths.toml", {"owners.sample": 64}), shipped_tables())
    assert list(found.tables["floors"].agreement) == ["mp_dow_2025", "lynas_jare_2026"]
    signed = "mp_dow_2025 arafura_efa_naif iluka_eneabba_loan vulcan_osc".split()
    assert list(found.tables["rates"].agreement) == signed
    mp, lynas = found.tables["floors"].to_dict("records")
    assert (mp["term_yr"], mp["upside_share"], lynas["term_yr"], lynas["firm_t_per_yr"]) == (10.0, 0.3, 12.0, 5000.0)
    assert mp["price_usd_per_kg"] < mp["floor_usd_per_kg"] < 110.0, "110 USD of 2025 in money of 2024"
    assert "thacker_pass" in found.summary()


def test_rules_of_thumb_promise_no_refill() -> None:
    """Proves: the baseline course sells the stock off, and a rule that buys little never fills it up again; rules are compared."""
    plan, data = imported(
        10.0,
        10.0,
        stock={"a": 4.0},
        materials={"a": {"disposal_t_per_yr": 1000.0, "holding_share_per_yr": 0.3}},
        offers={"spot": offer("a", 2.0)},
        loss=20.0,
        years=6,
        policy="targets",
        instruments={"trunk_disposal": True},
        stock_rules=[{"material": "a", "refill_within_years": 1.0}],
        sample={"scenarios": 2, "seed": 1, "quiet_probability": 0.5, "rates": "known"},
    )
    stops = data.replace(hazards=pd.DataFrame([hazard_row("stop", "a", 0.15, cut_share=0.3)]))
    rules = compare_rules(solve(plan, stops, quick=True), samples=2, scenarios=20).tables["rules"]
    assert rules.worth_musd.notna().all()
