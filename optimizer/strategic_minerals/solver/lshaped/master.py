"""Cuts of an L-shaped method, and the master's linear program with those that matter.

A cut says that a group of scenarios costs at least so much:  factors . columns >= right-hand side,  the last of its columns being
the group's cost [million USD]. Cuts are valid for every plan and for every cost of the master's columns, so that a pool keeps all
of them while one linear program has few: what has not been tight for long is taken out until clusters say it again."""

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...core.errors import UntrustedError
from ...core.frames import INF, Floats, Ints
from ...matrix.assembly import Assembly
from ..highs import BASIC, Model, Run, SolvedRun, Statuses


# Tolerances and sizes of the L-shaped method, each with what it means and, where it was measured, what was seen.
@dataclass(frozen=True)
class SearchSettings:
    """All figures of the method that could be others. Shares are in 0..1; money is in million USD, time in seconds."""

    # How the model is decomposed

    clusters: int = 50
    """Clusters aimed at: each is one linear program; more of them are smaller and quicker, and keep more solvers."""
    most_scenarios_per_cluster: int = 4
    """Scenarios in one cluster: more of them take memory that is fetched and given back in every round (16: a fifth slower)."""
    loaded_columns: int = 1_500_000
    """Columns of the whole model up to which the clusters' solvers stay in memory, some 2 kB a column."""
    cut_groups: int = 16
    """Groups of clusters aimed at, each with one cut a round: more of them inform more and weigh on every solve of the master."""
    scenarios_per_group: int = 20
    """The same where rounds are expensive: a group for so many scenarios, within the two bounds below. Relaxations of 400 scenarios
    take 24 rounds in groups of 50, 13 in groups of 6; 1,000 scenarios with integers take 37 rounds in groups of 16 and 31 in groups
    of 4, in about the same time; 5,000 in groups of 78 and of 20 come about as far in the same time."""
    least_groups: int = 64
    most_groups: int = 250

    # Rounds on the linear relaxation

    in_out_step: float = 0.5
    """How far a round goes from the best point to the master's (in-out separation)."""
    most_rounds: int = 500
    linear_gap_share: float = 0.1
    """The linear phase of a mixed-integer problem ends at this share of the gap asked."""
    dear_gap_share: float = 0.3
    """That share and `fixed_integer_gap_share` at least, where rounds are expensive."""
    dear_group_share: float = 0.25
    """Share of the groups that is asked about a point whose cost is no matter, where rounds are expensive. Those that added most of
    late say half of what all would (at 1,000 scenarios)."""
    rounding: float = 1e-9
    """Difference of two sums, relative to the costs in them, that counts as none."""
    least_theta: float = -1e8
    """Lower bound of what a group of clusters costs, before its first cut [million USD]."""

    # Integers fixed

    fixed_integer_rounds: int = 40
    """Linear rounds that one choice of integers gets at most."""
    coarse_rounds: int = 3
    """The same where it is settled coarsely: poor plans are not worth more."""
    least_rounds: int = 1
    """Linear rounds that every choice gets, however poor."""
    fixed_integer_gap_share: float = 0.1
    """Share of the gap asked at which the linear rounds of one choice of integers end."""
    coarse_share: float = 0.1
    """Share of what lies between bound and plan that is close enough for one choice of integers, while it is more."""
    improvement_share: float = 0.1
    """What better integers must promise to improve the plan by, as a share of the gap asked."""
    integrality_tolerance: float = 1e-6
    """Distance from an integer, or beyond a bound or a row, that counts as none."""
    row_relaxation: tuple[float, ...] = (1e-6, 1e-5)
    """Room in every row, in the solver's unit, tried in turn where a point that another solve rounded leaves a cluster none. The
    second is for what was missed in several rows of the master and meets in one row of the cluster."""
    row_tolerance: float = 1e-7
    """How far a plan may be beyond a row of the master before it is restored, relative to one more than the row's bound."""
    row_rounding: float = 1e-13
    """Of the terms that a row adds up, what rounding may leave."""
    restoration_factor: float = 2.0
    """How much tighter the row's bound is made then, in units of how far the plan was beyond it."""
    most_restorations: int = 3
    """Times that a plan is restored whose integers, made exact, break a row."""

    # Branch and bound

    strong_branching_trials: int = 4
    """Branchings of a node of which both sides are tried before one is chosen, where too little is known of them yet."""
    strong_branching_trials_dear: int = 12
    """The same where rounds are expensive, which makes a better choice worth more than the master's time."""
    reliable_after: int = 1
    """Tries of a side after which its pseudo-cost is relied on."""
    least_pseudo_cost: float = 1e-6
    """Of a branching's two sides, so that one side alone counts for something [million USD]."""
    round_up_from: float = 0.35
    """Fraction from which the next integer above is tried first."""
    cut_rounds_at_node: int = 2
    """Rounds of cuts at the node that determines the bound."""
    least_gain_of_round: float = 0.1
    """What such a round must bring for another one, as a share of what the node lacks to be pruned."""
    separation_depth: float = 0.75
    """How far they ask from the centre of the relaxation to the node's own point: cuts there are deeper (half as far, and all the
    way, take a quarter more solves of the master)."""
    heuristic_gap_factor: float = 5.0
    """Better plans are looked for while the gap between plan and bound is at most so many times the gap asked."""
    plunging_window: float = 0.3
    """Share of the way from the least bound to being pruned within which a node is plunged from, or further into."""

    # Cuts in the linear program

    idle_solves: int = 60
    """Solves without being tight after which a cut is taken out."""
    recently_tight_solves: int = 10
    """Solves without being tight after which a cut is not kept for the next search."""
    idle_cuts_one_in: int = 4
    """Idle cuts are left where not one in so many is idle: the next solve would have to factorise anew."""
    smallest_slope: float = 1e-9
    """Whoever makes a cut leaves smaller ones out, as HiGHS would, and lowers its right-hand side for them."""
    largest_value: float = 1e6
    """Value of a column without an upper bound that a cut allows for in slopes which it leaves out."""
    remembered_points: int = 3
    """Points asked about last at which cuts are found anew when figures change. Four answers of `rare-earths` with other loss
    values take 8.9 s with 2 or 3 of them, 10.3 with 4 and 10.8 with 8 (2026-11-28, two cores)."""

    # Clocks

    renew_cuts_s: float = 60.0
    """Seconds that finding cuts anew may take."""
    last_round_s: float = 3600.0
    """Seconds in which all clusters are sure to answer once."""
    least_solve_s: float = 0.05
    """Seconds that a solve gets at least."""


