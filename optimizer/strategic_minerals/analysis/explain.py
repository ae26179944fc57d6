"""Why each item was chosen or rejected: what it brings, what stands in its way, and what would change the decision.

Every item is held in where the plan leaves it, or out where it has it, and the question solved again: the difference is what it
brings, or would cost. Constraint prices of the plan's commitments only name what binds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ..core.arrays import Floats
from ..core.errors import InfeasibleError, ReserveError
from ..core.frames import notebook_html
from ..core.parallel import workforce
from ..core.units import USD_PER_MUSD
from ..data.addresses import edited
from ..data.dataset import Dataset
from ..data.names import Names
from ..finance.items import BUILT_ALONE, Item, in_amounts
from ..formulation.aims import main_aim
from ..model.decisions import SHARES, TRACE_T, Decided, DecisionIndex, ForcedDecision, with_parts
from ..model.problem import Problem
from ..optimization.session import Session
from ..results.result import Result
from ..scenarios.scenario_set import SampledScenarios
from ..schemas.plan import Plan
from .break_even import MOST_SOLVES, TOLERANCE, Pair, find_break_even
from .explain_figures import figures_of
from .price_ranging import Fixed, decided_point, fixed_program, price_words
from .reason_words import SMALL_MUSD, has, least, sentence
from .switch_words import INTERVALS, in_words, interval_rows

COLUMNS = [
    "kind",
    "item",
    "chosen",
    "amount",
    "unit",
    "brings_musd",
    "brings_low_musd",
    "brings_high_musd",
    "loss_change_musd",
    "spending_change_musd",
    "binds",
    "instead",
    "sentence",
]
BREAK_EVENS = [
    "figure",
    "unit",
    "base",
    "chosen",
    "stands_at",
    "flips_at",
    "proved",
    "solves",
    "note",
    "low",
    "high",
    "switches",
    "sentence",
]
BINDING = {
    "budget": "the appropriation of {when}",
    "total_budget": "the total budget",
    "contingent_liability": "the liability cap of {when}",
    "one_market_floor": "another market-wide floor",
    "with_market_floor": "the market-wide floor that it needs",
    "without_market_floor": "a market-wide floor in force",
    "project_logic": "projects that it needs or that exclude it",
    "contracts_in_force": "what the producer has already promised in {when}",
    "one_package": "another package of the project",
    "cvar_limit": "the limit on CVaR",
    "expected_loss_limit": "the limit on expected loss",
}
"""Constraints that can stand in the way of an item, in words."""
GAP = 5e-3
"""Relative gap of re-solves where none is asked for: a plan with an item held is a hard search of its own."""
PARTS = 8
"""Shares of the items for an executor, whose size is not known."""


@dataclass(frozen=True)
class Explanation:
    """Prices, reasons and break-evens of one plan."""

    prices: pd.DataFrame
    """As `price_ranging`; empty where one item is explained."""
    reasons: pd.DataFrame
    """One row an item: kind, item, chosen, amount, unit; brings_musd, what the plan's main aim gains from it, with the interval
    that the gaps leave; changes of expected loss and spending that come with it; what binds; what is chosen instead; a
    sentence."""
    break_evens: pd.DataFrame
    """One row a figure: figure, unit, base, chosen, stands_at, flips_at, proved, solves, note, the range tried (low, high), how
    often the item's state switches in it, and all of it in a sentence; empty where no item was asked for."""
    intervals: pd.DataFrame
    """One row an interval of a figure with one state, in order: figure, unit, item, state, from_value, to_value, the bracket of the
    switch to the next one (switch_low, switch_high), why."""
    gap: float
    aim: str
    most_solves: int
    """For one figure."""

    def _repr_html_(self) -> str:
        """As notebooks show it."""
        tables = {"Reasons": self.reasons, "Prices": self.prices, "What would change the decision": self.break_evens}
        return notebook_html(self.summary(), tables)

    def summary(self) -> str:
        """In plain words."""
        lines: list[str] = []
        if len(self.prices):
            lines.append(
                "PRICES: what one unit more is worth (for the commitments of this plan, and for small changes):"
            )
            lines += [f"  {row.sentence}" for row in self.prices.itertuples()]
        if len(self.reasons):
            lines.append(
                f"REASONS: {self.aim} with and without each item (solved again to a gap of {self.gap:.3g}; M: million USD):"
            )
            order = self.reasons.sort_values(
                ["chosen", "brings_musd"], ascending=[False, False], kind="stable", na_position="first"
            )
            lines += [f"  {row.sentence}" for row in order.itertuples()]
        if len(self.break_evens):
            lines.append(
                "WHAT WOULD CHANGE THE DECISION (solved with the item and without; "
                f"at most {self.most_solves} solves for each figure):"
            )
            lines += [f"  {row.sentence}" for row in self.break_evens.itertuples()]
        return "\n".join(lines)


