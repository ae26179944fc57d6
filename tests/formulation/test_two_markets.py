"""Prices inside and outside a country that controls a material, by hand: who pays which, for how long, and what never gains;
and prices in an event by material, market and month.

Trap 23 of the formulation: with two prices and no shortage nothing is bought."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from strategic_minerals import Dataset, Plan, check, solve
from strategic_minerals.core.errors import InputError, UntrustedError
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.world.build import build_instance
from strategic_minerals.world.events import EventPrices, profiles
from strategic_minerals.world.instance import Instance
from strategic_minerals.world.producers import purchase_price
from strategic_minerals.world.scenarios import build_scenarios
from support.tiny import KT, bought, cut, hazard_row, offer, on_dates, project, source, tiny, total

INSIDE, OUTSIDE = 10.0, 50.0


def quoted(*prices: tuple[str, float], material: str = "metal", country: str = "CHN") -> pd.DataFrame:
    """Quotes outside a country by month."""
    rows = [
        {
            "material": material, "pair": "Europe / China", "date": date, "country": country,
            "outside_usd_per_kg": price, "inside_usd_per_kg": INSIDE, "ratio": price / INSIDE,
        }
        for date, price in prices
    ]  # fmt: skip
    return pd.DataFrame(rows)


def licences(until: float = 2029.0, **more: Any) -> dict[str, Any]:
    """A control without a cut that splits the market of the metal."""
    given = {"name": "licences", "countries": "CHN", "materials": "metal", "cut_share": 0.0, "until_year": until}
    return given | {"outside_prices": True} | more


def market(
    until: float = 2029.0,
    quotes: pd.DataFrame | None = None,
    control: dict[str, Any] | None = None,
    metal: dict[str, Any] | None = None,
    **more: Any,
) -> tuple[Plan, Dataset]:
    """1 kt from China and 1 kt from an ally, 1 kt wanted; licences until the given year."""
    given: dict[str, Any] = {
        "materials": {"metal": metal or {}},
        "sources": {"china": source("CHN", "metal", 1.0), "ally": source("AUS", "metal", 1.0)},
        "demand": {"metal": 1.0},
        "controls": [licences(until, **(control or {}))],
        "years": 4,
    }
    plan, data = tiny({"metal": INSIDE}, **(given | more))
    return plan, data.replace(price_gaps=quoted(("2026-02", OUTSIDE)) if quotes is None else quotes)


def cost(plan: Plan, data: Dataset) -> float:
    return total(solve(plan, data, gap=0.0, quick=True))


def test_users_buy_where_it_is_cheap_and_pay_the_price_there() -> None:
    """Proves: 4 years of 1 kt at 10 from China; with 2 kt wanted the other kt costs 50 for two years, then 10."""
    assert cost(*market()) == pytest.approx(4 * INSIDE)
    assert cost(*market(demand={"metal": 2.0})) == pytest.approx(4 * INSIDE + 2 * OUTSIDE + 2 * INSIDE)


def test_a_quote_counts_for_the_part_of_a_period_in_which_the_control_is_in_force() -> None:
    """Proves: until the middle of FY2028 its mean is (50 + 10)/2."""
    instance = build_instance(*market(2028.5))
    usd_per_kg = instance.market_price(0, True, instance.price[0]) * 1000
    assert usd_per_kg == pytest.approx([OUTSIDE, 30.0, INSIDE, INSIDE])
    assert instance.outside[:, 0].tolist() == [False, True]


def test_the_reserve_pays_the_price_of_the_market_it_buys_in() -> None:
    """Proves: a stop in FY2030 lacks 1 kt. Bought of the ally it is bought after the licences, at 10; where it stops at once it is
    bought at 50; the price paid, the outlay and the summary are those of the market."""
    stop = {"sources": {"china": source("CHN", "metal", 1.0), "ally": source("AUS", "metal", 1.0, kappa=0.0)}}
    offers = {"from_ally": offer("metal", 1.0, source="ally")}
    late = solve(*market(offers=offers, scenarios=[cut("stop", 0.5, 2030.0, 1.0)], **stop), gap=0.0, quick=True)
    table = late.tables["acquisitions"]
    assert set(table.fiscal_year) == {2029}
    assert table.price_usd_per_kg.to_numpy() == pytest.approx(INSIDE)
    soon = solve(*market(offers=offers, scenarios=[cut("stop", 0.5, 2028.0, 1.0)], **stop), gap=0.0, quick=True)
    table = soon.tables["acquisitions"]
    assert set(table.fiscal_year) == {2027}
    assert table.price_usd_per_kg.to_numpy() == pytest.approx(OUTSIDE)
    assert bought(soon, "metal") == pytest.approx(1.0)
    assert soon.tables["budget"].purchases_musd.sum() == pytest.approx(OUTSIDE)


def test_a_stock_bought_outside_is_worth_the_lower_price() -> None:
    """Proves: a tonne bought at 50 and never used is salvaged at 10: buying it for a stop costs 40 where nothing happens."""
    offers = {"from_ally": offer("metal", 1.0, source="ally")}
    case = market(
        2040.0,
        sources={"china": source("CHN", "metal", 1.0), "ally": source("AUS", "metal", 1.0, kappa=0.0)},
        offers=offers,
        scenarios=[cut("stop", 0.5, 2028.0, 1.0)],
    )
    found = solve(*case, gap=0.0, quick=True)
    saved = (
        0.5 * (100.0 + OUTSIDE) - 0.5 * INSIDE
    )  # the loss is 100 beyond the price outside; users buy what is released at 10
    spent = OUTSIDE - 0.5 * INSIDE - 0.5 * INSIDE  # released in one case, salvaged in the other
    assert found.outcome.objective_musd == pytest.approx(spent - saved, abs=1e-6)


def test_prices_do_not_pile_up() -> None:
    """Proves: in an event that trebles prices the market outside is the dearer of both, not their product."""
    plan, data = market(2031.0, scenarios=[cut("stop", 0.5, 2029.0, 1.0, share=0.0, price_multiplier=3.0)])
    natural = prepare(plan, data).natural
    asked = [natural.market_price(0, True, np.array([x * INSIDE / 1000]), np.array([2])) for x in (1.0, 3.0, 9.0)]
    assert [float(price[0]) * 1000 for price in asked] == pytest.approx([OUTSIDE, OUTSIDE, 9 * INSIDE])
    assert solve(plan, data, gap=0.0, quick=True).audited.passed


def test_a_price_war_reaches_both_markets() -> None:
    """Proves: where prices fall to three tenths, the quote does too: with cash cost 20 the ally is shut then, as it would be with a
    quote below the price, which changes nothing."""
    flood = [cut("flood", 0.5, 2028.0, 1.0, share=0.0, price_multiplier=0.3)]
    sources = {"china": source("CHN", "metal", 1.0), "ally": source("AUS", "metal", 1.0, cash_usd_per_kg=20.0)}
    support = prepare(*market(2040.0, sources=sources, scenarios=flood)).structure.support
    assert support.scenarios_alive[0, 1].tolist() == [True, False, True, True]
    low = quoted(("2026-02", 5.0))
    plain, none = (
        cost(*market(2040.0, quotes=low, scenarios=flood, control={"outside_prices": on})) for on in (True, False)
    )
    assert plain == pytest.approx(none, rel=1e-12) == pytest.approx(40)


def test_part_of_a_period_is_the_mean_of_its_parts() -> None:
    """Proves: until the middle of FY2028, in which prices double: (50 + 20)/2, not the dearer of 30 and 20."""
    natural = build_instance(*market(2028.5))
    assert natural.market_price(0, True, np.array([0.02]), np.array([1]))[0] * 1000 == pytest.approx(35.0)


BORDER = {"material": "metal", "kind": "border", "scope": "market", "levels_usd_per_kg": [12.0]}


@pytest.mark.parametrize(
    ("controls", "floor", "column"),
    [
        ([licences(), licences(2030.0, name="more", countries="CHN AUS")], None, "controls.1.countries"),
        ([licences(materials="*"), licences(2030.0, name="more", countries="AUS")], None, "controls.1.countries"),
        ([licences(countries="*")], None, "controls.0.countries"),
        ([licences()], BORDER, "kind"),
        ([licences(materials="*")], BORDER, "kind"),
    ],
)
def test_what_two_markets_cannot_hold_is_a_fault(controls: Any, floor: Any, column: str) -> None:
    menu = {} if floor is None else {"instruments": {"price_floors": [{**floor, "term_years": 3}]}}
    plan, data = market(**menu)
    told = plan.to_toml_like() | {"controls": controls}
    found = check(Plan.model_validate(told), data).faults
    assert [fault.column.endswith(column) for fault in found] == [True], found


def test_all_countries_of_a_control_are_inside() -> None:
    """Proves: a second country that controls it too sells at the lower price, though only the first has a quote."""
    assert not build_instance(*market(control={"countries": "CHN AUS"})).outside.any()


def test_users_buy_at_the_price_outside_rather_than_go_short() -> None:
    """Proves: a loss of 20 is beyond the price that users would have to pay, so that what China does not send they buy at 50; where
    there is none to buy, a tonne missing costs 50 + 20 while the licences last, and 10 + 20 after."""
    assert cost(*market(demand={"metal": 2.0}, loss=20.0)) == pytest.approx(4 * INSIDE + 2 * OUTSIDE + 2 * INSIDE)
    short = cost(*market(demand={"metal": 3.0}, loss=20.0))
    assert short == pytest.approx(4 * INSIDE + 2 * OUTSIDE + 2 * INSIDE + 2 * (OUTSIDE + 20) + 2 * (INSIDE + 20))
    assert solve(*market(demand={"metal": 3.0}, loss=20.0, risk={"cvar_weight": 0.5}), quick=True).audited.passed


def test_a_control_cuts_its_share_of_the_usual_flow() -> None:
    """Proves trap 19: of 150 t that China could send 100 are usual; a control that cuts 40 % leaves 60."""
    plan, data = market(control={"cut_share": 0.4, "outside_prices": False})
    rows = data.frame("capacities").assign(normal_t_per_yr=[1.0 * KT / 1.5, 1.0 * KT])
    instance = build_instance(plan, data.replace(capacities=rows))
    assert instance.availability[0] == pytest.approx([0.4, 0.4, 1.0, 1.0])
    assert instance.availability[1] == pytest.approx(1.0)


def test_plants_outside_live_on_the_price_there() -> None:
    """Proves: cash cost 20: an old plant abroad runs while the price outside is 50 and shuts when the licences end; one in China
    never runs; the owner of a new plant counts the years at 50."""
    case = market(
        sources={
            "china": source("CHN", "metal", 1.0, cash_usd_per_kg=20.0),
            "ally": source("AUS", "metal", 1.0, cash_usd_per_kg=20.0),
        },
        demand={"metal": 2.0},
        projects={"new": project("metal", 1.0, cash_usd_per_kg=20.0, capex_musd=50.0, life_yr=2.0, additional=True)},
        packages={"aid": {"instrument": "grant"}},
    )
    instance = prepare(*case).natural
    support = prepare(*case).structure.support
    assert support.trunk_alive[instance.producers.index("ally")].tolist() == [True, True, False, False]
    assert not support.trunk_alive[instance.producers.index("china")].any()
    gaps = {(option.project, option.signed): option.gap for option in support.options}
    assert gaps[0, 0] == pytest.approx(50.0 - (50 - 20) + (20 - 10)), "a year at 50, one at 10"


def test_the_latest_quote_of_the_country_counts_and_other_countries_have_none() -> None:
    both = pd.concat([quoted(("2026-02", 70.0), ("2025-11", 20.0)), quoted(("2026-06", 90.0), country="AUS")])
    assert build_instance(*market(quotes=both)).outside_quote[0] * 1000 == pytest.approx(70.0)


def test_a_quote_below_the_price_changes_nothing() -> None:
    assert cost(*market(quotes=quoted(("2026-02", 5.0)), demand={"metal": 2.0})) == pytest.approx(8 * INSIDE)


def test_a_missing_quote_is_one_market_and_is_told() -> None:
    """Proves: the neutral value: without a quote, or without asking for it, the answer is that of one market."""
    plain = cost(*market(control={"outside_prices": False, "price_multiplier": 1.0}, demand={"metal": 2.0}))
    other = market(quotes=quoted(("2026-02", 50.0), material="other"), demand={"metal": 2.0})
    assert plain == pytest.approx(8 * INSIDE)
    with pytest.raises(InputError, match="other"):
        cost(*other)
    plan, data = market(quotes=quoted(("2026-02", 50.0), country="AUS"), demand={"metal": 2.0})
    assert cost(plan, data) == pytest.approx(plain, rel=1e-12)
    assert [note for note in check(plan, data).notes if "no quote of metal outside CHN" in note]


def test_money_of_the_quote_is_restated() -> None:
    index = pd.DataFrame([{"money_year": 2026, "price_index": 100.0}, {"money_year": 2025, "price_index": 80.0}])
    plan, data = market(quotes=quoted(("2025-11", 40.0)))
    assert build_instance(plan, data.replace(deflators=index)).outside_quote[0] * 1000 == pytest.approx(50.0)
    with pytest.raises(InputError, match=r"2025-11.*a year of deflators\.csv"):
        solve(plan, data, quick=True)


def test_a_control_may_cut_each_material_by_its_own_share() -> None:
    """Proves: a plant that makes two materials is cut by the deeper of their shares, others by that of what they make."""
    both = source("CHN", {"a": 1.0, "b": 1.0}, 1.0)
    cuts = {"cut_share": 0.1, "cut_shares": {"b": 0.4}}
    plan, data = tiny(
        {"a": 10.0, "b": 10.0},
        sources={"both": both, "one": source("CHN", "a", 1.0), "ally": source("AUS", "a", 1.0)},
        demand={"a": 1.0, "b": 1.0},
        controls=[licences(2028.5, materials="a b", outside_prices=False, **cuts)],
    )
    instance = build_instance(plan, data)
    assert instance.availability[:, 1] == pytest.approx([0.8, 0.95, 1.0])
    wrong = plan.to_toml_like()
    wrong["controls"][0]["cut_shares"] = {"c": 0.4}
    faults = check(Plan.model_validate(wrong), data).faults
    assert [(fault.column, fault.expected) for fault in faults] == [
        ("controls.0.cut_shares.c", "materials of the control")
    ]


def test_a_rule_on_feed_cuts_those_abroad_that_use_it() -> None:
    """Proves: who declares Chinese feed or none is cut by the feed's share; own ore and the home country are not."""
    abroad = {
        "fed": source("JPN", "metal", 1.0, feed="CHN AUS"),
        "silent": source("DEU", "metal", 1.0),
        "clean": source("AUS", "metal", 1.0, feed="AUS"),
        "home": source("USA", "metal", 1.0, feed="CHN"),
    }
    plan, data = market(
        sources={"china": source("CHN", "metal", 1.0), **abroad}, control={"cut_share": 0.5, "feed_cut_share": 0.2}
    )
    assert build_instance(plan, data).availability[:, 0] == pytest.approx([0.5, 0.8, 0.8, 1.0, 1.0])


