"""What could flip an item of a plan: figures of the plan and its tables, each with the whole range in which it makes sense."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.stats import MUSD_PER_T
from ..matrix.problem import Problem
from ..question.base import key_of
from ..world.instance import level_in
from ..world.packages import Item, MenuLevel

MOST_TIMES = 4.0
"""Times its value up to which a cost is tried, and times as often for hazards."""
MOST_LOSS = 10.0
"""Times its value up to which what going short costs is tried: published losses differ by more."""
SHARE_AROUND = 1.0
"""How far a share is tried on both sides of its value."""
LEVEL_TIMES = (0.1, 3.0)
"""Times its value between which the level of a floor is tried."""
PREMIUM = ("premium", "premium_share", "share")
"""Name of a figure, its column, its unit."""
YEARS_OF_OUTPUT = 10.0
"""Years of output whose worth is the most tried of a capex that is 0."""


@dataclass(frozen=True)
class Figure:
    """What is varied: a value, or a factor on several."""

    name: str
    """capex, premium, floor level, fee, hazard rate, loss value."""
    addresses: tuple[str, ...]
    """Fields and cells (`question.names`) that get the value."""
    base: float
    low: float
    high: float
    unit: str
    affects_owners: bool
    """Owners look at it: what they build alone, which packages they take and when plants shut can hang on it."""
    own: bool
    """It acts through the item alone: a plan without the item is worth the same at every value."""
    landmarks: tuple[float, ...] = ()
    """Values at which the item meets its rivals: levels of other floors on the material."""

    def changes(self, value: float) -> dict[str, Any]:
        """Values by address."""
        return dict.fromkeys(self.addresses, value)


def figures_of(problem: Problem, item: Item) -> list[Figure]:
    """What could flip an item: its own figures, then how often hazards strike and what going short costs."""
    own: list[Figure] = []
    if item.kind == "project":
        own = _of_project(problem, item)
    elif item.kind == "contract":
        fee = "fee", "fee_usd_per_kg", "USD/kg"
        own = _cell(problem, "activities", item.name, fee, affects_owners=False, own=True)
    elif item.kind == "offer":
        own = _cell(problem, "offers", item.name, PREMIUM, affects_owners=False, own=False)
    if item.level is not None:
        own += _of_level(problem, item, item.level)
    elif item.package:
        level = ("floor level", "floor_usd_per_kg", "USD/kg")
        own += _cell(problem, "packages", item.package, level, affects_owners=True, own=item.kind == "package")
    return [*own, *_of_hazards(problem), _of_losses(problem)]


def _of_project(problem: Problem, item: Item) -> list[Figure]:
    whole = not item.package  # with another package the project stands where this one is held out
    committed = any(project.committed for project in problem.natural.projects if project.name == item.project)
    capex = [] if committed else [("capex", "capex_musd", "million USD")]  # of committed ones it is sunk
    found: list[Figure] = []
    for cell in (*capex, PREMIUM):
        found += _cell(problem, "projects", item.project, cell, affects_owners=True, own=whole)
    return found


def _cell(
    problem: Problem, table: str, key: str, cell: tuple[str, str, str], *, affects_owners: bool, own: bool
) -> list[Figure]:
    """A cell of one row, where it has a value. cell: name of the figure, its column, its unit."""
    name, column, unit = cell
    row = next((row for row in problem.data.rows(table) if key_of(row) == key), None)
    value = None if row is None else getattr(row, column)
    if value is None:
        return []
    if unit == "share":
        low, high = value - SHARE_AROUND, value + SHARE_AROUND
    elif name == "floor level":
        low, high = (value * times for times in LEVEL_TIMES)
    else:
        low, high = 0.0, MOST_TIMES * value or _worth(problem, key, unit)
    address = f"{table}[{key}].{column}"
    found = Figure(name, (address,), float(value), low, high, unit, affects_owners, own)
    return [found] if high > low else []


def _worth(problem: Problem, producer: str, unit: str) -> float:
    """What a producer's output is worth at base prices: USD a kg of activity, or million USD in `YEARS_OF_OUTPUT`."""
    n = problem.natural
    j = n.producers.index(producer)
    per_tonne = float(n.yields[j].clip(min=0.0) @ n.base_price)
    if unit == "USD/kg":
        return per_tonne / MUSD_PER_T
    return per_tonne * float(n.capacity[j, 0]) / n.calendar.step * YEARS_OF_OUTPUT


def _of_level(problem: Problem, item: Item, level: MenuLevel) -> list[Figure]:
    """The level of a floor of the plan's menu; its landmarks are the other levels on the material."""
    menus = problem.plan.instruments.price_floors
    at = level_in(problem.plan, level.menu, level.at)
    if at is None:
        return []
    value = menus[at.menu].levels_usd_per_kg[at.level]
    rivals = {v for menu in menus if menu.material == menus[at.menu].material for v in menu.levels_usd_per_kg} - {value}
    address = f"instruments.price_floors.{at.menu}.levels_usd_per_kg.{at.level}"
    low, high = (value * times for times in LEVEL_TIMES)
    own, landmarks = item.kind == "floor", tuple(sorted(rivals))
    return [Figure("floor level", (address,), value, low, high, "USD/kg", True, own, landmarks)]


def _of_hazards(problem: Problem) -> list[Figure]:
    """How often everything strikes: rates of the table, and probabilities of listed scenarios, by one factor."""
    plan = problem.plan
    addresses = [
        f"scenarios.{k}.probability *" for k, scenario in enumerate(plan.scenarios) if scenario.probability > 0
    ]
    if plan.sample is not None:
        addresses += [f"hazards[{name}].rate_per_yr *" for name in plan.sample.hazards]
    found = Figure("hazard rate", tuple(addresses), 1.0, 0.0, MOST_TIMES, "times as often", False, False)
    return [found] if addresses else []


def _of_losses(problem: Problem) -> Figure:
    """What going short costs beyond the price, by one factor on the plan's loss function."""
    address = f"loss_functions[{problem.plan.loss_function}/*/*].loss_usd_per_t *"
    return Figure("loss value", (address,), 1.0, 0.0, MOST_LOSS, "times", False, False)
