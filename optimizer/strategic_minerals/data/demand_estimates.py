"""What users want of a mineral, by segment, where no source splits it.

As `estimates`: pure functions of published figures, named in the notes of rows, recomputed by a test.
"""

from __future__ import annotations

from .estimates import Estimate

DEFENCE = {"general": (0.01, 0.03, 0.1), "aerospace": (0.03, 0.1, 0.3), "rare_earth": (0.007, 0.02, 0.058)}
"""Kind of mineral -> low, central and high share of American use that is defence."""
CIVILIAN = {"essential": (0.15, 0.30, 0.50), "other": (0.50, 0.70, 0.85)}
"""Segment -> share of what is left."""


def segment_demand(total_t: float, segment: str, kind: str) -> Estimate:
    """Demand of a segment. Defence: 3 % (1-10) of `general` minerals, 10 % (3-30) of `aerospace` and
    electronics ones, 2.0 % (0.7-5.8) of rare earths; then 30 % (15-50) of civilian use is essential.

    Rare earths: DoD and Adamas figures in demand_segments; antimony's stockpile contract is 3 % of its use.
    No source splits essential from other civilian use: power, grids, medicine, telecoms, freight are meant.
    """
    low, mid, high = DEFENCE[kind]
    if segment == "defence":
        return Estimate(low, mid, high).times(total_t)
    shares = CIVILIAN[segment]
    return Estimate(shares[0] * (1 - high), shares[1] * (1 - mid), shares[2] * (1 - low)).times(total_t)


def known_use(total_t: float, segment: str, essential_share: float) -> Estimate:
    """Demand of a segment where a source prints the share of a use that is essential (fertiliser, batteries, coke): defence 3 %
    (1-10) as for general minerals, and of the rest that share."""
    share = {"essential": essential_share, "other": 1 - essential_share}.get(segment)
    if share is None:
        return Estimate(0.01, 0.03, 0.10).times(total_t)
    return Estimate(0.90, 0.97, 0.99).times(total_t * share)


def one_of_seven(total_t: float) -> Estimate:
    """Use of one of the seven heavy rare earths that are printed together: a seventh of it (a fiftieth, all)."""
    return Estimate(1 / 50, 1 / 7, 1.0).times(total_t)


def direct_oxide_demand(total_t: float, share: float) -> Estimate:
    """Use of an oxide outside magnets, which USGS does not print: share of a total, a third to double."""
    return Estimate(1 / 3, 1.0, 2.0).times(total_t * share)


def smco_demand(ndfeb_t: float, segment: str) -> Estimate:
    """US demand for SmCo magnets: 1 % of NdFeB (0.2-2.0; the world's share is under 2 %, Binnemans).

    Defence takes 30 %, essential civilian 20 %: aerospace, high temperatures.
    """
    share = {"defence": 0.3, "essential": 0.2, "other": 0.5}[segment]
    return Estimate(0.002, 0.01, 0.02).times(ndfeb_t * share)


def anode_demand(planned_t: float, sold_t: float, segment: str) -> Estimate:
    """US demand for natural-graphite anode material, unpublished: Vidalia's planned capacity, sized to its US
    customers; low: what it has sold (Tesla), high: double the plan."""
    share = {"defence": 0.01, "essential": 0.29, "other": 0.70}[segment]
    return Estimate(sold_t, planned_t, 2 * planned_t).times(share)
