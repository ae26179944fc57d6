"""Parts of the page of a backtest: forecasts, false alarms, what could be planned, estimates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from ..core.frames import rows_of
from .page_tables import main_run, money, part, ratio, runs, score, table, text, tonnes, whole
from .result import Backtest


def calibration_part(found: Backtest) -> Iterator[str]:
    """Intervals and Brier scores."""
    counts = part(found, "calibration_counts")
    if len(counts):
        yield "### Calibration"
        yield (
            "Forecasts of the first plan for each material and year; intervals from the 5 to the 95 % point. "
            "Inside: what happened centrally; "
            "the whole band of what may have happened; at least some of it. Expected: 5 to 95 % range of a binomial count at 90 %."
        )
        yield table(
            counts.assign(
                expected=[f"{a:.0f} to {b:.0f}" for a, b in zip(counts.expected_low, counts.expected_high, strict=True)]
            ),
            [
                ("run", "what was known", text),
                ("quantity", "quantity", text),
                ("forecasts", "forecasts", whole),
                ("central_inside", "central inside", whole),
                ("band_inside", "band inside", whole),
                ("band_overlaps", "band overlaps", whole),
                ("expected", "expected", text),
                ("pinball_p05", "pinball loss, 5 %", score),
                ("pinball_p50", "50 %", score),
                ("pinball_p95", "95 %", score),
            ],
        )
    brier = part(found, "brier")
    if len(brier):
        yield "### Forecasts of controls (Brier score, lower is better)"
        own = brier[(brier.forecast == "plan") | (brier.run == brier.run.iloc[0])]
        yield table(
            own.assign(run=[row.run if row.forecast == "plan" else "reference" for row in rows_of(own)]),
            [
                ("forecast", "forecast", text),
                ("run", "what was known", text),
                ("score", "score", score),
                ("materials", "materials", whole),
                ("notices", "notices", whole),
                ("score_by_notice", "mean over notices of the materials with a control", score),
            ],
        )
        missing = sorted({name for cell in brier.without_forecast for name in str(cell).split("; ") if name})
        if missing:
            names = ", ".join(missing).replace("_", " ")
            yield f"Without a forecast of the plan, and given the pooled one in its score: {names}."
        chances = part(found, "probabilities", run=main_run(found))
        yield table(
            chances.assign(material=lambda f: f.material.str.replace("_", " ")),
            [
                ("material", "material", text),
                ("plan", "plan", ratio),
                ("own_counts", "own counts", ratio),
                ("outcome", "control in force", whole),
            ],
        )


def placebos_part(found: Backtest) -> Iterator[str]:
    """Money on materials without a control."""
    bought = part(found, "by_material", run=main_run(found))
    if not len(bought):
        return
    yield "### False alarms"
    false = bought[(bought.outcome == 0) & (bought.spent_musd > 0)]
    yield "Money that the plan placed on materials without a control:"
    yield table(
        false.assign(
            plan=lambda f: f.plan.str.removeprefix("plan, "), material=lambda f: f.material.str.replace("_", " ")
        ),
        [
            ("budget_musd", "budget", money),
            ("plan", "plan", text),
            ("material", "material", text),
            ("spent_musd", "spent", money),
            ("without_loss_avoided_musd", "gain or loss", money),
        ],
    )
    quiet = part(found, "noise")
    quiet = quiet[quiet.lowest < 1] if len(quiet) else quiet
    if len(quiet):
        told = ", ".join(
            f"{row.material.replace('_', ' ')} {row.lowest:.2f} ({int(row.year)})" for row in rows_of(quiet)
        )
        yield f"Without any control availability fell to: {told}. A smaller fall is no evidence of a control."


def apart_part(found: Backtest) -> Iterator[str]:
    """Materials without a price series; spikes."""
    apart = part(found, "apart")
    if len(apart):
        yield "### Shown apart: no price series"
        first = apart.iloc[0]
        yield (
            f"By an estimate of the price ({first.price_usd_per_kg:g} USD/kg, {first.price_low:g} to "
            f"{first.price_high:g}: {first.reason}), "
            "what the yearly ceilings of the stockpile would have covered if they had been bought:"
        )
        yield table(
            apart.assign(material=lambda f: f.material.str.replace("_", " ")),
            [
                ("material", "material", text),
                ("lost_t", "lost (t)", tonnes),
                ("ceilings_t", "ceilings (t)", tonnes),
                ("covered_t", "covered (t)", tonnes),
                ("purchases_musd", "purchases", money),
                ("function", "function", text),
                ("avoided_musd", "loss avoided", money),
            ],
        )
    spikes = part(found, "spikes")
    if len(spikes):
        yield "### Price spikes, as the files have them"
        yield table(
            spikes.assign(material=lambda f: f.material.str.replace("_", " ")),
            [("material", "material", text), ("what", "what", text), ("ratio", "ratio", ratio)],
        )


def planned_part(found: Backtest) -> Iterator[str]:
    """What could be planned, and why not."""
    could = part(found, "materials")
    if not len(could):
        return
    yield "### What could be planned"
    rows = []
    for name in runs(found):
        own = could[could.run == name]
        first = own[own.day == own.day.min()]
        yes = first[first.planned.astype(bool)]
        rows.append({"run": name, "count": len(yes), "yes": ", ".join(yes.material).replace("_", " ")})
    yield table(
        pd.DataFrame(rows),
        [("run", "what was known", text), ("count", "planned on the first day", whole), ("yes", "which", text)],
    )
    own = could[could.run == main_run(found)]
    first = own[own.day == own.day.min()]
    not_ = first[~first.planned.astype(bool)]
    yield table(
        not_.assign(material=lambda f: f.material.str.replace("_", " ")),
        [("material", "not planned", text), ("why_not", "why", text)],
    )
    stale = [f"{day}: {int((g.stale != '').sum())}" for day, g in own.groupby("day")]
    yield f"Materials with a stale series, by day of the plan ({main_run(found)}): {'; '.join(stale)}."


def estimates_part(found: Backtest) -> Iterator[str]:
    """Estimates with their reasons."""
    yield "### Estimates, fixed before the first run"
    rows = [{"name": name.replace("_", " "), **guess} for name, guess in found.settings["estimates"].items()]
    yield table(
        pd.DataFrame(rows),
        [
            ("name", "estimate", text),
            ("value", "value", _short),
            ("low", "low", _short),
            ("high", "high", _short),
            ("reason", "reason", text),
        ],
    )


def _short(value: Any) -> str:
    return f"{value:.3g}"
