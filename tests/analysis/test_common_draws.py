"""Plans of variants in the same new scenarios: what they save is what an independent evaluation says, differences are paired, and
what the samples cannot tell is called so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from strategic_minerals import Dataset, Plan, PlanError, Runner, sweep
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.matrix.solution import extract
from strategic_minerals.solver.optimise import sample_seeds, whole_sample
from strategic_minerals.solver.session import Session
from strategic_minerals.studies.designs import APART, SAMPLES, WORTHS, fresh_worths, with_differences
from strategic_minerals.studies.recourse import FirstStage
from strategic_minerals.studies.stress import evaluated
from support.instances import random_case

MONEY = "budget.appropriation_musd *"


def drawn(seed: int = 4) -> tuple[Plan, Dataset]:
    """A small plan that draws scenarios."""
    plan, data = random_case(seed, sample=True)
    plan = plan.model_copy(update={"risk": plan.risk.model_copy(update={"cvar_weight": 0.0})})
    return plan.model_copy(update={"service_levels": (), "days_of_cover": ()}), data


@pytest.mark.parametrize("seed", [4, 5])
def test_what_a_plan_saves_in_a_sample_is_what_stress_tests_say(seed: int) -> None:
    """Proves: each sample's figure is the mean of what doing nothing and the plan cost, by the evaluator of stress tests: with
    foresight (even seeds) and as it is lived."""
    plan, data = drawn(seed)
    answer = Session(gap=0.0).answer(plan, data)
    problem = answer.problem
    solution, nothing = (extract(problem.structure, problem.assembly, x) for x in (answer.x, answer.z0))
    found = fresh_worths(problem, solution, nothing, 2 * SAMPLES)
    first, zero = FirstStage.of(plan, data, solution), FirstStage.of(plan, data, nothing, is_reference=True)
    assert plan.sample is not None
    for worth, seed in zip(found, sample_seeds(plan.sample.seed, SAMPLES, APART), strict=True):
        sample = prepare(whole_sample(plan, seed, 2), data)
        assert sample.scenarios is not None
        saved = evaluated(zero, sample.scenarios).cost - evaluated(first, sample.scenarios).cost
        assert worth == pytest.approx(float(sample.scenarios.probability @ saved), rel=1e-6, abs=1e-6)


@pytest.mark.long
def test_variants_meet_the_same_scenarios_and_differ_by_what_was_changed() -> None:
    """Proves: no budget is told to be worth less, the plan's own makes no difference, and answers stay what they are alone."""
    plan, data = drawn()
    points = [{MONEY: 1.0}, {MONEY: 0.0}]
    found = sweep(plan, data, points, gap=0.0, fresh_scenarios=10 * SAMPLES).tables["points"]
    same, none = found.iloc[0], found.iloc[1]
    assert same["difference_musd"] == pytest.approx(0.0, abs=1e-6)
    assert not same["told"]
    assert none["difference_musd"] < 0
    assert none["told"]
    assert none["fresh_worth_musd"] == pytest.approx(same["fresh_worth_musd"] + none["difference_musd"], rel=1e-9)
    alone = sweep(plan, data, points, gap=0.0).tables["points"]
    assert list(alone["objective_musd"]) == pytest.approx(list(found["objective_musd"]), rel=1e-9)
    assert "told" not in alone


@pytest.mark.slow
def test_points_answered_elsewhere_and_again_are_scored_alike(tmp_path: Any) -> None:
    """Proves: two processes give what one does, and a sweep that goes on from its store gives the same table."""
    plan, data = drawn()
    asked: dict[str, Any] = {"gap": 0.0, "fresh_scenarios": 2 * SAMPLES}
    points = [{MONEY: factor} for factor in (0.0, 0.5, 1.0)]
    one = sweep(plan, data, points, **asked, run=Runner(store=tmp_path / "rows")).tables["points"]
    for other in (
        sweep(plan, data, points, **asked, run=Runner(processes=2)),
        sweep(plan, data, points, **asked, run=Runner(store=tmp_path / "rows")),
    ):
        for column in ("fresh_worth_musd", "difference_musd", "difference_error_musd"):
            assert list(other.tables["points"][column]) == pytest.approx(list(one[column]), rel=1e-6, abs=1e-6)
        assert list(other.tables["points"]["told"]) == list(one["told"])


def rows(apart: float, own_open: float = 0.0, base_open: float = 0.0) -> tuple[dict[str, Any], dict[str, Any]]:
    """A point and the question as it stands: noise that both share, a difference, and little noise of its own."""
    noise = np.random.default_rng(1).normal(0.0, 100.0, SAMPLES)
    own = np.random.default_rng(2).normal(0.0, 1.0, SAMPLES)
    base = {WORTHS: list(500.0 + noise), "objective_musd": -500.0, "bound_musd": -500.0 - base_open}
    return {WORTHS: list(500.0 + noise + own + apart), "objective_musd": -500.0, "bound_musd": -500.0 - own_open}, base


@pytest.mark.parametrize(
    ("apart", "own_open", "base_open", "told"),
    [
        (10.0, 0.0, 0.0, True),
        (-10.0, 0.0, 0.0, True),
        (0.0, 0.0, 0.0, False),
        (10.0, 0.0, 15.0, False),
        (10.0, 15.0, 0.0, True),
        (-10.0, 15.0, 0.0, False),
    ],
)
def test_a_difference_is_told_where_neither_luck_nor_the_search_explains_it(
    apart: float, own_open: float, base_open: float, told: bool
) -> None:
    """Proves: pairing takes out the noise that both plans meet, an interval across nothing is not told, nor a difference that a
    better plan of the worse side might make up for."""
    row, base = rows(apart, own_open, base_open)
    found = with_differences([row], base)[0]
    assert found["told"] is told
    assert found["difference_error_musd"] < 1.0 < 10.0 < found["fresh_worth_error_musd"]
    assert WORTHS not in found


def test_without_the_question_itself_there_are_no_differences() -> None:
    """Proves: where the question as it stands has no plan, points keep their worth, and no difference is made up."""
    found = with_differences([rows(1.0)[0], {"objective_musd": float("nan")}], None)
    assert np.isfinite(found[0]["fresh_worth_musd"])
    assert np.isnan([found[0]["difference_musd"], found[1]["fresh_worth_musd"]]).all()
    assert found[0]["told"] is None


def test_plans_of_which_samples_say_nothing_are_not_scored() -> None:
    """Proves: they are refused first; a point that gives itself a weight on CVaR keeps its answer and has no difference."""
    plan, data = drawn()
    limited, weighted = (
        plan.model_copy(update={"risk": plan.risk.model_copy(update=of)})
        for of in ({"cvar_limit_musd": 1e9}, {"cvar_weight": 0.5})
    )
    refused: tuple[tuple[Plan, dict[str, Any], str], ...] = (
        (plan, {"fresh_scenarios": SAMPLES - 1}, "at least 10"),
        (plan, {"relax": True}, "a relaxation is none"),
        (plan.model_copy(update={"sample": None}), {}, "a plan that draws scenarios"),
        (limited, {}, "limit on losses"),
        (weighted, {}, "weight on CVaR"),
    )
    for asked, options, said in refused:
        with pytest.raises(PlanError, match=said):
            sweep(asked, data, [{}], **{"fresh_scenarios": 20, **options})
    row = sweep(plan, data, [{"risk.cvar_weight": 0.5}], gap=0.0, fresh_scenarios=20).tables["points"].iloc[0]
    assert np.isfinite(row["objective_musd"])
    assert np.isnan(row["difference_musd"])
