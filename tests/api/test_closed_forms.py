"""Answers that a planner can work out on paper, beside what the optimizer says.

Money in million USD, tonnes in kilotonnes, prices in USD/kg (see `tiny`)."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from strategic_minerals import InfeasibleError, check, solve
from strategic_minerals.audit.producers import capital as audited_capital
from strategic_minerals.matrix.named import denominator
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.world.instance import Floor, Instrument
from strategic_minerals.world.producers import (
    capital_cost,
    expected_payment,
    financing_gap,
    owner_npv,
    payment,
    quantile_state,
    ramped_share,
    recv,
    survival,
    worth,
)
from support.tiny import (
    KT,
    answered,
    best,
    bought,
    clawback,
    close,
    cut,
    floored,
    flow,
    guaranteed,
    imported,
    offer,
    price,
    project,
    ran,
    short,
    source,
    tail,
    tiny,
    total,
    two_risks,
)


def newsvendor(**changes):
    """1000 t a month at risk; 0, 3, 6, 12 or 24 months lost; buy 60, carry 1, salvage 54, loss 160 k USD/t.

    Quarters. Material at 60 USD/kg is bought in 2027 alone, before the cuts, which all begin in the second quarter;
    carrying is paid up front, as a premium of 1/60. What is left is worth 0.9 * 60 = 54. A missing tonne costs
    60 + 100 = 160. A released tonne is paid by users to the authority, so it costs society nothing."""
    lengths = {3: 0.12, 6: 0.10, 12: 0.06, 24: 0.02}
    case = {
        "materials": {"a": {"haircut_share": 0.1}},
        "offers": {"spot": offer("a", 100.0, premium=1 / 60)},
        "scenarios": [cut(f"m{m}", share, 2027.25, m / 12) for m, share in lengths.items()],
        "months": 3,
        "years": 3,
        "money": {2027: 1e4, 2028: 0.0},
    }
    return imported(60.0, 12.0, **{**case, **changes})


def test_the_reserve_holds_the_newsvendor_quantity():
    """Proves: the stock is the quantile (160-61)/(160-54) = 0.934 of the tonnes lost, and its cost is the textbook's.

    P(lost <= 6 months) = 0.92 < 0.934 <= 0.98 = P(lost <= 12): hold 12 000 t. Left over: .70*12 + .12*9 + .10*6 = 10.08 kt.
    61*12 - 54*10.08 + 160*(.02*12) = 732 - 544.32 + 38.4 = 226.08. Without the plan 160 * 2.16 kt = 345.6 is lost,
    so the plan is worth 119.52. Salvage not weighted by what is left: 732 - 648 + 38.4 = 122.4."""
    result = best(newsvendor())
    assert bought(result, "a") == close(12.0)
    parts = result.objective_parts
    assert parts["authority_purchases"] == close(732.0)
    assert parts["salvage"] == close(-544.32)
    assert parts["loss"] == close(38.4)
    assert parts["authority_purchases"] + parts["salvage"] + parts["loss"] == close(226.08)
    assert result.reference_parts["loss"] == close(345.6)
    assert result.outcome.objective_musd == close(226.08 - 345.6)


@pytest.mark.parametrize(("loss", "held"), [(2.0, 0.0), (20.0, 3.0), (50.0, 6.0), (400.0, 24.0)])
def test_the_reserve_follows_the_critical_ratio(loss, held):
    """Proves: another loss, another quantile of what is lost: P(0) = .70, P(<= 3) = .82, P(<= 6) = .92, P(<= 12) = .98.

    (loss - 1)/(loss + 6): at 2 .125: nothing; at 20 .731: 3 kt; at 50 .875: 6 kt; at 400 .983: 24 kt. A stock sized for
    the mean loss would be 2.16 kt at any of them."""
    assert bought(best(newsvendor(loss=loss)), "a") == close(held)


def test_a_shortage_is_met_in_order_of_cost():
    """Proves: 5 kt are missing for a year: thrift 20 up to 1 kt, substitution 45 up to 2, an ally at 60 (a fifth below the market)
    up to 3, stock worth 75, which keeps its worth: 1*20 + 2*45 + 2*60 = 230, marginal price 60 USD/kg, stock untouched.

    Thrift is so cheap (20 against 75) that it is used before the event as well: 1*20 + 2*45 + 2*75 = 260 in 2027.
    Releasing for free would take 5 kt from the stock and cost 0."""
    ally = source("AUS", "a", {2027: 0.0, 2028: 3.0}, premium_share=-0.2)
    result = answered(
        75.0,
        5.0,
        materials={"a": {"haircut_share": 0.3, "salvage_share": 1.0}},
        sources={"far": source("CHN", "a", 5.0), "ally": ally},
        steps=[("a", "civil", 0.2, 20.0), ("a", "civil", 0.4, 45.0)],
        stock={"a": 10.0},
        scenarios=[cut("cut", 1.0, 2028, 1)],
        years=2,
    )
    assert ran(result, "ally", "cut", "2028") == close(2.0)
    assert flow(result, "released_t", "a", "cut", "2028") == close(0.0)
    parts = result.objective_parts
    assert parts["users_substitution"] == close(2 * (1 * 20 + 2 * 45))
    assert parts["users_activities"] == close(2 * 75 + 2 * 60)
    assert parts["users_substitution"] + parts["users_activities"] - 260.0 == close(230.0)
    assert parts["salvage"] == close(-750.0)
    assert price(result, "supply", scenario="cut", period="2028", item="a") == close(60e3)


def test_offers_are_used_in_order_of_their_price():
    """Proves: 5 kt from offers of 2 kt at 10, 11 and 15: 2*10 + 2*11 + 1*15 = 57, and no tonne of the fourth at 20.

    The scenario cuts 5 kt with probability 1, so no stock is left. Buying all at the first price would cost 50."""
    offers = {f"o{n}": offer("a", 2.0, premium) for n, premium in enumerate((0.0, 0.1, 0.5, 1.0))}
    result = answered(
        10.0, 5.0, offers=offers, scenarios=[cut("cut", 1.0, 2028, 1)], years=2, money={2027: 1e3, 2028: 0.0}
    )
    assert [bought(result, name) for name in offers] == [close(2.0), close(2.0), close(1.0), close(0.0)]
    assert result.objective_parts["authority_purchases"] == close(57.0)


def test_stock_decays():
    """Proves: 10 kt bought in 2027 are 9 at the end of 2028 and 8.1 in 2029, when they meet a demand of 8.1.

    Decay counted once too often would leave 7.29, once too few 9."""
    result = answered(
        10.0,
        8.1,
        materials={"a": {"decay_share_per_yr": 0.1}},
        offers={"spot": offer("a", 100.0)},
        scenarios=[cut("cut", 1.0, 2029, 1)],
        money={2027: 1e4, 2028: 0.0},
        budget={"carry_over_share": 0.0},
        loss=1000.0,
    )
    assert bought(result, "a") == close(10.0)
    assert flow(result, "stock_t", "a", "baseline course", "2028") == close(9.0)
    assert short(result, "cut") == close(0.0)


@pytest.mark.parametrize(("months", "last"), [(12, "2027"), (6, "2027.2"), (3, "2027.4")])
def test_a_year_decays_alike_in_all_its_parts(months, last):
    """Proves: 10 kt that lose a tenth a year are 9 after it; in halves that lose a twentieth each, 9.025 would be left."""
    result = answered(10.0, 5.0, materials={"a": {"decay_share_per_yr": 0.1}}, stock={"a": 10.0}, months=months)
    assert flow(result, "stock_t", "a", "baseline course", last) == close(9.0)


def test_holding_is_paid_each_year_on_what_is_in_store():
    """Proves: 10 kt at 2 % of 10 a year cost 2 in each of three years, half of it in half years: Z = 3*50 + 6 - 100.

    Charged a period instead of a year, half years would cost 12, and 2 a year would not be enough to keep it all."""
    for months in (12, 6):
        result = answered(
            10.0, 5.0, materials={"a": {"holding_share_per_yr": 0.02}}, stock={"a": 10.0}, months=months, money=2.0
        )
        assert total(result) == close(150 + 6 - 100)


def test_an_event_within_a_year_cuts_its_part_of_the_year():
    """Proves: a cut of 60 % from mid 2028 for a year takes 3 kt of 10 in 2028 and 3 in 2029; rounded to whole years, 6."""
    result = answered(10.0, years=4, scenarios=[cut("cut", 0.5, 2028.5, 1, share=0.6)])
    assert [short(result, "cut", y) for y in ("2027", "2028", "2029", "2030")] == [close(v) for v in (0, 3, 3, 0)]
    assert total(result) == close(400 + 0.5 * 6 * 100)


def test_disposal_keeps_to_its_ceiling_and_pays_the_haircut():
    """Proves: before the price halves in 2029 the reserve sells 3 kt a year at 90, and keeps 4 of 10 at 0.9*50 = 45.

    Sales 2*3*90 = 540, worth at the end 4*45 = 180. Without the ceiling all 10 would go at 90 for 900; without
    `trunk_disposal` nothing is sold and 10*45 = 450 is left."""
    case = {"materials": {"a": {"haircut_share": 0.1, "disposal_t_per_yr": 3 * KT}}, "stock": {"a": 10.0}}
    case |= {"sources": {"far": source("CHN", "a", 5.0)}, "demand": {"a": 5.0}}
    falling = {"a": {2027: 100.0, 2029: 50.0}}
    assert best(tiny(falling, **case)).objective_parts["salvage"] == close(-450.0)
    result = best(tiny(falling, **case, instruments={"trunk_disposal": True}))
    parts = result.objective_parts
    assert [flow(result, "sold_t", "a", "baseline course", y) for y in ("2027", "2028")] == [close(3.0)] * 2
    assert parts["authority_disposal"] + parts["salvage"] == close(-540.0 - 180.0)
    assert total(result) == close(5 * (100 + 100 + 50) - 720.0)


def test_a_control_in_force_ends_on_its_date():
    """Proves: a control that halves supply and doubles the price until mid 2028 leaves 5, 7.5 and 10 of 10 kt.

    Shortfall 5, 2.5, 0; price 20, 15, 10: users pay 5*20 + 7.5*15 + 10*10 = 312.5. A control taken as lasting to the
    end would leave 5 kt short in 2029 as well."""
    quota = {"name": "quota", "countries": "CHN", "materials": "a", "cut_share": 0.5, "price_multiplier": 2.0}
    result = answered(10.0, controls=[{**quota, "until_year": 2028.5}])
    assert [short(result, "baseline course", y) for y in ("2027", "2028", "2029")] == [close(v) for v in (5, 2.5, 0)]
    assert result.objective_parts["users_activities"] == close(312.5)


@pytest.mark.parametrize(
    ("share", "held", "worth_musd"), [(0.0, 15.0, 733.75), (0.5, 17.5, 859.375), (1.0, 20.0, 985.0)]
)
def test_money_is_used_or_lost_or_carried(share, held, worth_musd):
    """Proves: 10 million USD in 2027 and in 2028; a kg costs 2, then 1 USD; 20 kt go missing in 2029 in half of the scenarios. What
    is carried over is worth what it buys later.

    Lost: 10/2 + 10/1 = 15 kt. Half carried: 5/2 + 15 = 17.5. All carried: 20. All spend 20; a missing kg costs
    98 + 2 = 100, in half of the scenarios; what is left is worth 0.5*1. All carried: -20 + .5*20*100 + .5*20*.5 = 985.
    """
    result = answered(
        {2027: 2.0, 2028: 1.0},
        20.0,
        materials={"a": {"haircut_share": 0.5}},
        loss=98.0,
        offers={"spot": offer("a", 100.0)},
        scenarios=[cut("cut", 0.5, 2029, 1)],
        money={2027: 10.0, 2028: 10.0, 2029: 0.0},
        budget={"carry_over_share": share},
    )
    assert bought(result, "a") == close(held)
    assert result.outcome.objective_musd == close(-worth_musd)
    carried = result.tables["budget"].set_index("fiscal_year").carried_out_musd
    assert carried[2027] == close(10 * share)
    assert carried[2029] == close(0.0)


def knapsack(**changes):
    """110 million USD of grants in 2027 for projects that produce in 2028 and 2029, each kt sparing 5 a year.

    A: 60 for 12 kt (net 60). B: 50 for 9.5 kt (net 45), needs D. C: 50 for 9 kt (net 40), excluded by A. D: 10 for 0.5 kt
    (net -5). Revenue just covers cash cost, so the grant is the capex."""
    sizes = {"A": (12.0, 60.0), "B": (9.5, 50.0), "C": (9.0, 50.0), "D": (0.5, 10.0)}
    projects = {
        name: project("a", kt, capex_musd=capex, cash_usd_per_kg=10.0, additional=True)
        for name, (kt, capex) in sizes.items()
    }
    projects["B"]["needs"] = "D"
    projects["A"]["excludes"] = "C"
    case = {
        "sources": {"far": source("CHN", "a", 50.0)},
        "demand": {"a": 100.0},
        "loss": 5.0,
        "projects": projects,
        "packages": {"grant": {"instrument": "grant"}},
        "money": {2027: 110.0, 2028: 0.0},
        "instruments": {"signing_years": [2027]},
        "residual": 0.0,
    }
    return tiny({"a": 10.0}, **{**case, **changes})


def built(result) -> set[str]:
    table = result.tables["projects"]
    return set(table[table.share > 0.5].project)


def test_projects_are_whole_and_keep_their_logic():
    """Proves: B + C + D for 110 is the best whole choice, worth 45 + 40 - 5 = 80. The linear bound is A whole and 5/6 of B with D:
    60 + 5/6*40 = 93.33, more than can be had.

    Without the exclusion A + C would give 100, without the need A + B 105; A alone gives 60."""
    result, relaxed = best(knapsack()), best(knapsack(), relax=True)
    assert built(result) == {"B", "C", "D"}
    assert result.outcome.objective_musd == close(-80.0)
    assert result.outcome.reason == "optimal"
    assert relaxed.outcome.objective_musd == close(-60 - 40 * 5 / 6)
    assert relaxed.outcome.relaxed
    assert "LINEAR RELAXATION" in relaxed.summary()


def owner(**changes):
    """Capex 100 over two years, then two years of 1 kt at 100 less 50 cash; the owner asks 25 %."""
    mine = project("a", 1.0, capex_musd=100.0, cash_usd_per_kg=50.0, lead_yr=2.0, life_yr=2.0, hurdle_rate=0.25)
    return imported(
        100.0,
        sources={"far": source("CHN", "a", 1.0)},
        projects={"mine": mine},
        packages={"support": {"instrument": "grant"}},
        years=4,
        loss=1000.0,
        residual=0.0,
        instruments={"signing_years": [2027]},
        **changes,
    )


LOAN = Instrument("loan", "loan", 0.2, 0.9, 0.0, 2.0, 1.0, False)
EQUITY = Instrument("equity", "equity", 0.5, 0.9, 0.25, 2.0, 0.0, False)
GRANT = Instrument("grant", "grant", 1.0, 1.0, 0.0, 0.0, 0.0, False)


def test_the_financing_gap_is_what_the_owner_lacks():
    """Proves: 50 + 50/1.25 = 90 of capex against 50*.64 + 50*.512 = 57.6 of margin leaves 32.4.

    Capex undiscounted would leave 42.4, margins from the first year 17.6."""
    instance = prepare(*owner()).natural
    mine = instance.projects[0]
    assert owner_npv(instance, mine, (), 0) == close(-32.4)
    assert financing_gap(mine, owner_npv(instance, mine, (), 0)) == close(32.4)
    assert financing_gap(mine, owner_npv(instance, replace(mine, capex=50.0), (), 0)) == 0.0  # 57.6 - 45 > 0


def test_capital_is_worth_less_to_the_owner_than_its_face():
    """Proves: one USD of grant is worth 1; of a loan repaid after two years 1 - .64 = .36; of equity that gives up
    .25 for two years 1 - .25*(.8 + .64) = .64. A level loan at 0 %: 1 - .5*(.8 + .64) = .28."""
    assert worth(GRANT, 0.25) == 1.0
    assert worth(LOAN, 0.25) == close(0.36)
    assert worth(replace(LOAN, grace=0.0), 0.25) == close(0.28)
    assert worth(EQUITY, 0.25) == close(0.64)
    assert worth(replace(LOAN, rate=0.25, grace=0.0), 0.25) == close(0.0)  # a loan at the hurdle rate is worth nothing


CLOSED = [
    (GRANT, 0.0, 32.4),
    (LOAN, 0.0, 0.2 * 32.4 / 0.36),
    (EQUITY, 0.0, 0.5 * 32.4 / 0.64),
    (replace(LOAN, max_share=0.5), 0.0, None),  # 50 of the 90 of face
    (replace(LOAN, max_share=0.5, grant_on_top=True), 0.0, 0.2 * 50 + (32.4 - 0.36 * 50)),
    (GRANT, 0.6, 32.4),  # 40 of capex are left, enough for 32.4
    (GRANT, 0.7, None),  # 30 are not
    (replace(GRANT, grant_on_top=True), 0.7, 32.4),  # what capital cannot carry, a grant on top does
    (LOAN, 0.05, 18.0),  # its own limit of 0.9 binds first
    (LOAN, 0.5, None),
    (replace(LOAN, grant_on_top=True), 1.0, 32.4),  # others finance all: a grant alone closes the gap
    (EQUITY, 0.6, None),  # 40 of the 50.6 of face
]


@pytest.mark.parametrize(("instrument", "financed", "cost"), CLOSED)
def test_a_gap_is_closed_at_the_score_of_the_face(instrument, financed, cost):
    """Proves: 32.4 costs the score times the face that is worth it, a fifth of 90 as a loan and half of 50.6 as equity; scoring
    the gap instead of the face would call the loan 6.48. Of 100 of capex, face reaches min(max_share, 1 - financed); model and
    audit agree, each by its own arithmetic."""
    mine = replace(prepare(*owner()).natural.projects[0], financed=financed)
    found = capital_cost(instrument, 32.4, mine)
    budget, open_gap = audited_capital(instrument, 32.4, mine)
    if cost is None:
        assert found is None
        assert open_gap > 0
    else:
        assert found == close(cost)
        assert (budget, open_gap) == (close(cost), close(0.0))


@pytest.mark.parametrize(("financed", "chosen"), [(0.0, {"mine"}), (0.6, {"mine"}), (0.7, set())])
def test_a_project_that_others_finance_is_not_financed_again(financed, chosen):
    """Proves: with 30 of 100 of capex left, no grant of 32.4 can be signed, though the gap is there as before."""
    plan, data = owner(capital={"grant": {"kind": "grant", "score": 1.0, "max_share_of_capex": 1.0}})
    result = best((plan, data.replace(projects=data.frame("projects").assign(financed_share=financed))))
    assert built(result) == chosen


@pytest.mark.parametrize(
    ("row", "paid"),
    [
        ({"kind": "grant", "score": 1.0, "max_share_of_capex": 1.0}, 32.4),
        ({"kind": "loan", "score": 0.2, "max_share_of_capex": 0.9, "tenor_yr": 2, "grace_yr": 1}, 18.0),
        ({"kind": "equity", "score": 0.5, "max_share_of_capex": 0.9, "rate": 0.25, "tenor_yr": 2}, 25.3125),
    ],
)
def test_support_is_paid_in_parts_that_are_worth_it_at_signing(row, paid):
    """Proves: the cost at signing is paid in two years, each 1/1.8 of it: a grant of 32.4 as 18 and 18 (36 undiscounted).

    18 + 18/1.25 = 32.4 to the owner. Paid as 16.2 twice it would be worth 29.16 and leave a gap."""
    result = best(owner(capital={"grant": row}))
    assert built(result) == {"mine"}
    assert result.objective_parts["capital_support"] == close(2 * paid / 1.8)
    budget = result.tables["budget"].set_index("fiscal_year").capital_support_musd
    assert list(budget) == [close(paid / 1.8), close(paid / 1.8), close(0.0), close(0.0)]


def test_a_floor_costs_its_expected_topup_less_what_comes_back():
    """Proves: at 80 the treasury pays 30, at 120 it gets 5 back: 12.5 expected on 1 kt a year.

    In the horizon 12.5*(.8 + .64) = 18; after it 12.5*.512 = 6.4; in the worst state 30 a year falls due. Clipping
    each state at zero would give 15*(.8 + .64) = 21.6; at the mean price the top-up is 10: 14.4."""
    result = best(clawback())
    assert built(result) == {"plant"}
    assert result.objective_parts["floor_cost"] == close(18.0)
    assert result.objective_parts["terminal_liability"] == close(6.4)
    budget = result.tables["budget"].set_index("fiscal_year")
    assert list(budget.liability_musd) == [close(0.0), close(30.0), close(30.0)]
    assert list(budget.floor_top_ups_musd) == [close(0.0), close(12.5), close(12.5)]


@pytest.mark.parametrize(("multiplier", "cost"), [(0.5, 33.2), (2.0, 18.0)])
def test_a_floor_costs_more_where_the_price_falls_and_no_less_where_it_rises(multiplier, cost):
    """Proves: in a scenario (probability 1/2) where the price halves in 2029 the top-up is (70 + 50)/2 = 60, in all 12.5*.8 +
    .64*(.5*12.5 + .5*60) = 33.2. Where it doubles half of 160 - 110 and of 240 - 110 would come back, 10 + .64*(.5*12.5 - .5*45) =
    -.4, were such prices counted: it costs the 18 of the baseline course. The terminal liability stays on the trunk: 6.4.
    """
    result = best(clawback(scenarios=[cut("moved", 0.5, 2029, 1, share=0.0, price_multiplier=multiplier)]))
    assert result.objective_parts["floor_cost"] == close(cost)
    assert result.objective_parts["terminal_liability"] == close(6.4)


def test_the_liability_cap_refuses_what_could_fall_due():
    """Proves: a cap of 29.9 forbids the floor that may cost 30 in a year, although it is expected to cost 12.5."""
    assert built(best(clawback(budget={"liability_cap_musd": 29.9}))) == set()
    assert built(best(clawback(budget={"liability_cap_musd": 30.0}))) == {"plant"}


def test_a_floor_is_paid_within_its_term_in_every_world():
    """Proves: a floor of 120 for the first year of output costs 20 on 1 kt in 2028, nothing in 2029 or after.

    With it 70 + 50 + 50 cover the capex of 160. Paid on in the scenarios that are cut in 2029 it would cost 30."""
    floor = floored("a", 120.0, 1.0)
    result = answered(
        100.0,
        packages={"floored": floor},
        projects={"plant": project("a", 1.0, cash_usd_per_kg=50.0, capex_musd=160.0, life_yr=3.0)},
        loss=200.0,
        scenarios=[cut("cut", 0.5, 2029, 1)],
        instruments={"signing_years": [2027]},
    )
    assert result.objective_parts["floor_cost"] == close(20.0)
    assert result.objective_parts["terminal_liability"] == close(0.0)
    assert result.outcome.objective_musd == close(20.0 - 100.0)


def test_a_market_floor_owes_after_the_horizon_too():
    """Proves: five years of 20 on 3 kt: 180 within three years, 120 after; spared .5*3*300 = 450 in 2029. Net -150.

    Left to those who come after, the 120 would make it -270."""
    menu = {"material": "a", "scope": "market", "levels_usd_per_kg": [120.0], "term_years": 5}
    result = answered(
        100.0,
        sources={"far": source("CHN", "a", 10.0), "home": source("USA", "a", 3.0, cash_usd_per_kg=110.0)},
        loss=300.0,
        scenarios=[cut("cut", 0.5, 2029, 1)],
        instruments={"price_floors": [menu]},
    )
    assert result.objective_parts["floor_cost"] == close(180.0)
    assert result.objective_parts["terminal_liability"] == close(120.0)
    assert result.outcome.objective_musd == close(-150.0)


GLUT = {"start_year": 2026.5, "countries": "CHN", "materials": "a", "duration_years": 3.0, "cut_share": 0.0}


@pytest.mark.parametrize(("kind", "paid", "after"), [("contract", 360.0, 60.0), ("border", 0.0, 0.0)])
def test_what_is_in_force_at_the_end_of_a_plan_moves_no_price_beyond_it(kind, paid, after):
    """Proves: a glut in force holds the price at 70: a floor of 110 pays 40 on 3 kt in each of three years, and 10 in the two that
    follow, which are undisturbed as all that comes after a plan. At the border users bear the former on 10 kt, and the latter."""
    glut = {**GLUT, "name": "glut", "price_multiplier": 0.7, "remaining_years": 50.0}
    menu = {"material": "a", "scope": "market", "kind": kind, "levels_usd_per_kg": [110.0], "term_years": 5.0}
    home = {"far": source("CHN", "a", 10.0), "home": source("USA", "a", 3.0, cash_usd_per_kg=105.0)}
    more = {"instruments": {"price_floors": [menu]}, "scenarios": [cut("s", 0.5, 2029.0, 1.0)]}
    result = answered(100.0, loss=900.0, sources=home, ongoing=[glut], **more)
    floor = result.tables["floors"].iloc[0]
    assert (floor.expected_cost_musd, floor.terminal_liability_musd) == (close(paid), close(after))
    assert floor.users_pay_musd == close(0.0 if kind == "contract" else 10 * (3 * 40.0 + 2 * 10.0))


def test_a_border_charge_after_a_plan_is_on_undisturbed_demand():
    """Proves: an event in force raises civil demand from 10 to 15 kt. For three years users pay 10 on 15 kt, for the two after the
    plan on 10 kt. The treasury takes that of what home's 12 kt leave: of 3 kt in three years."""
    surge = {**GLUT, "name": "surge", "remaining_years": 50.0, "demand_multipliers": {"civil": 1.5}}
    menu = {"material": "a", "scope": "market", "kind": "border", "levels_usd_per_kg": [110.0], "term_years": 5.0}
    home = {"far": source("CHN", "a", 10.0), "home": source("USA", "a", 12.0, cash_usd_per_kg=105.0)}
    more = {"instruments": {"price_floors": [menu]}, "scenarios": [cut("s", 0.5, 2029.0, 1.0)]}
    floor = answered(100.0, loss=900.0, sources=home, ongoing=[surge], **more).tables["floors"].iloc[0]
    assert (floor.users_pay_musd, floor.tariff_revenue_musd) == (close(650.0), close(90.0))


