"""Operations without foresight: solved period by period, and the length of an event is known only when it ends.

At the end of each period everything that has begun is known. A cut that still lasts is believed to go on for as long as cuts of
its hazard go on, on average, that have lasted so long; a flood that still lasts is believed to go on, and no squeeze is foreseen.
Nor is any event that has not begun: what is kept in store for the next one is what the end of the horizon pays for it.
Decisions of the period are kept; all later ones are made again in the next period.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..core.arrays import Floats, Ints
from ..core.runner import checkpoint
from ..formulation.structure import Structure, build_structure
from ..highs.basis import BasisMemory
from ..model.instantiate import Templates, compile_templates
from ..model.problem import Problem
from ..model.solution import extract
from ..scenarios.events import DisruptionEvent
from ..scenarios.ongoing import POINTS, SHORTEST, UNKNOWN_MEAN_YR, believed_end, lasting_until
from ..scenarios.profiles import spread
from ..scenarios.sampling import mean_remainder
from ..scenarios.scenario_set import ScenarioSet, combine_events
from .recourse import (
    FirstStage,
    RecourseOutcome,
    best_course,
    chunks,
    evaluate,
    every_component,
    fixed_columns,
    operations,
    problem_of,
    scenario_by_scenario,
    signed,
)

Done = dict[tuple[int, int], Floats]
"""Decisions in a chunk: (component, scenario) -> (T, width) values in model units, filled period by period."""


def evaluate_myopic_recourse(first: FirstStage, scenarios: ScenarioSet, rows: Mapping[str, Any]) -> RecourseOutcome:
    """Operate through every scenario (in tonnes) without foresight. `rows`: the row of each hazard, for its law of durations.

    Raises UntrustedError if a period is not solved to optimality, StoppedError at a limit of the current call.
    """
    templates: Templates | None = None
    bases = BasisMemory()
    found: list[RecourseOutcome] = []
    T = first.natural.calendar.periods
    for part, probability in chunks(scenarios):
        done: Done = {}
        for t in range(1, T):
            checkpoint()
            touched = np.flatnonzero((part.onset <= t).any(axis=1))
            if not len(touched):
                continue
            known = _scaled(first, _known(first, part, touched, t, rows))
            support, shares = signed(first, known)
            structure = build_structure(first.structure.instance, known, support)
            if templates is None:
                templates = compile_templates(every_component(structure, support))
            problem = problem_of(first, structure, templates)
            costs = scenario_by_scenario(problem, probability[touched])
            x = _decide(problem, costs, first, shares, done, touched, t, bases)
            _remember(structure, problem, x, done, touched, t)
        true_support, shares = signed(first, _scaled(first, part))
        structure = build_structure(first.structure.instance, _scaled(first, part), true_support)
        templates = templates or compile_templates(every_component(structure, true_support))
        problem = problem_of(first, structure, templates)
        x = np.zeros(len(problem.assembly.lower))
        columns, values = fixed_columns(problem, first, shares)
        x[columns] = values
        _fill(structure, problem, x, done, np.arange(len(part.names)), T)
        solution = replace(extract(structure, problem.assembly, x), sign=shares, floor=np.zeros(0))
        found.append(evaluate(problem, solution, part, first))
    return RecourseOutcome.joined(found)


def _scaled(first: FirstStage, scenarios: ScenarioSet) -> ScenarioSet:
    return scenarios.counted_in(first.structure.instance.material_unit)


def _known(first: FirstStage, scenarios: ScenarioSet, touched: Ints, t: int, rows: Mapping[str, Any]) -> ScenarioSet:
    """The scenarios as expected to continue at the end of period t (in tonnes)."""
    n = first.natural
    now = n.calendar.first_year + n.calendar.step * (t + 1)
    events = [tuple(believed(k, now, rows) for k in scenarios.events[s] if k.start < now) for s in touched]
    count = len(events)
    names = [scenarios.names[s] for s in touched]
    return combine_events(n, names, np.ones(count), np.zeros(count, dtype=bool), events, scenarios.trunk)


def believed(event: DisruptionEvent, now: float, rows: Mapping[str, Any]) -> DisruptionEvent:
    """An event that has begun, as seen at a date: what has ended is known, what lasts continues for its mean remaining time."""
    cut = event.start + event.flood
    if cut + event.duration <= now:
        return event
    row = rows.get(event.label)
    if event.begun is not None:
        return lasting_until(event.begun, believed_end(event.begun, row, now))
    mean = UNKNOWN_MEAN_YR if row is None else mean_remainder(row, max(0.0, now - cut))
    if cut >= now:  # still a flood: it is expected to continue, and no cut is foreseen
        return replace(event, flood=now - event.start + mean, duration=0.0, cut=0.0, third_cut=0.0, profile=None)
    if event.profile is not None and row is not None:
        whole = event.profile.length * spread(row.stretch_p05, row.stretch_p95, POINTS)
        longer = whole[whole > now - cut]
        stretch = float(longer.mean() if len(longer) else now - cut + SHORTEST) / event.profile.length
        return replace(event, duration=event.profile.length * stretch, stretch=stretch)
    return replace(event, duration=now - cut + mean)


def _decide(
    problem: Problem,
    costs: Floats,
    first: FirstStage,
    shares: Floats,
    done: Done,
    touched: Ints,
    t: int,
    bases: BasisMemory,
) -> Floats:
    """Solve periods t and later, with all earlier ones fixed."""
    model, free = operations(problem, first, costs)
    columns, values = fixed_columns(problem, first, shares)
    past, held, rows = _past(problem, done, touched, t)
    columns, values = np.concatenate([columns, past]), np.concatenate([values, held])
    model.set_bounds(columns, values, values)
    return best_course(problem, model, np.union1d(free, rows), bases)


def _past(problem: Problem, done: Done, touched: Ints, t: int) -> tuple[Ints, Floats, Ints]:
    """(columns, values, rows) of branch periods before t, which are decided."""
    structure, assembly = problem.structure, problem.assembly
    columns: list[Ints] = []
    values: list[Floats] = []
    rows: list[Ints] = []
    for k, part in enumerate(assembly.blocks):
        if part.kind != "period":
            continue
        c, blocks = part.component, structure.block_index[part.component]
        mine = np.flatnonzero((blocks.scenario >= 0) & (blocks.period < t))
        for n in mine:
            scenario = int(touched[blocks.scenario[n]])
            columns.append(part.first_column + part.width * n + np.arange(part.width))
            values.append(done[c, scenario][blocks.period[n]])
        rows.append(np.flatnonzero((assembly.row_block == k) & np.isin(assembly.row_instance, mine)))
    join = np.concatenate
    empty = np.zeros(0, dtype=int)
    return join(columns or [empty]), np.maximum(0.0, join(values or [np.zeros(0)])), join(rows or [empty])


def _remember(structure: Structure, problem: Problem, x: Floats, done: Done, touched: Ints, t: int) -> None:
    """Store the decisions of period t."""
    for c, (part, blocks) in enumerate(zip(problem.assembly.operations, structure.block_index, strict=True)):
        for n in np.flatnonzero((blocks.scenario >= 0) & (blocks.period == t)):
            scenario = int(touched[blocks.scenario[n]])
            kept = done.setdefault((c, scenario), np.zeros((structure.instance.calendar.periods, part.width)))
            begin = part.first_column + part.width * n
            kept[t] = x[begin : begin + part.width]


def _fill(structure: Structure, problem: Problem, x: Floats, done: Done, touched: Ints, until: int) -> None:
    """Write all decisions into the columns of a layout."""
    columns, values, _ = _past(problem, done, touched, until)
    x[columns] = values
