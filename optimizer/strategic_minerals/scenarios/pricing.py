"""The pricing sample: what owners of projects expect. One fixed set of scenarios, whatever sample a plan is made with."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..core.arrays import Floats, equal
from ..data.dataset import Dataset
from ..instance.instance import Instance
from ..instance.producer_economics import own_prices
from .build import population
from .scenario_set import ScenarioSet

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
