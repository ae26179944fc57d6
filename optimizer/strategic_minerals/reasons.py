"""Why each thing was chosen or rejected: what it brings, what stands in its way, and what would flip it.

Every item is held in where the plan leaves it, or out where it has it, and the question solved again: the difference is what it
brings, or would cost. Constraint prices of the plan's commitments only name what binds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from .axes import edited
from .break_even import TOLERANCE, BreakEven, Figure, Pair, find_break_even
from .dataset import Dataset
from .errors import InfeasibleError, ReserveError
from .forcing import TRACE_T, Choices, Decided, Hold, Item, floor_of
from .frames import notebook_html
from .instance import Floats
from .layout import STAGES
from .plan import Plan
from .price_words import Fixed, decided_point, fixed_program, price_words
from .prices import AIMS
from .problem import Problem
from .result import Result
from .session import Session
from .units import USD_PER_MUSD
from .workforce import workforce
from .worlds import Drawn

COLUMNS = [
    "kind", "item", "chosen", "amount", "unit", "brings_musd", "brings_low_musd", "brings_high_musd", "loss_change_musd",
    "spending_change_musd", "binds", "instead", "sentence",
]  # fmt: skip
BINDING = {
    "budget": "money of {when}", "total_budget": "the total budget", "contingent_liability": "the liability cap of {when}",
    "one_market_floor": "another market floor", "with_market_floor": "the market floor that it counts on",
    "without_market_floor": "a market floor that stands", "project_logic": "projects that need or exclude it",
    "contracts_in_force": "what the producer has already promised in {when}", "one_package": "another package of the project",
    "cvar_limit": "the limit on CVaR", "expected_loss_limit": "the limit on expected loss",
}  # fmt: skip
"""Constraints that can stand in the way of an item, in words."""
GAP = 5e-3
"""Relative gap of re-solves where none is asked for: a plan with an item held is a hard search of its own."""
SMALL_MUSD = 0.05
"""Million USD below which nothing is said to bind, or to be brought."""
PARTS = 8
"""Shares of the items for an executor, whose size is not known."""


@dataclass(frozen=True)
class Explanation:
    """Prices, reasons and break-evens of one plan."""

    prices: pd.DataFrame
    """As `price_words`; empty where one item is explained."""
    reasons: pd.DataFrame
    """One row an item: kind, item, chosen, amount, unit; brings_musd, what the plan's main aim gains from it, with the interval
    that the gaps leave; changes of expected loss and spending that come with it; what binds; what is chosen instead; a
    sentence."""
    break_evens: pd.DataFrame
    """figure, unit, base, chosen, stands_at, flips_at, proved, solves, note, sentence; empty where no item was asked for."""
    gap: float
    aim: str

    def _repr_html_(self) -> str:
        """As notebooks show it."""
        tables = {"Reasons": self.reasons, "Prices": self.prices, "What would flip it": self.break_evens}
        return notebook_html(self.summary(), tables)

    def summary(self) -> str:
        """In plain words."""
        lines: list[str] = []
        if len(self.prices):
            lines.append("PRICES (they hold for the commitments that the plan has chosen, and for small changes):")
            lines += [f"  {row.sentence}" for row in self.prices.itertuples()]
        if len(self.reasons):
            lines.append(f"REASONS ({self.aim} with and without each, solved again to a gap of {self.gap:g}):")
            order = self.reasons.sort_values(
                ["chosen", "brings_musd"], ascending=[False, False], kind="stable", na_position="first"
            )
            lines += [f"  {row.sentence}" for row in order.itertuples()]
        if len(self.break_evens):
            lines.append("WHAT WOULD FLIP IT (each value solved with it and without):")
            lines += [f"  {row.sentence}" for row in self.break_evens.itertuples()]
        return "\n".join(lines)


@dataclass(frozen=True)
class _Asked:
    """A task: items held one after the other in one session. It travels to other processes."""

    plan: Plan
    data: Dataset
    holds: tuple[Hold, ...]
    held: Drawn | None
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
    portfolio: tuple[str, ...]
    note: str = ""


def explain(
    result: Result, item: str | None = None, *, gap: float | None = None, time_limit_s: float = 600.0, tolerance: float = TOLERANCE,
    prices: bool = True, workers: int = 1, executor: Executor | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Explanation:  # fmt: skip
    """Prices and reasons of a solved plan; of one item, also the values that would flip it.

    item: a project, `project: package`, package, contract (its producer), offer or floor by name, with its kind before it where
    names are shared. None: all of them, without break-evens. gap: of every re-solve; None: that of the result, but no smaller
    than `GAP`; what it leaves open is told as an interval.
    time_limit_s: for each re-solve. tolerance: width of a break-even's bracket relative to the figure. prices: False leaves
    them out. workers, executor: as in `sweep`. on_progress: items done, and in all.

    Raises InputError for a relaxation, PlanError for an item that is none, ReserveError of a re-solve at the plan's own values.
    """
    fixed = fixed_program(result)
    choices = Choices(fixed.problem)
    x = decided_point(fixed.problem, result.solution)
    wanted = choices.items if item is None else [choices.find(item)]
    step = max(GAP, result.options["gap"]) if gap is None else gap
    drawn = fixed.problem.layout.worlds.drawn
    holds = [Hold(one, not choices.chosen(one, x)) for one in wanted]
    forced = _all_forced(result, holds, drawn, step, time_limit_s, workers, executor, on_progress)
    base = _base(result, fixed, choices, x)
    reasons = pd.DataFrame(
        [_reason(fixed, choices, x, hold, base, one) for hold, one in zip(holds, forced, strict=True)], columns=COLUMNS
    )
    flips: list[dict[str, Any]] = []
    if item is not None:
        pair = Pair(result.plan, result.data, wanted[0], step, time_limit_s, edited, drawn)
        for figure in figures_of(fixed.problem, wanted[0]):
            found = find_break_even(pair, figure, not holds[0].inside, tolerance)
            flips.append(asdict(found) | {"sentence": _flip(wanted[0], found)})
    told = price_words(fixed) if prices and item is None else pd.DataFrame(columns=["sentence"])
    columns = [*BreakEven.__dataclass_fields__, "sentence"]
    aim = AIMS[STAGES[result.plan.objective.kind][0]].rstrip(",")
    return Explanation(told, reasons, pd.DataFrame(flips, columns=columns), step, aim)


def _all_forced(
    result: Result, holds: Sequence[Hold], drawn: Drawn | None, gap: float, time_limit_s: float, workers: int,
    executor: Executor | None, on_progress: Callable[[int, int], None] | None,
) -> list[_Forced]:  # fmt: skip
    """Every hold answered, in order."""
    parallel = executor is not None or workers > 1
    parts = min(len(holds), PARTS if executor is not None else workers)
    tasks = [
        _Asked(result.plan, result.data, tuple(holds[k] for k in part), drawn, gap, time_limit_s, int(parallel))
        for part in np.array_split(np.arange(len(holds)), max(1, parts))
    ]  # fmt: skip
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
    for hold in asked.holds:
        try:
            answer = session.answer(asked.plan, asked.data, hold=hold, time_limit_s=asked.time_limit_s)
        except InfeasibleError as error:
            yield _Forced(math.nan, math.nan, math.nan, math.nan, (), f"no plan {'with' if hold.inside else 'without'} it: {error}")
        except ReserveError as error:
            yield _Forced(math.nan, math.nan, math.nan, math.nan, (), str(error))
        else:
            costs, (_, objective, bound, _) = answer.problem.assembly.costs, answer.outcome.stages[0]
            spending = float(costs["spending"] @ answer.x) if "spending" in costs else 0.0
            has = Choices(answer.problem).portfolio(answer.x)
            yield _Forced(objective, bound, float(costs["expected_loss"] @ answer.x), spending, has)


def _base(result: Result, fixed: Fixed, choices: Choices, x: Floats) -> _Forced:
    """The plan as it stands."""
    _, objective, bound, _ = result.outcome.stages[0]
    worlds = result.tables["scenario_losses"]
    spending = fixed.problem.assembly.costs.get("spending")
    spent = 0.0 if spending is None else float(spending @ x)
    return _Forced(objective, bound, float((worlds.probability * worlds.loss_musd).sum()), spent, choices.portfolio(x))


def _reason(fixed: Fixed, choices: Choices, x: Floats, hold: Hold, base: _Forced, other: _Forced) -> dict[str, Any]:
    """One row of `COLUMNS`. With the item and without: `brings` is what the first gains, whichever of the two the plan is."""
    item, chosen, decided = hold.item, not hold.inside, choices.decided(hold.item)
    sign = 1.0 if chosen else -1.0
    brings, low, high = other.objective - base.objective, other.bound - base.objective, other.objective - base.bound
    if not other.note:  # what is held cannot be better than what is free
        brings, low, high = max(0.0, brings), max(0.0, low), max(0.0, high)
    instead = [name for name in other.portfolio if name not in base.portfolio and name != str(item)]
    binds = _at_limit(fixed, decided) if chosen else _binding(fixed, decided)
    row: dict[str, Any] = {
        "kind": item.kind, "item": item.name, "chosen": chosen, "amount": choices.amount(item, x), "unit": decided.unit,
        "brings_musd": sign * brings, "brings_low_musd": sign * (low if chosen else high),
        "brings_high_musd": sign * (high if chosen else low), "loss_change_musd": sign * (base.loss - other.loss),
        "spending_change_musd": sign * (base.spending - other.spending), "binds": binds, "instead": "; ".join(instead),
    }  # fmt: skip
    return row | {"sentence": _sentence(row, other.note, decided.least, built_anyway=_built_anyway(fixed, item))}


def _built_anyway(fixed: Fixed, item: Item) -> bool:
    """Whether an item is a project that its owner builds without support."""
    support, projects = fixed.problem.layout.support, fixed.problem.natural.projects
    names = [project.name for project, alone in zip(projects, support.baseline, strict=True) if alone]
    return item.kind == "project" and item.name.partition(": ")[0] in names


def _sentence(row: dict[str, Any], note: str, least: float, *, built_anyway: bool = False) -> str:
    """A row in words. built_anyway: a project that its owner builds without support; the row is about supporting it."""
    name = f"{'support for ' if built_anyway else ''}{row['kind']} {row['item']}"
    note = f"{'its owner builds it without; ' if built_anyway and note else ''}{note}"
    if note:
        return f"{name}: {'chosen' if row['chosen'] else 'rejected'}; {note}"
    loss, spent = row["loss_change_musd"], row["spending_change_musd"]
    effect = f"with it {_change('expected loss', loss)}, {_change('discounted spending', spent)}"
    if row["chosen"]:
        how_much = f" ({row['amount']:,.4g} {row['unit']})" if row["unit"].startswith("t") else ""
        gain, between = row["brings_musd"], _between(row["brings_low_musd"], row["brings_high_musd"])
        what = f"brings {gain:,.1f} M{between}" if gain >= SMALL_MUSD else f"brings nothing that others could not{between}"
        instead = f"; without it the plan takes {row['instead']}" if row["instead"] else ""
        limit = f"; {row['binds']}" if row["binds"] else ""
        return f"{name}: chosen{how_much}, {what} ({effect}){instead}{limit}"
    cost, between = -row["brings_musd"], _between(-row["brings_high_musd"], -row["brings_low_musd"])
    how_much = f" of at least {least:,.4g} {row['unit']}" if row["unit"].startswith("t") else ""
    what = f"having it{how_much} would cost {cost:,.1f} M" if cost >= SMALL_MUSD else f"as good with it{how_much}"
    what += between
    binds = f"; in its way: {row['binds']}" if row["binds"] else ""
    return f"{name}: rejected{', its owner builds it without' * built_anyway}, {what} ({effect}){binds}"


def _between(low: float, high: float) -> str:
    """The interval that the gaps of the two solves leave, where it is wider than a tenth of its middle."""
    return f" (between {low:,.1f} and {high:,.1f})" if high - low > max(SMALL_MUSD, 0.05 * (low + high)) else ""


def _change(name: str, value: float) -> str:
    return f"{name} {value:+,.1f} M" if abs(value) >= SMALL_MUSD else f"{name} as it is"


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


def _at_limit(fixed: Fixed, decided: Decided) -> str:
    """Where a chosen offer or contract gives all that it has, and more would be worth something; empty for whole decisions."""
    run, assembly = fixed.run, fixed.problem.assembly
    assert run.x is not None
    assert run.column_dual is not None
    full = (run.x[decided.columns] >= assembly.upper[decided.columns] - TRACE_T) & (run.column_dual[decided.columns] < 0)
    if not decided.unit.startswith("t") or not full.any():
        return ""
    best = -float((run.column_dual[decided.columns] / decided.factors)[full].min())
    per = "t" if decided.unit == "t" else "t a year"
    size = f"one more {per} is worth {USD_PER_MUSD * best:,.0f} USD"
    return f"all that it gives is taken in {int(full.sum())} of {len(full)} cases: {size} there at most"


def _when(problem: Problem, name: str, key: Any) -> str:
    """Year or period of a row."""
    calendar = problem.natural.calendar
    if name in ("budget", "contingent_liability"):
        return f"FY{calendar.years[key]}"
    return calendar.period_label(key[1]) if name == "contracts_in_force" else ""


def figures_of(problem: Problem, item: Item) -> list[Figure]:
    """What could flip an item: its own figures, then how often hazards strike and what going short costs."""
    makers: dict[str, Callable[[], list[Figure]]] = {
        "project": partial(_of_project, problem, item.name.partition(": ")[0]),
        "contract": partial(_of_cells, problem, "activities", item.name, [("fee", "fee_usd_per_kg", "USD/kg", -1)]),
        "offer": partial(_of_cells, problem, "offers", item.name, [("premium", "premium_share", "share", -1)]),
    }  # fmt: skip
    own = makers[item.kind]() if item.kind in makers else []
    floor = item.name if item.kind == "floor" else floor_of(item.name)
    return [*own, *_of_floor(problem, floor, item.name), *_of_hazards(problem), _of_losses(problem)]


def _of_project(problem: Problem, project: str) -> list[Figure]:
    own = [("capex", "capex_musd", "million USD", -1), ("premium", "premium_share", "share", 0)]
    return _of_cells(problem, "projects", project, own)


def _of_cells(problem: Problem, table: str, key: str, wanted: Sequence[tuple[str, str, str, int]]) -> list[Figure]:
    """Cells of one row, up to four times their value; shares within 1 of it."""
    row = next((row for row in problem.data.rows(table) if getattr(row, type(row).key[0]) == key), None)
    found = []
    for name, column, unit, helps in wanted:
        value = None if row is None else getattr(row, column)
        if value is not None and (value > 0 or unit == "share"):
            low, high = (max(-0.9, value - 1.0), value + 1.0) if unit == "share" else (0.0, 4.0 * value)
            found.append(Figure(name, (f"{table}[{key}].{column}",), float(value), low, high, unit, helps))
    return found


def _of_floor(problem: Problem, floor: str, name: str) -> list[Figure]:
    """The level of a floor of the plan's menu, from half of it to twice."""
    for k, menu in enumerate(problem.plan.instruments.price_floors):
        for m, level in enumerate(menu.levels_usd_per_kg):
            kind = "" if menu.kind == "contract" else f"{menu.kind}-"
            prefix = "market-" if menu.scope == "market" else ""
            if floor == f"{prefix}{menu.material}-{kind}floor-{level:g}":
                at = f"instruments.price_floors.{k}.levels_usd_per_kg.{m}"
                named = f"{name.removesuffix(f'{level:g}')}{{value}}"
                return [Figure("floor level", (at,), level, level / 2, 2 * level, "USD/kg", 0, named)]
    return []


