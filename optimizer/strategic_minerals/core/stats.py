"""Units, sums in print that add up, seconds by phase, estimates with intervals."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from scipy.special import stdtrit

from .logs import logger_of


def rounded_to_add_up(total: float, parts: Sequence[float], digits: int) -> tuple[float, ...] | None:
    """The parts of a sum, rounded, so that they add up to the total as it is rounded.

    Rounded by themselves, parts may miss the total by some units of the last digit; these go one each to the parts after the first
    that are nearest to the next figure: the first one, which is shown elsewhere too, keeps its own where others can give way.

    total, parts: in one unit. digits: after the decimal point. None where the parts are not those of the total: more would have
    to be moved than rounding explains."""
    unit = 10.0**-digits
    scaled = [part / unit for part in parts]
    whole = [round(value) for value in scaled]
    missing = round(total / unit) - sum(whole)
    if 2 * abs(missing) > len(parts) + 1:
        return None
    step = 1 if missing > 0 else -1
    order = sorted(range(len(parts)), key=lambda k: (k == 0, step * (whole[k] - scaled[k])))
    for k in order[: abs(missing)]:
        whole[k] += step
    return tuple(round(value * unit, digits) + 0.0 for value in whole)


# Unit conversions in one place: tables use USD/kg and tonnes, the model USD/t, results million USD.
MONTHS_PER_YEAR = 12.0
DAYS_PER_YEAR = 365.0
"""Of a stock: days of cover count calendar days of a common year, as statutes on stocks do."""
MEAN_DAYS_PER_YEAR = 365.25
"""Of observed spans between dates, leap years included."""
KG_PER_T = 1000.0
USD_PER_MUSD = 1e6
LEAST_TIME_LIMIT_S = 1.0
"""Least limit of a solve [s]: so much it has however late it begins."""
LARGEST_NUMBER = 1e12
"""Numbers at or above this are refused in every file: HiGHS treats 1e20 as infinity, and no tonnage,
price or budget of a mineral comes near it."""
MUSD_PER_T = KG_PER_T / USD_PER_MUSD
"""Million USD per tonne that one USD/kg is."""
NINE_OF_TEN = (0.05, 0.95)
"""Shares of futures, or of draws, between which nine of ten lie."""
TRACE_T = 1e-3
"""Tonnes below which nothing is bought, missing or shown: a kilogram."""
SMALL_T = 1e-6
"""Tonnes below this are the solver's rounding and are not shown as actions."""


# Words that are written in tables and looked for there.
BASELINE_COURSE = "baseline course"
"""What the course without any disruption is called where scenarios are named."""


# Where a solve spends time: wall-clock seconds by phase.
LOG = logger_of(__name__)
TOTAL = "total"


class Ran(Protocol):
    """What is reported of a solver's run."""

    @property
    def seconds(self) -> float: ...

    @property
    def iterations(self) -> int: ...


AnyRun = TypeVar("AnyRun", bound=Ran)


@dataclass
class Timings:
    """Wall-clock seconds by phase, in the order in which phases began."""

    phases: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def measure(self, phase: str) -> Iterator[None]:
        """Add the time inside to a phase."""
        LOG.debug("%s begins", phase)
        start = time.perf_counter()
        self.phases.setdefault(phase, 0.0)
        try:
            yield
        finally:
            seconds = time.perf_counter() - start
            self.phases[phase] += seconds
            LOG.info("%s: %.3f s", phase, seconds)

    def ran(self, phase: str, run: AnyRun) -> AnyRun:
        """Log a solver's run within a phase; the run itself."""
        LOG.debug("%s: HiGHS ran %.3f s, %d simplex iterations", phase, run.seconds, run.iterations)
        return run


# What independent samples say of one plan: how far it can be from the best, and what it is worth, with confidence.
class Estimate(NamedTuple):
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
    """Mean and Student's two-sided interval of independent figures. plans: of how many these very samples chose it (Bonferroni)."""
    mean, error, count = _moments(values)
    if count < 2:
        return Estimate(mean, error, -np.inf, np.inf)
    half = float(stdtrit(count - 1, 1 - (1 - confidence) / (2 * plans))) * error
    return Estimate(mean, error, mean - half, mean + half)


def gap_bound(gaps: Sequence[float], confidence: float, plans: int = 1) -> GapBound:
    """Upper limit of a plan's true gap from its gaps in independent samples.

    gap[k] = f_k(x) - bound_k, the cost of the plan less what every plan costs at least in the same sample; its mean is no less than
    the true gap in expectation (Mak, Morton and Wood 1999).   upper = mean + t[K-1, 1-(1-confidence)/plans] s / sqrt(K)
    plans: of how many the one was chosen by these very samples."""
    mean, error, count = _moments(gaps)
    if count < 2:
        return GapBound(mean, error, np.inf)
    return GapBound(mean, error, mean + float(stdtrit(count - 1, 1 - (1 - confidence) / plans)) * error)


def _moments(values: Sequence[float]) -> tuple[float, float, int]:
    """(mean, its standard error, how many)."""
    found = np.asarray(values, dtype=float)
    count = len(found)
    error = float(found.std(ddof=1)) / count**0.5 if count > 1 else float("nan")
    return float(found.mean()), error, count


# Bisection: brackets between a value at which something fails and one at which it holds, halved until they are narrow enough.
def bracket(
    holds: Callable[[float], bool],
    fails_at: float,
    holds_at: float,
    *,
    halvings: int | None = None,
    narrow: Callable[[float, float], bool] | None = None,
) -> tuple[float, float]:
    """(value at which `holds` is false, value at which it is true), after so many halvings or as soon as `narrow` accepts the pair.

    The two ends may come in either order, and `holds` is not asked at them. One of `halvings` and `narrow` has to be given.
    """
    assert (halvings is None) != (narrow is None)
    done = 0
    while done < halvings if halvings is not None else not (narrow and narrow(fails_at, holds_at)):
        middle = (fails_at + holds_at) / 2
        fails_at, holds_at = (fails_at, middle) if holds(middle) else (middle, holds_at)
        done += 1
    return fails_at, holds_at


def brackets(
    holds: Callable[[list[float]], Sequence[bool]], pairs: Sequence[tuple[float, float]], halvings: int
) -> list[tuple[float, float]]:
    """As `bracket`, for many pairs at once: each round asks for all their middles together."""
    found = list(pairs)
    for _ in range(halvings):
        middles = [(fails_at + holds_at) / 2 for fails_at, holds_at in found]
        answers = zip(found, middles, holds(middles), strict=True)
        found = [(pair[0], middle) if held else (middle, pair[1]) for pair, middle, held in answers]
    return found


def midpoints(known: Sequence[float], differ: Callable[[float, float], bool], width: float) -> list[float]:
    """The values half-way between neighbours that differ and lie more than `width` from each other: what to try next."""
    return [(a + b) / 2 for a, b in pairwise(sorted(known)) if b - a > width and differ(a, b)]
