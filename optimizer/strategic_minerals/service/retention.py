"""Retention: when old jobs, drafts that were not run and folders without a job are deleted.

A clock may be wrong. So nothing is deleted by the wall clock alone: a job must be too old by it and by the service's uptime, which
a jump does not move (`TokenStore.passed`); files are judged by their dates only while wall and monotonic clock have gone side by
side for as long as files are left alone. And nothing is deleted before this server has seen its clocks go on together.
"""

from __future__ import annotations

import contextlib
import time

from .job_folder import ENDED, Folder
from .settings import Settings
from .store import Store

DRAFT_S = 86_400.0
"""What was uploaded and not run is deleted after so long."""
YOUNG_S = 3600.0
"""A folder without a job may be one that is being submitted: it is left alone for so long."""
APART_S = 60.0
"""Wall and monotonic clock may come apart by so much between two looks (a slewed clock, a machine that was asleep for a moment)."""


class Clocks:
    """Whether the wall clock can be trusted: it has gone with the monotonic one."""

    def __init__(self) -> None:
        self._wall, self._even = time.time(), time.monotonic()
        self._jumped: float | None = None

    def look(self) -> float:
        """Monotonic seconds since the last look; a jump of the wall clock is noticed."""
        wall, even = time.time(), time.monotonic()
        passed = even - self._even
        if abs((wall - self._wall) - passed) > APART_S:
            self._jumped = even
        self._wall, self._even = wall, even
        return passed

    @property
    def steady(self) -> bool:
        """Whether no jump was seen for so long that dates of files mean their age again."""
        return self._jumped is None or self._even - self._jumped > YOUNG_S


class Janitor:
    """Deletes what is too old and what belongs to no job."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings, self._store, self._clocks = settings, store, Clocks()
        self._uptime: float | None = None

    def beat(self) -> None:
        """Time goes by: now and then, from the moment the server begins."""
        self._uptime = self._store.passed(self._clocks.look())

    @property
    def ready(self) -> bool:
        """Whether the clocks have been seen to go on: not at start."""
        return self._uptime is not None

    def tidy(self) -> None:
        """Delete what is old by every clock."""
        if self._uptime is None:
            return
        self._old_jobs(self._uptime)
        if self._clocks.steady:
            self._drafts()
            self._strays()

    def _old_jobs(self, uptime: float) -> None:
        keep_s = self._settings.keep_days * 86_400
        for name in self._store.outdated(time.time() - keep_s, uptime - keep_s):
            if self._store.delete(name):
                Folder.of(self._settings.folder, name).delete()

    def _drafts(self) -> None:
        for drafts in ("drafts", "checks"):
            for path in (self._settings.folder / drafts).glob("*"):
                with contextlib.suppress(OSError):
                    if time.time() - path.stat().st_mtime > DRAFT_S:
                        Folder(path).delete()

    def _strays(self) -> None:
        """Folders of no job: deleted, or moved where they hold an answer, for then the folder may be another database's."""
        known = self._store.known()
        for path in (self._settings.folder / "jobs").iterdir():
            with contextlib.suppress(OSError, ValueError):
                if path.name in known or time.time() - path.stat().st_mtime <= YOUNG_S:
                    continue
                stray = Folder.of(self._settings.folder, path.name)
                if stray.read(ENDED) is None:
                    stray.delete()
                else:
                    (self._settings.folder / "strays").mkdir(exist_ok=True)
                    path.rename(self._settings.folder / "strays" / path.name)
