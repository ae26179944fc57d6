"""One plan for losses and beliefs of which nobody knows which is right: least regret, and a table of who would regret what.

Every loss under every belief is a cell. The best plan of each cell says what could be had there if it were known to be right; the
plan that is recommended falls behind it least, in the cell where it falls behind most (minimax relative regret; Savage 1951,
Kouvelis and Yu 1997). Candidates then live through the same new scenarios."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import permutations
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from ..answer.result import Result
from ..answer.solving import Relax
from ..answer.study import Study
from ..core.errors import Fault, InputError, Progress, ReserveError, StoppedError, UntrustedError
from ..core.formats import SMALL_MUSD, amount, capital, chance, digits, musd
from ..core.frames import Floats, Ints, rows_of, whole
from ..core.logs import logger_of
from ..core.runner import HERE, Runner, current
from ..core.stats import estimated
from ..core.verb import Confidence, verb
from ..matrix.assembly import instantiate
from ..matrix.named import denominator, objective_costs
from ..matrix.problem import FIRST_YEARS, TRACE, Problem, acts, prepare, structure_of
from ..matrix.solution import Solution, decided_point, extract, trunk_alone
from ..question.consistency import require, unstated_losses
from ..question.dataset import Dataset
from ..question.names import Names
from ..question.plan import Belief, Plan
from ..question.references import select_materials
from ..question.sources import replays
from ..solver.lshaped.cells import Aim, Cell, Cells, Found, Row
from ..solver.lshaped.search import LShaped
from ..solver.optimise import SampleSearch, require_bounded, sample_seeds
from ..solver.session import loaded
from ..solver.stages import FlatModel, against_nothing, chosen_method, reference_model, solve_reference
from ..world.build import build_instance, published_ceilings
from ..world.events import longest_event
from ..world.scenarios import Believed, believed, named_beliefs, population
from .joint import names_of_acts
from .lived import followed, tried, without_acts
from .recourse import FirstStage, RecourseOutcome
from .rules import CEILINGS, purchase_rules, without_promises
from .stress import A_SAMPLE, lives_of
from .stress import SAMPLES as TESTS
from .stress import SCENARIOS as TEST_SCENARIOS

# Losses and beliefs of which nobody knows which is right: as the cells of one model, and as plans live under them.
LEAST_OF_MONEY, LEAST_OF_WORTH = 0.1, 0.05
"""What regret is measured against at least: the larger of such shares of the discounted appropriation and of the largest worth of
any cell. Without it a plan would give up a thousand million to spare two where next to nothing can be had."""
SAME_LOSS = 0.05
"""Relative difference up to which two losses count as one: those of one study in money of two years."""
Kept = tuple[dict[str, str], dict[str, str]]
"""(loss -> that with the same figures, loss -> why it is left out)"""


@dataclass(frozen=True)
class Grid:
    """What may be right, as problems that differ in costs alone."""

    plan: Plan
    """Asks for the common scenarios."""
    data: Dataset
    losses: tuple[str, ...]
    """That differ."""
    kept: Kept
    beliefs: tuple[Belief, ...]
    believed: Believed
    problem: Problem
    """Of the first loss, with the limits that are measured against doing nothing."""
    probability: Floats
    """(beliefs, S)"""
    cost: Floats
    """(beliefs, losses, columns) [million USD]"""
    nothing: Floats
    """(beliefs, losses) cost of doing nothing [million USD]."""
    reference: Solution
    """Doing nothing."""

    @classmethod
    def of(cls, plan: Plan, data: Dataset) -> Grid:
        """From a plan and its tables. Raises as `prepare`, InputError where no loss may be right."""
        assert plan.sample is not None
        natural = build_instance(plan, data, longest_event(plan, data))
        beliefs = named_beliefs(natural, data)
        asked, common = believed(natural, data, beliefs, plan.ambiguity.scenarios, plan.sample.seed)
        names, kept = admitted(plan, data)
        problem: Problem | None = None
        found: dict[str, Problem] = {}
        for name in names:
            problem = found[name] = prepare(with_loss(asked, name), data, problem, common.drawn)
        base = next(iter(found.values()))
        probability = common.probability(base.structure.scenarios)
        costs, nothing, points = [], [], []
        method, left = chosen_method(base, "auto", integer=False), current().left()
        load = partial(loaded, method=method, threads=0, integer=False, deadline=time.perf_counter() + left)
        solver: FlatModel | LShaped | None = None
        for of in found.values():
            own = objective_costs(of)["social_cost"]
            solver = load(of, reference_model(of), own, solver=solver)
            points.append(solve_reference(of, own, current().left(), None, solver))
            costs.append([_costs_under(against_nothing(of, points[-1]), pi) for pi in probability])
            nothing.append([float(cost @ points[-1]) for cost in costs[-1]])
        base = against_nothing(base, points[0])
        reference = trunk_alone(extract(base.structure, base.assembly, points[0]))
        stacked = np.array(costs).swapaxes(0, 1), np.array(nothing).T
        return cls(asked, data, tuple(found), kept, beliefs, common, base, probability, *stacked, reference)

    @property
    def least(self) -> float:
        """The least that regret is measured against, whatever the worth [million USD]."""
        return LEAST_OF_MONEY * denominator(self.problem, 0.0)

    @property
    def central(self) -> int:
        """Place of the belief in the tables' own figures; the first where there is none."""
        return next((k for k, belief in enumerate(self.beliefs) if not belief.hazards), 0)

    def point(self, y: Floats, mine: Ints) -> Solution:
        """A point of the master as decisions."""
        x = np.zeros(len(self.problem.assembly.lower))
        x[mine] = y
        return trunk_alone(extract(self.problem.structure, self.problem.assembly, x))


def with_loss(plan: Plan, loss: str) -> Plan:
    """The plan under another loss function."""
    return plan.model_copy(update={"loss_function": loss})


def _costs_under(problem: Problem, probability: Floats) -> Floats:
    """(columns,) social cost of a problem under other probabilities."""
    structure = problem.structure.weighed(probability)
    assembly = instantiate(structure, problem.templates)
    weighed = Problem(
        problem.plan, problem.data, problem.natural, structure, problem.templates, assembly, problem.seconds
    )
    return objective_costs(weighed)["social_cost"]


