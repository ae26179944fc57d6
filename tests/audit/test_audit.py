"""The audit agrees with the solver on sound plans, sees every broken rule, and adds social cost up to the same sum.

`instances.random_case` makes the plans. A random plan is the best one for a planner who is paid arbitrary amounts for
each package, floor and contract: so decisions are audited that no sensible optimum would hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest

from strategic_minerals.audit import accounts as audit_money
from strategic_minerals.audit import packages as audit_packages
from strategic_minerals.audit import producers as audit_paths
from strategic_minerals.audit.audit import FAMILIES, Audit, audit
from strategic_minerals.matrix.problem import Problem, prepare
from strategic_minerals.matrix.solution import Solution, extract
from strategic_minerals.question.consistency import check_data
from strategic_minerals.question.dataset import Dataset
from strategic_minerals.question.plan import Plan, Procurement
from strategic_minerals.question.together import joint_question
from strategic_minerals.solver.highs import Model, SolvedRun
from strategic_minerals.solver.optimise import Solved, optimise
from strategic_minerals.world.instance import Instrument
from support.allied import allied, event, home_tables
from support.instances import FEATURES, FIRST, quick_first, random_case
from support.tiny import cut, imported, offer
from support.tiny import project as tiny_project

ROUNDING = 1e-9
FLOORS = dict.fromkeys(("market_floor", "border_floor", "project_floor", "package_floor", "dy", "flood"), True)
EVERYTHING = {
    f: f not in ("override", "storage", "lean", "partial", "sample", "trunk_release", "control", "revolving")
    for f in FEATURES
} | {"appropriated": True}


@dataclass(frozen=True)
class Case:
    """A solved problem, its plan and the plan of doing nothing."""

    problem: Problem
    solved: Solved
    x: Solution
    z0: Solution

    @classmethod
    def of(cls, plan: Plan, data: Dataset) -> Case:
        problem = prepare(plan, data)
        solved = optimise(problem, gap=1e-6, time_limit_s=600.0)
        return cls(problem, solved, *(extract(problem.structure, problem.assembly, at) for at in (solved.x, solved.z0)))

    def audit(self, spoilt: Solution | Problem | None = None) -> Audit:
        """The audit of the plan, or of one with another solution or other facts."""
        problem = spoilt if isinstance(spoilt, Problem) else self.problem
        return audit(problem, spoilt if isinstance(spoilt, Solution) else self.x, z0=self.z0)


@cache
def solved_case(seed: int, **switches: bool) -> Case:
    plan, data = random_case(seed, **switches)
    assert check_data(plan, data) == []
    return Case.of(plan, data)


def random_plan(case: Case, seed: int) -> tuple[Solution, float]:
    """A feasible plan with arbitrary commitments, and its social cost as the model counts it."""
    rng = np.random.default_rng(seed)
    cost = case.solved.costs["social_cost"].copy()
    for k, (name, _) in enumerate(case.problem.assembly.commitments.template.columns):
        cost[k] += rng.normal() * {"sign": 1e4, "floor": 1e4, "contract": 10.0}.get(name, 0.0)
    first = Model(case.problem.assembly, cost, integer=True).run(time_limit_s=600.0)
    assert isinstance(first, SolvedRun)
    decided = np.flatnonzero(case.problem.assembly.integer)
    exact = Model(case.problem.assembly, cost, integer=False)
    exact.set_bounds(decided, *[first.x[decided].round()] * 2)
    run = exact.run(time_limit_s=600.0)
    assert isinstance(run, SolvedRun)
    cost = case.solved.costs["social_cost"] @ run.x
    return extract(case.problem.structure, case.problem.assembly, run.x), float(cost)


def assert_sound(case: Case, x: Solution, cost: float) -> None:
    """The audit finds every rule kept, and adds social cost up to the model's."""
    found = case.audit(x)
    assert found.passed, found.worst()
    assert found.objective == pytest.approx(cost, rel=ROUNDING)


@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.parametrize("seed", quick_first(range(40), 7))
def test_the_best_plan_keeps_every_rule_and_costs_what_the_solver_says(seed: int, everything: bool) -> None:
    case = solved_case(seed, **(EVERYTHING if everything else {}))
    assert_sound(case, case.x, float(case.solved.costs["social_cost"] @ case.solved.x))


