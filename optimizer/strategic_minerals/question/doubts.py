"""Figures that are probably not meant: outside the usual range of their column, or at odds with what they are compared with.

Of figures that disagree, the one is doubted whose correction reconciles most comparisons; a column, or the rows of a material in
it, where correcting them together reconciles more."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from pydantic import BaseModel

from ..core.errors import Fault
from .base import ENDS, Column, column_of, grouped, key_of, unit_of
from .dataset import Dataset
from .names import Names, column_in_words, owner_in_words
from .plan import Plan
from .references import qualified_forms, select_materials
from .tables import FACT_TABLES, TABLES

# What figures are compared with: others of their series, the market, the price, the value of what a producer makes.


PLAN = "plan"
"""In place of a table, of figures that the plan states."""
UNIT_SLIP = 300.0
"""Ratio beyond which a figure is in another unit: kg for t, USD/t for USD/kg, thousands of USD for millions are off by 1000.
Shipped projects cost 0.7 to 8.5 years of what their output brings."""
WINDOW = 3
"""Figures of a series with which the next one is compared."""
MOST_TERMS = 300
"""Figures of a sum that may be doubted for it; a longer sum is a number."""

Figure = tuple[str, str, str]
"""Table, key of the row, column; of the plan: `plan`, an empty key, the dotted field."""
Sum = tuple[tuple[float, tuple[Figure, ...]], ...]
"""Terms: a factor, and figures that it multiplies; empty where nothing is known."""
Values = Mapping[Figure, float]
"""Sizes of figures; those that are not known are 0."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The ratio of two sums of products of figures, and the range in which it is not odd."""

    above: Sum
    below: Sum
    low: float
    high: float
    usual: float = 1.0
    """What the ratio mostly is, within the range."""
    label: str = ""
    """What `below` is, in words; empty: a figure, which its place tells."""
    refused: tuple[float, float] = (0.0, math.inf)
    """Beyond these the ratio is no opinion but another unit: the question is refused."""

    @property
    def figures(self) -> tuple[Figure, ...]:
        """All figures that it depends on, each once."""
        return tuple(dict.fromkeys(figure for _, product in (*self.above, *self.below) for figure in product))

    def ratio(self, values: Values) -> float:
        """The ratio; NaN where one side is nothing."""
        above, below = total(self.above, values), total(self.below, values)
        return above / below if above > 0 and below > 0 else math.nan

    def is_odd(self, ratio: float) -> bool:
        """Whether a ratio is outside the range; none is not."""
        return ratio < self.low or ratio > self.high

    def refuses(self, values: Values) -> bool:
        """Whether the ratio is no opinion."""
        ratio = self.ratio(values)
        return ratio < self.refused[0] or ratio > self.refused[1]


def total(terms: Sum, values: Values) -> float:
    """The value of a sum."""
    return sum(factor * math.prod(values.get(figure, 0.0) for figure in product) for factor, product in terms)


def one(figure: Figure | None, factor: float = 1.0) -> Sum:
    """A sum of one figure, or of none."""
    return () if figure is None else ((factor, (figure,)),)


