"""What a plan does in its first fiscal years, as sums of columns: what is bought and sold, whom it supports, what it signs.

Each act is counted from the start to the end of a year, so that what moves from one year to the next is no difference after both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from ..core.arrays import Floats, Ints
from ..finance.packages import Option
from .problem import Problem

FIRST_YEARS = 2
"""Fiscal years that a ministry decides on now: the one that begins, and the one whose budget is written."""

ActKind = Literal["buy", "sell", "support", "offtake", "floor"]
ACT_KINDS: tuple[ActKind, ...] = get_args(ActKind)
UNITS: dict[ActKind, str] = {
    "buy": "t",
    "sell": "t",
    "support": "projects",
    "offtake": "t/yr",
    "floor": "market floors",
}
TRACE = {"t": 1e-3, "t/yr": 1e-3, "projects": 1e-6, "market floors": 1e-6}
"""Amount up to which nothing is done, by unit."""


@dataclass(frozen=True)
class Act:
    """An amount of one thing that is decided before anything has happened, up to the end of a fiscal year."""

    kind: ActKind
    item: str
    """Code of the material, project or producer; name of the market floor."""
    through: int
    """Fiscal year to whose end it counts."""
    unit: str
    columns: Ints
    """Of the whole model."""
    factors: Floats
    money: Floats
    """(columns,) what a unit of each takes from the budgets of the years up to then [million USD]."""
    later: Floats
    """(columns,) the same of all years after."""

    @property
    def name(self) -> tuple[str, str, int]:
        """What it is in any sample of the same plan."""
        return self.kind, self.item, self.through

    def of(self, x: Floats) -> float:
        """Its amount at a point."""
        return float(self.factors @ x[self.columns])

    def spent(self, x: Floats) -> tuple[float, float]:
        """(by the end of its year, later) budget that it takes at a point [million USD]."""
        return float(self.money @ x[self.columns]), float(self.later @ x[self.columns])


def acts(problem: Problem, years: int = FIRST_YEARS) -> tuple[Act, ...]:
    """Every act that a plan can choose in its first fiscal years, for each year's end, in the order of the tables."""
    calendar = problem.natural.calendar
    months = calendar.per_year
    budget = _budget_coefficients(problem)
    found = []
    for year in range(min(years, len(calendar.planned_years))):
        for kind, item, columns, factors in _counted(problem, (year + 1) * months):
            money = budget[: year + 1, columns].sum(axis=0)
            later = budget[year + 1 :, columns].sum(axis=0)
            through = calendar.years[year]
            found.append(Act(kind, item, through, UNITS[kind], columns, factors, money, later))
    order = {kind: n for n, kind in enumerate(ACT_KINDS)}
    return tuple(sorted(found, key=lambda act: order[act.kind]))


def _counted(problem: Problem, end: int) -> Iterator[tuple[ActKind, str, Ints, Floats]]:
    """(kind, item, columns, factors) of everything that periods before `end` may bring."""
    n, structure, support = problem.natural, problem.structure, problem.structure.support
    unit = problem.instance.material_unit
    root = problem.assembly.commitments
    bought: dict[int, list[Ints]] = {}
    for c, shape in enumerate(structure.component_sets):
        part = problem.assembly.operations[c]
        for purchase in shape.purchases:
            bought.setdefault(purchase.material, []).append(part.columns("acquisition", purchase.name)[:end])
    for i, parts in bought.items():
        mine = np.concatenate(parts)
        mine = mine[problem.assembly.upper[mine] > 0]
        if len(mine):
            yield "buy", n.materials[i], mine, np.full(len(mine), float(unit[i]))
    for c, shape in enumerate(structure.component_sets):
        part = problem.assembly.operations[c]
        for i in shape.stocked:
            sold = part.columns("disposal", i)[:end]
            yield "sell", n.materials[i], sold, np.full(len(sold), float(unit[i]))
    place = {key: root.first_column + k for k, key in enumerate(root.template.columns)}
    signed: dict[int, list[int]] = {}
    for o, option in enumerate(support.options):
        if option.signed < end and _is_support(problem, option):
            signed.setdefault(option.project, []).append(place["sign", o])
    for p, of_project in signed.items():
        yield "support", n.projects[p].name, np.array(of_project), np.ones(len(of_project))
    contracts: dict[int, list[int]] = {}
    for k, contract in enumerate(structure.contracts):
        if contract.start < end:
            contracts.setdefault(contract.source, []).append(k)
    for j, members in contracts.items():
        starts = np.array([place["contract", k] for k in members])
        a_year = float(problem.instance.producer_unit[j]) / n.calendar.step
        yield "offtake", n.producers[j], starts, np.full(len(starts), a_year)
    for m, market in enumerate(support.markets):
        begin = market.floor.floor.begin or 0
        if begin < end:
            yield "floor", market.floor.name, np.array([place["floor", m]]), np.ones(1)


def _is_support(problem: Problem, option: Option) -> bool:
    """Whether signing an option is an act of the authority: what owners build anyway without it is none."""
    return not (
        problem.structure.support.baseline[option.project] and option.package.name == "none" and not option.market
    )


def _budget_coefficients(problem: Problem) -> Floats:
    """(F, columns) what a unit of each column takes from the budget of each fiscal year [million USD]."""
    assembly = problem.assembly
    found = np.zeros((len(problem.natural.calendar.years), len(assembly.lower)))
    for row in assembly.rows_of("budget"):
        entries = slice(assembly.start[row], assembly.start[row + 1])
        year = assembly.row_name(int(row)).key
        np.add.at(found[year], assembly.index[entries], assembly.value[entries])
    return found
