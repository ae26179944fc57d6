"""The panel against closed forms, paths by hand, and what it must not see."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # where the study's modules are, from wherever pytest starts

import bootstrap
import panel as study
from replay import COVER, EVEN, FIRST, HOLD, SALES, Sale, gain

HALF_1_5, HALF_2, HALF_3, ALL_2, THIRDS = SALES
POOL = study.Rule("pool", 1.0, True)


def walk(years: int, sigma: float = 0.3, common: float = 0.0) -> study.Panel:
    """Every material as a random walk; common: share of the variance of a yearly change."""
    rng, names = np.random.default_rng(7), tuple(sorted(study.GROUP_OF))
    changes = common**0.5 * rng.standard_normal(years) + (1 - common) ** 0.5 * rng.standard_normal((len(names), years))
    return study.Panel(names, 1998, sigma * changes.cumsum(axis=1))


def shuffled(panel: study.Panel, tuned: bool) -> study.Panel:
    """The panel with the years of one half's prices permuted."""
    rng, prices = np.random.default_rng(3), panel.log_price.copy()
    for i, name in enumerate(panel.names):
        if study.is_tuned(name) == tuned:
            prices[i] = rng.permutation(prices[i])
    return replace(panel, log_price=prices)


# --- intervals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("horizon", study.HORIZONS)
def test_an_interval_holds_nine_tenths_of_a_lognormal(horizon: int) -> None:
    rows = study.cases(walk(300), POOL, range(2003, 2290, 3))
    own = rows[rows["horizon"] == horizon]
    assert own["inside"].mean() == pytest.approx(0.90, abs=0.012)  # 5,376 cases: three standard errors
    assert own["below"].mean() == pytest.approx(own["above"].mean(), abs=0.012)


@pytest.mark.parametrize("dof", study.QUANTILES_95)
def test_quantiles_are_those_of_the_distribution(dof: int) -> None:
    rng = np.random.default_rng(5)
    drawn = rng.standard_t(dof, 400_000) if dof else rng.standard_normal(400_000)
    assert np.mean(drawn < study.QUANTILES_95[dof]) == pytest.approx(0.95, abs=0.0012)


def test_todays_rule_is_the_backtests() -> None:
    changes = np.array([[np.nan, 9.0, 0.1, -0.2, 0.3, np.nan, 0.4, -0.5]])
    assert study.variances(["Cu"], changes, study.TODAY) == pytest.approx((0.01 + 0.04 + 0.09 + 0.16 + 0.25) / 5)


def test_a_share_of_the_others_is_mixed_in_as_variance() -> None:
    changes = np.array([[0.1, 0.1, 0.1], [0.3, 0.3, 0.3], [0.5, 0.5, 0.5]])
    rule, names = study.Rule("", weight=0.25), ["Cu", "Ni", "Au"]  # two base metals and a precious one
    assert study.variances(names, changes, rule) == pytest.approx(
        [0.75 * 0.01 + 0.25 * 0.05, 0.75 * 0.09 + 0.25 * 0.05, 0.25]
    )


def test_interval_score_by_hand() -> None:
    rows = study.cases(study.load(), study.TODAY, [2003])
    outside = rows[rows["above"] > 0].iloc[0]
    assert outside["score"] == pytest.approx(outside["width"] + 20 * (outside["seen"] - outside["high"]))
    inside = rows[rows["inside"] > 0]
    assert np.allclose(inside["score"], inside["width"])


def test_a_cycle_widens_and_leans() -> None:
    variance, still = np.array([0.04]), study.Cycle(0.0, 0.0, 0.5)
    for horizon in study.HORIZONS:
        centre, scale = study.ahead(variance, horizon, still)
        assert (centre[0], scale[0]) == pytest.approx((0.0, 0.2 * horizon**0.5))
    centre, scale = study.ahead(variance, 2, study.Cycle(0.5, 0.5, -1.0))
    assert centre[0] == pytest.approx(-0.2 * 0.75)
    assert scale[0] ** 2 == pytest.approx(0.04 * (0.5 * 2 + 0.5 * 0.75 * (1 + 1.5**2)))


