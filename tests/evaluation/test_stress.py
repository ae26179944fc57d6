"""The plan against scenarios that it was not made for: what it reproduces, what theory says, what the intervals promise, on a real
local Dask cluster too; and the smallest disruption that breaks a promise."""

import json
import math
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from conftest import Cli
from strategic_minerals import Dataset, InputError, Plan, Progress, Runner, StoppedError, reverse_stress, stress_test
from strategic_minerals.answer.solving import solve_once
from strategic_minerals.audit.accounts import cvar
from strategic_minerals.core.stats import estimated
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.question.load import Promise
from strategic_minerals.studies.recourse import FirstStage, evaluate_recourse
from strategic_minerals.studies.stress import ReplicatePool, _chance
from strategic_minerals.world.scenarios import cvar_of
from support.drawn_cases import exposed
from support.instances import quick_first, random_case
from support.one_mineral import one_mineral
from support.tiny import KT, bought, cut, imported, offer, source, tiny, total


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
    than the square root of ten would, thanks to Sobol points; CVaR of a two-valued loss follows (the worst tenth lose a year)."""
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
    """Proves: a stock of 4 kt bought against listed scenarios spares 4 kt * 60 wherever a stop comes."""
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


def test_no_loss_is_said_to_be_below_zero_and_defence_is_said_nothing_of_where_it_wants_nothing() -> None:
    """Proves: of a few draws of a rare stop the intervals of losses end at 0; civil users alone are in the figures and words."""
    found = stress_test(solve_once(*exposed(rate=0.01), gap=0.0), scenarios=40, seed=1)
    table = found.tables["figures"].set_index("figure")
    assert table.low[["expected_loss", "cvar"]].tolist() == [0.0, 0.0]
    assert table.high["expected_loss"] > table.estimate["expected_loss"] > 0
    assert "defence" not in "".join([*table.index, found.summary()])


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


EMBARGO: dict[str, Any] = {"hazard": "stop", "name": "stop", "kind": "embargo", "countries": "CHN", "materials": "a"}
EMBARGO |= {"rate_per_yr": 0.1, "duration_yr": 1.0, "cut_share": 1.0}
FAR = {"far": source("CHN", "a", 10.0)}
HALVES = {"far": source("CHN", "a", 5.0), "other": source("AUS", "a", 5.0)}
WHOLE, HALF = Promise("a", "defence", 1.0), Promise("a", "defence", 0.5)


def stocked(*hazards: dict[str, Any], money: float = 20.0, years: int = 5, **case: Any) -> tuple[Plan, Dataset]:
    """10 kt a year of defence from abroad; 2 kt in store, which all the money buys before anything happens."""
    case = {"demand": {("a", "defence"): 10.0}, "sources": FAR} | case
    plan, data = tiny(
        {"a": 10.0, "b": 10.0} if "third" in case["sources"] else {"a": 10.0},
        loss=300.0,
        years=years,
        offers={"spot": offer("a", 100.0)},
        scenarios=[cut("cut", 0.5, 2029, 1)],
        money={2027: money, 2028: 0.0},
        **case,
    )
    told = plan.to_toml_like()
    told["scenarios"][0]["events"] = [{"hazard": "stop", "start_year": 2029.0}]
    return Plan.model_validate(told), data.replace(hazards=pd.DataFrame(hazards or [EMBARGO]))


def broken(question: tuple[Plan, Dataset], *promises: Promise, by: Any = "level", **asked: Any) -> pd.DataFrame:
    """What breaks promises of the solved plan."""
    found = reverse_stress(solve_once(*question, gap=0.0), promises=promises, **asked)
    return found.tables["reverse"].set_index(by)


def near(years: float, longest: float) -> Any:
    """Years, or a share of one, as finely as they are searched for up to the longest that is tried."""
    return pytest.approx(years, abs=longest / 12 / 32 + 1e-9)


@pytest.mark.parametrize("longest", quick_first([3.0, 7.0], 1))
def test_the_shortest_and_the_least_severe_disruption_by_hand(longest: float) -> None:
    """Proves: 2 kt in store stand for a fifth of a year of a full stop, or a year in which a fifth is cut. Half of the year's
    demand of 10 kt is promised from the onset to the end: 10 L - 2 > 5 after .7 of a year; a year long, 7 kt may be cut. Three
    tenths break at 10 L - 2 > 7, after .9 of a year, and hold at a cut of 90 %. What is promised of nothing never breaks."""
    levels = {1.0: 0.2, 0.5: 0.7, 0.3: 0.9}
    promises = [Promise("a", "defence", level) for level in (*levels, 0.0)]
    found = broken(stocked(), *promises, longest_yr=longest)
    for level, breaks in levels.items():
        assert found.shortest_yr[level] == near(breaks, longest)
        assert found.least_cut_share[level] == near(breaks, 1.0)
        assert not found.held[level]
    assert bool(found.held[0.0])


@pytest.mark.slow
def test_what_is_short_undisturbed_breaks_a_promise_only_while_the_strike_lasts() -> None:
    """Proves: 10 kt a year wanted and 8 made, always: a promise of .8 is just kept undisturbed and breaks with the first cut;
    one of .9 is broken anyway, by the shortest strike tried; of .4 where half is cut, whatever is short in other years."""
    case = stocked(money=0.0, sources={"far": source("CHN", "a", 8.0)})
    found = broken(case, *(Promise("a", "defence", level) for level in (0.9, 0.8, 0.4)), longest_yr=3.0)
    for level in (0.9, 0.8):
        assert found.shortest_yr[level] == near(0.0, 3.0)
        assert found.least_cut_share[level] == near(0.0, 1.0)
    assert found.least_cut_share[0.4] == near(0.5, 1.0)


def test_a_promise_by_fiscal_year_counts_the_worst_year() -> None:
    """Proves: a stop of two years from 2028 on with 2 kt in store, cut by a third: the episode is 6.67 - 2 short of 20, which .7
    of it allows; the second year is 3.33 short of 10, which .7 of the year does not."""
    promises = [Promise("a", "defence", 0.7, per) for per in ("episode", "fiscal_year")]
    found = broken(stocked(EMBARGO | {"duration_yr": 2.0, "cut_share": 1 / 3}), *promises, by="per", longest_yr=2.0)
    assert pd.isna(found.shortest_yr["episode"])
    assert found.shortest_yr["fiscal_year"] <= 2.0
    assert found.least_cut_share["episode"] == near(0.4, 1.0)
    assert found.least_cut_share["fiscal_year"] < 0.4


@pytest.mark.parametrize("longest", quick_first([3.0, 8.0], 1))
def test_the_worst_start_is_refined_not_the_first(longest: float) -> None:
    """Proves: demand of 10 kt a year until 2029 and 20 from 2030: the stop that breaks the promise
    soonest begins when demand is highest, whatever the grid."""
    grown = stocked(demand={("a", "defence"): {2027: 10.0, 2030: 20.0}}, sources={"far": source("CHN", "a", 20.0)})
    row = broken(grown, WHOLE, longest_yr=longest).loc[1.0]
    assert row.start_year >= 2030
    assert row.shortest_yr <= 0.6 + longest / 12 / 32


@pytest.mark.slow
def test_each_hazard_and_all_together_by_hand() -> None:
    """Proves: a and b, 10 kt a year each from abroad, 2 kt of a in store. Two hazards stop half of a each, one after a flood of two
    years, and break it by themselves in .4 of a year; together they cut at the same time and break it in .2, the half of it in .7.
    The second does not touch b, and is not tried on it."""
    flood = {"hazard": "glut", "kind": "flood_squeeze", "countries": "AUS", "flood_yr": 2.0, "flood_multiplier": 0.9}
    case = stocked(
        EMBARGO | {"materials": "a b"},
        EMBARGO | flood,
        demand={("a", "defence"): 10.0, ("b", "defence"): 10.0},
        sources=HALVES | {"third": source("CHN", "b", 10.0)},
        years=6,
    )
    by, of_b = ["material", "hazard", "level"], Promise("b", "defence", 1.0)
    found = broken(case, WHOLE, HALF, of_b, by=by, hazards=["stop", "glut"], longest_yr=3.0).shortest_yr
    assert found["a", "stop", 1.0] == found["a", "glut", 1.0] == near(0.4, 3.0)
    assert found["a", "all together", 1.0] == near(0.2, 3.0)
    assert found["a", "all together", 0.5] == near(0.7, 3.0)
    assert found["b", "stop", 1.0] == near(0.0, 3.0)
    assert ("b", "glut", 1.0) not in found.index


def test_what_the_horizon_does_not_hold_is_not_claimed() -> None:
    """Proves: with 45 kt in store and 10 a year missed a promise is tried for the four years that the horizon holds from 2028
    on, not for the eight asked; it holds for these, as one with less in store does not."""
    held = broken(stocked(stock={"a": 45.0}), WHOLE, longest_yr=8.0).loc[1.0]
    assert (bool(held.held), held.tried_yr) == (True, 4.0)
    less = broken(stocked(stock={"a": 30.0}), WHOLE, longest_yr=8.0).loc[1.0]
    assert (less.shortest_yr, less.tried_yr) == (near(3.0, 4.0), 4.0)


def test_a_surge_of_demand_is_part_of_what_is_promised() -> None:
    """Proves: a stop that doubles demand, with nothing in store: of 10 (1 + L) kt wanted in the year 10 (1 - L) come, so a promise
    of a tenth breaks at 20 L > 9 (1 + L), after 9/11 of a year; one of nothing holds."""
    plan, data = stocked(EMBARGO | {"surge": "twice"}, money=0.0)
    row = {"surge": "twice", "material": "*", "segment": "defence", "from_month": 0, "multiplier": 2.0}
    surge = plan, data.replace(surges=pd.DataFrame([row]))
    found = broken(surge, *(Promise("a", "defence", level) for level in (0.0, 0.1)), longest_yr=2.5)
    assert bool(found.held[0.0])
    assert found.shortest_yr[0.1] == near(9 / 11, 2.5)


def test_defence_in_full_is_tried_without_promises_and_a_wrong_option_is_named(cli: Cli, tmp_path: Path) -> None:
    """Proves: the plan names no service level, so defence is held to all of its demand, for the hazards of its scenarios; of a
    wrong question the option is blamed, with what it was given, and nothing else."""
    result = solve_once(*stocked(), gap=0.0)
    assert bought(result, "a") == pytest.approx(2.0)
    (row,) = reverse_stress(result, longest_yr=2.0).tables["reverse"].itertuples()
    twice = reverse_stress(result, promises=[Promise("a", "defence", 1.0)] * 2, longest_yr=2.0).tables["reverse"]
    assert len(twice) == 1
    assert (row.material, row.segment, row.level, row.hazard, row.start_year) == ("a", "defence", 1.0, "stop", 2028)
    result.save(tmp_path / "run")
    for option, value, found in (
        ("hazards", "pacific", "'pacific'"),
        ("promises", "a:defense:0.8", "no demand for a:defense"),
        ("promises", "a:defence:80", "'a:defence:80'"),
        ("promises", "a:defence:nan", "'a:defence:nan'"),
        ("promises", "a:defence", "'a:defence'"),
    ):
        said = cli("reverse", tmp_path / "run", f"--{option}", value, "--json")
        assert said.returncode == 2
        (fault,) = json.loads(said.stdout)["faults"]
        assert (fault["column"].partition("[")[0], fault["found"]) == (option, found)


def test_a_plan_that_promises_nothing_says_that_nothing_was_tested() -> None:
    """Proves: an empty table is no sign that every promise holds, and the words say so."""
    found = reverse_stress(solve_once(*one_mineral(110.0), gap=0.0))
    assert found.tables["reverse"].empty
    assert found.summary() == "NOTHING WAS TESTED: the plan makes no promise: name one, such as ndfeb_magnet:civil:0.8."
