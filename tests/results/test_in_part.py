"""Where any amount may be had, and what is as good either way: what `explain`, `alternatives` and `sweep` say of the plan."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from strategic_minerals import Dataset, Plan, PlanError, alternatives, explain, solve, sweep
from strategic_minerals.answer.result import Result
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.studies.alternatives import measured
from support.instances import random_case
from support.tiny import cut, offer, project, source, tiny

CALM = {"sources": {"c": source("CHN", "a", 10.0)}, "demand": {"a": 10.0}}
STOP = [cut("stop", 0.5, 2029, 1.0, design_basis=True)]
MONEY = "budget.appropriation_musd"


def partly(money: float, *, part: bool = True, later: float = 0.0) -> tuple[Plan, Dataset]:
    """Two mines of 5 kt of which parts may be supported: 275 of losses each, for 100 or 130 of capital, of which 70 % are left at
    the end, and 25 of costs: 220 and 211 million USD for a whole one."""
    capital = {"mine": 100.0, "mine2": 130.0}
    mines = {k: project("a", 5.0, capex_musd=v, cash_usd_per_kg=10.0, additional=True) for k, v in capital.items()}
    return tiny(
        {"a": 10.0},
        **CALM,
        projects=mines,
        packages={"grant": {"instrument": "grant"}},
        scenarios=STOP,
        years=4,
        money={2027: money, 2028: later, 2029: 0.0},
        instruments={"partial_support": part},
    )


def said(result: Result, item: str | None = None, **options: Any) -> dict[str, str]:
    """What `explain` says of every item, by kind and name."""
    rows = explain(result, item, gap=0.0, prices=False, **options).tables["reasons"]
    return {f"{row.kind} {row.item}": row.sentence for row in rows.itertuples()}


# Parts of projects


@pytest.mark.parametrize("money", [20.0, 30.0, 60.0])
def test_a_project_supported_in_part_is_chosen_and_told_with_its_share(money: float) -> None:
    """Proves: money for a part of the mine buys that part, which is chosen with its share; the dearer mine could be had in part, at
    what the money would have bought: a tenth of it, 13, is .13 * 220 less for 21.1 more."""
    result = solve(*partly(money), gap=0.0, quick=True)
    told = said(result)
    assert told["project mine"].startswith(f"project mine: chosen ({money:g}% of it); it makes the plan ")
    assert f"without it the plan takes project mine2 ({money / 1.3:.3g}% of it)" in told["project mine"]
    assert told["package grant"].startswith(
        f"package grant: chosen ({money:g}% of one project); it makes the plan {2.2 * money:,.1f} M better"
    )
    assert told["project mine2"].startswith(
        "project mine2: rejected; including at least 10% of it makes the plan 7.5 M worse"
    )


def test_break_evens_of_a_part_agree_with_the_plan() -> None:
    """Proves: what the plan has in part it has at the figures as they stand."""
    found = explain(solve(*partly(30.0), gap=0.0, quick=True), "mine", gap=0.0, prices=False, most_solves=10)
    assert found.tables["break_evens"].chosen.all()
    for row in found.tables["break_evens"].itertuples():
        mine = found.tables["intervals"][found.tables["intervals"].figure == row.figure]
        assert mine[(mine.from_value <= row.base) & (row.base <= mine.to_value)].state.tolist() == ["chosen"]


def test_what_money_is_too_short_for_is_weighed_in_the_part_that_it_suffices_for() -> None:
    """Proves: with 2 million USD a tenth of 130 cannot be paid and a hundredth can; with none nothing, and that is what is said."""
    assert (
        "rejected; including at least 1% of it makes the plan 0.8 M worse"
        in said(solve(*partly(2.0), gap=0.0, quick=True))["project mine2"]
    )
    said_of_none = said(solve(*partly(0.0), gap=0.0, quick=True))["project mine"]
    assert said_of_none.startswith(
        "project mine: rejected; no plan with at least 0.1% of it: no plan meets all requirements"
    )


def test_an_offer_larger_than_the_money_is_weighed_in_what_the_money_suffices_for() -> None:
    """Proves: of 100 kt a tenth costs 100, a hundredth 10 of the 30 there are: no word of no plan with it."""
    plan, data = tiny(
        {"a": 10.0},
        materials={"a": {"haircut_share": 0.5}},
        sources={"far": source("CHN", "a", 20.0)},
        demand={"a": 20.0},
        loss=5.0,
        offers={"spot": offer("a", 100.0)},
        scenarios=[cut("cut", 0.25, 2028, 1)],
        money={2027: 30.0, 2028: 0.0},
    )
    wanted = (
        "a from other suppliers [offer spot]: rejected; including at least 1,000 t of it makes the plan 2.5 M worse"
    )
    assert said(solve(plan, data, gap=0.0, quick=True))["offer spot"].startswith(wanted)


@pytest.mark.parametrize("money", [20.0, 60.0])
def test_portfolios_count_what_is_supported_in_part(money: float) -> None:
    """Proves: the plan's own portfolio is the mine; beside it the other one comes in part and neither can go, as a twentieth of the
    worth may be lost; so the mine is in all of them, with its shares, as the range of grants says."""
    found = alternatives(solve(*partly(money), gap=0.0, quick=True))
    assert found.tables["portfolios"]["items"].iloc[0] == "project mine"
    assert (found.tables["extremes"].set_index("item").loc["support by grant", "least"]) == pytest.approx(
        0.95 * money, rel=1e-3
    )
    assert all(
        {"project mine", "project mine2"} & set(items.split("; ")) for items in found.tables["portfolios"]["items"]
    )
    assert len(found.facts["firm"]) == 1
    assert found.facts["firm"][0].startswith(f"project mine ({money:g}% of it, ")
    assert "adds project mine2 (" in found.summary()
    assert "In all of them: project mine (" in found.summary()


def test_a_sweep_counts_what_is_chosen_in_part_and_no_traces_of_relaxations() -> None:
    """Proves: 15 % and 30 % of a mine are the mine chosen at every point; 30 % of one that is signed whole or not is a trace of a
    relaxation, unless the point is one that may have parts."""
    plan, data = partly(30.0)
    chosen = sweep(plan, data, {f"{MONEY} *": [0.5, 1.0]}, gap=0.0).tables["chosen"]
    assert chosen[["kind", "item", "share"]].to_numpy().tolist() == [["project", "mine", 1.0]]
    both = sweep(*partly(30.0, part=False), {"instruments.partial_support": [False, True]}, gap=0.0, relax=True).tables[
        "chosen"
    ]
    assert both[["kind", "item", "share"]].to_numpy().tolist() == [["project", "mine", 0.5]]


def test_two_signatures_of_one_project_are_one_project_where_unexpired_life_is_worth_nothing() -> None:
    """Proves: 30 % signed twice are the mine, and it is no other plan that has 60 % of it."""
    result = solve(*partly(30.0, later=30.0), gap=0.0, quick=True)
    table = result.tables["projects"]
    assert table[table.project == "mine"].share.tolist() == [pytest.approx(0.3), pytest.approx(0.3)]
    assert "the plan would be" not in result.summary()
    assert "The same projects would be chosen if their remaining life were worth nothing." in result.summary()


# Figures of the plan beside other plans


def aimed(kind: str, **changes: Any) -> Result:
    """A stock of 5 or 10 kt at 10 USD/kg, or a mine of 2 kt for 20 M, against a stop of supply."""
    return solve(
        *tiny(
            {"a": 10.0},
            **CALM,
            offers={"o": offer("a", 5.0)},
            scenarios=STOP,
            money=50.0,
            packages={"grant": {"instrument": "grant"}},
            projects={"m": project("a", 2.0, capex_musd=20.0, cash_usd_per_kg=10.0, additional=True)},
            objective={"kind": kind, "stage_slack": 0.0},
            **changes,
        ),
        gap=0.0,
        quick=True,
    )


def test_figures_of_the_plan_are_those_that_later_aims_left_it() -> None:
    """Proves: of all plans with the least risk the plan is that with the least spending, 100; the range holds it and tells
    it."""
    result = aimed("risk_within_budget")
    found = alternatives(result, count=1)
    row = found.tables["extremes"].set_index("item").loc["purchases for the reserve"]
    assert row.plan == pytest.approx(result.tables["acquisitions"].cost_musd.sum()) == pytest.approx(100.0)
    assert "(this plan: 100)" in row.sentence
    assert (found.tables["extremes"].least <= found.tables["extremes"].plan + 1e-9).all()
    assert (found.tables["extremes"].plan <= found.tables["extremes"].most + 1e-9).all()
    assert "worse by at most 5.0% of what the plan takes off it (41.25 million USD)" in found.summary()
    assert found.tables["portfolios"].aim_musd.iloc[0] == pytest.approx(result.outcome.stages[0][1])


def test_what_later_aims_leave_of_an_offer_is_not_called_all_of_it() -> None:
    """Proves: of risk a tenth of what the first aim reached is given up for 9 million USD less of spending: 4.1 of 5 kt are bought
    in one year, so it is one year in which the offer gives all. Another twentieth of 750.75 is .455 kt."""
    plan, data = tiny(
        {"a": 10.0},
        **CALM,
        offers={"o": offer("a", 5.0)},
        scenarios=[cut("stop", 0.5, 2029, 2.0, design_basis=True)],
        years=4,
        money=50.0,
        objective={"kind": "risk_within_budget", "stage_slack": 0.3},
    )
    result = solve(plan, data, gap=0.0, quick=True)
    assert result.tables["acquisitions"].acquired_t.tolist() == [pytest.approx(4100.0), pytest.approx(5000.0)]
    assert (
        "the plan takes all that is offered of it in 1 of 4 years; one more tonne would be worth at most "
        in said(result)["offer o"]
    )
    row = alternatives(result, count=0).tables["extremes"].set_index("item").loc["purchases for the reserve"]
    assert (row.plan, row.least) == (pytest.approx(91.0), pytest.approx(91.0 - 0.05 * 750.75 / 82.5 * 10.0, rel=1e-3))


def test_plans_of_least_spending_are_told_in_spending() -> None:
    """Proves: a plan that spends 50 and is worth 250 gives up a share of its spending, and no portfolio is worth -50."""
    promise = [{"material": "a", "segment": "civil", "level": 0.5, "scenarios": ["stop"]}]
    found = alternatives(aimed("least_budget", service_levels=promise), count=1)
    summary = found.summary()
    assert (
        "plans whose discounted spending is worse by at most 5.0% of what the plan adds to it (2.5 million USD)"
        in summary
    )
    assert "worth" not in summary
    assert found.tables["portfolios"].aim_musd.iloc[0] == pytest.approx(50.0)
    assert all(math.isnan(worth) for worth in found.tables["portfolios"].worth_musd)
    assert "M more than doing nothing" in summary


def test_spending_is_discounted_by_the_year_as_everywhere() -> None:
    """Proves: half-yearly purchases at 10 % count from their year's first period, as in the aim and in reasons."""
    plan, data = tiny(
        {"a": 10.0},
        **CALM,
        offers={"o": offer("a", 5.0)},
        scenarios=STOP,
        money=50.0,
        months=6,
        rate=0.1,
        years=3,
    )
    result = solve(plan, data, gap=0.0, quick=True)
    budget = result.tables["budget"]
    assert budget.outlay_musd.iloc[1] > 0
    paid = sum(outlay / 1.1**k for k, outlay in enumerate(budget.purchases_musd))
    found = alternatives(result, count=0).tables["extremes"].set_index("item").loc["purchases for the reserve"]
    assert found.plan == pytest.approx(paid, rel=1e-6)


