"""Scenarios: what availability, demand, prices and tightness are in each period of each course of events.

Several events in one scenario combine as the formulation says (section 2): availabilities and demand factors multiply, price
factors are the largest rise times the deepest fall (`event_prices`).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

import numpy as np

from ..core.arrays import Bools, Floats, Ints
from ..core.words import BASELINE_COURSE
from ..instance.calendar import Calendar, overlap
from ..instance.instance import Instance
from ..instance.procurement import exposed_feed
from ..instance.producer_economics import built_anyway, survival
from ..instance.touched import named_materials, touched_producers
from .event_prices import EventPrices
from .events import DisruptionEvent
from .profiles import DIRECT, EFFECTIVE, HazardProfile, Steps, envelope, mean_cuts, relative

Demand = tuple[tuple[str, float], ...]
"""(segment, multiplier) pairs."""

SMALLEST_TOUCH = 1e-9
"""Changes of availability, demand or price below this do not count as touching a component."""


@dataclass(frozen=True)
class SampledScenarios:
    """Sampled scenarios, before what the plan lists takes its share of probability."""

    asked: Any
    """What they were drawn for: equal questions have equal scenarios."""
    events: tuple[tuple[DisruptionEvent, ...], ...]
    share: Floats
    """Probability of each, given that no listed scenario comes."""


@dataclass(frozen=True)
class ScenarioSet:
    """Arrays over S scenarios. Where no event has touched a component, its values are the trunk's."""

    names: tuple[str, ...]
    probability: Floats
    """(S,) sums to one."""
    design_basis: Bools
    events: tuple[tuple[DisruptionEvent, ...], ...]
    availability: Floats
    """(S, J, T) rho."""
    demand_factor: Floats
    """(S, Q, T) delta."""
    price: Floats
    """(S, I, T) [million USD/t]; where events split a market, that of the countries that control the material."""
    market_gap: Floats
    """(S, I, T) price outside the countries of an event as a multiple of that inside, 1 or more; 1 where there is one market."""
    tight: Bools
    """(S, I, T) whether a material is tight at any time of a period."""
    direct: Floats
    """(S, J, T) availability of a source to the reserve: that of its controlled flow, which may be less than what users find."""
    lasting: Floats
    """(S, chains, T) share of a period in which the cut of an event on the chain lasts."""
    squeeze: Floats
    """(S, I, T) the same by material, each moment weighed by how deep the cut is against the deepest of its event: sources ration
    as deep. Materials of the chain that the event does not name follow those that it does."""
    onset: Ints
    """(S, C) first touched period, T where never."""
    end: Ints
    """(S, C) period after the last event that touches the component."""
    trunk: ScenarioSet | None = None
    """The course of the trunk as a set of one, where events have begun before the plan; None: nothing has happened."""
    drawn: SampledScenarios | None = None
    """Where some of the scenarios were sampled: what was drawn, to be weighed again."""

    def baseline(self, instance: Instance) -> ScenarioSet:
        """The course of the trunk as a set of one scenario, in the units of the instance."""
        return undisturbed(instance) if self.trunk is None else self.trunk

    def demand(self, instance: Instance, of: Any = slice(None)) -> Floats:
        """(S, demands asked for, T) what users want in each scenario [t per period]."""
        return np.asarray(instance.demand[of] * self.demand_factor[:, of], dtype=float)

    def counted_in(self, unit: Floats) -> ScenarioSet:
        """The same scenarios with prices per `unit` [(I,) in today's units]: all else has no unit."""
        trunk = None if self.trunk is None else self.trunk.counted_in(unit)
        return replace(self, price=self.price * unit[:, None], trunk=trunk)

    def rows(self, chosen: slice) -> ScenarioSet:
        """Some of the scenarios as they are."""
        picked = {f.name: getattr(self, f.name)[chosen] for f in fields(self) if f.name not in ("trunk", "drawn")}
        return replace(self, **picked, drawn=None)

    def touched(self, component: int, periods: int) -> Ints:
        """Scenarios in which the component branches."""
        return np.flatnonzero(self.onset[:, component] < periods)

    def trunk_weight(self, periods: int) -> Floats:
        """(C, T) w0: probability that nothing has happened to the component up to and including a period."""
        later = self.onset[:, :, None] > np.arange(periods)
        return np.asarray(np.einsum("s,sct->ct", self.probability, later), dtype=float)


