"""What tables of results share: frames with their columns typed, and the names of paths."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..core.arrays import Floats
from ..core.words import BASELINE_COURSE
from ..model.problem import Problem
from ..model.solution import Solution

LEAST_SHARE = 1e-9
"""Of a demand, the same where it is a matter of grams."""


def frame(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=columns)


def use_of(problem: Problem, solution: Solution, path: int = 0) -> Floats:
    """(I, T) what home users and home plants use of each material [t per period]: demand and inputs of production."""
    n = problem.natural
    used = np.zeros((len(n.materials), n.calendar.periods))
    np.add.at(used, n.demand_material, n.demand)
    inputs = np.where(n.home[:, None], np.maximum(-n.yields, 0.0), 0.0)
    return np.asarray(used + inputs.T @ (solution.output[path] + solution.reserve_output[path]), dtype=float)


def named_paths(problem: Problem) -> list[tuple[int, str]]:
    return [(0, BASELINE_COURSE), *((s + 1, name) for s, name in enumerate(problem.structure.scenarios.names))]


def path_labels(problem: Problem) -> list[str]:
    calendar = problem.natural.calendar
    return [calendar.period_label(t) for t in range(calendar.periods)]
