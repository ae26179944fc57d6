"""What a tonne of unserved demand costs, by period and scenario: it hangs on the price and on how long a disruption has lasted.

A segment without rows in the table `adaptation` has one loss for all periods: the base price plus the named loss. One with rows has

    v[n,t,s] = max(P0[t], P_s[t]) where dearest, premium included, + adaptation[q,t,s] * named loss[n]      [million USD per unit]

so that going short never becomes a saving. Risk measures, and plans without price gain, value it at the undisturbed price P0.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..core.arrays import Floats
from ..core.units import MONTHS_PER_YEAR
from ..instance.calendar import Calendar, overlap
from ..instance.instance import Instance
from ..instance.touched import named_materials
from .scenario_set import ScenarioSet

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
        fixed = fixed + np.stack([instance.dearer_outside(int(i)) for i in material])
    if not adapted.any():
        return fixed
    asked = np.stack([instance.dearest_price(int(i), instance.price[i]) for i in material])
    return np.where(adapted[:, None], asked + instance.tier_named[chosen][:, None], fixed)


def loss_values(
    instance: Instance, scenarios: ScenarioSet, tiers: Sequence[int], *, at_risk: bool = False
) -> tuple[Floats, Floats]:
    """(k, T) on the trunk and (S, k, T) in scenarios: v of some tiers, in the instance's units; read-only where nothing changes.

    at_risk: as risk measures count it, at undisturbed prices.
    """
    T, S = instance.calendar.periods, len(scenarios.names)
    trunk = undisturbed_values(instance, tiers)
    demands = [instance.tiers[n][0] for n in tiers]
    adapted = np.array([bool(instance.adaptation[q]) for q in demands], dtype=bool)
    if not adapted.any():
        return trunk, np.broadcast_to(trunk, (S, len(trunk), T))
    if scenarios.trunk is not None:
        trunk = np.where(adapted[:, None], _disturbed(instance, scenarios.trunk, tiers, at_risk)[0], trunk)
    later = _disturbed(instance, scenarios, tiers, at_risk)
    reached = np.arange(T) >= scenarios.onset[:, instance.component[instance.demand_material[demands]], None]
    return trunk, np.where(adapted[:, None] & reached, later, trunk)


def _disturbed(instance: Instance, scenarios: ScenarioSet, tiers: Sequence[int], at_risk: bool) -> Floats:
    """(S, k, T) v of some tiers were they adapted in every period: price where dearest + adaptation * named loss."""
    T, S = instance.calendar.periods, len(scenarios.names)
    chosen = list(tiers)
    demands = [instance.tiers[n][0] for n in chosen]
    material = instance.demand_material[demands]
    named, calm = instance.tier_named[chosen][:, None], instance.price[material]
    disturbed = (
        np.broadcast_to(calm, (S, len(chosen), T))
        if at_risk or not instance.plan.price_gain
        else np.maximum(calm, scenarios.price[:, material])
    )
    gaps = None if at_risk or not instance.plan.price_gain else scenarios.market_gap
    asked = np.stack(
        [
            instance.dearest_price(int(i), disturbed[:, k], gap=None if gaps is None else gaps[:, i])
            for k, i in enumerate(material)
        ],
        axis=1,
    )
    return np.asarray(asked + adaptation(instance, scenarios, demands) * named)


def adaptation(instance: Instance, scenarios: ScenarioSet, demands: Sequence[int]) -> Floats:
    """(S, k, T) mean multiplier of the named loss of some demands, over the part of a period in which a cut is in force.

    It counts from the beginning of the latest cut in force on the demand's chain; 1 where none is.
    """
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
    that share of theirs, and the last one, beside its own, what they leave. In periods without a cut, as ever.
    """
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
