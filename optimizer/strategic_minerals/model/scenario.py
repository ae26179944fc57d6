"""What ties the components of one scenario together: its loss, the tail of CVaR, the money that branches share; and what a period
costs."""

from collections.abc import Callable
from typing import Any

import pyomo.environ as pyo

from ..core.stats import MUSD_PER_T
from .sets import ComponentSets, Structure

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


# What the operations of one component cost in one period.
def add_costs(b: pyo.Block, structure: Structure, sets: ComponentSets) -> None:
    """Costs of the period at undisturbed prices, market-value accounting [million USD, undiscounted].

    users      sum_j run sum_i y P (1+premium if y>0) + sum_j hold sum_{y<0} y P - sum_i surplus P (1-haircut) + substitute cost
               + sum_k missing cost * missing + sum_i freight sent + what the plan adds to prices abroad
    authority  sum_o buy P (1+premium) + stock holding D - sell P (1-haircut)
    What producers and offers outside the countries that control a material sell counts at the price there; inputs, surplus and
    sales count at the lower price, so that buying in one market to sell in the other never gains; what is made into a qualified
    form counts as that does.
    loss       sum v shortfall; risk measures see the cost of substitution too
    Users pay P*resale for a released tonne and the authority receives it: in social cost the two cancel."""
    instance = structure.instance
    y = instance.yields

    def price(i: int, outside: bool) -> Any:
        return b.outside_price[i] if outside and i in sets.quoted else b.price[i]

    def inputs(j: int) -> Any:
        form = instance.qualifying.get(j)
        outside = form is not None and instance.outside[j, form]
        return sum(y[j, i] * price(i, outside) for i in sets.materials if y[j, i] < 0)

    def value(j: int) -> Any:
        made = [i for i in sets.materials if y[j, i] > 0]
        outputs = sum(y[j, i] * (1 + instance.premium[j]) * price(i, instance.outside[j, i]) for i in made)
        return outputs + inputs(j)

    users = [value(j) * b.output[j] for j in b.output]
    users += [inputs(j) * b.reserve_output[j] for j in b.reserve_output if (y[j] < 0).any()]
    users += [-(1 - instance.haircut[i]) * b.price[i] * b.surplus[i] for i in b.surplus]
    users += [b.users_missing_cost[k] * b.users_missing[k] for k in sets.users]
    users += [float(instance.freight[i]) * b.sent[i] for i in b.sent]
    substitution = [b.substitution_cost[h] * b.substitute[h] for h in sets.steps]
    authority = [(1 + p.premium) * price(p.material, p.outside) * b.acquisition[p.name] for p in sets.purchases]
    authority += [b.holding_cost[i] * b.stock[i] for i in sets.stocked]
    authority += [-(1 - instance.haircut[i]) * b.price[i] * b.disposal[i] for i in sets.stocked]
    loss = [b.loss_value[n] * b.shortfall[n] for n in sets.tiers]
    salvage = [-b.salvage_value[i] * b.stock[i] for i in sets.stocked]
    rules = dict(sets.diversification)
    unit = instance.material_unit
    soft = [
        (rules[n].penalty_usd_per_kg or 0.0)
        * MUSD_PER_T
        * unit[instance.materials.index(rules[n].material)]
        * b.excess[n]
        for n in b.excess
    ]
    users += [b.price_channel]
    b.cost = pyo.Expression(expr=sum(users) + sum(substitution) + sum(authority) + sum(loss) + sum(salvage))
    b.loss = pyo.Expression(expr=sum(loss) + sum(substitution))
    b.penalty = pyo.Expression(expr=sum(soft))
