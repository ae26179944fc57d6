"""What a plan may sign: projects, packages with the plan's menu of floors, market-wide floors."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..core.arrays import Bools, Floats
from ..core.units import MUSD_PER_T
from ..data.dataset import Dataset
from ..schemas.plan import Plan
from ..schemas.plan_sections import FloorMenu
from .calendar import Calendar
from .floor import Floor, FloorId
from .instance import Instrument, MarketFloor, Package, Project

CHOSEN = 1e-6
"""Share signed above which a project is supported."""


def build_projects(
    plan: Plan, data: Dataset, rows: Sequence[Any], first: int, calendar: Calendar
) -> tuple[Project, ...]:
    """Projects of the table, ramps laid out over the periods of their life."""
    ramps: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for row in data.rows("ramps"):
        ramps[row.project].append((row.age_yr, row.ramp_share))
    index = {row.project: n for n, row in enumerate(rows)}
    wanted = plan.instruments.project_list
    projects = []
    for n, row in enumerate(rows):
        life = calendar.lasting(row.life_yr)
        profile = sorted(ramps.get(row.project) or ramps.get("*") or [(0, 1.0)])
        ages = np.arange(life) * calendar.step
        ramp = np.array([next((v for age, v in reversed(profile) if age <= a + 1e-9), 0.0) for a in ages], dtype=float)
        projects.append(
            Project(
                name=row.project,
                producer=first + n,
                capex=0.0 if row.committed else row.capex_musd,
                financed=row.financed_share,
                lead=calendar.lasting(row.lead_yr),
                life=life,
                ramp=ramp,
                hurdle=row.hurdle_rate,
                earliest=max(0, row.earliest_signing - calendar.first_year) * calendar.per_year,
                additional=row.additional,
                committed=row.committed,
                supportable=plan.instruments.projects and ("*" in wanted or row.project in wanted),
                needs=tuple(index[name] for name in row.needs.split() if name in index),
                excludes=tuple(index[name] for name in row.excludes.split() if name in index),
            )
        )
    return tuple(projects)


NO_INSTRUMENT = Instrument("none", "none", 0.0, 0.0, 0.0, 0.0, 0.0, False)


def build_instruments(data: Dataset) -> dict[str, Instrument]:
    """Capital instruments of the table, by name and in its order."""
    return {
        row.instrument: Instrument(
            row.instrument,
            row.kind,
            row.score,
            row.max_share_of_capex,
            row.rate,
            row.tenor_yr,
            row.grace_yr,
            row.grant_on_top,
        )
        for row in data.rows("instruments")
    }


def build_packages(
    plan: Plan,
    data: Dataset,
    materials: Mapping[str, int],
    producers: Mapping[str, int],
    first: int,
    calendar: Calendar,
) -> tuple[Package, ...]:
    """Rows of the table, each also with every project floor of the plan's menu where it has none of its own."""
    instruments = build_instruments(data)
    packages = [Package("none", "none", None, NO_INSTRUMENT, 0.0, 0.0, 0.0, None)]
    for row in chosen_packages(plan, data):
        absent = row.project is not None and row.project not in producers
        floored = row.floor_material is not None
        if absent or (floored and row.floor_material not in materials):
            continue
        floor = None
        if floored:
            take = math.inf if row.take_t_per_yr is None else row.take_t_per_yr * calendar.step
            floor = Floor(
                materials[row.floor_material],
                row.floor_usd_per_kg * MUSD_PER_T,
                row.upside_share,
                row.floor_kind or "contract",
                calendar.lasting(row.floor_term_yr),
                take=take,
            )
        project = None if row.project is None else producers[row.project] - first
        fee = row.offtake_fee_usd_per_kg * MUSD_PER_T
        packages.append(
            Package(
                row.package,
                row.package,
                project,
                instruments[row.instrument],
                row.offtake_share,
                fee,
                row.offtake_fee_share,
                floor,
            )
        )
    taken = {"none", *(row.package for row in data.rows("packages"))}
    bare = [package for package in packages if package.floor is None]
    for at, called in floor_names(plan).items():
        menu = plan.instruments.price_floors[at.menu]
        if menu.scope != "project" or menu.material not in materials:
            continue
        floor = Floor(
            materials[menu.material],
            menu.levels_usd_per_kg[at.level] * MUSD_PER_T,
            menu.upside_share,
            menu.kind,
            calendar.lasting(menu.term_years),
            id=at,
        )
        for package in bare:
            name = _package_name(package.row, called, taken)
            taken.add(name)
            share = menu.take_share if menu.kind == "purchase" else None
            packages.append(replace(package, name=name, floor=floor, take_share=share))
    return tuple(packages)