@pytest.mark.parametrize("multiplier", [1.0, 1.05])
def test_a_border_charge_is_told_at_the_calm_price_where_an_event_raises_it(multiplier):
    """Proves: whether or not an event in force, which holds back 3 of 10 kt, lifts the price to 105, users pay 10 on 10 kt in two
    years, and 7 kt of that go to the treasury."""
    dear = {**GLUT, "name": "dear", "cut_share": 0.3, "price_multiplier": multiplier, "remaining_years": 4.0}
    menu = {"material": "a", "scope": "market", "kind": "border", "levels_usd_per_kg": [110.0], "term_years": 2.0}
    home = {"far": source("CHN", "a", 10.0), "home": source("USA", "a", 3.0, cash_usd_per_kg=105.0)}
    more = {"instruments": {"price_floors": [menu]}, "scenarios": [cut("s", 0.5, 2029.0, 1.0)]}
    floor = answered(100.0, loss=900.0, sources=home, ongoing=[dear], **more).tables["floors"].iloc[0]
    assert (floor.users_pay_musd, floor.tariff_revenue_musd) == (close(200.0), close(140.0))


def test_the_pieces_of_a_floor():
    """Proves: receipts, payments and the liability state by hand.

    recv(80) = 110, recv(120) = 120 - .5*10 = 115. Payments 30 and -5. With states 0.8, 1.0, 1.2 (.04, .5, .46) a
    quantile of .95 leaves out 0.8: w* = 1.0; at .97 it counts."""
    instance = prepare(*clawback()).natural
    floor = Floor(0, 0.11, 0.5, "contract", 3)
    prices = np.array([0.08, 0.12])
    assert list(recv(prices, floor)) == [close(0.11), close(0.115)]
    assert list(payment(prices, floor)) == [close(0.03), close(-0.005)]
    assert expected_payment(instance, np.array([0.1]), floor)[0] == close(0.0125)
    skewed = replace(instance, state_factor=np.array([0.8, 1.0, 1.2]), state_probability=np.array([0.04, 0.5, 0.46]))
    assert quantile_state(skewed, 0.95) == 1.0
    assert quantile_state(skewed, 0.97) == 0.8


