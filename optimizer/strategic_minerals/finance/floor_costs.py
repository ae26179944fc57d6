"""What price floors cost: on the budget, at the liability quantile, in expectation, after the horizon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.arrays import Floats
from ..instance.floor import Floor
from ..instance.instance import Instance
from ..instance.producer_economics import expected_payment, payment, quantile_state
from ..scenarios.scenario_set import ScenarioSet


@dataclass(frozen=True)
class FloorMoney:
    """What a floor costs on given tonnes: by period on the budget, at the liability quantile, and in expectation."""

    budget: Floats
    """(T,) expected payment on the trunk path, receipts of an upside share not counted as budget [million USD]."""
    liability: Floats
    """(T,) payment on the trunk path in the price state w*, net of upside [million USD]."""
    expected: float
    """Discounted expectation over all scenarios within the horizon [million USD]."""
    terminal: float
    """Discounted payments after the horizon on trunk survival at the last price [million USD]."""


@dataclass(frozen=True)
class FloorPayments:
    """What a floor costs on given tonnes, before the chances of scenarios are counted."""

    component: int
    """Of the floor's material: its probability of being undisturbed weighs the trunk."""
    budget: Floats
    """As in `FloorMoney`, and so are liability and terminal."""
    liability: Floats
    trunk: Floats
    """(T,) discounted expected payment on the trunk path [million USD]."""
    scenarios: Floats
    """(S,) the same in each scenario, from its onset to the end of the horizon together [million USD]."""
    terminal: float

    def money(self, trunk_weight: Floats, probability: Floats) -> FloorMoney:
        """expected = sum_t w0[t] trunk[t] + sum_s pi[s] scenarios[s]; w0 is (C, T), pi (S,)."""
        expected = float(trunk_weight[self.component] @ self.trunk + probability @ self.scenarios)
        return FloorMoney(self.budget, self.liability, expected, self.terminal)


def held(series: Floats, length: int) -> Floats:
    """(..., length) a series over periods that holds its last value."""
    return np.concatenate([series, np.repeat(series[..., -1:], length - series.shape[-1], axis=-1)], axis=-1)


def trunk_prices(instance: Instance, scenarios: ScenarioSet, length: int) -> tuple[Floats, Floats]:
    """(I, length) prices on the trunk, and outside as a multiple of them: of events that have begun before the plan up to
    the end of the horizon, undisturbed after it."""
    base, beyond = scenarios.baseline(instance), (len(instance.materials), length - instance.calendar.periods)
    later = np.broadcast_to(instance.price[:, -1:], beyond)
    return np.concatenate([base.price[0], later], axis=1), np.concatenate([base.market_gap[0], np.ones(beyond)], axis=1)


def counted_price(instance: Instance, scenarios: ScenarioSet, material: int, outside: bool = False) -> Floats:
    """(S, T) price at which floors pay in scenarios, in one of two markets: no dearer than the trunk's where the plan counts no
    gain on prices."""
    gap = scenarios.market_gap[:, material]
    price = instance.market_price(material, outside, scenarios.price[:, material], gap=gap)
    calm = instance.market_price(material, outside, instance.price[material])
    return price if instance.plan.price_gain else np.minimum(price, calm)


def floor_payments(
    instance: Instance,
    scenarios: ScenarioSet,
    j: int,
    floor: Floor,
    begin: int,
    trunk_tonnes: Floats,
    scenario_tonnes: Floats,
) -> FloorPayments:
    """What a floor pays on tonnes that are alive: (n >= T,) on the trunk, (S, T) in the scenarios, availability not yet counted.

    trunk[t] = beta rho x E_w[payment(P_trunk)];  scenarios[s] = sum_t beta rho_s x_s E_w[payment(P_s)]  up to T, within the term
    expected = sum_t w0[t] trunk[t] + sum_s pi[s] scenarios[s]  once chances are counted
    terminal = sum_{t>T} beta rho x E_w[payment(P_T)] on trunk survival;  liability[t] = rho x payment(w* P_trunk)
    The reference price is the producer's own, (1+premium)*P, so that what the payer pays is what the owner receives.
    """
    calendar = instance.calendar
    T, n = calendar.periods, len(trunk_tonnes)
    own, outside = 1 + instance.premium[j], bool(instance.outside[j, floor.material])
    t = np.arange(n)
    term = (t >= begin) & (t < begin + floor.term)
    path, gaps = trunk_prices(instance, scenarios, n)
    price = instance.market_price(floor.material, outside, path[floor.material], gap=gaps[floor.material])
    if not instance.plan.price_gain:
        price = np.minimum(
            price, instance.market_price(floor.material, outside, held(instance.price[floor.material], n))
        )
    available = np.concatenate(
        [scenarios.baseline(instance).availability[0, j], np.full(n - T, instance.availability[j, -1])]
    )
    tonnes = trunk_tonnes * available * term
    per_tonne = expected_payment(instance, own * price, floor)
    star = quantile_state(instance, instance.plan.budget.liability_quantile)
    beta = (1 + calendar.rate) ** (-calendar.step * t)
    c = instance.component[floor.material]
    branch = scenarios.onset[:, c][:, None] <= np.arange(T)
    paid = expected_payment(instance, own * counted_price(instance, scenarios, floor.material, outside), floor)
    in_scenarios = (branch * scenario_tonnes * scenarios.availability[:, j] * term[:T] * paid) @ beta[:T]
    budget = tonnes[:T] * np.maximum(0.0, per_tonne[:T])
    liability = tonnes[:T] * payment(star * own * price[:T], floor)
    on_trunk = beta[:T] * tonnes[:T] * per_tonne[:T]
    return FloorPayments(
        int(c), budget, liability, on_trunk, in_scenarios, float((beta[T:] * tonnes[T:]) @ per_tonne[T:])
    )


def total_money(parts: Sequence[FloorMoney], periods: int) -> FloorMoney:
    """Of several floors together."""
    if len(parts) == 1:
        return parts[0]
    zero = np.zeros(periods)
    return FloorMoney(
        sum((m.budget for m in parts), zero),
        sum((m.liability for m in parts), zero),
        sum(m.expected for m in parts),
        sum(m.terminal for m in parts),
    )
