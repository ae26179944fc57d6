"""What periods longer than the steps of a disruption's profile average away (formulation section 13)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..core.units import MONTHS_PER_YEAR
from ..data.dataset import Dataset
from ..data.names import Names
from ..data.references import select_materials
from ..scenarios.events import profiles_of, sampled
from ..scenarios.profiles import Steps
from ..schemas.plan import Plan

HIDDEN = 0.1
"""Share of supply by which the deepest step exceeds the mean of a period, from which on it is told."""


def averaged_away(plan: Plan, data: Dataset) -> Iterator[tuple[str, str]]:
    """(hazard, text) of the hazards in the plan whose deepest cut lasts for less than a period; of the material hidden most."""
    period = plan.horizon.period_months / MONTHS_PER_YEAR
    used = {row.hazard for row in sampled(plan, data)}
    used |= {event.hazard for scenario in plan.scenarios for event in scenario.events if _as_recorded(event)}
    chosen, names = set(select_materials(plan, data)), Names.of(data)
    for hazard, profile in profiles_of(plan, data).items():
        cuts = [(*_cuts(steps, period), material) for material, steps in profile.effective if material in chosen]
        if hazard not in used or not cuts:
            continue
        deepest, mean, material = max(cuts, key=lambda cut: cut[0] - cut[1])
        if deepest - mean > HIDDEN:
            yield (
                hazard,
                f"{names.any(hazard)}: as recorded, in its worst month {deepest:.0%} of {names.material(material)} is cut, over a "
                f"period of {plan.horizon.period_months} months {mean:.0%} at most; shorter periods (horizon.period_months) show "
                "more losses",
            )


def _as_recorded(event: Any) -> bool:
    """Whether an event has the profile of its hazard, neither deeper nor longer."""
    return not any(getattr(event, name) is not None for name in ("cut_share", "severity", "stretch", "duration_years"))


def _cuts(steps: Steps, period: float) -> tuple[float, float]:
    """Deepest cut of a step, and the largest mean over a period of so many years that begins with a step or ends with one."""
    starts = {begin for begin, _, _ in steps} | {end - period for _, end, _ in steps}
    means = [
        sum(share * max(0.0, min(end, start + period) - max(begin, start)) for begin, end, share in steps) / period
        for start in starts
    ]
    return max(share for *_, share in steps), max(means)
