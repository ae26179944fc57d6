"""The log of a server, and of the process of a job: one JSON object a line.

A job's records go into its folder (`log.jsonl`, for whoever runs the service); what is told to its owner is `log.txt`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ..core.logs import FIELDS, PACKAGE, about, listening
from .job_folder import LOG, RECORDS, Folder

MOST_LOG_BYTES = 8 * 2**20
"""Of one file of a job: a study of many thousand points tells no more."""
OWNERS = f"{PACKAGE}.service"
"""Of a job's records, those that its owner is told."""


class JsonLines(logging.Formatter):
    """`time` (UTC), `level`, `logger`, `message`; `run`, `job`, `tenant`, `request` and `trace` where they are known, `error`
    with an exception; of a request `method`, `route`, `status` and `seconds`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        told = {
            "time": _utc(record).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        told |= {name: value for name in FIELDS if (value := getattr(record, name, ""))}
        told |= getattr(record, "http", {})
        if record.exc_info:
            told["error"] = self.formatException(record.exc_info)
        return json.dumps(told)


class Sentences(logging.Formatter):
    """Time and message, without what an exception says of this machine."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        return f"{_utc(record):%Y-%m-%dT%H:%M:%SZ} {' '.join(record.getMessage().splitlines())}"


class BoundedFile(logging.FileHandler):
    """A file that takes so many bytes and no more. A full disk ends no job: what cannot be written is left out."""

    def __init__(self, path: Path, formatter: logging.Formatter, most_bytes: int = MOST_LOG_BYTES) -> None:
        super().__init__(path, encoding="utf-8", delay=True)
        self.setFormatter(formatter)
        self._left = most_bytes

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, while there is room."""
        try:
            self._left -= len(self.format(record).encode()) + 1
            if self._left >= 0:
                super().emit(record)
        except OSError:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Leave a record out that cannot be written."""


@contextmanager
def server_log(level: int) -> Iterator[None]:
    """Records of a server go to standard error from a level on, and of the library that speaks HTTP what is wrong."""
    own, http = logging.StreamHandler(), logging.StreamHandler()
    for handler in (own, http):
        handler.setFormatter(JsonLines())
    with listening(own, level), listening(http, logging.WARNING, "uvicorn"):
        yield


@contextmanager
def job_log(folder: Folder, *, job: str, tenant: str, trace: str = "") -> Iterator[None]:
    """Records of a job's process go into its folder."""
    records = BoundedFile(folder.path / RECORDS, JsonLines())
    sentences = BoundedFile(folder.path / LOG, Sentences())
    with (
        about(job=job, tenant=tenant, trace=trace),
        listening(records, logging.INFO),
        listening(sentences, logging.INFO, OWNERS),
    ):
        yield


def _utc(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)
