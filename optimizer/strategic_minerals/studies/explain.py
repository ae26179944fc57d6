"""Why each item was chosen or rejected: what it brings, what stands in its way, and what would change the decision.

Every item is forced in where the plan lacks it, or out where it has it, and the question solved again: the difference is what it
brings, or would cost. Constraint prices of the plan's commitments only name what binds."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from ..answer.act_now import BEGINS, STOPS, flip_in_words, flipping
from ..answer.notes import Basis, require_plain
from ..answer.result import Result
from ..answer.study import Study
from ..audit.accounts import losses, open_accounts, social_cost
from ..audit.producers import PathData, path_data_of
from ..core.errors import Fault, InfeasibleError, InputError, Progress, ReserveError, StoppedError, UntrustedError
from ..core.formats import SMALL_MUSD, rounded, tenths
from ..core.frames import Floats, rows_of
from ..core.runner import HERE, Runner, current
from ..core.stats import TRACE_T, USD_PER_MUSD, rounded_to_add_up
from ..core.verb import verb
from ..matrix.named import objective_costs
from ..matrix.problem import SHARES, Decided, DecisionIndex, ForcedDecision, Problem, part_in_words, prepare, with_parts
from ..matrix.solution import Solution, decided_point, extract, trunk_alone
from ..model.sets import STAGES, main_aim, slack_of_later_aims
from ..question.dataset import Dataset
from ..question.names import Names, edited
from ..question.plan import Plan, no_room_for_draws
from ..solver.highs import Duals, Model, SolvedRun
from ..solver.optimise import sample_seeds
from ..solver.session import Session
from ..solver.stages import against_nothing
from ..world.events import SampledScenarios
from ..world.packages import BUILT_ALONE, Item, in_amounts
from .break_even import (
    INTERVALS,
    TOLERANCE,
    Pair,
    Tried,
    figures_of,
    find_break_even,
    in_words,
    interval_rows,
)
from .lived import depends_rows
from .recourse import FirstStage
from .stress import TEST_SEED_MASK, met, met_own


# The program with the plan's commitments fixed: its prices name what binds.
@dataclass(frozen=True)
class Fixed:
    """The linear program with a result's whole commitments fixed, solved for the plan's main aim."""

    problem: Problem
    duals: Duals


def fixed_program(result: Result, problem: Problem) -> Fixed:
    """Solve it. problem: the result's question. Raises UntrustedError without an answer."""
    z0 = decided_point(problem.structure, problem.assembly, result.reference)
    problem = against_nothing(problem, z0, result.reference)
    cost = objective_costs(problem)[STAGES[result.plan.objective.kind][0]]
    model = Model(problem.assembly, cost, integer=False)
    whole = np.flatnonzero(problem.assembly.integer)
    at = np.round(decided_point(problem.structure, problem.assembly, result.solution)[whole])
    model.set_bounds(whole, at, at)
    run = model.run(time_limit_s=max(1.0, current().left()), phase="prices")
    if not isinstance(run, SolvedRun):
        raise UntrustedError(f"the linear program with the plan's commitments fixed was not solved: {run.status}")
    return Fixed(problem, run.prices)


# Why an item was chosen or rejected, in a sentence.
NOTHING = 1e-3
"""Share of the plan's worth up to which it is no loss to do without an item, and at most `SMALL_MUSD`."""


def has(item: Item, decided: Decided, amount: float) -> str:
    """How much the plan has of an item: tonnes, or the share of what is supported in part; empty for what is chosen whole."""
    text = f"{amount:,.4g} {decided.unit}" if decided.unit.startswith("t") else part_in_words(item, decided, amount)
    return f" ({text})" if text else ""


def least(item: Item, decided: Decided) -> str:
    """What an item is forced in with."""
    if decided.unit.startswith("t"):
        together = " (all start years together)" if item.kind == "contract" else ""
        return f"at least {decided.least:,.4g} {decided.unit} of it{together}"
    part = part_in_words(item, decided, decided.least)
    return f"{'' if item.kind == 'project' else 'it for '}at least {part}" if part else "it"


