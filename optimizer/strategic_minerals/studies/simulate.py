"""What a plan is worth as it is lived, beside planning again every year, rules of thumb and doing nothing, on the same paths.

Paths of years are drawn; nobody foresees them. What doing nothing costs on a path, less what a policy costs on it, is the policy's
worth there; differences are paired. All but planning again is lived by one simulator (`forward`)."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path as FilePath
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from ..answer.notes import require_plain
from ..answer.result import Result
from ..answer.study import Study
from ..core.errors import Fault, PlanError, Progress
from ..core.files import Kept
from ..core.formats import SMALL_MUSD, musd
from ..core.frames import rows_of, typed
from ..core.runner import HERE, Runner, current
from ..core.stats import estimated
from ..core.verb import Confidence, Seed, verb
from ..matrix.problem import Problem, prepare
from ..matrix.solution import Solution, trunk_alone
from ..question.dataset import Dataset
from ..question.plan import Plan
from ..solver.optimise import SampleSearch
from .carry import Question
from .forward import CHUNK, Simulator
from .learning import ScenarioPath, by_history, draw_paths
from .recourse import FirstStage
from .replanning import SCENARIOS, Replanning, Year, scenarios_of, year_flows
from .rules import purchase_rules, purchases_musd, without_promises
from .stress import A_SAMPLE
from .sweep import identity

NOTHING, PRINTED, REPLANNED = "nothing", "the plan as it is", "planned again every year"
RULES = ("60 days of cover", "equal money for each material")
"""Rules of thumb that are lived too, at the plan's money."""
AT_ONCE = 5
"""Paths of a task: those that stay alike longest."""


