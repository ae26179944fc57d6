"""The plan attacked with worlds that it was not made against: losses with intervals, and the worlds that hurt most.

Several independent scramblings of the Sobol points give independent estimates of every figure; their spread gives Student's
intervals (randomised quasi-Monte Carlo, Owen 1998). Listed scenarios and the quiet world enter as they are, at their own
probabilities. Recourse knows the further course of its event, as in the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import beta
from scipy.stats import t as student

from .dataset import Dataset
from .disruptions import NO_EVENT, population
from .myopic import meet_myopically
from .outlook import quantile
from .plan import Plan
from .recourse import FirstStage, Met, meet
from .reduction import cvar_of
from .result import Result
from .solution import Solution
from .strikes import Strike, describe, hazards
from .workforce import workforce
from .worlds import Worlds

REPLICATES = 10
"""Independent scramblings."""
WORST = 10
"""Worlds listed as the worst."""
DRIVERS = 3
"""Materials named as what drives a world's loss."""
SHORT_T = 1e-3
"""Tonnes below this are no shortfall."""

Figures = dict[str, float]
Stage = tuple[Solution, bool]
"""Decisions, and whether they are those of doing nothing."""


@dataclass(frozen=True)
class StressTest:
    """What the plan, and doing nothing, come to in fresh worlds."""

    figures: pd.DataFrame
    """figure, unit, estimate, low, high, in_sample (in the plan's own worlds), do_nothing."""
    materials: pd.DataFrame
    """material, expected loss with its interval, in the plan's own worlds, and of doing nothing [million USD]."""
    worlds: pd.DataFrame
    """world, replicate, probability, loss_musd, without_plan_musd, cost_musd, defence_short_t, driven_by, events."""
    scenarios: int
    seed: int
    confidence: float
    alpha: float
    myopic: bool

    @property
    def worst(self) -> pd.DataFrame:
        """The worlds with the largest loss."""
        return self.worlds.sort_values("loss_musd", ascending=False, kind="stable").head(WORST)

    def summary(self) -> str:
        """The figures in words."""
        lines = [
            f"STRESS TEST: {self.scenarios:,} fresh worlds in {REPLICATES} independent draws (seed {self.seed}), beside the listed "
            f"scenarios; {self.confidence:.0%} intervals. Commitments and what is bought before events are fixed; how long "
            f"an event lasts is {'learnt when it ends' if self.myopic else 'known once it has begun'}."
        ]  # fmt: skip
        for row in self.figures.itertuples():
            scale, unit = (100.0, "%") if row.unit == "probability" else (1.0, " M")
            between = f" ({scale * row.low:,.4g} to {scale * row.high:,.4g})" if pd.notna(row.low) else ""
            lines.append(
                f"  {row.meaning}: {scale * row.estimate:,.4g}{unit}{between}; in the "
                f"plan's own worlds {scale * row.in_sample:,.4g}, doing nothing {scale * row.do_nothing:,.4g}"
            )
        lines.append("Expected loss by material [M], the largest first:")
        for row in self.materials.head(WORST).itertuples():
            lines.append(
                f"  {row.material}: {row.estimate:,.1f} ({row.low:,.1f} to {row.high:,.1f}), doing nothing {row.do_nothing:,.1f}"
            )
        lines.append("Worst worlds:")
        for row in self.worst.head(5).itertuples():
            lines.append(
                f"  loss {row.loss_musd:,.0f} M (doing nothing {row.without_plan_musd:,.0f}), defence short "
                f"{row.defence_short_t:,.3g} t; {row.driven_by}: {row.events}"
            )
        return "\n".join(lines)


MEANING = {
    "worth": "worth against doing nothing", "expected_loss": "expected loss", "value_at_risk": "loss exceeded with {tail:.0%}",
    "cvar": "CVaR, mean of the worst {tail:.0%}", "worst_case": "largest loss of any world drawn",
    "defence_short": "chance that defence goes short",
}  # fmt: skip


