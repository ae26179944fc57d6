"""What events do to prices in each of two markets: the audit's own reckoning, in plain loops (formulation sections 2 and 13).

Nothing of the scenarios' own arithmetic is used; events are taken as they were drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..core.arrays import Floats
from ..instance.instance import Instance
from ..scenarios.events import DisruptionEvent

Steps = Sequence[tuple[float, float, float]]


def prices_by_market(n: Instance, events: Sequence[DisruptionEvent]) -> tuple[Floats, Floats]:
    """(I, T) twice: prices inside and outside in one scenario  [million USD/t]: the largest rise times the deepest fall."""
    T, D = n.calendar.periods, n.calendar.step
    inside, outside = np.empty((len(n.materials), T)), np.empty((len(n.materials), T))
    for i, name in enumerate(n.materials):
        struck = [e for e in events if name in e.materials.split() or "*" in e.materials.split()]
        for t in range(T):
            opens = n.calendar.first_year + D * t
            factors = [(1.0, 1.0), *(pair for e in struck for pair in _factors(e, name, opens, opens + D))]
            falls = min(min(a, 1.0) for a, _ in factors)
            inside[i, t] = n.price[i, t] * max(a for a, _ in factors) * falls
            outside[i, t] = n.price[i, t] * max(b for _, b in factors) * falls
    return inside, outside


def _factors(event: DisruptionEvent, name: str, opens: float, closes: float) -> list[tuple[float, float]]:
    """(inside, outside) means over a period of what a flood, and then a cut, multiply a price by."""
    begin = event.start + event.flood
    flood = 1 + (event.flood_price - 1) * _share(event.start, begin, opens, closes)
    profile = event.profile
    if profile is None or name not in profile.priced:
        cut = 1 + (event.price**event.direct_severity - 1) * _share(begin, begin + event.duration, opens, closes)
        return [(flood, flood), (cut, cut)]
    here, there = dict(profile.inside).get(name, ()), dict(profile.outside).get(name)
    turns = sorted(
        {begin + event.stretch * edge for steps in (here, there or ()) for a, b, _ in steps for edge in (a, b)}
    )
    low = high = 1.0
    most = next(highest for of, highest in profile.highest if of == name)
    for a, b in pairwise(turns):
        age = ((a + b) / 2 - begin) / event.stretch
        lower = _raised(_at(here, age), event.direct_severity, most)
        upper = lower if there is None else max(lower, _raised(_at(there, age), event.direct_severity, most))
        share = _share(a, b, opens, closes)
        low, high = low + (lower - 1) * share, high + (upper - 1) * share
    return [(flood, flood), (low, high)]


def _share(begin: float, end: float, opens: float, closes: float) -> float:
    return max(0.0, min(end, closes) - max(begin, opens)) / (closes - opens)


def _at(steps: Steps, age: float) -> float:
    found = [multiple for a, b, multiple in steps if a <= age < b]
    return found[0] if found else 1.0


def _raised(multiple: float, severity: float, highest: float) -> float:
    return float(min(multiple**severity, max(highest, multiple)))
