"""How sure a mean of the panel is: resamples by blocks of years and by material at once, and the number of independent cases."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
RESAMPLES, SEED = 1_000, 1
FEWEST_MATERIALS = 3  # or no interval is told


def resamples(rows: pd.DataFrame, block: int) -> Floats:
    """Weight of each row in each resample: origins drawn in blocks around a circle, materials drawn by themselves; both at once."""
    rng = np.random.default_rng(SEED)
    years, year_of = np.unique(rows["origin"].to_numpy(), return_inverse=True)
    names, name_of = np.unique(rows["name"].to_numpy(dtype=str), return_inverse=True)
    starts = rng.integers(len(years), size=(RESAMPLES, -(-len(years) // block), 1))
    drawn = ((starts + np.arange(block)) % len(years)).reshape(RESAMPLES, -1)[:, : len(years)]
    by_year = np.stack([np.bincount(row, minlength=len(years)) for row in drawn])
    by_name = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=RESAMPLES)
    return (by_year[:, year_of] * by_name[:, name_of]).astype(float)


Ends = tuple[float, float, float]
"""Value, and the 5 and 95 % points of its resamples; NaN: too few materials to say."""


def _ends(value: float, drawn: Floats, rows: pd.DataFrame) -> Ends:
    if rows["name"].nunique() < FEWEST_MATERIALS:
        return value, np.nan, np.nan
    low, high = np.nanquantile(drawn, (0.05, 0.95))
    return value, float(low), float(high)


def ratio(rows: pd.DataFrame, over: str, under: str, weights: Floats) -> Ends:
    """One column's sum over another's; over `one`: the mean."""
    a, b = rows[over].to_numpy(dtype=float), rows[under].to_numpy(dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):  # a resample may leave out every row
        return _ends(float(a.sum() / b.sum()), weights @ a / (weights @ b), rows)


def quantile(rows: pd.DataFrame, column: str, level: float, weights: Floats) -> Ends:
    """A column's quantile."""
    values = rows[column].to_numpy(dtype=float)
    order = np.argsort(values)
    reached = weights[:, order].cumsum(axis=1)
    drawn = values[order][(reached >= level * reached[:, -1:]).argmax(axis=1)]
    return _ends(float(np.quantile(values, level)), drawn, rows)


def common_share(changes: Floats) -> float:
    """Share of the variance of yearly log changes that is common to materials: the intraclass correlation by year."""
    known = changes[:, ~np.isnan(changes).all(axis=0)]
    count = np.sum(~np.isnan(known), axis=0).astype(float)
    years, total = len(count), float(count.sum())
    size = (total - float(count @ count) / total) / (years - 1)  # what counts for the mean of unequal years
    between = float(count @ (np.nanmean(known, axis=0) - np.nanmean(known)) ** 2) / (years - 1)
    within = float(count @ np.nanvar(known, axis=0)) / (total - years)
    return float(max(0.0, (between - within) / (between + (size - 1) * within)))


def effective(materials: float, years: float, share: float) -> float:
    """Independent cases in so many materials over so many years that do not overlap, if they share that part of their variance."""
    return years * materials / (1 + (materials - 1) * share)
