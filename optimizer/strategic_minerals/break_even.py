"""The value of a figure at which an item of the plan would be chosen instead of rejected, or rejected instead of chosen.

Found by re-solves: at every value tried the question is solved twice, with the item held in and held out; the better one is what
the plan would do. The bracket is narrowed between a value at which the plan stands and one at which it flips.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .dataset import Dataset
from .errors import InfeasibleError, ReserveError
from .forcing import Hold, Item
from .plan import Plan
from .session import Session
from .worlds import Drawn

TOLERANCE = 0.05
"""Width of a bracket, relative to the figure's own value, or to its range where that is 0."""
ROUNDING = 1e-6
"""Relative difference of two aims that says nothing."""
MOST_TRIES = 12
"""Values tried for one figure."""
BESIDE = 0.45
"""Share of the width wanted at which values beside an undecided one are tried."""
EDGE = 0.1
"""Share of a bracket at either end that a next try keeps away from."""


@dataclass(frozen=True)
class Figure:
    """What is varied: a value, or a factor on several."""

    name: str
    """capex, premium, floor level, hazard rate, loss value, fee."""
    addresses: tuple[str, ...]
    """Fields and cells (`axes`) that get the value."""
    base: float
    low: float
    high: float
    unit: str
    helps: int
    """+1: a larger value speaks for the item; -1: against; 0: either."""

    named: str = ""
    """How a value stands in the item's own name, with {value} in its place; empty where it does not."""

    def changes(self, value: float) -> dict[str, Any]:
        """Values by address."""
        return dict.fromkeys(self.addresses, value)

    def item(self, item: Item, value: float) -> Item:
        """The item as it is called at a value."""
        return replace(item, name=self.named.format(value=f"{value:g}")) if self.named else item

    def told(self, value: float) -> float:
        """A value as it can stand in a name."""
        return float(f"{value:g}") if self.named else value


@dataclass(frozen=True)
class BreakEven:
    """Where an item flips."""

    figure: str
    unit: str
    base: float
    chosen: bool
    """At the base value."""
    stands_at: float
    """Value nearest to the flip at which the item is still what it is at the base value."""
    flips_at: float
    """Value nearest to it at which it is not; NaN where it flips nowhere up to `stands_at`."""
    proved: bool
    """Whether on both sides the better choice is better by more than the gap of the solves."""
    solves: int
    note: str = ""

    @property
    def flips(self) -> bool:
        """Whether it flips at all within the range."""
        return not math.isnan(self.flips_at)


@dataclass
class Pair:
    """Two sessions that answer with an item in and out, at values of one figure."""

    plan: Plan
    data: Dataset
    item: Item
    gap: float
    time_limit_s: float
    edit: Callable[[Plan, Dataset, Mapping[str, Any]], tuple[Plan, Dataset]]
    held: Drawn | None
    threads: int = 0
    solves: int = 0
    _sessions: dict[bool, Session] = field(default_factory=dict)

    def better(self, figure: Figure, value: float) -> tuple[float, bool]:
        """(what having the item costs [million USD], negative where it is chosen; whether that is beyond the gap)."""
        value = figure.told(value)
        plan, data = self.edit(self.plan, self.data, figure.changes(value))
        item = figure.item(self.item, value)
        inside, outside = self._solved(plan, data, item, True), self._solved(plan, data, item, False)
        if inside is None or outside is None:  # no plan with it, or none without
            return (math.inf if inside is None else -math.inf), True
        (_, z_in, bound_in, _), (_, z_out, bound_out, _) = inside, outside
        room = ROUNDING * (1 + max(abs(z_in), abs(z_out)))
        return z_in - z_out, z_in < bound_out - room or z_out < bound_in - room

    def _solved(self, plan: Plan, data: Dataset, item: Item, inside: bool) -> tuple[str, float, float, float] | None:
        """Main aim of the variant with the item held; None where no plan keeps to that."""
        self.solves += 1
        fresh = Session(gap=self.gap, held=self.held, threads=self.threads)
        session = self._sessions.setdefault(inside, fresh)
        try:
            answer = session.answer(plan, data, hold=Hold(item, inside), time_limit_s=self.time_limit_s)
        except InfeasibleError:
            return None
        except KeyError:  # the variant has no such item: it cannot be in
            if inside:
                return None
            return session.answer(plan, data, time_limit_s=self.time_limit_s).outcome.stages[0]
        return answer.outcome.stages[0]


def find_break_even(pair: Pair, figure: Figure, chosen: bool, tolerance: float = TOLERANCE) -> BreakEven:
    """Look for the nearest flip: at the end of the range first, then between. chosen: whether the plan has the item.

    What goes wrong on the way is told in the note, also that the item is as good in as out to begin with.
    """
    before = pair.solves

    def nothing(note: str) -> BreakEven:
        return BreakEven(figure.name, figure.unit, figure.base, chosen, figure.base, math.nan, False, pair.solves - before, note)

    try:
        cost, proved = pair.better(figure, figure.base)
    except ReserveError as error:
        return nothing(f"not found: {_short(error)}")
    if (cost < 0) != chosen:
        return nothing("as good with it as without, within the gap of the solves: ask for a smaller gap")
    width = tolerance * (abs(figure.base) or figure.high - figure.low)
    against = figure.low if figure.helps > 0 else figure.high  # the end that speaks against the item
    favours = figure.high if figure.helps > 0 else figure.low
    found: list[BreakEven] = []
    for end in (against, favours) if chosen else (favours, against):
        try:
            found.append(_toward(pair, figure, end, (cost, proved), width, before))
        except ReserveError as error:
            found.append(nothing(f"not found: {_short(error)}"))
        if figure.helps and found[-1].flips:
            break  # where it flips the way one expects, the other end is not asked
    flipping = [one for one in found if one.flips]
    return min(flipping, key=lambda one: abs(one.flips_at - figure.base), default=found[0])


def _short(error: ReserveError) -> str:
    """The last line of an error: of faults, the fault itself."""
    return str(error).splitlines()[-1].strip()


def _toward(pair: Pair, figure: Figure, end: float, at_base: tuple[float, bool], width: float, before: int) -> BreakEven:
    """The flip between the base value and one end, by false position kept away from the ends of the bracket.

    Where it hits a value at which both are as good, the two values nearly half a width beside it say more.
    """
    near, far, chosen = (figure.base, *at_base), (end, *pair.better(figure, end)), at_base[0] < 0

    def told(stands: float, flips: float, proved: bool) -> BreakEven:
        return BreakEven(figure.name, figure.unit, figure.base, chosen, stands, flips, proved, pair.solves - before)

    if (far[1] < 0) == chosen:
        return told(end, math.nan, far[2])
    for _ in range(MOST_TRIES):
        if abs(far[0] - near[0]) <= width:
            break
        share = 0.5
        if math.isfinite(near[1]) and math.isfinite(far[1]):
            share = min(1 - EDGE, max(EDGE, near[1] / (near[1] - far[1])))
        value = figure.told(near[0] + share * (far[0] - near[0]))
        tried = [(value, *pair.better(figure, value))]
        undecided = not tried[0][2]
        if undecided:
            beside = [figure.told(value + BESIDE * width * math.copysign(1.0, side - value)) for side in (near[0], far[0])]
            inside = [v for v in beside if min(near[0], far[0]) < v < max(near[0], far[0])]
            tried = [(v, *pair.better(figure, v)) for v in inside]
        for point in tried:
            if (point[1] < 0) == chosen:
                near = point
            else:
                far = point
        if undecided:
            break
    return told(near[0], far[0], near[2] and far[2])
