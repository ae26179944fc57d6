"""Public functions that tie several rooms together: check a question, open a run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..checks.consistency import check_data
from ..checks.shared_sources import oversold
from ..core.errors import Fault, FormulationError, PlanError
from ..core.format import FORMAT
from ..core.frames import plainly, records
from ..data.dataset import Dataset
from ..model.objectives import objective_costs
from ..model.problem import prepare
from ..results.notes import Provenance, doubtful, provenance, ranges, without_data
from ..schemas.plan import Plan


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

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: schema_version, kind, then faults, notes, counts of facts and estimates, ranges, the widest estimates."""
        counted = self.provenance
        told = {
            "schema_version": FORMAT,
            "kind": "check",
            "faults": [asdict(fault) for fault in self.faults],
            "facts": counted.facts,
            "estimates": counted.estimates,
            "by_table": counted.by_table,
            "widest": records(counted.widest),
            "numbers": self.numeric,
            "ranges": records(self.ranges),
            "minerals_without_data": self.without_data,
            "notes": self.notes,
        }
        return dict(plainly(told))


def check(plan: Plan, data: Dataset) -> CheckReport:
    """Check a plan and its tables without solving: faults, doubts, ranges of figures, how many of them are estimates.

    What is wrong is in the report's `faults`, with its place, and so is a model that would not be compiled, among the
    `notes`. Raises nothing for a plan and tables that could be read, whatever they say.
    """
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


def oversold_sources(folder: Path) -> list[str]:
    """Where the homes of a folder of tables together count on more of a plant than it makes, in words; empty for one home alone.

    Raises InputError where the tables of a home are faulty.
    """
    return [str(fault) for fault in oversold(folder)]


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
