"""Readers are told names and figures with units, not codes: of things, of drawn scenarios, of figures."""

import pytest

from strategic_minerals.core.formats import digits
from strategic_minerals.question.names import Names, amount_in_words, range_in_words
from strategic_minerals.question.read_csv import shipped_tables
from strategic_minerals.world.loss_values import length_in_words, rate_in_words, span_in_words


@pytest.fixture(scope="module")
def names() -> Names:
    return Names.of(shipped_tables())


def test_things_are_told_by_names_and_keep_the_code_that_a_command_needs(names: Names) -> None:
    """Proves: a producer has its country once."""
    for item, kept, told in (
        ("project narva_2: loan", "Narva phase 2 (Estonia) [project narva_2: loan]", "Narva phase 2 (Estonia): loan"),
        ("contract can_gallium", "Gallium (Canada) [contract can_gallium]", "offtake from Gallium (Canada)"),
    ):
        assert (names.item(item), names.chosen(item)) == (kept, told)


def test_figures_in_words_have_the_right_unit(names: Names) -> None:
    """Proves: months up to two years, rates as how often, numbers without an exponent."""
    assert [
        length_in_words(years) for years in (0.01, 14 / 12, 2.0, 4.31)
    ] == "1 month,14 months,2 years,4.3 years".split(",")
    assert span_in_words(0.25, 23 / 12, 0.75) == "3 months to 23 months, on average 9 months"
    assert span_in_words(0.3, 4.3, 1.5) == "4 months to 4.3 years, on average 18 months"
    assert span_in_words(float("nan"), 4.0, 1.5) == "18 months on average"
    assert [rate_in_words(rate) for rate in (0.15625, 1.0, 2.5, 0.0)] == [
        "once in 6.4 years", "once a year", "2.5 times a year", "never",
    ]  # fmt: skip
    numbers = [(12345.0, 3), (999.7, 3), (-12345.6, 4), (9999.7, 4), (0.00012, 3), (1.2345, 4)]
    assert [digits(*number) for number in numbers] == "12,345 1,000 -12,346 10,000 0.00012 1.234".split()
    assert amount_in_words("loss_usd_per_t", 13_333_000.0) == "13,333,000 USD/t"
    assert range_in_words("gallium/defence/2026", "demand_t_per_yr", 0.561, 1.87, 5.61, names) == (
        "Gallium, defence, 2026: demand 1.87 t/yr (0.561 to 5.61)"
    )
    assert range_in_words("ga_ge_sb_ban", "rate_per_yr", 4e-5, 0.01, 0.04, names).endswith(
        "once in 100 years (25 to 25,000)"
    )
    assert range_in_words("gallium_3", "premium_share", 0.15, 0.45, 0.9, names) == (
        "Gallium (Canada): premium over the market price 45% (15% to 90%)"
    )
