"""Run many independent tasks: in this process, in spawned processes, or with an executor of the caller.

An executor of `dask.distributed` (`client.get_executor()`) runs tasks of a lost worker again by itself.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
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
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _end_with_parent) as pool:
            yield pool.map
    else:
        yield map


def _end_with_parent() -> None:
    """Let this process end when the one that started it is gone. One that is killed cannot say so, and what it started would wait
    for its tasks for ever, with all the memory of its last one."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
