"""Materials that come only inside imported goods: nothing that a plan decides may reach them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from ..core.errors import Fault
from ..data.dataset import Dataset
from ..data.homes import members
from ..schemas.plan import Plan

ALONE = "no material inside imported goods (embedded = true in materials.csv): no stock and no plant can supply it"


def inside_goods_stand_alone(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """What is embedded has foreign sources of its own and no more: no offer, stock, contract, project or plant at home, and no rule
    of the plan; its producers make and use nothing that is not embedded. Then it is a component without decisions, whose loss is
    the same with any plan."""
    inside = {row.material for row in data.rows("materials") if row.embedded}
    if inside:
        yield from _rows(plan, data, inside)
        yield from _plan(plan, inside)


def _rows(plan: Plan, data: Dataset, inside: set[str]) -> Iterator[Fault]:
    for row in data.rows("offers"):
        if row.material in inside:
            yield Fault("offers.csv", row.offer, "material", f"'{row.material}'", ALONE)
    for row in data.rows("stock"):
        if row.material in inside and row.opening_t > 0:
            yield Fault("stock.csv", row.material, "opening_t", f"{row.opening_t:g}", f"0: {ALONE}")
    touched: dict[str, set[str]] = defaultdict(set)
    for row in data.rows("yields"):
        touched[row.producer].add(row.material)
    projects = {row.project for row in data.rows("projects")}
    sources = {row.activity: row for row in data.rows("activities")}
    for producer, materials in touched.items():
        mine = sorted(materials & inside)
        if not mine:
            continue
        if producer in projects:
            yield Fault("yields.csv", f"{producer}/{mine[0]}", "material", f"'{mine[0]}', of a project", ALONE)
        elif materials - inside:
            other = sorted(materials - inside)[0]
            expected = f"'{mine[0]}' and nothing else that is not embedded"
            yield Fault("yields.csv", f"{producer}/{other}", "material", f"'{other}'", expected)
        elif sources[producer].country in members(data, plan.home):
            yield Fault(
                "activities.csv", producer, "country", f"'{sources[producer].country}'", f"a foreign country; {ALONE}"
            )
        elif sources[producer].lot_t_per_yr is not None:
            found = f"{sources[producer].lot_t_per_yr:g}"
            yield Fault("activities.csv", producer, "lot_t_per_yr", found, f"an empty cell; {ALONE}")


def _plan(plan: Plan, inside: set[str]) -> Iterator[Fault]:
    ruled: tuple[tuple[str, tuple[Any, ...]], ...] = (
        ("instruments.price_floors", plan.instruments.price_floors),
        ("service_levels", plan.service_levels),
        ("diversification", plan.diversification),
        ("days_of_cover", plan.days_of_cover),
    )
    for section, rules in ruled:
        for n, rule in enumerate(rules):
            if rule.material in inside:
                yield Fault("plan", "", f"{section}.{n}.material", f"'{rule.material}'", ALONE)
