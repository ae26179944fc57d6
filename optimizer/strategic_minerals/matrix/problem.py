"""A planning problem built and compiled, its aims as cost vectors, and the typed verdict of a solve."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import scipy.sparse as sp

from ..core.errors import Fault, InputError, PlanError, UnfitRule, near_miss, plain
from ..core.frames import INF, Bools, Floats, Ints, equal
from ..core.runner import checkpoint
from ..core.stats import TRACE_T, Timings
from ..model.sets import Structure, active_rule, build_structure
from ..model.values import net_imports
from ..question.base import gathered, key_of
from ..question.dataset import Dataset
from ..question.names import Names
from ..question.plan import Plan
from ..world.build import build_instance
from ..world.events import SampledScenarios, ScenarioSet, baseline_sources, longest_event
from ..world.instance import CHOSEN, Instance, scale
from ..world.owners import Known
from ..world.packages import (
    KINDS,
    Identity,
    Item,
    Option,
    Support,
    build_support,
    identity,
    in_amounts,
    market_items,
    never,
    refusals,
    signings,
)
from ..world.scenarios import PricingSample, build_scenarios, pricing_sample, with_priced_contracts
from .assembly import SMALLEST_ENTRY, Assembly, Templates, TinyEntryError, compile_templates, instantiate
from .solution import Solution, without_plan

# What one question may take over from another: compiled blocks, ways of support, what owners get. The caller keeps scenarios.
PLAN_FIGURES = {
    "budget": ("appropriation_musd", "total_musd", "carry_over_share", "carried_in_musd", "liability_cap_musd"),
    "risk": ("cvar_weight", "cvar_limit_musd", "expected_loss_limit_musd"),
}
"""Fields of a plan that compiled blocks hold as parameters, or that only weigh costs."""

SEEN_ELSEWHERE = tuple(
    (
        "name title description price_set loss_function loss_level users_convenience_share residual "
        "price_channel procurement controls ongoing hazards scenarios sample ambiguity"
    ).split()
)
"""Fields of a plan that act through the arrays of the instance, through scenarios, or as a weight of a cost."""

MENUS = ("packages", "market_floors")
"""Fields of an instance that say what may be supported how; blocks see the ways of support that come of them."""

LOSSES = ("tier_loss", "tier_named", "adaptation", "step_cost")
"""Fields of an instance that say what going short costs: no way of support hangs on them."""

OPERATING = (
    *(
        "demand holding salvage resale drawdown disposal opening contract_lot contract_fee contract_rise "
        "honoured sold contract_term offer_country offer_depth offer_open offer_crisis seller_depth "
        "pooled_in_events procurement users_level users_missing market_trade price_slope slope_later"
    ).split(),
    *LOSSES,
)
"""Fields of an instance that no owner of a project looks at. Market floors do: a border floor is paid on demand."""

OF_PROJECTS = ("projects", "premium")
"""Fields of an instance that say what projects cost and sell for: what other projects bring does not hang on them."""

BLOCK_DATA = (
    *(
        "price outside_quote outside_share base_price availability usual feed feed_shares overland cash kappa "
        "restart in_force carried capacity state_factor state_probability projects"
    ).split(),
    *OPERATING,
    *MENUS,
)
"""Fields of an instance that no compiled block of operations holds as a number: it has them as parameters, or in its sets."""


def same_operations(old: Structure, structure: Structure) -> bool:
    """Whether operations are written as in another structure: the same instance but for `BLOCK_DATA`, the same sets, and branches
    of the same components. What happens in scenarios, with what probability, and what commitments cost may differ."""

    def written(side: Structure) -> tuple[Any, ...]:
        classes = [(k.project, k.purchase and k.purchase.material, k.bound) for k in side.support.classes]
        sources = [contract.source for contract in side.contracts]
        return classes, sources, [bool(blocks.branches) for blocks in side.block_index]

    same_sets = written(old) == written(structure) and equal(old.component_sets, structure.component_sets)
    return same_sets and _same(old.instance, structure.instance, BLOCK_DATA)


def same_commitments(old: Structure, structure: Structure) -> bool:
    """Whether commitments are written as in another structure whose operations are: the same signatures, contracts and floors,
    which cost something in the same years, whatever they cost; limits on losses hold probabilities as numbers."""

    def written(side: Structure) -> tuple[Any, ...]:
        support, risk, instance = side.support, side.instance.plan.risk, side.instance
        limited = risk.cvar_limit_musd is not None or risk.expected_loss_limit_musd is not None
        signed = [(option.project, option.market, option.output_class) for option in support.options]
        floors = [market.floor.floor.material for market in support.markets]
        tied = [(project.needs, project.excludes) for project in instance.projects]
        capacity = instance.capacity[sorted({contract.source for contract in side.contracts})].tolist()
        chances = side.scenarios.probability.tolist() if limited else []
        return signed, floors, support.baseline.tolist(), support.excluded_by, tied, side.contracts, capacity, chances

    money = [{name: figures != 0 for name, figures in side.commitment_money.items()} for side in (old, structure)]
    return written(old) == written(structure) and all(
        np.array_equal(used, money[1][name]) for name, used in money[0].items()
    )


def same_courses(old: Instance, instance: Instance) -> bool:
    """Whether every event does what it does in another instance: beside `PLAN_FIGURES`, `OPERATING` and `MENUS`, no more differs
    than what projects cost and sell for that their owners do not build alone."""
    alone = baseline_sources(instance)
    return (
        _same(old, instance, (*OPERATING, *MENUS, *OF_PROJECTS))
        and np.array_equal(baseline_sources(old), alone)
        and np.array_equal(old.premium[alone], instance.premium[alone])
    )


def changed_projects(old: Instance, instance: Instance) -> frozenset[int] | None:
    """Projects whose ways of support can differ, where scenarios do not; None where those of all can.

    Beside projects and their premiums, no more differs than `PLAN_FIGURES` and what support does not hang on; beside market floors,
    of which one at the border is paid on demand, no more than `LOSSES`."""
    unasked = LOSSES if instance.market_floors else [name for name in OPERATING if name != "procurement"]
    if not _same(old, instance, (*unasked, *OF_PROJECTS)):
        return None
    of, moved = [project.producer for project in instance.projects], old.premium != instance.premium
    if np.delete(moved, of).any():
        return None
    pairs = zip(old.projects, instance.projects, strict=True)
    return frozenset(p for p, pair in enumerate(pairs) if moved[of[p]] or not equal(*pair))


def _same(old: Instance, instance: Instance, free: Sequence[str]) -> bool:
    """Whether instances differ in `PLAN_FIGURES` and the free fields at most; where menus are free, so are the plan's own."""
    as_old = replace(instance, plan=old.plan, **{name: getattr(old, name) for name in free})
    free_menus = set(MENUS) <= set(free)
    return _structure(old.plan, free_menus) == _structure(instance.plan, free_menus) and equal(old, as_old)


