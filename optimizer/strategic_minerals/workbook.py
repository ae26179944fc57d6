"""Plans, tables and results as one workbook (xlsx): what planners live in, read back without loss.

A sheet a table, its name the table's, its first row the columns; the sheet `plan` holds a field of the plan a row, dotted as in
`--set`. Text stays text: formulas, `NA`, leading zeros. Faults name sheet and cell. A book is looked at before it is opened
(`workbook_guard`).
"""

from __future__ import annotations

import datetime
import json
import re
import tomllib
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args, get_origin

from .atomic import whole
from .dataset import PROVENANCE, Book, Dataset, cell_name, validate_rows
from .errors import Fault, FaultsError, InputError, PlanError, missing_part, near_miss
from .meanings import field_meaning, meaning
from .plan import Plan
from .plan_file import parse_plan, put
from .result import Result
from .rows import TABLES
from .workbook_guard import MOST_ROWS, look

PLAN, READ_ME, NOTES = "plan", "read me", "notes"
"""Sheets that are no tables; what stands in the last two is not read."""
FIRST_YEAR = 1000
"""Numbers from here on name a year of a series and no place in a list."""
TEXT_STARTS = ("[", "{", '"')
"""How a value of a plan begins that is read as TOML: lists, tables, and text that begins like one."""
DEEPEST = 20
"""Parts of a field's path."""
LONGEST_TEXT = 32_767
"""Characters that a cell holds."""
UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]|_x[0-9A-Fa-f]{4}_")
"""What the file format cannot hold, or reads otherwise."""

WELCOME = (
    "A plan for `strategic-minerals` with its tables.",
    "Sheet `plan`: a field a row, dotted as in a plan file (budget.appropriation_musd, scenarios.0.probability); lists as [1, 2].",
    "A budget by year: a row each, budget.appropriation_musd.2027. The third column is not read; a sheet `notes` is yours.",
    "Another scenario: rows scenarios.3.name, scenarios.3.probability, scenarios.3.events.0.hazard and so on, counted from 0.",
    "Other sheets: a table each; a column's note says what it is. Units stand in the names of columns. Empty cells are unknown.",
    "Keep codes with leading zeros and the like as text. Headers are locked; rows may be added below.",
    "strategic-minerals check plan.xlsx      every fault with sheet and cell",
    "strategic-minerals solve plan.xlsx --out my-run",
)


def load_workbook(path: str | Path, overrides: Mapping[str, Any] | None = None) -> tuple[Plan, Dataset]:
    """Plan and tables of a book. overrides: values by dotted field, in place of the sheet's.

    Raises PlanError with every fault of both, each with sheet and cell.
    """
    path = Path(path)
    sheets = _sheets(path)
    faults: list[Fault] = []
    plan, data = None, None
    try:
        plan = _plan(path.name, sheets.get(PLAN), overrides or {})
    except FaultsError as error:
        faults += error.faults
    try:
        data = _tables(path, {name: cells for name, cells in sheets.items() if name not in (PLAN, READ_ME, NOTES)})
    except FaultsError as error:
        faults += error.faults
    if plan is None or data is None:
        raise PlanError(faults)
    return plan, data


def _sheets(path: Path) -> dict[str, list[list[Any]]]:
    """Cells of every sheet. Raises InputError for what is no workbook, or too large a one."""
    look(path)
    calamine = _module("python_calamine")
    try:
        book = calamine.CalamineWorkbook.from_path(str(path))
        return {name: book.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in book.sheet_names}
    except (calamine.CalamineError, OSError) as error:
        raise InputError([Fault(path.name, "", "", str(error), "a workbook (xlsx)")]) from None


