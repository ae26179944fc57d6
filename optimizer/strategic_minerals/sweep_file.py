"""What a sweep file (TOML) says: which figures are varied, how, and with which options.

    kind = "grid"                       # every combination of the values of [axes]
    [axes]
    "budget.appropriation_musd" = [200, 400, 800]

    kind = "one_at_a_time"              # tornado; morris and sobol take the same ranges
    estimates = 20                      # the widest estimates of the tables at their own low and high ...
    [ranges]
    discount_rate = [0.02, 0.05]        # ... and what else is to be varied

    kind = "loss_functions"             # the plan under every named loss function
"""

from __future__ import annotations

import math
from itertools import product
from typing import Annotated, Any, Literal

from pydantic import Field

from .dataset import Dataset
from .designs import Design, estimate_ranges, loss_functions, morris, one_at_a_time, sobol
from .errors import Fault, PlanError
from .plan import Plan, Section
from .sweeps import MOST_POINTS

Value = bool | int | float | str


class SweepFile(Section):
    """A sensitivity study."""

    kind: Literal["grid", "points", "one_at_a_time", "morris", "sobol", "loss_functions"]
    axes: dict[str, list[Value]] = Field(default_factory=dict)
    """`grid`: values by address."""
    points: list[dict[str, Value]] = Field(default_factory=list)
    """`points`: one table a point, values by address."""
    ranges: dict[str, Annotated[list[float], Field(min_length=2, max_length=2)]] = Field(default_factory=dict)
    """`one_at_a_time`, `morris`, `sobol`: low and high by address."""
    estimates: Annotated[int, Field(ge=0, le=1000)] = 0
    """The same: how many of the widest estimates are varied within their own ranges."""
    trajectories: Annotated[int, Field(ge=2, le=10_000)] = 10
    levels: Annotated[int, Field(ge=4, le=20, multiple_of=2)] = 4
    samples: Annotated[int, Field(ge=2, le=65_536)] = 64
    second_order: bool = False
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    gap: Annotated[float, Field(ge=0, lt=1)] = 1e-3
    relax: bool = False
    method: Literal["auto", "flat", "decomposed"] = "auto"
    time_limit_s: Annotated[float, Field(gt=0, le=1e9)] = 3600.0

    def design(self, plan: Plan, data: Dataset) -> Design:
        """The points that it asks for. Raises PlanError where it asks for none, InputError where SALib is missing."""
        if self.kind == "loss_functions":
            return loss_functions(plan, data)
        if self.kind in ("grid", "points"):
            asked: list[dict[str, Any]] = list(self.points)
            size = math.prod(len(values) for values in self.axes.values())
            if size > MOST_POINTS:
                raise PlanError([Fault("sweep", "", "axes", f"{size:,} combinations", f"at most {MOST_POINTS:,}")])
            if self.kind == "grid" and self.axes:
                asked = [dict(zip(self.axes, values, strict=True)) for values in product(*self.axes.values())]
            if not asked:
                raise PlanError([Fault("sweep", "", {"grid": "axes"}.get(self.kind, "points"), "none", "at least one point")])
            return Design("points", tuple(asked), {})
        ranges = {**estimate_ranges(plan, data, self.estimates), **{at: (pair[0], pair[1]) for at, pair in self.ranges.items()}}
        if self.kind == "one_at_a_time":
            return one_at_a_time(ranges)
        if self.kind == "morris":
            return morris(ranges, trajectories=self.trajectories, levels=self.levels, seed=self.seed)
        return sobol(ranges, samples=self.samples, second_order=self.second_order, seed=self.seed)
