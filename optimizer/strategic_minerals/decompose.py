"""L-shaped method: a master of commitments and trunk, and clusters of worlds that answer it with cuts.

For fixed master columns y a cluster of worlds costs Q_k(y), convex, and the reduced costs g of y give a cut

    theta_k >= Q_k(y') + g (y - y')                                                                    [million USD]

(Benders 1962; Van Slyke and Wets 1969; several worlds a cut as in Trukhanov, Ntaimo and Schaefer 2010). The linear phase asks
between the best point known and the master's (in-out separation, Ben-Ameur and Neto 2007). Then the mixed-integer master is
solved again and again with the cuts found: first over the decisions that the relaxation likes, for a plan, then over all that
reduced costs do not rule out, for a proof; each choice of whole numbers gets its linear rounds, which are cheap beside another
master. Bounds are true: the master's from below, evaluated points from above.
"""

from __future__ import annotations

import math
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from .clusters import take_apart
from .compile import INF, Assembly
from .instance import Floats, Ints
from .layout import Layout
from .solver import Model, OnProgress, Progress, Run, Status

SMALLEST_SLOPE = 1e-9
"""HiGHS drops smaller entries."""
STEP = 0.5
"""How far the linear phase goes from the best point to the master's."""
MOST_ROUNDS = 500
LINEAR_SHARE = 0.1
"""The linear phase of a mixed-integer problem ends at this share of the gap asked."""
NARROW = 0.5
"""Reduced cost, as a share of the gap asked, beyond which the first mixed-integer rounds leave a decision out."""
NARROW_ROUNDS = 3
SETTLING_ROUNDS = 40
SETTLED = 0.1
"""Share of the gap asked at which the linear rounds of one choice of whole numbers end."""
MASTER_SHARE = 0.3
"""Share of the gap asked that each mixed-integer master may leave open."""
ROUNDING = 1e-9
"""Relative difference of two sums that counts as none."""
WHOLE = 1e-6
"""Distance from a whole number within which the solver counts a value as whole."""

LEAST_WORLDS = 4
LEAST_COLUMNS = 20_000
"""Worlds outside the master, and columns in all, from which `auto` decomposes (calibrated on the shipped plans)."""

Cut = tuple[Ints, Floats, float]
"""(columns of the master's model, factors, right-hand side): factors . columns >= right-hand side."""


def decomposition_pays(layout: Layout, assembly: Assembly, *, integer: bool) -> bool:
    """Whether taking a model apart is expected to be faster: from as many worlds, and columns, as measured."""
    apart = int((~layout.worlds.design_basis).sum())
    return apart >= LEAST_WORLDS and len(assembly.lower) >= LEAST_COLUMNS


class Decomposition:
    """One model taken apart, to be minimised again with other costs of the master's columns: its cuts stay valid."""

    def __init__(self, layout: Layout, assembly: Assembly, cost: Floats, *, integer: bool, threads: int = 0) -> None:
        """cost: (columns,) [million USD]; that of the clusters' columns stands for good. threads: 0, one a core.

        ValueError where worlds are bound together (`separable`).
        """
        self.parts = take_apart(layout, assembly, cost)
        self.integers = np.flatnonzero(assembly.integer) if integer else np.zeros(0, dtype=np.int64)
        self._threads = threads or os.cpu_count() or 1
        self._cuts: list[Cut] = []
        self._place = np.full(len(assembly.lower), -1, dtype=np.int64)
        self._place[self.parts.mine] = np.arange(len(self.parts.mine))

    def minimise(
        self, cost: Floats, start: Floats | None, *, gap: float, absolute_gap: float, offset: float = 0.0,
        time_limit_s: float = 3600.0, phase: str = "decomposed", on_progress: OnProgress | None = None,
    ) -> Run:  # fmt: skip
        """The best point of the whole model.

        start: (columns,) a point to begin at, used where the master's rows allow it. Stops at
        objective - bound <= max(gap * |objective|, absolute_gap). Raises UntrustedError where a cluster is not solved.
        """
        begin = time.perf_counter()
        search = _Search(self, cost, offset, begin, time_limit_s, phase, on_progress, absolute_gap, gap)
        if start is not None and self._allowed(start):
            search.evaluate(start, ())
        status = search.linear(LINEAR_SHARE if len(self.integers) else 1.0)
        if len(self.integers):
            search.forget_fractional()
            if status == "optimal":
                status = search.integral()
        return search.finished(status)

    def master(self, cost: Floats, offset: float, *, integer: bool) -> Model:
        """The master with all cuts so far."""
        mine, count = self.parts.mine, len(self.parts.clusters)
        costs = np.concatenate([cost[mine], np.ones(count)])
        model = Model(self.parts.master, costs, integer=integer, offset=offset, heuristics=False)
        for columns, factors, right in self._cuts:
            model.add_row(columns, factors, right, INF)
        return model

    def answers(self, y: Floats, time_limit_s: float) -> list[Run]:
        """Every cluster's answer; threads share nothing."""
        clusters = self.parts.clusters
        if self._threads == 1 or len(clusters) < 2:
            return [cluster.answer(y, time_limit_s) for cluster in clusters]
        with ThreadPoolExecutor(min(self._threads, len(clusters))) as pool:
            return list(pool.map(lambda cluster: cluster.answer(y, time_limit_s), clusters))

    def cut(self, k: int, run: Run, y: Floats) -> Cut:
        """theta_k - g y >= Q_k(y') - g y' of one answer, remembered."""
        cluster = self.parts.clusters[k]
        assert run.objective is not None
        slope = cluster.slopes(run)
        kept = np.abs(slope) > SMALLEST_SLOPE
        links, slope = cluster.links[kept], slope[kept]
        columns = np.concatenate([self._place[links], [len(self.parts.mine) + k]])
        row = (columns, np.concatenate([-slope, [1.0]]), run.objective - float(slope @ y[links]))
        self._cuts.append(row)
        return row

    def place(self, columns: Ints) -> Ints:
        """Where columns of the whole model stand in the master's."""
        return np.asarray(self._place[columns])

    def full(self, y: Floats, answers: list[Run]) -> Floats:
        """The point of the whole model: the master's columns and every cluster's."""
        x = y.copy()
        for cluster, run in zip(self.parts.clusters, answers, strict=True):
            assert run.x is not None
            x[cluster.columns] = run.x[: len(cluster.columns)]
        return x

    def _allowed(self, x: Floats) -> bool:
        """Whether a point keeps the master's rows and bounds to the solver's tolerance."""
        master, y = self.parts.master, x[self.parts.mine]
        own = len(y)
        if (y < master.lower[:own] - WHOLE).any() or (y > master.upper[:own] + WHOLE).any():
            return False
        held = np.add.reduceat(np.concatenate([master.value * y[master.index], [0.0]]), master.start[:-1])
        held[np.diff(master.start) == 0] = 0.0
        return bool(((held >= master.row_lower - WHOLE) & (held <= master.row_upper + WHOLE)).all())


