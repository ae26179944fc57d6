"""What was signed before a plan, from the tables `commitments` and `payments_due`: floors in force, and what they cost whom."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from ..core.frames import Floats, Ints
from ..core.stats import MUSD_PER_T
from ..question.dataset import Dataset
from ..question.plan import Plan
from .instance import Calendar, Carried, Floor, Instance, PaidFloor, Project
from .producers import expected_payment, payment, quantile_state, survival


def signed_floors(
    plan: Plan, data: Dataset, materials: Mapping[str, int], producers: Mapping[str, int], calendar: Calendar
) -> tuple[PaidFloor, ...]:
    """Floors that were guaranteed before the plan, on the producers that have them, as far as they have not ended."""
    homes = {plan.home, *(member.home for member in (plan.together.members if plan.together else ()))}
    rise = _yearly_rise(data)
    found = []
    for row in data.rows("commitments"):
        if row.floor_usd_per_kg is None or row.producer not in producers or row.floor_material not in materials:
            continue
        begin = _period(calendar, row.floor_from_year, 0)
        term = _period(calendar, row.floor_until_year, 10 * calendar.periods) - begin
        if term > 0:
            level = row.floor_usd_per_kg * MUSD_PER_T
            take = math.inf if row.take_t_per_yr is None else row.take_t_per_yr * calendar.step
            kind = row.floor_kind or "contract"
            payer: Literal["plan", "apart", "others"] = "plan" if row.payer is None else "others"
            payer = "apart" if row.payer in homes and plan.existing else payer
            whole = Floor(materials[row.floor_material], level, row.upside_share, kind, term, begin=begin, take=take)
            found += [
                PaidFloor(producers[row.producer], floor, payer) for floor in _in_real_money(whole, row, calendar, rise)
            ]
    return tuple(found)


def _in_real_money(floor: Floor, row: Any, calendar: Calendar, rise: float) -> Iterator[Floor]:
    """A floor in money of the plan's price year: where it is fixed in money, one a fiscal year, each lower than the last. rise: of
    prices a year, from the year of the row's money on."""
    if row.indexed or row.money_year is None:
        yield floor
        return
    begin, last = floor.begin or 0, min((floor.begin or 0) + floor.term, calendar.periods)
    for f in range(begin // calendar.per_year, -(-last // calendar.per_year)):
        first, end = max(begin, f * calendar.per_year), min(last, (f + 1) * calendar.per_year)
        worth = (1 + rise) ** (row.money_year - calendar.first_year - f)
        yield replace(floor, level=floor.level * worth, begin=first, term=end - first)
    if floor.term > last - begin:  # what is left after the horizon, at the level of its last year
        yield replace(floor, level=floor.level * worth, begin=last, term=begin + floor.term - last)


def _yearly_rise(data: Dataset) -> float:
    """Mean rise of consumer prices a year over the index of the tables; 0 without one."""
    index = sorted((row.money_year, row.price_index) for row in data.rows("deflators"))
    if len(index) < 2:
        return 0.0
    (first, low), (last, high) = index[0], index[-1]
    return float((high / low) ** (1 / (last - first)) - 1)


def _period(calendar: Calendar, date: float | None, otherwise: int) -> int:
    """The period that begins at a date, 0 for what is past."""
    if date is None:
        return otherwise
    return max(0, round((date - calendar.first_year) / calendar.step))


def carried(instance: Instance, data: Dataset, signed: Sequence[PaidFloor]) -> Carried:
    """What was signed before costs in each fiscal year, in million USD.

    due[f] = payments due in f + sum over the plan's floors, t in f, of E_w[max(0, F - w P) - upside max(0, w P - F)]+ x alive rho
    on the undisturbed course, receipts of an upside share not counted; apart[f], the sum over floors paid with money beside it;
    liability of both at the price state w*, net of them. A border floor costs the budget nothing.
    """
    calendar = instance.calendar
    instalments: Floats = np.zeros(len(calendar.years))
    for row in data.rows("payments_due"):
        if row.fiscal_year in calendar.years:
            instalments[calendar.years.index(row.fiscal_year)] += row.amount_musd
    by_year = np.equal.outer(np.arange(len(calendar.years)), calendar.year_index).astype(float)
    star = quantile_state(instance, instance.plan.budget.liability_quantile)
    expected, liability = {"plan": instalments.copy(), "apart": np.zeros(len(calendar.years))}, 0.0 * instalments
    ours = tuple(paid for paid in signed if paid.payer != "others")
    for paid in ours:
        if paid.floor.kind == "border":
            continue
        tonnes, price = floored_tonnes(instance, paid)
        expected[paid.payer] += by_year @ (tonnes * np.maximum(0.0, expected_payment(instance, price, paid.floor)))
        liability += by_year @ (tonnes * payment(star * price, paid.floor))
    residual = sum(row.residual_musd for row in data.rows("commitments"))
    return Carried(expected["plan"], instalments, expected["apart"], np.maximum(0.0, liability), ours, residual)


def floored_tonnes(instance: Instance, paid: PaidFloor) -> tuple[Floats, Floats]:
    """(T,) tonnes on which a floor pays on the undisturbed course, and the producer's own price (1+premium) P [million USD/t]."""
    j, floor = paid.producer, paid.floor
    t = np.arange(instance.calendar.periods)
    begin = floor.begin or 0
    term = (t >= begin) & (t < begin + floor.term)
    outside = bool(instance.outside[j, floor.material])
    price = instance.market_price(floor.material, outside, instance.price[floor.material])
    part = np.ones(len(t))
    for project in instance.projects:
        if project.producer == j:  # committed: it stands from its date on
            part = standing(project, project.earliest + project.lead, t)
    made = np.minimum(floor.take, instance.yields[j, floor.material] * instance.capacity[j] * part)
    alive = survival(instance, j, instance.price, (), 0)
    return made * instance.availability[j] * alive * term, (1 + instance.premium[j]) * price


def standing(project: Project, start: int, t: Ints) -> Floats:
    """(T,) share of its capacity that a project which produces from a period on has in each period."""
    age = t - start
    return np.where((age >= 0) & (age < project.life), project.ramp[np.clip(age, 0, project.life - 1)], 0.0)
