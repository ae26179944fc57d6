"""The homes of a joint question, and what their materials and producers are called in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..core.errors import Fault, InputError
from ..schemas.base import key_of
from ..schemas.plan import Plan
from ..schemas.tables import TABLES
from ..schemas.together_section import Together
from .dataset import Dataset

AGREED = (
    "prices",
    "price_states",
    "instruments",
    "deflators",
    "origin_rules",
    "sellers",
    "hazard_profiles",
    "hazard_prices",
)
"""Tables in which homes that plan together have to say the same."""
PROVENANCE = frozenset({"source", "year", "confidence", "note"})


def require_same(table: str, first: str, known: Any, home: str, row: Any, free: frozenset[str] = frozenset()) -> None:
    """Raise InputError where two homes say different things in a row of one key, but for `free` columns and provenance."""
    for name, value in known.model_dump(exclude=set(PROVENANCE | free)).items():
        if getattr(row, name) != value:
            found, expected = (
                str(getattr(row, name)),
                f"{value}, as in the tables of {first}: it is the same for all homes of a plan",
            )
            raise InputError([Fault(f"homes/{home}/{table}.csv", key_of(row), name, found, expected)])


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
    named: dict[str, list[float]] = defaultdict(list)
    for member in members:
        for row in tables[member.home].rows("projects"):
            named[row.project].append(row.capacity_t_per_yr)
    return {project: max(sizes) for project, sizes in named.items() if len(sizes) > 1}


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
        key = TABLES[table].key
        rows: dict[tuple[Any, ...], tuple[str, Any]] = {}
        for home in self.every:
            for row in self.tables[home].rows(table):
                first, known = rows.setdefault(tuple(getattr(row, name) for name in key), (home, row))
                if table in AGREED and known is not row:
                    require_same(table, first, known, home, row)
        return [row for _, row in rows.values()]

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
        """Packages of the joint tables, and what each is called in the homes'. What is for any project stands once."""
        found: dict[str, tuple[Any, str]] = {}
        for home in self.homes:
            for row in self.tables[home].rows("packages"):
                update: dict[str, Any] = {}
                if row.project is not None or row.floor_material is not None:
                    shared = row.project in self.joint
                    update = {"package": row.package if shared else f"{home}.{row.package}"}
                    if row.project is not None:
                        update["project"] = self.called(home, row.project)
                    if row.floor_material is not None:
                        update["floor_material"] = f"{row.project if shared else home}.{row.floor_material}"
                made = row.model_copy(update=update)
                found.setdefault(made.package, (made, row.package))
        return list(found.values())


def said(home: str, /, **update: Any) -> dict[str, Any]:
    """Changes of a row, with the tables that it is from: recipes of estimates do not hold among joint tables."""
    return {**update, "note": f"as in the tables of {home}"}
