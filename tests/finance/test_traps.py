"""The traps of the formulation: each once gave a wrong answer, each has a test that names its number and says what a model without
the rule would answer. Money in million USD, tonnes in kilotonnes, prices in USD/kg (see `tiny`)."""

from typing import Any

import pytest

from strategic_minerals import InputError, PlanError, solve
from strategic_minerals.question.read_toml import parse_plan
from strategic_minerals.solver.highs import Model
from support.tiny import (
    KT,
    answered,
    best,
    bought,
    close,
    cut,
    floored,
    flow,
    imported,
    offer,
    project,
    ran,
    short,
    source,
    supply_rule,
    total,
    unaudited,
    worked,
)

ONCE = {2027: 1e4, 2028: 0.0}
"""Money in the first year alone."""
CUT_2028, CUT_2029 = [cut("cut", 0.5, 2028, 1)], [cut("cut", 0.5, 2029, 1)]
FLOOD_2028 = [cut("flood", 0.5, 2028, 1, flood_years=1.0, flood_multiplier=0.5)]
"""In half of the cases China stops for a year, at once or after a year in which it floods the market."""
UP_OR_DOWN = [(0.8, 0.5), (1.2, 0.5)]
"""States of prices."""
SIGN_FIRST = {"signing_years": [2027]}
"""Projects may be signed in the first year alone."""


def test_1_a_released_tonne_is_paid_by_users_to_the_authority():
    """Proves: trap 1. A kt bought at 60 keeps .5*60 in eight of ten scenarios and spares 160 in two: 60 - 24 - 32 > 0.

    So none is bought. Credited with 60 for each kt released, while nobody pays, the reserve would earn
    10*(60 - 24 - 32 - 12) = -80."""
    result = answered(
        60.0,
        materials={"a": {"haircut_share": 0.5}},
        offers={"spot": offer("a", 10.0)},
        scenarios=[cut("cut", 0.2, 2028, 1)],
        years=2,
        money=ONCE,
    )
    assert result.outcome.objective_musd == close(0.0)


def test_1_the_two_sides_of_a_release_cancel():
    """Proves: trap 1. Of 10 kt in store 5 are released in half of the scenarios at .8 of 60: users pay the authority 120."""
    parts = answered(
        60.0, 5.0, materials={"a": {"resale_share": 0.8}}, stock={"a": 10.0}, scenarios=CUT_2028, years=2
    ).objective_parts
    assert parts["users_release"] == close(120.0)
    assert parts["authority_release"] == close(-120.0)


def test_2_a_cheap_segment_does_not_go_short_for_another():
    """Proves: trap 2. Civil users want 10 kt at 20 a missing kg, defence 2 at 110; 1 kt is left: 10*20 + 1*110 = 310.

    Civil tiers add to 1.2. If their users could go short of 12 kt, 11 would cover defence too: 220, Z 90 lower."""
    result = worked(
        {"a": 10.0},
        sources={"far": source("CHN", "a", 11.0), "home": source("USA", "a", 1.0)},
        demand={("a", "civil"): 10.0, ("a", "defence"): 2.0},
        loss=10.0,
        tiers={"civil": [(0.6, 1.0), (0.6, 1.0)], "defence": [(1.0, 10.0)]},
        scenarios=[cut("cut", 1.0, 2028, 1)],
        years=2,
    )
    assert total(result) == close(120 + 10 + 310)
    assert short(result, "cut", "2028") == close(11.0)


def test_3_stock_does_not_leave_through_exports():
    """Proves: trap 3. Of 20 kt in store 9 meet demand in the squeeze; 11 stay, worth 10 a kg a year later: 90 - .64*110.

    Counted as surplus they would be exported at once: 90 - .8*110."""
    kept = {"rate": 0.25, "years": 2}
    result = answered(10.0, 9.0, stock={"a": 20.0}, scenarios=[cut("cut", 1.0, 2028, 1, price_multiplier=5.0)], **kept)
    assert flow(result, "released_t", "a", "cut", "2028") == close(9.0)
    assert total(result) == close(90 - 0.64 * 110)


def test_3_stock_is_not_released_while_nothing_is_tight():
    """Proves: trap 3. 10 kt in store with a haircut of a tenth are worth 90 at the end; two years of demand cost 180.

    Released at full price in quiet years they would save 100 instead: Z 80, not 90."""
    result = answered(10.0, 9.0, materials={"a": {"haircut_share": 0.1}}, stock={"a": 10.0}, years=2)
    assert total(result) == close(90.0)


