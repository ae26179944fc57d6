"""A decomposed model: the master's columns, and clusters of scenarios that depend on them.

What is decided before events, the trunk and the design-basis scenarios are the master's, so that their promises hold exactly.
Every other scenario's branches belong to a cluster: one linear program, hot-started from its own last basis, in which the master's
columns that it uses are fixed; their reduced costs show how its cost changes with them."""

from __future__ import annotations

import hashlib
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from ...core.errors import Outcome, UntrustedError, stopped
from ...core.frames import INF, Floats, Ints
from ...core.runner import cores
from ...matrix.assembly import Assembly, entries_of
from ...model.sets import TRUNK, Structure
from ..highs import Model, SolvedRun
from .master import SETTINGS, Cut, CutPool, Master, Root, excess

Found = TypeVar("Found")

PHASE = "recourse"
"""What a cluster's runs are called."""


class OutOfTimeError(Exception):
    """The clock ran out while clusters were asked."""


@dataclass(frozen=True)
class Subproblem:
    """One cluster's linear program as arrays: its own columns, then the master's columns that its rows use."""

    assembly: Assembly
    cost: Floats
    own: int
    """Own columns; those after them are fixed."""


@dataclass(frozen=True)
class SubproblemSolution:
    """A cluster's least cost at given values of the master's columns."""

    cost: float
    slopes: Floats
    """(links,) what it changes by with the master's columns  [million USD per unit]."""
    iterations: int
    x: Floats
    """Own columns at their best."""
    duals: Floats
    """(rows,) what the cost changes by with the right-hand sides  [million USD per unit]."""

    def times(self, weight: float) -> SubproblemSolution:
        """The same where costs count more or less."""
        return replace(self, cost=weight * self.cost, slopes=weight * self.slopes, duals=weight * self.duals)


@dataclass(frozen=True)
class ColumnPartition:
    """Which columns and rows of a model are whose: a cluster's program is cut out when it is needed."""

    assembly: Assembly
    cost: Floats
    owner: Ints
    """(columns,) cluster of each column, -1 for the master's."""
    place: Ints
    """(columns,) position of each among its owner's."""
    mine: Ints
    """The master's columns."""
    columns: tuple[Ints, ...]
    """Of each cluster, in order."""
    rows: tuple[Ints, ...]
    weight: Floats
    """(clusters,) probability by which the costs of each are divided: what is left does not change where probabilities do."""

    def links(self, k: int) -> Ints:
        """Columns that rows of a cluster use, as the master counts them."""
        used = self.assembly.index[entries_of(self.assembly, self.rows[k])]
        return np.unique(self.place[used[self.owner[used] < 0]])

    def part(self, k: int, links: Ints) -> Subproblem:
        """The linear program of a cluster."""
        own, rows = self.columns[k], self.rows[k]

        def place(column: Ints) -> Ints:
            where = self.place[column]
            outside = np.flatnonzero(self.owner[column] < 0)
            where[outside] = len(own) + np.searchsorted(links, where[outside])
            return where

        cost = np.concatenate([self.cost[own] / self.weight[k], np.zeros(len(links))])
        return Subproblem(_part(self.assembly, rows, np.concatenate([own, self.mine[links]]), place, 0), cost, len(own))


