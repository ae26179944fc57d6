"""What supports do to owners and to the treasury: pure functions of data, computed before the solve.

Financing gap, price-floor receipts and cost, survival of plants through a flood, capital instruments.
Money in million USD, prices in million USD per tonne, periods counted from 0."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from ..core.frames import Bools, Floats, Ints
from ..core.stats import MUSD_PER_T
from ..question.dataset import Dataset
from ..question.plan import Plan
from .instance import Calendar, Carried, Floor, Instance, Instrument, PaidFloor, Project, Purchase, Unsure, overlap

TOLERANCE = 1e-9
"""Relative slack when revenue is compared with cash cost, so that a tie is not decided by rounding."""

ROUNDING = 1e-12
"""Relative distance of price and floor that is rounding."""

EARNINGS = "earnings"
"""Kind of a floor whose level is what a unit of activity brings when its inputs are paid: unit cost and guaranteed earnings."""


def recv(price: Floats, floor: Floor) -> Floats:
    """What an owner receives per tonne under a floor: max(P, F) - upside*max(0, P - F)."""
    above = np.maximum(0.0, price - floor.level)
    return np.asarray(np.maximum(price, floor.level) - floor.upside * above, dtype=float)


def payment(price: Floats, floor: Floor) -> Floats:
    """What the payer of a floor pays per tonne, net of the upside share: max(0, F-P) - upside*max(0, P-F)."""
    short = floor.level - price
    # a floor at the price pays nothing, not 1e-17
    short = np.where(np.abs(short) <= ROUNDING * floor.level, 0.0, short)
    return np.asarray(np.maximum(0.0, short) - floor.upside * np.maximum(0.0, -short), dtype=float)


def expected_payment(instance: Instance, price: Floats, floor: Floor) -> Floats:
    """E_w of `payment` over the price states, elementwise."""
    states = instance.state_factor.reshape((-1,) + (1,) * price.ndim)
    return np.asarray(np.tensordot(instance.state_probability, payment(states * price, floor), axes=1), dtype=float)


def asked_price(instance: Instance, purchase: Purchase, price: Floats, gap: Floats | None = None) -> Floats:
    """(..., T) what a purchase costs in its market, (1+premium) P, of the lower market price (..., T)."""
    market = instance.market_price(purchase.material, purchase.outside, price, gap=gap)
    return np.asarray((1 + purchase.premium) * market)


def purchase_price(instance: Instance, purchase: Purchase, price: Floats, gap: Floats | None = None) -> Floats:
    """(..., T) what a purchase costs the budget, of the lower market price (..., T): what is asked, and what a guarantee adds.

    While all of the seller's output is guaranteed with money beside the plan's, the reserve pays the guaranteed price,
    + max(0, E_w[max(0, F - w P) - upside max(0, w P - F)]): what it takes is not sold at the market, so that money pays nothing on
    it. A floor that the plan's own money pays is paid once for all of the output, and one on a part of it leaves the rest.
    """
    asked = asked_price(instance, purchase, price, gap)
    found = asked
    for one in guarantees(instance, purchase):
        seen = asked if one.floor.kind != EARNINGS else net_revenue(instance, one.producer, purchase.material, asked)
        found = found + overlap(instance.calendar, one.begin, one.end) * _due(instance, one, seen)
    return np.asarray(found)


def _due(instance: Instance, paid: PaidFloor, price: Floats) -> Floats:
    """What a guarantee pays for a tonne of product, at what it is compared with [million USD/t]."""
    y = float(instance.yields[paid.producer, paid.floor.material]) if paid.floor.kind == EARNINGS else 1.0
    return np.asarray(np.maximum(0.0, expected_payment(instance, price, paid.floor)) / y)


def guarantees(instance: Instance, purchase: Purchase) -> Iterator[PaidFloor]:
    """Floors on all of what a seller makes of a material that are paid with money beside the plan's."""
    j, i = purchase.source, purchase.material
    for one in instance.carried.floors:
        whole = one.floor.take >= float((instance.yields[j, i] * instance.capacity[j]).max(initial=0.0)) * (
            1 - TOLERANCE
        )
        if (one.payer, one.producer, one.floor.material) == ("beside", j, i) and one.floor.kind != "border" and whole:
            yield one