@dataclass(frozen=True)
class _Asked:
    """A task: items held one after the other in one session. It travels to other processes."""

    plan: Plan
    data: Dataset
    holds: tuple[tuple[ForcedDecision, bool], ...]
    """With whether the plan may have any amount of the item."""
    held: SampledScenarios | None
    gap: float
    time_limit_s: float
    threads: int


@dataclass(frozen=True)
class _Forced:
    """The plan with one item held."""

    objective: float
    """Of the main aim, against doing nothing [million USD]; NaN where there is no answer."""
    bound: float
    loss: float
    spending: float
    portfolio: dict[str, str]
    note: str = ""
    """Why there is no answer."""
    impossible: bool = False
    """Whether that is because no plan keeps to the hold."""
    share: float = 1.0
    """Of the least that counts of the item, where it is held in (`ForcedDecision`)."""


def explain(
    result: Result,
    item: str | None = None,
    *,
    gap: float | None = None,
    time_limit_s: float = 600.0,
    tolerance: float = TOLERANCE,
    most_solves: int = MOST_SOLVES,
    prices: bool = True,
    workers: int = 1,
    executor: Executor | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Explanation:
    """Prices and reasons of a solved plan; of one item, also the values that would flip it.

    item: a project, `project: package`, package, contract (its producer), offer or floor by name, with its kind before it where
    names are shared. None: all of them, without break-evens. gap: of every re-solve; None: that of the result, but no smaller
    than `GAP`; what it leaves open is told as an interval.
    time_limit_s: for each re-solve. tolerance: width of a switch's bracket relative to the figure. most_solves: for each figure of
    an item; where they do not suffice brackets stay wider, and that is told. prices: False leaves them out. workers, executor: as
    in `sweep`. on_progress: items done, and in all.

    Raises InputError for a relaxation, PlanError for an item that is none, ReserveError of a re-solve at the plan's own values.
    """
    fixed = fixed_program(result)
    choices = DecisionIndex(fixed.problem)
    x = decided_point(fixed.problem, result.solution)
    wanted = choices.items if item is None else [choices.find(item)]
    step = max(GAP, result.options["gap"]) if gap is None else gap
    drawn = fixed.problem.structure.scenarios.drawn
    absent = {one: why for one in wanted if (why := choices.refused(one))}
    asked = [
        (ForcedDecision(one, not choices.chosen(one, x)), choices.decided(one).any_amount)
        for one in wanted
        if one not in absent
    ]
    forced = _all_forced(result, asked, drawn, step, time_limit_s, workers, executor, on_progress)
    base, names = _base(result, fixed, choices, x), Names.of(result.data)
    rows = [_refused(one, why, names) for one, why in absent.items()]
    rows += [_reason(fixed, choices, x, hold, base, one, names) for (hold, _), one in zip(asked, forced, strict=True)]
    flips: list[dict[str, Any]] = []
    intervals: list[dict[str, Any]] = []
    if item is not None:
        one = wanted[0]
        amounts = in_amounts(one, result.plan)
        pair = Pair(result.plan, result.data, one, amounts, step, time_limit_s, edited, drawn)
        for figure in figures_of(fixed.problem, one):
            found = find_break_even(pair, figure, rows[0]["chosen"], tolerance, most_solves)
            flips.append({name: getattr(found, name) for name in BREAK_EVENS[:-1]} | {"sentence": in_words(one, found)})
            intervals += interval_rows(one, found)
    told = price_words(fixed) if prices and item is None else pd.DataFrame(columns=["sentence"])
    aim = main_aim(result.plan)
    return Explanation(
        told,
        pd.DataFrame(rows, columns=COLUMNS),
        pd.DataFrame(flips, columns=BREAK_EVENS),
        pd.DataFrame(intervals, columns=INTERVALS),
        step,
        aim,
        most_solves,
    )


def _refused(item: Item, why: str, names: Names) -> dict[str, Any]:
    """One row of `COLUMNS` for an item that the plan could not choose."""
    unknown = dict.fromkeys(
        ("brings_musd", "brings_low_musd", "brings_high_musd", "loss_change_musd", "spending_change_musd"), math.nan
    )
    said = f"{names.item(str(item))}: {'not' if why == BUILT_ALONE else 'cannot be'} chosen; {why}"
    row = {"kind": item.kind, "item": item.name, "chosen": False, "amount": 0.0, "unit": "", "binds": "", "instead": ""}
    return {**row, **unknown, "sentence": said}


def _all_forced(
    result: Result,
    holds: Sequence[tuple[ForcedDecision, bool]],
    drawn: SampledScenarios | None,
    gap: float,
    time_limit_s: float,
    workers: int,
    executor: Executor | None,
    on_progress: Callable[[int, int], None] | None,
) -> list[_Forced]:
    """Every hold answered, in order."""
    parallel = executor is not None or workers > 1
    parts = min(len(holds), PARTS if executor is not None else workers)
    tasks = [
        _Asked(result.plan, result.data, tuple(holds[k] for k in part), drawn, gap, time_limit_s, int(parallel))
        for part in np.array_split(np.arange(len(holds)), max(1, parts))
    ]
    done: list[_Forced] = []
    if not parallel:
        for found in _answers(tasks[0]) if holds else ():
            done.append(found)
            if on_progress is not None:
                on_progress(len(done), len(holds))
        return done
    with workforce(executor, workers) as map_over:
        for part in map_over(_answered, tasks):
            done += part
            if on_progress is not None:
                on_progress(len(done), len(holds))
    return done


def _answered(asked: _Asked) -> list[_Forced]:
    return list(_answers(asked))


def _answers(asked: _Asked) -> Any:
    """One answer after the other, each from where the last one ended."""
    session = Session(gap=asked.gap, held=asked.held, threads=asked.threads)
    for hold, any_amount in asked.holds:
        yield _answer(asked, session, hold, SHARES if hold.inside and any_amount else SHARES[:1])


def _answer(asked: _Asked, session: Session, hold: ForcedDecision, shares: Sequence[float]) -> _Forced:
    """The plan with an item held; held in, with the first share of what counts that any plan has."""
    none = _Forced(math.nan, math.nan, math.nan, math.nan, {})
    for share in shares:
        try:
            answer = session.answer(
                asked.plan, asked.data, hold=replace(hold, share=share), time_limit_s=asked.time_limit_s
            )
        except InfeasibleError as error:
            none = replace(none, note=str(error), impossible=True, share=share)
        except ReserveError as error:
            return replace(none, note=str(error), impossible=False, share=share)
        else:
            costs, (_, objective, bound, _) = answer.problem.assembly.costs, answer.outcome.stages[0]
            spending = float(costs["spending"] @ answer.x) if "spending" in costs else 0.0
            has = DecisionIndex(answer.problem).portfolio(answer.x)
            return _Forced(objective, bound, float(costs["expected_loss"] @ answer.x), spending, has, share=share)
    return none


def _base(result: Result, fixed: Fixed, choices: DecisionIndex, x: Floats) -> _Forced:
    """The plan as it stands."""
    _, objective, bound, _ = result.outcome.stages[0]
    scenarios = result.tables["scenario_losses"]
    spending = fixed.problem.assembly.costs.get("spending")
    spent = 0.0 if spending is None else float(spending @ x)
    return _Forced(
        objective, bound, float((scenarios.probability * scenarios.loss_musd).sum()), spent, choices.portfolio(x)
    )


def _reason(
    fixed: Fixed, choices: DecisionIndex, x: Floats, hold: ForcedDecision, base: _Forced, other: _Forced, names: Names
) -> dict[str, Any]:
    """One row of `COLUMNS`. With the item and without: `brings` is what the first gains, whichever of the two the plan is."""
    item, chosen, decided = hold.item, not hold.inside, choices.decided(hold.item)
    decided = replace(decided, least=decided.least * other.share)
    sign = 1.0 if chosen else -1.0
    brings, low, high = other.objective - base.objective, other.bound - base.objective, other.objective - base.bound
    if not other.note:  # what is held cannot be better than what is free
        brings, low, high = max(0.0, brings), max(0.0, low), max(0.0, high)
    news = {name: part for name, part in other.portfolio.items() if name not in base.portfolio and name != str(item)}
    binds = _at_limit(fixed, x, decided) if chosen else _binding(fixed, decided)
    row: dict[str, Any] = {
        "kind": item.kind,
        "item": item.name,
        "chosen": chosen,
        "amount": choices.amount(item, x),
        "unit": decided.unit,
        "brings_musd": sign * brings,
        "brings_low_musd": sign * (low if chosen else high),
        "brings_high_musd": sign * (high if chosen else low),
        "loss_change_musd": sign * (base.loss - other.loss),
        "spending_change_musd": sign * (base.spending - other.spending),
        "binds": binds,
        "instead": "; ".join(with_parts(name, part) for name, part in news.items()),
    }
    what = f"chosen{has(item, decided, row['amount'])}" if chosen else least(item, decided)
    note = f"no plan {'without it' if chosen else f'with {what}'}: {other.note}" if other.impossible else other.note
    name, instead = names.item(str(item)), "; ".join(with_parts(names.chosen(new), part) for new, part in news.items())
    return row | {"sentence": sentence(row, name, instead, note, what, built_anyway=_built_anyway(fixed, item))}


def _built_anyway(fixed: Fixed, item: Item) -> bool:
    """Whether an item is a project that its owner builds without support."""
    support, projects = fixed.problem.structure.support, fixed.problem.natural.projects
    names = [project.name for project, alone in zip(projects, support.baseline, strict=True) if alone]
    return item.kind == "project" and item.project in names


def _binding(fixed: Fixed, decided: Decided) -> str:
    """What speaks against the least that counts of an item, its cheapest way in, by the prices of the plan's commitments, the
    heaviest first."""
    problem, run = fixed.problem, fixed.run
    assert run.row_dual is not None
    assert run.column_dual is not None
    assembly = problem.assembly
    cheapest = int(np.argmin(run.column_dual[decided.columns] / decided.factors))
    column, least = int(decided.columns[cheapest]), decided.least / float(decided.factors[cheapest])
    against: dict[str, float] = {}
    for entry in np.flatnonzero(assembly.index == column).tolist():
        row = int(np.searchsorted(assembly.start, entry, side="right")) - 1
        weight = -float(run.row_dual[row]) * float(assembly.value[entry]) * least
        name, key, _, _ = assembly.row_name(row)
        if name in BINDING and weight > SMALL_MUSD:
            words = BINDING[name].format(when=_when(problem, name, key))
            against[words] = against.get(words, 0.0) + weight
    heaviest = sorted(against.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{words} ({weight:,.1f} M)" for words, weight in heaviest)


def _at_limit(fixed: Fixed, x: Floats, decided: Decided) -> str:
    """Where a chosen offer or contract gives all that it has, and more would be worth something; empty for whole decisions. x: the
    plan, which later aims may have left with less than the best for its main one."""
    run, assembly = fixed.run, fixed.problem.assembly
    assert run.column_dual is not None
    full = (x[decided.columns] >= assembly.upper[decided.columns] - TRACE_T) & (run.column_dual[decided.columns] < 0)
    if not decided.unit.startswith("t") or not full.any():
        return ""
    best = -float((run.column_dual[decided.columns] / decided.factors)[full].min())
    per = "t" if decided.unit == "t" else "t a year"
    size = f"one more {per} is worth {USD_PER_MUSD * best:,.0f} USD"
    return f"the plan takes all that is on offer in {int(full.sum())} of {len(full)} cases, where {size} at most"


def _when(problem: Problem, name: str, key: Any) -> str:
    """Year or period of a row."""
    calendar = problem.natural.calendar
    if name in ("budget", "contingent_liability"):
        return f"FY{calendar.years[key]}"
    return calendar.period_label(key[1]) if name == "contracts_in_force" else ""
