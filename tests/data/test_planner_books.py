"""Workbooks as planners fill them in: lists with commas, numbers with gaps, sheets of their own; damage is a fault."""

from __future__ import annotations

import datetime
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from strategic_minerals import InputError, PlanError, check
from strategic_minerals.core.errors import FaultsError
from strategic_minerals.question.consistency import check_data
from strategic_minerals.question.dataset import cell_name
from strategic_minerals.question.workbook import PLAN, load_workbook, typed, write_workbook
from support.tiny import cut, offer, source, tiny

PROMISE = {"material": "b", "segment": "defence", "level": 0.5, "scenarios": ["stop"]}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small plan with two scenarios, a promise and a hazard as a book."""
    plan, data = tiny(
        {"a": 10.0, "b": 20.0},
        sources={"far": source("CHN", "a", 10.0), "near": source("USA", "b", 10.0)},
        demand={("a", "civil"): 10.0, ("b", "defence"): 1.0},
        offers={"spot": offer("a", 5.0)},
        scenarios=[cut("ban", 0.1, 2028.0, 1.0, "a"), cut("stop", 0.1, 2028.0, 1.0, "b", design_basis=True)],
        service_levels=[PROMISE],
        materials=None,
    )
    path = tmp_path_factory.mktemp("kept") / "plan.xlsx"
    write_workbook(plan.model_copy(update={"materials": ("a", "b")}), data, path)
    return path


Change = Callable[[Any], None]


def edited(kept: Path, tmp_path: Path, *changes: Change) -> Path:
    """A copy of the book, changed as a planner would."""
    book = openpyxl.load_workbook(kept)
    for change in changes:
        change(book)
    book.save(tmp_path / "mine.xlsx")
    return tmp_path / "mine.xlsx"


def set_field(field: str, value: Any, new: str | None = None) -> Change:
    """Put a value beside a field of the sheet `plan`, or the field under a new name."""

    def change(book: Any) -> None:
        sheet = book[PLAN]
        row = next((row for row in sheet.iter_rows() if row[0].value == field), None)
        if row is None:
            sheet.append([field, value])
            return
        row[0].value = new or field
        if value is not None:
            row[1].value = value

    return change


def renumber(prefix: str, by: Callable[[int], int]) -> Change:
    """Give the entries of a list other numbers."""

    def change(book: Any) -> None:
        for row in book[PLAN].iter_rows(min_row=2):
            parts = str(row[0].value).split(".")
            if parts[0] == prefix:
                row[0].value = ".".join([prefix, str(by(int(parts[1]))), *parts[2:]])

    return change


def cell_beside(book: Path, field: str) -> str:
    """Address of the value of a field."""
    return next(f"B{row[0].row}" for row in openpyxl.load_workbook(book)[PLAN].iter_rows() if row[0].value == field)


def faults_of(path: Path, overrides: dict[str, Any] | None = None) -> list[Any]:
    """Faults of a book, of its plan with its tables too."""
    try:
        return check_data(*load_workbook(path, overrides))
    except FaultsError as error:
        return list(error.faults)


def into(sheet: str, **cells: Any) -> Change:
    """Put values into cells of a sheet."""

    def change(book: Any) -> None:
        for at, value in cells.items():
            book[sheet][at].value = value

    return change


FIELDS = [
    ("materials", "a, c", "materials", "a material"),
    ("service_levels.0.segment", "defense", "service_levels.0.material", "'defence'"),
    ("service_levels.0.scenarios", "stopp", "service_levels.0.scenarios", "'stop'"),
    ("home", "China", "home", "'CHN'"),
    ("scenarios.1.events.0.materials", "a, zz", "scenarios.1.events.0.materials", "a material"),
    ("scenarios.0.events.0.countries", "Cuba", "scenarios.0.events.0.countries", "a country"),
    ("scenarios.0.probability", "often", "scenarios.0.probability", "a number"),
    ("price_set", "bas", "price_set", "'base'"),
    ("scenarios.1.events.0.start_year", 2060, "scenarios.1.events.0.start_year", "a date"),
    ("scenarios.1.events.0.start_year", datetime.datetime(2028, 1, 1), "scenarios.1.events.0.start_year", "a number"),
]


def test_every_fault_of_a_plan_names_its_cell(kept: Path, tmp_path: Path) -> None:
    """Proves: faults inside lists and tables of the plan, those found against the tables and by the calendar too, name the cell on
    the sheet `plan`; so do an emptied field and, where it may be added, one that is not there."""
    for field, value, cell, expected in FIELDS:
        path = edited(kept, tmp_path, set_field(field, value))
        try:
            faults = check(*load_workbook(path)).faults
        except FaultsError as error:
            faults = error.faults
        places = {(fault.file, fault.row) for fault in faults}
        assert places == {("mine.xlsx, sheet plan", cell_beside(path, cell))}, faults
        assert any(expected in fault.expected for fault in faults)
    path = edited(kept, tmp_path, set_field("price_set", None, new="discount_rate_"))
    rows = openpyxl.load_workbook(path)[PLAN].max_row
    assert ("price_set", f"A{rows + 1}") in {(fault.column, fault.row) for fault in faults_of(path)}
    at = cell_beside(kept, "horizon.years")
    (fault,) = faults_of(edited(kept, tmp_path, into(PLAN, **{at: None})))
    assert (fault.row, fault.column, fault.found) == (at, "horizon.years", "an empty cell")


def test_lists_are_read_with_commas_and_numbers_alone(kept: Path, tmp_path: Path) -> None:
    """Proves: `a, b`, one name, and years with commas are the lists that the planner means; one number is a list of one."""
    plain, _ = load_workbook(kept)
    path = edited(
        kept,
        tmp_path,
        set_field("materials", "a,  b"),
        set_field("service_levels.0.scenarios", "stop"),
        set_field("instruments.signing_years", "2027, 2028"),
        set_field("instruments.contract_years", 2028),
        set_field("scenarios.0.events.0.materials", "a, b"),
    )
    plan, _ = load_workbook(path)
    assert plan.materials == plain.materials
    assert plan.service_levels == plain.service_levels
    assert plan.instruments.signing_years == (2027, 2028)
    assert plan.instruments.contract_years == (2028,)
    assert plan.scenarios[0].events[0].materials == "a b"
    for field, text, value in (
        ("price_year", "2024", 2024),
        ("discount_rate", " 0.04 ", 0.04),
        ("instruments.reserve", "yes", True),
        ("title", "2024", "2024"),
    ):
        assert typed(text, field) == value


def test_gaps_in_numbers_are_closed_and_faults_keep_the_numbers_of_the_sheet(kept: Path, tmp_path: Path) -> None:
    """Proves: scenarios 1 and 3 are the two scenarios; `--set` and faults call them 1 and 3; 0 and 2 are nobody."""
    path = edited(kept, tmp_path, renumber("scenarios", lambda n: 2 * n + 1))
    assert load_workbook(path)[0] == load_workbook(kept)[0]
    assert load_workbook(path, {"scenarios.3.probability": 0.2})[0].scenarios[1].probability == 0.2
    for wrong in ("scenarios.0.probability", "scenarios.2.name", "scenarios.-1.name"):
        (fault,) = faults_of(path, {wrong: "x"})
        assert (fault.file, fault.column) == ("--set", wrong)
    (fault,) = faults_of(path, {"scenarios.3.probability": 7})
    assert (fault.file, fault.column) == ("--set", "scenarios.3.probability")
    broken = edited(kept, tmp_path, renumber("scenarios", lambda n: 2 * n + 1), set_field("scenarios.3.probability", 7))
    (fault,) = faults_of(broken)
    assert (fault.column, fault.row) == ("scenarios.3.probability", cell_beside(broken, "scenarios.3.probability"))


def test_a_sheet_of_ones_own_is_left_alone(kept: Path, tmp_path: Path) -> None:
    """Proves: sums, broken formulas and merged titles on a sheet of the planner's own are nobody's business."""

    def own(book: Any) -> None:
        sheet = book.create_sheet("My sums")
        sheet["A1"], sheet["A2"], sheet["B9"] = "totals", "=1/0", "#REF!"
        sheet.merge_cells("A1:D1")
        book.create_sheet("Notes").append(["anything"])

    assert faults_of(edited(kept, tmp_path, own, into(PLAN, C3="=1+1"))) == []


def test_cells_that_hold_no_number_name_their_place(kept: Path, tmp_path: Path) -> None:
    """Proves: text, truth values, dates, lines, numbers beyond all bounds in a column of numbers are faults with their cell."""
    odd = [True, datetime.datetime(2026, 1, 1), "nan", "inf", "1e300", 1e300, -1, "1,5", "1\n2", "٣", "5 t", "=", "'1"]

    def change(book: Any) -> None:
        sheet = book["offers"]
        heads = [cell.value for cell in sheet[1]]
        first = [cell.value for cell in sheet[2]]
        for n, value in enumerate(odd):
            sheet.append(
                [
                    f"offer_{n}" if head == "offer" else value if head == "depth_t_per_yr" else old
                    for head, old in zip(heads, first, strict=True)
                ]
            )

    path = edited(kept, tmp_path, change)
    heads = [cell.value for cell in openpyxl.load_workbook(path)["offers"][1]]
    column = cell_name(1, heads.index("depth_t_per_yr")).rstrip("1")
    assert {fault.row for fault in faults_of(path)} == {f"{column}{3 + n}" for n in range(len(odd))}


def test_a_damaged_book_is_a_fault_whatever_is_damaged(kept: Path, tmp_path: Path) -> None:
    """Proves R54: cut short, bits turned, parts missing or exchanged: an InputError or PlanError, or the same book, never another
    exception (zlib.error, EOFError, a panic of the reader). The damage is drawn with a seed."""
    content, draw = kept.read_bytes(), random.Random(54)
    path = tmp_path / "damaged.xlsx"
    damaged = [content[: int(len(content) * share)] for share in (0.0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.9999)]
    for _ in range(50):
        turned = bytearray(content)
        for _ in range(draw.choice((1, 1, 4, 40))):
            turned[draw.randrange(len(turned))] ^= 1 << draw.randrange(8)
        damaged.append(bytes(turned))
    outcomes = {"fault": 0, "read": 0}
    for piece in damaged:
        path.write_bytes(piece)
        try:
            load_workbook(path)
            outcomes["read"] += 1
        except FaultsError:
            outcomes["fault"] += 1
    assert outcomes["fault"] > 30, outcomes
    with zipfile.ZipFile(kept) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    for missing in parts:
        for instead in (None, b"<", parts["xl/workbook.xml"]):
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
                for name, inside in parts.items():
                    if name != missing or instead is not None:
                        new.writestr(name, inside if name != missing or instead is None else instead)
            try:
                load_workbook(path)
            except (InputError, PlanError):
                continue


def an_error(at: str) -> Change:
    """Put an error of the spreadsheet into a cell of the prices."""

    def change(book: Any) -> None:
        book["prices"][at].value, book["prices"][at].data_type = "#DIV/0!", "e"

    return change


SHEETS: list[tuple[Change, str, str, str]] = [
    (into("prices", L1="mine"), "prices", "L1", "a known column"),
    (into("prices", L3="x"), "prices", "L3", "a value without a header"),
    (into("prices", Z1="note"), "prices", "Z1", "each column once"),
    (into("prices", H1="mony_year"), "prices", "H1", "did you mean 'money_year'"),
    (lambda book: book["prices"].insert_rows(1), "prices", "A1", "a header of the columns price_set, material"),
    (lambda book: book["prices"].delete_rows(1, 9), "prices", "A1", "a header of the columns"),
    (an_error("D2"), "prices", "D2", "an error, or a formula that was never computed"),
    (into("prices", D2="=1/25"), "prices", "D2", "an error, or a formula that was never computed"),
    (into("prices", C2="3%"), "prices", "C2", "an integer"),
    (into("prices", A9="ask again"), "prices", "A9", "a name of letters"),
    (lambda book: book[PLAN].delete_rows(1), PLAN, "A1", "a header (field, value) in the first row"),
    (lambda book: book[PLAN].append(["budget.appropriation_musd.2028", 5]), PLAN, "B", "one row for each of its parts"),
    (lambda book: book[PLAN].append(["budget.totl_musd", 5]), PLAN, "B", "did you mean 'total_musd'"),
]


def test_a_sheet_that_was_left_otherwise_is_a_fault_with_its_cell(kept: Path, tmp_path: Path) -> None:
    """Proves: nothing that may belong to a table is passed over: remarks beside it, headers that are none, errors and formulas
    without a value, which readers take for empty cells. An empty column before or in a table changes nothing."""
    for change, sheet, at, expected in SHEETS:
        faults = faults_of(edited(kept, tmp_path, change))
        assert faults[0].file == f"mine.xlsx, sheet {sheet}"
        assert faults[0].row == at or (at == "B" and faults[0].row.startswith(at)), faults
        assert expected in " ".join(map(str, faults)), faults
    moved = edited(
        kept, tmp_path, lambda book: book["prices"].insert_cols(1), lambda book: book["prices"].insert_cols(4)
    )
    assert load_workbook(moved)[1].rows("prices") == load_workbook(kept)[1].rows("prices")


def test_what_is_no_workbook_and_a_sheet_that_is_not_there_are_told(kept: Path, tmp_path: Path) -> None:
    """Proves: an old workbook, one with a password, a table under the wrong name, an archive of other files: told as what they are;
    a missing sheet with the sheets that are there."""
    path = tmp_path / "plan.xlsx"
    for content, found in (
        (b"\xd0\xcf\x11\xe0", "xls"),
        (b"field,value", "another kind"),
        (b"%PDF-1.7", "a PDF"),
        (b"", "another"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=found):
            load_workbook(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "text")
    with pytest.raises(InputError, match="no workbook"):
        load_workbook(path)

    def renamed(book: Any) -> None:
        book["prices"].title = "Our prices 2026"

    (fault,) = faults_of(edited(kept, tmp_path, renamed))
    assert (fault.file, fault.column, fault.found) == ("mine.xlsx", "prices", "no such sheet")
    assert "Our prices 2026" in fault.expected
