"""What shortage costs while a disruption lasts, and what users hold against it, by hand (traps 21 to 27).

Money in million USD, tonnes in kilotonnes, prices and losses in USD/kg (`support/tiny.py`)."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from strategic_minerals import InputError, Plan, Result, UntrustedError, check, solve, verify
from strategic_minerals.audit.audit import audit
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.model import period
from strategic_minerals.question.consistency import check_data
from strategic_minerals.studies.recourse import FirstStage, evaluate_recourse
from strategic_minerals.studies.stress import _promises
from support.exact import live
from support.shortage import adapting, pulled, stocked, with_spikes
from support.tiny import KT, best, cut, imported, price, short, source, tiny, total

Case = tuple[Any, Any]


def near(value: float) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-9)


def stopped(start: float = 2028.0, lasts: float = 1.0, **changes: Any) -> Case:
    """10 kt a year at 10 from abroad, missed at 100 beyond the price; all of it stops for sure."""
    event = changes.pop("event", {})
    given: dict[str, Any] = {"scenarios": [cut("stop", 1.0, start, lasts, **event)], "years": 3}
    return imported(10.0, **{**given, **changes})


def nothing_done(case: Case) -> float:
    """Z0 [million USD]."""
    return float(best(case).outcome.do_nothing_musd)


AFTER_A_FLOOD = {"years": 4, "event": {"flood_years": 1.0, "flood_multiplier": 1.0}}


@pytest.mark.parametrize(
    ("asked", "steps", "cost"),
    [
        ({"lasts": 2.0, "years": 4}, [(6, 0.5), (18, 0.2)], 100 + 850 + 450 + 100),
        ({"lasts": 3.0, "years": 5}, [(12, 0.2)], 100 + 1100 + 300 + 300 + 100),
        ({"start": 2028.5}, [(6, 0.5)], 100 + (50 + 5 * 110) + (50 + 5 * 60)),
        (AFTER_A_FLOOD, [(12, 0.5)], 100 + 100 + 1100 + 100),
    ],
    ids=["month by month", "past the last row", "part of a year", "after a flood"],
)
def test_the_named_loss_falls_with_the_age_of_the_cut(asked: Any, steps: list[Any], cost: float) -> None:
    """Proves: with half the loss from month 6 and a fifth from month 18 a stop of two years costs 10 + 75, then 10 + 35 a kg:
    means over the year; before and after, 10 kt cost 100. The last multiplier holds for as long as the event lasts, and is never
    zero. A stop from July for a year hits its first half at the full loss in 2028, its second at half of it in 2029; a cut after a
    flood is counted from its own beginning."""
    assert nothing_done(adapting(stopped(**asked), *steps)) == near(cost)


def test_the_latest_event_in_force_counts() -> None:
    """Proves: a second stop within a long one begins adaptation anew, and after it the age of the first is back."""
    event = {"duration_years": 1.0, "countries": "CHN", "materials": "*", "cut_share": 1.0}
    plan, data = stopped(2028.0, 3.0, years=5)
    told = plan.to_toml_like()
    told["scenarios"][0]["events"].append({**event, "start_year": 2029.0})
    case = adapting((Plan.model_validate(told), data), (12, 0.5), (24, 0.1))
    assert nothing_done(case) == near(100 + 1100 + 1100 + 200 + 100)


@pytest.mark.parametrize(
    ("rows", "loss"),
    [
        ({("a", "civil"): 0.1, ("a", "*"): 0.2, ("*", "civil"): 0.3, ("*", "*"): 0.4}, 20),
        ({("a", "*"): 0.2, ("*", "civil"): 0.3, ("*", "*"): 0.4}, 30),
        ({("*", "civil"): 0.3, ("*", "*"): 0.4}, 40),
        ({("*", "*"): 0.4}, 50),
        ({("a", "defence"): 0.4}, 110),
    ],
)
def test_the_nearest_rows_hold(rows: dict[tuple[str, str], float], loss: float) -> None:
    """Proves: a segment has its own rows, or those of its material, of its segment, of all; without any, the loss of before."""
    plan, data = stopped(demand={("a", "civil"): 10.0, ("a", "defence"): 0.0})
    told = [{"material": m, "segment": k, "from_month": 0, "multiplier": x} for (m, k), x in rows.items()]
    assert nothing_done((plan, data.replace(adaptation=pd.DataFrame(told)))) == near(100 + 10 * loss + 100)


def dear(multiplier: float | None, **changes: Any) -> Case:
    """A fifth of supply stops and the price is five times as high; the loss is adapted to all but nothing."""
    case = stopped(event={"share": 0.2, "price_multiplier": 5.0}, **changes)
    return case if multiplier is None else adapting(case, (0, multiplier))


@pytest.mark.parametrize("premium", [0.0, 0.3])
def test_users_still_buy_at_a_crisis_price(premium: float) -> None:
    """Proves trap 26: with next to no loss and a price of five times, users go short of what is missing and of no more: losses and
    supply count at undisturbed prices, premiums included."""
    changes = {"sources": {"far": source("CHN", "a", 10.0, premium_share=premium)}}
    assert short(best(dear(1e-6, **changes)), "stop", "2028") == near(2.0)


def test_the_undisturbed_price_stands_beneath_the_loss() -> None:
    assert nothing_done(dear(0.5)) == near(100 + 8 * 10 + 2 * 60 + 100)


def test_risk_measures_value_shortage_at_the_undisturbed_price() -> None:
    """Proves: 2 kt short lose 10 + 50 a kg in every statement of losses and in CVaR, whatever the crisis price."""
    plan, data = dear(0.5)
    told = plan.to_toml_like() | {"risk": {"alpha": 0.5, "cvar_weight": 1.0}}
    result = best((Plan.model_validate(told), data))
    assert result.tables["scenario_losses"].loss_without_plan_musd.iloc[0] == near(120)
    assert float(result.outcome.do_nothing_musd) == near(100 + 8 * 10 + 2 * 60 + 100 + 120)


def test_tiers_keep_their_order() -> None:
    """Proves: one multiplier for a segment: the cheap tier goes short first, at every age."""
    tiers = {"civil": [(0.3, 0.1), (0.7, 1.0)]}
    case = adapting(stopped(lasts=2.0, years=4, event={"share": 0.5}, tiers=tiers), (12, 0.5))
    first, second = 50 + 3 * (10 + 10) + 2 * (10 + 100), 50 + 3 * (10 + 5) + 2 * (10 + 50)
    assert nothing_done(case) == near(100 + first + second + 100)


def spike(months: int = 12) -> Case:
    """A unit a year whose first fifth is missed at 1, the rest at 20; four fifths of supply stop for a quarter."""
    return imported(
        1.0,
        1.0,
        loss=19.0,
        tiers={"civil": [(0.2, 0.0), (0.8, 1.0)]},
        scenarios=[cut("stop", 1.0, 2028.0, 0.25, share=0.8)],
        years=3,
        months=months,
    )


def lost(case: Case) -> float:
    return float(best(case).tables["scenario_losses"].loss_without_plan_musd.iloc[0])


def test_a_year_equals_its_quarters_on_a_spike() -> None:
    """Proves trap 21: a quarter's cut of .8 reaches the dear tier: .05 at 1 and .15 at 20 are 3.05, in years as in quarters. Spread
    over the year it would cost .2."""
    assert lost(spike()) == near(0.2)
    assert lost(with_spikes(spike())) == near(3.05)
    assert lost(spike(3)) == lost(with_spikes(spike(3))) == near(3.05)


def test_a_cut_of_a_whole_period_is_the_same_with_spikes() -> None:
    """Proves: where cuts fill their periods, the option changes nothing, to the last digit."""
    case = stopped(tiers={"civil": [(0.3, 0.1), (0.7, 1.0)]}, event={"share": 0.6})
    assert best(case).outcome == best(with_spikes(case)).outcome


def test_all_of_a_segment_can_go_short_on_a_spike() -> None:
    """Proves: a plant that a flood has shut is missed all year, though the cut that follows lasts half of it: what the first
    tiers leave, the last one holds, so that every scenario can be lived through."""
    case = stopped(
        tiers={"civil": [(0.3, 0.1), (0.7, 1.0)]},
        sources={"far": source("CHN", "a", 10.0, cash_usd_per_kg=9.0, restart_yr=5.0)},
        event={"flood_years": 1.0, "flood_multiplier": 0.5, "share": 0.2},
        lasts=0.5,
        years=4,
    )
    assert short(best(with_spikes(case)), "stop", "2029") == near(10.0)


def held(level: float = 2.0, *args: Any, **changes: Any) -> Case:
    """`stopped` with room to refill, 12 kt a year from abroad, and stock of users."""
    return stocked(stopped(*args, **{"sources": {"far": source("CHN", "a", 12.0)}, **changes}), {"a": level})


def test_users_draw_on_their_stock_and_refill_it() -> None:
    """Proves: of 10 kt missing 2 come from users' stock; they are refilled at 10 the year after, and cost .2 while missing."""
    result = best(held())
    assert float(result.outcome.do_nothing_musd) == near(100 + 8 * 110 + 2 * 0.2 + 120)
    assert pulled(result, "pulled_t", "stop", "2028") == near(2.0)
    assert pulled(result, "level_t", "stop", "2028") == near(0.0)
    assert pulled(result, "refilled_t", "stop", "2029") == near(2.0)
    assert pulled(result, "level_t", "stop", "2029") == near(2.0)


