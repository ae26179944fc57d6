"""Quantile and tail mean of discrete losses, one rule each for everybody but the audit."""

from __future__ import annotations

import numpy as np

from ..core.arrays import Floats


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
