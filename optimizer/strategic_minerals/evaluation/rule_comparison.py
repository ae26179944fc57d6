"""A plan beside what ministries do: every rule of thumb and the plan in the same new scenarios, with paired differences."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from ..core.errors import Fault, InputError
from ..core.frames import rows_of
from ..core.runner import HERE, Runner, current
from ..core.sample_statistics import estimated
from ..core.verb import Confidence, verb
from ..data.dataset import Dataset
from ..model.problem import prepare
from ..model.solution import Solution, trunk_alone
from ..optimization.sample_search import SampleSearch, sample_seeds, unbounded, whole_sample
from ..results.act_now import SAMPLES
from ..results.result import Result
from ..results.study import Study
from ..schemas.plan import Plan
from .purchase_rules import PurchaseRule, purchase_rules, purchases_musd
from .rules_of_thumb import without_promises
from .tested import DRAWN_APART, MOST_SCENARIOS, SCENARIOS
from .tested import SAMPLES as COUNT

CLOSE = 0.05
"""Share of the plan's worth within which a rule counts as close."""
ASKED = 0.01
"""Share of the money that a rule asks for and cannot spend, beyond which that is told."""
PLAN = "the plan"


@verb
def compare_rules(
    result: Result,
    *,
    samples: Annotated[
        int, Field(ge=2, le=100, description="Independent samples of scenarios that all of them meet.")
    ] = COUNT,
    scenarios: Annotated[int, Field(ge=1, le=MOST_SCENARIOS, description="Scenarios of each sample.")] = SCENARIOS,
    confidence: Confidence = 0.95,
    run: Runner = HERE,
) -> Study:
    """Compare a plan with what ministries do: days of cover, published ceilings, equal money, shares by value.

    The samples of a run that `solve` tested are taken as far as they go. Tables:
    rules: rule, money (its own, or as much as the plan spends), purchases_musd, worth with its interval, share_of_plan, behind_musd
    the plan with standard error and interval (sample by sample), note; by_sample: rule, money, seed, worth_musd.
    Facts: samples, scenarios in each, confidence.

    Raises InputError for a plan whose samples bind scenarios together, that draws none, or has several aims.
    """
    plan = result.plan
    if plan.sample is None or unbounded(plan):
        reason = unbounded(plan) or "rules of thumb are compared in new scenarios: the plan draws none"
        raise InputError([Fault(plan.name, "", "plan", plan.name, reason)])
    free = without_promises(plan)
    problem = prepare(free, result.data)
    outlay = float(result.tables["budget"].outlay_musd.sum())
    rules = list(purchase_rules(problem, outlay, _ceilings(result.data)))
    search = SampleSearch(problem, result.reference, deadline=time.perf_counter() + current().left())
    base, own = trunk_alone(result.reference), trunk_alone(result.solution)
    courses = [search.under(own if rule.plants else base, rule.bought) for rule in rules]
    fitting = [(rule, course) for rule, course in zip(rules, courses, strict=True) if course is not None]
    given = [own, *(course for _, course in fitting)]
    known = result.tables[SAMPLES].seed.tolist() if SAMPLES in result.tables else []
    seeds = (known + sample_seeds(plan.sample.seed, samples, DRAWN_APART))[:samples]
    asked = [(free, result.data, seed, scenarios, base, given) for seed in seeds]
    met = list(run.each("samples", _met, asked))
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
    tables = {"rules": table, "by_sample": by_sample}
    facts = {"samples": len(seeds), "scenarios": scenarios, "confidence": confidence}
    words = _words(table, len(seeds) * scenarios, confidence)
    return Study("rules", tables, words, facts, {"rules": "Rules of thumb in new scenarios"})


def _words(table: pd.DataFrame, draws: int, confidence: float) -> list[str]:
    """In plain words, the closest rule first. draws: scenarios that all of them met."""
    rules = table[table.rule != PLAN].dropna(subset=["worth_musd"])
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
        f"In {draws:,} new scenarios that all of them meet; million USD, discounted; "
        f"{confidence:.0%} intervals; promises of the plan are left out on all sides:",
    ]
    for row in rows_of(table):
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
    return lines


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


def _met(asked: tuple[Plan, Dataset, int, int, Solution, Sequence[Solution]]) -> list[float]:
    """What doing nothing, then each course, costs in one sample."""
    plan, data, seed, scenarios, nothing, given = asked
    problem = prepare(whole_sample(plan, seed, scenarios), data)
    search = SampleSearch(problem, nothing, deadline=time.perf_counter() + current().left())
    return [search.nothing.social_cost, *(search.cost_of(course).social_cost for course in given)]


def _ceilings(data: Dataset) -> dict[str, float]:
    """Material -> the latest published ceiling [t a year]."""
    rows = sorted(data.rows("purchase_ceilings"), key=lambda row: row.fiscal_year)
    return {row.material: row.ceiling_t_per_yr for row in rows}
