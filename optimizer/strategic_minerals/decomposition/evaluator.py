"""L-shaped method: a master of commitments and trunk, and clusters of scenarios that answer it with cuts.

For fixed master columns y a cluster of scenarios costs Q_k(y), convex, with the reduced costs g_k of y as slopes. The clusters of a
group share one cut

    theta >= sum_k Q_k(y') + sum_k g_k (y - y')                                                        [million USD]

(Benders 1962; Van Slyke and Wets 1969; several scenarios a cut as in Trukhanov, Ntaimo and Schaefer 2010). Here: the parts, their
cuts, and what a point costs in all clusters; the rounds between master and clusters are in `search`, all of it in `lshaped`.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.arrays import INF, Floats, Ints
from ..core.errors import UntrustedError
from ..core.runner import cores
from ..formulation.structure import Structure
from ..highs.solver import Model
from ..model.assembly import Assembly
from .master import CutPool, Master, excess
from .remote import map_remote
from .settings import SETTINGS
from .subproblems import (
    Cluster,
    Decomposed,
    OutOfTimeError,
    SolutionT,
    SubproblemPoint,
    SubproblemSolution,
    decompose,
    stay,
)


@dataclass(frozen=True)
class Evaluated:
    """What a point of the master costs in full."""

    y: Floats
    """(master's columns,)"""
    total: float
    parts: tuple[Floats, ...] | None
    """Each cluster's own columns at their best; None where clusters do not stay in memory: they are asked again."""
    cuts: tuple[int, ...]
    """Numbers of its cuts in the pool."""
    iterations: int


class Evaluator:
    """One model taken apart, to be minimised again with other costs of the master's columns: its cuts stay valid."""

    def __init__(
        self,
        structure: Structure,
        assembly: Assembly,
        cost: Floats,
        *,
        integer: bool,
        threads: int = 0,
        executor: Executor | None = None,
    ) -> None:
        """cost: (columns,) [million USD]; that of the clusters' columns stands for good. threads: 0, one for each core allowed.
        executor: answers clusters in place of threads.

        ValueError where scenarios are bound together (`separable`).
        """
        self._integer, self._executor = integer, executor
        self._sent: set[bytes] = set()
        """Digests of clusters that some worker of an executor was sent."""
        self._threads = threads or cores()
        self.pool = CutPool()
        self.asked: deque[tuple[Floats, tuple[int, ...]]] = deque(maxlen=SETTINGS.remembered_points)
        """Points asked about last, and the numbers of their cuts."""
        self._adopt(decompose(structure, assembly, cost, groups_for(structure, assembly)), structure, assembly, cost)

    def _adopt(self, parts: Decomposed, structure: Structure, assembly: Assembly, cost: Floats) -> None:
        self.parts, self.structure, self.assembly, self._cost = parts, structure, assembly, cost
        self.decisions = np.flatnonzero(assembly.integer[parts.mine]) if self._integer else np.zeros(0, dtype=np.int64)
        """Columns of integers, as the master counts them; so do sums."""
        sums = decision_sums(structure, assembly) if self._integer else []
        self.sums = [np.searchsorted(parts.mine, columns) for columns in sums]
        count = len(parts.clusters)
        self.groups = np.array_split(np.arange(count), parts.groups) if count else []

    def load(
        self, structure: Structure, assembly: Assembly, cost: Floats, deadline: float, *, integer: bool | None = None
    ) -> None:
        """Take another model in the place of this one. Cuts of clusters that are the same stay; of others they are found anew
        at the points asked about last, as far as a time of `perf_counter` allows. integer: None, as it was. Same errors as at the
        start.
        """
        self._integer = self._integer if integer is None else integer
        deadline = min(deadline, time.perf_counter() + SETTINGS.renew_cuts_s)
        before = self.parts
        self._adopt(
            decompose(structure, assembly, cost, groups_for(structure, assembly), before), structure, assembly, cost
        )
        count = len(self.parts.clusters)
        same_groups = len(before.clusters) == count and before.groups == self.parts.groups
        if not np.array_equal(before.mine, self.parts.mine) or not same_groups:
            self.pool = CutPool()
            self.asked.clear()
            return
        stale = [
            g
            for g, members in enumerate(self.groups)
            if any(self.parts.clusters[k].digest != before.clusters[k].digest for k in members)
        ]
        self.pool.drop_groups(stale)
        for y, _ in list(self.asked) if stale else []:
            try:
                self._cuts_at(stale, self.point(y), deadline)
            except OutOfTimeError:
                break
            except UntrustedError:  # beyond what a cluster allows now: only its cuts are missed
                continue

    def master(self, cost: Floats, offset: float) -> Master:
        """The master's linear program with all cuts so far."""
        costs = np.concatenate([cost[self.parts.mine], np.ones(self.parts.groups)])
        twin = self._threads > 1 and len(self.decisions) > 0
        return Master(
            self.parts.master, costs, offset, self.pool, self.decisions, self.sums, groups=self.parts.groups, twin=twin
        )

    def near_optimal(self, cost: Floats, offset: float, most: float, *, integer: bool) -> Model:
        """The master with all cuts, whose points cost no more than an amount as far as cuts know: an outer picture of all plans
        that cost no more. It has no aim: ask it for the least of a figure, and no such plan has less.

        cost: (columns,). most: [million USD], `offset` counted in.
        """
        master, groups = self.parts.master, self.parts.groups
        model = Model(master, np.zeros(len(master.lower)), integer=integer)
        cuts = [self.pool[number] for number in self.pool.numbers]
        right = np.array([cut.right for cut in cuts])
        columns, factors = [cut.columns for cut in cuts], [cut.factors for cut in cuts]
        model.add_rows(columns, factors, right, np.full(len(cuts), INF), money=True)
        whole = np.concatenate([cost[self.parts.mine], np.ones(groups)])
        used = np.flatnonzero(np.abs(whole) > SETTINGS.smallest_slope)
        model.add_row(used, whole[used], -INF, most - offset, money=True)
        return model

    def point(self, x: Floats) -> Floats:
        """(master's columns,) a point from the master's x, within bounds: the solver's -1e-9 is 0."""
        own = len(self.parts.mine)
        return np.clip(x[:own], self.parts.master.lower[:own], self.parts.master.upper[:own])

    def evaluate(self, y: Floats, cost: Floats, offset: float, deadline: float) -> Evaluated:
        """Ask all clusters at a point. Raises OutOfTimeError, and UntrustedError where a cluster has no answer."""
        answers, cuts = self._cuts_at(range(len(self.groups)), y, deadline)
        self.asked.append((y, cuts))
        own_cost = float(
            (cost[self.parts.mine] * y).sum()
        )  # so long a dot product wakes threads that spin beside the clusters'
        return Evaluated(
            y,
            offset + own_cost + sum(answer.cost for answer in answers),
            tuple(answer.x for answer in answers if isinstance(answer, SubproblemPoint)) if self.parts.kept else None,
            cuts,
            sum(answer.iterations for answer in answers),
        )

    def add_cuts(self, groups: Sequence[int], y: Floats, deadline: float) -> tuple[tuple[int, ...], int]:
        """Numbers of the cuts of some groups at a point, and iterations. Raises as `evaluate`."""
        answers, cuts = self._cuts_at(groups, y, deadline)
        return cuts, sum(answer.iterations for answer in answers)

    def _cuts_at(
        self, groups: Sequence[int], y: Floats, deadline: float
    ) -> tuple[list[SubproblemSolution], tuple[int, ...]]:
        """Ask the clusters of some groups at a point: their answers, in order, and the numbers of their cuts."""
        own = len(self.parts.mine)
        master, negligible = self.parts.master, SETTINGS.smallest_slope * self.parts.master.money_unit
        most = SETTINGS.largest_value * master.column_unit[:own]  # columns of a caller's own may be without bounds
        lowest, highest = np.maximum(master.lower[:own], -most), np.minimum(master.upper[:own], most)
        answers = self._answers(y, [int(k) for g in groups for k in self.groups[g]], deadline, self.answer_type)
        told, cuts = iter(answers), []
        for g in groups:
            slopes, right = np.zeros(own), 0.0
            for k in self.groups[g]:
                answer, links = next(told), self.parts.clusters[k].links
                slopes[links] += answer.slopes
                right += answer.cost - float(answer.slopes @ y[links])
            # left out of the row: at their worst within the columns' bounds
            small = np.abs(slopes) * master.column_unit[:own] <= negligible
            right += float(np.minimum(slopes * lowest, slopes * highest)[small].sum())
            used = np.flatnonzero(~small)
            cuts.append(self.pool.add(g, used, slopes[used], right, own + g))
        return answers, tuple(cuts)

    @property
    def answer_type(self) -> type[SubproblemSolution]:
        """What clusters tell in every round: their points too, where they are kept."""
        return SubproblemPoint if self.parts.kept else SubproblemSolution

    def _answers(
        self, y: Floats, asked: Sequence[int], deadline: float, answer_type: type[SolutionT]
    ) -> list[SolutionT]:
        """Answers of the clusters asked; each has a solver of its own."""
        clusters = [self.parts.clusters[k] for k in asked]
        if self._executor is not None:
            return map_remote(self._executor, clusters, y, deadline, self._sent, answer_type)
        if self._threads == 1 or len(clusters) < 2:
            return [cluster.solve(y, deadline, answer_type) for cluster in clusters]
        with ThreadPoolExecutor(min(self._threads, len(clusters))) as pool:
            return list(pool.map(lambda cluster: cluster.solve(y, deadline, answer_type), clusters))

    def in_clusters(self, work: Callable[[Cluster], Floats]) -> Iterator[tuple[int, Floats]]:
        """(number, what the work gives) of every cluster, in order, on the threads of this process."""
        clusters = self.parts.clusters
        if self._threads == 1 or len(clusters) < 2:
            yield from enumerate(map(work, clusters))
            return
        with ThreadPoolExecutor(min(self._threads, len(clusters))) as pool:
            yield from enumerate(pool.map(work, clusters))

    def full(self, found: Evaluated) -> Floats:
        """(columns,) the point of the whole model. Raises UntrustedError where a cluster has no answer.

        Clusters that do not stay in memory are asked once more, whatever the clock says: without it there is no plan.
        """
        x = np.zeros(len(self.assembly.lower))
        x[self.parts.mine] = found.y
        parts = found.parts
        if parts is None:
            asked = range(len(self.parts.clusters))
            try:
                answers = self._answers(found.y, asked, time.perf_counter() + SETTINGS.last_round_s, SubproblemPoint)
            except OutOfTimeError:
                raise UntrustedError(
                    f"the scenarios of a plan were not worked out within {SETTINGS.last_round_s:g} s"
                ) from None
            parts = tuple(answer.x for answer in answers)
        for cluster, own in zip(self.parts.clusters, parts, strict=True):
            x[cluster.columns] = own
        return x

    def allowed(self, y: Floats) -> bool:
        """Whether a point keeps the master's rows and bounds, and has its integers whole, as the audit of a plan asks."""
        master, own, whole = self.parts.master, len(y), y[self.decisions]
        if (y < master.lower[:own] - SETTINGS.integrality_tolerance).any() or (
            y > master.upper[:own] + SETTINGS.integrality_tolerance
        ).any():
            return False
        if np.abs(whole - np.round(whole)).max(initial=0.0) > SETTINGS.integrality_tolerance:
            return False
        return not excess(master, y, SETTINGS.integrality_tolerance).any()


def groups_for(structure: Structure, assembly: Assembly) -> int:
    """Groups of clusters aimed at."""
    if stay(assembly):
        return SETTINGS.cut_groups
    scenarios = int((~structure.scenarios.design_basis).sum())
    return int(
        np.clip(math.ceil(scenarios / SETTINGS.scenarios_per_group), SETTINGS.least_groups, SETTINGS.most_groups)
    )


def decision_sums(structure: Structure, assembly: Assembly) -> list[Ints]:
    """Columns of decisions whose sums are integers that say much: whether a project is signed at all, when, with which
    package; how many contracts a producer has.
    """
    root, options = assembly.commitments, structure.support.options
    sets: dict[tuple[Any, ...], list[int]] = {}
    for k, (name, key) in enumerate(root.template.columns):
        if name == "sign":
            option = options[key]
            kinds: tuple[Any, ...] = ((), ("when", option.signed), ("how", option.package.name))
            of = ("project", option.project)
        elif name == "contract_signed":
            kinds, of = ((),), ("contract", structure.contracts[key].source)
        else:
            continue
        if assembly.integer[root.first_column + k]:
            for kind in kinds:
                sets.setdefault((*of, *kind), []).append(root.first_column + k)
    return [
        np.array(columns)
        for columns in {tuple(columns): columns for columns in sets.values() if len(columns) > 1}.values()
    ]
