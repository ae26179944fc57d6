"""The command `strategic-minerals`. Heavy imports happen inside the verbs that need them, so that help is instant."""

from __future__ import annotations

import json
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..core.errors import (
    Fault,
    FaultsError,
    FormulationError,
    InfeasibleError,
    InputError,
    PlanError,
    ReserveError,
    SolveError,
    StoppedError,
    UntrustedError,
)
from ..core.logs import kept, logger_of
from ..core.units import LEAST_TIME_LIMIT_S
from . import analysis, evaluation, report, service
from .common import (
    EXIT_INFEASIBLE,
    EXIT_INPUT,
    EXIT_INTERNAL,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_STOPPED,
    EXIT_UNTRUSTED,
    PlanFile,
    SetFields,
    Tables,
    Workers,
    app,
    cores,
    leave_pipe,
    load,
    plan_names,
    progress,
    standard_error,
    standard_output,
    whence,
)
from .verbosity import flags_first, is_quiet, tell
from .words import print_faults, print_misuse, print_unwritten, say

if TYPE_CHECKING:
    from rich.console import Console

    from ..analysis.diagnosis import Diagnosis
    from ..data.dataset import Dataset
    from ..results.result import Result
    from ..schemas.plan import Plan


LOG = logger_of(__name__)
VERBS = (analysis, evaluation, report, service)
"""Modules that register their verbs as they are imported."""
MOST_ESTIMATES = 12
"""Estimates that `check` prints, the most uncertain first."""
LONGEST_DIAGNOSIS_S = 600.0
"""Seconds that `solve` spends on a diagnosis if there is no plan; `diagnose` may be given more."""


def _print_versions(asked: bool) -> None:
    if asked:
        from ..results.result import versions

        typer.echo("\n".join(f"{name} {number}" for name, number in versions().items()))
        raise typer.Exit


@app.callback()
def about(
    context: typer.Context,
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose", "-v", count=True, help="Report on standard error what is done, with seconds; -vv: every round."
        ),
    ] = 0,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print the answer alone, without progress or notes.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print versions.", is_eager=True, callback=_print_versions)
    ] = False,
) -> None:
    """Plan a strategic mineral reserve: stockpiles, friend-shored sources and price floors, decided together."""
    if verbose and quiet:
        raise typer.BadParameter("--verbose and --quiet exclude each other")
    tell(context, verbose=verbose, quiet=quiet)


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    plan: Annotated[str, typer.Option(help="Shipped plan to start from.", autocompletion=plan_names)] = "quickstart",
    excel: Annotated[
        bool, typer.Option("--excel", help="Write one workbook, plan.xlsx, instead of a plan file and tables.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Create a plan and its tables to start from."""
    from ..core.errors import near_miss
    from ..core.shipped import shipped
    from ..results.run_folder import refuse_inside

    known = sorted(path.stem for path in shipped("models").glob("*.toml"))
    if plan not in known:
        raise PlanError(
            [Fault("--plan", "", "plan", f"'{plan}'", f"one of {', '.join(known)}{near_miss(plan, known)}")]
        )
    refuse_inside(directory, "directory")
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        found = "a folder with files in it" if directory.is_dir() else "a file"
        raise InputError([Fault(str(directory), "", "", found, "a new or an empty folder")])
    directory.mkdir(parents=True, exist_ok=True)
    if excel:
        from ..data.csv_files import load_dataset
        from ..data.plan_file import load_plan
        from ..data.workbook import write_workbook

        write_workbook(
            load_plan(shipped("models") / f"{plan}.toml"), load_dataset(shipped("inputs")), directory / "plan.xlsx"
        )
        written = [directory / "plan.xlsx"]
    else:
        written = [directory / "plan.toml", directory / "tables"]
        shutil.copyfile(shipped("models") / f"{plan}.toml", written[0])
        shutil.copytree(shipped("inputs"), written[1])
    if as_json:
        typer.echo(json.dumps({"wrote": [str(path) for path in written]}, indent=1))
        return
    console = standard_output()
    console.print(f"Wrote {' and '.join(map(str, written))}. Next:", markup=False)
    console.print(f"  strategic-minerals check {written[0]}\n  strategic-minerals solve {written[0]}", markup=False)


@app.command()
def schema(
    table: Annotated[str | None, typer.Argument(help="Name of a table. Default: the schema of plan files.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Accepted as with every verb; the output is always JSON.")
    ] = False,
) -> None:
    """Print the JSON Schema of plan files, or of the rows of a table."""
    from ..core.errors import near_miss
    from ..schemas.plan import Plan
    from ..schemas.tables import TABLES

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
    from ..api.checking import check as run_check
    from ..core.frames import rows_of
    from ..data.column_words import range_in_words
    from ..data.names import Names

    path, loaded, data = load(plan, tables, set_)
    found = run_check(loaded, data)
    if found.faults:
        raise PlanError(found.faults)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=1, allow_nan=False))
        return
    console, counted = standard_output(), found.provenance
    console.print(
        f"{path.name}: no fault. {counted.facts} reported or derived rows, {counted.estimates} estimates.", markup=False
    )
    console.print(f"Tables: {whence(path, tables)}.", markup=False)
    for note in found.notes:
        console.print(f"note: {note}", markup=False)
    console.print("Rows that the plan reads, by table:")
    for table, (facts, guessed) in counted.by_table.items():
        console.print(f"  {table:<16} {facts:>5} reported or derived {guessed:>5} estimated")
    if len(counted.widest):
        console.print("Most uncertain figures (range in brackets; file, row and column after it):")
        names = Names.of(data)
        for row in rows_of(counted.widest.head(MOST_ESTIMATES)):
            said = range_in_words(row.key, row.column, row.low, row.value, row.high, names)
            console.print(f"  {said} [{row.table}.csv {row.key} {row.column}]")
    if found.numeric:
        spread = ", ".join(f"{name} {low:.0e} to {high:.0e}" for name, (low, high) in found.numeric.items())
        console.print(
            "Size of numbers in the model, for engineers (tonnes scaled by a power of ten for each material, million USD): "
            f"{spread}"
        )
    if show_ranges:
        console.print("Columns (smallest, median, largest):")
        for row in found.ranges.itertuples():
            console.print(f"  {row.table}.{row.column}: {row.smallest:g}, {row.median:g}, {row.largest:g}")
    if found.without_data:
        console.print(
            f"Minerals with published facts, but not yet the data that a plan needs: {', '.join(found.without_data)}"
        )


