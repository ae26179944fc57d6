"""The plan against scenarios that it was not made for: what it reproduces, what theory says, what the intervals promise."""

from __future__ import annotations

import json
import math
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from typing import Any

import numpy as np
import pandas as pd
import pytest

from strategic_minerals import InputError, Plan, Runner, StoppedError, load_dataset, load_plan, shipped, stress_test
from strategic_minerals.answer.solving import solve_once
from strategic_minerals.audit.accounts import cvar
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.question.names import Names
from strategic_minerals.question.project_tables import HazardRow
from strategic_minerals.solver.highs import Model
from strategic_minerals.solver.session import BasisMemory
from strategic_minerals.studies.recourse import CHUNK, FirstStage, evaluate_myopic_recourse, evaluate_recourse
from strategic_minerals.studies.stress import ReplicatePool, _chance, _words, interval
from strategic_minerals.world.scenarios import Span, cvar_of, draw, population, quantile
from support.drawn_cases import exposed
from support.instances import random_case
from support.tiny import KT, cut, source, tiny


@pytest.mark.parametrize("seed", [0, 1, 3, 5, 8, 13, 21, 34, 55])
def test_a_plan_met_by_its_own_worlds_costs_what_its_objective_says(seed: int) -> None:
    """Proves: with commitments, floors, contracts, trunk and branches of every kind, operations solved scenario by scenario for the
    fixed first stage add up to the objective of the whole model, to 1e-9; for the plan and for doing nothing."""
    plan, data = random_case(seed, loss_limits=False, border_floor=seed % 2 == 1, market_floor=seed % 2 == 1)
    result = solve_once(plan, data, gap=1e-7)
    for solution, stated in (
        (result.solution, result.outcome.objective_musd + result.outcome.do_nothing_musd),
        (result.reference, result.outcome.do_nothing_musd),
    ):
        nothing = solution is result.reference
        first = FirstStage.of(plan, data, solution, is_reference=nothing)
        scenarios = first.own_scenarios
        recourse = evaluate_recourse(first, scenarios)
        tail = (
            plan.risk.cvar_weight * cvar(recourse.loss, scenarios.probability, plan.risk.alpha)
            if plan.risk.cvar_weight > 0
            else 0.0
        )
        assert float(scenarios.probability @ recourse.cost) + recourse.penalties + tail == pytest.approx(
            stated, rel=1e-9
        )


def test_a_soft_promise_weighs_as_much_in_recourse_as_in_the_plan() -> None:
    """Proves: a stop of probability .05, 5 kt in store for 10 of civil use missed at 50 a kg and 10 of defence missed at 100. A
    promise of all civil demand at 10 a kg, which counts whatever the probability, weighs 200 a kg in its scenario: the stock
    goes to civil users in the plan and in recourse, and by either count."""
    plan, data = tiny(
        {"a": 10.0},
        sources={"far": source("CHN", "a", 20.0)},
        demand={("a", "civil"): 10.0, ("a", "defence"): 10.0},
        loss=50.0,
        stock={"a": 5.0},
        scenarios=[cut("stop", 0.05, 2028, 1) | {"design_basis": True}],
        instruments={"reserve": False},
        tiers={"defence": [(1.0, 2.0)]},
        service_levels=[
            {"material": "a", "segment": "civil", "level": 1.0, "scenarios": ["stop"], "penalty_usd_per_kg": 10.0}
        ],
    )
    result = solve_once(plan, data, gap=0.0)
    first = FirstStage.of(plan, data, result.solution)
    for recourse in (
        evaluate_recourse(first, first.own_scenarios),
        evaluate_myopic_recourse(first, first.own_scenarios, {}),
    ):
        stated = result.outcome.objective_musd + result.outcome.do_nothing_musd
        assert float(first.own_scenarios.probability @ recourse.cost) + recourse.penalties == pytest.approx(
            stated, rel=1e-9
        )
        at = first.own_scenarios.names.index("stop")
        assert recourse.defence[at] == pytest.approx(10 * KT)
        assert recourse.penalty[at] == pytest.approx(5 * 10.0)


