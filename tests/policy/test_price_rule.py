"""Sales above a price, and money drawn early."""

from typing import Any

import pytest

from strategic_minerals import check, load_dataset, load_plan, shipped, solve
from strategic_minerals.question.plan import Release
from strategic_minerals.studies.forward import Simulator
from strategic_minerals.studies.joint import other_rules
from strategic_minerals.studies.recourse import FirstStage, solution_of
from support.tiny import cut, imported, offer, source, tiny


def stopped(price: float, **changes: Any) -> tuple[FirstStage, FirstStage]:
    """The plan and doing nothing. China stops for a year at a multiple of the price, an ally makes up for all but `short` kt."""
    given: dict[str, Any] = {
        "policy": "targets",
        "sources": {"far": source("CHN", "a", 4.0), "ally": source("AUS", "a", 4.0)},
        "demand": {"a": 4.0},
        "loss": 50.0,
        "stock": {"a": 2.0},
        "offers": {"spot": offer("a", 0.1)},
        "scenarios": [cut("stop", 0.5, 2028, 1, price_multiplier=price)],
        "responses": {"a": (100.0, 0.3, 0.2)},
        "price_channel": True,
    }
    plan, data = tiny({"a": 10.0}, **{**given, **changes})
    result = solve(plan, data, gap=0.0, quick=True)
    own = FirstStage.of(plan, data, result.solution)
    return own, FirstStage.of(plan, data, result.reference, is_reference=True)


def released(first: FirstStage, rule: Release) -> float:
    """Tonnes given in the first year of the stop [kt]."""
    simulator = Simulator(first, rule)
    chunk = simulator.chunk(first.own_scenarios)
    simulator.run(chunk)
    return float(solution_of(chunk.problem, chunk.x, chunk.shares).release[1, 0, 1]) / 1e3


@pytest.mark.parametrize(("price", "held", "given"), [(3.0, 2.0, 1.0), (1.9, 2.0, 0.0), (2.0, 0.52, 0.26)])
def test_what_nobody_needs_is_given_above_a_price(price: float, held: float, given: float) -> None:
    """Proves: nothing lacks, what is in store cost 10: at twice that and above half is given, below nothing."""
    first, _ = stopped(price, stock={"a": held})
    assert released(first, Release(new_events_yr=0.0)) == pytest.approx(0.0, abs=1e-6)
    rule = Release(new_events_yr=0.0, sell_above=2.0, sell_share=0.5)
    assert released(first, rule) == pytest.approx(given, abs=1e-3)


@pytest.mark.parametrize(("lacks", "share", "given"), [(1.0, 0.5, 1.5), (0.5, 0.25, 0.875), (2.0, 0.5, 2.0)])
def test_what_is_needed_now_is_not_sold_twice(lacks: float, share: float, given: float) -> None:
    """Proves: of 2 kt in store all that is lacking is given, and a share of what is left then."""
    sources = {"far": source("CHN", "a", 4.0), "ally": source("AUS", "a", 4.0 - lacks)}
    rule = Release(new_events_yr=0.0, this_event=0.0, sell_above=2.0, sell_share=share)
    assert released(stopped(3.0, sources=sources)[0], rule) == pytest.approx(given, abs=1e-3)


def test_no_price_takes_what_a_shortage_needs() -> None:
    """Proves: 1 kt is short a year in a stop of two years: of 2 kt in store one is given, and nothing of the one needed later."""
    short = {"sources": {"far": source("CHN", "a", 4.0), "ally": source("AUS", "a", 3.0)}}
    long = [cut("stop", 0.5, 2028, 2, price_multiplier=5.0)]
    first, _ = stopped(5.0, **short, scenarios=long, years=4)
    plain, rule = Release(new_events_yr=0.0), Release(new_events_yr=0.0, sell_above=2.0, sell_share=1.0)
    assert released(first, rule) == pytest.approx(released(first, plain), abs=1e-6)