@dataclass
class Facts:
    """Figures of plan and tables by place, and what is known of a material or a producer."""

    plan: Plan
    data: Dataset
    chosen: Collection[str] | None
    """Materials that count; None: all."""
    values: dict[Figure, float] = field(default_factory=dict)
    prices: dict[str, Figure] = field(default_factory=dict)
    """Material -> its first price in the plan's set."""
    yields: dict[str, list[tuple[str, bool, Figure]]] = field(default_factory=lambda: defaultdict(list))
    """Producer -> material, whether it is made (or used), yield."""
    capacities: dict[str, Figure] = field(default_factory=dict)
    """Producer -> its largest capacity."""
    demand: dict[str, list[Figure]] = field(default_factory=lambda: defaultdict(list))
    """Material -> the largest demand of each segment."""
    worlds: dict[str, Figure] = field(default_factory=dict)
    """Mineral, or a material of it -> world output."""
    flows: dict[str, list[tuple[bool, Figure, Figure]]] = field(default_factory=lambda: defaultdict(list))
    """Material -> whether it is made, yield and capacity of each of its producers and plants."""

    def figure(self, table: str, row: Any, column: str) -> Figure:
        """A figure, its size noted."""
        return self.note((table, key_of(row), column), getattr(row, column))

    def note(self, figure: Figure, value: float | None) -> Figure:
        """A figure with its size."""
        self.values[figure] = abs(float(value or 0.0))
        return figure

    def rows(self, table: str) -> list[Any]:
        """Rows of chosen materials, or of no single one."""
        if self.chosen is None:
            return list(self.data.rows(table))
        known = {"*", *self.chosen}
        return [row for row in self.data.rows(table) if getattr(row, "material", "*") in known]

    def short(self, terms: Sequence[tuple[float, tuple[Figure, ...]]]) -> Sum:
        """A sum; a long one as the number that it is."""
        return tuple(terms) if len(terms) <= MOST_TERMS else ((total(tuple(terms), self.values), ()),)

    def price(self, material: str) -> Sum:
        """Price of a material [USD/kg]."""
        return one(self.prices.get(material))

    def capacity(self, producer: str) -> Sum:
        """Capacity of a producer [t/yr]."""
        return one(self.capacities.get(producer))

    def world(self, name: str) -> Sum:
        """World output of a mineral, or of that of a material [t]."""
        return one(self.worlds.get(name))

    def needed(self, material: str) -> Sum:
        """Demand of all segments [t/yr]."""
        return self.short([(1.0, (figure,)) for figure in self.demand.get(material, ())])

    def made(self, material: str) -> Sum:
        """All that producers make or use of a material [t/yr]."""
        return self.short([(1.0, (y, capacity)) for _, y, capacity in self.flows.get(material, ())])

    def use(self, material: str) -> Sum:
        """Demand of users, or of plants where that is more [t/yr]."""
        used = self.short([(1.0, (y, capacity)) for made, y, capacity in self.flows.get(material, ()) if not made])
        return max(self.needed(material), used, key=self.total)

    def market(self, material: str) -> Sum:
        """Demand, or what producers make and use where that is more [t/yr]."""
        return max(self.needed(material), self.made(material), key=self.total)

    def worth(self, producer: str) -> Sum:
        """What a tonne of a producer's activity brings [USD/kg]."""
        return tuple(
            (1.0, (y, self.prices[m])) for m, made, y in self.yields.get(producer, ()) if made and m in self.prices
        )

    def yearly(self, project: str) -> Sum:
        """What a project's output brings in a year [million USD]."""
        return tuple((factor / 1000, (self.capacities[project], *rest)) for factor, rest in self.worth(project))

    def total(self, terms: Sum) -> float:
        """The value of a sum as it stands."""
        return total(terms, self.values)


def gather(plan: Plan, data: Dataset, chosen: Collection[str] | None = None) -> Facts:
    """Figures by place. chosen: materials that are looked at; None: all."""
    facts = Facts(plan, data, chosen)
    for row in sorted(data.rows("prices"), key=lambda row: -row.from_year):
        if row.price_set == plan.price_set:
            facts.prices[row.material] = facts.figure("prices", row, "price_usd_per_kg")
    for row in sorted(data.rows("capacities"), key=lambda row: row.capacity_t_per_yr):
        facts.capacities[row.activity] = facts.figure("capacities", row, "capacity_t_per_yr")
    for row in data.rows("projects"):
        facts.capacities[row.project] = facts.figure("projects", row, "capacity_t_per_yr")
    for row in data.rows("yields"):
        figure, made = facts.figure("yields", row, "yield_t_per_t"), row.yield_t_per_t > 0
        facts.yields[row.producer].append((row.material, made, figure))
        if row.producer in facts.capacities:
            facts.flows[row.material].append((made, figure, facts.capacities[row.producer]))
    largest = {(r.material, r.segment): r for r in sorted(data.rows("demand"), key=lambda row: row.demand_t_per_yr)}
    for row in largest.values():
        facts.demand[row.material].append(facts.figure("demand", row, "demand_t_per_yr"))
    for row in data.rows("production"):
        if row.country == "WLD":
            facts.worlds[row.mineral] = facts.figure("production", row, "production_t")
    facts.worlds |= {r.material: facts.worlds[r.mineral] for r in data.rows("materials") if r.mineral in facts.worlds}
    return facts