PARTS = {
    "shortages": ("shortage losses avoided", "for more shortage losses"),
    "users": ("saved by users", "paid by users"),
    "government": ("saved by the government", "paid by the government"),
    "spending": ("less spending", "for more spending"),
    "risk": ("less risk of very large losses (CVaR)", "for more risk of very large losses (CVaR)"),
    "penalties": (
        "fewer penalties for broken soft rules and targets not filled",
        "for more penalties for broken soft rules and targets not filled",
    ),
}
"""What is gained, and what is lost, of each part of a sum."""
MEANING = {
    "social_cost": "The figures after the colon add up to it: shortage losses avoided; what users pay for supply; what the "
    "government pays: spending, less sales and the value of the stock and plants that are left at the end.",
    "risk": "The figures after the colon add up to it, each with the weight that the plan's aim gives it.",
    "spending": "Spending is discounted, and counted as long as no disruption occurs.",
}
"""Aim of the plan -> what the parts of a reason are."""


def heading(aim: str, stage: str, gap: float) -> list[str]:
    """What the reasons are, before them. aim: in words; stage: its name."""
    return [
        f"REASONS: what each item changes in {aim}, in million USD (M): the plan is solved again without it, or with it.",
        f"  {MEANING[stage]}",
        f"  Each solve is within {gap:.2%} of the best; where that matters, the possible range is in brackets. An item can save "
        "money: without it, the plan may have to buy elsewhere at a higher price.",
    ]


def sentence(
    row: dict[str, Any],
    item: str,
    gains: Mapping[str, float],
    instead: str,
    note: str,
    what: str,
    worth: float,
    *,
    built_anyway: bool = False,
    rejected: str = "rejected",
) -> str:
    """A row in words.

    item, instead: the item, and what the plan takes in its place, by name. gains: what the item brings, by part of the aim; they
    add up to it. what: that it is chosen, and how much of it; or the item, and how much of it was forced in. worth: of the plan.
    built_anyway: a project that its owner builds without support; the row is about supporting it. rejected: that it is not chosen.
    """
    name = f"{'support for ' if built_anyway else ''}{item}"
    note = f"{'its owner builds it without support; ' if built_anyway and note else ''}{note}"
    if note:
        return f"{name}: {what if row['chosen'] else rejected}; {note}"
    total, effect = row["brings_musd"], _sum(row["brings_musd"], gains)
    least = min(SMALL_MUSD, NOTHING * abs(worth))
    if row["chosen"]:
        between = _between(row["brings_low_musd"], row["brings_high_musd"])
        better = f"it makes the plan {tenths(total)} M better"
        does = (better if total >= least else "other items could take its place at no loss") + between
        other = f"; without it the plan takes {instead}" if instead else ""
        limit = f"; {row['binds']}" if row["binds"] else ""
        return f"{name}: {what}; {does}{effect}{other}{limit}"
    between = _between(-row["brings_high_musd"], -row["brings_low_musd"])
    worse = f"including {what} makes the plan {tenths(-total)} M worse"
    does = (worse if -total >= least else f"the plan is as good with {what}") + between
    binds = f"; what stands in the way: {row['binds']}" if row["binds"] else ""
    return f"{name}: {rejected}{', its owner builds it without support' * built_anyway}; {does}{effect}{binds}"


def _sum(total: float, gains: Mapping[str, float]) -> str:
    """`: +4.7 M shortage losses avoided, -0.4 M paid by users`: parts that add up to the total as printed.

    Empty where they do not: a plan with the item forced that is slightly better, within the gap, counts for nothing."""
    found = rounded_to_add_up(total, list(gains.values()), 1)
    parts = [(name, part) for name, part in zip(gains, found or (), strict=False) if part]
    return f": {', '.join(f'{part:+,.1f} M {PARTS[name][part < 0]}' for name, part in parts)}" if parts else ""


def _between(low: float, high: float) -> str:
    """The interval that the gaps of the two solves leave, where it is wider than a tenth of its middle."""
    return f" (between {low:,.1f} and {high:,.1f} M)" if high - low > max(SMALL_MUSD, 0.05 * (low + high)) else ""


# Who bears the cost of a plan: what an item changes for each, as parts that add up to what it changes in the main aim.
@dataclass(frozen=True)
class Costs:
    """Social cost of a plan by who bears it [million USD]; NaN where there is no plan. Only differences of them mean something."""

    shortages: float
    """Expected shortage losses; substitutes count among them."""
    users: float
    """What users pay for supply."""
    government: float
    """Spending, less sales and the value of stock and plants that are left."""
    risk: float
    """The plan's weight on CVaR."""
    penalties: float
    """For broken soft rules; nobody pays them."""
    at_risk: float
    """Expected shortage losses as risk measures count them: at undisturbed prices, without those inside imported goods."""


