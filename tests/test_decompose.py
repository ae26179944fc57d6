"""Master and clusters of worlds give what the whole model gives: cuts, bounds, plans, and what cannot be taken apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from instances import random_case
from strategic_minerals import Dataset, InfeasibleError, Plan, PlanError, solve
from strategic_minerals.clusters import take_apart
from strategic_minerals.compile import INF
from strategic_minerals.decompose import Decomposition
from strategic_minerals.optimize import do_nothing
from strategic_minerals.problem import objective_costs, prepare
from strategic_minerals.solver import Model
from tiny import cut, offer, source, tiny


def many(seed: int) -> tuple[Plan, Dataset]:
    """A random case that can be taken apart, with a sample of worlds beside its listed scenarios."""
    return random_case(seed, loss_limits=False, sample=True)


@pytest.mark.parametrize("seed", range(12))
def test_both_methods_find_the_same_plan(seed: int) -> None:
    """Proves: with floors, contracts, rules, promises, tails and integer decisions of every kind, both bounds enclose both
    objectives, do-nothing references agree, and the audit passes (solve raises where it does not)."""
    plan, data = many(seed)
    flat, apart = (solve(plan, data, gap=1e-6, method=method) for method in ("flat", "decomposed"))
    assert (flat.outcome.method, apart.outcome.method) == ("flat", "decomposed")
    assert apart.outcome.do_nothing_musd == pytest.approx(flat.outcome.do_nothing_musd, rel=1e-8)
    a, b = flat.outcome, apart.outcome
    room = 1e-6 * max(1.0, abs(a.do_nothing_musd or 0.0))
    assert a.best_bound_musd <= b.objective_musd + room
    assert b.best_bound_musd <= a.objective_musd + room
    assert b.objective_musd == pytest.approx(a.objective_musd, abs=2 * room)


@pytest.mark.parametrize("seed", [0, 2, 5, 7])
def test_both_methods_find_the_same_relaxation_and_prices(seed: int) -> None:
    """Proves: the linear relaxation is the same, and so are the prices of a plan whose decisions are the same."""
    plan, data = many(seed)
    flat, apart = (solve(plan, data, gap=1e-9, relax=True, method=method) for method in ("flat", "decomposed"))
    assert apart.outcome.objective_musd == pytest.approx(flat.outcome.objective_musd, rel=1e-6, abs=1e-6)
    assert apart.outcome.best_bound_musd <= flat.outcome.objective_musd + 1e-6


@pytest.mark.parametrize("seed", [1, 4, 9])
def test_a_cut_never_lies_above_what_a_cluster_costs(seed: int) -> None:
    """Proves: at random points between doing nothing and a plan, every cut found at one point is at most the cost at another."""
    problem = prepare(*many(seed))
    costs = objective_costs(problem)["social_cost"]
    z0 = do_nothing(problem, costs, 60.0)
    best = Model(problem.assembly, costs, integer=False).run(time_limit_s=60.0).x
    assert best is not None
    clusters = take_apart(problem.layout, problem.assembly, costs).clusters
    assert len(clusters) > 1
    rng = np.random.default_rng(seed)
    at = [z0 + share * (best - z0) for share in rng.uniform(0.0, 1.0, 4)]
    for cluster in clusters:
        answers = [cluster.answer(y, 60.0) for y in at]
        for one, y in zip(answers, at, strict=True):
            for other, there in zip(answers, at, strict=True):
                assert one.objective is not None
                assert other.objective is not None
                below = one.objective + cluster.slopes(one) @ (there - y)[cluster.links]
                assert below <= other.objective + 1e-6 * (1 + abs(other.objective))


def test_bounds_close_in_from_both_sides_and_a_caller_may_stop() -> None:
    """Proves: every bound told on the way lies below the objective, bounds only rise and objectives only fall; a caller that
    stops after a plan has been found gets it with its gap."""
    plan, data = many(3)
    told: list[tuple[float, float]] = []

    def listen(progress: Any) -> None:
        if progress.phase == "social_cost" and None not in (progress.incumbent, progress.bound):
            told.append((progress.incumbent, progress.bound))

    result = solve(plan, data, gap=1e-6, relax=True, method="decomposed", on_progress=listen)
    assert len(told) > 1
    assert all(bound <= incumbent + 1e-6 for incumbent, bound in told)
    assert np.all(np.diff([incumbent for incumbent, _ in told]) <= 1e-9)
    assert np.all(np.diff([bound for _, bound in told]) >= -1e-9)
    assert told[-1][1] <= result.outcome.objective_musd + 1e-6
    stopped = solve(plan, data, gap=1e-6, method="decomposed", on_progress=lambda progress: progress.phase == "social_cost")
    assert stopped.outcome.reason == "interrupted"
    assert stopped.outcome.relative_gap > 1e-6
    assert stopped.audit().passed


def test_what_binds_worlds_together_is_not_taken_apart() -> None:
    """Proves: a limit on losses, or one aim after another, refuses a decomposed solve by name and is solved flat by `auto`."""
    base = {"sources": {"far": source("CHN", "a", 10.0)}, "demand": {"a": 10.0}, "offers": {"spot": offer("a", 5.0)},
            "scenarios": [cut("cut", 0.4, 2028, 1)]}  # fmt: skip
    for more, found in (({"risk": {"cvar_limit_musd": 1e6}}, "a limit on losses"),
                        ({"objective": {"kind": "least_budget"}}, "least_budget")):  # fmt: skip
        plan, data = tiny({"a": 10.0}, **base, **more)
        with pytest.raises(PlanError, match=found):
            solve(plan, data, method="decomposed")
        assert solve(plan, data, method="auto").outcome.method == "flat"


def test_a_plan_that_cannot_be_kept_is_infeasible_by_either_method() -> None:
    """Proves: a hard promise that nothing can keep is found in the master, with the same family named."""
    plan, data = tiny(
        {"a": 10.0}, sources={"far": source("CHN", "a", 10.0)}, demand={"a": 10.0}, offers={"spot": offer("a", 1.0)},
        scenarios=[cut("cut", 0.4, 2028, 1) | {"design_basis": True}, cut("other", 0.2, 2028, 1)],
        service_levels=[{"material": "a", "segment": "civil", "level": 1.0, "scenarios": ["cut"]}],
    )  # fmt: skip
    said = []
    for method in ("flat", "decomposed"):
        with pytest.raises(InfeasibleError) as caught:
            solve(plan, data, method=method)
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_cuts_stay_valid_for_another_cost_of_the_master() -> None:
    """Proves: minimised again with other costs of commitments, the parts give what the whole model gives with them."""
    problem = prepare(*many(6))
    costs = objective_costs(problem)["social_cost"]
    parts = Decomposition(problem.layout, problem.assembly, costs, integer=False)
    dearer = costs.copy()
    signs = np.array([problem.assembly.stamped[0].columns("sign", o)[0] for o in range(len(problem.layout.support.options))])
    dearer[signs] += 5.0
    for cost in (costs, dearer, costs):
        whole = Model(problem.assembly, cost, integer=False).run(time_limit_s=60.0)
        found = parts.minimise(cost, None, gap=1e-9, absolute_gap=0.0)
        assert found.objective == pytest.approx(whole.objective, rel=1e-6)
        assert found.x is not None
        held = np.add.reduceat(problem.assembly.value * found.x[problem.assembly.index], problem.assembly.start[:-1])
        over = np.maximum(problem.assembly.row_lower - held, held - problem.assembly.row_upper)
        assert over[np.isfinite(over)].max() < 1e-5
    assert INF > len(parts.parts.clusters) > 1
