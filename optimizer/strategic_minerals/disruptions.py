"""Hazards and listed events -> worlds: availability, demand, prices and tightness by period.

A world is one course of events with a probability. Several events in one world combine as the formulation says:
availabilities and demand factors multiply, price factors are the largest rise times the deepest fall.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .dataset import Dataset
from .errors import Fault, PlanError
from .instance import Bools, Calendar, Floats, Instance, Ints, named_materials, overlap, touched_producers
from .plan import Event, Plan
from .price_support import built_anyway, survival

NO_EVENT = "no event"
SMALLEST_TOUCH = 1e-9
"""Changes of availability, demand or price below this do not count as touching a component."""


@dataclass(frozen=True)
class Strike:
    """One event with everything stated: when, where, how hard. Years are decimal fiscal years."""

    start: float
    flood: float
    """Years of flood before the cut."""
    duration: float
    """Years of the cut."""
    countries: str
    materials: str
    cut: float
    price: float
    flood_price: float
    third_cut: float
    demand: tuple[tuple[str, float], ...]
    tight: bool | None
    label: str


@dataclass(frozen=True)
class Worlds:
    """Arrays over S worlds. Where no event has touched a component, its values are the trunk's."""

    names: tuple[str, ...]
    probability: Floats
    """(S,) sums to one."""
    design_basis: Bools
    strikes: tuple[tuple[Strike, ...], ...]
    availability: Floats
    """(S, J, T) rho."""
    demand_factor: Floats
    """(S, Q, T) delta."""
    price: Floats
    """(S, I, T) [million USD/t]."""
    tight: Bools
    """(S, I, T) whether a material is tight at any time of a period."""
    lasting: Floats
    """(S, C, T) share of a period in which the cut of an event on the component lasts: the share that is tight."""
    onset: Ints
    """(S, C) first touched period, T where never."""
    end: Ints
    """(S, C) period after the last event that touches the component."""

    def touched(self, component: int, periods: int) -> Ints:
        """Worlds in which the component branches."""
        return np.flatnonzero(self.onset[:, component] < periods)

    def trunk_weight(self, periods: int) -> Floats:
        """(C, T) w0: probability that nothing has happened to the component up to and including a period."""
        later = self.onset[:, :, None] > np.arange(periods)
        return np.asarray(np.einsum("s,sct->ct", self.probability, later), dtype=float)


def longest_event(plan: Plan, data: Dataset) -> float:
    """Longest event in years of the listed scenarios and of the hazards that may be sampled."""
    hazards = {row.hazard: row for row in data.rows("hazards")}
    lengths = [0.0]
    for scenario in plan.scenarios:
        for event in scenario.events:
            row = hazards.get(event.hazard or "")
            lengths.append(
                _or(event.flood_years, row, "flood_yr", 0.0) + _or(event.duration_years, row, "duration_yr", 0.0)
            )
    for row in _sampled_hazards(plan, data):
        lengths.append(row.flood_yr + row.duration_yr)
    return max(lengths)


def build_worlds(instance: Instance, data: Dataset) -> Worlds:
    """All worlds of the plan: listed scenarios, sampled worlds, and what is left without any event.

    Raises PlanError for an event outside periods 2..T: what is in force at the start is a control.
    """
    plan, calendar = instance.plan, instance.calendar
    hazards = {row.hazard: row for row in data.rows("hazards")}
    names: list[str] = []
    probability: list[float] = []
    design: list[bool] = []
    strikes: list[tuple[Strike, ...]] = []
    faults: list[Fault] = []
    begin, last = calendar.first_year + calendar.step, calendar.first_year + calendar.step * calendar.periods
    for n, scenario in enumerate(plan.scenarios):
        struck = []
        for e, event in enumerate(scenario.events):
            if not begin <= event.start_year < last:
                place = f"scenarios.{n}.events.{e}.start_year"
                expected = f"a date from the second period ({begin:g}) to the end of the tail ({last:g})"
                faults.append(Fault("plan", "", place, f"{event.start_year:g}", expected))
            struck.append(_strike(event, hazards.get(event.hazard or "")))
        names.append(scenario.name)
        probability.append(scenario.probability)
        design.append(scenario.design_basis)
        strikes.append(tuple(struck))
    if faults:
        raise PlanError(faults)
    rest = max(0.0, 1.0 - sum(probability))
    if plan.sample is not None:
        drawn = sample_strikes(instance, data)
        quiet = min(rest, plan.sample.quiet_probability)
        names.append(NO_EVENT)
        probability.append(quiet)
        design.append(False)
        strikes.append(())
        rest -= quiet
        names += [f"sample-{n + 1}" for n in range(len(drawn))]
        probability += [rest / len(drawn)] * len(drawn)
        design += [False] * len(drawn)
        strikes += drawn
    elif rest > 0 or not names:
        names.append(NO_EVENT)
        probability.append(rest if names[:-1] else 1.0)
        design.append(False)
        strikes.append(())
    share = np.array(probability, dtype=float)
    return combine(instance, names, share / share.sum(), np.array(design, dtype=bool), strikes)


