"""Figures that are probably not meant: the wrong one is doubted, in its row, with what speaks against it, and no correct one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from strategic_minerals import Dataset, Plan, check, load_dataset, load_plan, shipped, solve
from strategic_minerals.question.base import column_of, key_of, unit_of
from strategic_minerals.question.consistency import check_data
from strategic_minerals.question.doubts import (
    KIND,
    MOST_DOUBTS,
    Comparison,
    Figure,
    contradictions,
    one,
    unit_slips,
    unlikely,
)
from strategic_minerals.question.load import load_question
from strategic_minerals.question.references import select_materials
from strategic_minerals.question.tables import TABLES
from strategic_minerals.world.unused import unused
from support.tiny import cut, offer, project, source, tiny

PLANS = sorted(path.stem for path in shipped("models").glob("*.toml"))


@cache
def data() -> Dataset:
    return load_dataset(shipped("inputs"))


def plan(name: str = "quickstart", values: dict[str, Any] | None = None) -> Plan:
    return load_plan(shipped("models") / f"{name}.toml", values or {})


def changed(table: str, column: str, keys: str, change: Any) -> Dataset:
    """The shipped tables with a figure and its range changed in the rows of some keys (separated by blanks; `*`: all)."""
    ends = [name for end in ("", "_low", "_high") if (name := column + end) in TABLES[table].model_fields]
    rows = tuple(
        row.model_copy(update={name: change(value) for name in ends if (value := getattr(row, name))})
        if keys == "*" or key_of(row) in keys.split()
        else row
        for row in data().rows(table)
    )
    return Dataset({**data().tables, table: rows})


@pytest.mark.parametrize("name", PLANS)
def test_shipped_plans_and_tables_give_no_false_alarm(name: str) -> None:
    """Proves: no figure of the shipped tables, nor of a shipped plan, is doubted, and nothing that a plan states is idle."""
    asked, tables = load_question(shipped("models") / f"{name}.toml")
    first, tail = asked.horizon.first_year, asked.horizon.tail_years or 0
    years = range(first, first + asked.horizon.years + tail)
    assert unlikely(asked, tables) == []
    assert list(unit_slips(asked, tables)) == []
    assert list(unused(asked, tables, years, select_materials(asked, tables))) == []


# --- figures that contradict others --------------------------------------------------------------------------------

SLIPS = [
    ("prices", "mcs2024/gallium/2024", "price_usd_per_kg", 1e3, "USD per tonne", True),
    ("prices", "mcs2024/gallium/2024", "price_usd_per_kg", 1e-3, "thousand USD per kg", True),
    ("prices", "quotes2026/ndpr_oxide/2026", "price_usd_per_kg", 1e3, "USD per tonne", True),
    ("demand", "gallium/other/2026", "demand_t_per_yr", 1e3, "kg a year", False),
    ("capacities", "chn_gallium/2026", "capacity_t_per_yr", 1e-3, "thousand tonnes a year", False),
    ("projects", "nolans", "capacity_t_per_yr", 1e-3, "thousand tonnes a year", True),
    ("projects", "nolans", "capex_musd", 1e3, "thousand USD", True),
    ("projects", "nolans", "capex_musd", 1e-3, "billion USD", False),
    ("projects", "nolans", "cash_usd_per_kg", 1e3, "USD per tonne", True),
    ("offers", "gallium_1", "depth_t_per_yr", 1e3, "kg a year", False),
    ("offers", "gallium_1", "depth_t_per_yr", 1e5, "", True),
    ("loss_functions", "usgs_2024/gallium/*", "loss_usd_per_t", 1e-3, "USD per kg", False),
    ("substitution", "gallium/other/1", "cost_usd_per_kg", 1e3, "USD per tonne", False),
    ("materials", "gallium", "disposal_t_per_yr", 1e3, "kg a year", False),
    ("minerals", "gallium", "price_usd_per_kg", 1e3, "USD per tonne", False),
]
"""Table, row, column, factor, unit that it seems to be in, whether the question is refused."""


@pytest.mark.parametrize(("table", "key", "column", "factor", "guess", "refused"), SLIPS)
def test_a_figure_in_another_unit_is_doubted_in_its_own_row_alone(
    table: str, key: str, column: str, factor: float, guess: str, refused: bool
) -> None:
    """Proves: as a note, and as a fault where no opinion explains it; with the unit and with what was compared."""
    slipped = changed(table, column, key, lambda value: value * factor)
    ((kind, item, text),) = unlikely(plan(), slipped)
    assert (kind, item) == (KIND, key)
    assert text.startswith(f"{table}.csv {key} {column}: ")
    assert guess in text
    assert "compared with" in text
    faults = [(fault.file, fault.row, fault.column) for fault in unit_slips(plan(), slipped)]
    assert faults == ([(f"{table}.csv", key, column)] if refused else [])


@pytest.mark.parametrize(
    ("table", "column", "factor", "refused"),
    [
        ("demand", "demand_t_per_yr", 1e3, True),
        ("capacities", "capacity_t_per_yr", 1e-3, True),
        ("prices", "price_usd_per_kg", 1e3, False),
        ("projects", "capex_musd", 1e-3, False),
    ],
)
def test_a_column_in_another_unit_is_doubted_once(table: str, column: str, factor: float, refused: bool) -> None:
    """Proves: with how many rows it has, and no other column is blamed."""
    slipped = changed(table, column, "*", lambda value: value * factor)
    ((_, _, text),) = unlikely(plan(), slipped)
    assert text.startswith(f"{table}.csv ")
    assert f" {column}: " in text
    assert "the same in" in text
    assert len(list(unit_slips(plan(), slipped))) == refused


PLAN_SLIPS: list[tuple[str, dict[str, Any], str]] = [
    ("quickstart", {"budget.appropriation_musd": 50_000_000}, "budget.appropriation_musd"),
    ("quickstart", {"budget.appropriation_musd": 0.06}, "budget.appropriation_musd"),
    ("critical-minerals", {"budget.appropriation_musd.2029": 1_000_000}, "budget.appropriation_musd.2029"),
    ("rare-earths", {"budget.total_musd": 4}, "budget.total_musd"),
    ("rare-earths", {"budget.liability_cap_musd": 600_000}, "budget.liability_cap_musd"),
    ("rare-earths", {"budget.emergency_musd": 100_000}, "budget.emergency_musd"),
    (
        "rare-earths",
        {"instruments.price_floors.0.levels_usd_per_kg": [55, 45_000]},
        "instruments.price_floors.0.levels_usd_per_kg.1",
    ),
    ("rare-earths", {"service_levels.1.penalty_usd_per_kg": 20}, "service_levels.1.penalty_usd_per_kg"),
    ("rare-earths", {"diversification.0.penalty_usd_per_kg": 10_000}, "diversification.0.penalty_usd_per_kg"),
    ("rare-earths", {"risk.cvar_limit_musd": 900_000_000}, "risk.cvar_limit_musd"),
]


@pytest.mark.parametrize(("name", "values", "field"), PLAN_SLIPS)
def test_money_of_a_plan_is_held_against_the_tables(name: str, values: dict[str, Any], field: str) -> None:
    """Proves: a thousand times too large or too small is doubted at its own field, and nothing else is."""
    ((kind, item, text),) = unlikely(plan(name, values), data())
    assert (kind, item) == (KIND, field)
    assert text.startswith(f"plan {field}: ")
    assert "compared with" in text


@pytest.mark.parametrize("appropriation", [0, 1, 20, 120, 600, 2000])
def test_small_large_and_no_budgets_are_opinions(appropriation: float) -> None:
    assert unlikely(plan(values={"budget.appropriation_musd": appropriation}), data()) == []


def test_of_figures_that_disagree_the_one_without_support_is_doubted() -> None:
    """Proves: of four figures of which three agree the fourth is doubted, whichever it is; one that drags a sum along is doubted,
    not what the sum is compared with."""
    figures: list[Figure] = [("t", name, "x") for name in "abcd"]
    pairs = [Comparison(one(a), one(b), 0.1, 10.0) for n, a in enumerate(figures) for b in figures[:n]]
    for wrong in figures:
        for factor in (1000.0, 0.001, 300.0, 1e7):
            (doubt,) = contradictions(dict.fromkeys(figures, 5.0) | {wrong: 5.0 * factor}, pairs)
            assert doubt.figures == (wrong,)
            assert doubt.expected.startswith("about 5, ")
    whole = Comparison(tuple(term for f in figures[:3] for term in one(f)), one(figures[3], 3.0), 0.3, 3.0, label="all")
    (doubt,) = contradictions(dict.fromkeys(figures, 5.0) | {figures[1]: 5000.0}, [whole, *pairs])
    assert doubt.figures == (figures[1],)
    assert list(contradictions(dict.fromkeys(figures, 5.0), [whole, *pairs])) == []


def test_where_nothing_fits_few_figures_are_named_and_what_is_refused_first() -> None:
    """Proves: the search ends, and a question that has to be refused is, however much else is odd."""
    figures: list[Figure] = [("t", str(n), "x") for n in range(300)]
    chain = [Comparison(one(a), one(b), 0.5, 2.0) for a, b in pairwise(figures)]
    strict = Comparison(one(figures[-1]), one(figures[-2]), 0.1, 10.0, refused=(0.1, 10.0))
    values = {figure: 10.0 ** (n * n % 9) for n, figure in enumerate(figures)}
    found = list(contradictions(values, [*chain, strict]))
    assert len(found) == MOST_DOUBTS
    assert [doubt.refused for doubt in found].index(True) == 0


# --- figures outside the usual range of their column ---------------------------------------------------------------

CELLS = [
    ("offers", "gallium_1", "premium_share", 5.0, "percent"),
    ("offers", "gallium_1", "premium_share", 1.05, "1 + the share"),
    ("offers", "gallium_1", "premium_share", 0.0005, "a share divided by 100 once too often"),
    ("projects", "nolans", "hurdle_rate", 0.0012, "a share divided by 100 once too often"),
    ("materials", "gallium", "net_import_reliance_pct", 0.9, "a share"),
    ("hazards", "heavy_licence", "rate_per_yr", 3.0, "percent"),
    ("hazards", "heavy_licence", "duration_yr", 18.0, "months"),
    ("projects", "nolans", "lead_yr", 365.0, "days"),
    ("tiers", "*/defence/3", "loss_multiplier", 100.0, "percent"),
    ("crisis_prices", "ree_2010_11.dysprosium.oxide_fob_china.2011_08", "months", 0.5, "years"),
    ("projects", "nolans", "hurdle_rate", 0.45, ""),
    ("yields", "nolans/ndpr_oxide", "yield_t_per_t", 500.0, ""),
]
"""Table, row, column, a figure that the schema lets through, how it was given."""


@pytest.mark.parametrize(("table", "key", "column", "value", "given"), CELLS)
def test_a_figure_in_another_notation_is_told_with_its_usual_range(
    table: str, key: str, column: str, value: float, given: str
) -> None:
    """Proves: in its row and column, once, and nothing else is doubted; it is no fault."""
    asked, tables = plan("rare-earths"), changed(table, column, key, lambda _: value)
    ((_, item, text),) = unlikely(asked, tables)
    assert item == key
    assert text.startswith(f"{table}.csv {key} {column}: {value:g}, outside the usual range")
    assert (f"probably {given}" if given else "expected") in text
    assert "if it is intended, leave it" in text
    assert check_data(asked, tables) == []


FIELDS: list[tuple[str, Any, str, str]] = [
    ("horizon.years", 48, "horizon.years", "months"),
    ("horizon.tail_years", 36, "horizon.tail_years", "months"),
    ("scenarios.0.events.0.duration_years", 18.0, "scenarios.0.events.0.duration_years", "months"),
    ("scenarios.0.events.0.price_multiplier", 250.0, "scenarios.0.events.0.price_multiplier", "percent"),
    (
        "scenarios.0.events.0.demand_multipliers",
        {"defence": 150.0},
        "scenarios.0.events.0.demand_multipliers.defence",
        "percent",
    ),
    ("hazards", [{"hazard": "pacific_war", "duration_yr": 24.0}], "hazards.0.duration_yr", "months"),
    ("discount_rate", 0.0003, "discount_rate", "a share divided by 100 once too often"),
    ("risk", {"alpha": 0.009}, "risk.alpha", ""),
    ("days_of_cover", [{"material": "gallium", "days": 3, "from_year": 2027}], "days_of_cover.0.days", "months"),
]
"""Field, value, field that is doubted, how it was given."""


@pytest.mark.parametrize(("path", "value", "field", "given"), FIELDS, ids=[case[2] for case in FIELDS])
def test_a_field_in_another_notation_is_told_with_its_usual_range(
    path: str, value: Any, field: str, given: str
) -> None:
    ((_, item, text),) = unlikely(plan(values={path: value}), data())
    assert item == field
    assert text.startswith(f"plan {field}: ")
    assert (f"probably {given}" if given else "expected") in text


OPINIONS = [
    ("offers", "gallium_1", "premium_share", 0.9),
    ("materials", "gallium", "decay_share_per_yr", 0.15),
    ("materials", "gallium", "haircut_share", 0.5),
    ("projects", "nolans", "hurdle_rate", 0.05),
    ("projects", "nolans", "lead_yr", 7.0),
    ("projects", "nolans", "life_yr", 60.0),
    ("instruments", "loan", "score", 0.005),
    ("hazards", "heavy_licence", "cut_share", 0.1),
    ("hazards", "heavy_licence", "duration_yr", 7.0),
    ("hazards", "heavy_licence", "price_multiplier", 20.0),
]


def test_opinions_are_not_asked_about() -> None:
    """Proves: figures at the edge of what the record and the trade have pass without a word."""
    for table, key, column, value in OPINIONS:
        assert unlikely(plan("rare-earths"), changed(table, column, key, lambda _, v=value: v)) == [], (table, column)


def test_rows_and_fields_in_one_notation_are_told_once() -> None:
    """Proves: one note for all rows of a column, and for all entries of a list, that are given in the same way."""
    tables = changed("materials", "resale_share", "gallium germanium antimony", lambda _: 0.01)
    ((_, _, text),) = unlikely(plan(), tables)
    assert "the same in 3 rows (" in text
    levels = plan("defence-base-case").to_toml_like()["service_levels"]
    asked = plan("defence-base-case", {"service_levels": [{**level, "level": 0.0095} for level in levels]})
    ((_, _, text),) = unlikely(asked, data())
    assert text.startswith("plan service_levels.0.level: 0.0095, ")
    assert f"the same in {len(levels)} fields (service_levels.1.level, " in text


ELSEWHERE = {
    "ramps.age_yr",
    "commitments.residual_musd",
    "hazard_evidence.prior_rate_per_yr",
    "instruments.signing_years",
    "instruments.contract_years",
    "horizon.period_months",
}
"""Whole years, lists of years, choices, and what an earlier answer wrote."""


def fields(model: type[BaseModel], place: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names of all fields of a plan."""
    for name, field in model.model_fields.items():
        yield f"{place}{name}", field
        for inner in _models(field.annotation):
            yield from fields(inner, f"{place}{name}.")


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models(inner)]


