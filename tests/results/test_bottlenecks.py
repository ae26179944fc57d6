"""Which stage of a chain keeps a material from being made, by hand."""

import pytest

from strategic_minerals import solve
from support.tiny import cut, source, tiny


def limits(mine: float, metal: float, magnets: float, *, clean: float | None = None) -> str:
    """What limits 4 kt of magnets at home when Chinese magnets and ore stop: an allied mine, a metal plant, a magnet plant."""
    ruled = clean is not None
    plan, data = tiny(
        {"ore": 10.0, "metal": 20.0, "magnet": 50.0} | ({"form": 50.0} if ruled else {}),
        materials={"form": {"qualified_of": "magnet", "qualified_users": "defence"}},
        sources={
            "ally": source("AUS", "ore", mine, kappa=1.0, feed="AUS"),
            "china": source("CHN", "ore", 9.0),
            "metal_plant": source("USA", {"metal": 1.0, "ore": -1.0}, metal, feed="modelled"),
            "magnet_plant": source("USA", {"magnet": 1.0, "metal": -0.5}, magnets, feed="modelled"),
            "far": source("CHN", "magnet", 9.0),
        }
        | ({"check": source("USA", {"form": 1.0, "magnet": -1.0}, 9.0, feed="modelled")} if ruled else {})
        | ({"other": source("AUS", "ore", 9.0, kappa=1.0)} if ruled else {}),
        demand={("magnet", "defence"): 4.0},
        scenarios=[cut("stop", 0.5, 2028.0, 1.0)],
        procurement={
            "exclusions": [{"countries": "CHN", "materials": "magnet", "reach_back": True, "applies_to": ["users"]}]
            * ruled
        },
    )
    table = solve(plan, data, quick=True).tables["bottlenecks"]
    rows = table[(table.case == "nothing") & (table.scenario == "stop")]
    assert len(rows) == 1
    return " ".join(rows.limited_by)


@pytest.mark.parametrize(
    ("mine", "metal", "magnets", "expected"),
    [(0.5, 9.0, 9.0, "ore"), (9.0, 1.0, 9.0, "metal"), (9.0, 9.0, 1.0, "magnet"), (1.0, 1.5, 3.0, "ore")],
)
def test_the_stage_whose_makers_give_all_they_can_is_named(mine, metal, magnets, expected):
    assert limits(mine, metal, magnets) == expected


def test_a_form_is_limited_by_what_counts_for_it():
    """There is ore of an ally who declares nothing, but it makes no magnet that defence may use."""
    assert limits(0.5, 9.0, 9.0, clean=0.5) == "ore"


def test_nothing_limits_what_could_be_made():
    """Users go without where supply costs more than their loss: no stage is named."""
    plan, data = tiny(
        {"a": 10.0},
        sources={"far": source("CHN", "a", 9.0), "ally": source("AUS", "a", 9.0, kappa=1.0, premium_share=5.0)},
        demand={"a": 4.0},
        loss=20.0,
        scenarios=[cut("stop", 0.5, 2028.0, 1.0)],
    )
    table = solve(plan, data, quick=True).tables["bottlenecks"]
    assert set(table.material) == {"a"}
    assert set(table.limited_by) == {""}
