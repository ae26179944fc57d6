"""Constraints, variables and terms of a caller's own, and models that other solvers have solved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyomo.environ as pyo
import pytest
from typer.testing import CliRunner

from formulation.test_golden_lp import everything
from model.test_named_model import small
from strategic_minerals import (
    InfeasibleError,
    InputError,
    PlanError,
    Result,
    UntrustedError,
    add_term,
    alternatives,
    build_model,
    compare,
    explain,
    load_result,
    solve,
    verify,
    write_run,
)
from strategic_minerals.cli.main import app
from support.instances import quick_first, random_case
from support.tiny import FIRST, bought

YEARS = range(FIRST, FIRST + 4)


def bought_on_the_baseline(m: Any) -> Any:
    return sum(m.acquisition["spot", "base", year] for year in YEARS)


def at_most(tonnes: float) -> Any:
    """A function that limits what is bought while nothing has happened."""

    def extend(m: Any) -> None:
        m.cap = pyo.Constraint(expr=bought_on_the_baseline(m) <= tonnes)

    return extend


def test_a_cap_of_one_tonne_leaves_one_tonne() -> None:
    """Proves: a constraint counts tonnes; it binds, and its price is the difference quotient of the objective."""
    free = solve(*small(), gap=0.0, quick=True)
    assert 1000 * bought(free, "gallium") > 40
    capped = solve(*small(), gap=0.0, extend=at_most(1.0), quick=True)
    assert 1000 * bought(capped, "gallium") == pytest.approx(1.0)
    (row,) = capped.tables["own_parts"].itertuples()
    wider = solve(*small(), gap=0.0, extend=at_most(1.001), quick=True)
    gained = (capped.outcome.objective_musd - wider.outcome.objective_musd) / 0.001
    assert row.price == pytest.approx(gained, rel=1e-6)
    assert (row.part, row.name, row.value, row.upper) == ("constraint", "cap", pytest.approx(1.0), 1.0)
    assert capped.audited.passed
    assert "cap binds" in capped.summary()


def test_a_constraint_that_does_not_bind_changes_nothing() -> None:
    """Proves: the answer is that of the plan, its price 0."""
    free, loose = solve(*small(), gap=0.0, quick=True), solve(*small(), gap=0.0, extend=at_most(1e4), quick=True)
    assert loose.outcome.objective_musd == pytest.approx(free.outcome.objective_musd, rel=1e-9)
    assert loose.tables["own_parts"].price.iloc[0] == 0.0


def test_prices_have_the_sign_of_what_is_gained_by_room() -> None:
    """Proves: a least quantity has a price of 0 or more too; an equality that of one more on its right."""

    def least(tonnes: float, *, exactly: bool) -> Any:
        def extend(m: Any) -> None:
            total = bought_on_the_baseline(m)
            m.asked = pyo.Constraint(expr=total == tonnes if exactly else total >= tonnes)

        return extend

    for exactly in (False, True):
        one, more = (solve(*small(), gap=0.0, extend=least(t, exactly=exactly), quick=True) for t in (80.0, 80.001))
        costs = (more.outcome.objective_musd - one.outcome.objective_musd) / 0.001
        price = one.tables["own_parts"].price.iloc[0]
        assert costs > 0
        assert price == pytest.approx(-costs if exactly else costs, rel=1e-5)


def test_terms_are_counted_and_told_apart() -> None:
    """Proves: with a term the model's objective is the plan's own plus the term; the plan's figures are without it, and a line of
    the table `objective` has it; what was added to the objective by hand is told too."""

    def extend(m: Any) -> None:
        m.beyond = pyo.Var(bounds=(0, None))
        m.link = pyo.Constraint(expr=m.beyond >= m.stock["gallium", "base", FIRST + 1] - 2.0)
        add_term(m, "crowding", 0.01 * m.beyond + 3.0)
        m.social_cost.expr = m.social_cost.expr + 0.0001 * m.stock["gallium", "base", FIRST]

    found = solve(*small(), gap=0.0, extend=extend, quick=True)
    terms = found.tables["own_parts"].set_index("name").value
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
    assert found.outcome.objective_musd > solve(*small(), gap=0.0, quick=True).outcome.objective_musd


def test_whole_variables_are_whole_and_bounds_may_be_narrowed() -> None:
    """Proves: lots of 7 t, a number of them; a variable of the plan that is fixed stays so."""

    def extend(m: Any) -> None:
        m.lots = pyo.Var(domain=pyo.NonNegativeIntegers)
        m.whole = pyo.Constraint(expr=bought_on_the_baseline(m) == 7.0 * m.lots)
        m.acquisition["spot", "base", FIRST].fix(0.0)

    found = solve(*small(), gap=0.0, extend=extend, quick=True)
    lots = found.tables["own_parts"].set_index("name").value["lots"]
    assert lots == round(lots) > 0
    assert 1000 * bought(found, "gallium") == pytest.approx(7.0 * lots)
    assert FIRST not in set(found.tables["acquisitions"].fiscal_year)


def changed_row(m: Any) -> None:
    m.stock_balance["gallium", "base", FIRST].set_value((None, m.stock["gallium", "base", FIRST], 3.0))


def without_row(m: Any) -> None:
    m.stock_balance["gallium", "base", FIRST].deactivate()


def squared(m: Any) -> None:
    m.curve = pyo.Constraint(expr=m.stock["gallium", "base", FIRST] ** 2 <= 4.0)


def ordered_set(m: Any) -> None:
    m.one_of = pyo.SOSConstraint(var=m.stock, sos=1)


def second_aim(m: Any) -> None:
    m.least = pyo.Objective(expr=bought_on_the_baseline(m))


def of_another_model(m: Any) -> None:
    m.foreign = pyo.Constraint(expr=build_model(*small()).stock["gallium", "base", FIRST] <= 1.0)


@pytest.mark.parametrize(
    ("extend", "said"),
    [
        (changed_row, "a row of the plan that is changed"),
        (without_row, "not active"),
        (squared, "a linear expression"),
        (ordered_set, "SOSConstraint"),
        (second_aim, "social_cost alone"),
        (of_another_model, "of another model"),
    ],
)
def test_what_cannot_be_carried_is_refused(extend: Any, said: str) -> None:
    """Proves: nothing is left out in silence."""
    with pytest.raises(InputError, match=said):
        solve(*small(), extend=extend, quick=True)


def in_scenarios(m: Any) -> None:
    m.left = pyo.Constraint(expr=sum(m.stock[index] for index in m.stock if index[1] != "base") >= 1.0)


def test_a_method_that_cannot_carry_it_is_refused_and_a_conflict_is_named() -> None:
    """Proves: decomposition is refused with what to ask for where a constraint is about scenarios; one that no plan can keep is
    what is blamed."""
    plan, data = random_case(1)
    with pytest.raises(PlanError, match="'flat' or 'auto'"):
        solve(plan, data, method="decomposed", extend=in_scenarios, quick=True)
    assert solve(plan, data, extend=in_scenarios, quick=True).outcome.method == "flat"

    def impossible(m: Any) -> None:
        m.asked = pyo.Constraint(expr=bought_on_the_baseline(m) >= 1e6)

    with pytest.raises(InfeasibleError, match=r"asked for beside the plan: asked$"):
        solve(*small(), extend=impossible, quick=True)


def test_families_that_a_plan_has_none_of_are_there_and_empty() -> None:
    """Proves: a function that is written for any plan may sum over contracts and purchases of a plan that has none."""
    m = build_model(*random_case(12))
    assert not len(m.acquisition)
    assert not len(m.stock)
    assert len(m.shortfall)
    assert not sum(m.acquisition.values())


@pytest.mark.parametrize("seed", quick_first([0, 1, 3, 4, 5, 6, 7, 8, 9, 11, 14], 4))
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
    (mine, other) = (found.tables["own_parts"].set_index("name") for found in (one, apart))
    terms = [float(table[table.part == "term"].value.sum()) for table in (mine, other)]
    assert mine[mine.part == "variable"].value["any"] == pytest.approx(-2.0)
    assert apart.outcome.objective_musd + terms[1] == pytest.approx(one.outcome.objective_musd + terms[0], abs=1e-5)
    assert apart.audited.passed


@pytest.mark.parametrize("kind", ["risk_within_budget", "least_budget"])
def test_aims_in_turn_keep_a_constraint(kind: str) -> None:
    """Proves: a constraint holds through all stages of an aim, and a term counts in the first."""
    plan, data = random_case(1)
    plan = plan.model_copy(update={"objective": plan.objective.model_copy(update={"kind": kind})})

    def stocks(m: Any) -> Any:
        return sum(m.stock[index] for index in m.stock if index[1] == "base")

    free = float(solve(plan, data, gap=0.0, quick=True).solution.stock[0].sum())

    def extend(m: Any) -> None:
        m.little = pyo.Constraint(expr=stocks(m) >= free + 10.0)
        add_term(m, "per tonne", 1e-3 * stocks(m))

    found = solve(plan, data, gap=0.0, extend=extend, quick=True)
    rows = found.tables["own_parts"].set_index("name")
    assert rows.value["little"] >= free + 10.0 - 1e-6
    assert rows.value["per tonne"] == pytest.approx(1e-3 * rows.value["little"])
    assert found.audited.passed


def test_everything_that_a_plan_can_have_may_be_extended() -> None:
    """Proves: projects, contracts, floors, promises, risk and rules of one problem are there by name; a plan that has to
    sign a contract is worth no more, and keeps every rule."""
    free = solve(*everything(), gap=0.0, quick=True)
    assert free.tables["contracts"].empty

    def extend(m: Any) -> None:
        m.some = pyo.Constraint(expr=sum(m.contract.values()) >= 600.0)

    bound = solve(*everything(), gap=0.0, extend=extend, quick=True)
    assert float(bound.solution.contract.sum()) == pytest.approx(600.0)
    assert bound.outcome.objective_musd >= free.outcome.objective_musd - 1e-6


def test_an_extended_run_is_kept_and_verified_as_far_as_it_can_be(tmp_path: Path) -> None:
    """Proves: table and words come back; `verify` works out all that the plan decides, and says what it cannot."""
    found = solve(*small(), gap=0.0, extend=at_most(1.0), quick=True)
    write_run(found, tmp_path / "run")
    again = load_result(tmp_path / "run")
    assert again.tables["own_parts"].equals(found.tables["own_parts"])
    assert again.summary() == found.summary()
    checked = verify(tmp_path / "run")
    assert checked.facts["objections"] == ()
    assert "caller's own code" in checked.facts["not_compared"][0]
    told = CliRunner().invoke(app, ["verify", str(tmp_path / "run")])
    assert told.exit_code == 0
    assert "not solved again" in told.output


def solved_by(name: str, m: Any) -> None:
    """Have a model solved by another solver, through Pyomo alone."""
    if name == "scip":
        from pyomo.contrib.solver.common.factory import SolverFactory

        SolverFactory("scip_direct").solve(m, rel_gap=0.0)
    else:
        pyo.SolverFactory("cbc").solve(m, options={"ratioGap": 0.0})


@pytest.mark.parametrize("name", ["cbc", "scip"])
@pytest.mark.parametrize("seed", [0, 3])
def test_other_solvers_come_back_to_an_audited_answer(name: str, seed: int) -> None:
    """Proves: the model, solved by CBC and by SCIP, comes to the same objective, passes the audit, and has our prices beside it."""
    plan, data = random_case(seed)
    ours = solve(plan, data, gap=0.0, quick=True)
    m = build_model(plan, data)
    solved_by(name, m)
    found = Result.from_model(plan, data, m, solver=name, bound_musd=ours.outcome.best_bound_musd)
    assert found.outcome.objective_musd == pytest.approx(ours.outcome.objective_musd, abs=1e-4)
    assert found.audited.passed
    assert f"found by {name}" in found.summary()
    assert len(found.prices) > 0
    weaker = Result.from_model(plan, data, m)
    assert weaker.outcome.best_bound_musd <= found.outcome.best_bound_musd + 1e-6


def test_an_extended_model_of_another_solver_comes_back_too() -> None:
    """Proves: own constraints and terms are read off the model, priced and told."""
    m = build_model(*small())
    at_most(1.0)(m)
    add_term(m, "per tonne", 1e-5 * bought_on_the_baseline(m))
    solved_by("cbc", m)
    found, ours = (
        Result.from_model(*small(), m, solver="cbc"),
        solve(*small(), gap=0.0, extend=at_most(1.0), quick=True),
    )
    rows = found.tables["own_parts"].set_index("name")
    assert rows.value["per tonne"] == pytest.approx(1e-5)
    assert rows.price["cap"] == pytest.approx(ours.tables["own_parts"].price.iloc[0] - 1e-5, rel=1e-4)
    assert found.outcome.objective_musd == pytest.approx(ours.outcome.objective_musd, abs=1e-7)
    assert found.outcome.relative_gap == pytest.approx(0.0, abs=1e-6)


def test_models_that_are_no_answer_are_refused() -> None:
    """Proves: no values, values that break a rule, a bound above the plan, and the model of another plan."""
    plan, data = small()
    m = build_model(plan, data)
    with pytest.raises(InputError, match="a solved model"):
        Result.from_model(plan, data, m)
    solved_by("cbc", m)
    with pytest.raises(UntrustedError, match="lies above the plan"):
        Result.from_model(plan, data, m, bound_musd=100.0)
    m.stock["gallium", "base", FIRST + 1].set_value(5.0)
    with pytest.raises(UntrustedError, match=r"stock_balance.* is broken"):
        Result.from_model(plan, data, m)
    with pytest.raises(InputError, match="the model of this plan"):
        Result.from_model(*random_case(0), m)


def fixed_and_priced(m: Any) -> None:
    m.acquisition["spot", "base", FIRST].fix(1.0)


def test_a_fixed_variable_is_no_term() -> None:
    """Proves: fixing a variable that costs something adds nothing to the objective, and is told as no term."""
    result = solve(*small(), gap=0.0, extend=fixed_and_priced, quick=True)
    (row,) = result.tables["own_parts"].itertuples()
    assert (row.part, row.lower, row.upper, row.value) == ("constraint", 1.0, 1.0, pytest.approx(1.0))
    assert row.name.endswith("fixed")
    assert result.audited.passed


def test_a_fixed_variable_and_a_narrowed_bound_are_priced() -> None:
    """Proves: the price of a value that was fixed, and of a bound, is the difference quotient of the objective."""

    def at(tonnes: float, *, fixed: bool) -> Any:
        def extend(m: Any) -> None:
            for year in YEARS:
                one = m.acquisition["spot", "base", year]
                if fixed:
                    one.fix(tonnes)
                else:
                    one.setub(tonnes)

        return extend

    for fixed in (True, False):
        one, more = (solve(*small(), gap=0.0, extend=at(t, fixed=fixed), quick=True) for t in (3.0, 3.001))
        gained = (one.outcome.objective_musd - more.outcome.objective_musd) / 0.001
        assert gained > 0
        assert one.tables["own_parts"].price.sum() == pytest.approx(gained, rel=1e-5)


def test_a_value_that_no_plan_can_keep_is_what_is_blamed() -> None:
    """Proves: with a variable fixed beyond what money can buy the plan has no answer, and the own part is named; beyond what the
    plan allows it is a fault."""

    def fixed(tonnes: float) -> Any:
        def extend(m: Any) -> None:
            m.stock["gallium", "base", FIRST].fix(tonnes)

        return extend

    with pytest.raises(InfeasibleError, match=r"asked for beside the plan: stock\[gallium,base,2027\] fixed$"):
        solve(*small(), extend=fixed(1e4), quick=True)
    with pytest.raises(InputError, match="fixed at -3"):
        solve(*small(), extend=fixed(-3.0), quick=True)


def test_a_point_that_is_not_the_best_has_no_prices() -> None:
    """Proves: little of a plan that could do better comes back audited, with the bound and without prices."""
    plan, data = small()
    best, m = solve(plan, data, gap=0.0, quick=True), build_model(plan, data)
    m.none = pyo.Constraint(expr=bought_on_the_baseline(m) <= 1.0)
    solved_by("cbc", m)
    del m.none
    found = Result.from_model(plan, data, m, solver="cbc")
    assert found.outcome.objective_musd > best.outcome.objective_musd + 0.1
    assert found.outcome.best_bound_musd <= best.outcome.objective_musd + 1e-6
    assert found.prices.empty
    assert "nothing is priced" in found.summary()
    assert found.audited.passed


def wider(m: Any) -> None:
    m.acquisition["spot", "base", FIRST].domain = pyo.Reals
    m.acquisition["spot", "base", FIRST].setlb(-1.0)


def whole(m: Any) -> None:
    m.acquisition["spot", "base", FIRST].domain = pyo.NonNegativeIntegers


def in_fives(m: Any) -> None:
    m.lots = pyo.Var(within=pyo.Set(initialize=[0, 5, 10]))


@pytest.mark.parametrize(
    ("extend", "said"), [(wider, "bounds within"), (whole, "another domain"), (in_fives, "whole numbers")]
)
def test_what_would_be_passed_over_is_refused(extend: Any, said: str) -> None:
    """Proves: wider bounds and other domains of the plan's variables, and domains with other steps, are faults with a name."""
    with pytest.raises(InputError, match=said):
        solve(*small(), gap=0.0, extend=extend, quick=True)


