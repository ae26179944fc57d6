"""Re-solves are what cold solves are: addresses, held scenarios, blocks taken over, bases carried, cuts kept, sweeps checked."""

import math
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest

import strategic_minerals.solver.session as session_module
import strategic_minerals.studies.sweep as segments
import strategic_minerals.world.scenarios as build
from strategic_minerals import (
    Dataset,
    DeadlineError,
    InfeasibleError,
    InputError,
    Plan,
    PlanError,
    Runner,
    UntrustedError,
    load_dataset,
    load_plan,
    one_at_a_time,
    shipped,
    sobol,
    solve,
    sweep,
)
from strategic_minerals.core.files import Kept
from strategic_minerals.core.frames import equal
from strategic_minerals.matrix.assembly import Assembly, compile_templates, instantiate
from strategic_minerals.matrix.named import objective_costs
from strategic_minerals.matrix.problem import (
    BLOCK_DATA,
    MENUS,
    OPERATING,
    DecisionIndex,
    ForcedDecision,
    Problem,
    changed_projects,
    prepare,
    same_commitments,
    same_courses,
    same_operations,
)
from strategic_minerals.model.sets import Structure, build_structure
from strategic_minerals.question.names import edited
from strategic_minerals.question.together import Taken, joint_question
from strategic_minerals.solver.lshaped.search import LShaped
from strategic_minerals.solver.session import Session
from strategic_minerals.world.events import ScenarioSet, combine_events
from strategic_minerals.world.instance import Instance
from strategic_minerals.world.owners import Known
from strategic_minerals.world.packages import Item, build_support
from support.allied import allied, event, home_tables
from support.instances import quick_first, random_case
from support.promising import promising
from support.tiny import cut, imported, offer, project, source, tiny

pytestmark = pytest.mark.long

SOME = {
    "sources": {"far": source("CHN", "a", 10.0)},
    "demand": {"a": 10.0},
    "offers": {"spot": offer("a", 5.0)},
    "scenarios": [cut("cut", 0.4, 2028, 1)],
}


FIGURES = "objective_musd bound_musd do_nothing_musd expected_loss_musd cvar_musd defence_short spending_musd".split()


def first_price(data: Dataset, plan: Plan) -> str:
    return next(f"{r.price_set}/{r.material}/*" for r in data.rows("prices") if r.price_set == plan.price_set)


def variants(plan: Plan, data: Dataset) -> list[dict[str, Any]]:
    """Changes of every kind: money, limits, losses, prices, probabilities, haircuts, demand, and back again."""
    losses = f"loss_functions[{plan.loss_function}/*/*].loss_usd_per_t *"
    found: list[dict[str, Any]] = [
        {"budget.appropriation_musd *": 0.9},
        {"budget.carry_over_share": 0.3},
        {losses: 1.1},
        {losses: 0.95},
        {f"prices[{first_price(data, plan)}].price_usd_per_kg *": 1.05},
        {"materials[*].haircut_share *": 0.9},
        {"demand[*/*/*].demand_t_per_yr *": 1.02},
        {"discount_rate": 0.05},
        {"residual": 0.2},
        {},
    ]
    if plan.scenarios:
        found.append({"scenarios.0.probability *": 0.9})
        found.append({"scenarios.0.probability *": 0.8})
    if plan.risk.cvar_weight > 0:
        found.append({"risk.cvar_weight": 0.7})
    if plan.budget.liability_cap_musd is not None:
        found.append({"budget.liability_cap_musd *": 0.9})
    if plan.instruments.price_floors:
        menu = "instruments.price_floors.0"
        found += [{f"{menu}.upside_share": 0.35}, {f"{menu}.levels_usd_per_kg *": 1.1}, {f"{menu}.upside_share": 0.3}]
    found += [{"instruments[*].score *": 0.9}, {}]
    return found


ARRAYS = ("lower", "upper", "integer", "row_lower", "row_upper", "start", "index", "value")


def same_arrays(one: Assembly, other: Assembly) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ARRAYS)


def same_model(a: Problem, b: Problem) -> bool:
    """Whether two problems have the same arrays and aims."""
    if not same_arrays(a.assembly, b.assembly):
        return False
    return all(np.array_equal(cost, objective_costs(b)[name]) for name, cost in objective_costs(a).items())


def floored(**changes: Any) -> tuple[Plan, Dataset]:
    """A mine that a floor of three years, or a grant, may support."""
    case: dict[str, Any] = {
        "demand": {"a": 10.0},
        "scenarios": [cut("cut", 0.4, 2029, 1)],
        "sources": {"far": source("CHN", "a", 10.0)},
        "projects": {"mine": project("a", 5.0, capex_musd=2000.0)},
        "money": 100.0,
        "packages": {"grant": {"instrument": "grant"}},
        "instruments": {
            "price_floors": [{"material": "a", "levels_usd_per_kg": [60.0], "term_years": 3, "upside_share": 0.2}]
        },
    }
    return tiny({"a": 50.0}, **{**case, **changes})


