"""Sources that cost the same: who runs on the baseline course, by hand."""

from __future__ import annotations

import pytest

from strategic_minerals import solve
from strategic_minerals.core.stats import BASELINE_COURSE
from support.tiny import cut, imported, ran, source

SAME = {"demand": {"a": 4.0}, "scenarios": [cut("stop", 0.5, 2029.0, 1.0)]}


def test_plants_at_home_and_of_allies_do_not_stand_idle_beside_imports_that_cost_the_same():
    """1 kt at home, 2 of allies, 1 of the 9 kt from China, in every year before the event; nothing costs more."""
    sources = {
        "china": source("CHN", "a", 9.0),
        "ally": source("AUS", "a", 2.0, kappa=1.0),
        "home": source("USA", "a", 1.0),
    }
    result = solve(*imported(10.0, sources=sources, **SAME), quick=True)
    assert result.audited.passed
    for year in ("2027", "2028", "2029"):
        made = [ran(result, name, BASELINE_COURSE, year) for name in ("home", "ally", "china")]
        assert made == pytest.approx([1.0, 2.0, 1.0], abs=1e-5)


def test_who_has_a_contract_comes_before_who_has_none():
    terms = {"kappa": 0.0, "lot_t_per_yr": 1.0, "fee_usd_per_kg": 0.01, "term_yr": 3.0}
    sources = {"other": source("AUS", "a", 4.0, kappa=0.0), "signed": source("AUS", "a", 3.0, **terms)}
    more = {"scenarios": [cut("stop", 0.5, 2029.0, 1.0, countries="CHN", tight=True)], "demand": {"a": 4.0}}
    sources["china"] = source("CHN", "a", 1.0)
    result = solve(*imported(10.0, sources=sources, **more), quick=True)
    assert result.tables["contracts"].contract_t_per_yr.sum() == pytest.approx(3000.0)
    assert ran(result, "signed", BASELINE_COURSE, "2027") == pytest.approx(3.0, abs=1e-5)


def test_what_costs_less_runs_wherever_it_is():
    """A premium at home of a hundredth is no tie."""
    sources = {"china": source("CHN", "a", 9.0), "home": source("USA", "a", 4.0, premium_share=0.01)}
    result = solve(*imported(10.0, sources=sources, **SAME), quick=True)
    assert ran(result, "china", BASELINE_COURSE, "2027") == pytest.approx(4.0, abs=1e-5)
