"""Requests too large to be answered are refused before they are built (failure mode R26)."""

import tracemalloc

import pytest

from strategic_minerals import PlanError, load_dataset, load_plan, shipped, solve
from strategic_minerals.matrix import problem


def test_a_model_beyond_the_limits_is_refused_before_it_is_compiled(monkeypatch):
    """Proves: R26. The refusal names the field and the sizes, and costs no more memory than reading the plan; columns are counted
    in the structure, and nothing of Pyomo is written first."""
    data, many = load_dataset(shipped("inputs")), {"sample.scenarios": 100_000, "sample.draws": 100_000}
    monkeypatch.setattr(problem, "compile_templates", lambda structure: pytest.fail("compiled all the same"))
    tracemalloc.start()
    with pytest.raises(PlanError) as refused:
        solve(load_plan(shipped("models") / "critical-minerals.toml", many), data, quick=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    fault = refused.value.faults[0]
    assert fault.column == "sample.scenarios"
    assert "100,000 scenarios" in fault.found
    assert peak < 100e6
    monkeypatch.setattr(problem, "MOST_COLUMNS", 1000)
    with pytest.raises(PlanError, match="columns"):
        solve(load_plan(shipped("models") / "quickstart.toml"), data, quick=True)