@pytest.mark.parametrize("seed", range(4))
def test_what_is_taken_over_is_what_would_be_built(seed: int) -> None:
    """Proves: a problem prepared beside another has, entry by entry, the arrays of one prepared alone with the same scenarios."""
    plan, data = random_case(seed, sample=seed % 2 == 0)
    looking = {"expectation": "scenarios" if seed >= 2 else "trunk", "sample": 20}
    plan = plan.model_copy(update={"owners": plan.owners.model_copy(update=looking)})
    before = prepare(plan, data)
    reused = 0
    courses: list[dict[str, Any]] = [{"tight_cut_share": 0.3}]
    courses += [{"scenarios.0.events.0.price_multiplier": 3.0}] if plan.scenarios else []
    courses += [{"sample.seed": 99}] if plan.sample else []
    for changes in variants(plan, data) + courses:
        now = edited(plan, data, changes)
        beside = prepare(*now, before, before.structure.scenarios.drawn)
        assert same_model(beside, prepare(*now, None, before.structure.scenarios.drawn)), changes
        reused += beside.templates is before.templates
        before = beside
    assert reused >= 6


@cache
def beside(seed: int, revolving: bool | None, two_markets: bool = False) -> Problem:
    """A random problem that others are prepared beside; revolving: None as it is drawn."""
    switches = {} if revolving is None else {"revolving": revolving}
    return prepare(*random_case(seed, **switches, two_markets=two_markets, channel=True))


def moved(structure: Structure, name: str) -> Structure:
    """The structure where all numbers of one field of the instance are other ones, in the same scenarios."""
    instance = structure.instance
    value = getattr(instance, name)
    if isinstance(value, np.ndarray):
        other: Any = value + 1 if value.dtype.kind == "i" else 0.99 * value
    elif name == "projects":
        other = tuple(replace(p, capex=1.01 * p.capex, ramp=0.99 * p.ramp, hurdle=p.hurdle + 0.001) for p in value)
    else:
        other = tuple(tuple(replace(floor, level=0.9 * floor.level) for floor in floors) for floors in value)
    changed = replace(instance, **{name: other})
    return build_structure(changed, structure.scenarios, build_support(changed, structure.scenarios))


NAMES = ("feed", "feed_shares", "offer_country")
"""Fields of names of countries, and shares by name: there is no other number to try."""
OF_TABLES = """procurement contract_rise users_level users_missing carried adaptation overland seller_depth
pooled_in_events""".split()
"""Fields that the random cases leave empty or that hold no array of their own: whole plans are compared for them below."""
MOVED = [name for name in BLOCK_DATA if name not in (*MENUS, *NAMES, *OF_TABLES)]


Question = tuple[Plan, Dataset]
OPTIONS = ("adaptation", "users_stock", "spikes", "two_markets", "origin", "begun")


def without_and_with(option: str, seed: int) -> list[tuple[Question, Question]]:
    """A question without something and with it; with rules of origin under otherwise the same plan."""
    if option == "origin":
        free, ruled = (random_case(seed, origin=on, reach_back=on, cover=False, reserve=True) for on in (False, True))
        return [(free, (free[0].model_copy(update={"procurement": ruled[0].procurement}), free[1]))]
    if option != "begun":
        free, given = (random_case(seed, **{option: on}) for on in (False, True))
        return [(free, given)]
    calm, data = random_case(seed, users_stock=True)
    everything = {"countries": "*", "materials": "*", "cut_share": 0.3, "price_multiplier": 1.5, "duration_years": 1.0}
    begun = {"name": "stop", "start_year": calm.horizon.first_year, "remaining_years": 1.5, **everything}
    struck = Plan.model_validate({**calm.to_toml_like(), "ongoing": [begun]})
    source_of = data.rows("activities")[0].activity
    signed = {"commitment": "x", "kind": "contract", "item": source_of, "producer": source_of, "signed_year": 2026}
    due = {"commitment": "x", "fiscal_year": calm.horizon.first_year, "payment": "fee", "amount_musd": 1.0}
    owing = data.replace(
        users_stock=data.frame("users_stock").assign(missing_share=0.4),
        commitments=pd.DataFrame([signed]),
        payments_due=pd.DataFrame([due]),
    )
    return [((calm, data), (struck, owing)), ((struck, data), (calm, owing))]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("option", OPTIONS)
def test_options_are_taken_over_and_given_up(option: str, seed: int) -> None:
    """Proves: a question with options of shortage, a rule of origin, or an event that goes on, users' stock drawn and payments due,
    prepared beside the same one without, and the other way, has the arrays of one prepared alone."""
    for first, then in without_and_with(option, seed):
        for one, other in ((first, then), (then, first)):
            assert same_model(prepare(*other, prepare(*one), None), prepare(*other))


