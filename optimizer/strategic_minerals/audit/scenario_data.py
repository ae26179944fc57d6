"""The audit's own facts: section 3 and 4 of the formulation in plain loops over tonnes.

Data of every path and its tightness; what a floor costs on one producer's tonnes. Nothing of the model's own arithmetic is used
(`finance`, `instance.producer_economics`, `formulation`, `model`). Arrays have the axes (path, period): path 0 is the trunk, path
1 + s the course of scenario s. Tonnes per period, million USD, million USD per tonne; periods from 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import Any

import numpy as np

from ..core.arrays import Bools, Floats
from ..instance.floor import Floor
from ..instance.instance import Instance
from ..model.problem import Problem
from ..scenarios.build import build_scenarios
from ..scenarios.events import DisruptionEvent
from ..scenarios.pricing import PricingSample, pricing_sample
from ..scenarios.scenario_set import ScenarioSet
from .producers import TINY, asked_price, begins, expected_topup, is_baseline, survives, topup, worst_state

Prices = tuple[Floats, Floats]
"""(W, I, T) prices in the lower market, and as a multiple of them outside in an event."""


@dataclass(frozen=True, eq=False)
class OwnerBook:
    """What owners expect, in tonnes, and what the audit has worked out of it so far."""

    pricing: PricingSample | None
    """None: owners look at the baseline course."""
    known: dict[Any, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PathData:
    """Data of every path; a component follows the trunk until it is touched."""

    instance: Instance
    scenarios: ScenarioSet
    price: Floats
    """(W, I, T)"""
    rho: Floats
    """(W, J, T)"""
    direct: Floats
    """(W, J, T) availability to the reserve."""
    demand: Floats
    """(W, Q, T) delta*demand."""
    tight: Bools
    """(W, I, T)"""
    crisis: Floats
    """(W, I, T) share of the period in which the material is tight, weighed by how deep the cut is."""
    branch: Bools
    """(W, C, T) whether the component has branched off."""
    weight: Floats
    """(W, C, T) w0 on the trunk, pi in a branch, 0 where a scenario still follows the trunk."""
    alive: Floats
    """(W, J, T) survival of existing sources without any market floor; 1 for projects."""
    owners: OwnerBook
    cut: Floats
    """(W, I, T) share of the period in which a cut on the material's component lasts; 0 on the trunk."""
    gap: Floats
    """(W, I, T) price outside the countries of an event as a multiple of that inside; 1 on the trunk."""

    def lasting(self, i: int) -> Floats:
        """(W, T) share of a period under a cut of a material's component, 1 where there is none."""
        return np.where(self.cut[:, i] > 0, self.cut[:, i], 1.0)

    @property
    def reached(self) -> Floats:
        """(C, T) w0 of the trunk; 0 below 1e-9: nobody is there, no soft penalty counts and no rule or cap holds (section 12)."""
        return np.where(self.weight[0] < 1e-9, 0.0, self.weight[0])

    @property
    def counted(self) -> Prices:
        """Prices at which operations are valued: the trunk's everywhere where `price_gain` is false."""
        return (self.price, self.gap) if self.instance.plan.price_gain else self.undisturbed

    @property
    def undisturbed(self) -> Prices:
        """Undisturbed prices everywhere."""
        return np.broadcast_to(self.instance.price, self.price.shape), np.ones_like(self.gap)

    def floor_price(self, i: int, outside: bool = False) -> Floats:
        """(W, T) price of a material at which floors pay, in one of its markets: no dearer than the trunk's where `price_gain` is
        false, so that no floor pays for itself by claw-back in a squeeze; a flood costs what it costs."""
        n = self.instance
        asked = asked_price(n, i, outside, self.price[:, i], self.gap[:, i])
        return asked if n.plan.price_gain else np.minimum(asked, asked_price(n, i, outside, n.price[i][None]))

    def expect(self, component: int, values: Floats) -> float:
        """sum_t beta[t] (w0[t] values[trunk,t] + sum_s pi[s] values[s,t] in branches)  [that of values]."""
        beta = self.instance.calendar.beta[: values.shape[1]]
        return float((self.weight[:, component] * beta * values).sum())

    def expect_last(self, component: int, values: Floats) -> float:
        """Expectation of (W,) values at the end of the horizon, undiscounted."""
        return float((self.weight[:, component, -1] * values).sum())

    def along(self, component: int, values: Floats) -> Floats:
        """(S,) sum_t beta[t] values[s,t] of each scenario's whole course."""
        return np.asarray(values[1:] @ self.instance.calendar.beta[: values.shape[1]])


def path_data_of(problem: Problem) -> PathData:
    """Every path's data and what owners expect, scenarios built afresh from the natural instance and the events that were drawn."""
    n, data = problem.natural, problem.data
    scenarios = build_scenarios(n, data, problem.structure.scenarios.drawn)
    return path_data_along(n, scenarios, OwnerBook(pricing_sample(n, data)))


