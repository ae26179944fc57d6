"""Values of the mutable Params for every instance of a component: products of data are formed here, in numpy.

Each function returns arrays whose first axis is the instance (or the branch) and whose second follows the key lists of
`model.period.param_keys` and `model.branch.param_keys`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.frames import Bools, Floats, Ints
from ..core.stats import DAYS_PER_YEAR
from ..question.plan import DaysOfCover
from ..world.events import squeeze_of_outputs
from ..world.instance import Instance
from ..world.loss_values import loss_values, tier_limits
from ..world.producers import purchase_price
from . import pools, stock_rules
from .branch import filled_up, limits_calm, service_terms, sold_on_trunk
from .period import CHANNEL_PARAMS, LESS, MORE, RAISED, SHORT_FIRST, TANGENTS, qualified_makers
from .sets import TRUNK, BlockIndex, ComponentSets, MovedPrice, Structure, active_rule, asked_of_form, loss_keys

SAME_PRICE = 1e-7
"""Difference of two prices that is rounding  [million USD/unit]: as an entry of the matrix the solver would drop it."""


def _columns(parts: Sequence[Any], n: int) -> Floats:
    return np.stack(parts, axis=1) if parts else np.zeros((n, 0))


def root_values(structure: Structure) -> dict[str, Floats]:
    """(1, keys) arrays of every Param of the commitments; those of limits that the plan does not set are empty."""
    instance, budget, risk = structure.instance, structure.instance.plan.budget, structure.instance.plan.risk
    every = range(len(instance.tiers))
    cap = None if budget.liability_cap_musd is None else instance.by_year(budget.liability_cap_musd)
    carry = budget.carry_over_share * instance.appropriation
    carry[-1] = 0.0
    advance = np.append(-budget.advance_share * instance.appropriation[1:], 0.0)
    given: dict[str, Any] = {
        "appropriation": instance.spendable,
        "carry_limit": carry,
        "advance_limit": advance,
        "total": _one(instance.spendable_in_all),
        "liability_cap": [] if cap is None else np.maximum(0.0, cap - instance.carried.liability),
        **{name: figures[figures != 0] for name, figures in structure.commitment_money.items()},
        "cvar_allowed": _one(risk.cvar_limit_musd),
        "expected_loss_allowed": _one(risk.expected_loss_limit_musd),
        "loss_value": _once(loss_values(instance, structure.scenarios, every)[0][None], loss_keys(instance, every))
        if structure.uses_risk
        else [],
        "substitution_cost": instance.step_cost if structure.uses_risk else [],
        **_outlay_figures(structure),
    }
    return {name: np.array(values, dtype=float).reshape(1, -1) for name, values in given.items()}


def _outlay_figures(structure: Structure) -> dict[str, Any]:
    """What purchases, holding, sales and contracts cost on the trunk, by Param of the commitments."""
    instance, trunk = structure.instance, structure.trunk
    stocked = [i for sets in structure.component_sets for i in sets.stocked]
    bought = [
        purchase_price(instance, p, trunk.price[0, p.material], trunk.market_gap[0, p.material])
        for sets in structure.component_sets
        for p in sets.purchases
    ]
    revolving = stocked if instance.plan.budget.revolving else []
    sources = [contract.source for contract in structure.contracts]
    return {
        "planned_price": np.concatenate(bought) if bought else [],
        "sale_proceeds": ((1 - instance.haircut[revolving, None]) * trunk.price[0, revolving]).ravel(),
        "holding_cost": instance.budget_holding[stocked] * instance.calendar.step,
        "contract_fee": instance.contract_fee[sources],
        "contract_cost": (instance.contract_fee + instance.contract_rise)[sources],
    }


def _one(limit: float | None) -> list[float]:
    return [] if limit is None else [limit]


def period_values(structure: Structure, sets: ComponentSets, blocks: BlockIndex) -> dict[str, Floats]:
    """(n, keys) arrays of every Param of the period block."""
    instance, scenarios, support = structure.instance, structure.scenarios, structure.support
    trunk = structure.trunk
    n = blocks.count
    t, s = blocks.period, blocks.scenario
    on_trunk = s == TRUNK
    w = np.where(on_trunk, 0, s)

    def of(undisturbed: Floats | Bools, scenario: Floats | Bools) -> Floats:
        """(n, k): (k, T) values on the trunk, (S, k, T) values in scenarios."""
        if undisturbed.shape[0] == 0:
            return np.zeros((n, 0))
        return np.where(on_trunk[:, None], undisturbed[:, t].T, scenario[w, :, t])

    materials, demands, sources = list(sets.materials), list(sets.demands), list(sets.sources)
    tiers = list(sets.tiers)
    wanted_by = [demands.index(instance.tiers[k][0]) for k in tiers]
    stocked = list(sets.stocked)
    price = instance.price[materials][:, t].T
    demand = of(trunk.demand(instance, demands)[0], scenarios.demand(instance, demands))
    tight = of(trunk.tight[0], scenarios.tight) > 0
    rho = of(trunk.availability[0], scenarios.availability)
    direct = of(trunk.direct[0], scenarios.direct)
    makes = instance.yields > 0
    squeeze = np.where(tight, of(trunk.squeeze[0], scenarios.squeeze), 0.0)
    crisis = squeeze_of_outputs(squeeze, makes)
    kappa = 1 - crisis * (1 - instance.kappa)
    K = instance.capacity[:, t].T
    floored = {j for j, _ in sets.floors}
    alive = of(support.trunk_alive.astype(float), support.scenarios_alive.astype(float))
    folded = np.array([np.ones(n) if j in floored else alive[:, j] for j in sources]).reshape(len(sources), n).T
    open_capacity = rho[:, sources] * kappa[:, sources] * K[:, sources] * folded
    position = {j: k for k, j in enumerate(sources)}
    contract_share = []
    for c in sets.contracts:
        contract = structure.contracts[c]
        j = contract.source
        live = (t >= contract.start) & (t < contract.end)
        kept = (1 - kappa[:, j]) * instance.honoured[j]
        contract_share.append(rho[:, j] * kept * live * folded[:, position[j]])
    release = np.where(tight[:, stocked], instance.drawdown[stocked], 0.0)
    if instance.plan.instruments.trunk_release:
        release[on_trunk] = instance.drawdown[stocked]
    for k, i in enumerate(stocked):
        release[:, k] = stock_rules.released_at_most(structure, i, release[:, k], w, on_trunk, t)
    disposal = np.where(tight[:, stocked], 0.0, instance.disposal[stocked])
    if not instance.plan.instruments.trunk_disposal:
        disposal[on_trunk | (instance.plan.policy == "targets")] = 0.0
    cap, active, wanted = _supplier_rules(structure, sets, on_trunk, t)
    markets = structure.support.markets  # (n, J) survival of existing sources under each market floor
    floored_by = [np.where(on_trunk[:, None], m.trunk[:, t].T, m.scenarios[w, :, t]).astype(float) for m in markets]
    return {
        "price": price,
        "outside_price": _columns([instance.market_price(i, True, instance.price[i])[t] for i in sets.quoted], n),
        "demand": demand,
        "depth": _depth(structure, sets, direct, squeeze, t),
        **_clean(structure, sets, t),
        "opening": np.where((t == 0)[:, None] & on_trunk[:, None], instance.opening[stocked], 0.0),
        "release_limit": release,
        "disposal_limit": disposal,
        "open_capacity": open_capacity,
        "contract_share": _columns(contract_share, n),
        "survival_open": _columns([rho[:, j] * K[:, j] * alive[:, j] for j in sorted(floored)], n),
        "survival_floor": _columns(
            [rho[:, j] * K[:, j] * (floored_by[m][:, j] - alive[:, j]) for j, m in sets.floors], n
        ),
        "project_share": _columns([_class_output(structure, g, on_trunk, w, t, rho, crisis) for g in sets.classes], n),
        "purchase_share": _columns(
            [
                instance.procurement.purchase_open[p.source, p.material, t]
                * _purchased(structure, g, t)
                * _class_output(structure, g, on_trunk, w, t, rho, crisis)
                for p in sets.purchases
                for g in p.classes
            ],
            n,
        ),
        "salvage_value": _salvage(structure, stocked, on_trunk, w, t),
        "diversification_share": cap,
        "diversification_active": active,
        "diversification_demand": wanted,
        "shortfall_cap": _shortfall_cap(structure, sets, demand, n),
        **pools.pool_param_values(structure, sets, on_trunk, t),
        "cover": _cover(structure, sets, on_trunk, t),
        "tier_limit": of(*tier_limits(instance, scenarios, tiers)) * demand[:, wanted_by]
        if instance.plan.loss.spikes
        else np.zeros((n, 0)),
        "loss_value": of(*loss_values(instance, scenarios, tiers)),
        "substitution_cost": np.tile(instance.step_cost[list(sets.steps)], (n, 1)),
        "holding_cost": np.tile(instance.holding[stocked] * instance.calendar.step, (n, 1)),
        **_users_stock(structure, sets, tight, on_trunk, w, t),
        **_channel(structure, sets, on_trunk, w, t),
    }


def _channel(structure: Structure, sets: ComponentSets, on_trunk: Bools, w: Ints, t: Ints) -> dict[str, Floats]:
    """What the plan does to prices abroad, by what home users buy there without it; nothing before that is known."""
    instance, known, n = structure.instance, structure.without, len(t)
    less, more = np.array(LESS), np.array(MORE)
    keep = np.array(TANGENTS)
    found: dict[str, list[Floats]] = {name: [] for name in CHANNEL_PARAMS}
    onset = np.where(on_trunk, 0, structure.scenarios.onset[w, sets.component])
    for of in sets.moved:
        i, path = of.material, np.where(on_trunk, 0, w + 1)
        bought, taken, given = (np.full(n, none) for none in (0.0, np.inf, -np.inf))
        if known is not None:
            bought, taken, given = (flow[path, i, t] for flow in (known.bought, known.taken, known.given))
        price, rise = (along[path, t] for along in prices_abroad(structure, i))
        phi = instance.price_slope[i, (t - onset >= instance.slope_later[i]).astype(int)]
        per_unit = phi * price / instance.market_trade[i]
        ends = _most_taken(instance, of) * more
        found["less_width"].append(np.diff(less) * bought[:, None])
        found["more_width"].append(np.tile([*np.diff(ends)[:-1], np.inf], (n, 1)))
        span = per_unit * bought * (known is not None)
        least = np.full(n, np.inf) if known is None else known.least_loss[path, i, t]
        most = np.where(span > 0, SHORT_FIRST * least / np.where(span > 0, span, 1.0), 1.0)
        share = np.minimum(most[:, None], RAISED * (1 - less[:-1] - less[1:]))
        found["piece_share"].append(share)
        found["piece_saving"].append(span[:, None] * share)
        dearer = bought[:, None] + ends[:-1] + ends[1:]
        found["piece_cost"].append(per_unit[:, None] * dearer * (known is not None))
        found["taken_without"].append(taken[:, None])
        found["given_without"].append(given[:, None])
        limit = bought[:, None] * (1 - keep) ** 2 if known is not None else np.full((n, len(keep)), np.inf)
        found["tangent_limit"].append(limit)
        calm = np.where((rise > 0) & (span > 0), rise / np.where(span > 0, span, 1.0), 1.0)
        found["calm_share"].append(np.minimum(1.0, calm)[:, None])
    return {name: np.concatenate(parts, axis=1) if parts else np.zeros((n, 0)) for name, parts in found.items()}


def _most_taken(instance: Instance, of: MovedPrice) -> float:
    """Most that offers abroad sell, built or not, and plants at home and projects use, of a material in a period [unit]."""
    use = instance.home | (np.arange(len(instance.producers)) >= instance.sources)
    inputs = np.maximum(-instance.yields[use, of.material], 0.0) @ instance.capacity[use].max(axis=1, initial=0.0)
    return float(inputs + instance.offer_depth[(instance.offer_material == of.material) & instance.offer_moves].sum())


def prices_abroad(structure: Structure, i: int) -> tuple[Floats, Floats]:
    """(1+S, T) price of a material outside the countries that control it, the baseline course first, and how far it stands above
    that of an undisturbed world, 0 where next to nothing."""
    instance = structure.instance
    calm = instance.market_price(i, True, instance.price[i])
    courses = [
        instance.market_price(i, True, of.price[:, i], gap=of.market_gap[:, i])
        for of in (structure.trunk, structure.scenarios)
    ]
    price = np.concatenate(courses)
    return price, np.where(price > calm * (1 + 1e-9), price - calm, 0.0)


def _once(values: Floats, keys: Sequence[tuple[int, int]]) -> Floats:
    """(n, keys) of (n, k, T) values of some tiers, those of the keys, which name the tiers in the same order."""
    place = {tier: k for k, tier in enumerate(dict.fromkeys(tier for tier, _ in keys))}
    at = np.array([(place[tier], t) for tier, t in keys], dtype=int).reshape(-1, 2)
    return np.asarray(values[:, at[:, 0], at[:, 1]])


def _users_stock(
    structure: Structure, sets: ComponentSets, tight: Bools, on_trunk: Bools, w: Ints, t: Ints
) -> dict[str, Floats]:
    """Limits and cost of stock that users hold themselves.

    A unit missing costs P0 (1 - (1+r)**-D + convenience D) a period, and what replaces it at the end,
    P0 where dearest, premium included, times beta[T+1]."""
    instance, plan, calendar = structure.instance, structure.instance.plan, structure.instance.calendar
    users = list(sets.users)
    material, level = [instance.users[k][0] for k in users], instance.users_level[users]
    calm, last, beta = instance.price[material][:, t].T, (t == calendar.periods - 1)[:, None], calendar.beta
    kept = 1 - (1 + calendar.rate) ** -calendar.step + plan.users_convenience_share * calendar.step
    dearest = _columns([instance.dearest_price(i)[t] for i in material], len(t))
    end = dearest * beta[-1] / beta[-2]
    begun = structure.trunk.lasting[0][instance.chain[material]].any(axis=1) | (instance.users_missing[users] > 0)
    moving, squeezed = ~on_trunk[:, None] | begun, tight[:, material]
    first = on_trunk & (t == 0)
    return {
        "users_opening": np.where(first[:, None], instance.users_missing[users], 0.0),
        "users_pull_limit": level * (moving & squeezed),
        "users_refill_limit": level * (moving & ~squeezed),
        "users_missing_limit": level * moving,
        "users_missing_cost": calm * kept + np.where(last, end, 0.0),
    }


def _clean(structure: Structure, sets: ComponentSets, t: Ints) -> dict[str, Floats]:
    """Whether purchases of a producer's output have to be clean in a period, and what counts as a qualified form."""
    instance, chain, n = structure.instance, sets.clean, len(t)
    rules, form = instance.procurement, instance.qualifying
    sold = {j: {p.material for p in sets.purchases if p.source == j} for j in chain.holders}
    bought = rules.clean_purchases | rules.clean_users
    held = [bought[sorted(sold[j])][:, t].any(axis=0).astype(float) for j in chain.holders]
    pairs = [(j, form[k]) for k, j in qualified_makers(structure, sets)]
    clean, asked = rules.clean_users, [asked_of_form(instance, form[k])[t].astype(float) for k in chain.qualifying]
    return {
        "clean_held": _columns(held, n),
        "clean_asked": _columns([clean[form[k], t].astype(float) for k in chain.qualifying], n),
        "qualified_asked": _columns(asked, n),
        "qualified_any": _columns([(rules.qualified[j, i, t] & ~clean[i, t]).astype(float) for j, i in pairs], n),
        "qualified_clean": _columns([(rules.qualified[j, i, t] & clean[i, t]).astype(float) for j, i in pairs], n),
    }


