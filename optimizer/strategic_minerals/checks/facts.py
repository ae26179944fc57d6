"""Comparisons between tables: tonnes of the same market, money per kilogram, published figures, arithmetic in notes."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from statistics import median
from typing import Any

from ..schemas.base import key_of, parse_multipliers
from ..schemas.tables import FACT_TABLES, TABLES
from .compare import Comparison, Evidence, Figure, Term
from .figures import Facts, row_counts
from .noted_functions import note_evidence
from .published import published_evidence, said
from .stocks import stock_evidence
from .words import meant

UNIT_SLIP = 300.0
"""Ratio beyond which a figure is taken for one in another unit: kg for t, USD/t for USD/kg, thousands of USD for millions are off
by 1000. Shipped projects cost 0.7 to 8.5 years of what their output brings.
"""
ONE: tuple[Term, ...] = ((1.0, ()),)
WINDOW = 8
"""Similar rows with which one is compared."""

ALONE: dict[tuple[str, str], tuple[float, float]] = {
    ("materials", "haircut_share"): (0.005, 0.9),
    ("materials", "decay_share_per_yr"): (5e-4, 0.9),
    ("materials", "holding_share_per_yr"): (0.001, 0.3),
    ("materials", "resale_share"): (0.003, 1),
    ("materials", "salvage_share"): (0.003, 1),
    ("offers", "crisis_availability"): (0.003, 1),
    ("activities", "kappa"): (0.005, 1),
    ("activities", "term_yr"): (0.25, 60),
    ("activities", "restart_yr"): (0.02, 50),
    ("activities", "premium_share"): (0.001, 5),
    ("offers", "premium_share"): (0.001, 5),
    ("projects", "premium_share"): (0.001, 5),
    ("projects", "lead_yr"): (0.1, 10),
    ("projects", "life_yr"): (1, 150),
    ("projects", "hurdle_rate"): (0.005, 0.6),
    ("projects", "kappa"): (0.005, 1),
    ("projects", "restart_yr"): (0.02, 50),
    ("ramps", "ramp_share"): (0.003, 1),
    ("packages", "offtake_fee_share"): (0.0005, 0.5),
    ("packages", "floor_term_yr"): (0.25, 60),
    ("packages", "upside_share"): (0.005, 1),
    ("packages", "offtake_share"): (0.005, 1),
    ("instruments", "score"): (0.002, 3),
    ("instruments", "max_share_of_capex"): (0.005, 1),
    ("instruments", "rate"): (0.001, 0.5),
    ("instruments", "tenor_yr"): (0.25, 60),
    ("instruments", "grace_yr"): (0.05, 30),
    ("tiers", "loss_multiplier"): (0.01, 200),
    ("tiers", "share"): (0.002, 1),
    ("loss_functions", "horizon_months"): (0.5, 600),
    ("adaptation", "multiplier"): (0.005, 20),
    ("users_stock", "level_months"): (0.05, 60),
    ("substitution", "limit_share"): (0.0005, 1),
    ("hazards", "rate_per_yr"): (0.001, 8),
    ("hazards", "duration_yr"): (0.01, 60),
    ("hazards", "cut_share"): (0.005, 1),
    ("hazards", "price_multiplier"): (0.05, 100),
    ("hazards", "flood_yr"): (0.01, 30),
    ("hazards", "flood_multiplier"): (0.02, 3),
    ("hazards", "after_lag_yr"): (0.003, 30),
    ("hazards", "third_country_cut_share"): (0.002, 1),
    ("hazards", "observed_yr"): (0.5, 500),
    ("hazards", "severity_p05"): (0.05, 1),
    ("hazards", "severity_p95"): (1, 20),
    ("hazards", "stretch_p05"): (0.02, 1),
    ("hazards", "stretch_p95"): (1, 50),
    ("hazard_profiles", "cut_share"): (0.001, 1),
    ("hazard_profiles", "month_from"): (0.2, 240),
    ("hazard_prices", "price_multiplier"): (0.05, 100),
    ("hazard_prices", "month_from"): (0.2, 240),
    ("hazard_prices", "month_to"): (0.2, 240),
    ("hazard_profiles", "month_to"): (0.2, 240),
    ("projects", "financed_share"): (0.005, 1),
    ("yields", "yield_t_per_t"): (1e-4, 100),
    ("price_states", "factor"): (0.02, 30),
}
"""(table, column) -> absolute limits of such a figure."""
USUAL = {
    "hazards.duration_yr": 1.5,
    "hazards.rate_per_yr": 0.1,
    "hazards.price_multiplier": 2,
    "hazards.observed_yr": 16,
    "offers.premium_share": 0.15,
    "activities.premium_share": 0.1,
    "projects.premium_share": 0.1,
    "projects.lead_yr": 2,
    "projects.life_yr": 22,
    "projects.hurdle_rate": 0.13,
    "activities.term_yr": 10,
    "materials.haircut_share": 0.1,
    "materials.holding_share_per_yr": 0.01,
    "substitution.limit_share": 0.05,
    "tiers.share": 0.3,
    "yields.yield_t_per_t": 1,
    "activities.kappa": 0.6,
    "projects.kappa": 0.6,
    "projects.financed_share": 0.4,
    "activities.restart_yr": 2,
    "projects.restart_yr": 2,
    "instruments.rate": 0.05,
    "instruments.tenor_yr": 12,
    "packages.floor_term_yr": 10,
    "packages.offtake_fee_share": 0.02,
}
"""Table and column -> what such figures mostly are."""


def strict_evidence(facts: Facts) -> Iterator[Evidence]:
    """Comparisons whose failing no opinion explains: figures that stand to each other as if one were in another unit."""
    for row in facts.data.rows("prices"):
        base = facts.base.get(row.material)
        mine = facts.figure("prices", row, "price_usd_per_kg")
        if base is not None and base != mine:
            label, kind = (
                f"the price in set '{facts.plan.price_set}' ({facts.values[base]:g} USD/kg)",
                f"set-price {row.price_set}",
            )
            yield Comparison(
                label, ((1.0, (mine,)),), ((1.0, (base,)),), 1 / UNIT_SLIP, UNIT_SLIP, impossible=True, kind=kind
            )
    for table, column in (("activities", "activity"), ("projects", "project")):
        for row in facts.data.rows(table):
            name = getattr(row, column)
            if row.cash_usd_per_kg > 0 and (worth := facts.worth(name)):
                cash = facts.figure(table, row, "cash_usd_per_kg")
                label = f"the value of its output ({facts.total(worth):,.4g} USD/kg)"
                yield Comparison(label, ((1.0, (cash,)),), worth, 0.0, UNIT_SLIP, usual=0.4, impossible=True)
    for row in facts.data.rows("projects"):
        yearly = tuple(
            (factor / 1000, (facts.capacity[row.project], *rest)) for factor, rest in facts.worth(row.project)
        )
        if yearly and row.capex_musd > 0:
            label = f"the value of its output in a year ({facts.total(yearly):,.3g} million USD)"
            capex = facts.figure("projects", row, "capex_musd")
            yield Comparison(label, ((1.0, (capex,)),), yearly, 0.0, UNIT_SLIP, usual=3.0, impossible=True)
    for material in list(facts.demand):
        made, wanted = facts.made(material), facts.needed(material)
        label = f"what producers make or use of {material} ({facts.total(made):,.4g} t/yr)"
        yield Comparison(label, wanted, made, 0.0, UNIT_SLIP, impossible=True)
    for row in facts.data.rows("offers"):
        size = max((facts.needed(row.material), facts.made(row.material)), key=facts.total)
        label = f"the size of the market of {row.material} ({facts.total(size):,.4g} t/yr)"
        depth = facts.figure("offers", row, "depth_t_per_yr")
        yield Comparison(label, ((1.0, (depth,)),), size, 0.0, UNIT_SLIP, usual=0.2, impossible=True)


def table_evidence(facts: Facts) -> Iterator[Evidence]:
    """All comparisons among the tables, for the chosen materials."""
    yield from strict_evidence(facts)
    yield from _prices(facts)
    yield from _market(facts)
    yield from _producers(facts)
    yield from _losses(facts)
    yield from _rows_alone(facts)
    yield from note_evidence(facts)
    yield from published_evidence(facts)


def _pair(
    label: str, above: Figure, below: Figure, low: float, high: float, usual: float = 1.0, kind: str = ""
) -> Comparison:
    return Comparison(label, ((1.0, (above,)),), ((1.0, (below,)),), low, high, usual, kind=kind)


def _prices(facts: Facts) -> Iterator[Evidence]:
    """A price compared with other sets and years, and with the mineral's price."""
    minerals = {row.mineral: row for row in facts.data.rows("minerals")}
    by_material: dict[str, list[Any]] = defaultdict(list)
    for row in facts.data.rows("prices"):
        by_material[row.material].append(row)
    of = {row.material: row.mineral for row in facts.data.rows("materials")}
    for material, rows in by_material.items():
        if not facts.counts(material):
            continue
        figures = [facts.figure("prices", row, "price_usd_per_kg") for row in rows]
        beside = f"other prices of {material} (prices.csv)"
        alone = [((1.0, (figure,)),) for figure in figures]  # shared: a table may have 200,000 rows
        for n, (figure, row) in enumerate(zip(figures, rows, strict=True)):
            for other in alone[max(0, n - WINDOW) : n]:
                yield Comparison(beside, alone[n], other, 1 / 30, 30)
            mineral = minerals.get(of.get(material, ""))
            if mineral is not None and mineral.price_usd_per_kg is not None:
                known = facts.figure("minerals", mineral, "price_usd_per_kg")
                what = f"{mineral.price_usd_per_kg:g} USD/kg, {said(mineral, 'minerals')}"
                label = f"the published price of {mineral.mineral} ({what})"
                yield _pair(label, figure, known, 1 / 60, 60, kind=f"published-price {row.price_set}")