@pytest.mark.parametrize("seed", quick_first(range(60), 12))
def test_arbitrary_plans_keep_every_rule_and_are_priced_alike(seed: int) -> None:
    case = solved_case(seed, **({"market_floor": True, "border_floor": True} if seed % 2 else {}))
    assert_sound(case, *random_plan(case, seed))


def test_parts_add_up_to_social_cost_and_what_users_pay_for_releases_the_authority_gets() -> None:
    found = solved_case(27, **EVERYTHING).audit()
    assert sum(found.parts.values()) == pytest.approx(found.objective, rel=1e-12)
    assert found.parts["users_release"] == pytest.approx(-found.parts["authority_release"])
    assert found.parts["users_release"] > 0
    assert found.parts["authority_purchases"] > 0
    assert found.parts["users_substitution"] > 0
    assert found.parts["cvar"] > 0
    assert found.parts["salvage"] <= 0
    assert set(found.frame()["family"]) == set(FAMILIES)


# Options: what a planner may sign is what the formulation lets him sign, at the same money.
def text_options(problem: Problem) -> Iterator[tuple[tuple[int, str, int, tuple[int, ...]], audit_money.SignedPackage]]:
    """Every package x market floors x date that keeps the formulation, worked out by the audit alone."""
    n, path_data = problem.natural, audit_paths.path_data_of(problem)
    by_name = {m.name: m for m in n.market_floors}
    floors = [by_name[m.floor.name] for m in problem.structure.support.markets]
    for p, project in enumerate(n.projects):
        for package in (k for k in n.packages if k.project in (None, p)):
            own = audit_packages.own_floor(n, package, project.producer)
            if own is not None and n.yields[project.producer, own.material] <= 0:
                continue
            for chosen in product((False, True), repeat=len(floors)):
                markets = [(m, floors[m]) for m, taken in enumerate(chosen) if taken]
                for t in range(n.calendar.periods - project.lead):
                    signing = audit_packages.signed_package(path_data, p, package, markets, t)
                    if not audit_packages.objections(path_data, signing, floors):
                        yield (p, package.name, t, signing.markets), signing


def assert_options_are_those_of_the_text(problem: Problem) -> None:
    """What may be signed, at which money, and that beside a market floor a project takes the variant that counts on it."""
    support, text = problem.structure.support, dict(text_options(problem))
    options = {(o.project, o.package.name, o.signed, tuple(sorted(o.market))): o for o in support.options}
    assert set(options) <= set(text)
    for key in set(text) - set(options):
        assert text[key].npv >= 0, "only what another package does as well without a gap may be left out"
    for key, option in options.items():
        signing, money = text[key], option.floor
        ours = [signing.npv, signing.scored, signing.fees.sum(), signing.residual, signing.lost_tariff]
        theirs = [option.npv, option.scored, option.fees.sum(), option.residual, option.border_loss]
        ours += [signing.hurdle, signing.expected_hurdle, signing.risk_transfer]
        theirs += [option.hurdle, option.expected_hurdle, option.risk_charge]
        if money is not None:
            ours += [sum(getattr(b, k) for b in signing.bills) for k in ("expected", "terminal")]
            ours += [sum(getattr(b, k).sum() for b in signing.bills) for k in ("budget", "liability")]
            theirs += [money.expected, money.terminal, money.budget.sum(), money.liability.sum()]
        assert theirs == pytest.approx(ours, rel=ROUNDING, abs=ROUNDING), key

    for o, option in enumerate(support.options):
        for m, market in enumerate(support.markets):
            variant = (option.project, option.package.name, option.signed, tuple(sorted((*option.market, m))))
            blocked = m in support.excluded_by.get((o, market.floor.floor.material), ())
            assert m in option.market or variant not in text or blocked, (option.package.name, market.floor.name)


TWO_FLOORS = {**FLOORS, "purchase_floor": True, "two_projects": True}
OFFERED: list[tuple[int, dict[str, bool]]] = [(107, TWO_FLOORS), (67, TWO_FLOORS), *((seed, {}) for seed in range(25))]
"""A plant that two floors together keep alive is paid by both; a floor that closes a gap is not stacked on a grant for it."""


