"""A question kept loaded: variants of plan and data answered one after the other, each from where the last one ended.

Scenarios are kept while their hazards stay the same, compiled blocks while only figures change (`problem.prepare`); the solver
keeps its basis, a decomposition the cuts of what did not change. None of it touches the question; `cold` asks it afresh."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np

from ..core.errors import InfeasibleError, Outcome
from ..core.frames import Bools, Floats, Ints
from ..core.logs import logger_of, one_run
from ..core.runner import current
from ..core.stats import LEAST_TIME_LIMIT_S
from ..core.verb import GAP
from ..matrix.assembly import Assembly, activities, entries_of
from ..matrix.named import objective_costs
from ..matrix.own import Extend, with_rules
from ..matrix.problem import DecisionIndex, ForcedDecision, LeftOut, Problem, prepare, without_acts
from ..model.sets import STAGES
from ..question.consistency import require
from ..question.dataset import Dataset
from ..question.plan import Plan
from ..world.events import SampledScenarios
from .highs import canary
from .lshaped.search import LShaped
from .stages import (
    FlatModel,
    Method,
    against_nothing,
    chosen_method,
    optimum,
    reference_model,
    solver_of,
    with_reference,
)

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


@dataclass(frozen=True)
class Nothing:
    """Doing nothing, with the model of which it is the best point."""

    assembly: Assembly
    """`stages.reference_model` of the problem."""
    cost: Floats
    z0: Floats
    """(columns,)"""

    def stays_best(self, assembly: Assembly, cost: Floats) -> bool:
        """Whether it is the best point of another model too: one that differs in limits alone, none of which it touches.

        A limit may be moved, as long as the best point touches it neither before nor after: no other point becomes better, and
        none that costs the same becomes the one chosen. Columns that are fixed at zero, as all that is signed and bought, may also
        differ in costs and coefficients."""
        old, x = self.assembly, self.z0
        if old.shape[:2] != assembly.shape[:2]:
            return False
        nothing = [_pinned(one) & (x == 0) for one in (old, assembly)]
        free = ~nothing[0]
        if not np.array_equal(*nothing) or not np.array_equal(self.cost[free], cost[free]):
            return False
        if not all(np.array_equal(*pair) for pair in zip(_entries(old, free), _entries(assembly, free), strict=True)):
            return False
        every = np.arange(len(old.row_lower))
        rows = activities(assembly, every, x)
        return all(
            _clear(at, getattr(old, f"{kind}lower"), getattr(assembly, f"{kind}lower"), 1.0)
            and _clear(at, getattr(old, f"{kind}upper"), getattr(assembly, f"{kind}upper"), -1.0)
            for kind, at in (("", x), ("row_", rows))
        )


def _pinned(assembly: Assembly) -> Bools:
    """(columns,) whether bounds leave a column one value, or an equation does whose other columns have one: what operates follows
    from what is signed."""
    pinned: Bools = assembly.lower == assembly.upper
    equations = np.flatnonzero(assembly.row_lower == assembly.row_upper)
    entries = entries_of(assembly, equations)
    column = assembly.index[entries]
    row = np.repeat(np.arange(len(equations)), np.diff(assembly.start)[equations])
    while True:
        loose: Bools = ~pinned[column]
        alone = loose & (np.bincount(row, loose, minlength=len(equations)) == 1)[row]
        if not alone.any():
            return pinned
        pinned[column[alone]] = True


def _entries(assembly: Assembly, columns: Bools) -> tuple[Ints, Ints, Floats]:
    """(entries of each row, columns, values) of the matrix in some columns."""
    kept = columns[assembly.index]
    count = np.concatenate([[0], np.cumsum(kept)])
    return np.diff(count[assembly.start]), assembly.index[kept], assembly.value[kept]


def _clear(at: Floats, old: Floats, new: Floats, side: float) -> bool:
    """Whether values are clear of limits on one side, the old and the new ones, wherever these differ."""
    moved = old != new
    room = WELL_BEYOND * (1.0 + np.abs(at[moved]))
    return all(bool((side * (at[moved] - limit[moved]) > room).all()) for limit in (old, new))


WELL_BEYOND = 1e-3
"""Distance from a limit, relative to one more than the value, that is well beyond the tolerance to which the reference is known:
what that leaves open may grow by the inverse of it."""


class Session:
    """Answers variants of one question. Not safe to share between threads: use one each."""

    def __init__(
        self,
        *,
        gap: float = GAP,
        relax: bool = False,
        method: Method = "auto",
        held: SampledScenarios | None = None,
        threads: int = 0,
        extend: Extend | None = None,
        like: Problem | None = None,
    ) -> None:
        """gap, relax, method, threads: as in `solve`. held: sampled scenarios to keep; None: those of the first variant. extend:
        adds constraints to the model of every variant. like: a prepared problem that the first variant builds on."""
        self._gap, self._relax, self._method, self._threads, self._extend = gap, relax, method, threads, extend
        self._chosen: Literal["flat", "decomposed"] = "flat"
        self.held = held
        """Sampled scenarios that variants keep while their hazards are the same."""
        self._problem = like
        self._reference: FlatModel | LShaped | None = None
        self._nothing: Nothing | None = None
        self._asked: tuple[Plan, Dataset, Problem, Floats] | None = None
        """The last variant with its problem, without forced decisions, and its reference."""
        self._solver: FlatModel | LShaped | None = None
        self._x: Floats | None = None

    def cold(self) -> Session:
        """A new session with the same options and sampled scenarios that knows nothing else."""
        options: dict[str, Any] = {"method": self._method, "threads": self._threads, "extend": self._extend}
        return Session(gap=self._gap, relax=self._relax, held=self.held, **options)

    @property
    def fresh(self) -> bool:
        """Whether the next answer starts from nothing."""
        return self._solver is None

    def answer(self, plan: Plan, data: Dataset, *, forced: ForcedDecision | Sequence[LeftOut] | None = None) -> Answer:
        """Solve a variant. forced: an item that it must choose or must not, or acts that it must not have; not of doing nothing.

        Raises as `solve`, and KeyError where the variant has no such item; the session stays usable. It starts afresh with the
        next variant, unless a decomposed one was infeasible."""
        with one_run(plan.name):
            begin = time.perf_counter()
            found = self._answer(plan, data, forced)
            LOG.info("variant answered: %s, %.3f s", found.outcome.reason, time.perf_counter() - begin)
            return found

    def _answer(self, plan: Plan, data: Dataset, forced: ForcedDecision | Sequence[LeftOut] | None) -> Answer:
        """As `answer`, whose records tell which run they are of."""
        call = current()
        call.check()

        def left() -> float:
            return max(LEAST_TIME_LIMIT_S, call.left())

        canary()
        if self._asked is not None and self._asked[0] is plan and self._asked[1] is data:
            problem, z0 = self._asked[2:]
            chosen = chosen_method(problem, self._method, integer=not self._relax)
            reference, solver, x = self._given_up(chosen)
        else:
            require(plan, data)
            problem = prepare(plan, data, self._problem, self.held)
            if self.held is None:
                self.held = problem.structure.scenarios.drawn
            chosen = chosen_method(problem, self._method, integer=not self._relax)
            reference, solver, x = self._given_up(chosen)
            problem, z0, reference = self._with_reference(problem, chosen, reference, left)
        self._asked = plan, data, problem, z0
        method = chosen
        if self._extend is not None:
            problem, z0 = with_rules(problem, z0, self._extend)
            method = chosen_method(problem, self._method, integer=not self._relax)
            solver = solver if isinstance(solver, LShaped) == (method == "decomposed") else None
        load = partial(loaded, problem, method=method, threads=self._threads, deadline=time.perf_counter() + left())
        costs = objective_costs(problem)
        if isinstance(forced, ForcedDecision):
            problem = replace(problem, assembly=DecisionIndex(problem).forced(forced))
        elif forced is not None:
            problem = replace(problem, assembly=without_acts(problem, forced))
        first = costs[STAGES[problem.plan.objective.kind][0]]
        solver = load(problem.assembly, first, solver=solver, integer=not self._relax)
        start = x if x is not None and len(x) == len(first) else z0
        anew = partial(load, problem.assembly, first, solver=None, integer=not self._relax)
        try:
            options: dict[str, Any] = {"gap": self._gap, "relax": self._relax, "method": method}
            solver, best = optimum(problem, solver, anew, z0, start, left=left, prices=False, **options)
        except InfeasibleError:
            if isinstance(solver, LShaped):  # what it knows of scenarios is valid for the next variant
                self._problem, self._reference, self._solver, self._x = problem, reference, solver, x
                self._chosen = chosen
            raise
        self._problem, self._reference, self._solver, self._x, self._chosen = problem, reference, solver, best.x, chosen
        return Answer(problem, best.outcome, best.x, z0)

    def _with_reference(
        self, problem: Problem, method: Method, reference: FlatModel | LShaped | None, left: Callable[[], float]
    ) -> tuple[Problem, Floats, FlatModel | LShaped | None]:
        """(the problem with what is measured against doing nothing, that reference: (columns,), what solves it)."""
        idle, cost, nothing = reference_model(problem), objective_costs(problem)["social_cost"], self._nothing
        if nothing is not None and nothing.stays_best(idle, cost):
            return against_nothing(problem, nothing.z0), nothing.z0, reference
        load = partial(loaded, method=method, threads=self._threads, deadline=time.perf_counter() + left())
        reference = load(problem, idle, cost, solver=reference, integer=False)
        problem, z0 = with_reference(problem, left(), solver=reference)
        self._nothing = Nothing(idle, cost, z0)
        return problem, z0, reference

    def _given_up(self, chosen: str) -> tuple[FlatModel | LShaped | None, FlatModel | LShaped | None, Floats | None]:
        """What is loaded, taken out of the session until an answer has gone well; nothing where another method is asked for."""
        found = (self._reference, self._solver, self._x) if chosen == self._chosen else (None, None, None)
        self._reference, self._solver, self._x, self._problem = None, None, None, None
        return found


def loaded(
    problem: Problem,
    assembly: Assembly,
    cost: Floats,
    *,
    method: Method,
    solver: FlatModel | LShaped | None,
    threads: int,
    integer: bool,
    deadline: float,
) -> FlatModel | LShaped:
    """A solver with a model loaded, the one given where there is one. deadline: of the answer."""
    if isinstance(solver, LShaped):
        solver.load(problem.structure, assembly, cost, deadline)
    elif isinstance(solver, FlatModel):
        solver.load(assembly, cost)
    else:
        solver = solver_of(problem, assembly, cost, method, integer=integer, threads=threads)
    return solver
