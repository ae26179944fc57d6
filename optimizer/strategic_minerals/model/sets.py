"""Which variables a model has: the sets of each component, the instances of its operations, the commitments.

One *instance* is the operations of one component in one period of the trunk or of one scenario's branch. All instances of a
component have the same variables and constraints and differ only in data, so one period is written in Pyomo, compiled
once, and instantiated for all."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..core.frames import Bools, Floats, Ints
from ..question.plan import DaysOfCover, Diversification, Plan, ServiceLevel, StockRule
from ..world.events import ScenarioSet
from ..world.instance import Contract, Instance, Purchase, seller_unit, start_periods
from ..world.packages import Support, commitment_money

TRUNK = -1
"""Scenario index of trunk instances."""

LEAST_REACH = 1e-9
"""Probability of being on the trunk in a period, below which nobody is: what is left of a sum of probabilities that add to one."""

STAGES = {
    "social_cost": ("social_cost",),
    "risk_within_budget": ("risk", "spending", "social_cost"),
    "least_budget": ("spending", "social_cost"),
}
"""Aims in the order in which they are minimised, by kind of objective."""


@dataclass(frozen=True)
class CleanChain:
    """Sets of the balances of clean feed."""

    materials: tuple[int, ...] = ()
    """Inputs, back to the mine, of what the authority buys or supports clean."""
    makers: tuple[int, ...] = ()
    """Producers of which a part of the run is clean: those that make these inputs of clean feed, and supported projects."""
    holders: tuple[int, ...] = ()
    """Producers from which the reserve buys clean."""
    supported: tuple[int, ...] = ()
    """Projects whose support binds them to clean feed."""
    qualifying: tuple[int, ...] = ()
    """Producers that make a qualified form, of which somebody asks something."""
    stored: tuple[int, ...] = ()
    """Materials of the chain of which the reserve holds clean tonnes alone: it had none, and every seller to it is clean."""


@dataclass(frozen=True)
class MovedPrice:
    """A material whose price abroad the plan moves, and who trades it."""

    material: int
    abroad: tuple[int, ...]
    """Existing sources abroad: what home users buy of them they buy in the market."""
    added: tuple[int, ...]
    """Projects that need support, whose output is new to it."""
    offers: tuple[str, ...]
    """Offers from abroad."""
    contracts: tuple[int, ...]
    """Offtake contracts with sources abroad: what they alone give is bought outside the market."""


@dataclass(frozen=True)
class WithoutPlan:
    """(1+S, I, T) what home users buy abroad, and what the reserve and projects give, where nothing is done, trunk first [unit]."""

    bought: Floats
    """From existing sources abroad."""
    taken: Floats
    """The same less what the reserve sells."""
    given: Floats
    """Released, where the law lets that lower a price, sold, and made by projects."""
    least_loss: Floats
    """What the tonne that is missed least costs its user beyond its price, inf where none is missed [million USD/unit]."""


@dataclass(frozen=True)
class ComponentSets:
    """Sets of one component, as indices into the instance."""

    component: int
    materials: tuple[int, ...]
    quoted: tuple[int, ...]
    """Materials with a market of its own outside the countries that control them."""
    sources: tuple[int, ...]
    projects: tuple[int, ...]
    demands: tuple[int, ...]
    tiers: tuple[int, ...]
    steps: tuple[int, ...]
    purchases: tuple[Purchase, ...]
    stocked: tuple[int, ...]
    """Materials with a purchase or an opening stock, and what their stock may be moved to: they have stock, release and sell."""
    drawn: tuple[int, ...]
    """Stocked materials of which the baseline course may release."""
    pools: tuple[tuple[int, ...], ...]
    """Stocked materials between which stock may be moved."""
    sellers: tuple[tuple[int, tuple[str, ...]], ...]
    """Sellers, and the offers that share what each sells, where together they could buy more."""
    holders: tuple[int, ...]
    """Producers that make for the reserve."""
    clean: CleanChain
    """What has to be made of clean feed, back to the mine; empty without rules of origin with reach-back."""
    contracts: tuple[int, ...]
    floors: tuple[tuple[int, int], ...]
    """(source, market floor) pairs where the floor changes survival."""
    classes: tuple[int, ...]
    diversification: tuple[tuple[int, Diversification], ...]
    capped: tuple[int, ...]
    """Materials of which no more may be short on the trunk than in Z0: under a rule of `diversification`, and qualified forms."""
    cover: tuple[tuple[int, DaysOfCover], ...]
    services: tuple[tuple[int, ServiceLevel], ...]
    refills: tuple[tuple[int, StockRule], ...]
    """(material, rule) of stocks that have to be filled again after a disruption."""
    users: tuple[int, ...]
    """Stocks that users hold themselves."""
    adapted: tuple[int, ...]
    """Tiers whose loss changes from period to period."""
    moved: tuple[MovedPrice, ...]
    """Materials whose price abroad the plan moves."""


@dataclass(frozen=True)
class BlockIndex:
    """All instances of a component, trunk first, then branch by branch in order of time."""

    scenario: Ints
    """(n,) TRUNK or the scenario."""
    period: Ints
    previous: Ints
    """(n,) instance whose stocks this one starts from, -1 for the opening stock."""
    branches: tuple[int, ...]
    """Scenarios in which the component branches."""
    first: Mapping[int, int]
    """First instance of each scenario's branch."""

    @property
    def one(self) -> BlockIndex:
        """The first instance and the first branch alone: what a block is written with, before it is instantiated."""
        return BlockIndex(self.scenario[:1], self.period[:1], self.previous[:1], self.branches[:1], {})

    @property
    def count(self) -> int:
        """Number of instances."""
        return len(self.scenario)


