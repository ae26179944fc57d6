"""Worlds drawn from hazards: scrambled Sobol points -> when each hazard strikes, for how long, how hard, what follows.

Every hazard has a fixed number of coordinates of one joint Sobol sequence (Sobol 1967, scrambled after Owen 1998 and
Matousek 1998 as in `scipy.stats.qmc`), whether the plan draws from it or not, so leaving a hazard out changes no other draw.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from .instance import Floats
from .plan import Event
from .strikes import Strike, strike_of

PER_EVENT = 3
"""Coordinates of one event of a hazard: gap, duration, severity; then one a material for `element_share`."""
PER_HAZARD = 2
"""Coordinates of a hazard beside its events: whether it follows another, and after what lag."""
NORMAL_90 = 1.6448536269514722
"""Standard deviations to the 5 % and 95 % points."""


@dataclass(frozen=True)
class Span:
    """When events may strike [decimal fiscal years]: from `begin` on, before `end`."""

    begin: float
    end: float


def draw(
    rows: Sequence[Any], table: Sequence[Any], span: Span, *, worlds: int, seed: int, events: int
) -> list[tuple[Strike, ...]]:
    """(worlds,) tuples of strikes of the hazards `rows`, in order of time.

    `table` is the whole table of hazards: it fixes each one's coordinates. A hazard strikes at most `events` times in a
    world, one event after the other; gaps are exponential at its rate. Where it follows another hazard (`after`), the first
    event of the other brings it on with a probability, after an exponential lag; whichever comes first counts.
    """
    points = _points(table, worlds, seed, events)
    first: dict[str, Floats] = {}
    found: list[list[Strike]] = [[] for _ in range(worlds)]
    for row in _parents_first(rows):
        own, base = points[row.hazard], strike_of(Event(hazard=row.hazard, start_year=2000.0), row)
        per = (own.shape[1] - PER_HAZARD) // events
        ready = np.full(worlds, span.begin)
        for k in range(events):
            u = own[:, PER_HAZARD + k * per : PER_HAZARD + (k + 1) * per]
            start = ready + _exponential(u[:, 0], 1 / row.rate_per_yr if row.rate_per_yr > 0 else math.inf)
            if k == 0:
                start = np.minimum(start, _brought_on(row, own[:, :PER_HAZARD], first))
                first[row.hazard] = start
            duration, cut = durations(row, u[:, 1]), severities(row, u[:, 2])
            for n in np.flatnonzero(start < span.end):
                materials, when = elements(row, u[n, PER_EVENT:]), float(start[n])
                found[n].append(
                    replace(base, start=when, duration=float(duration[n]), cut=float(cut[n]), materials=materials)
                )
            ready = start + row.flood_yr + duration
    return [tuple(sorted(world, key=lambda strike: strike.start)) for world in found]


def _points(table: Sequence[Any], worlds: int, seed: int, events: int) -> dict[str, Floats]:
    """(worlds, coordinates) scrambled Sobol points in (0, 1) by hazard; the balance is best at powers of two."""
    counts = {
        row.hazard: PER_HAZARD + events * (PER_EVENT + len(row.materials.split()))
        for row in sorted(table, key=lambda row: row.hazard)
    }
    engine = qmc.Sobol(max(1, sum(counts.values())), scramble=True, rng=np.random.default_rng(seed))
    drawn = engine.random_base2(math.ceil(math.log2(max(1, worlds))))[:worlds]
    drawn = np.clip(drawn, 2.0**-40, 1 - 2.0**-40)
    edges = np.cumsum([0, *counts.values()])
    return {name: drawn[:, edges[n] : edges[n + 1]] for n, name in enumerate(counts)}


def _parents_first(rows: Sequence[Any]) -> list[Any]:
    """Hazards in an order in which each stands behind those that it may follow."""
    left = {row.hazard: row for row in sorted(rows, key=lambda row: row.hazard)}
    ordered: list[Any] = []
    while left:
        free = [row for row in left.values() if not set(row.after.split()) & set(left) - {row.hazard}]
        for row in free or list(left.values()):
            ordered.append(left.pop(row.hazard))
    return ordered


def _brought_on(row: Any, u: Floats, first: dict[str, Floats]) -> Floats:
    """(worlds,) when a hazard is brought on by the first event of one that it follows; inf where it is not."""
    parents = [first[name] for name in row.after.split() if name in first]
    if not parents or row.after_probability <= 0:
        return np.full(len(u), math.inf)
    lag = _exponential(u[:, 1], row.after_lag_yr)
    return np.where(u[:, 0] < row.after_probability, np.min(parents, axis=0) + lag, math.inf)


def _exponential(u: Floats, mean: float) -> Floats:
    """Inverse of the exponential distribution; u near 1 lasts long."""
    with np.errstate(invalid="ignore"):
        return np.asarray(-np.log1p(-u) * mean if math.isfinite(mean) else np.full(len(u), math.inf))


def durations(row: Any, u: Floats) -> Floats:
    """Years of the cut by the hazard's law: exponential or fixed at the mean, or lognormal with that mean and the row's
    low-high as its 5 and 95 % points."""
    if row.duration_law == "fixed":
        return np.full(len(u), row.duration_yr)
    if row.duration_law == "exponential" or row.duration_yr_low is None or row.duration_yr_low <= 0:
        return _exponential(u, row.duration_yr)
    sigma = math.log(row.duration_yr_high / row.duration_yr_low) / (2 * NORMAL_90)
    return np.asarray(np.exp(math.log(row.duration_yr) - sigma**2 / 2 + sigma * ndtri(u)))


def severities(row: Any, u: Floats) -> Floats:
    """Share cut by the hazard's law: triangular between low and high with its peak at the value; fixed; or `on_off`: all
    with the value as its probability, else the low end."""
    value = row.cut_share
    low = value if row.cut_share_low is None else row.cut_share_low
    high = value if row.cut_share_high is None else row.cut_share_high
    if row.cut_law == "on_off":
        return np.where(u < value, 1.0, 0.0 if row.cut_share_low is None else low)
    if row.cut_law == "fixed" or low >= high:
        return np.full(len(u), value)
    peak = (value - low) / (high - low)
    rising = low + np.sqrt(u * (high - low) * (value - low))
    falling = high - np.sqrt((1 - u) * (high - low) * (high - value))
    return np.asarray(np.where(u < peak, rising, falling))


def elements(row: Any, u: Floats) -> str:
    """Which of the hazard's materials an event touches: each with probability `element_share`, one at least."""
    names = row.materials.split()
    if row.element_share >= 1 or len(names) < 2:
        return str(row.materials)
    hit = [name for name, v in zip(names, u, strict=True) if v < row.element_share]
    return " ".join(hit or [names[int(np.argmin(u))]])
