"""Events with everything stated: what a plan lists, and what its hazards say where the plan is silent."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import pairwise
from operator import attrgetter
from typing import Any, Protocol

import numpy as np
from scipy.special import ndtri

from ..core.frames import Bools, Floats, Ints
from ..core.runner import checkpoint
from ..core.stats import BASELINE_COURSE, MONTHS_PER_YEAR
from ..question.base import gathered
from ..question.dataset import Dataset
from ..question.plan import Event, Plan
from .build import exposed_feed, named_materials, struck_feed, touched_producers
from .instance import Calendar, Instance, overlap
from .producers import built_anyway, survival

# How deep a disruption cuts and what it does to prices, by months since its onset, as observed.
EFFECTIVE, DIRECT = "effective", "direct"
UNNAMED = "event"
"""Label of an event of a plan that names no hazard."""
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

    @cached_property
    def length(self) -> float:
        """Years from the onset to the last cut."""
        return max(end for _, steps in (*self.effective, *self.direct) for _, end, share in steps if share > 0)

    @cached_property
    def deepest(self) -> float:
        """Largest share that home users lose of a material."""
        return max(share for _, steps in self.effective for *_, share in steps)


def profiles(data: Dataset) -> dict[str, HazardProfile]:
    """Profile of each hazard that has one, from the tables `hazard_profiles` and `hazard_prices`."""
    cuts = _steps(data, "hazard_profiles", "flow", "cut_share")
    quoted = _steps(data, "hazard_prices", "market", "price_multiplier")
    highest: dict[str, dict[str, float]] = defaultdict(dict)
    for row in data.rows("hazard_prices"):
        most = max(row.price_multiplier, row.price_multiplier_high or 1.0)
        highest[row.hazard][row.material] = max(most, highest[row.hazard].get(row.material, 1.0))

    def laid(by_material: dict[str, list[Step]], spare: dict[str, list[Step]]) -> tuple[tuple[str, Steps], ...]:
        names = {**spare, **by_material}
        return tuple((name, tuple(sorted(steps))) for name, steps in sorted(names.items()))

    return {
        hazard: HazardProfile(
            laid(cuts[hazard, EFFECTIVE], cuts[hazard, DIRECT]),
            laid(cuts[hazard, DIRECT], cuts[hazard, EFFECTIVE]),
            bool(cuts[hazard, EFFECTIVE]),
            laid(quoted[hazard, INSIDE], {}),
            laid(quoted[hazard, OUTSIDE], {}),
            tuple(sorted(highest[hazard].items())),
        )
        for hazard in dict.fromkeys(row.hazard for row in data.rows("hazard_profiles") if row.cut_share > 0)
    }


def _steps(data: Dataset, table: str, kind: str, figure: str) -> defaultdict[tuple[str, str], dict[str, list[Step]]]:
    """(hazard, flow or market) -> material -> its steps."""
    found: defaultdict[tuple[str, str], dict[str, list[Step]]] = defaultdict(lambda: defaultdict(list))
    for row in data.rows(table):
        step = (row.month_from / MONTHS_PER_YEAR, row.month_to / MONTHS_PER_YEAR, getattr(row, figure))
        found[row.hazard, getattr(row, kind)][row.material].append(step)
    return found


def mean_cuts(calendar: Calendar, steps: Steps, start: Floats, severity: Floats, stretch: Floats) -> Floats:
    """(n, T) share cut of each period by n events: mean over the period of min(1, x * cut(a / z)).

    start: (n,) onsets of the cuts [decimal fiscal years]; severity, stretch: (n,) x and z."""
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


Surge = tuple[str, str, float]
"""Rows of `surges` that an event makes of demand, none where it is empty; which end of their range; years of them that are past."""


@dataclass(frozen=True)
class DisruptionEvent:
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
    demand: Demand
    surge: Surge
    tight: bool | None
    label: str
    """Code of its hazard."""
    name: str = ""
    """What readers call its hazard; empty where there is none."""
    profile: HazardProfile | None = None
    """How deep it cuts by months; None: `cut` throughout."""
    severity: float = 1.0
    """Factor on what users lose by the profile; 0: they lose nothing."""
    direct_severity: float = 1.0
    """The same of the direct flow and of the price."""
    stretch: float = 1.0
    """Factor on the length of the profile."""
    third_scope: str = "all"
    """Which other countries' sources are cut, as `third_country_scope` of hazards says."""
    by_buyer: bool = False
    """Whether it asks who buys, as licences do: makers elsewhere keep their feed but for what the hazard says."""
    spares_home: bool = False
    """Whether plants at home go on though their country is named: who limits exports serves its own users."""
    brought_on: bool = False
    """Whether another event brought it on: that says nothing of how often its hazard comes by itself."""
    producers: str = ""
    """Those that it strikes alone; empty: all in its countries."""
    begun: DisruptionEvent | None = None
    """Of an event that had begun before the plan: itself as its hazard has it. When it ends was then not known."""


