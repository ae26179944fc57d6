"""Figures in another notation that the schema refuses: the fault says how they are written."""

from __future__ import annotations

from typing import Any

import pytest

from strategic_minerals import load_dataset, load_plan, shipped
from strategic_minerals.core.errors import PlanError
from strategic_minerals.data.row_checks import validate_rows
from strategic_minerals.schemas.base import key_of
from strategic_minerals.schemas.tables import TABLES


def row_of(table: str, key: str) -> Any:
    """A row of the shipped tables."""
    return next(row for row in load_dataset(shipped("inputs")).rows(table) if key_of(row) == key)


@pytest.mark.parametrize(
    ("table", "key", "column", "value", "said"),
    [
        ("hazards", "heavy_licence", "cut_share", 75, "75 % is 0.75"),
        ("materials", "gallium", "haircut_share", 5, "5 % is 0.05"),
        ("materials", "gallium", "decay_share_per_yr", 1.02, "1.02 % is 0.0102, and 2 % more is 0.02"),
        ("projects", "nolans", "hurdle_rate", 1.12, "12 % more is 0.12"),
        ("offers", "gallium_1", "premium_share", 15, "15 % is 0.15"),
        ("offers", "gallium_1", "premium_share", -5, "-5 % is -0.05"),
    ],
)
def test_a_share_beyond_its_limits_is_a_fault_that_says_how_it_is_written(
    table: str, key: str, column: str, value: float, said: str
) -> None:
    """Proves: where the schema refuses a figure, the fault says what this figure would be as a share."""
    row = row_of(table, key)
    bare = {f"{column}{end}": None for end in ("_low", "_high") if f"{column}{end}" in TABLES[table].model_fields}
    record = {**row.model_dump(), **bare, column: value}
    _, (fault,) = validate_rows(table, [record], f"{table}.csv", list(record))
    assert fault.column == column
    assert said in fault.expected


@pytest.mark.parametrize(
    ("table", "key", "column", "value", "said"),
    [
        ("offers", "gallium_1", "premium_share", 1.05, "0.05, if 1 was added to it"),
        ("offers", "gallium_1", "premium_share", 5, "0.05, if it was given in percent"),
        ("hazards", "heavy_licence", "cut_share", 0.0075, "0.75, if it was given after dividing by 100 once too often"),
        ("projects", "nolans", "hurdle_rate", 0.0015, "0.15, if it was given after dividing by 100 once too often"),
        (
            "materials",
            "gallium",
            "holding_share_per_yr",
            0.000093,
            "0.0093, if it was given after dividing by 100 once too often",
        ),
        ("hazards", "heavy_licence", "duration_yr", 365, "0.9993, if it was given in days"),
        ("hazards", "heavy_licence", "duration_yr", 18, "1.5, if it was given in months"),
    ],
)
def test_a_figure_outside_its_own_range_is_a_fault_that_says_what_it_may_be(
    table: str, key: str, column: str, value: float, said: str
) -> None:
    """Proves: where the ends of the range of an estimate were given as they should be, and the figure was not."""
    record = {**row_of(table, key).model_dump(), column: value}
    _, (fault,) = validate_rows(table, [record], f"{table}.csv", list(record))
    assert fault.column == column
    assert said in fault.expected


def test_a_field_beyond_its_limits_is_a_fault_that_says_how_it_is_written() -> None:
    with pytest.raises(PlanError, match=r"at most 0.5 \(a share: 3 % is 0.03, 4 % is 0.04\)"):
        load_plan(shipped("models") / "quickstart.toml", {"discount_rate": 4})
