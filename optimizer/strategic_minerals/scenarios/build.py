"""From a question to its scenarios: what the plan lists, what is drawn from hazards, and what is left without any event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..core.errors import Fault, PlanError
from ..core.words import BASELINE_COURSE
from ..data.dataset import Dataset
from ..instance.instance import Instance
from ..schemas.plan import Plan
from ..schemas.plan_sections import Sample
from .events import DisruptionEvent, profiles_of, resolver, sampled
from .ongoing import OngoingEvent, as_expected, drawn_ends, for_ever, ongoing_events
from .reduction import Reduction, reduce
from .sampling import Span, draw
from .scenario_set import SampledScenarios, ScenarioSet, combine_events

ENDS = 8
"""Equally likely ends of events in force that a plan without a sample reckons with."""
NO_EVENT = "no event"
"""Name of the scenario that nothing happens in; drawn scenarios come after it."""


def build_scenarios(
    instance: Instance, data: Dataset, held: SampledScenarios | None = None, like: ScenarioSet | None = None
) -> ScenarioSet:
    """All scenarios of the plan: listed scenarios, sampled scenarios, and what is left without any event.

    held: scenarios sampled before, kept where they were drawn for the same hazards and dates; otherwise they are drawn anew.
    like: scenarios of an instance in which every event does what it does in this one; taken over where the events are the same.
    Raises PlanError for an event outside periods 2..T: what is in force at the start is a control.
    """
    plan = instance.plan
    names, probability, design, events = listed(instance, data)
    rest = max(0.0, 1.0 - sum(probability))
    ongoing = ongoing_events(plan, data, instance.calendar)
    expected = as_expected(ongoing)
    drawn: SampledScenarios | None = None
    if plan.sample is not None:
        quiet = min(rest, plan.sample.quiet_probability)
        drawn = (
            held if held is not None and held.asked == _asked(instance, data) else sample(instance, data, plan.sample)
        )
        names += [NO_EVENT, *(f"sample-{n + 1}" for n in range(len(drawn.events)))]
        probability += [quiet, *((rest - quiet) * drawn.share)]
        design += [False] * (1 + len(drawn.events))
        events += [expected, *drawn.events]
    elif rest > 0 or not names:
        ends = _only_ends(ongoing)
        names += [NO_EVENT] if not ongoing else [f"ends-{n + 1}" for n in range(len(ends))]
        probability += [(rest if design else 1.0) / len(ends)] * len(ends)
        design += [False] * len(ends)
        events += ends
    total, of_design = np.array(probability, dtype=float), np.array(design, dtype=bool)
    if like is not None and like.events == tuple(events):
        weighed = replace(like, names=tuple(names), probability=total / total.sum(), design_basis=of_design)
    else:
        weighed = combine_events(instance, names, total / total.sum(), of_design, events, trunk_course(instance, data))
    return replace(weighed, drawn=drawn)


def trunk_course(instance: Instance, data: Dataset) -> ScenarioSet | None:
    """The course on which every event in force goes on, as a set of one scenario; None where none is in force."""
    ongoing = ongoing_events(instance.plan, data, instance.calendar)
    if not ongoing:
        return None
    return combine_events(instance, [BASELINE_COURSE], np.ones(1), np.zeros(1, dtype=bool), [for_ever(ongoing)])


def _only_ends(ongoing: Sequence[OngoingEvent]) -> list[tuple[DisruptionEvent, ...]]:
    """Equally likely ends of the events in force, where nothing else happens."""
    if not ongoing:
        return [()]
    ends = drawn_ends(ongoing, ENDS, 0)
    return [tuple(one.until(float(ends[k, n])) for k, one in enumerate(ongoing)) for n in range(ENDS)]


def _asked(instance: Instance, data: Dataset) -> Any:
    """What sampled scenarios hang on. Prices and losses, by which a reduction chooses, are left out: who holds scenarios while
    those change compares plans in the same scenarios.
    """
    plan = instance.plan
    rows = sampled(plan, data), data.rows("hazards"), profiles_of(plan, data)
    return plan.sample, *rows, span(instance), instance.materials, instance.members, _standing(plan), plan.ongoing


def _standing(plan: Plan) -> set[str]:
    """Hazards of which an event is in force at the start."""
    controls = {control.hazard for control in plan.controls if control.in_force and control.hazard}
    return controls | {event.hazard for event in plan.ongoing if event.hazard}


def listed(
    instance: Instance, data: Dataset
) -> tuple[list[str], list[float], list[bool], list[tuple[DisruptionEvent, ...]]]:
    """Names, probabilities, design-basis flags and strikes of the scenarios written by hand. Raises PlanError."""
    plan, resolved, window = instance.plan, resolver(instance.plan, data), span(instance)
    faults = [
        Fault(
            "plan",
            "",
            f"scenarios.{n}.events.{e}.start_year",
            f"{event.start_year:g}",
            f"a date from the second period ({window.begin:g}) to the end of the tail ({window.end:g})",
        )
        for n, scenario in enumerate(plan.scenarios)
        for e, event in enumerate(scenario.events)
        if not window.begin <= event.start_year < window.end
    ]
    if faults:
        raise PlanError([data.placed(fault) for fault in faults])
    begun = as_expected(ongoing_events(plan, data, instance.calendar))
    struck = [(*begun, *(resolved(event) for event in scenario.events)) for scenario in plan.scenarios]
    return (
        [scenario.name for scenario in plan.scenarios],
        [scenario.probability for scenario in plan.scenarios],
        [scenario.design_basis for scenario in plan.scenarios],
        struck,
    )


def sample(instance: Instance, data: Dataset, chosen: Sample) -> SampledScenarios:
    """The sampled scenarios, reduced where asked."""
    asked = _asked(instance, data)
    count = chosen.scenarios if chosen.draws is None else chosen.draws
    drawn = draws(instance, data, chosen, count, chosen.seed)
    if not drawn:
        found_none = f"{chosen.drawn_from_year}, of whose draws something has happened in every one"
        raise PlanError(
            [Fault("plan", "", "sample.drawn_from_year", found_none, "no such year: draws of this plan's own")]
        )
    if chosen.draws is None or len(drawn) <= chosen.scenarios:
        return SampledScenarios(asked, tuple(drawn), np.full(len(drawn), 1 / len(drawn)))
    found = reduction(instance, drawn, chosen.scenarios, trunk_course(instance, data))
    return SampledScenarios(asked, tuple(drawn[k] for k in found.kept), found.probability)


def draws(
    instance: Instance, data: Dataset, chosen: Sample, scenarios: int, seed: int
) -> list[tuple[DisruptionEvent, ...]]:
    """Fresh scenarios of the plan's hazards, by a seed; `chosen` says how many events of a hazard each may have. Events in force
    come first in each, with their ends."""
    ongoing = ongoing_events(instance.plan, data, instance.calendar)
    ends = drawn_ends(ongoing, scenarios, seed)
    until = {one.event.label: ends[k] for k, one in enumerate(ongoing)}
    window, calendar = span(instance), instance.calendar
    since = window.begin if chosen.drawn_from_year is None else chosen.drawn_from_year + calendar.step
    new = draw(
        sampled(instance.plan, data),
        data.rows("hazards"),
        Span(since, window.end),
        scenarios=scenarios,
        seed=seed,
        events=chosen.events_per_hazard,
        profiles=profiles_of(instance.plan, data),
        standing=_standing(instance.plan),
        alike={row.material: row.alike for row in data.rows("materials") if row.alike},
        until=until,
    )
    if since < window.begin:
        new = [events for events in new if all(event.start >= window.begin for event in events)]
    if not ongoing:
        return new
    begun = [tuple(one.until(float(ends[k, n])) for k, one in enumerate(ongoing)) for n in range(len(new))]
    return [(*before, *after) for before, after in zip(begun, new, strict=True)]


def population(
    instance: Instance,
    data: Dataset,
    scenarios: int,
    seed: int | None = None,
    *,
    fresh: bool = False,
    held: SampledScenarios | None = None,
    like: ScenarioSet | None = None,
) -> ScenarioSet:
    """What the plan's scenarios stand for: listed scenarios and the quiet scenario as they are, the rest by fresh draws, unreduced.
    held, like: as `build_scenarios`.

    A plan without a sample names no hazards to draw from: its own scenarios are the population, unless `fresh` asks for scenarios
    of every hazard of the table.
    """
    sample = instance.plan.sample
    if sample is None:
        if not fresh:
            return build_scenarios(instance, data)
        sample = Sample(scenarios=scenarios, seed=0)
    own = sample.model_copy(
        update={"scenarios": scenarios, "draws": None, "seed": sample.seed if seed is None else seed}
    )
    return build_scenarios(replace(instance, plan=instance.plan.model_copy(update={"sample": own})), data, held, like)


def equally_likely(
    instance: Instance, events: list[tuple[DisruptionEvent, ...]], trunk: ScenarioSet | None = None
) -> ScenarioSet:
    """Drawn scenarios as they are, each as likely as the others; trunk: as `combine_events`."""
    n = len(events)
    return combine_events(
        instance, [f"draw-{k + 1}" for k in range(n)], np.full(n, 1 / n), np.zeros(n, dtype=bool), events, trunk
    )


def reduction(
    instance: Instance, drawn: list[tuple[DisruptionEvent, ...]], scenarios: int, trunk: ScenarioSet | None = None
) -> Reduction:
    """Which of the drawn scenarios are kept, and what that does to the loss of doing nothing; trunk: as `combine_events`."""
    lean = replace(instance, plan=instance.plan.model_copy(update={"scenarios": ()}))
    return reduce(lean, equally_likely(lean, drawn, trunk), scenarios)


def span(instance: Instance) -> Span:
    """When events may strike: from the second period to the end of the horizon."""
    calendar = instance.calendar
    return Span(calendar.first_year + calendar.step, calendar.first_year + calendar.step * calendar.periods)
