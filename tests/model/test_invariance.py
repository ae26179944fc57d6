"""What must not change an answer, and what can change it in one direction only.

No number is known beforehand: a problem is solved, told in another way or made harder or easier, and solved again.
Random problems leave out the features that break a relation, and each test says which and why."""

import itertools
import json
import math
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from conftest import PATIENCE_S, environment
from strategic_minerals import Runner, solve
from strategic_minerals.answer.result import Result
from strategic_minerals.question.dataset import Dataset
from strategic_minerals.question.plan import Plan
from support.instances import FIRST, quick_first, random_case
from support.scalings import scaled
from support.tiny import cut, imported, offer, project, total

Case = tuple[Plan, Dataset]
REL = 1e-7


def optimum(case: Case) -> Result:
    return solve(*case, gap=0.0, quick=True, run=Runner(deadline_s=600.0))


@cache
def plain(seed: int) -> Result:
    """The answer to a random problem as it is drawn."""
    return optimum(random_case(seed))


def alike(one: Result, other: Result, factor: float = 1.0) -> None:
    """Both answers and both do-nothing references are the same, the first times `factor`."""
    assert other.outcome.objective_musd == pytest.approx(factor * one.outcome.objective_musd, rel=REL, abs=REL)
    assert other.outcome.do_nothing_musd == pytest.approx(factor * one.outcome.do_nothing_musd, rel=REL, abs=REL)


def no_worse(harder: Result, easier: Result) -> None:
    """The easier problem costs no more."""
    assert total(easier) <= total(harder) + REL * abs(total(harder))


def plainly(plan: Plan) -> dict[str, Any]:
    return plan.to_toml_like()


def replanned(case: Case, edit: Callable[[dict[str, Any]], None]) -> Case:
    """The case with its plan edited in place, as a dictionary."""
    told = plainly(case[0])
    edit(told)
    return Plan.model_validate(told), case[1]


def tabled(case: Case, edit: Callable[[dict[str, pd.DataFrame]], None]) -> Case:
    """The case with its tables edited in place, as data frames."""
    frames = {name: case[1].frame(name) for name in case[1].tables}
    edit(frames)
    return case[0], Dataset.from_tables(frames, name=case[1].name)


NAMES = (
    {"material", "floor_material", "materials", "mineral", "segment", "price_set", "loss_function", "state"}
    | {"activity", "producer", "source_producer", "project", "needs", "excludes", "project_list"}
    | {"offer", "package", "packages", "instrument"}
)
"""Columns and plan keys that hold names, or lists of names; a hazard keeps its own, which may choose its draws."""


def renamed(case: Case) -> Case:
    """Every material, source, project, offer, package, segment and scenario under another name, other in order too."""

    def other(names: Any) -> Any:
        if isinstance(names, list):
            return [other(name) for name in names]
        if not isinstance(names, str):
            return names
        return " ".join(n if n in ("*", "outside", "none") else f"{n[::-1]}.x" for n in names.split())

    def tables(frames: dict[str, pd.DataFrame]) -> None:
        for frame in frames.values():
            for column in NAMES & set(frame.columns):
                frame[column] = frame[column].map(other)

    def told(value: Any) -> Any:
        if isinstance(value, list):
            return [told(v) for v in value]
        if not isinstance(value, dict):
            return value
        return {
            key: {other(k): v for k, v in below.items()}
            if key == "demand_multipliers"
            else other(below)
            if key in NAMES or (key == "scenarios" and isinstance(below, list) and isinstance(below[0], str))
            else told(below)
            for key, below in value.items()
        }

    plan, data = tabled(case, tables)
    words = told(plainly(plan))
    for scenario in words.get("scenarios", []):
        scenario["name"] = other(scenario["name"])
    return Plan.model_validate(words), data


def shuffled(case: Case, seed: int) -> Case:
    """All rows of all tables in another order."""

    def tables(frames: dict[str, pd.DataFrame]) -> None:
        for n, name in enumerate(frames):
            frames[name] = frames[name].sample(frac=1.0, random_state=seed + n, ignore_index=True)

    return tabled(case, tables)


def twin(frame: pd.DataFrame, column: str, name: str, copy: str, **changes: Any) -> pd.DataFrame:
    """A table with the rows of one name once more under another, changed: figures, or functions of the old ones."""
    rows = frame[frame[column] == name].copy()
    rows[column] = copy
    for key, value in changes.items():
        rows[key] = rows[key].map(value) if callable(value) else value
    return pd.concat([frame.astype(object), rows.astype(object)], ignore_index=True)


SEEDS = range(4)
EACH = quick_first(SEEDS, 2)
FEW = quick_first(range(3), 1)
"""Where each seed is solved four times and more."""


