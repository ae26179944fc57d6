"""Demand, what it costs to leave it unserved, how that changes while a disruption lasts, and what users hold themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core.arrays import Floats
from ..core.units import MONTHS_PER_YEAR, MUSD_PER_T, USD_PER_MUSD
from ..data.dataset import Dataset
from ..schemas.plan import Plan
from .calendar import Calendar, yearly
from .instance import DEFENCE, ESSENTIAL, OTHER

PRIORITIES = {"defence": DEFENCE, "essential": ESSENTIAL}
"""Of segments by name, where no row of `demand` says it."""


def demands(
    plan: Plan, data: Dataset, materials: Mapping[str, int], base: Floats, calendar: Calendar
) -> dict[str, Any]:
    """Fields of an instance about demand, tiers and substitution. base: (I,) base prices."""
    series: dict[tuple[str, str], list[tuple[int, float]]] = defaultdict(list)
    for row in data.rows("demand"):
        if row.material in materials:
            series[row.material, row.segment].append((row.from_year, row.demand_t_per_yr))
    pairs = tuple(series)
    said = {(row.material, row.segment): row.priority for row in data.rows("demand") if row.priority is not None}
    priority = [said.get(pair, PRIORITIES.get(pair[1], OTHER)) for pair in pairs]
    demand = np.array([yearly(series[pair], calendar) for pair in pairs]).reshape(-1, calendar.periods) * calendar.step
    losses = _losses(plan, data)
    tiers: list[tuple[int, int]] = []
    shares: list[float] = []
    loss: list[float] = []
    named: list[float] = []
    steps: list[tuple[int, int]] = []
    limits: list[float] = []
    costs: list[float] = []
    tier_rows, step_rows = data.rows("tiers"), data.rows("substitution")
    for q, (material, segment) in enumerate(pairs):
        own = [r for r in tier_rows if r.material == material and r.segment == segment]
        own = own or [r for r in tier_rows if r.material == "*" and r.segment == segment]
        gross = losses.get((material, segment), losses.get((material, "*"), 0.0))
        for row in sorted(own, key=lambda r: r.tier):
            tiers.append((q, row.tier))
            shares.append(row.share)
            loss.append(base[materials[material]] + row.loss_multiplier * gross)
            named.append(row.loss_multiplier * gross)
        for row in sorted(
            (r for r in step_rows if (r.material, r.segment) == (material, segment)), key=lambda r: r.step
        ):
            steps.append((q, row.step))
            limits.append(row.limit_share)
            costs.append(row.cost_usd_per_kg * MUSD_PER_T)
    return {
        "demands": pairs,
        "priority": np.array(priority, dtype=np.int64),
        "demand_material": np.array([materials[m] for m, _ in pairs], dtype=int),
        "demand": demand,
        "tiers": tuple(tiers),
        "tier_share": np.array(shares, dtype=float),
        "tier_loss": np.array(loss, dtype=float),
        "tier_named": np.array(named, dtype=float),
        "adaptation": tuple(_adaptation(data, *pair) for pair in pairs),
        "steps": tuple(steps),
        "step_limit": np.array(limits, dtype=float),
        "step_cost": np.array(costs, dtype=float),
    }


def _losses(plan: Plan, data: Dataset) -> dict[tuple[str, str], float]:
    """Loss per tonne [million USD/t] by (material, segment) of the plan's loss function at its level."""
    suffix = {"low": "_low", "central": "", "high": "_high"}[plan.loss_level]
    losses = {}
    for row in data.rows("loss_functions"):
        if row.loss_function == plan.loss_function:
            value = getattr(row, f"loss_usd_per_t{suffix}")
            losses[row.material, row.segment] = (row.loss_usd_per_t if value is None else value) / USD_PER_MUSD
    return losses


def _adaptation(data: Dataset, material: str, segment: str) -> tuple[tuple[float, float], ...]:
    """(month, multiplier) pairs of a segment in order: its own rows, or else those of the material, the segment, or all."""
    rows = data.rows("adaptation")
    for pair in ((material, segment), (material, "*"), ("*", segment), ("*", "*")):
        own = sorted((row.from_month, row.multiplier) for row in rows if (row.material, row.segment) == pair)
        if own:
            return tuple(own)
    return ()


def users_stock(
    data: Dataset,
    materials: Mapping[str, int],
    wanted: Mapping[str, Any],
    yields: Floats,
    capacity: Floats,
    calendar: Calendar,
) -> dict[str, Any]:
    """Fields of an instance about stock that users hold themselves; nobody holds less than nothing, so a level of 0 is none.

    wanted: as `demands` gives it. yields, capacity: (J, I) and (J, T) of existing sources, at the availability of the baseline
    course [t per period].
    """
    users: list[tuple[int, int]] = []
    levels: list[float] = []
    missing: list[float] = []
    pairs = list(wanted["demands"])
    rows = [row for row in data.rows("users_stock") if row.material in materials]
    named = {(row.material, row.segment) for row in rows}
    for row in rows:
        i = materials[row.material]
        segments = [q for q, (material, _) in enumerate(pairs) if material == row.material]
        if row.segment != "*":
            holders = [q for q in segments if pairs[q][1] == row.segment]
        else:
            holders = [q for q in segments if pairs[q] not in named] if segments else [-1]
        use = {
            q: float(
                (wanted["demand"][q] if q >= 0 else np.maximum(-yields[:, i], 0.0) @ capacity)[
                    : calendar.planned
                ].mean()
            )
            / calendar.step
            for q in holders
        }
        total = sum(use.values())
        for q, of in use.items():
            share = of / total if total > 0 else 0.0
            level = (row.level_months or 0.0) / MONTHS_PER_YEAR * of if row.level_t is None else row.level_t * share
            if level > 0:
                users.append((i, q))
                levels.append(level)
                missing.append(level * row.missing_share)
    return {
        "users": tuple(users),
        "users_level": np.array(levels, dtype=float),
        "users_missing": np.array(missing, dtype=float),
    }
