"""How a solve ended: its reason, objective, bound and gap, and what is known while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Reason = Literal[
    "optimal",
    "within_gap",
    "time_limit",
    "stalled",
    "interrupted",
    "out_of_memory",
    "infeasible",
    "unbounded",
    "failed",
]
"""stalled: the search ended incomplete because the solver gave no answer for some parts of it."""


@dataclass(frozen=True)
class Outcome:
    """Why a solve ended and how good its answer is. Differences to the reference plan without action; negative is better."""

    reason: Reason
    objective_musd: float | None
    """Z - Z0 [million USD]; None without a plan."""
    best_bound_musd: float | None
    """Lower bound on Z - Z0 [million USD]."""
    relative_gap: float | None
    """(objective - bound) / max(|objective|, discounted appropriation, 1 million USD)."""
    do_nothing_musd: float | None
    """Z0 [million USD]."""
    relaxed: bool = False
    """True: the linear relaxation, a bound and not a plan."""
    stages: tuple[tuple[str, float, float, float], ...] = ()
    """(stage, objective, bound, relative gap) of each stage of the objective, each against its value in Z0."""
    method: str = "flat"
    """`flat`, one model for all scenarios; `decomposed`, master and clusters of scenarios."""


@dataclass(frozen=True)
class Progress:
    """What is known while a solve runs."""

    phase: str
    seconds: float
    incumbent: float | None = None
    bound: float | None = None
    gap: float | None = None
    done: int | None = None
    of: int | None = None
    """Of work in parts: parts done, and in all."""


OnProgress = Callable[[Progress], Any]
"""Called now and then during a solve; returning True cancels it."""
