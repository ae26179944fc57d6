"""Check that every name used by a plan or a table is defined in some table."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BeforeValidator

from ..core.errors import Fault, Hints
from ..schemas.base import key_of, parse_multipliers, spaced
from ..schemas.plan import Plan
from ..schemas.tables import TABLES
from .dataset import Dataset
from .homes import members
from .known_names import REGIONS, Known, country_names, material_names, names_in, segment_names
from .plan_references import home_references, plan_references, some_of


def references(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Every name that a plan or a table uses is defined in the table of its kind."""
    hints = Hints()
    for check in (table_references, home_references, plan_references):
        yield from check(plan, data, hints)


def table_references(plan: Plan, data: Dataset, hints: Hints) -> Iterator[Fault]:
    """Every name that a table uses is a key of the table that defines it; where that table has no rows, nothing is said here."""
    for known, places in _uses(plan, data):
        for table, _, column in (place.partition(".") for place in places.split() if known.names):
            for row in data.rows(table):
                value = getattr(row, column)
                several = (value or "").split() if _is_list(table, column) else [value or None]
                yield from known.faults(f"{table}.csv", key_of(row), column, several, hints)
    segments = segment_names(data)
    for row in data.rows("hazards") if segments.names else ():
        named = parse_multipliers(row.demand_multipliers)
        yield from segments.faults("hazards.csv", row.hazard, "demand_multipliers", named, hints)
    activities = {row.activity for row in data.rows("activities")}
    for name in sorted(activities & {row.project for row in data.rows("projects")}):
        yield Fault("projects.csv", name, "project", f"'{name}'", "a name that is not also an activity")


def _is_list(table: str, column: str) -> bool:
    """Whether a cell of a column holds names separated by spaces."""
    kinds = TABLES[table].model_fields[column].metadata
    return any(isinstance(kind, BeforeValidator) and kind.func is spaced for kind in kinds)


def missing_tables(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Tables without which the others mean nothing."""
    producers = {row.activity for row in data.rows("activities")}
    others = {row.producer for row in data.rows("yields")}
    foreign = any(
        row.country not in members(data, plan.home) for table in ("activities", "projects") for row in data.rows(table)
    )
    own = any(row.project for row in data.rows("packages"))
    needed = [
        ("materials", True, "it defines what is planned"),
        ("activities", True, "it defines who produces"),
        (
            "projects",
            bool(producers and others - producers) or own,
            "the projects that yields.csv and packages.csv name",
        ),
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
        there = some_of(data.tables)
        return Fault(f"{table}.csv", "", "", "no such file", f"a table {table}.csv: {expected}; there are {there}")
    there = some_of([*data.tables, *data.book.others])
    return Fault(data.book.name, "", table, "no such sheet", f"a sheet '{table}': {expected}; there are {there}")


def _uses(plan: Plan, data: Dataset) -> Iterator[tuple[Known, str]]:
    """What the names in some columns must be, and these columns."""
    materials, segments = material_names(data), segment_names(data)
    activities, projects = names_in(data, "activities", "activity"), names_in(data, "projects", "project")
    producers = Known(activities.names | projects.names, "an activity or project")
    countries = country_names(data, plan.home)
    anywhere = countries.and_(*REGIONS) if data.rows("countries") else Known(frozenset(), "")
    hazards, events = names_in(data, "hazards", "hazard"), names_in(data, "policy_events", "event")
    yield (
        materials,
        "yields.material demand.material substitution.material prices.material stock.material offers.material "
        "loss_functions.material hazard_profiles.material hazard_prices.material price_gaps.material market_quotes.material "
        "users_stock.material purchase_ceilings.material stock_origins.material commitments.floor_material "
        "packages.floor_material activities.floor_material observed_profiles.materials listed_minerals.materials "
        "published_requirements.materials",
    )
    yield materials.and_("*"), "tiers.material adaptation.material hazards.materials origin_rules.materials"
    yield segments, "tiers.segment substitution.segment"
    yield segments.and_("*"), "loss_functions.segment adaptation.segment users_stock.segment"
    yield activities, "capacities.activity commitments.producer"
    yield producers, "yields.producer feed_origins.producer"
    yield producers.and_("outside"), "offers.source_producer"
    yield projects, "packages.project projects.needs projects.excludes"
    yield projects.and_("*"), "ramps.project"
    yield names_in(data, "instruments", "instrument"), "packages.instrument"
    yield names_in(data, "commitments", "commitment"), "payments_due.commitment"
    yield hazards, "hazard_evidence.hazard hazard_profiles.hazard hazard_prices.hazard hazards.after"
    yield events, "loss_replay.control_event hazards.calibrated_on observed_profiles.control_event"
    minerals = "materials.mineral production.mineral reserves.mineral import_shares.mineral"
    yield names_in(data, "minerals", "mineral"), minerals
    yield countries, "activities.country projects.country offers.origin countries.land_neighbours"
    yield countries.and_("*"), "hazards.countries"
    yield (
        anywhere,
        "production.country reserves.country import_shares.country policy_events.country observed_profiles.destination "
        "price_gaps.country",
    )
    yield countries.and_(*REGIONS, "covered"), "origin_rules.countries"
    yield countries.and_(*REGIONS, "modelled"), "feed_origins.origins"


def select_materials(plan: Plan, data: Dataset) -> list[str]:
    """Materials of the plan, in the order of the table."""
    known = [row.material for row in data.rows("materials")]
    return known if "*" in plan.materials else [name for name in known if name in plan.materials]
