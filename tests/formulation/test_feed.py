"""Feed of makers elsewhere followed to its origin: what an embargo leaves of it, by hand."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from strategic_minerals import Dataset, InputError, solve
from strategic_minerals.audit.audit import audit
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.matrix.solution import extract
from strategic_minerals.solver.optimise import optimise
from support.tiny import cut, hazard_row, imported, ran, source


def allied(
    origins: str = "CHN AUS", shares: str = "0.6 0.4", basis: str = "imports", **more: Any
) -> tuple[Any, Dataset]:
    """A Korean separator fills the demand of 4 kt; China stops half of what it sells in the second year."""
    more = {"scenarios": [cut("stop", 0.5, 2028.0, 1.0, share=0.5)], **more}
    sources = {"far": source("CHN", "a", 9.0, premium_share=0.2), "ally": source("AUS", "a", 4.0, kappa=1.0)}
    plan, data = imported(10.0, **{"sources": sources, "demand": {"a": 4.0}, **more})
    row = {"producer": "ally", "origins": origins, "shares": shares, "basis": basis}
    return plan, data.replace(feed_origins=pd.DataFrame([row]))


@pytest.mark.parametrize(
    ("origins", "shares", "left"),
    [
        ("CHN AUS", "0.6 0.4", 0.7),
        ("CHN", "1", 0.5),
        ("AUS", "1", 1.0),
        ("CHN", "0.6", 0.7),
        ("AUS CHN USA", "0.2 0.5 0.3", 0.75),
    ],
)
def test_an_ally_delivers_what_its_other_feed_allows(origins, shares, left):
    result = solve(*allied(origins, shares), quick=True)
    assert result.audited.passed
    assert ran(result, "ally", "stop", "2028") == pytest.approx(4.0 * left)
    assert ran(result, "ally", "stop", "2029") == pytest.approx(4.0)


def test_a_contract_is_no_more_than_the_feed_behind_it():
    """An ally who keeps everything to himself in a crisis serves what was signed, of the feed that he has left."""
    terms = {"kappa": 0.0, "lot_t_per_yr": 1.0, "fee_usd_per_kg": 0.01, "term_yr": 10.0}
    sources = {"far": source("CHN", "a", 9.0), "ally": source("AUS", "a", 4.0, **terms)}
    more: dict[str, Any] = {"sources": sources, "scenarios": [cut("stop", 0.5, 2028.0, 1.0)]}
    assert ran(solve(*allied(**more), quick=True), "ally", "stop", "2028") == pytest.approx(1.6)


def test_what_the_hazard_says_counts_where_it_is_more():
    for stated, left in ((0.2, 0.7), (0.5, 0.5)):
        scenarios = [cut("stop", 0.5, 2028.0, 1.0, share=0.5, third_country_cut_share=stated)]
        result = solve(*allied(scenarios=scenarios), quick=True)
        assert ran(result, "ally", "stop", "2028") == pytest.approx(4.0 * left)


def test_feed_is_left_alone_where_the_plan_says_so_but_for_what_is_declared():
    """Neutral value: published imports do not count, as if there were no row; a declared share does."""
    plan, data = allied(unpublished_feed="hazard")
    bare = Dataset({k: v for k, v in data.tables.items() if k != "feed_origins"}, data.name)
    assert solve(plan, data, quick=True).outcome == solve(plan, bare, quick=True).outcome
    declared = allied(basis="declared", unpublished_feed="hazard")
    assert ran(solve(*declared, quick=True), "ally", "stop", "2028") == pytest.approx(2.8)


def test_imports_of_a_country_say_nothing_of_a_clean_producer():
    """Unpublished stays unpublished to a rule of origin, whatever its country imports."""
    rule = {"exclusions": [{"countries": "RUS", "materials": "a", "reach_back": True}]}
    for basis, open_to in (("declared", True), ("imports", False)):
        plan, data = allied("AUS", "1", basis, procurement=rule)
        problem = prepare(plan, data)
        assert bool(problem.natural.procurement.clean[problem.natural.producers.index("ally")]) == open_to


def test_the_audit_sees_feed_that_is_not_cut():
    plan, data = allied()
    loose = prepare(plan.model_copy(update={"unpublished_feed": "hazard"}), data)
    solved = optimise(loose, gap=0.0, time_limit_s=60.0)
    solution = extract(loose.structure, loose.assembly, solved.x)
    spoilt = replace(loose, natural=replace(loose.natural, plan=plan))
    found = {one.family: one.holds for one in audit(spoilt, solution).residuals}
    assert not found["feed_cut"]


@pytest.mark.parametrize("shares", ["0.6", "0.6 0.6", "60 40", "0.6 x"])
def test_shares_that_do_not_fit_are_refused(shares):
    with pytest.raises(InputError, match="2 shares, one for each origin"):
        solve(*allied(shares=shares), quick=True)


@pytest.mark.parametrize(("kind", "left"), [("embargo", 0.7), ("licence", 1.0)])
def test_a_licence_asks_who_buys(kind, left):
    """Makers elsewhere keep the feed that a licence stop on the home does not touch."""
    hazard = {**hazard_row("stop", "a", 0.1, cut_share=0.5), "kind": kind}
    events = [{"name": "stop", "probability": 0.5, "events": [{"hazard": "stop", "start_year": 2028.0}]}]
    plan, data = allied(scenarios=events)
    result = solve(plan, data.replace(hazards=pd.DataFrame([hazard])), quick=True)
    assert result.audited.passed
    assert ran(result, "ally", "stop", "2028") == pytest.approx(4.0 * left)
