"""Branch and bound over the master's linear program, with cuts that stay.

A solver is hot-started from node to node, and a second one beside it where both sides of a branching are tried. A node is a box of
decisions and of sums of decisions, which are looked at first: that a project is signed at all, and when, says more than that one of
its fifty options is not. A plunge ends at a choice of integers, which the clusters settle, or where another node holds the bound
down; near the end, better plans are looked for around the best one. Cuts hold in every node, so that no master is solved twice from
nothing (branch-and-cut, Padberg and Rinaldi 1991; pseudo-costs with a first look, Achterberg, Koch and Martin 2005).
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from ..core.arrays import Floats
from ..core.errors import UntrustedError
from ..highs.run import Run, SolvedRun, UnsolvedRun
from .master import open_bounds
from .settings import SETTINGS

if TYPE_CHECKING:
    from ..highs.run import Status
    from .search import Effort, Search

BELOW, ABOVE = 0, 1
IN_TURN: tuple[Effort, ...] = ("coarse", "close", "exact")
"""How a choice of integers is settled when it comes for the first time, again, and still again."""


@dataclass(order=True)
class Node:
    """Decisions, then sums, between bounds."""

    bound: float
    """What a plan among them costs at least  [million USD]."""
    serial: int
    lower: Floats = field(compare=False)
    upper: Floats = field(compare=False)
    known: int = field(compare=False, default=-1)
    """Cuts that there were when it was solved; -1: it was not."""


class BranchAndBound:
    """One search over integers."""

    def __init__(self, search: Search, root: SolvedRun) -> None:
        """root: the linear relaxation."""
        of = search.of
        self.search, self.master = search, search.master
        self.decisions, self.sums = of.decisions, of.sums
        self.lower, self.upper = open_bounds(of.parts.master, self.decisions, self.sums)
        self.root, self.root_x, self.root_dual = (
            root.objective,
            root.x[self.decisions],
            root.prices.column[self.decisions],
        )
        self.heap: list[Node] = []
        self.serial = 0
        self.floor = math.inf
        """Least bound of what was pruned or given up  [million USD]."""
        self.times_settled: dict[bytes, int] = {}
        """How often the clusters have settled a choice of integers."""
        size = len(self.lower)
        self.wait, self.patience = 0, 1
        """Dives until the next look for a better plan, and between looks."""
        self.gains, self.trials = np.zeros((2, size)), np.zeros((2, size))
        """What it cost to round a branching's share down and up  [million USD per unit], summed, and how often."""

    def explore(self) -> Status:
        """Dive from the node with the least bound, until the gap is closed or nothing is left.

        Raises OutOfTimeError, and StoppedByCallerError where the caller wants no more; what is known then stands in the search.
        """
        s = self.search
        self.heap.append(self.node(self.root, self.lower, self.upper))
        while self.heap:
            node = heapq.heappop(self.heap)
            s.raise_bound_to(min(node.bound, self.floor, s.objective))
            if s.is_closed(s.objective, s.bound):
                return "optimal"
            s.report_progress()
            s.log("node")
            self.master.trim()
            s.nodes += 1
            self.plunge(node)
        s.raise_bound_to(min(self.floor, s.objective))
        if s.best is None:
            return "infeasible" if math.isinf(self.floor) else "limit"
        return "optimal" if s.is_closed(s.objective, s.bound) else "limit"

    def node(self, bound: float, lower: Floats, upper: Floats, known: int = -1) -> Node:
        """A node; of two with the same bound the younger is taken first."""
        self.serial -= 1
        return Node(bound, self.serial, lower, upper, known)

    def plunge(self, node: Node) -> None:
        """Follow a node's better sides, down to integers or as long as it is worth it; their other sides wait."""
        s = self.search
        lower, upper = self.reduced_cost_fixing(node.lower, node.upper)
        node = replace(node, lower=lower, upper=upper)
        run = self.solve(lower, upper)
        if not self.is_open(run, node.bound) or self.requeue(run, node):
            return
        run = self.improvement_heuristic(self.with_node_cuts(run, lower, upper), node)
        here: Node | None = node
        while here is not None:
            settled = self.solve_leaf(run, here)
            if settled is None:
                return
            here = self.branch(settled, here)
            if here is not None:
                s.nodes += 1
                run = self.solve(here.lower, here.upper)

    def solve(self, lower: Floats, upper: Floats) -> Run:
        """The master's linear program between bounds. Raises OutOfTimeError and StoppedByCallerError."""
        self.master.bound(lower, upper)
        self.search.report_progress()
        return self.search.run_master()

    def is_open(self, run: Run, before: float) -> TypeGuard[SolvedRun]:
        """Whether a node is worth going on with: it was solved, and may lead to a better plan than the best, but for the gap asked.

        before: its bound. Where it is not, what a plan in it may cost lowers the floor.
        """
        if isinstance(run, UnsolvedRun):
            if run.status != "infeasible":
                self.give_up(before)
            return False
        if max(before, run.objective) >= self.search.cutoff:
            self.floor = min(self.floor, max(before, run.objective))
            return False
        return True

    def give_up(self, bound: float) -> None:
        """Leave out what was not looked into, at its bound."""
        self.floor = min(self.floor, bound)
        self.search.given_up += 1

    def requeue(self, run: SolvedRun, node: Node) -> bool:
        """Put off a node that is no longer the one that holds the bound down, once there is a plan; whether it was.

        Not one that came back and of which nothing new is known: it would come back again.
        """
        s, known = self.search, len(self.search.of.pool)
        if s.best is None or not self.heap or node.known == known:
            return False
        least = self.heap[0].bound
        if run.objective <= least + SETTINGS.plunging_window * (s.cutoff - least):
            return False
        heapq.heappush(self.heap, self.node(max(node.bound, run.objective), node.lower, node.upper, known))
        return True

    def reduced_cost_fixing(self, lower: Floats, upper: Floats) -> tuple[Floats, Floats]:
        """Bounds without decisions whose reduced cost in the relaxation is more than a better plan could save."""
        s = self.search
        if s.best is None:
            return lower, upper
        count = len(self.decisions)
        worth = s.objective - self.root + SETTINGS.integrality_tolerance * (1 + abs(s.offset) + abs(self.root))
        low, high = self.lower[:count], self.upper[:count]
        stay_low = (self.root_x <= low + SETTINGS.integrality_tolerance) & (self.root_dual > worth)
        stay_high = (self.root_x >= high - SETTINGS.integrality_tolerance) & (self.root_dual < -worth)
        lower, upper = lower.copy(), upper.copy()
        upper[:count][stay_low] = np.maximum(lower[:count], low)[stay_low]
        lower[:count][stay_high] = np.minimum(upper[:count], high)[stay_high]
        return lower, upper

    def with_node_cuts(self, run: Run, lower: Floats, upper: Floats) -> Run:
        """A node after rounds of cuts between its own fractional point and the centre, as long as they raise its bound."""
        s = self.search
        for _ in range(SETTINGS.cut_rounds_at_node):
            if isinstance(run, UnsolvedRun) or run.objective >= s.cutoff or self.is_integral_at(run.x):
                break
            out = s.of.point(run.x)
            if not s.add_cuts_near(
                out if s.centre is None else s.centre + SETTINGS.separation_depth * (out - s.centre)
            ):
                if s.of.parts.kept:
                    break
                continue  # others than those asked may say more
            before, lacks = run.objective, s.cutoff - run.objective
            run = self.solve(lower, upper)
            if isinstance(run, UnsolvedRun) or run.objective - before < SETTINGS.least_gain_of_round * lacks:
                break
        return run

    def improvement_heuristic(self, run: Run, node: Node) -> Run:
        """A node again, after a look for a better plan near it: every million that the plan is better by, the bound need not rise.

        Branch and bound alone finds none that is better by less than the gap asked. Looks that fail come ever more rarely.
        """
        s = self.search
        self.wait -= 1
        if self.wait > 0 or s.best is None or isinstance(run, UnsolvedRun) or self.is_integral_at(run.x):
            return run
        if run.objective >= s.cutoff or s.objective - s.bound > SETTINGS.heuristic_gap_factor * s.tolerance(
            s.objective
        ):
            return run
        here, before, learned = self.master.save_basis(), s.objective, False
        whole = self.rins_rounding(run.x, np.round(s.best.y[self.decisions]))
        if whole is not None and whole.tobytes() not in self.times_settled:
            self.times_settled[whole.tobytes()] = 1
            learned = s.solve_fixed_integers(whole, "improve")
        self.patience = 1 if s.objective < before else 2 * self.patience
        self.wait = self.patience
        if learned:
            return self.solve(node.lower, node.upper)
        self.master.restore_basis(here)
        return run

    def rins_rounding(self, x: Floats, plan: Floats) -> Floats | None:
        """Integers that may make a better plan than the best; None where rounding finds none.

        Decisions that are the same at a point of the master and in the plan stay (relaxation induced neighbourhoods; Danna,
        Rothberg and Le Pape 2005). Of the others the one with the largest share is tried both ways and stays where the master
        costs less, one after the other.
        """
        s, count = self.search, len(self.decisions)
        here = Node(-math.inf, 0, self.lower.copy(), self.upper.copy())
        same = np.abs(x[self.decisions] - plan) <= SETTINGS.integrality_tolerance
        here.lower[:count][same] = here.upper[:count][same] = plan[same]
        run = self.solve(here.lower, here.upper)
        while isinstance(run, SolvedRun) and run.objective < s.pruned_from("improve"):
            s.report_progress()
            at = run.x[self.decisions]
            if self.is_integral_at(run.x):
                return np.round(at) + 0.0
            k = int(
                np.where(
                    here.lower[:count] < here.upper[:count], at - np.floor(at + SETTINGS.integrality_tolerance), 0.0
                ).argmax()
            )
            sides = self.side(here, k, at[k], BELOW), self.side(here, k, at[k], ABOVE)
            runs = [s.counted(side) for side in self.master.both(*sides, self.master.save_basis(), s.left(), s.phase)]
            costs = [side.objective if isinstance(side, SolvedRun) else math.inf for side in runs]
            up = BELOW if costs[BELOW] < costs[ABOVE] else ABOVE
            here = self.node(costs[up], *sides[up])
            # the next saved basis is of the first solver, which ended below
            again = up == ABOVE and isinstance(runs[up], SolvedRun)
            run = self.solve(here.lower, here.upper) if again else runs[up]
        return None

    def is_integral_at(self, x: Floats) -> bool:
        """Whether a point of the master has its decisions whole."""
        at = x[self.decisions]
        return bool(np.abs(at - np.round(at)).max(initial=0.0) <= SETTINGS.integrality_tolerance)

    def solve_leaf(self, run: Run, node: Node) -> SolvedRun | None:
        """Ask the clusters about integers, until the node is pruned or put off (None) or its point is fractional again.

        A choice settled exactly with nothing to learn is as close as arithmetic comes. Where it leans on the tolerance, other
        choices in the node may be better: it is split at the decision that leans most.
        """
        s = self.search
        while self.is_open(run, node.bound) and not self.requeue(run, node):
            if not self.is_integral_at(run.x):
                return run
            at = run.x[self.decisions]
            whole = np.round(at) + 0.0  # -0.0 is 0.0
            times = self.times_settled.get(whole.tobytes(), 0)
            self.times_settled[whole.tobytes()] = times + 1
            how = IN_TURN[min(times, len(IN_TURN) - 1)]
            fresh = s.solve_fixed_integers(whole, how)
            if how == "exact" and not fresh:
                self.split(run, node, at)
                return None
            run = self.solve(node.lower, node.upper)
        return None

    def split(self, run: SolvedRun, node: Node, at: Floats) -> None:
        """Both sides of the open decision that is farthest from whole wait; nothing is left where all are exact."""
        count, bound = len(at), max(node.bound, run.objective)
        off = np.where(node.lower[:count] < node.upper[:count], np.abs(at - np.round(at)), 0.0)
        k = int(off.argmax()) if count else 0
        if not count or off[k] == 0.0:
            self.floor = min(self.floor, bound)
            return
        for up in (BELOW, ABOVE):
            heapq.heappush(self.heap, self.node(bound, *self.side(node, k, at[k], up)))

    def branch(self, run: SolvedRun, node: Node) -> Node | None:
        """Split a node; the side to plunge into, None where both are pruned."""
        base, sums = max(node.bound, run.objective), [run.x[columns].sum() for columns in self.sums]
        x = np.concatenate([run.x[self.decisions], sums])
        k, found = self.select_branching(x, base, node)
        sides = []
        for up in (BELOW, ABOVE):
            if found[up] < self.search.cutoff:
                sides.append((up, self.node(max(base, found[up]), *self.side(node, k, x[k], up))))
            else:
                self.floor = min(self.floor, found[up])
        if not sides:
            return None
        sides.sort(key=lambda side: (side[0] == ABOVE) == (x[k] - math.floor(x[k]) >= SETTINGS.round_up_from))
        for _, other in sides[:-1]:
            heapq.heappush(self.heap, other)
        return sides[-1][1]

    def select_branching(self, x: Floats, base: float, node: Node) -> tuple[int, tuple[float, float]]:
        """(branching, bounds of its sides): the one with the largest product of what its two sides cost.

        Raises UntrustedError where nothing can be branched on.
        """
        share = x - np.floor(x)
        inside = (np.floor(x) >= node.lower) & (np.ceil(x) <= node.upper)  # a sum may be fractional by rounding alone
        open_ = np.flatnonzero(
            (share > SETTINGS.integrality_tolerance) & (share < 1 - SETTINGS.integrality_tolerance) & inside
        )
        if not len(open_):
            raise UntrustedError("a decision is fractional and cannot be branched on")
        distance = np.stack([share, 1 - share])
        mean = self.gains.sum(axis=1) / np.maximum(1.0, self.trials.sum(axis=1))
        rate = np.where(self.trials > 0, self.gains / np.maximum(1.0, self.trials), mean[:, None])
        score = np.prod(np.maximum(SETTINGS.least_pseudo_cost, rate * distance), axis=0)
        sums_first = open_ < len(self.decisions)
        order = open_[np.lexsort((-np.minimum(share, 1 - share)[open_], sums_first, -score[open_]))]
        best, best_score, bounds = int(order[0]), -1.0, (base, base)
        most = SETTINGS.strong_branching_trials if self.search.of.parts.kept else SETTINGS.strong_branching_trials_dear
        trials, here = 0, self.master.save_basis()
        for k in order.tolist():
            found, points = (base, base), float(score[k])
            if self.trials[:, k].min() < SETTINGS.reliable_after:
                if trials == most:
                    continue
                trials += 1
                found = self.strong_branch(k, x[k], base, node, here)
                reach = np.minimum(found, self.search.cutoff) - base
                points = float(np.prod(np.maximum(SETTINGS.least_pseudo_cost, reach)))
            if points > best_score:
                best, best_score, bounds = k, points, found
            if max(found) >= self.search.cutoff:  # one side is pruned: nothing is better
                best, bounds = k, found
                break
        if trials:
            self.master.restore_basis(here)
        return best, bounds

    def strong_branch(self, k: int, x: float, base: float, node: Node, here: Any) -> tuple[float, float]:
        """Bounds of both sides of a branching, which are remembered; each solved from where the node stands."""
        found, s = [], self.search
        s.report_progress()
        runs = self.master.both(self.side(node, k, x, BELOW), self.side(node, k, x, ABOVE), here, s.left(), s.phase)
        for up, distance in ((BELOW, x - math.floor(x)), (ABOVE, math.ceil(x) - x)):
            run = s.counted(runs[up])
            beyond = (
                math.inf if run.status == "infeasible" else base
            )  # unsolved, it may still cost as little as the node
            value = max(base, run.objective) if isinstance(run, SolvedRun) else beyond
            cost = min(value, s.cutoff) - base
            if math.isfinite(cost):  # before there is a plan, an infeasible side has no finite cost
                self.gains[up, k] += cost / distance
                self.trials[up, k] += 1
            found.append(value)
        return found[BELOW], found[ABOVE]

    def side(self, node: Node, k: int, x: float, up: int) -> tuple[Floats, Floats]:
        """(lower, upper) of one side of a branching."""
        lower, upper = node.lower.copy(), node.upper.copy()
        if up == ABOVE:
            lower[k] = math.ceil(x)
        else:
            upper[k] = math.floor(x)
        return lower, upper