SETTINGS = SearchSettings()


@dataclass(frozen=True)
class Cut:
    """factors . columns >= right  [million USD]."""

    group: int
    columns: Ints
    """Of the master's model."""
    factors: Floats
    right: float


class CutPool:
    """All cuts found, each once."""

    def __init__(self) -> None:
        self._cuts: dict[int, Cut] = {}
        self._numbers: dict[tuple[int, bytes, float], int] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._cuts)

    def __getitem__(self, number: int) -> Cut:
        return self._cuts[number]

    @property
    def numbers(self) -> list[int]:
        """Of all cuts, in the order in which they were found."""
        return list(self._cuts)

    def add(self, group: int, columns: Ints, slopes: Floats, right: float, own: int) -> int:
        """Number of the cut  theta - slopes . columns >= right,  theta being column `own`; the same for the same cut."""
        cut = Cut(group, np.append(columns, own).astype(np.int32), np.append(-slopes, 1.0), right)
        name = _name(cut)
        if name not in self._numbers:
            self._numbers[name], self._cuts[self._next] = self._next, cut
            self._next += 1
        return self._numbers[name]

    def keep(self, numbers: Collection[int]) -> None:
        """Leave out all other cuts."""
        kept = set(numbers)
        self._cuts = {number: cut for number, cut in self._cuts.items() if number in kept}
        self._numbers = {name: number for name, number in self._numbers.items() if number in kept}

    def weigh(self, rates: Mapping[int, float]) -> None:
        """Multiply what the cuts of groups say by a factor: their scenarios are so many times as likely."""
        for number, cut in self._cuts.items():
            rate = rates.get(cut.group, 1.0)
            if rate != 1.0:
                factors = rate * cut.factors
                factors[-1] = cut.factors[-1]
                self._cuts[number] = replace(cut, factors=factors, right=rate * cut.right)
        self._numbers = {_name(cut): number for number, cut in self._cuts.items()}

    def drop_groups(self, groups: Collection[int]) -> None:
        """Leave out the cuts of some groups."""
        self.keep([number for number, cut in self._cuts.items() if cut.group not in groups])


def _name(cut: Cut) -> tuple[int, bytes, float]:
    """The same for the same cut."""
    held = cut.columns.tobytes() + cut.factors.tobytes()
    return cut.group, hashlib.blake2b(held, digest_size=16).digest(), cut.right


@dataclass(frozen=True)
class Root:
    """A basis of the master's linear program, as statuses that `Model.set_basis` takes."""

    columns: Statuses
    rows: Statuses
    """But for cuts."""
    cuts: Mapping[int, int]
    """Number in the pool -> status of its row."""