def stress_test(
    result: Result, *, scenarios: int = 1_000, seed: int = 1, confidence: float = 0.95, workers: int = 1,
    myopic: bool = False, executor: Executor | None = None, on_progress: Callable[[int, int], None] | None = None,
) -> StressTest:  # fmt: skip
    """Operate a solved plan through fresh worlds of its own hazards.

    scenarios: worlds drawn in all. myopic: the plan learns how long an event lasts only when it ends (slower by about the
    number of periods; doing nothing has nothing to foresee and stays as it is). workers: spawned processes, 1 for this
    one; an executor takes their place.
    on_progress: called with draws done and in all. ValueError for a plan that draws no worlds, and for one whose operations
    follow another aim than social cost (another objective, a limit on losses): worlds met one by one cannot keep it.
    """
    reason = refused(result.plan)
    if reason:
        raise ValueError(reason)
    per = max(1, scenarios // REPLICATES)
    done = replicates(
        result.plan, result.data, [(result.solution, False), (result.reference, True)], scenarios=scenarios, seed=seed,
        myopic=myopic, workers=workers, executor=executor, on_progress=on_progress,
    )
    own, own_nothing, own_worlds = own_worlds_met(result)
    alpha = result.plan.risk.alpha
    each = [figures(worlds, met, nothing, alpha) for worlds, (met, nothing) in done]
    zero = [figures(worlds, nothing, nothing, alpha) for worlds, (_, nothing) in done]
    known = figures(own_worlds, own, own_nothing, alpha)
    rows = []
    for name, meaning in MEANING.items():
        estimate, low, high = interval([e[name] for e in each], confidence)
        if name == "defence_short":
            low, high = chance([(worlds, met) for worlds, (met, _) in done], (low, high), confidence)
        if name == "worst_case":
            estimate, low, high = max(e[name] for e in each), float("nan"), float("nan")
        rows.append({
            "figure": name, "meaning": meaning.format(tail=1 - alpha),
            "unit": "probability" if name == "defence_short" else "million USD",
            "estimate": estimate, "low": low, "high": high,
            "in_sample": known[name], "do_nothing": float(np.mean([z[name] for z in zero])),
        })  # fmt: skip
    materials = _materials(result, done, own, own_worlds, confidence)
    worlds = _worlds(done, list(FirstStage.of(result.plan, result.data, result.solution).natural.materials))
    return StressTest(pd.DataFrame(rows), materials, worlds, per * REPLICATES, seed, confidence, alpha, myopic)


def replicates(
    plan: Plan, data: Dataset, stages: Sequence[Stage], *, scenarios: int, seed: int, myopic: bool = False, workers: int = 1,
    executor: Executor | None = None, on_progress: Callable[[int, int], None] | None = None,
) -> list[tuple[Worlds, list[Met]]]:  # fmt: skip
    """(worlds, each first stage in them) of `REPLICATES` independent draws."""
    per = max(1, scenarios // REPLICATES)
    seeds = [int(s) for s in np.random.SeedSequence(seed).generate_state(REPLICATES)]
    asked = [(plan, data, stages, per, s, myopic) for s in seeds]
    done: list[tuple[Worlds, list[Met]]] = []
    with workforce(executor, workers) as map_over:
        for answer in map_over(_replicate, asked):
            done.append(answer)
            if on_progress is not None:
                on_progress(len(done), REPLICATES)
    return done


def refused(plan: Plan) -> str:
    """Why a plan cannot be stress-tested; empty where it can."""
    if plan.sample is None:
        return "a stress test draws worlds from hazards: give the plan a [sample]"
    limited = plan.risk.cvar_limit_musd is not None or plan.risk.expected_loss_limit_musd is not None
    if plan.objective.kind != "social_cost" or limited:
        return "a stress test operates at least social cost: not for plans of another aim or with a limit on losses"
    return ""


def own_worlds_met(result: Result) -> tuple[Met, Met, Worlds]:
    """The plan, and doing nothing, in the worlds that the plan was made against; their expectation is the plan's own."""
    first = FirstStage.of(result.plan, result.data, result.solution)
    nothing = FirstStage.of(result.plan, result.data, result.reference, nothing=True)
    return meet(first, first.own_worlds), meet(nothing, first.own_worlds), first.own_worlds


def _replicate(asked: tuple[Plan, Dataset, Sequence[Stage], int, int, bool]) -> tuple[Worlds, list[Met]]:
    """One draw of worlds, met by every first stage."""
    plan, data, stages, worlds, seed, myopic = asked
    firsts = [FirstStage.of(plan, data, solution, nothing=nothing) for solution, nothing in stages]
    drawn = population(firsts[0].natural, data, worlds, seed)
    rows = hazards(plan, data)
    return drawn, [
        meet_myopically(first, drawn, rows) if myopic and not first.nothing else meet(first, drawn) for first in firsts
    ]  # fmt: skip


def chance(done: Sequence[tuple[Worlds, Met]], spread: tuple[float, float], confidence: float) -> tuple[float, float]:
    """Interval of the probability that defence goes short; `spread`: Student's of the draws' own estimates."""
    hits = sum(int((met.defence[_sampled(worlds)] > SHORT_T).sum()) for worlds, met in done)
    drawn = sum(int(_sampled(worlds).sum()) for worlds, _ in done)
    worlds, met = done[0]
    listed = ~_sampled(worlds)
    certain = float(worlds.probability[listed & (met.defence > SHORT_T)].sum())
    return _chance(spread, hits, drawn, confidence, certain, float(worlds.probability[~listed].sum()))


def _chance(
    spread: tuple[float, float], hits: int, worlds: int, confidence: float, certain: float, mass: float
) -> tuple[float, float]:
    """A probability's interval: at least Clopper and Pearson's on the worlds drawn, beside what listed scenarios say.

    certain: probability of listed scenarios that hit; mass: probability of all drawn worlds.
    """
    tail = (1 - confidence) / 2
    exact = float(beta.ppf(1 - tail, hits + 1, worlds - hits)) if hits < worlds else 1.0
    least = float(beta.ppf(tail, hits, worlds - hits + 1)) if hits > 0 else 0.0
    low, high = min(spread[0], certain + mass * least), max(spread[1], certain + mass * exact)
    return max(0.0, certain, low), min(1.0, high)


def figures(worlds: Worlds, met: Met, nothing: Met, alpha: float) -> Figures:
    """The figures of one population of worlds."""
    pi = worlds.probability
    return {
        "worth": float(pi @ (nothing.cost - met.cost)), "expected_loss": float(pi @ met.loss),
        "value_at_risk": quantile(met.loss, pi, alpha), "cvar": cvar_of(met.loss, pi, alpha),
        "worst_case": float(met.loss[pi > 0].max(initial=0.0)),
        "defence_short": float(pi[met.defence > SHORT_T].sum()),
    }  # fmt: skip


def interval(values: list[float], confidence: float) -> tuple[float, float, float]:
    """Mean and Student's interval of independent estimates."""
    found = np.array(values, dtype=float)
    mean, n = float(found.mean()), len(found)
    if n < 2:
        return mean, float("nan"), float("nan")
    half = float(student.ppf((1 + confidence) / 2, n - 1)) * float(found.std(ddof=1)) / n**0.5
    return mean, mean - half, mean + half


def _materials(
    result: Result, done: list[tuple[Worlds, list[Met]]], own: Met, own_worlds: Worlds, confidence: float
) -> pd.DataFrame:
    names = list(FirstStage.of(result.plan, result.data, result.solution).natural.materials)
    rows = []
    for i, name in enumerate(names):
        estimate, low, high = interval([float(w.probability @ m.by_material[:, i]) for w, (m, _) in done], confidence)
        rows.append({
            "material": name, "estimate": estimate, "low": max(0.0, low), "high": high,
            "in_sample": float(own_worlds.probability @ own.by_material[:, i]),
            "do_nothing": float(np.mean([w.probability @ z.by_material[:, i] for w, (_, z) in done])),
        })  # fmt: skip
    return pd.DataFrame(rows).sort_values("do_nothing", ascending=False, ignore_index=True)


def _sampled(worlds: Worlds) -> Any:
    """(S,) whether a world was drawn; listed scenarios and the quiet world come first."""
    return np.arange(len(worlds.names)) > worlds.names.index(NO_EVENT)


def _worlds(done: list[tuple[Worlds, list[Met]]], materials: list[str]) -> pd.DataFrame:
    """Every world of every draw; listed scenarios once. Probabilities add to one. `materials`: as the instance counts them."""
    frames = []
    for r, (worlds, (met, nothing)) in enumerate(done):
        drawn = _sampled(worlds)
        frames.append(pd.DataFrame({
            "world": worlds.names, "replicate": r + 1,
            "probability": np.where(drawn, worlds.probability / len(done), worlds.probability),
            "loss_musd": met.loss, "without_plan_musd": nothing.loss, "cost_musd": met.cost, "defence_short_t": met.defence,
            "driven_by": [_driven(losses, materials) for losses in met.by_material],
            "events": ["; ".join(describe(k) for k in world if _touches(k, set(materials))) for world in worlds.strikes],
        })[drawn | (r == 0)])  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def _driven(losses: Any, materials: list[str]) -> str:
    """The materials that make up a world's loss, with their shares, the largest first."""
    total = float(losses.sum())
    if total <= 0:
        return ""
    order = [i for i in np.argsort(-losses, kind="stable")[:DRIVERS] if losses[i] >= 0.01 * total]
    return ", ".join(f"{materials[i]} {losses[i] / total:.0%}" for i in order)


def _touches(strike: Strike, materials: set[str]) -> bool:
    named = set(strike.materials.split())
    return "*" in named or bool(named & materials)