@pytest.mark.parametrize(
    ("seed", "switches"), [pytest.param(*one, marks=[pytest.mark.slow] * (n >= 10)) for n, one in enumerate(OFFERED)]
)
def test_packages_on_offer_are_those_that_section_4_admits_at_the_same_money(
    seed: int, switches: dict[str, bool]
) -> None:
    assert_options_are_those_of_the_text(solved_case(seed, **switches).problem)


@pytest.mark.parametrize("seed", quick_first(range(24), 4))
def test_packages_on_offer_are_those_that_owners_take_who_look_at_scenarios_or_price_risk(seed: int) -> None:
    """Proves: rates, values, gaps and the charge for risk moved agree, whatever owners look at; so does which floors earn money."""
    plan, data = random_case(seed, flood=True)
    owners = {
        "expectation": "scenarios" if seed % 4 else "trunk",
        "price_risk_premium": 0.03 * (seed % 3),
        "risk_charge": 0.2 * (seed % 2),
        "sample": 32,
    }
    problem = prepare(Plan.model_validate({**plan.to_toml_like(), "owners": owners}), data)
    assert_options_are_those_of_the_text(problem)


def own_floors(problem: Problem) -> Iterator[tuple[Any, audit_money.SignedMarketFloor]]:
    """Each market floor on offer, and what the audit works out of it."""
    path_data = audit_paths.path_data_of(problem)
    for support in problem.structure.support.markets:
        market = next(m for m in problem.natural.market_floors if m.name == support.floor.name)
        yield support, audit_packages.signed_market_floor(path_data, market)


def test_after_the_horizon_a_border_floor_charges_plants_that_have_restarted() -> None:
    without = dict.fromkeys(("market_floor", "control", "price_states", "flood"), False)
    plan, data = random_case(22, border_floor=True, half_years=True, gallium=True, **without)
    last = FIRST + plan.horizon.years + (plan.horizon.tail_years or 0) - 1
    plants, prices = (data.frame(name).dropna(axis=1, how="all") for name in ("activities", "prices"))
    plants.loc[plants["activity"].str.startswith("home-"), "cash_usd_per_kg"] = 5.0
    plants["restart_yr"] = 1.0
    start = prices[prices["from_year"] == FIRST]
    dip = start.assign(from_year=last - 1, price_usd_per_kg=0.5)
    questions = plan.model_dump(exclude_none=True)
    for menu in questions["instruments"]["price_floors"]:
        menu["term_years"] = 15
        menu["levels_usd_per_kg"] = [1.5 * level for level in menu["levels_usd_per_kg"]]
    data = data.replace(activities=plants, prices=pd.concat([start, dip, start.assign(from_year=last)]))
    for support, own in own_floors(prepare(Plan.model_validate(questions), data)):
        if support.floor.floor.kind == "border":
            assert (support.users, support.treasury) == pytest.approx((own.surcharge, own.tariff), rel=ROUNDING)


def test_a_market_floor_carries_a_plant_whose_own_floor_has_ended() -> None:
    for support, own in own_floors(solved_case(827, agreed=True, market_floor=True, flood=True).problem):
        assert support.money.expected == pytest.approx(sum(bill.expected for bill in own.bills), rel=ROUNDING)


# Broken plans: one value of a good plan spoilt for each family of rules.
def changed(case: Case, **values: Callable[[np.ndarray], None]) -> Solution:
    """The case's plan with some arrays spoilt."""
    arrays = {}
    for name, spoil in values.items():
        arrays[name] = getattr(case.x, name).copy()
        spoil(arrays[name])
    return replace(case.x, **arrays)


def add(where: object, amount: float) -> Callable[[np.ndarray], None]:
    def spoil(array: np.ndarray) -> None:
        array[where] += amount  # type: ignore[index]

    return spoil


def put(where: object, amount: float | np.ndarray) -> Callable[[np.ndarray], None]:
    def spoil(array: np.ndarray) -> None:
        array[where] = amount  # type: ignore[index]

    return spoil


def other_facts(case: Case, **facts: object) -> Problem:
    return replace(case.problem, natural=replace(case.problem.natural, **facts))