@app.command()
def solve(
    plan: PlanFile,
    tables: Tables = None,
    out: Annotated[Path | None, typer.Option(help="Write a run folder here.")] = None,
    relax: Annotated[
        bool, typer.Option("--relax", help="Solve the linear relaxation, which gives a bound and no plan.")
    ] = False,
    gap: Annotated[float, typer.Option(help="Relative optimality gap at which the solve may stop.")] = 1e-3,
    time_limit: Annotated[float, typer.Option(help="Time limit of the solve, in seconds (at least 1).")] = 3600.0,
    method: Annotated[
        Literal["auto", "flat", "decomposed"],
        typer.Option(
            help="flat: one model for all scenarios; decomposed: Benders decomposition; auto: whichever should be faster."
        ),
    ] = "auto",
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Solve for the plan's own scenarios alone: no other sample tests the answer, nothing is said of what to do first.",
        ),
    ] = False,
    prefer: Annotated[
        Literal["least_regret", "less_money_now", "fewer_projects", "less_from_one_country"],
        typer.Option(help="What decides between plans that samples of scenarios cannot tell apart."),
    ] = "least_regret",
    samples: Annotated[int, typer.Option(min=2, help="Independent samples that test the plan.")] = 10,
    sample_scenarios: Annotated[int, typer.Option(min=1, help="Scenarios of each.")] = 200,
    workers: Workers = 0,
    profile: Annotated[bool, typer.Option("--profile", help="Also show where time and memory were spent.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print outcome, plan and money as JSON; all tables are in the run folder.")
    ] = False,
    set_: SetFields = [],  # noqa: B006
) -> None:
    """Solve a plan, print the answer in plain words and, with --out, write a run folder."""
    from ..api.solving import solve as run_solve
    from ..evaluation.decide import decide
    from ..results.run_folder import is_run_folder, refuse_foreign, refuse_inside, started, write_run, write_unanswered

    if not 0 <= gap < 1:
        raise typer.BadParameter(f"--gap is a share of at least 0 and less than 1 (0.1 % is 0.001), not {gap:g}")
    if not LEAST_TIME_LIMIT_S <= time_limit <= 1e9:
        raise typer.BadParameter(
            f"--time-limit is a number of seconds of at least {LEAST_TIME_LIMIT_S:g}, to which every solve has a right, "
            f"not {time_limit:g}"
        )
    if out is not None:
        refuse_inside(out, "--out")
    if out is not None and out.exists():
        if not out.is_dir() or (started(out) and not is_run_folder(out)):
            foreign = "a folder with other files in it" if out.is_dir() else "a file"
            raise InputError([Fault(str(out), "", "", foreign, "a new, an empty or a run folder")])
        refuse_foreign(out)
    path, loaded, data = load(plan, tables, set_)
    console = standard_output()
    try:
        with kept(loaded.name) as log, progress() as show:
            LOG.info("tables: %s", whence(path, tables))
            if quick or relax or loaded.sample is None or method == "flat":
                result = run_solve(
                    loaded, data, gap=gap, time_limit_s=time_limit, relax=relax, method=method, on_progress=show
                )
            else:
                result = decide(
                    loaded,
                    data,
                    samples=samples,
                    scenarios=sample_scenarios,
                    preference=prefer,
                    gap=gap,
                    time_limit_s=time_limit,
                    workers=cores(workers),
                    on_progress=show,
                )
    except SolveError as error:
        found = _diagnosed(loaded, data, relax, time_limit, as_json) if isinstance(error, InfeasibleError) else None
        if out is not None and error.outcome.reason != "interrupted":
            asked = {"gap": gap, "time_limit_s": time_limit, "relax": relax, "method": method}
            told = None if found is None else found.to_dict()
            write_unanswered(loaded, data, error, out, options=asked, log=log.text(), diagnosis=told)
        raise
    if as_json:
        typer.echo(json.dumps(_solved(result), indent=1, allow_nan=False))
    else:
        console.print(result.summary(), markup=False)
    if not as_json and not is_quiet():
        console.print(f"\nTables: {whence(path, tables)}.", markup=False)
    if profile and not as_json:
        console.print(f"\n{_profile(result)}", markup=False)
    if out is not None:
        write_run(result, out, log=log.text())
    if out is not None and not as_json and not is_quiet():
        console.print(f"\nWrote {out} (tables in {out}/results).", markup=False)
    if result.outcome.reason in ("time_limit", "stalled", "interrupted"):
        raise typer.Exit(EXIT_INTERRUPTED if result.outcome.reason == "interrupted" else EXIT_STOPPED)