def undisturbed(instance: Instance) -> ScenarioSet:
    """The course on which nothing happens, as a set of one scenario."""
    many, chains, T = len(instance.materials), int(instance.chain.max(initial=-1)) + 1, instance.calendar.periods
    never = np.full((1, len(instance.components)), T)
    return ScenarioSet(
        names=(BASELINE_COURSE,),
        probability=np.ones(1),
        design_basis=np.zeros(1, dtype=bool),
        events=((),),
        availability=instance.availability[None],
        demand_factor=np.ones((1, len(instance.demands), T)),
        price=instance.price[None],
        market_gap=np.ones((1, many, T)),
        tight=np.zeros((1, many, T), dtype=bool),
        direct=instance.availability[None],
        lasting=np.zeros((1, chains, T)),
        squeeze=np.zeros((1, many, T)),
        onset=never,
        end=np.zeros_like(never),
    )


def combine_events(
    instance: Instance,
    names: Sequence[str],
    probability: Floats,
    design_basis: Bools,
    events: Sequence[tuple[DisruptionEvent, ...]],
    trunk: ScenarioSet | None = None,
) -> ScenarioSet:
    """Scenarios from their strikes: section 2 and the definition of `tight` in section 3 of the formulation.

    trunk: where events have begun before the plan, the course on which they go on: what differs from it touches a component.
    """
    calendar = instance.calendar
    S, T = len(events), calendar.periods
    J, Q, C = len(instance.producers), len(instance.demands), int(instance.chain.max(initial=-1)) + 1
    availability = np.broadcast_to(instance.availability, (S, J, T)).copy()
    direct = availability.copy()
    arrives = {flow: np.ones((S, J, T)) for flow in (EFFECTIVE, DIRECT)}
    shaped = np.zeros((S, J, T))
    factor, prices = np.ones((S, Q, T)), EventPrices(instance, S)
    lasting = np.zeros((S, C, T))
    override: list[tuple[int, int, Ints, Bools, bool]] = []
    spans: dict[tuple[int, int], list[tuple[float, float]]] = defaultdict(list)
    segments = np.array([segment for _, segment in instance.demands])
    at_name = {name: n for n, name in enumerate(instance.materials)}
    for (countries, materials, demand, profile, scope, spares_home), several in _alike(events).items():
        touched = named_materials(materials, at_name)
        cut, third = touched_producers(
            instance.country, instance.yields, instance.home, countries, touched, spares_home=spares_home
        )
        third = _reached(instance, scope, countries, third)
        hit, components = np.flatnonzero(touched), np.unique(instance.chain[touched])
        s = np.array([scenario for scenario, _, _ in several])
        begin = np.array([event.start + event.flood for _, _, event in several])
        until = begin + [event.duration for _, _, event in several]
        phi = overlap(calendar, begin, until)

        def share(values: list[float], phase: Floats) -> Floats:
            return np.asarray(1 + (np.array(values)[:, None] - 1) * phase)[:, None, :]

        if profile is None:
            left = share([1 - k.cut for _, _, k in several], phi)
            np.multiply.at(availability, (s[:, None], np.flatnonzero(cut)), left)
            np.multiply.at(direct, (s[:, None], np.flatnonzero(cut)), left)
        else:
            at = s[:, None], np.flatnonzero(cut)
            for flow, lost in _lost(instance, profile, [k for _, _, k in several], begin, cut, touched).items():
                np.multiply.at(arrives[flow], at, 1 - lost)
            np.maximum.at(shaped, at, np.broadcast_to(phi[:, None, :], (len(several), int(cut.sum()), T)))
        felt = [profile is None or (k.severity > 0 and not profile.all_routes) for _, _, k in several]
        users = share([1 - k.third_cut * on for (_, _, k), on in zip(several, felt, strict=True)], phi)
        np.multiply.at(availability, (s[:, None], np.flatnonzero(third)), users)
        reserve = share([1 - k.third_cut for _, _, k in several], phi)
        np.multiply.at(direct, (s[:, None], np.flatnonzero(third)), reserve)
        prices.strike(s, hit, profile, [k for _, _, k in several])
        for segment, multiple in demand:
            mine = np.flatnonzero((segments == segment) & touched[instance.demand_material])
            np.multiply.at(factor, (s[:, None], mine), share([multiple] * len(several), phi))
        for n, (scenario, order, event) in enumerate(several):
            for c in components:
                spans[scenario, int(c)].append((float(begin[n]), float(until[n])))
            if event.tight is not None:
                override.append((scenario, order, hit, phi[n] > 0, event.tight))
    for flow, found in (
        (EFFECTIVE, availability),
        (DIRECT, direct),
    ):  # a cut is a share of the usual flow, which counts once
        found *= 1 - shaped * (1 - instance.usual) - (1 - arrives[flow]) * instance.usual
    for (scenario, c), parts in spans.items():
        lasting[scenario, c] = _union(calendar, parts)
    squeeze = _squeeze(instance, events, lasting, at_name)
    price, market_gap = prices.price, prices.gap
    lasts = lasting > 0
    tight = _tight(instance, availability, factor, price, market_gap, lasts)
    for scenario, _, ruled, inside, value in sorted(override, key=lambda told: told[:2]):
        tight[scenario, ruled[:, None], np.flatnonzero(inside)] = value
    base = undisturbed(instance) if trunk is None else trunk
    onset, end = _extent(instance, base, np.minimum(availability, direct), factor, price * market_gap, tight, lasts)
    return ScenarioSet(
        tuple(names),
        probability,
        design_basis,
        tuple(events),
        availability,
        factor,
        price,
        market_gap,
        tight,
        np.minimum(availability, direct),
        lasting,
        squeeze,
        onset,
        end,
        trunk,
    )


