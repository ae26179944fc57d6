"""What a plan forecasts: availability and price of each material and year, and the probability of a control.

Intervals are 5, 50 and 95 % points over scenarios drawn from the plan's own hazards. Besides what the hazards do, availability
varies as use did in the last years, and the price as it has from year to year, further the further ahead; both as lognormal
noise.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.arrays import Floats
from ..data.dataset import Dataset
from ..instance.build import build_instance
from ..scenarios.build import population
from ..scenarios.events import longest_event
from ..scenarios.risk_measures import quantile
from ..schemas.plan import Plan
from .facts import Known, MaterialFacts
from .hazards import in_force, probability, rates
from .question import planned
from .settings import Planning
from .timeline import PER_YEAR

LEVELS = (0.05, 0.5, 0.95)
POINTS = ("p05", "p50", "p95")


def intervals(plan: Plan, data: Dataset, known: Known, settings: Planning, first_quarter: int) -> list[dict[str, Any]]:
    """Rows: material, year, quantity (availability, price), p05, p50, p95; shares of normal use and of the last price."""
    instance = build_instance(plan, data, longest_event(plan, data))
    drawn = population(instance, data, settings.sampling.outlook, settings.sampling.seed) if plan.sample else None
    count = settings.sampling.outlook if drawn is None else len(drawn.names)
    chance = np.ones(count) if drawn is None else drawn.probability
    rng = np.random.default_rng(settings.sampling.seed)
    n, quarters = instance.sources, range(first_quarter, first_quarter + PER_YEAR * plan.horizon.years)
    rows = []
    by_name = {facts.material: facts for facts in planned(known)}
    for i, name in enumerate(instance.materials):
        facts = by_name[name]
        made = np.maximum(instance.yields[:n, i], 0.0)[:, None] * instance.capacity[:n]
        for year in sorted({quarter // PER_YEAR for quarter in quarters}):
            at = [k for k, quarter in enumerate(quarters) if quarter // PER_YEAR == year]
            full = made[:, at].sum(axis=0)
            open_ = instance.availability[None, :n, at] if drawn is None else drawn.availability[:, :n, at]
            left = (made[None, :, at] * open_).sum(axis=1) / np.where(full > 0, full, 1.0) * _room(facts, settings)
            supply = np.minimum(left, 1.0).mean(axis=1)
            price = instance.price[None, i, at] if drawn is None else drawn.price[:, i, at]
            factor = (price / instance.price[i, at]).mean(axis=1)
            ahead = math.sqrt(max(1.0, year - max(facts.prices)))
            noise = rng.standard_normal((2, count))
            spread = math.sqrt(math.log1p(facts.use_cv**2))
            rows.append(_row(name, year, "availability", supply * np.exp(spread * noise[0] - spread**2 / 2), chance))
            rows.append(_row(name, year, "price", factor * np.exp(facts.price_sigma * ahead * noise[1]), chance))
    return rows


def _room(facts: MaterialFacts, settings: Planning) -> float:
    """What all sources can sell, over normal use."""
    imported = facts.reliance if facts.reliance is not None else 1.0
    abroad = imported * (1 - facts.shares.get(settings.home, 0.0))
    return 1 - abroad + abroad * settings.estimates.headroom.value


def _row(name: str, year: int, quantity: str, values: Floats, chance: Floats) -> dict[str, Any]:
    weight = chance / chance.sum()
    points = {point: float(quantile(values, weight, level)) for point, level in zip(POINTS, LEVELS, strict=True)}
    return {"material": name, "year": year, "quantity": quantity, **points}


def control_probabilities(known: Known, settings: Planning, day: Any) -> list[dict[str, Any]]:
    """material, probability of a control by a main supplier within the years of the outcome; 1: one is known to be in force."""
    by_material = rates(known, settings, day)
    forced = {control.material for control in in_force(known, settings, day)}
    return [
        {
            "material": name,
            "probability": 1.0 if name in forced else probability(by_material.get(name, {}), facts, settings),
        }
        for name, facts in known.materials.items()
    ]
