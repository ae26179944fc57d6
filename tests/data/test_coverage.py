"""Which minerals of the official list can be planned: each has demand, makers, a price, a loss, a hazard, and can go short."""

from __future__ import annotations

from functools import cache

import pytest

from strategic_minerals import Dataset, Plan, load_dataset, shipped, solve
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.studies.missing import complete
from strategic_minerals.world.build import build_instance

AT_HOME = {"beryllium", "lithium", "zirconium"}
"""Minerals of which the United States makes what it uses (lithium once Thacker Pass runs): they go short if its own plants stop."""


IN_ONE_ROW = {"metallurgical_coal"}
"""Minerals whose other producing countries stand in one row: the United States exports coking coal."""
WAR_ALONE = {
    "aluminum", "barite", "boron", "copper", "lead", "lithium", "metallurgical_coal", "niobium", "phosphate", "potash",
    "rhenium", "silver", "uranium", "zinc", "zirconium",
}  # fmt: skip
"""Minerals that no export stop on record has cut: a war is their only hazard."""


@cache
def data() -> Dataset:
    return load_dataset(shipped("inputs"))


def listed() -> list[str]:
    return [row.mineral for row in data().rows("listed_minerals") if row.materials]


def alone(materials: str, countries: str) -> Plan:
    """A plan of a mineral alone: for three years nothing comes from the countries. Nothing may be bought, signed or supported."""
    stop = {
        "start_year": 2028.0, "duration_years": 3.0, "countries": countries, "materials": "*", "cut_share": 1.0,
        "price_multiplier": 1.0,
    }  # fmt: skip
    return Plan.model_validate(
        {
            "name": "alone",
            "price_year": 2024,
            "price_set": "mcs2024",
            "loss_function": "usgs_2025",
            "discount_rate": 0.03,
            "price_gain": False,
            "materials": materials.split(),
            "horizon": {"first_year": 2027, "years": 5, "tail_years": 0},
            "budget": {"appropriation_musd": 0},
            "instruments": {"reserve": False, "packages": ["none"]},
            "scenarios": [{"name": "stop", "probability": 0.5, "events": [stop]}],
        }
    )


def test_forty_nine_of_sixty() -> None:
    """Proves: 49 of the 60 minerals of the list can be planned; each of the others says why not, and where to look."""
    rows = data().rows("listed_minerals")
    assert len(rows) == 60
    assert len(listed()) == 49
    told = {row.item for row in data().rows("not_planned") if row.kind == "mineral"}
    assert told == {row.mineral for row in rows if not row.materials}
    assert all(row.why and row.next_source for row in data().rows("not_planned"))


@pytest.mark.parametrize("mineral", listed())
def test_a_mineral_that_is_planned_can_go_short(mineral: str) -> None:
    row = next(row for row in data().rows("listed_minerals") if row.mineral == mineral)
    plan = alone(row.materials, "USA" if mineral in AT_HOME else "*")
    instance = build_instance(plan, data())
    wanted = {instance.materials[i] for i in instance.demand_material}
    assert wanted & set(row.materials.split()), "demand"
    made = {c for c, y in zip(instance.country, instance.yields, strict=True) if y.max() > 0} - {"OTH"}
    assert len(made) >= 2 or made == {"CHN"} or mineral in IN_ONE_ROW, (
        "two producing countries, or the Chinese monopoly"
    )
    named = {of for hazard in data().rows("hazards") for of in hazard.materials.split()}
    assert "*" in named, "a war cuts everything"
    assert bool(set(row.materials.split()) & named) != (mineral in WAR_ALONE), "a hazard of its own, or the war alone"
    problem = prepare(plan, data())
    found = solve(plan, data(), gap=1e-4, quick=True)
    assert found.audited.passed
    assert found.tables["scenario_losses"].loss_without_plan_musd.max() > 0, "it goes short without a reserve"
    short = complete(plan, data())
    gaps = short.tables["gaps"]
    gaps = gaps[gaps.material.isin(wanted)]
    assert not [table for table in gaps.table if table in ("demand", "prices", "loss_functions", "yields")]
    lost = problem.natural.tier_loss
    assert (lost > 0).all(), "a loss"
