"""What a year of a plan leaves behind: stocks, commitments, users' own stocks, money, sources that are shut.

Everything is in tonnes and million USD. As planned, the year went along the baseline course; where it went otherwise, the planner
says so (`files.DoneRow`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..core.errors import Fault, InputError, near_miss
from ..finance.packages import Option
from ..formulation.structure import Structure
from ..instance.instance import Instance
from ..instance.producer_economics import survival
from ..instance.purchases import Contract
from ..model.solution import Solution
from .files import DoneRow

SMALL = 1e-9
"""Shares and tonnes that are none."""
CHOSEN = 0.5
"""Share of a market floor from which it is chosen."""


@dataclass(frozen=True)
class Question:
    """A solved question, as far as its state hangs on it."""

    structure: Structure
    """In model units."""
    natural: Instance
    """In tonnes."""
    solution: Solution
    """In tonnes."""

    def option_name(self, option: Option) -> str:
        """`project: package`, as a planner calls it."""
        return f"{self.natural.projects[option.project].name}: {option.package.name}"


@dataclass(frozen=True)
class State:
    """What is there when the next plan begins."""

    periods: int
    """Periods that have passed."""
    stock: Mapping[str, float]
    """Material -> tonnes in store."""
    bought: Mapping[tuple[str, str], float]
    """(material, country of origin; empty: not known) -> tonnes bought since the plan was made."""
    users_missing: Mapping[tuple[str, str], float]
    """(material, segment; empty: plants) -> share that users' own stock lacks."""
    packages: tuple[tuple[Option, float], ...]
    """Signed packages and the share signed; those that owners build without support too."""
    contracts: tuple[tuple[Contract, float], ...]
    """Offtake contracts that were signed and their tonnes a period."""
    floors: tuple[int, ...]
    """Market floors that were chosen, by their place in the question."""
    kept_musd: float
    """Money that may be spent in the first year of the next plan beside its appropriation."""
    spent_musd: float
    """Outlays of the years that have passed, what was signed before included."""
    closed: Mapping[str, float]
    """Source -> date until which it stays shut after its revenue has recovered."""


def as_planned(question: Question, years: int) -> State:
    """The state after some fiscal years along the baseline course. Raises ValueError beyond the planned years."""
    n, x = question.natural, question.solution
    if not 1 <= years < len(n.calendar.planned_years):
        raise ValueError(
            f"from 1 to {len(n.calendar.planned_years) - 1} years, not {years}: nothing would be left to plan"
        )
    P = years * n.calendar.per_year
    support = question.structure.support
    bought: dict[tuple[str, str], float] = defaultdict(float)
    for b, name in enumerate(x.purchases):
        material, origin = purchased(question, name)
        bought[material, origin] += float(x.acquisition[0, b, :P].sum())
    return State(
        periods=P,
        stock={name: float(max(0.0, x.stock[0, i, P - 1])) for i, name in enumerate(n.materials)},
        bought={key: tonnes for key, tonnes in bought.items() if tonnes > SMALL},
        users_missing=_missing(n, x.users_missing[0, :, P - 1]),
        packages=tuple(
            (option, float(share))
            for option, share in zip(support.options, x.sign, strict=True)
            if share > SMALL and option.signed < P
        ),
        contracts=tuple(
            (contract, float(tonnes))
            for contract, tonnes in zip(question.structure.contracts, x.contract, strict=True)
            if tonnes > SMALL and contract.start < P
        ),
        floors=tuple(m for m, share in enumerate(x.floor) if share > CHOSEN),
        kept_musd=_kept(question, years),
        spent_musd=float(outlays(question)[:years].sum()),
        closed=_closed(n, question.structure, x.floor, P),
    )


def signed_by(question: Question, begin: int, end: int, *, packages: bool) -> State:
    """What stands at a period `begin` of what is signed before another one, `end`, and nothing else. packages: False where only
    what owners build without support stands."""
    support, x = question.structure.support, question.solution
    signed = tuple(
        (option, float(share))
        for option, share in zip(support.options, x.sign, strict=True)
        if share > SMALL and option.signed < end and (packages or option.package.name == "none")
    )
    owners = tuple(
        (option, 1.0)
        for option in support.options
        if not packages and support.baseline[option.project] and option.signed < end and option.package.name == "none"
    )
    contracts = tuple(
        (contract, float(tonnes))
        for contract, tonnes in zip(question.structure.contracts, x.contract, strict=True)
        if packages and tonnes > SMALL and contract.start < end
    )
    floors = tuple(m for m, share in enumerate(x.floor) if packages and share > CHOSEN)
    kept = signed if packages else _once_each(owners)
    return State(
        begin,
        {},
        {},
        {},
        kept,
        contracts,
        floors,
        0.0,
        0.0,
        _closed(question.natural, question.structure, x.floor, begin) if begin else {},
    )


