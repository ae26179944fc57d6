"""What can happen, before any solve: how often, for how long and how severely each material is disrupted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from ..checks.consistency import require
from ..core.arrays import Floats
from ..core.frames import rows_of
from ..data.calibration import calibrate
from ..data.dataset import Dataset
from ..instance.build import build_instance
from ..instance.instance import Instance
from ..results.study import StudyResult
from ..scenarios.build import build_scenarios, population
from ..scenarios.events import describe, hazards, longest_event
from ..scenarios.reduction import loss_proxy, losses_by_period
from ..scenarios.risk_measures import cvar_of, quantile
from ..scenarios.scenario_set import ScenarioSet
from ..schemas.plan import Plan

WORST = 10
"""Scenarios listed as the worst."""
SHOWN = 5
"""Worst scenarios, and worst years, listed in the summary."""
LEGAL = ("legal_duration_low", "legal_duration_mean", "legal_duration_high", "events_ended")
"""Columns of the record's durations."""


@dataclass(frozen=True)
class Outlook(StudyResult):
    """The plan's scenarios as tables. Losses are without action, estimated without rearranging supply chains."""

    hazards: pd.DataFrame
    """hazard, rate with its credible interval, probability of an event in the planned years, mean duration and cut in the sample,
    5 % and 95 % points of a lognormal duration, and mean duration of the dated measures behind the hazard with its credible
    interval (`legal_*`: a measure lasts longer than the stop it causes; `events_ended` of them have ended)."""
    materials: pd.DataFrame
    """material, probability of being hit in the planned years, tight years and share of supply lost if hit, price, loss."""
    years: pd.DataFrame
    """fiscal_year, probability that some material is tight, probability that the first event of a scenario falls into the year,
    expected loss and CVaR of the loss at the plan's `risk.alpha`, for each year separately."""
    worst: pd.DataFrame
    """The worst scenarios with their events."""
    reduction: pd.DataFrame
    """figure (expected loss, CVaR at the plan's `risk.alpha`), all_musd (all sampled, listed and quiet scenarios), kept_musd (the
    plan's own scenarios), error_share; empty if the plan samples no more than it keeps."""
    kept: tuple[int, int]
    """How many scenarios the plan keeps, and how many it samples."""
    scenarios: int
    probability: float
    """Sum of all probabilities."""

    kind: ClassVar[str] = "scenarios"
    titles: ClassVar[Mapping[str, str]] = {
        "hazards": "Hazards",
        "materials": "Materials",
        "years": "Years",
        "worst": "Worst scenarios",
        "reduction": "What the reduction changes",
    }

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """hazards, materials, years, worst; reduction where the plan keeps fewer scenarios than it draws."""
        found = {"hazards": self.hazards, "materials": self.materials, "years": self.years, "worst": self.worst}
        return {**found, "reduction": self.reduction} if len(self.reduction) else found

    @property
    def facts(self) -> Mapping[str, Any]:
        """scenarios and probability; kept and drawn: scenarios of the plan's own sample, 0 where it has none."""
        kept, drawn = self.kept
        return {"scenarios": self.scenarios, "probability": self.probability, "kept": kept, "drawn": drawn}

    def summary(self) -> str:
        """The tables as text."""
        hit = self.materials.sort_values("expected_loss_musd", ascending=False).head(WORST)
        lines = [f"{self.scenarios:,} scenarios (probabilities sum to {self.probability:.12g}).", "", "Hazards:"]
        for row in rows_of(self.hazards):
            interval = f" (90 % interval {row.rate_low:.3f} to {row.rate_high:.3f})" if pd.notna(row.rate_low) else ""
            lines.append(
                f"  {row.hazard}: {row.rate_per_yr:.3f} events a year{interval}; occurs with a probability of {row.chance:.0%}, "
                f"lasts {row.mean_duration_yr:.1f} years on average, cuts {row.mean_cut_share:.0%} of supply"
                + (
                    f"; 90 % last {row.duration_yr_low:.1f} to {row.duration_yr_high:.1f} years"
                    if pd.notna(row.duration_yr_low)
                    else ""
                )
                + (
                    f" (past legal measures lasted {row.legal_duration_mean:.1f} years on average, 90 % interval "
                    f"{row.legal_duration_low:.1f} to {row.legal_duration_high:,.0f})"
                    if pd.notna(row.legal_duration_mean) and row.events_ended > 0
                    else ""
                )
                + (" (no past measure of this kind has ended)" if row.events_ended == 0 else "")
            )
        lines += ["", "Materials with the largest expected loss:"]
        for row in rows_of(hit):
            lines.append(
                f"  {row.material}: hit with a probability of {row.chance:.0%}; supply is then tight for "
                f"{row.years_tight:.1f} years, with {row.supply_lost_share:.0%} lost at worst; {_price(row.price_factor_p95)}"
            )
        dire = self.years.sort_values("expected_loss_musd", ascending=False, kind="stable").head(SHOWN)
        lines += ["", "Worst years (loss without action, estimated without rearranging supply chains):"]
        for row in dire.itertuples():
            lines.append(
                f"  FY{row.fiscal_year}: expected loss {row.expected_loss_musd:,.0f} million USD, CVaR {row.cvar_musd:,.0f}; some "
                f"material is tight in {row.chance_some_material_tight:.0%} of scenarios"
            )
        lines += ["", "Worst scenarios (loss without action, same estimate):"]
        for row in self.worst.head(SHOWN).itertuples():
            lines.append(f"  {row.scenario} ({row.probability:.2%}): {row.loss_musd:,.0f} million USD; {row.events}")
        if len(self.reduction):
            told = ", ".join(f"{row.figure} {row.error_share:+.1%}" for row in self.reduction.itertuples())
            kept, drawn = self.kept
            lines += [
                "",
                f"The plan keeps {kept} of {drawn:,} sampled scenarios. This changes the estimate: {told}.",
            ]
        return "\n".join(lines)


