"""Error of planning with few scenarios: a statistical lower bound and an upper bound on the best plan's cost.

Plans for independent samples are too optimistic on average, so the mean of their bounds lies below the least social cost that
any plan has over all scenarios (Mak, Morton and Wood 1999); the cost of a plan in new scenarios lies above it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from ..api.solving import solve
from ..core.errors import UntrustedError
from ..core.outcome import Outcome
from ..core.parallel import workforce
from ..data.dataset import Dataset
from ..model.solution import Solution
from ..results.study import StudyResult
from ..schemas.plan import Plan
from .replicates import interval
from .stress_test import drawn_in_all, refused, replicates

Interval = tuple[float, float, float]
"""Estimate, low, high [million USD]."""


@dataclass(frozen=True)
class SamplingGap(StudyResult):
    """Bounds on the social cost of the best plan over all scenarios, with a level of confidence."""

    lower: Interval
    upper: Interval
    """Upper bound: cost of the plan itself, made with its own sample and scenario reduction."""
    gap: Interval
    """Upper less lower: one-sided ends of both, so that it holds with at least the confidence stated."""
    confidence: float
    samples: int
    scenarios: int
    fresh: int

    kind: ClassVar[str] = "bounds"
    titles: ClassVar[Mapping[str, str]] = {"bounds": "Bounds"}

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """bounds: `frame()`."""
        return {"bounds": self.frame()}

    @property
    def facts(self) -> Mapping[str, Any]:
        """confidence; samples, and scenarios in each; fresh: scenarios drawn for the upper bound."""
        return {
            "confidence": self.confidence,
            "samples": self.samples,
            "scenarios": self.scenarios,
            "fresh": self.fresh,
        }

    def frame(self) -> pd.DataFrame:
        """One row each for the lower bound, the upper bound and the gap."""
        rows = [("lower", *self.lower), ("upper", *self.upper), ("gap", *self.gap)]
        return pd.DataFrame(rows, columns=["figure", "estimate_musd", "low_musd", "high_musd"])

    def summary(self) -> str:
        """The bounds as text."""
        return (
            f"SAMPLING GAP: how much worse this plan, made with few scenarios, may be than the best plan (expected social cost, "
            f"losses included, in million USD; {self.confidence:.0%} confidence; {self.samples} samples of {self.scenarios} "
            f"scenarios, {self.fresh:,} new random scenarios). The best plan costs at least "
            f"{self.lower[1]:,.0f}; this plan costs {self.upper[0]:,.0f} (at most {self.upper[2]:,.0f}), so it is at most "
            f"{self.gap[2]:,.0f} worse than the best."
        )


def unbounded(plan: Plan) -> str:
    """Why these bounds do not apply to a plan; empty if they do."""
    if plan.sample is None:
        return "a plan with sampled scenarios: add a [sample] section, as the shipped plan rare-earths has it"
    limited = plan.risk.cvar_limit_musd is not None or plan.risk.expected_loss_limit_musd is not None
    if plan.objective.kind != "social_cost" or limited:
        return "bounds are for plans that minimise social cost, without a limit on losses"
    return refused(plan) or (
        "bounds are for plans without a weight on CVaR, which is not the cost of a single scenario"
        if plan.risk.cvar_weight > 0
        else ""
    )


def sampling_gap(
    plan: Plan,
    data: Dataset,
    *,
    samples: int = 5,
    fresh: int = 1_000,
    seed: int = 1,
    gap: float = 1e-3,
    time_limit_s: float = 3600.0,
    confidence: float = 0.95,
    workers: int = 1,
    executor: Executor | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> SamplingGap:
    """Solve the plan, and the same question for independent samples of scenarios; evaluate the plan in new scenarios.

    samples: how many, two or more, drawn unreduced with `sample.scenarios` each; their bounds are the lower one. fresh:
    scenarios drawn in all to meet the plan with; its cost there is the upper bound. seed: of samples and fresh scenarios.
    gap: relative optimality gap of every solve (0.001: 0.1 %). time_limit_s: wall-clock seconds for each solve. confidence:
    of the intervals (0.95: 95 %). workers: spawned processes; 1: this one. executor: takes their place; None: none.
    on_progress: called with parts done, and in all.

    Raises ValueError for plans without a sample or of another aim than social cost (a weight on CVaR is a part of the aim
    that fresh scenarios cannot add up), and for less than two samples; PlanError, InputError and SolveError as `solve`;
    UntrustedError where the bounds contradict each other.
    """
    reason = unbounded(plan)
    if reason or plan.sample is None:
        raise ValueError(reason)
    if samples < 2:
        raise ValueError("an interval needs at least two samples")
    seeds = [int(s) for s in np.random.SeedSequence(seed).generate_state(samples)]
    drawn = [
        plan.model_copy(update={"sample": plan.sample.model_copy(update={"seed": s, "draws": None})}) for s in seeds
    ]
    asked = [(one, data, gap, time_limit_s) for one in (plan, *drawn)]
    solved: list[tuple[Outcome, Solution]] = []
    with workforce(executor, workers) as map_over:
        for answer in map_over(_solved, asked):
            solved.append(answer)
            if on_progress is not None:
                on_progress(len(solved), samples + 2)
    bounds = []
    for outcome, _ in solved[1:]:
        if outcome.best_bound_musd is None or outcome.do_nothing_musd is None:
            raise ValueError("the solve of a sample stopped before it found a bound: raise the time limit")
        bounds.append(outcome.best_bound_musd + outcome.do_nothing_musd)
    recourse = replicates(
        plan, data, [(solved[0][1], False)], scenarios=fresh, seed=seed + 1, workers=workers, executor=executor
    )
    costs = [float(scenarios.probability @ met_by.cost) + met_by.penalties for scenarios, (met_by,) in recourse]
    lower, upper = interval(bounds, confidence), interval(costs, confidence)
    if upper[2] < lower[1] - 1e-6 * abs(lower[1]):
        raise UntrustedError(
            f"bounds contradict each other: at least {lower[1]:,.6g}, at most {upper[2]:,.6g} million USD"
        )
    between = (upper[0] - lower[0], max(0.0, upper[1] - lower[2]), upper[2] - lower[1])
    return SamplingGap(lower, upper, between, confidence, samples, plan.sample.scenarios, drawn_in_all(fresh))


def _solved(asked: tuple[Plan, Dataset, float, float]) -> tuple[Outcome, Solution]:
    """Outcome and decisions of one plan."""
    plan, data, gap, time_limit_s = asked
    result = solve(plan, data, gap=gap, time_limit_s=time_limit_s)
    return result.outcome, result.solution