def test_3_stock_does_not_leave_along_a_chain():
    """Proves: trap 3 along a chain. Nobody at home wants oxide or metal. In half of the scenarios both are cut and five times as
    dear. At crisis prices 5 kt of oxide in store, made into metal at home and exported, would earn .5*5*(.95*250 - 200) = 93.75 for
    50 paid: operations are valued at undisturbed prices, so that no plan has a reason to."""
    result = worked(
        {"oxide": 10.0, "metal": 50.0},
        materials={"metal": {"haircut_share": 0.05}, "oxide": {"haircut_share": 0.05}},
        sources={"far": source("CHN", "oxide", 10.0), "plant": source("USA", {"metal": 1.0, "oxide": -1.0}, 5.0)},
        offers={"spot": offer("oxide", 5.0)},
        scenarios=[cut("cut", 0.5, 2028, 1, price_multiplier=5.0)],
        years=2,
        money=ONCE,
    )
    assert result.outcome.objective_musd == close(0.0)


def test_4_a_tonne_goes_to_users_or_to_the_reserve():
    """Proves: trap 4. A source of 10 kt that serves users with 10 has none for the reserve.

    Sold twice, 10 kt for 100 would spare .5*1100 and keep .5*100: -500."""
    result = answered(10.0, offers={"spot": offer("a", 10.0, source="far")}, scenarios=CUT_2028, years=2, money=ONCE)
    assert bought(result, "a") == close(0.0)
    assert result.outcome.objective_musd == close(0.0)


def test_4_production_for_the_reserve_needs_its_feed():
    """Proves: trap 4. All 5 kt of oxide go into magnets for users, so none can be made for the reserve.

    Made of nothing, 5 kt of magnets would cost 5*(50 - 10) = 200, spare .5*5*110 and keep .5*5*50: -200."""
    result = worked(
        {"oxide": 10.0, "magnet": 50.0},
        sources={"mine": source("CHN", "oxide", 5.0), "plant": source("USA", {"magnet": 1.0, "oxide": -1.0}, 10.0)},
        demand={"magnet": 5.0},
        loss=60.0,
        offers={"magnets": offer("magnet", 10.0, source="plant")},
        scenarios=CUT_2028,
        years=2,
        money=ONCE,
    )
    assert result.outcome.objective_musd == close(0.0)


def test_4_joint_products_are_not_bought_one_by_one():
    """Proves: trap 4. 1 kt of dy takes 4 kt of mining, of which 4 are spare: the reserve gets 1 of the 5 kt on offer.

    Z - Z0 = 1*100 - .5*1*1100 - .5*1*100 = -500 (loss 1000). Bought without being made, 2 kt would spare the whole
    demand of two cut years: -1000."""
    result = worked(
        {"ndpr": 10.0, "dy": 100.0},
        sources={"far": source("CHN", {"ndpr": 0.75, "dy": 0.25}, 8.0)},
        demand={"ndpr": 3.0, "dy": 1.0},
        loss={"ndpr": 0.0, "dy": 1000.0},
        offers={"dy-spot": offer("dy", 5.0, source="far")},
        scenarios=[cut("cut", 0.5, 2028, 2)],
        money=ONCE,
    )
    assert bought(result, "dy") == close(1.0)
    assert result.outcome.objective_musd == close(-500.0)


def test_4_nothing_is_made_for_the_reserve_that_it_does_not_buy():
    """Proves: trap 4. Three years of 5 kt of magnets cost 3*5*(9 + 40) = 735, whatever the plant could make for nobody.

    Oxide comes at a tenth below the price at which it is booked out to the reserve: 15 kt a year made for a reserve
    that takes none would earn 3*15*1 = 45."""
    plant = source("USA", {"magnet": 1.0, "oxide": -1.0}, 20.0)
    result = worked(
        {"oxide": 10.0, "magnet": 50.0},
        materials={m: {"haircut_share": 0.1} for m in ("oxide", "magnet")},
        sources={"mine": source("CHN", "oxide", 20.0, premium_share=-0.1), "plant": plant},
        demand={"magnet": 5.0},
        offers={"magnets": offer("magnet", 0.0, source="plant")},
    )
    assert total(result) == close(735.0)


def glut_then_cut(**budget: Any) -> tuple:
    """No appropriation. In half of the scenarios the price halves in 2028, then all 10 kt are cut in 2029."""
    return imported(10.0, offers={"spot": offer("a", 10.0)}, scenarios=FLOOD_2028, money=0.0, budget=budget)


