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
from .instance import Calendar, Carried, Floor, Instance, PaidFloor, Project, overlap
from .producers import EARNINGS, expected_payment, guaranteed_price, payment, quantile_state, survival


def signed_floors(
    plan: Plan,
    data: Dataset,
    materials: Mapping[str, int],
    producers: Mapping[str, int],
    yields: Floats,
    cash: Floats,
    calendar: Calendar,
) -> tuple[PaidFloor, ...]:
    """Floors that were guaranteed before the plan, on the producers that have them, as far as they have not ended.

    yields: (J, I); cash: (J,) unit cost [million USD/t], on which guaranteed earnings stand.
    """
    rise, found = yearly_rise(data), list[PaidFloor]()
    for row in data.rows("commitments"):
        if row.floor_usd_per_kg is None or row.producer not in producers or row.floor_material not in materials:
            continue
        horizon = len(calendar.years)
        begin = max(row.floor_from_year or 0.0, calendar.first_year)
        end = min(row.floor_until_year or math.inf, calendar.first_year + 10 * horizon)
        if begin >= min(end, calendar.first_year + horizon):
            continue
        j, i = producers[row.producer], materials[row.floor_material]
        payer: Literal["plan", "apart", "others"] = "plan" if row.payer is None else "others"
        payer = "apart" if row.payer == plan.home and plan.existing else payer
        earned = row.floor_kind == EARNINGS
        level = row.floor_usd_per_kg * MUSD_PER_T * (float(yields[j, i]) if earned else 1.0)
        take = math.inf if row.take_t_per_yr is None else row.take_t_per_yr * calendar.step
        kind = row.floor_kind or "contract"
        base = float(cash[j]) if earned else 0.0
        for worth, since, until in _in_real_money(row, calendar, rise, begin, end):
            first, last = (round((date - calendar.first_year) / calendar.step) for date in (since, until))
            floor = Floor(i, base + worth * level, row.upside_share, kind, last - first, begin=first, take=take)
            found.append(PaidFloor(j, floor, payer, since, until))
    return tuple(found)


def _in_real_money(
    row: Any, calendar: Calendar, rise: float, begin: float, end: float
) -> Iterator[tuple[float, float, float]]:
    """(share of its level that a floor is worth in money of the plan's price year, begin, end): where it does not follow prices,
    one a fiscal year. rise: of prices a year, from the year of the row's money on, as its own escalator."""
    if row.indexed or row.money_year is None:
        yield 1.0, begin, end
        return
    while begin < end:
        year = math.floor(begin)
        last = min(end, year + 1) if year in calendar.years else end
        yield ((1 + row.escalator_share_per_yr) / (1 + rise)) ** (year - row.money_year), begin, last
        begin = last


def yearly_rise(data: Dataset) -> float:
    """Mean rise of consumer prices a year over the index of the tables; 0 without one."""
    index = sorted((row.money_year, row.price_index) for row in data.rows("deflators"))
    if len(index) < 2:
        return 0.0
    (first, low), (last, high) = index[0], index[-1]
    return float((high / low) ** (1 / (last - first)) - 1)


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
    """(T,) tonnes on which a floor pays on the undisturbed course, of earnings units of activity, and the price that it is held
    against [million USD/t]. The periods of its first and last day count by their share, and its plant runs meanwhile."""
    j, floor = paid.producer, paid.floor
    t = np.arange(instance.calendar.periods)
    share = overlap(instance.calendar, paid.begin, paid.end)
    part = np.ones(len(t))
    for project in instance.projects:
        if project.producer == j:  # committed: it stands from its date on
            part = standing(project, project.earliest + project.lead, t)
    each = 1.0 if floor.kind == EARNINGS else instance.yields[j, floor.material]
    made = np.minimum(floor.take, each * instance.capacity[j] * part)
    whole = replace(floor, begin=int((share > 0).argmax()), term=int((share > 0).sum()))
    alive = survival(instance, j, instance.price, (whole,), 0)
    return made * instance.availability[j] * alive * share, guaranteed_price(instance, paid)


def due_as_run(instance: Instance, run: Floats) -> Floats:
    """(T,) what floors that the home pays apart cost on a course of activity (J, T) for users [million USD]."""
    found: Floats = np.zeros(instance.calendar.periods)
    for paid in instance.carried.floors:
        j, floor = paid.producer, paid.floor
        if paid.payer == "apart" and floor.kind != "border":
            each = 1.0 if floor.kind == EARNINGS else instance.yields[j, floor.material]
            tonnes = np.minimum(floor.take, each * run[j]) * overlap(instance.calendar, paid.begin, paid.end)
            found += tonnes * np.maximum(0.0, expected_payment(instance, guaranteed_price(instance, paid), floor))
    return found


def standing(project: Project, start: int, t: Ints) -> Floats:
    """(T,) share of its capacity that a project which produces from a period on has in each period."""
    age = t - start
    return np.where((age >= 0) & (age < project.life), project.ramp[np.clip(age, 0, project.life - 1)], 0.0)
