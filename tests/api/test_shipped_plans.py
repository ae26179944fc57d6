"""Every shipped plan loads, passes its checks, and gives its published result.

Large plans run in a named, smaller form. After a change that is meant to move results, refresh what is stored with

    REFRESH_PUBLISHED=1 python -m pytest tests/api/test_shipped_plans.py
"""

from __future__ import annotations

from pathlib import Path

import pytest

from strategic_minerals import load_dataset, load_plan, shipped
from strategic_minerals.question.consistency import check_data
from strategic_minerals.question.load import load_question
from support.published import LONG, assert_published

PLANS = sorted(shipped("models").glob("*.toml"))
PUBLISHED = Path(__file__).parent / "published"


@pytest.fixture(scope="module")
def data():
    return load_dataset(shipped("inputs"))


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_a_shipped_plan_has_no_fault(path):
    assert check_data(*load_question(path, shipped("inputs"))) == []


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[pytest.mark.slow] * (path.stem in LONG)) for path in PLANS],
    ids=lambda path: path.stem,
)
def test_a_shipped_plan_gives_its_published_result(path):
    assert_published(path, shipped("inputs"), PUBLISHED)


def test_the_rare_earth_plan_covers_the_chain_and_its_instruments(data):
    """At least ten projects, floors at four levels and none, licence stops, embargo, flood-then-squeeze, ten years and a tail."""
    plan = load_plan(shipped("models") / "rare-earths.toml")
    kinds = {row.hazard: row.kind for row in data.rows("hazards")}
    struck = {kinds[event.hazard] for scenario in plan.scenarios for event in scenario.events}
    assert {"licence", "embargo", "flood_squeeze"} <= struck
    assert plan.horizon.years == 10
    assert plan.horizon.tail_years >= 3
    assert all(len(menu.levels_usd_per_kg) >= 4 for menu in plan.instruments.price_floors)
    from strategic_minerals.world.build import build_instance

    assert len(build_instance(plan, data).projects) >= 10