@pytest.mark.parametrize("rule", [study.TODAY, *study.candidates()], ids=lambda rule: rule.name)
def test_a_forecast_does_not_see_what_follows(rule: study.Rule) -> None:
    panel, columns = study.load(), ["name", "horizon", "centre", "scale"]
    later = panel.log_price.copy()
    later[:, 2009 - panel.first_year :] *= 1.5
    seen, changed = (study.cases(own, rule, [2008])[columns] for own in (panel, replace(panel, log_price=later)))
    pd.testing.assert_frame_equal(seen, changed)


# --- doubling -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dof", [0, 4])
def test_a_wide_walk_passes_its_start_as_sparre_andersen_says(dof: int) -> None:
    assert study.chance(np.zeros(3), np.full(3, 1e9), study.walks(dof)) == pytest.approx(1 - 20 / 64, abs=0.01)


def test_a_narrow_walk_never_doubles() -> None:
    assert study.chance(np.zeros(3), np.full(3, 0.01), study.walks(0)) == 0.0


def test_the_base_rate_counts_windows_that_have_ended() -> None:
    panel = study.Panel(("Cu", "Ni"), 1998, np.log(np.array([[1.0, 1, 2, 1, 1, 9], [1, 1, 1, 1, 1, 9]])))
    assert study._base_rate(panel, 2001) == pytest.approx((1 + 0.5) / (2 + 1))
    assert study._base_rate(panel, 2002) == pytest.approx((2 + 0.5) / (4 + 1))


# --- replay -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prices", "buying", "sale", "late", "expected"),
    [
        ([1, 1, 1, 1, 1], EVEN, HOLD, False, 0.9 - 0.02 * (0.2 + 0.4 + 0.6 + 0.8) - 1),
        ([1, 1, 1, 1, 1], COVER, HOLD, False, 0.9 - 0.02 * (0.2 + 0.4 + 0.6 + 0.8) - 1),
        ([1, 2, 1, 2, 4], COVER, HOLD, False, 0.9 * 2 - 0.02 * 0.1 * (1 + 4 + 3 + 8) - 1),
        ([1, 3, 3, 1, 1], FIRST, HOLD, False, 0.9 - 0.02 * (1 + 3 + 3 + 1) - 1),
        ([1, 1.6, 1, 1, 1], FIRST, HALF_1_5, False, 0.9 * (0.8 + 0.5) - 0.02 * (1 + 0.8 + 0.5 + 0.5) - 1),
        ([1, 3, 3, 1, 1], FIRST, HALF_2, False, 0.9 * (1.5 + 0.75 + 0.25) - 0.02 * (1 + 1.5 + 0.75 + 0.25) - 1),
        ([1, 3, 4, 1, 1], FIRST, HALF_3, False, 0.9 * (2 + 0.5) - 0.02 * (1 + 3 + 2 + 0.5) - 1),
        ([1, 3, 3, 1, 1], FIRST, ALL_2, False, 0.9 * 3 - 0.02 - 1),
        ([1, 3, 2.5, 1, 1], FIRST, ALL_2, True, 0.9 * 2.5 - 0.02 * (1 + 3) - 1),
        ([1, 1, 4, 1, 1], EVEN, ALL_2, False, 0.9 * (1.6 + 0.45) - 0.02 * (0.2 + 0.4 + 0.2 + 0.25) - 1),
        ([1, 1.6, 2.1, 3.1, 1], FIRST, THIRDS, False, 0.9 * (1.6 + 2.1 + 3.1) / 3 - 0.02 * (1 + 3.2 / 3 + 0.7) - 1),
        (
            [1, 1.6, 1.6, 1, 1],
            FIRST,
            THIRDS,
            False,
            0.9 * 2.6 * 2 / 6 + 0.3 - 0.02 * (1 + 3.2 / 3 + 3.2 / 3 + 2 / 3) - 1,
        ),
    ],
)
def test_a_path_by_hand(prices: list[float], buying: str, sale: Sale, late: bool, expected: float) -> None:
    assert gain(np.array(prices, dtype=float), buying, sale, late) == pytest.approx(expected)


