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

from strategic_minerals import InputError, PlanError, load_dataset, load_plan, shipped
from strategic_minerals.checks.consistency import check_data
from strategic_minerals.core.errors import FaultsError
from strategic_minerals.data.workbook import PLAN, load_workbook, write_workbook
from strategic_minerals.data.workbook_places import cell_name
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


@pytest.mark.parametrize(
    ("field", "value", "cell", "said"),
    [
        ("materials", "a, c", "materials", "a material"),
        ("service_levels.0.segment", "defense", "service_levels.0.material", "'defence'"),
        ("service_levels.0.scenarios", "stopp", "service_levels.0.scenarios", "'stop'"),
        ("home", "China", "home", "'CHN'"),
        ("scenarios.1.events.0.materials", "a, zz", "scenarios.1.events.0.materials", "materials"),
        ("scenarios.0.events.0.countries", "Cuba", "scenarios.0.events.0.countries", "ISO3"),
        ("scenarios.0.probability", "often", "scenarios.0.probability", "a number"),
        ("price_set", "bas", "price_set", "'base'"),
    ],
)
def test_every_fault_of_a_plan_names_its_cell(
    kept: Path, tmp_path: Path, field: str, value: str, cell: str, said: str
) -> None:
    """Proves: faults inside lists and tables of the plan, those found against the tables too, name the cell on the sheet `plan`."""
    path = edited(kept, tmp_path, set_field(field, value))
    faults = faults_of(path)
    places = {(fault.file, fault.row) for fault in faults}
    assert places == {("mine.xlsx, sheet plan", cell_beside(path, cell))}, faults
    assert any(said in fault.expected for fault in faults)


def test_a_field_that_is_missing_names_the_row_where_it_may_be_added(kept: Path, tmp_path: Path) -> None:
    """Proves: also what is not there has a place."""
    path = edited(kept, tmp_path, set_field("price_set", None, new="discount_rate_"))
    rows = openpyxl.load_workbook(path)[PLAN].max_row
    assert ("price_set", f"A{rows + 1}") in {(fault.column, fault.row) for fault in faults_of(path)}


def test_a_date_outside_the_horizon_names_its_cell(kept: Path, tmp_path: Path) -> None:
    """Proves: faults that only the model's calendar finds are placed like all others."""
    from strategic_minerals import check

    path = edited(kept, tmp_path, set_field("scenarios.1.events.0.start_year", 2060))
    (fault,) = check(*load_workbook(path)).faults
    assert (fault.file, fault.row) == ("mine.xlsx, sheet plan", cell_beside(path, "scenarios.1.events.0.start_year"))


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
    )
    plan, _ = load_workbook(path)
    assert plan.materials == plain.materials
    assert plan.service_levels == plain.service_levels
    assert plan.instruments.signing_years == (2027, 2028)
    assert plan.instruments.contract_years == (2028,)


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


def test_a_sheet_of_ones_own_is_left_alone_and_a_table_under_another_name_is_not(kept: Path, tmp_path: Path) -> None:
    """Proves: sums, broken formulas and merged titles on a sheet of the planner's own are nobody's business; the columns of a table
    on a sheet of another name would silently not be read, and are told."""

    def own(book: Any) -> None:
        sheet = book.create_sheet("My sums")
        sheet["A1"], sheet["A2"], sheet["B9"] = "totals", "=1/0", "#REF!"
        sheet.merge_cells("A1:D1")
        book.create_sheet("Notes").append(["anything"])

    def hidden_table(book: Any) -> None:
        sheet = book.create_sheet("Bedarf")
        sheet.append([cell.value for cell in book["demand"][1]])

    assert faults_of(edited(kept, tmp_path, own)) == []
    (fault,) = faults_of(edited(kept, tmp_path, hidden_table))
    assert (fault.column, "'demand'" in fault.expected) == ("Bedarf", True)


def test_merged_cells_of_a_table_and_of_the_plan_are_told(kept: Path, tmp_path: Path) -> None:
    """Proves: of merged cells the first alone has a value; the range is named. Beside the columns of the plan they may stay."""
    path = edited(
        kept, tmp_path, lambda book: book["prices"].merge_cells("A2:A3"), lambda book: book[PLAN].merge_cells("C2:C4")
    )
    (fault,) = faults_of(path)
    assert (fault.file, fault.row) == ("mine.xlsx, sheet prices", "A2:A3")
    assert "unmerge the cells" in fault.expected


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


def test_lists_in_cells_of_tables_may_have_commas(kept: Path, tmp_path: Path) -> None:
    """Proves: the materials of an event, typed with commas, are those materials."""
    path = edited(kept, tmp_path, set_field("scenarios.0.events.0.materials", "a, b"))
    assert load_workbook(path)[0].scenarios[0].events[0].materials == "a b"


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


def test_a_formula_that_a_program_wrote_and_did_not_compute_is_no_empty_cell(tmp_path: Path) -> None:
    """Proves: openpyxl writes an empty value beside a formula; the cell is told, and its field is not taken as left out."""
    path = tmp_path / "plan.xlsx"
    write_workbook(load_plan(shipped("models") / "quickstart.toml"), load_dataset(shipped("inputs")), path)
    book = openpyxl.load_workbook(path)
    sheet = book["plan"]
    cell = next(row[1] for row in sheet.iter_rows() if row[0].value == "discount_rate")
    cell.value = "=1/25"
    book.save(path)
    with pytest.raises(FaultsError) as error:
        load_workbook(path)
    assert any(
        "never computed" in fault.found and cell.coordinate in f"{fault.file}{fault.row}"
        for fault in error.value.faults
    )


def into(sheet: str, **cells: Any) -> Change:
    """Put values into cells of a sheet."""

    def change(book: Any) -> None:
        for at, value in cells.items():
            book[sheet][at].value = value

    return change


