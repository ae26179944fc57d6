"""What is done differently where worlds are many: clusters made anew for every answer, a sample of them searched first, prices read
off master and clusters. Here with limits lowered, so that small cases take these ways, against the whole model."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from instances import random_case
from strategic_minerals import Dataset, Plan, PlanError, clusters, decompose, scouting, solve, solver
from strategic_minerals.decompose import Decomposition
from strategic_minerals.optimize import cap_trunk_shortfall, do_nothing, optimise
from strategic_minerals.problem import denominator, objective_costs, prepare
from strategic_minerals.session import Session
from strategic_minerals.solver import Model, Progress


def many(seed: int) -> tuple[Plan, Dataset]:
    """A random case that can be taken apart, with a sample of worlds beside its listed scenarios."""
    return random_case(seed, loss_limits=False, sample=True)


@pytest.fixture
def crowded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model counts as too large for solvers to stay in memory, four clusters count as many."""
    monkeypatch.setattr(clusters, "LOADED_COLUMNS", 0)
    monkeypatch.setattr(clusters, "MOST_WORLDS", 1)
    monkeypatch.setattr(scouting, "LEAST_CLUSTERS", 4)
    monkeypatch.setattr(scouting, "SAMPLE", 3)
    monkeypatch.setattr(decompose, "GROUPS", 3)


@pytest.mark.usefixtures("crowded")
@pytest.mark.parametrize("relax", [False, True])
def test_the_plan_is_that_of_the_whole_model(relax: bool) -> None:
    """Proves: bounds and objectives of both ways enclose each other, the reference is the same, and the audit passes (solve raises
    where it does not); nothing is said of costs while a sample is searched."""
    told: list[Progress] = []
    for plan, data in map(many, range(6)):
        flat = solve(plan, data, gap=1e-6, relax=relax, method="flat").outcome
        apart = solve(plan, data, gap=1e-6, relax=relax, method="decomposed", on_progress=told.append).outcome
        room = 1e-6 * max(1.0, abs(flat.do_nothing_musd or 0.0))
        assert apart.do_nothing_musd == pytest.approx(flat.do_nothing_musd, rel=1e-8)
        assert apart.objective_musd == pytest.approx(flat.objective_musd, abs=2 * room)
        assert apart.best_bound_musd <= flat.objective_musd + room
    sampled = [p for p in told if "sample" in p.phase]
    assert len(sampled) > 10
    assert all(p.incumbent is None and p.bound is None and p.gap is None for p in sampled)


@pytest.mark.usefixtures("crowded")
def test_a_sample_stands_for_all_clusters() -> None:
    """Proves: every cluster is represented once, the first by itself; what is learnt of all clusters at a sample's points are cuts
    of all clusters, that lie nowhere above what they cost."""
    problem = prepare(*many(2))
    cost = objective_costs(problem)["social_cost"]
    of = Decomposition(problem.layout, problem.assembly, cost, integer=True)
    some = scouting.sampled(of)
    assert some.weights.sum() == len(of.parts.clusters)
    assert some.parts.clusters[0] is of.parts.clusters[0]
    assert len(some.parts.clusters) == scouting.SAMPLE < len(of.parts.clusters)
    z0 = do_nothing(problem, cost, 60.0)
    cap_trunk_shortfall(problem, z0)
    of.minimise(cost, z0, gap=1e-4, absolute_gap=0.0)
    assert of.scouted
    y, forever = of.point(z0[of.parts.mine]), time.perf_counter() + 60.0
    at = of.evaluate(y, cost, 0.0, forever)
    cost_of_groups = at.total - float(cost[of.parts.mine] @ y)
    below = np.full(len(of.groups), -np.inf)
    for number in of.pool.numbers:
        cut = of.pool[number]
        below[cut.group] = max(below[cut.group], cut.right - float(cut.factors[:-1] @ y[cut.columns[:-1]]))
    assert below.sum() == pytest.approx(cost_of_groups, rel=1e-6, abs=1e-6)


@pytest.mark.usefixtures("crowded")
@pytest.mark.parametrize("seed", [0, 1, 3, 4])
def test_prices_of_commitments_and_trunk_are_slopes_of_the_whole_model(seed: int) -> None:
    """Proves: with the same whole numbers, no budget, stock or rule that is moved a little either way leads to a cost below what
    its price says: each price is a subgradient of the least cost, which is convex."""
    gap = 1e-7
    solved = optimise(prepare(*many(seed)), gap=gap, time_limit_s=60.0, method="decomposed")
    problem, fixed = solved.problem, solved.fixed
    assert fixed is not None
    assert fixed.row_dual is not None
    assembly, cost = problem.assembly, solved.costs["social_cost"]
    whole = np.flatnonzero(assembly.integer)
    apart = clusters.take_apart(problem.layout, assembly, cost, 3)
    priced = apart.rows[np.abs(fixed.row_dual[apart.rows]) > 1e-7]
    rng = np.random.default_rng(seed)
    model = Model(assembly, cost, integer=False)
    model.set_bounds(whole, np.round(solved.x[whole]), np.round(solved.x[whole]))
    here = model.run(time_limit_s=60.0).objective
    assert here == pytest.approx(float(cost @ fixed.x), abs=2 * gap * denominator(problem, 0.0))
    tried = 0
    for row in rng.permutation(priced)[:25]:
        low, high = assembly.row_lower[row], assembly.row_upper[row]
        for step in (1e-3, -1e-3):
            model.set_row_bounds(np.array([row]), np.array([low + step]), np.array([high + step]))
            there = model.run(time_limit_s=60.0)
            if there.objective is not None:
                tried += 1
                assert there.objective - here >= fixed.row_dual[row] * step - 1e-6 * (1 + abs(here))
        model.set_row_bounds(np.array([row]), np.array([low]), np.array([high]))
    assert tried > 10