@pytest.mark.parametrize("parts", [1, 40])
def test_a_border_floor_is_charged_world_by_world(parts: int) -> None:
    """Proves: a border floor that keeps a home plant costs users and brings the treasury what it does in each scenario; one
    scenario of probability .9 split into many alike changes nothing, whatever the chunks in which they are met."""
    menu = {"material": "a", "scope": "market", "kind": "border", "levels_usd_per_kg": [110.0], "term_years": 3}
    plan, data = tiny(
        {"a": 100.0},
        sources={"far": source("CHN", "a", 10.0), "home": source("USA", "a", 3.0, cash_usd_per_kg=105.0)},
        demand={"a": 10.0},
        loss=300.0,
        instruments={"price_floors": [menu]},
        scenarios=[cut(f"cut{k}", 0.9 / parts, 2028 + k % 2, 1) for k in range(parts)],
    )
    result = solve_once(plan, data, gap=0.0)
    assert not result.tables["floors"].empty
    first = FirstStage.of(plan, data, result.solution)
    recourse = evaluate_recourse(first, first.own_scenarios)
    stated = result.outcome.objective_musd + result.outcome.do_nothing_musd
    assert float(first.own_scenarios.probability @ recourse.cost) == pytest.approx(stated, rel=1e-9)


def test_a_shipped_plan_reproduces_its_objective_and_its_losses() -> None:
    """Proves: the same for the quickstart, losses scenario by scenario."""
    plan, data = load_plan(shipped("models") / "quickstart.toml"), load_dataset(shipped("inputs"))
    result = solve_once(plan, data)
    first = FirstStage.of(plan, data, result.solution)
    recourse = evaluate_recourse(first, first.own_scenarios)
    stated = result.tables["scenario_losses"].set_index("scenario").loss_musd
    assert recourse.loss == pytest.approx([stated[name] for name in first.own_scenarios.names], rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_losses_of_worlds_are_those_of_their_shortfalls(seed: int) -> None:
    """Proves: with several segments, tiers and steps, a scenario's loss is what its rows of the table of shortfalls add up to, each
    discounted to the start of its period; so is what defence goes short."""
    result = solve_once(*random_case(seed, segments=True, tiers=True, substitution=True, loss_limits=False))
    calendar = prepare(result.plan, result.data).natural.calendar
    beta = {calendar.period_label(t): float(calendar.beta[t]) for t in range(calendar.periods)}
    rows = result.tables["shortfalls"].assign(
        loss=lambda t: (t.loss_musd + t.substitution_cost_musd) * t.period.map(beta),
        defence=lambda t: t.shortfall_t * (t.segment == "defence"),
    )
    by_scenario = rows.groupby("scenario")[["loss", "defence", "shortfall_t"]].sum()
    stated = result.tables["scenario_losses"].set_index("scenario")
    by_scenario = by_scenario.reindex(stated.index, fill_value=0.0)
    for told, summed in (("loss_musd", "loss"), ("defence_shortfall_t", "defence"), ("shortfall_t", "shortfall_t")):
        assert stated[told].tolist() == pytest.approx(by_scenario[summed].tolist(), rel=1e-9, abs=1e-4)


def test_expected_loss_in_fresh_worlds_is_what_theory_says() -> None:
    """Proves: a stop comes at .3 a year in 2028 to 2033 and lasts a year (less at the end): the expected loss is 10 kt * 60 *
    int .3 exp(-.3 t) min(1, 5 - t) dt, within half a percent and within its interval; VaR and CVaR of a two-valued loss
    follow (the worst tenth all lose a whole year)."""
    plan, data = exposed(rate=0.3)
    found = stress_test(solve_once(plan, data, gap=0.0), scenarios=4000, seed=7, confidence=0.999)
    t = np.linspace(0, 5, 500_001)
    truth = 600 * np.trapezoid(0.3 * np.exp(-0.3 * t) * np.minimum(1, 5 - t), t)
    row = found.tables["figures"].set_index("figure").loc["expected_loss"]
    assert row.estimate == pytest.approx(truth, rel=5e-3)
    assert row.low <= truth <= row.high
    table = found.tables["figures"].set_index("figure")
    assert table.estimate["cvar"] == pytest.approx(600.0, rel=1e-6)
    assert table.estimate["value_at_risk"] == pytest.approx(600.0, rel=1e-6)
    assert table.estimate["worth"] == pytest.approx(0.0, abs=1e-6)
    assert table.do_nothing["worst_case"] == table.estimate["worst_case"] == pytest.approx(600.0)
    stated = found.tables["materials"].iloc[0]
    assert (stated.expected_loss_musd, stated.expected_loss_musd_low) == pytest.approx((row.estimate, row.low))
    assert stated.cvar_musd == pytest.approx(600.0)
    assert pd.isna(stated.defence_short)  # nobody demands it for defence


def test_intervals_narrow_with_more_worlds_and_hold_their_promise() -> None:
    """Proves: Student's interval of independent estimates covers the mean in about 19 of 20 cases; ten times the scenarios
    narrow that of the expected loss by more than the square root of ten would, thanks to Sobol points."""
    rng = np.random.default_rng(2)
    inside = [
        low <= 3.0 <= high for _, low, high in (interval(list(rng.normal(3.0, 2.0, 10)), 0.95) for _ in range(2000))
    ]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.015)
    result = solve_once(*exposed(rate=0.3), gap=0.0)
    width = [
        (lambda r: r.high - r.low)(
            stress_test(result, scenarios=n, seed=3).tables["figures"].set_index("figure").loc["expected_loss"]
        )
        for n in (200, 2000)
    ]
    assert width[1] < width[0] / math.sqrt(10)


