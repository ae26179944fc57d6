"""What events do to prices in each of two markets, inside their countries and outside (formulation sections 2 and 13).

Several events in one scenario combine market by market: the largest rise times the deepest fall.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..core.arrays import Floats, Ints
from ..instance.calendar import overlap
from ..instance.instance import Instance
from .events import DisruptionEvent
from .profiles import HazardProfile, Steps


class EventPrices:
    """Factors on trunk prices, (S, I, T) in each market, gathered event by event."""

    def __init__(self, instance: Instance, scenarios: int) -> None:
        shape = scenarios, len(instance.materials), instance.calendar.periods
        self._instance = instance
        self._inside, self._outside, self._fall = np.ones(shape), np.ones(shape), np.ones(shape)

    def strike(self, s: Ints, hit: Ints, profile: HazardProfile | None, events: Sequence[DisruptionEvent]) -> None:
        """Add events of the same materials and profile. s: (n,) scenario of each; hit: materials that they name."""
        calendar, at = self._instance.calendar, (s[:, None], hit)
        start = np.array([event.start for event in events])
        begin = start + [event.flood for event in events]
        until = begin + [event.duration for event in events]
        flat = np.array([event.price**event.direct_severity for event in events])
        cut = 1 + (flat[:, None] - 1) * overlap(calendar, begin, until)
        flood = 1 + (np.array([event.flood_price for event in events])[:, None] - 1) * overlap(calendar, start, begin)
        inside = np.repeat(cut[:, None, :], len(hit), axis=1)
        outside = inside.copy()
        if profile is not None and profile.priced:
            severity, stretch = (
                np.array([event.direct_severity for event in events]),
                np.array([event.stretch for event in events]),
            )
            for n, i in enumerate(hit):
                name = self._instance.materials[i]
                if name in profile.priced:
                    quoted = self._means(profile, name, begin, severity, stretch)
                    inside[:, n], outside[:, n] = quoted
        np.maximum.at(self._inside, at, inside)
        np.maximum.at(self._outside, at, outside)
        for factor in (inside, flood[:, None, :]):
            np.minimum.at(self._fall, at, factor)
            np.maximum.at(self._inside, at, factor)
            np.maximum.at(self._outside, at, factor)

    def _means(
        self, profile: HazardProfile, name: str, begin: Floats, severity: Floats, stretch: Floats
    ) -> tuple[Floats, Floats]:
        """(n, T) twice: mean over each period of min(multiple(a / z) ** x, highest of the material) inside, and outside, where at
        no moment it is less than inside."""
        calendar, here, there = (
            self._instance.calendar,
            dict(profile.inside).get(name, ()),
            dict(profile.outside).get(name),
        )
        most = dict(profile.highest)[name]
        edges = sorted({edge for a, b, _ in (*here, *(there or ())) for edge in (a, b)})
        inside = np.ones((len(begin), calendar.periods))
        outside = inside.copy()
        for a, b in pairwise(edges):
            low = _raised(multiple_at(here, a, b), severity, most)
            high = low if there is None else np.maximum(low, _raised(multiple_at(there, a, b), severity, most))
            share = overlap(calendar, begin + stretch * a, begin + stretch * b)
            inside += (low - 1)[:, None] * share
            outside += (high - 1)[:, None] * share
        return inside, outside

    @property
    def price(self) -> Floats:
        """(S, I, T) price inside, in the instance's units."""
        return np.asarray(self._instance.price * self._inside * self._fall)

    @property
    def gap(self) -> Floats:
        """(S, I, T) price outside as a multiple of that inside, 1 or more."""
        return np.asarray(self._outside / self._inside)


def multiple_at(steps: Steps, begin: float, end: float) -> float:
    """The multiple of a step function between two neighbouring edges; 1 where it has no step."""
    return next((multiple for a, b, multiple in steps if a <= begin and end <= b), 1.0)


def _raised(multiple: float, severity: Floats, highest: float) -> Floats:
    return np.asarray(np.minimum(multiple**severity, max(highest, multiple)))
