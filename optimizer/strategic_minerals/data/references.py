"""Check that every name used by a plan or a table is defined in some table."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import partial

from ..core.errors import MOST_PRINTED, Fault, Hints
from ..core.names import country_codes, meant
from ..schemas.base import Row, key_of, parse_multipliers
from ..schemas.plan import Plan
from ..schemas.tables import TABLES
from .dataset import Dataset

REGIONS = frozenset({"WLD", "OTH"})
"""Codes of fact tables that are not countries: the world, the rest."""
Uses = tuple[str, str, "Known"]
"""Table, column, and what its names must be."""


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


@dataclass(frozen=True)
class Stray(Fault):
    """A name that its table does not define."""

    name: str
    of: tuple[str, str]

    def alone(self) -> Fault:
        """As any other fault."""
        return Fault(self.file, self.row, self.column, self.found, self.expected)


def references(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Every name that a plan or a table uses is defined. One that many use and none defines is one fault, of its table."""
    uses: Counter[tuple[str, str]] = Counter()  # of table and name
    files: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for fault in _strays(plan, data, Hints(0)):
        if isinstance(fault, Stray):
            uses[fault.of[0], fault.name] += 1
            files[fault.of[0], fault.name][fault.file] = None
    tables = {name: table for table, name in uses if table}
    told: dict[str, Fault] = {}
    often = [name for name, table in tables.items() if uses[table, name] + uses["", name] >= FEWEST_USES]
    unused: dict[str, dict[str, Row]] = {}
    for name in often[:MOST_PRINTED]:
        table = tables[name]
        count = uses[table, name] + uses["", name]
        if table not in unused:
            unused[table] = _unused(plan, data, table)
        nearest = _meant_row(table, name, unused[table])
        slip = count >= MANY_USES and meant(name, {getattr(row, TABLES[table].key[0]) for row in data.rows(table)})
        if nearest is not None or (count >= MANY_USES and not slip):
            told[name] = _undefined(
                data, table, name, (count, [*files[table, name], *files.get(("", name), ())]), nearest
            )
    for fault in _strays(plan, data, Hints()):
        if not isinstance(fault, Stray):
            yield fault
        elif fault.name not in told or fault.of[0] not in ("", tables[fault.name]):
            yield fault.alone()
    yield from told.values()


FEWEST_USES, MANY_USES = 2, 5
"""Uses of a name that no row defines from which on its table is blamed: where a row of it that nobody uses is near; where none
is near at all."""


def _strays(plan: Plan, data: Dataset, hints: Hints) -> Iterator[Fault]:
    for check in (table_references, home_references, plan_references, segment_references):
        yield from check(plan, data, hints)


def _unused(plan: Plan, data: Dataset, table: str) -> dict[str, Row]:
    """Rows of a table by name that no other table uses."""
    rows = {getattr(row, type(row).key[0]): row for row in data.rows(table)}
    used: set[str] = set()
    for cells, uses in ((False, _uses(plan, data)), (True, _lists(plan, data))):
        for other, column, known in uses:
            if known.of[0] in ("", table):
                values = (getattr(row, column) for row in data.rows(other))
                used |= {part for value in values if value for part in (value.split() if cells else (value,))}
    return {name: row for name, row in rows.items() if name not in used}


def _meant_row(table: str, name: str, rows: Mapping[str, Row]) -> Row | None:
    """The one of some rows that was meant to define a name; None where there is none."""
    if table == "countries":  # codes of other countries are no slips
        near = get_close_matches(name, sorted(rows.keys() - {*country_codes().values()}), n=1)
    else:
        near = meant(name, rows)
    return rows[near[0]] if near else None


