"""A service to test against: in this process with children or with a runner that does as it is told, or as a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient

from conftest import ENTRY, PATIENCE_S, environment, until
from strategic_minerals import load_dataset, shipped
from strategic_minerals.service import worker
from strategic_minerals.service.app import create_app
from strategic_minerals.service.auth import new_token
from strategic_minerals.service.dispatcher import JobLimits, JobRunner
from strategic_minerals.service.job_folder import ENDED_FILE, REPORT, REQUEST, RESULT, Folder
from strategic_minerals.service.records import Scope
from strategic_minerals.service.settings import Limits, Settings
from strategic_minerals.service.store import open_store

QUICK = {"kind": "solve", "shipped": "quickstart", "gap": 0.05, "quick": True}


def records(table: str) -> list[dict[str, Any]]:
    """Rows of a shipped table as JSON has them."""
    return [row.model_dump(mode="json", exclude_none=True) for row in load_dataset(shipped("inputs")).rows(table)]


class Obedient(JobRunner):
    """Ends jobs at once, or when told to: the queue without the solver."""

    def __init__(self, *, hold: bool = False) -> None:
        self.go = threading.Event()
        self.seen: list[str] = []
        if not hold:
            self.go.set()

    def run(
        self, folder: Folder, limits: JobLimits, tell: Callable[[dict[str, Any]], None], stop: Callable[[], bool]
    ) -> Any:
        self.seen.append(folder.path.name)
        tell({"phase": "social cost", "seconds": 0.1, "incumbent_musd": -1.0, "bound_musd": -2.0, "gap": 0.5})
        while not self.go.wait(0.02):
            if stop():
                return {"state": "cancelled"}
        kind = (folder.read(REQUEST) or {})["kind"]
        (folder.path / "out").mkdir(exist_ok=True)
        (folder.path / "out" / "t.csv").write_text("a,b\n1,'=x\n", encoding="utf-8")
        kinds = {"a": "integer", "b": "text"}
        checked = {"faults": [], "notes": [], "facts": 1, "estimates": 1, "columns_at_most": 1}
        facts = checked if kind == "check" else {}
        folder.write(
            RESULT,
            {
                "kind": kind,
                "headline": "done",
                "summary": "done",
                "facts": facts,
                "tables": {"t": {"file": "out/t.csv", "rows": 1, "kinds": kinds}},
            },
        )
        folder.write(ENDED_FILE, {"state": "succeeded", "headline": "done"})
        return {"state": "succeeded", "headline": "done"}


def reported(folder: Folder, *_: Any, text: str = "<p>report") -> Any:
    """In place of a process that makes a report."""
    (folder.path / REPORT).write_text(text, encoding="utf-8")
    return subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.PIPE)


def settings(folder: Path, **given: Any) -> Settings:
    return Settings(folder=folder, **given)


def served(folder: Path, runner: JobRunner | None = None, checker: JobRunner | None = None, **given: Any) -> FastAPI:
    """The application; given: settings, and limits by their names."""
    limits = {name: given.pop(name) for name in [*given] if name in Limits.__dataclass_fields__}
    return create_app(settings(folder, **given), Limits(**{"grace_s": 0.5, **limits}), runner=runner, checker=checker)


class InProcess(JobRunner):
    """Answers in this process, which spares the start of another."""

    def run(self, folder: Folder, *_: Any) -> Any:
        worker.answer(folder)
        return folder.read(ENDED_FILE)


@contextmanager
def client(folder: Path, runner: JobRunner | None = None, **given: Any) -> Iterator[TestClient]:
    """The application in this process, open, as a caller who may do everything sees it."""
    headers = token(folder, "local", "read", "submit", "admin")
    with TestClient(served(folder, runner, **given), raise_server_exceptions=False, headers=headers) as found:
        yield found


def running(app: Any) -> Any:
    """An application that has begun already, for those who would begin and end it with every request."""

    async def asked(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        for name in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{name}.complete"})

    return asked


def token(folder: Path, tenant: str, *scopes: Scope, database: str | None = None) -> dict[str, str]:
    """Headers of a new token."""
    store = open_store(folder, database)
    text, kept, digest = new_token(tenant, scopes or ("read", "submit"))
    store.keep_token(kept, digest)
    store.close()
    return {"Authorization": f"Bearer {text}"}


def ended(client: Any, job: str, **given: Any) -> dict[str, Any]:
    """The status of a job that has ended."""

    def told() -> dict[str, Any] | None:
        found = client.get(f"/v1/jobs/{job}", **given).json()
        return None if found["state"] in ("queued", "running") else dict(found)

    return dict(until(told))


class Server:
    """A server as a process of its own, which may be killed."""

    def __init__(self, folder: Path, descriptors: int = 0, **environment_of: str) -> None:
        """descriptors: how many files and sockets it may hold; 0: as many as this process."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder, self.address = folder, f"http://127.0.0.1:{self.port}"
        names = {f"STRATEGIC_MINERALS_{name.upper()}": value for name, value in environment_of.items()}
        command = [sys.executable, "-c", ENTRY, "serve", "--folder", str(folder), "--port", str(self.port)]
        limited = ["prlimit", f"--nofile={descriptors}:{descriptors}"] if descriptors else []
        with (folder.parent / f"{folder.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*limited, *command], stdout=log, stderr=log, env={**environment(), **names}
            )

    def ready(self) -> Server:
        """Once it answers."""
        until(self._answers)
        return self

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.folder.parent / f"{self.folder.name}.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """As a power cut does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """As an administrator does."""
        self.process.terminate()
        self.process.wait(PATIENCE_S)

    @property
    def memory_mib(self) -> float:
        """Resident."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as text:
            return next(int(line.split()[1]) / 1024 for line in text if line.startswith("VmRSS"))


def children_of(pid: int) -> list[int]:
    """Processes started by one, still there."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/stat", encoding="ascii") as text:
                fields = text.read().rpartition(")")[2].split()
        except (OSError, UnicodeDecodeError):
            continue
        if entry.isdigit() and int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(entry))
    return found
