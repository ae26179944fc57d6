"""A solution in natural units, as arrays by name: what the solver's columns mean."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..core.frames import Floats, Ints
from ..core.stats import SMALL_T
from ..model.sets import Structure, WithoutPlan
from ..world.loss_values import loss_values
from .assembly import Assembly, PlacedBlock

OPERATIONS = tuple(
    (
        "output reserve_output clean_output acquisition release disposal stock sent received surplus "
        "substitute shortfall excess users_pull users_refill users_missing"
    ).split()
)

PRICE_PIECES = ("less", "more")
"""Columns of a period that follow from the others."""
HALF_LOT = 0.5
"""Share of a contract's lot from which it counts as signed."""


@dataclass(frozen=True)
class Solution:
    """Commitments and operations. Tonnes and million USD.

    Operations have a first axis of 1 + S paths: the trunk, then each scenario's whole course (the trunk's before the
    onset of a component, its branch's from then on), and a last axis of T periods."""

    sign: Floats
    """(options,) share signed, 0 or 1 unless relaxed or partial."""
    contract: Floats
    """(contracts,) tonnes per period."""
    floor: Floats
    """(market floors,)"""
    carry: Floats
    """(F,)"""
    unspent: Floats
    """(F,) appropriation left to branches; 0 where the plan leaves them none."""
    output: Floats
    """(1+S, J, T) production for users."""
    reserve_output: Floats
    """(1+S, J, T) production for the reserve."""
    clean_output: Floats
    """(1+S, J, T) part of the production for users that is made of clean feed, where a rule of origin asks for it."""
    acquisition: Floats
    """(1+S, B, T) acquisitions by purchase (`purchases`)."""
    release: Floats
    """(1+S, I, T)"""
    disposal: Floats
    stock: Floats
    sent: Floats
    """(1+S, I, T) stock moved to another home."""
    received: Floats
    surplus: Floats
    substitute: Floats
    """(1+S, H, T)"""
    shortfall: Floats
    """(1+S, N, T)"""
    excess: Floats
    """(1+S, rules, T) beyond diversification rules."""
    users_pull: Floats
    """(1+S, U, T) drawn from users' own stocks; 0 on the trunk."""
    users_refill: Floats
    users_missing: Floats
    """(1+S, U, T) what is missing from their level at the end of the period."""
    shared_money: Floats
    """(S, C, F) shared money used: emergency money, unspent appropriation."""
    short_of_promise: Floats
    """(S, service levels, F+1) tonnes short of soft service levels, by year; the last column is the whole episode."""
    purchases: tuple[str, ...]
    """Names on the axis of `acquisition`."""

    def __post_init__(self) -> None:
        """Nobody changes a solution: its arrays are views that cannot be written to."""
        for name, values in vars(self).items():
            if isinstance(values, np.ndarray):
                object.__setattr__(self, name, values.view())
                getattr(self, name).flags.writeable = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        """From another process, or of a copy: arrays do not keep that they cannot be written to."""
        Solution.__init__(self, **state)


