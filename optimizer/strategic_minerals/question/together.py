"""One question of several homes: their tables side by side, each home's rows under its own name.

What is common stands once: hazards strike everybody on the same day, a plant that several homes name is built once, and offers of
one name share what their seller has (`sellers`). Whatever belongs to one home is called after it, `JPN.gallium`, and nothing flows
between homes but what their plan moves: stock of pooled materials, and the output of plants that they build together. So doing
nothing costs as much together as separately, but for such plants. The answer is an ordinary plan with ordinary tables."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

from ..core.errors import Fault, InputError, PlanError
from .base import grouped, key_of
from .dataset import Dataset
from .plan import RULES, Plan, Together
from .tables import TABLES

# The homes of a joint question, and what their materials and producers are called in it.
AGREED = "prices price_states instruments deflators origin_rules sellers hazard_profiles hazard_prices".split()
"""Tables in which homes that plan together have to say the same."""
PROVENANCE = ("source", "year", "confidence", "note")


def require_same(table: str, first: str, known: Any, home: str, row: Any, free: Collection[str] = ()) -> None:
    """Raise InputError where two homes say different things in a row of one key, but for `free` columns and provenance."""
    for name, value in known.model_dump(exclude={*PROVENANCE, *free}).items():
        if getattr(row, name) != value:
            expected = f"{value}, as in the tables of {first}: it is the same for all homes of a plan"
            raise InputError([Fault(f"homes/{home}/{table}.csv", key_of(row), name, str(getattr(row, name)), expected)])


@dataclass(frozen=True)
class Taken:
    """What others have taken of what homes share."""

    purchases: Mapping[tuple[str, int], float] = field(default_factory=dict)
    """(seller, fiscal year) -> tonnes."""
    plants: Mapping[str, float] = field(default_factory=dict)
    """Project that several homes name -> tonnes a year of its output."""


def shared_plants(plan: Plan, tables: Mapping[str, Dataset]) -> dict[str, float]:
    """Projects that several members of a plan name -> tonnes a year of the whole plant, which is the largest that one states."""
    members = () if plan.together is None else plan.together.members
    named = grouped((row for member in members for row in tables[member.home].rows("projects")), "project")
    return {project: max(row.capacity_t_per_yr for row in rows) for project, rows in named.items() if len(rows) > 1}


@dataclass(frozen=True)
class Union:
    """Homes that plan together, called the coalition, among all members of the plan."""

    asked: Plan
    together: Together
    tables: Mapping[str, Dataset]
    """By home, of every member."""
    homes: Sequence[str]
    """The coalition, in the order of the members."""
    taken: Taken

    @cached_property
    def every(self) -> dict[str, Any]:
        """All members by home."""
        return {member.home: member for member in self.together.members}

    @cached_property
    def materials(self) -> dict[str, dict[str, Any]]:
        """Home -> its materials -> row."""
        return {home: {row.material: row for row in self.tables[home].rows("materials")} for home in self.every}

    @cached_property
    def projects(self) -> dict[str, dict[str, Any]]:
        """Home -> its projects -> row."""
        return {home: {row.project: row for row in self.tables[home].rows("projects")} for home in self.every}

    @cached_property
    def plants(self) -> dict[str, float]:
        """As `shared_plants`."""
        return shared_plants(self.asked, self.tables)

    @cached_property
    def joint(self) -> dict[str, list[str]]:
        """Projects that several homes of the coalition name, which build them together -> those homes."""
        named = {project: [home for home in self.homes if project in self.projects[home]] for project in self.plants}
        return {project: homes for project, homes in named.items() if len(homes) > 1}

    @cached_property
    def hubs(self) -> dict[str, str]:
        """Material that a plant built together takes or makes, called after it -> what it is."""
        return {
            f"{project}.{material}": material
            for project, homes in self.joint.items()
            for home in homes
            for material in self.makes(home, project)
        }

    @cached_property
    def titles(self) -> dict[str, str]:
        """Names of the homes for people."""
        return {home: home for home in self.every} | {row.home: row.name for row in self.once("homes")}

    def once(self, table: str) -> list[Any]:
        """Rows of all members, one of each key: the first that is found."""
        rows: dict[str, tuple[str, Any]] = {}
        for home in self.every:
            for row in self.tables[home].rows(table):
                first, known = rows.setdefault(key_of(row), (home, row))
                if table in AGREED and known is not row:
                    require_same(table, first, known, home, row)
        return [row for _, row in rows.values()]

    def alike(self, table: str, column: str) -> bool:
        """Whether rows of a table that are for all (`*`) say the same in all homes of the coalition."""
        every = ([row for row in self.tables[home].rows(table) if getattr(row, column) == "*"] for home in self.homes)
        said = [[row.model_dump(exclude={*PROVENANCE}) for row in rows] for rows in every]
        return all(one == said[0] for one in said)

    def countries(self, home: str) -> list[str]:
        """Countries of a home."""
        return next((row.members.split() for row in self.once("homes") if row.home == home), [home])

    def makes(self, home: str, producer: str) -> dict[str, float]:
        """Yields of a producer in a home's tables."""
        return {row.material: row.yield_t_per_t for row in self.tables[home].rows("yields") if row.producer == producer}

    def called(self, home: str, producer: str) -> str:
        """What a producer of a home's tables is called in the joint ones."""
        return producer if producer in self.joint else f"{home}.{producer}"

    def free(self, project: str) -> float:
        """Tonnes a year of a shared plant that the others have left."""
        return max(0.0, self.plants[project] - self.taken.plants.get(project, 0.0))

    def spread(self, name: str) -> list[str]:
        """Materials of the coalition that a name stands for: one of the homes' tables for that of each; any other for itself."""
        own = [f"{home}.{name}" for home in self.homes if name in self.materials[home]]
        known = any(name in names for names in self.materials.values())
        return [*own, *(hub for hub, of in self.hubs.items() if of == name)] if known else [name]

    def deals_in(self, name: str) -> bool:
        """Whether a home wants a material or has anybody who makes, takes or sells it; True for what is no home's."""
        home = name.partition(".")[0]
        return home not in self.every or name.partition(".")[2] in self._known[home]

    @cached_property
    def _known(self) -> dict[str, set[str]]:
        """Home -> materials that its users want, producers of its own make or take, or that its reserve buys or has."""
        found = {}
        for home in self.every:
            rows = [row for table in ("demand", "offers", "stock") for row in self.tables[home].rows(table)]
            rows += [row for row in self.tables[home].rows("yields") if row.producer not in self.joint]
            found[home] = {row.material for row in rows}
        return found

    def concerns(self, name: str) -> bool:
        """Whether a rule on a name may be about the coalition: not where it is called after another member."""
        home = name.partition(".")[0]
        return home not in self.every or home in self.homes

    def listed(self, names: str) -> str:
        """Names in one text, spread."""
        return " ".join(each for name in names.split() if self.concerns(name) for each in self.spread(name))

    @cached_property
    def ordered(self) -> list[str]:
        """Joint names of the materials of all members, those of one kind together."""
        kinds = list(dict.fromkeys(name for names in self.materials.values() for name in names))
        found = []
        for kind in kinds:
            found += [hub for hub, of in self.hubs.items() if of == kind]
            found += [f"{home}.{kind}" for home in self.every if kind in self.materials[home]]
        return found

    def kind(self, name: str) -> str:
        """What a material of the joint tables is in those of the homes."""
        return self.hubs.get(name) or name.partition(".")[2]

    @cached_property
    def packages(self) -> list[tuple[Any, str]]:
        """Packages of the joint tables, and what each is called in the homes'. What is for any project is there once."""
        found: dict[str, tuple[Any, str]] = {}
        for home in self.homes:
            for row in self.tables[home].rows("packages"):
                update: dict[str, Any] = {}
                around = row.project if row.project in self.joint else home
                if row.project is not None:
                    update["project"] = self.called(home, row.project)
                if row.floor_material is not None:
                    update["floor_material"] = f"{around}.{row.floor_material}"
                if update and around == home:
                    update["package"] = f"{home}.{row.package}"
                made = row.model_copy(update=update)
                first, _ = found.setdefault(made.package, (made, row.package))
                if not update:
                    require_same("packages", self.homes[0], first, home, made)
        return list(found.values())