def test_only_the_floored_plant_lives_to_see_the_squeeze():
    """Proves: two like plants of 5 kt, cash cost 60, stay shut for five years once they shut. Price 100; in half of the scenarios
    50 in 2029, then 10 kt are cut in 2030. A floor of 80 is worth the output that it keeps alive through the flood.

    Cost: (80-50)*5 kt in half of the scenarios = 75. Worth: 5 kt * 100 spared in half of the scenarios = 250. Net 175. If
    the flood shut nobody, `open` would spare the same for nothing and the plan would be worth 500."""
    plant = {"cash_usd_per_kg": 60.0, "restart_yr": 5.0, "additional": True}
    result = answered(
        100.0,
        projects={name: project("a", 5.0, **plant) for name in ("kept", "open")},
        packages={"floored": floored("a", 80.0, 4.0, project="kept")},
        scenarios=[cut("flood", 0.5, 2029, 1, flood_years=1.0, flood_multiplier=0.5)],
        years=5,
        instruments={"signing_years": [2027]},
    )
    assert result.outcome.objective_musd == close(75.0 - 250.0)
    assert ran(result, "kept", "flood", "2030") == close(5.0)
    assert ran(result, "open", "flood", "2030") == close(0.0)
    assert ran(result, "open", "flood", "2031") == close(0.0)
    assert short(result, "flood", "2030") == close(5.0)
    assert short(result, "flood", "2029") == close(0.0)


