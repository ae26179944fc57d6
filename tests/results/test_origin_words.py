"""Where purchases come from, in words: by cost, what rests on one country, what is not published."""

from __future__ import annotations

import pandas as pd

from strategic_minerals import Names
from strategic_minerals.answer.summary import origin_of_purchases
from strategic_minerals.audit.figures import Figures
from support.tiny import tiny


def lines(**bought: tuple[float, float]) -> list[str]:
    """bought: `material__COUNTRY` -> (t, million USD)."""
    rows = []
    for key, (tonnes, money) in bought.items():
        item = key.replace("__", ": ")
        rows += [["bought_from_t", item, tonnes, ""], ["bought_from_musd", item, money, ""]]
    figures = Figures.of(pd.DataFrame(rows, columns=["figure", "item", "value", "text"]))
    _, data = tiny({"a": 1.0, "b": 1.0})
    return origin_of_purchases(figures, Names.of(data))


def test_shares_are_of_the_cost_and_dependence_is_of_the_tonnes():
    said = lines(a__AUS=(90.0, 30.0), a__USA=(10.0, 30.0), b__USA=(5.0, 40.0))
    assert said[0].endswith("by cost: USA 70%, AUS 30%")
    assert said[1].endswith("of their tonnes: a on AUS; b on USA")
    assert len(said) == 2


def test_an_origin_that_nobody_publishes_is_no_country():
    said = lines(a__=(10.0, 5.0), b__USA=(1.0, 5.0))
    assert "origin not published 50%" in said[0]
    assert said[-1].endswith("of their tonnes: a")
    assert "on USA" in said[1]


def test_small_origins_are_counted():
    assert "2 more below 1% each" in lines(a__USA=(1.0, 99.0), b__AUS=(1.0, 0.5), b__CHN=(1.0, 0.5))[0]


def test_nothing_bought_says_nothing():
    assert lines() == []
