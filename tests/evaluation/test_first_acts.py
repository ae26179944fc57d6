"""What would settle what is open: the hazard that goes with a difference between samples, and none by chance."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from strategic_minerals.studies.solve import settling
from support.drawn_cases import deciding


def found(amounts: np.ndarray, counts: np.ndarray) -> pd.DataFrame:
    """What settles the amounts that samples buy of one offer, given how many events they have; of another all buy as much."""
    tests = [
        SimpleNamespace(acts={("buy", "a", 2027): t, ("buy", "b", 2027): 5.0}, events={"stop": n})
        for t, n in zip(amounts.tolist(), counts.tolist(), strict=True)
    ]
    return settling(tests, deciding()[1], [(str(k), one.acts) for k, one in enumerate(tests)])


def test_the_hazard_that_goes_with_a_difference_is_named_with_its_sign_and_rate() -> None:
    """Proves: where a sample with fewer stops buys more, the stop is named, less of it with more stops, with the rate of the table;
    what is the same in all samples is left out."""
    counts = np.linspace(0.2, 0.4, 10)
    rows = found(100 - 50 * counts, counts)
    assert rows[["kind", "item", "hazard"]].to_numpy().tolist() == [["buy", "a", "stop"]]
    assert rows.correlation[0] < -0.999
    assert rows.certain[0]
    assert rows.rate_per_yr[0] == 0.3


@pytest.mark.slow
def test_chance_is_seldom_called_certain() -> None:
    """Proves: of 400 sets of ten samples without any connection no more than 5 % are called certain, but for the error of 400."""
    rng = np.random.default_rng(5)
    hits = [found(rng.random(10), rng.random(10)).certain.iloc[0] for _ in range(400)]
    assert np.mean(hits) <= 0.05 + 2 * (0.05 * 0.95 / 400) ** 0.5
