"""Constraints, variables and terms of a caller's own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyomo.environ as pyo
import pytest
from pyomo.contrib.solver.common.factory import SolverFactory

from formulation.test_golden_lp import everything
from model.test_matrix import small
from strategic_minerals import (
    FormulationError,
    InfeasibleError,
    InputError,
    PlanError,
    Result,
    Runner,
    add_term,
    build_model,
    compare,
    compare_rules,
    explain,
    load_dataset,
    load_plan,
    roll,
    shipped,
    solve,
    sweep,
    verify,
)
from strategic_minerals.answer.solving import solve_once
from strategic_minerals.question.names import edited
from strategic_minerals.solver import stages
from strategic_minerals.solver.session import Session
from support.drawn_cases import deciding
from support.instances import many, quick_first, random_case
from support.tiny import FIRST, bought

pytestmark = pytest.mark.long

YEARS = range(FIRST, FIRST + 4)
SPOT, STOCK, NEXT = ("spot", "base", FIRST), ("gallium", "base", FIRST), ("gallium", "base", FIRST + 1)
Extend = Callable[[Any], Any]


def answer(extend: Extend | None = None, **more: Any) -> Result:
    """The small plan, with what a function adds."""
    return solve(*small(), gap=0.0, extend=extend, quick=True, **more)


def own(found: Result) -> pd.DataFrame:
    return found.tables["own_parts"].set_index("name")


def all_bought(m: Any) -> Any:
    """What is bought while nothing has happened."""
    return sum(m.acquisition["spot", "base", year] for year in YEARS)


def row(expr: Callable[[Any], Any]) -> Extend:
    """A function that adds one constraint, `asked`."""
    return lambda m: m.add_component("asked", pyo.Constraint(expr=expr(m)))


def at_most(tonnes: float) -> Extend:
    return row(lambda m: all_bought(m) <= tonnes)


def gained(one: Result, other: Result) -> float:
    """What a thousandth of a unit more has gained, by unit."""
    return float((one.outcome.objective_musd - other.outcome.objective_musd) / 0.001)


def test_a_cap_of_one_tonne_leaves_one_tonne() -> None:
    """Proves: a constraint counts tonnes; where it binds its price is the difference quotient of the objective, else the answer is
    that of the plan and its price 0."""
    free, capped, wider, loose = answer(), *(answer(at_most(t)) for t in (1.0, 1.001, 1e4))
    assert 1000 * bought(free, "gallium") > 40
    assert 1000 * bought(capped, "gallium") == pytest.approx(1.0)
    (told,) = capped.tables["own_parts"].itertuples()
    assert told.price == pytest.approx(gained(capped, wider), rel=1e-6)
    assert (told.part, told.name, told.value, told.upper) == ("constraint", "asked", pytest.approx(1.0), 1.0)
    assert capped.audited.passed
    assert "asked binds" in capped.summary(full=True)
    assert "among plans that keep the constraints added to it" in capped.summary(full=True)
    assert loose.outcome.objective_musd == pytest.approx(free.outcome.objective_musd, rel=1e-9)
    assert own(loose).price["asked"] == 0.0
    assert "Own code has extended" in compare([free, capped]).facts["warnings"][-1]
    for study in (explain, roll, compare_rules):
        with pytest.raises(InputError, match="extended by own code"):
            study(capped)


def test_prices_have_the_sign_of_what_is_gained_by_room() -> None:
    """Proves: a least quantity has a price of 0 or more too; an equality that of one more on its right."""
    for exactly in (False, True):
        one, more = (
            answer(row(lambda m, t=t, e=exactly: all_bought(m) == t if e else all_bought(m) >= t))
            for t in (80.0, 80.001)
        )
        assert gained(one, more) < 0
        assert own(one).price["asked"] == pytest.approx(gained(one, more) * (1 if exactly else -1), rel=1e-5)


def test_terms_are_counted_and_told_apart() -> None:
    """Proves: with a term the model's objective is the plan's own plus the term; the plan's figures are without it, and a line of
    the table `objective` has it; what was added to the objective by hand is told too."""

    def extend(m: Any) -> None:
        m.beyond = pyo.Var(bounds=(0, None))
        m.link = pyo.Constraint(expr=m.beyond >= m.stock[NEXT] - 2.0)
        add_term(m, "crowding", 0.01 * m.beyond + 3.0)
        m.social_cost.expr = m.social_cost.expr + 0.0001 * m.stock[STOCK]

    found = answer(extend)
    terms = own(found).value
    assert terms["beyond"] == pytest.approx(float(found.solution.stock[0, 0, 1]) - 2.0)
    assert terms["crowding"] == pytest.approx(0.01 * terms["beyond"] + 3.0)
    assert terms["other terms"] == pytest.approx(0.0001 * float(found.solution.stock[0, 0, 0]))
    m = build_model(*small())
    extend(m)
    pyo.SolverFactory("highs").solve(m)
    assert pyo.value(m.social_cost) == pytest.approx(
        found.outcome.objective_musd + terms["crowding"] + terms["other terms"]
    )
    lines = found.tables["objective"].set_index("part").plan_musd
    assert lines["own: crowding"] == pytest.approx(terms["crowding"])
    assert found.figures.value("worth_musd") == pytest.approx(-found.outcome.objective_musd)
    assert found.outcome.objective_musd > answer().outcome.objective_musd


def test_whole_variables_are_whole_and_fixed_ones_stand() -> None:
    """Proves: lots of 7 t, a number of them; a variable of the plan that is fixed stays so, and one of the caller's own may stand
    as a factor, as in Pyomo."""

    def extend(m: Any) -> None:
        m.lots = pyo.Var(domain=pyo.NonNegativeIntegers)
        m.size = pyo.Var(initialize=7.0)
        m.size.fix()
        m.whole = pyo.Constraint(expr=all_bought(m) == m.size * m.lots)
        m.acquisition[SPOT].fix(0.0)

    found = answer(extend)
    lots = own(found).value["lots"]
    assert lots == round(lots) > 0
    assert 1000 * bought(found, "gallium") == pytest.approx(7.0 * lots)
    assert FIRST not in set(found.tables["acquisitions"].fiscal_year)


def wider(m: Any) -> None:
    m.acquisition[SPOT].domain = pyo.Reals
    m.acquisition[SPOT].setlb(-1.0)


def whole(m: Any) -> None:
    m.acquisition[SPOT].domain = pyo.NonNegativeIntegers


def crossed(m: Any) -> None:
    m.stock[NEXT].setlb(5.0)
    m.stock[NEXT].setub(3.0)


def fixed_to_nothing(m: Any) -> None:
    m.y = pyo.Var()
    m.y.fix()


def without_row(m: Any) -> None:
    del m.budget[FIRST]


REFUSED: dict[str, Extend] = {
    "not active or changed": lambda m: m.stock_balance[STOCK].set_value((None, m.stock[STOCK], 3.0)),
    "that is deleted, not active": lambda m: m.stock_balance[STOCK].deactivate(),
    "is deleted": without_row,
    "a linear expression": row(lambda m: m.stock[STOCK] ** 2 <= 4.0),
    "nan": row(lambda m: m.stock[NEXT] <= float("nan")),
    "of another model": row(lambda m: build_model(*small()).stock[STOCK] <= 1.0),
    "SOSConstraint": lambda m: m.add_component("one_of", pyo.SOSConstraint(var=m.stock, sos=1)),
    "social_cost alone": lambda m: m.add_component("least", pyo.Objective(expr=all_bought(m))),
    "bounds within": wider,
    "another domain": whole,
    "whole numbers": lambda m: m.add_component("lots", pyo.Var(within=pyo.Set(initialize=[0, 5, 10]))),
    "from 5 to 3": crossed,
    "without a value": fixed_to_nothing,
}
"""What is said -> a function that adds what cannot be carried, would be passed over, or makes no sense."""


@pytest.mark.parametrize("said", REFUSED)
def test_what_cannot_be_carried_is_refused(said: str) -> None:
    """Proves: nothing is left out in silence, and what is wrong is told by name."""
    with pytest.raises(InputError, match=said):
        answer(REFUSED[said])


def test_a_limit_on_what_every_answer_sets_itself_is_a_fault() -> None:
    with pytest.raises(InputError, match="value_at_risk"):
        solve(*random_case(4), extend=row(lambda m: sum(m.value_at_risk.values()) <= 1e-3), quick=True)


def test_a_method_that_cannot_carry_it_is_refused() -> None:
    """Proves: decomposition is refused with what to ask for where a constraint is about scenarios."""
    plan, data = random_case(1)
    extend = row(lambda m: sum(m.stock[index] for index in m.stock if index[1] != "base") >= 1.0)
    with pytest.raises(PlanError, match="'flat' or 'auto'"):
        solve(plan, data, method="decomposed", extend=extend, quick=True)
    assert solve(plan, data, extend=extend, quick=True).outcome.method == "flat"


def test_a_conflict_names_what_was_asked() -> None:
    """Proves: a constraint or a fixed value that no plan can keep is what is blamed; where there is no money for it, the budget
    is named beside it."""
    asked: list[tuple[Extend, str]] = [
        (row(lambda m: all_bought(m) >= 1e6), "asked"),
        (lambda m: m.stock[STOCK].fix(1e4), r"stock\[gallium,base,2027\] fixed"),
    ]
    for extend, name in asked:
        with pytest.raises(InfeasibleError, match=rf"asked for beside the plan: {name}$"):
            answer(extend)
    plan, data = small()
    poor = plan.model_copy(update={"budget": plan.budget.model_copy(update={"appropriation_musd": 0.001})})
    with pytest.raises(InfeasibleError, match=r"what was asked for beside the plan: asked$") as error:
        solve(poor, data, extend=row(lambda m: all_bought(m) >= 40.0), quick=True)
    assert error.value.culprits


@pytest.mark.parametrize("seed", quick_first([0, 1, 3, 4, 5, 6, 7, 8, 9, 11, 14], 2))
def test_what_is_about_commitments_and_stocks_is_taken_apart_too(seed: int) -> None:
    """Proves: constraints, whole variables and terms on commitments and the course without events come to the same plan by master
    and clusters as in one model."""
    plan, data = random_case(seed)

    def lots(m: Any) -> None:
        bought = sum(m.acquisition[index] for index in m.acquisition if index[1] == "base")
        signed = sum(m.contract.values())
        m.lots = pyo.Var(domain=pyo.NonNegativeIntegers, bounds=(0, 1000))
        m.spare = pyo.Var(within=pyo.NonNegativeReals)
        m.whole = pyo.Constraint(expr=bought + signed + m.spare >= 3.5 + 2.0 * m.lots)
        m.most = pyo.Constraint(expr=m.lots <= 7.4)
        m.free = pyo.Var()
        m.any = pyo.Var(domain=pyo.Integers)
        m.held = pyo.Constraint(expr=m.free >= m.any - 3.5)
        m.down = pyo.Constraint(expr=m.any >= -2.5)
        add_term(m, "free", 2.0 * m.free)
        add_term(m, "lots", -0.5 * m.lots)
        add_term(m, "spare", 4.0 * m.spare)

    one, apart = (
        solve(plan, data, gap=0.0, method=method, extend=lots, quick=True) for method in ("flat", "decomposed")
    )
    assert (one.outcome.method, apart.outcome.method) == ("flat", "decomposed")
    mine, other = own(one), own(apart)
    terms = [float(table[table.part == "term"].value.sum()) for table in (mine, other)]
    assert mine[mine.part == "variable"].value["any"] == pytest.approx(-2.0)
    assert apart.outcome.objective_musd + terms[1] == pytest.approx(one.outcome.objective_musd + terms[0], abs=1e-5)
    assert apart.audited.passed


@pytest.mark.parametrize("kind", ["risk_within_budget", "least_budget"])
def test_aims_in_turn_keep_a_constraint(kind: str) -> None:
    """Proves: a constraint holds through all stages of an aim, and a term counts in the first."""
    plan, data = random_case(1, appropriated=False)
    plan = plan.model_copy(update={"objective": plan.objective.model_copy(update={"kind": kind})})
    free = float(solve(plan, data, gap=0.0, quick=True).solution.stock[0].sum())

    def extend(m: Any) -> None:
        stocks = sum(m.stock[index] for index in m.stock if index[1] == "base")
        m.little = pyo.Constraint(expr=stocks >= free + 10.0)
        add_term(m, "per tonne", 1e-3 * stocks)

    found = solve(plan, data, gap=0.0, extend=extend, quick=True)
    value = own(found).value
    assert value["little"] >= free + 10.0 - 1e-6
    assert value["per tonne"] == pytest.approx(1e-3 * value["little"])
    assert found.audited.passed


def test_everything_that_a_plan_can_have_may_be_extended() -> None:
    """Proves: projects, contracts, floors, promises, risk and rules of one problem are there by name; a plan that has to sign a
    contract is worth no more, and keeps every rule. A rule on whole decisions alone binds and has no price."""
    free = solve(*everything(), gap=0.0, quick=True)
    assert free.tables["contracts"].empty
    bound = solve(*everything(), gap=0.0, extend=row(lambda m: sum(m.contract.values()) >= 600.0), quick=True)
    assert float(bound.solution.contract.sum()) == pytest.approx(600.0)
    assert bound.outcome.objective_musd >= free.outcome.objective_musd - 1e-6
    few = solve(*everything(), gap=0.0, extend=row(lambda m: sum(m.contract_signed.values()) >= 1.0), quick=True)
    told = own(few).loc["asked"]
    assert told.binds
    assert pd.isna(told.price)
    assert "Constraint asked binds" in few.summary(full=True)


def test_an_extended_run_is_kept_and_verified_as_far_as_it_can_be(tmp_path: Path) -> None:
    """Proves: table and words come back; `verify` works out all that the plan decides, and says what it cannot."""
    found = answer(at_most(1.0))
    found.save(tmp_path / "run")
    again = Result.load(tmp_path / "run")
    assert again.tables["own_parts"].equals(found.tables["own_parts"])
    assert again.summary(full=True) == found.summary(full=True)
    checked = verify(tmp_path / "run")
    assert checked.facts["objections"] == ()
    assert "caller's own code" in checked.facts["not_compared"][0]


@pytest.mark.parametrize(("name", "seed"), [("cbc", 0), ("scip", 3)])
def test_other_solvers_come_to_the_same_objective(name: str, seed: int) -> None:
    """Proves: the model, solved by CBC and by SCIP through Pyomo alone, has the optimum that we state."""
    plan, data = random_case(seed)
    ours, m = solve(plan, data, gap=0.0, quick=True), build_model(plan, data)
    if name == "scip":
        SolverFactory("scip_direct").solve(m, rel_gap=0.0)
    else:
        pyo.SolverFactory("cbc").solve(m, options={"ratioGap": 0.0})
    (objective,) = m.component_data_objects(pyo.Objective, active=True)
    assert pyo.value(objective) == pytest.approx(ours.outcome.objective_musd, abs=1e-4)


@pytest.mark.parametrize("limit", ["fix", "setub"])
def test_a_fixed_variable_and_a_narrowed_bound_are_priced(limit: str) -> None:
    """Proves: the price of a value that was fixed, and of a bound, is the difference quotient of the objective."""

    def at(tonnes: float) -> Extend:
        return lambda m: [getattr(m.acquisition["spot", "base", year], limit)(tonnes) for year in YEARS]

    one, more = answer(at(3.0)), answer(at(3.001))
    assert gained(one, more) > 0
    assert own(one).price.sum() == pytest.approx(gained(one, more), rel=1e-5)


def test_a_function_that_adds_nothing_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """Proves: who returns a constraint in place of adding it is told so."""
    with caplog.at_level("WARNING", "strategic_minerals"):
        answer(lambda m: pyo.Constraint(expr=m.stock[STOCK] <= 1.0))
    assert "added nothing" in caplog.text


def test_a_term_that_earns_without_limit_is_named() -> None:
    """Proves: an objective without a bound is told as such, and the terms are blamed, not the data or the solver."""

    def earning(m: Any) -> None:
        m.spare = pyo.Var()
        add_term(m, "earned without limit", -m.spare)

    with pytest.raises(FormulationError, match="the terms that were added"):
        answer(earning)


def test_terms_on_what_is_done_anyway_leave_doing_nothing_as_it_is(tmp_path: Path) -> None:
    """Proves: a term on what is not zero where nothing is done changes neither what doing nothing costs nor what verifies."""
    plan, data = random_case(0)
    free = solve(plan, data, gap=0.0, quick=True)

    def charged(m: Any) -> None:
        add_term(m, "carbon", 0.001 * sum(m.output[k] for k in m.output if "base" in k))

    found = solve(plan, data, gap=0.0, extend=charged, quick=True)
    assert found.outcome.do_nothing_musd == pytest.approx(free.outcome.do_nothing_musd, rel=1e-9)
    assert own(found).value.iloc[0] > 0
    found.save(tmp_path / "run")
    assert verify(tmp_path / "run").facts["objections"] == ()


def test_no_bound_is_claimed_of_worth_where_terms_are_weighed_with_it() -> None:
    """Proves: with a term the answer is best for worth and term together, says so, and claims nothing of the worth alone; nor does
    a relaxation."""

    def opening(m: Any) -> None:
        m.w = pyo.Var(within=pyo.Binary)
        m.link = pyo.Constraint(expr=all_bought(m) <= 500.0 * m.w)
        add_term(m, "opening", 0.1 * m.w)

    weighed = answer(opening)
    assert "of its worth alone no bound is known" in weighed.summary(full=True)
    assert "Proven" not in weighed.summary(full=True)
    assert "proven best with the terms of own code" in repr(weighed)
    relaxed = answer(lambda m: add_term(m, "sub", -0.05 * all_bought(m)), relax=True)
    assert "of the worth alone no bound is known" in relaxed.summary(full=True)
    assert "at most worth" not in repr(relaxed)


def test_a_row_among_those_of_the_plan_is_ones_own() -> None:
    """Proves: a constraint that is added to a family of the plan's counts and is told as an extension."""

    def inside(m: Any) -> None:
        m.budget["mine"] = all_bought(m) <= 1.0

    found = answer(inside)
    assert "budget[mine]" in own(found).index
    assert 1000 * bought(found, "gallium") == pytest.approx(1.0)


