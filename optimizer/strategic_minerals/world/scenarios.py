"""From a question to its scenarios: what the plan lists, what is drawn from hazards, and what is left without any event."""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from scipy.special import ndtri

from ..core.errors import Fault, PlanError
from ..core.frames import Bools, Floats, Ints, equal
from ..core.runner import checkpoint
from ..core.stats import BASELINE_COURSE, MONTHS_PER_YEAR
from ..question.dataset import Dataset
from ..question.plan import Event, Plan, Sample
from .events import (
    NORMAL_90,
    DisruptionEvent,
    HazardProfile,
    SampledScenarios,
    ScenarioSet,
    Steps,
    combine_events,
    drawn_spreads,
    hazards,
    profiles_of,
    resolve_event,
    resolver,
    sampled,
    spread,
    squeeze_of_outputs,
)
from .instance import Calendar, Instance
from .producers import own_prices

# Scenarios drawn from hazards: scrambled Sobol points -> when each hazard strikes, for how long, how hard, what follows.


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


# Quantile and tail mean of discrete losses, one rule each for everybody but the audit.


def cvar_of(loss: Floats, probability: Floats, alpha: float) -> float:
    """CVaR of a discrete distribution: the mean of its worst 1 - alpha (Rockafellar and Uryasev 2000)."""
    order = np.argsort(-loss, kind="stable")
    left, total = 1 - alpha, 0.0
    for k in order:
        part = min(left, float(probability[k]))
        total += part * float(loss[k])
        left -= part
        if left <= 1e-15:
            break
    return total / (1 - alpha)


ROUNDING = 1e-12
"""Of a probability: sums of probabilities that reach a level but for rounding reach it."""


def quantile(values: Floats, probability: Floats, level: float) -> float:
    """The smallest value that is not exceeded with a probability of at least `level`, but for rounding; the largest where no value
    reaches it, 0 without values."""
    if not len(values):
        return 0.0
    order = np.argsort(values, kind="stable")
    at = int(np.searchsorted(np.cumsum(probability[order]), level - ROUNDING))
    return float(values[order][min(at, len(values) - 1)])


# Many drawn scenarios -> few that stand for them: k-medoids on what the scenarios would cost, the tail apart.


TAIL = 0.1
"""Probability of the worst scenarios that are clustered apart."""
TAIL_SHARE = 0.4
"""Share of the kept scenarios that the tail gets: it decides CVaR and much of the loss."""
ROUNDS = 30


@dataclass(frozen=True)
class Reduction:
    """Which of the drawn scenarios are kept, with what probability, and what the reduction does to the loss of doing nothing."""

    kept: Ints
    """(n,) indices of drawn scenarios."""
    probability: Floats
    """(n,) sums to one."""
    drawn: int
    expected: tuple[float, float]
    """Expected loss (proxy) over the drawn and over the kept scenarios [million USD]."""
    cvar: tuple[float, float]
    """CVaR at the plan's `risk.alpha` of the same."""
    alpha: float


def loss_proxy(instance: Instance, scenarios: ScenarioSet) -> Floats:
    """(S, I) discounted loss of a scenario by material: `losses_by_period`, added up; 0 for those that risk measures leave out
    [million USD]."""
    by_material = [lost.sum(axis=1) for lost in losses_by_period(instance, scenarios)]
    return np.stack(by_material, axis=1) * instance.at_risk


