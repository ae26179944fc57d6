"""A folder has one writer at a time, also of several processes; a writer that is killed leaves nothing that blocks the next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from .errors import Fault, InputError

LOCK = ".lock"
"""The file whose lock a writer holds; the writer removes it. One that was left behind by a killed process holds nothing."""

LONGEST_WAIT_S = 300.0
"""Seconds that a writer waits for another. Writing the largest runs takes about a minute."""


@contextmanager
def one_writer(folder: Path, *, wait_s: float = LONGEST_WAIT_S) -> Iterator[None]:
    """Hold a folder for writing; it is made where it is not there.

    Raises InputError where another writer does not end within `wait_s` seconds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    lock = FileLock(path)
    try:
        lock.acquire(timeout=wait_s)
    except Timeout:
        expected = "only one process that writes at a time: try again when it has finished, or choose another folder"
        raise InputError([Fault(str(folder), "", "", "another process that is writing to it", expected)]) from None
    try:
        yield
    finally:
        with suppress(OSError):  # before it is let go: who waits for this file sees that it is gone and takes a new one
            path.unlink(missing_ok=True)
        lock.release()
