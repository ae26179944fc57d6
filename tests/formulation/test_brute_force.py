"""Branch and bound against trying everything: all 0/1 choices of tiny problems, a linear program for each."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from strategic_minerals import Plan, solve
from strategic_minerals.matrix.assembly import Assembly
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


class Enumeration:
    """All integer choices of an assembled problem, each completed by a linear program of its own."""

    def __init__(self, assembly: Assembly, cost: Any) -> None:
        rows, columns, _ = assembly.shape
        self.matrix = sp.csr_array((assembly.value, assembly.index, assembly.start), shape=(rows, columns))
        self.assembly, self.cost = assembly, cost
        self.binaries = np.flatnonzero(assembly.integer)
        counted = abs(self.matrix) @ (~assembly.integer).astype(float)
        self.pure = np.flatnonzero((counted == 0) & (np.diff(assembly.start) > 0))

    def possible(self, choice: tuple[float, ...]) -> bool:
        """Whether a choice keeps the bounds of the binaries and the rows in which only binaries stand."""
        x = np.zeros(len(self.cost))
        x[self.binaries] = choice
        at = (self.matrix @ x)[self.pure]
        a = self.assembly
        inside = (x >= a.lower - 1e-9)[self.binaries] & (x <= a.upper + 1e-9)[self.binaries]
        return bool(
            inside.all() and (at >= a.row_lower[self.pure] - 1e-9).all() and (at <= a.row_upper[self.pure] + 1e-9).all()
        )

    def best(self, choice: tuple[float, ...]) -> float:
        """Least cost of everything continuous under a choice; infinite where nothing is feasible."""
        a = self.assembly
        lower, upper = a.lower.copy(), a.upper.copy()
        lower[self.binaries] = upper[self.binaries] = choice
        equal = a.row_lower == a.row_upper
        above, below = np.isfinite(a.row_upper) & ~equal, np.isfinite(a.row_lower) & ~equal
        answer = linprog(
            self.cost,
            A_ub=sp.vstack([self.matrix[above], -self.matrix[below]]),
            b_ub=np.concatenate([a.row_upper[above], -a.row_lower[below]]),
            A_eq=self.matrix[equal],
            b_eq=a.row_upper[equal],
            bounds=np.column_stack([lower, upper]),
            method="highs",
        )
        assert answer.status in (0, 2), answer.message
        return float(answer.fun) if answer.status == 0 else math.inf

    def values(self) -> dict[tuple[float, ...], float]:
        """Choice -> least cost, over all possible choices."""
        every = itertools.product((0.0, 1.0), repeat=len(self.binaries))
        return {choice: self.best(choice) for choice in every if self.possible(choice)}


def enumerated(problem: Problem, cost: Any) -> dict[tuple[float, ...], float]:
    """All choices of a problem whose limit on trunk shortfall has been set by the do-nothing reference."""
    return Enumeration(problem.assembly, cost).values()


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
    assert outcome.objective_musd is not None
    assert outcome.do_nothing_musd is not None
    assert min(values.values()) == near(outcome.objective_musd + outcome.do_nothing_musd)
    chosen = tuple(np.round(solved.x[problem.assembly.integer]).tolist())
    assert values[chosen] == near(stated)