def test_a_shut_plant_comes_back_after_its_restart():
    """Proves: a glut halves the price of 100 in 2028; an ally of 4 kt, cash 60, that takes a year to restart is shut then and, for
    the restart, in 2029; open in 2030. Loss .5 * 2 * 4 kt * 200 = 800.

    Without restart 400; never reopening 1200."""
    ally = source("AUS", "a", 4.0, cash_usd_per_kg=60.0, restart_yr=1.0)
    case = imported(
        100.0,
        sources={"ally": ally, "home": source("USA", "a", 6.0)},
        scenarios=[cut("glut", 0.5, 2028, 1, share=0.0, price_multiplier=0.5)],
        years=4,
    )
    result = best(case)
    assert [short(result, "glut", y) for y in ("2027", "2028", "2029", "2030")] == [close(v) for v in (0, 4, 4, 0)]
    assert result.objective_parts["loss"] == close(800.0)
    problem = prepare(*case)
    alive = survival(problem.instance, 0, problem.structure.scenarios.price[0], (), 0)
    assert list(alive) == [True, False, False, True]


@pytest.mark.parametrize("first", [2027, 2028])
def test_a_guarantee_until_mid_year_ends_alike_whatever_year_a_plan_begins_in(first):
    """Proves: a floor until the middle of 2031 covers that year, in which imports stop, for a plan from 2027 and from 2028."""
    home = {"far": source("CHN", "a", 10.0), "home": source("USA", "a", 2.0, cash_usd_per_kg=108.0)}
    time = {"first_year": first, "years": 2033 - first, "tail_years": 0}
    agreed = [guaranteed("home", "a", 115.0, 2031.5)]
    more = {"horizon": time, "agreed": agreed, "scenarios": [cut("s", 0.5, 2031.0, 1.0)]}
    assert ran(answered(100.0, loss=900.0, sources=home, **more), "home", "s", "2031") == close(2.0)