def with_note(home: str, /, **update: Any) -> dict[str, Any]:
    """Changes of a row, with the tables that it is from: recipes of estimates do not hold among joint tables."""
    return {**update, "note": f"as in the tables of {home}"}


# Projects of a joint question: those of one home, and plants that several build together.
NO_PLANT = 1e-6
"""Tonnes a year that are no plant."""
CAPITAL = ("capex_musd", "capex_musd_low", "capex_musd_high")
Rows = dict[str, list[Any]]


def add_projects(u: Union, found: Rows) -> None:
    """Projects, and the yields, feed and ramps of projects and of sources."""
    for home in u.homes:
        lost = {p for p in u.projects[home] if p in u.plants and u.free(p) < NO_PLANT}
        excluded = {*u.joint, *lost}
        found["projects"] += [_project(u, home, row) for p, row in u.projects[home].items() if p not in excluded]
        for table, column in (("yields", "producer"), ("feed_origins", "producer"), ("ramps", "project")):
            for row in u.tables[home].rows(table):
                name = getattr(row, column)
                if name == "*":
                    every = ["*"] * (home == u.homes[0])
                    if not u.alike(table, column):  # of this home alone, written out for its projects
                        without = set(u.projects[home]) - lost - {r.project for r in u.tables[home].rows(table)}
                        mine = [p for p in u.projects[home] if p in without and u.joint.get(p, [home])[0] == home]
                        every = [u.called(home, p) for p in mine]
                    found[table] += [row.model_copy(update={column: one}) for one in every]
                elif name not in excluded:
                    own = {column: f"{home}.{name}"}
                    own |= {"material": f"{home}.{row.material}"} if table == "yields" else {}
                    found[table].append(row.model_copy(update=with_note(home, **own)))
        for row in u.tables[home].rows("qualifications"):
            own = {"material": f"{home}.{row.material}"}
            if row.producer in u.plants and u.free(row.producer) < NO_PLANT:
                continue
            if row.producer in u.joint:  # who qualifies is the hand-over to the home
                own["producer"] = f"{row.producer}.{u.materials[home][row.material].qualified_of}.to.{home}"
            elif row.producer != "*":
                own["producer"] = f"{home}.{row.producer}"
            found["qualifications"].append(row.model_copy(update=with_note(home, **own)))
    for project, homes in u.joint.items():
        if u.free(project) >= NO_PLANT:
            _add_plant(u, found, project, homes)


