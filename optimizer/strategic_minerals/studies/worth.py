"""Value of planning: the plan, rules of thumb, perfect information and a plan for average events, in the same scenarios.

Every alternative is reduced to what it decides before anything has happened: packages, contracts, floors and purchases on the
baseline course. These are fixed in the plan's own model, recourse is optimised in every scenario, and the results compared.
EVPI, VSS and their order WS <= RP <= EEV: Birge and Louveaux, Introduction to Stochastic Programming, 2nd ed., chapter 4."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from ..answer.notes import ALTERNATIVES
from ..answer.study import Study
from ..core.errors import Fault, InfeasibleError, PlanError, StoppedError
from ..core.frames import INF, Bools, Floats, rows_of
from ..core.runner import HERE, Runner, checkpoint, current
from ..core.stats import DAYS_PER_YEAR, Timings
from ..core.verb import Confidence, Gap, Seed, verb
from ..matrix.assembly import compile_templates, instantiate
from ..matrix.named import objective_costs
from ..matrix.problem import Problem, prepare, structure_of
from ..matrix.solution import Solution, extract
from ..model.sets import TRUNK, build_structure
from ..model.values import net_imports
from ..question.consistency import require
from ..question.dataset import Dataset
from ..question.names import Names
from ..question.plan import DaysOfCover, Instruments, Objective, Plan
from ..solver.highs import Model
from ..solver.optimise import Solved, optimise
from ..solver.stages import RELAXED_IN_Z0
from ..world.events import ScenarioSet
from ..world.instance import ESSENTIAL, Instance
from ..world.packages import build_support
from .recourse import FirstStage, RecourseOutcome, evaluate_recourse
from .stress import SHORT_T, Figures, drawn_in_all, figures, named, pooled, replicates

# Rules of thumb as plans: one instrument alone, days of cover, the base-case shortfall.


COVER_DAYS = 60.0
"""The rule of thumb: sixty days of net imports."""
FILLED = "base-case shortfall filled"
LEAST_SLACK = 1e-7
"""A rule spends as little as possible: within the slack of a gap the next objective could buy anything."""
OF_DEPTH = 0.9
"""Share of the offers on the market that a rule assumes to be available."""


@dataclass(frozen=True)
class Rule:
    """An alternative as a plan; if there is none, `note` says why."""

    name: str
    plan: Plan | None
    note: str = ""
    """What it leaves out."""


def without_promises(plan: Plan) -> Plan:
    """The plan without its promises: rules of thumb make none."""
    return plan.model_copy(update={"service_levels": (), "diversification": (), "days_of_cover": ()})


def rules_of_thumb(plan: Plan, problem: Problem) -> list[Rule]:
    """One instrument alone; sixty days of net imports; the shortfall of the base case filled (as RAMF sets requirements)."""
    base = without_promises(plan)
    menu = plan.instruments

    def having(**changes: Any) -> Plan:
        return base.model_copy(update={"instruments": Instruments.model_validate({**menu.model_dump(), **changes})})

    stock = having(projects=False, offtake_contracts=False, price_floors=())
    objective = Objective(kind="least_budget", stage_slack=LEAST_SLACK)
    money = plan.budget.model_copy(update={"branch_money": "planned"})
    least = stock.model_copy(update={"objective": objective, "budget": money})
    n, names = problem.natural, Names.of(problem.data)
    cover = {m: float(net_imports(n, i).max()) * COVER_DAYS / DAYS_PER_YEAR for i, m in enumerate(n.materials)}
    filled = Rule(FILLED, None, "the plan has no design-basis scenario")
    if (short := _base_case_shortfall(n, problem.structure.scenarios)) is not None:
        filled = _holding(FILLED, least, n, short, names)
    return [
        Rule("stockpile only", stock),
        Rule("projects only", having(reserve=False, offtake_contracts=False, price_floors=())),
        Rule("floors only", having(reserve=False, offtake_contracts=False, packages=("none",))),
        _holding(f"{COVER_DAYS:g} days of cover", least, n, cover, names),
        filled,
    ]


def _holding(name: str, least: Plan, n: Instance, tonnes: dict[str, float], names: Names) -> Rule:
    """A stock of each material from the year by which the market can supply it; materials that cannot be bought are named."""
    rules, never = [], []
    for i, material in enumerate(n.materials):
        depth = float(n.offer_depth[n.offer_material == i].sum()) / n.calendar.step * OF_DEPTH
        usual = net_imports(n, i)
        if tonnes.get(material, 0.0) <= 0:
            continue
        wait = math.ceil(tonnes[material] / depth) if depth > 0 else math.inf
        if usual.min() <= 0 or wait >= len(n.calendar.planned_years):
            never.append(material)
            continue
        days = tonnes[material] / float(usual.max()) * DAYS_PER_YEAR
        rules.append(DaysOfCover(material=material, days=days, from_year=n.calendar.first_year + int(wait)))
    left = ", ".join(map(names.material, never))
    note = f"without {left}: not offered, or not in time" if never else ""
    return Rule(name, least.model_copy(update={"days_of_cover": tuple(rules)}), note)


def _missing(wanted: Floats, left: Floats) -> Floats:
    """(T,) unavailable share of what is needed."""
    there = np.divide(left, wanted, out=np.ones_like(left), where=wanted > 0)
    return np.asarray(np.clip(1 - there, 0.0, 1.0))


def _base_case_shortfall(n: Instance, scenarios: ScenarioSet) -> dict[str, float] | None:
    """Tonnes of each material that defence and essential users lack in the worst design-basis scenario if nothing is done.

    None if there is no such scenario. From the onset to the end of the event, beyond the undisturbed shortfall; in a crisis
    sources supply their crisis share (kappa). A material's shortage is divided among its users by demand.
    """
    chosen = np.flatnonzero(scenarios.design_basis)
    if not len(chosen):
        return None
    lacking, t = dict[str, float](), np.arange(n.calendar.periods)
    for i, name in enumerate(n.materials):
        mine: Bools = (n.demand_material == i) & (n.priority <= ESSENTIAL)
        if not mine.any():
            continue
        users, c = n.demand_material == i, n.component[i]
        makes = np.flatnonzero(n.yields[: n.sources, i] > 0)
        made = n.yields[makes, i][:, None] * n.capacity[makes]
        usual = _missing(n.demand[users].sum(axis=0), (made * n.availability[makes]).sum(axis=0))
        for s in chosen:
            asked = scenarios.demand(n)[s]
            crisis = np.where(scenarios.tight[s, i], scenarios.squeeze[s, i], 0.0)
            kept = scenarios.availability[s, makes] * (1 - crisis * (1 - n.kappa[makes])[:, None])
            beyond = np.maximum(0.0, _missing(asked[users].sum(axis=0), (made * kept).sum(axis=0)) - usual)
            inside = (t >= scenarios.onset[s, c]) & (t < scenarios.end[s, c])
            gone = float((asked[mine].sum(axis=0) * beyond * inside).sum())
            lacking[name] = max(lacking.get(name, 0.0), gone)
    return {name: tonnes for name, tonnes in lacking.items() if tonnes > SHORT_T}


# What is decided before anything has happened, read off one solution and fixed in another model of the same question.


LIMIT_S = 600.0
"""Seconds for one evaluation, a linear program: far more than a sound one takes."""


@dataclass(frozen=True)
class Decided:
    """What an alternative decides before anything has happened."""

    signed: dict[tuple[str, str, tuple[str, ...], int], float]
    """(project, package, market floors, period) -> share."""
    contracts: dict[tuple[str, int], float]
    """(source, period) -> tonnes per period."""
    floors: dict[str, float]
    bought: dict[str, Floats]
    """Purchase -> (T,) tonnes on the trunk."""
    at_most: bool = False
    """Purchases are limits, not amounts."""


def decisions(problem: Problem, solution: Solution, path: int = 0) -> Decided:
    """What a solution decides before anything has happened; `path` 1 takes purchases from its only scenario."""
    support, structure, n = problem.structure.support, problem.structure, problem.natural
    signed = {_signature(problem, o): float(share) for o, share in enumerate(solution.sign) if abs(share) > 1e-9}
    contracts = {
        (n.producers[k.source], k.start): float(tonnes)
        for k, tonnes in zip(structure.contracts, solution.contract, strict=True)
        if tonnes > 1e-9
    }
    floors = {m.floor.name: float(v) for m, v in zip(support.markets, solution.floor, strict=True) if v > 0.5}
    bought = {name: solution.acquisition[path, k] for k, name in enumerate(solution.purchases)}
    return Decided(signed, contracts, floors, bought)


def baseline_signatures(problem: Problem) -> dict[tuple[str, str, tuple[str, ...], int], float]:
    """What owners build anyway, without support."""
    support = problem.structure.support
    return {
        _signature(problem, o): 1.0
        for o, option in enumerate(support.options)
        if support.baseline[option.project] and option.package.name == "none" and not option.market
    }


def _signature(problem: Problem, o: int) -> tuple[str, str, tuple[str, ...], int]:
    """A package at a date by names, the same in every menu that has it."""
    support = problem.structure.support
    option = support.options[o]
    floors = tuple(sorted(support.markets[m].floor.name for m in option.market))
    return problem.natural.projects[option.project].name, option.package.name, floors, option.signed


def evaluated(problem: Problem, chosen: Decided) -> Floats | None:
    """The best operations in every scenario of the problem for decisions that are fixed; None where they do not fit.

    Promises, limits and rules of thumb of the plan are left out, as in the do-nothing reference. Raises StoppedError if there was
    no time.
    """
    assembly, structure, n = problem.assembly, problem.structure, problem.natural
    model = Model(assembly, objective_costs(problem)["social_cost"], integer=False)
    for family in RELAXED_IN_Z0:
        rows = assembly.rows_of(family)
        model.set_row_bounds(rows, np.full(len(rows), -INF), np.full(len(rows), INF))
    root = assembly.commitments

    def fix(name: str, key: int, value: float) -> None:
        column = root.columns(name, key)
        model.set_bounds(column, np.array([value]), np.array([value]))

    signs = [chosen.signed.get(_signature(problem, o), 0.0) for o in range(len(structure.support.options))]
    if sum(signs) < sum(chosen.signed.values()) - 1e-6:
        return None
    for o, share in enumerate(signs):
        fix("sign", o, share)
    for m, market in enumerate(structure.support.markets):
        fix("floor", m, chosen.floors.get(market.floor.name, 0.0))
    for k, contract in enumerate(structure.contracts):
        tonnes = chosen.contracts.get((n.producers[contract.source], contract.start), 0.0)
        fix("contract", k, tonnes / structure.instance.producer_unit[contract.source])
        if contract.lot > 0:
            fix("contract_signed", k, float(tonnes > 0))
    for c, part in enumerate(assembly.operations):
        trunk = np.flatnonzero(structure.block_index[c].scenario == TRUNK)
        for k, (variable, key) in enumerate(part.template.columns):
            if variable == "acquisition":
                unit = structure.instance.material_unit[structure.material_of_purchase[key]]
                tonnes = np.maximum(0.0, chosen.bought.get(key, np.zeros(len(trunk)))) / unit
                columns = part.first_column + k + part.width * trunk
                slack = 1e-9 * (1 + tonnes)
                low = np.zeros(len(trunk)) if chosen.at_most else np.maximum(0.0, tonnes - slack)
                model.set_bounds(columns, low, np.minimum(tonnes + slack, assembly.upper[columns]))
    run = model.run(time_limit_s=min(LIMIT_S, current().left()), phase="evaluate")
    if run.status != "optimal":
        checkpoint()
        return None
    return run.x


# The plan's problem with other scenarios: one of its own, known in advance, or their average.


def along(plan: Plan, data: Dataset, choose: Callable[[ScenarioSet], ScenarioSet]) -> Problem:
    """The plan's problem with other scenarios made from its own."""
    own, natural = structure_of(plan, data)
    scenarios = choose(own.scenarios)
    support = build_support(own.instance, scenarios, pricing=own.support.owners.pricing)
    structure = build_structure(own.instance, scenarios, support)
    templates = compile_templates(structure)
    return Problem(plan, data, natural, structure, templates, instantiate(structure, templates), Timings())


