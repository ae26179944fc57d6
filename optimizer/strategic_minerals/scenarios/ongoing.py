"""Events that have begun before the plan and of which nobody knows when they end (formulation section 15).

On the trunk such an event goes on for ever: what it cuts at the start of the plan, it cuts. In a scenario it ends at a date drawn
from the law of its hazard, given that it has lasted so long, and that end is what touches its materials.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..core.arrays import Floats
from ..core.units import MONTHS_PER_YEAR
from ..data.dataset import Dataset
from ..instance.calendar import Calendar
from ..schemas.plan import Plan
from .events import DisruptionEvent, hazards, profiles_of, resolve_event
from .profiles import HazardProfile, Steps, spread
from .sampling import REMAINDER_POINTS, durations

POINTS = (np.arange(REMAINDER_POINTS) + 0.5) / REMAINDER_POINTS
SHORTEST = 1 / MONTHS_PER_YEAR
"""Years that what has outlasted every expectation is believed to go on."""
UNKNOWN_MEAN_YR = 1.0
"""Expected remaining years of an event that no hazard describes: an estimate (0.5 to 2), the mean length of a licence stop."""
FAR = 1000.0
"""Years after which an event is not said to end."""


@dataclass(frozen=True)
class OngoingEvent:
    """An event in force when the plan starts."""

    event: DisruptionEvent
    """As its hazard has it."""
    row: Any
    """Of its hazard; None: none."""
    mean: float | None
    """Expected remaining years as the plan states them; None: the hazard's law."""
    over: float | None
    """Date at which it is known to have ended; None: it goes on."""
    now: float
    """Date from which on it may end [decimal fiscal year]: the second period, as every event."""

    def ends(self, u: Floats) -> Floats:
        """(n,) dates of its end at points u in (0, 1), in whole months from the start of the plan's second period."""
        if self.over is not None:
            return np.full(len(u), self.over)
        left = remaining(self.event, self.row, self.now, u, self.mean)
        return np.asarray(self.now + np.round(left * MONTHS_PER_YEAR) / MONTHS_PER_YEAR)

    @property
    def expected_end(self) -> float:
        """Date of its end as expected at the start."""
        return float(self.ends(POINTS).mean())

    def until(self, end: float) -> DisruptionEvent:
        """The event, ending at a date."""
        return lasting_until(self.event, end)


def ongoing_events(plan: Plan, data: Dataset, calendar: Calendar) -> tuple[OngoingEvent, ...]:
    """Events in force at the start of a plan, in its order."""
    rows, shaped = hazards(plan, data), profiles_of(plan, data)
    return tuple(
        OngoingEvent(
            resolve_event(event, rows.get(event.hazard or ""), shaped.get(event.hazard or "")),
            rows.get(event.hazard or ""),
            event.remaining_years,
            event.ended_year,
            calendar.first_year + calendar.step,
        )
        for event in plan.ongoing
    )


def remaining(event: DisruptionEvent, row: Any, now: float, u: Floats, mean: float | None = None) -> Floats:
    """(n,) further years from `now` of an event that has begun, at points u in (0, 1) of what its law still leaves.

    The law of the hazard's durations, or with a profile of its stretch, given the age of the cut; exponential about `mean` where
    that is stated, and without a hazard. A flood that lasts goes on until its date, and the cut that follows has its whole law.
    """
    begin = event.start + event.flood
    lasted, wait = max(0.0, now - begin), max(0.0, begin - now)
    if mean is not None or row is None:
        return wait - np.log1p(-u) * (UNKNOWN_MEAN_YR if mean is None else mean)
    if event.profile is not None:
        whole = event.profile.length * spread(row.stretch_p05, row.stretch_p95, POINTS)
    elif row.duration_law == "exponential":
        return np.asarray(wait - np.log1p(-u) * row.duration_yr)
    else:
        whole = durations(row, POINTS)
    longer = np.sort(whole[whole > lasted])
    if not len(longer):
        return np.full(len(u), wait + SHORTEST)
    return np.asarray(wait + longer[np.minimum((u * len(longer)).astype(int), len(longer) - 1)] - lasted)


def lasting_until(event: DisruptionEvent, end: float) -> DisruptionEvent:
    """An event in force that ends at a date: its profile at the stated stretch, its last cut holding until then."""
    begin = event.start + event.flood
    length = end - begin
    if event.profile is None or length <= 0:
        return replace(event, duration=max(0.0, length), begun=event)
    held = _held(event.profile, length / event.stretch)
    return replace(event, duration=length, profile=held, begun=event)


def _held(profile: HazardProfile, length: float) -> HazardProfile:
    """A profile that lasts so long: cut off there, or its last step drawn out [years of the profile's own time]."""
    last = profile.length

    def steps(of: tuple[tuple[str, Steps], ...]) -> tuple[tuple[str, Steps], ...]:
        return tuple((name, _stretched(each, last, length)) for name, each in of)

    return replace(
        profile,
        effective=steps(profile.effective),
        direct=steps(profile.direct),
        inside=steps(profile.inside),
        outside=steps(profile.outside),
    )


def _stretched(steps: Steps, last: float, length: float) -> Steps:
    """Steps up to a length: of those that reach the profile's end the last one holds until then."""
    kept = [(begin, min(end, length), share) for begin, end, share in sorted(steps) if begin < min(last, length)]
    if kept and kept[-1][1] >= last - 1e-9 and length > last:
        begin, _, share = kept[-1]
        kept[-1] = (begin, length, share)
    return tuple(kept)


def drawn_ends(ongoing: Sequence[OngoingEvent], scenarios: int, seed: int) -> Floats:
    """(events, scenarios) dates of their ends: stratified points, shuffled for each event by a stream of its own."""
    found = np.empty((len(ongoing), scenarios))
    for k, one in enumerate(ongoing):
        rng = np.random.default_rng([seed, k, zlib.crc32(one.event.label.encode())])
        u = (rng.permutation(scenarios) + rng.random(scenarios)) / scenarios
        found[k] = one.ends(np.clip(u, 2.0**-40, 1 - 2.0**-40))
    return found


def for_ever(ongoing: Sequence[OngoingEvent]) -> tuple[DisruptionEvent, ...]:
    """The trunk's events: none of them ends."""
    return tuple(one.until(one.now + FAR if one.over is None else one.over) for one in ongoing)


def as_expected(ongoing: Sequence[OngoingEvent]) -> tuple[DisruptionEvent, ...]:
    """The events, each ending when it is expected to: what a scenario written by hand says nothing of."""
    return tuple(one.until(one.expected_end) for one in ongoing)


def believed_end(event: DisruptionEvent, row: Any, now: float) -> float:
    """Date at which an event in force is expected to end, as seen at a date."""
    left = remaining(event, row, now, POINTS)
    return now + (float(left.mean()) if math.isfinite(float(left.mean())) else SHORTEST)