def test_studies_that_solve_the_plan_alone_refuse_an_extended_one() -> None:
    """Proves: explanation and alternatives, which solve again, do not answer for a plan that they do not know."""
    capped = solve(*small(), gap=0.0, extend=at_most(1.0), quick=True)
    for study in (explain, alternatives):
        with pytest.raises(InputError, match="extended by own code"):
            study(capped)


def earning(m: Any) -> None:
    m.spare = pyo.Var(within=pyo.NonNegativeReals)
    add_term(m, "earned without limit", -m.spare)


def test_a_function_that_adds_nothing_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """Proves: who returns a constraint in place of adding it is told so."""
    with caplog.at_level("WARNING", "strategic_minerals"):
        solve(
            *small(),
            gap=0.0,
            extend=lambda m: pyo.Constraint(expr=m.stock["gallium", "base", FIRST] <= 1.0),
            quick=True,
        )
    assert "added nothing" in caplog.text


def test_a_term_that_earns_without_limit_is_named() -> None:
    """Proves: an objective without a bound is told as such, not as a contradiction of the solver."""
    with pytest.raises(UntrustedError, match="without limit"):
        solve(*small(), gap=0.0, extend=earning, quick=True)


@pytest.mark.parametrize(("value", "said"), [(2.4, "not whole"), (11.0, "beyond its bounds")])
def test_own_variables_of_another_solver_keep_their_limits(value: float, said: str) -> None:
    """Proves: a point in which an own variable is in part, or over its bound, is not taken."""
    plan, data = small()
    model = build_model(plan, data)
    model.lots = pyo.Var(within=pyo.NonNegativeIntegers, bounds=(0, 10))
    pyo.SolverFactory("cbc").solve(model)
    model.lots.set_value(value, skip_validation=True)
    with pytest.raises(UntrustedError, match=said):
        Result.from_model(plan, data, model)


