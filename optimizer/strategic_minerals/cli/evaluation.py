"""Verbs that look at a question or a plan from outside: what can happen, fresh scenarios, what planning adds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import Fault, InputError, PlanError
from .common import PlanFile, Tables, app, counting, load, progress, room_for, show

if TYPE_CHECKING:
    import pandas as pd


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
    from ..evaluation.scenario_outlook import scenario_outlook as look

    room_for(out, "hazards", "materials", "years", "worst", "reduction")
    _, loaded, data = load(plan, tables, set_)
    found = look(loaded, data, scenarios=scenarios, seed=seed)
    frames = {"hazards": found.hazards, "materials": found.materials, "years": found.years, "worst": found.worst}
    if len(found.reduction):
        frames["reduction"] = found.reduction
    show(frames, out, as_json, found.summary())


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
    from ..evaluation.stress_test import refused, stress_test
    from ..results.run_folder import load_result

    room_for(out, "figures", "materials", "worst", "scenarios")
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
    frames = {"figures": found.figures, "materials": found.materials, "worst": found.worst}
    show({**frames, "scenarios": found.by_scenario} if out is not None else frames, out, as_json, found.summary())


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
    from ..evaluation.reverse_stress import Promise, reverse_stress
    from ..results.run_folder import load_result

    room_for(out, "reverse")
    try:
        wanted = [Promise.parse(text) for text in promise]
        table = reverse_stress(
            load_result(directory), promises=wanted or None, names=hazard or None, longest_yr=longest
        )
    except ValueError as error:
        raise InputError(
            [Fault(str(directory), "", "reverse", "a plan or hazards that cannot be tried", str(error))]
        ) from None
    show({"reverse": table}, out, as_json, _breaks(table))


COUNTED = {"episode": " over the whole episode", "fiscal_year": " in every fiscal year"}
"""How a promise is counted, told where the same one is counted both ways."""


def _breaks(table: pd.DataFrame) -> str:
    """The table in words."""
    from ..core.frames import rows_of

    lines = [
        "REVERSE STRESS TEST: what it takes to break a promise, at the worst of the starts tried (the beginning of each later "
        "fiscal year of the plan):"
    ]
    promise = ["material", "segment", "level", "per"]
    twice = table.groupby(promise[:3]).per.transform("nunique") > 1
    table = table.assign(counted=table.per.map(COUNTED).where(twice, ""))
    for (material, segment, level, _), rows in table.groupby(promise):
        if rows.held.all():
            lines.append(
                f"  {material}, {segment} at {level:.0%}{rows.counted.iloc[0]}: holds against each of {len(rows)} disruptions "
                f"({', '.join(rows.hazard.unique())}) up to {rows.tried_yr.min():g} years, and at a full cut of the hazard's own "
                f"length"
            )
    broken = ~table.groupby(promise).held.transform("all").astype(bool)
    for row in rows_of(table[broken]):
        asked = f"{row.material}, {row.segment} at {row.level:.0%}{row.counted}"
        what = f"  {asked}, {row.hazard}{' on it alone' * (row.events == 'alone')}:"
        if row.held:
            lines.append(f"{what} holds up to {row.tried_yr:g} years, and at a full cut of the hazard's own length")
            continue
        lasts, cut = row.shortest_yr == row.shortest_yr, row.least_cut_share == row.least_cut_share  # NaN: holds
        long = f"holds for {row.tried_yr:g} years"
        if lasts:
            long = f"breaks after {row.shortest_yr:.2f} years from FY{row.start_year:.0f}"
        hard = f"breaks at a cut of {row.least_cut_share:.0%}" if cut else "holds at any cut"
        lines.append(f"{what} {long}; over the hazard's own length it {hard}")
    return "\n".join(lines)


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
    from ..evaluation.sampling_gap import sampling_gap, unbounded

    room_for(out, "bounds")
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
    show({"bounds": found.frame()}, out, as_json, found.summary())


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
    from ..evaluation.value_of_planning import value_of_planning

    room_for(out, "alternatives", "information", "scenarios", "fresh_scenarios")
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
    frames = {"alternatives": found.table, "information": found.information, "scenarios": found.by_scenario}
    if found.fresh_table is not None:
        frames["fresh_scenarios"] = found.fresh_table
    show(frames, out, as_json, found.summary())
