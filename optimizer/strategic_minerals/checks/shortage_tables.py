"""The tables of adaptation and of users' own stocks: what contradicts itself, and what a plan states of them without effect."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import Any

from ..core.errors import Fault
from ..data.dataset import Dataset
from ..schemas.plan import Plan

Finding = tuple[str, str]
"""Place in the plan or table; text."""


def shortage_tables_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """A stock of users has one level, and a holder: a segment that demands the material, or plants that use it."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for row in data.rows("demand"):
        wanted[row.material].add(row.segment)
    used = {row.material for row in data.rows("yields") if row.yield_t_per_t < 0}
    for row in data.rows("users_stock"):
        key = f"{row.material}/{row.segment}"
        if (row.level_months is None) == (row.level_t is None):
            found = "neither level_months nor level_t" if row.level_t is None else "both level_months and level_t"
            yield Fault("users_stock.csv", key, "level_months", found, "one of the two")
        segments = wanted.get(row.material, set())
        if row.segment != "*" and row.segment not in segments:
            expected = f"one of {', '.join(sorted(segments))}, or '*'" if segments else "'*': the plants that use it"
            yield Fault("users_stock.csv", key, "segment", f"'{row.segment}', which demands none of it", expected)
        elif not segments and row.material not in used:
            yield Fault("users_stock.csv", key, "material", f"'{row.material}'", "a material that somebody uses")


def idle_shortage(plan: Plan, data: Dataset, chosen: Collection[str]) -> Iterator[Finding]:
    """Fields of the plan that change nothing. chosen: the planned materials."""
    usual = Plan.model_fields["users_convenience_share"].default
    if plan.users_convenience_share != usual and not data.rows("users_stock"):
        yield (
            "users_convenience_share",
            "plan users_convenience_share: the tables have no stock of users (users_stock.csv): it has no effect",
        )
    if plan.loss.spikes and not _tiered(data, chosen):
        yield "loss.spikes", "plan loss.spikes: no segment has more than one tier: it has no effect"


def _tiered(data: Dataset, chosen: Collection[str]) -> bool:
    """Whether some segment of a planned material has several tiers."""
    tiers: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for row in data.rows("tiers"):
        tiers[row.material, row.segment].append(row.tier)
    pairs = {(row.material, row.segment) for row in data.rows("demand") if row.material in chosen}
    return any(len(tiers.get(pair) or tiers.get(("*", pair[1]), [])) > 1 for pair in pairs)
