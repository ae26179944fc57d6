"""Rounds between master and clusters: first the linear relaxation, then integers settled choice by choice.

Rounds ask between the best point known and the master's (in-out separation, Ben-Ameur and Neto 2007). Integers are found by
branch and bound on the same master (`BranchAndBound`); each choice gets linear rounds of its own. Bounds are true: the master's
from below, evaluated points from above.
"""

from __future__ import annotations

import logging
import math
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ..core.arrays import Floats
from ..core.errors import UntrustedError
from ..core.logs import logger_of
from ..core.outcome import OnProgress, Progress
from ..highs.run import Run, SolvedRun, Status, UnsolvedRun
from .evaluator import Evaluated, Evaluator
from .master import Master, open_bounds
from .settings import SETTINGS
from .subproblems import OutOfTimeError

LOG = logger_of(__name__)

Effort = Literal["improve", "coarse", "close", "exact"]
"""How integers are settled: until a share of what is open between bound and plan is left or `SearchSettings.coarse_rounds` are
over, until a share of the gap asked is left, or nothing. To better the plan: like coarsely, and as long as they may better it by a
little, where others end at what the gap asked allows.
"""
ROUGH: tuple[Effort, ...] = ("improve", "coarse")


class StoppedByCallerError(Exception):
    """The caller wants no more."""


