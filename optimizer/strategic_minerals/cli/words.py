"""Faults of options and arguments in plain words; the parser's own messages are for programmers."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import typer

from ..core.errors import MOST_PRINTED, Fault, FaultsError, InputError, legible, near_miss, shown
from .common import COMMAND_LINE, EXIT_INPUT

if TYPE_CHECKING:
    from rich.console import Console

NUMBER = re.compile(r"'(?P<found>.*)' is not a valid (?P<kind>float|int)(eger)?( range)?\.?")
CHOICES = re.compile(r"'(?P<found>.*)' is not one of (?P<choices>'.*')\.?$")


def say(errors: Console, text: str) -> None:
    """Print a line on standard error, if it can be written to."""
    with suppress(OSError):
        errors.print(legible(text), markup=False)


def print_misuse(errors: Console, error: Any) -> int:
    """Print what is wrong with the command line; the exit code."""
    wrong = option_faults(error)
    if not wrong:
        said = str(error.format_message())
        print_json([Fault(COMMAND_LINE, "", _blamed(error), said, "a command as --help shows")])
        say(errors, f"Error: {said}")
        return EXIT_INPUT
    return print_faults(errors, InputError(wrong))


def print_unwritten(errors: Console, error: OSError) -> int:
    """Print that a file or a folder could not be written or read; the exit code."""
    reason = error.strerror or str(error)
    where = "the output could not be written" if error.filename is None else str(error.filename)
    print_json([Fault(where, "", "", reason, "a file or folder that can be written")])
    say(errors, f"{where}: {reason}")
    return EXIT_INPUT


def print_json(faults: Sequence[Fault]) -> None:
    """Print faults as JSON, if it is asked for and standard output can be written to."""
    if "--json" in sys.argv:
        with suppress(OSError):
            typer.echo(json.dumps({"faults": [vars(fault) for fault in faults]}, indent=1))


def _blamed(error: Any) -> str:
    """The option or argument of which the parser complains; empty where it names none."""
    named = getattr(error, "option_name", None)
    parameter = getattr(error, "param", None)
    first = getattr(parameter, "opts", None) or [""]
    told = re.match(r"--[a-z][a-z-]*", str(getattr(error, "message", "")))
    return str(named or next((name for name in first if name.startswith("--")), first[0]) or (told[0] if told else ""))


def print_faults(errors: Console, error: FaultsError) -> int:
    """Print faults, also as JSON if asked for; the exit code."""
    print_json(error.faults)
    say(errors, str(error))
    for line in columns_in_words(error.faults[:MOST_PRINTED]):
        say(errors, line)
    return EXIT_INPUT


def columns_in_words(faults: Sequence[Fault]) -> list[str]:
    """What the columns and fields hold in which faults were found, each once: the name of a column tells a reader little."""
    from ..schemas.columns import meaning
    from ..schemas.descriptions import field_meaning
    from ..schemas.plan import Plan
    from ..schemas.tables import TABLES

    told: dict[str, str] = {}
    for fault in faults:
        table, column = TABLES.get(fault.file.rpartition("/")[2].partition(".")[0]), fault.column
        if table is not None and column in table.model_fields:
            told.setdefault(column, meaning(table, column))
        elif table is None:
            told.setdefault(column, field_meaning(Plan, column))
    lines = [f"  {column}: {words.rstrip('.')}." for column, words in told.items() if words]
    return ["What they are:", *lines] if lines else []


def option_faults(error: Any) -> list[Fault]:
    """Faults of values that options and arguments do not accept; empty for any other error of the command line.

    error: the exception of the command line's parser.
    """
    from pydantic import ValidationError

    cause, parameter = error.__cause__, getattr(error, "param", None)
    if parameter is None:
        return []
    name = next(
        (option for option in parameter.opts if option.startswith("--")), parameter.opts[0] if parameter.opts else ""
    )
    items: list[Any] = (
        cause.errors(include_url=False) if isinstance(cause, ValidationError) else _earlier(str(error.message))
    )
    return [Fault(COMMAND_LINE, "", name, shown(item["input"]), _expected(item)) for item in items]


def _earlier(message: str) -> list[Any]:
    """What older versions of the parser say about a number or a choice, as errors of newer ones; empty for all else."""
    number, choice = NUMBER.fullmatch(message), CHOICES.search(message)
    if number is not None:
        return [{"type": f"{number['kind']}_parsing", "msg": message, "input": number["found"]}]
    return [{"type": "value_error", "msg": message, "input": choice["found"]}] if choice is not None else []


def _expected(item: Any) -> str:
    """What an option accepts."""
    from ..schemas.descriptions import expected

    choice = CHOICES.search(str(item["msg"]))
    if choice is None:
        return expected(item)
    known = re.findall(r"'([^']*)'", choice["choices"])
    return f"one of {', '.join(known)}{near_miss(choice['found'], known)}"