def _depth(structure: Structure, sets: ComponentSets, direct: Floats, tight: Floats, t: Ints) -> Floats:
    """Most that each offer sells: its depth times the availability of its source's controlled flow, or its own where it has no
    source, where rules of origin leave it open.

    `tight` (n, I) is the share of the period in which the material is tight, as deep as the cut."""
    instance = structure.instance
    parts = []
    for p in sets.purchases:
        if p.offer >= 0:
            crisis = 1 - tight[:, p.material] * (1 - instance.offer_crisis[p.offer])
            open_now = instance.offer_depth[p.offer] * instance.offer_open[p.offer, t]
            parts.append(open_now * (direct[:, p.source] if p.source >= 0 else crisis))
    return _columns(parts, len(t))


def _class_output(
    structure: Structure, g: int, on_trunk: Bools, w: Ints, t: Ints, rho: Floats, crisis: Floats
) -> Floats:
    """(n,) K rho ramp alive of an output class, times kappa + (1-kappa) offtake while an output is tight.

    `crisis` (n, J) is the share of the period in which an output of a producer is tight."""
    instance, output = structure.instance, structure.support.classes[g]
    j = instance.sources + output.project
    share = np.where(on_trunk, output.trunk[t], output.scenarios[w, t])
    withheld = (1 - instance.kappa[j]) * (1 - output.offtake)
    given = (1 - crisis[:, j] * withheld) * (1 - instance.projects[output.project].chance)
    return np.asarray(instance.capacity[j, 0] * rho[:, j] * share * given, dtype=float)