def _market(facts: Facts) -> Iterator[Evidence]:
    """Tonnes of a material: segments with each other, demand with published use and world output, offers with demand."""
    data = facts.data
    minerals = {row.mineral: row for row in data.rows("minerals")}
    world = {row.mineral: row for row in data.rows("production") if row.country == "WLD"}
    of = {row.material: row.mineral for row in data.rows("materials")}
    share = _usual_shares(facts)
    for material in list(facts.demand):
        if not facts.counts(material):
            continue
        wanted, made = facts.needed(material), facts.made(material)
        label = f"what producers make or use of {material} ({facts.total(made):,.4g} t/yr)"
        yield Comparison(label, wanted, made, 3e-4, 30, kind="flows")
        for figure in facts.demand[material]:
            if len(wanted) > 1 and (usual := share[figure[1].split("/")[1]]) > 0:
                label = f"the demand of the other segments of {material}"
                yield Comparison(label, ((1.0, (figure,)),), wanted, usual / 15, usual * 15, usual)
        mineral = minerals.get(of.get(material, ""))
        if mineral is not None and mineral.consumption_t:
            used = facts.figure("minerals", mineral, "consumption_t")
            label = f"published use of {mineral.mineral} ({mineral.consumption_t:,g} t, {said(mineral, 'minerals')})"
            yield Comparison(label, wanted, ((1.0, (used,)),), 0.01, 60, kind="published use")
        output = world.get(of.get(material, ""))
        if output is not None and output.production_t > 0:
            all_made = facts.figure("production", output, "production_t")
            label = f"world output of {output.mineral} ({output.production_t:,g} t, {said(output, 'production')})"
            yield Comparison(label, wanted, ((1.0, (all_made,)),), 0.0, 3, 0.05, kind="world output")
    yield from _years(facts, "demand", "demand_t_per_yr", 2)
    yield from _years(facts, "deflators", "price_index", 0, 4)
    yield from _offers(facts)
    for row in data.rows("materials"):
        mineral = minerals.get(row.mineral)
        if (
            facts.counts(row.material)
            and row.net_import_reliance_pct
            and mineral is not None
            and mineral.net_import_reliance_pct
        ):
            known = facts.figure("minerals", mineral, "net_import_reliance_pct")
            what = f"{mineral.net_import_reliance_pct:g} %, {said(mineral, 'minerals')}"
            label, mine = (
                f"published import reliance of {mineral.mineral} ({what})",
                facts.figure("materials", row, known[2]),
            )
            yield _pair(label, mine, known, 0.02, 50, kind="import reliance")
        if facts.counts(row.material) and (need := facts.wanted(row.material)):
            label = f"a year's use of {row.material} ({facts.total(need):,.4g} t)"
            for column, low, high in (
                ("storage_t", 0.002, 200),
                ("drawdown_t_per_yr", 0.002, 200),
                ("disposal_t_per_yr", 3e-4, 5),
            ):
                if getattr(row, column):
                    yield Comparison(
                        label, ((1.0, (facts.figure("materials", row, column),)),), need, low, high, kind=column
                    )
    yield from stock_evidence(facts)


