"""What ties the periods of one branch together: money for purchases, service levels, the loss that risk measures see.

A branch starts at its onset; `stand` gives the variable of a period, which is the trunk's before the onset. There the
branch's price is the trunk's, so the terms of purchases cancel by themselves."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyomo.environ as pyo

from ..core.frames import Floats
from ..core.stats import MUSD_PER_T
from . import stock_rules
from .sets import ComponentSets, Structure, loss_keys
from .stock_rules import Stand

DECAYED = 1e-6
"""Share of a release up to which nothing is left of it: a solver would take it for zero."""
PARAMS: dict[str, str] = {
    "buy_price": "price paid in the branch, P (1+premium) [million USD/unit]",
    "planned_price": "price paid on the trunk, P_0 (1+premium) [million USD/unit]",
    "calm_price": "price paid in the branch where the material is not tight, else 0 [million USD/unit]",
    "filled_before": "what of that was there before the plan, once the material has been tight [unit]",
    "unfilled_price": "what a unit missing from the target costs, discounted [million USD/unit]",
    "filled_share": "share of its target that a stock has reached again after an event, by the calm periods since; else 0 [-]",
    "unsold_share": "1 where the branch is tight and cannot sell, else 0, by material and period [-]",
    "service_window": "1 from the onset to the end of the event, else 0 [-]",
    "service_allowance": "(1 - level) * demand over the window [unit]",
    **stock_rules.STOCK_RULE_PARAMS,
    "loss_value": "v, gross loss per unit unmet of a tier in a period, where the loss counts [million USD/unit]",
    "substitution_cost": "cost of a substitution step, likewise [million USD/unit]",
}


def service_terms(structure: Structure, sets: ComponentSets) -> list[tuple[int, int]]:
    """(service level, fiscal year or -1 for the whole episode) pairs of a component."""
    years = range(len(structure.instance.calendar.years))
    return [(n, f) for n, level in sets.services for f in (years if level.per == "fiscal_year" else [-1])]


def limits_calm(structure: Structure) -> bool:
    """Whether unspent money buys only what is tight: with foresight it would speculate; targets limit the stock itself."""
    plan = structure.instance.plan
    return plan.budget.branch_money == "appropriated" and plan.policy == "foresight"


def filled_up(structure: Structure, sets: ComponentSets) -> list[int]:
    """Stocked materials that a branch fills up to their target."""
    bought = {p.material for p in sets.purchases if p.offer >= 0}
    return [i for i in sets.stocked if i in bought] if structure.instance.plan.policy == "targets" else []


def sold_on_trunk(structure: Structure, sets: ComponentSets) -> list[int]:
    """Stocked materials of which the baseline course may sell, where branches keep to its targets."""
    plan = structure.instance.plan
    return list(sets.stocked) if plan.policy == "targets" and plan.instruments.trunk_disposal else []


def param_keys(structure: Structure, sets: ComponentSets) -> dict[str, list[Any]]:
    """Index of each mutable Param, in the order in which its values are given."""
    T = range(structure.instance.calendar.periods)
    offered = [(p.name, t) for p in sets.purchases if p.offer >= 0 for t in T]
    filled = [(i, t) for i in filled_up(structure, sets) for t in T]
    return {
        **dict.fromkeys(("buy_price", "planned_price"), offered),
        "calm_price": offered if limits_calm(structure) else [],
        **dict.fromkeys(("filled_share", "filled_before", "unfilled_price"), filled),
        "unsold_share": [(i, t) for i in sold_on_trunk(structure, sets) for t in T],
        "service_window": [(n, t) for n, _ in sets.services for t in T],
        "service_allowance": service_terms(structure, sets),
        **stock_rules.stock_rule_param_keys(structure, sets),
        "loss_value": loss_keys(structure.instance, sets.tiers) if structure.uses_risk else [],
        "substitution_cost": list(sets.steps) if structure.uses_risk else [],
    }


def add_branch(
    b: pyo.Block, structure: Structure, sets: ComponentSets, own: Stand, trunk: Stand, values: Mapping[str, Any]
) -> None:
    """Cross-period rows of the branch of one component in one scenario."""
    for name, keys in param_keys(structure, sets).items():
        given = dict(zip(keys, values[name], strict=True))
        b.add_component(name, pyo.Param(pyo.Set(initialize=keys), mutable=True, initialize=given, doc=PARAMS[name]))
    add_branch_purchases(b, structure, sets, own, trunk)
    add_calm_purchases(b, structure, sets, own, trunk)
    add_stock_target(b, structure, sets, own, trunk)
    add_target_purchases(b, structure, sets, own, trunk)
    add_target_sales(b, structure, sets, own, trunk)
    add_filling(b, structure, sets, own, trunk)
    add_service_level(b, structure, sets, own)
    stock_rules.add_refill(b, structure, sets, own, trunk)
    add_branch_loss(b, structure, sets, own)


def add_branch_purchases(b: pyo.Block, structure: Structure, sets: ComponentSets, own: Stand, trunk: Stand) -> None:
    """A branch buys for no more than the trunk had planned to spend, and its part of the money that branches share.

    sum_{t in f, o} P_s (1+premium) buy[o,t] <= sum_{t in f, o} P_0 (1+premium) buy_trunk[o,t] + extra[f]   [million USD]
    Purchases under a purchase floor stay outside."""
    instance = structure.instance
    years = range(len(instance.calendar.years))
    periods = {f: [t for t, year in enumerate(instance.calendar.year_index) if year == f] for f in years}
    counted = [p for p in sets.purchases if p.offer >= 0]
    limited = list(years) if structure.shares_money and counted else []
    b.shared_money = pyo.Var(limited, bounds=(0, None), doc="shared money used")

    def money(b: Any, f: int) -> Any:
        spent = [b.buy_price[p.name, t] * own("acquisition", p.name, t) for p in counted for t in periods[f]]
        planned = [b.planned_price[p.name, t] * trunk("acquisition", p.name, t) for p in counted for t in periods[f]]
        return sum(spent) - sum(planned) - (b.shared_money[f] if f in b.shared_money else 0) <= 0

    b.branch_purchases = pyo.Constraint(list(years) if counted else [], rule=money)


def add_calm_purchases(b: pyo.Block, structure: Structure, sets: ComponentSets, own: Stand, trunk: Stand) -> None:
    """What is unspent of a year buys what is tight: in a flood, knowing what follows, a branch buys no more than was planned.

    sum_{t in f from onset on, o not tight} P_s (1+premium) buy[o,t]
        <= sum_{t in f from onset on, o} P_0 (1+premium) buy_trunk[o,t] + emergency[f]                 [million USD]"""
    instance = structure.instance
    counted = [p for p in sets.purchases if p.offer >= 0] if limits_calm(structure) else []
    most = instance.by_year(instance.plan.budget.emergency_musd)

    def money(b: Any, f: int) -> Any:
        periods = np.flatnonzero(instance.calendar.year_index == f).tolist()
        spent = [b.calm_price[p.name, t] * own("acquisition", p.name, t) for p in counted for t in periods]
        planned = [b.planned_price[p.name, t] * trunk("acquisition", p.name, t) for p in counted for t in periods]
        return sum(spent) - sum(planned) <= float(most[f])

    b.calm_purchases = pyo.Constraint(range(len(most)) if counted else [], rule=money)


def add_stock_target(b: pyo.Block, structure: Structure, sets: ComponentSets, own: Stand, trunk: Stand) -> None:
    """A branch holds no more than the target of every future: the baseline course's stock, had it released nothing, and what a
    shortage kept the branch from selling. Homes that pool a stock keep to the target of its sum.

    stock[i,t] <= target[i,t],  target[i,t] = stock_trunk[i,t] + sum_{u<=t} (1-decay)**(t-u) release_trunk[i,u] + unsold[i,t]
    the same summed over the materials of a pool                                    [unit, of its first]  for each i or pool, t
    """
    if structure.instance.plan.policy != "targets":
        return
    keys = [(i, t) for i in sold_on_trunk(structure, sets) for t in range(structure.instance.calendar.periods)]
    b.unsold = pyo.Var(keys, bounds=(0, None), doc="stock that a shortage keeps from being sold")
    _within_targets(b, structure, sets, trunk, "stock_target", "pool_target", lambda i, t: own("stock", i, t))


def add_target_purchases(b: pyo.Block, structure: Structure, sets: ComponentSets, own: Stand, trunk: Stand) -> None:
    """A branch buys in a period no more than the target: a plan without targets would else buy and give in an event, an act of
    which its targets say nothing and that no storekeeper does.

    sum_o buy[o,t] - sell[i,t] <= target[i,t]                                       [unit, of its first]  for each i or pool, t
    """

    def bought(i: int, t: int) -> Any:
        buys = sum(own("acquisition", p.name, t) for p in sets.purchases if p.material == i)
        return buys - own("disposal", i, t)

    if structure.instance.plan.policy == "targets":
        _within_targets(b, structure, sets, trunk, "target_purchases", "pool_purchases", bought)


def _within_targets(
    b: pyo.Block,
    structure: Structure,
    sets: ComponentSets,
    trunk: Stand,
    alone: str,
    pooled: str,
    taken: Callable[[int, int], Any],
) -> None:
    """Rows by which an amount of a material and a period stays within its target, of a pool within the sum of its homes'."""
    instance = structure.instance
    T, unit = range(instance.calendar.periods), instance.material_unit

    def above(b: Any, i: int, t: int) -> Any:
        target, kept = trunk("stock", i, t), float(1 - instance.decay[i])
        if i in sets.drawn:
            left = ((kept ** (t - u), u) for u in range(t + 1))
            target += sum(share * trunk("release", i, u) for share, u in left if share > DECAYED)
        return taken(i, t) - target - (b.unsold[i, t] if (i, t) in b.unsold else 0.0)

    def in_pool(b: Any, k: int, t: int) -> Any:
        members = sets.pools[k]
        return sum(float(unit[i] / unit[members[0]]) * above(b, i, t) for i in members) <= 0

    single = [i for i in sets.stocked if not any(i in pool for pool in sets.pools)]
    b.add_component(alone, pyo.Constraint(single, T, rule=lambda b, i, t: above(b, i, t) <= 0))
    b.add_component(pooled, pyo.Constraint(range(len(sets.pools)), T, rule=in_pool))


