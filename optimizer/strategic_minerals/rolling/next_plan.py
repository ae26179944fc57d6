"""Next year's question: the plan moved on, the tables with what was signed in them, events that began or were lifted.

The end year stays, unless the horizon is to roll: then as many years are planned as before, and every series of the tables holds
its last value beyond what it states.
"""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..core.errors import Fault, PlanError
from ..data.dataset import Dataset
from ..instance.instance import Instance
from ..scenarios.build import draws
from ..scenarios.ongoing import for_ever, ongoing_events
from ..schemas.plan import Plan
from ..schemas.plan_sections import Event, Scenario
from ..schemas.state_sections import Ongoing
from .carry import carried_rows
from .files import HappenedRow
from .learning import learned, shown
from .state import Question, State

Horizon = Literal["fixed", "rolling"]
CHANCES = 4096
"""Draws from which the chance is read off that nothing has happened yet."""
EVENT_FIELDS = (
    "hazard",
    "countries",
    "materials",
    "cut_share",
    "price_multiplier",
    "severity",
    "stretch",
    "duration_years",
)


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
) -> NextQuestion:
    """The question after the years of a state.

    facts: table -> rows that replace those of the same key, and are added where there is none. learning: hazards' rates after what
    the years have shown. fresh_draws: scenarios are drawn anew from the new first year; False: those of the old plan in which
    nothing has happened so far are kept, so that no difference is luck.

    Raises PlanError where nothing would be left to plan, ValueError and InputError as `as_planned` and tables.
    """
    n = question.natural
    first = n.calendar.first_year + state.periods // n.calendar.per_year
    source = f"carried over from {plan.name}, FY{plan.horizon.first_year}"
    moved = _moved(plan, data, n, state, happened, first, horizon, fresh_draws)
    tables: dict[str, tuple[Any, ...]] = {name: tuple(each) for name, each in data.tables.items()}
    for table, new in (
        facts or {}
    ).items():  # before anything is carried: a new row of a source is split as the old one was
        tables[table] = _merged(tables.get(table, ()), new)
    now = Dataset(types.MappingProxyType(tables), data.name)
    rows: dict[str, list[Any]] = carried_rows(question, state, now, source)
    if learning:
        lasting = _lasting(plan, happened, n)
        evidence = shown(data.rows("hazards"), happened, float(plan.horizon.first_year), float(first), lasting)
        rows = learned(rows, evidence, {"source": source, "year": first, "confidence": "derived"})
    kept = {name: tuple(each) for name, each in rows.items() if each or name in data.tables}
    return NextQuestion(moved, Dataset(types.MappingProxyType(kept), data.name))


def moved_plan(plan: Plan, data: Dataset, n: Instance, state: State, first: int) -> Plan:
    """The plan as it is from a later year on, its end year kept."""
    return plan if first == plan.horizon.first_year else _moved(plan, data, n, state, (), first, "fixed", True)


def _merged(old: Sequence[Any], new: Sequence[Any]) -> tuple[Any, ...]:
    """Rows of which new ones replace those of the same key."""
    if not new:
        return tuple(old)
    key = type(new[0]).key
    found = {tuple(getattr(row, name) for name in key): row for row in old}
    found.update({tuple(getattr(row, name) for name in key): row for row in new})
    return tuple(found.values())


def _moved(
    plan: Plan,
    data: Dataset,
    n: Instance,
    state: State,
    happened: Sequence[HappenedRow],
    first: int,
    horizon: Horizon,
    fresh_draws: bool,
) -> Plan:
    """The plan from a later year on."""
    passed = first - plan.horizon.first_year
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
    chosen = _floored_materials(n, state)
    menus = tuple(m for m in plan.instruments.price_floors if m.scope != "market" or m.material not in chosen)
    begin = first + n.calendar.step  # events of the new plan begin with its second period
    listed, chance = _still_to_come(plan, data, n, begin)
    announced, back = _announced(happened, begin)
    scenarios = (*listed, *announced, *back)
    taken = sum(s.probability for s in (*announced, *back))
    if taken > 0:  # what was announced takes its probability from all else
        scenarios = (
            *(s.model_copy(update={"probability": s.probability * (1 - taken)}) for s in listed),
            *announced,
            *back,
        )
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
            "controls": tuple(c for c in plan.controls if c.until_year > first and not _lifted(c.name, happened)),
            "ongoing": _ongoing(plan, happened, first + n.calendar.step),
            "scenarios": scenarios,
            "sample": sample,
            "service_levels": tuple(levels),
        }
    )
    return Plan.model_validate(moved.to_toml_like())


