"""Whose shortage is told by itself is a column of the table of demand, not a name."""

from __future__ import annotations

import pytest

from strategic_minerals import check, solve
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.studies.stress import _promises
from support.tiny import KT, cut, source, tiny


@pytest.mark.parametrize(
    ("priority", "segment", "told"), [(1, "forces", True), (None, "forces", False), (3, "defence", False)]
)
def test_the_column_says_whose_shortage_is_told(priority: int | None, segment: str, told: bool) -> None:
    """Proves: a segment of any name that `demand` gives priority 1 is told as defence is, in the plan, by the audit and as what
    reverse stress asks about; without it, and of a segment that a row gives priority 3, nothing is."""
    plan, data = tiny(
        {"a": 1.0},
        sources={"far": source("CHN", "a", 20.0)},
        demand={("a", "civil"): 10.0, ("a", segment): 10.0},
        scenarios=[cut("stop", 0.5, 2028.0, 1.0)],
    )
    frame = data.frame("demand")
    frame["priority"] = [priority if name == segment else None for name in frame["segment"]]
    result = solve(plan, data.replace(demand=frame), gap=0.0, quick=True)
    short = float(result.tables["scenario_losses"].defence_shortfall_t.sum())
    assert short == pytest.approx(10 * KT if told else 0.0)
    assert result.audit().passed
    assert [p.segment for p in _promises(result, prepare(plan, data.replace(demand=frame)).natural)] == [segment] * told


def test_a_use_has_one_priority() -> None:
    """Proves: rows of other years that say another priority of the same use are a fault with table, row and column."""
    plan, data = tiny(
        {"a": 1.0}, sources={"far": source("CHN", "a", 20.0)}, demand={("a", "defence"): {2027: 10.0, 2028: 5.0}}
    )
    frame = data.frame("demand")
    frame["priority"] = [1, 2]
    (fault,) = check(plan, data.replace(demand=frame)).faults
    assert (fault.file, fault.row, fault.column, fault.found) == ("demand.csv", "a/defence/2028", "priority", "2")
