"""Rates and durations of hazards from dated events: posteriors with credible intervals, not point estimates.

Onsets are a Poisson process: with Jeffreys' prior the rate after n onsets in y years is Gamma(n + 1/2, y). Durations are
exponential: with d ended among events that lasted t years in all (running ones counted up to the date of the record), the
rate of ending is Gamma(d + 1/2, t). Both are conjugate (Gelman et al., Bayesian Data Analysis, 3rd ed., sections 2.6-2.8).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import pandas as pd
from scipy.stats import gamma

from ..core.units import MEAN_DAYS_PER_YEAR
from .dataset import Dataset

LEVEL = 0.9
"""Probability within the intervals."""
RUNNING = ("in force", "announced", "relief", "negotiation", "support")
"""Statuses of measures that have not ended: their dates of review are no end."""


@dataclass(frozen=True)
class Posterior:
    """5 % point, mean and 95 % point."""

    low: float
    mean: float
    high: float


def rate_posterior(onsets: int, years: float) -> Posterior:
    """Onsets per year: Gamma(n + 1/2, years)."""
    shape, tail = onsets + 0.5, (1 - LEVEL) / 2
    return Posterior(float(gamma.ppf(tail, shape)) / years, shape / years, float(gamma.ppf(1 - tail, shape)) / years)


def duration_posterior(ended: int, years: float) -> Posterior:
    """Mean duration in years: 1/rate of ending, Gamma(d + 1/2, years); `mean` is 1 over the mean rate, which few ended events
    put below the (for none ended, infinite) mean of 1/rate."""
    shape, tail = ended + 0.5, (1 - LEVEL) / 2
    return Posterior(years / float(gamma.ppf(1 - tail, shape)), years / shape, years / float(gamma.ppf(tail, shape)))


def calibrate(data: Dataset, record: dt.date | None = None) -> pd.DataFrame:
    """Rates and legal durations of every hazard from the policy events that it names, beside what the table holds.

    `record`: the date up to which running measures are counted; unset: the latest date of any event that took effect. Events
    that never took effect, or only after the record, are no onsets. Exposure is the calendar years of record, which begins with
    its first event: the first makes rates a little high, counting years that were cut a little low. Columns: hazard, onsets,
    observed_yr, rate_* and legal_duration_* with 5 % point, mean and 95 % point, events_ended, event_years, and the table's own
    rate and duration. A legal measure lasts longer than the stop of exports that it brings; the table's duration is that of the
    stop, and by hand.
    """
    events = {row.event: row for row in data.rows("policy_events")}
    dates = [row.effective for row in events.values() if row.effective is not None and row.took_effect]
    until = record or max(dates, default=dt.date(2000, 1, 1))
    rows = []
    for hazard in data.rows("hazards"):
        if hazard.observed_yr is None:
            continue
        named = [events[name] for name in hazard.calibrated_on.split()]
        counted = [
            event for event in named if event.took_effect and event.effective is not None and event.effective <= until
        ]
        lengths, ended = [], 0
        for event in counted:
            over = event.end_or_review is not None and event.status not in RUNNING and event.end_or_review <= until
            end = event.end_or_review if over else until
            ended += over
            lengths.append((end - event.effective).days / MEAN_DAYS_PER_YEAR)
        onsets = len(counted) + hazard.onsets_elsewhere
        rate, length = rate_posterior(onsets, hazard.observed_yr), None
        if sum(lengths) > 0:
            length = duration_posterior(ended, sum(lengths))
        rows.append(
            {
                "hazard": hazard.hazard,
                "onsets": onsets,
                "observed_yr": hazard.observed_yr,
                "rate_low": rate.low,
                "rate_mean": rate.mean,
                "rate_high": rate.high,
                "events_ended": ended,
                "event_years": sum(lengths),
                "legal_duration_low": length.low if length else float("nan"),
                "legal_duration_mean": length.mean if length else float("nan"),
                "legal_duration_high": length.high if length else float("nan"),
                "table_rate_per_yr": hazard.rate_per_yr,
                "table_duration_yr": hazard.duration_yr,
            }
        )
    return pd.DataFrame(rows)