def losses_by_period(instance: Instance, scenarios: ScenarioSet) -> Iterator[Floats]:
    """(S, T) discounted losses of each material in turn, were nothing done and no chain rearranged  [million USD].

    shortage = max(0, delta*demand + inputs of plants - rho*kappa*K*y), beyond what is short undisturbed, borne by the tiers and
    substitution steps with the least loss first. A stand-in that orders scenarios; the solver's losses come later.
    """
    n = instance.sources
    beta = instance.calendar.beta[:-1]
    makes = instance.yields[:n] > 0
    squeezed = np.where(scenarios.tight, scenarios.squeeze, 0.0)
    crisis = squeeze_of_outputs(squeezed, makes)
    running = scenarios.availability[:, :n] * instance.capacity[:n] * (1 - crisis * (1 - instance.kappa[:n, None]))
    for i in range(len(instance.materials)):
        checkpoint()
        mine = instance.demand_material == i
        outputs = np.maximum(instance.yields[:n, i], 0.0)
        use = np.tensordot(np.maximum(-instance.yields[:n, i], 0.0), instance.capacity[:n], axes=1)
        usual = instance.demand[mine].sum(axis=0) + use - outputs @ (instance.capacity[:n] * instance.availability[:n])
        wanted = scenarios.demand(instance, mine).sum(axis=1)
        left = np.maximum(0.0, wanted + use - np.tensordot(outputs, running, axes=(0, 1)) - np.maximum(0.0, usual))
        loss = np.zeros_like(left)
        for worth, q, share in _merit_order(instance, mine):
            part = np.minimum(left, share * scenarios.demand(instance, q))
            loss += worth * part
            left = left - part
        yield (loss + float(instance.base_price[i]) * left) * beta  # what only plants lack, at its price


def _merit_order(instance: Instance, mine: Bools) -> list[tuple[float, int, float]]:
    """(loss per tonne, demand, share of it) of tiers and substitution steps of some demands, the least painful first."""
    tiers = [
        (float(instance.tier_loss[k]), q, float(instance.tier_share[k]))
        for k, (q, _) in enumerate(instance.tiers)
        if mine[q]
    ]
    steps = [
        (float(instance.step_cost[h]), q, float(instance.step_limit[h]))
        for h, (q, _) in enumerate(instance.steps)
        if mine[q]
    ]
    return sorted([*tiers, *steps])


def reduce(instance: Instance, scenarios: ScenarioSet, n: int) -> Reduction:
    """Keep n of the drawn scenarios. Deterministic; the same scenarios give the same answer."""
    by_material = loss_proxy(instance, scenarios)
    total = by_material.sum(axis=1)
    pi, alpha = scenarios.probability, instance.plan.risk.alpha
    features = _features(instance, scenarios, by_material)
    order = np.argsort(-total, kind="stable")
    tail_size = int(np.searchsorted(np.cumsum(pi[order]), TAIL, side="right"))
    strata = [order[:tail_size], order[tail_size:]]
    counts = _shares(n, [len(stratum) for stratum in strata])
    kept: list[int] = []
    weight: list[float] = []
    for stratum, count in zip(strata, counts, strict=True):
        if len(stratum) and count:
            medoid, of = _medoids(features[stratum], pi[stratum], count)
            kept += [int(k) for k in stratum[medoid]]
            weight += [float(pi[stratum][of == m].sum()) for m in range(len(medoid))]
    probability = np.array(weight) / sum(weight)
    chosen = np.array(kept, dtype=int)
    return Reduction(
        chosen,
        probability,
        len(total),
        (float(pi @ total), float(probability @ total[chosen])),
        (cvar_of(total, pi, alpha), cvar_of(total[chosen], probability, alpha)),
        alpha,
    )


def _shares(n: int, sizes: list[int]) -> list[int]:
    """Scenarios kept in the tail and in the rest."""
    tail = min(sizes[0], max(1 if sizes[0] else 0, round(TAIL_SHARE * n)))
    rest = min(sizes[1], n - tail)
    return [min(sizes[0], n - rest), rest]


def _features(instance: Instance, scenarios: ScenarioSet, loss: Floats) -> Floats:
    """(S, F) what tells scenarios apart: square roots of the losses by material and of the total, and when each is touched.

    Roots make a scenario's small losses count beside its large ones; dates matter because plans differ before and after them.
    """
    T = instance.calendar.periods
    total = loss.sum(axis=1, keepdims=True)
    scale = np.sqrt(max(float(total.max(initial=0.0)), 1e-12))
    by_component = np.stack(
        [loss[:, instance.component == c].sum(axis=1) for c in range(len(instance.components))], axis=1
    )
    weight = np.sqrt(by_component.mean(axis=0) / max(float(by_component.mean(axis=0).max(initial=0.0)), 1e-12))
    dates = scenarios.onset / T * weight
    return np.concatenate([np.sqrt(loss) / scale, np.sqrt(total) / scale, 0.5 * dates], axis=1)


