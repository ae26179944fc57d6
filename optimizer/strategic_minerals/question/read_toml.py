"""Line of each field in a plan file, so that faults of the plan, found now or later with the tables, name their line."""

import json
import math
import os
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import pandas as pd
from pydantic import BaseModel, ValidationError

from ..core.errors import (
    FORMAT,
    OVERRIDES,
    Fault,
    MisplacedError,
    PlanError,
    expected,
    format_fault,
    gathering,
    near_miss,
    overlapping,
    shipped,
    shown,
)
from ..core.files import read_bounded, text_of
from ..core.stats import LARGEST_NUMBER
from .base import fields_at
from .plan import Plan, Scenario


def set_elsewhere(field: str, overrides: Sequence[str]) -> bool:
    """Whether a field, or something around it, was set by the command line."""
    return any(field == own or field.startswith(f"{own}.") for own in overrides)


@dataclass(frozen=True)
class PlanText:
    """A plan file: its name, the lines of its fields (none of a JSON file), and the fields that were set elsewhere."""

    name: str
    lines: Mapping[str, int]
    overrides: tuple[str, ...]

    def placed(self, fault: Fault) -> Fault:
        """A fault of the plan with file and line, of the closest table around it where it has none, or the option that set it."""
        if set_elsewhere(fault.column, self.overrides):
            return replace(fault, file=OVERRIDES, row="")
        parts = fault.column.split(".")
        around = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
        lines = (self.lines[at] for path in around for at in (path, f"{path}.0") if at in self.lines)
        return replace(fault, file=self.name, row=str(next(lines, "")))


def _lines(text: str) -> dict[str, int]:
    """Dotted path -> line number, of the keys of a TOML text that are at the start of a line."""
    prefix, found = "", dict[str, int]()
    seen: dict[str, int] = {}
    current: dict[str, str] = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if line.startswith("[[") and "]]" in line:
            name = line[2 : line.index("]]")].strip()
            parent, _, leaf = name.rpartition(".")
            full = f"{current.get(parent, parent)}.{leaf}" if parent else leaf
            seen[full] = seen.get(full, -1) + 1
            prefix = current[name] = f"{full}.{seen[full]}"
            found[prefix] = number
        elif line.startswith("[") and "]" in line:
            prefix = line[1 : line.index("]")].strip()
            found[prefix] = number
        elif "=" in line and not line.startswith("#"):
            key = line.split("=", 1)[0].strip().strip('"')
            found[f"{prefix}.{key}" if prefix else key] = number
    return found


TextKind = Literal["TOML", "JSON", ""]
"""How a plan is written; empty: a field at a time, as on a sheet or among overrides."""

# Plan files: read within limits, validated, with the line of every fault.
M = TypeVar("M", bound=BaseModel)

LARGEST_PLAN_BYTES = 5_000_000
DEEPEST_NESTING = 40


def load_plan(path: str | Path | Mapping[str, Any], overrides: Mapping[str, Any] | None = None) -> Plan:
    """Read and validate a plan.

    path: a file (TOML, or JSON where its name ends in .json), the name of a shipped plan, or the fields themselves. overrides:
    dotted paths -> values put into the plan before it is validated, e.g. `{"budget.total_musd": 500}` or
    `{"scenarios.0.probability": 0.1}`; None: the plan as it is.

    Raises PlanError with every fault: file, line, field, value found, value expected."""
    if isinstance(path, Mapping):
        return _changed(Plan, deepcopy(dict(path)), PlanText("plan", {}, ()), overrides)[0]
    return read_as(Plan, find_plan(Path(path)), overrides)[0]


def find_plan(path: Path) -> Path:
    """A file, the plan of a folder, or the shipped plan of that name. Raises PlanError where there is none."""
    if not path.is_dir() and os.path.lexists(path):  # what is no file is refused where it is read
        return path
    inside = [path / name for name in ("plan.toml", "plan.json", "plan.xlsx") if (path / name).is_file()]
    if inside:
        return inside[0]
    known = sorted(each.stem for each in shipped("models").glob("*.toml"))
    if len(path.parts) == 1 and path.name.removesuffix(".toml") in known:
        return shipped("models") / f"{path.name.removesuffix('.toml')}.toml"
    found, expected = "a folder without a plan", "a folder with plan.toml, plan.json or plan.xlsx"
    if not path.is_dir():
        found = "no such file"
        expected = f"a plan file, or a shipped plan: {', '.join(known)}{near_miss(path.name, known)}"
    raise PlanError([Fault(str(path), "", "", found, expected)])


