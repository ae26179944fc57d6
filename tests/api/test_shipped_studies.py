"""Shipped studies ask what they say: every point is a question that can be asked of the plans it is for."""

from typing import Any

import pytest

from strategic_minerals import Plan, PlanError, load_dataset, load_plan, shipped
from strategic_minerals.question.consistency import check_data
from strategic_minerals.question.names import edited
from strategic_minerals.question.read_toml import read_as
from strategic_minerals.studies.sweep_file import SweepFile

FOR = {"variants": ("rare-earths", "critical-minerals"), "vault": ("vault",)}
ASKED = [(study, plan) for study, plans in FOR.items() for plan in plans]
DATA = load_dataset(shipped("inputs"))


def points(study: str) -> Any:
    return read_as(SweepFile, shipped("models") / "studies" / f"{study}.toml")[0].points


def plan_of(name: str) -> Plan:
    return load_plan(shipped("models") / f"{name}.toml")


def test_every_study_is_looked_at() -> None:
    assert {path.stem for path in (shipped("models") / "studies").glob("*.toml")} == set(FOR)


@pytest.mark.long
@pytest.mark.parametrize(("study", "name"), ASKED)
def test_every_point_is_a_question_without_a_fault_and_another_than_the_plan(study: str, name: str) -> None:
    plan = plan_of(name)
    for point in points(study):
        asked, tables = edited(plan, DATA, point)
        assert check_data(asked, tables) == [], point
        assert asked != plan or any(tables.tables[table] != DATA.tables[table] for table in DATA.tables), point


def test_every_named_loss_and_price_set_is_asked_for() -> None:
    """Proves: a loss function or a price set that is added to the tables is missed here."""
    plan = plan_of("rare-earths")
    for key, table in (("loss_function", "loss_functions"), ("price_set", "prices")):
        asked = {point[key] for point in points("variants") if key in point} | {getattr(plan, key)}
        assert asked == {getattr(row, key) for row in DATA.rows(table)}


def test_a_point_may_set_a_whole_list_or_every_entry_of_one() -> None:
    """Proves: the variant of one floor alone has that floor and no other, and no stock; a star between dots is every entry."""
    (alone,) = [point for point in points("variants") if point.get("instruments.reserve") is False]
    plan, _ = edited(plan_of("rare-earths"), DATA, alone)
    (menu,) = plan.instruments.price_floors
    assert (menu.material, menu.levels_usd_per_kg, plan.instruments.packages) == ("ndpr_oxide", (110.0,), ("none",))
    vault = plan_of("vault")
    asked, _ = edited(vault, DATA, {"days_of_cover.*.days *": 0.5, "days_of_cover.*.from_year": 2030})
    assert {(rule.days, rule.from_year) for rule in asked.days_of_cover} == {(30.0, 2030)}
    assert [rule.material for rule in asked.days_of_cover] == [rule.material for rule in vault.days_of_cover]
    with pytest.raises(PlanError, match=r"no entries of 'service_levels'"):
        edited(vault, DATA, {"service_levels.*.level": 0.5})
