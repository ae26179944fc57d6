"""Observed disruptions as wholes: the rows of `observed_profiles` put together, and one figure of each event."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from ..core.frames import Floats
from ..core.stats import MONTHS_PER_YEAR
from .base import grouped
from .estimates import LEVEL, Estimate, clipped, log_spread, no_loss, spread_high, spread_low

LOSS = 0.05
"""Share of loss from which on a month counts as one of loss: a material is tight only beyond it."""
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
    def loss_months(self) -> float:
        """Months with a loss of more than `LOSS`."""
        return sum(months for months, share in self.known if share > LOSS)

    @property
    def months(self) -> tuple[float, float]:
        """Months of record since the onset: known, all."""
        every = sum(end - max(begin, 0.0) for begin, end, _ in self.steps if end > 0)
        return sum(months for months, _ in self.known), every


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


# Severity and stretch of disruptions by kind, fitted to the events observed, and how well each event fits the others.


FEWEST = 3
"""Events of a kind from which on it can be tested; leaving one out then leaves two, the fewest with a spread."""
FACTOR, FROM_YEARS = 2.0, 0.05
"""How close the median is asked to be, and the loss in years from which on that is asked."""
POINTS = 256
"""Equally likely values of severity and of stretch; their products give the interval."""


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

    def year_equivalents(self) -> Floats:
        """Equally likely gross year-equivalents of a new event with a loss, after clipping; `POINTS`**2 values."""
        normal = ndtri((np.arange(POINTS) + 0.5) / POINTS)
        x = np.exp(log_spread(*(event.peak for event in self.events)) * normal)
        z = np.exp(log_spread(*(event.width for event in self.events)) * normal)
        return np.outer(self.width * z, np.minimum(1.0, self.peak * x)).ravel()

    def interval(self) -> tuple[float, float, float]:
        """5 % point, median and 95 % point of `year_equivalents`."""
        low, middle, high = np.quantile(self.year_equivalents(), [(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2])
        return float(low), float(middle), float(high)


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


def leave_one_out(rows: Iterable[Any], policy_events: Iterable[Any], home: str) -> pd.DataFrame:
    """Every observed event held against its kind fitted to the others.

    rows: of `observed_profiles`; home: country whose flows count first. Columns: event, kind, events_fitted, observed_yr (gross
    year-equivalents of the controlled flow), running, low_yr, median_yr, high_yr (of the fit), ratio (observed / median),
    verdict, within_factor_two ("yes", "no", or "" where it is not asked: not testable, running below, or at most `FROM_YEARS`).
    """
    every = observed_events(rows, {row.event: row for row in policy_events}, home)
    found = [_held_against_others(event, every) for event in every]
    columns = ["event", "kind", "events_fitted", "observed_yr", "running", "low_yr", "median_yr", "high_yr", "ratio"]
    return pd.DataFrame(found, columns=[*columns, "verdict", "within_factor_two"])


INSIDE, OUTSIDE, OPEN, UNTESTED = "inside", "outside", "still running, so far below", "not testable"
"""Verdicts: in the interval; not in it; running, and not yet as much as the interval begins with; too few events of the kind."""


def _held_against_others(event: ObservedEvent, every: Sequence[ObservedEvent]) -> dict[str, Any]:
    kin = [other for other in every if other.kind == event.kind and other.peak > 0]
    others = [other for other in every if other is not event]
    told = {"event": event.event, "kind": event.kind, "observed_yr": event.gross, "running": event.running}
    if len(kin) < FEWEST:
        return {**told, "events_fitted": 0, "verdict": UNTESTED, "within_factor_two": ""}
    fit = fit_kind(event.kind, others)
    low, middle, high = fit.interval()
    ratio = event.gross / middle
    asked = event.gross > FROM_YEARS and not (event.running and ratio < 1)
    near = "" if not asked else "yes" if 1 / FACTOR <= ratio <= FACTOR else "no"
    told |= {"events_fitted": len(fit.events), "low_yr": low, "median_yr": middle, "high_yr": high, "ratio": ratio}
    return {**told, "verdict": _verdict(event, fit, low, high), "within_factor_two": near}


def _verdict(event: ObservedEvent, fit: KindFit, low: float, high: float) -> str:
    """Where an event stands in the interval of the others. One without any loss fits where that has some probability."""
    if event.gross == 0:
        return INSIDE if fit.no_loss is not None and fit.no_loss.central >= (1 - LEVEL) / 2 else OUTSIDE
    if event.gross > high:
        return OUTSIDE
    if event.gross >= low:
        return INSIDE
    return OPEN if event.running else OUTSIDE