def resolve_event(event: Event, row: Any, profile: HazardProfile | None = None) -> DisruptionEvent:
    """An event with what it leaves out taken from its hazard (`row`; None: the event states everything itself).

    profile: of the hazard; an event with a cut of its own leaves it aside, one with a price or countries of its own the prices in
    it. The cut of a hazard is the likeliest one; that of an
    `on_off` hazard, whose `cut_share` is a probability, is everything."""
    share = event.cut_share
    if share is None and row is not None and row.cut_law == "on_off":
        share = 1.0
    demand = event.demand_multipliers or {}
    shaped = profile if event.cut_share is None else None
    if shaped is not None and (event.price_multiplier is not None or event.countries is not None):
        shaped = shaped.without_prices()  # the event says itself what it does to prices, or where
    stretch, severity = event.stretch, 1.0 if event.severity is None or shaped is None else event.severity
    if shaped is not None and stretch is None:
        stretch = 1.0 if event.duration_years is None else event.duration_years / shaped.length
    duration = _or(event.duration_years, row, "duration_yr", 0.0)
    if shaped is not None:
        duration, share = shaped.length * (stretch or 1.0), min(1.0, severity * shaped.deepest)
    return DisruptionEvent(
        start=event.start_year,
        flood=_or(event.flood_years, row, "flood_yr", 0.0),
        duration=duration,
        countries=_or(event.countries, row, "countries", ""),
        materials=_or(event.materials, row, "materials", ""),
        producers=event.producers,
        cut=_or(share, row, "cut_share", 0.0),
        price=_or(event.price_multiplier, row, "price_multiplier", 1.0),
        flood_price=_or(event.flood_multiplier, row, "flood_multiplier", 1.0),
        third_cut=_or(event.third_country_cut_share, row, "third_country_cut_share", 0.0),
        demand=tuple(sorted(demand.items())),
        surge=(_or(event.surge, row, "surge", None) or "", event.surge_level, event.surge_months / MONTHS_PER_YEAR),
        tight=event.tight,
        label=event.hazard or UNNAMED,
        name="" if row is None else row.name,
        profile=shaped,
        severity=severity,
        direct_severity=severity,
        stretch=stretch or 1.0,
        third_scope="all" if row is None else row.third_country_scope,
        by_buyer=row is not None and row.kind == "licence",
        spares_home=row is not None and row.kind == "ally_limit",
    )


def resolver(plan: Plan, data: Dataset) -> Callable[[Event], DisruptionEvent]:
    """`resolve_event` with what the hazards of a plan say: their rows with overrides, their profiles."""
    rows, shaped = hazards(plan, data), profiles_of(plan, data)
    return lambda event: resolve_event(event, rows.get(event.hazard or ""), shaped.get(event.hazard or ""))