def test_5_a_branch_does_not_buy_in_the_flood_without_money():
    """Proves: trap 5. With nothing appropriated nothing is bought in a branch either: the plan is worth nothing.

    Free to spend, it would buy 10 kt, which count 10, and spare 10*110 in half of the scenarios: .5*(100 - 1100) = -500.
    """
    assert best(glut_then_cut()).outcome.objective_musd == close(0.0)


def test_5_a_branch_spends_declared_emergency_money():
    """Proves: trap 5. 20 of emergency money buy 4 kt at 5, which count 10: .5*(40 - 4*110) = -200."""
    assert best(glut_then_cut(emergency_musd={2028: 20.0, 2029: 0.0})).outcome.objective_musd == close(-200.0)


def certain_cut(*, gold: bool, rule: str) -> tuple:
    """In nine of ten scenarios all 10 kt are cut in 2029 at five times the price; 500 M are appropriated in that year alone."""
    offers = {"spot": offer("a", 10.0, crisis=1.0)}
    if gold:
        offers["gold"] = offer("a", 10.0, premium=9.0, crisis=1.0)
    return imported(
        10.0,
        offers=offers,
        scenarios=[cut("squeeze", 0.9, 2029, 1, price_multiplier=5.0)],
        money={2029: 500.0},
        budget={"branch_money": rule},
    )


def test_5_nobody_plans_a_dear_purchase_only_to_have_the_money_in_a_branch():
    """Proves: trap 5. Where a branch may spend the year's appropriation it buys 10 kt for 500 instead of losing 110 each. They
    count 10: .9*10*(10 - 110) = -900, and gold-plated tonnes on offer change nothing.

    Where it may only spend what the trunk had planned, 10 kt planned at 10 buy 2 kt at 50: .9*2*(10 - 110) = -180. Then
    4 kt planned at 100, all but certain never to be bought, are worth the money they set aside: -900 + .1*4*(100 - 10) = -864.
    """
    for gold in (False, True):
        result = best(certain_cut(gold=gold, rule="appropriated"))
        assert result.outcome.objective_musd == close(-900.0)
        assert result.tables["acquisitions"].empty
    assert best(certain_cut(gold=False, rule="planned")).outcome.objective_musd == close(-180.0)
    assert best(certain_cut(gold=True, rule="planned")).outcome.objective_musd == close(-864.0)


def test_5_money_left_over_buys_nothing_in_the_flood():
    """Proves: trap 5. In a tenth of the scenarios the price halves in 2028, then all 10 kt are cut in 2029, missed at 20 a kg.

    The money of 2028 is free and nothing was planned with it (half of what is kept is lost). Knowing what follows, a branch
    would buy 10 kt, which count 11: .1*10*(11 - 20) = -9. It may not; the 44 of 2029, when material is tight, buy 4 kt at 11:
    .1*4*(11 - 20) = -3.6."""
    result = answered(
        10.0,
        materials={"a": {"haircut_share": 0.5}},
        loss=10.0,
        offers={"spot": offer("a", 10.0, premium=0.1, crisis=1.0)},
        money={2027: 0.0, 2028: 1000.0, 2029: 44.0},
        scenarios=[cut("flood", 0.1, 2028, 1, flood_years=1.0, flood_multiplier=0.5)],
        budget={"branch_money": "appropriated"},
    )
    assert result.outcome.objective_musd == close(-3.6)
    assert flow(result, "acquired_t", "a", "flood", "2028") == close(0.0)
    assert flow(result, "acquired_t", "a", "flood", "2029") == close(4.0)


@pytest.mark.parametrize("kind", ["least_budget", "risk_within_budget"])
def test_5_unspent_money_is_not_offered_to_an_aim_that_counts_spending(kind):
    """Proves: least budget would buy everything in the disruption, for nothing: the pair is refused, with the way out."""
    plan, _ = glut_then_cut()
    told = plan.to_toml_like() | {"objective": {"kind": kind}}
    told["budget"]["branch_money"] = "appropriated"
    with pytest.raises(PlanError, match=r"expected 'planned' with objective\.kind"):
        parse_plan(told)


