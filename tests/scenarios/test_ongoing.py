"""Events that have begun before the plan: the baseline course is in short supply, and nobody knows when it ends."""

from types import SimpleNamespace as Law
from typing import Any

import numpy as np
import pandas as pd
import pytest

from strategic_minerals import PlanError, Result, add_term, solve
from strategic_minerals.core.stats import BASELINE_COURSE
from strategic_minerals.matrix.problem import structure_of
from strategic_minerals.question.dataset import Dataset
from strategic_minerals.question.plan import Plan
from strategic_minerals.world.draws import lasting_until
from strategic_minerals.world.instance import Calendar
from strategic_minerals.world.scenarios import ongoing_events, remaining
from support.tiny import FIRST, KT, imported, offer, source, total
from support.tiny import ran as produced

DEPTH = {"countries": "CHN", "materials": "gallium", "cut_share": 0.5}
ENDED = 1e-6
"""Expected remaining years of what ends with the first period."""


def crisis(remaining_years: float | None, stock: float, years: int = 2, **asked: Any) -> tuple[Plan, Dataset]:
    """Demand of 10 kt, all from China, half of it cut since 2026; 2 kt can be missed at 10 USD/kg, the rest at 100."""
    event = {"name": "stop", "start_year": FIRST - 0.5, "remaining_years": remaining_years}
    event |= {"hazard": "stop"} if remaining_years is None else {"duration_years": 1.0, **DEPTH}
    return imported(
        1.0,
        of="gallium",
        sources={"china": source("CHN", "gallium", 10.0)},
        loss=10.0,
        tiers={"civil": [(0.2, 1.0), (0.8, 10.0)]},
        stock={"gallium": stock},
        years=years,
        ongoing=[event],
        **asked,
    )


def stop(data: Dataset, **row: Any) -> Dataset:
    """The tables with a hazard `stop`."""
    law = {"duration_law": "fixed", "rate_per_yr": 0.0, "kind": "licence", "name": "stop", **DEPTH, **row}
    return data.replace(hazards=pd.DataFrame([{"hazard": "stop", **law}]))


def on_trunk(result: Result, what: str) -> list[float]:
    """Kilotonnes by period on the baseline course."""
    return [float(v) for v in getattr(result.solution, what)[0, 0] / KT]


def test_a_plan_made_in_mid_crisis_releases() -> None:
    """Proves: on the baseline course the stock serves users while the event goes on, without `trunk_release`."""
    result = solve(*crisis(ENDED, stock=3.0), quick=True)
    assert on_trunk(result, "release")[0] == pytest.approx(3.0)
    assert produced(result, "china", BASELINE_COURSE, str(FIRST)) == pytest.approx(5.0)


def test_what_may_be_needed_next_year_is_kept_and_what_will_not_is_used() -> None:
    """Proves: 3 kt go to users who lose 100 USD/kg; a fourth is kept where the stop may go on, and used where it ends."""
    waits, spends = (solve(*crisis(left, stock=4.0, rate=0.03), quick=True) for left in (50.0, ENDED))
    assert on_trunk(waits, "release")[0] == pytest.approx(3.0)
    assert on_trunk(waits, "stock")[0] == pytest.approx(1.0)
    assert on_trunk(spends, "release")[0] == pytest.approx(4.0)


def test_a_stock_in_a_crisis_of_known_length_is_worth_what_it_spares() -> None:
    """Proves: a stop of 2026.5 to 2029.0 leaves 5 kt missing in 2027 and 2028: of the 3 kt in store each spares 100 USD/kg, on top
    of its price, which users pay for it and which it would be worth afterwards too."""
    cases = (crisis(None, stock, years=4) for stock in (3.0, 0.0))
    with_stock, without = (solve(plan, stop(data, duration_yr=2.5), quick=True) for plan, data in cases)
    assert total(without) - total(with_stock) == pytest.approx(3.0 * (100.0 + 1.0), rel=1e-9)
    assert sum(on_trunk(with_stock, "release")[:2]) == pytest.approx(3.0)
    structure, _ = structure_of(with_stock.plan, with_stock.data)
    assert (structure.scenarios.onset[:, 0] == 2).all()  # every end is in 2029, the third period
    assert structure.trunk.tight.all()


def test_after_the_end_a_branch_is_undisturbed_and_refills_at_the_calm_price() -> None:
    """Proves: the price is three times as high on the baseline course and in each branch until the end, and 1 USD/kg after it."""
    plan, data = crisis(None, 0.0, years=4)
    structure, _ = structure_of(plan, stop(data, duration_yr=2.5, price_multiplier=3.0))
    unit = structure.instance.material_unit[0] * 1e-3
    assert structure.trunk.price[0, 0] / unit == pytest.approx([3.0] * 4)
    assert structure.scenarios.price[0, 0] / unit == pytest.approx([3.0, 3.0, 1.0, 1.0])


def test_ends_are_drawn_from_what_the_law_still_leaves() -> None:
    """Proves: exponential has no memory; fixed leaves the rest; lognormal leaves more the longer it has lasted."""
    plan, data = crisis(1.0, stock=0.0)
    one = ongoing_events(plan, data, Calendar(FIRST, 1.0, 2, 2, 0.0))[0]
    u = (np.arange(4000) + 0.5) / 4000
    flat = {"duration_yr_low": None, "duration_yr_high": None}
    exponential, fixed = (Law(duration_law=law, duration_yr=5.0, **flat) for law in ("exponential", "fixed"))
    skewed = Law(duration_law="lognormal", duration_yr=2.0, duration_yr_low=0.2, duration_yr_high=8.0)
    assert remaining(one.event, exponential, FIRST + 9, u).mean() == pytest.approx(5.0, rel=0.01)
    assert remaining(one.event, fixed, FIRST + 1.5, u) == pytest.approx(3.0)
    young, old = (remaining(one.event, skewed, FIRST + years, u).mean() for years in (0.5, 6.5))
    assert old > young
    assert one.ends(u).mean() == pytest.approx(FIRST + 2.0, abs=0.02)
    assert lasting_until(one.event, FIRST + 2.0).duration == pytest.approx(2.5)


