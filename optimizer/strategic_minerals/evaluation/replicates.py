"""Independent samples pooled into one population, and confidence intervals of its statistics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import beta
from scipy.stats import t as student

from ..core.arrays import Bools, Floats, Ints
from ..scenarios.build import NO_EVENT
from ..scenarios.risk_measures import quantile
from ..scenarios.scenario_set import ScenarioSet
from .recourse import RecourseOutcome


@dataclass(frozen=True)
class ReplicatePool:
    """Scenarios of several samples as one population."""

    probability: Floats
    """(S,) probabilities; they sum to one."""
    draw: Ints
    """(S,) sample that a scenario belongs to; listed scenarios are in each, at their share."""
    drawn: Bools
    """(S,) True for sampled scenarios, False for listed ones."""

    def estimated(self, figure: Callable[[Floats], Figures], confidence: float) -> dict[str, Interval]:
        """Every figure of the population, with Student's interval from leaving out each sample in turn (jackknife).

        pseudo[r] = R f - (R - 1) f[without r]; half width t(R - 1) sd(pseudo)/sqrt(R)
        """
        whole, draws = figure(self.probability), int(self.draw.max()) + 1
        rest = [figure(np.where(self.draw == r, 0.0, self.probability) * draws / (draws - 1)) for r in range(draws)]
        found = {}
        for name, value in whole.items():
            _, low, high = interval([draws * value - (draws - 1) * one[name] for one in rest], confidence)
            found[name] = (value, value - (high - low) / 2, value + (high - low) / 2)
        return found

    def chance(self, hit: Bools, spread: Interval, confidence: float) -> Interval:
        """Interval of a probability, at least as wide as Clopper and Pearson's on the sampled scenarios.

        hit: (S,) whether a scenario counts; spread: the interval of `estimated`. The contribution of listed scenarios is certain.
        """
        certain = float(self.probability[hit & ~self.drawn].sum())
        mass = float(self.probability[self.drawn].sum())
        hits, scenarios = int((hit & self.drawn).sum()), int(self.drawn.sum())
        return spread[0], *_chance((spread[1], spread[2]), hits, scenarios, confidence, certain, mass)

    def quantile(self, values: Floats, level: float, spread: Interval, confidence: float) -> Interval:
        """Interval of a quantile, at least as wide as that of order statistics: its level is a chance to be estimated."""
        n, tail = int(self.drawn.sum()), (1 - confidence) / 2
        least, most = beta.ppf(tail, n * level, n * (1 - level) + 1), beta.ppf(1 - tail, n * level + 1, n * (1 - level))
        low, high = (quantile(values, self.probability / self.probability.sum(), float(one)) for one in (least, most))
        return spread[0], min(spread[1], low), max(spread[2], high)


def pooled(
    done: Sequence[tuple[ScenarioSet, Sequence[RecourseOutcome]]],
) -> tuple[ReplicatePool, list[RecourseOutcome]]:
    """Samples as one population, and every first stage in it; promises of listed scenarios count once, not once per sample."""
    scenarios = [one for one, _ in done]
    pool = ReplicatePool(
        np.concatenate([one.probability for one in scenarios]) / len(scenarios),
        np.repeat(np.arange(len(scenarios)), [len(one.names) for one in scenarios]),
        np.concatenate([is_drawn(one) for one in scenarios]),
    )
    return pool, [
        replace(RecourseOutcome.joined(recourse), penalty=recourse[0].penalty)
        for recourse in zip(*(recourse for _, recourse in done), strict=True)
    ]


def _chance(
    spread: tuple[float, float], hits: int, scenarios: int, confidence: float, certain: float, mass: float
) -> tuple[float, float]:
    """Interval of a probability: at least Clopper and Pearson's on the sampled scenarios, plus the share of listed ones.

    certain: probability of listed scenarios that count; mass: probability of all sampled scenarios.
    """
    tail = (1 - confidence) / 2
    exact = float(beta.ppf(1 - tail, hits + 1, scenarios - hits)) if hits < scenarios else 1.0
    least = float(beta.ppf(tail, hits, scenarios - hits + 1)) if hits > 0 else 0.0
    low, high = min(spread[0], certain + mass * least), max(spread[1], certain + mass * exact)
    return max(0.0, certain, low), min(1.0, high)


def named(column: str, told: Interval) -> dict[str, float]:
    """An interval as three columns."""
    return dict(zip((column, f"{column}_low", f"{column}_high"), told, strict=True))


def interval(values: list[float], confidence: float) -> tuple[float, float, float]:
    """Mean and Student's interval of independent estimates."""
    found = np.array(values, dtype=float)
    mean, n = float(found.mean()), len(found)
    if n < 2:
        return mean, float("nan"), float("nan")
    half = float(student.ppf((1 + confidence) / 2, n - 1)) * float(found.std(ddof=1)) / n**0.5
    return mean, mean - half, mean + half


Figures = dict[str, float]


Interval = tuple[float, float, float]
"""Estimate, low, high."""


def is_drawn(scenarios: ScenarioSet) -> Any:
    """(S,) True for sampled scenarios; listed scenarios and the quiet scenario come first."""
    return np.arange(len(scenarios.names)) > scenarios.names.index(NO_EVENT)