def options_of(case: Case, project: int) -> list[int]:
    return [o for o, option in enumerate(case.problem.structure.support.options) if option.project == project]


def first_option(case: Case, is_meant: Callable[[Any], Any]) -> int:
    return next(o for o, option in enumerate(case.problem.structure.support.options) if is_meant(option))


def unpaired(case: Case) -> Solution:
    """Projects that break the needs or excludes between them."""
    first, second = options_of(case, 0)[0], options_of(case, 1)[0]
    needs = bool(case.problem.natural.projects[1].needs)
    sign = np.zeros_like(case.x.sign)
    sign[[second] if needs else [first, second]] = 1
    return replace(case.x, sign=sign)


def stopped_instruments(case: Case) -> Problem:
    worthless = Instrument("none", "none", 0.0, 0.0, 0.0, 0.0, 0.0, False)
    packages = tuple(replace(p, instrument=worthless) for p in case.problem.natural.packages)
    return other_facts(case, packages=packages)


def other_scenarios(case: Case, name: str, change: Callable[[np.ndarray], np.ndarray]) -> Problem:
    structure = case.problem.structure
    scenarios = replace(structure.scenarios, **{name: change(getattr(structure.scenarios, name))})
    return replace(case.problem, structure=replace(structure, scenarios=scenarios))


def ruled(case: Case, purpose: str, *, materials: str = "*", **rule: object) -> Problem:
    """The same answer under a rule of origin that it does not keep."""
    exclusion = {"countries": "USA AUS CAN CHN", "materials": materials, "applies_to": [purpose], **rule}
    plan = case.problem.natural.plan
    procurement = Procurement.model_validate({"exclusions": [exclusion]})
    return other_facts(case, plan=plan.model_copy(update={"procurement": procurement}))


Spoilt = Callable[[Case], Solution | Problem]