def test_a_restart_of_a_year_and_a_half_takes_two():
    """Proves: a price war of a year shuts a mine for that year and for two more; one of half a year takes one."""
    for restart, years in ((0.5, 1), (1.5, 2), (2.5, 3)):
        home = source("USA", "a", 2.0, cash_usd_per_kg=80, restart_yr=restart)
        war = cut("war", 1.0, 2028.0, 3.0, share=0.9, flood_years=1.0, flood_multiplier=0.5)
        problem = prepare(*imported(100.0, years=6, sources={"home": home}, scenarios=[war]))
        alive = survival(problem.instance, 0, problem.structure.scenarios.price[0], (), 0)
        assert int((~alive).sum()) == 1 + years, restart


def test_a_border_floor_by_hand():
    """Proves: users pay the top-up on all they use, the treasury gets it on imports, and home output is kept alive.

    Floor 120, price 100 up or down 20: (40 + 0)/2 = 20. Users 20*10 kt*3 y = 600; treasury 20*(10-3)*3 = 420. Home's
    3 kt (cash 110) live: .5 * 3 * 200 = 300 spared in 2028. Net -120. Charged on imports only, users would pay 420 and
    the floor would seem to cost nothing: -300."""
    floor = {"material": "a", "kind": "border", "scope": "market", "levels_usd_per_kg": [120.0], "term_years": 3}
    result = answered(
        100.0,
        sources={"far": source("CHN", "a", 10.0), "home": source("USA", "a", 3.0, cash_usd_per_kg=110.0)},
        loss=200.0,
        states=[(0.8, 0.5), (1.2, 0.5)],
        scenarios=[cut("cut", 0.5, 2028, 1)],
        money=0.0,
        instruments={"price_floors": [floor]},
    )
    parts = result.objective_parts
    assert parts["users_border_surcharge"] == close(600.0)
    assert parts["authority_border_revenue"] == close(-420.0)
    assert result.outcome.objective_musd == close(-120.0)


@pytest.mark.parametrize(("embedded", "paid", "taken"), [(False, 60.0, 45.0), (True, 135.0, 120.0)])
def test_a_border_floor_charges_the_feed_of_home_plants(embedded, paid, taken):
    """Proves: oxide at 10 with a border floor of 15: the home plant's 4 kt are charged, 4*5*3 y = 60; with embedded content
    the 6 kt in China's magnets too, where they come: 5*(10 + 10 + .5*10 + .5*4) = 135.

    Home oxide of 1 kt (cash 12) is not taxed, 15 less for the treasury; in the cut of 2029 it makes a kt of magnets,
    .5*(110 - 40 - 10) = 30. Net -15 either way."""
    border = {"material": "oxide", "kind": "border", "scope": "market", "levels_usd_per_kg": [15.0], "term_years": 3}
    menu = {**border, "embedded_content": embedded}
    made = {"magnet": 1.0, "oxide": -1.0}
    result = best(
        tiny(
            {"oxide": 10.0, "magnet": 50.0},
            demand={"magnet": 10.0},
            loss=60.0,
            scenarios=[cut("cut", 0.5, 2029, 1)],
            sources={
                "far-mine": source("CHN", "oxide", 20.0),
                "home-mine": source("USA", "oxide", 1.0, cash_usd_per_kg=12.0),
                "far-plant": source("CHN", made, 6.0),
                "home-plant": source("USA", made, 4.0),
            },
            instruments={"price_floors": [menu]},
        )
    )
    assert result.objective_parts["users_border_surcharge"] == close(paid)
    assert result.objective_parts["authority_border_revenue"] == close(-taken)
    assert result.outcome.objective_musd == close(-15.0)
    floor = result.tables["floors"].iloc[0]
    assert (floor.users_pay_musd, floor.tariff_revenue_musd) == (close(paid), close(taken))
    assert floor.tariff_inversion == (not embedded)


def test_a_purchase_floor_by_hand():
    """Proves: the floor is paid on half of the output, keeps the plant alive, and lets the reserve buy that half at P.

    Covered half at 120, other half at 100: 110 covers 105 of cash, and two years of 5*4 kt cover the capex of 39. Top-up
    20*2 kt*2 y = 80. The reserve buys 2 kt in 2028 at 100 = 200. In half of the scenarios the plant spares 4*200 and the
    stock 2*300; elsewhere the stock keeps .5*100*2. Z = 80 + 200 - 400 - 300 - 50 = -470. Bought at the floor: -430;
    the floor paid on all: -390."""
    floor = {"material": "a", "kind": "purchase", "levels_usd_per_kg": [120.0], "term_years": 2, "take_share": 0.5}
    result = answered(
        100.0,
        materials={"a": {"haircut_share": 0.5}},
        loss=200.0,
        states=[(0.8, 0.5), (1.2, 0.5)],
        scenarios=[cut("cut", 0.5, 2029, 1)],
        projects={"plant": project("a", 4.0, cash_usd_per_kg=105.0, capex_musd=39.0, life_yr=2.0)},
        instruments={"price_floors": [floor], "signing_years": [2027]},
    )
    assert bought(result, "a") == close(2.0)
    assert result.objective_parts["floor_cost"] == close(80.0)
    assert result.objective_parts["authority_purchases"] == close(200.0)
    assert ran(result, "plant", "cut", "2029") == close(4.0)
    assert result.outcome.objective_musd == close(-470.0)


