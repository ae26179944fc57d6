"""The plan against scenarios that it was not made for: what it reproduces, what theory says, what the intervals promise; on a real
local Dask cluster too."""

import math
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import pandas as pd
import pytest

from strategic_minerals import InputError, Plan, Progress, Runner, StoppedError, stress_test
from strategic_minerals.answer.solving import solve_once
from strategic_minerals.audit.accounts import cvar
from strategic_minerals.core.stats import estimated
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.studies.recourse import FirstStage, evaluate_recourse
from strategic_minerals.studies.stress import ReplicatePool, _chance
from strategic_minerals.world.scenarios import cvar_of
from support.drawn_cases import exposed
from support.instances import quick_first, random_case
from support.tiny import KT, bought, cut, imported, source, total


@pytest.mark.parametrize("seed", quick_first([0, 1, 8, 3, 13, 34], 3))
def test_a_plan_met_by_its_own_worlds_costs_what_its_objective_says(seed: int) -> None:
    """Proves: with commitments, floors, contracts, trunk and branches of every kind, operations solved scenario by scenario for the
    fixed first stage add up to the objective of the whole model, to 1e-9; for the plan and for doing nothing. So do the losses of
    each scenario."""
    plan, data = random_case(seed, loss_limits=False, border_floor=seed % 2 == 1, market_floor=seed % 2 == 1)
    plan = plan.model_copy(update={"policy": "foresight"})  # targets that are not filled count in the objective alone
    result = solve_once(plan, data, gap=1e-7)
    for nothing, solution, stated in (
        (False, result.solution, total(result)),
        (True, result.reference, result.outcome.do_nothing_musd),
    ):
        first = FirstStage.of(plan, data, solution, is_reference=nothing)
        scenarios = first.own_scenarios
        recourse = evaluate_recourse(first, scenarios)
        risk = plan.risk
        tail = cvar(recourse.loss, scenarios.probability, risk.alpha) if risk.cvar_weight > 0 else 0.0
        cost = float(scenarios.probability @ recourse.cost) + recourse.penalties + risk.cvar_weight * tail
        assert cost == pytest.approx(stated, rel=1e-9)
        if not nothing:
            losses = result.tables["scenario_losses"].set_index("scenario").loss_musd[list(scenarios.names)]
            assert recourse.loss == pytest.approx(losses.to_numpy(), rel=1e-6, abs=1e-6)


def test_a_soft_promise_weighs_as_much_in_recourse_as_in_the_plan() -> None:
    """Proves: a stop of probability .05, 5 kt in store for 10 of civil use missed at 50 a kg and 10 of defence missed at 100. A
    promise of all civil demand at 10 a kg, which counts whatever the probability, weighs 200 a kg in its scenario: the stock
    goes to civil users in the plan and in recourse, and by either count."""
    promise = {"material": "a", "segment": "civil", "level": 1.0}
    plan, data = imported(
        10.0,
        20.0,
        demand={("a", "civil"): 10.0, ("a", "defence"): 10.0},
        loss=50.0,
        stock={"a": 5.0},
        scenarios=[cut("stop", 0.05, 2028, 1) | {"design_basis": True}],
        instruments={"reserve": False},
        tiers={"defence": [(1.0, 2.0)]},
        service_levels=[promise | {"scenarios": ["stop"], "penalty_usd_per_kg": 10.0}],
    )
    result = solve_once(plan, data, gap=0.0)
    first = FirstStage.of(plan, data, result.solution)
    scenarios = first.own_scenarios
    at = scenarios.names.index("stop")
    recourse = evaluate_recourse(first, scenarios)
    cost = float(scenarios.probability @ recourse.cost) + recourse.penalties
    assert cost == pytest.approx(total(result), rel=1e-9)
    assert recourse.defence[at] == pytest.approx(10 * KT)
    assert recourse.penalty[at] == pytest.approx(5 * 10.0)


@pytest.mark.parametrize("parts", [1, 40])
def test_a_border_floor_is_charged_world_by_world(parts: int) -> None:
    """Proves: a border floor that keeps a home plant costs users and brings the treasury what it does in each scenario; one
    scenario of probability .9 split into many alike changes nothing, whatever the chunks in which they are met."""
    menu = {"material": "a", "scope": "market", "kind": "border", "levels_usd_per_kg": [110.0], "term_years": 3}
    plan, data = imported(
        100.0,
        sources={"far": source("CHN", "a", 10.0), "home": source("USA", "a", 3.0, cash_usd_per_kg=105.0)},
        loss=300.0,
        instruments={"price_floors": [menu]},
        scenarios=[cut(f"cut{k}", 0.9 / parts, 2028 + k % 2, 1) for k in range(parts)],
    )
    result = solve_once(plan, data, gap=0.0)
    assert not result.tables["floors"].empty
    first = FirstStage.of(plan, data, result.solution)
    recourse = evaluate_recourse(first, first.own_scenarios)
    assert float(first.own_scenarios.probability @ recourse.cost) == pytest.approx(total(result), rel=1e-9)


