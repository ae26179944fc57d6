"""Value of planning: the plan, rules of thumb, perfect information and a plan for average events, in the same scenarios.

Every alternative is reduced to what it decides before anything has happened: packages, contracts, floors and purchases on the
baseline course. These are fixed in the plan's own model, recourse is optimised in every scenario, and the results compared.
EVPI, VSS and their order WS <= RP <= EEV: Birge and Louveaux, Introduction to Stochastic Programming, 2nd ed., chapter 4.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from ..checks.consistency import require
from ..core.arrays import Floats
from ..core.errors import InfeasibleError, StoppedError
from ..core.frames import rows_of
from ..core.outcome import OnProgress, Progress
from ..core.parallel import workforce
from ..data.dataset import Dataset
from ..model.problem import Problem, prepare
from ..model.solution import Solution, extract
from ..optimization.optimise import Solved, optimise
from ..results.readable import ALTERNATIVES
from ..results.study import StudyResult
from ..scenarios.risk_measures import cvar_of
from ..scenarios.scenario_set import ScenarioSet
from ..schemas.plan import Plan
from .fixed_decisions import Decided, baseline_signatures, decisions, evaluated
from .recourse import FirstStage, RecourseOutcome, evaluate_recourse
from .replicates import Figures, named, pooled
from .rules_of_thumb import rules_of_thumb, without_promises
from .stress_test import SHORT_T, drawn_in_all, figures, replicates
from .wait_and_see import along, average_scenario, only

PLAN, NOTHING, AVERAGE = "optimised plan", "nothing", "plan for average events"
FREE = "optimised plan without promises"
MEAN = -1
"""The average of all scenarios, where a scenario is asked for."""


@dataclass(frozen=True)
class Worth(StudyResult):
    """The plan and its alternatives, in the plan's own scenarios and in new random ones."""

    table: pd.DataFrame
    """alternative, value compared with doing nothing, expected loss, CVaR, probability of a defence shortfall, spending, largest
    regret, note (what it leaves out, or why it is not compared)."""
    fresh_table: pd.DataFrame | None
    """The same alternatives in new random scenarios, every figure with `_low` and `_high`; `behind_plan_musd`: how much less than
    the plan an alternative is worth, from the same samples. None if there are none."""
    by_scenario: pd.DataFrame
    """alternative, scenario, loss_musd: in the plan's own scenarios."""
    evpi_musd: float
    """EVPI, the value of knowing the scenario in advance: RP - WS; NaN if a single scenario was not solved."""
    vss_musd: float
    """VSS, the value of planning with scenarios instead of their average: EEV - RP; NaN if that plan is not feasible."""
    wait_and_see_musd: float
    here_and_now_musd: float
    """Social cost of the plan without its promises (its own if it makes none)."""
    average_plan_musd: float
    gap_musd: float
    """Largest optimality gap of the solves: the accuracy of the figures."""
    fresh: int
    seed: int
    confidence: float
    price_year: int | None = None
    """Year of whose money the figures are."""
    alpha: float | None = None
    """CVaR is the mean loss of the worst 1 - alpha of the scenarios."""

    kind: ClassVar[str] = "worth"
    titles: ClassVar[Mapping[str, str]] = {
        "alternatives": "Alternatives",
        "information": "Value of information",
        "scenarios": "",
        "fresh_scenarios": "In new random scenarios",
    }

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """alternatives: `table`; information; scenarios: `by_scenario`; fresh_scenarios: `fresh_table`, where any were drawn."""
        found = {"alternatives": self.table, "information": self.information, "scenarios": self.by_scenario}
        return found if self.fresh_table is None else {**found, "fresh_scenarios": self.fresh_table}

    @property
    def facts(self) -> Mapping[str, Any]:
        """fresh: scenarios drawn, 0 for none; their seed; confidence of intervals."""
        return {"fresh": self.fresh, "seed": self.seed, "confidence": self.confidence}

    @property
    def information(self) -> pd.DataFrame:
        """EVPI, VSS and what they are made of, one row each."""
        told = {
            "evpi": self.evpi_musd,
            "vss": self.vss_musd,
            "wait_and_see": self.wait_and_see_musd,
            "here_and_now": self.here_and_now_musd,
            "average_plan": self.average_plan_musd,
            "largest_gap": self.gap_musd,
        }
        return pd.DataFrame({"figure": list(told), "musd": list(told.values())})

    def summary(self) -> str:
        """The tables as text."""
        money = f"million USD{'' if self.price_year is None else f' of {self.price_year}'}, discounted"
        tail = "worst scenarios" if self.alpha is None else f"worst {100 * (1 - self.alpha):.3g}% of the scenarios"
        lines = [
            f"VALUE OF PLANNING, in the plan's own scenarios ({money}; worth: compared with doing nothing; CVaR: mean loss of the "
            f"{tail}; largest regret: how much worse, at most, than the best plan for the scenario that comes):"
        ]
        for row in rows_of(self.table):
            note = f" ({row.note})" if row.note else ""
            if pd.isna(row.worth_musd):
                lines.append(f"  {_called(row.alternative)}: not compared{note}")
                continue
            lines.append(
                f"  {_called(row.alternative)}: worth {row.worth_musd:,.0f}, expected loss {row.expected_loss_musd:,.0f}, CVaR "
                f"{row.cvar_musd:,.0f}, probability of a defence shortfall {row.defence_short:.1%}, spending "
                f"{row.spending_musd:,.0f}, largest regret {row.largest_regret_musd:,.0f}{note}"
            )
        compared = self.table.dropna(subset=["largest_regret_musd"])
        if len(compared):
            least = compared.sort_values("largest_regret_musd", kind="stable").iloc[0]
            lines.append(
                f"  The largest regret is smallest with '{_called(least.alternative)}': {least.largest_regret_musd:,.0f} "
                "(minimax regret)."
            )
        lines.append(
            f"  Knowing the scenario in advance would add {_told(self.evpi_musd)} (EVPI); planning for the average scenario "
            f"would lose {_told(self.vss_musd)} (VSS). These figures are accurate to {_told(self.gap_musd)}."
        )
        if self.fresh_table is None:
            lines.append("NO NEW RANDOM SCENARIOS: none were asked for, or the plan draws none.")
        else:
            lines.append(
                f"IN {self.fresh:,} NEW RANDOM SCENARIOS (seed {self.seed}; {self.confidence:.0%} confidence intervals):"
            )
            for row in self.fresh_table.itertuples():
                lines.append(
                    f"  {_called(str(row.alternative))}: worth {row.worth_musd:,.0f} ({row.worth_musd_low:,.0f} to "
                    f"{row.worth_musd_high:,.0f}), "
                    f"{row.behind_plan_musd:,.0f} ({row.behind_plan_musd_low:,.0f} to {row.behind_plan_musd_high:,.0f}) less "
                    f"than the plan; expected loss {row.expected_loss_musd:,.0f} ({row.expected_loss_musd_low:,.0f} to "
                    f"{row.expected_loss_musd_high:,.0f}), CVaR {row.cvar_musd:,.0f} ({row.cvar_musd_low:,.0f} to "
                    f"{row.cvar_musd_high:,.0f}), probability of a defence shortfall {row.defence_short:.1%} "
                    f"({row.defence_short_low:.1%} to {row.defence_short_high:.1%})"
                )
        return "\n".join(lines)


