"""A planning problem built and compiled, its aims as cost vectors, and the typed verdict of a solve."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..core.arrays import Floats, equal
from ..core.errors import Fault, InputError, PlanError
from ..core.runner import checkpoint
from ..core.timing import Timings
from ..data.dataset import Dataset
from ..finance.packages import Support, build_support
from ..formulation.parameters import net_imports
from ..formulation.structure import Structure, active_rule, build_structure
from ..instance.build import build_instance
from ..instance.instance import Instance
from ..instance.scaling import scale
from ..scenarios.build import build_scenarios
from ..scenarios.events import longest_event
from ..scenarios.pricing import PricingSample, pricing_sample
from ..scenarios.scenario_set import SampledScenarios, ScenarioSet
from ..schemas.plan import Plan
from .assembly import Assembly, TinyEntryError
from .instantiate import Templates, compile_templates, instantiate
from .origins import tiny_entry
from .reuse import same_commitments, same_menus, same_operations, same_owners

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
    what rules of origin leave nobody to buy from, InputError for a figure that the solver would take for zero beside what it stands
    beside.

    held: sampled scenarios to keep where the same hazards are asked for (`scenarios.build.build_scenarios`). like: a problem
    prepared before; its compiled blocks are instantiated again where only figures differ that they keep as parameters, and those of
    operations where they are written alike (`reuse`).
    """
    seconds = Timings()
    checkpoint("building the model")
    with seconds.measure("build"):
        built = _built(plan, data, like, held)
        structure, natural = built.structure, built.natural
        columns = sum(
            blocks.count
            * (
                len(s.sources)
                + len(s.projects)
                + len(s.tiers)
                + len(s.steps)
                + len(s.purchases)
                + 4 * len(s.materials)
                + 3 * len(s.users)
            )
            for s, blocks in zip(structure.component_sets, structure.block_index, strict=True)
        )
        if columns > MOST_COLUMNS:
            found = f"about {columns:,} columns ({len(structure.scenarios.names)} scenarios, {natural.calendar.periods} periods)"
            raise PlanError([Fault("plan", "", "sample.scenarios", found, f"at most {MOST_COLUMNS:,} columns")])
        if faults := _covers_of_nothing(structure):
            raise PlanError([data.placed(fault) for fault in faults])
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
    return Problem(plan, data, natural, structure, templates, assembly, seconds, built.scenarios, built.pricing)


def trunk_prices(problem: Problem) -> tuple[Floats, Floats]:
    """(I, T) prices on the baseline course [million USD/t], and prices outside as a multiple of them."""
    trunk = problem.structure.trunk
    return trunk.price[0] / problem.structure.instance.material_unit[:, None], trunk.market_gap[0]


def _covers_of_nothing(structure: Structure) -> list[Fault]:
    """Days of cover of materials that the reserve neither has nor may buy from anybody."""
    rules, n = structure.instance.plan.days_of_cover, structure.instance
    return [
        Fault(
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


def at_undisturbed_prices(problem: Problem) -> Problem:
    """The same problem with disrupted operations valued at the trunk's prices (`price_gain = false`)."""
    plan = problem.plan.model_copy(update={"price_gain": False})
    structure = replace(problem.structure, instance=replace(problem.structure.instance, plan=plan))
    assembly = instantiate(structure, problem.templates)
    return replace(
        problem, plan=plan, natural=replace(problem.natural, plan=plan), structure=structure, assembly=assembly
    )


@dataclass(frozen=True)
class Built:
    """A problem before it is compiled."""

    structure: Structure
    """In model units."""
    natural: Instance
    scenarios: ScenarioSet
    pricing: PricingSample | None
    """These three in tonnes."""


def structure_of(plan: Plan, data: Dataset) -> tuple[Structure, Instance]:
    """The structure of a problem in model units, and its instance in tonnes."""
    built = _built(plan, data)
    return built.structure, built.natural


def _built(plan: Plan, data: Dataset, like: Problem | None = None, held: SampledScenarios | None = None) -> Built:
    """A problem before it is compiled. held: sampled scenarios to keep. like: a problem built before, of which courses of events,
    support, and what owners get, need and cost are taken over as far as nothing that they hang on has changed.
    """
    natural = build_instance(plan, data, longest_event(plan, data))
    drawn = 1 if plan.sample is None else max(plan.sample.scenarios, plan.sample.draws or 0)
    scenarios_asked = len(plan.scenarios) + drawn
    items = _items(natural)
    if scenarios_asked * natural.calendar.periods * items > MOST_ENTRIES_AT_FIRST_SIGHT:
        found = f"{scenarios_asked:,} scenarios, {natural.calendar.periods} periods, {items:,} items"
        raise PlanError([Fault("plan", "", "sample.scenarios", found, f"at most {MOST_COLUMNS:,} columns after all")])
    scaled = scale(natural)
    before, expected = (None, None) if like is None else (like.scenarios, like.pricing)
    alike = like is not None and same_owners(like.natural, natural)
    # drawn in tonnes: which scenarios are kept must not hang on the rounding of a unit
    checkpoint("drawing scenarios")
    scenarios = build_scenarios(natural, data, held, before if alike else None)
    checkpoint("what owners expect")
    pricing = pricing_sample(natural, data, expected, alike=alike)
    counted, unit = scenarios.counted_in(scaled.material_unit), scaled.material_unit
    of_owners, known = None if pricing is None else pricing.counted_in(unit), None if like is None else like.structure
    checkpoint("ways of support")
    support = _support(scaled, counted, known, of_owners)
    return Built(build_structure(scaled, counted, support), natural, scenarios, pricing)


def _support(
    instance: Instance, scenarios: ScenarioSet, like: Structure | None, pricing: PricingSample | None
) -> Support:
    """Ways of support, as far as possible those of another structure, or worked out from what its owners get and expect."""
    if like is None or not same_owners(like.instance, instance):
        return build_support(instance, scenarios, pricing=pricing)
    owners = like.support.owners
    same = pricing.same(owners.pricing) if pricing is not None else owners.pricing is None
    if same and equal(like.scenarios, scenarios) and same_menus(like.instance, instance):
        return like.support
    return build_support(instance, scenarios, owners, owners.pricing if same else pricing)