def _structure(plan: Plan, free_menus: bool) -> Plan:
    """A plan with its figures blotted out, those of `SEEN_ELSEWHERE` and, where they are free, menus: whether a limit is set at all
    still counts, and whether risk weighs."""

    def blotted(section: Any, names: tuple[str, ...]) -> Any:
        seen = {name: getattr(section, name) for name in names}
        return section.model_copy(
            update={
                name: None if value is None else float(value != 0) if name == "cvar_weight" else 1.0
                for name, value in seen.items()
            }
        )

    sections: dict[str, Any] = {
        section: blotted(getattr(plan, section), names) for section, names in PLAN_FIGURES.items()
    }
    if free_menus:
        sections["instruments"] = plan.instruments.model_copy(update={"price_floors": (), "packages": ()})
    return plan.model_copy(update={**sections, **dict.fromkeys(SEEN_ELSEWHERE)})


# Which figure of a table an entry of the matrix comes from: so that a message names a cell to a planner, not a row of the solver's.
SMALL_SHARE = 1e-3
"""A share below it is likelier to be the small figure than a capacity beside it."""
MADE = ("plant_pull", "material_balance", "surplus_limit", "reserve_production", "diversification")
"""Constraint families in which the coefficient of what is made is its yield."""
PRICED = ("budget", "total_budget", "branch_purchases", "calm_purchases")
"""Constraint families in which the coefficient of what is bought is its price."""


def tiny_entry(structure: Structure, data: Dataset, entry: TinyEntryError) -> Fault:
    """The figure behind an entry of the matrix that is too small for the solver, as a fault with file, row and column."""
    table, row, column = _figure(structure, data, entry)
    if table == "plan":
        expected = "0, or a share that the solver can tell from 0 (1e-6 or more)"
        return Fault("plan", row, column, "a share next to nothing", expected)
    found = next((getattr(one, column, None) for one in data.rows(table) if key_of(one) == row), None)
    text = f"{found:g}" if isinstance(found, int | float) else "a figure"
    more = f", and {entry.count - 1} more like it" if entry.count > 1 else ""
    least = SMALLEST_ENTRY / abs(entry.value)
    expected = (
        f"0, or a figure nearer to what it stands beside, by a factor of {least:,.3g} at least: the solver takes {entry.value:.1e} "
        f"({entry.constraint.replace('_', ' ')}) for 0"
    )
    return data.placed(Fault(f"{table}.csv", row, column, f"{text}{more}", expected))


