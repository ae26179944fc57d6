"""What a plan may sign: projects, packages with the plan's menu of floors, market-wide floors."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .dataset import Dataset
from .instance import (
    MUSD_PER_T,
    Bools,
    Calendar,
    Floats,
    Floor,
    Instrument,
    MarketFloor,
    Package,
    Project,
)
from .plan import FloorMenu, Plan


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
                name=row.project, producer=first + n, capex=0.0 if row.committed else row.capex_musd,
                lead=calendar.lasting(row.lead_yr), life=life, ramp=ramp, hurdle=row.hurdle_rate,
                earliest=max(0, row.earliest_signing - calendar.first_year) * calendar.per_year,
                additional=row.additional, committed=row.committed,
                supportable=plan.instruments.projects and ("*" in wanted or row.project in wanted),
                needs=tuple(index[name] for name in row.needs.split() if name in index),
                excludes=tuple(index[name] for name in row.excludes.split() if name in index),
            )
        )  # fmt: skip
    return tuple(projects)


NO_INSTRUMENT = Instrument("none", "none", 0.0, 0.0, 0.0, 0.0, 0.0, False)


def build_packages(
    plan: Plan,
    data: Dataset,
    materials: Mapping[str, int],
    producers: Mapping[str, int],
    first: int,
    calendar: Calendar,
) -> tuple[Package, ...]:
    """Rows of the table, each also with every project floor of the plan's menu where it has none of its own."""
    instruments = {
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
    chosen = plan.instruments.packages
    packages = [Package("none", None, NO_INSTRUMENT, 0.0, 0.0, 0.0, None)]
    for row in data.rows("packages"):
        absent = row.project is not None and row.project not in producers
        floored = row.floor_material is not None
        if absent or not ("*" in chosen or row.package in chosen) or row.package == "none":
            continue
        if floored and row.floor_material not in materials:
            continue
        floor = None
        if floored:
            take = math.inf if row.take_t_per_yr is None else row.take_t_per_yr * calendar.step
            floor = Floor(
                materials[row.floor_material], row.floor_usd_per_kg * MUSD_PER_T, row.upside_share,
                row.floor_kind or "contract", calendar.lasting(row.floor_term_yr), take=take,
            )  # fmt: skip
        project = None if row.project is None else producers[row.project] - first
        fee = row.offtake_fee_usd_per_kg * MUSD_PER_T
        packages.append(
            Package(
                row.package, project, instruments[row.instrument], row.offtake_share, fee, row.offtake_fee_share, floor
            )
        )
    for menu in plan.instruments.price_floors:
        if menu.scope != "project" or menu.material not in materials:
            continue
        for level in menu.levels_usd_per_kg:
            floor = Floor(
                materials[menu.material],
                level * MUSD_PER_T,
                menu.upside_share,
                menu.kind,
                calendar.lasting(menu.term_years),
            )
            packages += [
                replace(p, name=f"{p.name}+{_floor_name(plan, menu, level)}", floor=floor,
                        take_share=menu.take_share if menu.kind == "purchase" else None)
                for p in packages if p.floor is None
            ]  # fmt: skip
    return tuple(packages)


def _floor_name(plan: Plan, menu: FloorMenu, level: float) -> str:
    """`ndpr_oxide-floor-110`; with the terms where another menu of the plan has the same level."""
    kind = "" if menu.kind == "contract" else f"{menu.kind}-"
    name = f"{menu.material}-{kind}floor-{level:g}"
    alike = [
        other for other in plan.instruments.price_floors
        if (other.material, other.kind, other.scope) == (menu.material, menu.kind, menu.scope) and level in other.levels_usd_per_kg
    ]  # fmt: skip
    return name if len(alike) == 1 else f"{name}-menu{plan.instruments.price_floors.index(menu) + 1}"


def build_market_floors(
    plan: Plan, materials: Mapping[str, int], home: Bools, allied: Bools, yields: Floats,
    in_force: Sequence[tuple[Floor, ...]], calendar: Calendar,
) -> tuple[MarketFloor, ...]:  # fmt: skip
    """The market-wide floors of the plan's menu, with the producers whose output each tops up.

    A contract floor leaves out producers with a floor of their own on the material: nobody is topped up twice.
    """
    floors: list[MarketFloor] = []
    for menu in plan.instruments.price_floors:
        if menu.scope != "market" or menu.material not in materials:
            continue
        i = materials[menu.material]
        group = home if menu.kind == "border" or menu.eligible == "home" else allied
        if menu.kind != "border":
            group = group & np.array([all(f.material != i for f in floors) for floors in in_force], dtype=bool)
        for level in menu.levels_usd_per_kg:
            floor = Floor(
                i, level * MUSD_PER_T, menu.upside_share, menu.kind, calendar.lasting(menu.term_years),
                market=len(floors), begin=0,
            )  # fmt: skip
            name = f"market-{_floor_name(plan, menu, level)}"
            floors.append(MarketFloor(name, floor, group & (yields[:, i] > 0), menu.embedded_content))
    return tuple(floors)
