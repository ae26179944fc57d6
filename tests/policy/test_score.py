"""A plan that was made, under other losses, prices and rates: nothing of it is decided anew."""

from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from strategic_minerals import InputError, Plan, PlanError, Result, Study, compare_rules, score, solve, stress_test
from strategic_minerals.question.plan import Objective
from strategic_minerals.studies.score import contracted
from strategic_minerals.studies.sweep_file import SweepFile
from support.drawn_cases import deciding
from support.tiny import best, cut, imported, project, source, supply_rule, tiny

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


@pytest.mark.long
def test_the_first_row_is_the_plan_as_it_was_made() -> None:
    """Proves: nothing changed, the plan is worth what it is worth in new scenarios; differences are to that row."""
    rows = study().tables["futures"]
    again = stress_test(made(), scenarios=2000).tables["figures"].set_index("figure")
    assert rows.worth_musd[0] == pytest.approx(again.estimate["worth"], abs=4 * rows.worth_error_musd[0])
    assert rows.difference_musd[0] == 0.0
    assert np.allclose(rows.difference_musd[:4], rows.worth_musd[:4] - rows.worth_musd[0])


@pytest.mark.long
def test_support_that_a_future_no_longer_offers_is_named() -> None:
    """Proves: a plant whose grant is signed needs none at twice the price: the fault names plant and support, not their numbers."""
    plant = project("a", 3.0, capex_musd=100.0, cash_usd_per_kg=60.0, additional=True)
    case: dict[str, Any] = {"projects": {"A": plant}, "packages": {"grant": {"instrument": "grant"}}, "years": 4}
    case |= {"instruments": {"signing_years": [2027]}, "loss": 340.0, "sample": {"scenarios": 4, "seed": 1}}
    plan, data = imported(60.0, scenarios=[cut("stop", 0.2, 2028, 2)], **case)
    plan, data = plan, data.replace(hazards=deciding()[1].frame("hazards"))
    signed = solve(plan, data, gap=0.0, quick=True)
    assert signed.tables["projects"].package.tolist() == ["grant"]
    text = score(signed, asked([{"prices[base/a/2027].price_usd_per_kg": 120.0}]), scenarios=10).summary()
    assert "A  sign  found support `grant`, as it was signed" in text


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


def test_a_wrong_address_is_at_its_line(tmp_path: Path) -> None:
    """Proves: the line of the file is named, as a sweep names it. Before, the point beside it was looked for."""
    path = tmp_path / "futures.toml"
    path.write_text(
        'kind = "points"\n[[points]]\ndiscount_rate = 0.1\n[[points]]\n"prices[base/b/2027].price_usd_per_kg" = 1.0\n'
    )
    with pytest.raises(PlanError, match=r"futures\.toml:5  prices"):
        score(made(), SweepFile.read(path), scenarios=10)


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


def limited(**extra: Any) -> Result:
    """`deciding` with a dearer ally, of which users take half where China may not supply more."""
    plan, data = deciding()
    sources = {"far": source("CHN", "a", 10.0), "ally": source("AUS", "a", 10.0, premium_share=0.5)}
    _, more = tiny({"a": 10.0}, sources=sources, demand={"a": 10.0})
    data = data.replace(**{name: more.frame(name) for name in ("activities", "capacities", "yields")})
    return solve(Plan.model_validate(plan.to_toml_like() | extra), data, quick=True)


def carrying(**extra: Any) -> Result:
    """`deciding` with cheaper years to come, so that money is carried over and branches may use it."""
    plan, data = deciding()
    row = dict(data.frame("prices").iloc[0])
    years = {2027: 16.0, 2028: 10.0, 2029: 9.0, 2030: 10.0}
    prices = pd.DataFrame([row | {"from_year": year, "price_usd_per_kg": price} for year, price in years.items()])
    budget = {"appropriation_musd": 14.0, "branch_money": "appropriated", "carry_over_share": 1.0}
    told = plan.to_toml_like() | {"policy": "targets", "budget": budget, **extra}
    return solve(Plan.model_validate(told), data.replace(prices=prices), quick=True)


HALF: dict[str, Any] = {"kind": "country_cap", "material": "a", "share": 0.5, "country": "CHN", "from_year": 2027}


@pytest.mark.parametrize(
    ("made", "extra", "worth"),
    [
        (limited, {"diversification": [{**HALF, "hard": True}]}, -89),
        (limited, {"diversification": [{**HALF, "penalty_usd_per_kg": 20.0}]}, -89),
        (limited, {"diversification": [{**HALF, "penalty_usd_per_kg": 1.0}]}, 0),
        (carrying, {}, 92),
        (carrying, {"instruments": {"trunk_release": True}}, 90),
    ],
)
def test_a_change_of_nothing_changes_nothing(made: Any, extra: dict[str, Any], worth: float) -> None:
    """Proves: where what is otherwise is as it was, so is the worth: users keep to limits on supply as far as penalties make them,
    and the reserve carries over, sells and gives what it did. Before, limits were dropped, and carrying over decided anew."""
    result = made(**extra)
    answer = score(result, asked([{"discount_rate": result.plan.discount_rate}]), scenarios=200)
    rows = answer.tables["futures"]
    assert rows.worth_musd[0] == pytest.approx(worth, abs=1)
    assert rows.difference_musd[1] == pytest.approx(0.0, abs=1e-6)
    assert answer.summary().count("; no effect") == 1