# --- what is compared with what ------------------------------------------------------------------------------------

AGAINST: tuple[tuple[str, str, Callable[[Facts, str], Sum], str, float, float, float], ...] = (
    ("materials", "storage_t", Facts.use, "material", 0.002, 200, 1),
    ("materials", "drawdown_t_per_yr", Facts.use, "material", 0.002, 200, 1),
    ("materials", "disposal_t_per_yr", Facts.use, "material", 3e-4, 5, 0.05),
    ("stock", "opening_t", Facts.use, "material", 2e-4, 50, 1),
    ("users_stock", "level_t", Facts.use, "material", 0.002, 5, 1),
    ("offers", "depth_t_per_yr", Facts.use, "material", 3e-4, 15, 0.2),
    ("offers", "depth_t_per_yr", Facts.market, "material", 0, UNIT_SLIP, 0.2),
    ("capacities", "normal_t_per_yr", Facts.capacity, "activity", 1e-3, 3, 0.9),
    ("activities", "cash_usd_per_kg", Facts.worth, "activity", 0.002, 20, 0.4),
    ("activities", "fee_usd_per_kg", Facts.worth, "activity", 5e-4, 3, 0.02),
    ("activities", "lot_t_per_yr", Facts.capacity, "activity", 0.003, 2, 0.1),
    ("projects", "cash_usd_per_kg", Facts.worth, "project", 0.002, 20, 0.4),
    ("projects", "capex_musd", Facts.yearly, "project", 0.05, 60, 3),
    ("commitments", "floor_usd_per_kg", Facts.price, "floor_material", 0.05, 30, 1),
    ("packages", "floor_usd_per_kg", Facts.price, "floor_material", 0.05, 30, 1),
    ("packages", "take_t_per_yr", Facts.capacity, "project", 0.003, 10, 0.3),
    ("packages", "offtake_fee_usd_per_kg", Facts.worth, "project", 5e-4, 3, 0.02),
    ("substitution", "cost_usd_per_kg", Facts.price, "material", 0.1, 100, 2),
    ("minerals", "world_production_t", Facts.world, "mineral", 0.2, 5, 1),
    ("minerals", "consumption_t", Facts.world, "mineral", 0, 5, 0.06),
    ("minerals", "imports_t", Facts.world, "mineral", 0, 5, 0.06),
    ("minerals", "exports_t", Facts.world, "mineral", 0, 5, 0.06),
    ("minerals", "primary_t", Facts.world, "mineral", 0, 5, 0.06),
    ("minerals", "secondary_t", Facts.world, "mineral", 0, 5, 0.06),
    ("production", "production_t", Facts.world, "mineral", 0, 10, 0.1),
    ("reserves", "reserves_t", Facts.world, "mineral", 0, 20_000, 60),
)
"""Table, column, what it is compared with, the column that names of what; least, most and usual ratio."""
REFUSED = ((Facts.market, "depth_t_per_yr"), (Facts.worth, "cash_usd_per_kg"), (Facts.yearly, "capex_musd"))
"""Reference and column whose ratio no opinion explains beyond `UNIT_SLIP`."""
SUMS = {
    Facts.use: "a year's use of {} ({:,.4g} t)",
    Facts.market: "the size of the market of {} ({:,.4g} t/yr)",
    Facts.made: "what producers make or use of {} ({:,.4g} t/yr)",
    Facts.worth: "the value of the output of {} ({:,.4g} USD/kg)",
    Facts.yearly: "the value of the output of {} in a year ({:,.4g} million USD)",
}
"""Reference -> what it is, in words."""
SERIES = (
    ("prices", "price_usd_per_kg", ("material",), 30.0),
    ("demand", "demand_t_per_yr", ("material", "segment"), 30.0),
    ("capacities", "capacity_t_per_yr", ("activity",), 30.0),
    ("offers", "depth_t_per_yr", ("material",), 60.0),
    ("loss_functions", "loss_usd_per_t", ("material", "segment"), 290.0),
    ("deflators", "price_index", (), 4.0),
)
"""Table, column, columns whose rows belong together, factor between two of them that is not odd."""


