"""Units of account inside the solver: each material counts in a power of ten tonnes of its own.

A model with gallium (19 t a year) beside graphite (71 000 t) would spread its coefficients over ten orders; HiGHS drops
entries of 1e-9 silently. Scaling the instance once keeps every equation as it is written. Money stays in million USD in every
equation; the solver counts it in a unit of its own where a model is far from the usual sizes (`assembly.Money`).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ..core.arrays import Floats
from .floor import Floor
from .instance import Instance, MarketFloor, Package

USUAL, USUAL_POWER = (1.0, 1e5), 3
"""Sizes of a plan's money [million USD a year] at which the solver is at home, and the power of ten that others are brought to."""


def scale(instance: Instance) -> Instance:
    """The same problem counted in model units (`material_unit`, `producer_unit`); money stays in million USD.

    A unit is the power of ten near a material's yearly demand, or near the largest flow of its producers where users
    want none of it; a producer counts in the unit of its main output.
    """
    flow = np.zeros(len(instance.materials))
    np.add.at(flow, instance.demand_material, instance.demand.max(axis=1, initial=0.0))
    largest = (np.abs(instance.yields) * instance.capacity.max(axis=1, initial=0.0)[:, None]).max(axis=0, initial=0.0)
    u = np.array([10.0 ** round(math.log10(v)) if v > 0 else 1.0 for v in np.where(flow > 0, flow, largest)])
    v = u[instance.yields.argmax(axis=1)] if len(instance.producers) else np.zeros(0)
    offer, demand = u[instance.offer_material], u[instance.demand_material]
    tier = np.array([demand[q] for q, _ in instance.tiers])
    step = np.array([demand[q] for q, _ in instance.steps])
    held = u[[i for i, _ in instance.users]]
    return replace(
        instance,
        price=instance.price * u[:, None],
        outside_quote=instance.outside_quote * u,
        base_price=instance.base_price * u,
        holding=instance.holding * u,
        freight=instance.freight * u,
        storage=instance.storage / u,
        drawdown=instance.drawdown / u,
        disposal=instance.disposal / u,
        opening=instance.opening / u,
        yields=instance.yields * v[:, None] / u[None, :],
        capacity=instance.capacity / v[:, None],
        cash=instance.cash * v,
        contract_lot=instance.contract_lot / v,
        contract_fee=instance.contract_fee * v,
        offer_depth=instance.offer_depth / offer,
        seller_depth=instance.seller_depth / seller_unit(instance, u)[:, None],
        demand=instance.demand / demand[:, None],
        tier_loss=instance.tier_loss * tier,
        tier_named=instance.tier_named * tier,
        users_level=instance.users_level / held,
        users_missing=instance.users_missing / held,
        carried=replace(
            instance.carried,
            floors=tuple(replace(paid, floor=_floor(paid.floor, u)) for paid in instance.carried.floors),
        ),
        step_cost=instance.step_cost * step,
        packages=tuple(_package(p, u) for p in instance.packages),
        in_force=tuple(tuple(_floor(f, u) for f in floors) for floors in instance.in_force),
        market_floors=tuple(_market(m, u) for m in instance.market_floors),
        material_unit=u,
        producer_unit=v,
        money_unit=money_unit(instance),
    )


def seller_unit(instance: Instance, unit: Floats) -> Floats:
    """(sellers,) tonnes that one unit of what a seller sells stands for: that of the material of its first offer."""
    first = [instance.offer_material[instance.offer_seller == g][0] for g in range(len(instance.sellers))]
    return np.asarray(unit[np.array(first, dtype=int)])


def money_unit(instance: Instance) -> float:
    """Million USD that the solver counts as one: 1 for the usual sizes, else the power of ten that brings a model to them.

    The size is what users pay in a year for the dearest material at base prices, or else the largest appropriation.
    """
    wanted = np.zeros(len(instance.materials))
    np.add.at(wanted, instance.demand_material, instance.demand.max(axis=1, initial=0.0) / instance.calendar.step)
    size = float((wanted * instance.base_price).max(initial=0.0)) or float(instance.appropriation.max(initial=0.0))
    if size == 0 or USUAL[0] <= size <= USUAL[1]:
        return 1.0
    return float(10.0 ** (round(math.log10(size)) - USUAL_POWER))


def _floor(floor: Floor, u: Floats) -> Floor:
    unit = u[floor.material]
    return replace(floor, level=floor.level * unit, take=floor.take / unit)


def _market(market: MarketFloor, u: Floats) -> MarketFloor:
    return replace(market, floor=_floor(market.floor, u))


def _package(package: Package, u: Floats) -> Package:
    return package if package.floor is None else replace(package, floor=_floor(package.floor, u))