def test_a_plant_that_is_dearer_than_the_market_sells_to_the_reserve_at_its_own_price():
    """Proves: at 10 % above the market's 100 a floor of 105 pays nothing, and 2 kt cost the reserve 220 as they cost users."""
    abroad = {"country": "AUS", "kappa": 0.0, "cash_usd_per_kg": 50.0, "additional": True, "premium_share": 0.1}
    floor = floored("a", 105.0, 2.0, "purchase", take_t_per_yr=1000.0)
    case = {"projects": {"p": project("a", 2.0, **abroad)}, "packages": {"take": floor}}
    parts = answered(100.0, loss=900.0, years=4, scenarios=[cut("s", 0.5, 2030.0, 1.0)], **case).objective_parts
    assert (parts["authority_purchases"], parts["floor_cost"]) == (close(220.0), close(0.0))


def test_a_purchase_floor_covers_a_share_of_revenue_only():
    """Proves: with half of the output at 120 and half at 100 the plant earns 110, too little for a cash cost of 112.

    Its margin would be 8 a kg if all were covered, and capex of 39 paid back in two years of 4 kt."""
    floor = {"material": "a", "kind": "purchase", "levels_usd_per_kg": [120.0], "term_years": 2, "take_share": 0.5}
    result = answered(
        100.0,
        loss=200.0,
        projects={"plant": project("a", 4.0, cash_usd_per_kg=112.0, capex_musd=39.0, life_yr=2.0)},
        scenarios=[cut("cut", 0.5, 2029, 1)],
        instruments={"price_floors": [floor], "signing_years": [2027]},
    )
    assert built(result) == set()
    assert result.outcome.objective_musd == close(0.0)


def offtake(loss: float, lot: float = 0.0, demand: float = 10.0):
    """An ally of 10 kt serves home with 4 of them while China's 10 kt are cut, and with 0.6 of each further kt under
    contract; the fee is 1 USD/kg a year for two years."""
    ally = source("AUS", "a", 10.0, kappa=0.4, lot_t_per_yr=lot * KT, fee_usd_per_kg=1.0, term_yr=2.0)
    return tiny(
        {"a": 100.0},
        sources={"far": source("CHN", "a", 10.0), "ally": ally},
        demand={"a": demand},
        loss=loss,
        scenarios=[cut("cut", 0.5, 2028, 1)],
        years=2,
        instruments={"contract_years": [2027]},
    )


def contracted(result) -> float:
    return float(result.tables["contracts"].contract_t_per_yr.sum()) / KT


def test_an_offtake_contract_buys_what_is_withheld_in_a_crisis():
    """Proves: each kt costs a fee of 2 and spares .5*.6*10 = 3: the whole 10 are signed, worth 30 - 20 = 10.

    At a loss of 6 it spares 1.8 and none is signed. If a contract came on top of kappa, 6 kt would do: 30 - 12 = 18."""
    result = best(offtake(10.0))
    assert contracted(result) == close(10.0)
    assert result.objective_parts["contract_fees"] == close(20.0)
    assert ran(result, "ally", "cut", "2028") == close(10.0)
    assert result.outcome.objective_musd == close(-10.0)
    assert contracted(best(offtake(6.0))) == close(0.0)


def test_a_contract_ends_where_the_next_one_begins():
    """Proves: cut in 2028 and in 2029, two contracts of a year each take all 10 kt in turn: fees of 10 + 10, 30 spared each year.

    Were the first in force in the second's year too, 10 kt in all could be signed; paid for a period more, it would cost 20.
    """
    ally = source("AUS", "a", 10.0, kappa=0.4, lot_t_per_yr=0.0, fee_usd_per_kg=1.0, term_yr=1.0)
    result = answered(
        100.0,
        sources={"far": source("CHN", "a", 10.0), "ally": ally},
        loss=10.0,
        scenarios=[cut("cut", 0.5, 2028, 2)],
        instruments={"contract_years": [2028, 2029]},
    )
    assert contracted(result) == close(20.0)
    assert result.objective_parts["contract_fees"] == close(20.0)
    assert result.outcome.objective_musd == close(20.0 - 60.0)


@pytest.mark.parametrize(
    ("loss", "lot", "signed", "z"), [(10, 0, 3, -3), (10, 6, 0, 0), (20, 6, 6, -6), (20, 0, 3, -12)]
)
def test_a_contract_is_nothing_or_at_least_a_lot(loss, lot, signed, z):
    """Proves: 1.8 kt are short, for which 3 kt of contract would do (fee 6, spares .5*1.8*loss); a lot of 6 costs 12.

    At a loss of 10 (spares 9) the lot is not worth it; at 20 (spares 18) exactly the lot is signed. A lot that could
    be halved would be signed for 3."""
    result = best(offtake(float(loss), float(lot), demand=5.8))
    assert contracted(result) == close(signed)
    assert result.outcome.objective_musd == close(z)


@pytest.mark.parametrize(("loss", "package", "z"), [(100.0, "claim", -170.0), (20.0, "plain", -25.0)])
def test_an_offtake_right_brings_home_what_a_plant_abroad_withholds(loss, package, z):
    """Proves: an ally's plant of 5 kt gives home half of it in a crisis, with a right to 60 % the half and .6*.5 more: 4.

    The right costs 2.5 USD/kg on 3 kt in each of four years, 30, and spares .5*1.5*loss more: at 100 it pays
    (30 - .5*4*100 = -170), at 20 it does not (-.5*2.5*20 = -25). Without withholding either gives 5 kt."""
    plant = project("a", 5.0, country="AUS", kappa=0.5, additional=True)
    rights = {"instrument": "none", "offtake_share": 0.6, "offtake_fee_usd_per_kg": 2.5}
    result = answered(
        100.0,
        loss=loss,
        projects={"plant": plant},
        packages={"plain": {"instrument": "none"}, "claim": rights},
        scenarios=[cut("cut", 0.5, 2029, 1)],
        years=5,
        instruments={"signing_years": [2027]},
    )
    assert result.outcome.objective_musd == close(z)
    assert ran(result, "plant", "cut", "2029") == close({"claim": 4.0, "plain": 2.5}[package])


@pytest.mark.parametrize(("alpha", "cvar"), [(0.0, 8.0), (0.5, 16.0), (0.9, 30.0), (0.95, 40.0)])
def test_cvar_is_the_mean_of_the_worst_outcomes(alpha, cvar):
    """Proves: worst tenth .05 of 40 and .05 of 20: (2 + 1)/.1 = 30; worst half (2 + 3 + 3)/.5 = 16; all of it the
    mean 8; worst twentieth 40. The value at risk alone would be 20 at .9."""
    result = best(tail(risk={"alpha": alpha, "cvar_weight": 0.5}))
    assert result.objective_parts["loss"] == close(8.0)
    assert result.objective_parts["cvar"] == close(0.5 * cvar)
    assert best(tail(risk={"alpha": alpha})).objective_parts["cvar"] == 0.0


def test_a_cvar_limit_is_kept_or_refused():
    """Proves: a CVaR of 30 stands at a limit of 30; at 29 nothing helps; with stock at 5 USD/kg 6 kt bring it to 24.

    Each kt in store takes 1 off every bad scenario. 6*5 are paid, 6*.5 of expected loss are avoided, and in the other half
    of the scenarios the stock keeps .25 a kg: Z - Z0 = 30 - 3 - .5*6*.25 = 26.25. A limit on the mean would pass 24 at 8.
    """
    best(tail(risk={"alpha": 0.9, "cvar_limit_musd": 30.0}))
    with pytest.raises(InfeasibleError) as refused:
        best(tail(risk={"alpha": 0.9, "cvar_limit_musd": 29.0}))
    assert refused.value.culprits == ("cvar_limit",)
    result = best(
        tail(
            risk={"alpha": 0.9, "cvar_limit_musd": 24.0},
            offers={"spot": offer("a", 100.0, premium=9.0)},
            materials={"a": {"haircut_share": 0.5}},
            money={2027: 1e4, 2028: 0.0},
        )
    )
    assert bought(result, "a") == close(6.0)
    assert result.outcome.objective_musd == close(26.25)