def test_a_hard_limit_that_a_future_cannot_keep_is_left_out_and_noted() -> None:
    """Proves: the ally makes nothing in one future: half of what users need can come from nobody but China."""
    result = limited(diversification=[{**HALF, "hard": True}])
    gone = {"capacities[ally/2027].capacity_t_per_yr *": 1e-3, "demand[a/civil/2027].demand_t_per_yr *": 1.0}
    study = score(result, asked([gone]), scenarios=100)
    assert study.tables["futures"].note.tolist() == ["", "the plan's hard limits on supply cannot be kept"]
    assert "cannot be kept" in study.summary()


def test_a_source_that_makes_less_than_was_signed_gives_its_contracts_all_it_makes() -> None:
    """Proves: in half of the futures a stop takes 4 kt; a contract on all of an ally's 4 kt gives 3.6 where he makes a tenth less,
    and the 0.4 that lack lose 110 USD/kg. Before, there were no figures."""
    ally = source("AUS", "a", 4.0, kappa=0.0, lot_t_per_yr=1.0, fee_usd_per_kg=0.5, term_yr=3.0)
    sources = {"far": source("CHN", "a", 9.0), "ally": ally}
    stops, signed = [cut("stop", 0.5, 2028, 1)], {"contract_years": [2027]}
    made = best(imported(10.0, sources=sources, demand={"a": 4.0}, instruments=signed, scenarios=stops))
    less = asked([{"capacities[ally/*].capacity_t_per_yr *": share} for share in (1.0, 0.9)])
    rows = score(made, less, scenarios=10).tables["futures"]
    assert rows.loss_musd.tolist() == pytest.approx([0.0, 0.0, 0.5 * 0.4 * 110])
    assert rows.note.tolist() == ["", "", "contracts give less than was signed, since their sources make less"]


def test_purchases_shrink_to_the_money_of_a_future() -> None:
    """Proves: what a future's budget cannot carry is not bought: a tenth of a million a year is all that is spent."""
    last = study().tables["futures"].iloc[-1]
    assert 0 < last.outlay_musd <= 0.1 * 6


def test_a_tornado_has_the_plan_as_it_was_made_once() -> None:
    tornado = SweepFile.model_validate({"kind": "one_at_a_time", "ranges": {"discount_rate": [0.02, 0.05]}})
    rates = score(made(), tornado, scenarios=10).tables["futures"].discount_rate
    assert rates.isna().tolist() == [True, False, False]


def test_wrong_addresses_are_refused_before_anything_is_lived() -> None:
    """Proves: a field that the plan does not have is a fault with the nearest name."""
    with pytest.raises(PlanError, match=r"discount_rat.*discount_rate"):
        score(made(), asked([{"discount_rat": 0.1}]))


@pytest.mark.parametrize("verb", [compare_rules, partial(score, study=asked(POINTS[:1]))])
def test_a_plan_that_weighs_its_worst_losses_is_refused_by_the_field_that_says_so(verb: Any) -> None:
    """Proves: the refusal names field, value and what would do."""
    risk = made().plan.risk.model_copy(update={"cvar_weight": 0.5})
    weighed = replace(made(), plan=made().plan.model_copy(update={"risk": risk}))
    with pytest.raises(InputError, match=r"risk\.cvar_weight  found 0\.5; expected 0\.0: bounds are for plans without"):
        verb(weighed)


def test_an_answer_that_rests_on_a_contract_says_what_its_source_has_to_do() -> None:
    """Proves: an ally of 3 kt leaves .2 of it to those without a contract, which costs 30 a kg for its year; in a cut with a chance
    of .5 each kg is worth 100. So 150 (1 - kappa) honoured - 90 is the worth, half of it where the ally makes half."""
    ranges = {
        "kappa_low": 0.1,
        "kappa_high": 0.6,
        "honoured_share": 1.0,
        "honoured_share_low": 0.5,
        "honoured_share_high": 1.0,
    }
    ally = source("AUS", "a", 3.0, kappa=0.2, lot_t_per_yr=1.0, fee_usd_per_kg=30.0, term_yr=3.0, **ranges)
    plan, data = tiny(
        {"a": 10.0},
        sources={"china": source("CHN", "a", 4.0), "ally": ally},
        demand={"a": 4.0},
        loss=100.0,
        scenarios=[cut("stop", 0.5, 2029.0, 1.0, countries="CHN", tight=True)],
    )
    most = data.frame("capacities").assign(capacity_t_per_yr_low=1500.0, capacity_t_per_yr_high=6000.0)
    result = solve(plan, data.replace(capacities=most), gap=0.0)
    table = result.tables["depends"].set_index("figure").loc[["kappa", "capacity_t_per_yr", "honoured_share"]]
    assert table.hazard.tolist() == ["ally"] * 3
    assert table.at_low_musd.tolist() == pytest.approx([45.0, 15.0, -30.0], rel=1e-4)
    assert table.at_high_musd.tolist() == pytest.approx([-30.0, 30.0, 30.0], rel=1e-4)
    assert table.flips_at.tolist() == pytest.approx([0.4, np.nan, 0.75], rel=1e-4, nan_ok=True)
    told = " ".join(result.summary().split())
    assert "supply left in a crisis for users without a contract is over 40% (assumed 20%; range 10% to 60%)" in told
    least = plan.model_copy(update={"objective": Objective(kind="least_budget")})
    assert contracted(replace(result, plan=least)) == []