@pytest.mark.parametrize("change", ["sharing", "sellers"])
def test_what_homes_share_is_taken_over_and_given_up(change: str) -> None:
    """Proves: so do plans of two homes whose stock is given by share or whose sellers have less; compiled blocks are taken over."""
    more = {"sellers": [{"seller": "spot", "from_year": 2027, "depth_t_per_yr": 1200.0}]}
    homes = {home: home_tables(home, depth=1.0, stock=0.5, more=more) for home in ("USA", "AUS")}
    stop = {"stop": (0.5, [event("ore")])}
    first = joint_question(allied(stop), homes)
    if change == "sharing":
        other = joint_question(allied(stop, together={"joint_stock": "by_share"}), homes)
    else:
        other = joint_question(allied(stop), homes, taken=Taken(purchases={("spot", 2027): 300.0}))
    for one, then in ((first, other), (other, first)):
        assert same_model(prepare(*then, prepare(*one), None), prepare(*then))
    before = prepare(*first)
    assert prepare(*other, before, None).templates is before.templates


@pytest.mark.parametrize("name", MOVED)
def test_no_compiled_block_holds_a_figure_as_a_number(name: str) -> None:
    """Proves: for every field said to be no number of the blocks, blocks of a problem where it is another one, stamped again, give
    the arrays of blocks written anew. The check is made: operations are taken over for one seed at least, and so are commitments,
    but where the field says which there are."""
    for revolving in (False, True):
        taken = whole = 0
        for seed in range(8):
            before = beside(seed, revolving, name.startswith("outside"))
            structure = moved(before.structure, name)
            if equal(structure.instance, before.structure.instance):
                continue
            if not same_operations(before.structure, structure):
                continue
            both = same_commitments(before.structure, structure)
            taken, whole = taken + 1, whole + both
            known = before.templates if both else compile_templates(structure, before.templates)
            one, other = instantiate(structure, known), instantiate(structure, compile_templates(structure))
            assert same_arrays(one, other), seed
            assert set(one.costs) == set(other.costs)
            assert all(np.array_equal(cost, other.costs[key]) for key, cost in one.costs.items()), seed
        assert taken
        assert whole or name in ("capacity", "sold", "contract_lot", "contract_term")


RESERVED = {"kappa": 0.5, "lot_t_per_yr": 500.0, "term_yr": 2.0, "fee_usd_per_kg": 1.0}


@pytest.mark.parametrize("name", [name for name in OPERATING if name in MOVED])
def test_no_owner_looks_at_what_only_operations_know(name: str) -> None:
    """Proves: for every field said to be none of an owner's, where ways of support may be taken over they are those worked out
    anew, floors included."""
    moves = 0
    for seed in range(8):
        before = beside(seed, None).structure
        after = moved(before, name)
        if equal(after.instance, before.instance):
            continue
        moves += 1
        assert same_courses(before.instance, after.instance)
        if changed_projects(before.instance, after.instance) == frozenset():
            for field in ("options", "classes", "markets", "trunk_alive", "scenarios_alive", "baseline", "dropped"):
                assert equal(getattr(before.support, field), getattr(after.support, field)), (seed, field)
    assert moves


@pytest.mark.parametrize("field", ["capex", "hurdle", "premium"])
def test_what_one_project_costs_changes_nothing_for_the_others(field: str) -> None:
    """Proves: where one project differs, ways of support with what is known of the others taken over are those worked out anew, and
    events do what they did wherever they are taken over; something of the others is taken over."""
    kept = 0
    for seed in range(12):
        problem = beside(seed, None)
        before, instance = problem.structure, problem.structure.instance
        if not instance.projects or instance.market_floors:
            continue
        first = instance.projects[0]
        if field == "premium":
            at = np.arange(len(instance.premium)) == first.producer
            other = replace(instance, premium=np.where(at, instance.premium + 0.05, instance.premium))
        else:
            dearer = replace(first, **{field: 1.2 * getattr(first, field)})
            other = replace(instance, projects=(dearer, *instance.projects[1:]))
        pricing, scenarios = before.support.owners.pricing, before.scenarios
        if same_courses(instance, other):
            assert equal(combined(other, scenarios), combined(instance, scenarios)), seed
        assert changed_projects(instance, other) == {0}
        known = Known(before.support.owners, frozenset({0}), True)
        anew, told = (build_support(other, scenarios, pricing, of) for of in (None, known))
        fields = "options classes markets trunk_alive scenarios_alive baseline dropped refused".split()
        for name in fields:
            assert equal(getattr(anew, name), getattr(told, name)), (seed, name)
        kept += len([key for key, _ in known.kept])
    assert kept


def combined(instance: Instance, scenarios: ScenarioSet) -> ScenarioSet:
    """The events of scenarios in an instance."""
    told = scenarios.names, scenarios.probability, scenarios.design_basis, scenarios.events
    return combine_events(instance, *told, scenarios.trunk)


MINES = {name: project("a", 5.0, capex_musd=2000.0) for name in ("mine", "plant")}
ALLIES = {"far": source("CHN", "a", 10.0), "ally": source("AUS", "a", {2027: 4.0, 2029: 4.0}, **RESERVED)}


