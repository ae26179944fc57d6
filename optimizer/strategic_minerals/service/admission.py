"""From a request to a job: read within limits, written to a folder, examined, then stored. Questions that are kept for later.

What may take long is read and examined in a process of its own, with limits on memory and time; the caller has its `auth.Turn`.
"""

import contextlib
import errno
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import Request

from ..core.errors import Fault, FaultsError, MisplacedError, PlanError
from ..core.logs import logger_of
from ..verbs import VERBS
from .auth import Caller, digest_of
from .dispatcher import end, start
from .job_folder import ADMISSION, ERRORS, LIMITS, READ, REQUEST, RESULT, Folder
from .reading import BODY, SEEN, Form, look, noted_rows, read
from .records import AuditLogEntry, Job, StoreError, is_id, new_id
from .requests import PLANNING, WITH_ROWS, CheckResult, Kept, ProblemError
from .settings import Limits, Settings
from .store import Store
from .webhooks import hosts_of, target_of
from .worker import NO_ROOM

SMALL_BYTES = 64 * 1024
"""Smaller requests are read in this process: even in the worst case this takes a negligible time."""
LONG = ("sweep", "score", "together")
"""Kinds whose examination takes long whatever their size."""
READ_S, LOOK_S, CHECK_S = 30.0, 30.0, 60.0
"""Seconds that reading a large request may take; that examining a job may, and what is not seen by then is the job's own to find;
that a check may."""
QUESTIONS = "questions"
"""Folder of the questions that are kept."""
ABOUT = "question.json"

logger = logger_of(__name__)


@dataclass(frozen=True)
class Sent:
    """What somebody sent: a form, its body (JSON), files under names that were made here, and the plan's name for people."""

    form: Form
    body: bytes
    files: Mapping[str, bytes] = field(default_factory=dict)
    label: str = ""

    @property
    def heavy(self) -> bool:
        """Whether reading it may take long: a book, and tables that came as files, are only kept, and opened when looked at."""
        plans = sum(len(content) for name, content in self.files.items() if name in ("plan.toml", "plan.json"))
        return len(self.body) + plans > SMALL_BYTES


def take(sent: Sent, folder: Folder, limits: Limits) -> dict[str, Any]:
    """Read what was sent into a folder: `asked` and `digest`, as `reading.read`. Raises ProblemError, PlanError, InputError."""
    for name, content in sent.files.items():
        folder.keep(name, content)
    if not sent.heavy:
        return read(sent.form, sent.body, folder, limits.rows)
    folder.keep(BODY, sent.body)
    folder.write(READ, {"form": sent.form, "most_rows": limits.rows})
    _run_aside(folder, "read", READ_S, limits)
    found = (folder.read(READ) or {}).get("found")
    for name in (BODY, READ):
        (folder.path / name).unlink(missing_ok=True)
    if found is None:
        most = f"{READ_S:.0f} s or {limits.memory_aside_mib:,} MiB"
        raise ProblemError("too-large", f"Reading the request needs more than {most}.")
    if "problem" in found:
        raise ProblemError.of(found["problem"])
    return dict(found)


def _run_aside(folder: Folder, what: str, seconds: float, limits: Limits) -> None:
    """Run a process on a folder, so long at most and in so much memory. Raises OSError where the disk is full."""
    folder.write(LIMITS, _aside(limits))
    process = start(folder, what)
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    finally:
        end(process, 0.0)
        (folder.path / LIMITS).unlink(missing_ok=True)
    if process.returncode == NO_ROOM:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _aside(limits: Limits) -> dict[str, int]:
    return {"memory_mib": limits.memory_aside_mib, "niceness": limits.niceness, "most_columns": limits.columns}


def _examine(asked: Mapping[str, Any], folder: Folder, limits: Limits) -> None:
    """Examine a job whose folder is written: what would fail it at once is refused now, the job itself finds what takes longer.
    Raises ProblemError, PlanError and InputError."""
    if asked["kind"] == "roll":
        noted_rows(asked)
    if not _worth_a_look(asked, folder):
        return
    book = (folder.path / "plan.xlsx").is_file()
    if not book and folder.size <= SMALL_BYTES and asked["kind"] not in LONG:
        try:
            look(folder, asked, limits.columns)
        except (FaultsError, OSError):
            raise
        except Exception:  # looking is a courtesy: the job itself will say what is wrong
            logger.exception("a job could not be examined before it was accepted")
        return
    try:
        _run_aside(folder, "look", LOOK_S, limits)
        found = folder.read(ADMISSION) or {}
    finally:
        for name in (ADMISSION, ERRORS):
            (folder.path / name).unlink(missing_ok=True)
    if "problem" in found:
        raise ProblemError.of(found["problem"])


