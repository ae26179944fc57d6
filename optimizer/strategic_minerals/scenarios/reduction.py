"""Many drawn scenarios -> few that stand for them: k-medoids on what the scenarios would cost, the tail apart.

Each kept scenario is one of those drawn and carries the probability of its cluster. Scenarios in the worst tenth by loss are
clustered apart from the rest, so that the tail keeps its weight (stratified scenario reduction; cf. Heitsch and Roemisch 2003).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..core.arrays import Bools, Floats, Ints
from ..core.runner import checkpoint
from ..instance.instance import Instance
from .risk_measures import cvar_of
from .scenario_set import ScenarioSet, squeeze_of_outputs

TAIL = 0.1
"""Probability of the worst scenarios that are clustered apart."""
TAIL_SHARE = 0.4
"""Share of the kept scenarios that the tail gets: it decides CVaR and much of the loss."""
ROUNDS = 30


@dataclass(frozen=True)
class Reduction:
    """Which of the drawn scenarios are kept, with what probability, and what the reduction does to the loss of doing nothing."""

    kept: Ints
    """(n,) indices of drawn scenarios."""
    probability: Floats
    """(n,) sums to one."""
    drawn: int
    expected: tuple[float, float]
    """Expected loss (proxy) over the drawn and over the kept scenarios [million USD]."""
    cvar: tuple[float, float]
    """CVaR at the plan's `risk.alpha` of the same."""
    alpha: float


def loss_proxy(instance: Instance, scenarios: ScenarioSet) -> Floats:
    """(S, I) discounted loss of a scenario by material: `losses_by_period`, added up; 0 for those that risk measures leave out
    [million USD]."""
    by_material = [lost.sum(axis=1) for lost in losses_by_period(instance, scenarios)]
    return np.stack(by_material, axis=1) * instance.at_risk


def losses_by_period(instance: Instance, scenarios: ScenarioSet) -> Iterator[Floats]:
    """(S, T) discounted losses of each material in turn, were nothing done and no chain rearranged  [million USD].

    shortage = max(0, delta*demand + inputs of plants - rho*kappa*K*y), beyond what is short undisturbed, borne by the tiers and
    substitution steps with the least loss first. A stand-in that orders scenarios; the solver's losses come later.
    """
    n = instance.sources
    beta = instance.calendar.beta[:-1]
    makes = instance.yields[:n] > 0
    squeezed = np.where(scenarios.tight, scenarios.squeeze, 0.0)
    crisis = squeeze_of_outputs(squeezed, makes)
    running = scenarios.availability[:, :n] * instance.capacity[:n] * (1 - crisis * (1 - instance.kappa[:n, None]))
    for i in range(len(instance.materials)):
        checkpoint()
        mine = instance.demand_material == i
        outputs = np.maximum(instance.yields[:n, i], 0.0)
        use = np.tensordot(np.maximum(-instance.yields[:n, i], 0.0), instance.capacity[:n], axes=1)
        usual = instance.demand[mine].sum(axis=0) + use - outputs @ (instance.capacity[:n] * instance.availability[:n])
        wanted = scenarios.demand(instance, mine).sum(axis=1)
        left = np.maximum(0.0, wanted + use - np.tensordot(outputs, running, axes=(0, 1)) - np.maximum(0.0, usual))
        loss = np.zeros_like(left)
        for worth, q, share in _merit_order(instance, mine):
            part = np.minimum(left, share * scenarios.demand(instance, q))
            loss += worth * part
            left = left - part
        yield (loss + float(instance.base_price[i]) * left) * beta  # what only plants lack, at its price


def _merit_order(instance: Instance, mine: Bools) -> list[tuple[float, int, float]]:
    """(loss per tonne, demand, share of it) of tiers and substitution steps of some demands, the least painful first."""
    tiers = [
        (float(instance.tier_loss[k]), q, float(instance.tier_share[k]))
        for k, (q, _) in enumerate(instance.tiers)
        if mine[q]
    ]
    steps = [
        (float(instance.step_cost[h]), q, float(instance.step_limit[h]))
        for h, (q, _) in enumerate(instance.steps)
        if mine[q]
    ]
    return sorted([*tiers, *steps])


