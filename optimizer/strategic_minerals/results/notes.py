"""A look at a question before it is solved: what rests on estimates, what looks doubtful, what is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..checks.doubtful import unlikely
from ..checks.unused import unused
from ..core.units import MUSD_PER_T
from ..data.dataset import Dataset
from ..data.deflation import restated
from ..data.references import select_materials
from ..finance.items import never
from ..finance.packages import Support, build_support
from ..instance.build import build_instance
from ..instance.instance import DEFENCE, Instance
from ..scenarios.build import build_scenarios
from ..scenarios.events import longest_event
from ..scenarios.scenario_set import ScenarioSet
from ..schemas.base import key_of
from ..schemas.plan import Plan
from ..schemas.tables import FACT_TABLES

THIN = 0.01
"""Trunk weight at the end of the planned years below which a plan's late years mean little."""

NEVER = "cannot be chosen"
"""Kind of the notes on floors, packages and projects that are asked for and cannot be had."""


@dataclass(frozen=True)
class Provenance:
    """How many values of the planning tables are facts and how many estimates, and which estimates are widest."""

    facts: int
    estimates: int
    by_table: Mapping[str, tuple[int, int]]
    widest: pd.DataFrame
    """table, key, column, low, value, high, spread: estimates by spread = (high - low)/value."""


def provenance(plan: Plan, data: Dataset) -> Provenance:
    """Count facts and estimates among the rows that a plan reads."""
    chosen = set(select_materials(plan, data))
    producers = {row.producer for row in data.rows("yields") if row.material in chosen}
    by_table: dict[str, tuple[int, int]] = {}
    wide: list[dict[str, Any]] = []
    for table in data.tables:
        if table in FACT_TABLES:
            continue
        rows = [row for row in data.rows(table) if _read_by(plan, row, chosen)]
        guessed = sum(row.confidence == "estimate" for row in rows)
        by_table[table] = (len(rows) - guessed, guessed)
        for row in rows:
            if not _at_work(plan, table, row, chosen, producers):
                continue
            for name in type(row).model_fields:
                low, high, value = (
                    getattr(row, f"{name}_low", None),
                    getattr(row, f"{name}_high", None),
                    getattr(row, name),
                )
                idle = name == "rate_per_yr" and not _drawn(plan, key_of(row))
                if low is not None and high is not None and value and high > low and not idle:
                    wide.append(
                        {
                            "table": table,
                            "key": key_of(row),
                            "column": name,
                            "low": low,
                            "value": value,
                            "high": high,
                            "spread": (high - low) / abs(value),
                        }
                    )
    columns = ["table", "key", "column", "low", "value", "high", "spread"]
    widest = pd.DataFrame(wide, columns=columns).sort_values("spread", ascending=False, ignore_index=True)
    facts = sum(f for f, _ in by_table.values())
    return Provenance(facts, sum(e for _, e in by_table.values()), by_table, widest)


def _read_by(plan: Plan, row: Any, chosen: set[str]) -> bool:
    material = getattr(row, "material", None)
    if material is not None and material != "*" and material not in chosen:
        return False
    if getattr(row, "price_set", plan.price_set) != plan.price_set:
        return False
    return getattr(row, "loss_function", plan.loss_function) == plan.loss_function


def _at_work(plan: Plan, table: str, row: Any, chosen: set[str], producers: set[str]) -> bool:
    """Whether a row that the plan reads is of a producer or a hazard that can touch its materials."""
    if table in ("activities", "capacities", "yields", "projects"):
        return key_of(row).split("/")[0] in producers
    if table != "hazards":
        return True
    named = {event.hazard for scenario in plan.scenarios for event in scenario.events}
    drawn = () if plan.sample is None else plan.sample.hazards
    struck = row.materials.split() if isinstance(row.materials, str) else row.materials
    return (row.hazard in named or row.hazard in drawn or "*" in drawn) and (
        "*" in struck or not chosen.isdisjoint(struck)
    )


def _drawn(plan: Plan, hazard: str) -> bool:
    """Whether scenarios are drawn in which a hazard strikes: how often it does matters there alone."""
    return plan.sample is not None and (hazard in plan.sample.hazards or "*" in plan.sample.hazards)


