"""Instruments beside each other, and at the edges of their time: what may be signed, bought and counted; and what was signed and
held before a plan: what it costs whom, what it keeps open, what the plan may call its own."""

from typing import Any

import pandas as pd
import pytest

from strategic_minerals import Dataset, InfeasibleError, Plan, check, load_dataset, load_plan, shipped, solve
from strategic_minerals.answer import notes
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.question.plan import Loan
from strategic_minerals.question.together import joint_question
from strategic_minerals.world.build import build_instance
from strategic_minerals.world.instance import Instance
from support.tiny import (
    best,
    bought,
    cut,
    floored,
    guaranteed,
    imported,
    offer,
    project,
    ran,
    source,
    supply_rule,
    tiny,
    total,
)


def test_a_plan_whose_materials_only_projects_make_is_answered() -> None:
    """Proves: no existing source makes x, its project gives 8 of 10 kt from the second year: 14 kt short at 1,000, 16 kt at 100."""
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
            diversification=[supply_rule("least_share", "a", 0.5, group="home", hard=True)],
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


def test_a_guarantee_to_a_committed_project_costs_from_its_first_output_on() -> None:
    """Proves: a plant of 2 kt under construction that produces from 2028 on, guaranteed 130 at a price of 100, costs 0, then 60."""
    plan, data = _obliged(
        "USA",
        projects={"new": project("a", 2.0, committed=True)},
        agreed=[guaranteed("new", "a", 130.0, 2041, payer="USA", floor_from_year=2027.0)],
    )
    assert list(solve(plan, data, gap=0.0).tables["budget"].paid_apart_musd) == pytest.approx([0.0, 60.0, 60.0])


@pytest.mark.parametrize("payer", ["USA", None])
def test_a_guarantee_to_a_plant_that_opens_is_owed_whatever_a_restart_takes(payer: str | None) -> None:
    """Proves: prices of 50 in the year before a plant opens do not shut it: from 2028 on 2 kt are owed 20."""
    plan, data = tiny(
        {"a": {2027: 50.0, 2028: 100.0}},
        sources={"far": source("CHN", "a", 10.0)},
        demand={"a": 10.0},
        projects={"new": project("a", 2.0, committed=True, cash_usd_per_kg=90.0, restart_yr=2.0)},
        agreed=[guaranteed("new", "a", 120.0, 2041, payer=payer, floor_from_year=2028.0)],
    )
    budget = best((plan, data)).tables["budget"]
    assert list(budget.paid_apart_musd + budget.signed_before_musd) == pytest.approx([0.0, 40.0, 40.0])


@pytest.mark.parametrize(("payer", "left"), [(None, 10.0), ("OTH", 30.0), ("USA", 30.0)])
def test_what_another_home_owes_is_none_of_the_plans_money(payer: str | None, left: float) -> None:
    """Proves: of 30 million a year, 20 are due on what was signed out of the plan's own money in two years, and none on what a home
    pays beside it; the rest buys a tonne for 100 USD/kg."""
    row = {"commitment": "c", "kind": "package", "item": "x", "producer": "far", "payer": payer, "signed_year": 2026}
    due = [
        {"commitment": "c", "fiscal_year": year, "payment": "instalment", "amount_musd": 20.0} for year in (2027, 2028)
    ]
    stop = [cut("stop", 0.5, 2029.0, 1.0)]
    plan, data = imported(100.0, loss=900.0, money=30.0, offers={"o": offer("a", 4.0)}, scenarios=stop, agreed=[row])
    result = best((plan, data.replace(payments_due=pd.DataFrame(due))))
    assert list(result.tables["budget"].signed_before_musd) == pytest.approx([30.0 - left, 30.0 - left, 0.0])
    assert bought(result, "a") == pytest.approx(2 * left / 100.0)


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