@pytest.mark.parametrize(
    ("case", "change", "kept"),
    [
        ({}, {"scenarios.0.probability *": 0.98}, True),
        ({}, {"prices[*/a/*].price_usd_per_kg *": 0.98}, True),
        ({}, {"demand[*/*/*].demand_t_per_yr *": 0.98}, True),
        ({}, {"instruments.price_floors.0.upside_share *": 0.98}, True),
        ({}, {"instruments.price_floors.0.levels_usd_per_kg *": 0.98}, True),
        ({}, {"instruments[grant].score": 0.9}, True),
        ({}, {"projects[*].capex_musd *": 0.98}, True),
        ({}, {"materials[*].haircut_share": 0.98}, False),
        ({}, {"scenarios.0.events.0.price_multiplier": 1.5}, True),
        ({}, {"instruments.price_floors.0.levels_usd_per_kg *": 0.8}, False),
        ({"risk": {"cvar_limit_musd": 1e6}}, {"scenarios.0.probability": 0.3}, False),
        ({"projects": MINES}, {"projects[plant].needs": "mine"}, False),
        ({"projects": MINES}, {"projects[plant].excludes": "mine"}, False),
        ({"sources": ALLIES}, {"activities[ally].term_yr": 1.0}, False),
        ({"sources": ALLIES}, {"capacities[ally/2029].capacity_t_per_yr": 3000.0}, False),
    ],
)
def test_what_commitments_cost_is_no_reason_to_write_them_anew(
    case: dict[str, Any], change: dict[str, Any], kept: bool
) -> None:
    """Proves: other chances, prices, demand, and other terms of a floor, are figures of blocks that stay; a haircut, which stands
    in products, a floor that comes to pay nothing in a year, chances where a limit on losses holds them, what projects need or
    exclude, how long contracts last and what their source makes in a later year are not. Nothing stale is left of either."""
    plan, data = floored(**case)
    before, changed = prepare(plan, data), edited(plan, data, change)
    assert any(option.floor is not None for option in before.structure.support.options)
    after = prepare(*changed, before)
    assert (after.templates.root is before.templates.root) == kept
    assert same_model(after, prepare(*changed))


def test_decisions_of_a_point_are_those_of_its_plan() -> None:
    """Proves: contracts and market floors told of points are those that `explain` finds chosen, in the same tonnes a year; both
    occur, the floors because they are demanded, and an offer is neither, whatever its name."""
    seen = set()
    for seed in range(12):
        case = random_case(seed, market_floor=True, contracts=True, loss_limits=False)
        there = [market.floor.name for market in prepare(*case).structure.support.markets]
        forced = ForcedDecision(Item("floor", there[0]), inside=True) if there else None
        try:
            answer = Session(gap=1e-3, method="flat").answer(*case, forced=forced)
        except InfeasibleError:
            continue
        problem, choices = answer.problem, DecisionIndex(answer.problem)
        markets = {market.floor.name for market in problem.structure.support.markets}
        wanted = {
            (item.kind, item.name): choices.amount(item, answer.x)
            for item in choices.items
            if (item.kind == "contract" or (item.kind == "floor" and item.name in markets))
            and choices.chosen(item, answer.x)
        }
        told = segments._decisions(0, answer, segments._hold_to_account(answer))
        found = {(line["kind"], line["item"]): line["value"] for line in told if line["kind"] in ("contract", "floor")}
        assert found == pytest.approx(wanted, rel=1e-9)
        seen |= {kind for kind, _ in found}
    assert seen == {"contract", "floor"}
    plan, data = tiny({"a": 10.0}, **{**SOME, "offers": {"market-spot": offer("a", 5.0)}}, loss=1e5)
    answer = Session(gap=0.0).answer(plan, data)
    told = segments._decisions(0, answer, segments._hold_to_account(answer))
    assert {line["kind"] for line in told} == {"stock"}


@pytest.mark.parametrize("method", ["flat", pytest.param("decomposed", marks=pytest.mark.slow)])
@pytest.mark.parametrize("seed", quick_first([0, 3, 2, 5], 2))
def test_a_session_answers_as_a_cold_solve(seed: int, method: Any) -> None:
    """Proves: relaxations answered one after the other, from the last one's basis or cuts, have the optimum of a solve from
    nothing, to 1e-9 of the costs; so have their references; mixed-integer answers (seed 3) state intervals that enclose the
    optimum."""
    plan, data = random_case(seed, loss_limits=False, sample=True)
    relax = seed != 3
    session = Session(gap=1e-12 if relax else 1e-7, relax=relax, method=method)
    for changes in variants(plan, data):
        now = edited(plan, data, changes)
        bases, cold = session.answer(*now).outcome, session.cold().answer(*now).outcome
        near = (
            (1e-9 if relax else 1e-6)
            * (1 + abs(cold.do_nothing_musd or 0.0))
            * (10 if method != "flat" and relax else 1)
        )
        assert bases.best_bound_musd <= cold.objective_musd + near
        assert cold.best_bound_musd <= bases.objective_musd + near
        if relax:
            assert bases.objective_musd == pytest.approx(cold.objective_musd, abs=near), changes
            assert bases.do_nothing_musd == pytest.approx(cold.do_nothing_musd, abs=near)