def only(scenario: int) -> Callable[[ScenarioSet], ScenarioSet]:
    """One scenario with probability 1."""

    def chosen(scenarios: ScenarioSet) -> ScenarioSet:
        alone = _mixed(scenarios, np.eye(len(scenarios.names))[scenario], scenarios.names[scenario])
        return replace(alone, events=(scenarios.events[scenario],))  # what its losses per tonne depend on

    return chosen


def average_scenario(scenarios: ScenarioSet) -> ScenarioSet:
    """The one scenario in which availability, demand and prices are their means."""
    return _mixed(scenarios, scenarios.probability, "average")


def _mixed(scenarios: ScenarioSet, weight: Floats, name: str) -> ScenarioSet:
    """One scenario, the weighted mean of several; it is touched if any of them is, and tight as long as the longest.

    If it were tight only for the mean share of a period, stock could be released only for that share, and the average cut, which
    lasts the whole period, could not be covered: that is not what planning for averages means.
    """

    def mean(values: Any) -> Floats:
        return np.tensordot(weight, np.asarray(values, dtype=float), axes=1)[None]

    counted = weight > 0
    return ScenarioSet(
        (name,),
        np.ones(1),
        np.zeros(1, dtype=bool),
        ((),),
        mean(scenarios.availability),
        mean(scenarios.demand_factor),
        mean(scenarios.price),
        mean(scenarios.price * scenarios.market_gap) / mean(scenarios.price),
        np.asarray(scenarios.tight[counted].any(axis=0))[None],
        mean(scenarios.direct),
        scenarios.lasting[counted].max(axis=0)[None],
        scenarios.squeeze[counted].max(axis=0)[None],
        scenarios.onset[counted].min(axis=0)[None],
        scenarios.end[counted].max(axis=0)[None],
        scenarios.trunk,
    )


