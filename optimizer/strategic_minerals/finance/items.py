"""What a plan may choose, as items that a planner can name, and why some of them cannot be chosen.

An item is known by what it is, not by what it is called: a floor by its place in the plan's menus, a package by its row, a project
by its own name. So it stays the same item where its level, or what it costs, is another.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Literal, get_args

from ..instance.floor import FloorId
from ..instance.instance import Instance, Package
from ..instance.instruments import floor_names, level_in
from ..schemas.plan import Plan
from ..schemas.plan_sections import FloorMenu
from .packages import TWIN, Support

Kind = Literal["project", "package", "contract", "offer", "floor"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Identity = tuple[object, ...]
"""What an item is in one plan: its kind, and names of rows and places in menus."""

BUILT_ALONE = "its owner builds it without support"
MOST_REASONS = 3
"""Projects whose reasons are told one by one."""


@dataclass(frozen=True)
class MenuLevel:
    """A level of a menu, known again in a plan whose menus were edited."""

    menu: FloorMenu
    """As it stood in the plan that the item is of."""
    at: FloorId


@dataclass(frozen=True)
class Item:
    """Something that a plan may choose."""

    kind: Kind
    name: str
    """For printing. project: its name, or `project: package`. package: its row, with or without a floor of the plan's menu, whoever
    signs it. contract: the producer. offer: its name. floor: a level of a menu, market-wide or whoever signs it."""
    project: str = ""
    """Projects: the name of its row."""
    package: str = ""
    """Packages, and projects with one package: the row; empty for a project with any."""
    level: MenuLevel | None = None
    """Floors, and projects with a package that has one of the plan's menu."""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def identity(item: Item, plan: Plan) -> Identity:
    """What an item is in a plan. Raises KeyError where the plan has no such level."""
    at = None
    if item.level is not None:
        at = level_in(plan, item.level.menu, item.level.at)
        if at is None:
            raise KeyError(str(item))
    if item.kind == "project":
        return item.kind, item.project, item.package, at
    if item.kind == "package":
        return item.kind, item.package
    return (item.kind, at) if item.kind == "floor" else (item.kind, item.name)


def in_amounts(item: Item, plan: Plan) -> bool:
    """Whether a plan may have any amount of an item: tonnes of offers and contracts, and shares where it supports in part."""
    if item.kind in ("contract", "offer"):
        return True
    market = item.kind == "floor" and item.level is not None and item.level.menu.scope == "market"
    return plan.instruments.partial_support and not market


def items_of(instance: Instance, project: int, package: Package) -> list[Item]:
    """Items that signing a package for a project belongs to: the project, the two together, the package, its floor."""
    plan, name = instance.plan, instance.projects[project].name
    at = None if package.floor is None else package.floor.id
    level = None if at is None else MenuLevel(plan.instruments.price_floors[at.menu], at)
    found = [
        Item("project", name, project=name),
        Item("project", f"{name}: {package.name}", project=name, package=package.row, level=level),
    ]
    if package.row != "none":  # with a floor of the menu, the floor is the item
        found.append(Item("package", package.row, package=package.row))
    return found if level is None else [*found, floor_item(plan, level.at)]


def floor_item(plan: Plan, at: FloorId) -> Item:
    """A floor of the plan's menu as an item."""
    return Item("floor", floor_names(plan)[at], level=MenuLevel(plan.instruments.price_floors[at.menu], at))


def signings(instance: Instance, support: Support) -> dict[Identity, tuple[Item, list[int]]]:
    """Items with the options that have them, in the order of the options; not what an owner builds anyway."""
    found: dict[Identity, tuple[Item, list[int]]] = {}
    known: dict[tuple[int, str], list[tuple[Identity, Item]]] = {}
    for o, option in enumerate(support.options):
        if option.package.name == "none" and support.baseline[option.project]:
            continue
        what = option.project, option.package.name
        if what not in known:
            known[what] = [
                (identity(item, instance.plan), item) for item in items_of(instance, option.project, option.package)
            ]
        for key, item in known[what]:
            found.setdefault(key, (item, []))[1].append(o)
    return found


