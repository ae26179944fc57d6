"""The search for boxes: one after the other on the rows searched, each held against the rows held out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..core.arrays import Bools, Floats
from .discovery_rows import OWN
from .discovery_words import Column, InputWords
from .prim import LUCK, FoundBox, Limits, Measure, Step, chance, find_box, quasi_p

LEAST_FURTHER = 0.1
"""Share of all failures that a box after the first one covers at least."""


@dataclass(frozen=True, eq=False)
class Search:
    """Rows, split, and what they are called."""

    columns: list[Column]
    values: Floats
    failed: Bools
    aside: Bools
    """(rows,) held out."""
    words: InputWords
    measure: Measure

    def in_words(self, limits: Limits, order: Sequence[int]) -> str:
        """All limits of a box, those of the columns that say most first."""
        clauses = [
            self.words.clause(self.columns[column], float(limits.low[column]), float(limits.high[column]))
            for column in order
        ]
        return " and ".join(clauses)


Rows = list[dict[str, Any]]


def boxes_of(search: Search, most: int, weights: Floats | None, promised: str) -> tuple[Rows, Rows, Rows, Any]:
    """Rows of boxes, limits and trajectories, and of each row the confirmed box that it lies in, 0 for none."""
    boxes: Rows = []
    limits: Rows = []
    trajectory: Rows = []
    which = np.zeros(len(search.failed), dtype=int)
    for number in range(1, most + 1):
        left = which == 0
        seen = left & ~search.aside
        if not 0 < search.failed[seen].sum() < seen.sum():
            break
        found = find_box(search.values[seen], search.failed[seen], search.measure)
        trajectory += _path(search, number, found, left)
        if not found.limits.ends:
            break
        box = left & found.limits.hold(search.values)
        if number > 1 and search.failed[box & seen].sum() < LEAST_FURTHER * search.failed[~search.aside].sum():
            break
        ends = sorted(_ends(search, number, found.limits, left), key=lambda row: float(row["density_without"]))
        order = list(dict.fromkeys(int(row.pop("column")) for row in ends))
        row = {
            "box": number,
            "promised": promised,
            "fails_when": search.in_words(found.limits, order),
            "limits": len(ends),
        }
        row |= _figures(search, box, left, weights)
        boxes.append(row)
        limits += ends
        if not row["confirmed"]:
            break
        which[box] = number
    return boxes, limits, trajectory, which


def _figures(search: Search, box: Bools, left: Bools, weights: Floats | None) -> dict[str, Any]:
    """What a box holds, on the rows searched and on those held out; left: (rows,) those of no earlier box."""
    failed, aside = search.failed, search.aside
    told: dict[str, Any] = {}
    for prefix, part in (("", ~aside), ("held_out_", aside)):
        inside = box & part
        told |= {
            f"{prefix}rows": int(inside.sum()),
            f"{prefix}failures": int(failed[inside].sum()),
            f"{prefix}coverage": _share(failed[inside].sum(), failed[part].sum()),
            f"{prefix}density": _share(failed[inside].sum(), inside.sum()),
        }
    tested = left & aside
    luck = chance(box[tested], failed[tested]) if aside.any() else math.nan
    told |= {"luck": luck, "confirmed": not luck > LUCK}  # NaN: nothing was held out
    chances = (math.nan, math.nan) if weights is None else (weights[box].sum(), weights[box & failed].sum())
    return told | dict(zip(("probability", "failing_probability"), map(float, chances), strict=True))


def _share(part: Any, whole: Any) -> float:
    return float(part / whole) if whole else math.nan


def _ends(search: Search, number: int, limits: Limits, left: Bools) -> Iterator[dict[str, Any]]:
    """Rows of the limits of a box."""
    seen, tested = left & ~search.aside, left & search.aside
    for column, side in limits.ends:
        of = search.columns[column]
        wider = seen & limits.without(column, side).hold(search.values)
        value = float((limits.low, limits.high)[side][column])
        yield {
            "column": column,
            "box": number,
            "input": of.name,
            "called": search.words.title(of.name),
            "category": of.category,
            "side": (("is", "is not") if of.category else ("over", "under"))[side],
            "limit": math.nan if of.category else value,
            "quasi_p": quasi_p(search.values[seen], search.failed[seen], limits, column, side),
            "held_out_quasi_p": quasi_p(search.values[tested], search.failed[tested], limits, column, side)
            if tested.any()
            else math.nan,
            "density_without": _share(search.failed[wider].sum(), wider.sum()),
        }


def _path(search: Search, number: int, found: FoundBox, left: Bools) -> Iterator[dict[str, Any]]:
    """Rows of the path of peeling."""
    tested = left & search.aside
    searched, held = search.failed[~search.aside].sum(), search.failed[search.aside].sum()
    for n, step in enumerate(found.path):
        inside = step.limits.hold(search.values[tested])
        failures = search.failed[tested][inside].sum()
        yield {
            "box": number,
            "step": n,
            "peeled": "" if step.column < 0 else _peeled(search, step),
            "side": "" if step.column < 0 else ("from below", "from above")[step.side],
            "limits": len(step.limits.ends),
            "rows": step.rows,
            "failures": step.failures,
            "coverage": _share(step.failures, searched),
            "density": _share(step.failures, step.rows),
            "held_out_coverage": _share(failures, held),
            "held_out_density": _share(failures, inside.sum()),
            "chosen": n == found.chosen,
        }


def _peeled(search: Search, step: Step) -> str:
    of = search.columns[step.column]
    return f"{search.words.title(of.name)}{f': {of.category}' if of.category else ''}"


def row_table(
    search: Search, which: Any, places: Any, values: Floats, inputs: pd.DataFrame, limits: Rows
) -> pd.DataFrame:
    """The rows with what the boxes limit, for pictures and for looking at."""
    told = dict(zip(OWN, (places, search.failed, search.aside, which, values), strict=True))
    limited = inputs[list(dict.fromkeys(str(row["input"]) for row in limits))].replace([np.inf, -np.inf], np.nan)
    return pd.concat([pd.DataFrame(told), limited.reset_index(drop=True)], axis=1)