@pytest.mark.usefixtures("crowded")
def test_prices_in_worlds_are_slopes_of_their_cluster() -> None:
    """Proves: with everything of the master standing, the price of a delivery in a world says what one moved a little costs at
    least."""
    solved = optimise(prepare(*many(1)), gap=1e-6, time_limit_s=60.0, method="decomposed")
    problem, fixed = solved.problem, solved.fixed
    assert fixed is not None
    assert fixed.row_dual is not None
    assembly, cost = problem.assembly, solved.costs["social_cost"]
    apart = clusters.take_apart(problem.layout, assembly, cost, 3)
    model = Model(assembly, cost, integer=False)
    y = fixed.x[apart.mine]
    model.set_bounds(apart.mine, y, y)
    here = model.run(time_limit_s=60.0)
    assert here.objective == pytest.approx(float(cost @ fixed.x), rel=1e-7)
    rows = np.concatenate([cluster.rows for cluster in apart.clusters])
    priced = rows[np.abs(fixed.row_dual[rows]) > 1e-7]
    assert len(priced) > 20
    for row in np.random.default_rng(0).permutation(priced)[:20]:
        low, high = assembly.row_lower[row], assembly.row_upper[row]
        for step in (1e-4, -1e-4):
            model.set_row_bounds(np.array([row]), np.array([low + step]), np.array([high + step]))
            there = model.run(time_limit_s=60.0)
            if there.objective is not None:
                assert there.objective - here.objective >= fixed.row_dual[row] * step - 1e-7 * (1 + abs(here.objective))
        model.set_row_bounds(np.array([row]), np.array([low]), np.array([high]))


@pytest.mark.usefixtures("crowded")
def test_variants_asked_in_turn_are_answered_as_alone() -> None:
    """Proves: clusters whose programs are made anew take over other figures, and what they learnt before misleads none."""
    plan, data = many(5)
    held = Session(gap=1e-8, relax=True, method="decomposed")
    for factor in (1.0, 0.6, 1.3):
        values = {year: factor * most for year, most in _by_year(plan).items()}
        changed = plan.model_copy(update={"budget": plan.budget.model_copy(update={"appropriation_musd": values})})
        hot, cold = held.answer(changed, data).outcome, held.cold().answer(changed, data).outcome
        room = 1e-7 * max(1.0, abs(cold.do_nothing_musd or 0.0))
        assert hot.objective_musd == pytest.approx(cold.objective_musd, abs=room)


def test_a_model_too_large_for_one_solver_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: it is a fault of the plan that says what can be done, not a process that runs out of memory."""
    plan, data = many(0)
    monkeypatch.setattr(solver, "MOST_COLUMNS", 100)
    with pytest.raises(PlanError, match=r"columns in one model.*at most 100; more worlds need method 'decomposed'"):
        solve(plan, data, method="flat")


def _by_year(plan: Plan) -> dict[int, float]:
    money: Any = plan.budget.appropriation_musd
    return {plan.horizon.first_year: money} if isinstance(money, int | float) else dict(money)


def test_a_cluster_made_anew_answers_as_one_that_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: costs and slopes are the same, point after point, and asked briefly."""
    problem = prepare(*many(8))
    cost = objective_costs(problem)["social_cost"]
    best = Model(problem.assembly, cost, integer=False).run(time_limit_s=60.0).x
    hot = clusters.take_apart(problem.layout, problem.assembly, cost, 3)
    monkeypatch.setattr(clusters, "LOADED_COLUMNS", 0)
    fresh = clusters.take_apart(problem.layout, problem.assembly, cost, 3)
    assert hot.kept
    assert not fresh.kept
    forever = time.perf_counter() + 60.0
    for share in (0.0, 0.5, 1.0, 0.9):
        y = share * best[hot.mine]
        for one, other in zip(hot.clusters, fresh.clusters, strict=True):
            whole, brief = one.answer(y, forever), replace(other).answer(y, forever, brief=True)
            again = other.answer(y, forever)
            assert brief.x is None
            assert brief.cost == pytest.approx(whole.cost, rel=1e-9, abs=1e-9)
            assert again.cost == pytest.approx(whole.cost, rel=1e-9, abs=1e-9)
            assert float(other.part.cost[: other.part.own] @ again.x) == pytest.approx(again.cost, rel=1e-9, abs=1e-9)