def _floored_materials(n: Instance, state: State) -> set[str]:
    """Materials with a market floor that was chosen."""
    return {n.materials[n.market_floors[m].floor.material] for m in state.floors if m < len(n.market_floors)}


def _lifted(name: str, happened: Sequence[HappenedRow]) -> bool:
    """Whether a measure or event is in force no more."""
    return any(row.event == name and row.status in ("suspended", "ended") for row in happened)


def _ongoing(plan: Plan, happened: Sequence[HappenedRow], until: float) -> tuple[Ongoing, ...]:
    """Events in force: those from before that were not lifted, and those that began."""
    begun = {row.event for row in happened if row.status == "in force"}
    kept = [event for event in plan.ongoing if not _lifted(event.name, happened) and event.name not in begun]
    for row in happened:
        if row.status == "in force" and row.from_year is not None and row.from_year < until:
            cells = {name: getattr(row, name) for name in (*EVENT_FIELDS, "remaining_years")}
            stated = {name: value for name, value in cells.items() if value is not None}
            kept.append(Ongoing.model_validate({"name": row.event, "start_year": row.from_year, **stated}))
    return tuple(kept)


def _announced(happened: Sequence[HappenedRow], begin: float) -> tuple[list[Scenario], list[Scenario]]:
    """Scenarios of what was announced, and of what was suspended and may come back."""
    found: dict[str, list[Scenario]] = {"announced": [], "suspended": []}
    for row in happened:
        if row.status in found and row.probability and row.from_year is not None:
            stated = {name: getattr(row, name) for name in EVENT_FIELDS if getattr(row, name) is not None}
            event = Event.model_validate({**stated, "start_year": max(begin, row.from_year)})
            found[row.status].append(Scenario(name=row.event, probability=row.probability, events=(event,)))
    return found["announced"], found["suspended"]


def _still_to_come(plan: Plan, data: Dataset, n: Instance, begin: float) -> tuple[list[Scenario], float]:
    """Listed scenarios in which nothing has happened so far, at their probability given that; and the chance of that."""
    listed = [s for s in plan.scenarios if min(event.start_year for event in s.events) >= begin]
    sampled, quiet, share = 0.0, 0.0, 1.0
    rest = max(0.0, 1.0 - sum(s.probability for s in plan.scenarios))
    if plan.sample is not None:
        quiet = min(rest, plan.sample.quiet_probability)
        sampled = rest - quiet
        share = _untouched(plan, data, n, begin)
    else:
        quiet = rest
    chance = sum(s.probability for s in listed) + quiet + sampled * share
    if chance <= 0:
        return [], 1.0
    return [s.model_copy(update={"probability": min(1.0, s.probability / chance)}) for s in listed], chance


def _untouched(plan: Plan, data: Dataset, n: Instance, begin: float) -> float:
    """Share of the plan's draws in which nothing new has begun before a date."""
    assert plan.sample is not None
    count = CHANCES if plan.sample.draws is not None else plan.sample.scenarios
    drawn = draws(n, data, plan.sample, count, plan.sample.seed)
    begun = len(for_ever(ongoing_events(plan, data, n.calendar)))
    quiet = [all(event.start >= begin for event in events[begun:]) for events in drawn]
    return float(np.mean(quiet)) if quiet else 1.0


def _lasting(plan: Plan, happened: Sequence[HappenedRow], n: Instance) -> dict[str, float]:
    """Hazard -> date until which an event of it was in force from before the plan: those in force have no end yet."""
    end = n.calendar.first_year + n.calendar.step * n.calendar.periods
    found = {}
    for event in plan.ongoing:
        if event.hazard is not None:
            over = next(
                (r.from_year for r in happened if r.event == event.name and r.status in ("ended", "suspended")), None
            )
            found[event.hazard] = float(end if over is None else over)
    for control in plan.controls:
        if control.in_force and control.hazard is not None:
            found[control.hazard] = max(found.get(control.hazard, 0.0), control.until_year)
    return found
