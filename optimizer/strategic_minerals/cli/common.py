"""The verb `report`, and what all share: the application, options, finding and loading plans and tables, progress."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.errors import Fault, InputError, shipped
from ..core.logs import SecondsSince, listening

if TYPE_CHECKING:
    from rich.console import Console

    from ..core.errors import Progress
    from ..question.dataset import Dataset
    from ..question.plan import Plan


# How much the command line tells beside the answer: `--verbose` and `--quiet` of all verbs, on standard error.
QUIET, PLAIN, LOUD, LOUDEST = -1, 0, 1, 2
LEVELS = {LOUD: logging.INFO, LOUDEST: logging.DEBUG}
OWN_LOG = "serve"
"""The verb that writes records in a form of its own."""
FLAG = re.compile(r"-v+|-q|--verbose|--quiet")

VERBOSITY: ContextVar[int] = ContextVar("verbosity", default=PLAIN)
"""How much this command reports."""


def flags_first(arguments: Sequence[str]) -> list[str]:
    """The arguments of a command, with flags that all verbs have in front of the verb: they may be anywhere."""
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


# The application and what every verb of it takes: `-h`, `--quiet` and `--verbose`.
PROGRAM = "strategic-minerals"
"""The command that an installation brings."""
SETTINGS: dict[str, Any] = {
    "no_args_is_help": True,
    "context_settings": {"help_option_names": ["-h", "--help"]},
    "pretty_exceptions_enable": False,
}
"""Of the application and of each verb."""

Verbose = Annotated[
    int,
    typer.Option(
        "--verbose", "-v", count=True, help="Report on standard error what is done, with seconds; -vv: every round."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the answer alone, without progress or notes.")]

COMMAND_LINE = "command line"
"""The place of an option in a fault."""

app = typer.Typer(
    name=PROGRAM,
    add_completion=True,
    help="Plan a strategic mineral reserve: stockpiles, friend-shored sources and price floors, decided together.",
    **SETTINGS,
)

Tables = Annotated[
    Path | None,
    typer.Option(
        "--tables",
        help="Folder of tables (CSV). Default: the folder `tables` or `inputs` "
        "next to the plan; `shipped`: the tables of the package.",
    ),
]
PlanFile = Annotated[
    Path,
    typer.Argument(
        metavar="PLAN",
        help="Plan file (TOML or JSON), a workbook (xlsx), a folder with one, or the name of a shipped plan such as rare-earths.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the tables as JSON.")]
SetFields = Annotated[
    list[str],
    typer.Option("--set", help="Set a field of the plan for this run, e.g. budget.total_musd=500; may be repeated."),
]


def cores(workers: int) -> int:
    """Processes to start: as many as asked for, or one per core for 0."""
    return workers or os.cpu_count() or 1


def standard_error() -> Console:
    """Where faults, notes and progress are printed, text without markup."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)


def standard_output() -> Console:
    """Where answers are printed, text without markup."""
    from rich.console import Console

    class Printer(Console):
        def on_broken_pipe(self) -> None:
            """The reader has closed the pipe, as `| head` does: the work continues without output."""
            leave_pipe()
            self.quiet = True

    return Printer(highlight=False, soft_wrap=True, markup=False, emoji=False)


def leave_pipe() -> None:
    """Discard everything printed from now on."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def load(plan: Path, tables: Path | None, pairs: list[str]) -> tuple[Path, Plan, Dataset]:
    """Load plan and tables. Raises PlanError or InputError with the faults of both together."""
    from ..question.load import load_question, overrides, with_demand
    from ..question.read_toml import find_plan

    path = find_plan(plan)
    asked, data = load_question(path, tables, overrides(pairs))
    return path, asked, with_demand(data, whence(path, tables))


def whence(path: Path, tables: Path | None) -> str:
    """Where the tables of a plan come from, in words."""
    from ..question.load import find_tables

    if path.suffix.lower() == ".xlsx" and tables is None:
        return f"the sheets of {path.name}"
    found = find_tables(path, tables)
    return "those shipped with the package" if found == shipped("inputs") else str(found)


@contextmanager
def progress(what: str) -> Iterator[Callable[[Progress], None] | None]:
    """A line on a terminal that follows the work; elsewhere what is known so far alone.

    what: the verb, shown until there is more to say."""
    if VERBOSITY.get() != PLAIN or not sys.stderr.isatty():  # it would disturb a log, or was refused
        yield None if is_quiet() else _first_words
        return
    from rich.text import Text

    with standard_error().status(Text(what)) as status:

        def follow(now: Progress) -> None:
            if now.words:
                status.console.print(progress_text(now), markup=False, highlight=False)
            status.update(Text(words(now)))

        yield follow


def progress_text(now: Progress) -> str:
    """What is known so far, in lines of a screen."""
    from ..answer.brief import WIDTH

    return textwrap.fill(f"After {now.seconds:.0f} s. {now.words}", WIDTH)


def _first_words(now: Progress) -> None:
    """Print what is known so far where nothing else of the work is shown."""
    if now.words:
        sys.stderr.write(progress_text(now) + "\n")
        sys.stderr.flush()


def words(now: Progress) -> str:
    """Progress in one line."""
    if now.done is not None:
        return f"{now.phase}: {now.done} of {now.of}"
    parts = [f"{now.phase.replace('_', ' ')}, {now.seconds:.0f} s"]
    if now.incumbent is not None:
        parts.append(f"best plan so far {now.incumbent:,.0f} million USD against doing nothing (lower is better)")
    if now.bound is not None:
        parts.append(f"best possible (bound) {now.bound:,.0f}")
    if now.gap is not None and now.gap < 10:
        parts.append(f"gap {now.gap:.2%}")
    return ", ".join(parts)


# The verb that shows results.
@app.command()
def report(
    directories: Annotated[
        list[Path], typer.Argument(help="Run folders; the report shows the first and compares the others with it.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write.")] = Path("report.html"),
    brief: Annotated[bool, typer.Option("--brief", help="One sheet of paper: what a minister acts on, alone.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Write a self-contained report of a result: what to do, what it protects, what it is based on; or compare several."""
    from ..answer.run_folder import refuse_inside
    from ..page.page import write_report

    if brief and len(directories) > 1:
        raise InputError([Fault("report", "", "--brief", f"{len(directories)} run folders", "one run folder")])
    if out.is_dir() or out.suffix.lower() not in ("", ".html") or (not out.suffix and out.is_file()):
        found = "a folder" if out.is_dir() else "a file of another kind"
        raise InputError([Fault(str(out), "", "--out", found, "a name that ends in .html")])
    refuse_inside(out, "--out")
    names = [directory.resolve().name for directory in directories]
    write_report(directories, out, names=names, brief=brief)
    if as_json:
        typer.echo(json.dumps({"wrote": [str(out)]}, indent=1))
    else:
        standard_output().print(f"Wrote {out} ({out.stat().st_size / 1e6:,.2g} MB).", markup=False)
