"""What can happen, before any solve: how often, for how long and how severely each material is disrupted."""

import math
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from ..answer.study import Study
from ..core.formats import chance
from ..core.frames import Floats, rows_of
from ..core.runner import HERE, Runner
from ..core.stats import NINE_OF_TEN
from ..core.verb import verb
from ..question.consistency import require
from ..question.dataset import Dataset
from ..question.estimates import calibrate
from ..question.names import Names
from ..question.plan import Plan
from ..world.build import build_instance
from ..world.events import ScenarioSet, describe, hazards, longest_event, sampled
from ..world.instance import Instance
from ..world.loss_values import headline, length_in_words, rate_in_words, span_in_words
from ..world.scenarios import cvar_of, losses_by_period, population, quantile

WORST = 10
"""Scenarios listed as the worst."""
SHOWN = 5
"""Worst scenarios, and worst years, listed in the summary."""
SPAN = ("duration_yr_low", "duration_yr_high")
"""Durations between which nine of ten drawn events last, beside their mean."""
ESTIMATE = "loss without any plan; rough estimate, in which supply chains do not adapt"
TITLES = {
    "hazards": "Hazards",
    "materials": "Materials",
    "years": "Years",
    "worst": "Worst scenarios",
    "record": "Events drawn and on record",
}


@verb
def scenario_outlook(
    plan: Plan,
    data: Dataset,
    *,
    scenarios: Annotated[int, Field(ge=1, le=100_000, description="How many scenarios to sample.")] = 2000,
    seed: Annotated[int | None, Field(ge=0, lt=2**63, description="Random seed. Default: the plan's own.")] = None,
    run: Runner = HERE,
) -> Study:
    """Show what can happen, before any solve: how often, for how long and how severely supply is disrupted.

    Losses are without action, estimated without rearranging supply chains. Tables:
    hazards: hazard, its name, rate with its credible interval, probability of an event in the planned years, mean duration and cut
    in the sample, 5 % and 95 % points of the durations drawn;
    materials: material, its name, probability of being hit in the planned years, tight years and share of supply lost then, price,
    loss;
    years: fiscal_year, probability that some material is tight, probability that the first event of a scenario falls into the year,
    expected loss and CVaR of the loss at the plan's `risk.alpha`, for each year separately;
    worst: the worst scenarios: what happens in a line, and all their events;
    record: kind of hazard, events on the record of its hazards, the mean number that the record says for the years in which events
    may strike, and the mean number drawn, those brought on by others included.
    Facts: scenarios and probability (sum of all); alpha; span_years in which events may strike; five_or_more: chance of so many.

    Raises PlanError and InputError with all faults."""
    require(plan, data)
    instance = build_instance(plan, data, longest_event(plan, data))
    drawn, names = population(instance, data, scenarios, seed), Names.of(data)
    loss = np.zeros((len(drawn.names), len(instance.materials)))
    by_year = np.zeros((len(drawn.names), len(instance.calendar.years)))
    for i, lost in enumerate(losses_by_period(instance, drawn)):
        loss[:, i] = lost.sum(axis=1)
        if instance.at_risk[i]:
            by_year += np.add.reduceat(lost, np.arange(0, lost.shape[1], instance.calendar.per_year), axis=1)
    tables = {
        "hazards": _hazards(plan, data, instance, drawn, names),
        "materials": _materials(instance, drawn, loss, names),
        "years": _years(instance, drawn, by_year),
        "worst": _worst(instance, drawn, loss * instance.at_risk, names),
        "record": _record(plan, data, instance, drawn),
    }
    facts = {
        "scenarios": len(drawn.names),
        "probability": float(drawn.probability.sum()),
        "alpha": plan.risk.alpha,
        "span_years": instance.calendar.step * (instance.calendar.periods - 1),
        "five_or_more": float(drawn.probability @ [len(events) >= 5 for events in drawn.events]),
    }
    return Study("scenarios", tables, _words(tables, facts), facts, TITLES)


