"""A path lived through under a policy, year by year: what is planned, what happens, how it is operated, what it costs.

Nothing is known before it happens. At the start of a year a policy decides on what was seen before; within the year operations
know what happens in it, and what was bought before an event stays bought. Costs are those of the years as they were lived; after
the last planned year those that are expected of what is left. Policies that were fixed at the start differ in purchases and
signatures alone; every policy is operated by the same rule.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..core.arrays import Floats
from ..data.dataset import Dataset
from ..model.solution import Solution
from ..schemas.plan import Plan
from .carry import carried_rows
from .files import HappenedRow
from .next_plan import moved_plan, next_question
from .paths import Path
from .quick import (
    Form,
    Solved,
    bought_in_first_year,
    first_year_cost,
    later_signed_cost,
    operating,
    planning,
    signed_cost,
)
from .state import Question, State, as_planned, signed_by

REPLANNED, TWO_STAGE, NOTHING = "planned again every year", "the plan as it was made", "nothing"
IN_INTEGERS = "planned again every year, in integers"


@dataclass(frozen=True)
class Policy:
    """What a policy buys and signs."""

    name: str
    bought: Mapping[str, Floats] | None
    """Purchase -> tonnes of each period of the plan; None: planned again every year."""
    signs: bool
    """Whether it signs what the plan signs."""


@dataclass(frozen=True)
class Year:
    """A year as it was lived."""

    cost: float
    """Discounted to its start [million USD]."""
    rest: float
    """What is expected of all years after it, discounted to its start [million USD]."""
    flows: tuple[Mapping[str, Any], ...]
    """By material: material, tight (share of the year), short_t, released_t, stock_t, bought_t."""
    planned: bool
    """Whether it was planned again."""
    gap: float
    seconds: float = field(compare=False)
    columns: int


@dataclass(frozen=True)
class Standing:
    """Where a path stands at the start of a year."""

    plan: Plan
    data: Dataset
    stock: Mapping[str, float] = field(default_factory=dict)
    missing: Mapping[tuple[str, str], float] = field(default_factory=dict)


@dataclass(frozen=True)
class Start:
    """The question from which all paths begin, with its plan."""

    plan: Plan
    data: Dataset
    question: Question
    policies: tuple[Policy, ...]
    form: Form
    learning: bool


class Lives:
    """Paths of one group: what they share up to a date is worked out once."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._known: dict[tuple[Any, ...], tuple[Year, Standing]] = {}
        self._calm: dict[int, Solved] = {}

    def live(self, path: Path, policy: Policy) -> list[Year]:
        """All planned years of a path under a policy."""
        plan, data = self._start.plan, self._start.data
        first, years = plan.horizon.first_year, plan.horizon.years
        standing, found = Standing(plan, data), []
        for k in range(years):
            key = (policy.name, k, path.history(first + k + 1.0))
            if key not in self._known:
                self._known[key] = self._year(path, policy, standing, first + k, last=k == years - 1)
            year, standing = self._known[key]
            found.append(year)
        return found

    def _year(self, path: Path, policy: Policy, at: Standing, year: int, *, last: bool) -> tuple[Year, Standing]:
        if policy.bought is None:
            return self._planned_again(path, at, year, last)
        return self._as_fixed(path, policy, at, year, last)

    def _planned_again(self, path: Path, at: Standing, year: int, last: bool) -> tuple[Year, Standing]:
        """Plan, then operate where anything is going on; else the year is as planned."""
        form, before = self._start.form, path.known(year, year)
        plan = at.plan.model_copy(update={"ongoing": before})
        planned = self._plan(plan, at.data, year, calm=not path.history(float(year)))
        n = planned.question.natural
        now = path.known(year, year + 1.0)
        eventful = bool(now)
        bought = bought_in_first_year(planned.question.solution, n.calendar.per_year)
        if not eventful and not last:
            state = as_planned(planned.question, 1)
            ahead = self._ahead(planned.question, plan, at.data, state, path, year)
            paid = _signed_now(planned)
            lived = _lived(planned, planned, paid + signed_cost(planned), 0.0, planned)
            return lived, ahead
        signed = _with_signed(planned.question, plan, at.data)
        if last:  # what is expected of the rest is believed alike under all policies
            told = {name: self._start.data.rows(name) for name in ("hazards", "hazard_evidence")}
            signed = Dataset(types.MappingProxyType({**signed.tables, **told}), signed.name)
        new = [event.begin for event in path.events if year <= event.begin < year + 1]
        share = min(new) - year if new else 1.0
        acted = operating(plan.model_copy(update={"ongoing": now}), signed, bought, form, more=True, before=share)
        rest = acted.objective - first_year_cost(acted) + later_signed_cost(acted)
        lived = _lived(acted, acted, signed_cost(acted), rest, planned)
        if last:
            return lived, at
        state = as_planned(acted.question, 1)
        moved = plan.model_copy(update={"ongoing": now})
        return lived, self._ahead(acted.question, moved, signed, state, path, year)

    def _plan(self, plan: Plan, data: Dataset, year: int, *, calm: bool) -> Solved:
        """The year's plan; that of a year before which nothing has happened is made once for all paths."""
        if not calm:
            return planning(plan, data, self._start.form)
        if year not in self._calm:
            self._calm[year] = planning(plan, data, self._start.form)
        return self._calm[year]

    def _ahead(self, question: Question, plan: Plan, data: Dataset, state: State, path: Path, year: int) -> Standing:
        """The next year's question, before anything new is known."""
        happened = [e.happened() for e in path.events if year <= e.begin < year + 1]
        happened += [
            HappenedRow(event=e.name, status="ended", from_year=e.ended_year)
            for e in plan.ongoing
            if e.ended_year is not None
        ]
        form = self._start.form
        ahead = next_question(question, plan, data, state, happened, learning=self._start.learning, chances=form.draws)
        return Standing(ahead.plan.model_copy(update={"ongoing": ()}), ahead.data)

    def _as_fixed(self, path: Path, policy: Policy, at: Standing, year: int, last: bool) -> tuple[Year, Standing]:
        """Buy and sign as fixed at the start, operate on what is known."""
        start, form = self._start, self._start.form
        k = year - start.plan.horizon.first_year
        n = start.question.natural
        P = k * n.calendar.per_year
        state = signed_by(start.question, P, P + n.calendar.per_year, packages=policy.signs)
        if k == 0:
            stock = {name: float(n.opening[i]) for i, name in enumerate(n.materials)}
            state = replace(state, stock=stock, users_missing=_missing_at_start(n))
        else:
            state = replace(state, stock=at.stock, users_missing=at.missing)
        rows = carried_rows(start.question, state, start.data, f"year {year}")
        data = Dataset(types.MappingProxyType({name: tuple(each) for name, each in rows.items()}), start.data.name)
        plan = moved_plan(start.plan, start.data, start.question, state, year, form.draws)
        now = path.known(year, year + 1.0)
        assert policy.bought is not None
        bought = {name: series[P:] for name, series in policy.bought.items()}
        new = [event.begin for event in path.events if year <= event.begin < year + 1]
        begun = path.known(year, float(year))
        share = 0.0 if begun else min(new) - year if new else 1.0
        acted = operating(plan.model_copy(update={"ongoing": now}), data, bought, form, more=False, before=share)
        rest = acted.objective - first_year_cost(acted) + later_signed_cost(acted) if last else 0.0
        lived = _lived(acted, acted, signed_cost(acted), rest, None)
        reached = as_planned(acted.question, 1) if not last else None
        if reached is None:
            return lived, at
        return lived, Standing(plan, data, reached.stock, reached.users_missing)


