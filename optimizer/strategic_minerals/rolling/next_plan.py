"""Next year's question: the plan moved on, the tables with new facts and what was signed in them, events that began or were lifted.

The end year stays, unless the horizon is to roll: then as many years are planned as before, and every series of the tables holds
its last value beyond what it states.
"""

from __future__ import annotations

import types
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..core.errors import Fault, PlanError
from ..data.dataset import Dataset
from ..instance.instance import Instance
from ..scenarios.build import draws
from ..scenarios.ongoing import for_ever, ongoing_events
from ..schemas.plan import Plan
from ..schemas.plan_sections import Scenario
from .carry import carried_rows
from .events import check_events, in_force, lasting, lifted, to_come
from .facts import with_facts
from .files import HappenedRow
from .learning import learned, shown
from .state import Question, State, floor_place

Horizon = Literal["fixed", "rolling"]
CHANCES = 4096
"""Draws from which the chance is read off that nothing has happened yet."""


@dataclass(frozen=True)
class NextQuestion:
    """A question to be solved."""

    plan: Plan
    data: Dataset


def next_question(
    question: Question,
    plan: Plan,
    data: Dataset,
    state: State,
    happened: Sequence[HappenedRow] = (),
    facts: Mapping[str, Sequence[Any]] | None = None,
    *,
    horizon: Horizon = "fixed",
    learning: bool = True,
    fresh_draws: bool = True,
    chances: int = CHANCES,
) -> NextQuestion:
    """The question after the years of a state.

    facts: table -> rows that replace those of the same key, and are added where there is none. learning: hazards' rates after what
    the years have shown. fresh_draws: scenarios are drawn anew from the new first year; False: those of the old plan in which
    nothing has happened so far are kept, so that no difference is luck. chances: draws from which the chance of that is read off.

    Raises PlanError where nothing would be left to plan, ValueError and InputError as `as_planned` and tables.
    """
    n = question.natural
    first = n.calendar.first_year + state.periods // n.calendar.per_year
    source = f"carried over from {plan.name}, FY{plan.horizon.first_year}"
    check_events(plan, data, happened, first + n.calendar.step)
    moved = _moved(plan, data, question, state, happened, first, horizon, fresh_draws, chances)
    tables = with_facts(
        data, facts or {}
    )  # before anything is carried: a new row of a source is split as the old one was
    now = Dataset(types.MappingProxyType(tables), data.name)
    rows: dict[str, list[Any]] = carried_rows(question, state, now, source)
    if learning:
        end = n.calendar.first_year + n.calendar.step * n.calendar.periods
        over = lasting(plan, happened, end)
        evidence = shown(data.rows("hazards"), happened, float(plan.horizon.first_year), float(first), over)
        believed = {o.hazard: o.rate_per_yr for o in plan.hazards if o.rate_per_yr is not None}
        rows = learned(rows, evidence, {"source": source, "year": first, "confidence": "derived"}, believed)
        moved = _with_rates_of(moved, {row.hazard for row in rows["hazard_evidence"]})
    kept = {name: tuple(each) for name, each in rows.items() if each or name in data.tables}
    return NextQuestion(moved, Dataset(types.MappingProxyType(kept), data.name))


def moved_plan(plan: Plan, data: Dataset, question: Question, state: State, first: int, chances: int = CHANCES) -> Plan:
    """The plan as it is from a later year on, its end year kept. chances: as `next_question`."""
    if first == plan.horizon.first_year:
        return plan
    return _moved(plan, data, question, state, (), first, "fixed", fresh_draws=True, chances=chances)


def _with_rates_of(plan: Plan, hazards: Collection[str]) -> Plan:
    """The plan without rates of its own for hazards whose rates the tables have learned."""
    changed = [o.model_copy(update={"rate_per_yr": None}) if o.hazard in hazards else o for o in plan.hazards]
    kept = [o for o in changed if any(value is not None for name, value in o if name != "hazard")]
    return plan if list(plan.hazards) == kept else plan.model_copy(update={"hazards": tuple(kept)})


