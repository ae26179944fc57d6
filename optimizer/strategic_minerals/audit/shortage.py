"""What a tonne unserved costs on every path, how much of a tier can go unserved, and users' own stocks: the audit's own reckoning.

Section 13 of the formulation in plain loops over tonnes; axes and units are those of `scenario_data`.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ..core.arrays import Floats
from ..instance.instance import Instance
from .producers import asked_price
from .scenario_data import PathData

Cuts = tuple[tuple[float, float], ...]
"""(begin, end) of cuts [decimal fiscal years]."""


def dearest(n: Instance, i: int, price: Floats, gap: Floats | None = None) -> Floats:
    """(W, T) dearest that any producer sells a material at, premium and market counted, and at least the lower market's price."""
    found = price.copy()
    for j in range(len(n.producers)):
        if n.yields[j, i] > 0:
            found = np.maximum(found, (1 + n.premium[j]) * asked_price(n, i, n.outside[j, i], price, gap))
    return found


def value_unserved(path_data: PathData, P: Floats, gap: Floats) -> Floats:
    """(W, N, T) v at prices P (W, I, T), outside at least gap (W, I, T) times as high  [million USD/t].

    Without rows of adaptation base price + named loss, and what the dearest market asks beyond one market undisturbed; with them
    max(P0, P) where dearest + multiplier * named loss.
    """
    n = path_data.instance
    v = np.empty((P.shape[0], len(n.tiers), P.shape[2]))
    multipliers: dict[int, Floats] = {}
    for k, (q, _) in enumerate(n.tiers):
        if not n.adaptation[q]:
            i = int(n.demand_material[q])
            calm = n.price[i][None]
            makers = [j for j in range(len(n.producers)) if n.yields[j, i] > 0]
            alone = calm * (1 + max([0.0, *(float(n.premium[j]) for j in makers)]))
            v[:, k] = n.tier_loss[k] + dearest(n, i, calm) - alone
            continue
        if q not in multipliers:
            multipliers[q] = multiplier(path_data, q)
        i = int(n.demand_material[q])
        price = dearest(n, i, np.maximum(n.price[i], P[:, i]), gap[:, i])
        v[:, k] = price + multipliers[q] * n.tier_named[k]
    return v


def value_at_risk(path_data: PathData) -> Floats:
    """(W, N, T) v at the trunk's prices, as risk measures count it  [million USD/t]."""
    return value_unserved(path_data, *path_data.undisturbed)


def multiplier(path_data: PathData, q: int) -> Floats:
    """(W, T) mean multiplier of a demand's named loss while a cut is in force in a period, 1 where none is."""
    n = path_data.instance
    c = int(n.component[n.demand_material[q]])
    own = n.chain[n.demand_material[q]]
    names = {name for name, of in zip(n.materials, n.chain, strict=True) if of == own}
    out = np.ones((1 + len(path_data.scenarios.names), n.calendar.periods))
    known: dict[Cuts, Floats] = {}
    trunk = path_data.scenarios.trunk
    courses = [(), *path_data.scenarios.events] if trunk is None else [*trunk.events, *path_data.scenarios.events]
    for w, events in enumerate(courses):
        cuts = tuple(
            (e.start + e.flood, e.start + e.flood + e.duration)
            for e in events
            if e.duration > 0 and ("*" in e.materials.split() or names & set(e.materials.split()))
        )
        if cuts and cuts not in known:
            known[cuts] = _by_period(n, cuts, n.adaptation[q])
        if cuts:
            out[w] = known[cuts]
        if w > 0:
            out[w] = np.where(path_data.branch[w, c], out[w], out[0])
    return out


def _by_period(n: Instance, cuts: Cuts, rows: tuple[tuple[float, float], ...]) -> Floats:
    """(T,) mean over the time of each period in which a cut is in force, of what holds so long after the latest one began."""
    D, found = n.calendar.step, np.ones(n.calendar.periods)
    turns = {edge for begin, end in cuts for edge in (begin, end, *(begin + month / 12 for month, _ in rows))}
    for t in range(n.calendar.periods):
        opens = n.calendar.first_year + D * t
        edges = sorted({opens, opens + D, *(edge for edge in turns if opens < edge < opens + D)})
        time, total = 0.0, 0.0
        for a, b in pairwise(edges):
            middle = (a + b) / 2
            begun = [begin for begin, end in cuts if begin <= middle < end]
            if begun:
                since = 12 * (middle - max(begun))
                value = [1.0, *(m for month, m in rows if month <= since)][-1]
                time, total = time + (b - a), total + value * (b - a)
        if time > 1e-9 * D:
            found[t] = total / time
    return found


def tier_room(path_data: PathData, k: int) -> Floats:
    """(W, T) share of its segment's demand that a tier can leave unserved, `loss.spikes` counted."""
    n = path_data.instance
    q, tier = n.tiers[k]
    out = np.full(path_data.demand[:, q].shape, float(n.tier_share[k]))
    if not n.plan.loss.spikes:
        return out
    others = [(m, other) for m, (of, other) in enumerate(n.tiers) if of == q]
    under = path_data.lasting(int(n.demand_material[q]))
    if tier == max(other for _, other in others):
        for m, other in others:
            if other != tier:
                out = out + float(n.tier_share[m]) * (1 - under)
        return out
    return out * under


def missing_cost(path_data: PathData, u: int, P: Floats, gap: Floats) -> Floats:
    """(W, T) cost of a tonne missing from a stock of users for a period, undiscounted  [million USD/t].

    P0 (1 - (1+r)**-D + convenience D), and in the last period max(P0, P) where dearest, times beta[T+1]/beta[T].
    """
    n = path_data.instance
    i, D, T = n.users[u][0], n.calendar.step, n.calendar.periods
    calm = n.price[i][None]
    cost = np.broadcast_to(
        calm * (1 - (1 + n.calendar.rate) ** -D + n.plan.users_convenience_share * D), P[:, i].shape
    ).copy()
    again = dearest(n, i, np.maximum(calm, P[:, i]), gap[:, i])[:, T - 1]
    cost[:, T - 1] += again * n.calendar.beta[T] / n.calendar.beta[T - 1]
    return cost
