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
    from .api import build_model, check, load_result, verify, write_run
    from .bounds import sampling_gap
    from .completeness import complete
    from .dataset import Dataset, load_dataset
    from .designs import Design, indices
    from .diagnosis import diagnose
    from .errors import (
        Fault,
        FormulationError,
        InfeasibleError,
        InputError,
        PlanError,
        ReserveError,
        SolveError,
        StoppedError,
        UntrustedError,
    )  # fmt: skip
    from .library import shipped
    from .near_optimal import alternatives
    from .optimize import Outcome
    from .outlook import scenarios
    from .plan import Plan
    from .plan_file import load_plan
    from .reasons import explain
    from .result import Result, solve
    from .reverse import reverse_stress
    from .stress import stress_test
    from .sweeps import sweep
    from .tradeoff import frontier
    from .worth import value_of_planning

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