def test_an_expected_loss_limit_is_kept():
    """Proves: 8 of expected loss come down to 5 with 6 kt in store (.5 off for each kt that all bad scenarios use)."""
    result = best(
        tail(
            risk={"expected_loss_limit_musd": 5.0},
            offers={"spot": offer("a", 100.0, premium=9.0)},
            money={2027: 1e4, 2028: 0.0},
        )
    )
    assert bought(result, "a") == close(6.0)
    assert result.objective_parts["loss"] == close(5.0)


def promise(per: str, penalty: float | None = None, **changes):
    """10 kt a year are wanted in a cut of two years; home gives 7, then 1. Stock costs 10 USD/kg and is else not worth it."""
    of = {"material": "a", "segment": "civil", "scenarios": ["cut"]}
    made = {**of, "level": 0.6, "per": per, "penalty_usd_per_kg": penalty}
    case = {
        "sources": {"far": source("CHN", "a", 10.0), "home": source("USA", "a", {2027: 0.0, 2028: 7.0, 2029: 1.0})},
        "loss": 1.0,
        "offers": {"spot": offer("a", 100.0, premium=9.0)},
        "scenarios": [cut("cut", 0.1, 2028, 2, design_basis=True)],
        "service_levels": [made],
        "money": {2027: 1e4, 2028: 0.0},
    }
    return imported(1.0, **{**case, **changes})


@pytest.mark.parametrize(("per", "held"), [("episode", 4.0), ("fiscal_year", 5.0)])
def test_a_promise_is_kept_over_the_episode_or_in_each_year(per, held):
    """Proves: 60 % of 20 kt are 12, less 8 from home: 4 in store. Year by year 6 - 7 and 6 - 1: 5 in store."""
    result = best(promise(per))
    assert bought(result, "a") == close(held)
    assert short(result, "cut") == close(12.0 - held)


def test_a_soft_promise_is_broken_where_its_penalty_is_cheaper():
    """Proves: at 3 USD/kg the 4 kt short cost 12 and nothing is bought; at 30 the stock at 10 is cheaper."""
    broken = best(promise("episode", 3.0))
    assert bought(broken, "a") == close(0.0)
    assert broken.objective_parts["soft_penalties"] == close(12.0)
    assert broken.outcome.objective_musd == close(12.0)
    kept = best(promise("episode", 30.0))
    assert bought(kept, "a") == close(4.0)
    assert kept.objective_parts["soft_penalties"] == close(0.0)


def test_least_budget_buys_no_more_than_was_promised():
    """Proves: the promise of 60 % needs 4 kt of stock for 40, although 12 kt are worth buying.

    A missing kg costs 301, in a tenth of the scenarios: 30.1 for 10. Least social cost buys 12; least budget 4, and its
    first stage is the 40 that it spends."""
    assert bought(best(promise("episode", loss=300.0)), "a") == close(12.0)
    result = best(promise("episode", loss=300.0, objective={"kind": "least_budget"}))
    assert bought(result, "a") == close(4.0)
    assert [stage[0] for stage in result.outcome.stages] == ["spending", "social_cost"]
    assert result.outcome.stages[0][1] == close(40.0)


@pytest.mark.parametrize(("share", "chosen"), [(0.0, "often"), (1.0, "dire")])
def test_the_budget_goes_where_the_chosen_risk_is(share, chosen):
    """Proves: with money for 1 kt, the mean prefers what fails often, the tail what fails badly.

    One kt in store spares .05*100 = 5 or .5*20 = 10 of the mean (150 without a plan); of the worst twentieth 100 or nothing."""
    result = best(two_risks(10.0, cvar_share=share))
    assert bought(result, chosen) == close(1.0)
    assert [stage[0] for stage in result.outcome.stages] == ["risk", "spending", "social_cost"]
    assert result.objective_parts["loss"] == close({"often": 140.0, "dire": 145.0}[chosen])
    assert result.outcome.stages[0][1] == close({"often": -10.0, "dire": -100.0}[chosen])
    assert result.outcome.stages[1][1] == close(10.0)


def test_doing_nothing_is_the_reference():
    """Proves: Z0 buys nothing, builds what owners build anyway, ignores promises, and is what gains are counted from.

    10 kt at 10 in 2027, and in 2028 in nine of ten scenarios; in the tenth all are short at 110: Z0 = 100 + 90 + 110 = 300.
    10 kt in store cost 100, spare .1*1100 = 110 and keep .9*100 of worth: Z = 300 + 100 - 110 - 90 = 200. A reference
    that had to keep the promise could not exist."""
    made = {"material": "a", "segment": "civil", "level": 1.0, "scenarios": ["cut"]}
    result = answered(
        10.0,
        offers={"spot": offer("a", 10.0)},
        scenarios=[cut("cut", 0.1, 2028, 1, design_basis=True)],
        service_levels=[made],
        years=2,
        money={2027: 1e3, 2028: 0.0},
    )
    assert result.outcome.do_nothing_musd == close(300.0)
    assert result.outcome.objective_musd == close(-100.0)
    assert total(result) == close(200.0)


COSTLY = {"capex_musd": 1000.0, "cash_usd_per_kg": 75.0, "life_yr": 1.0}


@pytest.mark.parametrize(
    ("plant", "stands", "worth_musd", "nothing"),
    [
        ({}, True, 0.0, 400 + 6 * 200),
        ({"additional": True}, True, 200.0, 2000),
        ({**COSTLY, "committed": True}, True, 0.0, 400 + 6 * 200),
        (COSTLY, False, 0.0, 2000),
    ],
    ids=["pays by itself", "additional", "committed", "not worth its gap"],
)
def test_what_is_built_anyway_is_part_of_doing_nothing(plant, stands, worth_musd, nothing):
    """Proves: a plant that pays by itself, or is under construction although it would need 900 of support if it were not, stands in
    Z0 too: .5 * 4 kt * 100 of its protection is nobody's gain. Declared additional it is the plan's: worth 200."""
    case = {"scenarios": [cut("cut", 0.5, 2028, 1)], "years": 2, "packages": {"grant": {"instrument": "grant"}}}
    result = answered(100.0, projects={"plant": project("a", 4.0, **plant)}, **case)
    assert built(result) == ({"plant"} if stands else set())
    assert result.outcome.objective_musd == close(-worth_musd)
    assert result.outcome.do_nothing_musd == close(1000 + 500 + 0.5 * nothing)
    assert result.objective_parts["capital_support"] == 0.0


