"""What happens in a scenario, told in a line: the most harmful event, and how many more there are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..core.arrays import Bools, Floats
from ..data.names import Names
from ..instance.instance import Instance
from ..instance.touched import named_materials, touched_producers
from .events import DisruptionEvent
from .scenario_set import ScenarioSet

NOTHING = "no disruption"
"""What is told of a scenario in which nothing happens to the planned materials."""
MONTHS_UP_TO = 2.0
"""Years below which a length is told in months."""


def headlines(scenarios: ScenarioSet, instance: Instance, names: Names) -> list[str]:
    """One line a scenario, in their order: `Chinese embargo on all rare earths from 2030, 4.3 years, and 1 more`."""
    stake = _stakes(instance)
    return [headline(events, instance, names, stake) for events in scenarios.events]


def headline(events: Sequence[DisruptionEvent], instance: Instance, names: Names, stake: Floats | None = None) -> str:
    """What happens to the planned materials, the most harmful event first; events that touch none of them are left out.

    stake: (I,) what a year without each material would cost home users [million USD]; None: worked out.
    """
    mine = [event for event in events if _touched(event, instance).any()]
    if not mine:
        return NOTHING
    weight = _stakes(instance) if stake is None else stake
    worst = max(mine, key=lambda event: _harm(event, instance, weight))  # the earlier one where two are alike
    more = f", and {len(mine) - 1} more" if len(mine) > 1 else ""
    return f"{event_in_words(worst, names)}{more}"


def event_in_words(event: DisruptionEvent, names: Names) -> str:
    """Hazard, countries where they are not those of the hazard, first year and length of one event."""
    unnamed = "supply cut" if event.cut > 0 else "demand surge" if event.demand else "price change"
    what = names.hazards.get(event.label, unnamed)
    where = "" if names.hit.get(event.label) == event.countries else _places(event.countries, names)
    return f"{what}{where} from {int(event.start)}, {length_in_words(event.flood + event.duration)}"


def length_in_words(years: float) -> str:
    """`14 months`, `4.3 years`."""
    if years >= MONTHS_UP_TO:
        return f"{years:.2g} years" if years < 10 else f"{years:.0f} years"
    months = max(1, round(12 * years))
    return f"{months} month{'s' * (months != 1)}"


def span_in_words(low: float, high: float, mean: float) -> str:
    """`3 to 23 months, on average 9`; `4 months to 4.3 years, on average 18 months`. Years; a missing end leaves the mean alone."""
    middle = length_in_words(mean)
    if not (math.isfinite(low) and math.isfinite(high)):
        return f"{middle} on average"
    first, last = length_in_words(low), length_in_words(high)
    unit = last.rpartition(" ")[2]
    if first.endswith(unit) and middle.endswith(unit):
        first, middle = first.removesuffix(f" {unit}"), middle.removesuffix(f" {unit}")
    return f"{first} to {last}, on average {middle}"


def rate_in_words(rate: float) -> str:
    """`once in 6.4 years`, `1.5 times a year`. rate: a year."""
    if rate <= 0:
        return "never"
    if round(rate, 2) == 1:
        return "once a year"
    return f"{rate:.2g} times a year" if rate > 1 else f"once in {_figures(1 / rate)} years"


def rates_in_words(low: float, high: float) -> str:
    """`once in 2.9 to 28 years`. low, high: a year."""
    first, last = rate_in_words(high), rate_in_words(low)
    if first.startswith("once in") and last.startswith("once in"):
        return f"{first.removesuffix(' years')} to {last.removeprefix('once in ')}"
    return f"{last} to {first}"


def _figures(value: float) -> str:
    return f"{value:.2g}" if value < 100 else f"{float(f'{value:.2g}'):,.0f}"


def _places(countries: str, names: Names) -> str:
    """Countries of an event."""
    codes = countries.split()
    if not codes:
        return ""
    return " (all foreign sources)" if "*" in codes else f" ({', '.join(map(names.country, codes))})"


def _touched(event: DisruptionEvent, instance: Instance) -> Bools:
    """(I,) planned materials that an event touches."""
    return named_materials(event.materials, {name: i for i, name in enumerate(instance.materials)})


def _stakes(instance: Instance) -> Floats:
    """(I,) what a year without each material would cost home users, on average [million USD]."""
    n, stake = instance, np.zeros(len(instance.materials))
    for k, (q, _) in enumerate(n.tiers):
        stake[int(n.demand_material[q])] += (
            float(n.tier_share[k] * n.tier_loss[k]) * float(n.demand[q].mean()) / n.calendar.step
        )
    return stake * n.at_risk


def _harm(event: DisruptionEvent, instance: Instance, stake: Floats) -> float:
    """Million USD that home users would lose if supply were missed as it is cut; a stand-in by which events are put in order."""
    n = instance
    touched = _touched(event, n)
    inside, _ = touched_producers(n.country, n.yields, n.home, event.countries, touched, spares_home=event.spares_home)
    made = np.maximum(n.yields, 0.0) * n.capacity.max(axis=1, initial=0.0)[:, None]
    share = made[inside].sum(axis=0) / np.maximum(made.sum(axis=0), 1e-12)
    return float((stake * share * touched).sum()) * event.cut * event.duration
