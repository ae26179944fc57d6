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
from contextvars import ContextVar
from typing import Protocol, TypeVar

A = TypeVar("A")
B = TypeVar("B")


_THREADS: ContextVar[int] = ContextVar("strategic_minerals_threads", default=0)
"""Threads that solves of this thread or task take where they are not told how many; 0: one for each core."""


@contextmanager
def at_most(threads: int) -> Iterator[None]:
    """Solves within, and in processes that `workforce` starts within, take so many threads unless told otherwise; 0: one for each
    core that the process may use."""
    token = _THREADS.set(threads)
    try:
        yield
    finally:
        _THREADS.reset(token)


def cores() -> int:
    """Threads that a solve takes where it is not told how many: those of `at_most`, else one for each core that this process may
    use."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return _THREADS.get() or allowed


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
        spawned = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, spawned, _begin_worker, (_THREADS.get(),)) as pool:
            yield pool.map
    else:
        yield map


def _begin_worker(threads: int) -> None:
    """What a process does first that `workforce` starts. threads: as in the process that starts it."""
    _THREADS.set(threads)
    _end_with_parent()


def _end_with_parent() -> None:
    """Let this process end when the one that started it is gone. One that is killed cannot say so, and what it started would wait
    for its tasks for ever, with all the memory of its last one."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