def admitted(plan: Plan, data: Dataset) -> tuple[tuple[str, ...], Kept]:
    """(losses that may be right and differ, what became of the others): left out are those that contradict an observation under
    like conditions, and those that lack a loss that the plan needs. The plan's own comes first.

    Raises InputError where none is left."""
    known = list(dict.fromkeys(row.loss_function for row in data.rows("loss_functions")))
    asked = known if "*" in plan.ambiguity.losses else list(dict.fromkeys(plan.ambiguity.losses))
    asked.sort(key=lambda name: name != plan.loss_function)
    if plan.ambiguity.rule == "one":
        asked = [plan.loss_function]
    chosen, left_out = {*select_materials(plan, data)}, dict[str, str]()
    for replay in replays(data, asked):
        if replay.failed and replay.episode.material in chosen:
            left_out.setdefault(replay.function, replay.reason())
    for name in asked:
        missing = list(unstated_losses(with_loss(plan, name), data))
        if missing:
            left_out.setdefault(name, f"no loss of {', '.join(f'{m}/{s}' for m, s in missing[:3])}")
    stated: dict[str, dict[tuple[str, str], float]] = {name: {} for name in asked if name not in left_out}
    for row in data.rows("loss_functions"):
        if row.loss_function in stated and row.material in chosen:
            stated[row.loss_function][row.material, row.segment] = row.loss_usd_per_t
    found: list[str] = []
    same: dict[str, str] = {}
    for name, of in stated.items():
        twin = next((one for one in found if _alike(stated[one], of)), None)
        if twin is None:
            found.append(name)
        else:
            same[name] = twin
    if not found:
        why = "; ".join(left_out.values())
        raise InputError([Fault(plan.name, "", "ambiguity.losses", "none that may be right", why)])
    return tuple(found), (same, left_out)


def _alike(one: dict[tuple[str, str], float], other: dict[tuple[str, str], float]) -> bool:
    """Whether two losses say the same of everything in a plan."""
    return one.keys() == other.keys() and all(
        abs(value - other[key]) <= SAME_LOSS * max(value, other[key]) for key, value in one.items()
    )


# All candidates lived through the same new scenarios, under every loss.
@dataclass(frozen=True)
class Asked:
    """What workers need to live candidates."""

    plan: Plan
    data: Dataset
    losses: tuple[str, ...]
    beliefs: tuple[Belief, ...]
    believed: Believed
    candidates: tuple[Solution, ...]
    nothing: Solution
    scenarios: int

    @classmethod
    def of(cls, grid: Grid, candidates: Sequence[Solution], scenarios: int) -> Asked:
        """Candidates of a grid."""
        plan = without_promises(grid.plan)
        return cls(plan, grid.data, grid.losses, grid.beliefs, grid.believed, (*candidates,), grid.reference, scenarios)

    @classmethod
    def alone(
        cls, plan: Plan, data: Dataset, like: Problem, decided: Solution, nothing: Solution, scenarios: int
    ) -> Asked | None:
        """A plan that was made, under every loss and belief that may be right, without a grid; None where nothing is in doubt.
        like: the plan's problem. Raises as `Grid.of`."""
        assert plan.sample is not None
        names, _ = admitted(plan, data)
        free = without_promises(plan)
        natural = like.natural if free == plan else structure_of(free, data, like)[1]
        beliefs = named_beliefs(natural, data)
        if len(names) * len(beliefs) == 1:
            return None
        asked, common = believed(natural, data, beliefs, len(beliefs), plan.sample.seed)
        return cls(asked, data, names, beliefs, common, (decided,), nothing, scenarios)


@dataclass(frozen=True)
class Lived:
    """What candidates come to in one sample."""

    worth: Floats
    """(candidates, beliefs, losses) [million USD]."""
    outlay: Floats
    """(candidates, beliefs, losses) of all planned years, not discounted [million USD]."""
    loss: Floats
    """(candidates, beliefs, losses) what shortages still cost [million USD]."""
    effective: Floats
    """(beliefs,) effective share of the sample."""
    scenarios: int
    without: tuple[RecourseOutcome, ...]
    """By loss, what doing nothing comes to."""

    def led_by(self, other: Lived, candidate: int) -> Lived:
        """The same with a candidate of another list in the first place."""

        def led(name: str) -> Floats:
            return np.concatenate([getattr(other, name)[[candidate]], getattr(self, name)[1:]])

        return replace(self, worth=led("worth"), outlay=led("outlay"), loss=led("loss"))


Sampled = tuple[int, tuple[RecourseOutcome, ...]]
"""(seed, by loss what doing nothing comes to in its sample; empty where nobody lived that yet)"""


def lived(asked: Asked, samples: Sequence[Sampled]) -> list[Lived]:
    """Live candidates through some samples. It travels to other processes. Raises UntrustedError as `Simulator.live`."""
    problem: Problem | None = None
    by_loss: list[list[FirstStage]] = []
    for loss in asked.losses:
        plan = with_loss(asked.plan, loss)
        problem = prepare(plan, asked.data, problem, asked.believed.drawn)
        of = partial(FirstStage, plan, asked.data, problem.natural, problem.structure)
        by_loss.append(
            [of(asked.nothing, 0.0, True), *(of(one, 0.0, one is asked.nothing) for one in asked.candidates)]
        )
    natural = by_loss[0][0].natural
    planned = len(natural.calendar.planned_years)
    lives = [lives_of(firsts) for firsts in by_loss]
    found = []
    for seed, known in samples:
        own, common = believed(natural, asked.data, asked.beliefs, asked.scenarios, seed)
        assert own.sample is not None
        drawn = population(natural, asked.data, own.sample.scenarios, seed, held=common.drawn)
        pi = common.probability(drawn)
        worth = np.zeros((len(asked.candidates), len(pi), len(lives)))
        outlay, lost = np.zeros_like(worth), np.zeros_like(worth)
        nothing = known or tuple(of_loss[0](drawn) for of_loss in lives)
        for k, (of_loss, without) in enumerate(zip(lives, nothing, strict=True)):
            others = [live(drawn) for live in of_loss[1:]]
            others = [one.beside(without, natural.calendar.beta[:-1]) for one in others]
            for c, one in enumerate(others):
                worth[c, :, k] = pi @ (without.cost - one.cost) - one.penalties
                outlay[c, :, k] = pi @ one.outlay[:, :planned].sum(axis=1)
                lost[c, :, k] = pi @ one.loss
        found.append(Lived(worth, outlay, lost, common.effective, own.sample.scenarios, nothing))
    return found