def _usual_shares(facts: Facts) -> dict[str, float]:
    """Segment -> the share of a material's demand that it mostly has."""
    found: dict[str, list[float]] = defaultdict(list)
    for figures in facts.demand.values():
        total = sum(facts.values[figure] for figure in figures)
        for figure in figures:
            found[figure[1].split("/")[1]].append(facts.values[figure] / total if total > 0 else 0.0)
    return {segment: median(shares) for segment, shares in found.items()}


def _offers(facts: Facts) -> Iterator[Evidence]:
    """An offer compared with the market, and with the other offers of the same material."""
    by_material: dict[str, list[Figure]] = defaultdict(list)
    for row in facts.data.rows("offers"):
        if facts.counts(row.material) and row.depth_t_per_yr > 0:
            by_material[row.material].append(facts.figure("offers", row, "depth_t_per_yr"))
    for material, figures in by_material.items():
        need = facts.wanted(material)
        for n, figure in enumerate(figures):
            label = f"a year's use of {material} ({facts.total(need):,.4g} t)"
            yield Comparison(label, ((1.0, (figure,)),), need, 3e-4, 15, 0.2, kind="offers")
            for other in figures[max(0, n - WINDOW) : n]:
                yield _pair(f"other offers of {material}", figure, other, 1 / 60, 60)