def path_data_along(n: Instance, scenarios: ScenarioSet, owners: OwnerBook) -> PathData:
    """Every path's data along given scenarios; instance and scenarios in tonnes."""
    S, T, C = len(scenarios.names), n.calendar.periods, len(n.components)
    branch = np.zeros((1 + S, C, T), dtype=bool)
    weight = np.zeros((1 + S, C, T))
    for c in range(C):
        for t in range(T):
            branch[1:, c, t] = scenarios.onset[:, c] <= t
            weight[1:, c, t] = scenarios.probability * branch[1:, c, t]
            weight[0, c, t] = 1 - weight[1:, c, t].sum()

    def path(trunk: Floats, scenario: Floats | Bools, component: Sequence[int]) -> Floats:
        """(W, k, T) the scenario's values once its component has branched, else the trunk's."""
        out = np.repeat(np.asarray(trunk, dtype=float)[None], 1 + S, axis=0)
        for k, c in enumerate(component):
            out[1:, k] = np.where(branch[1:, c], scenario[:, k], out[1:, k])
        return out

    own, producers = [int(c) for c in n.component], range(len(n.producers))
    of_demand = [own[int(i)] for i in n.demand_material]
    base = scenarios.baseline(n)
    price = path(base.price[0], scenarios.price, own)
    tight = path(tightness(n, base)[0], tightness(n, scenarios), own) > 0
    cut = path(lasting_share(n, base)[0], lasting_share(n, scenarios), own)
    depth = path(squeezed_share(n, base)[0], squeezed_share(n, scenarios), own)
    gap = path(base.market_gap[0], scenarios.market_gap, own)
    alive = np.ones((1 + S, len(n.producers), T))
    for j in range(n.sources):
        alive[:, j] = survives(n, j, price, (), 0, gap)
    return PathData(
        n,
        scenarios,
        price,
        path(base.availability[0], scenarios.availability, [component_of(n, j) for j in producers]),
        path(base.direct[0], scenarios.direct, [component_of(n, j) for j in producers]),
        path(n.demand * base.demand_factor[0], n.demand * scenarios.demand_factor, of_demand),
        tight,
        depth * tight,
        branch,
        weight,
        alive,
        owners,
        cut,
        gap,
    )


def component_of(n: Instance, j: int) -> int:
    """Component of a producer: that of any material it makes or takes."""
    return int(n.component[next(i for i in range(len(n.materials)) if n.yields[j, i] != 0)])


def tightness(n: Instance, scenarios: ScenarioSet) -> Bools:
    """(S, I, T) tight, section 3: an event on i's chain lasts and a source is short or shut, or demand surges,
    or an input of i's makers, or an output made from i, is tight. An event's own word overrides."""
    S, T = len(scenarios.names), n.calendar.periods
    lasts = np.zeros((S, len(n.materials), T), dtype=bool)
    tight = np.zeros_like(lasts)
    for s, i, event in _named(n, scenarios):
        lasts[s, n.chain == n.chain[i]] |= _squeeze(n, event)
    for j in range(len(n.producers)):
        if j >= n.sources and not is_baseline(n, n.projects[j - n.sources]):
            continue
        troubled = (scenarios.availability[:, j] < n.usual[j] * (1 - max(TINY, n.plan.tight_cut_share))) | ~survives(
            n, j, scenarios.price, (), 0, scenarios.market_gap
        )
        for made in np.flatnonzero(n.yields[j] > 0):
            tight[:, made] |= troubled & lasts[:, made]
    for q, i in enumerate(int(k) for k in n.demand_material):
        tight[:, i] |= (scenarios.demand_factor[:, q] > 1 + TINY) & lasts[:, i]
    before = -1
    while before != int(tight.sum()):
        before = int(tight.sum())
        for y in n.yields:
            for a, b in product(np.flatnonzero(y > 0), np.flatnonzero(y < 0)):
                tight[:, a] |= tight[:, b] & lasts[:, a]
                tight[:, b] |= tight[:, a] & lasts[:, b]
    for s, i, event in _named(n, scenarios):
        if event.tight is not None:
            tight[s, i, _squeeze(n, event)] = event.tight
    return tight


def lasting_share(n: Instance, scenarios: ScenarioSet) -> Floats:
    """(S, I, T) share of a period in which the cut of any event on i's chain lasts, counted edge to edge."""
    D, T = n.calendar.step, n.calendar.periods
    share = np.zeros((len(scenarios.names), len(n.materials), T))
    spans: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for s, i, event in _named(n, scenarios):
        begin = event.start + event.flood
        spans.setdefault((s, int(n.chain[i])), []).append((begin, begin + event.duration))
    for (s, c), several in spans.items():
        for t in range(T):
            opens = n.calendar.first_year + D * t
            inner = [e for span in several for e in span if opens < e < opens + D]
            edges = sorted([opens, opens + D, *inner])
            hit = sum(b - a for a, b in pairwise(edges) if any(x <= (a + b) / 2 < y for x, y in several))
            share[s, n.chain == c, t] = hit / D if hit / D >= TINY else 0.0
    return share


