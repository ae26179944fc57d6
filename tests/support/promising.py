"""A promise that a disruption threatens."""

from __future__ import annotations

from typing import Any

from strategic_minerals import Dataset, Plan
from support.tiny import cut, imported, offer


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
