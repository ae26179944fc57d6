"""The plan's problem with other scenarios: one of its own, known in advance, or their average."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..core.arrays import Floats
from ..core.timing import Timings
from ..data.dataset import Dataset
from ..finance.packages import build_support
from ..formulation.structure import build_structure
from ..model.instantiate import compile_templates, instantiate
from ..model.problem import Problem, structure_of
from ..scenarios.scenario_set import ScenarioSet
from ..schemas.plan import Plan


def along(plan: Plan, data: Dataset, choose: Callable[[ScenarioSet], ScenarioSet]) -> Problem:
    """The plan's problem with other scenarios made from its own."""
    own, natural = structure_of(plan, data)
    scenarios = choose(own.scenarios)
    structure = build_structure(
        own.instance, scenarios, build_support(own.instance, scenarios, pricing=own.support.owners.pricing)
    )
    templates = compile_templates(structure)
    return Problem(plan, data, natural, structure, templates, instantiate(structure, templates), Timings())


def only(scenario: int) -> Callable[[ScenarioSet], ScenarioSet]:
    """One scenario with probability 1."""

    def chosen(scenarios: ScenarioSet) -> ScenarioSet:
        alone = _mixed(scenarios, np.eye(len(scenarios.names))[scenario], scenarios.names[scenario])
        return replace(alone, events=(scenarios.events[scenario],))  # what its losses per tonne depend on

    return chosen


def average_scenario(scenarios: ScenarioSet) -> ScenarioSet:
    """The one scenario in which availability, demand and prices are their means."""
    return _mixed(scenarios, scenarios.probability, "average")


def _mixed(scenarios: ScenarioSet, weight: Floats, name: str) -> ScenarioSet:
    """One scenario, the weighted mean of several; it is touched if any of them is, and tight as long as the longest.

    If it were tight only for the mean share of a period, stock could be released only for that share, and the average cut, which
    lasts the whole period, could not be covered: that is not what planning for averages means.
    """

    def mean(values: Any) -> Floats:
        return np.tensordot(weight, np.asarray(values, dtype=float), axes=1)[None]

    counted = weight > 0
    return ScenarioSet(
        (name,),
        np.ones(1),
        np.zeros(1, dtype=bool),
        ((),),
        mean(scenarios.availability),
        mean(scenarios.demand_factor),
        mean(scenarios.price),
        mean(scenarios.price * scenarios.market_gap) / mean(scenarios.price),
        np.asarray(scenarios.tight[counted].any(axis=0))[None],
        mean(scenarios.direct),
        scenarios.lasting[counted].max(axis=0)[None],
        scenarios.squeeze[counted].max(axis=0)[None],
        scenarios.onset[counted].min(axis=0)[None],
        scenarios.end[counted].max(axis=0)[None],
        scenarios.trunk,
    )