def test_terms_on_what_is_done_anyway_leave_doing_nothing_as_it_is(tmp_path: Path) -> None:
    """Proves: a term on what is not zero where nothing is done changes neither what doing nothing costs nor what verifies."""
    plan, data = random_case(0)
    free = solve(plan, data, gap=0.0, quick=True)

    def charged(m: Any) -> None:
        add_term(m, "carbon", 0.001 * sum(m.output[k] for k in m.output if "base" in k))

    found = solve(plan, data, gap=0.0, extend=charged, quick=True)
    assert found.outcome.do_nothing_musd == pytest.approx(free.outcome.do_nothing_musd, rel=1e-9)
    assert found.tables["own_parts"].value.iloc[0] > 0
    write_run(found, tmp_path / "run")
    assert verify(tmp_path / "run").facts["objections"] == ()


def test_no_bound_is_claimed_of_worth_where_terms_are_weighed_with_it() -> None:
    """Proves: with a term the answer is best for worth and term together, says so, and claims nothing of the worth alone; with a
    constraint the proof is of plans that keep it."""

    def opening(m: Any) -> None:
        m.w = pyo.Var(within=pyo.Binary)
        m.link = pyo.Constraint(expr=bought_on_the_baseline(m) <= 500.0 * m.w)
        add_term(m, "opening", 0.1 * m.w)

    weighed = solve(*small(), gap=0.0, extend=opening, quick=True)
    assert "of its worth alone no bound is known" in weighed.summary()
    assert "Proven" not in weighed.summary()
    assert "proven best with the terms of own code" in repr(weighed)
    assert (
        "among plans that keep the constraints of own code"
        in solve(*small(), gap=0.0, extend=at_most(1.0), quick=True).summary()
    )


