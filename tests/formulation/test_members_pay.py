"""Members of a reserve who pay for keeping it: the cost stays in the social cost and leaves the budget."""

from __future__ import annotations

import pytest

from strategic_minerals import check, solve
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.question.plan import Loan
from support.tiny import bought, cut, imported, offer

LOAN = {"interest": 0.05, "term_years": 10.0}


def question(members, later=0.0):
    """1 kt is missing in 2029; 1 kt at 10 USD/kg may be bought in 2027 alone and costs 10 % of its price a year to hold."""
    return imported(
        10.0,
        1.0,
        materials={"a": {"holding_share_per_yr": 0.1}},
        offers={"spot": offer("a", 1.0)},
        scenarios=[cut("stop", 1.0, 2029.0, 1.0)],
        budget={"loan": LOAN if members else None},
        money={2027: 10.0, 2028: later},
    )


def test_ten_million_buy_the_tonne_only_where_members_hold_it():
    """10 million at first, 0.95 a year later, metal at 10 USD/kg: 1.095 kt where members pay for holding. Else a kilotonne costs a
    million a year to hold, more than there is in the second year."""
    mine, theirs = (solve(*question(members, later=0.95), gap=0.0, quick=True) for members in (False, True))
    assert bought(theirs, "a") == pytest.approx(1.095, abs=1e-6)
    assert bought(mine, "a") < 0.95
    assert theirs.tables["budget"].holding_musd.sum() == 0
    assert mine.tables["budget"].holding_musd.sum() > 0


def test_society_pays_for_holding_whoever_does():
    """Two years at a tenth of 10 million: 2 million of the social cost, none of the outlays."""
    result = solve(*question(True), gap=0.0, quick=True)
    assert result.objective_parts["authority_holding"] == pytest.approx(2.0, abs=1e-6)
    budget = result.tables["budget"]
    assert budget.purchases_musd.sum() == pytest.approx(10.0, abs=1e-6)
    # as long as nothing happens members pay 5 % on 10 million borrowed, and a tenth for storage
    assert budget.members_pay_musd.tolist() == pytest.approx([1.5] * 3, abs=1e-6)


def test_stock_that_members_hold_owes_the_budget_nothing():
    """10 kt in the opening stock cost 10 million a year: owed, with an appropriation of nothing, unless members pay."""
    plan, data = imported(10.0, 1.0, materials={"a": {"holding_share_per_yr": 0.1}}, stock={"a": 10.0}, money=0.0)
    assert prepare(plan, data).natural.owed == pytest.approx([10.0] * 3)
    paid = plan.model_copy(update={"budget": plan.budget.model_copy(update={"loan": Loan(**LOAN)})})
    assert prepare(paid, data).natural.owed == pytest.approx([0.0] * 3)
    assert not check(paid, data).faults
