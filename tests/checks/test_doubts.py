"""Figures that are probably not meant: the wrong one is doubted, in its row, with what speaks against it, and no correct one."""

from typing import Any

import pytest

from strategic_minerals import Dataset, Plan, check, load_plan, shipped, solve
from strategic_minerals.question.base import key_of
from strategic_minerals.question.consistency import check_data
from strategic_minerals.question.doubts import KIND, unit_slips, unlikely
from strategic_minerals.question.load import load_question
from strategic_minerals.question.read_csv import shipped_tables
from strategic_minerals.question.references import select_materials
from strategic_minerals.question.tables import TABLES
from strategic_minerals.world.unused import unused
from support.tiny import imported, offer


def plan(name: str = "quickstart", values: dict[str, Any] | None = None) -> Plan:
    return load_plan(shipped("models") / f"{name}.toml", values or {})


def changed(table: str, column: str, keys: str, change: Any) -> Dataset:
    """The shipped tables with a figure and its range changed in the rows of some keys (separated by blanks; `*`: all)."""
    ends = [name for end in ("", "_low", "_high") if (name := column + end) in TABLES[table].model_fields]
    rows = tuple(
        row.model_copy(update={name: change(value) for name in ends if (value := getattr(row, name))})
        if keys == "*" or key_of(row) in keys.split()
        else row
        for row in shipped_tables().rows(table)
    )
    return Dataset({**shipped_tables().tables, table: rows})


@pytest.mark.long
def test_shipped_plans_and_tables_give_no_false_alarm() -> None:
    """Proves: no figure of the shipped tables, nor of a shipped plan, is doubted, and nothing that a plan states is idle."""
    for path in sorted(shipped("models").glob("*.toml")):
        asked, tables = load_question(path)
        first, tail = asked.horizon.first_year, asked.horizon.tail_years or 0
        years = range(first, first + asked.horizon.years + tail)
        assert unlikely(asked, tables) == [], path
        assert list(unit_slips(asked, tables)) == [], path
        assert list(unused(asked, tables, years, select_materials(asked, tables))) == [], path


SLIPS = [
    ("prices", "mcs2024/gallium/2024", "price_usd_per_kg", 1e3, "USD per tonne", True),
    ("demand", "gallium/other/2026", "demand_t_per_yr", 1e3, "kg a year", False),
    ("capacities", "chn_gallium/2026", "normal_t_per_yr", 1e3, "kg a year", False),
    ("projects", "nolans", "capex_musd", 1e3, "thousand USD", True),
    ("offers", "gallium_1", "depth_t_per_yr", 1e3, "kg a year", False),
    ("substitution", "gallium/other/1", "cost_usd_per_kg", 1e3, "USD per tonne", False),
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


FIELDS: list[tuple[str, dict[str, Any], str]] = [
    ("quickstart", {"budget.appropriation_musd": 50_000_000}, "budget.appropriation_musd"),
    ("critical-minerals", {"budget.appropriation_musd.2029": 1_000_000}, "budget.appropriation_musd.2029"),
    (
        "rare-earths",
        {"instruments.price_floors.0.levels_usd_per_kg": [55, 45_000]},
        "instruments.price_floors.0.levels_usd_per_kg.1",
    ),
    ("quickstart", {"hazards": [{"hazard": "pacific_war", "duration_yr": 24.0}]}, "hazards.0.duration_yr"),
    ("quickstart", {"discount_rate": 0.0003}, "discount_rate"),
    ("quickstart", {"horizon.first_year": 2127}, "horizon.first_year"),
]
"""Plan, values, field that is doubted: money in another unit, and notations outside the usual range."""


@pytest.mark.long
def test_a_field_in_another_unit_or_notation_is_doubted() -> None:
    """Proves: at its own field, and nothing else is; small, large and no budgets are opinions."""
    for name, values, field in FIELDS:
        ((kind, item, text),) = unlikely(plan(name, values), shipped_tables())
        assert (kind, item) == (KIND, field)
        assert text.startswith(f"plan {field}: ")
    for appropriation in (0, 20, 2000):
        assert unlikely(plan(values={"budget.appropriation_musd": appropriation}), shipped_tables()) == []


def test_a_whole_column_in_another_unit_is_one_doubt_that_names_the_first_rows() -> None:
    """Proves: rows that are off alike are told together, and their producers' costs, which prices would measure, are not."""
    first, *others = unlikely(plan(), changed("prices", "price_usd_per_kg", "*", lambda value: value * 1000))
    assert "probably USD per tonne, the same in" in first[2]
    assert "projects.csv nolans" not in " ".join(text for *_, text in others)


CELLS = [
    ("offers", "gallium_1", "premium_share", 5.0, "percent"),
    ("offers", "gallium_1", "premium_share", 1.05, "1 + the share"),
    ("materials", "gallium", "net_import_reliance_pct", 0.9, "a share"),
    ("hazards", "heavy_licence", "duration_yr", 18.0, "months"),
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


OPINIONS = [
    ("offers", "gallium_1", "premium_share", 0.9),
    ("materials", "gallium", "haircut_share", 0.5),
    ("projects", "nolans", "life_yr", 60.0),
    ("hazards", "heavy_licence", "duration_yr", 7.0),
]


def test_opinions_are_not_asked_about() -> None:
    """Proves: figures at the edge of what the record and the trade have pass without a word."""
    for table, key, column, value in OPINIONS:
        assert unlikely(plan("rare-earths"), changed(table, column, key, lambda _, v=value: v)) == [], (table, column)


def test_a_doubt_is_a_note_of_check_and_of_the_answer() -> None:
    """Proves: what `check` doubts stands among the notes of the answer too; own tables in memory are looked at as well."""
    asked, tables = imported(10.0, offers={"spot": offer("a", 5.0, 1.05)}, money=5e8)
    report = check(asked, tables)
    assert not report.faults
    table = solve(asked, tables).tables["notes"]
    assert set(table[table.kind == KIND].item) == {"budget.appropriation_musd", "spot"}
    assert set(table[table.kind == KIND].note) <= set(report.notes)