def _project(u: Union, home: str, row: Any) -> Any:
    """A project of one home; of a plant that others have taken a part of, what is left for it."""
    own = with_note(home, project=f"{home}.{row.project}", name=f"{row.name} (for {u.titles[home]})")
    for column in ("needs", "excludes"):
        own[column] = " ".join(u.called(home, name) for name in getattr(row, column).split())
    if row.project in u.plants:
        own |= _part(row, min(row.capacity_t_per_yr, u.free(row.project)))
    return row.model_copy(update=own)


def _part(row: Any, tonnes: float) -> dict[str, Any]:
    """Capacity and capital cost of a part of a plant."""
    costs = {name: getattr(row, name) for name in CAPITAL}
    scaled = {name: cost if cost is None else cost * tonnes / row.capacity_t_per_yr for name, cost in costs.items()}
    return {"capacity_t_per_yr": tonnes, **scaled}


def _add_plant(u: Union, found: Rows, project: str, homes: Sequence[str]) -> None:
    """A plant that homes build together, and what each of them gives it and draws from it."""
    rows = {home: u.projects[home][project] for home in homes}
    whole = max(rows.values(), key=lambda row: row.capacity_t_per_yr)
    tonnes = u.free(project)
    own = {
        "kappa": max(row.kappa for row in rows.values()),
        "committed": any(row.committed for row in rows.values()),
        "note": f"one plant for {', '.join(homes)}",
        **_part(whole, tonnes),
    }
    for column in ("needs", "excludes"):
        named = [u.called(home, name) for home, row in rows.items() for name in getattr(row, column).split()]
        own[column] = " ".join(dict.fromkeys(named))
    found["projects"].append(whole.model_copy(update=own))
    makes = {m: y for home in homes for m, y in u.makes(home, project).items()}
    for m, y in makes.items():
        _put(found, "yields", whole, producer=project, material=f"{project}.{m}", yield_t_per_t=y)
    feeds = (row for home in homes for row in u.tables[home].rows("feed_origins") if row.producer == project)
    found["feed_origins"] += islice(feeds, 1)
    ramps = {row.age_yr: row for home in homes for row in u.tables[home].rows("ramps") if row.project == project}
    found["ramps"] += ramps.values()
    for home in homes:
        for m, y in makes.items():
            if m in u.materials[home] and u.deals_in(f"{home}.{m}"):
                _hand_over(u, found, whole, home, m, tonnes * y)


