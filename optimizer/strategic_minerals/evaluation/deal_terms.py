"""The terms of a signed agreement as figures: its owner before anything was agreed, its floor, its capital."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..core.units import MUSD_PER_T
from ..data.dataset import Dataset
from ..data.deflation import restated, restating
from ..instance.floor import Floor
from ..instance.instance import Instance, Instrument, Project
from ..instance.instruments import build_instruments
from ..schemas.plan import Plan
from .deal_value import Deal

CAPITAL = {"debt": "loan", "loan": "loan", "grant": "grant", "equity": "equity"}
"""Last word of a term -> kind of capital."""


def deal_of(plan: Plan, data: Dataset, instance: Instance, terms: Mapping[str, Any], rows: Sequence[Any]) -> Deal | str:
    """The agreement's owner before anything was agreed, and its floor."""
    capex = {row.project: row.capex_musd for row in restated(plan, data).rows("projects")}
    at = {name: j for j, name in enumerate(instance.producers)}
    mine = tuple(at[row.producer] for row in rows)
    projects: dict[int, Project] = {
        p.producer: replace(p, capex=capex[p.name], committed=False) for p in instance.projects if p.producer in mine
    }
    bare = replace(instance, in_force=tuple(() if j in mine else floors for j, floors in enumerate(instance.in_force)))
    floored = {at[row.producer]: row.floor_material for row in rows if row.floor_material}
    for j, material in floored.items():
        if material not in instance.materials or instance.yields[j, instance.materials.index(material)] <= 0:
            return f"{instance.producers[j]} makes no {material} in the plan"
    floors: dict[int, Floor] = {}
    if "floor_price" in terms and floored:
        size = {
            j: float(instance.capacity[j, 0] * instance.yields[j, instance.materials.index(name)])
            for j, name in floored.items()
        }
        for j, name in floored.items():
            floors[j] = _floor(plan, data, instance, terms, rows, instance.materials.index(name), _share(size, j))
    hurdles = [p.hurdle for p in (projects.values() or _makers(instance, floored))]
    return Deal(bare, mine, projects, floors, max(hurdles, default=plan.discount_rate))


def _share(size: Mapping[int, float], j: int) -> float:
    total = sum(size.values())
    return size[j] / total if total > 0 else 1.0


def _makers(instance: Instance, floored: Mapping[int, str]) -> list[Project]:
    """Projects that make what the floors are on: whose hurdle rates stand for an owner who builds nothing."""
    made = [instance.materials.index(name) for name in floored.values()]
    return [p for p in instance.projects if (instance.yields[p.producer, made] > 0).any()]


def _floor(
    plan: Plan, data: Dataset, instance: Instance, terms: Mapping[str, Any], rows: Sequence[Any], i: int, share: float
) -> Floor:
    """The floor as signed, in the plan's money; one with a threshold for the upside above the floor is taken without upside."""
    year, calendar = rows[0].signed_year, instance.calendar
    factor = restating(plan, data, year)
    years = term(terms, "duration", term(terms, "end_year", math.nan) - year)
    firm = term(terms, "firm_quantity", math.inf)
    upside = 0.0 if "upside_threshold" in terms else term(terms, "upside_share", 0.0)
    level = term(terms, "floor_price", math.nan) * MUSD_PER_T * factor
    lasting = calendar.periods if math.isnan(years) else calendar.lasting(years)
    return Floor(i, level, upside, "contract", lasting, take=firm * calendar.step * share)


def term(terms: Mapping[str, Any], name: str, missing: float) -> float:
    return float(terms[name].value) if name in terms else missing


def signed_capital(terms: Mapping[str, Any]) -> dict[str, float]:
    """Million USD signed by kind of capital; amounts in other money are left out."""
    signed = dict.fromkeys(("loan", "grant", "equity"), 0.0)
    for name, row in terms.items():
        kind = CAPITAL.get(name.rpartition("_")[2])
        if kind is not None and row.unit == "million USD":
            signed[kind] += row.value
    return signed


def instruments_by_kind(data: Dataset) -> dict[str, Instrument]:
    """The first instrument of each kind in the table: what capital of that kind is worth to an owner."""
    found: dict[str, Instrument] = {}
    for made in build_instruments(data).values():
        found.setdefault(made.kind, made)
    return found