def comparisons(facts: Facts, planned: Collection[str]) -> Iterator[Comparison]:
    """All comparisons of the tables and of the plan. planned: its materials."""
    yield from _against(facts, AGAINST)
    for table, column, names, most in SERIES:
        for rows in grouped(facts.rows(table), *names).values():
            yield from _neighbours([facts.figure(table, row, column) for row in rows], most)
    for of_tables in (_prices, _losses_and_prices, _markets, _producers, _hazards, _ends, _rules):
        yield from of_tables(facts)
    yield from _money(facts, planned)


def may_refuse(facts: Facts) -> Iterator[Comparison]:
    """Those comparisons that can refuse a question."""
    yield from _against(facts, [one_of for one_of in AGAINST if (one_of[2], one_of[1]) in REFUSED])
    yield from _prices(facts)
    yield from _markets(facts)


def _against(facts: Facts, compared: Iterable[tuple[Any, ...]]) -> Iterator[Comparison]:
    """Columns beside what they are compared with. compared: of `AGAINST`."""
    for table, column, reference, named, low, high, usual in compared:
        for row in facts.rows(table):
            if getattr(row, column) and (name := getattr(row, named)):
                refused = (0, UNIT_SLIP) if (reference, column) in REFUSED else (0, math.inf)
                above, below = one(facts.figure(table, row, column)), reference(facts, name)
                yield Comparison(above, below, low, high, usual, _label(facts, reference, name, below), refused)


def _label(facts: Facts, reference: Callable[[Facts, str], Sum], name: str, below: Sum) -> str:
    """What a sum is, in words; nothing for a figure."""
    return SUMS[reference].format(name, facts.total(below)) if reference in SUMS else ""


def _neighbours(figures: Sequence[Figure], most: float) -> Iterator[Comparison]:
    """Figures of a series beside those before them. most: a factor between two of them that is not odd."""
    for n, figure in enumerate(figures):
        for other in figures[max(0, n - WINDOW) : n]:
            yield Comparison(one(figure), one(other), 1 / most, most)


def _published(facts: Facts, column: str) -> dict[str, Figure]:
    """Material -> what the table of minerals has of its mineral."""
    of = {row.mineral: facts.figure("minerals", row, column) for row in facts.data.rows("minerals")}
    return {row.material: of[row.mineral] for row in facts.data.rows("materials") if row.mineral in of}


def _prices(facts: Facts) -> Iterator[Comparison]:
    """Prices of all sets beside the plan's set and the published one."""
    published = _published(facts, "price_usd_per_kg")
    for row in facts.data.rows("prices"):
        mine = facts.figure("prices", row, "price_usd_per_kg")
        either = 1 / UNIT_SLIP, UNIT_SLIP
        yield Comparison(one(mine), facts.price(row.material), *either, refused=either)
        yield Comparison(one(mine), one(published.get(row.material)), 1 / 60, 60)


def _losses_and_prices(facts: Facts) -> Iterator[Comparison]:
    """Losses beside the price."""
    for row in facts.rows("loss_functions"):
        loss = one(facts.figure("loss_functions", row, "loss_usd_per_t"), 1e-3)
        yield Comparison(loss, facts.price(row.material), 0.02, 3e5, 3)


def _markets(facts: Facts) -> Iterator[Comparison]:
    """Demand beside what is made, and what is published."""
    published = _published(facts, "consumption_t")
    for material in facts.demand:
        needed, made = facts.needed(material), facts.made(material)
        yield Comparison(needed, made, 3e-4, 30, 1, _label(facts, Facts.made, material, made), (0, UNIT_SLIP))
        yield Comparison(needed, one(published.get(material)), 0.01, 60)
        yield Comparison(needed, facts.world(material), 0, 3, 0.05)


