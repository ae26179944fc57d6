"""Rules of drawdown and refill that a law can state: what they do, and what they cost."""

from typing import Any

import pytest

from strategic_minerals import Plan, PlanError, Result, solve
from strategic_minerals.question.dataset import Dataset
from support.tiny import FIRST, cut, flow, offer, source, tiny, total

STOP = "stop"


def asked(*rules: dict[str, Any], share: float = 0.4, decay: float = 0.0, **plan: Any) -> tuple[Plan, Dataset]:
    """10 kt from China, 1 of them for defence; in 2028 a share stops. 3 kt in store; 1 kt a year may be bought but in the stop."""
    return tiny(
        {"gallium": 1.0},
        materials={"gallium": {"haircut_share": 0.5, "decay_share_per_yr": decay}},
        sources={"china": source("CHN", "gallium", 10.0)},
        demand={("gallium", "defence"): 1.0, ("gallium", "civil"): 9.0},
        loss=10.0,
        offers={"spot": offer("gallium", 1.0, crisis=0.0)},
        stock={"gallium": 3.0},
        scenarios=[cut(STOP, 0.5, FIRST + 1.0, 1.0, share=share)],
        budget={"emergency_musd": 100.0},
        years=6,
        stock_rules=[{"material": "gallium", **rule} for rule in rules],
        **plan,
    )


def released(result: Result) -> float:
    """Kilotonnes released in the stop."""
    return flow(result, "released_t", "gallium", STOP, str(FIRST + 1))


@pytest.mark.parametrize("method", ["flat", "decomposed"])
def test_no_more_is_released_than_can_be_bought_back_in_time(method: Any) -> None:
    """Proves: 3 kt and 1 that was bought are released without a rule; where the stock has to be back within two years, the 2 kt
    that can be bought in them; within one year, 1; to three quarters, 2. Where the horizon ends before, there is no duty."""
    free = solve(*asked(), gap=0.0, method=method, quick=True)
    assert released(free) == pytest.approx(4.0)
    for rule, expected in (
        ({"refill_within_years": 2.0}, 2.0),
        ({"refill_within_years": 1.0}, 1.0),
        ({"refill_within_years": 1.0, "refill_share": 0.75}, 2.0),
        ({"refill_within_years": 20.0}, 4.0),
    ):
        held = solve(*asked(rule), gap=0.0, method=method, quick=True)
        assert released(held) == pytest.approx(expected), rule
        assert total(held) >= total(free)


def test_what_decays_is_no_duty() -> None:
    """Proves: where a tenth decays each year, nothing released is enough, and nobody need buy for it."""
    held = solve(*asked({"refill_within_years": 1.0}, decay=0.1, instruments={"reserve": False}), gap=0.0, quick=True)
    assert released(held) == pytest.approx(0.0, abs=1e-6)


def test_a_stock_for_grave_shortages_is_not_touched_in_a_small_one() -> None:
    """Proves: a rule that asks for half of supply to be missing keeps the stock in a stop of 40 %; in one of 60 % it lets it go."""
    rule = {"from_lost_share": 0.5}
    assert released(solve(*asked(rule), gap=0.0, quick=True)) == pytest.approx(0.0)
    assert released(solve(*asked(rule, share=0.6), gap=0.0, quick=True)) == pytest.approx(4.0)


def test_a_stock_for_defence_serves_defence() -> None:
    """Proves: no more is released than the segments want that it may serve."""
    result = solve(*asked({"segments": ["defence"]}), gap=0.0, quick=True)
    assert released(result) == pytest.approx(1.0)


def test_the_price_of_a_released_tonne_is_that_of_the_rule() -> None:
    """Proves: users pay the stated share of the market price to the authority: it changes hands, and costs nobody anything."""
    given, sold = (solve(*asked(*rules), gap=0.0, quick=True) for rules in ((), ({"resale_share": 0.25},)))
    paid = [r.objective_parts["users_release"] for r in (given, sold)]
    assert paid[1] == pytest.approx(0.25 * paid[0])
    assert total(sold) == pytest.approx(total(given))


def test_an_unknown_material_or_segment_is_a_fault() -> None:
    """Proves: names of rules are checked as all others."""
    with pytest.raises(PlanError, match="stock_rules"):
        solve(*asked({"segments": ["army"]}), quick=True)