@dataclass
class Cluster:
    """Some scenarios as one linear program, with what the last answer leaves to start from."""

    split: ColumnPartition
    number: int
    links: Ints
    """Columns that its rows use, as the master counts them."""
    digest: bytes
    """Of all its data: two with the same digest cost the same, whatever the master decides."""
    kept: Subproblem | None
    """Its program where it stays in memory, with its solver at some 2 kB a column; else both are made again from the last basis."""
    model: Model | None = None
    basis: Any = None
    """A saved basis of the solver."""
    known: tuple[Floats, SubproblemSolution] | None = None
    """(the master's columns, the program's own answer there) at the best plan: the next search begins there."""
    holds: bool = False
    """Whether cuts of the program before this one are valid for it."""
    answers_alike: bool = False
    """Whether it is the program before it, or its answer at the best plan is that of the program before it."""
    settled: tuple[Floats, Floats, Floats] | None = None
    """(the master's columns, losses, own columns) of the one reference among those that cost the same."""

    @property
    def weight(self) -> float:
        """What its program's costs count in the whole model."""
        return float(self.split.weight[self.number])

    @property
    def columns(self) -> Ints:
        """Its own columns, as the whole model counts them."""
        return self.split.columns[self.number]

    @property
    def rows(self) -> Ints:
        """Its rows, as the whole model counts them."""
        return self.split.rows[self.number]

    @property
    def part(self) -> Subproblem:
        """Its linear program."""
        return self.kept or self.split.part(self.number, self.links)

    def solve(self, y: Floats, deadline: float) -> SubproblemSolution:
        """Least cost with the master's columns fixed at y, by a time of `perf_counter`.

        Raises OutOfTimeError, and UntrustedError without an answer."""
        at = y[self.links]
        if self.known is not None and np.array_equal(self.known[0], at):
            return replace(self.known[1].times(self.weight), iterations=0)
        part, model = self.part, self.model
        if model is None:
            model = Model(part.assembly, part.cost, integer=False)
            if self.basis is not None:
                model.configure_hot_start(scaled=False)
                model.restore_basis(self.basis)
        answer = ask(model, part, at, deadline)
        if self.kept is not None:
            self.model = model
        else:
            self.basis = model.save_basis()
        return answer.times(self.weight)

    def load(self, split: ColumnPartition, links: Ints, digest: bytes, part: Subproblem | None) -> Cluster:
        """Another program in the place of this one, which is given up. The same stays hot; one of the same size starts from the
        last basis. part: where it stays in memory."""
        model, basis = self.model, self.basis
        if digest != self.digest:
            same_size = all(
                len(getattr(split, of)[self.number]) == len(getattr(self.split, of)[self.number])
                for of in ("columns", "rows")
            ) and len(links) == len(self.links)
            basis = basis if same_size else None
            if model is not None and part is not None:
                model.load(part.assembly, part.cost)
        if part is None:
            model = None
        found = Cluster(split, self.number, links, digest, part, model, basis)
        if digest == self.digest:
            found.known, found.settled, found.holds, found.answers_alike = self.known, self.settled, True, True
        elif (dearer := self._dearer(found)) is not None:
            found.holds = True
            if self.known is not None and not self.known[1].x[dearer].any():  # it stays the best where these cost more
                found.known, found.answers_alike = self.known, True
            if self.settled is not None and not self.settled[2][dearer].any():
                found.settled = self.settled
        return found

    def _dearer(self, other: Cluster) -> Ints | None:
        """Own columns that cost more in another program, else the same: it costs as much as this one at least. None: another."""
        old, new = self.kept, other.kept
        if old is None or new is None or old.cost.shape != new.cost.shape:
            return None
        lower = new.assembly.lower[: new.own]
        moved = np.flatnonzero(old.cost != new.cost)
        if (new.cost[moved] < old.cost[moved]).any() or (lower[moved] < 0).any():
            return None
        same = _digest(self.columns, self.links, old) == _digest(
            other.columns, other.links, replace(new, cost=old.cost)
        )
        return moved if same else None


def ask(model: Model, part: Subproblem, at: Floats, deadline: float) -> SubproblemSolution:
    """Solve a part with the master's columns fixed. Raises as `Cluster.solve`."""
    assembly = part.assembly
    model.set_bounds(np.arange(part.own, part.own + len(at)), at, at)
    run = model.run(time_limit_s=left_until(deadline), phase=PHASE)
    rows = np.arange(len(assembly.row_lower))
    for share in SETTINGS.row_relaxation:  # the master keeps its rows to the solver's tolerance only
        if run.status != "infeasible":
            break
        room = share * assembly.row_unit
        model.set_row_bounds(rows, assembly.row_lower - room, assembly.row_upper + room)
        try:
            run = model.run(time_limit_s=left_until(deadline), phase=PHASE)
        finally:
            model.set_row_bounds(rows, assembly.row_lower, assembly.row_upper)
    if isinstance(run, SolvedRun):
        slopes, own = run.prices.column[part.own :].copy(), run.x[: part.own].copy()
        return SubproblemSolution(run.objective, slopes, run.iterations, own, run.prices.row)
    if run.status == "time_limit":
        raise OutOfTimeError
    if run.status == "out_of_memory":
        raise stopped("the solver was refused memory", Outcome("out_of_memory", None, None, None, None))
    raise UntrustedError(f"a cluster of scenarios was not solved: {run.status}")