def profiles_of(plan: Plan, data: Dataset) -> dict[str, HazardProfile]:
    """Profiles of the hazards; none where the plan states a cut or a duration itself, none of prices where it states a price."""
    flat = {o.hazard for o in plan.hazards if o.cut_share is not None or o.duration_yr is not None}
    one_price = {o.hazard for o in plan.hazards if o.price_multiplier is not None}
    return {
        hazard: profile.without_prices() if hazard in one_price else profile
        for hazard, profile in profiles(data).items()
        if hazard not in flat
    }


def hazards(plan: Plan, data: Dataset) -> dict[str, Any]:
    """Rows of the table of hazards by name, with what the plan overrides; their ranges move along in proportion."""
    rows = {row.hazard: row for row in data.rows("hazards")}
    for override in plan.hazards:
        if override.hazard in rows:
            changed = override.model_dump(exclude={"hazard"}, exclude_none=True)
            ranges = {
                f"{name}_{end}": _scaled(rows[override.hazard], name, end, value)
                for name, value in changed.items()
                for end in ("low", "high")
                if f"{name}_{end}" in type(rows[override.hazard]).model_fields
            }
            rows[override.hazard] = rows[override.hazard].model_copy(update={**ranges, **changed})
    return rows


def _scaled(row: Any, name: str, end: str, value: float) -> float | None:
    """The end of a range that moves with its value; shares end at 1."""
    old, bound = getattr(row, name), getattr(row, f"{name}_{end}")
    if bound is None or old <= 0:
        return None
    moved = float(bound * value / old)
    return min(1.0, moved) if name in ("cut_share", "after_probability") else moved


def sampled(plan: Plan, data: Dataset) -> list[Any]:
    """Rows of the hazards that the plan's sample draws from, in order of their names."""
    if plan.sample is None:
        return []
    wanted = plan.sample.hazards
    rows = (row for name, row in hazards(plan, data).items() if "*" in wanted or name in wanted)
    return sorted(rows, key=lambda row: row.hazard)


def longest_event(plan: Plan, data: Dataset) -> float:
    """Longest event in years of the listed scenarios and of the hazards that may be sampled, at their mean duration or, with a
    profile, at its own length."""
    resolved, shaped = resolver(plan, data), profiles_of(plan, data)
    events = [resolved(event) for scenario in plan.scenarios for event in scenario.events]
    lengths = [event.flood + event.duration for event in events]
    drawn = [
        row.flood_yr + (shaped[row.hazard].length if row.hazard in shaped else row.duration_yr)
        for row in sampled(plan, data)
    ]
    return float(max([0.0, *lengths, *drawn]))


def describe(event: DisruptionEvent) -> str:
    """An event in words: what, from when, how hard, how long, and what the price does."""
    flood = f"price {event.flood_price:.3g} times as high for {event.flood:.1f} years, then " if event.flood else ""
    quoted = event.profile is not None and event.profile.priced
    price = f", price {event.price:.3g} times as high" if event.price != 1 and not quoted else ""
    price = ", prices by material as quoted" if quoted else price
    cut = f"supply cut by {event.cut:.0%} for {event.duration:.1f} years"
    return f"{event.name or event.label} from {event.start:.1f}: {flood}{cut}{price}"


def _or(value: Any, row: Any, name: str, default: Any) -> Any:
    if value is not None:
        return value
    return default if row is None else getattr(row, name)


# What several events of one period take together: what those in force take at each moment.
@dataclass(frozen=True)
class _Strikes:
    """What n events take from the same producers."""

    scenario: Ints
    begin: Floats
    until: Floats
    phi: Floats
    """(n, T) share of each period in which they last."""
    of: Ints
    """Producers."""
    lost: Mapping[str, Floats]
    """Flow -> (n, producers, T) share lost, mean of each period."""
    of_usual: bool = False
    """The share lost is one of the usual flow, which counts once."""


Force = list[tuple[_Strikes, int]]
Meeting = tuple[int, int, Bools, list[tuple[float, Force]]]