PLAN, NOTHING, AVERAGE = "optimised plan", "nothing", "plan for average events"
FREE = "optimised plan without promises"
MEAN = -1
"""The average of all scenarios, where a scenario is asked for."""
TITLES = {
    "alternatives": "Alternatives",
    "information": "Value of information",
    "fresh_scenarios": "In new random scenarios",
}


@verb
def value_of_planning(
    plan: Plan,
    data: Dataset,
    *,
    fresh: Annotated[
        int,
        Field(ge=0, le=100_000, description="How many new random scenarios to compare the alternatives in; 0: none."),
    ] = 1_000,
    seed: Seed = 1,
    confidence: Confidence = 0.95,
    gap: Gap = 1e-3,
    run: Runner = HERE,
) -> Study:
    """Compare the plan with rules of thumb, with perfect information and with a plan for the average scenario.

    Plan, alternatives and each scenario by itself are solved, and compared in the plan's own scenarios and in new ones. Tables:
    alternatives: alternative, value compared with doing nothing, expected loss, CVaR, probability of a defence shortfall, spending,
    largest regret, note (what it leaves out, or why it is not compared);
    information: figure, musd of evpi (EVPI, the value of knowing the scenario in advance: RP - WS; NaN if a single scenario was
    not solved), vss (VSS, the value of planning with scenarios instead of their average: EEV - RP; NaN if that plan is not
    feasible), wait_and_see, here_and_now (social cost of the plan without its promises), average_plan, largest_gap (largest
    optimality gap of the solves: the accuracy of the figures);
    scenarios: alternative, scenario, loss_musd in the plan's own scenarios;
    fresh_scenarios: the same alternatives in new random scenarios, every figure with `_low` and `_high`; `behind_plan_musd`: how
    much less than the plan an alternative is worth, from the same samples; left out where none were drawn.
    Facts: fresh (scenarios drawn, 0 for none), their seed, confidence of intervals.

    Operations are compared without the plan's promises (service levels, diversification, days of cover), which rules of
    thumb do not give; the plan itself is made with them. An alternative, or a scenario by itself, that is not solved leaves
    its reason in the table and its figures out.

    Raises PlanError and InputError with every fault, PlanError also for a plan of another aim than social cost or with a weight
    on CVaR, SolveError where the plan itself has no answer, UntrustedError as `solve_once`.
    """
    require(plan, data)
    if plan.objective.kind != "social_cost" or plan.risk.cvar_weight > 0:
        expected = "social cost, in which the value of planning is measured: no other objective, and no weight on CVaR"
        raise PlanError([data.placed(Fault("plan", "", "objective", plan.objective.kind, expected))])
    call = current()
    problem = prepare(plan, data)

    best = optimise(problem, gap=gap, time_limit_s=call.left(), on_progress=call.watch)
    z0 = float(best.costs["social_cost"] @ best.z0)
    decided = {
        PLAN: decisions(problem, extract(problem.structure, problem.assembly, best.x)),
        "nothing before events": Decided(baseline_signatures(problem), {}, {}, {}),
    }
    free = without_promises(plan)
    rules = rules_of_thumb(plan, problem)
    notes = {rule.name: rule.note for rule in rules}
    scenarios = range(len(problem.structure.scenarios.names))
    questions: dict[str, tuple[Plan, int | None]] = {AVERAGE: (plan, MEAN)}
    questions |= {rule.name: (rule.plan, None) for rule in rules if rule.plan is not None}
    alone: dict[str, tuple[Plan, int | None]] = {f"scenario {s}": (free, s) for s in scenarios}
    if free != plan:  # the value of information is computed without promises in all cases
        alone[FREE] = (free, None)
    tasks = [(one, data, scenario, gap) for one, scenario in (*questions.values(), *alone.values())]
    answers = list(run.each("alternatives and scenarios", _answer, tasks))
    found = dict(zip((*questions, *alone), answers, strict=True))
    gaps = [_open(best), *(answer.gap_musd for answer in answers)]
    for name in questions:
        chosen = found[name].decided
        if chosen is None:
            notes[name] = found[name].note
        else:
            decided[name] = chosen
    see = np.array([found[f"scenario {s}"].bound_musd for s in scenarios])
    costs = {name: evaluated(problem, chosen) for name, chosen in decided.items()}
    if costs.get(AVERAGE, z0) is None:  # its purchases may be unavailable or unaffordable without a disruption
        costs[AVERAGE] = evaluated(problem, replace(decided[AVERAGE], at_most=True))
        notes[AVERAGE] = "not all its purchases fit the budget of the baseline course: it buys at most what it planned"
    notes |= {name: "its decisions do not fit the budget of the plan" for name, x in costs.items() if x is None}
    points = {NOTHING: best.z0, **{name: x for name, x in costs.items() if x is not None}}
    stages = {name: (extract(problem.structure, problem.assembly, x), name == NOTHING) for name, x in points.items()}
    recourse = {name: _met(free, data, *stage) for name, stage in stages.items()}
    idle, beta = recourse[NOTHING], problem.natural.calendar.beta[:-1]
    recourse = {name: one if one is idle else one.beside(idle, beta) for name, one in recourse.items()}
    named_scenarios = problem.structure.scenarios.names
    losses = [
        pd.DataFrame({"alternative": name, "scenario": named_scenarios, "loss_musd": m.loss})
        for name, m in recourse.items()
    ]
    by_scenario = pd.concat(losses, ignore_index=True)
    pi = problem.structure.scenarios.probability
    spending = problem.assembly.costs.get("spending", np.zeros_like(best.z0))
    rows: list[dict[str, Any]] = []
    for name, m in recourse.items():
        met = figures(pi, m, recourse[NOTHING], plan.risk.alpha)
        row: dict[str, Any] = {"alternative": name}
        row |= {f"{figure}_musd": met[figure] for figure in ("worth", "expected_loss", "cvar")}
        row["defence_short"] = met["defence_short"]
        row["spending_musd"] = 0.0 if name == NOTHING else float(spending @ points[name])
        rows.append(row | {"largest_regret_musd": float((m.cost - see)[pi > 0].max())})
    rows += [{"alternative": name} for name in notes if name not in recourse]
    table = pd.DataFrame(rows).sort_values("worth_musd", ascending=False, na_position="last", ignore_index=True)
    table["note"] = [notes.get(name, "") for name in table.alternative]
    here = float(pi @ recourse[PLAN].cost)
    if free != plan:
        here = found[FREE].bound_musd + found[FREE].gap_musd
    without = float(pi @ recourse[AVERAGE].cost) if AVERAGE in recourse else math.nan
    assert abs(z0 - float(pi @ recourse[NOTHING].cost)) <= 1e-6 * max(1.0, abs(z0))
    drawn = None
    if fresh > 0 and plan.sample is not None:
        done = replicates(free, data, list(stages.values()), scenarios=fresh, seed=seed, run=run)
        drawn = _in_fresh_scenarios(list(stages), done, plan.risk.alpha, confidence)
    known = float(pi @ see)
    known_musd = {
        "evpi": here - known,
        "vss": without - here,
        "wait_and_see": known,
        "here_and_now": here,
        "average_plan": without,
        "largest_gap": max(gaps),
    }
    information = pd.DataFrame({"figure": list(known_musd), "musd": list(known_musd.values())})
    tables = {"alternatives": table, "information": information, "scenarios": by_scenario}
    if drawn is not None:
        tables["fresh_scenarios"] = drawn
    facts = {"fresh": 0 if drawn is None else drawn_in_all(fresh), "seed": seed, "confidence": confidence}
    return Study("worth", tables, _words(tables, facts, plan.risk.alpha, plan.price_year), facts, TITLES)