def _medoids(x: Floats, weight: Floats, k: int) -> tuple[Ints, Ints]:
    """(medoids, cluster of each point): greedy spread for a start, then alternate until nothing moves."""
    k = min(k, len(x))
    medoid = [int(np.argmin(((x - np.average(x, axis=0, weights=weight)) ** 2).sum(axis=1)))]
    near = ((x - x[medoid[0]]) ** 2).sum(axis=1)
    while len(medoid) < k and float((weight * near).max()) > 0:  # no more points that differ
        medoid.append(int(np.argmax(weight * near)))
        near = np.minimum(near, ((x - x[medoid[-1]]) ** 2).sum(axis=1))
    chosen = np.array(medoid)
    of = np.zeros(len(x), dtype=int)
    for _ in range(ROUNDS):
        checkpoint()
        of = np.stack([((x - x[m]) ** 2).sum(axis=1) for m in chosen], axis=1).argmin(axis=1)
        before = chosen.copy()
        for m in range(len(chosen)):
            mine = np.flatnonzero(of == m)
            if len(mine):
                centre = np.average(x[mine], axis=0, weights=weight[mine])
                chosen[m] = mine[int(np.argmin(((x[mine] - centre) ** 2).sum(axis=1)))]
        if (chosen == before).all():
            break
    return chosen, of


# Events that have begun before the plan and of which nobody knows when they end.


POINTS = (np.arange(REMAINDER_POINTS) + 0.5) / REMAINDER_POINTS
SHORTEST = 1 / MONTHS_PER_YEAR
"""Years that what has outlasted every expectation is believed to go on."""
UNKNOWN_MEAN_YR = 1.0
"""Expected remaining years of an event that no hazard describes: an estimate (0.5 to 2), the mean length of a licence stop."""
FAR = 1000.0
"""Years after which an event is not said to end."""


@dataclass(frozen=True)
class OngoingEvent:
    """An event in force when the plan starts."""

    event: DisruptionEvent
    """As its hazard has it."""
    row: Any
    """Of its hazard; None: none."""
    mean: float | None
    """Expected remaining years as the plan states them; None: the hazard's law."""
    over: float | None
    """Date at which it is known to have ended; None: it goes on."""
    now: float
    """Date from which on it may end [decimal fiscal year]: the second period, as every event."""

    def ends(self, u: Floats) -> Floats:
        """(n,) dates of its end at points u in (0, 1), in whole months from the start of the plan's second period."""
        if self.over is not None:
            return np.full(len(u), self.over)
        left = remaining(self.event, self.row, self.now, u, self.mean)
        return np.asarray(self.now + np.round(left * MONTHS_PER_YEAR) / MONTHS_PER_YEAR)

    @property
    def expected_end(self) -> float:
        """Date of its end as expected at the start."""
        return float(self.ends(POINTS).mean())

    def until(self, end: float) -> DisruptionEvent:
        """The event, ending at a date."""
        return lasting_until(self.event, end)


def ongoing_events(plan: Plan, data: Dataset, calendar: Calendar) -> tuple[OngoingEvent, ...]:
    """Events in force at the start of a plan, in its order."""
    rows, shaped = hazards(plan, data), profiles_of(plan, data)
    return tuple(
        OngoingEvent(
            resolve_event(event, rows.get(event.hazard or ""), shaped.get(event.hazard or "")),
            rows.get(event.hazard or ""),
            event.remaining_years,
            event.ended_year,
            calendar.first_year + calendar.step,
        )
        for event in plan.ongoing
    )


