"""New options at their neutral values give the answers of before, on a frozen copy of tables and plans (`tests/frozen`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.published import LONG, assert_published

FROZEN = Path(__file__).parents[1] / "frozen"
PLANS = sorted((FROZEN / "models").glob("*.toml"))


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[pytest.mark.slow] * (path.stem in LONG)) for path in PLANS],
    ids=lambda path: path.stem,
)
def test_neutral_options_give_the_answers_of_before(path):
    assert_published(path, FROZEN / "inputs", FROZEN / "published")