def _called(alternative: str) -> str:
    """What readers call an alternative."""
    return ALTERNATIVES.get(alternative, alternative)


def _told(musd: float) -> str:
    return "an unknown amount" if math.isnan(musd) else f"{musd:,.0f}" if abs(musd) >= 10 else f"{musd:.2g}"


def value_of_planning(
    plan: Plan,
    data: Dataset,
    *,
    fresh: int = 1_000,
    seed: int = 1,
    confidence: float = 0.95,
    gap: float = 1e-3,
    time_limit_s: float = 3600.0,
    workers: int = 1,
    executor: Executor | None = None,
    on_progress: OnProgress | None = None,
) -> Worth:
    """Solve the plan, its alternatives and each scenario by itself; compare them in the plan's own and in new scenarios.

    fresh: scenarios drawn in all to meet every alternative with; 0, and plans that draw none: the plan's own scenarios
    alone. seed: of the fresh scenarios. confidence: of their intervals (0.95: 95 %). gap: relative optimality gap of every
    solve (0.001: 0.1 %). time_limit_s: wall-clock seconds for each solve. workers: spawned processes for alternatives,
    scenarios and draws; 1: this one. executor: takes their place; None: none. on_progress: called with `Progress`;
    returning True while the plan is solved cancels.

    Operations are compared without the plan's promises (service levels, diversification, days of cover), which rules of
    thumb do not give; the plan itself is made with them. An alternative, or a scenario by itself, that is not solved leaves
    its reason in the table and its figures out.

    Raises PlanError and InputError with every fault, ValueError for a plan of another aim than social cost or with a weight
    on CVaR, SolveError where the plan itself has no answer, UntrustedError as `solve`.
    """
    begin = time.perf_counter()
    require(plan, data)
    if plan.objective.kind != "social_cost" or plan.risk.cvar_weight > 0:
        raise ValueError(
            "the value of planning is measured in social cost: not for a plan with another objective or a weight on CVaR"
        )
    problem = prepare(plan, data)

    best = optimise(problem, gap=gap, time_limit_s=time_limit_s, on_progress=on_progress)
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
    tasks = [(one, data, scenario, gap, time_limit_s) for one, scenario in (*questions.values(), *alone.values())]
    answers: list[Answer] = []
    with workforce(executor, workers) as map_over:
        for answer in map_over(_answer, tasks):
            answers.append(answer)
            if on_progress is not None:
                on_progress(
                    Progress(f"alternatives and scenarios, {len(answers)} of {len(tasks)}", time.perf_counter() - begin)
                )
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
    if (
        AVERAGE in costs and costs[AVERAGE] is None
    ):  # what is bought in the average scenario may be unavailable or unaffordable without a disruption
        costs[AVERAGE] = evaluated(problem, replace(decided[AVERAGE], at_most=True))
        notes[AVERAGE] = "not all its purchases fit the budget of the baseline course: it buys at most what it planned"
    notes |= {name: "its decisions do not fit the budget of the plan" for name, x in costs.items() if x is None}
    stages = {NOTHING: (extract(problem.structure, problem.assembly, best.z0), True)}
    stages |= {
        name: (extract(problem.structure, problem.assembly, x), False) for name, x in costs.items() if x is not None
    }
    recourse = {name: _met(free, data, *stage) for name, stage in stages.items()}
    by_scenario = pd.concat(
        [
            pd.DataFrame({"alternative": name, "scenario": problem.structure.scenarios.names, "loss_musd": m.loss})
            for name, m in recourse.items()
        ],
        ignore_index=True,
    )
    pi = problem.structure.scenarios.probability
    rows = [
        _row(name, m, pi, see, recourse[NOTHING], _spending(problem, costs.get(name)), plan.risk.alpha)
        for name, m in recourse.items()
    ]
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
        done = replicates(
            free,
            data,
            list(stages.values()),
            scenarios=fresh,
            seed=seed,
            workers=workers,
            executor=executor,
            on_progress=None if on_progress is None else _telling(on_progress, begin),
        )
        drawn = _in_fresh_scenarios(list(stages), done, plan.risk.alpha, confidence)
    known = float(pi @ see)
    return Worth(
        table,
        drawn,
        by_scenario,
        here - known,
        without - here,
        known,
        here,
        without,
        max(gaps),
        drawn_in_all(fresh) if drawn is not None else 0,
        seed,
        confidence,
        plan.price_year,
        plan.risk.alpha,
    )


