"""The L-shaped method from end to end: the relaxation, then plan and proof by branch and bound, on one master whose cuts stay.

It alone makes evaluator, search and tree.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from ..core.arrays import Floats
from ..core.outcome import OnProgress
from ..highs.run import Run, Status
from .branch_and_bound import BranchAndBound
from .evaluator import Evaluator
from .search import Search, StoppedByCallerError, best_tail
from .settings import SETTINGS
from .subproblems import OutOfTimeError, SubproblemSolution


class LShaped(Evaluator):
    """One model taken apart, and minimised: its cuts stay valid from one aim to the next."""

    def minimise(
        self,
        cost: Floats,
        start: Floats | None,
        *,
        gap: float,
        absolute_gap: float,
        offset: float = 0.0,
        time_limit_s: float = 3600.0,
        phase: str = "decomposed",
        on_progress: OnProgress | None = None,
    ) -> Run:
        """The best point of the whole model.

        cost: (columns,) only the master's may differ from those at the start, else ValueError. start: (columns,) a point to begin
        at, used where the master's rows allow it. Stops at objective - bound <= max(gap * |objective|, absolute_gap), but for
        rounding. Raises UntrustedError where a cluster has no answer.
        """
        moved = np.flatnonzero(cost != self._cost)
        if not np.isin(moved, self.parts.mine).all():
            raise ValueError("costs of clusters' columns stand for good: take the model apart again")
        begin = time.perf_counter()
        search = Search(self, cost, offset, begin, begin + time_limit_s, phase, on_progress, absolute_gap, gap)
        found = run(search, None if start is None else start[self.parts.mine])
        self.pool.keep(search.master.recently_tight)  # the next search starts with what this one ended with
        return found

    def fixed(
        self,
        cost: Floats,
        x: Floats,
        *,
        gap: float,
        absolute_gap: float,
        offset: float = 0.0,
        time_limit_s: float = 3600.0,
        phase: str = "prices",
    ) -> Run:
        """A point that has the integers of x and costs no more, and what right-hand sides are worth there.

        x: (columns,) a point that a search has found; where its integers are exact it is taken as it stands, since its rows
        may be kept to the solver's tolerance only.

        Rounds end within `Search.gap_share` of the gap asked, or after `SearchSettings.fixed_integer_rounds`; the bound says how
        close. Duals are those of the master for its own rows, and in scenarios those of its cluster where the master's columns
        stand; columns of clusters have none (NaN). Raises UntrustedError where a cluster has no answer; `time_limit` has no point.
        """
        begin = time.perf_counter()
        search = Search(self, cost, offset, begin, begin + time_limit_s, phase, None, absolute_gap, gap)
        status: Status = "time_limit"
        with suppress(OutOfTimeError):
            found = self.point(x[self.parts.mine])
            y = found.copy()
            y[self.decisions] = np.round(y[self.decisions])
            if np.array_equal(y, found) or self.allowed(y):
                search.evaluate(y, answer=True)
            search.solve_fixed_integers(y[self.decisions], "close", best=search.best)
            last = search.run_master()
            if (
                search.best is not None
                and last.row_dual is not None
                and last.column_dual is not None
                and last.objective is not None
            ):
                answers = self._answers(search.best.y, range(len(self.parts.clusters)), search.deadline, "duals")
                return self._with_duals(
                    search, last.row_dual, last.column_dual, min(last.objective, search.objective), answers
                )
            status = "failed" if last.status == "optimal" else last.status
        return Run(status, None, None, -math.inf, search.taken, search.iterations, 0)

    def _with_duals(
        self, search: Search, rows: Floats, columns: Floats, bound: float, answers: Sequence[SubproblemSolution]
    ) -> Run:
        """The best answer of a search in full, with the master's duals and the clusters'."""
        assert search.best is not None
        own, ours, size = len(self.parts.mine), len(self.parts.rows), self.assembly.shape
        x, row_dual, column_dual = np.zeros(size[1]), np.zeros(size[0]), np.full(size[1], np.nan)
        x[self.parts.mine], column_dual[self.parts.mine], row_dual[self.parts.rows] = (
            search.best.y,
            columns[:own],
            rows[:ours],
        )
        for cluster, answer in zip(self.parts.clusters, answers, strict=True):
            assert answer.x is not None
            assert answer.duals is not None
            x[cluster.columns], row_dual[cluster.rows] = answer.x, answer.duals
        x, _ = best_tail(self, search.cost, x)
        objective = float(search.cost @ x) + search.offset
        return Run(
            "optimal", x, objective, min(bound, objective), search.taken, search.iterations, 0, row_dual, column_dual
        )


def run(search: Search, start: Floats | None) -> Run:
    """Search from a point of the master's columns, until a limit or the caller stops it."""
    try:
        status = phases(search, start)
    except OutOfTimeError:
        status = "time_limit"
    except StoppedByCallerError:
        status = "interrupted"
    return search.finished(status)


def phases(search: Search, start: Floats | None) -> Status:
    """All of them: the relaxation, and where there are integers, plan and proof."""
    mixed = len(search.of.decisions) > 0
    begin = None
    if start is not None and search.of.allowed(start):
        begin, _ = search.evaluate(search.of.point(start), answer=True)
    status = search.linear(begin, search.gap_share(SETTINGS.linear_gap_share) if mixed else 1.0, answer=not mixed)
    if status not in ("optimal", "limit"):
        return status
    return integral(search) if mixed else search.at_corner(status)


def integral(search: Search) -> Status:
    """Branch and bound from the relaxation, held by the cuts that are tight in it."""
    assert search.root is not None
    search.master.trim(idle=0)
    return BranchAndBound(search, search.root).explore()
