"""Verbs that carry a plan on through the years: `roll`, `simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..core.errors import Fault, InputError
from .common import (
    Gap,
    Json,
    Limit,
    Out,
    RunFolder,
    Workers,
    app,
    cores,
    counting,
    room_for,
    saying,
    show,
    standard_output,
)
from .verbosity import is_quiet
from .verbs import program


@app.command()
def roll(
    directory: RunFolder,
    out: Annotated[Path, typer.Option(help="Write next year's run folder here.")],
    done: Annotated[
        Path | None,
        typer.Option(help="Table (CSV) of what was done otherwise than planned: kind, item, detail, amount."),
    ] = None,
    events: Annotated[
        Path | None,
        typer.Option(
            help="Table (CSV) of events: event, status (in force, announced, suspended, ended), hazard, from_year, ..."
        ),
    ] = None,
    tables: Annotated[
        Path | None,
        typer.Option(
            "--tables", help="Folder of new tables, or of a few rows of them: rows of a known key are replaced."
        ),
    ] = None,
    years: Annotated[int, typer.Option(min=1, max=40, help="Fiscal years that have passed.")] = 1,
    horizon: Annotated[
        Literal["fixed", "rolling"],
        typer.Option(help="fixed: the end year stays; rolling: as many years as before, series hold their last value."),
    ] = "fixed",
    learning: Annotated[
        bool, typer.Option("--learning/--no-learning", help="Whether the years change what is believed of the hazards.")
    ] = True,
    kept_draws: Annotated[
        bool,
        typer.Option(
            "--kept-draws",
            help="Keep last year's scenarios, as far as nothing has happened in them.",
        ),
    ] = False,
    gap: Gap = 1e-3,
    time_limit: Limit = 3600.0,
    as_json: Json = False,
) -> None:
    """Plan again after a year: the state that it left, what happened, new facts; with what each changed."""
    from ..data.csv_files import load_dataset
    from ..results.run_folder import load_result, refuse_foreign, refuse_inside, write_run
    from ..results.study_files import store_study
    from ..rolling.files import DoneRow, HappenedRow, read_noted
    from ..rolling.roll import roll as run_roll

    refuse_inside(out, "--out")
    if out.resolve() == directory.resolve():
        raise InputError([Fault(str(out), "", "--out", "last year's run folder", "another folder: last year's stays")])
    if out.exists():
        refuse_foreign(out)
    stored = load_result(directory)
    new = None if tables is None else load_dataset(tables, stored.plan.home)
    with saying("planning again:") as told:
        found = run_roll(
            stored,
            done=() if done is None else read_noted(done, DoneRow),
            happened=() if events is None else read_noted(events, HappenedRow),
            facts=new,
            years=years,
            horizon=horizon,
            learning=learning,
            fresh_draws=not kept_draws,
            gap=gap,
            time_limit_s=time_limit,
            on_step=told,
        )
    write_run(found.result, out)
    store_study(found, out / "analyses" / found.kind)
    show(found, None, as_json)
    if not as_json and not is_quiet():
        standard_output().print(f"\nWrote {out}. Compare: {program()} compare {directory} {out}", markup=False)


@app.command()
def simulate(
    directory: RunFolder,
    paths: Annotated[int, typer.Option(min=2, max=10_000, help="How many paths of years.")] = 50,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the paths.")] = 1,
    exact: Annotated[int, typer.Option(min=0, help="On how many of them every year is planned in integers too.")] = 10,
    rule: Annotated[
        list[str],
        typer.Option(
            "--rule", help="A rule of thumb to be lived too, at the plan's money, as `rules` calls it; may be repeated."
        ),
    ] = ["60 days of cover", "equal money for each material"],  # noqa: B006
    learning: Annotated[
        bool,
        typer.Option(
            "--learning/--no-learning", help="Whether rates of hazards are uncertain, and learned from what happens."
        ),
    ] = True,
    grid: Annotated[int, typer.Option(min=1, max=12, help="Months between dates at which something may happen.")] = 1,
    store: Annotated[
        Path | None, typer.Option(help="Keep paths in this folder as they finish; the same command goes on from there.")
    ] = None,
    workers: Workers = 0,
    as_json: Json = False,
    out: Out = None,
) -> None:
    """Live a plan through paths of years without foresight, planned again every year, beside it as it was made and simple rules."""
    from ..results.run_folder import load_result, refuse_inside
    from ..rolling.simulate import simulate as run_simulate
    from ..rolling.simulated import Simulation

    room_for(out, Simulation)
    if store is not None:
        refuse_inside(store, "--store")
    stored = load_result(directory)
    with counting("paths") as told:
        found = run_simulate(
            stored,
            paths=paths,
            seed=seed,
            exact=exact,
            rules=rule,
            learning=learning,
            grid_months=grid,
            store=store,
            workers=cores(workers),
            on_progress=told,
        )
    show(found, out, as_json)