class Master:
    """The master's linear program, hot from solve to solve, with sums of decisions as rows that may be bounded too."""

    def __init__(
        self,
        assembly: Assembly,
        cost: Floats,
        offset: float,
        pool: CutPool,
        decisions: Ints,
        sums: Sequence[Ints],
        *,
        groups: int = 0,
        twin: bool = False,
        rows: Sequence[Cut] = (),
        start: Root | None = None,
    ) -> None:
        """cost: (columns,). decisions: integers. sums: columns whose sums are integers. All as the master counts them.
        groups: of clusters. twin: load it into two solvers, so that both sides of a branching are solved at once. rows: that bind
        costs of groups, and always stay; of cuts those of groups that the assembly lets cost something are in. start: a basis
        of a master with these columns and rows, whatever its cuts."""
        self._pool, self._twin, self._rows = pool, twin, rows
        self._decisions, first = decisions, len(assembly.row_lower)
        self._sums = np.arange(first, first + len(sums))
        self._first = first + len(sums) + len(rows)
        own = len(assembly.lower) - groups
        self._costly = assembly.lower[own:] < assembly.upper[own:]
        self._held = {number: 0 for number in pool.numbers if self._costly[pool[number].group]}
        """Cut -> solves since it was tight, in the order of their rows."""
        self._program = assembly, cost, offset, sums
        self._point: Floats | None = None
        """Where the last `run` ended."""
        self.missed = np.full(groups, np.inf)
        """(groups,) how far the last cut of each lay above what the master thought there  [million USD]; inf where none came."""
        self._models = [self._made()]
        if start is not None and len(start.columns) == len(assembly.lower) and len(start.rows) == self._first:
            cuts = [start.cuts.get(number, BASIC) for number in self._held]
            with suppress(UntrustedError):  # a basis that the solver refuses is ignored
                self._models[0].set_basis(start.columns, np.concatenate([start.rows, np.array(cuts, dtype=np.int8)]))

    def _made(self) -> Model:
        """A solver of it, with its current cuts."""
        assembly, cost, offset, sums = self._program
        model = Model(assembly, cost, integer=False, offset=offset)
        model.configure_hot_start(scaled=True)
        free = np.full(len(sums), INF)
        model.add_rows(sums, [np.ones(len(columns)) for columns in sums], -free, free)
        self._append(model, self._rows)
        self._add(model, self._held)
        return model

    def _add(self, model: Model, cuts: Collection[int]) -> None:
        """Rows for some cuts of the pool."""
        self._append(model, [self._pool[number] for number in cuts])

    def _append(self, model: Model, found: Sequence[Cut]) -> None:
        columns, factors = [cut.columns for cut in found], [cut.factors for cut in found]
        right = np.array([cut.right for cut in found])
        model.add_rows(columns, factors, right, np.full(len(found), INF), money=True)

    def add_cuts(self, cuts: Collection[int]) -> bool:
        """Add some cuts of the pool; whether one of them was missing."""
        known = self._held
        missing = [k for k in dict.fromkeys(cuts) if k not in known and self._costly[self._pool[k].group]]
        self._see_missed(cuts)
        for model in self._models:
            self._add(model, missing)
        self._held |= dict.fromkeys(missing, 0)
        return bool(missing)

    def _see_missed(self, cuts: Collection[int]) -> None:
        if self._point is not None:
            for cut in map(self._pool.__getitem__, cuts):
                above = cut.right - float((cut.factors * self._point[cut.columns]).sum())
                self.missed[cut.group] = max(0.0, above)

    def most_violated_groups(self, share: float) -> list[int]:
        """A share of the groups, those that added most of what the master had not known when they were asked last, in order."""
        missed = np.where(self._costly, self.missed, -1.0)
        most = np.argsort(-missed, kind="stable")[: math.ceil(share * self._costly.sum())]
        return sorted(most.tolist())

    @property
    def recently_tight(self) -> list[int]:
        """Cuts that were tight not long ago."""
        return [number for number, since in self._held.items() if since <= SETTINGS.recently_tight_solves]

    def bound(self, lower: Floats, upper: Floats) -> None:
        """Set bounds of decisions, then of sums."""
        self._bound(self._models[0], lower, upper)

    def _bound(self, model: Model, lower: Floats, upper: Floats) -> None:
        count = len(self._decisions)
        model.set_bounds(self._decisions, lower[:count], upper[:count])
        model.set_row_bounds(self._sums, lower[count:], upper[count:])

    def root(self) -> Root:
        """Where the last `run` ended, for a master of another search."""
        columns, rows = self._models[0].basis()
        return Root(columns, rows[: self._first], dict(zip(self._held, rows[self._first :].tolist(), strict=True)))

    def save_basis(self) -> Any:
        """Where the last `run` ended, for `restore_basis` while no cut comes or goes."""
        return self._models[0].save_basis()

    def restore_basis(self, saved: Any) -> None:
        """Start the next run there."""
        self._models[0].restore_basis(saved)

    def run(self, time_limit_s: float, phase: str) -> Run:
        """Solve, and see which cuts are tight."""
        run = self._models[0].run(time_limit_s=time_limit_s, phase=phase)
        self._see_tight(run)
        self._point = run.x if isinstance(run, SolvedRun) else None
        return run

    def mendable(self, y: Floats) -> Floats:
        """(rows,) as `excess`; 0 where a row, an equation say, has no room to be tightened."""
        assembly = self._program[0]
        found = excess(assembly, y, SETTINGS.row_tolerance)
        return np.where(assembly.row_upper - assembly.row_lower > 2 * SETTINGS.restoration_factor * found, found, 0.0)

    def run_within(self, off: Floats, time_limit_s: float, phase: str) -> Run:
        """Solve once with tightened rows, for a point that stays within them after a change that brought another one beyond.

        off: (rows,) by how much."""
        assembly, model, rows = self._program[0], self._models[0], np.flatnonzero(off)
        lower, upper, room = assembly.row_lower[rows], assembly.row_upper[rows], SETTINGS.restoration_factor * off[rows]
        model.set_row_bounds(rows, lower + room, upper - room)
        try:
            run = model.run(time_limit_s=time_limit_s, phase=phase)
        finally:
            model.set_row_bounds(rows, lower, upper)
        self._see_tight(run)
        return run

    def both(
        self, below: tuple[Floats, Floats], above: tuple[Floats, Floats], saved: Any, time_limit_s: float, phase: str
    ) -> list[Run]:
        """Runs between two pairs of bounds, each from a saved basis; at once where it has a twin, made when first needed. The next
        saved basis is that of the run below.

        They age cuts as other runs do: with all that trying spares, masters take half as long again (measured)."""

        def one(model: Model, side: tuple[Floats, Floats]) -> Run:
            self._bound(model, *side)
            model.restore_basis(saved)
            return model.run(time_limit_s=time_limit_s, phase=phase)

        if self._twin and len(self._models) == 1:
            self._models.append(self._made())
        if self._twin:
            with ThreadPoolExecutor(1) as pool:
                beside = pool.submit(one, self._models[1], above)
                runs = [one(self._models[0], below), beside.result()]
        else:
            first = one(self._models[0], above)
            runs = [first if first.status == "time_limit" else one(self._models[0], below), first]
        for run in runs:
            self._see_tight(run)
        return runs

    def _see_tight(self, run: Run) -> None:
        if isinstance(run, SolvedRun) and run.duals is not None:
            tight = run.duals.row[self._first :] != 0
            self._held = {
                number: 0 if now else idle + 1
                for (number, idle), now in zip(self._held.items(), tight.tolist(), strict=True)
            }

    def trim(self, idle: int | None = None) -> None:
        """Take out cuts not tight for more than `idle` solves; None: `SearchSettings.idle_solves`, and only of many."""
        most = SETTINGS.idle_solves if idle is None else idle
        rows = [self._first + k for k, since in enumerate(self._held.values()) if since > most]
        if idle is None and len(rows) * SETTINGS.idle_cuts_one_in < len(self._held):
            return
        for model in self._models:
            model.remove_rows(np.array(rows, dtype=np.int64))
        self._held = {number: since for number, since in self._held.items() if since <= most}