def _figure(structure: Structure, data: Dataset, entry: TinyEntryError) -> tuple[str, str, str]:
    """(table, key of the row, column)."""
    n, family, of, support = structure.instance, entry.constraint, entry.of, structure.support
    if family == "diversification" and n.plan.diversification[entry.key].share < SMALL_SHARE:
        return "plan", "", f"diversification.{entry.key}.share"
    match entry.variable:
        case "output" | "reserve_output" if family in MADE:
            return _of_output(n, entry)
        case "acquisition":
            purchase = next(p for sets in structure.component_sets for p in sets.purchases if p.name == of)
            material = n.materials[purchase.material]
            if family in PRICED:
                return _price(data, n.plan.price_set, material)
            return "yields", f"{n.producers[purchase.source]}/{material}", "yield_t_per_t"
        case "stock" | "disposal":
            if family != "stock_balance" and float(n.price[of].min()) / n.money_unit < SMALLEST_ENTRY:
                return _price(data, n.plan.price_set, n.materials[of])
            of_money = "holding_share_per_yr" if entry.variable == "stock" else "haircut_share"
            return "materials", n.materials[of], "decay_share_per_yr" if family == "stock_balance" else of_money
        case "contract" | "contract_signed":
            column = {"source_capacity": "kappa", "contract_least": "lot_t_per_yr"}.get(family, "fee_usd_per_kg")
            return "activities", n.producers[structure.contracts[of].source], column
        case "operating":
            return "projects", n.projects[support.classes[of].project].name, "capacity_t_per_yr"
        case "sign":
            return "projects", n.projects[support.options[of].project].name, "capex_musd"
        case "floor":
            return _price(data, n.plan.price_set, n.materials[support.markets[of].floor.floor.material])
        case "shortfall" | "substitute":
            q = (n.tiers if entry.variable == "shortfall" else n.steps)[of][0]
            material, segment = n.materials[n.form_of[n.demand_material[q]]], n.demands[q][1]
            if entry.variable == "substitute":
                return "substitution", f"{material}/{segment}/{n.steps[of][1]}", "cost_usd_per_kg"
            known = {key_of(row) for row in data.rows("loss_functions")}
            keys = [f"{n.plan.loss_function}/{material}/{whose}" for whose in (segment, "*")]
            return "loss_functions", next((key for key in keys if key in known), keys[0]), "loss_usd_per_t"
    raise entry  # of no figure of a table: a fault of the formulation, not of the planner


def _of_output(n: Instance, entry: TinyEntryError) -> tuple[str, str, str]:
    """Of an entry of what a producer runs."""
    material = entry.key[1] if isinstance(entry.key, tuple) else entry.key
    if entry.constraint == "diversification":
        material = n.materials.index(n.plan.diversification[entry.key].material)
    if entry.constraint == "plant_pull":
        material = n.users[entry.key][0]
    return "yields", f"{n.producers[entry.of]}/{n.materials[material]}", "yield_t_per_t"


def _price(data: Dataset, price_set: str, material: str) -> tuple[str, str, str]:
    """Of the first row that states a material's price."""
    begins = f"{price_set}/{material}"
    keys = (key_of(row) for row in data.rows("prices"))
    return "prices", next((key for key in keys if key.startswith(f"{begins}/")), begins), "price_usd_per_kg"


MOST_COLUMNS = 40_000_000
"""Larger models are refused before they are built."""

MOST_ENTRIES_AT_FIRST_SIGHT = 20 * MOST_COLUMNS
"""Scenario, period and item combinations beyond which a plan is refused before its scenarios are even drawn."""


@dataclass(frozen=True)
class Problem:
    """A built and compiled planning problem."""

    plan: Plan
    data: Dataset
    natural: Instance
    """In tonnes."""
    structure: Structure
    """In model units."""
    templates: Templates
    assembly: Assembly
    seconds: Timings
    scenarios: ScenarioSet | None = None
    """In tonnes, for a problem like this one; None: not kept."""
    pricing: PricingSample | None = None
    """What owners expect, likewise."""

    @property
    def instance(self) -> Instance:
        """In model units."""
        return self.structure.instance


def prepare(plan: Plan, data: Dataset, like: Problem | None = None, held: SampledScenarios | None = None) -> Problem:
    """Build and compile. Raises PlanError for events outside the horizon, for models beyond `MOST_COLUMNS` and for days of cover of
    what rules of origin leave nobody to buy from, InputError for a figure that the solver would take for zero where it stands.

    held: sampled scenarios to keep where the same hazards are asked for (`world.scenarios.build_scenarios`). like: a problem
    prepared before; its compiled blocks are instantiated again where only figures differ that they keep as parameters, and those of
    operations where they are written alike."""
    seconds = Timings()
    checkpoint("building the model")
    with seconds.measure("build"):
        structure, natural, scenarios, pricing = _built(plan, data, like, held)
        columns = 0
        for s, blocks in zip(structure.component_sets, structure.block_index, strict=True):
            once = sum(map(len, (s.sources, s.projects, s.tiers, s.steps, s.purchases)))
            columns += blocks.count * (once + 4 * len(s.materials) + 3 * len(s.users))
        if columns > MOST_COLUMNS:
            found = f"about {columns:,} columns ({len(structure.scenarios.names)} scenarios, {natural.calendar.periods} periods)"
            raise PlanError([Fault("plan", "", "sample.scenarios", found, f"at most {MOST_COLUMNS:,} columns")])
        if faults := _covers_of_nothing(structure):
            raise PlanError(data.placed_all(faults))
    checkpoint("compiling the model")
    with seconds.measure("compile"):
        known = like.templates if like is not None and same_operations(like.structure, structure) else None
        if known is None or like is None or not same_commitments(like.structure, structure):
            known = compile_templates(structure, known)
        templates = known
    checkpoint("writing the matrix")
    with seconds.measure("instantiate"):
        try:
            assembly = instantiate(structure, templates)
        except TinyEntryError as error:
            raise InputError([tiny_entry(structure, data, error)]) from None
    return Problem(plan, data, natural, structure, templates, assembly, seconds, scenarios, pricing)


