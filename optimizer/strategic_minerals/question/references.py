"""Check that every name used by a plan or a table is defined in some table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from pydantic import BeforeValidator

from ..core.errors import Fault, UnfitRule, near_miss
from ..core.formats import listed
from .base import key_of, spaced
from .dataset import Dataset, members
from .plan import Event, Plan
from .tables import TABLES

# Names that tables define: materials, countries, segments, and what stands for several of them.
REGIONS = ("WLD", "OTH")
"""Codes of fact tables that are not countries: the world, the rest."""


@dataclass(frozen=True)
class Known:
    """Names that a table defines, and what they are in words."""

    names: frozenset[str]
    where: str

    def faults(self, file: str, key: str, column: str, values: Iterable[str | None]) -> Iterator[Fault]:
        """A fault for each value that is not one of the names; empty cells do not count."""
        for value in values:
            if value is not None and value not in self.names:
                expected = f"{self.where}{near_miss(value, self.names)}"
                yield Fault(file, key, column, f"'{value}'", expected)

    def and_(self, *more: str) -> Known:
        """The same with further names allowed."""
        return replace(self, names=self.names | {*more}, where=f"{self.where}, or {' or '.join(map(repr, more))}")


def names_in(data: Dataset, table: str, column: str) -> Known:
    """Names of a column."""
    article = "an" if column.startswith(("a", "e", "i")) else "a"
    where = f"{article} {column.replace('_', ' ')} of {table}.csv"
    where += "" if data.rows(table) else " (the table is missing, or has no rows)"
    return Known(frozenset(getattr(row, column) for row in data.rows(table)), where)


def material_names(data: Dataset) -> Known:
    """Materials."""
    return names_in(data, "materials", "material")


def country_names(data: Dataset, home: str) -> Known:
    """Countries; those of the home are some in any case."""
    known = names_in(data, "countries", "country")
    return replace(known, names=known.names | members(data, home))


def producer_names(data: Dataset) -> Known:
    """Activities and projects."""
    names = names_in(data, "activities", "activity").names | names_in(data, "projects", "project").names
    return Known(names, "an activity or project")


def segment_names(data: Dataset) -> Known:
    """Segments that have demand, or tiers for all materials."""
    tiers = [row for row in data.rows("tiers") if row.material == "*"]
    return Known(frozenset(row.segment for row in (*data.rows("demand"), *tiers)), "a segment of demand.csv")


# Names that a plan uses, and its tables should have.
def home_references(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """The home of the plan is the country or union whose demand, stock and imports the tables hold: its members have that tier."""
    rows = data.rows("countries")
    if not rows:
        return
    inside, wanted = {row.country for row in rows if row.tier == "home"}, members(data, plan.home)
    unions, there = {row.home for row in data.rows("homes")}, {row.country for row in rows}
    alone = next(iter(inside)) if len(inside) == 1 else ""
    theirs = next((home for home in (plan.home, *sorted(unions)) if members(data, home) & there == inside), alone)
    what = "the home whose demand, stock and imports these tables hold"
    known = country_names(data, theirs or plan.home)
    known = Known(known.names | unions, "a country or a union with tables")
    if not inside:
        yield Fault("countries.csv", "", "tier", "no country of tier 'home'", f"'home' for the members of {what}")
    if plan.home not in known.names:
        yield from known.faults("plan", "", "home", [plan.home])
    elif theirs not in ("", plan.home):
        expected = f"'{theirs}', {what} (tier `home` in countries.csv); another home needs its own tables"
        yield Fault("plan", "", "home", f"'{plan.home}'", expected)
    elif inside:
        expected = f"'home' for the members of the plan's home alone: {' '.join(sorted(wanted))}"
        for country in sorted(inside ^ (wanted & there)):
            yield Fault("countries.csv", country, "tier", "'home'" if country in inside else "another tier", expected)


def plan_references(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Every name that the plan uses exists in the tables."""
    for place, names, known in _uses(plan, data):
        yield from known.faults("plan", "", place, names)
    yield from _covers(plan, data)
    materials, segments = material_names(data), segment_names(data)
    demanded, forms = {(row.material, row.segment) for row in data.rows("demand")}, qualified_forms(plan, data)
    pairs = {forms.demand(*pair) for pair in demanded}
    for n, level in enumerate(plan.service_levels):
        if (level.material, level.segment) in forms.asked:
            form = forms.asked[level.material, level.segment]
            expected = f"'{form}', for which this segment asks in this plan"
            yield Fault("plan", "", f"service_levels.{n}.material", f"'{level.material}'", expected)
        elif (level.material, level.segment) not in pairs:
            near = "".join(
                near_miss(name, of.names)
                for name, of in ((level.material, materials), (level.segment, segments))
                if name not in of.names
            )
            found = f"'{level.material}', '{level.segment}'"
            expected = f"a material and segment with demand in demand.csv{near}"
            yield Fault("plan", "", f"service_levels.{n}", found, expected)
    for n, law in enumerate(plan.stock_rules):
        if "*" not in law.segments and not any((law.material, segment) in pairs for segment in law.segments):
            of = [forms.asked[law.material, one] for one in law.segments if (law.material, one) in forms.asked]
            expected = f"a segment that wants {law.material}"
            expected += f", or the material '{of[0]}', for which this segment asks" if of else ""
            yield Fault("plan", "", f"stock_rules.{n}.segments", f"'{' '.join(law.segments)}'", expected)
    if plan.sample is not None and not data.rows("hazards") and plan.sample.hazards == ("*",):
        expected = "the hazards from which the plan's scenarios are sampled"
        yield Fault("hazards.csv", "", "", "no rows, or no such file", expected)


