"""Workbooks: what goes in comes out, faults name their cell, text stays text, bombs are refused."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter

from strategic_minerals import Dataset, InputError, PlanError, load_dataset, load_plan, shipped, solve
from strategic_minerals.answer.run_folder import write_results
from strategic_minerals.question.consistency import check_data
from strategic_minerals.question.dataset import cell_name
from strategic_minerals.question.workbook import PLAN, READ_ME, load_workbook, write_workbook
from strategic_minerals.question.workbook_start import START
from support.one_mineral import one_mineral
from support.tiny import offer, source, tiny


@pytest.mark.parametrize("name", sorted(path.stem for path in shipped("models").glob("*.toml")))
def test_a_shipped_plan_comes_back_as_it_went(name: str, tmp_path: Path) -> None:
    """Proves: every shipped plan survives a workbook without loss, and so do all tables, which are the same for each."""
    plan = load_plan(shipped("models") / f"{name}.toml")
    data = load_dataset(shipped("inputs"), plan.home)
    if name != "quickstart":
        data = Dataset({table: data.rows(table) for table in ("materials", "countries")})
    write_workbook(plan, data, tmp_path / "plan.xlsx")
    again, tables = load_workbook(tmp_path / "plan.xlsx")
    assert again == plan
    assert {table: tables.rows(table) for table in data.tables} == {table: data.rows(table) for table in data.tables}


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A small plan whose texts a spreadsheet would like to read otherwise."""
    plan, data = tiny(
        {"a": 10.0},
        sources={"far": source("CHN", "a", 10.0)},
        demand={"a": 10.0},
        offers={"spot": offer("a", 5.0)},
        money={2027: 10.0, 2028: 20.5},
    )
    frames = {name: data.frame(name) for name in data.tables}
    frames["materials"] = frames["materials"].assign(name="=1+1", basis="NA", note="007")
    frames["offers"] = frames["offers"].assign(note='=HYPERLINK("http://x")', source="2024-03-01")
    frames["countries"] = frames["countries"].assign(name=["NO", "NA", "TRUE"])
    write_workbook(plan, type(data).from_tables(frames), tmp_path / "plan.xlsx")
    return tmp_path / "plan.xlsx"


def test_text_stays_text(book: Path) -> None:
    """Proves R32, R33: NA, NO, leading zeros, dates and formulas as text come back as they were, and no cell is
    a formula or a link."""
    plan, data = load_workbook(book)
    row = data.rows("materials")[0]
    assert (row.name, row.basis, row.note) == ("=1+1", "NA", "007")
    assert [row.name for row in data.rows("countries")] == ["NO", "NA", "TRUE"]
    assert (data.rows("offers")[0].note, data.rows("offers")[0].source) == ('=HYPERLINK("http://x")', "2024-03-01")
    assert plan.budget.appropriation_musd == {2027: 10.0, 2028: 20.5}
    opened = openpyxl.load_workbook(book)
    kinds = {cell.data_type for sheet in opened for row in sheet.iter_rows() for cell in row}
    assert "f" not in kinds
    assert not any(cell.hyperlink for sheet in opened for row in sheet.iter_rows() for cell in row)


def test_a_template_helps_to_fill_it_in(book: Path) -> None:
    """Proves: a read-me sheet, notes on headers, drop-downs where a column knows its values, headers locked and cells open."""
    opened = openpyxl.load_workbook(book)
    assert opened.sheetnames[:3] == [START, READ_ME, PLAN]
    sheet = opened["offers"]
    assert sheet.protection.sheet
    assert sheet["A1"].protection.locked
    assert not sheet["A2"].protection.locked
    assert any(cell.comment for cell in sheet[1])
    assert any("estimate" in str(rule.formula1) for rule in sheet.data_validations.dataValidation)


def changed(book: Path, sheet: str, cell: str, value: Any) -> Path:
    """The book with one cell changed by another program."""
    opened = openpyxl.load_workbook(book)
    opened[sheet][cell] = value
    opened.save(book)
    return book


def cell_of(book: Path, sheet: str, text: str, column: int = 0) -> str:
    """Address of the cell beside a text."""
    rows = openpyxl.load_workbook(book)[sheet].iter_rows()
    return next(cell_name(cell.row, cell.column - 1 + column) for row in rows for cell in row if cell.value == text)


