"""The whole model written out in Pyomo, every period of the trunk and of every branch: to read, extend, export.

The solver gets the same model stamped from compiled blocks (`stamp.py`); a test holds the two together entry by entry.
"""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo

from ..layout import TRUNK, Layout
from ..stamp_data import branch_values, period_values, period_weights
from .branch import add_branch
from .commitments import add_commitments, add_variables
from .period import Links, add_period
from .risk import add_world


def flat_model(layout: Layout) -> pyo.ConcreteModel:
    """The flat model, in model units and million USD, least social cost.

    Blocks: `commitments`, `period[component, world, t]` (world -1: the trunk), `branch[component, world]`, `world[s]`.
    """
    m = pyo.ConcreteModel(name=layout.instance.plan.name)
    m.commitments = pyo.Block()
    m.period, m.branch, m.world = pyo.Block(pyo.Any), pyo.Block(pyo.Any), pyo.Block(pyo.Any)
    add_variables(m.commitments, layout)
    for c in range(len(layout.shapes)):
        add_periods(m, layout, c)
        add_branches(m, layout, c)
    add_worlds(m, layout)
    add_commitments(
        m.commitments, layout,
        trunk=lambda c, name, key, t: getattr(m.period[c, TRUNK, t], name)[key],
        world=lambda name, s: getattr(m.world[s], name),
    )  # fmt: skip
    m.social_cost = pyo.Objective(expr=social_cost(m, layout))
    return m


def add_periods(m: pyo.ConcreteModel, layout: Layout, c: int) -> None:
    """Operations of a component: the trunk from period 1, each branch from its onset on the trunk's stocks."""
    shape, stamps = layout.shapes[c], layout.stamps[c]
    values = period_values(layout, shape, stamps)
    for n in range(stamps.count):
        before = int(stamps.previous[n])
        stock = {}
        if before >= 0:
            block = m.period[c, int(stamps.world[before]), int(stamps.period[before])]
            stock = {i: block.stock[i] for i in shape.stocked}
        root = m.commitments
        add_period(
            m.period[c, int(stamps.world[n]), int(stamps.period[n])], layout, shape,
            Links(stock, root.contract, root.operating, root.floor), {name: array[n] for name, array in values.items()},
        )  # fmt: skip


def add_branches(m: pyo.ConcreteModel, layout: Layout, c: int) -> None:
    """Rows that tie the periods of each branch of a component."""
    shape, stamps = layout.shapes[c], layout.stamps[c]
    values = branch_values(layout, shape, stamps)
    for n, s in enumerate(stamps.branches):
        onset = int(layout.worlds.onset[s, c])

        def own(name: str, key: Any, t: int, s: int = s, onset: int = onset) -> Any:
            return getattr(m.period[c, TRUNK if t < onset else s, t], name)[key]

        add_branch(
            m.branch[c, s], layout, shape, own,
            trunk=lambda name, key, t: getattr(m.period[c, TRUNK, t], name)[key],
            values={name: array[n] for name, array in values.items()},
        )  # fmt: skip


def add_worlds(m: pyo.ConcreteModel, layout: Layout) -> None:
    """Rows that tie the components of each world."""
    root = m.commitments
    for s in range(len(layout.worlds.names)):

        def part(name: str, key: Any, c: int, s: int = s) -> Any:
            touched = s in layout.stamps[c].first
            if name == "loss":
                return m.branch[c, s].loss if touched else m.commitments.trunk_loss[c]
            return m.branch[c, s].extra[key] if touched and key in m.branch[c, s].extra else None

        add_world(m.world[s], layout, part, root.value_at_risk if layout.uses_risk else None, lambda f: root.unspent[f])


def social_cost(m: pyo.ConcreteModel, layout: Layout) -> Any:
    """Expected discounted costs + commitments + soft penalties + lambda * CVaR  [million USD] (formulation section 7)."""
    credit = layout.instance.plan.residual
    total = m.commitments.commitment_cost - credit * m.commitments.residual_credit
    for c, stamps in enumerate(layout.stamps):
        weights = period_weights(layout, stamps, c)
        for n in range(stamps.count):
            block = m.period[c, int(stamps.world[n]), int(stamps.period[n])]
            total += float(weights[n]) * block.cost + block.penalty
        total += sum(m.branch[c, s].penalty for s in stamps.branches)
    risk = layout.instance.plan.risk
    if layout.uses_risk and risk.cvar_weight > 0:
        share = risk.cvar_weight / (1 - risk.alpha)
        tail = sum(share * float(pi) * m.world[s].tail for s, pi in enumerate(layout.worlds.probability))
        total += risk.cvar_weight * m.commitments.value_at_risk + tail
    return total
