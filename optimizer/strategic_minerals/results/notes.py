"""A look at a question before it is solved: what rests on estimates, what looks doubtful, what is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..checks.doubts import unlikely
from ..checks.idle import unused
from ..checks.loss_replay import objections
from ..checks.period_length import averaged_away
from ..checks.single_markets import unquoted
from ..core.units import MUSD_PER_T
from ..data.column_words import number_in_words
from ..data.dataset import Dataset
from ..data.deflation import restated
from ..data.names import Names
from ..data.recipes import outdated
from ..data.references import select_materials
from ..finance.items import never
from ..finance.packages import Support, build_support
from ..instance.build import build_instance
from ..instance.instance import DEFENCE, Instance
from ..scenarios.build import build_scenarios
from ..scenarios.events import longest_event, profiles_of
from ..scenarios.pricing import pricing_sample
from ..scenarios.scenario_set import ScenarioSet
from ..schemas.base import key_of
from ..schemas.plan import Plan
from ..schemas.tables import FACT_TABLES

THIN = 0.01
"""Probability of the baseline course at the end of the planned years below which a plan's late years mean little."""

DEAR = "price above value"
MOST_DEAR = 6
"""Materials up to which each has a note of its own for this."""
"""Kind of the notes on materials whose crisis price exceeds what the supply is worth to some users."""
EITHER = "defence tied"
"""Kind of the notes on materials of which defence may run short in the place of others at the same cost."""
REPLAYED = "losses above what was seen"
"""Kind of the notes on materials of which the plan's loss function says more than an observed shortage allows for."""
AVERAGED = "averaged over periods"
"""Kind of the notes on disruptions whose deepest cuts last for less than a period."""
ONE_MARKET = "no price quoted outside"
"""Kind of the notes on controlled materials that are taken to cost the same in and outside the countries that control them."""
NEVER = "cannot be chosen"
"""Kind of the notes on floors, packages and projects that are asked for and cannot be had."""


@dataclass(frozen=True)
class LossRange:
    """How far other published losses lie from those of the plan's loss function, as multiples of these."""

    most: float
    most_of: str
    """The material."""
    least: float
    least_of: str


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
    shaped = profiles_of(plan, data)
    quoted = {
        row.hazard
        for row in data.rows("hazards")
        if row.hazard in shaped and chosen.intersection(row.materials.split()) <= shaped[row.hazard].priced
    }
    for table in sorted(data.tables):  # in what order they came says nothing
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
                idle = idle or (name in ("duration_yr", "cut_share") and table == "hazards" and key_of(row) in shaped)
                idle = idle or (name == "price_multiplier" and table == "hazards" and key_of(row) in quoted)
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
    if table == "hazard_prices":
        return plan.uses_hazard(row.hazard) and row.hazard not in _repriced(plan)
    if table == "hazard_profiles":
        return plan.uses_hazard(row.hazard)
    if table != "hazards":
        return True
    struck = row.materials.split() if isinstance(row.materials, str) else row.materials
    return plan.uses_hazard(row.hazard) and ("*" in struck or not chosen.isdisjoint(struck))


def _repriced(plan: Plan) -> set[str]:
    """Hazards of which the plan leaves the quotes aside."""
    stated = ("price_multiplier", "cut_share", "duration_yr")
    return {own.hazard for own in plan.hazards if any(getattr(own, name) is not None for name in stated)}


def _drawn(plan: Plan, hazard: str) -> bool:
    """Whether scenarios are drawn in which a hazard strikes: how often it does matters there alone."""
    return plan.sample is not None and (hazard in plan.sample.hazards or "*" in plan.sample.hazards)


def doubtful(plan: Plan, data: Dataset) -> list[str]:
    """Notes on values that are legal and probably not meant. Raises PlanError for events outside the horizon."""
    instance = build_instance(plan, data, longest_event(plan, data))
    left_out = [f"{what} left out: {why}" for what, why in instance.left_out if (what, why) not in instance.impossible]
    odd, scenarios = [text for _, _, text in unlikely(plan, data)], build_scenarios(instance, data)
    idle = [text for _, _, text in unused(plan, data, instance.calendar.years, instance.materials)]
    names = Names.of(data)
    told = notes(instance, scenarios, build_support(instance, scenarios, pricing=pricing_sample(instance, data)), names)
    dear = [item for kind, item, _ in told if kind == DEAR]
    many = len(dear) > MOST_DEAR
    return [
        *odd,
        *outdated(data),
        *idle,
        *(text for _, text in (*objections(plan, data), *averaged_away(plan, data), *unquoted(plan, data))),
        *([_dear_in_one(dear, names)] if many else []),
        *(text for kind, _, text in told if not (many and kind == DEAR)),
        *left_out,
    ]


