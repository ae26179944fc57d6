"""Which points a sensitivity study asks for, and what their answers say.

Grids; each figure at its low and high end alone (tornado); Latin hypercubes (McKay, Beckman and Conover 1979); variance-based
indices (Sobol 2001; Saltelli et al. 2010) by SALib. No estimator gets a run that failed: its block is left out, and the study
states the share left out."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Annotated, Any, Literal, get_args

import numpy as np
import pandas as pd
from pydantic import Field
from scipy.stats import qmc

from ..answer.notes import provenance
from ..core.errors import Fault, InputError, PlanError, shown
from ..core.formats import digits
from ..core.frames import Floats, rows_of
from ..question.dataset import Dataset
from ..question.plan import Plan

Kind = Literal["points", "one_at_a_time", "latin_hypercube", "sobol"]
Ranges = Mapping[str, tuple[float, float]]
MOST_POINTS = 100_000
"""Of a design, as `sweep` takes them; counted before any is drawn."""
CONFIDENCE = 0.95
YEAR_DIGITS = 4
TORNADO = ["address", "low", "high", "at_low", "at_base", "at_high", "swing"]
"""Columns of the indices of `one_at_a_time`."""
INDICES = {"first": "S1", "first_conf": "S1_conf", "total": "ST", "total_conf": "ST_conf"}
"""Column of the indices of `sobol` -> its name in SALib."""


@dataclass(frozen=True)
class Design:
    """Points to be solved, and how their answers are to be read."""

    kind: Kind
    points: tuple[dict[str, Any], ...]
    """Values by address (`question.names`), as `sweep` takes them."""
    ranges: Ranges
    """Address -> (low, high); empty for plain points."""
    seed: int = 1

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise PlanError([Fault("sweep", "", "kind", shown(self.kind), f"one of {', '.join(get_args(Kind))}")])

    @property
    def block(self) -> int:
        """Points that an estimate uses together or not at all."""
        return len(self.ranges) + 2 if self.kind == "sobol" else 1

    @property
    def has_indices(self) -> bool:
        """Whether `indices` can be read off its answers."""
        return self.kind in ("one_at_a_time", "sobol")


def in_figures(address: str, value: Any) -> str:
    """A value of a figure for a reader: with four digits, years in full."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.7g}" if address.endswith("_year") else digits(value, 4)


def one_at_a_time(ranges: Ranges) -> Design:
    """The unchanged question, then each figure at its low and its high end alone (tornado).

    ranges: address -> (low, high), in the unit of the figure at that address.

    Raises PlanError where there is no range, or one whose ends are not two numbers in order, and above 100,000 points."""
    _checked(ranges)
    bounded("ranges", 1 + 2 * len(ranges))
    ends = [{address: value} for address, pair in ranges.items() for value in pair]
    return Design("one_at_a_time", ({}, *ends), ranges)


def estimate_ranges(
    plan: Plan, data: Dataset, most: Annotated[int, Field(ge=0)] = 20
) -> dict[str, tuple[float, float]]:
    """Ranges of the widest estimates that a plan reads, as the tables state them, by address.

    most: how many at most, the widest relative to its value first. A series over years moves as its widest year.

    Raises nothing for a plan and tables that could be read."""
    found: dict[str, tuple[float, float]] = {}
    for row in rows_of(provenance(plan, data).widest):
        if len(found) == most:
            break
        series, _, last = row.key.rpartition("/")
        if series and last.isdigit() and len(last) == YEAR_DIGITS:
            address = f"{row.table}[{series}/*].{row.column} *"
            found.setdefault(address, (float(row.low / row.value), float(row.high / row.value)))
        else:
            found[f"{row.table}[{row.key}].{row.column}"] = (float(row.low), float(row.high))
    return found


def latin_hypercube(ranges: Ranges, n: int = 100, *, seed: int = 1) -> Design:
    """Points spread over all figures at once: of n equal parts of each range, every one holds one point (Latin hypercube).

    ranges: as in `one_at_a_time`. n: points, two or more, whatever the number of figures. seed: of the draw. Within its part a
    point lies anywhere; the parts of different figures are matched at random.

    Raises PlanError as `one_at_a_time`, for fewer than two points, and for a seed below zero."""
    _checked(ranges, seed)
    if not _whole(n, 2):
        raise PlanError([Fault("sweep", "", "samples", shown(n), "a whole number, two or more")])
    bounded("samples", n)
    low, high = np.array(list(ranges.values()), dtype=float).T
    shares = qmc.LatinHypercube(len(ranges), rng=np.random.default_rng(seed)).random(n)
    return Design("latin_hypercube", _named(ranges, low + shares * (high - low)), ranges, seed=seed)


def sobol(ranges: Ranges, *, samples: int = 64, seed: int = 1) -> Design:
    """Saltelli's extension of a Sobol sequence, for variance-based indices.

    ranges: as in `one_at_a_time`. samples: a power of two; each costs a block of points, two more than there are figures. seed:
    of the sequence.

    Raises PlanError as `latin_hypercube` and for samples that are no power of two, InputError where SALib is not installed."""
    _checked(ranges, seed)
    if not _whole(samples, 2) or samples & (samples - 1):
        raise PlanError([Fault("sweep", "", "samples", shown(samples), "a power of two")])
    bounded("samples", samples * (len(ranges) + 2))
    points = _salib("sample.sobol").sample(_problem(ranges), samples, calc_second_order=False, seed=seed)
    return Design("sobol", _named(ranges, points), ranges, seed=seed)


