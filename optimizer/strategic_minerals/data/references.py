"""Check that every name used by a plan or a table is defined in some table."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches

from ..core.errors import MOST_PRINTED, Fault, Hints
from ..core.names import country_codes, meant
from ..schemas.base import Row, key_of, parse_multipliers
from ..schemas.plan import Plan
from ..schemas.tables import TABLES
from .dataset import Dataset
from .homes import members
from .known_names import REGIONS, Known, Stray, country_names, material_names, names_in, segment_names
from .plan_references import home_references, plan_references, some_of

Uses = tuple[str, str, "Known"]
"""Table, column, and what its names must be."""


def references(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Every name that a plan or a table uses is defined. One that many use and none defines is one fault, of its table; one that
    the plan alone uses is a fault of the plan wherever it stands."""
    uses: Counter[tuple[str, str]] = Counter()  # of table and name
    files: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for fault in _strays(plan, data, Hints(0)):
        if isinstance(fault, Stray):
            uses[fault.of[0], fault.name] += 1
            files[fault.of[0], fault.name][fault.file] = None
    tables = {name: table for table, name in uses if table}
    told: dict[str, Fault] = {}
    often = [
        name
        for name, table in tables.items()
        if uses[table, name] + uses["", name] >= FEWEST_USES
        and {*files[table, name], *files.get(("", name), ())} != {PLAN}
    ]
    unused: dict[str, dict[str, Row]] = {}
    for name in often[:MOST_PRINTED]:
        table = tables[name]
        count = uses[table, name] + uses["", name]
        if table not in unused:
            unused[table] = _unused(plan, data, table)
        nearest = _row_hint(table, name, unused[table])
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


PLAN = "plan"
"""File of faults that stand in the plan."""
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


def _row_hint(table: str, name: str, rows: Mapping[str, Row]) -> Row | None:
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
    used = f"'{name}', which is used {count} times in {some_of(files)}"
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
    segments = segment_names(data)
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
    foreign = any(
        row.country not in members(data, plan.home) for table in ("activities", "projects") for row in data.rows(table)
    )
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
            f"{table}.csv", "", "", "no such file", f"a table {table}.csv: {expected}; there are {some_of(data.tables)}"
        )
    near = get_close_matches(table, [name.casefold() for name in data.book.others], n=1, cutoff=LIKE_A_NAME)
    meant = next(
        (f" (if it is '{name}', rename it)" for name in data.book.others if near and name.casefold() == near[0]), ""
    )
    there = some_of([*data.tables, *data.book.others])
    return Fault(data.book.name, "", table, "no such sheet", f"a sheet '{table}': {expected}; there are {there}{meant}")


LIKE_A_NAME = 0.5
"""Likeness of a sheet's name to that of a table that is missed."""


def _uses(plan: Plan, data: Dataset) -> list[Uses]:
    """Columns that hold one name."""
    materials, countries, segments = material_names(data), country_names(data, plan.home), segment_names(data)
    activities = names_in(data, "activities", "activity", "an activity of activities.csv")
    projects = names_in(data, "projects", "project", "a project of projects.csv")
    producers = replace(activities.and_(*projects.names).called_("an activity or project"), of=("", ""))
    if not projects.names:
        producers = Known(frozenset(), "")
    sellers = (
        replace(producers.and_("outside"), where="an activity, a project, or 'outside'")
        if producers.names
        else producers
    )
    minerals = names_in(data, "minerals", "mineral", "a mineral of minerals.csv")
    located = countries if data.rows("countries") else Known(frozenset(), "")
    places = countries.and_(*REGIONS) if data.rows("countries") else Known(frozenset(), "")
    instruments = names_in(data, "instruments", "instrument", "an instrument of instruments.csv")
    of_facts = [(table, "mineral", minerals) for table in ("materials", "production", "reserves", "import_shares")]
    of_places = [(table, "country", places) for table in ("production", "reserves", "import_shares", "policy_events")]
    of_places += [("observed_profiles", "destination", places), ("price_gaps", "country", places)]
    return [
        ("capacities", "activity", activities),
        ("yields", "producer", producers),
        *(
            (table, "material", materials)
            for table in (
                "yields",
                "demand",
                "substitution",
                "prices",
                "stock",
                "offers",
                "loss_functions",
                "hazard_profiles",
                "hazard_prices",
                "price_gaps",
                "market_quotes",
                "users_stock",
                "purchase_ceilings",
                "stock_origins",
            )
        ),
        ("commitments", "producer", activities),
        ("commitments", "floor_material", materials),
        ("payments_due", "commitment", names_in(data, "commitments", "commitment", "a row of commitments.csv")),
        ("hazard_evidence", "hazard", names_in(data, "hazards", "hazard", "a hazard of hazards.csv")),
        ("offers", "source_producer", sellers),
        ("offers", "origin", located.and_("").called_("a country of countries.csv") if located.names else located),
        ("feed_origins", "producer", producers),
        *(
            (table, "hazard", names_in(data, "hazards", "hazard", "a hazard of hazards.csv"))
            for table in ("hazard_profiles", "hazard_prices")
        ),
        ("packages", "instrument", instruments),
        ("activities", "country", located),
        ("projects", "country", located),
        ("tiers", "material", materials.and_("*").called_("a material, or '*'")),
        ("adaptation", "material", materials.and_("*").called_("a material, or '*'")),
        ("ramps", "project", projects.and_("*").called_("a project, or '*'")),
        ("packages", "project", projects.and_("").called_("a project")),
        ("packages", "floor_material", materials.called_("a material")),
        ("activities", "floor_material", materials),
        ("tiers", "segment", segments),
        ("substitution", "segment", segments),
        *(
            (table, "segment", segments.and_("*").called_("a segment of demand.csv, or '*'"))
            for table in ("loss_functions", "adaptation", "users_stock")
        ),
        ("loss_replay", "control_event", names_in(data, "policy_events", "event", "an event of policy_events.csv")),
        *of_facts,
        *of_places,
    ]


def _lists(plan: Plan, data: Dataset) -> list[Uses]:
    """Columns that hold names in one cell."""
    projects = names_in(data, "projects", "project", "projects, separated by spaces")
    origins = country_names(data, plan.home).and_(*REGIONS)
    events = names_in(data, "policy_events", "event", "events of policy_events.csv")
    return [
        ("projects", "needs", projects),
        ("projects", "excludes", projects),
        ("countries", "land_neighbours", country_names(data, plan.home).and_("")),
        ("hazards", "after", names_in(data, "hazards", "hazard", "hazards")),
        ("hazards", "calibrated_on", events.and_("")),
        ("observed_profiles", "control_event", events),
        ("observed_profiles", "materials", material_names(data)),
        ("listed_minerals", "materials", material_names(data).and_("")),
        ("published_requirements", "materials", material_names(data).and_("")),
        ("hazards", "countries", country_names(data, plan.home).and_("*").called_("ISO3 codes of countries.csv")),
        ("hazards", "materials", material_names(data).and_("*").called_("materials of materials.csv")),
        ("origin_rules", "materials", material_names(data).and_("*").called_("materials of materials.csv")),
        ("origin_rules", "countries", origins.and_("covered").called_("ISO3 codes of countries.csv, or covered")),
        ("feed_origins", "origins", origins.and_("modelled").called_("ISO3 codes of countries.csv, or modelled")),
    ]


def select_materials(plan: Plan, data: Dataset) -> list[str]:
    """Materials of the plan, in the order of the table."""
    known = [row.material for row in data.rows("materials")]
    return known if "*" in plan.materials else [name for name in known if name in plan.materials]
