"""Sections of a plan that is made while something goes on: events that have begun, money that was kept."""

from __future__ import annotations

from pydantic import model_validator

from .base import Key, Positive
from .plan_sections import DecimalYear, Event


class Ongoing(Event):
    """A disruption that has begun before the plan and of which nobody knows when it ends.

    Baseline course: it goes on. Every scenario draws its end, from the law of its hazard given how long it has lasted, or around
    `remaining_years`; the end is then what happens to its materials. What it cuts is what it cuts today: a profile is followed at
    the stated stretch, and its last cut holds.
    """

    name: Key
    """What the plan calls it."""
    remaining_years: Positive | None = None
    """Expected further years (exponential); unset: by the law of durations of its hazard, given its age."""

    ended_year: DecimalYear | None = None
    """Date within the first period at which it is known to have ended; unset: it goes on."""

    @model_validator(mode="after")
    def _told(self) -> Ongoing:
        if self.hazard is None and self.remaining_years is None and self.ended_year is None:
            raise ValueError(
                "remaining_years, as the event has no hazard whose law of durations would say how long it may last"
            )
        return self
