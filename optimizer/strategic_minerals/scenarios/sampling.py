"""Scenarios drawn from hazards: scrambled Sobol points -> when each hazard strikes, for how long, how hard, what follows.

Every hazard has a fixed number of coordinates of one joint Sobol sequence (Sobol 1967, scrambled after Owen 1998 and
Matousek 1998 as in `scipy.stats.qmc`), whether the plan draws from it or not, so leaving a hazard out changes no other draw.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from scipy.special import ndtri

from ..core.arrays import Floats
from ..schemas.plan_sections import Event
from .events import DisruptionEvent, resolve_event
from .profiles import NORMAL_90, HazardProfile, drawn_spreads

STANDING = 1000
"""Number of the first stream of coordinates for what controls in force bring on; events of the span have those below it."""
SOBOL_EVENTS = 3
"""Events of a hazard in one scenario that have coordinates of the joint sequence; later ones are few and pseudo-random."""
REMAINDER_POINTS = 4096


@dataclass(frozen=True)
class Span:
    """When events may strike [decimal fiscal years]: from `begin` on, before `end`."""

    begin: float
    end: float


def draw(
    rows: Sequence[Any],
    table: Sequence[Any],
    span: Span,
    *,
    scenarios: int,
    seed: int,
    events: int | None = None,
    profiles: Mapping[str, HazardProfile] | None = None,
    standing: Collection[str] = (),
    alike: Mapping[str, str] | None = None,
    until: Mapping[str, Floats] | None = None,
) -> list[tuple[DisruptionEvent, ...]]:
    """(scenarios,) tuples of strikes of the hazards `rows`, in order of time.

    `table` is the whole table of hazards: it fixes each one's coordinates. A hazard strikes again and again until the end of
    the span (`events`: at most so often by itself), gaps after the end of its last cut being exponential at its rate. Where it
    follows another (`after`), every event of the other may bring it on, by a coin and after an exponential lag of its own,
    unless it lasts already. Events that cut nothing, `on_off` ones that are off, are left out. Events of a hazard with a profile
    (`profiles`) draw its severity and stretch in place of a cut and a duration, at the same coordinates. An event of each hazard in
    `standing` is in force when the span begins: it may bring on others from then on. alike: material -> what it is, where several
    homes have it: one event touches that of all. until: hazard -> (scenarios,) dates at which an event of it that has begun before
    ends: no other begins before.
    """
    kinds, busy = alike or {}, until or {}
    points = _points(table, scenarios, seed, events or SOBOL_EVENTS, kinds)
    found: list[list[DisruptionEvent]] = [[] for _ in range(scenarios)]
    begun: dict[str, list[tuple[int, float]]] = {}
    for row in parents_first(rows):
        own, *followers = (
            points_of if events else chain(points_of, _beyond(row, scenarios, seed, which, points_of))
            for which, points_of in enumerate(points[row.hazard])
        )
        profile = (profiles or {}).get(row.hazard)
        base = resolve_event(Event(hazard=row.hazard, start_year=2000.0), row, profile)
        candidates: list[list[DisruptionEvent]] = [[] for _ in range(scenarios)]

        def event(
            start: Floats,
            u: Floats,
            row: Any = row,
            base: DisruptionEvent = base,
            candidates: Any = candidates,
            profile: HazardProfile | None = profile,
        ) -> Floats:
            """Candidates of one event in each scenario; the end of its cut."""
            if profile is not None:
                return _shaped(row, profile, base, start, u, span.end, candidates, kinds)
            duration, cut = durations(row, u[:, 0]), severities(row, u[:, 1])
            for n in np.flatnonzero(start < span.end):
                if cut[n] > 0 or row.cut_law != "on_off":
                    materials = elements(row, u[n, 2:], kinds)
                    candidates[n].append(
                        replace(
                            base,
                            start=float(start[n]),
                            duration=float(duration[n]),
                            cut=float(cut[n]),
                            materials=materials,
                        )
                    )
            return np.asarray(start + row.flood_yr + duration)

        free = np.maximum(span.begin, busy.get(row.hazard, span.begin)) * np.ones(scenarios)
        ready = free
        for u in own:
            gap = _exponential(u[:, 0], 1 / row.rate_per_yr if row.rate_per_yr > 0 else math.inf)
            ready = event(ready + gap, u[:, 1:])
            if ready.min() >= span.end:
                break
        before = [*_begun_before(row, followers, begun, scenarios)]
        for parent in sorted({*row.after.split()} & {*standing}):
            stream = _beyond(row, scenarios, seed, STANDING + zlib.crc32(parent.encode()), points[row.hazard][-1])
            before.append((np.full(scenarios, span.begin), next(stream)))
        for start, u in before:
            brought = start + _exponential(u[:, 1], row.after_lag_yr)
            event(np.where(u[:, 0] < row.after_probability, brought, math.inf), u[:, 2:])
        begun[row.hazard] = []
        for n, several in enumerate(candidates):
            over = float(free[n])
            for one in sorted(several, key=lambda event: event.start):
                if one.start >= over:  # what lasts already does not begin again
                    over = one.start + one.flood + one.duration
                    found[n].append(one)
                    begun[row.hazard].append((n, one.start))
    return [tuple(sorted(scenario, key=lambda event: event.start)) for scenario in found]


def _shaped(
    row: Any,
    profile: HazardProfile,
    base: DisruptionEvent,
    start: Floats,
    u: Floats,
    end: float,
    candidates: list[list[DisruptionEvent]],
    alike: Mapping[str, str],
) -> Floats:
    """Candidates of one event of a hazard with a profile in each scenario; the end of its cut."""
    severity, stretch, felt = drawn_spreads(row, u[:, :2])
    for n in np.flatnonzero(start < end):
        x = float(severity[n])
        candidates[n].append(
            replace(
                base,
                start=float(start[n]),
                duration=profile.length * float(stretch[n]),
                cut=min(1.0, x * profile.deepest) if felt[n] else 0.0,
                materials=elements(row, u[n, 2:], alike),
                severity=x if felt[n] else 0.0,
                direct_severity=x,
                stretch=float(stretch[n]),
            )
        )
    return np.asarray(start + row.flood_yr + profile.length * stretch)


def _begun_before(
    row: Any, followers: Sequence[Iterable[Floats]], begun: Mapping[str, list[tuple[int, float]]], scenarios: int
) -> Iterator[tuple[Floats, Floats]]:
    """(scenarios,) onsets of the events that may bring on one of a hazard, inf where there is none, and its coordinates."""
    for parent, coordinates in zip(row.after.split(), followers, strict=True):
        for k, u in enumerate(coordinates):
            brought_on = _nth(begun.get(parent, []), k, scenarios)
            if not brought_on:
                break
            start = np.full(scenarios, math.inf)
            for n, when in brought_on:
                start[n] = when
            yield start, u


def _nth(begun: list[tuple[int, float]], k: int, scenarios: int) -> list[tuple[int, float]]:
    """(scenario, start) of each scenario's k-th event of a hazard."""
    starts: list[list[float]] = [[] for _ in range(scenarios)]
    for n, when in begun:
        starts[n].append(when)
    return [(n, sorted(found)[k]) for n, found in enumerate(starts) if len(found) > k]


