"""The sheet `start here`: questions in plain words fill a plan and its tables; empty answers change nothing."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from strategic_minerals import Dataset, Plan, PlanError, check, load_dataset, load_plan, shipped, solve
from strategic_minerals.question.workbook import load_workbook, write_workbook
from strategic_minerals.question.workbook_start import START, questions

near = pytest.approx
ALL_ON = {
    "materials": "gallium; germanium",
    "first year": 2027,
    "years": 8,
    "budget a year (million USD)": 200,
    "licence stop: use it (yes or no)": "yes",
    "licence stop: materials": "gallium germanium",
    "own project: use it (yes or no)": "Yes",
    "own project: material": "gallium",
    "own project: tonnes a year": 30,
    "price floor: use it (yes or no)": True,
    "price floor: material": "gallium",
    "price floor: levels (USD/kg)": "450, 550",
    "promise: use it (yes or no)": "yes",
    "promise: material": "gallium",
    "promise: user": "essential",
    "promise: share served (%)": "90 %",
    "promise: year of the stop": 2031,
}


def book(tmp_path: Path, answers: dict[str, Any], plan: str = "japan") -> Path:
    """A workbook of a shipped plan, answered by another program."""
    asked = load_plan(shipped("models") / f"{plan}.toml")
    path = tmp_path / "plan.xlsx"
    write_workbook(asked, load_dataset(shipped("inputs"), asked.home), path)
    opened = openpyxl.load_workbook(path)
    left = dict(answers)
    for row in opened[START].iter_rows():
        if row[0].value in left:
            row[1].value = left.pop(row[0].value)
    assert not left
    opened.save(path)
    return path


def test_a_book_opens_on_the_questions_and_is_the_plan_where_nothing_is_answered(tmp_path: Path) -> None:
    path = book(tmp_path, {})
    opened = openpyxl.load_workbook(path)
    assert opened.sheetnames[0] == opened.active.title == START
    assert opened[START]["A1"].value == "A plan for Japan: question"
    assert any(rule.formula1 == '"yes,no"' for rule in opened[START].data_validations.dataValidation)
    assert load_workbook(path)[0] == load_plan(shipped("models") / "japan.toml")


def test_the_sheet_says_that_ready_figures_are_examples(tmp_path: Path) -> None:
    """Proves: nobody takes a figure that stands there ready, such as 20 % a year, for one that somebody has published."""
    rows = openpyxl.load_workbook(book(tmp_path, {}))[START].iter_rows(values_only=True)
    told = {str(row[0]): str(row[2]) for row in rows if str(row[0]).endswith(": use it (yes or no)")}
    assert len(told) == 4
    assert all(text.endswith("The answers below are examples, no facts: replace them.") for text in told.values())


def test_answers_fill_the_plan_and_add_what_is_the_planners_own(tmp_path: Path) -> None:
    plan, data = load_workbook(book(tmp_path, ALL_ON))
    assert plan.materials == ("gallium", "germanium")
    assert (plan.horizon.first_year, plan.horizon.years, plan.budget.appropriation_musd) == (2027, 8, 200)
    # twenty per cent a year that one begins
    (hazard,) = [row for row in data.rows("hazards") if row.hazard == "own_stop"]
    assert 1 - math.exp(-hazard.rate_per_yr) == near(0.2)
    assert (hazard.duration_yr, hazard.cut_share, hazard.materials) == (1.0, 0.75, "gallium germanium")
    (project,) = [row for row in data.rows("projects") if row.project == "own_project"]
    assert (project.capacity_t_per_yr, project.hurdle_rate, project.source) == (30.0, 0.12, "sheet start here")
    assert [(row.material, row.yield_t_per_t) for row in data.rows("yields") if row.producer == "own_project"] == [
        ("gallium", 1.0)
    ]
    (floor,) = (
        plan.instruments.price_floors
    )  # the plan's own on gallium is replaced, that on dysprosium is about another material
    assert (floor.material, floor.levels_usd_per_kg, floor.term_years) == ("gallium", (450.0, 550.0), 10.0)
    (level,) = plan.service_levels
    assert (level.material, level.segment, level.level, level.scenarios) == ("gallium", "essential", 0.9, ("own-stop",))
    assert plan.scenarios[-1].events[0].start_year == 2031
    assert {rule.material for rule in plan.days_of_cover} == {"gallium", "germanium"}
    assert check(plan, data).faults == ()


def test_a_promise_needs_no_stop_that_is_drawn(tmp_path: Path) -> None:
    plan, data = load_workbook(book(tmp_path, {**ALL_ON, "licence stop: use it (yes or no)": "no"}))
    assert "own_stop" not in {row.hazard for row in data.rows("hazards")}
    assert plan.scenarios[-1].events[0].cut_share == 0.75


def test_a_plan_without_scenarios_of_its_own_draws_the_stop(tmp_path: Path) -> None:
    answers = {"licence stop: use it (yes or no)": "yes", "licence stop: materials": "*"}
    plan, data = load_workbook(book(tmp_path, answers, "quickstart"))
    assert plan.sample is not None
    assert plan.sample.hazards == ("own_stop",)
    assert check(plan, data).faults == ()


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"materials": "galium"}, r"sheet start here:B\d+ +materials +found 'galium'.*did you mean 'gallium'"),
        ({"years": "many"}, r"years +found 'many'; expected a number from 1 to 60"),
        ({"own project: use it (yes or no)": "perhaps"}, r"found 'perhaps'; expected yes or no"),
        (
            {**ALL_ON, "own project: country": "Atlantis"},
            r"country +found 'Atlantis'; expected codes of the sheet countries",
        ),
        (
            {**ALL_ON, "own project: cash cost (USD/kg)": None},
            r"cash cost \(USD/kg\) +found an empty cell; expected an answer",
        ),
        (
            {**ALL_ON, "promise: user": "makers"},
            r"promise: user +found 'makers'; expected a segment with demand for gallium: ",
        ),
        ({**ALL_ON, "price floor: levels (USD/kg)": "450, x"}, r"found '450, x'; expected numbers above 0"),
        (
            {**ALL_ON, "promise: year of the stop": 2090},
            r"year of the stop +found '?2090'?; expected a year from 2028 to 2034",
        ),
        (
            {**ALL_ON, "promise: share served (%)": 0.9},
            r"found '0.9'; expected a percentage, such as 90 \(0.9 would be 0.9 %\)",
        ),
        (
            {**ALL_ON, "own project: material": "ndpr_oxide"},
            r"material +found 'ndpr_oxide'; expected one of the plan's materials: gallium, germ",
        ),
    ],
)
def test_faults_name_the_cell_of_the_answer(answers: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = book(tmp_path, answers)
    with pytest.raises(PlanError, match=said):
        solve(*load_workbook(path), quick=True)


def test_all_answers_that_are_wrong_are_told_at_once(tmp_path: Path) -> None:
    wrong = {**ALL_ON, "years": "many", "own project: country": "Atlantis", "price floor: material": "galium"}
    path = book(tmp_path, wrong)
    with pytest.raises(PlanError, match=r"(?s)3 faults.*many.*Atlantis.*galium"):
        load_workbook(path)


def test_names_stand_for_codes(tmp_path: Path) -> None:
    """Proves: names and capitals that people write are the codes of the tables."""
    written = {
        **ALL_ON,
        "materials": "Gallium, GERMANIUM",
        "licence stop: country": "China",
        "own project: country": "Japan",
    }
    plan, data = load_workbook(book(tmp_path, {**written, "promise: user": "Essential"}))
    assert plan.materials == ("gallium", "germanium")
    assert next(row.countries for row in data.rows("hazards") if row.hazard == "own_stop") == "CHN"
    assert next(row.country for row in data.rows("projects") if row.project == "own_project") == "JPN"
    assert plan.service_levels[0].segment == "essential"


def test_a_question_that_was_changed_is_told(tmp_path: Path) -> None:
    path = book(tmp_path, {})
    opened = openpyxl.load_workbook(path)
    (cell,) = [row[0] for row in opened[START].iter_rows() if row[0].value == "years"]
    cell.value = "how many years"
    cell.offset(0, 1).value = 5
    opened.save(path)
    with pytest.raises(PlanError, match="another question; expected a question of this sheet as it was written"):
        load_workbook(path)


def test_every_question_has_an_answer_that_is_ready_or_may_be_empty() -> None:
    """Proves: whoever turns a block on has a figure in every row of it, for every shipped plan of one home."""
    for file in sorted(shipped("models").glob("*.toml")):
        plan: Plan = load_plan(file)
        data: Dataset = load_dataset(shipped("inputs"), plan.home)
        for question in questions(plan, data):
            assert question.ready not in (None, "") or not question.block, question.text