def _producers(facts: Facts) -> Iterator[Comparison]:
    """The main output of a producer beside the market."""
    for producer, flows in facts.yields.items():
        made = [(m, y) for m, makes, y in flows if makes and (facts.chosen is None or m in facts.chosen)]
        if made and producer in facts.capacities:
            main, most = max(made, key=lambda of: facts.values[of[1]] * (facts.total(facts.price(of[0])) or 1.0))
            output, use = ((1.0, (most, facts.capacities[producer])),), facts.use(main)
            yield Comparison(output, use, 1e-5, 60, 0.2, _label(facts, Facts.use, main, use))
            yield Comparison(output, facts.world(main), 0, 5, 0.05)


def _hazards(facts: Facts) -> Iterator[Comparison]:
    """Onsets that a rate expects in the years of record beside those counted, half an onset more."""
    for row in facts.data.rows("hazards"):
        if row.observed_yr:
            onsets = len(row.calibrated_on.split()) + row.onsets_elsewhere
            expected = facts.figure("hazards", row, "rate_per_yr"), facts.figure("hazards", row, "observed_yr")
            label = f"{onsets} onsets in {row.observed_yr:g} years of record"
            yield Comparison(((1.0, expected),), ((onsets + 0.5, ()),), 1 / 8, 8, 1, label)


def _ends(facts: Facts) -> Iterator[Comparison]:
    """Ends of ranges beside their value."""
    for table, model in TABLES.items():
        ends = [(name, name + end) for name in model.model_fields for end in ENDS if name + end in model.model_fields]
        for row in facts.rows(table) if ends and table not in FACT_TABLES else ():
            for column, end in ends:
                if (getattr(row, end) or 0) > 0 and (getattr(row, column) or 0) > 0:
                    yield from _neighbours([facts.figure(table, row, column), facts.figure(table, row, end)], 1000)


def _amounts(facts: Facts, place: str, value: Any) -> list[Figure]:
    """Figures of an amount, of each year's, or of a list."""
    if not isinstance(value, Mapping | tuple):
        return [facts.note((PLAN, "", place), value)]
    named = value if isinstance(value, Mapping) else dict(enumerate(value))
    return [facts.note((PLAN, "", f"{place}.{name}"), amount) for name, amount in named.items()]


def _rules(facts: Facts) -> Iterator[Comparison]:
    """Levels of floors and penalties beside prices and losses."""
    plan, forms = facts.plan, qualified_forms(facts.plan, facts.data)
    for n, menu in enumerate(plan.instruments.price_floors):
        levels = _amounts(facts, f"instruments.price_floors.{n}.levels_usd_per_kg", menu.levels_usd_per_kg)
        yield from _neighbours(levels, 50)
        yield from (Comparison(one(level), facts.price(menu.material), 0.05, 20) for level in levels)
    for n, rule in enumerate(plan.diversification):
        for figure in _amounts(facts, f"diversification.{n}.penalty_usd_per_kg", rule.penalty_usd_per_kg):
            yield Comparison(one(figure), facts.price(forms.of(rule.material)), 0.002, 100, 0.3)
    losses = _losses(facts)
    for n, promise in enumerate(plan.service_levels):
        material = forms.of(promise.material)
        loss = losses.get((material, promise.segment)) or losses.get((material, "*"))
        for figure in _amounts(facts, f"service_levels.{n}.penalty_usd_per_kg", promise.penalty_usd_per_kg):
            yield Comparison(one(figure), one(loss, 1e-3), 0.002, 300, 0.2)


def _losses(facts: Facts) -> dict[tuple[str, str], Figure]:
    """Material and segment -> loss per tonne in the plan's loss function."""
    rows = [row for row in facts.data.rows("loss_functions") if row.loss_function == facts.plan.loss_function]
    return {(row.material, row.segment): facts.figure("loss_functions", row, "loss_usd_per_t") for row in rows}


