"""Rounds between master and clusters: first the linear relaxation, then integers settled choice by choice.

Rounds ask between the best point known and the master's (in-out separation, Ben-Ameur and Neto 2007). Integers are found by
branch and bound on the same master (`BranchAndBound`); each choice gets linear rounds of its own. Bounds are true: the master's
from below, evaluated points from above."""

import heapq
import logging
import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeGuard

import numpy as np

from ...core.errors import OnProgress, Progress, UntrustedError
from ...core.frames import Floats
from ...core.logs import logger_of
from ..highs import Duals, Run, SolvedRun, Status, UnsolvedRun, UnsolvedStatus
from .master import SETTINGS, Master, open_bounds
from .subproblems import Evaluated, Evaluator, OutOfTimeError, SubproblemSolution

LOG = logger_of(__name__)

Effort = Literal["improve", "coarse", "close", "exact"]
"""How integers are settled: until a share of what is open between bound and plan is left or `SearchSettings.coarse_rounds` are
over, until a share of the gap asked is left, or nothing. To better the plan: like coarsely, and as long as they may better it by a
little, where others end at what the gap asked allows."""
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
    warm: bool = False
    """Whether it goes on from a search for a variant, with its plan and its cuts."""
    held_up: bool = False
    """Whether every group of clusters has had a cut that bounds its cost from below."""
    given_up: int = 0
    """Nodes left out because the master's linear program had no answer there."""
    master: Master = field(init=False)

    def __post_init__(self) -> None:
        self.warm = self.of.root is not None
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
        """By how much objective and bound may differ: a share of the gap asked, and rounding."""
        rounding = SETTINGS.rounding * (1 + abs(objective) + abs(self.offset))
        return share * max(self.absolute_gap, self.gap * abs(objective)) + rounding

    def is_closed(self, objective: float, bound: float, share: float = 1.0) -> bool:
        """Whether a bound is close enough to an objective."""
        return math.isfinite(objective) and objective - bound <= self.tolerance(objective, share)

    def run_master(self) -> Run:
        """Solve the master with its current cuts and bounds. Raises OutOfTimeError."""
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
        least; whether it learned anything."""
        if self.of.parts.kept:
            return self.evaluate(y, answer=False)[1]
        groups = self.master.most_violated_groups(SETTINGS.dear_group_share)
        answers, cuts = self.of.cuts_at(groups, y, self.deadline)
        self.iterations += sum(answer.iterations for answer in answers)
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
        """Log the state of the search, if anybody reads it."""
        if LOG.isEnabledFor(level):
            text = "%s: %s, best %.3f, bound %.3f million USD, %d cuts, %d nodes, %d iterations, %.3f s"
            effort = len(self.of.pool), self.nodes, self.iterations, self.taken
            LOG.log(level, text, self.phase, what, self.objective, self.bound, *effort)

    def at_corner(self, status: Status) -> Status:
        """Where no gap was allowed, ask once more where the relaxation has its corner: rounds end on the way there, a hair above
        the least cost, and what costs next to nothing may have another value on the way."""
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
                settled = self.warm and not answer and self.bound - before <= self.tolerance(best.total, share)
                # integers may be whole in a plan within the gap asked: the start of a variant often is one
                answered = len(self.of.decisions) > 0 and self.is_closed(self.objective, self.bound)
                if settled or answered or self.is_closed(best.total, self.bound, share):
                    self.of.root = self.master.root()
                    return "optimal"
            self.report_progress()
            out = self.of.point(run.x)
            at = out if best is None else best.y + step * (out - best.y)
            found, fresh = self.evaluate(at, answer=answer)
            better = best is None or found.total < best.total
            if not (better or fresh) and step == 1.0:
                self.of.root = self.master.root()
                return self.nothing_new()
            step = (
                SETTINGS.in_out_step if better or self.bound > before + SETTINGS.rounding * (1 + abs(before)) else 1.0
            )
            best = found if better else best
        return "limit"

    def raise_bound(self, run: Run) -> None:
        """Take a master's bound, once every group of clusters has a cut that bounds its cost from below."""
        if self.holds_up(run):
            self.raise_bound_to(min(run.bound, self.objective))

    def holds_up(self, run: Run) -> bool:
        """Whether cuts, and not the floor under every group, bound what the clusters cost in a run of the master."""
        return isinstance(run, SolvedRun) and bool(
            (run.x[len(self.of.parts.mine) :] > SETTINGS.least_theta * (1 - SETTINGS.rounding)).all()
        )

    def raise_bound_to(self, bound: float) -> None:
        """Take a bound where it means something: not before every group's cost is bounded, nor where there is nothing to bound."""
        if self.held_up and math.isfinite(bound):
            self.bound = max(self.bound, bound)

    def nothing_new(self) -> Status:
        """Clusters say what the master knows: as close as arithmetic comes."""
        if not math.isfinite(self.bound):
            raise UntrustedError(f"a group of scenarios costs less than {SETTINGS.least_theta:g} million USD")
        return "optimal"

    def widest(self) -> tuple[Floats, Floats]:
        """(lower, upper) of decisions, then of their sums, where nothing is fixed."""
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
        best: a plan with these integers. Whether the master learned anything."""
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
        """A point of the master with its integers exact. Rows that this breaks are tightened, a few times at most: a solver
        that keeps a thousand signatures to 1e-7 each overdraws a budget by 1,000 dollars once rounded (seen at 5,000 scenarios)."""
        y = self.of.point(x)
        y[self.of.decisions] = whole
        tightened = np.zeros(len(self.of.parts.master.row_lower))
        for _ in range(SETTINGS.most_restorations):
            off = self.master.mendable(y)
            if not off.any():
                break
            tightened += off
            run = self.counted(self.master.run_within(tightened, self.left(), self.phase))
            if isinstance(run, UnsolvedRun):
                break
            y = self.of.point(run.x)
            y[self.of.decisions] = whole
        return y

    def finished(self, status: Status) -> Run:
        """The best answer in full, with its bounds."""
        effort: dict[str, Any] = {"seconds": self.taken, "iterations": self.iterations, "nodes": self.nodes}
        if self.given_up:
            LOG.warning("%s: left out %d nodes whose linear program had no answer", self.phase, self.given_up)
        if status == "failed" and self.best is not None:  # what is known stays
            status = "limit"
        if self.best is None or status not in ("optimal", "time_limit", "interrupted", "limit"):
            return UnsolvedRun(status="failed" if status == "optimal" else status, bound=self.bound, **effort)
        x, saved = best_tail(self.of, self.cost, self.of.full(self.best))
        objective = self.best.total - saved
        return SolvedRun(status=status, x=x, objective=objective, bound=min(self.bound, objective), **effort)


def best_tail(of: Evaluator, cost: Floats, x: Floats) -> tuple[Floats, float]:
    """(point, what it saves): value at risk and tails as good as the losses of the scenarios allow  [million USD].

    Between two points of the master the value at risk lies between theirs, which need not be the best. Minimising
    eta + sum w max(0, L - eta) over eta: a loss at which the weights of larger ones no longer exceed the weight of eta
    (Rockafellar and Uryasev 2000)."""
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


# Branch and bound over the master's linear program, with cuts that stay.
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
        self.root, self.root_x = root.objective, root.x[self.decisions]
        self.root_dual = root.prices.column[self.decisions]
        self.heap: list[Node] = []
        self.serial = 0
        self.floor = math.inf
        """Least bound of what was pruned or given up  [million USD]."""
        self.times_settled: dict[bytes, int] = {}
        """How often the clusters have settled a choice of integers."""
        size = len(self.lower)
        self.wait, self.patience = (2 if search.warm else 0), 1
        """Dives until the next look for a better plan, and between looks; the plan of a search before needs none at once."""
        self.gains, self.trials = np.zeros((2, size)), np.zeros((2, size))
        """What it cost to round a branching's share down and up  [million USD per unit], summed, and how often."""

    def explore(self) -> Status:
        """Dive from the node with the least bound, until the gap is closed or nothing is left.

        Raises OutOfTimeError, and StoppedByCallerError where the caller wants no more; what is known then is in the search.
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

        before: its bound. Where it is not, what a plan in it may cost lowers the floor."""
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
        """Re-queue a node that no longer determines the bound, once there is a plan; whether it was.

        Not one that came back and of which nothing new is known: it would come back again."""
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
        costs less, one after the other."""
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
        choices in the node may be better: it is split at the decision that leans most."""
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

        Raises UntrustedError where nothing can be branched on."""
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
        """Bounds of both sides of a branching, which are remembered; each solved from the node's basis."""
        found, s = [], self.search
        s.report_progress()
        runs = self.master.both(self.side(node, k, x, BELOW), self.side(node, k, x, ABOVE), here, s.left(), s.phase)
        for up, distance in ((BELOW, x - math.floor(x)), (ABOVE, math.ceil(x) - x)):
            run = s.counted(runs[up])
            # unsolved, it may still cost as little as the node
            beyond = math.inf if run.status == "infeasible" else base
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