def _missing_at_start(n: Any) -> dict[tuple[str, str], float]:
    return {
        (n.materials[i], n.demands[q][1] if q >= 0 else ""): float(lacking / level)
        for (i, q), lacking, level in zip(n.users, n.users_missing, n.users_level, strict=True)
    }


def _with_signed(question: Question, plan: Plan, data: Dataset) -> Dataset:
    """The tables of the same year with what was signed in it."""
    n = question.natural
    stock = {name: float(n.opening[i]) for i, name in enumerate(n.materials)}
    state = replace(
        signed_by(question, 0, n.calendar.per_year, packages=True), stock=stock, users_missing=_missing_at_start(n)
    )
    rows = carried_rows(question, state, data, plan.name)
    return Dataset(types.MappingProxyType({name: tuple(each) for name, each in rows.items()}), data.name)


def _signed_now(planned: Solved) -> float:
    """Instalments, fees and floors of the first year for what is signed in it [million USD]."""
    structure, x, year = (
        planned.question.structure,
        planned.question.solution,
        planned.question.natural.calendar.per_year,
    )
    total = float(
        (x.sign @ structure.support.outlay)[:year].sum() + (x.floor @ structure.support.market_outlay)[:year].sum()
    )
    for contract, tonnes in zip(structure.contracts, x.contract, strict=True):
        fee = float(planned.question.natural.contract_fee[contract.source])
        total += fee * float(tonnes) * max(0, min(year, contract.end) - contract.start)
    return total


def _lived(costed: Solved, acted: Solved, signed: float, rest: float, planned: Solved | None) -> Year:
    flows = tuple(_flows(acted))
    counted = planned or acted
    seconds = acted.seconds + (planned.seconds if planned is not None and planned is not acted else 0.0)
    return Year(
        cost=first_year_cost(costed) + signed,
        rest=rest,
        flows=flows,
        planned=planned is not None,
        gap=0.0 if planned is None else planned.gap,
        seconds=seconds,
        columns=counted.problem.assembly.shape[1],
    )


def _flows(acted: Solved) -> list[dict[str, Any]]:
    """By stocked material: how tight the year was, what went short, what was released, kept and bought."""
    question = acted.question
    n, x, year = question.natural, question.solution, question.natural.calendar.per_year
    trunk, known = question.structure.trunk, {p.name: p for s in question.structure.component_sets for p in s.purchases}
    found = []
    for i, name in enumerate(n.materials):
        bought = sum(
            float(x.acquisition[0, b, :year].sum()) for b, p in enumerate(x.purchases) if known[p].material == i
        )
        released, stock = float(x.release[0, i, :year].sum()), float(max(0.0, x.stock[0, i, year - 1]))
        tight = float((trunk.tight[0, i, :year] * trunk.lasting[0, n.chain[i], :year]).mean())
        if max(bought, released, stock, tight, float(n.opening[i])) <= 0:
            continue
        tiers = [k for k, (q, _) in enumerate(n.tiers) if n.demand_material[q] == i]
        short = float(x.shortfall[0, tiers, :year].sum()) if tiers else 0.0
        found.append(
            {
                "material": name,
                "tight": tight,
                "short_t": short,
                "released_t": released,
                "opening_t": float(n.opening[i]),
                "stock_t": stock,
                "bought_t": bought,
            }
        )
    return found


def bought_by(solution: Solution) -> dict[str, Floats]:
    """Purchase -> tonnes of each period on the baseline course."""
    return {name: np.asarray(solution.acquisition[0, b]) for b, name in enumerate(solution.purchases)}