@pytest.mark.parametrize("seed", EACH)
def test_names_and_the_order_of_rows_mean_nothing(seed: int) -> None:
    """Proves: tables shuffled, then everything renamed (backwards, so that sorting differs), give the same answer.

    Everything that is looked up by place instead of by name, or taken as the first of several, moves it. Scenarios are
    listed, not sampled: a hazard draws its dates by its name."""
    case = random_case(seed, sample=False)
    first = optimum(case)
    alike(first, optimum(shuffled(case, seed)))
    alike(first, optimum(shuffled(renamed(case), seed + 99)))


def two_hazards() -> Case:
    case = random_case(3, sample=True, gallium=True, flood=False, surge=False, two_events=False)

    def tables(frames: dict[str, pd.DataFrame]) -> None:
        frames["hazards"] = twin(
            frames["hazards"], "hazard", "stop", "outage", materials="gallium", rate_per_yr=0.2, price_multiplier=1.1
        )

    return replanned(tabled(case, tables), lambda told: told["sample"].update(scenarios=6))


@pytest.mark.parametrize(("tonnes", "prices"), [(1000.0, 1e-3), (2.204623, 1 / 2.204623), (0.1, 1.0), (1.0, 3.0)])
@pytest.mark.parametrize("seed", FEW)
def test_units_and_currencies_mean_nothing(seed: int, tonnes: float, prices: float) -> None:
    """Proves: in kilograms or pounds (tonnages times a factor, prices over it) Z is the same (R5); a tenth of the tonnes and of the
    money at the same prices is a tenth of it, and a currency worth a third gives three times the figure.

    Entries that the solver drops as too small, or tolerances stated in tonnes, would move it."""
    alike(plain(seed), optimum(scaled(*random_case(seed), tonnes, prices)), tonnes * prices)