NO_COSTS = Costs(*[math.nan] * 6)


def costs_of_parts(parts: Mapping[str, float], at_risk: float) -> Costs:
    """Costs of a plan from the parts of its social cost. at_risk: its expected losses as risk measures count them."""
    excluded = ("loss", "users_substitution", "cvar", "soft_penalties")
    borne = {name: part for name, part in parts.items() if name not in excluded}
    users = sum(part for name, part in borne.items() if name.startswith("users_"))
    government = sum(borne.values()) - users
    shortages = parts["loss"] + parts["users_substitution"]
    return Costs(shortages, users, government, parts["cvar"], parts["soft_penalties"], at_risk)


def costs_of_point(problem: Problem, x: Floats, z0: Floats, path_data: PathData | None = None) -> Costs:
    """Costs of a point of a model. z0: doing nothing. path_data: of the problem, where it was read already."""
    solution, nothing = (extract(problem.structure, problem.assembly, point) for point in (x, z0))
    accounts = open_accounts(problem, solution, path_data, nothing)
    at_risk = float(problem.structure.scenarios.probability @ losses(accounts))
    return costs_of_parts(social_cost(problem, solution, accounts), at_risk)


def parts_of_gain(plan: Plan, gain: float, before: Costs, after: Costs, spending: float) -> dict[str, float]:
    """What is gained in the plan's main aim by going from one plan to another, in parts that add up to it [million USD].

    gain: in the main aim. spending: what is spent less, discounted."""
    aim = STAGES[plan.objective.kind][0]
    penalties = before.penalties - after.penalties
    if aim == "spending":
        return {"spending": spending, "penalties": penalties}
    shortages = before.shortages - after.shortages
    if aim == "risk":
        counted = (1 - plan.objective.cvar_share) * (before.at_risk - after.at_risk)
        return {"shortages": counted, "risk": gain - counted - penalties, "penalties": penalties}
    return {
        "shortages": shortages,
        "users": before.users - after.users,
        "government": before.government - after.government,
        "risk": before.risk - after.risk,
        "penalties": penalties,
    }


# The question solved again with one item after the other forced in or out, in one session for each share of the items.
EXECUTOR_SHARES = 8
"""Shares of the items for an executor, whose size is not known."""


@dataclass(frozen=True)
class ForcedSolve:
    """The plan with one item forced in or out."""

    objective: float
    """Of the main aim, against doing nothing [million USD]; NaN where there is no answer."""
    bound: float
    costs: Costs
    spending: float
    portfolio: dict[str, str]
    note: str = ""
    """Why there is no answer."""
    impossible: bool = False
    """Whether no plan has the forced decision."""
    share: float = 1.0
    """Of the least that counts of the item, where it is forced in (`ForcedDecision`)."""
    trunk: Solution | None = None
    """What is decided, as it is lived."""


def all_forced(
    result: Result, asked: Sequence[tuple[ForcedDecision, bool]], session: Session, gap: float, run: Runner
) -> list[ForcedSolve]:
    """Every forced decision solved, in order: in a session, or in other processes with sessions of their own."""
    call, done = current(), list[ForcedSolve]()
    groups: Iterable[list[ForcedSolve]] = ([one] for one in _answers(session, result.plan, result.data, asked))
    if run.executor is not None or run.processes > 1:
        parts = min(len(asked), EXECUTOR_SHARES if run.executor is not None else run.processes)
        tasks = [[asked[k] for k in part] for part in np.array_split(np.arange(len(asked)), max(1, parts))]
        groups = run.each("", partial(_elsewhere, result.plan, result.data, session.held, gap), tasks)
    for group in groups:
        done += group
        call.report(Progress("items", call.seconds, done=len(done), of=len(asked)))
    return done


def _elsewhere(plan: Plan, data: Dataset, drawn: SampledScenarios | None, gap: float, asked: Any) -> list[ForcedSolve]:
    return list(_answers(Session(gap=gap, held=drawn, threads=1), plan, data, asked))


def _answers(
    session: Session, plan: Plan, data: Dataset, asked: Sequence[tuple[ForcedDecision, bool]]
) -> Iterator[ForcedSolve]:
    """One answer after the other, each from where the last one ended. asked: as of `all_forced`."""
    known: list[PathData] = []
    for decision, any_amount in asked:
        shares = SHARES if decision.inside and any_amount else SHARES[:1]
        yield forced_solve(partial(session.answer, plan, data), decision, shares, known)


