"""Requests too large to be answered are refused before they are built (failure mode R26)."""

from __future__ import annotations

import tracemalloc

import pytest

from strategic_minerals import PlanError, load_dataset, load_plan, shipped, solve
from strategic_minerals.matrix import problem


@pytest.fixture(scope="module")
def data():
    return load_dataset(shipped("inputs"))


def test_a_hundred_thousand_worlds_of_everything_are_refused_with_their_counts(data):
    """Proves: R26. The refusal names the field and the sizes, and costs no more memory than reading the plan."""
    plan = load_plan(
        shipped("models") / "critical-minerals.toml", {"sample.scenarios": 100_000, "sample.draws": 100_000}
    )
    tracemalloc.start()
    with pytest.raises(PlanError) as refused:
        solve(plan, data, quick=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    fault = refused.value.faults[0]
    assert fault.column == "sample.scenarios"
    assert "100,000 scenarios" in fault.found
    assert peak < 100e6


def test_a_model_beyond_the_limit_is_refused_before_it_is_compiled(data, monkeypatch):
    """Proves: the count of columns is taken from the structure; nothing of Pyomo is written first."""
    monkeypatch.setattr(problem, "MOST_COLUMNS", 1000)
    monkeypatch.setattr(problem, "compile_templates", lambda structure: pytest.fail("compiled all the same"))
    with pytest.raises(PlanError, match="columns"):
        solve(load_plan(shipped("models") / "quickstart.toml"), data, quick=True)
