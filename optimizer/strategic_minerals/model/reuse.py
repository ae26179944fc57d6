"""What one question may take over from another: compiled blocks, ways of support, what owners get. Scenarios are for the caller to
compare where they matter.

Compiled blocks hold some figures as parameters (`PARAMS` of the formulation's modules) and the rest as numbers. Two questions that
differ in the former only have the same blocks, instantiated with other values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..core.arrays import equal
from ..formulation.structure import Structure
from ..instance.instance import Instance
from ..schemas.plan import Plan

PLAN_FIGURES = {
    "budget": ("appropriation_musd", "total_musd", "carry_over_share", "carried_in_musd", "liability_cap_musd"),
    "risk": ("cvar_weight", "cvar_limit_musd", "expected_loss_limit_musd"),
}
"""Fields of a plan that compiled blocks hold as parameters, or that only weigh costs."""

SEEN_ELSEWHERE = (
    "name",
    "title",
    "description",
    "price_set",
    "loss_function",
    "loss_level",
    "users_convenience_share",
    "residual",
    "procurement",
    "controls",
    "ongoing",
    "hazards",
    "scenarios",
    "sample",
)
"""Fields of a plan that act through the arrays of the instance, through scenarios, or as a weight of a cost."""

MENUS = ("packages", "market_floors")
"""Fields of an instance that say what may be supported how; blocks see the ways of support that come of them."""

LOSSES = ("tier_loss", "tier_named", "adaptation", "step_cost")
"""Fields of an instance that say what going short costs: no way of support hangs on them."""

OPERATING = (
    "demand",
    "holding",
    "salvage",
    "resale",
    "drawdown",
    "disposal",
    "opening",
    "contract_lot",
    "contract_fee",
    "contract_term",
    "offer_country",
    "offer_depth",
    "offer_open",
    "offer_crisis",
    "seller_depth",
    "pooled_in_events",
    "procurement",
    "users_level",
    "users_missing",
    *LOSSES,
)
"""Fields of an instance that no owner of a project looks at. Market floors do: a border floor is paid on demand."""

BLOCK_DATA = (
    "price",
    "outside_quote",
    "outside_share",
    "base_price",
    "availability",
    "usual",
    "feed",
    "overland",
    "cash",
    "kappa",
    "restart",
    "in_force",
    "carried",
    "capacity",
    "state_factor",
    "state_probability",
    "projects",
    *OPERATING,
    *MENUS,
)
"""Fields of an instance that no compiled block of operations holds as a number: it has them as parameters, or in its sets."""


def same_operations(old: Structure, structure: Structure) -> bool:
    """Whether operations are written as in another structure: the same instance but for `BLOCK_DATA`, the same sets, and branches
    of the same components. What happens in scenarios, with what probability, and what commitments cost may differ."""

    def written(side: Structure) -> tuple[Any, ...]:
        classes = [(k.project, k.purchase and k.purchase.material, k.bound) for k in side.support.classes]
        return (
            classes,
            [contract.source for contract in side.contracts],
            [bool(blocks.branches) for blocks in side.block_index],
        )

    same_sets = written(old) == written(structure) and equal(old.component_sets, structure.component_sets)
    return same_sets and _same(old.instance, structure.instance, BLOCK_DATA)


def same_commitments(old: Structure, structure: Structure) -> bool:
    """Whether commitments are written as in another structure whose operations are: the same signatures, contracts and floors,
    which cost something in the same years, whatever they cost; limits on losses hold probabilities as numbers."""

    def written(side: Structure) -> tuple[Any, ...]:
        support, risk, instance = side.support, side.instance.plan.risk, side.instance
        limited = risk.cvar_limit_musd is not None or risk.expected_loss_limit_musd is not None
        signed = [(option.project, option.market, option.output_class) for option in support.options]
        floors = [market.floor.floor.material for market in support.markets]
        tied = [(project.needs, project.excludes) for project in instance.projects]
        capacity = instance.capacity[sorted({contract.source for contract in side.contracts})].tolist()
        chances = side.scenarios.probability.tolist() if limited else []
        return signed, floors, support.baseline.tolist(), support.excluded_by, tied, side.contracts, capacity, chances

    money = [{name: figures != 0 for name, figures in side.commitment_money.items()} for side in (old, structure)]
    return written(old) == written(structure) and all(
        np.array_equal(used, money[1][name]) for name, used in money[0].items()
    )


def same_owners(old: Instance, instance: Instance) -> bool:
    """Whether what owners of projects get and need can be the same, where scenarios are: no more differs than `PLAN_FIGURES`,
    `OPERATING` and `MENUS`."""
    return _same(old, instance, (*OPERATING, *MENUS))


def same_menus(old: Instance, instance: Instance) -> bool:
    """Whether the ways of support can be the same, where scenarios are: no more differs than `PLAN_FIGURES` and `LOSSES`."""
    return _same(old, instance, LOSSES)


def _same(old: Instance, instance: Instance, free: Sequence[str]) -> bool:
    """Whether instances differ in `PLAN_FIGURES` and the free fields at most; where menus are free, so are the plan's own."""
    as_old = replace(instance, plan=old.plan, **{name: getattr(old, name) for name in free})
    free_menus = set(MENUS) <= set(free)
    return _structure(old.plan, free_menus) == _structure(instance.plan, free_menus) and equal(old, as_old)


def _structure(plan: Plan, free_menus: bool) -> Plan:
    """A plan with its figures blotted out, those of `SEEN_ELSEWHERE` and, where they are free, menus: whether a limit is set at all
    still counts, and whether risk weighs."""

    def blotted(section: Any, names: tuple[str, ...]) -> Any:
        seen = {name: getattr(section, name) for name in names}
        return section.model_copy(
            update={
                name: None if value is None else float(value != 0) if name == "cvar_weight" else 1.0
                for name, value in seen.items()
            }
        )

    sections: dict[str, Any] = {
        section: blotted(getattr(plan, section), names) for section, names in PLAN_FIGURES.items()
    }
    if free_menus:
        sections["instruments"] = plan.instruments.model_copy(update={"price_floors": (), "packages": ()})
    return plan.model_copy(update={**sections, **dict.fromkeys(SEEN_ELSEWHERE)})
