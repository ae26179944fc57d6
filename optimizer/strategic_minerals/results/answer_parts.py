"""Parts of an answer that are read off a solved problem, and what made it."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from ..core.outcome import Outcome
from ..highs.runtime import version as highs_version
from ..optimization.optimise import Solved


def stages_of(solved: Solved) -> dict[str, tuple[float, float]]:
    """Aim -> (with the plan, without), penalties left out."""
    costs, penalty = solved.costs, solved.problem.assembly.costs.get("penalty")
    fined = 0.0 if penalty is None else float(penalty @ solved.x)
    return {
        name: (float(costs[name] @ solved.x) - fined, float(costs[name] @ solved.z0))
        for name, *_ in solved.outcome.stages
    }


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