def _beliefs(plan: Plan, data: Dataset, hazards: Known) -> Iterator[tuple[str, Iterable[str | None], Known]]:
    """Of losses and beliefs that may be right, as `_uses`."""
    losses = names_in(data, "loss_functions", "loss_function")
    if losses.names:
        yield from _each("ambiguity.losses", plan.ambiguity.losses, losses.and_("*"))
    if plan.sample is not None and "*" not in plan.sample.hazards:
        drawn = hazards.names & {*plan.sample.hazards}  # of another one no scenario would weigh more or less
        hazards = Known(drawn, "a hazard that the sample draws")
    for n, belief in enumerate(plan.ambiguity.beliefs):
        for k, of_hazard in enumerate(belief.hazards):
            yield f"ambiguity.beliefs.{n}.hazards.{k}.hazard", [of_hazard.hazard], hazards


def _uses(plan: Plan, data: Dataset) -> Iterator[tuple[str, Iterable[str | None], Known]]:
    """Dotted field, the names in it, and what these must be."""
    materials, countries, segments = material_names(data), country_names(data, plan.home), segment_names(data)
    goods, codes, hazards = materials.and_("*"), countries.and_("*"), names_in(data, "hazards", "hazard")
    surges = names_in(data, "surges", "surge")
    producers = producer_names(data)
    for column, table in (("price_set", "prices"), ("loss_function", "loss_functions")):
        known = names_in(data, table, column)
        if known.names:  # a table without rows is a fault of its own
            where = f"{known.where} ({listed(sorted(known.names))})"
            yield column, [getattr(plan, column)], replace(known, where=where)
    yield from _each("materials", plan.materials, goods)
    projects = names_in(data, "projects", "project").and_("*")
    yield from _each("instruments.project_list", plan.instruments.project_list, projects)
    packages = names_in(data, "packages", "package").and_("none", "*")
    yield from _each("instruments.packages", plan.instruments.packages, packages)
    for n, menu in enumerate(plan.instruments.price_floors):
        yield f"instruments.price_floors.{n}.material", [menu.material], materials
    yield from _beliefs(plan, data, hazards)
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
    events: dict[str, Event] = {f"ongoing.{n}": event for n, event in enumerate(plan.ongoing)}
    for n, scenario in enumerate(plan.scenarios):
        events |= {f"scenarios.{n}.events.{e}": event for e, event in enumerate(scenario.events)}
    for place, event in events.items():
        yield f"{place}.hazard", [event.hazard], hazards
        yield f"{place}.surge", [event.surge], surges
        yield f"{place}.producers", event.producers.split(), producers
        yield f"{place}.countries", (event.countries or "").split(), codes
        yield f"{place}.materials", (event.materials or "").split(), goods
        yield from ((f"{place}.demand_multipliers.{name}", [name], segments) for name in event.demand_multipliers or ())
    for n, control in enumerate(plan.controls):
        yield f"controls.{n}.countries", control.countries.split(), codes
        yield f"controls.{n}.materials", control.materials.split(), goods
        yield f"controls.{n}.hazard", [control.hazard], hazards
        own = control.materials.split()
        any_material = "*" in own or not materials.names.issuperset(own)  # a slip among them is a fault already
        cut = materials if any_material else Known(frozenset(own), "materials of the control")
        yield from ((f"controls.{n}.cut_shares.{name}", [name], cut) for name in control.cut_shares)
    if plan.sample is not None:
        yield from _each("sample.hazards", plan.sample.hazards, hazards.and_("*"))
    for n, override in enumerate(plan.hazards):
        yield f"hazards.{n}.hazard", [override.hazard], hazards


