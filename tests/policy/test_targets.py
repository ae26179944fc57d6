"""What targets cost, by hand: no stocking-up for what only a scenario knows, and none that is bought in one future alone."""

from __future__ import annotations

from typing import Any

import pytest

from strategic_minerals import Result
from strategic_minerals.answer.solving import solve_once
from strategic_minerals.model import branch
from support.tiny import FIRST, offer, source, tiny, unaudited

LEFT = 0.5 * 0.15 * 10.0 * 10.0 / 3
"""What a third of the target counts that is missing in the last year [million USD]."""


def stop(year: int) -> dict[str, Any]:
    return {"start_year": float(year), "duration_years": 1.0, "countries": "CHN", "materials": "*", "cut_share": 1.0}


def asked(*scenarios: tuple[float, tuple[int, ...]], haircut: float = 0.3, **plan: Any) -> Any:
    """10 kt a year at 10 USD/kg, missed at 100 beyond it where China stops for a year; from 2028 on 10 kt a year can be bought, and
    at the end the store is worth 7 USD/kg, or what the haircut leaves. scenarios: (probability, years of stops)."""
    return tiny(
        {"a": 10.0},
        materials={"a": {"haircut_share": haircut}},
        sources={"far": source("CHN", "a", 10.0)},
        demand={"a": 10.0},
        loss=100.0,
        offers={"spot": offer("a", 10.0)},
        scenarios=[
            {"name": f"s{k}", "probability": chance, "events": [stop(year) for year in years]}
            for k, (chance, years) in enumerate(scenarios)
        ],
        years=6,
        money={FIRST: 0.0, FIRST + 1: 1e5},
        budget={"emergency_musd": 1e4},
        **plan,
    )


def worth(result: Result) -> float:
    return -float(result.outcome.objective_musd or 0.0)


def test_nothing_is_stored_for_a_stop_that_only_the_scenario_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: after a stop in 2028, that nothing can be bought for, one scenario of two knows another in 2031. With foresight 10 kt
    are bought for it there alone: .5 x 10 x (110 - 10) = 500 million USD. As a target they are held where nothing happens too, and
    lose 3 USD/kg: 15 million less. After the second stop a third of them is not filled up in the last year, which counts 15 %
    of its price. Without the rule the branch stocks up."""
    known, same = (asked((0.5, (2028, 2031)), policy=policy) for policy in ("foresight", "targets"))
    assert worth(solve_once(*known, gap=0.0)) == pytest.approx(500.0)
    result = solve_once(*same, gap=0.0)
    assert worth(result) == pytest.approx(500.0 - 15.0 - LEFT)
    stock = result.solution.stock[:, 0] / 1000
    assert (stock[1] <= stock[0] + 1e-9).all()
    assert stock[0, 3] == pytest.approx(10.0)
    monkeypatch.setattr(branch, "add_stock_target", lambda b, *_: setattr(b, "unsold", {}))
    monkeypatch.setattr(branch, "add_target_sales", lambda *_: None)
    assert -unaudited(*same).outcome.objective_musd == pytest.approx(500.0)


def test_a_target_is_paid_for_in_every_future(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: the stop of one scenario comes in 2031, that of the other in 2028 and none after. 10 kt are held for the first, worth
    500; the second fills up to the same target all the same, as nobody knows that it will not be needed, and loses 2 USD/kg of it
    at the end: 10 million. Without the rule it buys nothing."""
    both = asked((0.5, (2031,)), (0.5, (2028,)), haircut=0.2, policy="targets")
    result = solve_once(*both, gap=0.0)
    assert worth(result) == pytest.approx(500.0 - 10.0 - LEFT)
    assert result.solution.stock[2, 0, -1] / 1000 == pytest.approx(10.0)
    assert result.audited.passed

    def unfilled(b: Any, *_: Any) -> None:
        b.unfilled_cost = 0.0

    monkeypatch.setattr(branch, "add_filling", unfilled)
    assert -unaudited(*both).outcome.objective_musd == pytest.approx(500.0)
