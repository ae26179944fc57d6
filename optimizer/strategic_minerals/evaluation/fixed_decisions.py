"""What is decided before anything has happened, read off one solution and fixed in another model of the same question."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.arrays import INF, Floats
from ..core.runner import checkpoint, current
from ..formulation.structure import TRUNK
from ..highs.solver import Model
from ..model.objectives import objective_costs
from ..model.problem import Problem
from ..model.solution import Solution
from ..optimization.reference_plan import RELAXED_IN_Z0

LIMIT_S = 600.0
"""Seconds for one evaluation, a linear program: far more than a sound one takes."""


@dataclass(frozen=True)
class Decided:
    """What an alternative decides before anything has happened."""

    signed: dict[tuple[str, str, tuple[str, ...], int], float]
    """(project, package, market floors, period) -> share."""
    contracts: dict[tuple[str, int], float]
    """(source, period) -> tonnes per period."""
    floors: dict[str, float]
    bought: dict[str, Floats]
    """Purchase -> (T,) tonnes on the trunk."""
    at_most: bool = False
    """Purchases are limits, not amounts."""


def decisions(problem: Problem, solution: Solution, path: int = 0) -> Decided:
    """What a solution decides before anything has happened; `path` 1 takes purchases from its only scenario."""
    support, structure, n = problem.structure.support, problem.structure, problem.natural
    signed = {_signature(problem, o): float(share) for o, share in enumerate(solution.sign) if abs(share) > 1e-9}
    contracts = {
        (n.producers[k.source], k.start): float(tonnes)
        for k, tonnes in zip(structure.contracts, solution.contract, strict=True)
        if tonnes > 1e-9
    }
    floors = {m.floor.name: float(v) for m, v in zip(support.markets, solution.floor, strict=True) if v > 0.5}
    bought = {name: solution.acquisition[path, k] for k, name in enumerate(solution.purchases)}
    return Decided(signed, contracts, floors, bought)


def baseline_signatures(problem: Problem) -> dict[tuple[str, str, tuple[str, ...], int], float]:
    """What owners build anyway, without support."""
    support = problem.structure.support
    return {
        _signature(problem, o): 1.0
        for o, option in enumerate(support.options)
        if support.baseline[option.project] and option.package.name == "none" and not option.market
    }


def _signature(problem: Problem, o: int) -> tuple[str, str, tuple[str, ...], int]:
    """A package at a date by names, the same in every menu that has it."""
    support = problem.structure.support
    option = support.options[o]
    floors = tuple(sorted(support.markets[m].floor.name for m in option.market))
    return problem.natural.projects[option.project].name, option.package.name, floors, option.signed


def evaluated(problem: Problem, chosen: Decided) -> Floats | None:
    """The best operations in every scenario of the problem for decisions that are fixed; None where they do not fit.

    Promises, limits and rules of thumb of the plan are left out, as in the do-nothing reference. Raises StoppedError if there was
    no time.
    """
    assembly, structure, n = problem.assembly, problem.structure, problem.natural
    model = Model(assembly, objective_costs(problem)["social_cost"], integer=False)
    for family in RELAXED_IN_Z0:
        rows = assembly.rows_of(family)
        model.set_row_bounds(rows, np.full(len(rows), -INF), np.full(len(rows), INF))
    root = assembly.commitments

    def fix(name: str, key: int, value: float) -> None:
        column = root.columns(name, key)
        model.set_bounds(column, np.array([value]), np.array([value]))

    signs = [chosen.signed.get(_signature(problem, o), 0.0) for o in range(len(structure.support.options))]
    if sum(signs) < sum(chosen.signed.values()) - 1e-6:
        return None
    for o, share in enumerate(signs):
        fix("sign", o, share)
    for m, market in enumerate(structure.support.markets):
        fix("floor", m, chosen.floors.get(market.floor.name, 0.0))
    for k, contract in enumerate(structure.contracts):
        tonnes = chosen.contracts.get((n.producers[contract.source], contract.start), 0.0)
        fix("contract", k, tonnes / structure.instance.producer_unit[contract.source])
        if contract.lot > 0:
            fix("contract_signed", k, float(tonnes > 0))
    for c, part in enumerate(assembly.operations):
        trunk = np.flatnonzero(structure.block_index[c].scenario == TRUNK)
        for k, (variable, key) in enumerate(part.template.columns):
            if variable == "acquisition":
                unit = structure.instance.material_unit[structure.material_of_purchase[key]]
                tonnes = np.maximum(0.0, chosen.bought.get(key, np.zeros(len(trunk)))) / unit
                columns = part.first_column + k + part.width * trunk
                slack = 1e-9 * (1 + tonnes)
                low = np.zeros(len(trunk)) if chosen.at_most else np.maximum(0.0, tonnes - slack)
                model.set_bounds(columns, low, np.minimum(tonnes + slack, assembly.upper[columns]))
    run = model.run(time_limit_s=min(LIMIT_S, current().left()), phase="evaluate")
    if run.status != "optimal":
        checkpoint()
        return None
    return run.x