def _solved(result: Result) -> dict[str, Any]:
    """The main results: how the solve ended, what to do, what it costs and protects."""
    from ..core.frames import records

    shown = ("acquisitions", "projects", "contracts", "floors", "budget", "scenario_losses", "objective", "notes")
    tables = {name: records(result.tables[name]) for name in shown}
    return {**result.facts, "profile": records(result.profile), **tables}


def _diagnosed(plan: Plan, data: Dataset, relax: bool, time_limit_s: float, as_json: bool) -> Diagnosis | None:
    """Print which changes would restore a plan; None if the diagnosis failed."""
    from ..analysis.diagnosis import diagnose
    from .common import saying

    console = standard_output()
    try:
        with saying("no plan meets the requirements; diagnosis:") as told:
            found = diagnose(
                plan, data, relax=relax, time_limit_s=min(time_limit_s, LONGEST_DIAGNOSIS_S), on_progress=told
            )
    except ReserveError as error:
        if not as_json:
            console.print(f"The diagnosis failed: {error}", markup=False)
        return None
    if as_json:
        typer.echo(json.dumps({"diagnosis": found.to_dict()}, indent=1, allow_nan=False))
    else:
        console.print(found.summary(), markup=False)
    return found


def _profile(result: Result) -> str:
    """The profile as a table of text, with the sizes of the model."""
    counts = result.counts
    lines = [
        f"PROFILE: {counts['columns']:,} columns, {counts['rows']:,} rows, {counts['nonzeros']:,} nonzeros, "
        f"{counts['binaries']:,} binaries, {counts['scenarios']:,} scenarios, {counts['nodes']:,} nodes.",
        f"  {'phase':<12}{'seconds':>10}{'share':>8}{'HiGHS s':>10}{'iterations':>12}{'peak MiB':>10}",
    ]
    for row in result.profile.itertuples():
        lines.append(
            f"  {row.phase:<12}{row.seconds:>10.3f}{row.share:>8.1%}{row.highs_seconds:>10.3f}{row.iterations:>12,}"
            f"{row.peak_memory_mib:>10,.0f}"
        )
    total = result.profile.iloc[-1]
    lines.append(f"Share of time spent in HiGHS: {total.highs_seconds / total.seconds:.1%}.")
    return "\n".join(lines)


@app.command()
def verify(
    directory: Annotated[Path, typer.Argument(help="A run folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Recompute everything in a run folder from its plan, tables and decisions, solve again, and compare."""
    from ..api.verification import verify as run_verify

    found = run_verify(directory)
    console, (low, z) = standard_output(), found.stated
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=1, allow_nan=False))
        if found.objections:
            raise typer.Exit(EXIT_UNTRUSTED)
        return
    console.print(
        f"audit of the stored decisions: {'passed' if found.audited.passed else 'FAILED'} ({found.audited.worst()})",
        markup=False,
    )
    again = (
        "no plan" if found.again is None else f"between {found.again[0]:,.6f} (bound) and {found.again[1]:,.6f} (plan)"
    )
    console.print(
        f"best objective compared with doing nothing, in million USD (lower is better): between {low:,.6f} (bound) and {z:,.6f} "
        f"(plan) as stored; {again} when solved again",
        markup=False,
    )
    for what in found.uncompared:
        console.print(f"not compared: {what}", markup=False)
    if found.beside:
        console.print(f"files that do not belong to the run (not read): {', '.join(found.beside)}", markup=False)
    if found.objections:
        raise UntrustedError(f"the run folder does not reproduce: {'; '.join(found.objections)}")
    console.print("verified")


def main() -> None:
    """Entry point: turn errors into messages and exit codes."""
    errors = standard_error()
    code = _run(errors)
    try:
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
