"""What happened in the years that are over, as the next plan has it: events in force, lifted, announced, suspended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..core.errors import Fault, InputError, near_miss
from ..data.dataset import Dataset
from ..schemas.plan import Plan
from ..schemas.plan_sections import Event, Scenario
from ..schemas.state_sections import Ongoing
from .files import HappenedRow

OVER = ("suspended", "ended")
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


def check_events(plan: Plan, data: Dataset, happened: Sequence[HappenedRow], until: float) -> None:
    """Refuse rows that the next plan could not mean. until: date by which what is in force has to have begun. Raises InputError."""
    file = HappenedRow.file
    known = {item.name for group in (plan.ongoing, plan.controls, plan.scenarios) for item in group}
    begun = {row.event for row in happened if row.status == "in force"}
    hazards = [row.hazard for row in data.rows("hazards")]
    materials = [row.material for row in data.rows("materials")]
    faults = []
    for line, row in enumerate(happened, start=2):

        def fault(column: str, found: object, expected: str, line: int = line) -> None:
            faults.append(Fault(file, str(line), column, f"'{found}'", expected))

        if row.hazard is not None and row.hazard not in hazards:
            fault("hazard", row.hazard, f"a hazard of hazards.csv{near_miss(row.hazard, hazards)}")
        for name in (row.materials or "").split():
            if name != "*" and name not in materials:
                fault("materials", name, f"materials of the tables{near_miss(name, materials)}")
        if row.status in OVER and row.probability is None and row.event not in known | begun:
            what = "an event in force, a control or a scenario of the plan"
            fault("event", row.event, f"{what}{near_miss(row.event, known | begun)}")
        if row.status == "in force" and row.from_year is not None and row.from_year >= until:
            fault("from_year", f"{row.from_year:g}", f"a date before {until:g}; what is to begin later is `announced`")
    expected = sum(row.probability or 0.0 for row in happened if row.status in ("announced", "suspended"))
    if expected > 1:
        faults.append(Fault(file, "", "probability", f"{expected:g} in all", "at most 1: one scenario happens at most"))
    if faults:
        raise InputError(faults)


def lifted(name: str, happened: Iterable[HappenedRow]) -> bool:
    """Whether a measure or event is in force no more."""
    return any(row.event == name and row.status in OVER for row in happened)


def in_force(plan: Plan, happened: Sequence[HappenedRow]) -> tuple[Ongoing, ...]:
    """Events in force: those from before that were not lifted, and those that began."""
    begun = {row.event for row in happened if row.status == "in force"}
    kept = [event for event in plan.ongoing if not lifted(event.name, happened) and event.name not in begun]
    for row in happened:
        if row.status == "in force" and not lifted(row.event, happened):
            cells = {name: getattr(row, name) for name in (*EVENT_FIELDS, "remaining_years")}
            stated: dict[str, Any] = {name: value for name, value in cells.items() if value is not None}
            if row.hazard is None:  # nobody knows its whole length
                stated.setdefault("duration_years", row.remaining_years)
            kept.append(Ongoing.model_validate({"name": row.event, "start_year": row.from_year, **stated}))
    return tuple(kept)


def to_come(happened: Sequence[HappenedRow], begin: float) -> tuple[Scenario, ...]:
    """Scenarios of what was announced, and of what was suspended and may come back. begin: earliest date of an event."""
    found = []
    for row in happened:
        if row.status in ("announced", "suspended") and row.probability and row.from_year is not None:
            stated = {name: getattr(row, name) for name in EVENT_FIELDS if getattr(row, name) is not None}
            event = Event.model_validate({**stated, "start_year": max(begin, row.from_year)})
            found.append(Scenario(name=row.event, probability=row.probability, events=(event,)))
    return tuple(found)


def lasting(plan: Plan, happened: Sequence[HappenedRow], end: float) -> dict[str, float]:
    """Hazard -> date until which an event of it was in force from before the plan. end: date for those that go on."""
    found: dict[str, float] = {}
    for event in plan.ongoing:
        if event.hazard is None or event.start_year >= plan.horizon.first_year:
            continue
        over = [r.from_year for r in happened if r.event == event.name and r.status in OVER and r.from_year is not None]
        dates = [date for date in (*over, event.ended_year) if date is not None]
        found[event.hazard] = max(found.get(event.hazard, 0.0), min(dates, default=end))
    for control in plan.controls:
        if control.in_force and control.hazard is not None:
            found[control.hazard] = max(found.get(control.hazard, 0.0), control.until_year)
    return found