@dataclass(frozen=True)
class Structure:
    """The whole structure."""

    instance: Instance
    scenarios: ScenarioSet
    support: Support
    contracts: tuple[Contract, ...]
    component_sets: tuple[ComponentSets, ...]
    block_index: tuple[BlockIndex, ...]
    uses_risk: bool
    """Loss rows are needed: CVaR in the aim or a limit on losses."""
    shares_money: bool
    """Branches share money beyond what was planned for each: emergency money, or the year's unspent appropriation."""
    trunk_weight: Floats
    """(C, T) w0."""
    without: WithoutPlan | None = None
    """None: not known yet, and no price moves."""

    def weighed(self, probability: Floats) -> Structure:
        """The same with other probabilities of its scenarios (S,)."""
        scenarios = replace(self.scenarios, probability=probability)
        return replace(self, scenarios=scenarios, trunk_weight=scenarios.trunk_weight(self.instance.calendar.periods))

    @cached_property
    def trunk(self) -> ScenarioSet:
        """The course of the trunk, as a set of one scenario: undisturbed, but for events that have begun before the plan."""
        return self.scenarios.baseline(self.instance)

    @cached_property
    def reach(self) -> Floats:
        """(C, T) w0, 0 where it is below `LEAST_REACH`: there soft penalties of the trunk do not count, and no rule holds."""
        return np.where(self.trunk_weight < LEAST_REACH, 0.0, self.trunk_weight)

    @property
    def at_risk(self) -> tuple[int, ...]:
        """Components whose losses risk measures count: those of materials inside imported goods are separate and optional."""
        counted = self.instance.at_risk
        return tuple(c for c, sets in enumerate(self.component_sets) if counted[list(sets.materials)].all())

    @cached_property
    def commitment_money(self) -> dict[str, Floats]:
        """As `world.packages`."""
        return commitment_money(self.instance, self.support)

    @property
    def material_of_purchase(self) -> dict[str, int]:
        """Material of every way to buy, by name."""
        return {p.name: p.material for sets in self.component_sets for p in sets.purchases}