@dataclass(frozen=True)
class Answer:
    """Result of one alternative, or of a single scenario."""

    decided: Decided | None = None
    bound_musd: float = math.nan
    """Lower bound on social cost from its solve."""
    gap_musd: float = 0.0
    note: str = ""
    """Why there is no answer."""


def _answer(asked: tuple[Plan, Dataset, int | None, float, float]) -> Answer:
    """Solve a plan along its own scenarios (None), along one of them, or along their average (`MEAN`)."""
    plan, data, scenario, gap, time_limit_s = asked
    chosen = average_scenario if scenario == MEAN else only(scenario or 0)
    problem = prepare(plan, data) if scenario is None else along(plan, data, chosen)
    try:
        solved = optimise(problem, gap=gap, time_limit_s=time_limit_s)
    except (InfeasibleError, StoppedError) as error:
        return Answer(note=str(error))
    decided = decisions(
        problem, extract(problem.structure, problem.assembly, solved.x), path=1 if scenario == MEAN else 0
    )
    left = _open(solved)
    return Answer(decided, float(solved.costs["social_cost"] @ solved.x) - left, left)


def _met(plan: Plan, data: Dataset, solution: Solution, nothing: bool) -> RecourseOutcome:
    """Evaluation of a first stage in the plan's own scenarios."""
    first = FirstStage.of(plan, data, solution, is_reference=nothing)
    return evaluate_recourse(first, first.own_scenarios)


def _telling(on_progress: OnProgress, begin: float) -> Callable[[int, int], None]:
    def tell(done: int, of: int) -> None:
        on_progress(Progress(f"new random scenarios, sample {done} of {of}", time.perf_counter() - begin))

    return tell


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


def _spending(problem: Problem, x: Floats | None) -> float:
    costs = problem.assembly.costs.get("spending")
    return 0.0 if x is None or costs is None else float(costs @ x)


def _row(
    name: str,
    recourse: RecourseOutcome,
    pi: Floats,
    see: Floats,
    nothing: RecourseOutcome,
    spending: float,
    alpha: float,
) -> dict[str, Any]:
    return {
        "alternative": name,
        "worth_musd": float(pi @ (nothing.cost - recourse.cost)),
        "expected_loss_musd": float(pi @ recourse.loss),
        "cvar_musd": cvar_of(recourse.loss, pi, alpha),
        "defence_short": float(pi[recourse.defence > SHORT_T].sum()),
        "spending_musd": spending,
        "largest_regret_musd": float((recourse.cost - see)[pi > 0].max()),
    }