def forced_solve(
    answered: Callable[..., Any], decision: ForcedDecision, shares: Sequence[float], known: list[PathData]
) -> ForcedSolve:
    """The plan with an item forced; forced in, with the first share of what counts that any plan has. known: what the first answer
    reads of the question's paths serves those after it."""
    none = ForcedSolve(math.nan, math.nan, NO_COSTS, math.nan, {})
    for share in shares:
        try:
            answer = answered(forced=replace(decision, share=share))
        except InfeasibleError as error:
            none = replace(none, note=str(error), impossible=True, share=share)
        except StoppedError:
            raise
        except ReserveError as error:
            return replace(none, note=str(error), impossible=False, share=share)
        else:
            problem, x, (_, objective, bound, _) = answer.problem, answer.x, answer.outcome.stages[0]
            if not known:
                known.append(path_data_of(problem))
            has, costs = DecisionIndex(problem).portfolio(x), costs_of_point(problem, x, answer.z0, known[0])
            trunk = trunk_alone(extract(problem.structure, problem.assembly, x))
            return ForcedSolve(objective, bound, costs, _spending(problem, x), has, share=share, trunk=trunk)
    return none


EXPLAINED_COLUMNS = (
    "kind item chosen amount unit brings_musd brings_low_musd brings_high_musd loss_change_musd "
    "users_change_musd government_change_musd spending_change_musd binds instead sentence"
).split()
BREAK_EVENS = "figure unit base chosen stands_at flips_at proved note low high switches sentence".split()
BINDING = {
    "budget": "the appropriation of {when}",
    "total_budget": "the total budget",
    "contingent_liability": "the liability cap of {when}",
    "one_market_floor": "another market-wide floor",
    "with_market_floor": "the market-wide floor that it needs",
    "without_market_floor": "a market-wide floor in force",
    "project_logic": "projects that it needs or that exclude it",
    "contracts_in_force": "what the producer has already promised in {when}",
    "one_package": "another package of the project",
    "cvar_limit": "the limit on CVaR",
    "expected_loss_limit": "the limit on expected loss",
}
"""Constraints that can stand in the way of an item, in words."""
GAP = 5e-3
"""Relative gap of re-solves where none is asked for: a plan with an item forced is a hard search of its own."""

TITLES = {"reasons": "Reasons", "break_evens": "What would change the decision"}