def _worth_a_look(asked: Mapping[str, Any], folder: Folder) -> bool:
    """Whether there may be a fault: not in a shipped plan without changes, nor in what builds on other jobs."""
    if asked["kind"] in ("sweep", "together"):
        return True
    changed = asked.get("set") or asked.get("answers")
    return VERBS[asked["kind"]].asks and bool(
        changed or any(True for name in ("plan.*", "tables*") for _ in folder.path.glob(name))
    )


def submit(request: Request, sent: Sent, caller: Caller, key: str | None = None) -> Job:
    """What was sent as a job that will run, or the job that the same key brought before.

    Raises ProblemError and RefusalError; PlanError and InputError where plan or tables are wrong. Then nothing is kept.
    """
    state = request.app.state
    settings: Settings = state.settings
    limits: Limits = state.limits
    store: Store = state.store
    if key is None:  # else it may be a job that was accepted before
        store.room(caller.tenant, limits)  # a full queue costs nobody an examination
    folder, unsure = Folder.of(settings.folder, new_id()), False
    try:
        folder.path.mkdir(parents=True)
        found = take(sent, folder, limits)
        asked, digest = found["asked"], found["digest"]
        kept = None if key is None else store.by_key(caller.tenant, key, digest)
        if kept is None:
            store.room(caller.tenant, limits)
            webhook = _webhook(asked.pop("webhook", None), settings)  # its secret goes into no file
            asked = _with_kept(request, caller, asked, folder)
            folder.write(REQUEST, {**asked, **_lend(asked, folder, caller, settings, store)})
            _examine(asked, folder, limits)
            job = Job(
                folder.path.name, caller.tenant, asked["kind"], asked["label"], "queued", time.time(), digest=digest
            )
            folder.sync()
            entry, size = entry_of(caller, f"submit {job.kind}", job.id), folder.size
            unsure = True  # from here on the store may have it although it does not say so
            kept = store.submit(job, key, limits, entry, size, webhook)
    except BaseException as error:
        if not unsure or not isinstance(error, StoreError) or error.kind == "full":
            folder.delete()  # else the janitor does, where the store turns out not to have it
        raise
    if kept.id != folder.path.name:
        folder.delete()
    state.dispatcher.wake()
    request.state.job = kept.id  # for the log of the request
    return kept


def _webhook(asked: Mapping[str, Any] | None, settings: Settings) -> tuple[str, str] | None:
    """(address, secret) of a webhook; None: none is asked for. Raises PlanError for one that cannot be sent."""
    if asked is None:
        return None
    try:
        target_of(asked["url"], hosts_of(settings.webhook_hosts))
    except MisplacedError as error:
        raise PlanError([Fault("body", "", *one) for one in error.places]) from None
    return asked["url"], asked["secret"]


def _lend(asked: Mapping[str, Any], folder: Folder, caller: Caller, settings: Settings, store: Store) -> dict[str, Any]:
    """Take over the run folders, or the rows, that a request builds on. Raises ProblemError."""
    if "of" not in asked:
        return {}
    of = asked["of"] if isinstance(asked["of"], list) else [asked["of"]]
    rows = VERBS[asked["kind"]].of == "rows"
    kinds, called = (WITH_ROWS, f"a {' or '.join(WITH_ROWS)} with an answer") if rows else (PLANNING, "a solved plan")
    names = []
    for position, name in enumerate(of):
        job = store.job(name, caller.tenant)
        if job is None:
            raise ProblemError("not-found", f"of: there is no job {name}.")
        if job.kind not in kinds or job.state != "succeeded":
            raise ProblemError("state", f"of: job {name} is not {called} ({job.kind}, {job.state}).")
        names.append(job.label or name[:8])
        try:
            source = Folder.of(settings.folder, name)
            folder.lend_rows(source) if rows else folder.lend(source, position)
        except FileNotFoundError:  # deleted just now
            raise ProblemError("not-found", f"of: there is no job {name}.") from None
    return {"labels": names}


def entry_of(caller: Caller, action: str, job: str) -> AuditLogEntry:
    """What a caller does now."""
    return AuditLogEntry(time.time(), caller.tenant, caller.token, caller.address, action, job)


