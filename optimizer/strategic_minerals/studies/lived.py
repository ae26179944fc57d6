"""What an answer came to in the futures that it was lived through, as tables: money, stock, losses, and what it hangs on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyomo.environ as pyo

from ..answer.act_now import ActNow
from ..answer.notes import SETTLED, other_losses
from ..answer.result import Result
from ..answer.solving import solved
from ..answer.tables import columns_of
from ..core.errors import BESIDE_THE_ANSWER, Fault, InputError
from ..core.frames import Bools, Floats, whole
from ..core.logs import logger_of
from ..core.runner import Runner
from ..core.stats import NINE_OF_TEN, SMALL_T, TRACE_T, Estimate, estimated
from ..matrix.named import NamedMatrix, Place
from ..matrix.problem import Problem
from ..matrix.solution import Solution, decided_point
from ..model.branch import targets_of
from ..question.dataset import Dataset
from ..question.plan import Belief, Plan, no_room_for_draws
from ..solver.optimise import sample_seeds
from ..world.draws import Exposure
from ..world.events import sampled
from ..world.instance import Instance
from ..world.scenarios import CENTRAL, FIGURES, Law, law, likelihood, quantile
from .forward import Simulator
from .recourse import FirstStage, RecourseOutcome
from .stress import SAMPLES_AT_ONCE, TEST_SEED_MASK, Met, met

LOG = logger_of(__name__)
TOTAL_YEARS = "all"
MONEY, STOCK, REMAINING, CURVE, DEPENDS, RELEASE = (
    columns_of(name) for name in ("money_by_year", "stock_by_year", "remaining", "loss_curve", "depends", "release")
)
TRACE = 1e-9
"""Chance that counts as zero."""
CHANCES = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02, 0.01)
"""Of a loss that is exceeded."""


def _weights(lives: Sequence[Met]) -> Floats:
    """Probabilities of the scenarios of all samples together."""
    return np.concatenate([one.probability for one in lives]) / len(lives)


@dataclass(frozen=True)
class Trial:
    """A plan as it was lived in samples, beside others."""

    lives: Sequence[Met]
    number: int
    """Place of the plan among those that were lived."""
    scenarios: int
    """New ones of each sample; 0: the plan's own, nothing was drawn."""
    confidence: float

    @property
    def plans(self) -> list[RecourseOutcome]:
        """The plan, sample by sample."""
        return [one.plans[self.number] for one in self.lives]

    @property
    def without(self) -> list[RecourseOutcome]:
        """Doing nothing, sample by sample."""
        return [one.without for one in self.lives]

    @property
    def worth(self) -> Estimate:
        """Of the plan, whether it was chosen among others or not [million USD]."""
        return estimated([one.worth[self.number] for one in self.lives], self.confidence)

    def figures(self) -> dict[str, object]:
        """Worth and losses of the plan, as it was lived."""
        of = len(self.lives[0].worth)
        by_sample = {
            "worth": ([one.worth[self.number] for one in self.lives], of),
            "loss": ([one.loss[self.number] for one in self.lives], of),
            "loss_without": ([one.loss_without for one in self.lives], 1),
        }
        figures = {name: estimated(values, self.confidence, plans) for name, (values, plans) in by_sample.items()}
        if not self.scenarios:
            figures = {name: Estimate(values[0], 0.0, values[0], values[0]) for name, (values, _) in by_sample.items()}
        bill = sum(one.bill[self.number] for one in self.lives) / len(self.lives)
        found: dict[str, object] = {"tried": self.scenarios * len(self.lives), "bill_musd": bill}
        for name, one in figures.items():
            found |= _columns(name, one)
        return found

    def defence(self) -> dict[str, float]:
        """Probability that defence goes short, with the plan and without it."""
        pi = _weights(self.lives)
        return {
            f"defence_short{end}": float(pi[np.concatenate([one.defence for one in of]) > TRACE_T].sum())
            for end, of in (("", self.plans), ("_without", self.without))
        }

    def tables(self, problem: Problem, result: Result, stage: FirstStage) -> dict[str, pd.DataFrame]:
        """What it came to in the futures that it was lived through, by field of `ActNow`. problem: of the plan."""
        return {
            "release": if_there_is_time(partial(_aside, stage)),
            "money_by_year": self._money(problem.natural),
            "stock_by_year": self._stock(problem.natural, result.solution),
            "remaining": self._remaining(problem.natural),
            "loss_curve": self._curve(),
        }

    def _money(self, natural: Instance) -> pd.DataFrame:
        """Money of each planned year, and of all (`MONEY`)."""
        pi, years = _weights(self.lives), natural.calendar.planned_years
        spent = np.concatenate([one.outlay for one in self.plans])[:, : len(years)] + natural.carried.due[: len(years)]
        given = natural.appropriation[: len(years)]
        columns = [(str(year), float(given[f]), spent[:, f]) for f, year in enumerate(years)]
        rows: list[tuple[object, ...]] = []
        for name, of, values in [*columns, (TOTAL_YEARS, float(given.sum()), spent.sum(axis=1))]:
            low, high = (quantile(values, pi, level) for level in NINE_OF_TEN)
            rows.append((name, of, float(pi @ values), low, high))
        return pd.DataFrame(rows, columns=MONEY)

    def _stock(self, natural: Instance, solution: Solution) -> pd.DataFrame:
        """Target and stock of each material that is ever held, at the end of each planned year (`STOCK`)."""
        pi, calendar, rows = _weights(self.lives), natural.calendar, []
        held = np.concatenate([one.stock for one in self.plans])
        for i, material in enumerate(natural.materials):
            target = targets_of(solution.stock[0, i], solution.release[0, i], float(natural.decay[i]))
            if max(float(target[: calendar.planned].max()), float(held[:, i].max(initial=0.0))) <= SMALL_T:
                continue
            for f, year in enumerate(calendar.planned_years):
                values, end = held[:, i, f], (f + 1) * calendar.per_year - 1
                low, high = (quantile(values, pi, level) for level in NINE_OF_TEN)
                rows.append((int(year), material, float(target[end]), float(pi @ values), low, high))
        return pd.DataFrame(rows, columns=STOCK)

    def _remaining(self, natural: Instance) -> pd.DataFrame:
        """Expected loss of each material, with the plan and without it (`REMAINING`), the largest that remains first."""
        pi, both = _weights(self.lives), (self.plans, self.without)
        with_plan, without = (pi @ np.concatenate([one.by_material for one in of]) for of in both)
        found = pd.DataFrame(zip(natural.materials, with_plan, without, strict=True), columns=REMAINING)
        found = found[found.loss_without_musd > 0]
        return found.sort_values("loss_musd", ascending=False, kind="stable", ignore_index=True)

    def _curve(self) -> pd.DataFrame:
        """Loss that is exceeded with each chance, with the plan and without it (`CURVE`); in the plan's own scenarios, which are
        few, loss that is reached, at each chance that there is, and the scenario that loses most with it in the last row."""
        pi = _weights(self.lives)
        lost = [np.concatenate([one.loss for one in of]) for of in (self.plans, self.without)]
        own = {float(pi[values >= value].sum()) for values in lost for value in values}
        chances, step = (CHANCES, 0.0) if self.scenarios else (sorted(own, reverse=True), TRACE)
        rows = [(chance, *(quantile(values, pi, 1 - chance + step) for values in lost), "") for chance in chances]
        if not self.scenarios:
            worst = int(lost[0].argmax())
            rows.append((0.0, float(lost[0][worst]), float(lost[1][worst]), self.lives[0].names[worst]))
        return pd.DataFrame(rows, columns=CURVE)


