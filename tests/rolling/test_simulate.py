"""Paths lived through without foresight: values on paper, what a planner may not know, a study that goes on where it stopped."""

import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from strategic_minerals import InputError, PlanError, Result, Runner, simulate, solve
from strategic_minerals.studies.carry import as_planned
from strategic_minerals.studies.learning import ScenarioPath as Course
from strategic_minerals.studies.learning import draw_paths
from strategic_minerals.studies.replanning import Replanning, first_year_cost, planned
from strategic_minerals.studies.roll import next_question, question_of
from strategic_minerals.studies.simulate import NOTHING, PRINTED, REPLANNED
from strategic_minerals.studies.simulate import _differences as differences
from support.rolled import reserve as question
from support.rolled import struck
from support.tiny import FIRST, cut, hazard_row, imported, offer, project, source

pytestmark = pytest.mark.long

FEW = {"scenarios": 32, "quiet_probability": 0.02}


def plant(chance: float) -> Result:
    """A stop of 6 kt of 10, without end, comes with a chance each year; a plant for 50 million USD replaces it a year after
    signing. Each year without it costs 6 kt at 10 USD/kg above the price: 60 million USD. Four years are planned, the first is
    quiet; what happens in a year is seen by the plan of the next."""
    case = imported(
        1.0,
        of="gallium",
        loss=10.0,
        projects={"plant": project("gallium", 6.0, capex_musd=50.0, cash_usd_per_kg=1.0, additional=True)},
        packages={"help": {"instrument": "grant"}},
        years=4,
        residual=0.0,
    )
    stop = {"rate_per_yr": -math.log(1 - chance), "duration_yr": 50.0, "duration_law": "fixed", "cut_share": 0.6}
    return solve(*struck(case, stop, **FEW), gap=0.0, quick=True)


def worth_by_onset(chance: float) -> list[dict[float, set[float]]]:
    """Of plans made anew and of the plan as it was made: fiscal year of the first event (infinite: none) -> worth on the paths of
    that kind [million USD]."""
    asked: dict[str, Any] = {"paths": 40, "rules": (), "learning": False, "grid_months": 12}
    paths = simulate(plant(chance), **asked).tables["paths"]
    paths = paths.assign(onset=paths.first_event.fillna(math.inf).round(6), worth=paths.worth_musd.round(6))
    both = (paths[paths.policy == policy].groupby("onset").worth for policy in (REPLANNED, PRINTED))
    return [{float(year): set(worth) for year, worth in groups} for groups in both]


def test_where_waiting_is_right_the_plant_is_signed_when_the_stop_is_seen() -> None:
    """Proves: at 10 % a year a plant signed at once is worth 0.1 x 180 + 0.09 x 120 + 0.081 x 60 - 50 < 0; signed when a stop of
    the second year is seen it spares 60 in the fourth, for 50. The plan as it was made, which cannot wait, signs nothing."""
    again, as_made = worth_by_onset(0.1)
    assert again.pop(FIRST + 1.0) == {10.0}
    assert set().union(*again.values()) == set().union(*as_made.values()) == {0.0}
    assert math.inf in again


def test_where_waiting_is_wrong_the_plant_is_signed_at_once() -> None:
    """Proves: at 90 % a year signing at once is worth 180 - 50 under a stop of the second year, 120 - 50 under one of the third."""
    expected = {FIRST + 1.0: {130.0}, FIRST + 2.0: {70.0}, FIRST + 3.0: {10.0}, math.inf: {-50.0}}
    for found in worth_by_onset(0.9):
        assert found == {year: expected[year] for year in found}
        assert {FIRST + 1.0, FIRST + 2.0} <= set(found)


YEARS, SHORT, LOSS, HOLDING, SALVAGE, RATE = 6, 3, 10.0, 0.01, 0.9, 0.03
"""Of the question of `test_roll`, and of the stops."""
ONSET, GOES_ON = 0.25, 0.4
"""Chance that a stop begins in a year, and that one goes on for another; after its first year it does so with
`GOES_ON ** 1.5`, for lengths are rounded to whole years."""


@cache
def reserve() -> Result:
    """3 of 10 kt stop in some years; the reserve buys 1 kt in a quiet year, nothing in a stop; sales are lost."""
    stop = {"rate_per_yr": -math.log(1 - ONSET), "duration_yr": -1 / math.log(GOES_ON), "cut_share": SHORT / 10}
    return solve(*struck(question(YEARS), stop, **FEW), gap=0.0, quick=True)


GRID = tuple(np.arange(0, 2 * YEARS + 1) / 2.0)
"""Stocks of dynamic programming [kt]."""


def of_year(stop: int, held: float, end: float) -> float:
    """Cost of a year [million USD]; what is released is paid for by users: it changes hands."""
    bought = 10.0 + end - held
    return ((10 - SHORT) + (SHORT - held + end) * (1 + LOSS) if stop else bought) + HOLDING * end