def test_what_a_tonne_missing_costs() -> None:
    """Proves: interest and convenience, per period: in quarters at 4 % a year and convenience .1 a kg missing at the end of one
    costs 10 * (1 - 1.04**-.25 + .025) in that quarter's money."""
    case, without = (
        held(level, 2028.0, 0.25, months=3, rate=0.04, users_convenience_share=0.1) for level in (1.0, 0.0)
    )
    q = 1.04**-0.25
    drawn = 110 * q**4  # the loss and the price that one kt avoids
    refilled = 10 * 0.5 * (q**5 + q**6)  # half a kt of spare capacity a quarter
    cost = 10 * (1 - q + 0.025) * (q**4 + 0.5 * q**5) + refilled
    assert nothing_done(without) - nothing_done(case) == near(drawn - cost)


def test_what_is_missing_at_the_end_is_replaced_at_the_largest_premium() -> None:
    """Proves: a stock drawn in the last period costs what it takes to fill it then, at the undisturbed price."""
    case = stopped(
        2029.0, event={"price_multiplier": 3.0}, sources={"far": source("CHN", "a", 10.0, premium_share=0.1)}
    )
    assert nothing_done(stocked(case, {"a": 2.0})) == near(2 * 110 + 8 * 110 + 2 * 0.2 + 2 * 11)


