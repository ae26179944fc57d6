"""Run many independent tasks: in this process, in spawned processes, or with an executor of the caller.

An executor of `dask.distributed` (`client.get_executor()`) runs tasks of a lost worker again by itself.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Protocol, TypeVar

A = TypeVar("A")
B = TypeVar("B")


class MapOver(Protocol):
    """Results of a function in the order of its tasks, each as soon as it and those before it are there."""

    def __call__(self, do: Callable[[A], B], tasks: Sequence[A], /) -> Iterator[B]: ...


@contextmanager
def workforce(executor: Executor | None, workers: int) -> Iterator[MapOver]:
    """A map over independent tasks. executor: runs them; None: `workers` spawned processes, or this one where that is 1.

    Tasks and the function travel to other processes: they have to be picklable, and a task should take a second or more.
    """
    if executor is not None:
        yield executor.map
    elif workers > 1:
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
            yield pool.map
    else:
        yield map
