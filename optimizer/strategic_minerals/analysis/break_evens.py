"""Break-evens of one item over all figures that could flip it, one task a figure: answers do not depend on how many work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ..core.runner import Runner
from .break_even import Pair, find_break_even
from .explain_figures import Figure
from .intervals import BreakEven


@dataclass(frozen=True)
class _Task:
    """One figure of the item. It travels to other processes."""

    pair: Pair
    figure: Figure
    chosen: bool
    tolerance: float
    most_solves: int


def all_break_evens(
    pair: Pair, figures: Sequence[Figure], chosen: bool, tolerance: float, most_solves: int, run: Runner
) -> Iterator[BreakEven]:
    """Of each figure in order. pair: that has answered nothing yet. chosen, tolerance, most_solves: as in `find_break_even`."""
    alone = run.executor is None and run.processes == 1
    own = pair if alone else replace(pair, threads=1)
    tasks = [_Task(own, figure, chosen, tolerance, most_solves) for figure in figures]
    return run.each("figures of the item", _found, tasks)


def _found(task: _Task) -> BreakEven:
    return find_break_even(replace(task.pair), task.figure, task.chosen, task.tolerance, task.most_solves)
