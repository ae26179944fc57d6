"""What is done differently where scenarios are many: clusters made anew for every answer, more groups of cuts, prices read off
master and clusters. Here with limits lowered, so that small cases take these ways, against the whole model."""

import time
import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import pytest

from strategic_minerals import PlanError, load_dataset, load_plan, shipped, solve
from strategic_minerals.matrix import assembly as assembly_module
from strategic_minerals.matrix import problem
from strategic_minerals.matrix.named import denominator, objective_costs
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.question import read_csv as csv_files
from strategic_minerals.question.names import edited
from strategic_minerals.solver import highs as solver
from strategic_minerals.solver.highs import Model, SolvedRun
from strategic_minerals.solver.lshaped import subproblems as clusters
from strategic_minerals.solver.lshaped.master import CutPool
from strategic_minerals.solver.lshaped.search import LShaped
from strategic_minerals.solver.lshaped.subproblems import Cluster, OutOfTimeError
from strategic_minerals.solver.optimise import Solved, optimise
from strategic_minerals.solver.session import Session
from strategic_minerals.solver.stages import cap_trunk_shortfall, solve_reference
from support.both_methods import both
from support.instances import many, quick_first
from support.programs import crowd, set_search
from support.tiny import cut, imported, offer

pytestmark = pytest.mark.long


