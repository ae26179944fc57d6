"""Disruptions as they were observed beside what the table of hazards says of them: is the model harsher than history?"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from ..checks.consistency import require
from ..core.arrays import Floats
from ..core.frames import typed
from ..data.calibration import LEVEL
from ..data.dataset import Dataset
from ..data.names import Names
from ..data.observed_losses import EMBARGO, LICENCE, Course, courses
from ..data.profile_fit import leave_one_out
from ..scenarios.events import hazards, profiles_of
from ..scenarios.profiles import HazardProfile, drawn_spreads
from ..scenarios.profiles import year_equivalents as by_profile
from ..scenarios.sampling import durations, severities
from ..schemas.plan import Plan

LENGTHS, DEPTHS = 1024, 64
"""Equally likely durations and cuts; a hazard's year-equivalents are those of all pairs. Durations have the longer tail: with so
many the mean of a lognormal over a factor of 17 is within 0.3 %."""
CONTROLS = (LICENCE, EMBARGO)
"""Kinds of hazard that an observed control may be one of, where no hazard names its event."""
EXACT = 1e-9
"""Relative difference of year-equivalents that is none."""
REPLAY = {
    "event": "text",
    "disruption": "text",
    "profile": "text",
    "material": "text",
    "flow": "text",
    "peak_share": "number",
    "loss_months": "number",
    "known_months": "number",
    "record_months": "number",
    "net_yr": "number",
    "gross_yr": "number",
    "running": "text",
    "hazard": "text",
    "hazard_name": "text",
    "hazard_mean_yr": "number",
    "hazard_low_yr": "number",
    "hazard_high_yr": "number",
    "ratio": "number",
    "verdict": "text",
}
"""Columns of a replay and their kinds."""
KINDS_HELD = {
    "event": "text",
    "disruption": "text",
    "kind": "text",
    "events_fitted": "number",
    "gross_yr": "number",
    "running": "text",
    "low_yr": "number",
    "median_yr": "number",
    "high_yr": "number",
    "ratio": "number",
    "verdict": "text",
    "within_factor_two": "text",
}
"""Columns of `kinds_held` and their kinds."""


def replay_observed(plan: Plan, data: Dataset) -> pd.DataFrame:
    """Every observed disruption beside the hazard of the model that it is an event of, as the plan has it; one row for each
    profile and material, in the order of `observed_profiles`.

    Columns: event; disruption (in words); profile; material; flow; peak_share; loss_months (of more than 5 %); known_months and
    record_months since the onset; net_yr and gross_yr: years of normal supply lost, with and without what came above normal;
    running (yes: lower bounds); hazard (empty: none) and hazard_name; hazard_mean_yr, hazard_low_yr, hazard_high_yr: mean, 5 % and
    95 % points of the years of supply that its events lose; ratio: hazard_mean_yr / gross_yr; verdict in words. Raises PlanError
    and InputError with all faults.
    """
    require(plan, data)
    return replayed(plan, data)


def replayed(plan: Plan, data: Dataset) -> pd.DataFrame:
    """As `replay_observed`, of a plan and tables that were checked."""
    rows, names = hazards(plan, data), Names.of(data)
    country = {row.event: row.country for row in data.rows("policy_events")}
    draws, shaped = grid(LENGTHS, DEPTHS), profiles_of(plan, data)
    found = []
    for course in courses(data.rows("observed_profiles")):
        for material in course.materials:
            row = hazard_of(
                course, material, rows.values(), {country[event] for event in course.events if event in country}
            )
            lost = np.zeros(0) if row is None else year_equivalents(row, material, draws, shaped.get(row.hazard))
            found.append(_row(course, material, row, lost, names))
    return typed(pd.DataFrame(found, columns=list(REPLAY)), REPLAY)


def grid(lengths: int, depths: int) -> Floats:
    """(lengths*depths, 2) equally likely pairs in (0, 1): every one of some durations with every one of some cuts."""
    first, second = ((np.arange(points) + 0.5) / points for points in (lengths, depths))
    return np.stack(np.meshgrid(first, second, indexing="ij"), axis=-1).reshape(-1, 2)


def year_equivalents(row: Any, material: str, draws: Floats, profile: HazardProfile | None = None) -> Floats:
    """Years of the supply of a material that events of a hazard lose: by its profile where it has one, else cut * duration by the
    laws of its row.

    draws: (n, 2) in (0, 1), for duration and cut. (m,) with m <= n: events that cut nothing, `on_off` ones that are off, are no
    events. The cut is that of the sources named, whatever the material.
    """
    if profile is not None:
        severity, stretch, felt = drawn_spreads(row, draws)
        return by_profile(profile, material, severity, stretch) * felt
    cut = severities(row, draws[:, 1])
    happens = cut > 0 if row.cut_law == "on_off" else np.full(len(cut), True)
    return np.asarray((cut * durations(row, draws[:, 0]))[happens])


def hazard_of(course: Course, material: str, rows: Iterable[Any], countries: set[str]) -> Any:
    """The hazard that an observed course is an event of: one calibrated on it; else the licence or embargo of the same countries.

    Of several the one with the fewest materials. None: no hazard of the table.
    """
    hit = [row for row in rows if material in row.materials.split()]
    named = [row for row in hit if set(row.calibrated_on.split()) & set(course.events)]
    like = [row for row in hit if row.kind in CONTROLS and set(row.countries.split()) & countries]
    return min(named or like, key=lambda row: len(row.materials.split()), default=None)


def _row(course: Course, material: str, hazard: Any, lost: Floats, names: Names) -> dict[str, Any]:
    known, recorded = course.months
    told: dict[str, Any] = {
        "event": " ".join(course.events),
        "disruption": _disruption(course, material, names),
        "profile": course.profile,
        "material": material,
        "flow": course.flow,
        "peak_share": course.peak,
        "loss_months": course.loss_months,
        "known_months": known,
        "record_months": recorded,
        "net_yr": course.net,
        "gross_yr": course.gross,
        "running": "yes" if course.running else "no",
        "hazard": "" if hazard is None else hazard.hazard,
        "hazard_name": "" if hazard is None else hazard.name,
    }
    if hazard is None:
        return {**told, "verdict": "the hazards do not have it"}
    lost = lost if len(lost) else np.zeros(1)  # events that never cut anything
    low, high = (float(point) for point in np.quantile(lost, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    mean = float(lost.mean())
    return {
        **told,
        "hazard_mean_yr": mean,
        "hazard_low_yr": low,
        "hazard_high_yr": high,
        "ratio": mean / course.gross if course.gross > 0 else math.nan,
        "verdict": verdict(course, mean, low, high),
    }


def verdict(course: Course, mean: float, low: float, high: float) -> str:
    """Whether the hazard is harsher than what was observed. mean, low, high: of its year-equivalents.

    Losses of a disruption that still runs are lower bounds: below the range they say nothing yet, above it they do.
    """
    gross = course.gross
    if gross == 0:
        return f"no loss observed; events of the hazard lose {mean:.2g} years of supply on average"
    if gross > high * (1 + EXACT):
        words = f"milder by {gross / mean:.1f}" if mean > 0 else "milder: events of the hazard lose nothing"
    elif gross >= low * (1 - EXACT):
        words = "within the range"
    else:
        words = "below the range so far" if course.running else f"harsher by {mean / gross:.1f}"
    known, recorded = course.months
    if course.running:
        words += ", still running"
    return words if known >= recorded else f"{words} ({known:g} of {recorded:g} months known)"


def _disruption(course: Course, material: str, names: Names) -> str:
    """What was disrupted, in words: `NdFeB magnets to United States from 2025-04-04`."""
    where = {"WLD": "all countries", "OTH": "all other countries"}.get(course.destination)
    form = f" ({course.form})" if course.form else ""
    routes = ", all routes" if course.flow == "effective" else ""
    target = where or names.country(course.destination)
    return f"{names.material(material)}{form} to {target}{routes} from {course.onset.isoformat()}"


def kinds_held(plan: Plan, data: Dataset) -> pd.DataFrame:
    """Every observed control beside others of its kind: does a law fitted to them have room for it (`leave_one_out`)?

    Columns: event; disruption (in words); kind; events_fitted; gross_yr of the controlled flow; running (yes: a lower bound);
    low_yr, median_yr, high_yr of the fit (90 % interval); ratio: gross_yr / median_yr; verdict; within_factor_two (yes, no, or
    empty: not asked).
    """
    found = leave_one_out(data.rows("observed_profiles"), data.rows("policy_events"), plan.home)
    rows, names = {row.event: row for row in data.rows("policy_events")}, Names.of(data)
    words = []
    for event in found["event"]:
        first = next(rows[name] for name in event.split() if name in rows)
        words.append(
            f"{names.country(first.country)}, {first.instrument} from {first.effective}: {', '.join(first.minerals.split(','))}"
        )
    told = found.rename(columns={"observed_yr": "gross_yr"}).assign(
        disruption=words, running=["yes" if running else "no" for running in found["running"]]
    )
    return typed(told, KINDS_HELD)


def kind_lines(table: pd.DataFrame) -> list[str]:
    """The table of `kinds_held` in words, one line a row."""
    found = []
    for row in table.to_dict("records"):
        so_far = " so far" if row["running"] == "yes" else ""
        others = (
            ""
            if pd.isna(row["low_yr"])
            else f"; {row['events_fitted']:.0f} others of the same kind ({row['kind']}) say "
        )
        if others:
            others += f"{row['low_yr']:.2f} to {row['high_yr']:.2f}"
        found.append(f"  {row['disruption']}: {row['gross_yr']:.2f}{so_far}{others}: {row['verdict']}")
    return found


def replay_lines(table: pd.DataFrame) -> list[str]:
    """A replay in words, one line a row."""
    found = []
    for row in table.to_dict("records"):
        observed = (
            f"  {row['disruption']}: up to {row['peak_share']:.0%} lost, months of loss: {row['loss_months']:.3g}, "
            f"{row['gross_yr']:.2f} years of supply ({row['net_yr']:.2f} net)"
        )
        model = ""
        if row["hazard"]:
            model = (
                f"; {row['hazard_name'] or row['hazard']}: {row['hazard_mean_yr']:.2f} on average, 90 % from "
                f"{row['hazard_low_yr']:.2f} to {row['hazard_high_yr']:.2f}"
            )
        found.append(f"{observed}{model}: {row['verdict']}")
    return found