def extract(structure: Structure, assembly: Assembly, x: Floats) -> Solution:
    """Read a solution out of the solver's columns, in tonnes."""
    instance = structure.instance
    W, T = 1 + len(structure.scenarios.names), instance.calendar.periods
    F, C = len(instance.calendar.years), len(structure.component_sets)
    names = tuple(p.name for sets in structure.component_sets for p in sets.purchases)
    material = {p.name: p.material for sets in structure.component_sets for p in sets.purchases}
    at = {name: k for k, name in enumerate(names)}
    u, v = instance.material_unit, instance.producer_unit
    scale = _scales(structure) | {"acquisition": u[[material[name] for name in names]] if names else np.zeros(0)}
    paths = {name: np.zeros((W, len(scale[name]), T)) for name in OPERATIONS}
    operations, branches = assembly.operations, assembly.branches
    extra = np.zeros((W - 1, C, F))
    levels = instance.plan.service_levels
    short = np.zeros((W - 1, len(levels), F + 1))
    for c, blocks in enumerate(structure.block_index):
        part = operations[c]
        values = _values(part, x)
        # instance of every (path, period): the trunk's before the onset
        which = np.tile(np.arange(T), (W, 1))
        for s in blocks.branches:
            onset = int(structure.scenarios.onset[s, c])
            which[s + 1, onset:] = blocks.first[s] + np.arange(T - onset)
        for column, (name, key) in enumerate(part.template.columns):
            if name in PRICE_PIECES:
                continue
            row = at[key] if name == "acquisition" else key
            paths[name][:, row, :] = values[which, column] * scale[name][row]
        branch = branches.get(c)
        if branch is None:
            continue
        values = _values(branch, x)
        for column, (name, key) in enumerate(branch.template.columns):
            if name == "shared_money":
                extra[list(blocks.branches), c, key] = values[:, column]
            elif name == "short_of_promise":
                level = levels[key[0]]
                unit = u[instance.materials.index(level.material)]
                short[list(blocks.branches), key[0], key[1]] = values[:, column] * unit
    commitments = assembly.commitments
    root = dict(zip(commitments.template.columns, _values(commitments, x)[0], strict=True))

    def vector(name: str, n: int) -> Floats:
        return np.array([root[name, k] for k in range(n)], dtype=float)

    contract = vector("contract", len(structure.contracts))
    contract_unit = np.array([v[k.source] for k in structure.contracts])
    return Solution(
        sign=vector("sign", len(structure.support.options)),
        contract=contract * contract_unit,
        floor=vector("floor", len(structure.support.markets)),
        carry=vector("carry", F),
        unspent=np.array([root.get(("unspent", f), 0.0) for f in range(F)], dtype=float),
        shared_money=extra,
        short_of_promise=short,
        purchases=names,
        **paths,
    )


def without_plan(structure: Structure, nothing: Solution) -> WithoutPlan:
    """What home users buy abroad, reserve and projects give, and what lacks, where nothing is done, in the structure's units."""
    n, u, v = structure.instance, structure.instance.material_unit, structure.instance.producer_unit
    bought, given = np.zeros_like(nothing.release), np.zeros_like(nothing.release)
    least = np.full_like(given, np.inf)
    for of in (moved for sets in structure.component_sets for moved in sets.moved):
        i = of.material
        for flow, makers in ((bought, of.abroad), (given, of.added)):
            flow[:, i] += sum(n.yields[j, i] * nothing.output[:, j] / v[j] for j in makers)
        given[:, i] += (nothing.release[:, i] * n.gives_for_price + nothing.disposal[:, i]) / u[i]
    trunk, scenarios = loss_values(n, structure.scenarios, range(len(n.tiers)))
    for k, (q, _) in enumerate(n.tiers):
        i = n.demand_material[q]
        spared = np.concatenate([trunk[None, k], scenarios[:, k]]) - n.price[i]
        least[:, i] = np.where(nothing.shortfall[:, k] > SMALL_T, np.minimum(least[:, i], spared), least[:, i])
    for h, (q, _) in enumerate(n.steps):
        i = n.demand_material[q]
        spared = n.step_cost[h] - n.price[i]
        least[:, i] = np.where(nothing.substitute[:, h] > SMALL_T, np.minimum(least[:, i], spared), least[:, i])
    return WithoutPlan(bought, bought - nothing.disposal / u[:, None], given, np.maximum(0.0, least))


def _scales(structure: Structure) -> dict[str, Floats]:
    """Tonnes that a unit of each operation stands for, by its index; purchases excluded."""
    instance = structure.instance
    u, v = instance.material_unit, instance.producer_unit
    unit = dict(zip(instance.materials, u, strict=True))
    held = u[[i for i, _ in instance.users]]
    return {
        **dict.fromkeys(("output", "reserve_output", "clean_output"), v),
        **dict.fromkeys(("release", "disposal", "stock", "sent", "received", "surplus"), u),
        "substitute": np.array([u[instance.demand_material[q]] for q, _ in instance.steps]),
        "shortfall": np.array([u[instance.demand_material[q]] for q, _ in instance.tiers]),
        "excess": np.array([unit.get(rule.material, 1.0) for rule in instance.plan.diversification]),
        **dict.fromkeys(("users_pull", "users_refill", "users_missing"), held),
    }


