"""Prices inside and outside a country that controls a material, by hand: who pays which, for how long, and what never gains.

Trap 23 of the formulation: with two prices and no shortage nothing is bought."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from strategic_minerals import Dataset, Plan, check, solve
from strategic_minerals.core.errors import InputError, UntrustedError
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.world.build import build_instance
from strategic_minerals.world.instance import Instance
from support.tiny import KT, bought, cut, offer, project, source, tiny, total

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


def test_two_prices_and_no_shortage_buy_nothing() -> None:
    """Proves trap 23: what is cheap inside, of which there is more than is wanted, is not bought or made to be sold, kept or
    counted at the price outside."""
    offers = {"inside": offer("metal", 5.0, source="china"), "outside": offer("metal", 5.0, source="ally")}
    case = market(
        2040.0,
        sources={"china": source("CHN", "metal", 5.0), "ally": source("AUS", "metal", 1.0)},
        offers=offers,
        metal={"disposal_t_per_yr": 5.0 * KT},
        instruments={"trunk_disposal": True},
    )
    result = solve(*case, gap=0.0, quick=True)
    assert result.tables["acquisitions"].empty
    assert total(result) == pytest.approx(4 * INSIDE)


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
    assert soon.audited.passed


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
    struck = solve(plan, data, gap=0.0, quick=True)
    assert struck.audited.passed


def test_a_price_war_reaches_both_markets() -> None:
    """Proves: where prices fall to three tenths, the quote does too: with cash cost 20 the ally is shut then, as it would be with a
    quote below the price, which changes nothing."""
    flood = [cut("flood", 0.5, 2028.0, 1.0, share=0.0, price_multiplier=0.3)]
    sources = {"china": source("CHN", "metal", 1.0), "ally": source("AUS", "metal", 1.0, cash_usd_per_kg=20.0)}
    case = market(2040.0, sources=sources, scenarios=flood)
    support = prepare(*case).structure.support
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
    plan, data = tiny(
        {"a": 10.0, "b": 10.0},
        sources={
            "both": source("CHN", {"a": 1.0, "b": 1.0}, 1.0),
            "one": source("CHN", "a", 1.0),
            "ally": source("AUS", "a", 1.0),
        },
        demand={"a": 1.0, "b": 1.0},
        controls=[
            {
                "name": "licences", "countries": "CHN", "materials": "a b", "cut_share": 0.1, "cut_shares": {"b": 0.4},
                "until_year": 2028.5,
            }
        ],
    )  # fmt: skip
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
