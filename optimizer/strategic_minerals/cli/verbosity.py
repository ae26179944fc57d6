"""How much the command line tells beside the answer: `--verbose` and `--quiet` of all verbs, on standard error."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Sequence
from contextvars import ContextVar

import typer

from ..core.logs import SecondsSince, listening

QUIET, PLAIN, LOUD, LOUDEST = -1, 0, 1, 2
LEVELS = {LOUD: logging.INFO, LOUDEST: logging.DEBUG}
OWN_LOG = "serve"
"""The verb that writes records in a form of its own."""
FLAG = re.compile(r"-v+|-q|--verbose|--quiet")

VERBOSITY: ContextVar[int] = ContextVar("told", default=PLAIN)
"""What this command was asked to tell."""


def flags_first(arguments: Sequence[str]) -> list[str]:
    """The arguments of a command, with flags that all verbs have in front of the verb: they may stand anywhere."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    flags = [word for word in arguments[:end] if FLAG.fullmatch(word)]
    return [*flags, *(word for word in arguments[:end] if not FLAG.fullmatch(word)), *arguments[end:]]


def tell(context: typer.Context, *, verbose: int, quiet: bool) -> None:
    """Tell as much as asked until the command ends. Raises typer.BadParameter where both are asked for."""
    if verbose and quiet:
        raise typer.BadParameter("--verbose and --quiet exclude each other")
    VERBOSITY.set(QUIET if quiet else min(verbose, LOUDEST))
    if VERBOSITY.get() in LEVELS and OWN_LOG not in (context.invoked_subcommand, context.info_name):
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(SecondsSince(time.time(), detailed=True))
        context.with_resource(listening(handler, LEVELS[VERBOSITY.get()]))


def log_level() -> int:
    """The level from which a verb with a log of its own writes."""
    return {QUIET: logging.WARNING, LOUDEST: logging.DEBUG}.get(VERBOSITY.get(), logging.INFO)


def is_quiet() -> bool:
    """Whether the answer alone is asked for."""
    return VERBOSITY.get() == QUIET


def is_verbose() -> bool:
    """Whether what is done is told too."""
    return VERBOSITY.get() in LEVELS


def shows_progress() -> bool:
    """Whether a line of progress is shown: on a terminal, where it neither disturbs a log nor was refused."""
    return VERBOSITY.get() == PLAIN and sys.stderr.isatty()
