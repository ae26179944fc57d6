"""What a process shares between solves: nothing that one solve does is seen by another, and what stays is listed."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from strategic_minerals.model.assembly import Assembly
from strategic_minerals.model.problem import prepare
from strategic_minerals.optimization.optimise import optimise
from strategic_minerals.optimization.protocol import with_reference
from tiny import offer, source, tiny


def diversified() -> tuple[Any, Any]:
    """Half of the demand has to come from home, which makes next to nothing: the reference caps shortfall on the trunk."""
    return tiny(
        {"x": 60.0},
        sources={"far": source("CHN", "x", 6.0), "near": source("USA", "x", 2.0)},
        demand={"x": 10.0},
        loss=340.0,
        offers={"spot": offer("x", 3.0)},
        diversification=[
            {
                "material": "x",
                "kind": "least_share",
                "group": "home",
                "share": 0.2,
                "from_year": 2027,
                "penalty_usd_per_kg": 5.0,
            }
        ],
    )


def arrays(assembly: Assembly) -> dict[str, Any]:
    """A copy of every array of a model."""
    assert is_dataclass(assembly)
    return {
        f.name: getattr(assembly, f.name).copy()
        for f in fields(assembly)
        if isinstance(getattr(assembly, f.name), np.ndarray)
    }


def test_a_problem_that_was_solved_is_as_it_was_before() -> None:
    """Proves: limits that are measured against the reference stand in a problem of their own; the frozen one keeps its arrays, so
    that two threads may solve it, and a second solve finds what the first one found."""
    problem = prepare(*diversified())
    before = arrays(problem.assembly)
    limited, z0 = with_reference(problem, 60.0)
    assert not np.array_equal(limited.assembly.row_upper, before["row_upper"])
    assert limited.assembly.value is problem.assembly.value  # a copy of one array, not of the matrix
    first = optimise(problem, gap=0.0, time_limit_s=60.0)
    second = optimise(problem, gap=0.0, time_limit_s=60.0)
    after = arrays(problem.assembly)
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert np.array_equal(first.z0, z0)
    assert np.array_equal(first.x, second.x)
