"""Shadow prices of the fixed linear program, in the planner's sign and unit.

Only the program with commitments fixed at the mixed-integer answer gives prices. They hold for those commitments
and for small changes. Every family is checked against a finite difference in the tests.

What is avoided is concave in any right-hand side, so a price is the most that one unit more brings: exactly that up to the next
kink, less beyond. At a kink itself (a degenerate basis) a price is one of the slopes between that of the unit before and that of
the unit after.

A limit on money is what the plan gives, and at least what holding the opening stock costs (`Instance.spendable`). Where that is
more, one more USD of the appropriation or of the total moves no limit and is worth nothing, whatever the dual of the row."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pandas as pd

from ..audit.accounts import open_accounts, social_cost
from ..audit.audit import audit
from ..audit.figures import figures_of
from ..audit.producers import path_data_of
from ..core.errors import Outcome, UntrustedError
from ..core.frames import Floats, whole
from ..core.logs import logger_of
from ..core.stats import BASELINE_COURSE, USD_PER_MUSD
from ..matrix.named import denominator
from ..matrix.own import OwnParts
from ..matrix.problem import Problem
from ..matrix.solution import Solution, extract
from ..model.sets import STAGES, TRUNK, main_aim
from ..solver.highs import Duals
from ..solver.highs import version as highs_version
from ..solver.optimise import Solved
from .notes import OWN_PARTS, objective_table, own_table
from .tables import PLANTS, build_tables

MONEY = ("total_budget", "contingent_liability", "cvar_limit", "expected_loss_limit")
PRICED = {
    *MONEY,
    *"stock_balance material_balance users_stock_balance service_level diversification days_of_cover".split(),
}
"""Constraints that have a published price, besides appropriations."""

COLUMNS = ["price", "item", "scenario", "period", "value", "unit", "meaning"]
SMALL = 1e-9

AVOIDED = "{aim} avoided, at most and with commitments as chosen, by"
MEANING = {
    name: f"{AVOIDED} {what}"
    for name, what in {
        "appropriation": "one more USD of this year's appropriation",
        "total_budget": "one more USD of total budget",
        "contingent_liability": "one more USD of this year's liability cap",
        "stock": "one more tonne put in store in this period without a disruption (negative where it is in the way)",
        "supply": "one more tonne delivered to users in this period and scenario, in that period's money",
        "users_stock": "one more tonne in users' own stock in this period and scenario, in that period's money",
        "service_level": "one tonne less of the service level",
        "diversification": "one more tonne allowed beyond the diversification rule",
        "days_of_cover": "one tonne less of required stock",
        "cvar_limit": "one more USD of CVaR allowed",
        "expected_loss_limit": "one more USD of expected loss allowed",
    }.items()
}
"""Families of prices and what one unit of each means, present values unless stated otherwise. All are reported so that
a binding requirement has a price >= 0. At most: a unit more brings the price up to the next kink, and less beyond."""


@dataclass(frozen=True)
class Price:
    """One published price."""

    price: str
    """Family in `MEANING`."""
    item: str
    scenario: str
    period: str
    value: float
    unit: str


def price_table(solved: Solved) -> pd.DataFrame:
    """All prices as one tidy table, counted in the plan's main aim; empty for a relaxed or stopped run."""
    duals, aim = solved.prices, main_aim(solved.problem.plan)
    if duals is None or solved.outcome.reason not in ("optimal", "within_gap"):
        return pd.DataFrame(columns=COLUMNS)
    rows = [
        [p.price, p.item, p.scenario, p.period, p.value, p.unit, MEANING[p.price].format(aim=aim)]
        for p in _priced(solved.problem, duals)
        if abs(p.value) > SMALL
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _priced(problem: Problem, duals: Duals) -> list[Price]:
    """Every price of a row that binds."""
    assembly, structure, natural = problem.assembly, problem.structure, problem.natural
    calendar, found = natural.calendar, _appropriations(problem, duals)
    local = [{r for r, (name, _) in enumerate(part.template.rows) if name in PRICED} for part in assembly.blocks]
    chosen = np.array([r in local[k] for k, r in zip(assembly.row_block, assembly.row_local, strict=True)], dtype=bool)
    for row in np.flatnonzero(chosen & (np.abs(duals.row) > SMALL)).tolist():
        name, key, component, number = assembly.row_name(row)
        dual = float(duals.row[row])
        if name == "total_budget":
            found.append(Price(name, "", "", "", 0.0 if natural.owed_beyond_in_all > 0 else -dual, "USD/USD"))
        elif name in MONEY:
            year = calendar.years[key] if key is not None else ""
            if year == "" or year in calendar.planned_years:
                found.append(Price(name, "", "", str(year), -dual, "USD/USD"))
        elif name == "service_level":
            scenario = structure.scenarios.names[structure.block_index[component].branches[number]]
            found.append(_of_promise(problem, key, scenario, dual))
        else:
            found += _of_period(problem, name, key, component, number, dual)
    return found


def _of_promise(problem: Problem, key: tuple[int, int], scenario: str, dual: float) -> Price:
    """Of a tonne short of a service level; key: (level, year or -1)."""
    levels, n = problem.natural.plan.service_levels, problem.natural
    level = levels[key[0]]
    alike = [k for k, other in enumerate(levels) if (other.material, other.segment) == (level.material, level.segment)]
    unit = float(problem.instance.material_unit[n.materials.index(level.material)])
    year = "" if key[1] < 0 else str(n.calendar.years[key[1]])
    item = _item(f"{level.material}, {level.segment}", alike, key[0])
    return Price("service_level", item, scenario, year, -dual * USD_PER_MUSD / unit, "USD/t")


def _of_period(problem: Problem, name: str, key: Any, c: int, number: int, dual: float) -> list[Price]:
    """Of a row of one component's operations; none where it is not one that is published."""
    structure, n = problem.structure, problem.natural
    blocks, shape, calendar = structure.block_index[c], structure.component_sets[c], n.calendar
    s, t = int(blocks.scenario[number]), int(blocks.period[number])
    scenario, period = (BASELINE_COURSE if s == TRUNK else structure.scenarios.names[s]), calendar.period_label(t)

    def per_tonne(price: str, item: str, i: int, value: float) -> list[Price]:
        unit = float(problem.instance.material_unit[i])
        return [Price(price, item, scenario, period, value * USD_PER_MUSD / unit, "USD/t")]

    if name == "diversification":
        rules = n.plan.diversification
        rule = rules[key]
        who = rule.country or rule.group
        alike = [k for k, r in enumerate(rules) if (r.material, r.country or r.group) == (rule.material, who)]
        return per_tonne(name, _item(f"{rule.material}: {who}", alike, key), n.materials.index(rule.material), -dual)
    if name == "days_of_cover":
        i = shape.cover[key][0]
        alike = [k for k, (other, _) in enumerate(shape.cover) if other == i]
        return per_tonne(name, _item(n.materials[i], alike, key), i, dual)
    if t >= calendar.planned:
        return []
    if name == "stock_balance" and s == TRUNK:
        return per_tonne("stock", n.materials[key], key, -dual)
    if STAGES[n.plan.objective.kind][0] != "social_cost":
        return []
    share = float(structure.trunk_weight[c, t] if s == TRUNK else structure.scenarios.probability[s])
    if name == "material_balance" and share > SMALL:
        return per_tonne("supply", n.materials[key], key, dual / (share * calendar.beta[t]))
    if name == "users_stock_balance" and s != TRUNK and share > SMALL:
        i, q = n.users[key]
        item = f"{n.materials[i]}, {n.demands[q][1] if q >= 0 else PLANTS}"
        return per_tonne("users_stock", item, i, dual / (share * calendar.beta[t]))
    return []


def _appropriations(problem: Problem, duals: Duals) -> list[Price]:
    """Of one more USD of each planned year's appropriation.

    It widens the year's budget unless more is owed already, and by its share what may be carried into the next year."""
    assembly, calendar, share = problem.assembly, problem.natural.calendar, problem.plan.budget.carry_over_share
    found = []
    for row in assembly.rows_of("budget").tolist():
        f = assembly.row_name(row).key
        value = 0.0 if problem.natural.owed_beyond[f] > 0 else -float(duals.row[row])
        if f < len(calendar.years) - 1:  # nothing is carried out of the last year
            column = int(assembly.commitments.columns("carry", f)[0])
            value -= share * min(0.0, float(duals.column[column]))
        if calendar.years[f] in calendar.planned_years:
            found.append(Price("appropriation", "", "", str(calendar.years[f]), value, "USD/USD"))
    return found


def _item(name: str, alike: list[int], n: int) -> str:
    """A rule's name, with its place in the plan where several rules are alike."""
    return name if len(alike) == 1 else f"{name}, rule {n + 1}"


# Parts of an answer that are read off a solved problem, and what made it.
def stages_of(solved: Solved) -> dict[str, tuple[float, float]]:
    """Aim -> (with the plan, without), penalties left out."""
    costs, parts = solved.costs, solved.problem.assembly.costs
    fined = sum(float(parts[name] @ solved.x) for name in ("penalty", "unfilled") if name in parts)
    names = [name for name, *_ in solved.outcome.stages]
    return {name: (float(costs[name] @ solved.x) - fined, float(costs[name] @ solved.z0)) for name in names}


def bounds_of(outcome: Outcome) -> dict[str, float]:
    """Aim -> bound of its difference to doing nothing, the last aim last."""
    return {name: bound for name, _, bound, _ in outcome.stages}


def versions() -> dict[str, str]:
    """Versions of what made the answer."""
    found = {"python": platform.python_version(), "highs": highs_version()}
    for name in ("strategic-minerals", "pyomo", "highspy", "numpy", "scipy", "pandas", "pydantic"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


# From a solved problem to the answer: decisions read, tables and words made, everything audited before anybody sees it.
LOG = logger_of(__name__)


def sizes_of(problem: Problem) -> dict[str, int]:
    """Sizes of a problem and of its matrix."""
    rows, columns, nonzeros = problem.assembly.shape
    return {
        "columns": columns,
        "rows": rows,
        "nonzeros": nonzeros,
        "binaries": int(problem.assembly.integer.sum()),
        "scenarios": len(problem.structure.scenarios.names),
        "periods": problem.natural.calendar.periods,
        "materials": len(problem.natural.materials),
    }


@dataclass(frozen=True)
class Read:
    """What a solve found, without its matrix: with many scenarios that is most of the memory, and the rest needs some too."""

    problem: Problem
    """Without its matrix."""
    outcome: Outcome
    points: list[Floats]
    """(columns,) the plan and the do-nothing reference; taken out as they are read."""
    prices: pd.DataFrame
    stated: float
    """Social cost, as the solver has it [million USD]."""
    stages: dict[str, tuple[float, float]]
    """Aim -> its figure with the plan and without, penalties left out, as the solver has them [million USD]."""
    counts: dict[str, int]
    own: pd.DataFrame | None = None
    """The table of own terms and constraints; None where nothing was added to the plan."""


def read(solved: Solved, own: OwnParts | None = None) -> Read:
    """Read what takes the matrix: duals, sizes, the aim. own: what was added to the plan. Raises as `own_table`."""
    added = own_table(solved, own) if own is not None and own.any else None
    if own is not None and own.terms:
        solved = _of_the_plan(solved, own)
    problem = solved.problem
    with problem.seconds.measure("extract"):
        prices = price_table(solved)
    sizes = sizes_of(problem if own is None else own.named.problem)
    counts = {**sizes, "iterations": solved.iterations, "nodes": solved.nodes}
    bare = replace(problem, assembly=problem.assembly.without_matrix())
    stated = float(solved.costs["social_cost"] @ solved.x)
    return Read(bare, solved.outcome, [solved.x, solved.z0], prices, stated, stages_of(solved), counts, added)


def _of_the_plan(solved: Solved, own: OwnParts) -> Solved:
    """Aims and outcome without what was added to the first aim; the bound is valid beside what that came to."""
    outcome, problem = solved.outcome, solved.problem
    (aim, objective, bound, _), *later = outcome.stages
    more = float(own.cost @ (solved.x - solved.z0))
    objective, bound = objective - more, bound - more
    first = (aim, objective, bound, (objective - bound) / denominator(problem, objective))
    last = first if not later else later[-1]
    costs = {**solved.costs, aim: solved.costs[aim] - own.cost}
    nothing = outcome.do_nothing_musd
    if nothing is not None and not later:
        nothing -= float(own.cost @ solved.z0)
    outcome = replace(outcome, do_nothing_musd=nothing, stages=(first, *later), relative_gap=max(0.0, last[3]))
    outcome = replace(outcome, objective_musd=last[1], best_bound_musd=last[2])
    return replace(solved, outcome=outcome, costs=costs)


def answer(read: Read, options: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a `Result`: the solution audited, the tables made; seconds are filled in by who measures them.

    Raises UntrustedError where the audit objects."""
    problem, stated = read.problem, read.stated

    def taken() -> Solution:
        return extract(problem.structure, problem.assembly, read.points.pop(0))

    with problem.seconds.measure("extract"):
        solution, reference = taken(), taken()
    with problem.seconds.measure("tables"):
        ours = path_data_of(problem)
        plan, nothing = open_accounts(problem, solution, ours, reference), open_accounts(problem, reference, ours)
        tables = build_tables(plan, nothing)
        tables["prices"] = read.prices
    with problem.seconds.measure("audit"):
        before = social_cost(problem, reference, nothing)
        after, end = social_cost(problem, solution, plan), problem.plan.horizon.first_year + problem.plan.horizon.years
        figures = figures_of(tables, read.outcome, read.stages, after, before, end)
        audited = audit(problem, solution, z0=reference, stated=figures, bounds=bounds_of(read.outcome), path_data=ours)
    LOG.info("audit: %s, %s", "passed" if audited.passed else "objects", audited.worst())
    if not read.outcome.relaxed and not audited.passed:
        raise UntrustedError(f"the audit objects: {audited.worst()}")
    if abs(audited.objective - stated) > 1e-7 * max(1.0, abs(stated)):
        raise UntrustedError(
            f"the audit finds {audited.objective:.6f} million USD where the solver states {stated:.6f}"
        )
    with problem.seconds.measure("tables"):
        tables["figures"] = figures.frame()
        tables["objective"] = objective_table(audited.parts, before, read.own)
        if read.own is not None:
            tables[OWN_PARTS] = read.own
        for name in list(tables):  # one at a time: the longest have a row for every producer, period and scenario
            tables[name] = whole(tables.pop(name))
    return {
        "plan": problem.plan,
        "data": problem.data,
        "outcome": read.outcome,
        "solution": solution,
        "reference": reference,
        "tables": tables,
        "objective_parts": audited.parts,
        "reference_parts": before,
        "audited": audited,
        "seconds": {},
        "counts": read.counts,
        "options": options,
        "versions": versions(),
    }