def _columns(name: str, of: Estimate) -> dict[str, float]:
    """An estimate as columns."""
    return {f"{name}{part}_musd": figure for part, figure in zip(("", "_error", "_low", "_high"), of, strict=True)}


# What an answer hangs on: the value of a figure at which a part of it stops paying, in the same futures.
LOSS = "loss"
REACH, STEPS = 30.0, 60
"""A rate or chance is looked for up to so many times above or below its value, in so many steps; bisected so often."""
HALVED = 30
ENDS = ("low", "high")
ROUNDING_MUSD = 1e-6
"""Million USD below which a difference of costs is rounding."""
EFFECTIVE = 0.1
"""Effective share of the sample below which reweighted scenarios say nothing."""
Part = tuple[str, str, str, int, int | None]
"""(kind, item, mineral that it is about or empty, place of the plan with it, place of the one without; None: doing nothing)"""


def depends_rows(problem: Problem, lives: Sequence[Met], parts: Sequence[Part]) -> pd.DataFrame:
    """Where each part of an answer is worth nothing: at which loss of a missing tonne (a multiple of the plan's own), at which rate
    and which chance of each hazard (`DEPENDS`); NaN where at none within reach.

    The plans stay as they are, and so do the futures: they weigh as another rate or chance makes them likelier. low, high: the
    range that the tables give for the figure; of a loss, what other published ones say."""
    plan, data = problem.plan, problem.data
    pool = _Pool.of(plan, data, lives)
    rows: list[tuple[object, ...]] = []
    for kind, item, mineral, having, lacking in parts:
        gains = np.concatenate([_saved(one, having, lacking) for one in lives])
        gains[np.abs(gains) < ROUNDING_MUSD] = 0.0
        others = [one.without if lacking is None else one.plans[lacking] for one in lives]
        spared = np.concatenate([o.named - one.plans[having].named for o, one in zip(others, lives, strict=True)])
        worth, avoided = float(pool.pi @ gains), float(pool.pi @ spared)
        (least, _), (most_lost, _) = other_losses(plan, data, mineral)
        flips = 1 - worth / avoided if abs(avoided) > ROUNDING_MUSD else np.nan
        rows.append((kind, item, worth, LOSS, "", 1.0, flips if flips > 0 else np.nan, least, most_lost))
        for row, name, at in _figures(plan, data) if pool.drawn.any() else ():
            most = REACH * at if name == FIGURES[0] else min(REACH * at, 1.0)
            flips = _crossing(partial(pool.worth_at, gains, row.hazard, name), at, at / REACH, most)
            ends = [np.nan if value is None else value for value in (getattr(row, f"{name}_{end}") for end in ENDS)]
            rows.append((kind, item, worth, name, row.hazard, at, flips, *ends))
        for name, at, flips in _listed(plan, pool, gains, [name for one in lives for name in one.names]):
            rows.append((kind, item, worth, "probability", name, at, flips, np.nan, np.nan))
    return pd.DataFrame(rows, columns=DEPENDS[:-2]).reindex(columns=DEPENDS)