def test_5_what_was_bought_while_tight_leaves_no_money_to_buy_what_is_not():
    """Proves: with an event in force the first quarters are tight in every future. What was spent in them is gone when a branch
    begins: the model that lets it be spent again is refused by the audit."""
    on = {"name": "on", "start_year": 2026.5, "duration_years": 1.0, "remaining_years": 1.0}
    case = {"ongoing": [on | {"countries": "CHN", "materials": "a", "cut_share": 0.8}], "stock": {"a": 0.669}}
    case |= {"budget": {"branch_money": "appropriated"}, "money": {2027: 13.66, 2028: 24.44}, "years": 4, "months": 3}
    case |= {"sources": {"far": source("CHN", "a", 4.0), "ally": source("AUS", "a", 3.0)}, "loss": 700.0}
    case |= {"offers": {"o": offer("a", 0.8, 0.05), "oh": offer("a", 0.2, source="ally")}}
    struck = cut("s", 0.3, 2030.0, 0.7, share=0.3, price_multiplier=2.0)
    result = answered({2027: 100.0, 2029: 130.0}, 6.0, scenarios=[struck], **case)
    assert result.audited.passed


def test_6_a_low_floor_with_an_upside_share_prints_no_money():
    """Proves: trap 6. A floor of 50 with half of the upside, price 80 or 120, brings the treasury 25 a year on 1 kt.

    The owner, at 25 %, asks 44 for it; the treasury, at 0 %, counts 50: signed, it would earn 6 without a shortage
    anywhere. It is dropped, with its reason."""
    floor = floored("a", 50.0, 2.0, instrument="grant", upside_share=0.5)
    plant = project("a", 1.0, capex_musd=80.0, cash_usd_per_kg=50.0, life_yr=2.0, hurdle_rate=0.25)
    result = answered(
        100.0,
        projects={"plant": plant},
        packages={"trick": floor},
        states=UP_OR_DOWN,
        instruments=SIGN_FIRST,
        residual=0.0,
    )
    assert result.outcome.objective_musd == close(0.0)
    assert "earn money" in result.tables["dropped"].set_index("item").reason["plant: trick"]


def test_6_nor_does_a_market_floor():
    """Proves: trap 6. On 4 kt of existing home output the same floor would bring 25*4*3 = 300: it is dropped."""
    menu = {"material": "a", "scope": "market", "levels_usd_per_kg": [50.0], "term_years": 3, "upside_share": 0.5}
    result = answered(
        100.0,
        sources={"far": source("CHN", "a", 10.0), "home": source("USA", "a", 4.0)},
        states=UP_OR_DOWN,
        instruments={"price_floors": [menu]},
    )
    assert result.outcome.objective_musd == close(0.0)
    assert ["print money" in reason for reason in result.tables["dropped"].reason] == [True]


def test_7_allies_withhold_in_the_squeeze_alone():
    """Proves: trap 7. 20 kt are wanted; an ally gives 4 of its 10 kt while China's 10 are cut, and all before and after.

    Short 0, 16, 0 in flood, squeeze and after. Rationed from the onset on, 6, 16 and 6."""
    result = worked(
        {"a": 10.0},
        sources={"far": source("CHN", "a", 10.0), "ally": source("AUS", "a", 10.0, kappa=0.4)},
        demand={"a": 20.0},
        scenarios=FLOOD_2028,
        years=4,
    )
    assert [short(result, "flood", y) for y in ("2028", "2029", "2030")] == [close(0.0), close(16.0), close(0.0)]
    assert total(result) == close(200 + 0.5 * 600 + 0.5 * (200 + (4 * 10 + 16 * 110) + 200))


def test_7_a_short_squeeze_rations_for_as_long_as_it_lasts():
    """Proves: trap 7. China's 10 kt are cut for a quarter of 2028; an ally then withholds 6 of its 10 kt a year for that
    quarter: 7.5 + 8.5 of 20 kt are there and 4 are short. Rationed for the whole year it would give 4, and 8.5 be short.
    Two events of a quarter each that overlap by half last three eighths of the year, not half of it."""
    for spans, far, ally in (([(2028.0, 0.25)], 7.5, 8.5), ([(2028.0, 0.25), (2028.125, 0.25)], 6.25, 7.75)):
        events = [e for start, years in spans for e in cut("cut", 0.5, start, years)["events"]]
        result = worked(
            {"a": 10.0},
            sources={"far": source("CHN", "a", 10.0), "ally": source("AUS", "a", 10.0, kappa=0.4)},
            demand={"a": 20.0},
            scenarios=[{**cut("cut", 0.5, 2028, 1), "events": events}],
        )
        assert ran(result, "ally", "cut", "2028") == close(ally)
        assert short(result, "cut", "2028") == close(20 - far - ally)


