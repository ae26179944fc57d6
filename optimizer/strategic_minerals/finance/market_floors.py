"""Market floors as the existing producers and, under a border floor, users and treasury meet them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..core.arrays import Bools, Floats
from ..instance.instance import Instance, MarketFloor
from ..instance.producer_economics import expected_payment, survival
from ..scenarios.scenario_set import ScenarioSet
from .floor_costs import FloorMoney, counted_price, floor_payments, held, total_money, trunk_prices


@dataclass(frozen=True)
class MarketSupport:
    """A market floor as the existing producers meet it."""

    floor: MarketFloor
    trunk: Bools
    """(J, T) alive with the floor."""
    scenarios: Bools
    """(S, J, T)"""
    money: FloorMoney
    """Contract floors: top-up of existing producers. Border floors: nothing on the budget."""
    users: float
    """Border floors: discounted expected surcharge on users, terminal part included."""
    treasury: float
    """Border floors: discounted expected tariff revenue, terminal part included."""
    inverted: bool
    """Border floors: imports of a product escape the charge on its content."""


def market_support(
    instance: Instance, scenarios: ScenarioSet, market: MarketFloor, trunk_alive: Bools, scenarios_alive: Bools
) -> MarketSupport:
    """Survival and money of existing producers under a market floor. Section 4 of the formulation."""
    floor, n, T = market.floor, instance.sources, instance.calendar.periods
    trunk, branch = trunk_alive.copy(), scenarios_alive.copy()
    monies = []
    length = max(T, floor.term)
    path, gaps = trunk_prices(instance, scenarios, length)
    after = np.array([survival(instance, j, path, (), 0, gaps) for j in range(n)]).reshape(n, length)
    capacity = held(instance.capacity, length)
    weight = scenarios.trunk_weight(T)
    for j in np.flatnonzero(market.eligible[:n]):
        alive = survival(instance, int(j), path, (floor,), 0, gaps)
        trunk[j], after[j] = alive[:T], alive
        branch[:, j] = survival(instance, int(j), scenarios.price, (floor,), 0, scenarios.market_gap)
        tonnes = capacity[j] * instance.yields[j, floor.material]
        paid = floor_payments(instance, scenarios, int(j), floor, 0, tonnes * alive, tonnes[:T] * branch[:, j])
        monies.append(paid.money(weight, scenarios.probability))
    if floor.kind != "border":
        return MarketSupport(market, trunk, branch, total_money(monies, T), 0.0, 0.0, False)
    users, treasury = _border(instance, scenarios, market, after, branch)
    uses = (instance.yields[:, floor.material] < 0) & ~instance.home
    inverted = bool(uses.any()) and not market.embedded
    return MarketSupport(market, trunk, branch, total_money([], T), users, treasury, inverted)


def _border(
    instance: Instance, scenarios: ScenarioSet, market: MarketFloor, trunk: Bools, branch: Bools
) -> tuple[float, float]:
    """Discounted expected surcharge on users and tariff revenue of a border floor; `trunk` (J, n >= T) is survival.

    Charged tonnes B = demand + input of existing plants (of home plants; of all where embedded content counts); home
    part H = min(B, existing home output). Users pay E[max(0,F-P)]*B, the treasury takes it on B - H.
    """
    floor, calendar, T, n = market.floor, instance.calendar, instance.calendar.periods, instance.sources
    i = floor.material
    c = instance.component[i]
    y = instance.yields[:n, i]
    charged = np.where(market.embedded | instance.home[:n], np.maximum(-y, 0), 0.0)
    made = np.where(instance.home[:n], np.maximum(y, 0), 0.0)
    mine = instance.demand_material == i
    length = trunk.shape[-1]
    capacity = held(instance.capacity[:n], length)

    def split(demand: Floats, running: Floats, price: Floats) -> tuple[Floats, Floats]:
        """(users, treasury) per period from (..., Q, T) demand, (..., J, T) availability x alive and (..., T) price."""
        B = demand[..., mine, :].sum(axis=-2) + (charged[:, None] * capacity[:, : running.shape[-1]] * running).sum(
            axis=-2
        )
        H = np.minimum(B, (made[:, None] * capacity[:, : running.shape[-1]] * running).sum(axis=-2))
        per_tonne = expected_payment(instance, price, replace(floor, upside=0.0))
        return per_tonne * B, per_tonne * (B - H)

    discount = (1 + calendar.rate) ** (-calendar.step * np.arange(length))
    weight = np.concatenate(
        [scenarios.trunk_weight(T)[c], np.ones(length - T)]
    )  # after T on the trunk, as all terminal terms
    term = np.arange(length) < floor.term
    base, more = scenarios.baseline(instance), length - T
    path, _ = trunk_prices(instance, scenarios, length)
    later_on = np.repeat(instance.availability[:n, -1:], more, axis=1)
    running = np.concatenate([base.availability[0, :n], later_on], axis=1) * trunk
    asked = np.concatenate([base.demand(instance)[0], np.repeat(instance.demand[:, -1:], more, axis=1)], axis=1)
    on_trunk = split(asked, running, path[i])
    demand = scenarios.demand(instance)
    in_scenarios = split(demand, scenarios.availability[:, :n] * branch, counted_price(instance, scenarios, i))
    later = scenarios.onset[:, c][:, None] <= np.arange(T)
    beta = (discount * term)[:T]
    totals = [
        float((discount * weight * term) @ trunk_part)
        + float(np.einsum("s,t,st->", scenarios.probability, beta, later * scenario_part))
        for trunk_part, scenario_part in zip(on_trunk, in_scenarios, strict=True)
    ]
    return totals[0], totals[1]