def left_out(design: Design, points: pd.DataFrame, output: str) -> float:
    """Share of points that an estimate of an output does without, because a run of their block failed."""
    return 1.0 - float(_usable(design, points, output).mean())


def indices(design: Design, points: pd.DataFrame, output: str = "objective_musd") -> pd.DataFrame:
    """What each figure does to an output, the largest first; numbers are NaN where too few runs are left.

    design: one of `one_at_a_time` or `sobol`. points: one row a point of the design, in its order, with the
    output as a column, such as `Sweep.points`. output: that column, in its own unit; by default the plan's aim against
    doing nothing. Columns: for one_at_a_time address, low, high, at_low, at_base, at_high, swing; for sobol address, first (S1),
    total (ST), each with the 95 % half-width.

    Raises ValueError for a design of another kind and for another number of points, KeyError for an output without a column."""
    if design.kind == "one_at_a_time":
        found, by = _tornado(design, points[output].to_numpy(dtype=float)), "swing"
    elif design.kind == "sobol":
        found, by = _sobol_indices(design, points, output), "total"
    else:
        raise ValueError(f"no indices from a design of kind {design.kind}")
    return found.sort_values(by, ascending=False, kind="stable", ignore_index=True, na_position="last")


def _tornado(design: Design, y: Floats) -> pd.DataFrame:
    rows = [
        (address, low, high, y[1 + 2 * k], y[0], y[2 + 2 * k], float(np.ptp([y[0], y[1 + 2 * k], y[2 + 2 * k]])))
        for k, (address, (low, high)) in enumerate(design.ranges.items())
    ]
    return pd.DataFrame(rows, columns=TORNADO)


def _sobol_indices(design: Design, points: pd.DataFrame, output: str) -> pd.DataFrame:
    """Indices of SALib; NaN where fewer than two blocks are left, or where the output does not vary."""
    usable = _usable(design, points, output)
    y = points[output].to_numpy(dtype=float)[usable]
    if usable.sum() < 2 * design.block or np.ptp(y) == 0:
        found: Mapping[str, Any] = dict.fromkeys(INDICES.values(), np.full(len(design.ranges), math.nan))
    else:
        found = _salib("analyze.sobol").analyze(
            _problem(design.ranges), y, calc_second_order=False, seed=design.seed, conf_level=CONFIDENCE
        )
    columns = {name: np.asarray(found[key], dtype=float) for name, key in INDICES.items()}
    return pd.DataFrame({"address": list(design.ranges), **columns})


def _usable(design: Design, points: pd.DataFrame, output: str) -> Any:
    """(points,) whether no run of a point's block failed."""
    if len(points) != len(design.points):
        raise ValueError(f"{len(points)} answers for a design of {len(design.points)} points")
    failed = points[output].isna().to_numpy(dtype=bool).reshape(-1, design.block).any(axis=1)
    return np.repeat(~failed, design.block)


def _named(ranges: Ranges, points: Any) -> tuple[dict[str, Any], ...]:
    return tuple(dict(zip(ranges, map(float, point), strict=True)) for point in points)


def _problem(ranges: Ranges) -> dict[str, Any]:
    return {"num_vars": len(ranges), "names": list(ranges), "bounds": [list(pair) for pair in ranges.values()]}


def _checked(ranges: Ranges, seed: int = 1) -> None:
    """Raises PlanError where a range or the seed is not valid."""
    faults = [
        Fault("sweep", "", address, shown(pair), "two numbers, the smaller one first")
        for address, pair in ranges.items()
        if not _rises(pair)
    ]
    if not ranges:
        faults.append(Fault("sweep", "", "ranges", "none", "at least one figure with a low and a high value"))
    if not _whole(seed, 0):
        faults.append(Fault("sweep", "", "seed", shown(seed), "a whole number, zero or more"))
    if faults:
        raise PlanError(faults)


def _rises(pair: Any) -> bool:
    """Whether a range is two numbers, the smaller one first."""
    try:
        low, high = pair
        return isinstance(low, Real) and isinstance(high, Real) and -math.inf < float(low) < float(high) < math.inf
    except (TypeError, ValueError, OverflowError):  # no pair, or more digits than a number holds
        return False


def _whole(value: Any, least: int) -> bool:
    """Whether a value is a whole number, of Python or of numpy, and so large at least."""
    return isinstance(value, Integral) and int(value) >= least


def bounded(field: str, points: int) -> None:
    """Raises PlanError for more points than a sweep solves."""
    if points > MOST_POINTS:
        raise PlanError([Fault("sweep", "", field, f"{points:,} points", f"at most {MOST_POINTS:,}")])


def _salib(module: str) -> Any:
    """A module of SALib, which is an optional extra."""
    from importlib import import_module

    try:
        return import_module(f"SALib.{module}")
    except ImportError:
        expected = "SALib: pip install 'strategic-minerals[sensitivity]'"
        raise InputError([Fault("sweep", "", "kind", "SALib is not installed", expected)]) from None