def market_items(instance: Instance, support: Support) -> dict[Identity, tuple[Item, int]]:
    """Market-wide floors that may be chosen, with their number among those of the support."""
    floors = [(m, market.floor.floor.id) for m, market in enumerate(support.markets)]
    items = [(m, floor_item(instance.plan, at)) for m, at in floors if at is not None]
    return {identity(item, instance.plan): (item, m) for m, item in items}


def refusals(instance: Instance, support: Support) -> dict[Identity, tuple[Item, str]]:
    """Items that cannot be chosen as figures stand, with why: their owners take no such support, or need none.

    What no figure could bring (`Instance.impossible`, no date to sign at) is not among them.
    """
    there = {*signings(instance, support), *market_items(instance, support)}
    packages = {package.name: package for package in instance.packages}
    items: dict[Identity, Item] = {}
    reasons: dict[Identity, dict[str, dict[str, None]]] = defaultdict(dict)
    for (p, name, _), why in support.refused.items():
        for item in items_of(instance, p, packages[name]):
            key = identity(item, instance.plan)
            if key not in there and not (name == "none" and support.baseline[p]):
                items[key] = item
                reasons[key].setdefault(instance.projects[p].name, {})[why] = None
    found = {key: (item, _told(reasons[key])) for key, item in items.items()}
    for project, alone in zip(instance.projects, support.baseline, strict=True):
        item = Item("project", project.name, project=project.name)
        key = identity(item, instance.plan)
        if alone and key not in there:
            found[key] = item, BUILT_ALONE
    dropped = dict(support.dropped)
    for market in instance.market_floors:
        if market.floor.id is not None:
            item = floor_item(instance.plan, market.floor.id)
            key = identity(item, instance.plan)
            if key not in there:
                found[key] = item, dropped[market.name]
    return found


def _told(by_project: dict[str, dict[str, None]]) -> str:
    """Reasons of several projects: one alone where all have it, else each beside its project; `TWIN` where there is no other."""
    counted = {name: [why for why in whys if why != TWIN] or list(whys) for name, whys in by_project.items()}
    different = list(dict.fromkeys(why for whys in counted.values() for why in whys))
    if len(counted) == 1 or len(different) == 1:
        return "; ".join(different)
    named = [f"{name}: {', '.join(whys)}" for name, whys in counted.items()]
    more = f"; {len(named) - MOST_REASONS} more projects (table dropped)" if len(named) > MOST_REASONS else ""
    return "; ".join(named[:MOST_REASONS]) + more


def never(instance: Instance, support: Support) -> list[tuple[str, str]]:
    """(what, why) of floors, packages and projects that cannot be chosen: whatever figures are, or as they stand.

    Left out: projects that their owners build alone or that the plan may not support, and packages that another one stands for.
    """
    found = list(instance.impossible)
    if all(k.row == "none" for k in instance.packages) and not floor_names(instance.plan):
        return found  # a plan that offers nothing refuses nobody
    refused = refusals(instance, support)
    there = {*signings(instance, support), *market_items(instance, support), *refused}
    for item, why in refused.values():
        whole = item.kind in ("floor", "package")
        if (whole or (item.kind == "project" and not item.package)) and why not in (TWIN, BUILT_ALONE):
            found.append((str(item), why))
    told = {what for what, _ in found}
    late = "no project that could have it can be signed in time to produce within the horizon"
    floors = [floor_item(instance.plan, at) for at in floor_names(instance.plan)]
    packages = [Item("package", k.row, package=k.row) for k in instance.packages if k.row != "none"]
    for item in dict.fromkeys([*floors, *packages] if instance.plan.instruments.projects else floors):
        if identity(item, instance.plan) not in there and str(item) not in told:
            found.append((str(item), late))
    dropped = dict(support.dropped)
    for project, alone in zip(instance.projects, support.baseline, strict=True):
        if not alone and project.supportable and ("project", project.name, "", None) not in there:
            found.append((f"project {project.name}", dropped[project.name]))
    return found
