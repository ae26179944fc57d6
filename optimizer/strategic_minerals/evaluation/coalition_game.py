"""How a gain can be divided among those who make it together: the core, the least payments, the Shapley value.

A game gives every coalition what it can get by itself. A division is in the core where no member, pair or larger group gets more
apart (Gillies 1959); where there is none, the least that somebody outside would have to add is its cost of stability (Bachrach and
others 2009). The Shapley value (1953) gives each its mean addition over all orders in which the coalition can come together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.optimize import linprog

Coalition = frozenset[str]


@dataclass(frozen=True)
class Division:
    """What each member gets, and what is paid for it."""

    shares: Mapping[str, float]
    payments: Mapping[str, float]
    """What each receives of the others, negative where it pays."""
    paid: float
    """Sum of what is paid."""


def coalitions_of(members: Sequence[str]) -> list[Coalition]:
    """Every coalition, from single members to all of them, in the order of the members."""
    return [frozenset(chosen) for size in range(1, len(members) + 1) for chosen in combinations(members, size)]


def in_core(members: Sequence[str], worth: Mapping[Coalition, float], before: Mapping[str, float]) -> Division | None:
    """The division of the core that takes the least payments from what members have before any; None where the core is empty.

    worth: of every coalition. before: what each member gains where nobody pays anybody; adds up to the worth of all.
    Among divisions that take the same payments, the one that spreads them: the most that one pays and that one receives are least.
    """
    n, everybody = len(members), frozenset(members)
    # x (n), t (n) >= |x - before|; minimise sum t / 2
    rows, limits = _keeping(members, worth, extra=n)
    for k, name in enumerate(members):
        for sign in (1.0, -1.0):
            row = np.zeros(2 * n)
            row[k], row[n + k] = sign, -1.0
            rows.append(row)
            limits.append(sign * before[name])
    whole = np.concatenate([np.ones(n), np.zeros(n)])
    bounds = [(None, None)] * n + [(0, None)] * n
    cost = np.concatenate([np.zeros(n), np.full(n, 0.5)])
    total = [worth[everybody]]
    found = linprog(cost, np.array(rows), limits, whole[None], total, bounds, method="highs")
    if found.status != 0:
        return None
    least = float(found.fun or 0.0)
    # of all that cost as little: the one in which the most that one pays, and the most that one receives, are least
    spread = np.zeros((2 * n, 2 * n + 2))
    for k in range(n):
        spread[k, [k, 2 * n]] = -1.0, -1.0
        spread[n + k, [k, 2 * n + 1]] = 1.0, -1.0
    own = [before[name] for name in members]
    wide = np.vstack([np.pad(np.array([*rows, cost]), ((0, 0), (0, 2))), spread])
    room = [*limits, least + 1e-9 * max(1.0, abs(least)), *(-v for v in own), *own]
    objective = np.concatenate([np.zeros(2 * n), [1.0, 1.0]])
    even = linprog(
        objective, wide, room, np.append(whole, [0, 0])[None], total, [*bounds, *[(0, None)] * 2], method="highs"
    )
    x = np.asarray((even if even.status == 0 else found).x)[:n]
    shares = {name: float(v) for name, v in zip(members, x, strict=True)}
    payments = {name: shares[name] - before[name] for name in members}
    return Division(shares, payments, sum(max(0.0, v) for v in payments.values()))


def cost_of_stability(members: Sequence[str], worth: Mapping[Coalition, float]) -> float:
    """The least that somebody else has to add so that no coalition gets more apart; 0 where the core is not empty."""
    rows, limits = _keeping(members, worth, extra=0)
    found = linprog(np.ones(len(members)), np.array(rows), limits, bounds=[(None, None)] * len(members), method="highs")
    return max(0.0, float(found.fun or 0.0) - worth[frozenset(members)])


def shapley(members: Sequence[str], worth: Mapping[Coalition, float]) -> dict[str, float]:
    """Mean addition of each member over all orders in which they can come together."""
    n = len(members)
    found = dict.fromkeys(members, 0.0)
    for name in members:
        others = [other for other in members if other != name]
        for size in range(n):
            weight = math.factorial(size) * math.factorial(n - size - 1) / math.factorial(n)
            for chosen in combinations(others, size):
                without = frozenset(chosen)
                found[name] += weight * (worth[without | {name}] - worth.get(without, 0.0))
    return found


def _keeping(
    members: Sequence[str], worth: Mapping[Coalition, float], extra: int
) -> tuple[list[np.ndarray[tuple[int], np.dtype[np.float64]]], list[float]]:
    """Rows that say that no proper coalition gets more apart: -sum of its shares <= -its worth; `extra` columns of zeros follow."""
    rows, limits = [], []
    for coalition in coalitions_of(members)[:-1]:
        row = np.zeros(len(members) + extra)
        row[[k for k, name in enumerate(members) if name in coalition]] = -1.0
        rows.append(row)
        limits.append(-worth[coalition])
    return rows, limits