def test_a_stock_of_users_without_hazard_is_worth_nothing() -> None:
    """Proves trap 24: without a disruption, or in one that leaves the market slack, Z0 is the same with the stock."""
    for case in (
        stopped(scenarios=[]),
        stopped(event={"share": 0.0, "price_multiplier": 4.0}),
        stopped(event={"share": 0.0, "price_multiplier": 0.5}),
    ):
        assert nothing_done(stocked(case, {"a": 3.0})) == near(nothing_done(case))


@pytest.mark.parametrize("rate", [0.0, 0.08])
@pytest.mark.parametrize("trend", [0.8, 1.0, 1.2])
def test_a_stock_of_users_is_full_again_at_the_end(rate: float, trend: float) -> None:
    """Proves trap 24: it is refilled after the event, whatever interest, and while a price falls no slower than convenience and
    interest cost; at once, or in the last period."""
    prices = {2027 + n: 10.0 * trend**n for n in range(5)}
    plan, data = imported(
        prices, sources={"far": source("CHN", "a", 12.0)}, scenarios=[cut("stop", 1.0, 2028, 1)], years=5, rate=rate
    )
    result = best(stocked((plan, data), {"a": 2.0}))
    assert float(result.solution.users_pull.sum()) == near(2000.0)
    assert result.solution.users_missing[1, 0, -1] == near(0.0)


def test_civil_stock_does_not_cover_defence() -> None:
    """Proves trap 25: of civil users' 5 kt no more than the 1 kt that they want is drawn in a year; defence stays short."""
    case = stopped(
        demand={("a", "civil"): 1.0, ("a", "defence"): 9.0}, tiers={"civil": [(1.0, 1.0)], "defence": [(1.0, 10.0)]}
    )
    result = best(stocked(case, {("a", "civil"): 5.0}))
    assert pulled(result, "pulled_t", "stop", "2028", "civil") == near(1.0)
    table = result.tables["shortfalls"]
    assert dict(zip(table.segment, table.shortfall_t, strict=True)) == {"defence": near(9000.0)}


def plant(**changes: Any) -> Case:
    """2 kt of magnets a year from a home plant that takes half a tonne of Chinese oxide each, which stops for a year."""
    given: dict[str, Any] = {
        "sources": {"mine": source("CHN", "oxide", 2.0), "plant": source("USA", {"magnet": 1.0, "oxide": -0.5}, 2.0)},
        "demand": {"magnet": 2.0},
        "loss": {"oxide": 0.0, "magnet": 100.0},
        "scenarios": [cut("stop", 1.0, 2028, 1, materials="oxide")],
    }
    return tiny({"oxide": 10.0, "magnet": 30.0}, **{**given, **changes})