def build_structure(instance: Instance, scenarios: ScenarioSet, support: Support) -> Structure:
    """Sets of every component and the list of their instances."""
    plan, T = instance.plan, instance.calendar.periods
    contracts = []
    for j in np.flatnonzero(~np.isnan(instance.contract_lot)):
        largest = float(instance.capacity[j].max() * (1 - instance.sold[j]))
        for t in start_periods(instance.calendar, plan.instruments.contract_years):
            end = t + int(instance.contract_term[j])
            allowed = instance.procurement.offtake_open[j, t]
            if largest > 0 and instance.contract_lot[j] <= largest and allowed:
                contracts.append(Contract(int(j), t, end, float(instance.contract_lot[j]), largest))
    released = scenarios.baseline(instance).tight[0].any(axis=1) | plan.instruments.trunk_release
    component_sets = tuple(
        _component_sets(instance, support, contracts, released, c) for c in range(len(instance.components))
    )
    blocks = tuple(_blocks(scenarios, c, T) for c in range(len(instance.components)))
    risk = plan.risk
    uses_risk = (
        risk.cvar_weight > 0
        or risk.cvar_limit_musd is not None
        or risk.expected_loss_limit_musd is not None
        or plan.objective.kind == "risk_within_budget"
    )
    shared = plan.budget.branch_money == "appropriated" or bool(
        (instance.by_year(plan.budget.emergency_musd) > 0).any()
    )
    weight = scenarios.trunk_weight(T)
    return Structure(instance, scenarios, support, tuple(contracts), component_sets, blocks, uses_risk, shared, weight)


def _component_sets(
    instance: Instance, support: Support, contracts: list[Contract], released: Bools, c: int
) -> ComponentSets:
    plan = instance.plan
    materials = tuple(int(i) for i in np.flatnonzero(instance.component == c))
    inside = set(materials)
    producer_component = instance.producer_component
    sources = tuple(j for j in range(instance.sources) if producer_component[j] == c)
    classes = tuple(g for g, k in enumerate(support.classes) if producer_component[instance.sources + k.project] == c)
    projects = tuple(sorted({support.classes[g].project for g in classes}))
    demands = tuple(q for q, i in enumerate(instance.demand_material) if i in inside)
    tiers = tuple(n for n, (q, _) in enumerate(instance.tiers) if q in demands)
    steps = tuple(h for h, (q, _) in enumerate(instance.steps) if q in demands)
    with_output = {*sources, *(instance.sources + p for p in projects)}
    purchases = [
        Purchase(name, int(i), int(j), float(premium), bool(outside), o, ())
        for o, (name, i, j, premium, outside) in enumerate(
            zip(
                instance.offers,
                instance.offer_material,
                instance.offer_source,
                instance.offer_premium,
                instance.offer_outside,
                strict=True,
            )
        )
        if i in inside and (j < 0 or j in with_output)
    ]
    if plan.instruments.reserve:
        called = _purchase_floor_names(instance, support)
        for p in projects:
            covering: dict[int, list[int]] = {}
            for g in classes:
                k = support.classes[g]
                if k.project == p and k.purchase is not None:
                    covering.setdefault(k.purchase.material, []).append(g)
            j = instance.sources + p
            premium, outside = float(instance.premium[j]), instance.outside[j]
            purchases += [
                Purchase(called[p, i], i, j, premium, bool(outside[i]), -1, tuple(gs)) for i, gs in covering.items()
            ]
    stocked = {b.material for b in purchases} | {i for i in materials if instance.opening[i] > 0}
    held = {instance.pool[i] for i in stocked} - {""}
    stocked |= {i for i in materials if instance.pool[i] in held}
    pools = [tuple(i for i in materials if instance.pool[i] == name) for name in sorted(held)]
    affected = [
        (j, m)
        for m, market in enumerate(support.markets)
        for j in sources
        if (market.trunk[j] != support.trunk_alive[j]).any()
        or (market.scenarios[:, j] != support.scenarios_alive[:, j]).any()
    ]
    names = {instance.materials[i]: i for i in materials}
    forms = [i for i in materials if instance.form_of[i] != i]
    return ComponentSets(
        component=c,
        materials=materials,
        quoted=tuple(i for i in materials if instance.two_markets[i]),
        sources=sources,
        projects=projects,
        demands=demands,
        tiers=tiers,
        steps=steps,
        purchases=tuple(purchases),
        stocked=tuple(i for i in materials if i in stocked),
        drawn=tuple(i for i in materials if i in stocked and released[i]),
        pools=tuple(pool for pool in pools if len(pool) > 1),
        sellers=tuple(_shared_sellers(instance, purchases)),
        holders=tuple(sorted({b.source for b in purchases if b.source >= 0})),
        clean=_clean_chain(instance, support, purchases, sources, projects),
        contracts=tuple(n for n, contract in enumerate(contracts) if contract.source in sources),
        floors=tuple(affected),
        classes=classes,
        diversification=tuple((n, d) for n, d in enumerate(plan.diversification) if d.material in names),
        capped=tuple(sorted({*(names[d.material] for d in plan.diversification if d.material in names), *forms})),
        cover=tuple((names[d.material], d) for d in plan.days_of_cover if d.material in names),
        refills=tuple(
            (names[rule.material], rule)
            for rule in plan.stock_rules
            if rule.refill_within_years is not None and names.get(rule.material) in stocked
        ),
        services=tuple((n, s) for n, s in enumerate(plan.service_levels) if s.material in names),
        users=tuple(k for k, (i, _) in enumerate(instance.users) if i in inside),
        adapted=tuple(n for n in tiers if instance.loss_changes(instance.tiers[n][0])),
        moved=tuple(_moved(instance, support, materials, projects, purchases, contracts)),
    )


