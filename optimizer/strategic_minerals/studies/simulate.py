"""What a plan is worth that is lived through, and planned again every year, without foresight.

Paths of years are drawn; on each the same policies are lived: planned again every year, the plan as it was made, rules of thumb,
and nothing. What doing nothing costs on a path, less what a policy costs on it, is the policy's worth there; differences are
paired."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path as FilePath
from typing import Annotated, Any

from pydantic import Field

from ..answer.result import Result
from ..answer.study import Study
from ..core.errors import Fault, InputError, PlanError, Progress
from ..core.files import write_whole
from ..core.runner import HERE, Runner, current
from ..core.verb import Confidence, Seed, verb
from ..matrix.problem import prepare
from ..matrix.solution import Solution, trunk_alone
from ..question.plan import Plan
from .carry import Question
from .learning import ScenarioPath, by_history, draw_paths
from .lives import (
    IN_INTEGERS,
    NOTHING,
    REPLANNED,
    TITLES,
    TWO_STAGE,
    Form,
    Lives,
    Policy,
    Start,
    Year,
    bought_by,
    tables_of_paths,
    words_of_paths,
)
from .rules import purchase_rules, purchases_musd
from .worth import without_promises

RULES = ("60 days of cover", "equal money for each material")
"""Rules of thumb that are lived too, at the plan's money."""
CHUNK = 5
"""Paths of a task: those that stay alike longest."""
EXACT_GAP = 5e-3
"""Gap of the plans that are made in integers, as a share of what the plan is worth."""
IDENTITY = "simulation.json"


@dataclass(frozen=True)
class _Task:
    """A group of paths and the policies that are lived on them."""

    start: Start
    paths: tuple[ScenarioPath, ...]
    names: tuple[str, ...]


@verb
def simulate(
    result: Result,
    *,
    paths: Annotated[int, Field(ge=2, le=10_000, description="How many paths of years.")] = 50,
    seed: Seed = 1,
    exact: Annotated[
        int, Field(ge=0, le=10_000, description="On how many of them every year is planned in integers too.")
    ] = 10,
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
    scenarios: Annotated[int, Field(ge=1, le=10_000, description="Most scenarios of each plan.")] = 25,
    confidence: Confidence = 0.95,
    run: Runner = HERE,
) -> Study:
    """Live a plan through paths of years without foresight, planned again every year, beside it as it was made and simple rules.

    result: the two-stage plan, as it was solved. True rates are drawn from what is believed at the start where they are learned,
    else they are those of the table.

    Tables: `policies`, a row a policy: worth_musd, mean over the paths, against doing nothing on the same path, with standard error
    and interval; worst_musd. `differences`: what planning again every year (`of`) is worth beyond each other policy, over all paths
    and by which hazards strike, and what the plan as it was made is worth beyond rules: difference_musd with standard error and
    interval; told: `yes`, or `cannot be told`. `drawdown`, by material: years_tight; releases_share of them in which stock is
    released; of_stock, what leaves the store then; of_short, of what would be short without it; kept_share of the stock that is
    kept through the first tight year; events_over, and the share of them after which the stock is back within one and three years;
    peak_stock_t. `paths`, a row a path and policy. `years`: each path's years under planning again, by material. `replans`:
    number of plans, processor seconds and columns of each on average, loss by rounding.

    Raises PlanError for a plan whose periods are no years, of one year, with several aims or without hazards to draw from;
    InputError where the runner's store is of another simulation; as `solve_once` where a year is not solved.
    """
    plan = result.plan
    _require(plan)
    problem = prepare(plan, result.data)
    question = Question(problem.structure, problem.natural, result.solution)
    form = Form(scenarios=scenarios)
    policies = tuple(_policies(problem, question, result.solution, result.reference, rules))
    begun = without_promises(plan).model_copy(update={"scenarios": ()})  # those written by hand come on no path
    start = Start(begun, result.data, question, policies, form, learning)
    drawn = draw_paths(plan, result.data, problem.natural, paths, seed, uncertain=learning, grid_months=grid_months)
    worth = abs(result.outcome.objective_musd or 0.0)
    whole = replace(start, form=replace(form, integer=True, gap_musd=max(form.gap_musd, EXACT_GAP * worth)))
    names = tuple(policy.name for policy in policies)
    tasks = [_Task(start, group, names) for group in by_history(drawn, CHUNK)]
    tasks += [_Task(whole, group, (REPLANNED,)) for group in by_history(drawn[:exact], CHUNK)]
    total = len(drawn) + min(exact, paths)
    lived: dict[tuple[int, str], list[Year]] = {}
    kept = None
    if run.store is not None:
        kept = _Store(run.store, _identity(result, paths, seed, rules, learning, grid_months, form))
        lived = {key: years for task in tasks for key, years in kept.read(task).items()}
    left = [task for task in tasks if not all(_key(task, p, name) in lived for p in task.paths for name in task.names)]
    done = total - sum(len(task.paths) for task in left)
    current().report(Progress("paths", current().seconds, done=done, of=total))
    for task, found in zip(left, run.each("", _live, left), strict=True):
        lived.update(found)
        if kept is not None:
            kept.write(task, found)
        done += len(task.paths)
        current().report(Progress("paths", current().seconds, done=done, of=total))
    tables = tables_of_paths(plan, problem.natural, drawn, lived, [*names], confidence)
    facts = {
        "plan": plan.name,
        "paths_drawn": len(drawn),
        "seed": seed,
        "learning": learning,
        "confidence": confidence,
        "scenarios": scenarios,
        "exact": min(exact, paths),
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
        ("sample", "none", "a sample: paths are drawn from its hazards", plan.sample is None),
        ("together", "several homes", "a plan of one home", plan.together is not None),
        ("ongoing", "an event in force", "a plan made before any event", bool(plan.ongoing)),
    ]
    wrong = [Fault("plan", "", place, found, expected) for place, found, expected, is_wrong in faults if is_wrong]
    if wrong:
        raise PlanError(wrong)


