"""What is said beside an optimum, on plans where it once was not true: ties, tails, budgets without a plan, draws, floors that
money keeps out."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from strategic_minerals import Dataset, Plan, complete, frontier, solve, value_of_planning, verify
from strategic_minerals.answer.notes import notes as notes_of
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.question.names import UNNAMED, Names
from strategic_minerals.studies import stress, worth
from strategic_minerals.studies.reverse import _breaks
from support.instances import random_case
from support.tiny import cut, offer, project, source, tiny


def notes(plan: Plan, data: Dataset, kind: str) -> list[str]:
    structure = prepare(plan, data).structure
    told = notes_of(structure.instance, structure.scenarios, structure.support, Names.of(data))
    return [text for found, _, text in told if found == kind]


@pytest.mark.parametrize(("cap", "money"), [(0.0, 500.0), (None, 0.0)])
def test_a_floor_that_money_keeps_out_is_not_said_to_be_worth_too_little(cap: float | None, money: float) -> None:
    """Proves: a floor that is the whole worth of the plan where it may be had is not called too dear where a cap keeps it out."""

    def said(cap: float | None, money: float) -> str:
        plan, data = tiny(
            {"a": 10.0},
            sources={"c": source("CHN", "a", 10.0)},
            demand={"a": 10.0},
            projects={"m": project("a", 5.0, cash_usd_per_kg=8.0, capex_musd=1.0, additional=True, restart_yr=3.0)},
            packages={"grant": {"instrument": "grant"}},
            states=[(0.8, 0.5), (1.2, 0.5)],
            money=money,
            years=4,
            scenarios=[cut("fs", 0.5, 2029, 1.0, flood_years=1.0, flood_multiplier=0.5)],
            budget={"liability_cap_musd": cap, "liability_quantile": 0.6},
            instruments={
                "signing_years": [2027],
                "price_floors": [{"material": "a", "levels_usd_per_kg": [9.0], "term_years": 6}],
            },
        )
        return solve(plan, data, gap=0.0, quick=True).summary()

    assert "GUARANTEE price floors" in said(None, 500.0)
    allowed = "the appropriations allow" if cap is None else "the appropriations and the liability cap allow"
    assert f"GUARANTEE: no price floor that {allowed} makes the plan better" in said(cap, money)


@pytest.mark.parametrize(("paid", "offered", "loss", "told"), [(0.5, 0.0, 2.0, ["15 USD/kg"]), (0.0, 5.0, 20.0, [])])
def test_users_go_short_rather_than_pay_their_producers(
    paid: float, offered: float, loss: float, told: list[str]
) -> None:
    """Proves: users who lose 12 USD/kg and would pay 15 go short, with no event at all; what the reserve pays on top for an
    offer is nobody else's price."""
    plan, data = tiny(
        {"a": 10.0},
        sources={"c": source("CHN", "a", 10.0, premium_share=paid)},
        demand={"a": 10.0},
        loss=loss,
        offers={"o": offer("a", 1.0, offered, "outside")},
        scenarios=[cut("stop", 0.5, 2029, 1.0)],
        years=3,
        money=5.0,
    )
    found = notes(plan, data, "price above value")
    assert [any(word in text for text in found) for word in told] == [True] * len(told)
    assert bool(found) == bool(told)


def least_budget(money: float) -> tuple[Plan, Dataset]:
    return tiny(
        {"a": 10.0},
        sources={"c": source("CHN", "a", 10.0)},
        demand={"a": 10.0},
        offers={"o": offer("a", 5.0)},
        scenarios=[cut("stop", 0.5, 2029, 1.0, design_basis=True)],
        money=money,
        years=3,
        objective={"kind": "least_budget", "stage_slack": 0.0},
        service_levels=[{"material": "a", "segment": "civil", "level": 0.3, "scenarios": ["stop"]}],
    )


