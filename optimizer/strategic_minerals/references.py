"""Every name that a plan or a table uses is one that some table defines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .dataset import Dataset
from .errors import Fault, near_miss
from .plan import Plan
from .row_types import key_of
from .strikes import parse_multipliers


def _unknown(table: str, key: str, column: str, value: str, known: Iterable[str], where: str) -> Fault:
    names = list(known)
    return Fault(f"{table}.csv", key, column, f"'{value}'", f"{where}{near_miss(value, names)}")


def table_references(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Every name that a table uses is a key of the table that defines it."""
    materials = {row.material for row in data.rows("materials")}
    activities = {row.activity for row in data.rows("activities")}
    projects = {row.project for row in data.rows("projects")}
    countries = {row.country for row in data.rows("countries")}
    instruments = {row.instrument for row in data.rows("instruments")}
    for table, why in (("materials", "it defines what is planned"), ("activities", "it defines who produces")):
        if not data.rows(table):
            yield Fault(f"{table}.csv", "", "", "no rows, or no such file", f"a table with rows: {why}")
    if not projects and any(row.producer not in activities for row in data.rows("yields")):
        yield Fault("projects.csv", "", "", "no rows, or no such file", "the projects that yields.csv names")
        activities |= {row.producer for row in data.rows("yields")}
    uses: list[tuple[str, str, set[str], str]] = [
        ("capacities", "activity", activities, "an activity of activities.csv"),
        ("yields", "producer", activities | projects, "an activity or project"),
        ("yields", "material", materials, "a material of materials.csv"),
        ("demand", "material", materials, "a material of materials.csv"),
        ("substitution", "material", materials, "a material of materials.csv"),
        ("prices", "material", materials, "a material of materials.csv"),
        ("stock", "material", materials, "a material of materials.csv"),
        ("offers", "material", materials, "a material of materials.csv"),
        ("loss_functions", "material", materials, "a material of materials.csv"),
        ("offers", "source_producer", activities | projects | {"outside"}, "an activity, a project, or 'outside'"),
        ("packages", "instrument", instruments, "an instrument of instruments.csv"),
    ]  # fmt: skip
    for table, column, known, where in uses:
        if not known:
            continue  # the table that defines them is missing: told once, below
        for row in data.rows(table):
            value = getattr(row, column)
            if value not in known:
                yield _unknown(table, key_of(row), column, value, known, where)
    for table in ("activities", "projects"):
        for row in data.rows(table):
            if row.country not in countries and row.country != plan.home:
                yield _unknown(table, key_of(row), "country", row.country, countries, "a country of countries.csv")
    for row in data.rows("tiers"):
        if row.material != "*" and row.material not in materials:
            yield _unknown("tiers", key_of(row), "material", row.material, materials, "a material, or '*'")
    for row in data.rows("ramps"):
        if row.project != "*" and row.project not in projects:
            yield _unknown("ramps", key_of(row), "project", row.project, projects, "a project, or '*'")
    for row in data.rows("packages"):
        for column, known, where in (("project", projects, "a project"), ("floor_material", materials, "a material")):
            value = getattr(row, column)
            if value is not None and value not in known:
                yield _unknown("packages", key_of(row), column, value, known, where)
    for row in data.rows("projects"):
        for column in ("needs", "excludes"):
            for name in getattr(row, column).split():
                if name not in projects:
                    yield _unknown("projects", key_of(row), column, name, projects, "projects, separated by spaces")
    both = activities & projects
    for name in sorted(both):
        yield Fault("projects.csv", name, "project", f"'{name}'", "a name that no activity has")


def _named(names: str, known: set[str], place: str, where: str) -> Iterator[Fault]:
    for name in names.split():
        if name != "*" and name not in known:
            yield Fault(
                "plan" if "." in place else "hazards.csv", "", place, f"'{name}'", where + near_miss(name, known)
            )