def sample_strikes(instance: Instance, data: Dataset) -> list[tuple[Strike, ...]]:
    """Draw worlds from the hazards: Poisson onsets after the first period, exponential durations, by a seed.

    Each hazard draws from a stream of its own, so that another hazard, or another order of the table, changes no draw.
    A hazard strikes at most `events_per_hazard` times in one world, one event after the other.
    """
    plan, calendar = instance.plan, instance.calendar
    sample = plan.sample
    assert sample is not None
    begin, last = calendar.first_year + calendar.step, calendar.first_year + calendar.step * calendar.periods
    worlds: list[list[Strike]] = [[] for _ in range(sample.worlds)]
    for row in _sampled_hazards(plan, data):
        rng = np.random.default_rng([sample.seed, zlib.crc32(row.hazard.encode())])
        ready = np.full(sample.worlds, begin)
        for _ in range(sample.events_per_hazard):
            with np.errstate(divide="ignore"):
                start = (
                    ready + rng.exponential(1.0, sample.worlds) / row.rate_per_yr
                    if row.rate_per_yr > 0
                    else ready + math.inf
                )
            duration = rng.exponential(row.duration_yr, sample.worlds)
            low = row.cut_share if row.cut_share_low is None else row.cut_share_low
            high = row.cut_share if row.cut_share_high is None else row.cut_share_high
            cut = (
                rng.triangular(low, row.cut_share, high, sample.worlds)
                if low < high
                else np.full(sample.worlds, row.cut_share)
            )
            for n in np.flatnonzero(start < last):
                base = _strike(Event(hazard=row.hazard, start_year=float(start[n])), row)
                worlds[n].append(replace(base, duration=float(duration[n]), cut=float(cut[n])))
            ready = start + row.flood_yr + duration
    return [tuple(sorted(world, key=lambda strike: strike.start)) for world in worlds]


def combine(
    instance: Instance,
    names: Sequence[str],
    probability: Floats,
    design_basis: Bools,
    strikes: Sequence[tuple[Strike, ...]],
) -> Worlds:
    """Worlds from their strikes: section 2 and the definition of `tight` in section 3 of the formulation."""
    calendar = instance.calendar
    S, T = len(strikes), calendar.periods
    J, I, Q, C = len(instance.producers), len(instance.materials), len(instance.demands), len(instance.components)  # noqa: E741
    availability = np.broadcast_to(instance.availability, (S, J, T)).copy()
    factor = np.ones((S, Q, T))
    rise, fall = np.ones((S, I, T)), np.ones((S, I, T))
    lasting = np.zeros((S, C, T))
    override: dict[tuple[int, int, int], bool] = {}
    segments = [segment for _, segment in instance.demands]
    for s, world in enumerate(strikes):
        spans: dict[int, list[tuple[float, float]]] = {}
        for strike in world:
            touched = named_materials(strike.materials, {name: n for n, name in enumerate(instance.materials)})
            flood = overlap(calendar, strike.start, strike.start + strike.flood)
            begin = strike.start + strike.flood
            phi = overlap(calendar, begin, begin + strike.duration)
            cut, third = touched_producers(
                instance.country, instance.yields, instance.plan.home, strike.countries, touched
            )
            availability[s, cut] *= 1 - strike.cut * phi
            availability[s, third] *= 1 - strike.third_cut * phi
            for multiple, phase in ((strike.price, phi), (strike.flood_price, flood)):
                course = 1 + (multiple - 1) * phase
                rise[s, touched] = np.maximum(rise[s, touched], course)
                fall[s, touched] = np.minimum(fall[s, touched], course)
            surge = dict(strike.demand)
            for q, segment in enumerate(segments):
                if segment in surge and touched[instance.demand_material[q]]:
                    factor[s, q] *= 1 + (surge[segment] - 1) * phi
            for c in np.unique(instance.component[touched]):
                spans.setdefault(int(c), []).append((begin, begin + strike.duration))
            if strike.tight is not None:
                for touched_i in np.flatnonzero(touched):
                    override.update({(s, int(touched_i), int(t)): strike.tight for t in np.flatnonzero(phi > 0)})
        for c, several in spans.items():
            lasting[s, c] = _union(calendar, several)
    price = instance.price * np.maximum(rise, 1.0) * np.minimum(fall, 1.0)
    lasts = lasting > 0
    tight = _tight(instance, availability, factor, price, lasts)
    for (s, i, t), value in override.items():
        tight[s, i, t] = value
    onset, end = _extent(instance, availability, factor, price, lasts)
    return Worlds(
        tuple(names), probability, design_basis, tuple(strikes), availability, factor, price, tight, lasting, onset, end
    )