def _moved(
    plan: Plan,
    data: Dataset,
    question: Question,
    state: State,
    happened: Sequence[HappenedRow],
    first: int,
    horizon: Horizon,
    fresh_draws: bool,
    chances: int,
) -> Plan:
    """The plan from a later year on."""
    n, passed = question.natural, first - plan.horizon.first_year
    years = plan.horizon.years - (passed if horizon == "fixed" else 0)
    if years < 1:
        raise PlanError(
            [Fault("plan", "", "horizon.years", str(plan.horizon.years), f"more than the {passed} that have passed")]
        )
    tail = (n.calendar.periods - n.calendar.planned) // n.calendar.per_year
    last = first + years - 1
    budget = plan.budget.model_copy(
        update={
            "carried_in_musd": state.kept_musd,
            "total_musd": None
            if plan.budget.total_musd is None
            else max(0.0, plan.budget.total_musd - state.spent_musd),
        }
    )
    open_years = {
        name: None if asked is None else tuple(year for year in asked if first <= year <= last)
        for name in ("signing_years", "contract_years")
        for asked in (getattr(plan.instruments, name),)
    }
    chosen = _floored_materials(question, state)
    menus = tuple(m for m in plan.instruments.price_floors if m.scope != "market" or m.material not in chosen)
    begin = first + n.calendar.step  # events of the new plan begin with its second period
    told = {row.event for row in happened}
    listed, chance = _still_to_come(plan, data, n, begin, told, chances)
    expected = to_come(happened, begin)
    taken = sum(s.probability for s in expected)  # what was announced takes its probability from all else
    others = (s.model_copy(update={"probability": s.probability * (1 - taken)}) for s in listed)
    scenarios = (*(others if taken > 0 else listed), *expected)
    sample = plan.sample
    if sample is not None:
        quiet = min(1.0, sample.quiet_probability / chance * (1 - taken))
        update: dict[str, Any] = {"quiet_probability": quiet}
        if not fresh_draws:
            update["drawn_from_year"] = sample.drawn_from_year or plan.horizon.first_year
        elif sample.drawn_from_year is not None:
            update["drawn_from_year"] = None
        sample = sample.model_copy(update=update)
    levels = []
    names = {s.name for s in scenarios}
    for level in plan.service_levels:
        kept = tuple(name for name in level.scenarios if name in names)
        if kept:
            levels.append(level.model_copy(update={"scenarios": kept}))
    moved = plan.model_copy(
        update={
            "horizon": plan.horizon.model_copy(update={"first_year": first, "years": years, "tail_years": tail}),
            "budget": budget,
            "instruments": plan.instruments.model_copy(update={**open_years, "price_floors": menus}),
            "controls": tuple(c for c in plan.controls if c.until_year > first and not lifted(c.name, happened)),
            "ongoing": in_force(plan, happened),
            "scenarios": scenarios,
            "sample": sample,
            "service_levels": tuple(levels),
        }
    )
    return Plan.model_validate(moved.to_toml_like())


def _floored_materials(question: Question, state: State) -> set[str]:
    """Materials with a market floor that was chosen."""
    n, offered = question.natural, question.structure.support.markets
    chosen = [n.market_floors[floor_place(n, offered[m].floor.name)] for m in state.floors]
    return {n.materials[market.floor.material] for market in chosen}


def _still_to_come(
    plan: Plan, data: Dataset, n: Instance, begin: float, told: Collection[str], chances: int
) -> tuple[list[Scenario], float]:
    """Listed scenarios in which nothing has happened so far, at their probability given that; and the chance of that. told: names
    of events of which there is news, which replaces what the plan says of them."""
    listed = [s for s in plan.scenarios if s.name not in told and min(event.start_year for event in s.events) >= begin]
    sampled, quiet, share = 0.0, 0.0, 1.0
    rest = max(0.0, 1.0 - sum(s.probability for s in plan.scenarios))
    if plan.sample is not None:
        quiet = min(rest, plan.sample.quiet_probability)
        sampled = rest - quiet
        share = _untouched(plan, data, n, begin, chances)
    else:
        quiet = rest
    chance = sum(s.probability for s in listed) + quiet + sampled * share
    if chance <= 0:
        return [], 1.0
    return [s.model_copy(update={"probability": min(1.0, s.probability / chance)}) for s in listed], chance


def _untouched(plan: Plan, data: Dataset, n: Instance, begin: float, chances: int) -> float:
    """Share of the plan's draws in which nothing new has begun before a date."""
    assert plan.sample is not None
    count = chances if plan.sample.draws is not None else plan.sample.scenarios
    drawn = draws(n, data, plan.sample, count, plan.sample.seed)
    begun = len(for_ever(ongoing_events(plan, data, n.calendar)))
    quiet = [all(event.start >= begin for event in events[begun:]) for events in drawn]
    return float(np.mean(quiet)) if quiet else 1.0
