"""Where a misplaced field of a plan belongs: above the tables, in another table, under another name."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel

from ..core.errors import near_miss
from ..core.letter_hints import latin
from ..core.names import plain

TextKind = Literal["TOML", "JSON", ""]
"""How a plan is written; empty: a field at a time, as on a sheet or by `--set`."""
COMMENTS = ("_", "//", "#", "$")
"""How names begin under which notes are put into JSON."""
MOST_TABLES = 2
"""Tables with a field of one name from which on nobody can say which was meant."""


def absent(model: type[BaseModel], loc: Sequence[str]) -> str:
    """What is expected where a field is missing: of a table, its name and what it must have."""
    fields = fields_at(model, loc)
    return f"a table [{'.'.join(loc)}] with fields such as {', '.join(fields[:3])}" if fields else "a value"


LAST_YEAR = frozenset({"lastyear", "endyear", "finalyear", "toyear", "untilyear", "endsin", "end", "last"})
"""Names that people give the last planned year, as `plain` writes them; a plan says how many years it has."""


def number_of_years(model: type[BaseModel], loc: Sequence[str], value: Any, data: Any) -> str:
    """What stands for the last year of a horizon; empty for another key. loc: where it stands; data: the plan as it was read."""
    home = ("horizon", "years")
    if (
        plain(loc[-1]) not in LAST_YEAR
        or tuple(loc[:-1]) not in ((), home[:1])
        or home[1] not in fields_at(model, home[:1])
    ):
        return ""
    horizon = data.get(home[0]) if isinstance(data, Mapping) else None
    first = horizon.get("first_year") if isinstance(horizon, Mapping) else None
    whole = all(isinstance(year, int) and not isinstance(year, bool) for year in (first, value))
    count = f": {value - first + 1} for {first} to {value}" if whole and value >= first else ""
    return f"'horizon.years', the number of planned years{count}"


def elsewhere(model: type[BaseModel], loc: Sequence[str], value: Any, kind: TextKind) -> str:
    """What a key that is none may have meant: another one here, or the same one where it belongs. loc: where it stands."""
    name, here = loc[-1], fields_at(model, loc[:-1])
    if name.startswith(COMMENTS):
        return "a known field; notes belong in the title, or after # in a TOML plan"
    other = ""
    if plain(latin(name)) not in map(plain, here):
        other = _around(model, loc, value, kind) or _in_others(model, loc, kind)
    return other or f"a known field{near_miss(name, here)}"


def home_of(model: type[BaseModel], loc: Sequence[str], missing: Collection[tuple[str, ...]]) -> tuple[str, ...] | None:
    """The field that is missing and stands at another place instead: around it, or else in another table. loc: that place."""
    around = [(*loc[:k], loc[-1]) for k in range(len(loc) - 2, -1, -1)]
    home = next((place for place in around if loc[-1] in fields_at(model, place[:-1])), None)
    if home is not None:
        return home if home in missing else None
    return next((place for place in missing if place[-1] == loc[-1]), None)


def _around(model: type[BaseModel], loc: Sequence[str], value: Any, kind: TextKind) -> str:
    """Where a field belongs that is one of a table around this one, or of the plan itself; empty where it is none."""
    name = loc[-1]
    k = next((k for k in range(len(loc) - 2, -1, -1) if name in fields_at(model, loc[:k])), None)
    if k is None:
        return ""
    dotted = ".".join([*loc[:k], name])
    if kind == "JSON":
        return f"{name} next to '{loc[k]}', not inside it"
    if kind != "TOML":
        return f"a known field (did you mean '{dotted}'?)"
    tables = isinstance(value, list) and all(isinstance(entry, dict) for entry in value)
    own = _named(loc[:-1])
    if isinstance(value, dict) and k == 0:
        return f"[{name}] as a table of its own: {own} has no such field"
    if tables and value and k == 0:
        return f"[[{name}]] as tables of their own: {own} has no such field"
    if k == 0:
        return f"{name} above the first [table]: {own} has no such field"
    return f"{name} below {_named(loc[:k])} and above {_named(loc[: k + 1], listed=True)}: {own} has no such field"


def _in_others(model: type[BaseModel], loc: Sequence[str], kind: TextKind) -> str:
    """Which table has a field of that name; empty where none has, or many have."""
    found = [path for path in tables_of(model) if loc[-1] in fields_at(model, path)]
    found = [path for path in found if not path[-1].isdigit()] or found
    if not 0 < len(found) <= MOST_TABLES:
        return ""
    close = " or ".join(f"'{'.'.join([*path, loc[-1]])}'" for path in found if not path[-1].isdigit())
    place = f"it belongs in {' or '.join(map(_named, found))}" if kind == "TOML" else ""
    if close:
        return f"a known field (did you mean {close}?{f' {place}' if place else ''})"
    entries = " or ".join(repr(".".join(path[:-1])) for path in found)
    return f"another place: {place or f'it belongs in an entry of {entries}'}"


def _named(path: Sequence[str], *, listed: bool = False) -> str:
    """A place of a plan as TOML heads it: [budget], [[scenarios.events]]."""
    name = ".".join(part for part in path if not part.isdigit())
    return f"[[{name}]]" if listed or path[-1].isdigit() else f"[{name}]"


@cache
def tables_of(model: type[BaseModel]) -> tuple[tuple[str, ...], ...]:
    """Path of every table that a plan may have, with 0 for the first one where there are several; outer ones first."""
    return tuple(_tables(model, ()))


def _tables(model: type[BaseModel], around: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name in fields_at(model, around):
        for path in ((*around, name), (*around, name, "0")):
            if fields_at(model, path):
                yield path
                yield from _tables(model, path)


def fields_at(model: type[BaseModel], path: Sequence[str]) -> list[str]:
    """Field names of the section at a path, to suggest what a misspelt key may have meant."""
    schema: Any = _schema(model)
    node: Any = schema
    for part in [*path, None]:
        while "$ref" in node or "anyOf" in node:
            if "$ref" in node:
                node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
            else:
                node = next((option for option in node["anyOf"] if "$ref" in option or "items" in option), {})
        if part is None:
            return list(node.get("properties", {}))
        node = node.get("items", {}) if part.isdigit() else node.get("properties", {}).get(part, {})
    return []


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()
