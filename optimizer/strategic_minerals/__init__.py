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
    from .analysis.alternatives import Alternatives, alternatives
    from .analysis.completeness import Completeness, complete
    from .analysis.designs import (
        Design,
        estimate_ranges,
        indices,
        latin_hypercube,
        loss_functions,
        morris,
        one_at_a_time,
        sobol,
    )
    from .analysis.diagnosis import Diagnosis, diagnose
    from .analysis.discovery import discover
    from .analysis.discovery_result import Discovery
    from .analysis.discovery_rows import event_features
    from .analysis.explain import Explanation, explain
    from .analysis.frontier import Frontier, frontier
    from .analysis.sweep import sweep
    from .analysis.sweep_result import Sweep
    from .api.checking import CheckReport, check
    from .api.own_models import build_model
    from .api.solving import solve
    from .api.verification import Verification, verify
    from .audit.audit import Audit, Residual
    from .audit.figures import Figures
    from .core.errors import (
        Fault,
        FaultsError,
        FormulationError,
        InfeasibleError,
        InputError,
        PlanError,
        ReserveError,
        SolveError,
        StoppedError,
        UntrustedError,
    )
    from .core.outcome import Outcome, Progress
    from .core.shipped import shipped
    from .data.csv_files import load_dataset
    from .data.dataset import Dataset
    from .data.load import load_members
    from .data.names import Names
    from .data.plan_file import load_plan
    from .data.promises import Promise
    from .data.together import joint_question
    from .data.together_homes import Taken
    from .evaluation.coalition_result import Coalitions
    from .evaluation.coalitions import coalitions
    from .evaluation.control_cases import ControlCases, control_cases
    from .evaluation.deals import Deals, deals
    from .evaluation.decide import decide
    from .evaluation.loss_replay import LossReplay, loss_replay
    from .evaluation.origin_costs import OriginCosts, origin_costs
    from .evaluation.published_requirements import PublishedRequirements, published_requirements
    from .evaluation.replay import replay_observed
    from .evaluation.reverse_stress import ReverseStress, reverse_stress
    from .evaluation.rule_comparison import RuleComparison, compare_rules
    from .evaluation.scenario_outlook import Outlook, scenario_outlook
    from .evaluation.stress_test import StressTest, stress_test
    from .evaluation.value_of_planning import Worth, value_of_planning
    from .model.named_model import add_term
    from .model.solution import Solution
    from .report.comparison import Comparison, compare
    from .report.plots import charts, write_report
    from .results.notes import Provenance
    from .results.result import Result
    from .results.run_folder import load_result, write_run
    from .results.study import Study
    from .rolling.files import DoneRow, HappenedRow, read_noted
    from .rolling.roll import roll
    from .rolling.rolled import Rolled
    from .rolling.simulate import simulate
    from .rolling.simulated import Simulation
    from .schemas.plan import Plan