@pytest.mark.parametrize("seed", [4, 8, 28])
def test_what_is_spent_on_each_thing_adds_up_to_the_spending_that_plans_are_held_to(seed: int) -> None:
    """Proves: of every purchase, signature, contract and market floor the ranges count what discounted spending does, whatever the
    length of periods, years after the plan and kind of support."""
    problem = prepare(*random_case(seed, loss_limits=False, contracts=True, market_floor=True))
    spending, counted = problem.assembly.costs["spending"], np.zeros(len(problem.assembly.lower))
    for measure in measured(problem):
        if measure.kind == "spending":
            np.add.at(counted, measure.columns, measure.factors)
    names = np.empty(len(counted), dtype=object)
    for part in problem.assembly.blocks:
        for k, (name, _) in enumerate(part.template.columns):
            names[part.first_column + k + part.width * np.arange(part.count)] = name
    mine = np.isin(names.astype(str), ["acquisition", "sign", "contract", "floor"])
    assert np.count_nonzero(counted) > 0
    assert counted[mine] == pytest.approx(spending[mine], rel=1e-9, abs=1e-9)


# What is no item, and what is as good either way


def test_none_is_no_package() -> None:
    """Proves: beside a plan that has the package none, with a menu of floors on it, nothing is said of a package called so; the
    floor is explained."""
    plan, data = tiny(
        {"a": {2027: 10.0, 2029: 6.0, 2030: 10.0}},
        **CALM,
        packages={"grant": {"instrument": "grant"}},
        years=5,
        money=500.0,
        projects={"m": project("a", 5.0, cash_usd_per_kg=9.0, capex_musd=10.0, additional=True)},
        scenarios=[cut("stop", 0.5, 2030, 1.0)],
        states=[(0.5, 0.5), (1.5, 0.5)],
        instruments={"price_floors": [{"material": "a", "levels_usd_per_kg": [9.0, 11.0], "term_years": 6}]},
    )
    result = solve(plan, data, gap=0.0, quick=True)
    told = said(result)
    assert "package none" not in told
    assert "floor a-floor-9" in told or "floor a-floor-11" in told
    assert "package none" not in result.summary()
    with pytest.raises(PlanError):
        explain(result, "package none")