def _union(calendar: Calendar, spans: Sequence[tuple[float, float]]) -> Floats:
    """(T,) share of each period that lies in any of the spans [decimal fiscal years]."""
    share = np.zeros(calendar.periods)
    reached = -math.inf
    for begin, end in sorted(spans):
        if end > reached:
            share += overlap(calendar, max(begin, reached), end)
            reached = end
    return np.minimum(share, 1.0)


def baseline_sources(instance: Instance) -> Bools:
    """(J,) existing sources, and projects that their owners would build at once without support."""
    baseline = np.arange(len(instance.producers)) < instance.sources
    for project in instance.projects:
        baseline[project.producer] = built_anyway(instance, project)
    return baseline


def _tight(instance: Instance, availability: Floats, factor: Floats, price: Floats, lasts: Bools) -> Bools:
    """tight[s,i,t]: an event on i's component lasts, and a source of i is short, shut, or i is drawn on by demand;
    or an input of its makers, or an output made from it, is tight."""
    makes, uses = (instance.yields > 0).astype(float), (instance.yields < 0).astype(float)
    counted = baseline_sources(instance)
    active = lasts[:, instance.component]
    troubled = availability < 1 - SMALLEST_TOUCH
    for j in np.flatnonzero(counted):  # a baseline plant counts as if it stood from the start
        troubled[:, j] |= ~survival(instance, int(j), price, (), 0)
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


def _extent(instance: Instance, availability: Floats, factor: Floats, price: Floats, lasts: Bools) -> tuple[Ints, Ints]:
    """Onset and end of what touches each component in each world."""
    S, _, T = price.shape
    C = len(instance.components)
    changed = np.zeros((S, C, T), dtype=bool)
    moved = np.abs(availability - instance.availability) > SMALLEST_TOUCH
    for j, c in enumerate(instance.producer_component):
        changed[:, c] |= moved[:, j]
    for q, i in enumerate(instance.demand_material):
        changed[:, instance.component[i]] |= np.abs(factor[:, q] - 1) > SMALLEST_TOUCH
    for i, c in enumerate(instance.component):
        changed[:, c] |= np.abs(price[:, i] / instance.price[i] - 1) > SMALLEST_TOUCH
    period = np.arange(T)
    onset = np.where(changed, period, T).min(axis=2, initial=T)
    last = np.where(changed | (lasts & changed.any(axis=2, keepdims=True)), period + 1, 0).max(axis=2, initial=0)
    return onset.astype(int), np.asarray(last, dtype=int)


def _sampled_hazards(plan: Plan, data: Dataset) -> list[Any]:
    if plan.sample is None:
        return []
    wanted = plan.sample.hazards
    return [row for row in data.rows("hazards") if "*" in wanted or row.hazard in wanted]


def _or(value: Any, row: Any, name: str, default: Any) -> Any:
    if value is not None:
        return value
    return default if row is None else getattr(row, name)


def parse_multipliers(text: str) -> dict[str, float]:
    """`defence=1.5 other=0.8` -> {"defence": 1.5, "other": 0.8}. ValueError where it is not of that form."""
    pairs = [part.split("=") for part in text.split()]
    return {segment: float(value) for segment, value in pairs}


def _strike(event: Event, row: Any) -> Strike:
    """An event with what it leaves out taken from its hazard."""
    demand = event.demand_multipliers
    if demand is None:
        demand = parse_multipliers("" if row is None else row.demand_multipliers)
    return Strike(
        start=event.start_year,
        flood=_or(event.flood_years, row, "flood_yr", 0.0),
        duration=_or(event.duration_years, row, "duration_yr", 0.0),
        countries=_or(event.countries, row, "countries", ""),
        materials=_or(event.materials, row, "materials", ""),
        cut=_or(event.cut_share, row, "cut_share", 0.0),
        price=_or(event.price_multiplier, row, "price_multiplier", 1.0),
        flood_price=_or(event.flood_multiplier, row, "flood_multiplier", 1.0),
        third_cut=_or(event.third_country_cut_share, row, "third_country_cut_share", 0.0),
        demand=tuple(sorted(demand.items())),
        tight=event.tight,
        label=event.hazard or "event",
    )
