"""Branch and bound over a master, on small two-stage problems whose second stage is a maximum of linear functions, so that every
cut is exact, against the same problems written out in full and solved by HiGHS."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from strategic_minerals.core.errors import OnProgress
from strategic_minerals.core.frames import INF, Floats
from strategic_minerals.solver.highs import Model, Run, SolvedRun, UnsolvedRun
from strategic_minerals.solver.lshaped.master import SETTINGS, CutPool, Master
from strategic_minerals.solver.lshaped.search import BranchAndBound, Node, Search
from strategic_minerals.solver.lshaped.search import run as run_search
from strategic_minerals.solver.lshaped.subproblems import Evaluated, OutOfTimeError
from support.programs import program, set_search

LONG_S = 600.0
ROOM = 1e-7
"""Rounding allowed between two solvers' optima, relative to one more than the optimum."""
SEEDS = (0, 1, 2, 3, 4, 5, 9, 18, 22, 26, 29, 30)
"""Some of them come out wrong where reduced costs are believed to say ten times what they do: 5, 18, 22, 29, 30."""
WHOLES, OTHERS, RULES, SCENARIOS, GOODS, GROUPS = 18, 2, 6, 8, 3, 4


@dataclass(frozen=True, eq=False)
class Case:
    """min  cost . y + sum over scenarios and goods of price * max(0, need - gives . y),  y and rules . y between bounds."""

    seed: int
    cost: Floats
    """(columns,), the first of which are whole numbers."""
    lower: Floats
    upper: Floats
    rules: Floats
    """(rules, columns), between `least` and `most`."""
    least: Floats
    most: Floats
    gives: Floats
    """(scenarios, goods, columns)."""
    needs: Floats
    """(scenarios, goods), as are prices."""
    prices: Floats

    def value(self, y: Floats) -> float:
        """What a point costs."""
        return float(self.cost @ y + (self.prices * np.maximum(0.0, self.needs - self.gives @ y)).sum())

    def breach(self, y: Floats) -> float:
        """How far a point is beyond a bound or a rule, or a decision from a whole number."""
        held, whole = self.rules @ y, y[:WHOLES]
        far = [self.lower - y, y - self.upper, self.least - held, held - self.most, np.abs(whole - np.round(whole))]
        return float(np.concatenate(far).max())


@cache
def drawn(seed: int) -> Case:
    """A random case that doing nothing keeps; some of its columns pay for themselves, up to a rule."""
    rng = np.random.default_rng(seed)
    count = WHOLES + OTHERS
    upper = np.concatenate([rng.integers(1, 3, WHOLES).astype(float), np.full(OTHERS, 10.0)])
    cost = np.concatenate([rng.uniform(1.0, 6.0, WHOLES), rng.uniform(0.5, 2.0, OTHERS)])
    rules = np.round(rng.uniform(0.0, 3.0, (RULES, count)) * (rng.random((RULES, count)) < 0.4), 3)
    gives = rng.uniform(0.0, 2.0, (SCENARIOS, GOODS, count)) * (rng.random((SCENARIOS, GOODS, count)) < 0.4)
    return Case(
        seed,
        cost - rng.uniform(0.0, 4.0, count) * (rng.random(count) < 0.5),
        np.zeros(count),
        upper,
        rules,
        np.full(RULES, -INF),
        rules @ upper * rng.uniform(0.4, 0.8, RULES),
        gives,
        rng.uniform(5.0, 15.0, (SCENARIOS, GOODS)),
        rng.uniform(0.5, 4.0, (SCENARIOS, GOODS)) * GOODS / SCENARIOS,
    )


@cache
def optimum(case: Case) -> float:
    """What HiGHS finds for a case written out in full, with a column for what each scenario lacks of each good."""
    lacks = case.needs.size
    full = program(
        np.block([[case.rules, np.zeros((len(case.rules), lacks))], [case.gives.reshape(lacks, -1), np.eye(lacks)]]),
        np.append(case.least, case.needs),
        np.append(case.most, np.full(lacks, INF)),
        lower=np.append(case.lower, np.zeros(lacks)),
        upper=np.append(case.upper, np.full(lacks, INF)),
        integer=np.arange(len(case.cost) + lacks) < WHOLES,
    )
    run = Model(full, np.append(case.cost, case.prices), integer=True).run(time_limit_s=LONG_S)
    assert run.status == "optimal"
    return run.objective


