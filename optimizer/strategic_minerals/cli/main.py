"""The command `strategic-minerals`. Heavy imports happen inside the verbs that need them, so that help is instant."""

from __future__ import annotations

import inspect
import json
import os
import shutil
import sys
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic.fields import FieldInfo
from typer.core import TyperGroup

from ..core.errors import (
    EXIT_INFEASIBLE,
    EXIT_INPUT,
    EXIT_INTERNAL,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_STOPPED,
    EXIT_UNTRUSTED,
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
    gathering,
)
from ..core.logs import kept, logger_of
from ..core.runner import Runner
from ..core.verb import GAP, FromFile, checked, field_of
from ..verbs import VERBS, Verb
from . import common
from .common import app
from .service import print_faults, print_misuse, print_unwritten, say

if TYPE_CHECKING:
    from rich.console import Console

    from ..answer.notes import CheckReport
    from ..answer.result import Result
    from ..answer.study import Study


# Verbs of the table on the command line: arguments and options follow from the signatures of their functions.
LOG = logger_of(__name__)

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder of a solved plan.")]
RunFolders = Annotated[list[Path], typer.Argument(metavar="RUNS...", help="Two or more run folders.")]
STUDY = "Folder that `sweep` or `stress` wrote with --out, such as my-run/analyses/stress."
QUESTION: dict[str, tuple[Any, Any]] = {
    "source": (common.PlanFile, ...),
    "tables": (common.Tables, None),
    "set_": (common.SetFields, []),
}
SOURCES: Mapping[str, dict[str, tuple[Any, Any]]] = {
    "plan": QUESTION,
    "homes": QUESTION,
    "run": {"source": (RunFolder, ...)},
    "folder": {"source": (RunFolder, ...)},
    "runs": {"source": (RunFolders, ...)},
    "rows": {"source": (Annotated[Path, typer.Argument(metavar="STUDY", help=STUDY)], ...)},
}
"""What a verb builds on -> its arguments and the options that belong to them."""
RUN = ("threads", "deadline_s")
"""Limits of a `Runner` that commands take."""
WORKERS = Annotated[int, typer.Option(min=0, help="Number of processes; 0: one per core.")]
Full = Annotated[bool, typer.Option("--full", help="Print all that the answer rests on, not one screen of it.")]
Out = Annotated[
    Path | None, typer.Option(help="Write the answer into this folder: a run folder for a plan, else tables as CSV.")
]


def command_of(verb: Verb) -> Any:
    """A verb as a command with all its options; the room of its function is imported now."""
    first, kind = SOURCES[verb.of], inspect.Parameter.KEYWORD_ONLY
    positional = {name: one for name, one in verb.options.items() if one.kind is one.POSITIONAL_OR_KEYWORD}
    own = {name: (_option(one), _default(one)) for name, one in verb.options.items()}
    arguments = [(name, *own[name]) for name in positional]
    options = [(name, *one) for name, one in own.items() if name not in positional]
    limits = [inspect.signature(Runner).parameters[name].replace(kind=kind) for name in RUN]
    run = [("workers", (WORKERS, 0)), *((one.name, (_option(one), None)) for one in limits)]
    more = [*(run if verb.long else ()), ("out", (Out, None)), ("as_json", (common.Json, False))]
    more += [("full", (Full, False))] * verb.makes_plan
    places = [("source", *first["source"]), *arguments, *options]
    places += [(name, *one) for name, one in [*first.items(), *more] if name != "source"]

    def called(**given: Any) -> None:
        _answer(verb, given)

    empty = inspect.Parameter.empty
    parameters = [
        inspect.Parameter(name, kind, annotation=hint, default=empty if default is ... else default)
        for name, hint, default in places
    ]
    called.__dict__["__signature__"] = inspect.Signature(parameters)
    called.__annotations__ = {name: hint for name, hint, _ in places}
    called.__doc__ = verb.help
    alone = typer.Typer(add_completion=False, **common.SETTINGS)
    alone.command(verb.name)(called)
    return typer.main.get_command(alone)


class LazyVerbs(TyperGroup):
    """Verbs of the table, each completed when it is called: help of all of them imports nothing."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Complete the verb that is called."""
        if args and args[0] in VERBS:
            self.commands[args[0]] = command_of(VERBS[args[0]])
        return super().resolve_command(ctx, args)


def _named(verb: Verb) -> None:
    """Put a verb on the list of commands, by its name and what it does."""

    def called() -> None:
        raise AssertionError("completed before it is called")

    called.__doc__ = verb.help
    app.command(verb.name)(called)