def _undefined(data: Dataset, table: str, name: str, uses: tuple[int, list[str]], nearest: Row | None) -> Fault:
    """A name that many rows use and no row defines. uses: how many, and the files."""
    count, files = uses
    column = TABLES[table].key[0]
    used = f"'{name}', which is used {count} times in {_some(files)}"
    if nearest is None:
        return Fault(f"{table}.csv", "", column, f"no row '{name}'", used)
    at = data.at(table, data.rows(table).index(nearest))
    return Fault(f"{table}.csv", at, column, f"'{getattr(nearest, column)}', which is not used anywhere", used)


def segment_references(plan: Plan, data: Dataset, hints: Hints) -> Iterator[Fault]:
    """A segment of the demand without tiers that is nearly one that has some: a slip of whichever of the two stands alone."""
    tiers, demand = data.rows("tiers"), data.rows("demand")
    divided, demanded = {row.segment for row in tiers}, {row.segment for row in demand}
    counts = Counter(row.segment for row in demand)
    for segment in sorted(demanded - divided)[:MOST_PRINTED]:
        near = meant(segment, divided)
        if (
            not near or 0 < counts[near[0]] < counts[segment]
        ):  # most of the demand is no slip: its tiers are what is missing
            continue
        slip_of_demand = near[0] in demanded
        table, rows, wrong, right = (
            ("demand", demand, segment, near[0]) if slip_of_demand else ("tiers", tiers, near[0], segment)
        )
        expected = "a segment with tiers in tiers.csv" if slip_of_demand else "a segment of demand.csv"
        for n, row in enumerate(rows):
            if row.segment == wrong:
                yield Fault(
                    f"{table}.csv", data.at(table, n), "segment", f"'{wrong}'", f"{expected} (did you mean '{right}'?)"
                )


def _names(data: Dataset, table: str, column: str, where: str) -> Known:
    return Known(frozenset(getattr(row, column) for row in data.rows(table)), where, of=(table, column))


def _materials(data: Dataset) -> Known:
    """Materials, by the names and formulas that planners and chemists use, too."""
    called: dict[str, str] = {}
    for row in data.rows("materials"):
        called |= {row.basis.removeprefix("t "): row.material, row.name: row.material}
    names = frozenset(row.material for row in data.rows("materials"))
    return Known(names, "a material of materials.csv", called, ("materials", "material"))


def _countries(data: Dataset, home: str) -> Known:
    """Countries, by their names too; the home country is one in any case."""
    rows = data.rows("countries")
    called = {row.name: row.country for row in rows}
    return Known(
        frozenset({*(row.country for row in rows), home}),
        "a country of countries.csv",
        called,
        ("countries", "country"),
    )


def _segments(data: Dataset) -> Known:
    """Segments that have demand, or tiers for all materials."""
    used = {row.segment for row in data.rows("demand")} | {
        row.segment for row in data.rows("tiers") if row.material == "*"
    }
    return Known(frozenset(used), "a segment of demand.csv")


def table_references(plan: Plan, data: Dataset, hints: Hints) -> Iterator[Fault]:
    """Every name that a table uses is a key of the table that defines it."""
    for table, column, known in _uses(plan, data):
        for row in (
            data.rows(table) if known.names else ()
        ):  # where the table that defines them is missing, that is told once
            yield from known.faults(f"{table}.csv", key_of(row), column, [getattr(row, column)], hints)
    for table, column, known in _lists(plan, data):
        for row in data.rows(table) if known.names else ():
            yield from known.faults(f"{table}.csv", key_of(row), column, getattr(row, column).split(), hints)
    segments = _segments(data)
    for row in data.rows("hazards") if segments.names else ():
        named = parse_multipliers(row.demand_multipliers)
        yield from segments.faults("hazards.csv", row.hazard, "demand_multipliers", named, hints)
    activities = {row.activity for row in data.rows("activities")}
    for name in sorted(activities & {row.project for row in data.rows("projects")}):
        yield Fault("projects.csv", name, "project", f"'{name}'", "a name that is not also an activity")