def left_until(deadline: float) -> float:
    """Seconds left until a time of `perf_counter`. Raises OutOfTimeError where none are."""
    left = deadline - time.perf_counter()
    if left <= 0:
        raise OutOfTimeError
    return left


@dataclass(frozen=True)
class Decomposed:
    """The parts of one model."""

    master: Assembly
    """Rows of the master over its columns, then one cost column for each group of clusters."""
    mine: Ints
    """The master's columns, as the whole model counts them."""
    rows: Ints
    """The master's rows, likewise."""
    clusters: tuple[Cluster, ...]
    scenarios: Ints
    """(clusters,) the first scenario of each."""

    @property
    def kept(self) -> bool:
        """Whether clusters stay in memory between answers."""
        return all(cluster.kept is not None for cluster in self.clusters)

    @property
    def groups(self) -> int:
        """Groups of clusters: cost columns of the master."""
        return len(self.master.lower) - len(self.mine)


def limits_losses(assembly: Assembly) -> bool:
    """Whether a limit on losses binds all scenarios together."""
    return any(len(assembly.rows_of(family)) for family in ("cvar_limit", "expected_loss_limit"))


def separable(structure: Structure, assembly: Assembly) -> bool:
    """Whether scenarios meet only through commitments, trunk and value at risk: no limit on losses binds them together, and what a
    caller has added is about the master's columns alone, so that clusters can be operated at any point of the master.
    """
    if limits_losses(assembly):
        return False
    added = np.flatnonzero(assembly.row_block < 0)
    used = assembly.index[entries_of(assembly, added)]
    return not len(used) or bool((_owners(structure, assembly)[0][used] < 0).all())


def stay(assembly: Assembly) -> bool:
    """Whether the clusters of a model are few enough for their solvers to stay in memory between answers."""
    return len(assembly.lower) <= SETTINGS.loaded_columns


def decompose(
    structure: Structure,
    assembly: Assembly,
    cost: Floats,
    groups: int,
    like: Decomposed | None = None,
    *,
    size: int | None = None,
) -> Decomposed:
    """Master and clusters of a model. ValueError where a row binds scenarios of two clusters together.

    groups: of clusters, at most; the master has a column for the cost of each. like: parts of a model like this one, given up for
    it. A cluster that is the same is taken over as it is; one with other figures starts from the old one's basis. size: scenarios
    in a cluster; None: as `SETTINGS` says."""
    owner, scenarios = _owners(structure, assembly, size)
    mine, *columns = _sorted_by(owner)
    ours, *rows = _sorted_by(_row_owners(assembly, owner), len(columns))
    place = np.empty(len(owner), dtype=np.int32)
    for own in (mine, *columns):
        place[own] = np.arange(len(own), dtype=np.int32)
    master = _part(assembly, ours, mine, lambda column: place[column], min(groups, len(columns)))
    chances = structure.scenarios.probability[scenarios]
    weight = np.where(chances > 0, chances, 1.0)
    split = ColumnPartition(assembly, cost, owner, place, mine, tuple(columns), tuple(rows), weight)
    old = () if like is None else like.clusters
    keep = stay(assembly)
    clusters = tuple(_cluster(split, k, keep, old[k] if k < len(old) else None) for k in range(len(columns)))
    return Decomposed(master, mine, ours, clusters, scenarios)


