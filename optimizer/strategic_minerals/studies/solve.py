"""The verb `solve`: a plan made, lived, tested and reported, with what it does first beside what all other plans do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from math import nan
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field
from scipy.special import stdtrit

from ..answer.act_now import ActNow
from ..answer.brief import UNTESTED
from ..answer.notes import extended_by
from ..answer.result import Result
from ..answer.solving import MethodOption, Relax, solved
from ..answer.tables import columns_of
from ..answer.year import FLOOR_ALONE, UNPAID
from ..core.errors import (
    BESIDE_THE_ANSWER,
    InfeasibleError,
    InputError,
    Progress,
    ReserveError,
    StoppedError,
    UntrustedError,
)
from ..core.formats import SMALL_MUSD, money
from ..core.frames import rows_of, whole
from ..core.logs import logger_of, one_run
from ..core.runner import HERE, Runner, carrying, current
from ..core.stats import MUSD_PER_T, Estimate, estimated, gap_bound
from ..core.verb import GAP, Confidence, Gap, verb
from ..matrix.own import Extend
from ..matrix.problem import FIRST_YEARS, TRACE, Act, Problem, acts, prepare
from ..matrix.solution import Solution, decided_point, trunk_alone
from ..question.dataset import Dataset
from ..question.names import Names
from ..question.plan import Plan, Release
from ..solver.optimise import Menu, SampleSearch, menu_of, other_aim, sample_seeds, unbounded, whole_sample
from ..solver.stages import Method
from ..world.events import sampled
from ..world.packages import Option
from .joint import (
    INSTRUMENT,
    LEAST_GAP_MUSD,
    MINERAL,
    Amounts,
    Without,
    done,
    left_out_rows,
    names_of_acts,
    other_rules,
    rule_rows,
    verdict,
    without,
)
from .lived import (
    DEPENDS,
    Part,
    Trial,
    depends_rows,
    followed,
    if_there_is_time,
    lived_alone,
    tried,
    with_samples,
    without_acts,
)
from .questions import own_rows
from .recourse import FirstStage
from .regret import Asked, lived
from .score import at_ends, contracted, with_sources, worth_at
from .stress import MOST_SCENARIOS, SAMPLES, SAMPLES_AT_ONCE, SCENARIOS, TEST_SEED_MASK, Met, met, met_own

ACTS, BAND = columns_of("act_now"), columns_of("band")


def act_rows(
    problem: Problem, solution: Solution, plans: Sequence[tuple[str, Amounts]], left_out: pd.DataFrame, names: Names
) -> pd.DataFrame:
    """One row an act that some plan has, by the end of each of the first years.

    plans: what each plan of a sample does. left_out: what leaving out costs (`joint.LEFT_OUT`), which gives the verdict.
    """
    x = decided_point(problem.structure, problem.assembly, solution)
    rows = []
    for act in acts(problem):
        trace = TRACE[act.unit]
        chosen = act.of(x) if act.of(x) > trace else 0.0
        others = [amounts.get(act.name, 0.0) for _, amounts in plans]
        if max(chosen, *others) <= trace:
            continue
        what = act.kind, act.item, _what(act, names, problem, x), act.through, act.unit
        in_samples = min(others), max(others), sum(amount > trace for amount in others), len(others)
        needed = verdict(problem, left_out, act.kind, act.item) if chosen > 0 else ""
        rows.append((*what, chosen, *in_samples, *act.spent(x), needed))
    return pd.DataFrame(rows, columns=ACTS)


def _what(act: Act, names: Names, problem: Problem, x: Any) -> str:
    """An act in words, without its amount."""
    if act.kind in ("buy", "sell"):
        return names.material(act.item)
    if act.kind == "floor":
        return act.item
    if act.kind == "offtake":
        return f"offtake from {names.producer(act.item)}"
    place = problem.assembly.commitments
    options = problem.structure.support.options
    taken = [place.template.columns[c - place.first_column][1] for c in act.columns if x[c] > TRACE[act.unit]]
    packages = sorted({_package(options[o], problem, names) for o in taken})
    with_them = ", " if packages == [UNPAID] else ", with " if packages else ""
    return f"{names.producer(act.item)}{with_them}{' or '.join(packages)}"


def _package(option: Option, problem: Problem, names: Names) -> str:
    """A package in words: its row, and the floor of the plan's menu that it has."""
    package = option.package
    parts = [] if package.row == "none" else [package.row]
    if package.floor is not None:
        floor, unit = package.floor, problem.instance.material_unit
        level = floor.level / float(unit[floor.material]) / MUSD_PER_T
        parts.append(f"a floor of {level:.4g} USD/kg on {names.material(problem.natural.materials[floor.material])}")
    return " and ".join(parts) or (FLOOR_ALONE if option.market else UNPAID)


