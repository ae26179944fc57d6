"""Test a plan on scenarios that it was not made with: losses with confidence intervals, and the worst scenarios.

Several independent scramblings of the Sobol points are pooled; leaving out one draw after the other gives Student's intervals
(randomised quasi-Monte Carlo, Owen 1998; delete-a-group jackknife, Kott 2001). Those of the tail are a little narrow: of 95 %
intervals of CVaR from 1000 scenarios, 93 % held the truth for exponential losses, 90 % for heavy tails (lognormal, sigma 1.2).
Listed scenarios and the quiet scenario enter unchanged, at their own probabilities. Scenarios are lived period by period, by the
plan's targets and its rule of release (`forward`); only a plan whose policy is foresight knows their further course."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field
from scipy.special import betaincinv

from ..answer.notes import EITHER
from ..answer.result import Result
from ..answer.study import Study
from ..core.errors import Fault, InputError, near_miss, shown
from ..core.formats import digits, percent
from ..core.frames import Bools, Floats, Ints, rows_of
from ..core.runner import HERE, Runner
from ..core.stats import TRACE_T, brackets, estimated
from ..core.verb import Confidence, Seed, verb
from ..matrix.problem import Problem
from ..matrix.solution import Solution
from ..question.dataset import Dataset
from ..question.load import Promise, WrittenPromise
from ..question.names import Names
from ..question.plan import Event, Plan, no_room_for_draws
from ..world.draws import Exposure
from ..world.events import DisruptionEvent, ScenarioSet, combine_events, describe, resolve_event, short_of_promise
from ..world.events import hazards as hazard_rows
from ..world.instance import DEFENCE, Instance
from ..world.scenarios import NO_EVENT, as_expected, cvar_of, exposures, ongoing_events, population, trunk_course
from .forward import Simulator
from .recourse import FirstStage, RecourseOutcome, evaluate_recourse

REPLICATES = 10
"""Independent scramblings."""
WORST = 10
"""How many worst scenarios are listed."""
ENOUGH_IN_TAIL = 100
"""Scenarios beyond a quantile below which the summary warns."""
EVENTS = {
    "scenario": "the scenario",
    "replicate": "sample that it belongs to; a listed scenario stands with the first one",
    "hazard": "code of the event's hazard",
    "name": "what readers call it",
    "materials": "codes of what it touches, separated by blanks; *: everything",
    "start_year": "when it begins, a decimal fiscal year; floods come first",
    "flood_yr": "years of flood before the cut",
    "duration_yr": "years of the cut",
    "cut_share": "deepest cut of the supply that it hits",
    "severity": "factor on the profile of its hazard; missing where it has none",
}
"""Columns of the events of scenarios."""
MEANING = {
    "worth": "worth compared with doing nothing",
    "expected_loss": "expected loss",
    "cvar": "CVaR, mean loss of the worst {tail:.0%}",
    "worst_case": "largest loss in any scenario",
    "defence_short": "probability of a defence shortfall",
}
LIVED = {
    "targets": "Nobody knows how long a disruption lasts, nor what follows: the reserve fills to its targets and releases by rule.",
    "foresight": "The further course is known once a disruption has begun: for research.",
    "knowing": "The further course is known once a disruption has begun, and only offers, money and stores limit what is done.",
}
"""How scenarios are met, by the plan's policy."""
TITLES = {"figures": "Figures", "materials": "Materials", "worst": "Worst scenarios"}
Draw = tuple[ScenarioSet, RecourseOutcome, RecourseOutcome]
"""Scenarios of a sample, and what the plan and doing nothing come to in them."""
Draws = Sequence[Draw]
Figures = dict[str, float]
Interval = tuple[float, float, float]
"""Estimate, low, high."""

# How `solve` and what follows it test plans.
A_SAMPLE = (
    """a plan with a sample, from which new scenarios are drawn: sample = {scenarios = 20, hazards = ["*"], seed = 1}"""
)
"""What plans need to be tested."""
SAMPLES = 10
"""Samples that test them: what is in the plans of all ten stands in more than 74 % of all such plans, with 95 % confidence."""
SCENARIOS = 200
"""Scenarios of each: a bound from samples of 20 leaves 19 % open, one from 200 about 1 % (rare-earths)."""
SAMPLES_AT_ONCE = 5
"""Samples that one task solves in turn: they share what is compiled."""
TEST_SEED_MASK = 0x5EED
"""Keeps seeds of tests from those of plans."""
MOST_SCENARIOS = 100_000
"""Scenarios of a sample that may be asked for."""