def test_faults_name_sheet_and_cell(book: Path) -> None:
    """Proves: a wrong value of a table, an unknown column, a misspelt field and a wrong value of the plan, all at once."""
    column = cell_of(book, "offers", "depth_t_per_yr")[0]
    changed(book, "offers", f"{column}2", -5.0)
    at = cell_of(book, PLAN, "discount_rate", 1)
    changed(book, PLAN, at, 7.0)
    field = cell_of(book, PLAN, "horizon.years")
    changed(book, PLAN, field, "horizon.yeers")
    with pytest.raises(PlanError) as error:
        load_workbook(book)
    said = str(error.value)
    assert f"plan.xlsx, sheet offers:{column}2" in said
    assert f"plan.xlsx, sheet plan:{at}" in said
    assert "did you mean 'years'" in said


def test_a_sheet_that_is_no_table_is_told(book: Path) -> None:
    """Proves: unknown sheets and a missing plan are faults."""
    opened = openpyxl.load_workbook(book)
    opened.create_sheet("offerss")
    del opened[PLAN]
    opened.save(book)
    with pytest.raises(PlanError) as error:
        load_workbook(book)
    assert "did you mean 'offers'" in str(error.value)
    assert "a sheet with one field of the plan per row" in str(error.value)


def test_a_bomb_is_refused_unopened(tmp_path: Path) -> None:
    """Proves R34: a small file that unpacks to half a gigabyte, and one that is no zip, are refused before they are read."""
    packed = zipfile.ZIP_DEFLATED
    with (
        zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", packed) as book,
        book.open("xl/worksheets/sheet1.xml", "w") as part,
    ):
        for _ in range(500):
            part.write(b"0" * 1_000_000)
    with pytest.raises(InputError, match="bytes unpacked"):
        load_workbook(tmp_path / "bomb.xlsx")
    (tmp_path / "text.xlsx").write_text("no workbook")
    with pytest.raises(InputError, match="a workbook"):
        load_workbook(tmp_path / "text.xlsx")


def test_numbers_and_lists_of_the_plan_sheet(tmp_path: Path) -> None:
    """Proves: a book written by hand: whole numbers as floats, lists in brackets, entries of lists by number, notes to the
    right."""
    plan, data = one_mineral(110.0)
    write_workbook(plan, data, tmp_path / "made.xlsx")
    book = xlsxwriter.Workbook(str(tmp_path / "hand.xlsx"))
    sheet = book.add_worksheet(PLAN)
    made = openpyxl.load_workbook(tmp_path / "made.xlsx")
    for number, row in enumerate(made[PLAN].iter_rows(values_only=True)):
        value = float(row[1]) if isinstance(row[1], int) and not isinstance(row[1], bool) else row[1]
        sheet.write_row(number, 0, [row[0], value, "a note"])
    book.close()
    both = openpyxl.load_workbook(tmp_path / "hand.xlsx")
    for name in made.sheetnames[3:]:
        target = both.create_sheet(name)
        for row in made[name].iter_rows(values_only=True):
            target.append(row)
    both.save(tmp_path / "hand.xlsx")
    again, tables = load_workbook(tmp_path / "hand.xlsx", {"discount_rate": 0.02})
    assert again == plan.model_copy(update={"discount_rate": 0.02})
    assert tables.rows("projects") == data.rows("projects")


def test_results_as_a_book(tmp_path: Path) -> None:
    """Proves: the summary and every table, numbers as numbers."""
    result = solve(*one_mineral(110.0), gap=0.0, quick=True)
    write_results(result, tmp_path / "out.xlsx")
    opened = openpyxl.load_workbook(tmp_path / "out.xlsx")
    assert set(opened.sheetnames) == {"summary", *result.tables}
    rows = list(opened["budget"].iter_rows(values_only=True))
    assert len(rows) == 1 + len(result.tables["budget"])
    assert isinstance(rows[1][1], int | float)


@pytest.mark.slow
def test_the_command_line_takes_books(tmp_path: Path, cli: Any) -> None:
    """Proves: init writes one, check and solve read it, --set changes it, a broken cell is exit 2 with its place, results go
    out."""
    assert cli("init", tmp_path / "new", "--excel").returncode == 0
    book = tmp_path / "new" / "plan.xlsx"
    checked = cli("check", book)
    assert checked.returncode == 0, checked.stderr
    solved = cli("solve", book, "--set", "budget.appropriation_musd=20", "--out", tmp_path / "run")
    assert solved.returncode == 0, solved.stderr
    assert cli("report", tmp_path / "run", "--format", "xlsx", "-o", tmp_path / "run.xlsx").returncode == 0
    assert "acquisitions" in openpyxl.load_workbook(tmp_path / "run.xlsx").sheetnames
    column = cell_of(book, "offers", "depth_t_per_yr")[0]
    changed(book, "offers", f"{column}2", "many")
    broken = cli("solve", book)
    assert broken.returncode == 2
    assert f"plan.xlsx, sheet offers:{column}2" in broken.stderr