def an_error(at: str) -> Change:
    """Put an error of the spreadsheet into a cell of the prices."""

    def change(book: Any) -> None:
        book["prices"][at].value, book["prices"][at].data_type = "#DIV/0!", "e"

    return change


def together(*changes: Change) -> Change:
    return lambda book: [change(book) for change in changes] and None


REMARKS: dict[str, tuple[Change, str]] = {
    "above": (into("prices", Z1="mine"), "column Z is not read"),
    "in row 5": (into("prices", Z5="ask again"), "column Z is not read"),
    "far below": (into("prices", Z200="ask again"), "column Z is not read"),
    "a sum of one's own": (
        into("prices", Z1="sum", AA1="mean", AB1="", Z2=1, AA2=2, AB3="x"),
        "columns Z to AB are not read",
    ),
    "a note on notes": (into("prices", Z1="Note", Z2="ask again"), "column Z is not read"),
    "a formula": (into("prices", Z2="=1+1"), "column Z is not read"),
    "an error": (an_error("Z2"), "column Z is not read"),
    "a merged remark": (
        together(into("prices", Z1="mine"), lambda book: book["prices"].merge_cells("Z1:AB3")),
        "column Z is not read",
    ),
    "spaces": (into("prices", Z1="  "), ""),
    "column A empty": (lambda book: book["prices"].insert_cols(1), ""),
    "columns A and B empty": (lambda book: book["prices"].insert_cols(1, 2), ""),
    "an empty column in the table": (lambda book: book["prices"].insert_cols(3), ""),
    "numbers left of a gap": (
        together(lambda book: book["prices"].insert_cols(1, 2), into("prices", A2=1, A3=2)),
        "column A is not read",
    ),
}


@pytest.mark.parametrize("what", REMARKS)
def test_what_an_empty_column_separates_from_a_table_is_the_planners_own(what: str, kept: Path, tmp_path: Path) -> None:
    """Proves: remarks beside a table, and empty columns before and in it, change no value and are no fault; what is not read is
    said in a note of `check`."""
    change, said = REMARKS[what]
    plan, data = load_workbook(edited(kept, tmp_path, change))
    whole, tables = load_workbook(kept)
    assert plan == whole
    assert {name: data.rows(name) for name in data.tables} == {name: tables.rows(name) for name in tables.tables}
    assert data.book is not None
    assert [note.partition(": ")[2] for note in data.book.hidden] == (
        [f"{said}: an empty column separates this content from the table"] if said else []
    )


BESIDE: dict[str, tuple[Change, str, str]] = {
    "text right beside it": (into("prices", L1="mine"), "L1", "a known column"),
    "a value right beside it": (into("prices", L3="x"), "L3", "put your own remarks to the right of an empty column"),
    "a column behind a gap": (into("prices", Z1="note", Z2="x"), "Z1", "each column once"),
    "a second table": (
        into("prices", Z1="price_set", AA1="material", AB1="from_year", AC1="price_usd_per_kg", Z2="high"),
        "Z1",
        "one table per sheet",
    ),
    "empty rows above": (
        lambda book: book["prices"].insert_rows(1, 3),
        "row 1",
        "in row 4: delete the rows above it",
    ),
    "empty rows and an empty column": (
        together(lambda book: book["prices"].insert_rows(1, 2), lambda book: book["prices"].insert_cols(1)),
        "row 1",
        "it begins in cell B3",
    ),
    "an error in the table": (an_error("E2"), "E2", "an error such as #DIV/0!"),
    "a slip in a moved table": (
        together(into("prices", E2="3%"), lambda book: book["prices"].insert_cols(1)),
        "F2",
        "not a percentage",
    ),
    "a remark below": (into("prices", A9="ask again"), "row 9", "a remark ('ask again')"),
    "the plan in column B": (lambda book: book[PLAN].insert_cols(1), "A1", "an empty column A; expected the header"),
    "the plan in column B, lower": (
        together(lambda book: book[PLAN].insert_cols(1), lambda book: book[PLAN].insert_rows(1, 2)),
        "A1",
        "it is in B3: delete what is left of it and above it",
    ),
    "the plan beside numbers": (
        together(lambda book: book[PLAN].insert_cols(1), into(PLAN, A2=1)),
        "A1",
        "it is in B1",
    ),
    "empty rows above the plan": (lambda book: book[PLAN].insert_rows(1, 2), "A1", "which is in row 3"),
}


@pytest.mark.parametrize("what", BESIDE)
def test_what_may_be_data_beside_a_table_is_one_fault_with_its_cell(what: str, kept: Path, tmp_path: Path) -> None:
    """Proves: nothing that may belong to a table is passed over: a header of it, a second table, values right beside it; and a
    table that stands lower, or a plan in another column, is one fault and not one for each of its cells."""
    change, at, said = BESIDE[what]
    (fault,) = faults_of(edited(kept, tmp_path, change))
    assert said in str(fault)
    assert fault.row == at


def test_an_optional_column_behind_a_gap_is_read(kept: Path, tmp_path: Path) -> None:
    """Proves: an empty column inside a table hides none of its columns, nor one that is misspelt."""

    def moved(name: str) -> Change:
        def change(book: Any) -> None:
            for cell in book["prices"][1]:
                if cell.value == "money_year":
                    cell.value = None
            into("prices", Z1=name, Z2=2024)(book)

        return change

    _, data = load_workbook(edited(kept, tmp_path, moved("money_year")))
    assert data.rows("prices")[0].money_year == 2024
    (fault,) = faults_of(edited(kept, tmp_path, moved("mony_year")))
    assert (fault.row, "did you mean 'money_year'" in fault.expected) == ("Z1", True)
