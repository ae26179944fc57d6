"""What rules of origin cost: stricter rules cost more, nothing costs nothing, and what is bought stands beside it."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from strategic_minerals import Dataset, origin_costs
from support.tiny import cut, offer, source, tiny

COLUMNS = ("rule", "authority", "switch", "applies_to", "materials", "countries")
RULES = [
    dict(zip(COLUMNS, row, strict=True))
    for row in (
        ("L1", "a statute", "law", "purchases", "b", "CHN"),
        ("P1", "a policy", "policy", "purchases", "*", "covered"),
    )
]


def question():
    """Two metals, each from China and an ally; the reserve may buy the ally's at a fifth more. Users lose 100 USD/kg in a stop."""
    metals = ("a", "b")
    plan, data = tiny(
        dict.fromkeys(metals, 10.0),
        materials={metal: {"holding_share_per_yr": 0.01} for metal in metals},
        sources={
            **{f"china_{m}": source("CHN", m, 3.0) for m in metals},
            **{f"ally_{m}": source("AUS", m, 1.0) for m in metals},
        },
        demand=dict.fromkeys(metals, 2.0),
        offers={
            **{f"cheap_{m}": offer(m, 1.0, 0.0, source=f"china_{m}") for m in metals},
            **{f"dear_{m}": offer(m, 0.5, 0.2, source=f"ally_{m}") for m in metals},
        },
        scenarios=[cut("stop", 0.5, 2029.0, 1.0)],
    )
    tables = {name: data.frame(name) for name in data.tables}
    return plan, Dataset.from_tables({**tables, "origin_rules": pd.DataFrame(RULES)})


def test_each_switch_costs_what_its_purchases_do_dearer():
    """The reserve buys 1 kt of each for the stop. Salvage pays the base price, so a fifth of 10 USD/kg is lost on each kt of an
    ally, 2 million USD a metal; half of it is bought a year earlier, at 1 % of 5 million for holding it."""
    found = origin_costs(*question(), gap=0.0).tables["costs"].set_index("rules")
    assert found.cost_musd["none"] == 0
    assert found.cost_musd["law"] == pytest.approx(2.05, abs=1e-6)
    assert found.cost_musd["practice"] == pytest.approx(0.0, abs=1e-6)
    assert found.cost_musd["policy"] == pytest.approx(4.1, abs=1e-6)
    assert found.covered_share.to_dict() == pytest.approx({"none": 1.0, "law": 10 / 22, "practice": 1.0, "policy": 0.0})
    assert found.closed.to_dict() == {"none": 0, "law": 1, "practice": 0, "policy": 2}


def test_the_plans_own_rules_stand_beside_the_switches():
    plan, data = question()
    own = {"law": True, "exclusions": [{"countries": "CHN", "materials": "a"}]}
    found = origin_costs(plan.model_copy(update={"procurement": type(plan.procurement)(**own)}), data, gap=0.0)
    assert list(found.tables["costs"].rules) == ["none", "law", "practice", "policy", "own"]
    assert found.tables["costs"].set_index("rules").cost_musd["own"] == pytest.approx(4.1, abs=1e-6)
    assert "the plan's own rules" in found.summary()
    assert found.to_dict()["kind"] == "origins"


@pytest.mark.slow
def test_the_verb_origins_prints_words_json_and_tables(tmp_path, cli):
    """Proves: on the first shipped plan, whose policy closes what is cheapest."""
    words = cli("origins", "quickstart")
    assert words.returncode == 0
    assert "policy" in words.stdout
    told = json.loads(cli("origins", "quickstart", "--json", "--out", tmp_path / "origins").stdout)
    assert told["kind"] == "origins"
    assert {file.name for file in (tmp_path / "origins").iterdir()} == {"costs.csv", "study.json"}
