"""What independent samples say of one plan: how far it can be from the best, and what it is worth, with confidence.

Of the gap one end is stated, of figures two. Samples have to be independent of the plan and drawn fairly: optima over kept medoids
are no estimate of anything (formulation section 16).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student


@dataclass(frozen=True)
class Estimate:
    """A mean over independent samples."""

    mean: float
    standard_error: float
    low: float
    high: float
    """Two-sided interval; minus and plus infinity with fewer than two samples."""


@dataclass(frozen=True)
class GapBound:
    """How much more a plan costs than the best plan over all scenarios, in expectation."""

    mean: float
    standard_error: float
    upper: float
    """One-sided: the true gap is no larger, with the confidence asked."""


def estimated(values: Sequence[float], confidence: float, plans: int = 1) -> Estimate:
    """Mean and Student's two-sided interval of independent figures. plans: of how many the one was chosen by these very samples
    (Bonferroni)."""
    mean, error, count = _moments(values)
    if count < 2:
        return Estimate(mean, error, -np.inf, np.inf)
    half = float(student.ppf(1 - (1 - confidence) / (2 * plans), count - 1)) * error
    return Estimate(mean, error, mean - half, mean + half)


def gap_bound(gaps: Sequence[float], confidence: float, plans: int = 1) -> GapBound:
    """Upper limit of a plan's true gap from its gaps in independent samples.

    gap[k] = f_k(x) - bound_k, the cost of the plan less what every plan costs at least in the same sample; its mean is no less than
    the true gap in expectation (Mak, Morton and Wood 1999).   upper = mean + t[K-1, 1-(1-confidence)/plans] s / sqrt(K)
    plans: of how many the one was chosen by these very samples.
    """
    mean, error, count = _moments(gaps)
    if count < 2:
        return GapBound(mean, error, np.inf)
    return GapBound(mean, error, mean + float(student.ppf(1 - (1 - confidence) / plans, count - 1)) * error)


def _moments(values: Sequence[float]) -> tuple[float, float, int]:
    """(mean, its standard error, how many)."""
    found = np.asarray(values, dtype=float)
    count = len(found)
    error = float(found.std(ddof=1)) / count**0.5 if count > 1 else float("nan")
    return float(found.mean()), error, count
