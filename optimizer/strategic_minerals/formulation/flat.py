"""The whole model written out in Pyomo, every period of the trunk and of every branch: to read, extend, export.

The solver gets the same model stamped from compiled blocks (`model/instantiate.py`); a test holds the two together entry by entry.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pyomo.environ as pyo

from .branch import add_branch
from .commitments import add_commitments, add_variables, cvar, trunk_spending
from .operations import Links, add_period
from .parameters import branch_values, penalty_weights, period_values, period_weights, root_values
from .scenario import add_world
from .structure import STAGES, TRUNK, Structure


def flat_model(layout: Structure) -> pyo.ConcreteModel:
    """The flat model, in model units and million USD; the first stage of the plan's aim is its active objective.

    Blocks: `commitments`, `period[component, world, t]` (world -1: the trunk), `branch[component, world]`, `world[s]`.
    """
    m = pyo.ConcreteModel(name=layout.instance.plan.name)
    m.commitments = pyo.Block()
    m.period, m.branch, m.world = pyo.Block(pyo.Any), pyo.Block(pyo.Any), pyo.Block(pyo.Any)
    values = root_values(layout)
    add_variables(m.commitments, layout, {name: array[0] for name, array in values.items()})
    for c in range(len(layout.shapes)):
        add_periods(m, layout, c)
        add_branches(m, layout, c)
    add_worlds(m, layout)
    trunk = partial(trunk_variable, m)
    add_commitments(m.commitments, layout, trunk, world=lambda name, s: getattr(m.world[s], name))
    add_aims(m, layout)
    return m


def trunk_variable(m: pyo.ConcreteModel, c: int, name: str, key: Any, t: int) -> Any:
    """A variable of the trunk's operations."""
    return getattr(m.period[c, TRUNK, t], name)[key]


def add_aims(m: pyo.ConcreteModel, layout: Structure) -> None:
    """One objective a stage of the plan's aim, by name; only the first is active. `m.stages` gives their order.

    A later stage is solved with the earlier ones held at their value and slack, as `solve` does (formulation section 7).
    """
    m.stages = STAGES[layout.instance.plan.objective.kind]
    ways = {"social_cost": social_cost, "risk": weighted_risk, "spending": spending}
    for name in m.stages:
        m.add_component(name, pyo.Objective(expr=ways[name](m, layout)))
    for name in m.stages[1:]:
        getattr(m, name).deactivate()


def add_periods(m: pyo.ConcreteModel, layout: Structure, c: int) -> None:
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
            m.period[c, int(stamps.world[n]), int(stamps.period[n])],
            layout,
            shape,
            Links(stock, root.contract, root.operating, root.floor),
            {name: array[n] for name, array in values.items()},
        )


def add_branches(m: pyo.ConcreteModel, layout: Structure, c: int) -> None:
    """Rows that tie the periods of each branch of a component."""
    shape, stamps = layout.shapes[c], layout.stamps[c]
    values = branch_values(layout, shape, stamps)
    for n, s in enumerate(stamps.branches):
        onset = int(layout.worlds.onset[s, c])

        def own(name: str, key: Any, t: int, s: int = s, onset: int = onset) -> Any:
            return getattr(m.period[c, TRUNK if t < onset else s, t], name)[key]

        add_branch(
            m.branch[c, s],
            layout,
            shape,
            own,
            trunk=lambda name, key, t: getattr(m.period[c, TRUNK, t], name)[key],
            values={name: array[n] for name, array in values.items()},
        )


def add_worlds(m: pyo.ConcreteModel, layout: Structure) -> None:
    """Rows that tie the components of each world."""
    root = m.commitments
    for s in range(len(layout.worlds.names)):

        def part(name: str, key: Any, c: int, s: int = s) -> Any:
            touched = s in layout.stamps[c].first
            if name == "loss":
                return m.branch[c, s].loss if touched else m.commitments.trunk_loss[c]
            return m.branch[c, s].extra[key] if touched and key in m.branch[c, s].extra else None

        add_world(m.world[s], layout, part, root.value_at_risk if layout.uses_risk else None, lambda f: root.unspent[f])


def social_cost(m: pyo.ConcreteModel, layout: Structure) -> Any:
    """Expected discounted costs + commitments + soft penalties + lambda * CVaR  [million USD] (formulation section 7).

    sum_stamps beta*w (users + authority + loss - salvage) + commitments - residual*credit + penalties + lambda*CVaR
    """
    plan = layout.instance.plan
    commitments = m.commitments.commitment_cost - plan.residual * m.commitments.residual_credit
    tail = plan.risk.cvar_weight * tail_risk(m, layout) if plan.risk.cvar_weight > 0 else 0
    return commitments + expected(m, layout, "cost") + soft_penalties(m, layout) + tail


def weighted_risk(m: pyo.ConcreteModel, layout: Structure) -> Any:
    """(1-m)*expected loss + m*CVaR + soft penalties  [million USD]."""
    share = layout.instance.plan.objective.cvar_share
    return (1 - share) * expected(m, layout, "loss") + share * tail_risk(m, layout) + soft_penalties(m, layout)


def spending(m: pyo.ConcreteModel, layout: Structure) -> Any:
    """sum_f beta_f * trunk outlay of f + soft penalties  [million USD]."""
    return trunk_spending(m.commitments, layout, partial(trunk_variable, m)) + soft_penalties(m, layout)


def expected(m: pyo.ConcreteModel, layout: Structure, what: str) -> Any:
    """Discounted expectation of an expression of all period blocks: beta*w0 on the trunk, beta*pi in branches."""
    total = 0
    for c, stamps in enumerate(layout.stamps):
        weights = period_weights(layout, stamps, c)
        for n in range(stamps.count):
            total += float(weights[n]) * getattr(m.period[c, int(stamps.world[n]), int(stamps.period[n])], what)
    return total


def soft_penalties(m: pyo.ConcreteModel, layout: Structure) -> Any:
    """Penalties of soft diversification rules, weighed by w0, and of service levels, each counted once  [million USD]."""
    total = 0
    for c, stamps in enumerate(layout.stamps):
        weights = penalty_weights(layout, stamps, c)
        for n in range(stamps.count):
            total += float(weights[n]) * m.period[c, int(stamps.world[n]), int(stamps.period[n])].penalty
        total += sum(m.branch[c, s].penalty for s in stamps.branches)
    return total


def tail_risk(m: pyo.ConcreteModel, layout: Structure) -> Any:
    """CVaR of a world's loss  [million USD]."""
    return cvar(m.commitments, layout, lambda name, s: getattr(m.world[s], name))
