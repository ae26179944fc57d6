"""Verbs for sensitivity and reasons: sweeps, scenario discovery, frontier, explanations, alternatives, diagnosis, completeness."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..core.errors import Fault, InputError, PlanError
from .common import (
    EXIT_INFEASIBLE,
    Gap,
    Json,
    Limit,
    Out,
    PlanFile,
    RunFolder,
    SetFields,
    Tables,
    Workers,
    app,
    cores,
    counting,
    load,
    refuse_inside_runs,
    refuse_others,
    room_for,
    saying,
    show,
)


@app.command()
def sweep(
    plan: PlanFile,
    study: Annotated[
        Path, typer.Argument(help="Sweep file (TOML): the kind of study, and its axes, ranges or points.")
    ],
    tables: Tables = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the tables and for each row as it finishes; the same folder continues a stopped sweep."
        ),
    ] = None,
    workers: Workers = 0,
    as_json: Json = False,
    set_: SetFields = [],  # noqa: B006
) -> None:
    """Solve a plan for many values of its inputs: grid, tornado, Latin hypercube, Morris, Sobol, or every loss function."""
    from ..analysis.sweep import sweep as run_sweep
    from ..analysis.sweep_file import SweepFile, located
    from ..analysis.sweep_result import Sweep
    from ..data.plan_file import read_as

    room_for(out, Sweep, resumed=True)
    asked, place = read_as(SweepFile, study, wanted="a sweep file")
    _, loaded, data = load(plan, tables, set_)
    try:
        design = asked.design(loaded, data)
        with counting("points") as told:
            found = run_sweep(
                loaded,
                data,
                design,
                gap=asked.gap,
                relax=asked.relax,
                method=asked.method,
                time_limit_s=asked.time_limit_s,
                fresh_scenarios=asked.fresh_scenarios,
                workers=cores(workers),
                store=None if out is None else out / "rows",
                on_progress=told,
            )
    except PlanError as error:
        raise located(place, error) from None
    show(found, out, as_json)


@app.command()
def discover(
    study: Annotated[
        Path, typer.Argument(help="Folder that `sweep` or `stress` wrote with --out, such as my-run/analyses/stress.")
    ],
    promise: Annotated[
        str,
        typer.Option(
            help="What is promised: a column of the study, a sign and a number, e.g. 'loss_musd <= 500'; of a stress test also "
            "material:segment:level, e.g. ndfeb_magnet:civil:0.8."
        ),
    ],
    input_: Annotated[
        list[str],
        typer.Option("--input", help="Input that may explain failures; may be repeated. Default: all of the study."),
    ] = [],  # noqa: B006
    held_out: Annotated[
        float, typer.Option(min=0, max=0.89, help="Share of the rows that the search does not see.")
    ] = 0.3,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of this split.")] = 0,
    boxes: Annotated[int, typer.Option(min=1, max=10, help="How many boxes to look for at most.")] = 3,
    coverage: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=1,
            help="Share of the failures that a box covers at least; the densest such box is taken. Default: the best harmonic mean "
            "of coverage and density.",
        ),
    ] = None,
    unsolved_fail: Annotated[
        bool, typer.Option("--unsolved-fail", help="Count points without an answer as failures.")
    ] = False,
    plan: Annotated[
        Path | None,
        typer.Option(
            help="Plan that gives names in place of codes, with its tables. Default: the run that the study belongs to, or none."
        ),
    ] = None,
    tables: Tables = None,
    figures: Annotated[Path | None, typer.Option(help="Also write pictures of it as files into this folder.")] = None,
    image: Annotated[Literal["svg", "png"], typer.Option(help="Format of these files.")] = "svg",
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Find which ranges of which inputs make a plan fail a promise, from the rows of a sweep or a stress test."""
    from ..analysis.discovery import discover as run_discover
    from ..analysis.discovery_result import Discovery
    from ..report.discovery_charts import discovery_figures
    from ..report.page import write_figures
    from ..results.run_folder import load_result
    from ..results.study_files import run_of

    room_for(out, Discovery)
    if figures is not None:
        refuse_inside_runs(figures / "figure", "--figures")
    refuse_others(figures, f".{image}", "--figures")
    run = run_of(study)
    asked, data = None, None
    if plan is not None:
        _, asked, data = load(plan, tables, [])
    elif run is not None:
        result = load_result(run)
        asked, data = result.plan, result.data
    found = run_discover(
        study,
        promise,
        inputs=input_ or None,
        held_out=held_out,
        seed=seed,
        boxes=boxes,
        coverage=coverage,
        unsolved_fail=unsolved_fail,
        data=data,
        plan=asked,
    )
    if figures is not None:
        write_figures(discovery_figures(found.tables), figures, image)
    show(found, out, as_json)