def plant(*, agreed: bool = True, **changes: Any) -> tuple[Plan, Dataset]:
    """A home plant of 2 kt makes `a` at 50 USD/kg out of `b` at 20, for 25; it is guaranteed earnings of 10. In the second year `b`
    costs three times as much, and no `a` comes from China."""
    dear = cut("dear", 0.5, 2028.0, 1.0, "b", share=0.0, price_multiplier=3.0)
    dear["events"] += cut("stop", 0.5, 2028.0, 1.0, "a")["events"]
    row = guaranteed("mill", "a", 10.0, 2041, payer="USA", floor_kind="earnings")
    case: dict[str, Any] = {
        "sources": {
            "mill": source("USA", {"a": 1.0, "b": -1.0}, 2.0, cash_usd_per_kg=25.0),
            "far": source("CHN", "a", 5.0),
            "mine": source("CHN", "b", 5.0),
        },
        "demand": {"a": 5.0},
        "loss": 500.0,
        "scenarios": [dear],
        "agreed": [row] if agreed else [],
    }
    return tiny({"a": 50.0, "b": 20.0}, **{**case, **changes})


def test_guaranteed_earnings_keep_a_plant_open_whatever_its_feed_costs() -> None:
    """Proves: 30 are left of a kg when feed is paid, 25 of cost and 10 guaranteed take 35: the guarantee pays 5 on 2 kt a year.
    Dear feed leaves -10: the plant shuts without it, as under a floor on its price it would, and runs with it."""
    with_it, without = solve(*plant(), gap=0.0), solve(*plant(agreed=False), gap=0.0)
    assert with_it.tables["budget"].paid_apart_musd.tolist() == pytest.approx([10.0] * 3)
    assert ran(with_it, "mill", "dear", "2028") == pytest.approx(2.0)
    assert ran(without, "mill", "dear", "2028") == pytest.approx(0.0)
    assert with_it.audited.passed


@pytest.mark.parametrize("states", [[], [(0.5, 0.5), (1.5, 0.5)]])
def test_guaranteed_earnings_cost_what_prices_leave_of_them(states: Any) -> None:
    """Proves: where all prices are half or one and a half times as high 15 or 45 are left of 35: 20 or nothing, 10 on average, and
    20 at the limit that covers the worse half."""
    found = prepare(*plant(states=states)).natural.carried
    assert found.beside.tolist() == pytest.approx([2 * (10.0 if states else 5.0)] * 3)
    assert found.liability.tolist() == pytest.approx([2 * (20.0 if states else 5.0)] * 3)


def halving(stop: float, cash: float, more: dict[str, Any] | None = None, **terms: Any) -> tuple[Plan, Dataset]:
    """A mill of 4 kt of activity makes half a tonne of `a` (100 USD/kg) of a tonne of `b` (20). Earnings of 20 are guaranteed."""
    row = guaranteed("mill", "a", 20.0, 2041, payer="USA", floor_kind="earnings", **terms)
    mill = source("USA", {"a": 0.5, "b": -1.0}, 4.0, cash_usd_per_kg=cash)
    sources = {"mill": mill, "far": source("CHN", "a", 5.0), "mine": source("CHN", "b", 5.0)}
    case = {"sources": sources, "scenarios": [cut("stop", 0.5, stop, 1.0, "a")], "agreed": [row], **(more or {})}
    return tiny({"a": 100.0, "b": 20.0}, demand={"a": 5.0}, loss=500.0, **case)


@pytest.mark.parametrize(("take", "cash", "owed", "runs"), [(2e3, 25, 20, 4), (1e3, 25, 10, 4), (1e2, 35, 0, 0)])
def test_guaranteed_earnings_of_a_part_are_of_product(take: float, cash: float, owed: float, runs: float) -> None:
    """Proves: 4 kt of activity make 2 kt of `a`; of 25 + 10 guaranteed, 30 are left of a tonne of activity: 5 on all of it, or on
    half where half of the output is covered. Where the guarantee covers a twentieth of a plant that costs 35, it lives on
    .05*45 + .95*30 = 30.75, which does not keep it open."""
    result = best(halving(2028.0, cash, take_t_per_yr=take))
    assert list(result.tables["budget"].paid_apart_musd) == pytest.approx([owed] * 3)
    assert ran(result, "mill", "stop", "2028") == pytest.approx(runs)