def trunk_prices(problem: Problem) -> tuple[Floats, Floats]:
    """(I, T) prices on the baseline course [million USD/t], and prices outside as a multiple of them."""
    trunk = problem.structure.trunk
    return trunk.price[0] / problem.structure.instance.material_unit[:, None], trunk.market_gap[0]


def _covers_of_nothing(structure: Structure) -> list[Fault]:
    """Days of cover of materials that the reserve neither has nor may buy from anybody."""
    rules, n = structure.instance.plan.days_of_cover, structure.instance
    return [
        UnfitRule(
            "plan",
            "",
            f"days_of_cover.{rules.index(rule)}.material",
            f"'{rule.material}', of which rules of origin close every offer",
            "a material that the reserve may buy from somebody, or has",
        )
        for sets in structure.component_sets
        for i, rule in sets.cover
        if i not in sets.stocked and (rule.days * net_imports(n, i) * active_rule(structure, rule)).any()
    ]


def columns_at_most(plan: Plan, data: Dataset) -> int:
    """About the largest number of columns that a question can come to, quickly and without drawing a scenario."""
    natural = build_instance(plan, data, longest_event(plan, data))
    scenarios = 1 + len(plan.scenarios) + (0 if plan.sample is None else plan.sample.scenarios)
    return scenarios * natural.calendar.periods * _items(natural)


def _items(natural: Instance) -> int:
    """Columns of one period of one scenario, where everything is touched."""
    return len(natural.producers) + len(natural.tiers) + len(natural.offers) + 4 * len(natural.materials)


def with_price_channel(problem: Problem, nothing: Solution) -> Problem:
    """The problem with what its plan does to prices abroad, which is measured against doing nothing."""
    structure = replace(problem.structure, without=without_plan(problem.structure, nothing))
    return replace(problem, structure=structure, assembly=instantiate(structure, problem.templates))


def structure_of(plan: Plan, data: Dataset, like: Problem | None = None) -> tuple[Structure, Instance]:
    """The structure of a problem in model units, and its instance in tonnes. like: as `prepare`, with its sampled scenarios."""
    structure, natural, *_ = _built(plan, data, like, None if like is None else like.structure.scenarios.drawn)
    return structure, natural


def _built(
    plan: Plan, data: Dataset, like: Problem | None = None, held: SampledScenarios | None = None
) -> tuple[Structure, Instance, ScenarioSet, PricingSample | None]:
    """A problem before it is compiled: its structure in model units; instance, scenarios and what owners expect in tonnes.

    held: sampled scenarios to keep. like: a problem built before, of which courses of events, what owners expect and ways of
    support are taken over where nothing that they hang on has changed."""
    natural = build_instance(plan, data, longest_event(plan, data))
    drawn = 1 if plan.sample is None else max(plan.sample.scenarios, plan.sample.draws or 0)
    scenarios_asked = len(plan.scenarios) + drawn
    items = _items(natural)
    if scenarios_asked * natural.calendar.periods * items > MOST_ENTRIES_AT_FIRST_SIGHT:
        found = f"{scenarios_asked:,} scenarios, {natural.calendar.periods} periods, {items:,} items"
        raise PlanError([Fault("plan", "", "sample.scenarios", found, f"at most {MOST_COLUMNS:,} columns after all")])
    before, expected = (None, None) if like is None else (like.scenarios, like.pricing)
    alike = like is not None and same_courses(like.natural, natural)
    # drawn in tonnes: which scenarios are kept must not hang on the rounding of a unit
    checkpoint("drawing scenarios")
    scenarios = build_scenarios(natural, data, held, before if alike else None)
    checkpoint("what owners expect")
    pricing = pricing_sample(natural, data, expected, alike=alike)
    natural = with_priced_contracts(natural, scenarios if pricing is None else pricing.scenarios)
    scaled = scale(natural)
    counted, unit = scenarios.counted_in(scaled.material_unit), scaled.material_unit
    of_owners, known = None if pricing is None else pricing.counted_in(unit), None if like is None else like.structure
    checkpoint("ways of support")
    support = _support(scaled, counted, known, of_owners)
    return build_structure(scaled, counted, support), natural, scenarios, pricing


def _support(
    instance: Instance, scenarios: ScenarioSet, like: Structure | None, pricing: PricingSample | None
) -> Support:
    """Ways of support: those of another structure where nothing that they hang on differs; where only the plan's own scenarios or
    some projects do, what the owners of the others reckon with is taken over."""
    known = None
    if like is not None:
        before = like.support.owners.pricing
        same = pricing.same(before) if pricing is not None else before is None
        changed = changed_projects(like.instance, instance) if same else None
        if changed is not None:
            known = Known(like.support.owners, changed, equal(like.scenarios, scenarios))
            if known.along and not changed:
                return like.support
    return build_support(instance, scenarios, pricing, known)