def _years(facts: Facts, table: str, column: str, parts: int, most: float = 30.0) -> Iterator[Evidence]:
    """A series beside itself in other years. parts: how many parts of the key name the series; most: a factor that is not odd."""
    series: dict[str, list[Figure]] = defaultdict(list)
    for row in facts.data.rows(table):
        if getattr(row, column) > 0:
            series["/".join(key_of(row).split("/")[:parts])].append(facts.figure(table, row, column))
    for name, figures in series.items():
        for n, figure in enumerate(figures):
            for other in figures[max(0, n - WINDOW) : n]:
                yield _pair(f"other years{f' of {name}' * bool(name)} ({table}.csv)", figure, other, 1 / most, most)


def _producers(facts: Facts) -> Iterator[Evidence]:
    """Capacity, costs, fees and floors of a producer compared with its market and the value of its output."""
    data = facts.data
    yield from _years(facts, "capacities", "capacity_t_per_yr", 1)
    for row in data.rows("capacities"):
        if row.normal_t_per_yr and row.capacity_t_per_yr > 0:
            usual, most_of = (facts.figure("capacities", row, f"{name}_t_per_yr") for name in ("normal", "capacity"))
            yield _pair(
                f"the capacity ({row.capacity_t_per_yr:,g} t/yr)", usual, most_of, 0.02, 3, 0.9, kind="usual flows"
            )
    world = {row.mineral: row for row in data.rows("production") if row.country == "WLD"}
    of = {row.material: row.mineral for row in data.rows("materials")}
    for table, column in (("activities", "activity"), ("projects", "project")):
        for row in data.rows(table):
            name = getattr(row, column)
            made = [(material, y) for material, y in facts.outputs[name] if facts.counts(material)]
            worth = facts.worth(name)
            if not made or name not in facts.capacity:
                continue
            main, most = max(
                made, key=lambda pair: facts.values[pair[1]] * facts.values.get(facts.base.get(pair[0], pair[1]), 0.0)
            )
            output: tuple[Term, ...] = ((1.0, (most, facts.capacity[name])),)
            if need := facts.wanted(main):
                label = f"a year's use of {main} ({facts.total(need):,.4g} t)"
                yield Comparison(label, output, need, 1e-5, 60, 0.2, kind=f"{table} market")
            all_made = world.get(of.get(main, ""))
            if all_made is not None and all_made.production_t > 0:
                figure = facts.figure("production", all_made, "production_t")
                label = (
                    f"world output of {all_made.mineral} ({all_made.production_t:,g} t, {said(all_made, 'production')})"
                )
                yield Comparison(label, output, ((1.0, (figure,)),), 0.0, 5, 0.05, kind=f"{table} world output")
            if fed := facts.fed(name):
                label = f"what the inputs of {name} cost ({facts.total(fed):,.4g} USD/kg)"
                yield Comparison(label, worth, fed, 0.05, 150, 2, kind="value added")
            yield from _money_of(facts, table, row, name, (main, most), worth)
    for row in data.rows("packages"):
        if row.floor_usd_per_kg is not None and row.floor_material in facts.base:
            level = facts.figure("packages", row, "floor_usd_per_kg")
            price = facts.base[row.floor_material]
            yield _pair(f"the price of {row.floor_material} ({facts.values[price]:g} USD/kg)", level, price, 0.05, 30)
        if row.take_t_per_yr is not None and row.project in facts.capacity:
            take, size = facts.figure("packages", row, "take_t_per_yr"), facts.capacity[row.project]
            yield _pair(
                f"the capacity of {row.project} ({facts.values[size]:,g} t/yr)", take, size, 0.003, 10, 0.3, kind="take"
            )
        if row.offtake_fee_usd_per_kg > 0 and row.project and (worth := facts.worth(row.project)):
            fee = facts.figure("packages", row, "offtake_fee_usd_per_kg")
            label = f"the value of the project's output ({facts.total(worth):,.4g} USD/kg)"
            yield Comparison(label, ((1.0, (fee,)),), worth, 5e-4, 3, 0.02)


