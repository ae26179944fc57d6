"""A job's folder: what was asked, how far it is, what came of it. All names in it are made here, none by a caller.

request.json, plan.(toml|json|xlsx), tables/ or tables.json    the question; limits.json what the job may use
of/0, of/1 ...                                                  run folders that it builds on, or the job whose rows it takes
progress.json                                                   how far it is
run/ (a run folder) or out/                                     tables; report.html once somebody asked for it
log.txt, log.jsonl                                              what the job reports to its owner, and to whoever runs the service
result.json, then ended.json                                    written last: the job has ended, and how"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pythonjsonlogger.json import JsonFormatter

from ..core.files import whole_file
from ..core.logs import FIELDS, PACKAGE, SecondsSince, about, listening, logger_of
from .records import NO_ROOM, is_id, no_room

if TYPE_CHECKING:
    from ..core.errors import Progress

REQUEST, LIMITS, PROGRESS = "request.json", "limits.json", "progress.json"
RESULT, ENDED_FILE, LOG_FILE = "result.json", "ended.json", "log.txt"
REPORT, ERRORS, RECORDS = "report.html", "errors.txt", "log.jsonl"
ROWS = "rows"
"""Folder from which a study goes on after an interruption."""
READ = "read.json"
"""What is to be read in a process of its own, then what came of it."""
ADMISSION = "admission.json"
"""What was seen of a job before it was accepted."""
OUTPUT = ("run", "out")
RESERVE_BYTES = 4 * 2**20
ANSWERS = (PROGRESS, RESULT, ENDED_FILE, LOG_FILE, REPORT)


class Folder:
    """One job's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, root: Path, job: str) -> Folder:
        """The folder of a job. ValueError for what `new_id` cannot have made."""
        if not is_id(job):
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

    def before(self, place: int = 0) -> Path:
        """The folder of a run, or of a job, that this job builds on."""
        return self.path / "of" / str(place)

    def lend(self, other: Folder, place: int) -> None:
        """Take over another job's run folder, so that it may be deleted: its files are linked, not copied. Raises FileNotFoundError
        where it is not whole."""
        _linked(other.path / "run", self.before(place), other.path / ENDED_FILE)

    def lend_rows(self, other: Folder) -> None:
        """Take over another job, without its reports while it ran. Raises FileNotFoundError where it is not whole."""

        def unneeded(folder: str, names: list[str]) -> set[str]:
            own = {*ANSWERS, ERRORS, RECORDS, LIMITS, ROWS} if Path(folder) == other.path else set()
            return {name for name in names if name in own or name.endswith(".part")}

        _linked(other.path, self.before(), other.path / ENDED_FILE, unneeded)

    def lend_question(self, other: Folder, about: str) -> None:
        """Take over plan and tables of a question that is kept. about: the file that describes it, the first that goes when it is
        deleted. Raises FileNotFoundError where it is not whole."""
        _linked(other.path, self.path, other.path / about, shutil.ignore_patterns(about))

    def table(self, name: str) -> tuple[Path, Mapping[str, str]] | None:
        """(file, kind of each column) of a table of the result; None where there is none of that name."""
        stated = (self.read(RESULT) or {}).get("tables", {}).get(name)
        if stated is None:
            return None
        path = (self.path / stated["file"]).resolve()
        return (path, stated["kinds"]) if path.is_relative_to(self.path.resolve()) and path.is_file() else None

    def delete(self) -> None:
        """Remove everything; what cannot be removed now is found again by the janitor, who keeps what still says how it ended."""
        (self.path / ENDED_FILE).unlink(missing_ok=True)
        shutil.rmtree(self.path, ignore_errors=True)


def own_alone(folder: Path) -> None:
    """Make a service's folder, and let nobody else read what lies in it: plans, answers and hashes of tokens.

    Raises OSError where it is another user's and open to others."""
    os.umask(0o077)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.name == "posix" and folder.stat().st_mode & 0o077:
        folder.chmod(0o700)


class Reserve:
    """A file that keeps room on the disk for deleting: a database that cannot write cannot delete either."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "reserve"

    def fill(self) -> None:
        """Take the room, where it is not taken and there is some."""
        if not self._path.is_file():
            with contextlib.suppress(OSError):
                write_whole(self._path, bytes(RESERVE_BYTES))

    def spend(self) -> None:
        """Give it up, until it is filled again."""
        self._path.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _linked(source: Path, target: Path, first: Path, ignore: Any = None) -> None:
    """Link a folder's files. first: the file that goes first when the folder is deleted. Raises FileNotFoundError where that, or
    another, is gone; OSError where the disk is full."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copytree(source, target, copy_function=_link, dirs_exist_ok=True, ignore=ignore)
    except shutil.Error as error:
        full = next((code for code in NO_ROOM if os.strerror(code) in str(error)), None)
        raise FileNotFoundError(source.name) if full is None else OSError(full, os.strerror(full)) from None
    if not first.is_file():
        raise FileNotFoundError(source.name)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def write_whole(path: Path, content: bytes) -> None:
    """A file that is there whole or not at all, also after a power cut."""
    with whole_file(path) as file:
        file.write(content)


