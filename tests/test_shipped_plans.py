"""Every shipped plan loads, passes its checks and solves."""

from __future__ import annotations

import pytest

from strategic_minerals import load_dataset, load_plan, shipped, solve
from strategic_minerals.checks import check_data

PLANS = sorted(shipped("models").glob("*.toml"))


@pytest.fixture(scope="module")
def data():
    return load_dataset(shipped("inputs"))


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_a_shipped_plan_has_no_fault(path, data):
    assert check_data(load_plan(path), data) == []


def test_the_quickstart_is_solved_to_optimality(data):
    result = solve(load_plan(shipped("models") / "quickstart.toml"), data)
    assert result.outcome.reason in ("optimal", "within_gap")
    assert result.outcome.objective_musd < 0
    assert result.audited.passed
