"""Plans, tables and results as one workbook (xlsx), which is read back without loss.

A sheet a table, its name the table's, its first row the columns; the sheet `plan` holds a field of the plan a row, dotted as in
`--set`. Text stays text: formulas, `NA`, leading zeros. Faults name sheet and cell. A book is looked at before it is opened
(`question.workbook`)."""

import datetime
import html
import io
import json
import math
import posixpath
import re
import tomllib
import types
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, BinaryIO

from ..core.errors import (
    FORMAT,
    MOST_FAULTS,
    OVERRIDES,
    Fault,
    FaultsError,
    InputError,
    PlanError,
    first_of,
    gathering,
    missing_part,
    near_miss,
    shown,
)
from ..core.files import kind_of_file, read_bounded, whole_file
from .base import choices_at, field_meaning, kinds_at, list_at, meaning
from .dataset import MOST_ROWS, Book, Dataset, PlanSheet, cell_name, column_number, home_row, validate_rows
from .plan import Plan
from .read_csv import PROVENANCE, header_faults
from .read_toml import overridden, parse_plan
from .tables import TABLES
from .workbook_start import (
    HEADS,
    MEANS,
    NO,
    START,
    YES,
    answer_columns,
    answered,
    checked,
    lists,
    questions,
    read_answers,
)

# A workbook within limits: its unpacked size and how far its cells reach, and cells that hold no value and look empty to a reader.
LARGEST_UNPACKED = 200_000_000
"""Bytes of all parts of a book together."""
MOST_CELLS = 5_000_000
"""Rows times columns of one sheet, empty ones too."""
BOOK, RELATIONS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
TAG = re.compile(rb"<(?:\w+:)?(?:sheet|Relationship)\s[^>]*>")
ATTRIBUTE = re.compile(rb"""(?:\w+:)?(\w+)\s*=\s*["']([^"']*)["']""")
PLACE = re.compile(rb"""\sr\s*=\s*["']([A-Z]{0,3})(\d{1,7})["']""", re.IGNORECASE)
"""Row, or column and row, of an element of a sheet."""
VALUELESS = re.compile(
    rb"<(?:\w+:)?c\s(?:[^>]*\st=\"e\"[^>]*>"
    rb"|[^>]*[^/>]><(?:\w+:)?f(?:\s[^>]*)?(?:/>|>[^<]*</(?:\w+:)?f>)(?:<v\s*/>|<v></v>)?</(?:\w+:)?c>)"
)
"""A cell with an error, or with a formula that was never computed."""