@verb
def stress_test(
    result: Result,
    *,
    scenarios: Annotated[int, Field(ge=10, le=100_000, description="Total number of new random scenarios.")] = 1_000,
    seed: Seed = 1,
    confidence: Confidence = 0.95,
    run: Runner = HERE,
) -> Study:
    """Test a solved plan on new random scenarios: losses with confidence intervals, and the scenarios with the largest loss.

    The scenarios are those of the plan's own hazards, in ten independent draws of as many each. Tables:
    figures: figure, meaning, unit, estimate, low, high, do_nothing; a defence shortfall where defence wants something;
    materials: material; expected loss, CVaR [million USD] and the probability of a defence shortfall, each with `_low` and `_high`;
    expected loss when doing nothing (`do_nothing_musd`);
    scenarios: scenario, replicate, probability, loss_musd, without_plan_musd, cost_musd, defence_short_t, events;
    worst: those of them with the largest loss; events: what happens in each, one row an event, as `EVENTS` says.
    Facts: fresh (scenarios drawn in all), seed, confidence, alpha, policy, note (how the new scenarios differ from the plan's own;
    empty if only by sampling).

    A plan without a sample meets scenarios drawn from every hazard of the table. Operations follow least social cost, one
    scenario at a time, whatever the plan's aim and limits on losses; `note` says so. They are lived without foresight, with the
    plan and without, unless the plan's policy is foresight.

    Raises InputError where listed scenarios leave no probability, UntrustedError where operations were not solved."""
    plan = result.plan
    if reason := no_room_for_draws(plan):
        raise InputError([Fault(plan.name, "", "plan", plan.name, reason)])
    seeds = [int(one) for one in np.random.SeedSequence(seed).generate_state(REPLICATES)]
    each = partial(_replicate, plan, result.data, result.solution, result.reference, scenarios // REPLICATES)
    done = list(run.each("new random scenarios", each, seeds))
    alpha, instance = plan.risk.alpha, FirstStage.of(plan, result.data, result.solution).natural
    pool, recourse, nothing = pooled(done)
    found = pool.estimated(lambda pi: figures(pi, recourse, nothing, alpha), confidence)
    found["defence_short"] = pool.chance(recourse.defence > TRACE_T, found["defence_short"], confidence)
    found["worst_case"] = (found["worst_case"][0], float("nan"), float("nan"))
    found |= {name: (value, max(low, 0.0), high) for name, (value, low, high) in found.items() if name != "worth"}
    if not (instance.priority == DEFENCE).any():
        del found["defence_short"]
    zero = figures(pool.probability, nothing, nothing, alpha)
    figured = pd.DataFrame(
        [
            {
                "figure": name,
                "meaning": meaning.format(tail=1 - alpha),
                "unit": "probability" if name == "defence_short" else "million USD",
                **dict(zip(("estimate", "low", "high"), found[name], strict=True)),
                "do_nothing": zero[name],
            }
            for name, meaning in MEANING.items()
            if name in found
        ]
    )
    materials = pd.DataFrame(
        [
            _of_material(i, instance, pool, recourse, alpha, confidence)
            | {"do_nothing_musd": float(pool.probability @ nothing.by_material[:, i])}
            for i in range(len(instance.materials))
        ]
    ).sort_values("do_nothing_musd", ascending=False, kind="stable", ignore_index=True)
    by_scenario = scenario_rows(done, instance.materials)
    tables = {
        "figures": figured,
        "materials": materials,
        "worst": by_scenario.sort_values("loss_musd", ascending=False, kind="stable").head(WORST),
        "scenarios": by_scenario,
        "events": event_rows(done, instance.materials),
    }
    names = Names.of(result.data)
    facts = {
        "fresh": REPLICATES * (scenarios // REPLICATES),
        "seed": seed,
        "confidence": confidence,
        "alpha": alpha,
        "policy": plan.policy,
        "note": _note(plan),
    }
    return Study("stress", tables, _words(tables, facts, names, plan.price_year), facts, TITLES)


def _words(
    tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any], names: Names, price_year: int | None
) -> list[str]:
    """The figures as text. price_year: of whose money the figures are."""
    of = {row.figure: row for row in rows_of(tables["figures"])}
    worth, lost = of["worth"], of["expected_loss"]
    year = "" if price_year is None else f" of {price_year}"
    lines = [
        f"STRESS TEST: in new random scenarios the plan is worth {digits(worth.estimate, 4)} million USD{year} "
        f"({digits(worth.low, 4)} to {digits(worth.high, 4)}) compared with doing nothing; the expected loss is "
        f"{digits(lost.estimate, 4)} instead of {digits(lost.do_nothing, 4)}.",
        f"  Tested in {facts['fresh']:,} new random scenarios, {REPLICATES} independent samples (seed {facts['seed']}), plus "
        f"the listed ones. Commitments and targets are the plan's. {LIVED[facts['policy']]} Money in million USD"
        f"{year}, discounted. In brackets: {facts['confidence']:.0%} confidence intervals, of the sampling error only (`scenarios` "
        f"shows how uncertain the rates are).",
    ]
    if facts["note"]:
        lines.append(f"  {facts['note']}")
    tail = round(facts["fresh"] * (1 - facts["alpha"]))
    if tail < ENOUGH_IN_TAIL:
        lines.append(
            f"  Only about {tail} scenarios are in the worst {1 - facts['alpha']:.0%}: the interval of CVaR is rough; "
            f"raise --scenarios."
        )
    for row in rows_of(tables["figures"]):
        say = percent if row.unit == "probability" else partial(digits, figures=4)
        between = f" ({say(row.low)} to {say(row.high)})" if pd.notna(row.low) else ""
        lines.append(f"  {row.meaning}: {say(row.estimate)}{between}; without the plan {say(row.do_nothing)}")
    lines.append("Expected loss by material, the largest without the plan first:")
    for row in rows_of(tables["materials"].head(WORST)):
        between = f"({row.defence_short_low:.1%} to {row.defence_short_high:.1%})"
        short = f"; probability of a defence shortfall {row.defence_short:.1%} {between}"
        short = short if pd.notna(row.defence_short) else ""
        lines.append(
            f"  {names.material(row.material)}: {row.expected_loss_musd:,.1f} ({row.expected_loss_musd_low:,.1f} to "
            f"{row.expected_loss_musd_high:,.1f}), CVaR {row.cvar_musd:,.0f}; expected without the plan "
            f"{row.do_nothing_musd:,.1f}{short}"
        )
    lines.append("Scenarios with the largest loss:")
    for row in rows_of(tables["worst"].head(5)):
        short = f", defence shortfall {row.defence_short_t:,.3g} t" if "defence_short" in of else ""
        lines.append(
            f"  loss {row.loss_musd:,.0f} (without the plan {row.without_plan_musd:,.0f}){short}; {row.events or NO_EVENT}"
        )
    return lines


def _note(plan: Plan) -> str:
    """How the new scenarios differ from the plan's own, except by sampling."""
    limited = plan.risk.cvar_limit_musd is not None or plan.risk.expected_loss_limit_musd is not None
    lines = [
        "The plan was made with its listed scenarios only; the new scenarios are sampled from all hazards of the table."
    ] * (plan.sample is None)
    if plan.objective.kind != "social_cost" or limited or plan.risk.cvar_weight > 0:
        lines.append(
            "In this test operations minimise social cost in each scenario, not the plan's own objective or limits on losses."
        )
    return " ".join(lines)


def _replicate(plan: Plan, data: Dataset, decided: Solution, reference: Solution, scenarios: int, seed: int) -> Draw:
    """The plan and doing nothing in one sample of scenarios. It travels to other processes."""
    first = FirstStage.of(plan, data, decided)
    drawn = population(first.natural, data, scenarios, seed, fresh=True)
    nothing = evaluated(FirstStage.of(plan, data, reference, is_reference=True), drawn)
    return drawn, evaluated(first, drawn).beside(nothing, first.natural.calendar.beta[:-1]), nothing


def evaluated(first: FirstStage, scenarios: ScenarioSet) -> RecourseOutcome:
    """A first stage in scenarios, as its plan's policy lives them."""
    return living(first)(scenarios)


def living(first: FirstStage) -> Callable[[ScenarioSet], RecourseOutcome]:
    """What lives a first stage through sets of scenarios, as its plan's policy does."""
    return lives_of([first])[0]


def lives_of(stages: Sequence[FirstStage]) -> list[Callable[[ScenarioSet], RecourseOutcome]]:
    """What lives each of some first stages (`living`). Those of the same facts read scenarios once; those of the same decisions
    share what does not hang on their rule."""
    known: list[Simulator] = []
    found: list[Callable[[ScenarioSet], RecourseOutcome]] = []
    for one in stages:
        if one.plan.policy != "targets":
            found.append(partial(evaluate_recourse, one))
            continue
        beside = [of for of in known if of.first.natural is one.natural]
        same = (of for of in beside if of.first.solution is one.solution and of.first.is_of(one.plan))
        like = None if one.is_reference else next((of for of in same if not of.first.is_reference), None)
        made = Simulator(one, one.plan.release, next(iter(beside), None)) if like is None else like.by(one)
        known.append(made)
        found.append(made.live)
    return found


@dataclass(frozen=True)
class Met:
    """What some plans and doing nothing come to in one sample, as it is lived."""

    seed: int
    names: tuple[str, ...]
    """Of its scenarios."""
    probability: Floats
    """(S,) of them; the drawn ones come last."""
    seen: Sequence[Mapping[str, Exposure]]
    """Of each drawn scenario, what its hazards had occasion for."""
    without: RecourseOutcome
    plans: tuple[RecourseOutcome, ...]

    @cached_property
    def worth(self) -> tuple[float, ...]:
        """Expected, of each plan beyond doing nothing [million USD]."""
        return tuple(float(self.probability @ (self.without.cost - one.cost)) - one.penalties for one in self.plans)

    @cached_property
    def loss(self) -> tuple[float, ...]:
        """Expected, with each plan [million USD]."""
        return tuple(float(self.probability @ one.loss) for one in self.plans)

    @cached_property
    def bill(self) -> tuple[float, ...]:
        """Expected, what each plan does to prices abroad spares home users [million USD]; part of its worth."""
        return tuple(float(self.probability @ one.bill) for one in self.plans)

    @property
    def loss_without(self) -> float:
        """Expected, where nothing is done [million USD]."""
        return float(self.probability @ self.without.loss)

    @property
    def cost_without(self) -> float:
        """Expected social cost of doing nothing [million USD]."""
        return float(self.probability @ self.without.cost)


def stages_of(
    data: Dataset, nothing: tuple[Plan, Solution], given: Sequence[tuple[Plan, Solution]]
) -> list[FirstStage]:
    """Doing nothing, then other decisions with the menus of their plans, ready to be lived."""
    known = [FirstStage.of(nothing[0], data, nothing[1], is_reference=True)]
    for plan, solution in given:
        like = next((one for one in known if one.is_of(plan)), None)
        known.append(FirstStage.of(plan, data, solution) if like is None else like.other(plan, solution))
    return known


def met(stages: Sequence[FirstStage], scenarios: int, seeds: Sequence[int]) -> list[Met]:
    """Live plans beside doing nothing through samples. stages: doing nothing, then the plans. It travels to other processes.
    Raises UntrustedError as `Simulator.live`."""
    natural, data = stages[0].natural, stages[0].data
    lives = lives_of(stages)
    found = []
    for seed in seeds:
        drawn = population(natural, data, scenarios, seed)
        # who lacks how much in which period is large, and nobody asks for it here
        without, *others = (replace(one, short=one.short[:, :, :0]) for one in (live(drawn) for live in lives))
        seen = exposures(natural, data, scenarios, seed)
        others = [one.beside(without, natural.calendar.beta[:-1]) for one in others]
        found.append(Met(seed, drawn.names, drawn.probability, seen, without, tuple(others)))
    return found


def met_own(result: Result, problem: Problem, *others: Solution) -> Met:
    """A plan, other decisions with its menus and doing nothing in the plan's own scenarios, lived as its policy does. problem: of
    the plan. Raises UntrustedError as `Simulator.live`."""
    of = partial(FirstStage.of, result.plan, result.data, problem=problem)
    nothing = of(result.reference, is_reference=True)
    scenarios, beta = nothing.own_scenarios, nothing.natural.calendar.beta[:-1]
    without = evaluated(nothing, scenarios)
    plans = tuple(evaluated(of(one), scenarios).beside(without, beta) for one in (result.solution, *others))
    return Met(0, scenarios.names, scenarios.probability, (), without, plans)


def figures(probability: Floats, recourse: RecourseOutcome, nothing: RecourseOutcome, alpha: float) -> Figures:
    """The figures of one population of scenarios."""
    pi = probability
    return {
        "worth": float(pi @ (nothing.cost - recourse.cost)) - recourse.penalties,
        "expected_loss": float(pi @ recourse.loss),
        "cvar": cvar_of(recourse.loss, pi, alpha),
        "worst_case": float(recourse.loss[pi > 0].max(initial=0.0)),
        "defence_short": float(pi[recourse.defence > TRACE_T].sum()),
    }


def _of_material(
    i: int, instance: Instance, pool: ReplicatePool, recourse: RecourseOutcome, alpha: float, confidence: float
) -> dict[str, Any]:
    """The figures of one material with the plan."""
    loss = recourse.by_material[:, i]
    uses = np.flatnonzero((instance.priority == DEFENCE) & (instance.demand_material == i))
    short = recourse.short[:, uses, : instance.calendar.planned].sum(axis=(1, 2)) > TRACE_T

    def of_loss(pi: Floats) -> Figures:
        return {
            "expected_loss_musd": float(pi @ loss),
            "cvar_musd": cvar_of(loss, pi, alpha),
            "defence_short": float(pi[short].sum()),
        }

    found = pool.estimated(of_loss, confidence)
    found["defence_short"] = (
        pool.chance(short, found["defence_short"], confidence) if len(uses) else (float("nan"),) * 3
    )
    row: dict[str, Any] = {"material": instance.materials[i]}
    for column, (estimate, low, high) in found.items():
        row |= named(column, (estimate, 0.0 if low < 0 else low, high))
    return row


@dataclass(frozen=True)
class ReplicatePool:
    """Scenarios of several samples as one population."""

    probability: Floats
    """(S,) probabilities; they sum to one."""
    draw: Ints
    """(S,) sample that a scenario belongs to; listed scenarios are in each, at their share."""
    drawn: Bools
    """(S,) True for sampled scenarios, False for listed ones."""

    def estimated(self, figure: Callable[[Floats], Figures], confidence: float) -> dict[str, Interval]:
        """Every figure of the population, with Student's interval from leaving out each sample in turn (jackknife).

        pseudo[r] = R f - (R - 1) f[without r]; half width t(R - 1) sd(pseudo)/sqrt(R)"""
        whole, draws = figure(self.probability), int(self.draw.max()) + 1
        rest = [figure(np.where(self.draw == r, 0.0, self.probability) * draws / (draws - 1)) for r in range(draws)]
        found = {}
        for name, value in whole.items():
            pseudo = estimated([draws * value - (draws - 1) * one[name] for one in rest], confidence)
            half = (pseudo.high - pseudo.low) / 2
            found[name] = (value, value - half, value + half)
        return found

    def chance(self, hit: Bools, spread: Interval, confidence: float) -> Interval:
        """Interval of a probability, at least as wide as Clopper and Pearson's on the sampled scenarios.

        hit: (S,) whether a scenario counts; spread: the interval of `estimated`. The contribution of listed scenarios is certain.
        """
        certain = float(self.probability[hit & ~self.drawn].sum())
        mass = float(self.probability[self.drawn].sum())
        hits, scenarios = int((hit & self.drawn).sum()), int(self.drawn.sum())
        return spread[0], *_chance((spread[1], spread[2]), hits, scenarios, confidence, certain, mass)


def pooled(done: Draws) -> tuple[ReplicatePool, RecourseOutcome, RecourseOutcome]:
    """Samples as one population, the plan and doing nothing in it; promises of listed scenarios count once, not once per sample."""
    scenarios, *both = zip(*done, strict=True)
    pool = ReplicatePool(
        np.concatenate([one.probability for one in scenarios]) / len(scenarios),
        np.repeat(np.arange(len(scenarios)), [len(one.names) for one in scenarios]),
        np.concatenate([is_drawn(one) for one in scenarios]),
    )
    plan, nothing = (replace(RecourseOutcome.joined(one), penalty=one[0].penalty) for one in both)
    return pool, plan, nothing


def _chance(
    spread: tuple[float, float], hits: int, scenarios: int, confidence: float, certain: float, mass: float
) -> tuple[float, float]:
    """Interval of a probability: at least Clopper and Pearson's on the sampled scenarios, plus the share of listed ones.

    certain: probability of listed scenarios that count; mass: probability of all sampled scenarios."""
    tail = (1 - confidence) / 2
    exact = float(betaincinv(hits + 1, scenarios - hits, 1 - tail)) if hits < scenarios else 1.0
    least = float(betaincinv(hits, scenarios - hits + 1, tail)) if hits > 0 else 0.0
    low, high = min(spread[0], certain + mass * least), max(spread[1], certain + mass * exact)
    return max(0.0, certain, low), min(1.0, high)


def named(column: str, estimate: Interval) -> dict[str, float]:
    """An interval as three columns."""
    return dict(zip((column, f"{column}_low", f"{column}_high"), estimate, strict=True))


def is_drawn(scenarios: ScenarioSet) -> Any:
    """(S,) True for sampled scenarios; listed scenarios and the quiet scenario come first."""
    return np.arange(len(scenarios.names)) > scenarios.names.index(NO_EVENT)


def scenario_rows(done: Draws, materials: Sequence[str]) -> pd.DataFrame:
    """Every scenario of every draw; listed scenarios once. Probabilities add to one. materials: as the instance counts them."""
    frames: list[pd.DataFrame] = []
    for r, (scenarios, recourse, nothing) in enumerate(done):
        drawn = is_drawn(scenarios)
        touching = [[k for k in scenario if _touches(k, set(materials))] for scenario in scenarios.events]
        table = pd.DataFrame(
            {
                "scenario": scenarios.names,
                "replicate": r + 1,
                "probability": np.where(drawn, scenarios.probability / len(done), scenarios.probability),
                "loss_musd": recourse.loss,
                "without_plan_musd": nothing.loss,
                "cost_musd": recourse.cost,
                "defence_short_t": recourse.defence,
                "events": ["; ".join(map(describe, events)) for events in touching],
            }
        )
        frames.append(table.loc[drawn | (r == 0)])
    return pd.concat(frames, ignore_index=True)


def event_rows(done: Draws, materials: Collection[str]) -> pd.DataFrame:
    """The events of every scenario of `scenario_rows` that touch planned materials, with the columns of `EVENTS`."""
    named = set(materials)
    rows = [
        (scenarios.names[s], replicate, e.label, e.name, e.materials, e.start, e.flood, e.duration, e.cut, severity)
        for replicate, scenarios, s in _counted(done)
        for e in scenarios.events[s]
        if _touches(e, named)
        for severity in [np.nan if e.profile is None else e.severity]
    ]
    return pd.DataFrame(rows, columns=list(EVENTS))


def _counted(done: Draws) -> Iterator[tuple[int, ScenarioSet, int]]:
    """(sample, its scenarios, a scenario's place) of all that count: listed ones once."""
    for r, (scenarios, _, _) in enumerate(done):
        for s in np.flatnonzero(is_drawn(scenarios) | (r == 0)).tolist():
            yield r + 1, scenarios, s


def _touches(event: DisruptionEvent, materials: set[str]) -> bool:
    named = set(event.materials.split())
    return "*" in named or bool(named & materials)


# Reverse stress test: the shortest, and the least severe, disruption that breaks a promise.
TOGETHER = "all together"
"""Name of the disruption in which all hazards occur together."""
STEPS = 12
"""Number of values tested before bisection."""
ROUNDS = 5
"""Number of bisections: the remaining interval is 1/32 of a step."""
COUNTED = {"episode": " over the whole disruption", "fiscal_year": " in every fiscal year"}
"""How a promise is counted, stated where the same one is counted both ways."""
COLUMNS = "material segment level per hazard start_year shortest_yr least_cut_share held tried_yr".split()


@verb
def reverse_stress(
    result: Result,
    *,
    promises: Annotated[
        Sequence[WrittenPromise] | None,
        Field(
            min_length=1,
            max_length=200,
            description="Promises to test, as material:segment:level (codes, and the share of demand that is served), e.g. "
            "ndfeb_magnet:civil:0.8. Default: the plan's service levels, or defence in full.",
        ),
    ] = None,
    hazards: Annotated[
        Sequence[str] | None,
        Field(
            min_length=1,
            max_length=200,
            description="Codes of hazards to test. Default: all hazards in the plan's scenarios.",
        ),
    ] = None,
    longest_yr: Annotated[float, Field(ge=0.1, le=60, description="Longest disruption to test, in years.")] = 8.0,
    run: Runner = HERE,
) -> Study:
    """Find the shortest and the least severe disruption that breaks a promise of the plan.

    Table `reverse`, one row a promise and disruption: material, segment, level, per, hazard (`TOGETHER`: all of them at once),
    start_year, shortest_yr (at the hazard's likeliest cut; NaN: holds up to tried_yr), least_cut_share (over the hazard's mean
    duration; NaN: holds at a full cut), held (True where neither breaks), tried_yr (the longest that the horizon holds, at most
    what was asked). Fact `notes`: minerals of
    which the aim does not say who runs short first; a promise to one user may then be kept at no more cost.

    Hazards that touch nothing of a promise's chain are left out. Hazards that occur together begin with their cuts, without
    floods. Operations follow least social cost, whatever the plan's aim.

    Raises InputError for a plan of one year and for unknown hazards or demands, UntrustedError where operations were not solved.
    """
    first = FirstStage.of(result.plan, result.data, result.solution)
    n = first.natural
    wanted = list(dict.fromkeys(promises)) if promises is not None else _promises(result, n)
    rows = hazard_rows(result.plan, result.data)
    known = {k.label for scenario in first.structure.scenarios.events for k in scenario} & set(rows) or set(rows)
    chosen = [name for name in rows if (name in hazards if hazards is not None else name in known)]
    years = [float(year) for year in n.calendar.planned_years[1:]]
    asked, demands = ([f"{p.material}:{p.segment}" for p in wanted], [":".join(pair) for pair in n.demands])
    faults = [*_unknown("hazards", hazards or (), rows), *_unknown("promises", asked, demands, "no demand for ")]
    if not years:
        expected = "a plan of several years: a single year has no later one in which a disruption can start"
        faults.append(Fault(result.plan.name, "", "plan", "a plan of one year", expected))
    if faults:
        raise InputError(faults)
    found: list[tuple[Any, ...]] = []
    bases = {name: resolve_event(Event(hazard=name, start_year=years[0]), rows[name]) for name in chosen}
    end = n.calendar.first_year + n.calendar.step * n.calendar.periods
    for hazard, together, concerned in _disruptions(n, bases, wanted):
        ends = end - max(k.flood for k in together)
        most = min(longest_yr, ends - years[0])
        longer = _search(first, concerned, years, together, "duration", most, ends)
        harder = _search(first, concerned, years, together, "cut", 1.0)
        for promise, (start, shortest), (hard, least) in zip(concerned, longer, harder, strict=True):
            promised = promise.material, promise.segment, promise.level, promise.per
            held = bool(np.isnan(shortest) and np.isnan(least))
            found.append((*promised, hazard, hard if np.isnan(start) else start, shortest, least, held, most))
    order = ["material", "segment", "level", "shortest_yr", "least_cut_share"]
    table = pd.DataFrame(found, columns=COLUMNS).sort_values(order, kind="stable", ignore_index=True)
    tied = result.tables["notes"]
    tied = tied[(tied["kind"] == EITHER) & tied["item"].isin({promise.material for promise in wanted})]
    notes = list(tied["note"])
    none = "no hazard of the table touches what is promised"
    none = none if wanted else "the plan makes no promise: name one, such as ndfeb_magnet:civil:0.8"
    begin = [f"NOTHING WAS TESTED: {none}."] if table.empty else _breaks(table, Names.of(result.data))
    words = [*begin, *(f"  Note: {note}." for note in notes)]
    return Study("reverse", {"reverse": table}, words, {"notes": notes}, {"reverse": "What breaks each promise"})


def _unknown(what: str, names: Iterable[str], known: Collection[str], begin: str = "") -> Iterator[Fault]:
    """A fault for each name that is not known."""
    for name in dict.fromkeys(names):
        if name not in known:
            expected = f"one of {', '.join(known) or f'no {what}'}{near_miss(name, known)}"
            yield Fault("reverse_stress", "", what, f"{begin}{name}" if begin else shown(name), expected)


def _breaks(table: pd.DataFrame, names: Names) -> list[str]:
    """The table in words, with names in place of codes."""
    lines = [
        "REVERSE STRESS TEST: the shortest and the least severe disruption that breaks each promise, at the worst start (tested: "
        "the beginning of each fiscal year after the first; a promise is a share of demand that is served):"
    ]
    promise = ["material", "segment", "level", "per"]
    twice = table.groupby(promise[:3]).per.transform("nunique") > 1
    table = table.assign(
        counted=table.per.map(COUNTED).where(twice, ""),
        material=table.material.map(names.material),
        hazard=table.hazard.map(names.hazard),
    )
    for (material, segment, level, _), rows in table.groupby(promise):
        if rows.held.all():
            lines.append(
                f"  {material}, {segment} at {level:.0%}{rows.counted.iloc[0]}: kept in each of {len(rows)} disruptions "
                f"({'; '.join(rows.hazard.unique())}) of up to {rows.tried_yr.min():g} years, and in a complete cut of the "
                f"hazard's usual length"
            )
    broken = ~table.groupby(promise).held.transform("all").astype(bool)
    for row in rows_of(table[broken]):
        asked = f"{row.material}, {row.segment} at {row.level:.0%}{row.counted}"
        what = f"  {asked}, {row.hazard}:"
        if row.held:
            always = f"kept for up to {row.tried_yr:g} years, and in a complete cut of the hazard's usual length"
            lines.append(f"{what} {always}")
            continue
        lasts, cut = row.shortest_yr == row.shortest_yr, row.least_cut_share == row.least_cut_share  # NaN: holds
        long = f"kept for {row.tried_yr:g} years"
        if lasts:
            long = f"broken after {row.shortest_yr:.2f} years when it starts in FY{row.start_year:.0f}"
        hard = f"broken by a cut of {row.least_cut_share:.0%} or more" if cut else "kept at any cut"
        lines.append(f"{what} {long}; at the hazard's usual length, {hard}")
    return lines


def _disruptions(
    n: Instance, bases: dict[str, DisruptionEvent], wanted: list[Promise]
) -> Iterator[tuple[str, tuple[DisruptionEvent, ...], list[Promise]]]:
    """(hazard, its events, promises concerned): each by itself, and all together."""
    count, reached = len(bases), set[str]()
    alone = [(base,) for base in bases.values()]
    scenarios = combine_events(n, list(bases), np.full(count, 1.0), np.zeros(count, dtype=bool), alone)
    for k, (name, base) in enumerate(bases.items()):
        struck = scenarios.onset[k, n.component] < n.calendar.periods
        touched = {material for material, hit in zip(n.materials, struck, strict=True) if hit}
        concerned = [promise for promise in wanted if promise.material in touched]
        reached |= touched
        if concerned:
            yield name, (base,), concerned
    if count > 1 and any(promise.material in reached for promise in wanted):
        at_once = tuple(replace(base, flood=0.0) for base in bases.values())
        yield TOGETHER, at_once, [promise for promise in wanted if promise.material in reached]


def _promises(result: Result, n: Instance) -> list[Promise]:
    """The plan's own promises, or full supply of defence."""
    levels = [s for s in result.plan.service_levels if (s.material, s.segment) in n.demands]
    if levels:
        own = {Promise(s.material, s.segment, s.level, s.per) for s in levels}
        return sorted(own, key=lambda p: (p.material, p.segment, p.level, p.per))
    first = np.flatnonzero(n.priority == DEFENCE)
    return [Promise(*n.demands[q], 1.0) for q in first.tolist()]


def _search(
    first: FirstStage,
    promises: list[Promise],
    years: list[float],
    bases: tuple[DisruptionEvent, ...],
    field: str,
    most: float,
    ends: float = np.inf,
) -> list[tuple[float, float]]:
    """(start year, smallest value of a field of the events) at which each promise breaks; NaN if it is kept up to `most`.

    ends: last value of year + value. Each round of bisection evaluates all starts of all promises together."""

    def broken(tried: Sequence[tuple[float, float]]) -> Any:
        changes: list[dict[str, Any]] = [{"start": start, field: value} for start, value in tried]
        return _broken(first, promises, [tuple(replace(base, **change) for base in bases) for change in changes])

    def breaks(values: list[float]) -> list[bool]:
        asked = [(year, value) for (_, year, _), value in zip(cells, values, strict=True)]
        tried = list(dict.fromkeys(asked))
        bad = broken(tried)
        return [bool(bad[tried.index(one), p]) for one, (p, _, _) in zip(asked, cells, strict=True)]

    grid = most * np.arange(1, STEPS + 1) / STEPS
    tried = [(year, float(x)) for year in years for x in grid if year + x <= ends + 1e-9]
    bad = broken(tried)
    cells: list[tuple[int, float, float]] = []
    for p in range(len(promises)):
        mine = [one for one, is_bad in zip(tried, bad[:, p], strict=True) if is_bad]
        least = min((x for _, x in mine), default=np.nan)
        cells += [(p, year, x) for year, x in mine if x == least]
    refined = brackets(breaks, [(x - most / STEPS, x) for _, _, x in cells], ROUNDS) if cells else []
    found: list[tuple[float, float]] = []
    for p in range(len(promises)):
        mine = [(value, year) for (q, year, _), (_, value) in zip(cells, refined, strict=True) if q == p]
        value, year = min(mine, default=(float("nan"), float("nan")))
        found.append((year, value))
    return found


def _broken(first: FirstStage, promises: list[Promise], events: list[tuple[DisruptionEvent, ...]]) -> Any:
    """(scenarios, promises) whether each promise is broken in the scenario of each disruption."""
    n = first.natural
    count = len(events)
    names = [f"event-{k + 1}" for k in range(count)]
    begun = as_expected(ongoing_events(first.plan, first.data, n.calendar))
    struck, trunk = [(*begun, *each) for each in events], trunk_course(n, first.data)
    scenarios = combine_events(n, names, np.full(count, 1 / count), np.zeros(count, dtype=bool), struck, trunk)
    short = evaluated(first, scenarios).short
    found = []
    for promise in promises:
        beyond, wanted = short_of_promise(n, scenarios, short, promise)
        found.append((beyond > 1e-6 * (1 + wanted)).any(axis=1))
    return np.stack(found, axis=1)
