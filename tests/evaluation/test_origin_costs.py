"""What rules of origin cost: stricter rules cost more, nothing costs nothing, and what is bought stands beside it."""

import pandas as pd
import pytest

from strategic_minerals import origin_costs
from support.tiny import cut, offer, source, tiny

RULES = pd.DataFrame(
    [("L1", "a statute", "law", "purchases", "b", "CHN"), ("P1", "a policy", "policy", "purchases", "*", "covered")],
    columns=["rule", "authority", "switch", "applies_to", "materials", "countries"],
)


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
    return plan, data.replace(origin_rules=RULES)


def test_each_switch_and_the_plans_own_rules_cost_what_their_purchases_do_dearer():
    """The reserve buys 1 kt of each for the stop. Salvage pays the base price, so a fifth of 10 USD/kg is lost on each kt of an
    ally, 2 million USD a metal; half of it is bought a year earlier, at 1 % of 5 million for holding it."""
    plan, data = question()
    own = {"law": True, "exclusions": [{"countries": "CHN", "materials": "a"}]}
    asked = plan.model_copy(update={"procurement": type(plan.procurement)(**own)})
    found = origin_costs(asked, data, gap=0.0).tables["costs"].set_index("rules")
    assert list(found.index) == ["none", "law", "practice", "policy", "own"]
    assert found.cost_musd["none"] == 0
    assert found.cost_musd["law"] == pytest.approx(2.05, abs=1e-6)
    assert found.cost_musd["practice"] == pytest.approx(0.0, abs=1e-6)
    assert found.cost_musd["policy"] == pytest.approx(4.1, abs=1e-6)
    assert found.cost_musd["own"] == pytest.approx(4.1, abs=1e-6)
    assert found.covered_share[:4].tolist() == pytest.approx([1.0, 10 / 22, 1.0, 0.0])
    assert found.closed[:4].tolist() == [0, 1, 0, 2]
