"""Figures: what samples say of a plan covers the truth as often as it claims (a stock against four hazards), and parts of a sum are
rounded so that what is printed adds up."""

import random
from itertools import product

import numpy as np
import pytest

from strategic_minerals.core.frames import Floats
from strategic_minerals.core.stats import estimated, gap_bound, rounded_to_add_up

REPETITIONS, SAMPLES, SCENARIOS = 1_000, 10, 40
HAZARDS = [(0.35, (2.0, 4.0)), (0.2, (3.0, 9.0)), (0.1, (8.0, 16.0)), (0.05, (20.0, 40.0))]
"""(probability, what is short with equal chances) of each."""
STORE, LOSS = 0.05, 1.0
"""Cost of a unit in stock, and of a unit short beyond it."""


def population() -> tuple[Floats, Floats]:
    """(probability, shortage) of every outcome."""
    each = [[(1 - chance, 0.0), *((chance / len(sizes), size) for size in sizes)] for chance, sizes in HAZARDS]
    outcomes = list(product(*each))
    return (
        np.array([np.prod([chance for chance, _ in outcome]) for outcome in outcomes]),
        np.array([sum(size for _, size in outcome) for outcome in outcomes]),
    )


def cost(stock: float, weight: Floats, shortage: Floats) -> float:
    return STORE * stock + LOSS * float(weight @ np.maximum(0.0, shortage - stock))


def least(weight: Floats, shortage: Floats) -> float:
    """The best plan's cost: convex and linear between shortages, so one of them, or none, is best."""
    return min(cost(stock, weight, shortage) for stock in np.unique(np.append(shortage, 0.0)))


CHANCE, SHORT = population()
BEST = least(CHANCE, SHORT)
PLAN = 3.0
"""A stock that is not the best one."""
GAP = cost(PLAN, CHANCE, SHORT) - BEST
WORTH = cost(0.0, CHANCE, SHORT) - cost(PLAN, CHANCE, SHORT)


def fair(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """A sample whose scenarios are as likely as each other."""
    return np.full(SCENARIOS, 1 / SCENARIOS), rng.choice(SHORT, SCENARIOS, p=CHANCE)


def test_intervals_and_gaps_hold_the_truth_as_often_as_they_say() -> None:
    """Proves: of 1,000 repetitions with ten samples each, 93 to 97 % of the two-sided 95 % intervals hold what the plan is worth,
    and at least 93.5 % of the upper limits its true gap; the limit is of the size of the gap, no empty promise."""
    rng = np.random.default_rng(20261128)
    inside, limits = 0, []
    for _ in range(REPETITIONS):
        samples = [fair(rng) for _ in range(SAMPLES)]
        worth = estimated([cost(0.0, *one) - cost(PLAN, *one) for one in samples], 0.95)
        inside += worth.low <= WORTH <= worth.high
        limits.append(gap_bound([cost(PLAN, *one) - least(*one) for one in samples], 0.95).upper)
    assert 0.93 <= inside / REPETITIONS <= 0.97
    assert np.mean(np.array(limits) >= GAP) >= 0.935
    assert GAP > 0
    assert np.median(limits) < 1.5 * GAP


def test_a_plan_chosen_by_the_samples_pays_for_the_choice() -> None:
    """Proves: the best of five plans that are all the same but for noise in the samples keeps its level, which one test alone of
    the chosen one would not."""
    rng = np.random.default_rng(7)
    alone, together, count = 0, 0, 2_000
    for _ in range(count):
        gaps = 1.0 + rng.standard_normal((SAMPLES, 5))
        chosen = gaps[:, int(gaps.mean(axis=0).argmin())]
        alone += gap_bound(chosen, 0.95).upper >= 1.0
        together += gap_bound(chosen, 0.95, plans=5).upper >= 1.0
    assert alone / count < 0.9
    assert together / count >= 0.94


def test_the_limit_is_the_formula_of_the_text_and_one_sample_bounds_nothing() -> None:
    """Proves: mean + t[9, 0.95] s / sqrt(10), with Student's 1.8331."""
    gaps = np.arange(10.0)
    assert gap_bound(gaps.tolist(), 0.95).upper == pytest.approx(4.5 + 1.8331 * gaps.std(ddof=1) / 10**0.5, rel=1e-4)
    assert gap_bound([1.0], 0.95).upper == np.inf
    assert estimated([1.0], 0.95).high == np.inf


def test_parts_add_up_to_the_total_as_printed_and_move_by_less_than_a_unit_and_a_half() -> None:
    """Proves: for random sums of one to six parts of any sign, at every number of digits; a part that is nothing may be moved no
    more than any other."""
    drawn = random.Random(7)
    for _ in range(3_000):
        digits, count = drawn.randrange(4), drawn.randrange(1, 7)
        parts = [drawn.uniform(-30, 30) if drawn.random() < 0.8 else drawn.uniform(-0.06, 0.06) for _ in range(count)]
        total = sum(parts)
        found = rounded_to_add_up(total, parts, digits)
        assert sum(found) == pytest.approx(round(total, digits), abs=1e-9)
        assert all(abs(one - part) < 1.5 * 10.0**-digits for one, part in zip(found, parts, strict=True))


def test_what_adds_up_is_left_alone_and_otherwise_the_first_part_keeps_its_own_figure() -> None:
    """Proves: 150.8 and three parts that make 140.2 are told as 151 and parts that make 140, not as 150."""
    found = rounded_to_add_up(140.2, [150.8, -4.6, -6.4, 0.4], 0)
    assert (found[0], sum(found)) == (151.0, 140.0)
    assert str(rounded_to_add_up(4.3, [4.7, -0.4, -0.01], 1)) == "(4.7, -0.4, 0.0)"


def test_parts_of_another_total_are_refused() -> None:
    """Proves: no part is bent to make up for what is missing from a sum."""
    assert rounded_to_add_up(0.0, [-0.3, 0.1], 1) is None
    assert rounded_to_add_up(5.0, [], 1) is None
    assert rounded_to_add_up(0.0, [], 1) == ()
