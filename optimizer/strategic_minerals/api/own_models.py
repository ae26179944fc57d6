"""The model in the hands of its user: written out by name, extended by a function, solved by whichever solver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyomo.environ as pyo

from ..checks.consistency import require
from ..core.arrays import Floats
from ..core.errors import InfeasibleError
from ..core.logs import logger_of
from ..data.dataset import Dataset
from ..model.named_model import NamedMatrix, named_model
from ..model.own_checks import untouched_rows
from ..model.own_parts import OwnParts, own_parts
from ..model.problem import Problem, prepare
from ..model.template import PYOMO_LOCK
from ..optimization.infeasibility import missed_rows
from ..optimization.protocol import with_reference
from ..schemas.plan import Plan

REFERENCE_LIMIT_S = 3600.0
"""Seconds for the do-nothing reference of `build_model`."""

MOST_BLAMED = 5
"""Constraints that an error names."""
LOG = logger_of(__name__)

Extend = Callable[[pyo.ConcreteModel], Any]
"""Adds to the model of `build_model`: variables, linear constraints, terms by `add_term`."""


def build_model(plan: Plan, data: Dataset) -> pyo.ConcreteModel:
    """The model that `solve` solves, in Pyomo: in tonnes and million USD, every index a name.

    `stock["ndfeb_magnet", "base", 2030]` is the stock [t] at the end of 2030 on the baseline course; where a scenario has left that
    course its name stands in place of `base`. `sign["vulcan_benson", "loan", 2029]` is 0 or 1. A period is the fiscal year, or text
    such as `2030.2` where years have several. The active objective [million USD] is that of the plan's first aim, as a difference
    to doing nothing: at the optimum `Result.outcome.objective_musd`. `stages` names all aims in order, the later ones inactive.

    For reading (`pprint`), export (`write`, LP and MPS), `solve(extend=...)`, or another solver and `Result.from_model`. The
    do-nothing reference is solved first.

    Raises PlanError and InputError with every fault; SolveError and UntrustedError where that reference has no answer.
    """
    require(plan, data)
    problem, z0 = with_reference(prepare(plan, data), REFERENCE_LIMIT_S)
    with PYOMO_LOCK:
        return named_model(problem, z0)


def extended(problem: Problem, extend: Extend, time_limit_s: float) -> tuple[OwnParts, Floats]:
    """(what a function has added to the model of a problem, doing nothing: (columns,)).

    Doing nothing has none of it. Raises InputError as `own_parts`.
    """
    problem, z0 = with_reference(problem, time_limit_s)
    with PYOMO_LOCK:
        model = named_model(problem, z0)
        made = untouched_rows(NamedMatrix(problem), model)
        extend(model)
        own = own_parts(problem, model, z0, made)
    if not own.any:
        LOG.warning(
            "the function has added nothing to the model that it was given: it changes that model, and returns nothing"
        )
    return own, np.append(z0, np.zeros(len(own.added)))


def blamed(error: InfeasibleError, own: OwnParts, relax: bool, time_limit_s: float) -> InfeasibleError:
    """The same error with the names of constraints that were added and that, missed, would leave the rest a plan."""
    missed = set(missed_rows(own.problem, relax, time_limit_s).tolist())
    names = [row.name for row in own.rows if row.row in missed]
    if not names:
        return error
    told = ", ".join(names[:MOST_BLAMED]) + f" and {len(names) - MOST_BLAMED} more" * (len(names) > MOST_BLAMED)
    joined = f"{error}, and what was asked for beside the plan: {told}" if error.culprits else f"{error}: {told}"
    return InfeasibleError(joined, error.outcome, error.culprits)
