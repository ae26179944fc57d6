"""Instruments beside each other, and at the edges of their time: what may be signed, bought and counted."""

from typing import Any

import pandas as pd
import pytest

from strategic_minerals import Dataset, InfeasibleError, Plan, check, solve
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.question.plan import Loan
from support.tiny import (
    best,
    bought,
    cut,
    floored,
    guaranteed,
    imported,
    offer,
    project,
    source,
    supply_rule,
    tiny,
    total,
)


def test_a_plan_whose_materials_only_projects_make_is_answered() -> None:
    """Proves: no existing source makes x, its project gives 8 of 10 kt from the second year: 10 + 2 + 2 kt short at 1,000, 16 kt at
    100."""
    plan, data = tiny(
        {"a": 100.0, "y": 50.0},
        sources={"far": source("CHN", "y", 10.0)},
        demand={"a": 10.0},
        loss=900.0,
        projects={"p": project("a", 8.0, cash_usd_per_kg=50.0, capex_musd=1.0)},
        packages={"g": {"instrument": "grant"}},
        years=3,
        materials={"a": {}, "y": {}},
    )
    plan = plan.model_copy(update={"materials": ("a",)})
    assert check(plan, data).faults == ()
    for relax in (False, True):
        assert total(solve(plan, data, gap=0.0, relax=relax, quick=True)) == pytest.approx(14 * 1000 + 16 * 100)


@pytest.mark.parametrize(("term", "bought"), [(1.0, 4.0), (2.0, 8.0), (5.0, 8.0)])
def test_the_right_to_buy_ends_with_the_purchase_floor(term: float, bought: float) -> None:
    """Proves: 4 kt a year may be bought from 2028 on, as long as the floor lasts, and nothing after; two years are worth having
    before a cut of half of 10 kt a year in 2030 and 2031."""
    case = imported(
        100.0,
        materials={"a": {"haircut_share": 0.1, "salvage_share": 1.0}},
        loss=900.0,
        projects={"p": project("a", 4.0, country="AUS", kappa=0.0, cash_usd_per_kg=50.0)},
        packages={"take": floored("a", 60.0, term, "purchase", project="p", take_t_per_yr=4000.0)},
        scenarios=[cut("s", 0.5, 2030.0, 2.0)],
        years=5,
    )
    table = best(case).tables["acquisitions"]
    assert float(table.acquired_t.sum()) / 1000 == pytest.approx(bought)
    assert table.fiscal_year.max() < 2028 + term


@pytest.mark.parametrize(("probability", "penalty"), [(0.5, 450.0), (0.999, 300.3), (1.0, 300.0)])
def test_soft_penalties_of_the_trunk_count_as_often_as_somebody_is_on_it(probability: float, penalty: float) -> None:
    """Proves: 3 kt beyond a cap in each of four years at 50 USD/kg: in full in the first two years, then with the chance that the
    cut of 2029 does not come; with a chance of none there is no penalty."""
    case = imported(
        100.0,
        sources={"chn": source("CHN", "a", 10.0), "us": source("USA", "a", 2.0, premium_share=0.1)},
        loss=900.0,
        scenarios=[cut("s", probability, 2029.0, 1.0)],
        years=4,
        diversification=[supply_rule("country_cap", "a", 0.5, country="CHN", penalty_usd_per_kg=50.0)],
    )
    result = best(case)
    assert result.objective_parts["soft_penalties"] == pytest.approx(penalty)
    assert result.audited.passed


def test_a_hard_rule_binds_nobody_where_nobody_can_be() -> None:
    """Proves: a home share that only 2029 and later could not meet is no reason for "no plan" where every course has left the trunk
    by then; with a chance to be there it is."""

    def ask(probability: float) -> str:
        case = imported(
            100.0,
            sources={"chn": source("CHN", "a", 10.0), "us": source("USA", "a", {2027: 6.0, 2029: 2.0})},
            loss=900.0,
            scenarios=[cut("s", probability, 2029.0, 1.0)],
            years=4,
            diversification=[
                {"material": "a", "kind": "least_share", "group": "home", "share": 0.5, "from_year": 2027, "hard": True}
            ],
        )
        try:
            return best(case).outcome.reason
        except InfeasibleError as error:
            return error.outcome.reason

    assert (ask(1.0), ask(0.9)) == ("optimal", "infeasible")