_HOME = {
    "Alternatives": "analysis.alternatives",
    "Audit": "audit.audit",
    "CheckReport": "api.checking",
    "Coalitions": "evaluation.coalition_result",
    "Comparison": "report.comparison",
    "Completeness": "analysis.completeness",
    "ControlCases": "evaluation.control_cases",
    "Dataset": "data.dataset",
    "Deals": "evaluation.deals",
    "Design": "analysis.designs",
    "Diagnosis": "analysis.diagnosis",
    "Discovery": "analysis.discovery_result",
    "DoneRow": "rolling.files",
    "Explanation": "analysis.explain",
    "Fault": "core.errors",
    "FaultsError": "core.errors",
    "Figures": "audit.figures",
    "FormulationError": "core.errors",
    "Frontier": "analysis.frontier",
    "HappenedRow": "rolling.files",
    "InfeasibleError": "core.errors",
    "InputError": "core.errors",
    "LossReplay": "evaluation.loss_replay",
    "Names": "data.names",
    "OriginCosts": "evaluation.origin_costs",
    "Outcome": "core.outcome",
    "Outlook": "evaluation.scenario_outlook",
    "Plan": "schemas.plan",
    "PlanError": "core.errors",
    "Progress": "core.outcome",
    "Promise": "data.promises",
    "Provenance": "results.notes",
    "PublishedRequirements": "evaluation.published_requirements",
    "ReserveError": "core.errors",
    "Residual": "audit.audit",
    "Result": "results.result",
    "ReverseStress": "evaluation.reverse_stress",
    "Rolled": "rolling.rolled",
    "RuleComparison": "evaluation.rule_comparison",
    "Simulation": "rolling.simulated",
    "Solution": "model.solution",
    "SolveError": "core.errors",
    "StoppedError": "core.errors",
    "StressTest": "evaluation.stress_test",
    "Study": "results.study",
    "Sweep": "analysis.sweep_result",
    "Taken": "data.together_homes",
    "UntrustedError": "core.errors",
    "Verification": "api.verification",
    "Worth": "evaluation.value_of_planning",
    "add_term": "model.named_model",
    "alternatives": "analysis.alternatives",
    "build_model": "api.own_models",
    "charts": "report.plots",
    "check": "api.checking",
    "coalitions": "evaluation.coalitions",
    "compare": "report.comparison",
    "compare_rules": "evaluation.rule_comparison",
    "complete": "analysis.completeness",
    "control_cases": "evaluation.control_cases",
    "deals": "evaluation.deals",
    "decide": "evaluation.decide",
    "diagnose": "analysis.diagnosis",
    "discover": "analysis.discovery",
    "estimate_ranges": "analysis.designs",
    "event_features": "analysis.discovery_rows",
    "explain": "analysis.explain",
    "frontier": "analysis.frontier",
    "indices": "analysis.designs",
    "joint_question": "data.together",
    "latin_hypercube": "analysis.designs",
    "load_dataset": "data.csv_files",
    "load_members": "data.load",
    "load_plan": "data.plan_file",
    "load_result": "results.run_folder",
    "loss_functions": "analysis.designs",
    "loss_replay": "evaluation.loss_replay",
    "morris": "analysis.designs",
    "one_at_a_time": "analysis.designs",
    "origin_costs": "evaluation.origin_costs",
    "published_requirements": "evaluation.published_requirements",
    "read_noted": "rolling.files",
    "replay_observed": "evaluation.replay",
    "reverse_stress": "evaluation.reverse_stress",
    "roll": "rolling.roll",
    "scenario_outlook": "evaluation.scenario_outlook",
    "shipped": "core.shipped",
    "simulate": "rolling.simulate",
    "sobol": "analysis.designs",
    "solve": "api.solving",
    "stress_test": "evaluation.stress_test",
    "sweep": "analysis.sweep",
    "value_of_planning": "evaluation.value_of_planning",
    "verify": "api.verification",
    "write_report": "report.plots",
    "write_run": "results.run_folder",
}

__all__ = [
    "Alternatives",
    "Audit",
    "CheckReport",
    "Coalitions",
    "Comparison",
    "Completeness",
    "ControlCases",
    "Dataset",
    "Deals",
    "Design",
    "Diagnosis",
    "Discovery",
    "DoneRow",
    "Explanation",
    "Fault",
    "FaultsError",
    "Figures",
    "FormulationError",
    "Frontier",
    "HappenedRow",
    "InfeasibleError",
    "InputError",
    "LossReplay",
    "Names",
    "OriginCosts",
    "Outcome",
    "Outlook",
    "Plan",
    "PlanError",
    "Progress",
    "Promise",
    "Provenance",
    "PublishedRequirements",
    "ReserveError",
    "Residual",
    "Result",
    "ReverseStress",
    "Rolled",
    "RuleComparison",
    "Simulation",
    "Solution",
    "SolveError",
    "StoppedError",
    "StressTest",
    "Study",
    "Sweep",
    "Taken",
    "UntrustedError",
    "Verification",
    "Worth",
    "add_term",
    "alternatives",
    "build_model",
    "charts",
    "check",
    "coalitions",
    "compare",
    "compare_rules",
    "complete",
    "control_cases",
    "deals",
    "decide",
    "diagnose",
    "discover",
    "estimate_ranges",
    "event_features",
    "explain",
    "frontier",
    "indices",
    "joint_question",
    "latin_hypercube",
    "load_dataset",
    "load_members",
    "load_plan",
    "load_result",
    "loss_functions",
    "loss_replay",
    "morris",
    "one_at_a_time",
    "origin_costs",
    "published_requirements",
    "read_noted",
    "replay_observed",
    "reverse_stress",
    "roll",
    "scenario_outlook",
    "shipped",
    "simulate",
    "sobol",
    "solve",
    "stress_test",
    "sweep",
    "value_of_planning",
    "verify",
    "write_report",
    "write_run",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
