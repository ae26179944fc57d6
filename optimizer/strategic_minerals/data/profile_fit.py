"""Severity and stretch of disruptions by kind, fitted to the events observed, and how well each event fits the others.

An event of a kind cuts `min(1, x*cut(a/z))` at `a` since its onset: `x` scales how deep, `z` how long, each lognormal with median
1 and independent of the other. Peak and width (gross year-equivalents / peak) of an event are `x` and `z` times those of the
kind, whatever the shape of its course. Both are fitted by the method of moments on log ratios (`profile_estimates.log_spread`):
with three to five events nothing finer can be told from its assumptions, and it needs no search. Bands by Student's law are left
out: a lognormal with such points would have a mean of many times its median.

Events still running enter with what they had lost at the end of their record, a lower bound of their width: the fit is a little
short and a little wide. Held against a fit, such an event speaks against it only where it has already lost more than the interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from ..core.arrays import Floats
from .calibration import LEVEL
from .estimates import Estimate
from .observed_losses import ObservedEvent, geometric_mean, observed_events
from .profile_estimates import log_spread, no_loss, spread_high, spread_low

FEWEST = 3
"""Events of a kind from which on it can be tested; leaving one out then leaves two, the fewest with a spread."""
FACTOR, FROM_YEARS = 2.0, 0.05
"""How close the median is asked to be, and the loss in years from which on that is asked."""
POINTS = 256
"""Equally likely values of severity and of stretch; their products give the interval."""


@dataclass(frozen=True)
class KindFit:
    """What the observed events of one kind say of the next."""

    kind: str
    events: tuple[ObservedEvent, ...]
    """Those with a loss of the controlled flow."""
    peak: float
    """Median peak, share of the controlled flow."""
    width: float
    """Median width, years."""
    severity: tuple[float, float]
    """5 % and 95 % points of `x`."""
    stretch: tuple[float, float]
    """5 % and 95 % points of `z`."""
    no_loss: Estimate | None
    """Probability of no effective loss; None: no event of the kind has a record of all routes."""

    def year_equivalents(self) -> Floats:
        """Equally likely gross year-equivalents of a new event with a loss, after clipping; `POINTS`**2 values."""
        normal = ndtri((np.arange(POINTS) + 0.5) / POINTS)
        x = np.exp(log_spread(*(event.peak for event in self.events)) * normal)
        z = np.exp(log_spread(*(event.width for event in self.events)) * normal)
        return np.outer(self.width * z, np.minimum(1.0, self.peak * x)).ravel()

    def interval(self) -> tuple[float, float, float]:
        """5 % point, median and 95 % point of `year_equivalents`."""
        low, middle, high = np.quantile(self.year_equivalents(), [(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2])
        return float(low), float(middle), float(high)


def fit_kind(kind: str, events: Sequence[ObservedEvent]) -> KindFit:
    """Fit of the events of one kind. Raises ValueError where fewer than two of them lost anything."""
    lost = tuple(event for event in events if event.kind == kind and event.peak > 0)
    peaks, widths = [event.peak for event in lost], [event.width for event in lost]
    if len(lost) < 2:
        raise ValueError(f"found {len(lost)} events of kind '{kind}' with a loss; expected two or more")
    routes = [event.without_loss for event in events if event.kind == kind and event.without_loss is not None]
    return KindFit(
        kind,
        lost,
        geometric_mean(peaks),
        geometric_mean(widths),
        (spread_low(*peaks).central, spread_high(*peaks).central),
        (spread_low(*widths).central, spread_high(*widths).central),
        no_loss(sum(routes), len(routes)) if routes else None,
    )


def leave_one_out(rows: Iterable[Any], policy_events: Iterable[Any], home: str) -> pd.DataFrame:
    """Every observed event held against its kind fitted to the others.

    rows: of `observed_profiles`; home: country whose flows count first. Columns: event, kind, events_fitted, observed_yr (gross
    year-equivalents of the controlled flow), running, low_yr, median_yr, high_yr (of the fit), ratio (observed / median),
    verdict, within_factor_two ("yes", "no", or "" where it is not asked: not testable, running below, or at most `FROM_YEARS`).
    """
    every = observed_events(rows, {row.event: row for row in policy_events}, home)
    found = [_held_against_others(event, every) for event in every]
    columns = ["event", "kind", "events_fitted", "observed_yr", "running", "low_yr", "median_yr", "high_yr", "ratio"]
    return pd.DataFrame(found, columns=[*columns, "verdict", "within_factor_two"])


INSIDE, OUTSIDE, OPEN, UNTESTED = "inside", "outside", "still running, so far below", "not testable"
"""Verdicts: in the interval; not in it; running, and not yet as much as the interval begins with; too few events of the kind."""


def _held_against_others(event: ObservedEvent, every: Sequence[ObservedEvent]) -> dict[str, Any]:
    kin = [other for other in every if other.kind == event.kind and other.peak > 0]
    others = [other for other in every if other is not event]
    told: dict[str, Any] = {
        "event": event.event,
        "kind": event.kind,
        "observed_yr": event.gross,
        "running": event.running,
    }
    if len(kin) < FEWEST:
        return {**told, "events_fitted": 0, "verdict": UNTESTED, "within_factor_two": ""}
    fit = fit_kind(event.kind, others)
    low, middle, high = fit.interval()
    verdict = _verdict(event, fit, low, high)
    ratio = event.gross / middle
    asked = event.gross > FROM_YEARS and not (event.running and ratio < 1)
    near = "" if not asked else "yes" if 1 / FACTOR <= ratio <= FACTOR else "no"
    return {
        **told,
        "events_fitted": len(fit.events),
        "low_yr": low,
        "median_yr": middle,
        "high_yr": high,
        "ratio": ratio,
        "verdict": verdict,
        "within_factor_two": near,
    }


def _verdict(event: ObservedEvent, fit: KindFit, low: float, high: float) -> str:
    """Where an event stands in the interval of the others. One without any loss fits where that has some probability."""
    if event.gross == 0:
        return INSIDE if fit.no_loss is not None and fit.no_loss.central >= (1 - LEVEL) / 2 else OUTSIDE
    if event.gross > high:
        return OUTSIDE
    if event.gross >= low:
        return INSIDE
    return OPEN if event.running else OUTSIDE