def remaining(event: DisruptionEvent, row: Any, now: float, u: Floats, mean: float | None = None) -> Floats:
    """(n,) further years from `now` of an event that has begun, at points u in (0, 1) of what its law still leaves.

    The law of the hazard's durations, or with a profile of its stretch, given the age of the cut; exponential about `mean` where
    that is stated, and without a hazard. A flood that lasts goes on until its date, and the cut that follows has its whole law.
    """
    begin = event.start + event.flood
    lasted, wait = max(0.0, now - begin), max(0.0, begin - now)
    if mean is not None or row is None:
        return wait - np.log1p(-u) * (UNKNOWN_MEAN_YR if mean is None else mean)
    if event.profile is not None:
        whole = event.profile.length * spread(row.stretch_p05, row.stretch_p95, POINTS)
    elif row.duration_law == "exponential":
        return np.asarray(wait - np.log1p(-u) * row.duration_yr)
    else:
        whole = durations(row, POINTS)
    longer = np.sort(whole[whole > lasted])
    if not len(longer):
        return np.full(len(u), wait + SHORTEST)
    return np.asarray(wait + longer[np.minimum((u * len(longer)).astype(int), len(longer) - 1)] - lasted)


def lasting_until(event: DisruptionEvent, end: float) -> DisruptionEvent:
    """An event in force that ends at a date: its profile at the stated stretch, its last cut holding until then."""
    begin = event.start + event.flood
    length = end - begin
    if event.profile is None or length <= 0:
        return replace(event, duration=max(0.0, length), begun=event)
    held = _held(event.profile, length / event.stretch)
    return replace(event, duration=length, profile=held, begun=event)


def _held(profile: HazardProfile, length: float) -> HazardProfile:
    """A profile that lasts so long: cut off there, or its last step drawn out [years of the profile's own time]."""
    last = profile.length

    def steps(of: tuple[tuple[str, Steps], ...]) -> tuple[tuple[str, Steps], ...]:
        return tuple((name, _stretched(each, last, length)) for name, each in of)

    return replace(
        profile,
        effective=steps(profile.effective),
        direct=steps(profile.direct),
        inside=steps(profile.inside),
        outside=steps(profile.outside),
    )


def _stretched(steps: Steps, last: float, length: float) -> Steps:
    """Steps up to a length: of those that reach the profile's end the last one holds until then."""
    kept = [(begin, min(end, length), share) for begin, end, share in sorted(steps) if begin < min(last, length)]
    if kept and kept[-1][1] >= last - 1e-9 and length > last:
        begin, _, share = kept[-1]
        kept[-1] = (begin, length, share)
    return tuple(kept)


def drawn_ends(ongoing: Sequence[OngoingEvent], scenarios: int, seed: int) -> Floats:
    """(events, scenarios) dates of their ends: stratified points, shuffled for each event by a stream of its own."""
    found = np.empty((len(ongoing), scenarios))
    for k, one in enumerate(ongoing):
        rng = np.random.default_rng([seed, k, zlib.crc32(one.event.label.encode())])
        u = (rng.permutation(scenarios) + rng.random(scenarios)) / scenarios
        found[k] = one.ends(np.clip(u, 2.0**-40, 1 - 2.0**-40))
    return found


def for_ever(ongoing: Sequence[OngoingEvent]) -> tuple[DisruptionEvent, ...]:
    """The trunk's events: none of them ends."""
    return tuple(one.until(one.now + FAR if one.over is None else one.over) for one in ongoing)


def as_expected(ongoing: Sequence[OngoingEvent]) -> tuple[DisruptionEvent, ...]:
    """The events, each ending when it is expected to: what a scenario written by hand says nothing of."""
    return tuple(one.until(one.expected_end) for one in ongoing)


def believed_end(event: DisruptionEvent, row: Any, now: float) -> float:
    """Date at which an event in force is expected to end, as seen at a date."""
    left = remaining(event, row, now, POINTS)
    return now + (float(left.mean()) if math.isfinite(float(left.mean())) else SHORTEST)


ENDS = 8
"""Equally likely ends of events in force that a plan without a sample reckons with."""
NO_EVENT = "no event"
"""Name of the scenario that nothing happens in; drawn scenarios come after it."""


