"""Every shipped plan loads, passes its checks and gives its published result; new options at their neutral values give the answers
of before, on a frozen copy of tables and plans (`tests/frozen`).

Large plans run in a named, smaller form. After a change that is meant to move results, refresh what is stored with

    REFRESH_PUBLISHED=1 python -m pytest tests/api/test_shipped_plans.py
"""

from __future__ import annotations

from pathlib import Path

import pytest

from strategic_minerals import shipped
from strategic_minerals.question.consistency import check_data
from strategic_minerals.question.load import load_question
from support.published import LONG, assert_published

PLANS = sorted(shipped("models").glob("*.toml"))
PUBLISHED = Path(__file__).parent / "published"
FROZEN = Path(__file__).parents[1] / "frozen"


@pytest.mark.long
def test_no_shipped_plan_has_a_fault() -> None:
    found = {path.stem: check_data(*load_question(path, shipped("inputs"))) for path in PLANS}
    assert {name: faults for name, faults in found.items() if faults} == {}


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[pytest.mark.long] * (path.stem in LONG)) for path in PLANS],
    ids=lambda path: path.stem,
)
def test_a_shipped_plan_gives_its_published_result(path: Path) -> None:
    assert_published(path, shipped("inputs"), PUBLISHED)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[pytest.mark.slow] * (path.stem in LONG))
        for path in sorted((FROZEN / "models").glob("*.toml"))
    ],
    ids=lambda path: path.stem,
)
def test_neutral_options_give_the_answers_of_before(path: Path) -> None:
    assert_published(path, FROZEN / "inputs", FROZEN / "published")