def _money_of(
    facts: Facts, table: str, row: Any, name: str, made: tuple[str, Figure], worth: tuple[Term, ...]
) -> Iterator[Evidence]:
    """Money of one producer compared with the value of its output. made: its main output, and the yield of it."""
    if not worth:
        return
    (main, most), label = made, f"the value of its output ({facts.total(worth):,.4g} USD/kg)"
    for column, low, high, usual in (("cash_usd_per_kg", 0.002, 20, 0.4), ("fee_usd_per_kg", 5e-4, 3, 0.02)):
        if getattr(row, column, 0) > 0:
            above, kind = ((1.0, (facts.figure(table, row, column),)),), f"{table} {column}"
            yield Comparison(label, above, worth, low, high, usual, kind=kind)
    if getattr(row, "lot_t_per_yr", None):
        lot = facts.figure(table, row, "lot_t_per_yr")
        size = facts.capacity[name]
        yield _pair(f"the capacity of {name} ({facts.values[size]:,g} t/yr)", lot, size, 0.003, 2, 0.1, kind="lots")
        if need := facts.wanted(main):
            output: tuple[Term, ...] = ((1.0, (lot, most)),)
            yield Comparison(f"a year's use of {main} ({facts.total(need):,.4g} t)", output, need, 5e-5, 3, 0.02)
    if getattr(row, "floor_usd_per_kg", None) and row.floor_material in facts.base:
        price = facts.base[row.floor_material]
        what = f"the price of {row.floor_material} ({facts.values[price]:g} USD/kg)"
        yield _pair(what, facts.figure(table, row, "floor_usd_per_kg"), price, 0.05, 30)
    if table == "projects" and row.capex_musd > 0:
        yearly = tuple((factor / 1000, (facts.capacity[name], *rest)) for factor, rest in worth)
        what = f"the value of its output in a year ({facts.total(yearly):,.3g} million USD)"
        yield Comparison(what, ((1.0, (facts.figure(table, row, "capex_musd"),)),), yearly, 0.05, 60, 3, kind="capex")