@dataclass
class Search:
    """One minimisation."""

    of: Evaluator
    cost: Floats
    offset: float
    begin: float
    deadline: float
    phase: str
    on_progress: OnProgress | None
    absolute_gap: float
    gap: float
    bound: float = -math.inf
    """What every answer costs at least, as far as known  [million USD against Z0]."""
    best: Evaluated | None = None
    """The best point that is an answer: integers whole."""
    root: SolvedRun | None = None
    """The last run of the master without integers fixed."""
    centre: Floats | None = None
    """Where the relaxation costs least, as far as known; master's columns."""
    iterations: int = 0
    nodes: int = 0
    held_up: bool = False
    """Whether every group of clusters has had a cut that holds its cost up."""
    given_up: int = 0
    """Nodes left out because the master's linear program had no answer there."""
    master: Master = field(init=False)

    def __post_init__(self) -> None:
        self.master = self.of.master(self.cost, self.offset)

    @property
    def taken(self) -> float:
        """Seconds since it began."""
        return time.perf_counter() - self.begin

    @property
    def objective(self) -> float:
        """Cost of the best answer."""
        return math.inf if self.best is None else self.best.total

    @property
    def cutoff(self) -> float:
        """What is sure to cost as much is of no use: no better than the best answer, but for the gap asked."""
        return self.objective - self.tolerance(self.objective) if self.best is not None else math.inf

    def left(self) -> float:
        """Seconds left. Raises OutOfTimeError where none are."""
        left = self.deadline - time.perf_counter()
        if left <= 0:
            raise OutOfTimeError
        return max(SETTINGS.least_solve_s, left)

    def gap_share(self, share: float) -> float:
        """A share of the gap asked at which rounds end, or more where they are expensive."""
        return share if self.of.parts.kept else max(share, SETTINGS.dear_gap_share)

    def tolerance(self, objective: float, share: float = 1.0) -> float:
        """What objective and bound may lie apart: a share of the gap asked, and rounding."""
        rounding = SETTINGS.rounding * (1 + abs(objective) + abs(self.offset))
        return share * max(self.absolute_gap, self.gap * abs(objective)) + rounding

    def is_closed(self, objective: float, bound: float, share: float = 1.0) -> bool:
        """Whether a bound is close enough to an objective."""
        return math.isfinite(objective) and objective - bound <= self.tolerance(objective, share)

    def is_answered(self) -> bool:
        """Whether integers are whole in a plan within the gap asked: the start of a variant often is one."""
        return len(self.of.decisions) > 0 and self.is_closed(self.objective, self.bound)

    def run_master(self) -> Run:
        """Solve the master as it stands. Raises OutOfTimeError."""
        return self.counted(self.master.run(self.left(), self.phase))

    def counted(self, run: Run) -> Run:
        """A run of the master, taken into account. Raises OutOfTimeError."""
        self.iterations += run.iterations
        if run.status == "time_limit":
            raise OutOfTimeError
        self.held_up = self.held_up or self.holds_up(run)
        return run

    def evaluate(self, y: Floats, *, answer: bool) -> tuple[Evaluated, bool]:
        """Ask all clusters at a point, kept where it is the best answer; whether the master learned anything."""
        found = self.of.evaluate(y, self.cost, self.offset, self.deadline)
        self.iterations += found.iterations
        if answer and found.total < self.objective:
            self.best = found
            self.log("better plan", logging.INFO if len(self.of.decisions) else logging.DEBUG)
        return found, self.master.add_cuts(found.cuts)

    def add_cuts_near(self, y: Floats) -> bool:
        """Ask about a point whose cost is no matter: all clusters, or where rounds are expensive the groups that the master knows
        least; whether it learned anything.
        """
        if self.of.parts.kept:
            return self.evaluate(y, answer=False)[1]
        cuts, iterations = self.of.add_cuts(
            self.master.most_violated_groups(SETTINGS.dear_group_share), y, self.deadline
        )
        self.iterations += iterations
        return self.master.add_cuts(cuts)

    def report_progress(self) -> None:
        """Report what is known of answers. Raises StoppedByCallerError where the caller wants to stop."""
        if self.on_progress is None:
            return
        objective = None if self.best is None else self.best.total
        bound = self.bound if math.isfinite(self.bound) else None
        gap = None if objective is None or bound is None else abs(objective - bound) / max(1e-9, abs(objective))
        if self.on_progress(Progress(self.phase, self.taken, objective, bound, gap)) is True:
            raise StoppedByCallerError

    def log(self, what: str, level: int = logging.DEBUG) -> None:
        """Write down where the search stands, if anybody reads it."""
        if LOG.isEnabledFor(level):
            LOG.log(
                level,
                "%s: %s, best %.3f, bound %.3f million USD, %d cuts, %d nodes, %d iterations, %.3f s",
                self.phase,
                what,
                self.objective,
                self.bound,
                len(self.of.pool),
                self.nodes,
                self.iterations,
                self.taken,
            )

    def at_corner(self, status: Status) -> Status:
        """Where no gap was allowed, ask once more where the relaxation has its corner: rounds end on the way there, a hair above
        the least cost, and what costs next to nothing may stand elsewhere on the way.
        """
        if self.gap > SETTINGS.rounding or self.absolute_gap > 0:
            return status
        with suppress(OutOfTimeError):
            run = self.run_master()
            if isinstance(run, SolvedRun):
                found, _ = self.evaluate(self.of.point(run.x), answer=False)
                self.best = found if found.total <= self.objective else self.best
        return status

    def linear(self, best: Evaluated | None, share: float, *, answer: bool) -> Status:
        """Rounds on the linear relaxation, until the gap is a share of the one asked or no round finds anything new."""
        step = SETTINGS.in_out_step
        for _ in range(SETTINGS.most_rounds):
            run = self.run_master()
            if isinstance(run, UnsolvedRun):
                return run.status
            before, self.root = self.bound, run
            self.raise_bound(run)
            self.log("round")
            if best is not None:
                self.centre = best.y
                if self.is_closed(best.total, self.bound, share) or self.is_answered():
                    return "optimal"
            self.report_progress()
            out = self.of.point(run.x)
            at = out if best is None else best.y + step * (out - best.y)
            found, fresh = self.evaluate(at, answer=answer)
            better = best is None or found.total < best.total
            if not (better or fresh) and step == 1.0:
                return self.nothing_new()
            step = (
                SETTINGS.in_out_step if better or self.bound > before + SETTINGS.rounding * (1 + abs(before)) else 1.0
            )
            best = found if better else best
        return "limit"

    def raise_bound(self, run: Run) -> None:
        """Take a master's bound, once every group of clusters has a cut that holds its cost up."""
        if self.holds_up(run):
            self.raise_bound_to(min(run.bound, self.objective))

    def holds_up(self, run: Run) -> bool:
        """Whether cuts, and not the floor under every group, hold up what the clusters cost in a run of the master."""
        return isinstance(run, SolvedRun) and bool(
            (run.x[len(self.of.parts.mine) :] > SETTINGS.least_theta * (1 - SETTINGS.rounding)).all()
        )

    def raise_bound_to(self, bound: float) -> None:
        """Take a bound where it says something: not before every group's cost is held up, nor where there is nothing to bound."""
        if self.held_up and math.isfinite(bound):
            self.bound = max(self.bound, bound)

    def nothing_new(self) -> Status:
        """Clusters say what the master knows: as close as arithmetic comes."""
        if not math.isfinite(self.bound):
            raise UntrustedError(f"a group of scenarios costs less than {SETTINGS.least_theta:g} million USD")
        return "optimal"

    def widest(self) -> tuple[Floats, Floats]:
        """(lower, upper) of decisions, then of their sums, where nothing is held."""
        return open_bounds(self.of.parts.master, self.of.decisions, self.of.sums)

    def enough(self, total: float, how: Effort) -> float:
        """What a plan may cost more than the bound of its integers for them to count as settled  [million USD]."""
        share = 0.0 if how == "exact" else self.gap_share(SETTINGS.fixed_integer_gap_share)
        open_ = min(total, self.objective) - self.bound
        return max(
            self.tolerance(total, share),
            SETTINGS.coarse_share * open_ if how in ROUGH and math.isfinite(open_) else 0.0,
        )

    def pruned_from(self, how: Effort) -> float:
        """Cost from which on a choice of integers is not settled any further [million USD]: it is sure to cost as much."""
        if how == "improve":
            return self.objective - self.tolerance(self.objective, SETTINGS.improvement_share)
        return self.objective if how == "exact" else self.cutoff

    def solve_fixed_integers(self, whole: Floats, how: Effort, best: Evaluated | None = None) -> bool:
        """Linear rounds with integers fixed: their best plan, as far as it may be of use, and cuts around it.

        They end as `enough` says, and earlier where the best plan is another one that is no worse but for the gap.
        best: a plan with these integers. Whether the master learned anything.
        """
        lower, upper = self.widest()
        lower[: len(whole)] = upper[: len(whole)] = whole
        self.master.bound(lower, upper)
        bound, step, learned = -math.inf, SETTINGS.in_out_step, False
        for n in range(SETTINGS.coarse_rounds if how in ROUGH else SETTINGS.fixed_integer_rounds):
            run = self.run_master()
            if isinstance(run, UnsolvedRun):
                break
            before, bound = bound, max(bound, run.objective)
            if best is not None:
                beaten = best.total > self.objective and bound >= self.pruned_from(how)
                if (beaten and n >= SETTINGS.least_rounds) or best.total - bound <= self.enough(best.total, how):
                    break
            self.report_progress()
            out = self.restore_feasibility(run.x, whole)
            y = out if best is None else best.y + step * (out - best.y)
            y[self.of.decisions] = whole
            found, fresh = self.evaluate(y, answer=self.of.allowed(y))
            learned = learned or fresh
            better = best is None or found.total < best.total
            if not (better or fresh) and step == 1.0:
                break
            step = SETTINGS.in_out_step if better or bound > before + SETTINGS.rounding * (1 + abs(before)) else 1.0
            best = found if better else best
        self.log(f"integers settled ({how})")
        return learned

    def restore_feasibility(self, x: Floats, whole: Floats) -> Floats:
        """A point of the master with its integers exact. Rows that this breaks are held tighter, a few times at most: a solver
        that holds a thousand signatures to 1e-7 each overdraws a budget by a thousand dollars once they are rounded (seen at 5,000
        scenarios).
        """
        y = self.of.point(x)
        y[self.of.decisions] = whole
        held = np.zeros(len(self.of.parts.master.row_lower))
        for _ in range(SETTINGS.most_restorations):
            off = self.master.mendable(y)
            if not off.any():
                break
            held += off
            run = self.counted(self.master.run_within(held, self.left(), self.phase))
            if isinstance(run, UnsolvedRun):
                break
            y = self.of.point(run.x)
            y[self.of.decisions] = whole
        return y

    def finished(self, status: Status) -> Run:
        """The best answer in full, with its bounds."""
        seconds = self.taken
        if self.given_up:
            LOG.warning("%s: left out %d nodes whose linear program had no answer", self.phase, self.given_up)
        if status == "failed" and self.best is not None:  # what is known stands
            status = "limit"
        if self.best is None or status not in ("optimal", "time_limit", "interrupted", "limit"):
            return UnsolvedRun(
                status="failed" if status == "optimal" else status,
                bound=self.bound,
                seconds=seconds,
                iterations=self.iterations,
                nodes=self.nodes,
            )
        x, saved = best_tail(self.of, self.cost, self.of.full(self.best))
        objective = self.best.total - saved
        return SolvedRun(
            status=status,
            x=x,
            objective=objective,
            bound=min(self.bound, objective),
            seconds=seconds,
            iterations=self.iterations,
            nodes=self.nodes,
        )


def best_tail(of: Evaluator, cost: Floats, x: Floats) -> tuple[Floats, float]:
    """(point, what it saves): value at risk and tails as good as the losses of the scenarios allow  [million USD].

    Between two points of the master the value at risk lies between theirs, which need not be the best. Minimising
    eta + sum w max(0, L - eta) over eta: a loss at which the weights of larger ones no longer exceed the weight of eta
    (Rockafellar and Uryasev 2000).
    """
    scenario = of.assembly.scenarios
    if scenario is None or not of.structure.uses_risk:
        return x, 0.0
    eta = of.assembly.commitments.columns("value_at_risk", None)[0]
    loss, tail = scenario.columns("scenario_loss", None), scenario.columns("tail", None)
    order = np.argsort(x[loss])[::-1]
    beyond = np.cumsum(cost[tail][order])
    k = int(np.searchsorted(beyond, cost[eta] * (1 - SETTINGS.rounding)))
    best = float(x[loss][order[k]]) if k < len(order) else 0.0
    moved = x.copy()
    moved[eta], moved[tail] = best, np.maximum(0.0, x[loss] - best)
    saved = float(cost @ x - cost @ moved)
    return (moved, saved) if saved > 0 else (x, 0.0)
