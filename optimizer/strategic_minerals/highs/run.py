"""How a run ended: with a point or without one, its status, bound and effort."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ..core.arrays import Floats
from ..core.errors import UntrustedError

SolvedStatus = Literal["optimal", "time_limit", "interrupted", "limit"]
"""Statuses beside which a point may be used."""
UnsolvedStatus = Literal[
    "time_limit",
    "infeasible",
    "unbounded",
    "infeasible_or_unbounded",
    "interrupted",
    "out_of_memory",
    "limit",
    "failed",
]
"""Statuses without a point: all but optimal."""
Status = SolvedStatus | UnsolvedStatus

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
class Duals:
    """Prices at the best point of a linear program."""

    row: Floats
    """(rows,) what the cost changes by with each right-hand side  [million USD by the row's own unit]."""
    column: Floats
    """(columns,) reduced costs, likewise; NaN where none is known."""


@dataclass(frozen=True, kw_only=True)
class _Ended:
    """What every run tells."""

    bound: float
    """What every point costs at least, as far as known  [million USD]; -inf where nothing is."""
    seconds: float
    iterations: int = 0
    """Of the simplex method, those of all nodes."""
    nodes: int = 0


@dataclass(frozen=True, kw_only=True)
class SolvedRun(_Ended):
    """A run that ended with a feasible point."""

    status: SolvedStatus
    x: Floats
    """(columns,)"""
    objective: float
    """Cost of the point, with the model's offset  [million USD]."""
    duals: Duals | None = None
    """None where integers were sought, and where the solver vouches for none."""

    @property
    def prices(self) -> Duals:
        """Its duals. Raises UntrustedError where there are none: for linear programs, which have them."""
        if self.duals is None:
            raise UntrustedError("a linear program was solved without prices")
        return self.duals


@dataclass(frozen=True, kw_only=True)
class UnsolvedRun(_Ended):
    """A run without a point that may be used: no values, whatever the solver holds."""

    status: UnsolvedStatus


Run = SolvedRun | UnsolvedRun


@dataclass(frozen=True, kw_only=True)
class BriefRun(_Ended):
    """The optimum of a linear program without its point, which takes a while to read where the program is large."""

    objective: float
    """[million USD]"""
    reduced_costs: Floats
    """(columns,) million USD by a column's own unit."""


def finite_or_none(value: float) -> float | None:
    return float(value) if math.isfinite(value) and abs(value) < 1e30 else None