@verb
def simulate(
    result: Result,
    *,
    paths: Annotated[int, Field(ge=2, le=10_000, description="How many paths of years.")] = 50,
    seed: Seed = 1,
    rules: Annotated[
        Sequence[str],
        Field(description="Rules of thumb that are lived too, at the plan's money, as `rules` calls them."),
    ] = RULES,
    learning: Annotated[
        bool, Field(description="Whether rates of hazards are uncertain, and learned from what happens.")
    ] = True,
    grid_months: Annotated[
        int, Field(ge=1, le=12, description="Months between dates at which something may happen.")
    ] = 1,
    confidence: Confidence = 0.95,
    run: Runner = HERE,
) -> Study:
    """Live a plan through paths of years without foresight, beside planning again every year, simple rules and doing nothing.

    result: the plan, as it was solved; it is lived by its targets and its rule of release. True rates are drawn from what is
    believed at the start where they are learned, else they are those of the table.

    Tables: `policies`, a row a policy: worth_musd, mean over the paths, against doing nothing on the same path, with standard error
    and interval; worst_musd. `differences`: what planning again every year (`of`) is worth beyond each other policy,
    and what the plan as it is is worth beyond rules: difference_musd with standard error and interval;
    distinguishable: `yes` or `no`. `paths`, a row a path and policy. `years`: each path's years under the plan as it is and
    planned again, by material. Facts: rounding_musd, what
    rounding what is signed costs the plans of a year on average, and most_rounding_musd.

    What a plan does to prices abroad (`price_channel`) is not counted here. Scenarios that the plan lists come on no path, and
    its `quiet_probability` plays no part.

    Raises PlanError for a plan whose periods are no years, of one year, with several aims or without hazards to draw from;
    InputError for a plan extended by own code, and where the runner's store is of another simulation; as `solve_once` of a year."""
    # years that are planned again have no common reference
    plan = result.plan.model_copy(update={"price_channel": False})
    _require(plan)
    require_plain(result.tables, settled=True)
    free = without_promises(plan)
    problem = prepare(free, result.data)
    before = problem.natural.carried
    if before.due.any() or any(one.payer == "plan" for one in before.floors) or before.residual:
        expected = "a plan that nothing was signed before: paths count what it signs itself"
        raise PlanError([Fault("plan", "", "commitments", "payments from before", expected)])
    search = SampleSearch(problem, result.reference, deadline=time.perf_counter() + current().left())
    base, own = trunk_alone(result.reference), trunk_alone(result.solution)
    if free != result.plan:  # premiums count here, and limits do not: it buys as much as its money pays
        own = search.under(own, {name: own.acquisition[0, k] for k, name in enumerate(own.purchases)}) or own
    courses = [(NOTHING, base), (PRINTED, own), *_rules(problem, search, base, own, rules)]
    drawn = draw_paths(plan, result.data, problem.natural, paths, seed, uncertain=learning, grid_months=grid_months)
    unlisted = free.model_copy(update={"scenarios": ()})  # those written by hand come on no path
    replanned = partial(_replanned, unlisted, result.data, learning)
    tasks = by_history(drawn, AT_ONCE)
    kept, lived = None, dict[int, list[Year]]()
    if run.store is not None:
        kept = Kept(FilePath(run.store), identity(result.plan, result.data, paths, seed, learning, grid_months))
        lock = kept.begin()
        for part in kept.read():
            lived[part["path"]] = [Year(**{**year, "flows": tuple(year["flows"])}) for year in part["years"]]
    left = [task for task in tasks if any(path.number not in lived for path in task)]
    done = len(drawn) - sum(len(task) for task in left)
    current().report(Progress("paths", current().seconds, done=done, of=len(drawn)))
    for task, found in zip(left, run.each("", replanned, left), strict=True):
        lived.update(found)
        if kept is not None:
            for number, of_path in found.items():
                kept.write({"path": number, "years": [asdict(year) for year in of_path]})
        done += len(task)
        current().report(Progress("paths", current().seconds, done=done, of=len(drawn)))
    if kept is not None:
        lock.release()
    again = [lived[path.number] for path in drawn]
    followed = list(run.each("policies", partial(_followed, free, result.data, drawn), courses))
    cost = {name: costs for (name, _), (costs, _) in zip(courses, followed, strict=True)}
    cost[REPLANNED] = [sum(year.cost * (1 + plan.discount_rate) ** -k for k, year in enumerate(one)) for one in again]
    flows = {name: each for (name, _), (_, each) in zip(courses, followed, strict=True)}
    flows[REPLANNED] = [[list(year.flows) for year in one] for one in again]
    years = _years({name: flows[name] for name in (PRINTED, REPLANNED)}, drawn, plan.horizon.first_year)
    tables = _tables(drawn, cost, years, confidence)
    gaps = [year.gap for one in again for year in one]
    facts = {
        "plan": plan.name,
        "paths_drawn": len(drawn),
        "seed": seed,
        "learning": learning,
        "confidence": confidence,
        "listed": len(plan.scenarios),
        "rounding_musd": float(np.mean(gaps)),
        "most_rounding_musd": max(gaps),
    }
    return Study("simulate", tables, words_of_paths(tables, facts), facts, TITLES)


def _require(plan: Plan) -> None:
    """Plans that can be lived through. Raises PlanError."""
    limited = plan.risk.cvar_limit_musd is not None or plan.risk.expected_loss_limit_musd is not None
    months, kind = plan.horizon.period_months, plan.objective.kind
    faults = [
        ("horizon.period_months", str(months), "12: paths are lived year by year", months != 12),
        ("horizon.years", str(plan.horizon.years), "two or more", plan.horizon.years < 2),
        ("objective", kind, "social_cost, without limits on losses", kind != "social_cost" or limited),
        ("sample", "none", A_SAMPLE, plan.sample is None),
        ("together", "several homes", "a plan of one home", plan.together is not None),
        ("ongoing", "an event in force", "a plan made before any event", bool(plan.ongoing)),
    ]
    wrong = [Fault("plan", "", place, found, expected) for place, found, expected, is_wrong in faults if is_wrong]
    if wrong:
        raise PlanError(wrong)


Course = tuple[str, Solution]
"""A policy, and what it does until something happens; from then on all follow the simulator."""
Flows = Sequence[Sequence[Sequence[Mapping[str, Any]]]]
"""Path -> year -> material."""


