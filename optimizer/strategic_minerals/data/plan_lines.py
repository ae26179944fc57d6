"""Line of each field in a plan file, so that faults of the plan, found now or later with the tables, name their line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ..core.errors import Fault


def field_lines(text: str) -> dict[str, int]:
    """Dotted field -> line, of the fields that begin a line of a TOML text that reads."""
    return dict(_lines(text))


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
            return replace(fault, file="--set", row="")
        parts = fault.column.split(".")
        around = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
        lines = (self.lines[at] for path in around for at in (path, f"{path}.0") if at in self.lines)
        return replace(fault, file=self.name, row=str(next(lines, "")))


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
