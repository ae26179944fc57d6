"""Sections of a plan about living through it: events that have begun, rules of drawdown and refill."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from .base import Key, Positive, Section, Share
from .columns import Column
from .plan_sections import DecimalYear, Event, Selection


class Ongoing(Event):
    """A disruption that has begun before the plan and of which nobody knows when it ends.

    Baseline course: it goes on. Every scenario draws its end, from the law of its hazard given how long it has lasted, or around
    `remaining_years`; the end is then what happens to its materials. What it cuts is what it cuts today: a profile is followed at
    the stated stretch, and its last cut holds.
    """

    name: Key
    """What the plan calls it."""
    remaining_years: Annotated[Positive, Column(low=0.02, high=15)] | None = None
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


class StockRule(Section):
    """When a law lets a stock be released, to whom, at what price, and when it has to be filled again."""

    material: Key
    from_lost_share: Annotated[Share, Column(low=0.005)] = 0.0
    """It may be released only in a period in which at least this share of the usual supply of its sources does not arrive; 0: in
    any shortage."""
    segments: Selection = ("*",)
    """Segments that it may serve: no more is released than they want in the period."""
    resale_share: Annotated[Share, Column(low=0.05)] | None = None
    """Share of the market price that users pay for a released tonne; unset: that of the table of materials."""
    refill_within_years: Annotated[float, Field(gt=0, le=40), Column(low=0.25, high=15)] | None = None
    """Years after the last event on it by whose end the stock is back; unset: no duty."""
    refill_share: Annotated[Share, Column(low=0.05)] = 1.0
    """Share of the stock before the event to which it has to be back, what decays in between counted."""
