"""The do-nothing reference Z0 and what is measured against it (formulation section 7)."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np

from ..core.arrays import INF, Floats, Ints
from ..core.errors import UntrustedError
from ..core.logs import logger_of
from ..core.outcome import OnProgress
from ..decomposition.lshaped import LShaped
from ..highs.run import SolvedRun
from ..model.assembly import Assembly
from ..model.problem import Problem
from .fixed_lp import LEAST_CHECK_S
from .infeasibility import NO_POINT, no_answer
from .reference_ties import dearer, settled, settled_decomposed, with_tail
from .stages import FlatModel

LOG = logger_of(__name__)

REFERENCE_GAP = 1e-9
"""Relative gap to which a decomposed do-nothing reference is solved; the flat one is exact."""


RELAXED_IN_Z0 = (
    "service_level",
    "cvar_limit",
    "expected_loss_limit",
    "diversification",
    "trunk_shortfall",
    "days_of_cover",
    "project_logic",
)
"""Constraint families that the do-nothing reference leaves out."""


def solve_reference(
    problem: Problem,
    cost: Floats,
    time_limit_s: float,
    on_progress: OnProgress | None = None,
    solver: FlatModel | LShaped | None = None,
) -> Floats:
    """The reference Z0: no discretionary commitment, nothing bought, baseline projects built, operations optimised; the one of all
    that cost the same that `reference_ties` names.

    solver: has `reference_model` loaded; None: the flat model.
    """
    begin = time.perf_counter()
    assembly, structure = reference_model(problem), problem.structure
    solver = solver or FlatModel(assembly, cost, integer=False)
    run = problem.seconds.ran(
        "do nothing",
        solver.minimise(
            cost,
            None,
            gap=REFERENCE_GAP,
            absolute_gap=0.0,
            time_limit_s=time_limit_s,
            phase="do nothing",
            on_progress=on_progress,
        ),
    )
    if not isinstance(run, SolvedRun) or run.status != "optimal":
        if run.status in NO_POINT:
            raise UntrustedError(
                "the solver finds no point for doing nothing, which keeps every rule by construction: not trusted"
            )
        raise no_answer(replace(run, bound=-math.inf), problem, "the do-nothing reference", list, time_limit_s)

    def left() -> float:
        return max(LEAST_CHECK_S, time_limit_s - (time.perf_counter() - begin))

    if isinstance(solver, LShaped):
        x = settled_decomposed(solver, cost, run.x, left)
    else:
        x = settled(solver.face(cost, run), structure, assembly, lambda whole: whole, left)
    x = with_tail(structure, assembly, x)
    if dearer(cost, run.x, x):
        raise UntrustedError("the reference without a plan became dearer when its ties were broken")
    LOG.info("reference without a plan: social cost %.3f million USD", float(cost @ x))
    return x


def reference_model(problem: Problem) -> Assembly:
    """The model of doing nothing: decisions fixed, demands on the plan left out."""
    assembly, support = problem.assembly, problem.structure.support
    lower, upper = assembly.lower.copy(), assembly.upper.copy()
    row_lower, row_upper = assembly.row_lower.copy(), assembly.row_upper.copy()
    for family in RELAXED_IN_Z0:
        rows = assembly.rows_of(family)
        row_lower[rows], row_upper[rows] = -INF, INF
    zero = _decided(problem)
    root = assembly.commitments
    built = [
        int(root.columns("sign", o)[0])
        for o, option in enumerate(support.options)
        if support.baseline[option.project] and option.package.name == "none" and not option.market
    ]
    one = np.array(built, dtype=np.int64)
    zero = np.setdiff1d(zero, one)
    lower[zero], upper[zero], lower[one], upper[one] = 0.0, 0.0, 1.0, 1.0
    return replace(assembly, lower=lower, upper=upper, row_lower=row_lower, row_upper=row_upper)


def _decided(problem: Problem) -> Ints:
    """Columns that doing nothing leaves at zero: signatures, contracts, floors, and every purchase."""
    columns = [
        part.first_column + k + part.width * np.arange(part.count)
        for part in problem.assembly.blocks
        for k, (name, _) in enumerate(part.template.columns)
        if name in ("sign", "contract", "contract_signed", "floor", "acquisition", "sent", "received")
    ]
    return np.sort(np.concatenate(columns)) if columns else np.zeros(0, dtype=np.int64)


def cap_trunk_shortfall(problem: Problem, z0: Floats) -> Problem:
    """The problem with trunk shortfall of diversified materials held at that of Z0; the one given stays as it is."""
    row_upper = problem.assembly.row_upper.copy()
    for row, (*_, most) in trunk_shortfall_caps(problem, z0).items():
        row_upper[row] = most
    return replace(problem, assembly=replace(problem.assembly, row_upper=row_upper))


def trunk_shortfall_caps(problem: Problem, z0: Floats) -> dict[int, tuple[str, int, int, float]]:
    """Row -> (component, period, material, cap): trunk shortfall of diversified materials in Z0, with a hair's room."""
    assembly, caps = problem.assembly, {}
    for row in assembly.rows_of("trunk_shortfall"):
        entries = slice(assembly.start[row], assembly.start[row + 1])
        short = float(assembly.value[entries] @ z0[assembly.index[entries]])
        _, material, component, period = assembly.row_name(int(row))
        reach = problem.structure.reach[problem.structure.instance.component[material]]
        if period < len(reach) and reach[period] > 0:  # instances of the trunk come first
            most = min(float(assembly.row_upper[row]), max(0.0, short) + 1e-6)
            caps[int(row)] = (problem.natural.components[component], period, material, most)
    return caps
