"""Bisection: brackets between a value at which something fails and one at which it holds, halved until they are narrow enough."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise


def bracket(
    holds: Callable[[float], bool],
    fails_at: float,
    holds_at: float,
    *,
    halvings: int | None = None,
    narrow: Callable[[float, float], bool] | None = None,
) -> tuple[float, float]:
    """(value at which `holds` is false, value at which it is true), after so many halvings or as soon as `narrow` accepts the pair.

    The two ends may come in either order, and `holds` is not asked at them. One of `halvings` and `narrow` has to be given.
    """
    assert (halvings is None) != (narrow is None)
    done = 0
    while done < halvings if halvings is not None else not (narrow and narrow(fails_at, holds_at)):
        middle = (fails_at + holds_at) / 2
        fails_at, holds_at = (fails_at, middle) if holds(middle) else (middle, holds_at)
        done += 1
    return fails_at, holds_at


def brackets(
    holds: Callable[[list[float]], Sequence[bool]], pairs: Sequence[tuple[float, float]], halvings: int
) -> list[tuple[float, float]]:
    """As `bracket`, for many pairs at once: each round asks for all their middles together."""
    found = list(pairs)
    for _ in range(halvings):
        middles = [(fails_at + holds_at) / 2 for fails_at, holds_at in found]
        answers = zip(found, middles, holds(middles), strict=True)
        found = [(pair[0], middle) if held else (middle, pair[1]) for pair, middle, held in answers]
    return found


def midpoints(known: Sequence[float], differ: Callable[[float, float], bool], width: float) -> list[float]:
    """The values half-way between neighbours that differ and lie more than `width` from each other: what to try next."""
    return [(a + b) / 2 for a, b in pairwise(sorted(known)) if b - a > width and differ(a, b)]


def first_switch(
    state: Callable[[float], bool],
    now: float,
    at_now: bool,
    tried: Sequence[float],
    narrow: Callable[[float, float], bool],
) -> float:
    """The value nearest to `now` at which `state` changes, among intervals between values tried; NaN where it changes nowhere."""
    found: list[float] = []
    for side in (sorted(v for v in tried if v > now), sorted((v for v in tried if v < now), reverse=True)):
        for inside, outside in pairwise([now, *side]):
            if state(outside) != at_now:
                found.append(sum(bracket(lambda value: state(value) != at_now, inside, outside, narrow=narrow)) / 2)
                break
    return min(found, key=lambda value: abs(value - now), default=math.nan)