def _price(factor: float) -> str:
    """How far the price rises, in words. factor: 95 % point of the price as a multiple of the undisturbed one."""
    if factor < 1.05:
        return "the price does not rise in 95 % of scenarios"
    return f"the price is at most {factor:.1f} times the usual one in 95 % of scenarios"


def scenario_outlook(plan: Plan, data: Dataset, *, scenarios: int = 2000, seed: int | None = None) -> Outlook:
    """Summarise what can happen: the listed scenarios, and others sampled from the plan's hazards.

    scenarios: how many are sampled. seed: of the sample; None: the plan's. Raises PlanError and InputError with all faults.
    """
    require(plan, data)
    instance = build_instance(plan, data, longest_event(plan, data))
    drawn = population(instance, data, scenarios, seed)
    loss = np.zeros((len(drawn.names), len(instance.materials)))
    by_year = np.zeros((len(drawn.names), len(instance.calendar.years)))
    for i, lost in enumerate(losses_by_period(instance, drawn)):
        loss[:, i] = lost.sum(axis=1)
        if instance.at_risk[i]:
            by_year += np.add.reduceat(lost, np.arange(0, lost.shape[1], instance.calendar.per_year), axis=1)
    sample = plan.sample
    kept = (0, 0) if sample is None else (sample.scenarios, sample.draws or sample.scenarios)
    return Outlook(
        _hazards(plan, data, instance, drawn),
        _materials(instance, drawn, loss),
        _years(instance, drawn, by_year),
        _worst(drawn, loss * instance.at_risk),
        _reduction(plan, data, instance),
        kept,
        len(drawn.names),
        float(drawn.probability.sum()),
    )


def _reduction(plan: Plan, data: Dataset, instance: Instance) -> pd.DataFrame:
    """The plan's own scenarios compared with all that it samples."""
    columns, sample = ["figure", "all_musd", "kept_musd", "error_share"], plan.sample
    if sample is None or sample.draws is None:
        return pd.DataFrame(columns=columns)
    both = population(instance, data, sample.draws), build_scenarios(instance, data)
    sets = [(scenarios.probability, loss_proxy(instance, scenarios).sum(axis=1)) for scenarios in both]
    alpha = plan.risk.alpha
    figures = {
        "expected loss": [float(pi @ loss) for pi, loss in sets],
        f"CVaR {alpha:.0%}": [cvar_of(loss, pi, alpha) for pi, loss in sets],
    }
    rows = [(name, every, kept, kept / every - 1 if every > 0 else 0.0) for name, (every, kept) in figures.items()]
    return pd.DataFrame(rows, columns=columns)