def _moved(
    instance: Instance,
    support: Support,
    materials: tuple[int, ...],
    projects: tuple[int, ...],
    purchases: list[Purchase],
    contracts: list[Contract],
) -> Iterator[MovedPrice]:
    """Materials with a market abroad: the plan takes tonnes from it, or gives it some, if only as inputs of what it buys."""
    first, y = instance.sources, instance.yields
    sells = ~instance.home & (np.arange(len(instance.producers)) < first)
    for i in (i for i in materials if instance.market_trade[i] > 0):
        offers = [p for p in purchases if p.material == i and p.offer >= 0 and instance.offer_moves[p.offer]]
        added = tuple(first + p for p in projects if y[first + p, i] > 0 and not support.baseline[p])
        market = instance.outside[:, i] | ~instance.two_markets[i]  # of two, that outside the controlling countries
        abroad = tuple(np.flatnonzero(sells & (y[:, i] > 0) & market).tolist())
        signed = tuple(n for n, contract in enumerate(contracts) if contract.source in abroad)
        yield MovedPrice(i, abroad, added, tuple(p.name for p in offers), signed)


def _shared_sellers(instance: Instance, purchases: list[Purchase]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Sellers and ceilings whose offers could together buy more than they allow."""
    unit = instance.material_unit
    for g in range(len(instance.sellers)):
        form = int(instance.seller_material[g])  # tonnes under a purchase floor count by their form
        offered = instance.seller_offers[g]
        mine = [p for p in purchases if (offered[p.offer] if p.offer >= 0 else instance.form_of[p.material] == form)]
        most = sum(float(instance.offer_depth[p.offer] * unit[p.material]) if p.offer >= 0 else math.inf for p in mine)
        if mine and most > float(instance.seller_depth[g].min() * seller_unit(instance, unit)[g]) * (1 + 1e-9):
            yield g, tuple(p.name for p in mine)


def _clean_chain(
    instance: Instance, support: Support, purchases: list[Purchase], sources: tuple[int, ...], projects: tuple[int, ...]
) -> CleanChain:
    """Who takes clean feed, and the chain of materials and makers behind it."""
    rules, y, first = instance.procurement, instance.yields, instance.sources
    bought = np.asarray((rules.clean_purchases | rules.clean_users).any(axis=1), dtype=bool)
    holders = sorted({p.source for p in purchases if p.source >= 0 and bought[p.material]})
    signed = {k.project for k in support.classes if k.bound}
    bound = [p for p in projects if p in signed]
    makers = [j for j in (*sources, *(first + p for p in projects)) if rules.clean[j]]
    forms = {j: i for j, i in instance.qualifying.items() if j in sources and asked_of_form(instance, i).any()}
    takers = {*holders, *(first + p for p in bound), *(j for j, i in forms.items() if rules.clean_users[i].any())}
    chain = {int(i) for j in takers for i in np.flatnonzero(y[j] < 0)}
    while True:
        feeding = [j for j in makers if any(y[j, i] > 0 for i in chain)]
        longer = chain | {int(i) for j in feeding for i in np.flatnonzero(y[j] < 0)}
        if longer == chain:
            runs = sorted({*feeding, *(first + p for p in bound)})
            found = CleanChain(tuple(sorted(chain)), tuple(runs), tuple(holders), tuple(bound))
            sold = {i: [p.source for p in purchases if p.material == i] for i in chain}
            clean = {i for i, by in sold.items() if by and all(j >= 0 and rules.clean[j] for j in by)}
            stored = [i for i in clean if instance.opening[i] == 0]
            return replace(found if chain else CleanChain(), qualifying=tuple(forms), stored=tuple(sorted(stored)))
        chain = longer


def asked_of_form(instance: Instance, form: int) -> Bools:
    """(T,) whether not everything counts as a qualified form: it has to be clean, or some maker is not qualified."""
    rules, makers = instance.procurement, instance.yields[:, instance.form_of[form]] > 0
    return np.asarray(rules.clean_users[form] | ~rules.qualified[makers, form].all(axis=0), dtype=bool)


def _purchase_floor_names(instance: Instance, support: Support) -> dict[tuple[int, int], str]:
    """(project, material) -> what buying under a purchase floor is called: as no offer is, and no other of these."""
    pairs = {(k.project, k.purchase.material) for k in support.classes if k.purchase is not None}
    names = {(p, i): (instance.projects[p].name, instance.materials[i]) for p, i in pairs}
    plain = Counter([*instance.offers, *(f"{project}-{material}-floor" for project, material in names.values())])
    return {
        pair: f"{project}-{material}-floor"
        if plain[f"{project}-{material}-floor"] == 1
        else f"{project} {material} floor"
        for pair, (project, material) in names.items()
    }


def _blocks(scenarios: ScenarioSet, c: int, periods: int) -> BlockIndex:
    scenario, period, previous = [TRUNK] * periods, list(range(periods)), list(range(-1, periods - 1))
    branches = tuple(int(s) for s in scenarios.touched(c, periods))
    first: dict[int, int] = {}
    for s in branches:
        onset = int(scenarios.onset[s, c])
        first[s] = len(scenario)
        n = periods - onset
        scenario += [s] * n
        period += range(onset, periods)
        previous += [onset - 1, *range(first[s], first[s] + n - 1)]
    return BlockIndex(np.array(scenario), np.array(period), np.array(previous), branches, first)


def loss_keys(instance: Instance, tiers: Sequence[int]) -> list[tuple[int, int]]:
    """(tier, period) of every loss value that risk measures see: of each period where it changes, else of the first alone."""
    T = range(instance.calendar.periods)
    return [(n, t) for n in tiers for t in (T if instance.loss_changes(instance.tiers[n][0]) else T[:1])]


def active_rule(structure: Structure, rule: Diversification | DaysOfCover) -> Bools:
    """(T,) periods in which a trunk rule is in force."""
    calendar = structure.instance.calendar
    return np.array([calendar.years[f] >= rule.from_year for f in calendar.year_index], dtype=bool)


# The aims of a plan in words.
def aim_in_words(plan: Plan, stage: str) -> str:
    """What a stage minimises, with the weights that the plan sets."""
    return {"social_cost": "social cost", "spending": "discounted spending"}.get(stage) or _risk(plan)


def slack_of_later_aims(plan: Plan) -> float:
    """Share of the main aim that later ones may use beyond the gap; 0 where there is one aim alone, or none was asked for."""
    return (plan.objective.stage_slack or 0.0) if len(STAGES[plan.objective.kind]) > 1 else 0.0


def main_aim(plan: Plan) -> str:
    """What prices and reasons are counted in: the first stage of the plan's aim."""
    return aim_in_words(plan, STAGES[plan.objective.kind][0])


def _risk(plan: Plan) -> str:
    m = plan.objective.cvar_share
    tail = f"mean of the worst {100 * (1 - plan.risk.alpha):.3g}% of losses (CVaR)"
    if m in (0.0, 1.0):
        return f"risk ({tail if m else 'expected loss'})"
    return f"risk ({100 * (1 - m):.3g}% of expected loss and {100 * m:.3g}% of the {tail})"
