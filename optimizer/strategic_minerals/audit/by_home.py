"""Whose cost it is: social cost of a plan of several homes, split into what each of them bears (section 5, home by home).

Costs of operations are linear in what runs, is bought and is missing, and everything of a home bears its materials. What homes have
in common, plants built together and market floors, stands under no home.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..core.arrays import Bools
from ..instance.instance import Instance
from ..model.solution import Solution
from .accounts import Accounts, operations, social_cost
from .accounts import commitments as committed

COMMON = ""
"""What belongs to no single home."""
BY_PRODUCER = ("output", "reserve_output", "clean_output")
BY_MATERIAL = ("release", "disposal", "stock", "sent", "received", "surplus")
BY_USERS = ("users_pull", "users_refill", "users_missing")


def homes_of_materials(accounts: Accounts) -> tuple[str, ...]:
    """(I,) home whose users want each material; `COMMON` where the tables name none."""
    known = {row.material: row.home or COMMON for row in accounts.problem.data.rows("materials")}
    return tuple(known[name] for name in accounts.problem.natural.materials)


def costs_by_home(accounts: Accounts) -> dict[str, float]:
    """Social cost of each home of a plan, and of what they have in common; together all of it  [million USD, discounted].

    Users of a home pay for what they draw from a plant built together, as they would pay any other source. Who buys or holds stock
    bears its cost, and who receives stock of another pays the freight alone.
    """
    owners = homes_of_materials(accounts)
    homes = [home for home in dict.fromkeys(owners) if home != COMMON]
    found = {home: _cost(accounts, owners, home) for home in homes}
    whole = sum(social_cost(accounts.problem, accounts.solution, accounts).values())
    return {**found, COMMON: whole - sum(found.values())}


def _cost(accounts: Accounts, owners: Sequence[str], home: str) -> float:
    n, x = accounts.problem.natural, accounts.solution
    of = [_serves(n, owners, j) for j in range(len(n.producers))]
    producers = np.array([home in each for each in of], dtype=bool)
    alone = replace(accounts, solution=_of_home(accounts, owners, producers, home))
    signed = {p for p, project in enumerate(n.projects) if of[project.producer] == {home}}
    alone = replace(alone, signings=tuple(s for s in accounts.signings if s.project in signed), markets=(), floors=())
    running = sum(float(values.sum()) for values in operations(alone, accounts.path_data.counted).values())
    # what a plant built together gives its users they pay for, at its price
    drawn = 0.0
    for j in np.flatnonzero(producers).tolist():
        for i in np.flatnonzero(n.yields[j]).tolist():
            if owners[i] == COMMON:
                flow = -n.yields[j, i] * x.output[:, j] * accounts.path_data.counted[0][:, i]
                drawn += accounts.path_data.expect(int(n.component[i]), flow)
    skipped = ("cvar", "soft_penalties", "users_border_surcharge", "authority_border_revenue")
    commitments = sum(value for name, value in committed(alone).items() if name not in skipped)
    freight = _freight(accounts, owners, home)
    return running + drawn + commitments + freight


def _serves(n: Instance, owners: Sequence[str], j: int) -> set[str]:
    """Homes whose materials a producer makes or takes; none for a plant built together."""
    return {owners[i] for i in np.flatnonzero(n.yields[j]).tolist()} - {COMMON}


def _freight(accounts: Accounts, owners: Sequence[str], home: str) -> float:
    """What a home pays for stock that it receives beyond what its own costs of sending say  [million USD]."""
    n, x, total = accounts.problem.natural, accounts.solution, 0.0
    for i, owner in enumerate(owners):
        if owner == home:
            moved = (x.received[:, i] - x.sent[:, i]) * n.freight[i]
            total += accounts.path_data.expect(int(n.component[i]), moved)
    return total


def _of_home(accounts: Accounts, owners: Sequence[str], producers: Bools, home: str) -> Solution:
    """A solution with nothing in it but what is of one home."""
    n, x = accounts.problem.natural, accounts.solution
    own = np.array([owner == home for owner in owners], dtype=bool)
    bought = {p.name: p.material for shape in accounts.problem.structure.component_sets for p in shape.purchases}
    masks = {
        **dict.fromkeys(BY_PRODUCER, producers),
        **dict.fromkeys(BY_MATERIAL, own),
        "acquisition": np.array([own[bought[name]] for name in x.purchases], dtype=bool),
        "substitute": np.array([own[n.demand_material[q]] for q, _ in n.steps], dtype=bool),
        "shortfall": np.array([own[n.demand_material[q]] for q, _ in n.tiers], dtype=bool),
        **dict.fromkeys(BY_USERS, np.array([own[i] for i, _ in n.users], dtype=bool)),
    }
    parts = {name: getattr(x, name) * mask[None, :, None] for name, mask in masks.items()}
    sources = [contract.source for contract in accounts.problem.structure.contracts]
    contract = np.array([amount * producers[j] for amount, j in zip(x.contract, sources, strict=True)])
    return replace(x, **parts, contract=contract)
