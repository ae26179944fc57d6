"""What a run of HiGHS leaves: a checked status, and values only where it says that they may be used."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.arrays import Floats
from .run import STATUS_OF, BriefRun, Duals, Run, SolvedRun, Status, UnsolvedRun
from .settings import ERROR, FEASIBLE
from .units import SolverUnits


@dataclass(frozen=True)
class Ended:
    """An instance of HiGHS whose run has just ended."""

    highs: Any
    units: SolverUnits
    answered: Any
    """What HiGHS returned."""
    seconds: float
    wasted: int
    """Iterations of a start that led nowhere."""

    @property
    def verdict(self) -> Status | None:
        """Status of the run; None where HiGHS returned an error, but for a lack of memory."""
        name = self.highs.getModelStatus().name
        return None if self.answered == ERROR and name != "kMemoryLimit" else STATUS_OF.get(name, "failed")

    @property
    def failed(self) -> UnsolvedRun:
        """The run, of which nothing is believed."""
        return UnsolvedRun(status="failed", bound=-math.inf, seconds=self.seconds, iterations=self.wasted)

    def iterations(self, info: Any) -> int:
        """Iterations in all."""
        return self.wasted + int(info.simplex_iteration_count)


def read_search(end: Ended, costs: Callable[[float, Floats], bool]) -> Run:
    """A search for integers: its best point where it ended or a limit stopped it.

    costs: whether an objective is that of a point; where it is not, the point is no answer.
    """
    verdict, info, units = end.verdict, end.highs.getInfo(), end.units
    if verdict is None:
        return end.failed
    bound = _bound(float(info.mip_dual_bound) * units.money)
    iterations, nodes = end.iterations(info), int(max(0, info.mip_node_count))
    incumbent = info.primal_solution_status == FEASIBLE
    if verdict == "optimal" or (incumbent and verdict in ("time_limit", "limit", "interrupted")):
        x = units.point(np.array(end.highs.getSolution().col_value, dtype=float))
        objective = float(info.objective_function_value) * units.money
        if not costs(objective, x):
            return end.failed
        return SolvedRun(
            status=verdict,
            x=x,
            objective=objective,
            bound=bound,
            seconds=end.seconds,
            iterations=iterations,
            nodes=nodes,
        )
    return UnsolvedRun(status=verdict, bound=bound, seconds=end.seconds, iterations=iterations, nodes=nodes)


def read_linear(end: Ended) -> Run:
    """A linear program: its point and, where HiGHS vouches for them, its duals. One that was stopped has no vertex."""
    verdict, info, units = end.verdict, end.highs.getInfo(), end.units
    if verdict is None:
        return end.failed
    if verdict != "optimal":
        return UnsolvedRun(status=verdict, bound=-math.inf, seconds=end.seconds, iterations=end.iterations(info))
    solution, objective = end.highs.getSolution(), float(info.objective_function_value) * units.money
    duals = None
    if solution.dual_valid:
        rows, columns = np.array(solution.row_dual, dtype=float), np.array(solution.col_dual, dtype=float)
        duals = Duals(units.row_prices(rows), units.column_prices(columns))
    return SolvedRun(
        status="optimal",
        x=units.point(np.array(solution.col_value, dtype=float)),
        objective=objective,
        bound=_bound(objective),
        seconds=end.seconds,
        iterations=end.iterations(info),
        duals=duals,
    )


def read_brief(end: Ended) -> BriefRun | UnsolvedRun:
    """A linear program without its point; failed where HiGHS does not vouch for the reduced costs."""
    verdict, info, units = end.verdict, end.highs.getInfo(), end.units
    if verdict is None:
        return end.failed
    if verdict != "optimal":
        return UnsolvedRun(status=verdict, bound=-math.inf, seconds=end.seconds, iterations=end.iterations(info))
    solution, objective = end.highs.getSolution(), float(info.objective_function_value) * units.money
    if not solution.dual_valid:
        return end.failed
    return BriefRun(
        objective=objective,
        reduced_costs=units.column_prices(np.array(solution.col_dual, dtype=float)),
        bound=_bound(objective),
        seconds=end.seconds,
        iterations=end.iterations(info),
    )


def _bound(value: float) -> float:
    """A bound as the solver states it; -inf where it states none."""
    return value if math.isfinite(value) else -math.inf
