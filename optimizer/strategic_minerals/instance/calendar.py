"""Periods and fiscal years of a horizon."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.arrays import Floats, Ints


@dataclass(frozen=True)
class Calendar:
    """Periods and fiscal years."""

    first_year: int
    step: float
    """Length D of a period in years."""
    periods: int
    """T, planned and tail."""
    planned: int
    """Periods shown as plan; the rest is tail."""
    rate: float

    @property
    def per_year(self) -> int:
        """Periods in a fiscal year."""
        return round(1 / self.step)

    @property
    def years(self) -> list[int]:
        """Fiscal years, tail included."""
        return list(range(self.first_year, self.first_year + math.ceil(self.periods / self.per_year)))

    @property
    def planned_years(self) -> list[int]:
        """Fiscal years that are planned and shown."""
        return self.years[: self.planned // self.per_year]

    @property
    def year_index(self) -> Ints:
        """(T,) index of each period's fiscal year."""
        return np.arange(self.periods) // self.per_year

    @property
    def beta(self) -> Floats:
        """(T+1,) discount factor of each period's start; the last is the end of the horizon."""
        return np.asarray((1 + self.rate) ** (-self.step * np.arange(self.periods + 1)), dtype=float)

    @property
    def spending_weight(self) -> Floats:
        """(T,) discount factor of each period's fiscal year: spending counts from the year's first period."""
        return np.asarray(self.beta[self.year_index * self.per_year], dtype=float)

    def period_label(self, t: int) -> str:
        """`2028`, or `2028.2` for the second period within a year."""
        year, part = divmod(t, self.per_year)
        return str(self.first_year + year) if self.per_year == 1 else f"{self.first_year + year}.{part + 1}"

    def lasting(self, years: float) -> int:
        """Periods that a length in years takes, at least 1."""
        return max(1, math.ceil(years / self.step - 1e-9))


def start_periods(calendar: Calendar, years: Sequence[int] | None) -> list[int]:
    """First period of each named fiscal year, or of every planned one: programmes are signed once a year."""
    chosen = calendar.planned_years if years is None else sorted(years)
    return [(year - calendar.first_year) * calendar.per_year for year in chosen]


def overlap(calendar: Calendar, start: float | Floats, end: float | Floats) -> Floats:
    """(..., T) share of each period that lies within [start, end), given in decimal fiscal years."""
    edges = calendar.first_year + calendar.step * np.arange(calendar.periods + 1)
    inside = np.minimum(edges[1:], np.asarray(end)[..., None]) - np.maximum(edges[:-1], np.asarray(start)[..., None])
    share = np.clip(inside / calendar.step, 0.0, 1.0)
    return np.asarray(np.where(share < 1e-9, 0.0, share), dtype=float)


def yearly(rows: Sequence[tuple[int, float]], calendar: Calendar) -> Floats:
    """(T,) value of each period's fiscal year; a series holds its last value, and its first one before it starts."""
    known = sorted(rows)
    values = [next((v for y, v in reversed(known) if y <= year), known[0][1]) for year in calendar.years]
    return np.array(values, dtype=float)[calendar.year_index]