def test_every_share_rate_factor_and_length_has_a_usual_range() -> None:
    """Proves: of columns of all tables and of fields of the plan."""
    every = [
        (f"{table}.{name}", field) for table, model in TABLES.items() for name, field in model.model_fields.items()
    ]
    every += fields(Plan)
    without = {
        place
        for place, field in every
        if not place.endswith(("_low", "_high"))
        and (
            unit_of(place, column_of(field)) in ("share", "%", "years", "months", "days", "per year")
            or place.endswith(("multiplier", "multipliers", "kappa"))
        )
        and not column_of(field).has_range
    }
    assert without <= ELSEWHERE


# --- small tables, and the answer ----------------------------------------------------------------------------------


def test_small_plans_of_defaults_give_no_alarm() -> None:
    """Proves: tables in kilotonnes and USD/kg with nothing published beside them are not doubted."""
    asked, tables = tiny(
        {"a": 10.0, "b": {2027: 2.0, 2029: 3.0}},
        sources={"far": source("CHN", "a", 10.0), "near": source("AUS", "b", {2027: 4.0, 2028: 6.0})},
        demand={"a": 10.0, ("b", "civil"): 3.0},
        offers={"spot": offer("a", 5.0), "more": offer("a", 5.0, 0.5)},
        money=50.0,
        projects={"mill": project("a", 4.0, capex_musd=30.0, cash_usd_per_kg=1.0)},
        steps=[("a", "civil", 0.1, 20.0)],
        scenarios=[cut("stop", 0.1, 2028.0, 1.0)],
    )
    assert unlikely(asked, tables) == []


def test_a_doubt_is_a_note_of_check_and_of_the_answer() -> None:
    """Proves: what `check` doubts stands among the notes of the answer too; own tables in memory are looked at as well."""
    asked, tables = tiny(
        {"a": 10.0},
        sources={"far": source("CHN", "a", 10.0)},
        demand={"a": 10.0},
        offers={"spot": offer("a", 5.0, 1.05)},
        money=5e8,
    )
    report = check(asked, tables)
    assert not report.faults
    table = solve(asked, tables).tables["notes"]
    assert set(table[table.kind == KIND].item) == {"budget.appropriation_musd", "spot"}
    assert set(table[table.kind == KIND].note) <= set(report.notes)
