"""What figures are compared with: others of their series, the market, the price, the value of what a producer makes."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..data.dataset import Dataset
from ..schemas.base import key_of
from ..schemas.columns import ENDS
from ..schemas.plan import Plan
from ..schemas.tables import FACT_TABLES, TABLES

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

    def fails(self, values: Values) -> bool:
        """Whether the ratio is outside its range."""
        ratio = self.ratio(values)
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
    ("activities", "floor_usd_per_kg", Facts.price, "floor_material", 0.05, 30, 1),
    ("projects", "cash_usd_per_kg", Facts.worth, "project", 0.002, 20, 0.4),
    ("projects", "capex_musd", Facts.yearly, "project", 0.05, 60, 3),
    ("projects", "floor_usd_per_kg", Facts.price, "floor_material", 0.05, 30, 1),
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
    for table, column, reference, named, low, high, usual in AGAINST:
        for row in facts.rows(table):
            if getattr(row, column) and (name := getattr(row, named)):
                refused = (0, UNIT_SLIP) if (reference, column) in REFUSED else (0, math.inf)
                above, below = one(facts.figure(table, row, column)), reference(facts, name)
                yield Comparison(above, below, low, high, usual, _label(facts, reference, name, below), refused)
    for table, column, names, most in SERIES:
        series: dict[tuple[str, ...], list[Figure]] = defaultdict(list)
        for row in facts.rows(table):
            series[tuple(getattr(row, name) for name in names)].append(facts.figure(table, row, column))
        for figures in series.values():
            yield from _neighbours(figures, most)
    for of_tables in (_prices, _markets, _producers, _hazards, _ends, _rules):
        yield from of_tables(facts)
    yield from _money(facts, planned)


def _label(facts: Facts, reference: Callable[[Facts, str], Sum], name: str, below: Sum) -> str:
    """What a sum is, in words; nothing for a figure."""
    return SUMS[reference].format(name, facts.total(below)) if reference in SUMS else ""


def _neighbours(figures: Sequence[Figure], most: float) -> Iterator[Comparison]:
    """Figures of a series beside those before them. most: a factor between two of them that is not odd."""
    for n, figure in enumerate(figures):
        for other in figures[max(0, n - WINDOW) : n]:
            yield Comparison(one(figure), one(other), 1 / most, most)


def _prices(facts: Facts) -> Iterator[Comparison]:
    """Prices of all sets beside the plan's set and the published one; losses beside the price."""
    mineral = {row.material: row.mineral for row in facts.data.rows("materials")}
    published = {row.mineral: facts.figure("minerals", row, "price_usd_per_kg") for row in facts.data.rows("minerals")}
    for row in facts.data.rows("prices"):
        mine = facts.figure("prices", row, "price_usd_per_kg")
        either = 1 / UNIT_SLIP, UNIT_SLIP
        yield Comparison(one(mine), facts.price(row.material), *either, refused=either)
        yield Comparison(one(mine), one(published.get(mineral.get(row.material, ""))), 1 / 60, 60)
    for row in facts.rows("loss_functions"):
        loss = one(facts.figure("loss_functions", row, "loss_usd_per_t"), 1e-3)
        yield Comparison(loss, facts.price(row.material), 0.02, 3e5, 3)


def _markets(facts: Facts) -> Iterator[Comparison]:
    """Demand beside what is made, and what is published."""
    mineral = {row.material: row.mineral for row in facts.data.rows("materials")}
    published = {row.mineral: facts.figure("minerals", row, "consumption_t") for row in facts.data.rows("minerals")}
    for material in facts.demand:
        needed, made = facts.needed(material), facts.made(material)
        label = _label(facts, Facts.made, material, made)
        yield Comparison(needed, made, 3e-4, 30, 1, label, (0, UNIT_SLIP))
        yield Comparison(needed, one(published.get(mineral.get(material, ""))), 0.01, 60)
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
    named = value if isinstance(value, Mapping) else dict(enumerate(value)) if isinstance(value, tuple) else None
    amounts = {place: value} if named is None else {f"{place}.{name}": amount for name, amount in named.items()}
    return [facts.note((PLAN, "", name), amount) for name, amount in amounts.items()]


def _rules(facts: Facts) -> Iterator[Comparison]:
    """Levels of floors and penalties beside prices and losses."""
    plan = facts.plan
    for n, menu in enumerate(plan.instruments.price_floors):
        levels = _amounts(facts, f"instruments.price_floors.{n}.levels_usd_per_kg", menu.levels_usd_per_kg)
        yield from _neighbours(levels, 50)
        yield from (Comparison(one(level), facts.price(menu.material), 0.05, 20) for level in levels)
    for n, rule in enumerate(plan.diversification):
        for figure in _amounts(facts, f"diversification.{n}.penalty_usd_per_kg", rule.penalty_usd_per_kg):
            yield Comparison(one(figure), facts.price(rule.material), 0.002, 100, 0.3)
    losses = _losses(facts)
    for n, promise in enumerate(plan.service_levels):
        loss = losses.get((promise.material, promise.segment)) or losses.get((promise.material, "*"))
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