@pytest.mark.parametrize("seed", EACH)
def test_the_calendar_means_nothing(seed: int) -> None:
    """Proves: the same problem seven years later has the same answer: discounting starts at the first period."""
    case = random_case(seed)
    named = ("earliest_signing", "signing_years", "price_year")
    year = ("from_year", "first_year", "start_year", "until_year", "floor_until_year", *named)

    def told(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {str(int(k) + 7) if str(k).isdigit() else k: told(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [told(v, key) for v in value]
        return value + 7 if key in year else value

    def tables(frames: dict[str, pd.DataFrame]) -> None:
        for frame in frames.values():
            for column in set(year) & set(frame.columns):
                frame[column] = pd.to_numeric(frame[column]) + 7

    plan, data = tabled(case, tables)
    alike(plain(seed), optimum((Plan.model_validate(told(plainly(plan))), data)))


def impossible(told: dict[str, Any]) -> None:
    """A catastrophe that cannot happen costs nothing and buys nothing, CVaR and emergency money included; the scenario without any
    event keeps its probability."""
    dear = {"price_multiplier": 4.0, "flood_years": 0.5, "flood_multiplier": 0.2}
    told["scenarios"].insert(0, cut("impossible", 0.0, FIRST + 1, 2.0, countries="CHN AUS CAN", **dear))


def void(told: dict[str, Any]) -> None:
    """A scenario whose cut is nil and whose price stays is the quiet scenario under another name."""
    told["scenarios"].append(cut("void", 0.1, FIRST + 1, 1.0, share=0.0))


def halved(told: dict[str, Any]) -> None:
    """Two scenarios of the same course and half the probability are as good as one, with CVaR and hard promises. A soft one names
    both halves at half the penalty, which is not weighed by probability."""
    told["scenarios"] = [
        {**scenario, "name": f"{scenario['name']}-{half}", "probability": scenario["probability"] / 2}
        for scenario in told["scenarios"]
        for half in ("a", "b")
    ]
    for level in told.get("service_levels", []):
        level["scenarios"] = [f"{name}-{half}" for name in level["scenarios"] for half in ("a", "b")]
        if "penalty_usd_per_kg" in level:
            level["penalty_usd_per_kg"] *= 0.5


def backwards(told: dict[str, Any]) -> None:
    """Availabilities multiply and prices combine whichever event is listed first, and so do scenarios in a promise."""
    for listed in (told, *told["scenarios"], *told.get("service_levels", [])):
        for name in ("scenarios", "events"):
            listed.get(name, []).reverse()


EVENTS = {"flood": True, "two_events": True, "surge": True, "override": False}


@pytest.mark.parametrize(
    ("edit", "switches"),
    [(impossible, {}), (void, {"sample": False}), (halved, {"sample": False}), (backwards, EVENTS)],
    ids=["impossible", "void", "halved", "backwards"],
)
@pytest.mark.parametrize("seed", EACH)
def test_scenarios_told_otherwise_are_answered_alike(
    seed: int, edit: Callable[[dict[str, Any]], None], switches: dict[str, bool]
) -> None:
    """Without a sample where a listed scenario would change what probability is left to it."""
    case = random_case(seed, **switches)
    alike(optimum(case), optimum(replanned(case, edit)))


def reserve(**changes: Any) -> Case:
    """10 kt a year at 10 USD/kg, cut for 2028 in half of the scenarios; a missing kg costs 30; 4 kt may be bought a year.

    A kt in store costs 10, spares 30 in one half and keeps 10 in the other: worth .5*30 + .5*10 - 10 = 10."""
    case = {"loss": 20.0, "offers": {"spot": offer("a", 4.0)}, "scenarios": [cut("cut", 0.5, 2028, 1)]}
    return imported(10.0, **{**case, **changes})


@pytest.mark.parametrize("certain", [0.5, 1.0])
def test_an_impossible_scenario_takes_no_probability_from_others(certain: float) -> None:
    """Proves: beside a cut of probability .5 the 4 kt are worth 40; beside a certain one 4*(30 - 10) = 80, and no quiet
    scenario is left. If the impossible one counted as a third or a half of the scenarios, both would fall."""
    never = cut("never", 0.0, 2029, 1)
    for scenarios in ([cut("cut", certain, 2028, 1)], [never, cut("cut", certain, 2028, 1)]):
        result = optimum(reserve(scenarios=scenarios))
        assert result.outcome.objective_musd == pytest.approx(-80.0 * certain, rel=REL)
        assert ("no event" in set(result.tables["scenario_losses"].scenario)) == (certain < 1)


def times(value: Any, factor: float) -> Any:
    return {k: v * factor for k, v in value.items()} if isinstance(value, dict) else value * factor


@pytest.mark.parametrize("seed", FEW)
def test_more_money_is_never_worse(seed: int) -> None:
    """Proves: a larger appropriation, then more of it to carry over, emergency money, total and liability cap in turn:
    each step leaves every earlier plan open. Doing nothing costs the same all along."""
    case = random_case(seed, lean=True, cover=False, total_budget=True, liability_cap=True, emergency=True)

    def more(key: str, factor: float) -> Callable[[dict[str, Any]], None]:
        return lambda told: told["budget"].update({key: times(told["budget"][key], factor)})

    steps = [
        more("appropriation_musd", 1.5),
        lambda told: told["budget"].update(carry_over_share=1.0),
        more("total_musd", 1.5),
        more("liability_cap_musd", 2.0),
        more("emergency_musd", 3.0),
    ]
    answers = [optimum(case)]
    for step in steps:
        case = replanned(case, step)
        answers.append(optimum(case))
        no_worse(answers[-2], answers[-1])
        assert answers[-1].outcome.do_nothing_musd == pytest.approx(answers[0].outcome.do_nothing_musd, rel=REL)


def dominated(frames: dict[str, pd.DataFrame]) -> None:
    """A twin of a project with a fifth more capex, that may be built only instead, is of no use, and of no harm."""
    worse = {"capex_musd": lambda capex: 1.2 * capex, "excludes": "oxide-project", "additional": True}
    frames["projects"] = twin(frames["projects"], "project", "oxide-project", "worse", **worse)
    frames["yields"] = twin(frames["yields"], "producer", "oxide-project", "worse")


def split_sources(frames: dict[str, pd.DataFrame]) -> None:
    """A mine and its offers as two of half the size are as good as one, floors, cuts and joint products included."""
    for mine in ("ally-mine", "china-mine"):
        rows = frames["capacities"].activity == mine
        frames["capacities"].loc[rows, "capacity_t_per_yr"] /= 2
        columns = {"activities": "activity", "capacities": "activity", "yields": "producer", "feed_origins": "producer"}
        for name, column in columns.items():
            frames[name] = twin(frames[name], column, mine, f"{mine}-2")
        signed = frames.get("commitments", pd.DataFrame(columns=["producer"]))
        for row in signed[signed.producer == mine].itertuples():
            own = dict.fromkeys(("item", "producer"), f"{mine}-2")
            frames["commitments"] = twin(signed, "commitment", row.commitment, f"{row.commitment}-2", **own)
        rows = frames["offers"].source_producer == mine
        frames["offers"].loc[rows, "depth_t_per_yr"] /= 2
        for name in frames["offers"][rows].offer:
            frames["offers"] = twin(frames["offers"], "offer", name, f"{name}-2", source_producer=f"{mine}-2")


def split_users(frames: dict[str, pd.DataFrame]) -> None:
    """Civil users as two groups of half the demand, each tier as two of half the share, each offer as two of half the depth."""
    mine = frames["demand"].segment == "civil"
    frames["demand"].loc[mine, "demand_t_per_yr"] /= 2
    for name in ("demand", "substitution"):
        if name in frames:
            frames[name] = twin(frames[name], "segment", "civil", "civil-2")
    tiers = twin(frames["tiers"], "segment", "civil", "civil-2")
    parts = [tiers.assign(share=tiers.share / 2, tier=2 * tiers.tier - half) for half in (0, 1)]
    frames["tiers"] = pd.concat(parts, ignore_index=True)
    frames["offers"]["depth_t_per_yr"] /= 2
    for name in list(frames["offers"].offer):
        frames["offers"] = twin(frames["offers"], "offer", name, f"{name}-2")


@pytest.mark.long
@pytest.mark.parametrize(
    ("edit", "without"),
    [
        (dominated, ("logic", "upside")),
        (split_sources, ("contracts",)),
        (split_users, ("service_soft", "service_hard", "surge")),
    ],
    ids=["dominated project", "split sources", "split users, tiers and offers"],
)
@pytest.mark.parametrize("seed", EACH)
def test_twins_and_parts_are_answered_alike(
    seed: int, edit: Callable[[dict[str, pd.DataFrame]], None], without: tuple[str, ...]
) -> None:
    """Left out: upside shares, which an owner in need accepts and one without need does not; contracts, whose lots are per source;
    promises and surges, which name a segment."""
    case = random_case(seed, **dict.fromkeys(without, False))
    alike(optimum(case), optimum(tabled(case, edit)))


@pytest.mark.parametrize("seed", EACH)
def test_unrelated_materials_are_planned_apart_where_money_does_not_bind(seed: int) -> None:
    """Proves: magnets and gallium in one plan cost what two plans cost together.

    Left out: what ties them: scarce money, CVaR (of the sum), and projects that need or exclude one another."""
    money, risk = ("lean", "liability_cap", "emergency", "total_budget"), ("cvar", "loss_limits")
    ties = (*money, *risk, "logic", "market_floor", "border_floor")
    case = random_case(seed, gallium=True, **dict.fromkeys(ties, False))
    case = replanned(case, lambda told: told["budget"].update(appropriation_musd=1e6))
    chain = [name for name in case[1].frame("materials").material if name != "gallium"]

    def only(materials: list[str]) -> Callable[[dict[str, Any]], None]:
        def edit(told: dict[str, Any]) -> None:
            told["materials"] = materials
            told["instruments"]["price_floors"] = [
                menu for menu in told["instruments"].get("price_floors", []) if menu["material"] in materials
            ]
            for part in ("service_levels", "diversification", "days_of_cover"):
                told[part] = [rule for rule in told.get(part, []) if rule["material"] in materials]

        return edit

    both = optimum(case)
    parts = [optimum(replanned(case, only(materials))) for materials in (chain, ["gallium"])]
    for read in (total, lambda result: result.outcome.objective_musd):
        assert read(both) == pytest.approx(sum(read(part) for part in parts), rel=REL, abs=REL)
    assert all(total(part) > 1.0 for part in parts)


@pytest.mark.parametrize("seed", EACH)
def test_a_tail_of_no_weight_is_no_risk_measure(seed: int) -> None:
    """Proves: weight 0 beside limits too wide to bind, which need the rows of losses and tails, is the plan without."""
    case = random_case(seed, cvar=False, loss_limits=False)

    def wide(told: dict[str, Any]) -> None:
        told["risk"] = {"alpha": 0.75, "cvar_weight": 0.0, "cvar_limit_musd": 1e9, "expected_loss_limit_musd": 1e9}

    plain, measured = optimum(replanned(case, lambda told: told.pop("risk"))), optimum(replanned(case, wide))
    assert measured.counts["rows"] > plain.counts["rows"]
    alike(plain, measured)


@pytest.mark.parametrize("seed", FEW)
def test_the_last_of_the_tail_is_the_worst_case(seed: int) -> None:
    """Proves: Z rises with alpha; once the tail is thinner than the rarest scenario, it stays, and the CVaR is the worst
    loss of any scenario. Probabilities of the drawn cases are 1 % and more, so alpha = .995 is enough."""
    case = random_case(seed, loss_limits=False, sample=False)
    levels = (0.0, 0.6, 0.9, 0.995, 0.9999)
    answers = [
        optimum(replanned(case, lambda told, a=a: told["risk"].update(alpha=a, cvar_weight=1.0))) for a in levels
    ]
    for lower, higher in itertools.pairwise(answers):
        no_worse(higher, lower)
    assert total(answers[-1]) == pytest.approx(total(answers[-2]), rel=REL)
    losses = answers[-1].tables["scenario_losses"]
    assert answers[-1].objective_parts["cvar"] == pytest.approx(losses.loss_musd.max(), rel=1e-6, abs=1e-6)
    assert losses.probability.min() > 0.005
    mean = float((answers[0].tables["scenario_losses"].eval("probability * loss_musd")).sum())
    assert answers[0].objective_parts["cvar"] == pytest.approx(mean, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("seed", quick_first(range(5), 2))
def test_half_years_are_years_where_nothing_happens_within_a_year(seed: int) -> None:
    """Proves: with steady years and events of whole years, six-month periods give the answer of twelve-month ones.

    Nothing may accrue within a year: no discounting, holding cost or decay, owners who ask for no return, lead times
    and dates in whole years. Left out: rules on each period (diversification, cover), which ask more of two halves."""
    case = random_case(
        seed, half_years=False, sample=False, decay=False, country_cap=False, least_share=False, cover=False
    )

    def whole(told: dict[str, Any]) -> None:
        told["discount_rate"], told["policy"] = 0.0, "foresight"  # filling is counted at the end of each period
        for scenario in told["scenarios"]:
            for event in scenario["events"]:
                event["start_year"] = math.floor(event["start_year"])
                for key in ("duration_years", "flood_years"):
                    if key in event:
                        event[key] = math.ceil(event[key])
        for control in told.get("controls", []):
            control["until_year"] = math.ceil(control["until_year"])
        for rule in told.get("procurement", {}).get("exclusions", []):
            rule["from_year"] = math.ceil(rule["from_year"])

    def steady(frames: dict[str, pd.DataFrame]) -> None:
        frames["materials"]["holding_share_per_yr"] = 0.0
        frames["projects"]["hurdle_rate"] = 0.0
        frames["projects"]["lead_yr"] = np.ceil(frames["projects"].lead_yr)
        for name in ("projects", "activities"):
            frames[name]["restart_yr"] = np.ceil(frames[name].restart_yr)

    years = replanned(tabled(case, steady), whole)
    halves = replanned(years, lambda told: told["horizon"].update(period_months=6))
    one, other = optimum(years), optimum(halves)
    assert other.counts["periods"] == 2 * one.counts["periods"]
    alike(one, other)


@pytest.mark.parametrize("months", [1, 3, 6, 12])
def test_short_periods_by_hand(months: int) -> None:
    """Proves: a reserve of 4 kt before a cut in 2028 is worth 40 and a grant of 30 opens a home plant of 2 kt that
    spares .5*2*(30 - 10) = 20 in the cut at any length of period.

    The plant of 2 kt earns nothing in two years beyond its cash cost of 10, so all its capex of 15 is a gap, and half
    of its life of four years is left in 2030: -40 - 20 + 15 - .5*15 = -52.5. Flows not cut into periods would be
    twelve times as large by the month."""
    plant = project("a", 2.0, capex_musd=15.0, cash_usd_per_kg=10.0, life_yr=4.0, additional=True)
    case = reserve(
        projects={"plant": plant},
        packages={"grant": {"instrument": "grant"}},
        months=months,
        instruments={"signing_years": [2027]},
    )
    assert optimum(case).outcome.objective_musd == pytest.approx(-52.5, rel=REL)


def told_in_full(result: Result) -> str:
    """Everything that was decided and found, to the last digit."""
    names = ("acquisitions", "projects", "contracts", "floors", "scenario_losses", "operations", "prices")
    tables = {name: result.tables[name].to_dict(orient="split") for name in names}
    return json.dumps([result.outcome.objective_musd, dict(result.objective_parts), tables], default=repr)


RUN = """
from test_invariance import optimum, told_in_full, two_hazards
from support.instances import random_case
for case in (two_hazards(), random_case(0), random_case(11)):
    print(told_in_full(optimum(case)))
"""


@pytest.mark.long
def test_the_order_of_sets_does_not_reach_the_answer() -> None:
    """Proves: two processes that hash text differently tell the same answer to the last digit.

    A loop over a set of names gives the solver its columns in another order, and another of several optima."""
    runs = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", RUN],
            env={**environment(), "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    (one, wrong), (other, wrong_too) = (run.communicate(timeout=PATIENCE_S) for run in runs)
    assert [run.returncode for run in runs] == [0, 0], wrong + wrong_too
    assert len(one.splitlines()) == 3
    assert one == other
