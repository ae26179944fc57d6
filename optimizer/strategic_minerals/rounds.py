"""Rounds between master and clusters: in-out on the linear relaxation, then mixed-integer masters settled choice by choice.

The linear phase asks between the best point known and the master's (in-out separation, Ben-Ameur and Neto 2007). Then the
mixed-integer master is solved again and again with the cuts found: first over the decisions that the relaxation likes, for a
plan, then over all that reduced costs do not rule out, for a proof; each choice of whole numbers gets its linear rounds, which are
cheap beside another master. Bounds are true: the master's from below, evaluated points from above.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .clusters import LEAST_THETA, WHOLE, OutOfTimeError
from .errors import UntrustedError
from .instance import Floats, Ints
from .solver import Model, OnProgress, Progress, Run, Status

if TYPE_CHECKING:
    from .decompose import Decomposition, Evaluated

STEP = 0.5
"""How far a round goes from the best point to the master's."""
MOST_ROUNDS = 500
LINEAR_SHARE = 0.1
"""The linear phase of a mixed-integer problem ends at this share of the gap asked."""
NARROW = 2.0
"""Reduced cost, in shares of the gap asked, beyond which the first mixed-integer rounds leave a decision out."""
NARROW_ROUNDS = 20
SETTLING_ROUNDS = 40
LEAST_ROUNDS = 3
"""Linear rounds that every choice gets: their cuts spare masters."""
SETTLED = 0.1
"""Share of the gap asked at which the linear rounds of one choice of whole numbers end."""
EARLIER = 3
"""Further choices of a master's way to its best that are settled beside it."""
MASTER_SHARE = 0.3
"""Share of the gap asked that each mixed-integer master may leave open."""
ROUNDING = 1e-9
"""Difference of two sums, relative to the costs in them, that counts as none."""
LEAST_S = 0.05
"""Seconds that a solve gets at least."""


class _StoppedError(Exception):
    """The caller wants no more."""


