"""Plans, tables, workbooks and studies state one format: with it, or without a word of it, they are read; any other is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from conftest import Cli
from strategic_minerals import InputError, Plan, PlanError, load_dataset, load_plan, shipped
from strategic_minerals.answer.manifest import sealed, spelled
from strategic_minerals.answer.study import Study
from strategic_minerals.question.read_csv import STAMP, write_dataset
from strategic_minerals.question.workbook import load_workbook, write_workbook

QUICKSTART = shipped("models") / "quickstart.toml"
ONLY = "format 1, the only one that this version reads"


def test_a_plan_and_its_tables_may_state_the_format(tmp_path: Path) -> None:
    """Proves: with the format and without it a plan is the same, and so are tables."""
    plan, data = load_plan(QUICKSTART), load_dataset(shipped("inputs"))
    (tmp_path / "plan.toml").write_text("format = 1\n" + QUICKSTART.read_text(encoding="utf-8"), encoding="utf-8")
    assert load_plan(tmp_path / "plan.toml") == plan
    write_dataset(data, tmp_path)
    stated = load_dataset(tmp_path)
    assert "format = 1" in (tmp_path / STAMP).read_text(encoding="utf-8")
    (tmp_path / STAMP).unlink()
    assert load_dataset(tmp_path).tables == stated.tables


def test_a_plan_of_another_format_is_refused_with_one_fault(tmp_path: Path, cli: Cli) -> None:
    """Proves: the fault has the line of the format, and no other field is blamed; a dictionary is refused too."""
    file = tmp_path / "plan.toml"
    file.write_text('name = "x"\nformat = 2\nwhatever_comes = 1\n', encoding="utf-8")
    with pytest.raises(PlanError) as error:
        load_plan(file)
    (fault,) = error.value.faults
    assert (fault.file, fault.row, fault.column) == ("plan.toml", "2", "format")
    assert (fault.found, fault.expected) == ("format 2", ONLY)
    said = cli("check", file, "--tables", "shipped")
    assert (said.returncode, ONLY in said.stderr) == (2, True)
    with pytest.raises(ValueError, match="less than or equal to 1"):
        Plan.model_validate({**load_plan(QUICKSTART).to_toml_like(), "format": 2})


@pytest.mark.parametrize("stated", ["0", "2", "1.5", '"one"', "true"])
def test_anything_but_the_format_is_refused(stated: str, tmp_path: Path) -> None:
    """Proves: of plans and of tables, another number and no number are one fault with file, line and what is expected."""
    text = QUICKSTART.read_text(encoding="utf-8")
    (tmp_path / "plan.toml").write_text(f"format = {stated}\n{text}", encoding="utf-8")
    with pytest.raises(PlanError) as refused:
        load_plan(tmp_path / "plan.toml")
    write_dataset(load_dataset(shipped("inputs")), tmp_path)
    (tmp_path / STAMP).write_text(f"# one\nformat = {stated}\n", encoding="utf-8")
    (tmp_path / "prices.csv").write_text("what,comes\n1,2\n", encoding="utf-8")
    with pytest.raises(InputError) as also:
        load_dataset(tmp_path)
    (plan,), (tables,) = refused.value.faults, also.value.faults
    assert (plan.file, plan.row, plan.column, plan.expected) == ("plan.toml", "1", "format", ONLY)
    assert (tables.file, tables.row, tables.column, tables.expected) == (STAMP, "2", "format", ONLY)


def test_a_workbook_of_another_format_is_refused(tmp_path: Path) -> None:
    """Proves: a book states the format on its sheet `plan`, and the fault names the cell."""
    openpyxl = pytest.importorskip("openpyxl")
    path = tmp_path / "plan.xlsx"
    write_workbook(load_plan(QUICKSTART), load_dataset(shipped("inputs")), path)
    book = openpyxl.load_workbook(path)
    (row,) = [cells for cells in book["plan"].iter_rows() if cells[0].value == "format"]
    assert row[1].value == 1
    row[1].value = 2
    book.save(path)
    with pytest.raises(PlanError) as error:
        load_workbook(path)
    (fault,) = error.value.faults
    assert (fault.row, fault.column, fault.found, fault.expected) == (row[1].coordinate, "format", "format 2", ONLY)


def test_a_study_of_another_format_is_refused(tmp_path: Path) -> None:
    """Proves: a seal that states another format, with a digest of its own, is refused."""
    study = tmp_path / "run" / "analyses" / "stress"
    study.parent.mkdir(parents=True)
    (tmp_path / "run" / "manifest.json").write_text('{"schema_version": 1, "digest": "x"}', encoding="utf-8")
    Study("stress", {"events": pd.DataFrame({"a": [1]})}).save(study)
    assert list(Study.load(study).tables) == ["events"]
    seal = json.loads((study / "seal.json").read_text(encoding="utf-8"))
    (study / "seal.json").write_text(spelled(sealed({**seal, "schema_version": 2})), encoding="utf-8")
    with pytest.raises(InputError) as error:
        Study.load(study)
    (fault,) = error.value.faults
    assert (fault.file, fault.column, fault.expected) == ("analyses/stress/seal.json", "schema_version", ONLY)
