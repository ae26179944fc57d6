"""What an answer says of itself: every figure of the summary is a named record, and the audit works each of them out again."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from strategic_minerals import Dataset, Plan, Runner, solve
from strategic_minerals.answer.prices import bounds_of
from strategic_minerals.answer.result import Result
from strategic_minerals.audit import accounts as audit_statements
from strategic_minerals.audit.accounts import open_accounts
from strategic_minerals.audit.audit import STATEMENTS
from strategic_minerals.audit.figures import RECOMPUTED, STATED, Figures
from strategic_minerals.matrix.problem import prepare
from support.instances import quick_first, random_case
from support.scalings import scaled
from support.tiny import best, cut, floored, imported, offer, project, supply_rule

AIMS = ("social_cost", "risk_within_budget", "least_budget")


def asked(seed: int, kind: str, **switches: bool) -> Result:
    plan, data = random_case(seed, **({} if kind == "social_cost" else {"appropriated": False}), **switches)
    fields = plan.to_toml_like()
    fields["objective"] = {"kind": kind, "cvar_share": 0.5}
    return solve(Plan.model_validate(fields), data, gap=1e-3, quick=True, run=Runner(threads=1))


@pytest.fixture(scope="module")
def rich() -> Result:
    """An answer with purchases, projects, contracts, floors, penalties and losses that stay."""
    return asked(1, "risk_within_budget", service_soft=True, country_cap=True, contracts=True, market_floor=True)


@pytest.mark.parametrize("seed", quick_first(range(9), 3))
def test_the_audit_finds_every_statement_of_random_plans(seed: int) -> None:
    """Proves: stage values, figures of doing nothing and all that the summary prints follow from the decisions alone."""
    result = asked(100 + seed, AIMS[seed % 3])
    assert next(r for r in result.audited.residuals if r.family == STATEMENTS).holds
    assert result.audit().passed


def test_every_declared_figure_is_worked_out_by_both_sides(rich: Result) -> None:
    """Proves: the audit works out every figure that is declared so, from its own books, and the answer has no other."""
    problem = prepare(rich.plan, rich.data)
    accounts, without = open_accounts(problem, rich.solution), open_accounts(problem, rich.reference)
    assert set(audit_statements.recomputed(accounts, without, bounds_of(rich.outcome))) == set(RECOMPUTED)
    assert set(rich.figures.records) <= set(RECOMPUTED) | set(STATED)
    with pytest.raises(KeyError):
        rich.figures.value("made_up")


def test_a_statement_that_is_off_is_objected_to(rich: Result) -> None:
    """Proves: every single record, changed by a thousandth, makes the audit object and name it."""
    said = rich.figures
    for name in RECOMPUTED:
        for item, value in list(said.items(name).items())[:1]:
            forged = Figures({**said.records, name: {**said.records[name], item: value * 1.001 + 0.01}})
            lied = replace(rich, tables={**rich.tables, "figures": forged.frame()})
            worst = next(r for r in lied.audit().residuals if r.family == STATEMENTS)
            assert not worst.holds, name
            assert worst.where.startswith(name)


def promised(**plan: Any) -> tuple[Plan, Dataset]:
    """Least budget for half of 10 kt in a cut of 2029; 4 kt in store, which cost 20 million USD a year to hold."""
    return imported(
        100.0,
        materials={"a": {"holding_share_per_yr": 0.05}},
        loss=900.0,
        offers={"spot": offer("a", 5.0)},
        stock={"a": 4.0},
        scenarios=[cut("a", 0.1, 2029.0, 1.0, design_basis=True)],
        objective={"kind": "least_budget"},
        service_levels=[{"material": "a", "segment": "civil", "level": 0.5, "scenarios": ["a"]}],
        **plan,
    )


def test_spending_is_told_as_a_total_and_as_a_difference() -> None:
    """Proves: 170 in all by the table of the budget, of which 60 are spent on holding the opening stock whatever is done: 110
    more. Once "the plan spends 110" was said."""
    result = best(promised())
    told = result.figures
    assert result.tables["budget"].outlay_musd.sum() == pytest.approx(170.0)
    assert told.value("stage_with_musd", "spending") == pytest.approx(170.0)
    assert told.value("stage_without_musd", "spending") == pytest.approx(60.0)
    assert result.outcome.stages[0][1] == told.value("stage_difference_musd", "spending") == pytest.approx(110.0)
    line = next(line for line in result.summary(full=True).splitlines() if "spends" in line)
    assert "The plan spends 170 million USD (discounted), 110 more than doing nothing" in line


def test_penalties_are_nobodys_outlay() -> None:
    """Proves: 30 kt beyond a soft cap at 50 USD/kg weigh 1,500 in the aim: they stand apart, and neither the budget nor what the
    authority pays knows of them."""
    case = imported(
        100.0,
        20.0,
        loss=900.0,
        offers={"spot": offer("a", 5.0)},
        scenarios=[cut("s", 0.5, 2029.0, 1.0)],
        diversification=[supply_rule("country_cap", "a", 0.5, country="CHN", penalty_usd_per_kg=50.0)],
    )
    result = best(case)
    told = result.figures
    assert told.value("penalties_musd") == pytest.approx(0.05 * 1000 * (10 + 10 + 0.5 * 10))
    assert -result.tables["value"].penalties_musd.sum() == pytest.approx(told.value("penalties_musd"))
    parts = ("shortage_avoided_musd", "users_musd", "authority_musd")
    assert sum(told.value(name) for name in parts) - told.value("penalties_musd") == pytest.approx(
        told.value("worth_musd")
    )
    assert told.value("authority_musd") >= -told.total("outlay_musd") - 1e-6
    assert "penalties for broken soft rules and targets not filled, which nobody pays" in result.summary(full=True)


def test_a_floor_signed_in_part_costs_its_part() -> None:
    """Proves: what the table of floors says of a floor that is signed for a share of a project is that share's cost."""
    case = imported(
        100.0,
        demand={"a": 4.0},
        loss=900.0,
        projects={"p": project("a", 8.0, cash_usd_per_kg=110.0)},
        packages={"f": floored("a", 120.0, 10.0)},
        scenarios=[cut("s", 0.8, 2029.0, 2.0)],
        years=4,
        instruments={"partial_support": True},
    )
    result = best(case)
    share, floors = float(result.solution.sign.sum()), result.tables["floors"]
    assert 0 < share < 1
    assert floors.expected_cost_musd.sum() == pytest.approx(result.objective_parts["floor_cost"])
    assert np.isclose(share, 0.5)


def test_grams_short_are_counted_by_both_sides() -> None:
    """Proves: where all of a demand is a few kilograms, shortfalls below a gram are in the tables too, and the audit agrees."""
    plan, data = random_case(42, appropriated=False, loss_limits=False)
    fields = plan.to_toml_like()
    fields["objective"] = {"kind": "least_budget"}
    assert best(scaled(Plan.model_validate(fields), data, 1e-3, 1.0)).audited.passed
