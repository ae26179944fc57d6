"""Measures in force when the plan starts, as baseline data: what they cut, what they do to prices, and the market outside the
countries that apply them. Sections 2 and 13 of the formulation."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.arrays import Bools, Floats
from ..core.units import MUSD_PER_T
from ..data.dataset import Dataset
from ..data.deflation import restating
from ..schemas.plan import Plan
from .calendar import Calendar, overlap
from .procurement import exposed_feed
from .touched import named_materials, touched_producers


@dataclass(frozen=True)
class Measures:
    """What the measures in force leave of supply, and at which prices."""

    availability: Floats
    """(J, T) trunk availability."""
    price: Floats
    """(I, T) trunk price [million USD/t]."""
    outside_quote: Floats
    """(I,) price quoted outside the countries that apply a measure [million USD/t]; 0 where there is one market."""
    outside_share: Floats
    """(I, T) share of each period in which the market is split."""
    inside: tuple[frozenset[str], ...]
    """(I,) countries that apply a measure with a market of its own outside them, or may in an event."""

    def outside(self, country: Sequence[str], sells: Bools) -> Bools:
        """(J, I) whether a seller in each country has the market outside for what it `sells` (J, I)."""
        apart = np.array([[bool(of) and c not in of for of in self.inside] for c in country], dtype=bool)
        return np.asarray(sells & apart.reshape(sells.shape))


def measures_in_force(
    plan: Plan,
    data: Dataset,
    calendar: Calendar,
    materials: Mapping[str, int],
    country: Sequence[str],
    members: Sequence[Collection[str]],
    home: Bools,
    yields: Floats,
    feed: Sequence[tuple[str, ...]],
    usual: Floats,
    price: Floats,
) -> Measures:
    """Availability of the producers and prices of the materials under the plan's controls.

    availability[j,t] = prod (1 - phi[t] (1 - usual (1 - cut))) where it cuts,  phi[t]: share of the period in force
    cut: share lost of the usual flow (J, T), the deepest of what a producer makes; that of feed for those abroad that use it
    price[i,t] = P (1 + (multiplier - 1) phi[t])
    Of several that split one market the dearest quote counts, and the longest. Hazards with prices outside their countries split
    it in their events.
    """
    availability, price = np.ones((len(country), calendar.periods)), price.copy()
    controls = [control for control in plan.controls if control.in_force]
    for control in controls:
        touched = named_materials(control.materials, materials)
        cut, third = touched_producers(country, yields, home, control.countries, touched)
        phi = overlap(calendar, calendar.first_year, control.until_year)
        exposed = exposed_feed(feed, members, control.countries)
        shares = np.array([control.cut_shares.get(name, control.cut_share) for name in materials])
        deepest = np.where((yields > 0) & touched, shares, 0.0).max(axis=1, initial=0.0)
        deepest = np.where(cut, deepest, np.where(third & exposed, control.feed_cut_share, 0.0))
        struck = deepest > 0
        availability[struck] *= 1 - phi * (1 - usual[struck] * (1 - deepest[struck, None]))
        price[touched] *= 1 + (control.price_multiplier - 1) * phi
    quotes, split, inside = np.zeros(len(materials)), np.zeros_like(price), [frozenset[str]() for _ in materials]
    for control in (control for control in controls if control.outside_prices):
        phi = overlap(calendar, calendar.first_year, control.until_year)
        for row in latest_quotes(data, control, materials):
            i = materials[row.material]
            quote = row.outside_usd_per_kg * MUSD_PER_T * restating(plan, data, int(row.date[:4]))
            quotes[i], split[i] = max(quotes[i], quote), np.maximum(split[i], phi)
            inside[i] |= set(control.countries.split())
    countries = {row.hazard: row.countries.split() for row in data.rows("hazards")}
    for row in data.rows("hazard_prices"):
        if row.material in materials and row.market == "outside" and plan.uses_hazard(row.hazard):
            inside[materials[row.material]] |= set(countries.get(row.hazard, ()))
    return Measures(availability, price, quotes, split, tuple(inside))


def latest_quotes(data: Dataset, control: Any, materials: Mapping[str, int]) -> list[Any]:
    """The latest row of `price_gaps` of each planned material and country of a control."""
    named = {name for name, of in zip(materials, named_materials(control.materials, materials), strict=True) if of}
    latest: dict[tuple[str, str], Any] = {}
    for row in sorted(data.rows("price_gaps"), key=lambda row: str(row.date)):
        if row.material in named and row.country in control.countries.split():
            latest[row.material, row.country] = row
    return list(latest.values())
