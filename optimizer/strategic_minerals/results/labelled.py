"""Decisions of a plan as labelled arrays: every axis with its names, every array with its unit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..core.arrays import Floats
from ..core.errors import missing_part
from ..data.dataset import Dataset
from ..formulation.catalogue import COMPONENTS
from ..model.index_names import IndexNames, Label
from ..model.problem import structure_of
from ..model.solution import Solution
from ..schemas.plan import Plan

AXES = {
    "sign": ("option",),
    "contract": ("offtake_contract",),
    "floor": ("market_floor",),
    "carry": ("year",),
    "unspent": ("year",),
    "output": ("course", "producer", "period"),
    "reserve_output": ("course", "producer", "period"),
    "clean_output": ("course", "producer", "period"),
    "acquisition": ("course", "offer", "period"),
    "release": ("course", "material", "period"),
    "disposal": ("course", "material", "period"),
    "stock": ("course", "material", "period"),
    "sent": ("course", "material", "period"),
    "received": ("course", "material", "period"),
    "surplus": ("course", "material", "period"),
    "substitute": ("course", "step", "period"),
    "shortfall": ("course", "tier", "period"),
    "excess": ("course", "rule", "period"),
    "users_pull": ("course", "users_stock", "period"),
    "users_refill": ("course", "users_stock", "period"),
    "users_missing": ("course", "users_stock", "period"),
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
"""Tonnes, shares or million USD that are none."""
TOLD = {c.name: (c.text, c.unit) for c in COMPONENTS if c.kind == "variable"}


def labelled(plan: Plan, data: Dataset, solution: Solution, status: str) -> Any:
    """As `Result.to_xarray`."""
    try:
        import xarray as xr
    except ModuleNotFoundError:
        raise missing_part("to_xarray", "xarray", "arrays") from None
    structure, natural = structure_of(plan, data)
    names = IndexNames(structure, natural)
    axes: dict[str, list[Label]] = {
        word: names.labels(word)
        for word in ("option", "market_floor", "year", "producer", "material", "step", "tier", "rule", "users_stock")
    }
    axes |= {word: names.labels(word) for word in ("component", "service_level")}
    axes["offtake_contract"] = names.labels("contract")
    axes["course"] = [(course,) for course in (names.base, *names.courses)]
    axes["scenario"] = [(course,) for course in names.courses]
    axes["period"] = [(period,) for period in names.periods]
    axes["offer"] = [(name,) for name in solution.purchases]
    axes["year_or_episode"] = [(str(year),) for (year,) in axes["year"]] + [("episode",)]
    arrays = {name: (of, _plainly(getattr(solution, name)), _told(name)) for name, of in AXES.items()}
    used = {axis for of, values, _ in arrays.values() if values.size for axis in of}
    coordinates: dict[str, Any] = {}
    for axis in sorted(used):
        labels = axes[axis]
        whole = [label[0] if len(label) == 1 else ", ".join(map(str, label)) for label in labels]
        coordinates[axis] = (axis, np.array(whole, dtype=object) if isinstance(whole[0], str) else np.array(whole))
        for k, part in enumerate(PARTS.get(axis, ())):
            values = [label[k] if k < len(label) else 1 for label in labels]
            coordinates[f"{axis}_{part}"] = (axis, pd.Series(values).to_numpy())
    probability = np.append(np.nan, structure.scenarios.probability)
    if "course" in used:
        coordinates["probability"] = ("course", probability)
    kept = {name: array for name, array in arrays.items() if array[1].size}
    about = {"plan": plan.name, "status": status, "home": plan.home}
    return xr.Dataset(kept, coords=coordinates, attrs=about)


def _plainly(values: Floats) -> Floats:
    """Values without the solver's rounding below nothing."""
    return np.where(np.abs(values) < ROUNDING, 0.0, values)


def _told(name: str) -> dict[str, str]:
    """What an array is, and its unit."""
    text, unit = TOLD[name]
    return {"long_name": text, "units": {"-": "share", "unit": "t", "unit/period": "t per period"}.get(unit, unit)}