def _meetings(calendar: Calendar, shape: Any, strikes: list[_Strikes], name: str) -> Iterator[Meeting]:
    """(scenario, period, producers for whom several events begin or end in it, (share of the period, what is in force then) from
    one turn to the next). Within a period an event takes as much at each moment."""
    ends = np.zeros(shape, dtype=int)
    for one in strikes:
        partly = ((one.phi > 0) & (one.phi < 1))[:, None, :] & ((one.lost[name] > 0) | one.of_usual)
        np.add.at(ends, (one.scenario[:, None], one.of), partly)
    edges = calendar.edges
    met = np.argwhere((ends > 1).any(axis=1)).tolist()
    of: dict[int, Force] = {s: [] for s, _ in met}
    for one in strikes:
        for n, s in enumerate(one.scenario.tolist()):
            if s in of:
                of[s].append((one, n))
    for s, t in met:
        checkpoint()
        here = [(one, n) for one, n in of[s] if one.phi[n, t] > 0]
        turns = [date for one, n in here for date in (one.begin[n], one.until[n])]
        dates = np.unique(np.clip([*edges[t : t + 2], *turns], *edges[t : t + 2])).tolist()
        parts = [
            ((b - a) / calendar.step, [(one, n) for one, n in here if one.begin[n] <= a and b <= one.until[n]])
            for a, b in pairwise(dates)
        ]
        yield s, t, ends[s, :, t] > 1, parts


def _left_together(instance: Instance, strikes: list[_Strikes], flow: str, found: Floats) -> None:
    """Put right, in place, what producers have left where several events meet: not the product of the means of each.

    rho[s,j,t] = rho0[j,t] / |t| integral over t of usual[j,t] prod_{e in force} (1 - lost[e,j,t] / phi[e,t])      [share]

    usual counts while an event of the usual flow is in force."""
    for s, t, several, parts in _meetings(instance.calendar, found.shape, strikes, flow):
        mean = np.zeros(found.shape[1])
        for share, force in parts:
            left, limited = np.ones(len(mean)), np.zeros(len(mean), dtype=bool)
            for one, n in force:
                left[one.of] *= 1 - np.minimum(1.0, one.lost[flow][n, :, t] / one.phi[n, t])
                limited[one.of] |= one.of_usual
            mean += share * np.where(limited, instance.usual[:, t], 1.0) * left
        found[s, several, t] = (instance.availability[:, t] * mean)[several]