def test_doing_nothing_is_solved_again_only_where_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: another budget and another floor leave doing nothing as it is, and it is not solved again; other losses, prices,
    probabilities and demands change it; either way it is that of a solve from nothing."""
    solved: list[int] = []
    honest = session_module.with_reference
    monkeypatch.setattr(session_module, "with_reference", lambda *a, **k: (solved.append(1), honest(*a, **k))[1])
    plan, data = load_plan("quickstart"), load_dataset(shipped("inputs"))
    session = Session(relax=True, method="flat")
    session.answer(plan, data)
    cases = {
        "budget.appropriation_musd *": False,
        f"loss_functions[{plan.loss_function}/*/*].loss_usd_per_t *": True,
        f"prices[{plan.price_set}/*/*].price_usd_per_kg *": True,
        "demand[*/*/*].demand_t_per_yr *": True,
        "scenarios.0.probability *": True,
    }
    for address, again in cases.items():
        session.answer(plan, data)
        solved.clear()
        now = edited(plan, data, {address: 0.9})
        found = session.answer(*now)
        assert bool(solved) == again, address
        cold = session.cold().answer(*now)
        costs = found.problem.assembly.costs
        for name in ("social_cost", "expected_loss"):
            assert costs[name] @ found.z0 == pytest.approx(costs[name] @ cold.z0, rel=1e-9), (address, name)


def test_a_sweep_holds_its_worlds_and_draws_others_for_other_hazards() -> None:
    """Proves: prices and losses move nothing in the sampled scenarios, though a reduction chooses by them; another rate does."""
    plan, data = random_case(4, sample=True)
    base = prepare(plan, data)
    drawn = base.structure.scenarios.drawn
    assert drawn is not None
    losses = f"loss_functions[{plan.loss_function}/*/*].loss_usd_per_t *"
    held = prepare(*edited(plan, data, {losses: 3.0}), None, drawn).structure.scenarios
    assert equal(held.events, base.structure.scenarios.events)
    hazard = data.rows("hazards")[0].hazard
    other = prepare(*edited(plan, data, {f"hazards[{hazard}].rate_per_yr *": 3.0}), None, drawn).structure.scenarios
    assert not equal(other.events, base.structure.scenarios.events)


def test_a_control_that_is_in_force_draws_other_scenarios(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: held scenarios are drawn anew for an event in force that may bring on others, not for a control of no hazard."""
    plan, data = random_case(4, sample=True)
    held = prepare(plan, data).structure.scenarios.drawn
    control = {"name": "now", "countries": "CHN", "materials": "*", "cut_share": 0.1, "until_year": 2028}
    of_hazard = control | {"hazard": data.rows("hazards")[0].hazard}
    monkeypatch.setattr(build, "draw", (drawn := Mock(wraps=build.draw)))
    for told, times in ((control, 0), (of_hazard, 1)):
        prepare(Plan.model_validate(plan.model_dump() | {"controls": [told]}), data, None, held)
        assert drawn.call_count == times


@pytest.mark.parametrize("seed", quick_first([6, 8, 9, 11], 2))
def test_hazards_that_begin_to_strike_write_new_blocks(seed: int) -> None:
    """Proves: where no component branched before, and a hazard's rate makes them, branches are compiled; kept as they were, the
    model would have lost every row of a branch without anybody noticing."""
    plan, data = random_case(seed, sample=True, gallium=True)
    plan = plan.model_copy(update={"scenarios": (), "service_levels": (), "days_of_cover": ()})
    hazard = data.rows("hazards")[0].hazard
    found = sweep(plan, data, {f"hazards[{hazard}].rate_per_yr": [0.0, 0.4, 0.41]}, relax=True, gap=0.0, method="flat")
    for row in found.tables["points"].to_dict("records"):
        address = next(iter(row))
        alone = solve(
            *edited(plan, data, {address: row[address]}), relax=True, gap=0.0, method="flat", quick=True
        ).outcome
        assert row["objective_musd"] == pytest.approx(alone.objective_musd, rel=1e-9, abs=1e-9)
    before = prepare(*edited(plan, data, {f"hazards[{hazard}].rate_per_yr": 0.0}))
    after = edited(plan, data, {f"hazards[{hazard}].rate_per_yr": 0.4})
    assert same_model(prepare(*after, before), prepare(*after))


def test_a_bound_above_a_plan_is_refused_as_in_solve() -> None:
    """Proves: a session holds a solver's answer to the linear program with whole numbers fixed, as `solve` does; stages held to a
    millionth had bounds hundreds of millions above a plan."""
    plan, data = random_case(42)
    plan = plan.model_copy(update={"objective": plan.objective.model_copy(update={"kind": "least_budget"})})
    try:
        alone = solve(plan, data, gap=1e-6, quick=True).outcome.objective_musd
    except UntrustedError:
        alone = None
    if alone is None:
        with pytest.raises(UntrustedError):
            Session(gap=1e-6).answer(plan, data)
    else:
        assert Session(gap=1e-6).answer(plan, data).outcome.objective_musd == pytest.approx(alone, rel=1e-5)


