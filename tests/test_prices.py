"""Every shadow price against what a slightly different question would answer (failure modes R14, R15).

A price is the social cost saved by one unit more: (Z of the question - Z of the question with a little more) / little.
Money in million USD, tonnes in kilotonnes, prices of materials in USD/kg (see `tiny`); shadow prices in USD/USD or USD/t.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from strategic_minerals import solve
from strategic_minerals.optimize import optimise
from strategic_minerals.prices import MEANING
from strategic_minerals.problem import prepare
from tiny import bought, cut, offer, price_rows, project, source, tiny, total

TONNE = 1e-3
"""Kilotonnes."""
LITTLE = 1e-2
"""Million USD, or share of a kilotonne, by which a right-hand side is moved."""

UNITS = {
    "appropriation": "USD/USD", "total_budget": "USD/USD", "contingent_liability": "USD/USD", "stock": "USD/t",
    "supply": "USD/t", "service_level": "USD/t", "supplier_share": "USD/t", "days_of_cover": "USD/t",
    "cvar_limit": "USD/USD", "expected_loss_limit": "USD/USD",
}  # fmt: skip


def optimum(case: tuple) -> Any:
    return solve(*case, gap=0.0)


def price(result: Any, name: str, **where: str) -> float:
    """A shadow price: the sum over the rows that match, each in its family's unit."""
    rows = price_rows(result, name, **where)
    assert set(rows.unit) <= {UNITS[name]}
    return float(rows.value.sum())


def agrees(value: float) -> object:
    return pytest.approx(value, rel=1e-5, abs=1e-6)


def saved(case: Callable[[float], tuple], little: float = LITTLE) -> float:
    """Social cost saved by a little more of what `case` is a function of, per unit."""
    return (total(optimum(case(0.0))) - total(optimum(case(little)))) / little


def moved(case: tuple, family: str, place: Callable[[Any, Any, str, int], bool], by: float) -> float:
    """Z with the right-hand side of one row moved `by` kilotonnes; `place` picks it by (key, instance, label, stamp)."""
    problem = prepare(*case)
    rows = problem.assembly.rows_of(family)
    chosen = [
        r for r in rows if place(problem.assembly.row_name(int(r))[1], problem, *problem.assembly.row_name(int(r))[2:])
    ]
    assert len(chosen) == 1
    unit = 1e3 / problem.instance.material_unit[0]
    for bound in (problem.assembly.row_lower, problem.assembly.row_upper):
        bound[chosen[0]] += by * unit
    return total(optimise(problem, gap=0.0, time_limit_s=60.0))


def in_stamp(world: int, t: int) -> Callable[[Any, Any, str, int], bool]:
    """The row of the only material in a period of the trunk (-1) or of a world."""

    def place(key: Any, problem: Any, label: str, number: int) -> bool:
        stamps = problem.layout.stamps[0]
        return (int(stamps.world[number]), int(stamps.period[number])) == (world, t)

    return place


def reserve(money: dict[int, float], **changes: Any) -> tuple:
    """Too little money for all the stock that two cuts of unequal length would call for; money costs 10 % a year.

    Stock is paid for every year, by its holding, and nothing is sold: later years need some money too.
    """
    case = {
        "sources": {"far": source("CHN", "a", 12.0), "home": source("USA", "a", 2.0)}, "demand": {"a": 12.0},
        "materials": {"a": {"haircut_share": 0.1, "holding_share_per_yr": 0.02}}, "offers": {"spot": offer("a", 100.0)},
        "scenarios": [cut("long", 0.2, 2029, 2), cut("half", 0.3, 2029, 1, share=0.5)], "years": 4, "rate": 0.1,
    }  # fmt: skip
    return tiny({"a": {2027: 60.0, 2028: 66.0}}, money=money, **{**case, **changes})


@pytest.mark.parametrize("year", [2027, 2028])
def test_an_appropriation_is_worth_what_more_of_it_saves(year):
    """Proves: each year's money has its own price, in the present value of what its last million buys.

    2027: (1 USD buys 1/61.2 kg at 60 and 2 % holding); the finite difference is the judge.
    """
    amounts = {2027: 100.0, 2028: 120.0, 2029: 50.0}
    result = optimum(reserve(amounts))
    assert price(result, "appropriation", period=str(year)) == agrees(
        saved(lambda more: reserve({**amounts, year: amounts[year] + more}))
    )
    assert price(result, "appropriation", period=str(year)) > 0.1