def _option(option: inspect.Parameter) -> Any:
    """An option of a signature as one of typer: text for what only the function can read."""
    field = field_of(option.annotation)
    text = "" if field is None else f"{field.description or ''}{_limits(field)}"
    positional = option.kind is option.POSITIONAL_OR_KEYWORD
    read = next((one for one in get_args(option.annotation) if isinstance(one, FromFile)), None)
    kind = _plain(get_args(option.annotation)[0]) if read is None else Path if positional else Path | None
    if positional:
        return Annotated[kind, typer.Argument(metavar=option.name.upper(), help=text)]
    flags = [f"--{option.name.replace('_', '-')}"] if option.default is False else []
    return Annotated[kind, typer.Option(*flags, help=text)]


def _limits(field: FieldInfo) -> str:
    """Limits of a value in words."""
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    stated = [(words[name], getattr(one, name)) for one in field.metadata for name in words if hasattr(one, name)]
    return f" ({', '.join(f'{word} {limit:,}' for word, limit in stated)})" if stated else ""


def _plain(kind: Any) -> Any:
    """A type that the parser knows."""
    if get_origin(kind) is Annotated:
        return _plain(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        inner = [one for one in get_args(kind) if one is not NoneType]
        plain = _plain(inner[0]) if len(inner) == 1 else Path if Path in inner else str
        return plain if get_origin(plain) is list else plain | None
    if get_origin(kind) in (list, tuple, Sequence):
        return list[_plain(get_args(kind)[0])]  # type: ignore[misc]
    return kind if kind in (bool, int, float, str, Path) or get_origin(kind) is Literal else str


def _default(option: inspect.Parameter) -> Any:
    if option.default is option.empty:
        return ...
    if any(isinstance(one, FromFile) for one in get_args(option.annotation)):
        return None
    if get_origin(_plain(get_args(option.annotation)[0])) is list:
        return [] if option.default is None else list(option.default)
    return option.default


def options_from(verb: Verb, given: Mapping[str, Any]) -> dict[str, Any]:
    """Options as the function takes them, from what was typed. Raises InputError with every fault."""
    found, faults = dict[str, Any](), list[Fault]()
    for name, option in verb.options.items():
        value = given[name]
        read = next((one for one in get_args(option.annotation) if isinstance(one, FromFile)), None)
        if read is not None and value is None and read.beside and (given["source"] / read.beside).is_file():
            value = given["source"] / read.beside
        if read is not None and value is not None:
            with gathering(faults):
                value = read.read(value)
        if value is not None and (value != [] or option.default not in (None, ())):
            found[name] = value
    if faults:
        raise InputError(faults)
    return checked(verb.function, found, common.COMMAND_LINE)


def _answer(verb: Verb, given: dict[str, Any]) -> None:
    """Read what a verb builds on, call it, show and store its answer."""
    from ..answer.study import refuse_mixed

    out, as_json = given.pop("out"), given.pop("as_json")
    if out is not None and verb.makes_plan:
        _refuse_folder(out, given["source"])
    elif out is not None:
        refuse_mixed(out, verb.name, "--out")
    options = options_from(verb, given)
    if not verb.long:
        show(verb.function(*_first(verb, given), **options), out, as_json)
        return
    store = out / "rows" if out is not None and verb.resumes else None
    with common.progress(verb.name) as follow:
        limits = {name: given[name] for name in RUN if given[name] is not None}
        try:
            run = Runner(common.cores(given["workers"]), **limits, on_progress=follow, store=store)
        except InputError as error:
            raise InputError([replace(fault, file=common.COMMAND_LINE) for fault in error.faults]) from None
        with run.started():
            first = _first(verb, given)
            if verb.makes_plan:
                answer, log = _planned(verb, first, options, run, given, out)
            else:
                answer, log = verb.function(*first, **options, run=run), ""
    if verb.makes_plan and getattr(answer, "result", answer) is not None:
        _show_plan(answer, out, as_json, log, given)
    else:
        show(answer, out, as_json)
    if verb.must is not None and not answer.facts[verb.must[0]]:
        raise typer.Exit(verb.must[1])


def _first(verb: Verb, given: dict[str, Any]) -> tuple[Any, ...]:
    """What a verb builds on. Raises PlanError and InputError."""
    from ..answer.result import Result
    from ..answer.run_folder import load_run

    source = given["source"]
    if verb.of == "plan":
        given["source"], *question = common.load(source, given["tables"], given["set_"])
        return tuple(question)
    if verb.of == "homes":
        from ..question.load import load_members, overrides

        return load_members(source, given["tables"], overrides(given["set_"]))
    if verb.of == "run":
        return (load_run(source, Result),)
    if verb.of in ("rows", "folder"):
        return (source,)
    return (source, [folder.resolve().name for folder in source])


def show(found: Study, out: Path | None, as_json: bool) -> None:
    """A study into a folder where asked; then all of it as JSON, or its words."""
    from ..answer.study import store_study

    if out is not None:
        store_study(found, out)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=1, allow_nan=False))
    else:
        common.standard_output().print(found.summary(), markup=False)


