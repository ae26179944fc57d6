"""Test a plan on scenarios that it was not made with: losses with confidence intervals, and the worst scenarios.

Several independent scramblings of the Sobol points are pooled; leaving out one draw after the other gives Student's intervals
(randomised quasi-Monte Carlo, Owen 1998; delete-a-group jackknife, Kott 2001). Those of the tail are a little narrow: of 95 %
intervals of CVaR from 1000 scenarios, 93 % held the truth for exponential losses, 90 % for heavy tails (lognormal, sigma 1.2).
They cover the sampling error only: how often events occur is taken from the table or the plan (`scenarios` shows the
record). Listed scenarios and the quiet scenario enter unchanged, at their own probabilities. Recourse knows the further
course of its event, as in the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from ..core.arrays import Floats
from ..core.frames import rows_of
from ..core.parallel import workforce
from ..data.column_words import number_in_words
from ..data.dataset import Dataset
from ..data.names import UNNAMED, Names
from ..instance.instance import DEFENCE, Instance
from ..model.solution import Solution
from ..results.result import Result
from ..results.study import StudyResult
from ..scenarios.build import population
from ..scenarios.events import hazards
from ..scenarios.risk_measures import cvar_of, quantile
from ..scenarios.scenario_set import ScenarioSet
from ..schemas.plan import Plan, no_room_for_draws
from .myopic import evaluate_myopic_recourse
from .recourse import FirstStage, RecourseOutcome, evaluate_recourse
from .replicates import Figures, ReplicatePool, named, pooled
from .scenario_rows import event_rows, scenario_rows, shortfall_rows

REPLICATES = 10
"""Independent scramblings."""
WORST = 10
"""How many worst scenarios are listed."""
SHORT_T = 1e-3
"""Tonnes below which a shortfall does not count."""

ENOUGH_IN_TAIL = 100
"""Scenarios beyond a quantile below which the summary warns."""
Stage = tuple[Solution, bool]
"""Decisions, and whether they are the reference (no action)."""


@dataclass(frozen=True)
class StressTest(StudyResult):
    """Results of the plan, and of doing nothing, in new scenarios."""

    figures: pd.DataFrame
    """figure, unit, estimate, low, high, in_sample (in the plan's own scenarios), do_nothing."""
    materials: pd.DataFrame
    """material; expected loss, value at risk, CVaR [million USD] and the probability of a defence shortfall, each with `_low` and
    `_high`; expected loss in the plan's own scenarios (`in_sample_musd`) and when doing nothing (`do_nothing_musd`)."""
    by_scenario: pd.DataFrame
    """scenario, replicate, probability, loss_musd, without_plan_musd, cost_musd, defence_short_t, driven_by, events."""
    scenarios: int
    seed: int
    confidence: float
    alpha: float
    myopic: bool
    note: str = ""
    """How the new scenarios differ from the plan's own; empty if only by sampling."""
    names: Names = UNNAMED
    """What readers call the materials of the tables."""
    price_year: int | None = None
    """Year of whose money the figures are."""
    events: pd.DataFrame = field(default_factory=pd.DataFrame)
    """What happens in each scenario, one row an event, as `scenario_rows.EVENTS` says."""
    shortfalls: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Demands that go short with the plan, one row a demand and scenario, as `scenario_rows.SHORTFALLS` says."""

    kind: ClassVar[str] = "stress"
    titles: ClassVar[Mapping[str, str]] = {
        "figures": "Figures",
        "materials": "Materials",
        "worst": "Worst scenarios",
        "scenarios": "",
        "events": "",
        "shortfalls": "",
    }

    @property
    def worst(self) -> pd.DataFrame:
        """The scenarios with the largest loss."""
        return self.by_scenario.sort_values("loss_musd", ascending=False, kind="stable").head(WORST)

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """figures, materials, worst; scenarios: `by_scenario`; events and shortfalls of each of them."""
        return {
            "figures": self.figures,
            "materials": self.materials,
            "worst": self.worst,
            "scenarios": self.by_scenario,
            "events": self.events,
            "shortfalls": self.shortfalls,
        }

    @property
    def facts(self) -> Mapping[str, Any]:
        """fresh: scenarios drawn in all; seed, confidence, alpha, myopic, note."""
        return {
            "fresh": self.scenarios,
            "seed": self.seed,
            "confidence": self.confidence,
            "alpha": self.alpha,
            "myopic": self.myopic,
            "note": self.note,
        }

    def summary(self) -> str:
        """The figures as text."""
        of = {row.figure: row for row in rows_of(self.figures)}
        worth, lost = of["worth"], of["expected_loss"]
        year = "" if self.price_year is None else f" of {self.price_year}"
        lines = [
            f"STRESS TEST: in new random scenarios the plan is worth {_amount(worth.estimate)} million USD{year} "
            f"({_amount(worth.low)} to {_amount(worth.high)}) compared with doing nothing; the expected loss is "
            f"{_amount(lost.estimate)} instead of {_amount(lost.do_nothing)}.",
            f"  Tested in {self.scenarios:,} new random scenarios, {REPLICATES} independent samples (seed {self.seed}), plus "
            f"the listed ones. Commitments and purchases before a disruption are fixed. How long a disruption lasts is known "
            f"{'only when it ends, and no other is foreseen' if self.myopic else 'once it has begun'}. Money in million USD"
            f"{year}, discounted. In brackets: {self.confidence:.0%} confidence intervals, of the sampling error only (`scenarios` "
            f"shows how uncertain the rates are).",
        ]
        if self.note:
            lines.append(f"  {self.note}")
        tail = round(self.scenarios * (1 - self.alpha))
        if tail < ENOUGH_IN_TAIL:
            lines.append(
                f"  Only about {tail} scenarios are in the worst {1 - self.alpha:.0%}: the intervals of VaR and CVaR are rough; "
                f"raise --scenarios."
            )
        for row in rows_of(self.figures):
            say = _percent if row.unit == "probability" else _amount
            between = f" ({say(row.low)} to {say(row.high)})" if pd.notna(row.low) else ""
            lines.append(
                f"  {row.meaning}: {say(row.estimate)}{between}; in the plan's own scenarios {say(row.in_sample)}; without the "
                f"plan {say(row.do_nothing)}"
            )
        lines.append("Expected loss by material, the largest without the plan first:")
        for row in rows_of(self.materials.head(WORST)):
            short = (
                f"; probability of a defence shortfall {row.defence_short:.1%} ({row.defence_short_low:.1%} to "
                f"{row.defence_short_high:.1%})"
                if pd.notna(row.defence_short)
                else ""
            )
            lines.append(
                f"  {self.names.material(row.material)}: {row.expected_loss_musd:,.1f} ({row.expected_loss_musd_low:,.1f} to "
                f"{row.expected_loss_musd_high:,.1f}), CVaR {row.cvar_musd:,.0f}; expected without the plan "
                f"{row.do_nothing_musd:,.1f}{short}"
            )
        lines.append("Scenarios with the largest loss:")
        for row in self.worst.head(5).itertuples():
            lines.append(
                f"  loss {row.loss_musd:,.0f} (without the plan {row.without_plan_musd:,.0f}), defence shortfall "
                f"{row.defence_short_t:,.3g} t{self._drivers(str(row.driven_by))}; {row.events}"
            )
        return "\n".join(lines)

    def _drivers(self, driven_by: str) -> str:
        """A cell of `driven_by` as the end of a sentence, with names in place of codes; empty where nothing is lost."""
        if not driven_by:
            return ""
        pairs = [part.rpartition(" ") for part in driven_by.split(", ")]
        return f"; loss from {', '.join(f'{self.names.material(code)} {share}' for code, _, share in pairs)}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"


def _amount(musd: float) -> str:
    return number_in_words(musd, 4)


MEANING = {
    "worth": "worth compared with doing nothing",
    "expected_loss": "expected loss",
    "value_at_risk": "VaR, loss exceeded with a probability of {tail:.0%}",
    "cvar": "CVaR, mean loss of the worst {tail:.0%}",
    "worst_case": "largest loss in any scenario",
    "defence_short": "probability of a defence shortfall",
}


def stress_test(
    result: Result,
    *,
    scenarios: int = 1_000,
    seed: int = 1,
    confidence: float = 0.95,
    workers: int = 1,
    myopic: bool = False,
    executor: Executor | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> StressTest:
    """Operate a solved plan through new random scenarios of its own hazards.

    scenarios: drawn in all, in ten independent draws of as many each. seed: of the draws. confidence: of the intervals
    (0.95: 95 %). workers: spawned processes; 1: this one. myopic: operations, with the plan and without, learn how long an
    event lasts only when it ends, and foresee no other (slower by about the number of periods). executor: takes the place
    of workers; None: none. on_progress: called with draws done, and in all.

    A plan without a sample meets scenarios drawn from every hazard of the table. Operations follow least social cost, one
    scenario at a time, whatever the plan's aim and limits on losses; `note` says so.

    Raises ValueError where listed scenarios leave no probability, UntrustedError where operations were not solved.
    """
    reason = no_room_for_draws(result.plan)
    if reason:
        raise ValueError(reason)
    done = replicates(
        result.plan,
        result.data,
        [(result.solution, False), (result.reference, True)],
        scenarios=scenarios,
        seed=seed,
        myopic=myopic,
        workers=workers,
        executor=executor,
        on_progress=on_progress,
    )
    own, own_nothing, own_scenarios = own_scenarios_met(result, myopic=myopic)
    alpha, instance = result.plan.risk.alpha, FirstStage.of(result.plan, result.data, result.solution).natural
    pool, (recourse, nothing) = pooled(done)
    found = pool.estimated(lambda pi: figures(pi, recourse, nothing, alpha), confidence)
    found["defence_short"] = pool.chance(recourse.defence > SHORT_T, found["defence_short"], confidence)
    found["value_at_risk"] = pool.quantile(recourse.loss, alpha, found["value_at_risk"], confidence)
    found["worst_case"] = (found["worst_case"][0], float("nan"), float("nan"))
    zero = figures(pool.probability, nothing, nothing, alpha)
    known = figures(own_scenarios.probability, own, own_nothing, alpha)
    figured = pd.DataFrame(
        [
            {
                "figure": name,
                "meaning": meaning.format(tail=1 - alpha),
                "unit": "probability" if name == "defence_short" else "million USD",
                **dict(zip(("estimate", "low", "high"), found[name], strict=True)),
                "in_sample": known[name],
                "do_nothing": zero[name],
            }
            for name, meaning in MEANING.items()
        ]
    )
    materials = pd.DataFrame(
        [
            _of_material(i, instance, pool, recourse, nothing, alpha, confidence)
            | {"in_sample_musd": float(own_scenarios.probability @ own.by_material[:, i])}
            for i in range(len(instance.materials))
        ]
    ).sort_values("do_nothing_musd", ascending=False, kind="stable", ignore_index=True)
    return StressTest(
        figured,
        materials,
        scenario_rows(done, instance.materials),
        drawn_in_all(scenarios),
        seed,
        confidence,
        alpha,
        myopic,
        _note(result.plan),
        Names.of(result.data),
        result.plan.price_year,
        event_rows(done, instance.materials),
        shortfall_rows(done, instance),
    )


def drawn_in_all(scenarios: int) -> int:
    """Scenarios that `replicates` samples when so many are asked for: equally many in each sample, at least one."""
    return REPLICATES * max(1, scenarios // REPLICATES)


def replicates(
    plan: Plan,
    data: Dataset,
    stages: Sequence[Stage],
    *,
    scenarios: int,
    seed: int,
    myopic: bool = False,
    workers: int = 1,
    executor: Executor | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[tuple[ScenarioSet, list[RecourseOutcome]]]:
    """(scenarios, evaluation of each first stage) for `REPLICATES` independent samples."""
    per = drawn_in_all(scenarios) // REPLICATES
    seeds = [int(s) for s in np.random.SeedSequence(seed).generate_state(REPLICATES)]
    asked = [(plan, data, stages, per, s, myopic) for s in seeds]
    done: list[tuple[ScenarioSet, list[RecourseOutcome]]] = []
    with workforce(executor, workers) as map_over:
        for answer in map_over(_replicate, asked):
            done.append(answer)
            if on_progress is not None:
                on_progress(len(done), REPLICATES)
    return done


def _note(plan: Plan) -> str:
    """How the new scenarios differ from the plan's own, apart from sampling."""
    limited = plan.risk.cvar_limit_musd is not None or plan.risk.expected_loss_limit_musd is not None
    told = []
    if plan.sample is None:
        told.append(
            "The plan was made with its listed scenarios only; the new scenarios are sampled from all hazards of the table."
        )
    if plan.objective.kind != "social_cost" or limited or plan.risk.cvar_weight > 0:
        told.append(
            "In this test operations minimise social cost in each scenario, not the plan's own objective or limits on losses."
        )
    return " ".join(told)


def own_scenarios_met(result: Result, *, myopic: bool = False) -> tuple[RecourseOutcome, RecourseOutcome, ScenarioSet]:
    """The plan, and doing nothing, in the plan's own scenarios; with known courses they add up to the plan's own objective."""
    first = FirstStage.of(result.plan, result.data, result.solution)
    nothing = FirstStage.of(result.plan, result.data, result.reference, is_reference=True)
    scenarios, rows = first.own_scenarios, hazards(result.plan, result.data)
    recourse, zero = (
        evaluate_myopic_recourse(one, scenarios, rows) if myopic else evaluate_recourse(one, scenarios)
        for one in (first, nothing)
    )
    return recourse, zero, scenarios


def _replicate(
    asked: tuple[Plan, Dataset, Sequence[Stage], int, int, bool],
) -> tuple[ScenarioSet, list[RecourseOutcome]]:
    """One sample of scenarios, with the recourse of every first stage in it."""
    plan, data, stages, scenarios, seed, myopic = asked
    firsts = [FirstStage.of(plan, data, solution, is_reference=nothing) for solution, nothing in stages]
    drawn = population(firsts[0].natural, data, scenarios, seed, fresh=True)
    rows = hazards(plan, data)
    return drawn, [
        evaluate_myopic_recourse(first, drawn, rows) if myopic else evaluate_recourse(first, drawn) for first in firsts
    ]


def figures(probability: Floats, recourse: RecourseOutcome, nothing: RecourseOutcome, alpha: float) -> Figures:
    """The figures of one population of scenarios."""
    pi = probability
    return {
        "worth": float(pi @ (nothing.cost - recourse.cost)) - recourse.penalties,
        "expected_loss": float(pi @ recourse.loss),
        "value_at_risk": quantile(recourse.loss, pi / pi.sum(), alpha),
        "cvar": cvar_of(recourse.loss, pi, alpha),
        "worst_case": float(recourse.loss[pi > 0].max(initial=0.0)),
        "defence_short": float(pi[recourse.defence > SHORT_T].sum()),
    }


def _of_material(
    i: int,
    instance: Instance,
    pool: ReplicatePool,
    recourse: RecourseOutcome,
    nothing: RecourseOutcome,
    alpha: float,
    confidence: float,
) -> dict[str, Any]:
    """The figures of one material."""
    loss = recourse.by_material[:, i]
    uses = [
        q for q, priority in enumerate(instance.priority) if priority == DEFENCE and instance.demand_material[q] == i
    ]
    short = recourse.short[:, uses, : instance.calendar.planned].sum(axis=(1, 2)) > SHORT_T

    def told(pi: Floats) -> Figures:
        return {
            "expected_loss_musd": float(pi @ loss),
            "value_at_risk_musd": quantile(loss, pi / pi.sum(), alpha),
            "cvar_musd": cvar_of(loss, pi, alpha),
            "defence_short": float(pi[short].sum()),
        }

    found = pool.estimated(told, confidence)
    found["defence_short"] = pool.chance(short, found["defence_short"], confidence) if uses else (float("nan"),) * 3
    found["value_at_risk_musd"] = pool.quantile(loss, alpha, found["value_at_risk_musd"], confidence)
    row: dict[str, Any] = {"material": instance.materials[i]}
    for column, (estimate, low, high) in found.items():
        row |= named(column, (estimate, 0.0 if low < 0 else low, high))
    return row | {"do_nothing_musd": float(pool.probability @ nothing.by_material[:, i])}