def build_scenarios(
    instance: Instance, data: Dataset, held: SampledScenarios | None = None, like: ScenarioSet | None = None
) -> ScenarioSet:
    """All scenarios of the plan: listed scenarios, sampled scenarios, and what is left without any event.

    held: scenarios sampled before, kept where they were drawn for the same hazards and dates; otherwise they are drawn anew.
    like: scenarios of an instance in which every event does what it does in this one; taken over where the events are the same.
    Raises PlanError for an event outside periods 2..T: what is in force at the start is a control.
    """
    plan = instance.plan
    names, probability, design, events = listed(instance, data)
    rest = max(0.0, 1.0 - sum(probability))
    ongoing = ongoing_events(plan, data, instance.calendar)
    expected = as_expected(ongoing)
    drawn: SampledScenarios | None = None
    if plan.sample is not None:
        quiet = min(rest, plan.sample.quiet_probability)
        drawn = (
            held if held is not None and held.asked == _asked(instance, data) else sample(instance, data, plan.sample)
        )
        names += [NO_EVENT, *(f"sample-{n + 1}" for n in range(len(drawn.events)))]
        probability += [quiet, *((rest - quiet) * drawn.share)]
        design += [False] * (1 + len(drawn.events))
        events += [expected, *drawn.events]
    elif rest > 0 or not names:
        ends = _only_ends(ongoing)
        names += [NO_EVENT] if not ongoing else [f"ends-{n + 1}" for n in range(len(ends))]
        probability += [(rest if design else 1.0) / len(ends)] * len(ends)
        design += [False] * len(ends)
        events += ends
    total, of_design = np.array(probability, dtype=float), np.array(design, dtype=bool)
    if like is not None and like.events == tuple(events):
        weighed = replace(like, names=tuple(names), probability=total / total.sum(), design_basis=of_design)
    else:
        weighed = combine_events(instance, names, total / total.sum(), of_design, events, trunk_course(instance, data))
    return replace(weighed, drawn=drawn)


def trunk_course(instance: Instance, data: Dataset) -> ScenarioSet | None:
    """The course on which every event in force goes on, as a set of one scenario; None where none is in force."""
    ongoing = ongoing_events(instance.plan, data, instance.calendar)
    if not ongoing:
        return None
    return combine_events(instance, [BASELINE_COURSE], np.ones(1), np.zeros(1, dtype=bool), [for_ever(ongoing)])


def _only_ends(ongoing: Sequence[OngoingEvent]) -> list[tuple[DisruptionEvent, ...]]:
    """Equally likely ends of the events in force, where nothing else happens."""
    if not ongoing:
        return [()]
    ends = drawn_ends(ongoing, ENDS, 0)
    return [tuple(one.until(float(ends[k, n])) for k, one in enumerate(ongoing)) for n in range(ENDS)]


def _asked(instance: Instance, data: Dataset) -> Any:
    """What sampled scenarios hang on. Prices and losses, by which a reduction chooses, are left out: who holds scenarios while
    those change compares plans in the same scenarios.
    """
    plan = instance.plan
    rows = sampled(plan, data), data.rows("hazards"), profiles_of(plan, data)
    return plan.sample, *rows, span(instance), instance.materials, instance.members, _standing(plan), plan.ongoing


def _standing(plan: Plan) -> set[str]:
    """Hazards of which an event is in force at the start."""
    controls = {control.hazard for control in plan.controls if control.in_force and control.hazard}
    return controls | {event.hazard for event in plan.ongoing if event.hazard}


def listed(
    instance: Instance, data: Dataset
) -> tuple[list[str], list[float], list[bool], list[tuple[DisruptionEvent, ...]]]:
    """Names, probabilities, design-basis flags and strikes of the scenarios written by hand. Raises PlanError."""
    plan, resolved, window = instance.plan, resolver(instance.plan, data), span(instance)
    faults = [
        Fault(
            "plan",
            "",
            f"scenarios.{n}.events.{e}.start_year",
            f"{event.start_year:g}",
            f"a date from the second period ({window.begin:g}) to the end of the tail ({window.end:g})",
        )
        for n, scenario in enumerate(plan.scenarios)
        for e, event in enumerate(scenario.events)
        if not window.begin <= event.start_year < window.end
    ]
    if faults:
        raise PlanError([data.placed(fault) for fault in faults])
    begun = as_expected(ongoing_events(plan, data, instance.calendar))
    struck = [(*begun, *(resolved(event) for event in scenario.events)) for scenario in plan.scenarios]
    return (
        [scenario.name for scenario in plan.scenarios],
        [scenario.probability for scenario in plan.scenarios],
        [scenario.design_basis for scenario in plan.scenarios],
        struck,
    )


