"""One mineral, two projects and a stock: small enough to solve by hand, large enough to choose."""

from typing import Any

from strategic_minerals import Dataset, Plan
from support.tiny import cut, imported, offer, project


def one_mineral(money: float = 200.0, **changes: Any) -> tuple[Plan, Dataset]:
    """10 kt/yr from China. Quarantine (0.15): half of a year's supply fails; embargo (0.10): all of three years'.

    A: 100 million USD for 3 kt/yr; C: 60 for 2 kt/yr; both sell at cash cost. Stock: 60 to buy, 3 a year to hold, 45 at the end;
    a missing kg costs 400. All is signed and bought in 2027, the events begin in 2028."""
    case = {
        "materials": {"a": {"haircut_share": 0.25, "holding_share_per_yr": 0.05}},
        "loss": 340.0,
        "offers": {"spot": offer("a", 100.0)},
        "residual": 0.0,
        "years": 4,
        "projects": {
            name: project("a", kt, capex_musd=capex, cash_usd_per_kg=60.0, additional=True)
            for name, kt, capex in (("A", 3.0, 100.0), ("C", 2.0, 60.0))
        },
        "packages": {"grant": {"instrument": "grant"}},
        "instruments": {"signing_years": [2027]},
        "money": {2027: money, 2028: 100.0},
        "scenarios": [cut("quarantine", 0.15, 2028, 1, share=0.5), cut("embargo", 0.10, 2028, 3)],
    }
    return imported(60.0, **{**case, **changes})
