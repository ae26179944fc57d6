"""How far a job is, as its process writes it down now and then."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from ..core.logs import logger_of
from .job_folder import PROGRESS, Folder

if TYPE_CHECKING:
    from ..core.outcome import Progress

LOG = logger_of(__name__)

MOST_GAP = 10.0
"""Relative gap from which on a bound is not told: at the start of a search it says nothing."""
PACE_S = 0.3
"""Seconds between two words on progress."""


class ProgressReporter:
    """Writes down how far a job is, now and then, and tells the log what it turns to."""

    def __init__(self, folder: Folder, limit_s: float | None) -> None:
        self._folder, self._limit = folder, limit_s
        self._begin, self._last, self._said = time.monotonic(), 0.0, ""
        self._first: tuple[int, float] | None = None

    def report(self, now: Progress) -> None:
        """Of a solve, of many parts, or of a phase."""
        if now.done is not None and now.of is not None:
            self._count(now.phase, now.done, now.of)
            return
        seconds = time.monotonic() - self._begin
        left = None if self._limit is None else max(0.0, self._limit - seconds)
        gap = _finite(now.gap)
        known = gap is None or gap <= MOST_GAP  # a bound that says next to nothing is none yet
        self._write(
            {
                "phase": now.phase.replace("_", " "),
                "seconds": seconds,
                "incumbent_musd": _finite(now.incumbent),
                "bound_musd": _finite(now.bound) if known else None,
                "gap": gap if known else None,
                "time_left_s": left,
            }
        )

    def _count(self, what: str, done: int, of: int) -> None:
        """Of many parts."""
        seconds = time.monotonic() - self._begin
        self._first = (done, seconds) if self._first is None else self._first
        pace = (seconds - self._first[1]) / (done - self._first[0]) if done > self._first[0] else None
        left = None if pace is None else pace * (of - done)
        self._write({"phase": what, "seconds": seconds, "done": done, "of": of, "time_left_s": left})

    def phase(self, name: str) -> None:
        """A part without figures of its own."""
        self._write({"phase": name, "seconds": time.monotonic() - self._begin}, at_once=True)

    def _write(self, progress: dict[str, Any], *, at_once: bool = False) -> None:
        if progress["phase"] != self._said:
            self._said = progress["phase"]
            LOG.info("%s", self._said)
        now = time.monotonic()
        if at_once or now - self._last >= PACE_S:
            self._last = now
            with contextlib.suppress(OSError):  # a full disk must not end a solve; the answer will say so
                self._folder.write(PROGRESS, progress)


def _finite(value: float | None) -> float | None:
    return value if value is not None and abs(value) < 1e300 else None