# A model with more rows or columns, the last, which belong to no template: what a caller asks for beside the plan.
def with_row(
    assembly: Assembly, columns: Ints, factors: Floats, lower: float, upper: float, *, money: bool = False
) -> Assembly:
    """The model with one more row. money: it counts million USD."""
    start, limits = np.array([0, len(columns)]), (np.array([lower]), np.array([upper]))
    return with_rows(assembly, start, columns, factors, *limits, money=np.array([money]))


def with_rows(
    assembly: Assembly,
    start: Ints,
    index: Ints,
    value: Floats,
    lower: Floats,
    upper: Floats,
    *,
    money: Bools | None = None,
) -> Assembly:
    """The model with more rows. start, index, value: their entries row by row, start[0] = 0. money: which of them count million
    USD; None: none."""
    none = np.full(len(lower), -1)
    counted = np.zeros(len(lower), dtype=bool) if money is None else money
    return replace(
        assembly,
        start=np.append(assembly.start, assembly.start[-1] + start[1:]),
        index=np.append(assembly.index, index),
        value=np.append(assembly.value, value),
        row_lower=np.append(assembly.row_lower, lower),
        row_upper=np.append(assembly.row_upper, upper),
        row_block=np.append(assembly.row_block, none),
        row_local=np.append(assembly.row_local, none),
        row_instance=np.append(assembly.row_instance, none),
        money=assembly.money.with_more(rows=counted),
    )


def with_columns(assembly: Assembly, entries: Sequence[Sequence[tuple[int, float]]], upper: Floats) -> Assembly:
    """The model with more columns, the last, from 0 to `upper` and without cost; entries: (row, factor) of each."""
    count, (rows, columns, _) = len(entries), assembly.shape
    at = [(row, k, factor) for k, column in enumerate(entries) for row, factor in column]
    more = (
        sp.csr_array(([f for _, _, f in at], ([r for r, _, _ in at], [k for _, k, _ in at])), shape=(rows, count))
        if at
        else sp.csr_array((rows, count))
    )
    old = sp.csr_array((assembly.value, assembly.index, assembly.start), shape=(rows, columns), copy=True)
    both = sp.hstack([old, more], format="csr")
    zeros = np.zeros(count)
    counted = assembly.money.rows
    in_money = np.array([bool(column) and all(counted[row] for row, _ in column) for column in entries], dtype=bool)
    return replace(
        assembly,
        lower=np.append(assembly.lower, zeros),
        upper=np.append(assembly.upper, upper),
        integer=np.append(assembly.integer, np.zeros(count, dtype=bool)),
        costs={name: np.append(cost, zeros) for name, cost in assembly.costs.items()},
        start=both.indptr.astype(np.int64),
        index=both.indices.astype(np.int64),
        value=both.data,
        money=assembly.money.with_more(columns=in_money),
    )


# Decisions as items that a planner can name, and a compiled model in which one of them is forced in or out.
LEAST_USE = 0.1
"""Share of what an offer or a contract without a lot gives in a year that counts as using it; where projects are supported in part,
share of one that counts as supporting it where it has to be."""
SHARES = (1.0, 0.1, 0.01)
"""Shares of the least that counts tried for a forced decision, in turn, where the plan may have any amount and no plan has more."""

HALF = 0.5
"""Share signed from which a project counts as chosen where it is signed whole or not at all; a search leaves traces of others."""


@dataclass(frozen=True)
class ForcedDecision:
    """An item that has to be chosen, or must not be."""

    item: Item
    inside: bool
    share: float = 1.0
    """Inside: share of the least that counts (`Decided.least`) that is asked for."""


@dataclass(frozen=True)
class Decided:
    """An item in a model's columns: chosen where factors . columns >= least."""

    columns: Ints
    factors: Floats
    least: float
    unit: str
    """Of factors . columns."""
    any_amount: bool = True
    """Whether a plan may have any amount of it (`in_amounts`): then it is chosen beyond rounding, and forced in at `least`."""


