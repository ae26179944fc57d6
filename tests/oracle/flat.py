"""The whole model written out in Pyomo, every period of the trunk and of every branch: what the solver's matrix is compared with.

The solver gets the same model instantiated from compiled blocks (`strategic_minerals.matrix.assembly`); `model/test_matrix.py`
compares the two entry by entry."""

from functools import partial
from typing import Any

import pyomo.environ as pyo

from strategic_minerals.model.branch import add_branch
from strategic_minerals.model.commitments import add_commitments, add_variables, cvar, trunk_spending
from strategic_minerals.model.period import Links, add_period
from strategic_minerals.model.scenario import add_scenario
from strategic_minerals.model.sets import STAGES, TRUNK, Structure
from strategic_minerals.model.values import branch_values, penalty_weights, period_values, period_weights, root_values


def flat_model(structure: Structure) -> pyo.ConcreteModel:
    """The flat model, in model units and million USD; the first stage of the plan's aim is its active objective.

    Blocks: `commitments`, `period[component, scenario, t]` (scenario -1: the trunk), `branch[component, scenario]`, `scenario[s]`.
    """
    m = pyo.ConcreteModel(name=structure.instance.plan.name)
    m.commitments = pyo.Block()
    m.period, m.branch, m.scenario = pyo.Block(pyo.Any), pyo.Block(pyo.Any), pyo.Block(pyo.Any)
    values = root_values(structure)
    add_variables(m.commitments, structure, {name: array[0] for name, array in values.items()})
    for c in range(len(structure.component_sets)):
        add_periods(m, structure, c)
        add_branches(m, structure, c)
    add_scenarios(m, structure)
    trunk = partial(trunk_variable, m)
    add_commitments(m.commitments, structure, trunk, scenario=lambda name, s: getattr(m.scenario[s], name))
    add_aims(m, structure)
    return m


def trunk_variable(m: pyo.ConcreteModel, c: int, name: str, key: Any, t: int) -> Any:
    """A variable of the trunk's operations."""
    return getattr(m.period[c, TRUNK, t], name)[key]


def add_aims(m: pyo.ConcreteModel, structure: Structure) -> None:
    """One objective a stage of the plan's aim, by name; only the first is active. `m.stages` gives their order.

    A later stage is solved with the earlier ones held at their value and slack, as `solve` does."""
    m.stages = STAGES[structure.instance.plan.objective.kind]
    ways = {"social_cost": social_cost, "risk": weighted_risk, "spending": spending}
    for name in m.stages:
        m.add_component(name, pyo.Objective(expr=ways[name](m, structure)))
    for name in m.stages[1:]:
        getattr(m, name).deactivate()


def add_periods(m: pyo.ConcreteModel, structure: Structure, c: int) -> None:
    """Operations of a component: the trunk from period 1, each branch from its onset on the trunk's stocks."""
    sets, blocks = structure.component_sets[c], structure.block_index[c]
    values = period_values(structure, sets, blocks)
    for n in range(blocks.count):
        before = int(blocks.previous[n])
        stock, missing = {}, {}
        if before >= 0:
            block = m.period[c, int(blocks.scenario[before]), int(blocks.period[before])]
            stock = {i: block.stock[i] for i in sets.stocked}
            missing = {k: block.users_missing[k] for k in sets.users}
        root = m.commitments
        add_period(
            m.period[c, int(blocks.scenario[n]), int(blocks.period[n])],
            structure,
            sets,
            Links(stock, root.contract, root.operating, root.floor, missing),
            {name: array[n] for name, array in values.items()},
        )