def test_losses_of_worlds_are_those_of_their_shortfalls() -> None:
    """Proves: with several segments, tiers and steps, a scenario's loss is what its rows of the table of shortfalls add up to, each
    discounted to the start of its period; so is what defence goes short."""
    result = solve_once(*random_case(1, segments=True, tiers=True, substitution=True, loss_limits=False))
    calendar = prepare(result.plan, result.data).natural.calendar
    beta = {calendar.period_label(t): float(calendar.beta[t]) for t in range(calendar.periods)}
    rows = result.tables["shortfalls"]
    rows = rows.assign(
        loss_musd=(rows.loss_musd + rows.substitution_cost_musd) * rows.period.map(beta),
        defence_shortfall_t=rows.shortfall_t * (rows.segment == "defence"),
    )
    stated = result.tables["scenario_losses"].set_index("scenario")
    for told in ("loss_musd", "defence_shortfall_t", "shortfall_t"):
        summed = rows.groupby("scenario")[told].sum().reindex(stated.index, fill_value=0.0)
        assert stated[told].tolist() == pytest.approx(summed.tolist(), rel=1e-9, abs=1e-4)


@pytest.mark.long
def test_expected_loss_in_fresh_worlds_is_what_theory_says() -> None:
    """Proves: a stop comes at .3 a year in 2028 to 2033 and lasts a year (less at the end): the expected loss is 10 kt * 60 *
    int .3 exp(-.3 t) min(1, 5 - t) dt, within half a percent and within its interval, which ten times the scenarios narrow by more
    than the square root of ten would, thanks to Sobol points; CVaR of a two-valued loss follows (the worst tenth all lose a
    whole year)."""
    result = solve_once(*exposed(rate=0.3), gap=0.0)
    found, few = (stress_test(result, scenarios=n, seed=7, confidence=0.999) for n in (2000, 200))
    table = found.tables["figures"].set_index("figure")
    t = np.linspace(0, 5, 500_001)
    truth = 600 * np.trapezoid(0.3 * np.exp(-0.3 * t) * np.minimum(1, 5 - t), t)
    row = table.loc["expected_loss"]
    assert row.estimate == pytest.approx(truth, rel=5e-3)
    assert row.low <= truth <= row.high
    wide = few.tables["figures"].set_index("figure").loc["expected_loss"]
    assert row.high - row.low < (wide.high - wide.low) / math.sqrt(10)
    assert table.estimate["cvar"] == pytest.approx(600.0, rel=1e-6)
    assert table.estimate["worth"] == pytest.approx(0.0, abs=1e-6)
    assert table.do_nothing["worst_case"] == table.estimate["worst_case"] == pytest.approx(600.0)
    stated = found.tables["materials"].iloc[0]
    assert (stated.expected_loss_musd, stated.expected_loss_musd_low) == pytest.approx((row.estimate, row.low))
    assert pd.isna(stated.defence_short)  # nobody demands it for defence


def test_what_is_bought_before_events_helps_in_fresh_worlds_and_is_held_fixed() -> None:
    """Proves: a stock of 4 kt bought against listed scenarios spares 4 kt * 60 wherever a stop comes; defence is counted."""
    plan, data = exposed(rate=0.3)
    told = plan.to_toml_like() | {"scenarios": [cut("known", 0.5, 2029, 1)]}
    told["budget"]["appropriation_musd"] = {"2027": 40.0, "2028": 0.0}
    spot = {"offer": "spot", "material": "a", "source_producer": "outside", "depth_t_per_yr": 100 * KT}
    offers = pd.DataFrame([spot | {"premium_share": 0.0, "crisis_availability": 0.0}])
    result = solve_once(Plan.model_validate(told), data.replace(offers=offers), gap=0.0)
    assert bought(result, "a") == pytest.approx(4.0)
    found = stress_test(result, scenarios=500, seed=5)
    scenarios = found.tables["scenarios"]
    hit = scenarios[scenarios.without_plan_musd > 240 + 1e-6]
    assert (hit.without_plan_musd - hit.loss_musd).to_numpy() == pytest.approx(np.full(len(hit), 240.0))
    assert (scenarios.defence_short_t == 0).all()
    assert scenarios.probability.sum() == pytest.approx(1.0)
    row = found.tables["figures"].set_index("figure").loc["defence_short"]
    assert (row.estimate, row.low) == (0.0, 0.0)
    drawn = scenarios[scenarios.scenario.str.startswith("sample")].probability.sum()  # the listed scenario is certain
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
    found = stress_test(solve_once(plan, data, gap=0.0), scenarios=1000, seed=7)
    row, own = found.tables["figures"].set_index("figure").loc["defence_short"], found.tables["materials"].iloc[0]
    assert row.estimate == pytest.approx(0.3, abs=0.01)
    assert row.low <= 0.3 <= row.high
    assert row.high - row.low < 0.06
    assert (own.defence_short, own.defence_short_low, own.defence_short_high) == (row.estimate, row.low, row.high)
    assert f"defence shortfall {row.estimate:.1%} ({row.low:.1%} to {row.high:.1%})" in found.summary()


