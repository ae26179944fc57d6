"""Operations of one component in one period, the same for the trunk and for every branch.

All tonnes are flows of the period in model units; money is million USD of the period, undiscounted. Mutable Params are
the data that differ between periods and scenarios; everything else is fixed. `links` are variables that live elsewhere:
last period's stocks and the commitments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyomo.environ as pyo

from ..core.stats import MUSD_PER_T
from .pools import POOL_PARAMS, add_pool_balance, add_pool_variables, add_seller_depth, pool_param_keys
from .sets import ComponentSets, MovedPrice, Structure

# Stock that users hold themselves: what they pull in a shortage and what they refill after it.
USERS_STOCK_PARAMS: dict[str, str] = {
    "users_opening": "missing from the level before the first period [unit]",
    "users_pull_limit": "L where users may pull: in a branch while the material is tight, else 0 [unit]",
    "users_refill_limit": "L where users may refill: in a branch while the material is not tight, else 0 [unit]",
    "users_missing_limit": "L in a branch, 0 on a trunk where the stock is full [unit]",
    "users_missing_cost": "cost of a unit missing for the period; in the last one with what replaces it [million USD/unit]",
}
"""Mutable Params of a period block, by stock of users."""


def add_users_stock_variables(b: pyo.Block, sets: ComponentSets) -> None:
    """Flows of the period and what is missing at its end [unit], all >= 0; none where users hold nothing."""
    users = list(sets.users)
    if not users:
        return
    b.users_pull = pyo.Var(users, bounds=lambda b, k: (0, b.users_pull_limit[k]), doc="drawn from users' own stock")
    b.users_refill = pyo.Var(users, bounds=lambda b, k: (0, b.users_refill_limit[k]), doc="put into users' own stock")
    b.users_missing = pyo.Var(
        users, bounds=lambda b, k: (0, b.users_missing_limit[k]), doc="missing from users' own stock at the end"
    )


def add_users_stock_balance(b: pyo.Block, sets: ComponentSets, previous: Mapping[int, Any]) -> None:
    """What is pulled is missing until it is refilled.

    missing[k,t] = missing[k,t-1] + pull[k,t] - refill[k,t]                            [unit]  for each stock of users
    before the first period: what is missing when the plan starts"""
    if not sets.users:
        return

    def balance(b: Any, k: int) -> Any:
        before = previous[k] if k in previous else 0
        return b.users_missing[k] - before - b.users_pull[k] + b.users_refill[k] == b.users_opening[k]

    b.users_stock_balance = pyo.Constraint(list(sets.users), rule=balance)


def add_plant_pull(b: pyo.Block, structure: Structure, sets: ComponentSets) -> None:
    """Plants pull no more of an input than they use: their stock serves nobody else.

    pull[k] <= sum_j max(-y[j,i],0) use[j]                                             [unit]  for each stock held by plants
    """
    y, users = structure.instance.yields, structure.instance.users
    plants = [k for k in sets.users if users[k][1] < 0]
    if not plants:
        return

    def used(b: Any, k: int) -> Any:
        i = users[k][0]
        run = [-y[j, i] * b.output[j] for j in b.output if y[j, i] < 0]
        held = [-y[j, i] * b.reserve_output[j] for j in b.reserve_output if y[j, i] < 0]
        return b.users_pull[k] - sum(run) - sum(held) <= 0

    b.plant_pull = pyo.Constraint(plants, rule=used)


# Clean feed: what the authority buys or supports under a rule of origin with reach-back.
def add_clean_chain(b: pyo.Block, structure: Structure, sets: ComponentSets, operating: Mapping[int, Any]) -> None:
    """Variable, and the three families of rows. operating: share of each output class signed, a variable of commitments."""
    b.clean_output = pyo.Var(list(sets.clean.makers), bounds=(0, None), doc="part of the production made of clean feed")
    add_clean_share(b, sets)
    add_clean_support(b, structure, sets, operating)
    add_clean_balance(b, structure, sets)
    add_qualified_supply(b, structure, sets)


def add_clean_share(b: pyo.Block, sets: ComponentSets) -> None:
    """A part of a run is clean.

    clean[j] <= run[j]                                                                [unit]  for each maker j of clean feed
    """
    b.clean_share = pyo.Constraint(list(sets.clean.makers), rule=lambda b, j: b.clean_output[j] <= b.output[j])


def add_clean_support(b: pyo.Block, structure: Structure, sets: ComponentSets, operating: Mapping[int, Any]) -> None:
    """What support signed under a rule binds runs on clean feed; what was signed before the rule, or without support, does not.

    run[p] - clean[p] <= sum_{g of p, not bound} K rho ramp alive crisis operating[p,g]    [unit]  for each bound project p
    """
    first, classes = structure.instance.sources, structure.support.classes

    def support(b: Any, p: int) -> Any:
        free = [g for g in sets.classes if classes[g].project == p and not classes[g].bound]
        given = sum(b.project_share[g] * operating[g] for g in free)
        return b.output[first + p] - b.clean_output[first + p] - given <= 0

    b.clean_support = pyo.Constraint(list(sets.clean.supported), rule=support)


def add_clean_balance(b: pyo.Block, structure: Structure, sets: ComponentSets) -> None:
    """Clean feed suffices for clean runs, for what is made for the reserve, and for qualified forms.

    sum_j y[j,i] clean[j] + sum_j min(y[j,i],0) (held[j] hold[j] + asked[j] run[j]) + release[i] >= 0   [unit]  for each i of the
    chain;  j runs over the makers, whose outputs and inputs both count; asked: of what qualifies material for users; release: of a
    stock that is clean."""
    y, chain = structure.instance.yields, sets.clean

    def balance(b: Any, i: int) -> Any:
        terms = [y[j, i] * b.clean_output[j] for j in chain.makers if y[j, i] != 0]
        terms += [y[j, i] * b.clean_held[j] * b.reserve_output[j] for j in chain.holders if y[j, i] < 0]
        terms += [y[j, i] * b.clean_asked[j] * b.output[j] for j in chain.qualifying if y[j, i] < 0]
        terms += [b.release[i]] if i in chain.stored and i in b.release else []
        return sum(terms) >= 0 if terms else pyo.Constraint.Skip

    b.clean_balance = pyo.Constraint(list(chain.materials), rule=balance)


def qualified_makers(structure: Structure, sets: ComponentSets) -> list[tuple[int, int]]:
    """(producer of a qualified form, maker of what it is made of)."""
    n, makers = structure.instance, [*sets.sources, *(structure.instance.sources + p for p in sets.projects)]
    base = {k: n.form_of[n.qualifying[k]] for k in sets.clean.qualifying}
    return [(k, j) for k, i in base.items() for j in makers if n.yields[j, i] > 0]


def add_qualified_supply(b: pyo.Block, structure: Structure, sets: ComponentSets) -> None:
    """A qualified form is made of what qualified makers make, of clean feed where a rule asks for it.

    sum_j y[j,i] (any[k,j] run[j] + clean[k,j] clean[j]) + y[k,i] asked[k] use[k] >= 0     [unit]  for each maker k of a form of i
    any, clean: 1 where maker j is qualified and no rule asks for clean feed, or one does."""
    y, instance = structure.instance.yields, structure.instance
    pairs = qualified_makers(structure, sets)

    def supply(b: Any, k: int) -> Any:
        i = int(instance.form_of[instance.qualifying[k]])
        made = []
        for of, j in pairs:
            if of == k:
                made.append(y[j, i] * b.qualified_any[k, j] * b.output[j])
                made += [y[j, i] * b.qualified_clean[k, j] * b.clean_output[j]] if j in sets.clean.makers else []
        return sum(made) + y[k, i] * b.qualified_asked[k] * use(b, k) >= 0

    b.qualified_supply = pyo.Constraint(list(sets.clean.qualifying), rule=supply)


# What the plan does to the prices that home users pay abroad.
LESS = (0.0, 0.02, 0.075, 0.16, 0.27, 0.385, 0.5)
"""Ends of pieces of what the plan leaves in the market, as shares of what home users buy without it; half of it saves most."""
MORE = (0.0, *(2.0**k for k in range(-7, 1)))
"""Ends of pieces of tonnes that it takes from the market, as shares of what offers sell and plants at home use: each is twice the
one before, so that a small part of a large offer is not dearer than the same of a small one."""
RAISED = 1.01
"""Chords of `LESS` lie up to two hundredths below the curve: raised by half of that, they are within one."""
SHORT_FIRST = 0.9
"""Of what filling a shortage spares, the most that a tonne left in the market saves there: nobody goes short to lower a price."""
TANGENTS = (0.7, 0.9)
"""Shares of what was bought, left in the market, at which a tangent limits the saving: beyond a half it shrinks."""

CHANNEL_PARAMS: dict[str, str] = {
    "piece_saving": "what home users save by a unit left in the market, by piece [million USD/unit]",
    "piece_share": "the same over phi P M / Q, what the first unit would save [-]",
    "piece_cost": "what they, and the reserve, pay more by a unit taken from it, by piece [million USD/unit]",
    "less_width": "width of a piece [unit]",
    "more_width": "width of a piece; of the last no limit [unit]",
    "taken_without": "what they take from the market without the plan, sales of the reserve counted against it [unit]",
    "given_without": "what reserve and projects give without the plan [unit]",
    "tangent_limit": "M (1-a)**2, of M bought without the plan, by tangent [unit]",
    "calm_share": "min(1, (P - P0) Q / (phi P M)) where P is above P0, else 1 [-]",
}
"""Mutable Params of a period block, by material whose price the plan moves."""


def channel_param_keys(sets: ComponentSets) -> dict[str, list[Any]]:
    """Index of each of them."""
    moved = [of.material for of in sets.moved]
    less = [(i, k) for i in moved for k in range(len(LESS) - 1)]
    more = [(i, k) for i in moved for k in range(len(MORE) - 1)]
    names = {"piece_saving": less, "piece_share": less, "less_width": less, "piece_cost": more, "more_width": more}
    names["tangent_limit"] = [(i, k) for i in moved for k in range(len(TANGENTS))]
    return {name: names.get(name, moved) for name in CHANNEL_PARAMS}


def add_price_channel(b: pyo.Block, structure: Structure, sets: ComponentSets, links: Links) -> None:
    """Tonnes z that the plan leaves in the market abroad move its price, and with it what home users pay for what they still buy.

    z[i] = sum_k less[i,k] - sum_k more[i,k]                                                                                 [unit]
    saving = (phi P / Q) M sum_k s_k less[i,k],  s_k = RAISED (1 - a_k - a_{k+1}): in pieces (phi P / Q) z (M - z)     [million USD]
             where Z0 lacks the material at most SHORT_FIRST times its least loss beyond the price
    cost   = (phi P / Q) sum_k (M + q_k + q_{k+1}) more[i,k],   q_k = most * MORE[k]                                   [million USD]
    M: bought abroad in Z0. To first order in one market: P = P_Z0 (1 - phi z / Q), phi = 1/(e_supply + e_demand)."""
    b.price_channel = pyo.Expression(expr=0.0)
    if not sets.moved:
        return
    less, more = list(b.less_width), list(b.more_width)
    b.less = pyo.Var(less, bounds=lambda b, i, k: (0, b.less_width[i, k]), doc="left in the market abroad")
    b.more = pyo.Var(more, bounds=lambda b, i, k: (0, b.more_width[i, k]), doc="taken from it")
    add_market_taken(b, structure, sets, links)
    add_market_given(b, structure, sets)
    add_saving_limits(b, structure, sets)
    saved = sum(b.piece_saving[key] * b.less[key] for key in less)
    b.price_channel.set_value(sum(b.piece_cost[key] * b.more[key] for key in more) - saved)


def left_abroad(b: Any, i: int) -> Any:
    """z of a material."""
    return sum(b.less[i, k] for k in range(len(LESS) - 1)) - sum(b.more[i, k] for k in range(len(MORE) - 1))


def saved_share(b: Any, i: int) -> Any:
    """What lower prices save of a material, over what its first tonne saves [unit]."""
    return sum(b.piece_share[i, k] * b.less[i, k] for k in range(len(LESS) - 1))


def bought_abroad(b: Any, structure: Structure, of: MovedPrice) -> Any:
    """What home users and the reserve buy in the market abroad."""
    users = sum(structure.instance.yields[j, of.material] * b.output[j] for j in of.abroad)
    return users + sum(b.acquisition[o] for o in of.offers)


def add_market_taken(b: pyo.Block, structure: Structure, sets: ComponentSets, links: Links) -> None:
    """What the plan leaves in the market home buys less there: a tonne that fills a shortfall is none. Contracts are outside it.

    z[i] <= bought in Z0 - sold in Z0 - (bought - contracted - sold)                                [unit]  for each i moved
    """
    moved, contracts, y = {of.material: of for of in sets.moved}, structure.contracts, structure.instance.yields

    def taken(b: Any, i: int) -> Any:
        signed = sum(b.contract_share[n] * y[contracts[n].source, i] * links.contract[n] for n in moved[i].contracts)
        sold = b.disposal[i] if i in b.disposal else 0
        return left_abroad(b, i) + bought_abroad(b, structure, moved[i]) - signed - sold <= b.taken_without[i]

    b.market_taken = pyo.Constraint(list(moved), rule=taken)


def add_market_given(b: pyo.Block, structure: Structure, sets: ComponentSets) -> None:
    """It comes from the reserve and from projects: what users do themselves is none.

    z[i] <= released + sold + made by projects - offers - the same in Z0                            [unit]  for each i moved
    """
    moved, y = {of.material: of for of in sets.moved}, structure.instance.yields

    def given(b: Any, i: int) -> Any:
        stored = b.disposal[i] if i in b.disposal else 0
        stored += b.release[i] if i in b.release and structure.instance.gives_for_price else 0
        made = sum(y[j, i] * b.output[j] for j in moved[i].added)
        offered = sum(b.acquisition[o] for o in moved[i].offers)
        return left_abroad(b, i) + offered - stored - made <= -b.given_without[i]

    b.market_given = pyo.Constraint(list(moved), rule=given)


def add_saving_limits(b: pyo.Block, structure: Structure, sets: ComponentSets) -> None:
    """What lower prices save shrinks with what is still bought, and no price falls below that before a disruption.

    sum_k s_k less[i,k] + (1 - 2a) bought <= M (1 - a)**2                                           [unit]  for each tangent a
    sum_k s_k less[i,k] <= share bought                                                             [unit]  for each i moved
    """
    moved, keys = {of.material: of for of in sets.moved}, list(b.tangent_limit)

    def tangent(b: Any, i: int, k: int) -> Any:
        still = bought_abroad(b, structure, moved[i])
        return saved_share(b, i) + (1 - 2 * TANGENTS[k]) * still <= b.tangent_limit[i, k]

    b.saving_tangent = pyo.Constraint(keys, rule=tangent)
    b.price_before = pyo.Constraint(
        list(moved), rule=lambda b, i: saved_share(b, i) - b.calm_share[i] * bought_abroad(b, structure, moved[i]) <= 0
    )


@dataclass(frozen=True)
class Links:
    """Variables of other blocks that a period refers to."""

    previous_stock: Mapping[int, Any]
    """Stocked material -> stock at the end of the period before, absent in period 1 (then the opening stock counts)."""
    contract: Mapping[int, Any]
    operating: Mapping[int, Any]
    """Output class -> share of the project signed in that class."""
    floor: Mapping[int, Any]
    previous_missing: Mapping[int, Any]
    """Stock of users -> what it was short of its level at the end of the period before, absent in period 1."""


PARAMS: dict[str, str] = {
    "price": "market price, the lower one of two markets [million USD/unit]",
    "outside_price": "market price outside the countries that control a material [million USD/unit]",
    "demand": "demand of a segment, delta*demand [unit]",
    "depth": "most that an offer sells, availability and rules of origin counted [unit]",
    "clean_held": "1 where what the reserve buys of a producer has to be made of clean feed, else 0 [-]",
    "clean_asked": "1 where a qualified form has to be made of clean feed, else 0 [-]",
    "qualified_asked": "1 where not everything counts as a qualified form, else 0 [-]",
    "qualified_any": "1 where what a maker makes counts as a qualified form whatever its feed, else 0 [-]",
    "qualified_clean": "1 where what it makes of clean feed counts, else 0 [-]",
    "opening": "stock before the first period [unit]",
    "release_limit": "drawdown rate where release is allowed, else 0 [unit]",
    "disposal_limit": "disposal ceiling where sale is allowed, else 0 [unit]",
    "open_capacity": "rho*kappa*K, times survival where no market floor changes it [unit]",
    "contract_share": "rho*(1-kappa) while the contract is in force, times survival likewise [-]",
    "survival_open": "rho*K*alive without market floors [unit]",
    "survival_floor": "rho*K*(alive with the market floor - alive without) [unit]",
    "project_share": "K*rho*ramp*alive*crisis of an output class [unit]",
    "purchase_share": "min(take, K*y)*rho*ramp*alive*crisis of an output class while its floor is in force, else 0 [unit]",
    "salvage_value": "worth of stock at the end of the horizon, last period only [million USD/unit]",
    "diversification_share": "share allowed to a country, or asked of a group [-]",
    "diversification_active": "1 where the diversification rule is in force, else 0 [-]",
    "diversification_demand": "demand that the rule counts, times its share; negative for a least share [unit]",
    "shortfall_cap": "trunk shortfall allowed under a diversification rule and of qualified forms [unit]",
    **POOL_PARAMS,
    "cover": "stock asked by a days-of-cover rule [unit]",
    "tier_limit": "most of a tier that goes unmet where cuts fall on their part of a period [unit]",
    "loss_value": "v, gross loss per unit unmet of a tier [million USD/unit]",
    "substitution_cost": "cost of a substitution step [million USD/unit]",
    "holding_cost": "cost of holding a unit for a period [million USD/unit]",
    **USERS_STOCK_PARAMS,
    **CHANNEL_PARAMS,
}
"""Mutable Params of a period block: what differs between instances, or between re-solves."""


def param_keys(structure: Structure, sets: ComponentSets) -> dict[str, list[Any]]:
    """Index of each mutable Param, in the order in which its values are given."""
    rules = [n for n, _ in sets.diversification]
    return {
        "price": list(sets.materials),
        "outside_price": list(sets.quoted),
        "demand": list(sets.demands),
        "depth": [b.name for b in sets.purchases if b.offer >= 0],
        "clean_held": list(sets.clean.holders),
        **{name: list(sets.clean.qualifying) for name in ("clean_asked", "qualified_asked")},
        **{name: qualified_makers(structure, sets) for name in ("qualified_any", "qualified_clean")},
        **{name: list(sets.stocked) for name in ("opening", "release_limit", "disposal_limit")},
        "open_capacity": list(sets.sources),
        "contract_share": list(sets.contracts),
        "survival_open": sorted({j for j, _ in sets.floors}),
        "survival_floor": list(sets.floors),
        "project_share": list(sets.classes),
        "purchase_share": [(b.name, g) for b in sets.purchases for g in b.classes],
        "salvage_value": list(sets.stocked),
        **{f"diversification_{part}": rules for part in ("share", "active", "demand")},
        "shortfall_cap": list(sets.capped),
        **pool_param_keys(sets),
        "cover": [n for n, _ in enumerate(sets.cover)],
        "tier_limit": list(sets.tiers) if structure.instance.plan.loss.spikes else [],
        "loss_value": list(sets.tiers),
        "substitution_cost": list(sets.steps),
        "holding_cost": list(sets.stocked),
        **{name: list(sets.users) for name in USERS_STOCK_PARAMS},
        **channel_param_keys(sets),
    }


def _index(structure: Structure, rule: Any) -> int:
    return structure.instance.materials.index(rule.material)


def add_period(
    b: pyo.Block, structure: Structure, sets: ComponentSets, links: Links, values: Mapping[str, Any]
) -> None:
    """One period of one component: variables, constraints and cost."""
    add_parameters(b, structure, sets, values)
    add_variables(b, structure, sets)
    add_material_balance(b, structure, sets)
    add_segment_bound(b, structure, sets)
    add_surplus_limit(b, structure, sets)
    add_stock_balance(b, structure, sets, links)
    add_pool_balance(b, structure, sets)
    add_seller_depth(b, structure, sets)
    add_reserve_production(b, structure, sets)
    add_source_capacity(b, structure, sets, links)
    add_source_survival(b, structure, sets, links)
    add_project_capacity(b, structure, sets, links)
    add_floor_purchase(b, structure, sets, links)
    add_clean_chain(b, structure, sets, links.operating)
    add_diversification(b, structure, sets)
    add_trunk_shortfall(b, structure, sets)
    add_days_of_cover(b, structure, sets)
    add_users_stock_balance(b, sets, links.previous_missing)
    add_plant_pull(b, structure, sets)
    add_price_channel(b, structure, sets, links)
    add_costs(b, structure, sets)


def add_parameters(b: pyo.Block, structure: Structure, sets: ComponentSets, values: Mapping[str, Any]) -> None:
    """Mutable Params, see `PARAMS`."""
    for name, keys in param_keys(structure, sets).items():
        given = dict(zip(keys, values[name], strict=True))
        param = pyo.Param(pyo.Set(initialize=keys), mutable=True, initialize=given, doc=PARAMS[name])
        b.add_component(name, param)


def add_variables(b: pyo.Block, structure: Structure, sets: ComponentSets) -> None:
    """Flows of the period and the stock at its end, all >= 0, with the limits that are bounds."""
    instance = structure.instance
    sources, projects = sets.sources, [instance.sources + p for p in sets.projects]
    restricted = (
        {j for j, _ in sets.floors} | {structure.contracts[n].source for n in sets.contracts} | set(sets.holders)
    )

    def run_limit(b: Any, j: int) -> tuple[float, Any]:
        return (0, b.open_capacity[j]) if j in sources and j not in restricted else (0, None)

    b.output = pyo.Var([*sources, *projects], bounds=run_limit, doc="production for users")
    b.reserve_output = pyo.Var(list(sets.holders), bounds=(0, None), doc="production for the reserve")
    b.acquisition = pyo.Var(
        [p.name for p in sets.purchases],
        bounds=lambda b, o: (0, b.depth[o] if o in b.depth else None),
        doc="acquisition for the reserve",
    )
    stocked = list(sets.stocked)
    b.release = pyo.Var(stocked, bounds=lambda b, i: (0, b.release_limit[i]), doc="drawdown for use")
    b.disposal = pyo.Var(stocked, bounds=lambda b, i: (0, b.disposal_limit[i]), doc="disposal")
    storage = {i: instance.storage[i] for i in stocked}
    b.stock = pyo.Var(
        stocked, bounds=lambda b, i: (0, storage[i] if storage[i] < float("inf") else None), doc="stock at the end"
    )
    add_pool_variables(b, sets)
    step_of = {h: instance.steps[h][0] for h in sets.steps}
    tier_of = {n: instance.tiers[n][0] for n in sets.tiers}
    b.substitute = pyo.Var(
        list(sets.steps),
        bounds=lambda b, h: (0, float(instance.step_limit[h]) * b.demand[step_of[h]]),
        doc="substitution",
    )
    b.shortfall = pyo.Var(
        list(sets.tiers),
        bounds=lambda b, n: (
            0,
            b.tier_limit[n] if n in b.tier_limit else float(instance.tier_share[n]) * b.demand[tier_of[n]],
        ),
        doc="demand unmet",
    )
    made = [i for i in sets.materials if any(instance.yields[j, i] > 0 for j in b.output)]
    b.surplus = pyo.Var(made, bounds=(0, None), doc="output beyond home demand, exported")
    b.excess = pyo.Var(
        [n for n, d in sets.diversification if not d.hard], bounds=(0, None), doc="supply beyond a diversification rule"
    )
    add_users_stock_variables(b, sets)


def use(b: Any, j: int) -> Any:
    """use = run + hold: a tonne is used once."""
    return b.output[j] + b.reserve_output[j] if j in b.reserve_output else b.output[j]


def unmet(b: Any, structure: Structure, sets: ComponentSets, i: int) -> list[Any]:
    """Substitution and shortfall of a material."""
    instance = structure.instance
    mine = {q for q in sets.demands if instance.demand_material[q] == i}
    steps = [b.substitute[h] for h in sets.steps if instance.steps[h][0] in mine]
    return [*steps, *(b.shortfall[n] for n in sets.tiers if instance.tiers[n][0] in mine)]


def add_material_balance(b: pyo.Block, structure: Structure, sets: ComponentSets) -> None:
    """Everything supplied is used or left over.

    sum_j (y[j,i] run[j] + min(y[j,i],0) hold[j]) + release[i] + sum_k (substitute + shortfall + pull)[i,k]
        = sum_k (demand + refill)[i,k] + surplus[i]                                 [unit]  for each i"""
    y = structure.instance.yields
    demand_of = structure.instance.demand_material

    def balance(b: Any, i: int) -> Any:
        terms = [y[j, i] * b.output[j] for j in b.output if y[j, i] != 0]
        terms += [y[j, i] * b.reserve_output[j] for j in b.reserve_output if y[j, i] < 0]
        terms += unmet(b, structure, sets, i)
        own = [k for k in sets.users if structure.instance.users[k][0] == i]
        terms += [b.users_pull[k] - b.users_refill[k] for k in own]
        terms += [b.release[i]] if i in b.release else []
        terms += [-b.surplus[i]] if i in b.surplus else []
        if not terms:
            return pyo.Constraint.Skip
        return sum(terms) == sum(b.demand[q] for q in sets.demands if demand_of[q] == i)

    b.material_balance = pyo.Constraint(list(sets.materials), rule=balance)


def add_segment_bound(b: pyo.Block, structure: Structure, sets: ComponentSets) -> None:
    """A segment can go without no more than it wants: a cheap segment's shortfall cannot cover another's demand.

    sum_n shortfall[q,n] + sum_h substitute[q,h] + pull[q] <= demand[q]              [unit]  for each q"""
    instance = structure.instance

    def bound(b: Any, q: int) -> Any:
        tiers = [n for n in sets.tiers if instance.tiers[n][0] == q]
        steps = [h for h in sets.steps if instance.steps[h][0] == q]
        own = [k for k in sets.users if instance.users[k][1] == q]
        within = instance.tier_share[tiers].sum() + instance.step_limit[steps].sum() <= 1
        if not own and (len(tiers) + len(steps) == 0 or within):
            return pyo.Constraint.Skip  # the bounds of the variables say it already
        unserved = sum(b.shortfall[n] for n in tiers) + sum(b.substitute[h] for h in steps)
        return unserved + sum(b.users_pull[k] for k in own) <= b.demand[q]

    b.segment_bound = pyo.Constraint(list(sets.demands), rule=bound)


def add_surplus_limit(b: pyo.Block, structure: Structure, sets: ComponentSets) -> None:
    """Only what is made can be left over: stock does not leave through exports.

    surplus[i] <= sum_j max(y[j,i],0) run[j]                                         [unit]  for each i made"""
    y = structure.instance.yields
    b.surplus_limit = pyo.Constraint(
        list(b.surplus), rule=lambda b, i: b.surplus[i] <= sum(y[j, i] * b.output[j] for j in b.output if y[j, i] > 0)
    )


def add_stock_balance(b: pyo.Block, structure: Structure, sets: ComponentSets, links: Links) -> None:
    """Tonnes in store carry over, lose a share, gain acquisitions and give up releases and disposals; those of a pool are moved.

    stock[i] = (1 - decay[i]) stock_before[i] + sum_o buy[o] + received[i] - sent[i] - release[i] - sell[i]
                                                                                     [unit]  for each stocked i"""
    decay = structure.instance.decay
    by_material = {i: [p.name for p in sets.purchases if p.material == i] for i in sets.stocked}

    def balance(b: Any, i: int) -> Any:
        before = (1 - decay[i]) * links.previous_stock[i] if i in links.previous_stock else 0
        bought = sum(b.acquisition[o] for o in by_material[i])
        moved = b.received[i] - b.sent[i] if i in b.sent else 0
        return b.stock[i] - before - bought - moved + b.release[i] + b.disposal[i] == (1 - decay[i]) * b.opening[i]

    b.stock_balance = pyo.Constraint(list(sets.stocked), rule=balance)


def add_reserve_production(b: pyo.Block, structure: Structure, sets: ComponentSets) -> None:
    """What the reserve buys from a producer is made for it, joint products together, and nothing else is.

    y[j,i] hold[j] >= sum_{o of j and i} buy[o]                                       [unit]  for each j, output i
    hold[j] <= sum_{o of j} buy[o] / y[j,i(o)]                                        [unit]  for each j"""
    y = structure.instance.yields
    bought = {
        (j, i): [p.name for p in sets.purchases if (p.source, p.material) == (j, i)]
        for j in sets.holders
        for i in sets.materials
    }
    b.reserve_production = pyo.Constraint(
        [pair for pair, names in bought.items() if names],
        rule=lambda b, j, i: y[j, i] * b.reserve_output[j] >= sum(b.acquisition[o] for o in bought[j, i]),
    )
    several = {j: [p for p in sets.purchases if p.source == j] for j in sets.holders}
    b.reserve_production_limit = pyo.Constraint(
        list(sets.holders),
        rule=lambda b, j: b.reserve_output[j] <= sum(b.acquisition[p.name] / y[j, p.material] for p in several[j]),
    )


def add_source_capacity(b: pyo.Block, structure: Structure, sets: ComponentSets, links: Links) -> None:
    """A source gives what is available; while its output is tight, only the uncontracted share and what is contracted.

    use[j] <= rho (kappa_t K + (1 - kappa_t) sum_{t0 in force} contract[j,t0])          [unit]  for each source j"""
    restricted = (
        {structure.contracts[n].source for n in sets.contracts} | set(sets.holders) | {j for j, _ in sets.floors}
    )

    def capacity(b: Any, j: int) -> Any:
        if j not in restricted:
            return pyo.Constraint.Skip  # a bound of run
        signed = [b.contract_share[n] * links.contract[n] for n in sets.contracts if structure.contracts[n].source == j]
        return use(b, j) - sum(signed) <= b.open_capacity[j]

    b.source_capacity = pyo.Constraint(list(sets.sources), rule=capacity)


def add_source_survival(b: pyo.Block, structure: Structure, sets: ComponentSets, links: Links) -> None:
    """A source that its price shuts gives nothing, unless a market floor keeps it alive.

    use[j] <= rho K (alive0 + sum_m (alive_m - alive0) floor[m])                        [unit]  for each source that a floor saves
    """

    def survive(b: Any, j: int) -> Any:
        saved = [b.survival_floor[j, m] * links.floor[m] for k, m in sets.floors if k == j]
        return use(b, j) - sum(saved) <= b.survival_open[j]

    b.source_survival = pyo.Constraint(sorted({j for j, _ in sets.floors}), rule=survive)


def add_project_capacity(b: pyo.Block, structure: Structure, sets: ComponentSets, links: Links) -> None:
    """A project gives what was signed for, has ramped up, is alive and is not withheld in a crisis.

    use[p] <= sum_g K rho ramp alive crisis operating[p,g]                              [unit]  for each project p"""
    first, classes = structure.instance.sources, structure.support.classes

    def capacity(b: Any, p: int) -> Any:
        mine = [g for g in sets.classes if classes[g].project == p]
        return use(b, first + p) - sum(b.project_share[g] * links.operating[g] for g in mine) <= 0

    b.project_capacity = pyo.Constraint(list(sets.projects), rule=capacity)


def add_floor_purchase(b: pyo.Block, structure: Structure, sets: ComponentSets, links: Links) -> None:
    """Under a purchase floor the reserve may buy the covered tonnes at the plant's own price.

    buy[o,t] <= sum_g min(take, K y) ramp rho alive crisis operating[p,g]  while the floor is in force, else 0
                                                                                    [unit]  for each such offer o"""
    classes_of = {p.name: p.classes for p in sets.purchases if p.offer < 0}
    b.floor_purchase = pyo.Constraint(
        list(classes_of),
        rule=lambda b, o: (
            b.acquisition[o] - sum(b.purchase_share[o, g] * links.operating[g] for g in classes_of[o]) <= 0
        ),
    )


def add_diversification(b: pyo.Block, structure: Structure, sets: ComponentSets) -> None:
    """Diversification on the trunk: a country's supply stays below, or a group's above, a share of what is used.

    country cap:  sum_{j in country} y+ run[j] - cap (sum_k (demand - substitute - shortfall) + inputs of use) <= excess
    least share:  share (...) - sum_{j in group} y+ run[j] + surplus[i] <= excess         [unit]  for each rule"""
    instance = structure.instance
    y = instance.yields
    rules = dict(sets.diversification)

    def share(b: Any, n: int) -> Any:
        rule, i = rules[n], _index(structure, rules[n])
        used = sum(-y[j, i] * use(b, j) for j in b.output if y[j, i] < 0) - sum(unmet(b, structure, sets, i))
        slack = b.excess[n] if n in b.excess else 0
        if rule.kind == "country_cap":
            group = [j for j in b.output if instance.country[j] == rule.country and y[j, i] > 0]
            supplied = sum(y[j, i] * b.output[j] for j in group)
            return (
                b.diversification_active[n] * supplied - b.diversification_share[n] * used - slack
                <= b.diversification_demand[n]
            )
        members = instance.home if rule.group == "home" else instance.allied
        supplied = sum(y[j, i] * b.output[j] for j in b.output if members[j] and y[j, i] > 0)
        exported = b.surplus[i] if i in b.surplus else 0
        return (
            b.diversification_active[n] * (exported - supplied) + b.diversification_share[n] * used - slack
            <= b.diversification_demand[n]
        )

    b.diversification = pyo.Constraint(list(rules), rule=share)


def add_trunk_shortfall(b: pyo.Block, structure: Structure, sets: ComponentSets) -> None:
    """Going short is no way to diversify, and the reserve takes nothing that users of a qualified form need: on the trunk no more
    is short than without any plan (Z0).

    sum_{k,n} shortfall[i,k,n] <= shortfall of i in Z0               [unit]  for each i under a rule, and each qualified form
    """
    instance = structure.instance

    def limit(b: Any, i: int) -> Any:
        short = [b.shortfall[n] for n in sets.tiers if instance.demand_material[instance.tiers[n][0]] == i]
        return sum(short) <= b.shortfall_cap[i] if short else pyo.Constraint.Skip

    b.trunk_shortfall = pyo.Constraint(list(b.shortfall_cap), rule=limit)


def add_days_of_cover(b: pyo.Block, structure: Structure, sets: ComponentSets) -> None:
    """Rule of thumb: stock of so many days of net imports, on the trunk.

    stock[i] >= days/365 * net imports per year                                          [unit]  for each rule"""
    rules = dict(enumerate(sets.cover))
    b.days_of_cover = pyo.Constraint(
        [n for n, (i, _) in rules.items() if i in sets.stocked], rule=lambda b, n: b.stock[rules[n][0]] >= b.cover[n]
    )


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
