"""What all verbs share: the application, its options, finding and loading plans and tables, progress on the terminal."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.logs import logger_of
from .verbosity import is_verbose, shows_progress
from .verbs import PROGRAM, SETTINGS, Verbs

if TYPE_CHECKING:
    from rich.console import Console

    from ..core.outcome import Progress
    from ..data.dataset import Dataset
    from ..schemas.plan import Plan

LOG = logger_of(__name__)

EXIT_OK, EXIT_INPUT, EXIT_INFEASIBLE, EXIT_STOPPED, EXIT_UNTRUSTED, EXIT_INTERNAL, EXIT_INTERRUPTED = (
    0,
    2,
    3,
    4,
    5,
    70,
    130,
)
COMMAND_LINE = "command line"
"""The place of an option in a fault."""
EXIT_START, EXIT_STORE = 6, 7
"""Exit codes of the service: it cannot start (port, folder, settings); its store cannot be used."""

app = Verbs(
    name=PROGRAM,
    add_completion=True,
    help="Plan a strategic mineral reserve: stockpiles, friend-shored sources and price floors, decided together.",
    **SETTINGS,
)


def plan_names(incomplete: str) -> list[str]:
    """Shipped plans whose names begin with a word, for shell completion."""
    from ..core.shipped import shipped

    return sorted(path.stem for path in shipped("models").glob("*.toml") if path.stem.startswith(incomplete))


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
        autocompletion=plan_names,
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
    """Where faults, notes and progress are printed, text as it stands."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)


def standard_output() -> Console:
    """Where answers are printed, text as it stands."""
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
    from ..data.load import find_plan, load_question, overrides, with_demand

    path = find_plan(plan)
    asked, data = load_question(path, tables, overrides(pairs))
    return path, asked, with_demand(data, whence(path, tables))


def whence(path: Path, tables: Path | None) -> str:
    """Where the tables of a plan come from, in words."""
    from ..core.shipped import shipped
    from ..data.load import find_tables

    if path.suffix.lower() == ".xlsx" and tables is None:
        return f"the sheets of {path.name}"
    found = find_tables(path, tables)
    return "those shipped with the package" if found == shipped("inputs") else str(found)


@contextmanager
def progress(what: str) -> Iterator[Callable[[Progress], None] | None]:
    """A line on a terminal that follows the work; with --verbose a line of the log for each phase and tenth; silence elsewhere.

    what: the verb, shown until there is more to say.
    """
    if not shows_progress():
        yield _logged() if is_verbose() else None
        return
    from rich.text import Text

    begin, first = time.perf_counter(), list[int]()

    with standard_error().status(Text(what)) as status:

        def follow(now: Progress) -> None:
            text = words(now)
            if now.done is not None and now.of:
                first.append(now.done)  # parts that existed before this run say nothing about its speed
                text += time_left(now.done - first[0] + 1, now.of - now.done, time.perf_counter() - begin)
            status.update(Text(text))

        yield follow


def _logged() -> Callable[[Progress], None]:
    """What writes a line into the log for each phase, and for each tenth of parts."""
    last = [""]

    def follow(now: Progress) -> None:
        line = now.phase
        if now.done is not None and now.of:
            line = f"{now.phase}: {10 * now.done // now.of} tenths of {now.of}"
        if line != last[0]:
            last[0] = line
            LOG.info("%s", line)

    return follow


def refuse_inside_runs(place: Path, option: str) -> None:
    """Raise InputError for a file that would lie in a run folder."""
    from ..core.errors import Fault, InputError
    from ..results.run_folder import is_run_folder

    inside = next((str(folder) for folder in place.resolve().parents if is_run_folder(folder)), None)
    if inside is not None:
        expected = "a file or folder outside the run folder, which holds only the files of its run"
        raise InputError([Fault(str(place), "", option, f"a path inside the run folder {inside}", expected)])


def refuse_others(folder: Path | None, ending: str, option: str) -> None:
    """Raise InputError if a folder is a file, or holds files with other endings than those to be written."""
    from ..core.errors import Fault, InputError

    if folder is None:
        return
    if folder.exists() and not folder.is_dir():
        raise InputError([Fault(str(folder), "", option, "a file", "a folder, or a new name")])
    foreign = sorted(file.name for file in folder.glob("*") if file.suffix != ending)
    if foreign:
        raise InputError(
            [Fault(str(folder), "", option, f"a folder with {foreign[0]} in it", "a new or an empty folder")]
        )


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


def time_left(done: int, left: int, seconds: float) -> str:
    """How long the rest may take at the speed so far, in words; empty if nothing is left."""
    if left <= 0 or done <= 0:
        return ""
    rest = seconds / done * left
    return f", about {rest / 60:.0f} min left" if rest >= 90 else f", about {rest:.0f} s left"