def sample(instance: Instance, data: Dataset, chosen: Sample) -> SampledScenarios:
    """The sampled scenarios, reduced where asked."""
    asked = _asked(instance, data)
    count = chosen.scenarios if chosen.draws is None else chosen.draws
    drawn = draws(instance, data, chosen, count, chosen.seed)
    if not drawn:
        found_none = f"{chosen.drawn_from_year}, of whose draws something has happened in every one"
        raise PlanError(
            [Fault("plan", "", "sample.drawn_from_year", found_none, "no such year: draws of this plan's own")]
        )
    if chosen.draws is None or len(drawn) <= chosen.scenarios:
        return SampledScenarios(asked, tuple(drawn), np.full(len(drawn), 1 / len(drawn)))
    found = reduction(instance, drawn, chosen.scenarios, trunk_course(instance, data))
    return SampledScenarios(asked, tuple(drawn[k] for k in found.kept), found.probability)


def draws(
    instance: Instance, data: Dataset, chosen: Sample, scenarios: int, seed: int
) -> list[tuple[DisruptionEvent, ...]]:
    """Fresh scenarios of the plan's hazards, by a seed; `chosen` says how many events of a hazard each may have. Events in force
    come first in each, with their ends."""
    ongoing = ongoing_events(instance.plan, data, instance.calendar)
    ends = drawn_ends(ongoing, scenarios, seed)
    until = {one.event.label: ends[k] for k, one in enumerate(ongoing)}
    window, calendar = span(instance), instance.calendar
    since = window.begin if chosen.drawn_from_year is None else chosen.drawn_from_year + calendar.step
    new = draw(
        sampled(instance.plan, data),
        data.rows("hazards"),
        Span(since, window.end),
        scenarios=scenarios,
        seed=seed,
        events=chosen.events_per_hazard,
        profiles=profiles_of(instance.plan, data),
        standing=_standing(instance.plan),
        alike={row.material: row.alike for row in data.rows("materials") if row.alike},
        until=until,
    )
    if since < window.begin:
        new = [events for events in new if all(event.start >= window.begin for event in events)]
    if not ongoing:
        return new
    begun = [tuple(one.until(float(ends[k, n])) for k, one in enumerate(ongoing)) for n in range(len(new))]
    return [(*before, *after) for before, after in zip(begun, new, strict=True)]


def population(
    instance: Instance,
    data: Dataset,
    scenarios: int,
    seed: int | None = None,
    *,
    fresh: bool = False,
    held: SampledScenarios | None = None,
    like: ScenarioSet | None = None,
) -> ScenarioSet:
    """What the plan's scenarios stand for: listed scenarios and the quiet scenario as they are, the rest by fresh draws, unreduced.
    held, like: as `build_scenarios`.

    A plan without a sample names no hazards to draw from: its own scenarios are the population, unless `fresh` asks for scenarios
    of every hazard of the table.
    """
    sample = instance.plan.sample
    if sample is None:
        if not fresh:
            return build_scenarios(instance, data)
        sample = Sample(scenarios=scenarios, seed=0)
    own = sample.model_copy(
        update={"scenarios": scenarios, "draws": None, "seed": sample.seed if seed is None else seed}
    )
    return build_scenarios(replace(instance, plan=instance.plan.model_copy(update={"sample": own})), data, held, like)


def equally_likely(
    instance: Instance, events: list[tuple[DisruptionEvent, ...]], trunk: ScenarioSet | None = None
) -> ScenarioSet:
    """Drawn scenarios as they are, each as likely as the others; trunk: as `combine_events`."""
    n = len(events)
    return combine_events(
        instance, [f"draw-{k + 1}" for k in range(n)], np.full(n, 1 / n), np.zeros(n, dtype=bool), events, trunk
    )


