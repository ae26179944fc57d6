"""Names that a plan uses, and its tables should have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ..core.errors import Fault, Hints
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
    known = country_names(data, theirs or plan.home)
    called = {**known.called, **{name: home for home, name in unions.items()}}
    known = replace(known, names=known.names | unions.keys(), called=called, where="a country or a union with tables")
    if not inside:
        yield Fault("countries.csv", "", "tier", "no country of tier 'home'", f"'home' for the members of {what}")
    if plan.home not in known.names:
        yield from known.faults("plan", "", "home", [plan.home], hints)
    elif theirs not in ("", plan.home):
        expected = f"'{theirs}', {what} (tier `home` in countries.csv); another home needs its own tables"
        yield Fault("plan", "", "home", f"'{plan.home}'", expected)
    elif inside:
        expected = f"'home' for the members of the plan's home alone: {' '.join(sorted(wanted))}"
        for country in sorted({*inside} - wanted):
            yield Fault("countries.csv", country, "tier", "'home'", expected)
        for country in sorted(wanted & listed - {*inside}):
            yield Fault("countries.csv", country, "tier", "another tier", f"'home', as a member of {plan.home}")


def plan_references(plan: Plan, data: Dataset, hints: Hints) -> Iterator[Fault]:
    """Every name that the plan uses exists in the tables, and its years are near theirs."""
    yield from _horizon(plan, data)
    for place, names, known in _uses(plan, data):
        yield from known.faults("plan", "", place, names, hints)
    yield from _covers(plan, data)
    materials, segments = material_names(data), segment_names(data)
    pairs = {(row.material, row.segment) for row in data.rows("demand")}
    for n, level in enumerate(plan.service_levels):
        if (level.material, level.segment) not in pairs:
            near = (
                ""
                if level.material in materials.names
                else hints.near(level.material, materials.names, materials.called)
            )
            near += "" if level.segment in segments.names else hints.near(level.segment, segments.names)
            found = f"'{level.material}', '{level.segment}'"
            expected = f"a material and segment with demand in demand.csv{near}"
            yield Fault("plan", "", f"service_levels.{n}", found, expected)
    if plan.sample is not None and not data.rows("hazards") and plan.sample.hazards == ("*",):
        expected = "the hazards from which the plan's scenarios are sampled"
        yield Fault("hazards.csv", "", "", "no rows, or no such file", expected)


def _uses(plan: Plan, data: Dataset) -> Iterator[tuple[str, Iterable[str | None], Known]]:
    """Dotted field, the names in it, and what these must be."""
    materials, countries, segments = material_names(data), country_names(data, plan.home), segment_names(data)
    goods, codes, hazards = materials.and_("*"), countries.and_("*"), names_in(data, "hazards", "hazard")
    for column, table in (("price_set", "prices"), ("loss_function", "loss_functions")):
        known = names_in(data, table, column)
        if known.names:  # a table without rows is a fault of its own
            yield column, [getattr(plan, column)], replace(known, where=f"{known.where} ({some_of(known.names)})")
    yield from _each("materials", plan.materials, goods)
    projects = names_in(data, "projects", "project").and_("*")
    yield from _each("instruments.project_list", plan.instruments.project_list, projects)
    packages = names_in(data, "packages", "package").and_("none", "*")
    yield from _each("instruments.packages", plan.instruments.packages, packages)
    for n, menu in enumerate(plan.instruments.price_floors):
        yield f"instruments.price_floors.{n}.material", [menu.material], materials
    for n, rule in enumerate(plan.diversification):
        yield f"diversification.{n}.material", [rule.material], materials
        yield f"diversification.{n}.country", [rule.country], countries
    for n, exclusion in enumerate(plan.procurement.exclusions):
        yield f"procurement.exclusions.{n}.countries", exclusion.countries.split(), countries.and_("covered")
        yield f"procurement.exclusions.{n}.materials", exclusion.materials.split(), goods
    for n, law in enumerate(plan.stock_rules):
        yield f"stock_rules.{n}.material", [law.material], materials
        yield f"stock_rules.{n}.segments", law.segments, segments.and_("*")
    for n, cover in enumerate(plan.days_of_cover):
        yield f"days_of_cover.{n}.material", [cover.material], materials
    events: list[tuple[str, Event]] = [(f"ongoing.{n}", event) for n, event in enumerate(plan.ongoing)]
    events += [
        (f"scenarios.{n}.events.{e}", event)
        for n, scenario in enumerate(plan.scenarios)
        for e, event in enumerate(scenario.events)
    ]
    for place, event in events:
        yield f"{place}.hazard", [event.hazard], hazards
        yield f"{place}.countries", (event.countries or "").split(), codes
        yield f"{place}.materials", (event.materials or "").split(), goods
        yield f"{place}.demand_multipliers", event.demand_multipliers or (), segments
    for n, control in enumerate(plan.controls):
        yield f"controls.{n}.countries", control.countries.split(), codes
        yield f"controls.{n}.materials", control.materials.split(), goods
        yield f"controls.{n}.hazard", [control.hazard], hazards
        own = control.materials.split()
        cut = materials if "*" in own else Known(frozenset(own), "materials of the control")
        yield f"controls.{n}.cut_shares", control.cut_shares, cut
    if plan.sample is not None:
        yield from _each("sample.hazards", plan.sample.hazards, hazards.and_("*"))
    for n, override in enumerate(plan.hazards):
        yield f"hazards.{n}.hazard", [override.hazard], hazards


def _each(place: str, names: Iterable[str], known: Known) -> Iterator[tuple[str, Iterable[str], Known]]:
    """The entries of a list, one by one."""
    return ((f"{place}.{n}", [name], known) for n, name in enumerate(names))


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


def _covers(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Days of cover are asked of materials that the reserve can have."""
    defined, offered = ({row.material for row in data.rows(table)} for table in ("materials", "offers"))
    held = {row.material for row in data.rows("stock") if row.opening_t > 0}
    held |= offered if plan.instruments.reserve else set()
    for n, cover in enumerate(plan.days_of_cover):
        if cover.material in defined - held and cover.days > 0:
            expected = "a material that the reserve can buy or holds"
            yield Fault("plan", "", f"days_of_cover.{n}.material", f"'{cover.material}'", expected)


def some_of(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    told = sorted(names)
    more = f" and {len(told) - MOST_NAMED} more" if len(told) > MOST_NAMED else ""
    return ", ".join(told[:MOST_NAMED]) + more if told else "none"


MOST_NAMED = 12