# A plan that does not hang on its sample: made with several, chosen among equals, tested on others, with a true gap.
LOG = logger_of(__name__)

CANDIDATES = 2
"""Plans made, each with a sample of its own."""
WHOLE = 128
"""Scenarios of the others where the plan's own sample is a reduced one: kept whole they are fair, and a plan made with them hangs
less on the draw. Of `rare-earths`, plans of 60 scenarios that stand for 2,000 have true gaps of at most 7, 15 and 15 million USD
for three seeds; plans of 128 have 7, 6 and 7, and 12 for a fourth (2026-11-28)."""
ROUNDING = 1e-7
"""Relative difference of a cost and a bound that is rounding."""
ALONGSIDE = 50
"""Scenarios of each sample in which plans without some acts are lived: paired differences need fewer than worths."""


@dataclass(frozen=True)
class Tested:
    """What one sample says. Costs in million USD, as expectations over its scenarios."""

    seed: int
    nothing: tuple[float, float]
    """(cost, loss) of doing nothing."""
    costs: tuple[tuple[float, float], ...]
    """(cost, loss) of each plan tested."""
    objective: float
    """Cost of the best plan of the sample."""
    bound: float
    """What every plan costs there at least."""
    acts: Amounts
    """What that best plan does in its first years."""
    given: tuple[Amounts, ...]
    """What the plans tested do."""
    menu: Menu
    """What plans may choose from there."""
    knowing: float
    """What every policy costs there at least that signs on the plan's dates, even if it knew each future; NaN: not asked."""


