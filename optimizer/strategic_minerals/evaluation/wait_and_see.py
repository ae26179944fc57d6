"""The plan's problem along other worlds: one of its own known beforehand, or their average."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.arrays import Floats
from ..core.timing import Timings
from ..data.dataset import Dataset
from ..finance.packages import build_support
from ..formulation.structure import build_structure
from ..model.instantiate import compile_templates, instantiate
from ..model.problem import Problem, structure_of
from ..scenarios.scenario_set import Worlds
from ..schemas.plan import Plan


def along(plan: Plan, data: Dataset, choose: Callable[[Worlds], Worlds]) -> Problem:
    """The plan's problem with other worlds made from its own."""
    own, natural = structure_of(plan, data)
    worlds = choose(own.worlds)
    structure = build_structure(own.instance, worlds, build_support(own.instance, worlds))
    templates = compile_templates(structure)
    return Problem(plan, data, natural, structure, templates, instantiate(structure, templates), Timings())


def only(world: int) -> Callable[[Worlds], Worlds]:
    """One world, certain to come."""
    return lambda worlds: _mixed(worlds, np.eye(len(worlds.names))[world], worlds.names[world])


def average_world(worlds: Worlds) -> Worlds:
    """The one world in which availability, demand and prices are their means."""
    return _mixed(worlds, worlds.probability, "average")


def _mixed(worlds: Worlds, weight: Floats, name: str) -> Worlds:
    """One world, the weighted mean of several; it is touched when any of them is, and tight as long as the longest.

    Were it tight for the mean share of a period only, stock could be released for that share only, and the average cut, which
    lasts all period, could not be met: nobody who plans for averages means that.
    """

    def mean(values: Any) -> Floats:
        return np.tensordot(weight, np.asarray(values, dtype=float), axes=1)[None]

    counted = weight > 0
    return Worlds(
        (name,),
        np.ones(1),
        np.zeros(1, dtype=bool),
        ((),),
        mean(worlds.availability),
        mean(worlds.demand_factor),
        mean(worlds.price),
        np.asarray(worlds.tight[counted].any(axis=0))[None],
        worlds.lasting[counted].max(axis=0)[None],
        worlds.onset[counted].min(axis=0)[None],
        worlds.end[counted].max(axis=0)[None],
    )
