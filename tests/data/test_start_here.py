"""The sheet `start here`: questions in plain words fill a plan and its tables; empty answers change nothing."""

from __future__ import annotations

import math
import re
from functools import cache
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from strategic_minerals import Dataset, Plan, PlanError, load_dataset, load_plan, shipped
from strategic_minerals.question.consistency import check_data
from strategic_minerals.question.tables import EVIDENCE
from strategic_minerals.question.workbook import load_workbook, write_workbook
from strategic_minerals.question.workbook_start import START, answered, questions, read_answers
from support.tiny import source, tiny

near = pytest.approx
ALL_ON = {
    "materials": "Gallium; GERMANIUM",
    "first year": 2027,
    "years": 8,
    "budget a year (million USD)": 200,
    "licence stop: use it (yes or no)": "yes",
    "licence stop: materials": "gallium germanium",
    "licence stop: country": "China",
    "own project: country": "Japan",
    "own project: use it (yes or no)": "Yes",
    "own project: material": "gallium",
    "own project: tonnes a year": 30,
    "price floor: use it (yes or no)": True,
    "price floor: material": "gallium",
    "price floor: levels (USD/kg)": "450, 550",
    "promise: use it (yes or no)": "yes",
    "promise: material": "gallium",
    "promise: user": "Essential",
    "promise: share served (%)": "90 %",
    "promise: year of the stop": 2031,
}


@cache
def japan() -> tuple[Plan, Dataset]:
    """A shipped plan with its tables but those of evidence, of which there is no question."""
    plan = load_plan(shipped("models") / "japan.toml")
    tables = load_dataset(shipped("inputs"), plan.home).tables
    return plan, Dataset({name: rows for name, rows in tables.items() if name not in EVIDENCE})


def answered_in_memory(plan: Plan, data: Dataset, answers: dict[str, Any]) -> tuple[Plan, Dataset]:
    """Plan and tables after answers, each in the row of its question, as a workbook without the workbook."""
    asked = questions(plan, data)
    cells = [("question", "answer"), *((one.text, answers.get(one.text, one.ready)) for one in asked)]
    assert answers.keys() <= {one.text for one in asked}
    filled = [tuple("" if cell is None else cell for cell in row) for row in cells]
    return answered(plan, data, read_answers(f"plan.xlsx, sheet {START}", filled, asked))


def test_an_answer_in_a_workbook_is_read_and_none_changes_nothing(tmp_path: Path) -> None:
    asked, tables = tiny({"a": 10.0}, sources={"far": source("CHN", "a", 10.0)}, demand={"a": 10.0})
    write_workbook(asked, tables, path := tmp_path / "plan.xlsx")
    assert load_workbook(path)[0] == asked
    opened = openpyxl.load_workbook(path)
    (answer,) = [row[1] for row in opened[START].iter_rows() if row[0].value == "years"]
    answer.value = 2
    opened.save(path)
    assert load_workbook(path)[0].horizon.years == 2
    answer.value = "many"
    opened.save(path)
    with pytest.raises(PlanError, match=f"sheet start here:{answer.coordinate} +years +found 'many'"):
        load_workbook(path)


def test_answers_fill_the_plan_and_add_what_is_the_planners_own() -> None:
    """Proves: names and capitals that people write are the codes of the tables; figures arrive in the units of the plan."""
    plan, data = answered_in_memory(*japan(), ALL_ON)
    assert plan.materials == ("gallium", "germanium")
    assert (plan.horizon.first_year, plan.horizon.years, plan.budget.appropriation_musd) == (2027, 8, 200)
    # twenty per cent a year that one begins
    (hazard,) = [row for row in data.rows("hazards") if row.hazard == "own_stop"]
    assert 1 - math.exp(-hazard.rate_per_yr) == near(0.2)
    assert (hazard.duration_yr, hazard.cut_share, hazard.materials) == (1.0, 0.75, "gallium germanium")
    assert hazard.countries == "CHN"
    (project,) = [row for row in data.rows("projects") if row.project == "own_project"]
    assert (project.country, project.capacity_t_per_yr, project.hurdle_rate) == ("JPN", 30.0, 0.12)
    assert [(row.material, row.yield_t_per_t) for row in data.rows("yields") if row.producer == "own_project"] == [
        ("gallium", 1.0)
    ]
    (floor,) = plan.instruments.price_floors  # the plan's own on gallium is replaced, that on dysprosium is of no plan
    assert (floor.material, floor.levels_usd_per_kg, floor.term_years) == ("gallium", (450.0, 550.0), 10.0)
    (level,) = plan.service_levels
    assert (level.material, level.segment, level.level, level.scenarios) == ("gallium", "essential", 0.9, ("own-stop",))
    assert plan.scenarios[-1].events[0].start_year == 2031
    assert {rule.material for rule in plan.days_of_cover} == {"gallium", "germanium"}
    assert check_data(plan, data) == []


def test_a_stop_is_drawn_where_it_is_asked_for_and_a_promise_needs_none() -> None:
    plan, data = answered_in_memory(*japan(), {**ALL_ON, "licence stop: use it (yes or no)": "n"})
    assert "own_stop" not in {row.hazard for row in data.rows("hazards")}
    assert plan.scenarios[-1].events[0].cut_share == 0.75
    answers = {"licence stop: use it (yes or no)": 1, "licence stop: materials": "*"}
    plan, _ = answered_in_memory(load_plan(shipped("models") / "quickstart.toml"), japan()[1], answers)
    assert plan.sample is not None
    assert plan.sample.hazards == ("own_stop",)


WRONG: list[tuple[dict[str, Any], list[str]]] = [
    (
        {"materials": "galium", "years": "many", "own project: use it (yes or no)": "perhaps"},
        [
            r"sheet start here:B\d+ +materials +found 'galium'.*did you mean 'gallium'",
            r"years +found 'many'; expected a number from 1 to 60",
            r"found 'perhaps'; expected yes or no",
        ],
    ),
    (
        {
            **ALL_ON,
            "own project: country": "Atlantis",
            "own project: cash cost (USD/kg)": None,
            "price floor: levels (USD/kg)": "450, x",
            "promise: user": "makers",
            "promise: year of the stop": 2090,
            "promise: share served (%)": 0.9,
        },
        [
            r"country +found 'Atlantis'; expected codes of the sheet countries",
            r"cash cost \(USD/kg\) +found an empty cell; expected an answer",
            r"found '450, x'; expected numbers above 0",
            r"promise: user +found 'makers'; expected a segment with demand for gallium: ",
            r"year of the stop +found '?2090'?; expected a year from 2028 to 2034",
            r"found '0.9'; expected a percentage, such as 90 \(0.9 would be 0.9 %\)",
        ],
    ),
]


def test_faults_name_the_cell_of_the_answer_and_all_come_at_once() -> None:
    plan, data = japan()
    for answers, every in WRONG:
        with pytest.raises(PlanError) as error:
            answered_in_memory(plan, data, answers)
        for said in every:
            assert re.search(said, str(error.value)), (said, str(error.value))