def doubtful(plan: Plan, data: Dataset) -> list[str]:
    """Notes on values that are legal and probably not meant. Raises PlanError for events outside the horizon."""
    instance = build_instance(plan, data, longest_event(plan, data))
    left_out = [f"{what} left out: {why}" for what, why in instance.left_out if (what, why) not in instance.impossible]
    odd, scenarios = [text for _, _, text in unlikely(plan, data)], build_scenarios(instance, data)
    idle = [text for _, _, text in unused(plan, data, instance.calendar.years, instance.materials)]
    return [
        *odd,
        *idle,
        *(text for _, _, text in notes(instance, scenarios, build_support(instance, scenarios))),
        *left_out,
    ]


def notes(instance: Instance, scenarios: ScenarioSet, support: Support) -> list[tuple[str, str, str]]:
    """(kind, item, text) of what looks doubtful about a question, and of what cannot be chosen; all in the same units."""
    found = {
        "rather short": _cheaper_short(instance, scenarios),
        "short from the start": _short_from_the_start(instance),
        "thin trunk": _thin_trunk(instance, scenarios),
        "idle promise": _idle_promises(instance, scenarios),
        "already owed": _already_owed(instance),
        "no demand": _nothing_demanded(instance),
        "tied segments": _ties(instance),
    }
    told = [(kind, text.split(":")[0].split(",")[0], text) for kind, texts in found.items() for text in texts]
    return [*told, *((NEVER, what, f"{what} cannot be chosen: {why}") for what, why in never(instance, support))]


def _cheaper_short(instance: Instance, scenarios: ScenarioSet) -> Iterator[str]:
    """Users who would rather go short than pay the highest price of any course to the cheapest of the material's producers."""
    makes = (instance.yields > 0) & (instance.capacity.max(axis=1, initial=0.0) > 0)[:, None]
    least = np.where(makes, instance.premium[:, None], np.inf).min(axis=0, initial=np.inf)
    highest = np.maximum(scenarios.price.max(axis=(0, 2), initial=0.0), instance.price.max(axis=1, initial=0.0))
    peak = highest * (1 + np.where(np.isfinite(least), least, 0.0))
    cheap: dict[int, list[str]] = defaultdict(list)
    for k, (q, tier) in enumerate(instance.tiers):
        i = int(instance.demand_material[q])
        if instance.tier_loss[k] < peak[i]:
            cheap[i].append(f"{instance.demands[q][1]} {tier}")
    for i, names in cheap.items():
        yield (
            f"{instance.materials[i]}: in some scenario users would rather go short than pay "
            f"{peak[i] / instance.material_unit[i] / MUSD_PER_T:,.4g} USD/kg "
            f"(segment and tier: {', '.join(names)})"
        )


def _short_from_the_start(instance: Instance) -> Iterator[str]:
    """Materials whose demand existing sources cannot meet even while nothing happens."""
    existing = slice(0, instance.sources)
    running = (instance.capacity * instance.availability)[existing]
    for i, name in enumerate(instance.materials):
        wanted = instance.demand[instance.demand_material == i].sum(axis=0)
        made = instance.yields[existing, i].clip(min=0) @ running
        if (wanted > made * (1 + 1e-9)).any():
            t = int((wanted - made).argmax())
            period = instance.calendar.period_label(t)
            unit = instance.material_unit[i]
            yield f"{name}: existing sources supply {made[t] * unit:,.0f} t of the {wanted[t] * unit:,.0f} t demanded in {period}"


def _idle_promises(instance: Instance, scenarios: ScenarioSet) -> Iterator[str]:
    """Service levels that name a scenario which never touches their material."""
    for level in instance.plan.service_levels:
        c = instance.component[instance.materials.index(level.material)] if level.material in instance.materials else -1
        for name in level.scenarios:
            if c < 0 or scenarios.onset[scenarios.names.index(name), c] >= instance.calendar.periods:
                yield f"{level.material}, {level.segment}: scenario {name} never touches it, the promise costs nothing there"


