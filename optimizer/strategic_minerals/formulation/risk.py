"""What ties the components of one world together: its loss, the tail of CVaR, shared emergency money."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyomo.environ as pyo

from ..layout import Layout

ComponentVariable = Callable[[str, Any, int], Any]
"""(variable, index, component) -> the Pyomo variable of the component in this world, None where it has none."""


def add_world(b: pyo.Block, layout: Layout, part: ComponentVariable, value_at_risk: Any) -> None:
    """Rows of one world over its components."""
    if layout.uses_risk:
        add_world_loss(b, layout, part)
        add_tail(b, value_at_risk)
    if layout.uses_emergency:
        add_emergency(b, layout, part)


def add_world_loss(b: pyo.Block, layout: Layout, part: ComponentVariable) -> None:
    """Loss of a world over all components.

    world_loss = sum_c loss[c,s]      (the trunk's loss where the component is never touched)      [million USD]
    """
    b.world_loss = pyo.Var(bounds=(0, None), doc="loss of the world")
    losses = [part("loss", None, c) for c in range(len(layout.shapes))]
    b.world_loss_sum = pyo.Constraint(expr=sum(losses) - b.world_loss == 0)


def add_tail(b: pyo.Block, value_at_risk: Any) -> None:
    """Loss beyond the value at risk (Rockafellar and Uryasev 2000).

    world_loss - eta <= tail                                                                       [million USD]
    """
    b.tail = pyo.Var(bounds=(0, None), doc="loss beyond the value at risk (z)")
    b.tail_excess = pyo.Constraint(expr=b.world_loss - value_at_risk - b.tail <= 0)


def add_emergency(b: pyo.Block, layout: Layout, part: ComponentVariable) -> None:
    """Components share the declared emergency money of a year.

    sum_c extra[c,f] <= emergency[f]                                                               [million USD]
    """
    most = layout.instance.by_year(layout.instance.plan.budget.emergency_musd)

    def year(b: Any, f: int) -> Any:
        used = [part("extra", f, c) for c in range(len(layout.shapes))]
        used = [extra for extra in used if extra is not None]
        return sum(used) <= float(most[f]) if used else pyo.Constraint.Skip

    b.emergency = pyo.Constraint(range(len(most)), rule=year)
