"""Verbs that evaluate a question or a plan: scenarios, stress and reverse stress tests, the value of planning."""

from __future__ import annotations

from typing import Annotated

import typer

from ..core.errors import Fault, InputError, MisplacedError, PlanError
from .common import (
    COMMAND_LINE,
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
    progress,
    room_for,
    show,
)

OPTIONS = {"names": "--hazard", "promises": "--promise"}
"""Options of `reverse` by the parameter that they set."""


@app.command()
def scenarios(
    plan: PlanFile,
    tables: Tables = None,
    scenarios: Annotated[int, typer.Option(min=1, max=100_000, help="How many scenarios to sample.")] = 2000,
    seed: Annotated[int | None, typer.Option(min=0, help="Random seed. Default: the plan's own.")] = None,
    replay: Annotated[
        bool,
        typer.Option("--replay", help="Also compare the hazards with the disruptions of the table observed_profiles."),
    ] = False,
    out: Out = None,
    as_json: Json = False,
    set_: Annotated[
        list[str],
        typer.Option(
            "--set",
            help='Set a field of the plan for this run, e.g. hazards=[{hazard="pacific_war", rate_per_yr=0.02}]; may be repeated.',
        ),
    ] = [],  # noqa: B006
) -> None:
    """Show what can happen, before any solve: how often, for how long and how severely supply is disrupted."""
    from ..evaluation.scenario_outlook import Outlook
    from ..evaluation.scenario_outlook import scenario_outlook as look

    room_for(out, Outlook)
    _, loaded, data = load(plan, tables, set_)
    show(look(loaded, data, scenarios=scenarios, seed=seed, replay=replay), out, as_json)


