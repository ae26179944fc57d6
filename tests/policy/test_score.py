"""A plan that was made, under other losses, prices and rates: nothing of it is decided anew."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from strategic_minerals import Plan, PlanError, Result, Study, score, solve, stress_test
from strategic_minerals.studies.sweep_file import SweepFile
from support.drawn_cases import deciding
from support.tiny import supply_rule

POINTS = [
    {"loss_functions[test/a/*].loss_usd_per_t *": 2.0},
    {"hazards[stop].rate_per_yr *": 0.0},
    {"prices[base/a/2027].price_usd_per_kg *": 1.5},
    {"budget.appropriation_musd *": 1e-6},
]


@cache
def made() -> Result:
    return solve(*deciding(), quick=True)


def asked(points: list[dict[str, Any]]) -> SweepFile:
    return SweepFile.model_validate({"kind": "points", "points": points})


@cache
def study() -> Study:
    return score(made(), asked(POINTS), scenarios=200)


def test_the_first_row_is_the_plan_as_it_was_made() -> None:
    """Proves: nothing changed, the plan is worth what it is worth in new scenarios; differences are to that row."""
    rows = study().tables["futures"]
    again = stress_test(made(), scenarios=2000).tables["figures"].set_index("figure")
    assert rows.worth_musd[0] == pytest.approx(again.estimate["worth"], abs=4 * rows.worth_error_musd[0])
    assert rows.difference_musd[0] == 0.0
    assert np.allclose(rows.difference_musd[:4], rows.worth_musd[:4] - rows.worth_musd[0])


def test_a_future_moves_the_worth_and_not_the_plan() -> None:
    """Proves: a dearer shortage makes the same purchases worth more, without disruptions they are a cost alone, and money before
    events stays as it was."""
    rows = study().tables["futures"]
    own, dearer, never, pricier = (rows.loc[k] for k in range(4))
    assert dearer.worth_musd > own.worth_musd > 0
    assert never.worth_musd < 0
    assert never.loss_without_musd == pytest.approx(0.0, abs=1e-6)
    bought = made().tables["acquisitions"].acquired_t.sum()
    assert bought > 0
    assert pricier.outlay_musd > own.outlay_musd > 0
    assert dearer.outlay_musd == pytest.approx(own.outlay_musd, rel=0.2)


def test_a_plan_with_promises_is_worth_something_in_other_futures() -> None:
    """Proves: what was decided keeps no rule anew, and its worth is that of the same decisions without the rule."""
    plan, data = deciding()
    told = {
        **plan.to_toml_like(),
        "diversification": [supply_rule("country_cap", "a", 1.0, country="CHN", penalty_usd_per_kg=1.0)],
    }
    rows = score(solve(Plan.model_validate(told), data, quick=True), asked(POINTS[:1]), scenarios=200).tables["futures"]
    assert (rows.why_not == "").all()
    assert np.allclose(rows.worth_musd, study().tables["futures"].worth_musd[:2], rtol=1e-6)


def test_purchases_shrink_to_the_money_of_a_future() -> None:
    """Proves: what a future's budget cannot carry is not bought: a tenth of a million a year is all that is spent."""
    last = study().tables["futures"].iloc[-1]
    assert 0 < last.outlay_musd <= 0.1 * 6


def test_wrong_addresses_are_refused_before_anything_is_lived() -> None:
    """Proves: a field that the plan does not have is a fault with the nearest name."""
    with pytest.raises(PlanError, match=r"discount_rat.*discount_rate"):
        score(made(), asked([{"discount_rat": 0.1}]))


def test_words_give_the_band() -> None:
    """Proves: the first line has the lowest and the highest worth of all futures with figures."""
    rows = study().tables["futures"]
    known = rows[rows.why_not == ""].worth_musd
    assert study().words[0].startswith("THE PLAN AS IT WAS MADE is worth")
    assert f"{known.max():,.3g}" in study().words[0]
