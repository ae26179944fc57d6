"""Clean feed: what the authority buys or supports under a rule of origin with reach-back (formulation section 14).

A run of a plant is clean as far as all its modelled feed is. A clean tonne may go where any tonne goes, never the other way, so it
is enough to say how much of each run is clean, and that clean feed suffices for what has to be clean. Capacity, survival,
contracts and signatures are those of the run itself. Releases of the reserve count as no clean feed.
"""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo

from .structure import ComponentSets, Structure


def add_clean_chain(b: pyo.Block, structure: Structure, sets: ComponentSets) -> None:
    """Variable, and the two families of rows."""
    b.clean_output = pyo.Var(list(sets.clean.makers), bounds=(0, None), doc="part of the production made of clean feed")
    add_clean_share(b, sets)
    add_clean_balance(b, structure, sets)


def add_clean_share(b: pyo.Block, sets: ComponentSets) -> None:
    """A part of a run is clean.

    clean[j] <= run[j]                                                                [unit]  for each maker j of clean feed
    """
    b.clean_share = pyo.Constraint(list(sets.clean.makers), rule=lambda b, j: b.clean_output[j] <= b.output[j])


def add_clean_balance(b: pyo.Block, structure: Structure, sets: ComponentSets) -> None:
    """Clean feed suffices for clean runs, for what is made for the reserve and for what supported projects make.

    sum_j y[j,i] clean[j] + sum_j min(y[j,i],0) held[j] hold[j] + sum_p min(y[p,i],0) bound[p] (run[p] - clean[p]) >= 0
                                                                                      [unit]  for each i of the chain
    j runs over the makers, whose outputs and inputs both count; a bound project takes clean feed for its whole run.
    """
    y, first, chain = structure.instance.yields, structure.instance.sources, sets.clean
    bound = {first + p: p for p in chain.supported}

    def balance(b: Any, i: int) -> Any:
        made = [y[j, i] * b.clean_output[j] for j in chain.makers if y[j, i] != 0]
        held = [y[j, i] * b.clean_held[j] * b.reserve_output[j] for j in chain.holders if y[j, i] < 0]
        runs = [
            y[j, i] * b.clean_bound[p] * (b.output[j] - (b.clean_output[j] if j in chain.makers else 0))
            for j, p in bound.items()
            if y[j, i] < 0
        ]
        terms = [*made, *held, *runs]
        return sum(terms) >= 0 if terms else pyo.Constraint.Skip

    b.clean_balance = pyo.Constraint(list(chain.materials), rule=balance)