def test_a_rule_on_whole_decisions_alone_has_no_price() -> None:
    """Proves: where the dual says nothing, nothing is said; that it binds is told."""

    def one(m: Any) -> None:
        m.few = pyo.Constraint(expr=sum(m.contract_signed.values()) >= 1.0)

    found = solve(*everything(), gap=0.0, extend=one, quick=True)
    row = found.tables["own_parts"].set_index("name").loc["few"]
    assert row.binds
    assert pd.isna(row.price)
    assert "solving again" in row.meaning
    assert "Constraint few binds" in found.summary()


def test_a_model_of_other_figures_is_refused() -> None:
    """Proves: a model of the same plan at another rate, with another budget or with a changed row is not taken for this plan's."""
    plan, data = small()
    budget = plan.budget.model_copy(update={"appropriation_musd": 1.0})
    for other in ({"discount_rate": plan.discount_rate + 0.02}, {"budget": budget}):
        m = build_model(plan.model_copy(update=other), data)
        solved_by("cbc", m)
        with pytest.raises(InputError, match="of another plan"):
            Result.from_model(plan, data, m)
    m = build_model(plan, data)
    row = m.budget[FIRST]
    row.set_value((row.lower, row.body, 1e9))
    solved_by("cbc", m)
    with pytest.raises(InputError, match="changed"):
        Result.from_model(plan, data, m)


