"""Shadow prices in sentences: what one unit more is worth, and how far that holds.

Prices are those of the linear program in which the plan's whole commitments stand (formulation section 8), solved again from the
stored decisions. How far a price holds is read off its basis (right-hand-side ranging), and found by re-solves where the basis is
degenerate and says nothing.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..core.arrays import Floats
from ..core.errors import Fault, InputError, UntrustedError
from ..core.runner import current
from ..core.units import USD_PER_MUSD
from ..core.words import BASELINE_COURSE
from ..data.names import Names
from ..formulation.aims import main_aim
from ..formulation.structure import STAGES
from ..highs.run import Duals, SolvedRun
from ..highs.solver import Model
from ..model.objectives import objective_costs
from ..model.problem import Problem, prepare
from ..model.solution import decided_point
from ..optimization.reference_plan import cap_trunk_shortfall
from ..results.own_table import require_plain
from ..results.prices import SMALL, Price, published, worthless
from ..results.result import Result

COLUMNS = [
    "price",
    "item",
    "scenario",
    "period",
    "value",
    "unit",
    "holds_for_more",
    "holds_for_less",
    "holds_unit",
    "sentence",
]
ONCE = (
    "appropriation",
    "total_budget",
    "contingent_liability",
    "cvar_limit",
    "expected_loss_limit",
    "service_level",
    "diversification",
    "days_of_cover",
)
"""Families told in full; of stock and supply, the year with the largest price of each material."""
SAME = 1e-6
"""Relative difference of a cost per unit from a price that counts as none."""
FIRST_STEP = 1e-3
"""First step of a re-solve, as a share of the right-hand side or of one unit."""
STEPS = 24
"""Doublings of a step."""


@dataclass(frozen=True)
class Fixed:
    """The linear program with a result's whole commitments fixed, solved for the plan's main aim."""

    problem: Problem
    cost: Floats
    model: Model
    run: SolvedRun
    duals: Duals
    """Those of the run."""


def fixed_program(result: Result) -> Fixed:
    """Solve it.

    Raises InputError for a relaxation, which has no commitments, and for an extended plan, UntrustedError without an answer.
    """
    require_plain(result.tables)
    if result.outcome.relaxed:
        raise InputError([Fault("result", "", "outcome", "a linear relaxation", "a plan: solve without --relax")])
    problem = prepare(result.plan, result.data)
    problem = cap_trunk_shortfall(problem, decided_point(problem.structure, problem.assembly, result.reference))
    cost = objective_costs(problem)[STAGES[result.plan.objective.kind][0]]
    model = Model(problem.assembly, cost, integer=False)
    whole = np.flatnonzero(problem.assembly.integer)
    at = np.round(decided_point(problem.structure, problem.assembly, result.solution)[whole])
    model.set_bounds(whole, at, at)
    run = model.run(time_limit_s=max(1.0, current().left()), phase="prices")
    if not isinstance(run, SolvedRun):
        raise UntrustedError(f"the linear program with the plan's commitments fixed was not solved: {run.status}")
    return Fixed(problem, cost, model, run, run.prices)


def price_words(fixed: Fixed) -> pd.DataFrame:
    """One row a price that is not zero (`COLUMNS`): value in `unit`; how many units more, and less, it holds for; a sentence.

    So too where money is worth nothing only because more is owed already: somebody would raise it in vain.
    """
    told = _told(published(fixed.problem, fixed.duals)) + worthless(fixed.problem, fixed.duals)
    names = Names.of(fixed.problem.data)
    alone = [p.row for p in told if p.widened is None and not p.beyond]
    reach = dict(zip(alone, fixed.model.rhs_ranging(alone), strict=True)) if alone else {}
    rows = []
    for price in told:
        down, up = reach.get(price.row, (0.0, 0.0))
        more, less = (up, down) if price.direction > 0 else (down, up)
        more = more if more > 0 else _stretch(fixed, price, 1)
        less = less if less > 0 else _stretch(fixed, price, -1)
        more, less = min(more, price.beyond or math.inf) * price.natural, min(less, price.less) * price.natural
        unit = "million USD" if price.unit == "USD/USD" else "t"
        rows.append(
            [
                price.price,
                price.item,
                price.scenario,
                price.period,
                price.value,
                price.unit,
                more,
                less,
                unit,
                _sentence(fixed.problem, price, more, names),
            ]
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def _told(prices: list[Price]) -> list[Price]:
    """Those worth a sentence: all of `ONCE`; the best year of a material in store, and of supply without a disruption."""
    best: dict[tuple[str, str], Price] = {}
    for price in prices:
        if price.price in ONCE or (price.price == "supply" and price.scenario != BASELINE_COURSE):
            continue
        known = best.get((price.price, price.item))
        if known is None or abs(price.value) > abs(known.value):
            best[price.price, price.item] = price
    return [p for p in prices if p.price in ONCE] + list(best.values())


def _stretch(fixed: Fixed, price: Price, sign: int) -> float:
    """How far a price holds, by solving again with more and more (sign 1) or less (-1), in the row's unit."""
    assembly, run = fixed.problem.assembly, fixed.run
    if price.beyond and price.widened is None:
        return math.inf  # nothing moves
    row, way = price.row, price.direction * sign
    column, share = (
        (np.array([price.widened[0]]), price.widened[1]) if price.widened else (np.zeros(0, dtype=np.int64), 0.0)
    )
    low, high = assembly.row_lower[row], assembly.row_upper[row]
    size = max(abs(v) for v in (low, high) if math.isfinite(v))
    per_unit = price.value if price.widened else price.direction * -float(fixed.duals.row[row])
    way_of_row = 0.0 if price.beyond else way
    step, good = FIRST_STEP * max(1.0, size), 0.0
    try:
        for _ in range(STEPS):
            moved = np.array([row]), np.array([low + way_of_row * step]), np.array([high + way_of_row * step])
            fixed.model.set_row_bounds(*moved)
            fixed.model.set_bounds(
                column, assembly.lower[column], np.maximum(0.0, assembly.upper[column] + way * share * step)
            )
            again = fixed.model.run(time_limit_s=60.0, phase="prices")
            if not isinstance(again, SolvedRun):
                break
            expected = -per_unit * sign * step
            if abs(again.objective - run.objective - expected) > SAME * (abs(expected) + 1e-3):
                break
            good, step = step, 2 * step
        else:
            good = math.inf
    finally:
        fixed.model.set_row_bounds(np.array([row]), np.array([low]), np.array([high]))
        fixed.model.set_bounds(column, assembly.lower[column], assembly.upper[column])
    return good