def test_7_a_source_that_the_flood_shuts_makes_nothing_tight():
    """Proves: trap 7. In the flood of 2028 a dear ally of 4 kt shuts, yet 10 + 10 kt meet the demand of 20: none is short.

    Called tight because a source is shut, the other ally would keep 6 of its 10 kt at home."""
    result = worked(
        {"a": 100.0},
        demand={"a": 20.0},
        scenarios=FLOOD_2028,
        sources={
            "far": source("CHN", "a", 10.0),
            "dear": source("AUS", "a", 4.0, cash_usd_per_kg=60.0),
            "ally": source("AUS", "a", 10.0, kappa=0.4),
        },
    )
    assert ran(result, "dear", "flood", "2028") == close(0.0)
    assert short(result, "flood", "2028") == close(0.0)
    assert short(result, "flood", "2029") == close(20.0 - 4.0 - 4.0)


def test_7_oxide_in_store_helps_while_only_magnets_are_short():
    """Proves: trap 7. China stops magnets alone; oxide from the store still goes through the home plant of 4 kt.

    4 kt at 10 spare 110 less 40 of value added in half of the scenarios and keep .5*10 elsewhere: 40 - 140 - 10 = -110.
    Locked in store because oxide itself is not cut, they would be worth nothing."""
    result = worked(
        {"oxide": 10.0, "magnet": 50.0},
        materials={"oxide": {"haircut_share": 0.5}},
        sources={
            "mine": source("CHN", "oxide", {2027: 20.0, 2028: 0.0}),
            "far": source("CHN", "magnet", 10.0),
            "plant": source("USA", {"magnet": 1.0, "oxide": -1.0}, 4.0),
        },
        demand={"magnet": 10.0},
        loss=60.0,
        offers={"spot": offer("oxide", 10.0)},
        scenarios=[cut("cut", 0.5, 2028, 1, "magnet")],
        years=2,
        money=ONCE,
    )
    assert result.outcome.objective_musd == close(-110.0)


def test_8_a_market_floor_is_paid_on_new_output_too():
    """Proves: trap 8. A home mine of 3 kt (cash 110) lives under a market floor of 120 alone; a plant of 1 kt (cash 90) that an
    owner would build for nothing gets the top-up too. Top-ups 20*3 kt*3 y = 180 for the mine and 20*1*2 = 40 for the plant; spared
    .5*(3 + 1)*200 = 400 in half of the scenarios, in which China is cut in 2029.

    Net -180. A plant that stood beside the floor without taking it would leave out the 40: -220."""
    menu = {"material": "a", "scope": "market", "levels_usd_per_kg": [120.0], "term_years": 3, "eligible": "home"}
    result = answered(
        100.0,
        sources={"far": source("CHN", "a", 10.0), "home": source("USA", "a", 3.0, cash_usd_per_kg=110.0)},
        loss=200.0,
        scenarios=CUT_2029,
        projects={"plant": project("a", 1.0, cash_usd_per_kg=90.0, capex_musd=19.0, life_yr=2.0, additional=True)},
        instruments={"price_floors": [menu], "signing_years": [2027]},
    )
    assert result.objective_parts["floor_cost"] == close(220.0)
    assert result.outcome.objective_musd == close(-180.0)


def test_8_a_contract_with_a_dead_source_gives_nothing():
    """Proves: trap 8. The flood shuts the ally (cash 60) for years; its contract is worth nothing in the squeeze.

    Survival left out of the contract's share, 10 kt for 3 of fees would give .6*10 kt, worth .5*6*100 = 300: -297."""
    deal = {"lot_t_per_yr": 0.0, "fee_usd_per_kg": 0.1, "term_yr": 3.0}
    ally = source("AUS", "a", 10.0, kappa=0.4, cash_usd_per_kg=60.0, restart_yr=5.0, **deal)
    result = answered(
        100.0,
        sources={"far": source("CHN", "a", 10.0), "ally": ally},
        scenarios=FLOOD_2028,
        instruments={"contract_years": [2027]},
    )
    assert result.tables["contracts"].empty
    assert result.outcome.objective_musd == close(0.0)