def _purchased(structure: Structure, g: int, t: Ints) -> Floats:
    """(n,) min(take, K*y) per unit of K while a purchase floor is in force, else 0: tonnes under it per unit of capacity."""
    instance, output = structure.instance, structure.support.classes[g]
    right = output.purchase
    if right is None:
        return np.zeros(len(t))
    j = instance.sources + output.project
    most = min(right.take / instance.capacity[j, 0], instance.yields[j, right.material])
    return np.where((t >= right.begin) & (t < right.end), most, 0.0)


def _salvage(structure: Structure, stocked: list[int], on_trunk: Bools, w: Ints, t: Ints) -> Floats:
    """salvage * min(P[i,T,trunk], P[i,T,s]) * beta[T+1]/beta[T] in the last period, else 0: never at crisis prices."""
    instance, scenarios = structure.instance, structure.scenarios
    T = instance.calendar.periods
    beta = instance.calendar.beta
    calm = instance.price[stocked, T - 1]
    end = np.where(on_trunk[:, None], structure.trunk.price[0, stocked, T - 1], scenarios.price[w][:, stocked, T - 1])
    end = np.minimum(calm, end)
    return np.where((t == T - 1)[:, None], instance.salvage[stocked] * end * beta[T] / beta[T - 1], 0.0)