def reduce(instance: Instance, scenarios: ScenarioSet, n: int) -> Reduction:
    """Keep n of the drawn scenarios. Deterministic; the same scenarios give the same answer."""
    by_material = loss_proxy(instance, scenarios)
    total = by_material.sum(axis=1)
    pi, alpha = scenarios.probability, instance.plan.risk.alpha
    features = _features(instance, scenarios, by_material)
    order = np.argsort(-total, kind="stable")
    tail_size = int(np.searchsorted(np.cumsum(pi[order]), TAIL, side="right"))
    strata = [order[:tail_size], order[tail_size:]]
    counts = _shares(n, [len(stratum) for stratum in strata])
    kept: list[int] = []
    weight: list[float] = []
    for stratum, count in zip(strata, counts, strict=True):
        if len(stratum) and count:
            medoid, of = _medoids(features[stratum], pi[stratum], count)
            kept += [int(k) for k in stratum[medoid]]
            weight += [float(pi[stratum][of == m].sum()) for m in range(len(medoid))]
    probability = np.array(weight) / sum(weight)
    chosen = np.array(kept, dtype=int)
    return Reduction(
        chosen,
        probability,
        len(total),
        (float(pi @ total), float(probability @ total[chosen])),
        (cvar_of(total, pi, alpha), cvar_of(total[chosen], probability, alpha)),
        alpha,
    )


def _shares(n: int, sizes: list[int]) -> list[int]:
    """Scenarios kept in the tail and in the rest."""
    tail = min(sizes[0], max(1 if sizes[0] else 0, round(TAIL_SHARE * n)))
    rest = min(sizes[1], n - tail)
    return [min(sizes[0], n - rest), rest]


def _features(instance: Instance, scenarios: ScenarioSet, loss: Floats) -> Floats:
    """(S, F) what tells scenarios apart: square roots of the losses by material and of the total, and when each is touched.

    Roots make a scenario's small losses count beside its large ones; dates matter because plans differ before and after them.
    """
    T = instance.calendar.periods
    total = loss.sum(axis=1, keepdims=True)
    scale = np.sqrt(max(float(total.max(initial=0.0)), 1e-12))
    by_component = np.stack(
        [loss[:, instance.component == c].sum(axis=1) for c in range(len(instance.components))], axis=1
    )
    weight = np.sqrt(by_component.mean(axis=0) / max(float(by_component.mean(axis=0).max(initial=0.0)), 1e-12))
    dates = scenarios.onset / T * weight
    return np.concatenate([np.sqrt(loss) / scale, np.sqrt(total) / scale, 0.5 * dates], axis=1)


def _medoids(x: Floats, weight: Floats, k: int) -> tuple[Ints, Ints]:
    """(medoids, cluster of each point): greedy spread for a start, then alternate until nothing moves."""
    k = min(k, len(x))
    medoid = [int(np.argmin(((x - np.average(x, axis=0, weights=weight)) ** 2).sum(axis=1)))]
    near = ((x - x[medoid[0]]) ** 2).sum(axis=1)
    while len(medoid) < k and float((weight * near).max()) > 0:  # no more points that differ
        medoid.append(int(np.argmax(weight * near)))
        near = np.minimum(near, ((x - x[medoid[-1]]) ** 2).sum(axis=1))
    chosen = np.array(medoid)
    of = np.zeros(len(x), dtype=int)
    for _ in range(ROUNDS):
        checkpoint()
        of = np.stack([((x - x[m]) ** 2).sum(axis=1) for m in chosen], axis=1).argmin(axis=1)
        before = chosen.copy()
        for m in range(len(chosen)):
            mine = np.flatnonzero(of == m)
            if len(mine):
                centre = np.average(x[mine], axis=0, weights=weight[mine])
                chosen[m] = mine[int(np.argmin(((x[mine] - centre) ** 2).sum(axis=1)))]
        if (chosen == before).all():
            break
    return chosen, of
