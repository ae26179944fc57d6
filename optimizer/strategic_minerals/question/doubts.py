"""Figures that are probably not meant: outside the usual range of their column, or at odds with what they are compared with.

What is compared first is trusted first: a row in doubt is no measure for those that are compared after it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from ..core.errors import Fault
from ..core.formats import digits, listed
from .base import Column, column_of, grouped, key_of, unit_of
from .dataset import Dataset
from .names import Names, column_in_words, owner_in_words
from .plan import Plan
from .tables import TABLES

KIND = "unlikely figure"
PLAN = "plan"
"""In place of a table, of figures that the plan states."""
UNIT_SLIP = 300.0
"""Ratio beyond which a figure is in another unit: kg for t, USD/t for USD/kg, thousands of USD for millions are off by 1000.
Shipped projects cost 0.7 to 8.5 years of what their output brings."""
MOST_SHOWN = 3
"""Rows that are named beside the first one."""

Figure = tuple[str, str, str]
"""Table, key of the row, column; of the plan: `plan`, an empty key, the dotted field."""
Place = tuple[str, str]
"""Table and key of a row; of the plan: `plan` and the field."""


def _place(figure: Figure) -> Place:
    return figure[0], figure[1] or figure[2]


def _column(figure: Figure) -> str:
    """Column of a figure, or field without years and places in lists."""
    return ".".join(part for part in figure[2].split(".") if not part.isdigit())


@dataclass(frozen=True)
class Measure:
    """What figures are compared with: its size, the rows that it is made up of, and what it is in words."""

    size: float = 0.0
    rows: frozenset[Place] = frozenset()
    words: str = ""

    def called(self, words: str) -> Measure:
        """The same with what it is, its size put in."""
        return Measure(self.size, self.rows, words.format(f"{self.size:,.4g}"))

    def times(self, other: Measure, factor: float = 1.0) -> Measure:
        """The product of two."""
        return Measure(self.size * other.size * factor, self.rows | other.rows)


def _sum(parts: Iterable[Measure]) -> Measure:
    parts = [*parts]
    return Measure(math.fsum(part.size for part in parts), frozenset().union(*(part.rows for part in parts)))


def _of(table: str, row: Any, column: str, words: str = "") -> Measure:
    """A figure of a row."""
    return Measure(abs(float(getattr(row, column) or 0.0)), frozenset({(table, key_of(row))})).called(words)


@dataclass(frozen=True)
class Comparison:
    """A figure, how often what it is compared with is contained in it, and the range in which that is not odd."""

    figure: Figure
    size: float
    ratio: float
    beside: Measure
    low: float
    high: float
    usual: float = 1.0
    """What the ratio mostly is, within the range."""
    refused: tuple[float, float] = (0.0, math.inf)
    """Beyond these the ratio is no opinion but another unit: the question is refused."""

    @property
    def is_refused(self) -> bool:
        """Whether the ratio is no opinion."""
        return not self.refused[0] <= self.ratio <= self.refused[1]


class Facts:
    """What is known of materials and producers, for comparisons; 0: nothing. chosen: materials that are looked at; None: all."""

    def __init__(self, plan: Plan, data: Dataset, chosen: Collection[str] | None = None) -> None:
        self.plan, self.data, self.chosen = plan, data, chosen
        self.price, self.printed, self.published, self.needed, self.made, self.use, self.market, self.world = (
            defaultdict[str, Measure](Measure) for _ in range(8)
        )
        """By material: its first price in the plan's set and the published one [USD/kg], published use, demand of users, what
        producers make or use, demand or what plants use where that is more, the largest of all, world output of its mineral [t]."""
        self.capacity, self.worth, self.yearly = (defaultdict[str, Measure](Measure) for _ in range(3))
        """By producer: largest capacity [t/yr], what a tonne of activity brings [USD/kg], what a year brings [million USD]."""
        for row in sorted(data.rows("prices"), key=lambda row: -row.from_year):
            if row.price_set == plan.price_set:
                words = f"the price of {row.material} ({{}} USD/kg)"
                self.price[row.material] = _of("prices", row, "price_usd_per_kg", words)
        capacities = sorted(data.rows("capacities"), key=lambda row: row.capacity_t_per_yr)
        makers = [("capacities", row.activity, row) for row in capacities]
        makers += [("projects", row.project, row) for row in data.rows("projects")]
        for table, name, row in makers:
            self.capacity[name] = _of(table, row, "capacity_t_per_yr", f"the capacity of {name} ({{}} t/yr)")
        self._of_minerals()
        self._of_producers()

    def _of_minerals(self) -> None:
        rows = self.data.rows("production")
        worlds = {row.mineral: _of("production", row, "production_t") for row in rows if row.country == "WLD"}
        minerals = {row.mineral: row for row in self.data.rows("minerals")}
        for row in self.data.rows("materials"):
            of = row.mineral
            if of in worlds:
                self.world[row.material] = worlds[of].called(f"the world's output of {of} ({{}} t)")
            if of in minerals:
                words = f"the published price of {of} ({{}} USD/kg)", f"the published use of {of} ({{}} t)"
                self.printed[row.material] = _of("minerals", minerals[of], "price_usd_per_kg", words[0])
                self.published[row.material] = _of("minerals", minerals[of], "consumption_t", words[1])

    def _of_producers(self) -> None:
        self.yields = grouped(self.data.rows("yields"), "producer")
        flows, used = defaultdict[str, list[Measure]](list), defaultdict[str, list[Measure]](list)
        for producer, capacity in self.capacity.items():
            sold = []
            for row in self.yields[producer]:
                share = _of("yields", row, "yield_t_per_t")
                flows[row.material].append(share.times(capacity))
                if row.yield_t_per_t > 0:
                    sold.append(share.times(self.price[row.material]))
                else:
                    used[row.material].append(share.times(capacity))
            worth = _sum(sold)
            self.worth[producer] = worth.called(f"the value of the output of {producer} ({{}} USD/kg)")
            words = f"the value of the output of {producer} in a year ({{}} million USD)"
            self.yearly[producer] = worth.times(capacity, 1e-3).called(words)
        ordered = sorted(self.data.rows("demand"), key=lambda row: row.demand_t_per_yr)
        self.demand = grouped({(row.material, row.segment): row for row in ordered}.values(), "material")
        """Material -> the row of the largest demand of each segment."""
        for name in {*self.demand, *flows}:
            needed = _sum(_of("demand", row, "demand_t_per_yr") for row in self.demand.get(name, ()))
            made = _sum(flows[name])
            by_users = max(needed, _sum(used[name]), key=lambda known: known.size)
            whole = max(needed, made, key=lambda known: known.size)
            self.needed[name] = needed
            self.made[name] = made.called(f"what producers make or use of {name} ({{}} t/yr)")
            self.use[name] = by_users.called(f"a year's use of {name} ({{}} t)")
            self.market[name] = whole.called(f"the size of the market of {name} ({{}} t/yr)")

    def rows(self, table: str) -> list[Any]:
        """Rows of chosen materials, or of no single one."""
        if self.chosen is None:
            return list(self.data.rows(table))
        known = {"*", *self.chosen}
        return [row for row in self.data.rows(table) if getattr(row, "material", "*") in known]


# --- what is compared with what ------------------------------------------------------------------------------------
AGAINST: tuple[tuple[str, str, str, str, float, float, float], ...] = (
    ("prices", "price_usd_per_kg", "printed", "material", 1 / 60, 60, 1),
    ("capacities", "normal_t_per_yr", "capacity", "activity", 1e-3, 3, 0.9),
    ("materials", "storage_t", "use", "material", 0.002, 200, 1),
    ("materials", "drawdown_t_per_yr", "use", "material", 0.002, 200, 1),
    ("materials", "disposal_t_per_yr", "use", "material", 3e-4, 5, 0.05),
    ("stock", "opening_t", "use", "material", 2e-4, 50, 1),
    ("users_stock", "level_t", "use", "material", 0.002, 5, 1),
    ("offers", "depth_t_per_yr", "market", "material", 0, UNIT_SLIP, 0.2),
    ("offers", "depth_t_per_yr", "use", "material", 3e-4, 15, 0.2),
    ("activities", "cash_usd_per_kg", "worth", "activity", 0.002, 20, 0.4),
    ("activities", "fee_usd_per_kg", "worth", "activity", 5e-4, 3, 0.02),
    ("activities", "lot_t_per_yr", "capacity", "activity", 0.003, 2, 0.1),
    ("projects", "cash_usd_per_kg", "worth", "project", 0.002, 20, 0.4),
    ("projects", "capex_musd", "yearly", "project", 0.05, 60, 3),
    ("commitments", "floor_usd_per_kg", "price", "floor_material", 0.05, 30, 1),
    ("packages", "floor_usd_per_kg", "price", "floor_material", 0.05, 30, 1),
    ("packages", "take_t_per_yr", "capacity", "project", 0.003, 10, 0.3),
    ("packages", "offtake_fee_usd_per_kg", "worth", "project", 5e-4, 3, 0.02),
    ("substitution", "cost_usd_per_kg", "price", "material", 0.1, 100, 2),
)
"""Table, column, which of `Facts` it is compared with, the column that names of what; least, most and usual ratio."""
REFUSED = {
    ("printed", "price_usd_per_kg"): (1 / UNIT_SLIP, UNIT_SLIP),
    ("market", "depth_t_per_yr"): (0, UNIT_SLIP),
    ("worth", "cash_usd_per_kg"): (0, UNIT_SLIP),
    ("yearly", "capex_musd"): (0, UNIT_SLIP),
}
"""Beyond which ratio to a reference no opinion explains a column."""


def comparisons(facts: Facts) -> Iterator[Comparison]:
    """All comparisons of the tables and of the plan, those that measure others first."""
    yield from _demand(facts)
    yield from _outputs(facts)
    for table, column, reference, named, *limits in AGAINST:
        refused = REFUSED.get((reference, column), (0, math.inf))
        for row in facts.rows(table):
            if getattr(row, column) and (name := getattr(row, named)):
                figure, known = (table, key_of(row), column), getattr(facts, reference)[name]
                yield _beside(figure, getattr(row, column), known, *limits, refused)
    for n, menu in enumerate(facts.plan.instruments.price_floors):
        for k, level in enumerate(menu.levels_usd_per_kg):
            figure = (PLAN, "", f"instruments.price_floors.{n}.levels_usd_per_kg.{k}")
            yield _beside(figure, level, facts.price[menu.material], 0.05, 20)


def _beside(figure: Figure, size: float | None, known: Measure, *limits: Any, whole: float | None = None) -> Comparison:
    """A figure beside what is known. whole: of what it is the main part, and which is compared in its place."""
    mine = abs(size or 0.0)
    above = mine if whole is None else whole
    ratio = above / known.size if above > 0 and known.size > 0 else math.nan
    return Comparison(figure, mine, ratio, known, *limits)


def _demand(facts: Facts) -> Iterator[Comparison]:
    """Demand of all segments beside what is published and what is made; the largest is doubted."""
    for material, rows in facts.demand.items():
        if facts.chosen is None or material in facts.chosen:
            row, whole = max(rows, key=lambda row: row.demand_t_per_yr), facts.needed[material].size
            figure, mine = ("demand", key_of(row), "demand_t_per_yr"), row.demand_t_per_yr
            yield _beside(figure, mine, facts.published[material], 0.01, 60, whole=whole)
            yield _beside(figure, mine, facts.world[material], 0, 3, 0.05, whole=whole)
            yield _beside(figure, mine, facts.made[material], 3e-4, 30, 1, (0, UNIT_SLIP), whole=whole)


def _outputs(facts: Facts) -> Iterator[Comparison]:
    """The main output of a producer beside the market; its capacity is doubted."""
    for producer, capacity in facts.capacity.items():
        made = [row for row in facts.yields[producer] if row.yield_t_per_t > 0]
        if facts.chosen is not None:
            made = [row for row in made if row.material in facts.chosen]
        if made:
            main = max(made, key=lambda row: row.yield_t_per_t * (facts.price[row.material].size or 1.0))
            output = _of("yields", main, "yield_t_per_t").times(capacity)
            ((table, key),) = capacity.rows
            for known, *limits in ((facts.use[main.material], 1e-5, 60, 0.2), (facts.world[main.material], 0, 5, 0.05)):
                beside = Measure(known.size, known.rows | output.rows - capacity.rows, known.words)
                figure = (table, key, "capacity_t_per_yr")
                yield _beside(figure, capacity.size, beside, *limits, whole=output.size)


SLIPS: Mapping[str, tuple[tuple[float, str], ...]] = {
    "share": ((100, "percent"), (0.01, "a share divided by 100 once too often")),
    "": ((100, "percent"),),
    "%": ((0.01, "a share"),),
    "per year": ((100, "percent"), (1 / 12, "a rate per month")),
    "years": ((12, "months"), (365.25, "days")),
    "months": ((1 / 12, "years"), (30.4, "days")),
    "days": ((1 / 30.4, "months"), (1 / 365.25, "years")),
    "t": ((1e3, "kg"), (1e-3, "thousand tonnes"), (1e6, "grams")),
    "t/yr": ((1e3, "kg a year"), (1e-3, "thousand tonnes a year"), (1 / 12, "tonnes a month")),
    "USD/kg": ((1e3, "USD per tonne"), (1e-3, "thousand USD per kg"), (100, "cents")),
    "USD/t": ((1e-3, "USD per kg"), (1e-6, "million USD per tonne"), (1e3, "USD per thousand tonnes")),
    "million USD": ((1e3, "thousand USD"), (1e6, "USD"), (1e-3, "billion USD")),
}
"""Unit -> factors by which figures in another are off, and that one."""


@dataclass(frozen=True)
class Doubt:
    """Figures of one column that are doubted together."""

    figures: tuple[Figure, ...]
    found: str
    expected: str
    refused: bool = False
    """True: no opinion explains it, the question is refused."""

    @property
    def fault(self) -> Fault:
        """It as a fault of its first figure."""
        table, key, column = self.figures[0]
        return Fault(PLAN if table == PLAN else f"{table}.csv", key, column, self.found, self.expected)


def unlikely(plan: Plan, data: Dataset, chosen: Collection[str] | None = None) -> list[tuple[str, str, str]]:
    """(kind, item, text) of figures of the tables and the plan that are probably not meant.

    chosen: materials that are looked at; None: all of the tables."""
    facts, names, notes = Facts(plan, data, chosen), Names.of(data), []
    unusual = list(_unusual(facts))
    odd = {_place(figure) for doubt in unusual for figure in doubt.figures}
    for doubt in (*unusual, *contradictions(comparisons(facts), odd)):
        (table, key, column), fault = doubt.figures[0], data.placed(doubt.fault)
        cell = fault.row if fault.row != key else ""
        place = " ".join(part for part in (f"{fault.file}:{cell}".rstrip(":"), key, fault.column) if part)
        what = "" if table == PLAN else f" [{column_in_words(column)}: {owner_in_words(key, names)}]"
        notes.append((KIND, key or column, f"{place}: {fault.found}; expected {fault.expected}{what}"))
    return notes


def unit_slips(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Figures that disagree as if one were in another unit, so that no opinion explains it."""
    compared = comparisons(Facts(plan, data))
    yield from (doubt.fault for doubt in contradictions(compared) if doubt.refused)