def test_8_a_border_floor_costs_the_treasury_what_it_gives_a_project():
    """Proves: trap 8. A border floor of 120 on 10 kt: users pay 600, the treasury takes 600, less 40 on the plant's output.

    The 40 pay for its capex of 39; it spares .5*1*200 = 100: net -60. Not charged to anybody, -100."""
    menu = {"material": "a", "kind": "border", "scope": "market", "levels_usd_per_kg": [120.0], "term_years": 3}
    result = answered(
        100.0,
        loss=200.0,
        scenarios=CUT_2029,
        projects={"plant": project("a", 1.0, cash_usd_per_kg=100.0, capex_musd=39.0, life_yr=2.0)},
        instruments={"price_floors": [menu], "signing_years": [2027]},
    )
    assert result.objective_parts["users_border_surcharge"] == close(600.0)
    assert result.objective_parts["authority_border_revenue"] == close(-560.0)
    assert result.outcome.objective_musd == close(-60.0)


def test_9_a_flood_does_not_shut_what_is_not_built_yet():
    """Proves: trap 9. A plant signed in 2029 starts in 2030, after the flood of 2029, and spares .5*5*100 = 250 in 2030.

    Judged from the first period on, it would be dead for the five years of its restart: 0."""
    plant = project("a", 5.0, cash_usd_per_kg=60.0, restart_yr=5.0, additional=True)
    case = imported(
        100.0,
        projects={"late": plant},
        years=4,
        scenarios=[cut("flood", 0.5, 2029, 1, flood_years=1.0, flood_multiplier=0.5)],
        instruments={"signing_years": [2028]},
    )
    shut = best(case)  # signed in 2028: first output in the flood
    assert shut.outcome.objective_musd == close(0.0)
    plan, data = case
    later = plan.model_copy(update={"instruments": plan.instruments.model_copy(update={"signing_years": (2029,)})})
    result = best((later, data))
    assert ran(result, "late", "flood", "2030") == close(5.0)
    assert result.outcome.objective_musd == close(-250.0)


def test_9_a_plant_that_is_dead_at_the_end_is_worth_nothing_there():
    """Proves: trap 9. The price falls to 50 in 2029, below the cash cost of 60: the plant is shut at the end.

    Gap 50 - 40 + 10 + 10 = 30, spared .5*1*200 = 100 in 2028: -70. A third of its life is left; credited, -80."""
    plant = project("a", 1.0, cash_usd_per_kg=60.0, capex_musd=50.0, life_yr=3.0)
    result = answered(
        {2027: 100.0, 2029: 50.0},
        loss=200.0,
        projects={"plant": plant},
        packages={"grant": {"instrument": "grant"}},
        scenarios=CUT_2028,
        instruments=SIGN_FIRST,
    )
    assert result.objective_parts["capital_support"] == close(30.0)
    assert result.objective_parts["residual_credit"] == close(0.0)
    assert result.outcome.objective_musd == close(-70.0)


def test_10_stock_is_not_valued_at_crisis_prices():
    """Proves: trap 10. Bought at 10, a kg is worth 9 after the horizon, in a dear scenario too: none is bought.

    At the tripled price of half of the scenarios it would be worth .5*9 + .5*27 = 18: 5 kt for a gain of 40."""
    result = answered(
        10.0,
        materials={"a": {"haircut_share": 0.1}},
        offers={"spot": offer("a", 5.0)},
        years=2,
        money=ONCE,
        scenarios=[cut("dear", 0.5, 2028, 1, share=0.0, price_multiplier=3.0)],
    )
    assert result.outcome.objective_musd == close(0.0)


def test_10_stock_is_not_sold_off_before_the_end():
    """Proves: trap 10. A salvage share below what a sale brings is refused as data: it would empty the store in T."""
    case = imported(10.0, materials={"a": {"haircut_share": 0.1, "salvage_share": 0.5}}, demand={"a": 1.0})
    with pytest.raises(InputError, match="salvage_share"):
        best(case)


def test_11_floors_are_costed_over_price_states_in_branches_too():
    """Proves: trap 11. A floor at the price of 100, which is 80 or 120: 10 a year on 1 kt, in every scenario alike.

    10 + 10 within the horizon, 10 after it. At the branch's mean price it would cost nothing there: 10 + .5*10 = 15."""
    floor = floored("a", 100.0, 3.0)
    parts = answered(
        100.0,
        1.0,
        demand={"a": 2.0},
        loss=1000.0,
        projects={"plant": project("a", 1.0, cash_usd_per_kg=95.0, capex_musd=29.0, life_yr=3.0)},
        packages={"floored": floor},
        states=UP_OR_DOWN,
        scenarios=CUT_2029,
        instruments=SIGN_FIRST,
    ).objective_parts
    assert parts["floor_cost"] == close(20.0)
    assert parts["terminal_liability"] == close(10.0)


