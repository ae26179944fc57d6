"""A plan beside what ministries do: every rule of thumb and the plan in the same new scenarios, with paired differences."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from ..core.frames import rows_of
from ..core.parallel import workforce
from ..core.sample_statistics import estimated
from ..data.dataset import Dataset
from ..model.problem import prepare
from ..model.solution import Solution, trunk_alone
from ..optimization.sample_search import SampleSearch, sample_seeds, unbounded, whole_sample
from ..results.act_now import SAMPLES
from ..results.result import Result
from ..results.study import StudyResult
from ..schemas.plan import Plan
from .purchase_rules import PurchaseRule, purchase_rules, purchases_musd
from .rules_of_thumb import without_promises
from .tested import DRAWN_APART, SCENARIOS
from .tested import SAMPLES as COUNT

CLOSE = 0.05
"""Share of the plan's worth within which a rule counts as close."""
ASKED = 0.01
"""Share of the money that a rule asks for and cannot spend, beyond which that is told."""
PLAN = "the plan"


@dataclass(frozen=True)
class RuleComparison(StudyResult):
    """What rules of thumb are worth beside the plan."""

    table: pd.DataFrame
    """rule, money (its own, or as much as the plan spends), purchases_musd, worth with its interval, share_of_plan, behind_musd the
    plan with standard error and interval (sample by sample), note."""
    by_sample: pd.DataFrame
    """rule, money, seed, worth_musd."""
    samples: int
    scenarios: int
    confidence: float

    kind: ClassVar[str] = "rules"
    titles: ClassVar[Mapping[str, str]] = {"rules": "Rules of thumb in new scenarios", "by_sample": ""}

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """rules: `table`; by_sample."""
        return {"rules": self.table, "by_sample": self.by_sample}

    @property
    def facts(self) -> Mapping[str, Any]:
        """samples, scenarios in each, confidence."""
        return {"samples": self.samples, "scenarios": self.scenarios, "confidence": self.confidence}

    def summary(self) -> str:
        """In plain words, the closest rule first."""
        rules = self.table[self.table.rule != PLAN].dropna(subset=["worth_musd"])
        close = rules[rules.share_of_plan >= 1 - CLOSE]
        if len(close):
            best = close.iloc[0]
            head = (
                f"A RULE OF THUMB COMES CLOSE: '{best.rule}' at {best.money} money is worth {best.share_of_plan:.0%} of the "
                f"plan; {len(close)} of {len(rules)} are within {CLOSE:.0%}."
            )
        elif len(rules):
            best = rules.iloc[0]
            head = (
                f"NO RULE OF THUMB COMES CLOSE: the best, '{best.rule}' at {best.money} money, is worth "
                f"{best.share_of_plan:.0%} of the plan."
            )
        else:
            head = "NO RULE OF THUMB fits the plan."
        lines = [
            head,
            f"In {self.samples * self.scenarios:,} new scenarios that all of them meet; million USD, discounted; "
            f"{self.confidence:.0%} intervals; promises of the plan are left out on all sides:",
        ]
        for row in rows_of(self.table):
            note = f" ({row.note})" if row.note else ""
            if pd.isna(row.worth_musd):
                lines.append(f"  {row.rule}, {row.money} money: not compared{note}")
                continue
            money = f", {row.money} money ({row.purchases_musd:,.0f} of purchases)" if row.money else ""
            behind = (
                f"; {row.behind_musd:,.0f} less than the plan ({row.behind_low_musd:,.0f} to {row.behind_high_musd:,.0f})"
                if row.rule != PLAN
                else ""
            )
            interval = f"{row.worth_low_musd:,.0f} to {row.worth_high_musd:,.0f}"
            lines.append(f"  {row.rule}{money}: worth {row.worth_musd:,.0f} ({interval}){behind}{note}")
        return "\n".join(lines)