class DecisionIndex:
    """All items of a problem, known by what they are; names are for people."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._found = _found(problem)
        """By kind, in the order of the tables."""

    @property
    def items(self) -> list[Item]:
        """Everything that the plan could choose or leave, in the order of the tables; a project with one package separately."""
        return [item for item in self._all if item.kind != "project" or not item.package]

    @property
    def _all(self) -> list[Item]:
        return [item for kind in KINDS for item, _ in self._found.values() if item.kind == kind]

    @cached_property
    def _refused(self) -> dict[Identity, tuple[Item, str]]:
        return refusals(self._problem.instance, self._problem.structure.support)

    def find(self, text: str) -> Item:
        """The item of a code, with its kind before it or without, or of a name as answers print it; also one that cannot be chosen
        at these figures (`refused`).

        Raises PlanError where there is none, where there are several, and where no figure could bring it."""
        several = [*self._all, *(item for item, _ in self._refused.values())]
        names = Names.of(self._problem.data)
        hits = [item for item in several if text in (item.name, str(item))]
        hits = hits or [item for item in several if plain(text) in map(plain, names.calls(str(item)))]
        if len(hits) == 1:
            return hits[0]
        if hits:
            phrase = ", ".join(f"'{hit}'" for hit in hits)
            raise PlanError([Fault("explain", "", "item", f"'{text}', which several have", f"one of {phrase}")])
        if gone := self._gone(text):
            found = f"'{text}', which cannot be chosen"
            raise PlanError([Fault("explain", "", "item", found, f"another: {'; '.join(gone)}")])
        materials = self._problem.natural.materials
        if meant := [code for code in materials if text == code or plain(text) == plain(names.material(code))]:
            about = ", ".join(self._about(meant[0])) or "nothing that the plan can choose"
            raise PlanError([Fault("explain", "", "item", f"'{text}', a material", f"what provides it: {about}")])
        known = [k for item in several for k in (item.name, str(item), *names.calls(str(item)))]
        near = near_miss(text, known) or " (`explain` without an item lists all)"
        raise PlanError([Fault("explain", "", "item", f"'{text}'", f"an item of the plan{near}")])

    def _gone(self, text: str) -> list[str]:
        """Why no figure could bring what a text names."""
        support, instance = self._problem.structure.support, self._problem.instance
        reasons = [*never(instance, support), *support.dropped, *self._problem.natural.left_out]
        whole = {text, *(f"{kind} {text}" for kind in KINDS)}
        return list(
            dict.fromkeys(why for what, why in reasons if what in whole or text in {f"{kind} {what}" for kind in KINDS})
        )

    def refused(self, item: Item) -> str:
        """Why an item cannot be chosen at these figures; empty where it can."""
        found = self._refused.get(self._key(item))
        return "" if found is None else found[1]

    def _about(self, material: str) -> list[str]:
        """Names of offers, contracts and projects that provide a material."""
        data = self._problem.data
        makers = {row.producer for row in data.rows("yields") if row.material == material and row.yield_t_per_t > 0}
        sold = {row.offer for row in data.rows("offers") if row.material == material}
        return [item.name for item in self._all if item.name in makers | sold]

    def decided(self, item: Item) -> Decided:
        """The columns of an item. KeyError where the model has none."""
        return self._found[self._key(item)][1]

    def _key(self, item: Item) -> Identity:
        """What an item is in this problem; one that has no more than a name is looked up by it. KeyError where there is none."""
        if item.kind in ("contract", "offer") or item.project or item.package or item.level is not None:
            return identity(item, self._problem.plan)
        return next((key for key, (known, _) in self._found.items() if str(known) == str(item)), (item.kind, item.name))

    def forced(self, decision: ForcedDecision) -> Assembly:
        """The model with an item forced in or out; out, an offer is closed in every scenario. KeyError as `decided`."""
        of, assembly = self.decided(decision.item), self._problem.assembly
        if decision.inside:
            return with_row(assembly, of.columns, of.factors, of.least * decision.share, INF)
        upper = assembly.upper.copy()
        upper[of.columns] = 0.0
        if decision.item.kind == "offer":
            upper[_bought(self._problem, [decision.item.name])] = 0.0
        return replace(assembly, upper=upper)

    def amount(self, item: Item, x: Floats) -> float:
        """How much of an item a point has, in the unit of `decided`; of contracts, the most in force at any time."""
        of = self.decided(item)
        if item.kind != "contract":
            return float(of.factors @ x[of.columns])
        contracts, periods = self._problem.structure.contracts, np.arange(self._problem.natural.calendar.periods)
        mine = [k for k in contracts if self._problem.natural.producers[k.source] == item.name]
        force = np.array([(periods >= k.start) & (periods < k.end) for k in mine])
        return float(((of.factors * x[of.columns]) @ force).max())

    def chosen(self, item: Item, x: Floats) -> bool:
        """Whether a point has an item: whole decisions, and more than a trace of tonnes or shares."""
        of = self.decided(item)
        return self.amount(item, x) > (TRACE_T if of.unit.startswith("t") else CHOSEN if of.any_amount else HALF)

    def portfolio(self, x: Floats) -> dict[str, str]:
        """Names of the projects, floors and contracts that a point has, in the order of `items`, with how much of each in words
        where that is a part (`part_in_words`), else empty."""
        return {
            str(item): part_in_words(item, self.decided(item), self.amount(item, x))
            for item in self.items
            if item.kind in ("project", "floor", "contract") and self.chosen(item, x)
        }


def part_in_words(item: Item, of: Decided, amount: float) -> str:
    """`30% of it`, of a package or a floor `30% of one project`; empty for whole projects, whole decisions and tonnes."""
    if of.unit.startswith("t") or not of.any_amount or abs(amount - round(amount)) <= CHOSEN:
        return ""
    if item.kind == "project":
        return f"{100 * amount:.3g}% of it"
    return f"{100 * amount:.3g}% of one project" if amount < 1 else f"{amount:.3g} projects"


def with_parts(name: str, *parts: str) -> str:
    """An item with how much of it one portfolio has, or several (`part_in_words`)."""
    if not any(parts):
        return name
    return f"{name} ({', '.join(dict.fromkeys(part or 'all of it' for part in parts))})"


def _found(problem: Problem) -> dict[Identity, tuple[Item, Decided]]:
    """All items with their columns."""
    instance, support = problem.instance, problem.structure.support
    root = problem.assembly.commitments
    place = {key: root.first_column + k for k, key in enumerate(root.template.columns)}
    found: dict[Identity, tuple[Item, Decided]] = {}
    for key, (item, members) in signings(instance, support).items():
        columns = np.array([place["sign", o] for o in members])
        found[key] = item, _signed(columns, "projects", any_amount=in_amounts(item, problem.plan))
    for key, (item, m) in market_items(instance, support).items():
        found[key] = item, _signed(np.array([place["floor", m]]), "market floors", any_amount=False)
    for item, decided in (*_contracts(problem, place), *_offers(problem)):
        found[identity(item, problem.plan)] = item, decided
    return found


def _signed(columns: Ints, unit: str, *, any_amount: bool) -> Decided:
    return Decided(columns, np.ones(len(columns)), LEAST_USE if any_amount else 1.0, unit, any_amount)


def _contracts(problem: Problem, place: Mapping[tuple[str, Any], int]) -> Iterator[tuple[Item, Decided]]:
    """Contracts by producer, whenever they start, in tonnes a year. place: column of each variable of the commitments."""
    structure = problem.structure
    by_source = gathered((contract.source, k) for k, contract in enumerate(structure.contracts))
    for j, members in by_source.items():
        a_year = float(structure.instance.producer_unit[j]) / problem.natural.calendar.step
        columns = np.array([place["contract", k] for k in members])
        least = [max(structure.contracts[k].lot, LEAST_USE * structure.contracts[k].largest) for k in members]
        freely = any(structure.contracts[k].lot == 0 for k in members)
        decided = Decided(columns, np.full(len(members), a_year), min(least) * a_year, "t/yr", freely)
        yield Item("contract", problem.natural.producers[j]), decided


def _offers(problem: Problem) -> Iterator[tuple[Item, Decided]]:
    """Purchases in planned years by offer, in tonnes."""
    structure, calendar = problem.structure, problem.natural.calendar
    for c, part in enumerate(problem.assembly.operations):
        for purchase in structure.component_sets[c].purchases:
            columns = part.columns("acquisition", purchase.name)[: calendar.planned]  # trunk instances come first
            unit = float(structure.instance.material_unit[purchase.material])
            depth = problem.assembly.upper[columns]
            open_ = columns[depth > 0]
            if len(open_):
                least = LEAST_USE * float(depth.max()) * unit / calendar.step if np.isfinite(depth).all() else 1.0
                yield Item("offer", purchase.name), Decided(open_, np.full(len(open_), unit), least, "t")


# What a plan does in its first fiscal years, as sums of columns: what is bought and sold, whom it supports, what it signs.
FIRST_YEARS = 2
"""Fiscal years that a ministry decides on now: the one that begins, and the one whose budget is written."""

ActKind = Literal["buy", "sell", "support", "offtake", "floor"]
ACT_KINDS: tuple[ActKind, ...] = get_args(ActKind)
UNITS: dict[ActKind, str] = {
    "buy": "t",
    "sell": "t",
    "support": "projects",
    "offtake": "t/yr",
    "floor": "market floors",
}
TRACE = {"t": TRACE_T, "t/yr": TRACE_T, "projects": CHOSEN, "market floors": CHOSEN}
"""Amount up to which nothing is done, by unit."""


@dataclass(frozen=True)
class Act:
    """An amount of one thing that is decided before anything has happened, up to the end of a fiscal year."""

    kind: ActKind
    item: str
    """Code of the material, project or producer; name of the market floor."""
    through: int
    """Fiscal year to whose end it counts."""
    unit: str
    columns: Ints
    """Of the whole model."""
    factors: Floats
    money: Floats
    """(columns,) what a unit of each takes from the budgets of the years up to then [million USD]."""
    later: Floats
    """(columns,) the same of all years after."""

    @property
    def name(self) -> tuple[str, str, int]:
        """What it is in any sample of the same plan."""
        return self.kind, self.item, self.through

    def of(self, x: Floats) -> float:
        """Its amount at a point."""
        return float(self.factors @ x[self.columns])

    def spent(self, x: Floats) -> tuple[float, float]:
        """(by the end of its year, later) budget that it takes at a point [million USD]."""
        return float(self.money @ x[self.columns]), float(self.later @ x[self.columns])


def acts(problem: Problem, years: int = FIRST_YEARS) -> tuple[Act, ...]:
    """Every act that a plan can choose in its first fiscal years, for each year's end, in the order of the tables."""
    calendar = problem.natural.calendar
    months = calendar.per_year
    budget = _budget_coefficients(problem)
    found = []
    for year in range(min(years, len(calendar.planned_years))):
        for kind, item, columns, factors in _counted(problem, (year + 1) * months):
            money = budget[: year + 1, columns].sum(axis=0)
            later = budget[year + 1 :, columns].sum(axis=0)
            through = calendar.years[year]
            found.append(Act(kind, item, through, UNITS[kind], columns, factors, money, later))
    order = {kind: n for n, kind in enumerate(ACT_KINDS)}
    return tuple(sorted(found, key=lambda act: order[act.kind]))