def _supplier_rules(
    structure: Structure, sets: ComponentSets, on_trunk: Bools, t: Ints
) -> tuple[Floats, Floats, Floats]:
    """Share, activity and counted demand of each diversification rule; zero outside the trunk, before its year, and where nobody
    can be on the trunk any more."""
    instance = structure.instance
    n = len(t)
    cap, active, wanted = [], [], []
    for _, rule in sets.diversification:
        i = instance.materials.index(rule.material)
        on = on_trunk & active_rule(structure, rule)[t] & (structure.reach[instance.component[i], t] > 0)
        demand = structure.trunk.demand(instance, instance.demand_material == i)[0].sum(axis=0)[t]
        sign = 1.0 if rule.kind == "country_cap" else -1.0
        cap.append(on * rule.share)
        active.append(on.astype(float))
        wanted.append(on * sign * rule.share * demand)
    return _columns(cap, n), _columns(active, n), _columns(wanted, n)


def _shortfall_cap(structure: Structure, sets: ComponentSets, demand: Floats, n: int) -> Floats:
    """Before Z0 is known the whole demand: shortfall cannot be more, so the row does not bind."""
    instance = structure.instance
    parts = []
    for i in sets.capped:
        mine = [k for k, q in enumerate(sets.demands) if instance.demand_material[q] == i]
        parts.append(demand[:, mine].sum(axis=1))
    return _columns(parts, n)


