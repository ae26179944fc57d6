"""Decisions as items that a planner can name, and a compiled model in which one of them is held in or out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..core.arrays import INF, Floats, Ints
from ..core.errors import Fault, PlanError, near_miss
from ..finance.items import KINDS, Identity, Item, Kind, identity, in_amounts, market_items, never, refusals, signings
from ..instance.instruments import CHOSEN
from .assembly import Assembly
from .enlarged import with_row
from .problem import Problem

LEAST_USE = 0.1
"""Share of what an offer or a contract without a lot gives in a year that counts as using it; where projects are supported in part,
share of one that counts as supporting it where it has to be."""
SHARES = (1.0, 0.1, 0.01)
"""Shares of the least that counts to which a hold gives way, in turn, where the plan may have any amount and no plan has more."""

TRACE_T = 1e-3
"""Tonnes up to which nothing is bought."""
HALF = 0.5
"""Share signed from which a project counts as chosen where it is signed whole or not at all; a search leaves traces of others."""


@dataclass(frozen=True)
class ForcedDecision:
    """An item that has to be chosen, or must not be."""

    item: Item
    inside: bool
    share: float = 1.0
    """Inside: share of the least that counts (`Decided.least`) that is asked for."""


@dataclass(frozen=True)
class Decided:
    """How an item stands in a model's columns: chosen where factors . columns >= least."""

    columns: Ints
    factors: Floats
    least: float
    unit: str
    """Of factors . columns."""
    any_amount: bool = True
    """Whether a plan may have any amount of it (`in_amounts`): then it is chosen beyond rounding, and `least` is asked for where it
    is held in."""


