"""Line of each field in a plan file, so that faults of the plan, found now or later with the tables, name their line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ..core.errors import Fault
from .plan_places import TextKind

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+|\n')


def field_lines(text: str, kind: str) -> dict[str, int]:
    """Dotted field -> line, of the text of a TOML or JSON file that reads; of fields that begin a line, in TOML."""
    return dict(((path, number) for path, number, _ in _json_places(text)) if kind == "JSON" else _toml_lines(text))


def repeated(text: str) -> tuple[str, int] | None:
    """(dotted field, line) of the first field that stands twice in a JSON text; None: none does."""
    seen: set[tuple[str, bool]] = set()
    for path, number, is_name in _json_places(text):
        if is_name and (path, is_name) in seen:
            return path, number
        seen.add((path, is_name))
    return None


def toml_field(text: str, number: int) -> str:
    """The dotted field of which a line of a TOML text speaks; empty where it begins none."""
    before = "\n".join(text.split("\n")[:number])
    return next((path for path, line in reversed([*_toml_lines(before)]) if line == number), "")


def last_json_name(text: str) -> str:
    """The dotted field that is named last in a JSON text that may end anywhere; empty where none is, or it does not read."""
    try:
        return next((path for path, _, is_name in reversed([*_json_places(text)]) if is_name), "")
    except IndexError:  # more brackets close than open
        return ""


def line_of(loc: Sequence[str], lines: Mapping[str, int]) -> str:
    """Line of a place, or of the closest table around it; empty where the text has none."""
    paths = (".".join(loc[:n]) for n in range(len(loc), 0, -1))
    found = next(
        (lines[at] for path in paths for at in (path, f"{path}.0") if at in lines), None
    )  # of a list, its first entry
    return "" if found is None else str(found)


def set_elsewhere(field: str, overrides: Sequence[str]) -> bool:
    """Whether a field, or something around it, was set by the command line."""
    return any(field == own or field.startswith(f"{own}.") for own in overrides)


@dataclass(frozen=True)
class PlanText:
    """A plan file: its name, the lines of its fields, and the fields that were set elsewhere."""

    name: str
    lines: Mapping[str, int]
    overrides: tuple[str, ...]
    kind: TextKind = ""

    def placed(self, fault: Fault) -> Fault:
        """A fault of the plan with file and line, or the option that set its field."""
        if set_elsewhere(fault.column, self.overrides):
            return replace(fault, file="--set", row="")
        row = line_of(fault.column.split("."), self.lines)
        if (
            not row and fault.found == "nothing" and self.lines
        ):  # where it could be added: fields above all tables, tables below
            row = str(max(self.lines.values())) if fault.expected.startswith("a table") else "1"
        return replace(fault, file=self.name, row=row)


def _toml_lines(text: str) -> Iterator[tuple[str, int]]:
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


def _json_places(text: str) -> Iterator[tuple[str, int, bool]]:
    """(dotted path, line number, whether it is a name) of every name and every entry of a list of a JSON text."""
    number = 1
    path: list[str] = []
    counts: list[int | None] = []  # of each list around, the entries before; None: an object
    name = ""
    for token in TOKEN.findall(text):
        if token == "\n":
            number += 1
            continue
        inside_list = bool(counts) and counts[-1] is not None
        if token in ("{", "["):
            if inside_list:
                path.append(str(counts[-1]))
                yield ".".join(path), number, False
            elif counts:
                path.append(name)
            counts.append(0 if token == "[" else None)
        elif token in ("}", "]"):
            counts.pop()
            if path:
                path.pop()
        elif token == ",":
            if inside_list:
                counts[-1] = (counts[-1] or 0) + 1
        elif token == ":":
            yield ".".join([*path, name]), number, True
        elif token.startswith('"') and not inside_list:
            name = token[1:-1]
        elif inside_list:
            yield ".".join([*path, str(counts[-1])]), number, False
        number += token.count("\n")