def chosen_packages(plan: Plan, data: Dataset) -> Iterator[Any]:
    """Rows of the table that the plan may use, in the order of the table; `none` is there anyway."""
    chosen = plan.instruments.packages
    return (row for row in data.rows("packages") if ("*" in chosen or row.package in chosen) and row.package != "none")


def _package_name(row: str, floor: str, taken: set[str]) -> str:
    """`grant+ndpr_oxide-floor-110`; with spaces, which no name of a table has, where a package is called so already."""
    name = f"{row}+{floor}"
    return f"{row} + {floor}" if name in taken else name


def floor_names(plan: Plan) -> dict[FloorId, str]:
    """What each floor of the plan's menus is called, in their order: names for printing, no two of which are the same.

    `ndpr_oxide-floor-110`, `market-ndpr_oxide-floor-110`; with the place of the menu where another one has such a level too.
    """
    names: dict[FloorId, str] = {}
    for n, menu in enumerate(plan.instruments.price_floors):
        market, kind = "market-" if menu.scope == "market" else "", "" if menu.kind == "contract" else f"{menu.kind}-"
        for m, level in enumerate(menu.levels_usd_per_kg):
            names[FloorId(n, m)] = f"{market}{menu.material}-{kind}floor-{_level_word(level)}"
    alike = Counter(names.values())
    return {at: name if alike[name] == 1 else f"{name}-menu{at.menu + 1}" for at, name in names.items()}


def _level_word(level: float) -> str:
    """A level as short as it can be told without becoming another one."""
    short = f"{level:g}"
    return short if float(short) == level else repr(float(level))


def level_in(plan: Plan, menu: FloorMenu, at: FloorId) -> FloorId | None:
    """Where a level of another plan's menu stands in this one, whose levels, terms or order may have been changed; None: nowhere.

    A menu is the one in its place where that is the same but for one level; else an equal one wherever it stands; else the one in
    its place, or with its terms. A level is known by its place, and by its value where levels were put in another order, added or
    left out.
    """
    n = _menu_in(plan, menu, at.menu)
    if n is None:
        return None
    levels, before = plan.instruments.price_floors[n].levels_usd_per_kg, menu.levels_usd_per_kg
    if len(levels) == len(before) and set(levels) != set(before):
        return FloorId(n, at.level)
    value = before[at.level]
    return FloorId(n, levels.index(value)) if value in levels else None


def _menu_in(plan: Plan, menu: FloorMenu, place: int) -> int | None:
    """Place in a plan of a menu that stood at a place in another one."""
    menus = plan.instruments.price_floors
    same_terms = [n for n, other in enumerate(menus) if _terms(other) == _terms(menu)]
    if place in same_terms:
        levels, before = menus[place].levels_usd_per_kg, menu.levels_usd_per_kg
        moved = len(set(levels) ^ set(before))
        if len(levels) == len(before) and moved <= 2:
            return place
    equal = [n for n in same_terms if menus[n] == menu]
    if equal:
        return equal[0]
    if place in same_terms or (place < len(menus) and not same_terms and _on(menus[place]) == _on(menu)):
        return place
    return same_terms[0] if len(same_terms) == 1 else None


def _terms(menu: FloorMenu) -> FloorMenu:
    """A menu without its levels."""
    return menu.model_copy(update={"levels_usd_per_kg": ()})


def _on(menu: FloorMenu) -> tuple[str, str, str]:
    return menu.material, menu.kind, menu.scope