Span = tuple[float, float, float]
"""(begin, end, depth against the deepest cut of the event) [decimal fiscal years]."""


def _squeeze(
    instance: Instance,
    events: Sequence[tuple[DisruptionEvent, ...]],
    lasting: Floats,
    at_name: Mapping[str, int],
) -> Floats:
    """(S, I, T) as `ScenarioSet.squeeze`; where no event has a profile it is how long the cuts last."""
    squeeze, by = lasting[:, instance.chain].copy(), _squeezed_by(instance, events, at_name)
    envelopes: dict[tuple[int, tuple[str, ...]], Steps] = {}  # by identity: a profile is costly to compare

    def spans(event: DisruptionEvent, names: tuple[str, ...]) -> list[Span]:
        """When an event cuts some materials, and how deep against its own deepest cut of them."""
        begin = event.start + event.flood
        if event.profile is None:
            return [(begin, begin + event.duration, 1.0)]
        known = envelopes.get((id(event.profile), names))
        if known is None:
            known = envelopes[id(event.profile), names] = envelope(event.profile, names)
        return [(begin + a, begin + b, depth) for a, b, depth in relative(known, event.severity, event.stretch)]

    for s, scenario in enumerate(events):
        if all(event.profile is None for event in scenario):
            continue
        deepest: dict[tuple[Span, ...], Floats] = {}  # many materials share their spans
        for i in range(len(instance.materials)):
            mine = [(event, by[event.materials, i]) for event in scenario if by[event.materials, i]]
            if not mine:
                continue
            cut = tuple(span for event, names in mine for span in spans(event, names))
            if cut not in deepest:
                deepest[cut] = _deepest(instance.calendar, cut) if cut else np.zeros(instance.calendar.periods)
            squeeze[s, i] = deepest[cut]
    return squeeze


