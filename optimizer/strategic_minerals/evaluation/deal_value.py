"""What a signed agreement was worth to its owner and what its floor costs, on given facts. Section 17 of the formulation.

An owner may have several producers: a mine, a separation plant, a magnet plant yet to be built. Their margins add up; what is built
already has no capital cost. Money in million USD at signing, which is the first period of the horizon.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..core.arrays import Bools, Floats
from ..finance.floor_costs import floor_payments, held
from ..finance.owner_expectation import ROUNDING, downside, package_rate, then_trunk, unchanged_rate
from ..finance.owner_value import ROUNDING_MUSD
from ..instance.floor import Floor
from ..instance.instance import Instance, Project
from ..instance.producer_economics import covered, own_prices, revenue_of, survival, survival_of
from ..scenarios.pricing import PricingSample
from ..scenarios.scenario_set import ScenarioSet

SLACK = 1e-6
"""Of capital cost: what an owner may lose by a package and still take it."""


@dataclass(frozen=True)
class Deal:
    """An owner's producers, and the floors that an agreement gives them."""

    instance: Instance
    """In tonnes; nothing agreed yet: no floor in force, capital cost not spent."""
    producers: tuple[int, ...]
    projects: Mapping[int, Project]
    """Those of them that are not built yet."""
    floors: Mapping[int, Floor]
    """By producer whose output gets one."""
    hurdle: float
    """h0 of the owner."""

    @property
    def periods(self) -> int:
        """Periods that the owner looks ahead: the horizon, the term of a floor, the life of the last plant."""
        ends = [self.start(j) + floor.term for j, floor in self.floors.items()]
        lives = [project.lead + project.life for project in self.projects.values()]
        return max([self.instance.calendar.periods, *ends, *lives])

    def start(self, producer: int) -> int:
        """Period of first output, were it signed in the first one."""
        project = self.projects.get(producer)
        return 0 if project is None else project.lead


@dataclass(frozen=True)
class DealFigures:
    """An agreement's floor beside a grant for the same plant."""

    expected_rate: float
    rate: float
    """Hurdle rate of expected flows without the floor, and with it."""
    gap_without: float
    gap_with: float
    """Grant that makes the owner's plants pay, without the floor and with it."""
    paid: float
    """Expected payments of the floor over its term, discounted, less receipts of an upside share."""
    liability: float
    """Most that it may cost in a year, at the plan's liability quantile."""
    transferred: float
    """Downside moved from the owner to the government."""
    risk_price: float
    """What the owner pays for each USD of downside: the most that the government's charge could be without a loss; NaN without
    downside."""
    accepted: bool
    """Whether the owner takes the floor, and it would not earn money."""
    kept_without: float
    kept_with: float
    """Share of the full output over the floor's term that is expected to be made, without the floor and with it."""
    full_output: float
    """Tonnes of the floors' materials over their terms, were all made."""

    def advantage(self, risk_charge: float) -> float:
        """What the floor costs less than a grant alone, at a charge for the risk moved."""
        return self.gap_without - self.gap_with - self.paid - risk_charge * self.transferred

    def cheapest(self, risk_charge: float) -> bool:
        """Whether the floor is a way to have the plants at all, and a cheaper one than a grant alone."""
        return self.accepted and self.advantage(risk_charge) > 0


def deal_figures(deal: Deal, pricing: PricingSample, premium: float) -> DealFigures:
    """Rates, gaps and costs of an agreement; premium: the part of the hurdle rate that pays for price risk."""
    n, states = deal.instance, deal.instance.state_probability
    capital, end = _capital(deal), deal.periods
    usual = _expected(pricing.reference, states, _margins(deal, pricing.reference, (False, False)))
    quiet = _quiet_margins(deal)

    def worth(flows: Floats, rate: float) -> Floats:
        return np.asarray((flows - capital) @ (1 + rate) ** (-n.calendar.step * np.arange(end)))

    value = float(worth(quiet, deal.hurdle))
    usual_rate = unchanged_rate(
        lambda rate: float(worth(usual, rate)) - value, deal.hurdle, float(capital.sum()) + abs(value)
    )
    scenarios = pricing.scenarios
    chance = states[:, None] * scenarios.probability
    alone, bare, sold = (_margins(deal, scenarios, kept) for kept in ((False, False), (True, False), (True, True)))
    left, before = downside(chance, worth(sold, usual_rate), worth(bare, usual_rate))
    risky = before > ROUNDING * (float(capital.sum()) + float((chance * np.abs(worth(bare, 0.0))).sum()))
    rate = package_rate(usual_rate, premium, left, before) if risky else usual_rate
    moved = max(0.0, before - left) if risky else 0.0
    floored, unsupported = (_expected(scenarios, states, margins) for margins in (sold, alone))
    gained = float(worth(floored, rate)) - float(worth(floored, usual_rate))
    paid, liability = _floor_money(deal, scenarios)
    better_without = float(worth(unsupported, rate)) > max(0.0, float(worth(floored, rate))) + SLACK * float(
        capital.sum()
    )
    full = _full(deal)
    kept_without, kept_with = (
        _made(deal, scenarios, floors) / full if full > 0 else float("nan") for floors in (False, True)
    )
    return DealFigures(
        usual_rate,
        rate,
        max(0.0, -float(worth(unsupported, usual_rate))),
        max(0.0, -float(worth(floored, rate))),
        paid,
        liability,
        moved,
        gained / moved if moved > 0 else float("nan"),
        paid >= -ROUNDING_MUSD and not better_without,
        kept_without,
        kept_with,
        full,
    )


