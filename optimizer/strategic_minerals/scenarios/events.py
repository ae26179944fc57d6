"""Events with everything stated: what a plan lists, and what its hazards say where the plan is silent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..data.dataset import Dataset
from ..schemas.base import parse_multipliers
from ..schemas.plan import Plan
from ..schemas.plan_sections import Event


@dataclass(frozen=True)
class DisruptionEvent:
    """One event with everything stated: when, where, how hard. Years are decimal fiscal years."""

    start: float
    flood: float
    """Years of flood before the cut."""
    duration: float
    """Years of the cut."""
    countries: str
    materials: str
    cut: float
    price: float
    flood_price: float
    third_cut: float
    demand: tuple[tuple[str, float], ...]
    tight: bool | None
    label: str
    """Code of its hazard."""
    name: str = ""
    """What readers call its hazard; empty where there is none."""


def resolve_event(event: Event, row: Any) -> DisruptionEvent:
    """An event with what it leaves out taken from its hazard (`row`; None: the event states everything itself).

    The cut of a hazard is the likeliest one; that of an `on_off` hazard, whose `cut_share` is a probability, is everything.
    """
    share = event.cut_share
    if share is None and row is not None and row.cut_law == "on_off":
        share = 1.0
    demand = event.demand_multipliers
    if demand is None:
        demand = parse_multipliers("" if row is None else row.demand_multipliers)
    return DisruptionEvent(
        start=event.start_year,
        flood=_or(event.flood_years, row, "flood_yr", 0.0),
        duration=_or(event.duration_years, row, "duration_yr", 0.0),
        countries=_or(event.countries, row, "countries", ""),
        materials=_or(event.materials, row, "materials", ""),
        cut=_or(share, row, "cut_share", 0.0),
        price=_or(event.price_multiplier, row, "price_multiplier", 1.0),
        flood_price=_or(event.flood_multiplier, row, "flood_multiplier", 1.0),
        third_cut=_or(event.third_country_cut_share, row, "third_country_cut_share", 0.0),
        demand=tuple(sorted(demand.items())),
        tight=event.tight,
        label=event.hazard or "event",
        name="" if row is None else row.name,
    )


def hazards(plan: Plan, data: Dataset) -> dict[str, Any]:
    """Rows of the table of hazards by name, with what the plan overrides; their ranges move along in proportion."""
    rows = {row.hazard: row for row in data.rows("hazards")}
    for override in plan.hazards:
        if override.hazard in rows:
            changed = override.model_dump(exclude={"hazard"}, exclude_none=True)
            ranges = {
                f"{name}_{end}": _scaled(rows[override.hazard], name, end, value)
                for name, value in changed.items()
                for end in ("low", "high")
                if f"{name}_{end}" in type(rows[override.hazard]).model_fields
            }
            rows[override.hazard] = rows[override.hazard].model_copy(update={**ranges, **changed})
    return rows


def _scaled(row: Any, name: str, end: str, value: float) -> float | None:
    """The end of a range that moves with its value; shares end at 1."""
    old, bound = getattr(row, name), getattr(row, f"{name}_{end}")
    if bound is None or old <= 0:
        return None
    moved = float(bound * value / old)
    return min(1.0, moved) if name in ("cut_share", "after_probability") else moved


def sampled(plan: Plan, data: Dataset) -> list[Any]:
    """Rows of the hazards that the plan's sample draws from, in order of their names."""
    if plan.sample is None:
        return []
    wanted = plan.sample.hazards
    return sorted(
        (row for name, row in hazards(plan, data).items() if "*" in wanted or name in wanted),
        key=lambda row: row.hazard,
    )


def longest_event(plan: Plan, data: Dataset) -> float:
    """Longest event in years of the listed scenarios and of the hazards that may be sampled (at their mean duration)."""
    rows = hazards(plan, data)
    lengths = [0.0]
    for scenario in plan.scenarios:
        for event in scenario.events:
            row = rows.get(event.hazard or "")
            lengths.append(
                _or(event.flood_years, row, "flood_yr", 0.0) + _or(event.duration_years, row, "duration_yr", 0.0)
            )
    return float(max(lengths + [row.flood_yr + row.duration_yr for row in sampled(plan, data)]))


def describe(event: DisruptionEvent) -> str:
    """An event in words: what, from when, how hard, how long, and what the price does."""
    flood = f"price {event.flood_price:.3g} times as high for {event.flood:.1f} years, then " if event.flood else ""
    price = f", price {event.price:.3g} times as high" if event.price != 1 else ""
    cut = f"supply cut by {event.cut:.0%} for {event.duration:.1f} years"
    return f"{event.name or event.label} from {event.start:.1f}: {flood}{cut}{price}"


def _or(value: Any, row: Any, name: str, default: Any) -> Any:
    if value is not None:
        return value
    return default if row is None else getattr(row, name)