@cache
def least(t: int, stop: int, held: float) -> tuple[float, float]:
    """Least expected cost from a year on, and the stock at its end that it takes: dynamic programming over stock and whether a stop
    lasts (0: no; 1: since this year; 2: for longer) [million USD, kt]."""
    if t == YEARS:
        return -SALVAGE * held, held
    chance = (ONSET, GOES_ON**1.5, GOES_ON)[stop]
    moves = [-r for r in GRID if r <= min(held, SHORT)] if stop else [0.0, 0.5, 1.0]

    def total(stock: float) -> float:
        later = (1 - chance) * least(t + 1, 0, stock)[0] + chance * least(t + 1, min(2, stop + 1), stock)[0]
        return of_year(stop, held, stock) + later / (1 + RATE)

    best = min((held + move for move in moves), key=total)
    return total(best), best


def lived_by_dynamic_programming(stops: set[int]) -> float:
    """Cost of a path of stops in some years, every year decided by dynamic programming [million USD]."""
    held, cost, stop = 0.0, 0.0, 0
    for t in range(YEARS):
        stop = min(2, stop + 1) if t in stops else 0
        end = least(t, stop, held)[1]
        cost += of_year(stop, held, end) * (1 + RATE) ** -t
        held = end
    return cost - SALVAGE * held * (1 + RATE) ** -YEARS


@pytest.mark.slow
def test_a_markov_reserve_with_lost_sales_reaches_its_value_by_dynamic_programming() -> None:
    """Proves: the mean cost of paths that are planned again every year is the value of dynamic programming within its 99 %
    interval, and on the same paths within a hundredth of what dynamic programming pays there."""
    result = reserve()
    found = simulate(result, paths=60, seed=3, rules=(), learning=False, grid_months=12).tables["paths"]
    cost = found[found.policy == REPLANNED].set_index("path").cost_musd
    error = float(cost.std(ddof=1)) / len(cost) ** 0.5
    value = least(0, 0, 0.0)[0]
    assert float(cost.mean()) == pytest.approx(value, abs=2.66 * error)
    drawn = draw_paths(result.plan, result.data, question_of(result).natural, 60, 3, uncertain=False, grid_months=12)
    stops = [{t for t in range(YEARS) for e in p.events if e.begin <= FIRST + t < e.end - 1e-9} for p in drawn]
    best = np.array([lived_by_dynamic_programming(years) for years in stops])
    assert float(cost.mean()) == pytest.approx(best.mean(), rel=0.01)
    assert float(cost.mean()) >= best.mean() - 2.66 * float((cost.to_numpy() - best).std(ddof=1)) / len(best) ** 0.5


@pytest.mark.parametrize("policy", ["targets", "foresight"])
def test_a_quiet_year_leaves_the_tail_of_the_plan(policy: str) -> None:
    """Proves: where nothing is learned in a year, planning again from what is held buys what the plan buys in its tail; with
    foresight its cost is the plan's less that of the year, discounted. By targets it is no more: what is in store when a plan is
    made is not counted as unfilled after a stop."""
    stops = [cut("early", 0.3, FIRST + 3, 1, share=0.2), cut("late", 0.4, FIRST + 4, 2, share=0.3)]
    plan, data = question(YEARS, scenarios=stops, policy=policy)
    result = solve(plan, data, gap=0.0, quick=True)
    now = planned(plan, data)
    later = next_question(now.question, plan, data, as_planned(now.question, 1), learning=False)
    tail = solve(later.plan, later.data, gap=0.0, quick=True)
    whole, rest = (sum(one.objective_parts.values()) for one in (result, tail))
    assert float(result.solution.acquisition[0, :, 0].sum()) > 0
    assert tail.solution.acquisition[0] == pytest.approx(result.solution.acquisition[0, :, 1:], abs=1e-3)
    assert whole >= first_year_cost(now) + rest / (1 + RATE) - 1e-6
    if policy == "foresight":
        assert whole == pytest.approx(first_year_cost(now) + rest / (1 + RATE), rel=1e-7)


def test_nothing_is_known_before_it_happens() -> None:
    """Proves: two paths that are alike up to a year are lived alike up to it, whatever comes later."""
    result = reserve()
    drawn = draw_paths(result.plan, result.data, question_of(result).natural, 30, 1, uncertain=True, grid_months=1)
    path = next(p for p in drawn if len(p.events) > 1 and p.events[1].begin > FIRST + 2)
    cut_off = Course(99, path.events[:1])
    lived, without = (Replanning(result.plan, result.data, learning=True).live(p) for p in (path, cut_off))
    alike = int(path.events[1].begin) - FIRST
    assert alike >= 2
    assert lived[:alike] == without[:alike]
    assert lived != without