@app.command()
def losses(
    plan: PlanFile,
    tables: Tables = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Test the loss functions on observed shortages: what each would have said, beside what is known to have stopped."""
    from ..evaluation.loss_replay import LossReplay, loss_replay

    room_for(out, LossReplay)
    _, _, data = load(plan, tables, [])
    show(loss_replay(data), out, as_json)


@app.command(solves=True)
def requirements(
    plan: PlanFile,
    tables: Tables = None,
    out: Out = None,
    as_json: Json = False,
    set_: SetFields = [],  # noqa: B006
) -> None:
    """Show what would be missing if nothing were held, beside the shortfalls that stockpile reports printed."""
    from ..evaluation.published_requirements import PublishedRequirements, published_requirements

    room_for(out, PublishedRequirements)
    _, loaded, data = load(plan, tables, set_)
    show(published_requirements(loaded, data), out, as_json)


@app.command()
def stress(
    directory: RunFolder,
    scenarios: Annotated[
        int, typer.Option("--scenarios", min=10, help="Total number of new random scenarios.")
    ] = 1_000,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the new scenarios.")] = 1,
    myopic: Annotated[
        bool, typer.Option("--myopic", help="Assume that nobody knows how long an event will last until it ends.")
    ] = False,
    workers: Workers = 0,
    as_json: Json = False,
    out: Out = None,
) -> None:
    """Test a solved plan on new random scenarios: losses with confidence intervals, and the scenarios with the largest loss."""
    from ..evaluation.stress_test import StressTest, stress_test
    from ..results.run_folder import load_result
    from ..schemas.plan import no_room_for_draws

    room_for(out, StressTest)
    stored = load_result(directory)
    reason = no_room_for_draws(stored.plan)
    if reason:
        raise InputError([Fault(str(directory), "", "plan", stored.plan.name, reason)])
    with counting("new random scenarios") as told:
        found = stress_test(
            stored,
            scenarios=scenarios,
            seed=seed,
            myopic=myopic,
            workers=cores(workers),
            on_progress=told,
        )
    show(found, out, as_json)


@app.command()
def reverse(
    directory: RunFolder,
    longest: Annotated[float, typer.Option(min=0.1, max=60, help="Longest disruption to test, in years.")] = 8.0,
    hazard: Annotated[
        list[str],
        typer.Option(help="Code of a hazard to test; may be repeated. Default: all hazards in the plan's scenarios."),
    ] = [],  # noqa: B006
    promise: Annotated[
        list[str],
        typer.Option(
            help="Promise to test, as material:segment:level (codes, and the share of demand that is served), e.g. "
            "ndfeb_magnet:civil:0.8; may be repeated. Default: the plan's service levels, or defence in full."
        ),
    ] = [],  # noqa: B006
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Find the shortest and the least severe disruption that breaks a promise of the plan."""
    from ..data.promises import Promise
    from ..evaluation.reverse_stress import ReverseStress, reverse_stress
    from ..results.run_folder import load_result

    room_for(out, ReverseStress)
    try:
        wanted = [Promise.parse(text) for text in promise]
        found = reverse_stress(
            load_result(directory), promises=wanted or None, names=hazard or None, longest_yr=longest
        )
    except MisplacedError as error:
        raise InputError(
            [Fault(COMMAND_LINE, "", OPTIONS[at], found, expected) for at, found, expected in error.places]
        ) from None
    except ValueError as error:
        raise InputError([Fault(str(directory), "", "plan", "a plan that cannot be tested", str(error))]) from None
    show(found, out, as_json)


@app.command()
def rules(
    directory: RunFolder,
    samples: Annotated[int, typer.Option(min=2, help="Independent samples of scenarios that all of them meet.")] = 10,
    scenarios: Annotated[int, typer.Option(min=1, help="Scenarios of each.")] = 200,
    workers: Workers = 0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Compare a plan with what ministries do: days of cover, published ceilings, equal money, shares by value."""
    from ..evaluation.rule_comparison import RuleComparison, compare_rules
    from ..results.run_folder import load_result

    room_for(out, RuleComparison)
    with counting("samples") as told:
        try:
            found = compare_rules(
                load_result(directory), samples=samples, scenarios=scenarios, workers=cores(workers), on_progress=told
            )
        except ValueError as error:
            raise InputError([Fault(str(directory), "", "plan", "a plan without such a table", str(error))]) from None
    show(found, out, as_json)


@app.command()
def worth(
    plan: PlanFile,
    tables: Tables = None,
    fresh: Annotated[
        int, typer.Option(min=0, help="How many new random scenarios to compare the alternatives in; 0: none.")
    ] = 1_000,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the new scenarios.")] = 1,
    gap: Gap = 1e-3,
    time_limit: Limit = 3600.0,
    out: Out = None,
    as_json: Json = False,
    set_: SetFields = [],  # noqa: B006
) -> None:
    """Compare the plan with rules of thumb, with perfect information and with a plan for the average scenario."""
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
                workers=cores(0),
                on_progress=told,
            )
    except ValueError as error:
        raise PlanError([Fault("plan", "", "objective", loaded.objective.kind, str(error))]) from None
    show(found, out, as_json)


@app.command()
def origins(
    plan: PlanFile,
    tables: Tables = None,
    gap: Gap = 1e-3,
    time_limit: Limit = 3600.0,
    workers: Workers = 0,
    out: Out = None,
    as_json: Json = False,
    set_: SetFields = [],  # noqa: B006
) -> None:
    """Show what rules of origin cost: no rule, law, practice of suppliers, policy, and the plan's own rules."""
    from ..evaluation.origin_costs import OriginCosts, origin_costs

    room_for(out, OriginCosts)
    _, loaded, data = load(plan, tables, set_)
    with counting("solves") as told:
        found = origin_costs(loaded, data, gap=gap, time_limit_s=time_limit, workers=cores(workers), on_progress=told)
    show(found, out, as_json)


@app.command()
def controls(
    plan: PlanFile,
    tables: Tables = None,
    gap: Gap = 1e-3,
    time_limit: Limit = 3600.0,
    workers: Workers = 0,
    out: Out = None,
    as_json: Json = False,
    set_: SetFields = [],  # noqa: B006
) -> None:
    """Plan for each case of the controls that may or may not be in force, and show what all of them share."""
    from ..evaluation.control_cases import ControlCases, control_cases

    room_for(out, ControlCases)
    _, loaded, data = load(plan, tables, set_)
    with counting("solves") as told:
        found = control_cases(loaded, data, gap=gap, time_limit_s=time_limit, workers=cores(workers), on_progress=told)
    show(found, out, as_json)


@app.command()
def together(
    plan: PlanFile,
    tables: Tables = None,
    gap: Gap = 1e-2,
    time_limit: Limit = 3600.0,
    workers: Workers = 1,
    out: Out = None,
    as_json: Json = False,
    set_: SetFields = [],  # noqa: B006
) -> None:
    """Plan for each home of a plan of several against the others, and for every coalition: who gains, and who would leave."""
    from ..data.load import find_plan, load_members, overrides
    from ..evaluation.coalition_result import Coalitions
    from ..evaluation.coalitions import coalitions

    room_for(out, Coalitions)
    asked, homes = load_members(find_plan(plan), tables, overrides(set_))
    with counting("solves") as told:
        found = coalitions(asked, homes, gap=gap, time_limit_s=time_limit, workers=cores(workers), on_progress=told)
    show(found, out, as_json)


@app.command()
def deals(
    plan: PlanFile,
    tables: Tables = None,
    beliefs: Annotated[
        bool,
        typer.Option(
            "--beliefs/--no-beliefs",
            help="Also look for the hazards, prices and premiums at which a floor starts to pay.",
        ),
    ] = True,
    out: Out = None,
    as_json: Json = False,
    set_: Annotated[
        list[str],
        typer.Option(
            "--set", help="Set a field of the plan for this run, e.g. owners.price_risk_premium=0.02; may be repeated."
        ),
    ] = [],  # noqa: B006
) -> None:
    """Replay signed support agreements: gap, cost and liability on the facts of their day, beside what was signed."""
    from ..evaluation.deals import Deals
    from ..evaluation.deals import deals as replay

    room_for(out, Deals)
    _, loaded, data = load(plan, tables, set_)
    with counting("agreements") as told:
        found = replay(loaded, data, beliefs=beliefs, on_progress=told)
    show(found, out, as_json)
