"""A job's folder: what was asked, how far it is, what came of it. All names in it are made here, none by a caller.

request.json, plan.(toml|json|xlsx), tables/ or tables.json    the question; limits.json what the job may use
of/0, of/1 ...                                                  run folders that it builds on, or the job whose rows it takes
progress.json                                                   how far it is
run/ (a run folder) or out/                                     tables; report.html once somebody asked for it
log.txt, log.jsonl                                              what the job told its owner, and whoever runs the service
result.json, then ended.json                                    written last: the job has ended, and how
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .trouble import no_room

REQUEST, LIMITS, PROGRESS, RESULT, ENDED, LOG = (
    "request.json",
    "limits.json",
    "progress.json",
    "result.json",
    "ended.json",
    "log.txt",
)
REPORT, ERRORS, RECORDS = "report.html", "errors.txt", "log.jsonl"
ROWS = "rows"
"""Folder from which a study goes on after an interruption."""
READ = "read.json"
"""What is to be read in a process of its own, then what came of it."""
ADMISSION = "admission.json"
"""What was seen of a job before it was accepted."""
OUTPUT = ("run", "out")
ANSWERS = (PROGRESS, RESULT, ENDED, LOG, REPORT)


def new_id() -> str:
    """A random identifier that cannot be guessed."""
    return uuid.uuid4().hex


class Folder:
    """One job's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, root: Path, job: str) -> Folder:
        """The folder of a job. ValueError for what `new_id` cannot have made."""
        if len(job) != 32 or not set(job) <= set("0123456789abcdef"):
            raise ValueError("not a job's name")
        return cls(root / "jobs" / job)

    def write(self, name: str, content: Any) -> None:
        """JSON under a name, whole or not at all, synchronised."""
        write_whole(self.path / name, json.dumps(content, allow_nan=False).encode())

    def read(self, name: str) -> dict[str, Any] | None:
        """What was written under a name; None where nothing was, or not by `write`."""
        try:
            found = json.loads((self.path / name).read_bytes())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def clear_answers(self) -> None:
        """Make room for another attempt; a sweep's finished rows stay."""
        for name in (*ANSWERS, ERRORS, RECORDS):
            (self.path / name).unlink(missing_ok=True)
        for unfinished in self.path.rglob("*.part"):
            unfinished.unlink(missing_ok=True)

    def clear_output(self) -> None:
        """Take back what an attempt wrote that could not be ended: nothing half written stays."""
        self.clear_answers()
        for name in OUTPUT:
            shutil.rmtree(self.path / name, ignore_errors=True)

    @property
    def size(self) -> int:
        """Bytes of its files; what vanishes meanwhile counts nothing."""
        total = 0
        for path in self.path.rglob("*"):
            with contextlib.suppress(OSError):
                total += path.stat().st_size if path.is_file() else 0
        return total

    def keep(self, name: str, content: bytes) -> None:
        """Bytes under a name, as `write` keeps JSON."""
        (self.path / name).parent.mkdir(exist_ok=True)
        write_whole(self.path / name, content)

    def sync(self) -> None:
        """Have the system keep the folder's names too, also through a power cut."""
        for folder in (*{path.parent for path in self.path.rglob("*")}, self.path, self.path.parent):
            try:
                _sync(folder)
            except OSError as error:  # not every system can
                if no_room(error):
                    raise

    def lend(self, other: Folder, place: int) -> None:
        """Take over another job's run folder, so that it may be deleted: its files are linked, not copied."""
        target = self.path / "of" / str(place)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(other.path / "run", target, copy_function=_link)

    def lend_rows(self, other: Folder) -> None:
        """Take over another job, without what it told while it ran. Raises FileNotFoundError where it is not whole."""

        def told(folder: str, names: list[str]) -> set[str]:
            unneeded = {*ANSWERS, ERRORS, RECORDS, LIMITS, ROWS} if Path(folder) == other.path else set()
            return {name for name in names if name in unneeded or name.endswith(".part")}

        target = self.path / "of" / "0"
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copytree(other.path, target, copy_function=_link, ignore=told)
        except shutil.Error:  # a file went meanwhile
            raise FileNotFoundError(other.path.name) from None
        if not (other.path / ENDED).is_file():  # the first that goes when a job is deleted
            raise FileNotFoundError(other.path.name)

    def table(self, name: str) -> tuple[Path, Mapping[str, str]] | None:
        """(file, kind of each column) of a table of the result; None where there is none of that name."""
        stated = (self.read(RESULT) or {}).get("tables", {}).get(name)
        if stated is None:
            return None
        path = (self.path / stated["file"]).resolve()
        return (path, stated["kinds"]) if path.is_relative_to(self.path.resolve()) and path.is_file() else None

    def delete(self) -> None:
        """Remove everything; what cannot be removed now is found again by the janitor, who keeps what still says how it ended."""
        (self.path / ENDED).unlink(missing_ok=True)
        shutil.rmtree(self.path, ignore_errors=True)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def write_whole(path: Path, content: bytes) -> None:
    """A file that is there whole or not at all, also after a power cut."""
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