@dataclass(frozen=True)
class _Pool:
    """The scenarios of all samples together."""

    pi: Floats
    drawn: Bools
    """Whether a scenario is a drawn one: the others keep their probabilities."""
    seen: Sequence[Mapping[str, Exposure]]
    laws: Mapping[str, Law]

    @classmethod
    def of(cls, plan: Plan, data: Dataset, lives: Sequence[Met]) -> _Pool:
        drawn = [np.arange(len(one.probability)) >= len(one.probability) - len(one.seen) for one in lives]
        seen = [of for one in lives for of in one.seen]
        laws = law(plan, data, Belief(name=CENTRAL)) if plan.sample is not None else {}
        return cls(_weights(lives), np.concatenate(drawn), seen, laws)

    def worth_at(self, gains: Floats, hazard: str, name: str, value: float) -> float:
        """Expected gain at another rate or chance of a hazard; NaN where too few scenarios count."""
        own = self.laws[hazard]
        other = replace(own, rate=value) if name == FIGURES[0] else replace(own, chance=value)
        logs = likelihood({hazard: other}, self.seen) - likelihood({hazard: own}, self.seen)
        weight = np.exp(logs - logs.max()) * self.pi[self.drawn]
        if weight.sum() ** 2 < EFFECTIVE * len(weight) * (weight**2).sum():
            return np.nan
        expected = float((weight / weight.sum()) @ gains[self.drawn])
        return float(self.pi[~self.drawn] @ gains[~self.drawn]) + float(self.pi[self.drawn].sum()) * expected


EVERY = "*"
"""All listed scenarios together."""


