"""From a request to a job: read within limits, written to a folder, checked, then stored."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from ..core.errors import Fault, FaultsError, MisplacedError, PlanError
from ..core.logs import logger_of
from .authentication import Caller, busy
from .entities import AuditLogEntry, Job
from .job_folder import ADMISSION, ERRORS, LIMITS, READ, REQUEST, Folder, new_id
from .job_runners import end, start
from .kind_table import KINDS, PLANNING, WITH_ROWS
from .problem_details import Problem, ProblemError
from .questions import look
from .queue_store import FullError, KeyTakenError, QuotaError, quota_of
from .reading import BODY, Form, read
from .settings import Settings
from .store import Store
from .tracing import Trace
from .webhooks import hosts_of, target_of
from .worker import NO_ROOM

NO_TRACE = Trace()
RETRY_S = 10.0
QUOTA_RETRY_S = 1800.0
"""Until a caller who has used up a quota of 24 hours should ask again."""
SMALL_BYTES = 64 * 1024
"""Smaller requests are read in this process: even in the worst case this takes a negligible time."""
READ_S = 30.0
"""Seconds that reading a large request may take."""
POLL_S = 30.0
"""Seconds that looking at a job may take before it is accepted; what is not seen by then is the job's own to find."""

ONE_POLL = threading.Lock()
"""Held while this process looks at a job: that is work for the processor, and one at a time takes the memory of one."""

logger = logger_of(__name__)

Room = Callable[[], AbstractContextManager[None]]
"""Room for one more process next to the jobs; raises ProblemError if there is none."""


class Sent:
    """What somebody sent: a form, its body (JSON), files under names that were made here."""

    def __init__(self, form: Form, body: bytes, files: Mapping[str, bytes] | None = None) -> None:
        self.form, self.body, self.files = form, body, dict(files or {})

    @property
    def heavy(self) -> bool:
        """Whether reading it may take long: a book, and tables that came as files, are only kept, and opened when looked at."""
        plans = sum(len(content) for name, content in self.files.items() if name in ("plan.toml", "plan.json"))
        return len(self.body) + plans > SMALL_BYTES

    @property
    def large(self) -> bool:
        """Whether looking at it may take long: a book, or more of anything than is read beside all else."""
        return "plan.xlsx" in self.files or len(self.body) + sum(map(len, self.files.values())) > SMALL_BYTES


def take(sent: Sent, folder: Folder, settings: Settings, room: Room) -> dict[str, Any]:
    """Read what was sent into a folder: `asked` and `digest`, as `reading.read`. Raises ProblemError, PlanError, InputError."""
    for name, content in sent.files.items():
        folder.keep(name, content)
    if not sent.heavy:
        return read(sent.form, sent.body, folder, settings.most_rows, settings.most_columns)
    with room():
        return _read_aside(sent, folder, settings)


def _read_aside(sent: Sent, folder: Folder, settings: Settings) -> dict[str, Any]:
    """Read it in a process of its own, within a limit on memory and time. Raises ProblemError."""
    folder.keep(BODY, sent.body)
    folder.write(READ, {"form": sent.form, "most_rows": settings.most_rows, "most_columns": settings.most_columns})
    _run_aside(folder, "read", READ_S, settings.memory_aside_mib, settings.niceness)
    found = (folder.read(READ) or {}).get("found")
    for name in (BODY, READ):
        (folder.path / name).unlink(missing_ok=True)
    if found is None:
        most = f"{READ_S:.0f} s or {settings.memory_aside_mib:,} MiB"
        raise ProblemError("too-large", f"Reading the request needs more than {most}.")
    if "problem" in found:
        raise ProblemError.of(Problem(**found["problem"]))
    return dict(found)


def _run_aside(folder: Folder, what: str, seconds: float, memory_mib: int, niceness: int) -> None:
    """Run a process on a folder, so long at most and in so much memory. Raises OSError where the disk is full."""
    folder.write(LIMITS, {"memory_mib": memory_mib, "niceness": niceness})
    process = start(folder, what)
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    finally:
        end(process, 0.0)
        (folder.path / LIMITS).unlink(missing_ok=True)
    if process.returncode == NO_ROOM:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _look(sent: Sent, asked: Mapping[str, Any], folder: Folder, settings: Settings, room: Room) -> None:
    """Look at a job whose folder is written. What would fail it at once is told now; what cannot be seen quickly, or where there is
    no room for one more process, is left to the job. Raises ProblemError, PlanError and InputError."""
    if sent.heavy or not _worth_a_look(asked, folder):  # what is heavy was looked at when it was read
        return
    if not sent.large and asked.get("item") is None:
        try:
            with ONE_POLL:
                look(folder, asked)
        except (FaultsError, OSError):
            raise
        except Exception:  # looking is a courtesy: the job itself will say what is wrong
            logger.exception("a job could not be checked before it was accepted")
        return
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(room())
        except ProblemError:
            return
        try:
            memory_mib = (
                settings.memory_mib if "of" in asked else settings.memory_aside_mib
            )  # what a job wrote is no stranger's
            _run_aside(folder, "look", POLL_S, memory_mib, settings.niceness)
            found = folder.read(ADMISSION) or {}
        finally:
            (folder.path / ADMISSION).unlink(missing_ok=True)
            (folder.path / ERRORS).unlink(missing_ok=True)
    if "problem" in found:
        raise ProblemError.of(Problem(**found["problem"]))