def test_a_gain_does_not_hang_on_the_unit_of_the_price() -> None:
    prices = np.array([2.0, 3.0, 7.0, 4.0, 5.0])
    for sale in (HOLD, *SALES):
        assert gain(1000 * prices, EVEN, sale) == pytest.approx(gain(prices, EVEN, sale))


# --- the split ----------------------------------------------------------------------------------------------------------


def test_the_split_is_stable() -> None:
    tuned = "Ag Al Ba Cd Cu Dy Er Fe Gd I K Lu Mo Nb P Pt Re Se Sm Tb Ti V W Y Yb Zr".split()
    assert {name for name in study.GROUP_OF if study.is_tuned(name)} == {*tuned, "Rare Earths"}


def test_what_breaks_is_left_out() -> None:
    panel = study.load()
    assert set(panel.names) == set(study.GROUP_OF)
    assert np.isnan(panel.log_price[panel.names.index("Mo"), 2010 - panel.first_year :]).all()


@pytest.mark.long
def test_what_is_chosen_does_not_see_the_held_back_half() -> None:
    panel = study.load()
    other = shuffled(panel, tuned=False)
    assert study.price_scores(other, study.FIRST_HALF) == study.price_scores(panel, study.FIRST_HALF)
    assert study.sale_scores(other) == study.sale_scores(panel)
    assert (study.choose_rule(other), study.choose_sale(other)) == (study.choose_rule(panel), study.choose_sale(panel))
    assert study.price_scores(shuffled(panel, tuned=True), study.FIRST_HALF) != study.price_scores(
        panel, study.FIRST_HALF
    )


@pytest.mark.long
def test_the_price_rule_does_not_see_later_origins() -> None:
    panel = study.load()
    later = panel.log_price.copy()
    later[:, 2012 - panel.first_year :] = 0.0
    assert study.choose_rule(replace(panel, log_price=later)) == study.choose_rule(panel)


# --- how sure -----------------------------------------------------------------------------------------------------------


def test_resamples_draw_whole_years_in_blocks_and_whole_materials() -> None:
    rows = pd.DataFrame([{"name": name, "origin": origin} for name in "abcd" for origin in range(2003, 2015)])
    weights = bootstrap.resamples(rows, 3).reshape(-1, 4, 12)
    assert (weights.sum(axis=(1, 2)) == 48).all()
    by_year, by_name = weights.sum(axis=1) / 4, weights.sum(axis=2) / 12
    assert np.allclose(weights, by_year[:, None, :] * by_name[:, :, None])
    assert (by_year.max(axis=1) <= 4).all()
    assert weights.mean() == pytest.approx(1.0)


def test_a_common_share_is_found_again() -> None:
    assert bootstrap.common_share(walk(4000, common=0.28).changes) == pytest.approx(0.28, abs=0.02)


def test_independent_cases() -> None:
    assert bootstrap.effective(55, 12, 0.0) == 660
    assert bootstrap.effective(55, 12, 1.0) == 12
    assert bootstrap.effective(55, 12, 0.28) == pytest.approx(12 * 55 / (1 + 54 * 0.28))


@pytest.mark.long
def test_the_first_run_comes_out_again() -> None:
    _, text = study.study(study.load())
    kept = (study.HERE / "first-run.txt").read_text(encoding="utf-8")
    words, kept_words = (re.sub(r"-?[0-9.]+|[ ]+", " ", t).split() for t in (text, kept))
    assert words == kept_words
    figures, kept_figures = ([float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", t)] for t in (text, kept))
    assert np.allclose(figures, kept_figures, atol=0.011)  # two decimals are kept
