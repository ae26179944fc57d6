"""Perfect foresight: the best that any plan could have done under one loss function, as an upper bound.

A linear program for each function: tonnes bought by step and quarter, released and sold, with the depth, the controls, the
holding cost, the haircut and the budget that bind the others, and every price and loss known beforehand. Release is free here
and a rule elsewhere, so that no plan can do better.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_matrix, vstack

from .execution import KG_PER_T, MUSD
from .realised import CASES, RealisedMarket
from .scores import Scorer
from .timeline import PER_YEAR, first_day, last_day, middle_of, share_within


@dataclass(frozen=True)
class Foresight:
    """Best net, and what was bought for it."""

    net_musd: float
    spent_musd: float
    covered_t: dict[str, float]


@dataclass
class Program:
    """A linear program as it is written down: columns with worth, limit and money; rows as triples."""

    cost: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    money: list[float] = field(default_factory=list)
    about: list[tuple[str, str]] = field(default_factory=list)
    entries: list[tuple[int, int, float]] = field(default_factory=list)
    equal: list[bool] = field(default_factory=list)

    def column(self, kind: str, material: str, worth: float, most: float = np.inf, money: float = 0.0) -> int:
        """A new column; its number."""
        self.cost.append(-worth)
        self.upper.append(most)
        self.money.append(money)
        self.about.append((kind, material))
        return len(self.cost) - 1

    def row(self, entries: Sequence[tuple[int, float]], *, equal: bool) -> None:
        """A new row, equal to zero or at most zero."""
        self.entries += [(len(self.equal), at, value) for at, value in entries]
        self.equal.append(equal)

    def best(self, budget_musd: float, what: str) -> NDArray[np.float64]:
        """Columns of the best answer within the budget."""
        rows, columns, values = zip(*self.entries, strict=True)
        matrix = csr_matrix((values, (rows, columns)), shape=(len(self.equal), len(self.cost)))
        equal = np.array(self.equal)
        limits = vstack([matrix[np.flatnonzero(~equal)], csr_matrix(np.array(self.money)[None, :])])
        solver: Any = linprog  # its stubs know no sparse matrices
        solved = solver(
            np.array(self.cost),
            A_eq=matrix[np.flatnonzero(equal)],
            b_eq=np.zeros(int(equal.sum())),
            A_ub=limits,
            b_ub=np.append(np.zeros(int((~equal).sum())), budget_musd),
            bounds=[(0.0, most) for most in self.upper],
            method="highs",
        )
        if solved.x is None:
            raise ArithmeticError(f"no upper bound under {what}: {solved.message}")
        return np.asarray(solved.x)


def foresight(
    scorer: Scorer, function: str, materials: Sequence[str], buying: Sequence[int], budget_musd: float, case: str
) -> Foresight:
    """The upper bound under a function. buying: quarters in which the budget may be spent."""
    program = Program()
    for material in materials:
        if material in scorer.terms and scorer.history.end_price(material) is not None:
            _write(program, scorer, function, material, frozenset(buying), case)
    if not program.cost:
        return Foresight(0.0, 0.0, {})
    best = program.best(budget_musd, function)
    covered: dict[str, float] = {}
    for (kind, material), amount in zip(program.about, best, strict=True):
        if kind == "release":
            covered[material] = covered.get(material, 0.0) + float(amount)
    return Foresight(-float(np.array(program.cost) @ best), float(np.array(program.money) @ best), covered)


def _write(program: Program, scorer: Scorer, function: str, material: str, buying: Set[int], case: str) -> None:
    """One material: after = before + bought - released - sold, and no more goes out than was there before the quarter."""
    n, market, own = CASES.index(case), RealisedMarket(scorer.history, case), scorer.terms[material]
    losses, end = scorer.releasable(), scorer.history.settings.end
    last = scorer.history.end_price(material)
    before: int | None = None
    for quarter in scorer.quarters:
        price, carried = market.price(material, quarter), scorer.carried(middle_of(quarter))
        per_t = 0.0 if price is None else price * KG_PER_T / MUSD
        share = share_within(quarter, first_day(quarter), min(last_day(quarter), end))
        held = per_t * own.holding_share_per_yr / PER_YEAR * share * carried / 2
        final = quarter == scorer.quarters[-1] and last is not None
        worth = last[n] * (1 - own.haircut_share) * KG_PER_T / MUSD if final and last is not None else 0.0
        balance = [(program.column("stock", material, worth - held), 1.0)]
        after = balance[0][0]
        if before is not None:
            program.cost[before] += held
            balance.append((before, -1.0))
        if price is not None and quarter in buying:
            room = max(0.0, 1 - market.closed(material, quarter, own)) / PER_YEAR
            for depth, premium in zip(own.depth_t_per_yr, own.premium_share, strict=True):
                paid = per_t * (1 + premium)
                balance.append((program.column("buy", material, -paid * carried, depth * room, paid), -1.0))
        if before is not None:
            out = []
            if price is not None:
                proceeds = per_t * (1 - own.haircut_share) * carried
                out.append((program.column("sell", material, proceeds, own.depth / PER_YEAR), 1.0))
            if (material, quarter) in losses:
                value = scorer.value(function, material, quarter, n) or 0.0
                out.append((program.column("release", material, value / MUSD, losses[material, quarter][n]), 1.0))
            if out:
                program.row([*out, (before, -1.0)], equal=False)
            balance += out
        program.row(balance, equal=True)
        before = after