def _squeezed_by(
    instance: Instance, events: Sequence[tuple[DisruptionEvent, ...]], at_name: Mapping[str, int]
) -> dict[tuple[str, int], tuple[str, ...]]:
    """(materials as an event names them, a material) -> those of them by which it is squeezed: itself, or else those of its
    chain."""
    found = {}
    for names in {event.materials for scenario in events for event in scenario}:
        touched = named_materials(names, at_name)
        for i, c in enumerate(instance.chain):
            inside = [i] if touched[i] else np.flatnonzero(touched & (instance.chain == c)).tolist()
            found[names, i] = tuple(instance.materials[k] for k in inside)
    return found


def _lost(
    instance: Instance,
    profile: HazardProfile,
    events: Sequence[DisruptionEvent],
    begin: Floats,
    cut: Bools,
    touched: Bools,
) -> dict[str, Floats]:
    """(n, cut producers, T) by flow: share of the usual flow that users, and the reserve, lose. A producer of several materials
    loses what the deepest of their cuts takes."""
    stretch = np.array([k.stretch for k in events])
    producers = np.flatnonzero(cut)
    found = {}
    for flow, of_flow, severity in (
        (EFFECTIVE, profile.effective, np.array([k.severity for k in events])),
        (DIRECT, profile.direct, np.array([k.direct_severity for k in events])),
    ):
        lost = np.zeros((len(events), len(producers), instance.calendar.periods))
        for name, steps in of_flow:
            if name in instance.materials and touched[i := instance.materials.index(name)]:
                mean = mean_cuts(instance.calendar, steps, begin, severity, stretch)
                makes = np.asarray(instance.yields[producers, i] > 0, dtype=bool)
                lost = np.maximum(lost, mean[:, None, :] * makes[None, :, None])
        found[flow] = lost
    return found


def _reached(instance: Instance, scope: str, countries: str, third: Bools) -> Bools:
    """(J,) which of other countries' producers an event reaches, by its scope (`third_country_scope` of hazards)."""
    if scope == "feed":
        return third & exposed_feed(instance.feed, instance.members, countries)
    return third & ~instance.overland if scope == "overseas" else third


def squeeze_of_outputs(squeeze: Floats, makes: Bools) -> Floats:
    """How far producers serve their contracts alone, as much as for the scarcest thing that each makes.

    squeeze: (N, I, ...) by material. makes: (J, I). Returns (N, J, ...).
    """
    if not len(makes):
        return squeeze[:, :0]
    return np.stack([squeeze[:, row].max(axis=1, initial=0.0) for row in makes], axis=1)


Kind = tuple[str, str, Demand, HazardProfile | None, str, bool]
"""What strikes of one kind touch, and how."""


def _alike(events: Sequence[tuple[DisruptionEvent, ...]]) -> dict[Kind, list[tuple[int, int, DisruptionEvent]]]:
    """(scenario, order in it, strike) of strikes that touch the same producers, materials and segments by the same profile."""
    found: dict[Kind, list[tuple[int, int, DisruptionEvent]]] = defaultdict(list)
    for s, scenario in enumerate(events):
        for order, event in enumerate(scenario):
            kind = (
                event.countries,
                event.materials,
                event.demand,
                event.profile,
                event.third_scope,
                event.spares_home,
            )
            found[kind].append((s, order, event))
    return found


def _union(calendar: Calendar, spans: Sequence[tuple[float, float]]) -> Floats:
    """(T,) share of each period that lies in any of the spans [decimal fiscal years]."""
    reached = -math.inf
    apart = []
    for begin, end in sorted(spans):
        if end > reached:
            apart.append((max(begin, reached), end))
            reached = end
    edges = np.array(apart)
    return np.asarray(np.minimum(overlap(calendar, edges[:, 0], edges[:, 1]).sum(axis=0), 1.0))