def missing_tables(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Tables without which the others mean nothing."""
    producers = {row.activity for row in data.rows("activities")}
    others = {row.producer for row in data.rows("yields")}
    foreign = any(row.country != plan.home for table in ("activities", "projects") for row in data.rows(table))
    needed = [
        ("materials", True, "it defines what is planned"),
        ("activities", True, "it defines who produces"),
        ("projects", bool(producers) and bool(others - producers), "the projects that yields.csv names"),
        ("instruments", bool(data.rows("packages")), "the instruments that packages.csv names"),
        ("countries", foreign, "the countries of the producers, with their tiers"),
        ("prices", True, f"the prices of the set '{plan.price_set}'"),
        ("loss_functions", True, f"the loss per tonne of shortfall, in loss function '{plan.loss_function}'"),
        ("yields", bool(producers), "what the producers make"),
        ("capacities", bool(producers), "how much the producers make"),
        ("tiers", bool(data.rows("demand")), "how the demand of each segment is divided"),
    ]
    for table, wanted, expected in needed:
        if wanted and not data.rows(table):
            yield absent(data, table, expected)


def absent(data: Dataset, table: str, expected: str) -> Fault:
    """A table that is needed and is not there, with what is there; or one without rows. expected: what it would hold."""
    if table in data.tables:
        return Fault(f"{table}.csv", "", "", "no rows", f"a table with rows: {expected}")
    if data.book is None:
        return Fault(
            f"{table}.csv", "", "", "no such file", f"a table {table}.csv: {expected}; there are {_some(data.tables)}"
        )
    near = get_close_matches(table, [name.casefold() for name in data.book.others], n=1, cutoff=LIKE_A_NAME)
    meant = next(
        (f" (if it is '{name}', rename it)" for name in data.book.others if near and name.casefold() == near[0]), ""
    )
    there = _some([*data.tables, *data.book.others])
    return Fault(data.book.name, "", table, "no such sheet", f"a sheet '{table}': {expected}; there are {there}{meant}")


LIKE_A_NAME = 0.5
"""Likeness of a sheet's name to that of a table that is missed."""


def _uses(plan: Plan, data: Dataset) -> list[Uses]:
    """Columns that hold one name."""
    materials, countries, segments = _materials(data), _countries(data, plan.home), _segments(data)
    activities = _names(data, "activities", "activity", "an activity of activities.csv")
    projects = _names(data, "projects", "project", "a project of projects.csv")
    producers = replace(activities.and_(*projects.names).called_("an activity or project"), of=("", ""))
    if not projects.names:
        producers = Known(frozenset(), "")
    sellers = (
        replace(producers.and_("outside"), where="an activity, a project, or 'outside'")
        if producers.names
        else producers
    )
    minerals = _names(data, "minerals", "mineral", "a mineral of minerals.csv")
    located = countries if data.rows("countries") else Known(frozenset(), "")
    places = countries.and_(*REGIONS) if data.rows("countries") else Known(frozenset(), "")
    instruments = _names(data, "instruments", "instrument", "an instrument of instruments.csv")
    of_facts = [(table, "mineral", minerals) for table in ("materials", "production", "reserves", "import_shares")]
    of_places = [(table, "country", places) for table in ("production", "reserves", "import_shares", "policy_events")]
    return [
        ("capacities", "activity", activities),
        ("yields", "producer", producers),
        *(
            (table, "material", materials)
            for table in ("yields", "demand", "substitution", "prices", "stock", "offers", "loss_functions")
        ),
        ("offers", "source_producer", sellers),
        ("packages", "instrument", instruments),
        ("activities", "country", located),
        ("projects", "country", located),
        ("tiers", "material", materials.and_("*").called_("a material, or '*'")),
        ("ramps", "project", projects.and_("*").called_("a project, or '*'")),
        ("packages", "project", projects.and_("").called_("a project")),
        ("packages", "floor_material", materials.called_("a material")),
        ("activities", "floor_material", materials),
        ("tiers", "segment", segments),
        ("substitution", "segment", segments),
        ("loss_functions", "segment", segments.and_("*").called_("a segment of demand.csv, or '*'")),
        *of_facts,
        *of_places,
    ]


def _lists(plan: Plan, data: Dataset) -> list[Uses]:
    """Columns that hold names in one cell."""
    projects = _names(data, "projects", "project", "projects, separated by spaces")
    return [
        ("projects", "needs", projects),
        ("projects", "excludes", projects),
        ("hazards", "after", _names(data, "hazards", "hazard", "hazards")),
        ("hazards", "calibrated_on", _names(data, "policy_events", "event", "events of policy_events.csv").and_("")),
        ("hazards", "countries", _countries(data, plan.home).and_("*").called_("ISO3 codes of countries.csv")),
        ("hazards", "materials", _materials(data).and_("*").called_("materials of materials.csv")),
    ]


def home_references(plan: Plan, data: Dataset, hints: Hints) -> Iterator[Fault]:
    """The home of the plan is the country whose demand, stock and imports the tables hold."""
    rows = data.rows("countries")
    if not rows:
        return
    homes = [row.country for row in rows if row.tier == "home"]
    what = "the country whose demand, stock and imports these tables hold"
    if not homes:
        yield Fault("countries.csv", "", "tier", "no country of tier 'home'", f"'home' for exactly one country: {what}")
    for extra in homes[1:]:
        yield Fault(
            "countries.csv", extra, "tier", f"'home', as {homes[0]} has", f"'home' for exactly one country: {what}"
        )
    known = _countries(data, homes[0] if homes else plan.home)
    if plan.home not in known.names:
        yield from known.faults("plan", "", "home", [plan.home], hints)
    elif homes and plan.home not in homes:
        said = f"'{homes[0]}', {what} (tier `home` in countries.csv); another home country needs its own tables"
        yield Fault("plan", "", "home", f"'{plan.home}'", said)


def plan_references(plan: Plan, data: Dataset, hints: Hints) -> Iterator[Fault]:
    """Every name that the plan uses exists in the tables."""
    materials, countries, segments = _materials(data), _countries(data, plan.home), _segments(data)
    packages = _names(data, "packages", "package", "a package of packages.csv").and_("none", "*")
    projects = _names(data, "projects", "project", "a project of projects.csv").and_("*")
    one = partial(_one, hints)

    yield from _horizon(plan, data)
    for column, table in (("price_set", "prices"), ("loss_function", "loss_functions")):
        if not data.rows(table):  # that is told of the table
            continue
        known = _names(data, table, column, "")
        what = f"a {column.replace('_', ' ')} of {table}.csv ({_some(known.names)})"
        yield from one(column, getattr(plan, column), known.called_(what))
    for n, name in enumerate(plan.materials):
        yield from one(f"materials.{n}", name, materials.and_("*"))
    for n, name in enumerate(plan.instruments.project_list):
        yield from one(f"instruments.project_list.{n}", name, projects)
    for n, name in enumerate(plan.instruments.packages):
        yield from one(f"instruments.packages.{n}", name, packages)
    for n, menu in enumerate(plan.instruments.price_floors):
        yield from one(f"instruments.price_floors.{n}.material", menu.material, materials)
    for n, rule in enumerate(plan.diversification):
        yield from one(f"diversification.{n}.material", rule.material, materials)
        if rule.country is not None:
            yield from one(f"diversification.{n}.country", rule.country, countries)
    yield from _covers(plan, data, materials, hints)
    pairs = {(row.material, row.segment) for row in data.rows("demand")}
    for n, level in enumerate(plan.service_levels):
        if (level.material, level.segment) not in pairs:
            near = (
                hints.near(level.material, materials.names, materials.called)
                if level.material not in materials.names
                else ""
            )
            near += hints.near(level.segment, segments.names) if level.segment not in segments.names else ""
            found = f"'{level.material}', '{level.segment}'"
            yield Fault(
                "plan", "", f"service_levels.{n}", found, f"a material and segment with demand in demand.csv{near}"
            )
    yield from _events(plan, data, materials, countries, segments, hints)


def _horizon(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """The planned years are near those that the tables know."""
    dated = [row.from_year for table in ("prices", "demand", "capacities") for row in data.rows(table)]
    years = [*dated, *(row.earliest_signing for row in data.rows("projects"))]
    first = plan.horizon.first_year
    if years and not min(years) - FAR_YEARS <= first <= max(years) + FAR_YEARS:
        known = f"a year at most {FAR_YEARS} years from the tables, which cover the years {min(years)} to {max(years)}"
        yield Fault("plan", "", "horizon.first_year", str(first), known)


FAR_YEARS = 25
"""Years from the first or last date of the tables beyond which a plan's first year is a slip."""


def _one(hints: Hints, place: str, value: str, known: Known) -> Iterator[Fault]:
    """A fault of the plan where a name is unknown."""
    return known.faults("plan", "", place, [value], hints)


def _covers(plan: Plan, data: Dataset, materials: Known, hints: Hints) -> Iterator[Fault]:
    """Days of cover are asked of materials that the reserve can have."""
    for n, cover in enumerate(plan.days_of_cover):
        place = f"days_of_cover.{n}.material"
        yield from _one(hints, place, cover.material, materials)
        held = any(row.material == cover.material and row.opening_t > 0 for row in data.rows("stock"))
        offered = any(row.material == cover.material for row in data.rows("offers")) and plan.instruments.reserve
        if cover.material in materials.names and cover.days > 0 and not (held or offered):
            yield Fault("plan", "", place, f"'{cover.material}'", "a material that the reserve can buy or holds")


def _events(
    plan: Plan, data: Dataset, materials: Known, countries: Known, segments: Known, hints: Hints
) -> Iterator[Fault]:
    """Names in scenarios, controls, the sample and what the plan thinks of hazards."""
    hazards = _names(data, "hazards", "hazard", "a hazard of hazards.csv")
    codes = countries.and_("*").called_("ISO3 codes of countries.csv")
    goods = materials.and_("*").called_("materials of materials.csv")
    one = partial(_one, hints)
    for n, scenario in enumerate(plan.scenarios):
        for e, event in enumerate(scenario.events):
            place = f"scenarios.{n}.events.{e}"
            if event.hazard is not None:
                yield from one(f"{place}.hazard", event.hazard, hazards)
            yield from codes.faults("plan", "", f"{place}.countries", (event.countries or "").split(), hints)
            yield from goods.faults("plan", "", f"{place}.materials", (event.materials or "").split(), hints)
            yield from segments.faults("plan", "", f"{place}.demand_multipliers", event.demand_multipliers or {}, hints)
    for n, control in enumerate(plan.controls):
        yield from codes.faults("plan", "", f"controls.{n}.countries", control.countries.split(), hints)
        yield from goods.faults("plan", "", f"controls.{n}.materials", control.materials.split(), hints)
    if plan.sample is not None:
        if not hazards.names and plan.sample.hazards == ("*",):
            yield Fault(
                "hazards.csv", "", "", "no rows, or no such file", "the hazards from which the plan's sample is drawn"
            )
        for n, name in enumerate(plan.sample.hazards):
            yield from one(f"sample.hazards.{n}", name, hazards.and_("*"))
    for n, override in enumerate(plan.hazards):
        yield from one(f"hazards.{n}.hazard", override.hazard, hazards)


def _some(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    told = sorted(names)
    more = f" and {len(told) - MOST_NAMED} more" if len(told) > MOST_NAMED else ""
    return ", ".join(told[:MOST_NAMED]) + more if told else "none"


MOST_NAMED = 12


def select_materials(plan: Plan, data: Dataset) -> list[str]:
    """Materials of the plan, in the order of the table."""
    known = [row.material for row in data.rows("materials")]
    return known if "*" in plan.materials else [name for name in known if name in plan.materials]
