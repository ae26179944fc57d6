"""The server's dispatcher: claims jobs, runs them in threads, recovers after a crash, and deletes what is old."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from ..core.errors import Fault, InputError
from ..core.logs import about, logger_of
from .entities import Job
from .job_folder import ENDED, LIMITS, REQUEST, Folder
from .job_runners import JobLimits, Runner
from .problem_details import problem
from .queue_store import quota_of
from .retention import Janitor
from .settings import Settings
from .store import Store
from .tracing import Trace
from .trouble import StoreError, in_words

IDLE_S = 0.5
"""Seconds between two checks of the queue without a notification."""
BEAT_S = 2.0
"""Seconds between two heartbeats."""
FOREVER_S = 1e12
STOP_S = 30.0
"""Seconds to wait for a thread when the server stops."""
LONGEST_PAUSE_S = 60.0
TIDY_S = 60.0
POLLS_OF_SILENCE = 3
"""Consecutive checks in which a server must be silent: a jump of the database's clock makes all look silent once."""

logger = logger_of(__name__)
OnEnd = Callable[[Job, str, float], None]


class Dispatcher:
    """Runs jobs of the store until it is stopped."""

    def __init__(
        self, settings: Settings, store: Store, runner: Runner, on_end: OnEnd = lambda job, state, seconds: None
    ) -> None:
        self.settings, self.store, self._runner, self._on_end = settings, store, runner, on_end
        self.server = uuid.uuid4().hex
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._attending: dict[str, threading.Thread] = {}
        self._unstarted: dict[str, int] = {}
        self._pause_until = 0.0
        self.trouble = ""
        """Why jobs cannot be run now; empty where they can."""
        self._store_trouble = ""
        self._loop = threading.Thread(target=self._run, name="dispatcher", daemon=True)
        self._pulse = threading.Thread(target=self._beat, name="pulse", daemon=True)
        self._lock: IO[bytes] | None = None
        self._janitor = Janitor(settings, store)
        self._silent: dict[str, int] = {}

    def start(self) -> None:
        """Begin. Raises InputError where another server uses the folder and its SQLite file."""
        (self.settings.folder / "jobs").mkdir(parents=True, exist_ok=True)
        alone = self.settings.database is None
        if alone:
            self._lock = lock_folder(self.settings.folder)
        try:
            self.store.seen(self.server)
            if alone:  # the previous server of this folder is gone: its jobs can be recovered
                self._mend(self.store.orphans(-FOREVER_S))
        except BaseException:
            if self._lock is not None:
                self._lock.close()
            raise
        self._loop.start()
        self._pulse.start()
        logger.info("server %s begins to run jobs, %d at once", self.server, self.settings.workers)

    def wake(self) -> None:
        """Notify that there may be a new job."""
        self._wake.set()

    def stop(self) -> None:
        """Stop: running jobs go back into the queue for another server."""
        self._stopping.set()
        self._wake.set()
        for thread in (self._loop, self._pulse):  # first of all no more is claimed
            if thread.is_alive():
                thread.join(STOP_S)
        for thread in list(self._attending.values()):
            thread.join(STOP_S)
        with contextlib.suppress(Exception):
            self.store.gone(self.server)
        logger.info("server %s has stopped", self.server)
        if self._lock is not None:
            self._lock.close()

    @property
    def running(self) -> int:
        """Jobs that this server runs."""
        return len(self._attending)

    @property
    def stopping(self) -> bool:
        """Whether it ends."""
        return self._stopping.is_set()

    @property
    def alive(self) -> bool:
        """Whether it does its work."""
        return self._loop.is_alive()

    def _beat(self) -> None:
        """Write heartbeats in a separate thread, and recover jobs that the store has as running here but no thread runs."""
        suspect: set[str] = set()
        while not self._stopping.wait(BEAT_S):
            try:
                self.store.seen(self.server)
                self._store_well()
                self._janitor.beat()
                if self.settings.database is not None:
                    self._mend(self._lost())
                idle = set(self.store.running_of(self.server)) - set(self._attending)
                for job in idle & suspect:  # at two looks: the answer to a claim was lost on its way
                    if not self.store.put_back(job, server=self.server):  # it was asked to stop meanwhile
                        self.store.finish(job, self.server, "cancelled", {})
                suspect = idle
            except StoreError as error:  # away or full for a while
                logger.warning("the heartbeat could not be written: %s", error)
            except Exception:  # this thread must not die: servers without a pulse lose their jobs
                logger.exception("the heartbeat could not be written")

    def _lost(self) -> list[Job]:
        """Running jobs of servers that were silent at several looks in a row."""
        found = self.store.orphans(self.settings.silent_s)
        self._silent = {job.id: self._silent.get(job.id, 0) + 1 for job in found}
        return [job for job in found if self._silent[job.id] >= POLLS_OF_SILENCE]

    def _run(self) -> None:
        tidied: float | None = None
        while not self._stopping.is_set():
            try:
                now = time.monotonic()
                if self.trouble != self._store_trouble and now >= self._pause_until and not self._unstarted:
                    self.trouble = ""
                if self._janitor.ready and (tidied is None or now - tidied >= TIDY_S):
                    tidied = now
                    self._janitor.tidy()
                while self.running < self.settings.workers and not self._stopping.is_set() and now >= self._pause_until:
                    job = self.store.claim(self.server, self.settings.most_running_of_tenant, quota_of(self.settings))
                    if job is None:
                        break
                    self._begin(job)
                self._store_well()
            except StoreError as error:  # away or full for a while: jobs wait
                if self._store_trouble != str(error):
                    logger.warning("the queue could not be served: %s", error)
                self.trouble = self._store_trouble = str(error)
            except Exception:  # this thread must not die
                logger.exception("the queue could not be served")
            self._wake.wait(IDLE_S)
            self._wake.clear()

    def _store_well(self) -> None:
        """The store takes what is written."""
        if self._store_trouble and self.trouble == self._store_trouble:
            self.trouble = ""
        self._store_trouble = ""

    def _begin(self, job: Job) -> None:
        thread = threading.Thread(target=self._attend, args=(job,), name=f"job-{job.id}", daemon=True)
        self._attending[job.id] = thread
        try:
            thread.start()
        except RuntimeError:  # no thread to be had
            del self._attending[job.id]
            self.store.put_back(job.id, server=self.server)
            raise

    def _attend(self, job: Job) -> None:
        with about(job=job.id, tenant=job.tenant, trace=Trace(parent=job.trace).id):
            logger.info("%s begins", job.kind)
            self._attend_to_end(job)

    def _attend_to_end(self, job: Job) -> None:
        begin, settings, folder = time.monotonic(), self.settings, Folder.of(self.settings.folder, job.id)
        try:
            if folder.read(REQUEST) is None:
                raise LookupError("the job's folder does not exist")
            folder.write(
                LIMITS,
                {
                    "job": job.id,
                    "tenant": job.tenant,
                    "trace": Trace(parent=job.trace).id,
                    "memory_mib": settings.memory_mib,
                    "niceness": settings.niceness,
                    "threads": settings.threads_of_job,
                    "most_columns": settings.most_columns,
                    "deadline_s": settings.deadline_s,
                },
            )
            patience = JobLimits(settings.deadline_s, settings.grace_s)
            ended = self._runner.run(
                folder, patience, lambda progress: self._tell(job, progress), lambda: self._to_stop(job)
            )
            self._in_order(job)
        except OSError as error:  # a full disk, say: what happened is known, and where in the code is no news
            logger.warning("job %s could not be run: %s", job.id, error)
            ended = self._not_run(job, error)
        except Exception as error:
            logger.exception("job %s could not be run", job.id)
            ended = self._not_run(job, error)
        try:
            seconds = time.monotonic() - begin
            unstarted = ended["state"] == "queued"
            back = unstarted or (self._stopping.is_set() and ended["state"] == "cancelled")
            if back and self.store.put_back(job.id, server=self.server, seconds=0.0 if unstarted else seconds):
                logger.info("%s waits again after %.1f s", job.kind, seconds)
                return
            if unstarted:  # it was asked to stop meanwhile
                ended = {"state": "cancelled"}
            self._unstarted.pop(job.id, None)
            if self._finish(job, ended, seconds, folder.size):
                logger.info("%s has ended: %s after %.1f s", job.kind, ended["state"], seconds)
                if dict(ended.get("problem") or {}).get("status") == 500:
                    logger.error(
                        "an internal error of %s: log.jsonl in the folder of the job has the details", job.kind
                    )
                self._on_end(job, ended["state"], seconds)
        except StoreError as error:  # the heartbeat puts back jobs that no thread runs
            logger.warning("the end of job %s could not be written: %s", job.id, error)
        except Exception:  # the place of the job must be given back below; the pulse finds the job
            logger.exception("the end of job %s could not be written", job.id)
        finally:
            if self._attending.get(job.id) is threading.current_thread():
                del self._attending[job.id]
            self.wake()

    def _not_run(self, job: Job, error: Exception) -> dict[str, Any]:
        """Where the place in which jobs run is in trouble, a full disk or a scheduler that is away, jobs wait, and so does this
        server, as long as that lasts. What is the job's own fails it."""
        if not isinstance(error, OSError):
            self._unstarted.pop(job.id, None)
            return {"state": "failed", "problem": problem("internal", "The job could not be run.").model_dump()}
        tries = self._unstarted[job.id] = self._unstarted.get(job.id, 0) + 1
        self.trouble = f"jobs cannot be run: {in_words(error)}"
        self._pause_until = time.monotonic() + min(LONGEST_PAUSE_S, 2.0 ** min(tries, 10))
        return {"state": "queued"}

    def _in_order(self, job: Job) -> None:
        """Jobs can be run again."""
        self.trouble = ""
        self._unstarted.pop(job.id, None)

    def _finish(self, job: Job, ended: dict[str, object], seconds: float, size: int) -> bool:
        """Write down how a job ended, also where the database is away for a while."""
        state = str(ended["state"])
        outcome = {name: value for name, value in ended.items() if name != "state"}
        while True:
            try:
                return self.store.finish(job.id, self.server, state, outcome, seconds, size)  # type: ignore[arg-type]
            except StoreError as error:  # it is away or full: tried again
                logger.warning("the end of job %s could not be written: %s", job.id, error)
                if self._stopping.wait(BEAT_S):
                    return False  # the folder records it; the next server reads it there

    def _tell(self, job: Job, progress: dict[str, object]) -> None:
        self._in_order(job)
        with contextlib.suppress(Exception):  # lost progress is written again soon
            self.store.tell(job.id, self.server, progress)

    def _to_stop(self, job: Job) -> bool:
        return self._stopping.is_set() or self._cancelled(job)

    def _cancelled(self, job: Job) -> bool:
        try:
            found = self.store.job(job.id)
        except Exception:  # what is not known is asked again at the next look
            return False
        return found is None or found.stopping or found.state != "running" or found.server != self.server

    def _mend(self, lost: list[Job]) -> None:
        """Jobs whose server is gone: ended where their folder says so, else interrupted."""
        for job in lost:
            folder = Folder.of(self.settings.folder, job.id)
            ended = folder.read(ENDED) or {"state": "interrupted"}
            outcome = {name: value for name, value in ended.items() if name != "state"}
            ran = min(max(0.0, time.time() - (job.started or time.time())), self.settings.deadline_s)
            if job.server is not None and self.store.finish(
                job.id, job.server, ended["state"], outcome, ran, folder.size
            ):
                with about(job=job.id, tenant=job.tenant):
                    logger.info("job %s of a server that is gone: %s", job.id, ended["state"])


def lock_folder(folder: Path) -> IO[bytes]:
    """Hold a folder against other servers. Raises InputError where one has it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = (folder / "server.lock").open("ab")
    try:
        if os.name == "nt":
            import msvcrt

            windows: Any = msvcrt
            windows.locking(file.fileno(), windows.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        expected = "a folder for this server only, or a PostgreSQL database that servers share"
        raise InputError([Fault(str(folder), "", "folder", "a folder that another server uses", expected)]) from None
    return file