def test_a_sale_above_a_price_is_worth_its_bill() -> None:
    """Proves: lived, 1 kt given of what nobody needs spares users the fall of the price on the 3 kt that they still buy."""
    first, nothing = stopped(3.0)
    beta = first.natural.calendar.beta[:-1]
    scenarios = first.own_scenarios
    idle = Simulator(nothing, Release(new_events_yr=0.0)).live(scenarios)
    rule = Release(new_events_yr=0.0, sell_above=2.0, sell_share=0.5)
    bill = Simulator(first, rule).live(scenarios).beside(idle, beta).bill
    assert float(bill[0]) == pytest.approx(2.0 * 30.0 / 100.0 * 1.0 * 3.0, rel=0.02)


def test_money_is_drawn_early() -> None:
    """Proves: 20 kt may go missing in 2028; half of that year's 10 million may be spent in 2027, on 5 kt more."""

    def worth(share: float) -> tuple[float, list[float]]:
        plan, data = imported(
            1.0,
            20.0,
            loss=99.0,
            offers={"spot": offer("a", 100.0)},
            scenarios=[cut("cut", 0.5, 2028, 1)],
            money={2027: 10.0, 2028: 10.0, 2029: 0.0},
            budget={"advance_share": share},
        )
        result = solve(plan, data, gap=0.0, quick=True)
        return -float(result.outcome.objective_musd), result.solution.carry.tolist()

    (none, kept), (some, drawn) = worth(0.0), worth(0.5)
    assert kept[0] == pytest.approx(0.0, abs=1e-6)
    assert drawn[0] == pytest.approx(-5.0)
    assert some - none == pytest.approx(0.5 * 5.0 * 99.0, rel=0.02)


def test_the_law_of_a_home_forbids_sales_for_a_price() -> None:
    """Proves: what the table of homes says of the United States stops such a rule, but for a reserve of its own."""
    plan, data = load_plan("quickstart"), load_dataset(shipped("inputs"))
    told = plan.model_copy(update={"release": Release(sell_above=2.0)})
    (fault,) = check(told, data).faults
    assert fault.column == "release.sell_above"
    assert "50 USC 98" in str(fault)
    assert not check(told.model_copy(update={"existing": False}), data).faults


def test_who_keeps_the_store_is_told_when_to_sell() -> None:
    """Proves: the rule stands on the screen and in the full text, and not where there is none."""
    plan, data = imported(10.0, offers={"a": offer("a", 5.0)}, scenarios=[cut("s", 0.5, 2028, 1)], policy="targets")
    told = plan.model_copy(update={"release": Release(sell_above=2.0, sell_share=0.25)})
    with_rule, without = (" ".join(solve(p, data, gap=0.0).summary(full=True).split()) for p in (told, plan))
    assert "; in a shortage, at 2 times what the stock cost or more, also 25% of what nobody needs" in with_rule
    assert (
        "2 times what the stock has cost or more, the reserve also sells 25% of what is beyond all these needs"
        in with_rule
    )
    assert "what the stock" not in without


def test_other_rules_of_release_sell_as_the_plan_does() -> None:
    """Proves: what another rule is worth more is not what selling at a price costs or brings."""
    plan = load_plan("quickstart")
    told = plan.model_copy(update={"release": Release(sell_above=2.0, sell_share=0.25)})
    found, usual = ([one.release for one in other_rules(p)] for p in (told, plan))
    assert found == [rule.model_copy(update={"sell_above": 2.0, "sell_share": 0.25}) for rule in usual]


def test_a_plan_that_does_nothing_moves_no_price() -> None:
    """Proves: a maker at home and one abroad cost the same: which runs is no chance, so that a plan without acts has no bill."""
    both = {
        "sources": {"far": source("CHN", "a", 4.0), "ally": source("AUS", "a", 4.0), "home": source("USA", "a", 2.0)}
    }
    first, nothing = stopped(3.0, **both, money=0.0)
    rule, beta = Release(), first.natural.calendar.beta[:-1]
    idle, plan = (Simulator(one, rule).live(first.own_scenarios) for one in (nothing, first))
    assert plan.beside(idle, beta).bill.tolist() == pytest.approx([0.0, 0.0], abs=1e-6)
    assert idle.trade.bought.max() == pytest.approx(2000.0)


def test_a_material_that_no_table_knows_has_no_market() -> None:
    data = load_dataset(shipped("inputs"))
    rows = data.frame("price_responses")
    rows.loc[0, "material"] = "unobtanium"
    (fault,) = check(load_plan("quickstart"), data.replace(price_responses=rows)).faults
    assert fault.column == "material"