class DecisionIndex:
    """All items of a problem, known by what they are; names are for people."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._found = _found(problem)
        """By kind, in the order of the tables."""

    @property
    def items(self) -> list[Item]:
        """Everything that the plan could choose or leave, in the order of the tables; a project with one package apart."""
        return [item for item in self._all if item.kind != "project" or not item.package]

    @property
    def _all(self) -> list[Item]:
        return [item for kind in KINDS for item, _ in self._found.values() if item.kind == kind]

    @cached_property
    def _refused(self) -> dict[Identity, tuple[Item, str]]:
        return refusals(self._problem.instance, self._problem.structure.support)

    def find(self, text: str) -> Item:
        """The item of a name, with its kind before it or without; also one that cannot be chosen as figures stand (`refused`).

        Raises PlanError where there is none, where there are several, and where no figure could bring it.
        """
        several = [*self._all, *(item for item, _ in self._refused.values())]
        hits = [item for item in several if text in (item.name, str(item))]
        if len(hits) == 1:
            return hits[0]
        if hits:
            told = ", ".join(f"'{hit}'" for hit in hits)
            raise PlanError([Fault("explain", "", "item", f"'{text}', of several kinds", f"one of {told}")])
        gone = self._gone(text)
        if gone:
            raise PlanError(
                [Fault("explain", "", "item", f"'{text}', which cannot be chosen", f"another: {'; '.join(gone)}")]
            )
        if text in self._problem.natural.materials:
            about = ", ".join(self._about(text)) or "nothing that the plan can choose"
            raise PlanError([Fault("explain", "", "item", f"'{text}', a material", f"what provides it: {about}")])
        known = [k for item in several for k in (item.name, str(item))]
        raise PlanError([Fault("explain", "", "item", f"'{text}'", f"an item of the plan{near_miss(text, known)}")])

    def _gone(self, text: str) -> list[str]:
        """Why no figure could bring what a text names."""
        support, instance = self._problem.structure.support, self._problem.instance
        reasons = [*never(instance, support), *support.dropped, *self._problem.natural.left_out]
        whole = {text, *(f"{kind} {text}" for kind in KINDS)}
        return list(
            dict.fromkeys(why for what, why in reasons if what in whole or text in {f"{kind} {what}" for kind in KINDS})
        )

    def refused(self, item: Item) -> str:
        """Why an item cannot be chosen as figures stand; empty where it can."""
        found = self._refused.get(self._key(item))
        return "" if found is None else found[1]

    def _about(self, material: str) -> list[str]:
        """Names of offers, contracts and projects that provide a material."""
        data = self._problem.data
        makers = {row.producer for row in data.rows("yields") if row.material == material and row.yield_t_per_t > 0}
        sold = {row.offer for row in data.rows("offers") if row.material == material}
        return [item.name for item in self._all if item.name in makers | sold]

    def decided(self, item: Item) -> Decided:
        """The columns of an item. KeyError where the model has none."""
        return self._found[self._key(item)][1]

    def _key(self, item: Item) -> Identity:
        """What an item is in this problem; one that has no more than a name is looked up by it. KeyError where there is none."""
        if item.kind in ("contract", "offer") or item.project or item.package or item.level is not None:
            return identity(item, self._problem.plan)
        return next((key for key, (known, _) in self._found.items() if str(known) == str(item)), (item.kind, item.name))

    def held(self, hold: ForcedDecision) -> Assembly:
        """The model with an item held in or out; out, an offer is closed to what is bought before events. KeyError as `decided`."""
        of, assembly = self.decided(hold.item), self._problem.assembly
        if hold.inside:
            return with_row(assembly, of.columns, of.factors, of.least * hold.share, INF)
        upper = assembly.upper.copy()
        upper[of.columns] = 0.0
        return replace(assembly, upper=upper)

    def amount(self, item: Item, x: Floats) -> float:
        """How much of an item a point has, in the unit of `decided`; of contracts, the most in force at any time."""
        of = self.decided(item)
        if item.kind != "contract":
            return float(of.factors @ x[of.columns])
        contracts, periods = self._problem.structure.contracts, np.arange(self._problem.natural.calendar.periods)
        mine = [k for k in contracts if self._problem.natural.producers[k.source] == item.name]
        force = np.array([(periods >= k.start) & (periods < k.end) for k in mine])
        return float(((of.factors * x[of.columns]) @ force).max())

    def chosen(self, item: Item, x: Floats) -> bool:
        """Whether a point has an item: whole decisions, and more than a trace of tonnes or shares."""
        of = self.decided(item)
        return self.amount(item, x) > (TRACE_T if of.unit.startswith("t") else CHOSEN if of.any_amount else HALF)

    def portfolio(self, x: Floats, kinds: Sequence[Kind] = ("project", "floor", "contract")) -> dict[str, str]:
        """Names of the items that a point has, in the order of `items`, with how much of each in words where that is a part
        (`part_in_words`), else empty."""
        return {
            str(item): part_in_words(item, self.decided(item), self.amount(item, x))
            for item in self.items
            if item.kind in kinds and self.chosen(item, x)
        }


def part_in_words(item: Item, of: Decided, amount: float) -> str:
    """`30% of it`, of a package or a floor `30% of one project`; empty for whole projects, whole decisions and tonnes."""
    if of.unit.startswith("t") or not of.any_amount or abs(amount - round(amount)) <= CHOSEN:
        return ""
    if item.kind == "project":
        return f"{100 * amount:.3g}% of it"
    return f"{100 * amount:.3g}% of one project" if amount < 1 else f"{amount:.3g} projects"


def with_parts(name: str, *parts: str) -> str:
    """An item with how much of it one portfolio has, or several (`part_in_words`)."""
    if not any(parts):
        return name
    return f"{name} ({', '.join(dict.fromkeys(part or 'all of it' for part in parts))})"


def _found(problem: Problem) -> dict[Identity, tuple[Item, Decided]]:
    """All items with their columns."""
    instance, support = problem.instance, problem.structure.support
    root = problem.assembly.commitments
    place = {key: root.first_column + k for k, key in enumerate(root.template.columns)}
    found: dict[Identity, tuple[Item, Decided]] = {}
    for key, (item, members) in signings(instance, support).items():
        columns = np.array([place["sign", o] for o in members])
        found[key] = item, _signed(columns, "projects", any_amount=in_amounts(item, problem.plan))
    for key, (item, m) in market_items(instance, support).items():
        found[key] = item, _signed(np.array([place["floor", m]]), "market floors", any_amount=False)
    amounts: dict[Kind, dict[str, Decided]] = {"contract": {}, "offer": {}}
    _contracts(problem, place, amounts["contract"])
    _offers(problem, amounts["offer"])
    for kind, named in amounts.items():
        for name, decided in named.items():
            item = Item(kind, name)
            found[identity(item, problem.plan)] = item, decided
    return found


def _signed(columns: Ints, unit: str, *, any_amount: bool) -> Decided:
    return Decided(columns, np.ones(len(columns)), LEAST_USE if any_amount else 1.0, unit, any_amount)


def _contracts(problem: Problem, place: Mapping[tuple[str, Any], int], found: dict[str, Decided]) -> None:
    """Contracts by producer, whenever they start, in tonnes a year. place: column of each variable of the commitments."""
    structure = problem.structure
    by_source: dict[int, list[int]] = {}
    for k, contract in enumerate(structure.contracts):
        by_source.setdefault(contract.source, []).append(k)
    for j, members in by_source.items():
        a_year = float(structure.instance.producer_unit[j]) / problem.natural.calendar.step
        columns = np.array([place["contract", k] for k in members])
        least = [max(structure.contracts[k].lot, LEAST_USE * structure.contracts[k].largest) for k in members]
        freely = any(structure.contracts[k].lot == 0 for k in members)
        a_lot = min(least) * a_year
        found[problem.natural.producers[j]] = Decided(columns, np.full(len(members), a_year), a_lot, "t/yr", freely)


def _offers(problem: Problem, found: dict[str, Decided]) -> None:
    """Purchases in planned years by offer, in tonnes."""
    structure, calendar = problem.structure, problem.natural.calendar
    for c, part in enumerate(problem.assembly.operations):
        for purchase in structure.component_sets[c].purchases:
            columns = part.columns("acquisition", purchase.name)[: calendar.planned]  # trunk instances come first
            unit = float(structure.instance.material_unit[purchase.material])
            depth = problem.assembly.upper[columns]
            open_ = columns[depth > 0]
            if len(open_):
                least = LEAST_USE * float(depth.max()) * unit / calendar.step if np.isfinite(depth).all() else 1.0
                found[purchase.name] = Decided(open_, np.full(len(open_), unit), least, "t")