def test_what_is_bought_before_events_helps_in_fresh_worlds_and_is_held_fixed() -> None:
    """Proves: a stock of 4 kt bought against listed scenarios spares 4 kt * 60 wherever a stop comes; the worth of the plan is
    that, less what the stock costs, and defence (a segment of its own) is counted."""
    plan, data = exposed(rate=0.3)
    told = plan.to_toml_like()
    told["scenarios"] = [cut("known", 0.5, 2029, 1)]
    told["budget"]["appropriation_musd"] = {"2027": 40.0, "2028": 0.0}
    stocked = data.replace(
        offers=pd.DataFrame(
            [
                {
                    "offer": "spot",
                    "material": "a",
                    "source_producer": "outside",
                    "depth_t_per_yr": 100 * KT,
                    "premium_share": 0.0,
                    "crisis_availability": 0.0,
                }
            ]
        )
    )
    result = solve_once(Plan.model_validate(told), stocked, gap=0.0)
    assert float(result.tables["acquisitions"].acquired_t.sum()) == pytest.approx(4 * KT)
    found = stress_test(result, scenarios=500, seed=5)
    scenarios = found.tables["scenarios"]
    assert set(scenarios.driven_by[scenarios.loss_musd > 1]) == {"a 100%"}
    assert set(scenarios.driven_by[scenarios.loss_musd == 0]) <= {""}
    names = replace(Names.of(stocked), materials={"a": "Alpha"})
    named = "\n".join(_words(found.tables, found.facts, names, None))
    assert "; loss from Alpha 100%; " in named
    assert "\n  Alpha: " in named
    assert "loss from ;" not in named
    hit = scenarios[scenarios.without_plan_musd > 240 + 1e-6]
    assert (hit.without_plan_musd - hit.loss_musd).to_numpy() == pytest.approx(np.full(len(hit), 240.0))
    assert (scenarios.defence_short_t == 0).all()
    assert set(scenarios.scenario[scenarios.replicate > 1].str.split("-").str[0]) == {"sample"}
    assert scenarios.probability.sum() == pytest.approx(1.0)
    row = found.tables["figures"].set_index("figure").loc["defence_short"]
    assert (row.estimate, row.low) == (0.0, 0.0)
    drawn = (
        1 - scenarios[~scenarios.scenario.str.startswith("sample")].probability.sum()
    )  # the listed scenario is certain
    assert row.high == pytest.approx(drawn * (1 - 0.025 ** (1 / 500)), rel=1e-6)  # none of 500: Clopper and Pearson