@dataclass
class _Search:
    """The rounds of one minimisation."""

    of: Decomposition
    cost: Floats
    offset: float
    begin: float
    time_limit_s: float
    phase: str
    on_progress: OnProgress | None
    absolute_gap: float
    gap: float
    bound: float = -math.inf
    objective: float = math.inf
    best: Floats | None = None
    """(columns,) the best master columns evaluated, zeros elsewhere."""
    thetas: Floats = field(default_factory=lambda: np.zeros(0))
    """(clusters,) what the clusters cost there."""
    root: Run | None = None
    """The last master of the linear phase."""
    iterations: int = 0
    nodes: int = 0

    def left(self) -> float:
        return max(0.5, self.time_limit_s - (time.perf_counter() - self.begin))

    def closed(self, share: float = 1.0) -> bool:
        """Whether objective and bound are within a share of the gap asked."""
        if self.best is None:
            return False
        room = share * max(self.absolute_gap, self.gap * abs(self.objective))
        return self.objective - self.bound <= room + ROUNDING * (1 + abs(self.objective))

    def evaluate(self, y: Floats, models: tuple[Model, ...]) -> float:
        """Ask all clusters at a point: cuts for the models given, the point kept where it is the best; its objective."""
        mine = self.of.parts.mine
        point = np.zeros_like(self.cost)
        point[mine] = y[mine]
        answers = self.of.answers(point, self.left())
        thetas = np.array([run.objective for run in answers], dtype=float)
        for k, run in enumerate(answers):
            self.iterations += run.iterations
            row = self.of.cut(k, run, point)
            for model in models:
                model.add_row(*row, INF)
        total = self.offset + float(self.cost[mine] @ point[mine]) + float(thetas.sum())
        if total < self.objective:
            self.objective, self.best, self.thetas = total, point, thetas
        return total

    def told(self, bound: float | None = None) -> bool:
        """Report; True where the caller wants to stop."""
        if self.on_progress is None:
            return False
        objective = self.objective if math.isfinite(self.objective) else None
        least = max(self.bound, -math.inf if bound is None else bound)
        known = least if math.isfinite(least) else None
        gap = None if objective is None or known is None else abs(objective - known) / max(1e-9, abs(objective))
        return self.on_progress(Progress(self.phase, time.perf_counter() - self.begin, objective, known, gap)) is True

    def linear(self, share: float) -> Status:
        """Rounds on the linear relaxation, until the gap is a share of the one asked."""
        model, mine = self.of.master(self.cost, self.offset, integer=False), self.of.parts.mine
        step = STEP
        for _ in range(MOST_ROUNDS):
            run = model.run(time_limit_s=self.left(), phase=self.phase)
            self.iterations += run.iterations
            if run.x is None or run.objective is None:
                return run.status
            before, self.bound, self.root = self.bound, max(self.bound, run.objective), run
            if self.closed(share):
                return "optimal"
            if self.told():
                return "interrupted"
            if self.left() <= 0.5:
                return "time_limit"
            out = np.zeros_like(self.cost)
            out[mine] = run.x[: len(mine)]
            known, best = self.objective, out if self.best is None else self.best
            found = self.evaluate(best + step * (out - best), (model,))
            stalled = found >= known and self.bound <= before + ROUNDING * (1 + abs(before))
            step = 1.0 if stalled else STEP
        return "limit"

    def forget_fractional(self) -> None:
        """The linear phase's best point is no plan where its whole numbers are broken."""
        if self.best is not None:
            values = self.best[self.of.integers]
            if np.abs(values - np.round(values)).max(initial=0.0) > WHOLE:
                self.objective, self.best = math.inf, None

    def integral(self) -> Status:
        """A plan from the decisions that the relaxation likes, then the proof over all that reduced costs leave open."""
        status = self._mixed(NARROW * max(self.absolute_gap, self.gap * abs(self.bound)), NARROW_ROUNDS)
        if self.closed():
            return "optimal"
        if status in ("interrupted", "time_limit"):
            return status
        assert self.root is not None
        return self._mixed(self.objective - (self.root.objective or 0.0), MOST_ROUNDS)

    def _mixed(self, worth: float, rounds: int) -> Status:
        """Rounds on the mixed-integer master, without decisions that cost `worth` or more against the relaxation.

        Its bound is one for all decisions where `worth` is what separates the best plan from the relaxation: what is left out
        leads to no better plan (reduced cost fixing).
        """
        model, mine = self.of.master(self.cost, self.offset, integer=True), self.of.parts.mine
        proof = math.isinf(worth) or worth >= self.objective - self._relaxed() - ROUNDING * (1 + abs(self.objective))
        model.set_bounds(*self._ruled_out(worth))
        for _ in range(rounds):
            if self.best is not None:
                model.set_start(np.concatenate([self.best[mine], self.thetas]))
            run = model.run(
                time_limit_s=self.left(), gap=MASTER_SHARE * self.gap, absolute_gap=MASTER_SHARE * self.absolute_gap,
                phase=self.phase, on_progress=None if self.on_progress is None else self._watch,
            )  # fmt: skip
            self.iterations, self.nodes = self.iterations + run.iterations, self.nodes + run.nodes
            if run.x is None:
                return run.status
            if proof:
                self.bound = max(self.bound, min(run.bound, self.objective))
            point = np.zeros_like(self.cost)
            point[mine] = run.x[: len(mine)]
            point[self.of.integers] = np.round(point[self.of.integers])
            self._settled(point, model)
            room = max(self.absolute_gap, self.gap * abs(self.objective))
            if self.closed() or self.objective - run.bound <= room:
                return "optimal"
            if run.status == "interrupted" or self.told():
                return "interrupted"
            if self.left() <= 0.5:
                return "time_limit"
        return "limit"

    def _relaxed(self) -> float:
        """Objective of the linear phase's last master, from which reduced costs count."""
        assert self.root is not None
        assert self.root.objective is not None
        return self.root.objective

    def _ruled_out(self, worth: float) -> tuple[Ints, Floats, Floats]:
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

    def _settled(self, point: Floats, model: Model) -> None:
        """Linear rounds with a point's whole numbers: its best plan, as far as it may be the best of all, and cuts around it."""
        fixed = self.of.master(self.cost, self.offset, integer=False)
        whole, mine = point[self.of.integers], self.of.parts.mine
        fixed.set_bounds(self.of.place(self.of.integers), whole, whole)
        found, bound, best, step = self.evaluate(point, (fixed, model)), -math.inf, point, STEP
        for _ in range(SETTLING_ROUNDS):
            run = fixed.run(time_limit_s=self.left(), phase=self.phase)
            self.iterations += run.iterations
            if run.x is None or run.objective is None:
                return
            before, bound = bound, max(bound, run.objective)
            room = SETTLED * max(self.absolute_gap, self.gap * abs(found))
            if found - bound <= room or bound >= self.objective - room or self.left() <= 0.5:
                return
            out = np.zeros_like(self.cost)
            out[mine] = run.x[: len(mine)]
            tried = best + step * (out - best)
            known, now = found, self.evaluate(tried, (fixed, model))
            if now < found:
                found, best = now, tried
            step = 1.0 if now >= known and bound <= before + ROUNDING * (1 + abs(before)) else STEP

    def _watch(self, progress: Progress) -> bool:
        """The master's own objective is no plan's: tell the search's, with the master's bound."""
        return self.told(progress.bound)

    def finished(self, status: Status) -> Run:
        """The best point in full, with its bounds."""
        seconds = time.perf_counter() - self.begin
        if self.best is None:
            return Run(status, None, None, self.bound, seconds, self.iterations, self.nodes)
        x = self.of.full(self.best, self.of.answers(self.best, max(60.0, self.left())))
        return Run(status, x, self.objective, min(self.bound, self.objective), seconds, self.iterations, self.nodes)
