"""Branch and bound against trying everything: all 0/1 choices of tiny problems, a linear program for each."""

import itertools
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from strategic_minerals import Plan, solve
from strategic_minerals.matrix.problem import Problem, prepare
from strategic_minerals.solver.optimise import optimise
from support.instances import random_case

MOST_BINARIES = 6

QUIET = dict.fromkeys(
    ("gallium", "dy", "half_years", "two_events", "sample", "border_floor", "purchase_floor", "partial", "logic"), False
)
"""Switches that only make the problem larger."""


def small_case(seed: int, switches: dict[str, bool]) -> tuple[Plan, Any]:
    """A random problem with one date to sign projects and two for contracts, so that few 0/1 choices are left."""
    plan, data = random_case(seed, **{**QUIET, **switches})
    given_plan = plan.to_toml_like()
    first = plan.horizon.first_year
    given_plan["instruments"] |= {"signing_years": [first], "contract_years": [first, first + 1]}
    return Plan.model_validate(given_plan), data


def enumerated(problem: Problem, cost: Any) -> dict[tuple[float, ...], float]:
    """Choice of the integers -> least cost of everything continuous under it, for each choice that leaves a plan."""
    a, found = problem.assembly, {}
    binaries = np.flatnonzero(a.integer)
    matrix = sp.csr_array((a.value, a.index, a.start), shape=(len(a.row_lower), len(cost)))
    rows = LinearConstraint(matrix, a.row_lower, a.row_upper)
    for choice in itertools.product((0.0, 1.0), repeat=len(binaries)):
        if (a.lower[binaries] <= choice).all() and (choice <= a.upper[binaries]).all():
            lower, upper = a.lower.copy(), a.upper.copy()
            lower[binaries] = upper[binaries] = choice
            answer = milp(cost, bounds=Bounds(lower, upper), constraints=rows)
            assert answer.status in (0, 2), answer.message
            if answer.status == 0:
                found[choice] = float(answer.fun)
    return found


def near(value: float) -> Any:
    """Equal to a millionth of the magnitude, or to a dollar."""
    return pytest.approx(value, rel=1e-6, abs=1e-6)


SUPPORT = ("contracts", "lots", "two_projects", "additional", "project_floor", "market_floor", "package_floor")
COURSES = ("flood", "surge", "price_states")
RULES = ("cvar", "carry_over", "liability_cap", "lean", "service_soft", "country_cap", "emergency")
SWITCHES = st.fixed_dictionaries({name: st.booleans() for name in (*SUPPORT, *COURSES, *RULES)})


@pytest.mark.long
@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), switches=SWITCHES)
def test_no_choice_beats_the_plan(seed: int, switches: dict[str, bool]) -> None:
    """Proves: with every 0/1 choice of signatures, market floors and contract lots tried, the best least cost is the one
    that `solve` states at gap 0, to a millionth. A cut that removes the optimum, or a wrong bound, would show as a
    better choice left out."""
    plan, data = small_case(seed, switches)
    problem = prepare(plan, data)
    assume(3 <= problem.assembly.integer.sum() <= MOST_BINARIES)
    solved = optimise(problem, gap=0.0, time_limit_s=600.0)
    cost = solved.costs["social_cost"]
    values = enumerated(problem, cost)
    stated = float(cost @ solved.x)
    assert min(values.values()) == near(stated)
    outcome = solve(plan, data, gap=0.0, quick=True).outcome
    assert min(values.values()) == near(outcome.objective_musd + outcome.do_nothing_musd)
    assert values[tuple(np.round(solved.x[problem.assembly.integer]).tolist())] == near(stated)