class StandIn:
    """What a search asks of a Decomposition: all columns of a case are the master's, which adds one for each group of scenarios."""

    def __init__(self, case: Case, kept: bool, twin: bool) -> None:
        lower, upper = (
            np.append(case.lower, np.full(GROUPS, SETTINGS.least_theta)),
            np.append(case.upper, np.full(GROUPS, INF)),
        )
        rules = np.hstack([case.rules, np.zeros((len(case.rules), GROUPS))])
        whole = np.arange(len(lower)) < WHOLES
        master = program(rules, case.least, case.most, lower=lower, upper=upper, integer=whole)
        self.case, self.pool, self.decisions, self.twin = case, CutPool(), np.arange(WHOLES), twin
        self.root: Any = None
        self.sums = np.array_split(
            self.decisions[1:], 6
        )  # the first stays apart, for the case that leans on the tolerance
        self.parts = SimpleNamespace(master=master, mine=np.arange(len(case.cost)), clusters=(), kept=kept)
        self.structure, self.assembly = SimpleNamespace(uses_risk=False), SimpleNamespace(scenarios=None)

    def master(self, cost: Floats, offset: float) -> Master:
        costs = np.append(cost, np.ones(GROUPS))
        return Master(
            self.parts.master, costs, offset, self.pool, self.decisions, self.sums, groups=GROUPS, twin=self.twin
        )

    def point(self, mine: Floats) -> Floats:
        return np.clip(mine[: len(self.case.cost)], self.case.lower, self.case.upper)

    def evaluate(self, y: Floats, cost: Floats, offset: float, deadline: float) -> Evaluated:
        _, cuts = self.cuts_at(range(GROUPS), y, deadline)
        return Evaluated(y, offset + self.case.value(y), (), cuts, 0)

    def cuts_at(self, groups: Sequence[int], y: Floats, deadline: float) -> tuple[list[Any], tuple[int, ...]]:
        case, count, cuts = self.case, len(y), []
        lack = case.needs - case.gives @ y
        paid = np.where(lack > 0.0, case.prices, 0.0)
        split = np.array_split(np.arange(SCENARIOS), GROUPS)
        for group in groups:
            scenarios = split[group]
            slopes = -np.einsum("wg,wgc->c", paid[scenarios], case.gives[scenarios])
            right = float((paid * lack)[scenarios].sum() - slopes @ y)
            cuts.append(self.pool.add(group, np.arange(count), slopes, right, count + group))
        return [], tuple(cuts)

    def allowed(self, x: Floats) -> bool:
        return self.case.breach(x) <= SETTINGS.integrality_tolerance

    def full(self, found: Evaluated) -> Floats:
        return found.y


def searching(
    case: Case, gap: float, on_progress: OnProgress | None = None, *, kept: bool = True, twin: bool = False
) -> Search:
    """A search for the best point of a case. kept: whether rounds are cheap. twin: whether both sides are tried at once."""
    of: Any = StandIn(case, kept, twin)
    begin = time.perf_counter()
    return Search(of, case.cost, 0.0, begin, begin + LONG_S, "test", on_progress, 0.0, gap)


def leaning(seed: int, need: float, revenue: float, factor: float) -> Case:
    """A case whose last column, which is needed or pays, is let pass by the first, a whole number, with a factor."""
    bare = drawn(seed)
    first, last = np.eye(len(bare.cost))[[0, -1]]
    others = 1.0 - first - last  # these two columns are in nothing but the row that binds them
    return replace(
        bare,
        cost=bare.cost * others + 3.0 * first - revenue * last,
        lower=need * last,
        gives=bare.gives * others,
        upper=bare.upper * others + first + 0.5 * last,
        least=np.append(bare.least, 0.0),
        most=np.append(bare.most, INF),
        rules=np.vstack([bare.rules * others, factor * first - last]),
    )


def start_of(seed: int) -> Floats | None:
    """Doing nothing, or in every other case nowhere."""
    return np.zeros(WHOLES + OTHERS) if seed % 2 else None


def assert_true(case: Case, bound: float | None, objective: float | None) -> None:
    """No bound is above the optimum, no objective below it."""
    room = ROOM * (1 + abs(optimum(case)))
    assert bound is None or bound <= optimum(case) + room
    assert objective is None or objective >= optimum(case) - room