@pytest.mark.slow
def test_a_stress_test_is_the_same_in_processes_and_for_a_seed() -> None:
    """Proves: the figures do not depend on who computes them; another seed gives other scenarios."""
    result = solve_once(*exposed(rate=0.3), gap=0.0)
    here = stress_test(result, scenarios=100, seed=4).tables["figures"]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        there = stress_test(result, scenarios=100, seed=4, run=Runner(executor=pool)).tables["figures"]
    pd.testing.assert_frame_equal(here, there)
    assert stress_test(result, scenarios=100, seed=5).tables["figures"].estimate[1] != here.estimate[1]


def test_a_deadline_is_no_failure_of_operations() -> None:
    """Proves: operations that run out of time stop as such, and are not told as an answer that cannot be trusted."""
    plan, data = exposed(rate=0.3)
    first = FirstStage.of(plan, data, solve_once(plan, data, gap=0.0).solution)
    with Runner(deadline_s=0.0).started(), pytest.raises(StoppedError, match="the deadline was reached"):
        evaluate_recourse(first, first.own_scenarios)


def test_the_chance_that_defence_goes_short_is_what_theory_says() -> None:
    """Proves: a stop that comes with .3 in five years, and always leaves defence short: estimate and interval, of all and of the
    material; a material that defence does not use has none."""
    plan, data = exposed(rate=-math.log(0.7) / 5, demand={("a", "civil"): 4.0, ("a", "defence"): 6.0})
    found = stress_test(solve_once(plan, data, gap=0.0), scenarios=2000, seed=7)
    row, own = found.tables["figures"].set_index("figure").loc["defence_short"], found.tables["materials"].iloc[0]
    assert row.estimate == pytest.approx(0.3, abs=0.01)
    assert row.low <= 0.3 <= row.high
    assert row.high - row.low < 0.06
    assert (own.defence_short, own.defence_short_low, own.defence_short_high) == (row.estimate, row.low, row.high)
    assert (
        f"; probability of a defence shortfall {row.estimate:.1%} ({row.low:.1%} to {row.high:.1%})" in found.summary()
    )


def test_leaving_out_draws_gives_students_interval_of_a_mean() -> None:
    """Proves: a mean of the pooled scenarios has the interval of the draws' own means; too few scenarios in the tail are said."""
    rng = np.random.default_rng(3)
    loss = rng.gamma(2.0, 50.0, (10, 40))
    pool = ReplicatePool(np.full(400, 1 / 400), np.repeat(np.arange(10), 40), np.ones(400, dtype=bool))
    found = pool.estimated(lambda pi: {"mean": float(pi @ loss.ravel())}, 0.95)["mean"]
    assert found == pytest.approx(interval(list(loss.mean(axis=1)), 0.95))
    said = stress_test(solve_once(*exposed(rate=0.3), gap=0.0), scenarios=100, seed=3).summary()
    assert "Only about 10 scenarios are in the worst 10%" in said