def test_the_audit_sees_a_model_with_one_price(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: the audit reckons with prices by market by its own code: a model that forgets them is not believed."""
    plan, data = market(demand={"metal": 2.0})
    assert solve(plan, data, gap=0.0, quick=True).audited.passed
    monkeypatch.setattr(Instance, "market_price", lambda self, i, outside, price, periods=None, gap=None: price)
    with pytest.raises(UntrustedError, match="audit"):
        solve(plan, data, gap=0.0, quick=True)


PRICE = 10.0
STOPS = hazard_row("stop", "metal", 0.3, cut_share=1.0, price_multiplier=5.0)


def priced(*steps: tuple[str, float, float, float], material: str = "metal", hazard: str = "stop") -> pd.DataFrame:
    """Rows of `hazard_prices`: market, months, multiple."""
    rows = [
        {
            "hazard": hazard, "material": material, "market": market, "month_from": begin, "month_to": end,
            "price_multiplier": multiple,
        }
        for market, begin, end, multiple in steps
    ]  # fmt: skip
    return pd.DataFrame(rows)


def struck(
    *steps: tuple[str, float, float, float],
    event: dict[str, Any] | None = None,
    cut: float = 0.0,
    rows: pd.DataFrame | None = None,
    hazard: dict[str, Any] | None = None,
    **more: Any,
) -> tuple[Plan, Dataset]:
    """1 kt from China and 1 kt from an ally, 2 kt wanted; with probability 0.5 a stop in FY2028 cuts China for a year."""
    scenario = on_dates({"hazard": "stop", "start_year": 2028.0, **(event or {})})
    given: dict[str, Any] = {
        "sources": {"china": source("CHN", "metal", 1.0), "ally": source("AUS", "metal", 1.0, kappa=1.0)},
        "demand": {"metal": 2.0},
        "scenarios": [scenario],
        **more,
    }
    plan, data = tiny({"metal": PRICE}, **given)
    course = {"hazard": "stop", "material": "metal", "flow": "effective", "month_from": 0.0, "month_to": 12.0}
    quoted = priced(*steps) if rows is None else rows
    return plan, data.replace(
        hazards=pd.DataFrame([{**STOPS, **(hazard or {})}]),
        hazard_profiles=pd.DataFrame([{**course, "cut_share": cut or 1e-6}]),
        **({} if quoted.empty else {"hazard_prices": quoted}),
    )


def prices(plan: Plan, data: Dataset) -> tuple[list[float], list[float]]:
    """USD/kg inside and outside in the years of the scenario."""
    instance = build_instance(plan, data)
    found = build_scenarios(instance, data)
    lower = found.price[0, 0]
    outside = instance.market_price(0, True, lower, gap=found.market_gap[0, 0])
    return (lower * 1000).tolist(), (outside * 1000).tolist()


@pytest.mark.parametrize(
    ("steps", "event", "inside", "outside"),
    [
        ([], {}, 50.0, 50.0),
        ([("outside", 0, 12, 3.0)], {}, 10.0, 30.0),
        ([("inside", 0, 12, 3.0)], {}, 30.0, 30.0),
        ([("inside", 0, 12, 3.0), ("outside", 0, 12, 2.0)], {}, 30.0, 30.0),
        ([("inside", 0, 6, 3.0), ("outside", 6, 12, 3.0)], {}, 20.0, 30.0),
        ([("inside", 0, 6, 2.0), ("outside", 0, 6, 8.0), ("outside", 6, 12, 4.0)], {}, 15.0, 60.0),
        ([("outside", 0, 11, 3.0), ("outside", 11, 12, 9.0)], {"severity": 2.0, "stretch": 0.5}, 10.0, 50.0),
    ],
    ids="none/outside alone/inside alone/lower outside/by turns/courses of their own/severe and short".split("/"),
)
def test_each_market_has_its_own_course(steps: Any, event: dict[str, Any], inside: float, outside: float) -> None:
    """Proves: means of FY2028. Without prices a material follows the hazard's one multiple; prices outside leave the price inside,
    those inside are the world's, and nobody outside sells below them at any moment. Severity is a power and stretch a length: three
    times for eleven months, squared, for half as long is nine times for 5.5 months, and for half a month the nine of the table,
    which no severity exceeds."""
    found = prices(*struck(*steps, event=event))
    assert found == (pytest.approx([10.0, inside, 10.0]), pytest.approx([10.0, outside, 10.0]))


def test_events_combine_market_by_market() -> None:
    """Proves: beside a second event that makes the metal 2.5 times as dear everywhere, outside it costs four times, not ten."""
    plan, data = struck(("outside", 0, 12, 4.0))
    told = plan.to_toml_like()
    told["scenarios"][0]["events"].append(
        {
            "start_year": 2028.0, "duration_years": 1.0, "countries": "CHN", "materials": "metal", "cut_share": 0.0,
            "price_multiplier": 2.5,
        }
    )  # fmt: skip
    inside, outside = prices(Plan.model_validate(told), data)
    assert inside == pytest.approx([10.0, 25.0, 10.0])
    assert outside == pytest.approx([10.0, 40.0, 10.0])


def test_quotes_of_a_hazard_that_the_plan_does_not_use_change_nothing() -> None:
    """Proves: without an event of it nobody sells outside, and a border floor is no fault."""
    menu = {"material": "metal", "kind": "border", "scope": "market", "levels_usd_per_kg": [12.0], "term_years": 3}
    plan, data = struck(("outside", 0, 12, 4.0), instruments={"price_floors": [menu]})
    assert [fault.column for fault in check(plan, data).faults] == ["instruments.price_floors.0.kind"]
    quiet = Plan.model_validate(plan.to_toml_like() | {"scenarios": []})
    assert not check(quiet, data).faults
    assert not build_instance(quiet, data).outside.any()


@pytest.mark.parametrize("event", [{"price_multiplier": 2.0}, {"countries": "CHN"}, {"cut_share": 0.1}])
def test_an_event_that_says_more_itself_has_one_market(event: dict[str, Any]) -> None:
    """Proves: with a price, countries or a cut of its own an event leaves the quotes of its hazard aside."""
    inside, outside = prices(*struck(("outside", 0, 12, 3.0), event=event))
    assert inside == outside


def test_a_price_of_the_plan_replaces_the_quotes() -> None:
    plan, data = struck(("outside", 0, 12, 3.0))
    told = plan.to_toml_like() | {"hazards": [{"hazard": "stop", "price_multiplier": 4.0}]}
    inside, outside = prices(Plan.model_validate(told), data)
    assert inside == outside == pytest.approx([10.0, 40.0, 10.0])


@pytest.mark.parametrize(("event", "cost"), [(False, 4 * INSIDE), (True, 60.0)], ids=["under licences", "in an event"])
def test_two_prices_and_no_shortage_buy_nothing(event: bool, cost: float) -> None:
    """Proves trap 23: what is cheap inside, of which there is more than is wanted, is not bought or made to be sold, kept or
    counted at the price outside."""
    asked: dict[str, Any] = {
        "sources": {"china": source("CHN", "metal", 5.0), "ally": source("AUS", "metal", 1.0)},
        "offers": {"inside": offer("metal", 5.0, source="china"), "outside": offer("metal", 5.0, source="ally")},
        "instruments": {"trunk_disposal": True},
    }
    metal = {"disposal_t_per_yr": 5.0 * KT}
    held = {"metal": {**metal, "holding_share_per_yr": 0.01}}
    case = struck(("outside", 0, 12, 4.0), materials=held, **asked) if event else market(2040.0, metal=metal, **asked)
    result = solve(*case, gap=0.0, quick=True)
    assert result.tables["acquisitions"].empty
    assert total(result) == pytest.approx(cost)


def test_a_branch_buys_at_the_price_of_the_market() -> None:
    """Proves: an offer of the ally costs four times the price in the year of the stop."""
    case = struck(
        ("outside", 0, 12, 4.0), offers={"ally": offer("metal", 1.0, source="ally")}, demand={"metal": 1.5}, cut=0.9
    )
    natural = prepare(*case).natural
    purchase = next(p for p in prepare(*case).structure.component_sets[0].purchases if p.name == "ally")
    found = build_scenarios(natural, case[1])
    paid = purchase_price(natural, purchase, found.price[0, 0], found.market_gap[0, 0])
    assert (paid * 1000).tolist() == pytest.approx([10.0, 40.0, 10.0])
    assert solve(*case, gap=0.0, quick=True).audited.passed


def test_a_plant_outside_lives_on_the_price_there() -> None:
    """Proves: with a cash cost of 20 the ally is shut at 10 and open in the year in which it sells at 30; China stays shut."""
    dear = {
        "china": source("CHN", "metal", 1.0, cash_usd_per_kg=20.0),
        "ally": source("AUS", "metal", 1.0, cash_usd_per_kg=20.0),
    }
    alive = prepare(*struck(("outside", 0, 12, 3.0), sources=dear)).structure.support.scenarios_alive[0]
    assert alive[1].tolist() == [False, True, False]
    assert not alive[0].any()


def test_without_gain_on_prices_floors_and_users_see_undisturbed_ones() -> None:
    case = struck(("inside", 0, 6, 2.0), ("outside", 0, 12, 8.0))
    result = solve(*case, gap=0.0, quick=True)
    assert total(result) == pytest.approx(60.0)


def test_the_audit_sees_prices_that_events_do_not_make(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: gaps multiplied onto what another event did to the price inside are found."""
    plan, data = struck(("outside", 0, 12, 4.0))
    monkeypatch.setattr(EventPrices, "gap", property(lambda self: 1.5 * (self._outside / self._inside)))
    with pytest.raises(UntrustedError, match="audit"):
        solve(plan, data, gap=0.0, quick=True)


CONTROL = {"name": "licences", "countries": "CHN AUS", "materials": "metal", "cut_share": 0.0, "until_year": 2029.0}


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"rows": priced(("outside", 3, 2, 2.0))}, "month_to"),
        ({"rows": priced(("outside", 0, 6, 2.0), ("outside", 4, 8, 2.0))}, "month_from"),
        ({"rows": priced(("outside", 0, 13, 2.0))}, "month_to"),
        ({"rows": priced(("outside", 0, 6, 2.0), hazard="flood")}, "hazard"),
        ({"rows": priced(("outside", 0, 6, 2.0), material="ore")}, "material"),
        ({"hazard": {"countries": "*"}}, "market"),
        ({"controls": [CONTROL | {"outside_prices": True}]}, "controls.0.countries"),
    ],
)
def test_prices_that_make_no_sense_are_faults(changes: dict[str, Any], column: str) -> None:
    """Proves: months, names, a market outside all countries, and a control that splits a market otherwise are told by column."""
    faults = check(*struck(("outside", 0, 6, 2.0), **changes)).faults
    assert [fault.column for fault in faults][:1] == [column]
    assert "rows" not in changes or {fault.file for fault in faults} == {"hazard_prices.csv"}


def test_the_highest_multiple_is_that_of_the_material_and_its_range() -> None:
    """Proves: what another material cost does not lift the limit; the upper end of the material's own range does."""
    plan, data = struck(("outside", 0, 12, 3.0), event={"severity": 4.0})
    rows = data.frame("hazard_prices")
    other = rows.assign(material="other", price_multiplier=50.0)
    more = data.replace(hazard_prices=pd.concat([rows, other], ignore_index=True))
    assert profiles(more)["stop"].highest == (("metal", 3.0), ("other", 50.0))
    wide = data.replace(hazard_prices=rows.assign(price_multiplier_low=1.0, price_multiplier_high=5.0))
    assert prices(plan, wide)[1] == pytest.approx([10.0, 50.0, 10.0])