def _words(
    tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any], alpha: float, price_year: int | None
) -> list[str]:
    """The tables as text. alpha: CVaR is the mean loss of the worst 1 - alpha; price_year: of whose money the figures are."""
    known = dict(zip(tables["information"].figure, tables["information"].musd, strict=True))
    fresh = tables.get("fresh_scenarios")
    money = f"million USD{'' if price_year is None else f' of {price_year}'}, discounted"
    lines = [
        f"VALUE OF PLANNING, in the plan's own scenarios ({money}; worth: compared with doing nothing; CVaR: mean loss of the "
        f"worst {100 * (1 - alpha):.3g}% of the scenarios; largest regret: how much worse, at most, than the best plan "
        "for the scenario that comes):"
    ]
    for row in rows_of(tables["alternatives"]):
        note = f" ({row.note})" if row.note else ""
        if pd.isna(row.worth_musd):
            lines.append(f"  {_called(row.alternative)}: not compared{note}")
            continue
        lines.append(
            f"  {_called(row.alternative)}: worth {row.worth_musd:,.0f}, expected loss {row.expected_loss_musd:,.0f}, CVaR "
            f"{row.cvar_musd:,.0f}, probability of a defence shortfall {row.defence_short:.1%}, spending "
            f"{row.spending_musd:,.0f}, largest regret {row.largest_regret_musd:,.0f}{note}"
        )
    compared = tables["alternatives"].dropna(subset=["largest_regret_musd"])
    if len(compared):
        least = compared.sort_values("largest_regret_musd", kind="stable").iloc[0]
        lines.append(
            f"  The largest regret is smallest with '{_called(least.alternative)}': {least.largest_regret_musd:,.0f} "
            "(minimax regret)."
        )
    lines.append(
        f"  Knowing the scenario in advance would add {_rough_musd(known['evpi'])} (EVPI); planning for the average scenario "
        f"would lose {_rough_musd(known['vss'])} (VSS). These figures are accurate to {_rough_musd(known['largest_gap'])}."
    )
    if fresh is None:
        lines.append("NO NEW RANDOM SCENARIOS: none were asked for, or the plan draws none.")
    else:
        lines.append(
            f"IN {facts['fresh']:,} NEW RANDOM SCENARIOS (seed {facts['seed']}; {facts['confidence']:.0%} confidence intervals):"
        )
        for row in fresh.to_dict("records"):
            musd = ("worth_musd", "behind_plan_musd", "expected_loss_musd", "cvar_musd")
            worth, behind, loss, cvar = (_between(row, figure, ",.0f") for figure in musd)
            lines.append(
                f"  {_called(row['alternative'])}: worth {worth}, {behind} less than the plan; expected loss {loss}, CVaR "
                f"{cvar}, probability of a defence shortfall {_between(row, 'defence_short', '.1%')}"
            )
    return lines


