"""HiGHS instances, the release in use, and two tiny programs that tell whether it may be used."""

from __future__ import annotations

import ctypes
import math
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import highspy
import numpy as np

from ..core.errors import UntrustedError

OTHER_THREADS = (
    "HiGHS refused to run: something else in this process ran it with another number of threads; use a fresh process"
)

_FIRST = threading.Lock()
_greeted: list[bool] = []
"""One entry once HiGHS has printed its banner, which it does once in a process."""


def instance() -> Any:
    """A HiGHS instance. The first of a process prints a banner to the C standard output, which is kept from users."""
    with _FIRST:
        if _greeted:
            return highspy.Highs()
        _greeted.append(True)
        with _stream_of_c_to_nowhere() if _is_glibc() else _descriptor_to_nowhere():
            return highspy.Highs()


def _is_glibc() -> bool:
    """Whether `stdout` is a variable of the C library, as glibc has it."""
    try:
        return "CS_GNU_LIBC_VERSION" in os.confstr_names and bool(os.confstr("CS_GNU_LIBC_VERSION"))
    except (AttributeError, OSError, ValueError):  # another system
        return False


@contextmanager
def _stream_of_c_to_nowhere() -> Iterator[None]:
    """Have C's `stdout` be another stream for a moment: what other threads write through Python, and what processes that they start
    inherit, stays as it is. The other stream is never closed, since a thread of another library may have taken hold of it.
    """
    c = ctypes.CDLL(None)
    c.fopen.restype, c.fopen.argtypes = ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_char_p]
    c.fflush.argtypes = [ctypes.c_void_p]
    stdout, nowhere = ctypes.c_void_p.in_dll(c, "stdout"), c.fopen(os.devnull.encode(), b"w")
    kept = stdout.value
    if nowhere is not None:
        stdout.value = nowhere
    try:
        yield
    finally:
        stdout.value = kept
        c.fflush(nowhere)


@contextmanager
def _descriptor_to_nowhere() -> Iterator[None]:
    """Elsewhere the descriptor itself leads to nowhere for that moment, a millisecond, and so does what others write."""
    try:
        kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    except OSError:  # no standard output to protect
        yield
        return
    try:
        sys.stdout.flush()
        os.dup2(nowhere, 1)
        yield
        if os.name == "posix":
            ctypes.CDLL(None).fflush(None)
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def version() -> str:
    """Version of HiGHS."""
    return str(instance().version())


_CANARY = threading.Lock()
_canary_passed: list[bool] = []
"""One entry once the release in use, the same for the whole process, has answered rightly."""


def canary(solve: Callable[[float, float, float], float] | None = None) -> None:
    """Two mixed-integer programs of two variables that some HiGHS releases get wrong (HiGHS issues 2957, 3043).

    min 2x + 3z, x + z >= 4.5, z integer: 9.   min 2x + 1.4z, x + z >= 20.1, z integer: 28.2.
    Raises UntrustedError where the solver answers otherwise. Passed once, it is not repeated in a process.
    """
    with _CANARY:
        if solve is None and _canary_passed:
            return
        for x_cost, z_cost, need, truth in ((2.0, 3.0, 4.5, 9.0), (2.0, 1.4, 20.1, 28.2)):
            answer = (solve or _micro_mip)(x_cost, z_cost, need)
            if not abs(answer - truth) <= 1e-6:  # a NaN fails too
                raise UntrustedError(
                    f"HiGHS {version()} answers {answer:g} to a two-variable test whose optimum is {truth:g}: it must not be used"
                )
        if solve is None:
            _canary_passed.append(True)


def _micro_mip(x_cost: float, z_cost: float, need: float) -> float:
    """min x_cost*x + z_cost*z subject to x + z >= need, z integer."""
    highs = instance()
    for name, value in (("output_flag", False), ("threads", 1), ("parallel", "off")):
        highs.setOptionValue(name, value)
    highs.passModel(
        2,
        1,
        2,
        2,
        1,
        0.0,
        np.array([x_cost, z_cost]),
        np.zeros(2),
        np.full(2, math.inf),
        np.array([need]),
        np.array([math.inf]),
        np.array([0, 2], dtype=np.int32),
        np.array([0, 1], dtype=np.int32),
        np.ones(2),
        np.array([0, 1], dtype=np.int32),
    )
    if highs.run() != highspy.HighsStatus.kOk:
        raise UntrustedError(OTHER_THREADS)
    return float(highs.getInfo().objective_function_value)
