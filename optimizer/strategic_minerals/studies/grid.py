"""Losses and beliefs of which nobody knows which is right: as the cells of one model, and as plans live under them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..core.errors import Fault, InputError
from ..core.frames import Floats, Ints
from ..core.runner import current
from ..matrix.assembly import instantiate
from ..matrix.named import denominator, objective_costs
from ..matrix.problem import Problem, prepare, structure_of
from ..matrix.solution import Solution, extract, trunk_alone
from ..question.consistency import unstated_losses
from ..question.dataset import Dataset
from ..question.plan import Belief, Plan
from ..question.references import select_materials
from ..question.sources import replays
from ..solver.stages import measured, reference_model, solve_reference, solver_of
from ..world.beliefs import CENTRAL, Believed, believed, named_beliefs
from ..world.scenarios import population
from .recourse import FirstStage
from .stress import living
from .worth import without_promises

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
        _, natural = structure_of(plan, data)
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
        for of in found.values():
            own = objective_costs(of)["social_cost"]
            solver = solver_of(of, reference_model(of), own, "auto", integer=False)
            points.append(solve_reference(of, own, current().left(), None, solver))
            costs.append([_costs_under(measured(of, points[-1]), pi) for pi in probability])
            nothing.append([float(cost @ points[-1]) for cost in costs[-1]])
        base = measured(base, points[0])
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
        names = [belief.name for belief in self.beliefs]
        return names.index(CENTRAL) if CENTRAL in names else 0

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

    Raises InputError where none is left.
    """
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
        natural = like.natural if free == plan else structure_of(free, data)[1]
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


def lived(asked: Asked, seeds: Sequence[int]) -> list[Lived]:
    """Live candidates through some samples. It travels to other processes. Raises UntrustedError as `Simulator.live`."""
    problem: Problem | None = None
    by_loss: list[list[FirstStage]] = []
    for loss in asked.losses:
        plan = with_loss(asked.plan, loss)
        problem = prepare(plan, asked.data, problem, asked.believed.drawn)
        of = partial(FirstStage, plan, asked.data, problem.natural, problem.structure)
        by_loss.append([of(asked.nothing, 0.0, True), *(of(one, 0.0, False) for one in asked.candidates)])
    natural = by_loss[0][0].natural
    planned = len(natural.calendar.planned_years)
    lives = [[living(first) for first in firsts] for firsts in by_loss]
    found = []
    for seed in seeds:
        own, common = believed(natural, asked.data, asked.beliefs, asked.scenarios, seed)
        assert own.sample is not None
        drawn = population(natural, asked.data, own.sample.scenarios, seed, held=common.drawn)
        pi = common.probability(drawn)
        worth = np.zeros((len(asked.candidates), len(pi), len(lives)))
        outlay, lost = np.zeros_like(worth), np.zeros_like(worth)
        for k, of_loss in enumerate(lives):
            without, *others = (live(drawn) for live in of_loss)
            others = [one.beside(without, natural.calendar.beta[:-1]) for one in others]
            for c, one in enumerate(others):
                worth[c, :, k] = pi @ (without.cost - one.cost) - one.penalties
                outlay[c, :, k] = pi @ one.outlay[:, :planned].sum(axis=1)
                lost[c, :, k] = pi @ one.loss
        found.append(Lived(worth, outlay, lost, common.effective, own.sample.scenarios))
    return found