def contradictions(compared: Iterable[Comparison], odd: Collection[Place] = ()) -> list[Doubt]:
    """Figures at odds with what they are compared with, those of a column that are off alike together. odd: rows in doubt."""
    doubted, found = {*odd}, defaultdict[tuple[str, ...], list[Comparison]](list)
    for each in compared:
        place = _place(each.figure)
        is_odd = each.ratio < each.low or each.ratio > each.high  # neither where the ratio is not known
        if is_odd and place not in doubted and doubted.isdisjoint(each.beside.rows):
            doubted.add(place)
            found[each.figure[0], _column(each.figure), _off(each)[1]].append(each)
    return [_doubt(sorted(alike, key=lambda each: not each.is_refused)) for alike in found.values()]


def _off(each: Comparison) -> tuple[float, str]:
    """By how much a figure is too large, and in which unit it probably is, or whether too high or too low."""
    factor = each.ratio / each.usual
    near = (words for off, words in SLIPS.get(unit_of(_column(each.figure)), ()) if 0.25 < factor / off < 4)
    return factor, next(near, "high" if factor > 1 else "low")


def _doubt(alike: Sequence[Comparison]) -> Doubt:
    """Figures in doubt in words: how far the first is off, in which unit it probably is, and compared with what."""
    first, figures = alike[0], tuple(each.figure for each in alike)
    factor, unit = _off(first)
    times, where = (factor, "high") if factor > 1 else (1 / factor, "low")
    probably = "" if unit in ("high", "low") else f", probably {unit}"
    return Doubt(
        figures,
        f"{digits(first.size)}, about {digits(times)} times too {where}{probably}{_more(figures)}",
        f"about {digits(first.size / factor)}, compared with {first.beside.words}",
        first.is_refused,
    )