def test_the_least_budget_that_has_a_plan_is_narrowed_down() -> None:
    """Proves: 3 kt at 10 USD/kg and holding them take 15 million USD a year; between no plan and a plan with the same portfolio the
    frontier halves budgets as it does between portfolios. It once said 75 in all, where 45 will do."""
    points = frontier(*least_budget(50.0)).tables["points"]
    possible = points.objective_musd.notna()
    assert points.factor[~possible].max() == pytest.approx(0.3, abs=0.011)
    assert points.factor[possible].min() == pytest.approx(0.3, abs=0.011)


@pytest.mark.parametrize("tail", [0, 3])
def test_spending_of_years_after_the_plan_is_said_beside_the_budget(tail: int) -> None:
    """Proves: 139 spent of a budget of 60 is explained where years after the plan count, and nothing is said where none do."""
    plan, data = tiny(
        {"a": 10.0},
        materials={"a": {"holding_share_per_yr": 0.3}},
        sources={"c": source("CHN", "a", 10.0)},
        demand={"a": 10.0},
        offers={"o": offer("a", 10.0)},
        scenarios=[cut("stop", 0.5, 2028, 1.0)],
        money=30.0,
        horizon={"first_year": 2027, "years": 2, "tail_years": tail, "period_months": 12},
    )
    assert ("include the years computed after the plan" in frontier(plan, data, factors=(1.0,)).summary()) == (tail > 0)


def test_what_an_event_of_the_plan_cuts_is_not_said_to_be_never_cut() -> None:
    """Proves: a listed scenario that states its event itself touches the material, and no row of `hazards` has to."""
    plan, data = tiny(
        {"a": 10.0, "b": 10.0},
        demand={"a": 10.0, "b": 1.0},
        sources={"c": source("CHN", "a", 10.0), "d": source("CHN", "b", 10.0)},
        offers={"o": offer("a", 1.0)},
        scenarios=[cut("stop", 0.5, 2028, 1.0, materials="a")],
        money=5.0,
    )
    gaps = complete(plan, data).tables["gaps"]
    assert list(gaps.material[gaps.table == "hazards"]) == ["b"]