def read_as(
    model: type[M], path: Path, overrides: Mapping[str, Any] | None = None, *, wanted: str = "a plan file"
) -> tuple[M, PlanText]:
    """A TOML file, or a JSON one, as any model, and the places of its fields in the file. wanted: what the file should be."""
    text = _read(path, wanted)
    kind: TextKind = "JSON" if path.suffix.lower() == ".json" else "TOML"
    data = _content(path.name, text, kind)
    if kind == "JSON" and isinstance(data.get(SCHEMA), str):
        del data[SCHEMA]
    return _changed(model, data, PlanText(path.name, _lines(text) if kind == "TOML" else {}, ()), overrides)


def _changed(
    model: type[M], data: dict[str, Any], place: PlanText, overrides: Mapping[str, Any] | None
) -> tuple[M, PlanText]:
    """A model of plain data with values put into it, and the places of its fields. Raises PlanError."""
    changed, faults = overridden(data, overrides or {})
    if faults:
        raise PlanError(faults)
    place = replace(place, overrides=changed)
    return _parsed(model, data, place), place


def _content(file: str, text: str, kind: TextKind) -> dict[str, Any]:
    """A text as plain data. Raises PlanError with the line where it does not read."""
    try:
        data = json.loads(text, object_pairs_hook=_once) if kind == "JSON" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise PlanError([unread(file, text, kind, error)]) from None
    if not isinstance(data, dict):
        raise PlanError([Fault(file, "1", "", shown(data), "an object with the fields of a plan")])
    return data


AT = re.compile(r" ?\(?at line (\d+)")
"""Where a reader of TOML says that it stopped."""


def unread(file: str, text: str, kind: TextKind, error: Exception) -> Fault:
    """The fault of a text that does not read as TOML or JSON: its line, and what the reader says of it."""
    if isinstance(error, RecursionError) or "int_max_str_digits" in str(error):
        found = "too many nested levels" if isinstance(error, RecursionError) else "a number of thousands of digits"
        return Fault(file, "", "", found, f"numbers of at most {LARGEST_NUMBER:g}, and few levels")
    at = AT.search(str(error))
    line = int(at[1]) if at else error.lineno if isinstance(error, json.JSONDecodeError) else 0
    lines = text.split("\n")
    found = lines[line - 1].strip() if 0 < line <= len(lines) else ""
    message = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
    return Fault(file, str(line or ""), "", shown(found or "the text"), f"valid {kind} ({message})")


