"""Figures that are probably not meant: the wrong one is doubted, in its row, beside what speaks against it, and no correct one."""

from __future__ import annotations

import random
from collections import defaultdict
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from pydantic import ValidationError

from strategic_minerals import Dataset, Plan, check, load_dataset, load_plan, shipped, solve
from strategic_minerals.checks.compare import Comparison, Evidence, Figure, doubts
from strategic_minerals.checks.consistency import check_data
from strategic_minerals.checks.doubtful import KIND, TRUSTED, unit_slips, unlikely
from strategic_minerals.checks.facts import table_evidence
from strategic_minerals.checks.figures import gather
from strategic_minerals.schemas.base import key_of
from strategic_minerals.schemas.tables import FACT_TABLES, TABLES
from support.tiny import offer, source, tiny

PLANS = sorted(path.stem for path in shipped("models").glob("*.toml"))
NOT_SIZES = {
    "year",
    "from_year",
    "tier",
    "step",
    "age_yr",
    "earliest_signing",
    "floor_until_year",
    "money_year",
    "net_import_reliance_pct",
    "probability",
    "wgi_political_stability",
    "element_share",
    "output_t_per_yr",  # of all buyers: what homes buy of it is held against it by `oversold`
    "after_probability",
    "onsets_elsewhere",
    "crisis_availability",
    "resale_share",
    "salvage_share",
}
"""Years, counts, probabilities, and shares of which every value is as likely as another."""
ROWS = 4
"""Rows tried of each column."""


@cache
def data(home: str = "USA") -> Dataset:
    return load_dataset(shipped("inputs"), home)


@cache
def plan(name: str = "critical-minerals") -> Plan:
    return load_plan(shipped("models") / f"{name}.toml")


def sizes() -> list[tuple[str, str]]:
    """Columns of the planning tables that hold a size, in which some row has one."""
    return [
        (table, column)
        for table, model in TABLES.items()
        if table not in FACT_TABLES
        for column in model.model_fields
        if column not in NOT_SIZES
        and not column.endswith(("_low", "_high"))
        and any(is_size(getattr(row, column)) for row in data().rows(table))
    ]


