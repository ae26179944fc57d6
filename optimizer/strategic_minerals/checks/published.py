"""Published figures compared with each other, with hazards and with losses."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..data.estimates import rank_loss
from ..schemas.tables import FACT_TABLES
from .compare import Comparison, Computed, Evidence, Figure, Get, Published
from .figures import Facts

WORLD = "WLD"
REPORTED = ("prices", "deflators")
"""Planning tables whose rows are published figures where they are `reported`."""


def said(row: Any, table: str) -> str:
    """Table and source of a published figure."""
    return f"{table}.csv: {row.source}" if row.source else f"{table}.csv"


def published(facts: Facts) -> Published:
    """The fact tables, and the rows of other tables that print what a statistical source prints."""
    rows = [
        (table, key) for (table, key), row in facts.rows.items() if table in REPORTED and row.confidence == "reported"
    ]
    return Published(FACT_TABLES, frozenset(rows))


def published_evidence(facts: Facts) -> Iterator[Evidence]:
    """Comparisons among published figures; rates of hazards with the record; losses with the published ranks."""
    world = {row.mineral: row for row in facts.data.rows("production") if row.country == WORLD}
    yield from _world_outputs(facts)
    yield from _minerals(facts, world)
    yield from _reserves(facts, world)
    yield from _rates(facts)
    if facts.plan.home == "USA":
        yield from _ranks(facts)


def _pair(label: str, above: Figure, below: Figure, low: float, high: float, kind: str = "") -> Comparison:
    return Comparison(label, ((1.0, (above,)),), ((1.0, (below,)),), low, high, kind=kind)


def _world_outputs(facts: Facts) -> Iterator[Evidence]:
    """World output compared with other years, and the sum of the countries with the world."""
    totals: dict[tuple[str, str], list[Figure]] = defaultdict(list)
    countries: dict[tuple[str, str, Any, str], list[Figure]] = defaultdict(list)
    whole: dict[tuple[str, str, Any, str], Figure] = {}
    for row in facts.data.rows("production"):
        if row.production_t <= 0:
            continue
        figure, place = facts.figure("production", row, "production_t"), (row.mineral, row.stage, row.year, row.edition)
        if row.country == WORLD:
            totals[row.mineral, row.stage].append(figure)
            whole[place] = figure
        else:
            countries[place].append(figure)
    for (mineral, _), figures in totals.items():
        for n, figure in enumerate(figures):
            for other in figures[max(0, n - 4) : n]:
                yield _pair(f"world output of {mineral} in other years (production.csv)", figure, other, 0.1, 10)
    for place, figure in whole.items():
        if place in countries:
            parts = tuple((1.0, (part,)) for part in countries[place])
            label = f"the countries' output of {place[0]} together and that of the world (production.csv)"
            yield Comparison(label, parts, ((1.0, (figure,)),), 0.05, 2.5, 0.9)


def _minerals(facts: Facts, world: dict[str, Any]) -> Iterator[Evidence]:
    """The home market of a mineral compared with the world market."""
    for row in facts.data.rows("minerals"):
        output = world.get(row.mineral)
        columns = [
            name
            for name in ("consumption_t", "imports_t", "exports_t", "primary_t", "secondary_t")
            if getattr(row, name)
        ]
        if output is not None and output.production_t > 0:
            known = facts.figure("production", output, "production_t")
            label = f"world output of {row.mineral} ({output.production_t:,g} t, {said(output, 'production')})"
            if row.world_production_t:
                yield _pair(label, facts.figure("minerals", row, "world_production_t"), known, 0.2, 5)
            for name in columns:
                above = ((1.0, (facts.figure("minerals", row, name),)),)
                yield Comparison(label, above, ((1.0, (known,)),), 0.0, 5, 0.06, kind=f"minerals.{name}")
        if row.consumption_t:
            used = facts.figure("minerals", row, "consumption_t")
            label = f"published use of {row.mineral} ({row.consumption_t:,g} t, {said(row, 'minerals')})"
            for name in columns[1:]:
                yield _pair(label, facts.figure("minerals", row, name), used, 0.0, 60)


def _reserves(facts: Facts, world: dict[str, Any]) -> Iterator[Evidence]:
    """World reserves compared with world output."""
    for row in facts.data.rows("reserves"):
        output = world.get(row.mineral)
        if row.country == WORLD and row.reserves_t > 0 and output is not None and output.production_t > 0:
            known = facts.figure("production", output, "production_t")
            label = f"world output of {row.mineral} ({output.production_t:,g} t, {said(output, 'production')})"
            yield Comparison(
                label, ((1.0, (facts.figure("reserves", row, "reserves_t"),)),), ((1.0, (known,)),), 0.5, 20_000, 60
            )


def _rates(facts: Facts) -> Iterator[Evidence]:
    """Rate of a hazard compared with the onsets counted for it: half an onset more, over the years of record."""
    for row in facts.data.rows("hazards"):
        if row.rate_per_yr > 0 and row.observed_yr:
            onsets = len(row.calibrated_on.split()) + row.onsets_elsewhere
            rate, years = facts.figure("hazards", row, "rate_per_yr"), facts.figure("hazards", row, "observed_yr")
            label = f"{onsets} onsets in {row.observed_yr:g} years of record (hazards.csv)"
            yield Computed(label, rate, (years,), _Rate(onsets, years), 1 / 8, 8, kind="record")


@dataclass(frozen=True)
class _Rate:
    """Onsets a year, from those counted."""

    onsets: int
    years: Figure

    def __call__(self, get: Get) -> float:
        return (self.onsets + 0.5) / years if (years := get(self.years)) > 0 else math.nan


def _ranks(facts: Facts) -> Iterator[Evidence]:
    """Losses compared with the published loss of GDP at the mineral's rank, divided by its use."""
    minerals = {row.mineral: row for row in facts.data.rows("minerals") if row.usgs_gdp_rank and row.consumption_t}
    of = {row.material: row.mineral for row in facts.data.rows("materials")}
    for row in facts.data.rows("loss_functions"):
        mineral = minerals.get(of.get(row.material, ""))
        if mineral is None or row.loss_usd_per_t <= 0 or not facts.counts(row.material):
            continue
        rank, used = (facts.figure("minerals", mineral, name) for name in ("usgs_gdp_rank", "consumption_t"))
        where = said(mineral, "minerals")
        label = f"the loss of GDP at rank {mineral.usgs_gdp_rank:g} over the use of {mineral.mineral} ({where})"
        loss = facts.figure("loss_functions", row, "loss_usd_per_t")
        by_rank, kind = _RankLoss(rank, used), f"rank {row.loss_function}"
        yield Computed(label, loss, (rank, used), by_rank, 1 / 2000, 1e5, 3, kind=kind, exact=False)


@dataclass(frozen=True)
class _RankLoss:
    """Loss of GDP at a rank over the use of a mineral [USD/t]."""

    rank: Figure
    used: Figure

    def __call__(self, get: Get) -> float:
        try:
            return rank_loss(get(self.rank), get(self.used)).central
        except (ArithmeticError, ValueError, StopIteration):
            return math.nan