@pytest.fixture
def crowded(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd(monkeypatch)


@pytest.mark.usefixtures("crowded")
@pytest.mark.parametrize("relax", [False, True])
def test_the_plan_is_that_of_the_whole_model(relax: bool) -> None:
    """Proves: bounds and objectives of both ways enclose each other, the reference is the same, and the audit passes (solve raises
    where it does not)."""
    for plan, data in map(many, range(3)):
        both(plan, data, relax=relax)


@pytest.mark.usefixtures("crowded")
@pytest.mark.parametrize("gap", quick_first([1e-2, 1e-3], 1))
def test_everyday_gaps_are_trusted(gap: float) -> None:
    """Proves: the program with whole numbers fixed is no worse than the plan that it came from, its tails are as good as its losses
    allow, and the audit agrees with what is stated: solve raises where one of these does not hold."""
    for plan, data in map(many, range(5)):
        found = solve(plan, data, gap=gap, method="decomposed", quick=True).outcome
        assert found.reason in ("optimal", "within_gap")
        assert found.relative_gap <= gap * (1 + gap) + 1e-6


@pytest.mark.usefixtures("crowded")
def test_a_clock_that_runs_out_keeps_a_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: wherever the clock stops, there is the point to begin at, or a better one, with a true bound."""
    problem = prepare(*many(2))
    cost = objective_costs(problem)["social_cost"]
    z0 = solve_reference(problem, cost, 600.0)
    problem = cap_trunk_shortfall(problem, z0)
    best = Model(problem.assembly, cost, integer=True).run(time_limit_s=600.0).objective
    asked, left = Cluster.solve, [0]

    def slower(self: Cluster, y: Any, deadline: float) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise OutOfTimeError
        return asked(self, y, deadline)

    monkeypatch.setattr(Cluster, "solve", slower)
    for times in (1, 2, 4, 8, 16):
        of = LShaped(problem.structure, problem.assembly, cost, integer=True, threads=1)
        left[0] = times * len(of.parts.clusters)
        run = of.minimise(cost, z0, gap=1e-6, absolute_gap=0.0)
        assert best - 1e-6 * (1 + abs(best)) <= run.objective <= float(cost @ z0) + 1e-6
        assert run.bound <= best + 1e-6 * (1 + abs(best))


@pytest.mark.parametrize("most", [0, 10**9])
def test_another_budget_keeps_all_cuts(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: where no cluster has other figures, nothing is asked again before the search, and cuts found before are there."""
    set_search(monkeypatch, "subproblems", loaded_columns=most)
    plan, data = many(5)
    problem = prepare(plan, data)
    cost = objective_costs(problem)["social_cost"]
    of = LShaped(problem.structure, problem.assembly, cost, integer=False)
    of.minimise(cost, None, gap=1e-6, absolute_gap=0.0)
    cuts, basis = of.pool.numbers, [cluster.basis for cluster in of.parts.clusters]
    assert cuts
    other = prepare(*edited(plan, data, {"budget.appropriation_musd *": 0.7}), problem)
    monkeypatch.setattr(Cluster, "solve", None)
    of.load(other.structure, other.assembly, objective_costs(other)["social_cost"], time.perf_counter() + 600.0)
    assert of.pool.numbers == cuts
    assert [cluster.basis for cluster in of.parts.clusters] == basis
    assert all(cluster.split.assembly is other.assembly for cluster in of.parts.clusters)


def test_a_matrix_stamped_in_pieces_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: with room for a few entries at a time, every array is what it is in one piece."""
    whole = prepare(*many(4)).assembly
    monkeypatch.setattr(assembly_module, "ROWS_AT_ONCE", 50)
    pieces = prepare(*many(4)).assembly
    for name in "lower upper integer row_lower row_upper start index value row_block row_local row_instance".split():
        assert np.array_equal(getattr(whole, name), getattr(pieces, name)), name
    assert set(whole.costs) == set(pieces.costs)
    assert all(np.array_equal(whole.costs[name], pieces.costs[name]) for name in whole.costs)


def test_a_table_written_in_pieces_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: pieces put together are the text of the whole table, with one header."""
    table = pd.DataFrame({"a": range(10), "b": [f"=x{k}" for k in range(10)]})
    whole = csv_files.csv_text(table)
    for size in (1, 3, 10, 11):
        monkeypatch.setattr(csv_files, "CSV_PIECE", size)
        assert "".join(csv_files.csv_pieces(table)) == whole
    assert "".join(csv_files.csv_pieces(table[:0])) == csv_files.csv_text(table[:0])


@pytest.mark.usefixtures("crowded")
def test_cuts_of_groups_lie_nowhere_above_what_their_clusters_cost() -> None:
    """Proves: where a search began, the cuts that it found since say no more than the clusters do, and those found there say it."""
    problem = prepare(*many(2))
    cost = objective_costs(problem)["social_cost"]
    of = LShaped(problem.structure, problem.assembly, cost, integer=True)
    assert 1 < len(of.groups) < len(of.parts.clusters)
    z0 = solve_reference(problem, cost, 600.0)
    problem = cap_trunk_shortfall(problem, z0)
    of.minimise(cost, z0, gap=1e-4, absolute_gap=0.0)
    y, forever = of.point(z0[of.parts.mine]), time.perf_counter() + 600.0
    cost_of_groups = of.evaluate(y, cost, 0.0, forever).total - float(cost[of.parts.mine] @ y)
    below = np.full(len(of.groups), -np.inf)
    for number in of.pool.numbers:
        known = of.pool[number]
        below[known.group] = max(below[known.group], known.right - float(known.factors[:-1] @ y[known.columns[:-1]]))
    assert below.sum() == pytest.approx(cost_of_groups, rel=1e-6, abs=1e-6)


def tried_slopes(model: Model, solved: Solved, rows: Any, here: float, step: float, room: float) -> int:
    """How many moves of rows by a step, either way, leave a plan: none leads to a cost below what the row's price says."""
    assembly, duals, tried = solved.problem.assembly, solved.fixed.duals, 0
    for row in rows:
        low, high = assembly.row_lower[row], assembly.row_upper[row]
        for move in (step, -step):
            model.set_row_bounds(np.array([row]), np.array([low + move]), np.array([high + move]))
            there = model.run(time_limit_s=600.0)
            if isinstance(there, SolvedRun):
                tried += 1
                assert there.objective - here >= duals.row[row] * move - room * (1 + abs(here))
        model.set_row_bounds(np.array([row]), np.array([low]), np.array([high]))
    return tried


@pytest.mark.usefixtures("crowded")
@pytest.mark.parametrize("seed", quick_first([0, 1, 3, 4], 2))
def test_prices_of_commitments_and_trunk_are_slopes_of_the_whole_model(seed: int) -> None:
    """Proves: with the same whole numbers, no budget, stock or rule that is moved a little either way leads to a cost below what
    its price says: each price is a subgradient of the least cost, which is convex."""
    gap = 1e-7
    solved = optimise(prepare(*many(seed)), gap=gap, time_limit_s=600.0, method="decomposed")
    problem, fixed = solved.problem, solved.fixed
    assembly, cost = problem.assembly, solved.costs["social_cost"]
    whole = np.flatnonzero(assembly.integer)
    apart = clusters.decompose(problem.structure, assembly, cost, 3)
    assert not problem.structure.scenarios.design_basis.all()
    priced = apart.rows[np.abs(fixed.duals.row[apart.rows]) > 1e-7]
    rng = np.random.default_rng(seed)
    model = Model(assembly, cost, integer=False)
    model.set_bounds(whole, np.round(solved.x[whole]), np.round(solved.x[whole]))
    here = model.run(time_limit_s=600.0).objective
    assert here == pytest.approx(float(cost @ fixed.x), abs=2 * gap * denominator(problem, 0.0))
    assert tried_slopes(model, solved, rng.permutation(priced)[:25], here, 1e-3, 1e-6) > 10


@pytest.mark.usefixtures("crowded")
def test_prices_in_worlds_are_slopes_of_their_cluster() -> None:
    """Proves: with everything of the master standing, the price of a delivery in a scenario says what one moved a little costs."""
    solved = optimise(prepare(*many(1)), gap=1e-6, time_limit_s=600.0, method="decomposed")
    problem, fixed = solved.problem, solved.fixed
    assembly, cost = problem.assembly, solved.costs["social_cost"]
    apart = clusters.decompose(problem.structure, assembly, cost, 3)
    model = Model(assembly, cost, integer=False)
    y = fixed.x[apart.mine]
    model.set_bounds(apart.mine, y, y)
    here = model.run(time_limit_s=600.0)
    assert here.objective == pytest.approx(float(cost @ fixed.x), rel=1e-7)
    rows = np.concatenate([cluster.rows for cluster in apart.clusters])
    priced = rows[np.abs(fixed.duals.row[rows]) > 1e-7]
    assert len(priced) > 20
    tried_slopes(model, solved, np.random.default_rng(0).permutation(priced)[:20], here.objective, 1e-4, 1e-7)


@pytest.mark.usefixtures("crowded")
def test_prices_are_as_close_as_they_say() -> None:
    """Proves: with whole numbers fixed, plan and bound end within three tenths of the gap asked."""
    for seed in range(4):
        problem = prepare(*many(seed))
        cost = objective_costs(problem)["social_cost"]
        of = LShaped(problem.structure, problem.assembly, cost, integer=True)
        offset = -float(cost @ solve_reference(problem, cost, 600.0))
        best = of.minimise(cost, None, gap=0.05, absolute_gap=0.0, offset=offset)
        of.pool = CutPool()
        fixed = of.fixed(cost, best.x, gap=0.05, absolute_gap=0.0, offset=offset)
        assert fixed.objective <= best.objective + 1e-9
        assert fixed.objective - fixed.bound <= 0.3 * 0.05 * abs(fixed.objective) + 1e-6


@pytest.mark.parametrize("back", [False, True])
def test_a_model_that_outgrows_memory_forgets_cuts_of_other_groups(back: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: where a variant has another number of groups, cuts of the old ones are not taken for theirs."""
    set_search(monkeypatch, "subproblems", most_scenarios_per_cluster=1, cut_groups=2, least_groups=4)
    small = imported(
        10.0, offers={"spot": offer("a", 5.0)}, scenarios=[cut(f"cut-{k}", 0.002 * (k + 1), 2029, 1) for k in range(4)]
    )
    large = edited(*small, {"scenarios.3.events.0.start_year": 2028.0})
    sizes = [len(prepare(*question).assembly.lower) for question in (small, large)]
    assert sizes[0] < sizes[1]
    set_search(monkeypatch, "subproblems", loaded_columns=sizes[0])
    held = Session(gap=1e-9, relax=True, method="decomposed")
    for question in (large, small) if back else (small, large):
        hot, cold = held.answer(*question).outcome, held.cold().answer(*question).outcome
        assert cold.objective_musd < -0.1
        assert hot.objective_musd == pytest.approx(cold.objective_musd, rel=1e-6)
        assert hot.best_bound_musd == pytest.approx(cold.best_bound_musd, rel=1e-6)


@pytest.mark.usefixtures("crowded")
def test_variants_asked_in_turn_are_answered_as_alone() -> None:
    """Proves: clusters whose programs are made anew take over other figures, and what they learnt before misleads none."""
    plan, data = many(5)
    held = Session(gap=1e-8, relax=True, method="decomposed")
    for factor in (1.0, 0.6, 1.3):
        question = edited(plan, data, {"budget.appropriation_musd *": factor})
        hot, cold = held.answer(*question).outcome, held.cold().answer(*question).outcome
        room = 1e-7 * max(1.0, abs(cold.do_nothing_musd or 0.0))
        assert hot.objective_musd == pytest.approx(cold.objective_musd, abs=room)


def test_a_model_too_large_for_one_solver_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: it is a fault of the plan that says what can be done, not a process that runs out of memory."""
    plan, data = many(0)
    monkeypatch.setattr(solver, "MOST_IN_ONE_SOLVER", 100)
    with pytest.raises(PlanError, match=r"columns in one model.*at most 100 where scenarios are solved as one"):
        solve(plan, data, method="flat", quick=True)


def test_a_cluster_made_anew_answers_as_one_that_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: costs are the same, point after point."""
    problem = prepare(*many(8))
    cost = objective_costs(problem)["social_cost"]
    best = Model(problem.assembly, cost, integer=False).run(time_limit_s=600.0).x
    hot = clusters.decompose(problem.structure, problem.assembly, cost, 3)
    set_search(monkeypatch, "subproblems", loaded_columns=0)
    fresh = clusters.decompose(problem.structure, problem.assembly, cost, 3)
    assert hot.kept
    assert not fresh.kept
    forever = time.perf_counter() + 600.0
    for share in (0.0, 0.5, 1.0, 0.9):
        y = share * best[hot.mine]
        for one, other in zip(hot.clusters, fresh.clusters, strict=True):
            whole, again = one.solve(y, forever), other.solve(y, forever)
            assert again.cost == pytest.approx(whole.cost, rel=1e-9, abs=1e-9)
            own = other.weight * other.part.cost[: other.part.own]
            assert float(own @ again.x) == pytest.approx(again.cost, rel=1e-9, abs=1e-9)


def test_a_model_beyond_the_limits_is_refused_before_it_is_compiled(monkeypatch):
    """Proves: R26. The refusal names the field and the sizes, and costs no more memory than reading the plan; columns are counted
    in the structure, and nothing of Pyomo is written first."""
    data, many = load_dataset(shipped("inputs")), {"sample.scenarios": 100_000, "sample.draws": 100_000}
    monkeypatch.setattr(problem, "compile_templates", lambda structure: pytest.fail("compiled all the same"))
    tracemalloc.start()
    with pytest.raises(PlanError) as refused:
        solve(load_plan(shipped("models") / "critical-minerals.toml", many), data, quick=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    fault = refused.value.faults[0]
    assert fault.column == "sample.scenarios"
    assert "100,000 scenarios" in fault.found
    assert peak < 100e6
    monkeypatch.setattr(problem, "MOST_COLUMNS", 1000)
    with pytest.raises(PlanError, match="columns"):
        solve(load_plan(shipped("models") / "quickstart.toml"), data, quick=True)