def test_the_reserve_pays_guaranteed_earnings_by_the_tonne() -> None:
    """Proves: a unit of activity makes half a tonne of `a` and brings 30 of 35: the reserve's tonne costs 100 + 2 * 5, and the
    guarantee is spared 10 on it: of 20 a year on 2 kt, 10 are left where the reserve takes 1 kt."""
    buying = {"offers": {"of": offer("a", 1.0, source="mill")}, "money": {2027: 0.0, 2028: 1e3, 2029: 0.0}}
    budget = best(halving(2029.0, 25.0, buying)).tables["budget"]
    assert list(budget.purchases_musd) == pytest.approx([0.0, 110.0, 0.0])
    assert list(budget.paid_apart_musd) == pytest.approx([20.0, 10.0, 20.0])


def bound(payer: str = "USA", premium: float = 0.0, **row: Any) -> tuple[Plan, Dataset]:
    """A home mine of 3 kt that is guaranteed 120 where the market pays 100, of which the reserve may buy."""
    return imported(
        100.0,
        sources={"far": source("CHN", "a", 10.0), "bound": source("USA", "a", 3.0, cash_usd_per_kg=90.0)},
        loss=500.0,
        offers={"of-bound": offer("a", 1.0, premium, source="bound")},
        money={2027: 0.0, 2028: 60.0, 2029: 0.0},
        scenarios=[cut("stop", 0.5, 2029, 1)],
        agreed=[guaranteed("bound", "a", 120.0, 2041, payer=payer, **row)],
    )


@pytest.mark.parametrize(("payer", "premium", "paid"), [("USA", 0.0, 120.0), ("USA", 0.1, 120.0), ("OTH", 0.0, 100.0)])
def test_the_guarantee_is_spared_what_it_would_have_paid_at_the_market(payer: str, premium: float, paid: float) -> None:
    """Proves: with 60 million the reserve takes 0.5 kt at the guaranteed 120, whether its offer asks 100 or 110, and 0.6 where
    another home guarantees and the price alone counts. The guarantee then pays 20 on 2.5 kt, as what the mine sells at the market
    it sells at 100. Users' costs and worth count the tonne at its offer's price: what the reserve pays more the guarantee pays
    less."""
    result = solve(*bound(payer, premium), gap=0.0)
    assert bought(result, "a") == pytest.approx(60.0 / paid)
    budget = result.tables["budget"].set_index("fiscal_year").loc[2028]
    assert budget.purchases_musd == pytest.approx(60.0)
    assert budget.paid_apart_musd == pytest.approx(50.0 if payer == "USA" else 0.0)
    assert result.objective_parts["authority_purchases"] == pytest.approx(60.0 / paid * 100.0 * (1 + premium))
    assert result.audited.passed


@pytest.mark.parametrize("take", [None, 2000.0, 500.0])
def test_what_is_owed_is_told_at_full_output_and_as_the_plan_runs(take: float | None) -> None:
    """Proves: users take a kilotonne from a plant of two, which is owed 20 a kg on what the guarantee covers of either."""
    row = guaranteed("mill", "a", 70.0, 2041, payer="USA", take_t_per_yr=take)
    tables: dict[str, Any] = {"sources": {"mill": source("USA", "a", 2.0)}, "materials": {"a": {"haircut_share": 0.1}}}
    result = solve(*tiny({"a": 50.0}, demand={"a": 1.0}, loss=500.0, agreed=[row], **tables), gap=0.0)
    budget, most = result.tables["budget"], (take or 2000.0) / 1e3
    assert budget.paid_apart_musd.tolist() == pytest.approx([20.0 * most] * 3)
    assert budget.paid_apart_as_run_musd.tolist() == pytest.approx([20.0 * min(most, 1.0)] * 3)
    assert result.audited.passed