def _rules(
    problem: Problem, search: SampleSearch, base: Solution, own: Solution, rules: Sequence[str]
) -> Iterator[Course]:
    """Rules of thumb as courses; those that the budget does not hold are left out."""
    if not rules:
        return
    every = purchase_rules(problem, base, own, purchases_musd(problem, own), {})
    known = {rule.name: rule for rule in every if rule.money != "its own" and not rule.plants}
    for name in rules:
        if name not in known:
            raise PlanError([Fault("simulate", "", "rules", f"'{name}'", f"one of {', '.join(known)}")])
        found = search.under(base, known[name].bought)
        if found is not None:
            yield name, found


def _followed(
    plan: Plan, data: Dataset, drawn: Sequence[ScenarioPath], course: Course
) -> tuple[list[float], list[list[list[Mapping[str, Any]]]]]:
    """(cost of each path, what is done in its years). It travels to other processes."""
    name, decided = course
    first = FirstStage.of(plan, data, decided, is_reference=name == NOTHING)
    simulator, question = Simulator(first, plan.release), Question(first.structure, first.natural, decided)
    costs: list[float] = []
    flows: list[list[list[Mapping[str, Any]]]] = []
    for begin in range(0, len(drawn), CHUNK):
        scenarios = scenarios_of(first, drawn[begin : begin + CHUNK])
        x, found = simulator.lived(scenarios)
        costs += found.cost.tolist()
        for s in range(len(scenarios.names)):
            years = range(plan.horizon.years)
            flows.append([list(year_flows(question, scenarios, x, s, year, 1 + s)) for year in years])
    return costs, flows


def _replanned(plan: Plan, data: Dataset, learning: bool, task: Sequence[ScenarioPath]) -> dict[int, list[Year]]:
    """A group of paths, planned again every year. It travels to other processes."""
    policy = Replanning(plan, data, learning)
    return {path.number: policy.live(path) for path in task}


def _years(flows: Mapping[str, Flows], drawn: Sequence[ScenarioPath], first: int) -> pd.DataFrame:
    rows = []
    for name, of_paths in flows.items():
        for path, years in zip(drawn, of_paths, strict=True):
            for k, year in enumerate(years):
                of = {"path": path.number, "policy": name, "fiscal_year": first + k}
                rows += [{**of, **flow, "tight_share": flow["tight"]} for flow in year]
    return typed(pd.DataFrame(rows, columns=list(YEARS)), YEARS)


# What a simulation says: worth of policies on the same paths, paired differences.
POLICIES = dict.fromkeys("policy paths worth_musd error_musd low_musd high_musd worst_musd".split(), "number")
POLICIES |= {"policy": "text"}
DIFFERENCES = dict.fromkeys(
    "of policy paths difference_musd error_musd low_musd high_musd distinguishable".split(), "number"
) | dict.fromkeys(("of", "policy", "distinguishable"), "text")
PATHS = dict.fromkeys("path struck first_event policy cost_musd worth_musd".split(), "number")
PATHS |= {"struck": "text", "policy": "text"}
YEARS = dict.fromkeys(
    "path policy fiscal_year material tight_share short_t released_t opening_t stock_t bought_t".split(), "number"
) | {"policy": "text", "material": "text"}
"""Columns of the tables and their kinds."""
TITLES = {"policies": "Worth of each policy on the same paths", "differences": "What planning again is worth beyond it"}
"""Headings of the short tables."""


def words_of_paths(tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any]) -> list[str]:
    """A simulation in plain words."""
    policies, differences = tables["policies"], tables["differences"]
    lines = [
        _head(differences),
        f"{facts['paths_drawn']} paths, the same for all; million USD, discounted; {facts['confidence']:.0%} intervals"
        f"{'; scenarios that the plan lists come on none' * bool(facts['listed'])}:",
    ]
    for row in rows_of(policies):
        interval = f"({musd(row.low_musd)} to {musd(row.high_musd)})"
        lines.append(f"  {row.policy}: worth {musd(row.worth_musd)} {interval}, at worst {musd(row.worst_musd)}")
    for of in (REPLANNED, PRINTED):
        mine = differences[differences.of == of]
        others = list(rows_of(mine))
        lines += [f"What '{of}' is worth beyond each:"] * bool(others)
        lines += [f"  {row.policy}: {_in_words(row)}" for row in others]
    return [
        *lines,
        f"Plans are made again on at most {SCENARIOS} scenarios; rounding what is signed costs "
        f"{musd(facts['rounding_musd'])} million USD on average, {musd(facts['most_rounding_musd'])} at most.",
    ]


