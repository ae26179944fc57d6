"""The question solved again with one item after the other held in or out, in one session for each share of the items."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..core.errors import InfeasibleError, ReserveError
from ..core.parallel import workforce
from ..data.dataset import Dataset
from ..model.decisions import SHARES, DecisionIndex, ForcedDecision
from ..optimization.session import Session
from ..results.result import Result
from ..scenarios.scenario_set import SampledScenarios
from ..schemas.plan import Plan
from .cost_changes import NO_COSTS, Costs, costs_of_point

PARTS = 8
"""Shares of the items for an executor, whose size is not known."""


@dataclass(frozen=True)
class Asked:
    """A task: items held one after the other in one session. It travels to other processes."""

    plan: Plan
    data: Dataset
    holds: tuple[tuple[ForcedDecision, bool], ...]
    """With whether the plan may have any amount of the item."""
    held: SampledScenarios | None
    gap: float
    time_limit_s: float
    threads: int


@dataclass(frozen=True)
class ForcedSolve:
    """The plan with one item held."""

    objective: float
    """Of the main aim, against doing nothing [million USD]; NaN where there is no answer."""
    bound: float
    costs: Costs
    spending: float
    portfolio: dict[str, str]
    note: str = ""
    """Why there is no answer."""
    impossible: bool = False
    """Whether that is because no plan keeps to the hold."""
    share: float = 1.0
    """Of the least that counts of the item, where it is held in (`ForcedDecision`)."""


def all_forced(
    result: Result,
    holds: Sequence[tuple[ForcedDecision, bool]],
    drawn: SampledScenarios | None,
    gap: float,
    time_limit_s: float,
    workers: int,
    executor: Executor | None,
    on_progress: Callable[[int, int], None] | None,
) -> list[ForcedSolve]:
    """Every hold answered, in order."""
    parallel = executor is not None or workers > 1
    parts = min(len(holds), PARTS if executor is not None else workers)
    tasks = [
        Asked(result.plan, result.data, tuple(holds[k] for k in part), drawn, gap, time_limit_s, int(parallel))
        for part in np.array_split(np.arange(len(holds)), max(1, parts))
    ]
    done: list[ForcedSolve] = []
    if not parallel:
        for found in _answers(tasks[0]) if holds else ():
            done.append(found)
            if on_progress is not None:
                on_progress(len(done), len(holds))
        return done
    with workforce(executor, workers) as map_over:
        for part in map_over(_answered, tasks):
            done += part
            if on_progress is not None:
                on_progress(len(done), len(holds))
    return done


def _answered(asked: Asked) -> list[ForcedSolve]:
    return list(_answers(asked))


def _answers(asked: Asked) -> Any:
    """One answer after the other, each from where the last one ended."""
    session = Session(gap=asked.gap, held=asked.held, threads=asked.threads)
    for hold, any_amount in asked.holds:
        yield _answer(asked, session, hold, SHARES if hold.inside and any_amount else SHARES[:1])


def _answer(asked: Asked, session: Session, hold: ForcedDecision, shares: Sequence[float]) -> ForcedSolve:
    """The plan with an item held; held in, with the first share of what counts that any plan has."""
    none = ForcedSolve(math.nan, math.nan, NO_COSTS, math.nan, {})
    for share in shares:
        try:
            answer = session.answer(
                asked.plan, asked.data, hold=replace(hold, share=share), time_limit_s=asked.time_limit_s
            )
        except InfeasibleError as error:
            none = replace(none, note=str(error), impossible=True, share=share)
        except ReserveError as error:
            return replace(none, note=str(error), impossible=False, share=share)
        else:
            costs, (_, objective, bound, _) = answer.problem.assembly.costs, answer.outcome.stages[0]
            spending = float(costs["spending"] @ answer.x) if "spending" in costs else 0.0
            has = DecisionIndex(answer.problem).portfolio(answer.x)
            return ForcedSolve(objective, bound, costs_of_point(answer.problem, answer.x), spending, has, share=share)
    return none