def _listed(plan: Plan, pool: _Pool, gains: Floats, names: Sequence[str]) -> Iterator[tuple[str, float, float]]:
    """(listed scenario or `EVERY`, its probability, that at which the gain is none); others share the rest as now.

    p g + (1 - p)/(1 - p0) sum_{others} p_s g_s = 0                                                                [million USD]
    """
    listed = [scenario.name for scenario in plan.scenarios]
    every = np.array(names)
    for name in (*listed, *([EVERY] if len(listed) > 1 else [])):
        mine = np.isin(every, listed if name == EVERY else [name])
        at = float(pool.pi[mine].sum())
        if not 0 < at < 1:
            continue
        inside = float(pool.pi[mine] @ gains[mine]) / at
        beside = float(pool.pi[~mine] @ gains[~mine]) / (1 - at)
        flips = beside / (beside - inside) if beside != inside else np.nan
        yield name, at, flips if 0 < flips < 1 else np.nan


def _figures(plan: Plan, data: Dataset) -> Iterator[tuple[Any, str, float]]:
    """(row of a hazard that is drawn, name of its rate or chance, its value)"""
    for row in sampled(plan, data) if plan.sample is not None else ():
        for name in FIGURES:
            value = float(getattr(row, name) or 0.0)
            if value > 0:
                yield row, name, value


def _saved(one: Met, having: int, lacking: int | None) -> Floats:
    """(S,) what a plan costs less than another in each scenario, penalties of rules spread over all [million USD]."""
    other = one.without if lacking is None else one.plans[lacking]
    penalties = one.plans[having].penalties - (0.0 if lacking is None else other.penalties)
    return other.cost - one.plans[having].cost - penalties


def _crossing(left: Callable[[float], float], at: float, least: float, most: float) -> float:
    """The value nearest to the present one, as a multiple, at which a function of it changes its sign; NaN where at none."""
    found = []
    for end in (least, most):
        if end == at:
            continue
        before, sign = at, np.sign(left(at))
        for value in np.geomspace(at, end, STEPS)[1:].tolist():
            now = left(value)
            if np.isnan(now):
                break
            if np.sign(now) != sign:
                inner, outer = before, value
                for _ in range(HALVED):
                    middle = float(np.sqrt(inner * outer))
                    inner, outer = (middle, outer) if np.sign(left(middle)) == sign else (inner, middle)
                found.append(outer)
                break
            before = value
    return min(found, key=lambda value: abs(np.log(value / at)), default=np.nan)


SAMPLE = "sample seed scenarios worth_musd loss_musd loss_without_musd".split()


def _aside(stage: FirstStage) -> pd.DataFrame:
    """What the reserve leaves aside for dearer uses (`RELEASE`); none where it follows no rule of release."""
    rows = Simulator(stage, stage.plan.release).aside() if stage.plan.policy == "targets" else ()
    return pd.DataFrame(list(rows), columns=RELEASE)