LOG = logger_of(__name__)

SAMPLES = 6
"""Independent samples in which candidates are lived."""
SCENARIOS = 48
"""Scenarios of each, in equal parts from every belief."""
TRIED_ONE_IN = 3
"""One in so many samples, and at least one, serves the choice of the recommended plan; the others say what plans are worth."""
TEST_SEED_MASK = 0xBE11EF
"""What tells seeds of new scenarios from those of plans."""
GAP = 0.01
"""Share of what a cell is measured against within which its best plan is sought."""
CELL_S, REGRET_S, LONGEST = 20.0, 120.0, 5.0
"""Seconds for the best plan of a cell and for the recommended one; what is open then counts as gap. So many times as long where
nothing bounds it by then."""
GAP_OF_REGRET = 5e-3
"""Regret within which the recommended plan is sought."""
TIE = 1e-3
"""Weight of the mean regret beside the largest: of plans that are as good where they are worst, the better one elsewhere."""
NEAR = 0.05
"""Share of the best worth within which plans weigh alike where lived worth is read off the model's."""
SLOPES = (0.3, 2.5)
"""Least and most of lived worth that a million of the model's may stand for."""
LESS_BY = 0.03
"""Share of what can be had by which the recommended plan's worst cell must beat those of plans for one loss to spare a choice."""
RECOMMENDED, NOTHING = "recommended", "today's policy"
CELLS = (
    "candidate belief loss worth_musd worth_error_musd worth_low_musd worth_high_musd best_musd best_candidate regret_musd "
    "regret_share"
).split()
CANDIDATES = "candidate largest_regret_share worst_belief worst_loss mean_regret_share first_years_musd outlay_musd why_not".split()
BELIEFS = "belief hazard figure value effective_share source".split()
LOSSES = "loss same_as left_out".split()
CHOICES = "candidate better_under gain_musd worst_under otherwise_musd probability".split()
TITLES = {"candidates": "Candidates", "cells": "Worth by loss and belief", "acts": "What each candidate does first"}