# What events do to prices in each of two markets, inside their countries and outside.
class EventPrices:
    """Factors on trunk prices, (S, I, T) in each market, gathered event by event."""

    def __init__(self, instance: Instance, scenarios: int) -> None:
        shape = scenarios, len(instance.materials), instance.calendar.periods
        self._instance = instance
        self._inside, self._outside, self._fall = np.ones(shape), np.ones(shape), np.ones(shape)

    def strike(self, s: Ints, hit: Ints, profile: HazardProfile | None, events: Sequence[DisruptionEvent]) -> None:
        """Add events of the same materials and profile. s: (n,) scenario of each; hit: materials that they name."""
        calendar, at = self._instance.calendar, (s[:, None], hit)
        start = np.array([event.start for event in events])
        begin = start + [event.flood for event in events]
        until = begin + [event.duration for event in events]
        flat = np.array([event.price**event.direct_severity for event in events])
        cut = 1 + (flat[:, None] - 1) * overlap(calendar, begin, until)
        flood = 1 + (np.array([event.flood_price for event in events])[:, None] - 1) * overlap(calendar, start, begin)
        inside = np.repeat(cut[:, None, :], len(hit), axis=1)
        outside = inside.copy()
        if profile is not None and profile.priced:
            severity = np.array([event.direct_severity for event in events])
            stretch = np.array([event.stretch for event in events])
            for n, i in enumerate(hit):
                name = self._instance.materials[i]
                if name in profile.priced:
                    inside[:, n], outside[:, n] = self._means(profile, name, begin, severity, stretch)
        np.maximum.at(self._inside, at, inside)
        np.maximum.at(self._outside, at, outside)
        for factor in (inside, flood[:, None, :]):
            np.minimum.at(self._fall, at, factor)
            np.maximum.at(self._inside, at, factor)
            np.maximum.at(self._outside, at, factor)

    def _means(
        self, profile: HazardProfile, name: str, begin: Floats, severity: Floats, stretch: Floats
    ) -> tuple[Floats, Floats]:
        """(n, T) twice: mean over each period of min(multiple(a / z) ** x, highest of the material) inside, and outside, where at
        no moment it is less than inside."""
        calendar, here = self._instance.calendar, dict(profile.inside).get(name, ())
        there = dict(profile.outside).get(name)
        most = dict(profile.highest)[name]
        edges = sorted({edge for a, b, _ in (*here, *(there or ())) for edge in (a, b)})
        inside = np.ones((len(begin), calendar.periods))
        outside = inside.copy()
        for a, b in pairwise(edges):
            low = _raised(multiple_at(here, a, b), severity, most)
            high = low if there is None else np.maximum(low, _raised(multiple_at(there, a, b), severity, most))
            share = overlap(calendar, begin + stretch * a, begin + stretch * b)
            inside += (low - 1)[:, None] * share
            outside += (high - 1)[:, None] * share
        return inside, outside

    @property
    def price(self) -> Floats:
        """(S, I, T) price inside, in the instance's units."""
        return np.asarray(self._instance.price * self._inside * self._fall)

    @property
    def gap(self) -> Floats:
        """(S, I, T) price outside as a multiple of that inside, 1 or more."""
        return np.asarray(self._outside / self._inside)


def multiple_at(steps: Steps, begin: float, end: float) -> float:
    """The multiple of a step function between two neighbouring edges; 1 where it has no step."""
    return next((multiple for a, b, multiple in steps if a <= begin and end <= b), 1.0)


def _raised(multiple: float, severity: Floats, highest: float) -> Floats:
    return np.asarray(np.minimum(multiple**severity, max(highest, multiple)))