@contextmanager
def whole_book(name: str) -> Iterator[None]:
    """Whatever readers of archives and of sheets raise for a damaged book is an InputError that names the book."""
    try:
        yield
    except (FaultsError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic of the reader, which is written in Rust, is no Exception
        found = getattr(error, "strerror", None) or "a damaged file, or no workbook"
        raise InputError([Fault(name, "", "", found, "a complete workbook (xlsx, without a password)")]) from None


def opened(content: bytes, name: str) -> tuple[Any, dict[str, list[str]]]:
    """A book, opened by calamine, and the cells without a value of each sheet. Raises InputError for too large a one, or none."""
    calamine = optional("python_calamine")
    valueless: dict[str, list[str]] = {}
    with whole_book(name), zipfile.ZipFile(io.BytesIO(content)) as parts:
        unpacked = sum(part.file_size for part in parts.infolist())
        if unpacked > LARGEST_UNPACKED:
            raise InputError([Fault(name, "", "", f"{unpacked:,} bytes unpacked", f"at most {LARGEST_UNPACKED:,}")])
        for sheet, part in _sheets(parts):
            cells = parts.read(part)
            places = PLACE.findall(cells)
            rows = max((int(number) for _, number in places), default=0)
            columns = max((column_number(letters.decode()) for letters in {at for at, _ in places}), default=0)
            if rows > MOST_ROWS + 1 or rows * columns > MOST_CELLS:
                expected = f"at most {MOST_ROWS:,} rows, and {MOST_CELLS:,} cells"
                raise InputError([Fault(f"{name}, sheet {sheet}", "", "", f"cells as far as row {rows:,}", expected)])
            found = [PLACE.search(cell[0]) for cell in islice(VALUELESS.finditer(cells), MOST_FAULTS)]
            valueless[sheet] = [b"".join(place.groups()).decode() for place in found if place]
        return calamine.CalamineWorkbook.from_filelike(io.BytesIO(content)), valueless


def _sheets(parts: zipfile.ZipFile) -> list[tuple[str, str]]:
    """Name and part of every sheet."""
    relations, sheets = (
        [dict(ATTRIBUTE.findall(tag)) for tag in TAG.findall(parts.read(part))] for part in (RELATIONS, BOOK)
    )
    targets = {each.get(b"Id"): each.get(b"Target", b"").decode() for each in relations}
    return [
        (html.unescape(each[b"name"].decode()), posixpath.join("/xl", targets[each[b"id"]]).lstrip("/"))
        for each in sheets
    ]


def optional(name: str) -> Any:
    """A library for workbooks. Raises InputError where the extra is not installed."""
    try:
        return import_module(name)
    except ImportError:
        raise missing_part("workbook", name, "excel") from None


# The sheet `plan` of a workbook: one field per row, with dots as in `--set`; values are interpreted as planners type them.
FIRST_YEAR = 1000
"""Numbers from here on name a year of a series and no place in a list."""
TEXT_STARTS = ("[", "{", '"')
"""How a value of a plan begins that is no plain text: lists and tables as in TOML, and text in quotation marks."""
DEEPEST = 20
"""Parts of a field's path."""


class Numbered(dict[int, Any]):
    """Entries of a list by the numbers that they have on the sheet."""


def read_plan(place: str, cells: Sequence[Sequence[Any]], overrides: Mapping[str, Any]) -> tuple[Plan, PlanSheet]:
    """The plan of a sheet: fields in the first column, values in the second, whatever is further right.

    overrides: values by field, with the numbers of the sheet. Raises PlanError with every fault and its cell."""
    content: dict[str, Any] = {}
    rows: dict[str, int] = {}
    empty: dict[str, int] = {}
    refused: list[str] = []
    faults = list[Fault]()
    head = str(cells[0][0]).strip() if cells and cells[0] else ""
    if head.partition(".")[0] in Plan.model_fields:
        expected = "a header (field, value) in the first row, and fields below it"
        raise PlanError([Fault(place, cell_name(1, 0), head, "a field in the first row", expected)])
    for number, row in enumerate(cells[1:], start=2):
        field = str(row[0]).strip() if row and row[0] != "" else ""
        value = row[1] if len(row) > 1 else ""
        if field and value == "":
            empty.setdefault(field, number)
        if not field or value == "":
            continue
        if field in rows:
            expected = f"each field once: it is also in {cell_name(rows[field], 0)}"
            faults.append(Fault(place, cell_name(number, 0), field, "the field twice", expected))
            continue
        rows[field] = number
        try:
            read = typed(value, field)
        except (ValueError, RecursionError):
            refused.append(field)
            expected = 'one list or table and nothing else, such as ["gallium", "tungsten"]'
            faults.append(Fault(place, cell_name(number, 1), field, shown(value), expected))
            continue
        try:
            _place(content, field.split("."), read)
        except (ValueError, TypeError, RecursionError) as error:
            expected = "a value in one row for the field, or one row for each of its parts (list entries: .0, .1, ...)"
            faults.append(Fault(place, cell_name(number, 1), field, str(error), expected))
    numbers: dict[str, tuple[int, ...]] = {}
    plain = _closed(content, "", numbers)
    changed, wrong = overridden(plain, overrides, lambda field: _renumbered(field, numbers))
    faults += wrong
    sheet = PlanSheet(place, rows, numbers, changed, len(cells), empty)
    try:
        plan = parse_plan(plain, file=place)
    except PlanError as error:
        placed = [sheet.placed(fault) for fault in error.faults]
        faults += [fault for fault in placed if not (fault.found == "nothing" and fault.column in refused)]
    if faults:
        raise PlanError(faults)
    return plan, sheet


def _place(content: dict[str, Any], parts: Sequence[str], value: Any) -> None:
    """Put a value at a path; numbered parts make lists, whose numbers may have gaps. ValueError where two rows contradict."""
    if len(parts) > DEEPEST:
        raise ValueError(f"a path with {len(parts)} parts")
    node: Any = content
    for part, following in pairwise(parts):
        key = _key(node, part)
        if node.get(key, []) == []:  # a list that is empty, as the sheet is written, is no list besides
            node[key] = Numbered() if counted(following) else {}
        node = node[key]
    key = _key(node, parts[-1])
    if value != [] or not node.get(key):
        node[key] = value


def _key(node: Any, part: str) -> Any:
    """A part of a path as a key of a node. ValueError where there is none such."""
    if isinstance(node, Numbered):
        if not counted(part):
            raise ValueError(f"'{part}' instead of the number of an entry")
        return int(part)
    if not isinstance(node, dict) or not part:
        raise ValueError("a part of a field that has a value of its own in another row")
    return part


def _renumbered(field: str, numbers: Mapping[str, tuple[int, ...]]) -> str:
    """A field of the sheet with its lists counted from 0 without gaps. Raises PlanError for an entry that the sheet has not."""
    path: list[str] = []
    parts = field.split(".")
    for n, part in enumerate(parts):
        own = numbers.get(".".join(parts[:n]))
        if own is not None and not (counted(part) and int(part) in own):
            expected = f"a number that the sheet uses after {'.'.join(parts[:n])}: {', '.join(map(str, own))}"
            raise PlanError([Fault(OVERRIDES, "", field, "no such entry", expected)])
        path.append(part if own is None else str(own.index(int(part))))
    return ".".join(path)


def _closed(node: Any, path: str, numbers: dict[str, tuple[int, ...]]) -> Any:
    """Plain data, gaps in lists closed; numbers: path on the sheet -> the numbers that its entries have there."""
    if isinstance(node, Numbered):
        numbers[path] = tuple(sorted(node))
        return [_closed(node[number], f"{path}.{number}", numbers) for number in numbers[path]]
    if isinstance(node, dict):
        return {key: _closed(value, f"{path}.{key}" if path else key, numbers) for key, value in node.items()}
    return node


def counted(part: str) -> bool:
    """Whether a part of a field counts entries of a list; years are names."""
    return part.isascii() and part.isdigit() and len(part) < 6 and int(part) < FIRST_YEAR


def typed(value: Any, field: str) -> Any:
    """A cell as a value of a plan: integers whole, lists and tables as TOML, lists typed with commas or spaces too. ValueError for
    what begins like a list or a table but is not one, or is more than one."""
    listed = list_at(Plan, field)
    text = value.strip() if isinstance(value, str) else ""
    if text.startswith('"'):
        try:
            return json.loads(text)
        except ValueError:  # somebody's own quotation marks
            return value
    if text.startswith(("[", "{")) and kinds_at(Plan, field) != {"string"}:
        ((found,),) = tomllib.loads(f"v = [{text}\n]").values()  # one value, and nothing after it on a line of its own
        return found
    if listed and isinstance(value, str):
        return [_as_intended(part, {listed}) for part in re.split(r"[\s,;]+", value) if part]
    value = _as_intended(value, kinds_at(Plan, field))
    if isinstance(value, datetime.date | datetime.datetime | datetime.time):
        value = value.isoformat()
    return [value] if listed else value


def _as_intended(value: Any, kinds: Collection[str]) -> Any:
    """A figure or a truth value that a cell holds as text, where the field takes no text; whole figures as integers."""
    text = value.strip() if isinstance(value, str) and "string" not in kinds else ""
    if "boolean" in kinds and text.lower() in TRUTHS:
        return TRUTHS[text.lower()]
    if {"number", "integer"} & {*kinds} and NUMBER.fullmatch(text):
        value = float(text)
    return int(value) if isinstance(value, float) and value.is_integer() else value


NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
"""A plain number that a cell holds as text."""
TRUTHS = {"true": True, "yes": True, "false": False, "no": False}
"""What people type into a cell for a truth value."""


PLAN, READ_ME, NOTES = "plan", "read me", "notes"
"""Sheets that are no tables; the content of the last two is not read."""
LARGEST_BOOK_BYTES = 50_000_000
LONGEST_TEXT = 32_767
"""Characters that a cell holds."""
UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]|_x[0-9A-Fa-f]{4}_")
"""What the file format cannot hold, or reads otherwise."""

