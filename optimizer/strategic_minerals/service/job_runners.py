"""Run a job's process as a child of this server."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from .job_folder import ENDED_FILE, ERRORS, PROGRESS, Folder
from .requests import problem
from .worker import NO_ROOM

POLL_S = 0.1
STOP_S = 5.0
"""Seconds until a killed process must be gone, where the grace is shorter."""
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
        """Run the job in a folder, report its progress, stop it when asked; how it ended. Raises OSError where the disk is full:
        then it may run again."""


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
