"""Many re-solves of one question: values put at addresses, answered along a path on which neighbours differ little.

Sampled scenarios are those of the question as it stands, the same for all points, so that what differs between points is what was
changed and not luck; a point that changes hazards draws its own, by the same seed. Points are cut into stretches of the path, each
answered by one `Session`; one hot-started point of every stretch, picked by a seed, is solved again from nothing, and where the two
disagree the whole stretch is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from ..api.solving import MethodOption, Relax
from ..checks.consistency import require
from ..core.errors import Fault, FaultsError, PlanError, ReserveError
from ..core.outcome import Progress
from ..core.runner import HERE, Runner, current
from ..core.verb import Gap, verb
from ..data.addresses import edited, read_axis
from ..data.dataset import Dataset
from ..data.names import Names
from ..instance.build import build_instance
from ..results.study import Study
from ..scenarios.build import build_scenarios
from ..scenarios.events import longest_event
from ..schemas.plan import Plan
from .checkpoint import Checkpoint, identity
from .common_draws import require_scored, with_differences
from .designs import Design
from .sweep_result import Answers
from .sweep_segments import PathSegment, SegmentResult, solve_segment
from .unread import varied_in_vain

STRETCH = 100
"""Points answered one after the other before a new session starts: a fresh one costs two cold solves."""
PARTS = 16
"""Stretches aimed at for an executor, whose size is not known."""
LEAST_STRETCH = 4
"""Least points of a stretch: its first one, and the one checked, are solved from nothing."""
MOST_RANKED = 2_000
"""Points up to which the path goes on to the nearest one; beyond, it follows the axes in turn."""
MOST_POINTS = 100_000


@verb
def sweep(
    plan: Plan,
    data: Dataset,
    points: Design | Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]] | pd.DataFrame,
    *,
    gap: Gap = 1e-3,
    relax: Relax = False,
    method: MethodOption = "auto",
    fresh_scenarios: Annotated[int, Field(ge=0, le=100_000)] = 0,
    run: Runner = HERE,
) -> Study:
    """Solve a question again and again with other values.

    points: values by address (`data.addresses`), every combination of which is solved; or a list of points, a data frame
    with an address a column, or a design, whose indices are then part of the answer. fresh_scenarios: scenarios drawn anew, in ten
    independent samples, in which every point's plan is scored, and that of the question as it stands: differences come with their
    standard error (`common_draws.DIFFERENCES`); 0: none. run: its store is a folder in which rows are written down as they finish;
    called again with the same arguments, a sweep that was stopped goes on from there.

    Tables: `points`, one row a point, in the order asked: the values of the axes, then `FIGURES`; numbers are NaN where there is no
    answer. `decisions`: point, kind, item, year, value (what is signed of a project as a share, the largest stock of each material
    [t], contracts by producer [t/yr] and market floors). `chosen`: kind, item, share of the points with an answer that have it.
    `indices`, where the design has any. Facts: failed_share, checked (points solved again from nothing), disagreed, notes, varied
    (addresses), block (points that hang together).

    Raises PlanError and InputError for an address or a value that is none, and for a store with rows of another sweep, before
    anything is solved. A point without an answer is a row with its reason.
    """
    asked = _points(points.points if isinstance(points, Design) else points)
    design = points if isinstance(points, Design) else Design("points", tuple(asked), {})
    if not asked:
        raise PlanError([Fault("sweep", "", "points", "none", "at least one point")])
    require(plan, data)
    _require_points(plan, data, asked)
    if fresh_scenarios:
        require_scored(plan, fresh_scenarios, relax)
        asked = [*asked, {}]  # the question as it stands comes last
    scored = {"fresh_scenarios": fresh_scenarios} if fresh_scenarios else {}
    held = build_scenarios(build_instance(plan, data, longest_event(plan, data)), data).drawn
    journal = (
        None
        if run.store is None
        else Checkpoint(run.store, identity(plan, data, asked, gap=gap, relax=relax, method=method, **scored))
    )
    kept = SegmentResult([], [], 0, 0) if journal is None else SegmentResult(*journal.read())
    there = {row["point"] for row in kept.rows}
    path = [k for k in _path(asked) if k not in there]
    parallel = run.processes > 1 or run.executor is not None
    parts = 1 if not parallel else PARTS if run.executor is not None else run.processes
    size = min(STRETCH, max(LEAST_STRETCH, math.ceil(len(path) / parts)))
    stretches = [
        PathSegment(
            plan,
            data,
            tuple(part),
            tuple(asked[k] for k in part),
            held,
            gap,
            relax,
            method,
            int(parallel),
            fresh_scenarios,
            "" if run.store is None or run.executor is not None else str(run.store),
        )
        for part in (path[k : k + size] for k in range(0, len(path), size))
    ]
    walked = [kept]
    call = current()

    def tell(done: int) -> None:
        call.report(Progress("points", call.seconds, done=done, of=len(asked)))

    if not parallel:
        for stretch in stretches:
            before = sum(len(part.rows) for part in walked)
            walked.append(solve_segment(stretch, partial(_after, tell, before)))
    else:
        for done in run.each("", solve_segment, stretches):
            walked.append(done)
            if journal is not None and run.executor is not None:  # its workers may not see the folder
                journal.write(done.rows[0]["point"], done.rows, done.decisions, done.checked, done.disagreed)
            tell(sum(len(part.rows) for part in walked))
    rows = sorted((row for part in walked for row in part.rows), key=lambda row: row["point"])
    decisions = sorted((row for part in walked for row in part.decisions), key=lambda row: row["point"])
    if fresh_scenarios:
        base = len(asked) - 1
        rows, own = [row for row in rows if row["point"] != base], [row for row in rows if row["point"] == base]
        rows = with_differences(rows, own[0] if own else None)
        decisions = [row for row in decisions if row["point"] != base]
        asked = asked[:-1]
    table = pd.DataFrame([{**asked[row["point"]], **row} for row in rows]).drop(columns="point")
    return Answers(
        table,
        pd.DataFrame(decisions, columns=["point", "kind", "item", "year", "value"]),
        sum(part.checked for part in walked),
        sum(part.disagreed for part in walked),
        Names.of(data),
        frozenset(
            k for k, now in enumerate(asked) if relax and not edited(plan, data, now)[0].instruments.partial_support
        ),
        varied_in_vain(plan, data, asked),
        design,
        fresh_scenarios,
    ).study()


def _require_points(plan: Plan, data: Dataset, asked: Sequence[Mapping[str, Any]]) -> None:
    """Raise PlanError with every address and every value that is none, each once and with the first point that has it."""
    faults: dict[tuple[str, str, str], Fault] = {}
    for n, changes in enumerate(asked):
        try:
            for address in changes:
                read_axis(address)
            edited(plan, data, changes)
        except FaultsError as error:
            for fault in error.faults:
                told = Fault(SWEEP, f"point {n}", fault.column, fault.found, fault.expected)
                faults.setdefault((fault.column, fault.found, fault.expected), told)
        except ReserveError as error:
            raise PlanError(
                [Fault(SWEEP, f"point {n}", "", str(error), "values that the plan and the tables allow")]
            ) from None
    if faults:
        raise PlanError(faults.values())


SWEEP = "sweep"
"""Where a fault of a point stands, for who does not know the file."""


def _after(tell: Callable[[int], None], before: int, done: int) -> None:
    """Report what is done with what was done before."""
    tell(before + done)


def _points(points: Any) -> list[dict[str, Any]]:
    """One mapping of address to value a point; an empty cell of a frame leaves its field as it is."""
    if isinstance(points, pd.DataFrame):
        if points.columns.has_duplicates:
            raise PlanError([Fault("sweep", "", "points", "an address twice", "each address once")])
        rows = points.to_dict("records")
        found = [{str(k): _plain(v) for k, v in row.items() if not pd.isna(v)} for row in rows]
    elif isinstance(points, Mapping):
        size = math.prod(len(values) for values in points.values())
        if size > MOST_POINTS:
            raise PlanError([Fault("sweep", "", "points", f"{size:,} combinations", f"at most {MOST_POINTS:,}")])
        names = [str(name) for name in points]
        found = (
            [dict(zip(names, map(_plain, values), strict=True)) for values in product(*points.values())]
            if points
            else []
        )
    else:
        found = [{str(k): _plain(v) for k, v in point.items()} for point in points]
    if len(found) > MOST_POINTS:
        raise PlanError([Fault("sweep", "", "points", f"{len(found):,} points", f"at most {MOST_POINTS:,}")])
    return found


def _plain(value: Any) -> Any:
    """numpy's numbers as Python's."""
    return value.item() if isinstance(value, np.generic) else value


def _path(points: Sequence[Mapping[str, Any]]) -> list[int]:
    """An order in which neighbours are near: always on to the nearest point left, axes by the ranks of their values.

    Random order would lose most of what a hot start saves.
    """
    axes = sorted({address for point in points for address in point})
    ranks = np.zeros((len(points), len(axes)))
    for a, address in enumerate(axes):
        values = [point.get(address, -math.inf) for point in points]
        numeric = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
        keys: list[Any] = values if numeric else [repr(v) for v in values]
        place = {v: k for k, v in enumerate(sorted(set(keys)))}
        ranks[:, a] = [place[v] / max(1, len(place) - 1) for v in keys]
    if len(points) > MOST_RANKED:
        return np.lexsort(ranks.T[::-1]).tolist() if len(axes) else list(range(len(points)))
    left = np.ones(len(points), dtype=bool)
    at = int(np.lexsort(ranks.T[::-1])[0]) if len(axes) else 0
    order = [at]
    left[at] = False
    while left.any():
        rest = np.flatnonzero(left)
        at = int(rest[np.abs(ranks[rest] - ranks[at]).sum(axis=1).argmin()])
        order.append(at)
        left[at] = False
    return order
