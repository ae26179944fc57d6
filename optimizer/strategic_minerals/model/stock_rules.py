"""Rules that a law can state for a stock: when it may be released and to whom, and by when it has to be full again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyomo.environ as pyo

from ..core.frames import Floats, Ints
from ..world.events import ScenarioSet
from ..world.instance import Instance
from .sets import ComponentSets, Structure

Stand = Callable[[str, Any, int], Any]
"""(variable, index, period) -> the Pyomo variable that holds it."""

STOCK_RULE_PARAMS: dict[str, str] = {
    "refill_due": "1 in the period by whose end a stock has to be full again, else 0 [-]",
    "refill_from": "share of the stock before the event that it has to be back to, at that period, else 0 [-]",
}
"""Mutable Params of a branch block, by refill rule and period."""


def stock_rule_param_keys(structure: Structure, sets: ComponentSets) -> dict[str, list[Any]]:
    """Index of each of them."""
    T = range(structure.instance.calendar.periods)
    return {name: [(k, t) for k, _ in enumerate(sets.refills) for t in T] for name in STOCK_RULE_PARAMS}


def stock_rule_param_values(structure: Structure, sets: ComponentSets, S: Ints) -> dict[str, Floats]:
    """(n, keys) values of each in some scenarios.

    due: the period that ends n years after the last event; from: share (1 - decay)**(periods in between), at the last period before
    the onset. Where the horizon ends before, there is no duty."""
    instance, scenarios = structure.instance, structure.scenarios
    T, n = instance.calendar.periods, len(S)
    due, begin = np.zeros((n, len(sets.refills), T)), np.zeros((n, len(sets.refills), T))
    for k, (i, rule) in enumerate(sets.refills):
        allowed = instance.calendar.lasting(rule.refill_within_years or 0.0)
        for row, s in enumerate(S):
            onset, last = int(scenarios.onset[s, sets.component]), int(scenarios.end[s, sets.component]) - 1 + allowed
            if last < T:
                due[row, k, last] = 1.0
                begin[row, k, onset - 1] = rule.refill_share * (1 - instance.decay[i]) ** (last - onset + 1)
    width = len(sets.refills) * T
    return {"refill_due": due.reshape(n, width), "refill_from": begin.reshape(n, width)}


def add_refill(b: pyo.Block, structure: Structure, sets: ComponentSets, own: Stand, trunk: Stand) -> None:
    """A stock that was drawn down is full again some years after the last event; what decays in between counts.

    stock[i, end+n] >= share (1-decay)**(end+n-onset+1) stock_trunk[i, onset-1]                       [unit]  for each refill rule
    Nothing released is enough, unless the baseline course sells of the stock."""
    T = range(structure.instance.calendar.periods)

    def back(b: Any, k: int) -> Any:
        i = sets.refills[k][0]
        now = sum(b.refill_due[k, t] * own("stock", i, t) for t in T)
        before = sum(b.refill_from[k, t] * trunk("stock", i, t) for t in T)
        return before - now <= 0

    b.refill = pyo.Constraint(range(len(sets.refills)), rule=back)


def lost_share(instance: Instance, scenarios: ScenarioSet, material: int) -> Floats:
    """(S, T) share of the usual supply of a material's sources, of a qualified form those of what it is made of, that does not
    arrive; 0 where they usually give nothing."""
    n, material = instance.sources, int(instance.form_of[material])
    made = np.maximum(instance.yields[:n, material], 0.0)[:, None] * instance.capacity[:n] * instance.usual[:n]
    usual = (made * instance.availability[:n]).sum(axis=0)
    over = np.where(instance.usual[:n] > 0, instance.usual[:n], 1.0)
    arrives = np.minimum(1.0, scenarios.availability[:, :n] / over)
    comes = np.einsum("jt,sjt->st", made, arrives)
    return np.asarray(np.where(usual > 0, 1 - comes / np.where(usual > 0, usual, 1.0), 0.0))


def released_at_most(structure: Structure, i: int, release: Floats, w: Ints, on_trunk: Any, t: Ints) -> Floats:
    """(n,) most that is released of a material under the rules on it: nothing where too little is lost, no more than the segments
    that it may serve want."""
    instance, scenarios, trunk = structure.instance, structure.scenarios, structure.trunk
    for rule in instance.plan.stock_rules:
        if rule.material != instance.materials[i]:
            continue
        if rule.from_lost_share > 0:
            lost = np.where(on_trunk, lost_share(instance, trunk, i)[0, t], lost_share(instance, scenarios, i)[w, t])
            release = np.where(lost >= rule.from_lost_share - 1e-9, release, 0.0)
        if "*" not in rule.segments:
            mine = [
                q
                for q, (name, segment) in enumerate(instance.demands)
                if name == rule.material and segment in rule.segments
            ]
            wanted = np.where(
                on_trunk,
                trunk.demand(instance, mine)[0].sum(axis=0)[t],
                scenarios.demand(instance, mine).sum(axis=1)[w, t],
            )
            release = np.minimum(release, wanted)
    return release