def test_plants_hold_their_input() -> None:
    """Proves: three months of the plant's oxide, .25 kt, make .5 kt of magnets in the year of the stop; months are of its use."""
    result = best(stocked(plant(), {"oxide": 3.0}, months=["oxide"]))
    assert short(result, "stop", "2028", "magnet") == near(1.5)
    assert pulled(result, "pulled_t", "stop", "2028", "plants") == near(0.25)
    by_hand = 60 + (0.5 * 30 + 1.5 * 130 - 0.25 * 10 + 0.25 * 0.2) + 60 + 0.25 * 10
    assert float(result.outcome.do_nothing_musd) == near(by_hand)


def test_levels_of_all_segments_are_shared_by_their_use() -> None:
    """Proves: `*` with tonnes is the stock of all segments without a row of their own, in proportion to what they use."""
    case = stopped(demand={("a", "civil"): 6.0, ("a", "other"): 2.0, ("a", "defence"): 2.0})
    plan, data = stocked(case, {("a", "defence"): 0.5, "a": 4.0})
    n = prepare(plan, data).natural
    held = {n.demands[q][1]: float(level) for (_, q), level in zip(n.users, n.users_level, strict=True)}
    assert held == {"civil": near(3000.0), "other": near(1000.0), "defence": near(500.0)}


def test_a_tonne_more_in_users_stock_is_worth_the_loss_it_spares() -> None:
    """Proves: the price of users' stock has the economic sign, in its period's money: in the stop it spares what a year's delay of
    the refill costs, .2 and 10; at the end of it, 10. In the stop itself a tonne delivered is worth 110."""
    result = best(held())
    assert price(result, "users_stock", scenario="stop", period="2028") == near(10_200.0)
    assert price(result, "users_stock", scenario="stop", period="2029") == near(10_000.0)
    assert price(result, "supply", scenario="stop", period="2028") == near(110_000.0)


@pytest.mark.parametrize("rule", ["add_users_stock_balance", "add_segment_bound"])
def test_a_dropped_rule_does_not_go_unseen(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: without the balance stock comes from nowhere; without the bound civil users' stock serves defence."""
    case = stopped(
        lasts=2.0,
        years=4,
        demand={("a", "civil"): 1.0, ("a", "defence"): 9.0},
        tiers={"civil": [(1.0, 1.0)], "defence": [(1.0, 10.0)]},
    )
    monkeypatch.setattr(period, rule, lambda *_: None)
    with pytest.raises(UntrustedError, match=r"audit|unbounded"):
        best(stocked(case, {("a", "civil"): 5.0}))


@pytest.mark.parametrize(
    ("changed", "seen"),
    [
        ({"users_missing": -100.0}, "users_stock_balance"),
        ({"users_missing": -100.0, "users_pull": -100.0}, "material_balance"),
        ({"users_missing": 1e6}, "users_stock_level"),
        ({"users_pull": 1e6}, "plant_pull"),
        ({"users_refill": 1.0}, "users_stock_level"),
        ({"users_pull": -1e3}, "nonnegativity"),
    ],
)
def test_the_audit_sees_a_changed_stock_of_users(changed: dict[str, float], seen: str) -> None:
    """Proves: tonnes drawn, refilled or missing that are not those of the plan break the rule that they should."""
    plan, data = stocked(plant(), {"oxide": 3.0}, months=["oxide"])
    result, problem = best((plan, data)), prepare(plan, data)
    arrays = {name: getattr(result.solution, name).copy() for name in changed}
    for name, value in changed.items():
        arrays[name][1, 0, 1] += value
    assert audit(problem, result.solution, z0=result.reference).passed
    assert seen in audit(problem, replace(result.solution, **arrays), z0=result.reference).broken()


def test_the_audit_sees_a_tier_beyond_its_part_of_a_spike() -> None:
    """Proves: an answer of a model without the option breaks the tiers' limits of the one with it."""
    case = with_spikes(spike())
    plain = best(spike())
    assert audit(prepare(*case), plain.solution, z0=plain.reference).broken() == ("shortfall_tier",)


def test_total_is_what_the_audit_adds_up() -> None:
    """Proves: the parts of social cost name users' own stock apart, and add up."""
    result = best(held())
    parts = result.audit().parts
    assert parts["users_own_stock"] == near(0.4)
    assert sum(parts.values()) == near(total(result))


@pytest.mark.parametrize(("levels", "found"), [({}, "neither"), ({"level_months": 1.0, "level_t": 5.0}, "both")])
def test_a_stock_has_one_level(levels: dict[str, float], found: str) -> None:
    plan, data = stopped()
    wrong = data.replace(users_stock=pd.DataFrame([{"material": "a", "segment": "*", **levels}]))
    (fault,) = check_data(plan, wrong)
    assert (fault.file, fault.column) == ("users_stock.csv", "level_months")
    assert found in fault.found


@pytest.mark.parametrize("table", ["adaptation", "users_stock"])
def test_names_of_the_tables_are_checked(table: str) -> None:
    """Proves: an unknown material or segment is a fault with what was meant."""
    plan, data = stopped()
    amount = {"from_month": 0, "multiplier": 0.5} if table == "adaptation" else {"level_t": 5.0}
    for column, row in (
        ("material", {"material": "aa", "segment": "*"}),
        ("segment", {"material": "a", "segment": "civvil"}),
    ):
        faults = check_data(plan, data.replace(**{table: pd.DataFrame([{**row, **amount}])}))
        assert [(fault.file, fault.column) for fault in faults] == [(f"{table}.csv", column)]


@pytest.mark.parametrize("multiplier", [0.0, -1.0, float("nan")])
def test_a_loss_never_fades_to_nothing(multiplier: float) -> None:
    with pytest.raises(InputError):
        adapting(stopped(), (0, multiplier))


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (adapting(stopped(), (0, 50.0)), "percent"),
        (stocked(stopped(), {"a": 60.0}, months=["a"]), "days"),
        (stopped(users_convenience_share=0.9), "convenience"),
    ],
)
def test_slips_of_units_are_doubted(case: Case, said: str) -> None:
    """Proves: a multiplier in percent, a level in days, a convenience beyond all usual ones are asked about."""
    assert any(said in note for note in check(*case).notes)