@verb
def least_regret(
    plan: Plan,
    data: Dataset,
    *,
    relax: Relax = False,
    samples: Annotated[
        int, Field(ge=3, le=100, description="Independent samples; two in three say what plans are worth.")
    ] = SAMPLES,
    scenarios: Annotated[int, Field(ge=1, le=10_000, description="Scenarios of each sample.")] = SCENARIOS,
    confidence: Confidence = 0.95,
    run: Runner = HERE,
) -> Study:
    """Recommend one plan for all losses and beliefs that may be right, and show what each candidate is worth under each.

    Losses, beliefs and rule are those of the plan's section `ambiguity`. Candidates are the recommended plan, the best plan of each
    loss (under the central belief), published purchase ceilings bought in full, and today's policy: what is held and owed, and
    nothing new. Tables:
    candidates: candidate; largest and mean regret as shares of what could be had, and where the largest is; money of the first
    years before any event, and of all planned years as lived; cells: candidate, belief, loss: worth as lived with standard error
    and interval, the best candidate there, regret in money and as a share; acts: what each candidate does by the end of the
    first years; choices: for each other candidate, under which loss it is better, by how much, and the probability of that loss
    from which to choose it; reaction: how much rarer or more frequent stops would have to become because of a candidate for it to
    be as good; beliefs, losses: what was asked.
    The recommended plan is an answer of its own: its commitments and targets are settled, operations beside them are the best in
    the plan's own scenarios, and what it comes to is lived in the futures that `solve` tests with. A relaxation is no such answer.
    Facts: recommended, same_as (another candidate that it is, or nothing), compromise (whether it is clearly better where it is
    worst than every other candidate), best_outright (between which probabilities of the dearest loss it is worth more than all of
    them), scenarios (new, in which candidates were lived), model_scenarios, model_regret and its bound.

    Raises InputError for plans that samples cannot bound or that draw none, otherwise as `solve_once`."""
    require(plan, data)
    if plan.sample is None:
        raise InputError([Fault(plan.name, "", "sample", "none", A_SAMPLE)])
    require_bounded(plan)
    call = current()
    grid = Grid.of(plan, data)
    if plan.ambiguity.rule == "cautious" and grid.losses[OWN] != plan.loss_function:
        expected = (
            f"the plan's own loss function among them: '{plan.loss_function}', which the rule 'cautious' is about"
        )
        raise InputError([Fault(plan.name, "", "ambiguity.losses", ", ".join(grid.losses), expected)])
    call.report(Progress("the best plan of each loss and belief", call.seconds))
    made = Made.of(grid, relax)
    candidates = _candidates(grid, made)
    seeds = sample_seeds(plan.sample.seed, samples, TEST_SEED_MASK)
    count = max(1, samples // TRIED_ONE_IN)

    def live(some: Sequence[Candidate], of: Sequence[Sampled]) -> list[Lived]:
        given = [one.solution for one in some if one.solution is not None]
        asked = partial(lived, Asked.of(grid, given, scenarios))
        each = -(-len(of) // max(1, run.processes))
        parts = [of[k : k + each] for k in range(0, len(of), each)]
        return [one for part in run.each("lived", asked, parts) for one in part]

    lives = live(candidates, [(seed, ()) for seed in seeds])
    second = Candidate(RECOMMENDED, made.again(grid, _mean(lives[:count]), len(made.points)))
    again = live([second], [(seed, one.without) for seed, one in zip(seeds, lives, strict=True)])
    candidates, lives, twin = _chosen(grid, candidates, lives, second, again, count)
    tables = _tables(grid, candidates, lives, confidence)
    worth = np.array([one.worth for one in lives]).mean(axis=0)
    of_candidates = tables["candidates"].set_index("candidate").largest_regret_share
    least = float(of_candidates.drop([RECOMMENDED, *filter(None, [twin])]).min())
    compromise = len(grid.losses) > 1 and bool(least - float(of_candidates.loc[[RECOMMENDED]].iloc[0]) >= LESS_BY)
    facts = {
        "rule": plan.ambiguity.rule,
        "recommended": RECOMMENDED,
        "same_as": twin,
        "compromise": compromise,
        "best_outright": _best_outright(grid, worth) if len(grid.losses) > 1 else None,
        "scenarios": sum(one.scenarios for one in lives),
        "model_scenarios": len(grid.problem.structure.scenarios.names),
        "confidence": confidence,
        "model_regret": made.regret,
        "model_regret_bound": made.regret_bound,
        "relaxed": relax,
    }
    words = list(_words(tables, facts, grid))
    result = None
    if not relax:
        try:
            result = _recommended(grid, candidates[0], plan, float(of_candidates.loc[RECOMMENDED]), confidence, run)
        except ReserveError as error:
            words.append(f"The recommended plan has no run of its own: {error}")
    if result is not None and tables["cells"].groupby(["belief", "loss"]).ngroups > 1:
        cells = tables["cells"]
        band = cells[cells.candidate == RECOMMENDED][["belief", "loss", "worth_musd", "worth_error_musd"]]
        result = replace(result, tables={**result.tables, "band": whole(band)})
    return Study("regret", tables, words, facts, TITLES, result)


def _recommended(grid: Grid, candidate: Candidate, plan: Plan, most: float, confidence: float, run: Runner) -> Result:
    """The recommended plan as an answer to the plan's own question, lived in the futures that `solve` tests with, as far as time
    goes. most: the share that it gives up at most."""
    assert candidate.solution is not None
    result, problem = followed(plan, grid.data, grid.problem, candidate.solution)
    cells = _cells(grid)
    if len(grid.losses) * len(grid.beliefs) == 1:
        reason = "no sample was searched for a better plan"
    elif plan.ambiguity.rule == "cautious":
        reason = f"it is chosen by the rule 'cautious' among {cells}, and not as the best for one belief"
    else:
        reason = f"it is chosen for {cells}, where it gives up at most {most:.0%} of what can be had, and not as the best for one"
    try:
        return tried(result, problem, reason, TESTS, TEST_SCENARIOS, confidence, run)
    except (StoppedError, UntrustedError) as error:
        return without_acts(result, {"why_not": f"{reason}; {error}", "confidence": confidence, "tried": 0})


def _mean(lives: Sequence[Lived]) -> Floats:
    """(candidates, beliefs, losses) worth over some samples [million USD]."""
    return np.asarray(np.mean([one.worth for one in lives], axis=0))


def _chosen(
    grid: Grid,
    candidates: Sequence[Candidate],
    lives: Sequence[Lived],
    second: Candidate,
    again: Sequence[Lived],
    count: int,
) -> tuple[list[Candidate], list[Lived], str]:
    """(the candidates with the plan that is recommended first; how they live through the samples that nothing was chosen by; which
    other candidate it is, or nothing): of those that keep the plan's own rules, and that made again once it is known how plans
    live, the one that the rule prefers in the first samples. again: how the second lives."""
    given = [one for one in candidates if one.solution is not None]
    free = grid.plan == without_promises(grid.plan)  # doing nothing new keeps no promise
    able = [c for c, one in enumerate(given) if one.problem is None and (free or one.name != NOTHING)]
    places = [*((lives, c, given[c]) for c in able), (again, 0, second)]

    def by_rule(part: slice) -> list[float]:
        worth = [_mean(of[part])[c] for of, c, _ in places]
        best = np.max([*worth, *_mean(lives[part])], axis=0)
        return [judged(best - one, best, grid) for one in worth]

    first = int(np.argmin(by_rule(slice(count))))
    # what is worth nothing in every sample owes no choice to luck: the others have to bear the plan out against it
    idle = next((n for n, (_, _, one) in enumerate(places) if one.name == NOTHING), first)
    first = min(first, idle, key=by_rule(slice(count, None)).__getitem__)
    of, place, chosen = places[first]
    led = [one.led_by(other, place) for one, other in zip(lives, of, strict=True)]
    # the model may have found a candidate's plan by another name: it lives alike in every cell
    alike = np.isclose(_mean(lives[:count]), _mean(of[:count])[place]).all(axis=(1, 2))
    twin = next((one.name for c, one in enumerate(given) if c and alike[c]), "")
    return [replace(chosen, name=RECOMMENDED), *candidates[1:]], led[count:], twin


# The best plan of each cell, and the plan of least regret.
@dataclass(frozen=True)
class Made:
    """Plans in the scenarios that they were made with."""

    cells: Cells
    most: Floats
    """(beliefs, losses) what every plan is worth at most, by the model of the plan [million USD]."""
    points: tuple[Floats, ...]
    """Of the recommended plan, then of the best plan of each loss under the central belief."""
    worth_of: Floats
    """(plans, beliefs, losses)"""
    regret: float
    """What the rule comes to by the recommended plan (`judged`)."""
    regret_bound: float
    """What it comes to at least, whatever the plan."""

    @classmethod
    def of(cls, grid: Grid, relax: bool) -> Made:
        """Solve every cell, then all together. Raises UntrustedError and StoppedError."""
        call = current()
        cells = Cells(grid.problem.structure, grid.problem.assembly, grid.cost, grid.probability, integer=not relax)
        most = np.zeros(grid.nothing.shape)
        points: dict[Cell, Floats] = {}
        start: Floats | None = None
        begin = call.seconds
        dearest = np.argsort(-grid.nothing[grid.central], kind="stable").tolist()
        for cell in ((k, loss) for loss in dearest for k in range(len(most))):
            call.check()
            found = _sought(cells, Aim({cell: 1.0}), start, GAP * grid.least, GAP, CELL_S, -float(grid.nothing[cell]))
            most[cell] = -found.bound
            start = points[cell] = found.y
            LOG.info("cell %s: worth %.1f, at most %.1f, %.1f s", cell, -found.value, most[cell], found.seconds)
        between = call.seconds
        aim, unit, shift = _aim(grid, most, np.zeros_like(most), np.ones_like(most))
        found = _sought(cells, aim, start, GAP_OF_REGRET * unit, 0.0, REGRET_S, shift)
        singles = [points[grid.central, loss] for loss in range(len(grid.losses))]
        every = tuple(np.ndindex(*most.shape))
        worth_of = np.array([grid.nothing - cells.costs_of(every, y) for y in (found.y, *singles)])
        regret = judged(most - worth_of[0], most, grid)
        bound = found.bound / (unit * (1 + TIE)) if grid.plan.ambiguity.rule != "cautious" else found.bound
        bound = min(regret, max(0.0, bound))
        LOG.info("best plans of all cells %.1f s, least regret %.1f s", between - begin, call.seconds - between)
        return cls(cells, most, (found.y, *singles), worth_of, regret, bound)

    def again(self, grid: Grid, lived: Floats, count: int) -> Solution:
        """The plan of least regret, once it is known how plans live: worth as lived is read off the model's, cell by cell, along
        the line that fits the plans made so far, those near the best most.

        lived: (candidates, beliefs, losses) worth as lived [million USD]; the first `count` are the plans of `points`. Raises
        UntrustedError and StoppedError."""
        level, slope = np.zeros_like(self.most), np.ones_like(self.most)
        for k, loss in np.ndindex(*self.most.shape):
            level[k, loss], slope[k, loss] = _line(self.worth_of[:, k, loss], lived[:count, k, loss], grid.least)
        aim, unit, shift = _aim(grid, lived.max(axis=0), level, slope)
        found = _sought(self.cells, aim, self.points[0], GAP_OF_REGRET * unit, 0.0, REGRET_S, shift)
        return grid.point(found.y, self.cells.parts.mine[:-1])

    def solutions(self, grid: Grid) -> Iterator[Solution]:
        """The recommended plan, then that of each loss."""
        return (grid.point(y, self.cells.parts.mine[:-1]) for y in self.points)


def _line(model: Floats, lived: Floats, least: float) -> tuple[float, float]:
    """(level, slope) of lived worth over that of the model, by least squares; plans near the best weigh most. The slope stays
    within `SLOPES`: a few plans that are worth nearly the same say little of it."""
    most = float(model.max())
    weight = 1.0 / (NEAR * max(abs(most), least) + most - model)
    weight /= weight.sum()
    mean = float(weight @ model), float(weight @ lived)
    spread = float(weight @ (model - mean[0]) ** 2)
    fitted = float(weight @ ((model - mean[0]) * (lived - mean[1]))) / spread if spread > 0 else 1.0
    slope = float(np.clip(fitted, *SLOPES))
    return mean[1] - slope * mean[0], slope


def judged(behind: Floats, best: Floats, grid: Grid) -> float:
    """What the rule of the section `ambiguity` makes as small as it can. behind, best: (beliefs, losses) [million USD]."""
    if grid.plan.ambiguity.rule != "cautious":
        return float((behind / measured(best, grid.least)).max())
    own = behind[:, OWN]
    g, mu = grid.plan.ambiguity.tail_weight, _weights(grid)
    return (1 - g) * float(mu @ own) + g * max(float(tail @ own) for tail in _tails(grid))


OWN = 0
"""Place of the plan's own loss."""


def _weights(grid: Grid) -> Floats:
    """(beliefs,) weight of each; they sum to one."""
    found = np.array([belief.weight for belief in grid.beliefs])
    return np.asarray(found / found.sum())


def _tails(grid: Grid) -> list[Floats]:
    """Weights of beliefs among which the mean of the worst ones is the largest: each at most mu/(1 - level), one in sum, filled in
    every order (Rockafellar and Uryasev 2000, for few outcomes)."""
    most = _weights(grid) / (1 - grid.plan.ambiguity.tail_level)
    found = []
    for order in permutations(range(len(most))):
        weight, left = np.zeros(len(most)), 1.0
        for k in order:
            weight[k] = min(left, most[k])
            left -= weight[k]
        found.append(weight)
    return found


def _sought(
    cells: Cells, aim: Aim, start: Floats | None, absolute_gap: float, gap: float, time_limit_s: float, offset: float
) -> Found:
    """The best plan for an aim, as near as its time allows; longer where nothing bounds it by then. Raises UntrustedError, and
    StoppedError where the call's time is over."""
    for limit in (time_limit_s, LONGEST * time_limit_s):
        current().check()
        left = min(limit, current().left())
        found = cells.minimise_for(aim, start, absolute_gap=absolute_gap, gap=gap, offset=offset, time_limit_s=left)
        if found is not None and np.isfinite(found.bound):
            return found
        start = start if found is None else found.y
    current().check()
    raise UntrustedError(f"nothing bounds the best plan of a loss and belief after {LONGEST * time_limit_s:,.0f} s")


def measured(attainable: Floats, least: float) -> Floats:
    """(beliefs, losses) what regret is measured against: what can be had, or the least that counts [million USD]."""
    return np.maximum(attainable, max(least, LEAST_OF_WORTH * float(attainable.max())))


def _aim(grid: Grid, best: Floats, level: Floats, slope: Floats) -> tuple[Aim, float, float]:
    """(what makes the plan that the section `ambiguity` asks for, million USD that 1 of its value counts, what to add).

    regret: min rho + eps mean_kl R_kl/D_kl  s.t.  rho D_kl >= R_kl,  in units of the least D;  cautious: min (1-g) sum mu_k R_k +
    g r  s.t.  r >= sum w_k R_k  for all tails w;  R_kl = best_kl - level_kl - slope_kl W_kl. level and slope: what a worth by the
    model, W, says of that as lived; 0 and 1: the same."""
    behind = best - level - slope * grid.nothing
    if grid.plan.ambiguity.rule == "cautious":
        g = grid.plan.ambiguity.tail_weight

        def of_beliefs(weight: Floats) -> dict[Cell, float]:
            return {(k, OWN): float(part * slope[k, OWN]) for k, part in enumerate(weight) if part > 0}

        mean, tails = (1 - g) * _weights(grid), _tails(grid)
        rows = tuple(Row(of_beliefs(tail), 1.0, float(tail @ behind[:, OWN])) for tail in tails)
        return Aim(of_beliefs(mean), g, rows), grid.least, float(mean @ behind[:, OWN])
    of = measured(best, grid.least)
    unit, n = float(of.min()), best.size
    cells = list(np.ndindex(*best.shape))
    rows = tuple(Row({cell: float(slope[cell])}, float(of[cell]) / unit, float(behind[cell])) for cell in cells)
    tie = TIE * unit / n
    weight = {cell: tie * float(slope[cell]) / float(of[cell]) for cell in cells}
    return Aim(weight, 1.0, rows), unit, tie * float((behind / of).sum())


@dataclass(frozen=True)
class Candidate:
    """One plan of the table."""

    name: str
    solution: Solution | None
    why_not: str = ""
    problem: Problem | None = None
    """That it was made for, where this is not the grid's own."""


def _candidates(grid: Grid, made: Made) -> list[Candidate]:
    """The recommended plan first, then that of each loss, published ceilings bought in full, and today's policy: nothing new."""
    names = (RECOMMENDED, *(f"for {loss}" for loss in grid.losses))
    found = [Candidate(name, one) for name, one in zip(names, made.solutions(grid), strict=True)]
    every = purchase_rules(grid.problem, grid.reference, grid.reference, 0.0, published_ceilings(grid.data))
    rule = next((one for one in every if one.name == CEILINGS), None)
    if rule is not None:
        free = prepare(without_promises(grid.plan), grid.data, held=grid.believed.drawn)
        search = SampleSearch(free, grid.reference, deadline=time.perf_counter() + current().left())
        course = search.under(grid.reference, rule.bought)
        found.append(Candidate(CEILINGS, course, "" if course is not None else "it does not fit the budget", free))
    return [*found, Candidate(NOTHING, grid.reference)]


# What a reader gets: who regrets what, what the candidates do, and what would change the choice.
def _tables(
    grid: Grid, candidates: Sequence[Candidate], lives: Sequence[Lived], confidence: float
) -> dict[str, pd.DataFrame]:
    """All tables of the study."""
    given = [one for one in candidates if one.solution is not None]
    by_sample = np.array([one.worth for one in lives])
    worth = by_sample.mean(axis=0)
    best, leader = worth.max(axis=0), worth.argmax(axis=0)
    of = measured(best, grid.least)
    regret = (best - worth) / of
    cells = []
    for c, one in enumerate(given):
        for k, loss in np.ndindex(*best.shape):
            own = estimated(by_sample[:, c, k, loss].tolist(), confidence)
            behind = float(best[k, loss] - worth[c, k, loss])
            ahead = given[int(leader[k, loss])].name
            names = one.name, grid.beliefs[k].name, grid.losses[loss]
            figures = *own, float(best[k, loss])
            cells.append((*names, *figures, ahead, behind, float(regret[c, k, loss])))
    outlay = np.array([one.outlay for one in lives]).mean(axis=0)
    done = _acts(grid, given)
    years = grid.problem.natural.calendar.planned_years
    first = done[done.through_year == years[min(FIRST_YEARS, len(years)) - 1]]
    rows = []
    for c, one in enumerate(given):
        k, loss = np.unravel_index(int(regret[c].argmax()), regret[c].shape)
        spent = float(first[first.candidate == one.name].budget_musd.sum())
        worst = float(regret[c, k, loss]), grid.beliefs[int(k)].name, grid.losses[int(loss)]
        rows.append((one.name, *worst, float(regret[c].mean()), spent, float(outlay[c, grid.central, 0]), ""))
    rows += [
        (one.name, np.nan, "", "", np.nan, np.nan, np.nan, one.why_not) for one in candidates if one.solution is None
    ]
    share = np.mean([one.effective for one in lives], axis=0)
    believed = [
        (belief.name, of_hazard.hazard, name, value, float(share[k]), belief.source or TABLES)
        for k, belief in enumerate(grid.beliefs)
        for of_hazard in belief.hazards
        for name, value in of_hazard.model_dump(exclude={"hazard"}, exclude_none=True).items()
    ]
    believed += [
        (belief.name, "", "", np.nan, float(share[k]), belief.source or TABLES)
        for k, belief in enumerate(grid.beliefs)
        if not belief.hazards
    ]
    same, left_out = grid.kept
    asked = [(name, "", "") for name in grid.losses]
    asked += [(name, other, "") for name, other in same.items()] + [(name, "", why) for name, why in left_out.items()]
    return {
        "candidates": pd.DataFrame(rows, columns=CANDIDATES),
        "cells": pd.DataFrame(cells, columns=CELLS),
        "choices": _choices(grid, given, worth),
        "reaction": _reaction(grid, given, lives, worth),
        "acts": done,
        "beliefs": pd.DataFrame(believed, columns=BELIEFS),
        "losses": pd.DataFrame(asked, columns=LOSSES),
    }


TABLES = "tables, and their ranges"
"""Source of a belief that names none."""
ACTS = "candidate kind item what through_year unit amount budget_musd".split()


def _acts(grid: Grid, given: Sequence[Candidate]) -> pd.DataFrame:
    """What each candidate does by the end of the first years, and by that of the plan (`ACTS`)."""
    problem, names = grid.problem, Names.of(grid.data)
    years = problem.natural.calendar.planned_years
    ends = {years[min(FIRST_YEARS, len(years)) - 1], years[-1]}
    words = names_of_acts(problem, names)
    rows = []
    for one in given:
        assert one.solution is not None
        of = one.problem or problem
        x = decided_point(of.structure, of.assembly, one.solution)
        for act in acts(of, len(years)):
            amount_of = act.of(x)
            if act.through in ends and amount_of > TRACE[act.unit]:
                what = words.get((act.kind, act.item), act.item)
                rows.append((one.name, act.kind, act.item, what, act.through, act.unit, amount_of, act.spent(x)[0]))
    return pd.DataFrame(rows, columns=ACTS)


def _choices(grid: Grid, given: Sequence[Candidate], worth: Floats) -> pd.DataFrame:
    """For every other candidate that is better under some loss, by central belief: under which it is better most, by how much,
    what it gives up where it is worst, and at which probability of the first both are as good (`CHOICES`)."""
    rows: list[tuple[object, ...]] = []
    ahead = worth[:, grid.central] - worth[0, grid.central]
    for c, one in enumerate(given[1:], 1):
        best, worst = int(ahead[c].argmax()), int(ahead[c].argmin())
        more, less = max(0.0, float(ahead[c, best])), max(0.0, -float(ahead[c, worst]))
        if more <= 0:
            rows.append((one.name, "", 0.0, grid.losses[worst], less, np.nan))
        else:
            rows.append(
                (one.name, grid.losses[best], more, grid.losses[worst] if less else "", less, less / (less + more))
            )
    return pd.DataFrame(rows, columns=CHOICES)


def _best_outright(grid: Grid, worth: Floats) -> dict[str, Any] | None:
    """Probabilities of the loss under which most can be had, against the one under which least can, between which the recommended
    plan is worth more than every other candidate, by central belief; None where there are none.

    W(p) = (1-p) W[cheap] + p W[dear] of each candidate, straight lines in p."""
    of = worth[:, grid.central]
    cheap, dear = int(of.max(axis=0).argmin()), int(of.max(axis=0).argmax())
    if cheap == dear:
        return None
    low, high = 0.0, 1.0
    for other in of[1:]:
        at, end = float(of[0, cheap] - other[cheap]), float(of[0, dear] - other[dear])
        if at < 0 and end < 0:
            return None
        crossing = at / (at - end) if at != end else 0.0
        low, high = (max(low, crossing), high) if at < 0 else (low, min(high, crossing)) if end < 0 else (low, high)
    return {"cheap": grid.losses[cheap], "dear": grid.losses[dear], "from": low, "to": high} if low < high else None


REACTION = "candidate loss loss_left_musd more_worth_musd rarer_share more_frequent_share".split()


def _reaction(grid: Grid, given: Sequence[Candidate], lives: Sequence[Lived], worth: Floats) -> pd.DataFrame:
    """What a reaction of those who stop exports would have to be for a candidate to be as good as the recommended plan, by central
    belief (`REACTION`): how much rarer stops would have to become because of it, where it is worse, or how much more frequent it
    might make them, where it is better. Nothing is assumed of what they do.

    What shortages cost a candidate is, to first order, proportional to how often they come; so a share f of them less is worth
    f times what they still cost it."""
    left = np.array([one.loss for one in lives]).mean(axis=0)[:, grid.central]
    rows = []
    for c, one in enumerate(given[1:], 1):
        for n, loss in enumerate(grid.losses):
            more, still = float(worth[c, grid.central, n] - worth[0, grid.central, n]), float(left[c, n])
            share = abs(more) / still if still > 0 else np.inf
            rows.append((one.name, loss, still, more, share if more < 0 else 0.0, share if more > 0 else 0.0))
    return pd.DataFrame(rows, columns=REACTION)


def _least(grid: Grid, cells: pd.DataFrame) -> float:
    """What regret is measured against at least (`measured`) [million USD]."""
    return max(grid.least, LEAST_OF_WORTH * float(cells.best_musd.max()))


def _cells(grid: Grid) -> str:
    """What may be right, counted."""
    losses, beliefs = len(grid.losses), len(grid.beliefs)
    return f"{losses} loss{'es' * (losses != 1)} and {beliefs} belief{'s' * (beliefs != 1)}"


def _words(tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any], grid: Grid) -> Iterator[str]:
    """The answer as a planner reads it."""
    candidates, cells = tables["candidates"].set_index("candidate"), tables["cells"]
    own, count = candidates.loc[RECOMMENDED], _cells(grid)
    regrets = {row.candidate: float(row.largest_regret_share) for row in rows_of(tables["candidates"])}
    same = {RECOMMENDED, facts["same_as"]}
    others = {name: share for name, share in regrets.items() if name not in same and not math.isnan(share)}
    other = min(others, key=lambda name: others[name])
    if facts["rule"] == "cautious":
        yield (
            f"A CAUTIOUS PLAN for {grid.losses[OWN]}, among {count}: of all plans it regrets least on average over beliefs and "
            "over the worst of them."
        )
    else:
        yield (
            f"ONE PLAN FOR {count.upper()}: whichever is right, the recommended plan gives up at most {regrets[RECOMMENDED]:.0%} "
            f"of what the best of these plans saves there; most under {own.worst_loss}, belief {own.worst_belief}."
        )
    if facts["same_as"]:
        yield f"  It is the plan '{facts['same_as']}'."
    if facts["compromise"]:
        yield f"  The next best ({other}) gives up as much as {others[other]:.0%}."
    elif max(regrets[RECOMMENDED], others[other]) < LESS_BY:
        yield f"  THERE IS NOTHING TO CHOOSE: '{other}' gives up at most {others[other]:.0%} too."
    elif facts["rule"] != "cautious" and len(grid.losses) > 1:
        yield (
            f"  NO COMPROMISE IS CLEARLY BETTER: '{other}' gives up at most {others[other]:.0%}. Choose by the losses that you "
            "believe in; the table says what each choice costs."
        )
    yield from _table(cells, candidates, grid)
    yield from _by_choice(tables["choices"], grid)
    if between := facts["best_outright"]:
        yield (
            f"  The recommended plan is the best of all if you hold {between['dear']} for {between['from']:.0%} to "
            f"{between['to']:.0%} likely against {between['cheap']}"
        )
    yield from _by_reaction(tables["reaction"], grid)
    yield from _what_differs(tables["acts"], candidates)
    yield from _asked_words(tables, facts, grid)


def _table(cells: pd.DataFrame, candidates: pd.DataFrame, grid: Grid) -> Iterator[str]:
    """Candidates against losses, by central belief; the largest regret over all beliefs beside them."""
    belief = grid.beliefs[grid.central].name
    yield (
        f"Worth as lived [million USD], belief '{belief}'. Last: the most that each gives up of what the best of them saves, over "
        f"all losses and beliefs (against {musd(_least(grid, cells))} million USD at least):"
    )
    width = max(len(str(name)) for name in candidates.index) + 2
    columns = [max(10, len(name) + 1) for name in grid.losses]
    heads = "".join(name.rjust(w) for name, w in zip(grid.losses, columns, strict=True))
    yield "  " + " " * width + heads + "  gives up"
    known = {
        (row.candidate, row.loss): amount(row.worth_musd) if abs(row.worth_musd) >= SMALL_MUSD else "0"
        for row in rows_of(cells[cells.belief == belief])
    }
    for name, row in candidates.iterrows():
        if row.why_not:
            yield f"  {str(name).ljust(width)}{row.why_not}"
            continue
        figures = "".join(known[str(name), loss].rjust(w) for loss, w in zip(grid.losses, columns, strict=True))
        yield f"  {str(name).ljust(width)}{figures}{row.largest_regret_share:>10.0%}"


def _by_choice(choices: pd.DataFrame, grid: Grid) -> Iterator[str]:
    """At what probability of a loss another candidate is as good, the lowest first."""
    yield f"CHOOSE ANOTHER (belief '{grid.beliefs[grid.central].name}'; million USD)"
    some = choices[choices.better_under != ""].sort_values("probability", kind="stable")
    for row in rows_of(some):
        if row.probability <= 0:
            yield f"  {row.candidate}: it is nowhere worse, and better by up to {musd(row.gain_musd)}"
            continue
        yield (
            f"  {row.candidate}, if you hold {row.better_under} for likelier than {chance(row.probability)} against "
            f"{row.worst_under}: "
            f"it gains {musd(row.gain_musd)} under the one and gives up {musd(row.otherwise_musd)} under the other"
        )
    never = choices[choices.better_under == ""].candidate.tolist()
    if never:
        yield f"  {', '.join(never)}: under no loss"


def _by_reaction(reaction: pd.DataFrame, grid: Grid) -> Iterator[str]:
    """What a reaction would have to be worth for the plan that is farthest behind to pay if the plan's own loss is right."""
    mine = (reaction.loss == grid.losses[OWN]) & reaction.candidate.str.startswith("for ")
    own = reaction[mine & (reaction.rarer_share > 0)]
    if own.empty:
        return
    row = next(rows_of(own.sort_values("rarer_share", ascending=False, kind="stable")))
    enough = (
        f"is as good as the recommended one if it makes them {chance(row.rarer_share)} rarer"
        if row.rarer_share < 1
        else "is not as good as the recommended one however rare it makes them"
    )
    yield (
        f"IF STOPS REACT: under {row.loss} the plan {row.candidate} {enough}. Buyers who build stocks may also bring stops on "
        "(table reaction); nothing is assumed either way."
    )


SHOWN = 8
"""Acts that words name."""


def _what_differs(done: pd.DataFrame, candidates: pd.DataFrame) -> Iterator[str]:
    """What the recommended plan does, beside the least and the most that plans of single losses do."""
    if done.empty:
        return
    last = done[done.through_year == done.through_year.max()]
    single = last[last.candidate.str.startswith("for ")]
    mine = last[last.candidate == RECOMMENDED].sort_values("budget_musd", ascending=False, kind="stable")
    if mine.empty:
        return
    count = int(candidates.index.str.startswith("for ").sum())
    year = int(last.through_year.max())
    yield f"THE RECOMMENDED PLAN by the end of FY{year}, if nothing happens (beside plans of single losses):"
    for row in rows_of(mine.head(SHOWN)):
        others = single[(single.kind == row.kind) & (single.item == row.item)].amount.tolist()
        others += [0.0] * (count - len(others))
        what = capital(row.what if row.kind == "offtake" else f"{row.kind} {row.what}")
        tonnes = row.unit.startswith("t")
        between = f"{amount(min(others))} to {amount(max(others))}"
        how_much = (
            f"{amount(row.amount)} {row.unit} ({between})"
            if tonnes
            else f"in {sum(x > 0 for x in others)} of {count} of them"
        )
        yield f"  {what}: {how_much}, {musd(row.budget_musd)} million USD"
    if len(mine) > SHOWN:
        yield f"  and {len(mine) - SHOWN} more, {musd(float(mine.budget_musd[SHOWN:].sum()))} million USD (table acts)"


def _asked_words(tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any], grid: Grid) -> Iterator[str]:
    """What was asked, and how sure the figures are."""
    beliefs = [
        f"{row.belief} ({row.hazard} {row.figure.replace('_', ' ')} {digits(row.value)})"
        for row in rows_of(tables["beliefs"])
        if row.hazard
    ]
    if beliefs:
        yield f"Beliefs: {', '.join(beliefs)}; otherwise as the tables have it. Losses: {', '.join(grid.losses)}."
    for row in rows_of(tables["losses"]):
        if row.same_as:
            yield f"  {row.loss} says the same as {row.same_as}."
        if row.left_out:
            yield f"  {row.loss} is left out: {row.left_out}"
    share = float(tables["beliefs"].effective_share.min())
    own = tables["cells"][tables["cells"].candidate == RECOMMENDED]
    error = float((own.worth_error_musd / own.best_musd.clip(lower=_least(grid, own))).max())
    regret, bound = facts["model_regret"], facts["model_regret_bound"]
    of_rule = (
        f"the largest regret is {regret:.1%}, and at least {bound:.1%}"
        if facts["rule"] != "cautious"
        else f"regret by the cautious rule is {musd(regret)} million USD, and at least {musd(bound)}"
    )
    how = "without foresight" if grid.plan.policy == "targets" else "with foresight within events, as the plan asks"
    yield (
        f"Lived {how} in {facts['scenarios']:,} new scenarios, the same for all plans and beliefs; under each belief they count as "
        f"{share:.0%} as many or more, and a standard error is up to {error:.0%} of what can be had."
    )
    yield (
        f"Plans were made with {facts['model_scenarios']} scenarios, where {of_rule} for any plan with one baseline course for all "
        "losses."
    )
