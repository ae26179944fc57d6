"""Plan files: TOML read within limits, validated, every fault told with its line."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from .errors import MOST_PRINTED, Fault, MisplacedError, PlanError, more_faults, near_miss, shown
from .files import read_bounded
from .meanings import expected
from .plan import Plan

M = TypeVar("M", bound=BaseModel)

LARGEST_PLAN_BYTES = 5_000_000
DEEPEST_NESTING = 40


def load_plan(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Plan:
    """Read and validate a plan file.

    `overrides` maps dotted paths to values, e.g. `{"budget.total_musd": 500}` or `{"scenarios.0.probability": 0.1}`.
    Raises PlanError with every fault: file, line, field, value found, value expected.
    """
    return load_as(Plan, Path(path), overrides)


def load_as(model: type[M], path: Path, overrides: Mapping[str, Any] | None = None) -> M:
    """A TOML file, or a JSON one, as any model, within the same limits and with the same faults."""
    text, kind = _read(path), "JSON" if path.suffix.lower() == ".json" else "TOML"
    try:
        data = json.loads(text, object_pairs_hook=_once) if kind == "JSON" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise PlanError([Fault(path.name, "", "", str(error) or "nesting too deep", f"a {kind} document")]) from None
    if not isinstance(data, dict):
        raise PlanError([Fault(path.name, "", "", type(data).__name__, "an object with the fields of a plan")])
    for dotted, value in (overrides or {}).items():
        put(data, dotted, value, path.name)
    return _parsed(model, data, path.name, text, tuple(overrides or ()))


def parse_as(model: type[M], data: Mapping[str, Any], *, file: str) -> M:
    """Validate plain data as any model; `file` only locates the faults. Raises PlanError."""
    return _parsed(model, data, file, "", ())


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON. ValueError for a key that stands there twice, as in TOML."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"key {twice!r} stands there twice")
    return found


def parse_plan(
    data: Mapping[str, Any], *, file: str = "plan", text: str = "", overrides: Sequence[str] = ()
) -> Plan:
    """Validate plain data as a plan; `file`, `text` and `overrides` only locate the faults. Raises PlanError."""
    return _parsed(Plan, data, file, text, overrides)


def _parsed(model: type[M], data: Mapping[str, Any], file: str, text: str, overrides: Sequence[str]) -> M:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = dict(_lines(text))
        found = _without_echoes(error.errors(include_url=False))
        faults = [fault for item in found[:MOST_PRINTED] for fault in _faults(model, item, file, lines)]
        faults = [_by_override(fault, overrides) for fault in faults]
        if len(found) > MOST_PRINTED:
            faults.append(more_faults(len(found) - MOST_PRINTED))
        raise PlanError(faults) from None


def _without_echoes(errors: list[Any]) -> list[Any]:
    """Drop complaints that a list is too short where its items are what is wrong, and that a value is not of another kind too."""
    inside = {item["loc"][:n] for item in errors for n in range(len(item["loc"]))}
    kept = [item for item in errors if not (item["type"] == "too_short" and item["loc"] in inside)]
    meant = {_place(item) for item in kept if not item["type"].endswith("_type")}  # the branch of a choice that the value is of
    return [item for item in kept if not (item["type"].endswith("_type") and _place(item) in meant)]


def _place(item: Any) -> tuple[str, ...]:
    """Where an error stands, without the branches of choices that pydantic names on the way."""
    return tuple(str(part) for part in item["loc"] if not str(part).startswith(("constrained-", "dict[", "function-")))


def _read(path: Path) -> str:
    content = read_bounded(path, LARGEST_PLAN_BYTES, "a plan file")
    if isinstance(content, Fault):
        raise PlanError([content])
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise PlanError([Fault(path.name, "", "", "bytes that are not UTF-8", "UTF-8 text")]) from None
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


def put(data: Any, dotted: str, value: Any, file: str) -> None:
    """Put `value` at a dotted path of nested tables and arrays."""
    *parents, last = dotted.split(".")
    if not all(part.strip() for part in (*parents, last)):
        raise PlanError([Fault(file, "", dotted[:40], "an empty part", "a field of the plan, e.g. budget.total_musd")])
    if len(parents) >= DEEPEST_NESTING:
        raise PlanError([Fault(file, "", f"{dotted[:40]}...", f"{len(parents) + 1} nested levels", f"at most {DEEPEST_NESTING}")])
    node = data
    try:
        for part in parents:
            node = node[counted(part)] if isinstance(node, list) else node.setdefault(part, {})
        node[counted(last) if isinstance(node, list) else last] = value
    except (ValueError, IndexError, AttributeError, TypeError):
        raise PlanError(
            [Fault(file, "", dotted, "no such place", "a field of the plan, e.g. budget.total_musd")]
        ) from None


def counted(part: str) -> int:
    """A place in a list, counted from 0. ValueError for anything else."""
    if not (part.isascii() and part.isdigit()):
        raise ValueError(part)
    return int(part)


def _lines(text: str) -> Iterator[tuple[str, int]]:
    """(dotted path, line number) of the keys of a TOML text that stand at the start of a line."""
    prefix = ""
    seen: dict[str, int] = {}
    current: dict[str, str] = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if line.startswith("[[") and "]]" in line:
            name = line[2 : line.index("]]")].strip()
            parent, _, leaf = name.rpartition(".")
            full = f"{current.get(parent, parent)}.{leaf}" if parent else leaf
            seen[full] = seen.get(full, -1) + 1
            prefix = f"{full}.{seen[full]}"
            current[name] = prefix
            yield prefix, number
        elif line.startswith("[") and "]" in line:
            prefix = line[1 : line.index("]")].strip()
            yield prefix, number
        elif "=" in line and not line.startswith("#"):
            key = line.split("=", 1)[0].strip().strip('"')
            yield (f"{prefix}.{key}" if prefix else key), number


def _by_override(fault: Fault, overrides: Sequence[str]) -> Fault:
    """A fault of a value that the command line set stands there, not in the file."""
    mine = [path for path in overrides if fault.column == path or fault.column.startswith(f"{path}.")]
    return replace(fault, file="--set", row="") if mine else fault


def _faults(model: type[BaseModel], item: Any, file: str, lines: Mapping[str, int]) -> list[Fault]:
    """One pydantic error as faults with their lines: several where fields contradict each other."""
    error = item.get("ctx", {}).get("error")
    if not isinstance(error, MisplacedError):
        return [_fault(model, item, file, lines)]
    return [Fault(file, _line([*path.split(".")], lines), path, found, expected) for path, found, expected in error.places]


def _line(loc: Sequence[str], lines: Mapping[str, int]) -> str:
    """Line of a place, or of the closest table around it; empty where the text has none."""
    found = next((lines[".".join(loc[:n])] for n in range(len(loc), 0, -1) if ".".join(loc[:n]) in lines), None)
    return "" if found is None else str(found)


def _fault(model: type[BaseModel], item: Any, file: str, lines: Mapping[str, int]) -> Fault:
    """One pydantic error as a fault with its line."""
    loc = list(_place(item))
    dotted = ".".join(loc)
    wanted = expected(item)
    found = "nothing" if item["type"] == "missing" else shown(item["input"])
    if item["type"] == "extra_forbidden":
        found = shown(loc[-1])
        wanted = _elsewhere(model, loc)
    return Fault(file, _line(loc, lines), dotted, found, wanted)


def _elsewhere(model: type[BaseModel], loc: list[str]) -> str:
    """What a key that is none may have meant: another one here, or the same one in a table of the plan."""
    close = near_miss(loc[-1], _fields_at(model, loc[:-1]))
    if not close:
        tables = [name for name in _fields_at(model, []) if loc[-1] in _fields_at(model, [name])]
        close = f" (did you mean '{tables[0]}.{loc[-1]}'?)" if tables else ""
    return f"no such field{close}"


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _fields_at(model: type[BaseModel], path: list[str]) -> list[str]:
    """Field names of the section at a path, to suggest what a misspelt key may have meant."""
    schema: Any = _schema(model)
    node: Any = schema
    for part in [*path, None]:
        while True:
            if "$ref" in node:
                node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
            elif "anyOf" in node:
                node = next((option for option in node["anyOf"] if "$ref" in option or "items" in option), {})
            elif part is not None and part.isdigit() and "items" in node:
                break
            else:
                break
        if part is None:
            return list(node.get("properties", {}))
        node = node.get("items", {}) if part.isdigit() else node.get("properties", {}).get(part, {})
    return []
