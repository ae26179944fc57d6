"""What a plan loses without acts that are left out together: waiting, whole instruments, whole minerals, all that seems open.

For each question the plan is made again without them, in its own scenarios, and both plans are lived through the same new ones.
Left out one by one acts stand in for each other, and none seems needed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..answer.result import Result
from ..answer.tables import columns_of
from ..core.errors import InfeasibleError, StoppedError, UntrustedError
from ..core.frames import Floats
from ..core.logs import logger_of
from ..core.stats import estimated
from ..matrix.named import denominator
from ..matrix.own import Extend
from ..matrix.problem import FIRST_YEARS, TRACE, Act, ActKind, LeftOut, Problem, acts, prepare
from ..matrix.solution import Solution, decided_point, extract, trunk_alone
from ..question.names import Names
from ..question.plan import Plan, Release
from ..solver.session import Session
from .stress import Met

ActName = tuple[str, str, int]
"""(kind, item, fiscal year to whose end it counts)"""
Amounts = dict[ActName, float]

LOG = logger_of(__name__)
NEW: tuple[ActKind, ...] = ("buy", "support", "offtake", "floor")
"""What binds the authority to something; what is sold can be sold later."""
INSTRUMENTS: dict[str, tuple[ActKind, ...]] = {
    "contracts": ("offtake",),
    "projects and floors": ("support", "floor"),
    "purchases": ("buy",),
}
WAITS = (1, 2, 3)
"""Years in which nothing new is done."""
MOST_MINERALS = 8
"""Minerals that are left out one after the other, those on which most is spent first."""
LITTLE = 0.01
"""Share of the worth below which leaving a group out costs little in the plan's scenarios; all of them are left out at once too."""
SAMPLE_GAP = 2e-3
"""Share of the worth within which plans without some acts, and the best plan of a sample, are sought; what is left is gap."""
LEAST_GAP_MUSD = 0.01
"""The same where a plan is worth next to nothing [million USD]."""
OPEN = "little"
WAIT, INSTRUMENT, MINERAL = "wait", "instrument", "mineral"
LEFT_OUT = columns_of("left_out")
RELEASES = ((0.0, 0.0, 1.0), (0.5, 0.0, 1.0), (0.5, 1.0, 1.0), (1.5, 0.0, 1.0), (1.5, 2.0, 0.5))
"""Rules of release that the answer is lived by too: `this_event`, `new_events_yr`, `refill_share`."""
RULES = columns_of("release_rules")
SHOWN = 3
"""Acts that stand in for what is left out, by name."""
MORE = 0.1
"""Share by which a plan has more of an act for it to stand in for another."""


@dataclass(frozen=True)
class Question:
    """What is left out."""

    kind: str
    """`wait`, `instrument`, `mineral` or `OPEN`."""
    item: str
    """The instrument, or the code of the mineral."""
    parts: tuple[LeftOut, ...]


@dataclass(frozen=True)
class Without:
    """The best plan without some acts, in the scenarios that the plan was made with."""

    question: Question
    solution: Solution | None
    """None: no plan without them keeps all rules."""
    why_not: str
    costs: float
    """More than the plan, in these scenarios [million USD]."""
    instead: tuple[tuple[str, str], ...]
    """(kind, item) of what it has more of in the first years."""
    saves: float
    """Of the budgets of the first years [million USD]."""


def done(counted: Sequence[Act], amounts: Sequence[float]) -> Amounts:
    """Amounts of what is done at all."""
    return {act.name: float(amount) for act, amount in zip(counted, amounts, strict=True) if amount > TRACE[act.unit]}


def without(result: Result, like: Problem, extend: Extend | None = None) -> list[Without]:
    """The plan made again for each question that it raises, and once more without all that costs little to leave out; as many as
    time and solver give. like: the plan's problem, without its matrix. extend: adds the constraints that the plan keeps. It travels
    to other processes.

    Raises as `solve_once` where the question itself is at fault."""
    problem = prepare(result.plan, result.data, like)
    objective = float(result.outcome.objective_musd or 0.0)
    gap = max(LEAST_GAP_MUSD, SAMPLE_GAP * abs(objective)) / denominator(problem, objective)
    session = Session(gap=gap, held=problem.structure.scenarios.drawn, threads=1, extend=extend, like=problem)
    own = _first_years(problem, decided_point(problem.structure, problem.assembly, result.solution))
    found: list[Without] = []
    try:
        for asked in _questions(problem, result.solution):
            found.append(_without(session, result, asked, own))
        spare = [one for one in found if one.solution and one.question.kind != WAIT and one.costs < -LITTLE * objective]
        if len(spare) > 1:
            together = Question(OPEN, "", tuple(p for one in spare for p in one.question.parts))
            found.append(_without(session, result, together, own))
    except (StoppedError, UntrustedError) as error:
        LOG.info("some of what may be left out was not asked: %s", error)
    return found


def _first_years(problem: Problem, x: Floats) -> tuple[Amounts, float]:
    """(what a point does in the first years, what that takes from their budgets [million USD])."""
    counted = acts(problem)
    last = max((act.through for act in counted), default=0)
    spent = sum(act.spent(x)[0] for act in counted if act.through == last)
    return done(counted, [act.of(x) for act in counted]), spent