def _worth_a_look(asked: Mapping[str, Any], folder: Folder) -> bool:
    """Whether there may be a fault: not in what the package ships as it stands, nor in a comparison of what was solved."""
    if not KINDS[asked["kind"]].asks or asked["kind"] in ("sweep", "together"):
        return asked["kind"] not in ("compare", "discover", "verify")
    return bool(asked["set"]) or any(True for name in ("plan.*", "tables*") for _ in folder.path.glob(name))


def submit(
    sent: Sent,
    caller: Caller,
    key: str | None,
    settings: Settings,
    store: Store,
    room: Room,
    trace: Trace = NO_TRACE,
) -> tuple[Job, bool]:
    """What was sent as a job that will run; whether it is a new one.

    Raises ProblemError; PlanError and InputError where plan or tables are wrong. Then nothing is kept.
    """
    folder = Folder.of(settings.folder, new_id())
    try:
        folder.path.mkdir(parents=True)
        found = take(sent, folder, settings, room)
        asked = found["asked"]
        with told():
            known = None if key is None else store.by_key(caller.tenant, key, found["digest"])
            kept = known or _kept(sent, asked, found["digest"], folder, caller, key, settings, store, room, trace)
    except BaseException:
        folder.delete()
        raise
    if kept.id != folder.path.name:
        folder.delete()
    return kept, kept.id == folder.path.name


def _kept(
    sent: Sent,
    asked: dict[str, Any],
    digest: str,
    folder: Folder,
    caller: Caller,
    key: str | None,
    settings: Settings,
    store: Store,
    room: Room,
    trace: Trace,
) -> Job:
    """Write the rest of a job's folder, look at it, then keep the job."""
    webhook = _webhook(asked.pop("webhook", None), settings)  # its secret goes into no file
    names = _lend(asked, folder, caller, settings, store)
    folder.write(REQUEST, {**asked, **names})
    _look(sent, asked, folder, settings, room)
    job = Job(
        folder.path.name,
        caller.tenant,
        asked["kind"],
        asked["label"],
        "queued",
        time.time(),
        None,
        None,
        None,
        digest,
        False,
        {},
        {},
        trace.parent,
        trace.state,
    )
    folder.sync()
    entry = AuditLogEntry(job.submitted, caller.tenant, caller.token, caller.address, f"submit {job.kind}", job.id)
    return store.submit(
        job, key, settings.most_queued, settings.most_queued_of_tenant, entry, quota_of(settings), folder.size, webhook
    )


def _webhook(asked: Mapping[str, Any] | None, settings: Settings) -> tuple[str, str] | None:
    """(address, secret) of a webhook; None: none is asked for. Raises PlanError for one that cannot be sent."""
    if asked is None:
        return None
    default = settings.webhook_secret
    secret = asked["secret"] or (None if default is None else default.get_secret_value())
    if secret is None:
        raise PlanError(
            [Fault("body", "", "webhook.secret", "nothing", "a secret, for the service has none of its own")]
        )
    try:
        target_of(asked["url"], hosts_of(settings.webhook_hosts))
    except MisplacedError as error:
        raise PlanError([Fault("body", "", *one) for one in error.places]) from None
    return asked["url"], secret


@contextmanager
def told() -> Iterator[None]:
    """What the store refuses, as a problem."""
    try:
        yield
    except QuotaError as error:
        headers = {} if error.storage else {"Retry-After": f"{QUOTA_RETRY_S:.0f}"}
        raise ProblemError("storage" if error.storage else "quota", f"{error}.", headers=headers) from None
    except FullError as error:
        raise busy(f"The queue is full: {error}.", RETRY_S) from None
    except KeyTakenError:
        raise ProblemError("conflict", "The idempotency key was used for another request.") from None


def _lend(asked: Mapping[str, Any], folder: Folder, caller: Caller, settings: Settings, store: Store) -> dict[str, Any]:
    """Take over the run folders, or the rows, that a request builds on. Raises ProblemError."""
    if "of" not in asked:
        return {}
    of = asked["of"] if isinstance(asked["of"], list) else [asked["of"]]
    rows = KINDS[asked["kind"]].verb.of == "rows"
    kinds, called = (WITH_ROWS, f"a {' or '.join(WITH_ROWS)} with an answer") if rows else (PLANNING, "a solved plan")
    names = []
    for place, name in enumerate(of):
        job = store.job(name, caller.tenant)
        if job is None:
            raise ProblemError("not-found", f"of: there is no job {name}.")
        if job.kind not in kinds or job.state != "succeeded":
            raise ProblemError("conflict", f"of: job {name} is not {called} ({job.kind}, {job.state}).")
        names.append(job.label or name[:8])
        try:
            source = Folder.of(settings.folder, name)
            folder.lend_rows(source) if rows else folder.lend(source, place)
        except FileNotFoundError:  # deleted just now
            raise ProblemError("not-found", f"of: there is no job {name}.") from None
    return {"labels": names}