def assert_found(case: Case, run: Run, gap: float) -> None:
    """A search ended with the optimum, but for the gap, and with a point that is allowed and costs what it says."""
    assert run.status == "optimal"
    assert_true(case, run.bound, run.objective)
    assert run.objective - optimum(case) <= gap * abs(run.objective) + ROOM * (1 + abs(optimum(case)))
    assert case.breach(run.x) <= SETTINGS.integrality_tolerance
    assert case.value(run.x) == pytest.approx(run.objective, rel=1e-9, abs=1e-9)


@pytest.mark.long
@pytest.mark.parametrize(
    ("gap", "kept", "twin"), [(0.0, True, False), (1e-4, True, True), (0.0, False, True), (1e-4, False, False)]
)
def test_a_tree_finds_the_optimum(gap: float, kept: bool, twin: bool) -> None:
    """Proves: with and without a start, whether rounds are cheap or dear, in one solver or two, a search ends within the gap asked
    of the optimum of the problem written out in full; no bound told on the way is above it, no objective below. The cases take
    many nodes, so that this says something of a tree."""
    nodes = 0
    for seed in SEEDS:
        case, told = drawn(seed), []
        run = run_search(searching(case, gap, told.append, kept=kept, twin=twin), start_of(seed))
        assert_found(case, run, gap)
        for progress in told:
            assert_true(case, progress.bound, progress.incumbent)
        nodes += run.nodes
    assert nodes > 300


def test_cuts_taken_out_inside_a_tree_are_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: with every cut taken out of the master before a dive that the last solve left idle, the optimum is the same."""
    set_search(monkeypatch, "master", idle_solves=0)
    set_search(monkeypatch, "master", idle_cuts_one_in=10**9)
    trim, gone = Master.trim, []

    def counting(self: Master, idle: int | None = None) -> None:
        before = len(self._held)
        trim(self, idle)
        gone.append(before - len(self._held) if idle is None else 0)  # those of the root's trim are not a tree's

    monkeypatch.setattr(Master, "trim", counting)
    for seed in SEEDS:
        case = drawn(seed)
        assert_found(case, run_search(searching(case, 0.0), start_of(seed)), 0.0)
    assert sum(gone) > 400


@pytest.mark.parametrize(
    ("need", "revenue"), [(0.5, 0.0), (0.0, 20.0), (0.0, 2.0)], ids=["needed", "pays", "does not pay"]
)
@pytest.mark.parametrize("seed", range(3))
def test_a_decision_that_leans_on_the_tolerance_is_decided(seed: int, need: float, revenue: float) -> None:
    """Proves: where a row with a big factor lets half a unit pass for 5e-7 of a decision, which counts as none of it, the search
    ends with the optimum of the same case with the least factor that lets it pass for the whole decision."""
    tight, loose = (leaning(seed, need, revenue, factor) for factor in (0.5, 1e6))
    assert_found(tight, run_search(searching(loose, 1e-4), None), 1e-4)


@pytest.mark.parametrize("seed", SEEDS[:3])
def test_sums_that_rounding_leaves_fractional_end_no_search_in_a_circle(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves: where every decision is whole to the tolerance and a sum of them, which its bounds already hold, is not, nothing is
    branched on that changes nothing: the search ends with the optimum."""
    run = Master.run

    def leaning(self: Master, time_limit_s: float, phase: str) -> Run:
        found = run(self, time_limit_s, phase)
        if isinstance(found, UnsolvedRun):
            return found
        x = found.x.copy()
        x[:WHOLES] = np.where(
            np.abs(x[:WHOLES] - np.round(x[:WHOLES])) < SETTINGS.integrality_tolerance / 10,
            x[:WHOLES] + 0.8 * SETTINGS.integrality_tolerance,
            x[:WHOLES],
        )
        return replace(found, x=x)

    monkeypatch.setattr(Master, "run", leaning)
    case, calls = drawn(seed), []
    found = run_search(searching(case, 1e-4, lambda _: calls.append(1) or len(calls) > 20_000), start_of(seed))
    assert_found(case, found, 1e-4)