def test_an_appropriation_by_hand():
    """Proves: between 3 and 6 months of stock 61 USD more spare .18*160 and keep .82*54: 12.08/61 = 0.198 USD/USD.

    With the opposite sign the plan would ask for less money; in million USD per USD it would be 2e-7.
    """
    lengths = {3: 0.12, 6: 0.10, 12: 0.06, 24: 0.02}
    result = optimum(tiny(
        {"a": 60.0}, sources={"far": source("CHN", "a", 12.0)}, demand={"a": 12.0}, months=3,
        materials={"a": {"haircut_share": 0.1}}, offers={"spot": offer("a", 100.0, premium=1 / 60)},
        scenarios=[cut(f"m{m}", share, 2027.25, m / 12) for m, share in lengths.items()], money={2027: 300.0, 2028: 0.0},
    ))  # fmt: skip
    assert bought(result, "a") == agrees(300 / 61)
    assert price(result, "appropriation", period="2027") == agrees(12.08 / 61)


def test_the_total_budget_has_a_price():
    """Proves: a limit on all years together is worth what one more million of it saves."""

    def case(more: float) -> tuple:
        return reserve({2027: 1e4}, budget={"total_musd": 150.0 + more})

    result = optimum(case(0.0))
    assert price(result, "total_budget") == agrees(saved(case))
    assert price(result, "total_budget") > 0.1
    assert price(result, "appropriation") == 0.0


def test_a_price_holds_for_the_projects_that_are_signed():
    """Proves: with a project fixed at the mixed-integer answer, money is worth what more stock saves (R14).

    A plant for 50 (2 kt) is signed, the other 70 go into stock. The relaxation has no prices at all.
    """

    def case(more: float) -> tuple:
        plant = project("a", 2.0, capex_musd=50.0, cash_usd_per_kg=60.0, additional=True)
        return reserve(
            {2027: 120.0 + more, 2028: 20.0}, projects={"plant": plant}, packages={"grant": {"instrument": "grant"}},
            instruments={"signing_years": [2027]},
        )  # fmt: skip

    result = optimum(case(0.0))
    assert result.counts["binaries"] > 0
    assert list(result.tables["projects"].share) == [1.0]
    assert price(result, "appropriation", period="2027") == agrees(saved(case))
    relaxed = solve(*case(0.0), gap=0.0, relax=True)
    assert relaxed.outcome.relaxed
    assert relaxed.prices.empty
    assert list(relaxed.prices.columns) == list(result.prices.columns)


def test_a_liability_cap_has_a_price():
    """Proves: a plant supported in part under a cap of 15 in 2028 would be whole at 30: what a million more of cap saves.

    A share of 1/30 of the plant: 12.5 of top-up a year, discounted, against what 1 kt spares.
    """

    def case(more: float) -> tuple:
        floor = {"instrument": "none", "floor_material": "a", "floor_usd_per_kg": 110.0, "floor_kind": "contract",
                 "floor_term_yr": 3.0, "upside_share": 0.5}  # fmt: skip
        return tiny(
            {"a": 100.0}, sources={"far": source("CHN", "a", 1.0)}, demand={"a": 2.0}, rate=0.25,
            projects={"plant": project("a", 1.0, capex_musd=29.0, cash_usd_per_kg=102.5, life_yr=3.0)},
            packages={"floored": floor}, states=[(0.8, 0.5), (1.2, 0.5)],
            budget={"liability_cap_musd": {2027: 1e3, 2028: 15.0 + more, 2029: 1e3}},
            instruments={"signing_years": [2027], "partial_support": True},
        )  # fmt: skip

    result = optimum(case(0.0))
    assert float(result.tables["projects"].share.iloc[0]) == agrees(0.5)
    assert price(result, "contingent_liability") == agrees(saved(case))
    by_hand = (100 * (0.8 + 0.64) - 12.5 * (0.8 + 0.64 + 0.512)) / 30
    assert price(result, "contingent_liability", period="2028") == agrees(by_hand)


