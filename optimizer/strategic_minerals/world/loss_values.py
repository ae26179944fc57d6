"""What a tonne of unserved demand costs, by period and scenario: it hangs on how long a disruption has lasted.

A segment without rows in the table `adaptation` has one loss for all periods: the base price plus the named loss. One with rows has

    v[n,t,s] = P0[t] where dearest, premium included, + adaptation[q,t,s] * named loss[n]      [million USD per unit]

so that going short never becomes a saving."""

import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..core.frames import Bools, Floats
from ..core.stats import MONTHS_PER_YEAR
from ..question.names import Names
from .build import named_materials, touched_producers
from .events import DisruptionEvent, ScenarioSet
from .instance import Calendar, Instance, overlap

Spans = tuple[tuple[float, float], ...]
"""(begin, end) of cuts [decimal fiscal years]."""
Steps = tuple[tuple[float, float], ...]
"""(month, multiplier from then on) pairs, in order."""


def undisturbed_values(instance: Instance, tiers: Sequence[int]) -> Floats:
    """(k, T) v of some tiers on the trunk, in the instance's units; read-only where nothing changes."""
    chosen = list(tiers)
    demands = [instance.tiers[n][0] for n in chosen]
    fixed = np.broadcast_to(instance.tier_loss[chosen][:, None], (len(chosen), instance.calendar.periods))
    adapted = np.array([bool(instance.adaptation[q]) for q in demands], dtype=bool)
    material = instance.demand_material[demands]
    if any(instance.outside_quote[i] for i in material):
        premium = 1 + instance.largest_premium
        fixed = fixed + np.stack([instance.dearest_price(int(i)) - premium[i] * instance.price[i] for i in material])
    if not adapted.any():
        return fixed
    asked = np.stack([instance.dearest_price(int(i)) for i in material])
    return np.where(adapted[:, None], asked + instance.tier_named[chosen][:, None], fixed)


def loss_values(instance: Instance, scenarios: ScenarioSet, tiers: Sequence[int]) -> tuple[Floats, Floats]:
    """(k, T) on the trunk and (S, k, T) in scenarios: v of some tiers, in the instance's units; read-only where nothing changes."""
    T, S = instance.calendar.periods, len(scenarios.names)
    trunk = undisturbed_values(instance, tiers)
    demands = [instance.tiers[n][0] for n in tiers]
    adapted = np.array([bool(instance.adaptation[q]) for q in demands], dtype=bool)
    if not adapted.any():
        return trunk, np.broadcast_to(trunk, (S, len(trunk), T))
    if scenarios.trunk is not None:
        trunk = np.where(adapted[:, None], _disturbed(instance, scenarios.trunk, tiers)[0], trunk)
    later = _disturbed(instance, scenarios, tiers)
    reached = np.arange(T) >= scenarios.onset[:, instance.component[instance.demand_material[demands]], None]
    return trunk, np.where(adapted[:, None] & reached, later, trunk)


def _disturbed(instance: Instance, scenarios: ScenarioSet, tiers: Sequence[int]) -> Floats:
    """(S, k, T) v of some tiers were they adapted in every period: price where dearest + adaptation * named loss."""
    chosen = list(tiers)
    demands = [instance.tiers[n][0] for n in chosen]
    material = instance.demand_material[demands]
    asked = np.stack([instance.dearest_price(int(i)) for i in material])
    return np.asarray(asked + adaptation(instance, scenarios, demands) * instance.tier_named[chosen][:, None])


def adaptation(instance: Instance, scenarios: ScenarioSet, demands: Sequence[int]) -> Floats:
    """(S, k, T) mean multiplier of the named loss of some demands, over the part of a period in which a cut is in force.

    It counts from the beginning of the latest cut in force on the demand's chain; 1 where none is."""
    calendar = instance.calendar
    found = np.ones((len(scenarios.names), len(demands), calendar.periods))
    known: dict[tuple[Spans, Steps], Floats] = {}
    for (s, c), spans in _spans(instance, scenarios).items():
        for k, q in enumerate(demands):
            steps = instance.adaptation[q]
            if steps and instance.chain[instance.demand_material[q]] == c:
                if (spans, steps) not in known:
                    known[spans, steps] = _mean(calendar, spans, steps)
                found[s, k] = known[spans, steps]
    return found


def _spans(instance: Instance, scenarios: ScenarioSet) -> dict[tuple[int, int], Spans]:
    """(scenario, chain) -> cuts of the events that name one of its materials."""
    at_name = {name: n for n, name in enumerate(instance.materials)}
    touched: dict[str, list[int]] = {}
    spans: dict[tuple[int, int], list[tuple[float, float]]] = defaultdict(list)
    for s, events in enumerate(scenarios.events):
        for event in events:
            if event.materials not in touched:
                hit = named_materials(event.materials, at_name)
                touched[event.materials] = np.unique(instance.chain[hit]).tolist()
            begin = event.start + event.flood
            if event.duration > 0:
                for c in touched[event.materials]:
                    spans[s, c].append((begin, begin + event.duration))
    return {place: tuple(sorted(several)) for place, several in spans.items()}


