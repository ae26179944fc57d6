"""An answer when there is no plan: the least relaxation that helps, single changes that restore a plan, and what conflicts.

Elastic programs: every requirement of the plan may be missed at a price, and the least total is found (Chinneck, Feasibility and
Infeasibility in Optimization, 2008, chapter 6). Conflicts by deletion filtering (Chinneck and Dravnieks 1991) over requirements as
the planner knows them. Each single change is put into the plan, and the plan solved again, before it is told.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from ..api.solving import Relax
from ..checks.consistency import require
from ..core.arrays import INF
from ..core.errors import InfeasibleError, PlanError, StoppedError, UntrustedError
from ..core.frames import rows_of
from ..core.runner import HERE, Runner, checkpoint, current
from ..core.verb import verb
from ..data.addresses import edited
from ..data.dataset import Dataset
from ..decomposition.subproblems import master_alone
from ..highs.run import UnsolvedRun
from ..highs.runtime import canary
from ..highs.solver import Model
from ..model.assembly import Assembly
from ..model.enlarged import with_columns, with_row
from ..model.problem import Problem, prepare
from ..optimization.protocol import with_reference
from ..results.study import Study
from ..schemas.plan import Plan
from .requirements import (
    EMERGENCY,
    FIRST_MUSD,
    IN_DISRUPTIONS,
    Change,
    Requirement,
    emergency_change,
    emergency_rows,
    possible_changes,
    requirements,
)

ROOM = 1e-6
"""What a change gets beyond the least that was found, relative to it, against rounding."""
SMALL = 1e-6
"""Tonnes, million USD or share below which nothing is missed."""
MISSED = ["demand", "item", "place", "amount", "unit", "sentence"]
CHANGES = ["change", "unit", "base", "value", "by", "verified", "put", "sentence"]
TRIES = 20
"""Halvings of a share that cannot be read off one linear program."""


@dataclass
class Case:
    """A problem with the limits of its reference in place."""

    problem: Problem
    """Once there is no plan: without the scenarios in which operations are free to go short."""
    relax: bool
    requirements: list[Requirement] = field(default_factory=list)

    def left(self) -> float:
        """Seconds left. Raises StoppedError where none are."""
        call = current()
        call.check()
        return call.left()

    def feasible(self, assembly: Assembly, *, relax: bool | None = None, presolve: bool = True) -> bool:
        """Whether a model has any plan. Raises StoppedError, and UntrustedError without a verdict."""
        integer = not (self.relax if relax is None else relax)
        run = Model(assembly, np.zeros_like(assembly.lower), integer=integer).run(
            time_limit_s=self.left(), presolve=presolve
        )
        if run.status in ("optimal", "infeasible", "infeasible_or_unbounded"):
            return run.status == "optimal"
        self.left()
        raise UntrustedError(f"the solver came to no verdict: {run.status}")


@verb
def diagnose(plan: Plan, data: Dataset, *, relax: Relax = False, run: Runner = HERE) -> Study:
    """Show why no plan meets the requirements, and which changes restore one. Exit code 3: no plan; 0: there is a plan.

    Tables: `missed`, demand, item, place, amount, unit, sentence: the least total relaxation, tonnes weighed at their market price.
    `changes`, change, unit, base, value, by, verified, put, sentence: each alone restores a plan; `put` holds values by address, as
    JSON. Facts: possible (the requirements can be met; everything else is empty then), fractions (they could be met if projects
    could be supported in part), conflict (requirements that cannot be met together, and can without any one of them), missed_musd
    (what the relaxation weighs [million USD]), missed_verified (the model has a plan once it is granted), seconds, complete
    (false: the deadline came before everything was examined), tried (entries of the plan that were moved, each alone).

    Raises PlanError and InputError as `solve_once`, StoppedError where the deadline comes before the least relaxation,
    UntrustedError where the solver contradicts itself with presolve and without.
    """
    begin = time.perf_counter()
    require(plan, data)
    canary()
    checkpoint("diagnosis: whether a plan exists")
    problem = prepare(plan, data)
    # where even doing nothing is impossible, the limits of diversification rules on baseline shortfalls are unknown and left open
    with suppress(InfeasibleError):
        problem, _ = with_reference(problem, current().left())
    case = Case(problem, relax)
    if case.feasible(problem.assembly):
        return _study(True, begin, pd.DataFrame(columns=MISSED), pd.DataFrame(columns=CHANGES))
    if case.feasible(problem.assembly, presolve=False):
        raise UntrustedError("the solver called the plan infeasible with presolve but feasible without: not trusted")
    fractions = not relax and case.feasible(problem.assembly, relax=True)
    case.problem = replace(problem, assembly=master_alone(problem.structure, problem.assembly))
    case.requirements = list(requirements(case.problem))
    checkpoint("diagnosis: the smallest relaxation")
    missed, weight, granted = _least_relaxation(case)
    conflict: list[Requirement] = []
    changes, complete, tried = pd.DataFrame(columns=CHANGES), True, dict[str, None]()
    try:
        checkpoint("diagnosis: conflicts")
        conflict = _conflict(case)
        for change in _changes(case, {demand.family for demand in conflict}):
            checkpoint(f"diagnosis: single changes: {change.words.split('{')[0].strip()}")
            row = _single_change(case, plan, data, change)
            tried[change.entry] = None
            if row is not None:
                changes.loc[len(changes)] = row
    except StoppedError as error:
        if error.outcome.reason == "interrupted":
            raise
        complete = False
    facts = {
        "fractions": fractions,
        "conflict": tuple(demand.words for demand in conflict),
        "missed_musd": weight,
        "missed_verified": granted,
        "complete": complete,
        "tried": tuple(tried),
    }
    return _study(False, begin, missed, changes, **facts)


def _study(possible: bool, begin: float, missed: pd.DataFrame, changes: pd.DataFrame, **more: Any) -> Study:
    """A diagnosis as a study. begin: when it began; more: facts of a question without a plan."""
    none = {
        "fractions": False,
        "conflict": (),
        "missed_musd": 0.0,
        "missed_verified": False,
        "complete": True,
        "tried": (),
    }
    facts = {"possible": possible, **none, **more, "seconds": time.perf_counter() - begin}
    changes = changes.assign(put=pd.Series([json.dumps(put) for put in changes["put"]], dtype=object))
    titles = {"changes": "Any one of these restores a plan"}
    return Study("diagnose", {"missed": missed, "changes": changes}, _words(facts, missed, changes), facts, titles)


def _words(facts: Mapping[str, Any], missed: pd.DataFrame, changes: pd.DataFrame) -> list[str]:
    if facts["possible"]:
        return ["All requirements of this plan can be met: `solve` finds a plan."]
    lines = ["No plan meets all requirements (double-checked with the solver's presolve off)."]
    if facts["fractions"]:
        lines.append("  There would be a plan if projects could be supported in part.")
    if facts["conflict"]:
        lines.append("IN CONFLICT: these cannot all be met; without any one of them, the others can:")
        lines += [f"  {words}" for words in facts["conflict"]]
    if len(missed):
        verified = "with it, a plan exists" if facts["missed_verified"] else "NOT confirmed by a solve"
        lines.append(
            f"LEAST RELAXATION: what must give way at least ({facts['missed_musd']:,.4g} million USD in all, tonnes at "
            f"market price; {verified}):"
        )
        lines += [f"  {row.sentence}" for row in rows_of(missed)]
    helping = changes[changes["verified"].astype(bool)] if len(changes) else changes
    if len(helping):
        lines.append("ANY ONE OF THESE CHANGES RESTORES A PLAN (each was tried):")
        lines += [f"  {row.sentence}" for row in rows_of(helping)]
    elif facts["complete"]:
        lines.append(
            "NONE OF THESE RESTORES A PLAN when changed alone (grant the relaxation above, or change several):"
        )
        lines += [f"  {entry}" for entry in facts["tried"]]
    if not facts["complete"]:
        lines.append(
            "The time limit was reached before everything was examined: give `diagnose` a longer --time-limit."
        )
    return lines


def _relaxing(assembly: Assembly, row: int) -> float:
    """Factor with which a slack column relaxes a row of one side."""
    return -1.0 if math.isinf(assembly.row_lower[row]) else 1.0


def _least_relaxation(case: Case) -> tuple[pd.DataFrame, float, bool]:
    """(what is missed, its weight [million USD], whether granting it was confirmed by a solve)."""
    assembly = case.problem.assembly
    flat = [(d, k, row) for d, demand in enumerate(case.requirements) for k, row in enumerate(demand.rows.tolist())]
    elastic = with_columns(assembly, [[(row, _relaxing(assembly, row))] for _, _, row in flat], np.full(len(flat), INF))
    cost = np.zeros_like(elastic.lower)
    first = len(assembly.lower)
    for n, (d, k, _) in enumerate(flat):
        cost[first + n] = case.requirements[d].price * case.requirements[d].natural[k]
    run = Model(elastic, cost, integer=not case.relax).run(time_limit_s=case.left(), gap=1e-6, phase="least relaxation")
    if isinstance(run, UnsolvedRun):
        return pd.DataFrame(columns=MISSED), math.nan, False
    slack = np.maximum(0.0, run.x[first:])
    rows = []
    for n, (d, k, _) in enumerate(flat):
        demand, amount = case.requirements[d], float(slack[n] * case.requirements[d].natural[k])
        if amount > SMALL:
            place = demand.places[k] if demand.places else ""
            rows.append([demand.family, demand.item, place, amount, demand.unit, _missed(demand, place, amount)])
    row_lower, row_upper = assembly.row_lower.copy(), assembly.row_upper.copy()
    for n, (_, _, row) in enumerate(flat):
        room = float(slack[n]) * (1 + ROOM) + 1e-9
        row_lower[row] -= room
        row_upper[row] += room
    granted = replace(assembly, row_lower=row_lower, row_upper=row_upper)
    return pd.DataFrame(rows, columns=MISSED), float(cost[first:] @ slack), case.feasible(granted)


def _missed(demand: Requirement, place: str, amount: float) -> str:
    """What is missed of a requirement, in words."""
    where = f" in {place}" if place else ""
    if demand.unit == "t":
        verb = "exceeded by" if demand.family == "diversification" else "short by"
        return f"{demand.item}{where}: {verb} {amount:,.4g} t"
    if demand.unit == "projects":
        return f"{demand.item}: not respected"
    if demand.owed is not None:
        owed = f"the {demand.owed:,.6g} that holding the opening stock costs"
        return f"{demand.item}: {amount:,.4g} million USD more than {owed} ({demand.owed + amount:,.6g} in all)"
    return f"{demand.item}: {amount:,.4g} million USD more"


def _conflict(case: Case) -> list[Requirement]:
    """Requirements that cannot be met together, and can without any one of them; the first ones are tried first to be left out."""
    core = list(case.requirements)
    size = len(core)
    while size >= 1:  # whole blocks first: most requirements take no part
        k = 0
        while k < len(core):
            rest = core[:k] + core[k + size :]
            if rest and not case.feasible(_without(case, rest)):
                core = rest
            else:
                k += size
        size //= 2
    return core


def _without(case: Case, kept: Sequence[Requirement]) -> Assembly:
    """The model with some requirements alone."""
    assembly = case.problem.assembly
    gone = {row for demand in case.requirements for row in demand.rows.tolist()} - {
        r for d in kept for r in d.rows.tolist()
    }
    rows = np.array(sorted(gone), dtype=np.int64)
    lower, upper = assembly.row_lower.copy(), assembly.row_upper.copy()
    lower[rows], upper[rows] = -INF, INF
    return replace(assembly, row_lower=lower, row_upper=upper)


def _changes(case: Case, families: set[str]) -> Iterator[Change]:
    """Changes that could make room in a conflict of some families: what restores a plan has to make some in every conflict."""
    yield from (change for change in possible_changes(case.problem) if change.demand in families)
    emergency = emergency_change(case.problem) if families & IN_DISRUPTIONS else None
    if emergency is not None:
        yield emergency


def _single_change(case: Case, plan: Plan, data: Dataset, change: Change) -> list[Any] | None:
    """A change of one entry that restores a plan, as a row of `CHANGES`; None where it does not.

    What is told is what was tried: moves are rounded outward to the figures shown before they are put into the plan.
    """
    least = _least_move(case, plan, data, change)
    if least is None:
        return None
    by = min(change.most, _outward(least * (1 + ROOM) + ROOM * max(1e-3, abs(change.base) * 1e-3)))
    put = dict(change.put(by))
    value = change.base + change.sign * by
    sentence = change.words.format(value=f"{value:,.10g}", by=f"{by:,.10g}")
    verified = _restored(case, plan, data, put, whole=True)
    return [change.demand, change.unit, change.base, value, by, verified, put, sentence]


def _outward(value: float) -> float:
    """A positive number rounded up to four figures."""
    digit = 10.0 ** (math.floor(math.log10(value)) - 3)
    return float(f"{math.ceil(value / digit * (1 - 1e-12)) * digit:.10g}")


def _least_move(case: Case, plan: Plan, data: Dataset, change: Change) -> float | None:
    """What an entry has to be moved by at least; None where moving it alone does not help."""
    assembly = case.problem.assembly
    if change.demand == EMERGENCY:
        changed = _changed(case, plan, data, change.within)
        if changed is None:
            return None
        assembly = master_alone(changed.structure, changed.assembly)
        change = replace(change, rows=emergency_rows(replace(changed, assembly=assembly)))
        assembly = _raised(assembly, [(row, -FIRST_MUSD * gain) for row, gain in change.rows])
    elif not change.rows and not change.widened:
        return _least_by_trying(case, plan, data, change)
    ends = sorted({0.0, *(start for _, start in change.idle), change.most})
    for low, high in pairwise(
        ends
    ):  # in each of these stretches every right-hand side gains evenly; more never takes room away
        least = _least_within(case, assembly, change, low, high)
        if least is not None:
            return least
    return None


def _least_within(case: Case, assembly: Assembly, change: Change, low: float, high: float) -> float | None:
    """The least move from `low` to `high` that gives a plan, counted from 0; None where none does."""
    start = dict(change.idle)
    rows = [(row, gain) for row, gain in change.rows if start.get(row, 0.0) <= low]
    moved = _raised(assembly, [(row, -gain * start.get(row, 0.0)) for row, gain in rows])
    moved = with_columns(moved, [[(row, -gain) for row, gain in rows]], np.array([high]))
    column = len(assembly.lower)
    lower, upper = moved.lower.copy(), moved.upper.copy()
    lower[column] = low
    upper[[wide for wide, _ in change.widened]] = INF
    limits = [float(moved.upper[wide]) for wide, _ in change.widened]
    moved = replace(moved, lower=lower, upper=upper)
    for (wide, gain), limit in zip(change.widened, limits, strict=True):
        counted = bool(moved.column_unit[wide] != 1.0)
        moved = with_row(moved, np.array([wide, column]), np.array([1.0, -gain]), -INF, limit, money=counted)
    cost = np.zeros_like(moved.lower)
    cost[column] = 1.0
    run = Model(moved, cost, integer=not case.relax).run(time_limit_s=case.left(), gap=1e-6, phase="single changes")
    return None if isinstance(run, UnsolvedRun) else max(0.0, float(run.x[column]))


def _raised(assembly: Assembly, by: Sequence[tuple[int, float]]) -> Assembly:
    """The model with some right-hand sides raised."""
    lower, upper = assembly.row_lower.copy(), assembly.row_upper.copy()
    for row, amount in by:
        lower[row] += amount
        upper[row] += amount
    return replace(assembly, row_lower=lower, row_upper=upper)


def _least_by_trying(case: Case, plan: Plan, data: Dataset, change: Change) -> float | None:
    """The same for an entry that multiplies what is decided."""
    if not _restored(case, plan, data, change.put(change.most), whole=False):
        return None
    low, high = 0.0, change.most
    for _ in range(TRIES):
        middle = (low + high) / 2
        if _restored(case, plan, data, change.put(middle), whole=False):
            high = middle
        else:
            low = middle
    return high


def _restored(case: Case, plan: Plan, data: Dataset, put: Mapping[str, Any], *, whole: bool) -> bool:
    """Whether the plan with some values in place has an answer: built and solved from nothing, do-nothing reference included.

    whole: in all scenarios, in place of those that promises name.
    """
    changed = _changed(case, plan, data, put)
    return changed is not None and case.feasible(
        changed.assembly if whole else master_alone(changed.structure, changed.assembly)
    )


def _changed(case: Case, plan: Plan, data: Dataset, put: Mapping[str, Any]) -> Problem | None:
    """The problem of the plan with some values in place, with its do-nothing limits; None where there is none."""
    try:
        changed = prepare(*edited(plan, data, put), None, case.problem.structure.scenarios.drawn)
        changed, _ = with_reference(changed, case.left())
    except (PlanError, InfeasibleError):
        return None
    return changed
