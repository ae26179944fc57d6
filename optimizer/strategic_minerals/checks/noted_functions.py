"""Figures compared with the functions named in their own notes, applied to the figures named there."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..data.recipes import CALL, MOST_ARGUMENTS, REFERENCE, SOURCES
from ..schemas.base import key_of
from ..schemas.tables import FACT_TABLES, TABLES
from .compare import Computed, Evidence, Figure, Get
from .figures import Facts, row_counts

FUNCTIONS = frozenset(
    {
        "haircut",
        "holding",
        "bulk_holding",
        "disposal_ceiling",
        "offer_depth",
        "seller_depth",
        "offer_premium",
        "crisis_availability",
        "accessible_capacity",
        "accessible_within",
        "market_origin",
        "open_capacity",
        "allied_kappa",
        "offtake_fee",
        "offtake_lot",
        "feed_price",
        "separation_cash",
        "tolled_cash",
        "separated_cash",
        "equivalent_cash",
        "oxide_per_metal",
        "metal_price",
        "magnet_price",
        "plant_conversion",
        "heavy_content",
        "magnet_content",
        "magnet_oxide",
        "ore_yield",
        "study_overrun",
        "recovery_cash",
        "magnet_demand",
        "direct_demand",
        "embedded_demand",
        "direct_origin",
        "embedded_origin",
        "allocated_loss",
        "segment_demand",
        "known_use",
        "one_of_seven",
        "direct_oxide_demand",
        "smco_demand",
        "anode_demand",
        "tier_share",
        "loss_multiplier",
        "substitution_limit",
        "substitution_cost",
        "restart_time",
        "rank_loss",
        "market_loss",
        "hazard_years",
        "cut_share",
        "index_ahead",
        "hurdle",
        "ramp_share",
        "capital_score",
        "profile_share",
        "quoted_multiple",
        "spread_low",
        "spread_high",
        "no_loss",
        "home_segment",
        "origin_capacity",
        "home_output",
        "price_loss",
        "study_loss",
        "days_held",
    }
)
"""Functions of `SOURCES` that a note may name: those that take as long whatever they are given."""
MOST = 8.0
"""Factor between a figure and what its note computes that a planner may have meant."""


def note_evidence(facts: Facts) -> Iterator[Evidence]:
    """A figure compared with the function named in its note, applied to the figures named there."""
    rows = _Rows(facts)
    for table in facts.data.tables:
        if table in FACT_TABLES:
            continue
        for row in facts.data.rows(table):
            if "(" not in row.note or not row_counts(facts, row):
                continue
            for column, sign, function, arguments in CALL.findall(row.note):
                value = getattr(row, column, None)
                if (
                    function not in FUNCTIONS
                    or not isinstance(value, int | float)
                    or isinstance(value, bool)
                    or value == 0
                ):
                    continue
                parts = [part.strip() for part in arguments.split(",")]
                others = rows.references(parts)
                if others is not None and len(parts) <= MOST_ARGUMENTS and (value < 0) == bool(sign):
                    computed = _Call(function, tuple(others.get(part, part) for part in parts))
                    label = f"what its note computes: {function}({arguments})"
                    figure, kind = facts.figure(table, row, column), f"note {table}.{column}"
                    yield Computed(label, figure, tuple(others.values()), computed, 1 / MOST, MOST, kind=kind)


@dataclass
class _Rows:
    """Rows by key, of the tables that notes refer to."""

    facts: Facts
    known: dict[str, dict[str, Any]] = field(default_factory=dict)

    def references(self, parts: list[str]) -> dict[str, Figure] | None:
        """Reference -> figure; None where one is not there."""
        found: dict[str, Figure] = {}
        for part in parts:
            if match := REFERENCE.fullmatch(part):
                table, key, column = match.groups()
                if table not in TABLES:
                    return None
                if table not in self.known:
                    self.known[table] = {key_of(row): row for row in self.facts.data.rows(table)}
                row = self.known[table].get(key)
                if row is None or not isinstance(getattr(row, column, None), int | float):
                    return None
                found[part] = self.facts.figure(table, row, column)
        return found


@dataclass(frozen=True)
class _Call:
    """A function of `SOURCES` with its arguments: figures, numbers, words."""

    function: str
    arguments: tuple[Figure | str, ...]

    def __call__(self, get: Get) -> float:
        """Its central value; NaN where it has none."""
        given: list[float | str] = []
        for argument in self.arguments:
            if isinstance(argument, tuple):
                given.append(get(argument))
            else:
                try:
                    given.append(float(argument))
                except ValueError:
                    given.append(argument)
        try:
            found = next(getattr(source, self.function) for source in SOURCES if hasattr(source, self.function))(*given)
        except (ArithmeticError, ValueError, TypeError, KeyError, StopIteration):
            return math.nan
        return abs(float(found.central))