def _words(tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any]) -> list[str]:
    """The tables as text."""
    lines = [
        f"{facts['scenarios']:,} scenarios (probabilities sum to {facts['probability']:.12g}).",
        "",
        "What can happen (ranges hold nine cases in ten):",
    ]
    lines += [f"  {_hazard(row)}" for row in rows_of(tables["hazards"])]
    tail = f"the worst {100 * (1 - facts['alpha']):.3g} %"
    hit = tables["materials"].sort_values("expected_loss_musd", ascending=False, kind="stable").head(WORST)
    lines += ["", "Materials with the largest expected loss:"]
    lines += [f"  {_material(row)}" for row in rows_of(hit)]
    dire = tables["years"].sort_values("expected_loss_musd", ascending=False, kind="stable").head(SHOWN)
    dire = dire[dire.expected_loss_musd > 0]
    lines += ["", f"Worst years ({ESTIMATE}):"] if len(dire) else []
    lines += [
        f"  FY{row.fiscal_year}: expected loss {row.expected_loss_musd:,.0f} million USD, {row.cvar_musd:,.0f} on average "
        f"in {tail} of cases; {chance(row.chance_some_material_tight)} chance that some material is short"
        for row in rows_of(dire)
    ]
    lines += ["", f"Worst scenarios ({ESTIMATE}; all events: table worst):"] if len(tables["worst"]) else []
    lines += [
        f"  {row.what_happens} [{row.scenario}]: loss {row.loss_musd:,.0f} million USD, probability {row.probability:.2%}"
        for row in rows_of(tables["worst"].head(SHOWN))
    ]
    if len(tables["record"]):
        lines += ["", _against_record(tables["record"], facts)]
    return lines


def _record(plan: Plan, data: Dataset, instance: Instance, drawn: ScenarioSet) -> pd.DataFrame:
    """Events by kind: on the record of the hazards that the plan draws, and drawn."""
    years = instance.calendar.step * (instance.calendar.periods - 1)
    found: dict[str, list[float]] = {}
    for row in sampled(plan, data):
        seen = len(row.calibrated_on.split()) + row.onsets_elsewhere
        struck = [sum(event.label == row.hazard for event in events) for events in drawn.events]
        kind = found.setdefault(row.kind, [0.0, 0.0, 0.0])
        kind[0] += seen
        kind[1] += years * seen / row.observed_yr if row.observed_yr else math.nan
        kind[2] += float(drawn.probability @ struck)
    return pd.DataFrame(
        [[kind, *each] for kind, each in found.items()], columns=["kind", "events", "expected", "drawn"]
    )


def _against_record(record: pd.DataFrame, facts: Mapping[str, Any]) -> str:
    """How many events are drawn, beside what the record says."""
    kinds = "; ".join(
        f"{row.kind.replace('_', ' ')} {row.drawn:.2g} ({row.expected:.2g} on record)"
        if pd.notna(row.expected)
        else f"{row.kind.replace('_', ' ')} {row.drawn:.2g} (no record)"
        for row in rows_of(record)
    )
    return (
        f"Events in {facts['span_years']:g} years, on average: {record.drawn.sum():.2g}; five or more in "
        f"{facts['five_or_more']:.0%} of scenarios. By kind, those that others bring on included: {kinds}."
    )


def _hazard(row: Any) -> str:
    """One hazard: how likely, how often, how long, how severe."""
    often = f"{rate_in_words(row.rate_per_yr)} on average"
    if row.after:
        often = f"by itself {often}, and as an escalation of another"
    if pd.notna(row.rate_low):
        often += f" (the past record allows {rate_in_words(row.rate_high)} to {rate_in_words(row.rate_low)})"
    parts = [
        f"{chance(row.chance)} chance in the planned years",
        often,
        f"cuts {row.mean_cut_share:.0%} of the supply it hits" if row.mean_cut_share > 0 else "cuts no supply",
        f"lasts {span_in_words(row.duration_yr_low, row.duration_yr_high, row.mean_duration_yr)}",
    ]
    return f"{_called(row.name, row.hazard)}: {'; '.join(parts)}"


def _material(row: Any) -> str:
    """One material: how likely it is hit, for how long it is short, how much of it is missing, and what it then costs."""
    name = _called(row.name, row.material)
    if row.chance <= 0:
        return f"{name}: not hit in any scenario"
    price = "the price does not rise in 95 % of cases"
    if row.price_factor_p95 >= 1.05:
        price = f"in 95 % of cases the price rises to at most {row.price_factor_p95:.1f} times the usual one"
    return (
        f"{name}: {chance(row.chance)} chance of being hit; it is then short for {length_in_words(row.years_tight)} in all, and "
        f"{row.supply_lost_share:.0%} of its supply is lost at the worst moment (averages); {price}"
    )


def _called(name: str, code: str) -> str:
    """A name, with the code that commands need."""
    return code if name == code else f"{name} [{code}]"