def test_a_profile_holds_its_last_cut_until_the_event_ends() -> None:
    """Proves: 80 % for six months and 20 % for six more, begun 2026.5: 20 % from 2027 on, as long as it goes on; nothing after its
    end."""
    plan, data = crisis(None, 0.0, years=4)
    profile = [
        {"hazard": "stop", "material": "gallium", "flow": "direct", "month_from": a, "month_to": b, "cut_share": share}
        for a, b, share in ((0, 6, 0.8), (6, 12, 0.2))
    ]
    structure, _ = structure_of(plan, stop(data, duration_yr=1.0).replace(hazard_profiles=pd.DataFrame(profile)))
    assert structure.trunk.availability[0, 0] == pytest.approx([0.8] * 4)
    found = structure.scenarios.availability[0, 0]
    assert found[[0, -1]] == pytest.approx([0.8, 1.0])


def test_users_pull_their_own_stock_on_the_baseline_course_and_what_is_missing_is_refilled() -> None:
    """Proves: users who lack a tenth of 2 kt when a stop has begun draw the other nine tenths in it."""
    plan, data = crisis(ENDED, stock=0.0, years=3)
    held = [{"material": "gallium", "segment": "*", "level_t": 2 * KT, "missing_share": 0.1}]
    result = solve(plan, data.replace(users_stock=pd.DataFrame(held)), quick=True)
    assert on_trunk(result, "users_pull")[0] == pytest.approx(1.8)
    assert on_trunk(result, "users_missing")[0] == pytest.approx(2.0)
    calm, facts = imported(1.0, of="gallium", sources={"china": source("CHN", "gallium", 12.0)})
    refilled = solve(calm, facts.replace(users_stock=pd.DataFrame(held)), quick=True)
    assert on_trunk(refilled, "users_refill")[0] == pytest.approx(0.2)
    assert on_trunk(refilled, "users_missing")[-1] == pytest.approx(0.0)


def test_the_reserve_buys_on_while_it_goes_on_at_the_price_of_the_day() -> None:
    """Proves: an offer whose source is not cut is bought at the crisis price, which the budget pays."""
    stop = {"name": "stop", "start_year": FIRST, "duration_years": 1.0, "remaining_years": 3.0, "price_multiplier": 2.0}
    plan, data = imported(
        1.0,
        of="gallium",
        sources={"china": source("CHN", "gallium", 10.0), "ally": source("AUS", "gallium", 2.0)},
        offers={"ally-offer": offer("gallium", 1.0, source="ally")},
        years=3,
        money=10.0,
        ongoing=[{**stop, **DEPTH}],
        days_of_cover=[{"material": "gallium", "days": 10, "from_year": FIRST}],
    )
    result = solve(plan, data, quick=True)
    first = result.tables["acquisitions"].iloc[0]
    assert first.price_usd_per_kg == pytest.approx(2.0)
    assert result.tables["budget"].purchases_musd[0] == pytest.approx(2.0 * first.acquired_t / KT)


@pytest.mark.parametrize(("instead", "missed"), [(5.0, 0.0), (15.0, 2.0)])
def test_a_course_that_no_scenario_reaches_is_lived_at_its_least_cost(instead: float, missed: float) -> None:
    """Proves: once a stop has ended in every scenario, the course on which it goes on misses 2 of 5 kt at 10 USD/kg only where
    another material costs more than that, with a plan and without one; nothing is bought there."""
    offered = {"china-offer": offer("gallium", 1.0, source="china")}
    plan, data = crisis(ENDED, 0.0, years=4, rate=0.03, steps=[("gallium", "civil", 0.5, instead)], offers=offered)
    result = solve(plan, data, quick=True)
    for found in (result.solution, result.reference):
        assert found.substitute[0, 0] / KT == pytest.approx([5.0 - missed] * 4)
        assert found.shortfall[0].sum(axis=0) / KT == pytest.approx([missed] * 4)
        assert found.acquisition[0].sum() == 0


@pytest.mark.parametrize(
    "aim",
    [{}, {"kind": "least_budget"}, {"kind": "risk_within_budget", "cvar_share": 0.5}],
    ids=["cost", "money", "risk"],
)
def test_every_aim_keeps_its_value_where_no_scenario_comes(aim: dict[str, Any]) -> None:
    """Proves: what the baseline course does there is bought neither against a later aim nor against a term of the caller's."""
    offered = {"offer": offer("gallium", 3.0, crisis=1.0)}
    asked = crisis(ENDED, 0.0, years=4, offers=offered, **({"objective": aim} if aim else {}))

    def dear(model: Any) -> None:
        add_term(model, "dear", sum(bought for key, bought in model.acquisition.items() if "base" in key))

    result = solve(*asked, quick=True, extend=None if aim else dear)
    assert result.audited.passed
    assert result.solution.acquisition[0, :, 1:].sum() == 0


def test_an_event_in_force_cannot_begin_after_the_plan() -> None:
    """Proves: what begins later is a scenario, and the fault says so."""
    with pytest.raises((PlanError, ValueError), match="later events are scenarios"):
        imported(
            1.0,
            of="gallium",
            sources={"china": source("CHN", "gallium", 10.0)},
            ongoing=[{"name": "x", "start_year": FIRST + 1, "duration_years": 1, "remaining_years": 1, **DEPTH}],
        )
