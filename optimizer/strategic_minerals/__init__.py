"""Plan a strategic mineral reserve: stockpiles, friend-shored sources and price floors, decided together.

The public names load on first use, so that importing the package stays quick.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if not __debug__:
    sys.stderr.write("strategic-minerals does not run under python -O, -OO or PYTHONOPTIMIZE, which take its own checks away.\n")
    raise SystemExit(2)

if TYPE_CHECKING:
    from .analysis.alternatives import alternatives
    from .analysis.completeness import complete
    from .analysis.designs import Design, indices
    from .analysis.diagnosis import diagnose
    from .analysis.explain import explain
    from .analysis.frontier import frontier
    from .analysis.sweep import sweep
    from .api.checking import build_model, check
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
    from .core.shipped import shipped
    from .data.dataset import Dataset, load_dataset
    from .data.plan_file import load_plan
    from .evaluation.reverse_stress import reverse_stress
    from .evaluation.sampling_gap import sampling_gap
    from .evaluation.scenario_outlook import scenarios
    from .evaluation.stress_test import stress_test
    from .evaluation.value_of_planning import value_of_planning
    from .model.problem import Outcome
    from .results.result import Result, solve
    from .results.run_folder import load_result, write_run
    from .schemas.plan import Plan

_HOME = {
    "Dataset": "dataset", "Fault": "errors", "FormulationError": "errors", "InfeasibleError": "errors", "InputError": "errors",
    "Outcome": "optimize", "Plan": "plan", "PlanError": "errors", "ReserveError": "errors", "Result": "result",
    "SolveError": "errors", "StoppedError": "errors", "UntrustedError": "errors", "build_model": "api", "check": "api",
    "Design": "designs", "alternatives": "near_optimal", "complete": "completeness", "diagnose": "diagnosis", "explain": "reasons",
    "frontier": "tradeoff", "indices": "designs", "load_dataset": "dataset", "load_plan": "plan_file", "load_result": "api",
    "reverse_stress": "reverse", "sampling_gap": "bounds", "scenarios": "outlook", "shipped": "library", "solve": "result",
    "stress_test": "stress", "sweep": "sweeps",
    "value_of_planning": "worth", "verify": "api", "write_run": "api",
}  # fmt: skip

__all__ = [
    "Dataset", "Design", "Fault", "FormulationError", "InfeasibleError", "InputError", "Outcome", "Plan", "PlanError",
    "ReserveError", "Result", "SolveError", "StoppedError", "UntrustedError", "alternatives", "build_model", "check", "complete",
    "diagnose", "explain", "frontier", "indices", "load_dataset", "load_plan", "load_result", "reverse_stress", "sampling_gap",
    "scenarios", "shipped", "solve", "stress_test", "sweep", "value_of_planning", "verify", "write_run",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
