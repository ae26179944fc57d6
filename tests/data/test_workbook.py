"""Workbooks: what goes in comes out, faults name their cell, text stays text; damage and bombs are refused."""

import contextlib
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from test_faulty_files import small

from strategic_minerals import Dataset, InputError, Plan, check, load_dataset, load_plan, shipped
from strategic_minerals.core.errors import FaultsError
from strategic_minerals.question.dataset import cell_name
from strategic_minerals.question.workbook import PLAN, load_workbook, write_workbook
from support.tiny import imported, offer


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small plan with two scenarios, a promise and a hazard as a book."""
    plan, data = small()
    promise = {"material": "b", "segment": "defence", "level": 0.5, "scenarios": ["stop"]}
    told = plan.to_toml_like() | {"materials": ["a", "b"], "service_levels": [promise]}
    path = tmp_path_factory.mktemp("kept") / "plan.xlsx"
    write_workbook(Plan.model_validate(told), data, path)
    return path


Change = Callable[[Any], None]


def edited(kept: Path, tmp_path: Path, *changes: Change) -> Path:
    """A copy of the book, changed as a planner would."""
    book = openpyxl.load_workbook(kept)
    for change in changes:
        change(book)
    book.save(tmp_path / "mine.xlsx")
    return tmp_path / "mine.xlsx"


def set_field(field: str, value: Any, new: str = "") -> Change:
    """Put a value beside a field of the sheet `plan`, or the field under a new name."""

    def change(book: Any) -> None:
        for row in book[PLAN].iter_rows():
            if row[0].value == field:
                row[0].value, row[1].value = new or field, row[1].value if new else value
                return
        book[PLAN].append([field, value])

    return change


def cell_beside(book: Path, field: str) -> str:
    """Address of the value of a field."""
    return next(f"B{row[0].row}" for row in openpyxl.load_workbook(book)[PLAN].iter_rows() if row[0].value == field)


def faults_of(path: Path, overrides: dict[str, Any] | None = None) -> list[Any]:
    """Faults of a book, of its plan with its tables too."""
    try:
        return list(check(*load_workbook(path, overrides)).faults)
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
    ("service_levels.0.scenarios", "stopp", "service_levels.0.scenarios", "'stop'"),
    ("format", 2, "format", "format 1, the only one that this version reads"),
]


def test_every_fault_of_a_plan_names_its_cell(kept: Path, tmp_path: Path) -> None:
    """Proves: faults inside lists and tables of the plan, those found against the tables and by the calendar too, name the cell on
    the sheet `plan`; so do an emptied field and, where it may be added, one that is not there. A wrong `--set` keeps its place."""
    for field, value, cell, expected in FIELDS:
        path = edited(kept, tmp_path, set_field(field, value))
        faults = faults_of(path)
        assert {(fault.file, fault.row) for fault in faults} == {("mine.xlsx, sheet plan", cell_beside(path, cell))}
        assert any(expected in fault.expected for fault in faults)
    path = edited(kept, tmp_path, set_field("price_set", None, new="discount_rate_"))
    rows = openpyxl.load_workbook(path)[PLAN].max_row
    assert ("price_set", f"A{rows + 1}") in {(fault.column, fault.row) for fault in faults_of(path)}
    at = cell_beside(kept, "horizon.years")
    (fault,) = faults_of(edited(kept, tmp_path, into(PLAN, **{at: None})))
    assert (fault.row, fault.column, fault.found) == (at, "horizon.years", "an empty cell")
    (fault,) = faults_of(kept, {"discount_rate": 3})
    assert (fault.file, fault.row) == ("overrides", "")


def test_a_cell_with_several_lines_is_read_whole_or_refused(kept: Path, tmp_path: Path) -> None:
    """Proves: a list may have a line an entry; text is text; what follows a list or a table, in whatever brackets, is not lost."""
    cells: list[tuple[str, str, Any]] = [("budget.appropriation_musd", "{2027 = 5}\nexisting = true", None)]
    cells += [("materials", written, ("a", "b")) for written in ('["a",\n "b", # both\n]', "a\nb")]
    cells += [("title", written, written) for written in ('"Ours"\nname = "x"', "[draft]\nof May")]
    cells += [("materials", f'["a"{more}', None) for more in (']\nname = "x"', ']]\nname = ["x"', '], ["b"]')]
    for field, written, meant in cells:
        path = edited(kept, tmp_path, set_field(field, written))
        if meant is not None:
            assert getattr(load_workbook(path)[0], field) == meant
            continue
        (fault,) = faults_of(path)
        assert (fault.row, fault.column) == (cell_beside(path, field), field)
        assert fault.expected == 'one list or table and nothing else, such as ["gallium", "tungsten"]'


def test_one_slip_is_one_fault_at_its_own_cell(kept: Path, tmp_path: Path) -> None:
    """Proves: a material of a control that is none is told once and not again for each of its cuts; a wrong entry of a table, and
    a name among its keys that is none, have the cell of the entry, a hazard that was emptied the cell where it stood."""
    texts = (
        "name=old countries=CHN materials=a,b cut_share=0.5 until_year=2029 cut_shares.a=0.1 cut_shares.b=0.2".split()
    )
    fields = [set_field(f"controls.0.{name}", value) for name, value in (text.split("=") for text in texts)]
    event = [set_field(f"scenarios.0.events.0.{name}", None) for name in ("hazard", "countries")]
    for changes, wrong in (
        ([set_field("controls.0.materials", "a x")], "controls.0.materials"),
        ([set_field("controls.0.materials", "a")], "controls.0.cut_shares.b"),
        ([set_field("controls.0.cut_shares.b", "much")], "controls.0.cut_shares.b"),
        (event, "scenarios.0.events.0.hazard"),
    ):
        (fault,) = faults_of(path := edited(kept, tmp_path, *fields, *changes))
        assert (fault.column, fault.row) == (wrong, cell_beside(path, wrong))


def test_gaps_in_numbers_are_closed_and_faults_keep_the_numbers_of_the_sheet(kept: Path, tmp_path: Path) -> None:
    """Proves: scenarios 1 and 3 are the two scenarios; `--set` and faults call them 1 and 3; 0 and 2 are nobody."""

    def renumber(book: Any) -> None:
        for row in book[PLAN].iter_rows(min_row=2):
            for old, new in (("scenarios.1.", "scenarios.3."), ("scenarios.0.", "scenarios.1.")):
                if str(row[0].value).startswith(old):
                    row[0].value = row[0].value.replace(old, new)
                    break

    path = edited(kept, tmp_path, renumber)
    assert load_workbook(path)[0] == load_workbook(kept)[0]
    assert load_workbook(path, {"scenarios.3.probability": 0.2})[0].scenarios[1].probability == 0.2
    for wrong in ("scenarios.0.probability", "scenarios.2.name", "scenarios.-1.name", "scenarios.3.probability"):
        (fault,) = faults_of(path, {wrong: 7})
        assert (fault.file, fault.column) == ("overrides", wrong)
    broken = edited(kept, tmp_path, renumber, set_field("scenarios.3.probability", 7))
    (fault,) = faults_of(broken)
    assert (fault.column, fault.row) == ("scenarios.3.probability", cell_beside(broken, "scenarios.3.probability"))


def test_a_damaged_book_is_a_fault_whatever_is_damaged(kept: Path, tmp_path: Path) -> None:
    """Proves R54: cut short, bits turned, parts missing: a fault, or the same book, never another exception (zlib.error, EOFError,
    a panic of the reader). The damage is drawn with a seed."""
    content, draw, path = kept.read_bytes(), random.Random(54), tmp_path / "damaged.xlsx"
    damaged = [content[: int(len(content) * share)] for share in (0.0, 0.1, 0.9, 0.9999)]
    for _ in range(15):
        turned = bytearray(content)
        for _ in range(draw.choice((1, 1, 4, 40))):
            turned[draw.randrange(len(turned))] ^= 1 << draw.randrange(8)
        damaged.append(bytes(turned))
    with zipfile.ZipFile(kept) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    for missing in parts:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
            for name in parts.keys() - {missing}:
                new.writestr(name, parts[name])
        damaged.append(path.read_bytes())
    for piece in damaged:
        path.write_bytes(piece)
        with contextlib.suppress(FaultsError):
            load_workbook(path)
    path.write_bytes(content[:-100])
    with pytest.raises(FaultsError):
        load_workbook(path)


SHEETS: list[tuple[Change, str, str, str]] = [
    (into("prices", L1="mine"), "prices", "L1", "a known column"),
    (into("prices", H1="mony_year"), "prices", "H1", "did you mean 'money_year'"),
    (lambda book: book["prices"].insert_rows(1), "prices", "A1", "a header of the columns price_set, material"),
    (into("prices", D2="=1/25"), "prices", "D2", "an error, or a formula that was never computed"),
    (lambda book: book[PLAN].delete_rows(1), PLAN, "A1", "a header (field, value) in the first row"),
    (lambda book: book[PLAN].append(["budget.appropriation_musd.2028", 5]), PLAN, "B", "one row for each of its parts"),
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


def test_what_is_no_workbook_and_sheets_that_are_not_meant_are_told(kept: Path, tmp_path: Path) -> None:
    """Proves: an old workbook, another kind of file, an archive of other files: told as what they are; a missing sheet with those
    that are there; a material that no table defines with its cell."""
    path = tmp_path / "plan.xlsx"
    for content, found in ((b"\xd0\xcf\x11\xe0", "xls"), (b"field,value", "another kind"), (b"%PDF-1.7", "a PDF")):
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

    heads = [cell.value for cell in openpyxl.load_workbook(kept)["offers"][1]]
    at = cell_name(2, heads.index("material"))
    (fault,) = faults_of(edited(kept, tmp_path, into("offers", **{at: "c"})))
    assert fault.file == f"mine.xlsx, sheet offers {at}"


def test_a_bomb_is_refused_unopened(kept: Path, tmp_path: Path) -> None:
    """Proves R34: a small file that unpacks to more than 200 MB, and a cell far out, for which a reader would lay out 0.5 TB."""
    packed = zipfile.ZIP_DEFLATED
    with (
        zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", packed) as book,
        book.open("xl/worksheets/sheet1.xml", "w") as part,
    ):
        for _ in range(201):
            part.write(b"0" * 1_000_000)
    with pytest.raises(InputError, match="bytes unpacked"):
        load_workbook(tmp_path / "bomb.xlsx")
    at, far = "XFD1048576", '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    with zipfile.ZipFile(kept) as old, zipfile.ZipFile(tmp_path / "far.xlsx", "w", packed) as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "xl/worksheets/sheet4.xml":
                content = content.replace(b"</sheetData>", far.encode())
                assert at.encode() in content
            new.writestr(name, content)
    with pytest.raises(InputError, match="cells as far as row"):
        load_workbook(tmp_path / "far.xlsx")


def test_plans_and_tables_come_back_as_they_went(tmp_path: Path) -> None:
    """Proves: every shipped plan survives a workbook without loss, and so do the first rows of every table."""
    shipped_tables = {name: rows[:8] for name, rows in load_dataset(shipped("inputs")).tables.items()}
    for path in sorted(shipped("models").glob("*.toml")):
        plan = load_plan(path)
        names = list(shipped_tables) if path.stem == "quickstart" else ["materials"]
        data = Dataset({name: shipped_tables[name] for name in names})
        write_workbook(plan, data, tmp_path / "plan.xlsx")
        again, tables = load_workbook(tmp_path / "plan.xlsx")
        assert again == plan
        assert {name: tables.rows(name) for name in names} == data.tables


def test_text_stays_text(tmp_path: Path) -> None:
    """Proves R32, R33: NA, NO, leading zeros, dates and formulas as text come back as they were, and no cell is
    a formula or a link."""
    plan, data = imported(10.0, offers={"spot": offer("a", 5.0)}, money={2027: 10.0, 2028: 20.5})
    told = data.replace(
        materials=data.frame("materials").assign(name="=1+1", basis="NA", note="007"),
        offers=data.frame("offers").assign(note='=HYPERLINK("http://x")', source="2024-03-01"),
        countries=data.frame("countries").assign(name=["NO", "NA", "TRUE"]),
    )
    write_workbook(plan, told, tmp_path / "plan.xlsx")
    again, data = load_workbook(tmp_path / "plan.xlsx")
    assert again.budget.appropriation_musd == {2027: 10.0, 2028: 20.5}
    for table in ("materials", "countries", "offers"):
        assert data.rows(table) == told.rows(table)
    cells = [
        cell for sheet in openpyxl.load_workbook(tmp_path / "plan.xlsx") for row in sheet.iter_rows() for cell in row
    ]
    assert "f" not in {cell.data_type for cell in cells}
    assert not any(cell.hyperlink for cell in cells)


def test_what_a_cell_cannot_hold_is_refused_and_not_cut(tmp_path: Path) -> None:
    """Proves: text longer than a cell, control characters, and text that the file format takes for markup are faults; a title that
    begins like a list or a quotation comes back as it went."""
    plan, data = imported(10.0)
    for title in ("x" * 40_000, "a\x01b", "<r>x</r>", "_x0041_"):
        with pytest.raises(InputError, match="characters"):
            write_workbook(plan.model_copy(update={"title": title}), data, tmp_path / "no.xlsx")
    for title in ("[draft] a plan", '"quoted" plan', "'apostrophe"):
        write_workbook(plan.model_copy(update={"title": title}), data, tmp_path / "yes.xlsx")
        assert load_workbook(tmp_path / "yes.xlsx")[0].title == title