def _once_each(options: Sequence[tuple[Option, float]]) -> tuple[tuple[Option, float], ...]:
    """The first way of each project."""
    found: dict[int, tuple[Option, float]] = {}
    for option, share in options:
        found.setdefault(option.project, (option, share))
    return tuple(found.values())


def _missing(n: Instance, missing: Any) -> dict[tuple[str, str], float]:
    """Share of its level that each stock of users lacks."""
    return {
        (n.materials[i], n.demands[q][1] if q >= 0 else ""): float(np.clip(lacking / level, 0.0, 1.0))
        for (i, q), lacking, level in zip(n.users, missing, n.users_level, strict=True)
    }


def purchased(question: Question, name: str) -> tuple[str, str]:
    """Material and country of origin of a purchase."""
    n = question.natural
    known = {p.name: p for sets in question.structure.component_sets for p in sets.purchases}[name]
    country = n.country[known.source] if known.source >= 0 else n.offer_country[known.offer]
    return n.materials[known.material], country or ""


def outlays(question: Question) -> Any:
    """(F,) outlays of each fiscal year on the baseline course, what was signed before included [million USD]."""
    n, x, structure = question.natural, question.solution, question.structure
    unit, T = structure.instance.material_unit, n.calendar.periods
    total = np.zeros(T)
    known = {p.name: p for sets in structure.component_sets for p in sets.purchases}
    for b, name in enumerate(x.purchases):
        p = known[name]
        price = n.purchase_price(
            p, structure.trunk.price[0, p.material] / unit[p.material], structure.trunk.market_gap[0, p.material]
        )
        total += price * x.acquisition[0, b]
    total += (n.budget_holding[:, None] * x.stock[0] * n.calendar.step).sum(axis=0)
    if n.plan.budget.revolving:
        price = structure.trunk.price[0] / unit[:, None]
        total -= ((1 - n.haircut)[:, None] * price * x.disposal[0]).sum(axis=0)
    for contract, tonnes in zip(structure.contracts, x.contract, strict=True):
        total[contract.start : contract.end] += float(n.contract_fee[contract.source]) * float(tonnes)
    total += x.sign @ structure.support.outlay + x.floor @ structure.support.market_outlay
    by_year = np.array([total[n.calendar.year_index == f].sum() for f in range(len(n.calendar.years))])
    return by_year + n.carried.due


def _kept(question: Question, years: int) -> float:
    """Money that the plan may carry over: what is left, no more than the share of the year's appropriation."""
    n = question.natural
    kept, spent = 0.0, outlays(question)
    for f in range(years):
        money = float(n.appropriation[f]) + (kept if f else n.plan.budget.carried_in_musd)
        most = n.plan.budget.carry_over_share * float(n.appropriation[f])
        kept = min(most, max(0.0, money - float(spent[f])))
    return kept


def floor_place(n: Instance, name: str) -> int:
    """Place of a market floor among those of the instance: of those of the question some were dropped."""
    return [floor.name for floor in n.market_floors].index(name)


def _closed(n: Instance, structure: Structure, floors: Any, P: int) -> dict[str, float]:
    """Sources that their price has shut within the last `restart` periods, and until when they stay so."""
    at_once = replace(n, restart=np.zeros_like(n.restart))
    price, gap = structure.trunk.price[0] / structure.instance.material_unit[:, None], structure.trunk.market_gap[0]
    chosen = [structure.support.markets[m] for m, share in enumerate(floors) if share > CHOSEN]
    found = {}
    for j in range(n.sources):
        if n.restart[j] > 0:
            own = [n.market_floors[floor_place(n, m.floor.name)].floor for m in chosen if m.floor.eligible[j]]
            ok = survival(at_once, j, price, own, 0, gap)[:P]
            bad = np.flatnonzero(~ok)
            if len(bad) and bad[-1] + n.restart[j] + 1 > P:
                found[n.producers[j]] = n.calendar.first_year + n.calendar.step * float(bad[-1] + n.restart[j] + 1)
    return found


def as_done(question: Question, state: State, rows: Sequence[DoneRow]) -> State:
    """The state where some things were done otherwise than planned. Raises InputError for names that the plan does not have."""
    draft = _Draft(question, state, {row.item for row in rows if row.kind == "stock"})
    for line, row in enumerate(rows, start=2):
        draft.enter(line, row)
    if draft.faults:
        raise InputError(draft.faults)
    return draft.state