def test_a_tonne_in_store_has_a_price():
    """Proves: one more tonne in the opening stock saves its price: in 2027 and, put in store in 2028, in 2028.

    Long cut .2: spares 160; half cut .3: spares 160 while 10 kt are not there; else worth .9*66.
    """

    def case(more: float) -> tuple:
        return reserve({2027: 50.0}, stock={"a": 2.0 + more}, offers={})

    result = optimum(case(0.0))
    assert price(result, "stock", period="2027") == agrees(saved(case) * 1e3)
    later = (total(result) - moved(case(0.0), "stock_balance", in_stamp(-1, 1), LITTLE)) / LITTLE
    assert price(result, "stock", period="2028") == agrees(later * 1e3)
    assert price(result, "stock", period="2028") > price(result, "stock", period="2027") > 0  # a year's holding less


def test_supply_has_a_price_in_each_world():
    """Proves: a tonne delivered in a squeeze saves 60 USD/kg where bought supply is at the margin, in that year's money.

    The world has probability .3 and lies a year ahead at 10 %: in present expectation .3*60/1.1 = 16.36. On the trunk
    the market price of 75 is saved, with the probability .7 that 2028 is still quiet.
    """
    case = tiny(
        {"a": 75.0}, materials={"a": {"haircut_share": 0.3, "salvage_share": 1.0}},
        sources={"far": source("CHN", "a", 5.0), "ally": source("AUS", "a", {2027: 0.0, 2028: 3.0}, premium_share=-0.2)},
        demand={"a": 5.0}, steps=[("a", "civil", 0.2, 20.0), ("a", "civil", 0.4, 45.0)],
        scenarios=[cut("cut", 0.3, 2028, 1)], years=2, rate=0.1,
    )  # fmt: skip
    result = optimum(case)
    assert price(result, "supply", world="cut", period="2028") == agrees(60e3)
    base = total(result)
    in_world = (base - moved(case, "material_balance", in_stamp(0, 1), -LITTLE)) / LITTLE
    assert in_world == agrees(0.3 * 60 / 1.1)
    assert price(result, "supply", world="cut", period="2028") * 1e-3 == agrees(in_world / (0.3 / 1.1))
    trunk = (base - moved(case, "material_balance", in_stamp(-1, 0), -LITTLE)) / LITTLE
    assert price(result, "supply", world="trunk", period="2027") == agrees(trunk * 1e3)


@pytest.mark.parametrize("per", ["episode", "fiscal_year"])
def test_a_promise_has_a_price(per):
    """Proves: one tonne less promised saves the stock at 10 USD/kg, less what it spares and keeps: 10 - .2 - .9 = 8.9.

    Of 20 kt of demand (10 in the year that binds) a little less is asked.
    """
    wanted = {"episode": 20.0, "fiscal_year": 10.0}[per]

    def case(more: float) -> tuple:
        made = {"material": "a", "segment": "civil", "level": 0.6 - more / wanted, "scenarios": ["cut"], "per": per}
        return tiny(
            {"a": 1.0}, sources={"far": source("CHN", "a", 10.0), "home": source("USA", "a", {2027: 0.0, 2028: 7.0, 2029: 1.0})},
            demand={"a": 10.0}, loss=1.0, offers={"spot": offer("a", 100.0, premium=9.0)},
            scenarios=[cut("cut", 0.1, 2028, 2, design_basis=True)], service_levels=[made], money={2027: 1e4, 2028: 0.0},
        )  # fmt: skip

    result = optimum(case(0.0))
    assert price(result, "service_level", item="a, civil", world="cut") == agrees(saved(case) * 1e3)
    assert price(result, "service_level") == agrees(8.9e3)