def _of_hazards(problem: Problem) -> list[Figure]:
    """How often everything strikes: rates of the table, and probabilities of listed scenarios, by one factor."""
    plan = problem.plan
    listed = sum(scenario.probability for scenario in plan.scenarios)
    addresses = [f"scenarios.{k}.probability *" for k, scenario in enumerate(plan.scenarios) if scenario.probability > 0]
    if plan.sample is not None:
        addresses += [f"hazards[{name}].rate_per_yr *" for name in plan.sample.hazards]
    most = min(4.0, 1.0 / listed) if listed > 0 else 4.0
    return [Figure("hazard rate", tuple(addresses), 1.0, 0.0, most, "times as often", 1)] if addresses else []


def _of_losses(problem: Problem) -> Figure:
    """What going short costs beyond the price, by one factor on the plan's loss function."""
    return Figure("loss value", (f"loss_functions[{problem.plan.loss_function}/*/*].loss_usd_per_t *",), 1.0, 0.0, 10.0, "times", 1)


def _flip(item: Item, found: BreakEven) -> str:
    """A break-even in words."""
    now, then = ("chosen", "rejected") if found.chosen else ("rejected", "chosen")
    if found.note:
        return f"{found.figure}: {found.note}"
    if not found.flips:
        return f"{found.figure} ({found.base:,.4g} {found.unit} now): still {now} at {found.stands_at:,.4g} {found.unit}"
    sure = "" if found.proved else "; within the gap of the solves the two are as good there"
    return (
        f"{found.figure} ({found.base:,.4g} {found.unit} now): {item} is {now} up to {found.stands_at:,.4g} and {then} at "
        f"{found.flips_at:,.4g} {found.unit}{sure}"
    )
