"""The command `strategic-minerals`. Heavy imports happen inside the verbs that need them, so that help is instant."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tomllib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import (
    Fault,
    FaultsError,
    FormulationError,
    InfeasibleError,
    InputError,
    PlanError,
    ReserveError,
    StoppedError,
    UntrustedError,
)
from . import common as report
from . import service, studies
from .common import (
    EXIT_INFEASIBLE,
    EXIT_INPUT,
    EXIT_INTERNAL,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_STOPPED,
    EXIT_UNTRUSTED,
    PlanFile,
    Quiet,
    SetFields,
    Tables,
    Verbose,
    app,
    flags_first,
    leave_pipe,
    load,
    plan_names,
    program,
    standard_error,
    standard_output,
    tell,
    whence,
)
from .service import print_faults, print_misuse, print_unwritten, say

if TYPE_CHECKING:
    from rich.console import Console

    from ..answer.notes import CheckReport


MODULES = (studies, report, service)
"""They register their verbs as they are imported."""
MOST_ESTIMATES = 12
"""Estimates that `check` prints, the most uncertain first."""


def _print_versions(asked: bool) -> None:
    if asked:
        from ..answer.prices import versions

        typer.echo("\n".join(f"{name} {number}" for name, number in versions().items()))
        raise typer.Exit


@app.callback()
def about(
    context: typer.Context,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print versions.", is_eager=True, callback=_print_versions)
    ] = False,
) -> None:
    """Plan a strategic mineral reserve: stockpiles, friend-shored sources and price floors, decided together."""
    tell(context, verbose=verbose, quiet=quiet)


START = "quickstart"
"""Shipped plan that a folder begins with."""


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    plan: Annotated[
        str | None,
        typer.Option(
            help="Shipped plan to start from. Default: quickstart, or that of the home.", autocompletion=plan_names
        ),
    ] = None,
    home: Annotated[
        str | None, typer.Option(help="Home to plan for, such as JPN or NLD. Default: that of the plan, else USA.")
    ] = None,
    excel: Annotated[
        bool, typer.Option("--excel", help="Write one workbook, plan.xlsx, instead of a plan file and tables.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Create a plan and its tables to start from."""
    from ..answer.run_folder import refuse_inside
    from ..core.errors import near_miss, shipped
    from ..question.base import USA
    from ..question.dataset import not_compiled
    from ..question.plan import Plan
    from ..question.read_csv import first_plan, load_dataset, write_dataset
    from ..question.read_toml import load_plan

    known = {path.stem: load_plan(path) for path in sorted(shipped("models").glob("*.toml"))}
    if plan is not None and plan not in known:
        expected = f"one of {', '.join(known)}{near_miss(plan, known)}"
        raise PlanError([Fault("--plan", "", "plan", f"'{plan}'", expected)])
    of_home = next((name for name, each in known.items() if each.home == home), "")
    chosen = plan or (START if home in (None, USA) else of_home)
    if plan is not None and home not in (None, known[plan].home):
        expected = f"{known[plan].home}, the home of {plan}; without --plan another home gets a plan of its own"
        raise PlanError([Fault("--home", "", "home", f"'{home}'", expected)])
    several = bool(chosen) and known[chosen].together is not None
    if several and excel:
        expected = "a plan of one home: a workbook holds the tables of one; without --excel a folder for each home"
        raise PlanError([Fault("--excel", "", "plan", f"'{chosen}', a plan of several homes", expected)])
    try:
        data = load_dataset(shipped("inputs"), known[chosen].home if chosen else home or USA)
    except InputError as error:
        raise PlanError([replace(fault, file="--home") for fault in error.faults]) from None
    if chosen:
        asked, text = known[chosen], (shipped("models") / f"{chosen}.toml").read_text(encoding="utf-8")
    else:
        text = first_plan(shipped("inputs"), data, home or USA)
        asked = Plan.model_validate(tomllib.loads(text))
    refuse_inside(directory, "directory")
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        found = "a folder with files in it" if directory.is_dir() else "a file"
        raise InputError([Fault(str(directory), "", "", found, "a new or an empty folder")])
    directory.mkdir(parents=True, exist_ok=True)
    if excel:
        from ..question.workbook import write_workbook

        write_workbook(asked, data, directory / "plan.xlsx")
        written = [directory / "plan.xlsx"]
    else:
        written = [directory / "plan.toml", directory / "tables"]
        written[0].write_text(text, encoding="utf-8", newline="")
        if several:
            shutil.copytree(shipped("inputs"), written[1], ignore=shutil.ignore_patterns("*.md", "build"))
        else:
            write_dataset(data, written[1])
    if as_json:
        typer.echo(json.dumps({"wrote": [str(path) for path in written]}, indent=1))
        return
    console = standard_output()
    for line in not_compiled(asked.home, data):
        console.print(line, markup=False)
    console.print(f"Wrote {' and '.join(map(str, written))}. Next:", markup=False)
    if excel:
        console.print("  open it on the sheet `start here`, answer what you want to change, save it", markup=False)
    out = " --quick --out my-run" if excel else ""
    console.print(f"  {program()} check {written[0]}\n  {program()} solve {written[0]}{out}", markup=False)


@app.command()
def schema(
    table: Annotated[str | None, typer.Argument(help="Name of a table. Default: the schema of plan files.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Accepted as with every verb; the output is always JSON.")
    ] = False,
) -> None:
    """Print the JSON Schema of plan files, or of the rows of a table."""
    from ..core.errors import near_miss
    from ..question.plan import Plan
    from ..question.tables import TABLES

    if table is not None and table not in TABLES:
        expected = f"one of {', '.join(TABLES)}{near_miss(table, TABLES)}"
        raise InputError([Fault("schema", "", "table", f"'{table}'", expected)])
    model = Plan if table is None else TABLES[table]
    typer.echo(json.dumps(model.model_json_schema(), indent=2))


