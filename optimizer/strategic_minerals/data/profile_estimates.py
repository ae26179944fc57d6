"""What observed losses say of a disruption yet to come: functions that notes of tables name, beside those of `estimates`.

Sources: the rows of `observed_profiles`. The spread of a new event around the events observed is taken by the method of moments
on log ratios: with three to five events of a kind a fuller likelihood would rest on its form alone, and logs make a cut twice as
deep count as much as one half as deep.
"""

from __future__ import annotations

import math
from statistics import NormalDist, fmean

from scipy.stats import beta

from .calibration import LEVEL
from .estimates import Estimate, hazard_rate

NORMAL_POINT = NormalDist().inv_cdf((1 + LEVEL) / 2)
"""Standard deviations from the median to the 95 % point."""


def clipped(share: float) -> float:
    """A share of supply that can be lost: between 0 and 1."""
    return min(max(share, 0.0), 1.0)


def observed_loss(normal: float, observed: float, observed_low: float, observed_high: float) -> Estimate:
    """Share lost of a normal flow, of which what was observed lies within a range; same unit for all four."""
    return Estimate(1 - observed_high / normal, 1 - observed / normal, 1 - observed_low / normal)


def loss_of_normal(observed: float, normal: float, normal_low: float, normal_high: float) -> Estimate:
    """Share lost of a normal flow that itself lies within a range; same unit for all four."""
    return Estimate(1 - observed / normal_low, 1 - observed / normal, 1 - observed / normal_high)


def profile_share(loss: float, low: float | None = None, high: float | None = None) -> Estimate:
    """Cut of a profile: an observed share of loss, flows above normal being no cut; its range where one is given."""
    return Estimate(*(clipped(loss if value is None else value) for value in (low, loss, high)))


def quoted_multiple(base: float, first: float, last: float | None = None) -> Estimate:
    """Multiple of a price from one quote to the next (or of one quote), against the quote before the event; same unit for all.

    The mean of the two, each of which may have held throughout; a price that fell counts as unchanged, for a control is no glut.
    """
    ends = [first, first if last is None else last]
    return Estimate(*(max(1.0, price / base) for price in (min(ends), fmean(ends), max(ends))))


def log_spread(*observed: float) -> float:
    """Standard deviation of the log ratio of a new event to the geometric mean of n observed ones: s*sqrt(1 + 1/n), s with n - 1
    in its denominator. The second part is the error of the mean; 0 for equal values. Raises ValueError for fewer than two."""
    logs = [math.log(value) for value in observed]
    if len(logs) < 2:
        raise ValueError("a spread needs two events or more")
    centre = fmean(logs)
    return math.sqrt(sum((each - centre) ** 2 for each in logs) / (len(logs) - 1) * (1 + 1 / len(logs)))


def spread_low(*observed: float) -> Estimate:
    """5 % point of a lognormal factor with median 1 that takes the geometric mean of observed events to a new one."""
    point = math.exp(-NORMAL_POINT * log_spread(*observed))
    return Estimate(point, point, point)


def spread_high(*observed: float) -> Estimate:
    """95 % point of the factor of `spread_low`."""
    point = math.exp(NORMAL_POINT * log_spread(*observed))
    return Estimate(point, point, point)


def no_loss(without: float, events: float) -> Estimate:
    """Probability that an event has no effective loss, after `events` of which `without` had none (an event that hit several
    materials counts once, with the share of them that lost nothing): Beta(k + 1/2, n - k + 1/2), mean and 5 to 95 %."""
    a, b, tail = without + 0.5, events - without + 0.5, (1 - LEVEL) / 2
    return Estimate(float(beta.ppf(tail, a, b)), a / (a + b), float(beta.ppf(1 - tail, a, b)))


def escalation(followed: float, controls: float) -> Estimate:
    """Probability that a control brings on one with a wider list, after `controls` of which so many were followed by one that took
    effect: Beta(k + 1/2, n - k + 1/2), mean and 5 to 95 %."""
    return no_loss(followed, controls)


def rate_apart(events: float, years: float, rate_before: float, brought_on: float) -> Estimate:
    """Onsets a year that nothing brings on: of `hazard_rate`, less those that follow another hazard; at least a twelfth of all.

    So the hazard strikes as often as the record says, but mostly after the other. rate_before: of the other hazard [1/yr].
    brought_on: probability that one of its events brings this one on. High: none is brought on.
    """
    every = hazard_rate(events, years)
    central = max(every.central / 12, every.central - rate_before * brought_on)
    return Estimate(min(every.low, central), central, every.high)
