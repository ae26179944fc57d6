"""What people may believe of hazards, and one set of scenarios for all of them.

Scenarios are drawn in equal parts from the law of each belief. Under a belief each weighs as that law makes it likelier than the
mean of all of them, so that no belief counts on less than about its share of the sample. The likelihood of a scenario is that of
its onsets and of what brought on what: beliefs differ in nothing else (section 21 of the formulation).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import gammaln, xlogy

from ..core.frames import Floats
from ..question.dataset import Dataset
from ..question.plan import Belief, HazardBelief, HazardOverride, Plan
from .draws import Exposure
from .events import SampledScenarios, ScenarioSet, sampled
from .instance import Instance
from .scenarios import (
    NO_EVENT,
    asked_for,
    draws_with_exposure,
    equally_likely,
    loss_proxy,
    shapes,
    trunk_course,
)

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

    Of a plan with a sample. Neither prices nor losses change what is drawn.
    """
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
    said = {(one.hazard, name): getattr(one, name) for one in belief.hazards for name in FIGURES}
    said = {key: value for key, value in said.items() if value is not None}
    kept = [
        old.model_copy(update={name: None for name in FIGURES if (old.hazard, name) in said}) for old in plan.hazards
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
    chance: q^m (1-q)^(M-m).
    """
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