def net_imports(instance: Instance, material: int) -> Floats:
    """(T,) demand, that for qualified forms included, and inputs of existing home plants less their output, at trunk availability,
    >= 0 [unit per year]."""
    of, unit = instance.demand_material, instance.material_unit
    mine = (of == material) | (instance.form_of[of] == material)
    demand = (instance.demand * (unit[of] / unit[material])[:, None])[mine].sum(axis=0)
    n, makers = instance.sources, instance.home.copy()
    makers[list(instance.qualifying)] = False
    made = instance.yields[:n, material, None] * instance.capacity[:n] * instance.availability[:n]
    net = demand - made[makers[:n]].sum(axis=0)
    return np.asarray(np.maximum(0.0, net) / instance.calendar.step, dtype=float)


def cover_needed(instance: Instance, rule: DaysOfCover, material: int) -> Floats:
    """(T,) stock that days of cover ask for [unit]."""
    return rule.days / DAYS_PER_YEAR * net_imports(instance, material)


def _cover(structure: Structure, sets: ComponentSets, on_trunk: Bools, t: Ints) -> Floats:
    parts = []
    for i, rule in sets.cover:
        needed = cover_needed(structure.instance, rule, i)
        parts.append(np.where(on_trunk & active_rule(structure, rule)[t], needed[t], 0.0))
    return _columns(parts, len(t))


