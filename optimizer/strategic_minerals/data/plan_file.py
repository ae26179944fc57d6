"""Plan files: read within limits, validated, with the line of every fault."""

from __future__ import annotations

import json
import tomllib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ..core.addresses import overlapping
from ..core.bounded_files import read_bounded, text_of
from ..core.errors import MOST_PRINTED, Fault, Faults, MisplacedError, PlanError, more_faults, shown
from ..core.format import FORMAT, format_fault
from ..core.names import is_everything, meant
from ..core.shape_hints import shape_hint
from ..core.year_hints import year_hint
from ..schemas.descriptions import default_at, expected, items_at, kinds_at, years_at
from ..schemas.plan import Plan
from .long_numbers import is_too_long, long_number
from .plan_lines import PlanText, field_lines, set_elsewhere
from .plan_places import TextKind, absent, elsewhere, home_of, number_of_years
from .plan_syntax import Fields, json_fault, toml_fault

M = TypeVar("M", bound=BaseModel)

LARGEST_PLAN_BYTES = 5_000_000
DEEPEST_NESTING = 40


def load_plan(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Plan:
    """Read and validate a plan file.

    path: TOML, or JSON where its name ends in .json. overrides: dotted paths -> values put into the plan before it is
    validated, e.g. `{"budget.total_musd": 500}` or `{"scenarios.0.probability": 0.1}`; None: the plan as it stands.

    Raises PlanError with every fault: file, line, field, value found, value expected.
    """
    return load_as(Plan, Path(path), overrides)


def load_as(model: type[M], path: Path, overrides: Mapping[str, Any] | None = None) -> M:
    """A TOML file, or a JSON one, as any model, within the same limits and with the same faults."""
    return read_as(model, path, overrides)[0]


def read_as(
    model: type[M], path: Path, overrides: Mapping[str, Any] | None = None, *, wanted: str = "a plan file"
) -> tuple[M, PlanText]:
    """As `load_as`, and where in the file its fields stand. wanted: what the file should be."""
    text = _read(path, wanted)
    kind: TextKind = "JSON" if path.suffix.lower() == ".json" else "TOML"
    data = _content(
        path.name, text, kind, Fields(partial(kinds_at, model), partial(items_at, model), partial(years_at, model))
    )
    if kind == "JSON" and isinstance(data.get(SCHEMA), str):
        del data[SCHEMA]
    if not overrides:
        _filled(model, data, path.name)
    apart(overrides or ())
    faults, changed = Faults(), list[str]()
    for dotted, value in (overrides or {}).items():
        changed.append(first_new(data, dotted))
        try:
            put(data, dotted, value, SET)
        except PlanError as error:
            faults.extend(error.faults)
    if faults:
        raise PlanError(faults.told())
    place = PlanText(path.name, field_lines(text, kind), tuple(changed), kind)
    return _parsed(model, data, place), place


SET = "--set"
"""Where a value stands that the command line set."""


def _content(file: str, text: str, kind: TextKind, fields: Fields) -> dict[str, Any]:
    """A text as plain data. Raises PlanError with the line where it does not read."""
    try:
        data = json.loads(text, object_pairs_hook=_once) if kind == "JSON" else tomllib.loads(text)
    except RecursionError:
        raise PlanError([Fault(file, "", "", "too many nested levels", f"a {kind} document")]) from None
    except ValueError as error:
        if is_too_long(error):
            raise PlanError([long_number(file, text, kind)]) from None
        if kind == "JSON":
            raise PlanError([json_fault(file, text, error, fields)]) from None
        raise PlanError([toml_fault(file, text, str(error), fields)]) from None
    if not isinstance(data, dict):
        raise PlanError(
            [Fault(file, "1", "", "a list" if isinstance(data, list) else shown(data), "{, an object with the fields")]
        )
    return data


def _filled(model: type[BaseModel], data: dict[str, Any], file: str) -> None:
    """Raise PlanError with one fault for a file that says nothing at all."""
    needed = [name for name, field in model.model_fields.items() if field.is_required()]
    if not data and needed:
        raise PlanError(
            [Fault(file, "", "", "no fields", f"the fields {', '.join(needed)}, and further optional fields")]
        )


def parse_as(model: type[M], data: Mapping[str, Any], *, file: str) -> M:
    """Validate plain data as any model; `file` only locates the faults. Raises PlanError."""
    return _parsed(model, data, PlanText(file, {}, ()))


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON. ValueError for a key that stands there twice, as in TOML."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"key {twice!r} occurs twice")
    return found


def parse_plan(data: Mapping[str, Any], *, file: str = "plan", text: str = "", overrides: Sequence[str] = ()) -> Plan:
    """Validate plain data as a plan; `file`, `text` and `overrides` only locate the faults. Raises PlanError."""
    return _parsed(Plan, data, PlanText(file, field_lines(text, "TOML"), tuple(overrides), "TOML" if text else ""))


def _parsed(model: type[M], data: Mapping[str, Any], place: PlanText) -> M:
    other_format = format_fault("", "", "format", data.get("format", FORMAT)) if model is Plan else None
    if other_format is not None:  # of other fields nobody can say here what is wrong
        raise PlanError([place.placed(other_format)])
    try:
        return model.model_validate(data)
    except ValidationError as error:
        found = _without_echoes(model, error.errors(include_url=False))
        faults = [place.placed(fault) for item in found[:MOST_PRINTED] for fault in _faults(model, item, place, data)]
        if len(found) > MOST_PRINTED:
            faults.append(more_faults(len(found) - MOST_PRINTED))
        raise PlanError(faults) from None


def _without_echoes(model: type[BaseModel], errors: list[Any]) -> list[Any]:
    """One error for each thing that is wrong, in order.

    Dropped: that a list is too short where its items are what is wrong; that a value is not of another kind too (those kinds
    go into `also` of the first such error); that a field is missing beside one whose name is nearly its own, or that
    stands at another place.
    """
    placed = [(place_of(item), item) for item in errors]
    around = {place[:n] for place, _ in placed for n in range(len(place))}
    of_its_kind = {
        place for place, item in placed if not item["type"].endswith("_type")
    }  # the branch of a choice that fits
    slips = _nearly_there(model, placed) | _at_other_places(model, placed)
    kept: list[Any] = []
    firsts: dict[tuple[str, ...], Any] = {}
    for place, item in placed:
        other_kind = item["type"].endswith("_type")
        echo = (item["type"] == "too_short" or other_kind) and place in around
        if echo or (other_kind and place in of_its_kind) or (item["type"] == "missing" and place in slips):
            continue
        if other_kind and place in firsts:
            firsts[place].setdefault("also", []).append(item)
            continue
        kept.append(dict(item))
        if other_kind:
            firsts[place] = kept[-1]
    return kept


def _nearly_there(model: type[BaseModel], placed: Sequence[tuple[tuple[str, ...], Any]]) -> set[tuple[str, ...]]:
    """Places of fields that are missing beside a field that is none and whose name is nearly theirs."""
    missing: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for place, item in placed:
        if item["type"] == "missing":
            missing[place[:-1]].append(place[-1])
    strange = [place for place, item in placed if item["type"] == "extra_forbidden" and place[:-1] in missing]
    return {
        (*place[:-1], name)
        for place in strange[:MOST_SLIPS]
        for name in (
            ["years"] if number_of_years(model, place, None, None) else meant(place[-1], missing[place[:-1]])[:1]
        )
    }


def _at_other_places(model: type[BaseModel], placed: Sequence[tuple[tuple[str, ...], Any]]) -> set[tuple[str, ...]]:
    """Places of fields that are missing and stand where they are none."""
    missing = [place for place, item in placed if item["type"] == "missing"]
    found: set[tuple[str, ...]] = set()
    for place in [place for place, item in placed if item["type"] == "extra_forbidden"][:MOST_SLIPS]:
        home = home_of(model, place, [each for each in missing if each not in found])
        found |= {home} if home else set()
    return found


MOST_SLIPS = 7
"""Fields that are none for which one that is missing is looked for."""


def place_of(item: Any) -> tuple[str, ...]:
    """Where an error stands, without the branches of choices that pydantic names on the way."""
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
    node, done = data, list[str]()
    for part in dotted.split("."):
        done.append(part)
        key = int(part) if part.isascii() and part.isdigit() and part not in node else part
        try:
            node = node[key]
        except (KeyError, IndexError, TypeError):
            break
        if not isinstance(node, dict | list):
            break
    return ".".join(done) if len(done) < dotted.count(".") + 1 else dotted


def put(data: Any, dotted: str, value: Any, file: str) -> None:
    """Put `value` at a dotted path of nested tables and arrays."""
    *parents, last = dotted.split(".")
    if not all(part.strip() for part in (*parents, last)):
        raise PlanError(
            [Fault(file, "", dotted[:40], "an empty part between dots", "a field of the plan, e.g. budget.total_musd")]
        )
    if len(parents) >= DEEPEST_NESTING:
        raise PlanError(
            [Fault(file, "", f"{dotted[:40]}...", f"{len(parents) + 1} nested levels", f"at most {DEEPEST_NESTING}")]
        )
    node, done = data, list[str]()
    try:
        for part in parents:
            node = node[counted(part)] if isinstance(node, list) else node.setdefault(part, {})
            done.append(part)
        node[counted(last) if isinstance(node, list) else last] = value
    except (ValueError, IndexError, AttributeError, TypeError):
        raise PlanError([Fault(file, "", dotted, "no such field or entry", _places_at(node, ".".join(done)))]) from None


def apart(changed: Collection[str]) -> None:
    """Raise PlanError where a dotted path that is put into a plan is, or lies within, another: the order would tell which holds."""
    faults = [
        Fault(SET, "", inner, f"a value within {outer}, which is also set", "each value only once")
        for outer, inner in overlapping(changed)
    ]
    if faults:
        raise PlanError(faults)


def _places_at(node: Any, path: str) -> str:
    """What may stand after a path, in words."""
    if isinstance(node, list) and node:
        return f"a number from 0 to {len(node) - 1} after `{path}`"
    if isinstance(node, list):
        return f"`{path}` itself, which is an empty list"
    return f"`{path}` itself: its value {shown(node)} has no parts"


def counted(part: str) -> int:
    """A place in a list, counted from 0. ValueError for anything else."""
    if not (part.isascii() and part.isdigit()):
        raise ValueError(part)
    return int(part)


def _faults(model: type[BaseModel], item: Any, place: PlanText, data: Any) -> list[Fault]:
    """One pydantic error of some data as faults, not placed yet: several where fields contradict each other, named from their
    section on."""
    error = item.get("ctx", {}).get("error")
    if not isinstance(error, MisplacedError):
        return [_fault(model, item, place, data)]
    return [
        Fault("", "", ".".join([*place_of(item), *([path] if path else [])]), found, expected)
        for path, found, expected in error.places
    ]


def _fault(model: type[BaseModel], item: Any, place: PlanText, data: Any) -> Fault:
    """One pydantic error of some data as a fault, not placed yet."""
    loc = [*place_of(item)]
    name, years = next((part for part in reversed(loc) if not part.isdigit()), ""), years_at(model, ".".join(loc))
    wanted = " or ".join(dict.fromkeys(expected(each, name, years) for each in (item, *item.get("also", ()))))
    found = "nothing" if item["type"] == "missing" else shown(item["input"])
    if item["type"] == "missing":
        wanted = absent(model, loc)
    elif item["input"] is None:
        wanted = f"{wanted}; the field must have a value"
    if isinstance(item["input"], str) and is_everything(item["input"]) and default_at(model, ".".join(loc)) == ["*"]:
        wanted = 'a list: ["*"], which means all'
    shape = shape_hint(item["input"], kinds_at(model, ".".join(loc)), items_at(model, ".".join(loc)))
    if item["type"] not in ("missing", "extra_forbidden") and shape:
        wanted = shape
    if item["type"] == "extra_forbidden":
        found = shown(loc[-1])
        own = set_elsewhere(".".join(loc), place.overrides)
        wanted = number_of_years(model, loc, item["input"], data)
        wanted = wanted or elsewhere(model, loc, item["input"], "" if own else place.kind)
    if item["loc"] and str(item["loc"][-1]) == "[key]":
        year = year_hint(loc[-1], "whole") or "a year such as 2027"
        as_toml = place.kind != "JSON" and not set_elsewhere(".".join(loc), place.overrides)
        where = "before the equals sign" if as_toml else "as the year of the amount"
        wanted = f"{year} {where}" if item["type"].startswith("int") else wanted
    return Fault("", "", ".".join(loc), found, wanted)


SCHEMA = "$schema"
"""Key by which editors find the schema of a JSON file; it is ignored."""