def replaced(m: Any) -> None:
    m.social_cost.set_value(m.stock["gallium", "base", FIRST + 1])


def crossed(m: Any) -> None:
    m.stock["gallium", "base", FIRST + 1].setlb(5.0)
    m.stock["gallium", "base", FIRST + 1].setub(3.0)


def no_number(m: Any) -> None:
    m.zz = pyo.Constraint(expr=m.stock["gallium", "base", FIRST + 1] <= float("nan"))


@pytest.mark.parametrize(
    ("extend", "said"), [(replaced, "without the plan's own cost"), (crossed, "from 5 to 3"), (no_number, "nan")]
)
def test_figures_that_make_no_sense_are_faults(extend: Any, said: str) -> None:
    """Proves: an objective without the plan, bounds that cross and limits that are no numbers are told by name, before a solve."""
    with pytest.raises(InputError, match=said):
        solve(*small(), gap=0.0, extend=extend, quick=True)


def test_a_point_that_misses_by_rounding_is_settled_again() -> None:
    """Proves: operations that miss a rule by a hair are solved again beside the same whole decisions, and that is told."""
    plan, data = small()
    m = build_model(plan, data)
    solved_by("cbc", m)
    for year in YEARS:
        one = m.stock["gallium", "base", year]
        one.set_value(one.value * (1 + 5e-6), skip_validation=True)
    found = Result.from_model(plan, data, m, solver="cbc")
    assert found.audited.passed
    assert "solved again here" in found.summary()