def period_weights(structure: Structure, blocks: BlockIndex, c: int) -> Floats:
    """(n,) discounted weight of an instance's costs: beta*w0 on the trunk, beta*pi in a branch."""
    beta = structure.instance.calendar.beta
    share = np.where(
        blocks.scenario == TRUNK,
        structure.trunk_weight[c][blocks.period],
        structure.scenarios.probability[np.maximum(blocks.scenario, 0)],
    )
    return np.asarray(beta[blocks.period] * share, dtype=float)


def penalty_weights(structure: Structure, blocks: BlockIndex, c: int) -> Floats:
    """(n,) weight of soft penalties of an instance, undiscounted: w0 on the trunk; a branch has none in its periods."""
    return np.where(blocks.scenario == TRUNK, structure.reach[c][blocks.period], 0.0)


FILLING_YR = 3.0
"""Years in which a stock is filled again: an estimate (2 to 5)."""
UNFILLED = 0.15
"""Share of its price that a tonne missing from the target costs a year, where the market gives no more: an estimate (0.1 to 0.25),
about what keeping the tonne costs. Of fourteen problems whose best policy is known plans attain 95 % or more with it (0.25: 90 %),
and a plan of `rare-earths` is worth 468 as it is lived and spends 47 million (0.1: 464 and 103; before the end was charged)."""


def _filling(structure: Structure, sets: ComponentSets, S: Ints) -> dict[str, Floats]:
    """(branches, materials and periods) share of its target that a stock has reached by then, what of that was there before the
    plan, and what a unit missing costs: each year, and at the end what buying it then would lose, its price less salvage; or a
    target of the last years would cost next to nothing where the scenario knows that nobody will need it."""
    instance, scenarios, calendar = structure.instance, structure.scenarios, structure.instance.calendar
    T, needed, n = calendar.periods, FILLING_YR / calendar.step, len(S)
    share, before, price = [], [], []
    for i in filled_up(structure, sets):
        reached, calm = np.zeros((n, T)), np.full(n, np.inf)
        struck = np.logical_or.accumulate(scenarios.tight[S, i], axis=1)
        for t in range(T):
            calm = np.where(scenarios.tight[S, i, t], 0.0, calm + 1)
            again = instance.plan.release.refill_share * np.minimum(1.0, calm / needed)
            reached[:, t] = np.where(np.isinf(calm), 1.0, again)
        share.append(reached)
        old = instance.opening[i] * (1 - instance.decay[i]) ** np.arange(1, T + 1)
        before.append(np.where(struck, reached * old, 0.0))
        dear = UNFILLED * float(instance.price[i].max()) * calendar.step * calendar.beta[:-1]
        last = float(instance.price[i, -1])
        dear[-1] += last * max(0.0, calendar.beta[-2] - float(instance.salvage[i]) * calendar.beta[-1])
        price.append(np.tile(dear, (n, 1)))
    found = {"filled_share": share, "filled_before": before, "unfilled_price": price}
    return {name: np.concatenate(parts, axis=1) if parts else np.zeros((n, 0)) for name, parts in found.items()}


