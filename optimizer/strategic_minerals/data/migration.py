"""Plans and tables of earlier formats, written anew in the present one; what is current already is left alone."""

from __future__ import annotations

import copy
import csv
import io
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..core.atomic_files import write_whole
from ..core.errors import Fault, InputError, PlanError, shown
from ..schemas.base import USA
from ..schemas.formats import PLAN_FORMAT, TABLES_FORMAT
from ..schemas.tables import TABLES
from .csv_files import load_dataset
from .csv_shape import Sheet, guarded, read_sheet
from .format_stamp import STAMP, STAMP_TEXT, content_of, folder_format, stamped, that_says
from .home_overlay import HOMES, homes_of
from .migration_steps import PLAN_STEPS, STEPPED, TABLE_STEPS, TextTable
from .plan_file import FORMAT, load_plan, plan_text
from .plan_places import TextKind
from .workbook import PLAN, load_workbook, write_workbook

PLANS = ("plan.toml", "plan.json", "plan.xlsx")
FOLDERS = ("tables", "inputs")
WANTED = (
    "a plan file (TOML or JSON), a workbook (xlsx), a folder of tables (CSV), or a folder with a plan and its tables"
)


@dataclass(frozen=True)
class Migrated:
    """What was lifted."""

    changes: tuple[str, ...]
    """What is otherwise now, with its file; empty: all of it was current, and nothing was written."""
    lost: tuple[str, ...] = ()
    """What is not in what was written, in sentences."""


def migrate(path: Path, out: Path) -> Migrated:
    """Write a plan, tables, or both in the present format, where they are of an earlier one; the old ones stay as they are.

    path: a plan file, a workbook, a folder of tables, or a folder with a plan and its tables; of a folder, all of its files are
    taken along. out: a file or a folder that is not there yet; nothing is written where nothing changes, or where what was lifted
    does not read as it should.

    Raises PlanError or InputError for what is none of these, for formats to come, and for faults of what was lifted.
    """
    if out.exists() and not (out.is_dir() and path.is_dir() and not any(out.iterdir())):
        there = "a folder" if out.is_dir() else "a file"
        raise InputError([Fault(str(out), "", "--out", f"{there} that is there already", "a new name")])
    if path.is_file() and out.suffix.lower() != path.suffix.lower():
        raise InputError([Fault(str(out), "", "--out", f"'{out.name}'", f"a name that ends in {path.suffix}")])
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".migrate-", dir=out.parent) as work:
        copied = Path(work) / (path.name if path.is_file() else "lifted")
        if path.is_dir():
            shutil.copytree(path, copied)
            found = _folder(copied, path)
        else:
            found = _file(path, copied)
        if found.changes:
            if out.is_dir():
                out.rmdir()
            copied.replace(out)
    return found


def _folder(folder: Path, asked: Path) -> Migrated:
    """Lift what lies in a copy of a folder."""
    plans = [folder / name for name in PLANS if (folder / name).is_file()]
    tables = [place for place in (folder, *(folder / name for name in FOLDERS)) if _holds_tables(place)]
    if not plans and not tables:
        raise InputError([Fault(str(asked), "", "", "a folder without a plan and without tables", WANTED)])
    changes, lost = list[str](), list[str]()
    for plan in plans:
        found = _file(plan, plan)
        changes += found.changes
        lost += found.lost
    for place in tables:
        changes += _tables(place, "" if place == folder else f"{place.name}/")
    return Migrated(tuple(changes), tuple(lost))


def _holds_tables(folder: Path) -> bool:
    named = (file.stem in TABLES for file in folder.glob("*.csv"))
    return folder.is_dir() and (any(named) or bool(homes_of(folder)))


def _file(path: Path, target: Path) -> Migrated:
    """Lift a plan file or a workbook; what is current is not written."""
    if path.suffix.lower() == ".xlsx":
        return _book(path, target)
    text, kind = plan_text(path)
    lifted, changes = lifted_text(text, kind, path.name)
    if changes:
        write_whole(target, [lifted])
        load_plan(target)
    else:
        load_plan(path)  # what is no plan has nothing of before either
    return Migrated(tuple(f"{path.name}: {change}" for change in changes))


# --- plans --------------------------------------------------------------------------------------------------------------------


def lifted_text(text: str, kind: TextKind, name: str) -> tuple[str, list[str]]:
    """The text of a plan file in the present format, its comments and its order as they were, and what changed in it.

    name: of the file, for faults. Raises PlanError where a field of before cannot be found in the text.
    """
    content = content_of(text, kind)
    stated = content.get(FORMAT)
    if stated is not None and (not isinstance(stated, int) or isinstance(stated, bool) or stated < 1):
        raise PlanError([Fault(name, "", FORMAT, shown(stated), f"a whole number from 1 to {PLAN_FORMAT}")])
    begin = 1 if stated is None else stated
    changes = []
    for number, step in PLAN_STEPS:
        if number <= begin:
            continue
        after = copy.deepcopy(content)
        for former, present in step(after):
            try:
                text = that_says(_renamed(text, former, present, kind), after, kind)
            except ValueError:
                expected = f"{present}: rename the field by hand"
                raise PlanError(
                    [Fault(name, "", former, "a field that cannot be found in the text", expected)]
                ) from None
            changes.append(f"{former} -> {present}")
        content = after
    if changes or (stated is not None and begin < PLAN_FORMAT):
        text = stamped(text, kind)
        changes.append(f"{FORMAT} = {PLAN_FORMAT}")
    return text, changes