def targets_of(stock: Floats, released: Floats, decay: float) -> Floats:
    """(T,) target of a material at the end of each period: what the baseline course holds, had it released nothing.

    goal_t = stock_t + sum_{u <= t} (1 - decay)^(t-u) released_u                              [the unit of stock and releases]
    """
    age = np.subtract.outer(np.arange(len(stock)), np.arange(len(stock)))
    return np.asarray(stock + np.where(age >= 0, (1 - decay) ** np.maximum(age, 0.0), 0.0) @ released)


def add_target_sales(b: pyo.Block, structure: Structure, sets: ComponentSets, own: Stand, trunk: Stand) -> None:
    """A branch sells what the baseline course sells, and later what a shortage kept it from selling.

    unsold[i,t] <= (1-decay) unsold[i,t-1] + tight[i,t] sell_trunk[i,t]                                [unit]  for each i, t
    sell[i,t] <= sell_trunk[i,t] + (1-decay) unsold[i,t-1]                                             [unit]  for each i, t
    """
    T, keys = range(structure.instance.calendar.periods), sold_on_trunk(structure, sets)
    if structure.instance.plan.policy != "targets":
        return

    def before(b: Any, i: int, t: int) -> Any:
        return float(1 - structure.instance.decay[i]) * b.unsold[i, t - 1] if t else 0.0

    b.unsold_sum = pyo.Constraint(
        keys,
        T,
        rule=lambda b, i, t: b.unsold[i, t] - before(b, i, t) - b.unsold_share[i, t] * trunk("disposal", i, t) <= 0,
    )
    b.target_sales = pyo.Constraint(
        keys, T, rule=lambda b, i, t: own("disposal", i, t) - trunk("disposal", i, t) - before(b, i, t) <= 0
    )