def _between(row: Mapping[Any, Any], figure: str, form: str) -> str:
    """A figure with its interval in brackets."""
    estimate, low, high = (format(row[f"{figure}{end}"], form) for end in ("", "_low", "_high"))
    return f"{estimate} ({low} to {high})"


def _called(alternative: str) -> str:
    """What readers call an alternative."""
    return ALTERNATIVES.get(alternative, alternative)


def _rough_musd(musd: float) -> str:
    return "an unknown amount" if math.isnan(musd) else f"{musd:,.0f}" if abs(musd) >= 10 else f"{musd:.2g}"


@dataclass(frozen=True)
class Answer:
    """Result of one alternative, or of a single scenario."""

    decided: Decided | None = None
    bound_musd: float = math.nan
    """Lower bound on social cost from its solve."""
    gap_musd: float = 0.0
    note: str = ""
    """Why there is no answer."""


def _answer(asked: tuple[Plan, Dataset, int | None, float]) -> Answer:
    """Solve a plan along its own scenarios (None), along one of them, or along their average (`MEAN`)."""
    plan, data, scenario, gap = asked
    chosen = average_scenario if scenario == MEAN else only(scenario or 0)
    problem = prepare(plan, data) if scenario is None else along(plan, data, chosen)
    try:
        with HERE.started() as quiet:
            solved = optimise(problem, gap=gap, time_limit_s=quiet.left(), on_progress=quiet.watch)
    except (InfeasibleError, StoppedError) as error:
        checkpoint()
        return Answer(note=str(error))
    solution, left = extract(problem.structure, problem.assembly, solved.x), _open(solved)
    decided = decisions(problem, solution, path=int(scenario == MEAN))
    return Answer(decided, float(solved.costs["social_cost"] @ solved.x) - left, left)