def spared(instance: Instance, purchase: Purchase) -> Floats:
    """(T,) what the guarantee does not pay for a tonne that the reserve takes, on the undisturbed course [million USD/t]."""
    found = np.zeros(instance.calendar.periods)
    for one in guarantees(instance, purchase):
        due = _due(instance, one, guaranteed_price(instance, one))
        found = found + overlap(instance.calendar, one.begin, one.end) * due
    return found


def guaranteed_price(instance: Instance, paid: PaidFloor) -> Floats:
    """(T,) what a guarantee is compared with on the undisturbed course: the producer's own price (1+premium) P of its material, or
    of earnings what a unit of activity brings [million USD/t]."""
    j, i = paid.producer, paid.floor.material
    price = instance.market_price(i, bool(instance.outside[j, i]), instance.price[i])
    own = (1 + instance.premium[j]) * price
    return own if paid.floor.kind != EARNINGS else net_revenue(instance, j, i, own)


def net_revenue(instance: Instance, producer: int, material: int, price: Floats) -> Floats:
    """(..., T) what a unit of activity brings without any floor at a price of one of its materials, the others undisturbed."""
    calm = own_prices(instance, producer, instance.price)
    own = (1 + instance.premium[producer]) * calm[material]
    return np.asarray(revenue_of(instance, producer, calm, (), 0) + instance.yields[producer, material] * (price - own))


def quantile_state(instance: Instance, quantile: float) -> float:
    """w*: the largest factor with Prob(w >= w*) >= quantile; floor payments fall in w, so they stay below that state's."""
    order = np.argsort(instance.state_factor)[::-1]
    reached = np.cumsum(instance.state_probability[order])
    return float(instance.state_factor[order][np.argmax(reached >= quantile - 1e-12)])


def in_term(floor: Floor, start: int, periods: int) -> Bools:
    """(periods,) whether a floor is in force: market floors from period 1, a project's own from first output."""
    t = np.arange(periods)
    begin = start if floor.begin is None else floor.begin
    return np.asarray((t >= begin) & (t < begin + floor.term))


def covered(instance: Instance, producer: int, floor: Floor) -> float:
    """Share of the producer's output of the floor's material that the floor covers."""
    output = instance.yields[producer, floor.material] * instance.capacity[producer].max()
    return min(1.0, floor.take / output) if output > 0 else 0.0


def own_prices(instance: Instance, producer: int, price: Floats, gap: Floats | None = None) -> dict[int, Floats]:
    """(..., n) price of each material that a producer makes or uses in its market, of (..., I, n) in the lower one.

    gap: (..., I, n) price outside as a multiple of it in an event, 1 where none is given.

    What it uses counts at the lower price, as in users' costs: products of dear inputs are taken to be as dear; few are quoted."""
    return {
        i: instance.market_price(
            i, bool(instance.outside[producer, i]), price[..., i, :], gap=None if gap is None else gap[..., i, :]
        )
        for i in instance.yields[producer].nonzero()[0].tolist()
    }


def revenue_of(
    instance: Instance, producer: int, price: Mapping[int, Floats], floors: Sequence[Floor], start: int
) -> Floats:
    """(..., n) revenue per unit of activity over n periods, modelled inputs paid: sum y+ recv((1+premium)P) + sum y- P.

    price: (..., n) of each of the producer's own materials, on any paths; start: of its output, from which its own floors count.
    """
    total: Floats = np.zeros(np.broadcast_shapes(*(path.shape for path in price.values())))
    for i, path in price.items():
        y = instance.yields[producer, i]
        if y < 0:
            total += y * path
            continue
        received = (1 + instance.premium[producer]) * path
        mine = [f for f in floors if f.material == i and f.kind != EARNINGS]
        total += y * _received(instance, producer, received, mine, start)
    for floor in floors:
        if floor.kind == EARNINGS:
            within = in_term(floor, start, total.shape[-1])
            share = covered(instance, producer, floor)
            total = np.where(within, share * np.maximum(total, floor.level) + (1 - share) * total, total)
    return total


