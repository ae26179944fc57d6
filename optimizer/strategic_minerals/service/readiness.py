"""Readiness: whether the service can accept jobs, and if not, why."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool

from .job_folder import in_words, write_whole

FRESH_S = 0.25
"""Seconds for which a result is reused, so that frequent requests do not cause frequent writes."""
PROBE_BYTES = 64 * 1024
WAIT_S = 0.05


class Readiness:
    """Looks at store, folder, queue and solver, one look at a time. `state` is the application's; `solver` says what is wrong with
    the solver, or nothing while that is not known yet."""

    def __init__(self, state: Any, solver: Callable[[], str]) -> None:
        self._state, self._solver, self._lock = state, solver, asyncio.Lock()
        self._checks: dict[str, str] = {}
        self._at = float("-inf")

    async def look(self) -> dict[str, str]:
        """Check -> `ok` or what was found. Waits for the solver's first answer."""
        async with self._lock:
            if time.monotonic() - self._at > FRESH_S:
                while not (solver := self._solver()):
                    await asyncio.sleep(WAIT_S)
                self._checks = {**await run_in_threadpool(self._written), "queue": self._queue(), "solver": solver}
                self._at = time.monotonic()
            return self._checks

    def _written(self) -> dict[str, str]:
        found, folder = {}, self._state.settings.folder
        for name, write in (
            ("store", self._state.store.writable),
            ("folder", lambda: write_whole(folder / "probe", bytes(PROBE_BYTES))),
        ):
            try:
                write()
                found[name] = "ok"
            except Exception as error:
                found[name] = in_words(error)
        return found

    def _queue(self) -> str:
        dispatcher = self._state.dispatcher
        return str(dispatcher.trouble or "ok") if dispatcher.alive else "not served"