@pytest.mark.slow
@pytest.mark.parametrize("asked", [5, 19, 25])
def test_as_many_fresh_worlds_are_told_as_were_drawn(asked: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: draws are of equal size, so that 5, 19 and 25 scenarios asked for are 10, 10 and 20."""
    plan, data = random_case(7, sample=True, cvar=False, loss_limits=False)
    drawn: list[int] = []

    def counted(*given: Any, **named: Any) -> Any:
        found = stress.replicates(*given, **named)
        drawn.append(sum(sum(name.startswith("sample") for name in scenarios.names) for scenarios, _ in found))
        return found

    monkeypatch.setattr(worth, "replicates", counted)
    assert value_of_planning(plan, data, fresh=asked).facts["fresh"] == drawn[-1]


def test_who_of_two_goes_short_that_lose_the_same_is_said_to_be_a_toss_up() -> None:
    """Proves: defence and civil lose the same per tonne, so that the rows' order decides who goes short; both answers say so, and
    none where defence loses more."""

    def case(order: list[str], more: float) -> tuple[Plan, Dataset]:
        plan, data = tiny(
            {"a": 10.0},
            sources={"c": source("CHN", "a", 10.0), "h": source("USA", "a", 2.0)},
            demand={("a", name): {"defence": 2.0, "civil": 8.0}[name] for name in order},
            offers={"o": offer("a", 5.0)},
            scenarios=[cut("stop", 0.3, 2029, 1.0, share=0.9)],
            money=30.0,
            years=5,
        )
        losses = data.frame("loss_functions").iloc[[0, 0]].assign(segment=["defence", "civil"])
        losses.loc[losses.segment == "defence", "loss_usd_per_t"] *= more
        return plan, data.replace(loss_functions=losses)

    for order in (["defence", "civil"], ["civil", "defence"]):
        assert (
            "a: a missing tonne costs defence as much as other users"
            in solve(*case(order, 1.0), gap=0.0, quick=True).summary()
        )
        assert notes(*case(order, 2.0), "defence tied") == []


@pytest.mark.parametrize("chances", [(0.7, 0.2, 0.1), (0.1, 0.2, 0.7), (0.6, 0.3, 1e-11)])
@pytest.mark.parametrize("kind", ["risk_within_budget", "least_budget"])
def test_what_rounding_leaves_of_a_probability_is_no_entry_of_a_row(chances: tuple[float, ...], kind: str) -> None:
    """Proves: 1 - 0.7 - 0.2 - 0.1 is 1e-16 for a computer; an aim held with such a factor once ended as not trusted."""
    plan, data = tiny(
        {"m": 10.0},
        sources={"cn": source("CHN", "m", 1.0), "us": source("USA", "m", 0.3)},
        offers={"o": offer("m", 0.5, 0.1)},
        demand={"m": 1.0},
        loss=20.0,
        years=4,
        rate=0.03,
        budget={"emergency_musd": 1.0},
        money=5.0,
        objective={"kind": kind},
        scenarios=[cut(f"c{n}", chance, 2028 + n, 1) for n, chance in enumerate(chances)],
    )
    assert solve(plan, data, gap=0.0, quick=True).audited.passed


def test_a_run_reproduces_that_would_buy_at_calm_prices_what_it_does_not_buy() -> None:
    """Proves: nothing is bought at nine times the price, and something would be at the calm one: its row stands whatever a further
    solve says, and an untouched run verifies."""
    plan, data = tiny(
        {"m": 10.0},
        sources={"cn": source("CHN", "m", 1.0)},
        offers={"o": offer("m", 0.5, 0.0, crisis=1.0)},
        demand={"m": 1.0},
        loss=20.0,
        years=3,
        budget={"emergency_musd": 1000.0},
        money=0.0,
        scenarios=[cut("c", 0.3, 2028, 1, price_multiplier=9.0)],
    )
    result = solve(plan, data, gap=0.0, quick=True)
    held = result.tables["held_for_price"].set_index("material")
    assert (held.expected_acquired_t["m"], held.at_undisturbed_prices_t["m"] > 100) == (
        pytest.approx(0.0, abs=1e-6),
        True,
    )
    assert not verify(result).facts["objections"]


def test_a_promise_that_is_counted_in_two_ways_is_told_apart() -> None:
    """Proves: the same level over an episode and in every fiscal year are two promises, and each line says which it is about."""
    row = {
        "material": "a",
        "segment": "defence",
        "level": 1.0,
        "hazard": "stop",
        "scope": "all",
        "start_year": 2028.0,
        "shortest_yr": math.nan,
        "least_cut_share": math.nan,
        "held": True,
        "tried_yr": 2.0,
    }
    by_episode, by_year = {**row, "per": "episode"}, {**row, "per": "fiscal_year"}
    both = "\n".join(_breaks(pd.DataFrame([by_episode, by_year]), UNNAMED))
    assert "a, defence at 100% over the whole disruption: kept in each of 1 disruptions" in both
    assert "a, defence at 100% in every fiscal year: kept in each of 1 disruptions" in both
    assert "a, defence at 100%: kept" in "\n".join(_breaks(pd.DataFrame([by_episode]), UNNAMED))


def test_a_broken_promise_is_told_with_what_breaks_it() -> None:
    """Proves: the line names the disruption, whether it hits the promise's material only, and what breaks the promise."""
    row = {
        "material": "a",
        "segment": "defence",
        "level": 1.0,
        "per": "episode",
        "hazard": "stop",
        "start_year": 2028.0,
        "shortest_yr": 0.5,
        "least_cut_share": 0.25,
        "held": False,
        "tried_yr": 2.0,
    }
    table = pd.DataFrame([{**row, "scope": "alone"}, {**row, "scope": "all", "least_cut_share": math.nan}])
    text = "\n".join(_breaks(table, UNNAMED))
    broken = "broken after 0.50 years when it starts in FY2028; at the hazard's usual length, "
    assert f"a, defence at 100%, stop on this material only: {broken}broken by a cut of 25% or more" in text
    assert f"a, defence at 100%, stop: {broken}kept at any cut" in text
