"""What the years since the last plan have shown of its hazards: gamma posteriors of their rates (formulation section 15).

Onsets are a Poisson process. A hazard's rate before the evidence stands for a gamma distribution, Gamma(a, b) with mean a / b: a is
the onsets on record plus one half (Jeffreys' prior, as in `data.calibration`), and b follows from the mean. After k onsets in E
years in which it could have begun, the rate is (a + k) / (b + E). The conjugate pair is that of Gelman et al., Bayesian Data
Analysis, 3rd ed., section 2.6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.stats import gamma

from ..data.calibration import LEVEL
from ..schemas.tables import TABLES
from .files import HappenedRow

JEFFREYS = 0.5
"""Onsets that a rate without a record of its own stands for: as little as a rate can."""


@dataclass(frozen=True)
class Evidence:
    """What some years have shown of one hazard."""

    exposure_yr: float
    onsets: int


def shown(
    hazards: Sequence[Any], happened: Sequence[HappenedRow], begin: float, end: float, lasting: Mapping[str, float]
) -> dict[str, Evidence]:
    """Evidence on each hazard from the dates [begin, end) [decimal fiscal years].

    lasting: hazard -> date until which an event of it was in force since before `begin`. Onsets are the counted rows of events that
    came into force in these years; while an event lasts, the hazard cannot begin, and that time is no exposure.
    """
    over = {row.event: row.from_year for row in happened if row.status in ("ended", "suspended")}
    found = {}
    for row in hazards:
        spans, onsets = [(begin, min(end, lasting.get(row.hazard, begin)))], 0
        for event in happened:
            if event.hazard != row.hazard or event.status != "in force" or event.from_year is None:
                continue
            if begin <= event.from_year < end:
                until = over.get(event.event)
                spans.append((float(event.from_year), end if until is None else min(end, float(until))))
                onsets += event.counted
        busy, reached = 0.0, begin
        for first, last in sorted(spans):
            busy += max(0.0, last - max(first, reached))
            reached = max(reached, last)
        found[row.hazard] = Evidence(max(0.0, end - begin - busy), onsets)
    return found


def learned(
    rows: dict[str, list[Any]],
    evidence: Mapping[str, Evidence],
    told: Mapping[str, Any],
    believed: Mapping[str, float] | None = None,
) -> dict[str, list[Any]]:
    """Tables with the evidence added to `hazard_evidence` and the rates of `hazards` after it.

    told: provenance of new rows. believed: hazard -> rate that the plan states itself in place of the table's.
    """
    known = {row.hazard: row for row in rows.get("hazard_evidence", [])}
    hazards, table = [], []
    for row in rows.get("hazards", []):
        new = evidence.get(row.hazard, Evidence(0.0, 0))
        before = known.get(row.hazard)
        stated = (believed or {}).get(row.hazard, row.rate_per_yr)
        prior_rate = stated if before is None else before.prior_rate_per_yr
        shape = shape_of(row) if before is None else before.prior_onsets
        exposure = new.exposure_yr + (0.0 if before is None else before.exposure_yr)
        onsets = new.onsets + (0 if before is None else before.onsets)
        if exposure <= 0 and onsets == 0:
            hazards.append(row)
            continue
        hazards.append(row.model_copy(update=posterior(prior_rate, shape, exposure, onsets)))
        table.append(
            TABLES["hazard_evidence"].model_validate(
                {
                    **told,
                    "hazard": row.hazard,
                    "exposure_yr": exposure,
                    "onsets": onsets,
                    "prior_rate_per_yr": prior_rate,
                    "prior_onsets": shape,
                }
            )
        )
    return {**rows, "hazards": hazards, "hazard_evidence": table}


def posterior(prior_rate: float, shape: float, exposure_yr: float, onsets: int) -> dict[str, float]:
    """Rate per year with its 5 and 95 % points after the evidence; a hazard with rate 0 keeps it unless it has struck."""
    if prior_rate <= 0:
        shape, years = (shape, exposure_yr) if onsets else (0.0, 1.0)
    else:
        years = shape / prior_rate + exposure_yr
    after, tail = shape + onsets, (1 - LEVEL) / 2
    if after <= 0 or years <= 0:
        return {"rate_per_yr": prior_rate}
    low, high = (float(gamma.ppf(q, after)) / years for q in (tail, 1 - tail))
    mean = after / years
    return {"rate_per_yr": mean, "rate_per_yr_low": min(low, mean), "rate_per_yr_high": max(high, mean)}


def shape_of(row: Any) -> float:
    """Onsets that a row's rate stands for: those on its record and one half."""
    if row.observed_yr is None:
        return JEFFREYS
    return float(len(row.calibrated_on.split()) + row.onsets_elsewhere) + JEFFREYS