# plans
def _refuse_folder(out: Path, source: Path) -> None:
    """Raise InputError where a run folder cannot be written."""
    from ..answer.run_folder import refuse_foreign, refuse_inside

    refuse_inside(out, "--out")
    if out.resolve() == source.resolve():
        raise InputError([Fault(str(out), "", "--out", "the run folder that it builds on", "another folder")])
    if out.exists() and not out.is_dir():
        raise InputError([Fault(str(out), "", "", "a file", "a new, an empty or a run folder")])
    refuse_foreign(out)


def _planned(
    verb: Verb,
    first: tuple[Any, ...],
    options: Mapping[str, Any],
    run: Runner,
    given: Mapping[str, Any],
    out: Path | None,
) -> tuple[Any, str]:
    """(the answer, its log) of a verb that makes a plan; where there is none, the folder keeps the question."""
    from ..answer.run_folder import write_unanswered

    plan = first[0] if verb.of == "plan" else first[0].plan
    with kept(plan.name) as log:
        try:
            if verb.of == "plan":
                LOG.info("tables: %s", common.whence(given["source"], given["tables"]))
            return verb.function(*first, **options, run=run), log.text()
        except SolveError as error:
            if out is not None and verb.of == "plan" and error.outcome.reason != "interrupted":
                asked = {"gap": GAP, "relax": False, "method": "auto"}
                asked |= {name: value for name, value in options.items() if name in asked}
                write_unanswered(plan, first[1], error, out, options=asked, log=log.text())
            raise


def _show_plan(answer: Result | Study, out: Path | None, as_json: bool, log: str, given: Mapping[str, Any]) -> None:
    """Show a plan, write its run folder, end with the code that says how the solve ended."""
    from ..answer.result import Result
    from ..answer.run_folder import write_run
    from ..answer.study import store_study

    console = common.standard_output()
    result = answer if isinstance(answer, Result) else answer.result
    assert result is not None
    if as_json:
        content = _solved(answer) if isinstance(answer, Result) else answer.to_dict()
        typer.echo(json.dumps(content, indent=1, allow_nan=False))
    else:
        text = answer.summary(full=given["full"]) if isinstance(answer, Result) else answer.summary()
        console.print(text, markup=False)
        if given["full"] and not isinstance(answer, Result):
            console.print(f"\n{result.summary()}", markup=False)
    loud = not as_json and not common.is_quiet()
    if loud and "tables" in given:
        console.print(f"\nTables: {common.whence(given['source'], given['tables'])}.", markup=False)
    if out is not None:
        write_run(result, out, log=log)
        if not isinstance(answer, Result):
            store_study(answer, out / "analyses" / answer.kind)
        if loud:
            console.print(f"\nWrote {out} (tables in {out}/results).", markup=False)
    if result.outcome.reason in ("time_limit", "stalled", "interrupted"):
        raise typer.Exit(EXIT_INTERRUPTED if result.outcome.reason == "interrupted" else EXIT_STOPPED)


def _solved(result: Result) -> dict[str, Any]:
    """The main results: what to do first, how the solve ended, what to do, what it costs and protects."""
    from ..answer.act_now import ActNow
    from ..core.frames import records

    sampled = ActNow.of(result.tables)
    first = {} if sampled is None else {"act_now": sampled.manifest()}
    shown = ("acquisitions", "projects", "contracts", "floors", "budget", "scenario_losses", "objective", "notes")
    tables = {name: records(result.tables[name]) for name in shown}
    return {**first, **result.facts, **tables}


for each in VERBS.values():
    _named(each)