def test_a_node_of_which_nothing_new_is_known_is_not_put_off_again() -> None:
    """Proves: a node is put off where another one is far below it and there is a plan, and not where there is none, where no other
    node waits, where both are about as low, or where no cut has come since it was put off."""
    search = searching(drawn(0), 0.0)
    search.linear(None, 1.0, answer=False)
    run = search.root
    tree = BranchAndBound(search, run)
    here = tree.node(run.objective, tree.lower, tree.upper)
    other = tree.node(run.objective - 100.0, tree.lower, tree.upper)
    tree.heap = [other]
    assert not tree.requeue(run, here)  # no plan
    nothing = search.of.evaluate(np.zeros(WHOLES + OTHERS), search.cost, 0.0, search.deadline)
    search.best = replace(nothing, total=run.objective + 10.0)
    tree.heap = []
    assert not tree.requeue(run, here)
    tree.heap = [tree.node(run.objective - 1.0, tree.lower, tree.upper)]
    assert not tree.requeue(run, here)
    tree.heap = [other]
    assert not tree.requeue(run, replace(here, known=len(search.of.pool)))
    assert tree.requeue(run, here)
    back = next(node for node in tree.heap if node is not other)
    assert back.bound == run.objective
    assert not tree.requeue(run, back)


def test_a_choice_is_settled_closer_each_time_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: the same whole numbers are settled coarsely, then closely, then exactly; a node is split at a choice, as where it
    leans on the tolerance, only after it was settled exactly."""
    settle, split, times, halves = Search.solve_fixed_integers, BranchAndBound.split, {}, []

    def settled(self: Search, whole: Floats, how: str, best: Evaluated | None = None) -> bool:
        times.setdefault(whole.tobytes(), []).append(how)
        return settle(self, whole, how, best)

    def halved(self: BranchAndBound, run: Run, node: Node, at: Floats) -> None:
        assert times[(np.round(at) + 0.0).tobytes()][-1] == "exact"
        halves.append(at)
        split(self, run, node, at)

    monkeypatch.setattr(Search, "solve_fixed_integers", settled)
    monkeypatch.setattr(BranchAndBound, "split", halved)
    for seed in range(3):
        times.clear()
        run_search(searching(leaning(seed, 0.5, 0.0, 1e6), 1e-4), None)
        for told in times.values():
            first = "improve" if told[0] == "improve" else "coarse"  # where a look for better plans came to it
            assert told == [first, "close", *["exact"] * len(told)][: len(told)]
        assert max(len(told) for told in times.values()) > 2
    assert halves


def rooted(case: Case, gap: float, *, twin: bool = False) -> tuple[Search, BranchAndBound]:
    """A search whose relaxation is solved and whose best plan is doing nothing, and its tree."""
    search = searching(case, gap, twin=twin)
    search.evaluate(np.zeros(WHOLES + OTHERS), answer=True)
    search.linear(None, 0.1, answer=False)
    return search, BranchAndBound(search, search.root)


@pytest.mark.parametrize("twin", [True, False], ids=["at once", "in turn"])
def test_both_sides_of_a_branching_are_what_each_is_alone(twin: bool) -> None:
    """Proves: the two sides, solved at once in two solvers or in turn in one, cost what a solve of each alone finds, and a side
    without a point is found to have none; also after cuts have come and others have gone."""
    came = gone = 0
    for seed in SEEDS:
        search, tree = rooted(drawn(seed), 0.0, twin=twin)
        full = np.concatenate([tree.upper[:WHOLES], tree.lower[WHOLES:]]), tree.upper
        for change in (None, "learn", "trim"):
            if change == "learn":
                came += search.evaluate(np.full(WHOLES + OTHERS, 0.5), answer=False)[1]
            elif change == "trim":
                held = len(search.master._held)
                search.master.trim(idle=0)
                gone += held - len(search.master._held)
            node = tree.node(tree.solve(tree.lower, tree.upper).objective, tree.lower, tree.upper)
            here = search.master.save_basis()
            pairs = [(tree.side(node, k, 0.5, 0), tree.side(node, k, 0.5, 1)) for k in range(0, WHOLES, 4)]
            for pair in [*pairs, (pairs[0][0], full)]:
                runs = search.master.both(*pair, here, LONG_S, "test")
                for run, side in zip(runs, pair, strict=True):
                    alone = tree.solve(*side)
                    assert run.status == alone.status == ("infeasible" if side is full else "optimal")
                    if side is not full:
                        assert run.objective == pytest.approx(alone.objective, rel=1e-7, abs=1e-7)
        assert len(search.master._models) == 1 + twin
    assert came
    assert gone


def test_a_plan_whose_whole_numbers_are_exact_keeps_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: where a solver's point is off by what rounding takes away, the plan made of it keeps every rule to rounding all the
    same, though it costs a little more, and the bound is that of the rules as they are."""
    off, ran = 1e-5, Model.run

    def run_off(self: Model, **told: Any) -> Run:
        run = ran(self, **told)
        if isinstance(run, SolvedRun):
            run.x[WHOLES : WHOLES + OTHERS] += off
        return run

    broken = 0
    for seed in SEEDS:
        case, gap = drawn(seed), 1e-3
        whole = run_search(searching(case, gap), None).x[:WHOLES]
        fixed = replace(case, lower=np.append(whole, np.zeros(OTHERS)), upper=np.append(whole, case.upper[WHOLES:]))
        with monkeypatch.context() as patch:
            patch.setattr(Model, "run", run_off)
            search = searching(case, gap)
            search.solve_fixed_integers(whole, "close")
            patch.setattr(Master, "mendable", lambda self, y: np.zeros(RULES))
            patch.setattr(StandIn, "allowed", lambda self, y: True)
            bare = searching(case, gap)
            bare.solve_fixed_integers(whole, "close")
        broken += case.breach(bare.best.y) > off / 10
        assert case.breach(search.best.y) <= ROOM
        assert search.best.total == pytest.approx(optimum(fixed), abs=gap * (1 + abs(optimum(fixed))))
        assert search.run_master().objective <= optimum(fixed) + ROOM
    assert broken


