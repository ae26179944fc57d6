"""First-stage decisions, taken on the trunk and kept in every branch: packages, contracts, market floors, carry-over.

Money in million USD, tonnes in model units."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.core.expr.numeric_expr import LinearExpression

from ..core.frames import Floats
from ..question.base import gathered
from .branch import discounted_loss
from .sets import Structure, loss_keys

TrunkVariable = Callable[[int, str, Any, int], Any]
"""(component, variable, index, period) -> the Pyomo variable of the trunk that holds it."""

Terms = list[tuple[Any, Any]]
"""A sum: (coefficient, variable) pairs, coefficients being numbers or sums and products of Params without variables."""

ScenarioVariable = Callable[[str, int], Any]
"""(variable, scenario) -> the Pyomo variable of the scenario that holds it."""

PARAMS: dict[str, str] = {
    "appropriation": "appropriation of a fiscal year, or what is owed before the plan begins where that is more [million USD]",
    "carry_limit": "most of it that may be carried into the next year, 0 in the last [million USD]",
    "advance_limit": "most that may be drawn of the next year's, as a negative number [million USD]",
    "total": "limit on all outlays of the planned years [million USD]",
    "liability_cap": "limit on what all floors may cost in a fiscal year [million USD]",
    "outlay": "what a commitment costs the budget in a fiscal year [million USD]",
    "planned_outlay": "the same over the planned years together [million USD]",
    "discounted_outlay": "the same over all years, discounted as spending is [million USD]",
    "liability": "what a commitment's floors may cost in a fiscal year at the price state w*, net of upside receipts [million USD]",
    "social_cost": "what a commitment costs, discounted, with expected floor cost and border surcharges [million USD]",
    "residual_worth": "worth of a project's unexpired life at the end of the horizon, at residual 1 [million USD]",
    "cvar_allowed": "limit on conditional value at risk [million USD]",
    "expected_loss_allowed": "limit on expected loss [million USD]",
    "planned_price": "price paid on the trunk, P_0 (1+premium) [million USD/unit]",
    "sale_proceeds": "what a unit sold on the trunk brings, P_0 (1-haircut), where proceeds revolve [million USD/unit]",
    "holding_cost": "cost of holding a unit for a period [million USD/unit]",
    "contract_fee": "fee of an offtake contract, whether used or not [million USD/unit]",
    "contract_cost": "that fee, and what users are expected to pay above the usual price [million USD/unit]",
    "loss_value": "v, gross loss per unit unmet of a tier, where the trunk's loss counts [million USD/unit]",
    "substitution_cost": "cost of a substitution step, likewise [million USD/unit]",
}
"""Mutable Params of the commitments: figures that a re-solve may change without writing the block again. A commitment is a
signature, counted as its option, or after those a market floor."""


def param_keys(structure: Structure) -> dict[str, list[Any]]:
    """Index of each mutable Param, in the order in which its values are given; empty where the plan sets no such limit."""
    plan, calendar = structure.instance.plan, structure.instance.calendar
    years, periods = list(range(len(calendar.years))), range(calendar.periods)
    stocked = [i for sets in structure.component_sets for i in sets.stocked]
    priced = structure.uses_risk

    def one(limit: float | None) -> list[Any]:
        return [] if limit is None else [0]

    return {
        **dict.fromkeys(("appropriation", "carry_limit", "advance_limit"), years),
        "total": one(plan.budget.total_musd),
        "liability_cap": [] if plan.budget.liability_cap_musd is None else years,
        **{name: _used(figures) for name, figures in structure.commitment_money.items()},
        "cvar_allowed": one(plan.risk.cvar_limit_musd),
        "expected_loss_allowed": one(plan.risk.expected_loss_limit_musd),
        "planned_price": [(p.name, t) for sets in structure.component_sets for p in sets.purchases for t in periods],
        "sale_proceeds": [(i, t) for i in stocked for t in periods] if plan.budget.revolving else [],
        "holding_cost": stocked,
        **{name: list(range(len(structure.contracts))) for name in ("contract_fee", "contract_cost")},
        "loss_value": loss_keys(structure.instance, range(len(structure.instance.tiers))) if priced else [],
        "substitution_cost": list(range(len(structure.instance.steps))) if priced else [],
    }


def _used(figures: Floats) -> list[Any]:
    """Where figures are not zero: a position, or a pair."""
    where = np.argwhere(figures).tolist()
    return [k for (k,) in where] if figures.ndim == 1 else [tuple(pair) for pair in where]


def add_commitments(m: pyo.Block, structure: Structure, trunk: TrunkVariable, scenario: ScenarioVariable) -> None:
    """Rows and costs of everything decided before anything has happened; `add_variables` comes first."""
    add_one_package(m, structure)
    add_project_logic(m, structure)
    add_operating(m, structure)
    add_one_market_floor(m, structure)
    add_beside_market_floor(m, structure)
    add_contract_lots(m, structure)
    add_contracts_in_force(m, structure)
    add_budget(m, structure, trunk)
    add_total_budget(m, structure, trunk)
    add_contingent_liability(m, structure)
    add_trunk_loss(m, structure, trunk)
    add_loss_limits(m, structure, scenario)
    add_commitment_costs(m, structure)


def add_variables(m: pyo.Block, structure: Structure, values: Mapping[str, Any]) -> None:
    """Mutable Params (`PARAMS`) at their values, then signatures, contracts, floors, carry-over."""
    for name, keys in param_keys(structure).items():
        given = dict(zip(keys, values[name], strict=True))
        m.add_component(name, pyo.Param(pyo.Set(initialize=keys), mutable=True, initialize=given, doc=PARAMS[name]))
    instance, support = structure.instance, structure.support
    domain = pyo.UnitInterval if instance.plan.instruments.partial_support else pyo.Binary
    m.sign = pyo.Var(range(len(support.options)), domain=domain, doc="package signed for a project at a date")
    m.operating = pyo.Var(
        range(len(support.classes)), bounds=(0, 1), doc="share of a project signed in an output class"
    )
    m.floor = pyo.Var(range(len(support.markets)), domain=pyo.Binary, doc="market-wide price floor")
    contracts = dict(enumerate(structure.contracts))
    m.contract = pyo.Var(
        list(contracts), bounds=lambda m, n: (0, contracts[n].largest), doc="tonnes per period under offtake contract"
    )
    m.contract_signed = pyo.Var(
        [n for n, contract in contracts.items() if contract.lot > 0], domain=pyo.Binary, doc="offtake contract signed"
    )
    F = len(instance.calendar.years)
    m.carry = pyo.Var(
        range(F),
        bounds=lambda m, f: (m.advance_limit[f], m.carry_limit[f]),
        doc="appropriation carried into the next year, negative where it is drawn from there",
    )
    spare = range(F) if instance.plan.budget.branch_money == "appropriated" else []
    m.unspent = pyo.Var(spare, bounds=(0, None), doc="appropriation that the trunk leaves to branches")
    if structure.uses_risk:
        m.value_at_risk = pyo.Var(bounds=(0, None), doc="loss exceeded with probability 1 - alpha (eta)")
        m.trunk_loss = pyo.Var(
            range(len(structure.component_sets)), bounds=(0, None), doc="loss of a component along the trunk"
        )


def add_one_package(m: pyo.Block, structure: Structure) -> None:
    """A project is supported at most once; a baseline project is built whatever the plan does.

    sum_{l,t0} sign[p,l,t0] <= 1   (= 1 for a baseline project)                         [-]  for each project"""
    options, baseline = structure.support.options, structure.support.baseline
    by_project = gathered((option.project, o) for o, option in enumerate(options))

    def one(m: Any, p: int) -> Any:
        total = sum(m.sign[o] for o in by_project[p])
        return total == 1 if baseline[p] else total <= 1

    m.one_package = pyo.Constraint(list(by_project), rule=one)


def add_project_logic(m: pyo.Block, structure: Structure) -> None:
    """Projects that need or exclude another.

    sum sign[p] <= sum sign[q] where p needs q;   sum sign[p] + sum sign[q] <= 1 where they exclude each other     [-]
    """
    options, projects = structure.support.options, structure.instance.projects

    def signed(p: int) -> Any:
        return sum(m.sign[o] for o, option in enumerate(options) if option.project == p)

    pairs = [("needs", p, q) for p, project in enumerate(projects) for q in project.needs]
    pairs += [("excludes", p, q) for p, project in enumerate(projects) for q in project.excludes]

    def logic(m: Any, kind: str, p: int, q: int) -> Any:
        left, right = signed(p), signed(q)
        if isinstance(left, int):  # no option: nothing to tie
            return pyo.Constraint.Skip
        return left - right <= 0 if kind == "needs" else left + right <= 1

    m.project_logic = pyo.Constraint(pairs, rule=logic)


def add_operating(m: pyo.Block, structure: Structure) -> None:
    """What is signed, by how it will produce: branches see output classes, not packages.

    operating[g] = sum_{(l,t0) in g} sign[p,l,t0]                                       [-]  for each output class"""
    members: dict[int, list[int]] = {g: [] for g in range(len(structure.support.classes))}
    for o, option in enumerate(structure.support.options):
        members[option.output_class].append(o)
    m.operating_sum = pyo.Constraint(
        list(members), rule=lambda m, g: m.operating[g] - sum(m.sign[o] for o in members[g]) == 0
    )


def add_one_market_floor(m: pyo.Block, structure: Structure) -> None:
    """At most one market floor a material.

    sum_m floor[i,m] <= 1                                                               [-]  for each material"""
    by_material = gathered((market.floor.floor.material, n) for n, market in enumerate(structure.support.markets))
    m.one_market_floor = pyo.Constraint(
        list(by_material), rule=lambda m, i: sum(m.floor[n] for n in by_material[i]) <= 1
    )


def add_beside_market_floor(m: pyo.Block, structure: Structure) -> None:
    """With a market floor, a project takes the variant that counts on it, and only then.

    sum_{l without m} sign[p,l,t0] <= 1 - sum_m floor[i,m];   sum_{l with m} sign[p,l,t0] <= floor[i,m]     [-]
    A package whose variant with m fails participation may stand beside m as it is (`excluded_by` leaves it out); one with a floor
    of its own on i has no variant, and m excludes it."""
    options = structure.support.options
    excluded = structure.support.excluded_by.items()
    without = gathered(((options[o].project, floors), o) for (o, _), floors in excluded)
    beside = dict(enumerate(without))
    m.without_market_floor = pyo.Constraint(
        list(beside),
        rule=lambda m, n: sum(m.sign[o] for o in without[beside[n]]) + sum(m.floor[k] for k in beside[n][1]) <= 1,
    )
    counting = gathered(((option.project, k), o) for o, option in enumerate(options) for k in option.market)
    m.with_market_floor = pyo.Constraint(
        list(counting), rule=lambda m, p, k: sum(m.sign[o] for o in counting[p, k]) - m.floor[k] <= 0
    )


def add_contract_lots(m: pyo.Block, structure: Structure) -> None:
    """A contract is nothing, or at least a lot.

    lot contract_signed <= contract <= K contract_signed                                [unit/period]  for each contract with a lot
    """
    contracts = structure.contracts
    signed = list(m.contract_signed)
    m.contract_least = pyo.Constraint(
        signed, rule=lambda m, n: contracts[n].lot * m.contract_signed[n] - m.contract[n] <= 0
    )
    m.contract_most = pyo.Constraint(
        signed, rule=lambda m, n: m.contract[n] - contracts[n].largest * m.contract_signed[n] <= 0
    )


def add_contracts_in_force(m: pyo.Block, structure: Structure) -> None:
    """No source promises more than it makes.

    sum_{t0 in force at t} contract[j,t0] <= K[j,t]                                     [unit/period]  for each source and period
    """
    capacity = structure.instance.capacity * (1 - structure.instance.sold[:, None])
    T = structure.instance.calendar.periods
    sources = sorted({contract.source for contract in structure.contracts})

    def fits(m: Any, j: int, t: int) -> Any:
        live = [n for n, k in enumerate(structure.contracts) if k.source == j and k.start <= t < k.end]
        if not live or (len(live) == 1 and structure.contracts[live[0]].largest <= capacity[j, t]):
            return pyo.Constraint.Skip
        return sum(m.contract[n] for n in live) <= float(capacity[j, t])

    m.contracts_in_force = pyo.Constraint(sources, range(T), rule=fits)


def contract_fees(structure: Structure, weights: Floats, fees: pyo.Param, contract: pyo.Var) -> Terms:
    """Fees of offtake contracts, or what these cost in all, each period in force weighted.

    sum_{j,t0} fee[j] (sum_{t in force} w[t]) contract[j,t0]                             [million USD]"""
    return [(float(weights[k.start : k.end].sum()) * fees[n], contract[n]) for n, k in enumerate(structure.contracts)]


def committed(m: pyo.Block, figures: pyo.Param) -> Terms:
    """sum over signatures and market floors of a figure of theirs [million USD]."""
    every = _every(m)
    return [(figure, every[n]) for n, figure in figures.items()]


def committed_by_year(m: pyo.Block, figures: pyo.Param) -> dict[int, Terms]:
    """The same for each fiscal year in which there is one."""
    every = _every(m)
    return gathered((f, (figure, every[n])) for (n, f), figure in figures.items())


def _every(m: pyo.Block) -> list[Any]:
    """Signatures and, after them, market floors."""
    return [*m.sign.values(), *m.floor.values()]


def summed(terms: Terms) -> Any:
    """Made in one piece: adding up term by term takes three times as long, and compiling the sum more than that."""
    if not terms:
        return 0.0
    coefficients, variables = zip(*terms, strict=True)
    return LinearExpression(constant=0, linear_coefs=coefficients, linear_vars=variables)


def operating_outlay(m: pyo.Block, structure: Structure, trunk: TrunkVariable, weights: Floats) -> Terms:
    """Outlays on the trunk but for signatures and floors: purchases, holding, fees of contracts.

    sum_t w[t] (sum_o P_0 (1+premium) buy[o,t] + sum_i holding[i] D stock[i,t]) + contract fees           [million USD]
    `w` (T,) picks or discounts periods; with `revolving` the proceeds of sales, P_0 (1-haircut) sell[i,t], count against them.
    """
    terms: Terms = []
    for sets in structure.component_sets:
        for t in np.flatnonzero(weights).tolist():
            w, mine = float(weights[t]), partial(trunk, sets.component)
            terms += [(w * m.planned_price[p.name, t], mine("acquisition", p.name, t)) for p in sets.purchases]
            terms += [(w * m.holding_cost[i], mine("stock", i, t)) for i in sets.stocked]
            if structure.instance.plan.budget.revolving:
                terms += [(-w * m.sale_proceeds[i, t], mine("disposal", i, t)) for i in sets.stocked]
    return terms + contract_fees(structure, weights, m.contract_fee, m.contract)


def trunk_spending(m: pyo.Block, structure: Structure, trunk: TrunkVariable) -> Any:
    """All outlays on the trunk, discounted: with scored gaps and expected budget-paid floor cost.

    operating outlay with w[t] = beta of the first period of t's fiscal year
        + sum_f beta[f] (sum sign outlay[f] + sum floor outlay[f])                       [million USD]"""
    weights = structure.instance.calendar.spending_weight
    return summed(operating_outlay(m, structure, trunk, weights) + committed(m, m.discounted_outlay))


def add_budget(m: pyo.Block, structure: Structure, trunk: TrunkVariable) -> None:
    """Each year's outlays stay within its appropriation, or what holding the opening stock costs anyway where that is more, and
    what was carried over; sales go to the treasury.

    outlay[f] - carry[f-1] + carry[f] + unspent[f] <= appropriation[f]                   [million USD]  for each fiscal year
    """
    instance = structure.instance
    year_index, signed = instance.calendar.year_index, committed_by_year(m, m.outlay)

    def year(m: Any, f: int) -> Any:
        outlay = operating_outlay(m, structure, trunk, (year_index == f).astype(float)) + signed.get(f, [])
        carried = [(-1.0, m.carry[f - 1])] if f > 0 else []
        spare = [(1.0, m.unspent[f])] if f in m.unspent else []
        return summed([*outlay, *carried, (1.0, m.carry[f]), *spare]) <= m.appropriation[f]

    m.budget = pyo.Constraint(range(len(instance.calendar.years)), rule=year)


def add_total_budget(m: pyo.Block, structure: Structure, trunk: TrunkVariable) -> None:
    """Optionally, a limit on all outlays of the planned years.

    sum_f (outlay[f] + unspent[f]) <= total                                              [million USD]"""
    calendar = structure.instance.calendar
    if not len(m.total):
        return
    planned = (np.arange(calendar.periods) < calendar.planned).astype(float)
    spare = [(1.0, m.unspent[f]) for f in m.unspent if calendar.years[f] in calendar.planned_years]
    spent = [*operating_outlay(m, structure, trunk, planned), *committed(m, m.planned_outlay), *spare]
    if spent:  # a plan may have nothing to spend on
        m.total_budget = pyo.Constraint(expr=summed(spent) <= m.total[0])


def add_contingent_liability(m: pyo.Block, structure: Structure) -> None:
    """What all floors together may cost in a year, at the price state w*, net of upside receipts.

    sum_{t in f} sum K ramp y alive (max(0, F - w* P) - upside max(0, w* P - F)) sign <= cap[f]     [million USD]"""
    owed = committed_by_year(m, m.liability)
    m.contingent_liability = pyo.Constraint(
        list(m.liability_cap),
        rule=lambda m, f: summed(owed[f]) <= m.liability_cap[f] if f in owed else pyo.Constraint.Skip,
    )


def add_trunk_loss(m: pyo.Block, structure: Structure, trunk: TrunkVariable) -> None:
    """Loss of a component along the trunk, for the scenarios that never touch it.

    trunk_loss[c] = sum_t beta[t] (sum_n v[n,t] shortfall + sum_h cost substitute)        [million USD]  for each component
    """
    if not structure.uses_risk:
        return

    def loss(m: Any, c: int) -> Any:
        sets = structure.component_sets[c]
        return discounted_loss(m, structure, sets, lambda name, key, t: trunk(c, name, key, t)) - m.trunk_loss[c] == 0

    m.trunk_loss_sum = pyo.Constraint(range(len(structure.component_sets)), rule=loss)


def cvar(m: pyo.Block, structure: Structure, scenario: ScenarioVariable) -> Any:
    """Conditional value at risk: eta + sum_s pi[s] z[s] / (1 - alpha)  [million USD] (Rockafellar and Uryasev 2000)."""
    alpha = structure.instance.plan.risk.alpha
    tail = [float(pi) / (1 - alpha) * scenario("tail", s) for s, pi in enumerate(structure.scenarios.probability)]
    return m.value_at_risk + sum(tail)


def add_loss_limits(m: pyo.Block, structure: Structure, scenario: ScenarioVariable) -> None:
    """Limits on the risk measures.

    eta + sum_s pi[s] z[s]/(1-alpha) <= limit;    sum_s pi[s] loss[s] <= limit             [million USD]"""
    if len(m.cvar_allowed):
        m.cvar_limit = pyo.Constraint(expr=cvar(m, structure, scenario) <= m.cvar_allowed[0])
    if len(m.expected_loss_allowed):
        expected = [float(pi) * scenario("scenario_loss", s) for s, pi in enumerate(structure.scenarios.probability)]
        m.expected_loss_limit = pyo.Constraint(expr=sum(expected) <= m.expected_loss_allowed[0])


def add_commitment_costs(m: pyo.Block, structure: Structure) -> None:
    """Costs of commitments, discounted, counted once whatever happens [million USD].

    fees and dearer deliveries of contracts + payments that close gaps + expected floor cost with terminal liability
    + border surcharge less revenue
    The residual worth of what is alive at the end is an expression of its own, credited at the plan's `residual`."""
    beta = structure.instance.calendar.beta[: structure.instance.calendar.periods]
    contracts = contract_fees(structure, beta, m.contract_cost, m.contract)
    m.commitment_cost = pyo.Expression(expr=summed(contracts + committed(m, m.social_cost)))
    m.residual_credit = pyo.Expression(expr=summed(committed(m, m.residual_worth)))