@dataclass
class Search:
    """One minimisation."""

    of: Decomposition
    cost: Floats
    offset: float
    begin: float
    deadline: float
    phase: str
    on_progress: OnProgress | None
    absolute_gap: float
    gap: float
    bound: float = -math.inf
    best: Evaluated | None = None
    """The best point that is an answer: whole numbers whole."""
    relaxed: Model | None = None
    """The master's linear relaxation, with every cut."""
    root: Run | None = None
    """Its last run without whole numbers fixed."""
    iterations: int = 0
    nodes: int = 0

    @property
    def objective(self) -> float:
        """Cost of the best answer."""
        return math.inf if self.best is None else self.best.total

    def left(self) -> float:
        """Seconds left. Raises OutOfTimeError where none are."""
        left = self.deadline - time.perf_counter()
        if left <= 0:
            raise OutOfTimeError
        return max(LEAST_S, left)

    def room(self, objective: float, share: float = 1.0) -> float:
        """What objective and bound may lie apart: a share of the gap asked, and rounding."""
        rounding = ROUNDING * (1 + abs(objective) + abs(self.offset))
        return share * max(self.absolute_gap, self.gap * abs(objective)) + rounding

    def closed(self, objective: float, bound: float, share: float = 1.0) -> bool:
        """Whether a bound is close enough to an objective."""
        return math.isfinite(objective) and objective - bound <= self.room(objective, share)

    def evaluate(self, y: Floats, *models: Model, answer: bool) -> Evaluated:
        """Ask all clusters at a point; new cuts go to the models; kept where it is the best answer."""
        found = self.of.evaluate(y, self.cost, self.offset, self.deadline)
        self.iterations += found.iterations
        for model in models:
            for columns, factors, right in found.cuts:
                model.add_row(columns, factors, right, math.inf)
        if answer and found.total < self.objective:
            self.best = found
        return found

    def tell(self) -> None:
        """Report what is known of answers. Raises _StoppedError where the caller wants to stop."""
        if self.on_progress is None:
            return
        objective = None if self.best is None else self.best.total
        bound = self.bound if math.isfinite(self.bound) else None
        gap = None if objective is None or bound is None else abs(objective - bound) / max(1e-9, abs(objective))
        if self.on_progress(Progress(self.phase, time.perf_counter() - self.begin, objective, bound, gap)) is True:
            raise _StoppedError

    def run(self, start: Floats | None) -> Run:
        """Search from a point, until a limit or the caller stops it."""
        try:
            status = self.phases(start)
        except OutOfTimeError:
            status = "time_limit"
        except _StoppedError:
            status = "interrupted"
        return self.finished(status)

    def phases(self, start: Floats | None) -> Status:
        """All of them: the relaxation, and where there are whole numbers, plan and proof."""
        mixed = len(self.of.integers) > 0
        self.relaxed = self.of.master(self.cost, self.offset, integer=False)
        begin = None
        if start is not None and self.of.allowed(start):
            begin = self.evaluate(self.of.point(start[self.of.parts.mine]), self.relaxed, answer=True)
        status = self.linear(begin, LINEAR_SHARE if mixed else 1.0, answer=not mixed)
        if not mixed or status not in ("optimal", "limit"):
            return status
        return self.integral()

    def linear(self, best: Evaluated | None, share: float, *, answer: bool) -> Status:
        """Rounds on the linear relaxation, until the gap is a share of the one asked or no round finds anything new."""
        model, step = self.relaxed, STEP
        assert model is not None
        for _ in range(MOST_ROUNDS):
            run = model.run(time_limit_s=self.left(), phase=self.phase)
            self.iterations += run.iterations
            if run.x is None or run.objective is None:
                return run.status
            before, self.root = self.bound, run
            self.raise_bound(run)
            if best is not None and self.closed(best.total, self.bound, share):
                return "optimal"
            self.tell()
            out = self.of.point(run.x)
            at = out if best is None else best.y + step * (out - best.y)
            found = self.evaluate(at, model, answer=answer)
            better = best is None or found.total < best.total
            if not (better or found.cuts) and step == 1.0:
                return self.nothing_new()
            step = STEP if better or self.bound > before + ROUNDING * (1 + abs(before)) else 1.0
            best = found if better else best
        return "limit"

    def raise_bound(self, run: Run) -> None:
        """Take a master's bound, once every cluster has a cut that holds its cost up."""
        assert run.x is not None
        if (run.x[len(self.of.parts.mine) :] > LEAST_THETA * (1 - ROUNDING)).all():
            self.bound = max(self.bound, min(run.bound, self.objective))

    def nothing_new(self) -> Status:
        """Clusters say what the master knows: as close as arithmetic comes."""
        if not math.isfinite(self.bound):
            raise UntrustedError(f"a cluster of worlds costs less than {LEAST_THETA:g} million USD")
        return "optimal"

    def integral(self) -> Status:
        """A plan from the decisions that the relaxation likes, then the proof over all that reduced costs leave open."""
        assert self.root is not None
        assert self.root.objective is not None
        liked = NARROW * max(self.absolute_gap, self.gap * abs(self.root.objective))
        if self.mixed(liked, NARROW_ROUNDS, proof=False) == "optimal" and self.closed(self.objective, self.bound):
            return "optimal"
        hair = WHOLE * (1 + abs(self.offset) + abs(self.root.objective))
        return self.mixed(self.objective - self.root.objective + hair, MOST_ROUNDS, proof=True)

    def mixed(self, worth: float, rounds: int, *, proof: bool) -> Status:
        """Rounds on the mixed-integer master, without decisions that cost `worth` or more against the relaxation.

        proof: `worth` is at least what separates the best plan from the relaxation, so that what is left out leads to no better
        plan (reduced cost fixing), and the master's bound is one for all decisions.
        """
        model, tried = self.of.master(self.cost, self.offset, integer=True), set[bytes]()
        model.set_bounds(*self.ruled_out(worth))
        for _ in range(rounds):
            if self.best is not None:
                model.set_start(np.concatenate([self.best.y[self.of.parts.mine], self.best.thetas]))
            run = model.run(
                time_limit_s=self.left(), gap=MASTER_SHARE * self.gap, absolute_gap=MASTER_SHARE * self.absolute_gap,
                phase=self.phase, on_progress=None if self.on_progress is None else self.watch,
            )  # fmt: skip
            self.iterations, self.nodes = self.iterations + run.iterations, self.nodes + run.nodes
            if run.status == "interrupted":
                raise _StoppedError
            if run.x is None:
                if proof and run.status == "infeasible" and self.best is not None:
                    self.bound = max(self.bound, self.objective)
                    return "optimal"
                return run.status
            if proof:
                self.raise_bound(run)
            at = self.of.place(self.of.integers)
            whole = np.round(run.x[at])
            again = whole.tobytes() in tried
            tried.add(whole.tobytes())
            fresh = self.settle(whole, model, 0.0 if again else SETTLED)
            for other in run.earlier[:EARLIER]:
                choice = np.round(other[at])
                if choice.tobytes() not in tried and not self.closed(self.objective, run.bound):
                    tried.add(choice.tobytes())
                    fresh = self.settle(choice, model, SETTLED) or fresh
            if self.closed(self.objective, self.bound) or self.closed(self.objective, run.bound):
                return "optimal"
            if again and not fresh:  # a choice that the linear program refuses twice leaves the gap open
                known = self.best is not None and (np.round(self.best.y[self.of.integers]) == whole).all()
                return self.nothing_new() if proof and known else "limit"
            self.tell()
        return "limit"

    def ruled_out(self, worth: float) -> tuple[Ints, Floats, Floats]:
        """(columns of the master, lower, upper) of whole numbers that leave their bound in the relaxation at `worth` or more."""
        assert self.root is not None
        assert self.root.x is not None
        assert self.root.column_dual is not None
        at = self.of.place(self.of.integers)
        master, x, dual = self.of.parts.master, self.root.x[at], self.root.column_dual[at]
        low = (x <= master.lower[at] + WHOLE) & (dual > worth)
        high = (x >= master.upper[at] - WHOLE) & (dual < -worth)
        stay = np.where(low, master.lower[at], master.upper[at])[low | high]
        return at[low | high], stay, stay

    def settle(self, whole: Floats, mixed: Model, share: float) -> bool:
        """Linear rounds with whole numbers fixed: their best plan, as far as it may be the best of all, and cuts around it.

        Whether a cut was found that was not known.
        """
        model, at = self.relaxed, self.of.place(self.of.integers)
        assert model is not None
        model.set_bounds(at, whole, whole)
        best, bound, step, fresh = None, -math.inf, STEP, False
        for n in range(SETTLING_ROUNDS):
            run = model.run(time_limit_s=self.left(), phase=self.phase)
            self.iterations += run.iterations
            if run.x is None or run.objective is None:
                break
            before, bound = bound, max(bound, run.objective)
            enough = n >= LEAST_ROUNDS and bound >= self.objective
            if best is not None and (enough or best.total - bound <= self.room(best.total, share)):
                break
            self.tell()
            out = self.of.point(run.x)
            y = out if best is None else best.y + step * (out - best.y)
            y[self.of.integers] = whole
            found = self.evaluate(y, model, mixed, answer=True)
            fresh = fresh or bool(found.cuts)
            better = best is None or found.total < best.total
            if not (better or found.cuts) and step == 1.0:
                break
            step = STEP if better or bound > before + ROUNDING * (1 + abs(before)) else 1.0
            best = found if better else best
        model.set_bounds(at, self.of.parts.master.lower[at], self.of.parts.master.upper[at])
        return fresh

    def watch(self, progress: Progress) -> bool:
        """Called while a master is solved: its own objective is no plan's, nor need its bound be one for all decisions."""
        try:
            self.tell()
        except _StoppedError:
            return True
        return False

    def finished(self, status: Status) -> Run:
        """The best answer in full, with its bounds."""
        seconds = time.perf_counter() - self.begin
        if self.best is None or status not in ("optimal", "time_limit", "interrupted", "limit"):
            return Run(status, None, None, self.bound, seconds, self.iterations, self.nodes)
        x, saved = best_tail(self.of, self.cost, self.of.full(self.best))
        objective = self.best.total - saved
        return Run(status, x, objective, min(self.bound, objective), seconds, self.iterations, self.nodes)


def best_tail(of: Decomposition, cost: Floats, x: Floats) -> tuple[Floats, float]:
    """(point, what it saves): value at risk and tails as good as the losses of the worlds allow  [million USD].

    Between two points of the master the value at risk lies between theirs, which need not be the best. Minimising
    eta + sum w max(0, L - eta) over eta: a loss at which the weights of larger ones no longer exceed the weight of eta
    (Rockafellar and Uryasev 2000).
    """
    world = next((part for part in of.assembly.stamped if part.label == "world"), None)
    if world is None or not of.layout.uses_risk:
        return x, 0.0
    eta = of.assembly.stamped[0].columns("value_at_risk", None)[0]
    loss, tail = world.columns("world_loss", None), world.columns("tail", None)
    order = np.argsort(x[loss])[::-1]
    beyond = np.cumsum(cost[tail][order])
    k = int(np.searchsorted(beyond, cost[eta] * (1 - ROUNDING)))
    best = float(x[loss][order[k]]) if k < len(order) else 0.0
    moved = x.copy()
    moved[eta], moved[tail] = best, np.maximum(0.0, x[loss] - best)
    saved = float(cost @ x - cost @ moved)
    return (moved, saved) if saved > 0 else (x, 0.0)