@pytest.mark.slow
def test_a_simulation_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Proves: paths that were kept are not lived again, in any order of work; a store of another simulation is refused."""
    asked: dict[str, Any] = {"paths": 6, "rules": (), "grid_months": 6}
    whole = simulate(reserve(), **asked)
    simulate(reserve(), **asked, run=Runner(store=tmp_path / "s"))
    kept = sorted(file.name for file in (tmp_path / "s").glob("*.json"))
    assert len(kept) == 6
    for name in kept[:4]:
        (tmp_path / "s" / name).unlink()
    told: list[tuple[int | None, int | None]] = []
    follow = Runner(store=tmp_path / "s", on_progress=lambda progress: told.append((progress.done, progress.of)))
    again = simulate(reserve(), **asked, run=follow)
    assert again.tables["paths"].equals(whole.tables["paths"])
    assert (6, 6) in told
    with pytest.raises(InputError, match="no part of this question"):
        simulate(reserve(), **{**asked, "seed": 2}, run=Runner(store=tmp_path / "s"))


def test_an_unknown_rule_is_refused_before_a_path_is_lived(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: a misspelt rule costs no minutes of planning first."""
    monkeypatch.setattr(Replanning, "live", lambda self, path: pytest.fail("a path was lived"))
    with pytest.raises(PlanError, match="expected one of 60 days of cover"):
        simulate(reserve(), paths=2, rules=("60 days",))


def test_differences_are_paired_and_say_what_cannot_be_told() -> None:
    """Proves: each difference is the mean over the same paths, with the error of the pairs; nothing is worth nothing."""
    found = simulate(reserve(), paths=8, rules=("60 days of cover",))
    worth = found.tables["paths"].pivot(index="path", columns="policy", values="worth_musd")
    for row in found.tables["differences"].itertuples():
        both = (worth[row.of] - worth[row.policy]).dropna()
        assert row.difference_musd == pytest.approx(both.mean())
        assert row.error_musd == pytest.approx(both.std(ddof=1) / len(both) ** 0.5)
    assert float(worth[NOTHING].abs().max()) == 0
    three = (REPLANNED, PRINTED, "60 days")
    rounding = pd.DataFrame(
        {"path": np.repeat(range(4), 3), "policy": three * 4, "worth_musd": 1e-9 * np.arange(12.0) ** 2}
    )
    assert set(differences(rounding, three, 0.95).distinguishable) == {"no"}, "rounding makes no rule the better one"


def test_no_more_is_released_than_was_in_store() -> None:
    found = simulate(reserve(), paths=12, rules=(), learning=False, grid_months=12)
    years = found.tables["years"]
    tight = years[(years.policy == PRINTED) & (years.tight_share > 0)]
    assert len(tight)
    assert (tight.released_t <= tight.opening_t + 1e-6).all()


def test_a_plan_that_moves_prices_keeps_to_its_money() -> None:
    """Proves: of 2 million a year 200 t are bought at 10 USD/kg where the plan's own buying makes the price; where a premium of a
    quarter stands for that, 160 t."""
    offers, responses = {"spot": offer("gallium", 1.0, 0.25)}, {"gallium": (1e5, 0.3, 0.2)}
    own: dict[str, Any] = {"loss": 100.0, "years": 6, "money": 2.0, "price_channel": True}
    case = imported(10.0, of="gallium", offers=offers, responses=responses, **own)
    result = solve(*struck(case, {"rate_per_yr": 0.3}, **FEW), quick=True)
    years = simulate(result, paths=4, rules=()).tables["years"]
    first = years[(years.policy == PRINTED) & (years.fiscal_year == FIRST)]
    assert float(result.solution.acquisition[0, 0, 0]) == pytest.approx(200.0)
    assert first.bought_t.tolist() == pytest.approx([160.0] * 4)


def test_a_contract_of_any_amount_is_lived() -> None:
    """An offer without a smallest lot has no yes or no of its own."""
    terms = {"kappa": 0.0, "lot_t_per_yr": 0.0, "fee_usd_per_kg": 0.01, "term_yr": 3.0}
    sources = {"far": source("CHN", "a", 9.0), "ally": source("AUS", "a", 4.0, **terms)}
    case = imported(10.0, sources=sources, demand={"a": 4.0}, years=4, instruments={"offtake_price": "fee"})
    result = solve(*struck(case, hazard_row("stop", "a", 0.3, cut_share=1.0), **FEW), quick=True)
    assert len(result.tables["contracts"]) > 0
    assert simulate(result, paths=2).tables["paths"].policy.nunique() > 1


def test_a_plan_with_a_weight_on_its_worst_futures_is_lived() -> None:
    """The weight chooses the plan; what is done on a path, and what it costs, does not hang on it."""
    plan, data = question(YEARS)
    stop = {"rate_per_yr": 0.3, "duration_yr": 1.0, "cut_share": 0.3}
    weights = [plan.risk.model_copy(update={"cvar_weight": weight}) for weight in (5.0, 0.0)]
    made = solve(*struck((plan.model_copy(update={"risk": weights[0]}), data), stop, **FEW), quick=True)
    neutral = replace(made, plan=made.plan.model_copy(update={"risk": weights[1]}))
    lived = [simulate(result, paths=8, rules=()).tables["paths"] for result in (made, neutral)]
    worths = [paths.worth_musd[paths.policy == PRINTED].tolist() for paths in lived]
    assert worths[0] == pytest.approx(worths[1])
    assert max(worths[0]) > 0