@verb
def solve(
    plan: Plan,
    data: Dataset,
    *,
    quick: Annotated[
        bool,
        Field(
            description="Solve for the plan's own scenarios alone: no other sample tests the answer or says what to do first."
        ),
    ] = False,
    gap: Gap = GAP,
    relax: Relax = False,
    method: MethodOption = "auto",
    candidates: Annotated[
        int, Field(ge=1, le=20, description="Plans made, each from a sample of its own.")
    ] = CANDIDATES,
    samples: Annotated[int, Field(ge=2, le=100, description="Independent samples that test the plans.")] = SAMPLES,
    scenarios: Annotated[int, Field(ge=1, le=MOST_SCENARIOS, description="Scenarios of each sample.")] = SCENARIOS,
    confidence: Confidence = 0.95,
    extend: Extend | None = None,
    run: Runner = HERE,
) -> Result:
    """Solve a plan and test its answer: what to buy, support and guarantee, and what holds in other samples of scenarios.

    Three stages, and at a limit of time the last that was reached stands. A plan that draws scenarios is solved for its own
    sample and for others, and again without what goes together (`joint`). The plans are lived through new samples without
    foresight (`forward`): that is their worth, and of those worth the same the one that spends least now is the answer.
    Independent samples then say how far the model's best plan may be from it, and what is lost without acts that are left out
    together; the table `act_now` says what to do first. Where the plan names no rule of release and another is worth clearly more
    than the usual one, all is done again by it. Where the plan loses money as it is lived, the answer is to do nothing new,
    unless that loses as much. Where the plan's own sample is a reduced one, the other candidates' are larger and kept whole. A
    plan that draws nothing, a relaxation and `quick` are solved once. A plan whose aim no sample can bound is solved for its own
    scenarios and tried in new ones; the table `sample_gap` says why there is no gap.

    extend: as in `solve_once`. The plans that samples compare a tested one with keep its constraints too, where these are about
    commitments and the course `base`. With terms of the objective, and where no sample can bound the plan, an extended model is
    solved once; own questions of the planner are not answered for it. A function of a notebook, of a
    script or inside another one keeps all work in this process.

    Raises PlanError and InputError (faults, all at once), InfeasibleError, StoppedError, UntrustedError and FormulationError.
    """
    run = carrying(run, extend)
    if quick or relax or plan.sample is None or (reason := unbounded(plan)):
        with one_run(plan.name):
            once, like = solved(plan, data, gap=gap, relax=relax, method=method, extend=extend, run=run)
        if quick or relax or plan.sample is None or extend is not None:
            return once if relax or extend is not None else _with_questions(once, like, hinges=not quick)
        try:
            once = tried(once, like, reason, samples, scenarios, confidence, run)
        except (StoppedError, UntrustedError) as error:
            return _untested(once, error, confidence)
        return _with_questions(once, like)
    fresh = sample_seeds(plan.sample.seed, samples, TEST_SEED_MASK)
    searched = fresh[:: 2 if samples >= 2 * LEAST_SEARCHED else 1]
    ended, parts, call = 0, candidates + samples + len(searched), current()

    def report(count: int, phase: str, words: str = "") -> None:
        nonlocal ended
        ended += count
        call.report(Progress(phase, call.seconds, done=ended, of=parts, words=words))

    asked = [plan, *(_drawn_anew(plan, seed) for seed in sample_seeds(plan.sample.seed, candidates - 1, 0))]
    made: list[_Made] = []
    try:
        for one in run.each("", partial(_candidate, data, method, gap, extend), asked):
            made.append(one)
            saved = -(one.result.outcome.objective_musd or 0.0)
            LOG.info("plan %d of %d: %.3f million USD in its own scenarios", len(made), len(asked), saved)
            report(1, "plans", _first_words(one.result) if len(made) == 1 else "")
    except (StoppedError, UntrustedError) as error:
        if not made:
            raise
        return _untested(made[0].result, error, confidence)
    if extended_by(made[0].result.tables) == "terms":  # plans are not compared by what worth is not
        return made[0].result
    results = [one.result for one in made]
    given = [(one.plan, trunk_alone(one.solution)) for one in results]
    nothing = trunk_alone(results[0].reference)
    stages = [one.stage for one in made]
    base = FirstStage.of(plan, data, nothing, is_reference=True, problem=made[0].problem)
    each = max(1, min(SAMPLES_AT_ONCE, samples // max(1, run.processes)))
    chunks = [fresh[k : k + each] for k in range(0, samples, each)]
    lives: list[Met] = []
    try:
        for some_lives in run.each("", partial(met, [base, *stages], scenarios), chunks):
            lives += some_lives
            report(len(some_lives), "lived")
    except (StoppedError, UntrustedError) as error:
        return _untested(results[0], error, confidence)
    number = _chosen(results, lives, confidence)
    trial = Trial(lives, number, scenarios, confidence)
    if extend is None and (reason := _no_better(trial.worth)):
        # what a plan promises may not wait; and a plan that was found stays where there is no time
        with suppress(InfeasibleError, StoppedError, UntrustedError):
            idle, problem = followed(plan, data, prepare(plan, data, made[0].problem), nothing)
            idle = _with_questions(tried(idle, problem, reason, samples, scenarios, confidence, run), problem)
            if float(idle.tables["sample_gap"].worth_musd.iloc[0]) > trial.worth.mean + SMALL_MUSD:
                return idle
    chosen, stage, like = results[number], stages[number], made[number].problem
    figures = trial.figures()
    report(0, "lived", _worth_in_words(figures))
    worth = max(abs(one.outcome.objective_musd or 0.0) for one in results)
    room = max(LEAST_GAP_MUSD, BOUND_GAP * worth)
    bounded = searched[:: 1 if len(searched) < len(fresh) else 2] if plan.policy == "targets" else []
    alike = [one for _, one in given]
    tests = [
        _Asked(made[0].problem, chunk, scenarios, nothing, alike, room, bounded, extend)
        for chunk in ([seed for seed in some if seed in searched] for some in chunks)
        if chunk
    ]
    rules = other_rules(chosen.plan)
    found = _examined(chosen, like, stage, base, tests, chunks, rules, scenarios, run, report)
    if found.failed:
        return lived_alone(chosen, like, stage, trial, found.failed)
    if (better := _rule_instead(plan, rules, found, figures, confidence)) is not None:
        LOG.info("another rule of release is worth more: %s", better)
        report(0, "plans", "Another rule of release is worth more: all is done again by it.")
        again = plan.model_copy(update={"release": better})
        options: dict[str, Any] = {"method": method, "confidence": confidence, "extend": extend}
        options |= {"candidates": candidates, "samples": samples, "scenarios": scenarios}
        return solve(again, data, gap=gap, run=run, **options)
    answered = _answered(chosen, prepare(chosen.plan, data, like), stage, trial, found, rules)
    return answered if extend is not None else _with_questions(answered, like)


ERRORS, BETTER_BY = 2.0, 0.01
"""Paired standard errors (rule of release), and share of the worth, by which another rule of release has to be worth more
than the usual one: a second search for less would take minutes for what nobody sees."""


def _rule_instead(
    plan: Plan, rules: Sequence[Plan], found: _Examined, figures: Mapping[str, Any], confidence: float
) -> Release | None:
    """The rule of release by which the answer is worth clearly more, where the plan names none of its own."""
    table = _rule_table(rules, found, confidence)
    if "release" in plan.model_fields_set or table.empty:
        return None
    best = int(table.gain_musd.argmax())
    gain, error = float(table.gain_musd.iloc[best]), float(table.gain_error_musd.iloc[best])
    return rules[best].release if gain > max(ERRORS * error, BETTER_BY * abs(float(figures["worth_musd"]))) else None


def _rule_table(rules: Sequence[Plan], found: _Examined, confidence: float) -> pd.DataFrame:
    """What the answer is worth more by each rule (`rule_rows`)."""
    made = sum(one.solution is not None for one in found.left_out)
    by_rule = [replace(one, plans=(one.plans[0], *one.plans[1 + made :])) for one in found.beside]
    return rule_rows(rules, by_rule, confidence)


LEAST_SEARCHED = 5
"""Samples of which the best plan is sought: one in two, where the plan is lived through twice as many or more. The search takes
nine times as long as the life."""
BOUND_GAP = 5e-3
"""Gap to which samples that test a plan are solved, as a share of its worth: small beside what their draw decides."""


@dataclass
class _Examined:
    """What is shown with a plan once samples have tested it."""

    tests: list[Tested] = field(default_factory=list)
    left_out: list[Without] = field(default_factory=list)
    banded: list[pd.DataFrame] = field(default_factory=list)
    at_ends: list[float] = field(default_factory=list)
    """Worth at the ends of what `contracted` names [million USD]."""
    beside: list[Met] = field(default_factory=list)
    """The plan, plans without some acts, and the plan by other rules, lived in some scenarios of each sample."""
    failed: str = ""
    """Why there is no answer; empty where there is one."""


def _examined(
    chosen: Result,
    like: Problem,
    stage: FirstStage,
    base: FirstStage,
    tests: Sequence[_Asked],
    chunks: Sequence[Sequence[int]],
    rules: Sequence[Plan],
    scenarios: int,
    run: Runner,
    report: Callable[[int, str], None],
) -> _Examined:
    """Test a plan in samples, make it again without some acts, and live it under every loss and belief: independent tasks, of which
    those that take longest begin first. Then all is lived that may take its place."""
    assert chosen.plan.sample is not None
    seeds = sample_seeds(chosen.plan.sample.seed, BAND_SAMPLES, TEST_SEED_MASK + 1)
    at_end = partial(worth_at, like, min(scenarios, ALONGSIDE), seeds, trunk_alone(chosen.solution))
    of_band = partial(_band_samples, chosen.plan, chosen.data, like, stage.solution, base.solution, seeds)
    tasks: list[Callable[[], Any]] = [
        partial(without, chosen, like, tests[0].extend),
        *(partial(_tested, one) for one in tests),
        of_band,
        *(partial(at_end, changes) for changes in at_ends(contracted(chosen))),
    ]
    found = _Examined()
    try:
        for n, part in enumerate(run.each("", _done, tasks)):
            beyond = n - len(tests) - 1
            of: list[Any] = found.at_ends if beyond > 0 else found.banded if beyond == 0 else found.tests
            of = found.left_out if n == 0 else of
            of += part
            report(len(part) if of is found.tests else 0, "model's bound")
        made = [(chosen.plan, one.solution) for one in found.left_out if one.solution is not None]
        made += [(rule, stage.solution) for rule in rules]
        others = [
            stage.other(plan, solution)
            if stage.is_of(plan)
            else FirstStage.of(plan, chosen.data, solution, problem=like)
            for plan, solution in made
        ]
        lived_too = partial(met, [base, stage, *others], min(scenarios, ALONGSIDE))
        for some_lives in run.each("", lived_too, chunks):
            found.beside += some_lives
            report(0, "left out together")
        found.failed = _contradiction(found.tests)
    except StoppedError as error:
        found.failed = f"there was no time for samples to bound this plan: {error}"
    except UntrustedError as error:
        found.failed = str(error)
    return found


def _done(task: Callable[[], Any]) -> Any:
    """Do a task. It travels to other processes."""
    return task()


def _first_words(result: Result) -> str:
    """What the first plan says, before anything has tested it."""
    brief = result.brief
    return "" if brief is None else f"First plan, not tested yet. {brief.recommendation.removeprefix(UNTESTED).strip()}"


def _worth_in_words(figures: Mapping[str, Any]) -> str:
    """What the plan is worth as it was lived, before samples have tested what goes with it."""
    worth = _gains(*(float(figures[f"worth{end}_musd"]) for end in ("", "_low", "_high")))
    tried = f"{figures['tried']:,} simulated futures that it cannot foresee"
    return f"In {tried} the plan {worth}. What each part adds follows."


def _gains(worth: float, low: float, high: float) -> str:
    """What a plan gains or loses [million USD], with its interval, in words."""
    verb, of = ("gains", (worth, low, high)) if worth >= 0 else ("loses", (-worth, -high, -low))
    mean, *ends = map(money, of)
    return f"{verb} {mean} M ({' to '.join(ends)} by their draw alone)"


def _with_questions(result: Result, problem: Problem, *, hinges: bool = True, settled: bool = False) -> Result:
    """A plan with answers to the planner's own questions and, of one that draws no scenarios, with the figures that it hangs on
    (`hinges`); without what there is no time for. problem: of the plan, its matrix is not needed. settled: whether nothing may
    take its place."""
    tables, alone = dict(result.tables), None
    if result.outcome.reason not in ("optimal", "within_gap"):
        return result
    try:
        if hinges and result.plan.sample is None and result.plan.scenarios:
            alone = lived = met_own(result, problem)
            sources = contracted(result)
            own = trunk_alone(result.solution)
            ends = [worth_at(problem, 1, [0], own, changes)[0] for changes in at_ends(sources)]
            if result.plan.policy == "targets":
                if lived.worth[0] <= -SMALL_MUSD and not settled and not other_aim(result.plan):
                    with suppress(InfeasibleError, UntrustedError):  # what the plan promises may not wait
                        nothing = trunk_alone(result.reference)
                        again = prepare(result.plan, result.data, problem)
                        instead = followed(result.plan, result.data, again, nothing)
                        if met_own(*instead).worth[0] > lived.worth[0] + SMALL_MUSD:
                            return _with_questions(*instead, settled=True)
                stage = FirstStage.of(result.plan, result.data, result.solution, problem=problem)
                result = lived_alone(result, problem, stage, Trial([lived], 0, 0, nan), "the plan draws no scenarios")
                tables = dict(result.tables)
            depends = depends_rows(problem, [lived], [("plan", "", "", 0, None)])
            tables["depends"] = whole(with_sources(depends, sources, ends, lived.worth[0]))
        asked = own_rows(replace(result, tables=tables), problem, alone)
        if len(asked):
            tables["own_questions"] = whole(asked)
    except BESIDE_THE_ANSWER as error:
        LOG.warning("the planner's own questions were not answered: %s", error)
    return replace(result, tables=tables)


def _contradiction(tests: Sequence[Tested]) -> str:
    """Why the tests cannot be believed together; empty where they can."""
    if len({test.menu for test in tests}) > 1:
        return "samples of scenarios leave different ways of support to choose from"
    beyond = [test for test in tests if min(test.costs)[0] < test.bound - ROUNDING * (1 + abs(test.bound))]
    return "a plan costs less in a sample than every plan does at least: not to be trusted" if beyond else ""


def _untested(result: Result, stopped: ReserveError, confidence: float) -> Result:
    """A plan for its own scenarios, where it could not be tested."""
    reason = f"no sample tested this plan: {stopped}"
    return without_acts(result, {"why_not": reason, "confidence": confidence, "tried": 0})


def _answered(
    result: Result,
    problem: Problem,
    stage: FirstStage,
    trial: Trial,
    found: _Examined,
    other: Sequence[Plan],
) -> Result:
    """The plan chosen, with what the samples say of it: worth and losses as lived, what leaving out costs, and its gap in the model
    that it was made by. other: the plan by other rules."""
    tests, left_out, beside = found.tests, found.left_out, found.beside
    lives, number, confidence, figures = trial.lives, trial.number, trial.confidence, trial.figures()
    rules, band = _rule_table(other, found, confidence), _band(found.banded, figures)
    of = len(tests[0].costs)
    gaps = [test.costs[number][0] - test.bound for test in tests]
    bound = gap_bound(gaps, confidence, of)
    modelled = estimated([test.nothing[0] - test.costs[number][0] for test in tests], confidence, of)
    names = Names.of(result.data)
    gap_row = {
        "why_not": "",
        "plans": of,
        "chosen": number + 1,
        "samples": len(lives),
        "searched": len(tests),
        "scenarios": trial.scenarios,
        "confidence": confidence,
        "gap_musd": bound.mean,
        "gap_error_musd": bound.standard_error,
        "gap_limit_musd": bound.upper,
        "gap_share": bound.upper / max(abs(modelled.mean), 1.0),
        "modelled_musd": modelled.mean,
        **figures,
        **_most(result, tests, trial),
        **trial.defence(),
    }
    plans = [(f"plan {n + 1}", amounts) for n, amounts in enumerate(tests[0].given)]
    at = {one.seed: k for k, one in enumerate(lives, 1)}
    plans += [(f"test {at[test.seed]}", test.acts) for test in tests]
    costs = left_out_rows(left_out, beside, names_of_acts(problem, names), confidence)
    done_by = [(name, *act, amount) for name, of_plan in plans for act, amount in of_plan.items()]
    depends = if_there_is_time(partial(depends_rows, problem, beside, list(_parts(left_out, costs)))).reindex(
        columns=DEPENDS
    )
    act_now = ActNow(
        gap=pd.DataFrame([gap_row]),
        acts=act_rows(problem, result.solution, plans, costs, names),
        samples=_sample_rows(tests, trial),
        sample_acts=pd.DataFrame(done_by, columns=["sample", "kind", "item", "through_year", "amount"]),
        left_out=costs,
        rules=rules,
        band=band,
        depends=with_sources(depends, contracted(result), found.at_ends, trial.worth.mean),
        **trial.tables(problem, result, stage),
    )
    return with_samples(result, act_now)


def _parts(left_out: Sequence[Without], costs: pd.DataFrame) -> Iterator[Part]:
    """What is asked of the figures that an answer hangs on: the whole of it, and each part that is needed. The plans stand in the
    order in which `solve` lives them: the answer, then those without some acts."""
    solved = [one for one in left_out if one.solution is not None]
    yield "plan", "", "", 0, None
    needed = {(row.kind, row.item) for row in rows_of(costs[costs.needed.astype(bool)])}
    for place, one in enumerate(solved, 1):
        kind, item = one.question.kind, one.question.item
        if kind in (INSTRUMENT, MINERAL) and (kind, item) in needed:
            yield kind, item, item if kind == MINERAL else "", 0, place


def _band_samples(
    plan: Plan, data: Dataset, like: Problem, decided: Solution, nothing: Solution, seeds: Sequence[int]
) -> list[pd.DataFrame]:
    """The worth of a plan under every loss and belief that may be right, as it is lived in samples: of each `BAND` without errors,
    and whether a cell is the plan's own. None where nothing is in doubt, and where there was no time. It travels."""
    try:
        asked = Asked.alone(plan, data, like, decided, nothing, ALONGSIDE)
        if asked is None:
            return []
        worths = [one.worth[0] for one in lived(asked, [(seed, ()) for seed in seeds])]
    except (InputError, StoppedError, UntrustedError) as error:
        LOG.info("no band over losses and beliefs: %s", error)
        return []
    cells = [(belief, k, loss, n) for k, belief in enumerate(asked.beliefs) for n, loss in enumerate(asked.losses)]
    return [
        pd.DataFrame(
            [
                (belief.name, loss, worth[k, n], not belief.hazards and loss == plan.loss_function)
                for belief, k, loss, n in cells
            ],
            columns=["belief", "loss", "worth_musd", "own"],
        )
        for worth in worths
    ]


def _band(samples: Sequence[pd.DataFrame], figures: Mapping[str, Any]) -> pd.DataFrame:
    """The worth of the plan under every loss and belief (`BAND`), from `_band_samples`; no row without two.

    The samples are few. Where the plan's own loss and figures are among the cells, the others are set by their paired difference to
    that cell from the worth that all samples give (`figures`): it is in the band, and what the few draws have in common drops out.
    """
    if len(samples) < BAND_SAMPLES:
        return pd.DataFrame(columns=BAND)
    cells = samples[0]
    worth = np.array([one.worth_musd for one in samples])
    anchor = drawn = 0.0
    if cells.own.any():
        worth = worth - worth[:, cells.own].mean(axis=1, keepdims=True)
        anchor, drawn = float(figures["worth_musd"]), float(figures["worth_error_musd"])
    error = np.hypot(drawn, worth.std(axis=0, ddof=1) / len(worth) ** 0.5)
    band = cells[["belief", "loss"]].assign(worth_musd=anchor + worth.mean(axis=0), worth_error_musd=error)
    return band[BAND]


BAND_SAMPLES = 2
"""Samples, of as many scenarios as the plans without some acts get, in which the plan is lived under other losses and beliefs."""


TOO_FAR, TOO_FAR_FOR_ONE = 0.25, 0.15
"""Share of the worth beyond which a bound on all policies says nothing; with one kind of hazard."""


def _most(result: Result, tests: Sequence[Tested], trial: Trial) -> dict[str, object]:
    """The most that any policy could be worth, beside the worth as lived in the same samples (limit at the confidence), and whether
    that says anything."""
    of, number, confidence = {one.seed: one for one in trial.lives}, trial.number, trial.confidence
    pairs = [(of[test.seed], test) for test in tests if np.isfinite(test.knowing)]
    unknown: dict[str, object] = {"most_musd": float("nan"), "most_limit_musd": float("nan"), "most_says": False}
    if len(pairs) < 2:
        return unknown
    beyond = [one.cost_without - test.knowing - one.worth[number] for one, test in pairs]
    if min(beyond) < -ROUNDING * (1 + abs(pairs[0][0].cost_without)):  # such samples are not to be trusted
        return unknown
    found, own = gap_bound(beyond, confidence, 1), trial.worth
    most, error = own.mean + found.mean, float(np.hypot(found.standard_error, own.standard_error))
    limit = most + float(stdtrit(len(pairs) - 1, confidence)) * error
    kinds = len({row.kind for row in sampled(result.plan, result.data)})
    says = own.mean > 0 and found.mean <= (TOO_FAR_FOR_ONE if kinds == 1 else TOO_FAR) * own.mean
    return {"most_musd": most, "most_limit_musd": limit, "most_says": bool(says)}


def _chosen(results: Sequence[Result], lives: Sequence[Met], confidence: float) -> int:
    """Number of the plan that is chosen: the one that is worth most as it is lived, or of those that are worth as much within the
    error of the paired difference the one that spends least in its first years."""
    worth = np.array([one.worth for one in lives])
    best = int(worth.mean(axis=0).argmax())
    behind = [estimated((worth[:, best] - worth[:, n]).tolist(), confidence) for n in range(len(results))]
    equal = [n for n, one in enumerate(behind) if n == best or one.low <= 0]
    spent = [float(one.tables["budget"].head(FIRST_YEARS).outlay_musd.sum()) for one in results]
    return min(equal, key=lambda n: (round(spent[n], 3), -float(worth[:, n].mean())))


def _no_better(worth: Estimate) -> str:
    """Why doing nothing new is preferred to a plan, in words; empty where the plan loses nothing as it is lived."""
    if worth.mean > -SMALL_MUSD:
        return ""
    return f"as it is lived, the best plan that was found {_gains(worth.mean, worth.low, worth.high)}"


def _sample_rows(tests: Sequence[Tested], trial: Trial) -> pd.DataFrame:
    """One row a sample that the plan was lived through, with the best plan where that was sought."""
    of, number = {test.seed: test for test in tests}, trial.number
    rows: list[dict[str, object]] = []
    for k, one in enumerate(trial.lives, 1):
        row: dict[str, object] = {"sample": f"test {k}", "seed": one.seed, "scenarios": trial.scenarios}
        if (test := of.get(one.seed)) is not None:
            row |= {
                "do_nothing_musd": test.nothing[0],
                "plan_musd": test.costs[number][0],
                "best_plan_musd": test.objective,
                "bound_musd": test.bound,
                "gap_musd": test.costs[number][0] - test.bound,
                "modelled_musd": test.nothing[0] - test.costs[number][0],
                "most_musd": one.cost_without - test.knowing,
            }
        lived_so = {
            "worth_musd": one.worth[number],
            "loss_musd": one.loss[number],
            "loss_without_musd": one.loss_without,
        }
        rows.append(row | lived_so)
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class _Made:
    """A plan, with its problem but for the matrix."""

    result: Result
    problem: Problem

    @property
    def stage(self) -> FirstStage:
        """It, ready to be lived."""
        return FirstStage.of(
            self.result.plan, self.result.data, trunk_alone(self.result.solution), problem=self.problem
        )


def _candidate(data: Dataset, method: Method, gap: float, extend: Extend | None, plan: Plan) -> _Made:
    """One plan. It travels to other processes."""
    with one_run(plan.name):
        return _Made(*solved(plan, data, method=method, gap=gap, extend=extend))


@dataclass(frozen=True)
class _Asked:
    """Some samples to be solved in turn."""

    like: Problem
    """Of the plan, without its matrix: what does not hang on the sample is taken over."""
    seeds: Sequence[int]
    scenarios: int
    nothing: Solution
    """Doing nothing."""
    given: Sequence[Solution]
    """Plans to be tested."""
    room: float
    """Gap of each search [million USD]."""
    bounded: Sequence[int]
    """Samples of which it is asked what any policy could attain."""
    extend: Extend | None
    """Adds the constraints that every plan keeps."""


def _tested(asked: _Asked) -> list[Tested]:
    """Some samples in turn: what plans cost in each, and what every plan costs at least. It travels to other processes."""
    found: list[Tested] = []
    plan, data = asked.like.plan, asked.like.data
    for seed in asked.seeds:
        problem = prepare(whole_sample(plan, seed, asked.scenarios), data, asked.like)
        deadline = time.perf_counter() + current().left()
        search = SampleSearch(problem, asked.nothing, deadline=deadline, extend=asked.extend)
        costs = [search.cost_of(solution) for solution in asked.given]
        first = min(range(len(costs)), key=lambda n: costs[n].social_cost)
        counted = acts(search.problem)
        best = search.best(asked.given[first], asked.room, counted)
        of = search.problem.structure, search.problem.assembly
        points = [decided_point(*of, solution) for solution in asked.given]
        given = tuple(done(counted, [act.of(x) for act in counted]) for x in points)
        nothing, *each = ((cost.social_cost, cost.loss) for cost in (search.nothing, *costs))
        sought = best.objective, best.bound, done(counted, best.acts)
        knowing = _knowing(asked, seed) if seed in asked.bounded else float("nan")
        found.append(Tested(seed, nothing, tuple(each), *sought, given, menu_of(search.problem), knowing))
    return found


def _knowing(asked: _Asked, seed: int) -> float:
    """What every policy costs at least in a sample [million USD]: commitments and purchases before an event are common to all
    futures, from then on each is known, and only offers, money and stores limit what is done. Rules that the simulator does not
    live by (promises, refilling in time) bind nobody here."""
    plan, data = asked.like.plan, asked.like.data
    rules = tuple(rule.model_copy(update={"refill_within_years": None}) for rule in plan.stock_rules)
    free = plan.model_copy(update={"policy": "knowing", "service_levels": (), "stock_rules": rules})
    problem = prepare(whole_sample(free, seed, asked.scenarios), data, asked.like)
    deadline = time.perf_counter() + current().left()
    search = SampleSearch(problem, asked.nothing, deadline=deadline, extend=asked.extend)
    try:
        return search.least(asked.room)  # that packages are whole adds little and takes ten times as long
    except UntrustedError as error:
        LOG.info("no bound on all policies from sample %d: %s", seed, error)
        return float("nan")


def _drawn_anew(plan: Plan, seed: int) -> Plan:
    """The plan with a sample from another seed: of the same kind where its own is kept whole, and else whole and larger."""
    assert plan.sample is not None
    if plan.sample.draws is not None:
        return whole_sample(plan, seed, max(WHOLE, plan.sample.scenarios))
    return plan.model_copy(update={"sample": plan.sample.model_copy(update={"seed": seed})})