SPOILT: dict[str, Spoilt] = {
    "material_balance": lambda c: changed(c, output=add((0, 0, 0), -1.0)),
    "segment_bound": lambda c: changed(c, shortfall=add((0, 0, 0), 2e4)),
    "shortfall_tier": lambda c: changed(c, shortfall=add((0, 0, 0), 2e4)),
    "substitution_limit": lambda c: changed(c, substitute=add((0, 0, 0), 2e4)),
    "surplus_limit": lambda c: changed(c, surplus=add((0, 0, 0), 2e4)),
    "stock_balance": lambda c: changed(c, stock=add((0, 0, 1), 1.0)),
    "stock_storage": lambda c: other_facts(c, storage=np.full(len(c.problem.natural.materials), 0.01)),
    "reserve_production": lambda c: changed(c, reserve_output=put(..., 0.0)),
    "reserve_production_limit": lambda c: changed(c, reserve_output=add((0, 0, 0), 5.0)),
    "source_capacity": lambda c: changed(c, output=put((0, 2, 0), 1e5)),
    "source_survival": lambda c: other_facts(c, cash=np.full_like(c.problem.natural.cash, 1e3)),
    "project_capacity": lambda c: changed(c, output=put((0, c.problem.natural.sources, -1), 50.0), sign=put(..., 0.0)),
    "floor_purchase": lambda c: changed(
        c, acquisition=add((0, c.x.purchases.index(next(n for n in c.x.purchases if n.endswith("-floor"))), 0), 5.0)
    ),
    "offer_depth": lambda c: changed(c, acquisition=add((0, 0, 0), 1e5)),
    "release_limit": lambda c: changed(c, release=add((0, 0, 0), 1.0)),
    "disposal_limit": lambda c: changed(c, disposal=sold_while_tight(c)),
    "nonnegativity": lambda c: changed(c, stock=put((0, 0, 0), -1.0)),
    "non_anticipativity": lambda c: changed(c, output=add((1, 0, 0), 1.0)),
    "diversification": lambda c: changed(c, output=put((0, 2), 1e5), excess=put(..., 0.0)),
    "trunk_shortfall": lambda c: changed(c, shortfall=add((0, slice(None), -1), 20.0)),
    "days_of_cover": lambda c: changed(c, stock=put((0, slice(None)), 0.0)),
    "branch_purchases": lambda c: changed(c, acquisition=add((slice(1, None), 0, -2), 1e4)),
    "service_level": lambda c: changed(c, shortfall=add((slice(1, None),), 500.0), short_of_promise=put(..., 0.0)),
    "stock_targets": lambda c: changed(c, stock=add((slice(1, None), 0, -1), 1e4)),
    "calm_purchases": lambda c: changed(c, acquisition=add((slice(1, None), 0, slice(None)), 1e4)),
    "shared_money": lambda c: changed(c, shared_money=add((0, 0, 0), 1e4)),
    "one_package": lambda c: changed(c, sign=put(options_of(c, 0)[:2], 1.0)),
    "project_logic": unpaired,
    "one_market_floor": lambda c: changed(c, floor=put(0, 2.0)),
    "beside_market_floor": lambda c: changed(
        c, sign=put(first_option(c, lambda o: o.market), 1.0), floor=put(..., 0.0)
    ),
    "contract_lot": lambda c: changed(
        c, contract=put(0, c.problem.natural.contract_lot[c.problem.structure.contracts[0].source] / 2)
    ),
    "contracts_in_force": lambda c: changed(
        c, contract=put(..., c.problem.natural.capacity[[k.source for k in c.problem.structure.contracts]].max(axis=1))
    ),
    "budget": lambda c: changed(c, acquisition=add((0, 0, 0), 1e5)),
    "total_budget": lambda c: changed(c, acquisition=add((0, 0, 0), 1e5)),
    "contingent_liability": lambda c: changed(
        c, sign=put(first_option(c, lambda o: o.floor and o.floor.liability.sum() > 0), 1e4)
    ),
    "cvar_limit": lambda c: changed(c, shortfall=add((slice(1, None), 0, 0), 1e12)),
    "expected_loss_limit": lambda c: changed(c, shortfall=add((slice(1, None), 0, 0), 1e12)),
    "carry": lambda c: changed(c, carry=put(-1, 1.0)),
    "integrality": lambda c: changed(c, floor=put(0, 0.5)),
    "package_eligibility": stopped_instruments,
    "tightness": lambda c: other_scenarios(c, "tight", np.logical_not),
    "scenario_prices": lambda c: other_scenarios(c, "price", lambda price: 2 * price),
    "purchase_origin": lambda c: ruled(c, "purchases"),
    "support_origin": lambda c: ruled(c, "support"),
    "offtake_origin": lambda c: ruled(c, "offtake"),
    "clean_share": lambda c: changed(c, clean_output=add((0, 0, 0), 1e5)),
    "clean_balance": lambda c: ruled(c, "purchases", materials="magnet", countries="PRK", reach_back=True),
}


def sold_while_tight(case: Case) -> Callable[[np.ndarray], None]:
    s, i, t = (int(k[0]) for k in np.nonzero(case.problem.structure.scenarios.tight))
    return add((1 + s, i, t), 1.0)


@pytest.mark.parametrize("family", SPOILT)
def test_a_broken_rule_is_named(family: str) -> None:
    # a plan of foresight, one that signs a contract, and one of targets
    case = solved_case({"calm_purchases": 28, "offtake_origin": 44}.get(family, 27), **EVERYTHING)
    assert case.audit().passed
    found = case.audit(SPOILT[family](case))
    assert family in found.broken()
    assert not found.passed
    residual = next(r for r in found.residuals if r.family == family)
    assert residual.largest > residual.tolerated
    assert residual.where


OF_USERS_STOCK = {"users_stock_balance", "users_stock_level", "plant_pull"}
"""Families of stocks that users hold: no random case has any; `api/test_shortage.py` breaks each."""


SHARED: dict[str, Spoilt] = {
    "pool_balance": lambda c: changed(c, received=add((1, 0, 1), 50.0)),
    "pool_when": lambda c: changed(c, received=add((1, 0, 1), 50.0), sent=add((1, 1, 1), 50.0)),
    "seller_limit": lambda c: other_facts(c, seller_depth=0.9 * c.problem.natural.seller_depth),
}
"""Families of what homes share: no random case has several homes."""