def _sorted_by(owner: Ints, count: int | None = None) -> list[Ints]:
    """Positions of the master's, then of each cluster's, in order. count: of clusters; None: those that own something."""
    sizes = np.bincount(owner + 1, minlength=1 if count is None else count + 1)
    return np.split(np.argsort(owner, kind="stable").astype(np.int32), np.cumsum(sizes)[:-1])


def master_alone(structure: Structure, assembly: Assembly) -> Assembly:
    """The model with the rows of commitments, trunk and design-basis scenarios alone; its columns stay as they are.

    A plan for it is a plan for the whole model, whose other scenarios can always be operated somehow; the whole where scenarios are
    bound together."""
    if not separable(structure, assembly):
        return assembly
    rows = np.flatnonzero(_row_owners(assembly, _owners(structure, assembly)[0]) < 0)
    every = np.arange(len(assembly.lower))
    return replace(_named(assembly, rows, every, lambda column: column), costs=assembly.costs)


def demanding(structure: Structure, assembly: Assembly) -> Assembly:
    """The part of a model whose demands may conflict: commitments, trunk and design-basis scenarios alone, since other scenarios
    can always be operated somehow; rows keep their names. The whole where scenarios are bound together."""
    if not separable(structure, assembly):
        return assembly
    owner, _ = _owners(structure, assembly)
    rows, mine = np.flatnonzero(_row_owners(assembly, owner) < 0), np.flatnonzero(owner < 0)
    return _named(assembly, rows, mine, lambda column: np.searchsorted(mine, column))


def _named(assembly: Assembly, rows: Ints, columns: Ints, place: Callable[[Ints], Ints]) -> Assembly:
    """Some rows of a model with their columns; rows keep their names."""
    return replace(
        _part(assembly, rows, columns, place, 0),
        blocks=assembly.blocks,
        row_block=assembly.row_block[rows],
        row_local=assembly.row_local[rows],
        row_instance=assembly.row_instance[rows],
    )


def _owners(structure: Structure, assembly: Assembly, size: int | None = None) -> tuple[Ints, Ints]:
    """((columns,) cluster of each column, -1 for the master's, (clusters,) first scenario of each). size: as `decompose`."""
    clustered = np.flatnonzero(~structure.scenarios.design_basis)
    usual = int(np.clip(math.ceil(len(clustered) / SETTINGS.clusters), 1, SETTINGS.most_scenarios_per_cluster))
    drawn = structure.scenarios.drawn
    listed = 0 if drawn is None else int((clustered < len(structure.scenarios.names) - len(drawn.events)).sum())
    alone = listed if size is None and listed <= SETTINGS.clusters else 0  # each of these has a probability of its own
    place_of = np.arange(len(clustered))
    place_of[alone:] = alone + (place_of[alone:] - alone) // (size or usual)
    cluster = np.full(len(structure.scenarios.names), -1, dtype=np.int64)
    cluster[clustered] = place_of
    owner = np.full(len(assembly.lower), -1, dtype=np.int32)
    for part in assembly.blocks:
        if part.kind == "period":
            scenario = structure.block_index[part.component].scenario
            of = np.where(scenario == TRUNK, -1, cluster[np.maximum(scenario, 0)])
        elif part.kind == "branch":
            of = cluster[list(structure.block_index[part.component].branches)]
        elif part.kind == "scenario":
            of = cluster
        else:
            continue
        owner[part.own] = np.repeat(of, part.width)
    present = np.bincount(owner + 1, minlength=1)[1:] > 0  # clusters without a column are left out
    place = np.concatenate([[-1], np.cumsum(present) - 1]).astype(np.int32)
    first = np.searchsorted(place_of, np.flatnonzero(present))
    return place[owner + 1], clustered[first]