def _plan(book: str, cells: list[list[Any]] | None, overrides: Mapping[str, Any]) -> Plan:
    """The sheet `plan`: fields in the first column, values in the second, whatever stands further right."""
    place = f"{book}, sheet {PLAN}"
    if cells is None:
        raise PlanError([Fault(book, "", PLAN, "no such sheet", "a sheet with a field of the plan a row")])
    content: dict[str, Any] = {}
    rows: dict[str, int] = {}
    faults: list[Fault] = []
    for number, row in enumerate(cells[1:], start=2):
        field = str(row[0]).strip() if row and row[0] != "" else ""
        value = row[1] if len(row) > 1 else ""
        if not field or value == "":
            continue
        if field in rows:
            expected = f"once: it stands in {cell_name(rows[field], 0)} too"
            faults.append(Fault(place, cell_name(number, 0), field, "a field twice", expected))
            continue
        rows[field] = number
        try:
            _place(content, field, _typed(value), place)
        except (PlanError, ValueError, AttributeError, TypeError, RecursionError) as error:
            said = error.faults[0].found if isinstance(error, PlanError) else str(error)
            faults.append(Fault(place, cell_name(number, 1), field, said, "a value, or a list like [1, 2]"))
    for field, value in overrides.items():
        put(content, field, value, "--set")
    try:
        plan = parse_plan(content, file=place, overrides=tuple(overrides))
    except PlanError as error:
        faults += [_at_cell(fault, rows) for fault in error.faults]
    if faults:
        raise PlanError(faults)
    return plan


def _place(content: dict[str, Any], field: str, value: Any, file: str) -> None:
    """Put a value at a dotted path; numbered parts make lists."""
    parts = field.split(".")
    if len(parts) > DEEPEST:
        raise ValueError(f"a path of {len(parts)} parts")
    last = parts[-1]
    node: Any = content
    for part, following in pairwise(parts):
        fresh: Any = [] if _counted(following) else {}
        if isinstance(node, list):
            while len(node) <= int(part):
                node.append({})
            if node[int(part)] == {} and isinstance(fresh, list):
                node[int(part)] = fresh
            node = node[int(part)]
        else:
            node = node.setdefault(part, fresh)
    if isinstance(node, list) and _counted(last):
        while len(node) <= int(last):
            node.append(None)
    put({"at": node}, f"at.{last}", value, file)


def _counted(part: str) -> bool:
    """Whether a part of a field counts entries of a list; years are names."""
    return part.isdigit() and int(part) < FIRST_YEAR


def _typed(value: Any) -> Any:
    """A cell as a value of a plan: whole numbers whole, lists and tables as TOML."""
    if isinstance(value, str) and value.strip().startswith(TEXT_STARTS):
        try:
            return tomllib.loads(f"v = {value}")["v"]
        except tomllib.TOMLDecodeError:
            if value.strip().startswith('"'):  # somebody's own quotation marks
                return value
            raise
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value.isoformat() if isinstance(value, datetime.date | datetime.datetime | datetime.time) else value


def _at_cell(fault: Fault, rows: Mapping[str, int]) -> Fault:
    """A fault of a plan with the cell of its field, or of the closest one around it."""
    if fault.file == "--set":
        return fault
    parts = fault.column.split(".")
    for n in range(len(parts), 0, -1):
        path = ".".join(parts[:n])
        inside = [field for field in rows if field == path or field.startswith(f"{path}.")]
        if inside:
            return replace(fault, row=cell_name(rows[inside[0]], 1))
    return fault