def _met(plan: Plan, data: Dataset, solution: Solution, nothing: bool) -> RecourseOutcome:
    """Evaluation of a first stage in the plan's own scenarios."""
    first = FirstStage.of(plan, data, solution, is_reference=nothing)
    return evaluate_recourse(first, first.own_scenarios)


def _in_fresh_scenarios(
    names: list[str], done: list[tuple[ScenarioSet, list[RecourseOutcome]]], alpha: float, confidence: float
) -> pd.DataFrame:
    """Every alternative in the same samples: each figure with its interval, and the difference to the plan by sample."""
    pool, recourse = pooled(done)
    nothing, plan = recourse[names.index(NOTHING)], recourse[names.index(PLAN)]
    rows = []
    for name, one in zip(names, recourse, strict=True):
        found = pool.estimated(partial(_beside, one, plan, nothing, alpha), confidence)
        row: dict[str, Any] = {"alternative": name}
        for figure in ("worth", "expected_loss", "cvar", "behind_plan"):
            row |= named(f"{figure}_musd", found[figure])
        row |= named("defence_short", pool.chance(one.defence > SHORT_T, found["defence_short"], confidence))
        rows.append(row)
    return pd.DataFrame(rows).sort_values("worth_musd", ascending=False, kind="stable", ignore_index=True)


def _beside(one: RecourseOutcome, plan: RecourseOutcome, nothing: RecourseOutcome, alpha: float, pi: Floats) -> Figures:
    """The figures of an alternative, and how much less than the plan it is worth."""
    return figures(pi, one, nothing, alpha) | {"behind_plan": float(pi @ (one.cost - plan.cost))}


def _open(solved: Solved) -> float:
    """Million USD between objective and bound."""
    return max(0.0, (solved.outcome.objective_musd or 0.0) - (solved.outcome.best_bound_musd or 0.0))