@verb
def explain(
    result: Result,
    item: Annotated[
        str | None,
        Field(
            description="What to explain: a project, `project: package`, package, contract, offer or floor, with its kind before "
            "it where names are shared."
        ),
    ] = None,
    *,
    gap: Annotated[
        float | None,
        Field(
            ge=0,
            lt=1,
            description="Relative optimality gap of each re-solve. Default: that of the run, but at least 0.005.",
        ),
    ] = None,
    tolerance: Annotated[
        float, Field(gt=0, le=1, description="Accuracy of a break-even value, relative to the value.")
    ] = TOLERANCE,
    run: Runner = HERE,
) -> Study:
    """Explain why each item was chosen or rejected; for one item, also what would reverse the choice.

    What a gap leaves open is an interval.

    Tables, those that are not empty: `reasons`, one row an item: kind, item, chosen,
    amount, unit; brings_musd, what the plan's main aim gains from it, with the interval that the gaps leave; what changes with it:
    expected losses, what users pay, net cost to the government (the three make social cost, with the weight on CVaR and
    penalties), and spending before a disruption; what binds; what is chosen instead; a sentence. Of one item, `break_evens`, one
    row a figure: figure, unit, base, chosen, stands_at, flips_at, proved, note, the range tried (low, high), how often
    the item's state switches in it, and a sentence; `intervals`, one row an interval of a figure with one state, in order:
    figure, unit, item, state, from_value, to_value, the bracket of the switch to the next one (switch_low, switch_high), why;
    `depends`, as of a result: at which loss, rate or chance it stops paying, or begins to, as lived with it and without it.
    Facts: gap, aim, stage_slack (share of the main aim that later ones may use).

    Raises InputError for a relaxation, which has no commitments, and for an extended plan, PlanError for an item that is none,
    UntrustedError of a plan that cannot be lived, ReserveError of a re-solve at the plan's own values.
    """
    require_plain(result.tables)
    if result.outcome.relaxed:
        raise InputError([Fault("result", "", "outcome", "a linear relaxation", "a plan: solve without --relax")])
    problem = prepare(result.plan, result.data)
    choices = DecisionIndex(problem)
    wanted = choices.items if item is None else [choices.find(item)]
    fixed = fixed_program(result, problem)
    x = decided_point(problem.structure, problem.assembly, result.solution)
    step = max(GAP, result.options["gap"]) if gap is None else gap
    drawn = fixed.problem.structure.scenarios.drawn
    absent = {one: why for one in wanted if (why := choices.refused(one))}
    asked = [
        (ForcedDecision(one, not choices.chosen(one, x)), choices.decided(one).any_amount)
        for one in wanted
        if one not in absent
    ]
    session = Session(gap=step, held=drawn, like=fixed.problem)
    forced = all_forced(result, asked, session, step, run)
    base, names = _base(result, fixed, choices, x), Names.of(result.data)
    rows = [_refused(one, why, names) for one, why in absent.items()]
    own = result.solution
    later = {name for b, name in enumerate(own.purchases) if own.acquisition[1:, b].max(initial=0.0) > TRACE_T}
    of = partial(_reason, fixed, choices, x, base, names, later)
    rows += [of(force, one) for (force, _), one in zip(asked, forced, strict=True)]
    flips, intervals, depends = list[dict[str, Any]](), list[dict[str, Any]](), pd.DataFrame()
    if item is not None:
        one, chosen = wanted[0], bool(rows[0]["chosen"])
        amounts = in_amounts(one, result.plan)
        known = _known(base, forced[0], chosen, amounts) if forced else {}
        pair = Pair(result.plan, result.data, one, amounts, step, edited, drawn, 0, fixed.problem, known, session)
        for figure in figures_of(fixed.problem, one):
            found = find_break_even(pair, figure, chosen, tolerance)
            flips.append({name: getattr(found, name) for name in BREAK_EVENS[:-1]} | {"sentence": in_words(one, found)})
            intervals += interval_rows(one, found)
        if forced and forced[0].trunk is not None:
            depends = _lived_figures(result, problem, one, forced[0].trunk, chosen=chosen)
    every = {
        "reasons": pd.DataFrame(rows, columns=EXPLAINED_COLUMNS),
        "break_evens": pd.DataFrame(flips, columns=BREAK_EVENS),
        "intervals": pd.DataFrame(intervals, columns=INTERVALS),
        "depends": depends,
    }
    tables = {name: table for name, table in every.items() if len(table)}
    facts = {"gap": step, "aim": main_aim(result.plan), "stage_slack": slack_of_later_aims(result.plan)}
    words = _words(tables, facts, STAGES[result.plan.objective.kind][0], names, Basis(result).scenarios)
    return Study("explain", tables, words, facts, TITLES)


def _known(base: ForcedSolve, forced: ForcedSolve, chosen: bool, amounts: bool) -> dict[bool, Tried | None]:
    """What the plan and the reason's own solve say of the plan with the item and without it (`Pair.known`)."""
    plan = Tried(base.objective, base.bound, chosen)
    if amounts and not chosen:  # free to use it, the plan takes none
        return {True: plan, False: plan}
    other = None if forced.impossible else Tried(forced.objective, forced.bound, not chosen)
    return {chosen: plan} | ({not chosen: other} if forced.impossible or not forced.note else {})


LIVED = 200
"""New scenarios in which a plan with an item and one without it are lived."""


def _lived_figures(result: Result, problem: Problem, item: Item, other: Solution, *, chosen: bool) -> pd.DataFrame:
    """At which loss, rate or chance the item stops paying, or would begin to (`depends_rows`), of the plan with it and the one
    without it as both are lived, in new scenarios or, of a plan that draws none, in its own. other: the one that is not the
    plan. Empty where nothing can happen."""
    plan, of = result.plan, partial(FirstStage.of, result.plan, result.data, problem=problem)
    if plan.sample is None or no_room_for_draws(plan):
        lives = [met_own(result, problem, other)] if plan.scenarios else []
    else:
        nothing = of(trunk_alone(result.reference), is_reference=True)
        both = [of(one) for one in (trunk_alone(result.solution), other)]
        lives = met([nothing, *both], LIVED, sample_seeds(plan.sample.seed, 1, TEST_SEED_MASK))
    part = item.kind, item.name, "", int(not chosen), int(chosen)
    return depends_rows(problem, lives, [part]) if lives else pd.DataFrame()