@dataclass(frozen=True)
class LeftOut:
    """Acts that a plan must not have, together: of some kinds, of one mineral or of all, in the first fiscal years or in all."""

    kinds: tuple[ActKind, ...]
    material: str = ""
    """Its purchases, and contracts with its makers and support for them; empty: of all minerals."""
    years: int | None = None
    """How many fiscal years; None: all that are planned."""

    def of(self, problem: Problem) -> Iterator[Act]:
        """The acts of a problem."""
        n, items = problem.natural, {self.material}
        if self.material:
            i = n.materials.index(self.material)
            items |= {name for name, makes in zip(n.producers, n.yields[:, i] > 0, strict=True) if makes}
            items |= {m.floor.name for m in problem.structure.support.markets if m.floor.floor.material == i}
        for act in acts(problem, len(n.calendar.planned_years) if self.years is None else self.years):
            if act.kind in self.kinds and (not self.material or act.item in items):
                yield act


def without_acts(problem: Problem, left_out: Sequence[LeftOut]) -> Assembly:
    """The model without some acts: none begins that its data do not prescribe. What is never bought is not bought in events."""
    assembly, n = problem.assembly, problem.natural
    upper = assembly.upper.copy()
    for part in left_out:
        for act in part.of(problem):
            upper[act.columns] = assembly.lower[act.columns]
        if "buy" in part.kinds and part.years is None:
            of = problem.structure.material_of_purchase.items()
            every = _bought(problem, [name for name, i in of if part.material in ("", n.materials[i])])
            upper[every] = assembly.lower[every]
    return replace(assembly, upper=upper)


