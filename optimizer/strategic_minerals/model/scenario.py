"""What ties the components of one scenario together: its loss, the tail of CVaR, the money that branches share."""

from collections.abc import Callable
from typing import Any

import pyomo.environ as pyo

from .sets import Structure

ComponentVariable = Callable[[str, Any, int], Any]
"""(variable, index, component) -> the Pyomo variable of the component in this scenario, None where it has none."""


def add_scenario(
    b: pyo.Block, structure: Structure, part: ComponentVariable, value_at_risk: Any, unspent: Callable[[int], Any]
) -> None:
    """Rows of one scenario over its components; `unspent` gives the variable of a year's unspent appropriation."""
    if structure.uses_risk:
        add_scenario_loss(b, structure, part)
        add_tail(b, value_at_risk)
    if structure.shares_money:
        add_shared_money(b, structure, part, unspent)


def add_scenario_loss(b: pyo.Block, structure: Structure, part: ComponentVariable) -> None:
    """Loss of a scenario over all components, those of materials inside imported goods only where the plan asks for them.

    scenario_loss = sum_c loss[c,s]      (the trunk's loss where the component is never touched)      [million USD]"""
    b.scenario_loss = pyo.Var(bounds=(0, None), doc="loss of the scenario")
    losses = [part("loss", None, c) for c in structure.at_risk]
    b.scenario_loss_sum = pyo.Constraint(expr=sum(losses) - b.scenario_loss == 0)


def add_tail(b: pyo.Block, value_at_risk: Any) -> None:
    """Loss beyond the value at risk (Rockafellar and Uryasev 2000).

    scenario_loss - eta <= tail                                                                       [million USD]"""
    b.tail = pyo.Var(bounds=(0, None), doc="loss beyond the value at risk (z)")
    b.tail_excess = pyo.Constraint(expr=b.scenario_loss - value_at_risk - b.tail <= 0)


def add_shared_money(
    b: pyo.Block, structure: Structure, part: ComponentVariable, unspent: Callable[[int], Any]
) -> None:
    """Components share a year's declared emergency money and, where the plan says so, its unspent appropriation.

    sum_c extra[c,f] - unspent[f] <= emergency[f]                                                  [million USD]
    Where it bounds every policy (`knowing`) and money may be carried over, all that a branch leaves of a year may serve later ones:
    the same, summed over all years up to f."""
    plan, budget = structure.instance.plan, structure.instance.plan.budget
    keeps = plan.policy == "knowing" and budget.branch_money == "appropriated" and budget.carry_over_share > 0
    most = structure.instance.by_year(budget.emergency_musd)

    def year(b: Any, f: int) -> Any:
        years = range(f + 1) if keeps else range(f, f + 1)
        used = [part("shared_money", g, c) for g in years for c in range(len(structure.component_sets))]
        used = [extra for extra in used if extra is not None]
        if budget.branch_money == "appropriated":
            return sum(used) - sum(unspent(g) for g in years) <= float(most[list(years)].sum())
        return sum(used) <= float(most[f]) if used else pyo.Constraint.Skip

    b.shared_money = pyo.Constraint(range(len(most)), rule=year)