@pytest.mark.parametrize(("residual", "worth_musd"), [(1.0, 110.0), (0.0, 80.0), (0.5, 95.0)])
def test_12_what_is_owed_after_the_horizon_stands_beside_what_is_left(residual, worth_musd):
    """Proves: trap 12. A floor of 100 for four years, price 80 from 2029: 20 in the horizon, 40 owed after it.

    Margin 10*4 of a capex of 100: grant 60; half of the life is left: credit 30. Spared .5*400 = 200 in 2028.
    60 + 20 + 40 - 30 - 200 = -110. Liability without service would make it -80, neither of them -120."""
    floor = floored("a", 100.0, 4.0, instrument="grant")
    result = answered(
        {2027: 100.0, 2029: 80.0},
        loss=400.0,
        projects={"plant": project("a", 1.0, cash_usd_per_kg=90.0, capex_musd=100.0, life_yr=4.0)},
        packages={"floored": floor},
        scenarios=CUT_2028,
        instruments=SIGN_FIRST,
        residual=residual,
    )
    parts = result.objective_parts
    assert (parts["floor_cost"], parts["terminal_liability"]) == (close(20.0), close(40.0))
    assert parts["residual_credit"] == close(-30.0 * residual)
    assert result.outcome.objective_musd == close(-worth_musd)


@pytest.mark.parametrize(("revolving", "held", "z"), [(False, 0.0, 0.0), (True, 1.0, -47.5)])
def test_13_sales_are_no_budget_unless_declared_revolving(revolving, held, z):
    """Proves: trap 13. 1 kt of `old` a year may be sold for 10; nothing is appropriated, so no `new` is bought.

    Revolving, the 10 buy 1 kt: 10 - .5*110 - .5*5 = -47.5."""
    result = worked(
        {"old": 10.0, "new": 10.0},
        materials={"old": {"disposal_t_per_yr": KT}, "new": {"haircut_share": 0.5}},
        sources={"far": source("CHN", "new", 10.0)},
        demand={"new": 10.0},
        stock={"old": 5.0},
        offers={"spot": offer("new", 10.0)},
        scenarios=[cut("cut", 0.5, 2028, 1, "new")],
        years=2,
        money=0.0,
        budget={"revolving": revolving},
        instruments={"trunk_disposal": True},
    )
    assert bought(result, "new") == close(held)
    assert result.outcome.objective_musd == close(z)


def test_14_a_promise_holds_in_the_event_not_over_the_branch():
    """Proves: trap 14. Half of 10 kt in a cut of one year takes 5 kt in store, at 10 a kg.

    Spread over the five years of the branch, 25 kt could go missing and nothing would be bought."""
    made = {"material": "a", "segment": "civil", "level": 0.5, "scenarios": ["cut"]}
    result = answered(
        1.0,
        loss=1.0,
        offers={"spot": offer("a", 10.0, premium=9.0)},
        scenarios=[cut("cut", 0.1, 2028, 1, design_basis=True)],
        service_levels=[made],
        years=6,
        money=ONCE,
    )
    assert bought(result, "a") == close(5.0)
    assert result.outcome.objective_musd == close(50 - 0.1 * 5 * 2 - 0.9 * 5 * 1)


def test_15_exports_do_not_count_as_home_supply():
    """Proves: trap 15. Four tenths of 10 kt from home: 4*10 + 6*7 = 82, China's at 7 being cheaper.

    Home output that is exported at 9 while China serves everybody would comply on paper: 4*10 + 10*7 - 4*9 = 74. (A
    discount beyond the haircut is refused as data; the audit is left out to show what the rule alone forbids.)"""
    rule = {"material": "a", "kind": "least_share", "group": "home", "share": 0.4, "from_year": 2027, "hard": True}
    case = imported(
        10.0,
        materials={"a": {"haircut_share": 0.1}},
        years=1,
        diversification=[rule],
        sources={"far": source("CHN", "a", 10.0, premium_share=-0.3), "home": source("USA", "a", 4.0)},
    )
    assert total(unaudited(*case)) == close(82.0)


def test_15_going_short_is_no_way_to_comply():
    """Proves: trap 15. China may give half; home has 2 kt of 10: 3 kt too many, at a penalty of 300: 100 + 900 = 1000.

    Going short of 6 kt at 110 would comply for 20 + 20 + 660 = 700."""
    rule = supply_rule("country_cap", "a", 0.5, country="CHN", penalty_usd_per_kg=300.0)
    assert total(
        answered(
            10.0,
            years=1,
            diversification=[rule],
            sources={"far": source("CHN", "a", 10.0), "home": source("USA", "a", 2.0)},
        )
    ) == pytest.approx(1000.0, abs=0.01)  # a millionth of 10 kt of room in the rule


