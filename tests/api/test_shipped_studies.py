"""Shipped studies ask what they say: every point is a question that can be asked of the plans it is for."""

from __future__ import annotations

import pytest

from strategic_minerals import PlanError, check, load_dataset, load_plan, shipped
from strategic_minerals.question.consistency import check_data
from strategic_minerals.question.names import edited
from strategic_minerals.question.read_toml import load_as
from strategic_minerals.studies.sweep_file import SweepFile

FOR = {"variants": ("rare-earths", "critical-minerals"), "vault": ("vault",)}
ASKED = [(study, plan) for study, plans in FOR.items() for plan in plans]


@pytest.fixture(scope="module")
def data():
    return load_dataset(shipped("inputs"))


def points(study):
    return load_as(SweepFile, shipped("models") / "studies" / f"{study}.toml").points


def test_every_study_is_looked_at():
    assert {path.stem for path in (shipped("models") / "studies").glob("*.toml")} == set(FOR)


@pytest.mark.parametrize(("study", "name"), ASKED)
def test_every_point_is_a_question_without_a_fault_and_another_than_the_plan(study, name, data):
    plan = load_plan(shipped("models") / f"{name}.toml")
    for point in points(study):
        asked, tables = edited(plan, data, point)
        assert check_data(asked, tables) == [], point
        assert asked != plan or any(tables.tables[table] != data.tables[table] for table in data.tables), point


def test_a_point_may_set_a_whole_list_of_entries(data):
    """Proves: the variant of one floor alone has that floor and no other, no stock, no contract and no package."""
    (alone,) = [point for point in points("variants") if point.get("instruments.reserve") is False]
    plan, _ = edited(load_plan(shipped("models") / "rare-earths.toml"), data, alone)
    (menu,) = plan.instruments.price_floors
    assert (menu.material, menu.levels_usd_per_kg, menu.kind, menu.scope) == (
        "ndpr_oxide",
        (110.0,),
        "contract",
        "project",
    )
    assert plan.instruments.packages == ("none",)
    assert plan.instruments.contract_years == ()
    assert not plan.instruments.reserve


def test_every_named_loss_and_price_set_is_asked_for(data):
    """Proves: a loss function or a price set that is added to the tables is missed here."""
    plan = load_plan(shipped("models") / "rare-earths.toml")
    asked = points("variants")
    losses = {row.loss_function for row in data.rows("loss_functions")}
    assert {point["loss_function"] for point in asked if "loss_function" in point} | {plan.loss_function} == losses
    prices = {row.price_set for row in data.rows("prices")}
    assert {point["price_set"] for point in asked if "price_set" in point} | {plan.price_set} == prices


def test_a_star_between_dots_is_every_entry_of_a_list(data):
    plan = load_plan(shipped("models") / "vault.toml")
    asked, _ = edited(plan, data, {"days_of_cover.*.days *": 0.5, "days_of_cover.*.from_year": 2030})
    assert {(rule.days, rule.from_year) for rule in asked.days_of_cover} == {(30.0, 2030)}
    assert [rule.material for rule in asked.days_of_cover] == [rule.material for rule in plan.days_of_cover]
    with pytest.raises(PlanError, match=r"no entries of 'service_levels'"):
        edited(plan, data, {"service_levels.*.level": 0.5})


@pytest.mark.slow
def test_many_materials_whose_price_beats_their_loss_are_one_note(data):
    """Proves: what the tables say by construction of forty materials is no forty doubts; of a few each has its own."""
    many = [
        note for note in check(load_plan(shipped("models") / "vault.toml"), data).notes if "the crisis price" in note
    ]
    assert len(many) == 1
    assert int(many[0].partition(" materials: ")[0]) > 6
    few = [
        note
        for note in check(load_plan(shipped("models") / "rare-earths.toml"), data).notes
        if "the crisis price" in note
    ]
    assert 1 < len(few) <= 6