def test_what_is_owed_at_other_prices_is_worked_out_of_what_has_a_guarantee(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: of two materials only the guaranteed one is built, and 3 kt of it are owed 20, or 40 at prices a fifth lower."""
    plan, data = tiny(
        {"a": 100.0, "b": 10.0},
        sources={"bound": source("USA", "a", 3.0), "far": source("CHN", "b", 1.0)},
        demand={"a": 3.0, "b": 1.0},
        agreed=[guaranteed("bound", "a", 120.0, 2041, payer="USA")],
    )
    prices = data.frame("prices")
    low = prices.assign(price_set="low", price_usd_per_kg=0.8 * prices.price_usd_per_kg)
    built: list[Instance] = []
    monkeypatch.setattr(notes, "build_instance", lambda *asked: built.append(build_instance(*asked)) or built[-1])
    owed = notes._owed_by_prices(plan, data.replace(prices=pd.concat([prices, low])))
    assert owed == pytest.approx({plan.price_set: 3 * 3 * 20.0, "low": 3 * 3 * 40.0})
    assert [one.materials for one in built] == [("a",)] * 2


@pytest.mark.parametrize("row", [{"take_t_per_yr": 500.0}, {"floor_kind": "border"}])
def test_the_guaranteed_price_is_paid_where_all_output_is_guaranteed(row: dict[str, Any]) -> None:
    """Proves: of a mine with a guarantee on a sixth of its output, or kept by a tariff, the reserve buys at 100: 0.6 kt for 60
    million; the guarantee pays 20 on 0.5 kt, the tariff nothing."""
    result = solve(*bound(**row), gap=0.0)
    assert bought(result, "a") == pytest.approx(0.6)
    paid = 10.0 if "take_t_per_yr" in row else 0.0
    assert result.tables["budget"].paid_apart_musd.tolist() == pytest.approx([paid] * 3)


@pytest.mark.parametrize("cash", [90.0, 110.0])
def test_the_years_in_which_a_guarantee_begins_and_ends_count_by_their_share(cash: float) -> None:
    """Proves: 20 on 3 kt are due for three quarters of 2027, all of 2028 and a quarter of 2029, whether or not the mine could live
    without; of the 60 of 2028 the reserve buys half a kilotonne at 120, on which 10 are spared."""
    plan, data = bound(floor_from_year=2027.25, floor_until_year=2029.25)
    mines = data.frame("activities")
    mines.loc[mines.activity == "bound", "cash_usd_per_kg"] = cash
    result = solve(plan, data.replace(activities=mines), gap=0.0)
    assert result.tables["budget"].paid_apart_musd.tolist() == pytest.approx([45.0, 60.0 - 10.0, 15.0])
    assert result.audited.passed


@pytest.mark.parametrize("escalator", [0.0, 0.05, 0.1])
def test_a_guarantee_fixed_in_money_is_worth_less_each_year_and_one_to_come_is_none(escalator: float) -> None:
    """Proves: prices rise by 10 % a year, so 242 USD of 2025 are worth 200 USD of 2025 in 2027 and less each year after; with an
    escalator of 5 % half of that is made up, with one of 10 % all. A guarantee that begins after the plan ends is left aside."""
    index = pd.DataFrame([{"money_year": 2025, "price_index": 100.0}, {"money_year": 2026, "price_index": 110.0}])
    plan, data = bound(indexed=False, money_year=2025)
    asked = [("bound", 121.0, None), ("bound", 242.0, None), ("bound", 242.0, 2035.0)]
    for producer, level, begin in asked:
        terms = {"indexed": False, "escalator_share_per_yr": escalator, "money_year": 2025, "floor_from_year": begin}
        row = guaranteed(producer, "a", level, 2041, payer="USA", **terms)
        found = prepare(plan, data.replace(commitments=pd.DataFrame([row]), deflators=index)).natural.carried.beside
        real = [
            level * ((1 + escalator) / 1.1) ** (year - 2025) * 1.1 for year in (2027, 2028, 2029)
        ]  # plan: money of 2026
        wanted = [3 * max(0.0, each - 100.0) * (begin is None) for each in real]
        assert found.tolist() == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("rows", "column"),
    [
        ([{}, {"commitment": "again", "floor_from_year": 2030.0}], "floor_from_year"),
        ([{"floor_from_year": 2042.0}], "floor_until_year"),
        ([{"indexed": False}], "money_year"),
        ([{"escalator_share_per_yr": 0.02}], "indexed"),
    ],
)
def test_guarantees_that_make_no_sense_are_faults(rows: list[dict[str, Any]], column: str) -> None:
    """Proves: two at a time on one output, one that ends before it begins, one fixed in money of no year, and one indexed that
    rises by an escalator too."""
    plan, data = bound()
    told = [{**guaranteed("bound", "a", 120.0, 2041, payer="USA"), **row} for row in rows]
    assert [fault.column for fault in check(plan, data.replace(commitments=pd.DataFrame(told))).faults] == [column]


@pytest.mark.parametrize(("ceilings", "tonnes"), [(True, 0.3), (False, 2.0)])
def test_published_ceilings_bind_all_offers_of_a_material_together(ceilings: bool, tonnes: float) -> None:
    """Proves: two offers of half a kilotonne a year, and a ceiling of 150 t a year on both; a material without a row is free."""
    plan, data = imported(
        10.0,
        loss=500.0,
        offers={"one": offer("a", 0.5), "two": offer("a", 0.5, 0.1)},
        scenarios=[cut("stop", 0.5, 2029, 1)],
        procurement={"ceilings": ceilings},
    )
    row = {"material": "a", "fiscal_year": 2025, "ceiling_t_per_yr": 150.0}
    table = solve(plan, data.replace(purchase_ceilings=pd.DataFrame([row])), gap=0.0).tables["acquisitions"]
    assert table[table.fiscal_year < 2029].acquired_t.sum() / 1e3 == pytest.approx(tonnes)


@pytest.mark.parametrize(("existing", "carried", "held"), [(True, False, 1.0), (False, False, 0.0), (False, True, 1.0)])
def test_a_reserve_of_its_own_begins_with_what_its_own_years_left(existing: bool, carried: bool, held: float) -> None:
    """Proves: a kilotonne that the home holds is another reserve's, one that the plan's earlier years left is its own."""
    plan, data = imported(10.0, 1.0, stock={"a": 1.0}, existing=existing)
    told = data.frame("stock").assign(carried=carried)
    assert build_instance(plan, data.replace(stock=told)).opening.tolist() == [held * 1e3]


@pytest.mark.long
def test_homes_that_plan_together_keep_what_was_signed_with_each() -> None:
    """Proves: in the shipped coalition Mountain Pass, 10X and Lynas have their guarantees, and the coalition owes them."""
    plan = load_plan(shipped("models") / "allies.toml")
    homes = {home.home: load_dataset(shipped("inputs"), home=home.home) for home in plan.together.members}
    joint, tables = joint_question(plan, homes)
    instance = build_instance(joint, tables)
    have = {name for name, floors in zip(instance.producers, instance.in_force, strict=True) if floors}
    assert have == {"USA.mp_separation", "USA.mp_10x", "JPN.lynas_plant"}
    assert instance.carried.beside[:9].min() > 0


@pytest.mark.parametrize("take", [954.8, 967.7, 994.6])
def test_a_floor_that_adds_nothing_costs_an_owner_nothing_whatever_the_last_digit_of_its_share(take: float) -> None:
    plant = project("a", 4.1, country="USA", cash_usd_per_kg=6.3, committed=True, hurdle_rate=0.07)
    right = {"right": floored("a", 7.0, 4.0, "purchase", take_t_per_yr=take)}
    menu = {"signing_years": [2027], "packages": ["right"]}
    states, stop = [(0.7, 0.25), (1.0, 0.5), (1.3, 0.25)], cut("stop", 0.5, 2031.0, 1.0, price_multiplier=1.0)
    more: dict[str, Any] = {
        "years": 5,
        "loss": 100.0,
        "projects": {"plant": plant},
        "packages": right,
        "instruments": menu,
    }
    found = best(imported(10.7, 10.0, states=states, scenarios=[stop], **more))
    assert found.tables["acquisitions"].acquired_t.sum() > take
