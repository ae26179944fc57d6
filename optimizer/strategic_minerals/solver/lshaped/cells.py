"""One plan for several losses and beliefs: the L-shaped method where each loss under each belief has a cost of its own.

Commitments and the baseline course are common; every scenario is operated once for each loss. Beliefs weigh scenarios, so that a
cut of a scenario, without a weight, holds for all of them: one pool serves every cell and every aim.
Design-basis scenarios are the master's and are operated alike under all losses."""

import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...core.frames import INF, Floats, Ints
from ...matrix.assembly import Assembly
from ...model.sets import Structure
from .master import SETTINGS, Cut, Master
from .search import Search, StoppedByCallerError, phases
from .subproblems import Decomposed, Evaluated, Evaluator, OutOfTimeError, decompose

Cell = tuple[int, int]
"""(belief, loss)"""


@dataclass(frozen=True)
class Row:
    """scale * worst - sum of weighted costs of cells >= right  [million USD]."""

    weight: Mapping[Cell, float]
    scale: float
    right: float


@dataclass(frozen=True)
class Aim:
    """What is minimised: costs of cells by weight, and the worst of some rows, which is 0 at least  [million USD]."""

    weight: Mapping[Cell, float]
    worst: float = 0.0
    """Weight of the worst."""
    rows: tuple[Row, ...] = ()

    @property
    def cells(self) -> frozenset[Cell]:
        """Cells that it looks at."""
        return frozenset({cell for of in (self.weight, *(row.weight for row in self.rows)) for cell in of})

    def worst_at(self, cost: Floats) -> float:
        """The worst of the rows where cells cost so much."""
        found = ((row.right + _sum(row.weight, cost)) / row.scale for row in self.rows)
        return max(0.0, max(found, default=0.0))


def _sum(weight: Mapping[Cell, float], cost: Floats) -> float:
    return float(sum(part * float(cost[cell]) for cell, part in weight.items()))


@dataclass(frozen=True)
class Found:
    """The best plan for an aim, as far as it was sought."""

    y: Floats
    """(master's columns,) without the aim's own."""
    value: float
    """What it comes to  [million USD]."""
    bound: float
    """What every plan comes to at least."""
    cost: Floats
    """(beliefs, losses) of the cells that the aim looks at; NaN elsewhere  [million USD]."""
    seconds: float