def reduction(
    instance: Instance, drawn: list[tuple[DisruptionEvent, ...]], scenarios: int, trunk: ScenarioSet | None = None
) -> Reduction:
    """Which of the drawn scenarios are kept, and what that does to the loss of doing nothing; trunk: as `combine_events`."""
    lean = replace(instance, plan=instance.plan.model_copy(update={"scenarios": ()}))
    return reduce(lean, equally_likely(lean, drawn, trunk), scenarios)


def span(instance: Instance) -> Span:
    """When events may strike: from the second period to the end of the horizon."""
    calendar = instance.calendar
    return Span(calendar.first_year + calendar.step, calendar.first_year + calendar.step * calendar.periods)


# The pricing sample: what owners of projects expect. One fixed set of scenarios, whatever sample a plan is made with.


SEEN = ("probability", "price", "market_gap", "availability", "onset", "trunk")
"""Fields of scenarios that an owner looks at."""


@dataclass(frozen=True)
class PricingSample:
    """Scenarios that owners reckon with, and those that their hurdle rates were made for."""

    scenarios: ScenarioSet
    """At the hazards of the plan."""
    reference: ScenarioSet
    """At the hazards of the table, without what the plan overrides: the same draws."""

    def counted_in(self, unit: Floats) -> PricingSample:
        """The same with prices per `unit` [(I,) in today's units]."""
        now = self.scenarios.counted_in(unit)
        return PricingSample(now, now if self.reference is self.scenarios else self.reference.counted_in(unit))

    def same(self, other: PricingSample | None) -> bool:
        """Whether owners see no difference to another one."""
        return other is not None and all(
            equal(getattr(mine, name), getattr(its, name))
            for mine, its in ((self.scenarios, other.scenarios), (self.reference, other.reference))
            for name in SEEN
        )


def pricing_sample(
    instance: Instance, data: Dataset, before: PricingSample | None = None, *, alike: bool = False
) -> PricingSample | None:
    """What owners expect, by the plan's section `owners`; None where they look at the baseline course alone.

    Listed scenarios and the quiet scenario at their probabilities, the rest drawn from the hazards of the plan's sample with a seed
    and in a number of their own. So neither the seed, the size nor a reduction of the plan's sample changes it; hazards do.
    before: one of another instance, whose draws are kept where they are the same; alike: every event does there what it does here.
    """
    plan = instance.plan
    if plan.owners.expectation == "trunk":
        return None

    def drawn(of: Instance, known: ScenarioSet | None) -> ScenarioSet:
        held, like = None if known is None else known.drawn, known if alike else None
        return population(of, data, plan.owners.sample, plan.owners.seed, held=held, like=like)

    now = drawn(instance, None if before is None else before.scenarios)
    if not plan.hazards:
        return PricingSample(now, now)
    as_table = replace(instance, plan=plan.model_copy(update={"hazards": ()}))
    return PricingSample(now, drawn(as_table, None if before is None else before.reference))


@dataclass(frozen=True)
class Courses:
    """Courses of one producer's prices and availability that differ from each other."""

    weight: Floats
    """(K,) probability of each; sums to one."""
    price: dict[int, Floats]
    """(K, T) by material that it makes or uses, in its market [million USD/t]."""
    available: Floats
    """(K, T) rho."""


def courses(instance: Instance, scenarios: ScenarioSet, producer: int) -> Courses:
    """The scenarios as one producer sees them, equal ones together: most of what happens never touches its component."""
    own = own_prices(instance, producer, scenarios.price, scenarios.market_gap)
    rows = np.concatenate([*own.values(), scenarios.availability[:, producer]], axis=1)
    apart, of = np.unique(rows, axis=0, return_inverse=True)
    weight: Floats = np.zeros(len(apart))
    np.add.at(weight, of.reshape(-1), scenarios.probability)
    parts = np.split(apart, len(own) + 1, axis=1)
    return Courses(weight, dict(zip(own, parts, strict=False)), parts[-1])