def _points(
    table: Sequence[Any], scenarios: int, seed: int, events: int, alike: Mapping[str, str]
) -> dict[str, list[list[Floats]]]:
    """Scrambled Sobol points in (0, 1) by hazard: of its own events, then of those that each parent may bring on; (scenarios,
    coordinates) for each of the first `events` events.

    Own events: gap, duration, severity, then one a material, or one for those that are alike. Followers of each parent's events:
    coin, lag and the same.
    The balance is best at powers of two.
    """
    from scipy.stats import qmc  # half a second, which plans without a sample are spared

    sizes = {
        row.hazard: [3 + len(_kinds(row, alike))] * events
        + [4 + len(_kinds(row, alike))] * (events * len(row.after.split()))
        for row in sorted(table, key=lambda row: row.hazard)
    }
    engine = qmc.Sobol(max(1, sum(map(sum, sizes.values()))), scramble=True, rng=np.random.default_rng(seed))
    drawn = engine.random_base2(math.ceil(math.log2(max(1, scenarios))))[:scenarios]
    drawn = np.clip(drawn, 2.0**-40, 1 - 2.0**-40)
    found: dict[str, list[list[Floats]]] = {}
    at = 0
    for name, parts in sizes.items():
        each = [drawn[:, at + sum(parts[:k]) : at + sum(parts[: k + 1])] for k in range(len(parts))]
        found[name] = [each[k : k + events] for k in range(0, len(each), events)]
        at += sum(parts)
    return found