@app.command()
def frontier(
    plan: PlanFile,
    tables: Tables = None,
    factor: Annotated[list[float], typer.Option(help="Budget as a multiple of the plan's own; may be repeated.")] = [],  # noqa: B006
    tolerance: Annotated[
        float, typer.Option(help="Accuracy of switch points, as a share of the plan's own budget.")
    ] = 0.01,
    gap: Gap = 1e-3,
    relax: Annotated[
        bool, typer.Option("--relax", help="Solve linear relaxations instead of mixed-integer programs.")
    ] = False,
    time_limit: Limit = 3600.0,
    fresh_scenarios: Annotated[
        int,
        typer.Option(
            min=0, help="New scenarios in which each budget's plan is compared with that of the plan's own budget."
        ),
    ] = 0,
    workers: Workers = 0,
    out: Out = None,
    as_json: Json = False,
    set_: SetFields = [],  # noqa: B006
) -> None:
    """Trace cost and risk over budgets, and find the budgets at which the portfolio changes."""
    from ..analysis.frontier import FACTORS, Frontier
    from ..analysis.frontier import frontier as run_frontier

    room_for(out, Frontier)
    _, loaded, data = load(plan, tables, set_)
    with counting("budgets") as told:
        found = run_frontier(
            loaded,
            data,
            factor or FACTORS,
            tolerance=tolerance,
            gap=gap,
            relax=relax,
            time_limit_s=time_limit,
            fresh_scenarios=fresh_scenarios,
            workers=cores(workers),
            on_progress=told,
        )
    show(found, out, as_json)


@app.command()
def explain(
    directory: RunFolder,
    item: Annotated[
        str | None,
        typer.Argument(
            help="What to explain: a project, `project: package`, package, contract, offer or floor; or a figure of the tables, "
            "such as `offers[gallium_1].depth_t_per_yr`: what it hangs on."
        ),
    ] = None,
    gap: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=0.5,
            help="Relative optimality gap of each re-solve. Default: that of the run, but at least 0.005.",
        ),
    ] = None,
    time_limit: Limit = 600.0,
    tolerance: Annotated[
        float, typer.Option(min=1e-6, max=1, help="Accuracy of a break-even value, relative to the value.")
    ] = 0.05,
    solves: Annotated[
        int, typer.Option(min=8, max=10_000, help="Largest number of re-solves for each input of the item.")
    ] = 40,
    workers: Workers = 0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Explain shadow prices and why each item was chosen or rejected; for one item, also what would reverse the choice."""
    from ..analysis.explain import Explanation
    from ..analysis.explain import explain as run_explain
    from ..data.recipes import REFERENCE, chain
    from ..results.run_folder import load_result

    room_for(out, Explanation)
    result = load_result(directory)
    if item is not None and (asked := REFERENCE.fullmatch(item.strip())):
        if out is not None:
            raise InputError([Fault("--out", "", "", str(out), "none: what a figure hangs on is printed")])
        table, key, column = asked.groups()
        lines = chain(result.data, table, key.strip(), column)
        typer.echo(json.dumps({"chain": lines}, indent=1) if as_json else "\n".join(lines))
        return
    with counting("items") as told:
        found = run_explain(
            result,
            item,
            gap=gap,
            time_limit_s=time_limit,
            tolerance=tolerance,
            most_solves=solves,
            workers=cores(workers),
            on_progress=told,
        )
    show(found, out, as_json)


@app.command()
def alternatives(
    directory: RunFolder,
    slack: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=10,
            help="Share of the plan's worth that an alternative may give up. Default: the true gap of the run, or 0.05.",
        ),
    ] = None,
    count: Annotated[int, typer.Option(min=0, max=100, help="How many different portfolios to look for.")] = 3,
    time_limit: Annotated[float, typer.Option(min=1, max=1e9, help="Time limit of each search, in seconds.")] = 60.0,
    workers: Workers = 0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Find plans nearly as good as the best: the range of each stock, instrument and supplier, and other portfolios."""
    from ..analysis.alternatives import Alternatives
    from ..analysis.alternatives import alternatives as run_alternatives
    from ..results.run_folder import load_result

    room_for(out, Alternatives)
    with counting("searches") as told:
        found = run_alternatives(
            load_result(directory),
            slack=slack,
            count=count,
            time_limit_s=time_limit,
            workers=cores(workers),
            on_progress=told,
        )
    show(found, out, as_json)


@app.command()
def diagnose(
    plan: PlanFile,
    tables: Tables = None,
    relax: Annotated[bool, typer.Option("--relax", help="Diagnose the linear relaxation.")] = False,
    time_limit: Annotated[float, typer.Option(min=1, max=1e9, help="Time limit in seconds, in total.")] = 3600.0,
    as_json: Json = False,
    set_: SetFields = [],  # noqa: B006
) -> None:
    """Show why no plan meets the requirements, and which changes restore one. Exit code 3: no plan; 0: there is a plan."""
    from ..analysis.diagnosis import diagnose as run_diagnose

    _, loaded, data = load(plan, tables, set_)
    with saying("diagnosis:") as told:
        found = run_diagnose(loaded, data, relax=relax, time_limit_s=time_limit, on_progress=told)
    show(found, None, as_json)
    if not found.possible:
        raise typer.Exit(EXIT_INFEASIBLE)


@app.command()
def missing(
    plan: PlanFile,
    tables: Tables = None,
    estimates: Annotated[
        int, typer.Option(min=0, max=1000, help="How many of the widest estimates to rank by re-solving; 0: none.")
    ] = 0,
    gap: Gap = 1e-3,
    workers: Workers = 0,
    out: Out = None,
    as_json: Json = False,
    set_: SetFields = [],  # noqa: B006
) -> None:
    """List what the data lack: materials without data, empty fields, and estimates ranked by their effect on the answer."""
    from ..analysis.completeness import Completeness, complete

    room_for(out, Completeness)
    _, loaded, data = load(plan, tables, set_)
    with counting("points") as told:
        found = complete(loaded, data, estimates=estimates, gap=gap, workers=cores(workers), on_progress=told)
    show(found, out, as_json)
