"""Background work of a server: claims jobs and runs them in threads, recovers after a crash, deletes old things, sends webhooks."""

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..core.errors import Fault, InputError, MisplacedError
from ..core.logs import about, logger_of
from .job_folder import ENDED_FILE, ERRORS, LIMITS, OUTPUT, PROGRESS, REQUEST, Folder, Reserve, write_whole
from .records import Job, StoreError, in_words, is_id, no_room
from .requests import JobStatus, problem
from .settings import Limits, Settings
from .store import Delivery, Store
from .webhooks import LIMIT_S, RefusedError, checked_address, hosts_of, send, signature, target_of
from .worker import NO_ROOM

# Run a job's process as a child of this server.
POLL_S = 0.1
KILLED_S = 5.0
"""Seconds until a killed process must be gone, where the grace is shorter."""
REPORT_EVERY_S = 0.5
"""Between two looks at progress, and at whether to stop."""

OnProgress = Callable[[dict[str, Any]], None]
Stop = Callable[[], bool]
JobLimits = tuple[float, float]
"""Seconds that a process may run, and that it may take to stop when asked."""
Ended = dict[str, Any]
"""`state`, and `headline` or `problem`."""


def start(folder: Folder, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a job's process, in a group of its own, dying with this one. Its errors go into the folder."""
    package = str(Path(__file__).resolve().parents[2])
    known = [one for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if os.path.isabs(one)]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    secret = [name for name in os.environ if name.startswith("STRATEGIC_MINERALS_")]  # no password reaches a job
    environment = {name: value for name, value in os.environ.items() if name not in secret}
    environment |= {**threads, "PYTHONPATH": os.pathsep.join([package, *known])}
    with (folder.path / ERRORS).open("ab") as errors:
        return subprocess.Popen(
            # -P and a folder of its own: a file beside the server takes the place of no module
            [sys.executable, "-P", "-m", "strategic_minerals.service.worker", str(folder.path.resolve()), *arguments],
            cwd=folder.path,
            stdin=subprocess.PIPE,
            stdout=errors,
            stderr=errors,
            start_new_session=True,
            env=environment,
        )


def end(process: subprocess.Popen[bytes], grace_s: float) -> None:
    """Ask a process and its children to stop, then kill them."""
    for kind, wait_s in (("SIGTERM", grace_s), ("SIGKILL", max(grace_s, KILLED_S))):
        if process.poll() is None:
            with contextlib.suppress(OSError):
                if hasattr(os, "killpg"):
                    os.killpg(process.pid, getattr(signal, kind))
                else:
                    process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(wait_s)
    if process.stdin is not None:
        process.stdin.close()


class JobRunner:
    """Runs jobs in children of this process."""

    def run(self, folder: Folder, limits: JobLimits, report: OnProgress, stop: Stop) -> Ended:
        """Run the job in a folder to its end, report its progress, stop it when asked; how it ended. Raises OSError where the disk
        is full: then it may run again."""
        folder.clear_answers()
        deadline_s, grace_s = limits
        process = start(folder)
        begin = last = time.monotonic()
        reported: dict[str, Any] | None = None
        try:
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(POLL_S)
                now = time.monotonic()
                if now - last < REPORT_EVERY_S:
                    continue
                last = now
                if (found := folder.read(PROGRESS)) is not None and found != reported:
                    reported = found
                    report(found)
                if stop():
                    end(process, grace_s)
                    return folder.read(ENDED_FILE) or {"state": "cancelled"}
                if now - begin > deadline_s:
                    end(process, grace_s)
                    late = problem("deadline", f"The job reached its time limit of {deadline_s:,.0f} s.")
                    return folder.read(ENDED_FILE) or {"state": "failed", "problem": late.model_dump()}
        finally:
            end(process, grace_s)
        ended = folder.read(ENDED_FILE)
        if ended is None and process.returncode == NO_ROOM:
            folder.clear_output()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return ended or {"state": "failed", "problem": _crash(process.returncode).model_dump()}


def _crash(code: int) -> Any:
    """Why a process that wrote no end has ended."""
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return problem("crashed", f"The process of the job crashed ({name}); the machine may have run out of memory.")
    return problem("crashed", f"The process of the job ended with code {code} and without an answer.")


# Retention: when old jobs, lines of the audit log and folders without a job are deleted.
YOUNG_S = 3600.0
"""A folder without a job may be one that is being submitted: it is left alone until it was seen for so long."""


class Janitor:
    """Deletes what is too old and what belongs to no job."""

    def __init__(self, settings: Settings, limits: Limits, store: Store) -> None:
        self._settings, self._store, self._looked = settings, store, time.monotonic()
        self._log_s, self._reserve = 86_400 * limits.log_days, Reserve(settings.folder)
        self._uptime: float | None = None
        self._seen = dict[Path, float]()
        """Folders without a job, and when this server first saw each, by a clock that does not jump."""

    def beat(self) -> None:
        """Time goes by: now and then, from the moment the server begins."""
        before, self._looked = self._looked, time.monotonic()
        self._uptime = self._store.passed(self._looked - before)

    def tidy(self) -> None:
        """Keep room for deleting, and delete what is old by every clock; not at start, before they have been seen to go on."""
        self._buried()  # it needs no room
        self._reserve.fill()
        if self._uptime is None:
            return
        for work in (self._old_jobs, partial(self._store.forget, time.time() - self._log_s), self._strays):
            try:
                work()
            except (StoreError, OSError) as error:
                if no_room(error):
                    self._reserve.spend()
                logger.warning("old things could not be deleted: %s", error)
        self._buried()

    def _old_jobs(self) -> None:
        keep_s = self._settings.keep_days * 86_400
        for name in self._store.outdated(time.time() - keep_s, (self._uptime or 0.0) - keep_s):
            self._store.delete(name)

    def _buried(self) -> None:
        """Folders of jobs that were deleted, where a kill came between."""
        for name in self._store.deleted():
            folder = Folder.of(self._settings.folder, name)
            folder.delete()
            if not folder.path.exists():
                self._store.bury(name)

    def _strays(self) -> None:
        """Folders of no job, checks that nobody waits for, questions that were not kept. A folder with an answer stays: it
        may be another database's."""
        root, known, now = self._settings.folder, self._store.known(), time.monotonic()
        found = (path for pattern in ("jobs/*", "checks/*", "questions/*/*") for path in root.glob(pattern))
        ours = [path for path in found if is_id(path.name)]
        empty = [path for path in ours if not any((path / name).is_file() for name in (ENDED_FILE, "question.json"))]
        self._seen = {path: self._seen.get(path, now) for path in empty if path.name not in known}
        for path, since in self._seen.items():
            if now - since > YOUNG_S:
                Folder(path).delete()


class Loop:
    """A thread that does its work now and then, and when it is woken, whatever happens, until it is stopped."""

    def __init__(self, name: str, work: Callable[[], None], pause_s: float) -> None:
        """pause_s: between two times without a notification, and before the first."""
        self._name, self._work, self._pause = name, work, pause_s
        self.stopping, self._wake = threading.Event(), threading.Event()
        self.trouble = ""
        """Why the store cannot be used now; empty where it can."""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Notify that there may be work."""
        self._wake.set()

    def stop(self, wait_s: float) -> None:
        """Stop, and wait so long for it."""
        self.stopping.set()
        self._wake.set()
        if self.alive:
            self._thread.join(wait_s)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self.stopping.is_set():
            self._wake.wait(self._pause)
            self._wake.clear()
            if self.stopping.is_set():
                return
            try:
                self._work()
                self.trouble = ""
            except StoreError as error:  # away or full for a while
                if self.trouble != str(error):
                    logger.warning("%s: %s", self._name, error)
                self.trouble = str(error)
            except Exception:  # this thread must not die
                logger.exception("%s: an internal error", self._name)


IDLE_S = 0.5
"""Seconds between two checks of the queue without a notification."""
BEAT_S = 2.0
"""Seconds between two heartbeats."""
FOREVER_S = 1e12
STOP_S = 30.0
"""Seconds to wait for a thread when the server stops."""
LONGEST_PAUSE_S = 60.0
TIDY_S = 60.0
MOST_TRIES_OF_JOB, PROBE_BYTES = 8, 64 * 1024
"""How often a job may find no room where others do; what is written to see whether there is some."""
POLLS_OF_SILENCE = 3
"""Consecutive checks in which a server must be silent: a jump of the database's clock makes all look silent once."""

logger = logger_of(__name__)
OnEnd = Callable[[Job, str, float], None]


class Dispatcher:
    """Runs jobs of the store until it is stopped."""

    def __init__(
        self,
        settings: Settings,
        limits: Limits,
        store: Store,
        runner: JobRunner,
        on_end: OnEnd = lambda job, state, seconds: None,
    ) -> None:
        self.settings, self.limits, self.store, self._runner, self._on_end = settings, limits, store, runner, on_end
        self.server = uuid.uuid4().hex
        self._attending: dict[str, threading.Thread] = {}
        self._unstarted: dict[str, int] = {}
        self._pause_until, self._seen = 0.0, time.monotonic()
        self._job_trouble = ""
        self._loop = Loop("the queue", self._serve, IDLE_S)
        self._pulse = Loop("the heartbeat", self._beat, BEAT_S)
        self._suspect, self._tidied = set[str](), float("-inf")
        self._lock: FileLock | None = None
        self._janitor = Janitor(settings, limits, store)
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
                self._lock.release()
            raise
        self._loop.start()
        self._pulse.start()
        logger.info("server %s begins to run jobs, %d at once", self.server, self.settings.workers)

    def wake(self) -> None:
        """Notify that there may be a new job."""
        self._loop.wake()

    def stop(self) -> None:
        """Stop: running jobs go back into the queue for another server."""
        for loop in (self._loop, self._pulse):  # first of all no more is claimed
            loop.stop(STOP_S)
        for thread in list(self._attending.values()):
            thread.join(STOP_S)
        with contextlib.suppress(Exception):
            self.store.gone(self.server)
        logger.info("server %s has stopped", self.server)
        if self._lock is not None:
            self._lock.release()

    @property
    def running(self) -> int:
        """Jobs that this server runs."""
        return len(self._attending)

    @property
    def stopping(self) -> bool:
        return self._loop.stopping.is_set()

    @property
    def alive(self) -> bool:
        return self._loop.alive

    @property
    def trouble(self) -> str:
        """Why jobs cannot be run now; empty where they can."""
        return self._loop.trouble or self._job_trouble

    def _beat(self) -> None:
        """Write a heartbeat, and recover jobs that the store has as running here but no thread runs."""
        self.store.seen(self.server)
        self._seen = time.monotonic()
        self._janitor.beat()
        if self.settings.database is not None:
            self._mend(self._lost())
        idle = set(self.store.running_of(self.server)) - set(self._attending)
        for job in idle & self._suspect:  # at two looks: the answer to a claim was lost on its way
            if not self.store.put_back(job, server=self.server):  # it was asked to stop meanwhile
                self.store.finish(job, self.server, "cancelled", {})
        self._suspect = idle

    def _lost(self) -> list[Job]:
        """Running jobs of servers that were silent at several looks in a row."""
        found = self.store.orphans(self.limits.silent_s)
        self._silent = {job.id: self._silent.get(job.id, 0) + 1 for job in found}
        return [job for job in found if self._silent[job.id] >= POLLS_OF_SILENCE]

    def _serve(self) -> None:
        """Tidy up from time to time, and begin the jobs whose turn it is."""
        now = time.monotonic()
        if self._job_trouble and now >= self._pause_until:
            waiting = {name: self.store.job(name) for name in self._unstarted}  # some may be gone, or run elsewhere
            for name in [name for name, job in waiting.items() if job is None or job.state != "queued"]:
                self._unstarted.pop(name, None)
            self._job_trouble = self._job_trouble if self._unstarted else ""
        if now - self._tidied >= TIDY_S:
            self._tidied = now
            self._janitor.tidy()
        while self.running < self.settings.workers and not self.stopping and now >= self._pause_until:
            job = self.store.claim(self.server, self.limits)
            if job is None:
                break
            self._begin(job)

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
        named = {"job": job.id, "tenant": job.tenant}
        with about(**named):
            logger.info("%s begins", job.kind)
            self._attend_to_end(job, named)

    def _attend_to_end(self, job: Job, named: dict[str, str]) -> None:
        begin, settings, folder = time.monotonic(), self.settings, Folder.of(self.settings.folder, job.id)
        try:
            if folder.read(REQUEST) is None:
                raise LookupError("the job's folder does not exist")
            limits = {"memory_mib": settings.memory_mib, "deadline_s": settings.deadline_s}
            limits |= {"niceness": self.limits.niceness, "most_columns": self.limits.columns}
            folder.write(
                LIMITS,
                {**named, **limits, "threads": max(1, (os.cpu_count() or 1) // settings.workers), "begin": begin},
            )
            patience = settings.deadline_s, self.limits.grace_s
            ended = self._runner.run(folder, patience, partial(self._tell, job), partial(self._to_stop, job))
            self._in_order(job)
        except OSError as error:  # a full disk, say: jobs wait, and so does this server
            logger.warning("job %s could not be run: %s", job.id, error)
            tries = self._unstarted[job.id] = self._unstarted.get(job.id, 0) + 1
            self._job_trouble = f"jobs cannot be run: {in_words(error)}"
            self._pause_until = time.monotonic() + min(LONGEST_PAUSE_S, 2.0 ** min(tries, 10))
            ended = {"state": "queued"}
            if tries >= MOST_TRIES_OF_JOB and self._has_room():  # the disk is not full: it is the job's own
                self._pause_until, self._job_trouble = 0.0, ""
                text = "The files of the job found no room, again and again, where others do."
                ended = {"state": "failed", "problem": problem("crashed", text).model_dump()}
        except Exception:  # the job's own
            logger.exception("job %s could not be run", job.id)
            ended = {"state": "failed", "problem": problem("internal", "The job could not be run.").model_dump()}
        try:
            seconds = time.monotonic() - begin
            unstarted = ended["state"] == "queued"
            back = unstarted or (ended["state"] == "cancelled" and not self._asked_to_stop(job))
            if back and self.store.put_back(job.id, server=self.server, seconds=seconds):
                logger.info("%s waits again after %.1f s", job.kind, seconds)
                return
            if unstarted:  # it was asked to stop meanwhile
                ended = {"state": "cancelled"}
            self._unstarted.pop(job.id, None)
            if self._finish(job, ended, seconds, folder.size):
                logger.info("%s has ended: %s after %.1f s", job.kind, ended["state"], seconds)
                if dict(ended.get("problem") or {}).get("status") == 500:
                    text = "an internal error of %s: log.jsonl in the folder of the job has the details"
                    logger.error(text, job.kind)
                self._on_end(job, ended["state"], seconds)
        except StoreError as error:  # the heartbeat puts back jobs that no thread runs
            logger.warning("the end of job %s could not be written: %s", job.id, error)
        except Exception:  # the place of the job must be given back below; the pulse finds the job
            logger.exception("the end of job %s could not be written", job.id)
        finally:
            if self._attending.get(job.id) is threading.current_thread():
                del self._attending[job.id]
            self.wake()

    def _has_room(self) -> bool:
        """Whether the disk takes something."""
        try:
            write_whole(self.settings.folder / "probe", bytes(PROBE_BYTES))
        except OSError:
            return False
        return True

    def _in_order(self, job: Job) -> None:
        """Jobs can be run again."""
        self._job_trouble = ""
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
                if self._loop.stopping.wait(BEAT_S):
                    return False  # the folder records it; the next server reads it there

    def _tell(self, job: Job, progress: dict[str, object]) -> None:
        self._in_order(job)
        with contextlib.suppress(Exception):  # lost progress is written again soon
            self.store.tell(job.id, self.server, progress)

    def _asked_to_stop(self, job: Job) -> bool:
        """Whether a job was cancelled by its owner, not by the end of this server."""
        found = self.store.job(job.id)
        return found is None or found.stopping

    def _to_stop(self, job: Job) -> bool:
        if self.stopping:
            return True
        try:
            found = self.store.job(job.id)
        except Exception:  # what is not known is asked again; in the end another server takes the job for lost
            return self.settings.database is not None and time.monotonic() - self._seen > self.limits.silent_s / 2
        return found is None or found.stopping or found.state != "running" or found.server != self.server

    def _mend(self, lost: list[Job]) -> None:
        """Jobs whose server is gone: ended where their folder says so; the first time, where they wrote no answer yet, they wait
        again; else interrupted."""
        for job in lost:
            folder = Folder.of(self.settings.folder, job.id)
            outcome = folder.read(ENDED_FILE) or {"state": "interrupted"}
            state = outcome.pop("state")
            ran = min(max(0.0, time.time() - (job.started or time.time())), self.settings.deadline_s)
            if state == "interrupted" and job.stopping:
                state = "cancelled"
            unanswered = state == "interrupted" and not any((folder.path / name).exists() for name in OUTPUT)
            if unanswered and self.store.put_back(job.id, server=job.server, seconds=ran, retried=True):
                logger.info("job %s of a server that is gone waits again", job.id)
                continue
            if job.server is not None and self.store.finish(job.id, job.server, state, outcome, ran, folder.size):
                with about(job=job.id, tenant=job.tenant):
                    logger.info("job %s of a server that is gone: %s", job.id, state)


def lock_folder(folder: Path) -> FileLock:
    """Hold a folder against other servers. Raises InputError where one has it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(folder / "server.lock", thread_local=False)  # another thread may let go of it
    try:
        lock.acquire(timeout=0)
    except Timeout:
        expected = "a folder for this server only, or a PostgreSQL database that servers share"
        raise InputError([Fault(str(folder), "", "folder", "a folder that another server uses", expected)]) from None
    return lock


# Delivery: a thread that looks for jobs with a webhook that have ended, and sends it, again where need be.
WAITS_S = (10.0, 60.0, 300.0, 1800.0, 7200.0, 21_600.0, 43_200.0)
"""Seconds after each failed try; after the last try there is none."""
LEASE_S = LIMIT_S + 60.0
"""Until a try counts as failed whose server has died on the way."""
LOOK_S = 1.0
MOST_AT_ONCE = 4
MOST_OF_TENANT = MOST_AT_ONCE - 1
"""What is sent at once for one tenant: receivers that keep a tenant's connections open hold up nobody else."""
EVENT = "job.ended"


class Deliveries:
    """Sends webhooks of the store until it is stopped."""

    def __init__(
        self, settings: Settings, store: Store, status: Callable[[Job], JobStatus], waits_s: tuple[float, ...] = WAITS_S
    ) -> None:
        """status: a job as callers see it."""
        self._store, self._status, self._waits = store, status, waits_s
        self._allowed = hosts_of(settings.webhook_hosts)
        self._busy, self._lock = Counter[str](), threading.Lock()
        self._loop = Loop("webhooks", self._look, LOOK_S)
        self.start, self.wake = self._loop.start, self._loop.wake

    def stop(self) -> None:
        """Stop looking; what is being sent may end, or is sent again by the next server."""
        self._loop.stop(LIMIT_S)

    def _look(self) -> None:
        """Begin the deliveries that are due, while there is room. Where no thread can be had, the lease ends: it is sent later."""
        while not self._loop.stopping.is_set() and self._busy.total() < MOST_AT_ONCE:
            with self._lock:
                enough = [tenant for tenant, busy in self._busy.items() if busy >= MOST_OF_TENANT]
            found = self._store.due_webhook(len(self._waits) + 1, LEASE_S, enough)
            if found is None:
                return
            threading.Thread(target=self._deliver, args=(found,), name=f"webhook-{found.job.id}", daemon=True).start()
            self._count(found, 1)

    def _count(self, found: Delivery, by: int) -> None:
        """One more, or one less, is being sent for a tenant."""
        with self._lock:
            self._busy[found.job.tenant] += by

    def _deliver(self, found: Delivery) -> None:
        """One try, and what came of it."""
        job, begin = found.job, time.monotonic()
        with about(job=job.id, tenant=job.tenant):
            try:
                status = self._sent(found)
                text, good = f"status {status}", 200 <= status < 300
                if 300 <= status < 400:
                    text += ": redirects are not followed"
            except RefusedError as error:
                text, good = str(error), False
            except MisplacedError as error:  # the settings allowed it once
                text, good = error.places[0][1], False
            except Exception:  # whatever goes wrong is one try of one webhook
                logger.exception("the webhook could not be sent")
                text, good = "an internal error", False
            try:
                again = None if good else self._waits[min(found.tries, len(self._waits)) - 1]
                self._store.webhook_tried(found, again_s=again)
                left = "delivered" if good else "given up" if found.tries > len(self._waits) else "to be sent again"
                logger.info("webhook %s at try %d: %s, %.1f s", left, found.tries, text, time.monotonic() - begin)
            except StoreError as error:  # the lease ends, and it is sent again
                logger.warning("the end of a webhook could not be written: %s", error)
            finally:
                self._count(found, -1)
                self.wake()

    def _sent(self, found: Delivery) -> int:
        """Send it; the status of the answer. Raises RefusedError and MisplacedError."""
        job = found.job
        target = target_of(found.url, self._allowed)
        place = checked_address(target, self._allowed)
        body = self.body(job)
        name, at = f"{job.id}-{int(1000 * (job.ended or 0.0))}", int(time.time())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "strategic-minerals",
            "Connection": "close",
            "webhook-id": name,
            "webhook-timestamp": str(at),
            "webhook-signature": signature(found.secret, name, at, body),
        }
        return send(target, place, headers, body)

    def body(self, job: Job) -> bytes:
        """What is sent: the job's status as its owner sees it."""
        status = self._status(job).model_dump(mode="json")
        sent = {"type": EVENT, "timestamp": status["ended"], "tenant": job.tenant, "data": status}
        return json.dumps(sent, allow_nan=False).encode()
