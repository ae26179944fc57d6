"""What a sweep file (TOML) says: which figures are varied, how, and with which options.

kind = "grid"                       # every combination of the values of [axes]
[axes]
"budget.appropriation_musd" = [200, 400, 800]

kind = "one_at_a_time"              # tornado; latin_hypercube and sobol take the same ranges
estimates = 20                      # the widest estimates of the tables at their own low and high ...
[ranges]
discount_rate = [0.02, 0.05]        # ... and what else is to be varied"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from ..answer.study import Study
from ..core.errors import Fault, MisplacedError, PlanError
from ..core.runner import HERE, Runner
from ..core.verb import GAP, FromFile, Gap, Seed, verb
from ..question.base import Section
from ..question.dataset import Dataset
from ..question.plan import Plan
from ..question.read_toml import PlanText, read_as
from ..solver.stages import Method
from .designs import Design, estimate_ranges, latin_hypercube, one_at_a_time, sobol
from .sweep import SWEEP, points_of, sweep

Plain = bool | int | float | str
Entry = dict[str, Plain | list[Plain]]
"""An entry of a list of the plan, such as a floor's menu."""
Value = Plain | list[Plain] | list[Entry]

READS = {
    "grid": "axes",
    "points": "points",
    "one_at_a_time": "ranges estimates",
    "latin_hypercube": "ranges estimates samples seed",
    "sobol": "ranges estimates samples seed",
}
"""Kind -> fields that it reads."""


class SweepFile(Section):
    """A sensitivity study."""

    kind: Literal["grid", "points", "one_at_a_time", "latin_hypercube", "sobol"]
    axes: dict[str, list[Value]] = Field(default_factory=dict)
    """`grid`: values by address."""
    points: list[dict[str, Value]] = Field(default_factory=list)
    """`points`: one table a point, values by address."""
    ranges: dict[str, Annotated[list[float], Field(min_length=2, max_length=2)]] = Field(default_factory=dict)
    """`one_at_a_time`, `latin_hypercube`, `sobol`: low and high by address."""
    estimates: Annotated[int, Field(ge=0, le=1000)] = 0
    """The same: how many of the widest estimates are varied within their own ranges."""
    samples: Annotated[int, Field(ge=2, le=65_536)] = 64
    """`latin_hypercube`: points in all; `sobol`: blocks of points, a power of two."""
    seed: Seed = 1
    gap: Gap = GAP
    relax: bool = False
    method: Method = "auto"

    _place: PlanText | None = PrivateAttr(None)

    @property
    def place(self) -> PlanText | None:
        """Its place, if it was read from a file."""
        return self._place

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """A file, which knows its lines. Raises PlanError with file and line of each fault."""
        found, place = read_as(cls, Path(path), wanted="a sweep file")
        found._place = place
        return found

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        """Refuse fields that the kind does not read."""
        reads = set(READS[self.kind].split())
        options = {"kind", "gap", "relax", "method"}
        places = [
            (name, "given", f"nothing: kind '{self.kind}' reads {', '.join(sorted(reads)) or 'nothing of the kind'}")
            for name in sorted(self.model_fields_set - options - reads)
        ]
        if places:
            raise MisplacedError(*places)
        return self

    def design(self, plan: Plan, data: Dataset) -> Design:
        """The points that it asks for. Raises PlanError where it asks for none, InputError where SALib is missing."""
        if self.kind in ("grid", "points"):
            asked = points_of(self.points if self.kind == "points" else self.axes, READS[self.kind])
            if not asked:
                raise PlanError([Fault(SWEEP, "", READS[self.kind], "none", "at least one point")])
            return Design("points", tuple(asked), {})
        stated = {at: (low, high) for at, (low, high) in self.ranges.items()}
        ranges = estimate_ranges(plan, data, self.estimates) | stated
        if self.kind == "one_at_a_time":
            return one_at_a_time(ranges)
        if self.kind == "latin_hypercube":
            return latin_hypercube(ranges, self.samples, seed=self.seed)
        return sobol(ranges, samples=self.samples, seed=self.seed)


@verb
def sweep_study(
    plan: Plan,
    data: Dataset,
    study: Annotated[
        SweepFile,
        FromFile(SweepFile.read),
        Field(description="Sweep file (TOML): the kind of study, and its axes, ranges or points."),
    ],
    *,
    run: Runner = HERE,
) -> Study:
    """Solve a plan for many values of its inputs: grid, tornado, Latin hypercube or Sobol.

    As `sweep`, with the points and options that a sweep file states."""
    try:
        design = study.design(plan, data)
        options = study.model_dump(include={"gap", "relax", "method"})
        return sweep(plan, data, design, **options, run=run)
    except PlanError as error:
        raise located(study.place, error) from None


def located(place: PlanText | None, error: PlanError) -> PlanError:
    """Faults of the points of a sweep that was read from a file with its name and the line of the address; others as they are."""
    if place is None:
        return error
    return PlanError([_located(place, fault) if fault.file in (SWEEP, "axis") else fault for fault in error.faults])


def _located(place: PlanText, fault: Fault) -> Fault:
    """A fault with the line of its address among axes, ranges or points, or of its field."""
    number = fault.row.removeprefix("point ")
    parts = fault.column.split(".")
    for n in range(len(parts), 0, -1):
        for of in ("axes.", "ranges.", f"points.{number}.", ""):
            at = f"{of}{'.'.join(parts[:n])}"
            for field, line in place.lines.items():
                if field.rstrip(' *"') == at or field.startswith(f"{at}."):
                    return replace(fault, file=place.name, row=str(line))
    return replace(fault, file=place.name, row=fault.row)
