"""What the summary claims beside the plan is worked out for this plan, not said of every plan."""

from __future__ import annotations

import pytest

from strategic_minerals import load_dataset, load_plan, shipped, solve
from strategic_minerals.answer.notes import other_losses
from strategic_minerals.question.consistency import check_data
from support.tiny import cut, offer, project, source, tiny


def bought():
    """1 kt/yr from abroad, cut in 2028 with probability .4; the reserve buys 1 kt at 10 in 2027, where every scenario is calm."""
    return tiny(
        {"a": 10.0},
        sources={"far": source("CHN", "a", 1.0)},
        demand={"a": 1.0},
        offers={"spot": offer("a", 1.0)},
        scenarios=[cut("cut", 0.4, 2028, 1)],
        money={2027: 1e3, 2028: 0.0},
        years=2,
    )


def test_the_summary_says_how_likely_it_is_that_nothing_happens_and_what_is_bought_in_expectation():
    """Proves: calm with probability .6; what is bought before the event is bought in every scenario: 1,000 t expected."""
    text = solve(*bought(), gap=0.0, quick=True).summary()
    assert "60% chance that none occurs over the plan" in text
    assert "expected purchases over all scenarios 1,000 t" in text


def test_money_is_told_beside_what_may_be_spent_in_all_where_that_is_less():
    """Proves: a loan that any year may draw on is no appropriation of every year."""
    plan, data = bought()
    assert "of the 1,000 M appropriated for FY2027-2028" in solve(plan, data, gap=0.0, quick=True).summary()
    plan = plan.model_copy(update={"budget": plan.budget.model_copy(update={"total_musd": 40.0})})
    assert "of the 40 M allowed in all for FY2027-2028" in solve(plan, data, gap=0.0, quick=True).summary()


def test_who_is_offered_nothing_is_not_out_of_reach():
    """Proves: a plan without packages and floors names no project as refused; with a package on the menu that closes no
    gap, it does."""
    case = {
        "sources": {"far": source("CHN", "a", 1.0)},
        "demand": {"a": 1.0},
        "projects": {"mine": project("a", 0.5, capex_musd=100.0, cash_usd_per_kg=1.0)},
        "packages": {"claim": {"instrument": "none", "offtake_share": 0.5}},
    }
    offered, none = (
        tiny({"a": 10.0}, instruments={"packages": given}, **case) for given in (["none", "claim"], ["none"])
    )
    assert "cannot be chosen" in solve(*offered, gap=0.0, quick=True).summary()
    assert "cannot be chosen" not in solve(*none, gap=0.0, quick=True).summary()


def test_a_source_that_begins_later_is_named_beside_what_is_supported():
    """Proves: a smelter that is being built stands in the answer with its year; one that begins too late does not."""
    plan, data = tiny(
        {"a": 10.0},
        sources={
            "far": source("CHN", "a", 1.0),
            "smelter": source("USA", "a", {2027: 0.0, 2028: 0.5}),
            "never": source("USA", "a", {2027: 0.0, 2040: 0.5}),
        },
        demand={"a": 1.0},
    )
    text = solve(plan, data, gap=0.0, quick=True).summary()
    assert "smelter (FY2028)" in text
    assert "never (FY" not in text


def test_the_spread_of_loss_functions_is_that_of_the_planned_materials():
    """Proves: 29.126/0.21529 = 135 for magnets (2026 against 2025 money: 132);
    three banned minerals differ far less, so nobody is told 135."""
    data = load_dataset(shipped("inputs"))
    found = other_losses(load_plan(shipped("models") / "rare-earths.toml"), data)
    assert found.most_of == "ndfeb_magnet"
    assert found.most == pytest.approx(29.126e6 / 1.027 / 215290, rel=1e-3)
    banned = other_losses(load_plan(shipped("models") / "quickstart.toml"), data)
    assert banned.most < 10
    assert banned.least > 0.1


def test_an_opening_stock_beyond_its_store_is_refused():
    """Proves: the fault is in the table, not a conflict of appropriations found by the solver."""
    plan, data = tiny(
        {"a": 10.0},
        materials={"a": {"storage_t": 500.0}},
        sources={"far": source("CHN", "a", 1.0)},
        demand={"a": 1.0},
        stock={"a": 1.0},
    )
    assert [(fault.file, fault.column) for fault in check_data(plan, data)] == [("stock.csv", "opening_t")]


def test_the_summary_says_which_figures_are_doubtful():
    """Proves: an appropriation of 50 million million USD is legal, and the answer that rests on it says that it is probably not
    meant."""
    plan = load_plan(shipped("models") / "quickstart.toml", {"budget.appropriation_musd": 5e7})
    text = solve(plan, load_dataset(shipped("inputs")), quick=True).summary()
    assert "DOUBTFUL" in text
    assert "budget.appropriation_musd" in text[text.index("DOUBTFUL") :]
    assert (
        "DOUBTFUL"
        not in solve(
            load_plan(shipped("models") / "quickstart.toml"), load_dataset(shipped("inputs")), quick=True
        ).summary()
    )