app.info.cls = LazyVerbs


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
    verbose: common.Verbose = 0,
    quiet: common.Quiet = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print versions.", is_eager=True, callback=_print_versions)
    ] = False,
) -> None:
    """Plan a strategic mineral reserve: stockpiles, friend-shored sources and price floors, decided together."""
    common.tell(context, verbose=verbose, quiet=quiet)


START = "quickstart"
"""Shipped plan that a folder begins with."""


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    plan: Annotated[
        str | None, typer.Option(help="Shipped plan to start from. Default: quickstart, or that of the home.")
    ] = None,
    home: Annotated[
        str | None, typer.Option(help="Home to plan for, such as JPN or NLD. Default: that of the plan, else USA.")
    ] = None,
    excel: Annotated[
        bool, typer.Option("--excel", help="Write one workbook, plan.xlsx, instead of a plan file and tables.")
    ] = False,
) -> None:
    """Create a plan and its tables to start from."""
    from ..answer.run_folder import refuse_inside
    from ..core.errors import near_miss, shipped
    from ..question.base import USA
    from ..question.dataset import not_compiled
    from ..question.plan import Plan
    from ..question.read_csv import first_plan, load_dataset, write_dataset
    from ..question.read_toml import load_plan

    home = home.upper() if home and len(home) == len(USA) else home
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
    console = common.standard_output()
    for line in not_compiled(asked.home, data):
        console.print(line, markup=False)
    console.print(f"Wrote {' and '.join(map(str, written))}. Next:", markup=False)
    if excel:
        console.print("  open it on the sheet `start here`, answer what you want to change, save it", markup=False)
    out = " --quick --out my-run" if excel else ""
    console.print(f"  {common.PROGRAM} check {written[0]}\n  {common.PROGRAM} solve {written[0]}{out}", markup=False)


@app.command()
def schema(
    table: Annotated[str | None, typer.Argument(help="Name of a table. Default: the schema of plan files.")] = None,
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
    plan: common.PlanFile,
    tables: common.Tables = None,
    set_: common.SetFields = [],  # noqa: B006
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """List all faults of a plan and its tables, figures that look doubtful, and how many rows are estimates."""
    from ..answer.notes import check as run_check
    from ..core.frames import rows_of
    from ..question.names import Names, range_in_words

    path, loaded, data = common.load(plan, tables, set_)
    found = run_check(loaded, data)
    if found.faults:
        raise PlanError(found.faults)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=1, allow_nan=False))
        return
    console, counted = common.standard_output(), found.provenance
    for line in in_three_lines(found, path.name, common.whence(path, tables)):
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


def in_three_lines(found: CheckReport, plan: str, tables: str) -> list[str]:
    """Whether a question can be solved, what is doubtful in it, where there is more."""
    counted, unsafe = found.provenance, [note for note in found.notes if note.startswith("numerically unsafe")]
    can = "cannot be solved: see the last note" if unsafe else "can be solved: no fault"
    many = {0: "nothing", 1: "one note, below"}.get(len(found.notes), f"{len(found.notes):,} notes, below")
    return [
        f"{plan} {can}. {counted.facts} reported or derived rows, {counted.estimates} estimates. Tables: {tables}.",
        f"Doubtful: {many}.",
        "More: `scenarios PLAN` (what can happen), `missing PLAN` (what nobody has published).",
    ]


def main() -> None:
    """Entry point: turn errors into messages and exit codes."""
    errors = common.standard_error()
    code = _run(errors)
    try:
        if sys.stdout is not None:  # it was closed before this program began
            sys.stdout.flush()
    except OSError as error:  # the reader has gone, or the disk is full
        common.leave_pipe()
        if code == EXIT_OK and not isinstance(error, BrokenPipeError):
            say(errors, f"the output could not be written: {error.strerror or error}")
            code = EXIT_INPUT
    if code == EXIT_INTERRUPTED:
        # a cancelled HiGHS may abort in its static destructors: exit without running them
        with suppress(OSError):
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _run(errors: Console) -> int:
    """Run the command line and print errors; the exit code."""
    try:
        answer = app(args=common.flags_first(sys.argv[1:]), standalone_mode=False)
        code: int = answer if isinstance(answer, int) else EXIT_OK
        if code == EXIT_INTERRUPTED:
            say(errors, "interrupted")
    except typer.Exit as stop:
        code = stop.exit_code
    except FaultsError as error:
        code = print_faults(errors, error)
    except InfeasibleError as error:
        say(errors, f"Infeasible: {error}\nThe verb `diagnose` says which changes restore a plan.")
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
        common.leave_pipe()
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