def build_market_floors(
    plan: Plan,
    materials: Mapping[str, int],
    home: Bools,
    allied: Bools,
    yields: Floats,
    in_force: Sequence[tuple[Floor, ...]],
    calendar: Calendar,
) -> tuple[MarketFloor, ...]:
    """The market-wide floors of the plan's menu, with the producers whose output each tops up; none that nobody would get.

    A contract floor leaves out producers with a floor of their own on the material: nobody is topped up twice.
    """
    floors: list[MarketFloor] = []
    for at, name in floor_names(plan).items():
        menu = plan.instruments.price_floors[at.menu]
        if menu.scope != "market" or menu.material not in materials:
            continue
        i = materials[menu.material]
        eligible = _covered(menu, i, home, allied, in_force) & (yields[:, i] > 0)
        if not eligible.any():
            continue
        floor = Floor(
            i,
            menu.levels_usd_per_kg[at.level] * MUSD_PER_T,
            menu.upside_share,
            menu.kind,
            calendar.lasting(menu.term_years),
            market=len(floors),
            begin=0,
            id=at,
        )
        floors.append(MarketFloor(name, floor, eligible, menu.embedded_content))
    return tuple(floors)


def _covered(
    menu: FloorMenu, material: int, home: Bools, allied: Bools, in_force: Sequence[tuple[Floor, ...]]
) -> Bools:
    """(J,) producers that a market-wide floor would cover if they make its material."""
    if menu.kind == "border":
        return home
    group = home if menu.eligible == "home" else allied
    free = [all(f.material != material for f in floors) for floors in in_force]
    return np.asarray(group & np.array(free, dtype=bool), dtype=bool)


def impossible(
    plan: Plan,
    data: Dataset,
    materials: Mapping[str, int],
    projects: Sequence[Project],
    yields: Floats,
    home: Bools,
    allied: Bools,
    in_force: Sequence[tuple[Floor, ...]],
) -> Iterator[tuple[str, str]]:
    """(what, why) of floors of the menu and packages of the table that the plan may use and nobody can be given."""
    for at, name in floor_names(plan).items():
        menu = plan.instruments.price_floors[at.menu]
        why = _floor_impossible(plan, menu, materials, projects, yields, home, allied, in_force)
        if why:
            yield f"floor {name}", why
    if plan.instruments.projects:
        for row in chosen_packages(plan, data):
            why = _package_impossible(row, materials, projects, yields)
            if why:
                yield f"package {row.package}", why


def _floor_impossible(
    plan: Plan,
    menu: FloorMenu,
    materials: Mapping[str, int],
    projects: Sequence[Project],
    yields: Floats,
    home: Bools,
    allied: Bools,
    in_force: Sequence[tuple[Floor, ...]],
) -> str:
    """Why no level of a menu can be given to anybody; empty where one can."""
    i = materials.get(menu.material)
    if i is None:
        return f"its material {menu.material} is not in the plan"
    if menu.scope == "project":
        if not plan.instruments.projects:
            return "the plan supports no projects"
        makers = [project for project in projects if yields[project.producer, i] > 0]
        if not makers:
            return f"no project of the plan makes {menu.material}"
        able = any(project.supportable for project in makers)
        return "" if able else f"no project that the plan may support makes {menu.material}"
    makes = yields[:, i] > 0
    where = "at home" if menu.kind == "border" or menu.eligible == "home" else "at home or in allied countries"
    if not ((home if where == "at home" else allied) & makes).any():
        return f"no producer {where} makes {menu.material}"
    if not (_covered(menu, i, home, allied, in_force) & makes).any():
        return f"every producer {where} that makes {menu.material} has a floor of its own on it"
    return ""


def _package_impossible(row: Any, materials: Mapping[str, int], projects: Sequence[Project], yields: Floats) -> str:
    """Why a package of the table can be given to no project; empty where it can."""
    mine = [project for project in projects if row.project in (None, project.name)]
    if not mine:
        return "the plan has no project" if row.project is None else f"its project {row.project} is not in the plan"
    if row.floor_material is not None and row.floor_material not in materials:
        return f"the material of its floor, {row.floor_material}, is not in the plan"
    if row.floor_material is not None:
        makers = [project for project in mine if yields[project.producer, materials[row.floor_material]] > 0]
        if not makers:
            who = "no project of the plan makes" if row.project is None else f"its project {row.project} makes none of"
            return f"{who} {row.floor_material}, which its floor is on"
        mine = makers
    if not any(project.supportable for project in mine):
        return "the plan may support no project that could take it"
    return ""
