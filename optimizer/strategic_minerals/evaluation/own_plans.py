"""Each home's own plan against those of the others: answers to each other, taken in turn until nobody changes.

Homes meet where several buy of one seller and where several would build one plant; what one takes the next does not find.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from ..api.solving import solve_once
from ..core.frames import rows_of
from ..data.dataset import Dataset
from ..data.together import joint_question
from ..data.together_homes import Taken, shared_plants
from ..results.result import Result
from ..schemas.plan import Plan

ROUNDS = 8
"""Times that each home may answer the others."""
SAME = 1e-3
"""Relative change of what a plan takes that counts as none."""


class Count:
    """Solves done, and how many there will be."""

    def __init__(self, least: int, on_progress: Callable[[int, int], None] | None) -> None:
        self.done, self.least, self._tell = 0, least, on_progress

    def one(self) -> None:
        self.done += 1
        self.least = max(self.least, self.done)
        if self._tell is not None:
            self._tell(self.done, self.least)


class OwnPlans:
    """Each home's plan against the others'."""

    def __init__(
        self,
        plan: Plan,
        tables: Mapping[str, Dataset],
        members: Sequence[str],
        gap: float,
        time_limit_s: float,
        count: Count,
    ) -> None:
        self.plan, self.tables, self.members = plan, tables, members
        self.gap, self.time_limit_s = gap, time_limit_s
        self.count = count
        self.results: dict[str, Result] = {}
        self.unopposed: dict[str, Result] = {}
        self.takes: dict[str, Taken] = {}
        self.plants = shared_plants(plan, tables)
        self.rounds = 0

    def settle(self) -> bool:
        """Let the homes answer each other in turn until nobody takes anything else; False where they never stop."""
        answered: dict[str, Taken] = {}
        for self.rounds in range(1, ROUNDS + 1):
            changed = False
            for home in self.members:
                others = self.taken_by([other for other in self.members if other != home])
                if home in answered and _alike(answered[home], others):
                    continue
                answered[home] = others
                result = self._solve(home, others)
                if not self.rounds > 1 and not others.purchases and not others.plants:
                    self.unopposed[home] = result
                self.results[home] = result
                takes = _takes(self.plan, home, result, self.plants)
                changed |= home not in self.takes or not _alike(self.takes[home], takes)
                self.takes[home] = takes
            if not changed:
                break
        for home in self.members:
            if home not in self.unopposed:
                self.unopposed[home] = self._solve(home, Taken())
        return all(
            _alike(answered[home], self.taken_by([other for other in self.members if other != home]))
            for home in self.members
        )

    def _solve(self, home: str, others: Taken) -> Result:
        question = joint_question(self.plan, self.tables, [home], others)
        result = solve_once(*question, gap=self.gap, time_limit_s=self.time_limit_s)
        self.count.one()
        return result

    def taken_by(self, homes: Sequence[str]) -> Taken:
        """What the plans of some homes take of what all share."""
        purchases: dict[tuple[str, int], float] = {}
        plants: dict[str, float] = {}
        for home in homes:
            takes = self.takes.get(home, Taken())
            for key, tonnes in takes.purchases.items():
                purchases[key] = purchases.get(key, 0.0) + tonnes
            for project, tonnes in takes.plants.items():
                plants[project] = plants.get(project, 0.0) + tonnes
        return Taken(purchases, plants)


def _takes(plan: Plan, home: str, result: Result, plants: Mapping[str, float]) -> Taken:
    """What a home's own plan takes of sellers, on its baseline course, and of plants that others name too."""
    sellers = {row.offer: row.seller for row in result.data.rows("offers")}
    purchases: dict[tuple[str, int], float] = {}
    for row in rows_of(result.tables["acquisitions"]):
        if seller := sellers.get(row.offer):
            key = (seller, int(row.fiscal_year))
            purchases[key] = purchases.get(key, 0.0) + float(row.acquired_t)
    rows = {row.project: row for row in result.data.rows("projects")}
    taken: dict[str, float] = {}
    for row in rows_of(result.tables["projects"]):
        project = str(row.project).removeprefix(f"{home}.")
        if project in plants and row.share > 0:
            stated = rows[str(row.project)]
            part = stated.kappa + (1 - stated.kappa) * float(row.offtake_share)
            taken[project] = taken.get(project, 0.0) + float(row.share) * stated.capacity_t_per_yr * part
    return Taken(purchases, taken)


def _alike(one: Taken, other: Taken) -> bool:
    """Whether two plans take the same, but for rounding."""
    return all(
        math.isclose(a.get(key, 0.0), b.get(key, 0.0), rel_tol=SAME, abs_tol=SAME)
        for a, b in ((one.purchases, other.purchases), (one.plants, other.plants))
        for key in {*a, *b}
    )