# --- figures outside the usual range of their column ---------------------------------------------------------------
def _unusual(facts: Facts) -> Iterator[Doubt]:
    """Figures outside their range; those of a column that are probably in the same other unit together."""
    alike: dict[tuple[str, str, str], list[tuple[Figure, float, Column]]] = defaultdict(list)
    for figure, value, column in (*_of_tables(facts), *_of_sections(facts.plan, "", Column())):
        if value and not column.low <= abs(value) <= column.high:
            name = _column(figure)
            alike[figure[0], name, _misread(name, abs(value), column)].append((figure, value, column))
    for (_, _, misread), found in alike.items():
        _, value, column = found[0]
        figures = tuple(figure for figure, _, _ in found)
        usual = f"at least {column.low:g}" if math.isinf(column.high) else f"{column.low:g} to {column.high:g}"
        text = f"{digits(value)}, outside the usual range{f', probably {misread}' if misread else ''}{_more(figures)}"
        yield Doubt(figures, text, f"{usual}, the usual range of such figures; if it is intended, leave it")


def _of_tables(facts: Facts) -> Iterator[tuple[Figure, float, Column]]:
    """Figures of columns that have a usual range; of factors by segment each."""
    for table, model in TABLES.items():
        ranged = {name: column for name, field in model.model_fields.items() if (column := column_of(field)).has_range}
        for row in facts.rows(table) if ranged else ():
            for name, column in ranged.items():
                yield (table, key_of(row), name), getattr(row, name), column


