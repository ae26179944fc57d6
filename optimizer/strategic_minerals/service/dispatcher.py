"""The server's dispatcher: claims jobs, runs them in threads, recovers after a crash, and deletes what is old."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar

from ..core.errors import Fault, InputError, missing_part
from ..core.logs import about, logger_of
from .job_folder import ENDED_FILE, LIMITS, REQUEST, TABLES, Ask, Folder, Job, StoreError, in_words
from .job_runners import JobLimits, Runner
from .requests import Trace, problem
from .settings import Settings
from .store import Store, quota_of

# Retention: when old jobs, drafts that were not run and folders without a job are deleted.


DRAFT_S = 86_400.0
"""What was uploaded and not run is deleted after so long."""
YOUNG_S = 3600.0
"""A folder without a job may be one that is being submitted: it is left alone for so long."""
APART_S = 60.0
"""Wall and monotonic clock may differ by so much between two looks (a slewed clock, a machine that was asleep for a moment)."""


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
                if stray.read(ENDED_FILE) is None:
                    stray.delete()
                else:
                    (self._settings.folder / "strays").mkdir(exist_ok=True)
                    path.rename(self._settings.folder / "strays" / path.name)


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
        named = {"job": job.id, "tenant": job.tenant, "trace": Trace(parent=job.trace).id}
        with about(**named):
            logger.info("%s begins", job.kind)
            self._attend_to_end(job, named)

    def _attend_to_end(self, job: Job, named: dict[str, str]) -> None:
        begin, settings, folder = time.monotonic(), self.settings, Folder.of(self.settings.folder, job.id)
        try:
            if folder.read(REQUEST) is None:
                raise LookupError("the job's folder does not exist")
            limits = {
                name: getattr(settings, name) for name in ("memory_mib", "niceness", "most_columns", "deadline_s")
            }
            folder.write(LIMITS, {**named, **limits, "threads": settings.threads_of_job})
            patience = JobLimits(settings.deadline_s, settings.grace_s)
            ended = self._runner.run(folder, patience, partial(self._tell, job), partial(self._to_stop, job))
            self._in_order(job)
        except OSError as error:  # a full disk, say: jobs wait, and so does this server
            logger.warning("job %s could not be run: %s", job.id, error)
            tries = self._unstarted[job.id] = self._unstarted.get(job.id, 0) + 1
            self.trouble = f"jobs cannot be run: {in_words(error)}"
            self._pause_until = time.monotonic() + min(LONGEST_PAUSE_S, 2.0 ** min(tries, 10))
            ended = {"state": "queued"}
        except Exception:  # the job's own
            logger.exception("job %s could not be run", job.id)
            ended = {"state": "failed", "problem": problem("internal", "The job could not be run.").model_dump()}
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
        if self._stopping.is_set():
            return True
        try:
            found = self.store.job(job.id)
        except Exception:  # what is not known is asked again at the next look
            return False
        return found is None or found.stopping or found.state != "running" or found.server != self.server

    def _mend(self, lost: list[Job]) -> None:
        """Jobs whose server is gone: ended where their folder says so, else interrupted."""
        for job in lost:
            folder = Folder.of(self.settings.folder, job.id)
            outcome = folder.read(ENDED_FILE) or {"state": "interrupted"}
            state = outcome.pop("state")
            ran = min(max(0.0, time.time() - (job.started or time.time())), self.settings.deadline_s)
            if job.server is not None and self.store.finish(job.id, job.server, state, outcome, ran, folder.size):
                with about(job=job.id, tenant=job.tenant):
                    logger.info("job %s of a server that is gone: %s", job.id, state)


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


# The two databases: SQLite in a file, for one server; PostgreSQL, for several that share it.


T = TypeVar("T")

CONNECT_S, STATEMENT_S = 5, 15
"""Seconds that PostgreSQL may take to be there, and to answer."""
BUSY_S = 30.0
"""Seconds that a statement waits for another process's."""
VALUE = re.compile(r"(?<![:\w]):([a-z_]+)")
MAGIC, SMALLEST = b"SQLite format 3\0", 512
"""What an SQLite file begins with, and bytes that it has at least."""
FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
"""SQLite cannot write: the disk is full or gone, or the file is another user's."""
AWAY = tuple(getattr(sqlite3, f"SQLITE_{name}") for name in "BUSY LOCKED NOMEM INTERRUPT PROTOCOL".split())


