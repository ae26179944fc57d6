"""Public functions that tie several rooms together: check a question, write the flat model, open a run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyomo.environ as pyo

from .audit import Audit
from .checks import check_data, require
from .compile import PYOMO_LOCK
from .dataset import Dataset
from .errors import Fault, FormulationError, PlanError
from .formulation.model import flat_model
from .layout import TRUNK
from .optimize import do_nothing, layout_of, objective_costs, prepare, trunk_shortfall_caps
from .plan import Plan
from .result import Result, solve
from .review import Provenance, doubtful, provenance, ranges, without_data
from .runfolder import load_result, write_run, write_unanswered

VERIFY_TOLERANCE = 1e-6
"""Relative difference that is rounding."""

REFERENCE_LIMIT_S = 3600.0
"""Seconds for the do-nothing reference of `build_model`."""


@dataclass(frozen=True)
class CheckReport:
    """What `check` found: faults that forbid a solve, notes that do not, ranges and provenance."""

    faults: tuple[Fault, ...]
    notes: tuple[str, ...]
    ranges: pd.DataFrame
    provenance: Provenance
    numeric: dict[str, tuple[float, float]]
    """Smallest and largest absolute value of matrix, costs, bounds and right-hand sides, in model units."""
    without_data: tuple[str, ...]
    """Minerals with published facts that no plan can use yet."""


def check(plan: Plan, data: Dataset) -> CheckReport:
    """Look at a plan and its tables without solving."""
    faults = check_data(plan, data)
    notes: list[str] = []
    numeric: dict[str, tuple[float, float]] = {}
    if not faults:
        try:
            notes = doubtful(plan, data)
            numeric = _numeric_ranges(plan, data)
        except PlanError as error:
            faults = [data.placed(fault) for fault in error.faults]
        except FormulationError as error:
            notes.append(f"numerically unsafe, would not be solved: {error}")
    return CheckReport(
        tuple(faults), tuple(notes), ranges(plan, data), provenance(plan, data), numeric, tuple(without_data(data))
    )


def _numeric_ranges(plan: Plan, data: Dataset) -> dict[str, tuple[float, float]]:
    """Ranges of the compiled model's numbers; zeros and infinities left out."""
    problem = prepare(plan, data)
    assembly = problem.assembly
    found = {
        "matrix": assembly.value,
        "costs": objective_costs(problem)["social_cost"],
        "bounds": np.concatenate([assembly.lower, assembly.upper]),
        "right-hand sides": np.concatenate([assembly.row_lower, assembly.row_upper]),
    }
    sizes = {name: np.abs(values[np.isfinite(values) & (values != 0)]) for name, values in found.items()}
    return {name: (float(size.min()), float(size.max())) for name, size in sizes.items() if len(size)}


@dataclass(frozen=True)
class Verification:
    """A stored result held against a second audit and a second solve."""

    audited: Audit
    stated: tuple[float, float]
    """(bound, objective) of the plan's main aim as stored [million USD]."""
    again: tuple[float, float]
    """The same, solved again."""
    objections: tuple[str, ...]


def verify(stored: Result) -> Verification:
    """Audit the stored decisions and solve again with the stored options.

    Both solves state an interval, [bound, objective], in which the optimum lies: the two must overlap. What the stored
    decisions cost, added up by the audit, must be the objective as stated.
    """
    audited, options = stored.audit(), stored.options
    again = solve(
        stored.plan, stored.data, gap=options["gap"], time_limit_s=options["time_limit_s"], relax=options["relax"],
        method=options.get("method", "auto"),
    )
    (_, z, low, _), (_, z_again, low_again, _) = stored.outcome.stages[0], again.outcome.stages[0]
    tolerance = VERIFY_TOLERANCE * max(abs(z), abs(z_again), 1.0)
    reached = audited.objective - (stored.outcome.do_nothing_musd or 0.0)
    objections = []
    if not (audited.passed or stored.outcome.relaxed):
        objections.append(f"the audit objects: {audited.worst()}")
    if abs(reached - (stored.outcome.objective_musd or 0.0)) > VERIFY_TOLERANCE * max(abs(audited.objective), 1.0):
        objections.append(f"the stored decisions reach {reached:,.6f}, not what is stated")
    if max(low, low_again) > min(z, z_again) + tolerance:
        objections.append("one solve's bound lies above the other's objective")
    return Verification(audited, (low, z), (low_again, z_again), tuple(objections))


def build_model(plan: Plan, data: Dataset) -> pyo.ConcreteModel:
    """The flat Pyomo model that `solve` solves: every period of the trunk and of every branch written out.

    For reading, extending, export (LP, MPS) or another solver. Tonnes are in model units (a power of ten a material),
    money in million USD. The first stage of the plan's aim is the active objective; `stages` names all in order, the
    later ones are there and inactive. Where the plan has diversification rules, the do-nothing reference is solved
    first: it caps shortfall on the trunk. Raises PlanError and InputError with every fault.
    """
    require(plan, data)
    layout, natural = layout_of(plan, data)
    with PYOMO_LOCK:
        model = flat_model(layout)
    if plan.diversification:
        problem = prepare(plan, data)
        z0 = do_nothing(problem, objective_costs(problem)["social_cost"], REFERENCE_LIMIT_S)
        for name, t, material, most in trunk_shortfall_caps(problem, z0).values():
            model.period[natural.components.index(name), TRUNK, t].shortfall_cap[material] = most
    return model


__all__ = ["CheckReport", "Verification", "build_model", "check", "load_result", "verify", "write_run", "write_unanswered"]