class Cells(Evaluator):
    """Models that differ in costs alone, decomposed together, once for every loss."""

    def __init__(
        self,
        structure: Structure,
        assembly: Assembly,
        cost: Floats,
        probability: Floats,
        *,
        integer: bool,
        threads: int = 0,
    ) -> None:
        """cost: (beliefs, losses, columns) of the assembly [million USD]; probability: (beliefs, S). threads: as `Evaluator`.

        ValueError where a row binds scenarios together."""
        self._of_cell = cost
        self._aim, self._active = Aim({}), np.zeros(0, dtype=np.int64)
        self._tight: set[int] = set()
        """Cuts that were tight where earlier searches ended."""
        super().__init__(structure, assembly, cost[0, 0], integer=integer, threads=threads)
        own = probability[:, self.parts.scenarios]
        mean = own.mean(axis=0)
        self._weight = np.where(mean > 0, own / np.where(mean > 0, mean, 1.0), 0.0)
        """(beliefs, scenarios) of each against the mean of all beliefs, by which clusters cost."""

    def _decomposed(self, structure: Structure, assembly: Assembly, cost: Floats) -> Decomposed:
        """Clusters of one scenario each, for one loss after the other. Between the master's columns and the costs of clusters the
        master has the worst of an aim."""
        mixed = self._of_cell.mean(axis=0)
        by_loss = [decompose(structure, assembly, one, len(assembly.lower), size=1) for one in mixed]
        bare, mine = by_loss[0].master, by_loss[0].mine
        plain = len(mine)

        def placed(of: Any, own: Any) -> Any:
            return np.concatenate([of[:plain], np.array([own], of.dtype), np.tile(of[plain:], len(by_loss))])

        master = replace(
            bare,
            lower=placed(bare.lower, 0.0),
            upper=placed(bare.upper, INF),
            integer=placed(bare.integer, False),
            money=replace(bare.money, columns=placed(bare.money.columns, True)),
        )
        self._clusters = by_loss[0].clusters
        every = tuple(cluster for one in by_loss for cluster in one.clusters)
        return replace(by_loss[0], master=master, mine=np.append(mine, len(assembly.lower)), clusters=every)

    def minimise_for(
        self,
        aim: Aim,
        start: Floats | None,
        *,
        absolute_gap: float,
        time_limit_s: float,
        gap: float = 0.0,
        offset: float = 0.0,
    ) -> Found | None:
        """The best plan for an aim, to a gap [million USD] or a share of its value. start: a point of the master's columns to begin
        at. offset: added to the value, which a share is of [million USD].

        None where the time ends before there is a plan. Raises UntrustedError where a cluster has no answer."""
        begin = time.perf_counter()
        self._look_at(aim)
        self.pool.keep(self._tight)
        self.root = None  # of another aim
        search = Search(self, np.zeros(0), offset, begin, begin + time_limit_s, "regret", None, absolute_gap, gap)
        with suppress(OutOfTimeError, StoppedByCallerError):
            phases(search, None if start is None else np.append(start, 0.0))
        self._tight |= {*search.master.recently_tight}
        if search.best is None:
            return None
        y = search.best.y[:-1]
        return Found(y, search.objective, search.bound, self.costs_of(aim.cells, y), search.taken)

    def costs_of(self, cells: Collection[Cell], y: Floats) -> Floats:
        """(beliefs, losses) costs of some cells at a point of the master's columns; NaN elsewhere  [million USD]."""
        self._look_at(Aim(dict.fromkeys(cells, 1.0)))
        return self._costs_at(y, time.perf_counter() + SETTINGS.last_round_s)[0]

    def _look_at(self, aim: Aim) -> None:
        """Ask the clusters of an aim's losses from here on."""
        scenarios = np.arange(len(self._clusters))
        self._aim = aim
        self._active = np.concatenate(
            [loss * len(scenarios) + scenarios for loss in sorted({loss for _, loss in aim.cells})]
        )

    def master(self, cost: Floats, offset: float) -> Master:
        """The master's linear program for the aim, with the cuts of its losses so far."""
        aim, parts = self._aim, self.parts
        own = len(parts.mine)
        costs, lower, upper = np.zeros(own + parts.groups), parts.master.lower.copy(), parts.master.upper.copy()
        columns, factors = self._terms(aim.weight)
        costs[columns] = factors
        costs[own - 1] = aim.worst
        idle = own + np.setdiff1d(np.arange(parts.groups), self._active)
        lower[idle] = upper[idle] = 0.0
        master = replace(parts.master, lower=lower, upper=upper)
        return self._made(master, costs, offset, rows=[self._row(row) for row in aim.rows])

    def _terms(self, weight: Mapping[Cell, float]) -> tuple[Ints, Floats]:
        """(master's columns, factors) of weighted costs of cells."""
        own, count = len(self.parts.mine), len(self._clusters)
        total = np.zeros(own + self.parts.groups)
        for (belief, loss), part in weight.items():
            total[: own - 1] += part * self._of_cell[belief, loss][self.parts.mine[:-1]]
            total[own + loss * count : own + (loss + 1) * count] += part * self._weight[belief]
        used = np.flatnonzero(total)
        return used, total[used]

    def _row(self, row: Row) -> Cut:
        columns, factors = self._terms(row.weight)
        worst = len(self.parts.mine) - 1
        return Cut(-1, np.append(columns, worst).astype(np.int32), np.append(-factors, row.scale), row.right)

    def evaluate(self, y: Floats, cost: Floats, offset: float, deadline: float) -> Evaluated:
        """Ask the clusters of the aim's losses at a point, whose worst is set as low as its rows allow."""
        costs, cuts, iterations = self._costs_at(y[:-1], deadline)
        worst = self._aim.worst_at(costs)
        total = offset + self._aim.worst * worst + _sum(self._aim.weight, costs)
        return Evaluated(np.append(y[:-1], worst), total, (), cuts, iterations)

    def _costs_at(self, y: Floats, deadline: float) -> tuple[Floats, tuple[int, ...], int]:
        """((beliefs, losses) costs of the aim's cells at a point [million USD], NaN elsewhere; cuts, iterations)."""
        mine, count = self.parts.mine[:-1], len(self._clusters)
        answers, cuts = self.cuts_at(self._active.tolist(), np.append(y, 0.0), deadline)
        asked = np.full(self.parts.groups, np.nan)
        asked[self._active] = [answer.cost for answer in answers]
        found = np.full(self._of_cell.shape[:2], np.nan)
        for belief, loss in self._aim.cells:
            own = float((self._of_cell[belief, loss][mine] * y).sum())
            found[belief, loss] = own + float(self._weight[belief] @ asked[loss * count : (loss + 1) * count])
        return found, cuts, sum(answer.iterations for answer in answers)
