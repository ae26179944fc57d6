"""The figures of a question by place, and the sums of them that say how large a market is."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..data.dataset import Dataset
from ..schemas.base import key_of
from ..schemas.plan import Plan
from .compare import Figure, Term

PRODUCER = ("activity", "project", "producer")
"""Columns that name a producer."""
MOST_TERMS = 300
"""Figures of a sum that may be doubted for it; a longer sum is a number."""


@dataclass
class Facts:
    """The figures of a dataset by place, and sums that many comparisons use."""

    plan: Plan
    data: Dataset
    chosen: Collection[str] | None
    """Materials that count; None: all."""
    values: dict[Figure, float] = field(default_factory=dict)
    base: dict[str, Figure] = field(default_factory=dict)
    """Material -> its price in the plan's set."""
    outputs: dict[str, list[tuple[str, Figure]]] = field(default_factory=lambda: defaultdict(list))
    inputs: dict[str, list[tuple[str, Figure]]] = field(default_factory=lambda: defaultdict(list))
    capacity: dict[str, Figure] = field(default_factory=dict)
    flows: dict[str, list[tuple[str, Figure]]] = field(default_factory=lambda: defaultdict(list))
    """Material -> producers that make or use it, with the yield."""
    demand: dict[str, list[Figure]] = field(default_factory=lambda: defaultdict(list))
    """Material -> the largest demand of each segment."""
    sums: dict[tuple[str, str], tuple[Term, ...]] = field(default_factory=dict)
    rows: dict[tuple[str, str], Any] = field(default_factory=dict)
    """(table, key) -> row, of the figures that were asked for."""

    def figure(self, table: str, row: Any, column: str) -> Figure:
        """A figure, its value noted."""
        found = (table, key_of(row), column)
        value = getattr(row, column)
        self.values[found] = abs(value) if value is not None else 0.0
        self.rows[found[:2]] = row
        return found

    def worth(self, producer: str) -> tuple[Term, ...]:
        """What a tonne of a producer's activity brings [USD/kg]."""
        return tuple((1.0, (y, self.base[m])) for m, y in self.outputs[producer] if m in self.base)

    def fed(self, producer: str) -> tuple[Term, ...]:
        """What its modelled inputs cost [USD/kg]."""
        return tuple((1.0, (y, self.base[m])) for m, y in self.inputs[producer] if m in self.base)

    def made(self, material: str) -> tuple[Term, ...]:
        """All that producers make or use of a material [t/yr]."""
        flows = [(1.0, (y, self.capacity[p])) for p, y in self.flows[material] if p in self.capacity]
        return self._sum("made", material, flows)

    def needed(self, material: str) -> tuple[Term, ...]:
        """Demand of all segments [t/yr]."""
        return self._sum("needed", material, [(1.0, (figure,)) for figure in self.demand[material]])

    def wanted(self, material: str) -> tuple[Term, ...]:
        """Demand of users, and of plants where that is more [t/yr]."""
        users = [
            (1.0, (y, self.capacity[p]))
            for p, y in self.flows[material]
            if p in self.capacity and (material, y) in self.inputs[p]
        ]
        return max(self.needed(material), self._sum("used", material, users), key=self.total)

    def _sum(self, kind: str, material: str, terms: Sequence[Term]) -> tuple[Term, ...]:
        """A sum of a material, made once."""
        if (kind, material) not in self.sums:
            self.sums[kind, material] = self.short(terms)
        return self.sums[kind, material]

    def short(self, terms: Sequence[Term]) -> tuple[Term, ...]:
        """A sum; a long one as the number that it is."""
        return tuple(terms) if len(terms) <= MOST_TERMS else ((self.total(tuple(terms)), ()),)

    def total(self, terms: tuple[Term, ...]) -> float:
        """The value of a sum as the tables have it."""
        return sum(factor * math.prod(self.values[figure] for figure in product) for factor, product in terms)

    def scopes(self, planned: Collection[str]) -> list[set[tuple[str, str]]]:
        """(table, key) of the rows of planned materials, then of those of each; a producer is of all that it makes or uses."""
        touched: dict[str, set[str]] = defaultdict(set)
        for flows in (self.outputs, self.inputs):
            for producer, made in flows.items():
                touched[producer].update(material for material, _ in made)
        of: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for place, row in self.rows.items():
            material = getattr(row, "material", None)
            producer = next((name for column in PRODUCER if (name := getattr(row, column, None))), "")
            for name in [material] if material is not None else touched.get(producer, ()):
                of[name].add(place)
        rows = [of[name] for name in of if name in planned]
        return [set().union(*rows), *(of[name] for name in sorted(of))]

    def counts(self, material: str) -> bool:
        """Whether a material is chosen."""
        return self.chosen is None or material in self.chosen


def gather(plan: Plan, data: Dataset, chosen: Collection[str] | None = None) -> Facts:
    """Figures by place. chosen: materials that are looked at; None: all."""
    facts = Facts(plan, data, chosen)
    for row in sorted(data.rows("prices"), key=lambda row: row.from_year, reverse=True):
        figure = facts.figure("prices", row, "price_usd_per_kg")
        if row.price_set == plan.price_set:
            facts.base[row.material] = figure
    for row in sorted(data.rows("capacities"), key=lambda row: row.capacity_t_per_yr):
        facts.capacity[row.activity] = facts.figure("capacities", row, "capacity_t_per_yr")
    for row in data.rows("projects"):
        facts.capacity[row.project] = facts.figure("projects", row, "capacity_t_per_yr")
    for row in data.rows("yields"):
        figure = facts.figure("yields", row, "yield_t_per_t")
        (facts.outputs if row.yield_t_per_t > 0 else facts.inputs)[row.producer].append((row.material, figure))
        facts.flows[row.material].append((row.producer, figure))
    largest: dict[tuple[str, str], Any] = {}
    for row in data.rows("demand"):
        facts.figure("demand", row, "demand_t_per_yr")
        known = largest.get((row.material, row.segment))
        if known is None or row.demand_t_per_yr > known.demand_t_per_yr:
            largest[row.material, row.segment] = row
    for row in largest.values():
        facts.demand[row.material].append(("demand", key_of(row), "demand_t_per_yr"))
    return facts


def row_counts(facts: Facts, row: Any) -> bool:
    """Whether a row is of a chosen material, or of all."""
    material = getattr(row, "material", "*")
    return material == "*" or facts.counts(material)