def _received(instance: Instance, producer: int, price: Floats, floors: Sequence[Floor], start: int) -> Floats:
    """What a tonne brings under the floors on its material: the best of those in force, the price where none is."""
    if not floors:
        return price
    best = np.full_like(price, -np.inf)
    for floor in floors:
        share = covered(instance, producer, floor)
        floored = price + share * (
            recv(price, floor) - price
        )  # so that one that adds nothing leaves the price to the last digit
        best = np.where(in_term(floor, start, price.shape[-1]), np.maximum(best, floored), best)
    return np.where(np.isfinite(best), best, price)


def survival(
    instance: Instance, producer: int, price: Floats, floors: Sequence[Floor], start: int, gap: Floats | None = None
) -> Bools:
    """(..., n) alive: revenue per unit has covered cash cost in every period from max(start, opens, t - restart) to t.

    Floors agreed before the plan count too. Before `start`, or before a source has any capacity (`Instance.opens`), nothing runs
    and nothing can be shut: a plant commissioned after a flood is not killed by it."""
    return survival_of(instance, producer, own_prices(instance, producer, price, gap), floors, start)


def survival_of(
    instance: Instance, producer: int, price: Mapping[int, Floats], floors: Sequence[Floor], start: int
) -> Bools:
    """As `survival`, of the prices (..., n) of the producer's own materials alone."""
    every = (*floors, *instance.in_force[producer])
    ok = revenue_of(instance, producer, price, every, start) >= instance.cash[producer] * (1 - TOLERANCE)
    return window_all(ok, max(start, int(instance.opens[producer])), int(instance.restart[producer]))


def window_all(ok: Bools, start: int, restart: int) -> Bools:
    """(..., n) whether all of ok[max(start, t-restart) .. t] hold; True before start."""
    n = ok.shape[-1]
    t = np.arange(n)
    bad = np.where(ok | (t < start), 0, 1)
    summed = np.concatenate([np.zeros((*ok.shape[:-1], 1), dtype=int), np.cumsum(bad, axis=-1)], axis=-1)
    since = np.minimum(np.maximum(start, t - restart), t + 1)
    return np.asarray(summed[..., t + 1] - summed[..., since] == 0)


def owner_npv(instance: Instance, project: Project, floors: Sequence[Floor], signed: int) -> float:
    """Owner's NPV at signing, at the hurdle rate, on the trunk path and without capital support.

    Capex in `lead` equal parts from signing; over the life K*ramp*(E_w revenue - cash); prices after T hold P[T]."""
    j, D, T = project.producer, instance.calendar.step, instance.calendar.periods
    start = signed + project.lead
    n = start + project.life
    held = np.concatenate([instance.price, np.repeat(instance.price[:, -1:], max(0, n - T), axis=1)], axis=1)[:, :n]
    states = instance.state_factor[:, None]
    own = {i: states * path for i, path in own_prices(instance, j, held).items()}
    revenue = instance.state_probability @ revenue_of(instance, j, own, floors, start)
    discount = (1 + project.hurdle) ** (-D * np.arange(n - signed))
    capacity = instance.capacity[j, 0]
    margin = capacity * project.ramp * (revenue[start:] - instance.cash[j])
    return float(margin @ discount[project.lead :] - project.capex / project.lead * discount[: project.lead].sum())


LIKELY = 0.9
"""Part of what costs may be that lies between the ends of their range."""


def financing_gap(project: Project, npv: float) -> float:
    """max(0, -NPV of the owner): the grant at signing that makes a project pay its hurdle rate; 0 once it is committed.

    Of a project whose owner may build it without support what is expected, its worth straight between the ends of its costs.
    """
    if project.committed:
        return 0.0
    gain, loss = (part / LIKELY for part in project.spread)
    return 0.5 * _expected_gap(npv, npv + gain) + 0.5 * _expected_gap(npv - loss, npv)


def _expected_gap(low: float, high: float) -> float:
    """Mean of max(0, -v) for v that is anywhere between two values alike."""
    if low >= 0 or high <= low:
        return max(0.0, -low)
    return -(low + high) / 2 if high <= 0 else low**2 / (2 * (high - low))


