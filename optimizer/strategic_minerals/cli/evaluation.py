"""Verbs that look at a question or a plan from outside: what can happen, fresh scenarios, what planning adds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import Fault, InputError, PlanError
from .common import PlanFile, Tables, app, counting, load, progress, room_for, show


@app.command()
def scenarios(
    plan: PlanFile,
    tables: Tables = None,
    scenarios: Annotated[int, typer.Option(min=1, max=100_000, help="Scenarios drawn.")] = 2000,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the draw; the plan's own where not given.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the tables as CSV into this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the tables as JSON.")] = False,
    set_: Annotated[list[str], typer.Option("--set", help='hazards=[{hazard="pacific_war", rate_per_yr=0.02}]')] = [],  # noqa: B006
) -> None:
    """What can happen, before any solve: how often, for how long and how hard each material is hit."""
    from ..evaluation.scenario_outlook import Outlook
    from ..evaluation.scenario_outlook import scenario_outlook as look

    room_for(out, Outlook)
    _, loaded, data = load(plan, tables, set_)
    show(look(loaded, data, scenarios=scenarios, seed=seed), out, as_json)


@app.command()
def stress(
    directory: Annotated[Path, typer.Argument(help="A run folder of a plan that draws scenarios.")],
    scenarios: Annotated[int, typer.Option("--scenarios", min=10, help="Fresh scenarios in all.")] = 1_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the fresh scenarios.")] = 1,
    myopic: Annotated[bool, typer.Option("--myopic", help="Learn how long an event lasts only when it ends.")] = False,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0: one a core.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the tables as CSV into this folder.")] = None,
) -> None:
    """Attack a solved plan with fresh scenarios: losses with intervals, and the scenarios that hurt most."""
    from ..evaluation.stress_test import StressTest, refused, stress_test
    from ..results.run_folder import load_result

    room_for(out, StressTest)
    stored = load_result(directory)
    reason = refused(stored.plan)
    if reason:
        raise InputError([Fault(str(directory), "", "plan", stored.plan.name, reason)])
    with counting("fresh scenarios") as told:
        found = stress_test(
            stored,
            scenarios=scenarios,
            seed=seed,
            myopic=myopic,
            workers=workers or os.cpu_count() or 1,
            on_progress=told,
        )
    show(found, out, as_json)


@app.command()
def reverse(
    directory: Annotated[Path, typer.Argument(help="A run folder.")],
    longest: Annotated[float, typer.Option(min=0.1, max=60, help="Longest disruption tried, in years.")] = 8.0,
    hazard: Annotated[
        list[str], typer.Option(help="A hazard; may be repeated. Default: all in the plan's scenarios.")
    ] = [],  # noqa: B006
    promise: Annotated[
        list[str], typer.Option(help="ndfeb_magnet:civil:0.8; may be repeated. Default: the plan's promises.")
    ] = [],  # noqa: B006
    out: Annotated[Path | None, typer.Option(help="Write the table as CSV into this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """The shortest and the least severe disruption at which a promise of the plan breaks."""
    from ..evaluation.reverse_stress import Promise, ReverseStress, reverse_stress
    from ..results.run_folder import load_result

    room_for(out, ReverseStress)
    try:
        wanted = [Promise.parse(text) for text in promise]
        found = reverse_stress(
            load_result(directory), promises=wanted or None, names=hazard or None, longest_yr=longest
        )
    except ValueError as error:
        raise InputError(
            [Fault(str(directory), "", "reverse", "a plan or hazards that cannot be tried", str(error))]
        ) from None
    show(found, out, as_json)


@app.command()
def bounds(
    plan: PlanFile,
    tables: Tables = None,
    samples: Annotated[int, typer.Option(min=2, help="Independent samples solved.")] = 5,
    fresh: Annotated[int, typer.Option(min=10, help="Fresh scenarios for the upper bound.")] = 1_000,
    seed: Annotated[int, typer.Option(min=0, help="Of samples and fresh scenarios.")] = 1,
    gap: Annotated[float, typer.Option(min=0, max=0.5, help="Relative optimality gap of every solve.")] = 1e-3,
    time_limit: Annotated[float, typer.Option(min=1, max=1e9, help="Seconds for each solve.")] = 3600.0,
    out: Annotated[Path | None, typer.Option(help="Write the table as CSV into this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
    set_: Annotated[list[str], typer.Option("--set", help="Change a field: sample.scenarios=40")] = [],  # noqa: B006
) -> None:
    """How far a plan made against few scenarios may be from the best: a lower and an upper bound, with confidence."""
    from ..evaluation.sampling_gap import SamplingGap, sampling_gap, unbounded

    room_for(out, SamplingGap)
    _, loaded, data = load(plan, tables, set_)
    if unbounded(loaded):
        raise PlanError([Fault("plan", "", "sample", loaded.name, unbounded(loaded))])
    with counting("samples") as told:
        found = sampling_gap(
            loaded,
            data,
            samples=samples,
            fresh=fresh,
            seed=seed,
            gap=gap,
            time_limit_s=time_limit,
            workers=os.cpu_count() or 1,
            on_progress=told,
        )
    show(found, out, as_json)


@app.command()
def worth(
    plan: PlanFile,
    tables: Tables = None,
    fresh: Annotated[int, typer.Option(min=0, help="Fresh scenarios that every alternative meets; 0: none.")] = 1_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the fresh scenarios.")] = 1,
    gap: Annotated[float, typer.Option(min=0, max=0.5, help="Relative optimality gap of every solve.")] = 1e-3,
    time_limit: Annotated[float, typer.Option(min=1, max=1e9, help="Seconds for each solve.")] = 3600.0,
    out: Annotated[Path | None, typer.Option(help="Write the tables as CSV into this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the tables as JSON.")] = False,
    set_: Annotated[list[str], typer.Option("--set", help="Change a field: budget.total_musd=500")] = [],  # noqa: B006
) -> None:
    """What planning adds: the plan beside rules of thumb, perfect information and the plan for average events."""
    from ..evaluation.value_of_planning import Worth, value_of_planning

    room_for(out, Worth)
    _, loaded, data = load(plan, tables, set_)
    try:
        with progress() as told:
            found = value_of_planning(
                loaded,
                data,
                fresh=fresh,
                seed=seed,
                gap=gap,
                time_limit_s=time_limit,
                workers=os.cpu_count() or 1,
                on_progress=told,
            )
    except ValueError as error:
        raise PlanError([Fault("plan", "", "objective", loaded.objective.kind, str(error))]) from None
    show(found, out, as_json)