def test_what_a_floor_brings_in_a_dear_year_is_no_money_of_the_budget() -> None:
    """Proves: a floor of 110 that hands back half of the upside, at a price of 100 that is 20 % up or down, costs (30 - .5*10)/2 =
    12.5 on 1 kt; at 120 it brings (.5*34 - 14)/2 = 1.5. Society counts it, 12.5 - 1.5 + 12.5 = 23.5; the budget of that year has
    nothing to spend on 1 kt of b at 1.5, though b is cut the year after."""
    plan, data = tiny(
        {"a": {2027: 100.0, 2029: 120.0, 2030: 100.0}, "b": 1.5},
        sources={"far": source("CHN", "a", 1.0), "near": source("CHN", "b", 1.0)},
        demand={"a": 2.0, "b": 1.0},
        loss=1000.0,
        offers={"spot": offer("b", 1.0)},
        projects={"plant": project("a", 1.0, capex_musd=30.0, cash_usd_per_kg=102.5, life_yr=3.0)},
        packages={"floored": floored("a", 110.0, 3.0, upside_share=0.5)},
        states=[(0.8, 0.5), (1.2, 0.5)],
        scenarios=[cut("stop", 0.5, 2030.0, 1.0, "b")],
        years=4,
        money={2027: 0.0, 2028: 12.5, 2029: 0.0, 2030: 12.5},
        instruments={"signing_years": [2027]},
    )
    result = best((plan, data))
    assert list(result.tables["budget"].floor_top_ups_musd) == pytest.approx([0.0, 12.5, 0.0, 12.5])
    assert result.objective_parts["floor_cost"] == pytest.approx(23.5)
    assert bought(result, "b") == pytest.approx(0.0)


def test_nor_is_what_a_floor_of_before_brings_in_a_dear_year() -> None:
    """Proves: as above, on a source that was given the floor before the plan: the budget owes 12.5, 0 and 12.5, and what comes back
    in the dear year buys nothing."""
    plan, data = tiny(
        {"a": {2027: 100.0, 2028: 120.0, 2029: 100.0}, "b": 1.5},
        sources={"mine": source("USA", "a", 1.0), "near": source("CHN", "b", 1.0)},
        demand={"a": 1.0, "b": 1.0},
        loss=1000.0,
        offers={"spot": offer("b", 1.0)},
        states=[(0.8, 0.5), (1.2, 0.5)],
        scenarios=[cut("stop", 0.5, 2029.0, 1.0, "b")],
        money={2027: 12.5, 2028: 0.0, 2029: 12.5},
    )
    floor = {"floor_material": "a", "floor_kind": "contract", "floor_usd_per_kg": 110.0, "upside_share": 0.5}
    signed = {"commitment": "f", "kind": "package", "item": "mine", "producer": "mine", "signed_year": 2026, **floor}
    result = solve(plan, data.replace(commitments=pd.DataFrame([signed])), gap=0.0)
    assert list(result.tables["budget"].signed_before_musd) == pytest.approx([12.5, 0.0, 12.5])
    assert bought(result, "b") == pytest.approx(0.0)


def _obliged(payer: str, **changes: Any) -> tuple[Plan, Dataset]:
    """A home mine of 3 kt that is guaranteed 120 where the market pays 100, another of 3 kt, and imports that stop."""
    case: dict[str, Any] = {
        "demand": {"a": 10.0},
        "loss": 500.0,
        "scenarios": [cut("stop", 0.5, 2029, 1)],
        "sources": {
            "far": source("CHN", "a", 10.0),
            "bound": source("USA", "a", 3.0, cash_usd_per_kg=110.0),
            "free": source("USA", "a", 3.0, cash_usd_per_kg=105.0),
        },
        "agreed": [guaranteed("bound", "a", 120.0, 2041, payer=payer)],
    }
    return tiny({"a": 100.0}, **{**case, **changes})


@pytest.mark.parametrize(("payer", "cap", "floors"), [("USA", 89.0, 0), ("USA", 90.0, 1), ("OTH", 31.0, 1)])
def test_what_was_guaranteed_before_uses_the_cap_and_is_shown_beside_the_money(payer, cap, floors) -> None:
    """Proves: a guarantee of 120 at a price of 100 on 3 kt costs its home 60 a year, beside the plan's money: under a cap of 90 a
    new floor that costs 30 fits, under one of 89 it does not. Where another home pays, it costs nothing."""
    menu = {"material": "a", "scope": "market", "levels_usd_per_kg": [110.0], "term_years": 3}
    plan, data = _obliged(payer, instruments={"price_floors": [menu]}, budget={"liability_cap_musd": cap})
    result = solve(plan, data, gap=0.0)
    budget, ours = result.tables["budget"], payer == "USA"
    assert len(result.tables["floors"]) == floors
    assert list(budget.paid_apart_musd) == pytest.approx([60.0 * ours] * 3)
    assert list(budget.liability_musd) == pytest.approx([60.0 * ours + 30.0 * floors] * 3)
    assert list(budget.signed_before_musd) == [0.0] * 3


