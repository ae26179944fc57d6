"""What a plan loses without acts that are left out together: waiting, whole instruments, whole minerals, all that seems open.

For each question the plan is made again without them, in its own scenarios, and both plans are lived through the same new ones.
Left out one by one acts stand in for each other, and none seems needed (section 21 of the formulation, last paragraph).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..answer.result import Result
from ..core.errors import InfeasibleError
from ..core.stats import estimated
from ..matrix.problem import FIRST_YEARS, TRACE, Act, ActKind, LeftOut, Problem, acts, prepare
from ..matrix.solution import Solution, decided_point, extract, trunk_alone
from ..question.names import Names
from ..question.plan import Plan, Release
from ..solver.session import Session
from .stress import Met

ActName = tuple[str, str, int]
"""(kind, item, fiscal year to whose end it counts)"""
Amounts = dict[ActName, float]

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
LEAN = 0.01
"""Share of the worth below which it does not count what leaving out costs in the plan's own scenarios: all such groups together are
left out of a plan of their own, which new scenarios may find as good."""
OPEN = "all that is open"
WAIT, INSTRUMENT, MINERAL = "wait", "instrument", "mineral"
LEFT_OUT = (
    "kind item years why_not cost_musd cost_error_musd cost_low_musd cost_high_musd spends_less_musd needed instead"
).split()
RELEASES = ((0.0, 0.0, 1.0), (1.5, 0.0, 1.0), (3.0, 2.0, 1.0), (1.5, 2.0, 0.5), (1.5, 2.0, 0.0))
"""Rules of release that the answer is lived by too: `this_event`, `new_events_yr`, `refill_share`."""
RULES = "this_event new_events_yr refill_share gain_musd gain_error_musd gain_low_musd gain_high_musd".split()
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
    amounts: Amounts
    """What it does in the first years."""
    spent: float
    """Of the budgets of the first years [million USD]."""


def done(counted: Sequence[Act], amounts: Sequence[float]) -> Amounts:
    """Amounts of what is done at all."""
    return {act.name: float(amount) for act, amount in zip(counted, amounts, strict=True) if amount > TRACE[act.unit]}


def without(result: Result, gap: float) -> list[Without]:
    """The plan made again for each question that it raises, and once more without all that costs next to nothing to leave out.

    Raises as `solve_once`, but for plans that are impossible.
    """
    problem = prepare(result.plan, result.data)
    session = Session(gap=gap, held=problem.structure.scenarios.drawn, threads=1)
    worth = -float(result.outcome.objective_musd or 0.0)
    found = [_without(session, result, asked) for asked in _questions(problem, result.solution)]
    spare = [one for one in found if one.solution and one.question.kind != WAIT and one.costs < LEAN * worth]
    if spare:
        found.append(
            _without(session, result, Question(OPEN, "", tuple(p for one in spare for p in one.question.parts)))
        )
    return found


def open_acts(found: Sequence[Without]) -> tuple[LeftOut, ...]:
    """What costs next to nothing to leave out, where a plan without all of it costs little more; empty where all seems needed."""
    together = [one for one in found if one.question.kind == OPEN and one.solution is not None]
    return together[0].question.parts if together else ()


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


def _without(session: Session, result: Result, asked: Question) -> Without:
    try:
        answer = session.answer(result.plan, result.data, hold=asked.parts)
    except InfeasibleError as error:
        return Without(asked, None, str(error), float("nan"), {}, float("nan"))
    problem, x = answer.problem, answer.x
    counted = acts(problem)
    last = max((act.through for act in counted), default=0)
    spent = sum(act.spent(x)[0] for act in counted if act.through == last)
    costs = float(answer.outcome.objective_musd or 0.0) - float(result.outcome.objective_musd or 0.0)
    solution = trunk_alone(extract(problem.structure, problem.assembly, x))
    return Without(asked, solution, "", max(0.0, costs), done(counted, [act.of(x) for act in counted]), spent)


def left_out_rows(
    found: Sequence[Without],
    lived: Sequence[Met],
    own: Amounts,
    spent: float,
    what: Mapping[tuple[str, str], str],
    confidence: float,
) -> pd.DataFrame:
    """One row a question (`LEFT_OUT`).

    lived: the printed plan first, then the plan of each question that has one, in each sample. own, spent: what the printed plan
    does in the first years, and the money that it takes. what: (kind, item) -> an act in words.
    """
    worth = np.array([one.worth for one in lived]).reshape(len(lived), -1)
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
        cost = estimated((worth[:, 0] - worth[:, at]).tolist(), confidence)
        more = [
            name
            for name, amount in one.amounts.items()
            if name[2] == max(through for _, _, through in one.amounts)
            and amount > (1 + MORE) * own.get(name, 0.0)
            and name[:2] in what
        ]
        instead = ", ".join([what[name[:2]] for name in more][:SHOWN])
        figures = cost.mean, cost.standard_error, cost.low, cost.high, spent - one.spent
        rows.append((*key, "", *figures, bool(cost.low > 0), instead))
    return pd.DataFrame(rows, columns=LEFT_OUT)


def other_rules(plan: Plan) -> list[Plan]:
    """The plan with other rules of release; none for one with foresight, which follows no rule."""
    own = plan.release
    names = ("this_event", "new_events_yr", "refill_share")
    every = [Release(), *(Release(**dict(zip(names, one, strict=True))) for one in RELEASES)]
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
        figures = gain.mean, gain.standard_error, gain.low, gain.high
        rows.append((rule.this_event, rule.new_events_yr, rule.refill_share, *figures))
    return pd.DataFrame(rows, columns=RULES)


def verdict(problem: Problem, table: pd.DataFrame, kind: str, item: str) -> str:
    """`sign`: without its mineral, and all that goes with it, the plan is worth less; `free`: a plan without it is as good; empty
    where that was not asked. By its instrument where it is about no mineral of the table."""
    code = mineral_of(problem, kind, item)
    named = [name for name, kinds in INSTRUMENTS.items() if kind in kinds]
    mine = table[(table.kind == MINERAL) & (table.item == code)]
    mine = mine if len(mine) else table[(table.kind == INSTRUMENT) & table.item.isin(named)]
    return "" if mine.empty or kind == "sell" else "sign" if bool(mine.needed.iloc[0]) else "free"


def names_of_acts(problem: Problem, names: Names) -> dict[tuple[str, str], str]:
    """(kind, item) of every act of the first years -> what it is, in words."""
    found: dict[tuple[str, str], str] = {}
    for act in acts(problem, FIRST_YEARS):
        word = {"buy": names.material, "sell": names.material, "offtake": names.producer, "support": names.producer}
        named = word[act.kind](act.item) if act.kind in word else act.item
        found[act.kind, act.item] = f"offtake from {named}" if act.kind == "offtake" else named
    return found