def _figures_in_words(rows: pd.DataFrame, names: Names, scenarios: Mapping[str, str], *, chosen: bool) -> Iterator[str]:
    """What an item is worth as it is lived, and where that ends or begins. chosen: whether the plan has it."""
    worth = float(rows.worth_musd.iloc[0])
    if abs(worth) < SMALL_MUSD:
        yield "as it is lived, it changes nothing"
        return
    does = ("brings", "costs") if chosen else ("would bring", "would cost")
    yield f"as it is lived it {does[worth < 0]} {rounded(abs(worth))} M"
    ends = BEGINS if worth < 0 else STOPS if chosen else STOPS.replace("stops", "would stop")
    turns = [f"it {ends} {flip_in_words(row, names, scenarios)}" for row in flipping(rows)]
    yield from turns or ["no loss, rate or chance within reach changes that"]


def _words(
    tables: Mapping[str, pd.DataFrame],
    facts: Mapping[str, Any],
    first_stage: str,
    names: Names,
    scenarios: Mapping[str, str],
) -> list[str]:
    lines: list[str] = []
    if "reasons" in tables:
        lines += heading(facts["aim"], first_stage, facts["gap"])
        if facts["stage_slack"] > facts["gap"]:
            lines.append(
                f"  Later aims may worsen the main aim by up to {facts['stage_slack']:.1%} (objective.stage_slack): smaller "
                "differences do not show, and larger ones may be off by as much. Set it to 0 to see them."
            )
        order = tables["reasons"].sort_values(
            ["chosen", "brings_musd"], ascending=False, kind="stable", na_position="first"
        )
        lines += [f"  {row.sentence}" for row in rows_of(order)]
    if "break_evens" in tables:
        lines.append(
            "WHAT WOULD CHANGE THE DECISION: each figure of the item alone, solved with the item and without it:"
        )
        lines += [f"  {row.sentence}" for row in rows_of(tables["break_evens"])]
    if "depends" in tables:
        chosen = bool(tables["reasons"].chosen.iloc[0])
        lines.append(
            "LOSSES AND HAZARDS, in expected social cost: both plans stay as they are, and only the figure changes:"
        )
        lines += [f"  {text}" for text in _figures_in_words(tables["depends"], names, scenarios, chosen=chosen)]
    return lines


def _refused(item: Item, why: str, names: Names) -> dict[str, Any]:
    """One row of `EXPLAINED_COLUMNS` for an item that the plan could not choose."""
    unknown = dict.fromkeys((name for name in EXPLAINED_COLUMNS if name.endswith("_musd")), math.nan)
    text = f"{names.item(str(item))}: {'not' if why == BUILT_ALONE else 'cannot be'} chosen; {why}"
    row = {"kind": item.kind, "item": item.name, "chosen": False, "amount": 0.0, "unit": "", "binds": "", "instead": ""}
    return {**row, **unknown, "sentence": text}


def _base(result: Result, fixed: Fixed, choices: DecisionIndex, x: Floats) -> ForcedSolve:
    """The plan itself."""
    _, objective, bound, _ = result.outcome.stages[0]
    costs = costs_of_parts(result.objective_parts, result.figures.value("expected_loss_musd"))
    return ForcedSolve(objective, bound, costs, _spending(fixed.problem, x), choices.portfolio(x))


def _spending(problem: Problem, x: Floats) -> float:
    """What a point spends [million USD]; 0 where the plan counts no spending."""
    costs = problem.assembly.costs.get("spending")
    return 0.0 if costs is None else float(costs @ x)


