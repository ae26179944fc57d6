"""Patient rule induction (PRIM): the box, a range of each of a few inputs, in which failures are frequent.

Peeling takes one end after the other off all rows, a small share at a time, the one with fewest failures first (Friedman and
Fisher 1999); of the boxes on this path one is chosen by what it covers and how dense it is (Bryant and Lempert 2010). Then each
of its ends moves, in or out, to where the measure is best (pasting, in both directions), and limits that luck may explain are
dropped.

Ends lie between two values that occur. The search counts values by their ranks, so that ties, steps of a grid and yes or no are
treated alike; of ends of unequal size that with the smallest share of failures goes first, not the largest gain (Kwakkel and
Jaxa-Rozen 2016).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import binom, hypergeom

from ..core.arrays import Bools, Floats, Ints

PEELED = 0.05
"""Share of the rows in a box that one step takes off (Friedman and Fisher's alpha)."""
LEAST_MASS = 0.05
"""Share of all rows that a box holds at least; where fewer than twice as many fail, half of those that fail."""
LEAST_ROWS = 5
"""Rows that a box holds at least."""
LUCK = 0.05
"""Probability by luck above which a limit is dropped, and a box is not confirmed."""
MOST_TRIED = 12
"""Boxes of the path that are tried where luck may explain the better ones."""
MOST_ROUNDS = 20
"""Rounds in which ends move; each makes the measure better, and few are needed."""


@dataclass(frozen=True, eq=False)
class Limits:
    """A box: of each column the values above `low` and below `high`; NaN where there is no limit."""

    low: Floats
    """(columns,)"""
    high: Floats
    """(columns,)"""

    def hold(self, values: Floats) -> Bools:
        """(rows,) which rows lie in the box. values: (rows, columns)."""
        return np.asarray(~((values <= self.low) | (values >= self.high)).any(axis=1))

    @property
    def ends(self) -> list[tuple[int, int]]:
        """(column, side) of every limit; side 0: from below, 1: from above."""
        pair = np.stack([self.low, self.high], axis=1)
        return [(int(column), int(side)) for column, side in np.argwhere(~np.isnan(pair))]

    def without(self, column: int, side: int) -> Limits:
        """The same box with one limit less."""
        pair = self.low.copy(), self.high.copy()
        pair[side][column] = math.nan
        return Limits(*pair)


@dataclass(frozen=True)
class Step:
    """A box on the path of peeling."""

    limits: Limits
    column: int
    """What was peeled last; -1 where nothing was."""
    side: int
    rows: int
    """Rows in the box."""
    failures: int
    """Those of them that fail."""


@dataclass(frozen=True)
class FoundBox:
    """What a search ends with."""

    limits: Limits
    path: tuple[Step, ...]
    """From all rows to the smallest box."""
    chosen: int
    """Place on the path from which the limits came."""


@dataclass(frozen=True)
class Measure:
    """How good a box is."""

    least_coverage: float | None = None
    """None: harmonic mean of coverage and density. A share: density, of boxes that cover so much at least."""

    def of(self, rows: Any, failures: Any, all_failures: int) -> Any:
        """Larger is better. rows, failures: numbers, or arrays of them, in the box."""
        rows, failures = np.asarray(rows, dtype=float), np.asarray(failures, dtype=float)
        if self.least_coverage is None:
            return 2 * failures / np.maximum(1.0, rows + all_failures)
        density = failures / np.maximum(1.0, rows)
        covered = failures / max(1, all_failures)
        return np.where(covered >= self.least_coverage - 1e-12, 1 + density, covered / 2)  # beside enough, none counts


def find_box(values: Floats, failed: Bools, measure: Measure) -> FoundBox:
    """A box that describes failures, and the path of peeling; without limits where luck may explain every one.

    It begins with the box on the path that measures best; where luck may explain all of its limits, with the next best.

    values: (rows, columns), finite or infinite. failed: (rows,).
    """
    ranks = _Ranks(values)
    path = list(_peeled(ranks, failed))
    total = int(failed.sum())
    scores = measure.of([s.rows for s in path], [s.failures for s in path], total)
    best_first = np.argsort(-scores, kind="stable").tolist()  # the first of equals has fewest limits
    box, chosen = path[0], best_first[0]
    tried: set[bytes] = set()
    for number in best_first:
        if scores[number] <= scores[0] or len(tried) >= MOST_TRIED:  # no better than all rows
            break
        found = _moved(ranks, path[number], failed, measure)
        same = found.low.tobytes() + found.high.tobytes()
        if same in tried:
            continue
        tried.add(same)
        while (lucky := _luckiest(ranks, found, failed)) is not None:
            found = _moved(ranks, found.opened(ranks, *lucky), failed, measure)
        if ranks.ends(found):
            box, chosen = found, number
            break
    steps = tuple(Step(ranks.limits(s), s.column, s.side, s.rows, s.failures) for s in path)
    return FoundBox(ranks.limits(box), steps, chosen)


def quasi_p(values: Floats, failed: Bools, limits: Limits, column: int, side: int) -> float:
    """Probability that a limit cuts off so few failures, or fewer, by luck: that of as many rows, each failing as often as those of
    the box without this limit, as many fail as in the box (Bryant and Lempert 2010)."""
    inside, wider = limits.hold(values), limits.without(column, side).hold(values)
    return _by_luck(int(inside.sum()), int(failed[inside].sum()), int(wider.sum()), int(failed[wider].sum()))


def chance(inside: Bools, failed: Bools) -> float:
    """Probability that as many rows, picked blindly, hold as many failures as a box (hypergeometric); 1 where it is empty."""
    return float(hypergeom.sf(int(failed[inside].sum()) - 1, len(failed), int(failed.sum()), int(inside.sum())))


def roundest(above: float, below: float) -> float:
    """The number strictly between two that takes fewest digits to write, near their middle; one of the two may be infinite."""
    if math.isinf(above) and math.isinf(below):
        return 0.0
    if math.isinf(below):
        return float(math.floor(above) + 1)
    if math.isinf(above):
        return float(math.ceil(below) - 1)
    middle = (above + below) / 2
    for digits in range(-math.ceil(math.log10(max(abs(above), abs(below), 1e-300))), 17):
        found = round(middle, digits)
        if above < found < below:
            return float(found) + 0.0
    return middle


def _by_luck(rows: int, failures: int, wider_rows: int, wider_failures: int) -> float:
    return float(binom.sf(failures - 1, rows, wider_failures / wider_rows)) if wider_rows else 1.0


@dataclass(frozen=True, eq=False)
class _Box:
    """A box in ranks, both ends inside."""

    low: Ints
    high: Ints
    column: int = -1
    side: int = 0
    rows: int = 0
    failures: int = 0

    def opened(self, ranks: _Ranks, column: int, side: int) -> _Box:
        """The same with one limit less."""
        ends = self.low.copy(), self.high.copy()
        ends[side][column] = (0, ranks.last[column])[side]
        return replace(self, low=ends[0], high=ends[1])


class _Ranks:
    """Values by their ranks among those that occur."""

    def __init__(self, values: Floats) -> None:
        found = [np.unique(column, return_inverse=True) for column in values.T]
        self.known = [known for known, _ in found]
        self.at = (
            np.stack([at for _, at in found], axis=1).astype(np.int64) if found else np.zeros(values.shape, np.int64)
        )
        self.last = np.array([len(known) - 1 for known in self.known], dtype=np.int64)

    def all(self, failed: Bools) -> _Box:
        """Every row."""
        return _Box(np.zeros_like(self.last), self.last.copy(), rows=len(failed), failures=int(failed.sum()))

    def inside(self, box: _Box, but: int = -1) -> Bools:
        """(rows,) which rows lie in a box, or would without the limits of the column `but`."""
        hold = (self.at >= box.low) & (self.at <= box.high)
        if but >= 0:
            hold[:, but] = True
        return np.asarray(hold.all(axis=1))

    def ends(self, box: _Box) -> list[tuple[int, int]]:
        """(column, side) of every limit."""
        pair = np.stack([box.low > 0, box.high < self.last], axis=1)
        return [(int(column), int(side)) for column, side in np.argwhere(pair)]

    def limits(self, box: _Box | Any) -> Limits:
        """In values: the roundest numbers between the last value left out and the first one kept."""
        low, high = np.full(len(self.last), math.nan), np.full(len(self.last), math.nan)
        for column, side in self.ends(box):
            known = self.known[column]
            if side == 0:
                low[column] = roundest(float(known[box.low[column] - 1]), float(known[box.low[column]]))
            else:
                high[column] = roundest(float(known[box.high[column]]), float(known[box.high[column] + 1]))
        return Limits(low, high)


def _peeled(ranks: _Ranks, failed: Bools) -> Iterator[_Box]:
    """Boxes from all rows to the smallest one, each without a slab of the one before."""
    rows, failures = len(failed), int(failed.sum())
    least = max(LEAST_ROWS, math.ceil(min(LEAST_MASS * rows, failures / 2)))
    box, inside = ranks.all(failed), np.ones(rows, dtype=bool)
    while True:
        yield box
        best: tuple[float, _Box] | None = None
        here, bad = ranks.at[inside], failed[inside]
        mean = bad.mean() if len(bad) else 0.0
        for column, side, low, high, cut in _slabs(box, here, ranks.last):
            count = int(cut.sum())
            if len(bad) - count < least:
                continue
            share = (bad[cut].sum() + mean) / (count + 1)  # a row at the mean beside it: a slab of few says little
            if best is None or share < best[0] - 1e-12:
                ends = box.low.copy(), box.high.copy()
                ends[0][column], ends[1][column] = low, high
                kept = int(bad.sum() - bad[cut].sum())
                best = share, _Box(ends[0], ends[1], column, side, len(bad) - count, kept)
        if best is None or box.failures == 0 or box.failures == box.rows:
            return
        box = best[1]
        inside = ranks.inside(box)


def _slabs(box: _Box, here: Ints, last: Ints) -> Iterator[tuple[int, int, int, int, Bools]]:
    """(column, side, low, high, rows taken off) of every end of a box that can be peeled. here: ranks of the rows in the box."""
    size = max(1, int(PEELED * len(here)))
    ordered = np.sort(here, axis=0)
    for column in range(len(last)):
        found, low, high = ordered[:, column], int(box.low[column]), int(box.high[column])
        first, final = int(found[0]), int(found[-1])
        if first == final:
            continue
        edge = max(int(found[size]), int(found[np.searchsorted(found, first, side="right")]))
        yield column, 0, edge, high, here[:, column] < edge
        edge = min(int(found[-1 - size]), int(found[np.searchsorted(found, final, side="left") - 1]))
        yield column, 1, low, edge, here[:, column] > edge


def _moved(ranks: _Ranks, box: _Box, failed: Bools, measure: Measure) -> _Box:
    """The box with each of its limits where the measure is best while the others stay, again and again until none moves."""
    total = int(failed.sum())
    inside = ranks.inside(box)
    box = replace(box, rows=int(inside.sum()), failures=int(failed[inside].sum()))
    for _ in range(MOST_ROUNDS):
        before = box
        for column, side in ranks.ends(box):
            box = _best_end(ranks, box, column, side, failed, measure, total)
        if np.array_equal(box.low, before.low) and np.array_equal(box.high, before.high):
            break
    return box


def _best_end(ranks: _Ranks, box: _Box, column: int, side: int, failed: Bools, measure: Measure, total: int) -> _Box:
    """The box with one limit where the measure is best; where it is if no place is better."""
    other = ranks.inside(box, but=column)
    at = ranks.at[other, column]
    size = int(ranks.last[column]) + 1
    rows = np.bincount(at, minlength=size)
    failures = np.bincount(at, weights=failed[other], minlength=size)
    if side == 0:  # from each rank up to the high end
        until = int(box.high[column]) + 1
        rows, failures = rows[:until][::-1].cumsum()[::-1], failures[:until][::-1].cumsum()[::-1]
        shift = 0
    else:
        shift = int(box.low[column])
        rows, failures = rows[shift:].cumsum(), failures[shift:].cumsum()
    scores = np.where(rows >= LEAST_ROWS, measure.of(rows, failures, total), -math.inf)
    best = int(np.argmax(scores))
    if scores[best] <= measure.of(box.rows, box.failures, total) + 1e-12:
        return box
    ends = box.low.copy(), box.high.copy()
    ends[side][column] = best + shift
    return replace(box, low=ends[0], high=ends[1], rows=int(rows[best]), failures=int(failures[best]))


def _luckiest(ranks: _Ranks, box: _Box, failed: Bools) -> tuple[int, int] | None:
    """The limit that luck explains best, if it may. It was picked among both ends of all columns, which share what luck may do."""
    inside = ranks.inside(box)
    rows, failures = int(inside.sum()), int(failed[inside].sum())
    found = []
    for column, side in ranks.ends(box):
        wider = ranks.inside(box.opened(ranks, column, side))
        found.append((_by_luck(rows, failures, int(wider.sum()), int(failed[wider].sum())), column, side))
    if not found:
        return None
    worst, column, side = max(found)
    return (column, side) if worst > LUCK / (2 * len(ranks.last)) else None
