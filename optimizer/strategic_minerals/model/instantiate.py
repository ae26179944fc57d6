"""The model as arrays: each Pyomo block is compiled once and instantiated for every period, branch and scenario."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import pyomo.environ as pyo

from ..core.arrays import Ints
from ..core.runner import checkpoint
from ..formulation.branch import add_branch
from ..formulation.commitments import add_commitments, add_variables, trunk_spending
from ..formulation.operations import Links, add_period
from ..formulation.parameters import branch_values, penalty_weights, period_values, period_weights, root_values
from ..formulation.scenario import add_scenario
from ..formulation.structure import ComponentSets, Structure
from .assembly import Assembly, PlacedBlock, assemble, place
from .template import PYOMO_LOCK, Template, compile_block

STAND_INS = 64
"""Made at once."""

PREVIOUS = {"previous": "stock", "previous_missing": "users_missing"}
"""Externals that are a variable of the period before."""

NO_EXTERNALS = np.zeros((1, 0), dtype=np.int64)

Compiled = TypeVar("Compiled")


@dataclass(frozen=True)
class Templates:
    """Compiled blocks of a structure; one period and one branch template a component."""

    root: Template
    periods: tuple[Template, ...]
    branches: tuple[Template | None, ...]
    scenario: Template | None


def compile_templates(structure: Structure, known: Templates | None = None) -> Templates:
    """Write and compile every kind of block once. Holds the Pyomo lock.

    known: blocks of a structure whose operations are written alike; only commitments are compiled.
    """
    with PYOMO_LOCK, _uncollected():
        if known is not None:
            return replace(known, root=_root(structure))
        return Templates(
            _root(structure),
            tuple(_each(_period, structure)),
            tuple(_each(_branch, structure)),
            _scenario(structure),
        )


def _each(compiled: Callable[[Structure, ComponentSets], Compiled], structure: Structure) -> Iterator[Compiled]:
    """A kind of block of each component, as long as the call may run."""
    for sets in structure.component_sets:
        checkpoint()
        yield compiled(structure, sets)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the garbage collector, which would walk a hundred thousand new Pyomo objects again and again: a third of the time.

    It is switched off for the whole process, for the tenths of a second that blocks are written, under the Pyomo lock: one thread
    at a time, and none of ours finds it off that had it on. Whatever other threads leave unreachable meanwhile is collected after.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def instantiate(structure: Structure, templates: Templates) -> Assembly:
    """Give every instance its data and put all of them into one matrix. Pure numpy: safe from many threads."""
    S = len(structure.scenarios.names)
    one = np.ones(1)
    parts = [
        PlacedBlock(
            templates.root,
            "commitments",
            -1,
            1,
            templates.root.xi(root_values(structure), 1),
            NO_EXTERNALS,
            {"social_cost": one, "residual_credit": one, "spending": one, "tail_risk": one},
        )
    ]
    period_at: list[int] = []
    branch_at: list[int] = []
    for c, (sets, blocks) in enumerate(zip(structure.component_sets, structure.block_index, strict=True)):
        checkpoint()
        n = blocks.count
        weight = period_weights(structure, blocks, c)
        period_at.append(len(parts))
        template = templates.periods[c]
        xi = template.xi(period_values(structure, sets, blocks), n)
        weights = {"social_cost": weight, "expected_loss": weight, "penalty": penalty_weights(structure, blocks, c)}
        parts.append(PlacedBlock(template, "period", c, n, xi, NO_EXTERNALS, weights))
        branch = templates.branches[c]
        branch_at.append(len(parts) if branch is not None else -1)
        if branch is not None:
            k = len(blocks.branches)
            xi = branch.xi(branch_values(structure, sets, blocks), k)
            parts.append(PlacedBlock(branch, "branch", c, k, xi, NO_EXTERNALS, {"penalty": np.ones(k)}))
    scenario_at = len(parts)
    if templates.scenario is not None:
        tail = structure.scenarios.probability / (1 - structure.instance.plan.risk.alpha)
        parts.append(
            PlacedBlock(templates.scenario, "scenario", -1, S, np.zeros((S, 0)), NO_EXTERNALS, {"tail_risk": tail})
        )
    parts = place(parts)
    finder = _Finder(structure, parts, period_at, branch_at, scenario_at)
    return assemble([finder.resolved(k) for k in range(len(parts))], structure.instance.money_unit)


def _canvas() -> tuple[Any, Any, dict[int, Any]]:
    """A block to write on, a block for stand-ins, and the register of stand-ins."""
    m = pyo.ConcreteModel()
    m.outside, m.block = pyo.Block(), pyo.Block()
    return m.outside, m.block, {}


def _named(outside: Any, externals: dict[int, Any], name: str, keys: list[Any]) -> Any:
    """A Var that stands for variables of another block, known keys."""
    outside.add_component(name, pyo.Var(keys))
    var = getattr(outside, name)
    for key in keys:
        externals[id(var[key])] = (name, key)
    return var


def _on_demand(outside: Any, externals: dict[int, Any], name: str) -> Callable[..., Any]:
    """Stand-ins given out when first asked for, keyed by the arguments; made many at a time, which is six times faster."""
    made: dict[Any, Any] = {}
    spare: list[Any] = []

    def stand(*key: Any) -> Any:
        if key not in made:
            if not spare:
                outside.add_component(f"{name}_{len(made)}", more := pyo.Var(range(STAND_INS)))
                spare.extend(more.values())
            made[key] = spare.pop()
            externals[id(made[key])] = (name, *key)
        return made[key]

    return stand


def _root(structure: Structure) -> Template:
    outside, block, externals = _canvas()
    trunk, scenario = _on_demand(outside, externals, "trunk"), _on_demand(outside, externals, "scenario")
    values = root_values(structure)
    add_variables(block, structure, {name: array[0] for name, array in values.items()})
    add_commitments(block, structure, trunk, scenario)
    costs = {
        "social_cost": block.commitment_cost,
        "residual_credit": block.residual_credit,
        "spending": trunk_spending(block, structure, trunk),
    }
    if structure.uses_risk:
        costs["tail_risk"] = block.value_at_risk
    return compile_block(block, externals, costs)


def _period(structure: Structure, sets: ComponentSets) -> Template:
    outside, block, externals = _canvas()
    links = Links(
        _named(outside, externals, "previous", list(sets.stocked)),
        _named(outside, externals, "contract", list(sets.contracts)),
        _named(outside, externals, "operating", list(sets.classes)),
        _named(outside, externals, "floor", sorted({k for _, k in sets.floors})),
        _named(outside, externals, "previous_missing", list(sets.users)),
    )
    values = period_values(structure, sets, structure.block_index[sets.component].one)
    add_period(block, structure, sets, links, {name: array[0] for name, array in values.items()})
    loss = block.loss if sets.component in structure.at_risk else 0.0
    costs = {"social_cost": block.cost, "expected_loss": loss, "penalty": block.penalty}
    return compile_block(block, externals, costs)


def _branch(structure: Structure, sets: ComponentSets) -> Template | None:
    blocks = structure.block_index[sets.component]
    if not blocks.branches:
        return None
    outside, block, externals = _canvas()
    own, trunk = _on_demand(outside, externals, "own"), _on_demand(outside, externals, "trunk")
    values = branch_values(structure, sets, blocks.one)
    add_branch(block, structure, sets, own, trunk, {name: array[0] for name, array in values.items()})
    return compile_block(block, externals, {"penalty": block.penalty})


def _scenario(structure: Structure) -> Template | None:
    if not (structure.uses_risk or structure.shares_money):
        return None
    outside, block, externals = _canvas()
    part, eta = _on_demand(outside, externals, "part"), _on_demand(outside, externals, "value_at_risk")
    add_scenario(block, structure, part, eta(), _on_demand(outside, externals, "unspent"))
    return compile_block(block, externals, {"tail_risk": block.tail} if structure.uses_risk else {})


class _Finder:
    """Knows in which column each variable of each instance stands."""

    def __init__(
        self,
        structure: Structure,
        parts: list[PlacedBlock],
        period_at: list[int],
        branch_at: list[int],
        scenario_at: int,
    ) -> None:
        self.structure, self.parts = structure, parts
        self.period_at, self.branch_at, self.scenario_at = period_at, branch_at, scenario_at
        self.branches = [
            (
                np.array([blocks.first[s] for s in blocks.branches], dtype=int),
                structure.scenarios.onset[list(blocks.branches), c],
            )
            for c, blocks in enumerate(structure.block_index)
        ]
        self.where = [{key: k for k, key in enumerate(part.template.columns)} for part in parts]

    def resolved(self, k: int) -> PlacedBlock:
        """Part k with the columns of its externals."""
        part = self.parts[k]
        columns = np.full((part.count, len(part.template.externals)), -1, dtype=np.int64)
        for e, (tag, *key) in enumerate(part.template.externals):
            columns[:, e] = self._find(k, tag, key)
        return replace(part, externals=columns)

    def _column(self, k: int, name: str, key: Any, at: Any) -> Any:
        """Columns of a variable of part k at given instances, -1 where the part has no such variable."""
        part = self.parts[k]
        position = self.where[k].get((name, key))
        return (
            np.full_like(np.asarray(at), -1)
            if position is None
            else part.first_column + position + part.width * np.asarray(at)
        )

    def _find(self, k: int, tag: str, key: list[Any]) -> Any:
        """Columns of an external of part k: one, or one for each instance."""
        structure = self.structure
        if tag in ("contract", "operating", "floor", "unspent"):
            return self._column(0, tag, key[0], 0)
        if tag == "value_at_risk":
            return self._column(0, "value_at_risk", None, 0)
        if tag == "scenario":
            return self._column(self.scenario_at, key[0], None, key[1])
        if tag == "part":
            return self._part(*key)
        if k == 0:  # commitments look at the trunk
            c, name, index, t = key
            return self._column(self.period_at[c], name, index, t)
        c = self.period_at.index(k) if k in self.period_at else self.branch_at.index(k)
        blocks = structure.block_index[c]
        if tag in PREVIOUS:
            before = self._column(k, PREVIOUS[tag], key[0], np.maximum(blocks.previous, 0))
            return np.where(blocks.previous >= 0, before, -1)
        name, index, t = key
        if tag == "trunk":
            return self._column(self.period_at[c], name, index, t)
        return self._column(self.period_at[c], name, index, self._stamps_at(c, t))

    def _stamps_at(self, c: int, t: int) -> Ints:
        """(branches,) instance that holds a period of each branch: the trunk's before its onset."""
        first, onset = self.branches[c]
        return np.where(t < onset, t, first + t - onset)

    def _part(self, name: str, key: Any, c: int) -> Ints:
        """(S,) columns of a component's variable in every scenario: its branch's, or the trunk's loss."""
        S = len(self.structure.scenarios.names)
        rest = int(self._column(0, "trunk_loss", c, 0)) if name == "loss" else -1
        columns = np.full(S, rest, dtype=np.int64)
        blocks = self.structure.block_index[c]
        if blocks.branches:
            columns[list(blocks.branches)] = self._column(self.branch_at[c], name, key, np.arange(len(blocks.branches)))
        return columns
