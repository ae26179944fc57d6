"""Check a study before it becomes a job: it varies something, nothing twice, and only what exists."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ..core.addresses import overlapping
from ..core.errors import Fault, FaultsError, PlanError
from .wording import brief, place

if TYPE_CHECKING:
    from ..analysis.sweep_file import SweepFile
    from ..data.dataset import Dataset
    from ..schemas.plan import Plan

MOST_PUT = 300
"""Values of a study that are put into the question before it is accepted, a millisecond each; the others are seen when the job
begins."""


def look_at_study(study: Mapping[str, Any], plan: Plan, data: Dataset) -> None:
    """Raises PlanError with the faults that a sweep would end with before it solves anything, as far as they are quickly seen."""
    from ..analysis.sweep_file import SweepFile
    from ..data.plan_file import parse_as

    asked = parse_as(SweepFile, study, file="study")
    faults = [*_twice("axes", asked.axes), *_twice("ranges", asked.ranges)]
    for point in asked.points[:MOST_PUT]:
        faults += _twice("points", point)
    faults = faults or _of_size(asked, plan, data) or _put(asked, plan, data)
    if faults:
        raise PlanError(faults)


def _of_size(asked: SweepFile, plan: Plan, data: Dataset) -> list[Fault]:
    """Faults of a study that has no points, or more than are solved."""
    from ..analysis.designs import one_at_a_time
    from ..analysis.sweep import MOST_POINTS

    if asked.kind == "points" and len(asked.points) > MOST_POINTS:
        return [Fault("study", "", "points", f"{len(asked.points):,} points", f"at most {MOST_POINTS:,}")]
    size = math.prod(len(values) for values in asked.axes.values()) if asked.axes else 0
    if (asked.kind == "grid" and not 0 < size <= MOST_POINTS) or (asked.kind == "points" and not asked.points):
        return _faults(lambda: asked.design(plan, data), "study")
    if asked.kind in ("one_at_a_time", "latin_hypercube", "morris", "sobol") and (asked.ranges or not asked.estimates):
        return _faults(lambda: one_at_a_time({at: (pair[0], pair[1]) for at, pair in asked.ranges.items()}), "study")
    return []


def _tried(asked: SweepFile) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where it is stated, point): points of the study, among which every value stands once; of ranges that are sampled from, their
    middle."""
    if asked.kind == "points":
        yield from ((place(["study", "points", n]), point) for n, point in enumerate(asked.points))
    first = {at: values[0] for at, values in asked.axes.items()}
    for at, values in asked.axes.items():
        yield from (("study.axes", {**first, at: value}) for value in values)
    for at, (low, high) in asked.ranges.items():
        ends = (low, high) if asked.kind == "one_at_a_time" else ((low + high) / 2,)
        yield from (("study.ranges", {at: value}) for value in ends)


def _twice(name: str, addresses: Iterable[str]) -> list[Fault]:
    """Faults of addresses that are none, that vary the same, or of which one lies within another."""
    from ..data.addresses import read_axis

    known: dict[str, str] = {}
    faults: list[Fault] = []
    for address in addresses:
        try:
            axis = read_axis(address)
        except FaultsError as error:
            faults += [replace(fault, file=f"study.{name}") for fault in error.faults]
            continue
        at = axis.path or f"{axis.table}[{axis.key}]/{axis.column}".replace(".", "/")
        if at in known:
            faults.append(
                Fault(f"study.{name}", "", address, f"the same figure as {brief(known[at])}", "each figure only once")
            )
        known.setdefault(at, address)
    return faults + [
        Fault(
            f"study.{name}",
            "",
            known[inner],
            f"a figure inside {brief(known[outer])}, which also varies",
            "each figure only once",
        )
        for outer, inner in overlapping(known)
    ]


def _put(asked: SweepFile, plan: Plan, data: Dataset) -> list[Fault]:
    """Faults of the first point whose values cannot be put in their places, among so many as are tried."""
    from ..data.addresses import edited

    left = MOST_PUT
    for where, point in _tried(asked):
        left -= max(1, len(point))
        if left < 0:
            break
        if faults := _faults(partial(edited, plan, data, point), where):
            return faults
    return []


def _faults(work: Callable[[], Any], where: str) -> list[Fault]:
    """The faults that something ends with, as those of a part of the request."""
    try:
        work()
    except FaultsError as error:
        return [
            replace(fault, file=where, row="", found="nothing" if fault.found == "none" else fault.found)
            for fault in error.faults
        ]
    return []
