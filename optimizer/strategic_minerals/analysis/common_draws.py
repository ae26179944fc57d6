"""What plans of variants are worth in the same new scenarios, so that a difference between two of them can be told from luck.

Each plan was made with a few scenarios of its own and is flattered by them. Here every one meets the same independent samples, kept
whole; a difference is a mean over samples with its standard error (common random numbers; formulation section 16).
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ..core.errors import Fault, PlanError
from ..core.runner import current
from ..core.sample_statistics import estimated
from ..model.problem import Problem, prepare
from ..model.solution import Solution, trunk_alone
from ..optimization.sample_search import SampleSearch, sample_seeds, unbounded, whole_sample
from ..schemas.plan import Plan

SAMPLES = 10
"""Independent samples: their spread is the standard error."""
CONFIDENCE = 0.95
APART = 0xC0
"""What tells seeds of these samples from those of plans and of tests."""
WORTHS = "worths"
"""Where a row carries what its plan saves in each sample."""
DIFFERENCES = {
    "fresh_worth_musd": "what the plan saves against doing nothing in new scenarios, the same for all points",
    "fresh_worth_error_musd": "its standard error",
    "difference_musd": "what it saves more there than the plan of the question as it stands",
    "difference_error_musd": "its standard error: both plans meet the same scenarios",
    "difference_low_musd": "lower end of its 95 % interval",
    "difference_high_musd": "upper end",
    "told": "whether the samples can tell the difference from none, and from what the search has left open",
}
"""What is told of a point beside its own answer."""


def require_scored(plan: Plan, scenarios: int, relax: bool) -> None:
    """Raise PlanError where no plan can be scored in new scenarios."""
    wanted = [
        (str(scenarios), scenarios >= SAMPLES, f"0, or at least {SAMPLES}: a scenario in each of {SAMPLES} samples"),
        ("a plan without 'sample'", plan.sample is not None, "a plan that draws scenarios, or 0"),
        ("relaxations", not relax, "plans, or 0: a relaxation is none"),
        (str(scenarios), not unbounded(plan), f"0: {unbounded(plan)}"),
    ]
    faults = [Fault("sweep", "", "fresh_scenarios", found, said) for found, right, said in wanted if not right]
    if faults:
        raise PlanError(faults)


class CommonDraws:
    """The samples, kept from one variant to the next: what a change leaves as it is need not be built again."""

    def __init__(self, scenarios: int) -> None:
        """scenarios: in all samples together."""
        self._each = scenarios // SAMPLES
        self._built: list[Problem | None] = [None] * SAMPLES

    def worths(self, problem: Problem, solution: Solution, reference: Solution) -> list[float]:
        """What a plan saves against doing nothing in each of the samples [million USD]; none where its aim is one that samples say
        nothing of.

        problem: the plan's own; the seeds of the samples follow from its seed. Raises UntrustedError as `SampleSearch`.
        """
        if unbounded(problem.plan) or problem.plan.sample is None:
            return []
        deadline = time.perf_counter() + current().left()
        found = []
        for k, seed in enumerate(sample_seeds(problem.plan.sample.seed, SAMPLES, APART)):
            built = prepare(whole_sample(problem.plan, seed, self._each), problem.data, self._built[k] or problem)
            self._built[k] = built
            search = SampleSearch(built, reference, deadline=deadline)
            found.append(search.nothing.social_cost - search.cost_of(trunk_alone(solution)).social_cost)
        return found


def with_differences(rows: Sequence[Mapping[str, Any]], base: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Rows with `DIFFERENCES` in place of what their plans save in each sample. base: the row of the question as it stands."""
    of_base = None if base is None else base.get(WORTHS)
    told = []
    for row in rows:
        mine, kept = row.get(WORTHS), {name: value for name, value in row.items() if name != WORTHS}
        figures: dict[str, Any] = dict.fromkeys(DIFFERENCES, math.nan) | {"told": None}
        if mine:
            worth = estimated(mine, CONFIDENCE)
            figures |= {"fresh_worth_musd": worth.mean, "fresh_worth_error_musd": worth.standard_error}
        if mine and of_base:
            apart = estimated([a - b for a, b in zip(mine, of_base, strict=True)], CONFIDENCE)
            figures |= {
                "difference_musd": apart.mean,
                "difference_error_musd": apart.standard_error,
                "difference_low_musd": apart.low,
                "difference_high_musd": apart.high,
                "told": bool(apart.low > _left_open(base) or apart.high < -_left_open(row)),
            }
        told.append(kept | figures)
    return told


def _left_open(row: Mapping[str, Any] | None) -> float:
    """What the search has left open at a point: its plan may be better by so much [million USD]."""
    found = math.inf if row is None else float(row["objective_musd"]) - float(row["bound_musd"])
    return found if math.isfinite(found) else 0.0