@pytest.mark.parametrize("figure", ["value_at_risk", "cvar"])
def test_intervals_of_the_tail_hold_about_what_they_promise(figure: str) -> None:
    """Proves: of 300 samples of 1000 scenarios of exponential losses (VaR -ln .1, CVaR one more), 95 % intervals hold the truth in
    90 % or more, as the module says."""
    rng, alpha = np.random.default_rng(5), 0.9
    truth = {"value_at_risk": -math.log(0.1), "cvar": 1 - math.log(0.1)}[figure]
    pool, inside = ReplicatePool(np.full(1000, 1e-3), np.repeat(np.arange(10), 100), np.ones(1000, dtype=bool)), 0
    for _ in range(300):
        loss = rng.exponential(1.0, 1000)
        told = pool.estimated(
            lambda pi, x=loss: {"value_at_risk": quantile(x, pi, alpha), "cvar": cvar_of(x, pi, alpha)}, 0.95
        )
        found = told[figure] if figure == "cvar" else pool.quantile(loss, alpha, told[figure], 0.95)
        inside += found[1] <= truth <= found[2]
    assert inside >= 0.9 * 300


def test_a_plan_against_one_listed_case_and_of_any_aim_is_attacked_with_drawn_worlds() -> None:
    """Proves: a plan without a sample meets scenarios of the table's hazards, one with a limit on losses is operated at least cost,
    and both say so; only where listed scenarios take all probability there is nothing to draw."""
    plan, data = exposed(rate=0.3)
    told = {k: v for k, v in plan.to_toml_like().items() if k != "sample"} | {"scenarios": [cut("war", 0.1, 2029, 1)]}
    found = stress_test(solve_once(Plan.model_validate(told), data, gap=0.0), scenarios=200)
    assert "made with its listed scenarios only" in found.summary()
    row = found.tables["figures"].set_index("figure").loc["expected_loss"]
    assert row.in_sample == pytest.approx(0.1 * 600)
    assert row.estimate > 3 * row.in_sample
    limited = Plan.model_validate(plan.to_toml_like() | {"risk": {"cvar_limit_musd": 1e6}})
    assert (
        "not the plan's own objective or limits"
        in stress_test(solve_once(limited, data, gap=0.0), scenarios=20).summary()
    )
    certain = Plan.model_validate(told | {"scenarios": [cut("war", 1.0, 2029, 1)]})
    with pytest.raises(InputError, match="have probability 1"):
        stress_test(solve_once(certain, data, gap=0.0))


@pytest.mark.slow
def test_the_verb_stress_tells_the_figures_with_their_intervals(cli: Any, tmp_path: Any) -> None:
    """Proves: from a run folder alone; as text, as tables and as JSON; of a plan without a sample too. The quickstart, of one
    mineral."""
    run = tmp_path / "run"
    one = ["--set", 'materials=["gallium"]']
    sampled = ["--set", "sample.scenarios=3", "--set", "sample.seed=1", *one]
    assert cli("solve", "quickstart", "--quick", *sampled, "--out", run).returncode == 0
    said = cli("stress", run, "--scenarios", "60", "--workers", "1", "--out", tmp_path / "stress")
    assert said.returncode == 0, said.stderr
    first, tested, *_ = said.stdout.splitlines()
    assert first.startswith("STRESS TEST: in new random scenarios the plan is worth ")
    assert " million USD of 2024 (" in first
    assert tested.startswith("  Tested in 60 new random scenarios, 10 independent samples (seed 1), plus")
    assert "probability of a defence shortfall" in said.stdout
    assert {f.name for f in (tmp_path / "stress").iterdir()} == {
        "figures.csv",
        "materials.csv",
        "worst.csv",
        "scenarios.csv",
        "events.csv",
        "shortfalls.csv",
        "study.json",
    }
    told = json.loads(cli("stress", run, "--scenarios", "20", "--workers", "1", "--json").stdout)
    assert {row["figure"] for row in told["figures"]} >= {"worth", "expected_loss", "cvar"}
    bare = tmp_path / "bare"
    assert cli("solve", "quickstart", *one, "--out", bare).returncode == 0
    against_one = cli("stress", bare, "--scenarios", "20", "--workers", "1")
    assert against_one.returncode == 0, against_one.stderr
    assert "the new scenarios are sampled from all hazards of the table" in against_one.stdout
    assert "of 2024, discounted. In brackets: 95% confidence intervals" in said.stdout
    assert "\n  Gallium: " in said.stdout
    assert "gallium: " not in said.stdout + against_one.stdout
    assert {row["material"] for row in told["materials"]} == {"gallium"}  # the tables keep codes
    assert {row["driven_by"] for row in told["worst"]} <= {"gallium 100%", ""}