def _dear_in_one(materials: Sequence[str], names: Names) -> str:
    """Many materials whose crisis price is beyond what supply is worth to some users, in one sentence."""
    return (
        f"{len(materials)} materials: in some scenarios the crisis price exceeds the value of the supply to some users. Where the "
        "loss of a tonne is an estimate made of the price itself, as its note then says, the cheapest tiers of users "
        f"give up first by construction; elsewhere one of the two figures is wrong: {', '.join(map(names.material, materials))}"
    )


def notes(instance: Instance, scenarios: ScenarioSet, support: Support, names: Names) -> list[tuple[str, str, str]]:
    """(kind, item, text) of what looks doubtful about a question, and of what cannot be chosen; all in the same units.

    Items are codes, texts have names.
    """
    found = {
        DEAR: _cheaper_short(instance, scenarios, names),
        "short from the start": _short_from_the_start(instance, names),
        "disruption nearly certain": _nearly_certain(instance, scenarios, names),
        "service level without effect": _idle_levels(instance, scenarios, names),
        "already owed": _already_owed(instance),
        "no demand": _nothing_demanded(instance),
        EITHER: _ties(instance, names),
    }
    told = [(kind, item, text) for kind, texts in found.items() for item, text in texts]
    never_chosen = never(instance, support)
    return [*told, *((NEVER, what, f"{names.item(what)} cannot be chosen: {why}") for what, why in never_chosen)]


def _cheaper_short(instance: Instance, scenarios: ScenarioSet, names: Names) -> Iterator[tuple[str, str]]:
    """Users to whom supply is worth less than the highest price of any course to the cheapest of the material's producers."""
    makes = (instance.yields > 0) & (instance.capacity.max(axis=1, initial=0.0) > 0)[:, None]
    least = np.where(makes, instance.premium[:, None], np.inf).min(axis=0, initial=np.inf)
    courses = (scenarios.price * scenarios.market_gap).max(axis=(0, 2), initial=0.0)
    highest = np.maximum(courses, instance.price.max(axis=1, initial=0.0))
    peak = highest * (1 + np.where(np.isfinite(least), least, 0.0))
    cheap: dict[int, list[str]] = defaultdict(list)
    for k, (q, tier) in enumerate(instance.tiers):
        i = int(instance.demand_material[q])
        dear = instance.tier_loss[k] < peak[i] and not instance.adaptation[q]
        if dear and not instance.embedded[i]:
            cheap[i].append(f"{instance.demands[q][1]} {tier}")
    for i, users in cheap.items():
        material, price = instance.materials[i], peak[i] / instance.material_unit[i] / MUSD_PER_T
        yield (
            material,
            f"{names.material(material)}: in some scenarios the crisis price of {number_in_words(price, 4)} USD/kg exceeds the "
            f"value of the supply to some users (segment and tier: {', '.join(users)})",
        )


def _short_from_the_start(instance: Instance, names: Names) -> Iterator[tuple[str, str]]:
    """Materials whose demand existing sources cannot cover even without a disruption."""
    existing = slice(0, instance.sources)
    running = (instance.capacity * instance.availability)[existing]
    for i, name in enumerate(instance.materials):
        wanted = instance.demand[instance.demand_material == i].sum(axis=0)
        made = instance.yields[existing, i].clip(min=0) @ running
        if (wanted > made * (1 + 1e-9)).any():
            t = int((wanted - made).argmax())
            period = instance.calendar.period_label(t)
            unit = instance.material_unit[i]
            controlled = bool((instance.availability[existing, t] < 1)[instance.yields[existing, i] > 0].any())
            as_it_is = ", with the controls in force at the start" if controlled else ""
            yield (
                name,
                f"{names.material(name)}: even without a disruption{as_it_is}, existing sources supply only "
                f"{made[t] * unit:,.0f} t of the {wanted[t] * unit:,.0f} t demanded in {period}",
            )