@pytest.mark.parametrize(
    ("signed", "lead", "given"),
    [(2027, 2, [0, 0, 3, 6, 6]), (2025, 4, [0, 0, 3, 6, 6]), (2024, 3, [0, 6, 6, 6, 0]), (2020, 3, [0] * 5)],
    ids=["signed now", "half built", "runs since the start", "over"],
)
def test_a_plant_that_was_begun_before_the_plan_stands_when_it_was_due(signed, lead, given):
    """Proves: a plant of 6 kt, half of it in its first year, gives through four years from its own date on, whatever year a plan
    begins in; only the first period, in which nothing happens, does without one that runs already."""
    plant = project("a", 6.0, committed=True, earliest_signing=signed, lead_yr=lead, life_yr=4.0)
    ramps = [{"project": "plant", "age_yr": age, "ramp_share": share} for age, share in ((0, 0.5), (1, 1.0))]
    plan, data = imported(100.0, years=5, projects={"plant": plant})
    n = prepare(plan, data.replace(ramps=pd.DataFrame(ramps))).natural
    (found,) = n.projects
    made = n.capacity[found.producer, 0] * ramped_share(found, found.earliest + found.lead, np.arange(5))
    assert made == pytest.approx(np.array(given) * 1000)
    assert best((plan, data)).outcome.objective_musd == close(0.0)


def test_the_gap_is_measured_against_what_the_plan_can_move():
    """Proves: gap = (objective - bound) / max(|Z - Z0|, discounted appropriation, 1), never against Z.

    100 in 2027 and 50 from 2028 on at 25 %: 100 + 40 + 32 = 172. An objective of -500 counts 500, one of -3 counts 172.
    """
    problem = prepare(*imported(1e4, rate=0.25, money={2027: 100.0, 2028: 50.0}))
    assert denominator(problem, -500.0) == close(500.0)
    assert denominator(problem, -3.0) == close(172.0)
    assert denominator(prepare(*imported(1e4, money=0.0)), -0.5) == 1.0
    outcome = solve(*knapsack(), gap=0.5, quick=True).outcome
    expected = (outcome.objective_musd - outcome.best_bound_musd) / max(abs(outcome.objective_musd), 110.0)
    assert outcome.relative_gap == close(expected)
    assert outcome.relative_gap <= 0.5
    assert -96.0 <= outcome.best_bound_musd <= outcome.objective_musd <= 0.0


def test_days_of_cover_count_what_home_plants_take():
    """Proves: 73 days of net imports. People want 1 kt of oxide, a home plant takes 4, a home mine makes 2: 3 kt a year are
    imported, a fifth of which is .6 kt in store. Without the plant's feed nothing would be imported, and nothing asked for."""
    result = best(
        tiny(
            {"oxide": 10.0, "magnet": 50.0},
            sources={
                "mine": source("USA", "oxide", 2.0),
                "far": source("CHN", "oxide", 10.0),
                "plant": source("USA", {"magnet": 1.0, "oxide": -1.0}, 4.0),
            },
            demand={"oxide": 1.0, "magnet": 4.0},
            offers={"spot": offer("oxide", 5.0)},
            days_of_cover=[{"material": "oxide", "days": 73.0, "from_year": 2027}],
        )
    )
    assert bought(result, "oxide") == close(0.6)


@pytest.mark.parametrize("agreed", [False, True])
def test_a_project_with_a_floor_already_is_carried_by_it_and_offered_no_second_one(agreed):
    """Proves: a price war halves the price of 100 and shuts a new plant with cash cost 60, unless its owner has a floor: one of 80
    agreed before keeps it open, nobody pays for that here, and the package with a floor is dropped with the reason."""
    plan, data = imported(
        100.0,
        1.0,
        demand={"a": 2.0},
        loss=500.0,
        years=4,
        scenarios=[cut("war", 0.2, 2028.0, 2.0, share=0.0, price_multiplier=0.5)],
        projects={"new": project("a", 1.0, cash_usd_per_kg=60.0, committed=True)},
        agreed=[guaranteed("new", "a", 80.0, 2041)] if agreed else [],
        packages={"carried": floored("a", 70.0, 4.0)},
        instruments={"packages": ["none", "carried"]},
    )
    result = best((plan, data))
    table = result.tables["dropped"]
    dropped = dict(zip(table.iloc[:, 0], table.reason, strict=True))
    assert (dropped.get("new: carried") == "its owner has a floor on this output already") == agreed
    assert result.tables["projects"].set_index("project").package["new"] == ("none" if agreed else "carried")
    assert ran(result, "new", "war", "2029") == close(1.0)
    assert (result.objective_parts["floor_cost"] > 0) != agreed


@pytest.mark.parametrize(("signed", "package"), [(2029, "none"), (2027, "right")])
def test_a_plant_that_its_owner_builds_is_given_a_package_only_in_a_year_of_signing(signed, package):
    """Proves: the right to a plant's output is worth its fees, and signed if 2027, when the plant begins, is a year of signing."""
    plant = project("a", 3.0, country="AUS", kappa=0.0, cash_usd_per_kg=50.0)
    right = {"offtake_share": 1.0, "offtake_fee_usd_per_kg": 1.0}
    case = {"projects": {"p": plant}, "packages": {"right": right}, "scenarios": [cut("s", 0.5, 2030.0, 1.0)]}
    result = answered(100.0, loss=900.0, years=5, instruments={"signing_years": [signed]}, **case)
    assert list(result.tables["projects"].package) == [package]
    why = dict(zip(result.tables["dropped"].item, result.tables["dropped"].reason, strict=True))
    assert why.get("p: right") == ("its owner begins it in no year of signing" if package == "none" else None)


@pytest.mark.parametrize(("until", "room"), [(2027, True), (2028, True), (2029, False)])
def test_a_floor_that_ends_before_first_output_leaves_room_for_another(until, room):
    """Proves: signed in 2027 with a lead of two years, the package with a floor stands beside an agreed floor until FY2028, whose
    last year is the one before first output, and not beside one until FY2029."""
    row = project("a", 1.0, cash_usd_per_kg=60.0, committed=True, lead_yr=2.0)
    package = floored("a", 70.0, 4.0)
    plan, data = imported(
        100.0,
        1.0,
        demand={"a": 2.0},
        years=5,
        scenarios=[cut("war", 0.2, 2030.0, 1.0, share=0.0, price_multiplier=0.5)],
        projects={"new": row},
        agreed=[guaranteed("new", "a", 80.0, until + 1)],
        packages={"carried": {"instrument": "none", **package}},
        instruments={"packages": ["none", "carried"], "signing_years": [2027]},
    )
    found = prepare(plan, data).structure.support
    assert ("its owner has a floor on this output already" in {why for _, why in found.dropped}) is not room
    assert ("carried" in {option.package.name for option in found.options}) is room


def test_an_agreed_floor_is_of_a_committed_project():
    floor = guaranteed("new", "a", 80.0, 2041)
    plan, data = imported(100.0, 1.0, projects={"new": project("a", 1.0)}, agreed=[floor])
    assert [fault.column for fault in check(plan, data).faults] == ["producer"]


def test_a_market_floor_tops_up_nobody_who_has_a_floor_already():
    """Proves: of two home mines of 3 kt, one sells at an agreed floor of 120; a market floor of 110 at a price of 100 is
    paid on the other's 3 kt alone: 3 years of 30, not of 60."""
    menu = {"material": "a", "scope": "market", "levels_usd_per_kg": [110.0], "term_years": 3}
    result = answered(
        100.0,
        loss=500.0,
        scenarios=[cut("cut", 0.5, 2029, 1)],
        sources={
            "far": source("CHN", "a", 10.0),
            "bound": source("USA", "a", 3.0, cash_usd_per_kg=110.0),
            "free": source("USA", "a", 3.0, cash_usd_per_kg=105.0),
        },
        instruments={"price_floors": [menu]},
        agreed=[guaranteed("bound", "a", 120.0, 2041)],
    )
    assert list(result.tables["floors"].level_usd_per_kg) == [close(110.0)]
    assert result.objective_parts["floor_cost"] == close(3 * 30.0)
    assert ran(result, "bound", "cut", "2029") == close(3.0)
