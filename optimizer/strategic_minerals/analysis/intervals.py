"""What an item is at the values of a figure, and the intervals that this makes of the figure's range."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

State = Literal[
    "built by its owner",
    "built by its owner and supported",
    "chosen",
    "not chosen",
    "cannot be chosen",
    "as good with as without",
    "no plan",
    "not known",
]
IN = ("chosen", "built by its owner and supported")
"""States in which the plan has the item."""
OUT = ("not chosen", "cannot be chosen", "built by its owner")
TIED: Final = "as good with as without"


@dataclass(frozen=True)
class Point:
    """An item at one value of a figure."""

    value: float
    state: State
    cost: float
    """What having it costs the main aim [million USD], negative where it is chosen; NaN where nothing was solved."""
    why: str
    """Of a state that needs a reason, and of floors that bring nothing."""


@dataclass(frozen=True)
class Interval:
    """Neighbouring values with one state; the switch to the next interval lies between its end and the other's start."""

    state: State
    start: float
    end: float
    why: str


CLOSER = "A smaller gap may separate the two"
NO_SLACK = "Later aims may use what lies between the two: `objective.stage_slack` of 0 may separate them"
"""Advice where with and without are as good."""


@dataclass(frozen=True)
class BreakEven:
    """The whole picture of an item over a figure."""

    figure: str
    unit: str
    base: float
    chosen: bool
    """At the base value."""
    stands_at: float
    """Value nearest to the flip at which the plan still has the item, or has it not, as at the base value."""
    flips_at: float
    """Value nearest to the base one at which it is the other way; NaN where it is nowhere in the range."""
    proved: bool
    """Whether no more than the width asked for lies between the two, beyond the gap of the solves on both sides."""
    solves: int
    note: str
    low: float
    """Least value tried; below it plan and tables refuse the figure where `below` says so."""
    high: float
    switches: int
    intervals: tuple[Interval, ...]
    below: str
    above: str
    cheapest: Point | None
    """Of the values solved at which it is not chosen, the one at which having it costs least."""
    idle: tuple[Interval, ...]
    """Values at which it is not chosen, by the reason for which a floor brings nothing there; an empty one where it does."""
    advice: str = CLOSER
    """What may tell with and without apart where they are as good."""

    @property
    def flips(self) -> bool:
        """Whether the plan has the item at some values of the range and not at others."""
        return not math.isnan(self.flips_at)