def is_size(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value != 0


@pytest.mark.parametrize("name", PLANS)
def test_shipped_plans_and_tables_give_no_false_alarm(name: str) -> None:
    """Proves: no figure of the shipped tables, nor of a shipped plan, is doubted."""
    assert unlikely(plan(name), data(plan(name).home)) == []


@cache
def compared() -> tuple[dict[Figure, float], dict[Figure, list[Evidence]]]:
    """Figures of the shipped tables, and the comparisons that each is in."""
    facts = gather(plan(), data())
    of: dict[Figure, list[Evidence]] = defaultdict(list)
    for each in table_evidence(facts):
        for figure in each.figures:
            of[figure].append(each)
    return dict(facts.values), of


def doubted(figure: Figure, factor: float) -> set[Figure]:
    """What is doubted where a figure is in another unit, with the ends of its range: all comparisons that can matter are asked."""
    values, of = compared()
    moved = [known for end in ("", "_low", "_high") if (known := (*figure[:2], figure[2] + end)) in values]
    touched = {other for known in moved for each in of[known] for other in each.figures}
    near = {id(each): each for other in touched for each in of[other]}
    return {
        doubt.figure
        for doubt in doubts({**values, **{known: values[known] * factor for known in moved}}, near.values(), TRUSTED)
    }


def scaled(row: Any, column: str, factor: float) -> dict[str, float]:
    """A figure and the ends of its range in another unit."""
    return {
        name: getattr(row, name) * factor for end in ("", "_low", "_high") if getattr(row, name := column + end, None)
    }


def is_refused(table: str, row: Any, column: str, factor: float) -> bool:
    """Whether the schema refuses the row by itself."""
    try:
        TABLES[table].model_validate({**row.model_dump(), **scaled(row, column, factor)})
    except ValidationError:
        return True
    return False


@cache
def tried(table: str, column: str) -> tuple[int, int, tuple[str, ...], tuple[str, ...]]:
    """(cases, detected, what was missed, cases in which a correct row was blamed) of a column, both ways."""
    rows = [row for row in data().rows(table) if is_size(getattr(row, column))]
    missed, wrong, cases = [], [], 0
    for row in random.Random(f"{table}.{column}").sample(rows, min(ROWS, len(rows))):
        for factor in (1000.0, 0.001):
            cases += 1
            if is_refused(table, row, column, factor):
                continue
            rows_blamed = {figure[:2] for figure in doubted((table, key_of(row), column), factor)}
            case = f"{table}[{key_of(row)}].{column} x {factor:g}"
            if (table, key_of(row)) not in rows_blamed:
                missed.append(case)
            if rows_blamed - {(table, key_of(row))}:
                wrong.append(f"{case}: {rows_blamed}")
    return cases, cases - len(missed), tuple(missed), tuple(wrong)


@pytest.mark.parametrize(("table", "column"), sizes(), ids=".".join)
def test_a_figure_in_another_unit_is_doubted_in_its_row(table: str, column: str) -> None:
    """Proves: one figure of a column a thousand times its size, or a thousandth, with its range: most such rows are named, and
    correct rows hardly ever. Where nothing else is known of a figure, nothing is said."""
    cases, detected, missed, wrong = tried(table, column)
    assert detected >= 0.6 * cases, missed
    assert len(wrong) <= 0.2 * cases, wrong


def test_nearly_all_unit_slips_are_found_and_hardly_a_correct_row_is_blamed() -> None:
    """Proves: over all columns at least 95 % of slips by a thousand are named, and at most 2 % name a correct row as well."""
    found = [tried(table, column) for table, column in sizes()]
    cases = sum(each[0] for each in found)
    assert sum(each[1] for each in found) >= 0.95 * cases, [case for each in found for case in each[2]]
    assert sum(len(each[3]) for each in found) <= 0.02 * cases, [case for each in found for case in each[3]]


SLIPS = [
    ("prices", "mcs2024/gallium/2024", "price_usd_per_kg"),
    ("prices", "quotes2026/ndpr_oxide/2026", "price_usd_per_kg"),
    ("demand", "gallium/other/2026", "demand_t_per_yr"),
    ("capacities", "chn_gallium/2026", "capacity_t_per_yr"),
    ("projects", "nolans", "capacity_t_per_yr"),
    ("projects", "nolans", "capex_musd"),
    ("projects", "nolans", "cash_usd_per_kg"),
    ("offers", "gallium_1", "depth_t_per_yr"),
    ("loss_functions", "usgs_2024/gallium/*", "loss_usd_per_t"),
    ("substitution", "gallium/other/1", "cost_usd_per_kg"),
]


@pytest.mark.parametrize("factor", [1000.0, 0.001])
@pytest.mark.parametrize(("table", "key", "column"), SLIPS)
def test_a_slip_is_told_by_check_in_its_own_row_alone(table: str, key: str, column: str, factor: float) -> None:
    """Proves: told as a fault where figures stand to each other as if one were in another unit, else as a note; a price of the
    plan's own set that slipped is not blamed on those that are right."""
    rows = list(data().rows(table))
    n = next(n for n, row in enumerate(rows) if key_of(row) == key)
    rows[n] = type(rows[n]).model_validate({**rows[n].model_dump(), **scaled(rows[n], column, factor)})
    slipped = Dataset({**data().tables, table: tuple(rows)})
    materials = (
        None
        if table == "projects"
        else {key.split("/")[1 if table in ("prices", "loss_functions") else 0].split("_1")[0]}
    )
    faults = list(unit_slips(plan("quickstart"), slipped))
    assert {(fault.file, fault.row, fault.column) for fault in faults} <= {(f"{table}.csv", key, column)}
    notes = (
        []
        if faults
        else unlikely(plan("quickstart"), slipped, None if table in ("projects", "capacities") else materials)
    )
    assert faults or [item for _, item, _ in notes] == [key], notes
    assert all(f"{table}.csv {key} {column}" in text and "expected about" in text for _, _, text in notes)


PLAN_SLIPS: list[tuple[str, dict[str, Any], str]] = [
    ("quickstart", {"budget.appropriation_musd": 50_000_000}, "budget.appropriation_musd"),
    ("quickstart", {"budget.appropriation_musd": 0.06}, "budget.appropriation_musd"),
    ("rare-earths", {"budget.appropriation_musd": 400_000}, "budget.appropriation_musd"),
    ("critical-minerals", {"budget.appropriation_musd.2029": 1_000_000}, "budget.appropriation_musd.2029"),
    ("critical-minerals", {"budget.appropriation_musd.2029": 1}, "budget.appropriation_musd.2029"),
    ("rare-earths", {"budget.total_musd": 4_000_000}, "budget.total_musd"),
    ("rare-earths", {"budget.total_musd": 4}, "budget.total_musd"),
    ("rare-earths", {"budget.liability_cap_musd": 600_000}, "budget.liability_cap_musd"),
    ("rare-earths", {"budget.liability_cap_musd": 0.6}, "budget.liability_cap_musd"),
    ("rare-earths", {"budget.emergency_musd": 100_000}, "budget.emergency_musd"),
    (
        "rare-earths",
        {"instruments.price_floors.0.levels_usd_per_kg": [55, 45_000]},
        "instruments.price_floors.0.levels_usd_per_kg.1",
    ),
    (
        "rare-earths",
        {"instruments.price_floors.1.levels_usd_per_kg": [0.045, 50]},
        "instruments.price_floors.1.levels_usd_per_kg.0",
    ),
    ("rare-earths", {"service_levels.1.penalty_usd_per_kg": 20_000_000}, "service_levels.1.penalty_usd_per_kg"),
    ("rare-earths", {"service_levels.1.penalty_usd_per_kg": 20}, "service_levels.1.penalty_usd_per_kg"),
    ("rare-earths", {"diversification.0.penalty_usd_per_kg": 10_000}, "diversification.0.penalty_usd_per_kg"),
    ("rare-earths", {"diversification.0.penalty_usd_per_kg": 0.01}, "diversification.0.penalty_usd_per_kg"),
    ("rare-earths", {"risk.cvar_limit_musd": 900_000_000}, "risk.cvar_limit_musd"),
    ("rare-earths", {"scenarios.0.events.0.duration_years": 750}, "scenarios.0.events.0.duration_years"),
    ("rare-earths", {"scenarios.0.events.0.price_multiplier": 2400}, "scenarios.0.events.0.price_multiplier"),
    ("rare-earths", {"discount_rate": 0.0003}, "discount_rate"),
]


@pytest.mark.parametrize(("name", "values", "field"), PLAN_SLIPS)
def test_money_of_a_plan_is_held_against_the_tables(name: str, values: dict[str, Any], field: str) -> None:
    """Proves: budgets, caps, floors, penalties and limits a thousand times too large or too small are doubted at their own field,
    and nothing else is."""
    asked = load_plan(shipped("models") / f"{name}.toml", values)
    found = unlikely(asked, data(), set())
    assert [(kind, item) for kind, item, _ in found] == [(KIND, field)]
    assert f"plan {field}" in found[0][2]
    assert "compared with" in found[0][2]


@pytest.mark.parametrize("appropriation", [0, 1, 20, 120, 600, 2000])
def test_small_large_and_no_budgets_are_opinions(appropriation: float) -> None:
    """Proves: a budget that somebody may mean is not doubted."""
    asked = load_plan(shipped("models") / "quickstart.toml", {"budget.appropriation_musd": appropriation})
    assert unlikely(asked, data(), set()) == []


def test_of_figures_that_disagree_the_one_without_support_is_doubted() -> None:
    """Proves: of four figures of which three agree the fourth is doubted, whichever it is, and only it; a figure that drags a sum
    along is doubted, not what the sum is compared with."""
    figures: list[Figure] = [("t", name, "x") for name in "abcd"]
    pairs = [
        Comparison(f"{one} and {other}", ((1.0, (one,)),), ((1.0, (other,)),), 0.1, 10.0)
        for n, one in enumerate(figures)
        for other in figures[:n]
    ]
    for wrong in figures:
        for factor in (1000.0, 0.001, 300.0, 1e7):
            values = {figure: 5.0 * (factor if figure == wrong else 1.0) for figure in figures}
            (doubt,) = doubts(values, pairs)
            assert doubt.figure == wrong
            assert doubt.factor == pytest.approx(factor, rel=0.01)
    whole = Comparison(
        "their sum", tuple((1.0, (figure,)) for figure in figures[:3]), ((3.0, (figures[3],)),), 0.3, 3.0
    )
    values = dict.fromkeys(figures, 5.0) | {figures[1]: 5000.0}
    assert [doubt.figure for doubt in doubts(values, [whole, *pairs])] == [figures[1]]
    assert list(doubts(dict.fromkeys(figures, 5.0), [whole, *pairs])) == []


def test_everything_in_another_unit_ends() -> None:
    """Proves: where nothing fits, no more than fifty figures are named."""
    figures: list[Figure] = [("t", str(n), "x") for n in range(300)]
    chain = [Comparison("next", ((1.0, (one,)),), ((1.0, (other,)),), 0.5, 2.0) for one, other in pairwise(figures)]
    assert len(list(doubts({figure: 10.0 ** (n % 9) for n, figure in enumerate(figures)}, chain))) == 50


def test_notes_of_rows_are_evidence_and_never_run() -> None:
    """Proves: a note that names no function of the estimates, wrong arguments, or figures that are not there, is no evidence and no
    error."""
    rows = list(data().rows("prices"))
    for call in (
        "exec(1)",
        "metal_price()",
        "price_factor(1, 1e9, 0.3)",
        "offtake_fee(prices[no/such/row].price_usd_per_kg)",
        "tier_share(99)",
        "rank_loss(0, 0)",
        "__import__(os)",
        "hurdle(nonsense)",
        "feed_price(1)",
    ):
        changed = (rows[0].model_copy(update={"note": f"price_usd_per_kg = {call}"}), *rows[1:])
        assert unlikely(plan("quickstart"), Dataset({**data().tables, "prices": changed}), {"ndpr_oxide"}) == []


def test_a_doubt_is_a_note_of_check_and_of_the_answer() -> None:
    """Proves: what `check` doubts stands among the notes of the answer too; own tables in memory are looked at as well."""
    asked, tables = tiny(
        {"a": 10.0},
        sources={"far": source("CHN", "a", 10.0)},
        demand={"a": 10.0},
        offers={"spot": offer("a", 5.0)},
        money=5e8,
    )
    report = check(asked, tables)
    assert not report.faults
    assert any("budget.appropriation_musd" in note for note in report.notes)
    table = solve(asked, tables, quick=True).tables["notes"]
    assert list(table[table.kind == KIND].item) == ["budget.appropriation_musd"]
    assert check_data(asked, tables) == []