def test_errors_in_a_sweep_cost_a_point_or_a_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: an error that nobody foresaw is told by its name in its row; where the point solved again has no answer, the rows
    stand and nothing is said to be checked."""
    plan, data = tiny({"a": 10.0}, **SOME)
    points = {"budget.appropriation_musd": [10.0, 20.0, 30.0]}
    with monkeypatch.context() as patch:
        patch.setattr(Session, "cold", Mock(side_effect=UntrustedError("not today")))
        unchecked = sweep(plan, data, points, gap=0.0)
    assert unchecked.facts["failed_share"] == 0.0
    assert (unchecked.facts["checked"], unchecked.facts["disagreed"]) == (0, 0)
    honest, count = Session.answer, iter(range(100))

    def breaking(self: Session, plan: Plan, data: Dataset, **options: Any) -> Any:
        if next(count) == 1:
            raise ZeroDivisionError("one over nothing")
        return honest(self, plan, data, **options)

    monkeypatch.setattr(Session, "answer", breaking)
    found = sweep(plan, data, points, gap=0.0)
    assert list(found.tables["points"]["reason"].str.startswith("ZeroDivisionError")) == [False, True, False]


@pytest.mark.parametrize("found", [True, False])
def test_points_that_a_limit_of_the_call_cut_short_are_solved_next_time(
    found: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves: where the deadline comes in the third point, with a plan of it or without one, the sweep ends with its error, two
    rows stand, and the next call answers the rest alone, to the frame of a sweep that nothing stopped. Another gap is another
    question, which the folder is not taken for."""
    plan, data = tiny({"a": 10.0}, **SOME)
    asked: dict[str, Any] = {"points": {"budget.appropriation_musd": [10.0, 20.0, 30.0]}, "gap": 0.0}
    honest, count = Session.answer, iter(range(100))

    def late(self: Session, plan: Plan, data: Dataset, **options: Any) -> Any:
        answer = honest(self, plan, data, **options)
        if next(count) < 2:
            return answer
        ended = replace(answer.outcome, reason="time_limit")
        if not found:
            raise DeadlineError("late", ended)
        return replace(answer, outcome=ended)

    with monkeypatch.context() as patch:
        patch.setattr(Session, "answer", late)
        with pytest.raises(DeadlineError):
            sweep(plan, data, **asked, run=Runner(store=tmp_path / "rows"))
    assert len(list((tmp_path / "rows").glob("*.json"))) == 2
    told: list[int | None] = []
    again = sweep(
        plan, data, **asked, run=Runner(store=tmp_path / "rows", on_progress=lambda now: told.append(now.done))
    )
    assert [number for number in told if number] == [3]
    whole = sweep(plan, data, **asked)
    figures = [*FIGURES, "reason"]
    pd.testing.assert_frame_equal(again.tables["points"][figures], whole.tables["points"][figures], rtol=1e-9)
    pd.testing.assert_frame_equal(again.tables["decisions"], whole.tables["decisions"], rtol=1e-6)
    with pytest.raises(InputError, match="no part of this question"):
        sweep(plan, data, **{**asked, "gap": 1e-3}, run=Runner(store=tmp_path / "rows"))


def test_a_range_moves_with_its_value() -> None:
    """Proves: a hazard's least and largest cut stay around the likeliest one, as they do for an override."""
    plan, data = random_case(4, sample=True)
    row = next(r for r in data.rows("hazards") if r.cut_share_low is not None and r.cut_share_low > 0)
    changed = edited(plan, data, {f"hazards[{row.hazard}].cut_share": row.cut_share_low / 2})[1]
    moved = next(r for r in changed.rows("hazards") if r.hazard == row.hazard)
    assert moved.cut_share_low <= moved.cut_share <= moved.cut_share_high
    assert Dataset.from_tables({name: changed.frame(name) for name in changed.tables})


def test_a_decomposed_session_whose_clock_runs_out_can_go_on() -> None:
    """Proves: no time to find cuts anew is no error, and no stale cut is left."""
    plan, data = random_case(0, loss_limits=False, sample=True)
    problem = prepare(plan, data)
    costs = objective_costs(problem)["social_cost"]
    parts = LShaped(problem.structure, problem.assembly, costs, integer=False)
    parts.minimise(costs, None, gap=1e-9, absolute_gap=0.0)
    other = prepare(*edited(plan, data, {f"loss_functions[{plan.loss_function}/*/*].loss_usd_per_t *": 0.7}), problem)
    cheaper = objective_costs(other)["social_cost"]
    parts.load(other.structure, other.assembly, cheaper, time.perf_counter() - 1.0)
    assert parts.master(cheaper, 0.0).run(10.0, "master").objective < -1e6  # no cut holds a cluster's cost up
    found = parts.minimise(cheaper, None, gap=1e-9, absolute_gap=0.0)
    alone = LShaped(other.structure, other.assembly, cheaper, integer=False).minimise(
        cheaper, None, gap=1e-9, absolute_gap=0.0
    )
    assert found.objective == pytest.approx(alone.objective, rel=1e-8)