def compare_rules(
    result: Result,
    *,
    samples: int = COUNT,
    scenarios: int = SCENARIOS,
    confidence: float = 0.95,
    time_limit_s: float = 3600.0,
    workers: int = 1,
    executor: Executor | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> RuleComparison:
    """Let the plan and rules of thumb of ministries meet the same new scenarios.

    samples, scenarios: how many, of how many each; the draws of a run that `decide` made are taken as far as they go. confidence:
    of intervals. time_limit_s: for each sample. workers: spawned processes; 1: this one. executor: takes their place. on_progress:
    called with parts done, and in all.

    Raises ValueError for a plan whose samples bind scenarios together, that draws none, or has several aims.
    """
    plan = result.plan
    if plan.sample is None or unbounded(plan):
        raise ValueError(unbounded(plan) or "rules of thumb are compared in new scenarios: the plan draws none")
    free = without_promises(plan)
    problem = prepare(free, result.data)
    outlay = float(result.tables["budget"].outlay_musd.sum())
    rules = list(purchase_rules(problem, outlay, _ceilings(result.data)))
    search = SampleSearch(problem, result.reference, deadline=time.perf_counter() + time_limit_s)
    base, own = trunk_alone(result.reference), trunk_alone(result.solution)
    courses = [search.under(own if rule.plants else base, rule.bought) for rule in rules]
    fitting = [(rule, course) for rule, course in zip(rules, courses, strict=True) if course is not None]
    given = [own, *(course for _, course in fitting)]
    known = result.tables[SAMPLES].seed.tolist() if SAMPLES in result.tables else []
    seeds = (known + sample_seeds(plan.sample.seed, samples, DRAWN_APART))[:samples]
    asked = [(free, result.data, seed, scenarios, base, given, time_limit_s) for seed in seeds]
    met: list[list[float]] = []
    with workforce(executor, workers) as map_over:
        for costs in map_over(_met, asked):
            met.append(costs)
            if on_progress is not None:
                on_progress(len(met), len(seeds))
    worth = np.array(met)[:, :1] - np.array(met)[:, 1:]
    names = [(PLAN, ""), *((rule.name, rule.money) for rule, _ in fitting)]
    left_out = [rule for rule, course in zip(rules, courses, strict=True) if course is None]
    spent = [purchases_musd(problem, course) for _, course in fitting]
    money = [outlay, *spent]
    notes = ["", *(_note(rule, musd) for (rule, _), musd in zip(fitting, spent, strict=True))]
    rows = [
        _row(name, spent, note, worth[:, k], worth[:, 0], confidence)
        for k, (name, spent, note) in enumerate(zip(names, money, notes, strict=True))
    ]
    rows += [{"rule": rule.name, "money": rule.money, "note": "it does not fit the budget"} for rule in left_out]
    table = pd.DataFrame(rows).sort_values("worth_musd", ascending=False, na_position="last", ignore_index=True)
    by_sample = pd.DataFrame(
        [
            {"rule": name, "money": money_of, "seed": seed, "worth_musd": float(value)}
            for k, (name, money_of) in enumerate(names)
            for seed, value in zip(seeds, worth[:, k], strict=True)
        ]
    )
    return RuleComparison(table, by_sample, len(seeds), scenarios, confidence)


def _note(rule: PurchaseRule, musd: float) -> str:
    """What keeps a rule from buying what it asks for."""
    short = f"{musd / rule.spent_musd:.0%} of what it asks for" if musd < (1 - ASKED) * rule.spent_musd else ""
    return "; ".join(part for part in (rule.note, short) if part)


def _row(name: tuple[str, str], spent: float, note: str, worth: Any, plan: Any, confidence: float) -> dict[str, Any]:
    """One rule, or the plan."""
    own, behind = estimated(worth.tolist(), confidence), estimated((plan - worth).tolist(), confidence)
    return {
        "rule": name[0],
        "money": name[1],
        "purchases_musd": spent,
        "worth_musd": own.mean,
        "worth_low_musd": own.low,
        "worth_high_musd": own.high,
        "share_of_plan": own.mean / float(plan.mean()) if plan.mean() > 0 else float("nan"),
        "behind_musd": behind.mean,
        "behind_error_musd": behind.standard_error,
        "behind_low_musd": behind.low,
        "behind_high_musd": behind.high,
        "note": note,
    }


def _met(asked: tuple[Plan, Dataset, int, int, Solution, Sequence[Solution], float]) -> list[float]:
    """What doing nothing, then each course, costs in one sample."""
    plan, data, seed, scenarios, nothing, given, time_limit_s = asked
    problem = prepare(whole_sample(plan, seed, scenarios), data)
    search = SampleSearch(problem, nothing, deadline=time.perf_counter() + time_limit_s)
    return [search.nothing.social_cost, *(search.cost_of(course).social_cost for course in given)]


def _ceilings(data: Dataset) -> dict[str, float]:
    """Material -> the latest published ceiling [t a year]."""
    rows = sorted(data.rows("purchase_ceilings"), key=lambda row: row.fiscal_year)
    return {row.material: row.ceiling_t_per_yr for row in rows}
