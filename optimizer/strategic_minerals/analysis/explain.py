"""Why each item was chosen or rejected: what it brings, what stands in its way, and what would change the decision.

Every item is held in where the plan leaves it, or out where it has it, and the question solved again: the difference is what it
brings, or would cost. Constraint prices of the plan's commitments only name what binds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from ..core.arrays import Floats
from ..core.frames import rows_of
from ..core.runner import HERE, Runner
from ..core.units import USD_PER_MUSD
from ..core.verb import verb
from ..data.addresses import edited
from ..data.names import Names
from ..data.recipes import REFERENCE, chain
from ..finance.items import BUILT_ALONE, Item, in_amounts
from ..formulation.aims import main_aim, slack_of_later_aims
from ..formulation.structure import STAGES
from ..model.decisions import TRACE_T, Decided, DecisionIndex, ForcedDecision, with_parts
from ..model.problem import Problem
from ..model.solution import decided_point
from ..results.result import Result
from ..results.study import Study
from .break_even import MOST_SOLVES, TOLERANCE, Pair
from .break_evens import all_break_evens
from .cost_changes import Costs, costs_of_parts, parts_of_gain
from .explain_figures import figures_of
from .forced_solves import ForcedSolve, all_forced
from .price_ranging import Fixed, fixed_program, price_words
from .reason_words import SMALL_MUSD, has, heading, least, sentence
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
    "users_change_musd",
    "government_change_musd",
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


TITLES = {"reasons": "Reasons", "prices": "Prices", "break_evens": "What would change the decision"}


@verb
def explain(
    result: Result,
    item: Annotated[
        str | None,
        Field(
            description="What to explain: a project, `project: package`, package, contract, offer or floor, with its kind before "
            "it where names are shared; or a figure of the tables, such as `offers[gallium_1].depth_t_per_yr`: what it hangs on."
        ),
    ] = None,
    *,
    gap: Annotated[
        float | None,
        Field(
            ge=0,
            lt=1,
            description="Relative optimality gap of each re-solve. Default: that of the run, but at least 0.005.",
        ),
    ] = None,
    tolerance: Annotated[
        float, Field(gt=0, le=1, description="Accuracy of a break-even value, relative to the value.")
    ] = TOLERANCE,
    most_solves: Annotated[
        int, Field(ge=8, le=10_000, description="Largest number of re-solves for each input of the item.")
    ] = MOST_SOLVES,
    prices: Annotated[bool, Field(description="Whether shadow prices are part of the answer.")] = True,
    run: Runner = HERE,
) -> Study:
    """Explain shadow prices and why each item was chosen or rejected; for one item, also what would reverse the choice.

    What a gap leaves open is an interval. Where solves do not suffice, brackets stay wider.

    Tables, those that are not empty: `prices`, as `price_ranging`; not of one item. `reasons`, one row an item: kind, item, chosen,
    amount, unit; brings_musd, what the plan's main aim gains from it, with the interval that the gaps leave; what changes with it:
    expected losses, what users pay, net cost to the government (the three make social cost, with the weight on CVaR and
    penalties), and spending before a disruption; what binds; what is chosen instead; a sentence. Of one item, `break_evens`, one
    row a figure: figure, unit, base, chosen, stands_at, flips_at, proved, solves, note, the range tried (low, high), how often
    the item's state switches in it, and a sentence; `intervals`, one row an interval of a figure with one state, in order:
    figure, unit, item, state, from_value, to_value, the bracket of the switch to the next one (switch_low, switch_high), why. Of
    a figure, `chain`: what it hangs on, a line each. Facts: gap, aim, most_solves, stage_slack (share of the main aim that later
    ones may use).

    Raises InputError for a relaxation, PlanError for an item that is none, ReserveError of a re-solve at the plan's own values.
    """
    if item is not None and (asked_figure := REFERENCE.fullmatch(item.strip())):
        table, key, column = asked_figure.groups()
        lines = list(chain(result.data, table, key.strip(), column))
        return Study("explain", {"chain": pd.DataFrame({"line": lines}, dtype=object)}, lines)
    fixed = fixed_program(result)
    choices = DecisionIndex(fixed.problem)
    x = decided_point(fixed.problem.structure, fixed.problem.assembly, result.solution)
    wanted = choices.items if item is None else [choices.find(item)]
    step = max(GAP, result.options["gap"]) if gap is None else gap
    drawn = fixed.problem.structure.scenarios.drawn
    absent = {one: why for one in wanted if (why := choices.refused(one))}
    asked = [
        (ForcedDecision(one, not choices.chosen(one, x)), choices.decided(one).any_amount)
        for one in wanted
        if one not in absent
    ]
    forced = all_forced(result, asked, drawn, step, run)
    base, names = _base(result, fixed, choices, x), Names.of(result.data)
    rows = [_refused(one, why, names) for one, why in absent.items()]
    rows += [_reason(fixed, choices, x, hold, base, one, names) for (hold, _), one in zip(asked, forced, strict=True)]
    flips: list[dict[str, Any]] = []
    intervals: list[dict[str, Any]] = []
    if item is not None:
        one = wanted[0]
        figures = figures_of(fixed.problem, one)
        pair = Pair(result.plan, result.data, one, in_amounts(one, result.plan), step, edited, drawn)
        for found in all_break_evens(pair, figures, rows[0]["chosen"], tolerance, most_solves, run):
            flips.append({name: getattr(found, name) for name in BREAK_EVENS[:-1]} | {"sentence": in_words(one, found)})
            intervals += interval_rows(one, found)
    every = {
        "prices": price_words(fixed) if prices and item is None else pd.DataFrame(columns=["sentence"]),
        "reasons": pd.DataFrame(rows, columns=COLUMNS),
        "break_evens": pd.DataFrame(flips, columns=BREAK_EVENS),
        "intervals": pd.DataFrame(intervals, columns=INTERVALS),
    }
    tables = {name: table for name, table in every.items() if len(table)}
    slack = slack_of_later_aims(result.plan)
    facts = {"gap": step, "aim": main_aim(result.plan), "most_solves": most_solves, "stage_slack": slack}
    words = _words(tables, facts, STAGES[result.plan.objective.kind][0])
    return Study("explain", tables, words, facts, TITLES)


def _words(tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any], first_stage: str) -> list[str]:
    lines: list[str] = []
    if "prices" in tables:
        lines.append("PRICES: what one unit more is worth (for the commitments of this plan, and for small changes):")
        lines += [f"  {row.sentence}" for row in rows_of(tables["prices"])]
    if "reasons" in tables:
        lines += heading(facts["aim"], first_stage, facts["gap"])
        if facts["stage_slack"] > facts["gap"]:
            lines.append(
                f"  Later aims may worsen the main aim by up to {facts['stage_slack']:.1%} (objective.stage_slack): smaller "
                "differences do not show, and larger ones may be off by as much. Set it to 0 to see them."
            )
        order = tables["reasons"].sort_values(
            ["chosen", "brings_musd"], ascending=[False, False], kind="stable", na_position="first"
        )
        lines += [f"  {row.sentence}" for row in rows_of(order)]
    if "break_evens" in tables:
        lines.append(
            "WHAT WOULD CHANGE THE DECISION: each figure is changed on its own, and the plan solved with the item and "
            f"without it (at most {facts['most_solves']} solves for each figure):"
        )
        lines += [f"  {row.sentence}" for row in rows_of(tables["break_evens"])]
    return lines


def _refused(item: Item, why: str, names: Names) -> dict[str, Any]:
    """One row of `COLUMNS` for an item that the plan could not choose."""
    unknown = dict.fromkeys((name for name in COLUMNS if name.endswith("_musd")), math.nan)
    said = f"{names.item(str(item))}: {'not' if why == BUILT_ALONE else 'cannot be'} chosen; {why}"
    row = {"kind": item.kind, "item": item.name, "chosen": False, "amount": 0.0, "unit": "", "binds": "", "instead": ""}
    return {**row, **unknown, "sentence": said}


def _base(result: Result, fixed: Fixed, choices: DecisionIndex, x: Floats) -> ForcedSolve:
    """The plan as it stands."""
    _, objective, bound, _ = result.outcome.stages[0]
    spending = fixed.problem.assembly.costs.get("spending")
    spent = 0.0 if spending is None else float(spending @ x)
    return ForcedSolve(objective, bound, _costs(result), spent, choices.portfolio(x))


def _costs(result: Result) -> Costs:
    return costs_of_parts(result.objective_parts, result.figures.value("expected_loss_musd"))


def _reason(
    fixed: Fixed,
    choices: DecisionIndex,
    x: Floats,
    hold: ForcedDecision,
    base: ForcedSolve,
    other: ForcedSolve,
    names: Names,
) -> dict[str, Any]:
    """One row of `COLUMNS`. With the item and without: `brings` is what the first gains, whichever of the two the plan is."""
    item, chosen, decided = hold.item, not hold.inside, choices.decided(hold.item)
    decided = replace(decided, least=decided.least * other.share)
    sign = 1.0 if chosen else -1.0
    brings, low, high = other.objective - base.objective, other.bound - base.objective, other.objective - base.bound
    parts = parts_of_gain(fixed.problem.plan, brings, other.costs, base.costs, other.spending - base.spending)
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
        "loss_change_musd": sign * (base.costs.shortages - other.costs.shortages),
        "users_change_musd": sign * (base.costs.users - other.costs.users),
        "government_change_musd": sign * (base.costs.government - other.costs.government),
        "spending_change_musd": sign * (base.spending - other.spending),
        "binds": binds,
        "instead": "; ".join(with_parts(name, part) for name, part in news.items()),
    }
    what = f"chosen{has(item, decided, row['amount'])}" if chosen else least(item, decided)
    note = f"no plan {'without it' if chosen else f'with {what}'}: {other.note}" if other.impossible else other.note
    name, instead = names.item(str(item)), "; ".join(with_parts(names.chosen(new), part) for new, part in news.items())
    gains = {part: sign * gain for part, gain in parts.items()}
    said = sentence(row, name, gains, instead, note, what, built_anyway=_built_anyway(fixed, item))
    return row | {"sentence": said}


def _built_anyway(fixed: Fixed, item: Item) -> bool:
    """Whether an item is a project that its owner builds without support."""
    support, projects = fixed.problem.structure.support, fixed.problem.natural.projects
    names = [project.name for project, alone in zip(projects, support.baseline, strict=True) if alone]
    return item.kind == "project" and item.project in names


def _binding(fixed: Fixed, decided: Decided) -> str:
    """What speaks against the least that counts of an item, its cheapest way in, by the prices of the plan's commitments, the
    heaviest first."""
    problem, duals = fixed.problem, fixed.duals
    assembly = problem.assembly
    cheapest = int(np.argmin(duals.column[decided.columns] / decided.factors))
    column, least = int(decided.columns[cheapest]), decided.least / float(decided.factors[cheapest])
    against: dict[str, float] = {}
    for entry in np.flatnonzero(assembly.index == column).tolist():
        row = int(np.searchsorted(assembly.start, entry, side="right")) - 1
        weight = -float(duals.row[row]) * float(assembly.value[entry]) * least
        name, key, _, _ = assembly.row_name(row)
        if name in BINDING and weight > SMALL_MUSD:
            words = BINDING[name].format(when=_when(problem, name, key))
            against[words] = against.get(words, 0.0) + weight
    heaviest = sorted(against.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{words} ({weight:,.1f} M)" for words, weight in heaviest)


def _at_limit(fixed: Fixed, x: Floats, decided: Decided) -> str:
    """Where a chosen offer or contract gives all that it has, and more would be worth something; empty for whole decisions. x: the
    plan, which later aims may have left with less than the best for its main one."""
    reduced, assembly = fixed.duals.column[decided.columns], fixed.problem.assembly
    full = (x[decided.columns] >= assembly.upper[decided.columns] - TRACE_T) & (reduced < 0)
    if not decided.unit.startswith("t") or not full.any():
        return ""
    best, offer = -float((reduced / decided.factors)[full].min()), decided.unit == "t"
    per, cases = ("tonne", "periods") if offer else ("tonne a year", "possible start dates")
    if offer and fixed.problem.natural.calendar.step == 1:
        cases = "years"
    where = "it" if len(full) == 1 else f"it in {int(full.sum())} of {len(full)} {cases}"
    worth = f"one more {per} would be worth at most {USD_PER_MUSD * best:,.0f} USD"
    return f"the plan takes all that is offered of {where}; {worth}"


def _when(problem: Problem, name: str, key: Any) -> str:
    """Year or period of a row."""
    calendar = problem.natural.calendar
    if name in ("budget", "contingent_liability"):
        return f"FY{calendar.years[key]}"
    return calendar.period_label(key[1]) if name == "contracts_in_force" else ""