def _capital(deal: Deal) -> Floats:
    """(n,) capital cost of what is not built yet, in equal parts until first output."""
    spent = np.zeros(deal.periods)
    for project in deal.projects.values():
        spent[: project.lead] += project.capex / project.lead
    return spent


def _full_output(deal: Deal, j: int) -> Floats:
    """(n,) capacity of a producer, a new plant's by its ramp."""
    n, project = deal.periods, deal.projects.get(j)
    if project is None:
        return held(deal.instance.capacity[j], n)[:n]
    ramp = np.zeros(n)
    ramp[project.lead : project.lead + project.life] = project.ramp
    return np.asarray(deal.instance.capacity[j, 0] * ramp)


def _prices(deal: Deal, j: int, scenarios: ScenarioSet) -> dict[int, Floats]:
    """(S, n) prices of a producer's materials, the trunk's again after the horizon."""
    trunk = own_prices(deal.instance, j, deal.instance.price)
    own = own_prices(deal.instance, j, scenarios.price, scenarios.market_gap)
    return {i: then_trunk(path, trunk[i], deal.periods) for i, path in own.items()}


def _alive(deal: Deal, j: int, scenarios: ScenarioSet, kept: bool) -> Bools:
    """(S, n) whether a producer is open; kept: its floor counts."""
    prices = _prices(deal, j, scenarios)
    return survival_of(deal.instance, j, prices, _floors(deal, j, kept), deal.start(j))


def _output(deal: Deal, j: int, scenarios: ScenarioSet, kept: bool) -> Floats:
    """(S, n) what a producer makes."""
    available = then_trunk(scenarios.availability[:, j], deal.instance.availability[j], deal.periods)
    return np.asarray(_full_output(deal, j) * available * _alive(deal, j, scenarios, kept))


def _floors(deal: Deal, j: int, counted: bool) -> tuple[Floor, ...]:
    return (deal.floors[j],) if counted and j in deal.floors else ()


def _margins(deal: Deal, scenarios: ScenarioSet, floors: tuple[bool, bool]) -> Floats:
    """(W, S, n) margins of all producers together. floors: whether they keep plants open, and whether they are paid."""
    n = deal.instance
    total = np.zeros((len(n.state_factor), len(scenarios.names), deal.periods))
    for j in deal.producers:
        calm = own_prices(n, j, n.price)
        paid = {
            i: n.state_factor[:, None, None]
            * (path if n.plan.price_gain else np.minimum(path, held(calm[i], deal.periods)))
            for i, path in _prices(deal, j, scenarios).items()
        }
        earned = revenue_of(n, j, paid, _floors(deal, j, floors[1]), deal.start(j))
        total += _output(deal, j, scenarios, floors[0]) * (earned - n.cash[j])
    return total


def _quiet_margins(deal: Deal) -> Floats:
    """(n,) margins on the baseline course, all plants open, over price states."""
    n, total = deal.instance, np.zeros(deal.periods)
    for j in deal.producers:
        calm = {i: held(path, deal.periods) for i, path in own_prices(n, j, n.price).items()}
        states = {i: n.state_factor[:, None] * path for i, path in calm.items()}
        earned = n.state_probability @ revenue_of(n, j, states, (), deal.start(j))
        total += _full_output(deal, j) * (earned - n.cash[j])
    return total


def _expected(scenarios: ScenarioSet, states: Floats, margins: Floats) -> Floats:
    return np.asarray(scenarios.probability @ np.tensordot(states, margins, axes=1))


def _floor_money(deal: Deal, scenarios: ScenarioSet) -> tuple[float, float]:
    """(expected payments over the term, most in a year at the liability quantile)."""
    n, T = deal.instance, deal.instance.calendar.periods
    expected, liability = 0.0, np.zeros(T)
    for j, floor in deal.floors.items():
        start, end = deal.start(j), deal.periods
        tonnes = covered(n, j, floor) * n.yields[j, floor.material] * _full_output(deal, j)
        calm = survival(n, j, held(n.price, end), (floor,), start)
        alive = _alive(deal, j, scenarios, True)[:, :T]
        found = floor_payments(n, scenarios, j, floor, start, tonnes * calm, tonnes[:T] * alive)
        money = found.money(scenarios.trunk_weight(T), scenarios.probability)
        expected += money.expected + money.terminal
        liability += money.liability
    by_year = [liability[n.calendar.year_index == f].sum() for f in range(len(n.calendar.years))]
    return expected, float(max(by_year, default=0.0))


def _full(deal: Deal) -> float:
    """Tonnes of floored materials at full output within the floors' terms."""
    return sum(
        float(deal.instance.yields[j, floor.material] * _full_output(deal, j)[_term(deal, j, floor)].sum())
        for j, floor in deal.floors.items()
    )


def _made(deal: Deal, scenarios: ScenarioSet, floors: bool) -> float:
    """The same as expected, with the floors or without them."""
    return sum(
        float(
            deal.instance.yields[j, floor.material]
            * (scenarios.probability @ _output(deal, j, scenarios, floors)[:, _term(deal, j, floor)].sum(axis=1))
        )
        for j, floor in deal.floors.items()
    )


def _term(deal: Deal, j: int, floor: Floor) -> slice:
    return slice(deal.start(j), deal.start(j) + floor.term)