def _money(facts: Facts, planned: Collection[str]) -> Iterator[Comparison]:
    """Budget, limits and caps beside the value of a year's use of the planned materials; limits on losses beside a year's loss
    without any of them [million USD]. Shipped plans spend 0.05 to 0.24 of such a value a year."""
    plan, budget = facts.plan, facts.plan.budget
    materials = [name for name in facts.demand if name in planned and name in facts.prices]
    use = facts.short([(1e-3, (figure, facts.prices[name])) for name in materials for figure in facts.demand[name]])
    label = f"the value of a year's use of the planned materials ({facts.total(use):,.4g} million USD)"
    years = _amounts(facts, "budget.appropriation_musd", budget.appropriation_musd)
    yield from _neighbours(years, 200)
    caps = _amounts(facts, "budget.liability_cap_musd", budget.liability_cap_musd)
    emergency = _amounts(facts, "budget.emergency_musd", budget.emergency_musd)
    for figures, low, usual in ((years, 2.5e-4, 0.1), (emergency, 1e-4, 0.1), (caps, 1e-3, 0.2)):
        yield from (Comparison(one(figure), use, low, 10, usual, label) for figure in figures)
    whole = tuple((factor * plan.horizon.years, product) for factor, product in use)
    for figure in _amounts(facts, "budget.total_musd", budget.total_musd):
        yield Comparison(one(figure), whole, 2.5e-4, 10, 0.1, f"{label} times the planned years")
    losses = {material: loss for (material, _), loss in reversed(_losses(facts).items()) if material in materials}
    lost = facts.short([(1e-6, (figure, loss)) for name, loss in losses.items() for figure in facts.demand[name]])
    label = f"the loss of a year without any of the planned materials ({facts.total(lost):,.4g} million USD)"
    for name in ("cvar_limit_musd", "expected_loss_limit_musd"):
        for figure in _amounts(facts, f"risk.{name}", getattr(plan.risk, name)):
            yield Comparison(one(figure), lost, 1e-5, 300, 0.1, label)


KIND = "unlikely figure"
TRUSTED = (*FACT_TABLES, "yields")
"""Tables that are doubted only where doubting no other explains anything: published facts, and chemistry."""
THOUSANDS = (1e3, 1e-3, 1e6, 1e-6)
"""What figures in another unit are off by."""
MOST_DOUBTS = 50
MANY = 100
"""Figures that are not tried together again once correcting them explains nothing."""
MOST_SHOWN = 3
"""Rows, and comparisons, that are named."""
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
    """The one with the strongest evidence first."""
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

    chosen: materials that are looked at; None: all of the tables.
    """
    facts, names, told = gather(plan, data, chosen), Names.of(data), []
    compared, unusual = list(comparisons(facts, select_materials(plan, data))), list(_unusual(facts))
    odd = {figure for doubt in unusual for figure in doubt.figures}
    compared = [each for each in compared if odd.isdisjoint(each.figures)]
    for doubt in (*unusual, *contradictions(facts.values, compared)):
        (table, key, column), fault = doubt.figures[0], data.placed(doubt.fault)
        cell = fault.row if fault.row != key else ""
        place = " ".join(part for part in (f"{fault.file}:{cell}".rstrip(":"), key, fault.column) if part)
        what = "" if table == PLAN else f" [{column_in_words(column)}: {owner_in_words(key, names)}]"
        told.append((KIND, key or column, f"{place}: {fault.found}; expected {fault.expected}{what}"))
    return told


def unit_slips(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Figures that disagree as if one were in another unit, so that no opinion explains it."""
    facts = gather(plan, data)
    if any(each.refuses(facts.values) for each in may_refuse(facts)):
        compared = comparisons(facts, select_materials(plan, data))
        yield from (doubt.fault for doubt in contradictions(facts.values, compared) if doubt.refused)


# --- figures outside the usual range of their column ---------------------------------------------------------------


def _unusual(facts: Facts) -> Iterator[Doubt]:
    """Figures outside their range; those of a column that are probably in the same other unit together."""
    alike: dict[tuple[str, str, str], list[tuple[Figure, float, Column]]] = defaultdict(list)
    for figure, value, column in (*_of_tables(facts), *_of_sections(facts.plan, "", Column())):
        if value and not column.low <= abs(value) <= column.high:
            name = ".".join(part for part in figure[2].split(".") if not part.isdigit())
            alike[figure[0], name, _misread(name, abs(value), column)].append((figure, value, column))
    for (_, _, misread), found in alike.items():
        _, value, column = found[0]
        figures = tuple(figure for figure, _, _ in found)
        usual = f"at least {column.low:g}" if math.isinf(column.high) else f"{column.low:g} to {column.high:g}"
        text = f"{_stated(value)}, outside the usual range{f', probably {misread}' if misread else ''}{_more(figures)}"
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


