"""Parts of a sum, rounded so that what is printed adds up."""

import random

import pytest

from strategic_minerals.core.stats import rounded_to_add_up


def test_parts_add_up_to_the_total_as_printed_and_move_by_less_than_a_unit_and_a_half() -> None:
    """Proves: for random sums of one to six parts of any sign, at every number of digits; a part that is nothing may be moved no
    more than any other."""
    drawn = random.Random(7)
    for _ in range(3_000):
        digits, count = drawn.randrange(4), drawn.randrange(1, 7)
        parts = [drawn.uniform(-30, 30) if drawn.random() < 0.8 else drawn.uniform(-0.06, 0.06) for _ in range(count)]
        total = sum(parts)
        found = rounded_to_add_up(total, parts, digits)
        assert found is not None
        assert sum(found) == pytest.approx(round(total, digits), abs=1e-9)
        assert all(abs(one - part) < 1.5 * 10.0**-digits for one, part in zip(found, parts, strict=True))


def test_what_adds_up_is_left_alone_and_otherwise_the_first_part_keeps_its_own_figure() -> None:
    """Proves: 150.8 and three parts that make 140.2 are told as 151 and parts that make 140, not as 150."""
    found = rounded_to_add_up(140.2, [150.8, -4.6, -6.4, 0.4], 0)
    assert found is not None
    assert (found[0], sum(found)) == (151.0, 140.0)
    assert str(rounded_to_add_up(4.3, [4.7, -0.4, -0.01], 1)) == "(4.7, -0.4, 0.0)"


def test_parts_of_another_total_are_refused() -> None:
    """Proves: no part is bent to make up for what is missing from a sum."""
    assert rounded_to_add_up(0.0, [-0.3, 0.1], 1) is None
    assert rounded_to_add_up(5.0, [], 1) is None
    assert rounded_to_add_up(0.0, [], 1) == ()