def _renamed(text: str, former: str, present: str, kind: TextKind) -> list[str]:
    """The text with the last part of a field renamed, at one place after the other where its name stands as that of a field."""
    was, now = former.rpartition(".")[2], present.rpartition(".")[2]
    pattern = rf'"{was}"(?=\s*:)' if kind == "JSON" else rf"(?<![\w-])(?P<mark>[\"']?){was}(?P=mark)(?=\s*=)"
    quoted = f'"{now}"' if kind == "JSON" else now
    return [f"{text[: one.start()]}{quoted}{text[one.end() :]}" for one in re.finditer(pattern, text)]


# --- tables -------------------------------------------------------------------------------------------------------------------


def _tables(folder: Path, told: str) -> list[str]:
    """Lift a folder of tables as it lies there, with the folders of its homes; what changed. told: what to call the folder."""
    stated = folder_format(folder)
    homes = homes_of(folder)
    changes = []
    for place, name in ((folder, told), *((folder / HOMES / home, f"{told}{HOMES}/{home}/") for home in homes)):
        tables = {
            table: _text_table(place / f"{table}.csv", name) for table in STEPPED if (place / f"{table}.csv").is_file()
        }
        before = {table: _csv(found) for table, found in tables.items()}
        changes += [f"{name}{change}" for change in lifted_tables(tables, stated)]
        for table, found in tables.items():
            if before.get(table) != (text := _csv(found)):
                write_whole(place / f"{table}.csv", [text])
    if changes or (stated is not None and stated < TABLES_FORMAT):
        write_whole(folder / STAMP, [STAMP_TEXT])
        changes.append(f"{told}{STAMP}: {FORMAT} = {TABLES_FORMAT}")
    for home in homes or [USA]:
        load_dataset(folder, home)
    return changes


def lifted_tables(tables: dict[str, TextTable], stated: int | None) -> list[str]:
    """Lift tables in place; what changed. stated: the format that they say they have; None: they say nothing, and are taken for
    what they show."""
    return [change for number, step in TABLE_STEPS if number > (stated or 1) for change in step(tables)]


def _text_table(file: Path, place: str) -> TextTable:
    """A table as its file has it. Raises InputError where its shape is not that of a table."""
    found = read_sheet(file, f"{place}{file.name}")
    if not isinstance(found, Sheet):
        raise InputError(found)
    return TextTable([*found.columns], [{name: str(cell) for name, cell in record.items()} for record in found.records])


def _csv(table: TextTable) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows([_safe(record.get(name, "")) for name in table.columns] for record in table.records)
    return text.getvalue()


def _safe(cell: str) -> object:
    """A cell as it may stand in a file: text inert, a number as it was."""
    try:
        float(cell)
    except ValueError:
        return guarded(cell)
    return cell


# --- workbooks ----------------------------------------------------------------------------------------------------------------

Cells = Mapping[str, Sequence[Sequence[Any]]]
"""Sheets of a book by name, each as rows of cells."""


def _book(path: Path, target: Path) -> Migrated:
    """Lift a workbook: its plan and its tables are written into a new one."""
    changes: list[str] = []
    plan, data = load_workbook(path, lift=partial(_sheets, changes))
    if not changes:
        return Migrated(())
    own = () if data.book is None else data.book.others
    write_workbook(plan, data, target)
    lost = (f"{path.name}: sheets of your own are not in the new book: {', '.join(own)}",) if own else ()
    return Migrated(
        tuple(f"{path.name}: {change}" for change in changes),
        (
            *lost,
            f"{path.name}: formats, comments and answers on the first sheet are written anew; what they said is in plan and tables",
        ),
    )


def _sheets(changes: list[str], sheets: Cells, stated: int | None) -> Cells:
    """Sheets of a book in the present format; what changed is added to a list. stated: the format of its tables."""
    lifted = dict(sheets)
    if PLAN in sheets:
        lifted[PLAN] = _plan_sheet(sheets[PLAN], changes)
    tables = {name: _of_cells(cells) for name, cells in sheets.items() if name in STEPPED and cells}
    before = copy.deepcopy(tables)
    told = lifted_tables(tables, stated)
    changes += told
    for name, table in tables.items():
        if before.get(name) != table:
            lifted[name] = [
                table.columns,
                *([row.get(column, "") for column in table.columns] for row in table.records),
            ]
    if stated is not None and stated < TABLES_FORMAT and not told:
        changes.append(f"{FORMAT} = {TABLES_FORMAT}")
    return lifted


def _plan_sheet(cells: Sequence[Sequence[Any]], changes: list[str]) -> list[list[Any]]:
    """The rows of a sheet `plan` with the present names of fields."""
    rows = [[*row] for row in cells]
    stated = next((row[1] for row in rows if len(row) > 1 and str(row[0]).strip() == FORMAT), None)
    begin = int(stated) if isinstance(stated, int | float) and stated >= 1 else 1
    if begin > PLAN_FORMAT:
        return rows  # refused when it is read, with its cell
    for number, step in PLAN_STEPS:
        sections: dict[str, Any] = {}
        for row in rows:
            section, _, field = str(row[0]).strip().partition(".") if row else ("", "", "")
            if field and "." not in field:
                sections.setdefault(section, {})[field] = row[1] if len(row) > 1 else ""
        for former, present in step(sections) if number > begin else ():
            for row in rows:
                if row and str(row[0]).strip() == former:
                    row[0] = present
            changes.append(f"{former} -> {present}")
    if stated is not None and begin < PLAN_FORMAT:
        changes.append(f"plan {FORMAT} = {PLAN_FORMAT}")
    return rows


def _of_cells(cells: Sequence[Sequence[Any]]) -> TextTable:
    columns = [str(value).strip() for value in cells[0]]
    records = [
        {name: value for name, value in zip(columns, row, strict=False) if name and value != ""} for row in cells[1:]
    ]
    return TextTable(columns, records)