def _losses(facts: Facts) -> Iterator[Evidence]:
    """Loss per tonne compared with the price and with other loss functions; substitution compared with the price."""
    data = facts.data
    by_place: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for row in data.rows("loss_functions"):
        if row.material in facts.base and facts.counts(row.material) and row.loss_usd_per_t > 0:
            by_place[row.material, row.segment].append(row)
    for (material, _), rows in by_place.items():
        figures = [facts.figure("loss_functions", row, "loss_usd_per_t") for row in rows]
        price = facts.base[material]
        for n, (figure, loss) in enumerate(zip(figures, rows, strict=True)):
            label = f"the price of {material} ({facts.values[price]:g} USD/kg)"
            yield Comparison(
                label, ((1e-3, (figure,)),), ((1.0, (price,)),), 0.02, 3e5, 3, kind=f"losses {loss.loss_function}"
            )
            for other in figures[max(0, n - WINDOW) : n]:
                yield _pair(f"losses of {material} under other loss functions", figure, other, 1 / 290, 290)
    for row in data.rows("substitution"):
        if row.cost_usd_per_kg > 0 and row.material in facts.base and facts.counts(row.material):
            price = facts.base[row.material]
            label = f"the price of {row.material} ({facts.values[price]:g} USD/kg)"
            yield _pair(
                label, facts.figure("substitution", row, "cost_usd_per_kg"), price, 0.1, 100, 2, kind="substitution"
            )


def _rows_alone(facts: Facts) -> Iterator[Evidence]:
    """Figures that markets do not move far, and ends of ranges compared with their value."""
    for (table, column), (low, high) in ALONE.items():
        rows = [row for row in facts.data.rows(table) if getattr(row, column) and row_counts(facts, row)]
        outside = sum(not low <= abs(getattr(row, column)) <= high for row in rows)
        for row in rows:
            figure = facts.figure(table, row, column)
            label = f"the usual range of such figures ({low:g} to {high:g})"
            usual = USUAL.get(f"{table}.{column}", math.sqrt(low * high))
            if 2 * outside < len(rows):  # else the column is in another unit, which its middle says best
                usual = meant(column, facts.values[figure], low, high, usual)
            yield Comparison(label, ((1.0, (figure,)),), ONE, low, high, usual, kind=f"{table}.{column}")
    for row in facts.data.rows("hazards"):
        factors = [factor for factor in parse_multipliers(row.demand_multipliers).values() if factor > 0]
        if factors:
            figure = ("hazards", key_of(row), "demand_multipliers")
            facts.values[figure] = max(factors, key=lambda factor: abs(math.log(factor)))
            yield Comparison("the usual range of such factors (0.02 to 20)", ((1.0, (figure,)),), ONE, 0.02, 20)
    for table, model in TABLES.items():
        ranged = (
            [name for name in model.model_fields if f"{name}_high" in model.model_fields]
            if table not in FACT_TABLES
            else []
        )
        for row in facts.data.rows(table) if ranged else ():
            for column in ranged if row_counts(facts, row) else ():
                for end, low, high in (("low", 7e-4, 1.0), ("high", 1.0, 500.0)):
                    bound = getattr(row, f"{column}_{end}")
                    if bound is not None and bound > 0 and getattr(row, column) > 0:
                        value, limit = facts.figure(table, row, column), facts.figure(table, row, f"{column}_{end}")
                        yield _pair(
                            f"{column} of the same row ({facts.values[value]:,g})",
                            limit,
                            value,
                            low * 0.999,
                            high * 1.001,
                        )
