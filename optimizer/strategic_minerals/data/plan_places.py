"""What a field of a plan that is none was meant to be: one of its table that is spelled alike, or the same of another table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Literal

from pydantic import BaseModel

from ..core.errors import near_miss
from ..core.names import plain
from ..schemas.descriptions import fields_at

TextKind = Literal["TOML", "JSON", ""]
"""How a plan is written; empty: a field at a time, as on a sheet or by `--set`."""
MOST_TABLES = 2
"""Tables with a field of one name from which on nobody can say which was meant."""


def known_field(model: type[BaseModel], place: Sequence[str]) -> str:
    """What is expected in place of a field that is none. place: where it stands."""
    *around, name = place
    here = fields_at(model, ".".join(around))
    outer = [".".join(around[:n]) for n in range(len(around))]
    tables = [table for table in outer if name in fields_at(model, table)]
    tables = tables or [table for table in tables_of(model) if name in fields_at(model, table)]
    if plain(name) in map(plain, here) or not 0 < len(tables) <= MOST_TABLES:
        return f"a known field{near_miss(name, here)}"
    homes = [f"'{table}.{name}'" if table else f"'{name}' above the first table" for table in tables]
    return f"a known field (did you mean {' or '.join(homes)}?)"


@cache
def tables_of(model: type[BaseModel]) -> tuple[str, ...]:
    """Every table that a plan may have, dotted, with 0 for the first one where there are several; the plan itself first."""
    return ("", *_tables(model, ""))


def _tables(model: type[BaseModel], around: str) -> Iterator[str]:
    for name in fields_at(model, around):
        path = f"{around}.{name}" if around else name
        for table in (path, f"{path}.0"):
            if fields_at(model, table):
                yield table
                yield from _tables(model, table)