AFTER_START = (
    "Then: strategic-minerals check plan.xlsx, strategic-minerals solve plan.xlsx --out my-run --quick,",
    "and why a project is chosen or not: strategic-minerals explain my-run own_project",
    "What is empty or switched off here stays as in the other sheets. Everything else of the plan is in the sheet plan.",
)
WELCOME = (
    "A plan for `strategic-minerals` and its tables.",
    "Sheet `start here`: questions in plain words; answers count before the sheet `plan` and are added to the tables.",
    "Sheet `plan`: one field per row, with dots: budget.appropriation_musd, scenarios.0.probability; lists as 1, 2.",
    "A budget by year: one row per year, budget.appropriation_musd.2027. The third column is not read; other sheets are yours.",
    "Another scenario: rows scenarios.3.name, scenarios.3.probability, scenarios.3.events.0.hazard and so on; gaps are allowed.",
    "Other sheets: one table each; the note on a column says what it means. Units are in column names. Empty: not known.",
    "Keep codes with leading zeros as text. Headers are locked; you may add rows below.",
    "strategic-minerals check plan.xlsx      lists every fault with sheet and cell",
    "strategic-minerals solve plan.xlsx --out my-run",
)


def load_workbook(path: str | Path, overrides: Mapping[str, Any] | None = None) -> tuple[Plan, Dataset]:
    """Plan and tables of a book. overrides: values by dotted field, in place of the sheet's and with its numbers.

    Raises PlanError with every fault of both, each with sheet and cell; InputError for what is no workbook."""
    path = Path(path)
    sheets, others = _sheets_of(path)
    faults, given = [*_misnamed(path.name, others)], dict(overrides or {})
    own = any(str(row[0]).startswith("sample") for row in sheets.get(PLAN, ()) if row)
    drawn = [] if own or START not in sheets else [field for field in given if field.startswith("sample.")]
    later = {field: given.pop(field) for field in drawn}  # of a sample that is drawn for what is answered
    plan, sheet = None, None
    with gathering(faults):
        if PLAN not in sheets:
            there = ", ".join([*sheets, *others][:MOST_SHEETS_NAMED]) or "none"
            expected = f"a sheet with one field of the plan per row; the sheets are {there}"
            raise PlanError([Fault(path.name, "", PLAN, "no such sheet", expected)])
        plan, sheet = read_plan(f"{path.name}, sheet {PLAN}", sheets[PLAN], given)
    data, wrong = _tables(path, {name: cells for name, cells in sheets.items() if name not in (PLAN, START)}, others)
    faults += wrong
    answers = None
    if START in sheets:
        written = [[_text(cell) for cell in row] for row in sheets[START]]
        answers = checked(plan, sheet, data, read_answers(f"{path.name}, sheet {START}", written))
        faults += answers.faults
    if faults or plan is None or sheet is None:
        raise PlanError(faults)
    if answers is not None:
        plan, sheet, data = answered(plan, sheet, data, answers)
    changed, wrong = overridden(content := plan.to_toml_like(), later)
    if wrong:
        raise PlanError(wrong)
    plan = parse_plan(content, file=sheet.place) if later else plan
    return plan, replace(data, asked=replace(sheet, overrides=(*sheet.overrides, *changed)))


