"""Paths of years: what happens, month by month, and what of it is known at a date.

Each path has true rates of its own, drawn from what the planner believes at the start (gamma distributions, as `learning`), or the
rates of the table where nothing is learned. Events are drawn by the laws of their hazards; their dates are whole steps of a grid.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..core.units import MONTHS_PER_YEAR
from ..data.dataset import Dataset
from ..instance.instance import Instance
from ..scenarios.build import span
from ..scenarios.events import DisruptionEvent, profiles_of, resolve_event, sampled
from ..scenarios.profiles import HazardProfile, drawn_spreads
from ..scenarios.sampling import Span, durations, elements, parents_first, severities
from ..schemas.plan import Plan
from ..schemas.plan_sections import Event
from ..schemas.state_sections import Ongoing
from .files import HappenedRow
from .learning import shape_of

PATHS = 7_919
"""Purpose of the seeds of paths: other draws of the same plan have others."""


@dataclass(frozen=True)
class PathEvent:
    """An event of a path, as it truly is."""

    name: str
    event: DisruptionEvent
    own: bool = True
    """False: another event brought it on, which says nothing of how often its hazard comes by itself."""

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

    def happened(self) -> HappenedRow:
        """The event as evidence on its hazard."""
        return HappenedRow(
            event=self.name, status="in force", hazard=self.event.label, from_year=self.begin, counted=self.own
        )


@dataclass(frozen=True)
class Path:
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
        return tuple(
            (
                e.event.label,
                e.event.materials,
                e.begin,
                e.event.severity,
                e.event.stretch,
                e.event.cut,
                min(e.end, date),
            )
            for e in self.begun(date)
        )

    @property
    def struck(self) -> str:
        """Hazards that strike, by name, in order; `none`."""
        return ", ".join(sorted({event.event.label for event in self.events})) or "none"


def draw_paths(
    plan: Plan, data: Dataset, n: Instance, paths: int, seed: int, *, uncertain: bool, grid_months: int
) -> tuple[Path, ...]:
    """Paths from the second period of a plan to its end. uncertain: with true rates drawn from what is believed; grid_months: step
    of all dates."""
    rows, window, shaped = parents_first(sampled(plan, data)), span(n), profiles_of(plan, data)
    shapes = {row.hazard: row.prior_onsets + row.onsets for row in data.rows("hazard_evidence")}
    standing = {control.hazard for control in plan.controls if control.in_force and control.hazard}
    found = []
    for number in range(paths):
        rng = np.random.default_rng([PATHS, seed, number])
        course = _Course(window, grid_months / MONTHS_PER_YEAR, rng)
        for row in rows:
            true = _true(row, shapes.get(row.hazard) or shape_of(row), rng) if uncertain else row
            course.add(true, shaped.get(row.hazard), standing)
        named = sorted(course.events, key=lambda one: (one[0].start, one[0].label))
        found.append(
            Path(number + 1, tuple(PathEvent(f"{e.label}-{k + 1}", e, own) for k, (e, own) in enumerate(named)))
        )
    return tuple(found)


def _true(row: Any, shape: float, rng: np.random.Generator) -> Any:
    """A hazard at a rate drawn from what is believed of it."""
    if row.rate_per_yr <= 0:
        return row
    return row.model_copy(update={"rate_per_yr": float(rng.gamma(shape, row.rate_per_yr / shape))})


class _Course:
    """Events of a path, hazard by hazard: each begins with the step in which it comes and lasts whole steps, one at least; the next
    one of a hazard begins after it."""

    def __init__(self, window: Span, step: float, rng: np.random.Generator) -> None:
        self._window, self._step, self._rng = window, step, rng
        self.events: list[tuple[DisruptionEvent, bool]] = []
        """Each with whether it came by itself."""

    def add(self, row: Any, profile: HazardProfile | None, standing: Collection[str]) -> None:
        """Draw the events of a hazard: its own, and those that events of its parents bring on."""
        brought = [event.start for event, _ in self.events if event.label in row.after.split()]
        brought += [self._window.begin] * len({*row.after.split()} & {*standing})
        waiting = sorted(
            self._floor(start + self._rng.exponential(row.after_lag_yr) if row.after_lag_yr > 0 else start)
            for start in brought
            if self._rng.random() < row.after_probability
        )
        free = self._window.begin
        while free < self._window.end:
            gap = self._rng.exponential(1 / row.rate_per_yr) if row.rate_per_yr > 0 else math.inf
            own = self._floor(free + gap) if math.isfinite(gap) else math.inf
            start = min([own, *(max(free, begin) for begin in waiting)])
            alone = start == own
            if start >= self._window.end:
                return
            waiting = [begin for begin in waiting if max(free, begin) > start]
            event = self._event(row, profile, start)
            free = start + event.flood + event.duration
            if event.cut > 0 or row.cut_law != "on_off":
                self.events.append((event, alone))

    def _floor(self, date: float) -> float:
        """The step in which a date lies."""
        return self._window.begin + math.floor((date - self._window.begin) / self._step + 1e-9) * self._step

    def _event(self, row: Any, profile: HazardProfile | None, start: float) -> DisruptionEvent:
        """One event by the laws of its hazard."""
        base = resolve_event(Event(hazard=row.hazard, start_year=start), row, profile)
        u = np.clip(self._rng.random((1, 2 + len(row.materials.split()))), 2.0**-40, 1 - 2.0**-40)
        drawn: dict[str, Any] = {"start": start, "materials": elements(row, u[0, 2:])}
        if profile is None:
            length = float(durations(row, u[:, 0])[0])
            drawn["cut"] = float(severities(row, u[:, 1])[0])
        else:
            severity, stretch, felt = drawn_spreads(row, u[:, :2])
            length, x = profile.length * float(stretch[0]), float(severity[0])
            drawn |= {"severity": x if felt[0] else 0.0, "direct_severity": x}
        whole = max(1, round((row.flood_yr + length) / self._step)) * self._step
        duration = max(self._step, whole - row.flood_yr)
        if profile is not None:
            drawn["stretch"] = duration / profile.length
        return replace(base, duration=duration, **drawn)


def by_history(paths: Sequence[Path], chunk: int) -> list[tuple[Path, ...]]:
    """Paths in groups, those that stay alike longest together: what they share is planned once in each group."""
    order = sorted(paths, key=lambda path: tuple((e.begin, e.event.label) for e in path.events) or ((math.inf, ""),))
    return [tuple(order[k : k + chunk]) for k in range(0, len(order), chunk)]
