"""Promises that a disruption threatens."""

from typing import Any

from strategic_minerals import Dataset, Plan
from support.tiny import cut, imported, offer, source, tiny


def promising(level: float = 0.5, year: float = 30.0, **changes: Any) -> tuple[Plan, Dataset]:
    """20 kt go missing in 2028; half of them are promised; a kt costs 10 million USD, and there are 30 in 2027."""
    case: dict[str, Any] = {
        "loss": 90.0,
        "offers": {"spot": offer("a", 100.0)},
        "scenarios": [cut("cut", 0.25, 2028, 1, design_basis=True)],
        "money": {2027: year, 2028: 0.0},
        "service_levels": [{"material": "a", "segment": "civil", "level": level, "scenarios": ["cut"]}],
    }
    return imported(10.0, 20.0, **{**case, **changes})


def squeezed(level: float, **more: Any) -> tuple[Plan, Dataset]:
    """Home makes 1 of 3 kt of magnets, China the rest and stops for 2028; nothing can be bought. Home covers a third."""
    return tiny(
        {"magnet": 100.0},
        sources={"home": source("USA", "magnet", 1.0), "china": source("CHN", "magnet", 3.0)},
        demand={"magnet": 3.0},
        scenarios=[cut("stop", 0.2, 2028.0, 1.0, design_basis=True)],
        service_levels=[{"material": "magnet", "segment": "civil", "level": level, "scenarios": ["stop"]}],
        **more,
    )
