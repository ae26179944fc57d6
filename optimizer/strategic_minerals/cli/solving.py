"""The verb `solve`: a plan tested in other samples or made for its own, its run folder, a diagnosis where there is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..core.errors import Fault, InfeasibleError, InputError, ReserveError, SolveError
from ..core.logs import kept, logger_of
from ..core.units import LEAST_TIME_LIMIT_S
from .common import (
    EXIT_INTERRUPTED,
    EXIT_STOPPED,
    PlanFile,
    SetFields,
    Tables,
    Workers,
    app,
    cores,
    load,
    progress,
    standard_output,
    whence,
)
from .verbosity import is_quiet

if TYPE_CHECKING:
    from ..analysis.diagnosis import Diagnosis
    from ..data.dataset import Dataset
    from ..results.result import Result
    from ..schemas.plan import Plan

LOG = logger_of(__name__)
LONGEST_DIAGNOSIS_S = 600.0
"""Seconds that `solve` spends on a diagnosis if there is no plan; `diagnose` may be given more."""


@app.command()
def solve(
    plan: PlanFile,
    tables: Tables = None,
    out: Annotated[Path | None, typer.Option(help="Write a run folder here.")] = None,
    relax: Annotated[
        bool, typer.Option("--relax", help="Solve the linear relaxation, which gives a bound and no plan.")
    ] = False,
    gap: Annotated[float, typer.Option(help="Relative optimality gap at which the solve may stop.")] = 1e-3,
    time_limit: Annotated[float, typer.Option(help="Time limit of every solve, in seconds (at least 1).")] = 3600.0,
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
            if quick or relax or loaded.sample is None:
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
                    method=method,
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
    """The main results: what to do first, how the solve ended, what to do, what it costs and protects."""
    from ..core.frames import records
    from ..results.act_now import ActNow

    sampled = ActNow.of(result.tables)
    first = {} if sampled is None else {"act_now": sampled.manifest()}
    shown = ("acquisitions", "projects", "contracts", "floors", "budget", "scenario_losses", "objective", "notes")
    tables = {name: records(result.tables[name]) for name in shown}
    return {**first, **result.facts, "profile": records(result.profile), **tables}


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