def _bought(problem: Problem, names: Collection[str]) -> Ints:
    """Columns of purchases in all scenarios."""
    parts = zip(problem.assembly.operations, problem.structure.component_sets, strict=True)
    found = [part.columns("acquisition", p.name) for part, sets in parts for p in sets.purchases if p.name in names]
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def _counted(problem: Problem, end: int) -> Iterator[tuple[ActKind, str, Ints, Floats]]:
    """(kind, item, columns, factors) of everything that periods before `end` may bring."""
    n, structure, support = problem.natural, problem.structure, problem.structure.support
    unit = problem.instance.material_unit
    root = problem.assembly.commitments
    shapes = list(zip(problem.assembly.operations, structure.component_sets, strict=True))
    ways = ((purchase, part) for part, shape in shapes for purchase in shape.purchases)
    bought = gathered((way.material, part.columns("acquisition", way.name)[:end]) for way, part in ways)
    for i, parts in bought.items():
        mine = np.concatenate(parts)
        mine = mine[problem.assembly.upper[mine] > 0]
        if len(mine):
            yield "buy", n.materials[i], mine, np.full(len(mine), float(unit[i]))
    for part, shape in shapes:
        for i in shape.stocked:
            sold = part.columns("disposal", i)[:end]
            yield "sell", n.materials[i], sold, np.full(len(sold), float(unit[i]))
    place = {key: root.first_column + k for k, key in enumerate(root.template.columns)}
    begun = [(o, option) for o, option in enumerate(support.options) if option.signed < end]
    signed = gathered((option.project, place["sign", o]) for o, option in begun if is_support(problem, option))
    for p, of_project in signed.items():
        yield "support", n.projects[p].name, np.array(of_project), np.ones(len(of_project))
    contracts = gathered((contract.source, k) for k, contract in enumerate(structure.contracts) if contract.start < end)
    for j, members in contracts.items():
        starts = np.array([place["contract", k] for k in members])
        a_year = float(problem.instance.producer_unit[j]) / n.calendar.step
        yield "offtake", n.producers[j], starts, np.full(len(starts), a_year)
    for m, market in enumerate(support.markets):
        begin = market.floor.floor.begin or 0
        if begin < end:
            yield "floor", market.floor.name, np.array([place["floor", m]]), np.ones(1)


def is_support(problem: Problem, option: Option) -> bool:
    """Whether signing an option is an act of the authority: what owners build anyway without it is none."""
    return not (
        problem.structure.support.baseline[option.project] and option.package.name == "none" and not option.market
    )


def _budget_coefficients(problem: Problem) -> Floats:
    """(F, columns) what a unit of each column takes from the budget of each fiscal year [million USD]."""
    assembly = problem.assembly
    found = np.zeros((len(problem.natural.calendar.years), len(assembly.lower)))
    for row in assembly.rows_of("budget"):
        entries = slice(assembly.start[row], assembly.start[row + 1])
        year = assembly.row_name(int(row)).key
        np.add.at(found[year], assembly.index[entries], assembly.value[entries])
    return found