def _hazards(plan: Plan, data: Dataset, instance: Instance, scenarios: ScenarioSet) -> pd.DataFrame:
    known = calibrate(data)
    record = known.set_index("hazard") if len(known) else known
    end = instance.calendar.first_year + instance.calendar.step * instance.calendar.planned
    rows = []
    overridden = {override.hazard for override in plan.hazards if override.rate_per_yr is not None}
    for name, row in hazards(plan, data).items():
        stated = len(known) and name not in overridden
        mine = [[k for k in scenario if k.label == name and k.start < end] for scenario in scenarios.events]
        every = [k for scenario in mine for k in scenario]
        if not every:
            continue
        weight = _weights(
            np.array([pi for scenario, pi in zip(mine, scenarios.probability, strict=True) for _ in scenario])
        )
        rows.append(
            {
                "hazard": name,
                "rate_per_yr": row.rate_per_yr,
                "rate_low": record.rate_low.get(name, np.nan) if stated else np.nan,
                "rate_high": record.rate_high.get(name, np.nan) if stated else np.nan,
                "chance": float(sum(pi for scenario, pi in zip(mine, scenarios.probability, strict=True) if scenario)),
                "mean_duration_yr": float(np.average([k.duration for k in every], weights=weight)),
                "mean_cut_share": float(np.average([k.cut for k in every], weights=weight)),
                "duration_yr_low": row.duration_yr_low if row.duration_law == "lognormal" else np.nan,
                "duration_yr_high": row.duration_yr_high if row.duration_law == "lognormal" else np.nan,
                **{column: float(record[column].get(name, np.nan)) if len(known) else np.nan for column in LEGAL},
            }
        )
    columns = [
        "hazard",
        "rate_per_yr",
        "rate_low",
        "rate_high",
        "chance",
        "mean_duration_yr",
        "mean_cut_share",
        "duration_yr_low",
        "duration_yr_high",
        *LEGAL,
    ]
    return pd.DataFrame(rows, columns=columns).sort_values("chance", ascending=False, ignore_index=True)


def _materials(instance: Instance, scenarios: ScenarioSet, loss: Floats) -> pd.DataFrame:
    planned, step, n = instance.calendar.planned, instance.calendar.step, instance.sources
    pi, rows = scenarios.probability, []
    for i, name in enumerate(instance.materials):
        share = np.where(scenarios.tight[:, i, :planned], scenarios.lasting[:, instance.component[i], :planned], 0.0)
        hit = share.sum(axis=1) > 0
        made = np.maximum(instance.yields[:n, i], 0.0)[:, None] * instance.capacity[:n]
        usual = (made * instance.availability[:n]).sum(axis=0)[:planned]
        left = np.einsum("jt,sjt->st", made[:, :planned], scenarios.availability[:, :n, :planned])
        lost = 1 - np.divide(left, usual, out=np.ones_like(left), where=usual > 0)
        factor = (scenarios.price[:, i, :planned] / instance.price[i, :planned]).max(axis=1)
        weight = _weights(pi[hit])
        rows.append(
            {
                "material": name,
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
    for f, year in enumerate(instance.calendar.planned_years):
        tight = scenarios.tight[:, :, index == f].any(axis=(1, 2))
        begins = (
            scenarios.onset.min(axis=1, initial=instance.calendar.periods)[:, None] == np.flatnonzero(index == f)
        ).any(axis=1)
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


def _worst(scenarios: ScenarioSet, loss: Floats) -> pd.DataFrame:
    total = loss.sum(axis=1)
    order = [s for s in np.argsort(-total, kind="stable")[:WORST] if total[s] > 0]
    return pd.DataFrame(
        [
            {
                "scenario": scenarios.names[s],
                "probability": float(scenarios.probability[s]),
                "loss_musd": float(total[s]),
                "events": "; ".join(describe(k) for k in scenarios.events[s]),
            }
            for s in order
        ],
        columns=["scenario", "probability", "loss_musd", "events"],
    )