def test_constraints_of_ones_own_hold_in_sweeps_and_in_the_plans_that_test_an_answer(tmp_path: Path) -> None:
    """Proves: a sweep with a constraint answers as separate solves do; a tested plan keeps it, and so do the plans of the samples
    that bound it; terms are refused where plans are compared."""
    plan, data = load_plan("quickstart"), load_dataset(shipped("inputs"))
    address, values = "budget.appropriation_musd *", [0.9, 1.0, 1.1]
    study = sweep(plan, data, {address: values}, gap=0.0, extend=little_germanium)
    alone = [solve_once(*edited(plan, data, {address: at}), gap=0.0, extend=little_germanium) for at in values]
    points = study.tables["points"]
    assert points["reason"].tolist() == [one.outcome.reason for one in alone]
    assert points["objective_musd"].tolist() == pytest.approx([one.outcome.objective_musd for one in alone], abs=1e-6)
    free = sweep(plan, data, {address: values}, gap=0.0).tables["points"]
    assert (points["objective_musd"] > free["objective_musd"] + 0.1).all()

    most = 0.5 * float(solve_once(*deciding()).tables["acquisitions"]["cost_musd"].sum())

    def half(m: Any) -> None:
        m.own = pyo.Constraint(expr=sum(m.outlays[key] for key in m.outlays if key[1] == "base") <= most)

    held, free = (solve(*deciding(), samples=2, scenarios=20, extend=rule) for rule in (half, None))
    assert (
        held.tables["acquisitions"]["cost_musd"].sum() <= most + 1e-6 < free.tables["acquisitions"]["cost_musd"].sum()
    )
    bounds = [one.tables["samples"]["bound_musd"].to_numpy() for one in (held, free)]
    assert (bounds[0] > bounds[1] + 0.01).all()
    assert (held.tables["samples"]["gap_musd"] >= -1e-6).all()
    assert held.audit().passed
    points = sweep(plan, data, [{address: 1.0}], extend=charged).tables["points"]
    assert "constraints alone" in points["reason"].iloc[0]
    once = solve(*deciding(), samples=2, scenarios=20, extend=charged)
    assert once.tables["own_parts"].part.tolist() == ["term"]
    assert "samples" not in once.tables
    with pytest.raises(InputError, match="no store with own constraints"):
        sweep(plan, data, [{address: 1.0}], extend=little_germanium, run=Runner(store=tmp_path / "rows"))
    with pytest.raises(ZeroDivisionError):
        sweep(plan, data, [{address: 1.0}], extend=lambda m: 1 / 0)


