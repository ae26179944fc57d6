"""From the tables `commitments` and `payments_due` to what a plan has to pay for what was signed before it (section 15)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ..core.arrays import Floats
from ..core.units import MUSD_PER_T
from ..data.dataset import Dataset
from .calendar import Calendar
from .carried import Carried, PaidFloor
from .floor import Floor
from .instance import Instance
from .producer_economics import expected_payment, payment, quantile_state, survival


def signed_floors(
    data: Dataset, materials: Mapping[str, int], producers: Mapping[str, int], calendar: Calendar
) -> tuple[PaidFloor, ...]:
    """Floors that were guaranteed before the plan, on the producers that have them, as far as they have not ended."""
    found = []
    for row in data.rows("commitments"):
        if row.floor_usd_per_kg is None or row.producer not in producers or row.floor_material not in materials:
            continue
        begin = _period(calendar, row.floor_from_year, 0)
        term = _period(calendar, row.floor_until_year, 10 * calendar.periods) - begin
        if term > 0:
            level, take = row.floor_usd_per_kg * MUSD_PER_T, math.inf
            if row.take_t_per_yr is not None:
                take = row.take_t_per_yr * calendar.step
            kind = row.floor_kind or "contract"
            floor = Floor(materials[row.floor_material], level, row.upside_share, kind, term, begin=begin, take=take)
            found.append(PaidFloor(producers[row.producer], floor))
    return tuple(found)


def _period(calendar: Calendar, date: float | None, otherwise: int) -> int:
    """The period that begins at a date, 0 for what is past."""
    if date is None:
        return otherwise
    return max(0, round((date - calendar.first_year) / calendar.step))


def nothing_carried(calendar: Calendar) -> Carried:
    """Nothing was signed before."""
    zero = np.zeros(len(calendar.years))
    return Carried(zero, zero, zero, (), 0.0)


def carried(instance: Instance, data: Dataset, signed: Sequence[PaidFloor]) -> Carried:
    """What was signed before costs in each fiscal year, in million USD.

    due[f] = payments due in f + sum over floors, t in f, of E_w[max(0, F - w P) - upside max(0, w P - F)]+ x alive rho
    on the undisturbed course, receipts of an upside share not counted; liability at the price state w*, net of them. A border
    floor costs the budget nothing.
    """
    calendar = instance.calendar
    instalments: Floats = np.zeros(len(calendar.years))
    for row in data.rows("payments_due"):
        if row.fiscal_year in calendar.years:
            instalments[calendar.years.index(row.fiscal_year)] += row.amount_musd
    by_year = np.equal.outer(np.arange(len(calendar.years)), calendar.year_index).astype(float)
    star = quantile_state(instance, instance.plan.budget.liability_quantile)
    due, liability = instalments.copy(), np.zeros(len(calendar.years))
    for paid in signed:
        if paid.floor.kind == "border":
            continue
        tonnes, price = floored_tonnes(instance, paid)
        due += by_year @ (tonnes * np.maximum(0.0, expected_payment(instance, price, paid.floor)))
        liability += by_year @ (tonnes * payment(star * price, paid.floor))
    residual = sum(row.residual_musd for row in data.rows("commitments"))
    return Carried(due, instalments, np.maximum(0.0, liability), tuple(signed), residual)


def floored_tonnes(instance: Instance, paid: PaidFloor) -> tuple[Floats, Floats]:
    """(T,) tonnes on which a floor pays on the undisturbed course, and the producer's own price (1+premium) P [million USD/t]."""
    j, floor = paid.producer, paid.floor
    t = np.arange(instance.calendar.periods)
    begin = floor.begin or 0
    term = (t >= begin) & (t < begin + floor.term)
    outside = bool(instance.outside[j, floor.material])
    price = instance.market_price(floor.material, outside, instance.price[floor.material])
    made = np.minimum(floor.take, instance.yields[j, floor.material] * instance.capacity[j])
    alive = survival(instance, j, instance.price, (), 0)
    return made * instance.availability[j] * alive * term, (1 + instance.premium[j]) * price
