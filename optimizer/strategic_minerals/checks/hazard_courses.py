"""Whether the courses of disruptions make sense: what was observed, and the cuts and prices of hazards by months since their onset
(formulation section 13)."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..core.errors import Fault
from ..data.dataset import Dataset
from ..schemas.base import key_of
from ..schemas.plan import Plan
from .origins_and_markets import ROUNDED


def observed_profiles_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Periods of a profile have a length and follow each other; its rows are of one flow; a loss is 1 - observed/normal."""
    first: dict[str, Any] = {}
    until: dict[str, float] = {}
    for row in sorted(data.rows("observed_profiles"), key=lambda row: row.month_from):
        head = first.setdefault(row.profile, row)
        for column in ("control_event", "materials", "form", "destination", "flow", "onset", "running"):
            mine, its = getattr(row, column), getattr(head, column)
            if mine != its:
                yield Fault("observed_profiles.csv", key_of(row), column, f"'{mine}'", f"'{its}', as in {key_of(head)}")
        begins = until.get(row.profile, row.month_from)
        if row.month_from < begins:
            expected = f"at least {begins:g}, where the period before it ends"
            yield Fault("observed_profiles.csv", key_of(row), "month_from", f"{row.month_from:g}", expected)
        if row.month_to <= row.month_from:
            expected = f"more than month_from ({row.month_from:g})"
            yield Fault("observed_profiles.csv", key_of(row), "month_to", f"{row.month_to:g}", expected)
        until[row.profile] = max(begins, row.month_to)
        if row.loss_share is not None and row.normal_per_month and row.observed_per_month is not None:
            share = 1 - row.observed_per_month / row.normal_per_month
            if abs(share - row.loss_share) > ROUNDED * max(1.0, abs(share)):
                expected = f"1 - observed/normal ({share:.4g})"
                yield Fault("observed_profiles.csv", key_of(row), "loss_share", f"{row.loss_share:g}", expected)


def profiles_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Steps of a profile end after they begin and do not overlap, and every material of the hazard has some."""
    steps: dict[tuple[str, str, str], list[Any]] = defaultdict(list)
    for row in data.rows("hazard_profiles"):
        steps[row.hazard, row.material, row.flow].append(row)
    yield from _steps_follow("hazard_profiles.csv", steps)
    shaped = {hazard for hazard, _, _ in steps}
    for row in data.rows("hazards"):
        for low, high in (("severity_p05", "severity_p95"), ("stretch_p05", "stretch_p95")):
            a, b = getattr(row, low), getattr(row, high)
            if (a is None) != (b is None):
                empty, given = (low, high) if a is None else (high, low)
                yield Fault("hazards.csv", row.hazard, empty, "an empty cell", f"a figure, as {given} has one")
            elif a is not None and not a <= 1 <= b:
                yield Fault("hazards.csv", row.hazard, low, f"{a:g} to {b:g}", "a range around 1, the median")
        named = {material for hazard, material, _ in steps if hazard == row.hazard}
        for material in sorted(set(row.materials.split()) - named) if row.hazard in shaped else ():
            expected = (
                "steps for every material of the hazard" if material != "*" else "materials by name, as its profile"
            )
            yield Fault("hazards.csv", row.hazard, "materials", f"'{material}' without a profile", expected)


def _steps_follow(file: str, steps: Mapping[tuple[str, str, str], Sequence[Any]]) -> Iterator[Fault]:
    """Steps end after they begin and do not overlap. steps: by hazard, material and flow or market."""
    for rows in steps.values():
        ordered = sorted(rows, key=lambda row: row.month_from)
        for row in ordered:
            if row.month_to <= row.month_from:
                expected = f"more than month_from ({row.month_from:g})"
                yield Fault(file, key_of(row), "month_to", f"{row.month_to:g}", expected)
        for before, after in itertools.pairwise(ordered):
            if before.month_from < before.month_to and after.month_from < before.month_to - 1e-9:
                expected = f"at least {before.month_to:g}, where the step before ends"
                yield Fault(file, key_of(after), "month_from", f"{after.month_from:g}", expected)


def hazard_prices_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Prices of a hazard are of its materials, follow each other, and end with the last cut of its profile."""
    steps: dict[tuple[str, str, str], list[Any]] = defaultdict(list)
    for row in data.rows("hazard_prices"):
        steps[row.hazard, row.material, row.market].append(row)
    yield from _steps_follow("hazard_prices.csv", steps)
    named = {row.hazard: row.materials.split() for row in data.rows("hazards")}
    last: dict[str, float] = defaultdict(float)
    for row in data.rows("hazard_profiles"):
        if row.cut_share > 0:
            last[row.hazard] = max(last[row.hazard], row.month_to)
    for row in data.rows("hazard_prices"):
        if row.hazard not in last:
            yield Fault(
                "hazard_prices.csv", key_of(row), "hazard", f"'{row.hazard}'", "a hazard of hazard_profiles.csv"
            )
        elif row.month_to > last[row.hazard] + 1e-9:
            expected = f"at most {last[row.hazard]:g}, the end of its last cut (hazard_profiles)"
            yield Fault("hazard_prices.csv", key_of(row), "month_to", f"{row.month_to:g}", expected)
        if row.hazard in named and row.material not in named[row.hazard]:
            yield Fault("hazard_prices.csv", key_of(row), "material", f"'{row.material}'", "a material of the hazard")
