"""The audit's own reckoning of producers and floors: what each receives in its market, when it is shut, what its owner needs and
what a floor tops up.

Sections 3, 4 and 13 of the formulation in plain loops over tonnes, from nothing of the model's own arithmetic.

Arrays have the axes (path, period); million USD per tonne; periods from 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..core.arrays import Bools, Floats
from ..instance.floor import Floor
from ..instance.instance import Instance, Instrument, Project

TINY = 1e-9
"""Relative slack of a comparison of data with data, so that ties are not decided by rounding."""


def revenue(
    n: Instance,
    j: int,
    price: Floats,
    floors: Sequence[Floor],
    start: int,
    factor: float = 1.0,
    gap: Floats | None = None,
    most: Floats | None = None,
) -> Floats:
    """(W, n) sum_{y>0} y*recv((1+premium)*w*P) + sum_{y<0} y*w*P over (W, I, n) prices, in its market  [million USD/unit].

    gap: (W, I, n), as in `asked_price`. most: (1, I, n) prices than whose, in the same market, none counts dearer.

    recv = max(P,F) - upside*max(0,P-F) within a floor's term, on the share of the output that it covers; of two floors
    on one material, a market's and one agreed before the plan, the owner has the better.
    """
    total = np.zeros((price.shape[0], price.shape[2]))
    for i, y in enumerate(n.yields[j]):
        outside = bool(y > 0 and n.outside[j, i])
        asked = asked_price(n, i, outside, price[:, i], None if gap is None else gap[:, i])
        if most is not None:
            asked = np.minimum(asked, asked_price(n, i, outside, most[:, i]))
        if y <= 0:
            total += y * factor * asked
            continue
        plain = (1 + n.premium[j]) * factor * asked
        received, covered = plain.copy(), set()
        for floor in floors:
            if floor.material == i:
                part = min(1.0, floor.take / (y * n.capacity[j].max())) if n.capacity[j].max() > 0 else 0.0
                for t in range(begins(floor, start), min(begins(floor, start) + floor.term, price.shape[2])):
                    p = plain[:, t]
                    recv = np.maximum(p, floor.level) - floor.upside * np.maximum(0.0, p - floor.level)
                    gets = part * recv + (1 - part) * p
                    received[:, t] = np.maximum(received[:, t], gets) if t in covered else gets
                    covered.add(t)
        total += y * received
    return total


def asked_price(n: Instance, i: int, outside: bool, price: Floats, gap: Floats | None = None) -> Floats:
    """(W, m) price of a material in one of its two markets, of the lower one's (W, m), from the first period on  [million USD/t].

    Outside the countries that control it no tonne is cheaper, while it is controlled, than what is quoted there, less what prices
    have fallen by; nor than `gap` (W, m) times the lower price in an event. The last period holds after T.
    """
    if not outside:
        return price
    asked = price.copy()
    for t in range(price.shape[1]):
        last = min(t, n.calendar.periods - 1)
        share, quote, calm = n.outside_share[i, last], float(n.outside_quote[i]), float(n.price[i, last])
        dear = [max(p, quote if p >= calm else quote * p / calm) for p in price[:, t].tolist()]
        asked[:, t] += share * (np.array(dear) - price[:, t])
    return asked if gap is None else np.maximum(asked, gap * price)


def begins(floor: Floor, start: int) -> int:
    """First period of a floor: its own date; of a package's floor, first output."""
    return start if floor.begin is None else floor.begin


def survives(
    n: Instance, j: int, price: Floats, floors: Sequence[Floor], start: int, gap: Floats | None = None
) -> Bools:
    """(W, n) alive: revenue >= cash in every period from max(start, t-restart) to t; nothing is shut before `start`.

    Floors that the source had before the plan count as well.
    """
    covers = revenue(n, j, price, (*floors, *n.in_force[j]), start, gap=gap) >= n.cash[j] * (1 - TINY)
    alive = np.ones(covers.shape, dtype=bool)
    for t in range(start, covers.shape[1]):
        alive[:, t] = covers[:, max(start, t - int(n.restart[j])) : t + 1].all(axis=1)
    return alive