MOST_SHEETS_NAMED = 30


def _sheets_of(path: Path) -> tuple[dict[str, Sequence[Sequence[Any]]], tuple[str, ...]]:
    """Cells of the sheets that are read, and names of the others. Raises InputError for what is no workbook, or too large a one."""
    content = read_bounded(path, LARGEST_BOOK_BYTES, "a workbook (xlsx)")
    if isinstance(content, Fault):
        raise InputError([content])
    if not content.startswith(b"PK"):
        expected = "a workbook (xlsx, without a password): save it in this format in the spreadsheet"
        raise InputError([Fault(path.name, "", "", kind_of_file(content) or "a file of another kind", expected)])
    book, valueless = opened(content, path.name)
    with whole_book(path.name):
        kind = optional("python_calamine").SheetTypeEnum.WorkSheet
        names = [sheet.name for sheet in book.sheets_metadata if sheet.typ == kind]
        cells = {
            name: book.get_sheet_by_name(name).to_python(skip_empty_area=False)
            for name in names
            if columns_read(name, ())
        }
    expected = "a value, or an empty cell: let the spreadsheet compute the book and save it"
    faults = [
        Fault(f"{path.name}, sheet {name}", at, "", "an error, or a formula that was never computed", expected)
        for name, places in valueless.items()
        for at in places
        if column_number(at.rstrip("0123456789")) <= columns_read(name, cells.get(name, ()))
    ]
    if faults:
        raise InputError(faults)
    return cells, tuple(name for name in names if name not in cells)