def _hand_over(u: Union, found: Rows, plant: Any, home: str, material: str, tonnes: float) -> None:
    """What a plant gives to a home, or takes from it where the tonnes a year are below 0, of one material."""
    way, project = "to" if tonnes >= 0 else "from", plant.project
    name = f"{project}.{material}.{way}.{home}"
    ends = [f"{project}.{material}", f"{home}.{material}"]
    _put(
        found,
        "activities",
        plant,
        activity=name,
        name=f"{u.materials[home][material].name} {way} {u.titles[home]}, {plant.name}",
        country=u.countries(home)[0],
        stage="distribution",
        note="what a plant built together gives to a home or takes from it",
    )
    first = u.asked.horizon.first_year
    _put(found, "capacities", plant, activity=name, from_year=first, capacity_t_per_yr=abs(tonnes))
    _put(found, "feed_origins", plant, producer=name, origins="modelled")
    for end, y in zip(ends if tonnes > 0 else reversed(ends), (-1.0, 1.0), strict=True):
        _put(found, "yields", plant, producer=name, material=end, yield_t_per_t=y)


def _put(found: Rows, table: str, plant: Any, **cells: Any) -> None:
    """Add a row that is about a plant, and from where that is."""
    cells |= {"source": plant.source, "year": plant.year, "confidence": plant.confidence}
    found[table].append(TABLES[table].model_validate(cells))


# The plan of homes that plan together: rules for each of them, their part of the money.
ALL = "ALL"
"""Home of a joint plan: the union of its members."""
LOSSES = "own"
"""Loss function of a joint plan: of every home its own."""
MONEY = ("appropriation_musd", "carried_in_musd", "total_musd", "liability_cap_musd", "emergency_musd")
"""Fields of a budget that members have shares of."""


def plan_of(u: Union) -> Plan:
    """An ordinary plan, whose names are those of the joint tables."""
    known = u.asked.model_dump(mode="json", exclude_none=True)
    known.pop("together", None)
    names = {m for own in u.materials.values() for m in own} if "*" in u.asked.materials else {*u.asked.materials}
    chosen = {each for name in names if u.concerns(name) for each in u.spread(name) if u.deals_in(each)}
    ordered = [name for name in u.ordered if name in chosen]
    if not ordered and not chosen - {*u.ordered}:
        found = f"nothing that {' and '.join(u.homes)} want, make or sell"
        expected = "materials of every member; leave the home out of [together] otherwise"
        raise PlanError([Fault("plan", "", "materials", found, expected)])
    known |= {"home": ALL, "loss_function": LOSSES, "materials": [*ordered, *sorted(chosen - {*u.ordered})]}
    share = sum(u.every[home].money_share for home in u.homes)
    for name in MONEY:
        amount = known["budget"].get(name)
        if isinstance(amount, dict):
            known["budget"][name] = {year: value * share for year, value in amount.items()}
        elif amount is not None:
            known["budget"][name] = amount * share
    if "loan" in known["budget"]:
        known["budget"]["loan"]["owed_musd"] *= share
    for section in RULES:
        known[section] = [
            {**rule, "material": name}
            for rule in known.get(section, [])
            for name in _each(u, rule["material"])
            if section != "service_levels" or _wants(u, name, rule["segment"])
        ]
    instruments = known["instruments"]
    instruments["price_floors"] = [
        {**menu, "material": name}
        for menu in instruments.get("price_floors", [])
        if u.concerns(menu["material"])
        for name in u.spread(menu["material"])
        if name in chosen or name not in u.ordered
    ]
    supported = _projects(u, u.asked.instruments.project_list)
    instruments |= {"project_list": supported} if supported else {"projects": False, "project_list": ["*"]}
    packages = [each for name in u.asked.instruments.packages for each in _packages(u, name)]
    instruments["packages"] = packages or ["none"]
    known["controls"] = _about(u, known.get("controls", []))
    if rules := known.get("procurement", {}).get("exclusions"):
        known["procurement"]["exclusions"] = _about(u, rules)
    # where no name that is planned is known, any material of the tables: those names are reported as faults, and this adds none
    spared = (ordered or u.ordered or known["materials"])[0]
    for scenario in known.get("scenarios", []):
        # what happens to others alone happens to nobody here: it stays, at its probability, with a cut of nothing
        scenario["events"] = _about(u, scenario["events"]) or [
            {**event, "materials": spared, "cut_share": 0.0, "price_multiplier": 1.0}
            for event in scenario["events"][:1]
        ]
    return Plan.model_validate(known)


