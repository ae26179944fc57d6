"""Names that a plan uses, and its tables should have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

from ..core.errors import Fault, Hints
from ..core.names import UNIONS, plain
from ..schemas.descriptions import ONE_HOME
from ..schemas.plan import Plan
from ..schemas.plan_sections import Event
from .dataset import Dataset
from .homes import members
from .known_names import Known, country_names, material_names, names_in, segment_names


def home_references(plan: Plan, data: Dataset, hints: Hints) -> Iterator[Fault]:
    """The home of the plan is the country or union whose demand, stock and imports the tables hold: its members have that tier."""
    rows = data.rows("countries")
    if not rows:
        return
    inside, wanted = [row.country for row in rows if row.tier == "home"], members(data, plan.home)
    unions = {row.home: row.name for row in data.rows("homes")}
    alone = inside[0] if len(inside) == 1 else ""
    listed = {row.country for row in rows}
    theirs = next((home for home in unions if members(data, home) & listed == {*inside}), alone)
    what = "the home whose demand, stock and imports these tables hold"
    known = country_names(data, theirs or plan.home).and_(*unions)
    known = replace(known, called={**known.called, **{name: home for home, name in unions.items()}})
    if not inside:
        yield Fault("countries.csv", "", "tier", "no country of tier 'home'", f"'home' for the members of {what}")
    if plain(plan.home) in UNIONS and plan.home not in known.names:
        yield Fault("plan", "", "home", f"'{plan.home}'", ONE_HOME)
    elif plan.home not in known.names:
        yield from known.faults("plan", "", "home", [plan.home], hints)
    elif theirs not in ("", plan.home):
        said = f"'{theirs}', {what} (tier `home` in countries.csv); another home needs its own tables"
        yield Fault("plan", "", "home", f"'{plan.home}'", said)
    elif inside:
        expected = f"'home' for the members of the plan's home alone: {' '.join(sorted(wanted))}"
        for country in sorted({*inside} - wanted):
            yield Fault("countries.csv", country, "tier", "'home'", expected)
        for country in sorted(wanted & listed - {*inside}):
            yield Fault("countries.csv", country, "tier", "another tier", f"'home', as a member of {plan.home}")


def plan_references(plan: Plan, data: Dataset, hints: Hints) -> Iterator[Fault]:
    """Every name that the plan uses exists in the tables."""
    materials, countries, segments = material_names(data), country_names(data, plan.home), segment_names(data)
    packages = names_in(data, "packages", "package", "a package of packages.csv").and_("none", "*")
    projects = names_in(data, "projects", "project", "a project of projects.csv").and_("*")
    one = partial(_one, hints)

    yield from _horizon(plan, data)
    for column, table in (("price_set", "prices"), ("loss_function", "loss_functions")):
        if not data.rows(table):  # that is told of the table
            continue
        known = names_in(data, table, column, "")
        what = f"a {column.replace('_', ' ')} of {table}.csv ({some_of(known.names)})"
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
    for n, exclusion in enumerate(plan.procurement.exclusions):
        for name in exclusion.countries.split():
            yield from one(f"procurement.exclusions.{n}.countries", name, countries.and_("covered"))
        for name in exclusion.materials.split():
            yield from one(f"procurement.exclusions.{n}.materials", name, materials.and_("*"))
    for n, law in enumerate(plan.stock_rules):
        yield from one(f"stock_rules.{n}.material", law.material, materials)
        yield from segments.and_("*").faults("plan", "", f"stock_rules.{n}.segments", law.segments, hints)
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
    hazards = names_in(data, "hazards", "hazard", "a hazard of hazards.csv")
    codes = countries.and_("*").called_("ISO3 codes of countries.csv")
    goods = materials.and_("*").called_("materials of materials.csv")
    one = partial(_one, hints)
    events: list[tuple[str, Event]] = [(f"ongoing.{n}", event) for n, event in enumerate(plan.ongoing)]
    events += [
        (f"scenarios.{n}.events.{e}", event)
        for n, scenario in enumerate(plan.scenarios)
        for e, event in enumerate(scenario.events)
    ]
    for place, event in events:
        if event.hazard is not None:
            yield from one(f"{place}.hazard", event.hazard, hazards)
        yield from codes.faults("plan", "", f"{place}.countries", (event.countries or "").split(), hints)
        yield from goods.faults("plan", "", f"{place}.materials", (event.materials or "").split(), hints)
        yield from segments.faults("plan", "", f"{place}.demand_multipliers", event.demand_multipliers or {}, hints)
    for n, control in enumerate(plan.controls):
        yield from codes.faults("plan", "", f"controls.{n}.countries", control.countries.split(), hints)
        yield from goods.faults("plan", "", f"controls.{n}.materials", control.materials.split(), hints)
        if control.hazard is not None:
            yield from one(f"controls.{n}.hazard", control.hazard, hazards)
        own = (
            materials
            if "*" in control.materials.split()
            else Known(frozenset(control.materials.split()), "materials of the control")
        )
        yield from own.faults("plan", "", f"controls.{n}.cut_shares", control.cut_shares, hints)
    if plan.sample is not None:
        if not hazards.names and plan.sample.hazards == ("*",):
            yield Fault(
                "hazards.csv",
                "",
                "",
                "no rows, or no such file",
                "the hazards from which the plan's scenarios are sampled",
            )
        for n, name in enumerate(plan.sample.hazards):
            yield from one(f"sample.hazards.{n}", name, hazards.and_("*"))
    for n, override in enumerate(plan.hazards):
        yield from one(f"hazards.{n}.hazard", override.hazard, hazards)


def some_of(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    told = sorted(names)
    more = f" and {len(told) - MOST_NAMED} more" if len(told) > MOST_NAMED else ""
    return ", ".join(told[:MOST_NAMED]) + more if told else "none"


MOST_NAMED = 12
