"""Which minerals of the official list can be planned: each has demand, a price and a loss, and can go short."""

import pytest

from strategic_minerals import Plan, load_plan, shipped, solve
from strategic_minerals.question.read_csv import shipped_tables
from strategic_minerals.studies.cases import complete
from strategic_minerals.world.build import build_instance

AT_HOME = {"beryllium", "lithium", "zirconium"}
"""Minerals of which the United States makes what it uses (lithium once Thacker Pass runs): they go short if its own plants stop."""


def listed() -> list[str]:
    return [row.mineral for row in shipped_tables().rows("listed_minerals") if row.materials]


def alone(materials: str, countries: str) -> Plan:
    """A plan of a mineral alone: for three years nothing comes from the countries. Nothing may be bought, signed or supported."""
    stop = {"start_year": 2028.0, "duration_years": 3.0, "countries": countries, "materials": "*", "cut_share": 1.0}
    changes = {
        "materials": materials.split(),
        "horizon": {"first_year": 2027, "years": 5, "tail_years": 0},
        "budget": {"appropriation_musd": 0},
        "instruments": {"reserve": False, "packages": ["none"]},
        "scenarios": [{"name": "stop", "probability": 0.5, "events": [{**stop, "price_multiplier": 1.0}]}],
    }
    told = load_plan(shipped("models") / "quickstart.toml").to_toml_like()
    kept = ("name", "price_year", "price_set", "loss_function", "discount_rate")
    return Plan.model_validate({name: told[name] for name in kept} | changes)


def test_forty_nine_of_sixty() -> None:
    """Proves: 49 of the 60 minerals of the list can be planned; each of the others says why not, and where to look."""
    rows = shipped_tables().rows("listed_minerals")
    assert len(rows) == 60
    assert len(listed()) == 49
    told = {row.item for row in shipped_tables().rows("not_planned") if row.kind == "mineral"}
    assert told == {row.mineral for row in rows if not row.materials}
    assert all(row.why and row.next_source for row in shipped_tables().rows("not_planned"))


QUICK = ("beryllium", "gallium", "copper")
"""One of which home makes what it uses, one that controls have cut, one that a war alone would cut."""


@pytest.mark.parametrize(
    "mineral", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in listed()]
)
def test_a_mineral_that_is_planned_can_go_short(mineral: str) -> None:
    row = next(row for row in shipped_tables().rows("listed_minerals") if row.mineral == mineral)
    plan = alone(row.materials, "USA" if mineral in AT_HOME else "*")
    instance = build_instance(plan, shipped_tables())
    wanted = {instance.materials[i] for i in instance.demand_material}
    assert wanted & set(row.materials.split()), "demand"
    found = solve(plan, shipped_tables(), gap=1e-4, quick=True)
    assert found.audited.passed
    assert found.tables["scenario_losses"].loss_without_plan_musd.max() > 0, "it goes short without a reserve"
    gaps = complete(plan, shipped_tables()).tables["gaps"]
    assert not {"demand", "prices", "loss_functions", "yields"} & set(gaps.table[gaps.material.isin(wanted)])