@pytest.mark.parametrize(("payer", "paid"), [("USA", 120.0), ("OTH", 100.0)])
def test_the_reserve_buys_of_a_guaranteed_plant_at_the_guaranteed_price(payer, paid) -> None:
    """Proves: with 60 million a year the reserve buys 0.5 kt of a plant that is guaranteed 120 USD/kg, 0.6 kt where the price alone
    counts; what it takes is not sold at the market, so the money for the guarantee pays 10 million less. Users' costs and worth
    count the tonne at 100: what the reserve pays more the guarantee pays less."""
    plan, data = _obliged(
        payer, offers={"of-bound": offer("a", 1.0, source="bound")}, money={2027: 0.0, 2028: 60.0, 2029: 0.0}
    )
    result = solve(plan, data, gap=0.0)
    assert bought(result, "a") == pytest.approx(60.0 / paid)
    budget = result.tables["budget"].set_index("fiscal_year")
    assert budget.purchases_musd[2028] == pytest.approx(60.0)
    spared = 60.0 / paid * (paid - 100.0)
    assert budget.paid_apart_musd[2028] == pytest.approx(60.0 * (payer == "USA") - spared)
    assert result.objective_parts["authority_purchases"] == pytest.approx(60.0 / paid * 100.0)


def test_a_guarantee_to_a_committed_project_costs_from_its_first_output_on() -> None:
    """Proves: a plant of 2 kt under construction that produces from 2028 on, guaranteed 130 at a price of 100, costs 0, then 60."""
    plan, data = _obliged(
        "USA",
        projects={"new": project("a", 2.0, committed=True)},
        agreed=[guaranteed("new", "a", 130.0, 2041, payer="USA", floor_from_year=2027.0)],
    )
    assert list(solve(plan, data, gap=0.0).tables["budget"].paid_apart_musd) == pytest.approx([0.0, 60.0, 60.0])


LOAN = {"interest": 0.05, "term_years": 10.0}


def question(members, later=0.0, first=10.0):
    """1 kt is missing in 2029; 1 kt at 10 USD/kg may be bought in 2027 alone and costs 10 % of its price a year to hold."""
    return imported(
        10.0,
        1.0,
        materials={"a": {"holding_share_per_yr": 0.1}},
        offers={"spot": offer("a", 1.0)},
        scenarios=[cut("stop", 1.0, 2029.0, 1.0)],
        budget={"loan": LOAN if members else None},
        money={2027: first, 2028: later},
    )


def test_ten_million_buy_the_tonne_only_where_members_hold_it():
    """10 million at first, 0.95 a year later, metal at 10 USD/kg: 1 kt where members pay for holding, and none in 2029, when it is
    too late. Else a kilotonne costs a million a year to hold, more than there is in the second year."""
    mine, theirs = (solve(*question(members, later=0.95), gap=0.0, quick=True) for members in (False, True))
    assert bought(theirs, "a") == pytest.approx(1.0, abs=1e-6)
    assert bought(mine, "a") < 0.95
    assert theirs.tables["budget"].holding_musd.sum() == 0
    assert mine.tables["budget"].holding_musd.sum() > 0


def test_society_pays_for_holding_whoever_does():
    """Two years at a tenth of 10 million: 2 million of the social cost, none of the outlays."""
    result = solve(*question(True), gap=0.0, quick=True)
    assert result.objective_parts["authority_holding"] == pytest.approx(2.0, abs=1e-6)
    budget = result.tables["budget"]
    assert budget.purchases_musd.sum() == pytest.approx(10.0, abs=1e-6)
    # as long as nothing happens members pay 5 % on 10 million borrowed, and a tenth for storage
    assert budget.members_pay_musd.tolist() == pytest.approx([1.5] * 3, abs=1e-6)
    little = solve(*question(True, first=0.6), gap=0.0, quick=True).summary()
    assert "members pay up to about 0.1 M a year" in " ".join(little.split())


def test_stock_that_members_hold_owes_the_budget_nothing():
    """10 kt in the opening stock cost 10 million a year: owed, with an appropriation of nothing, unless members pay."""
    plan, data = imported(10.0, 1.0, materials={"a": {"holding_share_per_yr": 0.1}}, stock={"a": 10.0}, money=0.0)
    assert prepare(plan, data).natural.owed == pytest.approx([10.0] * 3)
    paid = plan.model_copy(update={"budget": plan.budget.model_copy(update={"loan": Loan(**LOAN)})})
    assert prepare(paid, data).natural.owed == pytest.approx([0.0] * 3)
    assert not check(paid, data).faults