def _each(place: str, names: Iterable[str], known: Known) -> Iterator[tuple[str, Iterable[str], Known]]:
    """The entries of a list, one by one."""
    return ((f"{place}.{n}", [name], known) for n, name in enumerate(names))


def opening_stock(plan: Plan, data: Dataset) -> dict[str, float]:
    """Material -> what the reserve holds when the plan starts [t]; of one that begins empty what its own earlier years left."""
    mine = (row for row in data.rows("stock") if plan.existing or row.carried)
    return {row.material: row.opening_t for row in mine if row.opening_t > 0}


def _covers(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Days of cover are asked of materials that the reserve can have."""
    defined, offered = ({row.material for row in data.rows(table)} for table in ("materials", "offers"))
    held = set(opening_stock(plan, data))
    held |= offered if plan.instruments.reserve else set()
    for n, cover in enumerate(plan.days_of_cover):
        if cover.material in defined - held and cover.days > 0:
            expected = "a material that the reserve can buy or holds"
            yield UnfitRule("plan", "", f"days_of_cover.{n}.material", f"'{cover.material}'", expected)


def references(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Every name that a plan or a table uses is defined in the table of its kind."""
    for check in (table_references, event_references, home_references, plan_references):
        yield from check(plan, data)


def table_references(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """Every name that a table uses is a key of the table that defines it; where that table has no rows, nothing is checked here."""
    for known, places in _uses_of_table(plan, data):
        for table, _, column in (place.partition(".") for place in places.split() if known.names):
            many = _is_list(table, column)
            for row in data.rows(table):
                value = getattr(row, column)
                several = (value or "").split() if many else [value or None]
                if not known.names.issuperset(filter(None, several)):
                    yield from known.faults(f"{table}.csv", key_of(row), column, several)
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
    named = bool(producers and others - producers) or own
    needed = {
        "materials": (True, "it defines what is planned"),
        "activities": (True, "it defines who produces"),
        "projects": (named, "the projects that yields.csv and packages.csv name"),
        "instruments": (data.rows("packages"), "the instruments that packages.csv names"),
        "countries": (foreign, "the countries of the producers, with their tiers"),
        "prices": (True, f"the prices of the set '{plan.price_set}'"),
        "loss_functions": (True, f"the loss per tonne of shortfall, in loss function '{plan.loss_function}'"),
        "yields": (producers, "what the producers make"),
        "capacities": (producers, "how much the producers make"),
        "tiers": (data.rows("demand"), "how the demand of each segment is divided"),
    }
    for table, (wanted, expected) in needed.items():
        if wanted and not data.rows(table):
            yield absent(data, table, expected)


def event_references(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """An event that targets the plan's home names producers of these tables; those of another home are in the tables of that."""
    for row in data.rows("policy_events"):
        if plan.home in row.target.replace(":", " ").replace(",", " ").split():
            yield from producer_names(data).faults("policy_events.csv", row.event, "producers", row.producers.split())


def absent(data: Dataset, table: str, expected: str) -> Fault:
    """A table that is needed and is not there, with what is there; or one without rows. expected: what it would hold."""
    if table in data.tables:
        return Fault(f"{table}.csv", "", "", "no rows", f"a table with rows: {expected}")
    there = listed(sorted([*data.tables, *(() if data.book is None else data.book.others)]))
    if data.book is None:
        return Fault(f"{table}.csv", "", "", "no such file", f"a table {table}.csv: {expected}; there are {there}")
    return Fault(data.book.name, "", table, "no such sheet", f"a sheet '{table}': {expected}; there are {there}")


def _uses_of_table(plan: Plan, data: Dataset) -> Iterator[tuple[Known, str]]:
    """What the names in some columns must be, and these columns."""
    materials, segments = material_names(data), segment_names(data)
    activities, projects = names_in(data, "activities", "activity"), names_in(data, "projects", "project")
    producers = producer_names(data)
    countries = country_names(data, plan.home)
    anywhere = countries.and_(*REGIONS) if data.rows("countries") else Known(frozenset(), "")
    hazards, events = names_in(data, "hazards", "hazard"), names_in(data, "policy_events", "event")
    yield (
        materials,
        "yields.material demand.material substitution.material prices.material stock.material offers.material "
        "loss_functions.material hazard_profiles.material hazard_prices.material price_gaps.material market_quotes.material "
        "users_stock.material purchase_ceilings.material stock_origins.material commitments.floor_material "
        "packages.floor_material observed_profiles.materials listed_minerals.materials "
        "published_requirements.materials materials.qualified_of qualifications.material end_uses.material "
        "price_responses.material",
    )
    yield (
        materials.and_("*"),
        "tiers.material adaptation.material surges.material hazards.materials origin_rules.materials",
    )
    yield segments, "tiers.segment substitution.segment surges.segment materials.qualified_users"
    yield names_in(data, "surges", "surge"), "hazards.surge"
    yield segments.and_("*"), "loss_functions.segment adaptation.segment users_stock.segment"
    yield activities, "capacities.activity"
    yield producers, "yields.producer feed_origins.producer commitments.producer"
    yield producers.and_("outside"), "offers.source_producer"
    yield producers.and_("*"), "qualifications.producer"
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


@dataclass(frozen=True)
class Forms:
    """Qualified forms of materials that a plan has beside the materials themselves."""

    base: Mapping[str, str]
    """Form -> the material of which it is the form."""
    asked: Mapping[tuple[str, str], str]
    """(material, segment) of a row of `demand` -> the form that the segment asks for."""

    def of(self, material: str) -> str:
        """The material whose figures count for a material: of a form that of which it is one."""
        return self.base.get(material, material)

    def demand(self, material: str, segment: str) -> tuple[str, str]:
        """The demand that a row of `demand` counts to."""
        return self.asked.get((material, segment), material), segment


def qualified_forms(plan: Plan, data: Dataset) -> Forms:
    """The forms of a plan; of a material that it does not have there is none."""
    chosen = set(select_materials(plan, data))
    rows = [row for row in data.rows("materials") if row.qualified_of in chosen and row.material in chosen]
    asked = {(row.qualified_of, segment): row.material for row in rows for segment in row.qualified_users.split()}
    return Forms({row.material: row.qualified_of for row in rows}, asked)


def with_feeds(materials: Iterable[str], data: Dataset) -> list[str]:
    """Materials with all that their producers use and make, over any number of steps."""
    found = list(dict.fromkeys(materials))
    touched, makers = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for row in data.rows("yields"):
        touched[row.producer].append(row.material)
        makers[row.material] += [row.producer] if row.yield_t_per_t > 0 else []
    for material in found:  # it grows
        found += dict.fromkeys(m for maker in makers[material] for m in touched[maker] if m not in found)
    return found


def select_materials(plan: Plan, data: Dataset) -> list[str]:
    """Materials of the plan, in the order of the table."""
    rows = data.rows("materials")
    made = {row.material for row in data.rows("yields") if row.yield_t_per_t > 0}
    known = [
        row.material
        for row in rows
        if row.qualified_of is None or row.material in made or row.material in plan.materials
    ]
    return known if "*" in plan.materials else [name for name in known if name in plan.materials]