def _row_owners(assembly: Assembly, owner: Ints) -> Ints:
    """(rows,) cluster of each row: that of its columns, -1 where all are the master's. ValueError where two clusters meet."""
    most = np.full(len(assembly.row_lower), -1, dtype=np.int32)
    used = np.flatnonzero(np.diff(assembly.start) > 0)
    if len(used):
        entry, first = owner[assembly.index], assembly.start[used]
        most[used] = np.maximum.reduceat(entry, first)
        entry[entry < 0] = np.iinfo(np.int32).max
        least = np.minimum.reduceat(entry, first)
        if ((most[used] >= 0) & (least != most[used])).any():
            raise ValueError("scenarios are bound together by a row: they cannot be taken apart")
    return most


def _cluster(split: ColumnPartition, k: int, keep: bool, old: Cluster | None) -> Cluster:
    links = split.links(k)
    part = split.part(k, links)
    if old is not None and old.kept is not None and part.cost.shape == old.kept.cost.shape:
        before = old.kept.cost
        alike = np.abs(part.cost - before) <= SAME_COST * np.abs(before)
        part = replace(part, cost=np.where(alike, before, part.cost))
    digest, kept = _digest(split.columns[k], links, part), part if keep else None
    return Cluster(split, k, links, digest, kept) if old is None else old.load(split, links, digest, kept)


SAME_COST = 1e-13
"""Relative difference of two costs that is the rounding of a division by probabilities."""


def _digest(own: Ints, links: Ints, part: Subproblem) -> bytes:
    held, digest = part.assembly, hashlib.blake2b(digest_size=16)
    limits = held.lower[: len(own)], held.upper[: len(own)], held.row_lower, held.row_upper
    for array in (own, links, part.cost, *limits, held.start, held.index, held.value):
        digest.update(array.tobytes())
    return digest.digest()


def _part(assembly: Assembly, rows: Ints, columns: Ints, place: Callable[[Ints], Ints], thetas: int) -> Assembly:
    """Some rows of a model with their columns, and columns for the costs of clusters. place: position of a column among them."""
    entries = entries_of(assembly, rows)
    none = np.zeros(0, dtype=np.int64)
    return replace(
        assembly,
        lower=np.concatenate(
            [assembly.lower[columns], np.full(thetas, SETTINGS.least_theta * max(1.0, assembly.money.unit))]
        ),
        upper=np.concatenate([assembly.upper[columns], np.full(thetas, INF)]),
        integer=np.concatenate([assembly.integer[columns], np.zeros(thetas, dtype=bool)]),
        costs={},
        row_lower=assembly.row_lower[rows],
        row_upper=assembly.row_upper[rows],
        start=np.concatenate([[0], np.cumsum(assembly.start[rows + 1] - assembly.start[rows])]),
        index=place(assembly.index[entries]).astype(np.int32),
        value=assembly.value[entries],
        blocks=(),
        row_block=none,
        row_local=none,
        row_instance=none,
        money=assembly.money.of(rows, columns).with_more(columns=np.ones(thetas, dtype=bool)),
    )


# L-shaped method: a master of commitments and trunk, and clusters of scenarios that answer it with cuts.
@dataclass(frozen=True)
class Evaluated:
    """What a point of the master costs in full."""

    y: Floats
    """(master's columns,)"""
    total: float
    answers: tuple[SubproblemSolution, ...]
    """Of each cluster."""
    cuts: tuple[int, ...]
    """Numbers of its cuts in the pool."""
    iterations: int


