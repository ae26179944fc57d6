"""How one run of HiGHS ended: its status, point, duals, bound and effort."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ..core.arrays import Floats

Status = Literal[
    "optimal",
    "time_limit",
    "infeasible",
    "unbounded",
    "infeasible_or_unbounded",
    "interrupted",
    "out_of_memory",
    "limit",
    "failed",
]


STATUS_OF: dict[str, Status] = {
    "kNotset": "failed",
    "kLoadError": "failed",
    "kModelError": "failed",
    "kPresolveError": "failed",
    "kSolveError": "failed",
    "kPostsolveError": "failed",
    "kModelEmpty": "optimal",
    "kOptimal": "optimal",
    "kInfeasible": "infeasible",
    "kUnboundedOrInfeasible": "infeasible_or_unbounded",
    "kUnbounded": "unbounded",
    "kObjectiveBound": "limit",
    "kObjectiveTarget": "limit",
    "kTimeLimit": "time_limit",
    "kIterationLimit": "limit",
    "kUnknown": "failed",
    "kSolutionLimit": "limit",
    "kInterrupt": "interrupted",
    "kHighsInterrupt": "interrupted",
    "kMemoryLimit": "out_of_memory",
}
"""Every status that HiGHS knows; unknown is never success. A model without columns is trivially optimal."""


@dataclass(frozen=True)
class Run:
    """Result of one HiGHS run. `x` and `objective` are None unless a feasible point may be used."""

    status: Status
    x: Floats | None
    objective: float | None
    bound: float
    seconds: float
    iterations: int
    nodes: int
    row_dual: Floats | None = None
    column_dual: Floats | None = None


def finite_or_none(value: float) -> float | None:
    return float(value) if math.isfinite(value) and abs(value) < 1e30 else None
