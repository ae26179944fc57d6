"""What a plan does to the prices that home users pay abroad: the audit's own reckoning.

A tonne that the plan leaves in the market abroad lowers its price, one that it takes raises it: P = P0 (1 - phi z / Q), to first
order, with phi = 1/(elasticity of supply + elasticity of demand) and Q the trade outside the controlling country. Home users then
pay phi P z / Q less for each of the M - z tonnes that they still buy there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..core.frames import Bools, Floats
from ..core.stats import SMALL_T
from ..matrix.problem import Problem
from ..matrix.solution import Solution
from ..world.instance import Instance
from .producers import PathData, asked_price, is_baseline, value_unserved

SAVED_AT = np.array([0.0, 0.02, 0.075, 0.16, 0.27, 0.385, 0.5])
"""Shares of M between which the model takes z (M - z) as straight."""
CHORDS_RAISED = 1.01
"""What it raises these chords by."""
PAID_AT = np.array([0.0, *(1 / 2**k for k in range(7, -1, -1))])
"""Shares of what is for sale abroad, or used by plants, between which it takes q (M + q) as straight; beyond as in the last."""
FILLED_FIRST = 0.9
"""Of the least loss beyond the price, the most that a tonne left in the market saves where Z0 lacks the material."""
HELD_DOWN_AT = (0.7, 0.9)
"""Shares of M at which a tangent to z (M - z) limits the saving."""


@dataclass(frozen=True)
class Trade:
    """Tonnes of each material whose price the plan moves, and that price: (W, K, T)."""

    materials: tuple[int, ...]
    bought: Floats
    """By home users of existing sources abroad."""
    offered: Floats
    """By the reserve, of offers from abroad."""
    taken: Floats
    """Both, less sales of the reserve and what contracts alone give."""
    given: Floats
    """Released, where the law lets that lower a price, sold, and made by projects that need support, less `offered`."""
    slope: Floats
    """phi P / Q [million USD a tonne, for each tonne]."""
    rise: Floats
    """How far P is above that of an undisturbed scenario, 0 where it does not [million USD/t]."""
    least_loss: Floats
    """What the tonne that is missed least costs beyond its price, inf where none is missed [million USD/t]."""

    def only(self, materials: Bools) -> Trade:
        """Of some materials (I,), with no tonne of the others."""
        kept = materials[list(self.materials)].astype(float)[None, :, None]
        return Trade(self.materials, *(*(flow * kept for flow in self._arrays[:4]), *self._arrays[4:]))

    @property
    def scenarios(self) -> Trade:
        """Without the baseline course, which comes first."""
        return Trade(self.materials, *(array[1:] for array in self._arrays))

    @classmethod
    def joined(cls, parts: Sequence[Trade]) -> Trade:
        """Of several sets of courses."""
        arrays = zip(*(part._arrays for part in parts), strict=True)
        return cls(parts[0].materials, *(np.concatenate(each) for each in arrays))

    @property
    def _arrays(self) -> tuple[Floats, ...]:
        return self.bought, self.offered, self.taken, self.given, self.slope, self.rise, self.least_loss


def trade_of(problem: Problem, x: Solution, path_data: PathData) -> Trade:
    """What a solution buys abroad, and what it gives instead."""
    n = problem.natural
    materials = tuple(int(i) for i in np.flatnonzero(n.market_trade > 0))
    known = {p.name: p for shape in problem.structure.component_sets for p in shape.purchases}
    flows = {name: np.zeros((len(x.stock), len(materials), n.calendar.periods)) for name in ("b", "o", "t", "g")}
    for k, i in enumerate(materials):
        for j in range(len(n.producers)):
            made = n.yields[j, i] * x.output[:, j] if n.yields[j, i] > 0 else 0.0
            if j >= n.sources and not is_baseline(n, n.projects[j - n.sources]):
                flows["g"][:, k] += made
            elif j < n.sources and not n.home[j] and n.yields[j, i] > 0 and (n.outside[j, i] or not n.two_markets[i]):
                flows["b"][:, k] += made
                flows["t"][:, k] -= n.yields[j, i] * contracted(problem, x, path_data, j)
        for b, name in enumerate(x.purchases):
            of = known[name]
            if of.material == i and of.offer >= 0 and n.offer_moves[of.offer]:
                flows["o"][:, k] += x.acquisition[:, b]
        flows["t"][:, k] += flows["b"][:, k] + flows["o"][:, k] - x.disposal[:, i]
        flows["g"][:, k] += x.release[:, i] * n.gives_for_price + x.disposal[:, i] - flows["o"][:, k]
    markets = [_market(n, path_data, i) for i in materials]
    none = np.zeros_like(flows["b"])
    slope, rise = (
        np.stack(each, axis=1) if each else none for each in (zip(*markets, strict=True) if markets else ((), ()))
    )
    return Trade(materials, *(*flows.values(), slope, rise, _least_loss(n, x, path_data, materials)))


def _least_loss(n: Instance, x: Solution, path_data: PathData, materials: Sequence[int]) -> Floats:
    """(W, K, T) `least_loss`."""
    found, v = np.full((len(x.stock), len(materials), n.calendar.periods), np.inf), value_unserved(path_data)
    for k, i in enumerate(materials):
        tiers = [(x.shortfall[:, t], v[:, t]) for t, (q, _) in enumerate(n.tiers) if n.demand_material[q] == i]
        steps = [(x.substitute[:, h], n.step_cost[h]) for h, (q, _) in enumerate(n.steps) if n.demand_material[q] == i]
        for missing, cost in (*tiers, *steps):
            spared = np.maximum(0.0, cost - n.price[i])
            found[:, k] = np.where(missing > SMALL_T, np.minimum(found[:, k], spared), found[:, k])
    return found


def contracted(problem: Problem, x: Solution, path_data: PathData, j: int) -> Floats:
    """(W, T) what a source gives under contracts beyond its open share while an output is tight."""
    n, shape = problem.natural, problem.structure
    reserved = np.zeros(n.calendar.periods)
    for number, contract in enumerate(shape.contracts):
        if contract.source == j:
            reserved[contract.start : contract.start + n.contract_term[j]] += x.contract[number]
    tight = np.max([path_data.crisis[:, i] for i in np.flatnonzero(n.yields[j] > 0)], axis=0)
    floored = any(j == source for sets in shape.component_sets for source, _ in sets.floors)
    alive = 1.0 if floored else path_data.alive[:, j]
    return np.asarray(tight * (1 - n.kappa[j]) * n.honoured[j] * path_data.rho[:, j] * alive * reserved)


def _market(n: Instance, path_data: PathData, i: int) -> tuple[Floats, Floats]:
    """(W, T) `slope` and `rise` of a material."""
    price = asked_price(n, i, True, path_data.price[:, i], path_data.gap[:, i])
    calm = asked_price(n, i, True, n.price[i][None])
    begun = path_data.branch[:, int(n.component[i])]
    age = np.where(begun, np.cumsum(begun, axis=1) - 1, np.arange(begun.shape[1]))
    phi = np.where(age >= n.slope_later[i], n.price_slope[i, 1], n.price_slope[i, 0])
    return phi * price / n.market_trade[i], np.where(price > calm * (1 + 1e-9), price - calm, 0.0)


def saved_abroad(plan: Trade, nothing: Trade, for_sale: Floats | None = None) -> Floats:
    """(W, K, T) what home users, and the reserve, pay less abroad than without the plan, negative where more [million USD].

    slope z (M - z), at most rise (M - z). for_sale: (K,) as `for_sale`: as the model takes it, in straight pieces, and where doing
    nothing lacks the material no more a tonne than `FILLED_FIRST` of its least loss; None: exactly."""
    m, slope, rise = nothing.bought, plan.slope, plan.rise
    z = np.minimum(nothing.taken - plan.taken, plan.given - nothing.given)
    capped = np.where(rise > 0, np.minimum(slope * m, rise), slope * m)
    more = np.maximum(0.0, -z)
    if for_sale is None:
        less = np.clip(z, 0.0, m)
        return np.where(z > 0, np.minimum(slope * less, capped) * (m - less), -slope * more * (m + more))
    still, span = plan.bought + plan.offered, slope * m
    most = np.where(span > 0, FILLED_FIRST * nothing.least_loss / np.where(span > 0, span, 1.0), 1.0)
    saved = np.zeros_like(m)
    for begin, end in pairwise(SAVED_AT):
        part = np.minimum(most, CHORDS_RAISED * (1 - begin - end))
        saved += span * part * np.clip(z - begin * m, 0.0, (end - begin) * m)
    for a in HELD_DOWN_AT:
        saved = np.minimum(saved, slope * m * (m * (1 - a) ** 2 - (1 - 2 * a) * still))
    saved = np.minimum(saved, capped * still)
    square = np.stack([_square(more[:, k], most) for k, most in enumerate(for_sale)], axis=1) if len(for_sale) else more
    return np.where(z > 0, saved, -slope * (m * more + square))


def for_sale(n: Instance, materials: Sequence[int]) -> Floats:
    """(K,) what offers of each material from abroad sell, and plants at home and projects use, in a period [t]."""
    sums = []
    for i in materials:
        offers = zip(n.offer_material, n.offer_moves, n.offer_depth, strict=True)
        most = sum(float(depth) for of, moves, depth in offers if of == i and moves)
        for j in range(len(n.producers)):
            if n.home[j] or j >= n.sources:
                most += float(n.capacity[j].max()) * max(0.0, -float(n.yields[j, i]))
        sums.append(most)
    return np.array(sums)


def _square(q: Floats, most: float) -> Floats:
    """q**2, straight between the ends of the model's pieces."""
    ends = most * PAID_AT
    at = np.interp(q, ends, ends**2) if most > 0 else np.zeros_like(q)
    return np.asarray(at + np.maximum(0.0, q - ends[-1]) * (ends[-2] + ends[-1]))