def _questions(problem: Problem, solution: Solution) -> Iterator[Question]:
    """What can be left out of a plan: what it does not have is not asked about."""
    n, x = problem.natural, decided_point(problem.structure, problem.assembly, solution)
    years = len(n.calendar.planned_years)
    last = n.calendar.planned_years[-1]
    every = [act for act in acts(problem, years) if act.kind in NEW and act.of(x) > TRACE[act.unit]]
    for wait in WAITS:
        if wait < years and any(act.through == n.calendar.years[wait - 1] for act in every):
            yield Question(WAIT, "", (LeftOut(NEW, years=wait),))
    whole = [act for act in every if act.through == last]
    for name, kinds in INSTRUMENTS.items():
        if any(act.kind in kinds for act in whole):
            yield Question(INSTRUMENT, name, (LeftOut(kinds),))
    money: dict[str, float] = {}
    for act in whole:
        if code := mineral_of(problem, act.kind, act.item):
            money[code] = money.get(code, 0.0) + sum(act.spent(x))
    for code in sorted(money, key=lambda one: (-money[one], one))[:MOST_MINERALS]:
        yield Question(MINERAL, code, (LeftOut(NEW, code),))


def mineral_of(problem: Problem, kind: str, item: str) -> str:
    """The mineral that an act is about: what is bought, or the dearest part of what a producer makes; empty for market floors."""
    n = problem.natural
    if kind in ("buy", "sell"):
        return item
    if item not in n.producers:
        return ""
    made = np.maximum(0.0, n.yields[n.producers.index(item)]) * n.price[:, 0]
    return n.materials[int(made.argmax())] if made.max() > 0 else ""


def _without(session: Session, result: Result, asked: Question, own: tuple[Amounts, float]) -> Without:
    try:
        answer = session.answer(result.plan, result.data, forced=asked.parts)
    except InfeasibleError as error:
        return Without(asked, None, str(error), float("nan"), (), float("nan"))
    problem, x = answer.problem, answer.x
    amounts, spent = _first_years(problem, x)
    last = max((through for _, _, through in amounts), default=0)
    more = [name for name, amount in amounts.items() if name[2] == last and amount > (1 + MORE) * own[0].get(name, 0.0)]
    costs = float(answer.outcome.objective_musd or 0.0) - float(result.outcome.objective_musd or 0.0)
    solution = trunk_alone(extract(problem.structure, problem.assembly, x))
    instead = tuple((kind, item) for kind, item, _ in more)
    return Without(asked, solution, "", max(0.0, costs), instead, own[1] - spent)


def left_out_rows(
    found: Sequence[Without], lived: Sequence[Met], what: Mapping[tuple[str, str], str], confidence: float
) -> pd.DataFrame:
    """One row a question (`LEFT_OUT`).

    lived: in each sample the plan that nothing is left out of first, then that of each question that has one, in order. what:
    (kind, item) -> an act in words. All intervals hold together (Bonferroni)."""
    worth = np.array([one.worth for one in lived]).reshape(len(lived), -1)
    solved = sum(one.solution is not None for one in found)
    rows: list[tuple[Any, ...]] = []
    at = 0
    for one in found:
        asked = one.question
        years = asked.parts[0].years if asked.kind == WAIT else None
        key = asked.kind, asked.item, np.nan if years is None else years
        if one.solution is None:
            rows.append((*key, one.why_not, *[np.nan] * 5, True, ""))
            continue
        at += 1
        cost = estimated((worth[:, 0] - worth[:, at]).tolist(), confidence, solved)
        instead = ", ".join([what[name] for name in one.instead if name in what][:SHOWN])
        rows.append((*key, "", *cost, one.saves, bool(cost.low > 0), instead))
    return pd.DataFrame(rows, columns=LEFT_OUT)


def other_rules(plan: Plan) -> list[Plan]:
    """The plan with other rules of release, which sell as its own does; none for one with foresight, which follows no rule."""
    own, names = plan.release, ("this_event", "new_events_yr", "refill_share")
    usual = tuple(getattr(Release(), name) for name in names)
    every = [own.model_copy(update=dict(zip(names, one, strict=True))) for one in (usual, *RELEASES)]
    different = list(dict.fromkeys(rule for rule in every if rule != own))
    return [plan.model_copy(update={"release": rule}) for rule in different] * (plan.policy == "targets")


def rule_rows(plans: Sequence[Plan], lived: Sequence[Met], confidence: float) -> pd.DataFrame:
    """One row a rule of release (`RULES`): what the answer would be worth more by it. lived: the answer first, then by each rule;
    all intervals hold together (Bonferroni)."""
    worth = np.array([one.worth for one in lived]).reshape(len(lived), -1)
    rows = []
    for k, plan in enumerate(plans, 1):
        gain = estimated((worth[:, k] - worth[:, 0]).tolist(), confidence, len(plans))
        rule = plan.release
        rows.append((rule.this_event, rule.new_events_yr, rule.refill_share, *gain))
    return pd.DataFrame(rows, columns=RULES)


def verdict(problem: Problem, table: pd.DataFrame, kind: str, item: str) -> str:
    """`sign`: without its mineral, and all that goes with it, the plan is worth less; `free`: that is not shown; empty where it was
    not asked. Of a market floor: by its instrument."""
    if kind == "floor":
        mine = table[(table.kind == INSTRUMENT) & (table.item == "projects and floors")]
    else:
        mine = table[(table.kind == MINERAL) & (table.item == mineral_of(problem, kind, item))]
    return "" if mine.empty or kind == "sell" else "sign" if bool(mine.needed.iloc[0]) else "free"


def names_of_acts(problem: Problem, names: Names) -> dict[tuple[str, str], str]:
    """(kind, item) of every act of the first years -> what it is, in words."""
    found: dict[tuple[str, str], str] = {}
    for act in acts(problem, FIRST_YEARS):
        word = {"buy": names.material, "sell": names.material, "offtake": names.producer, "support": names.producer}
        named = word[act.kind](act.item) if act.kind in word else act.item
        found[act.kind, act.item] = f"offtake from {named}" if act.kind == "offtake" else named
    return found
