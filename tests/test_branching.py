"""Branch and bound over a master, on small two-stage problems whose second stage is a maximum of linear functions, so that every
cut is exact, against the same problems written out in full and solved by HiGHS."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from strategic_minerals.clusters import LEAST_THETA, WHOLE, OutOfTimeError
from strategic_minerals.compile import INF, Assembly
from strategic_minerals.cuts import Master, Pool
from strategic_minerals.decompose import Evaluated
from strategic_minerals.instance import Floats, Ints
from strategic_minerals.rounds import Search
from strategic_minerals.solver import Model, OnProgress, Run

LONG_S = 60.0
ROOM = 1e-7
"""Rounding allowed between two solvers' optima, relative to one more than the optimum."""
SEEDS = range(12)
WHOLES, OTHERS, RULES, WORLDS, GOODS, GROUPS = 18, 2, 6, 8, 3, 4


@dataclass(frozen=True)
class Case:
    """min  cost . y + sum over worlds and goods of price * max(0, need - gives . y),  y and rules . y between bounds."""

    cost: Floats
    lower: Floats
    upper: Floats
    rules: Floats
    """(rules, columns), between `least` and `most`."""
    least: Floats
    most: Floats
    gives: Floats
    """(worlds, goods, columns)."""
    needs: Floats
    """(worlds, goods), as are prices."""
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
    """A random case that doing nothing keeps, for some of its columns pay for themselves up to a rule."""
    rng = np.random.default_rng(seed)
    count = WHOLES + OTHERS
    upper = np.concatenate([rng.integers(1, 3, WHOLES).astype(float), np.full(OTHERS, 10.0)])
    cost = np.concatenate([rng.uniform(1.0, 6.0, WHOLES), rng.uniform(0.5, 2.0, OTHERS)])
    rules = np.round(rng.uniform(0.0, 3.0, (RULES, count)) * (rng.random((RULES, count)) < 0.4), 3)
    gives = rng.uniform(0.0, 2.0, (WORLDS, GOODS, count)) * (rng.random((WORLDS, GOODS, count)) < 0.4)
    return Case(
        cost - rng.uniform(0.0, 4.0, count) * (rng.random(count) < 0.5), np.zeros(count), upper, rules, np.full(RULES, -INF),
        rules @ upper * rng.uniform(0.4, 0.8, RULES), gives, rng.uniform(5.0, 15.0, (WORLDS, GOODS)),
        rng.uniform(0.5, 4.0, (WORLDS, GOODS)) * GOODS / WORLDS,
    )  # fmt: skip


def assembled(lower: Floats, upper: Floats, rows: Floats, row_lower: Floats, row_upper: Floats) -> Assembly:
    """Arrays for a solver; the first columns are whole numbers."""
    sparse, nothing = csr_matrix(rows), np.zeros(0, dtype=np.int64)
    return Assembly(
        lower, upper, np.arange(len(lower)) < WHOLES, {}, row_lower, row_upper, sparse.indptr.astype(np.int64),
        sparse.indices.astype(np.int64), sparse.data.astype(float), (), nothing, nothing, nothing,
    )  # fmt: skip


def best(case: Case) -> float:
    """The optimum of a case written out in full, with a column for what each world lacks of each good."""
    lacks = case.needs.size
    gives = np.hstack([case.gives.reshape(lacks, -1), np.eye(lacks)])
    rows = np.vstack([np.hstack([case.rules, np.zeros((len(case.rules), lacks))]), gives])
    whole = assembled(
        np.concatenate([case.lower, np.zeros(lacks)]), np.concatenate([case.upper, np.full(lacks, INF)]), rows,
        np.concatenate([case.least, case.needs.ravel()]), np.concatenate([case.most, np.full(lacks, INF)]),
    )  # fmt: skip
    run = Model(whole, np.concatenate([case.cost, case.prices.ravel()]), integer=True).run(time_limit_s=LONG_S)
    assert run.status == "optimal"
    assert run.objective is not None
    return run.objective


@cache
def optimum(seed: int) -> float:
    """That of a random case."""
    return best(drawn(seed))


