"""Figures in words: what a column holds, of what, how much in which unit; and under faults, what their columns are."""

from __future__ import annotations

import pytest

from strategic_minerals import load_dataset, shipped
from strategic_minerals.cli.service import columns_in_words
from strategic_minerals.core.errors import Fault
from strategic_minerals.core.formats import digits
from strategic_minerals.question.names import Names, amount_in_words, column_in_words, range_in_words
from strategic_minerals.question.tables import FACT_TABLES, TABLES


@pytest.mark.parametrize(
    ("key", "column", "range_", "said"),
    [
        (
            "gallium/defence/2026",
            "demand_t_per_yr",
            (0.561, 1.87, 5.61),
            "Gallium, defence, 2026: demand 1.87 t/yr (0.561 to 5.61)",
        ),
        (
            "gallium_3",
            "premium_share",
            (0.15, 0.45, 0.9),
            "Gallium (Canada): premium over the market price 45% (15% to 90%)",
        ),
        (
            "pacific_war",
            "duration_yr",
            (1.0, 2.15, 4.0),
            "War in the Pacific: duration 2.15 years (1 to 4)",
        ),
        (
            "heavy_licence/ndfeb_magnet/direct/9.0",
            "cut_share",
            (0.09, 0.18, 0.27),
            "Chinese licence stop for heavy rare earths and magnets, NdFeB magnets, the controlled flow, from month 9: supply cut "
            "18% (9% to 27%)",
        ),
        (
            "*/defence/2",
            "loss_multiplier",
            (3.0, 10.0, 30.0),
            "all, defence, 2: multiple of the loss per tonne 10 (3 to 30)",
        ),
    ],
)
def test_an_uncertain_figure_is_told_by_names(
    key: str, column: str, range_: tuple[float, float, float], said: str
) -> None:
    """Proves: no code and no name of a column is left; one unit for the whole range."""
    assert range_in_words(key, column, *range_, Names.of(load_dataset(shipped("inputs")))) == said


def test_every_figure_with_a_range_has_words_of_its_own() -> None:
    """Proves: no uncertain column of a planning table is told by its code, and its ends are told as ends."""
    ranged = {
        name
        for table, model in TABLES.items()
        if table not in FACT_TABLES
        for name in model.model_fields
        if f"{name}_low" in model.model_fields
    }
    assert ranged
    for name in ranged:
        words = column_in_words(name)
        assert "_" not in words
        assert not words.endswith((" usd", " t", " yr", " kappa")), name
        assert column_in_words(f"{name}_low") == f"lowest estimate of the {words}"
    assert amount_in_words("loss_usd_per_t", 13_333_000.0) == "13,333,000 USD/t"


@pytest.mark.parametrize(
    ("value", "figures", "said"),
    [
        (12345.0, 3, "12,345"),
        (999.7, 3, "1,000"),
        (999.4, 3, "999"),
        (-12345.6, 4, "-12,346"),
        (9999.7, 4, "10,000"),
        (0.00012, 3, "0.00012"),
        (1.2345, 4, "1.234"),
    ],
)
def test_a_number_is_read_without_an_exponent(value: float, figures: int, said: str) -> None:
    assert digits(value, figures) == said


def test_columns_of_faults_are_explained_once() -> None:
    """Proves: of tables and of the plan, in the order of the faults; what has no meaning of its own is left out."""
    faults = [
        Fault("tables/offers.csv", "32", "premium_share", "'15'", "at most 10"),
        Fault("offers.csv", "33", "premium_share", "'16'", "at most 10"),
        Fault("plan.toml", "4", "risk.alpha", "3", "less than 1"),
        Fault("offers.csv", "", "colour", "a column", "none"),
        Fault("--set", "", "nothing.known", "1", "a field"),
    ]
    assert columns_in_words(faults) == [
        "What they are:",
        "  premium_share: Premium on the material's base price; 0.1 is 10 % more.",
        "  risk.alpha: Level of the CVaR: the mean of the worst 1 - alpha of outcomes.",
    ]
    assert columns_in_words(faults[3:]) == []