# --- figures that contradict others --------------------------------------------------------------------------------


def contradictions(values: Values, compared: Iterable[Comparison]) -> Iterator[Doubt]:
    """Figures whose correction reconciles most, one after the other, with the comparisons of each."""
    search = _Search(values, list(compared))
    for _ in range(MOST_DOUBTS):
        best = search.best()
        if best is None:
            return
        yield search.doubt(*best)
        search.settle(best[0])


Candidate = tuple[Figure, ...]
"""Figures that are corrected together."""
Score = tuple[bool, int, bool, int, float, int, float]
"""Whether a comparison that no opinion explains fails; 1 if a correction reconciles more than it breaks, else 0 for one row and -1
for several; whether the table is not trusted; comparisons mended less twice those broken; by how many factors of ten ratios come
nearer to what is usual; minus the figures; how near the factor is to the evidence."""


class _Search:
    """Comparisons that still count, and what correcting figures would do to them."""

    def __init__(self, values: Values, compared: Sequence[Comparison]) -> None:
        self.values = dict(values)
        self.failing = {id(each): each for each in compared if each.is_odd(each.ratio(values))}
        self.of: dict[Figure, dict[int, Comparison]] = defaultdict(dict)
        for each in compared if self.failing else ():
            for figure in each.figures:
                self.of[figure][id(each)] = each
        groups: dict[tuple[str, ...], list[Figure]] = defaultdict(list)
        for figure in self.of:
            table, key, cell = figure
            column = cell.removesuffix("_low").removesuffix("_high") if table != PLAN else cell
            row = (table, column, key, "row")
            for group in ((table, column), (table, column, key.split("/")[0]), row, (*row, cell)):
                groups[group].append(figure)
        self.candidates = list(dict.fromkeys(map(tuple, groups.values())))
        self.within: dict[Figure, list[int]] = defaultdict(list)
        for n, candidate in enumerate(self.candidates):
            for figure in candidate:
                self.within[figure].append(n)
        self.scores: dict[int, tuple[Score, float]] = {}

    def best(self) -> tuple[Candidate, float] | None:
        """The figures to doubt next, and by which factor they are off; None where nothing is left to explain."""
        failed = {figure for each in self.failing.values() for figure in each.figures}
        asked = sorted({n for figure in failed for n in self.within[figure]})
        for n in asked:
            if n not in self.scores:
                self.scores[n] = self._score(self.candidates[n])
        best = max((n for n in asked if self.scores[n][0][1] >= 0), key=lambda n: self.scores[n][0], default=None)
        return None if best is None else (self.candidates[best], self.scores[best][1])

    def _touching(self, candidate: Candidate) -> dict[int, Comparison]:
        return {key: each for figure in candidate for key, each in self.of[figure].items()}

    def _score(self, candidate: Candidate) -> tuple[Score, float]:
        """The best of the factors by which figures may be off."""
        mine = [(each, each.ratio(self.values)) for each in self._touching(candidate).values()]
        failed = [each for each, _ in mine if id(each) in self.failing]
        refused, trust = any(each.refuses(self.values) for each in failed), candidate[0][0] not in TRUSTED
        alone = len({key for _, key, _ in candidate}) == 1
        guess, found = self._guess(candidate, failed), []
        for factor in dict.fromkeys((guess, *THOUSANDS)):
            net, nearer = 0, 0.0
            with self._corrected(candidate, factor):
                ratios = [each.ratio(self.values) for each, _ in mine]
            for (each, before), after in zip(mine, ratios, strict=True):
                net += (not each.is_odd(after)) if id(each) in self.failing else -2 * each.is_odd(after)
                if before > 0 and after > 0:
                    nearer += abs(math.log10(before / each.usual)) - abs(math.log10(after / each.usual))
            helps = 1 if net > 0 else 0 if alone else -1
            size, distance = -len(candidate), -abs(math.log(factor / guess))
            found.append(((refused, helps, trust, net, round(nearer), size, distance), factor))
        return max(found)

    def _guess(self, candidate: Candidate, failed: Sequence[Comparison]) -> float:
        """By what factor failing comparisons have figures too large, in the middle of them."""
        ratios = [each.ratio(self.values) for each in failed]
        with self._corrected(candidate, 2.0):
            halves = [each.ratio(self.values) for each in failed]
        logs = [
            math.log(ratio / each.usual) * (1 if half < ratio else -1)
            for each, ratio, half in zip(failed, ratios, halves, strict=True)
            if half != ratio
        ]
        return math.exp(min(max(median(logs), -60.0), 60.0)) if logs else 1.0

    @contextmanager
    def _corrected(self, candidate: Candidate, factor: float) -> Iterator[None]:
        """While it is open, the figures of a candidate are divided by a factor."""
        kept = {figure: self.values[figure] for figure in candidate}
        self.values.update({figure: value / factor for figure, value in kept.items()})
        yield
        self.values.update(kept)

    def settle(self, candidate: Candidate) -> None:
        """Take out what doubted figures explain."""
        for key, each in self._touching(candidate).items():
            self.failing.pop(key, None)
            for figure in each.figures:
                self.of[figure].pop(key, None)
                for n in self.within[figure]:
                    if len(self.candidates[n]) < MANY or (n in self.scores and self.scores[n][0][1] > 0):
                        self.scores.pop(n, None)

    def doubt(self, candidate: Candidate, factor: float) -> Doubt:
        """Figures in doubt in words: how far they are off, in which unit they probably are, and compared with what."""
        failed = [each for key, each in self._touching(candidate).items() if key in self.failing]
        failed.sort(key=lambda each: -abs(math.log(each.ratio(self.values) / each.usual)))
        values = [figure for figure in candidate if not figure[2].endswith(("_low", "_high"))] or list(candidate)
        first = max(values, key=lambda figure: sum(figure in each.figures for each in failed))
        figures = (first, *(figure for figure in values if figure != first))
        times, where = (factor, "high") if factor > 1 else (1 / factor, "low")
        near = (f", probably {words}" for off, words in SLIPS.get(unit_of(first[2]), ()) if 0.25 < factor / off < 4)
        beside = "; ".join(list(dict.fromkeys(self._other(each, candidate) for each in failed))[:MOST_SHOWN])
        return Doubt(
            figures,
            f"{_stated(self.values[first])}, about {_short(times)} times too {where}{next(near, '')}{_more(figures)}",
            f"about {_short(self.values[first] / factor)}, compared with {beside}",
            any(each.refuses(self.values) for each in failed),
        )

    def _other(self, each: Comparison, candidate: Candidate) -> str:
        """What a comparison holds figures in doubt against: its label, or a figure that is not in doubt."""
        below = {figure for _, product in each.below for figure in product}
        if each.label and below.isdisjoint(candidate):
            return each.label
        others = sorted(set(each.figures) - set(candidate), key=lambda figure: (figure in below, figure))
        if not others:
            return "other figures of the column"
        (table, key, column), value = others[0], f"{self.values[others[0]]:,g}"
        return f"{column} {value} of {key} ({table}.csv)" if key else f"{column} {value} of the plan"


# --- words ---------------------------------------------------------------------------------------------------------


def _more(figures: Sequence[Figure]) -> str:
    """Further rows, or fields, in words."""
    if len(figures) == 1:
        return ""
    names = [key or column for _, key, column in figures[1 : 1 + MOST_SHOWN]]
    rest = f" and {len(figures) - 1 - MOST_SHOWN:,} more" if len(figures) > 1 + MOST_SHOWN else ""
    return f", the same in {len(figures):,} {'rows' if figures[0][1] else 'fields'} ({', '.join(names)}{rest})"


def _stated(value: float) -> str:
    """A figure as written: exact if it has few digits."""
    return f"{value:.6g}" if 1e-4 <= abs(value) < 1000 else _short(value)


def _short(value: float) -> str:
    """A number with three significant figures, written out if that is readable."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if 1000 <= abs(rounded) < 1e12 else f"{rounded:.3g}"
