"""What was signed and held before a plan: what it costs whom, what it keeps open, what the plan may call its own."""

from typing import Any

import pandas as pd
import pytest

from strategic_minerals import Dataset, Plan, check, load_dataset, load_plan, shipped, solve
from strategic_minerals.answer import notes
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.question.together import joint_question
from strategic_minerals.world.build import build_instance
from strategic_minerals.world.instance import Instance
from support.tiny import bought, cut, guaranteed, imported, offer, ran, source, tiny


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
    assert found.apart.tolist() == pytest.approx([2 * (10.0 if states else 5.0)] * 3)
    assert found.liability.tolist() == pytest.approx([2 * (20.0 if states else 5.0)] * 3)


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


@pytest.mark.parametrize("premium", [0.0, 0.1])
def test_the_guarantee_is_spared_what_it_would_have_paid_at_the_market(premium: float) -> None:
    """Proves: the reserve takes 0.5 kt at 120, whether its offer asks 100 or 110. The guarantee then pays 20 on 2.5 kt, as what the
    mine sells at the market it sells at 100."""
    result = solve(*bound(premium=premium), gap=0.0)
    assert bought(result, "a") == pytest.approx(0.5)
    assert result.tables["budget"].set_index("fiscal_year").paid_apart_musd[2028] == pytest.approx(50.0)
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
        found = prepare(plan, data.replace(commitments=pd.DataFrame([row]), deflators=index)).natural.carried.apart
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
    result = solve(plan, data.replace(purchase_ceilings=pd.DataFrame([row])), gap=0.0)
    table = result.tables["acquisitions"]
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
    assert instance.carried.apart[:9].min() > 0