class Evaluator:
    """One decomposed model, to be minimised again with other costs of the master's columns: its cuts stay valid."""

    def __init__(
        self, structure: Structure, assembly: Assembly, cost: Floats, *, integer: bool, threads: int = 0
    ) -> None:
        """cost: (columns,) [million USD]; that of the clusters' columns never changes. threads: 0, one for each core allowed.

        ValueError where scenarios are bound together (`separable`)."""
        self._integer = integer
        self._threads = threads or cores()
        self.pool = CutPool()
        self.asked: deque[tuple[Floats, tuple[int, ...]]] = deque(maxlen=SETTINGS.remembered_points)
        """Points asked about last, and the numbers of their cuts."""
        self.root: Root | None = None
        """Where the relaxation of the last search ended."""
        self._adopt(self._decomposed(structure, assembly, cost), structure, assembly, cost)

    def _decomposed(self, structure: Structure, assembly: Assembly, cost: Floats) -> Decomposed:
        """The parts of a model that is new here."""
        return decompose(structure, assembly, cost, groups_for(structure, assembly))

    def _adopt(self, parts: Decomposed, structure: Structure, assembly: Assembly, cost: Floats) -> None:
        self.parts, self.structure, self.assembly, self._cost = parts, structure, assembly, cost
        whole = parts.master.integer[: len(parts.mine)]
        self.decisions = np.flatnonzero(whole) if self._integer else np.zeros(0, dtype=np.int64)
        """Columns of integers, as the master counts them; so do sums."""
        sums = decision_sums(structure, assembly) if self._integer else []
        self.sums = [np.searchsorted(parts.mine, columns) for columns in sums]
        count = len(parts.clusters)
        self.groups = np.array_split(np.arange(count), parts.groups) if count else []

    def load(
        self, structure: Structure, assembly: Assembly, cost: Floats, deadline: float, *, integer: bool | None = None
    ) -> None:
        """Take another model in the place of this one. Cuts of clusters that cost as much or more stay; of those that have changed
        they are found anew at the points asked about last, as far as a time of `perf_counter` allows. integer: None, as it was.
        Same errors as at the start."""
        integer = self._integer if integer is None else integer
        if integer != self._integer:
            self.root = None  # a relaxation of another model: no plan has been found from there
        self._integer = integer
        deadline = min(deadline, time.perf_counter() + SETTINGS.renew_cuts_s)
        before = self.parts
        self._adopt(
            decompose(structure, assembly, cost, groups_for(structure, assembly), before), structure, assembly, cost
        )
        count = len(self.parts.clusters)
        same_groups = len(before.clusters) == count and before.groups == self.parts.groups
        if not np.array_equal(before.mine, self.parts.mine) or not same_groups:
            self.pool, self.root = CutPool(), None
            self.asked.clear()
            return
        stale = [g for g, members in enumerate(self.groups) if not all(self.parts.clusters[k].holds for k in members)]
        weight, were = (np.array([cluster.weight for cluster in of.clusters]) for of in (self.parts, before))
        rates = {g: weight[members] / were[members] for g, members in enumerate(self.groups) if g not in stale}
        stale += [g for g, rate in rates.items() if np.ptp(rate) > SAME_COST * rate[0]]
        self.pool.drop_groups(stale)
        self.pool.weigh({g: float(rate[0]) for g, rate in rates.items() if g not in stale})
        alike = [all(self.parts.clusters[k].answers_alike for k in members) for members in self.groups]
        anew = [g for g, same in enumerate(alike) if not same or g in stale]
        for y, _ in list(self.asked) if anew else []:
            try:
                self.cuts_at(anew, self.point(y), deadline)
            except OutOfTimeError:
                break
            except UntrustedError:  # beyond what a cluster allows now: only its cuts are missed
                continue

    def master(self, cost: Floats, offset: float) -> Master:
        """The master's linear program with all cuts so far."""
        costs = np.concatenate([cost[self.parts.mine], np.ones(self.parts.groups)])
        return self._made(self.parts.master, costs, offset, start=self.root)

    def _made(
        self, master: Assembly, costs: Floats, offset: float, rows: Sequence[Cut] = (), start: Root | None = None
    ) -> Master:
        """A master of these decisions and cuts. rows, start: as `Master` takes them."""
        pool, decisions, twin = self.pool, self.decisions, self._threads > 1 and len(self.decisions) > 0
        return Master(
            master,
            costs,
            offset,
            pool,
            decisions,
            self.sums,
            groups=self.parts.groups,
            twin=twin,
            rows=rows,
            start=start,
        )

    def point(self, x: Floats) -> Floats:
        """(master's columns,) a point from the master's x, within bounds: the solver's -1e-9 is 0."""
        own = len(self.parts.mine)
        return np.clip(x[:own], self.parts.master.lower[:own], self.parts.master.upper[:own])

    def evaluate(self, y: Floats, cost: Floats, offset: float, deadline: float) -> Evaluated:
        """Ask all clusters at a point. Raises OutOfTimeError, and UntrustedError where a cluster has no answer."""
        answers, cuts = self.cuts_at(range(len(self.groups)), y, deadline)
        self.asked.append((y, cuts))
        # so long a dot product wakes threads that spin beside the clusters'
        own_cost = float((cost[self.parts.mine] * y).sum())
        total, iterations = sum(answer.cost for answer in answers), sum(answer.iterations for answer in answers)
        return Evaluated(y, offset + own_cost + total, tuple(answers), cuts, iterations)

    def cuts_at(
        self, groups: Sequence[int], y: Floats, deadline: float
    ) -> tuple[list[SubproblemSolution], tuple[int, ...]]:
        """Ask the clusters of some groups at a point: their answers, in order, and the numbers of their cuts."""
        own = len(self.parts.mine)
        master, negligible = self.parts.master, SETTINGS.smallest_slope * self.parts.master.money.unit
        most = SETTINGS.largest_value * master.column_unit[:own]  # columns of a caller's own may be without bounds
        lowest, highest = np.maximum(master.lower[:own], -most), np.minimum(master.upper[:own], most)
        answers = self.answers(y, [int(k) for g in groups for k in self.groups[g]], deadline)
        remaining, cuts = iter(answers), []
        for g in groups:
            slopes, right = np.zeros(own), 0.0
            for k in self.groups[g]:
                answer, links = next(remaining), self.parts.clusters[k].links
                slopes[links] += answer.slopes
                right += answer.cost - float(answer.slopes @ y[links])
            # left out of the row: at their worst within the columns' bounds
            small = np.abs(slopes) * master.column_unit[:own] <= negligible
            right += float(np.minimum(slopes * lowest, slopes * highest)[small].sum())
            used = np.flatnonzero(~small)
            cuts.append(self.pool.add(g, used, slopes[used], right, own + g))
        return answers, tuple(cuts)

    def answers(self, y: Floats, asked: Sequence[int], deadline: float) -> list[SubproblemSolution]:
        """Answers of the clusters asked."""
        return self.in_clusters(lambda cluster: cluster.solve(y, deadline), asked)

    def remember(self, found: Evaluated) -> None:
        """Keep what clusters answered at a point, in place of what they kept before: the next search begins there."""
        for cluster, answer in zip(self.parts.clusters, found.answers, strict=True) if self.parts.kept else ():
            cluster.known = found.y[cluster.links], answer.times(1 / cluster.weight)

    def in_clusters(self, work: Callable[[Cluster], Found], asked: Sequence[int] | None = None) -> list[Found]:
        """What the work gives for the clusters asked, or all, in order; each has a solver of its own, and threads share them."""
        clusters = self.parts.clusters if asked is None else [self.parts.clusters[k] for k in asked]
        if self._threads == 1 or len(clusters) < 2:
            return list(map(work, clusters))
        with ThreadPoolExecutor(min(self._threads, len(clusters))) as pool:
            return list(pool.map(work, clusters))

    def full(self, found: Evaluated) -> Floats:
        """(columns,) the point of the whole model."""
        x = np.zeros(len(self.assembly.lower))
        x[self.parts.mine] = found.y
        for cluster, answer in zip(self.parts.clusters, found.answers, strict=True):
            x[cluster.columns] = answer.x
        return x

    def allowed(self, y: Floats) -> bool:
        """Whether a point keeps the master's rows and bounds, and has its integers whole, as the audit of a plan asks."""
        master, own, whole, room = self.parts.master, len(y), y[self.decisions], SETTINGS.integrality_tolerance
        if (y < master.lower[:own] - room).any() or (y > master.upper[:own] + room).any():
            return False
        if np.abs(whole - np.round(whole)).max(initial=0.0) > room:
            return False
        return not excess(master, y, room).any()


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
    package; how many contracts a producer has."""
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
