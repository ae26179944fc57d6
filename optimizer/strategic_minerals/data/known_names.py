"""Names that tables define: materials, countries, segments, and what stands for several of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from ..core.errors import Fault, Hints
from ..schemas.tables import TABLES
from .dataset import Dataset
from .homes import members

REGIONS = frozenset({"WLD", "OTH"})
"""Codes of fact tables that are not countries: the world, the rest."""


@dataclass(frozen=True)
class Known:
    """Names that a table defines, what else they are called, and where they stand."""

    names: frozenset[str]
    where: str
    called: Mapping[str, str] = field(default_factory=dict)
    of: tuple[str, str] = ("", "")
    """Table and column that define them; empty where none does alone."""

    def faults(self, file: str, key: str, column: str, values: Iterable[str | None], hints: Hints) -> Iterator[Fault]:
        """A fault for each value that is none of the names; empty cells are no names."""
        for value in values:
            if value is not None and value not in self.names:
                several = [part for part in re.split(r"[\s,;]+", value) if part]
                one = len(several) > 1 and all(part in self.names for part in several)
                hint = f": each as a separate text, {', '.join(map(json.dumps, several))}" if one else ""
                expected = f"{self.where}{hint or hints.near(value, self.names, self.called)}"
                yield Stray(file, key, column, f"'{value}'", expected, value, self.of)

    def and_(self, *more: str) -> Known:
        """The same with further names allowed."""
        return replace(self, names=self.names | set(more))

    def called_(self, where: str) -> Known:
        """The same names, otherwise described."""
        return replace(self, where=where)


def names_in(data: Dataset, table: str, column: str, where: str) -> Known:
    """Names of a column, by what the rows are called for people too, where their table says it and the column is their key."""
    rows = data.rows(table)
    said = "name" in TABLES[table].model_fields and TABLES[table].key == (column,)
    called = {row.name: getattr(row, column) for row in rows} if said else {}
    return Known(frozenset(getattr(row, column) for row in rows), where, called, (table, column))


def material_names(data: Dataset) -> Known:
    """Materials, by the names and formulas that planners and chemists use, too."""
    called: dict[str, str] = {}
    for row in data.rows("materials"):
        called |= {row.basis.removeprefix("t "): row.material, row.name: row.material}
    names = frozenset(row.material for row in data.rows("materials"))
    return Known(names, "a material of materials.csv", called, ("materials", "material"))


def country_names(data: Dataset, home: str) -> Known:
    """Countries, by their names too; those of the home are some in any case."""
    rows = data.rows("countries")
    called = {row.name: row.country for row in rows}
    return Known(
        frozenset({*(row.country for row in rows), *members(data, home)}),
        "a country of countries.csv",
        called,
        ("countries", "country"),
    )


def segment_names(data: Dataset) -> Known:
    """Segments that have demand, or tiers for all materials."""
    used = {row.segment for row in data.rows("demand")} | {
        row.segment for row in data.rows("tiers") if row.material == "*"
    }
    return Known(frozenset(used), "a segment of demand.csv")


@dataclass(frozen=True)
class Stray(Fault):
    """A name that its table does not define."""

    name: str
    of: tuple[str, str]

    def alone(self) -> Fault:
        """As any other fault."""
        return Fault(self.file, self.row, self.column, self.found, self.expected)