class _Draft:
    """A state while what was done otherwise is entered."""

    def __init__(self, question: Question, state: State, counted: Collection[str | None]) -> None:
        self.question, self.state, self.counted = question, state, counted
        self.faults: list[Fault] = []

    def enter(self, line: int, row: DoneRow) -> None:
        """One row, which stands in a line of its file."""
        n, support, P = self.question.natural, self.question.structure.support, self.state.periods
        contracts = {n.producers[c.source] for c in self.question.structure.contracts if c.start < P}
        packages = {self.question.option_name(option): option for option in support.options if option.signed < P}
        held = {material for material, _ in self.state.users_missing}
        called = f"{row.item}: {row.detail}"
        names: dict[str, tuple[str | None, Iterable[str], str]] = {
            "stock": (row.item, n.materials, "a material of the plan"),
            "bought": (row.item, self.question.solution.purchases, "an offer of the plan"),
            "package": (called, packages, "a project and its package, as the plan calls them"),
            "contract": (row.item, contracts, "a source that offers contracts"),
            "market_floor": (row.item, [m.floor.name for m in support.markets], "a market floor of the plan"),
            "users_missing": (row.item, held, "a material of which users hold stock"),
        }
        if row.kind in names:
            found, known, what = names[row.kind]
            if found not in set(known):
                near = near_miss(found or "", list(known))
                self.faults.append(Fault("done.csv", str(line), "item", f"'{found}'", f"{what}{near}"))
                return
        getattr(self, f"_{row.kind}")(row)

    def _stock(self, row: DoneRow) -> None:
        self.state = replace(self.state, stock={**self.state.stock, str(row.item): row.amount})

    def _bought(self, row: DoneRow) -> None:
        x = self.question.solution
        planned = float(x.acquisition[0, x.purchases.index(str(row.item)), : self.state.periods].sum())
        key = purchased(self.question, str(row.item))
        more, stock = row.amount - planned, dict(self.state.stock)
        bought = {**self.state.bought, key: max(0.0, self.state.bought.get(key, 0.0) + more)}
        if key[0] not in self.counted:
            stock[key[0]] = max(0.0, stock.get(key[0], 0.0) + more)
        self.state = replace(self.state, bought=bought, stock=stock)

    def _package(self, row: DoneRow) -> None:
        options = self.question.structure.support.options
        called = f"{row.item}: {row.detail}"
        option = next(o for o in options if o.signed < self.state.periods and self.question.option_name(o) == called)
        kept = [(o, share) for o, share in self.state.packages if o.project != option.project]
        kept += [(option, min(1.0, row.amount))] if row.amount > SMALL else []
        self.state = replace(self.state, packages=tuple(kept))

    def _contract(self, row: DoneRow) -> None:
        n, P = self.question.natural, self.state.periods
        mine = [c for c in self.question.structure.contracts if n.producers[c.source] == row.item and c.start < P]
        kept = [(c, tonnes) for c, tonnes in self.state.contracts if n.producers[c.source] != row.item]
        kept += [(mine[-1], row.amount * n.calendar.step)] if row.amount > SMALL else []
        self.state = replace(self.state, contracts=tuple(kept))

    def _market_floor(self, row: DoneRow) -> None:
        at = [m.floor.name for m in self.question.structure.support.markets].index(str(row.item))
        kept = [m for m in self.state.floors if m != at]
        self.state = replace(self.state, floors=(*kept, at) if row.amount > CHOSEN else tuple(kept))

    def _users_missing(self, row: DoneRow) -> None:
        lacking = dict(self.state.users_missing)
        for material, segment in lacking:
            if material == row.item and row.detail in ("", segment):
                lacking[material, segment] = min(1.0, row.amount)
        self.state = replace(self.state, users_missing=lacking)

    def _spent(self, row: DoneRow) -> None:
        n = self.question.natural
        f = self.state.periods // n.calendar.per_year - 1
        money = float(n.available[f]) + (_kept(self.question, f) if f else 0.0)
        most = n.plan.budget.carry_over_share * float(n.appropriation[f])
        before = self.state.spent_musd - float(outlays(self.question)[f])
        self.state = replace(
            self.state, kept_musd=min(most, max(0.0, money - row.amount)), spent_musd=max(0.0, before + row.amount)
        )

    def _money_kept(self, row: DoneRow) -> None:
        spent = self.state.spent_musd + self.state.kept_musd - row.amount
        self.state = replace(self.state, kept_musd=row.amount, spent_musd=max(0.0, spent))
