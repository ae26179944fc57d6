"""Small questions whose scenarios are drawn."""

from __future__ import annotations

from typing import Any

import pandas as pd

from strategic_minerals import Dataset, Plan
from support.tiny import KT, source, tiny


def exposed(*, rate: float, demand: Any = None, **hazard: Any) -> tuple[Plan, Dataset]:
    """10 kt a year from abroad, missed at 60 a kg where they are stopped for just a year; nothing can be done about it."""
    plan, data = tiny(
        {"a": 10.0}, sources={"far": source("CHN", "a", 10.0)}, demand=demand or {"a": 10.0}, loss=50.0, years=6
    )
    row = {
        "hazard": "stop",
        "name": "stop",
        "kind": "embargo",
        "countries": "CHN",
        "materials": "a",
        "rate_per_yr": rate,
        "duration_yr": 1.0,
        "duration_law": "fixed",
        "cut_share": 1.0,
        **hazard,
    }
    told = plan.to_toml_like() | {
        "sample": {"scenarios": 4, "seed": 1, "quiet_probability": 0.0, "events_per_hazard": 1}
    }
    return Plan.model_validate(told), data.replace(hazards=pd.DataFrame([row]))


def deciding() -> tuple[Plan, Dataset]:
    """10 kt a year that stop at .3 a year; up to 3 kt a year may be bought at 10 before, and a tenth of them is lost."""
    import pandas as pd

    plan, data = exposed(rate=0.3)
    offers = pd.DataFrame(
        [
            {
                "offer": "spot",
                "material": "a",
                "source_producer": "outside",
                "depth_t_per_yr": 3 * KT,
                "premium_share": 0.0,
                "crisis_availability": 0.0,
            }
        ]
    )
    materials = data.frame("materials").assign(haircut_share=0.3, holding_share_per_yr=0.2)
    told = plan.to_toml_like()
    told["sample"] |= {"scenarios": 8, "quiet_probability": 0.1}
    return Plan.model_validate(told), data.replace(offers=offers, materials=materials)
