"""Plan a strategic mineral reserve: stockpiles, friend-shored sources and price floors, decided together.

The public names load on first use, so that importing the package stays quick.
"""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if not __debug__:
    sys.stderr.write(
        "strategic-minerals does not run under python -O, -OO or PYTHONOPTIMIZE, which take its own checks away.\n"
    )
    raise SystemExit(2)

logging.getLogger(__name__).addHandler(logging.NullHandler())  # silent unless whoever calls listens

if TYPE_CHECKING:
    from .analysis.alternatives import alternatives
    from .analysis.completeness import complete
    from .analysis.designs import Design, indices
    from .analysis.diagnosis import diagnose
    from .analysis.explain import explain
    from .analysis.frontier import frontier
    from .analysis.sweep import sweep
    from .api.checking import build_model, check
    from .api.solving import solve
    from .api.verification import verify
    from .core.errors import (
        Fault,
        FormulationError,
        InfeasibleError,
        InputError,
        PlanError,
        ReserveError,
        SolveError,
        StoppedError,
        UntrustedError,
    )
    from .core.outcome import Outcome
    from .core.shipped import shipped
    from .data.csv_files import load_dataset
    from .data.dataset import Dataset
    from .data.plan_file import load_plan
    from .evaluation.reverse_stress import reverse_stress
    from .evaluation.sampling_gap import sampling_gap
    from .evaluation.scenario_outlook import scenario_outlook
    from .evaluation.stress_test import stress_test
    from .evaluation.value_of_planning import value_of_planning
    from .results.result import Result
    from .results.run_folder import load_result, write_run
    from .schemas.plan import Plan

_HOME = {
    "Dataset": "data.dataset",
    "Design": "analysis.designs",
    "Fault": "core.errors",
    "FormulationError": "core.errors",
    "InfeasibleError": "core.errors",
    "InputError": "core.errors",
    "Outcome": "core.outcome",
    "Plan": "schemas.plan",
    "PlanError": "core.errors",
    "ReserveError": "core.errors",
    "Result": "results.result",
    "SolveError": "core.errors",
    "StoppedError": "core.errors",
    "UntrustedError": "core.errors",
    "alternatives": "analysis.alternatives",
    "build_model": "api.checking",
    "check": "api.checking",
    "complete": "analysis.completeness",
    "diagnose": "analysis.diagnosis",
    "explain": "analysis.explain",
    "frontier": "analysis.frontier",
    "indices": "analysis.designs",
    "load_dataset": "data.csv_files",
    "load_plan": "data.plan_file",
    "load_result": "results.run_folder",
    "reverse_stress": "evaluation.reverse_stress",
    "sampling_gap": "evaluation.sampling_gap",
    "scenario_outlook": "evaluation.scenario_outlook",
    "shipped": "core.shipped",
    "solve": "api.solving",
    "stress_test": "evaluation.stress_test",
    "sweep": "analysis.sweep",
    "value_of_planning": "evaluation.value_of_planning",
    "verify": "api.verification",
    "write_run": "results.run_folder",
}

__all__ = [
    "Dataset",
    "Design",
    "Fault",
    "FormulationError",
    "InfeasibleError",
    "InputError",
    "Outcome",
    "Plan",
    "PlanError",
    "ReserveError",
    "Result",
    "SolveError",
    "StoppedError",
    "UntrustedError",
    "alternatives",
    "build_model",
    "check",
    "complete",
    "diagnose",
    "explain",
    "frontier",
    "indices",
    "load_dataset",
    "load_plan",
    "load_result",
    "reverse_stress",
    "sampling_gap",
    "scenario_outlook",
    "shipped",
    "solve",
    "stress_test",
    "sweep",
    "value_of_planning",
    "verify",
    "write_run",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