def add_filling(b: pyo.Block, structure: Structure, sets: ComponentSets, own: Stand, trunk: Stand) -> None:
    """A target is one for every future: a branch keeps filling its stock, whether or not it will be needed. What it lacks counts
    at a price, since the market may not give it; what was there before the plan is not bought again once it may be used.

    stock[i,t] + unfilled[i,t] >= share[i,t] (stock_trunk[i,t] - struck[i,t] (1-decay)**t opening[i])       [unit]  for each i, t
    share: 1 until the material is first tight, 0 while it is, then the calm periods since, of those that filling takes
    cost   sum_{i,t} beta[t] price[i] unfilled[i,t]                                                                [million USD]
    """
    T, filled = range(structure.instance.calendar.periods), filled_up(structure, sets)
    b.unfilled = pyo.Var(filled, T, bounds=(0, None), doc="stock missing from the target")

    def fill(b: Any, i: int, t: int) -> Any:
        lacks = b.filled_share[i, t] * trunk("stock", i, t) - own("stock", i, t) - b.unfilled[i, t]
        return lacks <= b.filled_before[i, t]

    b.filling = pyo.Constraint(filled, T, rule=fill)
    b.unfilled_cost = pyo.Expression(expr=sum(b.unfilled_price[i, t] * b.unfilled[i, t] for i in filled for t in T))