def test_a_better_plan_is_found_near_a_plan() -> None:
    """Proves: from doing nothing and the relaxation, rounding finds whole numbers within bounds and rules for which the master
    promises a plan that is better by more than a tenth of the gap asked, and settled they make a better plan. Where no plan can
    promise as much it finds none."""
    better = 0
    for seed in SEEDS:
        case, gap = drawn(seed), 1e-3
        search, tree = rooted(case, gap)
        nothing = search.objective
        whole = tree.rins_rounding(search.root.x, np.zeros(WHOLES))
        if whole is not None:
            assert np.array_equal(whole, np.round(whole))
            assert case.breach(np.append(whole, np.zeros(OTHERS))) <= SETTINGS.integrality_tolerance
            lower, upper = search.widest()
            lower[:WHOLES] = upper[:WHOLES] = whole
            assert tree.solve(lower, upper).objective < nothing - 0.1 * search.tolerance(nothing)
            search.solve_fixed_integers(whole, "improve")
            better += search.objective < nothing
        search.best = replace(search.best, total=search.root.objective)
        assert tree.rins_rounding(search.root.x, np.zeros(WHOLES)) is None
    assert better > len(SEEDS) / 2


def stopped(seed: int, status: str, calls: float) -> tuple[Run, list[int]]:
    """(run, nodes at each call) of a search whose clock runs out, or whose caller stops it, after so many calls."""
    nodes: list[int] = []

    def over(_: Any = None) -> bool:
        nodes.append(search.nodes)
        return len(nodes) > calls

    def left() -> float:
        if over():
            raise OutOfTimeError
        return LONG_S

    search = searching(drawn(seed), 0.0, over if status == "interrupted" else None)
    if status == "time_limit":
        search.left = left  # type: ignore[method-assign]
    return run_search(search, start_of(seed)), nodes


@pytest.mark.parametrize("status", ["time_limit", "interrupted"])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_tree_that_is_stopped_tells_the_truth(seed: int, status: str) -> None:
    """Proves: wherever in the tree the clock runs out or the caller stops the search, it says so, with a bound that is not above
    the optimum and no point or one that is allowed and not below it; later stops know no less."""
    case = drawn(seed)
    inside = [call for call, nodes in enumerate(stopped(seed, status, np.inf)[1]) if nodes]
    runs = [stopped(seed, status, call)[0] for call in inside[:: len(inside) // 10]]
    for run in runs:
        assert run.status == status
        assert_true(case, run.bound, run.objective if isinstance(run, SolvedRun) else None)
        assert isinstance(run, UnsolvedRun) or case.breach(run.x) <= SETTINGS.integrality_tolerance
    assert np.all(np.diff([run.bound for run in runs]) >= 0.0)
    assert np.all(np.diff([run.objective for run in runs if isinstance(run, SolvedRun)]) <= 0.0)
    assert runs[0].bound < optimum(case) - 1e-3