@pytest.mark.parametrize("kind", ["country_cap", "least_share"])
def test_a_diversification_rule_has_a_price(kind):
    """Proves: half of 10 kt must come from home, which asks 15 instead of 10: 5 USD/kg in 2027, 5/1.1 in 2028.

    One tonne beyond the rule is a ten-thousandth of the share, in both years at once.
    """
    rule = {"country_cap": {"country": "CHN"}, "least_share": {"group": "home"}}[kind]
    sign = {"country_cap": 1.0, "least_share": -1.0}[kind]

    def case(more: float) -> tuple:
        whole = {
            "material": "a",
            "kind": kind,
            "share": 0.5 + sign * more / 10,
            "from_year": 2027,
            "hard": True,
            **rule,
        }
        return tiny(
            {"a": 10.0}, sources={"far": source("CHN", "a", 10.0), "home": source("USA", "a", 10.0, premium_share=0.5)},
            demand={"a": 10.0}, years=2, rate=0.1, diversification=[whole],
        )  # fmt: skip

    result = optimum(case(0.0))
    assert price(result, "supplier_share", period="2027") == agrees(5e3)
    assert price(result, "supplier_share", period="2028") == agrees(5e3 / 1.1)
    assert price(result, "supplier_share") == agrees(saved(case) * 1e3)
    one = moved(case(0.0), "supplier_share", in_stamp(-1, 1), LITTLE)
    assert price(result, "supplier_share", period="2028") == agrees((total(result) - one) / LITTLE * 1e3)


def test_days_of_cover_have_a_price():
    """Proves: a tonne less to hold in 2028 saves (10 + 1)/1.1 less the 5/1.21 that it would be worth: 5.868 USD/kg.

    36.5 days of 10 kt a year are 1 kt; bought at 10, a year's holding 1, salvage half.
    """

    def case(more: float) -> tuple:
        return tiny(
            {"a": 10.0}, materials={"a": {"haircut_share": 0.5, "holding_share_per_yr": 0.1}}, years=2, rate=0.1,
            sources={"far": source("CHN", "a", 10.0)}, demand={"a": 10.0}, offers={"spot": offer("a", 10.0)},
            days_of_cover=[{"material": "a", "days": 36.5 * (1 - more), "from_year": 2028}],
        )  # fmt: skip

    result = optimum(case(0.0))
    assert price(result, "days_of_cover", item="a", period="2028") == agrees(saved(case) * 1e3)
    assert price(result, "days_of_cover") == agrees((11 / 1.1 - 5 / 1.21) * 1e3)


@pytest.mark.parametrize(
    ("name", "limit", "by_hand"), [("cvar_limit", 24.0, 26.25 / 6), ("expected_loss_limit", 5.0, 26.25 / 3)]
)
def test_a_limit_on_losses_has_a_price(name, limit, by_hand):
    """Proves: 6 kt of stock, net cost 26.25, take 6 off the CVaR of 30 or 3 off the mean of 8: 4.375 or 8.75 USD a USD."""

    def case(more: float) -> tuple:
        worlds = {"ten": (0.3, 0.25), "twenty": (0.15, 0.5), "forty": (0.05, 1.0)}
        return tiny(
            {"a": 0.5}, materials={"a": {"haircut_share": 0.5}}, sources={"far": source("CHN", "a", 40.0)}, loss=0.5,
            demand={"a": 40.0}, scenarios=[cut(n, p, 2028, 1, share=share) for n, (p, share) in worlds.items()], years=2,
            offers={"spot": offer("a", 100.0, premium=9.0)}, money={2027: 1e4, 2028: 0.0},
            risk={"alpha": 0.9, f"{name}_musd": limit + more},
        )  # fmt: skip

    result = optimum(case(0.0))
    assert price(result, name) == agrees(saved(case))
    assert price(result, name) == agrees(by_hand)


def test_every_family_has_a_unit_and_a_meaning():
    """Proves: no family of prices is published that is not checked above; each row says what its unit means (R15)."""
    assert set(MEANING) == set(UNITS)
    table = optimum(reserve({2027: 100.0, 2028: 120.0, 2029: 50.0})).prices
    assert {"appropriation", "stock", "supply"} == set(table.price)
    assert all(UNITS[row.price] == row.unit and MEANING[row.price] == row.meaning for row in table.itertuples())
    assert (table.value > 0).all()
    assert not table.duplicated(["price", "item", "world", "period"]).any()


def test_prices_belong_to_social_cost_alone():
    """Proves: where another aim comes first its program's duals are no savings of social cost, and none are shown."""
    assert optimum(reserve({2027: 100.0}, objective={"kind": "least_budget"})).prices.empty