def test_hot_starts_change_nothing_but_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: scenarios met with remembered bases cost what they cost without, scenario by scenario, and take fewer iterations."""
    plan, data = random_case(3, loss_limits=False, service_hard=False, sample=True)
    first = FirstStage.of(plan, data, solve_once(plan, data, gap=1e-6).solution)
    scenarios = population(first.natural, data, 128, 5)
    spent: list[int] = []
    run = Model.run

    def counting(self: Model, **options: Any) -> Any:
        answer = run(self, **options)
        spent.append(answer.iterations)
        return answer

    monkeypatch.setattr(Model, "run", counting)
    hot = evaluate_recourse(first, scenarios)
    hot_spent, spent[:] = sum(spent), []
    monkeypatch.setattr(BasisMemory, "predict", lambda *_: None)
    cold = evaluate_recourse(first, scenarios)
    assert hot.cost == pytest.approx(cold.cost, rel=1e-9, abs=1e-9)
    assert len(scenarios.names) > 4 * CHUNK
    assert hot_spent < 0.8 * sum(spent)


def test_a_chance_counts_listed_scenarios_as_certain_and_draws_as_draws() -> None:
    """Proves: none of 1000 drawn scenarios of mass .6 hit beside a listed scenario of .3 that does: at least .3, at most .3 and .6
    of Clopper and Pearson's 1 - .025^(1/1000)."""
    low, high = _chance((0.3, 0.3), 0, 1000, 0.95, 0.3, 0.6)
    assert low == 0.3
    assert high == pytest.approx(0.3 + 0.6 * (1 - 0.025 ** (1 / 1000)))


def test_a_newsvendor_with_markov_disruptions_by_sampling() -> None:
    """Proves: demand 2000 a period, holding .25, backlog 3, supply up to down .04, down to up .25 a period: base stock 8000 is
    best and costs 79375/29 a period in the long run (Snyder and Shen, Fundamentals of Supply Chain Theory, 2nd ed., 9.2),
    within the sampling interval. The embedded chain of exponential stops has these probabilities at
    total rate -ln(1 - .29)."""
    total = -math.log(1 - 0.29)
    fail, repair = total * 0.04 / 0.29, total * 0.25 / 0.29
    periods, bases = 300, 60
    stop = HazardRow.model_validate(
        {
            "hazard": "stop",
            "name": "stop",
            "kind": "outage",
            "countries": "*",
            "materials": "a",
            "rate_per_yr": fail,
            "duration_yr": 1 / repair,
            "cut_share": 1.0,
        }
    )
    costs: dict[int, list[float]] = {6000: [], 8000: [], 10000: []}
    for seed in range(10):
        scenarios = draw([stop], [stop], Span(0.0, float(periods)), scenarios=256, seed=seed, events=40)
        for base, found in costs.items():
            spent = []
            for scenario in scenarios:
                down = np.zeros(periods, dtype=bool)
                for event in scenario:
                    down[math.ceil(event.start) : math.ceil(event.start + event.duration)] = True
                stock = float(base)
                cost = np.zeros(periods)
                for k in range(periods):
                    stock = (stock if down[k] else float(base)) - 2000
                    cost[k] = 0.25 * max(stock, 0.0) + 3 * max(-stock, 0.0)
                spent.append(cost[bases:].mean())
            found.append(float(np.mean(spent)))
    mean, low, high = interval(costs[8000], 0.99)
    assert low <= 79375 / 29 <= high, (mean, low, high)
    assert np.mean(costs[8000]) < min(np.mean(costs[6000]), np.mean(costs[10000]))
