"""What happens in a scenario, told in a line: the most harmful event, and how many more there are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..core.arrays import Floats
from ..data.names import Names
from ..instance.instance import Instance, named_materials, touched_producers
from .events import DisruptionEvent
from .scenario_set import ScenarioSet

NOTHING = "no disruption"
"""What is told of a scenario without an event."""
MONTHS_UP_TO = 2.0
"""Years below which a length is told in months."""


def headlines(scenarios: ScenarioSet, instance: Instance, names: Names) -> list[str]:
    """One line a scenario, in their order: `Chinese embargo on all rare earths from 2030, 4.3 years, and 1 more`."""
    stake = _stakes(instance)
    return [headline(events, instance, names, stake) for events in scenarios.events]


def headline(events: Sequence[DisruptionEvent], instance: Instance, names: Names, stake: Floats | None = None) -> str:
    """What happens, the most harmful event first.

    stake: (I,) what a year without each material would cost home users [million USD]; None: worked out.
    """
    if not events:
        return NOTHING
    weight = _stakes(instance) if stake is None else stake
    worst = max(events, key=lambda event: _harm(event, instance, weight))  # the earlier one where two are alike
    more = f", and {len(events) - 1} more" if len(events) > 1 else ""
    return f"{event_in_words(worst, names)}{more}"


def event_in_words(event: DisruptionEvent, names: Names) -> str:
    """Hazard, countries where they are not those of the hazard, first year and length of one event."""
    what = names.hazard(event.label) if event.label in names.hazards else "supply cut"
    where = "" if names.hit.get(event.label) == event.countries else _places(event.countries, names)
    return f"{what}{where} from {int(event.start)}, {length_in_words(event.flood + event.duration)}"


def length_in_words(years: float) -> str:
    """`14 months`, `4.3 years`."""
    if years >= MONTHS_UP_TO:
        return f"{years:.2g} years" if years < 10 else f"{years:.0f} years"
    months = max(1, round(12 * years))
    return f"{months} month{'s' * (months != 1)}"


def _places(countries: str, names: Names) -> str:
    """Countries of an event."""
    codes = countries.split()
    if not codes:
        return ""
    return " (all foreign sources)" if "*" in codes else f" ({', '.join(map(names.country, codes))})"


def _stakes(instance: Instance) -> Floats:
    """(I,) what a year without each material would cost home users, on average [million USD]."""
    n, stake = instance, np.zeros(len(instance.materials))
    for k, (q, _) in enumerate(n.tiers):
        stake[int(n.demand_material[q])] += (
            float(n.tier_share[k] * n.tier_loss[k]) * float(n.demand[q].mean()) / n.calendar.step
        )
    return stake


def _harm(event: DisruptionEvent, instance: Instance, stake: Floats) -> float:
    """Million USD that home users would lose if supply were missed as it is cut; a stand-in by which events are put in order."""
    n = instance
    touched = named_materials(event.materials, {name: i for i, name in enumerate(n.materials)})
    inside, _ = touched_producers(n.country, n.yields, n.plan.home, event.countries, touched)
    made = np.maximum(n.yields, 0.0) * n.capacity.max(axis=1, initial=0.0)[:, None]
    share = made[inside].sum(axis=0) / np.maximum(made.sum(axis=0), 1e-12)
    return float((stake * share * touched).sum()) * event.cut * event.duration
