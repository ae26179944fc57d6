"""What a segment goes short of a promise: the one definition that operations along other scenarios and reverse stress tests share.

The model's own is the row `service_level`, the audit's own stands in `audit`.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..core.arrays import Floats
from ..instance.instance import Instance
from .scenario_set import ScenarioSet


class Promised(Protocol):
    """A share of a segment's demand that is to be met: a service level of the plan, or one that is asked about."""

    @property
    def material(self) -> str: ...
    @property
    def segment(self) -> str: ...
    @property
    def level(self) -> float: ...
    @property
    def per(self) -> str: ...


def short_of_promise(n: Instance, scenarios: ScenarioSet, short: Floats, promise: Promised) -> tuple[Floats, Floats]:
    """(S, counts) tonnes short of a promise, and the demand that it is counted against (formulation section 6).

    max(0, sum_{t in tau..end} short[t] - (1 - level) sum_{t in tau..end} delta[t] demand[t])                     [t]

    over the whole episode from onset to end, or over each fiscal year of it. short: (S, Q, T) tonnes that each demand goes short.
    Zero in scenarios that never touch the material's component. ValueError for a demand that there is not.
    """
    q = n.demands.index((promise.material, promise.segment))
    c = int(n.component[n.demand_material[q]])
    period = np.arange(n.calendar.periods)
    window = (period >= scenarios.onset[:, [c]]) & (period < scenarios.end[:, [c]])
    years = n.calendar.year_index if promise.per == "fiscal_year" else np.zeros(n.calendar.periods, dtype=int)
    counted = (years == np.unique(years)[:, None]).astype(float).T
    missing = (window * short[:, q]) @ counted
    wanted = (window * scenarios.demand(n, q)) @ counted
    return np.maximum(0.0, missing - (1 - promise.level) * wanted), wanted