def _deepest(calendar: Calendar, spans: Sequence[Span]) -> Floats:
    """(T,) mean over each period of the deepest of what lasts."""
    edges = np.array(sorted({edge for begin, end, _ in spans for edge in (begin, end)}))
    depth = [max((d for begin, end, d in spans if begin <= a and b <= end), default=0.0) for a, b in pairwise(edges)]
    return np.asarray(np.minimum(np.array(depth) @ overlap(calendar, edges[:-1], edges[1:]), 1.0))


def baseline_sources(instance: Instance) -> Bools:
    """(J,) existing sources, and projects that their owners would build at once without support."""
    baseline = np.arange(len(instance.producers)) < instance.sources
    for project in instance.projects:
        baseline[project.producer] = built_anyway(instance, project)
    return baseline


def _tight(
    instance: Instance, availability: Floats, factor: Floats, price: Floats, market_gap: Floats, lasts: Bools
) -> Bools:
    """tight[s,i,t]: an event on i's chain lasts, and a source of i is short, shut, or i is drawn on by demand;
    or an input of its makers, or an output made from it, is tight."""
    makes, uses = (instance.yields > 0).astype(float), (instance.yields < 0).astype(float)
    counted = baseline_sources(instance)
    active = lasts[:, instance.chain]
    troubled = availability < instance.usual * (1 - max(SMALLEST_TOUCH, instance.plan.tight_cut_share))
    for j in np.flatnonzero(counted):  # a baseline plant counts as if it stood from the start
        troubled[:, j] |= ~survival(instance, int(j), price, (), 0, market_gap)
    troubled &= counted[:, None]
    tight = np.matmul(makes.T, troubled) > 0
    surged = factor > 1 + SMALLEST_TOUCH
    for q, i in enumerate(instance.demand_material):
        tight[:, i] |= surged[:, q]
    tight &= active
    while True:  # spreads along the chain, both ways
        by_input, by_output = np.matmul(uses, tight) > 0, np.matmul(makes, tight) > 0
        spread = (np.matmul(makes.T, by_input) > 0) | (np.matmul(uses.T, by_output) > 0)
        after = tight | (spread & active)
        if (after == tight).all():
            return np.asarray(after, dtype=bool)
        tight = after


def _extent(
    instance: Instance,
    base: ScenarioSet,
    availability: Floats,
    factor: Floats,
    price: Floats,
    tight: Bools,
    lasts: Bools,
) -> tuple[Ints, Ints]:
    """Onset and end of what touches each component in each scenario: of what differs from the trunk's course `base`."""
    S, _, T = price.shape
    C = len(instance.components)
    changed = np.zeros((S, C, T), dtype=bool)
    moved = np.abs(availability - base.direct) > SMALLEST_TOUCH
    for j, c in enumerate(instance.producer_component):
        changed[:, c] |= moved[:, j]
    for q, i in enumerate(instance.demand_material):
        changed[:, instance.component[i]] |= np.abs(factor[:, q] - base.demand_factor[:, q]) > SMALLEST_TOUCH
    calm = base.price * base.market_gap
    for i, c in enumerate(instance.component):
        changed[:, c] |= np.abs(price[:, i] / calm[:, i] - 1) > SMALLEST_TOUCH
        changed[:, c] |= base.tight[:, i] & ~tight[:, i]
    period = np.arange(T)
    onset = np.where(changed, period, T).min(axis=2, initial=T)
    under = np.zeros_like(changed)
    for i, c in enumerate(instance.component):
        under[:, c] |= lasts[:, instance.chain[i]]
    last = np.where(changed | (under & changed.any(axis=2, keepdims=True)), period + 1, 0).max(axis=2, initial=0)
    return onset.astype(int), np.asarray(last, dtype=int)
