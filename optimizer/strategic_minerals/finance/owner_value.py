"""What owners of projects get and need under every package, and what it costs: worked out once, kept for the next question."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Generic, TypeVar

import numpy as np

from ..core.arrays import Bools, Floats, equal
from ..instance.instance import Floor, Instance, Package, Project
from ..instance.producer_economics import capital_cost, financing_gap, owner_npv, payment_parts, survival
from ..scenarios.scenario_set import ScenarioSet
from .floor_costs import FloorMoney, FloorPayments, floor_payments, held

Found = TypeVar("Found")


@dataclass(frozen=True)
class Signature:
    """What signing a package (beside market floors) at a date brings: all of an option that no chance of a scenario changes."""

    npv: float
    gap: float
    refused: str
    """Why its instrument cannot close the gap, or the owner does not take it; empty where it stands, else the rest is zero."""
    start: int
    scored: float
    payments: Floats
    fees: Floats
    residual: float


class ReuseCache(Generic[Found]):
    """Values by key, each made once; those of another question are taken over when they are asked for."""

    def __init__(self, known: ReuseCache[Found] | None) -> None:
        self._now: dict[Any, Found] = {}
        self._known: dict[Any, Found] = {} if known is None else known._now

    def get(self, key: Any, make: Callable[[], Found]) -> Found:
        """The value of a key."""
        found = self._now.get(key)
        if found is None:
            found = self._known.get(key)
            self._now[key] = found = make() if found is None else found
        return found

    def settle(self, but: Callable[[Any], bool] = lambda key: False) -> None:
        """Give up what nobody asked for, but keys that still mean something."""
        self._now |= {key: found for key, found in self._known.items() if key not in self._now and but(key)}
        self._known = {}

    def __len__(self) -> int:
        return len(self._now)

    def __iter__(self) -> Iterator[Found]:
        return iter(self._now.values())


@dataclass(frozen=True, eq=False)
class FloorSet:
    """Floors that count together: one object for equal floors, so that what is known of them is found at once."""

    each: tuple[Floor, ...]


@dataclass(frozen=True, eq=False)
class SupportTerms:
    """A package and the floors that its project's output gets, its own and the market's; likewise one object for equal ones."""

    package: Package
    floors: FloorSet


@dataclass(frozen=True)
class _PerProject:
    """What all signatures of a project share."""

    parts: float
    """As `payment_parts`."""
    tonnes: float
    """Outputs of a period at full capacity [t]."""
    value: float
    """Their worth at base prices [million USD]."""

    @classmethod
    def of(cls, instance: Instance, project: Project) -> _PerProject:
        j = project.producer
        outputs = np.maximum(instance.yields[j], 0) * instance.capacity[j, 0]
        parts = payment_parts(project, instance.calendar.step)
        return cls(parts, float(outputs @ instance.material_unit), float(outputs @ instance.base_price))


class OwnerValuation:
    """What projects bring to their owners, when they live and what their floors cost: each worked out once for a question, and not
    again for the next one where nothing that it hangs on differs.
    """

    def __init__(self, instance: Instance, scenarios: ScenarioSet, known: OwnerValuation | None = None) -> None:
        """known: of an instance that `reuse.same_owners` takes for this one, with the same prices in scenarios.

        What floors pay is taken over where scenarios differ in no more than their probabilities.
        """
        self.instance, self.scenarios = instance, scenarios
        self._sets: ReuseCache[FloorSet] = ReuseCache(known._sets if known else None)
        self._backings: ReuseCache[SupportTerms] = ReuseCache(known._backings if known else None)
        self._npv: ReuseCache[float] = ReuseCache(known._npv if known else None)
        self._alive: ReuseCache[Bools] = ReuseCache(known._alive if known else None)
        self._outputs: ReuseCache[tuple[Floats, Floats, bool]] = ReuseCache(known._outputs if known else None)
        self._signatures: ReuseCache[Signature] = ReuseCache(known._signatures if known else None)
        same = known is not None and equal(replace(known.scenarios, probability=scenarios.probability), scenarios)
        self._payments: ReuseCache[tuple[FloorPayments, ...]] = ReuseCache(
            known._payments if known is not None and same else None
        )
        self._money: dict[tuple[int, FloorSet, int], tuple[FloorMoney, ...]] = {}
        self._per_project = [_PerProject.of(instance, project) for project in instance.projects]
        self._trunk_weight = scenarios.trunk_weight(instance.calendar.periods)
        self._unfloored = self.floor_set(())
        self._end = float(instance.calendar.beta[instance.calendar.periods])

    def settle(self) -> OwnerValuation:
        """Give up what was known of another question and is not of this one: of floors that are, all stays, even if no more than
        what follows from it was asked for.
        """
        for kept in (self._sets, self._backings, self._signatures):
            kept.settle()
        live = set(self._sets)
        for of_floors in (self._npv, self._alive, self._outputs, self._payments):  # by (project, floors, period)
            of_floors.settle(lambda key: key[1] in live)
        self.__dict__.pop("_paths", None)
        return self

    @cached_property
    def _paths(self) -> Floats:
        """(1 + S, I, T) prices on the trunk and then in scenarios; gone once all is settled."""
        return np.concatenate([self.instance.price[None], self.scenarios.price])

    def floor_set(self, floors: tuple[Floor, ...]) -> FloorSet:
        """The one object for these floors."""
        return self._sets.get(floors, lambda: FloorSet(floors))

    def backing(self, package: Package, floors: tuple[Floor, ...]) -> SupportTerms:
        """The one object for a package with these floors."""
        together = self.floor_set(floors)
        return self._backings.get((package, together), lambda: SupportTerms(package, together))

    def npv(self, p: int, floors: FloorSet, signed: int) -> float:
        """As `owner_npv`."""
        project = self.instance.projects[p]
        return self._npv.get((p, floors, signed), lambda: owner_npv(self.instance, project, floors.each, signed))

    def alive(self, p: int, floors: FloorSet, start: int) -> Bools:
        """(1 + S, T) as `survival`, on the trunk and then in scenarios."""
        j = self.instance.projects[p].producer
        return self._alive.get((p, floors, start), lambda: survival(self.instance, j, self._paths, floors.each, start))

    def output(self, p: int, floors: FloorSet, start: int) -> tuple[Floats, Floats, bool]:
        """(T,) ramp * alive on the trunk, (S, T) in scenarios, and whether it is alive on the trunk at the end."""
        return self._outputs.get((p, floors, start), lambda: self._output(p, floors, start))

    def _output(self, p: int, floors: FloorSet, start: int) -> tuple[Floats, Floats, bool]:
        alive = self.alive(p, floors, start)
        given = _ramp(self.instance.projects[p], start, self.instance.calendar.periods) * alive
        return given[0], given[1:], bool(alive[0, -1])

    def floor_money(self, p: int, floors: FloorSet, start: int) -> tuple[FloorMoney, ...]:
        """Cost of each floor on the project's output, which lives on all of them together."""
        key = (p, floors, start)
        if key not in self._money:
            paid = self._payments.get(key, lambda: tuple(self._paid(p, floor, floors, start) for floor in floors.each))
            self._money[key] = tuple(
                payments.money(self._trunk_weight, self.scenarios.probability) for payments in paid
            )
        return self._money[key]

    def _paid(self, p: int, floor: Floor, floors: FloorSet, start: int) -> FloorPayments:
        instance, project = self.instance, self.instance.projects[p]
        j = project.producer
        T = instance.calendar.periods
        begin = start if floor.begin is None else floor.begin
        n = max(T, begin + floor.term, start + 1)
        path = held(instance.price, n)
        tonnes = min(floor.take, instance.yields[j, floor.material] * instance.capacity[j, 0]) * _ramp(
            project, start, n
        )
        trunk = tonnes * survival(instance, j, path, floors.each, start)
        branch = tonnes[:T] * self.alive(p, floors, start)[1:]
        return floor_payments(instance, self.scenarios, j, floor, begin, trunk, branch)

    def signature(self, p: int, backing: SupportTerms, signed: int) -> Signature:
        """What signing brings. Section 4: capital and participation."""
        return self._signatures.get((p, backing, signed), lambda: self._signature(p, backing, signed))

    def _signature(self, p: int, backing: SupportTerms, signed: int) -> Signature:
        instance, project, package = self.instance, self.instance.projects[p], backing.package
        npv, unpaid, start = (
            self.npv(p, backing.floors, signed),
            self.npv(p, self._unfloored, signed),
            signed + project.lead,
        )
        gap = financing_gap(project, npv)
        calendar = instance.calendar
        T = calendar.periods
        cost = capital_cost(package.instrument, gap, project)

        def refused(why: str) -> Signature:
            return Signature(npv, gap, why, start, 0.0, np.zeros(T), np.zeros(T), 0.0)

        if cost is None:
            if package.instrument.kind == "none":
                return refused("leaves a financing gap and brings no capital")
            return refused(f"the gap is more than its {package.instrument.name} may cover")
        if max(0.0, npv) < max(0.0, unpaid) - 1e-6 * project.capex:
            return refused("the owner is better off without it")
        part = cost / self._per_project[p].parts
        payments = np.zeros(T)
        payments[signed:start] = part
        scored = part * project.lead
        life_left = max(0.0, 1 - (T - start) / project.life)
        fees = np.zeros(T)
        if package.offtake > 0:
            shared = self._per_project[p]
            fee = package.fee * shared.tonnes + package.fee_share * shared.value
            fees = package.offtake * fee * _ramp(project, start, T)
        residual = self._end * life_left * scored if self.output(p, backing.floors, start)[2] else 0.0
        return Signature(npv, gap, "", start, scored, payments, fees, residual)


def _ramp(project: Project, start: int, periods: int) -> Floats:
    """(periods,) share of capacity: 0 before first output and after the life."""
    ramp = np.zeros(max(periods, start + project.life))
    ramp[start : start + project.life] = project.ramp
    return ramp[:periods]
