"""From a solved problem to the answer: decisions read, tables and words made, everything audited before anybody sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from ..audit.accounts import social_cost
from ..audit.audit import audit
from ..audit.figures import figures_of
from ..core.arrays import Floats
from ..core.errors import UntrustedError
from ..core.frames import whole
from ..core.logs import logger_of
from ..core.outcome import Outcome
from ..model.objectives import denominator
from ..model.own_parts import OwnParts
from ..model.problem import Problem
from ..model.solution import Solution, extract, signatures
from ..optimization.optimise import Solved
from .answer_parts import bounds_of, stages_of, versions
from .own_table import OWN_PARTS, own_table, with_own_lines
from .prices import price_table
from .tables import build_tables, with_residual_at_zero

LOG = logger_of(__name__)


def sizes_of(problem: Problem) -> tuple[int, int, int, int, int]:
    """Rows, columns, nonzeros, integers, scenarios."""
    return *problem.assembly.shape, int(problem.assembly.integer.sum()), len(problem.structure.scenarios.names)


@dataclass(frozen=True)
class Read:
    """What a solve found, once its matrix is gone: with many scenarios that is most of the memory, and what follows needs some
    too."""

    problem: Problem
    """Without its matrix."""
    outcome: Outcome
    points: list[Floats]
    """(columns,) the plan, the do-nothing reference, and where they were solved the plan's operations at undisturbed prices; taken
    out as they are read."""
    signed_without_residual: Floats | None
    """(options,)"""
    prices: pd.DataFrame
    stated: float
    """Social cost, as the solver has it [million USD]."""
    stages: dict[str, tuple[float, float]]
    """Aim -> its figure with the plan and without, penalties left out, as the solver has them [million USD]."""
    counts: dict[str, int]
    own: pd.DataFrame | None = None
    """As `own_table.own_table`; None where nothing was added to the plan."""


def read(solved: Solved, own: OwnParts | None = None, solver: str = "", found: str = "") -> Read:
    """Read what takes the matrix: duals, sizes, the aim. own: what was added to the plan. solver, found: as `own_table`, which
    raises what this raises."""
    added = own_table(solved, own, solver, found) if own is not None and (own.any or solver) else None
    if own is not None and own.terms:
        solved = _of_the_plan(solved, own)
    problem, other = solved.problem, solved.without_residual
    with problem.seconds.measure("extract"):
        prices = price_table(solved)
    rows, columns, nonzeros, integers, scenarios = sizes_of(problem if own is None else own.named.problem)
    counts = {
        "columns": columns,
        "rows": rows,
        "nonzeros": nonzeros,
        "binaries": integers,
        "scenarios": scenarios,
        "periods": problem.natural.calendar.periods,
        "materials": len(problem.natural.materials),
        "iterations": solved.iterations,
        "nodes": solved.nodes,
    }
    bare = replace(problem, assembly=problem.assembly.without_matrix())
    stated = float(solved.costs["social_cost"] @ solved.x)
    signed = None if other is None else signatures(problem.assembly, other)
    points = [solved.x, solved.z0, *([] if solved.undisturbed is None else [solved.undisturbed])]
    return Read(bare, solved.outcome, points, signed, prices, stated, stages_of(solved), counts, added)


def _of_the_plan(solved: Solved, own: OwnParts) -> Solved:
    """Aims and outcome without what was added to the first aim; the bound holds beside what it came to."""
    outcome, problem = solved.outcome, solved.problem
    (aim, objective, bound, _), *later = outcome.stages
    more = float(own.cost @ (solved.x - solved.z0))
    objective, bound = objective - more, bound - more
    first = (aim, objective, bound, (objective - bound) / denominator(problem, objective))
    last = first if not later else later[-1]
    stages = (first, *later)
    costs = {**solved.costs, aim: solved.costs[aim] - own.cost}
    nothing = outcome.do_nothing_musd
    if nothing is not None and not later:
        nothing -= float(own.cost @ solved.z0)
    told = replace(
        outcome,
        do_nothing_musd=nothing,
        objective_musd=last[1],
        best_bound_musd=last[2],
        relative_gap=max(0.0, last[3]),
        stages=stages,
    )
    return replace(solved, outcome=told, costs=costs)


def answer(read: Read, options: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a `Result`: the solution audited, the tables made; seconds are filled in by who measures them.

    Raises UntrustedError where the audit objects.
    """
    problem, stated = read.problem, read.stated

    def taken() -> Solution:
        return extract(problem.structure, problem.assembly, read.points.pop(0))

    with problem.seconds.measure("extract"):
        solution, reference = taken(), taken()
        other = taken() if read.points else None
    with problem.seconds.measure("tables"):
        tables = build_tables(problem, solution, reference, other)
        tables["projects"] = with_residual_at_zero(problem, tables["projects"], read.signed_without_residual)
        tables["prices"] = read.prices
    with problem.seconds.measure("audit"):
        before = social_cost(problem, reference)
        figures = figures_of(
            tables,
            read.outcome,
            read.stages,
            social_cost(problem, solution),
            before,
            problem.plan.horizon.first_year + problem.plan.horizon.years,
        )
        audited = audit(problem, solution, z0=reference, stated=figures, bounds=bounds_of(read.outcome))
    LOG.info("audit: %s, %s", "passed" if audited.passed else "objects", audited.worst())
    if not read.outcome.relaxed and not audited.passed:
        raise UntrustedError(f"the audit objects: {audited.worst()}")
    if abs(audited.objective - stated) > 1e-7 * max(1.0, abs(stated)):
        raise UntrustedError(
            f"the audit finds {audited.objective:.6f} million USD where the solver states {stated:.6f}"
        )
    with problem.seconds.measure("tables"):
        tables["figures"] = figures.frame()
        tables["objective"] = pd.DataFrame({"part": list(audited.parts), "plan_musd": list(audited.parts.values())})
        tables["objective"]["do_nothing_musd"] = [before[name] for name in audited.parts]
        if read.own is not None:
            tables[OWN_PARTS] = read.own
            tables["objective"] = with_own_lines(tables["objective"], read.own)
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
        "profile": pd.DataFrame(),
        "counts": read.counts,
        "options": options,
        "versions": versions(),
    }