def test_leaving_out_draws_gives_students_interval() -> None:
    """Proves: a mean of the pooled scenarios has the interval of the draws' own means (which `core/test_figures.py` tries)."""
    loss = np.random.default_rng(2).gamma(2.0, 50.0, (10, 40))
    pool = ReplicatePool(np.full(400, 1 / 400), np.repeat(np.arange(10), 40), np.ones(400, dtype=bool))
    pooled = pool.estimated(lambda pi: {"mean": float(pi @ loss.ravel())}, 0.95)["mean"]
    own = estimated(list(loss.mean(axis=1)), 0.95)
    assert pooled == pytest.approx((own.mean, own.low, own.high))


def test_a_chance_counts_listed_scenarios_as_certain_and_draws_as_draws() -> None:
    """Proves: none of 1000 drawn scenarios of mass .6 hit beside a listed one of .3 that does: at least .3, at most .3 and .6 of
    Clopper and Pearson's 1 - .025^(1/1000)."""
    found = _chance((0.3, 0.3), 0, 1000, 0.95, 0.3, 0.6)
    assert found == (0.3, pytest.approx(0.3 + 0.6 * (1 - 0.025 ** (1 / 1000))))


def test_intervals_of_the_tail_hold_about_what_they_promise() -> None:
    """Proves: of 300 samples of 1000 scenarios of exponential losses (CVaR 1 - ln .1), 95 % intervals hold the truth in 90 % or
    more, as the module says."""
    rng, inside = np.random.default_rng(5), 0
    pool = ReplicatePool(np.full(1000, 1e-3), np.repeat(np.arange(10), 100), np.ones(1000, dtype=bool))
    for _ in range(300):
        loss = rng.exponential(1.0, 1000)
        _, low, high = pool.estimated(lambda pi, x=loss: {"cvar": cvar_of(x, pi, 0.9)}, 0.95)["cvar"]
        inside += low <= 1 - math.log(0.1) <= high
    assert inside >= 0.9 * 300


def test_a_plan_against_one_listed_case_is_attacked_with_drawn_worlds() -> None:
    """Proves: a plan without a sample meets scenarios of the table's hazards; beside certain ones there are none to draw."""
    plan, data = exposed(rate=0.3)
    told = {k: v for k, v in plan.to_toml_like().items() if k != "sample"}
    listed, certain = (
        solve_once(Plan.model_validate(told | {"scenarios": [cut("war", chance, 2029, 1)]}), data, gap=0.0)
        for chance in (0.1, 1.0)
    )
    row = stress_test(listed, scenarios=100).tables["figures"].set_index("figure").loc["expected_loss"]
    assert row.estimate > 3 * 0.1 * 600  # of the listed case alone
    with pytest.raises(InputError, match="have probability 1"):
        stress_test(certain)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """A local Dask cluster of two worker processes."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as connected,
    ):
        yield connected


@pytest.mark.slow
def test_a_lost_worker_loses_no_result(client: Any) -> None:
    """Proves: a worker killed in the middle of a stress test: its draws, and results that lay with it, run again elsewhere and the
    figures are the same."""
    result = solve_once(*exposed(rate=0.3), gap=0.0)
    here = stress_test(result, scenarios=1_000, seed=4)
    workers = list(client.run(os.getpid).values())
    killed: list[int] = []

    def kill(progress: Progress) -> None:
        """Once the first draw has come back."""
        if progress.done and progress.of and not killed:
            assert progress.done < progress.of
            os.kill(workers[0], signal.SIGKILL)
            killed.append(workers[0])

    there = stress_test(result, scenarios=1_000, seed=4, run=Runner(executor=client.get_executor(), on_progress=kill))
    assert killed
    assert there.tables["figures"].equals(here.tables["figures"])