def _beyond(row: Any, scenarios: int, seed: int, which: int, points: list[Floats]) -> Iterator[Floats]:
    """Coordinates of later events, without end: pseudo-random ones from a stream of the hazard's own."""
    rng = np.random.default_rng([seed, zlib.crc32(row.hazard.encode()), which])
    while True:
        yield np.clip(rng.random((scenarios, points[0].shape[1])), 2.0**-40, 1 - 2.0**-40)


def parents_first(rows: Sequence[Any]) -> list[Any]:
    """Hazards in an order in which each stands behind those that it may follow."""
    left = {row.hazard: row for row in sorted(rows, key=lambda row: row.hazard)}
    ordered: list[Any] = []
    while left:
        free = [row for row in left.values() if not set(row.after.split()) & set(left)]
        for row in free or list(left.values()):
            ordered.append(left.pop(row.hazard))
    return ordered


def _exponential(u: Floats, mean: float) -> Floats:
    """Inverse of the exponential distribution; u near 1 lasts long."""
    with np.errstate(invalid="ignore"):
        return np.asarray(-np.log1p(-u) * mean if math.isfinite(mean) else np.full(len(u), math.inf))


def durations(row: Any, u: Floats) -> Floats:
    """Years of the cut by the hazard's law: exponential or fixed at the mean, or lognormal with that mean, its 95 % point as
    many times its 5 % point as the row's high is of its low."""
    if row.duration_law == "fixed":
        return np.full(len(u), row.duration_yr)
    if row.duration_law == "exponential" or row.duration_yr_low is None or row.duration_yr_low <= 0:
        return _exponential(u, row.duration_yr)
    sigma = math.log(row.duration_yr_high / row.duration_yr_low) / (2 * NORMAL_90)
    return np.asarray(np.exp(math.log(row.duration_yr) - sigma**2 / 2 + sigma * ndtri(u)))


def mean_remainder(row: Any, lasted: float) -> float:
    """Years that a cut goes on, on average, once it has lasted so long: E[D - a | D > a] by the hazard's law.

    Taken over `REMAINDER_POINTS` equally likely durations, exactly for the exponential, which has no memory. A cut that has
    outlasted all of them is believed to end within a month.
    """
    every = durations(row, (np.arange(REMAINDER_POINTS) + 0.5) / REMAINDER_POINTS)
    longer = every[every > lasted]
    if row.duration_law == "exponential":
        return float(row.duration_yr)
    return float(longer.mean()) - lasted if len(longer) else 1 / 12


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


def _kinds(row: Any, alike: Mapping[str, str]) -> list[str]:
    """What a hazard names, those that are alike once."""
    return list(dict.fromkeys(alike.get(name, name) for name in row.materials.split()))


def elements(row: Any, u: Floats, alike: Mapping[str, str] | None = None) -> str:
    """Which of the hazard's materials an event touches: each with probability `element_share`, one at least; all that are alike, or
    none of them."""
    alike = alike or {}
    kinds = _kinds(row, alike)
    if row.element_share >= 1 or len(kinds) < 2:
        return str(row.materials)
    hit = {kind for kind, v in zip(kinds, u, strict=True) if v < row.element_share} or {kinds[int(np.argmin(u))]}
    return " ".join(name for name in row.materials.split() if alike.get(name, name) in hit)