def test_16_the_solver_stops_at_a_gap_of_the_plan_not_of_the_economy(monkeypatch):
    """Proves: trap 16. Users pay nearly 300 000 million USD a year; the project is worth 20 of it.

    With 100 appropriated in 2027, a gap of 1 % is 1 million USD, and the objective that the solver sees is Z - Z0. On Z,
    1 % would be 9000 and hide the project."""
    seen: list[tuple[float, float]] = []
    run = Model.run

    def watch(self: Model, **options: Any) -> Any:
        answer = run(self, **options)
        if options.get("absolute_gap"):
            seen.append((options["absolute_gap"], answer.objective))
        return answer

    monkeypatch.setattr(Model, "run", watch)
    plant = project("a", 1.0, capex_musd=80.0, cash_usd_per_kg=1e4, additional=True)
    result = solve(
        *imported(
            1e4,
            29.0,
            demand={"a": 30.0},
            loss=50.0,
            projects={"plant": plant},
            packages={"grant": {"instrument": "grant"}},
            money={2027: 100.0, 2028: 0.0},
            residual=0.0,
            instruments=SIGN_FIRST,
        ),
        gap=0.01,
        quick=True,
    )
    assert seen == [(close(1.0), pytest.approx(-20.0, abs=1.0))]
    assert result.outcome.objective_musd == close(-20.0)
    assert result.outcome.do_nothing_musd > 800_000


def test_17_no_bet_on_prices_is_bought():
    """Proves: trap 17. A fifth of China is cut and the price rises fivefold, yet an ally makes up for it: no shortage. 5 kt would
    save users 5*50 in half of the scenarios; at the prices that count 25: 50 - 25 - 22.5 > 0, none is bought."""
    result = answered(
        10.0,
        materials={"a": {"haircut_share": 0.1}},
        sources={"far": source("CHN", "a", 10.0), "ally": source("AUS", "a", 10.0)},
        offers={"spot": offer("a", 5.0)},
        scenarios=[cut("cut", 0.5, 2028, 1, share=0.2, price_multiplier=5.0)],
        years=2,
        money=ONCE,
    )
    assert bought(result, "a") == close(0.0)
    assert result.outcome.objective_musd == close(0.0)


def test_17_a_price_that_drifts_while_material_is_held_is_named():
    """Proves: trap 17. Bought at 10 in 2027, worth 15 from 2028 on whatever happens: the report names the drift of 50 %, and
    shortage, price and rest add up to what the plan is worth."""
    result = answered(
        {2027: 10.0, 2028: 15.0},
        offers={"spot": offer("a", 5.0)},
        scenarios=[cut("cut", 0.5, 2029, 1, price_multiplier=2.0)],
        money=ONCE,
    )
    assert bought(result, "a") == close(5.0)
    assert "PRICE CHANGE while in stock, without a disruption: a (+50%)" in result.summary(full=True)
    split = result.tables["value"][["shortage_avoided_musd", "users_musd", "authority_musd"]]
    assert float(split.to_numpy().sum()) == close(-result.outcome.objective_musd)


def test_18_a_baseline_project_does_not_forbid_a_market_floor():
    """Proves: trap 18. A floor of 110 with half of the upside saves a mine of 3 kt; a dear plant would lose by it.

    The mine gets 30 at 80 and gives back 5 at 120: 12.5*3*3 = 112.5, and spares .5*3*200 = 300: -187.5. The plant sells
    at 150, would give back 20 a year, and stands beside the floor as it is. Forced to take it or make way, the plant,
    which its owner builds anyway, would make the floor impossible: 0."""
    menu = {"material": "a", "scope": "market", "levels_usd_per_kg": [110.0], "term_years": 3, "upside_share": 0.5}
    result = answered(
        100.0,
        sources={"far": source("CHN", "a", 10.0), "home": source("USA", "a", 3.0, cash_usd_per_kg=105.0)},
        loss=200.0,
        states=UP_OR_DOWN,
        scenarios=CUT_2029,
        projects={"dear": project("a", 1.0, capex_musd=10.0, premium_share=0.5)},
        instruments={"price_floors": [menu]},
    )
    assert list(result.tables["floors"].level_usd_per_kg) == [close(110.0)]
    assert list(result.tables["projects"].baseline) == [True]
    assert result.outcome.objective_musd == close(-187.5)