def columns_read(sheet: str, cells: Sequence[Sequence[Any]]) -> float:
    """How many columns of a sheet are read: two of the plan, questions and answers, all of a table, none of the planner's own."""
    if sheet == START:
        return 1 + answer_columns(cells[0] if cells else ())
    return 2 if sheet == PLAN else math.inf if sheet in TABLES else 0


def _misnamed(book: str, others: Sequence[str]) -> Iterator[Fault]:
    """Sheets that are called nearly like one that is read."""
    for sheet in others:
        if near := near_miss(sheet, (PLAN, START, *TABLES), NEARLY) or near_miss(sheet, (START,)):
            expected = f"the name of a table{near}, or a clearly different name for a sheet of your own"
            yield Fault(book, "", sheet, "not the name of a table", expected)


NEARLY = 0.8
"""Likeness of a sheet's name to that of a table from which on it is taken for a slip."""


def _tables(
    path: Path, sheets: Mapping[str, Sequence[Sequence[Any]]], others: Sequence[str]
) -> tuple[Dataset, list[Fault]]:
    """The tables that could be read, and what is wrong with the others."""
    faults = list[Fault]()
    tables: dict[str, Any] = {}
    places: tuple[dict[str, tuple[str, ...]], dict[str, tuple[int, ...]]] = {}, {}
    for name, cells in sheets.items():
        place = f"{path.name}, sheet {name}"
        columns = [str(value).strip() for value in cells[0]] if cells else []
        while columns and not columns[-1]:
            columns.pop()
        lines = [n for n, row in enumerate(cells[1:], start=2) if any(value != "" for value in row)]
        wrong = header_faults(name, place, columns, lambda k: cell_name(1, k)) or first_of(
            _headless(place, columns, cells)
        )
        if len(cells) > MOST_ROWS:
            wrong = [Fault(place, "", "", f"{len(cells):,} rows", f"at most {MOST_ROWS:,}")]
        if not wrong:
            # cells in the words of a CSV file: the same rules then read them
            filled = [zip(columns, cells[n - 1], strict=False) for n in lines]
            records = [{name: _text(value) for name, value in row if name and value != ""} for row in filled]
            rows, found = validate_rows(name, records, place, [column for column in columns if column], lines)
            wrong = [_with_cell(fault, columns) for fault in found]
        if not wrong:
            tables[name], places[0][name], places[1][name] = rows, tuple(columns), tuple(lines)
        faults += wrong
    if not tables and not faults:
        faults.append(Fault(path.name, "", "", "no sheet with a table", "sheets with names as in inputs/README.md"))
    own = tuple(name for name in others if name.casefold() not in (READ_ME, NOTES))
    book = Book(path.name, places[0], places[1], own)
    return Dataset(types.MappingProxyType(tables), path.stem, book), faults


def _headless(place: str, columns: Sequence[str], cells: Sequence[Sequence[Any]]) -> Iterator[Fault]:
    """Values of a sheet under no name of a column."""
    expected = "an empty cell, or a header; a sheet of your own takes remarks"
    for n, row in enumerate(cells, start=1):
        for k, value in enumerate(row):
            if str(value).strip() and not (k < len(columns) and columns[k]):
                yield Fault(place, cell_name(n, k), "", "a value without a header", expected)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else str(value)


def _with_cell(fault: Fault, columns: Sequence[str]) -> Fault:
    """A fault of a table with its cell in place of the line."""
    if not fault.row.isdigit():
        return fault
    if fault.column and fault.column in columns:
        return replace(fault, row=cell_name(int(fault.row), columns.index(fault.column)))
    return replace(fault, row=f"row {fault.row}")


def write_workbook(plan: Plan, data: Dataset, path: str | Path) -> None:
    """Plan and tables as a book to fill in: drop-downs where a column knows its values, notes on headers, headers locked.

    The file is whole or as it was before. Raises InputError for text that a cell cannot hold, and for names in the plan that a
    dotted field cannot."""
    with whole_file(Path(path)) as file:
        book, formats = new_book(file)
        _write_start(book, formats, plan, data)
        sheet = book.add_worksheet(READ_ME)
        sheet.set_column(0, 0, 110)
        for row, line in enumerate(WELCOME):
            sheet.write_string(row, 0, line, formats["title"] if row == 0 else formats["plain"])
        _write_plan(book, formats, plan, data)
        for table in data.tables:
            _write_table(book, formats, table, data)
        book.close()


