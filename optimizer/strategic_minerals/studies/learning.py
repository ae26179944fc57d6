"""What the years have shown of hazards, and paths of years to live a plan through."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from scipy.special import gammaincinv

from ..answer.year import NewsRow
from ..core.stats import MONTHS_PER_YEAR
from ..question.dataset import Dataset
from ..question.estimates import LEVEL
from ..question.plan import Ongoing, Plan, Sample
from ..question.tables import TABLES
from ..world.draws import shape_of
from ..world.events import DisruptionEvent
from ..world.instance import Instance
from ..world.scenarios import draws


# What the years since the last plan have shown of its hazards: gamma posteriors of their rates.
class Evidence(NamedTuple):
    """What some years have shown of one hazard."""

    exposure_yr: float
    onsets: int


def evidence_of(
    hazards: Sequence[Any], happened: Sequence[NewsRow], begin: float, end: float, lasting: Mapping[str, float]
) -> dict[str, Evidence]:
    """Evidence on each hazard from the dates [begin, end) [decimal fiscal years].

    lasting: hazard -> date until which an event of it was in force since before `begin`. Onsets are the counted rows of events that
    came into force in these years; while an event lasts, the hazard cannot begin, and that time is no exposure."""
    over = {row.item: row.from_year for row in happened if row.status in ("ended", "suspended")}
    found = {}
    for row in hazards:
        spans, onsets = [(begin, min(end, lasting.get(row.hazard, begin)))], 0
        for event in happened:
            if event.hazard != row.hazard or event.status != "in force" or event.from_year is None:
                continue
            if begin <= event.from_year < end:
                until = over.get(event.item)
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
    provenance: Mapping[str, Any],
    believed: Mapping[str, float],
) -> dict[str, list[Any]]:
    """Tables with the evidence added to `hazard_evidence` and the rates of `hazards` after it.

    provenance: of new rows. believed: hazard -> rate that the plan states itself in place of the table's."""
    known = {row.hazard: row for row in rows.get("hazard_evidence", [])}
    hazards, table = [], []
    for row in rows.get("hazards", []):
        new = evidence.get(row.hazard, Evidence(0.0, 0))
        before = known.get(row.hazard)
        exposure, onsets = new
        if before is None:
            prior_rate, shape = believed.get(row.hazard, row.rate_per_yr), shape_of(row)
        else:
            prior_rate, shape = before.prior_rate_per_yr, before.prior_onsets
            exposure, onsets = exposure + before.exposure_yr, onsets + before.onsets
        if (exposure <= 0 and onsets == 0) or math.isinf(shape):  # a rate that is as stated learns nothing
            hazards.append(row)
            continue
        hazards.append(row.model_copy(update=posterior(prior_rate, shape, exposure, onsets)))
        cells = {"hazard": row.hazard, "exposure_yr": exposure, "onsets": onsets}
        prior = {"prior_rate_per_yr": prior_rate, "prior_onsets": shape}
        table.append(TABLES["hazard_evidence"].model_validate({**provenance, **cells, **prior}))
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
    low, high = (float(gammaincinv(after, q)) / years for q in (tail, 1 - tail))
    mean = after / years
    return {"rate_per_yr": mean, "rate_per_yr_low": min(low, mean), "rate_per_yr_high": max(high, mean)}


# Paths of years: what happens, month by month, and what of it is known at a date.
PATHS = 7_919
"""Added to the seeds of paths: other draws of the same plan have others."""


@dataclass(frozen=True)
class PathEvent:
    """An event of a path, as it truly is."""

    name: str
    event: DisruptionEvent

    @property
    def begin(self) -> float:
        """Date at which it begins, a flood before its cut included [decimal fiscal year]."""
        return self.event.start

    @property
    def end(self) -> float:
        """Date at which it ends."""
        return self.event.start + self.event.flood + self.event.duration

    def seen(self, date: float) -> Ongoing:
        """The event as it is known at a date at which it has begun: its depth and pace are, its end only once it is past."""
        e = self.event
        stated: dict[str, Any] = {"hazard": e.label, "materials": e.materials}
        if e.profile is None:
            stated["cut_share"] = e.cut
        else:
            stated |= {"severity": e.severity, "stretch": e.stretch}
        over = {"ended_year": self.end} if self.end <= date else {}
        return Ongoing.model_validate({"name": self.name, "start_year": e.start, **stated, **over})

    def happened(self) -> NewsRow:
        """The event as evidence on its hazard."""
        hazard, own = self.event.label, not self.event.brought_on
        return NewsRow(item=self.name, status="in force", hazard=hazard, from_year=self.begin, counted=own)


@dataclass(frozen=True)
class ScenarioPath:
    """One course of the years."""

    number: int
    events: tuple[PathEvent, ...]

    def begun(self, before: float) -> tuple[PathEvent, ...]:
        """Events that have begun before a date."""
        return tuple(event for event in self.events if event.begin < before)

    def known(self, start: float, date: float) -> tuple[Ongoing, ...]:
        """What is known at a date of events that were not over when the year began at `start`."""
        return tuple(event.seen(date) for event in self.begun(date) if event.end > start)

    def history(self, date: float) -> tuple[Any, ...]:
        """All that has been seen up to a date: paths with the same history are one to a planner."""
        seen = [(e.event, min(e.end, date)) for e in self.begun(date)]
        return tuple((e.label, e.materials, e.start, e.severity, e.stretch, e.cut, until) for e, until in seen)

    @property
    def struck(self) -> str:
        """Hazards that strike, by name, in order; `none`."""
        return ", ".join(sorted({event.event.label for event in self.events})) or "none"


def draw_paths(
    plan: Plan, data: Dataset, n: Instance, paths: int, seed: int, *, uncertain: bool, grid_months: int
) -> tuple[ScenarioPath, ...]:
    """Paths from a plan's second period on. uncertain: rates are drawn from what is believed; grid_months: step of dates."""
    asked = Sample(scenarios=1, seed=0) if plan.sample is None else plan.sample
    asked = asked.model_copy(update={"rates": "uncertain" if uncertain else "known", "drawn_from_year": None})
    drawn = draws(n, data, asked, paths, seed + PATHS, grid_months / MONTHS_PER_YEAR)
    found = []
    for number, events in enumerate(drawn):
        named = sorted(events, key=lambda event: (event.start, event.label))
        found.append(ScenarioPath(number + 1, tuple(PathEvent(f"{e.label}-{k + 1}", e) for k, e in enumerate(named))))
    return tuple(found)


def by_history(paths: Sequence[ScenarioPath], chunk: int) -> list[tuple[ScenarioPath, ...]]:
    """Paths in groups, those that stay alike longest together: what they share is planned once in each group."""
    order = sorted(paths, key=lambda path: tuple((e.begin, e.event.label) for e in path.events) or ((math.inf, ""),))
    return [tuple(order[k : k + chunk]) for k in range(0, len(order), chunk)]
