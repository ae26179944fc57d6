"""One segment of a sweep: its points solved one after another, and some solved again cold."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..audit.audit import audit
from ..core.errors import ReserveError, SolveError, UntrustedError
from ..core.logs import logger_of
from ..data.addresses import edited
from ..data.dataset import Dataset
from ..model.decisions import HALF, TRACE_T
from ..model.objectives import cost_groups
from ..model.solution import Solution, extract
from ..optimization.session import Answer, Session
from ..optimization.stages import Method
from ..results.operation_tables import losses_by_scenario
from ..results.tables import projects, stock
from ..scenarios.risk_measures import cvar_of
from ..scenarios.scenario_set import SampledScenarios
from ..schemas.plan import Plan
from .checkpoint import Checkpoint
from .common_draws import WORTHS, CommonDraws

LOG = logger_of(__name__)

SAME = 1e-9
"""Relative difference of two exact answers that counts as none."""


SHORT_T = 1e-3
"""Tonnes below this are no shortfall."""


FIGURES = {
    "reason": "why the solve ended, or which error it met",
    "objective_musd": "Z - Z0, plan against doing nothing",
    "bound_musd": "lower bound on it",
    "relative_gap": "between the two",
    "do_nothing_musd": "Z0",
    "expected_loss_musd": "expected discounted loss of going short",
    "do_nothing_loss_musd": "the same without a plan",
    "cvar_musd": "mean loss of the worst scenarios, at the plan's alpha",
    "defence_short": "probability that the armed forces go short of something",
    "spending_musd": "discounted outlays on the trunk",
    "users_musd": "change of what users pay, shortage apart, against doing nothing",
    "authority_musd": "change of the authority's balance: purchases, holding, sales, stock left",
    "commitments_musd": "change of what commitments cost: support, fees, floors, what is left of projects",
    "seconds": "wall clock of this point",
    "cold": "whether it was solved from nothing",
}
"""What is told of every point."""


@dataclass(frozen=True)
class PathSegment:
    """A task: points to be answered one after the other. It travels to other processes."""

    plan: Plan
    data: Dataset
    numbers: tuple[int, ...]
    changes: tuple[Mapping[str, Any], ...]
    held: SampledScenarios | None
    gap: float
    relax: bool
    method: Method
    threads: int
    fresh_scenarios: int = 0
    """New scenarios in which every plan is scored."""
    journal: str = ""
    """Folder in which every row is written down as soon as it is there; empty: none."""


@dataclass(frozen=True)
class SegmentResult:
    """A stretch answered."""

    rows: list[dict[str, Any]]
    decisions: list[dict[str, Any]]
    checked: int
    disagreed: int


def solve_segment(stretch: PathSegment, tell: Callable[[int], None] | None = None) -> SegmentResult:
    """Answer a stretch; one hot-started point of it again from nothing, and everything where the two disagree."""
    walked, session = _answers(stretch, hot=True, tell=tell)
    hot = [row for row in walked.rows if not row["cold"] and row["objective_musd"] == row["objective_musd"]]
    if not hot:
        return walked
    row = random.Random(stretch.numbers[0]).choice(hot)
    try:
        plan, data = edited(stretch.plan, stretch.data, stretch.changes[stretch.numbers.index(row["point"])])
        cold = session.cold().answer(plan, data)
        solution = _hold_to_account(cold)
    except ReserveError:  # nothing to compare with: told as one point less checked
        return walked
    if _agree(row, _figures(cold, solution)):
        walked = replace(walked, checked=1)
    else:
        if stretch.journal:
            Checkpoint.at(stretch.journal).withdraw(stretch.numbers[0])
        walked = replace(_answers(stretch, hot=False)[0], checked=1, disagreed=1)
    if stretch.journal:
        Checkpoint.at(stretch.journal).write(stretch.numbers[0], [], [], walked.checked, walked.disagreed)
    return walked


def _answers(
    stretch: PathSegment, *, hot: bool, tell: Callable[[int], None] | None = None
) -> tuple[SegmentResult, Session]:
    """All points of a stretch, and the session that answered them."""
    session = Session(
        gap=stretch.gap, relax=stretch.relax, method=stretch.method, held=stretch.held, threads=stretch.threads
    )
    journal = Checkpoint.at(stretch.journal) if stretch.journal else None
    rows: list[dict[str, Any]] = []
    decisions: list[dict[str, Any]] = []
    draws = CommonDraws(stretch.fresh_scenarios)
    for number, changes in zip(stretch.numbers, stretch.changes, strict=True):
        begin = time.perf_counter()
        row: dict[str, Any] = {"point": number, **dict.fromkeys(FIGURES, math.nan), "cold": not hot or session.fresh}
        decided: list[dict[str, Any]] = []
        try:
            plan, data = edited(stretch.plan, stretch.data, changes)
            answer = (session if hot else session.cold()).answer(plan, data)
            solution = _hold_to_account(answer)
        except SolveError as error:
            if error.outcome.reason == "interrupted":
                raise
            row["reason"] = error.outcome.reason
        except Exception as error:  # one point must not lose the others; it is told, and its numbers are none
            row["reason"] = str(error) if isinstance(error, ReserveError) else f"{type(error).__name__}: {error}"
        else:
            row |= _figures(answer, solution)
            decided = _decisions(number, answer, solution)
            if stretch.fresh_scenarios:
                row[WORTHS] = _scored(answer, solution, draws)
        rows.append(row | {"seconds": time.perf_counter() - begin})
        decisions += decided
        if journal is not None:
            journal.write(stretch.numbers[0], rows[-1:], decided)
        if tell is not None:
            tell(len(rows))
    return SegmentResult(rows, decisions, 0, 0), session


def _scored(answer: Answer, solution: Solution, draws: CommonDraws) -> list[float]:
    """What an answered plan saves in each of the common samples; none, and a word in the log, where they were not worked out."""
    problem = answer.problem
    reference = extract(problem.structure, problem.assembly, answer.z0)
    try:
        return draws.worths(problem, solution, reference)
    except UntrustedError as error:
        LOG.warning("a plan was not scored in new scenarios: %s", error)
        return []


def _hold_to_account(answer: Answer) -> Solution:
    """The plan of an answer, audited like any other; a relaxation is no plan. Raises UntrustedError."""
    problem = answer.problem
    solution = extract(problem.structure, problem.assembly, answer.x)
    if not answer.outcome.relaxed:
        audited = audit(problem, solution, z0=extract(problem.structure, problem.assembly, answer.z0))
        if not audited.passed:
            raise UntrustedError(f"the audit objects: {audited.worst()}")
    return solution


def _agree(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two answers to one question are the same: references to rounding, and intervals that meet; of exact answers these are
    points."""
    room = 10 * SAME * (1 + abs(b["do_nothing_musd"]))
    references = abs(a["do_nothing_musd"] - b["do_nothing_musd"]) <= room
    below = max(a["bound_musd"], b["bound_musd"]) <= min(a["objective_musd"], b["objective_musd"]) + room
    return bool(references and below)