def _head(differences: pd.DataFrame) -> str:
    """Whether the plan is worth planning again, or is beaten by something simpler."""
    beaten = differences[
        (differences.of == PRINTED) & (differences.difference_musd < 0) & (differences.distinguishable == "yes")
    ]
    if len(beaten):
        worst = next(rows_of(beaten.sort_values("difference_musd")))
        by = musd(-worst.difference_musd)
        return f"A SIMPLER RULE DOES BETTER than the plan as it is: {worst.policy}, by {by} million USD."
    again = differences[(differences.of == REPLANNED) & (differences.policy == PRINTED)]
    row = next(rows_of(again))
    if row.distinguishable != "yes":
        return f"WHETHER PLANNING AGAIN EVERY YEAR PAYS cannot be told at {row.paths:.0f} paths."
    word = "IS WORTH" if row.difference_musd > 0 else "LOSES"
    by = musd(abs(row.difference_musd))
    return f"PLANNING AGAIN EVERY YEAR {word} {by} million USD against the plan as it is."


def _in_words(row: Any) -> str:
    text = "" if row.distinguishable == "yes" else f": cannot be told at {row.paths:.0f} paths"
    interval = f"{musd(row.low_musd)} to {musd(row.high_musd)}"
    return f"{musd(row.difference_musd)} (standard error {musd(row.error_musd)}, {interval}){text}"


def _tables(
    drawn: Sequence[ScenarioPath], cost: Mapping[str, Sequence[float]], years: pd.DataFrame, confidence: float
) -> dict[str, pd.DataFrame]:
    """All tables of a simulation. cost: policy -> of each path [million USD]."""
    rows = []
    for k, path in enumerate(drawn):
        begins = min((event.begin for event in path.events), default=float("nan"))
        for name, of_path in cost.items():
            rows.append((path.number, path.struck, begins, name, of_path[k], cost[NOTHING][k] - of_path[k]))
    table = typed(pd.DataFrame(rows, columns=list(PATHS)), PATHS)
    return {
        "policies": _policies(table, [name for name in cost if name != NOTHING], confidence),
        "differences": _differences(table, list(cost), confidence),
        "paths": table,
        "years": years,
    }


def _policies(table: pd.DataFrame, names: Sequence[str], confidence: float) -> pd.DataFrame:
    rows = []
    for name in names:
        worth = table[table.policy == name].worth_musd.tolist()
        if worth:
            found = estimated(worth, confidence)
            rows.append([name, len(worth), *found, min(worth)])
    return typed(pd.DataFrame(rows, columns=list(POLICIES)), POLICIES)


def _differences(table: pd.DataFrame, policies: Sequence[str], confidence: float) -> pd.DataFrame:
    """Paired differences over all paths."""
    worth = table.pivot(index="path", columns="policy", values="worth_musd")
    pairs = [(REPLANNED, name) for name in policies if name not in (NOTHING, REPLANNED)]
    pairs += [(PRINTED, name) for name in policies if name not in (NOTHING, REPLANNED, PRINTED)]
    rows = []
    for of, name in pairs:
        both = worth[[of, name]].dropna()
        difference = (both[of] - both[name]).tolist()
        found = estimated(difference, confidence)
        beyond = len(difference) > 1 and not found.low <= 0 <= found.high and abs(found.mean) >= SMALL_MUSD
        text = "yes" if beyond else "no"
        rows.append([of, name, len(difference), *found, text])
    return typed(pd.DataFrame(rows, columns=list(DIFFERENCES)), DIFFERENCES)