def _hazards(plan: Plan, data: Dataset, instance: Instance, scenarios: ScenarioSet, names: Names) -> pd.DataFrame:
    record = calibrate(data).set_index("hazard")
    end = instance.calendar.first_year + instance.calendar.step * instance.calendar.planned
    rows = []
    overridden = {override.hazard for override in plan.hazards if override.rate_per_yr is not None}
    for name, row in hazards(plan, data).items():
        mine = [[k for k in scenario if k.label == name and k.start < end] for scenario in scenarios.events]
        every = [(k, pi) for scenario, pi in zip(mine, scenarios.probability, strict=True) for k in scenario]
        if not every:
            continue
        weight = _weights(np.array([pi for _, pi in every]))
        stated = [] if name in overridden else ["rate_low", "rate_high"]
        lengths = np.array([k.duration for k, _ in every])
        ends = [quantile(lengths, weight, level) for level in NINE_OF_TEN]
        rows.append(
            {
                "hazard": name,
                "name": names.hazard(name),
                "rate_per_yr": row.rate_per_yr,
                "after": row.after,
                "chance": float(sum(pi for scenario, pi in zip(mine, scenarios.probability, strict=True) if scenario)),
                "mean_duration_yr": float(np.average(lengths, weights=weight)),
                "mean_cut_share": float(np.average([k.cut for k, _ in every], weights=weight)),
                **(dict(zip(SPAN, ends, strict=True)) if ends[0] < ends[1] else {}),
                **{column: float(record[column].get(name, np.nan)) for column in stated},
            }
        )
    columns = "hazard name rate_per_yr after rate_low rate_high chance mean_duration_yr mean_cut_share".split()
    found = pd.DataFrame(rows, columns=[*columns, *SPAN])
    return found.sort_values("chance", ascending=False, ignore_index=True)


def _materials(instance: Instance, scenarios: ScenarioSet, loss: Floats, names: Names) -> pd.DataFrame:
    planned, step, n = instance.calendar.planned, instance.calendar.step, instance.sources
    pi, rows = scenarios.probability, []
    for i, name in enumerate(instance.materials):
        share = np.where(scenarios.tight[:, i, :planned], scenarios.squeeze[:, i, :planned], 0.0)
        hit = share.sum(axis=1) > 0
        made = np.maximum(instance.yields[:n, i], 0.0)[:, None] * instance.capacity[:n]
        usual = (made * instance.availability[:n]).sum(axis=0)[:planned]
        left = np.einsum("jt,sjt->st", made[:, :planned], scenarios.availability[:, :n, :planned])
        lost = 1 - np.divide(left, usual, out=np.ones_like(left), where=usual > 0)
        dearest = scenarios.price[:, i, :planned] * scenarios.market_gap[:, i, :planned]
        factor = (dearest / instance.price[i, :planned]).max(axis=1)
        weight = _weights(pi[hit])
        rows.append(
            {
                "material": name,
                "name": names.material(name),
                "chance": float(pi[hit].sum()),
                "years_tight": float(weight @ (share[hit].sum(axis=1) * step)) if hit.any() else 0.0,
                "supply_lost_share": float(weight @ lost[hit].max(axis=1)) if hit.any() else 0.0,
                "price_factor_p95": quantile(factor, _weights(pi), 0.95),
                "expected_loss_musd": float(pi @ loss[:, i]),
            }
        )
    return pd.DataFrame(rows)


def _weights(probability: Floats) -> Floats:
    """Shares of probability; equal if all are zero, as for a scenario listed with none to see its effect."""
    total = probability.sum()
    return np.asarray(probability / total) if total > 0 else np.full(len(probability), 1 / max(1, len(probability)))


def _years(instance: Instance, scenarios: ScenarioSet, loss: Floats) -> pd.DataFrame:
    """loss: (S, years) [million USD]."""
    rows, index, pi = [], instance.calendar.year_index, scenarios.probability
    first = scenarios.onset.min(axis=1, initial=instance.calendar.periods)
    for f, year in enumerate(instance.calendar.planned_years):
        tight = scenarios.tight[:, :, index == f].any(axis=(1, 2))
        begins = (first[:, None] == np.flatnonzero(index == f)).any(axis=1)
        rows.append(
            {
                "fiscal_year": year,
                "chance_some_material_tight": float(pi[tight].sum()),
                "chance_first_event": float(pi[begins].sum()),
                "expected_loss_musd": float(pi @ loss[:, f]),
                "cvar_musd": cvar_of(loss[:, f], pi, instance.plan.risk.alpha),
            }
        )
    return pd.DataFrame(rows)


def _worst(instance: Instance, scenarios: ScenarioSet, loss: Floats, names: Names) -> pd.DataFrame:
    total = loss.sum(axis=1)
    order = [s for s in np.argsort(-total, kind="stable")[:WORST] if total[s] > 0]
    rows = []
    for s in order:
        events = scenarios.events[s]
        listed = "; ".join(describe(k) for k in events)
        rows.append((scenarios.names[s], scenarios.probability[s], total[s], headline(events, instance, names), listed))
    return pd.DataFrame(rows, columns=["scenario", "probability", "loss_musd", "what_happens", "events"])