def damaged(book: Path, target: Path, part: str, *changes: tuple[str, str]) -> Path:
    """A copy of a book in which text of one part is replaced."""
    with zipfile.ZipFile(book) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            if name == part:
                for before, after in changes:
                    assert before.encode() in content, before
                    content = content.replace(before.encode(), after.encode(), 1)
            new.writestr(name, content)
    return target


@pytest.fixture(scope="module")
def quickstart_book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("book") / "plan.xlsx"
    write_workbook(load_plan(shipped("models") / "quickstart.toml"), load_dataset(shipped("inputs")), path)
    return path


@pytest.mark.parametrize("at", ["XFD1048576", "ZZ200000", "A900000"])
def test_a_cell_far_out_is_refused_before_a_reader_fills_the_sheet(
    quickstart_book: Path, tmp_path: Path, at: str
) -> None:
    """Proves R34: a reader that lays out all cells up to the last one would take 0.5 TB for 37 kB; the book is refused instead."""
    far = f'<row r="{at.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")}"><c r="{at}"><v>1</v></c></row></sheetData>'
    book = damaged(quickstart_book, tmp_path / "far.xlsx", "xl/worksheets/sheet4.xml", ("</sheetData>", far))
    with pytest.raises(InputError, match="cells as far as row"):
        load_workbook(book)


@pytest.mark.parametrize("cell", ['<c r="F2" t="e"><v>#REF!</v></c>', '<c r="F2"><f>1+1</f></c>'])
def test_a_cell_without_a_value_is_not_taken_for_empty(quickstart_book: Path, tmp_path: Path, cell: str) -> None:
    """Proves: an error and a formula without a value, which readers give back as empty, are faults with sheet and cell."""
    with zipfile.ZipFile(quickstart_book) as book:
        sheet = book.read("xl/worksheets/sheet4.xml").decode()
    old = re.search(r'<c r="F2"[^>]*?(?:/>|>.*?</c>)', sheet)
    assert old is not None
    book = damaged(quickstart_book, tmp_path / "error.xlsx", "xl/worksheets/sheet4.xml", (old[0], cell))
    with pytest.raises(InputError) as caught:
        load_workbook(book)
    (fault,) = caught.value.faults
    assert fault.found == "an error, or a formula that was never computed"
    assert fault.row == "F2"
    assert "sheet " in fault.file
    assert ".xml" not in fault.file


def test_what_a_cell_cannot_hold_is_refused_and_not_cut(tmp_path: Path) -> None:
    """Proves: text longer than a cell, control characters, and text that the file format takes for markup are faults; a title that
    begins like a list or a quotation comes back as it went."""
    plan, data = tiny({"a": 10.0}, sources={"far": source("CHN", "a", 10.0)}, demand={"a": 10.0})
    for title in ("x" * 40_000, "a\x01b", "<r>x</r>", "_x0041_"):
        with pytest.raises(InputError, match="characters"):
            write_workbook(plan.model_copy(update={"title": title}), data, tmp_path / "no.xlsx")
    for title in ("[draft] a plan", '"quoted" plan', "{x} plan", "'apostrophe"):
        write_workbook(plan.model_copy(update={"title": title}), data, tmp_path / "yes.xlsx")
        assert load_workbook(tmp_path / "yes.xlsx")[0].title == title


def test_faults_across_tables_name_sheet_and_cell(quickstart_book: Path, tmp_path: Path) -> None:
    """Proves: a material that no table defines is told with the cell where it stands, a column twice too, and a wrong `--set`
    keeps its own place."""
    book = openpyxl.load_workbook(quickstart_book)
    sheet = book["offers"]
    heads = [cell.value for cell in sheet[1]]
    column = heads.index("material") + 1
    sheet.cell(3, column).value = "galium"
    book.save(tmp_path / "cross.xlsx")
    plan, data = load_workbook(tmp_path / "cross.xlsx")
    places = [fault.file for fault in check_data(plan, data)]
    assert f"cross.xlsx, sheet offers {cell_name(3, column - 1)}" in places
    sheet.cell(1, len(heads) + 1).value = "material"
    book.save(tmp_path / "heads.xlsx")
    with pytest.raises(PlanError) as caught:
        load_workbook(tmp_path / "heads.xlsx")
    assert [fault.found for fault in caught.value.faults] == ["the column twice"]
    with pytest.raises(PlanError) as caught:
        load_workbook(quickstart_book, {"discount_rate": 3})
    assert [(fault.file, fault.row) for fault in caught.value.faults] == [("--set", "")]