def _idle_levels(instance: Instance, scenarios: ScenarioSet, names: Names) -> Iterator[tuple[str, str]]:
    """Service levels that name a scenario which never touches their material."""
    for level in instance.plan.service_levels:
        c = instance.component[instance.materials.index(level.material)] if level.material in instance.materials else -1
        for name in level.scenarios:
            if c < 0 or scenarios.onset[scenarios.names.index(name), c] >= instance.calendar.periods:
                yield (
                    level.material,
                    f"{names.material(level.material)}, {level.segment}: scenario {name} never affects this material, so the "
                    "service level has no effect there",
                )


def _nothing_demanded(instance: Instance) -> Iterator[tuple[str, str]]:
    """A plan that protects nobody."""
    if not (instance.demand > 0).any():
        yield (
            "demand",
            "demand: there is no demand for the planned materials in these years, so there is nothing to protect",
        )


def _ties(instance: Instance, names: Names) -> Iterator[tuple[str, str]]:
    """Materials of which a tonne less costs defence what it costs others: the aim does not say who runs short."""
    for i, name in enumerate(instance.materials):
        of: dict[str, set[float]] = {"defence": set(), "others": set()}
        for k, (q, _) in enumerate(instance.tiers):
            if instance.demand_material[q] == i and instance.demand[q].any():
                of["defence" if instance.priority[q] == DEFENCE else "others"].add(
                    float(f"{instance.tier_loss[k]:.9g}")
                )
        if of["defence"] & of["others"]:
            yield (
                name,
                f"{names.material(name)}: a missing tonne costs defence as much as other users, so the model may let either "
                "run short; other plans that are as good may leave defence with more or less",
            )


def _already_owed(instance: Instance) -> Iterator[tuple[str, str]]:
    """Years whose appropriation does not even hold what is in store at the start, and a total that does not."""
    what = "holding the opening stock costs"
    if instance.carried.due.any():
        what = "holding the opening stock and what was signed before cost"
    for year, owed, money in zip(instance.calendar.years, instance.owed, instance.available, strict=True):
        if owed > money * (1 + 1e-9):
            yield (
                f"FY{year}",
                f"FY{year}: {what} {owed:,.4g} million USD, {owed - money:,.4g} more than is "
                "appropriated: already owed, whatever the plan does",
            )
    total, owed_in_all = (
        instance.plan.budget.total_musd,
        float(instance.owed[: len(instance.calendar.planned_years)].sum()),
    )
    if total is not None and owed_in_all > total * (1 + 1e-9):
        yield (
            "all years of the plan",
            f"all years of the plan: {what} {owed_in_all:,.4g} million USD, {owed_in_all - total:,.4g} "
            "more than the total budget: already owed, whatever the plan does",
        )


def _nearly_certain(instance: Instance, scenarios: ScenarioSet, names: Names) -> Iterator[tuple[str, str]]:
    """Components that some disruption hits in nearly every scenario before the planned years end."""
    last = scenarios.trunk_weight(instance.calendar.periods)[:, instance.calendar.planned - 1]
    for name, weight in zip(instance.components, last, strict=True):
        if weight < THIN:
            yield (
                name,
                f"{names.material(name)}: a disruption hits it with {1 - weight:.0%} probability before the plan ends; the last "
                "years of its plan are based on few scenarios",
            )


def other_losses(plan: Plan, data: Dataset) -> LossRange:
    """Losses of the other named loss functions as multiples of the plan's own, over the plan's materials."""
    chosen = set(select_materials(plan, data))
    own: dict[tuple[str, str], float] = {}
    other: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in restated(plan, data).rows("loss_functions"):
        if row.material in chosen and row.loss_usd_per_t > 0:
            if row.loss_function == plan.loss_function:
                own[row.material, row.segment] = row.loss_usd_per_t
            else:
                other[row.material, row.segment].append(row.loss_usd_per_t)
    times = [
        (loss / value, material)
        for (material, segment), value in sorted(own.items())
        for (of, users), losses in other.items()
        if of == material and (segment == users or "*" in (segment, users))
        for loss in losses
    ]
    high = max(times, key=lambda pair: pair[0], default=(1.0, ""))
    low = min(times, key=lambda pair: pair[0], default=(1.0, ""))
    return LossRange(*high, *low)


def without_data(data: Dataset) -> list[str]:
    """Minerals of the table `minerals` for which the planning tables hold no material."""
    planned = {row.mineral for row in data.rows("materials")}
    planned |= {row.mineral for row in data.rows("listed_minerals") if row.materials}
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
