"""A question kept loaded: variants of plan and data answered one after the other, each from where the last one ended.

Scenarios are held while their hazards stay the same, compiled blocks while only figures change (`problem.prepare`); the solver
keeps its basis, a decomposition the cuts of what did not change. None of it touches the question; `cold` asks it afresh.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from ..checks.consistency import require
from ..core.arrays import Floats
from ..core.logs import logger_of, one_run
from ..core.outcome import Outcome
from ..core.runner import current
from ..core.units import LEAST_TIME_LIMIT_S
from ..data.dataset import Dataset
from ..decomposition.lshaped import LShaped
from ..formulation.structure import STAGES
from ..highs.basis_transfer import transfer_basis
from ..highs.runtime import canary
from ..model.assembly import Assembly
from ..model.decisions import DecisionIndex, ForcedDecision
from ..model.objectives import objective_costs
from ..model.problem import Problem, prepare
from ..scenarios.scenario_set import SampledScenarios
from ..schemas.plan import Plan
from .protocol import optimum, with_reference
from .reference_plan import reference_model
from .stages import FlatModel, Method, chosen_method, solver_of

LOG = logger_of(__name__)


@dataclass(frozen=True)
class Answer:
    """One variant, solved."""

    problem: Problem
    outcome: Outcome
    x: Floats
    """(columns,) the best point."""
    z0: Floats
    """(columns,) the do-nothing reference."""


class Session:
    """Answers variants of one question. Not safe to share between threads: use one each."""

    def __init__(
        self,
        *,
        gap: float = 1e-3,
        relax: bool = False,
        method: Method = "auto",
        held: SampledScenarios | None = None,
        threads: int = 0,
    ) -> None:
        """gap, relax, method, threads: as in `solve`. held: sampled scenarios to keep; None: those of the first variant."""
        if not 0 <= gap < 1:
            raise ValueError(f"gap must be in [0, 1), not {gap}")
        self._gap, self._relax, self._method, self._threads = gap, relax, method, threads
        self._chosen: Literal["flat", "decomposed"] = "flat"
        self.held = held
        """Sampled scenarios that variants keep while their hazards are the same."""
        self._problem: Problem | None = None
        self._reference: FlatModel | LShaped | None = None
        self._solver: FlatModel | LShaped | None = None
        self._x: Floats | None = None

    def cold(self) -> Session:
        """A new session with the same options and sampled scenarios that knows nothing else."""
        return Session(gap=self._gap, relax=self._relax, method=self._method, held=self.held, threads=self._threads)

    @property
    def fresh(self) -> bool:
        """Whether the next answer starts from nothing."""
        return self._solver is None

    def answer(self, plan: Plan, data: Dataset, *, hold: ForcedDecision | None = None) -> Answer:
        """Solve a variant. hold: an item that it must choose, or must not; doing nothing is not bound by it.

        Raises as `solve`, and KeyError where the variant has no such item; the session stays usable, and starts afresh with the
        next variant.
        """
        with one_run(plan.name):
            begin = time.perf_counter()
            found = self._answer(plan, data, hold)
            LOG.info("variant answered: %s, %.3f s", found.outcome.reason, time.perf_counter() - begin)
            return found

    def _answer(self, plan: Plan, data: Dataset, hold: ForcedDecision | None) -> Answer:
        """As `answer`, whose records tell which run they are of."""
        call = current()
        call.check()

        def left() -> float:
            return max(LEAST_TIME_LIMIT_S, call.left())

        require(plan, data)
        canary()
        before = self._problem
        problem = prepare(plan, data, before, self.held)
        if self.held is None:
            self.held = problem.structure.scenarios.drawn
        costs = objective_costs(problem)
        chosen = chosen_method(problem, self._method, integer=not self._relax)
        reference, solver, x = self._given_up(chosen)
        load = partial(
            _loaded, problem, method=chosen, before=before, threads=self._threads, deadline=time.perf_counter() + left()
        )
        reference = load(reference_model(problem), costs["social_cost"], solver=reference, integer=False)
        problem, z0 = with_reference(problem, left(), solver=reference)
        if hold is not None:
            problem = replace(problem, assembly=DecisionIndex(problem).held(hold))
        first = costs[STAGES[problem.plan.objective.kind][0]]
        solver = load(problem.assembly, first, solver=solver, integer=not self._relax)
        start = x if x is not None and len(x) == len(first) else z0
        anew = partial(load, problem.assembly, first, solver=None, integer=not self._relax)
        solver, best = optimum(
            problem, solver, anew, z0, start, gap=self._gap, relax=self._relax, method=chosen, left=left, prices=False
        )
        self._problem, self._reference, self._solver, self._x, self._chosen = problem, reference, solver, best.x, chosen
        return Answer(problem, best.outcome, best.x, z0)

    def _given_up(self, chosen: str) -> tuple[FlatModel | LShaped | None, FlatModel | LShaped | None, Floats | None]:
        """What is loaded, taken out of the session until an answer has gone well; nothing where another method is asked for."""
        found = (self._reference, self._solver, self._x) if chosen == self._chosen else (None, None, None)
        self._reference, self._solver, self._x, self._problem = None, None, None, None
        return found


def _loaded(
    problem: Problem,
    assembly: Assembly,
    cost: Floats,
    *,
    method: Method,
    solver: FlatModel | LShaped | None,
    before: Problem | None,
    threads: int,
    integer: bool,
    deadline: float,
) -> FlatModel | LShaped:
    """A solver with a model loaded, the one given where there is one; it answered the problem before. deadline: of the answer."""
    if isinstance(solver, LShaped):
        solver.load(problem.structure, assembly, cost, deadline)
    elif isinstance(solver, FlatModel):
        same = before is None or before.assembly.shape[:2] == assembly.shape[:2]
        solver.load(assembly, cost, None if same or before is None else partial(transfer_basis, before, problem))
    else:
        solver = solver_of(problem, assembly, cost, method, integer=integer, threads=threads)
    return solver
