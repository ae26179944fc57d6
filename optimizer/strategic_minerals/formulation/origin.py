"""Clean feed: what the authority buys or supports under a rule of origin with reach-back.

A run of a plant is clean as far as all its modelled feed is. A clean tonne may go where any tonne goes, never the other way, so it
is enough to say how much of each run is clean, and that clean feed suffices for what has to be clean. Capacity, survival,
contracts and signatures are those of the run itself. Releases of the reserve count as no clean feed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyomo.environ as pyo

from .structure import ComponentSets, Structure


def add_clean_chain(b: pyo.Block, structure: Structure, sets: ComponentSets, operating: Mapping[int, Any]) -> None:
    """Variable, and the three families of rows. operating: share of each output class signed, a variable of commitments."""
    b.clean_output = pyo.Var(list(sets.clean.makers), bounds=(0, None), doc="part of the production made of clean feed")
    add_clean_share(b, sets)
    add_clean_support(b, structure, sets, operating)
    add_clean_balance(b, structure, sets)


def add_clean_share(b: pyo.Block, sets: ComponentSets) -> None:
    """A part of a run is clean.

    clean[j] <= run[j]                                                                [unit]  for each maker j of clean feed
    """
    b.clean_share = pyo.Constraint(list(sets.clean.makers), rule=lambda b, j: b.clean_output[j] <= b.output[j])


def add_clean_support(b: pyo.Block, structure: Structure, sets: ComponentSets, operating: Mapping[int, Any]) -> None:
    """What support signed under a rule binds runs on clean feed; what was signed before the rule, or without support, does not.

    run[p] - clean[p] <= sum_{g of p, not bound} K rho ramp alive crisis operating[p,g]    [unit]  for each bound project p
    """
    first, classes = structure.instance.sources, structure.support.classes

    def support(b: Any, p: int) -> Any:
        free = [g for g in sets.classes if classes[g].project == p and not classes[g].bound]
        given = sum(b.project_share[g] * operating[g] for g in free)
        return b.output[first + p] - b.clean_output[first + p] - given <= 0

    b.clean_support = pyo.Constraint(list(sets.clean.supported), rule=support)


def add_clean_balance(b: pyo.Block, structure: Structure, sets: ComponentSets) -> None:
    """Clean feed suffices for clean runs and for what is made for the reserve.

    sum_j y[j,i] clean[j] + sum_j min(y[j,i],0) held[j] hold[j] >= 0                     [unit]  for each i of the chain
    j runs over the makers, whose outputs and inputs both count.
    """
    y, chain = structure.instance.yields, sets.clean

    def balance(b: Any, i: int) -> Any:
        terms = [y[j, i] * b.clean_output[j] for j in chain.makers if y[j, i] != 0]
        terms += [y[j, i] * b.clean_held[j] * b.reserve_output[j] for j in chain.holders if y[j, i] < 0]
        return sum(terms) >= 0 if terms else pyo.Constraint.Skip

    b.clean_balance = pyo.Constraint(list(chain.materials), rule=balance)
