"""How deep a disruption cuts and what it does to prices, by months since its onset, as observed (formulation section 13).

A drawn event has a severity x and a stretch z: at `a` years since the onset it cuts `min(1, x * cut(a / z))` of what used to
come. The clip is inside the mean over a period: twice a cut of 60 % for half a year takes half a year's supply, not 60 % of it.
Prices are `multiple(a / z) ** x` times what they were, in each of two markets.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.special import ndtri

from ..core.arrays import Bools, Floats
from ..core.units import MONTHS_PER_YEAR
from ..data.dataset import Dataset
from ..instance.calendar import Calendar, overlap

EFFECTIVE, DIRECT = "effective", "direct"
INSIDE, OUTSIDE = "inside", "outside"
NORMAL_90 = 1.6448536269514722
"""Standard deviations to the 5 % and 95 % points."""

Step = tuple[float, float, float]
"""(begin, end, share cut or multiple of the price) [years since onset]."""
Steps = tuple[Step, ...]


@dataclass(frozen=True)
class HazardProfile:
    """A hazard's cuts, and prices where they were quoted, by material."""

    effective: tuple[tuple[str, Steps], ...]
    """What home users lose by all routes; the direct flow where no record of all routes exists."""
    direct: tuple[tuple[str, Steps], ...]
    """What the controlled flow itself loses, which the reserve meets."""
    all_routes: bool = False
    """Whether arrivals by all routes were recorded: other countries' part in them is then counted already."""
    inside: tuple[tuple[str, Steps], ...] = ()
    """Multiples of the price in the hazard's countries; of a material that has them outside only, 1."""
    outside: tuple[tuple[str, Steps], ...] = ()
    """Multiples of the price elsewhere; of a material that has them inside only, those."""
    highest: tuple[tuple[str, float], ...] = ()
    """Highest multiple of each priced material, upper ends of ranges included: no event, however severe, multiplies it by more."""

    @property
    def priced(self) -> frozenset[str]:
        """Materials with prices of their own; others follow the hazard's one multiple."""
        return frozenset(name for name, _ in (*self.inside, *self.outside))

    def without_prices(self) -> HazardProfile:
        """The same cuts at the hazard's one multiple of the price."""
        return replace(self, inside=(), outside=()) if self.priced else self

    @property
    def length(self) -> float:
        """Years from the onset to the last cut."""
        return max(end for _, steps in (*self.effective, *self.direct) for _, end, share in steps if share > 0)

    @property
    def deepest(self) -> float:
        """Largest share that home users lose of a material."""
        return max(share for _, steps in self.effective for *_, share in steps)


def profiles(data: Dataset) -> dict[str, HazardProfile]:
    """Profile of each hazard that has one, from the tables `hazard_profiles` and `hazard_prices`."""
    found: dict[str, dict[str, dict[str, list[Step]]]] = defaultdict(
        lambda: {EFFECTIVE: defaultdict(list), DIRECT: defaultdict(list)}
    )
    for row in data.rows("hazard_profiles"):
        step = (row.month_from / MONTHS_PER_YEAR, row.month_to / MONTHS_PER_YEAR, row.cut_share)
        found[row.hazard][row.flow][row.material].append(step)
    quoted: dict[str, dict[str, dict[str, list[Step]]]] = defaultdict(
        lambda: {INSIDE: defaultdict(list), OUTSIDE: defaultdict(list)}
    )
    for row in data.rows("hazard_prices"):
        step = (row.month_from / MONTHS_PER_YEAR, row.month_to / MONTHS_PER_YEAR, row.price_multiplier)
        quoted[row.hazard][row.market][row.material].append(step)

    highest: dict[str, dict[str, float]] = defaultdict(dict)
    for row in data.rows("hazard_prices"):
        most = max(row.price_multiplier, row.price_multiplier_high or 1.0)
        highest[row.hazard][row.material] = max(most, highest[row.hazard].get(row.material, 1.0))

    def laid(by_material: dict[str, list[Step]], spare: dict[str, list[Step]]) -> tuple[tuple[str, Steps], ...]:
        names = {**spare, **by_material}
        return tuple((name, tuple(sorted(steps))) for name, steps in sorted(names.items()))

    return {
        hazard: HazardProfile(
            laid(flows[EFFECTIVE], flows[DIRECT]),
            laid(flows[DIRECT], flows[EFFECTIVE]),
            bool(flows[EFFECTIVE]),
            laid(quoted[hazard][INSIDE], {}),
            laid(quoted[hazard][OUTSIDE], {}),
            tuple(sorted(highest[hazard].items())),
        )
        for hazard, flows in found.items()
        if any(share > 0 for by in flows.values() for steps in by.values() for *_, share in steps)
    }


def mean_cuts(calendar: Calendar, steps: Steps, start: Floats, severity: Floats, stretch: Floats) -> Floats:
    """(n, T) share cut of each period by n events: mean over the period of min(1, x * cut(a / z)).

    start: (n,) onsets of the cuts [decimal fiscal years]; severity, stretch: (n,) x and z.
    """
    total = np.zeros((len(start), calendar.periods))
    for begin, end, share in steps:
        cut = np.minimum(1.0, severity * share)
        total += cut[:, None] * overlap(calendar, start + stretch * begin, start + stretch * end)
    return total


def envelope(profile: HazardProfile, names: Sequence[str]) -> Steps:
    """How much an event of severity and stretch 1 cuts of the named materials, of the one that it cuts most at each time."""
    mine = [steps for name, steps in profile.effective if name in names]
    edges = sorted({edge for steps in mine for begin, end, _ in steps for edge in (begin, end)})
    return tuple(
        (begin, end, max((share for steps in mine for a, b, share in steps if a <= begin and end <= b), default=0.0))
        for begin, end in pairwise(edges)
    )


def relative(steps: Steps, severity: float, stretch: float) -> Steps:
    """An envelope of an event against its own deepest cut: (begin, end, ratio) [years]."""
    cuts = [min(1.0, severity * share) for *_, share in steps]
    deepest = max(cuts, default=0.0)
    return tuple(
        (stretch * begin, stretch * end, cut / deepest)
        for (begin, end, _), cut in zip(steps, cuts, strict=True)
        if cut > 0
    )


def year_equivalents(profile: HazardProfile, material: str, severity: Floats, stretch: Floats) -> Floats:
    """(n,) years of the usual supply of a material that users lose in events of given severities and stretches, after clipping."""
    steps = dict(profile.effective).get(material, ())
    lost = sum(
        (np.minimum(1.0, severity * share) * (end - begin) for begin, end, share in steps), np.zeros(len(severity))
    )
    return np.asarray(lost * stretch)


def drawn_spreads(row: Any, u: Floats) -> tuple[Floats, Floats, Bools]:
    """(n,) severity, stretch, and whether users lose any tonnes, of a hazard's events; u: (n, 2) in (0, 1), stretch first."""
    none = row.no_loss_share
    felt = np.asarray(u[:, 1] >= none, dtype=bool)
    within = np.where(felt, (u[:, 1] - none) / max(1e-12, 1 - none), 0.5)
    severity = spread(row.severity_p05, row.severity_p95, np.clip(within, 2.0**-40, 1 - 2.0**-40))
    return severity, spread(row.stretch_p05, row.stretch_p95, u[:, 0]), felt


def spread(low: float | None, high: float | None, u: Floats) -> Floats:
    """Factor with median 1 and the given 5 % and 95 % points, lognormal; 1 where they are not given."""
    if low is None or high is None or low >= high:
        return np.ones(len(u))
    return np.asarray(np.exp(math.log(high / low) / (2 * NORMAL_90) * ndtri(u)))