def _write_table(book: Any, formats: Mapping[str, Any], table: str, data: Dataset) -> None:
    frame, model = data.frame(table), TABLES[table]
    own = [column for column in model.model_fields if column not in PROVENANCE]
    columns = list(dict.fromkeys([*model.key, *own, *PROVENANCE]))
    sheet = _sheet(book, table, formats, columns, len(model.key))
    sheet.autofilter(0, 0, max(1, len(frame)), len(columns) - 1)
    for k, column in enumerate(columns):
        if note := meaning(model, column):
            sheet.write_comment(0, k, note, {"x_scale": 2})
        if allowed := choices_at(model, column):
            _drop_down(sheet, (1, k, MOST_ROWS, k), allowed)
        elif (column,) != model.key and column in DEFINED:
            _drop_down(sheet, (1, k, MOST_ROWS, k), _range(data, DEFINED[column]), strict=False)
        sheet.set_column(k, k, min(40, max(10, len(column) + 2)), formats["open"])
    for row, values in enumerate(frame[columns].itertuples(index=False, name=None), start=1):
        for k, value in enumerate(values):
            write_cell(sheet, row, k, value, formats["open"])
    sheet.protect("", PROTECTED)


def _sheet(book: Any, name: str, formats: Mapping[str, Any], columns: Sequence[str], frozen: int = 0) -> Any:
    """A new sheet with its header, which stays in view, with so many columns."""
    sheet = book.add_worksheet(name)
    sheet.freeze_panes(1, frozen)
    for k, column in enumerate(columns):
        sheet.write_string(0, k, column, formats["header"])
    return sheet


PROTECTED = dict.fromkeys(("format_columns", "format_rows", "insert_rows", "delete_rows", "sort", "autofilter"), True)
"""What a sheet with locked headers still allows."""

DEFINED = {
    column: table
    for table, columns in (
        ("materials", "material materials floor_material"),
        ("countries", "country countries origin home"),
        ("hazards", "hazard hazards after"),
        ("projects", "project project_list"),
        ("activities", "activity"),
        ("instruments", "instrument"),
        ("packages", "packages"),
        ("minerals", "mineral"),
    )
    for column in columns.split()
}
"""Column, or last part of a field of the plan -> the table whose first column lists what it may name."""
LONGEST_LIST = 255
"""Characters of a list that is written into a drop-down itself."""


def _range(data: Dataset, table: str) -> str:
    """The first column of a sheet as the source of a drop-down, rows that planners add included; empty without rows."""
    return f"=OFFSET({table}!$A$2,0,0,COUNTA({table}!$A:$A)-1,1)" if data.rows(table) else ""


def _drop_down(sheet: Any, cells: tuple[int, int, int, int], source: Any, *, strict: bool = True) -> None:
    """A list to choose from, where there is one. strict: nothing else may be typed; otherwise names, `*` and several may."""
    if source and (isinstance(source, str) or len(",".join(source)) <= LONGEST_LIST):
        sheet.data_validation(*cells, {"validate": "list", "source": source, "show_error": strict})


def _write_start(book: Any, formats: Mapping[str, Any], plan: Plan, data: Dataset) -> None:
    """Questions in plain words with their answers, on which the book opens."""
    home = home_row(data, plan.home)
    head = f"Plan of {plan.home if home is None else home.name}: question"
    sheet = _sheet(book, START, formats, (head, *HEADS, MEANS))
    sheet.activate()
    sheet.set_column(0, 0, 44)
    sheet.set_column(1, 1, 30, formats["open"])
    sheet.set_column(2, len(HEADS), 14, formats["open"])
    sheet.set_column(1 + len(HEADS), 1 + len(HEADS), 100)
    row, block = 0, ""
    listed = {name: [*codes] for name, codes in lists(data, plan.price_year).items()}
    for question in questions(plan, data):
        row += 1 if question.block == block else 2  # an empty row before a block
        block = question.block
        sheet.write_string(row, 0, question.text, formats["plain"])
        write_cell(sheet, row, 1 + len(HEADS), question.help, formats["plain"])
        for column in range(1, 1 + len(HEADS)):
            if column > 1 and not block:
                sheet.write_blank(row, column, None, formats["closed"])
                continue
            ready = question.ready if column == 1 or question.kind == "switch" else ""
            plain_number = NUMBER.fullmatch(ready) and question.kind != "text"
            write_cell(sheet, row, column, (float(ready) if plain_number else ready) or None, formats["open"])
        at = (row, 1, row, len(HEADS) if block else 1)
        source = _range(data, question.listed) if question.listed in TABLES else listed.get(question.listed, ())
        _drop_down(sheet, at, [YES, NO] if question.kind == "switch" else source, strict=question.kind == "switch")
    for line in AFTER_START:
        row += 1
        sheet.write_string(row + 1, 0, line, formats["plain"])
    sheet.protect("", {**PROTECTED, "insert_columns": True})