# The L-shaped method from end to end: the relaxation, then plan and proof by branch and bound, on one master whose cuts stay.
class LShaped(Evaluator):
    """One model decomposed, and minimised: its cuts stay valid from one aim to the next."""

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
        rounding. Raises UntrustedError where a cluster has no answer."""
        moved = np.flatnonzero(cost != self._cost)
        if not np.isin(moved, self.parts.mine).all():
            raise ValueError("costs of clusters' columns stand for good: take the model apart again")
        begin = time.perf_counter()
        search = Search(self, cost, offset, begin, begin + time_limit_s, phase, on_progress, absolute_gap, gap)
        found = run(search, None if start is None else start[self.parts.mine])
        self.pool.keep(search.master.recently_tight)  # the next search starts with what this one ended with
        if search.best is not None:
            self.remember(search.best)
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
    ) -> Run:
        """A point that has the integers of x and costs no more, and what right-hand sides are worth there.

        x: (columns,) a point that a search has found; where its integers are exact it is taken unchanged, since its rows
        may be kept to the solver's tolerance only.

        Rounds end within `Search.gap_share` of the gap asked, or after `SearchSettings.fixed_integer_rounds`; the bound says how
        close. Duals are those of the master for its own rows, and in scenarios those of its cluster where the master's columns
        stand; columns of clusters have none (NaN). Raises UntrustedError where a cluster has no answer; `time_limit` has no point.
        """
        begin = time.perf_counter()
        search = Search(self, cost, offset, begin, begin + time_limit_s, "prices", None, absolute_gap, gap)
        status: UnsolvedStatus = "time_limit"
        with suppress(OutOfTimeError):
            found = self.point(x[self.parts.mine])
            y = found.copy()
            y[self.decisions] = np.round(y[self.decisions])
            if np.array_equal(y, found) or self.allowed(y):
                search.evaluate(y, answer=True)
            search.solve_fixed_integers(y[self.decisions], "close", best=search.best)
            last = search.run_master()
            if search.best is not None and isinstance(last, SolvedRun) and last.duals is not None:
                best, bound = search.best, min(last.objective, search.objective)
                answers = self.answers(best.y, range(len(self.parts.clusters)), search.deadline)
                return self._with_duals(search, best.y, last.duals, bound, answers)
            status = last.status if isinstance(last, UnsolvedRun) else "failed"
        return UnsolvedRun(status=status, bound=-math.inf, seconds=search.taken, iterations=search.iterations)

    def _with_duals(
        self, search: Search, y: Floats, duals: Duals, bound: float, answers: Sequence[SubproblemSolution]
    ) -> SolvedRun:
        """The best answer of a search, at the point y, in full, with the master's duals and the clusters'."""
        own, ours, size = len(self.parts.mine), len(self.parts.rows), self.assembly.shape
        x, row_dual, column_dual = np.zeros(size[1]), np.zeros(size[0]), np.full(size[1], np.nan)
        x[self.parts.mine], column_dual[self.parts.mine] = y, duals.column[:own]
        row_dual[self.parts.rows] = duals.row[:ours]
        for cluster, answer in zip(self.parts.clusters, answers, strict=True):
            x[cluster.columns], row_dual[cluster.rows] = answer.x, answer.duals
        x, _ = best_tail(self, search.cost, x)
        objective = float(search.cost @ x) + search.offset
        effort: dict[str, Any] = {"seconds": search.taken, "iterations": search.iterations}
        least, prices = min(bound, objective), Duals(row_dual, column_dual)
        return SolvedRun(status="optimal", x=x, objective=objective, bound=least, duals=prices, **effort)


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
    if search.root is None or status not in ("optimal", "limit"):
        return status
    if not mixed:
        return search.at_corner(status)
    search.master.trim(idle=0)  # from the relaxation, bounded by the cuts that are tight in it
    return BranchAndBound(search, search.root).explore()