# An answer that no sample bounds, tried in new scenarios.
def tried(
    result: Result, problem: Problem, reason: str, samples: int, scenarios: int, confidence: float, run: Runner
) -> Result:
    """An answer with what it comes to in new futures, where no sample can say how far the best one is. problem: of the answer.
    reason: why no sample can."""
    plan = result.plan
    if plan.sample is None or no_room_for_draws(plan):
        return without_acts(result, {"why_not": reason, "confidence": confidence, "tried": 0})
    of = partial(FirstStage.of, plan, result.data, problem=problem)
    stage, nothing = of(result.solution), of(result.reference, is_reference=True)
    seeds = sample_seeds(plan.sample.seed, samples, TEST_SEED_MASK)
    each = max(1, min(SAMPLES_AT_ONCE, samples // max(1, run.processes)))
    parts = [seeds[k : k + each] for k in range(0, samples, each)]
    lives = [one for some in run.each("lived", partial(met, [nothing, stage], scenarios), parts) for one in some]
    return lived_alone(result, problem, stage, Trial(lives, 0, scenarios, confidence), reason)


def lived_alone(result: Result, problem: Problem, stage: FirstStage, trial: Trial, reason: str) -> Result:
    """An answer with what it comes to in the samples that it was lived through, and why they do not say more."""
    lives, number, scenarios = trial.lives, trial.number, trial.scenarios
    row: dict[str, object] = {"why_not": reason, "confidence": trial.confidence, "plans": len(lives[0].worth)}
    row |= {"samples": len(lives), "scenarios": scenarios, **trial.figures(), **trial.defence()}
    by_sample = [
        (f"test {k + 1}", one.seed, scenarios, one.worth[number], one.loss[number], one.loss_without)
        for k, one in enumerate(lives)
    ]
    hinges = pd.DataFrame(columns=DEPENDS)  # nothing of a plan that weighs more than its worth
    if scenarios and problem.plan.objective.kind == "social_cost" and problem.plan.risk.cvar_weight == 0:
        hinges = if_there_is_time(partial(depends_rows, problem, lives, [("plan", "", "", number, None)]))
    found = replace(
        ActNow.none(pd.DataFrame([row])),
        samples=pd.DataFrame(by_sample if scenarios else [], columns=SAMPLE),
        depends=hinges,
        **trial.tables(problem, result, stage),
    )
    return with_samples(result, found)


def if_there_is_time(made: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """A table shown with an answer; none where time or solver do not give it."""
    try:
        return made()
    except BESIDE_THE_ANSWER as error:
        LOG.info("left out beside the answer: %s", error)
        return pd.DataFrame()


def without_acts(result: Result, row: Mapping[str, object]) -> Result:
    """A plan with the reason why samples do not say what to do first."""
    return with_samples(result, ActNow.none(pd.DataFrame([row])))


def with_samples(result: Result, act_now: ActNow) -> Result:
    """A plan with what samples say of it."""
    tables = {name: whole(table) for name, table in act_now.tables.items()}
    return replace(result, tables={**result.tables, **tables})


# A plan that does what is decided elsewhere.
STORE = ("stock", "acquisition", "release", "disposal")
FOLLOWED = ("sign", "floor", "contract", *STORE)
"""Variables that the recommended plan settles: what is signed and guaranteed, and what the store does on the baseline course: by
its targets alone it could still buy and give in one period."""
ROOM = 1e-6
"""Share of a target, and tonnes, within which it is met."""
GAP_OF_RUN = 1e-3
"""Gap of operations beside settled decisions."""


def followed(plan: Plan, data: Dataset, like: Problem, decided: Solution) -> tuple[Result, Problem]:
    """(a plan that does what is decided: its commitments and its targets, with the best operations beside them in the plan's own
    scenarios; its problem without the matrix).

    like: the problem of the decisions. Raises as `solve_once`."""
    named, x = NamedMatrix(like), decided_point(like.structure, like.assembly, decided)
    amounts = {
        place: float(x[column] * named.tonnes[column])
        for column, place in enumerate(named.columns)
        if place[0] in FOLLOWED and x[column] > 0
    }
    return solved(plan, data, gap=GAP_OF_RUN, extend=partial(_settled, amounts, named.base))


def _settled(amounts: Mapping[Place, float], base: str, model: pyo.ConcreteModel) -> None:
    """Settle commitments and the targets of the baseline course, whose name is `base`. amounts: (variable, index) -> amount; of
    others nothing. Raises InputError for what the model cannot do."""
    known = {name: variables for name in FOLLOWED if (variables := model.component(name)) is not None}
    there = {(name, index if isinstance(index, tuple) else (index,)) for name in known for index in known[name]}
    if missing := [f"{name}[{', '.join(map(str, index))}]" for name, index in amounts.keys() - there]:
        raise InputError([Fault("regret", "", "recommended", ", ".join(missing[:3]), "what its own scenarios allow")])
    for name, variables in known.items():

        def rule(_: Any, *index: Any, name: str = name, variables: Any = variables) -> Any:
            amount = amounts.get((name, index), 0.0)
            room = ROOM * (1 + amount) if amount and name in ("contract", *STORE) else 0.0
            return pyo.inequality(amount - room, variables[index], amount + room)

        course = [index for index in variables if name not in STORE or index[1] == base]
        model.add_component(f"{SETTLED}{name}", pyo.Constraint(course, rule=rule))