def test_a_run_with_stocks_of_users_is_verified(tmp_path: Any) -> None:
    """Proves: a run folder holds what users draw on, and everything in it is found again."""
    result = best(adapting(held(), (6, 0.5)))
    result.save(tmp_path / "run")
    found = verify(tmp_path / "run")
    assert found.facts["audit_passed"]
    assert found.facts["objections"] == ()
    assert Result.load(tmp_path / "run").tables["users_stock"].equals(result.tables["users_stock"])


def test_a_stress_test_lives_by_the_same_rules() -> None:
    """Proves: in the plan's own scenario, recourse evaluated afresh costs and loses what the plan says."""
    plan, data = stocked(
        adapting(
            stopped(lasts=2.0, years=5, sources={"far": source("CHN", "a", 12.0)}, event={"share": 0.5}), (6, 0.5)
        ),
        {"a": 2.0},
    )
    result = best((plan, data))
    first = FirstStage.of(plan, data, result.solution)
    found = evaluate_recourse(first, first.own_scenarios)
    assert found.cost[0] == pytest.approx(total(result), rel=1e-9)
    assert found.loss[0] == pytest.approx(result.tables["scenario_losses"].loss_musd.iloc[0], rel=1e-9)
    assert live(first, first.own_scenarios).cost[0] >= found.cost[0] - 1e-6


@pytest.mark.parametrize(
    ("priority", "segment", "told"), [(1, "forces", True), (None, "forces", False), (3, "defence", False)]
)
def test_the_column_says_whose_shortage_is_told(priority: int | None, segment: str, told: bool) -> None:
    """Proves: a segment of any name that `demand` gives priority 1 is told as defence is, in the plan, by the audit and as what
    reverse stress asks about; without it, and of a segment that a row gives priority 3, nothing is."""
    plan, data = imported(
        1.0, 20.0, demand={("a", "civil"): 10.0, ("a", segment): 10.0}, scenarios=[cut("stop", 0.5, 2028.0, 1.0)]
    )
    frame = data.frame("demand")
    frame["priority"] = [priority if name == segment else None for name in frame["segment"]]
    result = solve(plan, data.replace(demand=frame), gap=0.0, quick=True)
    short = float(result.tables["scenario_losses"].defence_shortfall_t.sum())
    assert short == pytest.approx(10 * KT if told else 0.0)
    assert result.audit().passed
    assert [p.segment for p in _promises(result, prepare(plan, data.replace(demand=frame)).natural)] == [segment] * told


def test_a_use_has_one_priority() -> None:
    """Proves: rows of other years that say another priority of the same use are a fault with table, row and column."""
    plan, data = imported(1.0, 20.0, demand={("a", "defence"): {2027: 10.0, 2028: 5.0}})
    frame = data.frame("demand")
    frame["priority"] = [1, 2]
    (fault,) = check(plan, data.replace(demand=frame)).faults
    assert (fault.file, fault.row, fault.column, fault.found) == ("demand.csv", "a/defence/2028", "priority", "2")