def test_a_sweep_is_its_points_solved_one_by_one() -> None:
    """Proves: a grid is every combination in the order asked, each what `solve` states; stock rises with the loss it averts."""
    plan, data = tiny({"a": 10.0}, **SOME)
    grid = {"budget.appropriation_musd": [0.0, 30.0, 60.0], "scenarios.0.probability": [0.1, 0.4]}
    found = sweep(plan, data, grid, gap=0.0)
    assert list(found.tables["points"]["budget.appropriation_musd"]) == [0.0, 0.0, 30.0, 30.0, 60.0, 60.0]
    assert found.facts["checked"] >= 1
    assert found.facts["disagreed"] == 0
    assert found.facts["failed_share"] == 0.0
    for row in found.tables["points"].to_dict("records"):
        alone = solve(*edited(plan, data, {name: row[name] for name in grid}), gap=0.0, quick=True).outcome
        assert row["objective_musd"] == pytest.approx(alone.objective_musd, rel=1e-9, abs=1e-9)
        assert row["do_nothing_musd"] == pytest.approx(alone.do_nothing_musd, rel=1e-9)
    stock = found.tables["decisions"][found.tables["decisions"]["kind"] == "stock"].set_index("point")["value"]
    assert stock.get(1, 0.0) == 0.0
    assert 0.0 < stock[3] <= stock[5]


NEEDED: dict[str, Any] = {"loss": 20.0, "offers": {"spot": offer("a", 5.0)}, "scenarios": [cut("c", 0.5, 2028, 1)]}


def test_what_moves_nothing_is_said_to_and_years_are_years() -> None:
    """Proves: money that nobody needs has no effect, whose shares are no numbers; a year is printed whole, with its part."""
    plan, data = imported(1.0, **NEEDED, money=1e3)
    ranges = {"budget.appropriation_musd": (500.0, 600.0), "residual": (0.9, 1.0)}
    said = sweep(plan, data, sobol(ranges, samples=4), gap=0.0).summary()
    assert said.count("no effect: all answers are the same") == 2
    assert "nan" not in said
    begin = one_at_a_time({"scenarios.0.events.0.start_year": (2028.0, 2029.5)})
    assert "start_year: 2028 to 2029.5 gives 50.0 to 50.0, no effect" in sweep(plan, data, begin, gap=0.0).summary()


def test_a_trace_of_stock_is_no_decision() -> None:
    """Proves: what a tolerance leaves in store, under a kilogram, is not chosen."""
    plan, data = imported(1.0, **NEEDED, money=100.0)
    decisions = sweep(plan, data, {"objective.kind": ["social_cost", "least_budget"]}, gap=0.0).tables["decisions"]
    assert decisions[decisions.kind == "stock"].point.tolist() == [0]


def test_points_go_back_in_their_order() -> None:
    """Proves: the path that points are answered along is not the order in which they are told."""
    values = [40.0, 0.0, 20.0, 60.0, 10.0]
    found = sweep(*tiny({"a": 10.0}, **SOME), {"budget.appropriation_musd": values}, relax=True).tables["points"]
    assert list(found["budget.appropriation_musd"]) == values
    assert list(np.argsort(found["objective_musd"])) == list(np.argsort(values)[::-1])


def test_a_point_without_an_answer_is_a_row_with_its_reason() -> None:
    """Proves: failed points are not hidden, their numbers are not numbers, their share is told."""
    found = sweep(*promising(0.3), {"budget.appropriation_musd": [0.0, 100.0, 200.0]}, gap=0.0)
    assert list(found.tables["points"]["reason"]) == ["infeasible", "optimal", "optimal"]
    assert np.isnan(found.tables["points"]["objective_musd"][0])
    assert found.facts["failed_share"] == pytest.approx(1 / 3)
    assert not (found.tables["decisions"]["point"] == 0).any()


