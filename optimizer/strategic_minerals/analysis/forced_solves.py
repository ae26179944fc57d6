"""The question solved again with one item after the other held in or out, in one session for each share of the items."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..core.errors import InfeasibleError, ReserveError, StoppedError
from ..core.outcome import Progress
from ..core.runner import Runner, current
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
    run: Runner,
) -> list[ForcedSolve]:
    """Every hold answered, in order."""
    parallel = run.executor is not None or run.processes > 1
    parts = min(len(holds), PARTS if run.executor is not None else run.processes)
    tasks = [
        Asked(result.plan, result.data, tuple(holds[k] for k in part), drawn, gap, int(parallel))
        for part in np.array_split(np.arange(len(holds)), max(1, parts))
    ]
    call, done = current(), list[ForcedSolve]()
    groups = run.each("", _answered, tasks) if parallel else ([one] for one in _answers(tasks[0]))
    for group in groups:
        done += group
        call.report(Progress("items", call.seconds, done=len(done), of=len(holds)))
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
            answer = session.answer(asked.plan, asked.data, hold=replace(hold, share=share))
        except InfeasibleError as error:
            none = replace(none, note=str(error), impossible=True, share=share)
        except StoppedError:
            raise
        except ReserveError as error:
            return replace(none, note=str(error), impossible=False, share=share)
        else:
            costs, (_, objective, bound, _) = answer.problem.assembly.costs, answer.outcome.stages[0]
            spending = float(costs["spending"] @ answer.x) if "spending" in costs else 0.0
            has = DecisionIndex(answer.problem).portfolio(answer.x)
            return ForcedSolve(objective, bound, costs_of_point(answer.problem, answer.x), spending, has, share=share)
    return none