def _tables(path: Path, sheets: Mapping[str, list[list[Any]]]) -> Dataset:
    faults: list[Fault] = []
    tables: dict[str, Any] = {}
    places: tuple[dict[str, tuple[str, ...]], dict[str, tuple[int, ...]]] = {}, {}
    for name, cells in sheets.items():
        place = f"{path.name}, sheet {name}"
        if name not in TABLES:
            faults.append(Fault(path.name, "", name, "no such table", "a table name" + near_miss(name, TABLES)))
            continue
        if len(cells) > MOST_ROWS:
            faults.append(Fault(place, "", "", f"{len(cells):,} rows", f"at most {MOST_ROWS:,}"))
            continue
        columns = [str(value).strip() for value in cells[0]] if cells else []
        while columns and not columns[-1]:
            columns.pop()
        twice = [k for k, column in enumerate(columns) if column in columns[:k]]
        faults += [Fault(place, cell_name(1, k), columns[k], "a column twice", "each column once") for k in twice]
        lines = [n for n, row in enumerate(cells[1:], start=2) if any(value != "" for value in row)]
        headless = {k for row in cells for k in range(len(row)) if k >= len(columns) or not columns[k]}
        beyond = [cell_name(n, k) for n in lines for k, value in enumerate(cells[n - 1]) if value != "" and k in headless]
        faults += [Fault(place, cell, "", "a value under no header", "an empty cell, or a header") for cell in beyond[:20]]
        if twice or beyond:
            continue
        records = [_record(columns, cells[n - 1]) for n in lines]
        rows, found = validate_rows(name, records, place, columns, lines)
        tables[name], places[0][name], places[1][name] = rows, tuple(columns), tuple(lines)
        faults += [_with_cell(fault, columns) for fault in found]
    if not tables and not faults:
        faults.append(Fault(path.name, "", "", "no sheet with a table", "sheets named as in inputs/README.md"))
    if faults:
        raise InputError(faults)
    return Dataset(types.MappingProxyType(tables), path.stem, Book(path.name, places[0], places[1]))


