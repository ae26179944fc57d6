"""Master and clusters of scenarios give what the whole model gives: cuts, bounds, plans, and what cannot be taken apart."""

import time
from typing import Any

import highspy
import numpy as np
import pytest

from strategic_minerals import InfeasibleError, Plan, PlanError, Runner, UntrustedError, solve
from strategic_minerals.matrix.named import objective_costs
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.question.names import edited
from strategic_minerals.solver import highs as solver
from strategic_minerals.solver.highs import PRIMAL, Model, SolvedRun
from strategic_minerals.solver.lshaped.master import CutPool
from strategic_minerals.solver.lshaped.search import LShaped
from strategic_minerals.solver.lshaped.subproblems import Subproblem, ask, decision_sums, decompose
from strategic_minerals.solver.stages import solve_reference
from support.both_methods import both
from support.instances import many, quick_first, random_case
from support.programs import crowd, program, set_search
from support.tiny import cut, imported, offer

USERS, LAW = {"adaptation": True, "users_stock": True}, {"refill_within_years": 1.0, "from_lost_share": 0.1}
KINDS: dict[str, tuple[dict[str, bool], dict[str, Any], int]] = {
    "all that many plans have": ({}, {}, 5),
    "two markets": ({"two_markets": True, **USERS}, {}, 3),
    "prices by hazard": ({"hazard_prices": True, **USERS}, {}, 3),
    "prices by hazard in two markets": ({"hazard_prices": True, "two_markets": True, **USERS}, {}, 2),
    "price channel": ({"channel": True, "two_markets": True}, {}, 4),
    "losses that change, spikes": ({"spikes": True, "cvar": True, **USERS}, {}, 3),
    "members pay": ({"reserve": True}, {"budget": {"loan": {"interest": 0.05, "term_years": 10.0}}}, 2),
    "owners look at scenarios": (
        {"flood": True, "two_projects": True},
        {"owners": {"expectation": "scenarios", "price_risk_premium": 0.04, "risk_charge": 0.1, "sample": 32}},
        2,
    ),
    "stock rules": ({}, {"stock_rules": [{"material": name, **LAW} for name in ("ndpr", "magnet")]}, 2),
}
"""What random plans are asked for -> (switches, what the plan says beside, seeds tried wherever tests run)."""


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "seed"),
    [
        pytest.param(kind, seed, marks=[pytest.mark.slow] * (seed >= quick))
        for kind, (_, _, quick) in KINDS.items()
        for seed in range(2 * quick + 2)
    ],
)
def test_both_methods_find_the_same_plan(kind: str, seed: int) -> None:
    """Proves: with floors, contracts, rules, promises, tails and integer decisions of every kind, both bounds enclose both
    objectives, do-nothing references agree, and with them the reference's loss in every scenario (trap 41); the audit passes."""
    switches, more, _ = KINDS[kind]
    plan, data = random_case(seed, loss_limits=False, sample=True, **switches)
    told = plan.to_toml_like()
    for section, fields in more.items():
        told[section] = {**told.get(section, {}), **fields} if isinstance(fields, dict) else fields
    one, two = (
        result.tables["scenario_losses"].loss_without_plan_musd for result in both(Plan.model_validate(told), data)
    )
    assert one.to_numpy() == pytest.approx(two.to_numpy(), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("seed", quick_first([0, 2, 5, 7], 1))
def test_both_methods_find_the_same_relaxation(seed: int) -> None:
    both(*many(seed), gap=1e-9, relax=True)


@pytest.mark.parametrize("seed", quick_first([0, 11, 111, 123, 152], 2))
def test_a_gap_of_nothing_ends_and_no_bound_lies_above_a_plan(seed: int) -> None:
    """Proves: asked for the exact optimum, both methods end (several of these cases had a bound 1e-4 above a plan at HiGHS's own
    tolerance for whole numbers, and rounds without end)."""
    both(*many(seed), gap=0.0, run=Runner(deadline_s=600.0))


OTHERWISE: dict[str, dict[str, dict[str, Any]]] = {
    "few, larger clusters": {"subproblems": {"clusters": 2}},
    "cuts come and go": {"master": {"idle_solves": 0, "idle_cuts_one_in": 10**9}, "subproblems": {"cut_groups": 2}},
}
"""Settings of the method tried otherwise, by module; the second takes every cut out that one solve leaves idle."""


@pytest.mark.parametrize("way", OTHERWISE)
@pytest.mark.parametrize("seed", quick_first([0, 4, 8], 1))
def test_other_settings_find_the_same_plan(seed: int, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, changes in OTHERWISE[way].items():
        set_search(monkeypatch, module, **changes)
    both(*many(seed), gap=1e-7)


@pytest.mark.parametrize("seed", quick_first([1, 4, 9], 1))
def test_a_cut_never_lies_above_what_a_cluster_costs(seed: int) -> None:
    """Proves: at random points between doing nothing and a plan, every cut found at one point is at most the cost at another."""
    problem = prepare(*many(seed))
    costs = objective_costs(problem)["social_cost"]
    z0 = solve_reference(problem, costs, 600.0)
    best = Model(problem.assembly, costs, integer=False).run(time_limit_s=600.0).x
    parts = decompose(problem.structure, problem.assembly, costs, 16)
    clusters = parts.clusters
    assert len(clusters) > 1
    rng = np.random.default_rng(seed)
    at = [(z0 + share * (best - z0))[parts.mine] for share in rng.uniform(0.0, 1.0, 4)]
    for cluster in clusters:
        answers = [cluster.solve(y, time.perf_counter() + 600.0) for y in at]
        for one, y in zip(answers, at, strict=True):
            for other, there in zip(answers, at, strict=True):
                below = one.cost + one.slopes @ (there - y)[cluster.links]
                assert below <= other.cost + 1e-6 * (1 + abs(other.cost))


@pytest.mark.parametrize("share", [0.8, 1.2])
@pytest.mark.parametrize("seed", quick_first([3, 5, 8], 1))
def test_cuts_count_as_much_as_their_scenarios_are_likely(seed: int, share: float) -> None:
    """Proves: where only probabilities are others, cuts found before stay, none lies above what its group costs now at random
    points, and the search from them ends where one from nothing does."""
    plan, data = many(seed)
    plan, _ = edited(plan, data, {"scenarios.0.probability": 0.2})
    problem = prepare(plan, data)
    cost = objective_costs(problem)["social_cost"]
    of = LShaped(problem.structure, problem.assembly, cost, integer=False)
    first = of.minimise(cost, None, gap=1e-9, absolute_gap=0.0)
    assert isinstance(first, SolvedRun)
    changed, _ = edited(plan, data, {"scenarios.0.probability *": share})
    other = prepare(changed, data, problem, problem.structure.scenarios.drawn)
    costs = objective_costs(other)["social_cost"]
    of.asked.clear()  # nothing is asked anew: what is there was there before
    of.load(other.structure, other.assembly, costs, time.perf_counter() + 600.0)
    assert len(of.pool) > 0
    rng = np.random.default_rng(seed)
    known = [of.pool[number] for number in of.pool.numbers]
    for part in rng.uniform(0.0, 1.0, 3):
        y = of.point(part * first.x[of.parts.mine])
        answers, _ = of.cuts_at(range(len(of.groups)), y, time.perf_counter() + 600.0)
        told = iter(answers)
        group = [sum(next(told).cost for _ in members) for members in of.groups]
        for one in known:
            below = one.right - float(one.factors[:-1] @ y[one.columns[:-1]])
            assert below <= group[one.group] + 1e-6 * (1 + abs(group[one.group]))
    again = of.minimise(costs, first.x, gap=1e-9, absolute_gap=0.0)
    alone = LShaped(other.structure, other.assembly, costs, integer=False)
    afresh = alone.minimise(costs, None, gap=1e-9, absolute_gap=0.0)
    assert isinstance(again, SolvedRun)
    assert isinstance(afresh, SolvedRun)
    assert again.objective == pytest.approx(afresh.objective, rel=1e-7, abs=1e-6)


def test_bounds_close_in_from_both_sides_and_a_caller_may_stop() -> None:
    """Proves: every bound told on the way lies below the objective, bounds only rise and objectives only fall; a caller that
    stops after a plan has been found gets it with its gap."""
    plan, data = many(3)
    told: list[tuple[float, float]] = []

    def listen(progress: Any) -> None:
        if progress.phase == "social_cost" and None not in (progress.incumbent, progress.bound):
            told.append((progress.incumbent, progress.bound))

    result = solve(plan, data, gap=1e-6, relax=True, method="decomposed", quick=True, run=Runner(on_progress=listen))
    assert len(told) > 1
    assert all(bound <= incumbent + 1e-6 for incumbent, bound in told)
    assert np.all(np.diff([incumbent for incumbent, _ in told]) <= 1e-9)
    assert np.all(np.diff([bound for _, bound in told]) >= -1e-9)
    assert told[-1][1] <= result.outcome.objective_musd + 1e-6
    begun: list[Any] = []
    stopped = solve(
        plan,
        data,
        gap=1e-6,
        method="decomposed",
        quick=True,
        run=Runner(on_progress=begun.append, cancelled=lambda: any(one.phase == "social_cost" for one in begun)),
    )
    assert stopped.outcome.reason == "interrupted"
    assert stopped.outcome.relative_gap > 1e-6
    assert stopped.audit().passed


def test_what_binds_worlds_together_is_not_taken_apart() -> None:
    """Proves: a limit on losses, or one aim after another, refuses a decomposed solve by name and is solved flat by `auto`."""
    base = {"offers": {"spot": offer("a", 5.0)}, "scenarios": [cut("cut", 0.4, 2028, 1)]}
    for more, found in (
        ({"risk": {"cvar_limit_musd": 1e6}}, "a limit on losses"),
        ({"objective": {"kind": "least_budget"}}, "least_budget"),
    ):
        plan, data = imported(10.0, **base, **more)
        with pytest.raises(PlanError, match=found):
            solve(plan, data, method="decomposed", quick=True)
        assert solve(plan, data, method="auto", quick=True).outcome.method == "flat"


@pytest.mark.parametrize("large", [False, True])
def test_a_plan_that_cannot_be_kept_is_infeasible_by_either_method(
    large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves: a hard promise that nothing can keep is found on commitments and trunk alone, with the same families named, also
    where every model counts as large."""
    if large:
        crowd(monkeypatch)
    plan, data = imported(
        10.0,
        offers={"spot": offer("a", 1.0)},
        scenarios=[cut("cut", 0.4, 2028, 1) | {"design_basis": True}, cut("other", 0.2, 2028, 1)],
        service_levels=[{"material": "a", "segment": "civil", "level": 1.0, "scenarios": ["cut"]}],
    )
    said = []
    for method in ("flat", "decomposed"):
        with pytest.raises(InfeasibleError) as caught:
            solve(plan, data, method=method, quick=True)
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_cuts_stay_valid_for_another_cost_of_the_master() -> None:
    """Proves: minimised again with other costs of commitments, the parts give what the whole model gives with them."""
    problem = prepare(*many(6))
    costs = objective_costs(problem)["social_cost"]
    parts = LShaped(problem.structure, problem.assembly, costs, integer=False)
    dearer = costs.copy()
    signs = np.array(
        [problem.assembly.commitments.columns("sign", o)[0] for o in range(len(problem.structure.support.options))]
    )
    dearer[signs] += 5.0
    for cost in (costs, dearer, costs):
        whole = Model(problem.assembly, cost, integer=False).run(time_limit_s=600.0)
        found = parts.minimise(cost, None, gap=1e-9, absolute_gap=0.0)
        assert found.objective == pytest.approx(whole.objective, rel=1e-6)
        held = np.add.reduceat(problem.assembly.value * found.x[problem.assembly.index], problem.assembly.start[:-1])
        over = np.maximum(problem.assembly.row_lower - held, held - problem.assembly.row_upper)
        assert over[np.isfinite(over)].max() < 1e-5
    assert len(parts.parts.clusters) > 1
    shifted = costs.copy()
    shifted[parts.parts.clusters[0].columns[0]] += 1.0
    with pytest.raises(ValueError, match="stand for good"):
        parts.minimise(shifted, None, gap=1e-9, absolute_gap=0.0)


@pytest.mark.parametrize("seed", quick_first(range(300, 312), 2))
def test_a_rough_relaxation_counts_its_tail_at_its_best(seed: int) -> None:
    """Proves: a relaxation that stops early states the CVaR that its losses have, as the audit adds it up."""
    plan, data = random_case(seed, loss_limits=False, sample=True, cvar=True)
    rough = solve(plan, data, gap=1e-2, relax=True, method="decomposed", quick=True)
    exact = solve(plan, data, relax=True, method="flat", quick=True)
    room = 1e-6 * (1 + abs(exact.outcome.do_nothing_musd or 0.0))
    assert rough.outcome.best_bound_musd <= exact.outcome.objective_musd + room
    assert rough.outcome.objective_musd >= exact.outcome.objective_musd - room


def test_a_cut_is_kept_once_and_forgotten_with_its_group() -> None:
    """Proves: the same cut has the same number; other groups' cuts stay."""
    pool, at = CutPool(), np.array([0, 2])
    one = pool.add(0, at, np.array([2.0, -1.0]), 5.0, 7)
    assert pool.add(0, at, np.array([2.0, -1.0]), 5.0, 7) == one
    other = pool.add(1, at, np.array([2.0, -1.0]), 5.0, 8)
    assert pool[one].columns.tolist() == [0, 2, 7]
    assert pool[one].factors.tolist() == [-2.0, 1.0, 1.0]
    pool.drop_groups([0])
    assert pool.numbers == [other]
    assert pool.add(0, at, np.array([2.0, -1.0]), 5.0, 7) not in (one, other)


def test_sums_of_decisions_are_whole_in_every_plan() -> None:
    """Proves: what is branched on beside single decisions is made of whole-number columns alone, a project's total among them."""
    problem = prepare(*many(3))
    sums = decision_sums(problem.structure, problem.assembly)
    sign = problem.assembly.commitments
    per_project: dict[int, set[int]] = {}
    for o, option in enumerate(problem.structure.support.options):
        per_project.setdefault(option.project, set()).add(int(sign.columns("sign", o)[0]))
    assert sums
    assert all(problem.assembly.integer[columns].all() for columns in sums)
    found = [set(columns.tolist()) for columns in sums]
    assert all(options in found for options in per_project.values() if len(options) > 1)


def test_an_unknown_end_is_tried_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: a linear program that ends in `unknown` is solved from nothing once, with care, and believed only if that ends well;
    the next run, from the basis found then, is hasty again."""
    problem = prepare(*many(0))
    model = Model(problem.assembly, objective_costs(problem)["social_cost"], integer=False)
    runs: list[tuple[tuple[int, int], bool]] = []
    honest, unknown = model._run, [True]

    class Astray:
        def __getattr__(self, name: str) -> Any:
            if name == "getModelStatus" and unknown[0]:
                unknown[0] = False
                return lambda: highspy.HighsModelStatus.kUnknown
            return getattr(true, name)

    true = model._highs
    monkeypatch.setattr(model, "_run", lambda: (runs.append((prepared(model), limited(model))), honest())[1])
    monkeypatch.setattr(model, "_highs", Astray())
    model.configure_hot_start(scaled=False)
    found = model.run(time_limit_s=600.0)
    assert found.status == "optimal"
    assert model.run(time_limit_s=600.0).objective == pytest.approx(found.objective, rel=1e-9)
    assert runs == [(BARELY, False), (WITH_CARE, False), (ROUGHLY, True)]


def with_other_costs() -> Any:
    """A problem, its costs, costs drawn about them, and what a solve with these from nothing finds."""
    problem = prepare(*many(0))
    cost = objective_costs(problem)["social_cost"]
    other = cost * np.random.default_rng(1).uniform(0.5, 1.5, len(cost))
    truth = Model(problem.assembly, other, integer=False).run(time_limit_s=600.0)
    return problem, cost, other, truth


def test_a_hasty_run_that_leads_nowhere_is_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: a start from a basis that takes more iterations than were expected is solved from nothing, with care and by the dual
    simplex, and tells the iterations of both; a start from nothing has no such limit, nor has one of which nothing is expected.
    """
    problem, cost, other, truth = with_other_costs()
    most = 2
    monkeypatch.setattr(solver, "LITTLE", most - len(problem.assembly.row_lower) // 2)
    model = Model(problem.assembly, cost, integer=False)
    runs: list[tuple[tuple[int, int], bool]] = []
    honest = model._run
    monkeypatch.setattr(model, "_run", lambda: (runs.append((prepared(model), limited(model))), honest())[1])
    model.configure_hot_start(scaled=True)
    assert model.run(time_limit_s=600.0).iterations > most
    assert runs == [(ROUGHLY, False)]
    model.load(problem.assembly, other)
    assert model._highs.getOptionValue("simplex_strategy")[1] == PRIMAL
    found = model.run(time_limit_s=600.0)
    assert runs == [(ROUGHLY, False), (ROUGHLY, True), (WITH_CARE, False)]
    assert prepared(model) == ROUGHLY
    assert found.status == "optimal"
    assert found.objective == pytest.approx(truth.objective, rel=1e-9)
    assert found.iterations > most
    assert found.iterations - most == pytest.approx(truth.iterations, abs=most)


WITH_CARE, ROUGHLY, BARELY = (2, -1), (2, 1), (0, 1)
"""How the matrix is scaled and rows are weighed, in HiGHS's numbers: as it would itself, with rough weights, and unscaled too."""


def limited(model: Model) -> bool:
    """Whether a model's run has a limit of iterations and leaves costs as they are; it has and does both or neither."""
    perturbed, most = (
        model._highs.getOptionValue(name)[1]
        for name in ("dual_simplex_cost_perturbation_multiplier", "simplex_iteration_limit")
    )
    assert (perturbed, most == solver.NO_LIMIT) in ((1.0, True), (0.0, False))
    return perturbed == 0.0


def prepared(model: Model) -> tuple[int, int]:
    """What a model's next run prepares."""
    options = ("simplex_scale_strategy", "simplex_dual_edge_weight_strategy")
    return tuple(model._highs.getOptionValue(name)[1] for name in options)


def test_a_matrix_scaled_otherwise_halfway_through_is_answered_as_from_nothing() -> None:
    """Proves: how the matrix is scaled may change between two runs. HiGHS alone goes on from factors that were scaled otherwise,
    and once called a plan of this kind optimal at -9 whose optimum is -20."""
    problem = prepare(
        *imported(
            10.0,
            offers={"spot": offer("a", 5.0)},
            scenarios=[cut(f"cut-{k}", 0.002 * (k + 1), 2029, 1) for k in range(4)],
        )
    )
    costs = objective_costs(problem)["social_cost"]
    z0, best = (
        solve_reference(problem, costs, 600.0),
        Model(problem.assembly, costs, integer=False).run(time_limit_s=600.0).x,
    )
    parts, forever = decompose(problem.structure, problem.assembly, costs, 16), time.perf_counter() + 600.0
    for cluster in parts.clusters:
        program, at = cluster.part, [x[parts.mine][cluster.links] for x in (z0, best, z0, best)]
        hot, told = Model(program.assembly, program.cost, integer=False), []
        for y, scaled in zip(at, (True, False, True, False), strict=True):
            hot.configure_hot_start(scaled=scaled)
            found = ask(hot, program, y, forever)
            fresh = ask(Model(program.assembly, program.cost, integer=False), program, y, forever)
            assert found.cost == pytest.approx(fresh.cost, abs=1e-6)
            assert found.cost == pytest.approx(float(program.cost[: program.own] @ found.x), abs=1e-6)
            told.append(found.cost)
        assert told[0] > told[1] + 1.0  # the plan is worth something to every scenario


def met_in_one_row(first: float, second: float) -> float:
    """Cost of a cluster in which x equals the master's first column and may not pass its second."""
    rows, cost = program([[1.0, -1.0, 0.0], [1.0, 0.0, -1.0]], [0.0, -np.inf], 0.0), np.array([1.0, 0.0, 0.0])
    part, at = Subproblem(rows, cost, own=1), np.array([first, second])
    return ask(Model(rows, cost, integer=False), part, at, time.perf_counter() + 60.0).cost


def test_what_the_master_missed_in_two_rows_may_meet_in_one_row_of_a_cluster() -> None:
    """Proves: rounding of some tolerances leaves a cluster an answer, and a real contradiction none."""
    assert met_in_one_row(6.2e-6, 3.7e-6) == pytest.approx(5e-6, abs=1.5e-5)
    with pytest.raises(UntrustedError, match="infeasible"):
        met_in_one_row(6.2e-3, 3.7e-3)
