"""Rows of a stress test: what each scenario costs, what happens in it, and which demands go short."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..data.promises import Promise
from ..instance.instance import Instance
from ..scenarios.events import DisruptionEvent, describe
from ..scenarios.promises import short_of_promise
from ..scenarios.scenario_set import ScenarioSet
from .recourse import RecourseOutcome
from .replicates import is_drawn

DRIVERS = 3
"""How many materials are named as drivers of a scenario's loss."""
SMALL_SHARE = 1e-6
"""Share of a demand up to which a shortfall does not count: what solves round."""
EVENTS = {
    "scenario": "the scenario",
    "replicate": "sample that it belongs to; a listed scenario stands with the first one",
    "hazard": "code of the event's hazard",
    "name": "what readers call it",
    "materials": "codes of what it touches, separated by blanks; *: everything",
    "start_year": "when it begins, a decimal fiscal year; floods come first",
    "flood_yr": "years of flood before the cut",
    "duration_yr": "years of the cut",
    "cut_share": "deepest cut of the supply that it hits",
    "severity": "factor on the profile of its hazard; missing where it has none",
}
"""Columns of the events of scenarios."""
SHORTFALLS = {
    "scenario": "as above",
    "replicate": "as above",
    "material": "what is short",
    "segment": "who goes short of it",
    "served_share": "share of its demand that is served from the first to the last touched period of the scenario",
}
"""Columns of the demands that go short in scenarios; those that are served in full are left out."""
Draws = Sequence[tuple[ScenarioSet, list[RecourseOutcome]]]
"""(scenarios, evaluation of the plan and of doing nothing) of each sample."""


def scenario_rows(done: Draws, materials: Sequence[str]) -> pd.DataFrame:
    """Every scenario of every draw; listed scenarios once. Probabilities add to one. materials: as the instance counts them."""
    frames: list[pd.DataFrame] = []
    for r, (scenarios, (recourse, nothing)) in enumerate(done):
        drawn = is_drawn(scenarios)
        frames.append(
            pd.DataFrame(
                {
                    "scenario": scenarios.names,
                    "replicate": r + 1,
                    "probability": np.where(drawn, scenarios.probability / len(done), scenarios.probability),
                    "loss_musd": recourse.loss,
                    "without_plan_musd": nothing.loss,
                    "cost_musd": recourse.cost,
                    "defence_short_t": recourse.defence,
                    "driven_by": [_driven(losses, materials) for losses in recourse.by_material],
                    "events": [
                        "; ".join(describe(k) for k in scenario if _touches(k, set(materials)))
                        for scenario in scenarios.events
                    ],
                }
            ).loc[drawn | (r == 0)]
        )
    return pd.concat(frames, ignore_index=True)


def event_rows(done: Draws, materials: Collection[str]) -> pd.DataFrame:
    """The events of every scenario of `scenario_rows` that touch planned materials, with the columns of `EVENTS`."""
    named = set(materials)
    rows = [
        {
            "scenario": scenarios.names[s],
            "replicate": replicate,
            "hazard": event.label,
            "name": event.name,
            "materials": event.materials,
            "start_year": event.start,
            "flood_yr": event.flood,
            "duration_yr": event.duration,
            "cut_share": event.cut,
            "severity": np.nan if event.profile is None else event.severity,
        }
        for replicate, scenarios, _, s in _counted(done)
        for event in scenarios.events[s]
        if _touches(event, named)
    ]
    return pd.DataFrame(rows, columns=list(EVENTS))


def shortfall_rows(done: Draws, instance: Instance) -> pd.DataFrame:
    """The demands that go short with the plan in every scenario of `scenario_rows`, with the columns of `SHORTFALLS`."""
    served: list[Any] = []
    for scenarios, (recourse, _) in done:
        told = np.ones((len(scenarios.names), len(instance.demands)))
        for q, (material, segment) in enumerate(instance.demands):
            missing, wanted = short_of_promise(instance, scenarios, recourse.short, Promise(material, segment, 1.0))
            share = np.divide(missing, wanted, out=np.zeros_like(missing), where=wanted > 0)
            told[:, q] = 1 - share.max(axis=1, initial=0.0)
        served.append(told)
    rows = [
        (scenarios.names[s], replicate, *instance.demands[q], float(served[replicate - 1][s, q]))
        for replicate, scenarios, _, s in _counted(done)
        for q in np.flatnonzero(served[replicate - 1][s] < 1 - SMALL_SHARE)
    ]
    return pd.DataFrame(rows, columns=list(SHORTFALLS))


def _counted(done: Draws) -> Iterator[tuple[int, ScenarioSet, RecourseOutcome, int]]:
    """(sample, its scenarios, what the plan does in them, a scenario's place) of all that count: listed ones once."""
    for r, (scenarios, (recourse, _)) in enumerate(done):
        for s in np.flatnonzero(is_drawn(scenarios) | (r == 0)).tolist():
            yield r + 1, scenarios, recourse, s


def _driven(losses: Any, materials: Sequence[str]) -> str:
    """The materials that cause a scenario's loss, with their shares, largest first."""
    total = float(losses.sum())
    if total <= 0:
        return ""
    order = [i for i in np.argsort(-losses, kind="stable")[:DRIVERS] if losses[i] >= 0.01 * total]
    return ", ".join(f"{materials[i]} {losses[i] / total:.0%}" for i in order)


def _touches(event: DisruptionEvent, materials: set[str]) -> bool:
    named = set(event.materials.split())
    return "*" in named or bool(named & materials)
