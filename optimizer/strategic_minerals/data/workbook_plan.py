"""The sheet `plan` of a workbook: one field per row, with dots as in `--set`; values are interpreted as planners type them."""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any

from ..core.errors import Fault, Faults, PlanError
from ..schemas.descriptions import kinds_at, list_at
from ..schemas.plan import Plan
from .plan_file import SET, apart, first_new, parse_plan, put
from .workbook_places import PlanSheet, cell_name

FIRST_YEAR = 1000
"""Numbers from here on name a year of a series and no place in a list."""
TEXT_STARTS = ("[", "{", '"')
"""How a value of a plan begins that is read as TOML: lists, tables, and text that begins like one."""
DEEPEST = 20
"""Parts of a field's path."""


class Numbered(dict[int, Any]):
    """Entries of a list by the numbers that they have on the sheet."""


def read_plan(place: str, cells: Sequence[Sequence[Any]], overrides: Mapping[str, Any]) -> tuple[Plan, PlanSheet]:
    """The plan of a sheet: fields in the first column, values in the second, whatever stands further right.

    overrides: values by field, with the numbers of the sheet. Raises PlanError with every fault and its cell.
    """
    content: dict[str, Any] = {}
    rows: dict[str, int] = {}
    empty: dict[str, int] = {}
    faults = Faults()
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
            faults.add(Fault(place, cell_name(number, 0), field, "the field twice", expected))
            continue
        rows[field] = number
        try:
            _place(content, field.split("."), typed(value, field))
        except (ValueError, TypeError, RecursionError) as error:
            expected = "a value in one row for the field, or one row for each of its parts (list entries: .0, .1, ...)"
            faults.add(Fault(place, cell_name(number, 1), field, str(error), expected))
    numbers: dict[str, tuple[int, ...]] = {}
    plain = _closed(content, "", numbers)
    apart(overrides)
    changed: list[str] = []
    for field, value in overrides.items():
        try:
            own = _renumbered(field, numbers)
            changed.append(first_new(plain, own))
            put(plain, own, value, SET)
        except PlanError as error:
            faults.extend(error.faults)
    sheet = PlanSheet(place, rows, numbers, tuple(changed), len(cells), empty)
    try:
        plan = parse_plan(plain, file=place)
    except PlanError as error:
        faults.extend(sheet.placed(fault) for fault in error.faults)
    if faults:
        raise PlanError(faults.told())
    return plan, sheet


def _place(content: dict[str, Any], parts: Sequence[str], value: Any) -> None:
    """Put a value at a path; numbered parts make lists, whose numbers may have gaps. ValueError where two rows contradict."""
    if len(parts) > DEEPEST:
        raise ValueError(f"a path with {len(parts)} parts")
    node: Any = content
    for part, following in pairwise(parts):
        fresh: Any = Numbered() if counted(following) else {}
        node = node.setdefault(_key(node, part), fresh)
    node[_key(node, parts[-1])] = value


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
            raise PlanError([Fault(SET, "", field, "no such entry", expected)])
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
    """A cell as a value of a plan: integers whole, lists and tables as TOML, lists typed with commas or spaces too."""
    listed = list_at(Plan, field)
    if isinstance(value, str) and value.strip().startswith(TEXT_STARTS):
        try:
            return tomllib.loads(f"v = {value}")["v"]
        except tomllib.TOMLDecodeError:
            if value.strip().startswith('"'):  # somebody's own quotation marks
                return value
            raise ValueError(f"{value[:40]!r}, which is not a valid list or table") from None
    if listed and isinstance(value, str):
        return [_entry(part, listed) for part in re.split(r"[\s,;]+", value) if part]
    if isinstance(value, str):
        value = _as_intended_text(value.strip(), kinds_at(Plan, field), value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, datetime.date | datetime.datetime | datetime.time):
        value = value.isoformat()
    return [value] if listed else value


def _as_intended_text(text: str, kinds: Collection[str], otherwise: str) -> Any:
    """A figure or a truth value that a cell holds as text, where the field takes no text; the text as it was, otherwise."""
    if "string" in kinds:
        return otherwise
    if "boolean" in kinds and text.lower() in TRUTHS:
        return TRUTHS[text.lower()]
    return float(text) if {"number", "integer"} & {*kinds} and NUMBER.fullmatch(text) else otherwise


NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
"""A plain number that a cell holds as text."""
TRUTHS = {"true": True, "yes": True, "false": False, "no": False}
"""What people type into a cell for a truth value."""


def _entry(text: str, kind: str) -> Any:
    """An entry of a list in the kind that the list holds; text that is no such number stays, and is told as a fault."""
    if kind not in ("number", "integer"):
        return text
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() else number
