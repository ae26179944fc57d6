"""Projects of a joint question: those of one home, and plants that several build together.

A plant that several homes name is one plant, as large as the largest that one of them states. Built together it takes and makes
materials of its own, and an activity for each home hands it what it draws or takes what it gives: no other tonne passes from home
to home by it. A home that builds its part without the others has what they have left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..schemas.tables import TABLES
from .together_homes import Union, said

NO_PLANT = 1e-6
"""Tonnes a year that are no plant."""
CAPITAL = ("capex_musd", "capex_musd_low", "capex_musd_high")
Rows = dict[str, list[Any]]


def add_projects(u: Union, found: Rows) -> None:
    """Projects, and the yields, feed and ramps of projects and of sources."""
    for home in u.homes:
        lost = {p for p in u.projects[home] if p in u.plants and u.free(p) < NO_PLANT}
        apart = {*u.joint, *lost}
        found["projects"] += [_project(u, home, row) for p, row in u.projects[home].items() if p not in apart]
        for table, column in (("yields", "producer"), ("feed_origins", "producer"), ("ramps", "project")):
            for row in u.tables[home].rows(table):
                name = getattr(row, column)
                if name == "*" and home == u.homes[0]:
                    found[table].append(row)
                elif name != "*" and name not in apart:
                    own = {column: f"{home}.{name}"}
                    own |= {"material": f"{home}.{row.material}"} if table == "yields" else {}
                    found[table].append(row.model_copy(update=said(home, **own)))
    for project, homes in u.joint.items():
        if u.free(project) >= NO_PLANT:
            _add_plant(u, found, project, homes)


def _project(u: Union, home: str, row: Any) -> Any:
    """A project of one home; of a plant that others have taken a part of, what is left for it."""
    own = said(home, project=f"{home}.{row.project}", name=f"{row.name} (for {u.titles[home]})")
    for column in ("needs", "excludes"):
        own[column] = " ".join(u.called(home, name) for name in getattr(row, column).split())
    if row.floor_material:
        own["floor_material"] = f"{home}.{row.floor_material}"
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
    rows = [u.projects[home][project] for home in homes]
    whole = max(rows, key=lambda row: row.capacity_t_per_yr)
    tonnes = u.free(project)
    own = {
        "kappa": max(row.kappa for row in rows),
        "committed": any(row.committed for row in rows),
        "note": f"one plant for {', '.join(homes)}",
        **_part(whole, tonnes),
    }
    for column in ("needs", "excludes"):
        named = [u.called(home, p) for home, row in zip(homes, rows, strict=True) for p in getattr(row, column).split()]
        own[column] = " ".join(dict.fromkeys(named))
    if whole.floor_material:
        own["floor_material"] = f"{project}.{whole.floor_material}"
    found["projects"].append(whole.model_copy(update=own))
    makes = {m: y for home in homes for m, y in u.makes(home, project).items()}
    found["yields"] += [_yield(whole, project, f"{project}.{m}", y) for m, y in makes.items()]
    found["feed_origins"] += [
        row for home in homes for row in u.tables[home].rows("feed_origins") if row.producer == project
    ][:1]
    ramps = {row.age_yr: row for home in homes for row in u.tables[home].rows("ramps") if row.project == project}
    found["ramps"] += ramps.values()
    for home in homes:
        for m, y in makes.items():
            if m in u.materials[home] and u.deals_in(f"{home}.{m}"):
                for table, row in _handed(u, whole, home, m, y, tonnes):
                    found[table].append(row)


def _handed(u: Union, plant: Any, home: str, material: str, y: float, tonnes: float) -> Iterator[tuple[str, Any]]:
    """(table, row) of what a plant gives to a home, or takes from it, of one material."""
    way, project = "to" if y > 0 else "from", plant.project
    name = f"{project}.{material}.{way}.{home}"
    ends = [f"{project}.{material}", f"{home}.{material}"]
    source, target = ends if y > 0 else reversed(ends)
    said_by = {"source": plant.source, "year": plant.year, "confidence": plant.confidence}
    yield (
        "activities",
        TABLES["activities"].model_validate(
            {
                "activity": name,
                "name": f"{u.materials[home][material].name} {way} {u.titles[home]}, {plant.name}",
                "country": u.countries(home)[0],
                "stage": "distribution",
                "note": "what a plant built together gives to a home or takes from it",
                **said_by,
            }
        ),
    )
    capacity = {
        "activity": name,
        "from_year": u.asked.horizon.first_year,
        "capacity_t_per_yr": tonnes * abs(y),
        **said_by,
    }
    yield "capacities", TABLES["capacities"].model_validate(capacity)
    yield "feed_origins", TABLES["feed_origins"].model_validate({"producer": name, "origins": "modelled", **said_by})
    yield "yields", _yield(plant, name, source, -1.0)
    yield "yields", _yield(plant, name, target, 1.0)


def _yield(plant: Any, producer: str, material: str, y: float) -> Any:
    said_by = {"source": plant.source, "year": plant.year, "confidence": plant.confidence}
    return TABLES["yields"].model_validate({"producer": producer, "material": material, "yield_t_per_t": y, **said_by})