def held(series: Floats, periods: int) -> Floats:
    """A series along its last axis, its last value held until `periods`."""
    missing = max(0, periods - series.shape[-1])
    return np.concatenate([series, np.repeat(series[..., -1:], missing, axis=-1)], axis=-1)[..., :periods]


def owner_npv(n: Instance, project: Project, floors: Sequence[Floor], signed: int) -> float:
    """PV at the hurdle rate from signing of K*ramp*(E_w revenue - cash) less capex in `lead` parts  [million USD]."""
    j, D, start = project.producer, n.calendar.step, signed + project.lead
    price = held(n.price, start + project.life)[None]
    value = 0.0
    for u in range(project.lead):
        value -= project.capex / project.lead * (1 + project.hurdle) ** (-u * D)
    for w, q in zip(n.state_factor, n.state_probability, strict=True):
        earned = revenue(n, j, price, floors, start, float(w))[0]
        for age in range(project.life):
            margin = n.capacity[j, 0] * project.ramp[age] * (earned[start + age] - n.cash[j])
            value += q * margin * (1 + project.hurdle) ** (-(project.lead + age) * D)
    return float(value)


def is_baseline(n: Instance, project: Project) -> bool:
    """Built anyway: committed; or by its owner, with no gap at its own date and not declared additional."""
    if project.earliest + project.lead >= n.calendar.periods or (project.additional and not project.committed):
        return False
    return project.committed or owner_npv(n, project, (), project.earliest) >= 0


def worth(instrument: Instrument, hurdle: float) -> float:
    """Grant equivalent to the owner of one USD of face: 1 less PV at hurdle of what goes back (yearly, in arrears)."""
    if instrument.kind in ("none", "grant"):
        return float(instrument.kind == "grant")
    years, r = max(1, round(instrument.tenor)), instrument.rate
    left = sum(1 for a in range(1, years + 1) if a > instrument.grace)
    value = 1.0
    for a in range(1, years + 1):
        back = r
        if instrument.kind == "loan" and a > instrument.grace:
            back = 1 / left if r == 0 else r / (1 - (1 + r) ** -left)
        value -= back * (1 + hurdle) ** -a
    return value


def capital(instrument: Instrument, gap: float, project: Project) -> tuple[float, float]:
    """(budget cost at signing, gap left open) of closing a gap with an instrument  [million USD].

    face = gap/worth <= most = min(max_share*capex, what others leave of capex); on top, where allowed: score*most and what is
    then left of the gap.
    """
    left = project.capex - project.financed * project.capex
    value, most = worth(instrument, project.hurdle), min(instrument.max_share * project.capex, left)
    if gap <= 0:
        return 0.0, 0.0
    if instrument.kind == "none" or value <= 0:
        return (gap, 0.0) if instrument.grant_on_top and instrument.kind != "none" else (0.0, gap)
    face = min(gap / value, most)
    rest = gap - value * face
    if rest <= TINY * gap:
        return instrument.score * face, 0.0
    return (instrument.score * face + rest, 0.0) if instrument.grant_on_top else (instrument.score * face, rest)


def topup(price: Floats, floor: Floor) -> Floats:
    """max(0, F-P) - upside*max(0, P-F)  [million USD/t]."""
    return np.asarray(np.maximum(0.0, floor.level - price) - floor.upside * np.maximum(0.0, price - floor.level))


def expected_topup(n: Instance, price: Floats, floor: Floor) -> Floats:
    """E_w of the top-up at w*P  [million USD/t]."""
    total = np.zeros_like(price)
    for w, q in zip(n.state_factor, n.state_probability, strict=True):
        total += q * topup(w * price, floor)
    return total


def worst_state(n: Instance) -> float:
    """w*: the largest factor with Prob(w >= w*) >= quantile."""
    pairs = list(zip(n.state_factor, n.state_probability, strict=True))
    level = n.plan.budget.liability_quantile
    return float(max(w for w, _ in pairs if sum(q for v, q in pairs if v >= w) >= level - 1e-12))