def _reason(
    fixed: Fixed,
    choices: DecisionIndex,
    x: Floats,
    base: ForcedSolve,
    names: Names,
    later: Collection[str],
    decision: ForcedDecision,
    other: ForcedSolve,
) -> dict[str, Any]:
    """One row of `EXPLAINED_COLUMNS`; `brings`: what having the item gains, whether the plan has it or not. later: offers of which
    it buys in disruptions."""
    item, chosen, decided = decision.item, not decision.inside, choices.decided(decision.item)
    decided = replace(decided, least=decided.least * other.share)
    sign = 1.0 if chosen else -1.0
    brings, low, high = other.objective - base.objective, other.bound - base.objective, other.objective - base.bound
    parts = parts_of_gain(fixed.problem.plan, brings, other.costs, base.costs, other.spending - base.spending)
    if not other.note:  # a forced plan cannot be better than a free one
        brings, low, high = max(0.0, brings), max(0.0, low), max(0.0, high)
    news = {name: part for name, part in other.portfolio.items() if name not in base.portfolio and name != str(item)}
    row: dict[str, Any] = {
        "kind": item.kind,
        "item": item.name,
        "chosen": chosen,
        "amount": choices.amount(item, x),
        "unit": decided.unit,
        "brings_musd": sign * brings,
        "brings_low_musd": sign * (low if chosen else high),
        "brings_high_musd": sign * (high if chosen else low),
        "loss_change_musd": sign * (base.costs.shortages - other.costs.shortages),
        "users_change_musd": sign * (base.costs.users - other.costs.users),
        "government_change_musd": sign * (base.costs.government - other.costs.government),
        "spending_change_musd": sign * (base.spending - other.spending),
        "binds": _at_limit(fixed, x, decided) if chosen else _binding(fixed, decided),
        "instead": "; ".join(with_parts(name, part) for name, part in news.items()),
    }
    what = f"chosen{has(item, decided, row['amount'])}" if chosen else least(item, decided)
    note = f"no plan {'without it' if chosen else f'with {what}'}: {other.note}" if other.impossible else other.note
    name, instead = names.item(str(item)), "; ".join(with_parts(names.chosen(new), part) for new, part in news.items())
    gains = {part: sign * gain for part, gain in parts.items()}
    projects = zip(fixed.problem.natural.projects, fixed.problem.structure.support.baseline, strict=True)
    alone = item.kind == "project" and item.project in [project.name for project, built in projects if built]
    rejected = "bought in disruptions alone" if item.kind == "offer" and item.name in later else "rejected"
    text = sentence(row, name, gains, instead, note, what, base.objective, built_anyway=alone, rejected=rejected)
    return row | {"sentence": text}


def _binding(fixed: Fixed, decided: Decided) -> str:
    """What speaks against the least that counts of an item, at its cheapest, by the plan's prices of commitments, dearest first."""
    problem, duals = fixed.problem, fixed.duals
    assembly = problem.assembly
    cheapest = int(np.argmin(duals.column[decided.columns] / decided.factors))
    column, least = int(decided.columns[cheapest]), decided.least / float(decided.factors[cheapest])
    against: dict[str, float] = {}
    for entry in np.flatnonzero(assembly.index == column).tolist():
        row = int(np.searchsorted(assembly.start, entry, side="right")) - 1
        weight = -float(duals.row[row]) * float(assembly.value[entry]) * least
        name, key, _, _ = assembly.row_name(row)
        if name in BINDING and weight > SMALL_MUSD:
            words = BINDING[name].format(when=_when(problem, name, key))
            against[words] = against.get(words, 0.0) + weight
    heaviest = sorted(against.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{words} ({weight:,.1f} M)" for words, weight in heaviest)


def _at_limit(fixed: Fixed, x: Floats, decided: Decided) -> str:
    """Where a chosen offer or contract gives all that it has, and more would be worth something; empty for whole decisions. x: the
    plan, which later aims may have left with less than the best for its main one."""
    reduced, assembly = fixed.duals.column[decided.columns], fixed.problem.assembly
    full = (x[decided.columns] >= assembly.upper[decided.columns] - TRACE_T) & (reduced < 0)
    if not decided.unit.startswith("t") or not full.any():
        return ""
    best, offer = -float((reduced / decided.factors)[full].min()), decided.unit == "t"
    per, cases = ("tonne", "periods") if offer else ("tonne a year", "possible start dates")
    if offer and fixed.problem.natural.calendar.step == 1:
        cases = "years"
    where = "it" if len(full) == 1 else f"it in {int(full.sum())} of {len(full)} {cases}"
    worth = f"one more {per} would be worth at most {USD_PER_MUSD * best:,.0f} USD"
    return f"the plan takes all that is offered of {where}; {worth}"


def _when(problem: Problem, name: str, key: Any) -> str:
    """Year or period of a row."""
    calendar = problem.natural.calendar
    if name in ("budget", "contingent_liability"):
        return f"FY{calendar.years[key]}"
    return calendar.period_label(key[1]) if name == "contracts_in_force" else ""
