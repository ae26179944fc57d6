"""Events with everything stated: what a plan lists, and what its hazards say where the plan is silent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..data.dataset import Dataset
from ..schemas.base import parse_multipliers
from ..schemas.plan import Plan
from ..schemas.plan_sections import Event
from .profiles import HazardProfile, profiles


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
    profile: HazardProfile | None = None
    """How deep it cuts by months; None: `cut` throughout."""
    severity: float = 1.0
    """Factor on what users lose by the profile; 0: they lose nothing."""
    direct_severity: float = 1.0
    """The same of the direct flow and of the price."""
    stretch: float = 1.0
    """Factor on the length of the profile."""
    third_scope: str = "all"
    """Which other countries' sources are cut, as `third_country_scope` of hazards says."""
    spares_home: bool = False
    """Whether plants at home go on though their country is named: who limits exports serves its own users."""
    begun: DisruptionEvent | None = None
    """Of an event that had begun before the plan: itself as its hazard has it. When it ends was then not known."""

    @property
    def moves_price(self) -> bool:
        """Whether its cut changes a price."""
        return self.price != 1 or (self.profile is not None and bool(self.profile.priced))


def resolve_event(event: Event, row: Any, profile: HazardProfile | None = None) -> DisruptionEvent:
    """An event with what it leaves out taken from its hazard (`row`; None: the event states everything itself).

    profile: of the hazard; an event with a cut of its own leaves it aside, one with a price or countries of its own the prices in
    it. The cut of a hazard is the likeliest one; that of an
    `on_off` hazard, whose `cut_share` is a probability, is everything.
    """
    share = event.cut_share
    if share is None and row is not None and row.cut_law == "on_off":
        share = 1.0
    demand = event.demand_multipliers
    if demand is None:
        demand = parse_multipliers("" if row is None else row.demand_multipliers)
    shaped = profile if event.cut_share is None else None
    if shaped is not None and (event.price_multiplier is not None or event.countries is not None):
        shaped = shaped.without_prices()  # the event says itself what it does to prices, or where
    stretch, severity = event.stretch, 1.0 if event.severity is None or shaped is None else event.severity
    if shaped is not None and stretch is None:
        stretch = 1.0 if event.duration_years is None else event.duration_years / shaped.length
    duration = _or(event.duration_years, row, "duration_yr", 0.0)
    if shaped is not None:
        duration, share = shaped.length * (stretch or 1.0), min(1.0, severity * shaped.deepest)
    return DisruptionEvent(
        start=event.start_year,
        flood=_or(event.flood_years, row, "flood_yr", 0.0),
        duration=duration,
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
        profile=shaped,
        severity=severity,
        direct_severity=severity,
        stretch=stretch or 1.0,
        third_scope="all" if row is None else row.third_country_scope,
        spares_home=row is not None and row.kind == "ally_limit",
    )


def resolver(plan: Plan, data: Dataset) -> Callable[[Event], DisruptionEvent]:
    """`resolve_event` with what the hazards of a plan say: their rows with overrides, their profiles."""
    rows, shaped = hazards(plan, data), profiles_of(plan, data)
    return lambda event: resolve_event(event, rows.get(event.hazard or ""), shaped.get(event.hazard or ""))


def profiles_of(plan: Plan, data: Dataset) -> dict[str, HazardProfile]:
    """Profiles of the hazards; a hazard whose cut or duration the plan states itself has none, one whose price it states none of
    prices."""
    flat = {o.hazard for o in plan.hazards if o.cut_share is not None or o.duration_yr is not None}
    one_price = {o.hazard for o in plan.hazards if o.price_multiplier is not None}
    return {
        hazard: profile.without_prices() if hazard in one_price else profile
        for hazard, profile in profiles(data).items()
        if hazard not in flat
    }


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
    """Longest event in years of the listed scenarios and of the hazards that may be sampled, at their mean duration or, with a
    profile, at its own length."""
    rows, shaped = hazards(plan, data), profiles_of(plan, data)
    lengths = [0.0]
    for scenario in plan.scenarios:
        for event in scenario.events:
            resolved = resolve_event(event, rows.get(event.hazard or ""), shaped.get(event.hazard or ""))
            lengths.append(resolved.flood + resolved.duration)
    drawn = [
        row.flood_yr + (shaped[row.hazard].length if row.hazard in shaped else row.duration_yr)
        for row in sampled(plan, data)
    ]
    return float(max(lengths + drawn))


def describe(event: DisruptionEvent) -> str:
    """An event in words: what, from when, how hard, how long, and what the price does."""
    flood = f"price {event.flood_price:.3g} times as high for {event.flood:.1f} years, then " if event.flood else ""
    quoted = event.profile is not None and event.profile.priced
    price = f", price {event.price:.3g} times as high" if event.price != 1 and not quoted else ""
    price = ", prices by material as quoted" if quoted else price
    cut = f"supply cut by {event.cut:.0%} for {event.duration:.1f} years"
    return f"{event.name or event.label} from {event.start:.1f}: {flood}{cut}{price}"


def _or(value: Any, row: Any, name: str, default: Any) -> Any:
    if value is not None:
        return value
    return default if row is None else getattr(row, name)
