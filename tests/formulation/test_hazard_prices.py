"""Prices in an event by material, market and month, by hand: who pays which and when."""

from typing import Any

import pandas as pd
import pytest

from strategic_minerals import Dataset, Plan, check, solve
from strategic_minerals.core.errors import UntrustedError
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.world.build import build_instance
from strategic_minerals.world.events import EventPrices, profiles
from strategic_minerals.world.producers import purchase_price
from strategic_minerals.world.scenarios import build_scenarios
from support.tiny import hazard_row, offer, source, tiny, total

PRICE = 10.0
HAZARD = hazard_row("stop", "metal", 0.3, cut_share=1.0, price_multiplier=5.0)


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
    scenario = {
        "name": "stop", "probability": 0.5, "design_basis": False,
        "events": [{"hazard": "stop", "start_year": 2028.0, **(event or {})}],
    }  # fmt: skip
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
        hazards=pd.DataFrame([{**HAZARD, **(hazard or {})}]),
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
    ids=[
        "none",
        "outside alone",
        "inside alone",
        "lower outside",
        "by turns",
        "courses of their own",
        "severe and short",
    ],
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


def test_two_prices_in_an_event_and_no_shortage_buy_nothing() -> None:
    """Proves trap 23 in events: what is cheap inside is not bought to be sold, kept or counted at the price outside."""
    offers = {"inside": offer("metal", 5.0, source="china"), "outside": offer("metal", 5.0, source="ally")}
    case = struck(
        ("outside", 0, 12, 4.0),
        sources={"china": source("CHN", "metal", 5.0), "ally": source("AUS", "metal", 1.0)},
        offers=offers,
        materials={"metal": {"disposal_t_per_yr": 5000.0, "holding_share_per_yr": 0.01}},
        instruments={"trunk_disposal": True},
    )
    result = solve(*case, gap=0.0, quick=True)
    assert result.tables["acquisitions"].empty
    assert total(result) == pytest.approx(60.0)


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
    assert result.audited.passed


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