@pytest.mark.parametrize("family", SHARED)
def test_a_broken_rule_of_several_homes_is_named(family: str) -> None:
    more = {"sellers": [{"seller": "spot", "from_year": 2027, "depth_t_per_yr": 1200.0}]}
    homes = {home: home_tables(home, loss=loss, depth=1.0, more=more) for home, loss in (("USA", 100.0), ("AUS", 50.0))}
    plan = allied({"stop": (0.5, [event("ore")])}, together={"joint_stock": "by_share"})
    case = Case.of(*joint_question(plan, homes))
    assert case.audit().passed
    assert family in case.audit(SHARED[family](case)).broken()


RULED: dict[str, tuple[dict[str, Any], Callable[[Solution], dict[str, Any]]]] = {
    "refill": ({"refill_within_years": 1.0}, lambda x: {"stock": np.concatenate([x.stock[:1], 0.0 * x.stock[1:]])}),
    "release_rules": ({"from_lost_share": 0.5}, lambda x: {"release": x.release + 1.0}),
}
"""Family of a stock rule -> (the rule, what breaks it); no random case has any."""


@pytest.mark.parametrize("family", RULED)
def test_a_broken_stock_rule_is_named(family: str) -> None:
    rule, spoilt = RULED[family]
    case = small(
        of="gallium",
        stock={"gallium": 3.0},
        offers={"spot": offer("gallium", 1.0, crisis=0.0)},
        years=6,
        stock_rules=[{"material": "gallium", **rule}],
    )
    assert family in case.audit(replace(case.x, **spoilt(case.x))).broken()


BESIDE = {"qualified_supply", "feed_cut", "option_price", "built_by_chance"}
"""Broken beside the closed forms of their rules: `test_qualified`, `test_origin`, `test_options`."""


def test_every_family_has_a_broken_plan() -> None:
    assert set(SPOILT) | OF_USERS_STOCK | set(SHARED) | set(RULED) | BESIDE == set(FAMILIES)


def test_uncontracted_allied_tonnes_are_withheld_in_a_squeeze() -> None:
    case = solved_case(27, **EVERYTHING)
    k, ndpr = case.problem.natural.producers.index("ally-mine"), case.problem.natural.materials.index("ndpr")
    scenarios = case.problem.structure.scenarios
    s, t = (int(a[0]) for a in np.nonzero(scenarios.tight[:, ndpr]))
    everything = float(scenarios.availability[s, k, t] * case.problem.natural.capacity[k, t])
    x = replace(changed(case, output=put((1 + s, k, t), everything)), contract=np.zeros_like(case.x.contract))
    assert "source_capacity" in case.audit(x).broken()


def test_the_reserve_may_not_pay_twice_what_the_year_allows_by_calling_it_carry_over() -> None:
    case = solved_case(27, **EVERYTHING)
    assert {"carry", "budget"} <= set(case.audit(changed(case, carry=add(slice(None), 1e4))).broken())


def test_components_share_one_sum_of_emergency_money() -> None:
    case = solved_case(27, **EVERYTHING)
    n = case.problem.natural
    most = n.by_year(n.plan.budget.emergency_musd) + case.x.unspent
    f = int(most.argmax())
    assert most[f] > 0
    assert len(n.components) > 1
    assert "shared_money" in case.audit(changed(case, shared_money=put((0, slice(None), f), most[f]))).broken()


def small(**asked: Any) -> Case:
    """A plan of one material, cut in the second year in half of the scenarios."""
    case = Case.of(*imported(10.0, scenarios=[cut("stop", 0.5, 2028.0, 1.0, share=0.4)], **asked))
    assert case.audit().passed
    return case


def test_an_offer_that_closes_in_a_crisis_sells_nothing_then() -> None:
    case = small(offers={"spot": offer("a", 1.0, crisis=0.0)})
    assert "offer_depth" in case.audit(changed(case, acquisition=put((1, 0, 1), 1000.0))).broken()
    assert "offer_depth" not in case.audit(changed(case, acquisition=put((1, 0, 2), 1000.0))).broken()


def test_a_project_that_its_owner_builds_is_built() -> None:
    case = small(projects={"plant": tiny_project("a", 1.0)})
    assert case.x.sign == pytest.approx([1.0])
    assert "one_package" in case.audit(replace(case.x, sign=0 * case.x.sign)).broken()