def _write_plan(book: Any, formats: Mapping[str, Any], plan: Plan, data: Dataset) -> None:
    of = {"loss_function": "loss_functions", "price_set": "prices", "segment": "demand"}
    stated = {name: [*dict.fromkeys(getattr(row, name) for row in data.rows(table))] for name, table in of.items()}
    sheet = _sheet(book, PLAN, formats, ("field", "value", "meaning"))
    for k, width in enumerate((46, 60, 90)):
        sheet.set_column(k, k, width, formats["open"])
    for row, (field, value) in enumerate(_fields({"format": FORMAT, **plan.to_toml_like()}), start=1):
        sheet.write_string(row, 0, field, formats["open"])
        quoted = isinstance(value, list) or (isinstance(value, str) and value.strip().startswith(TEXT_STARTS))
        write_cell(sheet, row, 1, json.dumps(value) if quoted else value, formats["open"])
        write_cell(sheet, row, 2, field_meaning(Plan, field), formats["plain"])
        name = next(part for part in reversed(field.split(".")) if not counted(part))
        few = choices_at(Plan, field)
        listed = few or stated.get(name) or (name in DEFINED and _range(data, DEFINED[name]))
        _drop_down(sheet, (row, 1, row, 1), listed, strict=bool(few))
    sheet.protect("", PROTECTED)


def _fields(content: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted field, value); lists of plain values are values."""
    if isinstance(content, dict):
        for key, value in content.items():
            if "." in str(key) or counted(str(key)):
                expected = "a name without dots that is not a number (in a workbook)"
                raise InputError([Fault("plan", "", f"{path}.{key}", repr(key), expected)])
            yield from _fields(value, f"{path}.{key}" if path else str(key))
    elif isinstance(content, list) and any(isinstance(entry, dict) for entry in content):
        for n, value in enumerate(content):
            yield from _fields(value, f"{path}.{n}")
    else:
        yield path, content


def new_book(file: BinaryIO) -> tuple[Any, dict[str, Any]]:
    """An empty book in which no text becomes a formula or a link, and its formats. file: where it is written when it is closed."""
    xlsxwriter = optional("xlsxwriter")
    turned = ("strings_to_formulas", "strings_to_urls", "strings_to_numbers", "nan_inf_to_errors")
    book = xlsxwriter.Workbook(file, dict.fromkeys(turned, False))
    return book, {
        "title": book.add_format({"bold": True, "font_size": 13}),
        "plain": book.add_format({"text_wrap": False}),
        "header": book.add_format({"bold": True, "bg_color": "#0b5c8a", "font_color": "#ffffff", "locked": True}),
        "open": book.add_format({"locked": False}),
        "closed": book.add_format({"bg_color": "#e6e6e6"}),
    }


def write_cell(sheet: Any, row: int, column: int, value: Any, style: Any) -> None:
    """A cell in its own kind; what is missing stays empty."""
    plain = value.item() if hasattr(value, "item") else value
    if plain is None or (isinstance(plain, float) and plain != plain):
        return
    if isinstance(plain, bool):
        sheet.write_boolean(row, column, plain, style)
    elif isinstance(plain, int | float):
        if float(f"{plain:.16G}") == plain:  # as many figures as the file format keeps
            sheet.write_number(row, column, plain, style)
        else:
            sheet.write_string(row, column, repr(plain), style)
    else:
        text = " ".join(map(str, plain)) if isinstance(plain, tuple | list) else str(plain)
        if len(text) > LONGEST_TEXT or UNFIT.search(text) or (text.startswith("<r>") and text.endswith("</r>")):
            expected = f"at most {LONGEST_TEXT:,} characters, no control characters, not between <r> and </r>"
            place = f"sheet {sheet.get_name()}", cell_name(row + 1, column), ""
            raise InputError([Fault(*place, repr(text[:60]), expected)])
        sheet.write_string(row, column, text, style)