class SqliteStore(Store):
    """One file, written ahead (WAL) and synchronised at every commit: what was accepted survives a power cut."""

    clock = "((julianday('now') - 2440587.5) * 86400.0)"
    names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        _look_at(path)
        with _as_store_errors():
            self._connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            with _as_store_errors():
                found = self._connection.execute("PRAGMA integrity_check(3)").fetchall()
                if found != [("ok",)]:
                    raise StoreError("damaged", f"the store is damaged: {str(found[0][0])[:200]}")
                self._exists(self._ask)  # what is not ours stays as it is
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = FULL")
            self.set_up()
            self.look_through()
        except BaseException:
            self._connection.close()
            raise

    def _ask(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, values).fetchall()

    def _within(self, work: Callable[[Ask], T]) -> T:
        with self._lock, _as_store_errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                found = work(self._ask)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a full disk has ended it already
                    self._connection.execute("ROLLBACK")
                raise
        return found

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()


def _look_at(path: Path) -> None:
    """Refuse what SQLite would take for an empty database and write over. Raises StoreError."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        head = file.read(SMALLEST)
    if not head and any((path.parent / "jobs").glob("*")):
        raise StoreError("damaged", "the store is damaged: it is empty, but there are jobs")
    if head and (len(head) < SMALLEST or not head.startswith(MAGIC)):
        raise StoreError("damaged", "the store is damaged: it is not an SQLite file")


@contextmanager
def _as_store_errors() -> Iterator[None]:
    """SQLite's errors as the store's, except those that a statement of ours has caused."""
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
        raise
    except sqlite3.DatabaseError as error:
        code = (getattr(error, "sqlite_errorcode", None) or sqlite3.SQLITE_CORRUPT) & 0xFF
        if code in FULL:
            raise StoreError("full", f"the store cannot be written: {error}") from error
        if code in AWAY:
            raise StoreError("away", "the store is busy") from error
        raise StoreError("damaged", f"the store is damaged: {str(error)[:200]}") from error


class PostgresStore(Store):
    """A PostgreSQL database; a connection that broke is made anew once."""

    alone = "SELECT pg_advisory_xact_lock(20271)"
    clock = "extract(epoch FROM clock_timestamp())::float8"
    names = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
    shared = True

    def __init__(self, address: str) -> None:
        try:
            import psycopg
        except ImportError:
            raise missing_part("serve", "psycopg", "postgres") from None
        self._psycopg, self._address, self._lock = psycopg, address, threading.Lock()
        with self._as_store_errors():
            self._connection = self._connected()
        try:
            self.set_up()
        except BaseException:
            self._connection.close()
            raise

    def _connected(self) -> Any:
        """A connection that times out if the server does not answer."""
        found = self._psycopg.connect(
            self._address,
            autocommit=True,
            connect_timeout=CONNECT_S,
            keepalives_idle=10,
            keepalives_interval=5,
            tcp_user_timeout=10_000,
        )
        for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
            found.execute(f"SET {name} = {1000 * STATEMENT_S}")
        return found

    def _within(self, work: Callable[[Ask], T]) -> T:
        def ask(statement: str, **values: Any) -> list[tuple[Any, ...]]:
            cursor = self._connection.execute(VALUE.sub(r"%(\1)s", statement), values)
            return cursor.fetchall() if cursor.description is not None else []

        with self._lock, self._as_store_errors():
            for attempt in (1, 2):
                try:
                    with self._connection.transaction():
                        return work(ask)
                except self._psycopg.OperationalError:
                    if attempt == 2 or not (self._connection.closed or self._connection.broken):
                        raise
                    self._connection.close()
                    self._connection = self._connected()
        raise AssertionError

    @contextmanager
    def _as_store_errors(self) -> Iterator[None]:
        """The driver's errors as the store's, without its words: they may hold the password."""
        psycopg, errors = self._psycopg, self._psycopg.errors
        try:
            yield
        except (errors.DiskFull, errors.ReadOnlySqlTransaction, errors.InsufficientPrivilege) as error:
            raise StoreError("full", f"the store cannot be written ({type(error).__name__})") from None
        except (errors.UndefinedTable, errors.UndefinedColumn, errors.DataCorrupted) as error:
            raise StoreError("damaged", f"the store is damaged ({type(error).__name__})") from None
        except (psycopg.OperationalError, psycopg.ProgrammingError) as error:
            expected = "expected postgresql://user:password@host/name of a running server"
            text = f"no connection to the database ({type(error).__name__}); {expected}"
            raise StoreError("away", text) from None

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            self._connection.close()


def file_of(folder: Path) -> Path:
    """The store of a folder, made or not."""
    return folder / "service.sqlite3"


def open_store(folder: Path, database: str | None) -> Store:
    """The store that settings name. Raises StoreError where it cannot be used, InputError where its driver is not installed."""
    if database is None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # plans and tokens must not be readable by others
        return SqliteStore(file_of(folder))
    return PostgresStore(database)


# A copy of everything that a service keeps, made while it runs: the store first, then the folder of every job in it.


DUMP = "database.dump"
"""What pg_dump writes; pg_restore reads it."""
DUMP_S = 3600.0


@dataclass(frozen=True)
class BackedUp:
    """What was copied."""

    jobs: int
    deleted: int
    """Jobs that were deleted while the copy was made, and are not in it."""
    bytes: int


def back_up(folder: Path, database: str | None, out: Path) -> BackedUp:
    """Copy a service's store and its jobs' folders to a new folder.

    folder: the service's. database: PostgreSQL's address; None: SQLite in the folder. out: must not exist, or be empty.

    Raises InputError for a folder that is not to be written, and where pg_dump is missing; StoreError where the store cannot be
    read; OSError where the disk is full. Then nothing stands at `out`.
    """
    if out.resolve().is_relative_to(folder.resolve()):
        raise InputError([Fault(str(out), "", "OUT", "a folder inside the service's own", "a folder elsewhere")])
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        found = "something that is there already"
        raise InputError([Fault(str(out), "", "OUT", found, "a new name or an empty folder")])
    part = out.with_name(f"{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o700, parents=True)
    try:
        names = _sqlite(folder, part) if database is None else _postgres(database, part)
        copied = [name for name in names if _copied(folder / "jobs" / name, part / "jobs" / name)]
        gone = sorted(set(names) - set(copied))
        if database is None:
            with contextlib.closing(sqlite3.connect(file_of(part))) as store, store:
                store.executemany("DELETE FROM jobs WHERE id = ?", [(job,) for job in gone])
        (part / "jobs").mkdir(exist_ok=True)
        if out.exists():
            out.rmdir()
        for path in (part, *part.rglob("*")):  # wherever it is moved, nobody else may read tokens' hashes and plans
            if not path.is_symlink():
                path.chmod(0o700 if path.is_dir() else 0o600)
        part.rename(out)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return BackedUp(len(copied), len(gone), size)


def _sqlite(folder: Path, part: Path) -> list[str]:
    """Copy the file as of one moment, whoever writes to it; the jobs in it."""
    path = file_of(folder)
    if not path.is_file():
        raise StoreError("away", f"the folder {folder} holds no store")
    try:
        with (
            contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as source,
            contextlib.closing(sqlite3.connect(file_of(part))) as target,
        ):
            source.backup(target)
            if target.execute("PRAGMA integrity_check(1)").fetchall() != [("ok",)]:
                raise StoreError("damaged", "the store is damaged")
            return [str(name) for (name,) in target.execute("SELECT id FROM jobs")]
    except sqlite3.DatabaseError as error:
        raise StoreError("damaged", f"the store cannot be copied: {str(error)[:200]}") from error


def _postgres(address: str, part: Path) -> list[str]:
    """Have pg_dump copy our tables as of one moment; the jobs that there are then. The password goes by the environment."""
    try:
        import psycopg
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        raise missing_part("serve", "psycopg", "postgres") from None
    program = shutil.which("pg_dump")
    if program is None:
        expected = "PostgreSQL's client programs on the PATH (apt install postgresql-client)"
        raise InputError([Fault("backup", "", "pg_dump", "no such program", expected)])
    try:
        parts: dict[str, Any] = conninfo_to_dict(address)
        names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
        names |= {"sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT"}
        given = {names[name]: str(value) for name, value in parts.items() if name in names and value is not None}
        tables = [f"--table={name}" for name in TABLES]
        done = subprocess.run(
            [program, "--format=custom", "--no-password", f"--file={part / DUMP}", *tables],
            env={**os.environ, **given},
            capture_output=True,
            timeout=DUMP_S,
            check=False,
        )
        if done.returncode:
            text = f"pg_dump ended with code {done.returncode}; is it of the server's version or later?"
            raise StoreError("away", text)
        with psycopg.connect(address, connect_timeout=5) as connection:
            return [str(name) for (name,) in connection.execute("SELECT id FROM jobs").fetchall()]
    except (psycopg.Error, subprocess.TimeoutExpired) as error:
        raise StoreError("away", f"the database cannot be read ({type(error).__name__})") from None


def _copied(source: Path, target: Path) -> bool:
    """Copy a job's folder, whose files may come and go; whether it was there."""
    if not source.is_dir():
        return False
    for place, _, names in os.walk(source):
        here = target / Path(place).relative_to(source)
        here.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in names:
            if not name.endswith(".part"):
                with contextlib.suppress(FileNotFoundError):  # it was replaced or deleted just now
                    shutil.copy2(Path(place) / name, here / name)
    return source.is_dir()
