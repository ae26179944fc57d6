"""The model for people: the matrix that is solved, in tonnes and million USD, with names for indices."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest

from formulation.test_golden_lp import CASES
from strategic_minerals import build_model, solve
from strategic_minerals.matrix import problem as problems
from strategic_minerals.matrix.named import NamedMatrix
from strategic_minerals.matrix.problem import Problem, prepare
from strategic_minerals.matrix.template import PYOMO_LOCK
from strategic_minerals.solver.highs import TOLERANCES
from strategic_minerals.solver.optimise import optimise
from support.instances import quick_first, random_case
from support.tiny import FIRST, KT, cut, offer, source, tiny

SEEDS = range(3)


def in_tonnes(plan: Any, data: Any, monkeypatch: pytest.MonkeyPatch) -> Problem:
    """A problem whose units are tonnes throughout."""

    def unscaled(instance: Any) -> Any:
        ones = {"material_unit": np.ones(len(instance.materials)), "producer_unit": np.ones(len(instance.producers))}
        return replace(instance, **ones)

    monkeypatch.setattr(problems, "scale", unscaled)
    return prepare(plan, data)


def cases() -> list[Any]:
    golden = [pytest.param(case, id=name or "everything") for name, case in CASES.items()]
    return [*golden, *(pytest.param(lambda seed=seed: random_case(seed), id=f"random {seed}") for seed in SEEDS)]


@pytest.mark.parametrize("case", cases())
def test_every_column_and_row_has_a_name_of_its_own(case: Any) -> None:
    """Proves: no two columns, and no two rows, have the same name and index; each row of the plan is named once."""
    problem = prepare(*case())
    named = NamedMatrix(problem)
    assert not [place for place, count in Counter(named.columns).items() if count > 1]
    rows = [(row, place) for row, place, _ in named.rows()]
    assert [row for row, _ in rows] == list(range(problem.assembly.shape[0]))
    assert not [place for place, count in Counter(place for _, place in rows).items() if count > 1]


@pytest.mark.parametrize("case", cases())
def test_units_are_tonnes(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: bounds, coefficients and limits, taken out of the solver's units, are those of the same problem counted in tonnes
    from the start."""
    scaled = prepare(*case())
    plain = in_tonnes(*case(), monkeypatch)
    named, other = NamedMatrix(scaled), NamedMatrix(plain)
    assert named.columns == other.columns
    assert (other.tonnes == 1).all()
    one, two = scaled.assembly, plain.assembly
    for side in ("lower", "upper"):
        np.testing.assert_allclose(getattr(one, side) * named.tonnes, getattr(two, side), rtol=1e-9, atol=1e-12)
    rows = list(named.rows())
    assert [place for _, place, _ in rows] == [place for _, place, _ in other.rows()]
    unit = np.array([tonnes for _, _, tonnes in rows])
    for side in ("row_lower", "row_upper"):
        np.testing.assert_allclose(getattr(one, side) * unit, getattr(two, side), rtol=1e-9, atol=1e-9)
    each = np.repeat(unit, np.diff(one.start))
    order = [np.lexsort((a.index, np.repeat(np.arange(len(unit)), np.diff(a.start)))) for a in (one, two)]
    values = (one.value * each / named.tonnes[one.index])[order[0]]
    np.testing.assert_allclose(values, two.value[order[1]], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", ["social_cost", "risk_within_budget", "least_budget"])
@pytest.mark.parametrize("seed", quick_first([0, 1, 2, 3], 2))
def test_another_route_to_the_solver_finds_the_same_optimum(seed: int, kind: str) -> None:
    """Proves: the public model, solved through Pyomo's own interface to HiGHS, has the optimum that `solve` states for the first
    aim, as a difference to doing nothing, diversification and its limit on trunk shortfall (from Z0) included."""
    money = {} if kind == "social_cost" else {"appropriated": False}  # other aims may not spend it in disruptions
    plan, data = random_case(seed, country_cap=seed % 2 == 0, least_share=seed % 2 == 1, **money)
    plan = plan.model_copy(update={"objective": plan.objective.model_copy(update={"kind": kind})})
    solved = optimise(prepare(plan, data), gap=0.0, time_limit_s=600.0)
    with PYOMO_LOCK:
        m = build_model(plan, data)
        highs = pyo.SolverFactory("highs")
        asked = {"mip_rel_gap": 0.0, "mip_abs_gap": 0.0, "threads": 1, **TOLERANCES}
        result = highs.solve(m, solver_options=asked)
    assert pyo.check_optimal_termination(result)
    assert float(pyo.value(getattr(m, m.stages[0]))) == pytest.approx(
        solved.outcome.stages[0][1], rel=1e-7, abs=1e-7 * solved.outcome.do_nothing_musd
    )


def small() -> tuple[Any, Any]:
    """Demand of 100 t a year of gallium from China, a stop that may come, 3 t in store, and an offer of 30 t a year."""
    return tiny(
        {"gallium": 1.0},
        materials={"gallium": {"holding_share_per_yr": 0.01, "haircut_share": 0.1}},
        sources={"china": source("CHN", "gallium", 0.1)},
        demand={"gallium": 0.1},
        loss=10.0,
        offers={"spot": offer("gallium", 0.03)},
        stock={"gallium": 0.003},
        scenarios=[cut("stop", 0.3, FIRST + 2.0, 1.0, share=0.5)],
        years=4,
        rate=0.03,
    )


def test_the_model_reads_like_the_mathematics() -> None:
    """Proves: indices are names and years, amounts tonnes, and the objective what the answer states."""
    m = build_model(*small())
    spot = m.acquisition["spot", "base", FIRST]
    assert (spot.lb, spot.ub) == (0.0, pytest.approx(0.03 * KT))
    assert str(m.stock_balance["gallium", "stop", FIRST + 3].expr).count("stock[gallium,") == 2
    assert {index[1] for index in m.stock} == {"base", "stop"}
    answered = solve(*small(), gap=0.0, quick=True)
    pyo.SolverFactory("highs").solve(m)
    assert pyo.value(m.social_cost) == pytest.approx(answered.outcome.objective_musd, rel=1e-9)
    assert m.stock["gallium", "base", FIRST].value == pytest.approx(float(answered.solution.stock[0, 0, 0]), abs=1e-6)
