"""From a question to its scenarios: what the plan lists, what is drawn from hazards, and what is left without any event."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import gammaln, xlogy

from ..core.errors import Fault, PlanError
from ..core.frames import Bools, Floats, Ints, equal
from ..core.runner import checkpoint
from ..core.stats import BASELINE_COURSE, MONTHS_PER_YEAR
from ..question.dataset import Dataset
from ..question.plan import Belief, HazardBelief, HazardOverride, Plan, Sample
from .draws import POINTS, Exposure, Lasting, Span, draw, durations, lasting_until, shape_of
from .events import (
    DisruptionEvent,
    SampledScenarios,
    ScenarioSet,
    combine_events,
    hazards,
    profiles_of,
    resolver,
    sampled,
    spread,
    squeeze_of_outputs,
)
from .instance import Calendar, Instance
from .producers import own_prices


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


# Many drawn scenarios -> few that stand for them: k-medoids on what the scenarios would cost, the tail separately.
TAIL = 0.1
"""Probability of the worst scenarios that are clustered separately."""
TAIL_SHARE = 0.4
"""Share of the kept scenarios that the tail gets: it decides CVaR and much of the loss."""
ROUNDS = 30


def loss_proxy(instance: Instance, scenarios: ScenarioSet) -> Floats:
    """(S, I) discounted loss of a scenario by material (`losses_by_period`); 0 where risk measures leave it out [million USD]."""
    by_material = [lost.sum(axis=1) for lost in losses_by_period(instance, scenarios)]
    return np.stack(by_material, axis=1) * instance.at_risk


def losses_by_period(instance: Instance, scenarios: ScenarioSet) -> Iterator[Floats]:
    """(S, T) discounted losses of each material in turn, were nothing done and no chain rearranged  [million USD].

    shortage = max(0, delta*demand + inputs of plants - rho*kappa*K*y), beyond what is short undisturbed, borne by the tiers and
    substitution steps with the least loss first. A stand-in that orders scenarios; the solver's losses come later."""
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
    tiers = zip(instance.tier_loss.tolist(), instance.tiers, instance.tier_share.tolist(), strict=True)
    steps = zip(instance.step_cost.tolist(), instance.steps, instance.step_limit.tolist(), strict=True)
    return sorted((worth, q, share) for worth, (q, _), share in (*tiers, *steps) if mine[q])


def reduce(instance: Instance, scenarios: ScenarioSet, n: int) -> tuple[Ints, Floats]:
    """(which n of the drawn scenarios are kept, their probabilities, which sum to one). The same scenarios give the same answer."""
    by_material = loss_proxy(instance, scenarios)
    total = by_material.sum(axis=1)
    pi = scenarios.probability
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
    return np.array(kept, dtype=int), np.array(weight) / sum(weight)


def _shares(n: int, sizes: list[int]) -> list[int]:
    """Scenarios kept in the tail and in the rest."""
    tail = min(sizes[0], max(1 if sizes[0] else 0, round(TAIL_SHARE * n)))
    rest = min(sizes[1], n - tail)
    return [min(sizes[0], n - rest), rest]