# Scenarios: what availability, demand, prices and tightness are in each period of each course of events.
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
    """Scenarios from their strikes: the formulation, with its definition of `tight`.

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
    strikes: list[_Strikes] = []
    spans: dict[tuple[int, int], list[tuple[float, float]]] = defaultdict(list)
    at_name = {name: n for n, name in enumerate(instance.materials)}
    for kind, several in _alike(events).items():
        checkpoint()
        countries, materials, firms, demand, surge, profile, scope, by_buyer, spares_home = kind
        touched = named_materials(materials, at_name)
        cut, third = _struck(instance, countries, touched, firms, spares_home)
        drawn = np.where(third & (not by_buyer), struck_feed(instance.feed_shares, countries), 0.0)
        reached = _reached(instance, scope, countries, third)
        third = reached | (drawn > 0)
        hit, components = np.flatnonzero(touched), np.unique(instance.chain[touched])
        s = np.array([scenario for scenario, _, _ in several])
        begin = np.array([event.start + event.flood for _, _, event in several])
        until = begin + [event.duration for _, _, event in several]
        phi = overlap(calendar, begin, until)

        def share(values: list[float], phase: Floats) -> Floats:
            return np.asarray(1 + (np.array(values)[:, None] - 1) * phase)[:, None, :]

        at = s[:, None], np.flatnonzero(cut)
        if profile is None:
            left = share([1 - k.cut for _, _, k in several], phi)
            np.multiply.at(availability, at, left)
            np.multiply.at(direct, at, left)
            lost = dict.fromkeys(arrives, 1 - np.broadcast_to(left, (len(several), len(at[1]), T)))
        else:
            lost = _lost(instance, profile, [k for _, _, k in several], begin, cut, touched)
            for flow, of in lost.items():
                np.multiply.at(arrives[flow], at, 1 - of)
            np.maximum.at(shaped, at, np.broadcast_to(phi[:, None, :], (len(several), int(cut.sum()), T)))
        flows = _lost_elsewhere(instance, profile, [k for _, _, k in several], begin, phi, third, drawn, touched)
        cuts = np.array([k.third_cut for _, _, k in several])[:, None, None] * phi[:, None, :] * reached[third][:, None]
        felt = np.array([profile is None or (k.severity > 0 and not profile.all_routes) for _, _, k in several])
        users = np.maximum(cuts, flows[EFFECTIVE]) * felt[:, None, None]  # arrivals by all routes count it already
        reserve = np.maximum(cuts, flows[DIRECT])
        np.multiply.at(availability, (s[:, None], np.flatnonzero(third)), 1 - users)
        np.multiply.at(direct, (s[:, None], np.flatnonzero(third)), 1 - reserve)
        strikes.append(_Strikes(s, begin, until, phi, at[1], lost, profile is not None))
        strikes.append(_Strikes(s, begin, until, phi, np.flatnonzero(third), {EFFECTIVE: users, DIRECT: reserve}))
        prices.strike(s, hit, profile, [k for _, _, k in several])
        for q, wanted in _wanted(instance, touched, demand, surge, begin, until).items():
            np.multiply.at(factor, (s, np.full(len(s), q)), wanted)
        for n, (scenario, order, event) in enumerate(several):
            for c in components:
                spans[scenario, int(c)].append((float(begin[n]), float(until[n])))
            if event.tight is not None:
                override.append((scenario, order, hit, phi[n] > 0, event.tight))
    for flow, found in ((EFFECTIVE, availability), (DIRECT, direct)):  # a cut of the usual flow, which counts once
        found *= 1 - shaped * (1 - instance.usual) - (1 - arrives[flow]) * instance.usual
        _left_together(instance, strikes, flow, found)
    for (scenario, c), parts in spans.items():
        lasting[scenario, c] = _union(calendar, parts)
    form_of = instance.form_of  # a qualified form is as dear and as short as what it is made of
    squeeze = _squeeze(instance, events, lasting, at_name)[:, form_of]
    price, market_gap = prices.price[:, form_of], prices.gap[:, form_of]
    lasts = lasting > 0
    tight = _tight(instance, availability, factor, price, market_gap, lasts)
    for scenario, _, ruled, inside, value in sorted(override, key=lambda entry: entry[:2]):
        tight[scenario, ruled[:, None], np.flatnonzero(inside)] = value
    tight = tight[:, form_of]
    base = undisturbed(instance) if trunk is None else trunk
    onset, end = _extent(instance, base, np.minimum(availability, direct), factor, price * market_gap, tight, lasts)
    which = tuple(names), probability, design_basis, tuple(events)
    direct = np.minimum(availability, direct)
    done: Any = (availability, factor, price, market_gap, tight, direct, lasting, squeeze, onset, end, trunk)
    return ScenarioSet(*which, *done)


Span = tuple[float, float, float]
"""(begin, end, depth against the deepest cut of the event) [decimal fiscal years]."""


def _squeeze(
    instance: Instance, events: Sequence[tuple[DisruptionEvent, ...]], lasting: Floats, at_name: Mapping[str, int]
) -> Floats:
    """(S, I, T) as `ScenarioSet.squeeze`; where no event has a profile it is how long the cuts last."""
    squeeze, by = lasting[:, instance.chain].copy(), _squeezed_by(instance, events, at_name)
    envelopes: dict[tuple[int, tuple[str, ...]], Steps] = {}  # by identity: a profile is costly to compare
    alike: dict[Steps, Steps] = {}

    def cut_of(profile: HazardProfile | None, names: tuple[str, ...]) -> Steps | None:
        """The envelope of a profile for some materials, one object for all that are equal."""
        if profile is None:
            return None
        if (id(profile), names) not in envelopes:
            steps = envelope(profile, names)
            envelopes[id(profile), names] = alike.setdefault(steps, steps)
        return envelopes[id(profile), names]

    for s, scenario in enumerate(events):
        checkpoint()
        if all(event.profile is None for event in scenario):
            continue
        deepest: dict[tuple[tuple[int, int], ...], Floats] = {}  # many materials are cut alike
        for i in range(len(instance.materials)):
            mine = [(event, cut_of(event.profile, names)) for event in scenario if (names := by[event.materials, i])]
            if not mine:
                continue
            key = tuple((id(event), id(steps)) for event, steps in mine)
            if key not in deepest:
                deepest[key] = _deepest(instance.calendar, [span for one in mine for span in _spans(*one)])
            squeeze[s, i] = deepest[key]
    return squeeze


def _spans(event: DisruptionEvent, steps: Steps | None) -> list[Span]:
    """When an event cuts some materials, and how deep against its own deepest cut of them. steps: its envelope, if it has one."""
    begin = event.start + event.flood
    if steps is None:
        return [(begin, begin + event.duration, 1.0)]
    return [(begin + a, begin + b, depth) for a, b, depth in relative(steps, event.severity, event.stretch)]


def _squeezed_by(
    instance: Instance, events: Sequence[tuple[DisruptionEvent, ...]], at_name: Mapping[str, int]
) -> dict[tuple[str, int], tuple[str, ...]]:
    """(materials as an event names them, a material) -> those that squeeze it: itself, or else those of its chain."""
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


def _lost_elsewhere(
    instance: Instance,
    profile: HazardProfile | None,
    events: Sequence[DisruptionEvent],
    begin: Floats,
    phi: Floats,
    third: Bools,
    drawn: Floats,
    touched: Bools,
) -> dict[str, Floats]:
    """(n, other countries' producers, T) by flow: share that they lose because a published part of their feed comes from countries
    that are struck, and is cut as these countries' own sales are.

    phi: (n, T) share of each period in which an event lasts. drawn: (J,) that part of the feed. third: (J,) whose losses.
    """
    if profile is None:
        cut = np.array([k.cut for k in events])[:, None, None] * phi[:, None, :]
        lost = {EFFECTIVE: cut, DIRECT: cut}
    else:
        lost = _lost(instance, profile, events, begin, third, touched)
    return {flow: drawn[third][:, None] * of for flow, of in lost.items()}


def _wanted(
    instance: Instance, touched: Bools, demand: Demand, surge: Surge, begin: Floats, until: Floats
) -> dict[int, Floats]:
    """Demand -> (events, T) factor on it while events last: what the plan says of its segment times what the surge says of the
    material and the year, mean of each period."""
    calendar, own = instance.calendar, dict(demand)
    of = touched[instance.form_of[instance.demand_material]]
    phi = overlap(calendar, begin, until)
    found = {q: 1 + (own.get(segment, 1.0) - 1) * phi for q, (_, segment) in enumerate(instance.demands) if of[q]}
    since = begin - surge[2]
    for q, first, last, multiple in instance.surges.get(surge[:2], ()):
        if of[q]:
            phase = overlap(calendar, np.clip(since + first, begin, until), np.clip(since + last, begin, until))
            found[q] = found[q] + own.get(instance.demands[q][1], 1.0) * (multiple - 1) * phase
    return {q: factor for q, factor in found.items() if (factor != 1).any()}


def _struck(instance: Instance, countries: str, touched: Bools, firms: str, spares_home: bool) -> tuple[Bools, Bools]:
    """(J,) as `touched_producers`; of an event that names firms these alone."""
    cut, third = touched_producers(
        instance.country, instance.yields, instance.home, countries, touched, spares_home=spares_home
    )
    if not firms:
        return cut, third
    return cut & np.isin(instance.producers, firms.split()), np.zeros_like(third)


def _reached(instance: Instance, scope: str, countries: str, third: Bools) -> Bools:
    """(J,) which of other countries' producers an event reaches, by its scope (`third_country_scope` of hazards)."""
    if scope == "feed":
        return third & exposed_feed(instance.feed, instance.members, countries)
    return third & ~instance.overland if scope == "overseas" else third


def squeeze_of_outputs(squeeze: Floats, makes: Bools) -> Floats:
    """How far producers serve their contracts alone, as much as for the scarcest thing that each makes.

    squeeze: (N, I, ...) by material. makes: (J, I). Returns (N, J, ...)."""
    if not len(makes):
        return squeeze[:, :0]
    return np.stack([squeeze[:, row].max(axis=1, initial=0.0) for row in makes], axis=1)


KIND = attrgetter(
    *("countries", "materials", "producers", "demand", "surge", "profile", "third_scope", "by_buyer", "spares_home")
)
"""What strikes of one kind touch, and how."""


def _alike(
    events: Sequence[tuple[DisruptionEvent, ...]],
) -> dict[tuple[Any, ...], list[tuple[int, int, DisruptionEvent]]]:
    """Kind -> (scenario, order in it, strike) of strikes that touch the same producers, materials and segments by one profile."""
    strikes = ((s, order, event) for s, scenario in enumerate(events) for order, event in enumerate(scenario))
    return gathered((KIND(strike[2]), strike) for strike in strikes)


def _union(calendar: Calendar, spans: Sequence[tuple[float, float]]) -> Floats:
    """(T,) share of each period that lies in any of the spans [decimal fiscal years]."""
    reached = -math.inf
    disjoint = []
    for begin, end in sorted(spans):
        if end > reached:
            disjoint.append((max(begin, reached), end))
            reached = end
    edges = np.array(disjoint)
    return np.asarray(np.minimum(overlap(calendar, edges[:, 0], edges[:, 1]).sum(axis=0), 1.0))


def _deepest(calendar: Calendar, spans: Sequence[Span]) -> Floats:
    """(T,) mean over each period of the deepest of what lasts."""
    begin, end, deep = np.array(spans, dtype=float).reshape(-1, 3).T[:, :, None]
    edges = np.unique([begin, end])
    inside = (begin <= edges[:-1]) & (edges[1:] <= end)
    depth = np.where(inside, deep, 0.0).max(axis=0, initial=0.0)
    return np.asarray(np.minimum(depth @ overlap(calendar, edges[:-1], edges[1:]), 1.0))


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
    for j in np.flatnonzero(counted):  # a baseline plant counts as if it existed from the start
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


# What a segment goes short of a promise: the one definition that operations along other scenarios and reverse stress tests share.
class Promised(Protocol):
    """A share of a segment's demand that is to be met: a service level of the plan, or one that is asked about."""

    @property
    def material(self) -> str: ...
    @property
    def segment(self) -> str: ...
    @property
    def level(self) -> float: ...
    @property
    def per(self) -> str: ...


def short_of_promise(n: Instance, scenarios: ScenarioSet, short: Floats, promise: Promised) -> tuple[Floats, Floats]:
    """(S, counts) tonnes short of a promise, and the demand that it is counted against.

    max(0, sum_{t in tau..end} short[t] - (1 - level) sum_{t in tau..end} delta[t] demand[t])                     [t]

    over the whole episode from onset to end, or over each fiscal year of it. short: (S, Q, T) tonnes that each demand goes short.
    Zero in scenarios that never touch the material's component. ValueError for a demand that there is not."""
    q = n.demands.index((promise.material, promise.segment))
    c = int(n.component[n.demand_material[q]])
    period = np.arange(n.calendar.periods)
    window = (period >= scenarios.onset[:, [c]]) & (period < scenarios.end[:, [c]])
    years = n.calendar.year_index if promise.per == "fiscal_year" else np.zeros(n.calendar.periods, dtype=int)
    counted = (years == np.unique(years)[:, None]).astype(float).T
    missing = (window * short[:, q]) @ counted
    wanted = (window * scenarios.demand(n, q)) @ counted
    return np.maximum(0.0, missing - (1 - promise.level) * wanted), wanted