def add_service_level(b: pyo.Block, structure: Structure, sets: ComponentSets, own: Stand) -> None:
    """A promise to a segment from the onset to the end of the event, not diluted over quiet years.

    sum_{t in window, n} shortfall[q,n,t] - short_of_promise <= (1 - level) sum_{t in window} demand[q,t]     [unit]"""
    instance = structure.instance
    levels = dict(sets.services)
    terms = service_terms(structure, sets)
    year_index = instance.calendar.year_index
    b.short_of_promise = pyo.Var(
        [term for term in terms if levels[term[0]].penalty_usd_per_kg is not None],
        bounds=(0, None),
        doc="tonnes short of a soft service level",
    )

    def promise(b: Any, n: int, f: int) -> Any:
        level = levels[n]
        tiers = [k for k in sets.tiers if instance.demands[instance.tiers[k][0]] == (level.material, level.segment)]
        periods = [t for t in range(instance.calendar.periods) if f in (-1, year_index[t])]
        short = [b.service_window[n, t] * own("shortfall", k, t) for t in periods for k in tiers]
        slack = b.short_of_promise[n, f] if (n, f) in b.short_of_promise else 0
        return sum(short) - slack <= b.service_allowance[n, f] if short else pyo.Constraint.Skip

    b.service_level = pyo.Constraint(terms, rule=promise)
    unit = instance.material_unit
    b.penalty = pyo.Expression(
        expr=sum(
            (levels[n].penalty_usd_per_kg or 0.0)
            * MUSD_PER_T
            * unit[instance.materials.index(levels[n].material)]
            * b.short_of_promise[n, f]
            for n, f in b.short_of_promise
        )
    )


def add_branch_loss(b: pyo.Block, structure: Structure, sets: ComponentSets, own: Stand) -> None:
    """Discounted shortfall loss and substitution cost of the component in this scenario, over the whole horizon.

    loss = sum_t beta[t] (sum_n v[n,t] shortfall[n,t] + sum_h cost[h] substitute[h,t])                   [million USD]
    """
    if not structure.uses_risk:
        return
    b.loss = pyo.Var(bounds=(0, None), doc="loss of the component in the scenario")
    b.branch_loss = pyo.Constraint(expr=discounted_loss(b, structure, sets, own) - b.loss == 0)


def discounted_loss(b: pyo.Block, structure: Structure, sets: ComponentSets, stand: Stand) -> Any:
    """The loss expression over all periods, trunk or branch, at the block's own loss values and costs [million USD]."""
    beta = structure.instance.calendar.beta
    T = range(structure.instance.calendar.periods)
    changes = set(sets.adapted)
    return sum(
        float(beta[t]) * b.loss_value[n, t if n in changes else 0] * stand("shortfall", n, t)
        for n in sets.tiers
        for t in T
    ) + sum(float(beta[t]) * b.substitution_cost[h] * stand("substitute", h, t) for h in sets.steps for t in T)
