"""Names that tables define: materials, countries, segments, and what stands for several of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from ..core.errors import Fault, Hints
from ..schemas.tables import TABLES
from .dataset import Dataset
from .homes import members

REGIONS = ("WLD", "OTH")
"""Codes of fact tables that are not countries: the world, the rest."""


@dataclass(frozen=True)
class Known:
    """Names that a table defines, what else they are called, and what they are in words."""

    names: frozenset[str]
    where: str
    called: Mapping[str, str] = field(default_factory=dict)

    def faults(self, file: str, key: str, column: str, values: Iterable[str | None], hints: Hints) -> Iterator[Fault]:
        """A fault for each value that is none of the names; empty cells are no names."""
        for value in values:
            if value is not None and value not in self.names:
                expected = f"{self.where}{hints.near(value, self.names, self.called)}"
                yield Fault(file, key, column, f"'{value}'", expected)

    def and_(self, *more: str) -> Known:
        """The same with further names allowed."""
        return replace(self, names=self.names | {*more}, where=f"{self.where}, or {' or '.join(map(repr, more))}")


def names_in(data: Dataset, table: str, column: str) -> Known:
    """Names of a column, by what the rows are called for people too, where their table says it and the column is their key."""
    rows = data.rows(table)
    named = "name" in TABLES[table].model_fields and TABLES[table].key == (column,)
    called = {row.name: getattr(row, column) for row in rows} if named else {}
    article = "an" if column.startswith(("a", "e", "i")) else "a"
    return Known(frozenset(getattr(row, column) for row in rows), f"{article} {column} of {table}.csv", called)


def material_names(data: Dataset) -> Known:
    """Materials, by the names and formulas that planners and chemists use, too."""
    known = names_in(data, "materials", "material")
    formulas = {row.basis.removeprefix("t "): row.material for row in data.rows("materials")}
    return replace(known, called={**formulas, **known.called})


def country_names(data: Dataset, home: str) -> Known:
    """Countries, by their names too; those of the home are some in any case."""
    known = names_in(data, "countries", "country")
    return replace(known, names=known.names | members(data, home))


def segment_names(data: Dataset) -> Known:
    """Segments that have demand, or tiers for all materials."""
    used = {row.segment for row in data.rows("demand")} | {
        row.segment for row in data.rows("tiers") if row.material == "*"
    }
    return Known(frozenset(used), "a segment of demand.csv")