def parse_as(model: type[M], data: Mapping[str, Any], *, file: str) -> M:
    """Validate plain data as any model; `file` only locates the faults. Raises PlanError."""
    return _parsed(model, data, PlanText(file, {}, ()))


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON. ValueError for a key that is there twice, as in TOML."""
    ((key, times),) = Counter(key for key, _ in pairs).most_common(1) or [("", 1)]
    if times > 1:
        raise ValueError(f"key {key!r} occurs twice")
    return dict(pairs)


def parse_plan(data: Mapping[str, Any], *, file: str = "plan") -> Plan:
    """As `parse_as`, of a plan."""
    return parse_as(Plan, data, file=file)


def _parsed(model: type[M], data: Mapping[str, Any], place: PlanText) -> M:
    other_format = format_fault("", "", "format", data.get("format", FORMAT)) if model is Plan else None
    if other_format is not None:  # of other fields nobody can say here what is wrong
        raise PlanError([place.placed(other_format)])
    try:
        return model.model_validate(data)
    except ValidationError as error:
        found = _without_echoes(error.errors(include_url=False))
        found.sort(key=lambda item: item["type"] == "missing")  # a field may be missing since its name is a slip
        raise PlanError(place.placed(fault) for item in found for fault in _faults(model, item)) from None


def _without_echoes(errors: list[Any]) -> list[Any]:
    """One error for each thing that is wrong, in order.

    Where a field may be of several kinds, each of them has an error of its own: what is reported of the kind that fits, or that was
    read into, stands for all; where none fits, the other kinds go into `also` of the first error. A list that is too short since
    its entries are wrong is none."""
    placed = [(place_of(item), item) for item in errors]
    around = {place[:n] for place, _ in placed for n in range(len(place))}
    fitting = {place for place, item in placed if not item["type"].endswith("_type")} | around
    kept: list[Any] = []
    firsts: dict[tuple[str, ...], Any] = {}
    for place, item in placed:
        of_type = item["type"].endswith("_type")
        if of_type and place in firsts:
            firsts[place].setdefault("also", []).append(item)
        elif not (of_type and place in fitting) and not (item["type"] == "too_short" and place in around):
            kept.append(dict(item))
            firsts |= {place: kept[-1]} if of_type else {}
    return kept


def place_of(item: Any) -> tuple[str, ...]:
    """Place of an error, without the branches of choices that pydantic names on the way."""
    parts = (str(part) for part in item["loc"])
    return tuple(part for n, part in enumerate(parts) if not part.startswith(BRANCHES) and not (n and part in KINDS))


BRANCHES = ("constrained-", "dict[", "function-", "list[", "tuple[", "lax-or-strict[", "nullable[", "union[", "[key]")
KINDS = ("bool", "int", "float", "str")


def _read(path: Path, wanted: str) -> str:
    content = read_bounded(path, LARGEST_PLAN_BYTES, wanted)
    if isinstance(content, Fault):
        raise PlanError([content])
    text = text_of(content, path.name, f"{wanted} in UTF-8: TOML, or JSON (.json); workbooks end in .xlsx")
    if isinstance(text, Fault):
        raise PlanError([text])
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    depth = deepest = 0
    for character in text:  # tomllib recurses: refuse a bracket bomb before it is parsed
        depth += (character in "[{") - (character in "]}")
        deepest = max(deepest, depth)
    for line in text.splitlines():  # and so do dotted keys
        key = line.strip() if line.lstrip().startswith("[") else line.split("=", 1)[0]
        deepest = max(deepest, key.count(".") if "=" in line or line.lstrip().startswith("[") else 0)
    if deepest > DEEPEST_NESTING:
        raise PlanError([Fault(path.name, "", "", f"{deepest} nested levels", f"at most {DEEPEST_NESTING}")])
    return text


def first_new(data: Any, dotted: str) -> str:
    """The shortest beginning of a dotted path that is not there yet; the whole path where all of it is."""
    parts = dotted.split(".")
    for n, part in enumerate(parts, start=1):
        try:
            data = data[counted(part)] if isinstance(data, list) else data[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return ".".join(parts[:n])
    return dotted


def put(data: Any, dotted: str, value: Any, file: str) -> None:
    """Put `value` at a dotted path of nested tables and arrays."""
    *parents, last = dotted.split(".")
    if not all(part.strip() for part in (*parents, last)) or len(parents) >= DEEPEST_NESTING:
        expected = f"a field such as budget.total_musd, of at most {DEEPEST_NESTING} parts"
        found = f"{len(parents) + 1} parts" if len(parents) >= DEEPEST_NESTING else f"an empty part in {dotted!r}"
        raise PlanError([Fault(file, "", dotted[:40], found, expected)])
    node = data
    try:
        for part in parents:
            node = node[counted(part)] if isinstance(node, list) else node.setdefault(part, {})
        node[counted(last) if isinstance(node, list) else last] = value
    except (ValueError, IndexError, AttributeError, TypeError):
        found, expected = "no such field or entry", "a field or an entry that the plan has; lists count from 0"
        if not isinstance(node, (dict, list)):
            found, expected = f"one value ({str(node)[:40]})", "one value, or one by year: {2027 = 55, 2029 = 60}"
        raise PlanError([Fault(file, "", dotted, found, expected)]) from None


def overridden(
    data: Any, overrides: Mapping[str, Any], path_of: Callable[[str], str] = str
) -> tuple[tuple[str, ...], list[Fault]]:
    """Put values into plain data by dotted paths; the fields that this sets, and what is wrong. path_of: the path of a field."""
    require_disjoint(overrides)
    faults, changed = list[Fault](), list[str]()
    for field, value in overrides.items():
        with gathering(faults):
            path = path_of(field)
            changed.append(first_new(data, path))
            put(data, path, value, OVERRIDES)
    return tuple(changed), faults


def require_disjoint(changed: Collection[str]) -> None:
    """Raise PlanError where a dotted path that is put into a plan is, or lies within, another: the order would tell which holds."""
    faults = [
        Fault(OVERRIDES, "", inner, f"a value within {outer}, which is also set", "each value only once")
        for outer, inner in overlapping(changed)
    ]
    if faults:
        raise PlanError(faults)


def counted(part: str) -> int:
    """A place in a list, counted from 0. ValueError for anything else."""
    if not (part.isascii() and part.isdigit()):
        raise ValueError(part)
    return int(part)


def _faults(model: type[BaseModel], item: Any) -> list[Fault]:
    """One pydantic error as faults, not placed yet: several where fields contradict each other, named from their section on."""
    loc, kind, error = place_of(item), item["type"], item.get("ctx", {}).get("error")
    column = ".".join(loc)
    if isinstance(error, MisplacedError):
        return [
            Fault("", "", ".".join(filter(None, (column, path))), found, wanted) for path, found, wanted in error.places
        ]
    if kind == "extra_forbidden":
        near = near_miss(loc[-1], fields_at(model, ".".join(loc[:-1])))
        if not near and len(loc) > 1 and loc[-1] in model.model_fields:
            near = f" (did you mean '{loc[-1]}' above the first table?)"
        return [Fault("", "", column, shown(loc[-1]), f"a known field{near}")]
    if kind == "missing":
        inside = fields_at(model, column)
        return [Fault("", "", column, "nothing", f"a table with {', '.join(inside[:3])} ..." if inside else "a value")]
    wanted = " or ".join(dict.fromkeys(expected(each) for each in (item, *item.get("also", ()))))
    return [Fault("", "", column, shown(item["input"]), wanted)]


SCHEMA = "$schema"
"""Key by which editors find the schema of a JSON file; it is ignored."""

SCENARIO = ("name", "probability", "design_basis")
"""Columns about a scenario; the others are about an event of it."""


def scenarios_from_frame(frame: pd.DataFrame) -> tuple[Scenario, ...]:
    """Scenarios of one's own from a table with a row for each event: `load_plan(plan.to_toml_like(), {"scenarios": found})`.

    frame: `name` of the scenario and its `probability` (the same in all its rows), `design_basis` if wanted, and the fields of an
    event (`start_year`, `duration_years`, `countries`, `materials`, `cut_share` ...). Several materials with cuts of their own are
    several rows; `countries` and `materials` are codes with spaces between. What is missing (NaN) is not stated. Events begin in
    the second period at the earliest, and probabilities add up to 1 at most.

    Raises PlanError with row and column of each fault; rows count from 1."""
    found: dict[str, dict[str, Any]] = {}
    twice = frame.columns[frame.columns.duplicated()]
    faults = [Fault("scenarios", "", str(name), "the column twice", "each column once") for name in twice]
    if faults:
        raise PlanError(faults)
    for n, row in enumerate(frame.to_dict("records"), start=1):
        stated = {str(key): value for key, value in row.items() if not (isinstance(value, float) and math.isnan(value))}
        stated = {key: value.item() if hasattr(value, "item") else value for key, value in stated.items()}
        about: dict[str, Any] = {name: stated.pop(name) for name in SCENARIO if name in stated}
        try:
            scenario = parse_as(Scenario, {**about, "events": [stated]}, file="scenarios")
        except PlanError as error:
            faults += (replace(one, row=str(n), column=one.column.removeprefix("events.0.")) for one in error.faults)
            continue
        known = found.setdefault(scenario.name, {**about, "events": []})
        for name, value in about.items():
            if known.get(name) != value:
                faults.append(Fault("scenarios", str(n), name, shown(value), f"{known.get(name)}, as in its first row"))
        known["events"].append(scenario.events[0])
    if faults:
        raise PlanError(faults)
    return tuple(Scenario(**one) for one in found.values())