def test_an_offer_that_another_one_stands_for_is_as_good_either_way() -> None:
    """Proves: of two equal offers each is as good with as without, whichever the plan has, at every loss; a premium of its own
    makes it one that is not chosen."""
    plan, data = tiny(
        {"a": 10.0}, **CALM, offers={name: offer("a", 5.0) for name in ("o1", "o2")}, scenarios=STOP, money=50.0
    )
    result = solve(plan, data, gap=0.0, quick=True)
    for name in ("o1", "o2"):
        found = explain(result, name, gap=0.0, prices=False, most_solves=16)
        of = {figure: rows.state.tolist() for figure, rows in found.tables["intervals"].groupby("figure")}
        assert of["loss value"] == of["hazard rate"] == ["as good with as without"]
        assert of["premium"] == ["as good with as without", "not chosen"]


def test_an_offer_that_costs_more_is_not_as_good() -> None:
    """Proves: the dearer of two offers is not chosen at any loss while the cheaper one suffices, however many solves are left."""
    offers = {"o1": offer("a", 10.0), "o2": offer("a", 5.0, premium=0.1)}
    plan, data = tiny({"a": 10.0}, **CALM, offers=offers, scenarios=STOP, money=50.0)
    found = explain(solve(plan, data, gap=0.0, quick=True), "o2", gap=0.0, prices=False, most_solves=16)
    assert found.tables["intervals"][found.tables["intervals"].figure == "loss value"].state.tolist() == ["not chosen"]
    assert (found.tables["break_evens"].solves <= 16).all()
