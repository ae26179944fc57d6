"""Run a job's process: as a child of this server, or by a worker of a Dask cluster."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from .job_folder import ENDED_FILE, ERRORS, PROGRESS, RESULT, Folder, write_whole
from .requests import problem
from .worker import NO_ROOM

POLL_S = 0.1
AWAY_S = 60.0
"""What a job elsewhere may take beyond its deadline: its folder travels."""
STOP_S = 5.0
"""Beyond the grace, until a worker that does not stop is taken for lost."""
REPORT_EVERY_S = 0.5
"""Between two looks at progress, and at whether to stop."""

OnProgress = Callable[[dict[str, Any]], None]
Stop = Callable[[], bool]
Ended = dict[str, Any]
"""`state`, and `headline` or `problem`."""


@dataclass(frozen=True)
class JobLimits:
    """How long a process may run, and how long it may take to stop when asked."""

    deadline_s: float
    grace_s: float


class Runner(Protocol):
    """Runs one job to its end."""

    def run(self, folder: Folder, limits: JobLimits, report: OnProgress, stop: Stop) -> Ended:
        """Run the job in a folder, tell its progress, stop it when asked; how it ended. Raises OSError where the place in which it
        runs is in trouble: then it may run again."""


def start(folder: Folder, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a job's process, in a group of its own, dying with this one. Its errors go into the folder."""
    package = str(Path(__file__).resolve().parents[2])
    known = os.environ.get("PYTHONPATH")
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    secret = [name for name in os.environ if name.startswith("STRATEGIC_MINERALS_")]  # no password reaches a job
    environment = {name: value for name, value in os.environ.items() if name not in secret}
    environment |= {**threads, "PYTHONPATH": package if not known else f"{package}{os.pathsep}{known}"}
    with (folder.path / ERRORS).open("ab") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", "strategic_minerals.service.worker", str(folder.path), *arguments],
            stdin=subprocess.PIPE,
            stdout=errors,
            stderr=errors,
            start_new_session=True,
            env=environment,
        )


def end(process: subprocess.Popen[bytes], grace_s: float) -> None:
    """Ask a process and its children to stop, then kill them."""
    for kind, wait_s in (("SIGTERM", grace_s), ("SIGKILL", max(grace_s, STOP_S))):
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


class LocalRunner:
    """Children of this process."""

    def run(self, folder: Folder, limits: JobLimits, report: OnProgress, stop: Stop) -> Ended:
        """Run the job here."""
        folder.clear_answers()
        process = start(folder)
        begin = last = time.monotonic()
        entry: dict[str, Any] | None = None
        try:
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(POLL_S)
                now = time.monotonic()
                if now - last < REPORT_EVERY_S:
                    continue
                last = now
                if (found := folder.read(PROGRESS)) is not None and found != entry:
                    entry = found
                    report(found)
                if stop():
                    end(process, limits.grace_s)
                    return folder.read(ENDED_FILE) or {"state": "cancelled"}
                if now - begin > limits.deadline_s:
                    end(process, limits.grace_s)
                    late = problem("deadline", f"The job reached its time limit of {limits.deadline_s:,.0f} s.")
                    return folder.read(ENDED_FILE) or {"state": "failed", "problem": late.model_dump()}
        finally:
            end(process, limits.grace_s)
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


class DaskRunner:
    """Workers of a Dask cluster: the folder travels there and back; a lost worker's job runs again elsewhere."""

    def __init__(self, scheduler: str) -> None:
        import distributed

        self._dask: Any = distributed  # much of it is not typed
        self._scheduler, self._lock = scheduler, threading.Lock()
        self._client: Any = self._dask.Client(scheduler, set_as_default=False)

    def _connected(self) -> Any:
        """The client, made anew where it gave the scheduler up. Raises OSError where there is none."""
        with self._lock:
            if self._client.status in ("closed", "closing"):
                self._client = self._dask.Client(self._scheduler, set_as_default=False)
            return self._client

    def run(self, folder: Folder, limits: JobLimits, report: OnProgress, stop: Stop) -> Ended:
        """Run the job on a worker. Raises OSError where the cluster is away."""
        folder.clear_answers()
        attempt = (
            f"{folder.path.name}-{time.time_ns()}"  # a stop request to an earlier attempt does not apply to this one
        )
        client = self._connected()
        stopping = self._dask.Event(f"stop-{attempt}", client=client)
        future = client.submit(task, attempt, packed(folder), limits, pure=False, key=attempt)
        try:
            return self._watched(client, folder, attempt, future, stopping, limits, report, stop)
        except Exception as error:
            with contextlib.suppress(Exception):  # an earlier attempt must not continue next to this one
                stopping.set()
                future.cancel(force=True)
            if client.status in ("closed", "closing", "connecting") or isinstance(
                error, self._dask.comm.CommClosedError
            ):
                raise ConnectionError("the scheduler cannot be reached") from error
            raise

    def _watched(
        self,
        client: Any,
        folder: Folder,
        attempt: str,
        future: Any,
        stopping: Any,
        limits: JobLimits,
        report: OnProgress,
        stop: Stop,
    ) -> Ended:
        """Follow an attempt to its end."""
        latest: float | None = None
        told, asked = None, None
        while not future.done():
            time.sleep(REPORT_EVERY_S)
            events = client.get_events(attempt)
            now = time.monotonic()
            if events and latest is None:  # it has begun: from here on its time runs
                latest = now + limits.deadline_s + limits.grace_s + AWAY_S
            if events and events[-1] != told:
                told = events[-1]
                report(told[1]["told"])
            if asked is None and stop():
                asked = now
                stopping.set()
            if asked is not None and (
                not events or now - asked > limits.grace_s + STOP_S
            ):  # not begun, or its worker is lost
                future.cancel(force=True)
                return {"state": "cancelled"}
            if latest is not None and now > latest:
                future.cancel(force=True)
                return {
                    "state": "failed",
                    "problem": problem("deadline", "No worker finished the job in time.").model_dump(),
                }
        if future.cancelled():
            if asked is None:
                raise ConnectionError("the scheduler lost the job")
            return {"state": "cancelled"}
        ended, content = future.result()
        unpack(content, folder)
        return dict(ended)

    def close(self) -> None:
        """Let go of the cluster."""
        self._client.close()


def task(attempt: str, content: bytes, limits: JobLimits) -> tuple[Ended, bytes]:
    """On a worker: unpack, run a child, pack what it wrote."""
    import distributed

    dask: Any = distributed
    worker, stopping = dask.get_worker(), dask.Event(f"stop-{attempt}", client=dask.get_client())
    with tempfile.TemporaryDirectory(prefix="strategic-minerals-") as place:
        folder = Folder(Path(place) / attempt)
        folder.path.mkdir()
        unpack(content, folder)

        def report(progress: dict[str, Any]) -> None:
            worker.log_event(attempt, {"told": progress})

        ended = LocalRunner().run(folder, limits, report, stopping.is_set)
        return ended, packed(folder)


def packed(folder: Folder) -> bytes:
    """A folder as one ZIP."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.path.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder.path).as_posix())
    return held.getvalue()


def unpack(content: bytes, folder: Folder) -> None:
    """Write a packed folder's files, the word that the job has ended last. ValueError for one that would lie outside."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in sorted(archive.namelist(), key=lambda name: (name == ENDED_FILE, name == RESULT, name)):
            target = (folder.path / name).resolve()
            if not target.is_relative_to(folder.path.resolve()):
                raise ValueError("a file outside the folder")
            target.parent.mkdir(parents=True, exist_ok=True)
            write_whole(target, archive.read(name))