class StandIn:
    """What a search asks of a Decomposition, for a case; all its columns are the master's, which adds one for each group."""

    def __init__(self, case: Case) -> None:
        rules = np.hstack([case.rules, np.zeros((len(case.rules), GROUPS))])
        lower, upper = np.append(case.lower, np.full(GROUPS, LEAST_THETA)), np.append(case.upper, np.full(GROUPS, INF))
        master = assembled(lower, upper, rules, case.least, case.most)
        self.case, self.pool = case, Pool()
        self.parts = SimpleNamespace(master=master, mine=np.arange(len(case.cost)))
        self.layout, self.assembly = SimpleNamespace(uses_risk=False), SimpleNamespace(stamped=())
        self.integers = np.arange(WHOLES)
        self.sums = np.array_split(self.integers[1:], 6)  # 0 stays apart for the case that leans on the tolerance

    def place(self, columns: Ints) -> Ints:
        return columns

    def master(self, cost: Floats, offset: float) -> Master:
        return Master(self.parts.master, np.append(cost, np.ones(GROUPS)), offset, self.pool, self.integers, self.sums)

    def point(self, mine: Floats) -> Floats:
        return np.clip(mine[: len(self.case.cost)], self.case.lower, self.case.upper)

    def evaluate(self, y: Floats, cost: Floats, offset: float, deadline: float) -> Evaluated:
        case, count = self.case, len(y)
        lack = case.needs - case.gives @ y
        paid = np.where(lack > 0.0, case.prices, 0.0)
        cuts = []
        for group, worlds in enumerate(np.array_split(np.arange(WORLDS), GROUPS)):
            slopes = -np.einsum("wg,wgc->c", paid[worlds], case.gives[worlds])
            right = float((paid * lack)[worlds].sum() - slopes @ y)
            cuts.append(self.pool.add(group, np.arange(count), slopes, right, count + group))
        return Evaluated(y, offset + case.value(y), (), tuple(cuts), 0)

    def allowed(self, x: Floats) -> bool:
        return self.case.breach(x) <= WHOLE

    def full(self, found: Evaluated) -> Floats:
        return found.y


def searching(case: Case, gap: float, on_progress: OnProgress | None = None) -> Search:
    """A search for the best point of a case."""
    of: Any = StandIn(case)
    begin = time.perf_counter()
    return Search(of, case.cost, 0.0, begin, begin + LONG_S, "test", on_progress, 0.0, gap)


def assert_true(bound: float | None, objective: float | None, truth: float) -> None:
    """No bound is above the optimum, no objective below it."""
    room = ROOM * (1 + abs(truth))
    assert bound is None or bound <= truth + room
    assert objective is None or objective >= truth - room


def assert_found(case: Case, run: Run, truth: float, gap: float) -> None:
    """A search ended with the optimum, but for the gap, and with a point that is allowed and costs what it says."""
    assert run.status == "optimal"
    assert run.x is not None
    assert run.objective is not None
    assert_true(run.bound, run.objective, truth)
    assert run.objective - truth <= gap * abs(run.objective) + ROOM * (1 + abs(truth))
    assert case.breach(run.x) <= WHOLE
    assert case.value(run.x) == pytest.approx(run.objective, rel=1e-9, abs=1e-9)


@cache
def nodes_to_the_optimum(seed: int, gap: float) -> int:
    """Nodes that a random case takes, all told on the way and found at its end being true."""
    case, told = drawn(seed), []
    run = searching(case, gap, told.append).run(np.zeros(len(case.cost)) if seed % 2 else None)
    for progress in told:
        assert_true(progress.bound, progress.incumbent, optimum(seed))
    assert_found(case, run, optimum(seed), gap)
    return run.nodes


@pytest.mark.parametrize("gap", [0.0, 1e-4])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_tree_finds_the_optimum(seed: int, gap: float) -> None:
    """Proves: with and without a start, the search ends within the gap asked of the optimum of the problem written out in full;
    no bound told on the way is above it, no objective below."""
    assert nodes_to_the_optimum(seed, gap) >= 0


@pytest.mark.parametrize("gap", [0.0, 1e-4])
def test_these_cases_are_branched_on(gap: float) -> None:
    """Proves: the random cases together take far more nodes than their roots, so that what they prove is about a tree."""
    assert sum(nodes_to_the_optimum(seed, gap) for seed in SEEDS) > 250


