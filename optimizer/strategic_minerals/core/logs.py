"""Records of the engine's work through `logging`, each with the run, job and tenant that it is about.

Every module has a logger of its own below `strategic_minerals`, so that rooms are switched on one by one. Nothing is written
anywhere unless whoever calls adds a handler: the package has a `NullHandler` and leaves the root logger alone."""

import logging
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

PACKAGE = "strategic_minerals"
FIELDS = ("run", "job", "tenant", "request", "trace")
"""Attributes of every record; empty where they are not known."""

_ABOUT: ContextVar[Mapping[str, str]] = ContextVar("strategic_minerals_about", default=MappingProxyType({}))
"""What the records of this thread or task are about."""
_LEVELS = threading.Lock()
"""Held while handlers come and go: a level is the least that any of them asks for."""


class AboutLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger whose records carry `FIELDS`; where nobody listens it costs a look at the level."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Add the fields to a record that is about to be made."""
        extra = {**dict.fromkeys(FIELDS, ""), **_ABOUT.get(), **(kwargs.get("extra") or {})}
        return msg, {**kwargs, "extra": extra}


def logger_of(module: str) -> AboutLogger:
    """The logger of a module, by its `__name__`."""
    return AboutLogger(logging.getLogger(module), {})


@contextmanager
def about(**fields: str) -> Iterator[None]:
    """Records made within are about this job or tenant; a thread that is started within knows nothing of it."""
    token = _ABOUT.set(MappingProxyType({**_ABOUT.get(), **fields}))
    try:
        yield
    finally:
        _ABOUT.reset(token)


@contextmanager
def one_run(plan: str) -> Iterator[str]:
    """(name of the run) Records made within differ from those of other runs of this process by `run`: the plan's name and a
    random part. A run within another one is part of it."""
    known = _ABOUT.get().get("run")
    name = known or f"{plan}-{uuid.uuid4().hex[:8]}"
    with about(run=name):
        yield name


@contextmanager
def listening(handler: logging.Handler, level: int, name: str = PACKAGE) -> Iterator[None]:
    """Let a handler have the records of a logger from a level on, as long as this lasts. Of the whole process: for whoever owns it,
    the command line and the processes of the service.

    The logger's level is the least that anybody who listens has asked for, and none when nobody does."""
    logger = logging.getLogger(name)
    handler.setLevel(level)
    with _LEVELS:
        logger.addHandler(handler)
        _set_level(logger)
    try:
        yield
    finally:
        with _LEVELS:
            logger.removeHandler(handler)
            _set_level(logger)
        with suppress(OSError):  # what cannot be written any more
            handler.close()


def _set_level(logger: logging.Logger) -> None:
    ears = (one for one in logger.handlers if not isinstance(one, logging.NullHandler))
    logger.setLevel(min((one.level for one in ears), default=logging.NOTSET))


class SecondsSince(logging.Formatter):
    """A line with the seconds since a moment. detailed: also level, and the module below the package."""

    def __init__(self, begin: float, *, detailed: bool = False) -> None:
        super().__init__()
        self._begin, self._detailed = begin, detailed

    def format(self, record: logging.LogRecord) -> str:
        """One line; a line end in a message is a space."""
        message = " ".join(record.getMessage().splitlines())
        where = f"{record.levelname} {record.name.removeprefix(f'{PACKAGE}.')}: " if self._detailed else ""
        return f"{record.created - self._begin:9.3f} s  {where}{message}"


class RunLog(logging.Handler):
    """Keeps what one run tells at INFO and above, with the seconds since the log was begun."""

    def __init__(self, run: str) -> None:
        super().__init__(logging.INFO)
        self._run, self._lines = run, list[str]()
        self.setFormatter(SecondsSince(time.time()))

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record of this run."""
        if getattr(record, "run", "") == self._run:
            self._lines.append(self.format(record))

    def text(self) -> str:
        """All lines, each with its end."""
        return "".join(f"{line}\n" for line in self._lines)


@contextmanager
def kept(plan: str) -> Iterator[RunLog]:
    """The log of a run, to be kept beside its answer."""
    with one_run(plan) as run:
        log = RunLog(run)
        with listening(log, logging.INFO):
            yield log