def test_a_function_that_cannot_travel_keeps_the_work_in_this_process() -> None:
    """Proves: with two processes, a constraint written inside a function answers as one that a worker can read."""
    plan, data = load_plan("quickstart"), load_dataset(shipped("inputs"))
    points = {"budget.appropriation_musd *": [0.9, 0.95, 1.0, 1.05, 1.1]}

    def inside(m: Any) -> None:
        little_germanium(m)

    found = [sweep(plan, data, points, extend=rule, run=Runner(processes=2)) for rule in (inside, little_germanium)]
    objectives = [one.tables["points"]["objective_musd"].tolist() for one in found]
    assert objectives[0] == pytest.approx(objectives[1], rel=2e-3)
    assert all(one.facts["failed_share"] == 0 for one in found)


def test_the_method_that_is_told_is_the_one_that_solved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: where a constraint binds scenarios together a session solves flat and says so, and goes on with the next variant."""
    monkeypatch.setattr(stages, "LEAST_COLUMNS", 0)
    monkeypatch.setattr(stages, "LEAST_SCENARIOS", {True: 0, False: 0})
    plan, data = many(3)

    def together(m: Any) -> None:
        m.own = pyo.Constraint(expr=sum(m.shortfall.values()) <= 1e9)

    session, free = Session(gap=1e-6, extend=together), Session(gap=1e-6)
    for share in (1.0, 0.9):
        now = edited(plan, data, {"budget.appropriation_musd *": share})
        held, plain = session.answer(*now).outcome, free.answer(*now).outcome
        assert (held.method, plain.method) == ("flat", "decomposed")
        assert held.objective_musd == pytest.approx(plain.objective_musd, rel=1e-5)


LITTLE_MUSD = 1.0


def little_germanium(m: Any) -> None:
    """A limit on what is paid for germanium in the first year."""
    m.own = pyo.Constraint(expr=m.outlays["germanium", "base", 2027] <= LITTLE_MUSD)


def charged(m: Any) -> None:
    """A term of the objective."""
    add_term(m, "own", 0.01 * sum(m.acquisition.values()))