def plan_references(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Every name that the plan uses exists in the tables."""
    materials = {row.material for row in data.rows("materials")}
    countries = {row.country for row in data.rows("countries")} | {plan.home}
    hazards = {row.hazard for row in data.rows("hazards")}
    segments = {row.segment for row in data.rows("demand")}
    projects = {row.project for row in data.rows("projects")}
    packages = {row.package for row in data.rows("packages")} | {"none"}
    price_sets = {row.price_set for row in data.rows("prices")}
    losses = {row.loss_function for row in data.rows("loss_functions")}

    def one(place: str, value: str, known: set[str], where: str) -> Iterator[Fault]:
        if value not in known:
            yield Fault("plan", "", place, f"'{value}'", where + near_miss(value, known))

    yield from one("price_set", plan.price_set, price_sets, f"a price set of prices.csv ({_some(price_sets)})")
    yield from one(
        "loss_function", plan.loss_function, losses, f"a loss function of loss_functions.csv ({_some(losses)})"
    )
    if countries - {plan.home}:
        yield from one("home", plan.home, {row.country for row in data.rows("countries")}, "a country of countries.csv")
    for n, name in enumerate(plan.materials):
        yield from one(f"materials.{n}", name, materials | {"*"}, "a material of materials.csv")
    for n, name in enumerate(plan.instruments.project_list):
        yield from one(f"instruments.project_list.{n}", name, projects | {"*"}, "a project of projects.csv")
    for n, name in enumerate(plan.instruments.packages):
        yield from one(f"instruments.packages.{n}", name, packages | {"*"}, "a package of packages.csv")
    for n, menu in enumerate(plan.instruments.price_floors):
        yield from one(
            f"instruments.price_floors.{n}.material", menu.material, materials, "a material of materials.csv"
        )
    for n, rule in enumerate(plan.diversification):
        yield from one(f"diversification.{n}.material", rule.material, materials, "a material of materials.csv")
        if rule.country is not None:
            yield from one(f"diversification.{n}.country", rule.country, countries, "a country of countries.csv")
    for n, cover in enumerate(plan.days_of_cover):
        yield from one(f"days_of_cover.{n}.material", cover.material, materials, "a material of materials.csv")
        held = any(row.material == cover.material and row.opening_t > 0 for row in data.rows("stock"))
        offered = any(row.material == cover.material for row in data.rows("offers")) and plan.instruments.reserve
        if cover.material in materials and cover.days > 0 and not (held or offered):
            yield Fault(
                "plan",
                "",
                f"days_of_cover.{n}.material",
                f"'{cover.material}'",
                "a material that the reserve can buy or has",
            )
    pairs = {(row.material, row.segment) for row in data.rows("demand")}
    for n, level in enumerate(plan.service_levels):
        if (level.material, level.segment) not in pairs:
            found = f"'{level.material}', '{level.segment}'"
            yield Fault("plan", "", f"service_levels.{n}", found, "a material and segment with demand in demand.csv")
    for n, scenario in enumerate(plan.scenarios):
        for e, event in enumerate(scenario.events):
            place = f"scenarios.{n}.events.{e}"
            if event.hazard is not None:
                yield from one(f"{place}.hazard", event.hazard, hazards, "a hazard of hazards.csv")
            yield from _named(event.countries or "", countries, f"{place}.countries", "ISO3 codes of countries.csv")
            yield from _named(event.materials or "", materials, f"{place}.materials", "materials of materials.csv")
            for segment in event.demand_multipliers or {}:
                yield from one(f"{place}.demand_multipliers", segment, segments, "a segment of demand.csv")
    for n, control in enumerate(plan.controls):
        yield from _named(control.countries, countries, f"controls.{n}.countries", "ISO3 codes of countries.csv")
        yield from _named(control.materials, materials, f"controls.{n}.materials", "materials of materials.csv")
    if plan.sample is not None:
        for n, name in enumerate(plan.sample.hazards):
            yield from one(f"sample.hazards.{n}", name, hazards | {"*"}, "a hazard of hazards.csv")
    for n, override in enumerate(plan.hazards):
        yield from one(f"hazards.{n}.hazard", override.hazard, hazards, "a hazard of hazards.csv")
    events = {row.event for row in data.rows("policy_events")}
    for row in data.rows("hazards"):
        for column, known, where in (("after", hazards, "hazards"), ("calibrated_on", events, "events of policy_events.csv")):
            for name in getattr(row, column).split():
                if name not in known:
                    yield _unknown("hazards", row.hazard, column, name, known, where)
        for name in row.countries.split():
            if name != "*" and name not in countries:
                yield _unknown("hazards", row.hazard, "countries", name, countries, "ISO3 codes of countries.csv")
        for name in row.materials.split():
            if name != "*" and name not in materials:
                yield _unknown("hazards", row.hazard, "materials", name, materials, "materials of materials.csv")
        try:
            unknown = set(parse_multipliers(row.demand_multipliers)) - segments
        except ValueError:
            yield Fault(
                "hazards.csv",
                row.hazard,
                "demand_multipliers",
                f"'{row.demand_multipliers}'",
                "like 'defence=1.5 other=0.8'",
            )
            continue
        for segment in sorted(unknown):
            yield _unknown("hazards", row.hazard, "demand_multipliers", segment, segments, "a segment of demand.csv")


def _some(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)[:12])
