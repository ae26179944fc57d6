"""What a plan is worth that is lived through, and planned again every year, without foresight (formulation section 15).

Paths of years are drawn; on each the same policies are lived: planned again every year, the plan as it was made, rules of thumb,
and nothing. What doing nothing costs on a path, less what a policy costs on it, is the policy's worth there; differences are
paired.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from pathlib import Path as FilePath
from typing import Any

from ..core.atomic_files import write_whole
from ..core.errors import Fault, InputError, PlanError
from ..core.parallel import workforce
from ..evaluation.purchase_rules import purchase_rules, purchases_musd
from ..evaluation.rules_of_thumb import without_promises
from ..model.problem import prepare
from ..model.solution import Solution, trunk_alone
from ..results.result import Result
from ..schemas.plan import Plan
from .living import IN_INTEGERS, NOTHING, REPLANNED, TWO_STAGE, Lives, Policy, Start, Year, bought_by
from .paths import Path, by_history, draw_paths
from .quick import Form
from .simulated import Simulation, tables_of_paths
from .state import Question

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
    paths: tuple[Path, ...]
    names: tuple[str, ...]


def simulate(
    result: Result,
    *,
    paths: int = 50,
    seed: int = 1,
    exact: int = 10,
    rules: Sequence[str] = RULES,
    learning: bool = True,
    grid_months: int = 1,
    scenarios: int = 25,
    confidence: float = 0.95,
    store: FilePath | None = None,
    workers: int = 1,
    executor: Executor | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Simulation:
    """Live a solved plan through paths of years, planned again every year, beside the plan as it was made and rules of thumb.

    result: the two-stage plan, as it was solved. paths, seed: how many are drawn, and from what. exact: on how many of them every
    year is planned in integers too. rules: names of rules of thumb, at the plan's money. learning: whether rates are learned from
    what happens; true rates are then drawn from what is believed at the start, else they are those of the table. grid_months: step
    of all dates of events. scenarios: of each plan, at most. confidence: of intervals. store: folder in which paths are kept as
    they finish, to go on from; None: none. workers: spawned processes; 1: this one. executor: takes their place. on_progress:
    called with paths done, and in all.

    Raises PlanError for a plan whose periods are no years, of one year, with several aims or without hazards to draw from;
    InputError where the store is of another simulation; as `solve` where a year is not solved.
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
    tasks += [_Task(whole, group, (REPLANNED,)) for group in by_history(drawn[: max(0, exact)], CHUNK) if group]
    kept = None if store is None else _Store(store, _identity(result, paths, seed, rules, learning, grid_months, form))
    total = len(drawn) + max(0, min(exact, paths))
    lived: dict[tuple[int, str], list[Year]] = {}
    for task in tasks:
        if kept is not None:
            lived.update(kept.read(task))
    left = [task for task in tasks if not all(_key(task, p, name) in lived for p in task.paths for name in task.names)]
    done = total - sum(len(task.paths) for task in left)
    if on_progress is not None:
        on_progress(done, total)
    with workforce(executor, workers) as map_over:
        for task, found in zip(left, map_over(_live, left), strict=True):
            lived.update(found)
            if kept is not None:
                kept.write(task, found)
            done += len(task.paths)
            if on_progress is not None:
                on_progress(done, total)
    tables = tables_of_paths(plan, problem.natural, drawn, lived, [*names], confidence)
    return Simulation(
        **tables,
        plan=plan.name,
        paths_drawn=len(drawn),
        seed=seed,
        learning=learning,
        confidence=confidence,
        scenarios=scenarios,
        exact=max(0, min(exact, paths)),
    )


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
    known = {}
    for rule in purchase_rules(problem, money, {}):
        if rule.money != "its own" and not rule.plants:
            known[rule.name] = rule
    for name in rules:
        if name not in known:
            raise PlanError([Fault("command line", "", "rules", f"'{name}'", f"one of {', '.join(known)}")])
        yield Policy(name, known[name].bought, False)


def _key(task: _Task, path: Path, name: str) -> tuple[int, str]:
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
            raise InputError(
                [Fault(str(folder), "", "store", "a folder with other files in it", "a new or an empty folder")]
            )
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