def built_anyway(instance: Instance, project: Project) -> bool:
    """Baseline: committed; or without need at its own date, not additional, and not built by chance (`unsure`)."""
    if project.earliest + project.lead >= instance.calendar.periods:
        return False
    sure = not project.additional and project.chance == 0
    wanted = sure and owner_npv(instance, project, (), project.earliest) >= 0
    return project.committed or wanted


def unsure(instance: Instance, rows: Mapping[str, Any]) -> dict[str, Unsure]:
    """Projects whose range of cost lets their owners build them without support or not.

    The low and high ends of capital and running cost count as 5 and 95 % of what they may be, and the owner's worth as straight
    between them. Not of projects that others need, or that need or exclude others: what is built by chance binds nobody. rows: of
    the table of projects, by name."""
    tied = {name for row in rows.values() for name in (*row.needs.split(), *row.excludes.split())}
    found = {}
    for project in instance.projects:
        row = rows[project.name]
        free = not (project.needs or project.excludes or project.name in tied)
        late = project.earliest + project.lead >= instance.calendar.periods
        if project.committed or project.additional or late or not free:
            continue
        low, middle, high = (_npv_at(instance, project, row, end) for end in ("_low", "", "_high"))
        if high < 0 <= low:
            part = middle / (middle - high if middle >= 0 else low - middle)
            found[project.name] = 0.5 + LIKELY / 2 * part, low - middle, middle - high
    return found


def _npv_at(instance: Instance, project: Project, row: Any, end: str) -> float:
    """The owner's worth at its own date, with costs at an end of their range."""
    capex, running = (getattr(row, f"{name}{end}") for name in ("capex_musd", "cash_usd_per_kg"))
    cash = instance.cash.copy()
    cash[project.producer] = cash[project.producer] if running is None else running * MUSD_PER_T
    at = project if capex is None else replace(project, capex=capex)
    return owner_npv(replace(instance, cash=cash), at, (), project.earliest)


def worth(instrument: Instrument, hurdle: float) -> float:
    """Grant equivalent to the owner of one USD of face, at the owner's hurdle rate, yearly payments in arrears.

    Grant 1. Loan: 1 - PV of interest (grace) and of the level annuity after it. Equity: 1 - PV of the returns given up.
    """
    if instrument.kind == "grant":
        return 1.0
    if instrument.kind == "none":
        return 0.0
    years = np.arange(1, max(1, round(instrument.tenor)) + 1)
    discount = (1 + hurdle) ** (-years.astype(float))
    paid = np.full(len(years), instrument.rate)
    if instrument.kind == "loan":
        repaying = years > instrument.grace
        n = int(repaying.sum())
        r = instrument.rate
        paid[repaying] = 1 / n if r == 0 else r / (1 - (1 + r) ** (-n))
    return float(1 - paid @ discount)


def capital_cost(instrument: Instrument, gap: float, project: Project) -> float | None:
    """Budget cost at signing of closing a gap with an instrument; None where it cannot.

    face = gap / worth, at most max_share of capex and no more than others have left to finance; with a grant on top the grant
    closes what is left."""
    if gap <= 0:
        return 0.0
    value = worth(instrument, project.hurdle)
    if instrument.kind == "none" or value <= 0:
        return gap if instrument.grant_on_top and instrument.kind != "none" else None
    face, limit = gap / value, min(instrument.max_share, 1 - project.financed) * project.capex
    if face <= limit * (1 + TOLERANCE):
        return instrument.score * face
    if not instrument.grant_on_top:
        return None
    return instrument.score * limit + (gap - value * limit)


def payment_parts(project: Project, step: float) -> float:
    """Divisor that turns a cost at signing into `lead` equal payments of the same worth to the owner at signing."""
    return float(((1 + project.hurdle) ** (-step * np.arange(project.lead))).sum())