def branch_values(structure: Structure, sets: ComponentSets, blocks: BlockIndex) -> dict[str, Floats]:
    """(branches, keys) arrays of every Param of the branch block."""
    instance, scenarios = structure.instance, structure.scenarios
    T = instance.calendar.periods
    S = np.array(blocks.branches, dtype=int)
    n = len(S)
    offers, trunk = [p for p in sets.purchases if p.offer >= 0], structure.trunk
    price = [
        column
        for p in offers
        for column in purchase_price(instance, p, scenarios.price[S, p.material], scenarios.market_gap[S, p.material]).T
    ]
    planned = [
        np.full(n, price)
        for p in offers
        for price in purchase_price(instance, p, trunk.price[0, p.material], trunk.market_gap[0, p.material])
    ]
    # before a branch begins its purchases are the trunk's, at the difference of both prices: rounding is none
    same = SAME_PRICE * instance.money_unit
    price = [np.where(np.abs(mine - of) < same, of, mine) for mine, of in zip(price, planned, strict=True)]
    cheap = scenarios.price < instance.price * (1 - 1e-9)  # a year that is flooded and cut is no squeeze
    before = np.arange(T) < scenarios.onset[S, sets.component][:, None]  # what was bought then was planned
    loose = ~scenarios.tight | cheap
    calm = [loose[S, p.material, t] | before[:, t] for p in offers for t in range(T)]
    sold = sold_on_trunk(structure, sets)
    windows: dict[int, Floats] = {}
    for k, level in sets.services:
        named = np.array([scenarios.names[s] in level.scenarios for s in S], dtype=bool)
        begin, end = scenarios.onset[S, sets.component], scenarios.end[S, sets.component]
        period = np.arange(T)
        inside = (period >= begin[:, None]) & (period < end[:, None])
        windows[k] = (inside & named[:, None]).astype(float)
    levels = dict(sets.services)
    allowance = []
    for k, f in service_terms(structure, sets):
        level = levels[k]
        q = instance.demands.index((level.material, level.segment))
        wanted = scenarios.demand(instance, q)[S]
        in_year = np.ones(T) if f < 0 else (instance.calendar.year_index == f)
        allowance.append((1 - level.level) * (windows[k] * wanted * in_year).sum(axis=1))
    return {
        "buy_price": _columns(price, n),
        "planned_price": _columns(planned, n),
        "calm_price": _columns([p * c for p, c in zip(price, calm, strict=True)], n)
        if limits_calm(structure)
        else np.zeros((n, 0)),
        **_filling(structure, sets, S),
        "unsold_share": scenarios.tight[S][:, sold].reshape(n, len(sold) * T).astype(float),
        "service_window": _columns([windows[k][:, t] for k, _ in sets.services for t in range(T)], n),
        "service_allowance": _columns(allowance, n),
        **stock_rules.stock_rule_param_values(structure, sets, S),
        "loss_value": _once(loss_values(instance, scenarios, sets.tiers)[1][S], loss_keys(instance, sets.tiers))
        if structure.uses_risk
        else np.zeros((n, 0)),
        "substitution_cost": np.tile(instance.step_cost[list(sets.steps) if structure.uses_risk else []], (n, 1)),
    }