def test_where_hot_and_cold_disagree_cold_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: a hot start that went wrong (here: on purpose) is found by the cold check, and all its points are solved again."""
    plan, data = tiny({"a": 10.0}, **SOME)
    true = sweep(plan, data, {"budget.appropriation_musd": [10.0, 20.0, 30.0]}, relax=True, gap=0.0)
    honest = Session.answer

    def lying(self: Session, plan: Plan, data: Dataset, **options: Any) -> Any:
        bases = not self.fresh
        answer = honest(self, plan, data, **options)
        if bases:
            object.__setattr__(answer.outcome, "objective_musd", answer.outcome.objective_musd + 1e-3)
            object.__setattr__(answer.outcome, "best_bound_musd", answer.outcome.best_bound_musd + 1e-3)
        return answer

    monkeypatch.setattr(Session, "answer", lying)
    found = sweep(plan, data, {"budget.appropriation_musd": [10.0, 20.0, 30.0]}, relax=True, gap=0.0)
    assert (found.facts["checked"], found.facts["disagreed"]) == (1, 1)
    assert found.tables["points"]["cold"].all()
    assert np.allclose(found.tables["points"]["objective_musd"], true.tables["points"]["objective_musd"], rtol=1e-12)


def test_processes_share_a_sweep_and_write_their_rows(tmp_path: Path) -> None:
    """Proves: two processes give the rows of one and leave each in the folder, from which they are read without a solve."""
    plan, data = tiny({"a": 10.0}, **SOME)
    points = {"budget.appropriation_musd": [0.0, 10.0, 20.0, 30.0]}
    one, two = (sweep(plan, data, points, gap=0.0, run=Runner(processes=n, store=tmp_path / str(n))) for n in (1, 2))
    assert np.allclose(one.tables["points"][FIGURES], two.tables["points"][FIGURES], rtol=1e-12)
    assert one.facts["checked"] == two.facts["checked"] == 1
    stored = Runner(store=tmp_path / "2", on_progress=lambda *_: pytest.fail("nothing is left"))
    again = sweep(plan, data, points, gap=0.0, run=stored)
    pd.testing.assert_frame_equal(two.tables["points"][FIGURES], again.tables["points"][FIGURES])
    assert again.facts["checked"] == two.facts["checked"]


def test_what_is_no_address_value_or_option_is_refused() -> None:
    """Proves: whatever is misspelt or not allowed is refused before anything is solved."""
    plan, data = tiny({"a": 10.0}, **SOME)
    addresses: list[tuple[dict[str, Any], str]] = [
        ({"budget.apropriation_musd": 1.0}, "appropriation_musd"),
        ({"budget.appropriation_musd": -1.0}, "at least 0"),
        ({"prizes[a].price_usd_per_kg": 1.0}, "prices"),
        ({"prices[*/nothing/*].price_usd_per_kg": 1.0}, "a key of prices: price_set/material/from_year"),
        ({"prices[*/a/*].price": 1.0}, "a column of prices"),
        ({"materials[a].salvage_share *": 2.0}, "a number to multiply"),
        ({"discount_rate *": "a"}, "a factor"),
        ({"scenarios.*.probability *": 0.5, "scenarios.0.probability": 0.2}, "the same figure as 'scenarios.*.pro"),
        ({"prices[*/a/*].price_usd_per_kg": 1.0, "prices[base/*/*].price_usd_per_kg *": 2.0}, "the same figure as"),
        ({"budget.appropriation_musd *": 2.0, "budget.appropriation_musd.2027": 1.0}, "a figure inside"),
    ]
    cases: list[tuple[Any, dict[str, Any], str]] = [([{}, change], {}, said) for change, said in addresses]
    cases += [([{}], {"gap": math.nan}, "sweep  gap  found"), ([{}], {"method": "bender"}, "sweep  method  found")]
    cases += [([], {}, "at least one point")]
    cases += [({"discount_rate": [0.01] * 1000, "residual": [0.1] * 1000}, {}, "at most 100,000")]
    odd = ({"discount_rate": 0.1}, {"discount_rate": "0.1"}, None, pd.DataFrame({"a": [1]}), [1.0], "points")
    cases += [(points, {}, "sweep  points  found") for points in odd]
    cases += [([{"discount_rat": 0.1, "discount_rate": 0.1, "discount_rate *": 2.0}], {}, "2 faults")]
    for points, options, said in cases:
        with pytest.raises((PlanError, InputError)) as caught:
            sweep(plan, data, points, **options)
        assert said in str(caught.value)


def test_parts_of_a_computation_are_read_as_they_were_written_or_refused(tmp_path: Path) -> None:
    """Proves D14 and R56: while one writes, another one is refused; parts come back as they were, and no changed byte, and no part
    of another question, is read."""
    kept = Kept(tmp_path / "rows", "a question")
    lock = kept.begin()
    with pytest.raises(InputError, match="another process"):
        kept.begin()
    lock.release()
    parts = [{"rows": [{"point": n, "objective_musd": -1.5 * n}], "checked": 0} for n in range(3)]
    files = [kept.write(part) for part in parts]
    assert sorted(kept.read(), key=lambda part: part["rows"][0]["point"]) == parts
    with pytest.raises(InputError, match="no part of this question"):
        list(replace(kept, question="another").read())
    text = files[0].read_bytes()
    for at in range(len(text)):
        files[0].write_bytes(text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :])
        with pytest.raises(InputError, match=rf"{files[0].name} .*not as it was written"):
            list(kept.read())


def test_rows_that_were_withdrawn_do_not_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves R56: where a stretch is solved again from nothing because hot and cold disagreed, and that is killed half-way, the
    rows that were found wrong are gone: the sweep that goes on solves their points."""
    plan, data = promising(0.05)
    points = {"budget.appropriation_musd *": [0.5, 0.7, 1.0, 1.5, 2.0]}
    monkeypatch.setattr(segments, "_agree", lambda *_: False)
    real, calls = segments._answers, []

    def killed(stretch: Any, parts: Any, *, hot: bool, tell: Any = None) -> Any:
        calls.append(hot)
        if not hot:
            raise KeyboardInterrupt
        return real(stretch, parts, hot=hot, tell=tell)

    monkeypatch.setattr(segments, "_answers", killed)
    with pytest.raises(KeyboardInterrupt):
        sweep(plan, data, points, gap=0.0, run=Runner(store=tmp_path / "rows"))
    assert calls == [True, False]
    monkeypatch.setattr(segments, "_answers", real)
    told: list[int | None] = []
    sweep(
        plan, data, points, gap=0.0, run=Runner(store=tmp_path / "rows", on_progress=lambda now: told.append(now.done))
    )
    assert len([done for done in told if done]) == 5