@app.command()
def check(
    plan: PlanFile,
    tables: Tables = None,
    set_: SetFields = [],  # noqa: B006
    show_ranges: Annotated[
        bool, typer.Option("--ranges", help="Also show the smallest, median and largest value of each column.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """List all faults of a plan and its tables, figures that look doubtful, and how many rows are estimates."""
    from ..answer.notes import check as run_check
    from ..core.frames import rows_of
    from ..question.names import Names, range_in_words

    path, loaded, data = load(plan, tables, set_)
    found = run_check(loaded, data)
    if found.faults:
        raise PlanError(found.faults)
    found = replace(found, notes=(*found.notes, *_oversold(path, tables)))
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=1, allow_nan=False))
        return
    console, counted = standard_output(), found.provenance
    for line in in_three_lines(found, path.name, whence(path, tables)):
        console.print(line, markup=False)
    for note in found.notes:
        console.print(f"note: {note}", markup=False)
    console.print("Rows that the plan reads, by table:")
    for table, (facts, guessed) in counted.by_table.items():
        console.print(f"  {table:<16} {facts:>5} reported or derived {guessed:>5} estimated")
    if len(counted.widest):
        console.print("Most uncertain figures (range in brackets; file, row and column after it):")
        names = Names.of(data)
        for row in rows_of(counted.widest.head(MOST_ESTIMATES)):
            text = range_in_words(row.key, row.column, row.low, row.value, row.high, names)
            console.print(f"  {text} [{row.table}.csv {row.key} {row.column}]")
    if found.numeric:
        spread = ", ".join(f"{name} {low:.0e} to {high:.0e}" for name, (low, high) in found.numeric.items())
        what = "tonnes scaled by a power of ten for each material, million USD"
        console.print(f"Size of numbers in the model, for engineers ({what}): {spread}")
    if show_ranges:
        console.print("Columns (smallest, median, largest):")
        for row in found.ranges.itertuples():
            console.print(f"  {row.table}.{row.column}: {row.smallest:g}, {row.median:g}, {row.largest:g}")
    if found.without_data:
        minerals = ", ".join(found.without_data)
        console.print(f"Minerals with published facts, but not yet the data that a plan needs: {minerals}")


def _oversold(path: Path, tables: Path | None) -> list[str]:
    """Where homes of a folder count on more of a plant than it makes; nothing where the folder holds one home."""
    from ..answer.notes import oversold_sources
    from ..question.load import find_tables

    alone = path.suffix.lower() == ".xlsx" and tables is None
    return [] if alone else oversold_sources(find_tables(path, tables))


def in_three_lines(found: CheckReport, plan: str, tables: str) -> list[str]:
    """Whether a question can be solved, what is doubtful in it, where there is more."""
    counted, unsafe = found.provenance, [note for note in found.notes if note.startswith("numerically unsafe")]
    can = "cannot be solved: see the last note" if unsafe else "can be solved: no fault"
    many = {0: "nothing", 1: "one note, below"}.get(len(found.notes), f"{len(found.notes):,} notes, below")
    return [
        f"{plan} {can}. {counted.facts} reported or derived rows, {counted.estimates} estimates. Tables: {tables}.",
        f"Doubtful: {many}.",
        "More: `--ranges` (columns), `scenarios PLAN` (what can happen), `missing PLAN` (what nobody has published).",
    ]


def main() -> None:
    """Entry point: turn errors into messages and exit codes."""
    errors = standard_error()
    code = _run(errors)
    try:
        if sys.stdout is not None:  # it was closed before this program began
            sys.stdout.flush()
    except OSError as error:  # the reader has gone, or the disk is full
        leave_pipe()
        if code == EXIT_OK and not isinstance(error, BrokenPipeError):
            say(errors, f"the output could not be written: {error.strerror or error}")
            code = EXIT_INPUT
    if code == EXIT_INTERRUPTED:  # a cancelled HiGHS may abort in its static destructors: exit without running them
        with suppress(OSError):
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _run(errors: Console) -> int:
    """Run the command line and print errors; the exit code."""
    try:
        answer = app(args=flags_first(sys.argv[1:]), standalone_mode=False)
        code: int = answer if isinstance(answer, int) else EXIT_OK
        if code == EXIT_INTERRUPTED:
            say(errors, "interrupted")
    except typer.Exit as stop:
        code = stop.exit_code
    except FaultsError as error:
        code = print_faults(errors, error)
    except InfeasibleError as error:
        say(errors, f"Infeasible: {error}")
        code = EXIT_INFEASIBLE
    except StoppedError as error:
        say(errors, f"Stopped: {error}")
        code = EXIT_INTERRUPTED if error.outcome.reason == "interrupted" else EXIT_STOPPED
    except (UntrustedError, FormulationError) as error:
        say(errors, f"Not trusted: {error}")
        code = EXIT_UNTRUSTED
    except (KeyboardInterrupt, typer.Abort):
        say(errors, "interrupted")
        code = EXIT_INTERRUPTED
    except ReserveError as error:
        say(errors, str(error))
        code = EXIT_INTERNAL
    except BrokenPipeError:
        leave_pipe()
        code = EXIT_OK
    except OSError as error:  # a folder that cannot be written, a full disk
        code = print_unwritten(errors, error)
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # usage errors of the command line
            code = print_misuse(errors, error)
        else:
            errors.print_exception()
            code = EXIT_INTERNAL
    return code