def squeezed_share(n: Instance, scenarios: ScenarioSet) -> Floats:
    """(S, I, T) share of a period in which the cut of any event on i's chain lasts, counted edge to edge; an event with a
    profile counts as deep as its cut of i is against its own deepest of i, or of all that it names where i is not named."""
    D, T = n.calendar.step, n.calendar.periods
    share = np.zeros((len(scenarios.names), len(n.materials), T))
    struck: dict[tuple[int, int], dict[int, tuple[DisruptionEvent, list[str]]]] = {}
    for s, i, event in _named(n, scenarios):
        mine = struck.setdefault((s, int(n.chain[i])), {})
        mine.setdefault(id(event), (event, []))[1].append(n.materials[i])
    for (s, c), found in struck.items():
        for i in np.flatnonzero(n.chain == c).tolist():
            name = n.materials[i]
            several = [(event, [name] if name in names else names) for event, names in found.values()]
            edges_of = sorted({e for event, names in several for e in _edges(event, names)})
            for t in range(T):
                opens = n.calendar.first_year + D * t
                edges = [opens, *(e for e in edges_of if opens < e < opens + D), opens + D]
                hit = sum(
                    (b - a) * max(_depth_at(event, names, (a + b) / 2) for event, names in several)
                    for a, b in pairwise(edges)
                )
                share[s, i, t] = hit / D if hit / D >= TINY else 0.0
    return share


def _edges(event: DisruptionEvent, names: list[str]) -> list[float]:
    """When an event's cut changes [decimal fiscal years]."""
    begin = event.start + event.flood
    if event.profile is None:
        return [begin, begin + event.duration]
    months = [edge for name, steps in event.profile.effective if name in names for a, b, _ in steps for edge in (a, b)]
    return [begin + event.stretch * edge for edge in months]


def _depth_at(event: DisruptionEvent, names: list[str], when: float) -> float:
    """How deep an event cuts at a date against its deepest cut of these materials."""
    age = when - event.start - event.flood
    if event.profile is None:
        return float(0 <= age < event.duration)
    cuts, now = [0.0], [0.0]
    for name, steps in event.profile.effective:
        if name in names:
            for a, b, lost in steps:
                cuts.append(min(1.0, event.severity * lost))
                now.append(cuts[-1] if event.stretch * a <= age < event.stretch * b else 0.0)
    return max(now) / max(cuts) if max(cuts) > 0 else 0.0


def _named(n: Instance, scenarios: ScenarioSet) -> Iterator[tuple[int, int, DisruptionEvent]]:
    """(scenario, material, strike) of every material that a strike names."""
    for s, events in enumerate(scenarios.events):
        for event in events:
            names = event.materials.split()
            yield from ((s, i, event) for i, name in enumerate(n.materials) if name in names or "*" in names)


def _squeeze(n: Instance, event: DisruptionEvent) -> Bools:
    """(T,) periods that a strike's cut overlaps."""
    D, begin = n.calendar.step, event.start + event.flood
    opens = [n.calendar.first_year + D * t for t in range(n.calendar.periods)]
    return np.array([(min(a + D, begin + event.duration) - max(a, begin)) / D >= TINY for a in opens], dtype=bool)


@dataclass(frozen=True)
class Bill:
    """What a floor costs on one producer's tonnes."""

    budget: Floats
    """(T,) expected payment on the trunk, receipts not counted as budget [million USD]."""
    liability: Floats
    """(T,) payment on the trunk at w*, net of receipts [million USD]."""
    expected: float
    """Discounted expectation over all scenarios up to T [million USD]."""
    terminal: float
    """Discounted payment after T on trunk survival at the last price [million USD]."""
    by_scenario: Floats
    """(S,) discounted payment along each scenario's course up to T [million USD]; `expected` is its expectation."""
    undisturbed: float
    """`expected` were all prices the trunk's, on the same tonnes [million USD]."""


def floor_bill(path_data: PathData, j: int, floor: Floor, start: int, tonnes: Floats, later: Floats) -> Bill:
    """E_w[top-up at (1+premium)*w*P] on (W, T) tonnes that run, and on (m,) trunk tonnes after T; within the term."""
    n, T = path_data.instance, path_data.instance.calendar.periods
    in_term = np.array([0 <= t - begins(floor, start) < floor.term for t in range(T + len(later))], dtype=bool)
    i = floor.material
    own = (1 + n.premium[j]) * path_data.floor_price(i, bool(n.outside[j, i]))
    per_tonne = expected_topup(n, own, floor)
    calm = expected_topup(n, (1 + n.premium[j]) * asked_price(n, i, n.outside[j, i], n.price[i][None]), floor)
    live = tonnes * in_term[:T]
    last = float(per_tonne[0, -1])
    rate, D = n.calendar.rate, n.calendar.step
    return Bill(
        live[0] * np.maximum(0.0, per_tonne[0]),
        live[0] * topup(worst_state(n) * own[0], floor),
        path_data.expect(int(n.component[floor.material]), live * per_tonne),
        sum(float(x) * last * (1 + rate) ** (-D * (T + k)) for k, x in enumerate(later) if in_term[T + k]),
        (live * per_tonne)[1:] @ n.calendar.beta[:T],
        path_data.expect(int(n.component[floor.material]), live * calm),
    )