def excess(assembly: Assembly, y: Floats, tolerance: float) -> Floats:
    """(rows,) how far each row is beyond its bounds at a point; 0 within a tolerance, relative to one more than the bound, and
    within what rounding leaves of a row's terms: equations of 1e10 tonnes are not kept to the millionth of one.

    y: values of the first columns, which the rows use alone."""
    terms = np.concatenate([assembly.value * y[assembly.index], [0.0]])
    activity = np.add.reduceat(terms, assembly.start[:-1])
    rounding = SETTINGS.row_rounding * np.add.reduceat(np.abs(terms), assembly.start[:-1])
    activity[np.diff(assembly.start) == 0] = 0.0
    below, above = assembly.row_lower - activity, activity - assembly.row_upper
    bound = np.where(below > above, assembly.row_lower, assembly.row_upper)
    beyond = np.maximum(below, above)
    return np.where(beyond > np.maximum(tolerance * (1 + np.abs(bound)), rounding), beyond, 0.0)


def open_bounds(assembly: Assembly, decisions: Ints, sums: Sequence[Ints]) -> tuple[Floats, Floats]:
    """(lower, upper) of decisions, then of sums, as the master's own bounds have them."""
    lower, upper = assembly.lower, assembly.upper
    low = [lower[decisions], np.array([lower[columns].sum() for columns in sums])]
    high = [upper[decisions], np.array([upper[columns].sum() for columns in sums])]
    return np.concatenate(low), np.concatenate(high)
