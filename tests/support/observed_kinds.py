"""Observed disruptions put together, and severity and stretch by kind fitted to them: figures of the table of hazards."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from strategic_minerals.core.stats import MONTHS_PER_YEAR
from strategic_minerals.question.base import grouped
from strategic_minerals.question.estimates import Estimate, clipped, no_loss, spread_high, spread_low

WORLD = "WLD"
"""Destination of flows to all countries."""
LICENCE, EMBARGO = "licence", "embargo"


@dataclass(frozen=True)
class Course:
    """Losses of one flow of an event, from the rows of a profile. Months are counted from the onset."""

    profile: str
    events: tuple[str, ...]
    materials: tuple[str, ...]
    form: str
    destination: str
    flow: str
    onset: Any
    """Day of the onset."""
    running: bool
    """It went on at the end of the record: what was lost so far is a lower bound."""
    steps: tuple[tuple[float, float, float | None], ...]
    """(from, to, share lost) of each period; None: not known."""

    @property
    def known(self) -> list[tuple[float, float]]:
        """(length in months, share lost) of the known periods since the onset."""
        return [(end - max(begin, 0.0), share) for begin, end, share in self.steps if share is not None and end > 0]

    @property
    def peak(self) -> float:
        """Largest share lost, 0 to 1."""
        return max((clipped(share) for _, share in self.known), default=0.0)

    @property
    def gross(self) -> float:
        """Years of normal supply lost; periods above normal give nothing back, as they only refill users' stocks."""
        return sum(months * clipped(share) for months, share in self.known) / MONTHS_PER_YEAR

    @property
    def net(self) -> float:
        """The same less what came above normal, buying ahead of the onset included."""
        return sum((end - begin) * share for begin, end, share in self.steps if share is not None) / MONTHS_PER_YEAR

    @property
    def months(self) -> tuple[float, float]:
        """Months of record since the onset: known, all."""
        every = sum(end - max(begin, 0.0) for begin, end, _ in self.steps if end > 0)
        return sum(months for months, _ in self.known), every


def courses(rows: Iterable[Any]) -> tuple[Course, ...]:
    """Profiles of the table in its order; each has what its first row says of it."""
    found = []
    for own in grouped(rows, "profile").values():
        first, ordered = own[0], sorted(own, key=lambda row: row.month_from)
        found.append(
            Course(
                first.profile,
                tuple(first.control_event.split()),
                tuple(first.materials.split()),
                *(first.form, first.destination, first.flow, first.onset, first.running),
                tuple((row.month_from, row.month_to, row.loss_share) for row in ordered),
            )
        )
    return tuple(found)


@dataclass(frozen=True)
class ObservedEvent:
    """One event by its controlled flow, counted once however many materials and forms it hit."""

    event: str
    """Names of its policy events, separated by spaces."""
    kind: str
    """`licence` or `embargo` (bans, suspensions, quotas)."""
    materials: tuple[str, ...]
    peak: float
    """Largest share lost: geometric mean over the materials that lost something; 0 where none did."""
    width: float
    """Years at the peak that would lose as much: gross year-equivalents / peak, geometric mean."""
    running: bool
    """Whether any of them was still running: `width` is then a lower bound."""
    without_loss: float | None
    """Share of the materials whose arrivals by all routes did not fall; None: no record of all routes."""

    @property
    def gross(self) -> float:
        """Years of normal supply lost: peak*width."""
        return self.peak * self.width


def observed_events(rows: Iterable[Any], events: Mapping[str, Any], home: str) -> tuple[ObservedEvent, ...]:
    """Every event of `events` with a record of its controlled flow, in the order of the table.

    events: rows of `policy_events` by name. A material counts by the flow to the home country, else by that to all countries, else
    by the others recorded; forms of it are averaged. So no event counts twice because it was recorded for many destinations.
    """
    found = []
    for names, own in grouped(courses(rows), "events").items():
        direct = _by_material([course for course in own if course.flow == "direct"], home)
        instruments = [events[name].instrument for name in names if name in events]
        if not direct or not instruments:
            continue
        effective = _by_material([course for course in own if course.flow == "effective"], home)
        lost = [(peak, width) for peak, width in map(_average, direct.values()) if peak > 0]
        unhurt = [all(course.gross == 0 for course in several) for several in effective.values()]
        found.append(
            ObservedEvent(
                " ".join(names),
                LICENCE if all("licence" in instrument for instrument in instruments) else EMBARGO,
                tuple(direct),
                geometric_mean([peak for peak, _ in lost]),
                geometric_mean([width for _, width in lost]),
                any(course.running for several in direct.values() for course in several),
                fmean(unhurt) if unhurt else None,
            )
        )
    return tuple(found)


def _by_material(found: Sequence[Course], home: str) -> dict[str, list[Course]]:
    """Material -> its courses to the destination that says most about the home country."""
    rank = {home: 0, WORLD: 1}
    chosen: dict[str, list[Course]] = {}
    for material in dict.fromkeys(name for course in found for name in course.materials):
        own = [course for course in found if material in course.materials]
        best = min(rank.get(course.destination, 2) for course in own)
        chosen[material] = [course for course in own if rank.get(course.destination, 2) == best]
    return chosen


def _average(several: Sequence[Course]) -> tuple[float, float]:
    """Geometric means of peak and width over the forms of a material that lost something."""
    lost = [course for course in several if course.peak > 0]
    widths = [course.gross / course.peak for course in lost]
    return geometric_mean([course.peak for course in lost]), geometric_mean(widths)


def geometric_mean(values: Sequence[float]) -> float:
    """Geometric mean; 0 of none."""
    return math.exp(fmean(map(math.log, values))) if values else 0.0


@dataclass(frozen=True)
class KindFit:
    """What the observed events of one kind say of the next."""

    kind: str
    events: tuple[ObservedEvent, ...]
    """Those with a loss of the controlled flow."""
    peak: float
    """Median peak, share of the controlled flow."""
    width: float
    """Median width, years."""
    severity: tuple[float, float]
    """5 % and 95 % points of `x`."""
    stretch: tuple[float, float]
    """5 % and 95 % points of `z`."""
    no_loss: Estimate | None
    """Probability of no effective loss; None: no event of the kind has a record of all routes."""


def fit_kind(kind: str, events: Sequence[ObservedEvent]) -> KindFit:
    """Fit of the events of one kind. Raises ValueError where fewer than two of them lost anything."""
    lost = tuple(event for event in events if event.kind == kind and event.peak > 0)
    peaks, widths = [event.peak for event in lost], [event.width for event in lost]
    if len(lost) < 2:
        raise ValueError(f"found {len(lost)} events of kind '{kind}' with a loss; expected two or more")
    routes = [event.without_loss for event in events if event.kind == kind and event.without_loss is not None]
    return KindFit(
        kind,
        lost,
        geometric_mean(peaks),
        geometric_mean(widths),
        (spread_low(*peaks).central, spread_high(*peaks).central),
        (spread_low(*widths).central, spread_high(*widths).central),
        no_loss(sum(routes), len(routes)) if routes else None,
    )