# The log of a server, and of the process of a job: one JSON object a line.
MOST_LOG_BYTES = 8 * 2**20
"""Of one file of a job, of which the one before is kept: a study of many thousand points tells no more."""
OWNERS = f"{PACKAGE}.service"
"""Of a job's records, those that its owner may read."""


class JsonLines(JsonFormatter):
    """`time` (UTC), `level`, `logger`, `message`; `run`, `job`, `tenant` and `request` where they are known, `error`
    with an exception; of a request `method`, `route`, `status` and `seconds`."""

    def __init__(self) -> None:
        super().__init__("%(message)s")

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """Fill a line."""
        time_of = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        log_data |= {"time": time_of, "level": record.levelname, "logger": record.name}
        log_data |= {name: value for name in ("message", *FIELDS) if (value := getattr(record, name, ""))}
        log_data |= getattr(record, "http", {})
        if record.exc_info:
            log_data["error"] = self.formatException(record.exc_info)


def seldom(every_s: float = 10.0) -> Callable[[logging.LogRecord], bool]:
    """A filter that lets a record through once in a while where the same place says the same again and again."""
    last: dict[tuple[str, int], float] = {}

    def due(record: logging.LogRecord) -> bool:
        place, now = (record.pathname, record.lineno), time.monotonic()
        if now - last.get(place, -math.inf) < every_s:
            return False
        last[place] = now
        return True

    return due


@contextmanager
def server_log(level: int) -> Iterator[None]:
    """Records of a server go to standard error from a level on, and of the library that speaks HTTP what is wrong."""
    own, http, loop = logging.StreamHandler(), logging.StreamHandler(), logging.StreamHandler()
    for handler in (own, http, loop):
        handler.setFormatter(JsonLines())
    loop.addFilter(seldom())  # without descriptors left, it says so at every attempt
    with (
        listening(own, level),
        listening(http, logging.WARNING, "uvicorn"),
        listening(loop, logging.WARNING, "asyncio"),
    ):
        yield


@contextmanager
def job_log(folder: Folder, *, job: str, tenant: str) -> Iterator[None]:
    """Records of a job's process go into its folder."""
    logging.raiseExceptions = False  # a full disk ends no job: what cannot be written is left out
    records, sentences = (
        RotatingFileHandler(folder.path / name, maxBytes=MOST_LOG_BYTES, backupCount=1, encoding="utf-8", delay=True)
        for name in (RECORDS, LOG_FILE)
    )
    records.setFormatter(JsonLines())
    sentences.setFormatter(SecondsSince(time.time()))  # without what an exception says of this machine
    with about(job=job, tenant=tenant), listening(records, logging.INFO), listening(sentences, logging.INFO, OWNERS):
        yield


# How far a job is, as its process writes it down now and then.
LOG = logger_of(__name__)

MOST_GAP = 10.0
"""Relative gap from which on a bound is left out: at the start of a search it says nothing."""
PACE_S = 0.3
"""Seconds between two words on progress."""


class ProgressReporter:
    """Writes down how far a job is, now and then, and tells the log what it turns to."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._begin, self._last, self._phase, self._words = time.monotonic(), 0.0, "", ""

    def report(self, now: Progress) -> None:
        """Of a solve, of many parts, or of a phase."""
        gap = _finite(now.gap)
        known = gap is None or gap <= MOST_GAP  # a bound that says next to nothing is none yet
        figures = {
            "incumbent_musd": _finite(now.incumbent),
            "bound_musd": _finite(now.bound) if known else None,
            "gap": gap if known else None,
            "done": now.done,
            "of": now.of,
        }
        self._words = now.words or self._words
        self._write(now.phase.replace("_", " "), figures, at_once=bool(now.words))

    def phase(self, name: str) -> None:
        """A part without figures of its own."""
        self._write(name, {}, at_once=True)

    def _write(self, phase: str, figures: dict[str, Any], *, at_once: bool) -> None:
        if phase != self._phase:
            self._phase = phase
            LOG.info("%s", phase)
        now = time.monotonic()
        if at_once or now - self._last >= PACE_S:
            self._last = now
            progress = {"phase": phase, "seconds": now - self._begin, **figures, "words": self._words or None}
            with contextlib.suppress(OSError):  # a full disk must not end a solve; the answer will say so
                self._folder.write(PROGRESS, progress)


def _finite(value: float | None) -> float | None:
    return value if value is not None and abs(value) < 1e300 else None