def checked(request: Request, sent: Sent) -> tuple[CheckResult, dict[str, Any]]:
    """(faults and notes of a question, what the page shows of it), found in a process of its own. Raises ProblemError."""
    settings: Settings = request.app.state.settings
    limits: Limits = request.app.state.limits
    folder = Folder(settings.folder / "checks" / new_id())
    try:
        folder.path.mkdir(parents=True)
        asked = take(sent, folder, limits)["asked"]
        asked = _with_kept(request, request.state.caller, asked, folder)
        folder.write(REQUEST, {**asked, "kind": "check"})
        folder.write(LIMITS, _aside(limits))
        ended = request.app.state.checker.run(folder, (CHECK_S, 0.0), lambda _: None, lambda: False)
        found = folder.read(RESULT)
    finally:
        folder.delete()
    if found is None:
        if (wrong := ended.get("problem")) is not None:
            raise ProblemError.of(wrong)
        raise ProblemError("unavailable", "The question could not be checked.")
    seen = found["facts"].pop(SEEN, {})
    return CheckResult(**found["facts"]), seen


# Questions that are kept: a folder each, with plan and tables as they came; jobs refer to them, and nothing changes them.
def keep_question(request: Request, caller: Caller, sent: Sent) -> Kept:
    """Keep a plan and its tables. The tenant's oldest make room. Raises ProblemError, PlanError, InputError."""
    limits: Limits = request.app.state.limits
    folder = Folder(_own_place(request, caller) / new_id())
    try:
        folder.path.mkdir(parents=True)
        asked = take(sent, folder, limits)["asked"]
        if asked.get("question"):
            raise PlanError([Fault("body", "", "question", "a question of a question", "a plan of its own")])
        stated = {name: asked[name] for name in ("shipped", "on_top_of_shipped", "set", "answers")}
        about = {"label": sent.label, "at": time.time(), "bytes": folder.size, "stated": stated}
        request.app.state.store.log(entry_of(caller, "keep question", folder.path.name))
        folder.write(ABOUT, about)
    except BaseException:
        folder.delete()
        raise
    left = limits.stored_mib_of_tenant * 2**20
    for n, (name, size, _) in enumerate(_all_kept(request, caller)):
        left -= size
        if n >= limits.stored_of_tenant or (left < 0 and name != folder.path.name):
            delete_question(request, caller, name)
    return own_question(request, caller, folder.path.name)[0]


def delete_question(request: Request, caller: Caller, name: str) -> None:
    """Delete a kept question, which is logged first; then goes what describes it. Raises ProblemError, StoreError."""
    _, folder = own_question(request, caller, name)
    request.app.state.store.log(entry_of(caller, "delete question", name))
    (folder.path / ABOUT).unlink(missing_ok=True)
    folder.delete()


def questions_of(request: Request, caller: Caller) -> list[Kept]:
    """The tenant's, the newest first."""
    return [kept for _, _, kept in _all_kept(request, caller)]


def _all_kept(request: Request, caller: Caller) -> list[tuple[str, int, Kept]]:
    """(name, bytes, question) of each of the tenant's, the newest first."""
    places = _own_place(request, caller).glob("*")
    found = [(place.name, Folder(place).read(ABOUT)) for place in places]
    mine = [(name, int(about["bytes"]), _kept(name, about)) for name, about in found if about is not None]
    return sorted(mine, key=lambda one: one[2].at, reverse=True)


def _own_place(request: Request, caller: Caller) -> Path:
    """The folder of a tenant's questions."""
    folder: Path = request.app.state.settings.folder
    return folder / QUESTIONS / digest_of(caller.tenant)[:32]


def own_question(request: Request, caller: Caller, name: str) -> tuple[Kept, Folder]:
    """A question of the caller's tenant. Raises ProblemError."""
    folder = Folder(_own_place(request, caller) / (name if is_id(name) else "none"))
    about = folder.read(ABOUT)
    if about is None:
        raise ProblemError("not-found", GONE)
    return _kept(name, about), folder


GONE = "There is no such question: it was deleted, or has made room for newer ones."


def _with_kept(request: Request, caller: Caller, asked: dict[str, Any], folder: Folder) -> dict[str, Any]:
    """A request with the kept question that it refers to, whose files it takes over. Raises ProblemError."""
    if not asked.get("question"):
        return asked
    _, source = own_question(request, caller, asked["question"])
    about = source.read(ABOUT)
    try:
        folder.lend_question(source, ABOUT)
    except FileNotFoundError:  # deleted just now
        about = None
    if about is None:
        raise ProblemError("not-found", GONE)
    stated = about["stated"]
    both = {name: {**stated[name], **asked[name]} for name in ("set", "answers")}
    return {**asked, **stated, **both}


def _kept(name: str, about: Mapping[str, Any]) -> Kept:
    return Kept(id=name, label=about["label"], at=datetime.fromtimestamp(about["at"], UTC))