def _nothing_demanded(instance: Instance) -> Iterator[str]:
    """A plan that protects nobody."""
    if not (instance.demand > 0).any():
        yield "demand: nobody wants any of the planned materials in these years, so that there is nothing to protect"


def _ties(instance: Instance) -> Iterator[str]:
    """Materials of which a tonne less costs defence what it costs others: the aim does not say who goes short."""
    for i, name in enumerate(instance.materials):
        of: dict[str, set[float]] = {"defence": set(), "others": set()}
        for k, (q, _) in enumerate(instance.tiers):
            if instance.demand_material[q] == i and instance.demand[q].any():
                of["defence" if instance.priority[q] == DEFENCE else "others"].add(
                    float(f"{instance.tier_loss[k]:.9g}")
                )
        if of["defence"] & of["others"]:
            yield (
                f"{name}: a tonne less costs defence what it costs others, so that who of them goes short is a toss-up; what is "
                "said of defence holds for one of several plans that are as good"
            )


def _already_owed(instance: Instance) -> Iterator[str]:
    """Years whose appropriation does not even hold what is in store at the start, and a total that does not."""
    for year, owed, money in zip(instance.calendar.years, instance.owed, instance.appropriation, strict=True):
        if owed > money * (1 + 1e-9):
            yield (
                f"FY{year}: holding the opening stock costs {owed:,.4g} million USD, {owed - money:,.4g} more than is "
                "appropriated: already owed, whatever the plan does"
            )
    total, owed_in_all = (
        instance.plan.budget.total_musd,
        float(instance.owed[: len(instance.calendar.planned_years)].sum()),
    )
    if total is not None and owed_in_all > total * (1 + 1e-9):
        yield (
            f"all years of the plan: holding the opening stock costs {owed_in_all:,.4g} million USD, {owed_in_all - total:,.4g} "
            "more than the total budget: already owed, whatever the plan does"
        )


def _thin_trunk(instance: Instance, scenarios: ScenarioSet) -> Iterator[str]:
    """Components that some event strikes in nearly every scenario before the planned years end."""
    last = scenarios.trunk_weight(instance.calendar.periods)[:, instance.calendar.planned - 1]
    for name, weight in zip(instance.components, last, strict=True):
        if weight < THIN:
            yield (
                f"{name}: with probability {1 - weight:.0%} some event strikes it before the plan ends; "
                "the late years of its plan rest on few scenarios"
            )


def loss_spread(plan: Plan, data: Dataset) -> tuple[float, str]:
    """Largest factor between the named loss functions over the plan's materials, and the material; (1, "") where none."""
    chosen = set(select_materials(plan, data))
    values: dict[str, list[float]] = defaultdict(list)
    for row in restated(plan, data).rows("loss_functions"):
        if row.material in chosen and row.loss_usd_per_t > 0:
            values[row.material].append(row.loss_usd_per_t)
    spread = {material: max(found) / min(found) for material, found in values.items()}
    worst = max(spread, key=lambda material: spread[material], default="")
    return spread.get(worst, 1.0), worst


def without_data(data: Dataset) -> list[str]:
    """Minerals of the table `minerals` for which the planning tables hold no material."""
    planned = {row.mineral for row in data.rows("materials")}
    return sorted(row.mineral for row in data.rows("minerals") if row.mineral not in planned)


def ranges(plan: Plan, data: Dataset) -> pd.DataFrame:
    """Smallest and largest value of each number of the planning tables, to spot a unit slip."""
    rows = []
    for table in data.tables:
        if table in FACT_TABLES:
            continue
        frame = data.frame(table)
        for column in frame.columns:
            values = pd.to_numeric(frame[column], errors="coerce") if frame[column].dtype != object else frame[column]
            if column == "year" or not pd.api.types.is_numeric_dtype(values) or values.dtype == bool:
                continue
            values = values.dropna()
            if len(values):
                rows.append(
                    {
                        "table": table,
                        "column": column,
                        "smallest": values.min(),
                        "median": values.median(),
                        "largest": values.max(),
                    }
                )
    return pd.DataFrame(rows, columns=["table", "column", "smallest", "median", "largest"])