def _mean(calendar: Calendar, spans: Spans, steps: Steps) -> Floats:
    """(T,) mean of the multiplier of the latest cut in force over the part of each period in which one is; 1 where none is."""
    edges = sorted({edge for span in spans for edge in span})
    weight, total = np.zeros(calendar.periods), np.zeros(calendar.periods)
    ladder = [(0.0, 1.0), *steps, (np.inf, 1.0)]
    for low, high in pairwise(edges):
        begins = [begin for begin, end in spans if begin <= low and end >= high]
        if not begins:
            continue
        latest = max(begins)
        for (month, multiplier), (until, _) in pairwise(ladder):
            first, last = max(low, latest + month / MONTHS_PER_YEAR), min(high, latest + until / MONTHS_PER_YEAR)
            if last > first:
                share = overlap(calendar, first, last)
                weight += share
                total += multiplier * share
    return np.asarray(np.where(weight > 0, total / np.where(weight > 0, weight, 1.0), 1.0))


def tier_limits(instance: Instance, scenarios: ScenarioSet, tiers: Sequence[int]) -> tuple[Floats, Floats]:
    """(k, T) on the trunk and (S, k, T) in scenarios: share of a segment's demand that some tiers can leave unserved.

    With `loss.spikes` a cut that lasts for part of a period falls on that part of demand: the tiers before a segment's last hold
    that share of theirs, and the last one, beside its own, what they leave. In periods without a cut, as ever."""
    T, S = instance.calendar.periods, len(scenarios.names)
    chosen = list(tiers)
    trunk = np.broadcast_to(instance.tier_share[chosen][:, None], (len(chosen), T))
    own = np.broadcast_to(trunk, (S, len(chosen), T))
    if not instance.plan.loss.spikes or not chosen:
        return trunk, own
    if scenarios.trunk is not None:
        trunk = tier_limits(instance, scenarios.trunk, tiers)[1][0]
    demands = np.array([instance.tiers[n][0] for n in chosen], dtype=int)
    lasting = scenarios.lasting[:, instance.chain[instance.demand_material[demands]]]
    limits = own * np.where(lasting > 0, lasting, 1.0)
    for q in np.unique(demands):
        mine = np.flatnonzero(demands == q)  # in the order of the tiers
        limits[:, mine[-1]] = own[:, mine[-1]] + (own - limits)[:, mine[:-1]].sum(axis=1)
    return trunk, limits


# What happens in a scenario, stated in a line: the most harmful event, and how many more there are.
NOTHING = "no disruption"
"""Text for a scenario in which nothing happens to the planned materials."""
MONTHS_UP_TO = 2.0
"""Years below which a length is stated in months."""


def headlines(scenarios: ScenarioSet, instance: Instance, names: Names) -> list[str]:
    """One line a scenario, in their order: `Chinese embargo on all rare earths from 2030, 4.3 years, and 1 more`."""
    stake = _stakes(instance)
    return [headline(events, instance, names, stake) for events in scenarios.events]


def headline(events: Sequence[DisruptionEvent], instance: Instance, names: Names, stake: Floats | None = None) -> str:
    """What happens to the planned materials, the most harmful event first; events that touch none of them are left out.

    stake: (I,) what a year without each material would cost home users [million USD]; None: worked out."""
    mine = [event for event in events if _touched(event, instance).any()]
    if not mine:
        return NOTHING
    weight = _stakes(instance) if stake is None else stake
    worst = max(mine, key=lambda event: _harm(event, instance, weight))  # the earlier one where two are alike
    more = f", and {len(mine) - 1} more" if len(mine) > 1 else ""
    return f"{event_in_words(worst, names)}{more}"


def event_in_words(event: DisruptionEvent, names: Names) -> str:
    """Hazard, countries where they are not those of the hazard, first year and length of one event."""
    unnamed = "supply cut" if event.cut > 0 else "demand surge" if event.demand or event.surge[0] else "price change"
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
    """`3 months to 4.3 years, on average 18 months`. Years; a missing end leaves the mean alone."""
    middle = length_in_words(mean)
    if not (math.isfinite(low) and math.isfinite(high)):
        return f"{middle} on average"
    return f"{length_in_words(low)} to {length_in_words(high)}, on average {middle}"


def rate_in_words(rate: float) -> str:
    """`once in 6.4 years`, `1.5 times a year`. rate: a year."""
    if rate <= 0:
        return "never"
    if round(rate, 2) == 1:
        return "once a year"
    return f"{rate:.2g} times a year" if rate > 1 else f"once in {_figures(1 / rate)} years"


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