def test_terms_have_names_and_models_of_this_package() -> None:
    """Proves: a term without a name, twice the same, and on another model are refused in words."""
    m = build_model(*small())
    for name in ("", 3):
        with pytest.raises(ValueError, match="a name"):
            add_term(m, name, 0.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="build_model"):
        add_term(pyo.ConcreteModel(), "a", 0.0)
    with pytest.raises(InputError, match="bound_musd"):
        Result.from_model(*small(), m, bound_musd=float("nan"))


def test_a_comparison_names_what_own_code_added() -> None:
    """Proves: a plan and its extension differ in the question by what was added."""
    found = compare(
        [solve(*small(), gap=0.0, quick=True), solve(*small(), gap=0.0, extend=at_most(1.0), quick=True)],
        ["as it is", "capped"],
    )
    assert found.tables["inputs"].to_numpy().tolist() == [["own code: constraint cap", "-", "at most 1"]]


def test_a_row_among_those_of_the_plan_is_ones_own() -> None:
    """Proves: a constraint that is added to a family of the plan's counts and is told as an extension; a deleted one is a fault."""

    def inside(m: Any) -> None:
        m.budget["mine"] = bought_on_the_baseline(m) <= 1.0

    plan, data = small()
    m = build_model(plan, data)
    inside(m)
    solved_by("cbc", m)
    capped = solve(plan, data, gap=0.0, extend=inside, quick=True)
    for found in (capped, Result.from_model(plan, data, m, solver="cbc")):
        assert "budget[mine]" in set(found.tables["own_parts"].name)
        assert 1000 * bought(found, "gallium") == pytest.approx(1.0)

    def without(m: Any) -> None:
        del m.budget[FIRST]

    with pytest.raises(InputError, match="some were deleted"):
        solve(plan, data, extend=without, quick=True)


