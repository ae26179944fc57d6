"""Decisions as items that a planner can name, and a compiled model in which one of them is held in or out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from .assembly import Assembly
from .compile import INF
from .errors import Fault, PlanError, near_miss
from .instance import Floats, Ints
from .problem import Problem

Kind = Literal["project", "package", "contract", "offer", "floor"]
KINDS: tuple[Kind, ...] = get_args(Kind)
LEAST_USE = 0.1
"""Share of what an offer or a contract without a lot gives in a year that counts as using it."""

TRACE_T = 1e-3
"""Tonnes up to which nothing is bought."""
HALF = 0.5
"""Share signed from which a project counts as chosen."""


@dataclass(frozen=True)
class Item:
    """Something that a plan may choose."""

    kind: Kind
    name: str
    """project: its name, or `project: package`. package: its name without a floor of the plan's menu, whoever signs it. contract:
    the producer. offer: its name. floor: market-wide, or a level of the menu, whoever signs it."""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Hold:
    """An item that has to be chosen, or must not be."""

    item: Item
    inside: bool


@dataclass(frozen=True)
class Decided:
    """How an item stands in a model's columns: chosen where factors . columns >= least."""

    columns: Ints
    factors: Floats
    least: float
    unit: str
    """Of factors . columns."""


class Choices:
    """All items of a problem, by kind and name."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._named = _named(problem)

    @property
    def items(self) -> list[Item]:
        """Everything that the plan could choose or leave, in the order of the tables; a project with one package apart."""
        return [item for item in self._all if item.kind != "project" or ": " not in item.name]

    @property
    def _all(self) -> list[Item]:
        return [Item(kind, name) for kind in KINDS for name in self._named[kind]]

    def find(self, text: str) -> Item:
        """The item of a name, with its kind before it or without. Raises PlanError where there is none, or several."""
        hits = [item for item in self._all if text in (item.name, str(item))]
        if len(hits) == 1:
            return hits[0]
        if hits:
            several = ", ".join(f"'{hit}'" for hit in hits)
            raise PlanError([Fault("explain", "", "item", f"'{text}', of several kinds", f"one of {several}")])
        dropped = self._problem.layout.support.dropped
        gone = dict.fromkeys(why for what, why in dropped if what == text or what.startswith(f"{text}:"))
        if gone:
            raise PlanError([Fault("explain", "", "item", f"'{text}', which cannot be chosen", f"another: {'; '.join(gone)}")])
        if text in self._problem.natural.materials:
            about = ", ".join(self._about(text)) or "nothing that the plan can choose"
            raise PlanError([Fault("explain", "", "item", f"'{text}', a material", f"what provides it: {about}")])
        known = [k for item in self._all for k in (item.name, str(item))]
        raise PlanError([Fault("explain", "", "item", f"'{text}'", f"an item of the plan{near_miss(text, known)}")])

    def _about(self, material: str) -> list[str]:
        """Names of offers, contracts and projects that provide a material."""
        data = self._problem.data
        makers = {row.producer for row in data.rows("yields") if row.material == material and row.yield_t_per_t > 0}
        sold = {row.offer for row in data.rows("offers") if row.material == material}
        return [item.name for item in self._all if item.name in makers | sold]

    def decided(self, item: Item) -> Decided:
        """The columns of an item. KeyError where the model has none."""
        return self._named[item.kind][item.name]

    def held(self, hold: Hold) -> Assembly:
        """The model with an item held in or out; out, an offer is closed to what is bought before events. KeyError as `decided`."""
        of, assembly = self.decided(hold.item), self._problem.assembly
        if hold.inside:
            return with_row(assembly, of.columns, of.factors, of.least, INF)
        upper = assembly.upper.copy()
        upper[of.columns] = 0.0
        return replace(assembly, upper=upper)

    def amount(self, item: Item, x: Floats) -> float:
        """How much of an item a point has, in the unit of `decided`; of contracts, the most in force at any time."""
        of = self.decided(item)
        if item.kind != "contract":
            return float(of.factors @ x[of.columns])
        contracts, periods = self._problem.layout.contracts, np.arange(self._problem.natural.calendar.periods)
        mine = [k for k in contracts if self._problem.natural.producers[k.source] == item.name]
        force = np.array([(periods >= k.start) & (periods < k.end) for k in mine])
        return float(((of.factors * x[of.columns]) @ force).max())

    def chosen(self, item: Item, x: Floats) -> bool:
        """Whether a point has an item: whole decisions, and more than a trace of tonnes."""
        return self.amount(item, x) > (TRACE_T if self.decided(item).unit.startswith("t") else HALF)

    def portfolio(self, x: Floats, kinds: Sequence[Kind] = ("project", "floor", "contract")) -> tuple[str, ...]:
        """Names of the items that a point has, in the order of `items`."""
        return tuple(str(item) for item in self.items if item.kind in kinds and self.chosen(item, x))


def with_row(assembly: Assembly, columns: Ints, factors: Floats, lower: float, upper: float, *, money: bool = False) -> Assembly:
    """The model with one more row, the last, which belongs to no template. money: it counts million USD."""
    return replace(
        assembly,
        start=np.append(assembly.start, assembly.start[-1] + len(columns)),
        index=np.append(assembly.index, columns), value=np.append(assembly.value, factors),
        row_lower=np.append(assembly.row_lower, lower), row_upper=np.append(assembly.row_upper, upper),
        row_stamped=np.append(assembly.row_stamped, -1), row_local=np.append(assembly.row_local, -1),
        row_stamp=np.append(assembly.row_stamp, -1),
        money=None if assembly.money is None else assembly.money.with_more(rows=np.array([money])),
    )  # fmt: skip


def floor_of(package: str) -> str:
    """Floor of the plan's menu that a package stands with, by its name; empty where none."""
    return package.partition("+")[2]