def _each(u: Union, name: str) -> list[str]:
    """Materials of homes of the coalition that a rule on one is for; not of plants built together, which nobody uses as such."""
    return [e for e in u.spread(name) if e not in u.hubs and u.deals_in(e)] if u.concerns(name) else []


def _about(u: Union, rules: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rules with materials, each of which stands for that of every home; those about others alone are left out."""
    found = []
    for rule in rules:
        spread = dict(rule)
        if rule.get("materials") is not None:
            spread["materials"] = u.listed(rule["materials"])
        if rule.get("producers"):
            names = rule["producers"].split()
            homes = {name: [home for home in u.homes if u.makes(home, name)] for name in names}
            found_names = [
                u.called(home, name) if homes[name] else name for name in names for home in homes[name] or [""]
            ]
            spread["producers"] = " ".join(dict.fromkeys(found_names))
        if rule.get("cut_shares"):  # what is called after one home comes last and counts
            ordered = sorted(rule["cut_shares"].items(), key=lambda item: "." in item[0])
            spread["cut_shares"] = {
                each: share for name, share in ordered if u.concerns(name) for each in u.spread(name)
            }
        if spread.get("materials") != "":
            found.append(spread)
    return found


def _wants(u: Union, name: str, segment: str) -> bool:
    """Whether a home has demand of a segment; True for a name that nobody has, which is a fault of its own."""
    home, _, material = name.partition(".")
    if home not in u.every:
        return True
    return any((row.material, row.segment) == (material, segment) for row in u.tables[home].rows("demand"))


def _projects(u: Union, names: Sequence[str]) -> list[str]:
    """Projects of the coalition that a list of the plan stands for."""
    found: list[str] = []
    for name in names:
        homes = [home for home in u.homes if name in u.projects[home]]
        known = name == "*" or any(name in own for own in u.projects.values())
        found += list(dict.fromkeys(u.called(home, name) for home in homes)) if homes else []
        found += [name] if name == "*" or (not known and u.concerns(name)) else []
    return found


def _packages(u: Union, name: str) -> list[str]:
    """Packages of the joint tables that one of the homes' stands for."""
    found = list(dict.fromkeys(row.package for row, of in u.packages if of == name))
    others = any(row.package == name for home in u.every for row in u.tables[home].rows("packages"))
    return found or ([] if others else [name])


# The tables of homes that plan together: rows of one home under its name, what all have in common once.
COMMON = ("price_states", "instruments", "deflators", "exchange_rates", "policy_events", "production", "reserves")
"""Tables of which the homes have the same rows."""
OF_MATERIALS = (
    "substitution",
    "stock",
    "stock_origins",
    "demand",
    "users_stock",
    "tiers",
    "adaptation",
    "price_responses",
    "surges",
)
"""Tables with rows of single materials; a row of `*` holds for those of all homes."""
OF_ONE_HOME = "usgs_gdp_rank consumption_t imports_t exports_t primary_t secondary_t net_import_reliance_pct".split()
"""Columns of `minerals` that are a home's own."""
OF_HAZARDS = ("hazard_profiles", "hazard_prices")
POOLED = {"by_need": "struck", "by_share": "calm", "none": "no"}
"""How materials of several homes are pooled, by how a plan shares its stock."""
DISTANT = ("home", "ally", "partner", "other", "covered")
"""Tiers of a country; of homes that put it in different ones the last counts."""


def tables_of(u: Union) -> Rows:
    """Rows of every table that plans read."""
    found: Rows = {name: [] for name in TABLES}
    found["materials"] = [*_materials(u)]
    found["prices"] = [*_prices(u)]
    for table in COMMON:
        found[table] = u.once(table)
    found["minerals"] = [row.model_copy(update=dict.fromkeys(OF_ONE_HOME)) for row in u.once("minerals")]
    found["price_gaps"] = [
        row.model_copy(update={"material": name})
        for row in u.once("price_gaps")
        for name in u.ordered
        if u.kind(name) == row.material
    ]
    found["origin_rules"] = [*_origin_rules(u)]
    for table in OF_MATERIALS:
        found[table] = _of_materials(u, table)
    found["loss_functions"] = [*_losses(u)]
    found["hazards"], struck = _hazards(u)
    for table in OF_HAZARDS:
        found[table] = [
            row.model_copy(update={"material": name})
            for row in u.once(table)
            for name in struck.get(row.hazard, {}).get(row.material, ())
        ]
    _add_sources(u, found)
    add_projects(u, found)
    found["packages"] = [row for row, _ in u.packages]
    found["commitments"] = list(_commitments(u))
    counted = {row.commitment for row in found["commitments"]}
    found["payments_due"] = [
        row.model_copy(update=with_note(home, commitment=f"{home}.{row.commitment}"))
        for home in u.homes
        for row in u.tables[home].rows("payments_due")
        if f"{home}.{row.commitment}" in counted
    ]
    found["purchase_ceilings"] = [
        row.model_copy(update=with_note(home, material=f"{home}.{row.material}"))
        for home in u.homes
        for row in u.tables[home].rows("purchase_ceilings")
    ]
    _add_offers(u, found)
    found["countries"] = [*_countries(u)]
    found["homes"] = [*u.once("homes"), _home(u)]
    return found


def _commitments(u: Union) -> Iterator[Any]:
    """What was signed before, on the producers of each home; what a government of the coalition pays the coalition pays."""
    for home in u.homes:
        for row in u.tables[home].rows("commitments"):
            joint = row.producer in u.joint
            if joint and home != u.joint[row.producer][0]:
                continue  # a plant built together is there once
            own = with_note(home, commitment=f"{home}.{row.commitment}", producer=u.called(home, row.producer))
            if row.floor_material is not None:
                own["floor_material"] = f"{row.producer if joint else home}.{row.floor_material}"
            if row.payer in u.homes:
                own["payer"] = ALL
            yield row.model_copy(update=own)


def _materials(u: Union) -> Iterator[Any]:
    """Materials of all members, also of those outside the coalition: hazards name them."""
    for name in u.ordered:
        kind, plant = u.kind(name), name in u.hubs
        home = None if plant else name.partition(".")[0]
        row = next(own[kind] for at, own in u.materials.items() if kind in own and home in (None, at))
        title = f"of {name.removesuffix(f'.{kind}')}" if home is None else u.titles[home]
        several = sum(kind in u.materials[other] for other in u.homes) > 1
        update = with_note(
            home or "its members",
            material=name,
            name=f"{row.name} ({title})",
            home=home,
            alike=kind,
            qualified_of=None if row.qualified_of is None else f"{name.removesuffix(kind)}{row.qualified_of}",
            pooled=POOLED[u.together.joint_stock]
            if several and not (plant or row.embedded or row.qualified_of)
            else "no",
            freight_usd_per_kg=u.together.freight_usd_per_kg,
        )
        yield row.model_copy(update=update)


def _prices(u: Union) -> Iterator[Any]:
    by_kind = grouped(u.once("prices"), "material")
    for name in u.ordered:
        for row in by_kind[u.kind(name)]:
            if row.price_set == u.asked.price_set:
                yield row.model_copy(update={"material": name, "note": "as in the common tables"})


def _of_materials(u: Union, table: str) -> list[Any]:
    """Rows of the coalition about single materials, under the names of their homes; what a home says of all of its materials alone
    is written out for each."""
    alike = u.alike(table, "material")
    found = [row for row in u.tables[u.homes[0]].rows(table) if row.material == "*" and alike]
    for home in u.homes:
        rows = u.tables[home].rows(table)
        own = {(row.material, getattr(row, "segment", ""), getattr(row, "surge", "")) for row in rows}
        wanted = [(row.material, row.segment) for row in u.tables[home].rows("demand")]
        for row in rows:
            names = [row.material] if row.material in u.materials[home] else []
            if row.material == "*" and not alike:
                of, surge = row.segment, getattr(row, "surge", "")
                names = list(dict.fromkeys(m for m, segment in wanted if of in (segment, "*")))
                names = [m for m in names if not {(m, of, surge), (m, "*", surge)} & own]
            found += [row.model_copy(update=with_note(home, material=f"{home}.{name}")) for name in names]
    return found


def _origin_rules(u: Union) -> Iterator[Any]:
    """Rules of origin, each material of which stands for that of every member; whom a rule binds is asked of each."""
    for row in u.once("origin_rules"):
        kinds = row.materials.split()
        names = ["*"] * ("*" in kinds) + [name for kind in kinds for name in u.ordered if u.kind(name) == kind]
        if names or not row.materials:
            yield row.model_copy(update={"materials": " ".join(names)})


def _losses(u: Union) -> Iterator[Any]:
    for home in u.homes:
        wanted = u.every[home].loss_function or u.asked.loss_function
        rows = [row for row in u.tables[home].rows("loss_functions") if row.loss_function == wanted]
        if not rows:
            known = sorted({row.loss_function for row in u.tables[home].rows("loss_functions")})
            expected = f"a loss function of the tables of {home}: {', '.join(known)}"
            raise InputError([Fault("plan", "", "together.members", f"'{wanted}'", expected)])
        for row in rows:
            yield row.model_copy(update=with_note(home, loss_function=LOSSES, material=f"{home}.{row.material}"))


def _hazards(u: Union) -> tuple[list[Any], dict[str, dict[str, list[str]]]]:
    """Hazards of all members, and hazard -> material of the homes' tables -> materials of the joint ones that it strikes.

    Those of members outside the coalition stay, so that what is drawn does not depend on who plans together."""
    struck: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    known: dict[str, list[tuple[str, Any]]] = defaultdict(list)
    for home in u.every:
        for row in u.tables[home].rows("hazards"):
            known[row.hazard].append((home, row))
            for name in u.materials[home] if "*" in row.materials.split() else row.materials.split():
                if name in u.materials[home]:
                    struck[row.hazard][name].append(f"{home}.{name}")
    for by_kind in struck.values():
        for kind, names in by_kind.items():
            names += [hub for hub, of in u.hubs.items() if of == kind]
    found = []
    for hazard, rows in known.items():
        first = rows[0][1]
        # only who limits exports differs by who buys
        free = {"materials", "countries"} if first.kind == "ally_limit" else {"materials"}
        for home, row in rows[1:]:
            require_same("hazards", rows[0][0], first, home, row, free)
        countries = dict.fromkeys(code for _, row in rows for code in row.countries.split())
        everything = len(rows) == len(u.every) and "*" in first.materials.split()
        materials = "*" if everything else " ".join(name for names in struck[hazard].values() for name in names)
        if materials:
            found.append(first.model_copy(update={"countries": " ".join(countries), "materials": materials}))
    return found, struck


def _add_sources(u: Union, found: Rows) -> None:
    for home in u.homes:
        for row in u.tables[home].rows("activities"):
            own = with_note(home, activity=f"{home}.{row.activity}", name=f"{row.name} (for {u.titles[home]})")
            found["activities"].append(row.model_copy(update=own))
        for row in u.tables[home].rows("capacities"):
            found["capacities"].append(row.model_copy(update=with_note(home, activity=f"{home}.{row.activity}")))


def _add_offers(u: Union, found: Rows) -> None:
    """Offers of the coalition, and what their sellers have left for it."""
    sold = u.once("sellers")
    shared = {row.seller for row in sold}
    made = {row.activity for row in found["activities"]} | {row.project for row in found["projects"]}
    for home in u.homes:
        for row in u.tables[home].rows("offers"):
            source = row.source_producer
            if source in u.joint:
                source = f"{source}.{row.material}.to.{home}"
            elif source != "outside":
                source = f"{home}.{source}"
            if row.material in u.materials[home] and source in {"outside", *made}:
                own = {"offer": f"{home}.{row.offer}", "material": f"{home}.{row.material}", "source_producer": source}
                seller = next((one for one in (row.seller, row.offer) if one in shared), None)
                found["offers"].append(row.model_copy(update=with_note(home, **own, seller=seller)))
    first, past = u.asked.horizon.first_year, u.asked.horizon.first_year + u.asked.horizon.years
    for name in sorted(shared):
        series = sorted((row for row in sold if row.seller == name), key=lambda row: row.from_year)
        last = -1.0
        for year in range(first, past + 1):  # plans tell what they buy within their years; beyond nothing is taken
            row = next((row for row in reversed(series) if row.from_year <= year), series[0])
            left = max(0.0, row.depth_t_per_yr - u.taken.purchases.get((name, year), 0.0))
            if left != last:
                update = {"from_year": year, "depth_t_per_yr": left, "note": "what others have left"}
                found["sellers"].append(row.model_copy(update=update))
                last = left


def _countries(u: Union) -> Iterator[Any]:
    inside = {country for home in u.every for country in u.countries(home)}
    rows = (row for home in u.every for row in u.tables[home].rows("countries"))
    for country, several in grouped(rows, "country").items():
        tier = "home" if country in inside else max((row.tier for row in several), key=DISTANT.index)
        beside = dict.fromkeys(name for row in several for name in row.land_neighbours.split())
        yield several[0].model_copy(update={"tier": tier, "land_neighbours": " ".join(beside)})


def _home(u: Union) -> Any:
    """The union of all members, as a home."""
    inside = dict.fromkeys(country for home in u.every for country in u.countries(home))
    return TABLES["homes"].model_validate(
        {
            "home": ALL,
            "name": " and ".join(u.titles[home] for home in u.homes),
            "members": " ".join(inside),
            "currency": "USD",
            "fiscal_year_month": 1,
            "source": "; ".join(dict.fromkeys(row.source for row in u.once("homes") if row.home in u.homes)),
            "note": "the homes of a joint plan; their fiscal years are taken to begin together, in January",
        }
    )


def joint_question(
    plan: Plan, tables: Mapping[str, Dataset], coalition: Sequence[str] | None = None, taken: Taken | None = None
) -> tuple[Plan, Dataset]:
    """The question of some of the homes of a plan, as an ordinary plan with ordinary tables.

    plan: has a section `together`; its materials and projects are called as in the tables of each home, or after one home.
    tables: by home, of every member. coalition: members that plan together, in any order; None: all. taken: what the others have
    bought and built already; None: nothing.

    Raises PlanError for a plan without that section and homes that are no members, InputError for hazards that differ by home."""
    if plan.together is None:
        raise PlanError([Fault("plan", "", "together", "nothing", "a section [together] with the homes of the plan")])
    homes = [member.home for member in plan.together.members]
    if strangers := sorted({*(coalition or ())} - {*homes}):
        raise PlanError([Fault("plan", "", "together", ", ".join(strangers), f"members: {', '.join(homes)}")])
    chosen = homes if coalition is None else [home for home in homes if home in coalition]
    union = Union(plan, plan.together, tables, chosen, taken or Taken())
    rows = {name: tuple(rows) for name, rows in sorted(tables_of(union).items()) if rows}
    return plan_of(union), Dataset(rows, "together")