def _features(instance: Instance, scenarios: ScenarioSet, loss: Floats) -> Floats:
    """(S, F) what distinguishes scenarios: square roots of the losses by material and of the total, and when each is touched.

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
SHORTEST = 1 / MONTHS_PER_YEAR
"""Years that what has outlasted every expectation is believed to go on."""
UNKNOWN_MEAN_YR = 1.0
"""Expected remaining years of an event that no hazard describes: an estimate (0.5 to 2), the mean length of a licence stop."""
FAR = 1000.0
"""Years after which no end of an event is stated."""


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

    def until(self, end: float) -> DisruptionEvent:
        """The event, ending at a date."""
        return lasting_until(self.event, end)


def ongoing_events(plan: Plan, data: Dataset, calendar: Calendar) -> tuple[OngoingEvent, ...]:
    """Events in force at the start of a plan, in its order."""
    rows, resolved, now = hazards(plan, data), resolver(plan, data), calendar.first_year + calendar.step
    return tuple(
        OngoingEvent(resolved(one), rows.get(one.hazard or ""), one.remaining_years, one.ended_year, now)
        for one in plan.ongoing
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
    return tuple(one.until(float(one.ends(POINTS).mean())) for one in ongoing)


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
    Raises PlanError for an event outside periods 2..T: what is in force at the start is a control."""
    plan = instance.plan
    names, probability, design, events = listed(instance, data)
    rest = max(0.0, 1.0 - sum(probability))
    ongoing = ongoing_events(plan, data, instance.calendar)
    expected = as_expected(ongoing)
    drawn: SampledScenarios | None = None
    if plan.sample is not None:
        quiet = min(rest, plan.sample.quiet_probability)
        drawn = (
            held
            if held is not None and held.asked == asked_for(instance, data)
            else sample(instance, data, plan.sample)
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


def asked_for(instance: Instance, data: Dataset) -> Any:
    """What sampled scenarios hang on. Prices and losses, by which a reduction chooses, are left out: who holds scenarios while
    those change compares plans in the same scenarios."""
    plan = instance.plan
    rows = sampled(plan, data), data.rows("hazards"), profiles_of(plan, data), data.rows("hazard_evidence")
    return plan.sample, *rows, span(instance), instance.materials, set(instance.members), in_force(plan), plan.ongoing


def in_force(plan: Plan) -> set[str]:
    """Hazards of which an event is in force at the start."""
    controls = {control.hazard for control in plan.controls if control.in_force and control.hazard}
    return controls | {event.hazard for event in plan.ongoing if event.hazard}


def listed(
    instance: Instance, data: Dataset
) -> tuple[list[str], list[float], list[bool], list[tuple[DisruptionEvent, ...]]]:
    """Names, probabilities, design-basis flags and strikes of the scenarios written by hand. Raises PlanError."""
    plan, resolved, window = instance.plan, resolver(instance.plan, data), span(instance)
    dates = f"a date from the second period ({window.begin:g}) to the end of the tail ({window.end:g})"
    if window.begin >= window.end:
        dates = "a horizon of two periods or more, tail included: an event begins in the second at the earliest"
    faults = [
        Fault("plan", "", f"scenarios.{n}.events.{e}.start_year", f"{event.start_year:g}", dates)
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
    asked = asked_for(instance, data)
    count = chosen.scenarios if chosen.draws is None else chosen.draws
    drawn = draws(instance, data, chosen, count, chosen.seed)
    if not drawn:
        found_none = f"{chosen.drawn_from_year}, of whose draws something has happened in every one"
        raise PlanError(
            [Fault("plan", "", "sample.drawn_from_year", found_none, "no such year: draws of this plan's own")]
        )
    if chosen.draws is None or len(drawn) <= chosen.scenarios:
        return SampledScenarios(asked, tuple(drawn), np.full(len(drawn), 1 / len(drawn)))
    lean = replace(instance, plan=instance.plan.model_copy(update={"scenarios": ()}))
    kept, probability = reduce(lean, equally_likely(lean, drawn, trunk_course(instance, data)), chosen.scenarios)
    return SampledScenarios(asked, tuple(drawn[k] for k in kept), probability)


def draws(
    instance: Instance, data: Dataset, chosen: Sample, scenarios: int, seed: int, grid: float | None = None
) -> list[tuple[DisruptionEvent, ...]]:
    """Fresh scenarios of the plan's hazards, by a seed; `chosen` says how many events of a hazard each may have and whether rates
    are uncertain. Events in force come first in each, with their ends. grid: as `draw`."""
    return [events for events, _ in draws_with_exposure(instance, data, chosen, scenarios, seed, grid)]


def draws_with_exposure(
    instance: Instance, data: Dataset, chosen: Sample, scenarios: int, seed: int, grid: float | None = None
) -> list[tuple[tuple[DisruptionEvent, ...], Mapping[str, Exposure]]]:
    """As `draws`, each with what its hazards had occasion for."""
    ongoing = ongoing_events(instance.plan, data, instance.calendar)
    ends = drawn_ends(ongoing, scenarios, seed)
    window, calendar = span(instance), instance.calendar
    since = window.begin if chosen.drawn_from_year is None else chosen.drawn_from_year + calendar.step
    new = draw(
        sampled(instance.plan, data),
        data.rows("hazards"),
        Span(since, window.end),
        scenarios=scenarios,
        seed=seed,
        events=chosen.events_per_hazard,
        shapes=shapes(instance.plan, data) if chosen.rates == "uncertain" else None,
        profiles=profiles_of(instance.plan, data),
        in_force=in_force(instance.plan),
        alike={row.material: row.alike for row in data.rows("materials") if row.alike},
        lasting=[Lasting(one.event, ends[k]) for k, one in enumerate(ongoing)],
        grid=grid,
    )
    if since < window.begin:
        new = [one for one in new if all(event.start >= window.begin for event in one[0][len(ongoing) :])]
    return new


def shapes(plan: Plan, data: Dataset) -> dict[str, float]:
    """Hazard -> shape of its rate's gamma law: onsets that the tables have seen or its row stands for; none of a rate as stated."""
    seen = {row.hazard: row.prior_onsets + row.onsets for row in data.rows("hazard_evidence")}
    found = {row.hazard: seen.get(row.hazard) or shape_of(row) for row in sampled(plan, data)}
    return {hazard: shape for hazard, shape in found.items() if math.isfinite(shape)}


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
    of every hazard of the table."""
    sample = instance.plan.sample
    if sample is None:
        if not fresh:
            return build_scenarios(instance, data)
        sample = Sample(scenarios=scenarios, seed=0)
    own = sample.model_copy(
        update={"scenarios": scenarios, "draws": None, "seed": sample.seed if seed is None else seed}
    )
    return build_scenarios(replace(instance, plan=instance.plan.model_copy(update={"sample": own})), data, held, like)


def exposures(instance: Instance, data: Dataset, scenarios: int, seed: int) -> list[Mapping[str, Exposure]]:
    """What the hazards of each scenario that `population` draws had occasion for; none of a plan without a sample."""
    chosen = instance.plan.sample
    if chosen is None:
        return []
    return [seen for _, seen in draws_with_exposure(instance, data, chosen, scenarios, seed)]


def equally_likely(
    instance: Instance, events: list[tuple[DisruptionEvent, ...]], trunk: ScenarioSet | None = None
) -> ScenarioSet:
    """Drawn scenarios as they are, each as likely as the others; trunk: as `combine_events`."""
    n = len(events)
    return combine_events(
        instance, [f"draw-{k + 1}" for k in range(n)], np.full(n, 1 / n), np.zeros(n, dtype=bool), events, trunk
    )


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


def with_priced_contracts(instance: Instance, expected: ScenarioSet) -> Instance:
    """Offtake contracts at what they are expected to be worth to the seller, whoever pays it (`instruments.offtake_price`): what
    arrives of a tonne reserved is sold at the usual price.

    arrives[j,t,s] = rho (kappa + (1-kappa) honoured) while an output is tight, else rho; in the part of the period that is cut
    worth[j] = sum_s pi[s] sum_t beta[t] arrives sum_{y>0} y (1+premium) max(0, P[i,t,s] - P[i,t]) / sum_t beta[t]
    in the seller's market, for each tonne reserved and period [million USD/t]. expected: what owners reckon with."""
    kind, beta = instance.plan.instruments.offtake_price, instance.calendar.beta[:-1]
    if kind == "fee":
        return instance
    fee, rise = instance.contract_fee.copy(), instance.contract_rise.copy()
    squeezed, lasting = np.where(expected.tight, expected.squeeze, 0.0), expected.lasting[:, instance.chain]
    for j in np.flatnonzero(~np.isnan(instance.contract_lot)).tolist():
        usual, gain = own_prices(instance, j, instance.price), np.zeros(1)
        for i, price in own_prices(instance, j, expected.price, expected.market_gap).items():
            if instance.yields[j, i] > 0:
                sold = instance.yields[j, i] * (1 + instance.premium[j])
                gain = gain + sold * np.maximum(0.0, price - usual[i])
        crisis, cut = (squeeze_of_outputs(of, instance.yields[[j]] > 0)[:, 0] for of in (squeezed, lasting))
        part, runs = np.where(cut > 0, cut, 1.0), instance.availability[j]  # prices rise in the part that is cut
        available = np.maximum(0.0, runs - (runs - expected.availability[:, j]) / part)
        arrives = available * (
            1 - np.minimum(1.0, crisis / part) * (1 - instance.kappa[j]) * (1 - instance.honoured[j])
        )
        worth = float(expected.probability @ (gain * arrives) @ beta / beta.sum())
        fee[j] = max(fee[j], worth) if kind == "fixed" else fee[j]
        rise[j] = worth * (kind == "market")
    return replace(instance, contract_fee=fee, contract_rise=rise)


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
    distinct, of = np.unique(rows, axis=0, return_inverse=True)
    weight: Floats = np.zeros(len(distinct))
    np.add.at(weight, of.reshape(-1), scenarios.probability)
    parts = np.split(distinct, len(own) + 1, axis=1)
    return Courses(weight, dict(zip(own, parts, strict=False)), parts[-1])


# What people may believe of hazards, and one set of scenarios for all of them.
#
# Scenarios are drawn in equal parts from the law of each belief. Under a belief each weighs as that law makes it likelier than the
# mean of all of them, so that no belief counts on less than about its share of the sample. The likelihood of a scenario is that of
# its onsets and of what brought on what: beliefs differ in nothing else (FORMULATION, losses and beliefs).
LEAST_PROBABILITY = 1e-9
"""Probability of a scenario below which it counts as none."""
PROBE = 2048
"""Scenarios by which the figure is found that carries most of the loss."""
LOW, CENTRAL, HIGH = "low", "central", "high"
FIGURES = ("rate_per_yr", "after_probability")
"""What beliefs differ in."""


@dataclass(frozen=True)
class Believed:
    """One set of drawn scenarios, as each belief weighs it."""

    drawn: SampledScenarios
    """With the shares that the plan's own figures give."""
    share: Floats
    """(beliefs, drawn) probability of each drawn scenario under a belief, given that one of them comes; rows sum to one."""

    @property
    def effective(self) -> Floats:
        """(beliefs,) effective share of the sample, (sum w)^2 / (n sum w^2)."""
        return np.asarray(1.0 / (self.share.shape[1] * (self.share**2).sum(axis=1)))

    def probability(self, scenarios: ScenarioSet) -> Floats:
        """(beliefs, S) probabilities of a plan's scenarios: those listed and the one without a disruption keep theirs, and those
        drawn, of which some hold no disruption either, share the rest as the belief says."""
        found, quiet = np.tile(scenarios.probability, (len(self.share), 1)), scenarios.names.index(NO_EVENT)
        found[:, quiet + 1 :] = scenarios.probability[quiet + 1 :].sum() * self.share
        return np.where(found < LEAST_PROBABILITY, 0.0, found)


def believed(
    instance: Instance, data: Dataset, beliefs: Sequence[Belief], scenarios: int, seed: int
) -> tuple[Plan, Believed]:
    """(the plan that asks for them, scenarios for all beliefs), as many from each law; scenarios: in all, or a few more.

    Of a plan with a sample. Neither prices nor losses change what is drawn."""
    plan = instance.plan
    assert plan.sample is not None
    each = -(-scenarios // len(beliefs))
    sample = plan.sample.model_copy(update={"scenarios": each * len(beliefs), "draws": None, "seed": seed})
    asked = plan.model_copy(update={"sample": sample})
    seeds = np.random.SeedSequence(seed).generate_state(len(beliefs), np.uint32)
    drawn = [
        one
        for belief, own in zip(beliefs, seeds, strict=True)
        for one in draws_with_exposure(replace(instance, plan=believing(plan, belief)), data, sample, each, int(own))
    ]
    seen = [of for _, of in drawn]
    laws = np.array([likelihood(law(plan, data, one), seen) for one in (*beliefs, Belief(name=CENTRAL))])
    relative = np.exp(laws - laws[:-1].max(axis=0))
    weight = relative / relative[:-1].mean(axis=0)
    share = weight / weight.sum(axis=1, keepdims=True)
    held = SampledScenarios(
        asked_for(replace(instance, plan=asked), data), tuple(events for events, _ in drawn), share[-1]
    )
    return asked, Believed(held, share[:-1])


def believing(plan: Plan, belief: Belief) -> Plan:
    """A plan with what a belief says of hazards, in the place of what the plan itself says of the same figures."""
    stated = {(one.hazard, name): getattr(one, name) for one in belief.hazards for name in FIGURES}
    stated = {key: value for key, value in stated.items() if value is not None}
    kept = [
        old.model_copy(update={name: None for name in FIGURES if (old.hazard, name) in stated}) for old in plan.hazards
    ]
    new = [
        HazardOverride(hazard=one.hazard, **one.model_dump(exclude={"hazard"}, exclude_none=True))
        for one in belief.hazards
    ]
    return plan.model_copy(update={"hazards": (*kept, *new)})


@dataclass(frozen=True)
class Law:
    """How often one hazard comes under a belief."""

    rate: float
    shape: float | None
    """Of the gamma law of the rate; None: every scenario has the rate itself."""
    chance: float


def law(plan: Plan, data: Dataset, belief: Belief) -> Mapping[str, Law]:
    """How often each sampled hazard of a plan comes under a belief."""
    assert plan.sample is not None
    shape = shapes(plan, data) if plan.sample.rates == "uncertain" else {}
    return {
        row.hazard: Law(float(row.rate_per_yr), shape.get(row.hazard), float(row.after_probability or 0.0))
        for row in sampled(believing(plan, belief), data)
    }


def likelihood(laws: Mapping[str, Law], seen: Sequence[Mapping[str, Exposure]]) -> Floats:
    """(scenarios,) logarithm of how likely laws make what their hazards did, -inf where it cannot be.

    rate: theta^n exp(-theta free), or with a gamma law of shape A and rate B = A/theta  Gamma(A+n) B^A / (Gamma(A) (B+free)^(A+n));
    chance: q^m (1-q)^(M-m)."""
    total = np.zeros(len(seen))
    for hazard, of in laws.items():
        did = np.array([(one.onsets, one.free, one.chances, one.taken) for one in (each[hazard] for each in seen)])
        onsets, free, chances, taken = did.reshape(-1, 4).T
        total += _of_rate(of, onsets, free) + xlogy(taken, of.chance) + xlogy(chances - taken, 1 - of.chance)
    return total


def _of_rate(of: Law, onsets: Floats, free: Floats) -> Floats:
    if of.rate <= 0 or of.shape is None:
        return np.asarray(xlogy(onsets, of.rate) - of.rate * free)
    a, b = of.shape, of.shape / of.rate
    return np.asarray(gammaln(a + onsets) - gammaln(a) + a * np.log(b) - (a + onsets) * np.log(b + free))


# What the product believes where a plan names no beliefs: the ends of the range of the one figure that carries most of the loss.
def named_beliefs(instance: Instance, data: Dataset) -> tuple[Belief, ...]:
    """The plan's own beliefs; where it names none, the table's figures and, of the rate or chance that carries most of the loss,
    the ends of its range."""
    plan = instance.plan
    if plan.ambiguity.rule == "one":
        return (Belief(name=CENTRAL),)
    if plan.ambiguity.beliefs:
        return plan.ambiguity.beliefs
    found = max(_carried(instance, data), key=lambda one: one[0], default=None)
    if found is None or found[0] <= 0:
        return (Belief(name=CENTRAL),)
    _, low, high = found
    return (low, Belief(name=CENTRAL), high)


def _carried(instance: Instance, data: Dataset) -> Iterator[tuple[float, Belief, Belief]]:
    """(how far the expected loss of doing nothing moves over the range of a figure, the belief in its low end, in its high end)
    for every rate and chance of the sampled hazards."""
    plan = instance.plan
    assert plan.sample is not None
    ranges = [
        (row.hazard, name, getattr(row, f"{name}_low"), getattr(row, f"{name}_high"))
        for row in sampled(plan, data)
        for name in FIGURES
        if getattr(row, f"{name}_low") is not None and getattr(row, f"{name}_high") is not None
    ]
    drawn = draws_with_exposure(instance, data, plan.sample, PROBE, plan.sample.seed)
    lean = replace(instance, plan=plan.model_copy(update={"scenarios": ()}))
    events = equally_likely(lean, [events for events, _ in drawn], trunk_course(instance, data))
    lost, own = loss_proxy(lean, events).sum(axis=1), law(plan, data, Belief(name=CENTRAL))
    seen = [of for _, of in drawn]
    for hazard, name, *values in ranges:
        ends = [
            Belief(name=end, hazards=(HazardBelief(hazard=hazard, **{name: value}),))
            for end, value in zip((LOW, HIGH), values, strict=True)
        ]
        laws = (own[hazard], *(law(plan, data, end)[hazard] for end in ends))
        logs = np.array([likelihood({hazard: of}, seen) for of in laws])
        weight = np.exp(logs[1:] - logs[0])
        least, most = (weight / weight.sum(axis=1, keepdims=True)) @ lost
        yield float(most - least), ends[0], ends[1]