def _named(problem: Problem) -> dict[Kind, dict[str, Decided]]:
    """All items by kind and name."""
    found: dict[Kind, dict[str, Decided]] = {kind: {} for kind in KINDS}
    options, supported = problem.layout.support.options, problem.natural.projects
    signs: dict[tuple[Kind, str], list[int]] = {}
    for o, option in enumerate(options):
        project, package = supported[option.project].name, option.package.name
        if package == "none" and problem.layout.support.baseline[option.project]:
            continue  # built anyway
        signs.setdefault(("project", project), []).append(o)
        signs.setdefault(("project", f"{project}: {package}"), []).append(o)
        if package != "none":
            signs.setdefault(("package", package.partition("+")[0]), []).append(o)
        if floor_of(package):
            signs.setdefault(("floor", floor_of(package)), []).append(o)
    root = problem.assembly.stamped[0]
    place = {key: root.first_column + k for k, key in enumerate(root.template.columns)}
    for (kind, name), members in signs.items():
        found[kind][name] = _ones(np.array([place["sign", o] for o in members]), "projects")
    for m, market in enumerate(problem.layout.support.markets):
        found["floor"][market.floor.name] = _ones(np.array([place["floor", m]]), "market floors")
    _contracts(problem, place, found["contract"])
    _offers(problem, found["offer"])
    return found


def _ones(columns: Ints, unit: str) -> Decided:
    return Decided(columns, np.ones(len(columns)), 1.0, unit)


def _contracts(problem: Problem, place: Mapping[tuple[str, Any], int], found: dict[str, Decided]) -> None:
    """Contracts by producer, whenever they start, in tonnes a year. place: column of each variable of the commitments."""
    layout = problem.layout
    by_source: dict[int, list[int]] = {}
    for k, contract in enumerate(layout.contracts):
        by_source.setdefault(contract.source, []).append(k)
    for j, members in by_source.items():
        a_year = float(layout.instance.producer_unit[j]) / problem.natural.calendar.step
        columns = np.array([place["contract", k] for k in members])
        least = [max(layout.contracts[k].lot, LEAST_USE * layout.contracts[k].largest) for k in members]
        found[problem.natural.producers[j]] = Decided(columns, np.full(len(members), a_year), min(least) * a_year, "t/yr")


def _offers(problem: Problem, found: dict[str, Decided]) -> None:
    """Purchases in planned years by offer, in tonnes."""
    layout, calendar = problem.layout, problem.natural.calendar
    for c, name in enumerate(problem.natural.components):
        part = next(part for part in problem.assembly.stamped if part.label == f"period:{name}")
        for purchase in layout.shapes[c].purchases:
            columns = part.columns("buy", purchase.name)[: calendar.planned]  # trunk stamps come first
            unit = float(layout.instance.material_unit[purchase.material])
            depth = problem.assembly.upper[columns]
            open_ = columns[depth > 0]
            if len(open_):
                least = LEAST_USE * float(depth.max()) * unit / calendar.step if np.isfinite(depth).all() else 1.0
                found[purchase.name] = Decided(open_, np.full(len(open_), unit), least, "t")