def test_cuts_taken_out_inside_a_tree_are_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: with every cut taken out of the master between two dives that one solve leaves idle, the optimum is the same."""
    monkeypatch.setattr("strategic_minerals.cuts.IDLE", 0)
    monkeypatch.setattr("strategic_minerals.cuts.WORTH_A_TRIM", 10**9)
    trim, learn, gone, back = Master.trim, Master.learn, set(), set()

    def counting_trim(self: Master, idle: int | None = None) -> None:
        before = set(self._held)
        trim(self, idle)
        gone.update((id(self), number) for number in before - set(self._held) if idle is None)

    def counting_learn(self: Master, cuts: Collection[int]) -> bool:
        back.update(gone & {(id(self), number) for number in cuts if number not in self._held})
        return learn(self, cuts)

    monkeypatch.setattr(Master, "trim", counting_trim)
    monkeypatch.setattr(Master, "learn", counting_learn)
    searches = [searching(drawn(seed), 0.0) for seed in SEEDS]
    for seed, search in zip(SEEDS, searches, strict=True):
        assert_found(drawn(seed), search.run(None), optimum(seed), 0.0)
    assert len(gone) > 150
    assert len(back) > 75


@pytest.mark.parametrize(("need", "revenue"), [(0.5, 0.0), (0.0, 20.0), (0.0, 2.0)], ids=["needed", "pays", "does not pay"])
@pytest.mark.parametrize("seed", range(3))
def test_a_decision_that_is_whole_only_to_the_tolerance_is_split(seed: int, need: float, revenue: float) -> None:
    """Proves: where a row with a big factor lets half a unit pass for 5e-7 of a decision, which counts as none of it, the search
    ends with the optimum of the same case with the least factor that does."""
    bare = drawn(seed)
    first, last = np.eye(len(bare.cost))[[0, -1]]
    alone = first + last == 0.0  # these two columns are in nothing but the row that binds them
    cost = np.where(alone, bare.cost, 3.0 * first - revenue * last)
    ends = {"lower": need * last, "upper": np.where(alone, bare.upper, first + 0.5 * last), "gives": bare.gives * alone}
    tight, loose = (
        replace(bare, cost=cost, rules=np.vstack([bare.rules * alone, factor * first - last]), least=np.append(bare.least, 0.0),
                most=np.append(bare.most, INF), **ends)
        for factor in (0.5, 1e6)
    )  # fmt: skip
    run = searching(loose, 1e-4).run(None)
    assert_found(loose, run, best(tight), 1e-4)
    assert run.x is not None
    assert tight.breach(run.x) <= WHOLE


def stopped(case: Case, status: str, calls: float, start: Floats | None) -> tuple[Run, list[int]]:
    """(run, nodes at each call) of a search whose clock runs out, or whose caller stops it, after so many calls."""
    nodes: list[int] = []

    def over(_: Any = None) -> bool:
        nodes.append(search.nodes)
        return len(nodes) > calls

    def left() -> float:
        if over():
            raise OutOfTimeError
        return LONG_S

    search = searching(case, 0.0, over if status == "interrupted" else None)
    if status == "time_limit":
        search.left = left  # type: ignore[method-assign]
    return search.run(start), nodes


@pytest.mark.parametrize("status", ["time_limit", "interrupted"])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_tree_that_is_stopped_tells_the_truth(seed: int, status: str) -> None:
    """Proves: wherever in the tree the clock runs out or the caller stops the search, it says so, with a bound that is not above
    the optimum and no point or one that is allowed and not below it; later stops know no less."""
    case = drawn(seed)
    start = np.zeros(len(case.cost)) if seed % 2 else None
    inside = [call for call, nodes in enumerate(stopped(case, status, np.inf, start)[1]) if nodes]
    runs = [stopped(case, status, call, start)[0] for call in inside[:: max(1, len(inside) // 10)]]
    assert len(runs) >= 10
    for run in runs:
        assert run.status == status
        assert_true(run.bound, run.objective, optimum(seed))
        assert run.x is None or case.breach(run.x) <= WHOLE
    assert np.all(np.diff([run.bound for run in runs]) >= 0.0)
    assert np.all(np.diff([run.objective for run in runs if run.objective is not None]) <= 0.0)
    assert runs[0].bound < optimum(seed) - 1e-3
