"""Events of one scenario that strike the same supply at once, so that they count double."""

from __future__ import annotations

from collections.abc import Iterator

from ..data.dataset import Dataset
from ..scenarios.events import DisruptionEvent, resolver
from ..schemas.plan import Plan

Finding = tuple[str, str]
"""Place in the plan; text."""


def overlaps(plan: Plan, data: Dataset) -> Iterator[Finding]:
    """Notes on events that begin while an earlier one of the same hazard lasts, in the same countries and on the same materials.

    Events that are the same in everything are told as such elsewhere.
    """
    resolved = resolver(plan, data)
    for n, scenario in enumerate(plan.scenarios):
        events = [resolved(event) for event in scenario.events]
        order = sorted(range(len(events)), key=lambda k: (events[k].start, k))
        for at, later in enumerate(order):
            earlier = next((k for k in order[:at] if _again(events[k], events[later])), None)
            if earlier is not None and scenario.events[earlier] != scenario.events[later]:
                place, first, event = f"scenarios.{n}.events.{later}", events[earlier], events[later]
                yield (
                    place,
                    f"plan {place}: {event.label} begins in {event.start:g}, while the same of scenarios.{n}.events.{earlier} "
                    f"lasts ({first.start:g} to {_end(first):.6g}) in the same countries and on the same materials: both "
                    "apply, so their cuts and demand factors multiply",
                )


def _end(event: DisruptionEvent) -> float:
    """The year in which a cut ends."""
    return event.start + event.flood + event.duration


def _again(first: DisruptionEvent, event: DisruptionEvent) -> bool:
    """Whether an event is of the hazard of an earlier one, of some of its materials and countries, and begins while that lasts."""
    return (
        event.label == first.label
        and event.start < _end(first)
        and _share(event.countries, first.countries)
        and _share(event.materials, first.materials)
    )


def _share(one: str, other: str) -> bool:
    """Whether two lists have a name in common; `*` has all."""
    names, others = set(one.split()), set(other.split())
    return "*" in names | others or not names.isdisjoint(others)
