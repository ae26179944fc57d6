"""A solved plan as it is stored: question, outcome, decisions, tables and figures. Its words come from above (`result`)."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from ..audit.audit import Audit, Residual
from ..audit.figures import Figures
from ..core.errors import Outcome, missing_part
from ..core.frames import Fixed, Frames, plainly
from ..matrix.named import IndexNames, Label
from ..matrix.problem import structure_of
from ..matrix.solution import Solution
from ..model.catalogue import COMPONENTS
from ..question.dataset import Dataset
from ..question.plan import Plan

# Decisions of a plan as labelled arrays: every axis with its names, every array with its unit.
AXES: Mapping[str, tuple[str, ...]] = {
    "sign": ("option",),
    "contract": ("offtake_contract",),
    "floor": ("market_floor",),
    "carry": ("year",),
    "unspent": ("year",),
    **dict.fromkeys(("output", "reserve_output", "clean_output"), ("course", "producer", "period")),
    "acquisition": ("course", "offer", "period"),
    **dict.fromkeys(("release", "disposal", "stock", "sent", "received", "surplus"), ("course", "material", "period")),
    "substitute": ("course", "step", "period"),
    "shortfall": ("course", "tier", "period"),
    "excess": ("course", "rule", "period"),
    **dict.fromkeys(("users_pull", "users_refill", "users_missing"), ("course", "users_stock", "period")),
    "shared_money": ("scenario", "component", "year"),
    "short_of_promise": ("scenario", "service_level", "year_or_episode"),
}
"""Array of `Solution` -> its axes."""
PARTS = {
    "option": ("project", "package", "date"),
    "offtake_contract": ("producer", "start"),
    "step": ("material", "segment", "number"),
    "tier": ("material", "segment", "number"),
    "rule": ("material", "group", "number"),
    "users_stock": ("material", "segment"),
    "service_level": ("material", "segment", "number"),
}
"""Axis -> what its names consist of; each is a coordinate of its own."""
ROUNDING = 1e-9
"""Tonnes, shares or million USD that count as 0."""
MEANING = {c.name: (c.text, c.unit) for c in COMPONENTS if c.kind == "variable"}
UNITS = {"-": "share", "unit": "t", "unit/period": "t per period"}
"""Unit in the catalogue -> that of an array."""


def labelled(plan: Plan, data: Dataset, solution: Solution, status: str) -> Any:
    """As `Result.to_xarray`."""
    try:
        import xarray as xr
    except ModuleNotFoundError:
        raise missing_part("to_xarray", "xarray", "arrays") from None
    structure, natural = structure_of(plan, data)
    names = IndexNames(structure, natural)
    words = "option market_floor year producer material step tier rule users_stock component service_level".split()
    axes: dict[str, list[Label]] = {word: names.labels(word) for word in words}
    axes["offtake_contract"] = names.labels("contract")
    axes["course"] = [(course,) for course in (names.base, *names.courses)]
    axes["scenario"] = [(course,) for course in names.courses]
    axes["period"] = [(period,) for period in names.periods]
    axes["offer"] = [(name,) for name in solution.purchases]
    axes["year_or_episode"] = [(str(year),) for (year,) in axes["year"]] + [("episode",)]
    arrays = {}
    for name, of in AXES.items():
        values, (text, unit) = getattr(solution, name), MEANING[name]
        values = np.where(np.abs(values) < ROUNDING, 0.0, values)  # without the solver's rounding below nothing
        arrays[name] = (of, values, {"long_name": text, "units": UNITS.get(unit, unit)})
    used = {axis for of, values, _ in arrays.values() if values.size for axis in of}
    coordinates: dict[str, Any] = {}
    for axis in sorted(used):
        labels = axes[axis]
        whole = [label[0] if len(label) == 1 else ", ".join(map(str, label)) for label in labels]
        coordinates[axis] = (axis, np.array(whole, dtype=object) if isinstance(whole[0], str) else np.array(whole))
        for k, part in enumerate(PARTS.get(axis, ())):
            values = [label[k] if k < len(label) else 1 for label in labels]
            coordinates[f"{axis}_{part}"] = (axis, pd.Series(values).to_numpy())
    if "course" in used:
        coordinates["probability"] = ("course", np.append(np.nan, structure.scenarios.probability))
    kept = {name: array for name, array in arrays.items() if array[1].size}
    about = {"plan": plan.name, "status": status, "home": plan.home}
    return xr.Dataset(kept, coords=coordinates, attrs=about)


BY_NAME = ("objective_parts", "reference_parts", "seconds", "counts", "options", "versions")
"""Fields of a result with figures by name."""


@dataclass(frozen=True, eq=False)
class Record(ABC):
    """A solved plan. Values exist only where `outcome` allows them."""

    plan: Plan
    data: Dataset
    outcome: Outcome
    solution: Solution
    reference: Solution
    """The do-nothing reference Z0."""
    tables: Mapping[str, pd.DataFrame]
    """Tidy tables by name, `prices` included."""
    objective_parts: Mapping[str, float]
    """Parts of the social cost [million USD, discounted expectation], recomputed by the audit's evaluator."""
    reference_parts: Mapping[str, float]
    """The same parts of the do-nothing reference."""
    audited: Audit
    seconds: Mapping[str, float]
    """Wall-clock seconds by phase."""
    counts: Mapping[str, int]
    options: Mapping[str, Any]
    versions: Mapping[str, str]

    def __post_init__(self) -> None:
        """What is done to a table that was asked for is done to a copy; figures stay as they were found."""
        object.__setattr__(self, "tables", Frames(self.tables))
        for name in BY_NAME:
            object.__setattr__(self, name, Fixed(getattr(self, name)))

    def __eq__(self, other: object) -> bool:
        """Whether plan, tables of the question, outcome and answer are the same, whatever time it took and wherever."""
        if not isinstance(other, Record):
            return NotImplemented
        mine, theirs = ((each.plan, each.data, each.outcome.objective_musd) for each in (self, other))
        return mine == theirs and self.tables == other.tables

    __hash__ = None  # type: ignore[assignment]

    @property
    def prices(self) -> pd.DataFrame:
        """Shadow prices of the linear program with commitments fixed, in economic sign (see `prices.MEANING`)."""
        return self.tables["prices"]

    def to_xarray(self, *, doing_nothing: bool = False) -> Any:
        """Every decision as an `xarray.Dataset` (extra `arrays`): `stock.sel(course="base", material="gallium")`.

        doing_nothing: the decisions of the do-nothing reference. Axes have names - course (`base`, then the scenarios with their
        `probability`), material, producer, offer, tier, period ... - and what a name consists of is a coordinate too, such as
        `tier_segment`; `units` and `long_name` stand in each array's attributes. Axes without members are left out.

        Raises InputError where xarray is not installed."""
        chosen = self.reference if doing_nothing else self.solution
        return labelled(self.plan, self.data, chosen, self.outcome.reason)

    @property
    def figures(self) -> Figures:
        """Everything that the summary says in numbers, as named records."""
        return Figures.of(self.tables["figures"])

    @property
    def facts(self) -> dict[str, Any]:
        """How it ended and by what means, JSON-ready: outcome, audit_passed, counts, options, versions."""
        entry = {
            "outcome": asdict(self.outcome),
            "audit_passed": self.audited.passed,
            "counts": self.counts,
            "options": self.options,
            "versions": self.versions,
        }
        return dict(plainly(entry))

    def stated(self) -> dict[str, Any]:
        """JSON-ready, what a manifest states beside question, decisions and tables; `restored` takes it back."""
        return {
            "outcome": asdict(self.outcome),
            "seconds": dict(self.seconds),
            "counts": dict(self.counts),
            "audit": asdict(self.audited),
            "objective_parts": dict(self.objective_parts),
            "reference_parts": dict(self.reference_parts),
            "options": dict(self.options),
            "versions": dict(self.versions),
        }

    @abstractmethod
    def summary(self, *, full: bool = False) -> str:
        """The answer in plain words. full: with all that it rests on."""


R = TypeVar("R", bound=Record)


def restored(
    kind: type[R],
    plan: Plan,
    data: Dataset,
    solution: Solution,
    reference: Solution,
    tables: Mapping[str, pd.DataFrame],
    stated: Mapping[str, Any],
) -> R:
    """A record from its stored parts; `stated` holds outcome, audit, parts, seconds, counts, options and versions."""
    outcome, audited = stated["outcome"], stated["audit"]
    return kind(
        plan,
        data,
        Outcome(**{**outcome, "stages": tuple(tuple(stage) for stage in outcome["stages"])}),
        solution,
        reference,
        tables,
        audited=Audit(**{**audited, "residuals": tuple(Residual(**r) for r in audited["residuals"])}),
        **{name: stated[name] for name in BY_NAME},
    )