MANY_SCENARIOS = 20


def _of_sections(value: Any, place: str, column: Column) -> Iterator[tuple[Figure, float, Column]]:
    """Figures of a plan that have a usual range, with their dotted fields."""
    if isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            yield from _of_sections(getattr(value, name), f"{place}.{name}".strip("."), column_of(field))
    elif isinstance(value, Mapping | tuple):
        parts: Mapping[Any, Any] = value if isinstance(value, Mapping) else dict(enumerate(value))
        if place == "scenarios" and len(parts) > MANY_SCENARIOS:  # each has a small probability
            return
        for part in parts:
            yield from _of_sections(parts[part], f"{place}.{part}", column)
    elif isinstance(value, int | float) and column.has_range:
        yield (PLAN, "", place), float(value), column


def _misread(name: str, value: float, column: Column) -> str:
    """The unit in which a figure would be usual, in words; empty where none would do."""
    unit = unit_of(name, column)
    if unit == "share" and 1 < value < 2 and column.low <= value - 1 <= column.high:
        return "1 + the share"
    return next((words for factor, words in SLIPS.get(unit, ()) if column.low <= value / factor <= column.high), "")


def _more(figures: Sequence[Figure]) -> str:
    """Further rows, or fields, in words."""
    if len(figures) == 1:
        return ""
    rest = listed((key or column for _, key, column in figures[1:]), MOST_SHOWN)
    return f", the same in {len(figures):,} {'rows' if figures[0][1] else 'fields'} ({rest})"