@pytest.mark.parametrize("factor", [1 - 3e-6, 1 + 3e-6])
@pytest.mark.parametrize("seed", [0, 4])
def test_points_near_an_answer_are_settled_on_either_side(seed: int, factor: float) -> None:
    """Proves: where operations are off by some millionths, for better or worse, the whole decisions are taken and their operations
    solved again."""
    plan, data = random_case(seed)
    m = build_model(plan, data)
    solved_by("cbc", m)
    best = solve(plan, data, gap=0.0, quick=True)
    for family in (m.acquisition, m.shortfall, m.output):
        for one in family.values():
            one.set_value(one.value * factor, skip_validation=True)
    found = Result.from_model(plan, data, m, solver="cbc")
    assert found.audited.passed
    assert found.outcome.objective_musd == pytest.approx(best.outcome.objective_musd, rel=1e-4, abs=1e-4)


def test_a_conflict_with_a_demand_names_both() -> None:
    """Proves: where there is no money for what own code asks, the budget and the own constraint are named."""
    plan, data = small()
    poor = plan.model_copy(update={"budget": plan.budget.model_copy(update={"appropriation_musd": 0.001})})

    def asked(m: Any) -> None:
        m.asked = pyo.Constraint(expr=bought_on_the_baseline(m) >= 40.0)

    with pytest.raises(InfeasibleError, match=r"what was asked for beside the plan: asked$") as error:
        solve(poor, data, extend=asked, quick=True)
    assert error.value.culprits


def test_a_relaxation_with_a_term_bounds_both_together() -> None:
    """Proves: no bound of worth alone is claimed where a term is weighed with it."""

    def paid(m: Any) -> None:
        add_term(m, "sub", -0.05 * bought_on_the_baseline(m))

    found = solve(*small(), relax=True, extend=paid, quick=True)
    assert "of the worth alone no bound is known" in found.summary()
    assert "at most worth" not in repr(found)


def at_risk(m: Any) -> None:
    m.risk = pyo.Constraint(expr=sum(m.value_at_risk.values()) <= 1e-3)


def test_a_fixed_variable_of_ones_own_is_a_number() -> None:
    """Proves: what the caller has added and fixed may stand as a factor, as in Pyomo."""

    def twice(m: Any) -> None:
        m.y = pyo.Var(initialize=2.0)
        m.y.fix()
        m.cap = pyo.Constraint(expr=m.y * bought_on_the_baseline(m) <= 2.0)

    assert 1000 * bought(solve(*small(), gap=0.0, extend=twice, quick=True), "gallium") == pytest.approx(1.0)


def fixed_to_nothing(m: Any) -> None:
    m.y = pyo.Var()
    m.y.fix()


@pytest.mark.parametrize(("extend", "said"), [(at_risk, "value_at_risk"), (fixed_to_nothing, "without a value")])
def test_what_would_not_stand_is_a_fault(extend: Any, said: str) -> None:
    """Proves: limits on what every answer sets itself, and values that are none, are refused by name."""
    plan, data = random_case(4)
    with pytest.raises(InputError, match=said):
        solve(plan, data, extend=extend, quick=True)