def _policies(
    problem: Any, question: Question, solution: Solution, reference: Solution, rules: Sequence[str]
) -> Iterator[Policy]:
    """What is lived on every path."""
    yield Policy(NOTHING, {}, False)
    yield Policy(REPLANNED, None, True)
    yield Policy(TWO_STAGE, bought_by(solution), True)
    money = purchases_musd(problem, trunk_alone(solution))
    every = purchase_rules(problem, money, {})
    known = {rule.name: rule for rule in every if rule.money != "its own" and not rule.plants}
    for name in rules:
        if name not in known:
            raise PlanError([Fault("simulate", "", "rules", f"'{name}'", f"one of {', '.join(known)}")])
        yield Policy(name, known[name].bought, False)


def _key(task: _Task, path: ScenarioPath, name: str) -> tuple[int, str]:
    return path.number, IN_INTEGERS if task.start.form.integer else name


def _live(task: _Task) -> dict[tuple[int, str], list[Year]]:
    """Live a group of paths. It travels to other processes."""
    lives = Lives(task.start)
    by_name = {policy.name: policy for policy in task.start.policies}
    return {_key(task, path, name): lives.live(path, by_name[name]) for name in task.names for path in task.paths}


def _identity(result: Result, *asked: Any) -> str:
    """What a simulation is of: plan, tables, decisions and options."""
    digest = hashlib.sha256()
    for part in (result.plan.model_dump_json(), json.dumps(result.data.hashes()), repr(asked)):
        digest.update(part.encode())
    digest.update(result.solution.sign.tobytes() + result.solution.acquisition[0].tobytes())
    return digest.hexdigest()


class _Store:
    """A folder that keeps paths as they finish, a file each, with what simulation they are of."""

    def __init__(self, folder: FilePath, identity: str) -> None:
        self._folder = folder
        mark = folder / IDENTITY
        if mark.is_file():
            if json.loads(mark.read_text(encoding="utf-8")).get("identity") != identity:
                expected = "the same plan, tables, paths and options as when it was begun, or another folder"
                raise InputError([Fault(str(mark), "", "identity", "paths of another simulation", expected)])
        elif folder.exists() and any(folder.iterdir()):
            found = "a folder with other files in it"
            raise InputError([Fault(str(folder), "", "store", found, "a new or an empty folder")])
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(mark, [json.dumps({"identity": identity}) + "\n"])

    def read(self, task: _Task) -> dict[tuple[int, str], list[Year]]:
        """What is known of a task's paths."""
        found: dict[tuple[int, str], list[Year]] = {}
        for path in task.paths:
            for name in task.names:
                key = _key(task, path, name)
                file = self._file(key)
                if file.is_file():
                    years = json.loads(file.read_text(encoding="utf-8"))
                    found[key] = [Year(**{**year, "flows": tuple(year["flows"])}) for year in years]
        return found

    def write(self, task: _Task, found: Mapping[tuple[int, str], list[Year]]) -> None:
        """Keep what was lived."""
        for key, years in found.items():
            write_whole(self._file(key), [json.dumps([asdict(year) for year in years])])

    def _file(self, key: tuple[int, str]) -> FilePath:
        number, name = key
        return self._folder / f"path-{number}-{hashlib.sha256(name.encode()).hexdigest()[:8]}.json"