def _sentence(problem: Problem, price: Price, more: float, names: Names) -> str:
    """What one unit more is worth, in words."""
    aim = main_aim(problem.plan)
    at_kink = more == 0  # what is avoided is concave: a unit more brings less than the price says, or costs more
    money = f"{abs(price.value):,.3g} million USD" if price.unit == "USD/USD" else _usd(abs(price.value))
    bound = "" if not at_kink else "at most " if price.value > 0 else "at least "
    effect = f"{'lowers' if price.value > 0 else 'raises'} {aim} by {bound}{money}"
    if price.price == "supply":  # in that year's money and that course of events, not in expectation
        effect = f"is worth {'at most ' if at_kink else ''}{'' if price.value > 0 else '-'}{money}"
    code = re.split("[,: ]", price.item)[0]
    material, item = names.material(code), names.material(code) + price.item[len(code) :]
    year = f"FY{price.period}" if price.period.isdigit() else price.period
    what = {
        "appropriation": f"One more million USD in {year}",
        "total_budget": "One more million USD of total budget",
        "contingent_liability": f"One more million USD of liability allowed in {year}",
        "cvar_limit": "One more million USD of CVaR allowed",
        "expected_loss_limit": "One more million USD of expected loss allowed",
        "stock": f"One more tonne of {material} in the reserve by {year}",
        "supply": f"One more tonne of {material} for users in {year} without a disruption",
        "users_stock": f"One more tonne of {material} in users' own stocks in {year}",
        "service_level": f"One tonne less than the service level for {item} in {price.scenario}{f' ({year})' if year else ''}",
        "diversification": f"One more tonne allowed beyond the diversification rule for {item} in {year}",
        "days_of_cover": f"One tonne less of required stock of {item} in {year}",
    }[price.price]
    unit = "million USD" if price.unit == "USD/USD" else "t"
    if price.beyond and abs(price.value) <= SMALL:
        given = "the total budget" if price.price == "total_budget" else "is appropriated"
        return f"{what} changes nothing: holding the opening stock already costs {price.beyond:,.4g} million USD more than {given}."
    if math.isinf(more):
        holds = "no matter how many more"
    elif more > 0:
        holds = f"valid for the next {_figures(more)} {unit}"
    else:
        holds = f"only at this point: the next unit {'is worth less' if price.value > 0 else 'costs more'}"
    return f"{what} {effect}, {holds}."


def _usd(value: float) -> str:
    """An amount with a unit that reads well."""
    return f"{value / USD_PER_MUSD:,.3g} million USD" if value >= 0.1 * USD_PER_MUSD else f"{_figures(value)} USD"


def _figures(value: float) -> str:
    """Three or four figures, never an exponent of a thousand or more."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:,.3g}"