# What was signed before a plan, from the tables `commitments` and `payments_due`: floors in force, what they cost whom.
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

    yields: (J, I); cash: (J,) unit cost [million USD/t], on which guaranteed earnings are based."""
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
        payer: Literal["plan", "beside", "others"] = "plan" if row.payer is None else "others"
        payer = "beside" if row.payer == plan.home and plan.existing else payer
        earned = row.floor_kind == EARNINGS
        level = row.floor_usd_per_kg * MUSD_PER_T * (float(yields[j, i]) if earned else 1.0)
        take = math.inf if row.take_t_per_yr is None else row.take_t_per_yr * calendar.step
        kind = row.floor_kind or "contract"
        base = float(cash[j]) if earned else 0.0
        for worth, since, until in _in_real_money(row, calendar, rise, begin, end):
            first, last = (calendar.nearest(date - calendar.first_year) for date in (since, until))
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

    due[f] = payments due in f that nobody else owes + sum over the plan's floors, t in f, of E_w[max(0, F - w P) - upside max(0,
    w P - F)]+ x alive rho on the undisturbed course, receipts of an upside share not counted; beside[f], the sum over floors paid
    with money beside it; liability of both at the price state w*, net of them. A border floor costs the budget nothing."""
    calendar = instance.calendar
    instalments: Floats = np.zeros(len(calendar.years))
    payers = {row.commitment: row.payer for row in data.rows("commitments")}
    for row in data.rows("payments_due"):
        if row.fiscal_year in calendar.years and payers.get(row.commitment) is None:
            instalments[calendar.years.index(row.fiscal_year)] += row.amount_musd
    by_year = np.equal.outer(np.arange(len(calendar.years)), calendar.year_index).astype(float)
    star = quantile_state(instance, instance.plan.budget.liability_quantile)
    expected, liability = {"plan": instalments.copy(), "beside": np.zeros(len(calendar.years))}, 0.0 * instalments
    ours = tuple(paid for paid in signed if paid.payer != "others")
    for paid in ours:
        if paid.floor.kind == "border":
            continue
        tonnes, price = floored_tonnes(instance, paid)
        expected[paid.payer] += by_year @ (tonnes * np.maximum(0.0, expected_payment(instance, price, paid.floor)))
        liability += by_year @ (tonnes * payment(star * price, paid.floor))
    residual = sum(row.residual_musd for row in data.rows("commitments"))
    return Carried(expected["plan"], instalments, expected["beside"], np.maximum(0.0, liability), ours, residual)


def floored_tonnes(instance: Instance, paid: PaidFloor) -> tuple[Floats, Floats]:
    """(T,) tonnes on which a floor pays on the undisturbed course, of earnings units of activity, and the price that it is held
    against [million USD/t]. The periods of its first and last day count by their share, and its plant runs meanwhile."""
    j, floor = paid.producer, paid.floor
    t = np.arange(instance.calendar.periods)
    share = overlap(instance.calendar, paid.begin, paid.end)
    part, start = np.ones(len(t)), 0
    for project in instance.projects:
        if project.producer == j:  # committed: it exists from its date on
            start = project.earliest + project.lead
            part = ramped_share(project, start, t)
    made = _paid_on(instance, j, floor, instance.capacity[j] * part)
    whole = replace(floor, begin=int((share > 0).argmax()), term=int((share > 0).sum()))
    alive = survival(instance, j, instance.price, (whole,), max(0, start))
    return made * instance.availability[j] * alive * share, guaranteed_price(instance, paid)


def due_as_run(instance: Instance, run: Floats) -> Floats:
    """(T,) what floors that the home pays separately cost on a course of activity (J, T) for users [million USD]."""
    found: Floats = np.zeros(instance.calendar.periods)
    for paid in instance.carried.floors:
        j, floor = paid.producer, paid.floor
        if paid.payer == "beside" and floor.kind != "border":
            tonnes = _paid_on(instance, j, floor, run[j]) * overlap(instance.calendar, paid.begin, paid.end)
            found += tonnes * np.maximum(0.0, expected_payment(instance, guaranteed_price(instance, paid), floor))
    return found


def _paid_on(instance: Instance, j: int, floor: Floor, run: Floats) -> Floats:
    """(T,) tonnes on which a floor pays of (T,) activity, units of activity where earnings are guaranteed."""
    y = instance.yields[j, floor.material]
    return np.asarray(np.minimum(floor.take, y * run) / (y if floor.kind == EARNINGS else 1.0))


def ramped_share(project: Project, start: int, t: Ints) -> Floats:
    """(T,) share of its capacity that a project which produces from a period on has in each period."""
    age = t - start
    return np.where((age >= 0) & (age < project.life), project.ramp[np.clip(age, 0, project.life - 1)], 0.0)