def add_branches(m: pyo.ConcreteModel, structure: Structure, c: int) -> None:
    """Rows that tie the periods of each branch of a component."""
    sets, blocks = structure.component_sets[c], structure.block_index[c]
    values = branch_values(structure, sets, blocks)
    for n, s in enumerate(blocks.branches):
        onset = int(structure.scenarios.onset[s, c])

        def own(name: str, key: Any, t: int, s: int = s, onset: int = onset) -> Any:
            return getattr(m.period[c, TRUNK if t < onset else s, t], name)[key]

        add_branch(
            m.branch[c, s],
            structure,
            sets,
            own,
            trunk=lambda name, key, t: getattr(m.period[c, TRUNK, t], name)[key],
            values={name: array[n] for name, array in values.items()},
        )


def add_scenarios(m: pyo.ConcreteModel, structure: Structure) -> None:
    """Rows that tie the components of each scenario."""
    root = m.commitments
    for s in range(len(structure.scenarios.names)):

        def part(name: str, key: Any, c: int, s: int = s) -> Any:
            touched = s in structure.block_index[c].first
            if name == "loss":
                return m.branch[c, s].loss if touched else m.commitments.trunk_loss[c]
            return m.branch[c, s].shared_money[key] if touched and key in m.branch[c, s].shared_money else None

        add_scenario(
            m.scenario[s],
            structure,
            part,
            root.value_at_risk if structure.uses_risk else None,
            lambda f: root.unspent[f],
        )


def social_cost(m: pyo.ConcreteModel, structure: Structure) -> Any:
    """Expected discounted costs + commitments + soft penalties + lambda * CVaR  [million USD].

    sum_stamps beta*w (users + authority + loss - salvage) + commitments - residual*credit + penalties + lambda*CVaR"""
    plan = structure.instance.plan
    commitments = m.commitments.commitment_cost - plan.residual * m.commitments.residual_credit
    tail = plan.risk.cvar_weight * tail_risk(m, structure) if plan.risk.cvar_weight > 0 else 0
    return commitments + expected(m, structure, "cost") + soft_penalties(m, structure) + tail


def weighted_risk(m: pyo.ConcreteModel, structure: Structure) -> Any:
    """(1-m)*expected loss + m*CVaR + soft penalties  [million USD]."""
    share = structure.instance.plan.objective.cvar_share
    return (1 - share) * expected(m, structure, "loss") + share * tail_risk(m, structure) + soft_penalties(m, structure)


def spending(m: pyo.ConcreteModel, structure: Structure) -> Any:
    """sum_f beta_f * trunk outlay of f + soft penalties  [million USD]."""
    return trunk_spending(m.commitments, structure, partial(trunk_variable, m)) + soft_penalties(m, structure)


def expected(m: pyo.ConcreteModel, structure: Structure, what: str) -> Any:
    """Discounted expectation of an expression of all period blocks: beta*w0 on the trunk, beta*pi in branches.

    The loss is that of components which risk measures count."""
    total = 0
    counted = structure.at_risk
    for c, blocks in enumerate(structure.block_index):
        if what == "loss" and c not in counted:
            continue
        weights = period_weights(structure, blocks, c)
        for n in range(blocks.count):
            total += float(weights[n]) * getattr(m.period[c, int(blocks.scenario[n]), int(blocks.period[n])], what)
    return total


def soft_penalties(m: pyo.ConcreteModel, structure: Structure) -> Any:
    """Penalties of soft diversification rules, weighed by w0, and of service levels, each counted once  [million USD]."""
    total = 0
    for c, blocks in enumerate(structure.block_index):
        weights = penalty_weights(structure, blocks, c)
        for n in range(blocks.count):
            total += float(weights[n]) * m.period[c, int(blocks.scenario[n]), int(blocks.period[n])].penalty
        total += sum(m.branch[c, s].penalty for s in blocks.branches)
        pi = structure.scenarios.probability
        total += sum(float(pi[s]) * m.branch[c, s].unfilled_cost for s in blocks.branches)
    return total


def tail_risk(m: pyo.ConcreteModel, structure: Structure) -> Any:
    """CVaR of a scenario's loss  [million USD]."""
    return cvar(m.commitments, structure, lambda name, s: getattr(m.scenario[s], name))