def _record(columns: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    """Cells by column, in the words of a CSV file: the same rules then read them."""
    return {column: _text(value) for column, value in zip(columns, row, strict=False) if value != ""}


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
    row = int(fault.row)
    return replace(fault, row=cell_name(row, columns.index(fault.column)) if fault.column in columns else f"row {row}")


def write_workbook(plan: Plan, data: Dataset, path: str | Path) -> None:
    """Plan and tables as a book to fill in: drop-downs where a column knows its values, notes on headers, headers locked.

    The file is whole or as it was before. Raises InputError for text that a cell cannot hold, and for names in the plan that a
    dotted field cannot.
    """
    with whole(Path(path)) as file:
        book, formats = _new(file)
        _fill(book, formats, plan, data)
        book.close()


def _fill(book: Any, formats: Mapping[str, Any], plan: Plan, data: Dataset) -> None:
    """All sheets of a book to fill in."""
    sheet = book.add_worksheet(READ_ME)
    sheet.set_column(0, 0, 110)
    for row, line in enumerate(WELCOME):
        sheet.write_string(row, 0, line, formats["title"] if row == 0 else formats["plain"])
    _write_plan(book, formats, plan)
    for table in data.tables:
        frame = data.frame(table)
        own = [column for column in frame.columns if column not in PROVENANCE]
        columns = list(dict.fromkeys([*TABLES[table].key, *own, *PROVENANCE]))
        frame = frame[columns]
        sheet = book.add_worksheet(table)
        sheet.freeze_panes(1, len(TABLES[table].key))
        sheet.autofilter(0, 0, max(1, len(frame)), len(columns) - 1)
        for k, column in enumerate(columns):
            sheet.write_string(0, k, column, formats["header"])
            note = meaning(TABLES[table], column)
            if note:
                sheet.write_comment(0, k, note, {"x_scale": 2})
            allowed = _allowed(TABLES[table].model_fields[column].annotation)
            if allowed:
                sheet.data_validation(1, k, MOST_ROWS, k, {"validate": "list", "source": allowed})
            sheet.set_column(k, k, min(40, max(10, len(column) + 2)), formats["open"])
        for row, values in enumerate(frame.itertuples(index=False, name=None), start=1):
            for k, value in enumerate(values):
                _write(sheet, row, k, value, formats["open"])
        sheet.protect("", PROTECTED)


PROTECTED = dict.fromkeys(("format_columns", "format_rows", "insert_rows", "delete_rows", "sort", "autofilter"), True)
"""What a sheet with locked headers still allows."""


def _write_plan(book: Any, formats: Mapping[str, Any], plan: Plan) -> None:
    sheet = book.add_worksheet(PLAN)
    sheet.set_column(0, 0, 46, formats["open"])
    sheet.set_column(1, 1, 60, formats["open"])
    sheet.freeze_panes(1, 0)
    sheet.set_column(2, 2, 90, formats["open"])
    for k, head in enumerate(("field", "value", "meaning")):
        sheet.write_string(0, k, head, formats["header"])
    for row, (field, value) in enumerate(_fields(plan.to_toml_like()), start=1):
        sheet.write_string(row, 0, field, formats["open"])
        quoted = isinstance(value, list) or (isinstance(value, str) and value.strip().startswith(TEXT_STARTS))
        _write(sheet, row, 1, json.dumps(value) if quoted else value, formats["open"])
        _write(sheet, row, 2, field_meaning(Plan, field), formats["plain"])
    sheet.protect("", PROTECTED)


def _fields(content: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted field, value); lists of plain values are values."""
    if isinstance(content, dict):
        for key, value in content.items():
            if "." in str(key) or _counted(str(key)):
                expected = "a name without dots that is no number, in a workbook"
                raise InputError([Fault("plan", "", f"{path}.{key}", repr(key), expected)])
            yield from _fields(value, f"{path}.{key}" if path else str(key))
    elif isinstance(content, list) and any(isinstance(entry, dict) for entry in content):
        for n, value in enumerate(content):
            yield from _fields(value, f"{path}.{n}")
    else:
        yield path, content


def _allowed(annotation: Any) -> list[str]:
    """Values of a column that is a choice; empty where it is not."""
    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]
    return next((found for part in get_args(annotation) if (found := _allowed(part))), [])


def write_results(result: Result, path: str | Path) -> None:
    """Summary and every table of a result as a formatted book. The file is whole or as it was before."""
    with whole(Path(path)) as file:
        book, formats = _new(file)
        _show(book, formats, result)
        book.close()


def _show(book: Any, formats: Mapping[str, Any], result: Result) -> None:
    """All sheets of a result."""
    sheet = book.add_worksheet("summary")
    sheet.set_column(0, 0, 120)
    for row, line in enumerate(result.summary().splitlines()):
        sheet.write_string(row, 0, line, formats["title"] if row == 0 else formats["plain"])
    for name, table in result.tables.items():
        sheet = book.add_worksheet(name[:31])
        sheet.freeze_panes(1, 0)
        for k, column in enumerate(table.columns):
            sheet.write_string(0, k, str(column), formats["header"])
            sheet.set_column(k, k, min(40, max(10, len(str(column)) + 2)))
        for row, values in enumerate(table.itertuples(index=False, name=None), start=1):
            for k, value in enumerate(values):
                _write(sheet, row, k, value, formats["plain"])
        if len(table):
            sheet.autofilter(0, 0, len(table), max(0, len(table.columns) - 1))


def _new(file: BinaryIO) -> tuple[Any, dict[str, Any]]:
    """An empty book in which no text becomes a formula or a link, and its formats. file: where it is written when it is closed."""
    xlsxwriter = _module("xlsxwriter")
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "nan_inf_to_errors": False}
    book = xlsxwriter.Workbook(file, options)
    return book, {
        "title": book.add_format({"bold": True, "font_size": 13}), "plain": book.add_format({"text_wrap": False}),
        "header": book.add_format({"bold": True, "bg_color": "#0b5c8a", "font_color": "#ffffff", "locked": True}),
        "open": book.add_format({"locked": False}),
    }  # fmt: skip


def _write(sheet: Any, row: int, column: int, value: Any, style: Any) -> None:
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
            expected = f"at most {LONGEST_TEXT:,} characters, none of control, not between <r> and </r>"
            raise InputError([Fault(f"sheet {sheet.get_name()}", cell_name(row + 1, column), "", repr(text[:60]), expected)])
        sheet.write_string(row, column, text, style)


def _module(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        raise missing_part("workbook", name, "excel") from None