def _figures(answer: Answer, solution: Solution) -> dict[str, Any]:
    problem, outcome, pi = answer.problem, answer.outcome, answer.problem.structure.scenarios.probability
    costs = problem.assembly.costs
    losses, _, short = losses_by_scenario(problem, solution)
    change = answer.x - answer.z0
    parts = {name: float(cost @ change) for name, cost in cost_groups(problem).items()}
    return {
        "reason": outcome.reason,
        "objective_musd": outcome.objective_musd,
        "bound_musd": outcome.best_bound_musd,
        "relative_gap": outcome.relative_gap,
        "do_nothing_musd": outcome.do_nothing_musd,
        "expected_loss_musd": float(costs["expected_loss"] @ answer.x),
        "do_nothing_loss_musd": float(costs["expected_loss"] @ answer.z0),
        "cvar_musd": cvar_of(losses, pi, problem.plan.risk.alpha),
        "defence_short": float(pi[short > SHORT_T].sum()),
        "spending_musd": float(costs["spending"] @ answer.x) if "spending" in costs else 0.0,
        **parts,
    }


def _decisions(point: int, answer: Answer, solution: Solution) -> list[dict[str, Any]]:
    """What is signed, the largest stock of each material, contracts and market floors."""
    problem = answer.problem
    signed = projects(problem, solution)
    lines = [
        {
            "point": point,
            "kind": "project",
            "item": f"{row.project}: {row.package}",
            "year": row.signed,
            "value": row.share,
        }
        for row in signed[signed["share"] > 0].itertuples()
    ]
    held = stock(problem, solution)
    for material, rows in held.groupby("material", sort=False):
        top = rows.iloc[int(rows["stock_t"].argmax())]
        if top.stock_t > 0:
            lines.append(
                {"point": point, "kind": "stock", "item": material, "year": top.period, "value": float(top.stock_t)}
            )
    n, structure = problem.natural, problem.structure
    in_force = np.zeros((len(n.producers), n.calendar.periods))
    for contract, tonnes in zip(structure.contracts, solution.contract, strict=True):
        in_force[contract.source, contract.start : contract.end] += tonnes / n.calendar.step
    most = in_force.max(axis=1)
    chosen = [("contract", n.producers[j], most[j]) for j in np.flatnonzero(most > TRACE_T)]
    markets = zip(structure.support.markets, solution.floor, strict=True)
    chosen += [("floor", market.floor.name, share) for market, share in markets if share > HALF]
    first = n.calendar.period_label(0)
    return lines + [
        {"point": point, "kind": kind, "item": item, "year": first, "value": float(value)}
        for kind, item, value in chosen
    ]