def embed(structure: Structure, assembly: Assembly, solution: Solution, operating: Floats) -> tuple[Ints, Floats]:
    """(columns, values) of all commitments and of the trunk's operations of a solution, in this structure's units.

    `operating` is the share of each output class of this structure. Names of purchases tie the two together."""
    u, v = structure.instance.material_unit, structure.instance.producer_unit
    T = structure.instance.calendar.periods
    at = {name: k for k, name in enumerate(solution.purchases)}
    columns: list[Ints] = []
    values: list[Floats] = []

    def put(where: Ints, what: Any) -> None:
        columns.append(np.atleast_1d(where))
        values.append(np.atleast_1d(np.asarray(what, dtype=float)))

    root = assembly.commitments
    units = [v[k.source] for k in structure.contracts]
    lots = np.array([k.lot for k in structure.contracts]) * units if units else np.zeros(0)
    contract = np.where(solution.contract > HALF_LOT * lots, solution.contract, 0.0)  # a trace of a lot is none
    for n, (name, key) in enumerate(root.template.columns):
        known: dict[str, Any] = {
            "sign": lambda k: solution.sign[k],
            "operating": lambda k: operating[k],
            "floor": lambda k: solution.floor[k],
            "contract": lambda k: contract[k] / units[k],
            "contract_signed": lambda k: contract[k] > 0,
            "carry": lambda k: solution.carry[k],
            "unspent": lambda k: solution.unspent[k],
        }
        if name in known:
            put(np.array([root.first_column + n]), known[name](key))
    scale = _scales(structure)
    for part in assembly.operations:
        for n, (name, key) in enumerate(part.template.columns):
            if name in PRICE_PIECES:
                continue
            where = part.first_column + n + part.width * np.arange(T)
            if name == "acquisition":  # of an offer that the plan did not know it buys nothing
                unit = u[structure.material_of_purchase[key]]
                put(where, solution.acquisition[0, at[key]] / unit if key in at else np.zeros(T))
            else:
                put(where, getattr(solution, name)[0, key] / scale[name][key])
    found, drawn = np.concatenate(values), np.concatenate(columns)
    least = np.isin(
        drawn, [root.first_column + n for n, (name, _) in enumerate(root.template.columns) if name == "carry"]
    )
    return drawn, np.where(least, found, np.maximum(0.0, found))  # the solver's -1e-9 is 0


def decided(structure: Structure, assembly: Assembly, solution: Solution) -> tuple[Ints, Floats]:
    """(columns, values) of `embed`, with the output classes of this structure run as the solution has signed."""
    operating = np.zeros(len(structure.support.classes))
    np.add.at(operating, [o.output_class for o in structure.support.options], solution.sign)
    return embed(structure, assembly, solution, operating)


def decided_point(structure: Structure, assembly: Assembly, solution: Solution) -> Floats:
    """(columns,) commitments and the trunk's operations of a solution; zeros in scenarios."""
    columns, values = decided(structure, assembly, solution)
    x = np.zeros(len(assembly.lower))
    x[columns] = values
    return x


def trunk_alone(solution: Solution) -> Solution:
    """What is decided before anything has happened: the commitments and the trunk's operations, without scenarios."""
    return replace(
        solution,
        **{name: getattr(solution, name)[:1] for name in OPERATIONS},
        shared_money=solution.shared_money[:0],
        short_of_promise=solution.short_of_promise[:0],
    )


def _values(part: PlacedBlock, x: Floats) -> Floats:
    """(instances, own columns) values of a part."""
    return x[part.own].reshape(part.count, part.width)
