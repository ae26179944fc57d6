"""Clusters of scenarios answered elsewhere: tasks that travel to other threads, processes or machines, and what stays there.

Whoever answers keeps the solver of a cluster, so that later rounds bring a point alone. A worker that does not know a cluster,
being new or another than last time, says so and is asked again with everything; a lost worker's tasks run again.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Executor, wait
from dataclasses import dataclass, replace
from typing import Generic

from ..core.arrays import Floats
from ..highs.solver import Model
from .settings import SETTINGS
from .subproblems import Cluster, OutOfTimeError, SolutionT, Subproblem, ask, left_until


@dataclass(frozen=True)
class RemoteTask(Generic[SolutionT]):
    """One cluster to be answered at a point."""

    digest: bytes
    at: Floats
    """(links,) where the master's columns stand."""
    seconds: float
    answer_type: type[SolutionT]
    """What is asked for."""
    part: Subproblem | None = None
    """What to solve; None where the worker is expected to know."""


@dataclass(frozen=True)
class RemoteResult(Generic[SolutionT]):
    """What came of an errand; neither answer nor `out_of_time`: the worker does not know the cluster."""

    answer: SolutionT | None = None
    out_of_time: bool = False


_KEPT: OrderedDict[bytes, tuple[Model, Subproblem]] = OrderedDict()
"""Solvers of clusters, those used last at the end: tasks arrive one by one in a worker's process, with nothing else between them
that lasts. No more than `SearchSettings.most_kept_columns` columns (or one solver) are kept, by digest of what they solve, so that
no answer hangs on what was kept. A solver is taken out while it works: two threads never share one."""
_LOCK = threading.Lock()
"""Held while solvers are taken out and put back."""


def solve_remote(task: RemoteTask[SolutionT]) -> RemoteResult[SolutionT]:
    """Answer one errand in this process. Raises UntrustedError where the cluster has no answer."""
    with _LOCK:
        known = _KEPT.pop(task.digest, None)
    if known is None and task.part is not None:
        known = Model(task.part.assembly, task.part.cost, integer=False), task.part
    if known is None:
        return RemoteResult()
    try:
        answer = ask(*known, task.at, time.perf_counter() + task.seconds, task.answer_type)
    except OutOfTimeError:
        return RemoteResult(out_of_time=True)
    with _LOCK:
        _KEPT[task.digest] = known
        while len(_KEPT) > 1 and sum(len(part.cost) for _, part in _KEPT.values()) > SETTINGS.most_kept_columns:
            _KEPT.popitem(last=False)
    return RemoteResult(answer)


def map_remote(
    executor: Executor,
    clusters: Sequence[Cluster],
    y: Floats,
    deadline: float,
    known: set[bytes],
    answer_type: type[SolutionT],
) -> list[SolutionT]:
    """Answers of clusters at a point, in their order. `known` are digests that some worker was sent before; it grows.

    Some at a time: a program that does not stay in memory is cut out for its errand, and workers that do not keep it are sent it
    anew each time, without a basis: with so many scenarios, threads are the better way.

    Raises OutOfTimeError, UntrustedError, and what the executor raises.
    """
    if len(clusters) > SETTINGS.tasks_at_once:
        pieces = [clusters[k : k + SETTINGS.tasks_at_once] for k in range(0, len(clusters), SETTINGS.tasks_at_once)]
        return [answer for piece in pieces for answer in map_remote(executor, piece, y, deadline, known, answer_type)]
    tasks = [
        RemoteTask(
            cluster.digest,
            y[cluster.links],
            left_until(deadline),
            answer_type,
            None if cluster.digest in known else cluster.part,
        )
        for cluster in clusters
    ]
    replies = _sent(executor, tasks, deadline)
    again = [k for k, reply in enumerate(replies) if reply.answer is None and not reply.out_of_time]
    whole = [replace(tasks[k], part=clusters[k].part, seconds=left_until(deadline)) for k in again]
    for k, reply in zip(again, _sent(executor, whole, deadline), strict=True):
        replies[k] = reply
    known.update(cluster.digest for cluster in clusters)
    if any(reply.out_of_time for reply in replies):
        raise OutOfTimeError
    return [reply.answer for reply in replies if reply.answer is not None]


def _sent(executor: Executor, tasks: Sequence[RemoteTask[SolutionT]], deadline: float) -> list[RemoteResult[SolutionT]]:
    """Replies to errands, in their order; what has not begun when time is up is called off. Raises OutOfTimeError."""
    futures = [executor.submit(solve_remote, task) for task in tasks]
    _, open_ = wait(futures, timeout=max(0.0, deadline - time.perf_counter()))
    for future in open_:
        future.cancel()
    if open_:
        raise OutOfTimeError
    return [future.result() for future in futures]
